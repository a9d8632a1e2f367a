# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# SPIs that somebody has taken, or that the peer says it does not know. The IKE daemons of Linux ignore both the
# notification in clear and an SPI that another process's SA has; so these stories are of what must not be blamed: the
# forged notification, long before or in the middle of a silence, and a failed install beside an operator's command.
variations() {
	variation notify-then-silence what=notify dpd_a=2
	variation notify-then-silence-aead what=notify dpd_a=2 ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd
	variation notify-ikev1 what=notify version=1 dpd_a=1 dpd_timeout_a=4
	variation notify-then-order what=notify order=yes
	variation taken-then-order what=taken order=yes
	variation taken-by-hand what=taken hand=yes
	variation notify-obeyed what=notify obey=yes
}
# a notification in clear from gwb: by hand, for no daemon of Linux sends one (LAB: the vendors' boxes do)
notify() {
	local version=$1
	on gwb python3 - "$version" <<-'PYTHON'
		import socket, struct, sys
		v = int(sys.argv[1])
		s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
		s.bind(('198.51.100.1', 0))
		if v == 2:  # RFC 7296 1.5: INFORMATIONAL without protection, N(INVALID_SPI)
		    payload = struct.pack('>BBHBBHI', 0, 0, 12, 0, 0, 11, 0x12345678)
		    ike = b'\x11' * 8 + b'\x00' * 8 + struct.pack('>BBBBII', 41, 0x20, 37, 0x08, 0, 28 + len(payload)) + payload
		else:       # RFC 2408 3.14: INVALID-SPI
		    payload = struct.pack('>BBHIBBHI', 0, 0, 16, 1, 3, 4, 11, 0x12345678)
		    ike = b'\x11' * 8 + b'\x22' * 8 + struct.pack('>BBBBII', 11, 0x10, 5, 0, 7, 28 + len(payload)) + payload
		udp = struct.pack('>HHHH', 500, 500, 8 + len(ike), 0) + ike
		s.sendto(udp, ('192.0.2.1', 0))
	PYTHON
	note 'a notification INVALID_SPI in clear comes from the peer'
}
# the SPI of the inbound SA once more, from another source: EEXIST (RFC 4301 4.1: destination, protocol and SPI name it)
take() {
	local spi
	spi=$(ip -n gwa xfrm state | awk -v me="$(addr a)" '/^src/ {mine = $4 == me} /spi 0x/ && mine {print $4; exit}')
	note "installing SPI $spi once more"
	ip -n gwa xfrm state add src "$(addr b)" dst "$(addr a)" proto esp spi "$spi" mode tunnel \
		aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128 2>&1 | tee -a "$W/story.log" | grep -q 'File exists' ||
		fail 'it was not refused'
}
before() {
	agent_start
	if [ -n "$(opt x hand)" ]; then hand_made; else tunnels_up; fi
	agent_ready
}
story() {
	case $(opt x what) in
	notify)
		notify "$(opt a version 2)"
		if [ -n "$(opt x obey)" ]; then
			# what a daemon that believes such notifications would do: delete at once, and say nothing
			ip -n gwa xfrm state flush
		elif [ -z "$(opt x order)" ]; then
			path_down
		fi ;;
	taken)
		take
		[ -z "$(opt x hand)" ] || ip -n gwa xfrm state deleteall ;;
	esac
	if [ -n "$(opt x order)" ]; then person a swanctl --terminate --ike tun --timeout 20; fi
	wait_gone
}
expect() {
	if [ -n "$(opt x order)$(opt x hand)$(opt x obey)" ]; then
		alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=false confidence=likely
	else
		alarm reason='dpd timeout' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered=none confidence=likely version="$(opt a version 2)"
	fi
}
