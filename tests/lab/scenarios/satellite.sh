# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# A peer far away (a satellite link): an answer takes longer than the first retransmission, so that each request is sent
# again and answered nevertheless, and what somebody orders here is done when the peer has answered, seconds later.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	local pluto='daemon_a=pluto pluto_timeout=6s' pluto_gcm='pluto_ike=aes_gcm256-sha2_384-ecp_256 pluto_esp=aes_gcm256'
	local far='delay=2500 rt=2_1.5_5 ping_wait=9'
	# shellcheck disable=SC2086  # words
	{
		variation order what=order
		variation order-aead what=order $gcm dpd_a=6 init=b daemon_a=charon-systemd
		variation order-checked core=yes what=order dpd_a=5
		variation order-child what=order-child children=2
		variation order-ikev1 what=order version=1
		variation order-libreswan what=order $pluto
		variation order-libreswan-aead what=order $pluto $gcm $pluto_gcm init=b
		variation order-far what=order $far init=b
		variation order-silent what=order-silent dpd_a=30 rt=0.5_1.4_4
		variation peer what=peer
		variation peer-aead what=peer $gcm init=b
		variation peer-child what=peer-child children=2 dpd_a=6
		variation peer-ikev1 what=peer version=1 init=b
		variation peer-libreswan what=peer $pluto init=b
		variation peer-far what=peer $far
		variation silent what=silent dpd_a=5 rt=0.5_1.4_5
		variation silent-aead what=silent dpd_a=4 rt=0.5_1.4_5 $gcm init=b daemon_a=charon-systemd
		variation silent-ikev1 what=silent dpd_a=3 dpd_timeout_a=10 version=1
		variation silent-libreswan what=silent dpd_a=4 $pluto
		variation silent-far what=silent dpd_a=9 $far rt_a=2_1.5_3
		variation rekey what=rekey
		variation rekey-aead what=rekey $gcm init=b daemon_a=charon-systemd delete_rekeyed_delay=5
		variation rekey-ikev1 what=rekey version=1 life_a=24
		variation rekey-libreswan what=rekey $pluto
		variation rekey-far what=rekey $far
		variation rekey-peer what=rekey-peer
		variation rekey-peer-aead what=rekey-peer $gcm init=b
		variation rekey-peer-ikev1 what=rekey-peer version=1 life_a=20 life_b=30 init=b
		variation rekey-peer-libreswan what=rekey-peer $pluto init=b
		variation rekey-both what=rekey-both
		variation rekey-silent what=rekey-silent rt=0.5_1.4_4
		variation rekey-silent-libreswan what=rekey-silent $pluto
		variation reauth core=yes what=reauth
		variation reauth-aead what=reauth $gcm daemon_a=charon-systemd
		variation reauth-timer what=reauth-timer reauth_a=20
		variation reauth-far what=reauth $far
		variation reauth-make what=reauth mbb=yes
		variation reauth-make-far what=reauth mbb=yes $far $gcm
		variation reauth-peer core=yes what=reauth-peer init=b
		variation reauth-peer-aead what=reauth-peer init=b $gcm dpd_a=6
		variation reauth-peer-far what=reauth-peer init=b $far
		variation reauth-peer-make what=reauth-peer init=b mbb=yes
		variation reauth-refused what=reauth-refused psk=first
		variation reauth-refused-aead what=reauth-refused psk=first $gcm
		variation reauth-refused-far what=reauth-refused psk=first $far
		variation reload-removed what=reload start_a=start no_initiate=yes
		variation reload-changed core=yes what=reload change=yes start_a=start no_initiate=yes
		variation reload-changed-far what=reload change=yes start_a=start no_initiate=yes $far $gcm
		variation back core=yes what=back remote_addrs_a=%any unique_a=replace init=b
		variation back-aead what=back remote_addrs_a=%any unique_a=replace init=b $gcm
		variation back-far what=back remote_addrs_a=%any unique_a=replace init=b $far
		variation idle what=idle child_more_a='inactivity = 12'
		variation idle-aead what=idle child_more_a='inactivity = 12' $gcm
	}
}
# the way there and back takes twice as long
far_away() {
	modprobe -q sch_netem || skip 'this kernel has no netem'
	local dev
	for dev in ra rb; do
		on router tc qdisc replace dev $dev root netem delay "$(opt x delay 700)ms" || fail 'tc: netem refused'
	done
	note "the peer is $(opt x delay 700) ms away"
}
before() {
	# words of an option, in one
	P[rt]=${P[rt]:-0.5_1.4_7}
	P[rt]=${P[rt]//_/ }
	[ -z "${P[rt_a]:-}" ] || P[rt_a]=${P[rt_a]//_/ }
	P[ping_wait]=${P[ping_wait]:-5}
	far_away
	agent_start
	agent_ready
	tunnels_up
}
newer_sas() { [ "$(spis gwa | grep -vcxF -- "$OLD")" -ge 2 ]; }
checks_answered() { log_count a 'parsed INFORMATIONAL(_V1)? (response|request)' 2; }
told() {
	if is_pluto a; then
		note "whack $*"
		whack a "$@" >>"$W/a/whack.out" 2>&1 || :
	else
		order a --terminate --ike tun --timeout 60 || :
	fi
}
story() {
	sleep 2
	case $(opt x what) in
	order) told --name c1 --terminate ;;
	order-child | peer-child)
		OLD=$(spis_to a 1)
		order "$([ "$(opt x what)" = peer-child ] && echo b || echo a)" --terminate --child c1 --timeout 60 || : ;;
	order-silent) path_down; order a --terminate --ike tun --timeout 60 || : ;;
	peer) order b --terminate --ike tun --timeout 60 || : ;;
	silent)
		if is_pluto a; then sleep 9; else wait_for 60 'checks were answered' checks_answered; fi
		path_down ;;
	rekey) if is_pluto a; then whack_rekey a c1; else order a --rekey --child c1; fi ;;
	rekey-peer) order b --rekey --child c1 ;;
	rekey-both)
		order b --rekey --child c1 &
		order a --rekey --child c1 || :
		wait $! || : ;;
	rekey-silent) path_down; if is_pluto a; then whack_rekey a c1; else order a --rekey --child c1; fi ;;
	reauth) order a --rekey --ike tun --reauth ;;
	reauth-timer) not_yet 'reauthenticating' ;;
	reauth-peer) order b --rekey --ike tun --reauth ;;
	reauth-refused)
		secret_differs
		order a --rekey --ike tun --reauth ;;
	reload) conns_reload ;;
	back) peer_again ;;
	esac
	wait_gone 150
	case $(opt x what) in
	# one pair is left in the end, whichever won
	rekey-both) wait_sas 2; sleep 10; wait_sas 2 ;;
	rekey | rekey-peer | reauth | reauth-timer | reauth-peer | back) wait_sas $(($(opt x children 1) * 2)) ;;
	esac
	[ "$(opt x what)" != reauth-timer ] || wait_for 20 'the alarm has come' alarms_are 1
}
expect() {
	local by version
	by=$(daemon_comm)
	version=$(opt a version 2)
	case $(opt x what) in
	order | order-silent) alarms_of reason='config modify or manual offline' up=false by="$by" ordered="$(end_comm)" version="$version" ;;
	order-child) P[children]=1; alarms_of reason='config modify or manual offline' up=false by="$by" ordered="$(end_comm)" ;;
	peer) alarms_of reason='peer request' up=false by="$by" ordered=none version="$version" ;;
	peer-child) P[children]=1; alarms_of reason='peer request' up=false by="$by" ordered=none ;;
	silent) alarms_of reason='dpd timeout' up=false by="$by" ordered=none version="$version" ;;
	rekey | rekey-peer) alarms_of reason='phase2 sa replace' up=true by="$by|none" version="$version" ;;
	rekey-both)
		# one old pair, and as many redundant ones as the two rekeys made
		local n many
		many=$(agent_alarms | wc -l)
		for ((n = 0; n < (many > 0 ? many : 1); n++)); do alarms_of reason='phase2 sa replace' up=true by="$by"; done ;;
	rekey-silent) alarms_of reason='exchange timeout' up=false by="$by" version="$version" ;;
	reauth*-refused) alarms_of reason='re-auth timeout' up=false by="$by" confidence=possible detail=refuse ;;
	reauth | reauth-timer | reauth-peer) alarms_of reason='phase1 sa replace' up=true by="$by" version=2 ;;
	reload) alarms_of reason='config modify or manual offline' up=any by="$by" ordered='^swanctl$' ;;
	back) alarms_of reason='kick old sa with same flow' up=true by="$by" version=2 ;;
	idle) alarms_of reason='idle timeout' up=false by="$by" ordered=none confidence=possible ;;
	esac
}
