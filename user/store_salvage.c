/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What can still be read of a damaged database goes into the new one: tunnel
 * numbers must not change and alarm ids must not be given twice.
 *
 * Each table is read by rowid from both ends up to the damage: one bad page
 * then costs what lies on it, not everything behind it.
 */
#include <string.h>
#include "store_private.h"

/* The agent is not watching meanwhile: longer than this it may not take. */
#define SALVAGE_NS UINT64_C(5000000000)

struct salvage {
	struct ikw_store *store;
	sqlite3 *old;
	uint64_t deadline;
};

static int copy_row(sqlite3_stmt *from, sqlite3_stmt *to)
{
	sqlite3_reset(to);
	for (int i = 0; i < sqlite3_column_count(from); i++)
		sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
	return sqlite3_step(to) == SQLITE_DONE ? 0 : -1;
}

static unsigned int copy_from(struct salvage *s, const char *select, sqlite3_stmt *to)
{
	sqlite3_stmt *from = NULL;
	unsigned int count = 0;

	if (sqlite3_prepare_v2(s->old, select, -1, &from, NULL))
		return 0;
	while (ikw_store_now() < s->deadline && sqlite3_step(from) == SQLITE_ROW)
		if (!copy_row(from, to) && sqlite3_changes(s->store->db))
			count++;
	sqlite3_finalize(from);
	return count;
}

/* What an operator has to clear is looked for one by one: damage before and behind it does not
 * matter. */
static unsigned int copy_active(struct salvage *s, sqlite3_stmt *to)
{
	sqlite3_stmt *ids = NULL, *from = NULL;
	unsigned int count = 0;

	if (!sqlite3_prepare_v2(s->store->db, "SELECT last_id FROM active", -1, &ids, NULL) &&
	    !sqlite3_prepare_v2(s->old, "SELECT * FROM alarms WHERE id = ?1", -1, &from, NULL))
		while (ikw_store_now() < s->deadline && sqlite3_step(ids) == SQLITE_ROW) {
			sqlite3_bind_int64(from, 1, sqlite3_column_int64(ids, 0));
			count += sqlite3_step(from) == SQLITE_ROW && !copy_row(from, to);
			sqlite3_reset(from);
		}
	sqlite3_finalize(ids);
	sqlite3_finalize(from);
	return count;
}

static unsigned int copy_table(struct salvage *s, const char *table, const char *values,
			       unsigned int (*first)(struct salvage *s, sqlite3_stmt *to))
{
	char *up = sqlite3_mprintf("SELECT * FROM %s ORDER BY rowid", table);
	char *down = sqlite3_mprintf("SELECT * FROM %s ORDER BY rowid DESC", table);
	char *insert = sqlite3_mprintf("INSERT OR IGNORE INTO %s VALUES (%s)", table, values);
	sqlite3_stmt *to = NULL;
	unsigned int count = 0;

	if (up && down && insert && !sqlite3_prepare_v2(s->store->db, insert, -1, &to, NULL)) {
		count = first ? first(s, to) : 0;
		count += copy_from(s, down, to); /* time may not suffice for the oldest */
		count += copy_from(s, up, to);
	}
	sqlite3_finalize(to);
	sqlite3_free(up);
	sqlite3_free(down);
	sqlite3_free(insert);
	return count;
}

/* Alarms that were lost or not reached in time keep their ids: the counter goes on. */
static void copy_last_id(struct salvage *s)
{
	sqlite3_stmt *from = NULL;
	char *update;

	if (sqlite3_prepare_v2(s->old, ikw_store_sql[SQL_LAST_ID], -1, &from, NULL))
		return;
	if (sqlite3_step(from) == SQLITE_ROW) {
		update = sqlite3_mprintf("DELETE FROM sqlite_sequence WHERE name = 'alarms';"
					 "INSERT INTO sqlite_sequence VALUES ('alarms', %lld)",
					 sqlite3_column_int64(from, 0));
		if (update)
			sqlite3_exec(s->store->db, update, NULL, NULL, NULL);
		sqlite3_free(update);
	}
	sqlite3_finalize(from);
}

void ikw_store_salvage(struct ikw_store *store, const char *path, unsigned int *tunnels,
		       unsigned int *alarms)
{
	struct salvage s = { .store = store, .deadline = ikw_store_now() + SALVAGE_NS };

	if (!sqlite3_open_v2(path, &s.old, SQLITE_OPEN_READWRITE, NULL) &&
	    !ikw_store_exec(store, SQL_BEGIN)) {
		*tunnels = copy_table(&s, "tunnels", "?1, ?2, ?3, ?4, ?5", NULL);
		copy_table(&s, "active", "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9", NULL);
		copy_table(&s, "clears", "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8", NULL);
		copy_table(&s, "given", "?1, ?2, ?3", NULL);
		copy_table(&s, "up", "?1", NULL);
		*alarms = copy_table(&s, "alarms", "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8", copy_active);
		copy_last_id(&s);
		ikw_store_exec(store, SQL_COMMIT);
	}
	sqlite3_close(s.old);
}
