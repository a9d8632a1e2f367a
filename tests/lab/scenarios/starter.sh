# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwa is strongSwan as it was before swanctl: starter with ipsec.conf, commands over the stroke socket.
variations() {
	local aead='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	variation down daemon_a=starter what=down
	variation down-ikev1 daemon_a=starter what=down version=1
	variation stop daemon_a=starter what=stop dpd_a=30
	variation liveness daemon_a=starter what=silent dpd_a=2
	variation peer-terminate daemon_a=starter what=peer init=b
	variation peer-rekey daemon_a=starter what=rekey init=b
	# shellcheck disable=SC2086  # words
	{
		variation liveness-aead daemon_a=starter what=silent dpd_a=2 $aead
		variation liveness-ikev1 daemon_a=starter what=silent dpd_a=2 version=1
		variation peer-terminate-aead daemon_a=starter what=peer $aead
		variation peer-terminate-child daemon_a=starter what=child init=b
		variation peer-rekey-aead daemon_a=starter what=rekey $aead init=b
		variation own-rekey daemon_a=starter what=own-rekey
	}
}
story() {
	sleep 3
	case $(opt x what) in
	down) ipsec down c1 ;;
	stop) ipsec stop ;;
	silent) path_down ;;
	peer) order b --terminate --ike tun --timeout 30 ;;
	child) order b --terminate --child c1 --timeout 30 ;;
	rekey) order b --rekey --child c1 ;;
	own-rekey) STRONGSWAN_CONF=$W/a/strongswan.conf nsenter -t "${PID[gwa]}" -m -n /usr/lib/ipsec/stroke rekey 'c1{*}' >>"$W/a/ipsec.out" 2>&1 || : ;;
	esac
	wait_gone
	case $(opt x what) in *rekey) wait_sas 2 ;; esac
}
expect() {
	local version
	version=$(opt a version 2)
	case $(opt x what) in
	down) alarm reason='config modify or manual offline' peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' ordered='^stroke$' confidence=likely version="$version" ;;
	stop) alarm reason='config modify or manual offline' peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' confidence=likely ;;
	silent) alarm reason='dpd timeout' peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' ordered=none confidence=likely ;;
	peer | child) alarm reason='peer request' peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' ordered=none confidence=likely ;;
	*rekey) alarm reason='phase2 sa replace' peer=198.51.100.1 inside=10.2.0.0 up=true by='^charon' confidence=likely ;;
	esac
}
