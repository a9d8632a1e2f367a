#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317 # functions that until_ calls
# Webhook: what an HTTPS server receives, in its three shapes, signed and with a token; answers that are no receipt;
# certificates that must not be taken.
# shellcheck source=tests/host/sinks.sh
. "$(dirname "$0")/sinks.sh"
command -v python3 >/dev/null || { echo 'skip webhook: python3 is missing'; exit 0; }

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/key.pem" -out "$dir/cert.pem" -days 30 \
	-subj '/CN=hook.example' -addext 'subjectAltName=DNS:hook.example,DNS:localhost' 2>/dev/null
cat >"$dir/server.py" <<'P'
import http.server, json, os, ssl, sys, time
out, key, cert = sys.argv[1:4]
class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        at = time.monotonic()
        status = 503 if self.path == "/never" else int(open(out + ".status").read()) if os.path.exists(out + ".status") else 204
        with open(out, "a") as f:
            f.write(json.dumps({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                                "body": body.decode(), "status": status, "at": at}) + "\n")
        self.send_response(status)
        self.send_header("Content-Length", "0" if status < 300 else "4")
        self.end_headers()
        if status >= 300: self.wfile.write(b"nope")
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 18443), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
P
python3 "$dir/server.py" "$dir/got" "$dir/key.pem" "$dir/cert.pem" 2>"$dir/server.err" &
pids+=($!)
until_ 20 listening 18443 || { fail webhook/receiver "$(cat "$dir/server.err")"; exit 1; }

common="ca-file = \"$dir/cert.pem\" start = \"all\" retry-max = 1 timeout = 5"
echo 'a token' >"$dir/token"
chmod 644 "$dir/token"
cat >"$conf" <<C
gateway = "gw1"
webhook "native" { url = "https://localhost:18443/native" secret = "s3cret" bearer-token-file = "$dir/token" $common }
webhook "ocsf" { url = "https://localhost:18443/ocsf" shape = "ocsf" $common }
webhook "ecs" { url = "https://localhost:18443/ecs" shape = "ecs" $common }
webhook "never" { url = "https://localhost:18443/never" ca-file = "$dir/cert.pem" start = "all" }
C
alarms 1
send
for sink in native ocsf ecs; do
	until_ 30 at $sink 1
	verdict webhook/delivered/$sink $? "$(cat "$dir/send.err" "$dir/server.err")"
done
uid=gw1:1:$(sqlite3_ 'SELECT wall / 1000 FROM alarms WHERE id = 1')
body() { jq -r --arg p "/$1" 'select(.path == $p) | .body' "$dir/got"; }
header() { jq -r --arg p "/$1" --arg h "$2" 'select(.path == $p) | .headers[$h] // "none"' "$dir/got"; }
same webhook/native "$(stored 1 | jq -S --arg u "$uid" '. + {gateway: "gw1", uid: $u}')" "$(body native | jq -S .)"
same webhook/id "$uid" "$(header native x-ikewatch-id)"
same webhook/type application/json "$(header native content-type)"
same webhook/token 'Bearer a token' "$(header native authorization)"
same webhook/no_token none "$(header ocsf authorization)"
same webhook/signature "sha256=$(body native | tr -d '\n' | openssl dgst -sha256 -hmac s3cret -r | cut -d' ' -f1)" "$(header native x-ikewatch-signature)"
same webhook/no_signature none "$(header ocsf x-ikewatch-signature)"
same webhook/ocsf "$(stored 1 | jq -S --arg u "$uid" --argjson t "$(sqlite3_ 'SELECT wall / 1000000 FROM alarms WHERE id = 1')" '{
	activity_id: 2, activity_name: "Close", category_uid: 4, category_name: "Network Activity", class_uid: 4014,
	class_name: "Tunnel Activity", type_uid: 401402, type_name: "Tunnel Activity: Close", severity_id: 4, severity: "High",
	time: $t, message: .detail, status_detail: "dpd timeout", device: {hostname: "gw1", name: "gw1", type_id: 12},
	metadata: {version: "1.1.0", product: {name: "ikewatch", vendor_name: "ikewatch", version: $v}, uid: $u,
		event_code: "IPSECTUNNELSTOP", log_name: "ikewatch"},
	src_endpoint: {ip: "192.0.2.1"}, dst_endpoint: {ip: "198.51.100.1", port: 4500}, protocol_name: "ESP",
	tunnel_interface: {name: "eth0", type_id: 4, type: "Tunnel"},
	traffic: {bytes_in: 8400, bytes_out: 9000, packets_in: 100, packets_out: 120},
	unmapped: (. + {gateway: "gw1", uid: $u})}' --arg v "$(cat VERSION)")" "$(body ocsf | jq -S .)"
