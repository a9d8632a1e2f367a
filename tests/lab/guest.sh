#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Runs in the VM (started by tests/lab/run): takes variations from /out/queue one after the other, together with the
# other VMs, and leaves each one's result and artefacts in /out/NAME/.
#
# A scenario file has variations (calls of `variation NAME KEY=VALUE...`), story (what happens), expect (what alarms
# must come of it); optionally before (instead of the agent's start before the tunnel).
# shellcheck source=tests/lab/lib.sh
. /ikewatch/tests/lab/lib.sh
set -u

scenario_dir=/ikewatch/tests/lab/scenarios

# take NAME's parameters into P
# shellcheck disable=SC2317  # the scenario file calls variation
load_variation() {
	local file=${1%%/*} want=${1#*/}
	variation() {
		[ "$1" = "$want" ] || return 0
		shift
		local kv
		for kv; do P[${kv%%=*}]=${kv#*=}; done
		found=1
	}
	found=''
	before() { agent_start; tunnels_up; agent_ready; }
	# shellcheck disable=SC1090
	. "$scenario_dir/$file.sh"
	variations
	[ -n "$found" ] || fail "$1: no such variation"
}

run_story() {
	local name=$1
	trap clean_up EXIT
	load_variation "$name"
	[ -n "${NO_AGENT:-}" ] || [ -x "$IKEWATCH" ] || fail "no agent: $IKEWATCH"
	background tcpdump ip netns exec gwa tcpdump -i out -U -s 0 -w "$W/gwa.pcap" 'udp or esp'
	before
	BEGUN=1
	note 'the story begins'
	story
	expect
	judge
	note 'judged'
}

one() {
	local name=$1 begun=$SECONDS status=0 limit again=${2:-}
	export W=/tmp/lab/$name
	rm -rf "$W"
	mkdir -p "$W"
	note "$name"
	net_reset >"$W/net.log" 2>&1
	note 'the network is ready'
	# a variation that hangs must not take the others with it
	( run_story "$name" ) >"$W/shell.out" 2>&1 &
	local child=$!
	limit=$((SECONDS + 180))
	while alive "$child"; do
		if [ $SECONDS -ge $limit ]; then
			echo 'ended after 180 s' >"$W/why"
			kill "$child"
			break
		fi
		sleep 0.2
	done
	wait "$child" || status=$?
	if [ $status -eq 75 ] && [ -z "$again" ]; then
		echo "again $name: $(cat "$W/why" 2>/dev/null)"
		one "$name" again
		return
	fi
	local result=FAIL
	case $status in
	0) result=ok ;;
	77) result=skip ;;
	*) [ -s "$W/why" ] || tail -n 1 "$W/shell.out" >"$W/why" ;;
	esac
	note "over: $result"
	rm -rf "$W"/?/run "$W"/?/nss
	mkdir -p "/out/$name"
	cp -r "$W/." "/out/$name/" 2>/dev/null
	rm -rf "$W"
	printf '%s %s%s (%d s)\n' "$result" "$name" "$([ -s "/out/$name/why" ] && printf ': %s' "$(cat "/out/$name/why")")" \
		$((SECONDS - begun))
}

net_make
crypto_warm
while read -r name; do
	mkdir "/out/claims/${name//\//+}" 2>/dev/null || continue
	one "$name"
done </out/queue
