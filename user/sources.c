/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "agent.h"
#include "checkpoint.h"
#include "cli.h"
#include "notify.h"
#include "proc_events.h"
#include "procfs.h"
#include "recheck.h"
#include "witness.h"

#define DRAIN_ROUNDS  1000
#define RESYNC_AGAIN  (1 * IKW_S)
#define LOOK_AGAIN    (1 * IKW_S)
#define NETNS_TRY     (20 * IKW_MS)
#define NETNS_PATIENT (3 * IKW_S)
#define HOOK_AGAIN    (2 * IKW_S) /* what a script takes away it has made anew by then: chosen */

/* ---- links and the programs on them -------------------------------------- */

/*
 * Can IKE be seen on this link, and only here? Loopback and the links that
 * carry what has left IPsec are out. So are links stacked on others of the
 * namespace (VLAN, bridge, bond): the programs below them see the same packets,
 * and each must be seen once.
 */
static bool carries_ike(const struct ikw_agent_link *link)
{
	static const char *const without[] = { "xfrm",	"vti",	 "vti6", "ifb", "nlmon",
					       "dummy", "vxcan", "can",	 "vcan" };

	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		if (!strcmp(link->kind, without[i]))
			return false;
	return !link->stacked && strcmp(link->name, "lo");
}

static bool asked_for(const struct ikw_agent *agent, const char *name)
{
	for (size_t i = 0; i < agent->options.iface_count; i++)
		if (!strcmp(agent->options.ifaces[i], name))
			return true;
	return false;
}

static bool wanted(const struct ikw_agent *agent, const struct ikw_agent_link *link)
{
	return agent->options.iface_count ? asked_for(agent, link->name) : carries_ike(link);
}

static void hook(struct ikw_agent *agent, struct ikw_agent_link *link)
{
	int err = ikw_netns_enter_socket(&agent->netns, agent->rt.dump_fd);

	link->why[0] = 0;
	if (err) {
		snprintf(link->why, sizeof(link->why), "%s", strerror(-err));
		return;
	}
	link->hooked = ikw_witness_hook(agent, link, link->why, sizeof(link->why));
	ikw_netns_leave(&agent->netns);
	if (link->hooked || !link->why[0])
		return;
	ikw_error("%s: %s%s", link->name, link->why,
		  agent->options.iface_count ? "" : "; packets are not seen there");
	/* Asked for by name and not to be had: no start. */
	agent->failed = agent->failed || agent->options.iface_count;
}

static void sweep_hooks(struct ikw_agent *agent)
{
	if (ikw_netns_enter_socket(&agent->netns, agent->rt.dump_fd))
		return;
	ikw_witness_sweep(agent);
	ikw_netns_leave(&agent->netns);
}

void ikw_agent_rehook(struct ikw_agent *agent, bool anew)
{
	struct ikw_agent_link *link;
	bool failed = agent->failed;
	char why[256];

	if (!agent->attached || ikw_netns_enter_socket(&agent->netns, agent->rt.dump_fd))
		return;
	if (anew && !ikw_witness_renew(agent, why, sizeof(why)))
		ikw_error("%s", why);
	for (link = agent->links; link; link = link->hh.next) {
		if (link->hooked && !anew && !wanted(agent, link))
			ikw_witness_unhook(agent, link->ifindex);
		link->hooked = link->hooked && !anew && wanted(agent, link);
		link->why[0] = 0;
	}
	ikw_netns_leave(&agent->netns);
	for (link = agent->links; link; link = link->hh.next)
		if (!link->hooked && wanted(agent, link))
			hook(agent, link);
	sweep_hooks(agent);
	agent->failed = failed; /* an agent that runs is not ended by what it cannot have */
	ikw_agent_probes(agent);
}

static void forget_link(struct ikw_agent *agent, struct ikw_agent_link *link)
{
	if (link->hooked)
		ikw_witness_unhook(agent, link->ifindex);
	HASH_DEL(agent->links, link);
	free(link);
}

static struct ikw_agent_link *find_link(struct ikw_agent *agent, uint32_t ifindex)
{
	struct ikw_agent_link *link;

