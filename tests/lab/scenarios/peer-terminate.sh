# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwb asks: it deletes the IKE_SA or the CHILD_SA.
variations() {
	variation ike dpd_a=2
	variation ike-aead-responder core=yes init=b ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd traffic=yes
	variation ike-two core=yes children=2 ike=aes128gcm16-prfsha256-ecp256 dpd_a=3
	variation child children=2 what=child ike=aes256-sha384-ecp384
	variation child-ipv6 core=yes what=child family=6 ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305 init=b
	variation daemon-stopped what=stop nat_a=yes
	variation ikev1 core=yes version=1
	variation ikev1-found core=yes version=1 agent_own=late
	variation ikev1-3des version=1 ike=3des-sha1-modp1024 esp=3des-sha1 init=b dpd_a=2 dpd_timeout_a=20
}
story() {
	[ -z "$(opt x traffic)" ] || traffic_start 1
	case $(opt x what) in
	child)
		OLD=$(spis_to a 1)
		order b --terminate --child c1
		;;
	stop) end gwb TERM 30 ;;
	*) order b --terminate --ike tun --timeout 30 ;;
	esac
	wait_gone
}
expect() {
	local n children
	children=$(opt x children 1)
	[ "$(opt x what)" != child ] || children=1
	for ((n = 1; n <= children; n++)); do
		alarm reason='peer request' peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up=false by='^charon' ordered=none \
			confidence=likely version="$(opt a version 2)"
	done
}
