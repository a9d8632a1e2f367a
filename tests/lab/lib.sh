# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# The laboratory inside the VM (sourced by tests/lab/guest.sh): two gateways with a router between them, the IKE
# daemons on them, the agent watching gwa, and helpers that wait for what shall happen.
#
#   hosta 10.1.0.2 --in [gwa] out 192.0.2.1 --- [router] --- 198.51.100.1 out [gwb] in-- hostb 10.2.0.2 (10.3, 10.4 ...)
#                         2001:db8:1::1                    2001:db8:2::1
#
# A story's parameters are in P; `opt a NAME DEFAULT` is gateway a's value: P[NAME_a], else P[NAME], else DEFAULT.

declare -gA P=() PID=() CONF=()
BEGUN=0                         # the tunnel is up and the story goes on
W=${W:-/tmp/lab}                # the folder of the variation that runs
IKEWATCH=${IKEWATCH:-/ikewatch/build/ikewatch}
SPACES='gwa gwb router hosta hostb'

# the time and much else is told by bash itself: under emulation a process takes long
note() {
	local t=$EPOCHREALTIME
	printf '%(%T)T.%.3s %s\n' "${t%.*}" "${t#*.}" "$*" >>"$W/story.log"
}
# a failure before the story began is the laboratory's, not the agent's: 75, tried once more
fail() { note "FAIL $*"; printf '%s\n' "$*" >"$W/why"; exit $((BEGUN ? 1 : 75)); }
skip() { note "skip $*"; printf '%s\n' "$*" >"$W/why"; exit 77; }
opt() {
	local side=$1 name=$2
	printf '%s' "${P[${name}_$side]-${P[$name]-${3-}}}"
}
other() { [ "$1" = a ] && echo b || echo a; }
on() { ip netns exec "$@"; }
# seconds since the VM's start; bash's own SECONDS follows the clock, which stories step
uptime_s() { local up; IFS=. read -r up _ </proc/uptime; UPTIME=$up; }
UPTIME=0

