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
	[ -z "${SHAKE:-}" ] || shake "$1"
	# whose agent comes in a moment of its own, keeps that
	[ -n "${P[agent_own]:-}" ] || [ -z "${LATE:-}" ] || P[agent_own]=late
}

# draw WORD...: one of them, by the seed and the variation's name; in DRAWN
draw() {
	draws=$((draws + 1))
	read -r DRAWS _ < <(cksum <<<"$SHAKE $shaken $draws")
	DRAWN=${*:DRAWS % $# + 1:1}
}

# shake NAME: what an operator might have set otherwise, both ends alike; what the variation sets for one end stays
shake() {
	local shaken=$1 draws=0 version daemons ike esp
	version=$(opt a version 2)
	daemons="$(opt a daemon charon) $(opt b daemon charon)"
	if [ -z "${P[ike_a]:-}${P[ike_b]:-}${P[pluto_ike_a]:-}${P[pluto_ike]:-}${P[esp_delete]:-}" ] && [[ $daemons != *iked* && $daemons != *peer* ]]; then
		# as strongSwan writes it, and as Libreswan does
		ike=(aes128-sha256-ecp256/aes128-sha2_256-ecp_256 aes256-sha384-modp2048/aes256-sha2_384-modp2048
			aes192-sha512-modp3072/aes192-sha2_512-modp3072 aes256-sha1-modp2048/aes256-sha1-modp2048 3des-sha1-modp2048/3des-sha1-modp2048)
		[[ $version = 1 || $daemons = *pluto* ]] || ike+=(aes128gcm16-prfsha256-ecp256 aes256gcm8-prfsha512-ecp521
			chacha20poly1305-prfsha384-curve25519 camellia128-sha256-ecp256)
		draw "${ike[@]}"
		P[ike]=${DRAWN%/*} P[pluto_ike]=${DRAWN#*/}
	fi
	if [ -z "${P[esp_a]:-}${P[esp_b]:-}" ] && [[ $daemons != *pluto* && $daemons != *iked* && $daemons != *peer* ]]; then
		esp=(aes128-sha256 aes256-sha512 aes128-sha1 3des-sha1 aes128gcm16 aes256gcm16)
		[ "$version" = 1 ] || esp+=(chacha20poly1305) # has no number in IKEv1
		draw "${esp[@]}"
		P[esp]=$DRAWN
	fi
	# where the agent comes in the middle of a silence, that has to last
	if [ -z "${P[rt_a]:-}${P[rt_b]:-}${P[later]:-}" ]; then
		draw '0.5 2 2' '0.9 1.2 3' '0.7 1.8 2' '1.1 1 3' '0.4 1.5 4'
		P[rt]=$DRAWN
	fi
	if [ "$version" = 2 ] && [ -n "${P[dpd_a]:-}" ] && [ "${P[dpd_a]}" -le 5 ]; then
		draw 1 2 3 4
		P[dpd_a]=$DRAWN
	fi
	case ${shaken%%/*} in
	dpd-timeout | exchange-timeout | local-terminate | peer-terminate | child-rekey | hard-expiry | reload)
		[ -n "${P[init]:-}" ] || { draw a b; P[init]=$DRAWN; } ;;
	esac
	note "shaken: ike=${P[ike]:-} esp=${P[esp]:-} rt=${P[rt]:-} dpd_a=${P[dpd_a]:-} init=${P[init]:-}"
}

run_story() {
	local name=$1
	trap clean_up EXIT
	load_variation "$name"
	[ -n "${NO_AGENT:-}" ] || [ -x "$IKEWATCH" ] || fail "no agent: $IKEWATCH"
	if [ -n "$(opt x agent_own)" ]; then
		agent_end || fail 'the agent did not stop within 30 s'
	else
		# a story whose agent is still coming up is another one: --late, and those of `found`
		agent_says_ready || wait_for 240 'the agent is ready' agent_says_ready
	fi
	background tcpdump ip netns exec gwa tcpdump -i out -U -s 0 -w "$W/gwa.pcap" 'udp or esp'
	before
	BEGUN=1
	note 'the story begins'
	story
	# what dies later is not of this story; only a namespace's SAs die after its name, and its agent is stopped anyway
	[ "$(opt x agent_own)" = yes ] || now >"$W/end"
	expect
	await_alarms
	note 'the story is over'
}

# one NAME: runs it; what is left to do is to judge, when late alarms have had their time
one() {
	local name=$1 again=${2:-} status=0 limit
	W=/tmp/lab/$name
	rm -rf "$W"
	mkdir -p "$W"
	note "$name"
	net_reset >"$W/net.log" 2>&1
	agent_shared
	echo "$AGENT_DIR" >"$W/agent_dir"
	story_begins
	( run_story "$name" ) >"$W/shell.out" 2>&1 &
	local child=$!
	# a variation that hangs must not take the others with it
	uptime_s
	limit=$((UPTIME + ${STORY_LIMIT:-420}))
	while alive "$child"; do
		uptime_s
		if [ "$UPTIME" -ge $limit ]; then
			echo "ended after ${STORY_LIMIT:-420} s" >"$W/why"
			kill "$child"
			break
		fi
		nap 0.2
	done
	wait "$child" || status=$?
	if [ $status -eq 75 ] && [ -z "$again" ]; then
		echo "again $name: $(cat "$W/why" 2>/dev/null)"
		one "$name" again
		return
	fi
	[ -e "$W/end" ] || now >"$W/end"
	echo $status >"$W/status"
}

# finish NAME: its verdict, printed, and its artefacts
finish() {
	local name=$1 result=FAIL status
	W=/tmp/lab/$name
	status=$(cat "$W/status")
	local AGENT_DIR
	AGENT_DIR=$(cat "$W/agent_dir")
	[ ! -e "$W/agent.err" ] || AGENT_DIR=$W
	if [ "$status" -eq 0 ] && [ -z "${NO_AGENT:-}" ]; then
		judge | tr '\n' ';' | head -c 700 >"$W/why"
		[ ! -s "$W/why" ] || status=1
	fi
	case $status in
	0) result=ok ;;
	77) result=skip ;;
	*) [ -s "$W/why" ] || tail -n 1 "$W/shell.out" >"$W/why" ;;
	esac
	printf '%s %s%s\n' "$result" "$name" "$([ -s "$W/why" ] && printf ': %s' "$(cat "$W/why")")"
	rm -rf "$W"/?/run "$W"/?/nss "$W/state"
	mkdir -p "/out/$name"
	cp -r "$W/." "/out/$name/" 2>/dev/null
	cp "$AGENT_DIR/agent.err" "/out/$name/" 2>/dev/null || :
	rm -rf "$W"
}

net_make
agent_shared
crypto_warm
pending='' turn=0 judging='' judging_name=''
judged() { [ -z "$judging" ] || wait "$judging" || :; judging=''; }
while read -r name; do
	# by its place, for a name may stand there more than once (--repeat)
	turn=$((turn + 1))
	mkdir "/out/claims/$turn" 2>/dev/null || continue
	# the same one again (--repeat): its files are about to be made anew
	[ "$judging_name" != "$name" ] || judged
	if [ "$pending" = "$name" ]; then
		judged
		finish "$pending"
		pending=''
	fi
	one "$name"
	# a case closes within two seconds or so: the one before this has surely had its time. Beside the next one
	if [ -n "$pending" ]; then
		judged
		finish "$pending" &
		judging=$!
		judging_name=$pending
	fi
	pending=$name
done </out/queue
judged
W=/tmp
if [ -n "$AGENT_PID" ] && alive "$AGENT_PID"; then agent_end || echo "FAIL agent: it did not stop within 30 s"; fi
[ -z "$pending" ] || finish "$pending"
