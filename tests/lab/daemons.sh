# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154  # P, W, PID are those of lib.sh
# The daemons that only gwa has, and only with the further root file system: strongSwan as it was before swanctl
# (daemon_a=starter: ipsec.conf, commands over the stroke socket) and OpenIKED (daemon_a=iked: it installs SAs through
# PF_KEY). And the one that only gwb has: a peer that behaves as it is told (daemon_b=peer, tests/lab/peer.py,
# with version=1 tests/lab/peer1.py).
# Sourced by lib.sh.

# ---- starter -------------------------------------------------------------------------------------------------

starter_conf() {
	local dpd=''
	[ -z "$(opt a dpd)" ] || dpd=$(printf 'dpdaction=clear\ndpddelay=%ss\ndpdtimeout=8s' "$(opt a dpd)")
	sed -E 's/^[^[:space:]]+=/\t&/' >"$W/a/ipsec.conf" <<-CONF
		config setup

		conn c1
			keyexchange=ikev$(opt a version 2)
			left=$(opt a local_addrs 192.0.2.1)
			leftid=@gwa
			leftsubnet=10.1.0.0/16
			right=$(opt a remote_addrs "$(peer_of a)")
			$(opt a starter_right "$(printf 'rightid=@gwb\nrightsubnet=10.2.0.0/16\nauthby=secret')")
			ike=$(opt a ike aes128-sha256-ecp256)!
			esp=$(opt a esp aes128-sha256)!
			mobike=$(opt a mobike no)
			reauth=$(opt a starter_reauth no)
			rekeyfuzz=0%
			$dpd
			$(opt a starter_more)
			auto=add
	CONF
	echo ": PSK \"$(opt a psk the-secret-of-the-lab)\"" >"$W/a/ipsec.secrets"
	echo starter >"$W/a/daemon"
}
starter_start() {
	need /usr/lib/ipsec/starter
	P[plugins_a]="${P[plugins_a]:-${P[plugins]:-}} stroke"
	charon_conf a
	starter_conf
	touch /etc/ipsec.conf /etc/ipsec.secrets
	STRONGSWAN_CONF=$W/a/strongswan.conf background gwa ip netns exec gwa bash -c "mount --bind '$W/a/run' /run &&
		mount --bind '$W/a/ipsec.conf' /etc/ipsec.conf && mount --bind '$W/a/ipsec.secrets' /etc/ipsec.secrets &&
		exec /usr/lib/ipsec/starter --nofork"
}
conn_loaded() { log_has a 'added configuration'; }
ipsec() {
	note "gwa: ipsec $*"
	STRONGSWAN_CONF=$W/a/strongswan.conf nsenter -t "${PID[gwa]}" -m -n /usr/sbin/ipsec "$@" >>"$W/a/ipsec.out" 2>&1 || :
}

# ---- OpenIKED ------------------------------------------------------------------------------------------------

