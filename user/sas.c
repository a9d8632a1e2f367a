// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "world_private.h"

#define PAIR_APART 5  /* s between the SAs of a generation found in place */
#define MAX_HALVES 64 /* of one tunnel that are paired in order */

static uint64_t sa_hash(const uint8_t *daddr, uint32_t spi)
{
	return ikw_hash_end(ikw_hash_begin(ikw_hash_16(daddr, 6)), spi, sizeof(spi));
}

const uint8_t *ikw_sa_daddr(const struct ikw_sa_node *sa)
{
	const struct ikw_peer *p = sa->generation->tunnel->peer;

	return sa->dir == IKW_DIR_IN ? p->local : p->remote;
}

const uint8_t *ikw_sa_saddr(const struct ikw_sa_node *sa)
{
	const struct ikw_peer *p = sa->generation->tunnel->peer;

	return sa->dir == IKW_DIR_IN ? p->remote : p->local;
}

bool ikw_sa_shared(const struct ikw_world *w, const struct ikw_sa_node *sa)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->sas, sa->node.hash);

	for (; node; node = ikw_find_next(&find)) {
		const struct ikw_sa_node *other = IKW_CONTAINER(node, struct ikw_sa_node, node);

		if (other != sa && other->spi == sa->spi &&
		    !memcmp(ikw_sa_daddr(other), ikw_sa_daddr(sa), IKW_ADDR_LEN))
			return true;
	}
	return false;
}

static struct ikw_sa_node *sa_find(const struct ikw_world *w, const uint8_t *daddr, uint32_t spi,
				   uint8_t proto, const uint32_t *mark)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->sas, sa_hash(daddr, spi));

	for (; node; node = ikw_find_next(&find)) {
		struct ikw_sa_node *sa = IKW_CONTAINER(node, struct ikw_sa_node, node);

		if (sa->spi == spi && (!proto || sa->proto == proto) &&
		    (!mark || sa->mark == *mark) && !memcmp(ikw_sa_daddr(sa), daddr, IKW_ADDR_LEN))
			return sa;
	}
	return NULL;
}

/*
 * The SA of an event. While a migration is under way (xfrm_state_migrate) there
 * are two that differ in their source alone: the one with the event's source,
 * and if no_other is not set, any for want of it.
 */
static struct ikw_sa_node *sa_of(const struct ikw_world *w, const struct ikw_sa *ev, uint64_t hash,
				 bool no_other)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->sas, hash);
	struct ikw_sa_node *other = NULL;

	for (; node; node = ikw_find_next(&find)) {
		struct ikw_sa_node *sa = IKW_CONTAINER(node, struct ikw_sa_node, node);

		if (sa->spi != ev->spi || sa->proto != ev->proto || sa->mark != ev->mark ||
		    memcmp(ikw_sa_daddr(sa), ev->daddr, IKW_ADDR_LEN))
			continue;
		if (!memcmp(ikw_sa_saddr(sa), ev->saddr, IKW_ADDR_LEN))
			return sa;
		other = sa;
	}
	return no_other ? NULL : other;
}

struct ikw_generation *ikw_generation_of(const struct ikw_world *w, const uint8_t *daddr,
					 uint32_t spi)
{
	const struct ikw_sa_node *sa = sa_find(w, daddr, spi, 0, NULL);

	return sa ? sa->generation : NULL;
}

const struct ikw_sa_node *ikw_world_partner(const struct ikw_world *w, const uint8_t *daddr,
					    uint32_t spi, const uint8_t **partner_daddr)
{
	const struct ikw_sa_node *sa = sa_find(w, daddr, spi, 0, NULL), *other;

	if (!sa)
		return NULL;
	other = sa->dir == IKW_DIR_IN ? sa->generation->out : sa->generation->in;
	if (!other || other == sa || other->gone)
		return NULL;
	*partner_daddr = ikw_sa_daddr(other);
	return other;
}

static bool is_local(const struct ikw_world *w, const uint8_t *addr)
{
	const struct ikw_address *a = ikw_host_address(&w->host, addr);

	return a != NULL;
}

/*
 * Of SAs whose addresses are both not this host's (a cluster's, or those of a
 * router that stands by) the policies tell; where they come later, *guessed.
 */
