// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alarm.h"
#include "tunnel.h"

#define MAX_IDLE_PEERS 16384 /* peers without a tunnel that are remembered */
#define MAX_PEER_IKES  64    /* IKE_SAs remembered per peer */
#define V2_INITIATOR   0x08
#define V2_RESPONSE    0x20
/*
 * No response that agrees to an IKE_SA rekey is shorter (RFC 7296 1.3.2): SA with
 * three transforms, nonce and the smallest KE make some 110 bytes, and the header
 * and SK payload around them at least 49. One that refuses carries a notification.
 */
#define IKE_REKEY_LEAST 150
/* From the daemon's look at the use times to the check it decides on: a look before that led to
 * nothing */
#define ASKED_BEFORE (300 * IKW_MS)
#define ASKED_QUICK  (100 * IKW_MS) /* a daemon that was never slower than this ... */
#define NOT_ASKED_SINCE                                                                            \
	(2 * IKW_SECOND)		/* ... is not believed to take longer than ASKED_BEFORE    \
					 */
#define ASKED_FOR      (1 * IKW_SECOND) /* a look this soon after a request may be for its client */
#define INSTALL_WINDOW (30 * IKW_SECOND) /* between an installing exchange and its SA */
#define PAIR_APART     5		 /* s between the SAs of a generation found in place */
#define MAX_HALVES     64		 /* of one tunnel that are paired in order */

static const uint8_t no_addr[IKW_ADDR_LEN];

int ikw_world_init(struct ikw_world *w, const struct ikw_world_ops *ops)
{
	memset(w, 0, sizeof(*w));
	w->ops = *ops;
	if (ikw_host_init(&w->host) || ikw_table_init(&w->peers) || ikw_table_init(&w->remotes) ||
	    ikw_table_init(&w->ikes) || ikw_table_init(&w->tunnels) || ikw_table_init(&w->flows) ||
	    ikw_table_init(&w->sas) || ikw_table_init(&w->policies))
		return -1;
	return 0;
}

/* ---- peers -------------------------------------------------------------- */

static uint64_t peer_hash(const uint8_t *local, const uint8_t *remote)
{
	return ikw_hash_16(remote, ikw_hash_16(local, 3));
}

static uint64_t remote_hash(const uint8_t *remote)
{
	return ikw_hash_16(remote, 8);
}

struct ikw_peer *ikw_world_peer(const struct ikw_world *w, const uint8_t *local,
				const uint8_t *remote)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->peers, peer_hash(local, remote));

	for (; node; node = ikw_find_next(&find)) {
		struct ikw_peer *p = IKW_CONTAINER(node, struct ikw_peer, node);

		if (!memcmp(p->local, local, IKW_ADDR_LEN) &&
		    !memcmp(p->remote, remote, IKW_ADDR_LEN))
			return p;
	}
	return NULL;
}

static void peer_idle(struct ikw_world *w, struct ikw_peer *p)
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

static void peer_busy(struct ikw_world *w, struct ikw_peer *p)
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
	struct ikw_ike_sa **at = &ike->peer->ikes;

	while (*at && *at != ike)
		at = &(*at)->next;
	if (*at)
		*at = ike->next;
	for (struct ikw_ike_sa *other = ike->peer->ikes; other; other = other->next)
		if (other->successor == ike)
			other->successor = ike->successor;
	ike->peer->ike_count--;
	ikw_table_del(&w->ikes, &ike->node);
	free(ike);
}

static bool ike_needed(const struct ikw_ike_sa *ike)
{
	for (const struct ikw_ike_sa *other = ike->peer->ikes; other; other = other->next)
		if (other->successor == ike && other->generations)
			return true;
	return ike->generations > 0;
}

static void peer_forget(struct ikw_world *w, struct ikw_peer *p)
{
	while (p->ikes)
		ike_forget(w, p->ikes);
	peer_busy(w, p);
	ikw_table_del(&w->peers, &p->node);
	ikw_table_del(&w->remotes, &p->by_remote);
	free(p);
}

static void peers_bound(struct ikw_world *w, const struct ikw_peer *keep)
{
	struct ikw_peer *p = w->idle_first;

	while (p && w->idle_count > MAX_IDLE_PEERS) {
		struct ikw_peer *next = p->idle_next;
		bool needed = p == keep || p->tunnels;

		for (struct ikw_ike_sa *ike = p->ikes; ike && !needed; ike = ike->next)
			needed = ike->generations > 0;
		if (!needed)
			peer_forget(w, p);
		p = next;
	}
}

static struct ikw_peer *peer_get(struct ikw_world *w, const uint8_t *local, const uint8_t *remote)
{
	struct ikw_peer *p = ikw_world_peer(w, local, remote);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	memcpy(p->local, local, IKW_ADDR_LEN);
	memcpy(p->remote, remote, IKW_ADDR_LEN);
	p->node.hash = peer_hash(local, remote);
	ikw_table_add(&w->peers, &p->node);
	p->by_remote.hash = remote_hash(remote);
	ikw_table_add(&w->remotes, &p->by_remote);
	peer_idle(w, p);
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
	for (struct ikw_ike_sa *old = ike->peer->ikes; old; old = old->next) {
		if (old == ike || old->version != 2 || old->successor ||
		    old->remote_port != ike->remote_port)
			continue;
		for (unsigned int k = 0; k < old->count; k++) {
			const struct ikw_exchange *x = ikw_ike_exchange(old, k);

			if (x->type != IKW_V2_CHILD || !x->answered || x->began <= old->installed ||
			    x->answer_length < IKE_REKEY_LEAST)
				continue;
			old->successor = ike;
			ike->choice = old->choice;
			ike->encr = old->encr;
			ike->keylen = old->keylen;
			ike->integ = old->integ;
			ike->live_length = old->live_length;
			ike->live_count = old->live_count;
			ike->live_gap = old->live_gap;
			ike->live_last = old->live_last;
			return;
		}
	}
}

