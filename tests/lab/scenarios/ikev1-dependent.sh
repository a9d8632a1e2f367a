# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# IKEv1: of gwb's two Deletes only the ISAKMP SA's arrives, and takes the IPsec SAs with it.
variations() {
	# an ESP Delete is 92 bytes with AES and SHA-256, 76 with 3DES and SHA-1; the IP packet 28 more
	variation aes version=1 esp_delete=120 dpd_a=3 dpd_timeout_a=30
	variation aes256 version=1 esp_delete=136 ike=aes256-sha384-modp2048 esp=aes256-sha384
	# the cipher was not seen chosen: R-U-THERE tells it
	variation aes-found core=yes agent_own=late version=1 esp_delete=120 dpd_a=3 dpd_timeout_a=30
	variation 3des-responder version=1 esp_delete=104 ike=3des-sha1-modp1024 esp=3des-sha1 init=b
}
story() {
	path_drop "iifname rb udp dport 500 ip length $(opt x esp_delete)"
	order b --terminate --ike tun --timeout 20
	wait_gone
}
expect() {
	# where the agent saw neither the cipher nor a check, nothing tells the two Deletes apart
	local confidence=possible
	# with AES and SHA-2 the Deletes of both in one message, from who adds no pad, are as long
	[ "$(opt x esp_delete)" != 104 ] || confidence=likely
	alarm ${LATE:+maybe='peer request'} reason='ikev1 phase1-phase2 sa dependent offline' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' confidence=$confidence version=1
}
