#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `make demo` as somebody who is new here runs it: it ends well, and shows four alarms and why.
#
# usage: tests/vm/demo.sh      KERNEL=6.1
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
out=$(scripts/demo --kernel "${KERNEL:-6.1}" 2>&1)
status=$?
failed=0
# says NAME WANTED COUNT PATTERN: so many lines match
says() {
	local count
	count=$(grep -cE "$2" <<<"$out")
	if [ "$count" -eq "$1" ]; then echo "ok demo/$3"; return; fi
	failed=1
	echo "FAIL demo/$3: $count lines like '$2', not $1"
}
says 4 '^IPSEC/4/IPSECTUNNELSTOP: OID ' alarm-lines
says 4 '^  Alarm [0-9]+: .* \((certain|likely)\), ' sure
says 1 '^four tunnels ended, four alarms, each with the right reason$' right
if [ $status -eq 0 ]; then echo 'ok demo/status'; else failed=1; echo "FAIL demo/status: $status"; fi
[ $failed -eq 0 ] || printf '%s\n' "$out" >&2
exit $failed