same webhook/ecs "$(stored 1 | jq -S --arg u "$uid" --arg v "$(cat VERSION)" --arg line "IPSEC/4/IPSECTUNNELSTOP: OID 1.3.6.1.4.1.2011.6.122.26.6.2 The IPSec tunnel is deleted. (Ifindex=2, SeqNum=11, TunnelIndex=1, RuleNum=81, DstIP=198.51.100.1, InsideIP=10.2.0.0, RemotePort=4500, CpuID=1, SrcIP=192.0.2.1, FlowInfo=src=10.1.0.0/16 dst=10.2.0.0/16 proto=any sport=any dport=any dscp=any, OfflineReason=dpd timeout, VsysName=Public, InterfaceName=eth0, SlotID=0)" '{
	"@timestamp": .time, ecs: {version: "8.11.0"}, message: .detail,
	event: {kind: "alert", category: ["network"], type: ["end"], action: "ipsec-tunnel-deleted", code: "4285734913", id: $u,
		reason: "dpd timeout", provider: "ikewatch", dataset: "ikewatch.alarm", original: $line, severity: 4},
	source: {ip: "192.0.2.1"}, destination: {ip: "198.51.100.1", port: 4500},
	network: {type: "ipv4", iana_number: "50", bytes: 17400, packets: 220},
	observer: {name: "gw1", product: "ikewatch", type: "vpn", version: $v, egress: {interface: {name: "eth0", id: "2"}}},
	rule: {name: "dpd"}, related: {ip: ["192.0.2.1", "198.51.100.1"]}, ikewatch: (. + {gateway: "gw1", uid: $u})}')" "$(body ecs | jq -S .)"

# an answer that is no receipt: sent again, with the same id, until it is one
echo 503 >"$dir/got.status"
alarms 1
tried() { [ "$(jq -r 'select(.path == "/native" and .status == 503) | .headers["x-ikewatch-id"]' "$dir/got" | sort | uniq -c | awk '{ print $1 }')" -ge 3 ]; }
until_ 30 tried
verdict webhook/again $? "$(jq -c '[.path, .status]' "$dir/got" | tail -n 5)"
jq -e '.state == "failing" and (.error | test("HTTP 503: nope"))' "$cursors/native.json" >/dev/null
verdict webhook/failing $? "$(cat "$cursors/native.json")"
rm "$dir/got.status"
until_ 30 at native 2
verdict webhook/recovered $? "$(cat "$cursors/native.json")"
sleep 1
same webhook/once "$(printf '%s\n' "1 $uid" "1 gw1:2:$(sqlite3_ 'SELECT wall / 1000 FROM alarms WHERE id = 2')")" \
	"$(jq -r 'select(.path == "/native" and .status == 204) | .headers["x-ikewatch-id"]' "$dir/got" | sort | uniq -c | awk '{ print $1, $2 }')"

# the pauses grow: at least half of 0.5, 1, 2, 4 s, for up to half is taken off at random
tries() { jq -s '[.[] | select(.path == "/never") | .at]' "$dir/got"; }
five() { [ "$(tries | jq length)" -ge 5 ]; }
until_ 40 five
same webhook/backoff '[true,true,true,true]' "$(tries | jq -c '. as $t | [range(4) | $t[. + 1] - $t[.] >= 0.25 * pow(2; .)]')"

# what the sender may: no privileges, nothing but its user's own
for pid in $(pgrep -P "$sender"); do
	same webhook/unprivileged "Uid: 65534
CapEff: 0000000000000000
CapBnd: 0000000000000000
NoNewPrivs: 1
Seccomp: 2" "$(awk '/^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):/ { print $1, $2 }' "/proc/$pid/status")"
	break
done

# a generation that another one carries on, over IPv6
end "$sender"
sender=
alarms 1
python3 - "$state" <<'P'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1] + "/alarms.db")
db.execute("""UPDATE alarms SET json = json_set(json, '$.tunnel_up', json('true'), '$.dst_ip', '2001:db8::1',
	'$.src_ip', '2001:db8::2', '$.offline_reason', 'phase2 sa replace', '$.severity', 'warning') WHERE id = (SELECT max(id) FROM alarms)""")
db.commit()
P
send
until_ 30 at ocsf 3 && until_ 30 at ecs 3
same webhook/renewed '[3,401403,"Renew",2,"2001:db8::1"] ["change","ipsec-tunnel-renewed","ipv6","2001:db8::1"]' \
	"$(body ocsf | tail -n 1 | jq -c '[.activity_id, .type_uid, .activity_name, .severity_id, .dst_endpoint.ip]') $(body ecs | tail -n 1 |
		jq -c '[.event.type[0], .event.action, .network.type, .destination.ip]')"
end "$sender"
sender=

cat >"$conf" <<C
gateway = "gw1"
webhook "good" { url = "https://localhost:18443/test" $common }
webhook "name" { url = "https://127.0.0.1:18443/" $common }
webhook "authority" { url = "https://localhost:18443/" }
webhook "closed" { url = "https://localhost:18444/" $common }
webhook "host" { url = "https://no-such-host.invalid/" $common }
C
tells() {
	ikewatch sinks test "$2" >"$dir/out" 2>&1
	[ $? -eq "${4:-1}" ] && grep -qE "$3" "$dir/out"
	verdict "$1" $? "$(cat "$dir/out")"
}
tells webhook/test/good good 'good: delivered: HTTP 204' 0
same webhook/test/object true "$(body test | jq .test)"
tells webhook/test/name name 'SSL: no alternative certificate subject name'
tells webhook/test/authority authority 'certificate problem'
tells webhook/test/closed closed 'Failed to connect'
tells webhook/test/host host 'Could not resolve host'
printf 'webhook "x" { url = "ftp://a" }\n' >"$conf"
! ikewatch sinks >"$dir/out" 2>&1 && grep -q 'not https:// or http://' "$dir/out"
verdict webhook/refused/url $? "$(cat "$dir/out")"
exit $failed
