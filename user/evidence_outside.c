// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The facts that lie outside IKE and the SAD: AAA, tracking, names, leases, a cluster's nodes. */
#include <string.h>
#include "evidence_look.h"

#define TRACK_BEFORE                                                                               \
	(20 * IKW_SECOND) /* from a change to the order that follows it: scripts poll */
#define ADDRESS_FOLLOWS (5 * IKW_SECOND)  /* from a change to the address that goes with it */
#define JUST_AFTER	(1 * IKW_SECOND)  /* and what is told of it then: chosen */
#define DESCRIBED	(2 * IKW_SECOND)  /* from its description to what a process does: chosen */
#define PROBE_BEFORE	(60 * IKW_SECOND) /* probes that fail some times before something is done */
#define DNS_BEFORE	(60 * IKW_SECOND) /* likewise for a name that is asked for now and then */
#define DNS_AFTER	(10 * IKW_SECOND)
#define LIMIT_BEFORE	(2 * IKW_SECOND) /* a time that ran out, by two clocks */
#define LIMIT_AFTER	(20 * IKW_SECOND)
#define CLUSTER_NEAR	(1 * IKW_SECOND)
#define CLUSTER_BEFORE	(5 * IKW_SECOND) /* from what a node tells to what this one does */

struct outer {
	struct ikw_facts *f;
	const struct ikw_case *c;
	const struct ikw_world *w;
	const struct ikw_tunnel *t;
	const uint8_t *inner; /* the remote side's one inner address; NULL: a network */
	uint64_t root;	      /* the first thing this host did about it */
};

/* Nothing before the tunnel's birth explains its end. */
static uint64_t since(const struct outer *o, uint64_t d)
{
	uint64_t from = before(o->root, d);
	const struct ikw_generation *gen = o->c->gen;

	return !gen->dumped && from < gen->born ? gen->born : from;
}

/*
 * Who tracks acts on what changed while the tunnel was there; a change before
 * its IKE_SA was begun took nothing down. What was found in place has no birth.
 */
static uint64_t since_begun(const struct ikw_generation *gen, uint64_t time, uint64_t d)
{
	uint64_t from = before(time, d), begun = gen->born;

	if (gen->ike && gen->ike->created < begun)
		begun = gen->ike->created;
	return !gen->dumped && from < begun ? begun : from;
}

static const uint8_t *inner_of(const struct ikw_tunnel *t)
{
	const struct ikw_selector *s = &t->flow.sel;

	if (!t->flow.known || s->prefixlen_d != (s->family == 10 ? 128 : 32))
		return NULL;
	return s->daddr;
}

static uint64_t root_of(const struct ikw_facts *f, uint64_t at)
{
	uint64_t root = at;

	if (f->gave_up)
		root = f->gave_up->first;
	else if (f->local && f->local->first < root)
		root = f->local->first;
	/* what the peer did, and what others were ordered to, did not begin with the order */
	if (f->of_another || (f->seen & IKW_FACT(PEER_DELETE)))
		return root;
	return f->order && f->order->time < root ? f->order->time : root;
}

static void see_aaa(struct outer *o)
{
	const struct ikw_radius_session *s;
	const struct ikw_generation *gen = o->c->gen;
	uint64_t end;

	o->f->aaa_order =
		ikw_outside_order(&o->w->outside, o->inner, since(o, IKW_OUTSIDE_OBEYED), o->root);
	if (o->f->aaa_order) {
		static const uint8_t none[IKW_ADDR_LEN];

		o->f->seen |= IKW_FACT(AAA_ORDER);
		if (memcmp(o->f->aaa_order->framed, none, IKW_ADDR_LEN))
			o->f->seen |= IKW_FACT(AAA_USER);
	}
	if (!o->f->ike || !o->f->ike->whole || gen->dumped)
		return;
	s = ikw_outside_session(&o->w->outside, o->inner, o->f->ike->created, gen->born, o->root);
	if (!s)
		return;
	end = s->time + s->timeout_s * IKW_SECOND;
	if (o->root < before(end, LIMIT_BEFORE) || o->root > end + LIMIT_AFTER)
		return;
	o->f->aaa_session = s;
	o->f->seen |= IKW_FACT(AAA_SESSION);
}

