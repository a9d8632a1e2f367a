# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwa knows its peer by name. The name gets another address, is gone, or cannot be resolved any more; a script of gwa
# that looks it up takes the tunnel down, and where there is a new address, sets it up there. Beside that another name
# changes while the same script does its work for another reason, and a person does what the script would have done.
variations() {
	variation moved what=moved
	variation moved-aead what=moved ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd dpd_a=5
	variation nxdomain what=nxdomain
	variation servfail what=servfail
	variation other-name what=other
	variation person what=moved person=yes
	variation other-name-silence what=other-silence dpd_a=2
	variation moved-libreswan what=moved daemon_a=pluto
	variation nxdomain-libreswan what=nxdomain daemon_a=pluto
	variation servfail-libreswan what=servfail daemon_a=pluto
	variation moved-starter what=moved daemon_a=starter
	variation nxdomain-starter what=nxdomain daemon_a=starter
	variation servfail-starter what=servfail daemon_a=starter
	variation nxdomain-openiked what=nxdomain daemon_a=iked
	variation servfail-openiked what=servfail daemon_a=iked
	variation moved-openiked what=moved daemon_a=iked
}
dns_conf() {
	mkdir -p "$W/dns" /etc/netns/gwa
	echo 'nameserver 10.1.0.2' >/etc/netns/gwa/resolv.conf
	printf '198.51.100.1 peer.lab\n203.0.113.9 other.lab\n' >"$W/dns/hosts"
	chmod 755 "$W" "$W/dns"
	cat >"$W/dns/conf" <<-CONF
		no-resolv
		no-hosts
		addn-hosts=$W/dns/hosts
		listen-address=10.1.0.2
		bind-interfaces
		$([ "$(opt x what)" = servfail ] && echo server=10.1.0.3 || echo local=/lab/)
		user=root
		pid-file=$W/dns/pid
		log-queries
		log-facility=$W/dns/log
	CONF
	background dns ip netns exec hosta dnsmasq -k -C "$W/dns/conf"
}
# an upstream server that fails: by hand, for no packaged one does so on demand
dns_failing() {
	ip -n hosta addr add 10.1.0.3/16 dev eth0
	on hosta python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.1.0.3", 53))
while True:
    q, a = s.recvfrom(512)
    s.sendto(q[:2] + bytes([0x81, 0x82]) + q[4:], a)
'
}
dns_becomes() {
	note "dnsmasq: $*"
	printf '%s\n' "$@" >"$W/dns/hosts"
	kill -HUP "${PID[dns]}"
}
in_gwa_background() {
	local name=$1
	shift
	STRONGSWAN_CONF=$W/a/strongswan.conf background "$name" env nsenter -t "${PID[gwa]}" -m -n "$@"
}
# what an operator would have run by a timer: looks the names up, acts on the peer's (or when told to)
watch() {
	cat >"$W/watch.sh" <<-SCRIPT
		#!/bin/sh
		was=\$(getent ahostsv4 peer.lab | cut -d ' ' -f 1 | head -n 1)
		while :; do
			getent ahostsv4 other.lab >/dev/null
			is=\$(getent ahostsv4 peer.lab | cut -d ' ' -f 1 | head -n 1)
			[ "\$is" = "\$was" ] || break
			[ ! -e $W/now ] || break
			sleep 0.7
		done
		$(end_command)
		[ -z "\$is" ] || [ "\$is" = "\$was" ] || { $(begin_command); }
	SCRIPT
	chmod +x "$W/watch.sh"
	in_gwa_background watch "$W/watch.sh"
}
looked_up() { grep -q "query\[A\] $1" "$W/dns/log"; }
before() {
	need dnsmasq
	P[remote_addrs_a]=peer.lab
	P[pluto_right_a]=peer.lab
	P[local_addrs_b]=%any
	dns_conf
	agent_start
	agent_ready
	tunnels_up
	if [ -z "$(opt x person)" ]; then watch; else in_gwa_background look getent ahostsv4 peer.lab; fi
	wait_for 20 'the names were looked up' looked_up peer.lab
}
story() {
	sleep 4
	case $(opt x what) in
	moved)
		dns_becomes '198.51.100.2 peer.lab' '203.0.113.9 other.lab'
		if [ -n "$(opt x person)" ]; then
			sleep 1
			in_gwa_background look getent ahostsv4 peer.lab
			sleep 1
			person a swanctl --terminate --ike tun --timeout 20
			person a swanctl --initiate --child c1 --timeout 20
		fi ;;
	nxdomain) dns_becomes '203.0.113.9 other.lab' ;;
	servfail)
		background failing dns_failing
		sleep 1
		dns_becomes '203.0.113.9 other.lab' ;;
	other)
		dns_becomes '198.51.100.1 peer.lab' '203.0.113.10 other.lab'
		sleep 2
		touch "$W/now" ;;
	other-silence)
		dns_becomes '198.51.100.1 peer.lab' '203.0.113.10 other.lab'
		path_down ;;
	esac
	wait_gone
	# iked takes what comes and begins nothing here
	if [ "$(opt x what)" = moved ] && [ "$(opt a daemon)" != iked ]; then wait_sas 2; fi
	rm -rf /etc/netns/gwa
}
expect() {
	local reason='dns resolution status change' up=false ordered
	ordered=$(end_comm)
	case $(opt x what) in
	moved) up=any ;;
	other) reason='config modify or manual offline' ;;
	other-silence) reason='dpd timeout' ordered=none ;;
	esac
	[ -z "$(opt x person)" ] || reason='config modify or manual offline'
	alarm reason="$reason" peer=198.51.100.1 inside=10.2.0.0 up=$up by="$(daemon_comm)" ordered="$ordered" confidence=likely
}
