// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The facts that this host shows: orders to the daemon, links, addresses. */
#include <string.h>
#include "evidence_look.h"

#define FORCED (500 * IKW_MS) /* from an order to the deletion that waits for no peer: chosen */
/* How long an order counts that another IKE_SA only seemed to follow: chosen. */
#define UNSURE_FOR (2 * IKW_SECOND)
#define SLACK	   (5 * IKW_MS) /* events of several CPUs may pass each other */
/* To know whether something is loaded over and over, so long: chosen. */
#define LOADS_BEFORE (60 * IKW_SECOND)
/*
 * What has been given in vain n times has its effect the next time with a chance of
 * 1 in n + 2 (the rule of succession); that something else happens d after it when
 * it is given every g, with one of d in g. The latter may be so much the rarer.
 */
#define BY_CHANCE 4

/* The first thing that the daemon did about it. */
static uint64_t first_act(const struct ikw_look *l)
{
	if (l->f->gave_up)
		return l->f->gave_up->first;
	return l->f->local && l->f->local->first < l->at ? l->f->local->first : l->at;
}

/*
 * A request to end things names one connection mostly, and which is not seen:
 * another IKE_SA that ends within the second may end by itself. A signal is for all.
 */
static bool served_another(const struct ikw_look *l, const struct ikw_order *order)
{
	return order->kind == IKW_ORDER_END && !order->signo && order->served &&
	       (!l->f->ike || l->f->ike->spi_i != order->served);
}

/*
 * An order for several is followed by one after the other, each begun when the
 * last one has gone. What begins well after that begins by itself. Who seemed to
 * follow it may only have sent a check, though.
 */
static bool of_others(const struct ikw_look *l, const struct ikw_order *order)
{
	uint64_t last = order->followed > order->time ? order->followed : order->time;

	return served_another(l, order) &&
	       first_act(l) > last + (order->unsure ? UNSURE_FOR : FORCED);
}

