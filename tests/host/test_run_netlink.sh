#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317,SC2086 # functions that a trap calls; names without blanks
# `ikewatch run` on this host's own kernel, in a network namespace of its own and in its netlink tier: comes up, sees
# what this kernel can show, refuses what it must, ends cleanly, lets a namespace go and takes it back.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
agent=$(realpath "${O:-build}/ikewatch" 2>/dev/null) || agent=
ns=ikwrun$$
peer=ikwpeer$$
failed=0
pid=

ok() { echo "ok $1"; }
fail() { echo "FAIL $1: $2"; failed=1; }
# verdict NAME STATUS WHY: of the test just done
verdict() { if [ "$2" -eq 0 ]; then ok "$1"; else fail "$1" "$3"; fi; }

[ -x "$agent" ] || { echo "FAIL run: build/ikewatch is missing"; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo "skip run: needs root"; exit 0; }
ip netns add $ns 2>/dev/null || { echo "skip run: network namespaces cannot be made here"; exit 0; }
dir=$(mktemp -d)
sock=$dir/s
pins=/sys/fs/bpf/$ns

clean() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
	"$agent" detach --pin-dir "$pins" >/dev/null 2>&1
	ip netns del $ns 2>/dev/null
	ip netns del $peer 2>/dev/null
	rm -rf "$dir"
}
trap clean EXIT

# until SECONDS COMMAND...: polls; no test depends on how fast this machine is
# shellcheck source=tests/host/until.sh
. tests/host/until.sh
start() {
	: >"$dir/err"
	"$agent" run --netns $ns --tier netlink --socket "$sock" --pin-dir "$pins" "$@" >"$dir/out" 2>"$dir/err" &
	pid=$!
	until_ 60 grep -q '^ikewatch: ready$' "$dir/err"
}
# stop: SIGTERM; the agent's exit status
stop() {
	kill -TERM "$pid"
	wait "$pid"
	local status=$?
	pid=
	return $status
}
seen() { [ "$("$agent" status --socket "$sock" --json | jq ".events.$1 // 0")" -ge "$2" ]; }
# shellcheck source=tests/host/filters.sh
. tests/host/filters.sh
programs() { filters $ns "$1"; }
# refused NAME PATTERN COMMAND...: exit 1 (2 if NAME ends in usage), and one line about it on stderr
refused() {
	local name=$1 pattern=$2 want=1 status
	shift 2
	[ "${name%usage}" = "$name" ] || want=2
	timeout 60 "$@" >"$dir/refused.out" 2>"$dir/refused"
	status=$?
	[ $status -eq $want ] && [ "$(grep -c "$pattern" "$dir/refused")" -eq 1 ] &&
		[ "$(grep -vc '^try: ' "$dir/refused")" -eq 1 ] && ! grep -q ready "$dir/refused"
	verdict "$name" $? "exit $status, said: $(tr '\n' '|' <"$dir/refused")"
}

ip netns add $peer
ip -n $ns link add eth0 type veth peer name eth0 netns $peer 2>/dev/null && veth=1 || veth=0
ip -n $ns addr add 192.0.2.1/24 dev eth0 2>/dev/null
ip -n $ns link set eth0 up 2>/dev/null
ip -n $peer addr add 192.0.2.2/24 dev eth0 2>/dev/null
ip -n $peer link set eth0 up 2>/dev/null
ip -n $ns link set lo up

start --state-dir "$dir/state" --record "$dir/events"
verdict ready $? "not ready after 60 s: $(tr '\n' '|' <"$dir/err")"
"$agent" status --socket "$sock" --json | jq -e '.tier == "netlink" and (.sees | index("sa") and index("portid") and
	(index("actor") | not))' >/dev/null
verdict tier $? "status: $("$agent" status --socket "$sock" --json | cut -c1-300)"

# SPD: insert, flush
ip -n $ns xfrm policy add src 10.1.0.0/24 dst 10.2.0.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 1 mode tunnel
ip -n $ns xfrm policy deleteall
ip -n $ns xfrm policy add src 10.1.0.0/24 dst 10.2.0.0/24 dir in tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 1 mode tunnel
ip -n $ns xfrm policy flush
until_ 10 seen policy 3 && until_ 10 seen flush 1
verdict policies $? "events: $("$agent" status --socket "$sock" --json | jq -c .events)"

# SAD: a larval SA goes (no alarm); full ones need ESP
ip -n $ns xfrm state allocspi src 192.0.2.2 dst 192.0.2.1 proto esp mode tunnel reqid 1 >/dev/null
ip -n $ns xfrm state deleteall
until_ 10 seen sa 1 && jq -es 'any(.[]; .type == "sa" and .op == "larval_gone")' "$dir/events" >/dev/null
verdict larval $? "events: $("$agent" status --socket "$sock" --json | jq -c .events)"
if ip -n $ns xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 reqid 1 mode tunnel \
	aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128 2>/dev/null; then
	ip -n $ns xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi 0x1002 reqid 1 mode tunnel \
		aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128
	ip -n $ns xfrm state flush
	until_ 20 grep -q '^IPSEC/4/IPSECTUNNELSTOP: OID ' "$dir/out"
	verdict flush_alarm $? "no alarm line; said: $(tr '\n' '|' <"$dir/err")"
else
	[ ! -s "$dir/out" ]
	verdict no_alarm $? "an alarm without an SA: $(head -n 1 "$dir/out")"
	echo "skip flush_alarm: this kernel has no ESP (ip xfrm state add: not supported); tested in the VM"
fi

# packets, interfaces that come and go
if [ $veth -eq 1 ] && "$agent" status --socket "$sock" --json | jq -e '.hooks[] | select(.interface == "eth0" and .in != "none")' >/dev/null; then
	ip netns exec $peer python3 - <<'P'
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("192.0.2.2", 500))
s.sendto(bytes(range(8)) + bytes(8) + bytes([33, 0x20, 34, 8]) + struct.pack(">II", 0, 28), ("192.0.2.1", 500))
P
	until_ 10 seen ike 1
	verdict packet $? "events: $("$agent" status --socket "$sock" --json | jq -c .events)"
	ip -n $ns link add eth7 type veth peer name eth8 netns $peer
	has() { "$agent" status --socket "$sock" --json | jq -e ".hooks[] | select(.interface == \"$1\" and .in != \"none\")"; }
	hasnt() { ! has "$1"; }
	until_ 10 has eth7 && ip -n $ns link del eth7 && until_ 10 hasnt eth7
	verdict interfaces $? "hooks: $("$agent" status --socket "$sock" --json | jq -c .hooks)"
