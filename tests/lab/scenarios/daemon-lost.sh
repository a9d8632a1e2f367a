# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W and OLD are those of lib.sh
# The IKE daemon is killed and leaves its SAs in the kernel: no alarm, the agent says so and names the tunnel. What
# becomes of those SAs later is told as what it is.
variations() {
	variation flushed later=flush
	variation expired later=expire life_a=40
	variation restarted-then-flushed later=restart
	variation libreswan-flushed daemon_a=pluto later=flush
	variation libreswan-restarted daemon_a=pluto later=restart
	variation openiked-flushed daemon_a=iked later=flush
}
lost_said() { grep -q 'daemon lost' "$AGENT_DIR/agent.err"; }
before() {
	# the agent's word is looked for in its own file
	P[agent_own]=yes
	agent_start
	agent_ready
	tunnels_up
}
story() {
	note 'the IKE daemon is killed'
	case $(opt a daemon charon) in
	# the parent last: the others, when it ends before them, delete the SAs
	iked) pgrep -x iked | tac | xargs kill -KILL ;;
	*) kill -KILL "$(pgrep -P "${PID[gwa]}" . || echo "${PID[gwa]}")" ;;
	esac
	wait_for 30 'the agent says that the daemon is lost' lost_said
	[ "$(sas gwa)" = 2 ] || fail 'the SAs did not stay'
	[ "$(agent_alarms | wc -l)" = 0 ] || fail "an alarm for SAs that stay: $(agent_alarms | jq -c .offline_reason)"
	case $(opt x later) in
	restart)
		rm -rf "$W/a/run"
		gateway_start a
		gateway_load a
		sleep 3
		ip -n gwa xfrm state flush ;;
	flush) sleep 3; ip -n gwa xfrm state flush ;;
	esac
	wait_gone 90
}
expect() {
	case $(opt x later) in
	expire) alarm reason='phase2 hard expiry' peer="$(peer_of a)" inside=10.2.0.0 up=false by=none confidence=certain ;;
	*) alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^ip$' confidence=certain ;;
	esac
}