static void ikes_bound(struct ikw_world *w, struct ikw_peer *p)
{
	struct ikw_ike_sa *ike = p->ikes ? p->ikes->next : NULL, *oldest = NULL;
	bool came_to_nothing = false;

	if (p->ike_count <= MAX_PEER_IKES)
		return;
	/* first what came to nothing: anybody can begin IKE_SAs, or seem to */
	for (; ike; ike = ike->next) {
		bool idle = !ike->spoken || (ike->whole && !ike->installed);

		if (ike_needed(ike) || (came_to_nothing && !idle))
			continue;
		oldest = ike;
		came_to_nothing = idle;
	}
	if (oldest)
		ike_forget(w, oldest);
}

static struct ikw_ike_sa *ike_new(struct ikw_world *w, struct ikw_peer *p, const struct ikw_ike *m)
{
	struct ikw_ike_sa *ike = calloc(1, sizeof(*ike));

	if (!ike)
		return NULL;
	ike->peer = p;
	ike->spi_i = m->spi_i;
	ike->spi_r = m->spi_r;
	ike->version = m->version >> 4;
	ike->created = m->hdr.time;
	ike->whole = ikw_exchange_sets_up(m->exchange) && !m->spi_r &&
		     !(ike->version == 2 && (m->ike_flags & V2_RESPONSE));
	ike->ours = ike->version == 1 || ike->whole
			    ? m->dir == IKW_DIR_OUT
			    : (m->dir == IKW_DIR_OUT) == !!(m->ike_flags & V2_INITIATOR);
	ike->node.hash = ikw_hash(&m->spi_i, 8, 4);
	ike->remote_port = m->dir == IKW_DIR_OUT ? m->dport : m->sport;
	ike->next = p->ikes;
	p->ikes = ike;
	p->ike_count++;
	ikw_table_add(&w->ikes, &ike->node);
	ikes_bound(w, p);
	return ike;
}

static void ike_move(struct ikw_ike_sa *ike, struct ikw_peer *p)
{
	struct ikw_ike_sa **at = &ike->peer->ikes;

	while (*at && *at != ike)
		at = &(*at)->next;
	if (*at)
		*at = ike->next;
	ike->peer->ike_count--;
	ike->next = p->ikes;
	p->ikes = ike;
	p->ike_count++;
	ike->peer = p;
}

/*
 * A daemon that finds its peer silent reads the SAs' use times and sends a
 * liveness check within milliseconds; before a Delete of an IKE_SA it reads
 * nothing. Whoever lists tunnels makes it read too.
 */
static void note_asked(struct ikw_world *w, const struct ikw_peer *p, struct ikw_exchange *x)
{
	struct ikw_process *daemon = ikw_host_process(&w->host, p->asked_by);
	uint64_t ago = p->asked ? x->first - p->asked : UINT64_MAX;

	if (ago > ASKED_BEFORE) {
		bool slow = ago < NOT_ASKED_SINCE && (!daemon || daemon->asks_gap > ASKED_QUICK);

		if (!slow && w->asked_unseen + NOT_ASKED_SINCE < x->first)
			x->asked = IKW_ASKED_NO;
		return;
	}
	if (ikw_host_looked(&w->host, p->asked_by, p->asked - ASKED_FOR, x->first))
		return;
	x->asked = IKW_ASKED_YES;
	x->asked_ms = (uint16_t)(ago / IKW_MS);
	if (!daemon)
		return;
	daemon->asks = true;
	if (ago > daemon->asks_gap)
		daemon->asks_gap = ago;
}

static void ike_asked(struct ikw_world *w, struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	struct ikw_exchange *x = (struct ikw_exchange *)ikw_ike_exchange(ike, 0);

	if (m->dir != IKW_DIR_OUT || !x || !x->ours || x->first != m->hdr.time ||
	    (x->type != IKW_V2_INFORMATIONAL && x->type != IKW_V1_INFO))
		return;
	note_asked(w, ike->peer, x);
	/* the one before was answered and ended nothing: a check */
	if (ike->asked_last == IKW_ASKED_NO && ike->live_last == ike->asked_first)
		ike->unasked = true;
	ike->asked_last = x->asked;
	ike->asked_first = x->first;
}

