#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317,SC2086 # functions that a trap calls; names without blanks
# What cannot work says so in one line, exits with 1, and leaves nothing attached or pinned: a kernel without BTF, a
# full disk while recording, a damaged recording. And `decode` on what tcpdump itself wrote.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
agent=$(realpath "${O:-build}/ikewatch" 2>/dev/null) || agent=
ns=ikwref$$
failed=0
pid=
ok() { echo "ok refusals/$1"; }
# verdict NAME STATUS WHY: of the test just done
verdict() { if [ "$2" -eq 0 ]; then ok "$1"; else echo "FAIL refusals/$1: $3"; failed=1; fi; }
[ -n "$agent" ] || { echo 'FAIL refusals: build/ikewatch is missing'; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo 'skip refusals: needs root'; exit 0; }
ip netns add $ns 2>/dev/null || { echo 'skip refusals: network namespaces cannot be made here'; exit 0; }
dir=$(mktemp -d)
pins=/sys/fs/bpf/$ns

clean() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
	umount "$dir/small" 2>/dev/null
	ip netns del $ns 2>/dev/null
	rm -rf "$dir" "$pins"
}
trap clean EXIT
# shellcheck source=tests/host/until.sh
. tests/host/until.sh
# shellcheck source=tests/host/filters.sh
. tests/host/filters.sh
ip -n $ns link set lo up
ip -n $ns link add eth0 type veth peer name eth1 2>/dev/null && ip -n $ns link set eth0 up

nothing_left() {
	[ -z "$(filters $ns eth0)" ] &&
		! ip -n $ns -d link show dev eth0 2>/dev/null | grep -q 'prog/xdp' && [ ! -e "$pins/ikw_events" ]
}
# refused NAME PATTERN COMMAND...: exit 1, one line on stderr that says so, nothing left behind
refused() {
	local name=$1 pattern=$2 status lines
	shift 2
	timeout 60 "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	lines=$(wc -l <"$dir/err")
	[ $status -eq 1 ] && [ "$lines" -eq 1 ] && grep -q "^ikewatch: .*$pattern" "$dir/err"
	verdict "$name" $? "exit $status, $lines lines: $(head -c 400 "$dir/err" | tr '\n' '|')"
	until_ 20 nothing_left
	verdict "$name/nothing_left" $? "$(filters $ns eth0; ls "$pins" 2>/dev/null)"
}
run=("$agent" run --netns "$ns" --no-store --socket "$dir/s" --pin-dir "$pins")
# a mount namespace whose kernel shows no BTF
# shellcheck disable=SC2016 # the inner shell's
without_btf=(unshare --mount sh -c 'mount -t tmpfs none /sys/kernel/btf && exec "$@"' sh)

# ---- BTF
if [ -e /sys/kernel/btf/vmlinux ] && "${without_btf[@]}" true 2>/dev/null; then
	refused no_btf 'no BTF of the kernel' "${without_btf[@]}" "${run[@]}" --tier fentry
	# left to itself the agent works from netlink, and says so; check says it without libbpf's own words
	"${without_btf[@]}" "${run[@]}" 2>"$dir/err" >/dev/null &
	pid=$!
	until_ 60 grep -q '^ikewatch: ready$' "$dir/err"
	verdict no_btf/falls_back $? "$(tr '\n' '|' <"$dir/err")"
	[ "$(grep -c 'netlink instead of fentry: .*no BTF of the kernel' "$dir/err")" -eq 1 ] && [ "$(wc -l <"$dir/err")" -eq 2 ]
	verdict no_btf/says_so $? "$(tr '\n' '|' <"$dir/err")"
	kill "$pid"
	wait "$pid"
	pid=
	"${without_btf[@]}" "$agent" check >"$dir/out" 2>"$dir/err"
	[ ! -s "$dir/err" ] && grep -q '^BTF  *no  *no BTF of the kernel' "$dir/out"
	verdict no_btf/check $? "$(head -n 3 "$dir/err")"
else
	echo 'skip refusals/no_btf: this kernel has no BTF to hide, or mounts are not allowed'
fi
rm -rf "$pins"

# ---- full disk
mkdir "$dir/small"
events() { for i in $(seq "$1" "$2"); do echo "addr add 10.$((i / 62500)).$((i / 250 % 250)).$((i % 250 + 1))/32 dev lo"; done | ip -n $ns -batch -; }
if mount -t tmpfs -o size=64k none "$dir/small" 2>/dev/null; then
	"${run[@]}" --tier netlink 2>"$dir/agent" >/dev/null &
	pid=$!
	until_ 60 grep -q '^ikewatch: ready$' "$dir/agent"
	timeout 60 "$agent" record "$dir/small/r" --socket "$dir/s" >"$dir/out" 2>"$dir/err" &
	recorder=$!
	until_ 20 test -s "$dir/small/r"
	events 1 1500
	wait $recorder
	status=$?
	[ $status -eq 1 ] && [ "$(cat "$dir/err")" = "ikewatch: $dir/small/r: No space left on device" ]
	verdict full_disk/record $? "exit $status: $(cat "$dir/err")"
	"$agent" status --socket "$dir/s" >/dev/null 2>&1 && [ "$(wc -l <"$dir/agent")" -eq 1 ]
	verdict full_disk/agent_goes_on $? "$(tr '\n' '|' <"$dir/agent")"
	kill "$pid"
	wait "$pid"
	rm -f "$dir/small/r"
	# what the agent reads in at its start has to fit: an agent that cannot even record that does not start
	ip -n $ns -4 addr flush dev lo to 10.0.0.0/8
	# recorded by the agent itself: it says so once, goes on watching, and does not end as if all were well
	"${run[@]}" --tier netlink --record "$dir/small/r" 2>"$dir/agent" >/dev/null &
	pid=$!
	until_ 60 grep -q '^ikewatch: ready$' "$dir/agent"
	events 1501 3500
	until_ 20 grep -q 'small/r: No space left on device; the recording ends here' "$dir/agent" && kill -0 "$pid"
	verdict full_disk/run_record $? "$(tr '\n' '|' <"$dir/agent")"
	kill "$pid"
	wait "$pid"
	status=$?
	pid=
	[ $status -eq 1 ]
	verdict full_disk/exit $? "exit $status"
	# what fitted can be replayed up to where it ends, and its end is said
	timeout 60 "$agent" replay "$dir/small/r" >/dev/null 2>"$dir/err"
	status=$?
	[ $status -le 1 ] && [ "$(wc -l <"$dir/err")" -eq $status ]
	verdict full_disk/replay $? "exit $status: $(cat "$dir/err")"
	cp "$dir/small/r" "$dir/good"
	umount "$dir/small"
