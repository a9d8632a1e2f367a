// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>
#include "evidence_look.h"

#define CROSSING   (30 * IKW_SECOND)
#define IDLE_LEAST (5 * IKW_SECOND)
#define DELETE_AFTER_NEXT                                                                          \
	(10 * IKW_SECOND) /* from the new SAs to the Delete of the old: 5 s by default */
/* a rekey deletes what it replaced at once, or 5 s later (charon.delete_rekeyed_delay) */
#define REKEY_DELETES (7 * IKW_SECOND)
/* for so long an IKE_SA that the peer seems to have lost may be kept beside its new one: chosen */
#define DUPLICATE_FOR	   (30 * IKW_SECOND)
#define ANEW_AMONG	   8		  /* tunnels of the peer that are looked at */
#define JIFFY		   (10 * IKW_MS)  /* of struct ikw_hdr.time, at most */
#define AT_ONCE		   (300 * IKW_MS) /* from an answer to what it made the daemon do: chosen */
#define TCP_ENCAP_ESPINTCP 7		  /* linux/udp.h, since 5.6 */
#define LIFE_SLACK	   (1500 * IKW_MS) /* daemons end an IKE_SA to the second */

static const uint32_t fact_needs[] = {
#define IKW_X(name, slug, needs) needs,
	IKW_FACTS(IKW_X)
#undef IKW_X
};

uint32_t ikw_fact_needs(enum ikw_fact_bit bit)
{
	return fact_needs[bit];
}

void ikw_not_given_up(struct ikw_look *l)
{
	l->f->gave_up = NULL;
	l->f->silent_checks = 0;
	l->f->seen &=
		~(IKW_FACT(GAVE_UP_LIVENESS) | IKW_FACT(LIVENESS_EMPTY) | IKW_FACT(LIVENESS_CLEAR) |
		  IKW_FACT(ASKED) | IKW_FACT(NOT_ASKED) | IKW_FACT(UNREAD) |
		  IKW_FACT(HEARD_BEFORE) | IKW_FACT(GAVE_UP_INFO) | IKW_FACT(GAVE_UP_EXCHANGE));
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

bool ikw_given_up_at(const struct ikw_ike_sa *ike, const struct ikw_exchange *x, uint64_t at)
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
		if (ikw_given_up_at(ike, x, at))
			return 3;
		if ((x->type == IKW_V2_INFORMATIONAL || x->type == IKW_V1_INFO) &&
		    (within(x->last, before(at, NEAR), at + NEAR) ||
		     within(x->answered, before(at, NEAR), at + NEAR)))
			score = 2;
	}
	return score;
}

bool ikw_before_birth(const struct ikw_generation *gen, uint64_t time)
{
	return !gen->dumped && time < gen->born;
}

/* Of those of its port. */
static bool may_manage(const struct ikw_look *l, const struct ikw_ike_sa *ike)
{
	const struct ikw_generation *gen = l->c->gen;

	if (ike->created > l->at || !ike->spoken || (!ike->spi_r && ike->whole))
		return false;
	if (ikw_before_birth(gen, ike->last_in > ike->last_out ? ike->last_in : ike->last_out))
		return false;
	return true;
}

/* A negotiation begun after the generation came is a successor in the making, not its manager. */
static bool strange(const struct ikw_generation *gen, const struct ikw_ike_sa *own,
		    const struct ikw_ike_sa *ike)
{
	if (!own)
		return ike->version == 2 && ike->whole && ike->created > gen->born;
	/*
	 * IKEv1: an ISAKMP SA takes the tunnels of one that ends over, and negotiates none
	 * for that. One that was there before with a tunnel of its own is another client's.
	 */
	if (own->version == 1)
		return ike->version != 1 || ike->installed > gen->born ||
		       (ike->installed && ike->created <= gen->born);
	return ike->whole || ike->generations;
}

/* How far from the anchor it last said something that may have ended a tunnel. */
static uint64_t said_apart(const struct ikw_ike_sa *ike, uint64_t at)
{
	uint64_t least = UINT64_MAX;

	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);
		uint64_t apart = x->last > at ? x->last - at : at - x->last;

		if ((x->type == IKW_V2_INFORMATIONAL || x->type == IKW_V1_INFO) && apart < least)
			least = apart;
	}
	return least;
}

/*
 * Of the two that may have negotiated it, the one whose wire tells more of its
 * end; what is told by the one that was not thought of, or by none, is vague.
 */
static const struct ikw_ike_sa *pick_rival(struct ikw_look *l, const struct ikw_ike_sa *own)
{
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_ike_sa *rival = ikw_world_ike(l->w, gen->rival);
	int of_own = telling(own, l->at), of_rival;

	if (rival && rival->peer != gen->tunnel->peer)
		rival = NULL;
	l->f->owner_guessed = true;
	of_rival = rival ? telling(rival, l->at) : 0;
	l->f->owner_vague = of_own == 0;
	if (of_rival > of_own || (of_own == 2 && of_rival == 2 &&
				  said_apart(rival, l->at) < said_apart(own, l->at) / 2)) {
		l->f->owner_vague = true;
		return rival;
	}
	return own;
}

/*
 * IKEv1 answers no Delete. Of a tunnel older than the agent, the Delete may be
 * the first message that is seen, and our daemon has said nothing yet. Anybody
 * could send that, but not knowing when: the only one that came, right before.
 */
