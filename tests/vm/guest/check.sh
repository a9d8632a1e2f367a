#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# In the VM, for tests/vm/check.sh: MODE of lockdown.
mode=$1 failed=0
# says NAME FILTER JSON: the filter (a boolean) holds for what check printed
says() {
	if [ "$(jq -r "$2" <<<"$3" 2>/dev/null)" = true ]; then
		echo "ok check/$mode-$1"
	else
		echo "FAIL check/$mode-$1: not $2 in $(jq -c '{tier, why, can_run, no: [.checks[] | select(.can | not) | {name, why, lost}], lost: [.lost[].what]}' \
			<<<"$3" 2>/dev/null || head -c 300 <<<"$3")"
		failed=1
	fi
}
check() { "$IKEWATCH" check --json 2>&1; }
no() { echo "(.checks[] | select(.name == \"$1\") | (.can | not) and (.lost | length) > 20)"; }
lacks() { echo "([.lost[].what] | index(\"$1\") != null)"; }
told="(.checks[] | select(.name == \"lockdown\").why | startswith(\"$mode\"))"

all=$(check)
says lockdown "$told" "$all"
case $mode in
none)
	says all '.can_run and .tier == "fentry" and .lost == []' "$all"
	says no-btf "$(no BTF) and .tier == \"netlink\" and $(lacks actor) and $(lacks control)" \
		"$(unshare -m sh -c "mount -t tmpfs none /sys/kernel/btf && exec $IKEWATCH check --json" 2>&1)"
	says pid-namespace "$(no processes) and .tier == \"fentry\" and .lost == []" "$(unshare --pid --fork --mount-proc "$IKEWATCH" check --json 2>&1)"
	echo 0 >/sys/kernel/debug/kprobes/enabled
	says no-kprobes "$(no kprobes) and .tier == \"fentry\"" "$(check)"
	echo 1 >/sys/kernel/debug/kprobes/enabled
	umount /sys/fs/bpf
	says no-bpffs "$(no bpffs) and .tier == \"fentry\" and .can_run" "$(check)"
	mount -t bpf bpf /sys/fs/bpf
	says memlock '.checks[] | select(.name == "memory").why | contains("memlock 64 KiB")' "$(ulimit -l 64; check)"
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir -p /sys/fs/cgroup/small/below
	echo 56M >/sys/fs/cgroup/small/memory.max
	small="$(no memory) and .can_run and (.checks[] | select(.name == \"memory\").why | contains(\"56 MiB of 96 needed\"))"
	for group in small small/below; do
		says "memory-$group" "$small" "$(echo $BASHPID >"/sys/fs/cgroup/$group/cgroup.procs"; check)"
	done
	# as in a container, where the limit is the root's
	says memory-container "$small" "$(
		echo $BASHPID >/sys/fs/cgroup/small/cgroup.procs
		unshare -Cm sh -c "umount /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && echo \$\$ >/sys/fs/cgroup/below/cgroup.procs && exec $IKEWATCH check --json" 2>&1
	)"
	;;
integrity)
	# but tcx, which came with Linux 6.6, and without which nothing goes unseen
	says nothing-lost '.can_run and .tier == "fentry" and .lost == [] and all(.checks[]; .can or .name == "tcx")' "$all"
	;;
confidentiality)
	says netlink ".can_run and .tier == \"netlink\" and .why != \"\" and $(no 'kernel reads') and $(no lockdown)" "$all"
	says lost "$(lacks actor) and $(lacks cause) and $(lacks larval) and $(lacks failed) and $(lacks control) and $(lacks signal)" "$all"
	says text 'true' "$("$IKEWATCH" check | grep -q 'SAD probes by netlink; not better: .' && echo '{}')"
	;;
esac
exit $failed