	HASH_FIND(hh, agent->links, &ifindex, sizeof(ifindex), link);
	return link;
}

/* The place of a name among the missed, or one that is free; NULL: neither. */
static char *missed(struct ikw_agent *agent, const char *name)
{
	for (size_t i = 0; i < IKW_MISSED_MAX; i++)
		if (!strcmp(agent->missed[i], name))
			return agent->missed[i];
	return NULL;
}

/* Links come and go on many a host: said is only what somebody asked for or tunnels need. */
static void say_gone(struct ikw_agent *agent, const struct ikw_agent_link *link)
{
	char *place = missed(agent, link->name);
	uint64_t tunnels;

	if (!link->hooked)
		return;
	tunnels = ikw_model_tunnels_over(agent->model, link->ifindex);
	if (!tunnels && !asked_for(agent, link->name))
		return;
	ikw_error("%s: removed, the way of %" PRIu64 " tunnels; packets are seen there again when "
		  "it is back",
		  link->name, tunnels);
	if (!place)
		place = missed(agent, "");
	if (place)
		memcpy(place, link->name, IKW_NAME_LEN);
}

static void say_back(struct ikw_agent *agent, const struct ikw_agent_link *link)
{
	char *place = missed(agent, link->name);

	if (!link->hooked || !place || !*place)
		return;
	ikw_error("%s: is back, packets are seen there", link->name);
	memset(place, 0, IKW_NAME_LEN);
}

static void link_gone(struct ikw_agent *agent, struct ikw_agent_link *link)
{
	if (!link)
		return;
	say_gone(agent, link);
	forget_link(agent, link);
}

static void note_link(struct ikw_agent *agent, const struct ikw_link *event)
{
	struct ikw_agent_link *link = find_link(agent, event->ifindex);

	if (event->op == IKW_LINK_GONE) {
		link_gone(agent, link);
		return;
	}
	if (!link) {
		link = calloc(1, sizeof(*link));
		if (!link)
			return;
		link->ifindex = event->ifindex;
		HASH_ADD(hh, agent->links, ifindex, sizeof(link->ifindex), link);
	}
	if (link->hooked && strncmp(link->name, event->name, sizeof(link->name)))
		ikw_witness_rename(agent, link->ifindex, event->name);
	memcpy(link->name, event->name, sizeof(link->name));
	memcpy(link->kind, event->kind, sizeof(link->kind));
	link->stacked = ikw_rt_stacked(event);
	link->seen = true;
	if (!link->hooked && !link->why[0] && wanted(agent, link)) {
		hook(agent, link);
		say_back(agent, link);
	}
}

/*
 * A script that begins its traffic shaping anew takes the clsact away, and with it what
 * hangs there, ours too. It mostly makes another one at once, which would be refused were
 * one of ours there already: so ours waits.
 */
static void filters_gone(void *ctx, uint32_t ifindex)
{
	struct ikw_agent *agent = ctx;
	struct ikw_agent_link *link = find_link(agent, ifindex);
	bool cut;

	if (!link || !agent->attached || (!link->hooked && !link->cut) ||
	    ikw_netns_enter_socket(&agent->netns, agent->rt.dump_fd))
		return;
	cut = link->hooked && ikw_witness_cut(agent, ifindex);
	ikw_netns_leave(&agent->netns);
	if (link->hooked && !cut)
		return;
	agent->hook_again_at = ikw_boot_now() + HOOK_AGAIN;
	if (!cut)
		return;
	ikw_error("%s: somebody took ikewatch's tc filters away; packets are not seen there for "
		  "two seconds",
		  link->name);
	link->cut = agent->last_event;
	link->hooked = false;
	snprintf(link->why, sizeof(link->why), "somebody took the tc filters away");
}

