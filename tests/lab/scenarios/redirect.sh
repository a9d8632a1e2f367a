# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W and OLD are those of lib.sh
# A gateway sends its client to another one (REDIRECT in an INFORMATIONAL, RFC 5685 5): the client sets the tunnel up
# there, or tries to, and deletes the old one. Where gwa is the client, the peer asked for it; where it is the gateway,
# whoever ordered the redirect did.
variations() {
	local two='local_addrs_b=198.51.100.1, 198.51.100.2' gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	# shellcheck disable=SC2086  # words
	{
		variation client "$two" by=b to=198.51.100.2
		variation client-aead "$two" by=b to=198.51.100.2 $gcm daemon_a=charon-systemd traffic=yes
		variation client-liveness "$two" by=b to=198.51.100.2 dpd_a=2
		variation client-nowhere by=b to=198.51.100.77
		variation client-nowhere-aead by=b to=198.51.100.77 $gcm
		variation client-libreswan "$two" by=b to=198.51.100.2 daemon_a=pluto pluto_more_a='accept-redirect=yes'
		variation client-libreswan-aead "$two" by=b to=198.51.100.2 daemon_a=pluto pluto_more_a='accept-redirect=yes' $gcm \
			pluto_ike=aes_gcm256-sha2_384-ecp_256 pluto_esp=aes_gcm256
		variation gateway by=a init=b to=192.0.2.3 'local_addrs_a=192.0.2.1, 192.0.2.3'
		variation gateway-aead by=a init=b to=192.0.2.3 'local_addrs_a=192.0.2.1, 192.0.2.3' $gcm daemon_a=charon-systemd
		variation gateway-nowhere by=a init=b to=192.0.2.77
		variation gateway-nowhere-aead by=a init=b to=192.0.2.77 $gcm
		variation gateway-libreswan by=a init=b to=192.0.2.77 daemon_a=pluto
	}
}
story() {
	local side
	side=$(opt x by)
	[ -z "$(opt x traffic)" ] || traffic_start 1
	if is_pluto "$side"; then
		note "whack --redirect-to $(opt x to)"
		whack "$side" --name c1 --redirect-to "$(opt x to)" >>"$W/$side/whack.out" 2>&1 || :
	else
		order "$side" --redirect --peer-ip "$(addr "$(other "$side")")" --gateway "$(opt x to)"
	fi
	# what it left behind Libreswan leaves to a person
	! is_pluto "$side" || { sleep 8; whack a --name c1 --terminate >>"$W/a/whack.out" 2>&1 || :; }
	wait_gone
	sleep 3 # what the client begins elsewhere
}
expect() {
	if [ "$(opt x by)" = b ]; then
		alarm reason='peer request' peer="$(peer_of a)" inside=10.2.0.0 up=any by="$(daemon_comm)" ordered=none
	else
		alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=any by="$(daemon_comm)" ordered="$(end_comm)"
	fi
}
