// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The packet programs: they look at every packet of an interface, count ESP,
 * make IKE messages into records, and let everything pass.
 *
 * Life of a packet: ikw_glance() lets most leave, and ESP behind plain headers is
 * counted at once, in place. What is not so plain is looked at by a subprogram
 * (look_...), with the whole parser; whatever is ours and not ESP is taken by
 * another (take_...). Subprograms keep the path of a TCP or an ESP packet short,
 * and global ones are verified once instead of for each way that leads there.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "bpf/maps.h"
#include "bpf/packet.h"
#include "bpf/ike.h"
#include "bpf/wire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* ---- set by user space before load ------------------------------------ */

const volatile struct ikw_parse_cfg ikw_cfg = IKW_PARSE_CFG_DEFAULT;
const volatile __u32 ikw_netns = 0;	/* inode of the namespace these are attached in */
const volatile __u32 ikw_esp_shift = 0; /* slots are halved as often */
const volatile __u64 ikw_esp_stale_ns = 60000000000;  /* a slot nobody vouched for may be taken */
const volatile __u64 ikw_window_ns = 100000000;	      /* rate limit: events per CPU and window */
const volatile __u32 ikw_window_free = 500;	      /* this many pass unasked, */
const volatile __u32 ikw_window_events = 1000;	      /* from here on only known peers' */
const volatile __u64 ikw_source_ns = 5000000;	      /* others: 200 a second each, */
const volatile __u64 ikw_source_burst_ns = 500000000; /* 100 at once */
const volatile __u64 ikw_peer_ns = 200000;	      /* known peers: 5000 a second each, */
const volatile __u64 ikw_peer_burst_ns = 400000000;   /* 2000 at once */

/* The clock that ESP counting reads: boot time ns, advanced by user space. */
__u64 ikw_tick = 0;

/* ---- maps (laid out in bpf/packet.h) ----------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ikw_esp_table); /* user space: for all CPUs */
} ikw_esp SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, IKW_ESP_MORE);
	__type(key, struct ikw_esp_key);
	__type(value, struct ikw_esp_slot);
} ikw_esp_more SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* user space: the CPUs */
	__type(key, __u32);
	__type(value, struct ikw_counts);
} ikw_counts SEC(".maps");

/* Peers that user space vouches for: a flood of others cannot silence them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, IKW_PEERS);
	__type(key, struct ikw_remote);
	__type(value, struct ikw_remote_use);
} ikw_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IKW_SOURCES);
	__type(key, struct ikw_remote);
	__type(value, struct ikw_remote_use);
} ikw_sources SEC(".maps");

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

static __always_inline struct ikw_counts *counts_row(__u32 cpu)
{
	return bpf_map_lookup_elem(&ikw_counts, &cpu);
}

/* ---- ESP --------------------------------------------------------------- */

/* Two halves of a word as they would lie in memory. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define IKW_ESP_JOIN(first, second) ((__u64)(second) << 32 | (first))
#else
#define IKW_ESP_JOIN(first, second) ((__u64)(first) << 32 | (second))
#endif

/*
 * The slot that a word chooses on a CPU. The map is one value, whose address is
 * known when the program is loaded, so that no lookup is needed. The three numbers
 * are put right then, too: user/packet_skel.c looks for these instructions.
 */
static __always_inline struct ikw_esp_slot *slot_of(__u64 word, __u64 cpu)
{
	struct ikw_esp_slot *slot;

	word = ikw_esp_order(word);
	asm volatile("%[word] >>= %[down]\n\t"
		     "%[cpu] <<= %[up]\n\t"
		     "%[word] |= %[cpu]\n\t"
		     "%[word] &= %[mask]\n\t"
		     "%[slot] = %[map] ll\n\t"
		     "%[slot] += %[word]"
		     : [slot] "=&r"(slot), [word] "+&r"(word), [cpu] "+&r"(cpu)
		     : [map] "i"(&ikw_esp), [down] "i"(IKW_ESP_DOWN(0)), [up] "i"(IKW_ESP_UP(0)),
		       [mask] "i"(IKW_ESP_MASK(IKW_ESP_SLOTS)));
	return slot;
}

/* As 64 bits: the compiler would widen what comes as wide as it needs to be. */
static __u64 (*const this_cpu)(void) = (void *)BPF_FUNC_get_smp_processor_id;

static __always_inline __u64 word_of_slot(const struct ikw_esp_slot *slot)
{
	return IKW_LOAD(__u64, slot->key.address + IKW_ESP_WORD);
}

/* On the stack everything has to be aligned. */
static __always_inline __u64 word_of_key(const struct ikw_esp_key *key)
{
	return IKW_ESP_JOIN(IKW_LOAD(__u32, key->address + IKW_ESP_WORD),
			    IKW_LOAD(__u32, key->spi));
}

