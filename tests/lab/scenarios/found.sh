# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# SAs that are older than the agent, made by hand: taken before the agent has read them in, while it does, or after.
# Whichever way, a pair gives one alarm.
variations() {
	variation flush-early hand=yes how=flush when=early agent_own=yes
	variation delete-early hand=yes how=delete when=early agent_own=yes
	variation half-early hand=yes how=half when=early agent_own=yes
	variation flush-apart how=flush pause=7 agent_own=yes
	variation delete-apart how=half pause=7 agent_own=yes
	variation pairs-flush how=flush pairs=3 reqid=0 agent_own=yes
	variation pairs-flush-early how=flush pairs=3 reqid=7 when=early agent_own=yes
	variation marks-flush how=flush reqid=0 mark_in=5 mark_out=6 agent_own=yes
	variation if-id-flush how=flush reqid=0 if_id=9 agent_own=yes
}
# one SA of gwa: SRC DST SPI in|out
sa() {
	local more=() mark
	mark=$(opt x "mark_$4")
	[ -z "$mark" ] || more+=(mark "$mark" mask 0xffffffff)
	[ -z "$(opt x if_id)" ] || more+=(if_id "$(opt x if_id)")
	ip -n gwa xfrm state add src "$1" dst "$2" proto esp spi "$3" reqid "$(opt x reqid 0)" mode tunnel \
		aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128 "${more[@]}" || fail 'ip xfrm state add: refused'
}
made() {
	local n
	if [ -n "$(opt x hand)" ]; then hand_made; return; fi
	for ((n = 1; n <= $(opt x pairs 1); n++)); do
		sa "$(addr b)" "$(addr a)" "0x100$n" in
		sleep "$(opt x pause 0)"
		sa "$(addr a)" "$(addr b)" "0x200$n" out
	done
	OLD=$(spis gwa)
}
probes_there() { compgen -G '/sys/fs/bpf/ikewatch/programs/ikw_sa_delete_*' >/dev/null; }
# DIRECTION: those SAs of gwa, one by one
delete() {
	local s
	while read -r s; do
		# shellcheck disable=SC2086  # words of the id
		ip -n gwa xfrm state delete $s
	done < <(ip -n gwa xfrm state | awk -v only="$1" -v me="$(addr a)" '/^src/ {id="src " $2 " dst " $4; way=$4 == me ? "in" : "out"}
		/proto esp spi/ && (only == "all" || only == way) {print id, "proto esp spi", $4}')
}
taken() {
	note "taken: $(opt x how)"
	case $(opt x how) in
	flush) ip -n gwa xfrm state flush ;;
	delete) delete all ;;
	half) delete in ;;
	esac
}
before() {
	made
	agent_start
	if [ -n "$(opt x when)" ]; then
		[ "${IKEWATCH_TIER:-}" != netlink ] || skip 'the netlink tier sees nothing before it has read in the SAD'
		wait_for 120 'the SAD probes are there' probes_there
		agent_says_ready && fail 'the agent was ready already'
		taken
	fi
	agent_ready
}
story() {
	[ -n "$(opt x when)" ] || taken
	[ "$(opt x how)" != half ] || { sleep 4; delete out; }
	wait_gone
}
expect() {
	local n netlink='config modify or manual offline'
	# a single deletion of what is older than the agent: netlink tells neither who made the SA nor who deleted it
	[ "$(opt x how)" != half ] || netlink+='|unknown'
	for ((n = 1; n <= $(opt x pairs 1); n++)); do
		alarm reason='config modify or manual offline' peer="$(peer_of a)" up=false by='^ip$' confidence=certain version=none netlink="$netlink"
	done
}
