/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets of other protocols that explain deletions (enum ikw_wire_kind):
 * which of them are told. They are copied as they are; user/wire.c reads them.
 *
 * RADIUS, DNS and DHCP are told whole. Of BFD and VRRP, which are sent many
 * times a second, only what differs from the packet before, and of echoes a few
 * a second for each remote address. Of a cluster's nodes what the others say of
 * SAs that come and go, and that this one speaks to them. A window bounds each
 * of them, so that a flood of one takes nothing from IKE's share of the ring, and
 * nothing from the others.
 */
#ifndef IKEWATCH_WIRE_H
#define IKEWATCH_WIRE_H

#include "bpf/ikewatch_event.h"
#include "bpf/maps.h"
#include "bpf/packet.h"
#include "bpf/parse.h"

#define IKW_WIRE_MEMORY	   4096
#define IKW_WIRE_WINDOW_NS 100000000ULL
#define IKW_WIRE_WINDOW	   100		 /* told of each kind per CPU and window */
#define IKW_WIRE_QUIET_NS  3000000000ULL /* as before, but not heard for so long: told again */
#define IKW_WIRE_ECHO_NS   300000000ULL	 /* of one address and direction */

struct ikw_wire_key {
	__u8 addr[IKW_ADDR_LEN];
	__u32 id;
	__u8 kind;
	__u8 dir;
	__u16 pad;
};

struct ikw_wire_last {
	__u64 time;
	__u32 state;
	__u32 pad;
};

_Static_assert(IKW_WIRE_CLUSTER < IKW_WIRE_KINDS && IKW_WIRE_WINDOW < 256,
	       "struct ikw_counts has no room");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IKW_WIRE_MEMORY);
	__type(key, struct ikw_wire_key);
	__type(value, struct ikw_wire_last);
} ikw_wire_said SEC(".maps");

/* Another node of the cluster: an IKE_SA or a CHILD_SA came or went there. */
static __always_inline int cluster_tells(const __u8 *at, const __u8 *end)
{
	return at + 2 <= end && at[0] >= IKW_CLUSTER_VERSION && at[0] <= IKW_CLUSTER_VERSION_6 &&
	       at[1] >= IKW_CLUSTER_IKE_DELETE && at[1] <= IKW_CLUSTER_CHILD_DELETE;
}

/* What a packet says and of what; 0: nothing worth telling. */
static __always_inline int wire_state(const struct ikw_packet *pkt, const __u8 *end,
				      struct ikw_wire_key *key, __u32 *state)
{
	const __u8 *at = pkt->at;

	if (pkt->wire == IKW_WIRE_CLUSTER) /* that it is sent at all */
		return 1;
	if (at + 8 > end)
		return 0;
	if (pkt->wire == IKW_WIRE_BFD) { /* RFC 5880 4.1 */
		key->id = ikw_be32(at + 4);
		*state = at[1] >> 6 | (at[0] & 0x1f) << 8;
		return 1;
	}
	if (pkt->wire == IKW_WIRE_VRRP) { /* RFC 5798 5.2 */
		key->id = at[1];
		*state = at[2];
		return 1;
	}
	/* RFC 792, RFC 4443 4.1: request and reply */
	*state = at[0];
	return pkt->family == 4 ? at[0] == 8 || at[0] == 0 : at[0] == 128 || at[0] == 129;
}