/* The same of a packet; without UDP in between it lies there as it is. */
static __always_inline __u64 word_v4(const __u8 *ip, __u32 at)
{
	const __u8 *daddr = ip + offsetof(struct ikw_ipv4, dst);

	if (at == sizeof(struct ikw_ipv4))
		return IKW_AGAIN(__u64, daddr);
	return IKW_ESP_JOIN(IKW_AGAIN(__u32, daddr), IKW_AGAIN(__u32, ip + at));
}

static __always_inline int same_sa(const struct ikw_esp_slot *slot, const struct ikw_esp_key *key)
{
	return slot->key.name == key->name && slot->key.daddr[1] == key->daddr[1] &&
	       slot->key.daddr[0] == key->daddr[0];
}

/*
 * The first of all, one that wrapped around, or one that others overtook. (After a
 * wrap one from before it is taken for the highest, until the next one comes.)
 * `packets` is read again, or the usual path would keep what it was.
 */
static __always_inline void seq_unusual(struct ikw_esp_slot *slot, __u32 seq)
{
	if (IKW_AGAIN(__u64, &slot->packets) == 1)
		slot->seq_first = slot->seq_high = seq;
	else if ((__s32)(seq - slot->seq_high) > 0)
		slot->seq_high = seq;
	else
		slot->reordered++;
}

static __always_inline void slot_count(struct ikw_esp_slot *slot, __u64 bytes, __u32 seq)
{
	slot->packets++;
	slot->bytes += bytes;
	slot->last = ikw_tick;
	if (likely(seq > slot->seq_high))
		slot->seq_high = seq;
	else
		seq_unusual(slot, seq);
}

static __always_inline void slot_open(struct ikw_esp_slot *slot, const struct ikw_esp_key *key)
{
	slot->key = *key;
	slot->packets = 0;
	slot->bytes = 0;
	slot->seq_high = IKW_ESP_NO_SEQ;
	slot->reordered = 0;
	slot->known = 0;
}

static __always_inline int slot_takeable(const struct ikw_esp_slot *slot)
{
	if (slot->key.name == 0)
		return 1;
	return !slot->known && ikw_tick - slot->last > ikw_esp_stale_ns;
}

/* The packets of whoever had the slot before are no slot's any more. */
static __always_inline void slot_take(struct ikw_esp_slot *slot, const struct ikw_esp_key *key,
				      struct ikw_counts *counts)
{
	counts->esp += slot->packets;
	slot_open(slot, key);
}

/* No slot: the hash, where the key is compared in full as well. */
static __always_inline void more_count(const struct ikw_esp_key *key, __u32 bytes, __u32 seq)
{
	struct ikw_esp_slot *slot = bpf_map_lookup_elem(&ikw_esp_more, key), fresh = {};

	if (!slot) {
		slot_open(&fresh, key);
		if (bpf_map_update_elem(&ikw_esp_more, key, &fresh, BPF_NOEXIST))
			return;
		slot = bpf_map_lookup_elem(&ikw_esp_more, key);
	}
	if (!slot)
		return;
	if (!slot->packets) /* another CPU's update, which left this one's value zeroed */
		slot->seq_high = IKW_ESP_NO_SEQ;
	slot_count(slot, bytes, seq);
}

/* The first place is another's or free: the second, a free one, or the hash. */
static __noinline int esp_miss(const struct ikw_esp_key *key, __u32 bytes, __u32 seq)
{
	const __u64 word = word_of_key(key), cpu = this_cpu();
	struct ikw_esp_slot *first = slot_of(word, cpu);
	struct ikw_esp_slot *second = slot_of(ikw_esp_second(key, word, ikw_esp_shift), cpu);
	struct ikw_counts *counts = counts_row(cpu);

	if (!counts)
		return 0;
	if (same_sa(second, key)) {
		slot_count(second, bytes, seq);
	} else if (slot_takeable(first)) {
		slot_take(first, key, counts);
		slot_count(first, bytes, seq);
	} else if (slot_takeable(second)) {
		slot_take(second, key, counts);
		slot_count(second, bytes, seq);
	} else {
		counts->esp++;
		more_count(key, bytes, seq);
	}
	return 0;
}

static __always_inline __u64 word_v6(const __u8 *ip, __u32 at)
{
	const __u8 *last = ip + offsetof(struct ikw_ipv6, dst) + IKW_ESP_WORD;

	return IKW_ESP_JOIN(IKW_AGAIN(__u32, last), IKW_AGAIN(__u32, ip + at));
}

/* The same from a packet, in a frame of its own, which would cost every packet. */
static __noinline int miss_v4(const __u8 *ip, __u32 at, enum ikw_dir dir)
{
	const struct ikw_ipv4 *v4 = (const void *)ip;
	struct ikw_esp_key key = { .kind = IKW_ESP_KIND(dir, 4) };

	key.daddr[1] = IKW_MAPPED(IKW_LOAD(__u32, v4->dst));
	IKW_STORE(__u32, key.spi, IKW_LOAD(__u32, ip + at));
	return esp_miss(&key, ikw_be16(v4->total), ikw_be32(ip + at + 4));
}

