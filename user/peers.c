// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>
#include "world_private.h"

#define MAX_IDLE_PEERS 16384		 /* peers without a tunnel that are remembered */
#define SETTING_UP     (10 * IKW_SECOND) /* so long an IKE_SA may take to do so */
#define MAX_IDLE_IKES  32768 /* IKE_SAs, beside some for each tunnel: more, and idle peers go */
#define IKES_A_TUNNEL  4
#define MAX_PEER_IKES  64 /* remembered per peer that manage no tunnel */
#define MAX_NOTHINGS   4  /* and such of a peer without a tunnel that came to nothing */
#define SPARE_FOR      (600 * IKW_SECOND) /* one whose time is over: no look goes further back */
#define SPARE_LEAST    2		  /* and so many stay whatever their age */
#define V2_INITIATOR   0x08
#define V2_RESPONSE    0x20
/*
 * No response that agrees to an IKE_SA rekey is shorter (RFC 7296 1.3.2): SA with
 * three transforms, nonce and the smallest KE make some 110 bytes, and the header
 * and SK payload around them at least 49. One that refuses carries a notification.
 */
#define IKE_REKEY_LEAST 150
/*
 * From the daemon's look at the use times to the check it decides on: a look up to
 * ASKED_BEFORE ago was for it. One longer ago led to nothing, unless this daemon
 * may take so long: up to ASKED_SLOWER times what it ever took, but never
 * ASKED_NEVER. (On a busy machine one took 300 ms that had taken 55 at most.)
 */
#define ASKED_BEFORE  (300 * IKW_MS)
#define ASKED_SLOWER  20
#define ASKED_NEVER   (2 * IKW_SECOND)
#define RESERVE_SLACK (5 * IKW_MS)     /* events of several CPUs may pass each other */
#define RESERVED_FOR  (2 * IKW_SECOND) /* from the SPI to the request, or the other way round */
#define RIVALS_APART  (1 * IKW_SECOND)
#define UNRESERVED    (1000 * IKW_SECOND)    /* behind all that fit when the SPI was reserved */
#define BROUGHT	      (1000000 * IKW_SECOND) /* behind all that brought nothing yet */
#define BRINGS_FOR    (2 * IKW_SECOND)	     /* what comes of one exchange comes at once */
#define SERVED_FOR    (1 * IKW_SECOND) /* from an order to the Delete that it makes a daemon send */
#define AWAY_FOLLOWS  (5 * IKW_SECOND) /* from an order for many peers to each message: chosen */
#define ASKED_FOR     (1 * IKW_SECOND) /* a look this soon after a request may be for its client */
#define SEEN_AGAIN    (20 * IKW_MS)    /* on the next link that a packet passes; chosen */

/* ---- peers -------------------------------------------------------------- */

static uint64_t remote_hash(const uint8_t *remote)
{
	return ikw_hash_16(remote, 8);
}

struct ikw_peer *ikw_world_peer(const struct ikw_world *w, const uint8_t *local,
				const uint8_t *remote)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->peers, ikw_peer_hash(local, remote));

	for (; node; node = ikw_find_next(&find)) {
		struct ikw_peer *p = IKW_CONTAINER(node, struct ikw_peer, node);

		if (!memcmp(p->local, local, IKW_ADDR_LEN) &&
		    !memcmp(p->remote, remote, IKW_ADDR_LEN))
			return p;
	}
	return NULL;
}

void ikw_peer_idle(struct ikw_world *w, struct ikw_peer *p)
{
	if (p->idle)
		return;
	p->idle = true;
	p->idle_next = NULL;
	p->idle_prev = w->idle_last;
	if (w->idle_last)
		w->idle_last->idle_next = p;
	else
		w->idle_first = p;
	w->idle_last = p;
	w->idle_count++;
}

void ikw_peer_busy(struct ikw_world *w, struct ikw_peer *p)
{
	if (!p->idle)
		return;
	p->idle = false;
	if (p->idle_prev)
		p->idle_prev->idle_next = p->idle_next;
	else
		w->idle_first = p->idle_next;
	if (p->idle_next)
		p->idle_next->idle_prev = p->idle_prev;
	else
		w->idle_last = p->idle_prev;
	w->idle_count--;
}

static void ike_forget(struct ikw_world *w, struct ikw_ike_sa *ike)
{
	ikw_ikes_del(ike->peer->ikes, ike);
	ikw_table_del(&w->ikes, &ike->node);
	free(ike);
}

static void peer_forget(struct ikw_world *w, struct ikw_peer *p)
{
	while (ikw_ike_newest(p->ikes))
		ike_forget(w, ikw_ike_newest(p->ikes));
	ikw_ikes_free(p->ikes);
	ikw_peer_busy(w, p);
	ikw_table_del(&w->peers, &p->node);
	ikw_table_del(&w->remotes, &p->by_remote);
	free(p);
}

