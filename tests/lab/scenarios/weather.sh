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
	variation loss-5-silence weather='loss 5%' what=silent dpd_a=2 rt='1 1.5 3' ike=aes256-sha512-modp2048
	variation loss-30-silence weather='loss 30%' what=silent dpd_a=2 rt='0.8 1.5 5' ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation loss-30-order weather='loss 30%' what=order rt='0.6 1.4 8'
	variation both-rekey what=both-rekey
	variation both-rekey-aead what=both-rekey ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 init=b
	variation clock-back what=silent clock=back dpd_a=2 ike=aes256gcm16-prfsha384-ecp256
	variation clock-step-order what=order clock=yes
	variation flapping-aead what=flap dpd_a=2 rt='1 1.5 3' ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation agent-in-the-middle what=silent dpd_a=5 rt='6 1.6 4' agent_own=yes later=yes
	variation agent-in-the-middle-aead what=silent dpd_a=5 rt='6 1.6 4' agent_own=yes later=yes ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation agent-in-the-middle-order what=silent-order rt='6 1.6 4' agent_own=yes later=yes
	variation agent-in-the-middle-rekey what=silent-rekey rekey_a=20 rt='6 1.6 4' agent_own=yes later=yes
	variation records-lost what=silent dpd_a=2 agent_own=yes lose=yes
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
	if [ -n "$(opt x lose)" ]; then
		echo 'ring-size = 1' >"$W/agent.conf"
		AGENT_ARGS="${AGENT_ARGS:-} --config $W/agent.conf"
	fi
	[ -n "$(opt x later)" ] || agent_start
	tunnels_up
	[ -n "$(opt x later)" ] || agent_ready
	[ -z "$(opt x weather)" ] || weather "$(opt x weather)"
}
clock_jumps() {
	[ -n "$(opt x clock)" ] || return 0
	note "the clock jumps ($(opt x clock))"
	# not far back: charon asks no peer whose last packet is in the future
	date -s "$([ "$(opt x clock)" = back ] && echo '-20 seconds' || echo '+1 hour')" >/dev/null
	# alarms are told apart by their time
	[ "$(opt x clock)" != back ] || now >"$W/begin"
}
# The agent is stopped while more SAs come than its records have room for; what is told after them is lost.
lose() {
	local n
	kill -STOP "$AGENT_PID"
	note 'the agent is stopped, and many SAs are made'
	for ((n = 0; n < 10000; n++)); do
		printf 'xfrm state add src 203.0.113.%d dst 203.0.113.200 proto esp spi 0x%x mode tunnel enc cipher_null "" auth digest_null ""\n' \
			$((n % 100 + 1)) $((n + 0x100000))
	done >"$W/many"
	ip -n gwa -force -batch "$W/many" >/dev/null 2>"$W/many.err" || :
	note "SAs of gwa: $(ip -n gwa -o xfrm state count 2>&1 | head -n 1)"
	wait_gone 120
	note 'the agent goes on'
	kill -CONT "$AGENT_PID"
	wait_for 60 'records were lost' records_lost
}
records_lost() { [ "$("$IKEWATCH" status --json --state-dir "$AGENT_DIR/state" | jq .lost)" -gt 0 ]; }
newer_sas() { [ "$(spis gwa | grep -vcxF -- "$OLD")" -ge 2 ]; }
# with a fifth of all packets lost one tunnel in 160 dies of that before the story takes its path
answered() { not_yet 'giving up after'; log_has a 'parsed INFORMATIONAL'; }
story() {
	case $(opt x what) in
	silent)
		wait_for 60 'a check was answered' answered
		path_down
		if [ -n "$(opt x later)" ]; then
			wait_log a 'retransmit 1 of|sending DPD request' 60
			agent_start
			agent_ready
		fi
		[ -z "$(opt x lose)" ] || lose
		clock_jumps ;;
	silent-order | silent-rekey)
		path_down
		if [ "$(opt x what)" = silent-order ]; then background person_waits person a swanctl --terminate --ike tun --timeout 90; fi
		wait_log a 'retransmit 1 of' 60
		agent_start
		agent_ready ;;
	both-rekey)
		order b --rekey --child c1 &
		order a --rekey --child c1 || :
		wait $! || : ;;
	order) clock_jumps; order a --terminate --ike tun --timeout 90 || : ;;
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
	# whichever won, one pair is left in the end
	if [ "$(opt x what)" = both-rekey ]; then wait_sas 2; sleep 3; wait_sas 2; fi
	fair
}
expect() {
	case $(opt x what) in
	silent | flap)
		if [ -n "$(opt x lose)" ]; then
			# the deletion itself was lost: a dump tells that the SAs are not there any more
			alarm reason='unknown|dpd timeout' peer="$(peer_of a)" inside=10.2.0.0 up=false
		elif [ -n "$(opt x later)" ]; then
			# what was sent before the agent came it cannot know; it must not guess
			alarm reason='dpd timeout|unknown' peer="$(peer_of a)" inside=10.2.0.0 up=false
		else
			alarm reason='dpd timeout' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered=none confidence=likely
		fi ;;
	order) alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered='^swanctl$' confidence=likely ;;
	peer) alarm reason='peer request' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered=none confidence=likely ;;
	rekey) alarm reason='phase2 sa replace' peer="$(peer_of a)" inside=10.2.0.0 up=true by='^charon' confidence=likely ;;
	# the order was given before the agent came; what it sees of it is a request that nobody answers
	silent-order) alarm reason='config modify or manual offline|unknown' maybe='dpd timeout' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ;;
	# an agent that comes after the last copy has seen nothing
	silent-rekey) alarm reason='exchange timeout|unknown' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ;;
	both-rekey)
		# one old pair, and as many redundant ones as the two rekeys made
		local n many
		many=$(agent_alarms | wc -l)
		for ((n = 0; n < (many > 0 ? many : 1); n++)); do
			alarm reason='phase2 sa replace' peer="$(peer_of a)" inside=10.2.0.0 up=true by='^charon' confidence=likely
		done ;;
	both) alarm reason='config modify or manual offline|peer request' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ;;
	esac
}
