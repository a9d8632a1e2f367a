#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317 # functions that until_ calls
# NATS JetStream: what a cluster of three of Debian's nats-server stores, with one of them killed half-way, over TLS
# with a login; and `ikewatch fleet` on what two gateways saw of the same deletions.
# shellcheck source=tests/host/sinks.sh
. "$(dirname "$0")/sinks.sh"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/key.pem" -out "$dir/cert.pem" -days 30 \
	-subj '/CN=nats.example' -addext 'subjectAltName=DNS:nats.example,DNS:localhost,IP:127.0.0.1' 2>/dev/null
# server N
server() {
	cat >"$dir/nats$1.conf" <<C
server_name: n$1
listen: 127.0.0.1:1422$1
http: 127.0.0.1:1822$1
jetstream { store_dir: "$dir/js$1" }
cluster { name: test, listen: 127.0.0.1:1622$1, routes: [ nats://127.0.0.1:16221, nats://127.0.0.1:16222, nats://127.0.0.1:16223 ] }
tls { cert_file: "$dir/cert.pem", key_file: "$dir/key.pem" }
authorization { user: gw, password: "let me in" }
C
	from usr/sbin/nats-server -c "$dir/nats$1.conf" >>"$dir/nats.log" 2>&1 &
	nats_pid[$1]=$!
	pids+=($!)
}
nats_pid=()
for n in 1 2 3; do server $n; done
for n in 1 2 3; do until_ 30 listening 1422$n; done || { fail nats/receiver "$(tail -n 5 "$dir/nats.log")"; exit 1; }
# the cluster has a leader
leader() { [ -n "$(curl -sf http://127.0.0.1:18221/jsz | jq -r '.meta_cluster.leader // empty')" ]; }
until_ 60 leader || { fail nats/cluster "$(tail -n 5 "$dir/nats.log")"; exit 1; }

login="user = \"gw\" password = \"let me in\" ca-file = \"$dir/cert.pem\""
common='start = "all" retry-max = 1 timeout = 5'
servers='url = "tls://localhost:14221, tls://localhost:14222, tls://localhost:14223"'
cat >"$conf" <<C
gateway = "gw1.example"
nats "fleet" { $servers $login create-stream = true replicas = 3 $common }
C
alarms 50
send
until_ 60 at fleet 50
verdict nats/delivered $? "$(tail -n 3 "$dir/send.err"; tail -n 3 "$dir/nats.log")"
# one of three dies while alarms come; repeats of what it had taken are dropped
kill -KILL "${nats_pid[1]}"
alarms 150
until_ 90 at fleet 200
verdict nats/one_killed $? "$(tail -n 3 "$dir/send.err"; cat "$cursors/fleet.json")"
stored_count() { curl -sf 'http://127.0.0.1:18222/jsz?streams=1' | jq '[.. | objects | select(.name? == "IKEWATCH") | .state.messages] | max'; }
is_stored() { [ "$(stored_count)" = "$1" ]; }
until_ 20 is_stored 200
verdict nats/stored $? "$(stored_count) of 200"
# sent once more from the beginning: the stream drops them all
end "$sender"
sed -i 's/"cursor":200/"cursor":0/' "$cursors/fleet.json"
send
until_ 60 at fleet 200
sleep 1
is_stored 200
verdict nats/repeats_dropped $? "$(stored_count) of 200"
end "$sender"
sender=

fleet() { ikewatch_fleet "$@"; } # never waits: there is an end to what it reads
ikewatch_fleet() { timeout 120 "$O/ikewatch" fleet --config "$conf" --user nobody "$@"; }
fleet --json >"$dir/fleet1" 2>"$dir/fleet.err"
verdict fleet/reads $? "$(cat "$dir/fleet.err")"
same fleet/all 200 "$(jq -s length "$dir/fleet1")"
same fleet/object "$(stored 7 | jq -S --arg u "gw1.example:7:$(sqlite3_ 'SELECT wall / 1000 FROM alarms WHERE id = 7')" '. + {gateway: "gw1.example", uid: $u}')" \
	"$(jq -S 'select(.first.id == 7) | .first' "$dir/fleet1")"
# the other end speaks too, for the first three tunnels
state=$dir/other
mkdir -m 755 "$state"
alarms 3 0 --other
sed -i 's/gw1.example/gw2/' "$conf"
sed -i 's/nats "fleet"/nats "second"/' "$conf"
send
until_ 60 at second 3
verdict fleet/second_gateway $? "$(tail -n 3 "$dir/send.err")"
end "$sender"
sender=
fleet --json >"$dir/fleet2"
same fleet/joined '3 3 197' "$(jq -s 'map(select(.second)) | length' "$dir/fleet2") $(jq -s 'map(select(.second.gateway == "gw2" and .first.gateway == "gw1.example" and
	.first.tunnel_index == .second.tunnel_index)) | length' "$dir/fleet2") $(jq -s 'map(select(.second == null)) | length' "$dir/fleet2")"
