# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W and OLD are those of lib.sh
# Tunnels that traffic brings up: gwa has policies that wait for it (start_action=trap; Libreswan: auto=ondemand, which
# whack --route does), and they stay when the SAs go. What ends the SAs is as plain as elsewhere, though the next ones may
# be asked for in the same moment, by the traffic that goes on, or that comes just then (traffic=late).
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256'
	local idle='inactivity = 9'
	# shellcheck disable=SC2086  # words
	{
		variation ordered how=order traffic=yes
		variation peer how=peer traffic=yes close_a=trap
		variation idle-then-traffic how=idle child_more_a="$idle" traffic=late
		variation idle-ike-then-traffic core=yes how=idle child_more_a="$idle" charon_more_a='inactivity_close_ike = yes' traffic=late
		variation idle-ike-then-traffic-aead how=idle child_more_a="$idle" charon_more_a='inactivity_close_ike = yes' traffic=late $gcm
		variation idle-ikev1-then-traffic how=idle child_more_a="$idle" version=1 traffic=late
		variation idle-two-of-three how=idle-others child_more_a="$idle" children=3
		variation peer-then-traffic how=peer traffic=late
		variation silent-comes-back how=silent-back dpd_a=2 dpd_action_a=trap traffic=yes
		variation reauth how=reauth traffic=yes
		variation reauth-timer-aead how=reauth-timer reauth_a=13 traffic=yes $gcm
		variation flush how=flush traffic=yes
		variation libreswan-silent-hold how=silent daemon_a=pluto dpd_a=2 dpd_action_a=hold traffic=yes
		variation libreswan-silent-restart how=silent daemon_a=pluto dpd_a=2 dpd_action_a=restart traffic=yes
		variation libreswan-peer how=peer daemon_a=pluto traffic=yes $gcm
	}
}
before() {
	local n
	P[start_a]=${P[start_a]:-trap}
	agent_start
	agent_ready
	gateway_start b
	gateway_start a
	gateway_load b
	gateway_load a
	if is_pluto a && [ -z "$(opt x auto)" ]; then
		note 'whack --route'
		whack a --name c1 --route >>"$W/a/whack.out" 2>&1 || :
	elif is_pluto a; then
		initiate a c1
	fi
	for ((n = 1; n <= $(opt x children 1); n++)); do
		wait_for 60 "traffic through tunnel $n" on hosta ping -q -c 1 -W 1 "10.$((n + 1)).0.2" >/dev/null
	done
	wait_sas $(($(opt x children 1) * 2))
	OLD=$(spis gwa)
	note "SAs on gwa: ${OLD//$'\n'/ }"
}
told() { note "whack $*"; whack a "$@" >>"$W/a/whack.out" 2>&1 || :; }
story() {
	[ "$(opt x traffic)" != yes ] || traffic_start 1 0.2
	sleep 4
	"story_$(opt x how)"
	sleep 2
	traffic_stop 1
}
# what comes as the SAs go
late() {
	[ "$(opt x traffic)" != late ] || traffic_start 1 0.2
	wait_gone
	[ "$(opt x traffic)" != late ] || wait_sas 2
}
story_order() {
	if is_pluto a; then told --name c1 --terminate; else order a --terminate --ike tun || : ; fi
	late
}
story_peer() { order b --terminate --ike tun || : ; late; }
story_idle() { wait_log a "seconds of (CHILD_SA )?inactivity" 60; late; }
story_idle-others() {
	traffic_start 2
	OLD=$(spis_to a 1)$'\n'$(spis_to a 3)
	wait_gone
	traffic_stop 2
}
story_silent() {
	if is_pluto a; then sleep 3; else wait_log a 'parsed INFORMATIONAL response' 30; fi
	path_down
	wait_gone
}
story_silent-back() {
	sleep 5 # under traffic nothing is checked
	path_down
	wait_gone
	path_up
	wait_for 60 'traffic again' on hosta ping -q -c 1 -W 1 10.2.0.2 >/dev/null
}
story_reauth() { order a --rekey --ike tun --reauth || : ; wait_gone; }
story_reauth-timer() { wait_gone; wait_for 20 'the alarm has come' alarms_are 1; }
story_flush() { note 'ip xfrm state flush'; ip -n gwa xfrm state flush; wait_gone; }
expect() {
	local reason up=any ordered=none by n
	by=$(daemon_comm)
	case $(opt x how) in
	order) reason='config modify or manual offline' ordered=$(end_comm) ;;
	peer) reason='peer request' ;;
	idle | idle-others) reason='idle timeout' ;;
	silent | silent-back) reason='dpd timeout' ;;
	reauth) reason='phase1 sa replace' ordered='^swanctl$' ;;
	reauth-timer) reason='phase1 sa replace' ;;
	flush) reason='config modify or manual offline' by='^ip$' ;;
	esac
	for ((n = 1; n <= $(opt x children 1); n++)); do
		[ "$(opt x how):$n" != idle-others:2 ] || continue
		alarm reason="$reason" peer=198.51.100.1 inside="10.$((n + 1)).0.0" up=$up by="$by" ordered="$ordered" confidence=likely version="$(opt a version 2)"
	done
}
