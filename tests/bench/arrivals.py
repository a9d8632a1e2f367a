# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Receives alarms and prints how long each was under way, in ms, by the time in its uid (GATEWAY:ID:MICROSECONDS).

usage: arrivals.py udp|inform|tcp|http|nats PORT, arrivals.py tls PORT CERTIFICATE KEY, arrivals.py local PATH
	inform: SNMPv2c informs, acknowledged; nats: subscribes at a server that runs
"""
import http.server
import re
import socket
import ssl
import sys
import time

kind, where = sys.argv[1], sys.argv[2]
seen = set()


def note(data):
    now = time.time()
    for uid, us in re.findall(rb"(gw1:[1-9]\d*:(\d{16}))", data):
        if uid not in seen:
            seen.add(uid)
            print(round((now - int(us) / 1e6) * 1000, 3), flush=True)


def datagrams(one):
    while True:
        data, sender = one.recvfrom(65536)
        note(data)
        if kind == "inform":
            # the answer is the same message, its PDU an other: after version and community
            at = data.index(b"public") + 6
            one.sendto(data[:at] + b"\xa2" + data[at + 1:], sender)


def stream(connection):
    held = b""
    while data := connection.recv(65536):
        held = (held + data)[-65536:]
        note(held)


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        note(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response_only(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def subscribe():
    connection = socket.create_connection(("127.0.0.1", int(where)))
    connection.sendall(b'CONNECT {"verbose":false}\r\nSUB ikewatch.alarms.> 1\r\nPING\r\n')
    while data := connection.recv(65536):
        note(data)
        if b"PING\r\n" in data:
            connection.sendall(b"PONG\r\n")


if kind == "http":
    http.server.HTTPServer(("127.0.0.1", int(where)), Hook).serve_forever()
elif kind == "nats":
    subscribe()
elif kind == "local":
    local = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    local.bind(where)
    datagrams(local)
elif kind in ("udp", "inform"):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", int(where)))
    datagrams(udp)
else:
    listener = socket.create_server(("127.0.0.1", int(where)))
    if kind == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        listener = context.wrap_socket(listener, server_side=True)
    while True:
        stream(listener.accept()[0])