/* A process reads when an SA or a policy between these addresses was last used. */
static void asked_event(struct ikw_world *w, struct ikw_peer *p, const struct ikw_hdr *hdr,
			const struct ikw_actor *by)
{
	if (hdr->flags & IKW_F_MORE)
		w->asked_unseen = hdr->time + IKW_ASK_WINDOW;
	if (!p || !ikw_host_is_daemon(&w->host, by->tgid))
		return;
	p->asked = hdr->time;
	p->asked_by = by->tgid;
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

static void ike_event(struct ikw_world *w, const struct ikw_ike *m)
{
	bool out = m->dir == IKW_DIR_OUT;
	uint32_t repeats;
	const uint8_t *local = out ? m->saddr : m->daddr, *remote = out ? m->daddr : m->saddr;
	struct ikw_peer *p = peer_get(w, local, remote);
	struct ikw_ike_sa *ike = ike_find(w, m);

	if (!p || !m->spi_i)
		return;
	if (m->ifindex)
		p->ifindex = m->ifindex;
	if (!out && (m->flags2 & IKW_IKE_NOTIFY) && (m->notify == 4 || m->notify == 11)) {
		p->notify = m->notify;
		p->notify_spi = m->notify_spi;
		p->notify_time = m->hdr.time;
		if (!ike)
			return;
	}
	if (!ike)
		ike = ike_new(w, p, m);
	if (!ike)
		return;
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
	w->ike_repeats += ike->repeats - repeats;
	ike_asked(w, ike, m);
}

struct ikw_ike_sa *ikw_generation_ike(const struct ikw_generation *gen)
{
	struct ikw_ike_sa *ike = gen->ike;

	for (int hops = 0; ike && ike->successor && hops < 64; hops++)
		ike = ike->successor;
	return ike;
}

/* When did this IKE_SA last do something that installs SAs? 0: not lately. */
static uint64_t ike_installing(const struct ikw_ike_sa *ike, uint64_t now, uint8_t *type)
{
	uint64_t best = 0;

	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);
		uint64_t at = x->answered > x->last ? x->answered : x->last;

		if (!ikw_exchange_installs(x->type) || at + INSTALL_WINDOW < now || at <= best)
			continue;
		best = at;
		*type = x->type;
	}
	return best;
}

/* These peers speak IKE where it is seen, and did not when the generation came. */
static bool spoke_not(const struct ikw_peer *p, uint64_t now)
{
	for (const struct ikw_ike_sa *ike = p->ikes; ike; ike = ike->next)
		if (ike->last_in + INSTALL_WINDOW > now || ike->last_out + INSTALL_WINDOW > now)
			return false;
	return p->ikes;
}

uint16_t ikw_generation_encap(const struct ikw_generation *gen)
{
	return gen->out ? gen->out->encap_dport : gen->in ? gen->in->encap_sport : 0;
}

bool ikw_ike_manages_port(const struct ikw_ike_sa *ike, uint16_t port)
{
	bool initial = ike->remote_port == 500 && (!ike->heard_port || ike->heard_port == 500);

	return !port || !ike->remote_port || initial || ike->remote_port == port ||
	       ike->heard_port == port;
}

static void generation_attribute(const struct ikw_world *w, struct ikw_generation *gen,
				 uint64_t now)
{
	const uint32_t wire = IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT;
	struct ikw_ike_sa *ike, *best = NULL, *only = NULL;
	uint64_t when = 0;
	unsigned int count = 0;

	gen->quiet = (w->host.sees & wire) == wire && spoke_not(gen->tunnel->peer, now);
	for (ike = gen->tunnel->peer->ikes; ike; ike = ike->next) {
		uint8_t type = 0;
		uint64_t at = ike_installing(ike, now, &type);

		if (!ikw_ike_manages_port(ike, ikw_generation_encap(gen)))
			continue;
		if (!ike->successor && ike->spi_r && ike->spoken) {
			only = ike;
			count++;
		}
		if (at > when) {
			when = at;
			best = ike;
			gen->exchange = type;
		}
	}
	if (!best && count == 1)
		best = only;
	if (!best)
		return;
	gen->ike = best;
	best->generations++;
	if (gen->exchange)
		best->installed = now;
}

/* ---- tunnels ------------------------------------------------------------ */

static bool selector_any(const struct ikw_selector *s)
{
	return !s->prefixlen_s && !s->prefixlen_d && !s->proto && !s->sport_mask && !s->dport_mask;
}

/* The selector seen from our side: what is ours is the source. */
static struct ikw_selector selector_ours(const struct ikw_selector *s, uint8_t dir)
{
	struct ikw_selector o = *s;

	if (dir != IKW_DIR_IN)
		return o;
	memcpy(o.saddr, s->daddr, IKW_ADDR_LEN);
	memcpy(o.daddr, s->saddr, IKW_ADDR_LEN);
	o.prefixlen_s = s->prefixlen_d;
	o.prefixlen_d = s->prefixlen_s;
	o.sport = s->dport;
	o.sport_mask = s->dport_mask;
	o.dport = s->sport;
	o.dport_mask = s->sport_mask;
	return o;
}

struct tunnel_key {
	const struct ikw_peer *peer;
	uint32_t reqid;
	uint32_t mark;
	uint32_t mark_mask;
	uint32_t if_id;
	uint32_t sa_sel;
	uint32_t proto;
};

/*
 * A daemon's reqid names one CHILD_SA configuration, and its two SAs may carry
 * different marks and if_ids (mark_in, mark_out); without a reqid these are all
 * there is to tell flows apart.
 */