# nap SECONDS: sleep without a process, which under emulation takes as long as what is waited for
exec {NAP_FD}<> <(:)
nap() { read -rt "$1" -u "$NAP_FD" || :; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds. The limit is what fails a story, never what it measures.
wait_for() {
	uptime_s
	local limit=$((UPTIME + $1)) what=$2
	shift 2
	until "$@"; do
		uptime_s
		[ "$UPTIME" -lt $limit ] || fail "waited in vain: $what"
		nap 0.2
	done
	note "$what"
}

# ---- network -------------------------------------------------------------------------------------------------

net_make() {
	local n
	# one may be there: the VM's own, by that name
	for n in $SPACES; do [ -e "/run/netns/$n" ] || echo "netns add $n"; done | ip -batch -
	ip -n router link add out netns gwa type veth peer name ra
	ip -n router link add out netns gwb type veth peer name rb
	ip -n router link add in netns gwa type veth peer name eth0 netns hosta
	ip -n router link add in netns gwb type veth peer name eth0 netns hostb
	for n in $SPACES; do
		# shellcheck disable=SC2016  # the inner shell's $f
		on "$n" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
			for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done
			for f in /proc/sys/net/ipv4/conf/*/send_redirects; do echo 0 >$f; done'
	done
	ip -n gwa -batch - <<-BATCH
		link set lo up
		addr add 192.0.2.1/24 dev out
		addr add 192.0.2.3/24 dev out
		addr add 2001:db8:1::1/64 dev out nodad
		addr add 10.1.0.1/16 dev in
		link set out up
		link set in up
		route add default via 192.0.2.254
		route add default via 2001:db8:1::fe
	BATCH
	ip -n gwb -batch - <<-BATCH
		link set lo up
		addr add 198.51.100.1/24 dev out
		addr add 198.51.100.2/24 dev out
		addr add 2001:db8:2::1/64 dev out nodad
		addr add 10.2.0.1/16 dev in
		addr add 10.3.0.1/16 dev in
		addr add 10.4.0.1/16 dev in
		link set out up
		link set in up
		route add default via 198.51.100.254
		route add default via 2001:db8:2::fe
	BATCH
	ip -n router -batch - <<-BATCH
		link set lo up
		addr add 192.0.2.254/24 dev ra
		addr add 2001:db8:1::fe/64 dev ra nodad
		addr add 198.51.100.254/24 dev rb
		addr add 2001:db8:2::fe/64 dev rb nodad
		link set ra up
		link set rb up
	BATCH
	ip -n hosta -batch - <<-BATCH
		link set lo up
		addr add 10.1.0.2/16 dev eth0
		link set eth0 up
		route add default via 10.1.0.1
	BATCH
	ip -n hostb -batch - <<-BATCH
		link set lo up
		addr add 10.2.0.2/16 dev eth0
		addr add 10.3.0.2/16 dev eth0
		addr add 10.4.0.2/16 dev eth0
		link set eth0 up
		route add default via 10.2.0.1
	BATCH
	on router nft -f - <<-NFT
		table inet lab {
			chain path {
				type filter hook forward priority 0
			}
		}
	NFT
}

net_remove() {
	local n
	for n in $SPACES; do [ ! -e "/run/netns/$n" ] || ip netns del "$n"; done
}

# net_reset: as new between two variations, without making everything again; the first address is the one that is sent from
net_reset() {
	local n
	# a story of roadwarriors that failed leaves it
	[ ! -e /run/netns/gwc ] || { ip -n router link del rd; ip netns del gwc; }
	for n in $SPACES; do
		[ -e "/run/netns/$n" ] || { net_remove; net_make; return; }
	done
	ip -n gwa -force -batch - <<-BATCH
		xfrm state flush
		xfrm policy flush
		addr flush dev out to 192.0.2.0/24
		addr add 192.0.2.1/24 dev out
		addr add 192.0.2.3/24 dev out
		addr replace 2001:db8:1::1/64 dev out nodad
		route replace default via 192.0.2.254
		route replace default via 2001:db8:1::fe
	BATCH
	ip -n gwb -force -batch - <<-BATCH
		xfrm state flush
		xfrm policy flush
		addr flush dev out to 198.51.100.0/24
		addr flush dev out to 10.9.0.0/24
		addr add 198.51.100.1/24 dev out
		addr add 198.51.100.2/24 dev out
		addr replace 2001:db8:2::1/64 dev out nodad
		route replace default via 198.51.100.254
		route replace default via 2001:db8:2::fe
	BATCH
	on router nft -f - <<-NFT
		table ip nat
		delete table ip nat
		table ip here
		delete table ip here
		flush chain inet lab path
	NFT
	on router conntrack -F # or the next one's NAT keeps this one's ports
	on router tc qdisc del dev ra root
	on router tc qdisc del dev rb root
	on gwa nft -f - <<-NFT
		table inet fw
		delete table inet fw
	NFT
}

# shellcheck disable=SC2120  # the default is meant
# path_down [a2b|b2a|both]: the router drops, silently, what goes that way (default both)
path_down() {
	case ${1:-both} in
	a2b) on router nft 'add rule inet lab path iifname "ra" counter drop' ;;
	b2a) on router nft 'add rule inet lab path iifname "rb" counter drop' ;;
	both) on router nft 'add rule inet lab path counter drop' ;;
	esac
	note "path down ${1:-both}"
}
# gwa_drops HOOK WHICH: gwa's own firewall drops IKE: what the peer answers, which has arrived by then (input sport), or what
# its daemon sends, of which nothing is seen (output dport)
gwa_drops() {
	on gwa nft -f - <<-NFT
		table inet fw {
			chain $1 {
				type filter hook $1 priority 0
				udp $2 { 500, 4500 } counter drop
			}
		}
	NFT
	note "gwa drops IKE on its $1"
}
# peer_lost: as the option says: the answers get lost on gwa, the requests do or have no route, or the path is down;
# lost_detail: what the alarm then tells of it
peer_lost() {
	case $(opt x lost) in
	yes) gwa_drops input sport ;;
	out) gwa_drops output dport ;;
	route)
		ip -n gwa route del default
		note 'gwa has no route to the peer' ;;
	*) path_down ;;
	esac
}
lost_detail() {
	case $(opt x lost) in
	yes) echo 'arrived at this host' ;;
	out | route) echo 'nothing was seen to leave' ;;
	esac
}
# path_drop RULE...: the router drops what the nft expression matches
path_drop() { on router nft "add rule inet lab path $* counter drop"; note "router drops $*"; }
path_up() { on router nft flush chain inet lab path; }

# nat_on: gwb sits behind the router's 203.0.113.7; ports of its own choosing with nat_ports
nat_on() {
	on router nft -f - <<-NFT
		table ip nat
		delete table ip nat
		table ip nat {
			chain out {
				type nat hook postrouting priority 100
				oifname "ra" ip saddr 198.51.100.0/24 meta l4proto udp snat to 203.0.113.7${1:+:$1}
			}
			chain in {
				type nat hook prerouting priority -100
				iifname "ra" ip daddr 203.0.113.7 dnat to 198.51.100.1
			}
		}
	NFT
}

# nat_moves PORT: the NAT forgets its mappings and gives gwb another port
nat_moves() {
	nat_on "$1" # in one transaction: nothing passes with its own address meanwhile
	on router conntrack -F >/dev/null 2>&1
	note "gwb is port $1 outside"
}

# link_addresses: those of the way from gwa to the router; link_again: as it was, for the next variation, whatever became of it
link_addresses() {
	ip -n router link set ra up
	ip -n gwa link set out up
	ip -n gwa addr replace 192.0.2.1/24 dev out
	ip -n gwa addr replace 192.0.2.3/24 dev out
	ip -n router addr replace 192.0.2.254/24 dev ra
	ip -n router addr replace 2001:db8:1::fe/64 dev ra nodad
	ip -n gwa addr replace 2001:db8:1::1/64 dev out nodad
	ip -n gwa route replace default via 192.0.2.254
	ip -n gwa route replace default via 2001:db8:1::fe
	on gwa sh -c 'echo 0 >/proc/sys/net/ipv4/conf/out/rp_filter'
	on router sh -c 'echo 0 >/proc/sys/net/ipv4/conf/ra/rp_filter'
}
link_again() {
	ip -n router link show ra >/dev/null 2>&1 || ip link add out netns gwa type veth peer name ra netns router
	link_addresses
}

# crypto_warm: each cipher once, so that no story waits for the kernel to load and test its modules
crypto_warm() {
	local spi=0x5000 cipher key='0x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
	# characters of the key: 2 for 0x and 2 for each byte
	while read -r cipher; do
		eval "ip -n hosta xfrm state add src 10.9.0.1 dst 10.9.0.2 proto esp spi $((spi++)) mode tunnel $cipher" 2>/dev/null || :
	done <<-'CIPHERS'
		enc 'cbc(aes)' ${key:0:34} auth-trunc 'hmac(sha256)' ${key:0:66} 128
		enc 'cbc(aes)' ${key:0:66} auth-trunc 'hmac(sha512)' ${key:0:130} 256
		enc 'cbc(aes)' ${key:0:34} auth-trunc 'hmac(sha1)' ${key:0:42} 96
		enc 'cbc(des3_ede)' ${key:0:50} auth-trunc 'hmac(sha1)' ${key:0:42} 96
		aead 'rfc4106(gcm(aes))' ${key:0:42} 128
		aead 'rfc4106(gcm(aes))' ${key:0:74} 128
		aead 'rfc7539esp(chacha20,poly1305)' ${key:0:74} 128
	CIPHERS
	ip -n hosta xfrm state flush
}

# ---- processes -----------------------------------------------------------------------------------------------

alive() { kill -0 "$1" 2>/dev/null; }
dead() { ! kill -0 "$1" 2>/dev/null; }
# background NAME COMMAND...: started, its pid kept, ended with the variation
background() {
	local name=$1
	shift
	case $name in gw?) ! contains daemons || set -- "${CONTAINED[@]}" "$@" ;; esac
	"$@" </dev/null >"$W/$name.out" 2>&1 &
	PID[$name]=$!
	disown $!               # no word from bash when it is killed
	[ "$1" != unshare ] || contained "PID[$name]"
}
# Processes as in a container: one's numbers are not the other's (pid_ns=WHO; tests/lab/run --pid-ns WHO).
contains() { [ "${PID_NS:-$(opt x pid_ns)}" = "$1" ]; }
CONTAINED=(unshare --pid --fork --kill-child --mount-proc --propagation slave)
# contained VARIABLE: from the number of unshare to that of what it runs
contained() {
	local -n pid_of=$1
	wait_for 20 "unshare ($pid_of) has begun it" pgrep -P "$pid_of" .
	pid_of=$(pgrep -P "$pid_of" .)
}
# who speaks to a daemon does so from inside
nsenter() {
	! contains daemons || set -- -p "$@"
	command nsenter "$@"
}
# end NAME [SIGNAL] [SECONDS]: ends what we started under this name
end() {
	local pid=${PID[$1]:-} i
	[ -n "$pid" ] || return 0
	unset "PID[$1]"
	kill "-${2:-TERM}" "$pid" 2>/dev/null || :
	for ((i = 0; i < ${3:-10} * 10; i++)); do
		if dead "$pid"; then wait "$pid" 2>/dev/null; return 0; fi
		nap 0.1
	done
	kill -KILL "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || :
}

# ---- addresses of a story ------------------------------------------------------------------------------------

addr() {
	case $(opt "$1" family 4)$1 in
	4a) echo 192.0.2.1 ;;
	4b) echo 198.51.100.1 ;;
	6a) echo 2001:db8:1::1 ;;
	6b) echo 2001:db8:2::1 ;;
	esac
}
# the peer as gateway SIDE sees it
peer_of() {
	if [ "$1" = a ] && [ -n "$(opt a nat)" ]; then echo 203.0.113.7; else addr "$(other "$1")"; fi
}
child_ts() { if [ "$1" = a ]; then echo 10.1.0.0/16; else echo "10.$(($2 + 1)).0.0/16"; fi; }

# need COMMAND...: servers that only the further root file system has (tests/lab/run --with extra)
need() {
	local c
	for c; do command -v "$c" >/dev/null || [ -x "$c" ] || skip "no $c in the root file system (tests/lab/run --with extra)"; done
}
# its first number; swanctl says it on stderr, with a complaint of a daemon that it does not find
strongswan_major() { swanctl --version 2>&1 | sed -n 's/.*strongSwan \([0-9]*\)\..*/\1/p' | head -n 1; }
# person SIDE COMMAND...: as somebody at a terminal would run it, in that gateway's namespaces
person() {
	local side=$1
	shift
	note "somebody at a terminal of gw$side: $*"
	nsenter -t "${PID[gw$side]}" -m -n script -qec "STRONGSWAN_CONF=$W/$side/strongswan.conf $*" /dev/null </dev/null \
		>>"$W/$side/person.out" 2>&1 || :
}

# session SIDE USER COMMAND: the same as from a real login: the user's own login uid (1500) and terminal, and the shell from
# which the user becomes root by su
session() {
	local side=$1 user=$2
	shift 2
	getent passwd "$user" >/dev/null || useradd -u 1500 -m -s /bin/bash "$user"
	# this user needs no password for su
	grep -q "ruser = $user" /etc/pam.d/su || sed -i "1i auth [success=done default=ignore] pam_succeed_if.so ruser = $user" /etc/pam.d/su
	note "$user logs in on gw$side: $*"
	# shellcheck disable=SC2016  # the shell of the session expands it
	printf 'su -c "export PATH=$PATH:/usr/sbin STRONGSWAN_CONF=%s; %s; true"\nexit\n' "$W/$side/strongswan.conf" "$*" |
		nsenter -t "${PID[gw$side]}" -m -n script -qec "login -f $user" /dev/null >>"$W/$side/session.out" 2>&1 || :
}

# ---- strongSwan ----------------------------------------------------------------------------------------------

# settings SIDE NAME=DEFAULT...: that gateway's values in V, without a process for each (emulation is slow at those)
settings() {
	local side=$1 kv name
	shift
	declare -gA V=()
	for kv; do
		name=${kv%%=*}
		V[$name]=${P[${name}_$side]-${P[$name]-${kv#*=}}}
	done
}

charon_conf() {
	local side=$1 rt
	settings "$side" rt='0.8 1.5 2' delete_rekeyed_delay=1 mbb=no plugins= charon_more= log_names=no
	read -r -a rt <<<"${V[rt]}"
	cat >"$W/$side/strongswan.conf" <<-CONF
		charon {
			load = random nonce openssl kdf kernel-netlink socket-default vici updown counters xauth-generic attr ${V[plugins]}
			threads = 8
			retransmit_timeout = ${rt[0]}
			retransmit_base = ${rt[1]}
			retransmit_tries = ${rt[2]}
			delete_rekeyed_delay = ${V[delete_rekeyed_delay]}
			make_before_break = ${V[mbb]}
			install_routes = no
			${V[charon_more]}
			filelog {
				log {
					path = $W/$side/charon.log
					time_format = %T
					time_add_ms = yes
					flush_line = yes
					default = 1
					ike_name = ${V[log_names]}
				}
			}
		}
		swanctl {
			load = random openssl ${V[plugins]}
		}
	CONF
}

# charon_conn SIDE: swanctl.conf. Timers are off unless the story sets them: nothing shall happen that it does not tell
charon_conn() {
	local side=$1 n peer
	peer=$(other "$side")
	settings "$side" version=2 local_addrs="$(addr "$side")" remote_addrs="$(peer_of "$side")" ike=aes128-sha256-ecp256 \
		dpd=0 dpd_timeout=0 ike_rekey=0 reauth=0 over=600 mobike=no unique=no conn_more='' children=1 psk=the-secret-of-the-lab \
		local_auth='auth = psk' remote_auth='auth = psk' \
		conf_more='' mode=tunnel local_ts= remote_ts= esp=aes128-sha256 start=none close=none dpd_action=clear rekey=0 life=4h life_bytes=0 life_packets=0 child_more=''
	{
		cat <<-CONF
			connections {
				tun {
					version = ${V[version]}
					local_addrs = ${V[local_addrs]}
					remote_addrs = ${V[remote_addrs]}
					proposals = ${V[ike]}
					dpd_delay = ${V[dpd]}
					dpd_timeout = ${V[dpd_timeout]}
					rekey_time = ${V[ike_rekey]}
					reauth_time = ${V[reauth]}
					over_time = ${V[over]}
					rand_time = 0
					mobike = ${V[mobike]}
					unique = ${V[unique]}
					${V[conn_more]}
					local {
						${V[local_auth]}
						id = gw$side
					}
					remote {
						${V[remote_auth]}
						id = gw$peer
					}
					children {
		CONF
		for ((n = 1; n <= V[children]; n++)); do
			cat <<-CONF
				c$n {
					mode = ${V[mode]}
					local_ts = ${V[local_ts]:-$(child_ts "$side" "$n")}
					remote_ts = ${V[remote_ts]:-$(child_ts "$peer" "$n")}
					${V[esp]:+esp_proposals = ${V[esp]}}
					start_action = ${V[start]}
					close_action = ${V[close]}
					dpd_action = ${V[dpd_action]}
					rekey_time = ${V[rekey]}
					life_time = ${V[life]}
					rand_time = 0
					rekey_bytes = 0
					life_bytes = ${V[life_bytes]}
					rekey_packets = 0
					life_packets = ${V[life_packets]}
					${V[child_more]}
				}
			CONF
		done
		cat <<-CONF
					}
				}
			}
			secrets {
				ike-tun {
					secret = ${V[psk]}
				}
			}
			${V[conf_more]}
		CONF
	} >"$W/$side/swanctl.conf"
}

# plain_conn SIDE NAME HERE THERE ID PEER_ID CHILD LOCAL_TS REMOTE_TS START: a connection more, its timers off likewise
plain_conn() {
	settings "$1" ike=aes128-sha256-ecp256 esp=aes128-sha256 dpd=0
	cat <<-CONF
		$2 {
			version = $(opt "$1" version 2)
			local_addrs = $3
			remote_addrs = $4
			proposals = ${V[ike]}
			dpd_delay = ${V[dpd]}
			dpd_timeout = $(opt "$1" dpd_timeout 10)
			rekey_time = 0
			over_time = 600
			rand_time = 0
			mobike = $(opt "$1" mobike no)
			unique = $(opt "$1" unique no)
			local {
				auth = psk
				id = $5
			}
			remote {
				auth = psk
				id = $6
			}
			children {
				$7 {
					mode = $(opt "$1" mode tunnel)
					local_ts = $8
					remote_ts = $9
					esp_proposals = ${V[esp]}
					start_action = ${10}
					dpd_action = clear
					rekey_time = 0
					rand_time = 0
					rekey_bytes = 0
					rekey_packets = 0
					life_time = 4h
				}
			}
		}
	CONF
}

# inside a gateway: its network namespace and a mount namespace whose /run is its own
charon_start() {
	local side=$1 binary
	case $(opt "$side" daemon charon) in
	charon) binary=/usr/lib/ipsec/charon ;;
	charon-systemd) binary=/usr/sbin/charon-systemd ;;
	esac
	# the same daemon under another name: neither its file nor its threads are called what one expects
	if [ -n "$(opt "$side" renamed)" ]; then
		cp "$binary" "$W/$side/$(opt "$side" renamed)"
		binary=$W/$side/$(opt "$side" renamed)
	fi
	mkdir -p "$W/$side/run"
	charon_conf "$side"
	charon_conn "$side"
	STRONGSWAN_CONF=$W/$side/strongswan.conf background "gw$side" ip netns exec "gw$side" \
		bash -c "mount --bind '$W/$side/run' /run && exec '$binary'"
	CONF[$side]=$W/$side/swanctl.conf
}
charon_ready() { [ -S "$W/$1/run/charon.vici" ]; }
charon_load() {
	wait_for 30 "charon of gw$1 listens" charon_ready "$1"
	swan "$1" --load-all --noprompt --file "${CONF[$1]}" >>"$W/$1/swanctl.out" 2>&1 || fail "gw$1: swanctl --load-all failed"
}
# swan SIDE ARGS...: swanctl in that gateway's namespaces
swan() {
	local side=$1
	shift
	STRONGSWAN_CONF=$W/$side/strongswan.conf nsenter -t "${PID[gw$side]}" -m -n swanctl "$@"
}
# order SIDE ARGS...: the same, noted in the story; what it prints is kept
order() {
	note "gw$1: swanctl ${*:2}"
	swan "$@" >>"$W/$1/swanctl.out" 2>&1
}
log_has() { grep -qE -- "$2" "$W/$1/charon.log" 2>/dev/null; }
log_count() { [ "$(grep -cE -- "$2" "$W/$1/charon.log" 2>/dev/null)" -ge "$3" ]; }
# unique_marks: where the variation says so each CHILD_SA of gwa has marks of its own
unique_marks() { [ -z "$(opt x unique_marks)" ] || P[child_more_a]=$'mark_in = %unique\nmark_out = %unique'; }
# not_yet REGEX: a timer of the story that ran out before its beginning spoils the set-up, not the agent
not_yet() { ! log_has a "$1" || { BEGUN=0; fail "too slow: charon was already at '$1'"; }; }
wait_log() { wait_for "${3:-60}" "gw$1 says '$2'" log_has "$1" "$2"; }

# ---- Libreswan -----------------------------------------------------------------------------------------------

# pluto_ends SIDE N: who connection N joins, and what
pluto_ends() {
	local side=$1 n=$2
	cat <<-CONF
		left=$(opt "$side" pluto_left "$(addr "$side")")
		leftid=@gw$side
		leftsubnet=$(child_ts "$side" "$n")
		right=$(opt "$side" pluto_right "$(peer_of "$side")")
		rightid=@gw$(other "$side")
		rightsubnet=$(child_ts "$(other "$side")" "$n")
	CONF
}
pluto_conf() {
	local side=$1 n
	{
		cat <<-CONF
			config setup
				logfile=$W/$side/pluto.log
				logappend=no
				virtual-private=
				uniqueids=yes
				ikev1-policy=accept
		CONF
		for ((n = 1; n <= $(opt "$side" children 1); n++)); do
			cat <<-CONF

				conn c$n
					authby=secret
					ikev2=$([ "$(opt "$side" version 2)" = 2 ] && echo yes || echo no)
					leftupdown=$(opt "$side" pluto_updown %disabled)
					ike=$(opt "$side" pluto_ike aes128-sha2_256-ecp_256)
					esp=$(opt "$side" pluto_esp aes128-sha2_256)
					pfs=$(opt "$side" pluto_pfs no)
					retransmit-interval=$(opt "$side" pluto_interval 500)
					retransmit-timeout=$(opt "$side" pluto_timeout 3s)
					ikelifetime=$(opt "$side" pluto_ike_life 8h)
					salifetime=$(opt "$side" pluto_life 8h)
					rekeymargin=$(opt "$side" pluto_margin 540s)
					rekeyfuzz=0%
					mobike=$(opt "$side" mobike no)
					auto=add
					$(opt "$side" pluto_more)
			CONF
			pluto_ends "$side" "$n"
			if [ -n "$(opt "$side" dpd)" ]; then
				printf '\tdpddelay=%s\n\tdpdtimeout=%s\n\tdpdaction=%s\n' "$(opt "$side" dpd)" \
					"$(opt "$side" dpd_timeout 4s)" "$(opt "$side" dpd_action clear)"
			fi
		done
	} | sed -E 's/^[^[:space:]]+=/\t&/' >"$W/$side/ipsec.conf"
	printf '%%any %%any : PSK "%s"\n' "$(opt "$side" psk the-secret-of-the-lab)" >"$W/$side/ipsec.secrets"
	chmod 600 "$W/$side/ipsec.secrets"
}
pluto_start() {
	local side=$1
	[ -x /opt/libreswan/usr/libexec/ipsec/pluto ] || skip 'no Libreswan in the root file system'
	[ -e /usr/libexec/ipsec ] || { mkdir -p /usr/libexec && ln -s /opt/libreswan/usr/libexec/ipsec /usr/libexec/ipsec; }
	mkdir -p "$W/$side/run/pluto" "$W/$side/nss"
	# a second pluto goes on with the first one's: asked to make it again, certutil may wait for a password
	[ -e "$W/$side/nss/cert9.db" ] || certutil -N -d "sql:$W/$side/nss" --empty-password >/dev/null 2>&1 </dev/null
	pluto_conf "$side"
	background "gw$side" ip netns exec "gw$side" bash -c "mount --bind '$W/$side/run' /run && exec /usr/libexec/ipsec/pluto \
		--nofork --config '$W/$side/ipsec.conf' --secretsfile '$W/$side/ipsec.secrets' --nssdir '$W/$side/nss' --rundir /run/pluto"
}
pluto_ready() { [ -S "$W/$1/run/pluto/pluto.ctl" ] && whack "$1" --status >/dev/null 2>&1; }
# whack SIDE ARGS...: Libreswan's command in that gateway's namespaces
whack() {
	local side=$1
	shift
	nsenter -t "${PID[gw$side]}" -m -n /usr/libexec/ipsec/whack --rundir /run/pluto "$@"
}
# whack_rekey SIDE CONNECTION: its CHILD_SA; Libreswan 5 has another word for it
whack_rekey() {
	local word=--rekey-ipsec
	! /usr/libexec/ipsec/whack --help 2>&1 | grep -q -- --rekey-child || word=--rekey-child
	note "whack $word $2"
	whack "$1" --name "$2" $word --asynchronous >>"$W/$1/whack.out" 2>&1 || :
}
pluto_load() {
	local side=$1 n
	wait_for 30 "pluto of gw$side listens" pluto_ready "$side"
	whack "$side" --listen >>"$W/$side/whack.out" 2>&1 || :
	for ((n = 1; n <= $(opt "$side" children 1); n++)); do
		nsenter -t "${PID[gw$side]}" -m -n /usr/libexec/ipsec/addconn --ctlsocket /run/pluto/pluto.ctl \
			--config "$W/$side/ipsec.conf" "c$n" >>"$W/$side/whack.out" 2>&1 || fail "gw$side: addconn c$n failed"
	done
}

# shellcheck source=tests/lab/daemons.sh
. "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

# ---- a gateway, whichever daemon -----------------------------------------------------------------------------

is_pluto() { [ "$(opt "$1" daemon charon)" = pluto ]; }
# gateway SIDE: its daemon started and configured
gateway_start() {
	mkdir -p "$W/$1/run"
	case $(opt "$1" daemon charon) in
	pluto) pluto_start "$1" ;;
	starter) starter_start ;;
	iked) iked_start ;;
	peer) peer_start ;;
	*) charon_start "$1" ;;
	esac
}
gateway_load() {
	case $(opt "$1" daemon charon) in
	pluto) pluto_load "$1" ;;
	starter) wait_for 40 'starter has loaded c1' conn_loaded ;;
	iked) wait_for 30 'iked of gwa listens' iked_ready ;;
	peer) wait_for 60 'the peer listens' peer_ready ;;
	*) charon_load "$1" ;;
	esac
}
# initiate SIDE CHILD
initiate() {
	note "gw$1 initiates $2"
	case $(opt a daemon charon):$(opt "$1" daemon charon) in
	*:pluto) whack "$1" --name "$2" --initiate --asynchronous >>"$W/$1/whack.out" 2>&1 || : ;;
	*:starter) ipsec up "$2" ;;
	*:peer) tell_peer initiate ;;
	iked:*) iked_initiate "$2" ;;
	*) swan "$1" --initiate --child "$2" --timeout 20 >>"$W/$1/swanctl.out" 2>&1 || : ;;
	esac
}