static uint8_t sa_direction(const struct ikw_world *w, const struct ikw_sa *sa, bool *guessed)
{
	const struct ikw_peer *p;

	*guessed = false;

	if (sa->dir == IKW_DIR_IN || sa->dir == IKW_DIR_OUT)
		return sa->dir;
	if (is_local(w, sa->daddr) != is_local(w, sa->saddr))
		return is_local(w, sa->daddr) ? IKW_DIR_IN : IKW_DIR_OUT;
	if (ikw_world_policy(w, sa->saddr, sa->daddr, sa->reqid) ||
	    ikw_world_policy(w, sa->saddr, sa->daddr, 0))
		return IKW_DIR_OUT;
	if (ikw_world_policy(w, sa->daddr, sa->saddr, sa->reqid) ||
	    ikw_world_policy(w, sa->daddr, sa->saddr, 0))
		return IKW_DIR_IN;
	p = ikw_world_peer(w, sa->daddr, sa->saddr);
	if (p && (p->tunnels || ikw_ike_newest(p->ikes)))
		return IKW_DIR_IN;
	p = ikw_world_peer(w, sa->saddr, sa->daddr);
	*guessed = !p || (!p->tunnels && !ikw_ike_newest(p->ikes));
	return IKW_DIR_OUT;
}

/* Seconds between the additions of two SAs; 0 where a time is not known. */
static uint64_t apart_s(uint64_t a, uint64_t b)
{
	if (!a || !b)
		return 0;
	return a > b ? a - b : b - a;
}

bool ikw_generation_half(const struct ikw_generation *gen)
{
	return !gen->in || !gen->out;
}

static bool lacks(const struct ikw_generation *gen, uint8_t dir)
{
	return !(dir == IKW_DIR_IN ? gen->in : gen->out);
}

/*
 * Those of two clients behind one NAT: both SAs of a generation have the peer's one
 * port, and ours, or it is not known which of the two is whose.
 */
static bool of_other_port(const struct ikw_sa_node *other, const struct ikw_sa *sa, uint8_t dir)
{
	bool in = dir == IKW_DIR_IN;
	uint16_t port = in ? sa->encap_sport : sa->encap_dport;
	uint16_t others = in ? other->encap_dport : other->encap_sport;
	uint16_t ours = in ? sa->encap_dport : sa->encap_sport;

	return port && others && port != others &&
	       ours == (in ? other->encap_sport : other->encap_dport);
}

/* How well an SA completes a generation: 0 best, UINT64_MAX not at all. */
static uint64_t misfit(const struct ikw_generation *gen, const struct ikw_sa *sa, uint8_t dir)
{
	const struct ikw_sa_node *other = dir == IKW_DIR_IN ? gen->out : gen->in;
	uint64_t apart;

	if (!other || !lacks(gen, dir) || of_other_port(other, sa, dir))
		return UINT64_MAX;
	if (gen->ending && !(sa->op == IKW_SA_DUMP && gen->deletion))
		return UINT64_MAX;
	if (!gen->dumped && sa->op != IKW_SA_DUMP)
		return gen->exchange && sa->hdr.time > gen->born + IKW_INSTALL_WINDOW ? UINT64_MAX
										      : 0;
	apart = apart_s(other->add_wall_s, sa->add_wall_s);
	return apart <= PAIR_APART ? apart : UINT64_MAX;
}

/* The generation that an SA completes, the newest of those it fits best; NULL: none. */
static struct ikw_generation *other_half(const struct ikw_tunnel *t, const struct ikw_sa *sa,
					 uint8_t dir)
{
	struct ikw_generation *best = NULL;
	uint64_t least = UINT64_MAX;

	for (struct ikw_generation *gen = t->generations; gen; gen = gen->next) {
		uint64_t m = misfit(gen, sa, dir);

		if (m < least) {
			least = m;
			best = gen;
		}
	}
	return best;
}

static void generation_prefetch(const struct ikw_world *w, const struct ikw_generation *gen)
{
	if (gen->in)
		ikw_table_prefetch(&w->sas, gen->in->node.hash);
	if (gen->out)
		ikw_table_prefetch(&w->sas, gen->out->node.hash);
}

static struct ikw_generation *generation_get(struct ikw_world *w, struct ikw_tunnel *t,
					     const struct ikw_sa *sa, uint8_t dir)
{
	struct ikw_generation *gen;

	ikw_prefetch(t->generations, sizeof(*gen));
	gen = other_half(t, sa, dir);
	if (gen)
		return gen;
	/* calloc() would not take the one that was freed last, which is in the cache */
	gen = malloc(sizeof(*gen));
	if (!gen)
		return NULL;
	memset(gen, 0, sizeof(*gen));
	gen->tunnel = t;
	gen->born = sa->hdr.time;
	gen->installer_tgid = sa->op == IKW_SA_ADD ? sa->by.tgid : 0;
	gen->installer_portid = sa->op == IKW_SA_ADD ? sa->by.portid : 0;
	gen->dumped = sa->op != IKW_SA_ADD;
	gen->next = t->generations;
	t->generations = gen;
	ikw_tunnel_taken(w, t);
	w->generations++;
	if (gen->next) /* which this one replaces: its SAs are about to go */
		generation_prefetch(w, gen->next);
	return gen;
}

