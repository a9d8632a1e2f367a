# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# An operator of gwa takes the tunnel down with swanctl, also while the peer is silent.
variations() {
	variation ike dpd_a=2
	variation ike-aead-responder core=yes init=b ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd dpd_a=3 traffic=yes
	variation child core=yes children=2 what=child dpd_a=5
	variation child-natt what=child nat_a=yes ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305
	variation silent core=yes silent=yes dpd_a=30 rt='0.7 1.5 2'
	variation silent-aead silent=yes dpd_a=20 ike=aes128gcm16-prfsha256-ecp256 rt='0.5 2 2' init=b
	variation force silent=yes force=yes rt='0.7 1.5 3'
	variation ikev1 core=yes version=1
	variation ikev1-found-contained core=yes version=1 agent_own=late pid_ns=agent
	variation contained core=yes pid_ns=daemons
	variation ikev1-child version=1 what=child ike=aes256-sha384-modp2048 dpd_a=5 dpd_timeout_a=30 init=b
	variation session session=yes
	variation session-child session=yes what=child ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd
}
story() {
	[ -z "$(opt x traffic)" ] || traffic_start 1
	[ -z "$(opt x silent)" ] || path_down
	if [ -n "$(opt x session)" ]; then
		session a alice swanctl --terminate "$(session_of)" --timeout 60
	elif [ "$(opt x what)" = child ]; then
		OLD=$(spis_to a 1)
		order a --terminate --child c1
	elif [ -n "$(opt x force)" ]; then
		order a --terminate --ike tun --force --timeout 1 || :
	else
		order a --terminate --ike tun --timeout 60 || :
	fi
	wait_gone
}
session_of() { if [ "$(opt x what)" = child ]; then echo '--child c1'; else echo '--ike tun'; fi; }
expect() {
	local who=()
	[ -z "$(opt x session)" ] || who=(login=1500 terminal='^pts/' command="^swanctl --terminate $(session_of) --timeout 60$" parents='^bash su bash login ')
	# IKEv1 says a word only when the SAs have gone
	[ "$(opt x agent_own)" = late ] || who+=(version="$(opt a version 2)")
	alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered='^swanctl$' \
		confidence=likely "${who[@]}"
}
