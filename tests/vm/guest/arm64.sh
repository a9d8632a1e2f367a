#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# In the arm64 VM, for tests/vm/arm64.sh.
agent=build/arm64/ikewatch failed=0
[ "$(uname -m)" = aarch64 ] || { echo "FAIL arm64/machine: $(uname -m)"; exit 1; }
check=$($agent check --json)
if [ "$(jq -r .can_run <<<"$check")" = true ]; then echo "ok arm64/check"; else echo "FAIL arm64/check: $check" | tr '\n' ' '; failed=1; fi
echo "tier by itself: $(jq -c '[.tier, .why, [.lost[].what]]' <<<"$check")"

ip link add eth7 type veth peer name eth8
ip link set eth7 up
ip link set eth8 up
ip addr add 192.0.2.1/24 dev eth7
sa() {
	ip xfrm state add src "$1" dst "$2" proto esp spi "$3" reqid 7 mode tunnel \
		aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128
}
# story TIER: found by the dump, flushed by hand; one alarm, with the process where the tier knows it
story() {
	local tier=$1 pid i alarms by
	if ! sa 192.0.2.9 192.0.2.1 0x1001 || ! sa 192.0.2.1 192.0.2.9 0x2001; then
		echo "FAIL arm64/story-$tier: no SA could be added"
		return 1
	fi
	$agent run --tier "$tier" --json --no-store </dev/null >/tmp/out 2>/tmp/err &
	pid=$!
	for ((i = 0; i < 6000; i++)); do
		grep -q '^ikewatch: ready' /tmp/err && break
		[ -d /proc/$pid ] || { echo "FAIL arm64/story-$tier: the agent ended: $(tr '\n' ' ' </tmp/err | head -c 400)"; ip xfrm state flush; return 1; }
		sleep 0.1
	done
	ip xfrm state flush
	for ((i = 0; i < 300; i++)); do [ -s /tmp/out ] && break; sleep 0.1; done
	kill -TERM $pid
	wait $pid
	alarms=$(wc -l </tmp/out)
	by=$(jq -r '.by.comm // "-"' /tmp/out)
	if [ "$alarms" = 1 ] && [ "$(jq -r .offline_reason /tmp/out)" = 'config modify or manual offline' ] &&
		{ [ "$by" = ip ] || [ "$tier" = netlink ]; }; then
		echo "ok arm64/story-$tier"
	else
		echo "FAIL arm64/story-$tier: $alarms alarms, by $by: $(head -c 400 /tmp/out) $(tr '\n' ' ' </tmp/err | head -c 300)"
		return 1
	fi
}
for tier in fentry kprobe netlink; do
	# trampolines for fentry came to arm64 with Linux 6.0 (calls) and 6.4 (ftrace direct calls)
	if [ $tier = fentry ] && [ "$(jq -r '.checks[] | select(.name == "fentry").can' <<<"$check")" = false ]; then
		echo "skip arm64/story-fentry: $(jq -r '.checks[] | select(.name == "fentry").why' <<<"$check")"
		continue
	fi
	story $tier || failed=1
done
exit $failed
