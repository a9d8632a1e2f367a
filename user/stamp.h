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
