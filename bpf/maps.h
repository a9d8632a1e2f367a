/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every kernel program writes to: the ring buffer and its per-CPU state,
 * and the only way to put a record into it.
 *
 * Each BPF object that includes this declares the same two maps. User space
 * creates them once and makes every further object use them
 * (bpf_map__reuse_fd on "ikw_events" and "ikw_state" before load), so that
 * there is one ring and one sequence per CPU whoever writes.
 *
 * The struct is laid out for user space too (it reads the counters); the maps
 * and helpers exist in BPF programs only.
 *
 *	struct ikw_sa *sa = ikw_emit_begin(IKW_EV_SA, sizeof(*sa), netns);
 *	if (!sa)
 *		return 0;              // counted as lost
 *	sa->spi = ...;                 // the rest is zero already
 *	ikw_emit_end(&sa->hdr);        // or ikw_emit_drop(&sa->hdr)
 */
#ifndef IKEWATCH_MAPS_H
#define IKEWATCH_MAPS_H

#include "bpf/ikewatch_event.h"

/* Value of ikw_state, one per CPU. */
struct ikw_cpu_state {
	__u64 seq;  /* of the last record made here */
	__u64 lost; /* records for which the ring had no room; each also took a sequence number */
};

#ifdef __bpf__

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* User space sets the size before load; it must be a power of two of pages. */
#define IKW_RING_BYTES (8 << 20)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, IKW_RING_BYTES);
} ikw_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ikw_cpu_state);
} ikw_state SEC(".maps");

static __always_inline struct ikw_cpu_state *ikw_cpu_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ikw_state, &zero);
}

/*
 * Room for one record of `size` bytes (a constant), all of it the caller's to fill.
 * NULL when the ring is full: the loss is counted, and the number it would have
 * had is skipped so that it shows in the stream too.
 */
static __always_inline void *ikw_emit_take(__u16 size)
{
	void *room = bpf_ringbuf_reserve(&ikw_events, size, 0);
	struct ikw_cpu_state *state;

	if (!room) {
		state = ikw_cpu_state();
		if (state) {
			state->seq++;
			state->lost++;
		}
	}
	return room;
}

/* Fills a record's header but for seq. */
static __always_inline void ikw_emit_head(struct ikw_hdr *hdr, __u16 type, __u16 size, __u32 netns,
					  __u64 now, __u32 cpu)
{
	hdr->type = type;
	hdr->size = size;
	hdr->time = now;
	hdr->netns = netns;
	hdr->flags = 0;
	hdr->cpu = cpu;
}

/* Room for one record, its header filled but for seq; what follows is not zeroed. NULL as above. */
static __always_inline void *ikw_emit_room(__u16 type, __u16 size, __u32 netns, __u64 now)
{
	struct ikw_hdr *hdr = ikw_emit_take(size);

	if (hdr)
		ikw_emit_head(hdr, type, size, netns, now, bpf_get_smp_processor_id());
	return hdr;
}

/* The same, zeroed behind the header. */
static __always_inline void *ikw_emit_begin_at(__u16 type, __u16 size, __u32 netns, __u64 now)
{
	struct ikw_hdr *hdr = ikw_emit_room(type, size, netns, now);

	if (hdr)
		__builtin_memset(hdr + 1, 0, size - sizeof(*hdr));
	return hdr;
}

/* The same for a caller that has not read the clock (CLOCK_BOOTTIME) itself. */
static __always_inline void *ikw_emit_begin(__u16 type, __u16 size, __u32 netns)
{
	return ikw_emit_begin_at(type, size, netns, bpf_ktime_get_boot_ns());
}

/*
 * Hands the record over. The number is taken with a plain add, for 5.10 has no
 * atomic that returns the old value: when an interrupt's program runs between
 * load and store, two records share a number. So a number that comes twice or
 * late is no loss, a hole that stays is one, and `lost` above has the last word.
 */
static __always_inline void ikw_emit_end(struct ikw_hdr *hdr)
{
	struct ikw_cpu_state *state = ikw_cpu_state();

	hdr->seq = state ? ++state->seq : 0;
	bpf_ringbuf_submit(hdr, 0);
}

/* Gives a begun record back; it takes no number. */
static __always_inline void ikw_emit_drop(struct ikw_hdr *hdr)
{
	bpf_ringbuf_discard(hdr, 0);
}

#endif /* __bpf__ */
#endif /* IKEWATCH_MAPS_H */
