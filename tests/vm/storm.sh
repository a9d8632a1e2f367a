#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A storm in a VM: a flush of very many SAs, then deletions one by one at a rate, with `ip xfrm monitor` beside the agent.
# Every SA must be accounted for, one alarm a tunnel, in order. One ok or FAIL line, after the figures.
#
# usage: tests/vm/storm.sh [SAS [SECONDS]]   SAs in the flush (default: $STORM_SAS, or 20000; make bench: 100000), and how
#        long six tenths as many are then deleted one by one ($STORM_SECONDS, or 20; make bench: 60)
#   O=DIR build folder (build)   KERNEL=V (6.1)   RESULT=FILE where the figures go as JSON
#   LIMIT=S seconds for all of it (1200, and one for each 20 SAs)
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
sas=${1:-${STORM_SAS:-20000}} seconds=${2:-${STORM_SECONDS:-20}}
tunnels=$((sas / 2)) rate_tunnels=$((sas * 3 / 10))
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT
failed=0
fail() { echo "FAIL storm: $*"; failed=1; }

if ! log=$("${MAKE:-make}" --no-print-directory O="$O" "$O/ikewatch" "$O/guest/storm" 2>&1); then
	printf '%s\n' "$log"
	fail 'it does not build'
	exit 1
fi
cp "$O/guest/storm" "$O/ikewatch" tests/vm/storm.guest "$share/" || exit 1
scripts/vm --kernel "${KERNEL:-6.1}" --mem 2560 --timeout "${LIMIT:-$((1200 + sas / 20))}" --share "$share" -- \
	bash /out/storm.guest "$sas" "$seconds" /out/ikewatch 2>&1 | tee "$share/log"
status=${PIPESTATUS[0]}
if [ "$status" -ne 0 ] || [ ! -s "$share/numbers.json" ]; then
	grep -q '^FAIL' "$share/log" || fail "exit status $status"
	exit 1
fi

# account WHAT FROM TO TUNNELS SAS: the alarms of those lines; what they account for, into the variable $accounted
account() {
	local alarms unique disorder
	read -r alarms accounted unique disorder < <(sed -n "$2,$3p" "$share/alarms" |
		jq -r '"\(.time) \([.sas[].spi] | join(" "))"' | awk '
		{alarms++; accounted += NF - 1; if ($1 "" < last) disorder++; last = $1 ""}
		{for (i = 2; i <= NF; i++) if (!seen[$i]++) unique++}
		END {print alarms + 0, accounted + 0, unique + 0, disorder + 0}')
	[ "$alarms" -eq "$4" ] || fail "$1: $alarms alarms of $4 tunnels"
	[ "$accounted" -eq "$5" ] || fail "$1: $accounted SAs accounted for of $5"
	[ "$unique" -eq "$accounted" ] || fail "$1: $accounted SAs in alarms, $unique different ones"
	[ "$disorder" -eq 0 ] || fail "$1: $disorder alarms out of order"
	sed -n "$2,$3p" "$share/alarms" | jq -r '"  \(.offline_reason), \(.confidence), \(.rule)"' | sort | uniq -c
}
n() { jq -r ".\"$1\"" "$share/numbers.json"; }

account flush 1 "$tunnels" "$tunnels" $((2 * tunnels))
flush_accounted=$accounted
# the one more was told one by one, and is not of the flush
remote=$((tunnels * 0x9e3779b1))
one_more=11.$((remote >> 16 & 255)).$((remote >> 8 & 255)).$((remote & 255))
flush_seen=$(grep '^Deleted' "$share/monitor.flush" | grep -cvF "$one_more")
last=$(sed -n "$((tunnels + 1))p" "$share/alarms" | jq -r '"\(.rule) \(.seq_num)"')
[ "$last" = "foreign_deleter $((tunnels + 1))" ] || fail "the alarm that came last is: $last"
account 'one by one' $((tunnels + 2)) '$' $((rate_tunnels + 1)) $((2 * rate_tunnels + 2))
rate_seen=$(grep -c '^Deleted' "$share/monitor.rate")
expired=$(tail -n "+$((tunnels + 2))" "$share/alarms" | jq -r 'select(.offline_reason == "phase2 hard expiry") | "\(.seq_num) \(input_line_number)"')
[ "${expired%% *}" = $((tunnels + 10 + rate_tunnels + 1)) ] || fail "the SA that ran out: ${expired:-no alarm}"
latency=$(tail -n "+$((tunnels + 2))" "$share/alarms" | jq -s '[.[].latency_us] | sort
	| {"latency.vm_p50_us": .[length / 2 | floor], "latency.vm_p99_us": .[length * 99 / 100 | floor], "latency.vm_max_us": .[-1]}')

echo "flush: $flush_accounted of $((2 * tunnels)) SAs accounted for by $tunnels alarms in $(n storm.seconds) s; lost records" \
	"$(n storm.lost_records); ip xfrm monitor: $flush_seen"
echo "one by one: $((accounted - 2)) of $((2 * rate_tunnels)) SAs accounted for, $(n storm.single.per_s) a second for" \
	"$(n storm.single.seconds) s on an emulated machine; lost records $(n storm.single.lost_records); ip xfrm monitor: $rate_seen;" \
	"the SA that ran out is line ${expired##* } of $((rate_tunnels + 1))"
echo "agent, KiB of its own: $(n storm.agent_kib_before) with $tunnels tunnels up, $(n storm.agent_kib_after) after the flush," \
	"$(n storm.single.agent_kib_after) at the end; at most $(n storm.single.agent_kib_peak) with the ring and the program's files"
# a tunnel takes a KiB or so, what waits for the disk is bounded (10,000 alarms); nothing grows with the number of deletions
most=$((49152 + 2 * tunnels))
[ "$(n storm.single.agent_kib_after)" -le $most ] || fail "the agent has grown to $(n storm.single.agent_kib_after) KiB, more than $most"
[ -z "${RESULT:-}" ] || jq -s add "$share/numbers.json" <(printf '%s' "$latency") <(echo "{
	\"storm.deleted\": $((2 * tunnels)), \"storm.accounted\": $flush_accounted, \"storm.ip_monitor_seen\": $flush_seen,
	\"storm.single.deleted\": $((2 * rate_tunnels)), \"storm.single.accounted\": $((accounted - 2)),
	\"storm.single.ip_monitor_seen\": $rate_seen}") >"$RESULT"
[ $failed -ne 0 ] || echo 'ok storm'
exit $failed
