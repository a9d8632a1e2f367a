# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W and OLD are those of lib.sh
# Two uplinks: the tunnel is from the address of the second, and only a routing rule (`ip rule ... from`) sends it there; the
# main table's default route is the first's. What happens to the first is none of the tunnel's business.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256'
	# shellcheck disable=SC2086  # words
	{
		variation silent how=silent dpd_a=2
		variation ordered how=order $gcm
		variation down core=yes how=down dpd_a=2
		variation down-aead how=down dpd_a=2 $gcm
		variation removed how=removed dpd_a=2
		variation other-down-peer core=yes how=peer other=down
		variation other-down-silent how=silent other=down dpd_a=2 $gcm
		variation other-removed-silent how=silent other=removed dpd_a=2
		variation rule-lost how=rule dpd_a=2
		variation mark-down how=down dpd_a=2 by=mark
		variation mark-other-down how=silent other=down dpd_a=2 by=mark
		variation equal-silent how=silent dpd_a=2 by=equal
		variation equal-other-down how=peer other=down by=equal
		variation libreswan-down how=down daemon_a=pluto dpd_a=2
		variation libreswan-other how=peer other=down daemon_a=pluto $gcm
	}
}
out2_make() {
	uplink_second table 100
	case $(opt x by from) in
	from) ip -n gwa rule add from 198.18.1.1 lookup 100 priority 100 ;;
	# what the daemon sends and what ESP makes of the packets has the mark, by netfilter
	mark)
		on gwa nft -f - <<-NFT || fail 'nft: refused'
			table inet ways {
				chain out {
					type route hook output priority mangle
					ip saddr 198.18.1.1 meta mark set 7
				}
			}
		NFT
		ip -n gwa rule add fwmark 7 lookup 100 priority 100
		# of two tables, the source's is not asked: ESP is looked up without a mark
		ip -n gwa rule add from 198.18.1.1 to 198.51.100.0/24 lookup 100 priority 101 ;;
	equal) ip -n gwa route replace default nexthop via 192.0.2.254 dev out nexthop via 198.18.1.254 dev out2 ;;
	esac
}
out2_remove() {
	ip -n gwa rule del priority 100 2>/dev/null
	ip -n gwa rule del priority 101 2>/dev/null
	ip -n gwa link del out2 2>/dev/null
	on gwa nft 'delete table inet ways' 2>/dev/null
	link_again
	return 0
}
before() {
	out2_remove
	out2_make
	P[local_addrs_a]=198.18.1.1
	P[remote_addrs_b]=198.18.1.1
	P[pluto_left_a]=198.18.1.1
	agent_start
	agent_ready
	tunnels_up
}
story() {
	sleep 3
	case $(opt x other) in
	down)
		ip -n gwa link set out down
		note 'the other uplink is set down'
		sleep 2 ;;
	removed)
		ip -n gwa link del out
		note 'the other uplink is removed'
		sleep 2 ;;
	esac
	case $(opt x how) in
	silent) path_down ;;
	order) order a --terminate --ike tun || : ;;
	peer) if is_pluto b; then whack b --name c1 --terminate || :; else order b --terminate --ike tun || :; fi ;;
	down)
		ip -n gwa link set out2 down
		note 'out2 is set down' ;;
	removed)
		ip -n gwa link del out2
		note 'out2 is removed' ;;
	rule)
		# what is sent out now has an address that does not belong there
		path_drop iifname ra ip saddr 198.18.1.1
		ip -n gwa rule del priority 100
		note 'the routing rule is gone' ;;
	esac
	wait_gone
	out2_remove
}
expect() {
	local reason up=false ordered=none iface=out2
	case $(opt x how) in
	silent | rule) reason='dpd timeout' ;;
	order) reason='config modify or manual offline' ordered='^swanctl$' ;;
	peer) reason='peer request' ;;
	down) reason='admin down' ;;
	removed) reason='interface removed' ;;
	esac
	! is_pluto a || up=any
	# either will do: the route says nothing of a single packet's way
	[ "$(opt x by)" != equal ] || iface=
	# and where the rule is gone the first is what leads there
	[ "$(opt x how)" != rule ] || iface=
	alarm reason="$reason" peer=198.51.100.1 inside=10.2.0.0 ${iface:+iface="$iface"} up=$up by="$(daemon_comm)" ordered="$ordered" \
		confidence=likely
}
