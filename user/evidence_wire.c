// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The facts that the IKE exchanges show: silence, Deletes, new IKE_SAs. */
#include "evidence_look.h"

#define NEW_IKE_BEFORE (3 * IKW_SECOND)
#define NEW_IKE_AFTER  (1 * IKW_SECOND)
#define OUTCOME_QUIET  (1 * IKW_SECOND)
#define OUTCOME_LIMIT  (10 * IKW_SECOND)
#define TAKES_LONG     (60 * IKW_SECOND) /* chosen: a daemon that is held up */
#define REPEATS_GROW   3 /* chosen: a gap is not so many times as long as all before it */
#define ASKED_ON       (20 * IKW_MS) /* events of several CPUs may pass each other */

void ikw_see_asked(struct ikw_look *l, const struct ikw_exchange *x)
{
	const struct ikw_process *daemon = ikw_host_process(&l->w->host, l->c->first.by.tgid);

	if (x->asked == IKW_ASKED_YES)
		see(l, IKW_FACT(ASKED));
	else if (ikw_ike_not_asked(l->f->ike, x, daemon))
		see(l, IKW_FACT(NOT_ASKED));
	else if (x->asked == IKW_ASKED_NO && (l->w->host.sees & IKW_SEES_ASKED) &&
		 !l->f->ike->unasked && !(daemon && daemon->unasked))
		see(l, IKW_FACT(UNREAD)); /* nor is known that it checks peers without */
}

/*
 * A check follows silence, of IKE and of ESP (RFC 7296 2.4). How much of it is
 * the daemon's setting: a second at least, in those that were seen. ESP is told
 * to 100 ms.
 */
static void see_heard(struct ikw_look *l, const struct ikw_exchange *x)
{
	const struct ikw_sa_node *in = l->c->gen->in;
	uint64_t heard = ikw_heard_by(l->f->ike, x->first);

	if (in && in->last > heard)
		heard = in->last;
	if (heard && heard + CHECK_LEAST > x->first)
		see(l, IKW_FACT(HEARD_BEFORE));
}

static void see_liveness_v2(struct ikw_look *l, const struct ikw_exchange *x)
{
	const struct ikw_ike_sa *ike = l->f->ike;

	ikw_see_asked(l, x);
	see_heard(l, x);
	l->f->content = ikw_ike_content(ike, x->length);
	switch (l->f->content) {
	case IKW_CONTENT_EMPTY:
		see(l, IKW_FACT(GAVE_UP_LIVENESS) | IKW_FACT(LIVENESS_EMPTY) |
			       IKW_FACT(LIVENESS_CLEAR));
		break;
	case IKW_CONTENT_UNKNOWN:
	case IKW_CONTENT_MAYBE_EMPTY:
		see(l, IKW_FACT(GAVE_UP_LIVENESS));
		if (ike->live_count && ike->live_length == x->length)
			see(l, IKW_FACT(LIVENESS_CLEAR));
		break;
	default:
		see(l, IKW_FACT(GAVE_UP_INFO));
	}
}

uint64_t ikw_heard_by(const struct ikw_ike_sa *ike, uint64_t at)
{
	uint64_t heard = 0;

	if (ike->last_in <= at)
		return ike->last_in;
	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		heard = later(x->answered, heard, x->ours ? at : 0);
		heard = later(x->arrived, heard, at);
		heard = later(x->last, heard, x->ours ? 0 : at);
		heard = later(x->first, heard, x->ours ? 0 : at);
	}
	return heard;
}

/*
 * Sent again after the deletion: the daemon had not given it up by then, and the
 * SAs went for something else. The kernel's limit waits for no answer.
 */
static bool asked_on(const struct ikw_look *l, const struct ikw_exchange *x)
{
	return l->f->ike->version == 2 && x->last > l->at + ASKED_ON &&
	       !(l->f->seen & IKW_FACT(HARD_LIMIT));
}

