// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "evidence.h"
#include "model.h"
#include "compose.h"

#define SETTLE	      (2 * IKW_SECOND)
#define BURST	      (2 * IKW_SECOND)	/* deletions under one IKE_SA that share a cause */
#define OUTCOME_WAIT  (15 * IKW_SECOND) /* for a reauthentication to succeed or fail */
#define RECHECK	      (500 * IKW_MS)
#define DUMP_WAIT     (10 * IKW_SECOND) /* for a dump to end that has begun */
#define SAME_FLOW_MAX 16
#define SAME_SPI_MAX  16

/* An end that is looked at once what the daemon takes with it has gone. */
struct ending {
	uint64_t time; /* 0: none */
	uint32_t tgid;
	int32_t exit_code;
	char comm[IKW_COMM_LEN];
};
#define ENDINGS 8

struct ikw_model {
	struct ikw_model_config config;
	struct ikw_model_ops ops;
	struct ikw_world world;
	struct ikw_case *first; /* open cases, by close_at */
	struct ikw_case *last;
	struct ikw_table by_spi; /* the same by the SPI that went first */
	uint64_t open;
	uint64_t events;
	uint64_t alarms;
	uint64_t by_reason[IKW_REASON_COUNT];
	uint32_t next_index;
	struct ending endings[ENDINGS];
	uint64_t next_ending; /* when the first of them is looked at; UINT64_MAX: none */
};

/* ---- the queue of open cases ------------------------------------------------- */

static void case_unlink(struct ikw_model *m, struct ikw_case *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		m->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		m->last = c->prev;
	c->next = c->prev = NULL;
	m->open--;
}

static void case_link(struct ikw_model *m, struct ikw_case *c)
{
	struct ikw_case *after = m->last;

	while (after && after->close_at > c->close_at)
		after = after->prev;
	c->prev = after;
	c->next = after ? after->next : m->first;
	if (c->next)
		c->next->prev = c;
	else
		m->last = c;
	if (after)
		after->next = c;
	else
		m->first = c;
	m->open++;
}

static uint64_t spi_hash(uint32_t spi)
{
	return ikw_hash(&spi, sizeof(spi), 9);
}

/* ---- verdicts ------------------------------------------------------------------ */

/* What nothing explains but the daemon's own will: the next one as old as this tells more. */
static void life_learn(const struct ikw_generation *gen, const struct ikw_facts *f,
		       const struct ikw_verdict *v)
{
	struct ikw_peer *peer = gen->tunnel->peer;

	switch (v->reason) {
	case IKW_REASON_UNKNOWN:
	case IKW_REASON_IDLE_TIMEOUT:
	case IKW_REASON_PHASE1_HARD_EXPIRY:
	case IKW_REASON_PHASE2_HARD_EXPIRY:
		break;
	case IKW_REASON_PHASE1_REPLACE: /* or the end of its life, after which it began again */
		if (v->confidence > IKW_CONFIDENCE_POSSIBLE)
			return;
		break;
	default:
		return;
	}
	/* one that was never whole did not live */
	if (!f->life.ns || ikw_generation_half(gen))
		return;
	if (f->child_life)
		peer->child_life = f->life;
	else
		peer->life = f->life;
	if (f->ike && f->child_maybe.ns)
		((struct ikw_ike_sa *)f->ike)->child_maybe = f->child_maybe;
}

/* A Delete that ended something was no liveness check, though it was answered like one. */
static void live_unlearn(const struct ikw_facts *f)
{
	struct ikw_ike_sa *ike = (struct ikw_ike_sa *)f->ike;

	if (ike && f->local && ike->live_count && ike->live_length == f->local->length)
		ike->live_count--;
}

static void case_close(struct ikw_model *m, struct ikw_case *c, const struct ikw_facts *f,
		       const struct ikw_verdict *v, uint64_t now)
{
	struct ikw_generation *gen = c->gen;
	struct ikw_tunnel *t = gen->tunnel;
	struct ikw_alarm alarm;

	ikw_compose(&alarm, c, f, v, &m->world, m->config.vsys, now);
	t->deletions++;
	t->last_deletion = ikw_host_wall(&m->world.host, c->opened);
	t->last_reason = (uint8_t)v->reason;
	m->alarms++;
	m->by_reason[v->reason]++;
	life_learn(gen, f, v);
	live_unlearn(f);
	case_unlink(m, c);
	ikw_table_del(&m->by_spi, &c->by_spi);
	free(c->kept);
	free(c);
	gen->deletion = NULL;
	if (m->ops.alarm)
		m->ops.alarm(m->ops.ctx, &alarm);
	ikw_alarm_clear(&alarm);
}

