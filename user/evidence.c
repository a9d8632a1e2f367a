// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>
#include "evidence.h"

/*
 * Windows. A daemon takes its SAs away within milliseconds of what made it do
 * so; a loaded or emulated machine takes longer. What is ambiguous by length
 * gets the shorter window, so that an unrelated liveness check is not taken
 * for a Delete.
 */
#define NEAR	       (1 * IKW_SECOND)
#define CLEAR_NEAR     (3 * IKW_SECOND)
#define ORDER_BEFORE   (5 * IKW_SECOND)
#define GIVE_UP_AGE    IKW_GIVE_UP_AGE
#define NEW_IKE_BEFORE (3 * IKW_SECOND)
#define NEW_IKE_AFTER  (1 * IKW_SECOND)
#define OUTCOME_QUIET  (1 * IKW_SECOND)
#define OUTCOME_LIMIT  (10 * IKW_SECOND)
#define CROSSING       (30 * IKW_SECOND)
#define DELETE_AT_ONCE (300 * IKW_MS)
#define ORDER_AT_ONCE  (1 * IKW_SECOND)
#define IDLE_LEAST     (5 * IKW_SECOND)
#define DELETE_AFTER_NEXT                                                                          \
	(10 * IKW_SECOND) /* from the new SAs to the Delete of the old: 5 s by default */
/* a rekey deletes what it replaced at once, or 5 s later (charon.delete_rekeyed_delay) */
#define REKEY_DELETES	(7 * IKW_SECOND)
#define FAILED_LONG_AGO (120 * IKW_SECOND)
#define LIFE_SLACK	(1500 * IKW_MS) /* daemons end an IKE_SA to the second */

struct look {
	struct ikw_facts *f;
	const struct ikw_case *c;
	const struct ikw_world *w;
	uint64_t at; /* the anchor */
	uint64_t now;
};

static const char *const slugs[] = {
#define IKW_X(name, slug, needs) slug,
	IKW_FACTS(IKW_X)
#undef IKW_X
};

static const uint32_t fact_needs[] = {
#define IKW_X(name, slug, needs) needs,
	IKW_FACTS(IKW_X)
#undef IKW_X
};

const char *ikw_fact_slug(enum ikw_fact_bit bit)
{
	return slugs[bit];
}

uint32_t ikw_fact_needs(enum ikw_fact_bit bit)
{
	return fact_needs[bit];
}

static uint64_t before(uint64_t t, uint64_t d)
{
	return t > d ? t - d : 0;
}

static bool within(uint64_t t, uint64_t from, uint64_t to)
{
	return t && t >= from && t <= to;
}

static void see(struct look *l, ikw_fact_set facts)
{
	l->f->seen |= facts;
}

/* Something ended the tunnel before our daemon would have given up. */
static void not_given_up(struct look *l)
{
	l->f->gave_up = NULL;
	l->f->silent_checks = 0;
	l->f->seen &= ~(IKW_FACT(GAVE_UP_LIVENESS) | IKW_FACT(LIVENESS_EMPTY) |
			IKW_FACT(LIVENESS_CLEAR) | IKW_FACT(ASKED) | IKW_FACT(NOT_ASKED) |
			IKW_FACT(GAVE_UP_INFO) | IKW_FACT(GAVE_UP_EXCHANGE));
}

/* Was this exchange still waiting for the peer at the anchor? */
static bool waiting_at(const struct ikw_ike_sa *ike, const struct ikw_exchange *x, uint64_t at)
{
	if (x->first > at)
		return false;
	if (x->answered > at)
		return x->ours;
	return ikw_exchange_pending(ike, x);
}

/* ... and for long enough to have been given up? */
static bool given_up_at(const struct ikw_ike_sa *ike, const struct ikw_exchange *x, uint64_t at)
{
	return waiting_at(ike, x, at) && (x->copies > 1 || at - x->first >= GIVE_UP_AGE) &&
	       !ikw_exchange_over(ike, x, at);
}

/* ---- which IKE_SA ---------------------------------------------------------- */

static int telling(const struct ikw_ike_sa *ike, uint64_t at)
{
	int score = 0;

	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (ikw_exchange_sets_up(x->type))
			continue;
		if (given_up_at(ike, x, at))
			return 3;
		if ((x->type == IKW_V2_INFORMATIONAL || x->type == IKW_V1_INFO) &&
		    (within(x->last, before(at, NEAR), at + NEAR) ||
		     within(x->answered, before(at, NEAR), at + NEAR)))
			score = 2;
	}
	return score;
}

/*
 * Nothing that ended before the generation came can have ended it. What the
 * agent found in place has no known beginning.
 */
static bool before_birth(const struct ikw_generation *gen, uint64_t time)
{
	return !gen->dumped && time < gen->born;
}

static bool may_manage(const struct look *l, const struct ikw_ike_sa *ike)
{
	const struct ikw_generation *gen = l->c->gen;

	if (ike->created > l->at || !ike->spoken || (!ike->spi_r && ike->whole))
		return false;
	if (before_birth(gen, ike->last_in > ike->last_out ? ike->last_in : ike->last_out))
		return false;
	return ikw_ike_manages_port(ike, ikw_generation_encap(gen));
}

