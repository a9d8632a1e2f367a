#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The packet programs on other kernels than this host's, whose verifiers differ: of tests/host/test_packet_run and
# test_wire_run those that ask most of the programs, in a VM. One ok or FAIL line for each kernel and test; kernels that are not here are skipped.
#
# usage: tests/vm/packets.sh [KERNEL...]      (default 6.1, and of the others those that are here)
#   O=DIR  the build folder (build)
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT
tests='test_packet_run test_wire_run'
some='test_packet_run/test_every_* test_packet_run/test_esp_map test_packet_run/test_own_port'
some+=' test_packet_run/test_forwarded test_wire_run/test_told test_wire_run/test_flood_of_one test_wire_run/test_forwarded'

# here KERNEL: 6.1 is fetched for everything that needs a VM
here() { [ "$1" = 6.1 ] || [ -e "${IKEWATCH_VM:-$O/vm}/kernel-$1/vmlinuz" ]; }

asked=("$@")
kernels=("$@")
[ $# -gt 0 ] || kernels=(5.10 6.1 6.12 7)
for test in $tests; do
	if ! log=$("${MAKE:-make}" --no-print-directory O="$O" "$O/host/$test" 2>&1); then
		printf '%s\n' "$log"
		echo "FAIL packets/build: $test does not build"
		exit 1
	fi
	cp "$O/host/$test" "$share/" || exit 1
done

failed=0
set -f
for kernel in "${kernels[@]}"; do
	if [ ${#asked[@]} -eq 0 ] && ! here "$kernel"; then
		echo "skip packets/$kernel: that kernel is not here (scripts/kernel $kernel)"
		continue
	fi
	out=$(scripts/vm --kernel "$kernel" --timeout 500 --share "$share" -- "set -f
		for t in $some; do echo \"== \$t\"; \"/out/\${t%%/*}\" \"\${t#*/}\" 2>&1; echo == status \$?; done")
	for test in $some; do
		name=packets/$kernel-${test%'_*'}
		part=$(awk -v of="== $test" '$0 == of { on = 1 } on { print } /^== status/ { on = 0 }' <<<"$out")
		if [ "$(tail -n 1 <<<"$part")" = '== status 0' ] && grep -qE '^\[  PASSED  \] [1-9][0-9]* test' <<<"$part"; then
			echo "ok $name"
		elif grep -q '^skipped: ' <<<"$part" && ! grep -q '^\[  FAILED  \]' <<<"$part"; then
			echo "skip $name: $(sed -n 's/^skipped: //p' <<<"$part" | head -n 1)"
		else
			failed=1
			grep -vE '^\[ *(RUN|OK) ' <<<"${part:-$out}" | tail -n 30
			echo "FAIL $name: $(grep -m 1 -E 'failed to load|^\[  FAILED  \]' <<<"$part" || echo 'no result')"
		fi
	done
done
exit $failed
