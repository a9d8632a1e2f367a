#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The slice of kernel types that the probes read, against the BTF of the kernel that runs.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
if [ ! -r /sys/kernel/btf/vmlinux ]; then
	echo 'skip vmlinux: this kernel has no BTF'
	exit 0
fi
if out=$("${MAKE:-make}" --no-print-directory O="${O:-build}" vmlinux-check 2>&1); then
	echo 'ok vmlinux/slice'
else
	printf '%s\n' "$out"
	grep -q '^FAIL' <<<"$out" || echo 'FAIL vmlinux/slice: could not be compared'
	exit 1
fi