static void see_gave_up(struct ikw_look *l)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	const struct ikw_exchange *oldest = NULL;

	for (unsigned int k = 0; ike && k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (ikw_exchange_sets_up(x->type) || x->type == IKW_V1_INFO ||
		    !ikw_given_up_at(ike, x, l->at) || ikw_before_birth(l->c->gen, x->last) ||
		    asked_on(l, x))
			continue;
		/* a copy says that the daemon heard nothing; without one somebody has to have
		 * listened */
		if (x->copies < 2 &&
		    (ikw_host_missed(&l->w->host, x->first, l->at) & IKW_SEES_IKE_IN))
			continue;
		if (!oldest || x->first < oldest->first)
			oldest = x;
	}
	if (!oldest) {
		if (ike && ike->version == 1)
			ikw_see_silence_v1(l);
		return;
	}
	l->f->gave_up = oldest;
	l->f->silent_since = oldest->first;
	if (oldest->type == IKW_V2_INFORMATIONAL)
		see_liveness_v2(l, oldest);
	/* the kernel does not wait for an answer: one that comes a little late was none too many */
	else if (!(l->f->seen & IKW_FACT(HARD_LIMIT)) || !oldest->answered)
		see(l, IKW_FACT(GAVE_UP_EXCHANGE));
}

static uint64_t window_of(enum ikw_content content)
{
	return content == IKW_CONTENT_UNKNOWN || content == IKW_CONTENT_MAYBE_EMPTY ? NEAR
										    : CLEAR_NEAR;
}

/*
 * When it was last said, or else answered, by then: it may have been repeated since, and
 * a daemon that was busy reads it late.
 */
static uint64_t done_by(const struct ikw_exchange *x, uint64_t at)
{
	uint64_t done = x->first;

	if (x->ours && x->answered && x->answered <= at)
		return x->answered;
	if (x->last <= at)
		return later(x->answered, x->last, at);
	for (unsigned int i = 1; i < x->copies && i < IKW_COPIES; i++)
		if (x->first + x->copy_ms[i] * IKW_MS <= at)
			done = x->first + x->copy_ms[i] * IKW_MS;
	return done;
}

/* What was last asked of the daemon just before this went out, if anything was. */
static const struct ikw_order *ordered(const struct ikw_look *l, const struct ikw_exchange *x)
{
	return ikw_host_order(&l->w->host, l->c->first.by.tgid, before(x->first, ORDER_AT_ONCE),
			      x->first + 50 * IKW_MS);
}

bool ikw_ordered_end(const struct ikw_look *l, const struct ikw_exchange *x)
{
	const struct ikw_order *order = ordered(l, x);

	return order && order->kind == IKW_ORDER_END;
}

static bool ordered_anew(const struct ikw_look *l, const struct ikw_exchange *x)
{
	const struct ikw_order *order = ordered(l, x);

	return order && order->kind == IKW_ORDER_REKEY;
}

/*
 * With the Delete of an IKE_SA nothing more is said under it: what then goes, goes by
 * that, however long the daemon takes. A cipher that pads shows no more than that it was
 * sent as something was ordered, and was no check.
 */
static bool last_word(const struct ikw_look *l, const struct ikw_exchange *x)
{
	if (x != ikw_ike_exchange(l->f->ike, 0) ||
	    !within(x->answered, before(l->at, TAKES_LONG), l->at))
		return false;
	switch (ikw_ike_content(l->f->ike, x->length)) {
	case IKW_CONTENT_DELETE_IKE:
		return true;
	case IKW_CONTENT_UNKNOWN:
	case IKW_CONTENT_MAYBE_EMPTY:
		return x->ours && x->asked != IKW_ASKED_YES &&
		       (ikw_ordered_end(l, x) || ordered_anew(l, x));
	default:
		return false;
	}
}

