# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The network namespace that the SAs belonged to goes away. (A device takes SAs with it only if it does ESP in
# hardware; no device of the VM does, and Debian's kernels come without netdevsim.)
variations() {
	variation namespace agent_own=yes hand=yes
	variation namespace-ipv6 agent_own=yes hand=yes family=6
	variation namespace-daemon-killed core=yes agent_own=yes ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
}
before() {
	agent_start
	if [ -n "$(opt x hand)" ]; then hand_made; else tunnels_up; fi
	agent_ready
}
story() {
	[ -n "$(opt x hand)" ] || end gwa KILL
	end tcpdump TERM
	[ -z "${NO_AGENT:-}" ] || end monitor
	note 'ip netns del gwa'
	ip netns del gwa
	wait_for 30 'the name is gone' test ! -e /run/netns/gwa
}
expect() {
	alarm reason='interface removed' peer="$(peer_of a)" inside=10.2.0.0 up=false confidence=likely
}