static __noinline int miss_v6(const __u8 *ip, __u32 at, enum ikw_dir dir)
{
	const struct ikw_ipv6 *v6 = (const void *)ip;
	struct ikw_esp_key key = { .kind = IKW_ESP_KIND(dir, 6) };

	key.daddr[0] = IKW_LOAD(__u64, v6->dst);
	key.daddr[1] = IKW_LOAD(__u64, v6->dst + 8);
	IKW_STORE(__u32, key.spi, IKW_LOAD(__u32, ip + at));
	return esp_miss(&key, ikw_be16(v6->payload) + (__u32)sizeof(*v6), ikw_be32(ip + at + 4));
}

/*
 * Where an SA's packets come to mostly, so that each instruction counts: what is
 * needed of the packet is read where it is needed (volatile, or it would be kept
 * in registers that every packet had to pay for), and the key is only put
 * together where the SA is not in its first place. `at`: offset of the ESP header.
 *
 * The slot of its SA, if that is in its first place; or NULL.
 */
static __always_inline struct ikw_esp_slot *first_v4(const __u8 *ip, __u32 at, enum ikw_dir dir)
{
	__u64 cpu = this_cpu();
	struct ikw_esp_slot *slot = slot_of(word_v4(ip, at), cpu);

	if (unlikely(word_of_slot(slot) != word_v4(ip, at) ||
		     slot->key.kind != IKW_ESP_KIND(dir, 4)))
		return 0;
	return slot;
}

/*
 * ESP behind an IPv4 header without options, whole, of which nothing else was asked
 * yet: of an SA in its first place. 0: it is not that simple, and nothing was done.
 */
static __always_inline int count_quick(const __u8 *ip, enum ikw_dir dir)
{
	const __u32 at = sizeof(struct ikw_ipv4);
	struct ikw_esp_slot *slot = first_v4(ip, at, dir);
	__u64 bytes;

	if (unlikely(!slot))
		return 0;
	bytes = IKW_AGAIN(__u16, ip + offsetof(struct ikw_ipv4, total));
	/* as 64 bits from the start: the compiler would widen what the instruction made wide */
	asm volatile("%0 = be16 %0" : "+r"(bytes));
	if (unlikely(bytes < at + sizeof(struct ikw_esp_header)))
		return 0;
	slot_count(slot, bytes, ikw_be32(ip + at + 4));
	return 1;
}

static __always_inline void count_v4(const __u8 *ip, __u32 at, enum ikw_dir dir)
{
	struct ikw_esp_slot *slot = first_v4(ip, at, dir);

	if (likely(slot))
		slot_count(slot, ikw_again16(ip + offsetof(struct ikw_ipv4, total)),
			   ikw_be32(ip + at + 4));
	else
		miss_v4(ip, at, dir);
}

static __always_inline int same_v6(const struct ikw_esp_slot *slot, const __u8 *ip, __u32 at,
				   enum ikw_dir dir)
{
	const __u8 *daddr = ip + offsetof(struct ikw_ipv6, dst);

	return word_of_slot(slot) == word_v6(ip, at) && slot->key.kind == IKW_ESP_KIND(dir, 6) &&
	       slot->key.daddr[0] == IKW_AGAIN(__u64, daddr) &&
	       IKW_LOAD(__u32, slot->key.address + 8) == IKW_AGAIN(__u32, daddr + 8);
}

static __always_inline void count_v6(const __u8 *ip, __u32 at, enum ikw_dir dir)
{
	const struct ikw_ipv6 *v6 = (const void *)ip;
	__u64 cpu = this_cpu();
	struct ikw_esp_slot *slot = slot_of(word_v6(ip, at), cpu);

	if (likely(same_v6(slot, ip, at, dir))) {
		slot_count(slot, ikw_again16(v6->payload) + (__u32)sizeof(*v6),
			   ikw_be32(ip + at + 4));
	} else {
		miss_v6(ip, at, dir);
	}
}

static __always_inline void count_key(const struct ikw_esp_key *key, __u32 bytes, __u32 seq)
{
	struct ikw_esp_slot *slot = slot_of(word_of_key(key), this_cpu());

	if (likely(same_sa(slot, key)))
		slot_count(slot, bytes, seq);
	else
		esp_miss(key, bytes, seq);
}

/* Behind whatever headers. */
static __always_inline void count_esp(const struct ikw_packet *pkt, enum ikw_dir dir)
{
	const struct ikw_esp_header *esp = (const void *)pkt->at;
	struct ikw_esp_key key = { .kind = IKW_ESP_KIND(dir, pkt->family) };

	if (pkt->family == 4) {
		key.daddr[1] = IKW_MAPPED(IKW_LOAD(__u32, pkt->saddr + 4));
	} else {
		key.daddr[0] = IKW_LOAD(__u64, pkt->saddr + 16);
		key.daddr[1] = IKW_LOAD(__u64, pkt->saddr + 24);
	}
	IKW_STORE(__u32, key.spi, IKW_LOAD(__u32, esp->spi));
	count_key(&key, pkt->ip_len, ikw_be32(esp->seq));
}

