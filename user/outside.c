// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "outside.h"
#include <stdlib.h>
#include <string.h>
#include "host.h"
#include "table.h"

#define ORDERS	 256
#define CHANGES	 64
#define SESSIONS 16384
#define ASKED	 256  /* as many as a RADIUS server may have to answer on one port: by their id */
#define TRACKS	 1024 /* a BFD session for each peer, say */
#define NAMES	 1024 /* sets of names: each peer may have one */
#define NAMED	 4    /* in each */
#define MOVES	 128  /* changes of what a name resolves to, the last */
#define QUERIES	 4096 /* places of those under way: a resolver has many */
#define LEASES	 2048 /* sets of leases by address: a pool may have thousands */
#define LEASED	 8    /* in each */
#define ECHOES	 1024
#define PROBERS	 1024
#define NODES	 16
#define SETS	 1024 /* of what a cluster's nodes told, */
#define WAYS	 8    /* so many words in each */
#define LAST	 64   /* IKE_SAs said to be deleted */
#define SECOND	 1000000000ULL

enum { ACCESS_REQUEST = 1, ACCESS_ACCEPT = 2 };
enum { DISCONNECT = 40, DISCONNECT_ACK = 41, COA = 43, COA_ACK = 44 };
enum { BFD_UP = 3 };
enum { DHCP_DECLINE = 4, DHCP_ACK = 5, DHCP_RELEASE = 7 };
#define QUERY_LIFE (10 * SECOND)
/*
 * What may have been obeyed is looked for no longer than the first; what is not
 * acknowledged within the second is not any more. Chosen.
 */
#define ORDER_KEPT     (60 * SECOND)
#define ORDER_ANSWERED (5 * SECOND)
/* A RADIUS request: its client repeats it for so long at most. */
#define ANSWERED_FOR (60 * SECOND)

struct query {
	uint64_t time;
	uint64_t hash;
	uint8_t server[IKW_ADDR_LEN];
	uint32_t id;
	uint16_t port;
};

/* The name had other addresses from then on; if that is the latest, it says so itself. */
struct move {
	const struct ikw_name *name;
	uint64_t time; /* 0: none */
};

/* The last Access-Request with that id. */
struct asked {
	uint64_t time;
	uint8_t server[IKW_ADDR_LEN];
};

struct node {
	uint64_t spoken; /* boot time ns: when this host last sent it something; 0: free */
	uint8_t addr[IKW_ADDR_LEN];
};

struct cluster {
	struct node nodes[NODES];
	struct ikw_cluster_word words[SETS][WAYS];
	struct ikw_cluster_word last[LAST]; /* a ring */
	unsigned int last_head;
};

struct ikw_outside_store {
	struct ikw_radius_order orders[ORDERS];
	struct ikw_radius_session sessions[SESSIONS]; /* as accepted, a ring: by their time */
	struct ikw_radius_session changes[CHANGES];   /* by CoA, likewise */
	struct ikw_track_state tracks[TRACKS];
	struct ikw_name names[NAMES][NAMED];
	struct move moves[MOVES];      /* a ring */
	struct query queries[QUERIES]; /* by who was asked what */
	struct ikw_lease leases[LEASES][LEASED];
	struct ikw_echo echoes[ECHOES];
	struct ikw_prober probers[PROBERS];
	struct cluster *cluster; /* NULL: no node said anything */
	struct asked asked[ASKED];
	unsigned int session_head, change_head, prober_head;
	unsigned int move_head;
};

static struct ikw_outside_store *store_of(struct ikw_outside *outside)
{
	if (!outside->store)
		outside->store = calloc(1, sizeof(*outside->store));
	return outside->store;
}

void ikw_outside_free(struct ikw_outside *outside)
{
	if (outside->store)
		free(outside->store->cluster);
	free(outside->store);
	outside->store = NULL;
}

static bool same(const uint8_t *a, const uint8_t *b)
{
	return !memcmp(a, b, IKW_ADDR_LEN);
}

static bool given(const uint8_t *addr)
{
	static const uint8_t none[IKW_ADDR_LEN];

	return !same(addr, none);
}

static bool within(uint64_t time, uint64_t from, uint64_t to)
{
	return time && time >= from && time <= to;
}

