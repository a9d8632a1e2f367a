// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>
#include "host.h"

#define MAX_PROCESSES 4096 /* as many as are remembered; daemons are never forgotten */
/* Of addresses that are gone, so many, or for so long. */
#define GONE_ADDRESSES 1024
#define GONE_LONG      UINT64_C(600000000000)

/* From the end of a script to what the daemon does next: chosen. */
#define WENT_ON UINT64_C(500000000)

int ikw_host_init(struct ikw_host *host)
{
	memset(host, 0, sizeof(*host));
	if (ikw_table_init(&host->processes) || ikw_table_init(&host->links) ||
	    ikw_table_init(&host->xfrm_links))
		return -1;
	return ikw_table_init(&host->addresses);
}

static void table_drop(struct ikw_table *table, size_t offset)
{
	struct ikw_node *node;
	size_t at = 0;

	while ((node = ikw_table_each(table, &at)))
		free((char *)node - offset);
	ikw_table_free(table);
}

void ikw_host_free(struct ikw_host *host)
{
	table_drop(&host->processes, offsetof(struct ikw_process, node));
	table_drop(&host->addresses, offsetof(struct ikw_address, node));
	ikw_host_links_free(host);
}

/* ---- processes --------------------------------------------------------- */

static uint64_t tgid_hash(uint32_t tgid)
{
	return ikw_hash(&tgid, sizeof(tgid), 1);
}

struct ikw_process *ikw_host_process(const struct ikw_host *host, uint32_t tgid)
{
	struct ikw_find find;
	struct ikw_node *node;

	if (!tgid)
		return NULL;
	for (node = ikw_find_first(&find, &host->processes, tgid_hash(tgid)); node;
	     node = ikw_find_next(&find)) {
		struct ikw_process *p = IKW_CONTAINER(node, struct ikw_process, node);

		if (p->seen.tgid == tgid)
			return p;
	}
	return NULL;
}

static void process_unlink(struct ikw_host *host, struct ikw_process *p)
{
	if (p->newer)
		p->newer->older = p->older;
	else
		host->newest = p->older;
	if (p->older)
		p->older->newer = p->newer;
	else
		host->oldest = p->newer;
}

static void process_link(struct ikw_host *host, struct ikw_process *p)
{
	p->newer = NULL;
	p->older = host->newest;
	if (host->newest)
		host->newest->newer = p;
	else
		host->oldest = p;
	host->newest = p;
}

static void processes_bound(struct ikw_host *host)
{
	struct ikw_process *p = host->oldest;

	while (p && host->processes.count > MAX_PROCESSES) {
		struct ikw_process *newer = p->newer;

		if (!p->daemon || p->exited) {
			process_unlink(host, p);
			ikw_table_del(&host->processes, &p->node);
			free(p);
		}
		p = newer;
	}
}

static struct ikw_process *process_get(struct ikw_host *host, uint32_t tgid)
{
	struct ikw_process *p = ikw_host_process(host, tgid);

	if (p || !tgid)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->seen.tgid = tgid;
	p->seen.loginuid = ~0U;
	p->node.hash = tgid_hash(tgid);
	ikw_table_add(&host->processes, &p->node);
	process_link(host, p);
	processes_bound(host);
	return p;
}

