# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# No traffic for the configured time: strongSwan closes the CHILD_SA, or the IKE_SA with its last one. Beside that an
# operator takes an idle tunnel down. (Neither Libreswan nor OpenIKED has such a limit.)
variations() {
	variation child child_more_a='inactivity = 9'
	variation child-aead child_more_a='inactivity = 8' ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd init=b
	variation with-ike child_more_a='inactivity = 9' charon_more_a='inactivity_close_ike = yes' ike=aes256-sha384-ecp384
	variation ikev1 core=yes version=1 child_more_a='inactivity = 9'
	variation ordered core=yes child_more_a='inactivity = 40' order=yes
}
before() { agent_start; agent_ready; tunnels_up; }
story() {
	if [ -n "$(opt x order)" ]; then sleep 12; person a swanctl --terminate --ike tun --timeout 20; fi
	wait_gone 90
}
expect() {
	if [ -n "$(opt x order)" ]; then
		alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered='^swanctl$' confidence=likely
	else
		# with CBC it is the daemon's look at the use times that tells, which netlink does not
		alarm reason='idle timeout' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered=none version="$(opt a version 2)" \
			netlink='idle timeout|unknown'
	fi
}
