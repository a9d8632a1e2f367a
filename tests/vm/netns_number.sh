#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A namespace that is given the number of one that was watched, in a VM (tests/vm/guest/netns_number.sh). KERNEL (6.1).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
out=$(scripts/vm --kernel "${KERNEL:-6.1}" --timeout 900 -- \
	"IKEWATCH=${O:-build}/ikewatch bash tests/vm/guest/netns_number.sh" 2>&1)
status=$?
grep -E '^(ok|FAIL|skip) ' <<<"$out"
grep -q '^ok netns_number/end' <<<"$out" && [ $status -eq 0 ] && exit 0
grep -q '^FAIL ' <<<"$out" || { printf '%s\n' "$out"; echo "FAIL netns_number: exit status $status"; }
exit 1
