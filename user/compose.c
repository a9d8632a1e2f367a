// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "compose.h"
#include "format.h"

#define EVIDENCE_ROOM 8 /* facts that are made room for at once */

struct report {
	struct ikw_alarm *a;
	const struct ikw_case *c;
	const struct ikw_facts *f;
	const struct ikw_verdict *v;
	const struct ikw_world *w;
	uint64_t now;
	struct ikw_evidence none; /* what a fact that was not added is filled into */
};

/* Adds a fact of this host (time 0: none). The caller says more of it in what is returned. */
__attribute__((format(printf, 4, 5))) static struct ikw_evidence *
evidence(struct report *r, uint64_t time, const char *fact, const char *fmt, ...)
{
	struct ikw_evidence *list = r->a->evidence, *e;
	va_list ap;

	if (!time)
		return &r->none;
	if (r->a->evidence_count % EVIDENCE_ROOM == 0) {
		list = realloc(list, (r->a->evidence_count + EVIDENCE_ROOM) * sizeof(*list));
		if (!list)
			return &r->none;
		r->a->evidence = list;
	}
	e = &list[r->a->evidence_count];
	memset(e, 0, sizeof(*e));
	va_start(ap, fmt);
	e->text = ikw_format_new_args(fmt, ap);
	va_end(ap);
	if (!e->text)
		return &r->none;
	e->time = time;
	e->wall = ikw_host_wall(&r->w->host, time);
	e->fact = fact;
	r->a->evidence_count++;
	return e;
}

/* Adds a blind spot; the text is static. */
static void blind(struct report *r, const char *text)
{
	if (r->a->blind_count < IKW_ALARM_BLIND)
		r->a->blind[r->a->blind_count++] = text;
}

/* ---- fields ------------------------------------------------------------------ */

/* An address of a selector; sixteen zero bytes are the family's "any". */
static const char *net_text(const uint8_t *addr, uint8_t family, char *buf, size_t size)
{
	static const uint8_t zero[IKW_ADDR_LEN];

	if (memcmp(addr, zero, sizeof(zero)))
		return ikw_addr_text(addr, buf, size);
	return family == 10 ? "::" : "0.0.0.0";
}

static const char *port_text(uint16_t port, uint16_t mask, char *buf, size_t size)
{
	if (!mask)
		ikw_format(buf, size, "any");
	else if (mask == 0xffff)
		ikw_format(buf, size, "%u", port);
	else
		ikw_format(buf, size, "%u/0x%x", port, mask);
	return buf;
}

const char *ikw_flow_text(const struct ikw_tunnel *t, const struct ikw_flow *flow, char *buf,
			  size_t size)
{
	const struct ikw_selector *s = &flow->sel;
	uint8_t family = s->family ? s->family : t->peer->local[10] == 0xff ? 2 : 10;
	char src[64], dst[64], sport[24], dport[24], proto[16];

	if (s->proto)
		ikw_format(proto, sizeof(proto), "%u", s->proto);
	ikw_format(buf, size, "src=%s/%u dst=%s/%u proto=%s sport=%s dport=%s dscp=any",
		   net_text(s->saddr, family, src, sizeof(src)), s->prefixlen_s,
		   net_text(s->daddr, family, dst, sizeof(dst)), s->prefixlen_d,
		   s->proto ? proto : "any",
		   port_text(s->sport, s->sport_mask, sport, sizeof(sport)),
		   port_text(s->dport, s->dport_mask, dport, sizeof(dport)));
	return buf;
}

const char *ikw_inside_text(const struct ikw_tunnel *t, const struct ikw_flow *flow, char *buf,
			    size_t size)
{
	char text[64];

	if (!flow->known && !t->mode) /* transport mode: the peer itself */
		return ikw_addr_text(t->peer->remote, buf, size);
	ikw_format(
		buf, size, "%s",
		net_text(flow->sel.daddr, t->peer->local[10] == 0xff ? 2 : 10, text, sizeof(text)));
	return buf;
}

static void fill_flow(struct report *r, const struct ikw_tunnel *t)
{
	const struct ikw_flow *flow = ikw_generation_flow(r->c->gen);

	r->a->rule_num = flow->rule_num;
	ikw_flow_text(t, flow, r->a->flow_info, sizeof(r->a->flow_info));
	ikw_inside_text(t, flow, r->a->inside_ip, sizeof(r->a->inside_ip));
	if (!flow->known && t->mode)
		blind(r, "no policy for this SA was seen: its selectors, inside address and rule "
			 "number are those of an SA without a policy");
}

