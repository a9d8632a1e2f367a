# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An IKEv1 peer (RFC 2408, RFC 2409; dead peer detection: RFC 3706) of no vendor, that behaves as it is told to: as other
vendors' gateways do, and the daemons of Linux never would. Pre-shared key, one proposal; Main Mode, of the other end also
Aggressive Mode; Quick Mode without PFS. IPsec SAs belong to no ISAKMP SA: what becomes of them when that goes is for `channel`
to say.

    peer1.py LOCAL REMOTE ORDERS [NAME=VALUE...]

ORDERS is a FIFO from which it takes orders, a line each (see Peer.order); NAME=VALUE are what `set` changes (OPTIONS)."""
import hashlib
import hmac
import os
import socket
import struct
import sys

from peering import CIPHERS, HASHES, Curve, Station, chain, crypt, cut, first, log, unchain

OPTIONS = {
    "id": "gwb", "peer_id": "gwa", "psk": "the-secret-of-the-lab",
    "ike": "aes128-sha256-ecp256", "esp": "aes128-sha256",
    "ts": "10.2.0.0/16", "peer_ts": "10.1.0.0/16",
    "natt": "no",              # RFC 3947
    "vendors": "dpd",          # more: so many unknown vendor IDs more, as some have
    "initial_contact": "no",   # main: in the last message of its Main Mode; info: in an exchange of its own after it
    "obey_contact": "yes",     # INITIAL-CONTACT of the other end
    "answer_check": "yes",     # never
    "answer_main": "yes",      # never, or the name of the notification that refuses it (NOTIFIES)
    "answer_quick": "yes",     # likewise
    "channel": "continuous",   # IPsec SAs go with the last ISAKMP SA; dangling: they stay
    "old": "never",            # seconds after a Quick Mode of its own until it deletes the IPsec SA that was there before
    "old_of_theirs": "never",  # the same where it was one of the other end's
    "old_main": "never",       # the same for an ISAKMP SA that was there before; forget: without a word
    "check": "0",              # seconds between R-U-THEREs of its own
    "pad": "0",                # blocks of padding more than needed, in what it encrypts; aligned: one, where none is needed
    "unknown": "silent",       # notify: INVALID-COOKIE in clear to what belongs to no ISAKMP SA of its
    "tries": "4", "gap": "1",  # a request of its own is sent so often, so many seconds apart
    "copies": "0",             # so many copies of a Delete more, the same octets
    "after_check": "nothing",  # delete: the ISAKMP SA, once it has answered an R-U-THERE
}
NOTIFIES = {"INVALID_COOKIE": 4, "INVALID_SPI": 11, "NO_PROPOSAL_CHOSEN": 14, "INVALID_ID": 18, "AUTHENTICATION_FAILED": 24}
INITIAL_CONTACT, ARE_YOU_THERE, I_AM_HERE = 24578, 36136, 36137
SA, KE, ID, HASH, NONCE, NOTIFY, DELETE, VENDOR, NAT_D = 1, 4, 5, 8, 10, 11, 12, 13, 20
MAIN, AGGRESSIVE, INFO, QUICK = 2, 4, 5, 32
ISAKMP, ESP = 1, 3
DPD_VENDOR = bytes.fromhex("afcad71368a1f1c96b8696fc77570100")
NAT_VENDOR = bytes.fromhex("4a131c81070358455c5728f20e95452f")

# attribute values: of phase 1 the cipher, the hash; of an IPsec SA the transform, the authentication
PHASE1 = {12: 7, 3: 5, "sha1": 2, "sha256": 4, "sha384": 5, "sha512": 6}
PHASE2 = {12: 12, 3: 3, 20: 20, "sha1": 2, "sha256": 5, "sha384": 6, "sha512": 7}
MODP2048 = int("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
               "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
               "49286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D"
               "670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
               "3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF", 16)


class Modp:
    """A Diffie-Hellman key of group 14 (RFC 3526)."""
    def __init__(self):
        self.key = int.from_bytes(os.urandom(32), "big")
        self.public = pow(2, self.key, MODP2048).to_bytes(256, "big")

    def shared(self, other):
        return pow(int.from_bytes(other, "big"), self.key, MODP2048).to_bytes(256, "big")


def attribute(kind, value):
    return struct.pack(">HH", 0x8000 | kind, value)


def attributes(data):
    """{kind: number} of a transform's attributes."""
    out, at = {}, 0
    while at + 4 <= len(data):
        kind, value = struct.unpack_from(">HH", data, at)
        at += 4
        if kind & 0x8000:
            out[kind & 0x7FFF] = value
        else:
            out[kind] = int.from_bytes(data[at:at + value], "big")
            at += value
    return out