static uint32_t limit_of(uint64_t limit, unsigned int shift)
{
	return limit == UINT64_MAX || limit >> shift > UINT32_MAX ? 0 : (uint32_t)(limit >> shift);
}

static void sa_take(struct ikw_sa_node *node, const struct ikw_sa *sa)
{
	if (sa->hard_add_s)
		node->life_s = limit_of(sa->hard_add_s, 0);
	if (sa->hard_bytes)
		node->life_kib = limit_of(sa->hard_bytes, 10);
	if (!node->esp_seen || sa->packets > node->packets) {
		node->bytes = sa->bytes;
		node->packets = sa->packets;
	}
	if (sa->add_wall_s)
		node->add_wall_s = sa->add_wall_s;
	if (sa->last_wall_s)
		node->last_wall_s = sa->last_wall_s;
	node->encap_dport = sa->encap_dport;
	node->encap_sport = sa->encap_sport;
}

/*
 * A clone keeps its original's time of addition and its lifetime so far
 * (xfrm_state_clone); any other SA is added at that time, and unused.
 */
static bool is_clone(const struct ikw_world *w, const struct ikw_sa *ev)
{
	if (!ev->add_wall_s)
		return false;
	return ev->bytes || ev->packets || ev->use_wall_s ||
	       ikw_host_wall(&w->host, ev->hdr.time) / IKW_SECOND > ev->add_wall_s + 1;
}

static void clone_fill(struct ikw_clone *clone, const struct ikw_sa *ev)
{
	clone->time = ev->hdr.time;
	clone->add_wall_s = ev->add_wall_s;
	clone->spi = ev->spi;
	clone->reqid = ev->reqid;
	clone->tgid = ev->by.tgid;
	clone->proto = ev->proto;
	memcpy(clone->saddr, ev->saddr, IKW_ADDR_LEN);
	memcpy(clone->daddr, ev->daddr, IKW_ADDR_LEN);
}

/* That of an SA as young and as unused as any new one cannot be told by itself. */
static void note_clone(struct ikw_world *w, const struct ikw_sa *ev)
{
	if (is_clone(w, ev)) {
		clone_fill(&w->clones[w->clone_head++ % IKW_CLONES], ev);
		if (ev->hdr.time > w->clone_last)
			w->clone_last = ev->hdr.time;
	} else {
		clone_fill(&w->added[w->added_head++ % IKW_ADDED], ev);
	}
}

/* The time of addition and all else of its original, but for an address. */
static bool is_clone_of(const struct ikw_clone *clone, const struct ikw_sa *gone)
{
	return clone->time && gone->hdr.time - clone->time < IKW_SECOND &&
	       clone->add_wall_s == gone->add_wall_s && clone->spi == gone->spi &&
	       clone->reqid == gone->reqid && clone->proto == gone->proto &&
	       (memcmp(clone->saddr, gone->saddr, IKW_ADDR_LEN) ||
		memcmp(clone->daddr, gone->daddr, IKW_ADDR_LEN));
}

/*
 * The same of an SA that may be none: added by who deletes, a moment before, with
 * one end where it was (xfrm_migrate does both in one call).
 */
static bool is_moved(const struct ikw_clone *added, const struct ikw_sa *gone)
{
	return is_clone_of(added, gone) && gone->hdr.time - added->time < IKW_SECOND / 10 &&
	       added->add_wall_s && added->tgid == gone->by.tgid &&
	       (!memcmp(added->saddr, gone->saddr, IKW_ADDR_LEN) ||
		!memcmp(added->daddr, gone->daddr, IKW_ADDR_LEN));
}

/* Policies migrate in place, and nothing tells: the flow goes on with the clone. */
static void flow_migrates(struct ikw_world *w, const struct ikw_tunnel *from,
			  const struct ikw_clone *to)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->sas, sa_hash(to->daddr, to->spi));

	for (; node && from->flow.known; node = ikw_find_next(&find)) {
		const struct ikw_sa_node *sa = IKW_CONTAINER(node, struct ikw_sa_node, node);
		struct ikw_tunnel *t = sa->generation ? sa->generation->tunnel : NULL;

		if (t && t != from && !t->flow.known && sa->spi == to->spi &&
		    !memcmp(ikw_sa_daddr(sa), to->daddr, IKW_ADDR_LEN) &&
		    !memcmp(ikw_sa_saddr(sa), to->saddr, IKW_ADDR_LEN))
			ikw_flow_set(w, t, &from->flow);
	}
}

