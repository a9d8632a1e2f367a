// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The links of the host, and which of them stand on others. */
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"
#include "ike.h"

#define STACK_MAX 4 /* a VLAN on a bridge on a bond on a card */
/* From a port's end to the master's loss of the carrier: a bond may look every 100 ms only, and
 * wait. Chosen. */
#define CARRIED (2 * IKW_SECOND)

static uint64_t number_hash(uint32_t number)
{
	return ikw_hash(&number, sizeof(number), 8);
}

const struct ikw_link_state *ikw_host_link(const struct ikw_host *host, uint32_t ifindex)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, &host->links, number_hash(ifindex));

	for (; node; node = ikw_find_next(&find)) {
		const struct ikw_link_state *link =
			IKW_CONTAINER(node, const struct ikw_link_state, node);

		if (link->ifindex == ifindex)
			return link;
	}
	return NULL;
}

const struct ikw_link_state *ikw_host_xfrm_link(const struct ikw_host *host, uint32_t if_id)
{
	const struct ikw_link_state *best = NULL;
	struct ikw_find find;
	struct ikw_node *node;

	if (!if_id)
		return NULL;
	node = ikw_find_first(&find, &host->xfrm_links, number_hash(if_id));
	for (; node; node = ikw_find_next(&find)) {
		const struct ikw_link_state *link =
			IKW_CONTAINER(node, const struct ikw_link_state, by_if_id);

		if (link->if_id != if_id)
			continue;
		if (!link->gone)
			return link;
		if (!best || link->changed > best->changed)
			best = link;
	}
	return best;
}

static struct ikw_link_state *link_of(const struct ikw_host *host, uint32_t ifindex)
{
	return (struct ikw_link_state *)ikw_host_link(host, ifindex);
}

/* A VRF's ports are interfaces of their own: it only says which routes they have. */
static bool carries_for(const struct ikw_host *host, uint32_t master)
{
	const struct ikw_link_state *link = ikw_host_link(host, master);

	return link && strcmp(link->kind, "vrf") != 0;
}

bool ikw_host_link_stands_on(const struct ikw_host *host, uint32_t upper, uint32_t lower)
{
	const struct ikw_link_state *link;

	for (unsigned int k = 0; k < STACK_MAX && upper && lower; k++) {
		const struct ikw_link_state *below = ikw_host_link(host, lower);

		link = ikw_host_link(host, upper);
		if (link && link->lower) {
			upper = link->lower;
		} else if (below && below->master && !below->left &&
			   carries_for(host, below->master)) {
			lower = below->master;
		} else {
			return false;
		}
		if (upper == lower)
			return true;
	}
	return false;
}

static bool was_off(const struct ikw_link_state *link, uint64_t at)
{
	return link->off && link->off <= at && (!link->up || link->changed > at);
}

bool ikw_link_was_stopped(const struct ikw_link_state *link, uint64_t at)
{
	return link->stopped && link->stopped <= at && (!link->running || link->resumed > at);
}

/* When what carried no packets at that time had begun not to; 0: it did, or nothing tells. */
static uint64_t lost_at(const struct ikw_link_state *link, uint64_t at)
{
	if (was_off(link, at))
		return link->off;
	return ikw_link_was_stopped(link, at) ? link->stopped : 0;
}

/* Of what a link without a carrier stood on, the one that went last; NULL: none that tells. */
static const struct ikw_link_state *last_below(const struct ikw_host *host,
					       const struct ikw_link_state *upper, uint64_t at)
{
	const struct ikw_link_state *last = ikw_host_link(host, upper->lower);
	uint64_t latest = last ? lost_at(last, at) : 0;

	for (const struct ikw_link_state *port = host->ports; port; port = port->next_port) {
		bool below = port->master == upper->ifindex &&
			     (!port->left || port->left + CARRIED >= upper->stopped);
		uint64_t lost = below ? lost_at(port, at) : 0;

		if (lost > latest) {
			latest = lost;
			last = port;
		}
	}
	return latest <= upper->stopped + CARRIED && latest + CARRIED >= upper->stopped ? last
											: NULL;
}

