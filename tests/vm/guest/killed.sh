#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# In the VM: TUNNELS tunnels are deleted and as many added while the agent is killed KILLS times at random moments;
# each deletion must have exactly one alarm in the store. Prints ok and FAIL lines.
# shellcheck disable=SC2317
set -u
agent=/ikewatch/${IKEWATCH:-build/ikewatch}
tunnels=${TUNNELS:-2000} kills=${KILLS:-50} ns=gw
work=/tmp/killed
mkdir -p $work
RANDOM=${SEED:-7}
verdict() { if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "FAIL $1: $3"; failed=1; fi; }
failed=0

# addr N: the peer of tunnel N
addr() { echo "10.$((100 + $1 / 62500)).$(($1 / 250 % 250)).$(($1 % 250 + 1))"; }
add() {
	local p
	p=$(addr "$1")
	echo "xfrm state add src 192.0.2.1 dst $p proto esp spi $((0x10000 + $1)) reqid $((1 + $1)) mode tunnel aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121314 128"
	echo "xfrm state add src $p dst 192.0.2.1 proto esp spi $((0x50000 + $1)) reqid $((1 + $1)) mode tunnel aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121314 128"
}
del() {
	echo "xfrm state delete dst $(addr "$1") proto esp spi $((0x10000 + $1))"
	echo "xfrm state delete dst 192.0.2.1 proto esp spi $((0x50000 + $1))"
}
run() {
	"$agent" run --netns $ns --state-dir $work/state --socket $work/s >>$work/out 2>$work/err."$1" </dev/null &
	pid=$!
}
# ready N SECONDS
ready() {
	local end=$((SECONDS + $2))
	until grep -q '^ikewatch: ready' $work/err."$1"; do
		[ $SECONDS -lt $end ] && kill -0 $pid 2>/dev/null || return 1
		sleep 0.05
	done
}
# the changes, a few tunnels at a time, spread over the kills
change() {
	local i step=$((tunnels / 100))
	for ((i = 0; i < tunnels; i += step)); do
		ip -n $ns -batch $work/change.$((i / step)) || echo "FAIL killed/batch: ip"
		until [ "$(cat $work/round)" -ge $((i * kills / tunnels)) ]; do sleep 0.05; done
	done
	touch $work/changed
}

ip netns add $ns
ip -n $ns link set lo up
ip -n $ns addr add 192.0.2.1/32 dev lo
for ((i = 0; i < tunnels; i++)); do add $i; done >$work/begin
step=$((tunnels / 100))
for ((i = 0; i < tunnels; i++)); do
	{ del $i; add $((tunnels + i)); } >>$work/change.$((i / step))
done
echo 0 >$work/round
SECONDS=0
run 0
ready 0 300
verdict killed/first_start $? "$(tail -n 2 $work/err.0)"
echo "first start: $SECONDS s; programs: $("$agent" status --socket $work/s --json | jq -r .tier)"
ip -n $ns -batch $work/begin
verdict killed/tunnels $? 'ip -batch'
SECONDS=0
change &
changer=$!
for ((k = 1; k <= kills; k++)); do
	sleep "0.$((RANDOM % 9))$((RANDOM % 9))"
	kill -KILL $pid
	wait $pid 2>/dev/null
	# sometimes nobody runs for a while
	[ $((k % 5)) -ne 0 ] || sleep "0.$((RANDOM % 9))"
	run $k
	# half of them are killed before they are ready
	[ $((k % 2)) -eq 0 ] || ready $k 120 || { verdict killed/restart 1 "$k: $(tail -n 3 $work/err.$k)"; break; }
	echo $k >$work/round
done
wait $changer
echo "50 kills, $tunnels deleted and $tunnels added in $SECONDS s"
ready $((k - 1)) 120
verdict killed/last_start $? "$(tail -n 3 $work/err.$((k - 1)))"
settled() { [ "$("$agent" status --socket $work/s --json | jq .model.open_cases)" = 0 ]; }
for _ in $(seq 600); do settled && break; sleep 0.1; done
sleep 1
"$agent" status --socket $work/s --json >$work/status
kill -TERM $pid
wait $pid
verdict killed/stop $? "exit status"
"$agent" alarms --all --json --state-dir $work/state --limit 100000 >$work/alarms 2>/dev/null ||
	"$agent" alarms --all --json --state-dir $work/state >$work/alarms
for ((i = 0; i < tunnels; i++)); do addr $i; done | sort >$work/want
jq -r .dst_ip $work/alarms | sort >$work/got
missing=$(comm -23 $work/want <(uniq $work/got) | wc -l)
twice=$(uniq -d $work/got | wc -l)
wrong=$(comm -13 $work/want <(uniq $work/got) | wc -l)
[ "$missing" -eq 0 ] && [ "$twice" -eq 0 ] && [ "$wrong" -eq 0 ] && [ "$(wc -l <$work/got)" -eq "$tunnels" ]
verdict killed/exactly_one $? "$missing deletions without an alarm, $twice with more than one, $wrong alarms of living tunnels"
echo "reasons: $(jq -r '.offline_reason + "/" + .confidence' $work/alarms | sort | uniq -c | tr '\n' ';')"
echo "lost $(jq .lost $work/status); said: $(cat $work/err.* | sort | uniq -c | sort -rn | head -n 8 | tr '\n' '|')"
[ "$(cat $work/err.* | grep -c 'taken over as they are pinned')" -ge $((kills / 2)) ] && ! grep -q '^ikewatch: gap' $work/err.*
verdict killed/no_gap $? "$(grep -h gap: $work/err.* | head -n 2)"
"$agent" detach && [ ! -e /sys/fs/bpf/ikewatch ]
verdict killed/detach $? "$(find /sys/fs/bpf/ikewatch | head)"
cp -r $work /out/ 2>/dev/null
exit $failed