static const struct ikw_ike_sa *pick_unspoken(struct ikw_look *l)
{
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_ike_sa *ike, *only = NULL;
	struct ikw_ike_walk walk;

	if (!gen->dumped || !ikw_host_is_daemon(&l->w->host, l->c->first.by.tgid))
		return NULL;
	ike = ikw_ike_walk(&walk, gen->tunnel->peer->ikes, ikw_generation_encap(gen));
	for (; ike; ike = ikw_ike_walk_on(&walk)) {
		if (ike->spoken)
			continue;
		if (only)
			return NULL;
		only = ike;
	}
	if (!only || only->version != 1 || only->whole || !only->spi_r ||
	    !within(only->created, before(l->at, NEAR), l->at))
		return NULL;
	l->f->owner_vague = true;
	return only;
}

static const struct ikw_ike_sa *pick_ike(struct ikw_look *l)
{
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_ike_sa *own = ikw_generation_ike(gen), *best = own, *ike;
	int score = own ? telling(own, l->at) : -1;
	unsigned int candidates = 0;
	struct ikw_ike_walk walk;

	if (own && gen->rival)
		return pick_rival(l, own);
	ike = ikw_ike_walk(&walk, gen->tunnel->peer->ikes, ikw_generation_encap(gen));
	for (; ike; ike = ikw_ike_walk_on(&walk)) {
		int s;

		if (ike == own || !may_manage(l, ike) || strange(gen, own, ike))
			continue;
		candidates += !ike->successor;
		l->f->owner_guessed = l->f->owner_vague = !own && candidates > 1;
		s = telling(ike, l->at);
		if (s > score) {
			score = s;
			best = ike;
		}
	}
	return best ? best : pick_unspoken(l);
}

/* ---- the SAD ----------------------------------------------------------------- */

/* Its IKE goes where none is read. */
static bool unread(const struct ikw_look *l)
{
	return ikw_case_in_tcp(l->c) || ikw_case_unheard(l->c, l->w);
}

/*
 * A DELSA repeats the nlmsg_pid of the request it answers (xfrm_del_sa()): what
 * the requester wrote there, its port or always 0. A program does one or the other.
 */
static bool port_told(const struct ikw_sa *sa)
{
	return (sa->hdr.flags & IKW_F_NETLINK) && !(sa->hdr.flags & IKW_F_LATE) &&
	       sa->cause != IKW_CAUSE_FLUSH;
}

static void see_actor(struct ikw_look *l)
{
	const struct ikw_sa *first = &l->c->first;
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_host *host = &l->w->host;
	bool ike = ikw_ike_newest(gen->tunnel->peer->ikes) != NULL;
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
		if (!ike && !unread(l))
			see(l, IKW_FACT(NO_DAEMON));
	} else if (!ikw_host_unheard(host, tgid) &&
		   (gen->installer_tgid ||
		    (!(first->hdr.flags & IKW_F_NO_PROC) && (!ike || ikw_host_has_daemon(host))))) {
		/* else: nobody saw who installed it, nor which process speaks IKE here */
		see(l, IKW_FACT(FOREIGN_DELETER));
	}
}

static void see_sad(struct ikw_look *l)
{
	const struct ikw_sa *first = &l->c->first;

	if (first->hdr.flags & IKW_F_LATE)
		see(l, IKW_FACT(VANISHED));
	if (l->c->same_spi_back)
		see(l, IKW_FACT(SAME_SPI_BACK));
	if (l->c->same_spi_port)
		see(l, IKW_FACT(SAME_SPI_PORT));
	if (l->c->gen->quiet && !unread(l))
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
	/* one that was there before the old SAs is no new IKE_SA, but theirs */
	if ((old->rival || next->rival) && b->created < old->born)
		return true;
	/* IKEv1: a new ISAKMP SA that stood a while before the Quick Mode adopted the tunnels */
	return b->version == 1 && b->whole && next->born - b->created > 3 * IKW_SECOND;
}

/* Behind a NAT: it moved to another port, or another client came. */
static bool ports_differ(const struct ikw_generation *gen, const struct ikw_generation *next)
{
	uint16_t port = ikw_generation_encap(gen), other = ikw_generation_encap(next);

	return port && other && port != other;
}

/*
 * Two clients behind one NAT may have one flow here (L2TP in transport mode): the
 * other's IKE_SA and SAs have a port of their own, and the old ones kept theirs.
 */
static bool at_other_port(const struct ikw_generation *gen, const struct ikw_generation *next)
{
	const struct ikw_ike_sa *a = ikw_generation_ike(gen), *b = ikw_generation_ike(next);

	return ports_differ(gen, next) && a && b && a != b &&
	       a->heard_port == ikw_generation_encap(gen);
}

/* Which of the two it is cannot be told without both IKE_SAs. */
static bool of_unknown_client(const struct ikw_generation *gen, const struct ikw_generation *next)
{
	return ports_differ(gen, next) && (!ikw_generation_ike(gen) || !ikw_generation_ike(next));
}

/* Did we begin it as the new SAs came, and nobody answered? */
static bool as_it_came(const struct ikw_generation *next, const struct ikw_exchange *x)
{
	return x->ours && !x->answered && x->type == IKW_V2_INFORMATIONAL &&
	       within(x->first, before(next->born, AT_ONCE), next->born + AT_ONCE);
}

/* Something was sent under the old IKE_SA as the new SAs came, which nobody answered. */
static bool told_to_go(const struct ikw_generation *gen, const struct ikw_generation *next)
{
	const struct ikw_ike_sa *ike = ikw_generation_ike(gen);

	for (unsigned int k = 0; k < ike->count; k++)
		if (as_it_came(next, ikw_ike_exchange(ike, k)))
			return true;
	return false;
}

/*
 * What goes as the other comes (INITIAL_CONTACT) is displaced all the same, if the
 * peer does not speak at the old port any more: it has one for all of its IKE_SAs.
 */
