#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The Debian package as a service in a VM whose first process is systemd (tests/vm/guest/service.sh): installed, watching
# tunnels of strongSwan, hung, reloaded, upgraded, restarted while a tunnel dies, what goes wrong around it, purged.
#
# usage: tests/vm/service.sh      O=DIR the build folder (build)   KERNEL=6.1   SHARE=DIR where its artefacts stay
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
share=${SHARE:-$work/share}
mkdir -p "$share"
command -v dpkg-deb >/dev/null || { echo 'skip service: dpkg-deb not found'; exit 77; }
if ! deb=$("${MAKE:-make}" -s --no-print-directory O="$O" deb 2>"$work/log"); then
	tail -n 20 "$work/log"
	echo 'FAIL service/deb: the package cannot be made'
	exit 1
fi
deb=$(tail -n 1 <<<"$deb")
cp "$deb" "$share/1.deb"
# the versions to come: the same files
dpkg-deb -R "$deb" "$work/deb"
for n in 2 3; do
	sed -i "s/^Version: .*/Version: $(cat VERSION)+$n/" "$work/deb/DEBIAN/control"
	dpkg-deb --root-owner-group -Zgzip -z1 --build "$work/deb" "$share/$n.deb" >/dev/null || exit 1
done
# somebody else's program on an interface
printf '%s\n' '__attribute__((section("xdp"), used)) int pass(void *context) { return 2; }' |
	"${CLANG:-clang}" -target bpf -g -O2 -x c -c -o "$share/foreign.o" - || exit 1
scripts/vm --kernel "${KERNEL:-6.1}" --with systemd --cpus 2 --mem 1536 --timeout 1800 --share "$share" -- \
	"bash tests/vm/guest/service.sh" 2>&1 | tee "$work/out"
status=${PIPESTATUS[0]}
# the guest's last word, or it did not come to its end
if [ "$status" -ne 0 ] || ! grep -q '^ok service/nothing_left' "$work/out"; then
	grep -q '^FAIL' "$work/out" || echo "FAIL service: exit status $status"
	exit 1
fi