/* ESP of which ikw_glance() said so. False: it was no ESP. */
static __always_inline int count_glanced(enum ikw_glance glance, const __u8 *ip, enum ikw_dir dir)
{
	if (likely(glance == IKW_GLANCE_ESP))
		count_v4(ip, ikw_glance_offset(IKW_GLANCE_ESP), dir);
	else if (glance == IKW_GLANCE_ESP_UDP)
		count_v4(ip, ikw_glance_offset(IKW_GLANCE_ESP_UDP), dir);
	else if (glance == IKW_GLANCE_ESP6)
		count_v6(ip, ikw_glance_offset(IKW_GLANCE_ESP6), dir);
	else if (glance == IKW_GLANCE_ESP6_UDP)
		count_v6(ip, ikw_glance_offset(IKW_GLANCE_ESP6_UDP), dir);
	else
		return 0;
	return 1;
}

/* ---- IKE --------------------------------------------------------------- */

static __always_inline int within_rate(struct ikw_remote_use *use, __u64 now, __u64 cost,
				       __u64 burst)
{
	__u64 at = use->allowed_at < now ? now : use->allowed_at;

	if (at - now > burst) {
		__sync_fetch_and_add(&use->suppressed, 1);
		return 0;
	}
	use->allowed_at = at + cost;
	return 1;
}

/* Many IKE messages at once on this CPU: may this remote have one more? */
static __always_inline int remote_allowed(const struct ikw_remote *remote, __u64 now, int full)
{
	struct ikw_remote_use *use, fresh = {};

	use = bpf_map_lookup_elem(&ikw_peers, remote);
	if (use)
		return within_rate(use, now, ikw_peer_ns, ikw_peer_burst_ns);
	use = bpf_map_lookup_elem(&ikw_sources, remote);
	if (use && full)
		__sync_fetch_and_add(&use->suppressed, 1);
	if (full)
		return 0;
	if (use)
		return within_rate(use, now, ikw_source_ns, ikw_source_burst_ns);
	fresh.allowed_at = now + ikw_source_ns;
	bpf_map_update_elem(&ikw_sources, remote, &fresh, BPF_ANY);
	return 1;
}

/*
 * User space is behind, whyever. What is left of the ring is for SAs and for the
 * peers that it vouches for: a deletion that is lost nobody tells again.
 */
static __always_inline int ring_half_full(void)
{
	return bpf_ringbuf_query(&ikw_events, BPF_RB_AVAIL_DATA) >
	       bpf_ringbuf_query(&ikw_events, BPF_RB_RING_SIZE) / 2;
}

/*
 * While IKE is as rare as it always is, nothing is asked and nothing looked up.
 * Above that each remote has its rate, and above a full window only the peers
 * that user space vouches for get through. A window that begins with the ring
 * half full is full from its start. This message is counted already.
 */
static __always_inline int may_emit(struct ikw_counts *counts, const struct ikw_packet *pkt,
				    const __u8 *end, __u32 dir, __u64 now)
{
	struct ikw_remote saddr, daddr;
	__u64 used;

	if (now - counts->window > ikw_window_ns) {
		counts->window = now;
		counts->window_ike = counts->ike - 1;
		counts->window_taken = ring_half_full() ? ikw_window_events : 0;
	}
	used = counts->ike - counts->window_ike + counts->window_taken;
	if (used <= ikw_window_free)
		return 1;
	if (!ikw_fill_addrs(pkt->saddr, end, pkt->family, saddr.addr, daddr.addr))
		return 0;
	return remote_allowed(dir == IKW_DIR_IN ? &saddr : &daddr, now, used > ikw_window_events);
}

/*
 * Boot time ns. Reading the clock is the dearest part of an IKE message: on one
 * CPU the first few of a jiffy have their own time, what follows in it (a flood,
 * thousands of peers at once) that of the last of these, up to a jiffy early.
 * Their order in the ring is the true one, and user space keeps to it.
 */
static __always_inline __u64 ike_time(struct ikw_counts *counts)
{
	__u64 jiffy = bpf_jiffies64();

	if (counts->jiffy != jiffy) {
		counts->jiffy = jiffy;
		counts->jiffy_ike = counts->ike;
		counts->jiffy_quick = 0;
	}
	if (counts->ike - counts->jiffy_ike < IKW_JIFFY_EXACT)
		counts->jiffy_time = bpf_ktime_get_boot_ns();
	return counts->jiffy_time;
}

