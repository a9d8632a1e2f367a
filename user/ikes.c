// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include "ikes.h"

#define FEW 16 /* are walked through one by one */

/* ---- lists ---------------------------------------------------------------- */

/* before: NULL at the end */
static void list_add(struct ikw_ike_list *list, enum ikw_ike_chain chain, struct ikw_ike_sa *ike,
		     struct ikw_ike_sa *before)
{
	struct ikw_ike_sa *after = before ? before->chain[chain].prev : list->last;

	ike->chain[chain].prev = after;
	ike->chain[chain].next = before;
	*(after ? &after->chain[chain].next : &list->first) = ike;
	*(before ? &before->chain[chain].prev : &list->last) = ike;
}

static void list_del(struct ikw_ike_list *list, enum ikw_ike_chain chain, struct ikw_ike_sa *ike)
{
	struct ikw_ike_sa *prev = ike->chain[chain].prev, *next = ike->chain[chain].next;

	*(prev ? &prev->chain[chain].next : &list->first) = next;
	*(next ? &next->chain[chain].prev : &list->last) = prev;
}

/* ---- by port -------------------------------------------------------------- */

bool ikw_ike_manages_port(const struct ikw_ike_sa *ike, uint16_t port)
{
	bool initial = ike->remote_port == 500 && (!ike->heard_port || ike->heard_port == 500);

	return !port || !ike->remote_port || initial || ike->remote_port == port ||
	       ike->heard_port == port;
}

/* The one port that it manages; 0: several. */
static uint16_t port_of(const struct ikw_ike_sa *ike)
{
	bool moves = ike->heard_port && ike->heard_port != ike->remote_port;

	return moves || ike->remote_port == 500 ? 0 : ike->remote_port;
}

static struct ikw_ike_list *port_list(const struct ikw_ikes *ikes, uint16_t port)
{
	return &ikes->ports[(port * 0x9e3779b1U >> 12) & ikes->port_mask];
}

static void port_add(struct ikw_ikes *ikes, struct ikw_ike_sa *ike)
{
	struct ikw_ike_list *list = port_list(ikes, ike->filed_port);
	struct ikw_ike_sa *before = list->first;

	while (before && before->order > ike->order)
		before = before->chain[IKW_BY_PORT].next;
	list_add(list, IKW_BY_PORT, ike, before);
}

static void ports_grow(struct ikw_ikes *ikes)
{
	uint32_t lists = ikes->ports ? 4 * (ikes->port_mask + 1) : 2 * FEW;
	struct ikw_ike_list *ports = calloc(lists, sizeof(*ports));

	if (!ports)
		return; /* those there are get longer */
	free(ikes->ports);
	ikes->ports = ports;
	ikes->port_mask = lists - 1;
	for (struct ikw_ike_sa *ike = ikes->all.first; ike; ike = ikw_ike_older(ike))
		list_add(port_list(ikes, ike->filed_port), IKW_BY_PORT, ike, NULL);
}

static void port_file(struct ikw_ikes *ikes, struct ikw_ike_sa *ike)
{
	uint16_t port = port_of(ike);

	if (port == ike->filed_port)
		return;
	if (ikes->ports)
		list_del(port_list(ikes, ike->filed_port), IKW_BY_PORT, ike);
	ike->filed_port = port;
	if (ikes->ports)
		port_add(ikes, ike);
}

/* ---- who needs it ------------------------------------------------------------ */

static void spare_look(struct ikw_ikes *ikes, struct ikw_ike_sa *ike)
{
	bool spare = !ike->generations && !ike->needed;

	if (spare == ike->spare)
		return;
	ike->spare = spare;
	if (spare) {
		list_add(&ikes->spare, IKW_BY_SPARE, ike, NULL);
		ikes->spare_count++;
	} else {
		list_del(&ikes->spare, IKW_BY_SPARE, ike);
		ikes->spare_count--;
	}
}

void ikw_ike_hold(struct ikw_ikes *ikes, struct ikw_ike_sa *ike)
{
	if (ike->generations++)
		return;
	spare_look(ikes, ike);
	if (!ike->successor)
		return;
	ike->successor->needed++;
	spare_look(ikes, ike->successor);
}

void ikw_ike_drop(struct ikw_ikes *ikes, struct ikw_ike_sa *ike)
{
	if (--ike->generations)
		return;
	spare_look(ikes, ike);
	if (!ike->successor)
		return;
	ike->successor->needed--;
	spare_look(ikes, ike->successor);
}

void ikw_ike_succeed(struct ikw_ikes *ikes, struct ikw_ike_sa *ike, struct ikw_ike_sa *next)
{
	struct ikw_ike_sa *was = ike->successor;

	if (was) {
		was->succeeds--;
		if (was->predecessor == ike)
			was->predecessor = NULL;
		was->needed -= ike->generations > 0;
		spare_look(ikes, was);
	}
	ike->successor = next;
	if (next) {
		next->succeeds++;
		next->predecessor = ike;
		next->needed += ike->generations > 0;
		spare_look(ikes, next);
	}
}

