/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IKE_SAs as an earlier agent knew them, all but their exchanges. */
#include <string.h>
#include "world_private.h"

static struct ikw_ike_sa *find(const struct ikw_world *w, uint64_t spi_i, uint64_t spi_r)
{
	struct ikw_find at;
	struct ikw_node *node = ikw_find_first(&at, &w->ikes, ikw_hash(&spi_i, 8, 4));

	for (; node; node = ikw_find_next(&at)) {
		struct ikw_ike_sa *ike = IKW_CONTAINER(node, struct ikw_ike_sa, node);

		if (ike->spi_i == spi_i && ike->spi_r == spi_r)
			return ike;
	}
	return NULL;
}

static void known(struct ikw_world *w, const struct ikw_ikesa *ev)
{
	struct ikw_peer *p = ikw_peer_get(w, ev->local, ev->remote);
	struct ikw_ike_sa *ike;

	if (!p || find(w, ev->spi_i, ev->spi_r))
		return;
	ike = ikw_ike_add(w, p, ev->spi_i, ev->version, ev->created);
	if (!ike)
		return;
	ike->spi_r = ev->spi_r;
	ike->last_in = ev->last_in;
	ike->last_out = ev->last_out;
	ike->installed = ev->installed;
	ike->live_last = ev->live_last;
	ike->live_gap = ev->live_gap;
	ike->live_length = ev->live_length;
	ike->live_count = ev->live_count;
	ike->asked_first = ev->asked_first;
	ike->ended = ev->flags2 & IKW_IKESA_ENDED ? ev->asked_first : 0;
	ike->asked_last = ev->asked_last;
	ike->repeats = ev->repeats;
	ike->local_port = ev->local_port;
	ike->remote_port = ev->remote_port;
	ike->heard_port = ev->heard_port;
	ike->encr = ev->encr;
	ike->keylen = ev->encr_keylen;
	ike->integ = ev->integ;
	ike->dpd_len = ev->dpd_len;
	ike->choice = ev->flags2 & IKW_IKESA_CHOICE;
	ike->ours = ev->flags2 & IKW_IKESA_OURS;
	ike->whole = ev->flags2 & IKW_IKESA_WHOLE;
	ike->spoken = ev->flags2 & IKW_IKESA_SPOKEN;
	ike->unasked = ev->flags2 & IKW_IKESA_UNASKED;
	ikw_ikes_heard(p->ikes, ike);
}

static void owns(const struct ikw_world *w, const struct ikw_ikesa *ev)
{
	const uint8_t *daddr = ev->dir == IKW_DIR_IN ? ev->local : ev->remote;
	struct ikw_generation *gen = ikw_generation_of(w, daddr, ev->spi);
	struct ikw_ike_sa *ike = find(w, ev->spi_i, ev->spi_r);

	if (!gen || !ike)
		return;
	ikw_generation_owned(gen, ike);
	gen->rival = ev->other;
	gen->exchange = ev->exchange;
	gen->quiet = ev->flags2 & IKW_IKESA_QUIET;
}

/* A file may say anything: they have one peer, and none is its own successor. */
static void succeeded(const struct ikw_world *w, const struct ikw_ikesa *ev)
{
	struct ikw_ike_sa *ike = find(w, ev->spi_i, ev->spi_r), *next = ikw_world_ike(w, ev->other);

	if (ike && next && ike->peer == next->peer && ikw_ike_last(next) != ikw_ike_last(ike))
		ikw_ike_succeed(ike->peer->ikes, ike, next);
}

void ikw_ikesa_event(struct ikw_world *w, const struct ikw_ikesa *ev)
{
	switch (ev->op) {
	case IKW_IKESA_KNOWN:
		known(w, ev);
		break;
	case IKW_IKESA_OWNS:
		owns(w, ev);
		break;
	default:
		succeeded(w, ev);
	}
}
