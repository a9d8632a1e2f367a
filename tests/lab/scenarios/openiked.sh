# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwa is OpenIKED (it installs SAs through PF_KEY), gwb strongSwan.
variations() {
	variation peer-terminate what=peer
	variation peer-rekey what=rekey
	variation ikectl-reset what=reset
	variation liveness what=silent
	variation stopped what=stop
	variation killed-then-flushed what=kill
}
iked_conf() {
	cat >"$W/a/iked.conf" <<-CONF
		set dpd_check_interval 2
		ikev2 "tun" passive esp from 10.1.0.0/16 to 10.2.0.0/16 local 192.0.2.1 peer 198.51.100.1 \\
			ikesa enc aes-128 prf hmac-sha2-256 auth hmac-sha2-256 group ecp256 \\
			childsa enc aes-128 auth hmac-sha2-256 \\
			srcid gwa dstid gwb ikelifetime 4h lifetime 4h psk "the-secret-of-the-lab"
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
gateway_start() {
	mkdir -p "$W/$1/run"
	if [ "$1" = b ]; then charon_start b; return; fi
	iked_conf
	background gwa ip netns exec gwa bash -c "mount --bind '$W/a/run' /run &&
		exec /opt/openiked/usr/sbin/iked -d -v -f '$W/a/iked.conf' >'$W/a/iked.log' 2>&1"
}
iked_ready() { [ -S "$W/a/run/iked.sock" ]; }
gateway_load() {
	if [ "$1" = b ]; then charon_load b; else wait_for 30 'iked of gwa listens' iked_ready; fi
}
# iked forgets what it negotiates until it has read its configuration, and does not say when it has
initiate() {
	local i
	for i in 1 2 3 4 5 6; do
		note "gwb initiates $2 ($i)"
		swan b --initiate --child "$2" --timeout 40 >>"$W/b/swanctl.out" 2>&1 && return
		sleep 2
	done
}
ikectl() { nsenter -t "${PID[gwa]}" -m -n /opt/openiked/usr/sbin/ikectl "$@"; }
before() {
	need /opt/openiked/usr/sbin/iked
	P[init]=b
	# iked takes a while for its first exchange under emulation
	P[rt_b]='2 1.6 4'
	agent_start
	tunnels_up
	agent_ready
}
newer_sas() { [ "$(spis gwa | grep -vcxF -- "$OLD")" -ge 2 ]; }
# the parent of iked's processes, which ends with them
iked_end() { kill "-$1" "${PID[gwa]}"; }
story() {
	sleep 2
	case $(opt x what) in
	peer) order b --terminate --ike tun --timeout 30 ;;
	rekey) order b --rekey --child c1 ;;
	reset) note 'ikectl reset sas'; ikectl reset sas >>"$W/a/ikectl.out" 2>&1 ;;
	silent) path_down ;;
	stop) note 'iked: SIGTERM'; iked_end TERM ;;
	kill)
		note 'iked: killed'
		# all of its processes at once
		pgrep -x iked | xargs kill -KILL
		sleep 4
		ip -n gwa xfrm state flush ;;
	esac
	wait_gone 150
	case $(opt x what) in rekey) wait_sas 2 ;; esac
}
expect() {
	case $(opt x what) in
	peer) alarm reason='peer request' peer=198.51.100.1 inside=10.2.0.0 up=false by='^iked' ordered=none confidence=likely version=2 ;;
	rekey) alarm reason='phase2 sa replace' peer=198.51.100.1 inside=10.2.0.0 up=true by='^iked' confidence=likely version=2 ;;
	reset) alarm reason='config modify or manual offline' peer=198.51.100.1 inside=10.2.0.0 up=any by='^iked' ordered='^ikectl$' confidence=likely ;;
	silent) alarm reason='dpd timeout' peer=198.51.100.1 inside=10.2.0.0 up=false by='^iked' ordered=none confidence=likely ;;
	stop) alarm reason='config modify or manual offline' peer=198.51.100.1 inside=10.2.0.0 up=false by='^iked' confidence=likely ;;
	kill) alarm reason='config modify or manual offline' peer=198.51.100.1 inside=10.2.0.0 up=false by='^ip$' confidence=certain ;;
	esac
}
