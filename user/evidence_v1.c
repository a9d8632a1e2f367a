// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The facts that IKEv1 shows: an INFO is answered by another one or by none, has a
 * message ID of its own each time, and what it carries is told by its length.
 */
#include "evidence_look.h"

#define OTHERS_AMONG 64		     /* tunnels of the peer that are looked at */
#define READ_LATE    (1500 * IKW_MS) /* chosen: a Delete by a daemon that is held up */

/* An INFO of ours in the silence before the deletion. What goes out with the deletion is a Delete.
 */
static bool in_silence_v1(const struct ikw_look *l, const struct ikw_exchange *x)
{
	return x->type == IKW_V1_INFO && x->ours && (!x->answered || x->answered > l->at) &&
	       x->first <= l->at && x->first >= ikw_heard_by(l->f->ike, l->at) &&
	       x->last + 20 * IKW_MS <= l->at && !ikw_before_birth(l->c->gen, x->last);
}

static unsigned int count_silence_v1(const struct ikw_look *l, uint32_t length)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	unsigned int count = 0;

	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (in_silence_v1(l, x) && x->length == length)
			count += x->copies;
	}
	return count;
}

/*
 * The length that the checks have: that of the answered ones; where there were
 * none, the one that most of the unanswered have. A Delete or two may follow
 * them. 0: no INFO at all.
 */
static uint32_t check_length_v1(const struct ikw_look *l)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	unsigned int most = 0;
	uint32_t length = 0;

	if (ike->live_count && count_silence_v1(l, ike->live_length))
		return ike->live_length;
	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);
		unsigned int count = in_silence_v1(l, x) ? count_silence_v1(l, x->length) : 0;

		if (count && count >= most) {
			most = count;
			length = x->length;
		}
	}
	return length;
}

void ikw_see_silence_v1(struct ikw_look *l)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	uint32_t length = check_length_v1(l);
	bool known;

	/* they are sent whether the last was answered or not: silence is all there is to see */
	if (!(l->w->host.sees & IKW_SEES_IKE_IN))
		return;
	for (unsigned int k = 0; length && k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (!in_silence_v1(l, x) || x->length != length)
			continue;
		l->f->gave_up = x;
		l->f->silent_checks += x->copies;
		l->f->silent_since = x->first;
	}
	if (!l->f->gave_up)
		return;
	known = ike->live_count && ike->live_length == length;
	if (l->f->silent_checks < (known || ikw_ike_fits_dpd(ike, length) ? 1 : 3) ||
	    l->at - l->f->silent_since < GIVE_UP_AGE) {
		l->f->gave_up = NULL;
		return;
	}
	see(l, IKW_FACT(GAVE_UP_LIVENESS));
	ikw_see_asked(l, l->f->gave_up);
	if (known && l->f->silent_checks >= 2)
		see(l, IKW_FACT(LIVENESS_CLEAR));
}

/* What else was negotiated under it before stays: it would go with it. */
static bool others_stay(const struct ikw_look *l, const struct ikw_exchange *deletion)
{
	const struct ikw_tunnel *t = l->c->gen->tunnel->peer->tunnels;

	for (unsigned int k = 0; t && k < OTHERS_AMONG; t = t->peer_next, k++)
		for (const struct ikw_generation *gen = t->generations; gen; gen = gen->next)
			if (gen != l->c->gen && ikw_generation_usable(gen) &&
			    gen->born < deletion->first && ikw_generation_ike(gen) == l->f->ike)
				return l->now > l->deed + NEAR;
	return false;
}

