#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317 # functions that until_ calls
# 10,000 alarms while every receiver is in turn stopped, slow (1 byte a second) and answering garbage, each time started
# again, in the middle of it the sender is killed. Meanwhile those that are well are not held up; in the end every
# receiver has every alarm, by their ids. The alarms come from the real agent where it runs, so that its own latency
# with and without all this can be told (as a ratio; nothing is asserted of time).
# UDP syslog and traps are left out: of what their receiver loses nobody knows.
# shellcheck source=tests/host/sinks.sh
. "$(dirname "$0")/sinks.sh"
total=${STORM_ALARMS:-10000}
phase_alarms=$((total / 5)) # the first fifth comes before the sender runs
here=$PWD/tests/host
command -v python3 >/dev/null || { echo 'skip storm: python3 is missing'; exit 0; }
{ mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/log/journal /run/systemd/journal /run/systemd/journald.conf.d; } ||
	{ echo 'skip storm: /run cannot be replaced here'; exit 0; }
mount -t overlay overlay -o "lowerdir=$root/usr/share:/usr/share" /usr/share ||
	{ echo 'skip storm: no overlay file system here'; exit 0; }
# what is written here is thrown away: in memory, so that the disk is not what is measured
mkdir "$dir/mem" && mount -t tmpfs -o mode=0755 tmpfs "$dir/mem" && state=$dir/mem/state cursors=$dir/mem/cursors && mkdir -m 755 "$state"

# In truth they are other machines: what the agent needs of this one goes first, and the receivers take turns with the
# sender. At 19, a hundredth of a processor beside anything else that runs here, they would need minutes to start.
later=10
from() { local program=$1; shift; LD_LIBRARY_PATH=$libs exec nice -n "$later" "$root/$program" "$@"; }
# comes_up COMMAND...: waits until a receiver that was started is there
comes_up() { until_ 120 "$@"; }
# ---- the receivers: start_NAME; each in a process of its own, its pid in pid[NAME] ------------------------------
declare -A pid=() bad=()
# those that run in the end are not those that ran first
trap 'for name in "${!pid[@]}"; do pids+=(${pid[$name]} ${bad[$name]:-}); done; clean' EXIT
lib=$root/usr/lib/$(uname -m)-linux-gnu
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/key.pem" -out "$dir/cert.pem" -days 30 \
	-subj '/CN=receiver.example' -addext 'subjectAltName=DNS:receiver.example' 2>/dev/null