/* Towards the peer; NULL: not known. One that was removed and made anew has our address again. */
static const struct ikw_link_state *outer_link(const struct ikw_host *host,
					       const struct ikw_peer *peer)
{
	const struct ikw_address *addr = ikw_host_address(host, peer->local);
	const struct ikw_link_state *link = NULL, *anew;

	if (peer->ifindex)
		link = ikw_host_link(host, peer->ifindex);
	if (!addr || (link && (!link->gone || addr->gone)))
		return link;
	anew = ikw_host_link(host, addr->ifindex);
	return anew ? anew : link;
}

const struct ikw_link_state *ikw_tunnel_link(const struct ikw_host *host,
					     const struct ikw_tunnel *t)
{
	const struct ikw_link_state *link = ikw_host_xfrm_link(host, t->if_id);

	return link ? link : outer_link(host, t->peer);
}

static void fill_interface(struct report *r, const struct ikw_tunnel *t)
{
	const struct ikw_link_state *link = ikw_tunnel_link(&r->w->host, t);

	/* what led there until it was off: another may do so since */
	if (!ikw_host_xfrm_link(&r->w->host, t->if_id) && r->f->way &&
	    (r->v->rule->needs & (IKW_FACT(LINK_GONE) | IKW_FACT(LINK_DOWN))) &&
	    (!link || strcmp(link->name, r->f->way->name) != 0))
		link = r->f->way;
	if (link) {
		r->a->ifindex = link->ifindex;
		memcpy(r->a->ifname, link->name, sizeof(r->a->ifname));
	} else {
		r->a->ifindex = t->peer->ifindex;
		blind(r, "the interface towards the peer is not known");
	}
}

uint16_t ikw_generation_port(const struct ikw_generation *gen, const struct ikw_ike_sa *ike)
{
	if (gen->out && gen->out->encap_dport)
		return gen->out->encap_dport;
	if (gen->in && gen->in->encap_sport)
		return gen->in->encap_sport;
	return ike ? ike->remote_port : 0;
}

static void fill_port(struct report *r)
{
	r->a->remote_port = ikw_generation_port(r->c->gen, r->f->ike);
	if (!r->a->remote_port)
		blind(r, ikw_ike_newest(r->c->gen->tunnel->peer->ikes)
				 ? "none of the IKE_SAs that were seen is known to be the "
				   "tunnel's: the peer's port is not known"
				 : "no IKE message of the peer was seen: its port is not known");
}

static void fill_traffic(const struct report *r, struct ikw_alarm_sa *out,
			 const struct ikw_traffic *traffic)
{
	if (!traffic)
		return;
	out->sampled = ikw_host_wall(&r->w->host, traffic->sampled);
	out->span_count = traffic->count;
	memcpy(out->spans, traffic->packets, sizeof(out->spans));
}

static void fill_sa(struct report *r, const struct ikw_sa_node *sa)
{
	const struct ikw_host *host = &r->w->host;
	struct ikw_alarm_sa *out = &r->a->sas[r->a->sa_count];
	uint64_t end, wall_s;

	if (!sa)
		return;
	end = sa->gone ? sa->gone : r->now;
	wall_s = ikw_host_wall(host, end) / IKW_SECOND;
	r->a->sa_count++;
	out->spi = sa->spi;
	out->dir = sa->dir;
	out->bytes = sa->bytes;
	out->packets = sa->packets;
	if (sa->installed)
		out->age_s = (double)(end - sa->installed) / 1e9;
	else if (sa->add_wall_s && wall_s >= sa->add_wall_s)
		out->age_s = (double)(wall_s - sa->add_wall_s);
	else
		out->age_s = -1;
	if (sa->last)
		out->idle_s = end > sa->last ? (double)(end - sa->last) / 1e9 : 0;
	else if (sa->last_wall_s && wall_s >= sa->last_wall_s)
		out->idle_s = (double)(wall_s - sa->last_wall_s);
	else
		out->idle_s = sa->packets ? -1 : out->age_s;
	fill_traffic(r, out, sa->traffic);
}

static void join_args(char *out, size_t size, const struct ikw_proc *p)
{
	uint32_t len = p->args_len < IKW_ARGS_LEN ? p->args_len : IKW_ARGS_LEN;
	size_t n = 0;

	for (uint32_t i = 0; i < len && n + 1 < size; i++)
		out[n++] = p->args[i] ? p->args[i] : ' ';
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = 0;
}

/* The kernel calls a pseudo terminal's end "pts3"; everybody else says pts/3. */
static void fill_tty(struct ikw_alarm_process *out, const char *tty)
{
	if (!strncmp(tty, "pts", 3) && tty[3] >= '0' && tty[3] <= '9')
		ikw_format(out->tty, sizeof(out->tty), "pts/%.10s", tty + 3);
	else
		ikw_format(out->tty, sizeof(out->tty), "%.15s", tty);
}

