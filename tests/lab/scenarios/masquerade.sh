# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W and OLD are those of lib.sh
# The gateway is the NAT of those behind it, too, and somebody there has an IKE daemon of his own that speaks to the very
# gateway which ours has its tunnel to. Outside both have one address: what he says is not what our daemon says, and has
# nothing to do with our tunnel. He is there before, begins as it ends, leaves as it ends, or tries in vain all the time.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	# shellcheck disable=SC2086  # words
	{
		variation there-silent client=there how=silent dpd_a=2
		variation there-order client=there how=order
		variation there-peer client=there how=peer $gcm
		variation refused-silent core=yes client=refused how=silent dpd_a=2
		variation refused-order client=refused how=order
		variation refused-peer client=refused how=peer
		variation refused-silent-aead client=refused how=silent dpd_a=2 $gcm
		variation begins-silent client=begins how=silent dpd_a=2
		variation begins-peer client=begins how=peer
		variation begins-peer-aead client=begins how=peer $gcm
		variation begins-order client=begins how=order
		variation begins-flush client=begins how=flush
		variation leaves-silent client=leaves how=silent dpd_a=2
		variation leaves-peer client=leaves how=peer
		variation leaves-order core=yes client=leaves how=order
		variation leaves-child client=leaves how=child
		variation there-rekey client=there how=rekey
		variation begins-rekey client=begins how=rekey
		variation begins-reauth client=begins how=reauth
		variation refused-silent-4500 client=refused how=silent dpd_a=2 mobike=yes
		variation begins-peer-4500 client=begins how=peer mobike=yes
		variation refused-silent-ikev1 client=refused how=silent version=1 dpd_a=1 dpd_timeout_a=4
		variation begins-peer-ikev1 client=begins how=peer version=1
		variation leaves-order-ikev1 client=leaves how=order version=1
	}
}
charon_conn() {
	local side=$1
	{
		echo 'connections {'
		case $side in
		a) plain_conn a tun 192.0.2.1 198.51.100.1 gwa gwb c1 10.1.0.0/16 10.2.0.0/16 none ;;
		b)
			plain_conn b tun 198.51.100.1 192.0.2.1 gwb gwa c1 10.2.0.0/16 10.1.0.0/16 none
			plain_conn b road 198.51.100.1 %any gwb client r1 10.4.0.0/16 10.99.0.1/32 none ;;
		c) plain_conn c road 10.1.0.2 198.51.100.1 client gwb r1 10.99.0.1/32 10.4.0.0/16 none ;;
		esac
		echo '}'
		echo "secrets { ike-tun { secret = $([ "$side$(opt x client)" = crefused ] && echo another || echo the)-secret-of-the-lab } }"
	} >"$W/$side/swanctl.conf"
}
client_start() {
	mkdir -p "$W/c/run"
	charon_conf c
	charon_conn c
	STRONGSWAN_CONF=$W/c/strongswan.conf background gwc ip netns exec hosta \
		bash -c "mount --bind '$W/c/run' /run && exec /usr/lib/ipsec/charon"
	CONF[c]=$W/c/swanctl.conf
	charon_load c
}
client_up() {
	initiate c r1
	[ "$(opt x client)" = refused ] || wait_for 60 'SAs of the one behind us' sas_are hosta 2
}
before() {
	agent_start
	on gwa nft -f - <<-NFT || fail "nft: refused"
		table ip behind {
			chain out {
				type nat hook postrouting priority 100
				oifname "out" ip saddr 10.1.0.0/16 udp dport { 500, 4500 } masquerade
			}
		}
	NFT
	gateway_start b
	gateway_start a
	gateway_load b
	gateway_load a
	agent_ready
	client_start
	case $(opt x client) in there | leaves) client_up ;; esac
	initiate a c1
	wait_for 60 'SAs on gwa' sas_are gwa 2
	OLD=$(spis gwa)
}
# what the one behind us does, as the tunnel's end begins
client_acts() {
	case $(opt x client) in
	begins) client_up ;;
	leaves) order c --terminate --ike road || : ;;
	refused) client_up; client_up ;;
	esac
}
story() {
	[ "$(opt x client)" != refused ] || client_up
	sleep 2
	case $(opt x how) in
	silent)
		client_acts
		path_down ;;
	order) client_acts; order a --terminate --ike tun || : ;;
	child) client_acts; order a --terminate --child c1 || : ;;
	peer) client_acts; order b --terminate --ike tun || : ;;
	rekey) client_acts; order a --rekey --child c1 || : ;;
	reauth) client_acts; order a --rekey --ike tun --reauth || : ;;
	flush)
		client_acts
		note 'ip xfrm state flush'
		ip -n gwa xfrm state flush ;;
	esac
	wait_gone
	on gwa nft delete table ip behind
	on gwa conntrack -F >/dev/null 2>&1 || :
}
expect() {
	local reason ordered=none up=false by='^charon'
	case $(opt x how) in
	silent) reason='dpd timeout' ;;
	order | child) reason='config modify or manual offline' ordered='^swanctl$' ;;
	peer) reason='peer request' ;;
	rekey) reason='phase2 sa replace' up=true ordered='^swanctl$' ;;
	reauth) reason='phase1 sa replace' up=true ordered='^swanctl$' ;;
	flush) reason='config modify or manual offline' by='^ip$' ;;
	esac
	alarm reason="$reason" peer=198.51.100.1 inside=10.2.0.0 up=$up by="$by" ordered="$ordered" confidence=likely version="$(opt a version 2)"
}
