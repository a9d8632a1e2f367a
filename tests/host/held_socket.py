# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds a datagram socket and runs a program on it, as systemd does: what is sent while the program is down waits.

usage: held_socket.py SOCKET PROGRAM ARGUMENT...
	SIGUSR1: end the program; SIGUSR2: start it again
"""
import os
import signal
import socket
import subprocess
import sys

path, command = sys.argv[1], sys.argv[2:]
held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
held.bind(path)
os.chmod(path, 0o666)
child = None


def start():
    global child
    # exec keeps the pid that LISTEN_PID names
    child = subprocess.Popen(["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&"$0"', str(held.fileno()), *command],
                             pass_fds=[held.fileno()], preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, []))


def end():
    global child
    if child:
        child.terminate()
        child.send_signal(signal.SIGCONT)  # it may stand still
        child.wait()
    child = None


signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM])
start()
while (which := signal.sigwait([signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM])) != signal.SIGTERM:
    end() if which == signal.SIGUSR1 else child or start()
end()