static bool waits_for_outcome(const struct ikw_case *c, const struct ikw_facts *f, uint64_t now)
{
	ikw_fact_set deletes = IKW_FACT(LOCAL_DELETE) | IKW_FACT(PEER_DELETE);
	/* for the two exchanges of it at least, however far the peer is */
	uint64_t far = f->ike ? 2 * f->ike->round_trip_ms * IKW_MS : 0;

	if ((f->seen & IKW_FACT(ORDER_END)) && !(f->seen & IKW_FACT(PEER_DELETE)) && !f->contested)
		return false;
	return f->pending_outcome && (f->seen & deletes) && c->give_up && now < c->give_up + far &&
	       !(f->seen & IKW_FACT(RETURNED));
}

/* While a dump is under way, what the SAD holds is about to be known: no case closes. */
static bool holds(const struct ikw_model *m, uint64_t now)
{
	return m->world.dumping && now < m->world.dump_began + DUMP_WAIT;
}

/*
 * What came back may be another one with the same reqid, as its policy tells, which comes
 * after its SAs.
 */
static bool policy_follows(const struct ikw_model *m, const struct ikw_case *c,
			   const struct ikw_generation *next)
{
	return next && next->born > c->opened && !next->flowed &&
	       next->tunnel->generations == next && next->tunnel == c->gen->tunnel &&
	       c->gen->flowed && (m->world.host.sees & IKW_SEES_POLICY);
}

/*
 * More is about to come or go: the other SA of a generation of which one is
 * known, or what still carries the flow when everything is taken at once.
 */
static bool more_follows(const struct ikw_model *m, const struct ikw_case *c,
			 const struct ikw_facts *f)
{
	const ikw_fact_set all = IKW_FACT(FLUSHED) | IKW_FACT(NETNS_EXIT) | IKW_FACT(DEVICE_EXIT);

	if (ikw_generation_half(c->gen) || (f->next_gen && ikw_generation_half(f->next_gen)))
		return true;
	if (policy_follows(m, c, f->next_gen))
		return true;
	return (f->seen & all) && ikw_flow_usable(&m->world, c->gen->tunnel, c->gen);
}

/*
 * Explained by more than that somebody was heard to order something, which may as well
 * have been for others. What a Delete that nobody answers looks like explains nothing
 * then, nor what a daemon does that is told to set up anew what it was told to end.
 */
static bool explained_anyway(const struct ikw_facts *f, const struct ikw_verdict *v)
{
	const ikw_fact_set anew = IKW_FACT(LOCAL_DELETE) | IKW_FACT(NEW_IKE_OUT);

	if (f->gave_up || v->reason == IKW_REASON_UNKNOWN || v->reason == IKW_REASON_MANUAL ||
	    v->reason == IKW_REASON_IDLE_TIMEOUT)
		return false;
	return (f->seen & anew) != anew || (f->seen & IKW_FACT(NEW_IKE_FIRST));
}

/* What follows from an order is no surer than that. */
static void doubt_order(struct ikw_verdict *v, enum ikw_confidence most)
{
	const ikw_fact_set orders = IKW_FACT(ORDER_END) | IKW_FACT(ORDER_NEAR) |
				    IKW_FACT(ORDER_RELOAD) | IKW_FACT(BY_TRACKER) |
				    IKW_FACT(BY_SERVICE) | IKW_FACT(BY_LEASES);

	if ((v->rule->needs & orders) && v->confidence > most)
		v->confidence = most;
}

/*
 * An order to end something, of which it is not seen what: where several IKE_SAs end
 * with it, those that end by something else are not what it was for. Whether others
 * follow it is known once the case has settled.
 */
