/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "checkpoint.h"
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include "evidence.h"
#include "tunnel.h"

struct writer {
	const struct ikw_world *world;
	ikw_checkpoint_fn fn;
	void *ctx;
};

static void start(union ikw_event *event, uint16_t type, size_t size, uint64_t time)
{
	memset(event, 0, size);
	event->hdr.type = type;
	event->hdr.size = (uint16_t)size;
	event->hdr.time = time;
}

static void give(const struct writer *w, const union ikw_event *event)
{
	w->fn(w->ctx, event, false);
}

/* ---- the host ------------------------------------------------------------------ */

/* First of all, for its time is when observation began. */
static void give_probes(const struct writer *w)
{
	const struct ikw_host *host = &w->world->host;
	union ikw_event event;

	start(&event, IKW_EV_PROBES, sizeof(event.probes), host->started);
	event.probes.sees = host->sees;
	event.probes.tier = host->tier;
	give(w, &event);
	start(&event, IKW_EV_PORTS, sizeof(event.ports), host->ports_since);
	memcpy(event.ports.ike, host->ike_ports, sizeof(host->ike_ports));
	if (host->ike_ports[0])
		give(w, &event);
	if (!host->clock_wall)
		return;
	start(&event, IKW_EV_CLOCK, sizeof(event.clock), host->clock_boot);
	event.clock.wall = host->clock_wall;
	give(w, &event);
}

static void give_gaps(const struct writer *w)
{
	const struct ikw_host *host = &w->world->host;
	union ikw_event event;

	for (unsigned int i = 0; i < IKW_GAPS; i++) {
		const struct ikw_gap *gap = &host->gaps[(host->gap_head + i) % IKW_GAPS];

		if (!gap->until)
			continue;
		start(&event, IKW_EV_LOST, sizeof(event.lost), gap->until);
		event.lost.since = gap->since;
		event.lost.where = gap->where;
		event.lost.sees = gap->sees;
		event.lost.count = gap->count;
		give(w, &event);
	}
}

static void give_link(const struct writer *w, const struct ikw_link_state *link, uint64_t time,
		      uint32_t flags, bool port, bool gone)
{
	union ikw_event event;

	start(&event, IKW_EV_LINK, sizeof(event.link), time);
	event.link.op = gone ? IKW_LINK_GONE : IKW_LINK_SET;
	event.link.ifindex = link->ifindex;
	event.link.if_id = link->if_id;
	event.link.ifi_flags = flags;
	event.link.lower = link->lower;
	event.link.master = port ? link->master : 0;
	memcpy(event.link.name, link->name, sizeof(link->name));
	memcpy(event.link.kind, link->kind, sizeof(link->kind));
	give(w, &event);
}

/* The other state first, so that the change has its time. */
static void give_links(const struct writer *w)
{
	const struct ikw_table *links = &w->world->host.links;
	struct ikw_node *node;
	size_t at = 0;

	while ((node = ikw_table_each(links, &at))) {
		const struct ikw_link_state *link =
			IKW_CONTAINER(node, const struct ikw_link_state, node);
		uint32_t flags = link->up ? IFF_UP | (link->running ? IFF_RUNNING : 0) : 0;
		uint64_t time = link->changed;

		if (link->changed)
			give_link(w, link, time, link->up ? 0 : IFF_UP | IFF_RUNNING, true, false);
		if (link->up && !link->running && link->stopped) {
			time = link->stopped;
			give_link(w, link, time, IFF_UP | IFF_RUNNING, true, false);
		}
		if (link->left)
			give_link(w, link, time, flags, true, false);
		give_link(w, link, time, flags, !link->left, link->gone);
	}
}

static void give_address(const struct writer *w, const struct ikw_node *node)
{
	const struct ikw_address *a =
		IKW_CONTAINER((struct ikw_node *)node, const struct ikw_address, node);
	union ikw_event event;

	start(&event, IKW_EV_ADDR, sizeof(event.addr), a->gone);
	memcpy(event.addr.addr, a->addr, IKW_ADDR_LEN);
	event.addr.ifindex = a->ifindex;
	event.addr.op = IKW_ADDR_SET;
	give(w, &event);
	if (!a->gone)
		return;
	event.addr.op = IKW_ADDR_GONE;
	give(w, &event);
}

