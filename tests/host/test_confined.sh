#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317,SC2086 # functions that a trap calls; names without blanks
# What the agent may still do once it is ready, on this host: its capabilities, no new privileges, the system call list;
# and that everything it is asked to do works under these. What systemd is told.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
agent=$(realpath "${O:-build}/ikewatch" 2>/dev/null) || agent=
ns=ikwconf$$ pins=/sys/fs/bpf/ikwconf$$ failed=0 pid='' listener=''
verdict() { if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "FAIL $1: $3"; failed=1; fi; }
[ -x "$agent" ] || { echo "FAIL confined: build/ikewatch is missing"; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo "skip confined: needs root"; exit 0; }
ip netns add $ns 2>/dev/null || { echo "skip confined: network namespaces cannot be made here"; exit 0; }
dir=$(mktemp -d)
clean() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
	[ -z "$listener" ] || kill "$listener" 2>/dev/null
	"$agent" detach --pin-dir "$pins" >/dev/null 2>&1
	ip netns del $ns 2>/dev/null
	rm -rf "$dir"
}
trap clean EXIT
# shellcheck source=tests/host/until.sh
. tests/host/until.sh
field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"; }
denied() { dmesg 2>/dev/null | grep -a 'type=1326' | grep -ac "pid=$pid "; }

python3 - "$dir/notify" >"$dir/told" <<'P' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode().replace("\n", "|"), flush=True)
P
listener=$!
until_ 20 test -S "$dir/notify"
NOTIFY_SOCKET=$dir/notify WATCHDOG_USEC=400000 "$agent" run --netns $ns --tier netlink --socket "$dir/s" --state-dir "$dir/state" \
	--pin-dir "$pins" --record "$dir/rec" >"$dir/out" 2>"$dir/err" &
pid=$!
until_ 60 grep -q '^ikewatch: ready$' "$dir/err"
verdict ready $? "$(tr '\n' '|' <"$dir/err")"
until_ 10 grep -q '^READY=1' "$dir/told"
verdict notify_ready $? "$(cat "$dir/told")"
more() { [ "$(grep -c '^WATCHDOG=1' "$dir/told")" -ge 4 ]; }
until_ 20 more
verdict notify_watchdog $? "$(tail -n 3 "$dir/told")"

# 2 DAC_READ_SEARCH, 12 NET_ADMIN, 19 SYS_PTRACE, 21 SYS_ADMIN (another namespace is watched), 38 PERFMON, 39 BPF
allowed=$(((1 << 2) | (1 << 12) | (1 << 19) | (1 << 21) | (1 << 38) | (1 << 39)))
[ $((0x$(field CapEff) & ~allowed)) -eq 0 ] && [ $((0x$(field CapPrm) & ~allowed)) -eq 0 ] &&
	[ $((0x$(field CapInh))) -eq 0 ] && [ $((0x$(field CapAmb))) -eq 0 ]
verdict capabilities $? "$(grep Cap "/proc/$pid/status" | tr '\n' ' ')"
[ "$(field NoNewPrivs)" = 1 ] && [ "$(field Seccomp)" = 2 ]
verdict filtered $? "$(grep -E 'NoNew|Seccomp' "/proc/$pid/status" | tr '\n' ' ')"

# everything that is asked of it
"$agent" status --socket "$dir/s" >/dev/null && "$agent" status --socket "$dir/s" --json >/dev/null &&
	"$agent" tunnels --socket "$dir/s" >/dev/null && "$agent" record "$dir/second" --duration 1 --socket "$dir/s" >/dev/null 2>&1
verdict asked $? 'status, tunnels or record'
hooked() { "$agent" status --socket "$dir/s" --json | jq -e '.hooks[] | select(.interface == "v0" and .in != "none")'; }
gone() { ! hooked; }
ip -n $ns link add v0 type veth peer name v1 && ip -n $ns link set v0 up && until_ 20 hooked && ip -n $ns link del v0 && until_ 20 gone
verdict interfaces $? "$(tr '\n' '|' <"$dir/err")"
ip -n $ns xfrm policy add src 10.1.0.0/24 dst 10.2.0.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 1 mode tunnel
ip -n $ns xfrm policy flush
seen() { "$agent" status --socket "$dir/s" --json | jq -e '.events.flush >= 1'; }
until_ 20 seen
verdict netlink $? "$("$agent" status --socket "$dir/s" --json | jq -c .events)"
ip netns del $ns
until_ 20 grep -q 'its name is gone' "$dir/err"
ip netns add $ns
again() { "$agent" status --socket "$dir/s" --json | jq -e .attached; }
until_ 20 again
verdict namespace_again $? "$(tr '\n' '|' <"$dir/err")"
until_ 20 grep -q . "$dir/rec"
[ "$(denied)" -eq 0 ]
verdict nothing_refused $? "$(dmesg | grep -a type=1326 | tail -n 3)"
kill -TERM "$pid"
wait "$pid"
verdict stop $? "exit $?; $(tr '\n' '|' <"$dir/err")"
pid=''
until_ 10 grep -q '^STOPPING=1' "$dir/told"
verdict notify_stopping $? "$(tail -n 2 "$dir/told")"
exit $failed