static bool of_other_client(const struct ikw_generation *gen, const struct ikw_generation *next,
			    uint64_t at)
{
	if (!at_other_port(gen, next))
		return false;
	if (!younger(next, gen) || ikw_heard_by(ikw_generation_ike(gen), at) > next->born)
		return true;
	return next->born + CLEAR_NEAR < at && !told_to_go(gen, next);
}

static bool replaces(const struct ikw_look *l, const struct ikw_generation *next)
{
	const struct ikw_generation *gen = l->c->gen;

	return next != gen && ikw_generation_usable(next) && next->born <= l->at &&
	       !ikw_generations_apart(next, gen) && (younger(next, gen) || crossed(next, gen)) &&
	       !of_other_client(gen, next, l->at);
}

/* The same client's, or for all that is known so: from behind a NAT, by its port. */
static const struct ikw_generation *heir(const struct ikw_look *l, uint64_t from, uint64_t until)
{
	const struct ikw_generation *gen = l->c->gen, *next;

	next = ikw_flow_heir(l->w, gen, from, until);
	if (!next || (next->tunnel->peer == gen->tunnel->peer &&
		      ikw_generation_encap(next) != ikw_generation_encap(gen)))
		return NULL;
	return next;
}

static bool one_host(const struct ikw_selector *s, unsigned int prefixlen)
{
	return prefixlen == (s->family == 2 ? 32 : 128);
}

/* The same, but for the one inner address that one of the two was given. */
static bool given_another(const struct ikw_selector *x, const struct ikw_selector *y)
{
	bool source = memcmp(x->saddr, y->saddr, IKW_ADDR_LEN);

	if (x->family != y->family || x->proto != y->proto || x->sport != y->sport ||
	    x->dport != y->dport || x->sport_mask != y->sport_mask ||
	    x->dport_mask != y->dport_mask || x->prefixlen_s != y->prefixlen_s ||
	    x->prefixlen_d != y->prefixlen_d)
		return false;
	if (source == !!memcmp(x->daddr, y->daddr, IKW_ADDR_LEN))
		return false;
	return one_host(x, source ? x->prefixlen_s : x->prefixlen_d);
}

/* A pool may give a client another address each time; or it is granted less, or more. */
static bool selected_anew(const struct ikw_generation *gen, const struct ikw_generation *next)
{
	const struct ikw_flow *a = ikw_generation_flow(gen), *b = ikw_generation_flow(next);

	if (!a->known || !b->known || a->mark != b->mark || a->mark_mask != b->mark_mask ||
	    gen->tunnel->if_id != next->tunnel->if_id)
		return false;
	return given_another(&a->sel, &b->sel) ||
	       (!gen->tunnel->several && !next->tunnel->several &&
		ikw_selectors_meet(&a->sel, &b->sel));
}

/* What the same client has set up then with other selectors, under a new IKE_SA. */
static const struct ikw_generation *anew(const struct ikw_look *l, uint64_t from, uint64_t until)
{
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_tunnel *t = gen->tunnel->peer->tunnels; /* the newest first */

	for (unsigned int k = 0; t && k < ANEW_AMONG; t = t->peer_next, k++) {
		const struct ikw_generation *next = t->generations;

		if (next && next != gen && (t == gen->tunnel || !next->next) &&
		    next->exchange == IKW_V2_AUTH && ikw_generation_usable(next) &&
		    within(next->born, from, until) &&
		    ikw_generation_ike(next) != ikw_generation_ike(gen) &&
		    ikw_generation_encap(next) == ikw_generation_encap(gen) &&
		    selected_anew(gen, next))
			return next;
	}
	return NULL;
}

static void see_replaced(struct ikw_look *l)
{
	const struct ikw_generation *gen = l->c->gen, *next = gen->tunnel->generations;

	while (next && !replaces(l, next))
		next = next->next;
	if (!next) {
		next = heir(l, before(l->at, CLEAR_NEAR), l->at);
		if (!next)
			next = anew(l, before(l->at, CLEAR_NEAR), l->at);
		if (!next || next->tunnel->peer != gen->tunnel->peer)
			return;
		l->f->vague |= IKW_FACT(REPLACED_IKE) | IKW_FACT(REPLACED_PLAIN);
	}
	l->f->next_gen = next;
	if (of_unknown_client(gen, next))
		l->f->vague |= IKW_FACT(REPLACED_CHILD) | IKW_FACT(REPLACED_IKE) |
			       IKW_FACT(REPLACED_PLAIN);
	if (by_rekey(next) && same_lineage(gen, next))
		see(l, IKW_FACT(REPLACED_CHILD));
	else if (next->exchange)
		see(l, IKW_FACT(REPLACED_IKE));
	else
		see(l, IKW_FACT(REPLACED_PLAIN));
	if (next->ike && next->ike->ours)
		see(l, IKW_FACT(NEXT_OURS));
	if (next->ike != gen->ike && (next->rival || gen->rival))
		l->f->vague |= IKW_FACT(REPLACED_CHILD);
	if (ikw_generation_half(next)) /* one that was never whole, and whose end was missed? */
		l->f->vague |= IKW_FACT(REPLACED_CHILD) | IKW_FACT(REPLACED_IKE);
}

/*
 * Something of ours, no check, that was begun a while after the new SAs came: a daemon may
 * leave the peer some time to delete the old one itself (strongSwan: 10 s).
 */
static bool told_since(const struct ikw_look *l, const struct ikw_exchange *x)
{
	uint64_t born = l->f->next_gen->born;

	if (!x->ours || x->type != IKW_V2_INFORMATIONAL ||
	    !within(x->first, born, born + DUPLICATE_FOR))
		return false;
	switch (ikw_ike_content(l->f->ike, x->length)) {
	case IKW_CONTENT_DELETE_IKE:
		return true;
	case IKW_CONTENT_UNKNOWN:
	case IKW_CONTENT_MAYBE_EMPTY:
		return l->f->seen & IKW_FACT(NOT_ASKED);
	default:
		return false;
	}
}