static struct tunnel_key key_of(const struct ikw_peer *p, const struct ikw_sa *sa,
				const struct ikw_selector *ours)
{
	struct tunnel_key key = { .peer = p, .reqid = sa->reqid, .proto = sa->proto };

	if (!sa->reqid) {
		key.mark = sa->mark;
		key.mark_mask = sa->mark_mask;
		key.if_id = sa->if_id;
	}
	if (!selector_any(ours))
		key.sa_sel = (uint32_t)ikw_hash(ours, sizeof(*ours), 5) | 1;
	return key;
}

static uint64_t key_hash(const struct tunnel_key *key)
{
	return ikw_hash(&key->reqid, sizeof(*key) - sizeof(key->peer), key->peer->node.hash);
}

static bool has_key(const struct ikw_tunnel *t, const struct tunnel_key *key)
{
	return t->peer == key->peer && t->reqid == key->reqid && t->sa_sel == key->sa_sel &&
	       t->proto == key->proto &&
	       (t->reqid || (t->mark == key->mark && t->if_id == key->if_id));
}

/* Most peers have one tunnel: that needs no table. */
static struct ikw_tunnel *tunnel_find(const struct ikw_world *w, const struct tunnel_key *key)
{
	struct ikw_tunnel *t = key->peer->tunnels;
	struct ikw_find find;
	struct ikw_node *node;

	if (!t || has_key(t, key))
		return t;
	for (node = ikw_find_first(&find, &w->tunnels, key_hash(key)); node;
	     node = ikw_find_next(&find)) {
		t = IKW_CONTAINER(node, struct ikw_tunnel, node);
		if (has_key(t, key))
			return t;
	}
	return NULL;
}

const char *ikw_tunnel_key(const struct ikw_tunnel *t, char *buf, size_t size)
{
	char local[64], remote[64];

	snprintf(buf, size, "%s %s reqid=%u mark=%u/%u if_id=%u proto=%u sel=%08x",
		 ikw_addr_text(t->peer->local, local, sizeof(local)),
		 ikw_addr_text(t->peer->remote, remote, sizeof(remote)), t->reqid,
		 t->reqid ? 0 : t->mark, t->reqid ? 0 : t->mark_mask, t->reqid ? 0 : t->if_id,
		 t->proto, t->sa_sel);
	return buf;
}

/* ---- flows -------------------------------------------------------------- */

static uint64_t flow_hash(const struct ikw_tunnel *t)
{
	struct ikw_selector sel = t->flow.sel;

	sel.ifindex = 0;
	return ikw_hash(&sel, sizeof(sel), t->if_id) | 1;
}

static void flow_set(struct ikw_world *w, struct ikw_tunnel *t, const struct ikw_selector *sel,
		     uint32_t index)
{
	if (index)
		t->flow.rule_num = index;
	if (t->flow.known && !memcmp(&t->flow.sel, sel, sizeof(*sel)))
		return;
	if (t->flow_node.hash)
		ikw_table_del(&w->flows, &t->flow_node);
	t->flow.sel = *sel;
	t->flow.known = true;
	t->flow_node.hash = flow_hash(t);
	ikw_table_add(&w->flows, &t->flow_node);
}

static bool same_flow(const struct ikw_tunnel *a, const struct ikw_tunnel *b)
{
	return a->if_id == b->if_id && !memcmp(&a->flow.sel, &b->flow.sel, sizeof(a->flow.sel));
}

bool ikw_generation_usable(const struct ikw_generation *gen)
{
	return !gen->ending && (gen->in || gen->out);
}

struct ikw_generation *ikw_tunnel_usable(const struct ikw_tunnel *t,
					 const struct ikw_generation *but)
{
	struct ikw_generation *gen = t->generations;

	while (gen && (gen == but || !ikw_generation_usable(gen)))
		gen = gen->next;
	return gen;
}

struct ikw_generation *ikw_flow_usable(const struct ikw_world *w, const struct ikw_tunnel *t,
				       const struct ikw_generation *but)
{
	struct ikw_generation *gen = ikw_tunnel_usable(t, but);
	struct ikw_find find;
	struct ikw_node *node;

	if (gen || !t->flow_node.hash)
		return gen;
	for (node = ikw_find_first(&find, &w->flows, t->flow_node.hash); node && !gen;
	     node = ikw_find_next(&find)) {
		const struct ikw_tunnel *other = IKW_CONTAINER(node, struct ikw_tunnel, flow_node);

		if (other != t && same_flow(other, t))
			gen = ikw_tunnel_usable(other, but);
	}
	return gen;
}

static void tunnel_state(struct ikw_world *w, struct ikw_tunnel *t, uint64_t time)
{
	bool up = ikw_tunnel_usable(t, NULL) != NULL;

	if (up == t->up)
		return;
	t->up = up;
	if (up) {
		w->tunnels_up++;
		t->up_since = time;
	} else {
		w->tunnels_up--;
	}
	if (w->ops.state)
		w->ops.state(w->ops.ctx, t, time);
}

/* ---- policies ----------------------------------------------------------- */

static uint64_t policy_hash(const uint8_t *saddr, const uint8_t *daddr, uint32_t reqid)
{
	return ikw_hash(&reqid, sizeof(reqid), peer_hash(saddr, daddr));
}