bool ikw_world_migrated(struct ikw_world *w, const struct ikw_tunnel *from,
			const struct ikw_sa *gone)
{
	const struct ikw_clone *clone = NULL;

	for (unsigned int i = 0; i < IKW_ADDED && !clone; i++)
		if (is_moved(&w->added[i], gone))
			clone = &w->added[i];
	if (w->clone_last + IKW_SECOND > gone->hdr.time)
		for (unsigned int i = 0; i < IKW_CLONES && !clone; i++)
			if (is_clone_of(&w->clones[i], gone))
				clone = &w->clones[i];
	if (clone)
		flow_migrates(w, from, clone);
	return clone;
}

/* What brought it is looked for when the first of a generation comes, and when the inbound does. */
static void sa_brought(struct ikw_world *w, const struct ikw_sa *ev, struct ikw_generation *gen,
		       bool look)
{
	if (ev->op == IKW_SA_ADD && look)
		ikw_generation_attribute(w, gen, ev->hdr.time);
	if (gen->exchange && ev->by.tgid)
		ikw_host_daemon(&w->host, &ev->by, ev->hdr.time);
}

/* Is it known by the dump alone that is under way? */
static bool only_dumped(const struct ikw_world *w, const struct ikw_sa_node *sa)
{
	const struct ikw_generation *gen = sa->generation;

	return w->dumping && !sa->installed && sa->dumped == w->dump &&
	       (!gen->dumped || gen->born >= w->dump_began);
}

/*
 * A dump that is under way showed it before the record of its addition was read:
 * it is no older than any other whose addition was seen.
 */
static void sa_witnessed(struct ikw_world *w, struct ikw_sa_node *sa, const struct ikw_sa *ev)
{
	struct ikw_generation *gen = sa->generation;
	bool first = gen->dumped;

	if (!only_dumped(w, sa) || gen->ending)
		return;
	sa->installed = ev->hdr.time;
	if (first) {
		gen->dumped = false;
		gen->born = ev->hdr.time;
		gen->installer_tgid = ev->by.tgid;
		gen->installer_portid = ev->by.portid;
	}
	sa_brought(w, ev, gen, first || sa->dir == IKW_DIR_IN);
}

static void sa_install(struct ikw_world *w, const struct ikw_sa *ev, uint64_t hash)
{
	bool guessed, first;
	uint8_t dir = sa_direction(w, ev, &guessed);
	struct ikw_sa_node *sa = sa_of(w, ev, hash, ev->op == IKW_SA_ADD);
	struct ikw_generation *gen;
	struct ikw_tunnel *t;

	if (ev->op == IKW_SA_ADD)
		note_clone(w, ev);
	if (sa) {
		if (ev->op == IKW_SA_ADD)
			sa_witnessed(w, sa, ev);
		sa_take(sa, ev);
		sa->dumped = w->dump;
		return;
	}
	t = ikw_tunnel_get(w, ev, dir);
	gen = t ? generation_get(w, t, ev, dir) : NULL;
	if (!gen)
		return;
	if (guessed)
		w->guessed = t->peer->guessed = true;
	sa = &gen->sas[dir != IKW_DIR_IN];
	first = !gen->in && !gen->out;
	sa->generation = gen;
	sa->spi = ev->spi;
	sa->mark = ev->mark;
	sa->proto = ev->proto;
	sa->dir = dir;
	sa->installed = ev->op == IKW_SA_ADD ? ev->hdr.time : 0;
	sa->dumped = w->dump;
	sa_take(sa, ev);
	sa->node.hash = hash;
	*(dir == IKW_DIR_IN ? &gen->in : &gen->out) = sa;
	ikw_table_add(&w->sas, &sa->node);
	if (dir == IKW_DIR_OUT) {
		t->mark = ev->mark;
		t->mark_mask = ev->mark_mask;
		t->if_id = ev->if_id;
	}
	sa_brought(w, ev, gen, first || dir == IKW_DIR_IN);
	ikw_tunnel_state(w, t, ev->hdr.time);
	if (w->ops.sa)
		w->ops.sa(w->ops.ctx, sa, true);
	if (w->ops.installed)
		w->ops.installed(w->ops.ctx, gen, ev);
}