/* IKEv1: after the peer's Delete something was said under the ISAKMP SA that is no Delete. */
static bool isakmp_lives_on(const struct ikw_look *l, const struct ikw_exchange *deletion)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	uint64_t since = deletion->last > l->deed ? deletion->last : l->deed;

	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		/* a check of ours that came soon after is taken for its answer */
		if (x == deletion && x->answered > since + NEAR)
			return true;
		if (x == deletion || x->first <= since)
			continue;
		if (x->type == IKW_V1_QUICK || (x->type == IKW_V1_INFO && x->answered))
			return true;
		/* a Delete of ours comes with the deed */
		if (x->type == IKW_V1_INFO && x->ours && x->first > since + NEAR &&
		    ike->live_count && x->length == ike->live_length)
			return true;
	}
	return false;
}

/* Our daemon began another ISAKMP SA with the peer after that. */
static bool begun_instead(const struct ikw_look *l, const struct ikw_exchange *deletion)
{
	struct ikw_ike_walk walk;
	const struct ikw_ike_sa *ike =
		ikw_ike_walk(&walk, l->c->gen->tunnel->peer->ikes, ikw_generation_encap(l->c->gen));

	for (; ike; ike = ikw_ike_walk_on(&walk))
		if (ike != l->f->ike && ike->ours && ike->whole && ike->created > deletion->last)
			return true;
	return false;
}

/*
 * One Delete, as long as that of either SA is from who adds no pad to what is aligned
 * already; or, both, as that of the ISAKMP SA alone with such a pad and as both SAs'
 * in one message without. What is said under the ISAKMP SA next says that it lives, which
 * a daemon may also take from both; a new one that our daemon begins instead that it does
 * not. Its next check may say so. Of both, a daemon that reads an IPsec SA's counters
 * before it deletes it may have been asked for that; else it is taken for the ISAKMP
 * SA's alone, which real daemons were seen to send with such a pad, and none both so.
 */
static void see_which_delete(struct ikw_look *l, bool both)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	const struct ikw_exchange *x = l->f->peer;
	uint64_t heard = x->last > ike->live_last ? x->last : ike->live_last;

	if (isakmp_lives_on(l, x) || others_stay(l, x)) {
		see(l, IKW_FACT(PEER_CLEAR));
	} else if (!both && begun_instead(l, x)) {
		see(l, IKW_FACT(PEER_ISAKMP_DELETE));
		l->f->vague |= IKW_FACT(PEER_ISAKMP_DELETE);
	} else {
		if (both)
			see(l, IKW_FACT(PEER_ISAKMP_DELETE));
		if (!both || within(l->c->gen->tunnel->peer->asked, x->first, l->deed))
			see(l, IKW_FACT(PEER_EITHER));
		l->f->pending_outcome |= ike->live_gap && l->now < heard + ike->live_gap + 2 * NEAR;
	}
}

/*
 * An R-U-THERE-ACK may be as long as the Delete of an ISAKMP SA: one that comes while
 * we wait for an answer, and right after which the SAs go, may have been that.
 */
static void see_crossed(struct ikw_look *l, const struct ikw_exchange *after)
{
	const struct ikw_ike_sa *ike = l->f->ike;

	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (x->type != IKW_V1_INFO || !x->ours || x->last > l->at ||
		    !within(x->answered, before(l->at, NEAR), l->at) ||
		    !ikw_ike_fits_isakmp_delete(ike, x->answer_length))
			continue;
		l->f->crossed = x;
		if (after) { /* the IPsec SA's own */
			l->f->peer = after;
			see(l, IKW_FACT(PEER_CLEAR));
			return;
		}
		see(l, IKW_FACT(PEER_CROSSED));
		if (l->at - x->answered > DELETE_AT_ONCE)
			l->f->vague |= IKW_FACT(PEER_CROSSED);
		return;
	}
}

/*
 * IKEv1 has no copies by which one would see that the daemon does not hear the answers
 * that arrive here: each check has its own message ID, and comes by the clock either way.
 * Who drops a peer that answers them all, between two checks and without having heard
 * ESP before the last, did not hear them. An answer may be as long as the Delete of an
 * ISAKMP SA, which is read a little late at times.
 */
