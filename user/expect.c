// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the next events will be looked up in, asked of the memory in good time: with
 * many tunnels each of them is another one's, and none of it is in the caches. What
 * to ask for next stands in what was asked for: so all events go one step, and then
 * all the next.
 */
#include "world_private.h"

struct aim;
typedef void (*step_fn)(const struct ikw_world *w, struct aim *aim);

/* How far an event has been followed. */
struct aim {
	const struct ikw_sa *ev;
	step_fn next; /* NULL: to its end */
	uint64_t hash;
	union {
		const struct ikw_peer *peer;
		const struct ikw_tunnel *tunnel;
		const struct ikw_sa_node *sa;
		const struct ikw_generation *gen;
	};
};

/* By the hash alone: the rest of the key is in a line that is yet to come. */
static const struct ikw_node *in_slot(const struct ikw_table *table, uint64_t hash)
{
	struct ikw_find find;

	return ikw_find_first(&find, table, hash);
}

static void ask_owner(const struct ikw_world *w, struct aim *aim)
{
	const struct ikw_peer *p = aim->gen->tunnel->peer;

	(void)w;
	ikw_prefetch(p, sizeof(*p));
	aim->next = NULL;
}

static void ask_around(const struct ikw_world *w, struct aim *aim)
{
	const struct ikw_generation *gen = aim->gen;

	if (gen->in)
		ikw_table_prefetch(&w->sas, gen->in->node.hash);
	if (gen->out)
		ikw_table_prefetch(&w->sas, gen->out->node.hash);
	ikw_prefetch(gen->tunnel, sizeof(*gen->tunnel));
	aim->next = ask_owner;
}

static void ask_generation(struct aim *aim, const struct ikw_generation *gen)
{
	ikw_prefetch(gen, sizeof(*gen));
	aim->gen = gen;
	aim->next = gen ? ask_around : NULL;
}

static void ask_of_sa(const struct ikw_world *w, struct aim *aim)
{
	(void)w;
	ask_generation(aim, aim->sa->generation);
}

static void ask_sa(const struct ikw_world *w, struct aim *aim)
{
	const struct ikw_node *node = in_slot(&w->sas, aim->hash);

	aim->next = NULL;
	if (!node)
		return;
	aim->sa = IKW_CONTAINER(node, struct ikw_sa_node, node);
	ikw_prefetch(aim->sa, sizeof(*aim->sa));
	aim->next = ask_of_sa;
}

static void ask_of_tunnel(const struct ikw_world *w, struct aim *aim)
{
	(void)w;
	ask_generation(aim, aim->tunnel->generations);
}

/* Only where a peer has several are they looked up. */
static void ask_key(const struct ikw_world *w, struct aim *aim)
{
	const struct ikw_node *node = &aim->tunnel->node;

	if (aim->tunnel->peer_next)
		node = in_slot(&w->tunnels, aim->hash);
	aim->next = NULL;
	if (!node)
		return;
	if (node == &aim->tunnel->node) {
		ask_of_tunnel(w, aim);
		return;
	}
	aim->tunnel = IKW_CONTAINER(node, struct ikw_tunnel, node);
	ikw_prefetch(aim->tunnel, sizeof(*aim->tunnel));
	aim->next = ask_of_tunnel;
}

static void ask_tunnel(const struct ikw_world *w, struct aim *aim)
{
	const struct ikw_peer *p = aim->peer;

	aim->next = NULL;
	if (!p->tunnels)
		return;
	aim->hash = ikw_tunnel_hash(p, aim->ev);
	ikw_table_prefetch(&w->tunnels, aim->hash);
	aim->tunnel = p->tunnels;
	ikw_prefetch(aim->tunnel, sizeof(*aim->tunnel));
	aim->next = ask_key;
}

static void ask_peer(const struct ikw_world *w, struct aim *aim)
{
	const struct ikw_node *node = in_slot(&w->peers, aim->hash);

	aim->next = NULL;
	if (!node)
		return;
	aim->peer = IKW_CONTAINER(node, struct ikw_peer, node);
	ikw_prefetch(aim->peer, sizeof(*aim->peer));
	aim->next = ask_tunnel;
}

static void ask_slots(const struct ikw_world *w, struct aim *aim)
{
	const struct ikw_sa *ev = aim->ev;

	aim->hash = ikw_sa_hash(ev->daddr, ev->spi);
	ikw_table_prefetch(&w->sas, aim->hash);
	aim->next = ask_sa;
	if (ev->op != IKW_SA_ADD)
		return;
	aim->hash = ev->dir == IKW_DIR_IN ? ikw_peer_hash(ev->daddr, ev->saddr)
					  : ikw_peer_hash(ev->saddr, ev->daddr);
	ikw_table_prefetch(&w->peers, aim->hash);
	aim->next = ask_peer;
}

#define TOGETHER 64 /* chosen */

static void follow(const struct ikw_world *w, struct aim *aims, size_t count)
{
	size_t left;

	do {
		left = 0;
		for (size_t i = 0; i < count; i++) {
			if (!aims[i].next)
				continue;
			aims[i].next(w, &aims[i]);
			left++;
		}
	} while (left);
}

void ikw_world_expect(const struct ikw_world *w, const union ikw_event *const *events, size_t n)
{
	struct aim aims[TOGETHER];
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (events[i]->hdr.type == IKW_EV_SA)
			aims[count++] = (struct aim){ .ev = &events[i]->sa, .next = ask_slots };
		if (count < TOGETHER && i + 1 < n)
			continue;
		follow(w, aims, count);
		count = 0;
	}
}