static struct ikw_policy_node *policy_find(const struct ikw_world *w, const uint8_t *saddr,
					   const uint8_t *daddr, uint32_t reqid)
{
	struct ikw_find find;
	struct ikw_node *node =
		ikw_find_first(&find, &w->policies, policy_hash(saddr, daddr, reqid));

	for (; node; node = ikw_find_next(&find)) {
		struct ikw_policy_node *p = IKW_CONTAINER(node, struct ikw_policy_node, node);

		if (p->reqid == reqid && !memcmp(p->saddr, saddr, IKW_ADDR_LEN) &&
		    !memcmp(p->daddr, daddr, IKW_ADDR_LEN))
			return p;
	}
	return NULL;
}

const struct ikw_policy_node *ikw_world_policy(const struct ikw_world *w, const uint8_t *saddr,
					       const uint8_t *daddr, uint32_t reqid)
{
	return policy_find(w, saddr, daddr, reqid);
}

/* Templates may leave out the reqid, or in transport mode the addresses. */
static struct ikw_policy_node *policy_for(const struct ikw_world *w, const struct ikw_tunnel *t)
{
	const struct ikw_peer *p = t->peer;
	struct ikw_policy_node *found = NULL;

	if (!w->policies.count)
		return NULL;
	found = policy_find(w, p->local, p->remote, t->reqid);
	if (!found && t->reqid)
		found = policy_find(w, p->local, p->remote, 0);
	if (!found && t->reqid)
		found = policy_find(w, no_addr, no_addr, t->reqid);
	return found;
}

static void policy_drop(struct ikw_world *w, const struct ikw_policy *ev)
{
	struct ikw_policy_node *p = policy_find(w, ev->tmpl_saddr, ev->tmpl_daddr, ev->tmpl_reqid);

	if (!p || p->index != ev->index)
		return;
	ikw_table_del(&w->policies, &p->node);
	free(p);
}

static void policy_keep(struct ikw_world *w, const struct ikw_policy *ev)
{
	struct ikw_policy_node *p = policy_find(w, ev->tmpl_saddr, ev->tmpl_daddr, ev->tmpl_reqid);

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		memcpy(p->saddr, ev->tmpl_saddr, IKW_ADDR_LEN);
		memcpy(p->daddr, ev->tmpl_daddr, IKW_ADDR_LEN);
		p->reqid = ev->tmpl_reqid;
		p->node.hash = policy_hash(p->saddr, p->daddr, p->reqid);
		ikw_table_add(&w->policies, &p->node);
	}
	p->index = ev->index;
	p->if_id = ev->if_id;
	p->mark = ev->mark;
	p->sel = ev->sel;
	p->sel.ifindex = 0;
}

static struct ikw_tunnel *tunnel_of_policy(const struct ikw_world *w, const struct ikw_policy *ev)
{
	const struct ikw_peer *p = ikw_world_peer(w, ev->tmpl_saddr, ev->tmpl_daddr);
	struct ikw_tunnel *t = NULL;
	struct tunnel_key key = { .peer = p, .reqid = ev->tmpl_reqid, .proto = ev->tmpl_proto };

	if (!p)
		return NULL;
	if (!key.reqid) {
		key.mark = ev->mark;
		key.mark_mask = ev->mark_mask;
		key.if_id = ev->if_id;
	}
	t = tunnel_find(w, &key);
	if (!t && p->tunnels && !p->tunnels->peer_next)
		t = p->tunnels;
	return t;
}

static void policy_asked(struct ikw_world *w, const struct ikw_policy *ev)
{
	bool out = ev->dir == IKW_DIR_OUT;

	asked_event(w,
		    ikw_world_peer(w, out ? ev->tmpl_saddr : ev->tmpl_daddr,
				   out ? ev->tmpl_daddr : ev->tmpl_saddr),
		    &ev->hdr, &ev->by);
}

static void policy_event(struct ikw_world *w, const struct ikw_policy *ev)
{
	struct ikw_selector sel = ev->sel;
	struct ikw_tunnel *t;

	if (ev->op == IKW_POLICY_ASKED) {
		policy_asked(w, ev);
		return;
	}
	if (ev->dir != IKW_DIR_OUT || ev->socket || !ev->tmpl_count)
		return;
	if (ev->op == IKW_POLICY_KILL) {
		policy_drop(w, ev);
		return;
	}
	policy_keep(w, ev);
	sel.ifindex = 0;
	t = tunnel_of_policy(w, ev);
	if (t)
		flow_set(w, t, &sel, ev->index);
}

/* ---- making tunnels ------------------------------------------------------- */

static void tunnel_flow(struct ikw_world *w, struct ikw_tunnel *t, const struct ikw_selector *ours)
{
	const struct ikw_policy_node *p = policy_for(w, t);
	struct ikw_selector sel = *ours;

	sel.ifindex = 0;
	if (p)
		flow_set(w, t, &p->sel, p->index);
	else if (!t->flow.known && !selector_any(ours))
		flow_set(w, t, &sel, 0);
}

static struct ikw_tunnel *tunnel_new(struct ikw_world *w, const struct tunnel_key *key,
				     struct ikw_peer *p, const struct ikw_sa *sa)
{
	struct ikw_tunnel *t = calloc(1, sizeof(*t));
	char text[256];

	if (!t)
		return NULL;
	t->peer = p;
	t->reqid = key->reqid;
	t->mark = sa->mark;
	t->mark_mask = sa->mark_mask;
	t->if_id = sa->if_id;
	t->sa_sel = key->sa_sel;
	t->proto = sa->proto;
	t->mode = sa->mode;
	t->last_reason = IKW_REASON_UNKNOWN;
	t->node.hash = key_hash(key);
	t->peer_next = p->tunnels;
	p->tunnels = t;
	peer_busy(w, p);
	ikw_table_add(&w->tunnels, &t->node);
	t->index = w->ops.number(w->ops.ctx, t, ikw_tunnel_key(t, text, sizeof(text)));
	return t;
}

