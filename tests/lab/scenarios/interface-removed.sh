# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# What the SAs belonged to goes away: the network namespace, or the device that carried them.
variations() {
	variation namespace hand=yes
	variation namespace-ipv6 hand=yes family=6
	variation namespace-daemon-killed ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation offload-device hand=yes device=yes
}
before() {
	if [ -n "$(opt x device)" ]; then offload_device; fi
	agent_start
	if [ -n "$(opt x hand)" ]; then hand_made; else tunnels_up; fi
	agent_ready
}
# netdevsim claims to do ESP itself; its SAs go when it goes
offload_device() {
	modprobe netdevsim 2>/dev/null || skip 'no netdevsim in this kernel'
	echo '9 1' >/sys/bus/netdevsim/new_device
	local name
	wait_for 10 'the simulated device' test -e /sys/bus/netdevsim/devices/netdevsim9/net
	name=$(ls /sys/bus/netdevsim/devices/netdevsim9/net)
	ip link set "$name" netns gwa name off0 || skip 'the simulated device does not move to a namespace'
	ip -n gwa link set off0 up
	P[hand_in]='offload dev off0 dir in' P[hand_out]='offload dev off0 dir out'
}
story() {
	if [ -n "$(opt x device)" ]; then
		note 'the device is removed'
		echo 9 >/sys/bus/netdevsim/del_device
		wait_gone
		return
	fi
	[ -n "$(opt x hand)" ] || end gwa KILL
	end tcpdump TERM
	note 'ip netns del gwa'
	ip netns del gwa
	wait_for 30 'the name is gone' test ! -e /run/netns/gwa
}
expect() {
	alarm reason='interface removed' peer="$(peer_of a)" inside=10.2.0.0 up=false confidence=likely
}
