# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The stories of every day while the path is bad: packets lost at random, late, out of order and twice; a link that
# flaps; both ends deleting at once; a clock that jumps; an agent that comes in the middle.
variations() {
	local lossy='loss 20%' mixed='delay 30ms 20ms reorder 30% 50% duplicate 20%'
	variation loss-silence weather="$lossy" what=silent dpd_a=2 rt='1 1.5 4'
	variation loss-order weather="$lossy" what=order rt='0.7 1.5 6'
	variation loss-peer weather="$lossy" what=peer rt='0.7 1.5 6' ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation loss-rekey weather="$lossy" what=rekey rt='0.7 1.5 6' daemon_a=charon-systemd
	variation mixed-silence weather="$mixed" what=silent dpd_a=2 version=1 dpd_timeout_a=8
	variation mixed-order weather="$mixed" what=order rt='0.7 1.5 4' ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305
	variation mixed-rekey weather="$mixed" what=rekey rt='0.7 1.5 4'
	variation both-delete what=both
	variation flapping what=flap dpd_a=2 rt='1 1.5 3'
	variation clock-step what=silent clock=yes dpd_a=2
	variation agent-in-the-middle what=silent dpd_a=5 rt='6 1.6 4' agent_own=yes later=yes
}
weather() {
	modprobe -q sch_netem || skip 'this kernel has no netem'
	local dev
	for dev in ra rb; do
		# shellcheck disable=SC2086  # words of netem
		on router tc qdisc replace dev $dev root netem $1 || fail 'tc: netem refused'
	done
	note "weather: $1"
}
fair() {
	on router tc qdisc del dev ra root 2>/dev/null
	on router tc qdisc del dev rb root 2>/dev/null
	return 0
}
before() {
	fair
	[ -n "$(opt x later)" ] || agent_start
	tunnels_up
	[ -n "$(opt x later)" ] || agent_ready
	[ -z "$(opt x weather)" ] || weather "$(opt x weather)"
}
newer_sas() { [ "$(spis gwa | grep -vcxF -- "$OLD")" -ge 2 ]; }
story() {
	case $(opt x what) in
	silent)
		wait_log a 'parsed INFORMATIONAL' 60
		path_down
		if [ -n "$(opt x later)" ]; then
			wait_log a 'retransmit 1 of|sending DPD request' 60
			agent_start
			agent_ready
		fi
		[ -z "$(opt x clock)" ] || { note 'the clock jumps'; date -s '+1 hour' >/dev/null; } ;;
	order) order a --terminate --ike tun --timeout 90 || : ;;
	peer) order b --terminate --ike tun --timeout 90 || : ;;
	rekey) order a --rekey --child c1; wait_for 60 'newer SAs' newer_sas ;;
	both)
		order b --terminate --ike tun --timeout 30 &
		order a --terminate --ike tun --timeout 30 || :
		wait $! || : ;;
	flap)
		local i
		for i in 1 2 3; do
			path_down
			sleep 1.5
			path_up
			sleep 2
		done
		path_down ;;
	esac
	wait_gone 150
	if [ "$(opt x what)" = rekey ]; then wait_sas 2; fi
	fair
}
expect() {
	case $(opt x what) in
	silent | flap)
		if [ -n "$(opt x later)" ]; then
			# what was sent before the agent came it cannot know; it must not guess
			alarm reason='dpd timeout|unknown' peer="$(peer_of a)" inside=10.2.0.0 up=false
		else
			alarm reason='dpd timeout' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered=none confidence=likely
		fi ;;
	order) alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered='^swanctl$' confidence=likely ;;
	peer) alarm reason='peer request' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered=none confidence=likely ;;
	rekey) alarm reason='phase2 sa replace' peer="$(peer_of a)" inside=10.2.0.0 up=true by='^charon' confidence=likely ;;
	both) alarm reason='config modify or manual offline|peer request' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ;;
	esac
}