# full SAs only: a larval one has no algorithm yet; AH has no other than that
# shellcheck disable=SC2016  # fields of awk
full_sas='/^src/ {ah = 0} /spi 0x/ {spi = $4; reqid = $6; ah = / ah /} /^\t(enc|aead) / || (ah && /^\tauth/)'
sas() { ip -n "$1" xfrm state | awk "$full_sas"' {n++} END {print n + 0}'; }
sas_are() { [ "$(sas "$1")" -eq "$2" ]; }
sas_below() { [ "$(sas "$1")" -lt "$2" ]; }
# spi GW in|out: the SPIs of full SAs, one a line
spis() { ip -n "$1" xfrm state | awk "$full_sas"' {print spi}'; }
spi_gone() { ! spis "$1" | grep -qx "$2"; }
# spis_gone GW SPIS: none of them is there
spis_gone() {
	[ -z "$2" ] || ! spis "$1" | grep -qxF "$2"
}

# ike_spis SIDE: its IKE_SA; ike_changed WAS: that of a is another now
ike_spis() { swan "$1" --list-sas --raw 2>/dev/null | grep -oE 'initiator-spi=[0-9a-f]+' | sort | tail -n 1; }
ike_changed() {
	local now
	now=$(ike_spis a)
	[ -n "$now" ] && [ "$now" != "$1" ]
}