static struct ikw_verdict judge_ordered(const struct ikw_model *m, const struct ikw_case *c,
					uint64_t now, struct ikw_facts *f)
{
	const ikw_fact_set told =
		IKW_FACT(LOCAL_DELETE) | IKW_FACT(DELETE_EXCHANGE) | IKW_FACT(DELETE_AFTER);
	struct ikw_verdict v = ikw_infer(f), other;
	const struct ikw_order *order = f->order;
	struct ikw_facts plain;

	/* what is ordered down says so to its peer, as the other did; and what was silent already
	   may have been given up just then */
	if ((f->of_another && !f->gave_up && f->ike && !(f->seen & told)) ||
	    (f->vague & IKW_FACT(BY_TRACKER)))
		doubt_order(&v, IKW_CONFIDENCE_POSSIBLE);
	ikw_facts_collect(&plain, c, &m->world, now, IKW_ORDERS_NO_END);
	other = ikw_infer(&plain);
	if (!explained_anyway(&plain, &other)) {
		f->contested = plain.pending_outcome && (plain.seen & IKW_FACT(NEW_IKE_FIRST));
		return v;
	}
	f->contested = true;
	if (!f->of_another || other.confidence <= IKW_CONFIDENCE_POSSIBLE) {
		doubt_order(&v, f->of_another ? IKW_CONFIDENCE_POSSIBLE : IKW_CONFIDENCE_LIKELY);
		return v;
	}
	/* where this one followed it at once as well, there are two readings */
	other.confidence -= f->at_once;
	*f = plain;
	f->aside = order;
	return other;
}

/* Somebody listed the tunnels: whether the daemon looked by itself before it closed this one is not
 * known. */
static bool maybe_idle(const struct ikw_facts *f)
{
	return (f->seen & IKW_FACT(IDLE)) && f->local && f->local->asked == IKW_ASKED_UNKNOWN;
}

/*
 * The facts, and what follows from them. An order that was hardly for this
 * explains nothing that is explained without it; and what is loaded is mostly
 * what was loaded before: where something else explains as much, that it did is
 * not certain.
 */
static struct ikw_verdict case_judge(const struct ikw_model *m, const struct ikw_case *c,
				     uint64_t now, struct ikw_facts *f)
{
	const ikw_fact_set orders = IKW_FACT(ORDER_END) | IKW_FACT(ORDER_NEAR) |
				    IKW_FACT(ORDER_RELOAD) | IKW_FACT(ORDER_REKEY) |
				    IKW_FACT(ORDER_OTHER);
	const ikw_fact_set not_for_others = IKW_FACT(ORDER_AWAY) | IKW_FACT(PEER_DELETE);
	struct ikw_facts plain;
	struct ikw_verdict v;
	bool explained;

	ikw_facts_collect(f, c, &m->world, now, IKW_ORDERS_ALL);
	if (!f->aside && !(f->seen & IKW_FACT(ORDER_RELOAD))) {
		if ((f->seen & IKW_FACT(ORDER_END)) && !(f->seen & not_for_others) &&
		    !f->order->signo)
			return judge_ordered(m, c, now, f);
		return ikw_infer(f);
	}
	ikw_facts_collect(&plain, c, &m->world, now, IKW_ORDERS_PLAIN);
	v = ikw_infer(&plain);
	explained = v.reason != IKW_REASON_UNKNOWN && v.reason != IKW_REASON_MANUAL;
	if (explained && f->aside) {
		plain.aside = f->aside;
		*f = plain;
		return v;
	}
	if (explained || f->aside)
		f->vague |= orders & f->seen;
	v = ikw_infer(f);
	if (f->aside && maybe_idle(f))
		doubt_order(&v, IKW_CONFIDENCE_POSSIBLE);
	return v;
}

/* Looks at a case again. final: its time has come. Returns true when it closed. */
static bool case_look(struct ikw_model *m, struct ikw_case *c, uint64_t now, bool final)
{
	struct ikw_facts f;
	struct ikw_verdict v;

	if (!final && holds(m, now)) {
		c->held = true;
		return false;
	}
	v = case_judge(m, c, now, &f);
	if (!final && (!v.rule->now || f.aside || f.contested || (f.vague & v.rule->needs) ||
		       more_follows(m, c, &f)))
		return false;
	if (!v.rule->now && waits_for_outcome(c, &f, now)) {
		case_unlink(m, c);
		c->close_at = now + RECHECK;
		case_link(m, c);
		return false;
	}
	case_close(m, c, &f, &v, now);
	return true;
}

static void case_keep(struct ikw_case *c, const struct ikw_exchange *x)
{
	if (!x)
		return;
	c->kept = malloc(sizeof(*c->kept));
	if (c->kept)
		*c->kept = *x;
}

/* Something that ends tunnels began only after the last of the burst had gone. */
static bool began_after(const struct ikw_facts *f, uint64_t last)
{
	return (f->local && f->local->first > last) || (f->peer && f->peer->first > last) ||
	       (f->order && f->order->kind == IKW_ORDER_END && f->order->time > last);
}

