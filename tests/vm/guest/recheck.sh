#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317 # functions that until_ calls
# A deletion that no probe tells of: the kernel's kprobes are disarmed while `ip xfrm` deletes (each is missed then, as
# one is that fires while its CPU runs another). A look at the SAD finds it, and it has its one alarm.
cd "$(dirname "$0")/../../.." || exit 1
agent=$(realpath "${IKEWATCH:-build/ikewatch}") dir=$(mktemp -d) failed=0
verdict() { if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "FAIL $1: $3"; failed=1; fi; }
# shellcheck source=tests/host/until.sh
. tests/host/until.sh
kprobes=/sys/kernel/debug/kprobes/enabled
[ -w $kprobes ] || { echo "FAIL recheck: no $kprobes"; exit 1; }
sysctl -qw kernel.perf_event_paranoid=2
ip link set lo up
ip link add eth0 type dummy
ip addr add 192.0.2.1/24 dev eth0
ip link set eth0 up
pair() {
	for one in "192.0.2.1 192.0.2.2 0x1001" "192.0.2.2 192.0.2.1 0x1002"; do
		read -r from to spi <<<"$one"
		case $1 in
		add) ip xfrm state add src "$from" dst "$to" proto esp spi "$spi" reqid 1 mode tunnel \
			aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128 ;;
		*) ip xfrm state delete src "$from" dst "$to" proto esp spi "$spi" ;;
		esac
	done
}
alarms() { wc -l <"$dir/out"; }
told() { [ "$(alarms)" -ge "$1" ]; }
now_up() { "$agent" tunnels --json --socket "$dir/s" | jq -es 'any(.[]; .up)' >/dev/null; }

echo 'recheck = 3' >"$dir/conf"
"$agent" run --config "$dir/conf" --tier kprobe --state-dir "$dir/state" --socket "$dir/s" --json >"$dir/out" 2>"$dir/err" &
pid=$!
until_ 120 grep -q '^ikewatch: ready$' "$dir/err"
verdict recheck/ready $? "$(tr '\n' '|' <"$dir/err")"
pair add
until_ 20 now_up
verdict recheck/up $? "$("$agent" tunnels --socket "$dir/s")"
# nothing is missing: nothing is fed, nothing said
dumps() { "$agent" status --json --socket "$dir/s" | jq .events.dump; }
before=$(dumps)
sleep 8
[ "$(alarms)" -eq 0 ] && ! grep -q lost "$dir/err" && [ "$(dumps)" -eq "$before" ]
verdict recheck/quiet $? "$(alarms) alarms, $(cat "$dir/err"), $before dumps, then $(dumps)"

echo 0 >$kprobes
pair delete
echo 1 >$kprobes
until_ 30 told 1
verdict recheck/told $? "no alarm: $(cat "$dir/err")"
jq -es 'length == 1 and .[0].seq_num == 1 and .[0].tunnel_up == false and .[0].offline_reason == "unknown" and
	(.[0].blind_spots | any(test("the deletion itself was not seen")))' "$dir/out" >/dev/null
verdict recheck/alarm $? "$(cat "$dir/out")"
grep -q '^ikewatch: lost: 2 records or more between' "$dir/err"
verdict recheck/said $? "$(cat "$dir/err")"

# away and back with the same SPIs: another SA
pair add
until_ 20 now_up
verdict recheck/up_again $? "$("$agent" tunnels --socket "$dir/s")"
sleep 1.1
echo 0 >$kprobes
pair delete
pair add
echo 1 >$kprobes
until_ 30 told 2
jq -es 'length == 2 and .[1].tunnel_up' "$dir/out" >/dev/null
verdict recheck/others $? "$(cat "$dir/out" "$dir/err")"

# never
echo 'recheck = 0' >"$dir/conf"
kill -HUP $pid
until_ 20 grep -q 'reload: done' "$dir/err"
verdict recheck/reload $? "$(cat "$dir/err")"
echo 0 >$kprobes
pair delete
echo 1 >$kprobes
sleep 8
[ "$(alarms)" -eq 2 ] && now_up
verdict recheck/never $? "$(alarms) alarms"
kill $pid
wait $pid
verdict recheck/end $? "exit $?: $(cat "$dir/err")"
rm -rf "$dir"
exit $failed
