/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Joins what two gateways saw of one deletion. The two ends of a generation have
 * the same SPIs, what is inbound here being outbound there, also behind NAT; a
 * single shared SPI counts only between the same two addresses. Pure: no I/O.
 */
#ifndef IKEWATCH_SEND_JOIN_H
#define IKEWATCH_SEND_JOIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Deletions that lie further apart are not of one cause; DPD may take minutes to notice. */
#define IKW_JOIN_WINDOW_S 900

/* What follows from both ends' reasons. */
enum ikw_join_verdict {
	IKW_JOIN_AGREE,	    /* both say the same and mean one thing: a rekey */
	IKW_JOIN_FIRST,	    /* the cause lies at the first alarm's gateway */
	IKW_JOIN_SECOND,    /* at the second's */
	IKW_JOIN_PATH,	    /* both lost each other: between them */
	IKW_JOIN_UNDECIDED, /* neither excludes the other */
};

/* Are these alarm objects (of different gateways) of the two ends of one generation? */
bool ikw_join_matches(const json_t *a, const json_t *b);

/* From the reasons alone; where both name a cause of their own, the earlier deletion leads. */
enum ikw_join_verdict ikw_join_judge(const json_t *a, const json_t *b);

struct ikw_joiner;

/*
 * Gives fn each pair (b not NULL) or alarm that found no other end (b NULL), in the
 * order of time. NULL without memory.
 */
struct ikw_joiner *ikw_joiner_new(void (*fn)(void *ctx, const json_t *a, const json_t *b),
				  void *ctx);

/* An alarm object; kept by reference. Repeats (same uid) are dropped. */
void ikw_joiner_add(struct ikw_joiner *joiner, json_t *alarm);

/* Gives out all that waits longer than the window; all of it when everything is set. */
void ikw_joiner_expire(struct ikw_joiner *joiner, uint64_t now_us, bool everything);
void ikw_joiner_free(struct ikw_joiner *joiner);

/* Unix microseconds of a time in RFC 3339, UTC, with six digits or none; 0: none (NULL too). */
uint64_t ikw_time_of(const char *rfc3339);

/* Unix microseconds of an alarm object's time; 0: none. */
uint64_t ikw_join_time(const json_t *alarm);

#endif
