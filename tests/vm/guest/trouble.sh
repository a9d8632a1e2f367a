#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2086,SC2154,SC2317 # names without blanks; what guest/service.sh has, which sources this
# What goes wrong around an agent, with real SAs under it: no bpffs, two agents at once, the clock, the interface, the
# disk, the directory, the database. One clear line each, what the manual says happens, and nothing stored is lost.
T=$W/trouble
mkdir -p $T/small $T/fixed
systemctl stop ikewatch
ikewatch detach >/dev/null

mine() { ikewatch alarms --all --json --state-dir "${1:-$T/small}" 2>/dev/null; }
# launch NAME [ARGUMENT...]: an agent of root's, its pid in $pid
launch() {
	local name=$1
	shift
	ikewatch run --state-dir $T/small --json "$@" </dev/null >>$T/out 2>>$T/$name &
	pid=$!
}
ready() { grep -q '^ikewatch: ready$' "$T/$1" || ! kill -0 $pid 2>/dev/null; }
lines() { grep -v '^ikewatch: ready$\|^ikewatch: probes: ' "$T/$1"; }
# line NAME PATTERN [COUNT]: the agent goes on, and has said that, and COUNT lines in all (1)
line() {
	told() { grep -qE -- "$1" $T/err; }
	wait_for 30 "$1" told "$2"
	kill -0 $pid && [ "$(lines err | wc -l)" -eq "${3:-1}" ]
	verdict "$1" $? "$(lines err)"
	: >$T/err
}
# goes N: a tunnel that is deleted gives one alarm on stdout, whatever the store can do
goes() {
	hand "$1"
	unhand "$1"
	printed() { [ "$(jq -c "select(.seq_num == $((100 + $1)))" $T/out | wc -l)" -eq 1 ]; }
	wait_for 30 "the alarm of tunnel $1" printed "$1"
}
stored() { [ "$(mine | jq -c "select(.seq_num == $((100 + $1)))" | wc -l)" -eq 1 ]; }

# ---- no bpffs, and two agents at once
mount -t tmpfs -o size=48m small $T/small
while umount /sys/fs/bpf 2>/dev/null; do :; done
ikewatch run --state-dir $T/small --json </dev/null >>$T/out 2>>$T/second &
second=$!
launch err
ended() { ! kill -0 $pid 2>/dev/null || ! kill -0 $second 2>/dev/null; }
wait_for 60 'one of two agents ends' ended
if ! kill -0 $pid 2>/dev/null; then
	mv $T/err $T/third && mv $T/second $T/err && mv $T/third $T/second
	third=$pid pid=$second second=$third
fi
wait $second
[ $? -eq 1 ] && [ "$(wc -l <$T/second)" -eq 1 ] && grep -q "another agent runs here (pid $pid)" $T/second
verdict trouble/two_agents $? "$(cat $T/second)"
wait_for 240 'the other is ready' ready err
kill -0 $pid && [ -z "$(lines err)" ] && mountpoint -q /sys/fs/bpf && [ -e /sys/fs/bpf/ikewatch/ikw_events ]
verdict trouble/no_bpffs $? "$(cat $T/err)"
: >$T/err
goes 50

# ---- the clock, a day forward and back again
hand 51
from=$(date +%s)
date -s "@$((from + 86400))" >/dev/null
line trouble/clock/forward '^ikewatch: clock: set forward by 86[34][0-9]{2}\.. s'
unhand 51
goes 52
date -s "@$(($(date +%s) - 86400))" >/dev/null
line trouble/clock/back '^ikewatch: clock: set back by 86[34][0-9]{2}\.. s'
goes 53
wait_for 30 'they are stored' stored 53
mine | jq -s --argjson from "$from" '[.[] | {n: .seq_num, t: (.time[:19] + "Z" | fromdate), l: .latency_us, r: .offline_reason}] as $a
	| def at($n): $a[] | select(.n == $n);
	([at(151), at(152)] | all(.t >= $from + 86400 and .t < $from + 86400 + 600)) and (at(153) | .t >= $from and .t < $from + 600)
	and all($a[]; .l < 60000000 and .r == "config modify or manual offline")' >$T/clock
