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
}
before() {
	agent_start
	if [ -n "$(opt x hand)" ]; then hand_made; else tunnels_up; fi
	agent_ready
}
story() {
	local s
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
	local n known='config modify or manual offline'
	# ip writes 0 where a requester may name itself: nothing tells who made an SA that the same tool deletes
	[ "$(opt x how)" = flush ] || [ -z "$(opt x hand)" ] || known+='|unknown'
	for ((n = 1; n <= $(opt x children 1); n++)); do
		alarm reason='config modify or manual offline' peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up=false by='^ip$' confidence=certain \
			netlink="$known"
	done
}