static void give_processes(const struct writer *w)
{
	const struct ikw_process *p = w->world->host.oldest;
	union ikw_event event;

	for (; p; p = p->newer) {
		start(&event, IKW_EV_PROC, sizeof(event.proc), p->seen.hdr.time);
		event.proc = p->seen;
		event.proc.hdr.type = IKW_EV_PROC;
		event.proc.hdr.size = sizeof(event.proc);
		event.proc.hdr.seq = 0;
		event.proc.op = p->daemon ? IKW_PROC_DAEMON : IKW_PROC_SEEN;
		give(w, &event);
		event.proc.op = IKW_PROC_UNHEARD;
		if (p->unheard)
			give(w, &event);
		if (!p->exited)
			continue;
		event.proc.hdr.time = p->exited;
		event.proc.op = IKW_PROC_EXIT;
		give(w, &event);
	}
}

static void fill_policy(const struct writer *w, union ikw_event *event,
			const struct ikw_policy_node *p)
{
	start(event, IKW_EV_POLICY, sizeof(event->policy), w->world->now);
	event->policy.op = IKW_POLICY_DUMP;
	event->policy.dir = IKW_DIR_OUT;
	event->policy.sel = p->sel;
	memcpy(event->policy.tmpl_saddr, p->saddr, IKW_ADDR_LEN);
	memcpy(event->policy.tmpl_daddr, p->daddr, IKW_ADDR_LEN);
	event->policy.tmpl_reqid = p->reqid;
	event->policy.tmpl_count = 1;
	event->policy.index = p->index;
	event->policy.if_id = p->if_id;
	event->policy.mark = p->mark;
	event->policy.mark_mask = p->mark_mask;
}

static void give_policy(const struct writer *w, const struct ikw_node *node)
{
	const struct ikw_policy_node *p =
		IKW_CONTAINER((struct ikw_node *)node, const struct ikw_policy_node, node);
	union ikw_event event;

	fill_policy(w, &event, p);
	give(w, &event);
}

/* ---- tunnels ------------------------------------------------------------------- */

/* The selector as the SA has it: inbound it is the other way round. */
static struct ikw_selector selector_of(const struct ikw_tunnel *t, uint8_t dir)
{
	const struct ikw_selector *own = &t->own_sel;
	struct ikw_selector s = *own;

	if (dir != IKW_DIR_IN)
		return s;
	memcpy(s.saddr, own->daddr, IKW_ADDR_LEN);
	memcpy(s.daddr, own->saddr, IKW_ADDR_LEN);
	s.prefixlen_s = own->prefixlen_d;
	s.prefixlen_d = own->prefixlen_s;
	s.sport = own->dport;
	s.sport_mask = own->dport_mask;
	s.dport = own->sport;
	s.dport_mask = own->sport_mask;
	return s;
}

static void fill_sa(union ikw_event *event, const struct ikw_sa_node *sa, uint8_t op, uint64_t time)
{
	const struct ikw_generation *gen = sa->generation;
	const struct ikw_tunnel *t = gen->tunnel;
	bool in = sa->dir == IKW_DIR_IN;
	struct ikw_sa *ev = &event->sa;

	start(event, IKW_EV_SA, sizeof(*ev), time);
	ev->op = op;
	memcpy(ev->saddr, in ? t->peer->remote : t->peer->local, IKW_ADDR_LEN);
	memcpy(ev->daddr, in ? t->peer->local : t->peer->remote, IKW_ADDR_LEN);
	ev->sel = selector_of(t, sa->dir);
	ev->spi = sa->spi;
	ev->reqid = t->reqid;
	ev->mark = sa->mark;
	ev->mark_mask = t->mark_mask;
	ev->if_id = t->if_id;
	ev->proto = sa->proto;
	ev->mode = t->mode;
	ev->dir = sa->dir;
	ev->encap_sport = sa->encap_sport;
	ev->encap_dport = sa->encap_dport;
	ev->bytes = sa->bytes;
	ev->packets = sa->packets;
	ev->add_wall_s = sa->add_wall_s;
	ev->last_wall_s = sa->last_wall_s;
	ev->by.tgid = gen->installer_tgid;
	ev->by.portid = gen->installer_portid;
}

static void give_added(const struct writer *w, const struct ikw_sa_node *sa)
{
	union ikw_event event;

	if (!sa)
		return;
	fill_sa(&event, sa, sa->installed ? IKW_SA_ADD : IKW_SA_DUMP,
		sa->installed ? sa->installed : sa->generation->born);
	give(w, &event);
	if (!sa->esp_seen)
		return;
	start(&event, IKW_EV_ESP, sizeof(event.esp), event.hdr.time);
	memcpy(event.esp.daddr,
	       sa->dir == IKW_DIR_IN ? sa->generation->tunnel->peer->local
				     : sa->generation->tunnel->peer->remote,
	       IKW_ADDR_LEN);
	event.esp.spi = sa->spi;
	event.esp.dir = sa->dir;
	event.esp.packets = sa->packets;
	event.esp.bytes = sa->bytes;
	event.esp.last = sa->last;
	event.esp.lost = sa->lost;
	give(w, &event);
}

