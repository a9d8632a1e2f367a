#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317 # functions that until_ calls
# Alertmanager: what Debian's holds of the active list, label by label; after it lost its state; after a clear.
# shellcheck source=tests/host/sinks.sh
. "$(dirname "$0")/sinks.sh"

# it looks for its templates where the package would put them
mount -t overlay overlay -o "lowerdir=$root/usr/share:/usr/share" /usr/share ||
	{ echo 'skip alertmanager: no overlay file system here'; exit 0; }
printf 'route: { receiver: none }\nreceivers: [ { name: none } ]\n' >"$dir/am.yml"
alertmanager() {
	from usr/bin/prometheus-alertmanager --config.file="$dir/am.yml" --storage.path="$dir/am$1" --cluster.listen-address= \
		--web.listen-address=127.0.0.1:19093 >>"$dir/am.log" 2>&1 &
	am_pid=$!
	pids+=($!)
	until_ 30 listening 19093
}
alertmanager 1 || { fail alertmanager/receiver "$(cat "$dir/am.log")"; exit 1; }
cat >"$conf" <<C
gateway = "gw1"
alertmanager "am" { url = "http://127.0.0.1:19093" resend = 2 start = "all" retry-max = 1 }
alertmanager "closed" { url = "http://127.0.0.1:19094" start = "all" retry-max = 1 }
C
alarms 3
send
alerts() { curl -sf http://127.0.0.1:19093/api/v2/alerts; }
active() { [ "$(alerts | jq '[.[] | select(.status.state == "active")] | length')" = "$1" ]; }
until_ 30 active 3
verdict alertmanager/active $? "$(cat "$dir/send.err"; alerts)"
same alertmanager/labels "$(for n in 1 2 3; do stored $n; done | jq -Ss 'map({alertname: "IPsecTunnelDeleted", severity: "major", gateway: "gw1",
	netns: .vsys_name, tunnel: (.tunnel_index | tostring), local: .src_ip, peer: .dst_ip, flow: .flow_info}) | sort')" \
	"$(alerts | jq -S 'map(.labels) | sort')"
same alertmanager/annotations "$(for n in 1 2 3; do stored $n; done | jq -Ss --argjson wall "[$(sqlite3_ 'SELECT wall / 1000 FROM alarms' | paste -sd,)]" 'map({
	summary: "IPsec tunnel to \(.dst_ip) deleted: dpd timeout", description: .detail, reason: "dpd timeout", confidence: "certain",
	interface: "eth0", uid: "gw1:\(.id):\($wall[.id - 1])", alarm: (.id | tostring), count: "1", last_deletion: .time}) | sort')" \
	"$(alerts | jq -S 'map(.annotations) | sort')"
same alertmanager/starts "$(for n in 1 2 3; do stored $n; done | jq -r '.time[:23]' | sort)" "$(alerts | jq -r '.[].startsAt[:23]' | sort)"
until_ 10 at am 3
verdict alertmanager/cursor $? "$(cat "$cursors/am.json")"

# an Alertmanager that lost its state is told again
end "$am_pid"
alarms 1
alertmanager 2
until_ 30 active 4
verdict alertmanager/again $? "$(cat "$dir/send.err"; alerts | jq -c 'map(.labels.tunnel)')"
# resolved when cleared, and not before
"$O/ikewatch" clear 2 --state-dir "$state" >/dev/null
until_ 30 active 3
verdict alertmanager/resolved $? "$(alerts | jq -c 'map([.labels.tunnel, .status.state, .endsAt])')"
same alertmanager/left '1 3 4' "$(alerts | jq -r 'map(select(.status.state == "active") | .labels.tunnel) | sort | join(" ")')"

ikewatch sinks test closed >"$dir/out" 2>&1
[ $? -eq 1 ] && grep -q 'closed: http://127.0.0.1:19094/api/v2/alerts: Failed to connect' "$dir/out"
verdict alertmanager/test/closed $? "$(cat "$dir/out")"
ikewatch sinks test am >"$dir/out" 2>&1 && grep -q 'am: delivered: HTTP 200' "$dir/out" && until_ 10 active 4
verdict alertmanager/test/good $? "$(cat "$dir/out")"

# a receiver that takes longer for all of the list than the time after which it is told again: what is new is told all the same
end "$sender"
sender=
cursors=$dir/slow
cat >"$dir/slow.py" <<'P'
import http.server, json, sys, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        alerts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(0.7)
        with open(sys.argv[1], "a") as out:
            out.writelines(alert["annotations"]["alarm"] + "\n" for alert in alerts)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", 19095), Slow).serve_forever()
P
: >"$dir/slow.got"
python3 "$dir/slow.py" "$dir/slow.got" &
pids+=($!)
until_ 20 listening 19095
printf 'gateway = "gw1"\nalertmanager "slow" { url = "http://127.0.0.1:19095" resend = 1 start = "all" }\n' >"$conf"
alarms 600
all=$(sqlite3_ 'SELECT max(id) FROM alarms')
told() { grep -qx "$1" "$dir/slow.got"; }
send
until_ 60 told "$all"
verdict alertmanager/slow/told $? "$(sort -n "$dir/slow.got" | tail -n 1) of $all"
# all of it a second time: that never ends
again() { [ "$(sort "$dir/slow.got" | uniq -d | wc -l)" -ge 600 ]; }
until_ 60 again
verdict alertmanager/slow/again $? "$(sort "$dir/slow.got" | uniq -d | wc -l) twice"
alarms 1
until_ 60 told $((all + 1))
verdict alertmanager/slow/new $? "$(wc -l <"$dir/slow.got") received, not $((all + 1)); $(cat "$cursors/slow.json")"
exit $failed