else
	echo "skip packet: no program on a veth here: $("$agent" status --socket "$sock" --json | jq -c .hooks)"
	echo "skip interfaces: no program on a veth here"
fi

# clients of the control socket
"$agent" tunnels --socket "$sock" >/dev/null && "$agent" tunnels --socket "$sock" --json >/dev/null
verdict tunnels $? "exit $?"
timeout 3 "$agent" record "$dir/second" --socket "$sock" >/dev/null 2>&1
jq -es '.[0].ikewatch_recording == 1 and any(.[]; .type == "probes") and any(.[]; .type == "dump" and .op == "end")' \
	"$dir/second" >/dev/null 2>&1
verdict record $? "$(head -c 300 "$dir/second" 2>/dev/null)"
python3 - "$sock" <<'P'
import socket, sys
def ask(text, answer=True):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(sys.argv[1])
    s.sendall(text)
    return s.recv(65536) if answer else s
hung = [ask(b'{"request": "rec', False) for _ in range(8)]     # hangs half-way
assert b"error" in ask(b"\x00\xff garbage\n")
assert b"error" in ask(b'{"request": "no such"}\n')
assert b"error" in ask(b'{"request": 7}\n')
assert b"error" in ask(b"a" * 4096)
slow = ask(b'{"request": "record"}\n', False)                  # never reads
assert b'"tier"' in ask(b'{"request": "status"}\n')
P
verdict clients $? "a client's misbehaviour disturbed others"

# a namespace whose name is no text: one line of any alarm, and JSON takes it
odd=$'ikw\xff\n'$$
if ip netns add "$odd" 2>/dev/null; then
	"$agent" run --netns "$odd" --tier netlink --no-store --socket "$dir/s3" --pin-dir "$pins-odd" --record "$dir/odd" >/dev/null 2>"$dir/err3" &
	second=$!
	until_ 60 grep -q '^ikewatch: ready$' "$dir/err3"
	verdict odd_name $? "$(cat "$dir/err3")"
	[ "$("$agent" status --socket "$dir/s3" --json | jq -r .netns)" = "ikw? $$" ] && [ "$(jq -r 'select(.vsys) | .vsys' "$dir/odd")" = "ikw? $$" ]
	verdict odd_name/told $? "$("$agent" status --socket "$dir/s3" --json | cut -c1-200; head -c 200 "$dir/odd")"
	kill $second
	wait $second
	"$agent" detach --pin-dir "$pins-odd" >/dev/null 2>&1
	ip netns del "$odd"