/* A negotiation begun after the generation came is a successor in the making, not its manager. */
static bool strange(const struct ikw_generation *gen, const struct ikw_ike_sa *own,
		    const struct ikw_ike_sa *ike)
{
	if (!own)
		return ike->version == 2 && ike->whole && ike->created > gen->born;
	if (own->version == 1)
		return ike->version != 1 || ike->installed > gen->born;
	return ike->whole || ike->generations;
}

static const struct ikw_ike_sa *pick_ike(struct look *l)
{
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_ike_sa *own = ikw_generation_ike(gen), *best = own, *ike;
	int score = own ? telling(own, l->at) : -1;
	unsigned int candidates = 0;

	for (ike = gen->tunnel->peer->ikes; ike; ike = ike->next) {
		int s;

		if (ike == own || !may_manage(l, ike) || strange(gen, own, ike))
			continue;
		candidates += !ike->successor;
		l->f->owner_guessed = !own && candidates > 1;
		s = telling(ike, l->at);
		if (s > score) {
			score = s;
			best = ike;
		}
	}
	return best;
}

/* ---- the SAD ----------------------------------------------------------------- */

/*
 * A DELSA repeats the nlmsg_pid of the request it answers (xfrm_del_sa()): what
 * the requester wrote there, its port or always 0. A program does one or the other.
 */
static bool port_told(const struct ikw_sa *sa)
{
	return (sa->hdr.flags & IKW_F_NETLINK) && !(sa->hdr.flags & IKW_F_LATE) &&
	       sa->cause != IKW_CAUSE_FLUSH;
}

static void see_actor(struct look *l)
{
	const struct ikw_sa *first = &l->c->first;
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_host *host = &l->w->host;
	bool ike = gen->tunnel->peer->ikes != NULL;
	uint32_t tgid = first->by.tgid;

	if (gen->installer_portid && port_told(first) && first->by.portid != gen->installer_portid)
		see(l, IKW_FACT(FOREIGN_PORT));
	if (!tgid)
		return;
	if (ikw_host_is_daemon(host, tgid)) {
		if (gen->installer_tgid && gen->installer_tgid != tgid)
			see(l, IKW_FACT(OTHER_DAEMON));
		return;
	}
	if (gen->installer_tgid == tgid) {
		if (!ike)
			see(l, IKW_FACT(NO_DAEMON));
	} else if (gen->installer_tgid || !ike || ikw_host_has_daemon(host)) {
		/* else: nobody saw who installed it, nor which process speaks IKE here */
		see(l, IKW_FACT(FOREIGN_DELETER));
	}
}

static void see_sad(struct look *l)
{
	const struct ikw_sa *first = &l->c->first;

	if (first->hdr.flags & IKW_F_LATE)
		see(l, IKW_FACT(VANISHED));
	if (l->c->same_spi_back)
		see(l, IKW_FACT(SAME_SPI_BACK));
	if (l->c->same_spi_port)
		see(l, IKW_FACT(SAME_SPI_PORT));
	if (l->c->gen->quiet)
		see(l, IKW_FACT(HAND_MADE));
	switch (first->cause) {
	case IKW_CAUSE_TIMER:
		see(l, IKW_FACT(HARD_LIMIT));
		break;
	case IKW_CAUSE_NETNS:
		see(l, IKW_FACT(NETNS_EXIT));
		break;
	case IKW_CAUSE_DEVICE:
		see(l, IKW_FACT(DEVICE_EXIT));
		break;
	case IKW_CAUSE_FLUSH:
		see(l, IKW_FACT(FLUSHED));
		see_actor(l);
		break;
	default:
		see_actor(l);
	}
}

static uint64_t added_s(const struct ikw_generation *gen)
{
	const struct ikw_sa_node *sa = gen->in ? gen->in : gen->out;

	return sa ? sa->add_wall_s : 0;
}

static bool younger(const struct ikw_generation *a, const struct ikw_generation *b)
{
	if (a->dumped && b->dumped)
		return added_s(a) > added_s(b);
	return a->born > b->born;
}

static bool by_rekey(const struct ikw_generation *gen)
{
	return gen->exchange == IKW_V2_CHILD || gen->exchange == IKW_V1_QUICK;
}

/* Two rekeys that crossed leave two new generations; either may be the redundant one. */
static bool crossed(const struct ikw_generation *a, const struct ikw_generation *b)
{
	uint64_t gap = a->born > b->born ? a->born - b->born : b->born - a->born;

	return by_rekey(a) && by_rekey(b) && gap < CROSSING;
}

static bool same_lineage(const struct ikw_generation *old, const struct ikw_generation *next)
{
	const struct ikw_ike_sa *a = ikw_generation_ike(old), *b = ikw_generation_ike(next);

	if (!a || !b || a == b)
		return true;
	/* IKEv1: a new ISAKMP SA that stood a while before the Quick Mode adopted the tunnels */
	return b->version == 1 && b->whole && next->born - b->created > 3 * IKW_SECOND;
}

