# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwb and gwa are the two nodes of a cluster (strongSwan's ha plugin): gwb speaks IKE with the peer (hostb), gwa stands by
# and has the same SAs. It deletes them when gwb tells it to; of the IKE it sees nothing.
variations() {
	variation ike-by-peer core=yes how=peer
	variation ike-by-peer-aead how=peer ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation ike-ordered how=order daemon_a=charon-systemd
	variation child-by-peer core=yes how=child
	variation rekeyed how=rekey
	variation rekeyed-at-once how=rekey-child
	variation reauthenticated how=reauth
	variation reauthenticated-make how=reauth mbb=yes
	variation ike-rekeyed how=ike-rekey
	variation ike-rekeyed-then-peer how=rekeyed-peer
	variation ordered-here how=here
	variation agent-comes-later how=peer agent_own=yes
	variation secret how=secret secret=yes
}
cluster_conn() {
	local side=$1 local=10.2.0.1 remote=10.2.0.2 me=cluster other=peer
	[ "$side" != c ] || { local=10.2.0.2 remote=10.2.0.1 me=peer other=cluster; }
	settings "$side" ike=aes128-sha256-ecp256 esp=aes128-sha256 children=1
	cat >"$W/$side/swanctl.conf" <<-CONF
		connections {
			tun {
				version = 2
				local_addrs = $local
				remote_addrs = $remote
				proposals = ${V[ike]}
				rekey_time = 0
				mobike = no
				local {
					auth = psk
					id = $me
				}
				remote {
					auth = psk
					id = $other
				}
				children {
					c1 {
						local_ts = $([ "$side" = c ] && echo 10.5.0.0/16 || echo 10.4.0.0/16)
						remote_ts = $([ "$side" = c ] && echo 10.4.0.0/16 || echo 10.5.0.0/16)
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
charon_conn() { cluster_conn "$1"; }
ha_conf() {
	echo "plugins {
		ha {
			local = $1
			remote = $2
			segment_count = 1
			fifo_interface = no
			$([ -z "$(opt x secret)" ] || echo 'secret = between-the-nodes')
		}
	}"
}
peer_start() {
	mkdir -p "$W/c/run"
	charon_conf c
	cluster_conn c
	STRONGSWAN_CONF=$W/c/strongswan.conf background gwc ip netns exec hostb \
		bash -c "mount --bind '$W/c/run' /run && exec /usr/lib/ipsec/charon"
	CONF[c]=$W/c/swanctl.conf
}
resynced() { log_has a 'resyncing HA segment' && log_has b 'resyncing HA segment'; }
# Who serves the one segment is settled when each has answered the other; what is there before that is rekeyed at once. A
# node asks once, a second after it began: one that the other was too slow for has to begin again.
nodes_start() {
	local i k
	for ((i = 0; i < 3; i++)); do
		gateway_start b
		gateway_start a
		gateway_load b
		gateway_load a
		for ((k = 0; k < 150; k++)); do
			if resynced; then note 'the nodes know of each other'; return; fi
			nap 0.1
		done
		note 'the nodes missed each other'
		end gwa
		end gwb
		rm -rf "$W/a/run" "$W/b/run" "$W/a/charon.log" "$W/b/charon.log"
	done
	fail 'the nodes missed each other three times'
}
unclustered() { ! ip -n "$1" xfrm state | grep -qE '^src 10\.2\.0\.'; }
clustered() { [ "$(ip -n "$1" xfrm state | grep -cE '^src 10\.2\.0\.')" -eq 2 ]; }
before() {
	P[plugins_a]=ha P[plugins_b]=ha
	P[charon_more_a]=$(ha_conf 192.0.2.1 198.51.100.1)
	P[charon_more_b]=$(ha_conf 198.51.100.1 192.0.2.1)
	if [ -z "$(opt x agent_own)" ]; then
		agent_start
		agent_ready
	fi
	peer_start
	nodes_start
	charon_load c
	initiate c c1
	# with a secret the nodes have SAs of their own, too
	wait_for 60 'SAs on gwb' clustered gwb
	wait_for 60 'SAs on gwa' clustered gwa
	OLD=$(ip -n gwa xfrm state | awk '/^src/ {mine = $2 ~ /^10/} /spi 0x/ && mine {print $4}')
	note "SAs on gwa: ${OLD//$'\n'/ }"
	if [ -n "$(opt x agent_own)" ]; then
		agent_start
		agent_ready
	fi
}
story() {
	case $(opt x how) in
	peer | secret) order c --terminate --ike tun ;;
	child) order c --terminate --child c1 ;;
	order) order b --terminate --ike tun ;;
	rekey) order b --rekey --child c1 ;;
	rekey-child)
		order b --rekey --child c1
		wait_gone 30
		order c --terminate --child c1
		wait_for 30 'no SA of the flow on gwa' unclustered gwa
		return ;;
	reauth) order b --rekey --ike tun --reauth ;;
	ike-rekey)
		order b --rekey --ike tun
		sleep 5
		return ;;
	rekeyed-peer)
		order b --rekey --ike tun
		sleep 7
		order c --terminate --ike tun ;;
	here) order a --terminate --ike tun --force ;;
	esac
	wait_gone 30
}
expect() {
	case $(opt x how) in
	rekey) alarm reason='phase2 sa replace' peer=10.2.0.2 inside=10.5.0.0 up=true by='^charon' confidence=likely ;;
	rekey-child)
		alarm reason='phase2 sa replace' peer=10.2.0.2 inside=10.5.0.0 up=true by='^charon' confidence=likely
		alarm reason='receive backup delete info' peer=10.2.0.2 inside=10.5.0.0 up=false by='^charon' confidence=certain ;;
	reauth) alarm reason='phase1 sa replace' peer=10.2.0.2 inside=10.5.0.0 up=true by='^charon' confidence=likely ;;
	ike-rekey) ;;
	secret) alarm reason=unknown peer=10.2.0.2 inside=10.5.0.0 up=false by='^charon' ;;
	here) alarm reason='config modify or manual offline' peer=10.2.0.2 inside=10.5.0.0 up=false by='^charon' ordered=swanctl ;;
	*) alarm reason='receive backup delete info' peer=10.2.0.2 inside=10.5.0.0 up=false by='^charon' \
		confidence="$([ -n "$(opt x agent_own)" ] || [ "$(opt x how)" = rekeyed-peer ] && echo likely || echo certain)" ;;
	esac
}