static bool too_many_ikes(const struct ikw_world *w)
{
	return w->ikes.count > MAX_IDLE_IKES + IKES_A_TUNNEL * w->tunnels.count;
}

static bool too_many(const struct ikw_world *w)
{
	return w->idle_count > MAX_IDLE_PEERS || too_many_ikes(w);
}

static void peers_bound(struct ikw_world *w, const struct ikw_peer *keep)
{
	struct ikw_peer *p = w->idle_first;

	while (p && too_many(w)) {
		struct ikw_peer *next = p->idle_next;
		bool needed = p->ikes && p->ikes->count > p->ikes->spare_count;

		if (p != keep && !p->tunnels && !needed)
			peer_forget(w, p);
		p = next;
	}
}

struct ikw_peer *ikw_peer_get(struct ikw_world *w, const uint8_t *local, const uint8_t *remote)
{
	struct ikw_peer *p = ikw_world_peer(w, local, remote);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	memcpy(p->local, local, IKW_ADDR_LEN);
	memcpy(p->remote, remote, IKW_ADDR_LEN);
	p->node.hash = ikw_peer_hash(local, remote);
	ikw_table_add(&w->peers, &p->node);
	p->by_remote.hash = remote_hash(remote);
	ikw_table_add(&w->remotes, &p->by_remote);
	ikw_peer_idle(w, p);
	peers_bound(w, p);
	return p;
}

/* ---- IKE_SAs ------------------------------------------------------------ */

static struct ikw_ike_sa *ike_find(const struct ikw_world *w, const struct ikw_ike *m)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->ikes, ikw_hash(&m->spi_i, 8, 4));
	struct ikw_ike_sa *half = NULL;

	for (; node; node = ikw_find_next(&find)) {
		struct ikw_ike_sa *ike = IKW_CONTAINER(node, struct ikw_ike_sa, node);

		if (ike->spi_i != m->spi_i || ike->version != m->version >> 4)
			continue;
		if (ike->spi_r == m->spi_r)
			return ike;
		if (!ike->spi_r || !m->spi_r)
			half = ike;
	}
	return half;
}

/*
 * An IKE_SA that begins in mid-stream between peers that have one already is
 * what an IKE_SA rekey leaves (RFC 7296 2.8: new SPIs, message IDs from 0): its
 * predecessor is the one whose last answered CREATE_CHILD_SA installed nothing.
 */
static void ike_succeed(struct ikw_ike_sa *ike)
{
	struct ikw_ikes *ikes = ike->peer->ikes;
	struct ikw_ike_walk walk;
	struct ikw_ike_sa *old = ikw_ike_walk(&walk, ikes, ike->remote_port);

	for (; old; old = ikw_ike_walk_on(&walk)) {
		if (old == ike || old->version != 2 || old->successor ||
		    old->remote_port != ike->remote_port)
			continue;
		for (unsigned int k = 0; k < old->count; k++) {
			const struct ikw_exchange *x = ikw_ike_exchange(old, k);

			if (x->type != IKW_V2_CHILD || !x->answered || x->began <= old->installed ||
			    x->answer_length < IKE_REKEY_LEAST)
				continue;
			ikw_ike_succeed(ikes, old, ike);
			ike->choice = old->choice;
			ike->encr = old->encr;
			ike->keylen = old->keylen;
			ike->integ = old->integ;
			ike->live_length = old->live_length;
			ike->live_count = old->live_count;
			ike->live_gap = old->live_gap;
			ike->live_gap_ms = old->live_gap_ms;
			ike->live_last = old->live_last;
			ike->round_trip_ms = old->round_trip_ms;
			return;
		}
	}
}

/* The addresses of what this host only forwards. */
static const uint8_t nowhere[IKW_ADDR_LEN];

static bool of_nobody(const struct ikw_peer *p)
{
	return !memcmp(p->remote, nowhere, IKW_ADDR_LEN);
}

/* Anybody can begin IKE_SAs, or seem to; one that has just begun may still come to something. */
static bool came_to_nothing(const struct ikw_ike_sa *ike, uint64_t now)
{
	bool idle = !ike->spoken || (ike->whole && !ike->installed);

	return idle && ike->created + SETTING_UP < now;
}

/* Replaced, ended or never come to be, and so long ago that no case asks for it. */
static bool over(const struct ikw_ike_sa *ike, uint64_t now)
{
	uint64_t last = ike->last_in > ike->last_out ? ike->last_in : ike->last_out;

	if (ike->ended > last)
		last = ike->ended;
	return last + SPARE_FOR < now &&
	       (ike->successor || ike->ended || came_to_nothing(ike, now));
}

/*
 * Those that nothing needs any more are bounded, not those that manage tunnels:
 * a NAT may have thousands behind it. First goes what is over, then what came to
 * nothing, then what has been of no use the longest.
 */