static void hook_again(struct ikw_agent *agent)
{
	uint64_t since = UINT64_MAX;

	agent->hook_again_at = UINT64_MAX;
	for (struct ikw_agent_link *link = agent->links; link; link = link->hh.next) {
		if (!link->cut)
			continue;
		if (!link->hooked)
			hook(agent, link);
		/* a qdisc of theirs in the way may go, too, and is told of then */
		if (!link->hooked)
			continue;
		since = link->cut < since ? link->cut : since;
		link->cut = 0;
		ikw_error("%s: ikewatch's tc filters are there again", link->name);
	}
	ikw_agent_probes(agent);
	if (since != UINT64_MAX)
		ikw_witness_back(agent, since);
}

static void take_rt(void *ctx, union ikw_event *event)
{
	struct ikw_agent *agent = ctx;

	if (event->hdr.type == IKW_EV_LINK)
		note_link(agent, &event->link);
	ikw_agent_feed(agent, event);
}

/* A link that a dump does not show is gone, though its end was never told. */
static void sweep_links(struct ikw_agent *agent)
{
	struct ikw_agent_link *link, *next;
	union ikw_event event;

	HASH_ITER (hh, agent->links, link, next) {
		if (link->seen)
			continue;
		ikw_stamp(&event, IKW_EV_LINK, sizeof(event.link), agent->netns.inode);
		event.hdr.flags = IKW_F_NETLINK | IKW_F_LATE;
		event.link.op = IKW_LINK_GONE;
		event.link.ifindex = link->ifindex;
		memcpy(event.link.name, link->name, sizeof(event.link.name));
		memcpy(event.link.kind, link->kind, sizeof(event.link.kind));
		take_rt(agent, &event);
	}
}

static int read_links(struct ikw_agent *agent)
{
	struct ikw_agent_link *link;
	int err;

	for (link = agent->links; link; link = link->hh.next)
		link->seen = false;
	err = ikw_rt_dump(&agent->rt, take_rt, agent);
	if (!err)
		sweep_links(agent);
	return err < 0 ? err : 0;
}

/* ---- draining ------------------------------------------------------------ */

/* A daemon speaks IKE, and then installs: what the wire tells goes before each. */
static void take_xfrm(void *ctx, union ikw_event *event)
{
	for (int i = 0; i < DRAIN_ROUNDS && ikw_witness_drain(ctx); i++)
		;
	ikw_agent_take(ctx, event);
}

/* True when more may wait. */
static bool read_xfrm(struct ikw_agent *agent)
{
	int got;

	if (agent->xfrm_poll.fd < 0)
		return false;
	got = ikw_xfrm_read(&agent->xfrm, take_xfrm, agent);
	if (got == -ENOBUFS)
		ikw_agent_lost(agent, IKW_LOST_NETLINK, 0, agent->last_event,
			       IKW_SEES_SA | IKW_SEES_POLICY);
	return got > 0 || got == -ENOBUFS;
}

static bool read_rt(struct ikw_agent *agent)
{
	struct ikw_agent_link *link;
	int got;

	if (agent->rt_poll.fd < 0)
		return false;
	got = ikw_rt_read(&agent->rt, take_rt, agent);
	if (got == -ENOBUFS) {
		ikw_agent_lost(agent, IKW_LOST_NETLINK, 0, agent->last_event, IKW_SEES_LINK);
		read_links(agent);
		for (link = agent->links; link; link = link->hh.next)
			filters_gone(agent, link->ifindex);
	}
	ikw_agent_probes(agent); /* links came, went, or could not be hooked */
	return got > 0 || got == -ENOBUFS;
}

void ikw_agent_drain(struct ikw_agent *agent)
{
	bool more = true;

	for (int i = 0; more && i < DRAIN_ROUNDS; i++) {
		more = ikw_witness_drain(agent);
		more |= read_xfrm(agent);
		more |= read_rt(agent);
	}
}

static void feed_dump(struct ikw_agent *agent, enum ikw_dump_op op)
{
	union ikw_event event;

	ikw_stamp(&event, IKW_EV_DUMP, sizeof(event.dump), agent->netns.inode);
	event.hdr.flags = IKW_F_NETLINK;
	event.dump.op = op;
	ikw_agent_feed(agent, &event);
}

