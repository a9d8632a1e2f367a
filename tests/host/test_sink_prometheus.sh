#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317 # functions that until_ calls
# Prometheus: what a scrape gets, series by series; Debian's promtool has nothing to say against it, nor against the
# alert rules. The tunnels are told by a stand-in for the agent, for this host's kernel may have no ESP; then the real
# agent is asked.
# shellcheck source=tests/host/sinks.sh
. "$(dirname "$0")/sinks.sh"

tunnel='{"index":7,"up":true,"src_ip":"192.0.2.1","dst_ip":"198.51.100.1","flow_info":"src=10.1.0.0/16 \"x\\y\"","sas":[{"spi":"0xc1000001","direction":"in","bytes":IN,"packets":10,"lost":3},{"spi":"0xce000001","direction":"out","bytes":700,"packets":7,"lost":null}],"deletions":2,"last_deletion":"2026-01-02T03:04:05.250000Z","last_reason":"dpd timeout"}'
down='{"index":8,"up":false,"src_ip":"192.0.2.1","dst_ip":"2001:db8::1","flow_info":"any","sas":[],"deletions":1,"last_deletion":"2026-01-02T03:04:04.000000Z","last_reason":"unknown"}'
echo '{"version":"x","uptime_s":42,"events":{"sa":5,"ike":9},"lost":4,"model":{"tunnels":2,"tunnels_up":1,"sas":2,"ike_sas":1,"ike_retransmissions":6,"bytes":1000,"by_reason":{"dpd timeout":2,"phase2 sa replace":5}}}' >"$dir/answer.status"
{ echo "${tunnel/IN/1000}"; echo "$down"; } >"$dir/answer.tunnels"
stand_in

mkdir -m 1777 "$dir/run"
cat >"$conf" <<C
gateway = "gw1"
prometheus "tcp" { listen = "127.0.0.1:19851" start = "all" max-tunnels = 2 }
prometheus "unix" { listen = "unix:$cursors/metrics.sock" start = "all" }
webhook "closed" { url = "http://127.0.0.1:1" start = "all" retry-max = 1 }
prometheus "outside" { listen = "unix:$dir/run/metrics.sock" start = "all" retry-max = 1 }
C
alarms 3
"$O/ikewatch" send --config "$conf" --state-dir "$state" --cursor-dir "$cursors" --user nobody --socket "$dir/agent.sock" 2>"$dir/send.err" &
sender=$!
until_ 30 listening 19851 || fail prometheus/listens "$(cat "$dir/send.err")"
failing() { jq -e '.state == "failing"' "$cursors/closed.json"; }
until_ 30 failing && until_ 10 at tcp 3
scrape() { curl -sf http://127.0.0.1:19851/metrics; }
scrape >"$dir/metrics"
verdict prometheus/scrape $? "$(cat "$dir/send.err")"
t7='tunnel="7",local="192.0.2.1",peer="198.51.100.1",flow="src=10.1.0.0/16 \"x\\y\""'
t8='tunnel="8",local="192.0.2.1",peer="2001:db8::1",flow="any"'
want() {
	cat <<W
ikewatch_agent_up 1
ikewatch_agent_uptime_seconds 42
ikewatch_agent_memory_bytes 1000
ikewatch_alarms_active 3
ikewatch_build_info{version="$(cat VERSION)"} 1
ikewatch_deletions_total{reason="dpd timeout"} 2
ikewatch_deletions_total{reason="phase2 sa replace"} 5
ikewatch_esp_bytes_total{$t7,direction="in"} $1
ikewatch_esp_bytes_total{$t7,direction="out"} 700
ikewatch_esp_lost_packets{$t7,direction="in"} 3
ikewatch_esp_packets_total{$t7,direction="in"} 10
ikewatch_esp_packets_total{$t7,direction="out"} 7
ikewatch_events_lost_total 4
ikewatch_events_total{type="ike"} 9
ikewatch_events_total{type="sa"} 5
ikewatch_ike_retransmissions_total 6
ikewatch_ike_sas 1
ikewatch_last_deletion_timestamp_seconds 1767323045.250
ikewatch_rekeys_total 5
ikewatch_sas 2
ikewatch_sink_failing{sink="closed",type="webhook"} 1
ikewatch_sink_lost_alarms_total{sink="closed",type="webhook"} 0
ikewatch_sink_sent_alarms_total{sink="closed",type="webhook"} 0
ikewatch_sink_waiting_alarms{sink="closed",type="webhook"} 3
ikewatch_sink_waiting_alarms{sink="tcp",type="prometheus"} 0
ikewatch_store_alarms 3
ikewatch_tunnel_deletions_total{$t7} 2
ikewatch_tunnel_deletions_total{$t8} 1
ikewatch_tunnel_last_deletion_timestamp_seconds{$t7} 1767323045.250
ikewatch_tunnel_last_deletion_timestamp_seconds{$t8} 1767323044.000
ikewatch_tunnel_up{$t7} 1
ikewatch_tunnel_up{$t8} 0
ikewatch_tunnels{state="down"} 1
ikewatch_tunnels{state="up"} 1
ikewatch_tunnels_not_shown 0
W
}
# values that depend on how often was tried, and reasons that are zero, are left out
got() { grep -v '^#' "$1" | grep -vE '^ikewatch_(store_bytes|sink_failures_total)|sink="(unix|tcp|outside)".* [0-9]+$|deletions_total\{reason=.*\} 0$'; grep -h 'sink_waiting.*sink="tcp"' "$1"; }
same prometheus/series "$(want 1000 | sort)" "$(got "$dir/metrics" | sort)"
same prometheus/reasons "$("$O/ikewatch" reasons --json | jq -r 'if type == "array" then .[] else . end | .offline_reason' | sort)" \
	"$(sed -n 's/^ikewatch_deletions_total{reason="\(.*\)"}.*/\1/p' "$dir/metrics" | sort)"
# counters of an SA that is replaced go on from where they were
{ echo "${tunnel/IN/1500}"; echo "$down"; } >"$dir/answer.tunnels"
scrape >/dev/null
{ t=${tunnel/IN/200}; echo "${t/0xc1000001/0xc1000002}"; echo "$down"; } >"$dir/answer.tunnels"
same prometheus/monotonic "ikewatch_esp_bytes_total{$t7,direction=\"in\"} 1700" "$(scrape | grep 'esp_bytes_total.*direction="in"')"
same prometheus/no_spi 0 "$(grep -cE '[{,]spi=|0xc[0-9a-f]{7}' "$dir/metrics")"
# where anybody may write, the sender may not: its cursors are all it writes
if grep -q landlock /sys/kernel/security/lsm 2>/dev/null || python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 1)'; then
	until_ 20 jq -e '.error // "" | test("run/metrics.sock.*Permission denied")' "$cursors/outside.json"
	verdict prometheus/writes_nothing $? "$(cat "$cursors/outside.json")"
