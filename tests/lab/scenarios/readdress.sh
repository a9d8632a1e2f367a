# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# One of the two gets another address (a line that is dialled anew, a lease that ends), and MOBIKE is not agreed on: the
# SAs cannot move, the one who moved authenticates anew from where it is now.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16' two='local_addrs_b=%any'
	# shellcheck disable=SC2086  # words
	{
		variation peer who=b remote_addrs_a=%any init=b $two
		variation peer-aead who=b remote_addrs_a=%any init=b $two $gcm
		variation peer-make who=b remote_addrs_a=%any init=b $two mbb_b=yes
		variation peer-replace who=b remote_addrs_a=%any init=b $two unique_a=replace
		variation peer-libreswan who=b daemon_a=pluto pluto_right_a=%any init=b $two
		variation peer-starter who=b daemon_a=starter remote_addrs_a=%any init=b $two
		variation we who=a local_addrs_a=%any remote_addrs_b=%any
		variation we-aead who=a local_addrs_a=%any remote_addrs_b=%any $gcm
		variation we-make who=a local_addrs_a=%any remote_addrs_b=%any mbb_a=yes
		variation we-late who=a local_addrs_a=%any remote_addrs_b=%any after=4
		variation peer-late who=b remote_addrs_a=%any init=b $two after=4
		variation we-silent who=a local_addrs_a=%any remote_addrs_b=%any dpd_a=2 after=never
		variation we-silent-aead who=a dpd_a=2 after=never traffic=yes $gcm
	}
}
before() {
	ip -n gwa addr del 2001:db8:1::1/64 dev out
	ip -n gwb addr del 2001:db8:2::1/64 dev out
	agent_start
	tunnels_up
	agent_ready
}
# moves SIDE NET OLD NEW GATEWAY: it loses all its addresses, and after a while has another one
moves() {
	note "gw$1 loses $3"
	ip -n "gw$1" addr flush dev out to "$2"
	[ "$(opt x after 0)" != never ] || return 0
	nap "$(opt x after 0)"
	ip -n "gw$1" -batch - <<-BATCH
		addr add $4/24 dev out
		route replace default via $5
	BATCH
	note "gw$1 has $4"
}
story() {
	[ -z "$(opt x traffic)" ] || traffic_start 1
	sleep 2
	if [ "$(opt x who)" = b ]; then
		moves b 198.51.100.0/24 198.51.100.1 198.51.100.2 198.51.100.254
	else
		moves a 192.0.2.0/24 192.0.2.1 192.0.2.3 192.0.2.254
	fi
	wait_gone
}
expect() {
	if [ "$(opt x after)" = never ]; then
		alarm reason='peer address switch' inside=10.2.0.0 up=false by="$(daemon_comm)" confidence=possible detail='lost the address'
		return
	fi
	# pluto answers where the peer was, so that it does not know that its Delete was heard, and comes back after a while
	alarm reason="$(is_pluto a && echo 'peer request' || echo 'peer address switch')" inside=10.2.0.0 up=any by="$(daemon_comm)" \
		confidence=likely version=2
}
