# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W, PID and OLD are those of lib.sh
# A daemon of gwa's that is held up between a cause and its deed: by the script that it runs as a tunnel goes down (which
# sends mail, or loads a firewall anew: script=SECONDS), by having few threads (threads=), by others that take the CPU
# (cpu=yes), or because it was stopped for some seconds (held=before|amid).
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	local pluto='daemon_a=pluto' pluto_gcm='pluto_ike=aes_gcm256-sha2_384-ecp_256 pluto_esp=aes_gcm256'
	# shellcheck disable=SC2086  # words
	{
		variation order what=order script=3
		variation order-8 core=yes what=order script=8
		variation order-8-aead what=order script=8 $gcm init=b daemon_a=charon-systemd dpd_a=3
		variation order-children what=order script=3 children=3
		variation order-child core=yes what=order-child script=8 children=2
		variation order-ikev1 what=order script=4 version=1
		variation order-libreswan what=order script=4 $pluto
		variation order-silent what=order-silent script=4 dpd_a=30
		variation order-all core=yes what=order-all script=4 two=yes
		variation order-all-threads what=order-all script=4 two=yes children=3 threads=6
		variation order-and-peer what=order-and-peer script=6 two=yes
		variation peer-8 core=yes what=peer script=8
		variation peer-8-aead what=peer script=8 $gcm init=b dpd_a=4
		variation peer-children what=peer script=3 children=3
		variation peer-child what=peer-child script=8 children=2
		variation peer-ikev1 what=peer script=4 version=1
		variation peer-libreswan what=peer script=4 $pluto init=b
		variation silent what=silent script=8 dpd_a=2
		variation silent-children core=yes what=silent script=3 children=3 dpd_a=2
		variation silent-ikev1 what=silent script=5 dpd_a=1 dpd_timeout_a=5 version=1
		variation silent-libreswan what=silent script=4 dpd_a=2 $pluto
		variation rekey-libreswan what=rekey script=4 $pluto
		variation rekey-silent what=rekey-silent script=6
		variation reauth core=yes what=reauth script=4
		variation reauth-peer core=yes what=reauth-peer script=4 init=b
		variation reauth-peer-aead what=reauth-peer script=8 init=b $gcm
		variation reauth-refused what=reauth-refused script=4 psk=first
		variation reload-removed what=reload script=6 start_a=start no_initiate=yes children=2
		variation reload-changed what=reload change=yes script=6 start_a=start no_initiate=yes $gcm
		variation back core=yes what=back script=4 remote_addrs_a=%any unique_a=replace init=b
		variation back-8-aead what=back script=8 remote_addrs_a=%any unique_a=replace init=b $gcm rt_b=2_1.5_5
		variation idle what=idle script=6 child_more_a='inactivity = 9'
		variation held-order-amid core=yes what=order held=amid
		variation held-order-amid-aead what=order held=amid $gcm
		variation held-peer what=peer held=before
		variation held-silent what=silent held=silence dpd_a=2 rt=1_1.5_4
		variation held-reauth-amid what=reauth held=amid
		variation cpu-order what=order cpu=yes
		variation cpu-back what=back cpu=yes remote_addrs_a=%any unique_a=replace init=b
	}
}
# the other tunnel: to another address of gwb's, of an IKE_SA of its own
second() {
	local here=192.0.2.1 there=198.51.100.2
	[ "$1" = a ] || { here=198.51.100.2; there=192.0.2.1; }
	echo 'connections {'
	plain_conn "$1" tun2 "$here" "$there" "second-gw$1" "second-gw$(other "$1")" far "$([ "$1" = a ] && echo 10.1.0.0/16 || echo 10.9.0.0/16)" \
		"$([ "$1" = a ] && echo 10.9.0.0/16 || echo 10.1.0.0/16)" none | if [ "$1" = a ]; then slow_child; else cat; fi
	echo '}'
}
slow_child() { sed "s,^\(.*\)mode = tunnel,&\n\1updown = $W/a/script,"; }
script_make() {
	[ -n "$(opt x script)" ] || return 0
	mkdir -p "$W/a"
	cat >"$W/a/script" <<-SCRIPT
		#!/bin/sh
		echo "\$(date +%T.%N) \$PLUTO_VERB \$PLUTO_PEER_CLIENT begins" >>$W/a/script.log
		case \$PLUTO_VERB in down-client*) sleep $(opt x script) ;; esac
		echo "\$(date +%T.%N) \$PLUTO_VERB \$PLUTO_PEER_CLIENT ends" >>$W/a/script.log
	SCRIPT
	chmod +x "$W/a/script"
	P[pluto_updown_a]=$W/a/script
	P[child_more_a]="${P[child_more_a]:-}