/* Has the same been told just now? */
static __always_inline int wire_stale(const struct ikw_packet *pkt, const __u8 *end, __u32 dir,
				      __u64 now)
{
	struct ikw_wire_key key = { .kind = pkt->wire, .dir = dir };
	struct ikw_wire_last *last, fresh = { .time = now };
	__u8 other[IKW_ADDR_LEN];
	int echo = pkt->wire == IKW_WIRE_ECHO;

	if (!wire_state(pkt, end, &key, &fresh.state))
		return 1;
	if (dir == IKW_DIR_OUT && (echo || pkt->wire == IKW_WIRE_CLUSTER)) {
		if (!ikw_fill_addrs(pkt->saddr, end, pkt->family, other, key.addr))
			return 1;
	} else if (!ikw_fill_addrs(pkt->saddr, end, pkt->family, key.addr, other)) {
		return 1;
	}
	last = bpf_map_lookup_elem(&ikw_wire_said, &key);
	if (!last) {
		bpf_map_update_elem(&ikw_wire_said, &key, &fresh, BPF_ANY);
		return 0;
	}
	if (echo && now - last->time < IKW_WIRE_ECHO_NS)
		return 1;
	if (!echo && last->state == fresh.state && now - last->time < IKW_WIRE_QUIET_NS) {
		last->time = now;
		return 1;
	}
	*last = fresh;
	return 0;
}

static __always_inline __u32 wire_copy(__u8 *to, const __u8 *from, const __u8 *end)
{
	__u32 len = 0;

	for (int i = 0; i < IKW_RAW_LEN / 8; i++, len += 8) {
		if (from + 8 > end)
			break;
		IKW_STORE(__u64, to, IKW_LOAD(__u64, from));
		from += 8;
		to += 8;
	}
	if (len == IKW_RAW_LEN)
		return len;
	for (int i = 0; i < 7; i++, len++) {
		if (from + 1 > end)
			break;
		*to++ = *from++;
	}
	return len;
}

static __always_inline int wire_within_window(struct ikw_counts *counts, __u8 kind, __u64 now)
{
	__u8 *told = &counts->wire_told[kind & (IKW_WIRE_KINDS - 1)];

	if (now - counts->wire_window > IKW_WIRE_WINDOW_NS) {
		counts->wire_window = now;
		counts->wire_used = 0;
	}
	if (*told >= IKW_WIRE_WINDOW) {
		counts->suppressed++;
		counts->wire_untold += kind != IKW_WIRE_DNS && kind != IKW_WIRE_ECHO;
		return 0;
	}
	++*told;
	return 1;
}

static __always_inline void ikw_emit_wire(struct ikw_counts *counts, const struct ikw_packet *pkt,
					  const __u8 *end, __u32 netns, __u32 ifindex, __u32 dir)
{
	int partner = pkt->wire == IKW_WIRE_CLUSTER && dir == IKW_DIR_IN;
	int told_whole = pkt->wire == IKW_WIRE_RADIUS || pkt->wire == IKW_WIRE_DNS ||
			 pkt->wire == IKW_WIRE_DHCP || partner;
	__u64 now = bpf_ktime_get_boot_ns();
	struct ikw_raw *raw;

	/* what this host asks and is told, not what it is asked and tells */
	if (pkt->wire == IKW_WIRE_DNS &&
	    (dir == IKW_DIR_OUT ? pkt->sport : pkt->dport) == IKW_PORT_DNS)
		return;
	if (partner && !cluster_tells(pkt->at, end))
		return;
	if (!told_whole && wire_stale(pkt, end, dir, now))
		return;
	if (!wire_within_window(counts, pkt->wire, now))
		return;
	raw = ikw_emit_begin_at(IKW_EV_RAW, sizeof(*raw), netns, now);
	if (!raw)
		return;
	if (!ikw_fill_addrs(pkt->saddr, end, pkt->family, raw->saddr, raw->daddr)) {
		ikw_emit_drop(&raw->hdr);
		return;
	}
	raw->sport = pkt->sport;
	raw->dport = pkt->dport;
	raw->ifindex = ifindex;
	raw->kind = pkt->wire;
	raw->dir = dir;
	raw->family = pkt->family;
	raw->len = wire_copy(raw->data, pkt->at, end);
	if (raw->len > pkt->len)
		raw->len = pkt->len;
	ikw_emit_end(&raw->hdr);
}

#endif /* IKEWATCH_WIRE_H */
