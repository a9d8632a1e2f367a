# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What `nsc` would make for a NATS server that knows its users by JWT: operator, account with JetStream, users.

usage: nats_jwt.py DIR
	DIR/auth.conf: the server's part; DIR/good.creds: a user's file; DIR/stranger.creds: of an account it does not know
Needs openssl 3 for Ed25519.
"""
import base64
import binascii
import json
import subprocess
import sys
import time

OPERATOR, ACCOUNT, USER, SEED = 14 << 3, 0 << 3, 20 << 3, 18 << 3
directory = sys.argv[1]


def openssl(*arguments, data=None):
    return subprocess.run(("openssl",) + arguments, input=data, check=True, capture_output=True).stdout


def text(raw):
    """An nkey: base32 of prefix, key and CRC-16/XMODEM."""
    raw += binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(raw).decode().rstrip("=")


class Key:
    def __init__(self, kind, name):
        self.kind, self.path = kind, f"{directory}/{name}.ed25519"
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.path)
        self.public = text(bytes([kind]) + openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")[-32:])

    def seed(self):
        raw = openssl("pkey", "-in", self.path, "-outform", "DER")[-32:]
        return text(bytes([SEED | self.kind >> 5, (self.kind & 31) << 3]) + raw)

    def sign(self, subject, name, claims):
        def part(value):
            return base64.urlsafe_b64encode(value).rstrip(b"=")

        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        body = {"jti": name, "iat": int(time.time()), "iss": self.public, "name": name, "sub": subject, "nats": claims}
        token = part(json.dumps(head).encode()) + b"." + part(json.dumps(body).encode())
        with open(f"{directory}/token", "wb") as file:
            file.write(token)
        signature = openssl("pkeyutl", "-sign", "-inkey", self.path, "-rawin", "-in", f"{directory}/token")
        return (token + b"." + part(signature)).decode()


def credentials(name, account):
    user = Key(USER, name)
    jwt = account.sign(user.public, name, {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1})
    with open(f"{directory}/{name}.creds", "w", encoding="ascii") as file:
        file.write(f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
                   f"-----BEGIN USER NKEY SEED-----\n{user.seed()}\n------END USER NKEY SEED------\n")


def account_jwt(name, account, storage):
    limits = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf") + storage, -1)
    return operator.sign(account.public, name, {"type": "account", "version": 2, "limits": limits | {"wildcards": True}})


operator, account, other, system = Key(OPERATOR, "operator"), *(Key(ACCOUNT, n) for n in ("account", "other", "system"))
gateways = account_jwt("gateways", account, ("mem_storage", "disk_storage", "streams", "consumer"))
with open(f"{directory}/auth.conf", "w", encoding="ascii") as conf:
    conf.write(f"operator: {operator.sign(operator.public, 'operator', {'type': 'operator', 'version': 2})}\n"
               f"system_account: {system.public}\nresolver: MEMORY\n"
               f"resolver_preload: {{ {account.public}: {gateways}, {system.public}: {account_jwt('system', system, ())} }}\n")
credentials("good", account)
credentials("stranger", other)
