/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the packet programs keep in maps, laid out for user space too, which
 * reads it through mmap without a system call.
 *
 * ESP is counted in slots, S = IKW_ESP_SLOTS >> ikw_esp_shift of them for each CPU,
 * one after the other in the value of the map ikw_esp: slot i of CPU c is c * S + i.
 * Only CPU c writes its slots, so counting needs no atomics. An SA has two
 * places it may be (ikw_esp_place); when both are others', it is counted in the
 * hash map ikw_esp_more. What an SA got in all is the sum over all of these.
 */
#ifndef IKEWATCH_PACKET_H
#define IKEWATCH_PACKET_H

#include "bpf/ikewatch_event.h"

#define IKW_ESP_BITS 15 /* of an SPI that choose its first place, where there are as many */
#define IKW_ESP_SLOTS                                                                              \
	(1U << IKW_ESP_BITS) /* on each CPU; with less memory ikw_esp_shift halves it */
#define IKW_ESP_SHIFT_MOST 5 /* never fewer than 1,024 */
#define IKW_ESP_MORE	   4096
#define IKW_PEERS	   65536
#define IKW_SOURCES	   8192

#define IKW_JIFFY_EXACT 8 /* IKE messages of one CPU and jiffy that have a time of their own */

/*
 * Names an SA in one direction, exactly. The order is such that the last four
 * bytes of the address and the SPI, which lie side by side in a packet too, are
 * one word; of IPv4 it and `kind` say all.
 */
struct ikw_esp_key {
	union {
		__u64 daddr[2]; /* the 16 bytes of the address as they lie in memory */
		__u8 address[IKW_ADDR_LEN];
	};
	union {
		__u64 name; /* 0: the slot is free */
		struct {
			__u8 spi[4]; /* as on the wire */
			union {
				__u32 kind; /* IKW_ESP_KIND */
				struct {
					__u8 dir;    /* enum ikw_dir */
					__u8 family; /* 4 or 6 */
					__u16 pad;
				};
			};
		};
	};
};

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define IKW_ESP_KIND(dir, family) ((__u32)(dir) | (__u32)(family) << 8)
#else
#define IKW_ESP_KIND(dir, family) ((__u32)(dir) << 24 | (__u32)(family) << 16)
#endif

/* seq_high before the first packet: none is above it, so that the usual path need not ask */
#define IKW_ESP_NO_SEQ 0xffffffffU

#define IKW_ESP_WORD 12 /* offset of that word in struct ikw_esp_key */

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

/* The value of the map ikw_esp. Its size is set before it is made (user/packet_skel.h). */
struct ikw_esp_table {
	struct ikw_esp_slot slots[IKW_ESP_SLOTS];
};

/*
 * Where a slot lies in it: from the uppermost bits of a word and the CPU's number, by
 * two shifts and a mask, which are exact for each `shift` and so many slots in all
 * (a power of two). What is beyond it, as the verifier sees it, the mask leaves out.
 */
#define IKW_ESP_DOWN(shift) (64 - IKW_ESP_BITS - IKW_ESP_SLOT_BITS + (shift))
#define IKW_ESP_UP(shift)   (IKW_ESP_BITS + IKW_ESP_SLOT_BITS - (shift))
#define IKW_ESP_MASK(slots) (((slots)-1) << IKW_ESP_SLOT_BITS)
#define IKW_ESP_SLOT_BITS   6

#define IKW_WIRE_KINDS 8 /* enum ikw_wire_kind is below, a power of two */

/* One per CPU in the array map ikw_counts. */
struct ikw_counts {
	__u64 ike;
	__u64 jiffy;	   /* of the last IKE message; */
	__u64 jiffy_ike;   /* what `ike` was before this jiffy, */
	__u64 jiffy_time;  /* the boot time that further ones share, */
	__u64 jiffy_quick; /* and as long as `ike` is below this they are told unasked */
	__u64 window;	   /* boot time at which the rate limit's window began, */
	__u64 window_ike;  /* and what `ike` was before it */
	__u64 esp; /* of SAs that have no slot any more, or never had one; the slots say the rest */
	__u64 keepalive;
	__u64 fragment; /* later IP fragments of UDP and ESP */
	__u64 malformed;
	__u64 wire;
	__u64 suppressed; /* IKE messages that the rate limit kept from the ring */
	__u64 unread;	  /* headers beyond what the hook could reach */
	/* between the parts of one program */
	__u64 handle[2];
	__u32 scratch;
	__u32 pad32;
	__u64 wire_window; /* boot time at which that of packets of other protocols began, */
	/* messages that the rate limit's window counts as there from its start */
	__u64 window_taken;
	__u64 behind; /* of `suppressed`, those kept out because user space was behind */
	union {
		__u64 wire_used; /* and how many of each kind were told in it */
		__u8 wire_told[IKW_WIRE_KINDS];
	};
	__u64 wire_untold; /* those that were not; but for what any host may have any number of */
	__u64 pad[2];
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

/*
 * An SA has its first place on a CPU by the last bits of the SPI, which whoever
 * chooses SPIs makes differ. With some thousand SAs the place has to be free nearly
 * always, or a packet costs a branch guessed wrong. Of the word (IKW_ESP_WORD) these
 * are the last bytes in memory; here they are its uppermost bits.
 */
static inline __attribute__((always_inline)) __u64 ikw_esp_order(__u64 word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return word;
#else
	return __builtin_bswap64(word);
#endif
}

/* The word whose first place is the second of the SA with that word: the other is another's. */
static inline __attribute__((always_inline)) __u64 ikw_esp_second(const struct ikw_esp_key *key,
								  __u64 word, __u32 shift)
{
	const __u64 other = (__u64)(ikw_esp_fold(key) | 1) << (64 - IKW_ESP_BITS + shift);

	return word ^ ikw_esp_order(other);
}

#ifndef __bpf__
/* Entry of ikw_esp's slots that either of the two is, as the programs find them. */
static inline __u32 ikw_esp_place(const struct ikw_esp_key *key, int which, __u32 cpu, __u32 shift)
{
	__u64 word;

	__builtin_memcpy(&word, key->address + IKW_ESP_WORD, sizeof(word));
	if (which)
		word = ikw_esp_second(key, word, shift);
	word = ikw_esp_order(word) >> (64 - IKW_ESP_BITS);
	return (cpu * IKW_ESP_SLOTS | (__u32)word) >> shift;
}
#endif

_Static_assert(sizeof(struct ikw_esp_slot) == 1 << IKW_ESP_SLOT_BITS, "a slot is one cache line");
_Static_assert(sizeof(struct ikw_counts) == 192, "CPUs must not share a cache line");

#endif /* IKEWATCH_PACKET_H */