static void proc_event(struct ikw_host *host, const struct ikw_proc *ev)
{
	struct ikw_process *p;
	bool reused, anew;
	uint64_t start;

	/* short-lived and many: outside.c keeps what matters of them */
	if (ev->op == IKW_PROC_PROBER || ev->op == IKW_PROC_PROBED)
		return;
	p = process_get(host, ev->tgid);
	if (!p)
		return;
	if (ev->op == IKW_PROC_EXIT) {
		p->exited = ev->hdr.time;
		p->seen.exit_code = ev->exit_code;
		return;
	}
	reused = p->described && ev->start && p->seen.start && p->seen.start != ev->start;
	anew = reused || p->exited;
	if (anew) {
		p->daemon = p->negotiates = p->unheard = p->asks = p->unasked = false;
		p->asks_gap = 0;
		p->exited = 0;
	}
	p->daemon = p->daemon || ev->op == IKW_PROC_DAEMON;
	p->unheard = p->unheard || ev->op == IKW_PROC_UNHEARD;
	if (ev->op == IKW_PROC_DAEMON && p->described && !ev->exe[0])
		return;
	start = p->seen.start;
	p->seen = *ev;
	/* /proc has it in ticks only */
	if (!ev->start && !anew)
		p->seen.start = start;
	p->described = true;
	process_unlink(host, p);
	process_link(host, p);
}

void ikw_host_daemon(struct ikw_host *host, const struct ikw_actor *actor, uint64_t time)
{
	struct ikw_process *p = process_get(host, actor->tgid);

	if (!p)
		return;
	if (p->exited && p->exited < time)
		p->exited = 0;
	if (!p->described) {
		memcpy(p->seen.comm, actor->comm, sizeof(p->seen.comm));
		p->seen.uid = actor->uid;
	}
	p->daemon = p->negotiates = true;
}

bool ikw_host_has_daemon(const struct ikw_host *host)
{
	const struct ikw_process *p = host->newest;

	while (p && (!p->daemon || p->exited))
		p = p->older;
	return p != NULL;
}

bool ikw_host_is_daemon(const struct ikw_host *host, uint32_t tgid)
{
	const struct ikw_process *p = ikw_host_process(host, tgid);

	return p && p->daemon;
}

bool ikw_host_unheard(const struct ikw_host *host, uint32_t tgid)
{
	const struct ikw_process *p = tgid ? ikw_host_process(host, tgid) : host->newest;

	while (!tgid && p && (!p->unheard || p->exited))
		p = p->older;
	return p && p->unheard;
}

/* ---- ports --------------------------------------------------------------- */

static void ports_event(struct ikw_host *host, const struct ikw_ports *ev)
{
	if (memcmp(host->ike_ports, ev->ike, sizeof(host->ike_ports)))
		host->ports_since = ev->hdr.time;
	memcpy(host->ike_ports, ev->ike, sizeof(host->ike_ports));
}

bool ikw_host_watches(const struct ikw_host *host, uint16_t port, uint64_t since)
{
	if (port == 500 || port == 4500)
		return true;
	for (unsigned int i = 0; i < IKW_OWN_PORTS; i++)
		if (port && host->ike_ports[i] == port)
			return since >= host->ports_since;
	return false;
}

/* ---- who is behind a process ---------------------------------------------- */

static const struct {
	const char *prefix; /* of a process's name */
	enum ikw_who who;
} known_parents[] = {
	{ "keepalived", IKW_WHO_TRACKER }, { "bfdd", IKW_WHO_TRACKER },
	{ "vrrpd", IKW_WHO_TRACKER },	   { "ucarp", IKW_WHO_TRACKER },
	{ "openbfdd", IKW_WHO_TRACKER },   { "dnsmasq", IKW_WHO_LEASES },
	{ "dhcpd", IKW_WHO_LEASES },	   { "kea-dhcp", IKW_WHO_LEASES },
	{ "sshd", IKW_WHO_PERSON },	   { "login", IKW_WHO_PERSON },
	{ "sudo", IKW_WHO_PERSON },	   { "su", IKW_WHO_PERSON },
	{ "cron", IKW_WHO_SERVICE },	   { "crond", IKW_WHO_SERVICE },
	{ "atd", IKW_WHO_SERVICE },	   { "anacron", IKW_WHO_SERVICE },
};

static enum ikw_who who_of_comm(const char *comm)
{
	for (size_t i = 0; i < sizeof(known_parents) / sizeof(known_parents[0]); i++) {
		const char *prefix = known_parents[i].prefix;

		if (strlen(prefix) > 5 ? !strncmp(comm, prefix, strlen(prefix))
				       : !strcmp(comm, prefix))
			return known_parents[i].who;
	}
	return IKW_WHO_UNKNOWN;
}