static void see_replaced(struct look *l)
{
	const struct ikw_generation *gen = l->c->gen, *next;

	for (next = gen->tunnel->generations; next; next = next->next)
		if (next != gen && ikw_generation_usable(next) && next->born <= l->at &&
		    (younger(next, gen) || crossed(next, gen)))
			break;
	if (!next)
		return;
	l->f->next_gen = next;
	if (by_rekey(next) && same_lineage(gen, next))
		see(l, IKW_FACT(REPLACED_CHILD));
	else if (next->exchange)
		see(l, IKW_FACT(REPLACED_IKE));
	else
		see(l, IKW_FACT(REPLACED_PLAIN));
	if (next->ike && next->ike->ours)
		see(l, IKW_FACT(NEXT_OURS));
	if (ikw_generation_half(next)) /* one that was never whole, and whose end was missed? */
		l->f->vague |= IKW_FACT(REPLACED_CHILD) | IKW_FACT(REPLACED_IKE);
	/* two CHILD_SAs may as well have stood side by side, and one come to its own end */
	if (next->exchange == IKW_V2_CHILD && l->at > next->born + REKEY_DELETES)
		l->f->vague |= IKW_FACT(REPLACED_CHILD);
}

/*
 * SAs that a rekey left behind, for its Delete never came, and that go when the
 * daemon gives the peer up: what takes their successors takes them. But that
 * Delete may be just what was never answered.
 */
static void see_left_behind(struct look *l)
{
	const ikw_fact_set replaced = IKW_FACT(REPLACED_CHILD) | IKW_FACT(REPLACED_IKE);
	const struct ikw_exchange *x = l->f->gave_up;

	if (!x || !(l->f->seen & replaced) ||
	    (l->f->seen & (IKW_FACT(HARD_LIMIT) | IKW_FACT(LOCAL_DELETE) | IKW_FACT(PEER_DELETE))))
		return;
	if (!(l->f->seen & (IKW_FACT(GAVE_UP_EXCHANGE) | IKW_FACT(LIVENESS_EMPTY))) &&
	    (l->f->seen & (IKW_FACT(REPLACED_CHILD) | IKW_FACT(NEXT_OURS))) &&
	    within(x->first, l->f->next_gen->born, l->f->next_gen->born + DELETE_AFTER_NEXT)) {
		see(l, IKW_FACT(DELETE_EXCHANGE));
		l->f->vague |= replaced;
		return;
	}
	l->f->seen &= ~(replaced | IKW_FACT(NEXT_OURS));
	l->f->next_gen = NULL;
}

static void see_return(struct look *l)
{
	const struct ikw_generation *gen = l->c->gen, *next;
	const struct ikw_exchange *gave_up = l->f->gave_up;
	bool near_gap;

	if (l->f->next_gen)
		return;
	next = ikw_tunnel_usable(gen->tunnel, gen);
	if (next && next->born > l->at) {
		l->f->next_gen = next;
		see(l, IKW_FACT(RETURNED));
		/* IKEv1 tells INITIAL_CONTACT beside the exchange that then brings the SAs */
		if (gave_up && (l->f->seen & IKW_FACT(NEW_IKE_OPEN)) &&
		    next->ike == l->f->new_ike && next->born - l->at < CLEAR_NEAR)
			not_given_up(l);
		return;
	}
	next = ikw_flow_usable(l->w, gen->tunnel, gen);
	if (!next || next->tunnel == gen->tunnel || !younger(next, gen) || !next->ike ||
	    next->ike->ours)
		return;
	near_gap = within(next->born, before(l->at, ORDER_BEFORE), l->at + ORDER_BEFORE);
	if (gave_up)
		near_gap = within(next->born, before(gave_up->first, 2 * IKW_SECOND),
				  gave_up->first + 2 * IKW_SECOND);
	if (!near_gap)
		return;
	l->f->next_gen = next;
	see(l, IKW_FACT(MOVED));
}

/* ---- the wire -------------------------------------------------------------- */

/*
 * A daemon reads when the SAs were last used before it checks a silent peer.
 * That it read nothing tells something of a daemon only that does so.
 */
static void see_asked(struct look *l, const struct ikw_exchange *x)
{
	const struct ikw_process *daemon = ikw_host_process(&l->w->host, l->c->first.by.tgid);

	if (x->asked == IKW_ASKED_YES)
		see(l, IKW_FACT(ASKED));
	else if (x->asked == IKW_ASKED_NO && daemon && daemon->asks && !l->f->ike->unasked)
		see(l, IKW_FACT(NOT_ASKED));
}

static void see_liveness_v2(struct look *l, const struct ikw_exchange *x)
{
	const struct ikw_ike_sa *ike = l->f->ike;

	see_asked(l, x);
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

static uint64_t later(uint64_t time, uint64_t than, uint64_t limit)
{
	return time <= limit && time > than ? time : than;
}

/* When the peer was last heard under this IKE_SA by then; it may have come back since. */
static uint64_t heard_by(const struct ikw_ike_sa *ike, uint64_t at)
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

/* An INFO of ours in the silence before the deletion. What goes out with the deletion is a Delete.
 */
static bool in_silence_v1(const struct look *l, const struct ikw_exchange *x)
{
	return x->type == IKW_V1_INFO && x->ours && (!x->answered || x->answered > l->at) &&
	       x->first <= l->at && x->first >= heard_by(l->f->ike, l->at) &&
	       x->last + 20 * IKW_MS <= l->at && !before_birth(l->c->gen, x->last);
}

static unsigned int count_silence_v1(const struct look *l, uint32_t length)
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
static uint32_t check_length_v1(const struct look *l)
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

/* IKEv1 liveness checks have new message IDs each time (RFC 3706): count those in silence. */
static void see_silence_v1(struct look *l)
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
	see_asked(l, l->f->gave_up);
	if (known && l->f->silent_checks >= 2)
		see(l, IKW_FACT(LIVENESS_CLEAR));
}

