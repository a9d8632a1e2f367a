/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli.h"
#include "format.h"
#include "procfs.h"
#include "scrub.h"
#include "witness.h"

#define LINES_MAX   1024 /* alarms that wait for the store's commit */
#define CLOCK_EVERY (60 * IKW_S)
#define SCAN_SOON   (2 * IKW_S)	 /* after a scan that found a daemon */
#define ASK_SHARE   10		 /* of the time, at most a tenth: a script adds SA by SA */
#define SCAN_LATER  (10 * IKW_S) /* after one that did not: SAs made by hand */
#define PORT_GOOD   (2 * IKW_S)
#define RESYNC_WAIT (200 * IKW_MS)
#define PORTS_KEPT  1024
#define LOST_EVERY  (60 * IKW_S)

void ikw_agent_init(struct ikw_agent *agent)
{
	struct ikw_poll *const polls[] = { &agent->rt_poll,	&agent->xfrm_poll,
					   &agent->proc_poll,	&agent->netns_poll,
					   &agent->signal_poll, &agent->clock_poll,
					   &agent->ring_poll,	&agent->end_poll };

	memset(agent, 0, sizeof(*agent));
	for (size_t i = 0; i < sizeof(polls) / sizeof(polls[0]); i++)
		polls[i]->fd = -1;
	agent->loop.epoll_fd = -1;
	agent->rt.fd = agent->rt.dump_fd = -1;
	agent->xfrm.fd = agent->xfrm.dump_fd = -1;
	agent->netns.home_fd = agent->netns.watch_fd = -1;
	agent->netns_end.fd = agent->netns_end.id = -1;
	agent->resync_at = agent->hook_again_at = agent->netns_retry = UINT64_MAX;
	agent->lines_end = &agent->lines;
}

/* ---- into the model ----------------------------------------------------- */

static void push(struct ikw_agent *agent, const union ikw_event *event)
{
	union ikw_event earlier;

	/* what was looked up for a record of the past goes with it, or it would end the cases of
	 * then
	 */
	if (agent->as_of && event->hdr.time > agent->as_of) {
		memcpy(&earlier, event, event->hdr.size);
		earlier.hdr.time = agent->as_of;
		event = &earlier;
	}
	agent->seen[event->hdr.type]++;
	if (event->hdr.time > agent->last_event)
		agent->last_event = event->hdr.time;
	ikw_agent_journal(agent, event);
	if (agent->recorder)
		ikw_recorder_event(agent->recorder, event);
	ikw_control_event(agent->control, event);
	ikw_model_event(agent->model, event);
}

void ikw_agent_clock(struct ikw_agent *agent)
{
	union ikw_event event;

	agent->clocks = ikw_clocks_know(agent->clocks, ikw_clocks_look());
	ikw_stamp(&event, IKW_EV_CLOCK, sizeof(event.clock), agent->netns.inode);
	event.clock.wall = event.hdr.time + (uint64_t)agent->clocks.ahead;
	agent->next_clock = event.hdr.time + CLOCK_EVERY;
	push(agent, &event);
}

static uint32_t netlink_sees(const struct ikw_agent *agent)
{
	uint32_t sees = agent->attached ? IKW_SEES_LINK : 0;

	if (agent->tier != IKW_TIER_NETLINK || !agent->attached)
		return sees;
	sees |= IKW_SEES_SA | IKW_SEES_POLICY | IKW_SEES_PORTID;
	if (agent->proc_poll.fd >= 0)
		sees |= IKW_SEES_EXIT;
	return sees;
}

/* anew: nothing was told yet, but perhaps by the agent before this one. */
static void tell_ports(struct ikw_agent *agent, bool anew)
{
	uint16_t ports[IKW_OWN_PORTS] = { 0 };
	union ikw_event event;

	for (size_t i = IKW_PORTS_USUAL; i < agent->options.port_count; i++)
		ports[i - IKW_PORTS_USUAL] = agent->options.ports[i];
	if (!memcmp(ports, agent->told_ports, sizeof(ports)) &&
	    (!anew || (!ports[0] && !agent->known_till)))
		return;
	memcpy(agent->told_ports, ports, sizeof(ports));
	ikw_stamp(&event, IKW_EV_PORTS, sizeof(event.ports), agent->netns.inode);
	memcpy(event.ports.ike, ports, sizeof(ports));
	push(agent, &event);
}

