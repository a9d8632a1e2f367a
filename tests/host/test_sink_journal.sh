#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317 # functions that until_ calls
# Journal: what journalctl finds by our own fields. Debian's journald runs here below /run of a mount namespace of its
# own; the host's journal, if it has one, is not touched.
# shellcheck source=tests/host/sinks.sh
. "$(dirname "$0")/sinks.sh"
journald=$root/lib/systemd/systemd-journald
[ -x "$journald" ] || journald=$root/usr/lib/systemd/systemd-journald
journalctl=$root/bin/journalctl
[ -x "$journalctl" ] || journalctl=$root/usr/bin/journalctl

{ mount --make-rprivate / && mount -t tmpfs tmpfs /run; } || { echo 'skip journal: /run cannot be replaced here'; exit 0; }
mkdir -p /run/log/journal /run/systemd/journal
LD_LIBRARY_PATH=$libs "$journald" >"$dir/journald.out" 2>&1 &
pids+=($!)
until_ 20 test -S /run/systemd/journal/socket ||
	{ echo "skip journal: systemd-journald does not run here: $(tail -n 1 "$dir/journald.out")"; exit 0; }
printf 'gateway = "gw1"\njournal "journal" { start = "all" retry-max = 1 }\n' >"$conf"
alarms 2
send
until_ 30 at journal 2
verdict journal/delivered $? "$(cat "$dir/send.err")"
entries() { LD_LIBRARY_PATH=$libs "$journalctl" -D /run/log/journal --no-pager -o json --all "$@" 2>>"$dir/ctl.err"; }
found() { [ "$(entries "$1" | wc -l)" -eq "$2" ]; }
until_ 20 found 'IKEWATCH_REASON=dpd timeout' 2
verdict journal/by_reason $? "$(cat "$dir/journald.out")"
until_ 5 found IKEWATCH_PEER=198.51.100.2 1
verdict journal/by_peer $? "$(entries | tail -n 1)"
same journal/fields "$(stored 2 | jq -S '{MESSAGE: "\(.detail) (dpd timeout, certain)", PRIORITY: "4", SYSLOG_IDENTIFIER: "ikewatch",
	IKEWATCH_REASON: .offline_reason, IKEWATCH_PEER: .dst_ip, IKEWATCH_TUNNEL_INDEX: "2", IKEWATCH_CONFIDENCE: "certain",
	IKEWATCH_GATEWAY: "gw1", IKEWATCH_TIME: .time, IKEWATCH_DETAIL: .detail}')" \
	"$(entries IKEWATCH_PEER=198.51.100.2 | jq -S '{MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, IKEWATCH_REASON, IKEWATCH_PEER,
		IKEWATCH_TUNNEL_INDEX, IKEWATCH_CONFIDENCE, IKEWATCH_GATEWAY, IKEWATCH_TIME, IKEWATCH_DETAIL}')"
same journal/object "$(stored 2 | jq -S .)" "$(entries IKEWATCH_PEER=198.51.100.2 | jq -r .IKEWATCH_JSON | jq -S 'del(.gateway, .uid)')"
exit $failed