# spis_to SIDE CHILD: the SPIs of one child's SAs
spis_to() { spis_into "$1" "$(child_ts "$(other "$1")" "$2")"; }
# spis_into SIDE SELECTOR: likewise, told by the reqid of the policy that leads there
spis_into() {
	local side=$1 ts=$2 reqid
	reqid=$(ip -n "gw$side" xfrm policy | awk -v ts="$ts" '/^src/ {hit = $4 == ts} hit && /dir (in|fwd)/ {hit = 0}
		hit && /reqid/ {for (i = 1; i < NF; i++) if ($i == "reqid") {print $(i + 1); exit}}')
	ip -n "gw$side" xfrm state | awk -v want="$reqid" "$full_sas"' {if (reqid == want) print spi}'
}

# hand_made: a tunnel without any daemon, both ends
hand_made() {
	local a b gw flag='' key=0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223
	a=$(addr a) b=$(addr b)
	# IPv4 within: without it the kernel gives the SA a selector of the outer family (XfrmOutNoStates)
	case $a in *:*) flag='flag af-unspec' ;; esac
	for gw in gwa gwb; do
		# shellcheck disable=SC2046,SC2086  # several words
		ip -n $gw xfrm state add src "$b" dst "$a" proto esp spi 0x1001 reqid 7 mode tunnel aead 'rfc4106(gcm(aes))' "$key" 128 \
			$flag $(opt x hand_limit) || fail 'ip xfrm state add: refused'
		# shellcheck disable=SC2046,SC2086  # several words
		ip -n $gw xfrm state add src "$a" dst "$b" proto esp spi 0x2001 reqid 7 mode tunnel aead 'rfc4106(gcm(aes))' "$key" 128 \
			$flag $(opt x hand_limit) || fail 'ip xfrm state add: refused'
	done
	hand_policies gwa 10.1.0.0/16 10.2.0.0/16 "$a" "$b"
	hand_policies gwb 10.2.0.0/16 10.1.0.0/16 "$b" "$a"
	OLD=$(spis gwa)
	note "SAs on gwa: ${OLD//$'\n'/ }"
}
hand_policies() {
	local tmpl='proto esp reqid 7 mode tunnel'
	ip -n "$1" -batch - <<-BATCH
		xfrm policy add src $2 dst $3 dir out tmpl src $4 dst $5 $tmpl
		xfrm policy add src $3 dst $2 dir in tmpl src $5 dst $4 $tmpl
		xfrm policy add src $3 dst $2 dir fwd tmpl src $5 dst $4 $tmpl
	BATCH
}