/*
 * Everything told before the dump is fed before its SAs, everything told while
 * it ran before its end: an SA deleted meanwhile is then gone by its own record
 * and not missed by the dump, and one added meanwhile is not taken for missing.
 * The beginning comes first of all: what was told may be about SAs that only
 * the dump makes known, and the model judges nothing until it has ended.
 */
static void resync(struct ikw_agent *agent)
{
	uint64_t flushes;
	int err;

	agent->resync_at = UINT64_MAX;
	if (!agent->attached)
		return;
	feed_dump(agent, IKW_DUMP_BEGIN);
	ikw_agent_drain(agent);
	flushes = agent->seen[IKW_EV_FLUSH];
	err = ikw_xfrm_dump(&agent->xfrm, ikw_agent_take, agent);
	ikw_agent_drain(agent);
	if (!err) {
		feed_dump(agent, IKW_DUMP_END);
		ikw_witness_dumped(agent);
		agent->compared = agent->agreed = ikw_boot_now();
		agent->doubtful = false;
		/* what such a flush took of what the dump had just shown, another dump tells */
		if (agent->tier == IKW_TIER_NETLINK && agent->seen[IKW_EV_FLUSH] != flushes)
			agent->resync_at = ikw_boot_now() + IKW_RESYNC_WAIT;
		return;
	}
	ikw_error("xfrm: the SAs could not be read: %s", strerror(-err));
	agent->resync_at = ikw_boot_now() + RESYNC_AGAIN;
}

/*
 * A probe may not run (a kprobe is missed while the same CPU is in another), and no
 * record of ours is missing then. So the SAD is compared with the model now and then: what
 * the SAD lacks twice was lost, and a dump tells of it. Once says nothing, for a
 * record may be late. While nothing is missing nothing is fed.
 */
static void recheck(struct ikw_agent *agent)
{
	struct ikw_recheck *look = ikw_recheck_new(ikw_boot_now());
	bool again = agent->doubtful;
	uint64_t missing;

	agent->compared = ikw_boot_now();
	agent->doubtful = false;
	if (!look)
		return;
	ikw_agent_drain(agent);
	if (!ikw_xfrm_look(&agent->xfrm, ikw_recheck_take, look)) {
		ikw_agent_drain(agent);
		missing = ikw_recheck_missing(look, agent->model);
		agent->doubtful = missing && !again;
		if (missing && again)
			ikw_agent_lost(agent, IKW_LOST_PROBE, missing, agent->agreed, IKW_SEES_SA);
		else if (!missing)
			agent->agreed = agent->compared;
	}
	ikw_recheck_free(look);
}

/* Boot time ns of the next look; UINT64_MAX: none. A dump that is wanted will show it all. */
static uint64_t recheck_due(const struct ikw_agent *agent)
{
	if (!agent->attached || agent->resync_at != UINT64_MAX || !agent->options.recheck_ns)
		return UINT64_MAX;
	return agent->compared + (agent->doubtful ? LOOK_AGAIN : agent->options.recheck_ns);
}

/* The model knows them; who begins to record does not. */
static void tell_ike(void *ctx, const union ikw_event *event, bool done)
{
	struct ikw_agent *agent = ctx;

	(void)done;
	if (agent->recorder)
		ikw_recorder_event(agent->recorder, event);
	ikw_control_event(agent->control, event);
}

/* Tells how everything stands once more, for a recording that begins now. */
static void snapshot(struct ikw_agent *agent)
{
	agent->snapshot = false;
	ikw_agent_clock(agent);
	agent->seen[IKW_EV_PROBES] = 0; /* so that it is told again */
	ikw_agent_probes(agent);
	if (!agent->attached)
		return;
	ikw_rt_forget(&agent->rt);
	read_links(agent);
	agent->daemon_count = 0;
	ikw_agent_daemons(agent);
	resync(agent);
	ikw_model_ikes(agent->model, tell_ike, agent);
}

/* ---- descriptors of the namespace ---------------------------------------- */

static void ring_ready(void *ctx)
{
	ikw_witness_drain(ctx);
}

