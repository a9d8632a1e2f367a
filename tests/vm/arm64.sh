#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The agent on arm64: cross-built, on Debian's arm64 kernel in an emulated machine; what check says there, each tier
# of SAD probes, and a pair of SAs made and flushed by hand under it (tests/vm/guest/arm64.sh).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
for c in aarch64-linux-gnu-gcc qemu-system-aarch64 mmdebstrap; do
	command -v "$c" >/dev/null || { echo "skip arm64: $c: not found (packages gcc-aarch64-linux-gnu qemu-system-arm)"; exit 77; }
done
if ! log=$(scripts/arm64 build 2>&1); then
	tail -n 20 <<<"$log"
	echo 'FAIL arm64/build: the cross build failed'
	exit 1
fi
echo 'ok arm64/build'
out=$(scripts/arm64 vm --timeout 1500 'bash tests/vm/guest/arm64.sh' 2>&1)
status=$?
grep -E '^(ok|FAIL|skip) ' <<<"$out"
if [ $status -ne 0 ] || ! grep -q '^ok arm64/story-netlink' <<<"$out"; then
	printf '%s\n' "$out" | tail -n 20
	grep -q '^FAIL' <<<"$out" || echo "FAIL arm64/vm: exit status $status"
	exit 1
fi