updown = $W/a/script"
}
before() {
	# words of an option, in one
	[ -z "${P[rt]:-}" ] || P[rt]=${P[rt]//_/ }
	[ -z "${P[rt_b]:-}" ] || P[rt_b]=${P[rt_b]//_/ }
	script_make
	[ -z "$(opt x threads)" ] || P[charon_more_a]="threads = $(opt x threads)"
	if [ -n "$(opt x two)" ]; then P[conf_more_a]=$(second a) P[conf_more_b]=$(second b); fi
	agent_start
	agent_ready
	tunnels_up
	[ -z "$(opt x two)" ] || {
		initiate a far
		wait_for 60 'SAs on gwa' sas_are gwa $(($(opt x children 1) * 2 + 2))
		OLD=$(spis gwa)
	}
}
newer_sas() { [ "$(spis gwa | grep -vcxF -- "$OLD")" -ge 2 ]; }
checks_answered() { log_count a 'parsed INFORMATIONAL(_V1)? (response|request)' 2; }
end_tun() {
	if is_pluto a; then
		note 'whack --terminate'
		whack a --name c1 --terminate >>"$W/a/whack.out" 2>&1 || :
	else
		order a --terminate --ike tun --timeout 60 || :
	fi
}
# hold SECONDS: the daemon does nothing for so long
hold() {
	kill -STOP "${PID[gwa]}"
	note 'the daemon of gwa is stopped'
	sleep "$1"
	kill -CONT "${PID[gwa]}"
	note 'the daemon of gwa goes on'
}
# under way to the peer and back, so that the daemon is stopped before the answer comes
slow_path() {
	modprobe -q sch_netem || skip 'this kernel has no netem'
	on router tc qdisc replace dev ra root netem delay 1500ms || fail 'tc: netem refused'
}
sent_informational() { [ "$(log_sent)" -gt "$SENT" ]; }
log_sent() { if is_pluto a; then grep -c 'sent INFORMATIONAL\|delet' "$W/a/pluto.log"; else grep -c 'generating INFORMATIONAL' "$W/a/charon.log"; fi; }
# amid THE-DEED...: it is held once it has sent what the peer is to answer
amid() {
	slow_path
	SENT=$(log_sent)
	"$@" &
	local deed=$!
	wait_for 20 'a message went out' sent_informational
	hold 5
	wait "$deed" || :
}
held() {
	case $(opt x held) in
	before)
		kill -STOP "${PID[gwa]}"
		note 'the daemon of gwa is stopped'
		"$@" &
		local deed=$!
		sleep 4
		kill -CONT "${PID[gwa]}"
		note 'the daemon of gwa goes on'
		wait "$deed" || : ;;
	amid) amid "$@" ;;
	*) "$@" ;;
	esac
}
cpu_taken() {
	[ -n "$(opt x cpu)" ] || return 0
	renice -n 19 -g "${PID[gwa]}" >/dev/null 2>&1 || :
	for task in "/proc/${PID[gwa]}/task/"*; do renice -n 19 -p "${task##*/}" >/dev/null 2>&1 || :; done
	local n
	for n in $(seq "$(nproc)"); do background "busy$n" nice -n -20 timeout 25 sh -c 'while :; do :; done'; done
	note 'others take the CPU'
}
story() {
	sleep 2
	if [ "$(opt x what)" = silent ] && ! is_pluto a; then wait_for 60 'checks were answered' checks_answered; fi
	cpu_taken
	case $(opt x what) in
	order) held end_tun ;;
	order-child | peer-child)
		OLD=$(spis_to a 1)
		order "$([ "$(opt x what)" = peer-child ] && echo b || echo a)" --terminate --child c1 --timeout 60 || : ;;
	order-silent) path_down; end_tun ;;
	order-all)
		order a --terminate --ike tun2 --timeout 60 &
		order a --terminate --ike tun --timeout 60 || :
		wait $! || : ;;
	order-and-peer)
		# somebody here ends the one; the peer ends the other while the script of the first still runs
		order a --terminate --ike tun --timeout 60 &
		sleep 2
		order b --terminate --ike tun2 --timeout 60 || :
		wait $! || : ;;
	peer) held order b --terminate --ike tun --timeout 60 ;;
	silent)
		! is_pluto a || sleep 5
		path_down
		if [ -n "$(opt x held)" ]; then wait_log a 'retransmit 1 of' 60; hold 5; fi ;;
	rekey) if is_pluto a; then whack_rekey a c1; else held order a --rekey --child c1; fi ;;
	rekey-silent) path_down; order a --rekey --child c1 || : ;;
	reauth) held order a --rekey --ike tun --reauth ;;
	reauth-peer) held order b --rekey --ike tun --reauth ;;
	reauth-refused)
		secret_differs
		order a --rekey --ike tun --reauth ;;
	reload) conns_reload ;;
	back) peer_again ;;
	esac
	wait_gone 150
	case $(opt x what) in
	rekey | reauth | reauth-peer | back) wait_sas $(($(opt x children 1) * 2)) ;;
	esac
}
expect() {
	local by
	by=$(daemon_comm)
	case $(opt x what) in
	order | order-silent) alarms_of reason='config modify or manual offline' up=false by="$by" ordered="$(end_comm)" ;;
	order-all)
		alarms_of reason='config modify or manual offline' up=false by="$by" ordered="$(end_comm)"
		P[children]=1
		alarms_of reason='config modify or manual offline' up=false by="$by" ordered="$(end_comm)" peer=198.51.100.2 inside=10.9.0.0 ;;
	order-and-peer)
		alarms_of reason='config modify or manual offline' up=false by="$by" ordered="$(end_comm)"
		alarms_of reason='peer request' up=false by="$by" ordered=none peer=198.51.100.2 inside=10.9.0.0 ;;
	order-child) P[children]=1; alarms_of reason='config modify or manual offline' up=false by="$by" ordered="$(end_comm)" ;;
	peer) alarms_of reason='peer request' up=false by="$by" ordered=none ;;
	peer-child) P[children]=1; alarms_of reason='peer request' up=false by="$by" ordered=none ;;
	silent)
		alarms_of reason='dpd timeout' up=false by="$by" ordered=none
		[ -z "$(opt x two)" ] || alarms_of reason='dpd timeout' up=false by="$by" ordered=none peer=198.51.100.2 inside=10.9.0.0 ;;
	rekey) alarms_of reason='phase2 sa replace' up=true by="$by" ;;
	rekey-silent) alarms_of reason='exchange timeout' up=false by="$by" ;;
	reauth-refused) alarms_of reason='re-auth timeout' up=false by="$by" confidence=possible detail=refuse ;;
	reauth | reauth-peer) alarms_of reason='phase1 sa replace' up=true by="$by" ;;
	reload) alarms_of reason='config modify or manual offline' up=any by="$by" ordered='^swanctl$' ;;
	back) alarms_of reason='kick old sa with same flow' up=true by="$by" ;;
	idle) alarms_of reason='idle timeout' up=false by="$by" ordered=none confidence=possible ;;
	esac
}