/* What goes by an order first is what it was about, as far as can be told. */
static void order_learn(struct ikw_host *host, const struct ikw_facts *f, uint64_t at)
{
	struct ikw_order *order = f->order ? &host->orders[f->order - host->orders] : NULL;

	if (!order || !f->ike || order->kind != IKW_ORDER_END || (f->seen & IKW_FACT(PEER_DELETE)))
		return;
	/* what was given up may have been so anyway */
	if (!order->served && !f->of_another && !f->gave_up)
		order->served = f->ike->spi_i;
	order->followed = at;
}

/* A daemon with many tunnels rekeys all the time, whatever it was ordered just before. */
static void order_acted(struct ikw_model *m, const struct ikw_case *c, ikw_fact_set seen)
{
	const ikw_fact_set by_itself = IKW_FACT(REPLACED_CHILD) | IKW_FACT(REPLACED_IKE) |
				       IKW_FACT(REPLACED_PLAIN) | IKW_FACT(PEER_DELETE);
	const struct ikw_sa *first = &c->first;

	if ((first->cause == IKW_CAUSE_CALL || first->cause == IKW_CAUSE_UNKNOWN) &&
	    !(seen & by_itself))
		ikw_host_acted(&m->world.host, first->by.tgid, c->opened);
}

/*
 * When one IKE_SA's end takes several tunnels, the wire tells why once: the
 * cause of the later ones is looked for where the first one went.
 */
static void case_anchor(struct ikw_model *m, struct ikw_case *c)
{
	const ikw_fact_set own =
		IKW_FACT(REPLACED_CHILD) | IKW_FACT(REPLACED_IKE) | IKW_FACT(REPLACED_PLAIN) |
		IKW_FACT(HARD_LIMIT) | IKW_FACT(FOREIGN_DELETER) | IKW_FACT(FLUSHED) |
		IKW_FACT(NETNS_EXIT) | IKW_FACT(NO_DAEMON) | IKW_FACT(FOREIGN_PORT);
	struct ikw_facts f;
	struct ikw_ike_sa *ike;

	if (!ikw_ike_newest(c->gen->tunnel->peer->ikes)) {
		order_acted(m, c, 0);
		return;
	}
	case_judge(m, c, c->opened, &f);
	order_acted(m, c, f.seen);
	ike = (struct ikw_ike_sa *)f.ike;
	case_keep(c, f.local ? f.local : f.peer);
	order_learn(&m->world.host, &f, c->opened);
	if (!ike || (f.seen & own))
		return;
	if (ike->burst_last && c->opened - ike->burst_last < BURST &&
	    !began_after(&f, ike->burst_last))
		c->anchor = ike->burst_anchor;
	else
		ike->burst_anchor = c->opened;
	ike->burst_last = c->opened;
}

/* ---- what the world tells --------------------------------------------------------- */

static void on_deletion(void *ctx, struct ikw_generation *gen, const struct ikw_sa *ev)
{
	struct ikw_model *m = ctx;
	struct ikw_case *c = calloc(1, sizeof(*c));

	if (!c)
		return;
	c->gen = gen;
	c->first = *ev;
	c->opened = ev->hdr.time;
	c->anchor = c->opened;
	c->same_spi_back = ikw_world_migrated(&m->world, gen->tunnel, ev);
	c->close_at = c->opened + m->config.settle_ns;
	c->give_up = c->opened + OUTCOME_WAIT;
	gen->deletion = c;
	c->by_spi.hash = spi_hash(ev->spi);
	ikw_table_add(&m->by_spi, &c->by_spi);
	case_link(m, c);
	case_anchor(m, c);
	case_look(m, c, c->opened, false);
}

static void on_further(void *ctx, struct ikw_generation *gen, const struct ikw_sa *ev)
{
	struct ikw_model *m = ctx;

	if (gen->deletion)
		case_look(m, gen->deletion, ev->hdr.time, false);
}

static void look_and_release(struct ikw_model *m, struct ikw_case *c, uint64_t now)
{
	struct ikw_generation *gen = c->gen;

	if (case_look(m, c, now, false))
		ikw_generation_release(&m->world, gen);
}

static bool other_ports(const struct ikw_sa *a, const struct ikw_sa *b)
{
	return a->encap_type && b->encap_type &&
	       (a->encap_sport != b->encap_sport || a->encap_dport != b->encap_dport);
}

/* It is another where the selectors are the outer addresses; but somebody else's SA is none of it.
 */
static bool same_reqid(const struct ikw_sa *old, const struct ikw_sa *ev)
{
	return old->reqid == ev->reqid || !ev->by.tgid || !old->by.tgid ||
	       ev->by.tgid == old->by.tgid;
}