static void give_deleted(const struct writer *w, const struct ikw_sa_node *sa)
{
	const struct ikw_case *c;
	union ikw_event event;

	if (!sa || !sa->gone)
		return;
	c = sa->generation->deletion;
	fill_sa(&event, sa, IKW_SA_DELETE, sa->gone);
	/* the record that opened the case says more */
	if (c && c->first.spi == sa->spi && c->first.hdr.time == sa->gone) {
		event.sa = c->first;
		event.hdr.seq = 0;
	}
	w->fn(w->ctx, &event, !c);
}

static void give_generation(const struct writer *w, const struct ikw_generation *gen)
{
	const struct ikw_sa_node *in = gen->in, *out = gen->out, *first = in, *second = out;

	if (in && out && out->installed && out->installed < in->installed) {
		first = out;
		second = in;
	}
	give_added(w, first);
	give_added(w, second);
	if (in && out && in->gone && out->gone && out->gone < in->gone) {
		give_deleted(w, out);
		give_deleted(w, in);
		return;
	}
	give_deleted(w, in);
	give_deleted(w, out);
}

/* Oldest first, as they came: newest is what the list begins with. */
static void give_generations(const struct writer *w, const struct ikw_generation *gen)
{
	const struct ikw_generation *until = NULL, *at;

	while (until != gen) {
		for (at = gen; at->next != until; at = at->next)
			;
		give_generation(w, at);
		until = at;
	}
}

/* A flow outlives its policy: daemons take the policies away before the SAs. */
static void give_flow(const struct writer *w, const struct ikw_tunnel *t)
{
	const struct ikw_policy_node *kept =
		ikw_world_policy(w->world, t->peer->local, t->peer->remote, t->reqid);
	struct ikw_policy_node gone = { .sel = t->flow.sel,
					.reqid = t->reqid,
					.index = t->flow.rule_num,
					.if_id = t->if_id,
					.mark = t->flow.mark,
					.mark_mask = t->flow.mark_mask };
	union ikw_event event;

	if (!t->flow.known || !gone.index || (kept && kept->index == gone.index))
		return;
	memcpy(gone.saddr, t->peer->local, IKW_ADDR_LEN);
	memcpy(gone.daddr, t->peer->remote, IKW_ADDR_LEN);
	fill_policy(w, &event, &gone);
	event.policy.tmpl_proto = t->proto;
	give(w, &event);
	event.policy.op = IKW_POLICY_KILL;
	give(w, &event);
	if (kept)
		give_policy(w, &kept->node);
}

static void give_tunnel(const struct writer *w, const struct ikw_node *node)
{
	const struct ikw_tunnel *t =
		IKW_CONTAINER((struct ikw_node *)node, const struct ikw_tunnel, node);

	if (!t->generations)
		return;
	give_generations(w, t->generations);
	give_flow(w, t);
}

/* ---- IKE_SAs -------------------------------------------------------------------- */

static void fill_ikesa(const struct writer *w, union ikw_event *event, const struct ikw_ike_sa *ike,
		       uint8_t op)
{
	start(event, IKW_EV_IKESA, sizeof(event->ikesa), w->world->now);
	event->ikesa.op = op;
	memcpy(event->ikesa.local, ike->peer->local, IKW_ADDR_LEN);
	memcpy(event->ikesa.remote, ike->peer->remote, IKW_ADDR_LEN);
	event->ikesa.spi_i = ike->spi_i;
	event->ikesa.spi_r = ike->spi_r;
	event->ikesa.version = ike->version;
}

static void give_ike(const struct writer *w, const struct ikw_ike_sa *ike)
{
	union ikw_event event;
	struct ikw_ikesa *ev = &event.ikesa;

	fill_ikesa(w, &event, ike, IKW_IKESA_KNOWN);
	ev->created = ike->created;
	ev->last_in = ike->last_in;
	ev->last_out = ike->last_out;
	ev->installed = ike->installed;
	ev->live_last = ike->live_last;
	ev->live_gap = ike->live_gap;
	ev->live_length = ike->live_length;
	ev->live_count = ike->live_count;
	ev->asked_first = ike->asked_first;
	ev->asked_last = ike->asked_last;
	ev->repeats = ike->repeats;
	ev->local_port = ike->local_port;
	ev->remote_port = ike->remote_port;
	ev->heard_port = ike->heard_port;
	ev->encr = ike->encr;
	ev->encr_keylen = ike->keylen;
	ev->integ = ike->integ;
	ev->dpd_len = ike->dpd_len;
	ev->flags2 =
		(uint16_t)((ike->choice ? IKW_IKESA_CHOICE : 0) | (ike->ours ? IKW_IKESA_OURS : 0) |
			   (ike->whole ? IKW_IKESA_WHOLE : 0) |
			   (ike->spoken ? IKW_IKESA_SPOKEN : 0) |
			   (ike->unasked ? IKW_IKESA_UNASKED : 0) |
			   (ike->ended && ike->ended >= ike->asked_first ? IKW_IKESA_ENDED : 0));
	give(w, &event);
}

