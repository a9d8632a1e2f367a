# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W, PID and OLD are those of lib.sh
# Two clients, gwb and gwc, that come by one definition of gwa's (any address, any identity) and are given an inner address
# each, 10.9.0.1 and 10.9.0.2. One comes back without knowing its SAs any more, with INITIAL_CONTACT or without
# (unique_c=never), at the same or at another address, behind a NAT that the other one is behind too, in the midst of the
# checks of its old IKE_SA, or while the other one moves or leaves.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	# shellcheck disable=SC2086  # words
	{
		variation reboot how=reboot unique_a=replace
		# its Delete is as long as a check, and was none seen: it could be either
		variation reboot-never how=reboot-lives unique_a=never dpd_a=3
		variation reboot-keep how=reboot-refused unique_a=keep unique_c=never move_c=198.51.101.2 dpd_a=3
		variation reboot-as-other-moves core=yes how=reboot-and unique_a=replace other=moves mobike=yes
		variation reboot-as-other-leaves how=reboot-and unique_a=replace other=leaves
		variation reboot-as-other-reauths how=reboot-and unique_a=replace other=reauths $gcm
		variation nat-one-leaves how=leaves nat=yes $gcm
	}
}
# that of lib.sh, which is not there where the variations are only listed
! declare -F charon_conn >/dev/null || eval "lab_$(declare -f charon_conn)"
charon_conn() {
	lab_charon_conn "$1"
	case $1 in
	a) sed -i 's/id = gwb/id = %any/' "$W/a/swanctl.conf" ;;
	c) [ -z "$(opt c id)" ] || sed -i "s/id = gwc/id = $(opt c id)/" "$W/c/swanctl.conf" ;;
	esac
}
pluto_ends() {
	cat <<-CONF
		left=192.0.2.1
		leftid=@gwa
		leftsubnet=10.1.0.0/16
		right=%any
		rightaddresspool=10.9.0.1-10.9.0.9
		narrowing=yes
	CONF
}
# client_c: a gateway more, beside gwb
client_c() {
	client_c_gone
	ip netns add gwc
	ip link add out netns gwc type veth peer name rd netns router
	ip -n gwc -batch - <<-BATCH
		link set lo up
		addr add 198.51.101.1/24 dev out
		addr add 198.51.101.2/24 dev out
		link set out up
		route add default via 198.51.101.254
	BATCH
	ip -n router -batch - <<-BATCH
		addr add 198.51.101.254/24 dev rd
		link set rd up
	BATCH
}
# its link first: a namespace is torn down a while later
client_c_gone() {
	ip -n router link del rd 2>/dev/null || :
	[ ! -e /run/netns/gwc ] || ip netns del gwc
}
# both_behind [PORT]: both clients behind one address of the router; gwc has that port from now on
both_behind() {
	on router nft -f - <<-NFT
		table ip nat
		delete table ip nat
		table ip nat {
			chain out {
				type nat hook postrouting priority 100
				${1:+oifname "ra" ip saddr 198.51.101.0/24 udp sport 4500 snat to 203.0.113.7:$1}
				oifname "ra" ip saddr 198.51.100.0/23 meta l4proto udp snat to 203.0.113.7
			}
		}
	NFT
	on router conntrack -D -s 198.51.101.0/24 >/dev/null 2>&1
}
before() {
	P[remote_addrs_a]=%any P[local_addrs_c]=198.51.101.1 P[children]=1 P[init]=b
	P[remote_ts_a]=dynamic P[local_ts_b]=dynamic P[local_ts_c]=dynamic
	P[conn_more_a]='pools = inner' P[conn_more_b]='vips = 0.0.0.0' P[conn_more_c]='vips = 0.0.0.0'
	P[conf_more_a]='pools { inner { addrs = 10.9.0.0/24 } }'
	P[remote_addrs_b]=192.0.2.1 P[remote_addrs_c]=192.0.2.1
	if [ -n "$(opt x mobike)" ]; then
		P[local_addrs_b]='198.51.100.1, 198.51.100.2'
		ip -n gwa addr del 2001:db8:1::1/64 dev out
		ip -n gwb addr del 2001:db8:2::1/64 dev out
	fi
	client_c
	if [ -n "$(opt x nat)" ]; then both_behind; fi
	agent_start
	agent_ready
	gateway_start a
	gateway_start b
	gateway_start c
	gateway_load a
	gateway_load b
	gateway_load c
	initiate b c1
	wait_sas 2
	[ "$(opt x how)" = one-identity ] || {
		initiate c c1
		wait_sas 4
	}
	FIRST=$(spis_into a 10.9.0.1/32) SECOND=$(spis_into a 10.9.0.2/32)
	OLD=$(spis gwa)
	note "SAs on gwa: ${FIRST//$'\n'/ }, ${SECOND//$'\n'/ }"
}
# lost SIDE: that client is gone, its SAs too; again SIDE: it is back
lost() {
	note "gw$1: killed"
	end "gw$1" KILL
	ip -n "gw$1" xfrm state flush
	ip -n "gw$1" xfrm policy flush
	ip -n "gw$1" addr flush dev out to 10.9.0.0/24
	rm -rf "$W/$1/run"
}
again() {
	note "gw$1: started again"
	[ -z "$(opt "$1" move)" ] || P[local_addrs_$1]=$(opt "$1" move)
	[ -z "$(opt x port)" ] || both_behind "$(opt x port)"
	gateway_start "$1"
	gateway_load "$1"
	initiate "$1" c1
}
moved() { ip -n gwa xfrm state | grep -q 198.51.100.2; }
story() {
	sleep 3
	"story_$(opt x how)"
	sleep 3
	end gwc KILL
	client_c_gone
}
story_reboot() {
	OLD=$SECOND
	lost c
	again c
	wait_gone
	wait_sas 4
}
# what it had lives on beside the new one, until it is found to be dead
story_reboot-lives() {
	OLD=$SECOND
	lost c
	again c
	wait_gone
}
story_reboot-refused() {
	OLD=$SECOND
	lost c
	again c
	wait_gone
}
story_reboot-amid-checks() {
	OLD=$SECOND
	lost c
	wait_log a 'retransmit 1 of'
	again c
	wait_gone
	wait_sas 4
}
story_reboot-and() {
	lost c
	again c &
	case $(opt x other) in
	moves)
		note 'gwb loses 198.51.100.1'
		ip -n gwb addr flush dev out to 198.51.100.0/24
		ip -n gwb addr add 198.51.100.2/24 dev out
		ip -n gwb route replace default via 198.51.100.254
		wait_for 60 'the SAs of gwb have the new address' moved
		OLD=$SECOND ;;
	leaves) order b --terminate --ike tun || : ;;
	ordered) order a --terminate --ike-id "$(swan a --list-sas --raw | grep -oE 'tun \{uniqueid=[0-9]+' | sed 's/.*=//' | sort -n | head -n 1)" || : ;;
	reauths) order b --rekey --ike tun --reauth || : ;;
	esac
	wait $! || :
	wait_gone
}
story_silent-one() {
	OLD=$SECOND
	wait_log a 'parsed INFORMATIONAL response' 30
	path_drop 'iifname "rd"'
	path_drop 'oifname "rd"'
	wait_gone
}
story_leaves() {
	OLD=$SECOND
	order c --terminate --ike tun || :
	wait_gone
}
story_one-identity() {
	P[id_c]=gwb
	charon_conn c
	order c --load-conns --file "$W/c/swanctl.conf"
	initiate c c1
	wait_gone
	wait_sas 2
}
story_all-silent() {
	wait_log b 'parsed INFORMATIONAL request' 30
	wait_log c 'parsed INFORMATIONAL request' 30
	path_down
	wait_gone
}
peer_b() { if [ -n "$(opt x nat)" ]; then echo 203.0.113.7; else echo 198.51.100.1; fi; }
peer_c() { if [ -n "$(opt x nat)" ]; then echo 203.0.113.7; else echo 198.51.101.1; fi; }
b_is() { alarm peer="$(peer_b)" inside=10.9.0.1 confidence=likely by="$(daemon_comm)" "$@"; }
c_is() { alarm peer="$(peer_c)" inside=10.9.0.2 confidence=likely by="$(daemon_comm)" "$@"; }
expect() {
	case $(opt x how) in
	reboot | reboot-amid-checks)
		# from elsewhere, while its old address is still taken, it is given another one
		c_is reason='kick old sa with same flow' up="$([ -n "$(opt c move)" ] && echo any || echo true)" ordered=none \
			maybe="$([ -n "$(opt x unknowable)" ] && echo 'dpd timeout')" ;;
	reboot-lives) c_is reason='dpd timeout' up=any ordered=none ;;
	reboot-refused) c_is reason='dpd timeout' up=false ordered=none ;;
	reboot-and)
		c_is reason='kick old sa with same flow' up=true
		case $(opt x other) in
		moves) b_is reason='peer address switch' up=true ;;
		leaves) b_is reason='peer request' up=false ordered=none ;;
		ordered) b_is reason='config modify or manual offline' up=false ordered='^swanctl$' ;;
		reauths) b_is reason='phase1 sa replace' up=true ordered=none ;;
		esac ;;
	silent-one) c_is reason='dpd timeout' up=false ordered=none ;;
	leaves) c_is reason='peer request' up=false ordered=none ;;
	one-identity) b_is reason='kick old sa with same flow' up=any ordered=none ;;
	all-silent)
		b_is reason='dpd timeout' up=false ordered=none
		c_is reason='dpd timeout' up=false ordered=none ;;
	esac
}
