# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwa is OpenIKED (it installs SAs through PF_KEY), gwb strongSwan.
variations() {
	local aead="iked_ike=enc aes-256-gcm prf hmac-sha2-384 group ecp256" ike=ike=aes256gcm16-prfsha384-ecp256
	variation peer-terminate daemon_a=iked what=peer
	variation peer-rekey daemon_a=iked what=rekey
	variation ikectl-reset daemon_a=iked what=reset
	variation liveness daemon_a=iked what=silent
	variation stopped daemon_a=iked what=stop
	variation killed-then-flushed daemon_a=iked what=kill
	variation peer-terminate-aead daemon_a=iked what=peer "$aead" $ike
	variation peer-terminate-child daemon_a=iked what=child
	variation peer-rekey-aead daemon_a=iked what=rekey "$aead" $ike 'iked_esp=enc aes-256 auth hmac-sha1' esp=aes256-sha1
	variation peer-rekey-default-delay daemon_a=iked what=rekey delete_rekeyed_delay_b=5
	variation peer-returns daemon_a=iked what=returns
	variation liveness-aead daemon_a=iked what=silent "$aead" $ike 'iked_esp=enc aes-256 auth hmac-sha1' esp=aes256-sha1
	variation liveness-traffic daemon_a=iked what=silent iked_check=4 traffic=yes
	variation rekey-unanswered daemon_a=iked what=rekey-silent iked_check=600 iked_life=30
	variation rekey-unanswered-aead daemon_a=iked what=rekey-silent iked_check=600 iked_life=30 "$aead" $ike
	variation rekey-unanswered-traffic daemon_a=iked what=rekey-silent iked_check=600 iked_life=40 traffic=yes
	variation ikectl-reset-id daemon_a=iked what=reset-id "$aead" $ike
	variation own-rekey daemon_a=iked what=own-rekey iked_life=20
}
newer_sas() { [ "$(spis gwa | grep -vcxF -- "$OLD")" -ge 2 ]; }
# the parent of iked's processes, which ends with them
iked_end() { kill "-$1" "${PID[gwa]}"; }
story() {
	# old SAs beside those of a peer that came back, too, end with a liveness check only
	case $(opt x what) in silent | returns) iked_patience ;; esac
	[ -z "$(opt x traffic)" ] || traffic_start 1 0.3 600
	sleep 2
	case $(opt x what) in
	peer) order b --terminate --ike tun --timeout 30 ;;
	child) order b --terminate --child c1 --timeout 30 ;;
	rekey) order b --rekey --child c1 ;;
	returns)
		end gwb KILL
		ip -n gwb xfrm state flush
		ip -n gwb xfrm policy flush
		rm -rf "$W/b/run"
		gateway_start b
		gateway_load b
		initiate b c1 ;;
	reset) note 'ikectl reset sa'; ikectl reset sa >>"$W/a/ikectl.out" 2>&1 ;;
	reset-id) note 'ikectl reset id FQDN/gwb'; ikectl reset id FQDN/gwb >>"$W/a/ikectl.out" 2>&1 ;;
	*silent) path_down ;;
	stop) note 'iked: SIGTERM'; iked_end TERM ;;
	kill)
		note 'iked: killed'
		# the one that negotiates first: it deletes its SAs when it sees another's end
		pgrep -x iked | sort -rn | xargs kill -KILL
		sleep 4
		ip -n gwa xfrm state flush ;;
	esac
	case $(opt x what) in silent | returns) wait_gone 480 ;; *) wait_gone 150 ;; esac
	case $(opt x what) in *rekey) wait_sas 2 ;; esac
}
expect() {
	case $(opt x what) in
	peer | child) alarm reason='peer request' peer=198.51.100.1 inside=10.2.0.0 up=false by='^iked' ordered=none confidence=likely version=2 ;;
	# iked keeps the old SAs beside the new ones until its liveness check fails
	returns) alarm reason='dpd timeout|kick old sa with same flow' peer=198.51.100.1 inside=10.2.0.0 up=true by='^iked' ordered=none confidence=likely ;;
	*rekey) alarm reason='phase2 sa replace' peer=198.51.100.1 inside=10.2.0.0 up=true by='^iked' confidence=likely version=2 ;;
	reset*) alarm reason='config modify or manual offline' peer=198.51.100.1 inside=10.2.0.0 up=any by='^iked' ordered='^ikectl$' confidence=likely ;;
	# the kernel's limit takes the SAs while iked still waits
	rekey-silent) alarm reason='exchange timeout' peer=198.51.100.1 inside=10.2.0.0 up=false ordered=none confidence=likely version=2 ;;
	silent) alarm reason='dpd timeout' peer=198.51.100.1 inside=10.2.0.0 up=false by='^iked' ordered=none confidence=likely ;;
	stop) alarm reason='config modify or manual offline' peer=198.51.100.1 inside=10.2.0.0 up=false by='^iked' confidence=likely ;;
	kill) alarm reason='config modify or manual offline' peer=198.51.100.1 inside=10.2.0.0 up=false by='^ip$' confidence=certain ;;
	esac
}
