#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What an event costs the pipeline, in instructions: no more with many tunnels than with one. What a walk over tunnels,
# peers, SAs or cases would add is seen; what the processor's caches add is for the benchmarks to say.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}

make -s --no-print-directory O="$O" "$O/bench/pipeline" >/dev/null || { echo 'FAIL cost: the pipeline does not build'; exit 1; }

# of TUNNELS SHAPE: what an event costs, into $cost
of() {
	local status
	cost=$(O=$O tests/bench/instructions "$1" "$2" 2>&1)
	status=$?
	[ "$status" -ne 77 ] || { echo "skip cost: $cost"; exit 0; }
	if [ "$status" -ne 0 ] || ! [ "$cost" -gt 0 ]; then
		echo "FAIL cost: of $1 tunnels, $2, nothing was counted: $(tail -n 3 <<<"$cost" | tr '\n' '|')"
		exit 1
	fi
}
failed=0
# may_cost TUNNELS SHAPE
may_cost() {
	of "$1" "$2"
	if [ $((cost * 100)) -le $((one * 105)) ]; then
		echo "ok cost/$2-$1"
	else
		echo "FAIL cost/$2-$1: $cost instructions an event with $1 tunnels, $one with few"
		failed=1
	fi
}
for shape in plain one-peer interfaces policies ike nat children; do
	of 1 "$shape"
	one=$cost
	may_cost 10000 "$shape"
done
may_cost 30000 ike
# of one tunnel no case stays open while it comes back
of 8 returns
one=$cost
may_cost 10000 returns
exit $failed