/* sealed (a constant): the caller has seen ikw_is_sealed() */
static __always_inline void emit_ike(struct ikw_counts *counts, const struct ikw_packet *pkt,
				     const __u8 *end, __u32 ifindex, __u32 dir, int sealed,
				     __u8 flags)
{
	__u64 now = ike_time(counts);
	struct ikw_ike *ike;

	counts->ike++;
	if (!may_emit(counts, pkt, end, dir, now)) {
		counts->suppressed++;
		counts->behind += counts->window_taken > 0;
		return;
	}
	if (counts->ike - counts->jiffy_ike >= IKW_JIFFY_EXACT)
		counts->jiffy_quick =
			counts->window_taken ? 0 : counts->window_ike + ikw_window_free;
	ike = sealed ? ikw_emit_room(IKW_EV_IKE, sizeof(*ike), ikw_netns, now)
		     : ikw_emit_begin_at(IKW_EV_IKE, sizeof(*ike), ikw_netns, now);
	if (!ike)
		return;
	ike->ifindex = ifindex;
	if (sealed)
		ikw_fill_sealed(pkt, end, dir, ike);
	else
		ikw_fill_ike(pkt, end, dir, ike);
	ike->flags2 |= flags;
	ikw_emit_end(&ike->hdr);
}

/*
 * Nothing stays in r8 and r9 across this. A program saves and restores each of
 * r6 to r9 that it uses anywhere, for every packet: what only IKE and UDP would
 * keep there goes to the stack, where it costs those packets alone.
 */
#define IKW_FEW_REGISTERS() asm volatile("" ::: "r7", "r8", "r9")

/*
 * Nearly every message of a flood, or of thousands of peers at once: behind plain
 * IPv4 headers, sealed, within the window and with a time that is known already.
 * Told in short, and where it was found, for a subprogram costs as much as
 * that does. 0: it is not that simple, and nothing was done.
 */
static __always_inline int ike_quick(struct xdp_md *ctx, const __u8 *ip, __u32 at)
{
	const struct ikw_udp *udp = (const void *)(ip + sizeof(struct ikw_ipv4));
	struct ikw_counts *counts;
	__u32 cpu = bpf_get_smp_processor_id(), digest;
	struct ikw_quick *quick;
	__u64 jiffy, count;

	if (ip + at + IKW_QUICK_MIN > (const __u8 *)(long)ctx->data_end ||
	    !ikw_is_quick(ip + at, ikw_be16(udp->length) - (at - (__u32)sizeof(struct ikw_ipv4))))
		return 0;
	IKW_FEW_REGISTERS();
	counts = bpf_map_lookup_elem(&ikw_counts, &cpu);
	if (!counts)
		return 0;
	IKW_FEW_REGISTERS();
	jiffy = bpf_jiffies64();
	count = counts->ike;
	if (IKW_AGAIN(__u64, &counts->jiffy) != jiffy || count >= counts->jiffy_quick)
		return 0;
	counts->ike = count + 1;
	/* here, where its multiplications need not be waited for */
	digest = ikw_quick_digest(ip, at);
	IKW_FEW_REGISTERS();
	quick = ikw_emit_take(sizeof(*quick));
	if (!quick)
		return 1;
	quick->type = IKW_EV_QUICK;
	quick->size = sizeof(*quick);
	quick->cpu = cpu;
	quick->time = counts->jiffy_time;
	quick->netns = ikw_netns;
	quick->ifindex = ctx->ingress_ifindex;
	quick->digest = digest;
	IKW_FEW_REGISTERS();
	ikw_quick_fill(ip, at, quick);
	ikw_emit_end((struct ikw_hdr *)quick);
	return 1;
}

/* ---- what is neither ESP nor nothing -------------------------------------- */

/*
 * How a packet is handed to a global subprogram, which the verifier checks once
 * on its own instead of once for every header stack that leads to it: by value,
 * as offsets. (5.10 lets a global subprogram have scalars and the context only.)
 */
struct handle {
	union {
		struct {
			__u16 at;
			__u16 saddr;
			__u16 len;
			__u8 kind;
			__u8 family;
		};
		__u64 first;
	};
	union {
		struct {
			__u16 sport;
			__u16 dport;
			__u8 dir;
			__u8 flags; /* HANDLE_NATT, HANDLE_FRAGMENT, HANDLE_FORWARDED */
			__u8 wire;
			__u8 next;
		};
		__u64 second;
	};
};

enum { HANDLE_NATT = 1, HANDLE_FRAGMENT = 2, HANDLE_FORWARDED = 4 };

/* Headers end long before; the verifier wants every offset well below 64 KiB. */
#define HANDLE_FAR 0x7fff

static __always_inline void handle_make(struct handle *handle, const struct ikw_packet *pkt,
					const __u8 *data, enum ikw_kind kind, enum ikw_dir dir)
{
	handle->at = pkt->at ? pkt->at - data : 0;
	handle->saddr = pkt->saddr ? pkt->saddr - data : 0;
	handle->len = pkt->len;
	handle->kind = kind;
	handle->family = pkt->family;
	handle->sport = pkt->sport;
	handle->dport = pkt->dport;
	handle->dir = dir;
	handle->flags = (pkt->natt ? HANDLE_NATT : 0) | (pkt->fragment ? HANDLE_FRAGMENT : 0);
	handle->wire = pkt->wire;
	handle->next = pkt->next;
}

