// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alarm.h"
#include "world_private.h"

static const uint8_t no_addr[IKW_ADDR_LEN];

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
static void key_apart(struct tunnel_key *key, uint32_t mark, uint32_t mark_mask, uint32_t if_id)
{
	if (key->reqid)
		return;
	key->mark = mark;
	key->mark_mask = mark_mask;
	key->if_id = if_id;
}

static uint32_t key_selector(const struct ikw_selector *ours)
{
	return selector_any(ours) ? 0 : (uint32_t)ikw_hash(ours, sizeof(*ours), 5) | 1;
}

static struct tunnel_key key_of(const struct ikw_peer *p, const struct ikw_sa *sa,
				const struct ikw_selector *ours)
{
	struct tunnel_key key = { .peer = p, .reqid = sa->reqid, .proto = sa->proto };

	key_apart(&key, sa->mark, sa->mark_mask, sa->if_id);
	key.sa_sel = key_selector(ours);
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

/* Stable text naming the tunnel over restarts, into buf. */
static const char *key_text(const struct ikw_tunnel *t, char *buf, size_t size)
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

static uint64_t flow_hash(const struct ikw_flow *flow, uint32_t if_id)
{
	uint64_t marks = (uint64_t)flow->mark << 32 | flow->mark_mask;

	return ikw_hash(&flow->sel, sizeof(flow->sel), ikw_hash_word(marks, if_id)) | 1;
}

/* Where routes decide (VTI), the selectors of all tunnels are the same: the marks are not. */
static bool carries(const struct ikw_flow *a, const struct ikw_flow *b)
{
	return a->mark == b->mark && a->mark_mask == b->mark_mask &&
	       !memcmp(&a->sel, &b->sel, sizeof(a->sel));
}

const struct ikw_flow *ikw_generation_flow(const struct ikw_generation *gen)
{
	return gen->kept ? &gen->kept->flow : &gen->tunnel->flow;
}

/* Is one of the two networks within the other? */
static bool nets_meet(const uint8_t *a, unsigned int bits_a, const uint8_t *b, unsigned int bits_b,
		      unsigned int family)
{
	unsigned int bits = bits_a < bits_b ? bits_a : bits_b;

	if (!bits) /* any, which has no address */
		return true;
	bits += family == 2 ? 96 : 0;
	if (memcmp(a, b, bits / 8))
		return false;
	return !(bits % 8) || !((a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8));
}

bool ikw_selectors_meet(const struct ikw_selector *a, const struct ikw_selector *b)
{
	return a->family == b->family && (!a->proto || !b->proto || a->proto == b->proto) &&
	       !((a->sport ^ b->sport) & a->sport_mask & b->sport_mask) &&
	       !((a->dport ^ b->dport) & a->dport_mask & b->dport_mask) &&
	       nets_meet(a->saddr, a->prefixlen_s, b->saddr, b->prefixlen_s, a->family) &&
	       nets_meet(a->daddr, a->prefixlen_d, b->daddr, b->prefixlen_d, a->family);
}

bool ikw_generations_apart(const struct ikw_generation *a, const struct ikw_generation *b)
{
	const struct ikw_flow *x = ikw_generation_flow(a), *y = ikw_generation_flow(b);

	return x != y && !a->tunnel->several && !ikw_selectors_meet(&x->sel, &y->sel);
}

static void flow_keep(struct ikw_world *w, struct ikw_generation *gen)
{
	struct ikw_tunnel *t = gen->tunnel;

	gen->kept = calloc(1, sizeof(*gen->kept));
	if (!gen->kept)
		return;
	gen->kept->flow = t->flow;
	gen->kept->generation = gen;
	gen->kept->node.hash = flow_hash(&t->flow, t->if_id);
	ikw_table_add(&w->kept_flows, &gen->kept->node);
}

void ikw_flow_unkept(struct ikw_world *w, struct ikw_generation *gen)
{
	if (!gen->kept)
		return;
	ikw_table_del(&w->kept_flows, &gen->kept->node);
	free(gen->kept);
	gen->kept = NULL;
}

/* What came before the newest keeps the flow that it had. */
static void flow_kept(struct ikw_world *w, struct ikw_tunnel *t)
{
	for (struct ikw_generation *gen = t->generations->next; gen; gen = gen->next)
		if (!gen->kept)
			flow_keep(w, gen);
}

/* Another policy than the one before leads into the tunnel. */
static void flow_changes(struct ikw_world *w, struct ikw_tunnel *t)
{
	if (!t->generations || !t->flow.rule_num)
		return;
	t->several |= t->generations->flowed;
	flow_kept(w, t);
}

void ikw_flow_set(struct ikw_world *w, struct ikw_tunnel *t, const struct ikw_flow *flow)
{
	struct ikw_flow next = *flow;

	next.sel.ifindex = 0;
	next.mark &= next.mark_mask;
	if (!next.rule_num)
		next.rule_num = t->flow.rule_num;
	next.known = true;
	if (t->flow.known && carries(&t->flow, &next)) {
		t->flow = next;
		return;
	}
	flow_changes(w, t);
	if (t->flow_node.hash)
		ikw_table_del(&w->flows, &t->flow_node);
	t->flow = next;
	t->flow_node.hash = flow_hash(&t->flow, t->if_id);
	ikw_table_add(&w->flows, &t->flow_node);
}

bool ikw_generation_usable(const struct ikw_generation *gen)
{
	return !gen->ending && (gen->in || gen->out) && !(gen->refused && ikw_generation_half(gen));
}

struct ikw_generation *ikw_tunnel_usable(const struct ikw_tunnel *t,
					 const struct ikw_generation *but)
{
	struct ikw_generation *gen = t->generations;

	while (gen && (gen == but || !ikw_generation_usable(gen) ||
		       (but && but->tunnel == t && ikw_generations_apart(gen, but))))
		gen = gen->next;
	return gen;
}

/* One that goes on with a flow though its tunnel's newest has another one: daemons mix reqids up.
 */
static struct ikw_generation *kept_usable(const struct ikw_world *w, const struct ikw_flow *flow,
					  uint32_t if_id, const struct ikw_generation *but)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &w->kept_flows, flow_hash(flow, if_id));

	for (; node; node = ikw_find_next(&find)) {
		const struct ikw_kept_flow *kept = IKW_CONTAINER(node, struct ikw_kept_flow, node);
		struct ikw_generation *gen = kept->generation;

		if (gen != but && gen->tunnel->if_id == if_id && carries(&kept->flow, flow) &&
		    ikw_generation_usable(gen))
			return gen;
	}
	return NULL;
}

