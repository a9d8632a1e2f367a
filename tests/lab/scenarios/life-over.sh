# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# Libreswan with rekey=no: the IKE_SA, or the CHILD_SA alone, reaches the end of its life and pluto deletes it. Only the
# daemon knows how long that is: the first may stay unknown, the second, as old as the first, may not. Beside that an
# operator's command at just that age. strongSwan rekeys an IKE_SA first; here gwb refuses (TEMPORARY_FAILURE, RFC 7296
# 2.25.1), for a rekey of its own is not answered, and the IKE_SA comes to its end.
variations() {
	variation ike what=ike daemon_a=pluto init=b pluto_ike_life=14s pluto_margin=2s pluto_more_a='rekey=no'
	variation ike-aead what=ike daemon_a=pluto init=b pluto_ike_life=12s pluto_margin=2s pluto_more_a='rekey=no' ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256
	variation ike-traffic what=ike daemon_a=pluto init=b pluto_ike_life=14s pluto_margin=2s pluto_more_a='rekey=no' traffic=yes
	variation child-traffic what=child daemon_a=pluto init=b pluto_life=14s pluto_margin=2s pluto_more_a='rekey=no' traffic=yes ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256
	variation child-traffic-cbc what=child daemon_a=pluto init=b pluto_life=16s pluto_margin=2s pluto_more_a='rekey=no' traffic=yes
	variation child-traffic-ours what=child daemon_a=pluto init=a pluto_life=15s pluto_margin=2s pluto_more_a='rekey=no' traffic=yes
	variation refused what=ike refuse=yes ike_rekey_a=20 over_a=8 rt_b='80 1 2'
	variation refused-aead what=ike refuse=yes ike_rekey_a=18 over_a=9 rt_b='80 1 2' ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd
	variation refused-chacha what=ike refuse=yes ike_rekey_a=22 over_a=8 rt_b='80 1 2' ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305
	variation refused-starter what=ike refuse=yes daemon_a=starter starter_more=$'ikelifetime=30s\nmargintime=9s' rt_b='80 1 2'
	variation refused-starter-aead what=ike refuse=yes daemon_a=starter starter_more=$'ikelifetime=28s\nmargintime=8s' rt_b='80 1 2' ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation refused-starter-theirs what=ike refuse=yes daemon_a=starter init=b starter_more=$'ikelifetime=32s\nmargintime=9s' rt_b='80 1 2'
	variation ike-ordered core=yes what=ike order=yes daemon_a=pluto init=b pluto_ike_life=14s pluto_margin=2s pluto_more_a='rekey=no'
}
before() { agent_start; agent_ready; tunnels_up; }
refuse() {
	[ -n "$(opt x refuse)" ] || return 0
	# CREATE_CHILD_SA requests of gwb's, not its responses (exchange type and flags of the IKE header)
	path_drop 'iifname "rb" udp dport 500 @th,208,8 36 @th,216,8 & 0x20 == 0'
	order b --rekey --child c1 || :
	# or it was rekeyed before
	[ -n "${1:-}" ] || not_yet 'initiating IKE_SA .*\[2\]'
}
again() {
	path_up
	sleep 3
	# under traffic pluto begins anew by itself
	[ "$(sas gwa)" = 2 ] || initiate "$(opt x init a)" c1
	wait_sas 2
	OLD=$(spis gwa)
}
story() {
	[ -z "$(opt x traffic)" ] || traffic_start 1
	refuse
	wait_gone
	again
	refuse again
	if [ -n "$(opt x order)" ]; then
		sleep 9
		note 'whack --terminate'
		whack a --name c1 --terminate >>"$W/a/whack.out" 2>&1 || :
	fi
	wait_gone
}
expect() {
	local reason='phase1 hard expiry' first='' n many maybe=()
	[ "$(opt x what)" = ike ] || reason='phase2 hard expiry'
	# and where the daemon begins anew at once, the first looks like a reauthentication: possible, no more
	if [ "$(opt x what)" = ike ] && [ "$(agent_alarms | jq -s '.[0].confidence == "possible"')" = true ]; then
		first='|phase1 sa replace'
	fi
	alarm reason="$reason|unknown$first" peer="$(peer_of a)" inside=10.2.0.0 up=any by="$(daemon_comm)" ordered=none
	[ -z "$(opt x order)" ] || reason='config modify or manual offline'
	# under traffic pluto begins anew at once, and the next may end while the story does
	many=$(agent_alarms | wc -l)
	[ "$(opt x what)" = child ] || many=2
	# an IKE_SA whose end traffic has followed by a new one at once looks like a reauthentication each time
	[ "$(opt x what)$(opt x traffic)" != ikeyes ] || maybe=(maybe='phase1 sa replace')
	for ((n = 1; n < (many > 2 ? many : 2); n++)); do
		alarm reason="$reason" peer="$(peer_of a)" inside=10.2.0.0 up=any by="$(daemon_comm)" confidence=likely "${maybe[@]}"
	done
}