/*
 * The daemon tells the old one to go as the peer begins anew (without INITIAL_CONTACT,
 * RFC 7296 2.4), or a while later, and the peer does not know it any more.
 */
static bool came_back(const struct ikw_look *l, const struct ikw_exchange *x)
{
	return l->f->seen & IKW_FACT(REPLACED_IKE) &&
	       !(l->f->seen & (IKW_FACT(NEXT_OURS) | IKW_FACT(GAVE_UP_EXCHANGE) |
			       IKW_FACT(LIVENESS_EMPTY) | IKW_FACT(ASKED))) &&
	       (as_it_came(l->f->next_gen, x) || told_since(l, x));
}

/*
 * INITIAL_CONTACT (RFC 7296 2.4) is obeyed at once, in the midst of whatever the
 * daemon still asks under the old IKE_SA; some answer and install the new one first
 * (Libreswan).
 */
static bool displaced(const struct ikw_look *l)
{
	return (l->f->seen & IKW_FACT(REPLACED_IKE)) && !(l->f->seen & IKW_FACT(NEXT_OURS)) &&
	       l->f->next_gen->ike && within(l->f->next_gen->born, before(l->at, AT_ONCE), l->at);
}

void ikw_see_left_behind(struct ikw_look *l)
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
	if (came_back(l, x) || displaced(l)) {
		ikw_not_given_up(l);
		l->f->vague |= IKW_FACT(REPLACED_IKE);
		return;
	}
	/* whom another IKE_SA is there for, may have lost this one: a Delete is not answered then
	 */
	if (x->type == IKW_V2_INFORMATIONAL && !(l->f->seen & IKW_FACT(ASKED)))
		l->f->vague |= IKW_FACT(GAVE_UP_LIVENESS);
	l->f->seen &= ~(replaced | IKW_FACT(NEXT_OURS));
	l->f->next_gen = NULL;
}

/* The other was begun before this one was there, as far as can be told: both ends began at once. */
static bool begun_before_it(const struct ikw_generation *gen, const struct ikw_generation *next)
{
	if (gen->dumped)
		return false;
	return next->born < gen->born + NEAR ||
	       (next->exchange == IKW_V2_AUTH && next->ike && next->ike->created < gen->born);
}

/*
 * RFC 7296 2.8: who rekeys or authenticates anew deletes what that replaces, and does so
 * soon. Where the peer deletes one long after we asked for another, they stood side by side.
 */
void ikw_see_side_by_side(struct ikw_look *l)
{
	const ikw_fact_set replaced = IKW_FACT(REPLACED_CHILD) | IKW_FACT(REPLACED_IKE);
	const struct ikw_generation *next = l->f->next_gen;

	if (!(l->f->seen & replaced) || !(l->f->seen & IKW_FACT(PEER_CLEAR)) ||
	    (next->exchange != IKW_V2_CHILD && next->exchange != IKW_V2_AUTH) ||
	    (!next->ours && !begun_before_it(l->c->gen, next)) ||
	    l->f->peer->first < next->born + REKEY_DELETES)
		return;
	l->f->seen &= ~(replaced | IKW_FACT(NEXT_OURS));
	l->f->next_gen = NULL;
}

/* The two may as well have stood side by side, and one come to its own end; whoever ordered that.
 */
static void see_replaced_late(struct ikw_look *l)
{
	const struct ikw_generation *next = l->f->next_gen;
	const ikw_fact_set replaced = IKW_FACT(REPLACED_CHILD) | IKW_FACT(REPLACED_IKE);

	if (!(l->f->seen & replaced) || (l->f->seen & IKW_FACT(ORDER_END)) ||
	    l->at <= next->born + REKEY_DELETES)
		return;
	if (next->exchange == IKW_V2_CHILD || next->exchange == IKW_V2_AUTH)
		l->f->vague |= replaced;
}

/* In the same tunnel, or under another reqid that the daemon has for the flow by now. */
static bool here_again(const struct ikw_generation *gen, const struct ikw_generation *next)
{
	return next->tunnel == gen->tunnel ||
	       (next->tunnel->peer == gen->tunnel->peer &&
		ikw_generation_encap(next) == ikw_generation_encap(gen));
}

/* Was this begun while the daemon answered the peer's IKE_AUTH that brought these SAs? */
static bool amid_its_auth(const struct ikw_generation *next, uint64_t time)
{
	for (unsigned int k = 0; k < next->ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(next->ike, k);

		if (x->type == IKW_V2_AUTH && !x->ours && x->brought && x->answered)
			return within(time, x->began, x->answered);
	}
	return false;
}

/*
 * A client that comes from another address and is given another inner one (RFC 7296 2.4):
 * what its old IKE_SA is told meanwhile is a Delete, for no check was due.
 */
static const struct ikw_generation *elsewhere_anew(const struct ikw_look *l)
{
	const struct ikw_exchange *x = l->f->gave_up;
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_flow *a = ikw_generation_flow(gen), *b;

	if (!x || x->type != IKW_V2_INFORMATIONAL || !a->known ||
	    !(l->f->seen & (IKW_FACT(NOT_ASKED) | IKW_FACT(UNREAD) | IKW_FACT(GAVE_UP_INFO))) ||
	    ((l->f->seen & IKW_FACT(LIVENESS_CLEAR)) && !(l->f->seen & IKW_FACT(NOT_ASKED))))
		return NULL;
	for (unsigned int k = 0; k < IKW_CAME_UP; k++) {
		const struct ikw_tunnel *t = l->w->came_up[k];
		const struct ikw_generation *next = t ? t->generations : NULL;

		if (!next || t->peer == gen->tunnel->peer || t->if_id != gen->tunnel->if_id ||
		    memcmp(t->peer->local, gen->tunnel->peer->local, IKW_ADDR_LEN) ||
		    !ikw_generation_usable(next) || !next->ike || next->ike->ours)
			continue;
		b = ikw_generation_flow(next);
		if (b->known && a->mark == b->mark && a->mark_mask == b->mark_mask &&
		    given_another(&a->sel, &b->sel) && amid_its_auth(next, x->first))
			return next;
	}
	return NULL;
}