static __always_inline void handle_open(const struct handle *handle, const __u8 *data,
					struct ikw_packet *pkt)
{
	pkt->at = data + (handle->at & HANDLE_FAR);
	pkt->saddr = data + (handle->saddr & HANDLE_FAR);
	pkt->len = handle->len;
	pkt->family = handle->family;
	pkt->sport = handle->sport;
	pkt->dport = handle->dport;
	pkt->natt = !!(handle->flags & HANDLE_NATT);
	pkt->fragment = !!(handle->flags & HANDLE_FRAGMENT);
	pkt->wire = handle->wire;
	pkt->next = handle->next;
}

/* ESP behind extension headers: the only one that is not counted where it was found. */
static __always_inline void take_esp(const __u8 *data, const __u8 *end, const struct handle *handle)
{
	struct ikw_packet pkt = {};

	handle_open(handle, data, &pkt);
	if (pkt.saddr + 2 * IKW_ADDR_LEN > end || pkt.at + sizeof(struct ikw_esp_header) > end)
		return;
	pkt.ip_len = handle->at - handle->saddr + offsetof(struct ikw_ipv6, src) + pkt.len;
	count_esp(&pkt, handle->dir);
}

static __always_inline void take(const __u8 *data, const __u8 *end, const struct handle *handle,
				 __u32 ifindex)
{
	struct ikw_counts *counts = counts_row(bpf_get_smp_processor_id());
	struct ikw_packet pkt = {};

	if (!counts)
		return;
	switch (handle->kind) {
	case IKW_KIND_IKE:
		handle_open(handle, data, &pkt);
		if (pkt.at + sizeof(struct ikw_ike_header) <= end)
			emit_ike(counts, &pkt, end, ifindex, handle->dir, 0,
				 handle->flags & HANDLE_FORWARDED ? IKW_IKE_FORWARDED : 0);
		break;
	case IKW_KIND_ESP:
		take_esp(data, end, handle);
		break;
	case IKW_KIND_WIRE:
		counts->wire++;
		/* what leaves tells what this host says: not what it forwards, as its own by NAT */
		if (handle->flags & HANDLE_FORWARDED)
			break;
		handle_open(handle, data, &pkt);
		ikw_emit_wire(counts, &pkt, end, ikw_netns, ifindex, handle->dir);
		break;
	case IKW_KIND_KEEPALIVE:
		counts->keepalive++;
		break;
	case IKW_KIND_FRAGMENT:
		counts->fragment++;
		break;
	case IKW_KIND_MALFORMED:
		counts->malformed++;
		break;
	case IKW_KIND_SHORT:
		counts->unread++;
		break;
	}
}

__noinline int take_xdp(struct xdp_md *ctx, __u64 first, __u64 second)
{
	struct handle handle = { .first = first, .second = second };

	take((void *)(long)ctx->data, (void *)(long)ctx->data_end, &handle, ctx->ingress_ifindex);
	return 0;
}

__noinline int take_skb(struct __sk_buff *skb, __u64 first, __u64 second)
{
	struct handle handle = { .first = first, .second = second };

	take((void *)(long)skb->data, (void *)(long)skb->data_end, &handle, skb->ifindex);
	return 0;
}

/*
 * Goes on behind IPv6 extension headers. Where the parts are is left in this
 * CPU's row, for a subprogram can only return a number: the kind.
 */
static __always_inline enum ikw_kind see_extended(const __u8 *data, const __u8 *end,
						  struct handle *handle)
{
	struct ikw_counts *counts = counts_row(bpf_get_smp_processor_id());
	__u32 at = handle->at & HANDLE_FAR, dir = handle->dir;
	struct ikw_packet pkt = {};
	enum ikw_kind kind;

	if (!counts)
		return IKW_KIND_OTHER;
	handle_open(handle, data, &pkt);
	kind = ikw_parse_extended(data, end, &ikw_cfg, dir, at, &pkt, &counts->scratch);
	handle_make(handle, &pkt, data, kind, dir);
	counts->handle[0] = handle->first;
	counts->handle[1] = handle->second;
	return kind;
}

__noinline int extended_xdp(struct xdp_md *ctx, __u64 first, __u64 second)
{
	struct handle handle = { .first = first, .second = second };

	return see_extended((void *)(long)ctx->data, (void *)(long)ctx->data_end, &handle);
}

__noinline int extended_skb(struct __sk_buff *skb, __u64 first, __u64 second)
{
	struct handle handle = { .first = first, .second = second };

	return see_extended((void *)(long)skb->data, (void *)(long)skb->data_end, &handle);
}

/* What see_extended() left. */
static __always_inline void handle_left(struct handle *handle)
{
	struct ikw_counts *counts = counts_row(bpf_get_smp_processor_id());

	if (!counts)
		return;
	handle->first = counts->handle[0];
	handle->second = counts->handle[1];
}

