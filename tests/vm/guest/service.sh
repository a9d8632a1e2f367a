#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2034,SC2086,SC2119,SC2317 # P and BEGUN are for lib.sh; names without blanks; functions that wait_for calls
# In the VM, as a service of its systemd, for tests/vm/service.sh. The VM itself is gateway gwa of the laboratory: its
# namespace has that name, too. Packages 1 to 3 are in /out. Prints ok and FAIL lines.
# shellcheck source=tests/lab/lib.sh
. /ikewatch/tests/lab/lib.sh
set -u
W=/tmp/lab/service
mkdir -p $W
failed=0 BEGUN=1
verdict() { if [ "$2" -eq 0 ]; then echo "ok service/$1"; else echo "FAIL service/$1: $(tr '\n' '|' <<<"$3" | head -c 1500)"; failed=1; fi; }
# a wait in vain is a failure of its own
trap '[ ! -s $W/why ] || echo "FAIL service: $(cat $W/why)"; journalctl -b --no-pager >/out/journal 2>/dev/null; rm -rf $W/?/run; cp -r $W /out/ 2>/dev/null' EXIT

show() { systemctl show -P "$1" "${2:-ikewatch}"; }
is() { [ "$(show "$1")" = "$2" ]; }
# said: what the agent's units said since the last mark
said() { journalctl -u ikewatch -o cat --no-pager --after-cursor="$(cat $W/cursor)"; }
mark() { journalctl -n 1 --no-pager --show-cursor | sed -n 's/^-- cursor: //p' >$W/cursor; }
# errors: the same without the alarms
errors() { said | grep -v '^IPSEC'; }
has_said() { said | grep -qE -- "$1"; }
alarms() { ikewatch alarms --all --json 2>/dev/null; }
# alarmed JQ-CONDITION COUNT
alarmed() { [ "$(alarms | jq -c "select($1)" | wc -l)" -eq "$2" ]; }
programs() { bpftool prog show -j | jq -c '.[] | select(.name // "" | startswith("ikw_")) | .id' | sort; }

# by hand: tunnel N of this host with a peer of its own
peer() { echo "203.0.113.$1"; }
hand() {
	local n=$1 p key=0x0102030405060708090a0b0c0d0e0f1011121314
	p=$(peer "$n")
	ip xfrm state add src 192.0.2.1 dst "$p" proto esp spi $((0x3000 + n)) reqid $((100 + n)) mode tunnel aead 'rfc4106(gcm(aes))' $key 128
	ip xfrm state add src "$p" dst 192.0.2.1 proto esp spi $((0x4000 + n)) reqid $((100 + n)) mode tunnel aead 'rfc4106(gcm(aes))' $key 128
}
unhand() {
	ip xfrm state delete dst "$(peer "$1")" proto esp spi $((0x3000 + $1))
	ip xfrm state delete dst 192.0.2.1 proto esp spi $((0x4000 + $1))
}

# snapshot: what a package or an agent could leave behind, and what is somebody else's
snapshot() {
	find / -xdev \( -path /ikewatch -o -path /proc -o -path /tmp -o -path /out \) -prune -o -name '*ikewatch*' -print
	find /run /sys/fs/bpf -name '*ik[ew]*' ! -path '*/journal/*'
	grep -r ikewatch /etc/passwd /etc/group /etc/shadow /etc/gshadow /var/lib/dpkg/status
	systemctl list-units --all --plain --no-legend 'ikewatch*' | grep -v '^ikewatch.mount' # of /ikewatch
	# systemd has programs of its own on control groups, which come and go
	bpftool prog show -j | jq -c '.[] | select(.type | startswith("cgroup") | not) | [.id, .type, .name]'
	bpftool map show -j | jq -c '.[] | select(.name // "" | startswith("ikw_"))'
	bpftool link show -j | jq -c '.[].id'
	tc qdisc show | grep -E 'clsact|ingress'
	tc filter show dev in ingress
	ip link show | grep -o 'prog/xdp.*'
}

ip netns attach gwa 1
net_make
# somebody else's programs: XDP on one interface, clsact with a filter on another
tc qdisc add dev in clsact && tc filter add dev in ingress prio 7 protocol ip matchall action pass
ip link add x0 type veth peer name x1 && ip link set x0 up && ip link set x1 up
ip link set x0 xdpgeneric object /out/foreign.o section xdp
verdict foreign $? 'no XDP program for x0'
snapshot >$W/before