/* The kernel's probes tell sooner than netlink: what they have goes first. */
static void xfrm_ready(void *ctx)
{
	ikw_witness_drain(ctx);
	read_xfrm(ctx);
}

static void rt_ready(void *ctx)
{
	ikw_witness_drain(ctx);
	read_rt(ctx);
}

static void feed_netns(struct ikw_agent *agent, enum ikw_netns_op op)
{
	union ikw_event event;

	if (agent->netns.own)
		return;
	ikw_stamp(&event, IKW_EV_NETNS, sizeof(event.netns), agent->netns.inode);
	event.netns.op = op;
	memcpy(event.netns.name, agent->netns.name, sizeof(event.netns.name));
	ikw_agent_feed(agent, &event);
}

static int poll_on(struct ikw_agent *agent, struct ikw_poll *poll, int fd, void (*ready)(void *))
{
	*poll = (struct ikw_poll){ -1, ready, agent };
	return fd < 0 ? 0 : ikw_loop_add(&agent->loop, poll, fd, EPOLLIN);
}

/* A namespace that is torn down sends no XFRM message: its SAs go with it, unsaid. */
static void end_ready(void *ctx)
{
	struct ikw_agent *agent = ctx;
	union ikw_event event;

	if (!ikw_netns_end_read(&agent->netns_end))
		return;
	ikw_stamp(&event, IKW_EV_FLUSH, sizeof(event.flush), agent->netns.inode);
	event.hdr.flags = IKW_F_NETLINK;
	event.flush.what = IKW_FLUSH_SA;
	ikw_agent_feed(agent, &event);
}

static void await_end(struct ikw_agent *agent)
{
	int err;

	if (agent->tier != IKW_TIER_NETLINK || agent->netns.own)
		return;
	err = ikw_netns_end_await(&agent->netns_end, agent->netns.path, agent->netns.inode);
	if (!err && agent->end_poll.fd < 0)
		err = poll_on(agent, &agent->end_poll, agent->netns_end.fd, end_ready);
	if (err)
		ikw_error("netns %s: its end cannot be told: %s; its tunnels give no alarm then",
			  agent->netns.name, strerror(-err));
}

static int open_sockets(struct ikw_agent *agent)
{
	bool subscribe = agent->tier == IKW_TIER_NETLINK;
	int err = ikw_rt_open(&agent->rt, agent->netns.inode);

	agent->rt.filters_gone = filters_gone;
	if (!err)
		err = ikw_xfrm_open(&agent->xfrm, agent->netns.inode, subscribe);
	if (!err)
		err = poll_on(agent, &agent->rt_poll, agent->rt.fd, rt_ready);
	if (!err)
		err = poll_on(agent, &agent->xfrm_poll, agent->xfrm.fd, xfrm_ready);
	return err;
}

static bool attach_inside(struct ikw_agent *agent, char *why, size_t size)
{
	int err = open_sockets(agent);

	if (err) {
		snprintf(why, size, "netlink: %s", strerror(-err));
		return false;
	}
	return ikw_witness_netns(agent, why, size);
}

bool ikw_agent_attach(struct ikw_agent *agent, char *why, size_t size)
{
	int err = ikw_netns_enter(&agent->netns);
	bool fine;

	if (err) {
		snprintf(why, size, "netns %s: %s", agent->netns.path, strerror(-err));
		return false;
	}
	fine = attach_inside(agent, why, size);
	ikw_netns_leave(&agent->netns);
	agent->attached = fine;
	if (!fine) {
		ikw_agent_detach(agent);
		return false;
	}
	await_end(agent);
	if (agent->known_till)
		ikw_agent_catch_up(agent);
	ikw_agent_clock(agent);
	feed_netns(agent, IKW_NETNS_NAMED);
	err = read_links(agent);
	if (err) {
		snprintf(why, size, "links: %s", strerror(-err));
		ikw_agent_detach(agent);
		return false;
	}
	ikw_agent_probes(agent);
	sweep_hooks(agent);
	/* what is told now may be about SAs that only the dump makes known: no case closes */
	feed_dump(agent, IKW_DUMP_BEGIN);
	/* without a journal no case waits, and addresses make the records understood */
	ikw_agent_catch_up(agent);
	ikw_agent_daemons(agent);
	resync(agent);
	return true;
}