static void see_probe(struct outer *o, uint32_t tgid, uint64_t time)
{
	const struct ikw_process *p = ikw_host_process(&o->w->host, tgid);
	uint32_t parents[3];
	size_t count = 0;

	parents[count++] = tgid;
	for (unsigned int i = 0; p && i < p->seen.parent_count && i < 2; i++)
		parents[count++] = p->seen.parents[i].tgid;
	o->f->prober =
		ikw_outside_probe(&o->w->outside, parents, count,
				  since_begun(o->c->gen, time, PROBE_BEFORE), time, &o->f->echo);
	if (o->f->prober)
		o->f->seen |= IKW_FACT(PROBE_SILENT);
}

/* An address that goes from one VRRP router to the other: this host's part of it. */
static void see_tracked_address(struct outer *o)
{
	uint64_t gone = o->f->address_gone;

	if (!gone)
		return;
	o->f->track = ikw_outside_track(
		&o->w->outside, since_begun(o->c->gen, gone, ADDRESS_FOLLOWS), gone + JUST_AFTER);
	if (!o->f->track)
		return;
	o->f->seen |= IKW_FACT(ADDRESS_TRACKED);
	/* by its protocol VRRP takes an address away, of a BFD session a script may have done so */
	if (o->f->track->kind == IKW_WIRE_BFD)
		o->f->vague |= IKW_FACT(ADDRESS_TRACKED);
}

/* What is seen of who is behind a process. */
struct behind {
	ikw_fact_set tracker;
	ikw_fact_set leases;
	ikw_fact_set service;
};
static const struct behind ordered = { IKW_FACT(BY_TRACKER),
				       IKW_FACT(BY_LEASES) | IKW_FACT(BY_SERVICE),
				       IKW_FACT(BY_SERVICE) };
static const struct behind deleted = { IKW_FACT(HAND_TRACKER),
				       IKW_FACT(HAND_LEASES) | IKW_FACT(HAND_SERVICE),
				       IKW_FACT(HAND_SERVICE) };

/*
 * What a person does is the person's, whatever changed shortly before. What a
 * script did then may follow from that, or from probes that failed.
 */
static void see_behind(struct outer *o, const struct behind *as, uint32_t tgid, uint64_t time)
{
	switch (ikw_host_who(&o->w->host, tgid)) {
	case IKW_WHO_TRACKER:
		o->f->seen |= as->tracker;
		break;
	case IKW_WHO_LEASES:
		o->f->seen |= as->leases;
		break;
	case IKW_WHO_SERVICE:
		o->f->seen |= as->service;
		break;
	default:
		return;
	}
	o->f->track =
		ikw_outside_track(&o->w->outside, since_begun(o->c->gen, time, TRACK_BEFORE), time);
	if (o->f->track)
		o->f->seen |= IKW_FACT(TRACK_CHANGED);
	see_probe(o, tgid, time);
}

static void see_who(struct outer *o)
{
	const struct ikw_order *order = o->f->order;

	if (order && order->kind != IKW_ORDER_REKEY)
		see_behind(o, &ordered, order->by.tgid, order->time);
}

/* Likewise who deletes SAs past the daemon: a script may do that as well as a person. */
static void see_hand(struct outer *o, uint64_t at)
{
	uint32_t tgid = o->c->first.by.tgid;
	const struct ikw_process *p = ikw_host_process(&o->w->host, tgid);

	if ((!p || !p->described) &&
	    (ikw_host_missed(&o->w->host, before(at, DESCRIBED), at) & IKW_SEES_ACTOR))
		o->f->blind |= IKW_FACT(HAND_TRACKER);
	see_behind(o, &deleted, tgid, at);
}

