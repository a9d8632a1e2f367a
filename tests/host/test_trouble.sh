#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317,SC2086 # functions that a trap calls; names without blanks
# What goes wrong around a service, as far as this host's kernel shows it, in network and mount namespaces of its own: a
# full disk, a state directory that cannot be written, a damaged database, an interface that goes and comes back, no
# bpffs. One line each, and nothing stored is lost.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
agent=$(realpath "${O:-build}/ikewatch" 2>/dev/null) || agent=
ns=ikwtrb$$ peer=ikwtrbp$$ pins=/sys/fs/bpf/ikwtrb$$ failed=0 pid=''
verdict() { if [ "$2" -eq 0 ]; then echo "ok trouble/$1"; else echo "FAIL trouble/$1: $3"; failed=1; fi; }
[ -x "$agent" ] || { echo "FAIL trouble: build/ikewatch is missing"; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo "skip trouble: needs root"; exit 0; }
ip netns add $ns 2>/dev/null || { echo "skip trouble: network namespaces cannot be made here"; exit 0; }
dir=$(mktemp -d)
clean() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
	"$agent" detach --pin-dir "$pins" >/dev/null 2>&1
	ip netns del $ns 2>/dev/null
	ip netns del $peer 2>/dev/null
	umount "$dir/small" "$dir/fixed" 2>/dev/null
	rm -rf "$dir"
}
trap clean EXIT
ip netns add $peer
# shellcheck source=tests/host/until.sh
. tests/host/until.sh
is_ready() { ! kill -0 "$pid" || grep -q '^ikewatch: ready$' "$dir/err"; }
start() {
	: >"$dir/err"
	"$@" >"$dir/out" 2>"$dir/err" &
	pid=$!
	until_ 60 is_ready
}
stop() {
	kill -TERM "$pid" && wait "$pid"
	local status=$?
	pid=
	return $status
}
run=("$agent" run --netns "$ns" --tier netlink --socket "$dir/s" --pin-dir "$pins")
said() { grep -v '^ikewatch: ready$\|^ikewatch: probes: ' "$dir/err"; }
# says NAME PATTERN: that line and no other, from an agent that runs
says() {
	until_ 10 grep -q -- "$2" "$dir/err"
	kill -0 "$pid" && [ "$(said | wc -l)" -eq 1 ] && said | grep -q -- "$2"
	verdict "$1" $? "$(tr '\n' '|' <"$dir/err")"
}
# refused NAME PATTERN COMMAND...: exit status 1 and one line
refused() {
	local name=$1 pattern=$2
	shift 2
	timeout 60 "$@" >"$dir/refused.out" 2>"$dir/refused"
	[ $? -eq 1 ] && [ "$(wc -l <"$dir/refused")" -eq 1 ] && grep -q -- "$pattern" "$dir/refused"
	verdict "$name" $? "$(tr '\n' '|' <"$dir/refused")"
}
stored() { "$agent" alarms --all --json --state-dir "$1" 2>/dev/null | jq -c '[.id, .time, .offline_reason]'; }

ip -n $ns link set lo up
"$agent" replay tests/stories/rekey-v2.events --state-dir "$dir/state" >/dev/null
had=$(stored "$dir/state")
verdict store "$([ -n "$had" ]; echo $?)" 'a story left no store'