void ikw_agent_detach(struct ikw_agent *agent)
{
	struct ikw_agent_link *link, *next;
	bool inside =
		agent->rt.dump_fd >= 0 && !ikw_netns_enter_socket(&agent->netns, agent->rt.dump_fd);

	HASH_ITER (hh, agent->links, link, next) {
		HASH_DEL(agent->links, link);
		free(link);
	}
	if (inside) {
		ikw_witness_release(agent);
		ikw_netns_leave(&agent->netns);
	}
	ikw_loop_del(&agent->loop, &agent->rt_poll);
	ikw_loop_del(&agent->loop, &agent->xfrm_poll);
	ikw_rt_close(&agent->rt);
	ikw_xfrm_close(&agent->xfrm);
	HASH_ITER (hh, agent->links, link, next) {
		forget_link(agent, link);
	}
	agent->attached = false;
	agent->resync_at = UINT64_MAX;
}

/* ---- the namespace's name ------------------------------------------------ */

static void netns_gone(struct ikw_agent *agent)
{
	ikw_agent_drain(agent);
	feed_netns(agent, IKW_NETNS_NAME_GONE);
	ikw_agent_detach(agent);
	ikw_agent_probes(agent);
	ikw_error("netns %s: its name is gone, let go of it", agent->netns.name);
}

/* `ip netns add` makes the file first and mounts the namespace on it a moment later. */
static void netns_try(struct ikw_agent *agent, uint64_t now)
{
	char why[256];

	if (ikw_agent_attach(agent, why, sizeof(why))) {
		agent->netns_retry = UINT64_MAX;
		ikw_error("netns %s: watched again", agent->netns.name);
	} else if (now >= agent->netns_until) {
		agent->netns_retry = UINT64_MAX;
		ikw_error("%s; not watched", why);
	} else {
		agent->netns_retry = now + NETNS_TRY;
	}
}

static void netns_ready(void *ctx)
{
	struct ikw_agent *agent = ctx;
	int fd = agent->netns_poll.fd;
	enum ikw_netns_news news = ikw_netns_news(&agent->netns);

	if (agent->netns.watch_fd != fd)
		ikw_loop_del(&agent->loop, &agent->netns_poll);
	if (news == IKW_NETNS_SAME)
		return;
	if (agent->attached)
		netns_gone(agent);
	agent->netns_retry = news == IKW_NETNS_CAME ? 0 : UINT64_MAX;
	agent->netns_until = ikw_boot_now() + NETNS_PATIENT;
}

/* ---- signals, clock, processes -------------------------------------------- */

static void signal_ready(void *ctx)
{
	struct ikw_agent *agent = ctx;
	struct signalfd_siginfo info;

	while (read(agent->signal_poll.fd, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo == SIGHUP)
			agent->reloading = true;
		else
			agent->stopping = true;
}

static int open_signals(struct ikw_agent *agent)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : poll_on(agent, &agent->signal_poll, fd, signal_ready);
}

/* A timer that never ends, but is cancelled when someone sets the wall clock. */
static int arm_clock(int fd)
{
	struct itimerspec far = { .it_value.tv_sec = (time_t)1 << 40 };

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL);
}

/* What a time service corrects by little and little is not worth a line. */
static void say_clock(const struct ikw_agent *agent)
{
	uint64_t was = ikw_model_wall(agent->model, ikw_boot_now()), now = ikw_wall_now();
	uint64_t step = now > was ? now - was : was - now;

	if (was && step >= IKW_S)
		ikw_error("clock: set %s by %.1f s; what happened in which "
			  "order is told by the alarms' numbers, not by their times",
			  now > was ? "forward" : "back", (double)step / (double)IKW_S);
}