/* ---- RADIUS ---------------------------------------------------------------- */

/* Until when an order matters. Those that nobody believes make room first: anybody can send some.
 */
static uint64_t order_until(const struct ikw_radius_order *o)
{
	return o->time ? o->time + (o->acked ? ORDER_KEPT : ORDER_ANSWERED) : 0;
}

static void radius_order(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	struct ikw_radius_order *o = &s->orders[0];

	for (unsigned int i = 1; i < ORDERS; i++)
		if (order_until(&s->orders[i]) < order_until(o))
			o = &s->orders[i];
	memset(o, 0, sizeof(*o));
	o->time = w->hdr.time;
	memcpy(o->server, w->saddr, IKW_ADDR_LEN);
	memcpy(o->framed, w->addr, IKW_ADDR_LEN);
	memcpy(o->user, w->user, sizeof(o->user));
	o->port = w->sport;
	o->id = (uint8_t)w->id;
	o->code = (uint8_t)w->code;
	o->timeout_s = w->value;
}

/* This host's acknowledgement: what was ordered came from a server it believes. */
static void radius_ack(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	for (unsigned int i = 0; i < ORDERS; i++) {
		struct ikw_radius_order *o = &s->orders[i];
		struct ikw_radius_session session = { .time = w->hdr.time, .changed = true };

		if (!o->time || o->acked || o->id != w->id || o->code + 1 != w->code ||
		    o->port != w->dport || !same(o->server, w->daddr))
			continue;
		o->acked = w->hdr.time;
		session.timeout_s = o->timeout_s;
		memcpy(session.framed, o->framed, IKW_ADDR_LEN);
		memcpy(session.user, o->user, sizeof(session.user));
		if (o->code == COA && o->timeout_s)
			s->changes[s->change_head++ % CHANGES] = session;
	}
}

/* Only in answer to a request of ours to that server. */
static void radius_accept(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	struct ikw_radius_session session = { .time = w->hdr.time, .timeout_s = w->value };
	const struct asked *asked = &s->asked[w->id % ASKED];

	if (!w->value || !within(w->hdr.time, asked->time, asked->time + ANSWERED_FOR) ||
	    !same(asked->server, w->saddr))
		return;
	memcpy(session.framed, w->addr, IKW_ADDR_LEN);
	memcpy(session.user, w->user, sizeof(session.user));
	s->sessions[s->session_head++ % SESSIONS] = session;
}

static void radius_event(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	bool in = w->dir == IKW_DIR_IN;

	if (in && (w->code == DISCONNECT || w->code == COA))
		radius_order(s, w);
	else if (!in && (w->code == DISCONNECT_ACK || w->code == COA_ACK))
		radius_ack(s, w);
	else if (in && w->code == ACCESS_ACCEPT)
		radius_accept(s, w);
	if (!in && w->code == ACCESS_REQUEST) {
		s->asked[w->id % ASKED].time = w->hdr.time;
		memcpy(s->asked[w->id % ASKED].server, w->daddr, IKW_ADDR_LEN);
	}
}

static bool names_other(const uint8_t *framed, const uint8_t *inner)
{
	return given(framed) && (!inner || !same(framed, inner));
}

/* The next of several Deletes begins when the last one has gone. */
#define NEXT_DELETE (SECOND / 2)

void ikw_outside_obeyed(struct ikw_outside *outside, uint64_t time)
{
	struct ikw_radius_order *last = NULL;

	for (unsigned int i = 0; outside->store && i < ORDERS; i++) {
		struct ikw_radius_order *o = &outside->store->orders[i];

		if (o->code == DISCONNECT && !given(o->framed) && o->time && o->time <= time &&
		    (!last || o->time > last->time))
			last = o;
	}
	if (!last)
		return;
	if (time <= (last->obeyed ? last->obeyed + NEXT_DELETE : last->time + IKW_OUTSIDE_OBEYED))
		last->obeyed = time;
}