static struct ikw_tunnel *tunnel_get(struct ikw_world *w, const struct ikw_sa *sa, uint8_t dir)
{
	bool in = dir == IKW_DIR_IN;
	struct ikw_peer *p = peer_get(w, in ? sa->daddr : sa->saddr, in ? sa->saddr : sa->daddr);
	struct ikw_selector ours = selector_ours(&sa->sel, dir);
	struct tunnel_key key;
	struct ikw_tunnel *t;

	if (!p)
		return NULL;
	ikw_prefetch(p->tunnels, sizeof(*t));
	key = key_of(p, sa, &ours);
	t = tunnel_find(w, &key);
	if (!t) {
		t = tunnel_new(w, &key, p, sa);
		if (t)
			t->own_sel = ours;
	}
	if (t && (!t->flow.known || !t->flow.rule_num))
		tunnel_flow(w, t, &ours);
	return t;
}

/* ---- SAs ------------------------------------------------------------------ */

static uint64_t sa_hash(const uint8_t *daddr, uint32_t spi)
{
	return ikw_hash_end(ikw_hash_begin(ikw_hash_16(daddr, 6)), spi, sizeof(spi));
}

static const uint8_t *sa_daddr(const struct ikw_sa_node *sa)
{
	const struct ikw_peer *p = sa->generation->tunnel->peer;

	return sa->dir == IKW_DIR_IN ? p->local : p->remote;
}

static const uint8_t *sa_saddr(const struct ikw_sa_node *sa)
{
	const struct ikw_peer *p = sa->generation->tunnel->peer;

	return sa->dir == IKW_DIR_IN ? p->remote : p->local;
}

static struct ikw_sa_node *sa_find(const struct ikw_world *w, const uint8_t *daddr, uint32_t spi,
				   uint8_t proto, const uint32_t *mark)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->sas, sa_hash(daddr, spi));

	for (; node; node = ikw_find_next(&find)) {
		struct ikw_sa_node *sa = IKW_CONTAINER(node, struct ikw_sa_node, node);

		if (sa->spi == spi && (!proto || sa->proto == proto) &&
		    (!mark || sa->mark == *mark) && !memcmp(sa_daddr(sa), daddr, IKW_ADDR_LEN))
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
		    memcmp(sa_daddr(sa), ev->daddr, IKW_ADDR_LEN))
			continue;
		if (!memcmp(sa_saddr(sa), ev->saddr, IKW_ADDR_LEN))
			return sa;
		other = sa;
	}
	return no_other ? NULL : other;
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
	*partner_daddr = sa_daddr(other);
	return other;
}

static bool is_local(const struct ikw_world *w, const uint8_t *addr)
{
	const struct ikw_address *a = ikw_host_address(&w->host, addr);

	return a != NULL;
}

static uint8_t sa_direction(const struct ikw_world *w, const struct ikw_sa *sa)
{
	struct ikw_peer *p;

	if (sa->dir == IKW_DIR_IN || sa->dir == IKW_DIR_OUT)
		return sa->dir;
	if (is_local(w, sa->daddr) != is_local(w, sa->saddr))
		return is_local(w, sa->daddr) ? IKW_DIR_IN : IKW_DIR_OUT;
	if (policy_find(w, sa->saddr, sa->daddr, sa->reqid) ||
	    policy_find(w, sa->saddr, sa->daddr, 0))
		return IKW_DIR_OUT;
	if (policy_find(w, sa->daddr, sa->saddr, sa->reqid) ||
	    policy_find(w, sa->daddr, sa->saddr, 0))
		return IKW_DIR_IN;
	p = ikw_world_peer(w, sa->daddr, sa->saddr);
	return p && p->tunnels ? IKW_DIR_IN : IKW_DIR_OUT;
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

/* How well an SA completes a generation: 0 best, UINT64_MAX not at all. */
static uint64_t misfit(const struct ikw_generation *gen, const struct ikw_sa *sa, uint8_t dir)
{
	const struct ikw_sa_node *other = dir == IKW_DIR_IN ? gen->out : gen->in;
	uint64_t apart;

	if (!other || !lacks(gen, dir))
		return UINT64_MAX;
	if (gen->ending && !(sa->op == IKW_SA_DUMP && gen->deletion))
		return UINT64_MAX;
	if (!gen->dumped && sa->op != IKW_SA_DUMP)
		return gen->exchange && sa->hdr.time > gen->born + INSTALL_WINDOW ? UINT64_MAX : 0;
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
	gen = calloc(1, sizeof(*gen));
	if (!gen)
		return NULL;
	gen->tunnel = t;
	gen->born = sa->hdr.time;
	gen->installer_tgid = sa->op == IKW_SA_ADD ? sa->by.tgid : 0;
	gen->installer_portid = sa->op == IKW_SA_ADD ? sa->by.portid : 0;
	gen->dumped = sa->op != IKW_SA_ADD;
	gen->next = t->generations;
	t->generations = gen;
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
 * A clone keeps its original's time of addition (xfrm_state_clone), which lies
 * in the past when it is added; that of any other SA is the moment it is added.
 */
static bool is_clone(const struct ikw_world *w, const struct ikw_sa *ev)
{
	return ev->add_wall_s &&
	       ikw_host_wall(&w->host, ev->hdr.time) / IKW_SECOND > ev->add_wall_s + 1;
}

static void note_clone(struct ikw_world *w, const struct ikw_sa *ev)
{
	struct ikw_clone *clone = &w->clones[w->clone_head++ % IKW_CLONES];

	clone->time = ev->hdr.time;
	clone->add_wall_s = ev->add_wall_s;
	clone->spi = ev->spi;
	clone->reqid = ev->reqid;
	clone->proto = ev->proto;
	memcpy(clone->saddr, ev->saddr, IKW_ADDR_LEN);
	memcpy(clone->daddr, ev->daddr, IKW_ADDR_LEN);
	if (clone->time > w->clone_last)
		w->clone_last = clone->time;
}

static bool is_clone_of(const struct ikw_clone *clone, const struct ikw_sa *gone)
{
	return clone->time && gone->hdr.time - clone->time < IKW_SECOND &&
	       clone->add_wall_s == gone->add_wall_s && clone->spi == gone->spi &&
	       clone->reqid == gone->reqid && clone->proto == gone->proto &&
	       (memcmp(clone->saddr, gone->saddr, IKW_ADDR_LEN) ||
		memcmp(clone->daddr, gone->daddr, IKW_ADDR_LEN));
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
		    !memcmp(sa_daddr(sa), to->daddr, IKW_ADDR_LEN) &&
		    !memcmp(sa_saddr(sa), to->saddr, IKW_ADDR_LEN))
			flow_set(w, t, &from->flow.sel, from->flow.rule_num);
	}
}

