# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An IKEv2 peer (RFC 7296) of no vendor, that behaves as it is told to: as other vendors' gateways do, and the daemons of
Linux never would. Pre-shared key, one proposal, one CHILD_SA an IKE_SA; cryptography is OpenSSL's libcrypto. Its SAs go
into the kernel by `ip xfrm`.

    peer.py LOCAL REMOTE ORDERS [NAME=VALUE...]

ORDERS is a FIFO from which it takes orders, a line each (see Peer.order); NAME=VALUE are what `set` changes (OPTIONS)."""
import hashlib
import hmac
import os
import socket
import struct
import sys

from peering import CIPHERS, CURVES, HASHES, Curve, Station, chain, crypt, cut, first, log, unchain

OPTIONS = {
    "id": "gwb", "peer_id": "gwa", "psk": "the-secret-of-the-lab",
    "ike": "aes128-sha256-ecp256", "esp": "aes128-sha256",
    "ts": "10.2.0.0/16", "peer_ts": "10.1.0.0/16",
    "natt": "no",              # NAT traversal
    "initial_contact": "no",   # said when it begins an IKE_SA
    "obey_contact": "yes",     # INITIAL_CONTACT of the other end
    "answer_check": "yes",     # never; status: with a notification in it; garbled: with other keys than the other end's
    "answer_delete": "empty",  # delete: with a Delete of its own in it (not meant for an IKE_SA, RFC 7296 1.4.1); never
    "delay": "0",              # seconds until it answers a Delete
    "answer_rekey": "yes",     # never, or the name of the notification that refuses it (NOTIFIES)
    "old": "0",                # seconds after a rekey of its own until it deletes the old CHILD_SA or IKE_SA; never
    "old_of_theirs": "never",  # the same for the old CHILD_SA of a rekey of the other end's, which deletes it too
    "rekey_says": "so",        # nothing: its rekey is a new CHILD_SA beside the old one, without N(REKEY_SA)
    "check": "0",              # seconds between liveness checks of its own
    "check_with": "nothing",   # notify, vendor: what they carry
    "pad": "0",                # octets of padding more than needed, in what it encrypts
    "unknown": "silent",       # notify: INVALID_IKE_SPI in clear to what belongs to no IKE_SA of its
    "tries": "4", "gap": "1",  # a request of its own is sent so often, so many seconds apart
    "deaf": "0",               # so many copies of a Delete more, although it was answered
    "after_check": "nothing",  # delete: once it has answered a liveness check
}
NOTIFIES = {"INVALID_IKE_SPI": 4, "INVALID_SYNTAX": 7, "INVALID_SPI": 11, "NO_PROPOSAL_CHOSEN": 14, "INVALID_KE_PAYLOAD": 17,
            "NO_ADDITIONAL_SAS": 35, "INTERNAL_ADDRESS_FAILURE": 36, "TS_UNACCEPTABLE": 38, "TEMPORARY_FAILURE": 43,
            "CHILD_SA_NOT_FOUND": 44}
INITIAL_CONTACT, NAT_SOURCE, NAT_DESTINATION, REKEY_SA, PRIVATE_STATUS = 16384, 16388, 16389, 16393, 40960
SA, KE, IDI, IDR, AUTH, NONCE, NOTIFY, DELETE, VENDOR, TSI, TSR, SK = 33, 34, 35, 36, 39, 40, 41, 42, 43, 44, 45, 46
INIT, IKE_AUTH, CREATE_CHILD, INFORMATIONAL = 34, 35, 36, 37
RESPONSE, INITIATOR = 0x20, 0x08
IKE, ESP = 1, 3


# ---- proposals -------------------------------------------------------------------------------------------------

class Suite:
    """One proposal, as strongSwan writes it."""
    def __init__(self, text, protocol):
        self.protocol, self.hash, self.prf, self.curve = protocol, None, None, None
        for word in text.split("-"):
            if word in CIPHERS:
                self.encr, self.key, self.name, self.iv, self.icv, self.bits = CIPHERS[word]
            elif word in HASHES:
                self.hash = word
            elif word.startswith("prf"):
                self.prf = word[3:]
            else:
                self.curve = CURVES[word]
        if protocol == IKE and not self.prf:
            self.prf = self.hash
        if self.icv:
            self.hash = None
        self.block = 1 if self.icv else self.iv
        self.auth = hashlib.new(self.hash).digest_size if self.hash else 0
        self.transforms = {(1, self.encr, self.bits)}
        if self.hash:
            self.transforms.add((3, HASHES[self.hash][0], 0))
        if protocol == IKE:
            self.transforms |= {(2, HASHES[self.prf][2], 0), (4, self.curve[0], 0)}
        else:
            self.transforms.add((5, 0, 0))

    def payload(self, spi=b"", number=1):
        body = b""
        left = sorted(self.transforms)
        for kind, ident, bits in left:
            attribute = struct.pack(">HH", 0x800E, bits) if bits else b""
            more = 0 if (kind, ident, bits) == left[-1] else 3
            body += struct.pack(">BxHBxH", more, 8 + len(attribute), kind, ident) + attribute
        return struct.pack(">BxHBBBB", 0, 8 + len(spi) + len(body), number, self.protocol, len(spi), len(left)) + spi + body

    def chosen(self, payload):
        """The number and the SPI of the first proposal that has it all, or None."""
        at = 0
        while at < len(payload):
            length, number, protocol, size, count = struct.unpack_from(">HBBBB", payload, at + 2)
            spi, where, offered = payload[at + 8:at + 8 + size], at + 8 + size, set()
            for _ in range(count):
                step, kind, ident = struct.unpack_from(">HBxH", payload, where + 2)
                bits = struct.unpack_from(">H", payload, where + 10)[0] if step > 8 else 0
                offered.add((kind, ident, bits))
                where += step
            if protocol == self.protocol and self.transforms <= offered:
                return number, spi
            at += length
        return None

    def digest(self, key, data):
        return hmac.new(key, data, self.prf).digest()

    def expand(self, key, seed, length):
        """prf+ (RFC 7296 2.13)."""
        out, last, n = b"", b"", 1
        while len(out) < length:
            last = self.digest(key, last + seed + bytes([n]))
            out, n = out + last, n + 1
        return out[:length]


# ---- messages --------------------------------------------------------------------------------------------------

def header(spi_i, spi_r, first, exchange, flags, mid, length):
    return struct.pack(">8s8sBBBBII", spi_i, spi_r, first, 0x20, exchange, flags, mid, 28 + length)


def notify(kind, data=b"", protocol=0, spi=b""):
    return NOTIFY, struct.pack(">BBH", protocol, len(spi), kind) + spi + data


def selectors(text):
    """One traffic selector: any protocol, any port (RFC 7296 3.13.1)."""
    net, bits = text.split("/")
    low = struct.unpack(">I", socket.inet_aton(net))[0]
    return struct.pack(">BxxxBBHHHII", 1, 7, 0, 16, 0, 65535, low, low | (2**(32 - int(bits)) - 1))


def notified(payloads, kind):
    return next((body for k, body in payloads if k == NOTIFY and struct.unpack_from(">H", body, 2)[0] == kind), None)


class Child:
    def __init__(self, spi_in):
        self.spi_in, self.spi_out, self.installed = spi_in, None, False


class IkeSa:
    def __init__(self, suite, ours):
        self.suite, self.ours = suite, ours
        self.spi_i = os.urandom(8) if ours else None
        self.spi_r = bytes(8) if ours else os.urandom(8)
        self.nonce, self.dh = os.urandom(32), Curve(*suite.curve[1:])
        self.children = []
        self.mid = 0              # of the next request of ours
        self.expected = 0         # of the next request of the other end
        self.response = None      # to its last one
        self.pending = None       # our request: [message, mid, copies, then]
        self.queue = []
        self.up = self.gone = False
        self.port = 500
        self.pended = -1          # their Delete that waits for its answer

    def derive(self, nonce_i, nonce_r, shared, before=None):
        """before: SK_d of the IKE_SA that this one replaces."""
        s = self.suite
        seed = s.digest(before, shared + nonce_i + nonce_r) if before else s.digest(nonce_i + nonce_r, shared)
        prf = hashlib.new(s.prf).digest_size
        keys = s.expand(seed, nonce_i + nonce_r + self.spi_i + self.spi_r, 3 * prf + 2 * s.auth + 2 * s.key)
        self.d, ai, ar, ei, er, self.pi, self.pr = cut(keys, prf, s.auth, s.auth, s.key, s.key, prf, prf)
        self.mine, self.its = ((ei, ai), (er, ar)) if self.ours else ((er, ar), (ei, ai))
        self.nonces = nonce_i, nonce_r

    def seal(self, exchange, mid, payloads, response, pad=0, garbled=False):
        s, (kind, inner) = self.suite, chain(payloads)
        flags = (RESPONSE if response else 0) | (INITIATOR if self.ours else 0)
        padding = -(len(inner) + 1) % s.block + pad * s.block
        inner += bytes(padding) + bytes([padding])
        icv = s.icv or HASHES[s.hash][1]
        length = 4 + s.iv + len(inner) + icv
        head = header(self.spi_i, self.spi_r, SK, exchange, flags, mid, length) + struct.pack(">BxH", kind, length)
        iv, (encr, auth) = os.urandom(s.iv), self.mine
        if garbled:
            encr, auth = os.urandom(s.key), os.urandom(s.auth)
        if s.icv:
            data, tag = crypt(s.name, True, encr[:-4], encr[-4:] + iv, inner, head, taglen=s.icv)
            return head + iv + data + tag
        message = head + iv + crypt(s.name, True, encr, iv, inner)[0]
        return message + hmac.new(auth, message, s.hash).digest()[:icv]

    def open(self, message):
        s, (encr, auth) = self.suite, self.its
        icv = s.icv or HASHES[s.hash][1]
        iv, data, tag = message[32:32 + s.iv], message[32 + s.iv:-icv], message[-icv:]
        if s.icv:
            inner, _ = crypt(s.name, False, encr[:-4], encr[-4:] + iv, data, message[:32], tag)
        else:
            if hmac.new(auth, message[:-icv], s.hash).digest()[:icv] != tag:
                raise ValueError("not authentic")
            inner, _ = crypt(s.name, False, encr, iv, data)
        return unchain(message[28], inner[:-1 - inner[-1]])

    def proof(self, key, mine, message, nonce, identity, psk):
        """The AUTH payload's data of the pre-shared key (RFC 7296 2.15)."""
        s = self.suite
        return s.digest(s.digest(psk.encode(), b"Key Pad for IKEv2"), message + nonce + s.digest(key, identity))


