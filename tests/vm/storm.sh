#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A storm in a VM: a flush of very many SAs, then deletions one by one, with `ip xfrm monitor` beside the agent.
# Every SA must be accounted for, one alarm a tunnel, in order. One ok or FAIL line, after the figures.
#
# usage: tests/vm/storm.sh [SAS]        (default: $STORM_SAS, or 20000; make bench: 100000)
#   O=DIR build folder (build)   KERNEL=V (6.1)   RESULT=FILE where the figures go as JSON
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
sas=${1:-${STORM_SAS:-20000}}
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT

if ! log=$("${MAKE:-make}" --no-print-directory O="$O" "$O/ikewatch" "$O/guest/storm" 2>&1); then
	printf '%s\n' "$log"
	echo 'FAIL storm: it does not build'
	exit 1
fi
cp "$O/guest/storm" "$O/ikewatch" tests/vm/storm.guest "$share/" || exit 1
out=$(scripts/vm --kernel "${KERNEL:-6.1}" --mem 2560 --timeout $((1200 + sas / 20)) --share "$share" -- bash /out/storm.guest "$sas" /out/ikewatch 2>&1)
status=$?
printf '%s\n' "$out"
[ -z "${RESULT:-}" ] || [ ! -e "$share/storm.json" ] || cp "$share/storm.json" "$RESULT"
if [ $status -ne 0 ] || [ ! -s "$share/storm.json" ]; then
	grep -q '^FAIL' <<<"$out" || echo "FAIL storm: exit status $status"
	exit 1
fi
echo 'ok storm'
