# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the laboratory's peers of no vendor have in common (peer.py: IKEv2, peer1.py: IKEv1): libcrypto, payloads one after the
other, sockets, timers, orders, and SAs in the kernel by `ip xfrm`."""
import ctypes
import heapq
import itertools
import os
import select
import socket
import struct
import subprocess
import time


def log(*words):
    print(time.strftime("%H:%M:%S") + ".%03d" % (time.time() * 1000 % 1000), *words, flush=True)


# ---- libcrypto -------------------------------------------------------------------------------------------------

C = ctypes.CDLL("libcrypto.so.3")
for name in ("EVP_CIPHER_CTX_new", "EVP_get_cipherbyname", "EC_KEY_new_by_curve_name", "EC_KEY_get0_group",
             "EC_KEY_get0_public_key", "EC_POINT_new"):
    getattr(C, name).restype = ctypes.c_void_p
P = ctypes.c_void_p


def crypt(cipher, encrypt, key, iv, data, aad=None, tag=b"", taglen=0):
    """CBC without padding, or with aad an AEAD: returns (data, tag)."""
    ctx, n, out = P(C.EVP_CIPHER_CTX_new()), ctypes.c_int(), ctypes.create_string_buffer(len(data) + 32)
    C.EVP_CipherInit_ex(ctx, P(C.EVP_get_cipherbyname(cipher)), None, None, None, int(encrypt))
    if aad is not None:
        C.EVP_CIPHER_CTX_ctrl(ctx, 9, len(iv), None)
    C.EVP_CipherInit_ex(ctx, None, None, key, iv, int(encrypt))
    C.EVP_CIPHER_CTX_set_padding(ctx, 0)
    if aad is not None:
        C.EVP_CipherUpdate(ctx, None, ctypes.byref(n), aad, len(aad))
    C.EVP_CipherUpdate(ctx, out, ctypes.byref(n), data, len(data))
    done = n.value
    if tag:
        C.EVP_CIPHER_CTX_ctrl(ctx, 17, len(tag), tag)
    good = C.EVP_CipherFinal_ex(ctx, ctypes.byref(out, done), ctypes.byref(n))
    if aad is not None and encrypt:
        got = ctypes.create_string_buffer(16)
        C.EVP_CIPHER_CTX_ctrl(ctx, 16, taglen, got)
        tag = got.raw[:taglen]
    C.EVP_CIPHER_CTX_free(ctx)
    if good != 1:
        raise ValueError("does not decrypt")
    return out.raw[:done + n.value], tag


class Curve:
    """A Diffie-Hellman key over an elliptic curve modulo a prime (RFC 5903)."""
    def __init__(self, nid, octets):
        self.octets = octets
        self.key = P(C.EC_KEY_new_by_curve_name(nid))
        C.EC_KEY_generate_key(self.key)
        self.group = P(C.EC_KEY_get0_group(self.key))
        out = ctypes.create_string_buffer(1 + 2 * octets)
        C.EC_POINT_point2oct(self.group, P(C.EC_KEY_get0_public_key(self.key)), 4, out, ctypes.c_size_t(len(out)), None)
        self.public = out.raw[1:]

    def shared(self, other):
        point, out = P(C.EC_POINT_new(self.group)), ctypes.create_string_buffer(self.octets)
        C.EC_POINT_oct2point(self.group, point, b"\4" + other, ctypes.c_size_t(1 + len(other)), None)
        C.ECDH_compute_key(out, ctypes.c_size_t(self.octets), point, self.key, None)
        return out.raw


# ---- what proposals name ------------------------------------------------------------------------------------------

# name: transform, octets of the key with its salt, OpenSSL's name, of the IV, of the ICV (AEAD), key length in bits
CIPHERS = {"aes128": (12, 16, b"AES-128-CBC", 16, 0, 128), "aes192": (12, 24, b"AES-192-CBC", 16, 0, 192),
           "aes256": (12, 32, b"AES-256-CBC", 16, 0, 256), "3des": (3, 24, b"DES-EDE3-CBC", 8, 0, 0),
           "aes128gcm16": (20, 20, b"id-aes128-GCM", 8, 16, 128), "aes256gcm16": (20, 36, b"id-aes256-GCM", 8, 16, 256),
           "aes256gcm8": (18, 36, b"id-aes256-GCM", 8, 8, 256)}
# integrity transform, its ICV; transform of the PRF
HASHES = {"sha1": (2, 12, 2), "sha256": (12, 16, 5), "sha384": (13, 24, 6), "sha512": (14, 32, 7)}
CURVES = {"ecp256": (19, 415, 32), "ecp384": (20, 715, 48), "ecp521": (21, 716, 66)}
KERNEL = {"sha1": "hmac(sha1)", "sha256": "hmac(sha256)", "sha384": "hmac(sha384)", "sha512": "hmac(sha512)"}


def cut(data, *lengths):
    parts, at = [], 0
    for length in lengths:
        parts.append(data[at:at + length])
        at += length
    return parts


# ---- payloads --------------------------------------------------------------------------------------------------

def chain(payloads):
    """Payloads [(type, body)...] one after the other: (first type, octets)."""
    out = b""
    for (_, body), after in zip(payloads, [kind for kind, _ in payloads[1:]] + [0]):
        out += struct.pack(">BxH", after, 4 + len(body)) + body
    return (payloads[0][0] if payloads else 0), out


def unchain(kind, data):
    payloads, at = [], 0
    while kind:
        after, length = struct.unpack_from(">BxH", data, at)
        payloads.append((kind, data[at + 4:at + length]))
        kind, at = after, at + length
    return payloads


def first(payloads, kind):
    return next((body for k, body in payloads if k == kind), None)


class Station:
    """Has esp_suite (with key, name, icv, encr, hash of what was agreed), receive(port) and order(words) of its own."""
    def __init__(self, local, remote, fifo, options):
        self.local, self.remote, self.o = local, remote, options
        self.socks = {}
        for port in (500, 4500):
            self.socks[port] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socks[port].bind((local, port))
        self.socks[4500].setsockopt(socket.IPPROTO_UDP, 100, 2)  # UDP_ENCAP, UDP_ENCAP_ESPINUDP
        os.path.exists(fifo) or os.mkfifo(fifo)
        self.fifo = os.fdopen(os.open(fifo, os.O_RDWR | os.O_NONBLOCK), "rb", 0)
        self.timers, self.turn, self.silent = [], itertools.count(), False

    def after(self, seconds, what, *args):
        heapq.heappush(self.timers, (time.monotonic() + seconds, next(self.turn), what, args))

    def send_from(self, port, message):
        if not self.silent:
            self.socks[port].sendto((bytes(4) if port == 4500 else b"") + message, (self.remote, port))

    # ---- SAs in the kernel ----

    def xfrm(self, lines):
        text = "\n".join(lines) + "\n"
        run = subprocess.run(["ip", "-batch", "-"], input=text, text=True, stderr=subprocess.PIPE, check=False)
        if run.returncode:
            log("ip xfrm:", run.stderr.strip())

    def keys(self, encr, auth):
        s = self.esp_suite
        if s.icv:
            return f"aead rfc4106(gcm(aes)) 0x{encr.hex()} {s.icv * 8}"
        cipher = "cbc(des3_ede)" if s.encr == 3 else "cbc(aes)"
        return f"enc {cipher} 0x{encr.hex()} auth-trunc {KERNEL[s.hash]} 0x{auth.hex()} {HASHES[s.hash][1] * 8}"

    def put_sas(self, spis, keys, flow, encap):
        """spis and keys: of the SA into here and of the one out of here; flow: reqid, inside here, inside there."""
        reqid, here, there = flow
        more = " encap espinudp 4500 4500 0.0.0.0" if encap else ""
        state = f"xfrm state add src {{}} dst {{}} proto esp spi 0x{{}} reqid {reqid} mode tunnel replay-window 32 {{}}" + more
        policy = f"xfrm policy update src {{}} dst {{}} dir {{}} tmpl src {{}} dst {{}} proto esp reqid {reqid} mode tunnel"
        self.xfrm([state.format(self.remote, self.local, spis[0].hex(), self.keys(*keys[0])),
                   state.format(self.local, self.remote, spis[1].hex(), self.keys(*keys[1])),
                   policy.format(here, there, "out", self.local, self.remote),
                   policy.format(there, here, "in", self.remote, self.local),
                   policy.format(there, here, "fwd", self.remote, self.local)])
        log(f"installed {spis[0].hex()} {spis[1].hex()}")

    def take_sas(self, spis):
        self.xfrm([f"xfrm state delete src {self.remote} dst {self.local} proto esp spi 0x{spis[0].hex()}",
                   f"xfrm state delete src {self.local} dst {self.remote} proto esp spi 0x{spis[1].hex()}"])

    def run(self):
        log("ready")
        rest = b""
        while True:
            wait = max(0, self.timers[0][0] - time.monotonic()) if self.timers else None
            ready, _, _ = select.select([*self.socks.values(), self.fifo], [], [], wait)
            for port, sock in self.socks.items():
                if sock in ready:
                    self.receive(port)
            if self.fifo in ready:
                *lines, rest = (rest + (self.fifo.read(65536) or b"")).split(b"\n")
                for line in lines:
                    self.order(line.decode().split())
            while self.timers and self.timers[0][0] <= time.monotonic():
                _, _, what, args = heapq.heappop(self.timers)
                what(*args)
