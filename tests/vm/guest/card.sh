#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# In the VM, for tests/vm/card.sh: two virtio cards on one wire, the other end of it in a namespace. $IKEWATCH is the agent.
# shellcheck disable=SC2317 # wait_for calls what it is given
set -u
W=$(mktemp -d)
failed=0
verdict() { if [ "$2" -eq 0 ]; then echo "ok card/$1"; else failed=1; echo "FAIL card/$1: ${3:-}" | tr '\n' ' '; echo; fi; }
wait_for() {
	for _ in $(seq "$(($1 * 5))"); do "$2" && return 0; sleep 0.2; done
	echo "card: waited $1 s in vain for $2" >&2
	return 1
}
peer() { ip netns exec peer "$@"; }
# sa ARGUMENT...: into both ends
sa() { ip xfrm state "$@" && peer ip xfrm state "$@"; }
sas() {
	local k=0x000102030405060708090a0b0c0d0e0f10111213
	sa add src 192.0.2.2 dst 192.0.2.1 proto esp spi 0xc1000001 reqid 7 mode tunnel aead 'rfc4106(gcm(aes))' $k 128
	sa add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0xc1000002 reqid 7 mode tunnel aead 'rfc4106(gcm(aes))' $k 128
}
# policies of one end: US THEM INSIDE INSIDE
policies() {
	echo "xfrm policy add src $3 dst $4 dir out tmpl src $1 dst $2 proto esp reqid 7 mode tunnel"
	echo "xfrm policy add src $4 dst $3 dir in tmpl src $2 dst $1 proto esp reqid 7 mode tunnel"
}
status() { "$IKEWATCH" status --json --socket "$W/socket"; }
hook() { status | jq -r '.hooks[] | select(.interface == "eth0") | .in'; }
note() { status | jq -r '.hooks[] | select(.interface == "eth0") | .why'; }
inbound() { "$IKEWATCH" tunnels --json --socket "$W/socket" | jq -c '[.. | .sas? // empty | .[] | select(.direction == "in")] | .[0]'; }
counted() { [ "$(inbound | jq .packets)" = "$wanted" ]; }
ike() { status | jq .packets.ike; }
ikes() { [ "$(ike)" -gt "$before" ]; }
ready() { grep -q '^ikewatch: ready$' "$W/said"; }
alarms() { [ "$(wc -l <"$W/alarms")" -ge 1 ]; }
agent() {
	: >"$W/said"
	"$IKEWATCH" run --no-store --json --socket "$W/socket" --iface eth0 >"$W/alarms" 2>"$W/said" &
	pid=$!
	wait_for 120 ready
}
ended() { ! kill -0 "$pid" 2>/dev/null; }
end() { kill "$pid"; wait_for 60 ended; }

modprobe virtio_net || { echo 'FAIL card/driver: no virtio_net'; exit 1; }
cards() { [ -e /sys/class/net/eth1 ]; }
wait_for 30 cards || exit 1
ip netns add peer
ip link set eth1 netns peer
ip addr add 192.0.2.1/24 dev eth0
ip addr add 10.9.1.1/32 dev lo
peer ip addr add 192.0.2.2/24 dev eth1
peer ip addr add 10.9.2.1/32 dev lo
ip link set lo up
peer ip link set lo up

# run NAME SIZE: five packets of so many bytes through a tunnel that is then deleted
run() {
	local name=$1 size=$2 told bytes each
	ip link set eth0 up
	peer ip link set eth1 up
	ip route replace 10.9.2.1 via 192.0.2.2 src 10.9.1.1
	peer ip route replace 10.9.1.1 via 192.0.2.1 src 10.9.2.1
	agent
	told=$(hook)
	[ "$told" = xdp ]
	verdict "$name/hook" $? "in $told, not xdp: $(note); $(cat "$W/said")"
	sas
	policies 192.0.2.1 192.0.2.2 10.9.1.1 10.9.2.1 | ip -batch -
	policies 192.0.2.2 192.0.2.1 10.9.2.1 10.9.1.1 | peer ip -batch -
	peer ping -q -c 5 -i 0.2 -W 5 -s "$size" 10.9.1.1 >"$W/ping" || cat "$W/ping"
	wanted=5
	wait_for 30 counted
	# what is counted is the IP packet that came: tunnel header, ESP with IV, the packet inside, padding, ICV
	bytes=$(inbound | jq .bytes)
	each=$((20 + 8 + 8 + (20 + 8 + size + 2 + 3) / 4 * 4 + 16))
	counted && [ "$bytes" = $((5 * each)) ]
	verdict "$name/esp" $? "$(inbound), not 5 packets of $each bytes: $(grep received "$W/ping")"
	# a request to set up an IKE_SA, of which nothing but the header is there
	before=$(ike)
	peer bash -c 'printf "\1\2\3\4\5\6\7\10\0\0\0\0\0\0\0\0\0\x20\x22\x08\0\0\0\0\0\0\0\x1c" >/dev/udp/192.0.2.1/500'
	wait_for 30 ikes
	verdict "$name/ike" $? "$(status | jq -c .packets)"
	ip xfrm state delete src 192.0.2.2 dst 192.0.2.1 proto esp spi 0xc1000001
	wait_for 30 alarms
	jq -e '.offline_reason == "config modify or manual offline"' "$W/alarms" >/dev/null
	verdict "$name/alarm" $? "$(head -n 1 "$W/alarms")"
	end
	sa flush
	ip xfrm policy flush
	peer ip xfrm policy flush
}

run native 100
# the next agent goes on with the programs, and SAs that are keyed by hand have the same SPIs again
run again 1000
exit $failed