static void see_unheard_v1(struct ikw_look *l)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	const struct ikw_sa_node *in = l->c->gen->in;
	uint64_t slack = ike->live_gap / 20 > NEAR ? ike->live_gap / 20 : NEAR;

	for (unsigned int k = 0; ike->live_gap && k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (x->type != IKW_V1_INFO || !x->ours || x->first != ike->live_last ||
		    x->answered != ikw_heard_by(ike, l->at) ||
		    l->at <= x->answered + DELETE_AT_ONCE ||
		    l->at > x->first + ike->live_gap + slack ||
		    (in && in->last + CHECK_LEAST > x->first))
			continue;
		l->f->crossed = x;
		see(l, IKW_FACT(CHECK_UNHEARD));
		if (!(l->w->host.sees & IKW_SEES_ESP) ||
		    (ikw_ike_fits_isakmp_delete(ike, x->answer_length) &&
		     l->at - x->answered <= READ_LATE))
			l->f->vague |= IKW_FACT(CHECK_UNHEARD);
	}
}

void ikw_see_deletes_v1(struct ikw_look *l)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	const struct ikw_exchange *after = NULL;
	unsigned int esp = 0, isakmp = 0, other = 0;
	bool both;

	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (x->type != IKW_V1_INFO || (x->answered && x->answered <= l->at) ||
		    x == l->f->gave_up)
			continue;
		if (x->ours && !l->f->gave_up && !l->f->local &&
		    within(x->first, before(l->at, NEAR), l->deed + NEAR))
			l->f->local = x;
		if (x->ours || !within(x->first, before(l->at, NEAR), l->at + 2 * IKW_SECOND))
			continue;
		if (x->first <= l->at)
			l->f->peer = x;
		else if (ikw_ike_fits_esp_delete(ike, x->length))
			after = x;
		if (ikw_ike_fits_esp_delete(ike, x->length))
			esp++;
		else if (ikw_ike_fits_isakmp_delete(ike, x->length))
			isakmp++;
		else
			other++;
	}
	if (!l->f->local && !l->f->peer && !l->f->gave_up) {
		see_crossed(l, after);
		if (!l->f->peer)
			see_unheard_v1(l);
	}
	if (l->f->local || l->f->peer)
		see(l, IKW_FACT(DELETE_EXCHANGE));
	both = l->f->peer && isakmp == 1 && ikw_ike_fits_both_deletes(ike, l->f->peer->length);
	if (both && !esp && !other)
		see_which_delete(l, true);
	else if (l->f->peer && isakmp && !esp && !other)
		see(l, IKW_FACT(PEER_ISAKMP_DELETE));
	if (l->f->peer && esp == 1 && !isakmp && !other &&
	    ikw_ike_fits_isakmp_delete(ike, l->f->peer->length))
		see_which_delete(l, false);
	/* told by lengths that were learned from R-U-THERE, or not told at all; or see above */
	if (!ike->choice || both)
		l->f->vague |= IKW_FACT(PEER_ISAKMP_DELETE);
	if (!ike->choice && !ike->dpd_len && other == 1)
		l->f->vague |= IKW_FACT(PEER_DELETE);
	if (l->f->peer && esp + isakmp + other > 1) /* both SAs', or several IPsec SAs' */
		see(l, IKW_FACT(PEER_CLEAR));
}

bool ikw_check_overtaken_v1(const struct ikw_look *l, const struct ikw_exchange *local,
			    const struct ikw_exchange *peer)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	uint64_t gap = ike->live_gap, slack = gap / 20 + IKW_SECOND / 10;
	uint64_t off = ike->live_last > local->first ? ike->live_last - local->first
						     : local->first - ike->live_last;

	if (!ike->live_count || local->length != ike->live_length ||
	    peer->length == local->length || peer->first > l->at || ikw_ordered_end(l, local))
		return false;
	if (gap && off <= 3 * gap && (off % gap <= slack || off % gap + slack >= gap))
		return true;
	return local->asked == IKW_ASKED_YES;
}