struct ikw_generation *ikw_flow_usable(const struct ikw_world *w, const struct ikw_tunnel *t,
				       const struct ikw_generation *but)
{
	const struct ikw_flow *flow = but && but->tunnel == t ? ikw_generation_flow(but) : &t->flow;
	struct ikw_generation *gen = ikw_tunnel_usable(t, but);
	struct ikw_find find;
	struct ikw_node *node;

	if (gen || !flow->known)
		return gen;
	for (node = ikw_find_first(&find, &w->flows, flow_hash(flow, t->if_id)); node && !gen;
	     node = ikw_find_next(&find)) {
		const struct ikw_tunnel *other = IKW_CONTAINER(node, struct ikw_tunnel, flow_node);

		if (other != t && other->if_id == t->if_id && carries(&other->flow, flow))
			gen = ikw_tunnel_usable(other, but);
	}
	return gen ? gen : kept_usable(w, flow, t->if_id, but);
}

bool ikw_flow_drawn_anew(const struct ikw_tunnel *a, const struct ikw_tunnel *b)
{
	bool marks = a->flow.mark_mask && b->flow.mark_mask && a->flow.mark != b->flow.mark;
	bool ids = a->if_id && b->if_id && a->if_id != b->if_id;

	return a->flow.known && b->flow.known && (marks || ids) && a->proto == b->proto &&
	       a->mode == b->mode && !memcmp(&a->flow.sel, &b->flow.sel, sizeof(a->flow.sel));
}

