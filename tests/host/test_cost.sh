#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What an event costs the pipeline, in instructions: no more with many tunnels than with one. What a walk over tunnels,
# peers, SAs or cases would add is seen; what the processor's caches add is for the benchmarks to say.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}

make -s --no-print-directory O="$O" "$O/bench/pipeline" >/dev/null || { echo 'FAIL cost: the pipeline does not build'; exit 1; }

# of TUNNELS: what an event costs, into $cost
of() {
	local status
	cost=$(O=$O tests/bench/instructions "$1" 2>&1)
	status=$?
	[ "$status" -ne 77 ] || { echo "skip cost: $cost"; exit 0; }
	if [ "$status" -ne 0 ] || ! [ "$cost" -gt 0 ]; then
		echo "FAIL cost: of $1 tunnels nothing was counted: $(tail -n 3 <<<"$cost" | tr '\n' '|')"
		exit 1
	fi
}
of 1
one=$cost
failed=0
for tunnels in 1000 30000; do
	of "$tunnels"
	if [ $((cost * 100)) -le $((one * 105)) ]; then
		echo "ok cost/$tunnels"
	else
		echo "FAIL cost/$tunnels: $cost instructions an event with $tunnels tunnels, $one with one"
		failed=1
	fi
done
exit $failed
