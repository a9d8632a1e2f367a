# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W, PID and OLD are those of lib.sh
# What befalls the daemon of gwa on its host: killed, crashed, out of memory, upgraded, restarted twice; a supervisor starts it
# again, with what the one before left in the kernel flushed or still there. Or it is frozen for a while, another
# configuration is loaded that bites later, its scripts fail. The peer is well.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	local pluto='daemon_a=pluto' pluto_gcm='pluto_ike=aes_gcm256-sha2_384-ecp_256 pluto_esp=aes_gcm256'
	# shellcheck disable=SC2086  # words
	{
		variation killed-expires what=killed later=expires life_a=45
		variation killed-cleaned core=yes what=killed later=cleaned $gcm
		variation killed-peer what=killed later=peer
		variation killed-stopped what=killed later=stopped $gcm
		variation killed-libreswan what=killed later=peer $pluto
		variation crashed-flushed what=crashed later=flushed
		variation oom-flushed core=yes what=oom later=flushed
		variation upgraded what=upgraded
		variation upgraded-libreswan what=upgraded $pluto
		variation restarted-twice what=twice
		variation frozen-gave-up what=frozen for=14 dpd_b=2 dpd_a=3
		variation frozen-gave-up-aead what=frozen for=14 dpd_b=2 dpd_a=3 $gcm
		variation frozen-deleted what=frozen-deleted for=12
		variation frozen-deleted-aead what=frozen-deleted for=12 $gcm
		variation frozen-deleted-libreswan what=frozen-deleted for=12 $pluto
		variation secret what=secret later=reauth reauth_a=14
		variation proposals what=proposals later=rekey
		variation remote-changed what=remote-changed start_a=start no_initiate=yes
		variation script-fails what=script later=peer script=fails
		variation script-fails-libreswan what=script later=order script=fails $pluto
	}
}
group=/sys/fs/cgroup/host-life
script_make() {
	[ -n "$(opt x script)" ] || return 0
	mkdir -p "$W/a"
	cat >"$W/a/script" <<-SCRIPT
		#!/bin/sh
		echo "\$PLUTO_VERB begins" >>$W/a/script.log
		case \$PLUTO_VERB in down-client*) exit 1 ;; esac
		echo "\$PLUTO_VERB ends" >>$W/a/script.log
	SCRIPT
	chmod +x "$W/a/script"
	P[pluto_updown_a]=$W/a/script
	P[child_more_a]="updown = $W/a/script"
}
group_gone() {
	[ -d $group ] || return 0
	echo 0 >$group/cgroup.freeze
	! [ -e $group/memory.max ] || echo max >$group/memory.max
	rmdir $group 2>/dev/null
}
before() {
	group_gone
	script_make
	agent_start
	agent_ready
	tunnels_up
}
daemon_back() {
	note 'gwa: its daemon is started'
	rm -rf "$W/a/run"
	gateway_start a
	gateway_load a
	initiate a c1
	wait_for 40 'newer SAs' newer_sas
	sleep 3
}
newer_sas() { [ "$(spis gwa | grep -vcxF -- "$OLD")" -ge 2 ]; }
# as systemd does with Libreswan's unit when pluto has ended (ExecStopPost=)
after_it() { note 'what comes after the daemon: ip xfrm flush'; sh -c 'ip -n gwa xfrm policy flush; ip -n gwa xfrm state flush'; }
# the old SAs one by one
clean() {
	local s
	while read -r s; do
		# shellcheck disable=SC2086  # words of the id
		ip -n gwa xfrm state delete $s
	done < <(ip -n gwa xfrm state | awk '/^src/ {id="src " $2 " dst " $4} /proto esp spi/ {print id, "proto esp spi", $4}' | grep -wF "$OLD")
}
group_of() {
	mkdir -p $group || skip 'no cgroup2'
	[ -e "$group/$1" ] || skip "no $1 in this kernel's cgroups"
	echo "${PID[gwa]}" >$group/cgroup.procs
}
freeze() {
	group_of cgroup.freeze
	echo 1 >$group/cgroup.freeze
	note 'the daemon of gwa is frozen'
}
thaw() {
	echo 0 >$group/cgroup.freeze
	note 'the daemon of gwa goes on'
}
# the memory of its group runs out, and the kernel kills all that is in there
oom() {
	[ -e /sys/fs/cgroup/cgroup.subtree_control ] && echo +memory >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
	group_of memory.oom.group
	echo 1 >$group/memory.oom.group
	echo 60M >$group/memory.max
	echo 0 >$group/memory.swap.max 2>/dev/null
	note 'the memory of the group of the daemon is used up'
	bash -c "echo \$\$ >$group/cgroup.procs; exec python3 -c 'x = bytearray(300 << 20)'" || :
	wait_for 20 'the daemon is killed' dead "${PID[gwa]}"
}
deed() {
	case $(opt x what) in
	killed | crashed | oom)
		case $(opt x what) in
		killed) note 'the daemon is killed'; kill -KILL "${PID[gwa]}" ;;
		crashed) note 'the daemon crashes'; kill -SEGV "${PID[gwa]}" ;;
		oom) oom ;;
		esac
		wait_for 20 'the daemon has ended' dead "${PID[gwa]}"
		[ "$(opt x later)" != flushed ] || after_it
		daemon_back ;;
	upgraded)
		note 'gwa: the package is upgraded'
		end gwa TERM 40
		daemon_back ;;
	twice)
		end gwa TERM 40
		daemon_back
		OLD+=$'\n'$(spis gwa)
		end gwa TERM 40
		wait_gone
		daemon_back ;;
	frozen) freeze; sleep "$(opt x for)"; thaw ;;
	frozen-deleted)
		freeze
		order b --terminate --ike=tun --timeout 30 &
		sleep "$(opt x for)"
		thaw ;;
	secret)
		if is_pluto a; then
			sed -i 's/the-secret-of-the-lab/quite-another/' "$W/a/ipsec.secrets"
			whack a --rereadsecrets >>"$W/a/whack.out" 2>&1 || :
		else
			sed -i 's/the-secret-of-the-lab/quite-another/' "$W/a/swanctl.conf"
			order a --load-all --clear --noprompt --file "$W/a/swanctl.conf" || :
		fi
		note 'gwa: another secret' ;;
	proposals)
		sed -i 's/esp_proposals = aes128-sha256/esp_proposals = aes256-sha512/' "$W/a/swanctl.conf"
		order a --load-all --noprompt --file "$W/a/swanctl.conf" || : ;;
	remote-changed)
		sed -i 's/remote_addrs = .*/remote_addrs = 198.51.100.2/' "$W/a/swanctl.conf"
		order a --load-all --noprompt --file "$W/a/swanctl.conf" || : ;;
	esac
}
later() {
	case $(opt x later) in
	cleaned) clean ;;
	peer) order b --terminate --ike tun --timeout 30 || : ;;
	stopped) end gwa TERM 40 ;;
	order) if is_pluto a; then whack a --name c1 --terminate >>"$W/a/whack.out" 2>&1 || :; else order a --terminate --ike tun --timeout 30 || :; fi ;;
	rekey) [ -n "$(opt a rekey)" ] || order a --rekey --child c1 || : ;;
	esac
}
story() {
	sleep 2
	deed
	later
	case $(opt x what):$(opt x later) in
	killed:peer | killed:stopped) sleep 5 ;;
	*) wait_gone 150 ;;
	esac
	group_gone
}
expect() {
	local reason up=false ordered=none confidence=likely detail='' by
	by=$(daemon_comm)
	case $(opt x what):$(opt x later) in
	killed:expires) reason='phase2 hard expiry' by=none up=any confidence=certain ;;
	frozen:*) reason='dpd timeout' ;;
	killed:cleaned) reason='config modify or manual offline' by='^ip$' up=true confidence=certain ;;
	*:flushed) reason='config modify or manual offline' by='^ip$' up=any confidence=certain ;;
	killed:stopped) reason='config modify or manual offline' ordered='^bash$' up=any ;;
	upgraded:* | twice:*) reason='config modify or manual offline' ordered='^bash$' up=any ;;
	*:order) reason='config modify or manual offline' ordered="$(end_comm)" ;;
	*:peer | frozen-deleted:*) reason='peer request' up=any ;;
	*:rekey) reason='phase2 sa replace' up=true ordered='' ;;
	remote-changed:*) reason='config modify or manual offline' ordered='^swanctl$' up=any ;;
	secret:*) reason='re-auth timeout' up=any detail='refuse|failed' ;;
	esac
	alarm reason="$reason" peer="$(peer_of a)" inside=10.2.0.0 up=$up by="$by" ordered="$ordered" confidence=$confidence detail="$detail"
	[ "$(opt x what)" != twice ] || alarm reason="$reason" peer="$(peer_of a)" inside=10.2.0.0 up=$up by="$by" ordered="$ordered" confidence=$confidence
}
