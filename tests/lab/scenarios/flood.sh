# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# Forged IKE messages from random sources flood gwa while its peer goes silent: the alarm is right all the same.
# A million of them take an emulated machine long: STORY_LIMIT=1500 tests/lab/run -k flood/million
variations() {
	variation some dpd_a=2 rt='0.7 1.5 2' flood=50000 agent_own=yes
	variation some-v1 version=1 dpd_a=2 dpd_timeout_a=6 flood=50000 agent_own=yes
	variation million dpd_a=2 rt='1 2 2' flood=1000000 agent_own=yes
}
flood_tool=/ikewatch/build/guest/flood
flood() {
	local mac
	mac=$(ip -n gwa -j link show out | jq -r '.[0].address')
	ip netns exec router "$flood_tool" ra "$mac" 192.0.2.1 "$(opt x flood)" >"$W/flood.json" 2>"$W/flood.err"
	echo "exit $?" >"$W/flood.exit"
}
flood_over() { [ -e "$W/flood.exit" ]; }
status_of() { "$IKEWATCH" status --json --state-dir "$AGENT_DIR/state" >"$W/status.json"; }
story() {
	[ -x "$flood_tool" ] || skip 'build/guest/flood is not built (tests/lab/run builds it)'
	wait_log a 'parsed INFORMATIONAL response|DPD_ACK' 60
	background flood flood
	path_down
	wait_gone 240
	wait_for $((300 + $(opt x flood) / 1000)) 'the flood is over' flood_over
	[ "$(jq .sent "$W/flood.json")" = "$(opt x flood)" ] || fail "the flood: $(cat "$W/flood.err" "$W/flood.json")"
	status_of || fail 'no status'
	note "status: $(jq -c .packets "$W/status.json"), lost $(jq .lost "$W/status.json")"
	# every message was seen and no record lost; how many came above the rate limit is the machine's affair
	jq -e --argjson n "$(opt x flood)" '.packets.ike >= $n and .lost == 0' "$W/status.json" >/dev/null ||
		fail "status after the flood: $(jq -c '[.packets, .lost]' "$W/status.json")"
}
expect() {
	alarm reason='dpd timeout' peer="$(peer_of a)" inside=10.2.0.0 up=false by='^charon' ordered=none confidence=likely \
		version="$(opt a version 2)"
}
