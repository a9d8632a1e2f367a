# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwa is Libreswan, gwb strongSwan.
variations() {
	variation liveness daemon_a=pluto what=silent dpd_a=2
	variation liveness-aead core=yes daemon_a=pluto what=silent dpd_a=1 ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256 pluto_interval=400 init=b
	variation liveness-held daemon_a=pluto what=silent dpd_a=2 lost=out
	variation local-terminate core=yes daemon_a=pluto what=local
	variation local-terminate-aead daemon_a=pluto what=local ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256 init=b
	variation peer-terminate core=yes daemon_a=pluto what=peer init=b
	variation peer-terminate-natt daemon_a=pluto what=peer init=b nat_a=yes nat_ports=6001
	variation peer-terminate-revives core=yes daemon_a=pluto what=peer init=a
	variation rekey core=yes daemon_a=pluto what=rekey
	variation rekey-by-peer daemon_a=pluto what=rekey-peer init=b
	variation ikev1-local daemon_a=pluto version=1 what=local
	variation ikev1-peer daemon_a=pluto version=1 what=peer init=b
	variation ikev1-liveness core=yes daemon_a=pluto version=1 what=silent dpd_a=1 dpd_b=0 init=b
	variation rekey-unanswered core=yes daemon_a=pluto what=rekey-silent
	variation rekey-unanswered-aead daemon_a=pluto what=rekey-silent ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256 pluto_interval=300 init=b
	variation ikev1-rekey-unanswered daemon_a=pluto version=1 what=rekey-silent pluto_life=44s pluto_margin=20s
	variation ike-rekey daemon_a=pluto what=ike-rekey
	variation connection-deleted daemon_a=pluto what=delete
	variation shutdown daemon_a=pluto what=shutdown init=b
	variation terminated-by-signal daemon_a=pluto what=signal ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256
	variation peer-returns daemon_a=pluto what=returns init=b
	variation peer-returns-aead daemon_a=pluto what=returns init=b ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256
	variation peer-returns-traffic daemon_a=pluto what=returns init=b traffic=yes
	variation rekey-aead daemon_a=pluto what=rekey ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256
	local gcm='ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256'
	local soon='pluto_ike_life=40s pluto_margin=22s'
	# shellcheck disable=SC2086  # words
	{
		variation reauth daemon_a=pluto what=reauth $soon pluto_more_a=reauth=yes
		variation reauth-aead daemon_a=pluto what=reauth $soon $gcm pluto_more_a=reauth=yes
		variation reauth-traffic daemon_a=pluto what=reauth $soon pluto_more_a=reauth=yes traffic=yes
		variation reauth-unanswered daemon_a=pluto what=reauth-silent $soon pluto_more_a=reauth=yes
		variation reauth-unanswered-aead daemon_a=pluto what=reauth-silent $soon $gcm pluto_more_a=reauth=yes pluto_interval=300 init=b
		variation reauth-refused daemon_a=pluto what=reauth-refused $soon pluto_more_a=reauth=yes psk=first
	}
}
told_whack() { note "whack $*"; whack a "$@" >>"$W/a/whack.out" 2>&1 || :; }
newer_sas() { [ "$(spis gwa | grep -vcxF -- "$OLD")" -ge 2 ]; }
story() {
	[ -z "$(opt x traffic)" ] || traffic_start 1
	case $(opt x what) in
	silent)
		[ -z "$(opt x lost)" ] || sleep 7 # some checks that are answered
		peer_lost ;;
	reauth-silent) path_down ;;
	reauth-refused) secret_differs ;;
	local) note 'whack --terminate'; whack a --name c1 --terminate >>"$W/a/whack.out" 2>&1 || : ;;
	peer) order b --terminate --ike tun --timeout 30 ;;
	rekey) whack_rekey a c1 ;;
	rekey-peer) order b --rekey --child c1 ;;
	rekey-silent)
		path_down
		# IKEv1: the old SAs outlive a Quick Mode that nobody answers, to the end of their own life
		[ "$(opt a version 2)" = 1 ] || whack_rekey a c1 ;;
	delete) told_whack --delete --name c1 ;;
	shutdown) told_whack --shutdown ;;
	signal) note 'pluto: SIGTERM'; kill -TERM "${PID[gwa]}" ;;
	returns)
		end gwb KILL
		ip -n gwb xfrm state flush
		ip -n gwb xfrm policy flush
		rm -rf "$W/b/run"
		gateway_start b
		gateway_load b
		initiate b c1
		;;
	ike-rekey)
		told_whack --name c1 --rekey-ike --asynchronous
		# the CHILD_SA lives on under the new IKE_SA; it ends by the peer's order, and by that alone
		wait_for 60 'a new IKE_SA' log_count b 'IKE_SA tun\[[0-9]+\] (established|rekeyed)' 2
		order b --terminate --child c1 --timeout 30
		;;
	esac
	wait_gone
	case $(opt x what) in rekey | rekey-peer | reauth) wait_sas 2 ;; esac
}
expect() {
	local version
	version=$(opt a version 2)
	case $(opt x what) in
	silent)
		alarm reason='dpd timeout' peer="$(peer_of a)" inside=10.2.0.0 up=any by='^pluto' ordered=none version="$version" \
			confidence="$([ -n "$(opt x lost)" ] && echo possible || echo likely)" detail="$(lost_detail)" ;;
	local) alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^pluto' ordered='^whack$' confidence=likely version="$version" ;;
	delete | shutdown) alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^pluto' ordered='^whack$' confidence=likely version="$version" ;;
	signal) alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^pluto' confidence=likely version="$version" ;;
	rekey-silent) alarm reason='exchange timeout' peer="$(peer_of a)" inside=10.2.0.0 up=any by='^pluto' confidence=likely version="$version" ;;
	returns) alarm reason='kick old sa with same flow' peer="$(peer_of a)" inside=10.2.0.0 up=true by='^pluto' confidence=likely version="$version" ;;
	peer | ike-rekey) alarm reason='peer request' peer="$(peer_of a)" inside=10.2.0.0 up=any by='^pluto' ordered=none confidence=likely version="$version" ;;
	# pluto (4.10) begins the new IKE_SA when the old one's life is over, not before: it ends and is replaced at once
	reauth) alarm reason='phase1 sa replace|phase1 hard expiry' peer="$(peer_of a)" inside=10.2.0.0 up=true by='^pluto' ordered=none confidence=possible version=2 ;;
	# or is not; the first end of a life may stay unknown (life-over)
	reauth-*) alarm reason='phase1 hard expiry|re-auth timeout|unknown' peer="$(peer_of a)" inside=10.2.0.0 up=any by='^pluto' ordered=none version=2 ;;
	rekey*) alarm reason='phase2 sa replace' peer="$(peer_of a)" inside=10.2.0.0 up=true by='^pluto' confidence=likely version="$version" ;;
	esac
}