void ikw_agent_probes(struct ikw_agent *agent)
{
	uint32_t sees = ikw_witness_sees(agent) | netlink_sees(agent);
	bool anew = !agent->seen[IKW_EV_PROBES];
	union ikw_event event;

	if (anew || sees != agent->sees) {
		agent->sees = sees;
		ikw_stamp(&event, IKW_EV_PROBES, sizeof(event.probes), agent->netns.inode);
		event.probes.sees = sees;
		event.probes.tier = agent->tier;
		push(agent, &event);
	}
	tell_ports(agent, anew);
}

/* A line a minute at most: losses come in floods. */
static void say_lost(struct ikw_agent *agent, const struct ikw_lost *lost)
{
	uint64_t wall = ikw_wall_now(), now = lost->hdr.time;
	char since[40], until[40];

	agent->lost_unsaid += lost->count ? lost->count : 1;
	if (agent->lost_said && now - agent->lost_said < LOST_EVERY)
		return;
	agent->lost_said = now;
	ikw_error("lost: %" PRIu64 " records or more between %s and %s; a dump shows what is "
		  "missing, and alarms name that blind spot",
		  agent->lost_unsaid,
		  ikw_time_text(wall - (now - lost->since), since, sizeof(since)),
		  ikw_time_text(wall, until, sizeof(until)));
	agent->lost_unsaid = 0;
}

void ikw_agent_lost(struct ikw_agent *agent, enum ikw_lost_where where, uint64_t count,
		    uint64_t since, uint32_t sees)
{
	union ikw_event event;

	agent->lost += count ? count : 1;
	ikw_stamp(&event, IKW_EV_LOST, sizeof(event.lost), agent->netns.inode);
	event.lost.count = count;
	event.lost.since = since;
	event.lost.where = where;
	event.lost.sees = sees;
	if (where != IKW_LOST_SUPPRESSED)
		say_lost(agent, &event.lost);
	push(agent, &event);
	/* While losses go on, one dump after the other would only add to them. */
	if (agent->resync_at == UINT64_MAX && where != IKW_LOST_SUPPRESSED)
		agent->resync_at = event.hdr.time + RESYNC_WAIT;
}

/* ---- processes ---------------------------------------------------------- */

/* A daemon of several processes is ended by a signal to the one that began the others. */
static void watch_parent(struct ikw_agent *agent, const struct ikw_proc *proc)
{
	if (proc->parent_count && proc->parents[0].tgid > 1 &&
	    !strncmp(proc->parents[0].comm, proc->comm, sizeof(proc->comm)))
		ikw_witness_daemon(agent, proc->parents[0].tgid);
}

static void tell_process(struct ikw_agent *agent, uint32_t tgid, enum ikw_proc_op op)
{
	union ikw_event event;

	if (agent->other_pids)
		return;
	ikw_stamp(&event, IKW_EV_PROC, sizeof(event.proc), agent->netns.inode);
	event.hdr.flags = IKW_F_LATE;
	if (!ikw_procfs_describe(tgid, &event.proc))
		return;
	event.proc.op = op;
	if (op == IKW_PROC_DAEMON || op == IKW_PROC_UNHEARD)
		watch_parent(agent, &event.proc);
	ikw_scrub_proc(&event.proc);
	push(agent, &event);
}

bool ikw_agent_is_daemon(const struct ikw_agent *agent, uint32_t tgid)
{
	for (size_t i = 0; i < agent->daemon_count; i++)
		if (agent->daemons[i] == tgid)
			return true;
	return false;
}

static void forget_daemon(struct ikw_agent *agent, uint32_t tgid)
{
	for (size_t i = 0; i < agent->daemon_count; i++)
		if (agent->daemons[i] == tgid)
			agent->daemons[i] = agent->daemons[--agent->daemon_count];
	for (size_t i = agent->unheard_count; i--;)
		if (agent->unheard[i].tgid == tgid)
			agent->unheard[i] = agent->unheard[--agent->unheard_count];
}