static void see_return(struct ikw_look *l)
{
	const struct ikw_generation *gen = l->c->gen, *next, *back;
	const struct ikw_exchange *gave_up = l->f->gave_up;
	bool near_gap;

	if (l->f->next_gen)
		return;
	next = ikw_flow_usable(l->w, gen->tunnel, gen);
	if (next && next->born > l->at && here_again(gen, next)) {
		/* who took leave a moment ago keeps its port */
		if (l->f->seen & IKW_FACT(PEER_DELETE) && at_other_port(gen, next))
			return;
		l->f->next_gen = next;
		see(l, IKW_FACT(RETURNED));
		/* IKEv1 tells INITIAL_CONTACT beside the exchange that then brings the SAs */
		if (gave_up && (l->f->seen & IKW_FACT(NEW_IKE_OPEN)) &&
		    next->ike == l->f->new_ike && next->born - l->at < CLEAR_NEAR)
			ikw_not_given_up(l);
		return;
	}
	if (!next && !gave_up) {
		/* from elsewhere it displaces the old one as it comes, or has nothing to do with it
		 */
		next = heir(l, before(l->at, NEAR), l->at + NEAR);
		if (next && next->tunnel->peer == gen->tunnel->peer && next->born > l->at) {
			l->f->vague |= IKW_FACT(RETURNED);
			back = next;
		} else {
			back = anew(l, l->at, l->at + CLEAR_NEAR);
		}
		if (back) {
			l->f->next_gen = back;
			see(l, IKW_FACT(RETURNED));
			return;
		}
		l->f->vague |= IKW_FACT(MOVED);
	}
	if (!next && elsewhere_anew(l)) {
		l->f->vague |= IKW_FACT(MOVED);
		see(l, IKW_FACT(MOVED));
		return;
	}
	if (!next || next->tunnel == gen->tunnel || !younger(next, gen) || !next->ike ||
	    next->ike->ours)
		return;
	near_gap = within(next->born, before(l->at, ORDER_BEFORE), l->at + ORDER_BEFORE);
	if (gave_up)
		near_gap = within(next->born, before(gave_up->first, 2 * IKW_SECOND),
				  gave_up->first + 2 * IKW_SECOND);
	if (!near_gap)
		return;
	if (!l->f->ike) /* the peer may have deleted it from there, under an IKE_SA nobody knows */
		l->f->vague |= IKW_FACT(MOVED);
	l->f->next_gen = next;
	see(l, IKW_FACT(MOVED));
}

/*
 * The peer does not know the CHILD_SA any more (CHILD_SA_NOT_FOUND, RFC 7296 2.25):
 * the daemon drops it as it hears so of its rekey, and makes another one under the
 * same IKE_SA.
 */
static void see_remade(struct ikw_look *l)
{
	const struct ikw_exchange *x = l->f->refused;
	const struct ikw_generation *next = l->f->next_gen;

	if (x && next && (l->f->seen & IKW_FACT(RETURNED)) && by_rekey(next) &&
	    ikw_generation_ike(next) == l->f->ike &&
	    within(x->answered, before(l->at, AT_ONCE), l->at)) {
		see(l, IKW_FACT(REMADE));
		/* what else was said then may as well have been a check */
		if (l->f->peer &&
		    ikw_ike_content(l->f->ike, l->f->peer->length) < IKW_CONTENT_DELETE_IKE)
			l->f->vague |= IKW_FACT(PEER_DELETE);
	}
}

/*
 * The new IKE_SA came about and this flow did not: an exchange of ours under it that an SPI
 * was reserved for was answered, and brought no SA.
 */
static void see_left_out(struct ikw_look *l)
{
	const ikw_fact_set goes_on = IKW_FACT(RETURNED) | IKW_FACT(REPLACED_CHILD) |
				     IKW_FACT(REPLACED_IKE) | IKW_FACT(REPLACED_PLAIN);
	const struct ikw_ike_sa *ike = l->f->new_ike;
	bool refused = false, first_refused = false, first_brought = false;

	if (!ike || ike->version != 2 || !ike->ours || !ike->installed || (l->f->seen & goes_on))
		return;
	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);
		bool in_vain = x->answered && x->reserved && !x->brought;

		if (!x->ours)
			continue;
		/* of several IKE_AUTH the first asks for the SAs and the last brings them */
		first_refused |= x->type == IKW_V2_AUTH && in_vain;
		first_brought |= x->type == IKW_V2_AUTH && x->brought;
		refused |= x->type == IKW_V2_CHILD && in_vain;
	}
	if (refused || (first_refused && !first_brought))
		see(l, IKW_FACT(NEW_IKE_WITHOUT));
}

/*
 * A redirect (RFC 5685 5): while it answers a request of the peer the daemon begins
 * an IKE_SA with another one, and deletes this one when that is there (strongSwan);
 * or it answers, deletes this one at once and then begins elsewhere (Libreswan 5).
 */
