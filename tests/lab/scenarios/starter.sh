# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwa is strongSwan as it was before swanctl: starter with ipsec.conf, commands over the stroke socket.
variations() {
	variation down what=down
	variation down-ikev1 what=down version=1
	variation stop what=stop dpd=30
	variation liveness what=silent dpd=2
	variation peer-terminate what=peer init=b
	variation peer-rekey what=rekey init=b
}
starter_conf() {
	local dpd=''
	[ -z "$(opt a dpd)" ] || dpd=$(printf 'dpdaction=clear\n\t\t\tdpddelay=%ss\n\t\t\tdpdtimeout=8s' "$(opt a dpd)")
	cat >"$W/a/ipsec.conf" <<-CONF
		config setup

		conn c1
			keyexchange=ikev$(opt a version 2)
			left=192.0.2.1
			leftid=@gwa
			leftsubnet=10.1.0.0/16
			right=198.51.100.1
			rightid=@gwb
			rightsubnet=10.2.0.0/16
			authby=secret
			ike=aes128-sha256-ecp256!
			esp=aes128-sha256!
			mobike=no
			reauth=no
			$dpd
			auto=add
	CONF
	echo '@gwa @gwb : PSK "the-secret-of-the-lab"' >"$W/a/ipsec.secrets"
	echo starter >"$W/a/daemon"
}
gateway_start() {
	mkdir -p "$W/$1/run"
	if [ "$1" = b ]; then charon_start b; return; fi
	P[plugins_a]=stroke
	charon_conf a
	starter_conf
	touch /etc/ipsec.conf /etc/ipsec.secrets
	STRONGSWAN_CONF=$W/a/strongswan.conf background gwa ip netns exec gwa bash -c "mount --bind '$W/a/run' /run &&
		mount --bind '$W/a/ipsec.conf' /etc/ipsec.conf && mount --bind '$W/a/ipsec.secrets' /etc/ipsec.secrets &&
		exec /usr/lib/ipsec/starter --nofork"
}
ipsec() {
	note "gwa: ipsec $*"
	STRONGSWAN_CONF=$W/a/strongswan.conf nsenter -t "${PID[gwa]}" -m -n /usr/sbin/ipsec "$@" >>"$W/a/ipsec.out" 2>&1 || :
}
conn_loaded() { log_has a 'added configuration'; }
gateway_load() {
	if [ "$1" = b ]; then charon_load b; else wait_for 40 'starter has loaded c1' conn_loaded; fi
}
initiate() {
	note "gw$1 initiates $2"
	if [ "$1" = b ]; then swan b --initiate --child "$2" --timeout 20 >>"$W/b/swanctl.out" 2>&1 || :; else ipsec up "$2"; fi
}
before() {
	need /usr/lib/ipsec/starter
	agent_start
	tunnels_up
	agent_ready
}
story() {
	sleep 3
	case $(opt x what) in
	down) ipsec down c1 ;;
	stop) ipsec stop ;;
	silent) path_down ;;
	peer) order b --terminate --ike tun --timeout 30 ;;
	rekey) order b --rekey --child c1 ;;
	esac
	wait_gone
	case $(opt x what) in rekey) wait_sas 2 ;; esac
}
expect() {
	local version
	version=$(opt a version 2)
	case $(opt x what) in
	down) alarm reason='config modify or manual offline' peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' ordered='^stroke$' confidence=likely version="$version" ;;
	stop) alarm reason='config modify or manual offline' peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' confidence=likely ;;
	silent) alarm reason='dpd timeout' peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' ordered=none confidence=likely ;;
	peer) alarm reason='peer request' peer=198.51.100.1 inside=10.2.0.0 up=false by='^charon' ordered=none confidence=likely ;;
	rekey) alarm reason='phase2 sa replace' peer=198.51.100.1 inside=10.2.0.0 up=true by='^charon' confidence=likely ;;
	esac
}