static bool add_daemon(struct ikw_agent *agent, uint32_t tgid)
{
	if (ikw_agent_is_daemon(agent, tgid) || agent->daemon_count == IKW_DAEMONS_MAX)
		return false;
	agent->daemons[agent->daemon_count++] = tgid;
	agent->next_scan = ikw_boot_now() + SCAN_SOON;
	ikw_witness_daemon(agent, tgid);
	return true;
}

/* Once for each process and port. */
static void say_unheard(struct ikw_agent *agent, uint32_t tgid, uint16_t port)
{
	struct ikw_agent_unheard *unheard = &agent->unheard[agent->unheard_count];
	struct ikw_proc proc = { 0 };

	for (size_t i = 0; i < agent->unheard_count; i++)
		if (agent->unheard[i].tgid == tgid && agent->unheard[i].port == port)
			return;
	if (agent->unheard_count == IKW_UNHEARD_MAX || !ikw_procfs_describe(tgid, &proc))
		return;
	agent->unheard_count++;
	unheard->port = port;
	unheard->tgid = tgid;
	memcpy(unheard->comm, proc.comm, sizeof(unheard->comm));
	ikw_plain(unheard->comm);
	ikw_error("%.16s (pid %u) listens on UDP port %u, which is not watched: if it speaks IKE "
		  "there, add the port to ike-ports in ikewatch.conf",
		  unheard->comm, tgid, port);
}

/* A process that may be an IKE daemon, by the UDP ports that it has. */
struct listener {
	uint32_t tgid;
	bool ike;			 /* watched ones */
	uint16_t ports[IKW_UNHEARD_MAX]; /* others */
	size_t count;
};

/* In the namespace where the caller is. */
static void ask_listener(const struct ikw_agent *agent, struct listener *l)
{
	if (!ikw_agent_is_daemon(agent, l->tgid))
		l->count = ikw_procfs_other_ports(l->tgid, agent->options.ports,
						  agent->options.port_count, l->ports,
						  IKW_UNHEARD_MAX);
}

static void take_listener(struct ikw_agent *agent, const struct listener *l)
{
	if ((!l->ike && !l->count) || !add_daemon(agent, l->tgid))
		return;
	if (l->ike)
		tell_process(agent, l->tgid, IKW_PROC_DAEMON);
	if (l->count)
		tell_process(agent, l->tgid, IKW_PROC_UNHEARD);
	for (size_t i = 0; i < l->count; i++)
		say_unheard(agent, l->tgid, l->ports[i]);
}

void ikw_agent_daemons(struct ikw_agent *agent)
{
	uint32_t tgids[IKW_DAEMONS_MAX];
	struct listener found[IKW_DAEMONS_MAX];
	size_t ike, count;

	agent->next_scan = agent->other_pids ? UINT64_MAX : ikw_boot_now() + SCAN_LATER;
	if (agent->other_pids || ikw_netns_enter_socket(&agent->netns, agent->rt.dump_fd))
		return;
	ike = ikw_procfs_daemons(agent->options.ports, agent->options.port_count, tgids,
				 IKW_DAEMONS_MAX);
	count = ike + ikw_procfs_xfrm_holders(tgids + ike, IKW_DAEMONS_MAX - ike);
	for (size_t i = 0; i < count; i++) {
		found[i] = (struct listener){ .tgid = tgids[i], .ike = i < ike };
		ask_listener(agent, &found[i]);
	}
	ikw_netns_leave(&agent->netns);
	for (size_t i = 0; i < count; i++)
		take_listener(agent, &found[i]);
}

/*
 * An SA added or deleted by someone not known as a daemon: it may be one that has
 * just started. A look for all is dear, and not made for each; that one process is
 * asked for then. (A daemon that stands by in a cluster reserves no SPIs and speaks
 * no IKE, by which it would be known.)
 */
static void look_for_daemon(struct ikw_agent *agent, const struct ikw_actor *by)
{
	struct listener one = { .tgid = by->tgid };
	uint64_t now = ikw_boot_now();

	if (!agent->attached || agent->next_scan == UINT64_MAX ||
	    (by->tgid && ikw_agent_is_daemon(agent, by->tgid)))
		return;
	if (now >= agent->next_scan) {
		ikw_agent_daemons(agent);
		return;
	}
	if (!by->tgid || now < agent->next_ask ||
	    (by->tgid == agent->no_daemon && now < agent->no_daemon_until) ||
	    ikw_netns_enter_socket(&agent->netns, agent->rt.dump_fd))
		return;
	one.ike = ikw_procfs_is_daemon(by->tgid, agent->options.ports, agent->options.port_count);
	ask_listener(agent, &one);
	ikw_netns_leave(&agent->netns);
	agent->next_ask = ikw_boot_now() + ASK_SHARE * (ikw_boot_now() - now);
	take_listener(agent, &one);
	if (!ikw_agent_is_daemon(agent, by->tgid)) {
		agent->no_daemon = by->tgid;
		agent->no_daemon_until = now + SCAN_LATER;
	}
}