static void see_deletes_v2(struct ikw_look *l)
{
	const struct ikw_ike_sa *ike = l->f->ike;

	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);
		enum ikw_content content;
		uint64_t from, when;

		if (x->type != IKW_V2_INFORMATIONAL || x == l->f->gave_up)
			continue;
		content = ikw_ike_content(ike, x->length);
		if (content == IKW_CONTENT_EMPTY)
			continue;
		from = before(l->at, window_of(content));
		when = done_by(x, l->at);
		if (last_word(l, x))
			from = 0;
		if (x->answered && within(x->answered, from, l->now))
			see(l, IKW_FACT(DELETE_EXCHANGE));
		if (!within(when, from, l->at))
			continue;
		if (x->ours && !l->f->local)
			l->f->local = x;
		else if (!x->ours && !l->f->peer)
			l->f->peer = x;
	}
}

/*
 * More than something that happened to come by: of a Delete's length, or the
 * deletion followed at once. IKEv1 answers none, so that what was not answered
 * was one; but of which SA is to be told by its length alone, if it is the only one.
 */
static bool clearly_delete(const struct ikw_ike_sa *ike, const struct ikw_exchange *x, uint64_t at)
{
	/* what it has answered it only answers once more (RFC 7296 2.1) */
	uint64_t done = x->answered && x->answered <= at ? x->answered : done_by(x, at);

	if (ike->version != 2)
		return ikw_ike_fits_esp_delete(ike, x->length) !=
		       ikw_ike_fits_isakmp_delete(ike, x->length);
	switch (ikw_ike_content(ike, x->length)) {
	case IKW_CONTENT_DELETE_IKE:
	case IKW_CONTENT_DELETE_CHILD:
		return true;
	default:
		return at >= x->first && at - done < DELETE_AT_ONCE;
	}
}

/* The deletion went with it: not a liveness check that happened to come by. */
static bool clearly_ours(const struct ikw_exchange *x, uint64_t at)
{
	uint64_t done = x->answered && x->answered <= at ? x->answered : x->first;

	return done > at || at - done < DELETE_AT_ONCE;
}

/* Or the last that was said under the IKE_SA: a slow host takes a while to do what it said. */
static bool ours_at_last(const struct ikw_look *l, const struct ikw_exchange *x)
{
	return clearly_ours(x, l->at) || (x == ikw_ike_exchange(l->f->ike, 0) &&
					  within(x->answered, before(l->at, NEAR), l->at));
}

/* A daemon that takes its SAs away first and tells the peer then (Libreswan, at the end of a life).
 */
static void see_late_delete(struct ikw_look *l)
{
	for (unsigned int k = 0; k < l->f->ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(l->f->ike, k);

		if (x->ours && x->type == IKW_V2_INFORMATIONAL &&
		    within(x->first, l->deed, l->deed + DELETE_AT_ONCE) &&
		    ikw_ike_content(l->f->ike, x->length) != IKW_CONTENT_EMPTY)
			l->f->late = x;
	}
	if (l->f->late)
		see(l, IKW_FACT(DELETE_AFTER));
}

/* What has gone from the memory of its IKE_SA since the case was opened. */
static void see_kept(struct ikw_look *l)
{
	const struct ikw_case *c = l->c;

	if (l->f->local || l->f->peer || l->deed != c->opened || l->f->gave_up || !c->kept)
		return;
	*(c->kept->ours ? &l->f->local : &l->f->peer) = c->kept;
	see(l, IKW_FACT(DELETE_EXCHANGE));
}

static bool looks_due(const struct ikw_exchange *x)
{
	return x->due || x->asked == IKW_ASKED_YES;
}

/* By its length a Delete as well as a check, and it follows no order but one that another follows.
 */
static bool may_be_check(const struct ikw_look *l, const struct ikw_exchange *x)
{
	const struct ikw_order *order = ordered(l, x);
	enum ikw_content content = ikw_ike_content(l->f->ike, x->length);

	if (content == IKW_CONTENT_DELETE_IKE || content == IKW_CONTENT_DELETE_CHILD)
		return false;
	if (!order || order->kind != IKW_ORDER_END)
		return true;
	return looks_due(x) && !order->signo && order->served && order->served != l->f->ike->spi_i;
}

/*
 * Which of two Deletes is the root. One after the other: the later one, for the
 * earlier ended something else or was a liveness check. When they crossed, the
 * earlier one, unless it may have been such a check; who still owes the answer
 * to what the peer asked first has not deleted what it answers under, and who
 * has given that answer and hears on did not end by it.
 */