bool ikw_world_migrated(struct ikw_world *w, const struct ikw_tunnel *from,
			const struct ikw_sa *gone)
{
	if (w->clone_last + IKW_SECOND <= gone->hdr.time)
		return false;
	for (unsigned int i = 0; i < IKW_CLONES; i++)
		if (is_clone_of(&w->clones[i], gone)) {
			flow_migrates(w, from, &w->clones[i]);
			return true;
		}
	return false;
}

static void sa_install(struct ikw_world *w, const struct ikw_sa *ev, uint64_t hash)
{
	uint8_t dir = sa_direction(w, ev);
	struct ikw_sa_node *sa = sa_of(w, ev, hash, ev->op == IKW_SA_ADD);
	struct ikw_generation *gen;
	struct ikw_tunnel *t;
	bool first;

	if (ev->op == IKW_SA_ADD && is_clone(w, ev))
		note_clone(w, ev);
	if (sa) {
		sa_take(sa, ev);
		sa->dumped = w->dump;
		return;
	}
	t = tunnel_get(w, ev, dir);
	gen = t ? generation_get(w, t, ev, dir) : NULL;
	if (!gen)
		return;
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
	if (first && ev->op == IKW_SA_ADD)
		generation_attribute(w, gen, ev->hdr.time);
	if (gen->exchange && ev->by.tgid)
		ikw_host_daemon(&w->host, &ev->by, ev->hdr.time);
	tunnel_state(w, t, ev->hdr.time);
	if (w->ops.installed)
		w->ops.installed(w->ops.ctx, gen, ev);
}

static void generation_free(struct ikw_world *w, struct ikw_generation *gen)
{
	struct ikw_generation **at = &gen->tunnel->generations;

	while (*at && *at != gen)
		at = &(*at)->next;
	if (*at)
		*at = gen->next;
	if (gen->ike)
		gen->ike->generations--;
	free(gen->sas[0].traffic);
	free(gen->sas[1].traffic);
	free(gen);
	w->generations--;
}

void ikw_generation_release(struct ikw_world *w, struct ikw_generation *gen)
{
	bool alive = (gen->in && !gen->in->gone) || (gen->out && !gen->out->gone);

	if (!gen->deletion && gen->ending && !alive)
		generation_free(w, gen);
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
	generation_free(w, from);
	tunnel_state(w, left, time);
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
	gen = sa->generation;
	if (!gen->ending && ikw_generation_half(gen))
		begun = ending_half(gen, sa->dir);
	if (begun) {
		generation_join(w, begun, gen, ev->hdr.time);
		gen = begun;
	}
	first = !gen->ending;
	gen->ending = true;
	tunnel_state(w, gen->tunnel, ev->hdr.time);
	if (first)
		w->ops.deletion(w->ops.ctx, gen, ev);
	else
		w->ops.further(w->ops.ctx, gen, ev);
	ikw_generation_release(w, gen);
}

static void mishap(struct ikw_world *w, const struct ikw_sa *ev)
{
	struct ikw_mishap *m = &w->mishaps[w->mishap_head];

	w->mishap_head = (w->mishap_head + 1) % IKW_MISHAPS;
	m->time = ev->hdr.time;
	memcpy(m->saddr, ev->saddr, IKW_ADDR_LEN);
	memcpy(m->daddr, ev->daddr, IKW_ADDR_LEN);
	m->spi = ev->spi;
	m->reqid = ev->reqid;
	m->error = ev->error;
	m->tgid = ev->by.tgid;
	m->op = ev->op;
	m->cause = ev->cause;
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
						      ? peer_hash(ev->daddr, ev->saddr)
						      : peer_hash(ev->saddr, ev->daddr));
}

