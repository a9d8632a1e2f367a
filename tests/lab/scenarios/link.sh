# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The interface towards the peer is set down, or removed, and the daemon then gives the peer up: the first of these is
# the cause, and the liveness failure that follows from it no alarm of its own. Beside that the cable is pulled (the
# carrier is lost, the interface stays up): that is a silent peer, not an administrator.
variations() {
	variation down what=down dpd_a=2
	variation down-aead what=down dpd_a=2 ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd traffic=yes
	variation down-ikev1 what=down version=1 dpd_a=1 dpd_timeout_a=4
	variation down-libreswan what=down daemon_a=pluto dpd_a=2
	variation down-libreswan-aead what=down daemon_a=pluto dpd_a=1 ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256 init=b
	variation down-libreswan-traffic what=down daemon_a=pluto dpd_a=1 traffic=yes
	variation removed core=yes what=removed dpd_a=2
	variation removed-libreswan what=removed daemon_a=pluto dpd_a=2
	variation removed-aead what=removed dpd_a=2 ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation carrier core=yes what=carrier dpd_a=2
	variation carrier-restart what=carrier dpd_a=2 dpd_action_a=restart
	variation removed-libreswan-aead what=removed daemon_a=pluto dpd_a=1 ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256 init=b
	variation removed-libreswan-ikev1 what=removed daemon_a=pluto version=1 dpd_a=1
	local daemon aead='iked_ike=enc aes-256-gcm prf hmac-sha2-384 group ecp256'
	for daemon in starter iked; do
		variation down-$daemon what=down daemon_a=$daemon dpd_a=2
		variation down-$daemon-aead what=down daemon_a=$daemon dpd_a=2 "$aead" \
			ike=aes256gcm16-prfsha384-ecp256
		variation down-$daemon-traffic what=down daemon_a=$daemon dpd_a=2 traffic=yes iked_check=4
		variation removed-$daemon what=removed daemon_a=$daemon dpd_a=2
		variation removed-$daemon-aead what=removed daemon_a=$daemon dpd_a=2 "$aead" \
			ike=aes256gcm16-prfsha384-ecp256
		variation removed-$daemon-traffic what=removed daemon_a=$daemon dpd_a=2 traffic=yes iked_check=4
	done
}
story() {
	[ "$(opt a daemon)" != iked ] || iked_patience
	[ -z "$(opt x traffic)" ] || traffic_start 1
	sleep 3
	note "the interface out of gwa: $(opt x what)"
	case $(opt x what) in
	down) ip -n gwa link set out down ;;
	removed) ip -n gwa link del out ;;
	# veth: when the other end is down this one has no carrier
	carrier) ip -n router link set ra down ;;
	esac
	wait_gone "$([ "$(opt a daemon)" = iked ] && echo 480 || echo 150)"
	link_again
}
expect() {
	local by
	by=$(daemon_comm)
	case $(opt x what) in
	down) alarm reason='admin down' peer="$(peer_of a)" inside=10.2.0.0 up=any by="$by" ordered=none confidence=likely ;;
	removed) alarm reason='interface removed' peer="$(peer_of a)" inside=10.2.0.0 up=any by="$by" ordered=none confidence=likely ;;
	# without a carrier nothing leaves: the checks that nobody answers are not seen, and no cause must be made up
	carrier) alarm reason='dpd timeout|unknown' peer="$(peer_of a)" inside=10.2.0.0 up=any by="$by" ordered=none ;;
	esac
}