# ---- a full disk
mkdir "$dir/small" "$dir/fixed"
if mount -t tmpfs -o size=512k none "$dir/small" 2>/dev/null; then
	cp "$dir/state"/* "$dir/small"
	head -c 600k /dev/zero >"$dir/small/fill" 2>/dev/null
	start "${run[@]}" --state-dir "$dir/small"
	says full_disk/journal 'journal\.[01]: No space left on device; an agent that is killed now leaves less to the next one'
	stop
	verdict full_disk/stop $? "$(cat "$dir/err")"
	[ "$(stored "$dir/small")" = "$had" ]
	verdict full_disk/nothing_lost $? "$had, then $(stored "$dir/small")"
	rm -f "$dir"/small/*
	head -c 600k /dev/zero >"$dir/small/fill" 2>/dev/null
	refused full_disk/no_store 'database or disk is full' "${run[@]}" --state-dir "$dir/small"
else
	echo 'skip trouble/full_disk: no tmpfs can be mounted here'
fi

# ---- a state directory that cannot be written
if mount --bind "$dir/state" "$dir/fixed" 2>/dev/null && mount -o remount,bind,ro "$dir/fixed"; then
	refused read_only/run "store: $dir/fixed/lock: Read-only file system" "${run[@]}" --state-dir "$dir/fixed"
	[ "$(stored "$dir/fixed")" = "$had" ]
	verdict read_only/readable $? "$had, then $(stored "$dir/fixed")"
	refused read_only/clear 'readonly database' "$agent" clear --all --state-dir "$dir/fixed"
	umount "$dir/fixed"
else
	echo 'skip trouble/read_only: no bind mounts here'
fi

# ---- a damaged database
head -c 3000 /dev/urandom >"$dir/noise"
cp -r "$dir/state" "$dir/damaged"
dd if="$dir/noise" of="$dir/damaged/alarms.db" conv=notrunc status=none
start "${run[@]}" --state-dir "$dir/damaged"
says damaged "store: $dir/damaged/alarms.db: file is not a database: moved to .*alarms.db.corrupt-.*Z, a new one begun with 0 tunnels and 0 alarms"
cmp -s -n 3000 "$dir/noise" "$dir"/damaged/alarms.db.corrupt-*Z
verdict damaged/kept_aside $? "$(ls "$dir/damaged")"
stop
start "${run[@]}" --state-dir "$dir/damaged"
! said | grep -q '^ikewatch: store: '
verdict damaged/once $? "$(said)"
stop

# ---- an interface that was asked for, removed and made again
ike() {
	ip netns exec $peer python3 - <<'P'
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("192.0.2.2", 500))
s.sendto(bytes(range(8)) + bytes(8) + bytes([33, 0x20, 34, 8]) + struct.pack(">II", 0, 28), ("192.0.2.1", 500))
P
}
link() {
	ip -n $ns link add eth0 type veth peer name eth0 netns $peer 2>/dev/null || return 1
	ip -n $ns addr add 192.0.2.1/24 dev eth0 && ip -n $ns link set eth0 up
	ip -n $peer addr add 192.0.2.2/24 dev eth0 && ip -n $peer link set eth0 up
}
messages() { [ "$("$agent" status --socket "$dir/s" --json | jq '.events.ike // 0')" -eq "$1" ]; }
if link; then
	for hook in tc xdp; do
		start "${run[@]}" --no-store --iface eth0 --hook $hook
		if ! is_ready || ! kill -0 "$pid" 2>/dev/null; then
			echo "skip trouble/interface/$hook: $(said | tail -n 1)"
			pid=
			continue
		fi
		ike
		until_ 10 messages 1
		verdict interface/$hook/seen $? "$("$agent" status --socket "$dir/s" --json | jq -c .events)"
		ip -n $ns link del eth0
		says interface/$hook/gone '^ikewatch: eth0: removed, the way of 0 tunnels; packets are seen there again when it is back'
		link
		until_ 10 grep -q '^ikewatch: eth0: is back, packets are seen there$' "$dir/err" && [ "$(said | wc -l)" -eq 2 ]
		verdict interface/$hook/back $? "$(said | tr '\n' '|')"
		ike
		until_ 10 messages 2
		verdict interface/$hook/seen_again $? "$("$agent" status --socket "$dir/s" --json | jq -c .events)"
		if [ $hook = tc ]; then
			# a script begins its traffic shaping anew, and finds no clsact of ours in its way
			tc -n $ns qdisc del dev eth0 clsact
			until_ 10 grep -q "^ikewatch: eth0: somebody took ikewatch's tc filters away" "$dir/err"
			verdict interface/$hook/cut $? "$(tr '\n' '|' <"$dir/err")"
			tc -n $ns qdisc add dev eth0 clsact
			verdict interface/$hook/not_in_the_way $? 'the clsact was there already'
			until_ 10 grep -q "^ikewatch: eth0: ikewatch's tc filters are there again$" "$dir/err"
			verdict interface/$hook/attached_again $? "$(tr '\n' '|' <"$dir/err")"
			ike
			until_ 10 messages 3
			verdict interface/$hook/seen_after_cut $? "$("$agent" status --socket "$dir/s" --json | jq -c .events)"
		fi
		stop
		"$agent" detach --pin-dir "$pins" >/dev/null
	done
else
	echo 'skip trouble/interface: no veth pairs here'
fi

# ---- a reader of stdout that stands still, and one that goes: 300 alarms are more than a pipe takes
printed() { [ "$(stored "$dir/piped" | wc -l)" -eq 300 ]; }
if make -s --no-print-directory "${O:-build}/bench/inject" >"$dir/made" 2>&1 && mkfifo "$dir/fifo"; then
	for manner in resumes goes; do
		rm -rf "$dir/piped"
		cat "$dir/fifo" >"$dir/read" &
		reader=$!
		: >"$dir/err"
		"${run[@]}" --json --state-dir "$dir/piped" >"$dir/fifo" 2>"$dir/err" &
		pid=$!
		until_ 60 is_ready
		kill -STOP "$reader"
		"${O:-build}/bench/inject" "$pins" 10 300 600 >/dev/null 2>"$dir/inject"
		until_ 60 printed
		verdict stdout/$manner/stored $? "$(stored "$dir/piped" | wc -l) alarms; $(cat "$dir/inject")"
		"$agent" status --socket "$dir/s" --json | jq -e '.stdout.waiting_bytes > 100000 and .stdout.dropped == 0' >"$dir/status"
		verdict stdout/$manner/answers $? "$("$agent" status --socket "$dir/s" --json | jq -c .stdout)"
		if [ $manner = resumes ]; then
			kill -CONT "$reader"
			stop
			verdict stdout/resumes/stop $? "$(said | tr '\n' '|')"
			wait "$reader"
			[ "$(jq -r .id "$dir/read" | paste -sd' ')" = "$(seq 300 | paste -sd' ')" ] && [ -z "$(said)" ]
			verdict stdout/resumes/all $? "$(wc -l <"$dir/read") lines; $(said | tr '\n' '|')"
		else
			kill -KILL "$reader"
			wait "$reader" 2>/dev/null
			"${O:-build}/bench/inject" "$pins" 10 1 600 >/dev/null 2>"$dir/inject"
			says stdout/goes/said '^ikewatch: stdout: Broken pipe; alarms go to the store only$'
			stop
			[ "$(stored "$dir/piped" | wc -l)" -eq 301 ]
			verdict stdout/goes/stored_all $? "$(stored "$dir/piped" | wc -l) of 301"
		fi
		"$agent" detach --pin-dir "$pins" >/dev/null
	done
else
	echo "skip trouble/stdout: no alarms can be had here: $(tail -n 1 "$dir/made")"
fi

# ---- bpffs
inside=(nsenter "--net=/run/netns/$ns" unshare --mount)
bare=("$agent" run --tier netlink --no-store --socket "$dir/s")
if "${inside[@]}" sh -c 'umount -l /sys/fs/bpf && ! mountpoint -q /sys/fs/bpf' 2>/dev/null; then
	# shellcheck disable=SC2016 # the inner shell's
	start "${inside[@]}" sh -c 'umount -l /sys/fs/bpf && exec "$@"' sh "${bare[@]}"
	[ -z "$(said)" ] && nsenter --mount="/proc/$pid/ns/mnt" sh -c 'mountpoint -q /sys/fs/bpf && [ -e /sys/fs/bpf/ikewatch/ikw_events ]'
	verdict bpffs/mounted $? "$(tr '\n' '|' <"$dir/err")"
	nsenter --mount="/proc/$pid/ns/mnt" --net=/run/netns/$ns sh -c "kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.1; done; exec '$agent' detach" >"$dir/detached"
	verdict bpffs/detach $? "$(cat "$dir/detached")"
	wait "$pid"
	pid=
	if command -v setpriv >/dev/null; then
		# shellcheck disable=SC2016 # the inner shell's
		start "${inside[@]}" sh -c 'umount -l /sys/fs/bpf && exec "$@"' sh setpriv --bounding-set -sys_admin --inh-caps -all "${bare[@]}"
		says bpffs/not_to_be_had '/sys/fs/bpf/ikewatch: .*; nothing is pinned: while no agent runs, nothing is seen'
		stop
		verdict bpffs/stop $? "$(cat "$dir/err")"
	else
		echo 'skip trouble/bpffs/not_to_be_had: setpriv is missing'
	fi
else
	echo 'skip trouble/bpffs: no mount namespaces here'
fi
exit $failed