printf 'authCommunity log,net public\ncreateUser informer SHA authauthauth AES privprivpriv\nauthUser log informer priv\nsnmpTrapdAddr udp:127.0.0.1:10162\n' >"$dir/trapd.conf"
mkdir "$dir/trapd"
start_snmp() {
	SNMP_PERSISTENT_DIR=$dir/trapd MIBS='' from usr/sbin/snmptrapd -f -n -On -C -c "$dir/trapd.conf" -F '%v\n' -A -Lf "$dir/mem/snmp" 2>>"$dir/err" &
	pid[snmp]=$!
	comes_up bound 10162
}
# An rsyslog each: one may be down while the others are up. What it has read it writes before it ends, however long that
# takes here; as it comes, it gives that 1.5 s.
rsyslog() {
	cat >"$dir/$1.conf" <<C
global(workDirectory="$dir/mem" defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="$dir/cert.pem"
	defaultNetstreamDriverCertFile="$dir/cert.pem" defaultNetstreamDriverKeyFile="$dir/key.pem" maxMessageSize="16k")
main_queue(queue.timeoutShutdown="60000")
module(load="mmpstrucdata")
template(name="uid" type="list") { property(name="\$!rfc5424-sd!ikewatch@8072.9999.9999!uid") constant(value="\n") }
ruleset(name="uids") { action(type="mmpstrucdata") action(type="omfile" file="$dir/mem/$1" template="uid") }
$2
C
	RSYSLOG_MODDIR=$lib/rsyslog from usr/sbin/rsyslogd -n -f "$dir/$1.conf" -i "$dir/$1.pid" -M "$lib/rsyslog" >>"$dir/err" 2>&1 &
	pid[$1]=$!
}
start_tcp() {
	rsyslog tcp 'module(load="imptcp")
input(type="imptcp" port="10514" address="127.0.0.1" ruleset="uids")' && comes_up listening 10514
}
start_tls() {
	rsyslog tls 'module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
input(type="imtcp" port="16514" address="127.0.0.1" ruleset="uids")' && comes_up listening 16514
}
start_local() {
	rsyslog local "module(load=\"imuxsock\" SysSock.Use=\"off\")
input(type=\"imuxsock\" socket=\"$dir/mem/log\" ruleset=\"uids\" useSpecialParser=\"off\" usePIDFromSystem=\"off\" useSysTimeStamp=\"off\" ignoreTimestamp=\"off\" annotate=\"off\" rateLimit.interval=\"0\")" &&
		comes_up test -S "$dir/mem/log" && chmod 777 "$dir/mem/log"
}
cat >"$dir/hook.py" <<'P'
import http.server, sys
class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        out.write(self.headers["X-Ikewatch-Id"] + "\n")
        out.flush()
        self.send_response_only(204)
        self.end_headers()
    def log_message(self, *args): pass
out = open(sys.argv[1], "a")
http.server.ThreadingHTTPServer(("127.0.0.1", 18080), Hook).serve_forever()
P
start_webhook() {
	nice -n "$later" python3 "$dir/hook.py" "$dir/mem/webhook" 2>>"$dir/err" &
	pid[webhook]=$!
	comes_up listening 18080
}
printf 'route: { receiver: none }\nreceivers: [ { name: none } ]\n' >"$dir/am.yml"
start_alertmanager() {
	from usr/bin/prometheus-alertmanager --config.file="$dir/am.yml" --storage.path="$dir/mem/am" --cluster.listen-address= \
		--web.listen-address=127.0.0.1:19093 >>"$dir/err" 2>&1 &
	pid[alertmanager]=$!
	comes_up listening 19093
}
printf 'listen: 127.0.0.1:14222\nhttp: 127.0.0.1:18222\njetstream { store_dir: "%s" }\n' "$dir/mem/js" >"$dir/nats.conf"
start_nats() {
	from usr/sbin/nats-server -c "$dir/nats.conf" >>"$dir/err" 2>&1 &
	pid[nats]=$!
	comes_up listening 14222
}
journald=$root/lib/systemd/systemd-journald
[ -x "$journald" ] || journald=$root/usr/lib/systemd/systemd-journald
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=1G\nRuntimeKeepFree=1M\nRateLimitIntervalSec=0\nForwardToSyslog=no\n' >/run/systemd/journald.conf.d/test.conf
start_journal() {
	[ -n "${holder:-}" ] && kill -USR2 "$holder" && return
	LD_LIBRARY_PATH=$libs nice -n "$later" python3 "$here/held_socket.py" /run/systemd/journal/socket "$journald" >>"$dir/err" 2>&1 &
	holder=$!
	pids+=("$holder")
	comes_up test -S /run/systemd/journal/socket
}

receivers='snmp tcp tls webhook alertmanager nats local journal'
declare -A ports=([snmp]='udp 10162' [tcp]='tcp 10514' [tls]='tcp 16514' [webhook]='tcp 18080' [alertmanager]='tcp 19093' [nats]='tcp 14222')
# stop NAME: its receiver, whatever it is just now
stop() {
	if [ "$1" = journal ]; then
		kill -CONT "$(pgrep -P "$holder" | head -n 1)" 2>/dev/null
		kill -USR1 "$holder"
	elif [ -n "${bad[$1]:-}" ]; then
		end "${bad[$1]}"
		bad[$1]=''
	elif [ -n "${pid[$1]}" ]; then
		kill -CONT "${pid[$1]}"
		end "${pid[$1]}"
		pid[$1]=''
	fi
}
# misbehave NAME MANNER: ok, stopped, slow, garbage. Datagrams to a local socket get no answer: slow and garbage are a
# reader that stands still.
misbehave() {
	stop "$1"
	case $1:$2 in
	*:ok) "start_$1" || fail "storm/start/$1" "$(ps -o pid=,stat=,times=,args= -p "${pid[$1]:-$holder}"); $(tail -n 3 "$dir/err")" ;;
	*:stopped) ;;
	local:*) start_local && kill -STOP "${pid[local]}" ;;
	journal:*) start_journal && comes_up pgrep -P "$holder" && kill -STOP "$(pgrep -P "$holder" | head -n 1)" ;;
	tcp:*) spoil "$1" "$2" "$dir/mem/tcp" ;;
	*) spoil "$1" "$2" ;;
	esac
}
spoil() {
	local name=$1
	# shellcheck disable=SC2086
	nice -n "$later" python3 "$here/bad_receiver.py" ${ports[$name]} "$2" "${@:3}" 2>>"$dir/err" &
	bad[$name]=$!
	pids+=("${bad[$name]}")
}
for name in $receivers; do
	"start_$name" || { fail "storm/receiver/$name" "$(tail -n 5 "$dir/err")"; exit 1; }
	: >>"$dir/mem/$name"
done

