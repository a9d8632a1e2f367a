# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# IKE on ports of its own. An agent that was told of them (ike-ports) sees it as elsewhere. One that was not must not take
# what it did not see for what was not said.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	variation told-silent told=yes agent_own=yes how=silent dpd_a=2
	variation told-encap-silent told=yes agent_own=yes how=silent dpd_a=2 encap=yes
	# shellcheck disable=SC2086  # words
	variation told-peer told=yes agent_own=yes how=peer $gcm
	# shellcheck disable=SC2086  # words
	variation told-encap-peer told=yes agent_own=yes how=peer encap=yes $gcm
	variation told-encap-peer-v1 told=yes agent_own=yes how=peer encap=yes version=1
	variation told-encap-v6 told=yes agent_own=yes how=silent dpd_a=2 encap=yes family=6
	variation told-encap-order told=yes agent_own=yes how=order encap=yes
	variation told-encap-rekey told=yes agent_own=yes how=rekey encap=yes
	variation told-bare-silent told=yes agent_own=yes how=silent dpd_a=2 bare=yes
	variation untold-silent core=yes how=silent dpd_a=2
	variation untold-peer how=peer
	variation untold-order how=order
	variation untold-flush how=flush
	variation untold-rekey how=rekey
	variation untold-encap-silent core=yes how=silent dpd_a=2 encap=yes
	variation untold-encap-peer how=peer encap=yes
	variation untold-encap-order how=order encap=yes
	variation untold-encap-flush how=flush encap=yes
	variation untold-encap-rekey how=rekey encap=yes
	variation untold-encap-peer-v1 how=peer encap=yes version=1
	variation untold-bare-peer how=peer bare=yes
	variation untold-late-silent how=silent dpd_a=2 agent_own=late
	variation untold-late-order how=order agent_own=late
	variation untold-late-flush how=flush encap=yes agent_own=late
}
before() {
	P[charon_more]=$'port = 600\nport_nat_t = 14500'
	P[conn_more]=$'local_port = 600\nremote_port = 600'
	# the kernel takes ESP out of UDP on the port of NAT-T alone
	[ -z "$(opt x encap)" ] || P[conn_more]=$'encap = yes\nlocal_port = 14500\nremote_port = 14500'
	# strongSwan leaves the marker out where either end is 500
	if [ -n "$(opt x bare)" ]; then
		P[charon_more_b]=$'port = 500\nport_nat_t = 4500'
		P[conn_more]=$'local_port = 600\nremote_port = 500'
		P[conn_more_b]=$'local_port = 500\nremote_port = 600'
	fi
	if [ -n "$(opt x told)" ]; then
		echo 'ike-ports = { 600, 14500 }' >"$W/agent.conf"
		AGENT_ARGS="${AGENT_ARGS:-} --config $W/agent.conf"
	fi
	agent_start
	tunnels_up
	agent_ready
}
# who listens there is said once, and in status; not from inside a PID namespace
said() {
	local port=600
	[ -z "${NO_AGENT:-}" ] && ! contains agent || return 0
	[ -z "$(opt x encap)" ] || port=14500
	[ "$(grep -c "^ikewatch: charon (pid ${PID[gwa]}) listens on UDP port $port, which is not watched" "$AGENT_DIR/agent.err")" = 1 ] &&
		"$IKEWATCH" status --json --state-dir "$AGENT_DIR/state" |
			jq -e --argjson port $port --argjson pid "${PID[gwa]}" 'any(.unwatched_ports[]; .port == $port and .pid == $pid)' >/dev/null
}
story() {
	[ -n "$(opt x told)" ] || wait_for 30 'the agent says which port it does not watch' said
	sleep 3
	case $(opt x how) in
	silent) path_down ;;
	order) order a --terminate --ike tun || : ;;
	peer) order b --terminate --ike tun || : ;;
	rekey) order a --rekey --child c1 || : ;;
	flush)
		note 'ip xfrm state flush'
		ip -n gwa xfrm state flush ;;
	esac
	wait_gone
}
expect() {
	local reason up=false ordered=none by='^charon' confidence=likely
	case $(opt x how) in
	silent) reason='dpd timeout' ;;
	order) reason='config modify or manual offline' ordered='^swanctl$' ;;
	peer) reason='peer request' ;;
	rekey) reason='phase2 sa replace' up=true ordered='^swanctl$' ;;
	flush) reason='config modify or manual offline' by='^ip$' ;;
	esac
	# what passes by a port of the peer that is known is seen
	case $(opt x told)$(opt x bare):$(opt x how) in
	:silent | :peer) reason=unknown confidence=none ;;
	:rekey) confidence=possible ;;
	esac
	alarm reason="$reason" peer="$(peer_of a)" inside=10.2.0.0 up=$up by="$by" ordered="$ordered" confidence=$confidence
}
