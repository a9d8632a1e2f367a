# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwa is strongSwan as it was before swanctl: starter with ipsec.conf, commands over the stroke socket.
variations() {
	local aead='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16' des='ike=3des-sha1-modp1024 esp=3des-sha1'
	local soon=starter_more=$'keylife=60s\nmargintime=44s' reauth=starter_more=$'ikelifetime=90s\nmargintime=70s'
	local fails=starter_more=$'ikelifetime=30s\nmargintime=14s'
	variation down daemon_a=starter what=down
	variation down-ikev1 daemon_a=starter what=down version=1
	variation stop daemon_a=starter what=stop dpd_a=30
	variation liveness daemon_a=starter what=silent dpd_a=2
	variation peer-terminate daemon_a=starter what=peer init=b
	variation peer-rekey daemon_a=starter what=rekey init=b
	# shellcheck disable=SC2086  # words
	{
		variation liveness-aead daemon_a=starter what=silent dpd_a=2 $aead
		variation liveness-ikev1 daemon_a=starter what=silent dpd_a=2 version=1
		variation peer-terminate-aead daemon_a=starter what=peer $aead
		variation peer-terminate-child daemon_a=starter what=child init=b
		variation peer-rekey-aead daemon_a=starter what=rekey $aead init=b
		variation own-rekey daemon_a=starter what=own-rekey
		variation rekey-unanswered daemon_a=starter what=rekey-silent "$soon"
		variation rekey-unanswered-aead daemon_a=starter what=rekey-silent "$soon" $aead rt='0.5 2 2' init=b
		variation rekey-unanswered-ikev1 daemon_a=starter what=rekey-silent "$soon" version=1
		variation reauth daemon_a=starter what=reauth starter_reauth=yes "$reauth"
		variation reauth-aead daemon_a=starter what=reauth starter_reauth=yes "$reauth" $aead
		variation reauth-make daemon_a=starter what=reauth starter_reauth=yes mbb=yes "$reauth" $aead init=b
		variation reauth-unreachable daemon_a=starter what=reauth-silent starter_reauth=yes "$fails"
		variation reauth-unreachable-make daemon_a=starter what=reauth-silent starter_reauth=yes mbb=yes "$fails" $aead
		variation reauth-rejected daemon_a=starter what=reauth-refused starter_reauth=yes "$fails" psk=first
		variation peer-returns daemon_a=starter what=returns init=b
		variation peer-returns-aead daemon_a=starter what=returns init=b $aead
		variation peer-returns-elsewhere daemon_a=starter what=returns init=b move=198.51.100.2 remote_addrs_a=%any
		# an ESP Delete is 92 bytes with AES and SHA-256, 76 with 3DES and SHA-1; the IP packet 28 more
		variation dependent daemon_a=starter what=dependent version=1 esp_delete=120
		variation dependent-aes256 daemon_a=starter what=dependent version=1 esp_delete=136 ike=aes256-sha384-modp2048 esp=aes256-sha384 init=b
		variation dependent-3des daemon_a=starter what=dependent version=1 esp_delete=104 $des
		variation idle daemon_a=starter what=idle starter_more=inactivity=9s
		variation idle-aead daemon_a=starter what=idle starter_more=inactivity=8s $aead init=b
		variation idle-ikev1 daemon_a=starter what=idle starter_more=inactivity=9s version=1
		# no margin, no rekey in time
		variation limit-time daemon_a=starter what=limit starter_more=$'keylife=12s\nmargintime=0s'
		variation limit-bytes daemon_a=starter what=limit traffic=yes starter_more=$'lifebytes=4000\nmarginbytes=0'
		variation limit-packets daemon_a=starter what=limit traffic=yes starter_more=$'lifepackets=25\nmarginpackets=0' $aead
	}
}
before() {
	agent_start
	# a timer of the story runs from its beginning
	agent_ready
	tunnels_up
}
newer_sas() { [ "$(spis gwa | grep -vcxF -- "$OLD")" -ge 2 ]; }
first_gone() { [ "$(spis gwa | grep -cxF -- "$OLD")" -lt "$(wc -l <<<"$OLD")" ]; }
story() {
	not_yet 'creating rekey job|reauthenticating|closing expired'
	[ -z "$(opt x traffic)" ] || traffic_start 1 0.2
	case $(opt x what) in down | stop | silent | peer | child | rekey | own-rekey) sleep 3 ;; esac
	case $(opt x what) in
	down) ipsec down c1 ;;
	stop) ipsec stop ;;
	silent | *-silent) path_down ;;
	peer) order b --terminate --ike tun --timeout 30 ;;
	child) order b --terminate --child c1 --timeout 30 ;;
	rekey) order b --rekey --child c1 ;;
	own-rekey) STRONGSWAN_CONF=$W/a/strongswan.conf nsenter -t "${PID[gwa]}" -m -n /usr/lib/ipsec/stroke rekey 'c1{*}' >>"$W/a/ipsec.out" 2>&1 || : ;;
	reauth-refused) secret_differs ;;
	returns) peer_again ;;
	dependent)
		path_drop "iifname rb udp dport 500 ip length $(opt x esp_delete)"
		order b --terminate --ike tun --timeout 20 ;;
	limit)
		wait_for 90 'one of the SAs has gone' first_gone
		traffic_stop 1 ;;
	esac
	wait_gone 120
	case $(opt x what) in *rekey | reauth) wait_sas 2 ;; esac
	# the timer would do it again
	[ "$(opt x what)" != reauth ] || wait_for 20 'the alarm has come' alarms_are 1
}
expect() {
	local version reason by='^charon' ordered=none up=false confidence=likely detail=''
	version=$(opt a version 2)
	case $(opt x what) in
	down) reason='config modify or manual offline' ordered='^stroke$' ;;
	# charon is told to end by its parent's signal
	stop) reason='config modify or manual offline' ordered='' ;;
	silent) reason='dpd timeout' ;;
	peer | child) reason='peer request' ;;
	*rekey) reason='phase2 sa replace' up=true ordered='' ;;
	rekey-silent) reason='exchange timeout' ;;
	reauth) reason='phase1 sa replace' up=true ;;
	reauth-silent)
		reason='re-auth timeout' confidence=possible
		# the Delete is as long as a check would be: where it is seen what the daemon reads, it had not looked
		[ -n "$(opt x mbb)" ] || detail='the Delete of a reauthentication' ;;
	reauth-refused) reason='re-auth timeout' detail=refuse ;;
	returns) reason='kick old sa with same flow' up=true ;;
	dependent)
		reason='ikev1 phase1-phase2 sa dependent offline'
		# with AES and SHA-2 the Deletes of both in one message, from who adds no pad, are as long
		[ "$(opt x esp_delete)" = 104 ] || confidence=possible ;;
	idle) reason='idle timeout' confidence=possible ;;
	limit) reason='phase2 hard expiry' up=any by=none confidence=certain ordered='' ;;
	esac
	alarm reason="$reason" peer=198.51.100.1 inside=10.2.0.0 up="$up" by="$by" ordered="$ordered" confidence="$confidence" \
		detail="$detail" version="$version"
}
