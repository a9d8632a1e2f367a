# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwa asks a RADIUS server (FreeRADIUS on hosta) who its users are; gwb is one. The server's administrator cuts the
# user, or the session's time is over, or the request is refused or forged and something else ends the tunnel.
variations() {
	variation disconnect what=cut
	variation disconnect-address what=cut framed=yes ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd
	variation disconnect-network what=cut nvip=yes dpd_a=3
	variation session-timeout what=session
	variation session-timeout-silence what=session silent=yes
	variation refused what=refused
	variation forged what=forged dpd_a=2
	variation disconnect-starter what=cut daemon_a=starter
	variation disconnect-address-starter what=cut framed=yes daemon_a=starter ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	# 9 minutes before 12 seconds are over is at once
	variation session-timeout-starter what=session daemon_a=starter starter_more=margintime=1s
	variation refused-starter what=refused daemon_a=starter
}
radius_conf() {
	local dir=$W/radius
	mkdir -p "$dir"
	cat >"$dir/radiusd.conf" <<-CONF
		prefix = /usr
		logdir = $dir
		raddbdir = $dir
		run_dir = $dir
		libdir = /usr/lib/freeradius
		log {
			destination = files
			file = $dir/radius.log
		}
		client gwa {
			ipaddr = 10.1.0.1
			secret = between-us
		}
		modules {
			eap {
				default_eap_type = md5
				md5 {
				}
			}
			files {
				filename = $dir/users
			}
		}
		server lab {
			listen {
				type = auth
				ipaddr = 10.1.0.2
				port = 1812
			}
			authorize {
				eap {
					ok = return
				}
				files
			}
			authenticate {
				eap
			}
		}
	CONF
	{
		printf 'alice Cleartext-Password := "wonderland"\n'
		if [ "$(opt x what)" = session ]; then printf '\tSession-Timeout := %s,\n' "$([ -n "$(opt x silent)" ] && echo 35 || echo 12)"; fi
		if [ -n "$(opt x framed)" ]; then printf '\tFramed-IP-Address := 10.3.0.77,\n'; fi
		printf '\tReply-Message := "welcome"\n'
	} >"$dir/users"
	background radius ip netns exec hosta freeradius -d "$dir" -n radiusd -f
}
# both ends differ from the other stories': EAP, and mostly a virtual address
charon_conn() {
	local side=$1
	settings "$side" ike=aes128-sha256-ecp256 esp=aes128-sha256 dpd=0
	if [ "$side" = a ]; then
		cat <<-CONF
			connections {
				tun {
					version = 2
					local_addrs = 192.0.2.1
					proposals = ${V[ike]}
					dpd_delay = ${V[dpd]}
					rekey_time = 0
					over_time = 1
					mobike = no
					$([ -n "$(opt x nvip)" ] || echo "pools = $([ -n "$(opt x framed)" ] && echo radius || echo users)")
					local {
						auth = psk
						id = gwa
					}
					remote {
						auth = eap-radius
						id = %any
						eap_id = %any
					}
					children {
						c1 {
							local_ts = 10.1.0.0/16
							$([ -z "$(opt x nvip)" ] || echo 'remote_ts = 10.2.0.0/16')
							esp_proposals = ${V[esp]}
							rekey_time = 0
							rand_time = 0
							life_time = 4h
						}
					}
				}
			}
			pools {
				users {
					addrs = 10.3.0.0/24
				}
			}
			secrets {
				ike-tun {
					secret = the-secret-of-the-lab
				}
			}
		CONF
	else
		cat <<-CONF
			connections {
				tun {
					version = 2
					local_addrs = 198.51.100.1
					remote_addrs = 192.0.2.1
					proposals = ${V[ike]}
					reauth_time = 0
					mobike = no
					$([ -n "$(opt x nvip)" ] || echo 'vips = 0.0.0.0')
					local {
						auth = eap
						id = gwb
						eap_id = alice
					}
					remote {
						auth = psk
						id = gwa
					}
					children {
						c1 {
							$([ -z "$(opt x nvip)" ] || echo 'local_ts = 10.2.0.0/16')
							remote_ts = 10.1.0.0/16
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
				eap-alice {
					id = alice
					secret = wonderland
				}
			}
		CONF
	fi >"$W/$side/swanctl.conf"
}
before() {
	need freeradius radclient
	P[plugins]='eap-identity eap-md5 eap-radius md5'
	P[charon_more_a]='plugins {
		eap-radius {
			dae {
				enable = yes
				listen = 10.1.0.1
				secret = between-us
			}
			servers {
				hosta {
					address = 10.1.0.2
					secret = between-us
				}
			}
		}
	}'
	[ "$(opt a daemon charon)" != starter ] || P[remote_addrs_a]=%any
	P[starter_right_a]="rightid=%any
			eap_identity=%any
			leftauth=psk
			rightauth=eap-radius
			rightsourceip=$([ -n "$(opt x framed)" ] && echo %radius || echo 10.3.0.0/24)"
	agent_start
	agent_ready
	radius_conf
	gateway_start b
	gateway_start a
	gateway_load b
	gateway_load a
	wait_for 60 'the RADIUS server listens' grep -q 'Ready to process' "$W/radius/radius.log"
	initiate b c1
	wait_for 60 'SAs on gwa' sas_are gwa 2
	OLD=$(spis gwa)
	note "SAs on gwa: ${OLD//$'\n'/ }"
}
# order_of_server SECRET ATTRIBUTE...
order_of_server() {
	local secret=$1
	shift
	note "radclient: Disconnect-Request $*"
	printf '%s\n' "$@" | on hosta radclient -x -t 2 -r 2 10.1.0.1:3799 disconnect "$secret" >>"$W/radius/radclient.out" 2>&1 || :
	tail -n 1 "$W/radius/radclient.out" >>"$W/story.log"
}
story() {
	sleep 3 # the order is no part of the set-up
	case $(opt x what) in
	cut)
		order_of_server between-us 'User-Name = "alice"' ${P[framed]:+'Framed-IP-Address = 10.3.0.77'}
		wait_gone ;;
	session)
		# strongSwan as the peer obeys AUTH_LIFETIME; in silence the gateway ends the session itself
		[ -z "$(opt x silent)" ] || path_down
		wait_gone 90 ;;
	refused)
		order_of_server between-us 'User-Name = "nobody"'
		grep -q 'Disconnect-NAK' "$W/radius/radclient.out" || fail 'the request was not refused'
		if [ "$(opt a daemon)" = starter ]; then person a /usr/sbin/ipsec down c1; else person a swanctl --terminate --ike tun --timeout 20; fi
		wait_gone ;;
	forged)
		path_down
		order_of_server guessed 'User-Name = "alice"' &
		wait_gone ;;
	esac
}
expect() {
	local inside
	inside=10.3.0.1
	[ -z "$(opt x framed)" ] || inside=10.3.0.77
	[ -z "$(opt x nvip)" ] || inside=10.2.0.0
	case $(opt x what) in
	cut | session) alarm reason='aaa cut user' peer=198.51.100.1 inside=$inside up=false by='^charon' ordered=none confidence=likely version=2 ;;
	refused) alarm reason='config modify or manual offline' peer=198.51.100.1 inside=$inside up=false by='^charon' ordered="$(end_comm)" confidence=likely ;;
	forged) alarm reason='dpd timeout' peer=198.51.100.1 inside=$inside up=false by='^charon' ordered=none confidence=likely ;;
	esac
}