# ---- the alarms -----------------------------------------------------------------------------------------------------
stored_count() { sqlite3_ 'SELECT coalesce(max(id), 0) FROM alarms'; }
stored_at_least() { [ "$(stored_count)" -ge "$1" ]; }
agent=
injector=
# A phase's alarms come while its receivers are what they are to be, however long it takes to make them so
alarms_go() { [ -z "$injector" ] || kill "-$1" "$injector" 2>/dev/null; }
pins=/sys/fs/bpf/ikwstorm$$
if make -s --no-print-directory O="$O" "$O/bench/inject" 2>>"$dir/err"; then
	# how the processors are shared with all the rest is not what is to be seen, but whether it waits for it
	nice -n -10 "$O/ikewatch" run --tier netlink --json --state-dir "$state" --socket "$dir/mem/agent.sock" --pin-dir "$pins" >"$dir/mem/agent.out" 2>"$dir/agent.err" &
	agent=$!
	pids+=("$agent")
	until_ 60 grep -q 'ikewatch: ready' "$dir/agent.err" || agent=
fi
if [ -n "$agent" ]; then
	chmod 644 "$state"/alarms.db*
	chmod 666 "$dir/mem/agent.sock"
	"$O/bench/inject" "$pins" "$total" "$total" "${STORM_RATE:-700}" >"$dir/inject" 2>&1 &
	injector=$!
else
	echo "skip storm/latency: no agent here: $(tail -n 1 "$dir/agent.err" 2>/dev/null)"
	alarms "$total" 3 &
fi
pids+=("$!")
# The first half of those before the sinks come meets an idle machine, the second one whose processors somebody else uses,
# as the receivers will: what is more than that afterwards is the sinks' own
until_ 120 stored_at_least $((phase_alarms / 2))
quiet=$(stored_count)
burners=()
for ((i = 0; i < $(nproc); i++)); do
	nice -n "$later" sha256sum /dev/zero >/dev/null &
	burners+=($!)
done
pids+=("${burners[@]}")
until_ 120 stored_at_least $phase_alarms || { fail storm/alarms "$(stored_count) alarms; $(cat "$dir/inject" 2>/dev/null)"; exit 1; }
alarms_go STOP
for i in "${burners[@]}"; do end "$i"; done

# ---- the sinks ------------------------------------------------------------------------------------------------------
common='start = "all" retry-max = 1 timeout = 2'
cat >"$conf" <<C
gateway = "gw1"
snmp "snmp" { address = "udp:127.0.0.1:10162" version = "3" user = "informer" auth-key = "authauthauth" priv-key = "privprivpriv" $common }
syslog "tcp" { transport = "tcp" address = "127.0.0.1:10514" $common }
syslog "tls" { transport = "tls" address = "127.0.0.1:16514" server-name = "receiver.example" ca-file = "$dir/cert.pem" $common }
syslog "local" { transport = "local" address = "$dir/mem/log" $common }
webhook "webhook" { url = "http://127.0.0.1:18080/" $common }
alertmanager "alertmanager" { url = "http://127.0.0.1:19093" resend = 10 $common }
nats "nats" { url = "nats://127.0.0.1:14222" create-stream = true $common }
journal "journal" { $common }
prometheus "prometheus" { listen = "127.0.0.1:19851" max-tunnels = 100 $common }
C
agent_socket=$dir/mem/agent.sock
send() {
	"$O/ikewatch" send --config "$conf" --state-dir "$state" --cursor-dir "$cursors" --user nobody --socket "$agent_socket" 2>>"$dir/send.err" &
	sender=$!
}
send
# arrives SINK ALARM: however long it takes, as long as alarms go on coming to it
moved() { [ "$(cursor "$1")" != "$2" ]; }
arrives() {
	local at
	while at=$(cursor "$1"); [ "$at" -lt "$2" ]; do
		until_ 300 moved "$1" "$at" || return 1
	done
}
manners=(ok stopped slow garbage)
for phase in 1 2 3 4; do
	n=0
	well=
	for name in $receivers; do
		manner=${manners[(n + phase) % 4]}
		misbehave "$name" "$manner"
		[ "$manner" != ok ] || well+="$name "
		n=$((n + 1))
	done
	# once the sender dies as well, in the midst of everything
	if [ $phase -eq 3 ]; then
		pkill -KILL -P "$sender"
		kill -KILL "$sender"
		wait "$sender" 2>/dev/null
		send
	fi
	want=$((phase_alarms * (phase + 1)))
	alarms_go CONT
	until_ 180 stored_at_least $want || fail "storm/alarms/$phase" "$(stored_count) of $want"
	alarms_go STOP
	for name in $well prometheus; do
		arrives "$name" $want
		verdict "storm/not_held_up/$phase/$name" $? "at $(cursor "$name") of $want: $(jq -c '[.state, .error]' "$cursors/$name.json"); $(tail -n 2 "$dir/send.err")"
	done