const struct ikw_radius_order *ikw_outside_order(const struct ikw_outside *outside,
						 const uint8_t *inner, uint64_t since,
						 uint64_t root)
{
	const struct ikw_radius_order *best = NULL;

	for (unsigned int i = 0; outside->store && i < ORDERS; i++) {
		const struct ikw_radius_order *o = &outside->store->orders[i];

		if (!o->acked || o->code != DISCONNECT ||
		    !within(o->time, since, root + IKW_OUTSIDE_SLACK) ||
		    names_other(o->framed, inner) || (o->obeyed && o->obeyed < root))
			continue;
		if (!best || o->time > best->time)
			best = o;
	}
	return best;
}

/* How many of the sessions, from the oldest on (that was never filled: time 0), are as old as that.
 */
static unsigned int sessions_until(const struct ikw_outside_store *s, uint64_t time)
{
	unsigned int least = 0, most = SESSIONS;

	while (least < most) {
		unsigned int mid = least + (most - least) / 2;

		if (s->sessions[(s->session_head + mid) % SESSIONS].time <= time)
			least = mid + 1;
		else
			most = mid;
	}
	return least;
}

/* The last of those accepted between these times that no other address is named for. */
static const struct ikw_radius_session *session_accepted(const struct ikw_outside_store *s,
							 const uint8_t *inner, uint64_t from,
							 uint64_t born)
{
	for (unsigned int k = sessions_until(s, born); k; k--) {
		const struct ikw_radius_session *session =
			&s->sessions[(s->session_head + k - 1) % SESSIONS];

		if (!within(session->time, from, born))
			break;
		if (!names_other(session->framed, inner))
			return session;
	}
	return NULL;
}

const struct ikw_radius_session *ikw_outside_session(const struct ikw_outside *outside,
						     const uint8_t *inner, uint64_t from,
						     uint64_t born, uint64_t until)
{
	const struct ikw_radius_session *best;

	if (!outside->store)
		return NULL;
	best = session_accepted(outside->store, inner, from, born);
	for (unsigned int i = 0; i < CHANGES; i++) {
		const struct ikw_radius_session *s = &outside->store->changes[i];
		bool named = given(s->framed) && inner && same(s->framed, inner);

		if (within(s->time, from, named ? until : born) && !names_other(s->framed, inner) &&
		    (!best || s->time > best->time))
			best = s;
	}
	return best;
}

/* ---- BFD, VRRP --------------------------------------------------------------- */

static struct ikw_track_state *track_get(struct ikw_outside_store *s, const struct ikw_wire *w,
					 const uint8_t *peer, uint32_t id)
{
	struct ikw_track_state *oldest = &s->tracks[0];

	for (unsigned int i = 0; i < TRACKS; i++) {
		struct ikw_track_state *t = &s->tracks[i];

		if (t->heard && t->kind == w->kind && t->id == id && t->ifindex == w->ifindex &&
		    (!peer || same(t->peer, peer)))
			return t;
		if (t->heard < oldest->heard)
			oldest = t;
	}
	/* a stranger's advertisement opens nothing: only what we take part in is kept */
	if (w->dir != IKW_DIR_OUT)
		return NULL;
	memset(oldest, 0, sizeof(*oldest));
	oldest->kind = w->kind;
	oldest->id = id;
	oldest->ifindex = w->ifindex;
	oldest->state = (uint8_t)w->code;
	oldest->ours = w->kind == IKW_WIRE_BFD;
	if (peer)
		memcpy(oldest->peer, peer, IKW_ADDR_LEN);
	return oldest;
}

/* Our own announcement alone: what a forged packet says changes nothing until we believe it. */
static void bfd_event(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	struct ikw_track_state *t;

	if (w->dir != IKW_DIR_OUT)
		return;
	t = track_get(s, w, w->daddr, w->id);
	t->heard = w->hdr.time;
	if (t->state == BFD_UP && w->code != BFD_UP) {
		t->fell_to = (uint8_t)w->code;
		t->changed = w->hdr.time;
	}
	t->state = (uint8_t)w->code;
}

/*
 * RFC 5798 6.4: a master sends, a backup is silent, and who resigns sends
 * priority 0. We become backup when another's higher priority is heard; that
 * counts as a change of ours only while our own advertisements had been going.
 */
