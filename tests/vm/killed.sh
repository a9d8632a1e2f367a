#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The agent killed 50 times while 2,000 tunnels go and 2,000 come, in a VM (tests/vm/guest/killed.sh): every deletion
# has exactly one alarm. Variables TUNNELS, KILLS, SEED; KERNEL (6.1).
set -euo pipefail
cd "$(dirname "$0")/../.."
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT
scripts/vm --kernel "${KERNEL:-6.1}" --cpus 2 --timeout 1800 --share "${SHARE:-$share}" -- \
	"IKEWATCH=${IKEWATCH:-build/ikewatch} TUNNELS=${TUNNELS:-2000} KILLS=${KILLS:-50} SEED=${SEED:-7} bash tests/vm/guest/killed.sh"