/* The SPI of an open case is back: with MOBIKE at another address, after a NAT at another port. */
static void match_spi(struct ikw_model *m, struct ikw_generation *gen, const struct ikw_sa *ev)
{
	struct ikw_case *same[SAME_SPI_MAX];
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &m->by_spi, spi_hash(ev->spi));
	size_t count = 0;

	for (; node && count < SAME_SPI_MAX; node = ikw_find_next(&find)) {
		struct ikw_case *c = IKW_CONTAINER(node, struct ikw_case, by_spi);
		const struct ikw_sa *old = &c->first;
		bool moved = memcmp(old->saddr, ev->saddr, 2 * IKW_ADDR_LEN);

		if (old->spi != ev->spi || old->proto != ev->proto || !same_reqid(old, ev) ||
		    c->gen == gen || (!moved && !other_ports(old, ev)))
			continue;
		c->same_spi_back |= moved;
		c->same_spi_port |= !moved;
		same[count++] = c;
	}
	if (count)
		gen->quiet = false;
	for (size_t i = 0; i < count; i++)
		look_and_release(m, same[i], ev->hdr.time);
}

static void look_at_tunnel(struct ikw_model *m, struct ikw_tunnel *t, uint64_t now)
{
	struct ikw_generation *gen = t->generations;

	while (gen) {
		struct ikw_generation *next = gen->next;

		if (gen->deletion)
			look_and_release(m, gen->deletion, now);
		gen = next;
	}
}

/* The same flow under another address: the few tunnels that have it. */
static void look_at_flow(struct ikw_model *m, const struct ikw_tunnel *t, uint64_t now)
{
	struct ikw_node *node, *others[SAME_FLOW_MAX];
	struct ikw_find find;
	size_t count = 0;

	if (!t->flow_node.hash)
		return;
	node = ikw_find_first(&find, &m->world.flows, t->flow_node.hash);
	for (; node && count < SAME_FLOW_MAX; node = ikw_find_next(&find))
		if (node != &t->flow_node)
			others[count++] = node;
	for (size_t i = 0; i < count; i++)
		look_at_tunnel(m, IKW_CONTAINER(others[i], struct ikw_tunnel, flow_node), now);
}

static void on_installed(void *ctx, struct ikw_generation *gen, const struct ikw_sa *ev)
{
	struct ikw_model *m = ctx;

	if (!m->first)
		return;
	match_spi(m, gen, ev);
	look_at_tunnel(m, gen->tunnel, ev->hdr.time);
	look_at_flow(m, gen->tunnel, ev->hdr.time);
}

static void on_flowed(void *ctx, struct ikw_generation *gen, uint64_t time)
{
	struct ikw_model *m = ctx;

	if (!m->first)
		return;
	look_at_tunnel(m, gen->tunnel, time);
	look_at_flow(m, gen->tunnel, time);
}

static struct ikw_model_sa sa_told(const struct ikw_model *m, const struct ikw_sa_node *sa)
{
	return (struct ikw_model_sa){
		.saddr = ikw_sa_saddr(sa),
		.daddr = ikw_sa_daddr(sa),
		.spi = sa->spi,
		.mark = sa->mark,
		.proto = sa->proto,
		.added = sa->add_wall_s,
		.dir = sa->generation->tunnel->peer->guessed ? IKW_DIR_UNKNOWN
							     : (enum ikw_dir)sa->dir,
		.installed = sa->installed,
		.shared = ikw_sa_shared(&m->world, sa),
	};
}

static void on_sa(void *ctx, const struct ikw_sa_node *sa, bool there)
{
	const struct ikw_model *m = ctx;
	struct ikw_model_sa told;

	if (!m->ops.sa)
		return;
	told = sa_told(m, sa);
	m->ops.sa(m->ops.ctx, &told, there);
}

static uint32_t on_number(void *ctx, struct ikw_tunnel *t, const char *key)
{
	struct ikw_tunnel_past past;
	struct ikw_model *m = ctx;

	if (m->ops.known && m->ops.known(m->ops.ctx, key, &past)) {
		t->last_deletion = past.last_deletion;
		t->last_reason = (uint8_t)past.last_reason;
		return past.index;
	}
	m->next_index++;
	if (m->ops.tunnel)
		m->ops.tunnel(m->ops.ctx, key, m->next_index);
	return m->next_index;
}

static void on_state(void *ctx, struct ikw_tunnel *t, uint64_t time)
{
	struct ikw_model *m = ctx;

	if (t->up && (t->deletions || t->last_deletion) && m->ops.tunnel_up)
		m->ops.tunnel_up(m->ops.ctx, t->index, time);
}

