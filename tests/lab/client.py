# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A plain netlink client that manages SAs without being an IKE daemon anybody knows: it installs a pair, says so, and
deletes it when it is told to (SIGUSR1: one by one, SIGUSR2: by a flush) or, being asked to by "obey", when the peer
says in clear that it does not know the SPI. Arguments: LOCAL REMOTE SPI_IN SPI_OUT [obey]."""
import select
import signal
import socket
import struct
import sys

NEWSA, DELSA, FLUSHSA = 0x10, 0x11, 0x1C
ALG_AEAD, SRCADDR = 18, 13
ESP = 50


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def raw(address):
    return socket.inet_pton(family(address), address).ljust(16, b"\0")


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def ask(sock, kind, body):
    """One request, its acknowledgement awaited (struct nlmsghdr, nlmsgerr)."""
    sock.send(struct.pack("=IHHII", 16 + len(body), kind, 0x405 if kind == NEWSA else 5, 1, 0) + body)
    answer = sock.recv(65536)
    error = struct.unpack_from("=i", answer, 16)[0]
    if error:
        sys.exit(f"netlink request {kind:#x}: error {error}")


def install(sock, src, dst, spi):
    """struct xfrm_usersa_info, then the cipher."""
    selector = struct.pack("=16s16sHHHHHBBBxxxiI", b"", b"", 0, 0, 0, 0, family(src), 0, 0, 0, 0, 0)
    no_limit = struct.pack("=8Q", *([2**64 - 1] * 4 + [0] * 4))
    info = selector + raw(dst) + struct.pack(">I", spi) + struct.pack("=Bxxx", ESP) + raw(src) + no_limit
    info += struct.pack("=4Q", 0, 0, 0, 0) + struct.pack("=III", 0, 0, 0)
    info += struct.pack("=IIHBBBxxxxxxx", 0, 7, family(src), 1, 0, 0)
    key = bytes(range(20))
    cipher = struct.pack("=64sII", b"rfc4106(gcm(aes))", len(key) * 8, 128) + key
    ask(sock, NEWSA, info + attribute(ALG_AEAD, cipher))


def delete(sock, src, dst, spi):
    """struct xfrm_usersa_id."""
    body = raw(dst) + struct.pack(">I", spi) + struct.pack("=HBx", family(dst), ESP)
    ask(sock, DELSA, body + attribute(SRCADDR, raw(src)))


def unknown_spi(data):
    """The SPI of an INVALID_SPI notification in clear, or None (RFC 7296 3.10, RFC 2408 3.14)."""
    if len(data) < 40 or data[18] not in (37, 5):
        return None
    if data[17] == 0x20 and data[16] == 41:
        kind, at = struct.unpack_from(">H", data, 34)[0], 36 + data[33]
    elif data[17] == 0x10 and data[16] == 11:
        kind, at = struct.unpack_from(">H", data, 38)[0], 40 + data[37]
    else:
        return None
    return struct.unpack_from(">I", data, at)[0] if kind == 11 and len(data) >= at + 4 else None


def main():
    local, remote, spi_in, spi_out = sys.argv[1], sys.argv[2], int(sys.argv[3], 0), int(sys.argv[4], 0)
    orders = []
    signal.signal(signal.SIGUSR1, lambda *_: orders.append("delete"))
    signal.signal(signal.SIGUSR2, lambda *_: orders.append("flush"))
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 6)
    sock.bind((0, 0))
    ike = socket.socket(family(local), socket.SOCK_DGRAM)
    ike.bind((local, 500))
    install(sock, remote, local, spi_in)
    install(sock, local, remote, spi_out)
    print("installed", flush=True)
    while not orders:
        if select.select([ike], [], [], 0.2)[0] and unknown_spi(ike.recv(2048)) == spi_out and "obey" in sys.argv:
            orders.append("delete")
    if orders[0] == "flush":
        ask(sock, FLUSHSA, struct.pack("=B", 0))
    else:
        delete(sock, remote, local, spi_in)
        delete(sock, local, remote, spi_out)
    print("deleted", flush=True)
    signal.pause()


main()