[ "$(cat $T/clock)" = true ]
verdict trouble/clock/times $? "from $from: $(mine | jq -c '[.seq_num, .time, .latency_us, .offline_reason]')"

# ---- the interface towards the peers goes, and another of its name comes
hand 54
way() { [ "$(ikewatch tunnels --json --state-dir $T/small | jq -s '[.[] | if type == "array" then .[] else . end | select(.up)] | length')" -eq 1 ]; }
wait_for 30 'the tunnel is up' way
ip link del out
line trouble/interface/gone '^ikewatch: out: removed, the way of [1-9][0-9]* tunnels?; packets are seen there again when it is back'
ip -n router link add out netns gwa type veth peer name ra
ip addr add 192.0.2.1/24 dev out && ip link set out up && ip -n router link set ra up
ip route add default via 192.0.2.254 dev out
line trouble/interface/back '^ikewatch: out: is back, packets are seen there$'
unhand 54
wait_for 30 'its alarm' stored 54
goes 55
[ "$(mine | jq -r 'select(.seq_num == 155) | .interface_name')" = out ]
verdict trouble/interface/watched $? "$(mine | jq -c 'select(.seq_num >= 154) | [.seq_num, .interface_name]')"

# ---- the disk is full, while it runs
before=$(mine | jq -s length)
head -c 64M /dev/zero >$T/small/fill 2>/dev/null
# what it may have had room for yet, then no more
for ((n = 60; n < 64; n++)); do goes $n; done
line trouble/full '^ikewatch: store: .*alarms are kept in memory until it can be written'
rm $T/small/fill
line trouble/full/again '^ikewatch: store: can be written again'
wait_for 30 'what was kept is stored' stored 63
[ "$(mine | jq -s length)" -eq $((before + 4)) ]
verdict trouble/full/nothing_lost $? "$before before, now $(mine | jq -s length)"

# ---- the directory cannot be written, at a start
kill -TERM $pid
wait $pid
verdict trouble/stop $? "$(cat $T/err)"
all=$(mine | jq -c '[.id, .time, .offline_reason]')
mount --bind $T/small $T/fixed && mount -o remount,bind,ro $T/fixed
timeout 120 ikewatch run --state-dir $T/fixed >$T/refused.out 2>$T/refused
[ $? -eq 1 ] && [ "$(wc -l <$T/refused)" -eq 1 ] && grep -q 'Read-only file system' $T/refused &&
	[ "$(mine $T/fixed | jq -c '[.id, .time, .offline_reason]')" = "$all" ]
verdict trouble/read_only $? "$(cat $T/refused)"
umount $T/fixed

# ---- the database is damaged: what can be read of it goes on
count=$(wc -l <<<"$all")
dd if=/dev/urandom of=$T/small/alarms.db bs=4096 seek=$(($(stat -c %s $T/small/alarms.db) / 4096 / 2)) count=2 conv=notrunc status=none
launch err
wait_for 240 'it is ready' ready err
line trouble/damaged '^ikewatch: store: .*: moved to .*alarms\.db\.corrupt-.*, a new one begun with'
goes 56
wait_for 30 'it is stored' stored 56
last=$(mine | jq -s 'map(.id) | max')
[ "$last" -gt "$(jq -s 'map(.[0]) | max' <<<"$all")" ] && [ -e "$(echo $T/small/alarms.db.corrupt-*Z)" ]
verdict trouble/damaged/goes_on $? "$(ls $T/small); last $last"
[ -z "$(mine | jq -c '[.time, .seq_num]' | sort | uniq -d)" ]
verdict trouble/damaged/none_twice $? "$(mine | jq -c '[.id, .time, .seq_num]')"
echo "of $count alarms in the damaged database $(($(mine | wc -l) - 1)) were read"
kill -TERM $pid
wait $pid
umount $T/small