static void see_gave_up(struct look *l)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	const struct ikw_exchange *oldest = NULL;

	for (unsigned int k = 0; ike && k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (ikw_exchange_sets_up(x->type) || x->type == IKW_V1_INFO ||
		    !given_up_at(ike, x, l->at) || before_birth(l->c->gen, x->last))
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
			see_silence_v1(l);
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

/* When it was last said, or else answered to us, by then: it may have been repeated since. */
static uint64_t done_by(const struct ikw_exchange *x, uint64_t at)
{
	uint64_t done = x->first;

	if (x->ours && x->answered && x->answered <= at)
		return x->answered;
	if (x->last <= at)
		return x->last;
	for (unsigned int i = 1; i < x->copies && i < IKW_COPIES; i++)
		if (x->first + x->copy_ms[i] * IKW_MS <= at)
			done = x->first + x->copy_ms[i] * IKW_MS;
	return done;
}

static void see_deletes_v2(struct look *l)
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

static void see_deletes_v1(struct look *l)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	unsigned int esp = 0, isakmp = 0, other = 0;

	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (x->type != IKW_V1_INFO || (x->answered && x->answered <= l->at) ||
		    x == l->f->gave_up)
			continue;
		if (x->ours && !l->f->gave_up && !l->f->local &&
		    within(x->first, before(l->at, NEAR), l->at + NEAR))
			l->f->local = x;
		if (x->ours || !within(x->first, before(l->at, NEAR), l->at + 2 * IKW_SECOND))
			continue;
		if (x->first <= l->at)
			l->f->peer = x;
		if (ikw_ike_fits_esp_delete(ike, x->length))
			esp++;
		else if (ikw_ike_fits_isakmp_delete(ike, x->length))
			isakmp++;
		else
			other++;
	}
	if (l->f->local || l->f->peer)
		see(l, IKW_FACT(DELETE_EXCHANGE));
	if (l->f->peer && isakmp && !esp && !other)
		see(l, IKW_FACT(PEER_ISAKMP_DELETE));
	if (l->f->peer && esp + isakmp + other > 1) /* both SAs', or several IPsec SAs' */
		see(l, IKW_FACT(PEER_CLEAR));
}

/*
 * More than something that happened to come by: of a Delete's length, or the
 * deletion followed at once. IKEv1 answers none, so that what was not answered
 * was one; but of which SA is to be told by its length alone, if it is the only one.
 */
static bool clearly_delete(const struct ikw_ike_sa *ike, const struct ikw_exchange *x, uint64_t at)
{
	if (ike->version != 2)
		return ikw_ike_fits_esp_delete(ike, x->length) !=
		       ikw_ike_fits_isakmp_delete(ike, x->length);
	switch (ikw_ike_content(ike, x->length)) {
	case IKW_CONTENT_DELETE_IKE:
	case IKW_CONTENT_DELETE_CHILD:
		return true;
	default:
		return at >= x->first && at - done_by(x, at) < DELETE_AT_ONCE;
	}
}

/* The deletion went with it: not a liveness check that happened to come by. */
static bool clearly_ours(const struct ikw_exchange *x, uint64_t at)
{
	uint64_t done = x->answered && x->answered <= at ? x->answered : x->first;

	return done > at || at - done < DELETE_AT_ONCE;
}

/* A daemon that takes its SAs away first and tells the peer then (Libreswan, at the end of a life).
 */
static void see_late_delete(struct look *l)
{
	for (unsigned int k = 0; k < l->f->ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(l->f->ike, k);

		if (x->ours && x->type == IKW_V2_INFORMATIONAL &&
		    within(x->first, l->at, l->at + DELETE_AT_ONCE) &&
		    ikw_ike_content(l->f->ike, x->length) != IKW_CONTENT_EMPTY)
			l->f->late = x;
	}
	if (l->f->late)
		see(l, IKW_FACT(DELETE_AFTER));
}

/* What has gone from the memory of its IKE_SA since the case was opened. */
static void see_kept(struct look *l)
{
	const struct ikw_case *c = l->c;

	if (l->f->local || l->f->peer || l->at != c->opened || l->f->gave_up || !c->kept)
		return;
	*(c->kept->ours ? &l->f->local : &l->f->peer) = c->kept;
	see(l, IKW_FACT(DELETE_EXCHANGE));
}

/* Did an operator order something down just before this went out? */
static bool ordered_end(const struct look *l, const struct ikw_exchange *x)
{
	const struct ikw_order *order =
		ikw_host_order(&l->w->host, l->c->first.by.tgid, before(x->first, ORDER_AT_ONCE),
			       x->first + 50 * IKW_MS);

	return order && order->kind == IKW_ORDER_END;
}

/*
 * Which of two Deletes is the root. One after the other: the later one, for the
 * earlier ended something else or was a liveness check. When they crossed, the
 * earlier one, unless it may have been such a check.
 */
