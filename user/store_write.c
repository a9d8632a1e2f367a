/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The store's queue of writes, and clearing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "store_private.h"

/* Retention is looked after once in so many alarms. */
#define TRIM_EVERY   1000
#define TRIM_TUNNELS 4096

/* After a failure a queue longer than this waits so long for the next attempt. */
#define RETRY_QUEUE 100
#define RETRY_NS    UINT64_C(1000000000)

/* ---- the queue -------------------------------------------------------- */

static void item_free(struct ikw_store_item *item)
{
	free(item->peer);
	free(item->text);
	free(item);
}

static void queue_drop_first(struct ikw_store *store)
{
	struct ikw_store_item *item = store->first;

	store->first = item->next;
	if (!store->first)
		store->last = &store->first;
	store->queued--;
	item_free(item);
}

void ikw_store_queue_free(struct ikw_store *store)
{
	while (store->first)
		queue_drop_first(store);
}

/* A batch that fills the queue is written in parts: only a disk that fails costs alarms. */
static void make_room(struct ikw_store *store)
{
	if (!store->batch || store->queued < IKW_STORE_QUEUE_MAX)
		return;
	ikw_store_commit(store);
	store->batch = true;
}

/* A copy at the end of the queue; commits it unless a batch is open. */
static int queue_add(struct ikw_store *store, const struct ikw_store_item *what)
{
	struct ikw_store_item *item = malloc(sizeof(*item));

	if (!item || !what->text || (what->op == OP_ALARM && !what->peer)) {
		snprintf(store->error, sizeof(store->error), "%s: out of memory", store->path);
		free(what->peer);
		free(what->text);
		free(item);
		store->dropped++;
		return -1;
	}
	make_room(store);
	*item = *what;
	item->next = NULL;
	*store->last = item;
	store->last = &item->next;
	store->queued++;
	while (store->queued > IKW_STORE_QUEUE_MAX) {
		queue_drop_first(store);
		store->dropped++;
	}
	return store->batch ? 0 : ikw_store_commit(store);
}

/* ---- one write -------------------------------------------------------- */

static int write_bound(struct ikw_store *store, const struct ikw_store_item *item,
		       enum ikw_store_sql which)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, which);

	if (!stmt)
		return -1;
	/* Statements differ in how many of these they have: the others are out of range, no harm.
	 */
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)item->id);
	sqlite3_bind_int64(stmt, 2, (sqlite3_int64)item->wall);
	sqlite3_bind_int64(stmt, 3, item->tunnel_index);
	sqlite3_bind_text(stmt, 4, item->reason, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 5, item->confidence, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 6, item->peer, -1, SQLITE_STATIC);
	sqlite3_bind_int(stmt, 7, item->tunnel_up);
	sqlite3_bind_text(stmt, 8, item->text, -1, SQLITE_STATIC);
	return ikw_store_step(store, stmt);
}

static int write_given(struct ikw_store *store, const struct ikw_store_item *item)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, SQL_ADD_GIVEN);

	if (!stmt)
		return -1;
	sqlite3_bind_text(stmt, 1, item->given, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, (sqlite3_int64)item->boot);
	sqlite3_bind_int64(stmt, 3, (sqlite3_int64)item->id);
	return ikw_store_step(store, stmt);
}

static int write_alarm(struct ikw_store *store, const struct ikw_store_item *item)
{
	if (write_bound(store, item, SQL_ADD_ALARM) ||
	    write_bound(store, item, SQL_COUNT_DELETION) ||
	    write_bound(store, item, item->own_up ? SQL_ADD_UP : SQL_DROP_UP) ||
	    write_given(store, item))
		return -1;
	store->untrimmed++;
	return item->tunnel_up || item->history ? 0 : write_bound(store, item, SQL_ADD_ACTIVE);
}

static int write_tunnel(struct ikw_store *store, const struct ikw_store_item *item)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, SQL_ADD_TUNNEL);

	if (!stmt)
		return -1;
	sqlite3_bind_int64(stmt, 1, item->tunnel_index);
	sqlite3_bind_text(stmt, 2, item->text, -1, SQLITE_STATIC);
	return ikw_store_step(store, stmt);
}

static int write_tunnel_up(struct ikw_store *store, const struct ikw_store_item *item)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, SQL_TUNNEL_UP);

	if (!stmt)
		return -1;
	sqlite3_bind_int64(stmt, 1, item->tunnel_index);
	sqlite3_bind_int64(stmt, 2, (sqlite3_int64)item->wall);
	sqlite3_bind_int(stmt, 3, item->again);
	return ikw_store_step(store, stmt) ? -1 : write_bound(store, item, SQL_ADD_UP);
}

static int write_item(struct ikw_store *store, const struct ikw_store_item *item)
{
	switch (item->op) {
	case OP_ALARM:
		return write_alarm(store, item);
	case OP_TUNNEL:
		return write_tunnel(store, item);
	default:
		return write_tunnel_up(store, item);
	}
}

/* ---- retention -------------------------------------------------------- */

