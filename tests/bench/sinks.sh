#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317 # functions that until_ calls
# How long an alarm is under way to each kind of receiver, from its own time to the moment the receiver has read it, one
# sink after the other: JSON on stdout, {"sink.NAME.latency_ms": median, "sink.NAME.latency_p99_ms": ...}. The store is in
# memory. Receivers are small ones of our own, except for nats-server and journald. Of an inform the second one counts
# (IKEWATCH-MIB's), for only that has the alarm's time in it.
#
# usage: sinks.sh [ALARMS [MS-BETWEEN]]
# shellcheck source=tests/host/sinks.sh
. "$(dirname "$0")/../host/sinks.sh"
count=${1:-200} pause=${2:-10}
mkdir "$dir/mem" && mount -t tmpfs -o mode=0755 tmpfs "$dir/mem" || exit 1
cursors=$dir/mem/cursors
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/key.pem" -out "$dir/cert.pem" -days 30 \
	-subj '/CN=localhost' -addext 'subjectAltName=DNS:localhost' 2>/dev/null
note() { printf 'sinks: %s\n' "$*" >&2; }
receiver() {
	python3 tests/bench/arrivals.py "$@" >"$dir/arrivals" 2>"$dir/err" &
	pids+=($!)
}
arrived() { [ "$(wc -l <"$dir/arrivals")" -ge "$count" ]; }
from_journal() {
	LD_LIBRARY_PATH=$libs "$root/bin/journalctl" -D /run/log/journal --no-pager -o json --output-fields=IKEWATCH_UID 2>/dev/null |
		jq 'select(.IKEWATCH_UID) | ((.__REALTIME_TIMESTAMP | tonumber) - (.IKEWATCH_UID | split(":")[2] | tonumber)) / 1000' >"$dir/arrivals"
	arrived
}
# measure NAME WAIT SECTION: the receiver runs
measure() {
	state=$dir/mem/$1
	mkdir -m 755 "$state"
	alarms 1
	printf 'gateway = "gw1"\n%s\n' "$3" >"$conf"
	send
	# the first alarm makes the connection, and is not counted
	until_ 30 at x 1 || { note "LEFT OUT: $1: $(tail -n 1 "$dir/send.err")"; end "$sender"; sender=; return; }
	sleep 1
	: >"$dir/arrivals"
	alarms "$count" "$pause"
	until_ 60 "$2" || note "$1: $(wc -l <"$dir/arrivals") of $count alarms"
	end "$sender"
	sender=
	rm -f "$cursors"/*
	jq -s --arg n "sink.$1" 'sort | select(length > 0) | {"\($n).latency_ms": .[length / 2 | floor], "\($n).latency_p99_ms": .[length * 99 / 100 | floor]}' "$dir/arrivals"
}
common='start = "all" retry-max = 1 timeout = 5'

receiver inform 10162 && until_ 20 bound 10162
measure snmp arrived "snmp \"x\" { address = \"udp:127.0.0.1:10162\" version = \"2c\" community = \"public\" extras = true $common }"
receiver udp 10514 && until_ 20 bound 10514
measure syslog_udp arrived "syslog \"x\" { transport = \"udp\" address = \"127.0.0.1:10514\" $common }"
receiver tcp 10515 && until_ 20 listening 10515
measure syslog_tcp arrived "syslog \"x\" { transport = \"tcp\" address = \"127.0.0.1:10515\" $common }"
receiver tls 16514 "$dir/cert.pem" "$dir/key.pem" && until_ 20 listening 16514
measure syslog_tls arrived "syslog \"x\" { transport = \"tls\" address = \"localhost:16514\" ca-file = \"$dir/cert.pem\" $common }"
receiver local "$dir/mem/log" && until_ 20 test -S "$dir/mem/log" && chmod 777 "$dir/mem/log"
measure syslog arrived "syslog \"x\" { transport = \"local\" address = \"$dir/mem/log\" $common }"
receiver http 18080 && until_ 20 listening 18080
measure webhook arrived "webhook \"x\" { url = \"http://127.0.0.1:18080/\" $common }"
receiver http 19093 && until_ 20 listening 19093
measure alertmanager arrived "alertmanager \"x\" { url = \"http://127.0.0.1:19093\" resend = 600 $common }"

printf 'listen: 127.0.0.1:14222\njetstream { store_dir: "%s" }\n' "$dir/mem/js" >"$dir/nats.conf"
from usr/sbin/nats-server -c "$dir/nats.conf" >"$dir/err.nats" 2>&1 &
pids+=($!)
until_ 30 listening 14222 && receiver nats 14222
measure nats arrived "nats \"x\" { url = \"nats://127.0.0.1:14222\" create-stream = true $common }"

journald=$root/lib/systemd/systemd-journald
if mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/log/journal /run/systemd/journal && [ -x "$journald" ]; then
	LD_LIBRARY_PATH=$libs "$journald" >"$dir/journald.out" 2>&1 &
	pids+=($!)
	until_ 20 test -S /run/systemd/journal/socket
	measure journal from_journal "journal \"x\" { $common }"
else
	note 'LEFT OUT: journal: it cannot be run here'
fi

# what the agent takes from a deletion to the printed alarm, without a sender and with one of eight sinks that follow: the
# best median of three rounds each, for what else runs here only ever adds
pins=/sys/fs/bpf/ikwsinks$$ state=$dir/mem/agent
mkdir -m 755 "$state"
for n in 1 2 3 4 5 6 7 8; do echo "prometheus \"p$n\" { listen = \"127.0.0.1:1800$n\" start = \"all\" }"; done >"$conf"
"$O/ikewatch" run --tier netlink --json --state-dir "$state" --socket "$dir/mem/agent.sock" --pin-dir "$pins" >"$dir/mem/agent.out" 2>"$dir/agent.err" &
agent=$!
pids+=("$agent")
if ! make -s --no-print-directory O="$O" "$O/bench/inject" >/dev/null || ! until_ 60 grep -q 'ikewatch: ready' "$dir/agent.err"; then
	note "LEFT OUT: agent: $(tail -n 1 "$dir/agent.err")"
	exit 0
fi
chmod 644 "$state"/alarms.db*
total=0
printed() { [ "$(wc -l <"$dir/mem/agent.out")" -ge "$total" ]; }
for round in 1 2 3 4 5 6; do
	with=without
	if [ $((round % 2)) -eq 0 ]; then
		with=with
		send
		until_ 30 at p8 "$total"
	fi
	"$O/bench/inject" "$pins" 100 500 500 >/dev/null
	total=$((total + 500))
	until_ 60 printed || note "agent: $(wc -l <"$dir/mem/agent.out") of $total alarms"
	jq -s "map(.latency_us)[-500:] | sort | {$with: .[250]}" "$dir/mem/agent.out" >>"$dir/medians"
	[ -z "$sender" ] || end "$sender"
	sender=
done
jq -s '{"sink.agent_p50_us": (map(.without // empty) | min), "sink.agent_with_sinks_p50_us": (map(.with // empty) | min)}' "$dir/medians"
end "$agent"
"$O/ikewatch" detach --pin-dir "$pins" >/dev/null 2>&1
