/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The list of tunnels as text, apart from where it comes from. */
#ifndef IKEWATCH_TUNNELS_H
#define IKEWATCH_TUNNELS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include "store.h"
#include "table_text.h"

/* One look: the agent's objects (user/agent_status.c), or the store's. */
struct ikw_tunnel_list {
	json_t *tunnels; /* array; NULL: none yet */
	struct timespec at;
	bool live; /* from the agent */
};

/*
 * What the store knows of a tunnel, with the members of the agent's object: `up`
 * is null, what only an agent knows is null or empty. `active` and `back_since`
 * tell of its place in the active list. A new reference.
 */
json_t *ikw_tunnels_stored_json(const struct ikw_store_tunnel *tunnel);

/*
 * The table. before (may be NULL or empty): an earlier look, for traffic per
 * second instead of in all. size: NULL for as much as there is.
 */
void ikw_tunnels_table(FILE *out, const struct ikw_tunnel_list *list,
		       const struct ikw_tunnel_list *before, const struct ikw_table_size *size);

/* A heading with time and counts, then the table with the tunnels that are down first. */
void ikw_tunnels_frame(FILE *out, const struct ikw_tunnel_list *list,
		       const struct ikw_tunnel_list *before, const char *trouble,
		       const struct ikw_table_size *size);

/* JSON Lines: the tunnels that are not the same as in `before`. */
void ikw_tunnels_changes(FILE *out, const struct ikw_tunnel_list *list,
			 const struct ikw_tunnel_list *before);

#endif