static void ikes_bound(struct ikw_world *w, struct ikw_peer *p, const struct ikw_ike_sa *newest)
{
	/* of thousands of peers with a tunnel each, whose addresses somebody borrows, fewer as well
	 */
	const bool few = !of_nobody(p) && (!p->tunnels || too_many_ikes(w));
	const uint32_t most[] = { SPARE_LEAST, few ? MAX_NOTHINGS : MAX_PEER_IKES, MAX_PEER_IKES };
	struct ikw_ikes *ikes = p->ikes;
	uint64_t now = newest->created;

	for (unsigned int way = 0; way < 3; way++) {
		struct ikw_ike_sa *ike = ikes->spare.first, *next;

		for (; ike && ikes->spare_count > most[way]; ike = next) {
			next = ike->chain[IKW_BY_SPARE].next;
			if (ike != newest &&
			    (way == 2 || (way ? came_to_nothing(ike, now) : over(ike, now))))
				ike_forget(w, ike);
		}
	}
	peers_bound(w, p);
}

struct ikw_ike_sa *ikw_ike_add(struct ikw_world *w, struct ikw_peer *p, uint64_t spi_i,
			       uint8_t version, uint64_t created)
{
	struct ikw_ike_sa *ike = calloc(1, sizeof(*ike));

	if (!ike)
		return NULL;
	ike->peer = p;
	ike->spi_i = spi_i;
	ike->version = version;
	ike->created = created;
	ike->node.hash = ikw_hash(&spi_i, 8, 4);
	if (!ikw_ikes_add(&p->ikes, ike)) {
		free(ike);
		return NULL;
	}
	ikw_table_add(&w->ikes, &ike->node);
	return ike;
}

struct ikw_ike_sa *ikw_world_ike(const struct ikw_world *w, uint64_t spi_i)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->ikes, ikw_hash(&spi_i, 8, 4));

	for (; node; node = ikw_find_next(&find)) {
		struct ikw_ike_sa *ike = IKW_CONTAINER(node, struct ikw_ike_sa, node);

		if (ike->spi_i == spi_i)
			return ike;
	}
	return NULL;
}

/*
 * Of copies of a peer's first message that waited for our daemon each may get an answer,
 * one a cookie first: IKE_SAs with one SPI of the peer's, which goes on with one of them.
 */
static bool answers_again(const struct ikw_world *w, const struct ikw_ike *m)
{
	const struct ikw_ike_sa *first = ikw_world_ike(w, m->spi_i);

	return first && first->whole && !first->ours && first->version == 2 &&
	       m->version >> 4 == 2 && m->dir == IKW_DIR_OUT && m->exchange == IKW_V2_INIT &&
	       (m->ike_flags & V2_RESPONSE);
}

static struct ikw_ike_sa *ike_new(struct ikw_world *w, struct ikw_peer *p, const struct ikw_ike *m)
{
	bool again = answers_again(w, m);
	struct ikw_ike_sa *ike = ikw_ike_add(w, p, m->spi_i, m->version >> 4, m->hdr.time);

	if (!ike)
		return NULL;
	ike->spi_r = m->spi_r;
	ike->whole = ikw_exchange_sets_up(m->exchange) && !m->spi_r &&
		     !(ike->version == 2 && (m->ike_flags & V2_RESPONSE));
	ike->ours = ike->version == 1 || ike->whole
			    ? m->dir == IKW_DIR_OUT
			    : (m->dir == IKW_DIR_OUT) == !!(m->ike_flags & V2_INITIATOR);
	ike->whole |= again;
	ike->remote_port = m->dir == IKW_DIR_OUT ? m->dport : m->sport;
	ikes_bound(w, p, ike);
	return ike;
}

struct ikw_ike_sa *ikw_ike_last(struct ikw_ike_sa *ike)
{
	for (int hops = 0; ike && ike->successor && hops < 64; hops++)
		ike = ike->successor;
	return ike;
}

static void ike_relink(struct ikw_ike_sa *ike, struct ikw_peer *p)
{
	if (ikw_ikes_move(ike->peer->ikes, &p->ikes, ike))
		ike->peer = p;
}

/* With those that it was rekeyed from and to: whoever forgets one looks for these at its peer. */
static void ike_move(struct ikw_ike_sa *ike, struct ikw_peer *p)
{
	const struct ikw_ike_sa *last = ikw_ike_last(ike);
	struct ikw_ike_sa *other = ikw_ike_newest(ike->peer->ikes), *next;

	for (; other && (ike->successor || ike->succeeds); other = next) {
		next = ikw_ike_older(other);
		if (other != ike && ikw_ike_last(other) == last)
			ike_relink(other, p);
	}
	ike_relink(ike, p);
}

static uint64_t asked_at_most(const struct ikw_process *daemon)
{
	uint64_t most = daemon ? ASKED_SLOWER * daemon->asks_gap : ASKED_NEVER;

	return most < ASKED_NEVER ? most : ASKED_NEVER;
}

