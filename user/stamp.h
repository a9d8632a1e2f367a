/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Clocks, and the header of the events that user space makes. */
#ifndef IKEWATCH_STAMP_H
#define IKEWATCH_STAMP_H

#include <stdint.h>
#include <string.h>
#include <time.h>
#include "bpf/ikewatch_event.h"

#define IKW_MS 1000000ULL
#define IKW_S  1000000000ULL

/* Who takes the events of a source. The event is the source's; copy what is kept. */
typedef void (*ikw_event_fn)(void *ctx, union ikw_event *event);

static inline uint64_t ikw_clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * IKW_S + (uint64_t)t.tv_nsec;
}

/* CLOCK_BOOTTIME ns, the clock of every event. */
static inline uint64_t ikw_boot_now(void)
{
	return ikw_clock_ns(CLOCK_BOOTTIME);
}

/* Unix ns. */
static inline uint64_t ikw_wall_now(void)
{
	return ikw_clock_ns(CLOCK_REALTIME);
}

/* How far the wall clock is ahead of boot time, ns, and by how much that may be wrong. */
struct ikw_clocks {
	int64_t ahead;
	uint64_t doubt;
};

#define IKW_CLOCKS_LOOKS 8
#define IKW_CLOCKS_GOOD	 1000 /* ns of doubt: no need to look again */

/* One look at both; the quickest of a few, for anything may come in between. */
static inline struct ikw_clocks ikw_clocks_look(void)
{
	struct ikw_clocks best = { .doubt = UINT64_MAX };

	for (int i = 0; i < IKW_CLOCKS_LOOKS && best.doubt > IKW_CLOCKS_GOOD; i++) {
		uint64_t before = ikw_boot_now(), wall = ikw_wall_now(), took;

		took = ikw_boot_now() - before;
		if (took < best.doubt)
			best = (struct ikw_clocks){ (int64_t)(wall - before - took / 2), took };
	}
	return best;
}

/*
 * What is known of them after that look. Both are slewed alike (timekeeping_adjust),
 * so that only a step moves one against the other: what may as well be in doubt is
 * none, or times that follow each other closely would change places at each look.
 */
static inline struct ikw_clocks ikw_clocks_know(struct ikw_clocks known, struct ikw_clocks look)
{
	int64_t moved = look.ahead - known.ahead;
	uint64_t by = moved < 0 ? -(uint64_t)moved : (uint64_t)moved;

	return by > known.doubt + look.doubt ? look : known;
}

/* Zeroes the first size bytes of event and fills its header: made by user space, now. */
static inline void ikw_stamp(union ikw_event *event, uint16_t type, size_t size, uint32_t netns)
{
	memset(event, 0, size);
	event->hdr.type = type;
	event->hdr.size = (uint16_t)size;
	event->hdr.time = ikw_boot_now();
	event->hdr.netns = netns;
}

/* IPv4 (network order) as v4-mapped; IPv6 as it is. family: AF_INET or AF_INET6. */
static inline void ikw_addr_set(uint8_t to[IKW_ADDR_LEN], const void *from, int family)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (family == 2) {
		memcpy(to, mapped, sizeof(mapped));
		memcpy(to + 12, from, 4);
	} else {
		memcpy(to, from, IKW_ADDR_LEN);
	}
}

#endif