else
	echo 'skip odd_name: such a namespace cannot be made here'
fi

# what must be refused, beside a running agent
refused two_agents 'another agent runs' "$agent" run --netns $ns --no-store --socket "$sock"
refused two_agents_state 'another ikewatch uses it' "$agent" run --netns $ns --state-dir "$dir/state" --socket "$dir/s2"
refused unknown_interface 'nope0: no such interface' "$agent" run --netns $ns --no-store --socket "$dir/s2" --iface nope0
refused unknown_netns 'netns nope: ' "$agent" run --netns nope --no-store --socket "$dir/s2"
refused not_a_netns 'not a network namespace' "$agent" run --netns /etc/passwd --no-store --socket "$dir/s2"
refused state_dir '/proc/none' "$agent" run --netns $ns --socket "$dir/s2" --state-dir /proc/none
refused full_disk 'No space left' "$agent" run --netns $ns --no-store --socket "$dir/s2" --record /dev/full
printf '\nbogus = 3\n' >"$dir/bad.conf"
refused config "bad.conf:2: no such option" "$agent" run --no-store --socket "$dir/s2" --config "$dir/bad.conf"
printf 'interfaces = { "nope1" }\n' >"$dir/iface.conf"
refused config_interface 'nope1: no such interface' "$agent" run --no-store --socket "$dir/s2" --config "$dir/iface.conf"
refused tier_usage 'tier magic' "$agent" run --tier magic
refused option_usage 'unknown option' "$agent" run --no-such-option
refused operand_usage 'options only' "$agent" run eth0
if command -v setpriv >/dev/null; then
	refused no_privileges 'no privileges' setpriv --reuid 65534 --clear-groups --bounding-set -all --inh-caps -all \
		"$agent" run --no-store --socket "$dir/s2"
else
	echo "skip no_privileges: setpriv is missing"
fi

# the namespace's name goes, comes again
ip netns del $ns
until_ 10 grep -q 'its name is gone' "$dir/err"
verdict netns_gone $? "said: $(tr '\n' '|' <"$dir/err")"
if [ $veth -eq 1 ]; then
	# with the namespace goes its end of the veth pair, and so the other
	gone() { ! ip -n $peer link show eth0; }
	until_ 20 gone
	verdict netns_let_go $? "the namespace still lives"
else
	echo "skip netns_let_go: no veth pairs here"
fi
ip netns add $ns
watched() { "$agent" status --socket "$sock" --json | jq -e .attached; }
until_ 10 grep -q 'watched again' "$dir/err" && until_ 10 watched
verdict netns_again $? "said: $(tr '\n' '|' <"$dir/err")"

[ $veth -eq 0 ] || ip -n $ns link add eth0 type veth peer name eth0 netns $peer
if [ $veth -eq 1 ] && until_ 10 programs eth0; then
	ids=$(programs eth0)
	stop
	verdict sigterm $? "exit $?"
	programs eth0 >/dev/null
	verdict goes_on $? "nothing witnesses while no agent runs"
	"$agent" detach --pin-dir "$pins" >/dev/null && [ ! -e "$pins" ]
	verdict detach $? "$(find "$pins" 2>&1 | tr '\n' ' ')"
	# the kernel frees a program some time after the last reference went
	leftovers() {
		left=$(for id in ${ids//id/}; do bpftool prog show id "$id" 2>/dev/null; done; programs eth0; tc -n $ns qdisc show dev eth0 clsact)
		[ -z "$left" ]
	}
	until_ 20 leftovers
	verdict nothing_left $? "$left"
else
	stop
	verdict sigterm $? "exit $?"
	echo "skip nothing_left: no program on a veth here"
fi
! "$agent" status --socket "$sock" >/dev/null 2>"$dir/refused" && grep -q 'no agent runs' "$dir/refused"
verdict no_agent $? "$(cat "$dir/refused")"
"$agent" replay "$dir/events" >/dev/null 2>"$dir/refused"
verdict replay $? "$(cat "$dir/refused")"

exit $failed