/*
 * A daemon that finds its peer silent reads the SAs' use times and sends a
 * liveness check within milliseconds; before a Delete of an IKE_SA it reads
 * nothing. Whoever lists tunnels makes it read too.
 */
static void note_asked(struct ikw_world *w, const struct ikw_ike_sa *ike, struct ikw_exchange *x)
{
	const struct ikw_peer *p = ike->peer;
	struct ikw_process *daemon = ikw_host_process(&w->host, p->asked_by);
	uint64_t last = ike->looked > p->asked_any ? ike->looked : p->asked_any;
	uint64_t ago = last ? x->first - last : UINT64_MAX;

	if (ago > ASKED_BEFORE) {
		if (ago >= asked_at_most(daemon) && w->asked_unseen + ASKED_NEVER < x->first)
			x->asked = IKW_ASKED_NO;
		return;
	}
	if (ikw_host_looked(&w->host, p->asked_by, last - ASKED_FOR, x->first))
		return;
	x->asked = IKW_ASKED_YES;
	x->asked_ms = (uint16_t)(ago / IKW_MS);
	if (daemon && ago > daemon->asks_gap)
		daemon->asks_gap = ago;
}

/* Who speaks to that peer, as far as it is known: who reads its SAs' use times, or put them in. */
static struct ikw_process *speaker(struct ikw_world *w, const struct ikw_peer *p)
{
	uint32_t tgid = p->asked_by;

	for (const struct ikw_tunnel *t = p->tunnels; t && !tgid; t = t->peer_next)
		tgid = t->generations ? t->generations->installer_tgid : 0;
	return ikw_host_process(&w->host, tgid);
}

/* Our latest INFORMATIONAL was answered and ended nothing; what ends from `until` on counts not. */
static bool was_check(const struct ikw_ike_sa *ike, uint64_t until)
{
	return ike->asked_first && ike->live_last == ike->asked_first &&
	       (ike->ended < ike->asked_first || ike->ended >= until);
}

bool ikw_ike_asks(const struct ikw_ike_sa *ike, const struct ikw_process *daemon, uint64_t at)
{
	return (daemon && daemon->asks) || (was_check(ike, at) && ike->asked_last == IKW_ASKED_YES);
}

/*
 * The INFORMATIONAL before was answered and ended nothing, so that it was a
 * check: what came before it is the daemon's habit. (One that deleted SAs is
 * none: daemons read how much went through them first, for their log.)
 */
static void note_habit(struct ikw_world *w, struct ikw_ike_sa *ike)
{
	struct ikw_process *daemon = speaker(w, ike->peer);

	if (!was_check(ike, UINT64_MAX))
		return;
	if (ike->asked_last == IKW_ASKED_NO)
		ike->unasked = true;
	if (!daemon)
		return;
	if (ike->asked_last == IKW_ASKED_YES)
		daemon->asks = true;
	else if (ike->asked_last == IKW_ASKED_NO && ike->generations)
		daemon->unasked = true;
}

bool ikw_ike_not_asked(const struct ikw_ike_sa *ike, const struct ikw_exchange *x,
		       const struct ikw_process *daemon)
{
	return x->asked == IKW_ASKED_NO && daemon && daemon->asks && !daemon->unasked &&
	       !ike->unasked;
}

/* Longer than any liveness check, or of a daemon that looks before each and had not. */
static bool no_check(const struct ikw_world *w, const struct ikw_ike_sa *ike,
		     const struct ikw_exchange *x)
{
	const struct ikw_process *daemon = ikw_host_process(&w->host, ike->peer->asked_by);

	return ikw_ike_content(ike, x->length) >= IKW_CONTENT_DELETE_IKE ||
	       ikw_ike_not_asked(ike, x, daemon);
}

/* The request may be the one that sends the peer to another gateway, as was ordered (RFC 5685 5).
 */
static void note_away(const struct ikw_world *w, struct ikw_ike_sa *ike,
		      const struct ikw_exchange *x)
{
	uint64_t since = ikw_ike_content(ike, x->length) == IKW_CONTENT_SOMETHING
				 ? AWAY_FOLLOWS
				 : IKW_ORDER_FOLLOWS;
	uint64_t order =
		ikw_host_order_away(&w->host, x->first > since ? x->first - since : 0, x->first);

	if (order)
		ike->away = order;
}

static void ike_asked(struct ikw_world *w, struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	struct ikw_exchange *x = (struct ikw_exchange *)ikw_ike_exchange(ike, 0);

	if (m->dir != IKW_DIR_OUT || !x || !x->ours || x->first != m->hdr.time ||
	    (x->type != IKW_V2_INFORMATIONAL && x->type != IKW_V1_INFO))
		return;
	x->due = ikw_ike_check_due(ike, x);
	note_asked(w, ike, x);
	note_habit(w, ike);
	ike->asked_last = x->asked;
	ike->asked_first = x->first;
	if (x->asked != IKW_ASKED_YES && ikw_ike_content(ike, x->length) != IKW_CONTENT_EMPTY &&
	    !x->due) {
		note_away(w, ike, x);
		ikw_host_order_served(&w->host, ike->spi_i,
				      x->first > SERVED_FOR ? x->first - SERVED_FOR : 0, x->first,
				      no_check(w, ike, x));
		ikw_outside_obeyed(&w->outside, x->first);
	}
}