static void fill_process(const struct report *r, struct ikw_alarm_process *out,
			 const struct ikw_actor *actor)
{
	const struct ikw_process *p = ikw_host_process(&r->w->host, actor->tgid);

	out->pid = actor->tgid;
	out->uid = actor->uid;
	out->loginuid = ~0U;
	memcpy(out->comm, actor->comm, sizeof(out->comm));
	out->comm[sizeof(out->comm) - 1] = 0;
	if (!p || !p->described)
		return;
	if (!out->comm[0])
		memcpy(out->comm, p->seen.comm, sizeof(out->comm) - 1);
	out->loginuid = p->seen.loginuid;
	fill_tty(out, p->seen.tty);
	memcpy(out->exe, p->seen.exe, sizeof(out->exe) - 1);
	join_args(out->command, sizeof(out->command), &p->seen);
	out->parent_count = p->seen.parent_count < IKW_PARENTS ? p->seen.parent_count : IKW_PARENTS;
	memcpy(out->parents, p->seen.parents, out->parent_count * sizeof(out->parents[0]));
}

static bool order_matters(const struct report *r)
{
	ikw_fact_set orders = IKW_FACT(ORDER_END) | IKW_FACT(ORDER_RELOAD) | IKW_FACT(ORDER_OTHER) |
			      IKW_FACT(ORDER_REKEY) | IKW_FACT(BY_TRACKER) | IKW_FACT(BY_SERVICE) |
			      IKW_FACT(BY_LEASES) | IKW_FACT(ORDER_AWAY);
	enum ikw_reason reason = r->v->reason;

	if (!r->f->order)
		return false;
	if (r->v->rule->needs & orders)
		return true;
	return r->f->order->kind == IKW_ORDER_REKEY &&
	       (reason == IKW_REASON_PHASE1_REPLACE || reason == IKW_REASON_PHASE2_REPLACE ||
		reason == IKW_REASON_REAUTH_TIMEOUT);
}

static void fill_people(struct report *r)
{
	const struct ikw_sa *first = &r->c->first;
	const struct ikw_order *order = r->f->order;
	struct ikw_alarm_process *by = &r->a->ordered_by;
	size_t len;

	if (first->by.tgid && first->cause != IKW_CAUSE_TIMER) {
		r->a->has_by = true;
		fill_process(r, &r->a->by, &first->by);
	} else if (first->cause == IKW_CAUSE_UNKNOWN) {
		blind(r, "which process deleted the SA could not be seen");
	}
	if (!order_matters(r))
		return;
	r->a->has_ordered_by = true;
	fill_process(r, by, &order->by);
	if (order->among)
		blind(r, "several orders to end something were given within a second: which of "
			 "them this tunnel went by is not known");
	len = strlen(by->command);
	if (order->signo)
		ikw_format(by->command + len, sizeof(by->command) - len, "%s(signal %u)",
			   len ? " " : "", order->signo);
	else if (!len && order->request[0])
		ikw_format(by->command, sizeof(by->command), "%s", order->request);
}

static bool in_sad(const struct ikw_world *w, const uint8_t *daddr, const struct ikw_sa_node *sa)
{
	const uint8_t *to;

	return sa && ikw_world_partner(w, daddr, sa->spi, &to);
}

/* Its SAs are there with another address, be their selectors others with that. */
static bool moved_on(const struct report *r)
{
	const struct ikw_generation *gen = r->c->gen;
	const struct ikw_peer *peer = gen->tunnel->peer;

	return r->c->same_spi_back &&
	       (in_sad(r->w, peer->local, gen->in) || in_sad(r->w, peer->remote, gen->out));
}