static void vrrp_event(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	struct ikw_track_state *t = track_get(s, w, NULL, w->id);

	if (!t)
		return;
	if (w->dir == IKW_DIR_OUT) {
		if (!t->heard || !t->ours || !w->code || w->code != t->state)
			t->changed = w->hdr.time;
		t->state = (uint8_t)w->code;
		t->elected = 0;
		t->ours = w->code != 0;
		memcpy(t->peer, w->saddr, IKW_ADDR_LEN);
	} else if (t->ours && w->code >= t->state && !same(w->saddr, t->peer)) {
		t->elected = (uint8_t)w->code;
		t->changed = w->hdr.time;
		t->ours = false;
	}
	t->heard = w->hdr.time;
}

const struct ikw_track_state *ikw_outside_track(const struct ikw_outside *outside, uint64_t from,
						uint64_t to)
{
	const struct ikw_track_state *best = NULL;

	for (unsigned int i = 0; outside->store && i < TRACKS; i++) {
		const struct ikw_track_state *t = &outside->store->tracks[i];

		if (within(t->changed, from, to) && (!best || t->changed > best->changed))
			best = t;
	}
	return best;
}

/* ---- DNS ---------------------------------------------------------------------- */

static uint64_t name_hash(const struct ikw_wire *w)
{
	return ikw_hash(w->user, strnlen(w->user, sizeof(w->user)), w->id & 0xffff);
}

/* Of two that have one place the later one counts. */
static struct query *query_place(struct ikw_outside_store *s, uint64_t name, uint32_t id,
				 uint16_t port)
{
	return &s->queries[ikw_hash_word(name, (uint64_t)id << 16 | port) % QUERIES];
}

static void dns_query(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	uint64_t hash = name_hash(w);
	struct query *q = query_place(s, hash, w->id, w->sport);

	q->time = w->hdr.time;
	q->hash = hash;
	memcpy(q->server, w->daddr, IKW_ADDR_LEN);
	q->id = w->id;
	q->port = w->sport;
}

static bool dns_asked(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	uint64_t hash = name_hash(w);
	const struct query *q = query_place(s, hash, w->id, w->dport);

	return q->time && w->hdr.time - q->time < QUERY_LIFE && q->hash == hash && q->id == w->id &&
	       q->port == w->dport && same(q->server, w->saddr);
}

