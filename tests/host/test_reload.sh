#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317,SC2086 # functions that a trap calls; names without blanks
# The configuration file (checked with line numbers, read again on SIGHUP, never ending a running agent) and the control
# socket (who may, what it refuses, clients that misbehave), on this host in a network namespace of its own.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
agent=$(realpath "${O:-build}/ikewatch" 2>/dev/null) || agent=
ns=ikwconf$$ pins=/sys/fs/bpf/ikwreload$$ failed=0 pid=''
verdict() { if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "FAIL $1: $3"; failed=1; fi; }
[ -x "$agent" ] || { echo "FAIL reload: build/ikewatch is missing"; exit 1; }
dir=$(mktemp -d)
chmod 755 "$dir"
clean() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
	[ "$(id -u)" -ne 0 ] || "$agent" detach --pin-dir "$pins" >/dev/null 2>&1
	ip netns del $ns 2>/dev/null
	rm -rf "$dir"
}
trap clean EXIT

# ---- files
"$agent" check --config scripts/ikewatch.conf >/dev/null
verdict sample $? 'the sample is not sound'
sed 's/^# \([a-z-]* = \|reason\|peer\|tunnel\|}\)/\1/; s/^# \t/\t/' scripts/ikewatch.conf >"$dir/all.conf"
"$agent" check --config "$dir/all.conf" >/dev/null && [ "$(grep -c '^[a-z]' "$dir/all.conf")" -ge 18 ]
verdict sample_all $? "$("$agent" check --config "$dir/all.conf" 2>&1)"
missing='' manual=$(sed 's/\\-/-/g' scripts/ikewatch.conf.5)
mapfile -t names < <(sed -n 's/^\t{ [A-Za-z"]*, "\([a-z-]*\)", .*/\1/p' user/config.c | sort -u)
for name in "${names[@]}"; do
	grep -q -- "$name" scripts/ikewatch.conf && grep -q -- "$name" <<<"$manual" || missing+="$name "
done
[ -z "$missing" ] && [ "$(sed -n 's/^\t{ [A-Za-z"]*, "\([a-z-]*\)", .*/\1/p' user/config.c | wc -l)" -ge 18 ]
verdict documented $? "not in the sample and the manual: $missing"
wrong() {
	sed "$2" "$dir/all.conf" >"$dir/wrong.conf"
	"$agent" check --config "$dir/wrong.conf" >/dev/null 2>"$dir/said"
	[ $? -eq 1 ] && [ "$(wc -l <"$dir/said")" -eq 1 ] &&
		grep -q "^ikewatch: $dir/wrong.conf:$(grep -n -- "$3" "$dir/wrong.conf" | head -n 1 | cut -d: -f1): .*$4" "$dir/said"
	verdict "wrong/$1" $? "$(cat "$dir/said")"
}
wrong port 's/4501/70000/' 70000 'not a port'
wrong ports 's/{ 4501 }/{ 600, 601, 602, 603 }/' '601, 602' 'more than three ports'
wrong reason 's/"dpd timeout"/"dpd"/' 'severity = critical' 'no such reason'
wrong severity 's/= critical/= awful/' awful 'not critical, major'
wrong action 's/= history/= none/' 'action = none' 'not alarm or history'
wrong peer 's/198.51.100.1/branch/' 'peer "branch"' 'not an address'
wrong tunnel 's/tunnel "7"/tunnel "x"/' 'tunnel "x"' "not a tunnel's number"
wrong setting 's/^settle/settel/' settel 'no such option'
wrong number 's/keep-days = 400/keep-days = 0/' 'keep-days = 0' 'not a number'
"$agent" check --config "$dir/none.conf" 2>"$dir/said"
[ $? -eq 1 ] && grep -q 'none.conf: No such file' "$dir/said"
verdict wrong/no_file $? "$(cat "$dir/said")"

