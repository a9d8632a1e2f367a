# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwa is behind a NAT: the router sends what it says from 203.0.113.9, ports of the NAT's own choosing. Its SAs are between
# its own address and the peer's, as is the IKE that it sees. The NAT may forget it, or give it another port.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256'
	# shellcheck disable=SC2086  # words
	{
		variation silent how=silent dpd_a=2
		variation peer core=yes how=peer $gcm
		variation ordered how=order
		variation rekey how=rekey
		variation reauth how=reauth
		variation reauth-aead how=reauth $gcm
		variation forgets core=yes how=forgets dpd_a=2
		variation forgets-aead how=forgets dpd_a=3 $gcm
		variation forgets-quiet how=forgets-quiet
		variation moves-then-silent how=moves-silent dpd_a=2
		variation moves-then-peer how=moves-peer
		variation mobike-moves how=moves-peer mobike=yes dpd_a=2
		variation both how=silent dpd_a=2 nat=yes
		variation both-peer how=peer nat=yes
		variation ikev1-silent how=silent version=1 dpd_a=1 dpd_timeout_a=5
		variation ikev1-peer how=peer version=1
		variation libreswan-silent how=silent daemon_a=pluto dpd_a=2
		variation libreswan-peer how=peer daemon_a=pluto
		variation libreswan-forgets how=forgets daemon_a=pluto dpd_a=2 $gcm
	}
}
# nat_here PORT: gwa is that port outside; only what it began itself comes back, as through any NAT
nat_here() {
	on router nft -f - <<-NFT
		table ip here
		delete table ip here
		table ip here {
			chain out {
				type nat hook postrouting priority 100
				oifname "rb" ip saddr 192.0.2.0/24 meta l4proto udp snat to 203.0.113.9:$1-$(($1 + 50))
			}
		}
	NFT
	on router conntrack -F >/dev/null 2>&1
	note "gwa is ports from $1 on outside"
}
before() {
	P[local_addrs_b]=198.51.100.1
	P[remote_addrs_b]=%any
	P[charon_more]='keep_alive = 2s'
	agent_start
	nat_here 30000
	tunnels_up
	agent_ready
}
story() {
	sleep 3
	case $(opt x how) in
	silent) path_down ;;
	order) order a --terminate --ike tun || : ;;
	peer) order b --terminate --ike tun || : ;;
	rekey) order a --rekey --child c1 || : ;;
	reauth) order a --rekey --ike tun --reauth || : ;;
	forgets)
		# what the peer sends gets no further than the NAT
		path_drop iifname rb udp sport '{ 500, 4500 }'
		nat_here 40000 ;;
	forgets-quiet)
		path_drop iifname rb udp sport '{ 500, 4500 }'
		order a --rekey --child c1 || : ;;
	moves-silent)
		nat_here 40000
		sleep 5
		path_down ;;
	moves-peer)
		nat_here 40000
		order a --rekey --child c1 || :
		sleep 3
		OLD=$(spis gwa)
		order b --terminate --ike tun || : ;;
	esac
	wait_gone 120
}
expect() {
	local reason up=false ordered=none
	! is_pluto a || up=any # it begins again by itself
	case $(opt x how) in
	silent | forgets | moves-silent) reason='dpd timeout' ;;
	forgets-quiet) reason='exchange timeout' ;;
	order) reason='config modify or manual offline' ordered='^swanctl$' ;;
	peer) reason='peer request' ;;
	rekey) reason='phase2 sa replace' up=true ordered='^swanctl$' ;;
	reauth) reason='phase1 sa replace' up=true ordered='^swanctl$' ;;
	moves-peer)
		alarm reason='phase2 sa replace' peer="$(peer_of a)" inside=10.2.0.0 up=any by=^charon ordered='^swanctl$' confidence=likely
		reason='peer request' ;;
	esac
	alarm reason="$reason" peer="$(peer_of a)" inside=10.2.0.0 up=$up by="$(daemon_comm)" ordered="$ordered" confidence=likely \
		version="$(opt a version 2)"
}
