#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317,SC2086 # functions that a trap calls; names without blanks
# README's walk through a live gateway with bpftool: each command after "$ " is run beside an agent in a network
# namespace with IKE and ESP traffic, and must print the lines that README has under it, in that order; numbers and
# tags may differ. With SAD=1 (in the VM, tests/vm/bpftool.sh) also what needs SAs and probes on the SAD.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
agent=$(realpath "${O:-build}/ikewatch" 2>/dev/null) || agent=
ns=ikwbpf$$
peer=ikwbpp$$
failed=0
pid=
[ -n "$agent" ] || { echo 'FAIL bpftool: build/ikewatch is missing'; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo 'skip bpftool: needs root'; exit 0; }
command -v bpftool >/dev/null || { echo 'skip bpftool: bpftool not found'; exit 0; }
ip netns add $ns 2>/dev/null || { echo 'skip bpftool: network namespaces cannot be made here'; exit 0; }
dir=$(mktemp -d)
pins=/sys/fs/bpf/$ns
clean() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
	"$agent" detach --pin-dir "$pins" >/dev/null 2>&1
	ip netns del $ns 2>/dev/null
	ip netns del $peer 2>/dev/null
	rm -rf "$dir"
}
trap clean EXIT
# shellcheck source=tests/host/until.sh
. tests/host/until.sh

ip netns add $peer
if ! ip -n $ns link add eth0 type veth peer name eth0 netns $peer; then
	echo 'skip bpftool: no veth pairs here'
	exit 0
fi
ip -n $ns addr add 192.0.2.1/24 dev eth0
ip -n $ns link set eth0 up
ip -n $peer addr add 192.0.2.2/24 dev eth0
ip -n $peer link set eth0 up
start() {
	: >"$dir/err"
	"$agent" run --netns $ns --no-store --socket "$dir/s" --pin-dir "$pins" "$@" >/dev/null 2>"$dir/err" &
	pid=$!
	until_ 180 grep -q '^ikewatch: ready$' "$dir/err" || { echo "FAIL bpftool/ready: $(tr '\n' '|' <"$dir/err")"; exit 1; }
}
start
sa() { ip -n $ns xfrm state add src "$1" dst "$2" proto esp spi 0xc2d37a2c reqid 1 mode tunnel \
	aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128; }
if [ "${SAD:-0}" = 1 ] && ! { sa 192.0.2.1 192.0.2.2 && sa 192.0.2.2 192.0.2.1; }; then
	echo 'FAIL bpftool/sa: no SA can be added'
	exit 1
fi
# both ways: an IKE_SA_INIT request and five ESP packets
for way in "$ns 192.0.2.2" "$peer 192.0.2.1"; do
	nsenter --net="/run/netns/${way% *}" python3 - "${way#* }" <<'P'
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 500))
s.sendto(bytes(range(8)) + bytes(8) + bytes([33, 0x20, 34, 8]) + struct.pack(">II", 0, 28), (sys.argv[1], 500))
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, 50)
for i in range(1, 6):
    r.sendto(struct.pack(">II", 0xc2d37a2c, i) + bytes(64), (sys.argv[1], 0))
P
done
# asked of the agent: bpftool takes half a minute over all slots in the VM
counted() { "$agent" status --socket "$dir/s" --json | grep -Eq '"packets":\{[^}]*"esp":(1[0-9]|[2-9][0-9])'; }
until_ 30 counted

# pattern LINE: README's line as a regular expression; a tag and lists of numbers may be others
pattern() {
	sed -E 's/tag [0-9a-f]{16}/tag TAG/; s/"known": 1/"known": ONE/; s/[][\.*^$+?(){}|/]/\\&/g; s/[0-9]+(,[0-9]+)*/[0-9]+(,[0-9]+)*/g
		s/ +/ +/g; s/tag \+TAG/tag +[0-9a-f]{16}/; s/ONE/1/; s/,$//' <<<"$1"
}
# judge COMMAND LINE...: runs it, looks for the lines in their order
judge() {
	local command=$1 name at=1 line found missing='' expression
	shift
	name=$(sed -E 's/^bpftool //; s/pinned [^ ]*\///; s/ *\|.*//; s/[^a-z0-9_]+/-/g' <<<"$command")
	nsenter --net=/run/netns/$ns bash -c "${command//\/sys\/fs\/bpf\/ikewatch/$pins}" >"$dir/out" 2>&1
	for line; do
		expression=$(pattern "$line")
		found=$(tail -n +$at "$dir/out" | grep -nE -m1 -- "$expression" | cut -d: -f1)
		[ -n "$found" ] && at=$((at + found - 1)) && continue
		missing+="\"${line#"${line%%[![:space:]]*}"}\" "
	done
	if [ $# -gt 0 ] && [ -z "$missing" ]; then
		echo "ok bpftool/$name"
	else
		echo "FAIL bpftool/$name: README has, and it did not print: $missing; it said: $(head -c 300 "$dir/out" | tr -s ' \n\t' ' ')"
		failed=1
	fi
}
# section MARK COUNT: the commands of README between the marks, at least so many
section() {
	local line command='' lines=() count=0
	while IFS= read -r line; do
		case $line in
		'$ '* | '```')
			[ -z "$command" ] || { judge "$command" "${lines[@]}"; count=$((count + 1)); }
			command='' lines=()
			[ "$line" = '```' ] || command=${line#\$ } ;;
		?*) [ -z "$command" ] || lines+=("$line") ;;
		esac
	done < <(sed -n "/<!-- $1: begin -->/,/<!-- $1: end -->/p" README.md)
	[ $count -ge "$2" ] || { echo "FAIL bpftool/$1: README has only $count commands"; failed=1; }
}
section bpftool 4
if [ "${SAD:-0}" = 1 ]; then
	section bpftool-sad 4
else
	echo 'skip bpftool/sad: probes on the SAD and SAs are for the VM (tests/vm/bpftool.sh)'
fi
if "$agent" check | grep -q '^tcx  *yes'; then
	section bpftool-tcx 1
	kill "$pid"
	wait "$pid"
	start --hook tc
else
	echo 'skip bpftool/tcx: not in this kernel (Linux 6.6)'
fi
section bpftool-clsact 1
exit $failed
