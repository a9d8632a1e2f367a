/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the packet programs counted of each SA, read from the shared memory of
 * their slots (bpf/packet.h), and samples of it, so that what was lost in the
 * last minute can be told.
 */
#ifndef IKEWATCH_ESP_SLOTS_H
#define IKEWATCH_ESP_SLOTS_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/packet.h"

struct ikw_esp_slots;

/*
 * Over the maps ikw_esp (for each CPU IKW_ESP_SLOTS >> shift slots) and
 * ikw_esp_more, which stay the caller's. NULL with errno.
 */
struct ikw_esp_slots *ikw_esp_slots_open(int slots_fd, int more_fd, uint32_t shift, uint32_t cpus);

/* So many slots the map has for so many CPUs: for a power of two of them (IKW_ESP_MASK). */
uint32_t ikw_esp_slots_all(uint32_t cpus, uint32_t shift);

/*
 * The shift for so many CPUs (those that may ever be: there can be many more than
 * there are) and so much memory, in bytes: 32 MiB or a 512th of it at most, but
 * never less than 1,024 slots each.
 */
uint32_t ikw_esp_slots_shift(uint32_t cpus, uint64_t memory);

/* Sums up all places of one SA, and fills all but out->hdr. False: no packet was seen. */
bool ikw_esp_slots_read(const struct ikw_esp_slots *s, const uint8_t daddr[IKW_ADDR_LEN],
			uint32_t spi, enum ikw_dir dir, struct ikw_esp *out);

/* Packets of all SAs that have or had a slot; ikw_counts.esp are those beside it. */
uint64_t ikw_esp_slots_packets(const struct ikw_esp_slots *s);

/*
 * Vouches for an SA: its slots are taken from strangers, and not given to any. What
 * was counted under its name well before `installed` (boot time ns; 0: not known) was
 * another's, and goes.
 * False: on some CPU both places belong to other known SAs (it is then counted
 * in the hash).
 */
bool ikw_esp_slots_know(struct ikw_esp_slots *s, const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi,
			enum ikw_dir dir, uint64_t installed);

/* Frees what an SA has, and what was counted of it. */
void ikw_esp_slots_release(struct ikw_esp_slots *s, const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi,
			   enum ikw_dir dir);

/* Takes a sample of every SA when the last one is 10 s old. now: boot time ns. */
void ikw_esp_slots_sample(struct ikw_esp_slots *s, uint64_t now);

/*
 * Goes on with slots that nobody looked after for a while: the programs' clock
 * stood at `stood`. SAs that had packets since count as used just now, for it
 * cannot be told when, and an SA must not look idle that was not.
 */
void ikw_esp_slots_resume(struct ikw_esp_slots *s, uint64_t stood, uint64_t now);

/* NULL is fine. */
void ikw_esp_slots_close(struct ikw_esp_slots *s);

#endif
