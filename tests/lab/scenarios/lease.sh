# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwb's inner address is a DHCP lease that gwa (strongSwan's dhcp plugin, which never renews) got for it from ISC dhcpd
# on hosta. The lease runs out and dhcpd's own hook takes the tunnel down; or it runs out and a person does so later,
# or the peer goes away at just that time. No daemon of Linux deletes a tunnel by itself because a lease ended.
variations() {
	variation expired what=expired
	variation expired-aead what=expired ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd
	variation expired-chacha what=expired ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305
	variation expired-person what=person
	variation expired-peer what=peer
	variation expired-starter what=expired daemon_a=starter
	variation expired-starter-aead what=expired daemon_a=starter ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation expired-starter-chacha what=expired daemon_a=starter ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305
}
dhcpd_start() {
	mkdir -p "$W/dhcp"
	: >"$W/dhcp/leases"
	cat >"$W/dhcp/expired.sh" <<-SCRIPT
		#!/bin/sh
		[ "$(opt x what)" = expired ] || exit 0
		STRONGSWAN_CONF=$W/a/strongswan.conf exec nsenter -t \$(cat $W/gwa.pid) -m -n $(end_command)
	SCRIPT
	chmod +x "$W/dhcp/expired.sh"
	cat >"$W/dhcp/conf" <<-CONF
		authoritative;
		default-lease-time 14;
		max-lease-time 14;
		min-lease-time 14;
		subnet 10.1.0.0 netmask 255.255.0.0 {
			range 10.1.9.1 10.1.9.20;
			on expiry {
				execute("$W/dhcp/expired.sh");
			}
		}
	CONF
	background dhcpd ip netns exec hosta dhcpd -f -d -4 -cf "$W/dhcp/conf" -lf "$W/dhcp/leases" -pf "$W/dhcp/pid" eth0
}
charon_conn() {
	local side=$1
	settings "$side" ike=aes128-sha256-ecp256 esp=aes128-sha256
	cat >"$W/$side/swanctl.conf" <<-CONF
		connections {
			tun {
				version = 2
				local_addrs = $(addr "$side")
				remote_addrs = $(addr "$(other "$side")")
				proposals = ${V[ike]}
				rekey_time = 0
				reauth_time = 0
				mobike = no
				$([ "$side" = a ] && echo 'pools = dhcp' || echo 'vips = 0.0.0.0')
				local {
					auth = psk
					id = gw$side
				}
				remote {
					auth = psk
					id = gw$(other "$side")
				}
				children {
					c1 {
						$([ "$side" = a ] && echo 'local_ts = 10.1.0.0/16' || echo 'remote_ts = 10.1.0.0/16')
						esp_proposals = ${V[esp]}
						rekey_time = 0
						rand_time = 0
						life_time = 4h
					}
				}
			}
		}
		secrets {
			ike-tun {
				secret = the-secret-of-the-lab
			}
		}
	CONF
}
before() {
	need dhcpd
	P[plugins_a]=dhcp
	P[charon_more_a]='plugins {
		dhcp {
			server = 10.1.0.2
			identity_lease = yes
		}
	}'
	P[starter_right_a]='rightid=@gwb
			authby=secret
			rightsourceip=%dhcp'
	agent_start
	agent_ready
	dhcpd_start
	gateway_start b
	gateway_start a
	echo "${PID[gwa]}" >"$W/gwa.pid"
	gateway_load b
	gateway_load a
	initiate b c1
	wait_for 60 'SAs on gwa' sas_are gwa 2
	OLD=$(spis gwa)
	INNER=$(ip -n gwa xfrm policy | sed -n 's,.*dst \(10\.1\.9\.[0-9]*\)/32.*,\1,p' | head -n 1)
	note "SAs on gwa: ${OLD//$'\n'/ }, inner address $INNER"
}
story() {
	case $(opt x what) in
	person)
		sleep 16
		person a swanctl --terminate --ike tun --timeout 20 ;;
	peer)
		sleep 13
		order b --terminate --ike tun --timeout 20 ;;
	esac
	wait_gone 60
}
expect() {
	case $(opt x what) in
	expired) alarm reason='modecfg address soft expiry' peer=198.51.100.1 inside="$INNER" up=false by='^charon' ordered="$(end_comm)" confidence=likely ;;
	person) alarm reason='config modify or manual offline' peer=198.51.100.1 inside="$INNER" up=false by='^charon' ordered='^swanctl$' confidence=likely ;;
	peer) alarm reason='peer request' peer=198.51.100.1 inside="$INNER" up=false by='^charon' ordered=none confidence=likely ;;
	esac
}