static void fill_fields(struct report *r)
{
	const struct ikw_generation *next = r->f->next_gen;
	const struct ikw_tunnel *t = r->c->gen->tunnel;
	const struct ikw_ike_sa *ike = r->f->ike;
	struct ikw_alarm *a = r->a;

	a->time = r->c->opened;
	a->spi = r->c->first.spi;
	a->wall = ikw_host_wall(&r->w->host, a->time);
	a->closed = r->now;
	a->reqid = t->reqid;
	a->tunnel_index = t->index;
	memcpy(a->src, t->peer->local, IKW_ADDR_LEN);
	memcpy(a->dst, t->peer->remote, IKW_ADDR_LEN);
	a->cpu = r->c->first.hdr.cpu;
	a->reason = r->v->reason;
	a->confidence = r->v->confidence;
	a->rule = r->v->rule->name;
	a->severity = ikw_reason_severity(r->v->reason);
	/* what came from elsewhere with other marks may be another tunnel: a dead one must not be
	 * told to be up */
	a->tunnel_up = ikw_flow_usable(r->w, t, r->c->gen) || moved_on(r) ||
		       (next && next->tunnel->peer == t->peer && ikw_generation_usable(next));
	a->own_up = ikw_tunnel_usable(t, r->c->gen) != NULL;
	if (ike) {
		a->ike_version = ike->version;
		a->spi_i = ike->spi_i;
		a->spi_r = ike->spi_r;
	}
	fill_flow(r, t);
	fill_interface(r, t);
	fill_port(r);
	fill_sa(r, r->c->gen->in);
	fill_sa(r, r->c->gen->out);
	fill_people(r);
	if (r->c->first.hdr.flags & IKW_F_NETLINK)
		blind(r, "the CPU the deletion ran on could not be seen");
}

/* ---- evidence ------------------------------------------------------------------ */

static const char *sent_word(const struct ikw_exchange *x)
{
	return x->ours ? "we sent" : "the peer sent";
}

/* A message of an exchange: which way it went, and what its header says. */
static struct ikw_evidence *is_message(struct ikw_evidence *e, bool out, const char *exchange,
				       uint32_t message_id, uint32_t length)
{
	e->kind = IKW_EVIDENCE_MESSAGE;
	e->dir = out ? IKW_DIR_OUT : IKW_DIR_IN;
	e->exchange = exchange;
	e->message_id = message_id;
	e->length = length;
	return e;
}

static void tell_request(struct report *r, const struct ikw_exchange *x, const char *name,
			 unsigned int copy)
{
	const char *fact = copy	     ? "request_retransmitted"
			   : x->ours ? "request_sent"
				     : "request_received";
	struct ikw_evidence *e = evidence(r, x->first + x->copy_ms[copy] * IKW_MS, fact,
					  "%s %s request, message ID %u, %u bytes%s", sent_word(x),
					  name, x->message_id, x->length, copy ? " (again)" : "");

	is_message(e, x->ours, name, x->message_id, x->length)->copy = (uint16_t)copy;
}

static void tell_exchange(struct report *r, const struct ikw_ike_sa *ike,
			  const struct ikw_exchange *x)
{
	const char *name = ikw_exchange_name(ike->version, x->type);
	struct ikw_evidence *e;

	if (x->repeats)
		evidence(r, x->began, "answered_before",
			 "%u earlier exchange%s just like the next one %s answered", x->repeats,
			 x->repeats == 1 ? "" : "s", x->repeats == 1 ? "was" : "were")
			->kind = IKW_EVIDENCE_NOTE;
	if (x->asked == IKW_ASKED_YES)
		evidence(r, x->first - x->asked_ms * IKW_MS - 1, "use_time_read",
			 "the IKE daemon read when the SAs were last used, as before a liveness "
			 "check");
	for (unsigned int i = 0; i < x->copies && i < IKW_COPIES; i++)
		tell_request(r, x, name, i);
	if (x->answered) {
		e = evidence(r, x->answered, "response", "%s response, message ID %u, %u bytes",
			     name, x->message_id, x->answer_length);
		is_message(e, !x->ours, name, x->message_id, x->answer_length)->response = true;
	} else if (x->arrived) {
		e = evidence(r, x->arrived, "response_not_taken",
			     "a response to message ID %u arrived at this host, yet the daemon "
			     "asked %u times more",
			     x->message_id, x->unheard);
		is_message(e, false, name, x->message_id, x->answer_length)->response = true;
	} else if (ikw_exchange_pending(ike, x) && x != r->f->local) { /* its answer may yet come */
		evidence(r, x->last, "request_unanswered", "%s message ID %u was never answered",
			 name, x->message_id)
			->kind = IKW_EVIDENCE_NOTE;
	}
}

static void tell_silence(struct report *r)
{
	const struct ikw_ike_sa *ike = r->f->ike;

	if (ike && ike->last_in && r->f->gave_up)
		is_message(evidence(r, ike->last_in, "last_heard", "last IKE message of the peer"),
			   false, NULL, 0, 0);
	for (unsigned int k = 0; r->f->silent_checks && k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (x != r->f->gave_up && x->type == IKW_V1_INFO && x->ours && !x->answered &&
		    x->first >= r->f->silent_since && x->first <= r->c->anchor)
			tell_exchange(r, ike, x);
	}
}