void ikw_generation_free(struct ikw_world *w, struct ikw_generation *gen)
{
	struct ikw_generation **at = &gen->tunnel->generations;

	while (*at && *at != gen)
		at = &(*at)->next;
	if (*at)
		*at = gen->next;
	ikw_generation_owned(gen, NULL);
	free(gen->sas[0].traffic);
	free(gen->sas[1].traffic);
	ikw_flow_unkept(w, gen);
	free(gen);
	w->generations--;
}

void ikw_generation_release(struct ikw_world *w, struct ikw_generation *gen)
{
	bool alive = (gen->in && !gen->in->gone) || (gen->out && !gen->out->gone);
	struct ikw_tunnel *t = gen->tunnel;

	if (gen->deletion || !gen->ending || alive)
		return;
	ikw_generation_free(w, gen);
	ikw_tunnel_left(w, t);
}

void ikw_generation_turn(struct ikw_world *w, struct ikw_generation *gen)
{
	const struct ikw_sa_node was[2] = { gen->sas[0], gen->sas[1] };
	const bool had[2] = { gen->in != NULL, gen->out != NULL };

	for (unsigned int i = 0; i < 2; i++)
		if (had[i] && !was[i].gone)
			ikw_table_del(&w->sas, &gen->sas[i].node);
	for (unsigned int i = 0; i < 2; i++) {
		gen->sas[i] = was[!i];
		gen->sas[i].dir = i ? IKW_DIR_OUT : IKW_DIR_IN;
		if (had[!i] && !was[!i].gone)
			ikw_table_add(&w->sas, &gen->sas[i].node);
	}
	gen->in = had[1] ? &gen->sas[0] : NULL;
	gen->out = had[0] ? &gen->sas[1] : NULL;
}

/* Moves the SA of one half into the other, which lacks it; the first half is freed. */
static void generation_join(struct ikw_world *w, struct ikw_generation *to,
			    struct ikw_generation *from, uint64_t time)
{
	struct ikw_sa_node *sa = from->in ? from->in : from->out;
	struct ikw_sa_node *moved = &to->sas[sa->dir != IKW_DIR_IN];
	struct ikw_tunnel *left = from->tunnel;

	if (!sa->gone)
		ikw_table_del(&w->sas, &sa->node);
	*moved = *sa;
	moved->generation = to;
	sa->traffic = NULL;
	*(sa->dir == IKW_DIR_IN ? &to->in : &to->out) = moved;
	if (!moved->gone)
		ikw_table_add(&w->sas, &moved->node);
	ikw_generation_free(w, from);
	ikw_tunnel_left(w, left);
	ikw_tunnel_state(w, left, time);
}

/*
 * The deletion under way that an SA without a partner belongs to. Two SAs of
 * opposite directions between the same peers that were never matched (added
 * long before the agent and apart, or with marks of their own) and that go
 * within one settle time were a pair.
 */
static struct ikw_generation *ending_half(const struct ikw_generation *gen, uint8_t dir)
{
	struct ikw_tunnel *t = gen->tunnel->peer->tunnels;

	for (unsigned int k = 0; t && k < MAX_HALVES; t = t->peer_next, k++) {
		if (t->reqid != gen->tunnel->reqid || t->proto != gen->tunnel->proto)
			continue;
		for (struct ikw_generation *g = t->generations; g; g = g->next)
			if (g != gen && g->ending && g->deletion && lacks(g, dir))
				return g;
	}
	return NULL;
}

static void sa_delete(struct ikw_world *w, const struct ikw_sa *ev, uint64_t hash)
{
	struct ikw_sa_node *sa = sa_of(w, ev, hash, false);
	struct ikw_generation *gen, *begun = NULL;
	struct ikw_ike_sa *ike;
	bool first;

	if (!sa) {
		/* older than the agent, and gone before the dump came to it */
		struct ikw_sa add = *ev;

		add.op = IKW_SA_DUMP;
		sa_install(w, &add, hash);
		sa = sa_of(w, ev, hash, false);
		if (!sa)
			return;
	}
	ikw_prefetch(sa->generation, sizeof(*gen));
	sa_take(sa, ev);
	sa->gone = ev->hdr.time;
	ikw_table_del(&w->sas, &sa->node);
	if (w->ops.sa)
		w->ops.sa(w->ops.ctx, sa, false);
	gen = sa->generation;
	if (!gen->ending && ikw_generation_half(gen))
		begun = ending_half(gen, sa->dir);
	if (begun) {
		generation_join(w, begun, gen, ev->hdr.time);
		gen = begun;
	}
	first = !gen->ending;
	gen->ending = true;
	ike = ikw_generation_ike(gen);
	if (ike)
		ike->ended = ev->hdr.time;
	ikw_tunnel_state(w, gen->tunnel, ev->hdr.time);
	if (first)
		w->ops.deletion(w->ops.ctx, gen, ev);
	else
		w->ops.further(w->ops.ctx, gen, ev);
	ikw_generation_release(w, gen);
}

