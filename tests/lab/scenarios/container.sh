# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W, PID and OLD are those of lib.sh
# gwa's daemon is the child of a container's first process, in namespaces of its own, and the agent looks on from outside.
# The container is stopped (SIGTERM to the first process, which hands it on or does not, SIGKILL two seconds later), its
# network namespace is removed before, after or not at all, and another one by the same name takes its place. A name that
# is removed while a process lives in the namespace leaves all in it where it was; but the agent lets go of it.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	# shellcheck disable=SC2086  # words
	{
		variation stop how=stop first=hands-on
		variation stop-removed how=stop first=hands-on next=remove $gcm
		variation stop-deaf how=stop first=deaf next=remove
		variation stop-deaf-flushed how=stop first=deaf next=flush $gcm
		variation stop-dead-path how=stop first=hands-on next=remove path=down
		variation stop-silence how=stop first=hands-on path=down dpd_a=2 rt_a='2 1.6 4'
		variation restart how=stop first=hands-on next=anew last=peer
		variation removed-peer how=remove next=peer
		variation removed-stopped how=remove next=stopped $gcm
		variation removed-anew how=remove next=anew last=peer
	}
}
first_process() {
	cat >"$W/first" <<-'SCRIPT'
		#!/bin/bash
		# a container's first process: $1 says what it does when it is told to end
		how=$1
		shift
		"$@" &
		child=$!
		stop() {
			if [ "$how" = hands-on ]; then kill -TERM $child; fi
			for ((i = 0; i < 20; i++)); do
				kill -0 $child 2>/dev/null || exit 0
				sleep 0.1
			done
			kill -KILL $child
			exit 137
		}
		trap stop TERM
		while kill -0 $child 2>/dev/null; do wait $child; done
	SCRIPT
	chmod +x "$W/first"
}
before() {
	P[agent_own]=yes
	P[pid_ns]=daemons
	first_process
	# that of lib.sh, with the first process before the daemon
	eval "$(declare -f charon_start | sed "s|exec '\$binary'|exec \$W/first \$(opt \$side first hands-on) '\$binary'|")"
	agent_start
	agent_ready
	tunnels_up
}
name_goes() {
	end tcpdump TERM
	note 'ip netns del gwa'
	ip netns del gwa
	wait_for 30 'the name is gone' test ! -e /run/netns/gwa
}
the_alarm() { wait_for 60 "$1 alarms" alarms_are "$1"; }
again() {
	wait_for 30 'the namespace is watched again' grep -q 'watched again' "$AGENT_DIR/agent.err"
	sleep 2
	rm -rf "$W/a/run"
	gateway_start a
	gateway_load a
	initiate a c1
	wait_sas 2
	sleep 3
}
anew() {
	ip -n router link del ra 2>/dev/null || :
	ip -n hosta link del eth0 2>/dev/null || :
	net_make >>"$W/net.log" 2>&1
	link_again >>"$W/net.log" 2>&1
	again
}
ends_as() {
	case $1 in
	peer) order b --terminate --ike tun || : ;;
	ordered) order a --terminate --ike tun --timeout 20 || : ;;
	silent) path_down ;;
	rekey) order a --rekey --child c1 || : ;;
	stopped) note 'SIGTERM to the first process'; kill -TERM "${PID[gwa]}" ;;
	killed) note 'SIGKILL to the first process'; kill -KILL "${PID[gwa]}" ;;
	esac
}
story() {
	sleep 2
	if [ "$(opt x how)" = remove ]; then
		name_goes
		sleep 2
		[ "$(agent_alarms | wc -l)" = 0 ] || fail "an alarm though no SA went: $(agent_alarms | jq -c .offline_reason)"
		if [ "$(opt x next)" = anew ]; then
			anew
			ends_as "$(opt x last)"
			the_alarm 2
		else
			ends_as "$(opt x next)"
			the_alarm 1
		fi
		sleep 3
		return
	fi
	[ -z "$(opt x path)" ] || { path_down; sleep 3; }
	note 'the container is stopped'
	end gwa TERM 30
	case $(opt x next) in
	remove) name_goes ;;
	anew) name_goes; the_alarm 1; sleep 2; end gwb TERM 10; ip -n gwb xfrm state flush; rm -rf "$W/b/run"; gateway_start b; gateway_load b; anew ;;
	here) the_alarm 1; rm -rf "$W/a/run"; gateway_start a; gateway_load a; initiate a c1; wait_sas 2; sleep 3 ;;
	flush)
		sleep 3
		[ "$(sas gwa)" = 2 ] || fail 'the SAs did not stay'
		ip -n gwa xfrm state flush ;;
	esac
	the_alarm 1
	if [ -n "$(opt x last)" ]; then
		ends_as "$(opt x last)"
		the_alarm 2
	fi
	sleep 3
}
expect() {
	local gone='interface removed' manual='config modify or manual offline' confidence=likely
	case $(opt x how):$(opt x first):$(opt x next) in
	stop:hands-on:* | remove::stopped) alarm reason="$manual" peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' confidence=likely ;;
	stop:deaf:flush) alarm reason="$manual" peer=198.51.100.1 inside=10.2.0.0 up=false by='^ip$' confidence=certain ;;
	stop:deaf:* | remove::killed) alarm reason="$gone" peer=198.51.100.1 inside=10.2.0.0 up=false confidence=likely ;;
	# of what the wire would tell nothing is seen any more: not to be known, but not to be mistaken either
	remove::peer) alarm reason='peer request|unknown' peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' ordered=none ;;
	remove::silent) alarm reason='dpd timeout|unknown' peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' ordered=none ;;
	remove::ordered) alarm reason="$manual" peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' ordered='^swanctl$' confidence=possible ;;
	remove::rekey) alarm reason='phase2 sa replace' peer=198.51.100.1 inside=10.2.0.0 up=true by='^charon' confidence=likely ;;
	remove::anew) alarm reason="$gone|unknown" peer=198.51.100.1 inside=10.2.0.0 up=any ;;
	esac
	case $(opt x last) in
	peer) alarm reason='peer request' peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' confidence=likely ;;
	silent) alarm reason='dpd timeout' peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' confidence=likely ;;
	ordered) alarm reason="$manual" peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' ordered='^swanctl$' confidence=likely ;;
	esac
}
