# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A receiver that misbehaves: reads and answers one byte a second, or answers at once with garbage; or reads all, and
closes in order, but keeps nothing of it (forgetful, TCP).

usage: bad_receiver.py tcp|udp PORT slow|garbage|forgetful [FILE]
	FILE: whole RFC 6587 frames that arrive are kept, their uids appended there, before more is read
"""
import os
import random
import re
import selectors
import signal
import socket
import sys
import time

kind, port, manner = sys.argv[1], int(sys.argv[2]), sys.argv[3]
record = os.open(sys.argv[4], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if len(sys.argv) > 4 else -1
chance = random.Random(port)
stopping = False


def stop(*_):
    global stopping
    stopping = True


def keep(stream):
    """Takes the whole frames off the stream."""
    while (head := re.match(rb"(\d{1,6}) ", stream)) and len(stream) >= head.end() + int(head[1]):
        frame = bytes(stream[head.end():head.end() + int(head[1])])
        del stream[:head.end() + int(head[1])]
        for uid in re.findall(rb' uid="([^"]*)"', frame)[:1]:
            os.write(record, uid + b"\n")


def serve_one(selector, connection, stream):
    """One reading. False: the connection has ended."""
    try:
        data = connection.recv(1 if manner == "slow" else 65536)
        if data:
            connection.send(b"H" if manner == "slow" else chance.randbytes(chance.randint(1, 200)))
    except BlockingIOError:
        return True
    except OSError:
        return False
    stream += data
    if record >= 0:
        keep(stream)
    return bool(data)


def tcp():
    selector = selectors.DefaultSelector()
    listener = socket.create_server(("127.0.0.1", port))
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ, None)
    while not stopping:
        for key, _ in selector.select(0.1):
            if key.data is None:
                connection, _ = listener.accept()
                connection.setblocking(False)
                selector.register(connection, selectors.EVENT_READ, bytearray())
            elif not serve_one(selector, key.fileobj, key.data):
                selector.unregister(key.fileobj)
                key.fileobj.close()
        if manner == "slow" and not stopping:
            time.sleep(1)


def udp():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", port))
    one.settimeout(0.1)
    while not stopping:
        try:
            _, sender = one.recvfrom(65536)
        except TimeoutError:
            continue
        if manner == "garbage":
            one.sendto(chance.randbytes(chance.randint(1, 200)), sender)
        else:
            time.sleep(1)
            one.sendto(b"0", sender)


def forgetful():
    listener = socket.create_server(("127.0.0.1", port))
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.settimeout(0.5)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        pass


signal.signal(signal.SIGTERM, stop)
if manner == "forgetful":
    sys.exit(forgetful())
tcp() if kind == "tcp" else udp()
