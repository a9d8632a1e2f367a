# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A tunnel in user space, as openvpn is: holds a tun device and carries what goes through it in UDP to its like at the
other end. Arguments: NAME LOCAL REMOTE [PERSISTS]. The device goes when the process does, unless it is to persist: then
it stays, without a carrier. Ends by itself after ten minutes."""
import fcntl
import os
import select
import signal
import socket
import struct
import sys

TUNSETIFF, TUNSETPERSIST = 0x400454CA, 0x400454CB
IFF_TUN, IFF_NO_PI = 1, 0x1000
PORT = 1194

name, local, remote = sys.argv[1:4]
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.alarm(600)
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
if any(sys.argv[4:]):
    fcntl.ioctl(tun, TUNSETPERSIST, 1)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((local, PORT))
sock.connect((remote, PORT))
os.set_blocking(tun, False)
sock.setblocking(False)
print("holds", name, flush=True)
while True:
    ready = select.select([tun, sock], [], [])[0]
    try:
        if tun in ready:
            sock.send(os.read(tun, 65536))
        if sock in ready:
            os.write(tun, sock.recv(65536))
    except OSError:  # nobody there, or the device is down: as a line is, which loses packets
        pass