static bool peers_came_first(struct look *l, const struct ikw_exchange *local,
			     const struct ikw_exchange *peer)
{
	enum ikw_content content = ikw_ike_content(l->f->ike, local->length);

	if (l->f->ike->version == 1) /* our own may come after the deed */
		return peer->first <= local->first;
	if (peer->first <= local->first)
		return !local->answered || local->answered > l->at;
	if (local->answered && local->answered < peer->first)
		return true;
	if (content == IKW_CONTENT_DELETE_IKE || content == IKW_CONTENT_DELETE_CHILD ||
	    ordered_end(l, local))
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

static void see_peer_amid_silence(struct look *l)
{
	if (!l->f->peer || !l->f->gave_up || !(l->f->seen & IKW_FACT(PEER_CLEAR)))
		return;
	not_given_up(l);
	if (ikw_ike_content(l->f->ike, l->f->peer->length) != IKW_CONTENT_DELETE_IKE)
		l->f->vague |= IKW_FACT(PEER_DELETE);
}

static void see_deletes(struct look *l)
{
	const struct ikw_exchange *local, *peer;

	if (!l->f->ike)
		return;
	if (l->f->ike->version == 2)
		see_deletes_v2(l);
	else
		see_deletes_v1(l);
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
	if (!local && !peer && !l->f->gave_up && l->f->ike->version == 2)
		see_late_delete(l);
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
	if (local && local->asked == IKW_ASKED_YES && clearly_ours(local, l->at))
		see(l, IKW_FACT(DELETE_ASKED));
}

static bool negotiation_failed(const struct ikw_ike_sa *ike, uint64_t now)
{
	const struct ikw_exchange *x = ikw_ike_exchange(ike, 0);

	if (ike->installed)
		return false;
	if (!x || now - ike->created > OUTCOME_LIMIT)
		return true;
	if (x->ours && !x->answered)
		return x->copies >= 3;
	if (ike->version == 2 && !x->answered) /* our daemon may be asking an AAA server */
		return false;
	return now - (x->answered > x->last ? x->answered : x->last) > OUTCOME_QUIET;
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

/* Another peer behind the same address: other ports, and nothing of this tunnel is its. */
static bool other_client(const struct look *l, const struct ikw_ike_sa *ike)
{
	const struct ikw_generation *gen;

	if (ikw_ike_manages_port(ike, ikw_generation_encap(l->c->gen)))
		return false;
	for (gen = l->c->gen->tunnel->generations; gen; gen = gen->next)
		if (gen->ike == ike)
			return false;
	return true;
}

/*
 * How long ago a reauthentication may have failed that ends an IKE_SA now. A
 * daemon that authenticates anew before it gives the old one up leaves it some
 * part of its life for that.
 */
static uint64_t failed_since(const struct look *l)
{
	uint64_t life = l->f->ike && l->f->ike->created < l->at ? l->at - l->f->ike->created : 0;

	return before(l->at, life / 4 > FAILED_LONG_AGO ? life / 4 : FAILED_LONG_AGO);
}

/* An IKE_SA of ours failed before, and that ended nothing: something else is being tried here. */
static bool fails_anyway(const struct look *l)
{
	const struct ikw_ike_sa *ike = l->c->gen->tunnel->peer->ikes;

	for (; ike; ike = ike->next)
		if (ike->whole && ike->ours && !ike->installed && ike->created > l->c->gen->born &&
		    ike->created < failed_since(l))
			return true;
	return false;
}

static void see_new_ike(struct look *l, const struct ikw_ike_sa *ike)
{
	bool soon = within(ike->created, before(l->at, NEW_IKE_BEFORE), l->at + NEW_IKE_AFTER);

	if (!genuine(ike)) {
		l->f->pending_outcome |= soon && ike->spoken && !negotiation_failed(ike, l->now);
		return;
	}
	if (!ike->ours && ike->created <= l->at && setting_up_at(ike, l->at)) {
		see(l, IKW_FACT(NEW_IKE_OPEN));
		l->f->new_ike = ike;
		if (l->f->gave_up && answering_at(ike, l->at))
			not_given_up(l);
	}
	if (ike->ours && !ike->installed && fails_anyway(l))
		return;
	if (soon) {
		see(l, ike->ours ? IKW_FACT(NEW_IKE_OUT) : IKW_FACT(NEW_IKE_IN));
		if (ike->ours && ike->created < l->at)
			see(l, IKW_FACT(NEW_IKE_FIRST));
		l->f->new_ike = ike;
		if (negotiation_failed(ike, l->now))
			see(l, IKW_FACT(NEW_IKE_FAILED));
		else if (!ike->installed)
			l->f->pending_outcome = true;
		return;
	}
	if (ike->ours && !ike->installed && ike->created > l->c->gen->born &&
	    ike->created + NEW_IKE_BEFORE < l->at && ike->created >= failed_since(l) &&
	    (!l->f->gave_up || ike->created < l->f->gave_up->first)) {
		see(l, IKW_FACT(REAUTH_FAILED_BEFORE));
		l->f->failed_ike = ike;
	}
}

/*
 * RFC 7296 1.5: INVALID_SPI holds the SPI of the ESP packet it complains of,
 * INVALID_IKE_SPI is a response with the SPIs of the request. Who forges one
 * without seeing our packets knows neither.
 */
static void see_notify(struct look *l)
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

static void see_wire(struct look *l)
{
	const struct ikw_peer *peer = l->c->gen->tunnel->peer;
	const struct ikw_ike_sa *ike;

	if (peer->ikes)
		see(l, IKW_FACT(IKE_SEEN));
	else if (!l->c->gen->dumped && !(ikw_host_missed(&l->w->host, l->c->gen->born, l->at) &
					 (IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)))
		see(l, IKW_FACT(NO_IKE));
	see_gave_up(l);
	see_deletes(l);
	see_left_behind(l);
	for (ike = peer->ikes; ike; ike = ike->next)
		if (ike != l->f->ike && ike->whole && ike->created > l->c->gen->born &&
		    !other_client(l, ike))
			see_new_ike(l, ike);
	see_notify(l);
}

/* ---- the host ---------------------------------------------------------------- */

/* The first thing that the daemon did about it. */
static uint64_t first_act(const struct look *l)
{
	if (l->f->gave_up)
		return l->f->gave_up->first;
	return l->f->local && l->f->local->first < l->at ? l->f->local->first : l->at;
}

/*
 * A request to end things names one connection mostly, and which is not seen:
 * another IKE_SA that ends within the second may end by itself. A signal is for all.
 */
static bool served_another(const struct look *l, const struct ikw_order *order)
{
	return order->kind == IKW_ORDER_END && !order->signo && order->served &&
	       (!l->f->ike || l->f->ike->spi_i != order->served);
}

static void see_order_kind(struct look *l, const struct ikw_order *order)
{
	l->f->order = order;
	if (order->time + ORDER_AT_ONCE >= first_act(l) && !served_another(l, order))
		see(l, IKW_FACT(ORDER_NEAR));
	switch (order->kind) {
	case IKW_ORDER_END:
		see(l, IKW_FACT(ORDER_END));
		break;
	case IKW_ORDER_RELOAD:
		see(l, IKW_FACT(ORDER_RELOAD));
		break;
	case IKW_ORDER_REKEY:
		see(l, IKW_FACT(ORDER_REKEY));
		break;
	default:
		see(l, IKW_FACT(ORDER_OTHER));
	}
}

/* That time, but not before the generation came: what was ordered then did not end it. */
static uint64_t since_birth(const struct ikw_generation *gen, uint64_t time)
{
	return before_birth(gen, time) ? gen->born : time;
}

/* What an order makes a daemon send: no check, no rekey, and nothing that IKEv1 would answer. */
static bool may_be_ordered(const struct look *l)
{
	return !(l->f->seen & (IKW_FACT(GAVE_UP_EXCHANGE) | IKW_FACT(LIVENESS_EMPTY))) &&
	       l->f->ike->version == 2;
}

static const struct ikw_order *order_amid_silence(const struct look *l, uint32_t daemon)
{
	const struct ikw_generation *gen = l->c->gen;
	uint64_t first = l->f->gave_up->first;
	const struct ikw_order *order =
		ikw_host_order(&l->w->host, daemon, since_birth(gen, before(first, 2 * IKW_SECOND)),
			       first + 50 * IKW_MS);

	if (order && (may_be_ordered(l) || order->kind == IKW_ORDER_REKEY))
		return order;
	order = ikw_host_order(&l->w->host, daemon, since_birth(gen, before(l->at, 1500 * IKW_MS)),
			       l->at);
	return order && order->kind == IKW_ORDER_END ? order : NULL;
}

/*
 * An order explains a deletion when it came before the first thing the daemon
 * did about it: before the unanswered request, before its Delete, before the
 * deletion. One that came late in a give-up explains it only if it ends things.
 */
static void see_order(struct look *l)
{
	const struct ikw_host *host = &l->w->host;
	const struct ikw_case *c = l->c;
	uint32_t daemon = c->first.by.tgid ? c->first.by.tgid : c->gen->installer_tgid;
	const struct ikw_order *order = NULL;
	uint64_t from, to = l->at;

	if (l->f->seen & (IKW_FACT(REPLACED_CHILD) | IKW_FACT(REPLACED_IKE))) {
		from = before(l->at, ORDER_BEFORE);
		if (l->f->next_gen->born > from)
			from = l->f->next_gen->born;
		order = ikw_host_order(host, daemon, from, l->at);
		if (!order || order->kind != IKW_ORDER_END)
			order = ikw_host_order(
				host, daemon,
				since_birth(c->gen, before(l->f->next_gen->born, ORDER_BEFORE)),
				l->at);
		if (order && order->kind != IKW_ORDER_REKEY && order->time < l->f->next_gen->born)
			order = NULL;
	} else if (l->f->gave_up) {
		order = order_amid_silence(l, daemon);
	} else {
		from = first_act(l);
		order = ikw_host_order(host, daemon,
				       since_birth(c->gen, before(from, ORDER_BEFORE)), to);
	}
	if (order)
		see_order_kind(l, order);
}

/* Was the peer heard between these times? Then it was not this interface that mattered. */
static bool heard_between(const struct look *l, uint64_t from, uint64_t to)
{
	const struct ikw_sa_node *in = l->c->gen->in;

	return (l->f->ike && within(heard_by(l->f->ike, to), from, to)) ||
	       (in && within(in->last, from, to));
}

/* Down or gone at the deletion, whatever became of it since, and from the time `since` at the
 * latest. */
static bool link_off(const struct look *l, const struct ikw_link_state *link, uint64_t since)
{
	if (!link || !link->off || link->off > since || link->off <= l->c->gen->born)
		return false;
	if (heard_between(l, link->off + IKW_SECOND, l->at))
		return false;
	return !link->up || link->gone || link->changed > l->at;
}

static void see_link(struct look *l)
{
	const struct ikw_host *host = &l->w->host;
	const struct ikw_tunnel *t = l->c->gen->tunnel;
	const struct ikw_address *a = ikw_host_address(host, t->peer->local);
	const struct ikw_link_state *link = NULL;
	uint64_t since = l->f->gave_up ? l->f->gave_up->first + IKW_SECOND : l->at;

	if (a)
		link = ikw_host_link(host, a->ifindex);
	if (!link_off(l, link, since))
		link = ikw_host_link(host, t->peer->ifindex);
	if (!link_off(l, link, since))
		return;
	l->f->link = link;
	see(l, link->gone ? IKW_FACT(LINK_GONE) : IKW_FACT(LINK_DOWN));
}

/* An install that this daemon, or whoever made the SA, was refused for its SPI. */
static bool refused(const struct look *l, const struct ikw_mishap *m)
{
	const struct ikw_peer *peer = l->c->gen->tunnel->peer;
	bool ours = !memcmp(m->saddr, peer->local, IKW_ADDR_LEN) &&
		    !memcmp(m->daddr, peer->remote, IKW_ADDR_LEN);
	bool theirs = !memcmp(m->daddr, peer->local, IKW_ADDR_LEN) &&
		      !memcmp(m->saddr, peer->remote, IKW_ADDR_LEN);

	if (m->op != IKW_SA_FAILED || m->error != -EEXIST || (!ours && !theirs))
		return false;
	/* what another process tries beside the daemon is no negotiation of this tunnel */
	return !m->tgid || m->tgid == l->c->gen->installer_tgid ||
	       ikw_host_is_daemon(&l->w->host, m->tgid);
}

/* The daemon that was refused this SA's SPI cleans up what it did not install, and takes this SA
 * instead. */
static bool disputed(const struct look *l, const struct ikw_mishap *m)
{
	const struct ikw_sa *first = &l->c->first;

	return m->op == IKW_SA_FAILED && m->error == -EEXIST && m->spi == first->spi &&
	       !memcmp(m->daddr, first->daddr, IKW_ADDR_LEN) && m->tgid &&
	       m->tgid == first->by.tgid && m->tgid != l->c->gen->installer_tgid &&
	       ikw_host_is_daemon(&l->w->host, m->tgid) &&
	       within(m->time, before(l->at, CLEAR_NEAR), l->at);
}

static void see_mishap(struct look *l)
{
	if (!l->w->mishaps[0].time)
		return;
	for (unsigned int k = 1; k <= IKW_MISHAPS; k++) {
		const struct ikw_mishap *m =
			&l->w->mishaps[(l->w->mishap_head + IKW_MISHAPS - k) % IKW_MISHAPS];

		if (disputed(l, m)) {
			see(l, IKW_FACT(SPI_DISPUTED));
			l->f->mishap = m;
			return;
		}
		if (!refused(l, m) || before_birth(l->c->gen, m->time))
			continue;
		if (within(m->time, before(l->at, CLEAR_NEAR), l->at))
			see(l, IKW_FACT(SPI_TAKEN));
		if (within(m->time, before(l->at, FAILED_LONG_AGO), l->at))
			see(l, IKW_FACT(SPI_TAKEN_LATELY));
		see(l, m->time > l->at ? IKW_FACT(SPI_TAKEN_AFTER) : IKW_FACT(SPI_TAKEN_LIFE));
		if (!l->f->mishap || m->time <= l->at)
			l->f->mishap = m;
	}
}

/* As old as an IKE_SA of this peer was, or its CHILD_SA, when the daemon ended it by itself. */
static bool same_life(uint64_t life, uint64_t age)
{
	uint64_t off = life > age ? life - age : age - life;

	return life && off < LIFE_SLACK + life / 100;
}

/*
 * A cipher that pads hides what is deleted: as old as the CHILD_SA before it was,
 * and the IKE_SA not as old as the one before, it is the CHILD_SA again.
 */
static bool child_again(const struct look *l, uint64_t ended)
{
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_peer *peer = gen->tunnel->peer;
	const struct ikw_ike_sa *ike = l->f->ike;

	return l->f->local && !gen->dumped && ended >= gen->born &&
	       ikw_ike_content(ike, l->f->local->length) != IKW_CONTENT_DELETE_IKE &&
	       same_life(peer->child_life, ended - gen->born) &&
	       !same_life(peer->life, ended - ike->created);
}

static void see_life(struct look *l)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	const struct ikw_generation *gen = l->c->gen;
	bool child = l->f->seen & IKW_FACT(CHILD_ONLY);
	uint64_t born, ended = l->at;

	/* the daemon's decision, not the SAs' end after it: the peer may be slow to answer */
	if (l->f->local && l->f->local->first < l->at)
		ended = l->f->local->first;
	if (l->f->late)
		child = ikw_ike_content(ike, l->f->late->length) == IKW_CONTENT_DELETE_CHILD;
	if (ike && !child && child_again(l, ended)) {
		see(l, IKW_FACT(CHILD_ONLY));
		child = true;
	}
	born = child ? gen->born : ike ? ike->created : 0;
	if (!ike || (!l->f->local && !l->f->late) || (child ? gen->dumped : !ike->whole) ||
	    born > ended)
		return;
	l->f->life_ns = ended - born;
	l->f->child_life = child;
	if (same_life(child ? gen->tunnel->peer->child_life : gen->tunnel->peer->life,
		      l->f->life_ns))
		see(l, IKW_FACT(LIFE_AGAIN));
}

static void see_idle(struct look *l)
{
	const struct ikw_generation *gen = l->c->gen;
	uint64_t last = gen->born;

	if (gen->in && gen->in->last > last)
		last = gen->in->last;
	if (gen->out && gen->out->last > last)
		last = gen->out->last;
	l->f->idle_ns = l->at > last ? l->at - last : 0;
	if (l->f->idle_ns >= IDLE_LEAST && (l->w->host.sees & IKW_SEES_ESP))
		see(l, IKW_FACT(IDLE));
}

ikw_fact_set ikw_facts_of_wire(void)
{
	return IKW_FACT(GAVE_UP_LIVENESS) | IKW_FACT(GAVE_UP_INFO) | IKW_FACT(GAVE_UP_EXCHANGE) |
	       IKW_FACT(LOCAL_DELETE) | IKW_FACT(PEER_DELETE) | IKW_FACT(PEER_ISAKMP_DELETE) |
	       IKW_FACT(DELETE_AFTER) | IKW_FACT(LIVENESS_EMPTY);
}

/*
 * Silence is the absence of an answer: one could have come unseen, in IKEv2
 * after the last copy. That the peer deleted the ISAKMP SA alone rests on the
 * absence of another Delete.
 */
static void see_doubt(struct look *l)
{
	const struct ikw_exchange *x = l->f->gave_up;
	uint64_t from = !x ? 0 : l->f->silent_checks ? l->f->silent_since : x->last;

	if (x && (ikw_host_missed(&l->w->host, from, l->at) & IKW_SEES_IKE_IN))
		l->f->doubt |= IKW_FACT(GAVE_UP_LIVENESS) | IKW_FACT(GAVE_UP_INFO) |
			       IKW_FACT(GAVE_UP_EXCHANGE) | IKW_FACT(LIVENESS_EMPTY);
	if (ikw_host_missed(&l->w->host, before(l->at, NEAR), l->now) & IKW_SEES_IKE_IN)
		l->f->doubt |= IKW_FACT(PEER_ISAKMP_DELETE);
	if (l->f->owner_guessed)
		l->f->vague |= ikw_facts_of_wire();
	l->f->doubt &= l->f->seen;
}

/* When the last exchange of ours before this one was answered; 0: none was seen. */
static uint64_t settled_before(const struct ikw_ike_sa *ike, const struct ikw_exchange *x)
{
	/* answered checks that are alike share one place in the list */
	uint64_t time = ike->live_last < x->first ? ike->live_last : x->first - ike->live_gap;

	if (time == x->first)
		time = 0;
	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *y = ikw_ike_exchange(ike, k);

		if (y != x && y->ours && y->answered && y->answered <= x->first &&
		    y->answered > time)
			time = y->answered;
	}
	return time;
}