# ---- installed -----------------------------------------------------------------------------------------------
mkdir -p /etc/systemd/system/ikewatch.service.d
printf '[Service]\nWatchdogSec=20\n' >/etc/systemd/system/ikewatch.service.d/test.conf
mark
dpkg -i /out/1.deb >$W/dpkg.1 2>&1
verdict install $? "$(tail -n 5 $W/dpkg.1)"
is ActiveState active && is Type notify && is StatusText watching && [ "$(systemctl is-enabled ikewatch)" = enabled ]
verdict readiness $? "$(show ActiveState) $(show Type) $(show StatusText)"
echo "tier: $(ikewatch status --json | jq -r .tier); said: $(said | tr '\n' '|')"
[ "$(said | grep -cE '^ikewatch: (ready|[^r])')" -eq 1 ] && has_said '^ikewatch: ready$'
verdict journal $? "$(errors)"
field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(show MainPID)/status"; }
# 2 DAC_READ_SEARCH, 12 NET_ADMIN, 19 SYS_PTRACE, 38 PERFMON, 39 BPF; the bounding set can be no smaller than what is kept
allowed=$(((1 << 2) | (1 << 12) | (1 << 19) | (1 << 38) | (1 << 39)))
[ $((0x$(field CapEff) & ~allowed)) -eq 0 ] && [ $((0x$(field CapBnd) & ~allowed)) -eq 0 ] && [ "$(field NoNewPrivs)" = 1 ] &&
	[ "$(field Seccomp)" = 2 ] && [ "$(ps -o user= -p "$(show MainPID)")" = ikewatch ] && [ "$(ikewatch status --json | jq -r .tier)" = fentry ]
