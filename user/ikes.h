/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The IKE_SAs of one peer: those that a tunnel needs, and the last of the others.
 * Behind a NAT, or a load balancer that translates, thousands of clients are one
 * peer: nothing here costs more for that, but where it says so.
 */
#ifndef IKEWATCH_IKES_H
#define IKEWATCH_IKES_H

#include <stdbool.h>
#include <stdint.h>
#include "ike.h"

struct ikw_ike_list {
	struct ikw_ike_sa *first;
	struct ikw_ike_sa *last;
};

struct ikw_ikes {
	struct ikw_ike_list all;    /* the newest first */
	struct ikw_ike_list heard;  /* who spoke last first */
	struct ikw_ike_list spare;  /* that nothing needs; the first to become so first */
	struct ikw_ike_list *ports; /* by the peer's port; NULL: there are few */
	uint32_t port_mask;	    /* lists in it - 1 */
	uint32_t count;
	uint32_t spare_count;
	uint64_t orders;
	uint64_t spoken; /* when a message of any was last seen, either way; boot time ns */
};

/* Into the peer's, as the newest; *ikes is made if need be. False: no memory. */
bool ikw_ikes_add(struct ikw_ikes **ikes, struct ikw_ike_sa *ike);
/* Out of them: whom it succeeds is followed by whoever comes after it. */
void ikw_ikes_del(struct ikw_ikes *ikes, struct ikw_ike_sa *ike);
/* To another peer's, with whom it succeeds and who succeeds it still. False: no memory. */
bool ikw_ikes_move(struct ikw_ikes *from, struct ikw_ikes **to, struct ikw_ike_sa *ike);
/* Frees what has become empty; NULL is fine. */
void ikw_ikes_free(struct ikw_ikes *ikes);

/* A message of it was seen, and perhaps its ports with that. */
void ikw_ikes_heard(struct ikw_ikes *ikes, struct ikw_ike_sa *ike);

/* One generation more, or less, refers to it. */
void ikw_ike_hold(struct ikw_ikes *ikes, struct ikw_ike_sa *ike);
void ikw_ike_drop(struct ikw_ikes *ikes, struct ikw_ike_sa *ike);
/* `next` carries on what `ike`, of the same peer, had. */
void ikw_ike_succeed(struct ikw_ikes *ikes, struct ikw_ike_sa *ike, struct ikw_ike_sa *next);

/*
 * May this IKE_SA manage SAs with that port? Many peers share one address behind
 * a NAT. An IKE_SA begins on port 500 and moves; the first to come from the new
 * port is the peer, we answer after the SAs are in (RFC 7296 2.23).
 */
bool ikw_ike_manages_port(const struct ikw_ike_sa *ike, uint16_t port);

/* The newest of all; NULL: there is none. And the next older one. */
static inline struct ikw_ike_sa *ikw_ike_newest(const struct ikw_ikes *ikes)
{
	return ikes ? ikes->all.first : NULL;
}

static inline struct ikw_ike_sa *ikw_ike_older(const struct ikw_ike_sa *ike)
{
	return ike->chain[IKW_BY_AGE].next;
}

/* Those that may manage SAs with a port, the newest first; with port 0 all. */
struct ikw_ike_walk {
	struct ikw_ike_sa *next[2];
	enum ikw_ike_chain chain;
	uint16_t port;
};
struct ikw_ike_sa *ikw_ike_walk(struct ikw_ike_walk *walk, const struct ikw_ikes *ikes,
				uint16_t port);
struct ikw_ike_sa *ikw_ike_walk_on(struct ikw_ike_walk *walk);

#endif
