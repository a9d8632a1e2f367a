# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwa is Libreswan, gwb strongSwan.
variations() {
	variation liveness daemon_a=pluto what=silent dpd_a=2
	variation liveness-aead daemon_a=pluto what=silent dpd_a=1 ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256 pluto_interval=400 init=b
	variation local-terminate daemon_a=pluto what=local
	variation local-terminate-aead daemon_a=pluto what=local ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256 init=b
	variation peer-terminate daemon_a=pluto what=peer init=b
	variation peer-terminate-revives daemon_a=pluto what=peer init=a
	variation rekey daemon_a=pluto what=rekey
	variation rekey-by-peer daemon_a=pluto what=rekey-peer init=b
	variation ikev1-local daemon_a=pluto version=1 what=local
	variation ikev1-peer daemon_a=pluto version=1 what=peer init=b
	variation ikev1-liveness daemon_a=pluto version=1 what=silent dpd_a=1 dpd_b=0 init=b
}
newer_sas() { [ "$(spis gwa | grep -vcxF -- "$OLD")" -ge 2 ]; }
story() {
	case $(opt x what) in
	silent) path_down ;;
	local) note 'whack --terminate'; whack a --name c1 --terminate >>"$W/a/whack.out" 2>&1 || : ;;
	peer) order b --terminate --ike tun --timeout 30 ;;
	rekey) note 'whack --rekey-ipsec'; whack a --name c1 --rekey-ipsec --asynchronous >>"$W/a/whack.out" 2>&1 || : ;;
	rekey-peer) order b --rekey --child c1 ;;
	esac
	wait_gone
	case $(opt x what) in rekey*) wait_sas 2 ;; esac
}
expect() {
	local version
	version=$(opt a version 2)
	case $(opt x what) in
	silent) alarm reason='dpd timeout' peer="$(peer_of a)" inside=10.2.0.0 up=any by='^pluto' ordered=none confidence=likely version="$version" ;;
	local) alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^pluto' ordered='^whack$' confidence=likely version="$version" ;;
	peer) alarm reason='peer request' peer="$(peer_of a)" inside=10.2.0.0 up=any by='^pluto' ordered=none confidence=likely version="$version" ;;
	rekey*) alarm reason='phase2 sa replace' peer="$(peer_of a)" inside=10.2.0.0 up=true by='^pluto' confidence=likely version="$version" ;;
	esac
}