static void tell_negotiation(struct report *r, const struct ikw_ike_sa *ike, const char *fact)
{
	if (!ike)
		return;
	evidence(r, ike->created, fact, "%s a new IKE_SA (%s)",
		 ike->ours ? "we began" : "the peer began",
		 ike->installed ? "it installed SAs" : "it installed nothing")
		->kind = IKW_EVIDENCE_NOTE;
	for (unsigned int k = 0; k < ike->count; k++)
		if (ikw_exchange_sets_up(ikw_ike_exchange(ike, k)->type))
			tell_exchange(r, ike, ikw_ike_exchange(ike, k));
	if (ike->refused)
		evidence(r, ike->refused, "refused_in_clear", "the peer refused it, in clear")
			->kind = IKW_EVIDENCE_NOTE;
}

/* The exchange that brought the SAs which carry the flow on, if it was seen and is not told yet. */
static void tell_birth(struct report *r)
{
	const struct ikw_generation *next = r->f->next_gen;
	const struct ikw_ike_sa *ike = next ? ikw_generation_ike(next) : NULL;

	if (!ike || !next->exchange ||
	    (ikw_exchange_sets_up(next->exchange) &&
	     (ike == r->f->new_ike || ike == r->f->failed_ike)))
		return;
	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (x->type != next->exchange || x->began > next->born)
			continue;
		if (x != r->f->gave_up && x != r->f->local && x != r->f->peer)
			tell_exchange(r, ike, x);
		return;
	}
}

static const char *cause_text(const struct ikw_sa *sa)
{
	switch (sa->cause) {
	case IKW_CAUSE_TIMER:
		return sa->limit == IKW_LIMIT_VOLUME ? "by the kernel: hard byte or packet limit"
						     : "by the kernel's timer: hard time limit";
	case IKW_CAUSE_FLUSH:
		return "by a flush of the SAD";
	case IKW_CAUSE_NETNS:
		return "by the teardown of its network namespace";
	case IKW_CAUSE_DEVICE:
		return "by the removal of its device";
	case IKW_CAUSE_CALL:
		return "by a process";
	default:
		return sa->by.tgid ? "by a process" : "(by what could not be seen)";
	}
}

static void tell_deleted(struct report *r, const struct ikw_sa_node *sa, const char *way)
{
	const struct ikw_sa *first = &r->c->first;
	struct ikw_evidence *e;

	if (!sa || !sa->gone)
		return;
	if (sa->spi == first->spi && sa->gone == r->c->opened)
		e = evidence(r, sa->gone, "sa_deleted", "%s SA 0x%08x deleted %s%s%.16s", way,
			     sa->spi, cause_text(first), first->by.tgid ? ": " : "",
			     first->by.tgid ? first->by.comm : "");
	else
		e = evidence(r, sa->gone, "sa_deleted", "%s SA 0x%08x deleted", way, sa->spi);
	e->kind = IKW_EVIDENCE_SA;
	e->dir = sa->dir;
	e->spi = sa->spi;
}

static void tell_installed(struct report *r, const struct ikw_generation *gen,
			   const struct ikw_sa_node *sa, const char *way)
{
	bool moved = gen->tunnel->peer != r->c->gen->tunnel->peer;
	struct ikw_evidence *e;
	char peer[64];

	if (!sa)
		return;
	e = evidence(r, sa->installed ? sa->installed : gen->born, "sa_installed",
		     "%s SA 0x%08x installed for the same flow%s%s", way, sa->spi,
		     moved ? ", peer " : "",
		     moved ? ikw_addr_text(gen->tunnel->peer->remote, peer, sizeof(peer)) : "");
	e->kind = IKW_EVIDENCE_SA;
	e->dir = sa->dir;
	e->spi = sa->spi;
}

/* What the peer's last packets were like: a path that degraded before it died. */
static void tell_traffic(struct report *r)
{
	const struct ikw_sa_node *in = r->c->gen->in;
	struct ikw_evidence *e;

	if (!in || !in->esp_seen || !in->last)
		return;
	e = evidence(
		r, in->last, "last_esp",
		"last ESP packet of inbound SA 0x%08x (to 100 ms); in its last minute of traffic "
		"the path lost %u and reordered %u",
		in->spi, in->lost, in->reordered);
	e->kind = IKW_EVIDENCE_SA;
	e->dir = in->dir;
	e->spi = in->spi;
}

static void tell_sas(struct report *r)
{
	const struct ikw_generation *next = r->f->next_gen;

	tell_traffic(r);
	tell_deleted(r, r->c->gen->in, "inbound");
	tell_deleted(r, r->c->gen->out, "outbound");
	if (!next)
		return;
	tell_installed(r, next, next->in, "inbound");
	tell_installed(r, next, next->out, "outbound");
}

