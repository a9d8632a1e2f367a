#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The slice of kernel types that the probes read, against the BTF of the kernel that runs and of the laboratory's.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
failed=0

# compare NAME BTF
compare() {
	local out
	if out=$("${MAKE:-make}" --no-print-directory O="${O:-build}" vmlinux-check BTF="$2" 2>&1); then
		echo "ok vmlinux/$1"
		return
	fi
	printf '%s\n' "$out"
	grep -q '^FAIL' <<<"$out" || echo "FAIL vmlinux/$1: could not be compared"
	failed=1
}

if [ -r /sys/kernel/btf/vmlinux ]; then
	compare slice /sys/kernel/btf/vmlinux
else
	echo 'skip vmlinux/slice: this kernel has no BTF'
fi
for kernel in 5.10 6.1 6.12 7; do
	if [ ! -e "${IKEWATCH_VM:-build/vm}/kernel-$kernel/vmlinuz" ]; then
		echo "skip vmlinux/kernel-$kernel: not fetched; scripts/kernel $kernel does"
	elif btf=$(scripts/kernel-btf "$kernel" 2>&1); then
		compare "kernel-$kernel" "$btf"
	else
		echo "FAIL vmlinux/kernel-$kernel: $btf"
		failed=1
	fi
done
exit $failed