/*
 * The nearest parent that says something decides: what keepalived runs is
 * keepalived's, though a person may have started keepalived from a terminal,
 * and what cron runs is not its user's. What init does or runs itself
 * (systemctl stop) a person may have asked it to.
 */
enum ikw_who ikw_host_who(const struct ikw_host *host, uint32_t tgid)
{
	const struct ikw_process *p = ikw_host_process(host, tgid);

	if (!p || !p->described)
		return IKW_WHO_UNKNOWN;
	for (unsigned int i = 0; i < p->seen.parent_count && i < IKW_PARENTS; i++) {
		enum ikw_who who = who_of_comm(p->seen.parents[i].comm);

		if (who != IKW_WHO_UNKNOWN)
			return who;
	}
	if (p->seen.tty[0] || p->seen.loginuid != ~0U)
		return IKW_WHO_PERSON;
	if (!p->seen.parent_count || p->seen.parents[0].tgid <= 1)
		return IKW_WHO_UNKNOWN;
	return IKW_WHO_SERVICE;
}

/* ---- addresses, clock, losses ------------------------------------------- */

const struct ikw_address *ikw_host_address(const struct ikw_host *host, const uint8_t *addr)
{
	struct ikw_find find;
	struct ikw_node *node =
		ikw_find_first(&find, &host->addresses, ikw_hash(addr, IKW_ADDR_LEN, 2));

	for (; node; node = ikw_find_next(&find)) {
		const struct ikw_address *a = IKW_CONTAINER(node, struct ikw_address, node);

		if (!memcmp(a->addr, addr, IKW_ADDR_LEN))
			return a;
	}
	return NULL;
}

static void prune_addresses(struct ikw_host *host, uint64_t before)
{
	struct ikw_node *node;
	size_t at = 0;

	while ((node = ikw_table_each(&host->addresses, &at))) {
		struct ikw_address *a = IKW_CONTAINER(node, struct ikw_address, node);

		if (!a->gone || a->gone >= before)
			continue;
		ikw_table_del(&host->addresses, node);
		at--;
		free(a);
	}
	host->addresses_gone = 0;
}

static void address_gone(struct ikw_host *host, struct ikw_address *a, uint64_t time)
{
	a->gone = time;
	if (++host->addresses_gone > GONE_ADDRESSES && time > GONE_LONG)
		prune_addresses(host, time - GONE_LONG);
}

static void addr_event(struct ikw_host *host, const struct ikw_addr *ev)
{
	struct ikw_address *a = (struct ikw_address *)ikw_host_address(host, ev->addr);

	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a)
			return;
		memcpy(a->addr, ev->addr, IKW_ADDR_LEN);
		a->node.hash = ikw_hash(ev->addr, IKW_ADDR_LEN, 2);
		ikw_table_add(&host->addresses, &a->node);
	}
	if (ev->op == IKW_ADDR_GONE) {
		if (a->ifindex == ev->ifindex)
			address_gone(host, a, ev->hdr.time);
		return;
	}
	if (a->ifindex != ev->ifindex) {
		a->was_ifindex = a->ifindex;
		a->moved = ev->hdr.time;
	}
	if (a->gone) {
		a->was_gone = a->gone;
		a->back = ev->hdr.time;
	}
	a->ifindex = ev->ifindex;
	a->gone = 0;
}

static void helped_event(struct ikw_host *host, const struct ikw_helped *ev)
{
	host->helpers[host->helper_head] = (struct ikw_helper){
		.began = ev->began,
		.ended = ev->hdr.time,
		.daemon_tgid = ev->daemon_tgid,
		.daemon_tid = ev->daemon_tid,
	};
	host->helper_head = (host->helper_head + 1) % IKW_HELPERS;
}

