# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W, PID and OLD are those of lib.sh
# The way to the peer goes over a device that a process holds (openvpn, pppd and their like): tests/lab/tun.py on gwa and on
# the router, over UDP. The device goes with its process, or stays without a carrier, or its line is silent while it stays;
# or it comes back at once, as it was or with another address. A WireGuard device is the kernel's own, and has no carrier.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256'
	local roams='local_addrs_a=%any remote_addrs_b=%any'
	# shellcheck disable=SC2086  # words
	{
		variation stopped how=stopped dpd_a=2
		variation killed how=killed dpd_a=2 $gcm
		variation line-silent how=line dpd_a=2
		variation peer how=peer $gcm
		variation down how=down dpd_a=2
		variation deleted how=deleted dpd_a=2
		# it comes back at once as it was: the tunnel stays, and ends for another cause later
		variation restarted-peer how=restarted next=peer $gcm
		variation restarted-down how=restarted next=down dpd_a=2
		# and with another address
		variation readdressed how=readdressed $roams
		# a second uplink is left over
		variation left-over-killed how=killed second=yes dpd_a=2
	}
}
# the line below it, between gwa's `port` and the router's `raport`
line_make() {
	ip -n gwa link set out down
	ip -n gwa addr flush dev out
	ip -n gwa link set out name port
	ip -n gwa addr add 203.0.113.129/30 dev port
	ip -n gwa link set port up
	ip -n router link set ra down
	ip -n router addr flush dev ra
	ip -n router link set ra name raport
	ip -n router addr add 203.0.113.130/30 dev raport
	ip -n router link set raport up
}
holder_ready() { grep -q holds "$W/$1.out"; }
# holder NAME SPACE DEVICE LOCAL REMOTE
holder() {
	rm -f "$W/$1.out"
	background "$1" ip netns exec "$2" python3 /ikewatch/tests/lab/tun.py "$3" "$4" "$5" "$(opt x persist)"
	wait_for 30 "$3 is held by $1" holder_ready "$1"
}
# here ADDRESS: gwa's end of it, as its holder makes it
here() {
	if [ "$(opt x on)" = wireguard ]; then
		ip -n gwa link add out type wireguard || fail 'no second WireGuard device'
		on gwa python3 /ikewatch/tests/lab/wireguard.py out a 203.0.113.130 || fail 'WireGuard: refused'
	else
		holder tun_a gwa out 203.0.113.129 203.0.113.130
	fi
	ip -n gwa -batch - <<-BATCH
		addr add $1/24 dev out
		link set out up
		route replace default via 192.0.2.254 dev out
	BATCH
	on gwa sh -c 'echo 0 >/proc/sys/net/ipv4/conf/out/rp_filter'
	note "out is there, with $1"
}
there() {
	if [ "$(opt x on)" = wireguard ]; then
		ip -n router link add ra type wireguard || skip 'no WireGuard in this kernel'
		on router python3 /ikewatch/tests/lab/wireguard.py ra b 203.0.113.129 || fail 'WireGuard: refused'
	else
		modprobe -q tun || skip 'no tun devices in this kernel'
		[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
		holder tun_b router ra 203.0.113.130 203.0.113.129
	fi
	ip -n router addr add 192.0.2.254/24 dev ra
	ip -n router link set ra up
	on router sh -c 'echo 0 >/proc/sys/net/ipv4/conf/ra/rp_filter'
}
undo() {
	local n
	end tun_a KILL
	end tun_b KILL
	for n in gwa/out gwa/port gwa/out2 router/ra router/raport; do
		ip -n "${n%/*}" link del "${n#*/}" 2>/dev/null || :
	done
	ip -n gwa route del default metric 500 2>/dev/null || :
	link_again
}
before() {
	# nowhere else to go
	ip -n gwa addr del 2001:db8:1::1/64 dev out
	ip -n gwb addr del 2001:db8:2::1/64 dev out
	line_make
	there
	here 192.0.2.1
	[ -z "$(opt x second)" ] || uplink_second metric 500
	agent_start
	agent_ready
	tunnels_up
}
still_up() {
	[ -n "${NO_AGENT:-}" ] || [ "$(agent_alarms | wc -l)" = 0 ] || fail "an alarm though no SA went: $(agent_alarms | jq -c .offline_reason)"
	spis gwa | grep -qxF -- "$OLD" || fail 'the SAs did not stay'
}
goes() {
	case $(opt x on)$1 in
	wireguard*) ip -n gwa link del out ;;
	*stopped | *restarted) end tun_a TERM ;;
	*) end tun_a KILL ;;
	esac
	note "out's holder: $1"
}
story() {
	[ -z "$(opt x traffic)" ] || traffic_start 1
	sleep 4
	case $(opt x how) in
	stopped | killed) goes "$(opt x how)" ;;
	line) line_drop ;;
	hangs) note "the holder at the router is stopped"; kill -STOP "${PID[tun_b]}" ;;
	peer) order b --terminate --ike tun || : ;;
	order) order a --terminate --ike tun || : ;;
	down) note 'out is set down'; ip -n gwa link set out down ;;
	deleted) note 'ip link del out'; ip -n gwa link del out ;;
	restarted)
		goes restarted
		sleep 0.5
		here 192.0.2.1
		sleep 3
		still_up
		wait_for 30 'traffic goes through the tunnel' on hosta ping -q -c 1 -W 1 10.2.0.2 >/dev/null ;;
	readdressed)
		goes restarted
		nap "$(opt x after 0)"
		here 192.0.2.3
		[ "$(opt x next)" != silent ] || path_down ;;
	esac
	case $(opt x next) in
	silent) path_down ;;
	peer) if is_pluto b; then whack b --name c1 --terminate || :; else order b --terminate --ike tun || :; fi ;;
	order) sleep 3; order a --terminate --ike tun || : ;;
	down) note 'out is set down'; ip -n gwa link set out down ;;
	esac
	wait_gone 120
	sleep 1
	traffic_stop 1
	[ -z "${PID[tun_b]:-}" ] || kill -CONT "${PID[tun_b]}"
	undo
}
# the line's packets, not what is in them
line_drop() {
	on router nft -f - <<-NFT
		table ip here
		delete table ip here
		table ip here {
			chain line {
				type filter hook input priority 0
				iifname "raport" counter drop
			}
		}
	NFT
	note 'the line below out is silent'
}
expect() {
	local reason up=false ordered=none confidence=likely by iface=out
	by=$(daemon_comm)
	case $(opt x how) in
	stopped | killed) reason='interface removed' ; [ -z "$(opt x persist)" ] || reason='dpd timeout' ;;
	deleted) reason='interface removed' ;;
	line | hangs) reason='dpd timeout' ;;
	down) reason='admin down' ;;
	readdressed) reason='peer address switch' up=any iface='' ;;
	esac
	case $(opt x how):$(opt x next) in
	# where it is not back from there, either is as good
	readdressed:silent) reason='interface removed|peer address switch' up=false confidence=possible ;;
	readdressed:*) ;;
	peer: | *:peer) reason='peer request' ;;
	order: | *:order) reason='config modify or manual offline' ordered='^swanctl$' ;;
	*:silent) reason='dpd timeout' ;;
	*:down) reason='admin down' ;;
	esac
	# the SAs move, or authenticate anew from there
	case $(opt x second):$(opt a local_addrs):$(opt a mobike) in
	yes:%any:yes) reason='peer address switch' up=true iface='' ;;
	yes:%any:*) up=any iface='' ;;
	esac
	! is_pluto a || up=any
	alarm reason="$reason" inside=10.2.0.0 ${iface:+iface="$iface"} up=$up by="$by" ordered="$ordered" confidence=$confidence
}