static int trim_with(struct ikw_store *store, enum ikw_store_sql which, int64_t first,
		     int64_t second)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, which);

	if (!stmt)
		return -1;
	sqlite3_bind_int64(stmt, 1, first);
	sqlite3_bind_int64(stmt, 2, second);
	return ikw_store_step(store, stmt);
}

/*
 * A tunnel that is down and of which no alarm is kept is one that nobody asks for:
 * daemons have ever new reqids, clients come from ever new addresses. So many
 * numbers at a time, all of them in turn.
 */
static int trim_tunnels(struct ikw_store *store)
{
	uint32_t from = store->trimmed_to, last = ikw_store_last_tunnel(store);

	if (from >= last)
		from = 0;
	store->trimmed_to = from + TRIM_TUNNELS;
	return trim_with(store, SQL_TRIM_TUNNELS, from, store->trimmed_to);
}

/* Ids have no holes but at the old end, so that the number follows from them. */
static int trim(struct ikw_store *store)
{
	int64_t oldest = (int64_t)(ikw_store_now() - store->max_age);
	int64_t last_gone = (int64_t)store->next_id - 1 - (int64_t)store->max_alarms;

	store->untrimmed = 0;
	if (trim_with(store, SQL_TRIM_AGE, oldest, 0))
		return -1;
	if (last_gone > 0 && trim_with(store, SQL_TRIM_NUMBER, last_gone, 0))
		return -1;
	if (trim_with(store, SQL_TRIM_CLEARS, oldest, last_gone))
		return -1;
	return trim_tunnels(store);
}

/* ---- commit ----------------------------------------------------------- */

static int transact(struct ikw_store *store)
{
	if (ikw_store_exec(store, SQL_BEGIN))
		return -1;
	for (const struct ikw_store_item *item = store->first; item; item = item->next)
		if (write_item(store, item))
			return -1;
	if (store->untrimmed >= TRIM_EVERY && trim(store))
		return -1;
	return ikw_store_exec(store, SQL_COMMIT);
}

static void rollback(struct ikw_store *store)
{
	char error[sizeof(store->error)];

	memcpy(error, store->error, sizeof(error));
	if (!sqlite3_get_autocommit(store->db))
		ikw_store_exec(store, SQL_ROLLBACK);
	memcpy(store->error, error, sizeof(error));
}

void ikw_store_begin(struct ikw_store *store)
{
	store->batch = true;
}

static uint64_t monotonic_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* A long queue, or a damaged database, is not tried again at every call: that would cost more than
 * it is worth. */
static bool too_soon(const struct ikw_store *store)
{
	return store->retry_at && (store->queued > RETRY_QUEUE || !store->db) &&
	       monotonic_now() < store->retry_at;
}

/* 0, or -1; what is queued stays. */
static int commit_queue(struct ikw_store *store)
{
	int err = store->db ? 0 : ikw_store_reconnect(store);

	/* who waited for another's lock once does not wait again and again */
	if (!err && store->retry_at)
		ikw_store_patience(store, false);
	if (!err)
		err = transact(store);
	if (err && store->db && store->lock >= 0 && ikw_store_is_corrupt(store)) {
		rollback(store);
		err = ikw_store_replace(store) ? -1 : transact(store);
	}
	if (err && store->db)
		rollback(store);
	if (store->db)
		ikw_store_patience(store, true);
	return err;
}

int ikw_store_commit(struct ikw_store *store)
{
	store->batch = false;
	if (!store->first)
		return 0;
	if (too_soon(store))
		return -1;
	if (commit_queue(store)) {
		store->retry_at = monotonic_now() + RETRY_NS;
		return -1;
	}
	store->retry_at = 0;
	ikw_store_queue_free(store);
	return 0;
}

/* ---- what is written -------------------------------------------------- */

int ikw_store_find_id(struct ikw_store *store)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, SQL_LAST_ID);
	int code;

	if (!stmt)
		return -1;
	code = sqlite3_step(stmt);
	store->next_id = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) + 1 : 1;
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		ikw_store_fail(store);
	sqlite3_reset(stmt);
	return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : -1;
}

/* What names a deletion: one SA can go only once at a time. */
static void name_given(const struct ikw_alarm *alarm, char to[IKW_STORE_GIVEN])
{
	char src[64], dst[64];

	snprintf(to, IKW_STORE_GIVEN, "%" PRIu64 " %08" PRIx32 " %s %s", alarm->time, alarm->spi,
		 ikw_addr_text(alarm->src, src, sizeof(src)),
		 ikw_addr_text(alarm->dst, dst, sizeof(dst)));
}

/* The names of what was given may have lain where the damage was, and the alarm itself not. */
static bool was_saved(struct ikw_store *store, const struct ikw_alarm *alarm)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, SQL_FIND_SAVED);
	char peer[64], spi[32];
	bool saved;

	if (!stmt)
		return false;
	snprintf(spi, sizeof(spi), "\"spi\":\"0x%08" PRIx32 "\"", alarm->spi);
	sqlite3_bind_int64(stmt, 1, (int64_t)alarm->wall);
	sqlite3_bind_text(stmt, 2, ikw_addr_text(alarm->dst, peer, sizeof(peer)), -1,
			  SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, spi, -1, SQLITE_STATIC);
	saved = sqlite3_step(stmt) == SQLITE_ROW;
	sqlite3_reset(stmt);
	return saved;
}

