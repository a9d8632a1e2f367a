/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the packet programs keep in maps, laid out for user space too, which
 * reads it through mmap without a system call.
 *
 * ESP is counted in slots, `ikw_esp_slots` of them for each CPU, one after the
 * other in the array map ikw_esp: slot i of CPU c is entry c * ikw_esp_slots + i.
 * Only CPU c writes its slots, so counting needs no atomics. An SA has two
 * places it may be (ikw_esp_place); when both are others', it is counted in the
 * hash map ikw_esp_more. What an SA got in all is the sum over all of these.
 */
#ifndef IKEWATCH_PACKET_H
#define IKEWATCH_PACKET_H

#include "bpf/ikewatch_event.h"

#define IKW_ESP_SLOTS 4096 /* default; a power of two */
#define IKW_ESP_MORE  4096
#define IKW_PEERS     65536
#define IKW_SOURCES   8192

#define IKW_JIFFY_EXACT 8 /* IKE messages of one CPU and jiffy that have a time of their own */

/* Names an SA in one direction, exactly. */
struct ikw_esp_key {
	union {
		__u64 daddr[2]; /* the 16 bytes of the address as they lie in memory */
		__u8 address[IKW_ADDR_LEN];
	};
	union {
		__u64 name; /* 0: the slot is free */
		struct {
			__u32 spi;
			__u32 dir; /* enum ikw_dir */
		};
	};
};

struct ikw_esp_slot {
	struct ikw_esp_key key;
	__u64 packets;
	__u64 bytes; /* of IP packets, header included */
	__u64 last;  /* ikw_tick at the last packet */
	__u32 seq_high;
	__u32 seq_first;
	__u32 reordered; /* came with a number not above the highest before it */
	__u32 known; /* set by user space: an SA it knows has this name; never reused for others */
};

/* One per CPU in the array map ikw_counts. */
struct ikw_counts {
	__u64 ike;
	__u64 esp;
	__u64 keepalive;
	__u64 fragment; /* later IP fragments of UDP and ESP */
	__u64 malformed;
	__u64 wire;
	__u64 suppressed; /* IKE messages that the rate limit kept from the ring */
	__u64 unread;	  /* headers beyond what the hook could reach */
	__u64 window;	  /* boot time at which the rate limit's window began */
	__u32 used;	  /* IKE messages in it */
	__u32 jiffy_used; /* and in this jiffy */
	/* between the parts of one program */
	__u64 handle[2];
	__u32 scratch;
	__u32 wire_used;   /* packets of other protocols told in their window */
	__u64 wire_window; /* boot time at which it began */
	__u64 jiffy;	   /* of the last IKE message */
	__u64 jiffy_time;  /* and its boot time */
};

/* Key of ikw_peers and ikw_sources: the remote address. */
struct ikw_remote {
	__u8 addr[IKW_ADDR_LEN];
};

/*
 * A remote's share of the ring. `allowed_at` is the time at which, at the
 * allowed rate, all that it sent would have been sent (GCRA); how far that is
 * ahead of now is its debt.
 */
struct ikw_remote_use {
	__u64 allowed_at;
	__u64 suppressed;
};

/* Mixes an address into 32 bits, for the second place of an SA. */
static inline __attribute__((always_inline)) __u32 ikw_esp_fold(const struct ikw_esp_key *key)
{
	__u64 mix = (key->daddr[0] ^ key->daddr[1] ^ key->name) * 0x9e3779b97f4a7c15ULL;

	return mix >> 32;
}

/* First place of an SA among `slots` (a power of two). */
static inline __attribute__((always_inline)) __u32 ikw_esp_first(__u32 spi, __u32 slots)
{
	return (spi ^ spi >> 13) & (slots - 1);
}

/* First (0) or second (1) place of an SA. */
static inline __attribute__((always_inline)) __u32 ikw_esp_place(const struct ikw_esp_key *key,
								 int which, __u32 slots)
{
	__u32 first = ikw_esp_first((__u32)key->name, slots);

	if (which == 0)
		return first;
	return (first ^ (ikw_esp_fold(key) | 1)) & (slots - 1);
}

_Static_assert(sizeof(struct ikw_esp_slot) == 64, "a slot is one cache line");
_Static_assert(sizeof(struct ikw_counts) == 128, "CPUs must not share a cache line");

#endif /* IKEWATCH_PACKET_H */