struct ikw_generation *ikw_flow_heir(const struct ikw_world *w, const struct ikw_generation *old,
				     uint64_t from, uint64_t until)
{
	const struct ikw_tunnel *t = old->tunnel;

	if (!t->flow.mark_mask && !t->if_id)
		return NULL;
	for (unsigned int k = 1; k <= IKW_CAME_UP; k++) {
		const struct ikw_tunnel *other =
			w->came_up[(w->came_up_head + IKW_CAME_UP - k) % IKW_CAME_UP];
		struct ikw_generation *gen = other ? other->generations : NULL;

		if (!gen || gen->next || other == t || other->up_since != gen->born ||
		    gen->born < from || gen->born > until || !ikw_generation_usable(gen))
			continue;
		if (ikw_flow_drawn_anew(t, other) && gen->ike &&
		    ikw_generation_ike(gen) != ikw_generation_ike(old))
			return gen;
	}
	return NULL;
}

void ikw_tunnel_state(struct ikw_world *w, struct ikw_tunnel *t, uint64_t time)
{
	bool up = ikw_tunnel_usable(t, NULL) != NULL;

	if (up == t->up)
		return;
	t->up = up;
	if (up) {
		if (++w->tunnels_up > w->up_most)
			w->up_most = w->tunnels_up;
		t->up_since = time;
		w->came_up[w->came_up_head] = t;
		w->came_up_head = (w->came_up_head + 1) % IKW_CAME_UP;
	} else {
		w->tunnels_up--;
	}
	if (w->ops.state)
		w->ops.state(w->ops.ctx, t, time);
}

/* ---- policies ----------------------------------------------------------- */

static uint64_t policy_hash(const uint8_t *saddr, const uint8_t *daddr, uint32_t reqid)
{
	return ikw_hash(&reqid, sizeof(reqid), ikw_peer_hash(saddr, daddr));
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
	p->mark_mask = ev->mark_mask;
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
	key_apart(&key, ev->mark, ev->mark_mask, ev->if_id);
	t = tunnel_find(w, &key);
	if (!t && p->tunnels && !p->tunnels->peer_next)
		t = p->tunnels;
	return t;
}

static void flow_forget(struct ikw_world *w, struct ikw_tunnel *t)
{
	if (t->flow_node.hash)
		ikw_table_del(&w->flows, &t->flow_node);
	t->flow_node.hash = 0;
	memset(&t->flow, 0, sizeof(t->flow));
}

static void peer_link(struct ikw_world *w, struct ikw_peer *p, struct ikw_tunnel *t)
{
	t->peer = p;
	t->peer_prev = NULL;
	t->peer_next = p->tunnels;
	if (p->tunnels)
		p->tunnels->peer_prev = t;
	p->tunnels = t;
	ikw_peer_busy(w, p);
}

static void peer_unlink(struct ikw_world *w, struct ikw_tunnel *t)
{
	struct ikw_peer *p = t->peer;

	*(t->peer_prev ? &t->peer_prev->peer_next : &p->tunnels) = t->peer_next;
	if (t->peer_next)
		t->peer_next->peer_prev = t->peer_prev;
	if (!p->tunnels)
		ikw_peer_idle(w, p);
}

#define GONE_LEAST 16384 /* tunnels without SAs that are remembered */

void ikw_tunnel_taken(struct ikw_world *w, struct ikw_tunnel *t)
{
	if (!t->gone)
		return;
	t->gone = false;
	*(t->gone_prev ? &t->gone_prev->gone_next : &w->gone_first) = t->gone_next;
	*(t->gone_next ? &t->gone_next->gone_prev : &w->gone_last) = t->gone_prev;
	w->gone_count--;
}