/* ---- who is behind a netlink port --------------------------------------- */

static void forget_ports(struct ikw_agent *agent)
{
	struct ikw_agent_port *port, *next;

	HASH_ITER (hh, agent->ports, port, next) {
		HASH_DEL(agent->ports, port);
		free(port);
	}
}

void ikw_agent_forget(struct ikw_agent *agent)
{
	forget_ports(agent);
	for (size_t i = 0; i < IKW_DAEMONS_LOST; i++)
		free(agent->lost_daemons[i].tunnels);
}

static void ask_port(struct ikw_agent *agent, struct ikw_agent_port *port)
{
	union ikw_event event = { 0 };
	uint32_t tgid = 0;

	if (!ikw_netns_enter_socket(&agent->netns, agent->rt.dump_fd)) {
		tgid = ikw_procfs_xfrm_port(port->actor.portid);
		ikw_netns_leave(&agent->netns);
	}
	if (tgid != port->actor.tgid && tgid)
		tell_process(agent, tgid, IKW_PROC_SEEN);
	if (!tgid || !ikw_procfs_describe(tgid, &event.proc))
		tgid = 0;
	port->actor.tgid = port->actor.tid = tgid;
	port->actor.uid = event.proc.uid;
	memcpy(port->actor.comm, event.proc.comm, sizeof(port->actor.comm));
}

/* Completes an actor of whom only the netlink port is known. */
static void name_actor(struct ikw_agent *agent, struct ikw_actor *by)
{
	struct ikw_agent_port *port;
	uint64_t now = ikw_boot_now();

	if (!by->portid || by->tgid)
		return;
	HASH_FIND(hh, agent->ports, &by->portid, sizeof(by->portid), port);
	if (!port) {
		if (HASH_COUNT(agent->ports) >= PORTS_KEPT)
			forget_ports(agent);
		port = calloc(1, sizeof(*port));
		if (!port)
			return;
		port->actor.portid = by->portid;
		HASH_ADD(hh, agent->ports, actor.portid, sizeof(by->portid), port);
	}
	if (port->until <= now) {
		ask_port(agent, port);
		port->until = now + PORT_GOOD;
	}
	*by = port->actor;
}

/* ---- what belongs before and after an event ------------------------------ */

static void feed_esp(struct ikw_agent *agent, const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi)
{
	union ikw_event event;

	if (ikw_witness_esp(agent, daddr, spi, &event))
		push(agent, &event);
}

static int feed_tunnel_esp(void *ctx, const struct ikw_tunnel_info *info)
{
	for (unsigned int i = 0; i < info->sa_count; i++)
		feed_esp(ctx, info->sas[i].dir == IKW_DIR_IN ? info->src : info->dst,
			 info->sas[i].spi);
	return 0;
}

static void feed_sa(struct ikw_agent *agent, union ikw_event *event)
{
	struct ikw_sa *sa = &event->sa;
	uint8_t daddr[IKW_ADDR_LEN];
	union ikw_event route;
	bool routed = false;
	uint32_t spi;

	name_actor(agent, &sa->by);
	if (agent->other_pids)
		sa->hdr.flags |= IKW_F_NO_PROC;
	switch (sa->op) {
	case IKW_SA_ADD:
	case IKW_SA_DUMP:
	case IKW_SA_CHANGE:
		routed = ikw_rt_route(&agent->rt, sa, &route);
		if (sa->op == IKW_SA_ADD)
			look_for_daemon(agent, &sa->by);
		break;
	case IKW_SA_DELETE:
		if (sa->by.tgid)
			look_for_daemon(agent, &sa->by);
		feed_esp(agent, sa->daddr, sa->spi);
		/* A case may close before the other SA goes: its alarm needs both counts. */
		if (ikw_model_partner(agent->model, sa->daddr, sa->spi, daddr, &spi))
			feed_esp(agent, daddr, spi);
		break;
	default:
		break;
	}
	push(agent, event);
	/* behind the SA: a peer without IKE is known by it only */
	if (routed)
		push(agent, &route);
}