class Peer(Station):
    def __init__(self, local, remote, fifo, options):
        super().__init__(local, remote, fifo, dict(OPTIONS, **options))
        self.ikes = []
        self.ike_suite, self.esp_suite = Suite(self.o["ike"], IKE), Suite(self.o["esp"], ESP)
        if self.o["check"] != "0":
            self.after(float(self.o["check"]), self.clock)

    # ---- what goes out, and when ----

    def send(self, ike, message):
        self.send_from(ike.port, message)

    def nat_detection(self, ike):
        """RFC 7296 2.23."""
        if self.o["natt"] != "yes":
            return []
        hashes = [hashlib.sha1(ike.spi_i + ike.spi_r + socket.inet_aton(a) + struct.pack(">H", 500)).digest()
                  for a in (self.local, self.remote)]
        return [notify(NAT_SOURCE, hashes[0]), notify(NAT_DESTINATION, hashes[1])]

    def request(self, ike, exchange, payloads, then=lambda ike, answer: None, copies=0):
        """One at a time (the window is 1), unless it is made to wait for nothing (then=None)."""
        if ike.pending and then:
            ike.queue.append((exchange, payloads, then, copies))
            return
        mid = ike.mid
        ike.mid += 1
        if exchange == INIT:
            kind, body = chain(payloads)
            message = ike.init = header(ike.spi_i, ike.spi_r, kind, exchange, INITIATOR, mid, len(body)) + body
        else:
            message = ike.seal(exchange, mid, payloads, False, int(self.o["pad"]))
        log(f"request {exchange} {mid} of {ike.spi_i.hex()}: {[k for k, _ in payloads]}, {len(message)} octets")
        self.send(ike, message)
        if then:
            ike.pending = [message, mid, 1, then]
            self.after(float(self.o["gap"]), self.again, ike, mid)
        for n in range(copies):
            self.after(float(self.o["gap"]) * (n + 1), self.send, ike, message)

    def again(self, ike, mid):
        if ike.gone or not ike.pending or ike.pending[1] != mid or mid == -1:
            return
        if ike.pending[2] >= int(self.o["tries"]):
            log(f"gives up {ike.spi_i.hex()}")
            self.drop(ike)
            return
        ike.pending[2] += 1
        self.send(ike, ike.pending[0])
        self.after(float(self.o["gap"]), self.again, ike, mid)

    def respond(self, ike, exchange, mid, payloads):
        if exchange == INIT:
            kind, body = chain(payloads)
            message = ike.init = header(ike.spi_i, ike.spi_r, kind, exchange, RESPONSE, mid, len(body)) + body
        else:
            garbled = self.o["answer_check"] == "garbled" and exchange == INFORMATIONAL
            message = ike.seal(exchange, mid, payloads, True, int(self.o["pad"]), garbled)
        ike.expected, ike.response = mid + 1, message
        log(f"response {exchange} {mid} of {ike.spi_i.hex()}: {[k for k, _ in payloads]}, {len(message)} octets")
        self.send(ike, message)

    # ---- SAs in the kernel ----

    def install(self, ike, child, ours, nonce_i, nonce_r):
        s = self.esp_suite
        ei, ai, er, ar = cut(ike.suite.expand(ike.d, nonce_i + nonce_r, 2 * (s.key + s.auth)), s.key, s.auth, s.key, s.auth)
        out, into = ((ei, ai), (er, ar)) if ours else ((er, ar), (ei, ai))
        child.installed = True
        self.put_sas((child.spi_in, child.spi_out), (into, out), (1, self.o["ts"], self.o["peer_ts"]), ike.port == 4500)
        ike.children.append(child)

    def remove(self, ike, child):
        if child in ike.children:
            ike.children.remove(child)
            self.take_sas((child.spi_in, child.spi_out))

    def drop(self, ike):
        ike.gone, ike.pending = True, None
        for child in list(ike.children):
            self.remove(ike, child)
        if ike in self.ikes:
            self.ikes.remove(ike)

    # ---- beginning an IKE_SA ----

    def initiate(self):
        ike = IkeSa(self.ike_suite, True)
        self.ikes.append(ike)
        ke = struct.pack(">Hxx", ike.suite.curve[0]) + ike.dh.public
        payloads = [(SA, ike.suite.payload()), (KE, ke), (NONCE, ike.nonce)] + self.nat_detection(ike)
        self.request(ike, INIT, payloads, self.init_answered)

    def init_answered(self, ike, message):
        if not message[16] or not first(unchain(message[16], message[28:]), KE):
            log("IKE_SA_INIT refused")
            self.drop(ike)
            return
        answer = unchain(message[16], message[28:])
        ike.spi_r = message[8:16]
        if self.o["natt"] == "yes" and notified(answer, NAT_SOURCE):
            ike.port = 4500  # as of a NAT: the other end will follow
        nonce = first(answer, NONCE)
        ike.derive(ike.nonce, nonce, ike.dh.shared(first(answer, KE)[4:]))
        ike.its_init = message
        child = Child(os.urandom(4))
        identity, its = [struct.pack(">Bxxx", 2) + self.o[name].encode() for name in ("id", "peer_id")]
        proof = ike.proof(ike.pi, True, ike.init, nonce, identity, self.o["psk"])
        payloads = [(IDI, identity)] + ([notify(INITIAL_CONTACT)] if self.o["initial_contact"] == "yes" else [])
        payloads += [(IDR, its), (AUTH, struct.pack(">Bxxx", 2) + proof), (SA, self.esp_suite.payload(child.spi_in)),
                     (TSI, selectors(self.o["ts"])), (TSR, selectors(self.o["peer_ts"]))]
        self.request(ike, IKE_AUTH, payloads, lambda ike, answer: self.auth_answered(ike, child, answer))

    def auth_answered(self, ike, child, answer):
        proof = first(answer, AUTH)
        if not proof or not first(answer, SA):
            log("IKE_AUTH refused")
            self.drop(ike)
            return
        want = ike.proof(ike.pr, False, ike.its_init, ike.nonce, first(answer, IDR), self.o["psk"])
        if proof[4:] != want:
            log("AUTH is wrong")
        child.spi_out = self.esp_suite.chosen(first(answer, SA))[1]
        self.install(ike, child, True, *ike.nonces)
        ike.up = True
        log("established")

    # ---- what comes in ----

    def receive(self, port):
        message, (source, _) = self.socks[port].recvfrom(65536)
        if port == 4500:
            if message[:4] != bytes(4):
                return None
            message = message[4:]
        if source != self.remote or len(message) < 28 or self.silent:
            return None
        spi_i, spi_r, kind, _, exchange, flags, mid, _ = struct.unpack_from(">8s8sBBBBII", message)
        if exchange == INIT and not flags & RESPONSE and spi_r == bytes(8):
            ike = next((i for i in self.ikes if i.spi_i == spi_i), None)
            if not ike:
                ike = IkeSa(self.ike_suite, False)
                ike.spi_i = spi_i
            return self.init_asked(ike, message, unchain(kind, message[28:]))
        ike = next((i for i in self.ikes if i.spi_i == spi_i and (i.spi_r == spi_r or exchange == INIT)), None)
        if not ike:
            if self.o["unknown"] == "notify" and not flags & RESPONSE and kind == SK:
                kind, body = chain([notify(NOTIFIES["INVALID_IKE_SPI"])])
                log("does not know", spi_i.hex())
                flags = RESPONSE | (0 if flags & INITIATOR else INITIATOR)
                self.send_from(port, header(spi_i, spi_r, kind, exchange, flags, mid, len(body)) + body)
            return None
        ike.port = port
        try:
            payloads = message if exchange == INIT else ike.open(message)
        except ValueError as e:
            log(f"{exchange} {mid}: {e}")
            return None
        if flags & RESPONSE:
            return self.answered(ike, mid, payloads)
        if mid == ike.expected - 1 and ike.response:
            return self.send(ike, ike.response)
        if mid != ike.expected:
            return log(f"{exchange} {mid}: not expected")
        log(f"asked {exchange} {mid} of {spi_i.hex()}: {[k for k, _ in payloads]}")
        what = {IKE_AUTH: self.auth_asked, CREATE_CHILD: self.child_asked, INFORMATIONAL: self.asked}
        return what[exchange](ike, mid, payloads)

    def answered(self, ike, mid, answer):
        if not ike.pending or ike.pending[1] != mid:
            return
        then, ike.pending = ike.pending[3], None
        then(ike, answer)
        if ike.queue and not ike.pending and not ike.gone:
            self.request(ike, *ike.queue.pop(0))

    def init_asked(self, ike, message, payloads):
        if ike in self.ikes:
            return self.send(ike, ike.init)
        found = ike.suite.chosen(first(payloads, SA))
        if not found:
            return log("IKE_SA_INIT: no proposal of ours")
        self.ikes.append(ike)
        ike.its_init = message
        ke = struct.pack(">Hxx", ike.suite.curve[0]) + ike.dh.public
        answer = [(SA, ike.suite.payload(number=found[0])), (KE, ke), (NONCE, ike.nonce)]
        self.respond(ike, INIT, 0, answer + self.nat_detection(ike))
        ike.derive(first(payloads, NONCE), ike.nonce, ike.dh.shared(first(payloads, KE)[4:]))
        return None

    def auth_asked(self, ike, mid, payloads):
        want = ike.proof(ike.pi, True, ike.its_init, ike.nonce, first(payloads, IDI), self.o["psk"])
        if first(payloads, AUTH)[4:] != want:
            log("AUTH is wrong")
        if notified(payloads, INITIAL_CONTACT) and self.o["obey_contact"] == "yes":
            for other in [i for i in self.ikes if i is not ike]:
                self.drop(other)
        number, child = self.accept(payloads)
        identity = struct.pack(">Bxxx", 2) + self.o["id"].encode()
        proof = ike.proof(ike.pr, False, ike.init, ike.nonces[0], identity, self.o["psk"])
        self.respond(ike, IKE_AUTH, mid, [(IDR, identity), (AUTH, struct.pack(">Bxxx", 2) + proof),
                                          (SA, self.esp_suite.payload(child.spi_in, number)),
                                          (TSI, first(payloads, TSI)), (TSR, first(payloads, TSR))])
        self.install(ike, child, False, *ike.nonces)
        ike.up = True
        log("established")

    def accept(self, payloads):
        child = Child(os.urandom(4))
        number, child.spi_out = self.esp_suite.chosen(first(payloads, SA))
        return number, child

    def child_asked(self, ike, mid, payloads):
        how = self.o["answer_rekey"]
        if how == "never":
            log("does not answer")
            return None
        if how in NOTIFIES and notified(payloads, REKEY_SA) is not None:
            return self.respond(ike, CREATE_CHILD, mid, [notify(NOTIFIES[how])])
        if not self.esp_suite.chosen(first(payloads, SA)):
            return self.respond(ike, CREATE_CHILD, mid, [notify(NOTIFIES["NO_PROPOSAL_CHOSEN"])])
        number, child = self.accept(payloads)
        nonce = os.urandom(32)
        self.respond(ike, CREATE_CHILD, mid, [(SA, self.esp_suite.payload(child.spi_in, number)), (NONCE, nonce),
                                              (TSI, first(payloads, TSI)), (TSR, first(payloads, TSR))])
        old = ike.children[-1] if ike.children else None
        self.install(ike, child, False, first(payloads, NONCE), nonce)
        if old and self.o["old_of_theirs"] != "never":
            self.after(float(self.o["old_of_theirs"]), self.delete_child, ike, old)
        return None

    def asked(self, ike, mid, payloads):
        deletes = [body for kind, body in payloads if kind == DELETE]
        how = self.o["answer_delete"]
        if not deletes:
            if self.o["answer_check"] == "never":
                return log("does not answer")
            status = [notify(PRIVATE_STATUS, bytes(20))] if self.o["answer_check"] == "status" else []
            self.respond(ike, INFORMATIONAL, mid, status)
            if self.o["after_check"] == "delete":
                self.o["after_check"] = "nothing"
                self.delete(ike, "ike")
            return None
        if how == "never":
            return log("does not answer")
        if self.o["delay"] != "0":
            if ike.pended != mid:
                ike.pended = mid
                self.after(float(self.o["delay"]), self.answer_delete, ike, mid, deletes)
            return None
        return self.answer_delete(ike, mid, deletes)

    def answer_delete(self, ike, mid, deletes):
        how, answer = self.o["answer_delete"], []
        gone = [c for c in ike.children if any(c.spi_out in body[4:] for body in deletes)]
        whole = any(body[0] == IKE for body in deletes)
        if gone and not whole:
            answer = [(DELETE, struct.pack(">BBH", ESP, 4, len(gone)) + b"".join(c.spi_in for c in gone))]
        elif how == "delete":
            answer = [(DELETE, struct.pack(">BBH", IKE, 0, 0))]
        self.respond(ike, INFORMATIONAL, mid, [] if how == "empty" and whole else answer)
        for child in gone:
            self.remove(ike, child)
        if whole:
            self.drop(ike)
        return None

    # ---- of its own accord ----

    def clock(self):
        self.after(float(self.o["check"]), self.clock)
        for ike in self.ikes:
            if ike.up and not ike.pending:
                self.check(ike)

    def check(self, ike, then=lambda ike, answer: None):
        carried = {"notify": [notify(PRIVATE_STATUS, b"\0" * 20)], "vendor": [(VENDOR, b"\0" * 16)], "nothing": []}
        self.request(ike, INFORMATIONAL, carried[self.o["check_with"]], then)

    def deletes(self, ike, what):
        parts = []
        if what in ("child", "both"):
            parts.append((DELETE, struct.pack(">BBH", ESP, 4, 1) + ike.children[0].spi_in))
        if what in ("ike", "both"):
            parts.append((DELETE, struct.pack(">BBH", IKE, 0, 0)))
        return parts

    def delete(self, ike, what, waits=True):
        """what: ike, child, both in one message, each in one of its own."""
        if what == "each":
            self.delete(ike, "child")
            self.delete(ike, "ike")
            return
        parts, child = self.deletes(ike, what), ike.children[0] if ike.children else None

        def then(ike, _):
            if what != "child":
                self.after(float(self.o["gap"]) * int(self.o["deaf"]), self.drop, ike)
            elif child:
                self.remove(ike, child)
        self.request(ike, INFORMATIONAL, parts, then if waits else None, int(self.o["deaf"]))

    def rekey(self, ike):
        old, child, nonce = ike.children[-1], Child(os.urandom(4)), os.urandom(32)

        def then(ike, answer):
            if not first(answer, SA):
                log("rekey refused")
                return
            child.spi_out = self.esp_suite.chosen(first(answer, SA))[1]
            self.install(ike, child, True, nonce, first(answer, NONCE))
            if self.o["old"] != "never":
                self.after(float(self.o["old"]), self.delete_child, ike, old)
        says = [notify(REKEY_SA, b"", ESP, old.spi_in)] if self.o["rekey_says"] == "so" else []
        self.request(ike, CREATE_CHILD, says + [(SA, self.esp_suite.payload(child.spi_in)), (NONCE, nonce),
                                                (TSI, selectors(self.o["ts"])), (TSR, selectors(self.o["peer_ts"]))], then)

    def rekey_ike(self, ike):
        """The CHILD_SAs go over to the new one (RFC 7296 1.3.2, 2.18)."""
        new = IkeSa(self.ike_suite, True)
        new.port = ike.port

        def then(ike, answer):
            if not first(answer, SA):
                log("rekey refused")
                return
            new.spi_r = new.suite.chosen(first(answer, SA))[1]
            new.derive(new.nonce, first(answer, NONCE), new.dh.shared(first(answer, KE)[4:]), ike.d)
            new.children, ike.children, new.up, ike.up = ike.children, [], True, False
            self.ikes.append(new)
            log("IKE_SA rekeyed")
            if self.o["old"] != "never":
                self.after(float(self.o["old"]), self.delete, ike, "ike")
        ke = struct.pack(">Hxx", new.suite.curve[0]) + new.dh.public
        self.request(ike, CREATE_CHILD, [(SA, new.suite.payload(new.spi_i)), (NONCE, new.nonce), (KE, ke)], then)

    def delete_child(self, ike, child):
        if not ike.gone:
            self.request(ike, INFORMATIONAL, [(DELETE, struct.pack(">BBH", ESP, 4, 1) + child.spi_in)],
                         lambda ike, _: self.remove(ike, child))

    def order(self, words):
        """initiate; check; rekey; rekey-ike; delete [old|new] ike|child|both|each; check-delete (both at once); silent; speak;
        forget (as a reboot does); set NAME VALUE."""
        log("ordered:", *words)
        up = [i for i in self.ikes if i.up]
        if words[0] == "initiate":
            self.initiate()
        elif words[0] == "check":
            self.check(up[-1])
        elif words[0] == "check-delete":
            self.check(up[-1])
            self.delete(up[-1], "ike", waits=False)
        elif words[0] == "rekey":
            self.rekey(up[-1])
        elif words[0] == "rekey-ike":
            self.rekey_ike(up[-1])
        elif words[0] == "delete":
            self.delete(up[0] if words[1] == "old" else up[-1], words[-1])
        elif words[0] in ("silent", "speak"):
            self.silent = words[0] == "silent"
        elif words[0] == "forget":
            for ike in self.ikes:
                ike.gone = True
            self.ikes = []
            self.xfrm(["xfrm state flush", "xfrm policy flush"])
        elif words[0] == "set":
            self.o[words[1]] = words[2]


Peer(sys.argv[1], sys.argv[2], sys.argv[3], dict(word.split("=", 1) for word in sys.argv[4:])).run()
