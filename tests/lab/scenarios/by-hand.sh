# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# Somebody deletes SAs of gwa with ip xfrm: a daemon's, behind its back, and ones made by hand without a daemon.
variations() {
	variation flush how=flush
	variation flush-three how=flush children=3 ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation delete core=yes how=delete init=b
	variation delete-in-only how=delete-in ike=aes256-sha512-modp2048 dpd_a=2
	variation ikev1-flush how=flush version=1
	variation no-daemon core=yes how=delete hand=yes
	variation no-daemon-flush how=flush hand=yes family=6
	variation client core=yes hand=client how=USR1
	variation client-flush hand=client how=USR2
	variation client-ipv6 hand=client how=USR1 family=6
	variation client-obeys hand=client how=notify version=2
	variation client-obeys-v1 hand=client how=notify version=1
	variation client-obeys-other-spi hand=client how=notify version=2 spi=0xdeadbeef
	variation client-forged hand=client how=notify version=2 forged=0x12345678
}
before() {
	agent_start
	case $(opt x hand) in
	client) agent_ready; client_start ;;
	?*) hand_made ;;
	*) tunnels_up ;;
	esac
	agent_ready
}
# what a signal means to a program that nobody knows may be told by what it did at others before: by a minute of them
watched_a_minute() { [ -z "$(find "$AGENT_DIR/agent.err" -newermt '-62 seconds')" ]; }
# the peer's INVALID_SPI in clear, which no daemon of Linux sends
notify() {
	on gwb python3 - "$(opt x version)" "$1" <<-'PYTHON'
		import socket, struct, sys
		v, spi = int(sys.argv[1]), int(sys.argv[2], 0)
		s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
		s.bind(('198.51.100.1', 0))
		if v == 2:  # RFC 7296 1.5, 3.10
		    payload = struct.pack('>BBHBBHI', 0, 0, 12, 0, 0, 11, spi)
		    ike = b'\x11' * 8 + b'\x00' * 8 + struct.pack('>BBBBII', 41, 0x20, 37, 0x08, 0, 28 + len(payload)) + payload
		else:       # RFC 2408 3.14
		    payload = struct.pack('>BBHIBBHI', 0, 0, 16, 1, 3, 0, 11, spi)
		    ike = b'\x11' * 8 + b'\x22' * 8 + struct.pack('>BBBBII', 11, 0x10, 5, 0, 7, 28 + len(payload)) + payload
		s.sendto(struct.pack('>HHHH', 500, 500, 8 + len(ike), 0) + ike, ('192.0.2.1', 0))
	PYTHON
	note "a notification INVALID_SPI in clear comes from the peer: $1"
}
story() {
	local s
	case $(opt x how) in
	USR?)
		[ -n "${NO_AGENT:-}${LATE:-}" ] || wait_for 120 'the agent has watched for a minute' watched_a_minute
		kill "-$(opt x how)" "${PID[client]}"
		wait_gone
		return ;;
	notify)
		notify "$(opt x forged "$(opt x spi 0x2001)")"
		# it knows better than to obey that; much later it is told to delete
		if [ -n "$(opt x forged)" ]; then sleep 4; kill -USR1 "${PID[client]}"; fi
		wait_gone
		return ;;
	esac
	note "ip xfrm state: $(opt x how)"
	case $(opt x how) in
	flush) ip -n gwa xfrm state flush ;;
	*)
		while read -r s; do
			# shellcheck disable=SC2086  # words of the id
			ip -n gwa xfrm state delete $s
		done < <(ip -n gwa xfrm state | awk -v only="$(opt x how)" -v me="$(addr a)" \
			'/^src/ {id="src " $2 " dst " $4; dst=$4} /proto esp spi/ {if (only == "delete" || dst == me) print id, "proto esp spi", $4}')
		;;
	esac
	if [ "$(opt x how)" != delete-in ]; then wait_gone; else wait_sas 1; fi
}
expect() {
	if [ "$(opt x hand)" = client ]; then
		if [ "$(opt x how)" = notify ] && [ -z "$(opt x forged)" ]; then
			alarm reason='receive invalid spi notify' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^python' confidence=likely
		else
			alarm reason='config modify or manual offline' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^python' confidence=likely
		fi
		return
	fi
	local n known='config modify or manual offline'
	# ip writes 0 where a requester may name itself: nothing tells who made an SA that the same tool deletes
	[ "$(opt x how)" = flush ] || [ -z "$(opt x hand)" ] || known+='|unknown'
	for ((n = 1; n <= $(opt x children 1); n++)); do
		alarm reason='config modify or manual offline' peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up=false by='^ip$' confidence=certain \
			netlink="$known"
	done
}