/* The one that its maker put in just before, and which lacks what was refused. */
static void maim(struct ikw_world *w, struct ikw_tunnel *t, const struct ikw_sa *ev, uint8_t dir)
{
	struct ikw_generation *gen = t->generations;

	if (!gen || gen->dumped || !lacks(gen, dir) || gen->installer_tgid != ev->by.tgid ||
	    ev->hdr.time > gen->born + IKW_SECOND)
		return;
	gen->refused = true;
	ikw_tunnel_state(w, t, ev->hdr.time);
}

static void sa_failed(struct ikw_world *w, const struct ikw_sa *ev)
{
	uint8_t dir = IKW_DIR_OUT;
	struct ikw_tunnel *t = ikw_tunnel_known(w, ev, dir);
	const struct ikw_ike_sa *ike;
	struct ikw_mishap *m;

	if (!t)
		t = ikw_tunnel_known(w, ev, dir = IKW_DIR_IN);
	if (t)
		maim(w, t, ev, dir);
	if (ev->error != -EEXIST)
		return;
	ike = t && t->generations ? ikw_generation_ike(t->generations) : NULL;
	m = &w->mishaps[w->mishap_head];
	w->mishap_head = (w->mishap_head + 1) % IKW_MISHAPS;
	m->time = ev->hdr.time;
	m->ike = ike ? ike->spi_i : 0;
	memcpy(m->saddr, ev->saddr, IKW_ADDR_LEN);
	memcpy(m->daddr, ev->daddr, IKW_ADDR_LEN);
	m->spi = ev->spi;
	m->tgid = ev->by.tgid;
	m->tunnel = t ? t->index : 0;
	m->encap_dport = ev->encap_dport;
	m->encap_sport = ev->encap_sport;
}

static void sa_change(struct ikw_world *w, const struct ikw_sa *ev, uint64_t hash)
{
	struct ikw_sa_node *sa = sa_of(w, ev, hash, false);

	if (sa)
		sa_take(sa, ev);
}

/* The two tables that the event will be looked up in, asked for at once. */
static void sa_prefetch(const struct ikw_world *w, const struct ikw_sa *ev, uint64_t hash)
{
	ikw_table_prefetch(&w->sas, hash);
	if (ev->op != IKW_SA_DELETE && ev->dir)
		ikw_table_prefetch(&w->peers, ev->dir == IKW_DIR_IN
						      ? ikw_peer_hash(ev->daddr, ev->saddr)
						      : ikw_peer_hash(ev->saddr, ev->daddr));
}

static void sa_asked(struct ikw_world *w, const struct ikw_sa *ev, uint64_t hash)
{
	struct ikw_sa_node *sa = sa_of(w, ev, hash, false);

	ikw_peer_asked(w, sa ? sa->generation->tunnel->peer : NULL,
		       sa ? ikw_generation_encap(sa->generation) : 0, &ev->hdr, &ev->by);
}

static void note_reserved(struct ikw_world *w, const struct ikw_sa *ev, uint64_t hash)
{
	struct ikw_reserved *set = w->reserved[hash % IKW_RESERVED], *r = set;

	for (unsigned int way = 1; way < IKW_RESERVED_WAYS; way++)
		if (set[way].time < r->time)
			r = &set[way];
	memset(r, 0, sizeof(*r));
	r->id = hash;
	r->time = ev->hdr.time;
	r->pair = ikw_peer_hash(ev->daddr, ev->saddr);
	ikw_peer_asking(w, ev->daddr, ev->saddr, r);
	w->reserved_last[w->reserved_head++ % IKW_RESERVED_LAST] = r;
}

/*
 * To no address: no packet is ever looked up to it, out or in (xfrm_state_find,
 * xfrm_state_lookup), so it is no tunnel. Libreswan 5 adds one as it starts and
 * deletes it, to see what the kernel takes.
 */
static bool leads_nowhere(const struct ikw_sa *ev)
{
	static const uint8_t nowhere[2][IKW_ADDR_LEN] = { { 0 }, { [10] = 0xff, [11] = 0xff } };

	return !memcmp(ev->daddr, nowhere[0], IKW_ADDR_LEN) ||
	       !memcmp(ev->daddr, nowhere[1], IKW_ADDR_LEN);
}