/* What was off, and if that is not what leads to the peer, what it took with it. */
static const char *link_text(const struct report *r, char *buf, size_t size)
{
	const struct ikw_link_state *link = r->f->link, *way = r->f->way;

	if (link == way)
		ikw_format(buf, size, "%.16s", link->name);
	else
		ikw_format(buf, size, "%.16s, on which %.16s stands", link->name, way->name);
	return buf;
}

static void tell_host(struct report *r)
{
	const struct ikw_peer *peer = r->c->gen->tunnel->peer;
	const struct ikw_order *o = r->f->order;
	bool gone = !(r->f->seen & IKW_FACT(LINK_DOWN));
	char link[64], local[64];

	if (o && order_matters(r))
		evidence(r, o->time, "order", "%.16s (pid %u) %s the IKE daemon%s%s: %s",
			 o->by.comm, o->by.tgid,
			 o->through_init ? "had init signal"
			 : o->signo	 ? "signalled"
					 : "spoke to the control socket of",
			 o->request[0] ? ", request " : "", o->request,
			 r->a->ordered_by.command[0] ? r->a->ordered_by.command
						     : "command not known");
	if (r->f->aside && r->f->aside != r->f->order)
		evidence(r, r->f->aside->time, "order_aside",
			 "%.16s (pid %u) spoke to the IKE daemon (%s): not taken for the cause",
			 r->f->aside->by.comm, r->f->aside->by.tgid,
			 ikw_host_order_routine(&r->w->host, r->f->aside, NULL)
				 ? "with words that had been without effect before"
				 : "more than a second before");
	if (r->f->link)
		evidence(r, r->f->link->off, gone ? "interface_gone" : "interface_down",
			 "interface %s %s", link_text(r, link, sizeof(link)),
			 gone ? "was removed" : "was set down");
	if (r->f->address_gone && !(r->f->seen & (IKW_FACT(LINK_GONE) | IKW_FACT(LINK_DOWN))))
		evidence(r, r->f->address_gone, "own_address_gone", "this host lost the address %s",
			 ikw_addr_text(peer->local, local, sizeof(local)));
	else if (r->f->dark)
		evidence(r, r->f->dark->stopped, "no_carrier",
			 "interface %.16s lost its carrier: nothing leaves it", r->f->dark->name);
	if (r->f->mishap)
		evidence(r, r->f->mishap->time, "spi_taken",
			 "installing SPI 0x%08x failed: it was taken", r->f->mishap->spi)
			->kind = IKW_EVIDENCE_SA;
	if (r->f->seen & IKW_FACT(INVALID_SPI))
		is_message(evidence(r, peer->notify_time, "invalid_spi_notify",
				    "the peer's clear notify %s",
				    peer->notify == 4 ? "INVALID_IKE_SPI" : "INVALID_SPI"),
			   false, NULL, 0, 0);
}

static void tell_outside(void *ctx, uint64_t time, const char *fact, const char *text)
{
	evidence(ctx, time, fact, "%s", text);
}

static int by_time(const void *a, const void *b)
{
	const struct ikw_evidence *x = a, *y = b;

	return x->time < y->time ? -1 : x->time > y->time;
}

static void fill_evidence(struct report *r)
{
	const struct ikw_facts *f = r->f;

	tell_silence(r);
	if (f->gave_up)
		tell_exchange(r, f->ike, f->gave_up);
	if (f->refused) {
		tell_exchange(r, f->ike, f->refused);
		evidence(r, f->refused->answered, "rekey_refused",
			 "no SA came of what the peer answered, as when it refuses")
			->kind = IKW_EVIDENCE_NOTE;
	}
	if (f->local)
		tell_exchange(r, f->ike, f->local);
	if (f->peer)
		tell_exchange(r, f->ike, f->peer);
	if (f->crossed)
		tell_exchange(r, f->ike, f->crossed);
	if (f->sent_away && f->sent_away != f->peer)
		tell_exchange(r, f->ike, f->sent_away);
	if (f->set_about < r->c->anchor)
		evidence(r, f->set_about, "script_first",
			 "the daemon set about it, and ran a script of its own first, for which it "
			 "waited");
	if (f->unsent)
		evidence(r, f->unsent, "nothing_sent",
			 "the daemon %s; since then no IKE message was seen, out or in",
			 f->seen & IKW_FACT(UNSENT_CHECK) ? "looked when the SAs were last used"
							  : "reserved an SPI for the peer");
	tell_negotiation(r, f->new_ike, "new_ike_sa");
	tell_negotiation(r, f->failed_ike, "failed_reauthentication");
	tell_birth(r);
	tell_host(r);
	ikw_compose_outside(r->f, tell_outside, r);
	tell_sas(r);
	if (r->a->evidence_count)
		qsort(r->a->evidence, r->a->evidence_count, sizeof(*r->a->evidence), by_time);
}