const struct ikw_link_state *ikw_host_link_off(const struct ikw_host *host,
					       const struct ikw_link_state *link, uint64_t at)
{
	for (unsigned int k = 0; k < STACK_MAX && link && !was_off(link, at); k++)
		link = ikw_link_was_stopped(link, at) ? last_below(host, link, at) : NULL;
	return link && was_off(link, at) ? link : NULL;
}

static void link_free(struct ikw_host *host, struct ikw_link_state *link)
{
	struct ikw_link_state **at = &host->ports;

	while (link->master && *at && *at != link)
		at = &(*at)->next_port;
	if (link->master && *at)
		*at = link->next_port;
	ikw_table_del(&host->links, &link->node);
	if (link->if_id)
		ikw_table_del(&host->xfrm_links, &link->by_if_id);
	free(link);
}

/* Into the ring of those that are gone: where containers come and go there are ever more. */
static void bury(struct ikw_host *host, const struct ikw_link_state *link)
{
	uint32_t *place = &host->links_gone[host->links_gone_head++ % IKW_LINKS_GONE];
	struct ikw_link_state *old = *place ? link_of(host, *place) : NULL;

	*place = link->ifindex;
	if (old && old->gone && old != link)
		link_free(host, old);
}

static struct ikw_link_state *link_get(struct ikw_host *host, uint32_t ifindex, bool up)
{
	struct ikw_link_state *link = link_of(host, ifindex);

	if (link)
		return link;
	link = calloc(1, sizeof(*link));
	if (!link)
		return NULL;
	link->ifindex = ifindex;
	link->up = up;
	link->node.hash = number_hash(ifindex);
	ikw_table_add(&host->links, &link->node);
	return link;
}

static void link_number(struct ikw_host *host, struct ikw_link_state *link, uint32_t if_id)
{
	if (link->if_id == if_id)
		return;
	if (link->if_id)
		ikw_table_del(&host->xfrm_links, &link->by_if_id);
	link->if_id = if_id;
	link->by_if_id.hash = number_hash(if_id);
	if (if_id)
		ikw_table_add(&host->xfrm_links, &link->by_if_id);
}

/* A port leaves its master just before it goes itself: what it was a port of is remembered. */
static void link_place(struct ikw_host *host, struct ikw_link_state *link,
		       const struct ikw_link *ev)
{
	link->lower = ev->lower;
	if (ev->master) {
		if (!link->master) {
			link->next_port = host->ports;
			host->ports = link;
		}
		link->master = ev->master;
		link->left = 0;
	} else if (link->master && !link->left) {
		link->left = ev->hdr.time;
	}
}

void ikw_host_link_event(struct ikw_host *host, const struct ikw_link *ev)
{
	bool gone = ev->op == IKW_LINK_GONE, was_gone;
	bool up = !gone && (ev->ifi_flags & IFF_UP);
	bool running = up && (ev->ifi_flags & IFF_RUNNING);
	struct ikw_link_state *link = link_get(host, ev->ifindex, up);

	if (!link)
		return;
	was_gone = link->gone;
	if (up != link->up || gone != was_gone)
		link->changed = ev->hdr.time;
	if (link->up && !up)
		link->off = ev->hdr.time;
	if (link->running && up && !running)
		link->stopped = ev->hdr.time;
	if (running && !link->running)
		link->resumed = ev->hdr.time;
	link->up = up;
	link->running = running;
	link->gone = gone;
	if (gone) {
		if (!was_gone)
			bury(host, link);
		return;
	}
	link_number(host, link, ev->if_id);
	link_place(host, link, ev);
	memcpy(link->name, ev->name, sizeof(link->name));
	memcpy(link->kind, ev->kind, sizeof(link->kind));
}

void ikw_host_links_free(struct ikw_host *host)
{
	struct ikw_node *node;
	size_t at = 0;

	while ((node = ikw_table_each(&host->links, &at)))
		free(IKW_CONTAINER(node, struct ikw_link_state, node));
	ikw_table_free(&host->links);
	ikw_table_free(&host->xfrm_links);
}
