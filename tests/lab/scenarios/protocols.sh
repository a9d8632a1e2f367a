# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# Tunnels that are not ESP alone: AH, and ESP behind IPComp, whose SAs are three each way: of ESP in transport mode, of
# IPComp in tunnel mode, and the kernel's own (ipcomp_tunnel_create).
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256'
	# shellcheck disable=SC2086  # words
	{
		variation ipcomp-silent core=yes what=ipcomp how=silent dpd_a=2
		variation ipcomp-peer what=ipcomp how=peer $gcm esp=aes256gcm16
		variation ipcomp-ordered what=ipcomp how=order
		variation ipcomp-rekey what=ipcomp how=rekey
		variation ipcomp-rekey-two what=ipcomp how=rekey children=2 $gcm esp=aes256gcm16
		variation ipcomp-reauth what=ipcomp how=reauth
		variation ipcomp-life what=ipcomp how=life life_a=12
		variation ipcomp-ikev1 what=ipcomp how=peer version=1
		variation ah-silent core=yes what=ah how=silent dpd_a=2
		variation ah-peer what=ah how=peer $gcm
		variation ah-ordered what=ah how=order
		variation ah-rekey what=ah how=rekey
		variation ah-reauth what=ah how=reauth $gcm
		variation ah-life what=ah how=life life_a=12
		variation ah-ikev1 what=ah how=silent version=1 dpd_a=1 dpd_timeout_a=5
		variation ipcomp-libreswan what=ipcomp how=silent daemon_a=pluto dpd_a=2 pluto_more=compress=yes
		variation ipcomp-libreswan-peer what=ipcomp how=peer daemon_a=pluto pluto_more=compress=yes
		variation ah-libreswan what=ah how=silent daemon_a=pluto dpd_a=2 pluto_more=phase2=ah pluto_esp=sha2_256
		variation ah-libreswan-ordered what=ah how=order daemon_a=pluto pluto_more=phase2=ah pluto_esp=sha2_256
	}
}
before() {
	case $(opt x what) in
	ah) P[esp]='' P[child_more]='ah_proposals = sha256' ;;
	ipcomp) P[child_more]='ipcomp = yes' ;;
	esac
	modprobe -q ipcomp || skip 'this kernel has no IPComp'
	modprobe -q ah4 || skip 'this kernel has no AH'
	agent_start
	agent_ready
	tunnels_up
}
story() {
	sleep 3
	not_yet 'closing expired'
	# the policies of IPComp name its own reqid, where that is not ESP's
	[ "$(opt x children 1)" = 1 ] || OLD=$(spis_to a 1)
	case $(opt x how) in
	silent) path_down ;;
	order) end_here ;;
	peer) order b --terminate --ike tun || : ;;
	rekey) order a --rekey --child c1 || : ;;
	reauth) order a --rekey --ike tun --reauth || : ;;
	life) ;;
	esac
	wait_gone
}
end_here() {
	note "$(end_command)"
	# shellcheck disable=SC2046  # words
	nsenter -t "${PID[gwa]}" -m -n env STRONGSWAN_CONF="$W/a/strongswan.conf" $(end_command) >>"$W/a/ended.out" 2>&1 || :
}
expect() {
	local reason up=false ordered=none by
	by=$(daemon_comm)
	! is_pluto a || up=any # it begins again by itself
	case $(opt x how) in
	silent) reason='dpd timeout' ;;
	order) reason='config modify or manual offline' ordered=$(end_comm) ;;
	peer) reason='peer request' ;;
	rekey) reason='phase2 sa replace' up=true ordered='^swanctl$' ;;
	reauth) reason='phase1 sa replace' up=true ordered='^swanctl$' ;;
	life) reason='phase2 hard expiry' by=none up=any ;;
	esac
	alarm reason="$reason" peer="$(peer_of a)" inside=10.2.0.0 up=$up by="$by" ordered="$ordered" confidence=likely \
		version="$(opt a version 2)"
}