class Suite:
    """One proposal, as strongSwan writes it."""
    def __init__(self, text, protocol, encap=1):
        self.protocol, self.hash, self.group, self.encap = protocol, None, None, encap
        for word in text.split("-"):
            if word in CIPHERS:
                self.encr, self.key, self.name, self.iv, self.icv, self.bits = CIPHERS[word]
            elif word in HASHES:
                self.hash = word
            elif word.startswith("prf"):
                pass
            else:
                self.group = {"ecp256": 19, "modp2048": 14}[word]
        self.block = self.iv
        self.auth = 0 if self.icv else hashlib.new(self.hash).digest_size
        if protocol == ISAKMP:
            self.wanted = {1: PHASE1[self.encr], 2: PHASE1[self.hash], 3: 1, 4: self.group}
            if self.bits:
                self.wanted[14] = self.bits
        else:
            self.wanted = {4: encap} if self.icv else {4: encap, 5: PHASE2[self.hash]}
            if self.bits:
                self.wanted[6] = self.bits

    def exchange(self):
        return Curve(415, 32) if self.group == 19 else Modp()

    def payload(self, spi=b"", number=1, life=28800):
        """An SA payload of one proposal with one transform."""
        ident = 1 if self.protocol == ISAKMP else PHASE2[self.encr]
        lives = {11: 1, 12: life} if self.protocol == ISAKMP else {1: 1, 2: life}
        body = b"".join(attribute(kind, value) for kind, value in {**self.wanted, **lives}.items())
        transform = struct.pack(">BxHBBxx", 0, 8 + len(body), number, ident) + body
        proposal = struct.pack(">BxHBBBB", 0, 8 + len(spi) + len(transform), number, self.protocol, len(spi), 1) + spi + transform
        return SA, struct.pack(">II", 1, 1) + proposal

    def chosen(self, payload):
        """(an SA payload of the one transform that has it all, the SPI), or None."""
        at = 8
        while at < len(payload):
            length, number, protocol, size, count = struct.unpack_from(">HBBBB", payload, at + 2)
            spi, where = payload[at + 8:at + 8 + size], at + 8 + size
            for _ in range(count):
                step, _, ident = struct.unpack_from(">HBB", payload, where + 2)
                offered = attributes(payload[where + 8:where + step])
                if protocol == self.protocol and ident == (1 if protocol == ISAKMP else PHASE2[self.encr]) \
                        and self.wanted.items() <= offered.items():
                    return (number, payload[where + 1:where + step]), spi
                where += step
            at += length
        return None

    def answer(self, found, spi=b""):
        """The SA payload that chooses what `chosen` found."""
        number, transform = found
        transform = b"\0" + transform
        proposal = struct.pack(">BxHBBBB", 0, 8 + len(spi) + len(transform), number, self.protocol, len(spi), 1)
        return SA, struct.pack(">II", 1, 1) + proposal + spi + transform

    def digest(self, key, *parts):
        return hmac.new(key, b"".join(parts), self.hash).digest()


def header(spi_i, spi_r, kind, exchange, flags, mid, length):
    return struct.pack(">8s8sBBBBII", spi_i, spi_r, kind, 0x10, exchange, flags, mid, 28 + length)


def identity(name):
    return struct.pack(">BBH", 2, 0, 0) + name.encode()


def subnet(text):
    net, bits = text.split("/")
    return struct.pack(">BBH4sI", 4, 0, 0, socket.inet_aton(net), 2**32 - 2**(32 - int(bits)))