static bool peers_came_first(struct ikw_look *l, const struct ikw_exchange *local,
			     const struct ikw_exchange *peer)
{
	bool answered = local->answered && local->answered <= l->at;
	bool heard_on = answered && peer->answered && peer->answered <= local->answered;

	if (l->f->ike->version == 1) /* our own may come after the deed */
		return peer->first <= local->first || ikw_check_overtaken_v1(l, local, peer);
	if (peer->first <= local->first) {
		if (peer->answered && peer->answered < local->first)
			return false;
		if (!answered)
			return true;
		if (peer->due || heard_on)
			return false;
	} else if (local->answered && local->answered < peer->first) {
		return true;
	} else if (heard_on && !looks_due(local)) {
		return false;
	}
	if (!may_be_check(l, local))
		return false;
	l->f->vague |= IKW_FACT(PEER_DELETE);
	return true;
}

/* A Delete that was answered, and then the same IKE_SA was used: what went was a CHILD_SA. */
static bool ike_went_on(const struct ikw_ike_sa *ike, const struct ikw_exchange *deletion)
{
	for (unsigned int k = 0; ike->version == 2 && deletion->answered && k < ike->count; k++)
		if (ikw_ike_exchange(ike, k)->first > deletion->answered)
			return true;
	return false;
}

/*
 * A peer whose messages come, and ours do not get there, may check us just before our
 * daemon gives it up: what was due then, and by its length need not be a Delete, ended it.
 */
static void see_peer_amid_silence(struct ikw_look *l)
{
	bool clear;

	if (!l->f->peer || !l->f->gave_up || !(l->f->seen & IKW_FACT(PEER_CLEAR)) ||
	    l->f->peer->due)
		return;
	clear = ikw_ike_content(l->f->ike, l->f->peer->length) == IKW_CONTENT_DELETE_IKE;
	if (!clear && l->f->ike->version == 2 && ikw_ran_out(l->f->gave_up, l->at)) {
		l->f->seen &= ~(IKW_FACT(PEER_DELETE) | IKW_FACT(PEER_CLEAR));
		l->f->peer = NULL;
		l->f->vague |= IKW_FACT(GAVE_UP_LIVENESS) | IKW_FACT(GAVE_UP_INFO) |
			       IKW_FACT(GAVE_UP_EXCHANGE);
		return;
	}
	ikw_not_given_up(l);
	if (!clear)
		l->f->vague |= IKW_FACT(PEER_DELETE);
}

static void see_deletes(struct ikw_look *l)
{
	const struct ikw_exchange *local, *peer;

	if (!l->f->ike)
		return;
	if (l->f->ike->version == 2)
		see_deletes_v2(l);
	else
		ikw_see_deletes_v1(l);
	see_kept(l);
	local = l->f->local;
	peer = l->f->peer;
	if (local && peer) {
		if (peers_came_first(l, local, peer))
			local = NULL;
		else
			peer = NULL;
	}
	l->f->local = local;
	l->f->peer = peer;
	if (!local && !l->f->gave_up && l->f->ike->version == 2 &&
	    (!peer || (peer->due && !clearly_delete(l->f->ike, peer, l->at))))
		see_late_delete(l);
	if (l->f->late)
		l->f->peer = peer = NULL;
	if (local)
		see(l, IKW_FACT(LOCAL_DELETE));
	if (peer)
		see(l, IKW_FACT(PEER_DELETE));
	if (peer && clearly_delete(l->f->ike, peer, l->at))
		see(l, IKW_FACT(PEER_CLEAR));
	see_peer_amid_silence(l);
	if (local && (ikw_ike_content(l->f->ike, local->length) == IKW_CONTENT_DELETE_CHILD ||
		      ike_went_on(l->f->ike, local)))
		see(l, IKW_FACT(CHILD_ONLY));
	if (local && local->asked == IKW_ASKED_YES && ours_at_last(l, local))
		see(l, IKW_FACT(DELETE_ASKED));
}

