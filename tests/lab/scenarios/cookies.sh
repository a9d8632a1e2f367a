# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# A responder that asks for a COOKIE (RFC 7296, 2.6), or for another group (INVALID_KE_PAYLOAD, 1.2), before it does
# anything: IKE_SA_INIT goes out two or three times, always as message 0 and with the same SPI, and what it is told each
# time is an answer.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256'
	local ours='daemon_b=pluto' theirs='daemon_a=pluto init=b'
	local groups='ike_a=aes128-sha256-curve25519-ecp256 pluto_ike=aes128-sha2_256-ecp_256'
	# shellcheck disable=SC2086  # words
	{
		variation reauth $ours what=reauth
		variation reauth-make core=yes $ours what=reauth mbb=yes $gcm
		variation reauth-group $ours $groups what=reauth
		variation reauth-group-make $ours $groups mbb=yes what=reauth
		variation silence core=yes $ours what=silence rt='0.6 1.5 2'
		variation silence-make $ours what=silence mbb=yes reauth_a=8 over_a=10 timer=yes rt='0.5 1.5 2' $gcm
		variation cookie-only core=yes $ours what=cookie-only rt='0.6 1.5 2'
		variation cookie-only-aead $ours what=cookie-only rt='0.5 1.8 2' $gcm
		variation quiet $ours what=quiet dpd_a=2
		variation by-peer $ours what=peer
		variation their-reauth $theirs what=their-reauth
		variation their-reauth-aead $theirs what=their-reauth $gcm
		variation their-order $theirs what=order
	}
}
busy() {
	local side=b
	! is_pluto a || side=a
	whack $side --ddos-busy >>"$W/$side/whack.out" 2>&1 || fail 'whack --ddos-busy: refused'
	note "gw$side asks for cookies"
}
before() { agent_start; agent_ready; tunnels_up; busy; }
story() {
	sleep 3
	case $(opt x what) in
	reauth) order a --rekey --ike tun --reauth ;;
	silence)
		# the cookie comes, and then nothing any more: IKE_AUTH goes out in vain
		path_drop udp dport 500 @th,208,8 35
		path_drop udp dport 4500 @th,240,8 35
		[ -n "$(opt x timer)" ] || order a --rekey --ike tun --reauth ;;
	cookie-only)
		# what goes back to gwa is the cookie alone, the shorter answer
		path_drop iifname rb udp sport 500 @th,208,8 34 @th,32,16 '> 120'
		order a --rekey --ike tun --reauth ;;
	quiet) path_down ;;
	peer) whack b --name c1 --terminate >>"$W/b/whack.out" 2>&1 || : ;;
	their-reauth) order b --rekey --ike tun --reauth ;;
	order) whack a --name c1 --terminate >>"$W/a/whack.out" 2>&1 || : ;;
	esac
	wait_gone 120
}
expect() {
	local reason up=false ordered=none
	case $(opt x what) in
	reauth) reason='phase1 sa replace' up=true ordered='^swanctl$' ;;
	silence | cookie-only)
		reason='re-auth timeout'
		[ -n "$(opt x timer)" ] || ordered='^swanctl$' ;;
	quiet) reason='dpd timeout' ;;
	peer) reason='peer request' ;;
	their-reauth) reason='phase1 sa replace' up=true ;;
	order) reason='config modify or manual offline' ordered='^whack$' ;;
	esac
	alarm reason="$reason" peer=198.51.100.1 inside=10.2.0.0 up=$up by="$(daemon_comm)" ordered="$ordered" confidence=likely version=2
}
