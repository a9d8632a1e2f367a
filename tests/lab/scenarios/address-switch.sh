# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# MOBIKE: one of the two moves to another address, the SAs with it.
variations() {
	variation peer-moves mobike=yes who=b remote_addrs=%any init=b local_addrs_b='198.51.100.1, 198.51.100.2' remote_addrs_b=192.0.2.1
	variation peer-moves-to-ipv6 mobike=yes who=b to=6 remote_addrs=%any init=b local_addrs_b=%any remote_addrs_b=192.0.2.1 ike=aes256-sha384-ecp384
	variation we-move mobike=yes who=a init=a local_addrs_a='192.0.2.1, 192.0.2.3' remote_addrs_b=%any ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation nat-port who=nat nat_a=yes nat_ports=6001 init=b ike=aes128-sha256-ecp256 dpd_b=2
	variation nat-port-traffic who=nat nat_a=yes nat_ports=6001 init=b traffic=yes ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation nat-port-chacha who=nat nat_a=yes nat_ports=6001 init=b dpd_b=2 ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305
	local two="local_addrs_b=198.51.100.1, 198.51.100.2" gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	# shellcheck disable=SC2086  # words
	{
		variation peer-moves-starter daemon_a=starter mobike=yes who=b remote_addrs_a=%any init=b "$two" remote_addrs_b=192.0.2.1
		variation peer-moves-starter-aead daemon_a=starter mobike=yes who=b remote_addrs_a=%any init=b "$two" remote_addrs_b=192.0.2.1 $gcm
		variation we-move-starter daemon_a=starter mobike=yes who=a init=a local_addrs_a=192.0.2.1,192.0.2.3 remote_addrs_b=%any
		variation peer-moves-libreswan daemon_a=pluto mobike=yes who=b pluto_right_a=%any init=b "$two" remote_addrs_b=192.0.2.1
		variation peer-moves-libreswan-aead daemon_a=pluto mobike=yes who=b pluto_right_a=%any init=b "$two" remote_addrs_b=192.0.2.1 \
			$gcm pluto_ike=aes_gcm256-sha2_384-ecp_256 pluto_esp=aes_gcm256
		variation we-move-libreswan daemon_a=pluto mobike=yes who=a init=a remote_addrs_b=%any
	}
}
before() {
	if [ -z "$(opt x to)" ]; then
		ip -n gwa addr del 2001:db8:1::1/64 dev out
		ip -n gwb addr del 2001:db8:2::1/64 dev out
	fi
	agent_start
	tunnels_up
	agent_ready
}
encap_port() { ip -n gwa xfrm state | grep -q "sport $1 "; }
moved() { ip -n gwa xfrm state | grep -q "$1"; }
story() {
	[ -z "$(opt x traffic)" ] || background back ip netns exec hostb ping -q -i 0.3 -w 120 10.1.0.2
	if [ "$(opt x who)" = nat ]; then
		wait_for 20 'the SAs have the port of the NAT' encap_port 6001
		nat_moves 6002
		wait_for 60 'the SAs have the new port' encap_port 6002
	elif [ "$(opt x who)" = b ]; then
		note 'gwb loses 198.51.100.1'
		# the first address of a network takes the others with it
		ip -n gwb addr flush dev out to 198.51.100.0/24
		if [ -n "$(opt x to)" ]; then
			wait_for 60 'the SAs have the new address' moved 2001:db8:2::1
		else
			ip -n gwb -batch - <<-BATCH
				addr add 198.51.100.2/24 dev out
				route replace default via 198.51.100.254
			BATCH
			wait_for 60 'the SAs have the new address' moved 198.51.100.2
		fi
	else
		note 'gwa loses 192.0.2.1'
		ip -n gwa -batch - <<-BATCH
			addr flush dev out to 192.0.2.0/24
			addr add 192.0.2.3/24 dev out
			route replace default via 192.0.2.254
		BATCH
		wait_for 60 'the SAs have the new address' moved 192.0.2.3
	fi
	wait_sas 2
}
expect() {
	case $(opt x who) in
	nat) alarm reason='hard expiry triggered by port mismatch' inside=10.2.0.0 up=true by='^charon' confidence=likely version=2 ;;
	*) alarm reason='peer address switch' inside=10.2.0.0 up=true by="$(daemon_comm)" confidence=likely version=2 ;;
	esac
}