/* ---- daemons that end ----------------------------------------------------------------- */

static bool unmanaged(const struct ikw_tunnel *t, uint32_t tgid)
{
	const struct ikw_generation *gen = t->generations;

	while (gen && !(gen->installer_tgid == tgid && ikw_generation_usable(gen)))
		gen = gen->next;
	return gen != NULL;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void tell_ending(struct ikw_model *m, const struct ending *e)
{
	const struct ikw_table *table = &m->world.tunnels;
	uint32_t *list = calloc(table->count + 1, sizeof(*list));
	struct ikw_daemon_lost lost = {
		.time = e->time, .pid = e->tgid, .exit_code = e->exit_code, .tunnels = list
	};

	struct ikw_node *node;
	size_t at = 0;

	memcpy(lost.comm, e->comm, sizeof(lost.comm));
	while (list && (node = ikw_table_each(table, &at))) {
		const struct ikw_tunnel *t = IKW_CONTAINER(node, struct ikw_tunnel, node);

		if (unmanaged(t, e->tgid))
			list[lost.count++] = t->index;
	}
	if (lost.count && m->ops.daemon_lost) {
		qsort(list, lost.count, sizeof(*list), by_number);
		m->ops.daemon_lost(m->ops.ctx, &lost);
	}
	free(list);
}

static void look_at_endings(struct ikw_model *m, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (unsigned int i = 0; i < ENDINGS; i++) {
		struct ending *e = &m->endings[i];
		uint64_t at = e->time + m->config.settle_ns;

		if (e->time && at <= now) {
			tell_ending(m, e);
			e->time = 0;
		} else if (e->time && at < next) {
			next = at;
		}
	}
	m->next_ending = next;
}

/* Who only writes SAs (`ip xfrm`, say) managed nothing: its end loses nothing. */
static void daemon_ends(struct ikw_model *m, const struct ikw_proc *ev)
{
	const struct ikw_process *p = ikw_host_process(&m->world.host, ev->tgid);
	struct ending *e = m->endings;

	if (!p || !p->negotiates)
		return;
	while (e < m->endings + ENDINGS && e->time)
		e++;
	if (e == m->endings + ENDINGS)
		return;
	e->time = ev->hdr.time;
	e->tgid = ev->tgid;
	e->exit_code = ev->exit_code;
	memcpy(e->comm, ev->comm, sizeof(e->comm));
	e->comm[sizeof(e->comm) - 1] = 0;
	if (e->time + m->config.settle_ns < m->next_ending)
		m->next_ending = e->time + m->config.settle_ns;
}

/* ---- the interface -------------------------------------------------------------------- */

struct ikw_model *ikw_model_new(const struct ikw_model_config *config,
				const struct ikw_model_ops *ops)
{
	struct ikw_model *m = calloc(1, sizeof(*m));
	struct ikw_world_ops world_ops = { .deletion = on_deletion,
					   .further = on_further,
					   .installed = on_installed,
					   .flowed = on_flowed,
					   .sa = on_sa,
					   .number = on_number,
					   .state = on_state,
					   .ctx = m };

	if (!m)
		return NULL;
	if (config)
		m->config = *config;
	if (ops)
		m->ops = *ops;
	if (!m->config.settle_ns)
		m->config.settle_ns = SETTLE;
	m->next_ending = UINT64_MAX;
	if (!m->config.vsys[0])
		snprintf(m->config.vsys, sizeof(m->config.vsys), "Public");
	m->next_index = m->config.last_index;
	if (ikw_table_init(&m->by_spi) || ikw_world_init(&m->world, &world_ops)) {
		ikw_model_free(m);
		return NULL;
	}
	return m;
}

void ikw_model_free(struct ikw_model *m)
{
	if (!m)
		return;
	while (m->first) {
		struct ikw_case *c = m->first;

		case_unlink(m, c);
		free(c->kept);
		free(c);
	}
	ikw_world_free(&m->world);
	ikw_table_free(&m->by_spi);
	free(m);
}

void ikw_model_tick(struct ikw_model *m, uint64_t now)
{
	if (m->next_ending <= now)
		look_at_endings(m, now);
	while (!holds(m, now) && m->first && m->first->close_at <= now) {
		struct ikw_case *c = m->first;
		struct ikw_generation *gen = c->gen;
		uint64_t at = c->close_at;

		if (case_look(m, c, at, true))
			ikw_generation_release(&m->world, gen);
	}
}

/* The dump has ended: what would have closed meanwhile closes now. */
static void look_at_held(struct ikw_model *m, uint64_t now)
{
	struct ikw_case *c = m->first;

	while (c) {
		struct ikw_case *next = c->next;

		if (c->held) {
			c->held = false;
			look_and_release(m, c, now);
		}
		c = next;
	}
}

void ikw_model_event(struct ikw_model *m, const union ikw_event *ev)
{
	m->events++;
	ikw_model_tick(m, ev->hdr.time);
	ikw_world_event(&m->world, ev);
	if (ev->hdr.type == IKW_EV_DUMP && ev->dump.op == IKW_DUMP_END)
		look_at_held(m, ev->hdr.time);
	if (ev->hdr.type == IKW_EV_PROC && ev->proc.op == IKW_PROC_EXIT)
		daemon_ends(m, &ev->proc);
}

uint64_t ikw_model_deadline(const struct ikw_model *m)
{
	uint64_t held = m->world.dumping ? m->world.dump_began + DUMP_WAIT : 0;
	uint64_t at = m->first ? m->first->close_at : UINT64_MAX;

	if (m->first && at < held)
		at = held;
	return m->next_ending < at ? m->next_ending : at;
}

void ikw_model_finish(struct ikw_model *m, uint64_t now)
{
	look_at_endings(m, now);
	while (m->first) {
		struct ikw_case *c = m->first;
		struct ikw_generation *gen = c->gen;

		c->give_up = 0;
		if (case_look(m, c, now > c->opened ? now : c->opened, true))
			ikw_generation_release(&m->world, gen);
	}
}

const struct ikw_world *ikw_model_world(const struct ikw_model *m)
{
	return &m->world;
}

uint64_t ikw_model_wall(const struct ikw_model *m, uint64_t boot)
{
	return ikw_host_wall(&m->world.host, boot);
}

uint64_t ikw_model_tunnels_over(const struct ikw_model *m, uint32_t ifindex)
{
	const struct ikw_table *tunnels = &m->world.tunnels;
	uint64_t count = 0;
	struct ikw_node *node;
	size_t at = 0;

	while ((node = ikw_table_each(tunnels, &at))) {
		struct ikw_tunnel *t = IKW_CONTAINER(node, struct ikw_tunnel, node);

		count += t->up && t->peer->ifindex == ifindex;
	}
	return count;
}

/* ---- what is now ----------------------------------------------------------------------- */

static void info_sa(struct ikw_tunnel_info *info, const struct ikw_sa_node *sa)
{
	struct ikw_tunnel_sa *out = &info->sas[info->sa_count];

	if (!sa || sa->gone || info->sa_count == sizeof(info->sas) / sizeof(info->sas[0]))
		return;
	info->sa_count++;
	out->spi = sa->spi;
	out->dir = sa->dir;
	out->installed = sa->installed;
	out->bytes = sa->bytes;
	out->packets = sa->packets;
	out->last = sa->last;
}

/* What an alarm of it would say of where it is. */
static void info_place(const struct ikw_model *m, struct ikw_tunnel_info *info,
		       const struct ikw_tunnel *t)
{
	const struct ikw_link_state *link = ikw_tunnel_link(&m->world.host, t);
	const struct ikw_generation *gen = t->generations;
	const struct ikw_sa_node *sa = !gen ? NULL : gen->out ? gen->out : gen->in;

	info->ifindex = link ? link->ifindex : t->peer->ifindex;
	if (link)
		memcpy(info->ifname, link->name, sizeof(info->ifname));
	info->vsys = m->config.vsys;
	if (gen)
		info->remote_port = ikw_generation_port(gen, ikw_generation_ike(gen));
	info->life_s = sa ? sa->life_s : 0;
	info->life_kib = sa ? sa->life_kib : 0;
}

/* That of what carries traffic, if there is such. */
static void info_flow(struct ikw_tunnel_info *info, const struct ikw_tunnel *t)
{
	const struct ikw_generation *gen = ikw_tunnel_usable(t, NULL);
	const struct ikw_flow *flow = gen ? ikw_generation_flow(gen) : &t->flow;

	info->rule_num = flow->rule_num;
	ikw_flow_text(t, flow, info->flow_info, sizeof(info->flow_info));
	ikw_inside_text(t, flow, info->inside_ip, sizeof(info->inside_ip));
}

static void info_fill(const struct ikw_model *m, struct ikw_tunnel_info *info,
		      const struct ikw_tunnel *t)
{
	const struct ikw_ike_sa *ike;

	memset(info, 0, sizeof(*info));
	info_place(m, info, t);
	info->index = t->index;
	info->up = t->up;
	memcpy(info->src, t->peer->local, IKW_ADDR_LEN);
	memcpy(info->dst, t->peer->remote, IKW_ADDR_LEN);
	info->reqid = t->reqid;
	info->mark = t->mark;
	info->if_id = t->if_id;
	info_flow(info, t);
	info->up_since = t->up_since;
	info->deletions = t->deletions;
	info->last_deletion = t->last_deletion;
	info->last_reason = t->last_reason;
	for (const struct ikw_generation *gen = t->generations; gen; gen = gen->next) {
		ike = ikw_generation_ike(gen);
		if (ike && !info->ike_version) {
			info->ike_version = ike->version;
			info->spi_i = ike->spi_i;
			info->spi_r = ike->spi_r;
		}
		info_sa(info, gen->in);
		info_sa(info, gen->out);
	}
}

static int by_index(const void *a, const void *b)
{
	const struct ikw_tunnel *x = *(struct ikw_tunnel *const *)a;
	const struct ikw_tunnel *y = *(struct ikw_tunnel *const *)b;

	return x->index < y->index ? -1 : x->index > y->index;
}

void ikw_model_sas(const struct ikw_model *m,
		   void (*fn)(void *ctx, const struct ikw_model_sa *sa, bool there), void *ctx)
{
	struct ikw_model_sa told;
	struct ikw_node *node;
	size_t at = 0;

	while ((node = ikw_table_each(&m->world.sas, &at))) {
		told = sa_told(m, IKW_CONTAINER(node, struct ikw_sa_node, node));
		fn(ctx, &told, true);
	}
}

bool ikw_model_partner(const struct ikw_model *m, const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi,
		       uint8_t partner_daddr[IKW_ADDR_LEN], uint32_t *partner_spi)
{
	const uint8_t *to;
	const struct ikw_sa_node *other = ikw_world_partner(&m->world, daddr, spi, &to);

	if (!other)
		return false;
	memcpy(partner_daddr, to, IKW_ADDR_LEN);
	*partner_spi = other->spi;
	return true;
}

void ikw_model_tunnels(const struct ikw_model *m,
		       int (*fn)(void *ctx, const struct ikw_tunnel_info *info), void *ctx)
{
	const struct ikw_table *table = &m->world.tunnels;
	const struct ikw_tunnel **list = calloc(table->count + 1, sizeof(*list));
	struct ikw_tunnel_info info;
	struct ikw_node *node;
	size_t count = 0, at = 0;

	if (!list)
		return;
	while ((node = ikw_table_each(table, &at)))
		list[count++] = IKW_CONTAINER(node, struct ikw_tunnel, node);
	qsort(list, count, sizeof(*list), by_index);
	for (size_t i = 0; i < count; i++) {
		info_fill(m, &info, list[i]);
		if (fn(ctx, &info))
			break;
	}
	free(list);
}

static uint64_t table_bytes(const struct ikw_table *table, size_t each)
{
	return (table->mask + 1) * sizeof(*table->slots) + table->count * (each + 16);
}

void ikw_model_stats(const struct ikw_model *m, struct ikw_model_stats *s)
{
	const struct ikw_world *w = &m->world;

	memset(s, 0, sizeof(*s));
	s->events = m->events;
	s->alarms = m->alarms;
	memcpy(s->by_reason, m->by_reason, sizeof(s->by_reason));
	s->tunnels = w->tunnels.count;
	s->tunnels_up = w->tunnels_up;
	s->ike_repeats = w->ike_repeats;
	s->sas = w->sas.count;
	s->ike_sas = w->ikes.count;
	s->open_cases = m->open;
	s->lost = w->host.lost;
	s->bytes = table_bytes(&w->peers, sizeof(struct ikw_peer)) + table_bytes(&w->remotes, 0) +
		   table_bytes(&w->ikes, sizeof(struct ikw_ike_sa)) +
		   table_bytes(&w->tunnels, sizeof(struct ikw_tunnel)) +
		   table_bytes(&w->sas, sizeof(struct ikw_sa_node)) +
		   table_bytes(&w->policies, sizeof(struct ikw_policy_node)) +
		   table_bytes(&w->kept_flows, sizeof(struct ikw_kept_flow)) +
		   table_bytes(&w->host.processes, sizeof(struct ikw_process)) +
		   table_bytes(&w->host.links, sizeof(struct ikw_link_state)) +
		   table_bytes(&m->by_spi, 0) +
		   w->generations * (sizeof(struct ikw_generation) + 16) +
		   m->open * sizeof(struct ikw_case);
}