static bool past_the_daemon(const struct ikw_facts *f)
{
	return f->seen & (IKW_FACT(FLUSHED) | IKW_FACT(FOREIGN_DELETER));
}

/* The name's new address with which we began an IKE_SA around the deletion. */
static const struct ikw_peer *followed(const struct outer *o, uint64_t at)
{
	for (unsigned int i = 0; i < o->f->name->count; i++) {
		const struct ikw_peer *p =
			ikw_world_peer(o->w, o->t->peer->local, o->f->name->addrs[i]);
		const struct ikw_ike_sa *ike = p ? ikw_ike_newest(p->ikes) : NULL;

		for (; ike; ike = ikw_ike_older(ike))
			if (ike->ours && ike->whole && ike->created > o->f->name->changed &&
			    ike->created < at + DNS_AFTER)
				return p;
	}
	return NULL;
}

static void see_name(struct outer *o, uint64_t at)
{
	if (o->f->order && !(o->f->seen & (IKW_FACT(BY_SERVICE) | IKW_FACT(HAND_SERVICE))))
		return;
	o->f->name = ikw_outside_name(&o->w->outside, o->t->peer->remote, since(o, DNS_BEFORE),
				      o->root + IKW_OUTSIDE_SLACK);
	if (!o->f->name)
		return;
	o->f->seen |= IKW_FACT(DNS_CHANGED);
	o->f->moved_to = followed(o, at);
	if (o->f->moved_to)
		o->f->seen |= IKW_FACT(DNS_FOLLOWED);
}

static void see_lease(struct outer *o)
{
	const struct ikw_lease *lease = NULL;
	uint64_t end;

	if (o->inner)
		lease = ikw_outside_lease(&o->w->outside, o->inner);
	if (!lease)
		return;
	end = lease->time + lease->lease_s * IKW_SECOND;
	if ((lease->released && lease->released < o->root) || o->root < before(end, LIMIT_BEFORE) ||
	    o->root > end + LIMIT_AFTER)
		return;
	o->f->lease = lease;
	o->f->seen |= IKW_FACT(LEASE_OVER);
}

/* Of an SA that it names: at any time shortly before; else right before only. */
static void see_cluster(struct outer *o)
{
	const struct ikw_generation *gen = o->c->gen;
	/* by its inbound SPI; of an SA without a policy here which one that is was a guess */
	const uint32_t spis[] = { gen->in ? gen->in->spi : 0, gen->out ? gen->out->spi : 0 };
	const struct ikw_cluster_word *word;
	bool named;

	word = ikw_outside_cluster(&o->w->outside, spis, since(o, CLUSTER_BEFORE),
				   o->c->opened + IKW_OUTSIDE_SLACK, &named);
	if (!word || (!named && word->deleted < before(o->c->opened, CLUSTER_NEAR)))
		return;
	o->f->cluster = word;
	o->f->seen |= IKW_FACT(CLUSTER_DELETE);
	if (named)
		o->f->seen |= IKW_FACT(CLUSTER_NAMED);
	if (!word->spi)
		o->f->seen |= IKW_FACT(CLUSTER_IKE);
	if (word->partner)
		o->f->seen |= IKW_FACT(CLUSTER_PARTNER);
}

void ikw_facts_outside(struct ikw_facts *f, const struct ikw_case *c, const struct ikw_world *w,
		       uint64_t at)
{
	struct outer o = { .f = f, .c = c, .w = w, .t = c->gen->tunnel };

	if (!f->order && !past_the_daemon(f) && !w->outside.store)
		return;
	o.inner = inner_of(o.t);
	o.root = root_of(f, at);
	if (past_the_daemon(f))
		see_hand(&o, at);
	else
		see_who(&o);
	if (!w->outside.store)
		return;
	if (!f->track)
		see_tracked_address(&o);
	see_aaa(&o);
	see_name(&o, at);
	see_lease(&o);
	see_cluster(&o);
}
