#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `ikewatch check` where something is missing: a VM under each mode of lockdown, and in the first one without BTF,
# kprobes, bpffs, memory (tests/vm/guest/check.sh). What is missing must be said, and what is lost with it.
#
# usage: tests/vm/check.sh [none|integrity|confidentiality]...      (default: all three)      KERNEL=6.1
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
modes=("$@")
[ $# -gt 0 ] || modes=(none integrity confidentiality)
failed=0
for mode in "${modes[@]}"; do
	append=()
	[ "$mode" = none ] || append=(--append "lockdown=$mode")
	out=$(scripts/vm --kernel "${KERNEL:-6.1}" --timeout 600 "${append[@]}" -- \
		"IKEWATCH=${O:-build}/ikewatch bash tests/vm/guest/check.sh $mode" 2>&1)
	status=$?
	grep -E '^(ok|FAIL|skip) ' <<<"$out"
	grep -q "^ok check/$mode" <<<"$out" && [ $status -eq 0 ] && continue
	failed=1
	grep -q '^FAIL ' <<<"$out" || { printf '%s\n' "$out"; echo "FAIL check/$mode: exit status $status"; }
done
exit $failed