fleet >"$dir/fleet3"
same fleet/line "$(jq -r .time "$dir/fleet1" 2>/dev/null | head -n 0)$(jq -r 'select(.second and .first.id == 1) | .first.time' "$dir/fleet2") gw1.example (192.0.2.1) - gw2 (198.51.100.1): gw1.example saw \"dpd timeout\" (certain), gw2 saw \"interface removed\" (certain): the root cause is at gw2: interface removed" \
	"$(grep 'gw2 (198.51.100.1)' "$dir/fleet3")"
same fleet/alone 197 "$(grep -c 'the other end said nothing' "$dir/fleet3")"

# only what is young; what is yet to come, each pair as soon as both ends have spoken
sleep 2
same fleet/since '0 200' "$(fleet --since 1 --json | wc -l) $(fleet --since 1000000 --json | wc -l)"
"$O/ikewatch" fleet --config "$conf" --user nobody --follow --since 1 >"$dir/followed" 2>>"$dir/fleet.err" &
follower=$!
pids+=("$follower")
for gateway in gw3 gw4; do
	state=$dir/$gateway
	mkdir -m 755 "$state"
	if [ $gateway = gw3 ]; then alarms 1; else alarms 1 0 --other; fi
	sed "s/^gateway = .*/gateway = \"$gateway\"/; s/nats \"[a-z0-9]*\"/nats \"$gateway\"/" "$conf" >"$dir/$gateway.conf"
	conf=$dir/$gateway.conf send
	until_ 60 at $gateway 1
	end "$sender"
	sender=
done
followed() { grep -q 'gw3 (192.0.2.1) - gw4 (198.51.100.1): .*: the root cause is at gw4: interface removed' "$dir/followed"; }
until_ 60 followed
verdict fleet/follow $? "$(cat "$dir/followed" "$dir/fleet.err")"
end "$follower"

cat >"$conf" <<C
nats "good" { $servers $login $common }
nats "password" { url = "tls://localhost:14222" user = "gw" password = "wrong" ca-file = "$dir/cert.pem" }
nats "authority" { url = "tls://localhost:14222" user = "gw" password = "let me in" }
nats "name" { url = "tls://localhost:14222" $login server-name = "other.example" }
nats "stream" { url = "tls://localhost:14222" $login stream = "OTHER" }
nats "closed" { url = "nats://127.0.0.1:14229" }
C
tells() {
	ikewatch sinks test "$2" >"$dir/out" 2>&1
	[ $? -eq "${4:-1}" ] && grep -qE "$3" "$dir/out"
	verdict "$1" $? "$(cat "$dir/out")"
}
tells nats/test/good good 'stored in stream IKEWATCH as message 206' 0
tells nats/test/password password 'Authorization Violation|Not Permitted|[Aa]uthorization'
tells nats/test/authority authority 'SSL Error.*certificate|self.signed'
tells nats/test/name name 'SSL Error.*(mismatch|verify)|certificate'
tells nats/test/stream stream 'OTHER: no such stream'
tells nats/test/closed closed 'nats://127.0.0.1:14229: '

# a server that knows its users by JWT, and the file of such a user
mkdir "$dir/jwt"
python3 tests/host/nats_jwt.py "$dir/jwt" 2>"$dir/jwt/err" || fail nats/jwt "$(tail -n 1 "$dir/jwt/err")"
{ printf 'listen: 127.0.0.1:14224\njetstream { store_dir: "%s" }\n' "$dir/js4"; cat "$dir/jwt/auth.conf"; } >"$dir/nats4.conf"
from usr/sbin/nats-server -c "$dir/nats4.conf" >>"$dir/nats.log" 2>&1 &
pids+=("$!")
until_ 30 listening 14224 || fail nats/jwt/server "$(tail -n 5 "$dir/nats.log")"
chmod 644 "$dir"/jwt/*.creds
jwt='url = "nats://127.0.0.1:14224" create-stream = true timeout = 5'
cat >"$conf" <<C
nats "good" { $jwt credentials = "$dir/jwt/good.creds" }
nats "stranger" { $jwt credentials = "$dir/jwt/stranger.creds" }
nats "nobody" { $jwt }
nats "none" { $jwt credentials = "$dir/jwt/none.creds" }
nats "silent" { url = "nats://127.0.0.1:14224" credentials = "$dir/jwt/good.creds" timeout = 1 }
C
tells nats/jwt/good good 'stored in stream IKEWATCH as message 1' 0
tells nats/jwt/stranger stranger '[Aa]uthorization|Not Permitted'
tells nats/jwt/nobody nobody '[Aa]uthorization|Not Permitted'
tells nats/jwt/none none "none\.creds"
kill -STOP "${pids[-1]}"
tells nats/test/silent silent 'nats://127.0.0.1:14224: no answer within 1 s'
kill -CONT "${pids[-1]}"
exit $failed
