#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2119  # the defaults of wait_gone and path_down are meant
# The demo's part in the VM (started by scripts/demo): one agent, one pair of gateways, four ends.
# shellcheck source=tests/lab/lib.sh
. /ikewatch/tests/lab/lib.sh
set -u

W=/tmp/lab/demo
wrong=0
headline() { printf '\n%s== %s%s\n' "${BOLD:-}" "$*" "${BOLD:+$'\e[0m'}"; }

# tell TITLE REASON UP: waits for the alarm that comes next and prints its line and what `explain` says, its advice left out
tell() {
	local title=$1 reason=$2 up=$3 line
	told=$((told + 1))
	wait_for 30 "$title: the alarm" alarms_are $told
	line=$(agent_alarms | sed -n "${told}p")
	jq -r -f /ikewatch/tests/lab/alarm-line.jq <<<"$line"
	"$IKEWATCH" explain "$(jq -r .id <<<"$line")" --state-dir "$AGENT_DIR/state" |
		sed -e '/^IPSEC/,/^$/d' -e '/^Impact/,$d' -e 's/^/  /'
	if ! jq -e --arg reason "$reason" --argjson up "$up" '.offline_reason == $reason and .tunnel_up == $up' <<<"$line" >/dev/null; then
		echo "WRONG: expected offline_reason \"$reason\", tunnel_up $up"
		wrong=$((wrong + 1))
	fi
}
# shellcheck disable=SC2317  # a trap's
trouble() { echo "demo: $(cat "$W/why" 2>/dev/null)" >&2; clean_up; agent_end; }

mkdir -p "$W"
told=0
trap trouble EXIT
P=([agent_own]=yes [dpd_a]=3 [rt]='1.5 1.5 3' [delete_rekeyed_delay]=1)
echo 'two gateways with strongSwan, a router between them; the agent watches gwa'
net_make
story_begins
agent_start
echo 'the agent attaches its probes (the emulated kernel takes a while to verify them)'
agent_ready
crypto_warm
BEGUN=1
tunnels_up
echo 'the tunnel is up: 10.1.0.0/16 === gwa 192.0.2.1 ... 198.51.100.1 gwb === 10.2.0.0/16'

headline 'rekey: the CHILD_SA is replaced and the tunnel goes on'
order a --rekey --child c1
wait_gone
tell rekey 'phase2 sa replace' true

headline 'the operator of gwa: swanctl --terminate --ike tun'
OLD=$(spis gwa)
order a --terminate --ike tun
wait_gone
tell terminate 'config modify or manual offline' false

headline 'the peer, gwb, terminates'
initiate a c1
wait_sas 2
OLD=$(spis gwa)
order b --terminate --ike tun
wait_gone
tell 'peer terminates' 'peer request' false

headline 'the peer goes silent: the router drops everything'
initiate a c1
wait_sas 2
OLD=$(spis gwa)
path_down
wait_gone
tell silent 'dpd timeout' false

agent_end || wrong=$((wrong + 1))
extra=$(($(agent_alarms | wc -l) - told))
[ $extra -eq 0 ] || { echo "WRONG: $extra alarms more than deletions"; wrong=$((wrong + 1)); }
trap - EXIT
clean_up
printf '\n'
if [ $wrong -eq 0 ]; then echo 'four tunnels ended, four alarms, each with the right reason'; else echo "$wrong things are wrong"; fi
exit $((wrong > 0))
