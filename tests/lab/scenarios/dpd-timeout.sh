# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The peer goes silent: the liveness check of gwa is never answered.
variations() {
	variation cbc dpd_a=2 rt='0.7 1.5 2'
	variation aead-responder core=yes dpd_a=2 rt='0.5 2 2' ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 init=b daemon_a=charon-systemd traffic=yes
	variation ipv6 core=yes dpd_a=1 family=6 ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305 rt='0.6 1.8 3'
	variation natt core=yes dpd_a=2 nat_a=yes ike=aes256-sha512-modp2048 esp=aes256-sha512 traffic=yes
	variation three-children core=yes dpd_a=2 children=3 ike=aes128gcm16-prfsha256-ecp256 rt='0.8 1.8 2'
	variation action-restart core=yes dpd_a=2 dpd_action_a=restart ike=aes256-sha384-ecp384 traffic=yes
	variation action-restart-idle dpd_a=2 dpd_action_a=restart daemon_a=charon-systemd
	variation answer-lost core=yes dpd_a=2 lost=yes rt='0.8 1.5 3'
	variation answer-lost-aead dpd_a=2 lost=yes ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 init=b
	variation held-here dpd_a=2 lost=out rt='0.8 1.5 3'
	variation held-here-aead dpd_a=2 lost=out ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 init=b daemon_a=charon-systemd
	variation held-here-ikev1 version=1 dpd_a=1 dpd_timeout_a=4 lost=out
	variation no-route dpd_a=2 lost=route rt='0.8 1.5 3'
	variation renamed-daemon core=yes dpd_a=2 renamed_a=vpnd ike=aes128gcm16-prfsha256-ecp256 esp=aes128gcm16
	variation polled dpd_a=2 rt='1 1.5 2' poll=yes
	variation agent-comes-later core=yes dpd_a=2 later=yes agent_own=yes ike=aes128-sha1-modp1024 esp=aes128-sha1
	variation ikev1 core=yes version=1 dpd_a=1 dpd_timeout_a=4 traffic=yes
	variation ikev1-3des version=1 dpd_a=2 dpd_timeout_a=5 ike=3des-sha1-modp1024 esp=3des-sha1 init=b
}
before() {
	[ -n "$(opt x later)" ] || agent_start
	tunnels_up
	[ -z "$(opt x later)" ] || agent_start
	agent_ready
}
polling() { while :; do swan a --list-sas >/dev/null 2>&1; sleep 1; done; }
story() {
	[ -z "$(opt x traffic)" ] || traffic_start 1
	[ -z "$(opt x poll)" ] || background poll polling
	# At least one check that was answered. (strongSwan 6 reads nothing before one: where it begins anew behind the first of
	# all, which is not answered, that is what a reauthentication looks like.)
	if [ "$(opt a dpd_action)" = restart ] && [ "$(strongswan_major)" -ge 6 ] && [ -n "$(opt x traffic)" ]; then
		traffic_stop 1
		wait_log a 'parsed INFORMATIONAL response' 30
	elif [ "$(opt x version 2)" = 2 ] && [ -z "$(opt x traffic)" ]; then
		wait_log a 'parsed INFORMATIONAL response' 30
	fi
	[ "$(opt x version 2) $(opt x lost)" != '1 out' ] || sleep 5
	peer_lost
	wait_gone
}
expect() {
	local n confidence=likely
	# nothing was seen to leave
	[[ $(opt x lost) != @(out|route) ]] || confidence=possible
	for ((n = 1; n <= $(opt x children 1); n++)); do
		alarm reason='dpd timeout' peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up=false by="^$(opt a renamed charon)" ordered=none \
			confidence=$confidence detail="$(lost_detail)" version="$(opt a version 2)"
	done
}
