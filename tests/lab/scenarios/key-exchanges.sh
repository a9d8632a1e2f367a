# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# Several key exchanges for one SA (RFC 9370), as hybrids with a post-quantum one have them: IKE_INTERMEDIATE while an
# IKE_SA is set up, IKE_FOLLOWUP_KE behind the CREATE_CHILD_SA of each rekey. Any group will do for that, two of the usual
# ones here. strongSwan has it since 6.0 (tests/lab/run --with trixie).
variations() {
	local cbc='ike=aes128-sha256-ecp256-ke1_curve25519 esp=aes128-sha256-ecp256-ke1_curve25519'
	local gcm='ike=aes256gcm16-prfsha384-curve25519-ke1_ecp384-ke2_ecp521 esp=aes256gcm16-curve25519-ke1_ecp384-ke2_ecp521'
	# shellcheck disable=SC2086  # words
	{
		variation rekey-local $cbc what=rekey by=a
		variation rekey-local-aead $gcm what=rekey by=a init=b traffic=yes
		variation rekey-peer $cbc what=rekey by=b dpd_a=2
		variation rekey-peer-aead $gcm what=rekey by=b init=b daemon_a=charon-systemd
		variation rekey-two $cbc what=rekey by=a children=2
		variation ike-rekey $cbc what=ike-rekey by=a
		variation ike-rekey-then-silence $gcm what=ike-rekey by=b silence=yes dpd_a=3
		variation reauth $cbc what=reauth by=a
		variation reauth-peer $gcm what=reauth by=b init=b
		variation unanswered $cbc what=unanswered by=a rt='0.7 1.5 2'
		variation unanswered-aead $gcm what=unanswered by=a rt='0.5 1.8 3' init=b traffic=yes
		variation unanswered-ike $cbc what=unanswered-ike by=a rt='0.7 1.5 2'
		variation silence $gcm what=silence dpd_a=2
		variation ordered $cbc what=order by=a
		variation by-peer $gcm what=order by=b
	}
}
before() {
	[ "$(strongswan_major)" -ge 6 ] || skip 'strongSwan here is older than 6.0 (tests/lab/run --with trixie)'
	agent_start
	agent_ready
	tunnels_up
}
# the exchange type in a UDP payload, on the port of NAT traversal behind the marker of four bytes
followups_lost() {
	path_drop udp dport 500 @th,208,8 44
	path_drop udp dport 4500 @th,240,8 44
}
newer_sas() { [ "$(spis_to a 1 | grep -vcxF -- "$OLD")" -ge 2 ]; }
story() {
	local side ike
	side=$(opt x by)
	OLD=$(spis_to a 1)
	[ -z "$(opt x traffic)" ] || traffic_start 1
	case $(opt x what) in
	rekey)
		order "$side" --rekey --child c1
		wait_for 60 'new SAs' newer_sas
		wait_gone
		wait_sas $(($(opt x children 1) * 2)) ;;
	ike-rekey)
		ike=$(ike_spis a)
		order "$side" --rekey --ike tun
		wait_for 30 'another IKE_SA' ike_changed "$ike"
		[ "$(spis_to a 1)" = "$OLD" ] || fail 'the SAs are not the same any more'
		[ -z "$(opt x silence)" ] || { wait_log a 'parsed INFORMATIONAL response' 30; path_down; wait_gone; } ;;
	reauth)
		order "$side" --rekey --ike tun --reauth
		wait_gone
		wait_sas 2 ;;
	unanswered)
		followups_lost
		order a --rekey --child c1
		wait_gone ;;
	unanswered-ike)
		followups_lost
		order a --rekey --ike tun
		wait_gone ;;
	silence)
		wait_log a 'parsed INFORMATIONAL response' 30
		path_down
		wait_gone ;;
	order)
		order "$side" --terminate --ike tun --timeout 30
		wait_gone ;;
	esac
}
expect() {
	local common
	common="peer=$(peer_of a) inside=10.2.0.0 version=2 confidence=likely"
	# shellcheck disable=SC2086  # words
	case $(opt x what) in
	rekey) alarm reason='phase2 sa replace' up=true $common ;;
	ike-rekey) [ -z "$(opt x silence)" ] || alarm reason='dpd timeout' up=false ordered=none $common ;;
	reauth) alarm reason='phase1 sa replace' up=true $common ;;
	unanswered | unanswered-ike) alarm reason='exchange timeout' up=false detail=IKE_FOLLOWUP_KE $common ;;
	silence) alarm reason='dpd timeout' up=false ordered=none $common ;;
	order)
		if [ "$(opt x by)" = a ]; then
			alarm reason='config modify or manual offline' up=false $common
		else
			alarm reason='peer request' up=false $common
		fi ;;
	esac
}