static bool sent_away_by(const struct ikw_look *l, const struct ikw_exchange *x,
			 const struct ikw_ike_sa *next)
{
	const struct ikw_exchange *local = l->f->local;

	if (x->ours || x->type != IKW_V2_INFORMATIONAL || !x->answered ||
	    ikw_ike_content(l->f->ike, x->length) == IKW_CONTENT_EMPTY)
		return false;
	if (within(next->created, before(x->first, JIFFY), x->answered + JIFFY))
		return true;
	return local && within(local->first, x->answered, x->answered + AT_ONCE) &&
	       within(next->created, local->first, l->at + NEAR);
}

static void see_sent_away(struct ikw_look *l)
{
	const struct ikw_generation *gen = l->c->gen, *next;
	uint64_t told = l->f->gave_up ? l->f->gave_up->first : l->at;

	if (!l->f->ike || l->f->ike->version != 2)
		return;
	next = ikw_flow_usable(l->w, gen->tunnel, gen);
	if (!next || next->tunnel->peer == gen->tunnel->peer || !next->ike || !next->ike->ours ||
	    next->born < before(told, DELETE_AFTER_NEXT))
		return;
	for (unsigned int k = 0; k < l->f->ike->count && !l->f->sent_away; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(l->f->ike, k);

		if (sent_away_by(l, x, next->ike))
			l->f->sent_away = x;
	}
	if (!l->f->sent_away)
		return;
	l->f->next_gen = next;
	see(l, IKW_FACT(SENT_AWAY));
}

/* Its tunnel's, or one's that is not known: a negotiation may come to another one. */
static bool own_mishap(const struct ikw_look *l, const struct ikw_mishap *m)
{
	return !m->tunnel || m->tunnel == l->c->gen->tunnel->index;
}

/*
 * An install that this daemon, or whoever made the SA, was refused for its SPI: of
 * this tunnel, of one that the same IKE_SA manages, or of one that is not known.
 */
static bool refused(const struct ikw_look *l, const struct ikw_mishap *m)
{
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_peer *peer = gen->tunnel->peer;
	uint16_t port = ikw_generation_encap(gen), its = m->encap_dport;

	if (memcmp(m->saddr, peer->local, IKW_ADDR_LEN) ||
	    memcmp(m->daddr, peer->remote, IKW_ADDR_LEN)) {
		if (memcmp(m->daddr, peer->local, IKW_ADDR_LEN) ||
		    memcmp(m->saddr, peer->remote, IKW_ADDR_LEN))
			return false;
		its = m->encap_sport;
	}
	if (!own_mishap(l, m) && m->ike && l->f->ike && m->ike != l->f->ike->spi_i)
		return false;
	if (port && its && port != its && !(l->f->ike && ikw_ike_manages_port(l->f->ike, its)))
		return false; /* of another client behind the same NAT */
	/* what another process tries beside the daemon is no negotiation of this tunnel */
	return !m->tgid || m->tgid == gen->installer_tgid ||
	       ikw_host_is_daemon(&l->w->host, m->tgid);
}

/* The daemon that was refused this SA's SPI cleans up what it did not install, and takes this SA
 * instead. */
static bool disputed(const struct ikw_look *l, const struct ikw_mishap *m)
{
	const struct ikw_sa *first = &l->c->first;

	return m->spi == first->spi && !memcmp(m->daddr, first->daddr, IKW_ADDR_LEN) && m->tgid &&
	       m->tgid == first->by.tgid && m->tgid != l->c->gen->installer_tgid &&
	       ikw_host_is_daemon(&l->w->host, m->tgid) &&
	       within(m->time, before(l->at, CLEAR_NEAR), l->at);
}

static void see_own_mishap(struct ikw_look *l, const struct ikw_mishap *m, bool near)
{
	if (near && ikw_generation_half(l->c->gen) && !l->c->gen->dumped)
		see(l, IKW_FACT(SPI_TAKEN_HALF));
	if (within(m->time, before(l->at, FAILED_LONG_AGO), l->at))
		see(l, IKW_FACT(SPI_TAKEN_LATELY));
	see(l, m->time > l->at ? IKW_FACT(SPI_TAKEN_AFTER) : IKW_FACT(SPI_TAKEN_LIFE));
}

static void see_mishap(struct ikw_look *l)
{
	bool near;

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
		if (!refused(l, m) || ikw_before_birth(l->c->gen, m->time))
			continue;
		near = within(m->time, before(l->at, CLEAR_NEAR), l->at);
		if (!near && !own_mishap(l, m))
			continue;
		if (near)
			see(l, IKW_FACT(SPI_TAKEN));
		if (own_mishap(l, m))
			see_own_mishap(l, m, near);
		if (!l->f->mishap || m->time <= l->at)
			l->f->mishap = m;
	}
}

/*
 * As old as an IKE_SA of this peer was, or its CHILD_SA, when the daemon ended it
 * by itself. That one must have come to its end before most of this one's life:
 * what stood beside it was ended together with it, for whatever cause.
 */
static bool same_life(const struct ikw_life *before, uint64_t born, uint64_t ended)
{
	uint64_t age = ended - born, life = before->ns;
	uint64_t off = life > age ? life - age : age - life;

	return life && off < LIFE_SLACK + life / 100 && born + life / 2 >= before->ended;
}

/*
 * As old as a CHILD_SA before it: one that ended alone, which is told by what the
 * IKE_SA did after it, be it only that this one came of it.
 */
static bool child_as_old(const struct ikw_look *l, uint64_t ended)
{
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_ike_sa *ike = l->f->ike;

	if (same_life(&gen->tunnel->peer->child_life, gen->born, ended))
		return true;
	return gen->ike == ike && gen->born > ike->child_maybe.ended &&
	       same_life(&ike->child_maybe, gen->born, ended);
}

/*
 * A cipher that pads hides what is deleted: as old as the CHILD_SA before it was,
 * and the IKE_SA not as old as the one before, it is the CHILD_SA again.
 */