static void sa_asked(struct ikw_world *w, const struct ikw_sa *ev, uint64_t hash)
{
	struct ikw_sa_node *sa = sa_of(w, ev, hash, false);

	asked_event(w, sa ? sa->generation->tunnel->peer : NULL, &ev->hdr, &ev->by);
}

static void sa_event(struct ikw_world *w, const struct ikw_sa *ev)
{
	uint64_t hash = sa_hash(ev->daddr, ev->spi);

	sa_prefetch(w, ev, hash);
	/* IPComp and the like travel with an ESP or AH SA; they are no tunnel of their own */
	if (ev->proto != IPPROTO_ESP && ev->proto != IPPROTO_AH)
		return;
	switch (ev->op) {
	case IKW_SA_ADD:
	case IKW_SA_DUMP:
		sa_install(w, ev, hash);
		break;
	case IKW_SA_CHANGE:
		sa_change(w, ev, hash);
		break;
	case IKW_SA_DELETE:
		sa_delete(w, ev, hash);
		break;
	case IKW_SA_LARVAL:
		if (ev->by.tgid)
			ikw_host_daemon(&w->host, &ev->by, ev->hdr.time);
		break;
	case IKW_SA_LARVAL_GONE:
	case IKW_SA_FAILED:
		mishap(w, ev);
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

static bool flushed(const struct ikw_sa_node *sa, const void *arg)
{
	const struct ikw_flush *ev = arg;

	return !ev->proto || ev->proto == 255 || ev->proto == sa->proto;
}

static void flush_event(struct ikw_world *w, const struct ikw_flush *ev)
{
	if (ev->what != IKW_FLUSH_SA || ev->each_told)
		return;
	sas_vanish(w, &ev->hdr, &ev->by, ev->task_valid ? IKW_CAUSE_FLUSH : IKW_CAUSE_NETNS,
		   flushed, ev);
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

static void dump_event(struct ikw_world *w, const struct ikw_dump *ev)
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

static void esp_event(struct ikw_world *w, const struct ikw_esp *ev)
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

static void route_event(struct ikw_world *w, const struct ikw_route *ev)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->remotes, remote_hash(ev->peer));

	/* by remote address alone: every local address that talks to it */
	for (; node; node = ikw_find_next(&find)) {
		struct ikw_peer *p = IKW_CONTAINER(node, struct ikw_peer, by_remote);

		if (!memcmp(p->remote, ev->peer, IKW_ADDR_LEN) && ev->ifindex)
			p->ifindex = ev->ifindex;
	}
}

void ikw_world_event(struct ikw_world *w, const union ikw_event *ev)
{
	if (ev->hdr.time > w->now)
		w->now = ev->hdr.time;
	ikw_host_event(&w->host, ev);
	ikw_outside_event(&w->outside, &w->host, ev);
	switch (ev->hdr.type) {
	case IKW_EV_IKE:
		ike_event(w, &ev->ike);
		break;
	case IKW_EV_SA:
		sa_event(w, &ev->sa);
		break;
	case IKW_EV_POLICY:
		policy_event(w, &ev->policy);
		break;
	case IKW_EV_FLUSH:
		flush_event(w, &ev->flush);
		break;
	case IKW_EV_DUMP:
		dump_event(w, &ev->dump);
		break;
	case IKW_EV_ESP:
		esp_event(w, &ev->esp);
		break;
	case IKW_EV_ROUTE:
		route_event(w, &ev->route);
		break;
	default:
		break;
	}
}

/* ---- the end ---------------------------------------------------------------- */

static void tunnel_free(struct ikw_world *w, struct ikw_tunnel *t)
{
	while (t->generations)
		generation_free(w, t->generations);
	free(t);
}

static void peer_free_tunnels(struct ikw_world *w, struct ikw_peer *p)
{
	while (p->tunnels) {
		struct ikw_tunnel *t = p->tunnels;

		p->tunnels = t->peer_next;
		tunnel_free(w, t);
	}
}

static void peer_free(struct ikw_peer *p)
{
	while (p->ikes) {
		struct ikw_ike_sa *ike = p->ikes;

		p->ikes = ike->next;
		free(ike);
	}
	free(p);
}

void ikw_world_free(struct ikw_world *w)
{
	struct ikw_node *node;
	size_t at;

	/* before any IKE_SA: a generation's may be another peer's by now */
	for (at = 0; (node = ikw_table_each(&w->peers, &at));)
		peer_free_tunnels(w, IKW_CONTAINER(node, struct ikw_peer, node));
	for (at = 0; (node = ikw_table_each(&w->peers, &at));)
		peer_free(IKW_CONTAINER(node, struct ikw_peer, node));
	for (at = 0; (node = ikw_table_each(&w->policies, &at));)
		free(IKW_CONTAINER(node, struct ikw_policy_node, node));
	ikw_table_free(&w->peers);
	ikw_table_free(&w->remotes);
	ikw_table_free(&w->ikes);
	ikw_table_free(&w->tunnels);
	ikw_table_free(&w->flows);
	ikw_table_free(&w->sas);
	ikw_table_free(&w->policies);
	ikw_host_free(&w->host);
	ikw_outside_free(&w->outside);
}
