#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317 # functions that until_ calls
# A watched namespace goes, and the next one that is made gets its number: it is another's business. What went with the
# first is told, as it is torn down.
cd "$(dirname "$0")/../../.." || exit 1
agent=$(realpath "${IKEWATCH:-build/ikewatch}") dir=$(mktemp -d) failed=0
verdict() { if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "FAIL $1: $3"; failed=1; fi; }
# shellcheck source=tests/host/until.sh
. tests/host/until.sh
# pair NAMESPACE add|delete
pair() {
	for one in "192.0.2.1 192.0.2.2 0x1001" "192.0.2.2 192.0.2.1 0x1002"; do
		read -r from to spi <<<"$one"
		case $2 in
		add) ip -n "$1" xfrm state add src "$from" dst "$to" proto esp spi "$spi" reqid 1 mode tunnel \
			aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128 ;;
		*) ip -n "$1" xfrm state delete src "$from" dst "$to" proto esp spi "$spi" ;;
		esac
	done
}
new() {
	ip netns add "$1"
	ip -n "$1" link set lo up
	ip -n "$1" addr add 192.0.2.1/32 dev lo
}
number() { stat -Lc %i "/run/netns/$1"; }
alarms() { wc -l <"$dir/out"; }
told() { [ "$(alarms)" -ge "$1" ]; }
sa_events() { "$agent" status --json --socket "$dir/s" | jq '.events.sa // 0'; }
some_sa() { [ "$(sa_events)" -ge 2 ]; }

new gw
was=$(number gw)
"$agent" run --netns gw --state-dir "$dir/state" --socket "$dir/s" --json >"$dir/out" 2>"$dir/err" &
pid=$!
until_ 120 grep -q '^ikewatch: ready$' "$dir/err"
verdict netns_number/ready $? "$(tr '\n' '|' <"$dir/err")"
[[ $("$agent" status --json --socket "$dir/s" | jq -r .tier) =~ ^(fentry|kprobe)$ ]]
verdict netns_number/tier $? "$("$agent" status --json --socket "$dir/s" | jq -r .tier)"
pair gw add
until_ 20 some_sa
ip netns del gw
until_ 60 told 1
jq -es 'length == 1 and .[0].offline_reason == "interface removed"' "$dir/out" >/dev/null
verdict netns_number/torn_down $? "$(cat "$dir/out" "$dir/err")"

# the kernel frees the number a moment later
same() {
	new other
	[ "$(number other)" = "$was" ] || { ip netns del other; return 1; }
}
until_ 60 same
verdict netns_number/same $? "$was, then another"
before=$(sa_events)
pair other add
pair other delete
pair other add
sleep 3
[ "$(sa_events)" -eq "$before" ] && [ "$(alarms)" -eq 1 ]
verdict netns_number/other $? "$before SA events, then $(sa_events); $(alarms) alarms: $(jq -r .detail "$dir/out")"
ip netns del other
sleep 3
[ "$(sa_events)" -eq "$before" ] && [ "$(alarms)" -eq 1 ]
verdict netns_number/other_torn_down $? "$before SA events, then $(sa_events); $(alarms) alarms"

# the name is back, whatever the number
new gw
until_ 60 grep -q 'watched again' "$dir/err"
verdict netns_number/watched_again $? "$(cat "$dir/err")"
pair gw add
pair gw delete
until_ 30 told 2
jq -es 'length == 2 and .[1].offline_reason == "config modify or manual offline"' "$dir/out" >/dev/null
verdict netns_number/again $? "$(cat "$dir/out" "$dir/err")"
kill $pid
wait $pid
verdict netns_number/stop $? "exit $?: $(cat "$dir/err")"

# the same while no agent runs: the next one reads of both in the ring
pair gw add
was=$(number gw)
ip netns del gw
same_name() {
	new gw
	[ "$(number gw)" = "$was" ] || { ip netns del gw; return 1; }
}
until_ 60 same_name
verdict netns_number/same_name $? "$was, then another"
"$agent" run --netns gw --state-dir "$dir/state" --socket "$dir/s" --json >>"$dir/out" 2>"$dir/err" &
pid=$!
until_ 120 grep -q '^ikewatch: ready$' "$dir/err"
until_ 30 told 3
pair gw add
pair gw delete
until_ 30 told 4
jq -es 'length == 4 and .[3].offline_reason == "config modify or manual offline"' "$dir/out" >/dev/null
verdict netns_number/taken_over $? "$(jq -c '[.offline_reason, .detail]' "$dir/out"; cat "$dir/err")"
kill $pid
wait $pid
verdict netns_number/end $? "exit $?: $(cat "$dir/err")"
"$agent" detach >/dev/null
ip netns del gw
rm -rf "$dir"
exit $failed
