# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sets a WireGuard device up over generic netlink, as wg(8) does, with keys that are for the laboratory alone.
Arguments: NAME a|b REMOTE."""
import socket
import struct
import sys

PORT = 51820
# private, public
KEYS = {
    "a": ("40a6f3b07b5e733f7e6a1182244a993174dce5a3374a692717b9cf242c92ff76",
          "277563412bf05e3a9b26694c2518e42394b2d8d7cc289bcbaf4f9bc4e8a7b828"),
    "b": ("581337999c13f110f710d3bddc4fe0117163cf2d98ec922615b76c50976af967",
          "d233e0635e78cbea60bcfe012863f76cb2e1dae017a91d056383dd0ea083cc60"),
}
NESTED, REQUEST_ACK = 0x8000, 5
GENL_CTRL, GETFAMILY, FAMILY_NAME, FAMILY_ID = 0x10, 3, 2, 1
SET_DEVICE, IFNAME, PRIVATE_KEY, LISTEN_PORT, PEERS = 1, 2, 3, 6, 8
PUBLIC_KEY, ENDPOINT, ALLOWED = 1, 4, 9
FAMILY, ADDRESS, MASK = 1, 2, 3


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def ask(sock, kind, command, body):
    """One request (struct nlmsghdr, genlmsghdr) and what comes first of its answer."""
    sock.send(struct.pack("=IHHIIBBxx", 20 + len(body), kind, REQUEST_ACK, 1, 0, command, 1) + body)
    answer = sock.recv(65536)
    if struct.unpack_from("=H", answer, 4)[0] == 2:
        error = struct.unpack_from("=i", answer, 16)[0]
        if error:
            sys.exit(f"request {command}: error {error}")
    return answer


def family(sock):
    answer = ask(sock, GENL_CTRL, GETFAMILY, attribute(FAMILY_NAME, b"wireguard\0"))
    sock.recv(65536)  # the acknowledgement
    at = 20
    while at < len(answer):
        length, kind = struct.unpack_from("=HH", answer, at)
        if kind == FAMILY_ID:
            return struct.unpack_from("=H", answer, at + 4)[0]
        at += (length + 3) & ~3
    return sys.exit("no WireGuard")


def main():
    name, side, remote = sys.argv[1:4]
    everywhere = attribute(FAMILY, struct.pack("=H", socket.AF_INET)) + attribute(ADDRESS, bytes(4)) + attribute(MASK, b"\0")
    endpoint = struct.pack("=H", socket.AF_INET) + struct.pack(">H", PORT) + socket.inet_aton(remote) + bytes(8)
    peer = attribute(PUBLIC_KEY, bytes.fromhex(KEYS["b" if side == "a" else "a"][1])) + attribute(ENDPOINT, endpoint)
    peer += attribute(ALLOWED | NESTED, attribute(NESTED, everywhere))
    device = attribute(IFNAME, name.encode() + b"\0") + attribute(PRIVATE_KEY, bytes.fromhex(KEYS[side][0]))
    device += attribute(LISTEN_PORT, struct.pack("=H", PORT)) + attribute(PEERS | NESTED, attribute(NESTED, peer))
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
    ask(sock, family(sock), SET_DEVICE, device)


main()