const struct ikw_helper *ikw_host_waited_for(const struct ikw_host *host, uint32_t daemon_tgid,
					     uint32_t daemon_tid, uint64_t at)
{
	const struct ikw_helper *best = NULL;

	for (unsigned int k = 1; k <= IKW_HELPERS; k++) {
		const struct ikw_helper *h =
			&host->helpers[(host->helper_head + IKW_HELPERS - k) % IKW_HELPERS];

		if (!h->ended || h->ended + WENT_ON < at)
			break;
		if (h->daemon_tgid != daemon_tgid || h->ended > at || h->began > at ||
		    (daemon_tid && h->daemon_tid != daemon_tid))
			continue;
		if (!best || h->ended > best->ended)
			best = h;
	}
	return best;
}

/* One that goes on where one of its kind ended: losses are told once a second while they last. */
static struct ikw_gap *gap_goes_on(struct ikw_host *host, const struct ikw_lost *ev)
{
	for (unsigned int i = 0; i < IKW_GAPS; i++) {
		struct ikw_gap *gap = &host->gaps[i];

		if (gap->until && gap->where == ev->where && gap->sees == ev->sees &&
		    ev->since >= gap->since && ev->since <= gap->until)
			return gap;
	}
	return NULL;
}

static void lost_event(struct ikw_host *host, const struct ikw_lost *ev)
{
	struct ikw_gap *gap = gap_goes_on(host, ev);

	host->lost += ev->count ? ev->count : 1;
	if (gap) {
		if (ev->hdr.time > gap->until)
			gap->until = ev->hdr.time;
		gap->count = gap->count && ev->count ? gap->count + ev->count : 0;
		return;
	}
	gap = &host->gaps[host->gap_head];
	host->gap_head = (host->gap_head + 1) % IKW_GAPS;
	gap->since = ev->since;
	gap->until = ev->hdr.time;
	gap->where = ev->where;
	gap->sees = ev->sees;
	gap->count = ev->count;
}

uint32_t ikw_host_missed(const struct ikw_host *host, uint64_t from, uint64_t to)
{
	uint32_t missed = ~host->sees;

	for (unsigned int i = 0; i < IKW_GAPS; i++) {
		const struct ikw_gap *gap = &host->gaps[i];

		if (gap->until && gap->since <= to && gap->until >= from)
			missed |= gap->sees;
	}
	return host->started > from ? ~0U : missed;
}

uint64_t ikw_host_wall(const struct ikw_host *host, uint64_t boot)
{
	if (!host->clock_wall)
		return 0;
	return host->clock_wall + (boot - host->clock_boot);
}

void ikw_host_event(struct ikw_host *host, const union ikw_event *ev)
{
	if (!host->started)
		host->started = ev->hdr.time;
	switch (ev->hdr.type) {
	case IKW_EV_PROC:
		proc_event(host, &ev->proc);
		break;
	case IKW_EV_CONTROL:
		ikw_host_control_event(host, &ev->control);
		break;
	case IKW_EV_SIGNAL:
		ikw_host_signal_event(host, &ev->signal);
		break;
	case IKW_EV_HELPED:
		helped_event(host, &ev->helped);
		break;
	case IKW_EV_LINK:
		ikw_host_link_event(host, &ev->link);
		break;
	case IKW_EV_ADDR:
		addr_event(host, &ev->addr);
		break;
	case IKW_EV_LOST:
		lost_event(host, &ev->lost);
		break;
	case IKW_EV_CLOCK:
		host->clock_boot = ev->hdr.time;
		host->clock_wall = ev->clock.wall;
		break;
	case IKW_EV_PROBES:
		host->sees = ev->probes.sees;
		host->netns = ev->hdr.netns;
		host->tier = ev->probes.tier;
		break;
	case IKW_EV_PORTS:
		ports_event(host, &ev->ports);
		break;
	default:
		break;
	}
}