/* What is being set up, or came to nothing, is told by its messages, if they are still there. */
static bool stands(const struct ikw_ike_sa *ike)
{
	return ike->generations ||
	       (ike->peer->tunnels && ike->spoken && (!ike->whole || ike->installed));
}

/* Oldest first, as they came. */
static void give_ikes(const struct writer *w, const struct ikw_node *node)
{
	const struct ikw_peer *p =
		IKW_CONTAINER((struct ikw_node *)node, const struct ikw_peer, node);
	/* a NAT may have thousands behind it: not to be searched for one by one */
	const struct ikw_ike_sa *ike = ikw_ike_newest(p->ikes),
				**ikes = ike ? calloc(p->ikes->count, sizeof(ike)) : NULL;
	uint32_t count = 0;

	for (; ikes && ike; ike = ikw_ike_older(ike))
		if (stands(ike))
			ikes[count++] = ike;
	while (count)
		give_ike(w, ikes[--count]);
	free(ikes);
}

static void give_owner(const struct writer *w, const struct ikw_generation *gen)
{
	const struct ikw_sa_node *sa = gen->in ? gen->in : gen->out;
	union ikw_event event;

	if (!gen->ike || !sa)
		return;
	fill_ikesa(w, &event, gen->ike, IKW_IKESA_OWNS);
	/* the SA's ends, which MOBIKE may have left behind */
	memcpy(event.ikesa.local, gen->tunnel->peer->local, IKW_ADDR_LEN);
	memcpy(event.ikesa.remote, gen->tunnel->peer->remote, IKW_ADDR_LEN);
	event.ikesa.spi = sa->spi;
	event.ikesa.dir = sa->dir;
	event.ikesa.other = gen->rival;
	event.ikesa.exchange = gen->exchange;
	event.ikesa.flags2 = gen->quiet ? IKW_IKESA_QUIET : 0;
	give(w, &event);
}

static void give_owners(const struct writer *w, const struct ikw_node *node)
{
	const struct ikw_peer *p =
		IKW_CONTAINER((struct ikw_node *)node, const struct ikw_peer, node);
	union ikw_event event;

	for (const struct ikw_ike_sa *ike = ikw_ike_newest(p->ikes); ike;
	     ike = ikw_ike_older(ike)) {
		if (!ike->successor)
			continue;
		fill_ikesa(w, &event, ike, IKW_IKESA_SUCCEEDED);
		event.ikesa.other = ike->successor->spi_i;
		give(w, &event);
	}
	for (const struct ikw_tunnel *t = p->tunnels; t; t = t->peer_next)
		for (const struct ikw_generation *gen = t->generations; gen; gen = gen->next)
			give_owner(w, gen);
}

static void each(const struct writer *w, const struct ikw_table *table,
		 void (*fn)(const struct writer *, const struct ikw_node *))
{
	const struct ikw_node *node;
	size_t at = 0;

	while ((node = ikw_table_each(table, &at)))
		fn(w, node);
}

static void give_all_ikes(const struct writer *w)
{
	each(w, &w->world->peers, give_ikes);
	each(w, &w->world->peers, give_owners);
}

void ikw_model_ikes(const struct ikw_model *model, ikw_checkpoint_fn fn, void *ctx)
{
	const struct writer w = { ikw_model_world(model), fn, ctx };

	give_all_ikes(&w);
}

void ikw_model_checkpoint(const struct ikw_model *model, ikw_checkpoint_fn fn, void *ctx)
{
	const struct ikw_world *world = ikw_model_world(model);
	const struct writer w = { world, fn, ctx };

	give_probes(&w);
	give_gaps(&w);
	give_links(&w);
	each(&w, &world->host.addresses, give_address);
	give_processes(&w);
	each(&w, &world->policies, give_policy);
	each(&w, &world->tunnels, give_tunnel);
	/* a peer without a tunnel may be forgotten at any time: after these */
	give_all_ikes(&w);
}
