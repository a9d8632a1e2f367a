/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How one deletion is looked at: what the parts of the evidence share. Not for others. */
#ifndef IKEWATCH_EVIDENCE_LOOK_H
#define IKEWATCH_EVIDENCE_LOOK_H

#include "evidence.h"

/*
 * Windows. A daemon takes its SAs away within milliseconds of what made it do
 * so; a loaded or emulated machine takes longer. What is ambiguous by length
 * gets the shorter window, so that an unrelated liveness check is not taken
 * for a Delete.
 */
#define NEAR	       (1 * IKW_SECOND)
#define CLEAR_NEAR     (3 * IKW_SECOND)
#define DELETE_AT_ONCE (300 * IKW_MS)
#define CHECK_LEAST    (900 * IKW_MS) /* chosen: between hearing a peer and checking it */
#define ORDER_BEFORE   (5 * IKW_SECOND)
#define ORDER_AT_ONCE  (1 * IKW_SECOND)
#define GIVE_UP_AGE    IKW_GIVE_UP_AGE
/* From a redirect (RFC 5685) to the end of what it left behind: chosen. */
#define AWAY_FOR	(120 * IKW_SECOND)
#define FAILED_LONG_AGO (120 * IKW_SECOND)

struct ikw_look {
	struct ikw_facts *f;
	const struct ikw_case *c;
	const struct ikw_world *w;
	uint64_t at; /* where the cause is looked for: when the daemon set about the deletion */
	uint64_t
		deed; /* the deletion itself, the anchor; later, if the daemon ran a script first */
	uint64_t now;
	enum ikw_orders orders;
};

static inline uint64_t before(uint64_t t, uint64_t d)
{
	return t > d ? t - d : 0;
}

/* The time, if it is after `than` and not after the limit; else `than`. */
static inline uint64_t later(uint64_t time, uint64_t than, uint64_t limit)
{
	return time <= limit && time > than ? time : than;
}

/* Is there such a time (0: none), from `from` to `to`? */
static inline bool within(uint64_t t, uint64_t from, uint64_t to)
{
	return t && t >= from && t <= to;
}

static inline void see(struct ikw_look *l, ikw_fact_set facts)
{
	l->f->seen |= facts;
}

/* Something ended the tunnel before our daemon would have given up. */
void ikw_not_given_up(struct ikw_look *l);
/* Had this exchange waited for the peer for so long at that time that it was given up? */
bool ikw_given_up_at(const struct ikw_ike_sa *ike, const struct ikw_exchange *x, uint64_t at);
/* Did the request's time run out, as the gaps between its copies foretell? Then nobody hurried it.
 */
bool ikw_ran_out(const struct ikw_exchange *x, uint64_t at);
/*
 * Nothing that ended before the generation came can have ended it. What the
 * agent found in place has no known beginning.
 */
bool ikw_before_birth(const struct ikw_generation *gen, uint64_t time);
/*
 * SAs that a rekey left behind, for its Delete never came, and that go when the
 * daemon gives the peer up: what takes their successors takes them. But that
 * Delete may be just what was never answered.
 */
void ikw_see_left_behind(struct ikw_look *l);
/* Of two CHILD_SAs of one flow the peer ends the older, which the other did not replace. */
void ikw_see_side_by_side(struct ikw_look *l);

/* What the IKE exchanges show (evidence_wire.c). */
void ikw_see_wire(struct ikw_look *l);
/* A daemon reads when the SAs were last used before it checks a silent peer: did it before this? */
void ikw_see_asked(struct ikw_look *l, const struct ikw_exchange *x);
/* Was something ordered down just before this went out? */
bool ikw_ordered_end(const struct ikw_look *l, const struct ikw_exchange *x);
/*
 * IKEv1 liveness checks have new message IDs each time (RFC 3706): counts those in
 * silence (evidence_v1.c).
 */
void ikw_see_silence_v1(struct ikw_look *l);
/* The Deletes of IKEv1, which nobody answers: RFC 2408 3.15 (evidence_v1.c). */
void ikw_see_deletes_v1(struct ikw_look *l);
/*
 * IKEv1: a check of ours on which a Delete of the peer came, before an answer did. A Delete of
 * ours may be as long; a check is one for which the daemon had looked, or the clock says so.
 */
bool ikw_check_overtaken_v1(const struct ikw_look *l, const struct ikw_exchange *local,
			    const struct ikw_exchange *peer);
/* When the peer was last heard under this IKE_SA by then; it may have come back since. */
uint64_t ikw_heard_by(const struct ikw_ike_sa *ike, uint64_t at);

/*
 * An order explains a deletion when it came before the first thing the daemon
 * did about it: before the unanswered request, before its Delete, before the
 * deletion. One that came late in a give-up explains it only if it ends things
 * (evidence_order.c).
 */
void ikw_see_order(struct ikw_look *l);
/* A link that went off under the tunnel, and was so at its end (evidence_order.c). */
void ikw_see_link(struct ikw_look *l);
/* One of the two had another address at the end (evidence_order.c). */
void ikw_see_address(struct ikw_look *l);

#endif