/*
 * How long a message is under way to the peer and its answer back, at most, as far
 * as was seen: over a satellite longer than most daemons wait before they send it
 * again.
 */
static uint64_t round_trip(const struct ikw_look *l, const struct ikw_ike_sa *next)
{
	uint32_t ms = l->f->ike ? l->f->ike->round_trip_ms : 0;

	if (next && next->round_trip_ms > ms)
		ms = next->round_trip_ms;
	return ms * IKW_MS;
}

/* Since when nothing has been heard that a negotiation waits for. */
static uint64_t waits_since(const struct ikw_ike_sa *ike)
{
	uint64_t since = ike->created;

	for (unsigned int k = 0; k < ike->count; k++)
		since = later(ikw_ike_exchange(ike, k)->answered, since, UINT64_MAX);
	return since;
}

/* Nothing more comes of what it negotiates: whose turn it is has said nothing for too long. */
static bool negotiation_over(const struct ikw_look *l, const struct ikw_ike_sa *ike)
{
	const struct ikw_exchange *x = ikw_ike_exchange(ike, 0);
	uint64_t far = round_trip(l, ike);
	bool told;

	if (!x || ike->refused || l->now - waits_since(ike) > OUTCOME_LIMIT + far)
		return true;
	/* RFC 7296 2.21.2: that it failed is said, and nobody waits for an answer */
	told = x->type == IKW_V2_INFORMATIONAL || x->type == IKW_V1_INFO;
	if (x->ours && !x->answered && !told)
		return x->copies >= 3 && l->now - x->first > 2 * far;
	if (ike->version == 2 && !x->answered && !told) /* our daemon may be asking an AAA server */
		return false;
	return l->now - (x->answered > x->last ? x->answered : x->last) >
	       OUTCOME_QUIET + (x->ours ? 0 : far);
}

static bool negotiation_failed(const struct ikw_look *l, const struct ikw_ike_sa *ike)
{
	return !ike->installed && negotiation_over(l, ike);
}

/* Further CHILD_SAs come one after the other, each by an exchange of its own (RFC 7296 1.3). */
static bool brings_more(const struct ikw_look *l, const struct ikw_ike_sa *ike)
{
	const struct ikw_exchange *x = ikw_ike_exchange(ike, 0);

	return x && ikw_exchange_installs(x->type) && !negotiation_over(l, ike);
}

static bool setting_up_at(const struct ikw_ike_sa *ike, uint64_t at)
{
	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (x->type != IKW_V2_AUTH && x->type != IKW_V1_MAIN &&
		    x->type != IKW_V1_AGGRESSIVE && x->type != IKW_V1_QUICK)
			continue;
		if (x->began <= at && (!x->answered || x->answered + NEAR >= at) &&
		    x->last + CLEAR_NEAR >= at)
			return true;
	}
	return false;
}

/* RFC 7296 2.4: INITIAL_CONTACT is obeyed while our response to it is in the making. */
static bool answering_at(const struct ikw_ike_sa *ike, uint64_t at)
{
	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (x->type == IKW_V2_AUTH && !x->ours && x->first <= at &&
		    (!x->answered || x->answered >= at) && done_by(x, at) + NEAR >= at)
			return true;
	}
	return false;
}

/* A first message alone is anybody's; the second answers ours, which only who is there got. */
static bool genuine(const struct ikw_ike_sa *ike)
{
	if (ike->ours || ike->installed)
		return true;
	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (ike->version == 2 ? x->type != IKW_V2_INIT
				      : x->in > 1 || x->type == IKW_V1_QUICK)
			return true;
	}
	return false;
}

/*
 * How long ago a reauthentication may have failed that ends an IKE_SA now. A
 * daemon that authenticates anew before it gives the old one up leaves it some
 * part of its life for that.
 */
static uint64_t failed_since(const struct ikw_look *l)
{
	uint64_t life = l->f->ike && l->f->ike->created < l->at ? l->at - l->f->ike->created : 0;

	return before(l->at, life / 4 > FAILED_LONG_AGO ? life / 4 : FAILED_LONG_AGO);
}

