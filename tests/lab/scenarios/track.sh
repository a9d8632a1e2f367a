# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# Something on gwa tracks a router or a link and takes the tunnel down by a script: keepalived loses its VRRP
# mastership or its own check fails, FRR's bfdd says a neighbour is gone, a script's pings stay unanswered. Beside them
# a person who gives the same command while all that changes, and forged packets that nobody believes.
variations() {
	variation vrrp-backup by=vrrp
	variation vrrp-check by=check ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd
	variation vrrp-person by=vrrp person=yes
	variation bfd by=bfd
	variation bfd-person by=bfd person=yes dpd_a=5
	variation bfd-forged by=bfd forged=yes dpd_a=2
	variation ping by=ping dpd_a=30
	variation ping-person by=ping person=yes
	variation vrrp-reload by=vrrp reload=yes start_a=start no_initiate=yes
	variation vrrp-libreswan by=vrrp daemon_a=pluto
	variation bfd-libreswan by=bfd daemon_a=pluto
	variation ping-libreswan by=ping daemon_a=pluto
	variation vrrp-starter by=vrrp daemon_a=starter
	variation check-starter by=check daemon_a=starter
	variation ping-starter by=ping daemon_a=starter
	variation vrrp-openiked by=vrrp daemon_a=iked
	variation check-openiked by=check daemon_a=iked
	variation bfd-openiked by=bfd daemon_a=iked
	variation vrrp-flush core=yes by=vrrp hand='ip xfrm state flush'
	variation check-flush by=check hand='ip xfrm state deleteall'
	variation bfd-flush by=bfd hand='ip xfrm state flush'
	variation ping-flush by=ping hand='ip xfrm state flush' ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation vrrp-person-flush by=vrrp person=yes hand='ip xfrm state flush'
	variation vrrp-address by=vip local_addrs_a=192.0.2.7 remote_addrs_b=192.0.2.7 dpd_a=2
	variation vrrp-address-aead by=vip local_addrs_a=192.0.2.7 remote_addrs_b=192.0.2.7 dpd_a=2 ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
}
# VRRP says that another router serves: the tunnel is not in this one's configuration any more, and it reads it again
command_of_script() {
	if [ -n "$(opt x hand)" ]; then
		opt x hand
	elif [ -n "$(opt x reload)" ]; then
		echo "swanctl --load-conns --file $W/a/backup.conf"
	else
		end_command
	fi
}
# what a gateway's script does
write_script() {
	cat >"$W/down.sh" <<-'SCRIPT'
		#!/bin/sh
		# keepalived begins as backup, and says so
		[ -e ARMED ] || exit 0
		exec COMMAND
	SCRIPT
	sed -i "s,ARMED,$W/armed,; s,COMMAND,$(command_of_script)," "$W/down.sh"
	chmod +x "$W/down.sh"
}
rival_conf() {
	cat >"$W/rival.conf" <<-CONF
		vrrp_instance inside {
			state BACKUP
			interface eth0
			virtual_router_id 51
			priority 200
			advert_int 1
			virtual_ipaddress {
				10.1.0.254/16
			}
		}
	CONF
}
keepalived_conf() {
	cat >"$W/keepalived.conf" <<-CONF
		global_defs {
			enable_script_security
			script_user root
			vrrp_garp_master_delay 0
		}
		vrrp_script check {
			script "/usr/bin/test ! -e $W/fails"
			interval 2
			timeout 10
			fall 2
			rise 1
		}
		vrrp_instance inside {
			state MASTER
			interface in
			virtual_router_id 51
			priority 100
			advert_int 1
			virtual_ipaddress {
				10.1.0.254/16
			}
			$([ "$(opt x by)" != vip ] || printf 'virtual_ipaddress_excluded {\n192.0.2.7/24 dev out\n}')
			track_script {
				check
			}
			$([ -n "$(opt x person)" ] || [ "$(opt x by)" = vip ] || printf 'notify_backup "%s"\n\t\t\tnotify_fault "%s"' "$W/down.sh" "$W/down.sh")
		}
	CONF
}
in_gwa() { STRONGSWAN_CONF=$W/a/strongswan.conf nsenter -t "${PID[gwa]}" -m -n "$@"; }
in_gwa_background() {
	local name=$1
	shift
	STRONGSWAN_CONF=$W/a/strongswan.conf background "$name" env nsenter -t "${PID[gwa]}" -m -n "$@"
}
vrrp_master() { ip -n gwa addr show dev in | grep -q 10.1.0.254; }
bfd_start() {
	local side
	mkdir -p "$W/frr/gwa" "$W/frr/hosta"
	chmod 777 "$W/frr" "$W/frr/gwa" "$W/frr/hosta"
	for side in gwa hosta; do
		printf 'bfd\n peer %s\n  receive-interval 600\n  transmit-interval 600\n' \
			"$([ $side = gwa ] && echo 10.1.0.2 || echo 10.1.0.1)" >"$W/frr/$side/bfdd.conf"
		chmod 666 "$W/frr/$side/bfdd.conf"
	done
	for side in gwa hosta; do
		local bfdctl=(--bfdctl "$W/frr/$side/ctl") # FRR 10 has none
		/usr/lib/frr/bfdd --help | grep -q -- --bfdctl || bfdctl=()
		background bfd$side ip netns exec $side /usr/lib/frr/bfdd -u frr -g frr -f "$W/frr/$side/bfdd.conf" -i "$W/frr/$side/pid" \
			-z "$W/frr/$side/zserv" --vty_socket "$W/frr/$side" "${bfdctl[@]}" -P 0 --log "file:$W/frr/$side/log"
	done
}
bfd_says() { vtysh --vty_socket "$W/frr/gwa" -c 'show bfd peers' 2>/dev/null | grep -q "Status: $1"; }
# the script of an operator who has FRR tell it what became of a neighbour
bfd_watch() {
	cat >"$W/watch.sh" <<-SCRIPT
		#!/bin/sh
		until vtysh --vty_socket $W/frr/gwa -c 'show bfd peers' | grep -q 'Status: down'; do sleep 0.3; done
		$W/down.sh
	SCRIPT
	chmod +x "$W/watch.sh"
	in_gwa_background watch "$W/watch.sh"
}
ping_watch() {
	cat >"$W/watch.sh" <<-SCRIPT
		#!/bin/sh
		failed=0
		while [ \$failed -lt 3 ]; do
			if ping -q -c 1 -W 1 -I 10.1.0.1 10.2.0.2 >/dev/null; then failed=0; else failed=\$((failed + 1)); fi
			sleep 0.5
		done
		$W/down.sh
	SCRIPT
	chmod +x "$W/watch.sh"
	in_gwa_background watch "$W/watch.sh"
}
keepalived_start() {
	local start=(in_gwa_background keepalived)
	# whose address the daemon has, comes before the daemon
	[ "$(opt x by)" != vip ] || start=(background keepalived ip netns exec gwa)
	keepalived_conf
	"${start[@]}" keepalived -n -D -P -f "$W/keepalived.conf" -p "$W/keepalived.pid" -r "$W/vrrp.pid" -l
	wait_for 30 'gwa is master' vrrp_master
}
before() {
	case $(opt x by) in
	vrrp | check | vip) need keepalived ;;
	bfd) need /usr/lib/frr/bfdd vtysh ;;
	esac
	write_script
	agent_start
	[ "$(opt x by)" != vip ] || keepalived_start
	tunnels_up
	sed '/^connections/,/^}/d' "$W/a/swanctl.conf" >"$W/a/backup.conf" 2>/dev/null || :
	agent_ready
	case $(opt x by) in
	vrrp | check) keepalived_start ;;
	bfd)
		bfd_start
		wait_for 60 'BFD is up' bfd_says up
		[ -n "$(opt x person)$(opt x forged)" ] || bfd_watch ;;
	ping)
		[ -n "$(opt x person)" ] || ping_watch ;;
	esac
}
# BFD control packets that say Down, with discriminators of nobody
forge() {
	on hosta python3 - <<-'PYTHON'
		import socket, struct, time
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
		s.bind(('10.1.0.2', 49999))
		for _ in range(40):
		    s.sendto(struct.pack('>BBBBIIIII', 0x21, 0x40, 3, 24, 0x1234, 0x9999, 200000, 200000, 0), ('10.1.0.1', 3784))
		    time.sleep(0.5)
	PYTHON
}
story() {
	touch "$W/armed"
	sleep 2
	case $(opt x by) in
	vrrp | vip)
		note 'another router of a higher priority appears'
		rival_conf
		background rival ip netns exec hosta keepalived -n -D -P -f "$W/rival.conf" -p "$W/rival.pid" -r "$W/rival.vrrp.pid" -l ;;
	check) note 'the check fails'; touch "$W/fails" ;;
	bfd)
		if [ -n "$(opt x forged)" ]; then
			background forge forge
			sleep 1
			path_down
		else
			note 'the neighbour goes silent'
			end bfdhosta KILL
			wait_for 30 'BFD is down' bfd_says down
		fi ;;
	ping)
		# the inner host is gone; the tunnel itself is well
		ip -n hostb addr flush dev eth0 to 10.2.0.2
		if [ -n "$(opt x person)" ]; then in_gwa script -qec 'ping -q -c 3 -W 1 -I 10.1.0.1 10.2.0.2' /dev/null </dev/null >/dev/null || :; fi ;;
	esac
	if [ -n "$(opt x person)" ]; then
		if [ "$(opt x by)" = vrrp ]; then wait_for 30 'gwa is backup' eval '! vrrp_master'; fi
		if [ -n "$(opt x hand)" ]; then person a "$(opt x hand)"; else person a swanctl --terminate --ike tun --timeout 20; fi
	fi
	wait_gone
	if [ "$(opt x by)" = ping ]; then
		ip -n hostb addr add 10.2.0.2/16 dev eth0
		ip -n hostb route replace default via 10.2.0.1
	fi
}
# who deletes the SAs, and who gave the daemon the order: by hand, nobody; and no script, where the address goes
by_whom() { if [ -n "$(opt x hand)" ]; then echo '^ip$'; else daemon_comm; fi; }
by_order() { if [ -n "$(opt x hand)" ] || [ "$(opt x by)" = vip ]; then echo none; else echo "$1"; fi; }
expect() {
	if [ -n "$(opt x forged)" ]; then
		alarm reason='dpd timeout' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered=none confidence=likely
	elif [ -n "$(opt x person)" ]; then
		alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=false by="$(by_whom)" ordered="$(by_order '^swanctl$')" confidence=likely
	else
		alarm reason='disconnect track nqa/bfd/vrrp' peer="$(peer_of a)" inside=10.2.0.0 up=false by="$(by_whom)" ordered="$(by_order "$(end_comm)")" \
			confidence="$(case $(opt x by) in vrrp | check) echo certain ;; *) echo likely ;; esac)"
	fi
}
