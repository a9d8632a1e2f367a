# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The network namespace that the SAs belonged to goes away. (A device takes SAs with it only if it does ESP in
# hardware; no device of the VM does, and Debian's kernels come without netdevsim.)
variations() {
	variation namespace agent_own=yes hand=yes
	variation namespace-ipv6 agent_own=yes hand=yes family=6
	variation namespace-daemon-killed core=yes agent_own=yes ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation namespace-client agent_own=yes hand=client
}
before() {
	agent_start
	case $(opt x hand) in
	client) agent_ready; client_start ;;
	?*) hand_made ;;
	*) tunnels_up ;;
	esac
	agent_ready
}
story() {
	# who is in it would keep it
	[ -n "$(opt x hand)" ] || end gwa KILL
	end client KILL
	end tcpdump TERM
	[ -z "${NO_AGENT:-}" ] || end monitor
	note 'ip netns del gwa'
	ip netns del gwa
	wait_for 30 'the name is gone' test ! -e /run/netns/gwa
}
expect() {
	alarm reason='interface removed' peer="$(peer_of a)" inside=10.2.0.0 up=false confidence=likely
}