/*
 * Of the IKE_AUTH exchanges that EAP makes many of, the first asks for SAs: it
 * comes behind IKE_SA_INIT, or behind IKE_INTERMEDIATE (RFC 9242).
 */
static bool first_auth(const struct ikw_ike_sa *ike, const struct ikw_exchange *x)
{
	const struct ikw_exchange *y;

	for (unsigned int k = 0; k < ike->count; k++) {
		y = ikw_ike_exchange(ike, k);
		if (y->ours == x->ours && y->type == IKW_V2_INTERMEDIATE &&
		    y->message_id + 1 == x->message_id)
			return true;
	}
	return x->message_id == 1;
}

/*
 * Requests of ours leave in the order in which their SPIs were reserved, however
 * long each takes: the oldest SPI that is for nobody yet is for this one.
 */
static void note_request(struct ikw_world *w, const struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	struct ikw_exchange *x = (struct ikw_exchange *)ikw_ike_exchange(ike, 0);
	uint64_t pair = ikw_peer_hash(ike->peer->local, ike->peer->remote);

	if (m->dir != IKW_DIR_OUT || !x || !x->ours || x->began != m->hdr.time ||
	    !ikw_exchange_installs(x->type) || (x->type == IKW_V2_AUTH && !first_auth(ike, x)))
		return;
	for (unsigned int k = 0; k < IKW_RESERVED_LAST; k++) {
		unsigned int slot = (w->reserved_head + k) % IKW_RESERVED_LAST;
		struct ikw_reserved *r = w->reserved_last[slot];

		if (!r || r->pair != pair || r->spi_i || r->time + RESERVED_FOR < m->hdr.time)
			continue;
		r->spi_i = ike->spi_i;
		r->asked = m->hdr.time;
		x->reserved = true;
		return;
	}
}

static bool waits_for_spi(const struct ikw_exchange *x, uint64_t now)
{
	return !x->ours && ikw_exchange_installs(x->type) && !x->answered && !x->reserved &&
	       !x->brought && x->began + RESERVED_FOR >= now;
}

static bool silent_for(const struct ikw_ike_sa *ike, uint64_t ns, uint64_t now)
{
	return ike->last_in + ns < now && ike->last_out + ns < now;
}

/* Likewise the requests of the peer, in the order in which they came. */
void ikw_peer_asking(struct ikw_world *w, const uint8_t *local, const uint8_t *remote,
		     struct ikw_reserved *r)
{
	const struct ikw_peer *p = ikw_world_peer(w, local, remote);
	struct ikw_ike_sa *ike = p && p->ikes ? p->ikes->heard.first : NULL;
	struct ikw_exchange *oldest = NULL;

	for (; ike && !silent_for(ike, RESERVED_FOR, r->time);
	     ike = ike->chain[IKW_BY_HEARD].next) {
		for (unsigned int k = 0; k < ike->count; k++) {
			struct ikw_exchange *x = (struct ikw_exchange *)ikw_ike_exchange(ike, k);

			if (!waits_for_spi(x, r->time))
				continue;
			if (oldest && oldest->began <= x->began) {
				r->rival = ike->spi_i;
				continue;
			}
			r->rival = oldest ? r->spi_i : 0;
			r->spi_i = ike->spi_i;
			oldest = x;
		}
	}
	if (!oldest)
		return;
	r->asked = oldest->began;
	oldest->reserved = true;
}

/* A process reads when an SA or a policy between these addresses was last used. */
uint64_t ikw_peer_spoken(const struct ikw_peer *p)
{
	return p->ikes ? p->ikes->spoken : 0;
}

void ikw_peer_asked(struct ikw_world *w, struct ikw_peer *p, uint16_t port,
		    const struct ikw_hdr *hdr, const struct ikw_actor *by)
{
	struct ikw_ike_walk walk;
	struct ikw_ike_sa *ike;

	if (hdr->flags & IKW_F_MORE)
		w->asked_unseen = hdr->time + IKW_ASK_WINDOW;
	if (!p || !ikw_host_is_daemon(&w->host, by->tgid))
		return;
	if (p->asked <= ikw_peer_spoken(p))
		p->asked_since = hdr->time;
	p->asked = hdr->time;
	p->asked_by = by->tgid;
	if (!port)
		p->asked_any = hdr->time;
	ike = port ? ikw_ike_walk(&walk, p->ikes, port) : NULL;
	for (; ike; ike = ikw_ike_walk_on(&walk))
		ike->looked = hdr->time;
}