static void sa_vanish(struct ikw_world *w, const struct ikw_sa_node *sa, const struct ikw_hdr *hdr,
		      const struct ikw_actor *by, uint8_t cause);

/* There is one SA of a name at a time: one that was added later than the one known is another. */
static void sa_appears(struct ikw_world *w, const struct ikw_sa *ev, uint64_t hash)
{
	const struct ikw_sa_node *old = sa_of(w, ev, hash, false);
	struct ikw_hdr hdr = ev->hdr;

	hdr.flags |= IKW_F_LATE;
	hdr.time--; /* it went first: the two never stood side by side, as in a rekey */
	if (old && old->add_wall_s && ev->add_wall_s > old->add_wall_s)
		sa_vanish(w, old, &hdr, NULL, IKW_CAUSE_UNKNOWN);
	sa_install(w, ev, hash);
}

void ikw_sa_event(struct ikw_world *w, const struct ikw_sa *ev)
{
	uint64_t hash = sa_hash(ev->daddr, ev->spi);

	sa_prefetch(w, ev, hash);
	/* IPComp and the like travel with an ESP or AH SA; they are no tunnel of their own */
	if ((ev->proto != IPPROTO_ESP && ev->proto != IPPROTO_AH) || leads_nowhere(ev))
		return;
	switch (ev->op) {
	case IKW_SA_ADD:
	case IKW_SA_DUMP:
		sa_appears(w, ev, hash);
		break;
	case IKW_SA_CHANGE:
		sa_change(w, ev, hash);
		break;
	case IKW_SA_DELETE:
		sa_delete(w, ev, hash);
		break;
	case IKW_SA_LARVAL:
		note_reserved(w, ev, hash);
		if (ev->by.tgid)
			ikw_host_daemon(&w->host, &ev->by, ev->hdr.time);
		break;
	case IKW_SA_FAILED:
		sa_failed(w, ev);
		break;
	case IKW_SA_ASKED:
		sa_asked(w, ev, hash);
		break;
	default:
		break;
	}
}

/* A DELETE record for an SA that went without one. */
static void sa_vanish(struct ikw_world *w, const struct ikw_sa_node *sa, const struct ikw_hdr *hdr,
		      const struct ikw_actor *by, uint8_t cause)
{
	const struct ikw_tunnel *t = sa->generation->tunnel;
	bool in = sa->dir == IKW_DIR_IN;
	struct ikw_sa ev = { .op = IKW_SA_DELETE,
			     .cause = cause,
			     .spi = sa->spi,
			     .proto = sa->proto,
			     .mark = sa->mark,
			     .reqid = t->reqid,
			     .dir = sa->dir,
			     .bytes = sa->bytes,
			     .packets = sa->packets,
			     .if_id = t->if_id,
			     .mode = t->mode,
			     .encap_sport = sa->encap_sport,
			     .encap_dport = sa->encap_dport };

	ev.hdr = *hdr;
	ev.hdr.type = IKW_EV_SA;
	ev.hdr.size = sizeof(ev);
	if (by)
		ev.by = *by;
	memcpy(ev.saddr, in ? t->peer->remote : t->peer->local, IKW_ADDR_LEN);
	memcpy(ev.daddr, in ? t->peer->local : t->peer->remote, IKW_ADDR_LEN);
	sa_delete(w, &ev, sa->node.hash);
}

/* Takes every SA that `gone` picks, in a stable order: as they stand in the table. */
static void sas_vanish(struct ikw_world *w, const struct ikw_hdr *hdr, const struct ikw_actor *by,
		       uint8_t cause, bool (*gone)(const struct ikw_sa_node *, const void *),
		       const void *arg)
{
	struct ikw_sa_node **list = calloc(w->sas.count + 1, sizeof(*list));
	struct ikw_node *node;
	size_t count = 0, at = 0;

	if (!list)
		return;
	while ((node = ikw_table_each(&w->sas, &at))) {
		struct ikw_sa_node *sa = IKW_CONTAINER(node, struct ikw_sa_node, node);

		if (gone(sa, arg))
			list[count++] = sa;
	}
	for (size_t i = 0; i < count; i++)
		sa_vanish(w, list[i], hdr, by, cause);
	free(list);
}

struct flush {
	const struct ikw_world *w;
	const struct ikw_flush *ev;
};

/*
 * What is read behind a dump was while it ran. What only that dump has shown, and
 * may have been added since it began, is not known to be flushed: the next dump tells.
 */
