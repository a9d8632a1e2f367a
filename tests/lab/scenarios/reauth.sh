# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# A new IKE_SA takes the old one's place and the tunnel goes on in its CHILD_SA; a rekey of the IKE_SA alone deletes nothing.
variations() {
	variation break-local by=a
	variation break-local-timer by=timer reauth_a=9 ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd
	variation make-local core=yes by=a mbb=yes ike=aes256-sha384-ecp384
	variation make-local-two by=a mbb=yes children=2 ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305 init=b
	variation break-peer core=yes by=b init=b
	variation break-peer-aead by=b init=b ike=aes128gcm16-prfsha256-ecp256 esp=aes128gcm16 traffic=yes
	variation make-peer by=b mbb=yes ike=aes256-sha512-modp2048 init=b
	variation make-peer-ipv6 core=yes by=b mbb=yes family=6 init=b ike=aes256gcm16-prfsha384-ecp256
	variation break-peer-unique-marks by=b init=b unique_marks=yes
	variation make-peer-unique-marks by=b mbb=yes init=b unique_marks=yes
	variation make-local-unique-marks by=a mbb=yes unique_marks=yes
	variation break-local-unique-marks by=a unique_marks=yes
}
before() { unique_marks; agent_start; agent_ready; tunnels_up; }
story() {
	local side
	not_yet 'reauthenticating'
	[ -z "$(opt x traffic)" ] || traffic_start 1
	side=$(opt x by)
	[ "$side" = timer ] || order "$side" --rekey --ike tun --reauth
	wait_gone
	wait_sas $(($(opt x children 1) * 2))
	# the timer would do it again
	[ "$side" != timer ] || agent_settle
}
agent_settle() { wait_for 20 'the alarm has come' alarms_are 1; }
expect() {
	local n
	for ((n = 1; n <= $(opt x children 1); n++)); do
		alarm reason='phase1 sa replace' peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up=true by='^charon' confidence=likely version=2
	done
}
