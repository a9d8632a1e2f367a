# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# An SA reaches the hard limit that the kernel keeps: time, bytes or packets.
variations() {
	variation time life_a=9 life_b=60 limit=time
	variation time-two children=2 life_a=10 life_b=60 limit=time ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd init=b
	variation bytes core=yes life_bytes_a=4000 limit=byte traffic=yes
	variation packets life_packets_a=25 limit=packet traffic=yes ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305
	variation ikev1-time version=1 life_a=9 life_b=60 limit=time
	variation no-daemon-time core=yes hand=yes hand_limit='limit time-hard 6' limit=time
	variation no-daemon-packets hand=yes hand_limit='limit packet-hard 20' limit=packet traffic=yes family=6
	variation no-daemon-bytes hand=yes hand_limit='limit byte-hard 2000' limit=byte traffic=yes
}
before() {
	if [ -n "$(opt x hand)" ]; then
		agent_start
		agent_ready
		hand_made
	else
		agent_start
		agent_ready
		tunnels_up
	fi
}
first_gone() { [ "$(spis gwa | grep -cxF -- "$OLD")" -lt "$(wc -l <<<"$OLD")" ]; }
story() {
	not_yet 'closing expired'
	[ -z "$(opt x traffic)" ] || traffic_start 1 0.2
	wait_for 90 'one of the SAs has gone' first_gone
	traffic_stop 1
	[ -n "$(opt x hand)" ] || wait_gone 60
}
expect() {
	local n
	for ((n = 1; n <= $(opt x children 1); n++)); do
		alarm reason='phase2 hard expiry' peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up=any by=none confidence=certain detail="$(opt x limit)"
	done
}
