# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# Two IKE_SAs between the same two addresses, a tunnel under each: the end of one is not the other's.
variations() {
	variation one-ordered end=a
	variation one-by-peer end=b ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation both-silent core=yes end=silence dpd_a=2 rt='0.7 1.5 2'
	variation one-rekeyed end=rekey ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305
}
second() {
	local side=$1 peer
	peer=$(other "$side")
	echo 'connections {'
	plain_conn "$side" tun2 "$(addr "$side")" "$(addr "$peer")" "second-gw$side" "second-gw$peer" c2 "$(child_ts "$side" 2)" \
		"$(child_ts "$peer" 2)" none
	echo '}'
}
before() {
	P[conf_more_a]=$(second a)
	P[conf_more_b]=$(second b)
	agent_start
	tunnels_up
	initiate a c2
	wait_for 60 'SAs on gwa' sas_are gwa 4
	wait_for 30 'traffic through tunnel 2' on hosta ping -q -c 1 -W 1 10.3.0.2 >/dev/null
	OLD=$(spis_to a 2)
	agent_ready
}
newer_sas() { [ "$(spis_to a 2 | grep -vcxF -- "$OLD")" -ge 2 ]; }
story() {
	case $(opt x end) in
	a | b) order "$(opt x end)" --terminate --ike tun2 ;;
	silence)
		wait_log a 'parsed INFORMATIONAL response' 30
		path_down
		OLD=$(spis gwa)
		;;
	rekey)
		order a --rekey --child c2
		wait_for 60 'new SAs' newer_sas
		;;
	esac
	wait_gone
}
expect() {
	case $(opt x end) in
	a) alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.3.0.0 up=false by='^charon' ordered='^swanctl' confidence=likely version=2 ;;
	b) alarm reason='peer request' peer="$(peer_of a)" inside=10.3.0.0 up=false by='^charon' ordered=none confidence=likely version=2 ;;
	rekey) alarm reason='phase2 sa replace' peer="$(peer_of a)" inside=10.3.0.0 up=true by='^charon|none' confidence=likely version=2 ;;
	silence)
		alarm reason='dpd timeout' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered=none confidence=likely version=2
		alarm reason='dpd timeout' peer="$(peer_of a)" inside=10.3.0.0 up=false by='^charon' ordered=none confidence=likely version=2
		;;
	esac
}
