/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Inside of the store: user/store*.c only. */
#ifndef IKEWATCH_STORE_PRIVATE_H
#define IKEWATCH_STORE_PRIVATE_H

#include <sqlite3.h>
#include "store.h"

/* Prepared once, when first used; texts in store_sql.c, in the same order. */
enum ikw_store_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_LAST_ID,
	SQL_ADD_ALARM,
	SQL_ADD_ACTIVE,
	SQL_COUNT_DELETION,
	SQL_ADD_GIVEN,
	SQL_FIND_GIVEN,
	SQL_FIND_SAVED,
	SQL_TRIM_GIVEN,
	SQL_ADD_TUNNEL,
	SQL_TUNNEL_UP,
	SQL_TRIM_AGE,
	SQL_TRIM_NUMBER,
	SQL_TRIM_CLEARS,
	SQL_ADD_UP,
	SQL_DROP_UP,
	SQL_TRIM_TUNNELS,
	SQL_ENTRY_OF,
	SQL_ADD_CLEAR,
	SQL_DROP_ACTIVE,
	SQL_CLEAR_ALL,
	SQL_DROP_ALL_ACTIVE,
	SQL_TUNNEL_OF_KEY,
	SQL_LAST_TUNNEL,
	SQL_TUNNELS_SEEN,
	SQL_LIST_ACTIVE,
	SQL_LIST_ALL,
	SQL_FIND,
	SQL_AFTER,
	SQL_PEERS,
	SQL_STATS,
	SQL_BYTES,
	SQL_COUNT
};

enum ikw_store_op { OP_ALARM, OP_TUNNEL, OP_TUNNEL_UP };

/* Room for what names a deletion within a boot: time, SPI, addresses. */
#define IKW_STORE_GIVEN 160

/* One queued write. */
struct ikw_store_item {
	struct ikw_store_item *next;
	enum ikw_store_op op;
	uint64_t id;
	uint64_t wall;
	uint32_t tunnel_index;
	bool tunnel_up;
	bool own_up;
	bool history;		/* not to enter the active list */
	bool again;		/* OP_TUNNEL_UP: told from a journal */
	const char *reason;	/* static */
	const char *confidence; /* static */
	char *peer;
	char *text;    /* the alarm object, or a tunnel's key */
	uint64_t boot; /* time of the deletion, boot time ns */
	char given[IKW_STORE_GIVEN];
};

struct ikw_store {
	sqlite3 *db; /* NULL: it was damaged, and could not be replaced */
	sqlite3_stmt *stmt[SQL_COUNT];
	char *dir;
	char *path;
	int lock; /* fd of DIR/lock; -1: not the owner */
	bool readonly;
	bool batch;
	struct ikw_store_item *first;
	struct ikw_store_item **last;
	uint64_t queued;
	uint64_t dropped;
	uint64_t retry_at; /* no commit before, after one that failed; CLOCK_MONOTONIC ns */
	uint64_t next_id;
	uint64_t untrimmed;  /* alarms written since the last trim */
	uint32_t trimmed_to; /* the last tunnel that the last trim looked at */
	uint64_t max_alarms;
	uint64_t max_age; /* ns */
	char error[512];
	char notice[1024];
	unsigned int replaced; /* databases moved aside */
};

/* The statement, reset and without bindings; NULL after ikw_store_fail(). */
sqlite3_stmt *ikw_store_stmt(struct ikw_store *store, enum ikw_store_sql which);

/* Steps a statement that gives no rows, and resets it. 0, or -1 after ikw_store_fail(). */
int ikw_store_step(struct ikw_store *store, sqlite3_stmt *stmt);

/* Which id is the next: after every one that was given, by this process or another. 0 or -1. */
int ikw_store_find_id(struct ikw_store *store);

/* A statement without parameters and rows. 0 or -1. */
int ikw_store_exec(struct ikw_store *store, enum ikw_store_sql which);

/* Keeps what SQLite says as the store's error; always -1. */
int ikw_store_fail(struct ikw_store *store);

/* Has the last call found the file to be no sound database? */
bool ikw_store_is_corrupt(const struct ikw_store *store);

/*
 * Moves the database aside and begins a new one. 0; or -1: it is where it was, and
 * closed (store->db is NULL).
 */
int ikw_store_replace(struct ikw_store *store);

/* Opens the database again after that. 0, or -1 with it closed. */
int ikw_store_reconnect(struct ikw_store *store);

/* Writers wait so long for another's lock: the usual time, or not at all. */
void ikw_store_patience(struct ikw_store *store, bool usual);

/* Frees what is queued, written or not. */
void ikw_store_queue_free(struct ikw_store *store);

/* SQL text by enum ikw_store_sql, and of the whole schema. */
extern const char *const ikw_store_sql[SQL_COUNT];
extern const char ikw_store_schema[];

/* Tables that came later and that older versions do not mind. */
extern const char ikw_store_additions[];

/* Copies what can be read from a damaged database into this one; counts in *tunnels, *alarms. */
void ikw_store_salvage(struct ikw_store *store, const char *path, unsigned int *tunnels,
		       unsigned int *alarms);

/* Unix nanoseconds now. */
uint64_t ikw_store_now(void);

#endif
