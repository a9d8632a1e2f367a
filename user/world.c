// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>
#include "world_private.h"

int ikw_world_init(struct ikw_world *w, const struct ikw_world_ops *ops)
{
	memset(w, 0, sizeof(*w));
	w->ops = *ops;
	if (ikw_host_init(&w->host) || ikw_table_init(&w->peers) || ikw_table_init(&w->remotes) ||
	    ikw_table_init(&w->ikes) || ikw_table_init(&w->tunnels) || ikw_table_init(&w->flows) ||
	    ikw_table_init(&w->kept_flows) || ikw_table_init(&w->sas) ||
	    ikw_table_init(&w->policies))
		return -1;
	return 0;
}

void ikw_world_event(struct ikw_world *w, const union ikw_event *ev)
{
	if (ev->hdr.time > w->now)
		w->now = ev->hdr.time;
	ikw_tunnels_bound(w);
	ikw_host_event(&w->host, ev);
	ikw_outside_event(&w->outside, &w->host, ev);
	switch (ev->hdr.type) {
	case IKW_EV_IKE:
		ikw_ike_event(w, &ev->ike);
		break;
	case IKW_EV_SA:
		ikw_sa_event(w, &ev->sa);
		break;
	case IKW_EV_POLICY:
		ikw_policy_event(w, &ev->policy);
		break;
	case IKW_EV_FLUSH:
		ikw_flush_event(w, &ev->flush);
		break;
	case IKW_EV_DUMP:
		ikw_dump_event(w, &ev->dump);
		break;
	case IKW_EV_ESP:
		ikw_esp_event(w, &ev->esp);
		break;
	case IKW_EV_ROUTE:
		ikw_route_event(w, &ev->route);
		break;
	case IKW_EV_WAY:
		ikw_way_event(w, &ev->way);
		break;
	case IKW_EV_IKESA:
		ikw_ikesa_event(w, &ev->ikesa);
		break;
	default:
		break;
	}
}

static void tunnel_free(struct ikw_world *w, struct ikw_tunnel *t)
{
	while (t->generations)
		ikw_generation_free(w, t->generations);
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
	struct ikw_ike_sa *ike = ikw_ike_newest(p->ikes), *older;

	for (; ike; ike = older) {
		older = ikw_ike_older(ike);
		free(ike);
	}
	ikw_ikes_free(p->ikes);
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
	ikw_table_free(&w->kept_flows);
	ikw_table_free(&w->sas);
	ikw_table_free(&w->policies);
	ikw_host_free(&w->host);
	ikw_outside_free(&w->outside);
}