/* An IKE_SA of ours failed before, and that ended nothing: something else is being tried here. */
static bool fails_anyway(const struct ikw_look *l)
{
	const struct ikw_ikes *ikes = l->c->gen->tunnel->peer->ikes;
	const struct ikw_ike_sa *ike = ikes ? ikes->spare.first : NULL;

	for (; ike; ike = ike->chain[IKW_BY_SPARE].next)
		if (ike->whole && ike->ours && !ike->installed && ike->created > l->c->gen->born &&
		    ike->created < failed_since(l))
			return true;
	return false;
}

/*
 * The peer, whose Delete our daemon had not answered yet, sent it again, and went on when
 * it gave up. (Who begins anew after a restart has not repeated its Deletes.)
 */
static bool instead_of_an_answer(const struct ikw_look *l, const struct ikw_ike_sa *ike)
{
	const struct ikw_exchange *x = l->f->peer;

	return x && x->copies > 1 && (!x->answered || x->answered > ike->created) &&
	       within(ike->created, x->last,
		      x->last + REPEATS_GROW * (x->last - x->first) + IKW_SECOND);
}

/* By when the peer has begun what it begins as it has our answer, wherever that is held up. */
static uint64_t peer_begins_by(const struct ikw_look *l)
{
	const struct ikw_exchange *x = l->f->peer;
	uint64_t since = x && x->answered > l->at ? x->answered : l->at;

	return since + NEW_IKE_AFTER + round_trip(l, NULL);
}

static bool begun_with(const struct ikw_look *l, const struct ikw_ike_sa *ike)
{
	if (!ike->ours && instead_of_an_answer(l, ike))
		return true;
	return within(ike->created, before(l->at, NEW_IKE_BEFORE),
		      ike->ours ? l->deed + NEW_IKE_AFTER : peer_begins_by(l));
}

/* The SAs went when the daemon would have sent its last request once more, or a little later. */
static bool given_up_now(const struct ikw_look *l, const struct ikw_ike_sa *ike)
{
	const struct ikw_exchange *x = ikw_ike_exchange(ike, 0);

	return x && x->ours && !x->answered && x->copies > 1 &&
	       within(l->at, x->last, x->last + REPEATS_GROW * (x->last - x->first) + IKW_SECOND);
}

static void see_new_ike(struct ikw_look *l, const struct ikw_ike_sa *ike)
{
	bool soon = begun_with(l, ike);

	if (!genuine(ike)) {
		l->f->pending_outcome |= soon && ike->spoken && !negotiation_failed(l, ike);
		return;
	}
	if (!ike->ours && ike->created <= l->at && setting_up_at(ike, l->at)) {
		see(l, IKW_FACT(NEW_IKE_OPEN));
		l->f->new_ike = ike;
		if (l->f->gave_up && answering_at(ike, l->at))
			ikw_not_given_up(l);
	}
	if (ike->ours && !ike->installed && fails_anyway(l))
		return;
	if (soon) {
		see(l, ike->ours ? IKW_FACT(NEW_IKE_OUT) : IKW_FACT(NEW_IKE_IN));
		if (ike->ours && ike->created < l->deed)
			see(l, IKW_FACT(NEW_IKE_FIRST));
		l->f->new_ike = ike;
		if (negotiation_failed(l, ike))
			see(l, IKW_FACT(NEW_IKE_FAILED));
		else if (!ike->installed || brings_more(l, ike))
			l->f->pending_outcome = true;
		return;
	}
	if (ike->ours && !ike->installed && ike->created > l->c->gen->born &&
	    ike->created + NEW_IKE_BEFORE < l->at && ike->created >= failed_since(l) &&
	    (!l->f->gave_up || ike->created < l->f->gave_up->first)) {
		see(l, IKW_FACT(REAUTH_FAILED_BEFORE));
		l->f->failed_ike = ike;
		if (given_up_now(l, ike))
			see(l, IKW_FACT(REAUTH_GIVEN_UP));
	}
}