def subnet_text(body):
    """What an ID payload of a network or an address says."""
    mask = struct.unpack_from(">I", body, 8)[0] if body[0] == 4 else 2**32 - 1
    return f"{socket.inet_ntoa(body[4:8])}/{bin(mask).count('1')}"


class Child:
    """A pair of IPsec SAs."""
    def __init__(self, flow):
        self.spi_in, self.spi_out, self.flow = os.urandom(4), None, flow


class Isakmp:
    """An ISAKMP SA."""
    def __init__(self, suite, ours):
        self.suite, self.ours = suite, ours
        self.spi_i, self.spi_r = (os.urandom(8), bytes(8)) if ours else (None, os.urandom(8))
        self.nonce, self.dh = os.urandom(32), suite.exchange()
        self.up = self.gone = False
        self.port, self.check = 500, int.from_bytes(os.urandom(2), "big")
        self.quicks = {}     # message ID: what a Quick Mode knows
        self.answers = {}    # digest of a message: what it was answered with, if anything
        self.pending = None  # our last message of phase 1 that waits for an answer
        self.then = None     # once it is up

    def derive(self, nonce_i, nonce_r, ke_i, ke_r, psk):
        s, shared = self.suite, self.dh.shared(ke_r if self.ours else ke_i)
        both = shared + self.spi_i + self.spi_r
        self.skeyid = s.digest(psk.encode(), nonce_i, nonce_r)
        self.d = s.digest(self.skeyid, both, b"\0")
        self.a = s.digest(self.skeyid, self.d, both, b"\1")
        root = key = s.digest(self.skeyid, self.a, both, b"\2")
        if len(root) < s.key:  # RFC 2409 appendix B
            key, part = b"", b"\0"
            while len(key) < s.key:
                part = s.digest(root, part)
                key += part
        self.e = key[:s.key]
        self.iv = hashlib.new(s.hash, ke_i + ke_r).digest()[:s.block]
        self.kes = ke_i, ke_r

    def proof(self, of_initiator, its_identity):
        """HASH_I or HASH_R."""
        kes, cookies = self.kes, (self.spi_i, self.spi_r)
        if not of_initiator:
            kes, cookies = kes[::-1], cookies[::-1]
        return self.suite.digest(self.skeyid, *kes, *cookies, self.offer, its_identity)

    def phase2_iv(self, mid):
        return hashlib.new(self.suite.hash, self.iv + struct.pack(">I", mid)).digest()[:self.suite.block]

    def seal(self, exchange, mid, payloads, iv, pad):
        """(the message, the IV of the next one)"""
        kind, inner = chain(payloads)
        needed = -len(inner) % self.suite.block
        more = int(not needed) if pad == "aligned" else int(pad)
        inner += bytes(needed + more * self.suite.block)
        data = crypt(self.suite.name, True, self.e, iv, inner)[0]
        return header(self.spi_i, self.spi_r, kind, exchange, 1, mid, len(data)) + data, data[-self.suite.block:]

    def open(self, message, iv):
        data = message[28:]
        return unchain(message[16], crypt(self.suite.name, False, self.e, iv, data)[0]), data[-self.suite.block:]