/* Of those that it succeeds, one; NULL: it succeeds none. More than one is rare. */
static struct ikw_ike_sa *predecessor_of(const struct ikw_ikes *ikes, const struct ikw_ike_sa *ike)
{
	struct ikw_ike_sa *other = ike->predecessor;

	if (!ike->succeeds || other)
		return other;
	other = ikes->all.first;
	while (other && other->successor != ike)
		other = ikw_ike_older(other);
	return other;
}

/* ---- the peer's --------------------------------------------------------------- */

bool ikw_ikes_add(struct ikw_ikes **at, struct ikw_ike_sa *ike)
{
	struct ikw_ikes *ikes = *at;

	if (!ikes)
		ikes = *at = calloc(1, sizeof(*ikes));
	if (!ikes)
		return false;
	ike->order = ++ikes->orders;
	ike->filed_port = port_of(ike);
	list_add(&ikes->all, IKW_BY_AGE, ike, ikes->all.first);
	list_add(&ikes->heard, IKW_BY_HEARD, ike, ikes->heard.first);
	if (ikes->ports)
		port_add(ikes, ike);
	ikes->count++;
	if (ikes->count > (ikes->ports ? 2 * (ikes->port_mask + 1) : FEW))
		ports_grow(ikes);
	ike->spare = false;
	spare_look(ikes, ike);
	ikw_ikes_heard(ikes, ike);
	return true;
}

static void unlink_all(struct ikw_ikes *ikes, struct ikw_ike_sa *ike)
{
	list_del(&ikes->all, IKW_BY_AGE, ike);
	list_del(&ikes->heard, IKW_BY_HEARD, ike);
	if (ikes->ports)
		list_del(port_list(ikes, ike->filed_port), IKW_BY_PORT, ike);
	if (ike->spare) {
		list_del(&ikes->spare, IKW_BY_SPARE, ike);
		ikes->spare_count--;
	}
	ikes->count--;
}

void ikw_ikes_del(struct ikw_ikes *ikes, struct ikw_ike_sa *ike)
{
	struct ikw_ike_sa *before;

	while ((before = predecessor_of(ikes, ike)))
		ikw_ike_succeed(ikes, before, ike->successor);
	ikw_ike_succeed(ikes, ike, NULL);
	unlink_all(ikes, ike);
}

bool ikw_ikes_move(struct ikw_ikes *from, struct ikw_ikes **to, struct ikw_ike_sa *ike)
{
	if (!*to)
		*to = calloc(1, sizeof(**to));
	if (!*to)
		return false;
	unlink_all(from, ike);
	return ikw_ikes_add(to, ike);
}

void ikw_ikes_free(struct ikw_ikes *ikes)
{
	if (ikes)
		free(ikes->ports);
	free(ikes);
}

void ikw_ikes_heard(struct ikw_ikes *ikes, struct ikw_ike_sa *ike)
{
	uint64_t last = ike->last_in > ike->last_out ? ike->last_in : ike->last_out;

	if (last > ikes->spoken)
		ikes->spoken = last;
	if (ikes->heard.first != ike) {
		list_del(&ikes->heard, IKW_BY_HEARD, ike);
		list_add(&ikes->heard, IKW_BY_HEARD, ike, ikes->heard.first);
	}
	port_file(ikes, ike);
}

/* ---- a walk -------------------------------------------------------------------- */

struct ikw_ike_sa *ikw_ike_walk_on(struct ikw_ike_walk *walk)
{
	for (;;) {
		struct ikw_ike_sa **a = &walk->next[0], **b = &walk->next[1], *ike;

		if (!*a || (*b && (*b)->order > (*a)->order))
			a = b;
		ike = *a;
		if (!ike)
			return NULL;
		*a = ike->chain[walk->chain].next;
		if (ikw_ike_manages_port(ike, walk->port))
			return ike;
	}
}

struct ikw_ike_sa *ikw_ike_walk(struct ikw_ike_walk *walk, const struct ikw_ikes *ikes,
				uint16_t port)
{
	const struct ikw_ike_list *own, *any;

	*walk = (struct ikw_ike_walk){ .chain = IKW_BY_AGE, .port = port };
	if (!ikes)
		return NULL;
	walk->next[0] = ikes->all.first;
	if (port && ikes->ports) {
		own = port_list(ikes, port);
		any = port_list(ikes, 0);
		walk->chain = IKW_BY_PORT;
		walk->next[0] = own->first;
		walk->next[1] = any == own ? NULL : any->first;
	}
	return ikw_ike_walk_on(walk);
}