verdict privileges $? "$(grep -E 'Cap|NoNew|Seccomp|^Uid' "/proc/$(show MainPID)/status")"
for unit in ikewatch ikewatch-send; do
	exposure=$(systemd-analyze security --no-pager $unit.service 2>/dev/null | sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p')
	awk -v e="${exposure:-10}" 'BEGIN { exit e > 2.0 }'
	verdict "security/$unit" $? "exposure ${exposure:-unknown}"
	echo "exposure of $unit: $exposure"
done
echo 'journal "j" { }' >/etc/ikewatch/sinks.conf
systemctl start ikewatch-send
verdict sender $? "$(journalctl -u ikewatch-send -o cat --no-pager | tail -n 3)"

# ---- reload --------------------------------------------------------------------------------------------------
cp /etc/ikewatch/ikewatch.conf $W/conf
mark
printf 'settle = 2000\nhook = magic\n' >/etc/ikewatch/ikewatch.conf
systemctl reload ikewatch
wait_for 60 'a bad file is named' has_said 'ikewatch.conf:2: hook = "magic": not auto.*|before it is kept'
is ActiveState active && has_said 'the configuration before it is kept'
verdict reload/bad $? "$(errors)"
printf 'keep-days = 30\n' >/etc/ikewatch/ikewatch.conf
systemctl reload ikewatch && wait_for 60 'a good file is taken' has_said '^ikewatch: reload: done' && is ActiveState active && is NRestarts 0
verdict reload/good $? "$(errors)"
cp $W/conf /etc/ikewatch/ikewatch.conf

# ---- a tunnel, and an agent that hangs --------------------------------------------------------------------------
P=([daemon_a]=charon-systemd [dpd_a]=2 [rt]='0.5 2 2')
crypto_warm
tunnels_up
alarmed true 0
verdict quiet $? "$(alarms)"
order a --terminate --ike tun
wait_gone
wait_for 30 'the alarm of what was ordered' alarmed '.dst_ip == "198.51.100.1"' 1
alarmed '.offline_reason == "config modify or manual offline" and .ordered_by.comm == "swanctl"
	and (.ordered_by.command | contains("--terminate")) and (.ordered_by.exe | endswith("/swanctl")) and (.by.exe | endswith("/charon-systemd"))' 1
verdict ordered $? "$(alarms | jq -c '{offline_reason, confidence, ordered_by, by, blind_spots}')"
initiate a c1
wait_sas 2
OLD=$(spis gwa)
hand 1
until_up() { [ "$(ikewatch tunnels --json | jq -s '[.[] | if type == "array" then .[] else . end | select(.up)] | length')" -eq "$1" ]; }
wait_for 30 'two tunnels are up' until_up 2
mark
pid=$(show MainPID)
kill -STOP "$pid"
unhand 1
restarted() { is NRestarts 1 && is ActiveState active && [ "$(show MainPID)" != "$pid" ]; }
wait_for 240 'the watchdog restarts it' restarted
journalctl -b --no-pager --after-cursor="$(cat $W/cursor)" | grep -q 'ikewatch.service: Watchdog timeout'
verdict watchdog $? "$(errors)"
wait_for 30 'the alarm of what went while it hung' alarmed '.dst_ip == "203.0.113.1" and .offline_reason == "config modify or manual offline"' 1
has_said 'taken over as they are pinned' && ! has_said '^ikewatch: gap'
verdict watchdog/nothing_lost $? "$(errors)"
in_journal() { journalctl -o json --no-pager IKEWATCH_REASON='config modify or manual offline' | grep -q '"IKEWATCH_DST_IP":"203.0.113.1"\|203.0.113.1'; }
wait_for 60 'the sender has told the journal' in_journal
verdict sender/journal 0

# ---- upgraded, while one tunnel after the other goes, and to other programs -----------------------------------------
for ((n = 10; n < 40; n++)); do hand $n; done
wait_for 30 'the tunnels are up' until_up 31
# by kprobes, and with the capability that they take here, as the unit's comment says
printf 'tier = "kprobe"\n' >/etc/ikewatch/ikewatch.conf
printf '[Service]\nAmbientCapabilities=CAP_SYS_ADMIN\nCapabilityBoundingSet=CAP_SYS_ADMIN\n' >/etc/systemd/system/ikewatch.service.d/kprobes.conf
before=$(programs)
mark
( for ((n = 10; n < 40; n++)); do
	unhand $n
	echo $n >$W/gone
	# as many before the new agent is there as after
	[ $n -ne 25 ] || until [ -e $W/upgraded ]; do sleep 0.1; done
	sleep 0.3
done ) &
dpkg -i --force-confold /out/2.deb >$W/dpkg.2 2>&1
verdict upgrade $? "$(tail -n 5 $W/dpkg.2)"
: >$W/upgraded
wait $!
is ActiveState active && [ "$(ikewatch status --json | jq -r .tier)" = kprobe ] && [ "$before" != "$(programs)" ]
verdict upgrade/other_programs $? "tier $(ikewatch status --json | jq -r .tier); programs $before, then $(programs); $(errors)"
[ $((0x$(field CapEff) & ~allowed)) -eq 0 ] && [ $((0x$(field CapPrm) & ~allowed)) -eq 0 ]
verdict upgrade/privileges $? "$(grep Cap "/proc/$(show MainPID)/status")"
wait_for 60 'an alarm of each' alarmed '.seq_num >= 110 and .seq_num < 140' 30
[ "$(alarms | jq 'select(.seq_num >= 110 and .seq_num < 140) | .dst_ip' | sort -u | wc -l)" -eq 30 ] && ! has_said '^ikewatch: (gap|lost)'
verdict upgrade/no_blind_moment $? "$(errors)"
alarmed '.seq_num >= 110 and .seq_num < 140 and .offline_reason == "config modify or manual offline" and .by.comm == "ip"' 30
verdict upgrade/right $? "$(alarms | jq -c '[.seq_num, .offline_reason, .confidence]' | sort | uniq -c)"
cp $W/conf /etc/ikewatch/ikewatch.conf

# ---- upgraded and restarted, while the tunnel dies in between --------------------------------------------------------
mark
systemctl stop ikewatch
dpkg --unpack /out/3.deb >$W/dpkg.3 2>&1
verdict between/unpack $? "$(tail -n 5 $W/dpkg.3)"
path_down
wait_gone
dpkg --configure ikewatch >>$W/dpkg.3 2>&1
verdict between/configure $? "$(tail -n 5 $W/dpkg.3)"
wait_for 60 'the alarm of the tunnel that died in between' alarmed '.dst_ip == "198.51.100.1"' 2
alarms | jq -c 'select(.dst_ip == "198.51.100.1" and .offline_reason != "config modify or manual offline")' >$W/between
jq -e '.offline_reason == "dpd timeout" and .confidence == "likely" and .tunnel_up == false and (.by.comm | startswith("charon"))
	and ([.evidence[] | select(.kind == "message" and .direction == "out")] | length) >= 2 and .vsys_name == "Public"' $W/between >/dev/null
verdict between/cause $? "$(jq -c '{offline_reason, confidence, tunnel_up, by: .by.comm, vsys_name, detail, blind_spots, e: [.evidence[].text]}' $W/between)"
ikewatch explain "$(jq .id $W/between)" | grep -q 'never answered'
verdict between/explained $? "$(ikewatch explain "$(jq .id $W/between)" | head -n 8)"
path_up

# ---- before the IKE daemon -----------------------------------------------------------------------------------------
end gwa KILL
systemctl stop ikewatch
# in one transaction, as at boot
printf '[Unit]\nWants=strongswan.service ikewatch.service\n' >/run/systemd/system/both.target
systemctl daemon-reload
systemctl start both.target
active() { is ActiveState active && [ "$(show ActiveState strongswan)" = active ]; }
wait_for 120 'agent and IKE daemon run' active
[ "$(show ActiveEnterTimestampMonotonic)" -gt 0 ] && [ "$(show ActiveEnterTimestampMonotonic)" -le "$(show ExecMainStartTimestampMonotonic strongswan)" ]
verdict order $? "agent $(show ActiveEnterTimestampMonotonic), daemon $(show ExecMainStartTimestampMonotonic strongswan)"
# who has init stop the daemon is who ordered it
swanctl --load-all --noprompt --file $W/a/swanctl.conf >$W/swanctl.service 2>&1 && swanctl --initiate --child c1 --timeout 30 >>$W/swanctl.service 2>&1
verdict stopped/up $? "$(tail -n 3 $W/swanctl.service)"
wait_for 30 'SAs of the service' sas_are gwa 2
OLD=$(spis gwa)
systemctl stop strongswan
wait_gone
wait_for 30 'the alarm of what was stopped' alarmed '.offline_reason == "config modify or manual offline" and .ordered_by.comm == "systemctl"
	and (.ordered_by.command | startswith("systemctl stop strongswan"))' 1
verdict stopped/by_systemctl $? "$(alarms | tail -n 1 | jq -c '{offline_reason, confidence, by: .by.comm, ordered_by, blind_spots}')"
# as when the host is shut down, when both stop in one transaction: what the daemon deletes meanwhile is not lost
for unit in strongswan ikewatch; do
	mkdir -p /run/systemd/system/$unit.service.d
	printf '[Unit]\nPartOf=both.target\n' >/run/systemd/system/$unit.service.d/both.conf
done
systemctl daemon-reload
systemctl start both.target
wait_for 120 'agent and IKE daemon run again' active
swanctl --load-all --noprompt --file $W/a/swanctl.conf >$W/swanctl.service 2>&1 && swanctl --initiate --child c1 --timeout 30 >>$W/swanctl.service 2>&1
verdict shutdown/up $? "$(tail -n 3 $W/swanctl.service)"
wait_for 30 'SAs of the service, again' sas_are gwa 2
alarms | wc -l >$W/alarms.before
mark
systemctl stop both.target
wait_for 60 'the agent has stopped' is ActiveState inactive
sas_are gwa 0 && [ "$(alarms | wc -l)" -eq $(($(cat $W/alarms.before) + 1)) ] && alarms | tail -n 1 |
	jq -e '.offline_reason == "config modify or manual offline" and .tunnel_up == false and .dst_ip == "198.51.100.1"
	and (.ordered_by.command // "" | startswith("systemctl stop strongswan") | not)' >/dev/null
verdict shutdown/kept $? "$(alarms | tail -n 1 | jq -c '{time, offline_reason, confidence, by: .by.comm, ordered_by, blind_spots}') $(errors)"
echo "ordered by: $(alarms | tail -n 1 | jq -c '.ordered_by | {comm, command}')"
rm -r /run/systemd/system/{strongswan,ikewatch}.service.d
systemctl daemon-reload
systemctl start ikewatch
rm /run/systemd/system/both.target

# ---- what goes wrong around it ---------------------------------------------------------------------------------------
# shellcheck source=tests/vm/guest/trouble.sh
. /ikewatch/tests/vm/guest/trouble.sh

# ---- purged ----------------------------------------------------------------------------------------------------------
# after an agent that root ran by hand, and with this one running
systemctl start ikewatch && is ActiveState active
verdict again $? "$(errors)"
rm -r /etc/systemd/system/ikewatch.service.d /etc/ikewatch/sinks.conf
systemctl daemon-reload
dpkg -P ikewatch >$W/dpkg.4 2>&1
verdict purge $? "$(tail -n 5 $W/dpkg.4)"
systemctl reset-failed
snapshot >$W/after
diff $W/before $W/after >$W/left
verdict nothing_left $? "$(cat $W/left)"
exit $failed