static void look_at_new(struct ikw_look *l, const struct ikw_ike_sa *ike)
{
	if (ike != l->f->ike && ike->whole && ike->created > l->c->gen->born)
		see_new_ike(l, ike);
}

/* Behind one address there may be other clients: of those with other ports what this tunnel had. */
static void see_new_ikes(struct ikw_look *l)
{
	const struct ikw_tunnel *t = l->c->gen->tunnel;
	uint16_t port = ikw_generation_encap(l->c->gen);
	struct ikw_ike_walk walk;
	const struct ikw_ike_sa *ike = ikw_ike_walk(&walk, t->peer->ikes, port);

	for (; ike; ike = ikw_ike_walk_on(&walk))
		look_at_new(l, ike);
	for (const struct ikw_generation *gen = t->generations; gen; gen = gen->next)
		if (gen->ike && !ikw_ike_manages_port(gen->ike, port))
			look_at_new(l, gen->ike);
}

/*
 * Who deletes an IKE_SA to reauthenticate begins the new one when it has our answer:
 * that may still be under way.
 */
static void see_under_way(struct ikw_look *l)
{
	const struct ikw_exchange *x = l->f->peer;

	if (!x || l->f->ike->version != 2 || ike_went_on(l->f->ike, x) ||
	    ikw_ike_content(l->f->ike, x->length) == IKW_CONTENT_DELETE_CHILD)
		return;
	l->f->pending_outcome |= l->now < peer_begins_by(l);
}

/*
 * A CREATE_CHILD_SA for which our daemon reserved an SPI, and which was answered,
 * but brought no SA: the peer answered with an error (RFC 7296 1.3, 2.25). Of
 * several CHILD_SAs it may have been another's.
 */
static void see_refused(struct ikw_look *l)
{
	const struct ikw_ike_sa *ike = l->f->ike;

	for (unsigned int k = 0; ike && k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (x->type != IKW_V2_CHILD || !x->ours || !x->answered || x->answered > l->at)
			continue;
		if (!x->reserved || x->brought || ikw_before_birth(l->c->gen, x->first))
			return;
		l->f->refused = x;
		see(l, IKW_FACT(REKEY_REFUSED));
		if (ike->generations > 1)
			l->f->vague |= IKW_FACT(REKEY_REFUSED);
		return;
	}
}

/*
 * RFC 7296 1.5: INVALID_SPI holds the SPI of the ESP packet it complains of,
 * INVALID_IKE_SPI is a response with the SPIs of the request. Who forges one
 * without seeing our packets knows neither.
 */
static void see_notify(struct ikw_look *l)
{
	const struct ikw_peer *peer = l->c->gen->tunnel->peer;
	const struct ikw_sa_node *out = l->c->gen->out;
	const struct ikw_ike_sa *ike = l->f->ike;
	uint64_t from = before(l->at, 2 * IKW_SECOND);

	if (l->f->gave_up && l->f->gave_up->first < from)
		from = l->f->gave_up->first;
	if (!within(peer->notify_time, from, l->at))
		return;
	see(l, IKW_FACT(INVALID_SPI));
	if ((out && peer->notify_spi && peer->notify_spi == out->spi) ||
	    (ike && within(ike->notify_time, from, l->at)))
		see(l, IKW_FACT(INVALID_SPI_OURS));
}

void ikw_see_wire(struct ikw_look *l)
{
	const struct ikw_peer *peer = l->c->gen->tunnel->peer;

	if (ikw_ike_newest(peer->ikes))
		see(l, IKW_FACT(IKE_SEEN));
	else if (!l->c->gen->dumped && !ikw_case_in_tcp(l->c) && !ikw_case_unheard(l->c, l->w) &&
		 !ikw_peer_speaks_elsewhere(l->w, peer) &&
		 !(ikw_host_missed(&l->w->host, l->c->gen->born, l->at) &
		   (IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)))
		see(l, IKW_FACT(NO_IKE));
	see_gave_up(l);
	see_deletes(l);
	ikw_see_left_behind(l);
	ikw_see_side_by_side(l);
	see_new_ikes(l);
	see_under_way(l);
	see_refused(l);
	see_notify(l);
}
