# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W and OLD are those of lib.sh
# What phones and Windows call L2TP/IPsec: transport mode for udp/1701 alone, clients behind a NAT, a gateway that takes any
# peer. Two clients behind the same NAT have the same addresses, the same selectors and the same reqid here: what tells
# them apart is the NAT's ports. The one that goes is the first, just after the second came, or long after.
variations() {
	variation one-peer version=1 how=peer
	variation one-silent version=1 how=silent dpd_a=1 dpd_timeout_a=4
	variation one-returns version=1 how=returns
	variation two-peer core=yes version=1 clients=2 how=peer
	variation two-peer-long-after version=1 clients=2 how=peer wait=8
	variation two-silent version=1 clients=2 how=silent dpd_a=1 dpd_timeout_a=4
	variation two-ordered version=1 clients=2 how=order
	variation two-peer-ikev2 clients=2 how=peer ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation two-silent-ikev2 clients=2 how=silent dpd_a=2
	variation two-second-leaves core=yes version=1 clients=2 how=peer who=2
	variation one-returns-elsewhere version=1 how=returns port=6001
	variation two-second-returns version=1 clients=2 how=returns who=2
	variation two-silent-then-second version=1 clients=2 how=silent dpd_a=1 dpd_timeout_a=4 second=silent
	variation two-ordered-second version=1 clients=2 how=order who=2
	variation two-peer-ikev2-second clients=2 how=peer who=2
	variation one-peer-libreswan daemon_a=pluto version=1 how=peer
	variation one-silent-libreswan daemon_a=pluto version=1 how=silent dpd_a=1
	variation one-returns-ikev2 how=returns
	variation one-returns-elsewhere-ikev2 how=returns port=6001
	variation one-returns-elsewhere-unsaid-ikev2 core=yes how=returns port=6001 unique_b=never
	variation two-peer-then-second version=1 clients=2 how=peer second=after
	variation two-ordered-then-second version=1 clients=2 how=order second=after
	variation two-peer-then-second-ikev2 clients=2 how=peer second=after
}
pluto_ends() {
	cat <<-CONF
		left=192.0.2.1
		leftid=@gwa
		leftprotoport=17/1701
		right=%any
		rightid=%any
		rightprotoport=17/1701
		type=transport
	CONF
}
charon_conn() {
	local n flow='dynamic[udp/1701]'
	{
		echo 'connections {'
		if [ "$1" = a ]; then
			plain_conn a any 192.0.2.1 %any gwa %any l2tp "$flow" "$flow" none
		else
			for n in 1 2; do plain_conn b "p$n" "198.51.100.$n" 192.0.2.1 "gwb-$n" gwa "c$n" "$flow" "$flow" none; done
		fi
		echo '}'
		echo 'secrets { ike-tun { secret = the-secret-of-the-lab } }'
	} >"$W/$1/swanctl.conf"
}
clients() { opt x clients 1; }
before() {
	P[nat_a]=yes
	P[unique_a]=replace
	P[mode]=transport
	nat_on
	ip -n gwb addr add 198.51.100.2/24 dev out 2>/dev/null || :
	agent_start
	gateway_start b
	gateway_start a
	gateway_load b
	gateway_load a
	agent_ready
	initiate b c1
	wait_for 60 'SAs on gwa' sas_are gwa 2
}
second_comes() {
	local first
	first=$(spis gwa)
	[ "$(clients)" = 1 ] || {
		initiate b c2
		wait_for 60 'SAs of the second' sas_are gwa 4
	}
	OLD=$first
	[ "$(opt x who 1)" = 1 ] || OLD=$(spis gwa | grep -vxF "$first")
	[ -z "$(opt x wait)" ] || nap "$(opt x wait)"
}
falls_silent() {
	path_drop "ip saddr 198.51.100.$1"
	path_drop "ip daddr 198.51.100.$1"
}
story() {
	local who moves=()
	who=$(opt x who 1)
	[ "$(opt x second before)" != silent ] || falls_silent "$who"
	if [ "$(opt x second before)" = after ]; then OLD=$(spis gwa); else second_comes; fi
	case $(opt x how) in
	peer) order b --terminate --ike "p$who" || : ;;
	silent) [ "$(opt x second before)" = silent ] || falls_silent "$who" ;;
	order) order a --terminate --ike-id "$who" --timeout 5 || : ;;
	returns)
		[ -z "$(opt x port)" ] || moves=(nat_moves "$(opt x port)")
		peer_again "c$who" "${moves[@]}" ;;
	esac
	wait_gone
	[ "$(opt x second before)" != after ] || initiate b c2
}
expect() {
	local reason ordered=none up=false
	case $(opt x how) in
	peer) reason='peer request' ;;
	silent) reason='dpd timeout' ;;
	order) reason='config modify or manual offline' ordered='^swanctl$' ;;
	returns) reason='kick old sa with same flow' up=true ;;
	esac
	[ "$(clients)" = 1 ] || up=any
	alarm reason="$reason" peer=203.0.113.7 inside=203.0.113.7 up=$up by='^(charon|pluto)' ordered="$ordered" confidence=likely version="$(opt x version 2)"
}