else
	echo 'skip refusals/full_disk: no tmpfs can be mounted here'
	"$agent" --version >"$dir/good"
fi
# what an agent that was stopped leaves for the next one
[ ! -e "$pins" ] || "$agent" detach --pin-dir "$pins"
refused full_device 'No space left on device' "${run[@]}" --tier netlink --record /dev/full

# ---- damaged recordings
{ head -n 1 tests/stories/rekey-v2.events; sed -n 3,9p tests/stories/rekey-v2.events; } >"$dir/good"
head -c -20 "$dir/good" >"$dir/cut"
refused recording/cut 'cut:[0-9]*: ' "$agent" replay "$dir/cut"
# noise whose first byte begins neither a comment nor an empty line, for those are passed over wherever they stand
{ printf '{'; head -c 700 /dev/urandom; } >"$dir/noise"
refused recording/noise 'noise:1: ' "$agent" replay "$dir/noise"
{ printf '# a comment\n\n'; cat "$dir/noise"; } >"$dir/late_noise"
refused recording/noise_behind_comment 'late_noise:3: ' "$agent" replay "$dir/late_noise"
: >"$dir/empty"
refused recording/empty 'empty:1: ' "$agent" replay "$dir/empty"
sed '4s/"type": "[a-z]*"/"type": "nonsense"/' "$dir/good" >"$dir/type"
refused recording/type 'type:4: ' "$agent" replay "$dir/type"
head -c 3000 /dev/zero >"$dir/zeros"
refused recording/zeros 'zeros:1: ' "$agent" replay "$dir/zeros"
refused recording/folder 'Is a directory' "$agent" replay "$dir"

# ---- captures as tcpdump writes them: Ethernet, cooked v1 and v2
send() {
	ip netns exec $ns python3 - <<'P'
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(bytes(range(8)) + bytes(8) + bytes([33, 0x20, 34, 8]) + struct.pack(">II", 0, 28), ("127.0.0.1", 500))
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, 50)
r.sendto(struct.pack(">II", 0xc2d37a2c, 7) + bytes(32), ("127.0.0.1", 0))
P
}
# captured NAME TCPDUMP-ARGUMENT...: both packets (the cooked ones see each twice), times with all digits
captured() {
	local name=$1 wrong
	shift
	ip netns exec $ns timeout 60 tcpdump -U -w "$dir/$name" "$@" 'udp port 500 or esp' 2>"$dir/tcpdump" &
	pid=$!
	until_ 20 grep -q 'listening on' "$dir/tcpdump" || { echo "skip refusals/decode/$name: $(tail -n 1 "$dir/tcpdump")"; return; }
	send
	has_both() { [ "$(tcpdump -r "$dir/$name" 2>/dev/null | grep -c 'isakmp\|ESP')" -ge 2 ]; }
	until_ 20 has_both
	kill "$pid"
	wait "$pid" 2>/dev/null
	pid=
	wrong=$("$agent" decode "$dir/$name" --json 2>"$dir/err" | jq -rs --arg digits "$digits" '
		(map(select(.proto == "ike")) | .[0]) as $ike | (map(select(.proto == "esp")) | .[0]) as $esp |
		if $ike.exchange_type != 34 or $ike.spi_i != "0001020304050607" or $ike.natt != false then "ike \($ike)"
		elif $esp.spi != "0xc2d37a2c" or $esp.seq != 7 then "esp \($esp)" else empty end')
	grep -Eq "\"time\": ?[0-9]{10}\.[0-9]{$digits}[,}]" <("$agent" decode "$dir/$name" --json) || wrong+=" time without its digits"
	[ -z "$wrong" ] && [ ! -s "$dir/err" ]
	verdict "decode/$name" $? "$wrong $(head -n 1 "$dir/err")"
}
if command -v tcpdump >/dev/null; then
	digits=6
	captured ethernet -i lo
	captured cooked2 -i any
	captured cooked1 -i any -y LINUX_SLL
	digits=9
	captured nanoseconds -i lo --time-stamp-precision=nano
else
	echo 'skip refusals/decode: tcpdump not found'
fi
exit $failed
