#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317,SC2086 # functions that a trap calls; names without blanks
# Every command of every procedure is run, with its addresses filled in, as a person would paste it: those of the
# system in a network namespace that has the addresses, those of IKE daemons against what the daemons' own programs
# (of the laboratory's root file system) say they understand.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
ns=ikwproc$$
failed=0
ok() { echo "ok procedures/$1"; }
verdict() { if [ "$2" -eq 0 ]; then ok "$1"; else echo "FAIL procedures/$1: $3"; failed=1; fi; }
[ "$(id -u)" -eq 0 ] || { echo 'skip procedures: needs root'; exit 0; }
if ! log=$("${MAKE:-make}" --no-print-directory O="$O" "$O/unit/test_catalogue" 2>&1); then
	echo "FAIL procedures/build: $(tail -n 1 <<<"$log")"
	exit 1
fi
ip netns add $ns 2>/dev/null || { echo 'skip procedures: network namespaces cannot be made here'; exit 0; }
dir=$(mktemp -d)
clean() {
	ip netns del $ns 2>/dev/null
	rm -rf "$dir"
}
trap clean EXIT
ip -n $ns link set lo up
ip -n $ns link add eth0 type veth peer name eth1
ip -n $ns addr add 192.0.2.1/24 dev eth0
ip -n $ns link set eth0 up
ip -n $ns link set eth1 up
ip -n $ns route add default via 192.0.2.9 dev eth0 onlink
mapfile -t commands < <("$O/unit/test_catalogue" --commands | sort -u | sed "s/site-a/$ns/")

# ---- the system's own
bad='' skipped='' count=0
for command in "${commands[@]}"; do
	[[ $command == "ip netns exec $ns "* ]] || continue
	program=${command#"ip netns exec $ns "}
	program=${program%% *}
	command -v "$program" >/dev/null || { [[ $skipped == *$program* ]] || skipped+="$program "; continue; }
	count=$((count + 1))
	timeout -s INT 2 bash -c "$command" >"$dir/out" 2>&1
	status=$?
	case $program:$status in
	ip:0 | nft:0 | cat:0 | ping:0) ;;
	ping:1) ;;                                             # nobody answers there
	ping:124) grep -q '^PING ' "$dir/out" || bad+="$command; " ;;
	tcpdump:*) grep -q 'listening on' "$dir/out" || bad+="$command ($(tail -n 1 "$dir/out")); " ;;
	*) bad+="$command: exit $status, $(tail -n 1 "$dir/out"); " ;;
	esac
done
[ -z "$bad" ] && [ $count -ge 10 ]
verdict system $? "$count run; $bad"
[ -z "$skipped" ] || echo "skip procedures/system: not found here: $skipped"

# ---- what has to be asked for
# a time as journalctl reads it
if command -v systemd-analyze >/dev/null; then
	since=$(printf '%s\n' "${commands[@]}" | sed -n "s/.*--since='\([^']*\)'.*/\1/p" | head -n 1)
	systemd-analyze timestamp "$since" >"$dir/out" 2>&1
	verdict journal_time $? "$since: $(tail -n 1 "$dir/out")"
else
	echo 'skip procedures/journal_time: systemd-analyze not found'
fi
wrong=
for command in "${commands[@]}"; do
	[[ $command != journalctl* || $command == *" --since='"*" UTC' --until='"*" UTC'" ]] || wrong+="$command; "
done
[ -z "$wrong" ]
verdict journal_window $? "$wrong"

# ---- IKE daemons
vm=${IKEWATCH_VM:-build/vm}
root=$vm/rootfs-extra
[ -x "$root/usr/sbin/swanctl" ] || root=$vm/rootfs
if [ -x "$root/usr/sbin/swanctl" ]; then
	help=$(chroot "$root" swanctl --help 2>&1)
	bad=
	while read -r verb rest; do
		grep -q -- "swanctl $verb " <<<"$help" || bad+="$verb "
		options=$(chroot "$root" swanctl "$verb" --help </dev/null 2>&1)
		for word in $rest; do
			[[ $word != --* ]] || grep -q -- "$word" <<<"$options" || bad+="$verb $word "
		done
	done < <(printf '%s\n' "${commands[@]}" | grep -oE 'swanctl --.*' | sed 's/^swanctl //')
	[ -z "$bad" ]
	verdict strongswan $? "swanctl does not know: $bad"
	whack=$(chroot "$root" /opt/libreswan/usr/libexec/ipsec/whack --help 2>&1)
	auto=$(cat "$root/opt/libreswan/usr/libexec/ipsec/auto" 2>/dev/null)
	bad=
	while read -r tool option _; do
		case $tool in
		whack) grep -q -- "\[*$option\]" <<<"$whack" || bad+="whack $option " ;;
		auto) grep -q -- "$option" <<<"$auto" || bad+="auto $option " ;;
		*) bad+="$tool " ;;
		esac
	done < <(printf '%s\n' "${commands[@]}" | grep -oE 'ipsec (whack|auto|[a-z]+) .*' | sed 's/^ipsec //')
	[ -z "$bad" ] && [ -n "$whack" ] && [ -n "$auto" ]
	verdict libreswan $? "ipsec does not know: $bad"
	if [ -x "$root/opt/openiked/usr/sbin/ikectl" ]; then
		show=$(chroot "$root" /opt/openiked/usr/sbin/ikectl show 2>&1)
		usage=$(chroot "$root" /opt/openiked/usr/sbin/iked -h 2>&1)
		grep -qw sa <<<"$show" && grep -q 'usage: iked \[-[a-zA-Z]*n' <<<"$usage" &&
			[ "$(printf '%s\n' "${commands[@]}" | grep -cE '^(ikectl|iked) ')" -eq 2 ]
		verdict openiked $? "$show $usage"
	else
		echo 'skip procedures/openiked: not in the root file system; scripts/rootfs --with extra makes one'
	fi
else
	echo 'skip procedures/daemons: no root file system of the laboratory; scripts/rootfs makes it'
fi
exit $failed