static struct ikw_name *name_get(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	uint64_t hash = name_hash(w);
	struct ikw_name *set = s->names[hash % NAMES], *oldest = set;

	for (unsigned int i = 0; i < NAMED; i++) {
		struct ikw_name *n = &set[i];

		if (n->name[0] && n->hash == hash && !strcmp(n->name, w->user))
			return n;
		if (n->time < oldest->time)
			oldest = n;
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->hash = hash;
	oldest->type = (uint16_t)w->id;
	memcpy(oldest->name, w->user, sizeof(oldest->name));
	return oldest;
}

static bool holds(const uint8_t (*addrs)[IKW_ADDR_LEN], unsigned int count, const uint8_t *addr)
{
	for (unsigned int i = 0; i < count; i++)
		if (same(addrs[i], addr))
			return true;
	return false;
}

static void dns_settle(struct ikw_outside_store *s, struct ikw_name *n, uint64_t time)
{
	bool lost = false;

	for (unsigned int i = 0; i < n->count; i++)
		lost = lost || !holds(n->next, n->next_count, n->addrs[i]);
	if (lost) {
		memcpy(n->old, n->addrs, sizeof(n->old));
		n->old_count = n->count;
		n->changed = time;
		s->moves[s->move_head++ % MOVES] = (struct move){ n, time };
	}
	memcpy(n->addrs, n->next, sizeof(n->addrs));
	n->count = n->next_count;
	n->time = time;
}

/* One record for each address of an answer; compared when all are there. */
static void dns_answer(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	struct ikw_name *n = name_get(s, w);

	if (!n->next_due || n->next_id != w->id) {
		n->next_count = 0;
		n->next_id = w->id;
		n->next_due = w->value2 < IKW_NAME_ADDRS ? (uint8_t)w->value2 : IKW_NAME_ADDRS;
	}
	n->rcode = (uint8_t)w->code;
	if (n->next_due) {
		memcpy(n->next[n->next_count++], w->addr, IKW_ADDR_LEN);
		n->next_due--;
	}
	if (!n->next_due)
		dns_settle(s, n, w->hdr.time);
}

static void dns_event(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	if (w->dir == IKW_DIR_OUT && w->code == IKW_DNS_QUERY)
		dns_query(s, w);
	else if (w->dir == IKW_DIR_IN && w->code < 16 && dns_asked(s, w))
		dns_answer(s, w);
}

/* Does the name have this address now? */
static bool name_has(const struct ikw_name *name, const uint8_t *addr)
{
	return holds(name->addrs, name->count, addr);
}

const struct ikw_name *ikw_outside_name(const struct ikw_outside *outside, const uint8_t *addr,
					uint64_t from, uint64_t to)
{
	for (unsigned int i = 0; outside->store && i < MOVES; i++) {
		const struct move *move = &outside->store->moves[i];
		const struct ikw_name *n = move->name;

		if (within(move->time, from, to) && n->changed == move->time &&
		    !name_has(n, addr) && holds(n->old, n->old_count, addr))
			return n;
	}
	return NULL;
}

/* ---- DHCP ----------------------------------------------------------------------- */

static struct ikw_lease *lease_set(struct ikw_outside_store *s, const uint8_t *addr)
{
	return s->leases[ikw_hash_16(addr, 10) % LEASES];
}

static struct ikw_lease *lease_find(struct ikw_outside_store *s, const uint8_t *addr)
{
	struct ikw_lease *set = lease_set(s, addr);

	for (unsigned int i = 0; i < LEASED; i++)
		if (set[i].time && same(set[i].addr, addr))
			return &set[i];
	return NULL;
}

/* The one heard of longest ago in the place that the address has. */
static struct ikw_lease *lease_oldest(struct ikw_outside_store *s, const uint8_t *addr)
{
	struct ikw_lease *set = lease_set(s, addr), *oldest = set;

	for (unsigned int i = 1; i < LEASED; i++)
		if (set[i].time < oldest->time)
			oldest = &set[i];
	return oldest;
}

static void dhcp_event(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	struct ikw_lease *lease;

	if (!given(w->addr))
		return;
	lease = lease_find(s, w->addr);
	if (w->code == DHCP_ACK && w->value) {
		if (!lease)
			lease = lease_oldest(s, w->addr);
		memset(lease, 0, sizeof(*lease));
		memcpy(lease->addr, w->addr, IKW_ADDR_LEN);
		lease->time = w->hdr.time;
		lease->lease_s = w->value;
	} else if (w->code == DHCP_RELEASE && lease) {
		lease->released = w->hdr.time;
	}
}

const struct ikw_lease *ikw_outside_lease(const struct ikw_outside *outside, const uint8_t *addr)
{
	return outside->store ? lease_find(outside->store, addr) : NULL;
}

/* ---- echoes and who sends them ----------------------------------------------------- */

static struct ikw_echo *echo_get(struct ikw_outside_store *s, const uint8_t *addr, bool make)
{
	struct ikw_echo *oldest = &s->echoes[0];

	for (unsigned int i = 0; i < ECHOES; i++) {
		struct ikw_echo *e = &s->echoes[i];

		if (e->request && same(e->addr, addr))
			return e;
		if (e->request < oldest->request)
			oldest = e;
	}
	if (!make)
		return NULL;
	memset(oldest, 0, sizeof(*oldest));
	memcpy(oldest->addr, addr, IKW_ADDR_LEN);
	return oldest;
}

static void echo_event(struct ikw_outside_store *s, const struct ikw_host *host,
		       const struct ikw_wire *w)
{
	bool request = w->code == 8 || w->code == 128;
	struct ikw_echo *e;

	/* our own, not what is forwarded */
	if (request != (w->dir == IKW_DIR_OUT) ||
	    !ikw_host_address(host, request ? w->saddr : w->daddr))
		return;
	e = echo_get(s, request ? w->daddr : w->saddr, request);
	if (!e)
		return;
	if (request) {
		if (!e->asked++)
			e->silent = w->hdr.time;
		e->request = w->hdr.time;
	} else {
		e->reply = w->hdr.time;
		e->asked = 0;
	}
}

static void prober_event(struct ikw_outside_store *s, const struct ikw_proc *ev)
{
	struct ikw_prober *p = &s->probers[s->prober_head];

	s->prober_head = (s->prober_head + 1) % PROBERS;
	memset(p, 0, sizeof(*p));
	p->time = ev->hdr.time;
	p->tgid = ev->tgid;
	p->parents[0] = ev->parent_count > 0 ? ev->parents[0].tgid : 0;
	p->parents[1] = ev->parent_count > 1 ? ev->parents[1].tgid : 0;
	memcpy(p->comm, ev->comm, sizeof(p->comm));
}

/* A wait status: the exit code in the upper byte, a signal in the lower. */
static void probed_event(struct ikw_outside_store *s, const struct ikw_proc *ev)
{
	for (unsigned int i = 0; i < PROBERS; i++) {
		struct ikw_prober *p = &s->probers[i];

		if (!p->time || p->ended || p->tgid != ev->tgid)
			continue;
		p->ended = ev->hdr.time;
		p->failed = !(ev->exit_code & 0x7f) && ev->exit_code >> 8;
	}
}

static bool shares(const struct ikw_prober *p, const uint32_t *parents, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (unsigned int k = 0; k < 2; k++)
			if (parents[i] > 1 && parents[i] == p->parents[k])
				return true;
	return false;
}

static const struct ikw_echo *echo_silent(const struct ikw_outside_store *s, uint64_t from,
					  uint64_t to)
{
	for (unsigned int k = 0; k < ECHOES; k++) {
		const struct ikw_echo *e = &s->echoes[k];

		if (e->asked > 1 && e->reply < e->silent && within(e->request, from, to))
			return e;
	}
	return NULL;
}

const struct ikw_prober *ikw_outside_probe(const struct ikw_outside *outside,
					   const uint32_t *parents, size_t count, uint64_t from,
					   uint64_t to, const struct ikw_echo **echo)
{
	const struct ikw_outside_store *s = outside->store;
	const struct ikw_prober *last = NULL;

	*echo = NULL;
	for (unsigned int i = 0; s && i < PROBERS; i++) {
		const struct ikw_prober *p = &s->probers[i];
		bool lives = !p->ended && within(p->time, 1, to);

		if (!shares(p, parents, count) || (!lives && !within(p->ended, from, to)))
			continue;
		if (!last || p->time > last->time)
			last = p;
	}
	if (!last)
		return NULL;
	if (last->ended)
		return last->failed ? last : NULL;
	*echo = echo_silent(s, last->time, to);
	return *echo ? last : NULL;
}

/* ---- a cluster's nodes ------------------------------------------------------------- */

static bool is_partner(const struct cluster *c, const uint8_t *addr)
{
	for (unsigned int i = 0; i < NODES; i++)
		if (c->nodes[i].spoken && same(c->nodes[i].addr, addr))
			return true;
	return false;
}

static void node_spoken(struct cluster *c, const struct ikw_wire *w)
{
	struct node *n = &c->nodes[0];

	for (unsigned int i = 0; i < NODES; i++) {
		if (same(c->nodes[i].addr, w->daddr)) {
			n = &c->nodes[i];
			break;
		}
		if (c->nodes[i].spoken < n->spoken)
			n = &c->nodes[i];
	}
	n->spoken = w->hdr.time;
	memcpy(n->addr, w->daddr, IKW_ADDR_LEN);
}

/* A CHILD_SA by its inbound SPI, or an IKE_SA (spi 0) by both of its own. */
static size_t set_of(uint32_t spi, const uint8_t *ike)
{
	return (spi ? ikw_hash(&spi, sizeof(spi), 11) : ikw_hash(ike, 16, 11)) % SETS;
}

static uint64_t word_time(const struct ikw_cluster_word *word)
{
	return word->deleted > word->added ? word->deleted : word->added;
}

static struct ikw_cluster_word *word_find(struct cluster *c, uint32_t spi, const uint8_t *ike)
{
	struct ikw_cluster_word *set = c->words[set_of(spi, ike)];

	for (unsigned int i = 0; i < WAYS; i++)
		if (word_time(&set[i]) && set[i].spi == spi &&
		    (spi || !memcmp(set[i].ike, ike, sizeof(set[i].ike))))
			return &set[i];
	return NULL;
}

static struct ikw_cluster_word *word_get(struct cluster *c, uint32_t spi, const uint8_t *ike)
{
	struct ikw_cluster_word *word = word_find(c, spi, ike), *set = c->words[set_of(spi, ike)];

	if (word)
		return word;
	word = set;
	for (unsigned int i = 1; i < WAYS; i++)
		if (word_time(&set[i]) < word_time(word))
			word = &set[i];
	memset(word, 0, sizeof(*word));
	word->spi = spi;
	return word;
}

static void cluster_event(struct ikw_outside_store *s, const struct ikw_wire *w)
{
	bool child = w->code != IKW_CLUSTER_IKE_DELETE;
	struct ikw_cluster_word *word;

	if (!s->cluster)
		s->cluster = calloc(1, sizeof(*s->cluster));
	if (!s->cluster)
		return;
	if (w->dir == IKW_DIR_OUT)
		node_spoken(s->cluster, w);
	if (w->dir != IKW_DIR_IN || w->code < IKW_CLUSTER_IKE_DELETE ||
	    w->code > IKW_CLUSTER_CHILD_DELETE || (child && !w->id))
		return;
	word = word_get(s->cluster, child ? w->id : 0, w->addr);
	*(w->code == IKW_CLUSTER_CHILD_ADD ? &word->added : &word->deleted) = w->hdr.time;
	memcpy(word->node, w->saddr, IKW_ADDR_LEN);
	memcpy(word->ike, w->addr, sizeof(word->ike));
	word->partner = is_partner(s->cluster, w->saddr);
	if (child)
		return;
	s->cluster->last[s->cluster->last_head] = *word;
	s->cluster->last_head = (s->cluster->last_head + 1) % LAST;
}

const struct ikw_cluster_word *ikw_outside_cluster(const struct ikw_outside *outside,
						   const uint32_t spis[2], uint64_t from,
						   uint64_t to, bool *named)
{
	struct cluster *c = outside->store ? outside->store->cluster : NULL;
	const struct ikw_cluster_word *child = NULL, *best;

	*named = false;
	if (!c)
		return NULL;
	for (unsigned int i = 0; i < 2 && !child; i++)
		if (spis[i])
			child = word_find(c, spis[i], NULL);
	best = child && !within(child->deleted, from, to) ? word_find(c, 0, child->ike) : child;
	/* its IKE_SA had gone before and it had not: an IKE_SA rekey, to whom is not known */
	if (best && best != child && best->deleted < from)
		best = child = NULL;
	if (child) {
		*named = best && within(best->deleted, from, to);
		return *named ? best : NULL;
	}
	for (unsigned int i = 0; i < LAST; i++)
		if (within(c->last[i].deleted, from, to) &&
		    (!best || c->last[i].deleted > best->deleted))
			best = &c->last[i];
	return best;
}

/* ---- all ------------------------------------------------------------------------------ */

static void wire_event(struct ikw_outside_store *s, const struct ikw_host *host,
		       const struct ikw_wire *w)
{
	switch (w->kind) {
	case IKW_WIRE_RADIUS:
		radius_event(s, w);
		break;
	case IKW_WIRE_BFD:
		bfd_event(s, w);
		break;
	case IKW_WIRE_VRRP:
		vrrp_event(s, w);
		break;
	case IKW_WIRE_DNS:
		dns_event(s, w);
		break;
	case IKW_WIRE_DHCP:
		dhcp_event(s, w);
		break;
	case IKW_WIRE_ECHO:
		echo_event(s, host, w);
		break;
	case IKW_WIRE_CLUSTER:
		cluster_event(s, w);
		break;
	}
}

void ikw_outside_event(struct ikw_outside *outside, const struct ikw_host *host,
		       const union ikw_event *ev)
{
	bool prober = ev->hdr.type == IKW_EV_PROC &&
		      (ev->proc.op == IKW_PROC_PROBER || ev->proc.op == IKW_PROC_PROBED);
	struct ikw_outside_store *s;

	if (ev->hdr.type != IKW_EV_WIRE && !prober)
		return;
	s = store_of(outside);
	if (!s)
		return;
	if (prober && ev->proc.op == IKW_PROC_PROBED)
		probed_event(s, &ev->proc);
	else if (prober)
		prober_event(s, &ev->proc);
	else
		wire_event(s, host, &ev->wire);
}
