#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The kernel probes in a VM: probe_dump in each tier on each kernel. One ok or FAIL line for each pair.
#
# usage: tests/vm/probe_story.sh [--tier fentry|kprobe] [KERNEL...]      (default: both; $KERNELS, or 6.1)
#   O=DIR  the build folder (build)
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT
tiers='fentry kprobe'
[ "${1-}" != --tier ] || { tiers=$2; shift 2; }
read -r -a kernels <<<"${KERNELS:-6.1}"
[ $# -eq 0 ] || kernels=("$@")

if ! log=$("${MAKE:-make}" --no-print-directory O="$O" "$O/guest/probe_dump" 2>&1); then
	printf '%s\n' "$log"
	echo 'FAIL probe_story/build: probe_dump does not build'
	exit 1
fi
cp "$O/guest/probe_dump" "$share/" || exit 1

failed=0
for kernel in "${kernels[@]}"; do
	for tier in $tiers; do
		name=probe_story/$kernel-$tier
		out=$(scripts/vm --kernel "$kernel" --timeout 500 --share "$share" -- "cd /tmp && /out/probe_dump $tier" 2>&1)
		status=$?
		printf '%s\n' "$out"
		if [ $status -eq 0 ] && grep -qE '^[1-9][0-9]* passed, 0 failed$' <<<"$out"; then
			echo "ok $name"
		else
			echo "FAIL $name: $(grep -m 1 -E '^(FAILED|probe_dump):' <<<"$out" || echo "exit status $status")"
			failed=1
		fi
	done
done
exit $failed