bool ikw_store_given(struct ikw_store *store, const struct ikw_alarm *alarm)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, SQL_FIND_GIVEN);
	char key[IKW_STORE_GIVEN];
	bool given;

	if (!stmt)
		return false;
	name_given(alarm, key);
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	given = sqlite3_step(stmt) == SQLITE_ROW;
	sqlite3_reset(stmt);
	return given || (store->replaced && was_saved(store, alarm));
}

int ikw_store_forget_given(struct ikw_store *store, uint64_t before)
{
	return trim_with(store, SQL_TRIM_GIVEN, (int64_t)before, 0);
}

int ikw_store_alarm(struct ikw_store *store, struct ikw_alarm *alarm)
{
	struct ikw_store_item item = {
		.op = OP_ALARM,
		.wall = alarm->wall,
		.tunnel_index = alarm->tunnel_index,
		.tunnel_up = alarm->tunnel_up,
		.own_up = alarm->own_up,
		.history = alarm->history,
		.reason = ikw_reason_text(alarm->reason),
		.confidence = ikw_confidence_text(alarm->confidence),
	};
	char peer[64];

	alarm->id = store->next_id++;
	item.id = alarm->id;
	item.boot = alarm->time;
	name_given(alarm, item.given);
	item.peer = strdup(ikw_addr_text(alarm->dst, peer, sizeof(peer)));
	item.text = ikw_alarm_json_line(alarm);
	return queue_add(store, &item);
}

int ikw_store_add_tunnel(struct ikw_store *store, const char *key, uint32_t index)
{
	struct ikw_store_item item = { .op = OP_TUNNEL,
				       .tunnel_index = index,
				       .text = strdup(key) };

	return queue_add(store, &item);
}

int ikw_store_tunnel_up(struct ikw_store *store, uint32_t index, uint64_t wall, bool again)
{
	struct ikw_store_item item = { .op = OP_TUNNEL_UP,
				       .tunnel_index = index,
				       .wall = wall,
				       .again = again,
				       .text = strdup("") };

	return queue_add(store, &item);
}

/* ---- clearing --------------------------------------------------------- */

/* 1: the entry is in *cleared; 0: the alarm has none; -2: no such alarm; -1: failed. */
static int entry_of(struct ikw_store *store, uint64_t id, struct ikw_store_cleared *cleared)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, SQL_ENTRY_OF);
	int found = -2;
	int code;

	if (!stmt)
		return -1;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id);
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		found = sqlite3_column_type(stmt, 0) != SQLITE_NULL;
		cleared->tunnel_index = (uint32_t)sqlite3_column_int64(stmt, 0);
		cleared->last_id = (uint64_t)sqlite3_column_int64(stmt, 1);
		cleared->count = (uint64_t)sqlite3_column_int64(stmt, 2);
	} else if (code != SQLITE_DONE) {
		found = ikw_store_fail(store);
	}
	sqlite3_reset(stmt);
	return found;
}

static int add_clear(struct ikw_store *store, enum ikw_store_sql which, uint32_t index,
		     const char *who, const char *note)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, which);

	if (!stmt)
		return -1;
	sqlite3_bind_int64(stmt, 1, index);
	sqlite3_bind_int64(stmt, 2, (sqlite3_int64)ikw_store_now());
	sqlite3_bind_text(stmt, 3, who, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 4, note, -1, SQLITE_STATIC);
	return ikw_store_step(store, stmt);
}

static int drop_active(struct ikw_store *store, uint32_t index)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, SQL_DROP_ACTIVE);

	if (!stmt)
		return -1;
	sqlite3_bind_int64(stmt, 1, index);
	return ikw_store_step(store, stmt);
}

int ikw_store_clear(struct ikw_store *store, uint64_t id, const char *who, const char *note,
		    struct ikw_store_cleared *cleared)
{
	struct ikw_store_cleared entry;
	int found;

	if (ikw_store_commit(store) || ikw_store_exec(store, SQL_BEGIN))
		return -1;
	found = entry_of(store, id, &entry);
	if (found == 1 && (add_clear(store, SQL_ADD_CLEAR, entry.tunnel_index, who, note) ||
			   drop_active(store, entry.tunnel_index)))
		found = -1;
	if (found == 1 && ikw_store_exec(store, SQL_COMMIT))
		found = -1;
	if (found != 1)
		rollback(store);
	if (found == 1 && cleared)
		*cleared = entry;
	return found;
}

int ikw_store_clear_all(struct ikw_store *store, const char *who, const char *note)
{
	int count;

	if (ikw_store_commit(store) || ikw_store_exec(store, SQL_BEGIN))
		return -1;
	if (!add_clear(store, SQL_CLEAR_ALL, 0, who, note) &&
	    !ikw_store_exec(store, SQL_DROP_ALL_ACTIVE)) {
		count = sqlite3_changes(store->db);
		if (!ikw_store_exec(store, SQL_COMMIT))
			return count;
	}
	rollback(store);
	return -1;
}