# ---- a running agent
[ "$(id -u)" -eq 0 ] || { echo "skip reload: needs root"; exit $failed; }
ip netns add $ns 2>/dev/null || { echo "skip reload: network namespaces cannot be made here"; exit $failed; }
for i in 0 1; do ip -n $ns link add eth$i type veth peer name p$i && ip -n $ns link set eth$i up; done
# shellcheck source=tests/host/until.sh
. tests/host/until.sh
# shellcheck source=tests/host/filters.sh
. tests/host/filters.sh
status() { "$agent" status --socket "$dir/s" --json; }
hooks() { status | jq -r '[.hooks[] | select(.in != "none") | .interface] | sort | join(" ")'; }
hooked() { [ "$(hooks)" = "$1" ]; }
reload() {
	: >"$dir/err"
	kill -HUP "$pid"
	until_ 30 grep -q '^ikewatch: reload: ' "$dir/err"
}
echo 'interfaces = { "eth0" }' >"$dir/conf"
"$agent" run --config "$dir/conf" --netns $ns --tier netlink --socket "$dir/s" --state-dir "$dir/state" --pin-dir "$pins" >"$dir/out" 2>>"$dir/err" &
pid=$!
until_ 60 grep -q '^ikewatch: ready$' "$dir/err"
verdict ready $? "$(tr '\n' '|' <"$dir/err")"
hooked eth0
verdict interfaces $? "$(hooks)"
echo 'interfaces = { "eth0", "eth1" }' >"$dir/conf"
reload && until_ 10 hooked 'eth0 eth1'
verdict reload/more $? "$(hooks); $(cat "$dir/err")"
printf 'interfaces = { "eth1" }\nike-ports = { 4501 }\n' >"$dir/conf"
before=$(filters $ns eth1)
reload && until_ 10 hooked eth1
verdict reload/other $? "$(hooks); $(cat "$dir/err")"
[ -z "$(filters $ns eth0)" ] && [ -n "$before" ] && [ "$before" != "$(filters $ns eth1)" ]
verdict reload/ports $? "eth1: $before, then $(filters $ns eth1)"
printf 'interfaces = { "eth0" }\nhook = magic\n' >"$dir/conf"
reload && grep -q "^ikewatch: $dir/conf:2: hook = \"magic\": not auto" "$dir/err" && grep -q 'before it is kept' "$dir/err" && hooked eth1 && kill -0 "$pid"
verdict reload/wrong $? "$(hooks); $(cat "$dir/err")"
rm "$dir/conf"
reload && grep -q 'before it is kept' "$dir/err" && hooked eth1
verdict reload/no_file $? "$(cat "$dir/err")"
printf 'interfaces = { "eth0", "eth1" }\nsettle = 300\nstate-dir = "/nowhere"\n' >"$dir/conf"
reload && grep -q 'settle: as before until the next start' "$dir/err" && until_ 10 hooked 'eth0 eth1'
verdict reload/next_start $? "$(cat "$dir/err")"
printf 'interfaces = { "eth0", "eth1" }\nread-group = nosuchgroup\n' >"$dir/conf"
reload && grep -q '^ikewatch: group nosuchgroup: there is none of that name$' "$dir/err" && status >/dev/null
verdict reload/group $? "$(cat "$dir/err")"
# what it may not do any more once it runs
printf 'interfaces = { "eth0", "eth1" }\nread-group = daemon\n' >"$dir/conf"
reload && grep -q 'cannot be given to group daemon (.*): root alone may ask' "$dir/err" && status >/dev/null
verdict reload/group_not_to_be_had $? "$(cat "$dir/err")"
printf 'interfaces = { "eth0", "eth1" }\n' >"$dir/conf"
for _ in 1 2 3 4 5; do kill -HUP "$pid"; done
until_ 10 hooked 'eth0 eth1' && kill -0 "$pid"
verdict reload/often $? "$(cat "$dir/err")"