done
# of one that stands still the metrics tell, to everyone but the scraper that is slow itself
exec 7<>/dev/tcp/127.0.0.1/19851
printf 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n' >&7
exec 8<>/dev/tcp/127.0.0.1/19851
head -c 2000 /dev/urandom >&8
curl -sf -m 60 http://127.0.0.1:19851/metrics >"$dir/metrics"
verdict storm/metrics $? "no answer"
exec 7>&- 8>&-
[ "$(grep -c '^ikewatch_sink_waiting_alarms.* [1-9]' "$dir/metrics")" -ge 3 ]
verdict storm/waiting $? "$(grep '^ikewatch_sink_waiting' "$dir/metrics")"
[ -z "$agent" ] || "$O/ikewatch" status --socket "$agent_socket" --cursor-dir "$cursors" --json 2>/dev/null | jq -e '[.sinks[] | select(.waiting > 0)] | length >= 3' >/dev/null
verdict storm/status $? "$("$O/ikewatch" status --socket "$agent_socket" --cursor-dir "$cursors" --json 2>&1 | jq -c .sinks)"

# ---- the end: all are well again ------------------------------------------------------------------------------------
for name in $receivers; do misbehave "$name" ok; done
want=$(stored_count)
same storm/number "$total" "$want"
for name in $receivers; do
	arrives "$name" "$want"
	verdict "storm/recovered/$name" $? "at $(cursor "$name") of $want: $(jq -c '[.state, .error]' "$cursors/$name.json")"
done
sqlite3_ "SELECT 'gw1:' || id || ':' || (wall / 1000) FROM alarms" | sort >"$dir/uids"
sqlite3_ "SELECT json_extract(json, '\$.tunnel_index') FROM alarms" | sort >"$dir/tunnels"
got_snmp() { grep -ao '2011\.6\.122\.26\.2\.1\.3\.[0-9.]* = Gauge32: [0-9]*' "$dir/mem/snmp" | sed 's/.*: //'; }
got_local() { cat "$dir/mem/local"; }
got_tcp() { cat "$dir/mem/tcp"; }
got_tls() { cat "$dir/mem/tls"; }
got_webhook() { cat "$dir/mem/webhook"; }
got_nats() { "$O/ikewatch" fleet --config "$conf" --user nobody --json | jq -r .first.uid; }
got_alertmanager() { curl -sf http://127.0.0.1:19093/api/v2/alerts | jq -r '.[] | select(.status.state == "active") | .annotations.uid'; }
journalctl_() { LD_LIBRARY_PATH=$libs "$root/bin/journalctl" "$@"; }
got_journal() { journalctl_ -D /run/log/journal --no-pager -F IKEWATCH_UID 2>>"$dir/err"; }
# complete NAME FILE: does the receiver have what the file lists, and nothing else?
complete() {
	"got_$1" | sort >"$dir/got"
	sort -u "$dir/got" | diff "$2" - >"$dir/diff"
}
for name in $receivers; do
	file=$dir/uids
	[ "$name" != snmp ] || file=$dir/tunnels
	until_ 120 complete "$name" "$file"
	status=$?
	verdict "storm/complete/$name: $(wc -l <"$dir/got") received, $(sort -u "$dir/got" | wc -l) different" $status \
		"$(grep -c '^<' "$dir/diff") missing, $(grep -c '^>' "$dir/diff") too many: $(head -n 4 "$dir/diff")"
done
same storm/lost '0' "$(cat "$cursors"/*.json | jq .lost | sort -u)"
# what the agent took from a deletion to its printed alarm: alone, beside a load that has nothing to do with it, and while
# all this went on
if [ -n "$agent" ]; then
	jq -s --argjson q "$quiet" --argjson n $phase_alarms 'def p($q): sort | .[length * $q | floor];
		map(.latency_us) | .[:$q] as $alone | .[$q:$n] as $loaded | .[$n:] as $sinks |
		"p50 \($alone | p(.5)) us alone, \($loaded | p(.5)) us beside another load, \($sinks | p(.5)) us with the sinks (\($sinks | p(.5) / ($loaded | p(.5)) * 100 | round / 100) of that beside another load); p99 \($alone | p(.99)), \($loaded | p(.99)), \($sinks | p(.99)) us"' \
		-r "$dir/mem/agent.out" >"$dir/latency"
	[ "$(wc -l <"$dir/mem/agent.out")" -eq "$total" ]
	status=$?
	verdict "storm/agent: $(cat "$dir/latency")" $status "$(wc -l <"$dir/mem/agent.out") alarms printed"
	end "$agent"
	"$O/ikewatch" detach --pin-dir "$pins" >"$dir/out" 2>&1
	verdict storm/detached $? "$(cat "$dir/out")"
fi
exit $failed