/* ---- hooks --------------------------------------------------------------- */

/* What no glance could tell. */
static __always_inline void parse_xdp(struct xdp_md *ctx)
{
	const __u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ikw_packet pkt = {};
	struct handle handle;
	enum ikw_kind kind;

	kind = ikw_parse_plain(data, end, IKW_START_ETHERNET, &ikw_cfg, IKW_DIR_IN, &pkt);
	if (kind == IKW_KIND_OTHER)
		return;
	if (kind == IKW_KIND_ESP) {
		count_esp(&pkt, IKW_DIR_IN);
		return;
	}
	handle_make(&handle, &pkt, data, kind, IKW_DIR_IN);
	if (kind == IKW_KIND_EXTENDED) {
		kind = extended_xdp(ctx, handle.first, handle.second);
		handle_left(&handle);
	}
	if (kind != IKW_KIND_OTHER)
		take_xdp(ctx, handle.first, handle.second);
}

/* An IKE message behind plain headers, where ikw_glance() saw it. */
static __noinline int ike_xdp(struct xdp_md *ctx, const __u8 *ip, enum ikw_glance glance)
{
	const __u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ikw_packet pkt = {};
	struct ikw_counts *counts;
	struct handle handle;
	enum ikw_kind kind;

	ikw_glance_fill(glance, ip, &pkt);
	kind = ikw_parse_ike(pkt.at, end, &pkt);
	if (kind != IKW_KIND_IKE || !ikw_is_sealed((const void *)pkt.at)) {
		handle_make(&handle, &pkt, data, kind, IKW_DIR_IN);
		take_xdp(ctx, handle.first, handle.second);
		return 0;
	}
	counts = counts_row(bpf_get_smp_processor_id());
	if (counts)
		emit_ike(counts, &pkt, end, ctx->ingress_ifindex, IKW_DIR_IN, 1, 0);
	return 0;
}

/* A second glance, in a frame of its own: what it keeps there would cost TCP too. */
static __noinline int look_xdp(struct xdp_md *ctx)
{
	const __u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const __u8 *ip = data;
	enum ikw_glance glance = ikw_glance(data, end, &ikw_cfg, IKW_DIR_IN, 1, &ip);
	struct ikw_packet pkt = {};
	struct handle handle;

	if (glance == IKW_GLANCE_LOOK) {
		parse_xdp(ctx);
	} else if (glance != IKW_GLANCE_PASS && !count_glanced(glance, ip, IKW_DIR_IN)) {
		ikw_glance_fill(glance, ip, &pkt);
		handle_make(&handle, &pkt, data, ikw_parse_ike(pkt.at, end, &pkt), IKW_DIR_IN);
		take_xdp(ctx, handle.first, handle.second);
	}
	return 0;
}

/*
 * What is neither TCP nor plain ESP in IPv4. `ip` is where the IP header of an
 * untagged frame is, checked as far as ikw_glance_v4() looks.
 */
static __always_inline void see_other(struct xdp_md *ctx, const __u8 *ip)
{
	enum ikw_glance glance = IKW_GLANCE_LOOK;
	__u16 type;

	asm volatile("" : "+r"(ip));
	IKW_FEW_REGISTERS();
	type = IKW_AGAIN(__u16, ip - 2);
	if (type == IKW_SWAP(16, (__u16)IKW_ETH_IPV4))
		glance = ikw_glance_v4((const void *)ip, &ikw_cfg, IKW_DIR_IN);
	else if (type == IKW_SWAP(16, (__u16)IKW_ETH_IPV6))
		glance = ikw_glance_v6((const void *)ip,
				       (void *)(long)IKW_AGAIN(__u32, &ctx->data_end), &ikw_cfg,
				       IKW_DIR_IN);
	if (count_glanced(glance, ip, IKW_DIR_IN) || glance == IKW_GLANCE_PASS)
		return;
	if (glance == IKW_GLANCE_IKE && ike_quick(ctx, ip, ikw_glance_offset(IKW_GLANCE_IKE)))
		return;
	if (glance == IKW_GLANCE_IKE_NATT &&
	    ike_quick(ctx, ip, ikw_glance_offset(IKW_GLANCE_IKE_NATT)))
		return;
	if (glance == IKW_GLANCE_LOOK)
		look_xdp(ctx);
	else
		ike_xdp(ctx, ip, glance);
}

/*
 * TCP and ESP come first and leave in one line of instructions, with hardly a
 * register to save: a jump or two more is felt at their rates.
 */