else
	echo 'skip prometheus/writes_nothing: no Landlock in this kernel'
fi
# more tunnels than are to be shown
{ echo "${tunnel/IN/1}"; echo "$down"; echo "${down/:8/:9}"; } >"$dir/answer.tunnels"
same prometheus/bounded '2 ikewatch_tunnels_not_shown 1' "$(scrape | grep -c '^ikewatch_tunnel_up') $(scrape | grep '^ikewatch_tunnels_not_shown')"
same prometheus/unix "$(grep '^ikewatch_build_info' "$dir/metrics")" "$(curl -sf --unix-socket "$cursors/metrics.sock" http://x/metrics | grep '^ikewatch_build_info')"
same prometheus/other 404 "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:19851/other)"
same prometheus/promtool '' "$(from usr/bin/promtool check metrics <"$dir/metrics" 2>&1 || echo "exit $?")"
# the check sees a planted error
! sed 's/_total counter/_total gauge/' "$dir/metrics" | (from usr/bin/promtool check metrics) >/dev/null 2>&1
verdict prometheus/promtool_checks $? 'promtool does not see a planted error'
[ -f scripts/ikewatch.rules.yml ] && (from usr/bin/promtool check rules scripts/ikewatch.rules.yml) >"$dir/rules" 2>&1
verdict prometheus/rules $? "$(cat "$dir/rules")"
sed "s,rule_files:.*,rule_files: [ $PWD/scripts/ikewatch.rules.yml ]," tests/host/rules_test.yml >"$dir/rules_test.yml"
(from usr/bin/promtool test rules "$dir/rules_test.yml") >"$dir/rules" 2>&1
verdict prometheus/alerts $? "$(cat "$dir/rules")"
# every metric that the rules and the dashboard name exists
same prometheus/names '' "$(grep -oh 'ikewatch_[a-z_]*' scripts/ikewatch.rules.yml scripts/ikewatch.dashboard.json | sort -u |
	while read -r name; do grep -q "^# TYPE $name " "$dir/metrics" || echo "$name"; done)"
jq -e '.panels | length > 5' scripts/ikewatch.dashboard.json >/dev/null
verdict prometheus/dashboard $? 'not JSON with panels'

# the real agent, on this host's kernel
end "$agent"
end "$sender"
sender=
rm -f "$dir/agent.sock"
pins=/sys/fs/bpf/ikewatch-prometheus-$$
"$O/ikewatch" run --tier netlink --state-dir "$dir/real" --socket "$dir/real.sock" --pin-dir "$pins" >/dev/null 2>"$dir/run.err" &
agent=$!
pids+=("$agent")
if until_ 60 grep -q 'ikewatch: ready' "$dir/run.err"; then
	chmod 666 "$dir/real.sock"
	sed -i '/closed/d; /unix/d; /outside/d' "$conf"
	# as root's child it may ask: the group is what decides on a gateway
	"$O/ikewatch" send --config "$conf" --state-dir "$state" --cursor-dir "$cursors" --user nobody --socket "$dir/real.sock" 2>>"$dir/send.err" &
	sender=$!
	until_ 30 listening 19851
	scrape >"$dir/metrics2"
	same prometheus/real_refused 'ikewatch_agent_up 0' "$(grep '^ikewatch_agent_up' "$dir/metrics2")"
	"$O/ikewatch" status --socket "$dir/real.sock" --cursor-dir "$cursors" --json | jq -e '.store.last_id == 0 and
		(.sinks[] | select(.sink == "closed") | .state == "failing" and .waiting == 0 and (.error | test("127.0.0.1:1")))' >/dev/null
	verdict prometheus/status $? "$("$O/ikewatch" status --socket "$dir/real.sock" --cursor-dir "$cursors" --json | jq -c .sinks)"
	"$O/ikewatch" status --socket "$dir/real.sock" --cursor-dir "$cursors" | grep -q '  closed (webhook): failing, 0 waiting, 0 sent: http'
	verdict prometheus/status_text $? "$("$O/ikewatch" status --socket "$dir/real.sock" --cursor-dir "$cursors" | tail -n 5)"
	same prometheus/real_promtool '' "$(from usr/bin/promtool check metrics <"$dir/metrics2" 2>&1)"
else
	echo "skip prometheus/real: no agent here: $(tail -n 1 "$dir/run.err")"
fi
end "$agent"
"$O/ikewatch" detach --pin-dir "$pins" >/dev/null 2>&1
exit $failed
