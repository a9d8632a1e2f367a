#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# README's walk with bpftool in a VM, where the SAD can be probed: tests/host/test_bpftool.sh with all of it.
#
# usage: tests/vm/bpftool.sh [KERNEL]      (default 6.1)
#   O=DIR  the build folder (build)
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT
cp "$O/ikewatch" "$share/" || exit 1
out=$(scripts/vm --kernel "${1:-6.1}" --timeout 900 --share "$share" -- 'SAD=1 O=/out bash tests/host/test_bpftool.sh' 2>&1)
status=$?
grep -E '^(ok|FAIL|skip) ' <<<"$out" || { tail -n 20 <<<"$out"; echo "FAIL bpftool: exit status $status"; exit 1; }
exit $status