static void feed_proc(struct ikw_agent *agent, union ikw_event *event)
{
	if (!agent->other_pids &&
	    (event->proc.op == IKW_PROC_SEEN || event->proc.op == IKW_PROC_EXEC))
		ikw_procfs_complete(&event->proc);
	if (event->proc.op == IKW_PROC_EXIT)
		forget_daemon(agent, event->proc.tgid);
	ikw_scrub_proc(&event->proc);
	push(agent, event);
}

void ikw_agent_feed(struct ikw_agent *agent, union ikw_event *event)
{
	switch (event->hdr.type) {
	case IKW_EV_SA:
		feed_sa(agent, event);
		return;
	case IKW_EV_POLICY:
		name_actor(agent, &event->policy.by);
		break;
	case IKW_EV_FLUSH:
		name_actor(agent, &event->flush.by);
		/* Nobody will tell of the SAs one by one: their counters are read now. */
		if (event->flush.what == IKW_FLUSH_SA && !event->flush.each_told)
			ikw_model_tunnels(agent->model, feed_tunnel_esp, agent);
		break;
	case IKW_EV_PROC:
		feed_proc(agent, event);
		return;
	case IKW_EV_CONTROL:
		ikw_scrub_control(&event->control);
		break;
	default:
		break;
	}
	push(agent, event);
}

void ikw_agent_take(void *agent, union ikw_event *event)
{
	ikw_agent_feed(agent, event);
}

/* ---- alarms out --------------------------------------------------------- */

void ikw_agent_store_news(struct ikw_agent *agent)
{
	unsigned int replaced = ikw_store_replaced(agent->store);

	if (replaced != agent->store_replaced)
		ikw_error("store: %s", ikw_store_notice(agent->store));
	agent->store_replaced = replaced;
}

static void store_failed(struct ikw_agent *agent, bool failed)
{
	ikw_agent_store_news(agent);
	if (failed && !agent->store_failing)
		ikw_error("store: %s; alarms are kept in memory until it can be written",
			  ikw_store_error(agent->store));
	if (!failed && agent->store_failing)
		ikw_error("store: can be written again");
	agent->store_failing = failed;
}

static void add_line(struct ikw_agent *agent, const struct ikw_alarm *alarm)
{
	struct ikw_agent_line *line = calloc(1, sizeof(*line));
	char text[4096];

	if (!line)
		return;
	line->deleted = alarm->time;
	if (agent->options.json)
		line->json = ikw_alarm_json(alarm);
	else if (ikw_alarm_line(alarm, text, sizeof(text)) >= 0)
		line->text = strdup(text);
	*agent->lines_end = line;
	agent->lines_end = &line->next;
	agent->line_count++;
}

void ikw_agent_alarm(void *ctx, struct ikw_alarm *alarm)
{
	struct ikw_agent *agent = ctx;

	if (ikw_agent_was_given(agent, alarm))
		return;
	ikw_rules_apply(&agent->options.rules, alarm);
	alarm->emitted = ikw_boot_now();
	if (agent->store)
		ikw_store_alarm(agent->store, alarm);
	else
		alarm->id = ++agent->next_id;
	if (!alarm->history)
		add_line(agent, alarm);
	/* a dump, or a settle time, may end a hundred thousand cases in one turn of the loop */
	if (agent->line_count >= LINES_MAX)
		ikw_agent_flush(agent);
}

void ikw_agent_tunnel(void *ctx, const char *key, uint32_t index)
{
	struct ikw_agent *agent = ctx;

	if (agent->store)
		ikw_store_add_tunnel(agent->store, key, index);
}

bool ikw_agent_known(void *ctx, const char *key, struct ikw_tunnel_past *past)
{
	struct ikw_agent *agent = ctx;

	return agent->store && ikw_store_known(agent->store, key, past) == 1;
}

