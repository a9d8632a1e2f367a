# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwb loses its state and comes back, at the same or at another address: gwa drops the old SAs for the new (INITIAL_CONTACT).
variations() {
	variation restart remote_addrs_a=%any unique_a=replace init=b
	variation restart-aead core=yes remote_addrs_a=%any unique_a=replace init=b ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd
	variation other-address core=yes remote_addrs_a=%any unique_a=replace init=b move=198.51.100.2
	variation other-address-chacha remote_addrs_a=%any unique_a=replace init=b move=198.51.100.2 ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305
	variation restart-unique-marks remote_addrs_a=%any unique_a=replace init=b unique_marks=yes
	variation other-address-unsaid remote_addrs_a=%any unique_a=replace init=b move=198.51.100.2 unique_b=never
	variation other-address-unique-marks core=yes remote_addrs_a=%any unique_a=replace init=b move=198.51.100.2 unique_marks=yes
}
before() { unique_marks; agent_start; tunnels_up; agent_ready; }
story() {
	peer_again
	wait_gone
	wait_sas 2
}
expect() {
	local up=true
	# with other marks it may be another tunnel: that is not said to be up
	[ -z "$(opt x unique_marks)" ] || [ -z "$(opt x move)" ] || up=false
	alarm reason='kick old sa with same flow' peer="$(peer_of a)" inside=10.2.0.0 up=$up by='^charon' confidence=likely version=2
}
