#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The packet programs in a card's driver: a VM with two virtio cards on one wire, and the agent on one of them, which
# chooses native XDP there. ESP, IKE and an alarm, by one agent and the next (tests/vm/guest/card.sh).
#
# usage: tests/vm/card.sh [KERNEL...]      (default 6.1)
#   O=DIR  the build folder (build)
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT
cp "$O/ikewatch" "$share/" || exit 1
kernels=("$@")
[ $# -gt 0 ] || kernels=(6.1)
cards=()
for n in 0 1; do
	cards+=(--qemu -netdev --qemu "hubport,id=card$n,hubid=1" --qemu -device
		--qemu "virtio-net-pci,netdev=card$n,mac=52:54:00:00:00:0$n")
done
failed=0
for kernel in "${kernels[@]}"; do
	out=$(scripts/vm --kernel "$kernel" --timeout 900 --share "$share" "${cards[@]}" -- \
		'IKEWATCH=/out/ikewatch bash tests/vm/guest/card.sh' 2>&1)
	status=$?
	grep -E '^(ok|FAIL|skip) ' <<<"$out" | sed "s,^\([a-zA-Z]*\) card/,\1 card/$kernel-,"
	grep -q '^ok card/native/hook' <<<"$out" && [ $status -eq 0 ] && continue
	failed=1
	grep -q '^FAIL ' <<<"$out" || { printf '%s\n' "$out"; echo "FAIL card/$kernel: exit status $status"; }
done
exit $failed