/*
 * What may have led to it began then. In IKEv2 the first copy of a request that was seen need not
 * be the first that was sent: one before it came no longer before than the next came after (the
 * gaps between retransmissions grow, or stay), and not before the exchange before was over.
 */
static uint64_t looked_from(const struct look *l)
{
	const struct ikw_exchange *x = l->f->gave_up;
	uint64_t from, next, settled;

	if (!x)
		return before(l->at, 2 * IKW_SECOND);
	from = before(x->first, 2 * IKW_SECOND);
	if (!l->f->ike || l->f->ike->version != 2)
		return from;
	next = x->copies > 1 ? x->copy_ms[1] * IKW_MS : l->at > x->first ? l->at - x->first : 0;
	settled = settled_before(l->f->ike, x);
	if (!settled)
		return before(from, next);
	next = before(x->first, next);
	if (settled < next)
		settled = next;
	return settled < from ? settled : from;
}

static void see_blind(struct look *l)
{
	uint32_t missed = ikw_host_missed(&l->w->host, looked_from(l), l->at);

	for (unsigned int i = 0; i < IKW_FACT_COUNT; i++)
		if (fact_needs[i] & missed)
			l->f->blind |= IKW_FACT_SET(i);
	l->f->blind &= ~l->f->seen;
}

void ikw_facts_collect(struct ikw_facts *f, const struct ikw_case *c, const struct ikw_world *w,
		       uint64_t now)
{
	struct look l = { .f = f, .c = c, .w = w, .at = c->anchor, .now = now };

	memset(f, 0, sizeof(*f));
	f->ike = pick_ike(&l);
	see_sad(&l);
	see_replaced(&l);
	see_wire(&l);
	see_return(&l);
	see_order(&l);
	see_link(&l);
	see_mishap(&l);
	see_idle(&l);
	see_life(&l);
	ikw_facts_outside(f, c, w, l.at);
	see_blind(&l);
	see_doubt(&l);
}