uint64_t ikw_peer_reserved(const struct ikw_world *w, const struct ikw_peer *p)
{
	uint64_t pair = ikw_peer_hash(p->local, p->remote), last = 0;

	for (unsigned int k = 0; k < IKW_RESERVED_LAST; k++) {
		const struct ikw_reserved *r = w->reserved_last[k];

		if (r && r->pair == pair && !r->spi_i && r->time > last)
			last = r->time;
	}
	return last;
}

/*
 * Whatever comes in may be forged or stray; that our daemon takes part says
 * that the IKE_SA is one. Where what it sends goes unseen, anything has to do.
 */
static void ike_speaks(const struct ikw_world *w, struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	bool out = m->dir == IKW_DIR_OUT || !(w->host.sees & IKW_SEES_IKE_OUT);

	if (ike->spoken || !out || ikw_ike_in_clear(m))
		return;
	ike->spoken = true;
	if (ike->version == 2 && !ikw_exchange_sets_up(m->exchange))
		ike_succeed(ike);
}

/* Over that link, from then on; 0: not known. */
static void peer_reached(struct ikw_peer *p, uint32_t ifindex, uint64_t time)
{
	if (!ifindex || ifindex == p->ifindex)
		return;
	p->was_ifindex = p->ifindex;
	p->way_changed = (uint32_t)(time / IKW_WAY_TICK);
	p->ifindex = ifindex;
}

/*
 * Packets are seen where they pass at last, on a bond's port and not on the bond
 * that the route leads over: the bond stays what leads to the peer.
 */
static void peer_seen_on(const struct ikw_world *w, struct ikw_peer *p, const struct ikw_ike *m)
{
	/* what comes in may come another way than what goes out */
	if (m->dir != IKW_DIR_OUT && p->way_seen)
		return;
	p->way_seen = m->dir == IKW_DIR_OUT;
	if (m->ifindex != p->ifindex && !ikw_host_link_stands_on(&w->host, p->ifindex, m->ifindex))
		peer_reached(p, m->ifindex, m->hdr.time);
}

/*
 * The kernel was asked for a packet without a mark, of no port: where a rule
 * looks at those, what was seen to leave tells more, while that link is there.
 * What the route's link stands on is no other way.
 */
static void peer_routed(const struct ikw_world *w, struct ikw_peer *p, uint32_t ifindex,
			uint64_t time)
{
	const struct ikw_link_state *way = ikw_host_link(&w->host, p->ifindex);

	if (ifindex && way && ikw_host_link_stands_on(&w->host, ifindex, p->ifindex))
		p->ifindex = ifindex;
	else if (!p->way_seen || !way || way->gone || !way->up)
		peer_reached(p, ifindex, time);
}

/*
 * This host forwards it for somebody behind it, and perhaps gives it an address of
 * its own, so that the IKE_SA would seem to be one of ours: it is kept with
 * nobody's, where it explains nothing. What our daemon said is ours, whoever
 * says it again.
 */
static void ike_passes(struct ikw_world *w, struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	struct ikw_peer *p;

	if (ike && (ike->last_out || ike->generations))
		return;
	p = ikw_peer_get(w, nowhere, nowhere);
	if (!p)
		return;
	if (!ike)
		ike = ike_new(w, p, m);
	else if (ike->peer != p)
		ike_move(ike, p);
	if (!ike)
		return;
	if (!ike->spi_r)
		ike->spi_r = m->spi_r;
	ikes_bound(w, ike->peer, ike);
}

/*
 * The same packet on its way through this host: on a card and on what it is a part of
 * (a cloud's virtual card beside its hardware, Open vSwitch). No daemon repeats itself as soon.
 */
static bool seen_again(struct ikw_world *w, const struct ikw_ike *m)
{
	uint64_t message =
		ikw_hash_end(ikw_hash_word(ikw_hash_word(ikw_hash_begin(m->spi_i), m->spi_r),
					   (uint64_t)m->message_id << 32 | m->digest),
			     (uint64_t)m->length << 16 | (uint64_t)m->exchange << 8 | m->dir, 0);
	struct ikw_sighting *s = &w->sighted[message % IKW_SIGHTED];

	if (s->message == message && s->ifindex != m->ifindex && m->hdr.time < s->time + SEEN_AGAIN)
		return true;
	s->message = message;
	s->time = m->hdr.time;
	s->ifindex = m->ifindex;
	return false;
}