void ikw_agent_tunnel_up(void *ctx, uint32_t index, uint64_t boot)
{
	struct ikw_agent *agent = ctx;

	if (agent->store)
		ikw_store_tunnel_up(agent->store, index, ikw_model_wall(agent->model, boot),
				    agent->replaying);
}

/* Not an alarm, for nothing was deleted: said on stderr, and kept for `status`. */
void ikw_agent_daemon_lost(void *ctx, const struct ikw_daemon_lost *lost)
{
	struct ikw_agent *agent = ctx;
	struct ikw_agent_lost_daemon *d =
		&agent->lost_daemons[agent->lost_daemon_count++ % IKW_DAEMONS_LOST];
	char how[48], list[200];
	size_t n = 0;

	free(d->tunnels);
	d->wall = ikw_model_wall(agent->model, lost->time);
	d->pid = lost->pid;
	d->exit_code = lost->exit_code;
	memcpy(d->comm, lost->comm, sizeof(d->comm));
	ikw_plain(d->comm);
	d->tunnels = calloc(lost->count, sizeof(*d->tunnels));
	d->count = d->tunnels ? lost->count : 0;
	if (d->tunnels)
		memcpy(d->tunnels, lost->tunnels, lost->count * sizeof(*d->tunnels));
	for (size_t i = 0; i < lost->count && n < sizeof(list) - 16; i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%u", i ? ", " : "",
				      lost->tunnels[i]);
	if (lost->exit_code & 0x7f)
		snprintf(how, sizeof(how), "killed by signal %d", lost->exit_code & 0x7f);
	else
		snprintf(how, sizeof(how), "exit status %d", lost->exit_code >> 8 & 0xff);
	ikw_error("daemon lost: %s (pid %u, %s) left %zu tunnels that nobody manages: %s%s",
		  d->comm, d->pid, how, lost->count, list, n >= sizeof(list) - 16 ? " ..." : "");
}

static char *line_text(struct ikw_agent_line *line)
{
	uint64_t now = ikw_boot_now();
	char *text;

	if (!line->json) {
		text = line->text;
		line->text = NULL;
		return text;
	}
	json_object_set_new(line->json, "latency_us",
			    json_integer(now > line->deleted ? (now - line->deleted) / 1000 : 0));
	text = json_dumps(line->json, IKW_JSON_FLAGS);
	json_decref(line->json);
	return text;
}

/* Says so once when stdout takes no more lines, and once when it takes them again. */
static void outlet_news(struct ikw_agent *agent, bool taken)
{
	struct ikw_outlet *outlet = &agent->outlet;
	const char *rest = agent->store ? "go to the store only" : "are lost";

	if (taken && agent->unprinted_said) {
		ikw_error("stdout: takes lines again; %llu alarms were not printed",
			  (unsigned long long)(outlet->dropped + 1 - agent->unprinted_said));
		agent->unprinted_said = 0;
	} else if (!taken && !agent->unprinted_said) {
		agent->unprinted_said = outlet->dropped;
		ikw_error("stdout: %s; alarms %s",
			  outlet->error ? strerror(outlet->error) : "nobody reads it", rest);
	}
}

static void write_line(struct ikw_agent *agent, struct ikw_agent_line *line)
{
	char *text = line_text(line);
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return;
	text[len] = '\n'; /* in place of the NUL */
	outlet_news(agent, ikw_outlet_put(&agent->outlet, text, len + 1));
}

/* A recording that cannot go on takes nothing else down; the exit status tells. */
static void end_recording(struct ikw_agent *agent)
{
	char why[PATH_MAX + 128];

	if (ikw_recorder_close(agent->recorder, why, sizeof(why)))
		ikw_error("%s; the recording ends here", why);
	agent->recorder = NULL;
	agent->failed = true;
}

void ikw_agent_flush(struct ikw_agent *agent)
{
	if (agent->store)
		store_failed(agent, ikw_store_commit(agent->store) < 0);
	while (agent->lines) {
		struct ikw_agent_line *line = agent->lines;

		agent->lines = line->next;
		write_line(agent, line);
		free(line);
	}
	agent->lines_end = &agent->lines;
	agent->line_count = 0;
	if (agent->store)
		ikw_store_begin(agent->store);
	if (agent->recorder && ikw_recorder_flush(agent->recorder))
		end_recording(agent);
}