static bool perhaps_younger(const struct ikw_world *w, const struct ikw_sa_node *sa)
{
	return only_dumped(w, sa) &&
	       sa->add_wall_s + 1 >= ikw_host_wall(&w->host, w->dump_began) / IKW_SECOND;
}

static bool flushed(const struct ikw_sa_node *sa, const void *arg)
{
	const struct flush *flush = arg;
	uint8_t proto = flush->ev->proto;

	return (!proto || proto == 255 || proto == sa->proto) && !perhaps_younger(flush->w, sa);
}

void ikw_flush_event(struct ikw_world *w, const struct ikw_flush *ev)
{
	if (ev->what == IKW_FLUSH_POLICY)
		ikw_policies_flushed(w, ev);
	if (ev->what != IKW_FLUSH_SA || ev->each_told)
		return;
	sas_vanish(w, &ev->hdr, &ev->by, ev->task_valid ? IKW_CAUSE_FLUSH : IKW_CAUSE_NETNS,
		   flushed, &(struct flush){ w, ev });
}

static bool undumped(const struct ikw_sa_node *sa, const void *arg)
{
	return sa->dumped != *(const uint32_t *)arg;
}

struct halves {
	struct ikw_generation *list[MAX_HALVES];
	unsigned int count;
};

/* By the time their SA was added; the oldest first. */
static void halves_add(struct halves *h, struct ikw_generation *gen)
{
	const struct ikw_sa_node *sa = gen->in ? gen->in : gen->out;
	unsigned int at = h->count;

	if (at == MAX_HALVES)
		return;
	h->count++;
	for (; at; at--) {
		const struct ikw_generation *g = h->list[at - 1];

		if ((g->in ? g->in : g->out)->add_wall_s <= sa->add_wall_s)
			break;
		h->list[at] = h->list[at - 1];
	}
	h->list[at] = gen;
}

/*
 * What is left of a tunnel found in place after the SAs added together have
 * been matched: as many in as out are pairs, the oldest with the oldest.
 */
static void pair_left(struct ikw_world *w, struct ikw_tunnel *t, uint64_t time)
{
	struct halves in = { .count = 0 }, out = { .count = 0 };

	for (struct ikw_generation *gen = t->generations; gen; gen = gen->next)
		if (!gen->ending && ikw_generation_half(gen))
			halves_add(gen->in ? &in : &out, gen);
	if (in.count != out.count || in.count == MAX_HALVES)
		return;
	for (unsigned int i = 0; i < in.count; i++)
		if (in.list[i]->dumped && out.list[i]->dumped)
			generation_join(w, in.list[i], out.list[i], time);
}

void ikw_dump_event(struct ikw_world *w, const struct ikw_dump *ev)
{
	struct ikw_hdr hdr = ev->hdr;
	struct ikw_node *node;
	size_t at = 0;

	if (ev->op == IKW_DUMP_BEGIN) {
		w->dump++;
		if (!w->dumping) /* one that failed is begun again */
			w->dump_began = ev->hdr.time;
		w->dumping = true;
		return;
	}
	if (!w->dumping)
		return;
	w->dumping = false;
	hdr.flags |= IKW_F_LATE;
	sas_vanish(w, &hdr, NULL, IKW_CAUSE_UNKNOWN, undumped, &w->dump);
	while ((node = ikw_table_each(&w->tunnels, &at)))
		pair_left(w, IKW_CONTAINER(node, struct ikw_tunnel, node), hdr.time);
}

/* Comes with an SA's end only, so that memory goes to those few. */
static void traffic_event(struct ikw_sa_node *sa, const struct ikw_esp *ev)
{
	if (!ev->span_count || ev->span_count > IKW_ESP_SPANS)
		return;
	if (!sa->traffic)
		sa->traffic = calloc(1, sizeof(*sa->traffic));
	if (!sa->traffic)
		return;
	sa->traffic->sampled = ev->sampled;
	sa->traffic->count = ev->span_count;
	for (uint32_t i = 0; i < ev->span_count; i++)
		sa->traffic->packets[i] = ev->spans[i].packets;
}

void ikw_esp_event(struct ikw_world *w, const struct ikw_esp *ev)
{
	struct ikw_sa_node *sa = sa_find(w, ev->daddr, ev->spi, IPPROTO_ESP, NULL);

	if (!sa)
		return;
	sa->esp_seen = true;
	sa->packets = ev->packets;
	sa->bytes = ev->bytes;
	sa->last = ev->last;
	sa->lost = ev->lost;
	sa->reordered = ev->reordered;
	traffic_event(sa, ev);
}
