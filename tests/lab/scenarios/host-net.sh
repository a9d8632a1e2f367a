# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W, PID and OLD are those of lib.sh
# What an operator or a script does to the network of gwa's own host, beside the daemon: the orders of a shutdown and of a
# restart of the network, an interface renamed, enslaved or taken away, a firewall loaded anew, policies flushed, tc begun anew. Mostly the tunnel
# outlives that, and ends later for a reason of its own.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	local pluto='daemon_a=pluto' pluto_gcm='pluto_ike=aes_gcm256-sha2_384-ecp_256 pluto_esp=aes_gcm256'
	# shellcheck disable=SC2086  # words
	{
		variation ifdown-stop what=ifdown later=stop
		variation ifdown-stop-libreswan what=ifdown later=stop $pluto
		variation stop-ifdown what=stop-ifdown
		variation restarted-silent what=restarted later=silent dpd_a=4
		variation readdressed-peer what=readdressed later=peer $gcm
		variation firewall what=firewall dpd_a=2
		variation firewall-ikev1 core=yes what=firewall dpd_a=3 dpd_timeout_a=8 version=1
		variation firewall-ikev1-often what=firewall dpd_a=1 dpd_timeout_a=5 version=1
		variation firewall-ikev1-3des what=firewall dpd_a=1 dpd_timeout_a=5 version=1 ike=3des-sha1-modp2048 esp=3des-sha1
		variation firewall-traffic what=firewall dpd_a=2 traffic=yes
		variation firewall-libreswan what=firewall dpd_a=2 $pluto
		variation firewall-passes what=firewall-passes later=peer dpd_a=3 rt_a='0.8 1.5 4' $gcm
		variation firewall-passes-order what=firewall-passes later=order dpd_a=3 rt_a='0.8 1.5 4'
		variation policies-peer what=policies later=peer
		variation policies-rekey what=policies later=rekey
		variation policies-silent what=policies later=silent dpd_a=3 $gcm
		variation policies-order-libreswan what=policies later=order $pluto
		variation outage core=yes what=outage dpd_a=2 rt_a='0.8 1.5 3'
		variation outage-ikev1 what=outage dpd_a=2 dpd_timeout_a=8 version=1
		variation away what=away dpd_a=2
		variation enslaved what=enslaved dpd_a=2
		variation renamed-silent what=renamed later=silent dpd_a=3
		variation hooks-gone-peer core=yes what=hooks-gone later=peer
		variation hooks-gone-silent what=hooks-gone later=silent dpd_a=3 $gcm
		variation hooks-gone-rekey what=hooks-gone later=rekey
	}
}
before() {
	agent_start
	agent_ready
	tunnels_up
}
addresses() {
	ip -n gwa -batch - <<-BATCH
		addr replace 192.0.2.1/24 dev out
		addr replace 192.0.2.3/24 dev out
		addr replace 2001:db8:1::1/64 dev out nodad
		route replace default via 192.0.2.254
		route replace default via 2001:db8:1::fe
	BATCH
}
all_undone() {
	ip -n gwa link del br7 2>/dev/null
	if ip -n gwa link show wan >/dev/null 2>&1; then
		ip -n gwa link set wan down
		ip -n gwa link set wan name out
	fi
	ip -n router link set out netns gwa 2>/dev/null
	ip -n gwa link set out up
	on gwa nft 'table inet fw; delete table inet fw' 2>/dev/null
	link_again
}
firewall() {
	on gwa nft -f - <<-NFT
		table inet fw {
			chain input {
				type filter hook input priority 0; policy drop;
				iif lo accept
				icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
			}
		}
	NFT
	note 'gwa: the firewall is loaded, and lets nothing in'
}
# what a daemon does before a check is known by those that were answered
checked() { log_count a 'parsed INFORMATIONAL(_V1)? (response|request)' 2; }
deed() {
	case $(opt x what) in
	ifdown)
		note 'gwa: the interface is set down'
		ip -n gwa link set out down
		sleep 1 ;;
	stop-ifdown)
		note 'gwa: SIGTERM, and the interface is set down'
		kill -TERM "${PID[gwa]}"
		ip -n gwa link set out down ;;
	restarted)
		note 'gwa: the network is restarted'
		ip -n gwa link set out down
		nap 1
		ip -n gwa link set out up
		addresses
		sleep 5 ;;
	readdressed)
		note 'gwa: the addresses are taken and set again'
		ip -n gwa addr flush dev out
		addresses
		sleep 5 ;;
	firewall) firewall ;;
	firewall-passes)
		firewall
		wait_for 20 'a check is not answered' log_has a 'retransmit 1 of'
		on gwa nft delete table inet fw
		note 'gwa: the firewall is unloaded'
		sleep 6 ;;
	policies)
		note 'gwa: ip xfrm policy flush'
		ip -n gwa xfrm policy flush
		sleep 3 ;;
	outage)
		# up again when the last copy has been tried, a moment before the daemon gives up
		note 'gwa: the interface is set down'
		ip -n gwa link set out down
		if [ "$(opt x version 2)" = 1 ]; then sleep 7; else wait_log a 'retransmit 3 of' 40; fi
		note 'gwa: the interface is set up'
		ip -n gwa link set out up
		addresses ;;
	away)
		note 'gwa: the interface is put into another namespace'
		ip -n gwa link set out netns router ;;
	enslaved)
		ip -n gwa link add br7 type bridge || skip 'no bridges in this kernel'
		ip -n gwa link set br7 up
		note 'gwa: the interface is made a port of a bridge'
		ip -n gwa link set out master br7 ;;
	renamed)
		note 'gwa: the interface gets another name'
		ip -n gwa link set out down
		ip -n gwa link set out name wan
		ip -n gwa link set wan up
		ip -n gwa route replace default via 192.0.2.254
		sleep 4 ;;
	hooks-gone)
		note 'gwa: a script of the traffic shaper begins anew'
		tc -n gwa qdisc del dev out clsact || : # none where there is tcx
		sleep 4 ;;
	esac
}
newer_sas() { [ "$(spis gwa | grep -vcxF -- "$OLD")" -ge 2 ]; }
story() {
	[ -z "$(opt x traffic)" ] || traffic_start 1
	sleep 2
	case $(opt x what) in *outage) wait_for 30 'checks were answered' checked ;; esac
	deed
	case $(opt x later) in
	stop) note 'gwa: SIGTERM'; end gwa TERM 40 ;;
	silent) path_down ;;
	peer) order b --terminate --ike tun --timeout 30 || : ;;
	order) if is_pluto a; then whack a --name c1 --terminate >>"$W/a/whack.out" 2>&1 || :; else order a --terminate --ike tun --timeout 30 || :; fi ;;
	rekey) order a --rekey --child c1; wait_for 30 'newer SAs' newer_sas ;;
	esac
	wait_gone 150
	traffic_stop 1
	# a daemon that begins anew by itself meets the firewall too, as long as the case is open
	[ "$(opt x what)" != firewall ] || sleep 3
	all_undone
}
expect() {
	local reason up=false ordered=none confidence=likely detail=''
	case $(opt x what):$(opt x later) in
	*:stop | stop-ifdown:*) reason='config modify or manual offline' ordered='^bash$' ;;
	*:silent | firewall:*) reason='dpd timeout' ;;
	*:peer) reason='peer request' ;;
	*:order) reason='config modify or manual offline' ordered="$(end_comm)" ;;
	*:rekey) reason='phase2 sa replace' up=true ordered='' ;;
	outage:*) reason='admin down' up=any ;;
	away:*) reason='interface removed' up=any ;;
	# until its ARP entry is old packets go; then nothing leaves
	enslaved:*) reason='dpd timeout' confidence=possible ;;
	esac
	[ "$(opt x what)" != firewall ] || detail='arrived at this host'
	# of what comes within a second an answer may have been a Delete that was read late
	[ "$(opt x what)$(opt x version)$(opt a dpd)$(opt x ike)" != firewall11 ] || confidence=possible
	alarm reason="$reason" peer="$(peer_of a)" inside=10.2.0.0 up=$up by="$(daemon_comm)" ordered="$ordered" confidence=$confidence detail="$detail"
}
