# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# MOBIKE: one of the two moves to another address, the SAs with it.
variations() {
	variation peer-moves mobike=yes who=b remote_addrs=%any init=b local_addrs_b='198.51.100.1, 198.51.100.2' remote_addrs_b=192.0.2.1
	variation we-move mobike=yes who=a init=a local_addrs_a='192.0.2.1, 192.0.2.3' remote_addrs_b=%any ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
}
moved() { ip -n gwa xfrm state | grep -q "$1"; }
story() {
	if [ "$(opt x who)" = b ]; then
		ip -n gwb addr del 198.51.100.1/24 dev out
		ip -n gwb addr replace 198.51.100.2/24 dev out
		ip -n gwb route replace default via 198.51.100.254
		wait_for 60 'the SAs have the new address' moved 198.51.100.2
	else
		ip -n gwa addr del 192.0.2.1/24 dev out
		ip -n gwa addr replace 192.0.2.3/24 dev out
		ip -n gwa route replace default via 192.0.2.254
		wait_for 60 'the SAs have the new address' moved 192.0.2.3
	fi
	wait_sas 2
}
expect() {
	alarm reason='peer address switch' inside=10.2.0.0 up=true by='^charon' confidence=likely version=2
}