static __always_inline void see_xdp(struct xdp_md *ctx)
{
	const __u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct xdp_md *volatile kept = ctx; /* in memory: see IKW_FEW_REGISTERS */
	const __u8 *ip = ikw_glance_ip(data);
	__u8 proto;

	/* here and above: or the compiler would keep `data` and sums as well */
	asm volatile("" : "+r"(ip));
	if (unlikely(ip + sizeof(struct ikw_ipv4) + IKW_GLANCE_NEED > end))
		goto look;
	if (likely(IKW_AGAIN(__u16, ip - 2) == IKW_SWAP(16, (__u16)IKW_ETH_IPV4))) {
		proto = IKW_AGAIN(__u8, ip + offsetof(struct ikw_ipv4, protocol));
		if (proto == IKW_GLANCE_TCP)
			return;
		if (likely(proto == IKW_PROTO_ESP && ikw_is_plain_v4((const void *)ip))) {
			if (likely(count_quick(ip, IKW_DIR_IN)))
				return;
			if (ikw_glance_esp_v4((const void *)ip) != IKW_GLANCE_ESP)
				goto look;
			miss_v4(ip, ikw_glance_offset(IKW_GLANCE_ESP), IKW_DIR_IN);
			return;
		}
	}
	see_other(kept, ip);
	return;
look:
	look_xdp(kept);
}

/*
 * XDP native or generic on ingress. Softirq (NAPI), before anything else sees
 * the packet and before GRO; frags: the card may hand over jumbo packets, of
 * which we reach the first buffer (headers, and IKE up to a page). 5.18+.
 * Cannot tell: what the kernel's firewall does with the packet afterwards.
 */
SEC("xdp.frags")
int ikw_xdp(struct xdp_md *ctx)
{
	see_xdp(ctx);
	return XDP_PASS;
}

/* The same where the kernel does not know frags (5.10 to 5.17). */
SEC("xdp")
int ikw_xdp_plain(struct xdp_md *ctx)
{
	see_xdp(ctx);
	return XDP_PASS;
}

#define PULL_MAX 2048

/*
 * Looks at what is in the skb's head. 1: looks like ours, but the packet goes
 * on beyond the head (cards that put the payload into pages); not counted then,
 * unless this is the last look.
 */
static __always_inline int see_head(struct __sk_buff *skb, enum ikw_start from, enum ikw_dir dir,
				    int last)
{
	const __u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ikw_packet pkt = {};
	struct handle handle;
	enum ikw_kind kind;

	kind = ikw_parse_plain(data, end, from, &ikw_cfg, dir, &pkt);
	if (kind == IKW_KIND_OTHER)
		return 0;
	if (kind == IKW_KIND_ESP) {
		count_esp(&pkt, dir);
		return 0;
	}
	if (!last && end - data < skb->len)
		return 1;
	handle_make(&handle, &pkt, data, kind, dir);
	if (kind == IKW_KIND_EXTENDED) {
		kind = extended_skb(skb, handle.first, handle.second);
		handle_left(&handle);
	}
	/* skb_iif: where it came in (__netif_receive_skb_core()); 0 of what this host sends */
	if (dir == IKW_DIR_OUT && skb->ingress_ifindex)
		handle.flags |= HANDLE_FORWARDED;
	if (kind != IKW_KIND_OTHER)
		take_skb(skb, handle.first, handle.second);
	return 0;
}

static __noinline int look_skb(struct __sk_buff *skb, enum ikw_start from, enum ikw_dir dir)
{
	if (!see_head(skb, from, dir, 0))
		return 0;
	bpf_skb_pull_data(skb, skb->len < PULL_MAX ? skb->len : PULL_MAX);
	return see_head(skb, from, dir, 1);
}

static __always_inline void see_skb(struct __sk_buff *skb, enum ikw_dir dir)
{
	const __u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	const __u8 *ip = ikw_glance_ip(data);
	enum ikw_glance glance = ikw_glance(data, end, &ikw_cfg, dir, 0, &ip);

	if (!count_glanced(glance, ip, dir) && glance != IKW_GLANCE_PASS)
		look_skb(skb, IKW_START_ETHERNET, dir);
}

/*
 * tc (clsact) ingress and egress; ..._ip on devices without a link header
 * (tun, xfrm, ppp), where data starts with IP. Softirq, egress also in the
 * sender's context with softirqs off. A VLAN tag that the card or the stack
 * took off is in the skb's metadata and the ethertype read here is the inner
 * one already. Ingress sees the decrypted inner packet once more on the same
 * device: it is no ESP, and so not counted.
 * TC_ACT_UNSPEC: "no opinion", so the filters after us still run.
 * Cannot tell: packets decrypted in GRO (esp4_offload) never get here.
 */
SEC("tc")
int ikw_tc_in(struct __sk_buff *skb)
{
	see_skb(skb, IKW_DIR_IN);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int ikw_tc_out(struct __sk_buff *skb)
{
	see_skb(skb, IKW_DIR_OUT);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int ikw_tc_in_ip(struct __sk_buff *skb)
{
	look_skb(skb, IKW_START_IP, IKW_DIR_IN);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int ikw_tc_out_ip(struct __sk_buff *skb)
{
	look_skb(skb, IKW_START_IP, IKW_DIR_OUT);
	return TC_ACT_UNSPEC;
}
