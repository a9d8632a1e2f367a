# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# Work that is done over and over on a gateway, by cron, a configuration system or a watchdog, and that changes nothing: the
# same configuration loaded again, a connection begun that is there, another ended that is not. Meanwhile the tunnel ends
# for reasons of its own, and one of these was always a moment ago.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	# shellcheck disable=SC2086  # words
	{
		variation load-silent job=load how=silent dpd_a=3
		variation load-peer job=load how=peer $gcm
		variation load-rekey core=yes job=load how=rekey rekey_a=12
		variation load-reauth core=yes job=load how=reauth reauth_a=14
		variation load-reauth-aead job=load how=reauth reauth_a=15 $gcm daemon_a=charon-systemd
		variation load-idle job=load how=idle child_more_a='inactivity = 13'
		variation load-life job=load how=life life_a=16
		variation load-changed core=yes job=load how=changed start_a=start no_initiate=yes
		variation begin-idle job=begin how=idle child_more_a='inactivity = 13' $gcm
		variation begin-reauth job=begin how=reauth reauth_a=14
		variation other-silent job=other how=silent dpd_a=3
		variation other-peer job=other how=peer
		variation other-rekey job=other how=rekey rekey_a=12 $gcm
		variation other-reauth core=yes job=other how=reauth reauth_a=14
		variation other-idle job=other how=idle child_more_a='inactivity = 13' $gcm
		variation other-ordered core=yes job=other how=ordered
		variation starter-silent daemon_a=starter job=load how=silent dpd_a=3
		variation starter-reauth daemon_a=starter job=load how=reauth starter_more=$'ikelifetime=20s\nmargintime=6s' starter_reauth=yes
		variation starter-other daemon_a=starter job=other how=reauth starter_more=$'ikelifetime=20s\nmargintime=6s' starter_reauth=yes
		variation libreswan-silent daemon_a=pluto job=load how=silent dpd_a=3
		variation libreswan-rekey daemon_a=pluto job=load how=rekey pluto_life=24s pluto_margin=10s
		variation libreswan-other daemon_a=pluto job=other how=rekey pluto_life=24s pluto_margin=10s
		variation libreswan-other-peer daemon_a=pluto job=other how=peer
	}
}
# job: once; what no tunnel follows
job() {
	case $(opt a daemon charon):$(opt x job) in
	pluto:load) whack a --rereadall; whack a --listen ;;
	pluto:other) whack a --name other --terminate ;;
	starter:load) STRONGSWAN_CONF=$W/a/strongswan.conf nsenter -t "${PID[gwa]}" -m -n /usr/sbin/ipsec update ;;
	starter:other) STRONGSWAN_CONF=$W/a/strongswan.conf nsenter -t "${PID[gwa]}" -m -n /usr/sbin/ipsec down other ;;
	*:load) swan a --load-all --noprompt --file "$W/a/swanctl.conf" ;;
	*:begin) swan a --initiate --child c1 --timeout 1 ;;
	*:other) swan a --terminate --ike other --timeout 1 ;;
	esac
}
jobs_on() {
	while :; do
		job >>"$W/job.out" 2>&1
		echo once >>"$W/jobs"
		sleep 1
	done
}
before() {
	agent_start
	agent_ready
	tunnels_up
	jobs_on &
	PID[jobs]=$!
	disown $!
}
over_and_over() { [ "$(wc -l <"$W/jobs")" -ge 4 ]; }
story() {
	wait_for 60 'the job was done some times' over_and_over
	sleep 4
	case $(opt x how) in
	silent) path_down ;;
	peer) order b --terminate --ike tun || : ;;
	ordered) order a --terminate --ike tun || : ;;
	changed) sed -i '/^connections/,/^}/d' "$W/a/swanctl.conf" ;;
	esac
	wait_gone 120
	sleep 1
	end jobs
}
expect() {
	local reason up=false ordered=none by
	by=$(daemon_comm)
	case $(opt x how) in
	silent) reason='dpd timeout' ;;
	peer) reason='peer request' ;;
	rekey) reason='phase2 sa replace' up=true ;;
	reauth) reason='phase1 sa replace' up=true ;;
	idle) reason='idle timeout' ;;
	life) reason='phase2 hard expiry' by=none up=any ;;
	ordered | changed) reason='config modify or manual offline' ordered='^swanctl$' ;;
	esac
	# begun again at once
	[ "$(opt x job)" != begin ] || up=any
	! is_pluto a || up=any
	alarm reason="$reason" peer="$(peer_of a)" inside=10.2.0.0 up=$up by="$by" ordered="$ordered" confidence=possible
}