void ikw_ike_event(struct ikw_world *w, const struct ikw_ike *m)
{
	bool out = m->dir == IKW_DIR_OUT;
	uint32_t repeats;
	const uint8_t *local = out ? m->saddr : m->daddr, *remote = out ? m->daddr : m->saddr;
	struct ikw_ike_sa *ike = m->spi_i ? ike_find(w, m) : NULL;
	struct ikw_peer *p;

	if (m->flags2 & IKW_IKE_FORWARDED) {
		if (m->spi_i)
			ike_passes(w, ike, m);
		return;
	}
	if (ike && !out && of_nobody(ike->peer))
		return;
	if (m->spi_i && seen_again(w, m))
		return;
	p = ikw_peer_get(w, local, remote);
	if (!p || !m->spi_i)
		return;
	peer_seen_on(w, p, m);
	if (!out && (m->flags2 & IKW_IKE_NOTIFY) && (m->notify == 4 || m->notify == 11)) {
		p->notify = m->notify;
		p->notify_spi = m->notify_spi;
		p->notify_time = m->hdr.time;
		if (!ike)
			return;
	}
	if (!ike) {
		ike = ike_new(w, p, m);
		if (!ike)
			return;
	}
	/* MOBIKE and NAT rebinding: where our daemon sends is where the peer is */
	if (out && ike->peer != p)
		ike_move(ike, p);
	if (!ike->spi_r)
		ike->spi_r = m->spi_r;
	if (out || !ike->remote_port) {
		ike->remote_port = out ? m->dport : m->sport;
		ike->local_port = out ? m->sport : m->dport;
	}
	if (!out)
		ike->heard_port = m->sport;
	ike_speaks(w, ike, m);
	repeats = ike->repeats;
	ikw_ike_message(ike, m);
	ikw_ikes_heard(ike->peer->ikes, ike);
	w->ike_repeats += ike->repeats - repeats;
	ike_asked(w, ike, m);
	note_request(w, ike, m);
}

struct ikw_ike_sa *ikw_generation_ike(const struct ikw_generation *gen)
{
	return ikw_ike_last(gen->ike);
}

/* These peers speak IKE where it is seen, and did not when the generation came. */
static bool spoke_not(const struct ikw_peer *p, uint64_t now)
{
	return ikw_ike_newest(p->ikes) && ikw_peer_spoken(p) + IKW_INSTALL_WINDOW <= now;
}

uint16_t ikw_generation_encap(const struct ikw_generation *gen)
{
	return gen->out ? gen->out->encap_dport : gen->in ? gen->in->encap_sport : 0;
}

/* An exchange that may have brought a generation, the likeliest of those looked at so far. */
struct origin {
	struct ikw_ike_sa *ike;
	struct ikw_exchange *x;
	uint64_t off; /* how far it lies from where it should; the nearest is taken */
};

/*
 * How well an exchange explains SAs installed now. Who begins one reserves the
 * inbound SPI and then sends its request; who is asked reserves it when the
 * request has come, and answers when the SAs are there. Where nobody saw the
 * SPI reserved, the latest exchange that is over.
 */
static uint64_t origin_off(const struct ikw_ike_sa *ike, const struct ikw_exchange *x,
			   const struct ikw_reserved *r, uint64_t now)
{
	uint64_t over = x->answered > x->last ? x->answered : x->last, apart;
	uint64_t off = UNRESERVED + (now > over ? now - over : 0);

	if (!ikw_exchange_installs(x->type) || over + IKW_INSTALL_WINDOW < now ||
	    (x->brought && over + BRINGS_FOR < now))
		return UINT64_MAX;
	if (r && (!r->spi_i || r->spi_i == ike->spi_i)) {
		apart = x->began > r->time ? x->began - r->time : r->time - x->began;
		if (!apart || (x->began > r->time) == x->ours)
			off = apart;
		else if (apart <= RESERVE_SLACK)
			off = RESERVE_SLACK + apart;
	}
	return x->brought ? off + BROUGHT : off;
}

static void origin_find(struct ikw_generation *gen, const struct ikw_reserved *r, uint64_t now,
			struct origin *best, struct origin *second)
{
	struct ikw_ike_walk walk;
	struct ikw_ike_sa *ike =
		ikw_ike_walk(&walk, gen->tunnel->peer->ikes, ikw_generation_encap(gen));

	for (; ike; ike = ikw_ike_walk_on(&walk)) {
		struct origin own = { .ike = ike, .off = UINT64_MAX };

		for (unsigned int k = 0; k < ike->count; k++) {
			struct ikw_exchange *x = (struct ikw_exchange *)ikw_ike_exchange(ike, k);
			uint64_t off = origin_off(ike, x, r, now);

			if (off < own.off) {
				own.off = off;
				own.x = x;
			}
		}
		if (own.off < best->off) {
			*second = *best;
			*best = own;
		} else if (own.off < second->off) {
			*second = own;
		}
	}
}

/* The one IKE_SA that speaks for it; NULL: none, or there are several. */
static struct ikw_ike_sa *only_ike(const struct ikw_generation *gen)
{
	struct ikw_ike_walk walk;
	struct ikw_ike_sa *only = NULL, *ike;

	ike = ikw_ike_walk(&walk, gen->tunnel->peer->ikes, ikw_generation_encap(gen));
	for (; ike; ike = ikw_ike_walk_on(&walk)) {
		if (ike->successor || !ike->spi_r || !ike->spoken)
			continue;
		if (only)
			return NULL;
		only = ike;
	}
	return only;
}

