# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The interface towards the peer stands on another one (a VLAN, a bond, a bridge, a macvlan), or is a port of a VRF, or a
# tunnel without a link header (GRE; so are PPP and what modems have). What
# ends the tunnel is as plain as over a card, each message is one message, and what is set down is what was set down.
variations() {
	local kind gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	# shellcheck disable=SC2086  # words
	for kind in vlan bond bridge macvlan vrf gre; do
		variation $kind-silent on=$kind how=silent dpd_a=2
		variation $kind-peer on=$kind how=peer $gcm
		variation $kind-ordered on=$kind how=order init=b
		variation $kind-down on=$kind how=down dpd_a=2
	done
	for kind in vlan bond bridge macvlan; do
		variation $kind-port-down on=$kind how=port-down dpd_a=2
		variation $kind-port-removed on=$kind how=port-removed dpd_a=2
	done
	# shellcheck disable=SC2086  # words
	variation bond-port-down-aead core=yes on=bond how=port-down dpd_a=2 $gcm daemon_a=charon-systemd traffic=yes
	variation bond-fails-over core=yes on=bond ports=2 how=fails-over dpd_a=2
	variation bridge-other-port on=bridge ports=2 how=fails-over dpd_a=2
}
# what gwa has towards the router is `port`, with `out` upon it; a second port goes nowhere
uplink_make() {
	ip -n gwa link set out down
	case $(opt x on) in
	vrf)
		ip -n gwa link add blue type vrf table 10 || skip 'no VRF in this kernel'
		ip -n gwa link set blue up
		ip -n gwa link set out master blue
		ip -n gwa link set out up
		on gwa sh -c 'echo 1 >/proc/sys/net/ipv4/udp_l3mdev_accept'
		ip -n gwa route replace default via 192.0.2.254 dev out onlink
		return ;;
	esac
	ip -n gwa addr flush dev out
	ip -n gwa link set out name port
	ip -n gwa link set port up
	case $(opt x on) in
	vlan)
		ip -n gwa link add link port name out type vlan id 100 || skip 'no VLANs in this kernel'
		ip -n router addr flush dev ra
		ip -n router link set ra down
		ip -n router link set ra name raport
		ip -n router link set raport up
		ip -n router link add link raport name ra type vlan id 100 ;;
	gre) # no link header
		ip -n gwa addr add 203.0.113.129/30 dev port
		ip -n router addr flush dev ra
		ip -n router link set ra down
		ip -n router link set ra name raport
		ip -n router link set raport up
		ip -n router addr add 203.0.113.130/30 dev raport
		ip -n router link add ra type gre local 203.0.113.130 remote 203.0.113.129 ttl 64 || skip 'no GRE in this kernel'
		ip -n gwa link add out type gre local 203.0.113.129 remote 203.0.113.130 ttl 64 ;;
	macvlan) ip -n gwa link add link port name out type macvlan mode bridge || skip 'no macvlan in this kernel' ;;
	bond)
		ip -n gwa link add out type bond mode active-backup miimon 100 || skip 'no bonds in this kernel'
		ip -n gwa link set port down
		ip -n gwa link set port master out ;;
	bridge)
		ip -n gwa link add out type bridge || skip 'no bridges in this kernel'
		ip -n gwa link set port master out ;;
	esac
	if [ "$(opt x ports 1)" = 2 ]; then
		ip -n router link add port2 netns gwa type veth peer name port2
		ip -n router link set port2 up
		ip -n gwa link set port2 master out
		ip -n gwa link set port2 up
	fi
	ip -n gwa link set port up
	ip -n gwa link set out up
	link_addresses
}
uplink_undo() {
	local n
	for n in gwa/out gwa/port gwa/port2 gwa/blue router/ra router/raport; do
		ip -n "${n%/*}" link del "${n#*/}" 2>/dev/null || :
	done
	on gwa sh -c 'echo 0 >/proc/sys/net/ipv4/udp_l3mdev_accept' 2>/dev/null || :
	link_again
}
before() {
	agent_start
	uplink_make
	tunnels_up
	agent_ready
}
story() {
	[ -z "$(opt x traffic)" ] || traffic_start 1
	wait_log a 'tun\[1\]|INFORMATIONAL|established'
	case $(opt x how) in
	silent) path_down ;;
	peer) order b --terminate --ike tun || : ;;
	order) order a --terminate --ike tun || : ;;
	down) ip -n gwa link set out down ;;
	port-down) ip -n gwa link set port down ;;
	port-removed) ip -n gwa link del port ;;
	fails-over)
		ip -n gwa link set port2 down
		sleep 3
		path_down ;;
	esac
	note "the interface towards the peer, on a $(opt x on): $(opt x how)"
	wait_gone 150
	uplink_undo
}
expect() {
	local reason up=false ordered=none
	case $(opt x how) in
	silent | fails-over) reason='dpd timeout' ;;
	peer) reason='peer request' ;;
	order) reason='config modify or manual offline' ordered='^swanctl$' ;;
	down | port-down) reason='admin down' ;;
	port-removed) reason='interface removed' ;;
	esac
	alarm reason="$reason" peer="$(peer_of a)" inside=10.2.0.0 iface=out up=$up by="$(daemon_comm)" ordered="$ordered" confidence=likely
}
