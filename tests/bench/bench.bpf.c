// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the packet programs are measured against: a program that does nothing,
 * and the obvious way to count ESP per SA. And a way to put records into the
 * ring as a probe would, for the load tests of a machine without IPsec.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "bpf/maps.h"
#include "bpf/parse.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp.frags")
int bench_empty(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

/* ---- naive hashes ---------------------------------------------------------- */

struct naive_count {
	__u64 packets;
	__u64 bytes;
	__u64 last;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct naive_count);
} bench_naive_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct naive_count);
} bench_lru_map SEC(".maps");

/* The map is shared, so counting in it takes atomics, or two CPUs with packets of one SA lose some.
 */
static __always_inline void naive_count(void *map, __u64 key, __u32 bytes, int coarse)
{
	struct naive_count *count = bpf_map_lookup_elem(map, &key), fresh = {};

	if (!count) {
		bpf_map_update_elem(map, &key, &fresh, BPF_NOEXIST);
		count = bpf_map_lookup_elem(map, &key);
	}
	if (!count)
		return;
	__sync_fetch_and_add(&count->packets, 1);
	__sync_fetch_and_add(&count->bytes, bytes);
	count->last = coarse ? bpf_ktime_get_coarse_ns() : bpf_ktime_get_ns();
}

/* The ESP header behind plain IP, or behind UDP on the NAT-T port; NULL: none. */
static __always_inline const __u8 *naive_esp(const __u8 *at, const __u8 *end, __u8 proto)
{
	if (at + 16 > end)
		return 0;
	if (proto == 50)
		return at;
	if (proto == 17 && (ikw_be16(at) == 4500 || ikw_be16(at + 2) == 4500))
		return at + 8;
	return 0;
}

/* Address and SPI of an ESP packet; 0: it is none. */
static __always_inline __u64 naive_key(struct xdp_md *ctx)
{
	const __u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *esp = 0;
	const __u8 *ip = data + 14;
	__u32 daddr = 0, spi;
	__u16 type;

	if (ip + 20 > end)
		return 0;
	type = ikw_be16(data + 12);
	if (type == 0x8100) {
		type = ikw_be16(data + 16);
		ip += 4;
	}
	if (type == 0x0800 && ip + 20 <= end) {
		esp = naive_esp(ip + 20, end, ip[9]);
		daddr = ikw_be32(ip + 16);
	} else if (type == 0x86dd && ip + 40 <= end) {
		esp = naive_esp(ip + 40, end, ip[6]);
		daddr = ikw_be32(ip + 36);
	}
	if (!esp)
		return 0;
	spi = ikw_be32(esp);
	return spi ? (__u64)daddr << 32 | spi : 0;
}

static __always_inline int naive(struct xdp_md *ctx, void *map, int coarse)
{
	__u64 key = naive_key(ctx);

	if (key)
		naive_count(map, key, ctx->data_end - ctx->data, coarse);
	return XDP_PASS;
}

/* A hash and the coarse clock: the cheapest of its kind, with which ours is compared. */
SEC("xdp.frags")
int bench_naive(struct xdp_md *ctx)
{
	return naive(ctx, &bench_naive_map, 1);
}

/* A hash that forgets SAs by itself, and the exact clock. */
SEC("xdp.frags")
int bench_naive_lru(struct xdp_md *ctx)
{
	return naive(ctx, &bench_lru_map, 0);
}

/* ---- numbered packets ------------------------------------------------------- */

#define BENCH_SAS 4096 /* a power of two */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} bench_next SEC(".maps");

__u32 bench_at = 0;		  /* offset of the four bytes before the ESP header */
__u32 bench_turn = 0;		  /* packets so far */
__u32 bench_sa = 0;		  /* whose turn it is */
__u32 bench_spis[BENCH_SAS] = {}; /* as on the wire */
__u32 bench_sas = 1;		  /* how many of them take turns */

/*
 * A test run repeats one packet, and an SA's packets are numbered: it becomes the
 * next one each time, of the next SA, before the program in bench_next gets it. Without
 * a division, for whose result everybody who reads the SPI would wait.
 */
SEC("xdp.frags")
int bench_numbered(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u8 *at = data + (bench_at & 0xff);
	__u32 turn = ++bench_turn, sa = bench_sa;

	if (at + 12 > end)
		return XDP_ABORTED;
	/* in one piece, as a card writes: a load over the end of a store would wait for it */
	IKW_STORE(__u64, at, IKW_LOAD(__u32, at) | (__u64)bench_spis[sa & (BENCH_SAS - 1)] << 32);
	bench_sa = sa + 1 < bench_sas ? sa + 1 : 0;
	IKW_STORE(__u32, at + 8, IKW_SWAP(32, turn));
	bpf_tail_call(ctx, &bench_next, 0);
	return XDP_ABORTED;
}

/*
 * What no program that tells of an IKE message can be cheaper than: room in the
 * ring and its handing over, for nothing. Its cost is the kernel's.
 */
SEC("xdp.frags")
int bench_record(struct xdp_md *ctx)
{
	__u8 *record = bpf_ringbuf_reserve(&ikw_events, sizeof(struct ikw_quick), 0);

	(void)ctx;
	if (record)
		bpf_ringbuf_submit(record, 0);
	return XDP_PASS;
}

/* And with the clock read for each. */
SEC("xdp.frags")
int bench_record_timed(struct xdp_md *ctx)
{
	struct ikw_hdr *hdr = bpf_ringbuf_reserve(&ikw_events, sizeof(struct ikw_quick), 0);

	(void)ctx;
	if (!hdr)
		return XDP_PASS;
	hdr->time = bpf_ktime_get_boot_ns();
	bpf_ringbuf_submit(hdr, 0);
	return XDP_PASS;
}

/* ---- records from elsewhere ------------------------------------------------- */

/*
 * The packet is a struct ikw_sa: it goes into the ring as if a probe had just
 * made it, with the kernel's clock. 0, or XDP_DROP when the ring had no room.
 */
SEC("xdp")
int bench_inject(struct xdp_md *ctx)
{
	const __u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct ikw_sa *from = (const void *)data;
	struct ikw_sa *sa;

	if (data + sizeof(*from) > end)
		return XDP_ABORTED;
	sa = ikw_emit_begin(IKW_EV_SA, sizeof(*sa), from->hdr.netns);
	if (!sa)
		return XDP_DROP;
	__builtin_memcpy((__u8 *)sa + sizeof(sa->hdr), data + sizeof(from->hdr),
			 sizeof(*sa) - sizeof(sa->hdr));
	ikw_emit_end(&sa->hdr);
	return XDP_PASS;
}