/* ---- blind spots, sentence -------------------------------------------------------- */

static const struct {
	uint32_t sees;
	const char *text;
} blind_texts[] = {
	{ IKW_SEES_IKE_IN, "IKE messages of the peer could not be seen" },
	{ IKW_SEES_IKE_OUT, "IKE messages of this gateway could not be seen" },
	{ IKW_SEES_ACTOR, "the process behind the deletion could not be seen" },
	{ IKW_SEES_CONTROL, "who spoke to the IKE daemon's control socket could not be seen" },
	{ IKW_SEES_SIGNAL, "signals to the IKE daemon could not be seen" },
	{ IKW_SEES_LINK, "changes of interfaces could not be seen" },
	{ IKW_SEES_ESP, "ESP traffic could not be counted" },
	{ IKW_SEES_FAILED, "failed installs could not be seen" },
	{ IKW_SEES_ASKED, "whether the daemon looked when the SA was last used could not be seen" },
	{ IKW_SEES_WIRE, "RADIUS, BFD, VRRP, DNS, DHCP and cluster packets could not be seen" },
	{ IKW_SEES_CAUSE, "what made the kernel delete the SA could not be seen" },
};

static enum ikw_fact_bit first_of(ikw_fact_set set)
{
	uint64_t low = (uint64_t)set;

	return low ? (enum ikw_fact_bit)__builtin_ctzll(low)
		   : (enum ikw_fact_bit)(64 + __builtin_ctzll((uint64_t)(set >> 64)));
}

static void fill_blind(struct report *r)
{
	const ikw_fact_set next = IKW_FACT(REPLACED_IKE) | IKW_FACT(REPLACED_PLAIN) |
				  IKW_FACT(RETURNED) | IKW_FACT(MOVED);
	const struct ikw_host *host = &r->w->host;
	uint32_t needs = 0, missing;

	for (ikw_fact_set left = r->v->blind; left; left &= left - 1)
		needs |= ikw_fact_needs(first_of(left));
	if (ikw_case_in_tcp(r->c) && needs & (IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)) {
		blind(r, "the IKE messages of this tunnel travel in TCP (RFC 9329), where they are "
			 "not read");
		needs &= ~(uint32_t)(IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT);
	}
	if (ikw_case_unheard(r->c, r->w) &&
	    (needs & (IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT) || r->v->reason == IKW_REASON_UNKNOWN)) {
		blind(r, "the IKE messages of this tunnel may be on UDP ports that are not "
			 "watched: see ike-ports in ikewatch.conf(5)");
		needs &= ~(uint32_t)(IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT);
	}
	if (!ikw_ike_newest(r->c->gen->tunnel->peer->ikes) &&
	    ikw_peer_speaks_elsewhere(r->w, r->c->gen->tunnel->peer))
		blind(r,
		      "IKE with this peer was seen at another address of this host: what belongs "
		      "to this tunnel, whose own address may be translated, is not known");
	missing = needs & ~host->sees;
	for (size_t i = 0; i < sizeof(blind_texts) / sizeof(blind_texts[0]); i++)
		if (missing & blind_texts[i].sees)
			blind(r, blind_texts[i].text);
	if (needs && !missing)
		blind(r, "the time before the deletion was not wholly observed (the agent began "
			 "later, or records were lost)");
	if (r->f->owner_guessed)
		blind(r,
		      "which of several IKE_SAs with the peer managed the SAs was not seen (they "
		      "are older than the agent, or came at once with others)");
	if (r->f->peer && r->f->ike && r->f->ike->version == 1 && !r->f->ike->choice &&
	    (r->v->rule->needs & (IKW_FACT(PEER_DELETE) | IKW_FACT(PEER_ISAKMP_DELETE))))
		blind(r, "the phase 1 was not seen: what the peer's message was is told by its "
			 "length and its time");
	if (r->f->next_gen && (r->v->rule->needs & next) &&
	    ikw_flow_drawn_anew(r->c->gen->tunnel, r->f->next_gen->tunnel))
		blind(r, "what came in its place has other marks or another interface ID: it may "
			 "be another tunnel");
	if (r->c->first.hdr.flags & IKW_F_LATE)
		blind(r, "the deletion itself was not seen; its time is when a dump no longer "
			 "showed the SA, or another took its place");
}