static void see_order_kind(struct ikw_look *l, const struct ikw_order *order)
{
	const struct ikw_process *p = ikw_host_process(&l->w->host, order->by.tgid);

	l->f->order = order;
	if (order->time + ORDER_AT_ONCE >= first_act(l) && !served_another(l, order))
		see(l, IKW_FACT(ORDER_NEAR));
	switch (order->kind) {
	case IKW_ORDER_END:
		see(l, IKW_FACT(ORDER_END));
		break;
	case IKW_ORDER_RELOAD:
		see(l, IKW_FACT(ORDER_RELOAD));
		/* whether it is the same that is loaded again and again is not known */
		if (!p || !p->described ||
		    (ikw_host_missed(&l->w->host, before(order->time, LOADS_BEFORE), order->time) &
		     IKW_SEES_CONTROL))
			l->f->vague |= IKW_FACT(ORDER_RELOAD);
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
	return ikw_before_birth(gen, time) ? gen->born : time;
}

/* What an order makes a daemon send: no check, no rekey, and nothing that IKEv1 would answer. */
static bool may_be_ordered(const struct ikw_look *l)
{
	return !(l->f->seen & (IKW_FACT(GAVE_UP_EXCHANGE) | IKW_FACT(LIVENESS_EMPTY))) &&
	       l->f->ike->version == 2;
}

static bool check_due(const struct ikw_look *l)
{
	return (l->f->seen & IKW_FACT(GAVE_UP_LIVENESS)) &&
	       ikw_ike_check_due(l->f->ike, l->f->gave_up);
}

static bool looks_like_check(const struct ikw_look *l)
{
	return check_due(l) || (l->f->seen & IKW_FACT(ASKED));
}

static bool at_once(const struct ikw_look *l, const struct ikw_order *order)
{
	return l->f->gave_up->first <= order->time + IKW_ORDER_FOLLOWS;
}

/*
 * Where many peers fall silent at once, somebody orders one of them down, and
 * liveness checks of all others begin within the second. What was ordered
 * begins at once; a check does not follow an order, but the clock of the checks
 * before it, and a look at when the peer was last heard.
 */
static bool order_began(const struct ikw_look *l, const struct ikw_order *order)
{
	bool check = check_due(l) && (l->f->seen & IKW_FACT(ASKED));

	if (order->kind == IKW_ORDER_REKEY)
		return !check && at_once(l, order);
	if (!may_be_ordered(l))
		return false;
	if (order->kind != IKW_ORDER_END || order->signo || (l->f->seen & IKW_FACT(GAVE_UP_INFO)))
		return true;
	if (served_another(l, order) || check)
		return false;
	return at_once(l, order) || !looks_like_check(l);
}

/* Likewise, and of several at once the one that this IKE_SA was the first to follow. */
static bool order_began_this(const struct ikw_look *l, const struct ikw_order *order)
{
	return order->served == l->f->ike->spi_i && order_began(l, order);
}

/* One that another IKE_SA followed, but it may have been for several. */
static bool order_beside(const struct ikw_look *l, const struct ikw_order *order)
{
	return served_another(l, order) && may_be_ordered(l) && at_once(l, order) &&
	       !looks_like_check(l);
}

static bool begun_before(const struct ikw_look *l, const struct ikw_order *order);

static bool not_of_others(const struct ikw_look *l, const struct ikw_order *order)
{
	return !of_others(l, order) && !begun_before(l, order);
}

/* What is given over and over: does what follows it do so by chance? */
static bool by_chance(const struct ikw_look *l, const struct ikw_order *order)
{
	unsigned int in_vain;
	uint64_t gap = ikw_host_order_routine(&l->w->host, order, &in_vain), act = first_act(l);

	if (!gap || act + SLACK < order->time)
		return gap;
	return act > order->time && (act - order->time) * BY_CHANCE * (in_vain + 2) > gap;
}

/* A daemon does what a configuration asks for as it is loaded. */
static bool long_loaded(const struct ikw_look *l, const struct ikw_order *order)
{
	return (order->kind == IKW_ORDER_RELOAD || order->kind == IKW_ORDER_UNKNOWN) &&
	       order->time + ORDER_AT_ONCE < first_act(l);
}

/* Given just before, but hardly for this: it explains what nothing else explains. */
static bool aside(const struct ikw_look *l, const struct ikw_order *order)
{
	return long_loaded(l, order) || by_chance(l, order);
}

/* Another IKE_SA followed it: for this one it was given only if it was for several. */
static bool of_another(const struct ikw_look *l, const struct ikw_order *order)
{
	const struct ikw_order *first;

	if (order->kind != IKW_ORDER_END || order->signo)
		return false;
	if (served_another(l, order) || order->shared)
		return true;
	first = ikw_host_order_repeated(&l->w->host, order);
	return first && served_another(l, first);
}

struct order_look {
	const struct ikw_look *l;
	bool (*fits)(const struct ikw_look *l, const struct ikw_order *order);
};

static bool order_fits(const void *ctx, const struct ikw_order *order)
{
	const struct order_look *look = ctx;

	return look->fits(look->l, order);
}

static bool fits_well(const void *ctx, const struct ikw_order *order)
{
	const struct order_look *look = ctx;

	if (look->l->orders == IKW_ORDERS_PLAIN && order->kind == IKW_ORDER_RELOAD)
		return false;
	if (look->l->orders == IKW_ORDERS_NO_END && order->kind == IKW_ORDER_END && !order->signo)
		return false;
	return look->fits(look->l, order) && !aside(look->l, order);
}

/* Likewise, and to end or to rekey something, which nobody else has followed. */
static bool fits_best(const void *ctx, const struct ikw_order *order)
{
	const struct order_look *look = ctx;

	return fits_well(ctx, order) && !of_another(look->l, order) &&
	       (look->l->orders != IKW_ORDERS_ALL || order->kind == IKW_ORDER_END ||
		order->kind == IKW_ORDER_REKEY);
}

/* Something was begun that an order to rekey would begin, or to authenticate anew. */
static bool anew(const struct ikw_look *l)
{
	return l->f->next_gen || l->f->new_ike || l->f->gave_up;
}

/* The latest order between these times that fits, the weightiest first, those aside last; NULL:
 * none. */
static const struct ikw_order *
order_that(const struct ikw_look *l, uint32_t daemon, uint64_t from, uint64_t to,
	   bool (*fits)(const struct ikw_look *l, const struct ikw_order *order))
{
	const struct order_look look = { l, fits };
	const struct ikw_host *host = &l->w->host;
	const struct ikw_order *order =
		ikw_host_order_that(host, daemon, from, to, fits_best, &look);

	if (!order || (order->kind == IKW_ORDER_REKEY && !anew(l)))
		order = ikw_host_order_that(host, daemon, from, to, fits_well, &look);
	if (order || l->orders != IKW_ORDERS_ALL)
		return order;
	return ikw_host_order_that(host, daemon, from, to, order_fits, &look);
}

bool ikw_ran_out(const struct ikw_exchange *x, uint64_t at)
{
	unsigned int n = x->copies;
	uint64_t gap, before_it, due, waited = (at - x->last) / IKW_MS;

	if (n < 3 || n > IKW_COPIES)
		return false;
	gap = x->copy_ms[n - 1] - x->copy_ms[n - 2];
	before_it = x->copy_ms[n - 2] - x->copy_ms[n - 3];
	if (!before_it)
		return false;
	due = gap * gap / before_it;
	if (due < gap)
		due = gap;
	return waited + due / 10 + 60 >= due;
}

/* An order to end it that the daemon followed at once, whatever it was waiting for. */
static bool order_cut_short(const struct ikw_look *l, const struct ikw_order *order)
{
	const struct ikw_exchange *x = l->f->gave_up;

	if (order->kind != IKW_ORDER_END)
		return false;
	if (order->signo)
		return true;
	if (order->time + FORCED < l->at || ikw_ran_out(x, l->at))
		return false;
	return x->copies >= 3 || !served_another(l, order);
}

static bool any(const struct ikw_look *l, const struct ikw_order *order)
{
	(void)l;
	(void)order;
	return true;
}

static const struct ikw_order *order_amid_silence(struct ikw_look *l, uint32_t daemon)
{
	const struct ikw_generation *gen = l->c->gen;
	uint64_t from = since_birth(gen, before(l->f->gave_up->first, 2 * IKW_SECOND));
	uint64_t to = l->f->gave_up->first + 50 * IKW_MS;
	const struct ikw_order *order = order_that(l, daemon, from, to, order_began_this);

	if (!order)
		order = order_that(l, daemon, from, to, order_began);
	if (order) {
		if (order->kind == IKW_ORDER_END &&
		    (looks_like_check(l) || (served_another(l, order) && !at_once(l, order))))
			l->f->vague |= IKW_FACT(ORDER_END);
		if (order->kind == IKW_ORDER_REKEY && looks_like_check(l))
			l->f->vague |= IKW_FACT(ORDER_REKEY);
		return order;
	}
	if (order_that(l, daemon, from, to, order_beside))
		l->f->vague |= IKW_FACT(GAVE_UP_LIVENESS);
	order = order_that(l, daemon, since_birth(gen, before(l->at, 1500 * IKW_MS)), l->at, any);
	if (!order || !order_cut_short(l, order))
		return NULL;
	if (of_another(l, order))
		l->f->vague |= IKW_FACT(ORDER_END) | IKW_FACT(BY_SERVICE) | IKW_FACT(BY_TRACKER) |
			       IKW_FACT(BY_LEASES);
	return order;
}

/* Our Delete was sent before the order, unless that was a liveness check that looks like one. */
static bool begun_before(const struct ikw_look *l, const struct ikw_order *order)
{
	const struct ikw_exchange *x = l->f->local;
	const struct ikw_ike_sa *ike = l->f->ike;

	if (!x || x->first + SLACK >= order->time || x->asked == IKW_ASKED_YES)
		return false;
	/* once answered, it counts as one of these itself */
	return ikw_ike_content(ike, x->length) >= IKW_CONTENT_DELETE_IKE || ike->live_count < 2 ||
	       ike->live_length != x->length;
}

/* Where a newer one carries the flow, an order to end something may be for any other tunnel. */
static bool not_beside_new(const struct ikw_look *l, const struct ikw_order *order)
{
	return order->kind != IKW_ORDER_END ||
	       (!begun_before(l, order) && !served_another(l, order));
}

static bool ends_old(const struct ikw_look *l, const struct ikw_order *order)
{
	return order->kind == IKW_ORDER_END && not_beside_new(l, order);
}

static const struct ikw_order *order_beside_new(const struct ikw_look *l, uint32_t daemon)
{
	uint64_t born = l->f->next_gen->born, from = before(l->at, ORDER_BEFORE);
	const struct ikw_order *order =
		order_that(l, daemon, born > from ? born : from, l->at, ends_old);

	if (order)
		return order;
	order = order_that(l, daemon, since_birth(l->c->gen, before(born, ORDER_BEFORE)), l->at,
			   not_beside_new);
	return order && (order->kind == IKW_ORDER_REKEY || order->time >= born) ? order : NULL;
}

/*
 * The peer was told to go to another gateway. It leaves by itself, or the daemon
 * deletes what it left behind (strongSwan: 30 s later).
 */
static const struct ikw_order *order_away(const struct ikw_look *l, uint32_t daemon)
{
	const struct ikw_ike_sa *ike = l->f->ike;

	if (!ike || !ike->away || !may_be_ordered(l) || looks_like_check(l) ||
	    !within(ike->away, before(first_act(l), AWAY_FOR), first_act(l)))
		return NULL;
	return ikw_host_order(&l->w->host, daemon, ike->away, ike->away);
}

/*
 * Since when an order may have been given that the daemon then obeyed. One that waits
 * for its scripts reads what it is asked when they have ended.
 */
static uint64_t ordered_from(const struct ikw_look *l, uint32_t daemon)
{
	uint64_t from = first_act(l);
	const struct ikw_helper *h;

	while ((h = ikw_host_waited_for(&l->w->host, daemon, 0, from)) && h->began < from)
		from = h->began;
	return since_birth(l->c->gen, before(from, ORDER_BEFORE));
}

void ikw_see_order(struct ikw_look *l)
{
	const struct ikw_case *c = l->c;
	uint32_t daemon = c->first.by.tgid ? c->first.by.tgid : c->gen->installer_tgid;
	const ikw_fact_set replaced = IKW_FACT(REPLACED_CHILD) | IKW_FACT(REPLACED_IKE);
	const struct ikw_order *order = NULL, *away = NULL;

	if (l->f->seen & replaced) {
		order = order_beside_new(l, daemon);
	} else if (l->f->gave_up) {
		order = order_amid_silence(l, daemon);
	} else {
		order = order_that(l, daemon, ordered_from(l, daemon), l->at, not_of_others);
	}
	if (!(l->f->seen & replaced) && (!order || order->away || of_another(l, order)))
		away = order_away(l, daemon);
	if (away)
		see(l, IKW_FACT(ORDER_AWAY));
	if (away && (!order || of_another(l, order)))
		order = away;
	if (!order)
		return;
	see_order_kind(l, order);
	if (aside(l, order))
		l->f->aside = order;
	l->f->of_another = of_another(l, order);
	l->f->at_once = first_act(l) <= order->time + IKW_ORDER_FOLLOWS;
}

/* Was the peer heard between these times? Then it was not this interface that mattered. */
static bool heard_between(const struct ikw_look *l, uint64_t from, uint64_t to)
{
	const struct ikw_sa_node *in = l->c->gen->in;

	return (l->f->ike && within(ikw_heard_by(l->f->ike, to), from, to)) ||
	       (in && within(in->last, from, to));
}

/* It went off in this generation's life, at the time `since` at the latest. */
static bool link_off(const struct ikw_look *l, const struct ikw_link_state *link, uint64_t since)
{
	return link && link->off <= since && link->off > l->c->gen->born &&
	       !heard_between(l, link->off + IKW_SECOND, l->at);
}

static bool was_dark(const struct ikw_look *l, const struct ikw_link_state *link)
{
	return link && ikw_link_was_stopped(link, l->at) && link->stopped > l->c->gen->born &&
	       !heard_between(l, link->stopped + IKW_SECOND, l->at);
}

/* It was removed, up as it was: down comes first then, at once. What is removed later was set down.
 */
static bool removed(const struct ikw_link_state *link, uint64_t at)
{
	return link->gone && link->changed <= at && link->changed <= link->off + NEAR;
}

/*
 * One that another took the place of when it went off or lost its carrier; 0: it
 * did so before, for another cause.
 */
static uint32_t until_off(const struct ikw_host *host, uint32_t ifindex, uint32_t replaced)
{
	const struct ikw_link_state *link = ikw_host_link(host, ifindex);
	uint64_t lost = !link ? 0 : link->off > link->stopped ? link->off : link->stopped;

	return lost && (int32_t)((uint32_t)(lost / IKW_WAY_TICK) - replaced) <=
				       (int32_t)(NEAR / IKW_WAY_TICK)
		       ? ifindex
		       : 0;
}

/* What was off at that time, of these ways to the peer, and had gone off at `since` at the latest.
 */
static const struct ikw_link_state *off_on_the_way(struct ikw_look *l, const uint32_t *all,
						   size_t count, uint64_t at, uint64_t since)
{
	const struct ikw_host *host = &l->w->host;
	const struct ikw_link_state *link;

	for (size_t i = 0; i < count; i++) {
		l->f->way = ikw_host_link(host, all[i]);
		if (was_dark(l, l->f->way))
			l->f->dark = l->f->way;
		link = ikw_host_link_off(host, l->f->way, at);
		if (link_off(l, link, since))
			return link;
	}
	return NULL;
}

void ikw_see_link(struct ikw_look *l)
{
	const struct ikw_host *host = &l->w->host;
	const struct ikw_tunnel *t = l->c->gen->tunnel;
	const struct ikw_address *a = ikw_host_address(host, t->peer->local);
	/* one that is gone may have been made anew, which then has the address */
	const uint32_t all[] = {
		a ? a->ifindex : 0,
		a ? until_off(host, a->was_ifindex, (uint32_t)(a->moved / IKW_WAY_TICK)) : 0,
		t->peer->ifindex, until_off(host, t->peer->was_ifindex, t->peer->way_changed)
	};
	const size_t count = sizeof(all) / sizeof(all[0]);
	const struct ikw_link_state *link;
	uint64_t at = l->at;

	link = off_on_the_way(l, all, count, at,
			      l->f->gave_up ? l->f->gave_up->first + IKW_SECOND : at);
	/* there again when the daemon gave up, but not when it began what did not leave */
	if (!link && l->f->unsent) {
		at = l->f->unsent;
		link = off_on_the_way(l, all, count, at, at);
		if (link)
			l->f->vague |= IKW_FACT(LINK_GONE) | IKW_FACT(LINK_DOWN);
	}
	if (!link)
		return;
	l->f->link = link;
	see(l, removed(link, at) ? IKW_FACT(LINK_GONE) : IKW_FACT(LINK_DOWN));
}

/*
 * This host lost the tunnel's own address, which nothing arrives at any more. What
 * the daemon began before that, it did not begin for that. 0: it did not lose it.
 */
static uint64_t address_gone(const struct ikw_look *l)
{
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_address *a = ikw_host_address(&l->w->host, gen->tunnel->peer->local);
	uint64_t since = l->f->gave_up ? l->f->gave_up->first + IKW_SECOND : l->at;

	if (!a)
		return 0;
	if (within(a->gone, gen->born, since))
		return a->gone;
	/* there again when the daemon gave up, but not when it began what did not leave */
	if (l->f->unsent && within(a->was_gone, gen->born, l->f->unsent) &&
	    a->back > l->f->unsent && !heard_between(l, a->was_gone + IKW_SECOND, l->at))
		return a->was_gone;
	return 0;
}

/* Where the flow is now, between other addresses; NULL: nowhere. */
static const struct ikw_generation *flow_elsewhere(const struct ikw_look *l)
{
	const struct ikw_generation *gen = l->c->gen;
	const struct ikw_generation *next = ikw_flow_usable(l->w, gen->tunnel, gen);

	return next && next->tunnel != gen->tunnel && next->born >= gen->born ? next : NULL;
}

/* Where our daemon answered the peer at last, under this tunnel's IKE_SA. */
static const struct ikw_peer *answered_at(const struct ikw_look *l)
{
	return l->f->ike ? l->f->ike->peer : l->c->gen->tunnel->peer;
}

/* What went is back with the other address: a line that is dialled anew. */
static bool dialled_anew(const struct ikw_look *l, const struct ikw_generation *next)
{
	const struct ikw_host *host = &l->w->host;
	const struct ikw_address *a = ikw_host_address(host, next->tunnel->peer->local);
	const struct ikw_link_state *link = a && !a->gone ? ikw_host_link(host, a->ifindex) : NULL;

	return link && !link->gone && link != l->f->way && !strcmp(link->name, l->f->way->name);
}

void ikw_see_address(struct ikw_look *l)
{
	const struct ikw_peer *peer = l->c->gen->tunnel->peer, *last = answered_at(l);
	const struct ikw_generation *next;
	uint64_t gone = address_gone(l);

	if (!gone && last == peer) /* nearly always */
		return;
	l->f->address_gone = gone;
	if (gone)
		see(l, IKW_FACT(ADDRESS_GONE));
	next = flow_elsewhere(l);
	if (!next)
		return;
	if (gone && next->born > gone &&
	    memcmp(next->tunnel->peer->local, peer->local, IKW_ADDR_LEN)) {
		see(l, IKW_FACT(BACK_FROM_OTHER));
		if ((l->f->seen & IKW_FACT(LINK_GONE)) && dialled_anew(l, next))
			l->f->seen &= ~IKW_FACT(LINK_GONE);
	}
	if (next->tunnel->peer == last && memcmp(last->remote, peer->remote, IKW_ADDR_LEN))
		see(l, IKW_FACT(PEER_ELSEWHERE));
	if (l->f->seen & (IKW_FACT(BACK_FROM_OTHER) | IKW_FACT(PEER_ELSEWHERE)))
		l->f->next_gen = next;
}