static bool child_again(const struct ikw_look *l, uint64_t ended)
{
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_peer *peer = gen->tunnel->peer;
	const struct ikw_ike_sa *ike = l->f->ike;

	return l->f->local && !gen->dumped && ended >= gen->born &&
	       ikw_ike_content(ike, l->f->local->length) != IKW_CONTENT_DELETE_IKE &&
	       child_as_old(l, ended) && !same_life(&peer->life, ike->created, ended);
}

static void see_life(struct ikw_look *l)
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
	l->f->life = (struct ikw_life){ .ns = ended - born, .ended = ended };
	l->f->child_life = child;
	if (!child && l->f->local && !gen->dumped && ended >= gen->born &&
	    ikw_ike_content(ike, l->f->local->length) != IKW_CONTENT_DELETE_IKE)
		l->f->child_maybe = (struct ikw_life){ .ns = ended - gen->born, .ended = ended };
	if (child ? child_as_old(l, ended) : same_life(&gen->tunnel->peer->life, born, ended))
		see(l, IKW_FACT(LIFE_AGAIN));
}

/*
 * The kernel had packets for it in its life, and the packet programs saw none: they go by
 * where these do not look (esp4_offload takes them before tc does).
 */
static bool goes_unseen(const struct ikw_generation *gen, const struct ikw_sa_node *sa)
{
	return sa && sa->packets && !sa->last && !gen->dumped;
}

static void see_idle(struct ikw_look *l)
{
	const struct ikw_generation *gen = l->c->gen;
	uint64_t last = gen->born;

	if (goes_unseen(gen, gen->in) || goes_unseen(gen, gen->out)) {
		l->f->blind |= IKW_FACT(IDLE);
		return;
	}

	if (gen->in && gen->in->last > last)
		last = gen->in->last;
	if (gen->out && gen->out->last > last)
		last = gen->out->last;
	l->f->idle_ns = l->at > last ? l->at - last : 0;
	if (l->f->idle_ns >= IDLE_LEAST && (l->w->host.sees & IKW_SEES_ESP))
		see(l, IKW_FACT(IDLE));
}

/* Did the daemon begin something then of which nothing was seen to leave, and which it gave up? */
static bool unsent(const struct ikw_look *l, uint64_t began)
{
	return !ikw_before_birth(l->c->gen, began) &&
	       within(began, ikw_peer_spoken(l->c->gen->tunnel->peer) + 1,
		      before(l->at, GIVE_UP_AGE)) &&
	       !(ikw_host_missed(&l->w->host, began, l->at) & (IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT));
}

/* A check that was due, for nothing had come from the peer, and not a look for some client. */
static bool check_begun(const struct ikw_look *l)
{
	const struct ikw_peer *p = l->c->gen->tunnel->peer;
	const struct ikw_process *daemon = ikw_host_process(&l->w->host, p->asked_by);
	const struct ikw_sa_node *in = l->c->gen->in;
	uint64_t from = before(p->asked_since, NEAR);

	return ikw_ike_asks(l->f->ike, daemon, l->at) && !(in && in->last > from) &&
	       !ikw_host_looked(&l->w->host, p->asked_by, from, l->at);
}

/* The facts that hold of one IKE_SA: as good as the knowledge whose it is. */
static ikw_fact_set facts_of_wire(void)
{
	return IKW_FACT(GAVE_UP_LIVENESS) | IKW_FACT(GAVE_UP_INFO) | IKW_FACT(GAVE_UP_EXCHANGE) |
	       IKW_FACT(LOCAL_DELETE) | IKW_FACT(PEER_DELETE) | IKW_FACT(PEER_ISAKMP_DELETE) |
	       IKW_FACT(PEER_CROSSED) | IKW_FACT(CHECK_UNHEARD) | IKW_FACT(DELETE_AFTER) |
	       IKW_FACT(LIVENESS_EMPTY);
}

/* This host holds back what its daemon sends: netfilter's output, or no route. */
static void see_unsent(struct ikw_look *l)
{
	const struct ikw_peer *p = l->c->gen->tunnel->peer;
	uint64_t reserved;

	if (!l->f->ike || !l->f->ike->spoken || unread(l) || (l->f->seen & facts_of_wire()))
		return;
	reserved = ikw_peer_reserved(l->w, p);
	if (unsent(l, reserved)) {
		see(l, IKW_FACT(UNSENT_EXCHANGE));
		l->f->unsent = reserved;
	} else if (unsent(l, p->asked_since) && check_begun(l)) {
		see(l, IKW_FACT(UNSENT_CHECK));
		l->f->unsent = p->asked_since;
	}
}

/*
 * Silence is the absence of an answer: one could have come unseen, in IKEv2
 * after the last copy. That the peer deleted the ISAKMP SA alone rests on the
 * absence of another Delete, and that it did no more than delete on that of what
 * follows it.
 */