# ---- who may ask, and what
python=$(PATH=/usr/bin:/bin command -v python3)
# ask UID GID REQUEST [GROUPS]
ask() {
	local groups=--clear-groups
	[ -z "${4:-}" ] || groups=--groups=$4
	setpriv --reuid "$1" --regid "$2" "$groups" "$python" - "$dir/s" "$3" <<'P'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
try:
    s.connect(sys.argv[1])
    s.sendall(sys.argv[2].encode() + b"\n")
    print(s.recv(65536).decode().strip())
except OSError as e:
    print("refused:", e)
P
}
if command -v setpriv >/dev/null && [ -n "$python" ] && getent group daemon games >/dev/null; then
	grep -q '^refused' <<<"$(ask 65534 65534 '{"request": "status"}')"
	verdict who/nobody $? "$(ask 65534 65534 '{"request": "status"}' | head -c 200)"
	printf 'interfaces = { "eth0" }\nread-group = daemon\nclear-group = games\n' >"$dir/conf"
	chmod 755 "$dir"
	# the running agent may not give its socket to a group any more: a new one does at its start
	kill -TERM "$pid"
	wait "$pid"
	: >"$dir/err"
	"$agent" run --config "$dir/conf" --netns $ns --tier netlink --socket "$dir/s" --state-dir "$dir/state" --pin-dir "$pins" >"$dir/out" 2>>"$dir/err" &
	pid=$!
	until_ 60 grep -q '^ikewatch: ready$' "$dir/err"
	ask 65534 "$(getent group daemon | cut -d: -f3)" '{"request": "status"}' | grep -q '"tier"'
	verdict who/reader $? "$(ask 65534 "$(getent group daemon | cut -d: -f3)" '{"request": "status"}' | head -c 200)"
	ask 65534 "$(getent group daemon | cut -d: -f3)" '{"request": "clear", "all": true}' | grep -q 'not permitted to clear'
	verdict who/reader_clears $? "$(ask 65534 "$(getent group daemon | cut -d: -f3)" '{"request": "clear", "all": true}')"
	# of the group by a unit's SupplementaryGroups=, not by /etc/group
	daemon=$(getent group daemon | cut -d: -f3) games=$(getent group games | cut -d: -f3)
	ask 65534 65534 '{"request": "status"}' "$daemon" | grep -q '"tier"'
	verdict who/supplementary $? "$(ask 65534 65534 '{"request": "status"}' "$daemon" | head -c 200)"
	ask 65534 65534 '{"request": "clear", "all": true}' "$daemon,$games" | grep -q '{"cleared":0}'
	verdict who/clearer $? "$(ask 65534 65534 '{"request": "clear", "all": true}' "$daemon,$games")"
	# one of the group that takes every connection there is: it has its share, the others have theirs
	setpriv --reuid 65534 --regid "$(getent group daemon | cut -d: -f3)" --clear-groups "$python" - "$dir/s" >"$dir/hog" <<'P' &
import socket, sys, time
kept = []
def connect():
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(sys.argv[1])
        s.send(b'{"request')
    except OSError:
        pass
    kept.append(s)
    del kept[:-500]
for n in range(1000):
    connect()
print("full", flush=True)
end = time.monotonic() + 20
while time.monotonic() < end:
    connect()
P
	hog=$!
	until_ 60 grep -q full "$dir/hog" && for _ in 1 2 3 4 5; do status >"$dir/status" || break; done && kill -0 "$hog" && grep -q '"tier"' "$dir/status"
	verdict who/one_takes_all $? "$(cat "$dir/hog"); $("$agent" status --socket "$dir/s" 2>&1 | head -n 1)"
	kill "$hog"
	wait "$hog" 2>/dev/null
	ask 0 0 '{"request": "clear", "all": true, "note": "by root"}' | grep -q '{"cleared":0}'
	verdict who/root_clears $? "$(ask 0 0 '{"request": "clear", "all": true}')"
	ask 0 0 '{"request": "clear", "ids": ["x"]}' | grep -q 'ids: not numbers'
	verdict who/bad_clear $? "$(ask 0 0 '{"request": "clear", "ids": ["x"]}')"
else
	echo 'skip who: setpriv or the groups daemon and games are missing'
fi
python3 - "$dir/s" <<'P'
import socket, sys, random
random.seed(4)
def ask(text, answer=True, shut=False):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.settimeout(10)
    s.sendall(text)
    if shut:
        s.close()
        return None
    return s.recv(65536) if answer else s
kept = [ask(b'{"request": "rec', False) for _ in range(20)]            # half-way
kept += [ask(b'{"request": "record"}\n', False) for _ in range(3)]     # never read
for n in range(300):                                                   # garbage, and gone before the answer
    ask(bytes(random.randrange(256) for _ in range(random.randrange(1, 4000))), shut=True)
    ask(b'{"request": "status"}\n', shut=True)
assert b"error" in ask(b'{"request": "clear", "ids": [1], "all": true}\n')
assert b"error" in ask(b'[' * 4000 + b'\n')
assert b"error" in ask(b'{"request": "statusstatusstatus"}\n')
assert b'"tier"' in ask(b'{"request": "status"}\n')
P
verdict clients $? 'clients that misbehave disturb others'
kill -TERM "$pid"
wait "$pid"
verdict stop $? "$(cat "$dir/err")"
pid=''
exit $failed
