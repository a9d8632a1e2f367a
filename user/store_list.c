/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is in the store. */
#include "store_private.h"
#include "model.h"

static const char *column_text(sqlite3_stmt *stmt, int column)
{
	return (const char *)sqlite3_column_text(stmt, column);
}

static uint64_t column_u64(sqlite3_stmt *stmt, int column)
{
	return (uint64_t)sqlite3_column_int64(stmt, column);
}

/* Runs a query, one call of row per row until it returns nonzero. Rows seen, or -1. */
static int query(struct ikw_store *store, sqlite3_stmt *stmt, int (*row)(void *, sqlite3_stmt *),
		 void *ctx)
{
	int rows = 0;
	int code;

	if (!stmt)
		return -1;
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		rows++;
		if (row(ctx, stmt))
			break;
	}
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		rows = ikw_store_fail(store);
	sqlite3_reset(stmt);
	return rows;
}

/* ---- tunnels ---------------------------------------------------------- */

struct tunnel_call {
	int (*fn)(void *ctx, const struct ikw_store_tunnel *tunnel);
	void *ctx;
};

static int past_row(void *ctx, sqlite3_stmt *stmt)
{
	struct ikw_tunnel_past *past = ctx;
	const char *reason = column_text(stmt, 2);
	int found = reason ? ikw_reason_find(reason) : -1;

	past->index = (uint32_t)column_u64(stmt, 0);
	past->last_deletion = column_u64(stmt, 1);
	past->last_reason = found < 0 ? IKW_REASON_UNKNOWN : (enum ikw_reason)found;
	return 0;
}

int ikw_store_known(struct ikw_store *store, const char *key, struct ikw_tunnel_past *past)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, SQL_TUNNEL_OF_KEY);

	if (stmt)
		sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	return query(store, stmt, past_row, past);
}

static int number_row(void *ctx, sqlite3_stmt *stmt)
{
	*(uint32_t *)ctx = (uint32_t)column_u64(stmt, 0);
	return 0;
}

uint32_t ikw_store_last_tunnel(struct ikw_store *store)
{
	uint32_t last = 0;

	query(store, ikw_store_stmt(store, SQL_LAST_TUNNEL), number_row, &last);
	return last;
}

static int seen_row(void *ctx, sqlite3_stmt *stmt)
{
	const struct tunnel_call *call = ctx;
	struct ikw_store_tunnel tunnel = {
		.index = (uint32_t)column_u64(stmt, 0),
		.key = column_text(stmt, 1),
		.deletions = column_u64(stmt, 2),
		.last_deletion = column_u64(stmt, 3),
		.last_reason = column_text(stmt, 4),
		.active = column_u64(stmt, 5) != 0,
		.up_since = column_u64(stmt, 6),
		.last_alarm = column_text(stmt, 7),
	};

	return call->fn(call->ctx, &tunnel);
}

int ikw_store_tunnels_seen(struct ikw_store *store, uint32_t index,
			   int (*fn)(void *ctx, const struct ikw_store_tunnel *tunnel), void *ctx)
{
	struct tunnel_call call = { fn, ctx };

	sqlite3_stmt *stmt = ikw_store_stmt(store, SQL_TUNNELS_SEEN);

	if (stmt) {
		sqlite3_bind_int64(stmt, 1, index);
		sqlite3_bind_int64(stmt, 2, index ? index : UINT32_MAX);
	}
	return query(store, stmt, seen_row, &call) < 0 ? -1 : 0;
}

/* ---- alarms ----------------------------------------------------------- */

struct alarm_call {
	int (*fn)(void *ctx, const struct ikw_store_row *row);
	void *ctx;
};

/* Columns: ROW_COLUMNS in store_sql.c. */
static int alarm_row(void *ctx, sqlite3_stmt *stmt)
{
	const struct alarm_call *call = ctx;
	struct ikw_store_row row = {
		.id = column_u64(stmt, 0),
		.wall = column_u64(stmt, 1),
		.tunnel_index = (uint32_t)column_u64(stmt, 2),
		.reason = column_text(stmt, 3),
		.confidence = column_text(stmt, 4),
		.peer = column_text(stmt, 5),
		.tunnel_up = sqlite3_column_int(stmt, 6) != 0,
		.json = column_text(stmt, 7),
		.cleared = column_u64(stmt, 13),
		.cleared_by = column_text(stmt, 14),
		.note = column_text(stmt, 15),
	};

	row.active = column_u64(stmt, 8) == row.id;
	if (row.active) {
		row.count = column_u64(stmt, 9);
		row.first = column_u64(stmt, 10);
		row.last = column_u64(stmt, 11);
		row.up_since = column_u64(stmt, 12);
	} else {
		row.counted_in = column_u64(stmt, 8);
	}
	return call->fn(call->ctx, &row);
}