static void see_doubt(struct ikw_look *l)
{
	const struct ikw_exchange *x = l->f->gave_up;
	uint64_t from = !x ? 0 : l->f->silent_checks ? l->f->silent_since : x->last;

	if (x && (ikw_host_missed(&l->w->host, from, l->at) & IKW_SEES_IKE_IN))
		l->f->doubt |= IKW_FACT(GAVE_UP_LIVENESS) | IKW_FACT(GAVE_UP_INFO) |
			       IKW_FACT(GAVE_UP_EXCHANGE) | IKW_FACT(LIVENESS_EMPTY);
	if (ikw_host_missed(&l->w->host, before(l->at, NEAR), l->now) & IKW_SEES_IKE_IN)
		l->f->doubt |= IKW_FACT(PEER_ISAKMP_DELETE);
	/* what the peer began with that Delete, or what became of what was begun */
	if (ikw_host_missed(&l->w->host, l->at, l->now) & (IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT))
		l->f->doubt |= IKW_FACT(PEER_DELETE) | IKW_FACT(NEW_IKE_FAILED) |
			       IKW_FACT(NEW_IKE_WITHOUT);
	if (l->f->owner_vague) /* nor is then which of them an order was for */
		l->f->vague |= facts_of_wire() | IKW_FACT(ORDER_END);
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
static uint64_t looked_from(const struct ikw_look *l)
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

static void see_blind(struct ikw_look *l)
{
	uint32_t missed = ikw_host_missed(&l->w->host, looked_from(l), l->at) |
			  (unread(l) ? IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT : 0);
	uint64_t halves[2] = { 0, 0 };

	for (unsigned int i = 0; missed && i < IKW_FACT_COUNT; i++)
		halves[i / 64] |= (uint64_t) !!(fact_needs[i] & missed) << i % 64;
	l->f->blind |= (ikw_fact_set)halves[1] << 64 | halves[0];
	l->f->blind &= ~l->f->seen;
}

/* Something of ours that is neither a check nor a Delete, and which the peer answered. */
static bool told_something(const struct ikw_look *l, uint64_t from)
{
	for (unsigned int k = 0; k < l->f->ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(l->f->ike, k);

		if (x->ours && x->type == IKW_V2_INFORMATIONAL && within(x->first, from, l->at) &&
		    ikw_ike_content(l->f->ike, x->length) == IKW_CONTENT_SOMETHING)
			return true;
	}
	return false;
}

/*
 * May an order of this host's have made the peer delete it? Only by a message of
 * ours to it: where none was seen, what was given to the daemon does not matter.
 */
static void see_away_blind(struct ikw_look *l)
{
	const struct ikw_ike_sa *ike = l->f->ike;
	uint64_t from = before(l->at, AWAY_FOR);
	uint32_t missed;

	if (!ike || ike->version != 2 || !(l->f->seen & IKW_FACT(PEER_DELETE)))
		return;
	if (ike->whole && ike->created > from)
		from = ike->created;
	missed = ikw_host_missed(&l->w->host, from, l->at);
	if ((missed & IKW_SEES_IKE_OUT) || ((missed & IKW_SEES_CONTROL) && told_something(l, from)))
		l->f->blind |= IKW_FACT(ORDER_AWAY);
}

bool ikw_case_in_tcp(const struct ikw_case *c)
{
	return c->first.encap_type == TCP_ENCAP_ESPINTCP;
}

/* It reserved SPIs, or that could not be seen: who makes SAs by hand may have a
 * UDP port as well. */
static bool may_negotiate(const struct ikw_case *c, const struct ikw_world *w)
{
	const struct ikw_process *p = ikw_host_process(&w->host, c->gen->installer_tgid);

	return !p || p->negotiates || c->gen->dumped ||
	       (ikw_host_missed(&w->host, c->gen->born, c->anchor) & IKW_SEES_LARVAL);
}

bool ikw_case_unheard(const struct ikw_case *c, const struct ikw_world *w)
{
	const struct ikw_sa *sa = &c->first;

	if (sa->encap_sport || sa->encap_dport)
		return !ikw_host_watches(&w->host, sa->encap_sport, c->gen->born) &&
		       !ikw_host_watches(&w->host, sa->encap_dport, c->gen->born);
	return !ikw_ike_newest(c->gen->tunnel->peer->ikes) &&
	       ikw_host_unheard(&w->host, c->gen->installer_tgid) && may_negotiate(c, w);
}

/* Did our daemon say something under it then? */
static bool spoke_between(const struct ikw_ike_sa *ike, uint64_t from, uint64_t to)
{
	for (unsigned int k = 0; ike && k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (within(x->ours ? x->first : x->answered, from, to))
			return true;
	}
	return false;
}

/*
 * When the daemon set about what it did at that time. The thread that deletes SAs may
 * have run scripts of its own before that, one for each tunnel, and waited for each;
 * what it said under the IKE_SA in between belongs to what came before.
 */
static uint64_t set_about(const struct ikw_look *l, uint64_t at)
{
	const struct ikw_actor *by = &l->c->first.by;
	const struct ikw_helper *h;

	while (by->tid && (h = ikw_host_waited_for(&l->w->host, by->tgid, by->tid, at)) &&
	       h->began < at && !ikw_before_birth(l->c->gen, h->began) &&
	       !spoke_between(l->f->ike, h->began, at))
		at = h->began;
	return at;
}

void ikw_facts_collect(struct ikw_facts *f, const struct ikw_case *c, const struct ikw_world *w,
		       uint64_t now, enum ikw_orders orders)
{
	struct ikw_look l = { .f = f,
			      .c = c,
			      .w = w,
			      .at = c->anchor,
			      .deed = c->anchor,
			      .now = now,
			      .orders = orders };

	memset(f, 0, sizeof(*f));
	f->ike = pick_ike(&l);
	l.at = set_about(&l, l.deed);
	if (l.at < l.deed)
		f->ike = pick_ike(&l);
	f->set_about = l.at;
	see_sad(&l);
	see_replaced(&l);
	ikw_see_wire(&l);
	see_return(&l);
	see_remade(&l);
	see_left_out(&l);
	see_sent_away(&l);
	ikw_see_order(&l);
	see_replaced_late(&l);
	see_unsent(&l);
	ikw_see_link(&l);
	ikw_see_address(&l);
	see_mishap(&l);
	see_idle(&l);
	see_life(&l);
	ikw_facts_outside(f, c, w, l.at);
	see_blind(&l);
	see_away_blind(&l);
	see_doubt(&l);
}