static void clock_ready(void *ctx)
{
	struct ikw_agent *agent = ctx;
	uint64_t ignored;

	if (read(agent->clock_poll.fd, &ignored, sizeof(ignored)) < 0 && errno != ECANCELED)
		return;
	arm_clock(agent->clock_poll.fd);
	say_clock(agent);
	ikw_agent_clock(agent);
}

static int open_clock(struct ikw_agent *agent)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || arm_clock(fd) < 0)
		return -errno;
	return poll_on(agent, &agent->clock_poll, fd, clock_ready);
}

static void take_news(void *ctx, const struct ikw_proc_news *news)
{
	struct ikw_agent *agent = ctx;
	union ikw_event event;

	ikw_stamp(&event, IKW_EV_PROC, sizeof(event.proc), agent->netns.inode);
	event.hdr.flags = IKW_F_NETLINK | IKW_F_LATE;
	event.proc.op = news->exited ? IKW_PROC_EXIT : IKW_PROC_EXEC;
	event.proc.tgid = news->tgid;
	event.proc.loginuid = ~0U;
	event.proc.exit_code = (int)news->status;
	if (news->exited) {
		if (ikw_agent_is_daemon(agent, news->tgid))
			ikw_agent_feed(agent, &event);
	} else if (ikw_procfs_describe(news->tgid, &event.proc) &&
		   ikw_procfs_is_control_tool(event.proc.args, event.proc.args_len)) {
		ikw_agent_feed(agent, &event);
	}
}

static void proc_ready(void *ctx)
{
	struct ikw_agent *agent = ctx;

	if (ikw_proc_events_read(agent->proc_poll.fd, take_news, agent) == -ENOBUFS)
		ikw_agent_lost(agent, IKW_LOST_NETLINK, 0, agent->last_event, IKW_SEES_EXIT);
}

bool ikw_agent_sources(struct ikw_agent *agent, char *why, size_t size)
{
	int err = open_signals(agent);
	int fd;

	if (!err)
		err = open_clock(agent);
	if (!err)
		err = ikw_netns_watch(&agent->netns);
	if (!err)
		err = poll_on(agent, &agent->netns_poll, agent->netns.watch_fd, netns_ready);
	if (!err)
		err = poll_on(agent, &agent->ring_poll, ikw_witness_fd(agent), ring_ready);
	if (err) {
		snprintf(why, size, "run: %s", strerror(-err));
		return false;
	}
	if (ikw_witness_sees(agent) & IKW_SEES_EXIT)
		return true;
	fd = ikw_proc_events_open();
	if (fd < 0)
		ikw_error("process connector: %s; exits of IKE daemons are not seen",
			  strerror(-fd));
	else
		poll_on(agent, &agent->proc_poll, fd, proc_ready);
	return true;
}

/* ---- what is due ---------------------------------------------------------- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void reload(struct ikw_agent *agent)
{
	agent->reloading = false;
	if (!agent->reload)
		return;
	ikw_notify_reloading();
	agent->reload(agent);
	ikw_notify_ready();
}

uint64_t ikw_agent_due(struct ikw_agent *agent, uint64_t now)
{
	uint64_t next;

	if (agent->next_clock <= now)
		ikw_agent_clock(agent);
	if (agent->snapshot)
		snapshot(agent);
	if (agent->reloading)
		reload(agent);
	if (agent->netns_retry <= now)
		netns_try(agent, now);
	if (agent->resync_at <= now)
		resync(agent);
	else if (recheck_due(agent) <= now)
		recheck(agent);
	if (agent->hook_again_at <= now)
		hook_again(agent);
	if (ikw_model_deadline(agent->model) <= now)
		ikw_model_tick(agent->model, now);
	ikw_control_tick(agent->control, now);
	next = sooner(ikw_witness_tick(agent, now), agent->next_clock);
	next = sooner(next, ikw_notify_alive(now));
	next = sooner(next, sooner(agent->netns_retry, agent->resync_at));
	next = sooner(next, agent->hook_again_at);
	next = sooner(next, recheck_due(agent));
	next = sooner(next, ikw_model_deadline(agent->model));
	return sooner(next, ikw_control_deadline(agent->control));
}
