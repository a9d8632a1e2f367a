/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the model was told, kept so that the next agent can tell its own model
 * the same after this one was killed: the model is a pure function of its
 * events, so feeding them again restores tunnels, open cases and evidence.
 *
 * Two files beside the store take turns (segments). Each begins with a
 * checkpoint, events that rebuild what was known when it was begun, and goes on
 * with every event since. The older one is overwritten when the younger is full,
 * so that at least one segment's worth of events is always there.
 *
 * Nothing here is synced to the disk: it must survive the process, not the
 * machine, whose end takes the SAs with it. A record is written before the
 * model sees the event and before the ring's consumer position moves on: what
 * was taken from the ring is in the journal, and the one record that may be in
 * both is known by its sequence number.
 */
#ifndef IKEWATCH_JOURNAL_H
#define IKEWATCH_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/ikewatch_event.h"

#define IKW_JOURNAL_BYTES (8u << 20) /* of a segment, at least */

/* What the events are about; those of anything else are not gone on with. */
struct ikw_journal_id {
	uint64_t boot[2]; /* the kernel's boot_id: SAs and boot times are its */
	uint32_t netns;	  /* inode */
	uint32_t pad;
};

enum ikw_journal_kind {
	IKW_JOURNAL_EVENT = 1,
	IKW_JOURNAL_KNOWN = 2, /* of a checkpoint */
	IKW_JOURNAL_DONE = 3,  /* of a checkpoint: a deletion whose alarm was given */
};

struct ikw_journal;

typedef void (*ikw_journal_fn)(void *ctx, enum ikw_journal_kind kind, const union ikw_event *event);

/* The id of this boot and that namespace. */
struct ikw_journal_id ikw_journal_id(uint32_t netns);

/*
 * Opens DIR/journal.0 and .1, whatever is in them. bytes: of a segment (0: the
 * default). NULL with the cause in why; alarms then work, but a restart knows
 * less.
 */
struct ikw_journal *ikw_journal_open(const char *dir, const struct ikw_journal_id *id, size_t bytes,
				     char *why, size_t size);

/*
 * Gives fn what an earlier agent wrote, in order. How many events; 0 when there
 * is nothing to go on with. To be called once, before the first write. The
 * event is the callee's to change.
 */
uint64_t ikw_journal_replay(struct ikw_journal *journal, ikw_journal_fn fn, void *ctx);

/* Time of the last event that was replayed; 0: none. */
uint64_t ikw_journal_last(const struct ikw_journal *journal);

/* Was this the last record of the ring that an earlier agent took? */
bool ikw_journal_has(const struct ikw_journal *journal, const struct ikw_hdr *hdr);

/* Keeps an event. True when the segment is full: begin one. */
bool ikw_journal_event(struct ikw_journal *journal, const union ikw_event *event);

/* Begins a segment: its checkpoint is what is written until end. */
void ikw_journal_begin(struct ikw_journal *journal);
void ikw_journal_write(struct ikw_journal *journal, enum ikw_journal_kind kind,
		       const union ikw_event *event);
void ikw_journal_end(struct ikw_journal *journal);

/* Boot time ns before which no event is kept, but in checkpoints. */
uint64_t ikw_journal_oldest(const struct ikw_journal *journal);

/* Why nothing is being kept just now ("FILE: cause"), or NULL. */
const char *ikw_journal_failing(const struct ikw_journal *journal);

/* NULL is fine. */
void ikw_journal_close(struct ikw_journal *journal);

#endif
