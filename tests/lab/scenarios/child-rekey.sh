# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# A CHILD_SA is rekeyed and the tunnel goes on.
variations() {
	variation local by=a
	variation local-default-delay by=a delete_rekeyed_delay_a=5 ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16-ecp256 init=b traffic=yes
	variation local-timer by=timer rekey_a=9 daemon_a=charon-systemd ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305
	variation local-two by=a children=2 ike=aes256-sha512-modp2048
	variation peer core=yes by=b dpd_a=2
	variation peer-natt core=yes by=b nat_a=yes ike=aes128gcm16-prfsha256-ecp256 esp=aes128gcm16 init=b delete_rekeyed_delay=2 traffic=yes
	variation local-unique-marks by=a unique_marks=yes
	variation ikev1-local core=yes version=1 by=a rekey_a=0 life_a=14
	variation ikev1-peer version=1 by=b ike=aes256-sha384-modp2048 life_a=12 life_b=20 init=b
}
before() { unique_marks; agent_start; agent_ready; tunnels_up; }
story() {
	local side
	not_yet 'creating rekey job'
	[ -z "$(opt x traffic)" ] || traffic_start 1
	OLD=$(spis_to a 1)
	side=$(opt x by)
	[ "$side" = timer ] || order "$side" --rekey --child c1
	wait_for 60 'new SAs' newer_sas
	# the old outbound SA is what begins the deletion; IKEv1 leaves the old inbound one to its lifetime
	wait_gone
	wait_sas $(($(opt x children 1) * 2))
}
newer_sas() { [ "$(spis_to a 1 | grep -vcxF -- "$OLD")" -ge 2 ]; }
expect() {
	local n many=1
	# the timer does it again, and each time is one alarm
	[ "$(opt x by)" != timer ] || many=$(agent_alarms | wc -l)
	for ((n = 0; n < (many > 0 ? many : 1); n++)); do
		alarm reason='phase2 sa replace' peer="$(peer_of a)" inside=10.2.0.0 up=true by='^charon|none' confidence=likely version="$(opt a version 2)"
	done
}
