#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `ikewatch check` on the kernel that runs this: says the same as text and as JSON, agrees with what can be seen
# otherwise, exits as documented.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
agent=${O:-build}/ikewatch
failed=0
ok() { echo "ok check/$1"; }
bad() { echo "FAIL check/$1: $2"; failed=1; }
[ -x "$agent" ] || { bad agent "$agent is not built"; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo 'skip check: needs root'; exit 0; }
command -v jq >/dev/null || { echo 'skip check: jq: not found'; exit 0; }

json=$("$agent" check --json 2>&1)
status=$?
text=$("$agent" check 2>&1)
field() { jq -r "$1" <<<"$json"; }

if [ "$status" -eq 0 ] && [ "$(field .can_run)" = true ]; then ok runs; else bad runs "exit $status: $json"; fi
if [ "$(field .kernel)" = "$(uname -r)" ]; then ok kernel; else bad kernel "$(field .kernel)"; fi

tier=$(field .tier)
if grep -q "SAD probes by $tier" <<<"$text"; then ok text; else bad text "the tier is not $tier in: $text"; fi
can() { field ".checks[] | select(.name == \"$1\").can"; }
if [ "$(can fentry)" = true ]; then want=fentry; elif [ "$(can kprobes)" = true ]; then want=kprobe; else want=netlink; fi
if [ "$tier" = "$want" ]; then ok tier; else bad tier "$tier, but fentry $(can fentry), kprobes $(can kprobes)"; fi
kprobe_type=/sys/bus/event_source/devices/kprobe/type
if [ -e "$kprobe_type" ] || [ "$(can kprobes)" = false ]; then ok kprobes; else bad kprobes "possible without $kprobe_type"; fi
if [ "$(test -e /sys/kernel/btf/vmlinux && echo true || echo false)" = "$(can BTF)" ]; then ok btf; else bad btf "$(can BTF)"; fi

# what is lost is said in words, each observable either seen or lost
if [ "$tier" != netlink ] || [ "$(field '[.lost[].what] | index("actor") != null')" = true ]; then
	ok lost
else
	bad lost 'the netlink tier must lack the acting process'
fi
if [ "$(field '[.lost[] | select((.means | length) < 20)] | length')" = 0 ]; then ok words; else bad words 'a loss without words'; fi
if [ "$(field '(.sees - [.lost[].what] | length) == (.sees | length)')" = true ]; then ok either; else bad either 'seen and lost'; fi

# root without capabilities, so that the folder of the build needs to be open to nobody else
if out=$(setpriv --bounding-set=-all --inh-caps=-all "$agent" check 2>&1); then
	bad privileges 'exit 0 without any'
elif grep -q 'missing: CAP_NET_ADMIN' <<<"$out" && grep -q 'cannot run here' <<<"$out"; then
	ok privileges
else
	bad privileges "$out"
fi
"$agent" check extra >/dev/null 2>&1
status=$?
if [ $status -eq 2 ]; then ok usage; else bad usage "exit $status for an operand, not 2"; fi
exit $failed