void ikw_tunnel_left(struct ikw_world *w, struct ikw_tunnel *t)
{
	if (t->generations || t->gone)
		return;
	t->gone = true;
	t->gone_next = NULL;
	t->gone_prev = w->gone_last;
	*(w->gone_last ? &w->gone_last->gone_next : &w->gone_first) = t;
	w->gone_last = t;
	w->gone_count++;
}

void ikw_tunnels_bound(struct ikw_world *w)
{
	while (w->gone_count > GONE_LEAST && w->gone_count > w->up_most) {
		struct ikw_tunnel *t = w->gone_first;

		for (unsigned int k = 0; k < IKW_CAME_UP; k++)
			if (w->came_up[k] == t)
				w->came_up[k] = NULL;
		ikw_tunnel_taken(w, t);
		flow_forget(w, t);
		peer_unlink(w, t);
		ikw_table_del(&w->tunnels, &t->node);
		free(t);
	}
}

/* To the peer whose local address is the remote one of the tunnel's, and the reverse. */
static void tunnel_turn(struct ikw_world *w, struct ikw_tunnel *t, struct ikw_peer *to)
{
	const struct ikw_selector ours = selector_ours(&t->own_sel, IKW_DIR_IN);
	struct tunnel_key key = {
		.peer = to, .reqid = t->reqid, .proto = t->proto, .sa_sel = key_selector(&ours)
	};
	char text[256];

	key_apart(&key, t->mark, t->mark_mask, t->if_id);
	if (tunnel_find(w, &key))
		return;
	flow_forget(w, t);
	peer_unlink(w, t);
	ikw_table_del(&w->tunnels, &t->node);
	t->own_sel = ours;
	t->sa_sel = key.sa_sel;
	peer_link(w, to, t);
	t->node.hash = key_hash(&key);
	ikw_table_add(&w->tunnels, &t->node);
	for (struct ikw_generation *gen = t->generations; gen; gen = gen->next)
		ikw_generation_turn(w, gen);
	t->index = w->ops.number(w->ops.ctx, t, key_text(t, text, sizeof(text)));
}

/* Neither end was known to be ours, and an outbound policy tells that the wrong one was taken. */
static void policy_turns(struct ikw_world *w, const struct ikw_policy *ev)
{
	struct ikw_peer *wrong = ikw_world_peer(w, ev->tmpl_daddr, ev->tmpl_saddr);
	struct ikw_peer *right;

	if (!wrong || !wrong->guessed)
		return;
	wrong->guessed = false;
	if (!wrong->tunnels) /* an idle peer may be forgotten for a new one */
		return;
	right = ikw_peer_get(w, ev->tmpl_saddr, ev->tmpl_daddr);
	for (struct ikw_tunnel *t = wrong->tunnels, *next; t && right; t = next) {
		next = t->peer_next;
		tunnel_turn(w, t, right);
	}
}

/* The port that all of its SAs have; 0: they have none, or not the same. */
static uint16_t tunnel_port(const struct ikw_tunnel *t)
{
	uint16_t port = 0;

	for (const struct ikw_generation *gen = t->generations; gen; gen = gen->next) {
		uint16_t own = ikw_generation_encap(gen);

		if (!own || (port && own != port))
			return 0;
		port = own;
	}
	return port;
}

static void policy_asked(struct ikw_world *w, const struct ikw_policy *ev)
{
	bool out = ev->dir == IKW_DIR_OUT;
	struct ikw_peer *p = ikw_world_peer(w, out ? ev->tmpl_saddr : ev->tmpl_daddr,
					    out ? ev->tmpl_daddr : ev->tmpl_saddr);
	struct tunnel_key key = { .peer = p, .reqid = ev->tmpl_reqid, .proto = ev->tmpl_proto };
	const struct ikw_tunnel *t = p && key.reqid ? tunnel_find(w, &key) : NULL;

	ikw_peer_asked(w, p, t ? tunnel_port(t) : 0, &ev->hdr, &ev->by);
}