void ikw_generation_owned(struct ikw_generation *gen, struct ikw_ike_sa *ike)
{
	struct ikw_ike_sa *was = gen->ike;

	gen->ike = ike;
	if (ike)
		ikw_ike_hold(ike->peer->ikes, ike);
	if (was)
		ikw_ike_drop(was->peer->ikes, was);
}

/* NULL: nobody saw it. */
static const struct ikw_reserved *reserved_for(const struct ikw_world *w,
					       const struct ikw_generation *gen)
{
	const struct ikw_reserved *set, *best = NULL;

	if (!gen->in)
		return NULL;
	set = w->reserved[gen->in->node.hash % IKW_RESERVED];
	for (unsigned int way = 0; way < IKW_RESERVED_WAYS; way++)
		if (set[way].id == gen->in->node.hash && (!best || set[way].time > best->time))
			best = &set[way];
	return best;
}

/* Was either reserved while the other waited to go into its request, or does it wait still? */
static bool contested(const struct ikw_reserved *a, const struct ikw_reserved *b)
{
	if (!b->spi_i)
		return b->time < a->asked && b->time + RESERVED_FOR > a->time;
	return a->rival == b->spi_i || b->rival == a->spi_i ||
	       (a->time < b->asked && b->time < a->asked);
}

/*
 * Threads of a daemon overtake each other: where several SPIs waited for their
 * requests at once, the order is a guess. Returns the IKE_SA of the one nearest
 * to it; 0: none. second: the one that comes next otherwise.
 */
static uint64_t rival_of(const struct ikw_world *w, const struct ikw_reserved *r, uint64_t second)
{
	uint64_t rival = r->rival, least = UINT64_MAX;

	for (unsigned int k = 0; k < IKW_RESERVED_LAST; k++) {
		const struct ikw_reserved *other = w->reserved_last[k];
		uint64_t apart;

		if (!other)
			continue;
		apart = other->time > r->time ? other->time - r->time : r->time - other->time;
		if (other == r || other->pair != r->pair || other->spi_i == r->spi_i ||
		    apart >= least || !contested(r, other))
			continue;
		least = apart;
		rival = other->spi_i ? other->spi_i : second;
	}
	return rival;
}

/* Of a generation whose outbound SA came first it is asked again when the inbound one comes. */
void ikw_generation_attribute(const struct ikw_world *w, struct ikw_generation *gen, uint64_t now)
{
	const uint32_t wire = IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT;
	struct origin best = { .off = UINT64_MAX }, second = { .off = UINT64_MAX };
	const struct ikw_reserved *r = reserved_for(w, gen);
	struct ikw_ike_sa *ike;
	uint64_t next = 0;

	if (!gen->in || !gen->out)
		gen->quiet = (w->host.sees & wire) == wire && spoke_not(gen->tunnel->peer, now);
	origin_find(gen, r, now, &best, &second);
	ike = best.x ? best.ike : only_ike(gen);
	if (!ike)
		return;
	ikw_generation_owned(gen, ike);
	if (!best.x)
		return;
	gen->exchange = best.x->type;
	gen->ours = best.x->ours;
	if (second.x && second.off - best.off < RIVALS_APART)
		next = second.ike->spi_i;
	gen->rival = r && r->spi_i == ike->spi_i ? rival_of(w, r, second.x ? second.ike->spi_i : 0)
						 : next;
	if (gen->in)
		best.x->brought = true;
	ike->installed = now;
}

bool ikw_peer_speaks_elsewhere(const struct ikw_world *w, const struct ikw_peer *peer)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->remotes, remote_hash(peer->remote));

	for (; node; node = ikw_find_next(&find)) {
		const struct ikw_peer *p = IKW_CONTAINER(node, struct ikw_peer, by_remote);

		if (p != peer && !memcmp(p->remote, peer->remote, IKW_ADDR_LEN) &&
		    ikw_ike_newest(p->ikes))
			return true;
	}
	return false;
}

/* ---- routes -------------------------------------------------------------- */

void ikw_route_event(struct ikw_world *w, const struct ikw_route *ev)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->remotes, remote_hash(ev->peer));

	/* by remote address alone: every local address that talks to it */
	for (; node; node = ikw_find_next(&find)) {
		struct ikw_peer *p = IKW_CONTAINER(node, struct ikw_peer, by_remote);

		if (!memcmp(p->remote, ev->peer, IKW_ADDR_LEN))
			peer_routed(w, p, ev->ifindex, ev->hdr.time);
	}
}

void ikw_way_event(struct ikw_world *w, const struct ikw_way *ev)
{
	struct ikw_peer *p = ikw_world_peer(w, ev->local, ev->peer);

	if (p)
		peer_routed(w, p, ev->ifindex, ev->hdr.time);
}