/* For the sentence: when the last ESP packet came in, and what the path did to those before. */
static const char *traffic_text(const struct report *r, char *buf, size_t size)
{
	const struct ikw_sa_node *in = r->c->gen->in;
	uint64_t at = r->c->opened;
	int n = 0;

	buf[0] = 0;
	if (!in || !in->esp_seen || !in->last || in->last > at)
		return buf;
	if (!r->f->gave_up && !in->lost && !in->reordered)
		return buf;
	n = ikw_format(buf, size, "; the last ESP packet came in %.1f s before",
		       (double)(at - in->last) / 1e9);
	if (in->lost || in->reordered)
		ikw_format(buf + n, size - (size_t)n,
			   ", and in its last minute of traffic the path lost %u and reordered %u",
			   in->lost, in->reordered);
	return buf;
}

/* What came of a request that was given up. */
static const char *answer_text(const struct report *r, const struct ikw_exchange *x)
{
	if (x->arrived)
		return "an answer arrived at this host but never reached the daemon: lost on this "
		       "host, dropped by its firewall for instance, or not genuine";
	if (r->f->seen & IKW_FACT(INVALID_SPI_OURS))
		return "no answer but a notification in clear, which may be forged, that the peer "
		       "does not know the SPIs";
	return "no answer";
}

/* Of those that set it up: what tells the peer that it failed is not always answered. */
static bool answered_last(const struct ikw_ike_sa *ike)
{
	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *x = ikw_ike_exchange(ike, k);

		if (ikw_exchange_sets_up(x->type))
			return x->answered;
	}
	return false;
}

static void fill_detail(struct report *r)
{
	const struct ikw_exchange *x = r->f->gave_up;
	char peer[64], more[384] = "", traffic[160], link[64];
	enum ikw_reason reason = r->v->reason;

	if (x && (r->v->rule->needs & (IKW_FACT(GAVE_UP_LIVENESS) | IKW_FACT(GAVE_UP_EXCHANGE) |
				       IKW_FACT(GAVE_UP_INFO) | IKW_FACT(LIVENESS_EMPTY))))
		ikw_format(more, sizeof(more),
			   " (%s, sent %u times from %.1f s before the deletion on, %s)",
			   ikw_exchange_name(r->f->ike->version, x->type),
			   r->f->silent_checks ? r->f->silent_checks : x->copies,
			   (double)(r->c->anchor - r->f->silent_since) / 1e9, answer_text(r, x));
	else if (reason == IKW_REASON_REAUTH_TIMEOUT && r->f->new_ike &&
		 !(r->v->rule->needs & IKW_FACT(NEW_IKE_WITHOUT)))
		ikw_format(more, sizeof(more), " (%s)",
			   answered_last(r->f->new_ike) ? "it was refused" : "it was not answered");
	else if (reason == IKW_REASON_REAUTH_TIMEOUT && r->f->failed_ike)
		ikw_format(more, sizeof(more), " (%s)",
			   answered_last(r->f->failed_ike) ? "it was refused"
							   : "it was not answered");
	else if (r->c->first.cause == IKW_CAUSE_TIMER)
		ikw_format(more, sizeof(more), " (%s limit%s)",
			   r->c->first.limit == IKW_LIMIT_VOLUME ? "byte or packet" : "time",
			   (r->f->seen & ~r->f->vague & IKW_FACT(REKEY_REFUSED))
				   ? "; a rekey that the peer answered had brought no SA"
				   : "");
	else if (r->f->link && (r->v->rule->needs & (IKW_FACT(LINK_GONE) | IKW_FACT(LINK_DOWN))))
		ikw_format(more, sizeof(more), " (%s)", link_text(r, link, sizeof(link)));
	else if (r->a->has_ordered_by && r->a->ordered_by.command[0])
		ikw_format(more, sizeof(more), " (%.200s)", r->a->ordered_by.command);
	else if (r->a->has_by)
		ikw_format(more, sizeof(more), " (deleted by %.16s, pid %u)", r->a->by.comm,
			   r->a->by.pid);
	r->a->detail =
		ikw_format_new("The tunnel to %s was deleted: %s%s%s.",
			       ikw_addr_text(r->a->dst, peer, sizeof(peer)), r->v->rule->sentence,
			       more, traffic_text(r, traffic, sizeof(traffic)));
}

void ikw_compose(struct ikw_alarm *a, const struct ikw_case *c, const struct ikw_facts *f,
		 const struct ikw_verdict *v, const struct ikw_world *w, const char *vsys,
		 uint64_t now)
{
	struct report r = { .a = a, .c = c, .f = f, .v = v, .w = w, .now = now };

	memset(a, 0, sizeof(*a));
	ikw_format(a->vsys, sizeof(a->vsys), "%s", vsys);
	fill_fields(&r);
	fill_evidence(&r);
	fill_blind(&r);
	fill_detail(&r);
}