class Peer(Station):
    def __init__(self, local, remote, fifo, options):
        super().__init__(local, remote, fifo, dict(OPTIONS, **options))
        self.ikes, self.children, self.flows, self.moribund = [], [], [], set()
        self.ike_suite = Suite(self.o["ike"], ISAKMP)
        self.esp_suite = Suite(self.o["esp"], ESP, 3 if self.o["natt"] == "yes" else 1)
        if self.o["check"] != "0":
            self.after(float(self.o["check"]), self.clock)

    # ---- IPsec SAs ----

    def flow(self, here, there):
        """Its reqid with it: the same for the same."""
        if (here, there) not in self.flows:
            self.flows.append((here, there))
        return self.flows.index((here, there)) + 1, here, there

    def install(self, ike, child, nonces):
        def material(spi):
            out, last = b"", b""
            while len(out) < self.esp_suite.key + self.esp_suite.auth:
                last = ike.suite.digest(ike.d, last, bytes([ESP]), spi, *nonces)
                out += last
            return cut(out, self.esp_suite.key, self.esp_suite.auth)
        self.put_sas((child.spi_in, child.spi_out), (material(child.spi_in), material(child.spi_out)), child.flow, ike.port == 4500)
        before = [c for c in self.children if c.flow == child.flow]
        self.children.append(child)
        return before[-1] if before else None

    def remove(self, child):
        if child in self.children:
            self.children.remove(child)
            self.take_sas((child.spi_in, child.spi_out))

    def drop(self, ike):
        """Without a word."""
        ike.gone, ike.pending = True, None
        if ike in self.ikes:
            self.ikes.remove(ike)
        if self.o["channel"] == "continuous" and not [i for i in self.ikes if i.up]:
            for child in list(self.children):
                self.remove(child)

    # ---- what goes out ----

    def say(self, ike, exchange, mid, payloads, iv=None):
        """Encrypted, with iv; the next one."""
        if iv is None:
            kind, body = chain(payloads)
            message = header(ike.spi_i, ike.spi_r, kind, exchange, 0, mid, len(body)) + body
        else:
            message, iv = ike.seal(exchange, mid, payloads, iv, self.o["pad"])
        log(f"says {exchange} {mid:08x} of {ike.spi_i.hex()}: {[k for k, _ in payloads]}, {len(message)} octets")
        self.send_from(ike.port, message)
        return message, iv

    def again(self, ike, owner, message, left):
        """owner.pending is the message until it is answered."""
        if ike.gone or owner.pending is not message:
            return
        if left <= 0:
            log(f"gives up {ike.spi_i.hex()}")
            if owner is ike and not ike.up:
                self.drop(ike)
            return
        if left < int(self.o["tries"]):
            self.send_from(ike.port, message)
        self.after(float(self.o["gap"]), self.again, ike, owner, message, left - 1)

    def ask(self, ike, owner, exchange, mid, payloads, iv=None):
        """As say; sent again until it is answered."""
        owner.pending, iv = self.say(ike, exchange, mid, payloads, iv)
        self.again(ike, owner, owner.pending, int(self.o["tries"]))
        return iv

    def inform(self, ike, payloads, copies=0):
        mid = int.from_bytes(os.urandom(4), "big") | 1
        proof = ike.suite.digest(ike.a, struct.pack(">I", mid), chain(payloads)[1])
        message, _ = self.say(ike, INFO, mid, [(HASH, proof)] + payloads, ike.phase2_iv(mid))
        for n in range(copies):
            self.after(float(self.o["gap"]) * (n + 1), self.send_from, ike.port, message)

    def notify(self, ike, kind, data=b"", protocol=ISAKMP, spi=None):
        spi = ike.spi_i + ike.spi_r if spi is None else spi
        return NOTIFY, struct.pack(">IBBH", 1, protocol, len(spi), kind) + spi + data

    def notify_in_clear(self, cookies, port, kind, protocol=ISAKMP, spi=b""):
        first_kind, body = chain([(NOTIFY, struct.pack(">IBBH", 1, protocol, len(spi), kind) + spi)])
        message = header(cookies[:8], cookies[8:], first_kind, INFO, 0, int.from_bytes(os.urandom(4), "big"), len(body)) + body
        self.send_from(port, message)

    # ---- phase 1 ----

    def vendors(self):
        out = [(VENDOR, DPD_VENDOR)] + ([(VENDOR, NAT_VENDOR)] if self.o["natt"] == "yes" else [])
        return out + [(VENDOR, os.urandom(16)) for _ in range(0 if self.o["vendors"] == "dpd" else int(self.o["vendors"]))]

    def nat_detection(self, ike, payloads):
        """As of a NAT before both: hashes that fit nothing."""
        return [(NAT_D, os.urandom(len(ike.skeyid) if ike.up else hashlib.new(ike.suite.hash).digest_size)) for _ in range(2)] \
            if self.o["natt"] == "yes" else []

    def initiate(self, then=None):
        ike = Isakmp(self.ike_suite, True)
        ike.then = then
        self.ikes.append(ike)
        offer = ike.suite.payload()
        ike.offer = offer[1]
        self.ask(ike, ike, MAIN, 0, [offer] + self.vendors())

    def main(self, ike, message):
        """Main Mode, whoever began it. Encrypted from the fifth message on."""
        if message[19] & 1:
            payloads, iv = ike.open(message, ike.main_iv)
        else:
            payloads, iv = unchain(message[16], message[28:]), None
        kinds = [k for k, _ in payloads]
        log(f"hears 2 of {ike.spi_i.hex()}: {kinds}")
        if ike.ours:
            self.main_initiator(ike, message, payloads, iv)
        else:
            self.main_responder(ike, payloads, iv)

    def main_initiator(self, ike, message, payloads, iv):
        if first(payloads, SA) and ike.spi_r == bytes(8):
            ike.spi_r = message[8:16]
            ike.ke = ike.dh.public
            self.ask(ike, ike, MAIN, 0, [(KE, ike.ke), (NONCE, ike.nonce)] + self.nat_detection(ike, payloads))
        elif first(payloads, KE):
            ike.derive(ike.nonce, first(payloads, NONCE), ike.ke, first(payloads, KE), self.o["psk"])
            if first(payloads, NAT_D):
                ike.port = 4500
            mine = identity(self.o["id"])
            more = [self.notify(ike, INITIAL_CONTACT)] if self.o["initial_contact"] == "main" else []
            ike.main_iv = self.ask(ike, ike, MAIN, 0, [(ID, mine), (HASH, ike.proof(True, mine))] + more, ike.iv)
        elif first(payloads, HASH):
            if first(payloads, HASH) != ike.proof(False, first(payloads, ID)):
                return log("HASH_R is wrong")
            ike.iv = iv
            self.established(ike)
        return None

    def main_responder(self, ike, payloads, iv):
        if first(payloads, SA):
            ike.offer = first(payloads, SA)
            found = ike.suite.chosen(ike.offer)
            if not found:
                log("no proposal of ours")
                return self.notify_in_clear(ike.spi_i + ike.spi_r, ike.port, NOTIFIES["NO_PROPOSAL_CHOSEN"])
            self.answer(ike, MAIN, [ike.suite.answer(found[0])] + self.vendors())
        elif first(payloads, KE):
            self.answer(ike, MAIN, [(KE, ike.dh.public), (NONCE, ike.nonce)] + self.nat_detection(ike, payloads))
            ike.derive(first(payloads, NONCE), ike.nonce, first(payloads, KE), ike.dh.public, self.o["psk"])
            ike.main_iv = ike.iv
        elif first(payloads, HASH):
            if first(payloads, HASH) != ike.proof(True, first(payloads, ID)):
                return log("HASH_I is wrong")
            self.contact(ike, payloads)
            mine = identity(self.o["id"])
            ike.iv = self.answer(ike, MAIN, [(ID, mine), (HASH, ike.proof(False, mine))], iv)
            self.established(ike)
        return None

    def aggressive(self, ike, message):
        """Of the other end's."""
        if message[19] & 1:
            payloads, ike.iv = ike.open(message, ike.iv)
        else:
            payloads = unchain(message[16], message[28:])
        log(f"hears 4 of {ike.spi_i.hex()}: {[k for k, _ in payloads]}")
        if first(payloads, SA):
            ike.offer = first(payloads, SA)
            found = ike.suite.chosen(ike.offer)
            if not found:
                return log("no proposal of ours")
            ike.derive(first(payloads, NONCE), ike.nonce, first(payloads, KE), ike.dh.public, self.o["psk"])
            ike.its_identity = first(payloads, ID)
            mine = identity(self.o["id"])
            self.answer(ike, AGGRESSIVE, [ike.suite.answer(found[0]), (KE, ike.dh.public), (NONCE, ike.nonce), (ID, mine),
                                          (HASH, ike.proof(False, mine))] + self.vendors())
        elif first(payloads, HASH):
            if first(payloads, HASH) != ike.proof(True, ike.its_identity):
                return log("HASH_I is wrong")
            self.contact(ike, payloads)
            self.established(ike)
        return None

    def answer(self, ike, exchange, payloads, iv=None):
        message, iv = self.say(ike, exchange, 0, payloads, iv)
        ike.answers[ike.heard] = message
        return iv

    def contact(self, ike, payloads):
        if any(kind == NOTIFY and struct.unpack_from(">H", body, 6)[0] == INITIAL_CONTACT for kind, body in payloads) \
                and self.o["obey_contact"] == "yes":
            for other in [i for i in self.ikes if i is not ike]:
                other.gone = True
                self.ikes.remove(other)
            for child in list(self.children):
                self.remove(child)

    def established(self, ike):
        ike.up, ike.pending = True, None
        log("established", ike.spi_i.hex())
        if ike.ours and self.o["initial_contact"] == "info":
            self.inform(ike, [self.notify(ike, INITIAL_CONTACT)])
        for other in [i for i in self.ikes if i is not ike and i.up and i not in self.moribund]:
            if self.o["old_main"] != "never":
                self.moribund.add(other)
            if self.o["old_main"] == "forget":
                self.drop(other)
            elif self.o["old_main"] != "never":
                self.after(float(self.o["old_main"]), self.delete_isakmp, other)
        if ike.then:
            ike.then(ike)

    # ---- Quick Mode ----

    class Quick:
        pending = None

    def quick(self, ike, old=None):
        here, there = old.flow[1:] if old else (self.o["ts"], self.o["peer_ts"])
        quick, mid = self.Quick(), int.from_bytes(os.urandom(4), "big") | 1
        ike.quicks[mid] = quick
        quick.ours, quick.nonce, quick.child = True, os.urandom(32), Child(self.flow(here, there))
        payloads = [self.esp_suite.payload(quick.child.spi_in, life=3600), (NONCE, quick.nonce), (ID, subnet(here)), (ID, subnet(there))]
        number = struct.pack(">I", mid)
        proof = ike.suite.digest(ike.a, number, chain(payloads)[1])
        quick.iv = self.ask(ike, quick, QUICK, mid, [(HASH, proof)] + payloads, ike.phase2_iv(mid))

    def quick_heard(self, ike, mid, message):
        quick = ike.quicks.get(mid)
        how = self.o["answer_quick"]
        if not quick and how == "never":
            return log("does not answer")
        payloads, iv = ike.open(message, quick.iv if quick else ike.phase2_iv(mid))
        log(f"hears 32 {mid:08x} of {ike.spi_i.hex()}: {[k for k, _ in payloads]}")
        if not quick and how in NOTIFIES:
            return self.inform(ike, [self.notify(ike, NOTIFIES[how], protocol=ESP, spi=b"")])
        if not quick:
            return self.quick_asked(ike, mid, payloads, iv)
        quick.iv = iv
        if quick.ours and quick.pending:
            self.quick_answered(ike, mid, quick, payloads)
        elif not quick.ours and not quick.done:
            quick.done = True
            old = self.install(ike, quick.child, (quick.its, quick.nonce))
            if old and self.o["old_of_theirs"] != "never":
                self.after(float(self.o["old_of_theirs"]), self.delete_child, old)
        return None

    def quick_asked(self, ike, mid, payloads, iv):
        found = self.esp_suite.chosen(first(payloads, SA))
        ids = [body for kind, body in payloads if kind == ID]
        if not found:
            log("no proposal of ours")
            return self.inform(ike, [self.notify(ike, NOTIFIES["NO_PROPOSAL_CHOSEN"], protocol=ESP, spi=b"")])
        quick = self.Quick()
        ike.quicks[mid] = quick
        quick.ours, quick.done, quick.nonce, quick.its = False, False, os.urandom(32), first(payloads, NONCE)
        quick.child = Child(self.flow(subnet_text(ids[1]), subnet_text(ids[0])))
        quick.child.spi_out = found[1]
        answer = [self.esp_suite.answer(found[0], quick.child.spi_in), (NONCE, quick.nonce), (ID, ids[0]), (ID, ids[1])]
        proof = ike.suite.digest(ike.a, struct.pack(">I", mid), quick.its, chain(answer)[1])
        quick.pending, quick.iv = self.say(ike, QUICK, mid, [(HASH, proof)] + answer, iv)
        ike.answers[ike.heard] = quick.pending
        return None

    def quick_answered(self, ike, mid, quick, payloads):
        quick.pending = None
        found, its = self.esp_suite.chosen(first(payloads, SA)), first(payloads, NONCE)
        if not found:
            return log("Quick Mode: chose none of ours")
        quick.child.spi_out = found[1]
        proof = ike.suite.digest(ike.a, b"\0", struct.pack(">I", mid), quick.nonce, its)
        message, _ = self.say(ike, QUICK, mid, [(HASH, proof)], quick.iv)
        ike.answers[ike.heard] = message
        old = self.install(ike, quick.child, (quick.nonce, its))
        if old and self.o["old"] != "never":
            self.after(float(self.o["old"]), self.delete_child, old)
        return None

    # ---- what comes in ----

    def receive(self, port):
        message, (source, _) = self.socks[port].recvfrom(65536)
        if port == 4500:
            if message[:4] != bytes(4):
                return None
            message = message[4:]
        if source != self.remote or len(message) < 28 or self.silent:
            return None
        spi_i, spi_r, _, _, exchange, flags, mid, _ = struct.unpack_from(">8s8sBBBBII", message)
        ike = next((i for i in self.ikes if i.spi_i == spi_i and (i.spi_r == spi_r or bytes(8) in (i.spi_r, spi_r))), None)
        if not ike and exchange in (MAIN, AGGRESSIVE) and spi_r == bytes(8):
            ike = self.begun(spi_i, port, exchange)
        if not ike:
            if self.o["unknown"] == "notify" and flags & 1:
                log("does not know", spi_i.hex())
                self.notify_in_clear(spi_i + spi_r, port, NOTIFIES["INVALID_COOKIE"], spi=spi_i + spi_r)
            return None
        ike.port, ike.heard = port, hashlib.sha256(message).digest()
        if ike.heard in ike.answers:
            return ike.answers[ike.heard] and self.send_from(port, ike.answers[ike.heard])
        ike.answers[ike.heard] = None
        try:
            if exchange == MAIN:
                return self.main(ike, message)
            if exchange == AGGRESSIVE:
                return self.aggressive(ike, message)
            if not ike.up:
                return None
            if exchange == QUICK:
                return self.quick_heard(ike, mid, message)
            return self.informed(ike, mid, message)
        except (ValueError, struct.error, IndexError) as e:
            return log(f"{exchange} {mid:08x}: {e!r}")

    def begun(self, spi_i, port, exchange):
        """By the other end."""
        how = self.o["answer_main"]
        if how == "never":
            log("does not answer")
            return None
        ike = Isakmp(self.ike_suite, False)
        ike.spi_i, ike.port = spi_i, port
        if how in NOTIFIES:
            log("refuses")
            self.notify_in_clear(spi_i + ike.spi_r, port, NOTIFIES[how])
            return None
        self.ikes.append(ike)
        return ike

    def informed(self, ike, mid, message):
        if not message[19] & 1:
            return log("hears a notification in clear")
        payloads, _ = ike.open(message, ike.phase2_iv(mid))
        log(f"hears 5 {mid:08x} of {ike.spi_i.hex()}: {[k for k, _ in payloads]}")
        self.contact(ike, payloads)
        for kind, body in payloads:
            if kind == DELETE:
                self.deleted(ike, body)
            elif kind == NOTIFY and struct.unpack_from(">H", body, 6)[0] == ARE_YOU_THERE:
                if self.o["answer_check"] == "never":
                    log("does not answer")
                    continue
                self.inform(ike, [self.notify(ike, I_AM_HERE, body[-4:])])
                if self.o["after_check"] == "delete":
                    self.o["after_check"] = "nothing"
                    self.delete_isakmp(ike)
        return None

    def deleted(self, ike, body):
        protocol, size, count = struct.unpack_from(">BBH", body, 4)
        spis = [body[8 + size * n:8 + size * (n + 1)] for n in range(count)]
        log("told to delete", "ISAKMP SA" if protocol == ISAKMP else "IPsec SA", *[s.hex() for s in spis])
        if protocol == ISAKMP:
            for other in [i for i in self.ikes if i.spi_i + i.spi_r in spis]:
                self.drop(other)
        for child in [c for c in self.children if c.spi_out in spis]:
            self.remove(child)

    # ---- of its own accord ----

    def newest(self):
        up = [i for i in self.ikes if i.up]
        return up[-1] if up else None

    def clock(self):
        self.after(float(self.o["check"]), self.clock)
        if self.newest():
            self.check(self.newest())

    def check(self, ike):
        ike.check += 1
        self.inform(ike, [self.notify(ike, ARE_YOU_THERE, struct.pack(">I", ike.check))])

    def delete_of(self, ike, child=None):
        if child:
            return DELETE, struct.pack(">IBBH", 1, ESP, 4, 1) + child.spi_in
        return DELETE, struct.pack(">IBBH", 1, ISAKMP, 16, 1) + ike.spi_i + ike.spi_r

    def delete_child(self, child):
        ike = self.newest()
        if ike and child in self.children:
            self.inform(ike, [self.delete_of(ike, child)], int(self.o["copies"]))
            self.remove(child)

    def delete_isakmp(self, ike):
        if not ike.gone:
            self.inform(ike, [self.delete_of(ike)], int(self.o["copies"]))
            self.drop(ike)

    def delete(self, ike, what, number):
        """what: esp, ike; both in one message; esp-ike, ike-esp: one after the other."""
        children = [c for c in self.children if not number or c.flow[0] == int(number)]
        one = [[child] for child in children]
        for part in {"esp": [children], "ike": [[None]], "both": [children + [None]], "esp-ike": one + [[None]],
                     "ike-esp": [[None]] + one}[what]:
            self.inform(ike, [self.delete_of(ike, child) for child in part], int(self.o["copies"]))
        for child in children if what != "ike" else []:
            self.remove(child)
        if what != "esp":
            self.drop(ike)

    def order(self, words):
        """initiate: Main Mode and Quick Mode; main: Main Mode alone; quick [NUMBER]: one anew, of the flow with that number;
        check; delete [old] esp|ike|both|esp-ike|ike-esp [NUMBER]; check-delete; silent; speak; forget-isakmp: its ISAKMP SAs'
        life is over, without a word; forget: as a reboot does; unknown-spi: INVALID-SPI in clear, of the IPsec SA it sends
        with; unknown-cookie: INVALID-COOKIE likewise; set NAME VALUE."""
        log("ordered:", *words)
        ike = self.newest()
        if words[0] == "initiate":
            self.initiate(self.quick)
        elif words[0] == "main":
            self.initiate()
        elif words[0] == "quick":
            self.quick(ike, [c for c in self.children if len(words) < 2 or c.flow[0] == int(words[1])][-1])
        elif words[0] == "check":
            self.check(ike)
        elif words[0] == "check-delete":
            self.check(ike)
            self.delete(ike, "ike", None)
        elif words[0] == "delete":
            number = words.pop() if words[-1].isdigit() else None
            self.delete(next(i for i in self.ikes if i.up) if words[1] == "old" else ike, words[-1], number)
        elif words[0] in ("silent", "speak"):
            self.silent = words[0] == "silent"
        elif words[0] == "forget-isakmp":
            for known in list(self.ikes):
                self.drop(known)
        elif words[0] == "forget":
            self.last = ike.spi_i + ike.spi_r, self.children[-1].spi_in
            for known in self.ikes:
                known.gone = True
            self.ikes, self.children = [], []
            self.xfrm(["xfrm state flush", "xfrm policy flush"])
        elif words[0] == "unknown-spi":
            self.notify_in_clear(self.last[0], 500, NOTIFIES["INVALID_SPI"], ESP, self.last[1])
        elif words[0] == "unknown-cookie":
            self.notify_in_clear(self.last[0], 500, NOTIFIES["INVALID_COOKIE"], ISAKMP, self.last[0])
        elif words[0] == "set":
            self.o[words[1]] = words[2]


Peer(sys.argv[1], sys.argv[2], sys.argv[3], dict(word.split("=", 1) for word in sys.argv[4:])).run()