# client_start: a program that manages its SAs over netlink and is no IKE daemon that anybody knows
client_installed() { grep -q installed "$W/client.out"; }
client_start() {
	background client ip netns exec gwa python3 /ikewatch/tests/lab/client.py "$(addr a)" "$(addr b)" 0x1001 "$(opt x spi 0x2001)" \
		"$([ "$(opt x how)" = notify ] && echo obey || echo no)"
	wait_for 60 'the client has installed its SAs' client_installed
	hand_policies gwa 10.1.0.0/16 10.2.0.0/16 "$(addr a)" "$(addr b)"
	OLD=$(spis gwa)
	sleep 2
}

# tunnels_up: the story's opening. Both daemons, every child, traffic through each
tunnels_up() {
	local n init children
	[ "$(opt a daemon charon)" != iked ] || iked_defaults
	init=$(opt x init a)
	children=$(opt x children 1)
	[ -z "$(opt a nat)" ] || nat_on "$(opt a nat_ports)"
	gateway_start b
	gateway_start a
	gateway_load b &
	gateway_load a
	wait $! || fail "$(cat "$W/why")"
	if [ -z "$(opt x no_initiate)" ]; then
		for ((n = 1; n <= children; n++)); do initiate "$init" "c$n"; done
	fi
	wait_for 60 'SAs on gwa' sas_are gwa $((children * 2))
	wait_for 30 'SAs on gwb' sas_are gwb $((children * 2))
	# of marks that the daemon drew only its updown script would tell which packets get them
	[ -z "$(opt x unique_marks)" ] || children=0
	for ((n = 1; n <= children; n++)); do
		wait_for 30 "traffic through tunnel $n" on "$(opt x ping_from hosta)" ping -q -c 1 -W "$(opt x ping_wait 1)" "$(opt x ping_to "10.$((n + 1)).0.2")" >/dev/null
	done
	OLD=$(spis gwa)
	note "SAs on gwa: ${OLD//$'\n'/ }"
}
traffic_start() {
	background "ping$1" ip netns exec hosta ping -q -i "${2:-0.3}" -w "${3:-120}" "10.$(($1 + 1)).0.2"
}
traffic_stop() { end "ping$1"; }
wait_gone() { wait_for "${1:-90}" 'the old SAs of gwa are gone' spis_gone gwa "$OLD"; }
wait_sas() { wait_for "${2:-60}" "$1 SAs on gwa" sas_are gwa "$1"; }

