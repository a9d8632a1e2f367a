#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317,SC2086 # functions that a trap calls; names without blanks
# What an agent leaves in the kernel and the next one goes on with, on this host's own kernel and in a network namespace
# of its own: killed, stopped, upgraded, of another layout; two at once; detach. (The SAD probes: tests/vm/killed.sh.)
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
agent=$(realpath "${O:-build}/ikewatch" 2>/dev/null) || agent=
ns=ikwtake$$ peer=ikwtakep$$
pins=/sys/fs/bpf/$ns
failed=0 pid=

verdict() { if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "FAIL $1: $3"; failed=1; fi; }
[ -x "$agent" ] || { echo "FAIL takeover: build/ikewatch is missing"; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo "skip takeover: needs root"; exit 0; }
ip netns add $ns 2>/dev/null || { echo "skip takeover: network namespaces cannot be made here"; exit 0; }
dir=$(mktemp -d)
clean() {
	[ -z "$pid" ] || { kill -KILL "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
	"$agent" detach --pin-dir "$pins" >/dev/null 2>&1
	ip netns del $ns 2>/dev/null
	ip netns del $peer 2>/dev/null
	rm -rf "$dir"
}
trap clean EXIT

ip netns add $peer
ip -n $ns link add eth0 type veth peer name eth0 netns $peer 2>/dev/null || { echo "skip takeover: no veth pairs here"; exit 0; }
ip -n $ns link add eth1 type veth peer name eth1 netns $peer
for n in $ns $peer; do ip -n $n link set eth0 up; ip -n $n link set eth1 up; ip -n $n link set lo up; done
ip -n $ns addr add 192.0.2.1/24 dev eth0
ip -n $peer addr add 192.0.2.2/24 dev eth0

# shellcheck source=tests/host/until.sh
. tests/host/until.sh
# shellcheck source=tests/host/filters.sh
. tests/host/filters.sh
# start ARGUMENT...
start() {
	: >"$dir/err"
	"$agent" run --netns $ns --socket "$dir/s" --state-dir "$dir/state" --pin-dir "$pins" "$@" >"$dir/out" 2>"$dir/err" &
	pid=$!
	until_ 60 grep -q '^ikewatch: ready$' "$dir/err"
}
end() {
	kill -"$1" "$pid"
	wait "$pid" 2>/dev/null
	pid=
}
said() { grep -q "$1" "$dir/err"; }
# ike N: IKE messages from the peer
ike() {
	ip netns exec $peer python3 - "$1" <<'P'
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("192.0.2.2", 500))
for n in range(int(sys.argv[1])):
    s.sendto(bytes(range(8)) + bytes(8) + bytes([33, 0x20, 34, 8]) + struct.pack(">II", n, 28), ("192.0.2.1", 500))
P
}
messages() { "$agent" status --socket "$dir/s" --json | jq '.events.ike // 0'; }
has() { [ "$(messages)" -eq "$1" ]; }
attached() { filters $ns "$1"; }
xdp() { ip -n $ns link show eth0 | grep -o 'prog/xdp id [0-9]*'; }
# links: the kernel's numbers of those on eth0; one that is the same was never let go
links() { for link in "$pins"/links/*_eth0; do [ ! -e "$link" ] || bpftool link show pinned "$link" -j | jq .id; done; }

hooks='tc tcx xdp'
if ! "$agent" check | grep -q '^tcx  *yes'; then
	echo 'skip tcx: not in this kernel (Linux 6.6)'
	hooks='tc xdp'
fi
for hook in $hooks; do
	start --tier netlink --hook $hook
	verdict $hook/first $? "$(tr '\n' '|' <"$dir/err")"
	before=$(attached eth0; xdp)
	end KILL
	ike 3
	start --tier netlink --hook $hook
	said 'taken over as they are pinned' && until_ 10 has 3
	verdict $hook/killed $? "$(messages) of 3 messages; $(tr '\n' '|' <"$dir/err")"
	[ "$before" = "$(attached eth0; xdp)" ] && [ -n "$before" ]
	verdict $hook/untouched $? "before: $before, now: $(attached eth0; xdp)"
	ike 2
	until_ 10 has 5
	verdict $hook/goes_on $? "$(messages) of 5 messages"
	end TERM
	before=$(links)
	[ -n "$before" ] || [ $hook = tc ]
	verdict $hook/links $? "nothing is pinned for eth0: $(ls "$pins/links")"
	ike 4
	# without --tier the probes are others by their digest: loaded beside the old ones, which then go
	start --hook $hook
	said 'those pinned are replaced, their ring is gone on with' && until_ 10 has 4
	verdict $hook/upgraded $? "$(messages) of 4 messages; $(tr '\n' '|' <"$dir/err")"
	[ "$before" = "$(links)" ]
	verdict $hook/same_links $? "before: $before, now: $(links)"
	ike 1
	until_ 10 has 5
	verdict $hook/after_upgrade $? "$(messages) of 5 messages"
	[ "$(bpftool map dump pinned "$pins/ikw_watched" -j | jq '.[0].formatted.value.epoch')" = 1 ]
	verdict $hook/epoch $? "$(bpftool map dump pinned "$pins/ikw_watched")"
	end TERM
	"$agent" detach --pin-dir "$pins" >"$dir/detached" && [ ! -e "$pins" ] && [ -z "$(attached eth0; xdp; tc -n $ns qdisc show dev eth0 clsact)" ]
	verdict $hook/detach $? "$(cat "$dir/detached"; attached eth0; xdp; find "$pins" 2>/dev/null)"
	rm -rf "$dir/state"
done

# an agent that used a clsact, and one that uses what is best here: nothing is left of the first, nothing told twice
start --tier netlink --hook tc
end KILL
start --tier netlink
until_ 10 has 0
before=$(messages)
ike 2
until_ 10 has $((before + 2)) && [ "$(attached eth0 | wc -l)" -eq 2 ]
verdict clsact_then_auto $? "$(messages) messages after $before; $(attached eth0)"
end TERM
start --tier netlink --hook tc
ike 1
until_ 10 has 1 && [ "$(attached eth0 | wc -l)" -eq 2 ] && [ -n "$(tc -n $ns qdisc show dev eth0 clsact)" ]
verdict auto_then_clsact $? "$(messages) messages; $(attached eth0)"
end TERM

# a program that starts is told once: by what was pinned, then by what took over
start --tier netlink --hook tc
end KILL
cp "$(command -v sleep)" "$dir/charon" && "$dir/charon" 0.01
start --hook tc --record "$dir/events"
"$dir/charon" 0.01
told() { [ "$(jq -s 'map(select(.type == "proc" and .op == "exec" and .comm == "charon")) | length' "$dir/events")" -eq "$1" ]; }
until_ 10 told 2
verdict exec_once $? "$(jq -c 'select(.type == "proc") | [.op, .comm]' "$dir/events" | tr '\n' ' ')"

# an interface that is not asked for any more is let go
end TERM
start --hook tc --iface eth1
[ -z "$(attached eth0)" ] && [ -n "$(attached eth1)" ]
verdict interface_dropped $? "eth0: $(attached eth0), eth1: $(attached eth1)"

# two at once
refused() {
	local name=$1 pattern=$2
	shift 2
	timeout 60 "$@" >"$dir/refused.out" 2>"$dir/refused"
	[ $? -eq 1 ] && [ "$(wc -l <"$dir/refused")" -eq 1 ] && grep -q "$pattern" "$dir/refused"
	verdict "$name" $? "$(tr '\n' '|' <"$dir/refused")"
}
refused two_agents "another agent runs here (pid $pid)" "$agent" run --netns $ns --socket "$dir/s" --state-dir "$dir/state" --pin-dir "$pins"
refused two_agents_state "another ikewatch uses it (pid $pid)" "$agent" run --netns $ns --socket "$dir/s2" --state-dir "$dir/state" --pin-dir "$pins"
refused two_agents_pins "another agent pins there (pid $pid)" "$agent" run --netns $ns --socket "$dir/s2" --state-dir "$dir/state2" --pin-dir "$pins"
refused detach_running "another agent pins there (pid $pid); stop it first" "$agent" detach --pin-dir "$pins"
ike 1
verdict undisturbed "$(attached eth1 | wc -l | awk '{ print $1 != 2 }')" "$(attached eth1)"

# pinned by something that is laid out differently
end KILL
rm -f "$pins/ikw_layout"
bpftool map create "$pins/ikw_layout" type array key 4 value 8 entries 1 name ikw_layout
start --hook tc --iface eth0
said 'laid it out differently: replaced' && said '^ikewatch: gap: '
verdict other_layout $? "$(tr '\n' '|' <"$dir/err")"
ike 2
until_ 10 has 2
verdict other_layout_works $? "$(messages) of 2"
end TERM

# burst COUNT PAUSE: as many IKE messages from the peer, with a pause (s) after 50 of them
burst() {
	ip netns exec $peer python3 - "$@" <<-'P'
		import socket, struct, sys, time
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("192.0.2.2", 500))
		for n in range(int(sys.argv[1])):
		    s.sendto(struct.pack(">QQ", n + 1, n + 7) + bytes([46, 0x20, 37, 8]) + struct.pack(">II", n % 100, 28), ("192.0.2.1", 500))
		    if n % 50 == 0:
		        time.sleep(float(sys.argv[2]))
	P
}

# more comes of a known peer than the ring holds while nobody runs: that gap has its times, and begins when the ring was
# full. (Of others half of it is left free.)
"$agent" detach --pin-dir "$pins" >/dev/null
echo 'ring-size = 1' >"$dir/conf"
start --tier netlink --hook tc --config "$dir/conf"
end KILL
# shellcheck disable=SC2046  # words
bpftool map update pinned "$pins/ikw_peers" key hex 00 00 00 00 00 00 00 00 00 00 ff ff c0 00 02 02 \
	value hex $(printf '00 %.0s' {1..16})
now() { date -u +%FT%T.%6NZ; }
from=$(now)
burst 24000 0.012 # 5,000 a second are a known peer's
till=$(now)
start --tier netlink --hook tc --config "$dir/conf"
read -r since until < <(sed -n 's/^ikewatch: lost: [1-9].* between \([^ ]*\) and \([^ ;]*\);.*/\1 \2/p' "$dir/err")
[[ ${since:-} > $from && $since < $till && $until > $till ]]
verdict ring_full $? "filled from $from to $till; $(tr '\n' '|' <"$dir/err")"

# of a peer that nobody vouches for half of it is kept free: what an agent that stood still missed is a blind spot
lost() { "$agent" status --json --socket "$dir/s" 2>/dev/null | jq .lost; }
bpftool map delete pinned "$pins/ikw_peers" key hex 00 00 00 00 00 00 00 00 00 00 ff ff c0 00 02 02
before=$(lost)
kill -STOP "$pid"
burst 15000 0.01
sleep 6
kill -CONT "$pid"
missed() { [ "$(lost)" -gt "$before" ]; }
until_ 20 missed
verdict stood_still $? "lost $(lost), before $before"
end TERM
exit $failed
