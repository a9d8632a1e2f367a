# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034
# What the tests of the sinks share: a network and mount namespace of the test's own, receivers from
# build/receivers, a store with alarms, the sender. Source it first: the script then runs again inside the namespaces.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
O=${O:-build}
failed=0
ok() { echo "ok $1"; }
fail() { echo "FAIL $1: $(tr '\n' '|' <<<"$2" | cut -c1-600)"; failed=1; }
# verdict NAME STATUS WHY: of the test just done
verdict() { if [ "$2" -eq 0 ]; then ok "$1"; else fail "$1" "$3"; fi; }
# same NAME WANTED GOT
same() {
	if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "$(diff <(echo "$2") <(echo "$3") | grep '^[<>]')"; fi
}

if [ -z "${IKW_SINKS_INSIDE:-}" ]; then
	[ "$(id -u)" -eq 0 ] || { echo "skip sinks: needs root"; exit 0; }
	[ -x "$O/ikewatch-send" ] || { echo "FAIL sinks: $O/ikewatch-send is missing"; exit 1; }
	make -s --no-print-directory O="$O" "$O/host/sink_alarms" >/dev/null || { echo "FAIL sinks: sink_alarms does not build"; exit 1; }
	scripts/receivers >/dev/null || { echo "skip sinks: the receivers could not be fetched (scripts/receivers)"; exit 0; }
	unshare -nm true 2>/dev/null || { echo "skip sinks: namespaces cannot be made here"; exit 0; }
	IKW_SINKS_INSIDE=1 exec unshare -nm --kill-child bash "$0" "$@"
fi

dir=$(mktemp -d)
chmod 755 "$dir"
state=$dir/state cursors=$dir/cursors conf=$dir/sinks.conf
root=$(realpath "${IKEWATCH_RECEIVERS:-build/receivers}")
libs=$root/usr/lib/$(uname -m)-linux-gnu:$root/lib/$(uname -m)-linux-gnu:$root/lib/systemd:$root/usr/lib/systemd
ip link set lo up
mkdir -m 755 "$state"
umask 022
pids=()
sender=

# from ROOT-PATH ARG...: a receiver's program
from() { local program=$1; shift; LD_LIBRARY_PATH=$libs exec "$root/$program" "$@"; }
# alarms COUNT [PAUSE-MS] [--clear]
alarms() { "$O/host/sink_alarms" "$state" "$@" && chmod 644 "$state"/alarms.db*; }
ikewatch() { "$O/ikewatch" "$@" --config "$conf" --state-dir "$state" --cursor-dir "$cursors" --user nobody; }
# not a function in the background: its shell would be in between, and get the signal
send() {
	"$O/ikewatch" send --config "$conf" --state-dir "$state" --cursor-dir "$cursors" --user nobody 2>>"$dir/send.err" &
	sender=$!
}
end() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; }
clean() {
	[ -z "$sender" ] || end "$sender"
	local pid
	for pid in "${pids[@]}"; do kill -CONT "$pid" 2>/dev/null; end "$pid"; done
	umount -l "$dir/mem" 2>/dev/null
	[ -n "${KEEP:-}" ] || rm -rf "$dir"
}
trap clean EXIT
# until_ SECONDS COMMAND...: polls; no test depends on how fast this machine is
# shellcheck source=tests/host/until.sh
. tests/host/until.sh
# cursor SINK: the last alarm delivered
cursor() { jq .cursor "$cursors/$1.json" 2>/dev/null || echo 0; }
at() { [ "$(cursor "$1")" = "$2" ]; }
# an alarm of the store as it was put there, with what every receiver gets added
stored() { sqlite3_ "SELECT json FROM alarms WHERE id = $1"; }
sqlite3_() { python3 -c 'import sqlite3, sys
for row in sqlite3.connect("file:" + sys.argv[1] + "/alarms.db?mode=ro", uri=True).execute(sys.argv[2]): print(row[0])' "$state" "$1"; }
listening() { ss -Hltn "sport = :$1" | grep -q .; }
bound() { ss -Hlun "sport = :$1" | grep -q .; }
# stand_in: for the agent, at $dir/agent.sock; answers with the files $dir/answer.REQUEST. Its pid in $agent
stand_in() {
	cat >"$dir/agent.py" <<'P'
import json, os, socket, sys
path, base = sys.argv[1:3]
s = socket.socket(socket.AF_UNIX)
s.bind(path)
os.chmod(path, 0o666)
s.listen()
while True:
    c, _ = s.accept()
    request = json.loads(c.makefile().readline())["request"]
    c.sendall(open(base + "." + request, "rb").read())
    c.close()
P
	python3 "$dir/agent.py" "$dir/agent.sock" "$dir/answer" 2>"$dir/agent.err" &
	agent=$!
	pids+=("$agent")
	until_ 20 test -S "$dir/agent.sock"
}