void ikw_policy_event(struct ikw_world *w, const struct ikw_policy *ev)
{
	const struct ikw_flow flow = {
		.sel = ev->sel, .mark = ev->mark, .mark_mask = ev->mark_mask, .rule_num = ev->index
	};
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
	if (w->guessed)
		policy_turns(w, ev);
	t = tunnel_of_policy(w, ev);
	if (!t)
		return;
	ikw_flow_set(w, t, &flow);
	if (!t->generations || t->generations->flowed)
		return;
	t->generations->flowed = true;
	if (w->ops.flowed)
		w->ops.flowed(w->ops.ctx, t->generations, ev->hdr.time);
}

void ikw_policies_flushed(struct ikw_world *w, const struct ikw_flush *ev)
{
	struct ikw_node **list, *node;
	size_t count = 0, at = 0;

	if (!(ev->hdr.flags & IKW_F_NETLINK))
		return;
	list = calloc(w->policies.count + 1, sizeof(*list));
	while (list && (node = ikw_table_each(&w->policies, &at)))
		list[count++] = node;
	for (size_t i = 0; i < count; i++) {
		ikw_table_del(&w->policies, list[i]);
		free(IKW_CONTAINER(list[i], struct ikw_policy_node, node));
	}
	free(list);
}

/* ---- making tunnels ------------------------------------------------------- */

static void tunnel_flow(struct ikw_world *w, struct ikw_tunnel *t, const struct ikw_selector *ours)
{
	const struct ikw_policy_node *p = policy_for(w, t);
	struct ikw_flow flow = { .sel = *ours, .mark = t->mark, .mark_mask = t->mark_mask };

	if (p)
		flow = (struct ikw_flow){ .sel = p->sel,
					  .mark = p->mark,
					  .mark_mask = p->mark_mask,
					  .rule_num = p->index };
	if (p || (!t->flow.known && !selector_any(ours)))
		ikw_flow_set(w, t, &flow);
}

static struct ikw_tunnel *tunnel_new(struct ikw_world *w, const struct tunnel_key *key,
				     struct ikw_peer *p, const struct ikw_sa *sa)
{
	struct ikw_tunnel *t = calloc(1, sizeof(*t));
	char text[256];

	if (!t)
		return NULL;
	t->reqid = key->reqid;
	t->mark = sa->mark;
	t->mark_mask = sa->mark_mask;
	t->if_id = sa->if_id;
	t->sa_sel = key->sa_sel;
	t->proto = sa->proto;
	t->mode = sa->mode;
	t->last_reason = IKW_REASON_UNKNOWN;
	t->node.hash = key_hash(key);
	peer_link(w, p, t);
	ikw_table_add(&w->tunnels, &t->node);
	t->index = w->ops.number(w->ops.ctx, t, key_text(t, text, sizeof(text)));
	return t;
}

struct ikw_tunnel *ikw_tunnel_known(const struct ikw_world *w, const struct ikw_sa *sa, uint8_t dir)
{
	bool in = dir == IKW_DIR_IN;
	const struct ikw_peer *p =
		ikw_world_peer(w, in ? sa->daddr : sa->saddr, in ? sa->saddr : sa->daddr);
	struct ikw_selector ours = selector_ours(&sa->sel, dir);
	struct tunnel_key key;

	if (!p)
		return NULL;
	key = key_of(p, sa, &ours);
	return tunnel_find(w, &key);
}

struct ikw_tunnel *ikw_tunnel_get(struct ikw_world *w, const struct ikw_sa *sa, uint8_t dir)
{
	bool in = dir == IKW_DIR_IN;
	struct ikw_peer *p =
		ikw_peer_get(w, in ? sa->daddr : sa->saddr, in ? sa->saddr : sa->daddr);
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