iked_conf() {
	cat >"$W/a/iked.conf" <<-CONF
		set dpd_check_interval $(opt a iked_check 2)
		ikev2 "tun" passive esp from 10.1.0.0/16 to 10.2.0.0/16 local 192.0.2.1 peer 198.51.100.1 \\
			ikesa $(opt a iked_ike 'enc aes-128 prf hmac-sha2-256 auth hmac-sha2-256 group ecp256') \\
			childsa $(opt a iked_esp 'enc aes-128 auth hmac-sha1') \\
			srcid gwa dstid gwb ikelifetime 4h lifetime $(opt a iked_life 4h) psk "the-secret-of-the-lab"
	CONF
	chmod 600 "$W/a/iked.conf"
	if ! getent passwd _iked >/dev/null; then
		mkdir -p /var/empty
		echo '_iked:x:987:987::/var/empty:/usr/sbin/nologin' >>/etc/passwd
		echo '_iked:x:987:' >>/etc/group
	fi
	if [ ! -e /etc/iked/private/local.key ]; then
		cp -r /opt/openiked/etc/iked /etc/
		openssl ecparam -genkey -name prime256v1 -noout -out /etc/iked/private/local.key
		openssl ec -in /etc/iked/private/local.key -pubout -out /etc/iked/local.pub 2>/dev/null
		chmod 600 /etc/iked/private/local.key
	fi
}
iked_start() {
	need /opt/openiked/usr/sbin/iked
	iked_conf
	background gwa ip netns exec gwa bash -c "mount --bind '$W/a/run' /run &&
		exec /opt/openiked/usr/sbin/iked -d -v -f '$W/a/iked.conf' >'$W/a/iked.log' 2>&1"
}
iked_ready() { [ -S "$W/a/run/iked.sock" ]; }
ikectl() { nsenter -t "${PID[gwa]}" -m -n /opt/openiked/usr/sbin/ikectl "$@"; }
# iked is passive here, takes a while for its first exchange under emulation, and forgets what it negotiates until it
# has read its configuration, and does not say when it has
iked_defaults() {
	P[init]=b
	[ -n "${P[rt_b]:-}" ] || P[rt_b]='1.2 1.3 3'
	# Debian's iked refuses HMAC-SHA2-256 of PF_KEY ("unsupported integrity algorithm")
	[ -n "${P[esp]:-}${P[esp_b]:-}" ] || P[esp_b]=aes128-sha1
}
# iked_patience: nothing on Linux tells iked when its SAs were last used, so it asks a silent peer after 300 s only
iked_patience() {
	[ "${STORY_LIMIT:-420}" -ge 600 ] || skip 'iked asks a silent peer after 300 s: STORY_LIMIT=700 tests/lab/run -k openiked'
}
iked_initiate() {
	local i
	for i in 1 2 3 4 5 6; do
		note "gwb initiates $1 ($i)"
		swan b --initiate --child "$1" --timeout 40 >>"$W/b/swanctl.out" 2>&1 && return
		sleep 2
	done
}

# ---- a peer that behaves as it is told ---------------------------------------------------------------------------

# with peer='NAME=VALUE ...' of what it may be told to be (its OPTIONS)
peer_start() {
	local program=peer.py
	[ "$(opt b version 2)" = 2 ] || program=peer1.py
	mkfifo "$W/b/run/orders"
	# shellcheck disable=SC2046  # several words
	background gwb ip netns exec gwb python3 -B "/ikewatch/tests/lab/$program" "$(addr b)" "$(addr a)" "$W/b/run/orders" \
		ike="$(opt b ike aes128-sha256-ecp256)" esp="$(opt b esp aes128-sha256)" $(opt b peer)
}
peer_says() { grep -q -- "$1" "$W/gwb.out" 2>/dev/null; }
peer_ready() { peer_says ' ready$'; }
# tell_peer ORDER: one of those of its Peer.order
tell_peer() {
	note "the peer: $*"
	echo "$*" >"$W/b/run/orders"
}

# ---- what a script of gwa's would say to its daemon, whichever that is -------------------------------------------

end_command() {
	case $(opt a daemon charon) in
	pluto) echo '/usr/libexec/ipsec/whack --rundir /run/pluto --name c1 --terminate' ;;
	starter) echo '/usr/sbin/ipsec down c1' ;;
	iked) echo '/opt/openiked/usr/sbin/ikectl reset sa' ;;
	*) echo 'swanctl --terminate --ike tun --timeout 20' ;;
	esac
}
# the same connection again, its peer's name resolved anew
begin_command() {
	case $(opt a daemon charon) in
	pluto) echo "whack='/usr/libexec/ipsec/whack --rundir /run/pluto'; \$whack --name c1 --delete; /usr/libexec/ipsec/addconn" \
		"--ctlsocket /run/pluto/pluto.ctl --config $W/a/ipsec.conf c1; \$whack --name c1 --initiate --asynchronous" ;;
	starter) echo '/usr/sbin/ipsec up c1' ;;
	iked) echo : ;;
	*) echo 'swanctl --initiate --child c1 --timeout 20' ;;
	esac
}
# the name of the process that speaks to the daemon, and of the daemon
end_comm() {
	case $(opt a daemon charon) in
	pluto) echo '^whack$' ;;
	starter) echo '^stroke$' ;;
	iked) echo '^ikectl$' ;;
	*) echo '^swanctl$' ;;
	esac
}
daemon_comm() {
	case $(opt a daemon charon) in
	pluto) echo '^pluto' ;;
	iked) echo '^iked' ;;
	*) echo '^charon' ;;
	esac
}