int ikw_store_alarms(struct ikw_store *store, const struct ikw_store_list *list,
		     int (*fn)(void *ctx, const struct ikw_store_row *row), void *ctx)
{
	struct alarm_call call = { fn, ctx };
	sqlite3_stmt *stmt = ikw_store_stmt(store, list->all ? SQL_LIST_ALL : SQL_LIST_ACTIVE);

	if (stmt) {
		sqlite3_bind_int64(stmt, 1, list->newest ? (sqlite3_int64)list->newest : -1);
		sqlite3_bind_int(stmt, 2, list->json);
	}
	return query(store, stmt, alarm_row, &call) < 0 ? -1 : 0;
}

int ikw_store_find(struct ikw_store *store, uint64_t id,
		   int (*fn)(void *ctx, const struct ikw_store_row *row), void *ctx)
{
	struct alarm_call call = { fn, ctx };
	sqlite3_stmt *stmt = ikw_store_stmt(store, SQL_FIND);

	if (stmt) {
		sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id);
		sqlite3_bind_int(stmt, 2, 1);
	}
	return query(store, stmt, alarm_row, &call);
}

static int after_row(void *ctx, sqlite3_stmt *stmt)
{
	const struct alarm_call *call = ctx;
	struct ikw_store_row row = { .id = column_u64(stmt, 0),
				     .wall = column_u64(stmt, 1),
				     .json = column_text(stmt, 2) };

	return call->fn(call->ctx, &row);
}

int ikw_store_after(struct ikw_store *store, uint64_t id, unsigned int limit,
		    int (*fn)(void *ctx, const struct ikw_store_row *row), void *ctx)
{
	struct alarm_call call = { fn, ctx };
	sqlite3_stmt *stmt = ikw_store_stmt(store, SQL_AFTER);

	if (!stmt)
		return -1;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id);
	sqlite3_bind_int64(stmt, 2, limit);
	return query(store, stmt, after_row, &call);
}

static int last_row(void *ctx, sqlite3_stmt *stmt)
{
	*(uint64_t *)ctx = column_u64(stmt, 0);
	return 0;
}

int ikw_store_last(struct ikw_store *store, uint64_t *id)
{
	*id = 0;
	return query(store, ikw_store_stmt(store, SQL_LAST_ID), last_row, id) < 0 ? -1 : 0;
}

struct peer_call {
	int (*fn)(void *ctx, const struct ikw_store_peer *peer);
	void *ctx;
};

static int peer_row(void *ctx, sqlite3_stmt *stmt)
{
	const struct peer_call *call = ctx;
	struct ikw_store_peer peer = {
		.peer = column_text(stmt, 0),
		.reason = column_text(stmt, 1),
		.tunnels = column_u64(stmt, 2),
		.up = column_u64(stmt, 3),
		.count = column_u64(stmt, 4),
		.first = column_u64(stmt, 5),
		.last = column_u64(stmt, 6),
		.last_id = column_u64(stmt, 7),
	};

	return call->fn(call->ctx, &peer);
}

int ikw_store_peers(struct ikw_store *store,
		    int (*fn)(void *ctx, const struct ikw_store_peer *peer), void *ctx)
{
	struct peer_call call = { fn, ctx };

	return query(store, ikw_store_stmt(store, SQL_PEERS), peer_row, &call) < 0 ? -1 : 0;
}

/* ---- stats ------------------------------------------------------------ */

static int stats_row(void *ctx, sqlite3_stmt *stmt)
{
	struct ikw_store_stats *stats = ctx;

	stats->alarms = column_u64(stmt, 0);
	stats->active = column_u64(stmt, 1);
	stats->tunnels = column_u64(stmt, 2);
	stats->clears = column_u64(stmt, 3);
	stats->oldest = column_u64(stmt, 4);
	stats->last_id = column_u64(stmt, 5);
	return 0;
}

static int bytes_row(void *ctx, sqlite3_stmt *stmt)
{
	*(uint64_t *)ctx = column_u64(stmt, 0);
	return 0;
}

int ikw_store_stats(struct ikw_store *store, struct ikw_store_stats *stats)
{
	*stats = (struct ikw_store_stats){ .queued = store->queued, .dropped = store->dropped };
	if (query(store, ikw_store_stmt(store, SQL_STATS), stats_row, stats) < 0)
		return -1;
	return query(store, ikw_store_stmt(store, SQL_BYTES), bytes_row, &stats->bytes) < 0 ? -1
											    : 0;
}