# ---- deeds that several scenarios have -----------------------------------------------------------------------

# peer_again [CHILD [COMMAND...]]: gwb is killed and started again, with nothing of its SAs, and initiates CHILD (c1); COMMAND
# comes before the start
peer_again() {
	local child=${1:-c1}
	[ $# -eq 0 ] || shift
	note 'gwb: killed, and started again'
	end gwb KILL
	ip -n gwb xfrm state flush
	ip -n gwb xfrm policy flush
	rm -rf "$W/b/run"
	[ -z "$(opt x move)" ] || P[local_addrs_b]=$(opt x move)
	"${@:-:}"
	gateway_start b
	gateway_load b
	initiate b "$child"
}
# secret_differs: gwb has another secret than `first` from now on (psk=first)
secret_differs() {
	sed -i 's/secret = first/secret = another/' "$W/b/swanctl.conf"
	order b --load-creds --clear --file "$W/b/swanctl.conf"
}
# conns_reload: gwa's connections are loaded, changed (change=yes) or without any
conns_reload() {
	if [ -n "$(opt x change)" ]; then
		sed -i 's,10\.1\.0\.0/16,10.1.0.0/24,' "$W/a/swanctl.conf"
	else
		sed -i '/^connections/,/^}/d' "$W/a/swanctl.conf"
	fi
	order a --load-conns --file "$W/a/swanctl.conf" || :
}
# uplink_second ROUTE...: gwa has another one, out2, with a default route as told
uplink_second() {
	ip link add out2 netns gwa type veth peer name rc netns router || fail 'no second uplink'
	ip -n gwa -batch - <<-BATCH
		addr add 198.18.1.1/24 dev out2
		link set out2 up
		route add default via 198.18.1.254 dev out2 $*
	BATCH
	ip -n router -batch - <<-BATCH
		addr add 198.18.1.254/24 dev rc
		link set rc up
	BATCH
	on gwa sh -c 'echo 0 >/proc/sys/net/ipv4/conf/out2/rp_filter'
	on router sh -c 'echo 0 >/proc/sys/net/ipv4/conf/rc/rp_filter'
}

# ---- the agent -----------------------------------------------------------------------------------------------

# Under emulation the kernel takes a long while to verify the agent's programs: one agent serves all variations of a VM,
# started by agent_shared, and a story's alarms are those whose time lies within it. Stories with agent_own=yes have
# one of their own, which may come later than the tunnel (agent_own=late: when it is up) or lose its namespace.

now() {
	local t=$EPOCHREALTIME
	TZ=UTC0 printf '%(%FT%T)T.%sZ\n' "${t%.*}" "${t#*.}"
}
AGENT_DIR=''
AGENT_PID=''
agents=0

# agent_launch DIR: an agent that watches gwa; alarms as JSON lines in DIR/alarms.jsonl
agent_launch() {
	local inside=()
	AGENT_DIR=$1
	mkdir -p "$AGENT_DIR/state"
	if [ "$1" = "$W" ] && contains agent; then inside=("${CONTAINED[@]}"); fi
	# shellcheck disable=SC2086  # several words
	"${inside[@]}" "$IKEWATCH" run --netns gwa --json --state-dir "$AGENT_DIR/state" ${IKEWATCH_TIER:+--tier "$IKEWATCH_TIER"} \
		${AGENT_ARGS:-} </dev/null \
		>"$AGENT_DIR/alarms.jsonl" 2>"$AGENT_DIR/agent.err" &
	AGENT_PID=$!
	[ "${#inside[@]}" = 0 ] || contained AGENT_PID
}
agent_shared() {
	[ -z "${NO_AGENT:-}${LATE:-}" ] || return 0
	[ -z "$AGENT_PID" ] || dead "$AGENT_PID" || return 0
	[ -z "$AGENT_PID" ] || [ -e "$AGENT_DIR/told-to-end" ] || echo "the agent ended by itself: $(tail -n 1 "$AGENT_DIR/agent.err")" >&2
	agent_launch "/tmp/agent.$((++agents))"
}
# agent_end: a clean stop, which closes the open cases first
agent_end() {
	local i
	[ -n "$AGENT_PID" ] || return 0
	: >"$AGENT_DIR/told-to-end"
	kill -TERM "$AGENT_PID" 2>/dev/null || :
	for ((i = 0; i < 300; i++)); do
		# the next agent begins anew: what happens meanwhile is of no story
		if dead "$AGENT_PID"; then AGENT_PID=''; "$IKEWATCH" detach >/dev/null; return 0; fi
		nap 0.1
	done
	kill -KILL "$AGENT_PID" 2>/dev/null || :
	AGENT_PID=''
	note 'the agent did not stop within 30 s'
	return 1
}
# agent_start: from here on gwa is watched
agent_start() {
	if [ -n "${NO_AGENT:-}" ]; then
		background monitor ip -n gwa -ts xfrm monitor
	elif [ "$(opt x agent_own)" = yes ]; then
		agent_end
		agent_launch "$W"
	fi
}
agent_says_ready() {
	[ -z "${NO_AGENT:-}" ] || return 0
	alive "$AGENT_PID" || { BEGUN=1; fail "the agent ended: $(tail -n 1 "$AGENT_DIR/agent.err")"; }
	grep -q '^ikewatch: ready' "$AGENT_DIR/agent.err"
}
agent_ready() {
	[ "$(opt x agent_own)" != late ] || [ "$AGENT_DIR" = "$W" ] || agent_launch "$W"
	agent_says_ready || wait_for 240 'the agent is ready' agent_says_ready
	# orders up to so long before a deletion count, and have to have been watched
	[ -n "${NO_AGENT:-}" ] || [ -z "$(find "$AGENT_DIR/agent.err" -newermt '-5 seconds')" ] || nap 5
	if [ -n "${RECORD:-}" ] && [ -z "${NO_AGENT:-}" ] && ! alive "${PID[record]:-}"; then
		background record "$IKEWATCH" record --state-dir "$AGENT_DIR/state" "$W/events"
	fi
}
# story_begins: what is told from now on is the story's in W
story_begins() {
	now >"$W/begin"
	echo "$AGENT_DIR $(grep -c "" "$AGENT_DIR/alarms.jsonl" 2>/dev/null)" >"$W/told_before"
}
# told_before: how many lines of the agent's file are from before, in TOLD; another agent's file was empty
told_before() {
	local dir
	read -r dir TOLD <"$W/told_before"
	[ "$dir" = "$AGENT_DIR" ] || TOLD=0
}
# agent_alarms: the alarms of this story so far, as JSON lines: not those from before it, by their place in the file (the
# clock may have been set back since) and by their time (they may come late)
agent_alarms() {
	local TOLD
	told_before
	tail -n "+$((TOLD + 1))" "$AGENT_DIR/alarms.jsonl" | jq -c --arg from "$(cat "$W/begin")" --arg till "$(cat "$W/end" 2>/dev/null || echo 9)" \
		'select(.time >= $from and .time <= $till)'
}
# alarms_are COUNT: so many have come; looked at one by one only where there are lines enough
alarms_are() {
	local TOLD lines
	[ -z "${NO_AGENT:-}" ] || return 0
	told_before
	lines=$(wc -l <"$AGENT_DIR/alarms.jsonl" 2>/dev/null || echo 0)
	THERE=$((lines - TOLD))
	[ "$THERE" -ge "$1" ] && THERE=$(agent_alarms | wc -l) && [ "$THERE" -ge "$1" ]
}

# ---- what must come of it ------------------------------------------------------------------------------------

# alarm KEY=VALUE...: one alarm that must come. Keys: reason (or reason|reason), peer, inside, flow (regex), iface, up (true false any),
# by and ordered (a regular expression for the comm, or none), confidence (at least), version (1 2 none), spi_i (of the IKE_SA, or a blind spot says that it is a guess), detail (regex),
# netlink (reason|reason where the netlink tier may know less), maybe (a wrong reason that may be called possible, where the
# story cannot be known: tests/lab/truth counts it as wrong); of ordered_by: login (the login uid), terminal, command and
# parents (regular expressions; the parents' comms from the nearest on)
alarm() {
	local kv value said=''
	# by hand: jq takes a third of a second to start here
	for kv; do
		value=${kv#*=}
		value=${value//\\/\\\\}
		said+=",\"${kv%%=*}\":\"${value//\"/\\\"}\""
	done
	printf '{%s}\n' "${said#,}" >>"$W/expected.jsonl"
}

# alarms_of KEY=VALUE...: one for each CHILD_SA, likely at least
alarms_of() {
	local n
	for ((n = 1; n <= $(opt x children 1); n++)); do
		alarm peer="$(peer_of a)" inside="10.$((n + 1)).0.0" confidence=likely "$@"
	done
}

# await_alarms: until as many have come as are expected (or never will), and the story's time is over
await_alarms() {
	uptime_s
	local wanted limit=$((UPTIME + 25)) THERE=0
	touch "$W/expected.jsonl"
	[ -z "${NO_AGENT:-}" ] || return 0
	wanted=$(wc -l <"$W/expected.jsonl")
	until alarms_are "$wanted" || [ "$UPTIME" -ge $limit ]; do
		nap 0.2
		uptime_s
	done
	alive "$AGENT_PID" || fail "the agent ended before it was told to: $(tail -n 1 "$AGENT_DIR/agent.err")"
	note "$wanted alarms expected, $THERE there"
	if [ "$AGENT_DIR" = "$W" ]; then
		# a case that is still open closes now
		agent_end || fail 'the agent did not stop within 30 s'
		[ "$(opt x agent_own)" != yes ] || now >"$W/end"
	fi
}
# judge: compares, once everything that may still come has come; prints what is wrong
judge() {
	agent_alarms >"$W/alarms.told"
	jq -nr --arg tier "${IKEWATCH_TIER:-}" --arg late "${LATE:-}" --slurpfile expected "$W/expected.jsonl" --slurpfile alarms "$W/alarms.told" \
		-f /ikewatch/tests/lab/judge.jq 2>&1
}

# clean_up: everything this variation started
clean_up() {
	local name
	# a story that failed must not leave its own agent to the next one
	[ "$AGENT_DIR" != "$W" ] || agent_end || :
	for name in "${!PID[@]}"; do
		case $name in
		gwa | gwb)
			# starter's charon outlives it, and keeps the port from the next one
			pkill -KILL -P "${PID[$name]}" 2>/dev/null || :
			end "$name" KILL 5 ;;
		*) end "$name" TERM 5 ;;
		esac
	done
}
