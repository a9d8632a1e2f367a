# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The two ends disagree about perfect forward secrecy, which shows at the first rekey only: the key exchange of the first
# CHILD_SA is that of the IKE_SA (RFC 7296, 1.2). Each rekey is refused, and the SA lives to its end.
variations() {
	local cbc='esp_a=aes128-sha256-ecp256 esp_b=aes128-sha256' gcm='ike=aes256gcm16-prfsha384-ecp256 esp_a=aes256gcm16-ecp256 esp_b=aes256gcm16'
	# shellcheck disable=SC2086  # words
	{
		variation ours by=a $cbc rekey_a=6 life_a=26
		variation ours-aead by=a $gcm rekey_a=5 life_a=24 init=b
		variation ours-traffic by=a $cbc rekey_a=6 life_a=26 traffic=yes
		variation ours-ordered by=a $cbc order=yes life_a=40
		variation ours-then-silent core=yes by=a $cbc rekey_a=6 life_a=300 silent=yes dpd_a=2
		variation ours-then-peer by=a $gcm rekey_a=6 life_a=300 peer=yes
		variation theirs by=b esp_b=aes128-sha256-ecp256 esp_a=aes128-sha256 rekey_b=6 life_b=26
		variation theirs-aead by=b ike=aes256gcm16-prfsha384-ecp256 esp_b=aes256gcm16-ecp256 esp_a=aes256gcm16 rekey_b=5 life_b=24
		variation ours-libreswan by=a daemon_a=pluto esp_b=aes128-sha256 pluto_pfs=yes pluto_esp=aes128-sha2_256-ecp_256 pluto_life=24s pluto_margin=12s
		variation theirs-libreswan by=b daemon_b=pluto esp_a=aes128-sha256 pluto_pfs=yes pluto_esp=aes128-sha2_256-ecp_256 pluto_life=24s pluto_margin=12s
	}
}
before() { agent_start; agent_ready; tunnels_up; }
refused() { log_has "$1" 'NO_PROP|no acceptable proposal|N\(INVAL_KE\)|N\(NO_PROP\)'; }
story() {
	[ -z "$(opt x traffic)" ] || traffic_start 1
	[ -z "$(opt x order)" ] || { sleep 3; order a --rekey --child c1 || :; }
	if ! is_pluto a; then wait_for 60 'a rekey is refused' refused a; fi
	[ -z "$(opt x silent)" ] || { sleep 2; path_down; }
	[ -z "$(opt x peer)" ] || { sleep 2; order b --terminate --ike tun || :; }
	wait_gone 120
	traffic_stop 1
}
expect() {
	local n reason='phase2 hard expiry' by=none up=any confidence=likely
	[ "$(opt x by)" = a ] || reason='peer request' by="$(daemon_comm)"
	[ -z "$(opt x silent)" ] || reason='dpd timeout' by="$(daemon_comm)" up=false
	[ -z "$(opt x peer)" ] || reason='peer request' by="$(daemon_comm)" up=false
	# pluto keeps the time itself: nobody else knows how long it is
	! is_pluto a || { by=^pluto; reason='phase2 hard expiry|exchange timeout|unknown'; confidence=none; }
	for ((n = 1; n <= $(opt x children 1); n++)); do
		alarm reason="$reason" peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up=$up by="$by" confidence=$confidence
	done
}
