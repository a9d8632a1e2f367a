/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The alarm store: SQLite in DIR/alarms.db. Keeps the numbers of tunnels, every
 * alarm with its evidence, the active list (one entry per tunnel that is down),
 * and who cleared what.
 *
 * Writing goes through a queue. Outside of ikw_store_begin()..ikw_store_commit()
 * every call commits at once; between them calls only queue, and one commit
 * makes all of them durable together. What could not be written (disk full) stays
 * queued, in order, and goes with the next commit, so nothing is lost while the
 * disk is full for a while; the queue is bounded (IKW_STORE_QUEUE_MAX), and a
 * long one is tried again once a second at most.
 *
 * Durable means on the disk: WAL with synchronous=FULL. With NORMAL a commit
 * survives the agent's death but not the machine's, and an alarm that was sent
 * and is gone after a power cut has an id that would be given again. Grouping
 * makes the price one fsync per batch.
 *
 * One process owns a store (the agent); others may read it and clear alarms in
 * it at the same time. Times are Unix nanoseconds.
 */
#ifndef IKEWATCH_STORE_H
#define IKEWATCH_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "alarm.h"

struct ikw_tunnel_past; /* model.h */

#define IKW_STATE_DIR	     "/var/lib/ikewatch"
#define IKW_STORE_QUEUE_MAX  10000
#define IKW_STORE_ALARMS_MAX 1000000
#define IKW_STORE_AGE_DAYS   400
#define IKW_STORE_SCHEMA     1

struct ikw_store;

/*
 * Opens DIR/alarms.db. readonly: for reading, by anybody who may read the file.
 * Otherwise as its owner: DIR and the file are made when missing, and a second
 * owner is refused. A corrupt database is moved to alarms.db.corrupt-TIME, a new
 * one is begun, and what could still be read is copied into it;
 * ikw_store_notice() says so. NULL with the cause in why.
 */
struct ikw_store *ikw_store_open(const char *dir, bool readonly, char *why, size_t size);

/* Opens an existing store to clear alarms in it, also while the agent owns it. */
struct ikw_store *ikw_store_open_shared(const char *dir, char *why, size_t size);

/* Commits what is queued and closes. 0, or -1 when something was left unwritten. NULL is fine. */
int ikw_store_close(struct ikw_store *store);

/* "FILE: cause" of the last failure; static until the next call. */
const char *ikw_store_error(const struct ikw_store *store);

/* Something the operator must be told once (a database moved aside), or NULL; valid until closed.
 */
const char *ikw_store_notice(struct ikw_store *store);

/* How many databases this store moved aside so far, at its opening and since. */
unsigned int ikw_store_replaced(const struct ikw_store *store);

/* Retention; both bounds hold. The last alarm of an active entry is never dropped. */
void ikw_store_retain(struct ikw_store *store, uint64_t alarms, unsigned int days);

/* ---- writing (see above) ---------------------------------------------- */

void ikw_store_begin(struct ikw_store *store);

/* 0, or -1: ikw_store_error(); what is queued stays queued. Cheap when nothing is. */
int ikw_store_commit(struct ikw_store *store);

/*
 * Sets alarm->id (greater than every id given before, failed or not) and keeps
 * the alarm. A tunnel that is down enters the active list, or is counted there.
 * 0, or -1 as ikw_store_commit; the id is set in any case.
 */
int ikw_store_alarm(struct ikw_store *store, struct ikw_alarm *alarm);

/*
 * Has this very deletion had its alarm already, from an agent before this one?
 * Of what is committed. Deletions are named by boot time: forget those of
 * another boot before asking.
 */
bool ikw_store_given(struct ikw_store *store, const struct ikw_alarm *alarm);

/* Forgets which deletions before that boot time (ns) have had their alarm. 0, or -1. */
int ikw_store_forget_given(struct ikw_store *store, uint64_t before);

/* A tunnel got a number (struct ikw_model_ops.tunnel). */
int ikw_store_add_tunnel(struct ikw_store *store, const char *key, uint32_t index);

/*
 * A tunnel came back at that time: its active entry, if any, says so. again: it is told from a
 * journal, and the entry may be of a later end, told by the agent before this one; then only the
 * clock says which was first.
 */
int ikw_store_tunnel_up(struct ikw_store *store, uint32_t index, uint64_t wall, bool again);

/* ---- clearing --------------------------------------------------------- */

/* What a clear took off the active list. */
struct ikw_store_cleared {
	uint32_t tunnel_index;
	uint64_t last_id; /* the entry's latest alarm */
	uint64_t count;	  /* alarms in the entry */
};

/*
 * Clears the active entry that the alarm belongs to. 1: done; 0: the alarm is
 * not active (cleared before, or its tunnel stayed up); -2: no such alarm; -1:
 * failed. who and note (may be NULL) are kept. cleared may be NULL.
 */
int ikw_store_clear(struct ikw_store *store, uint64_t id, const char *who, const char *note,
		    struct ikw_store_cleared *cleared);

/* Clears every active entry; how many, or -1. */
int ikw_store_clear_all(struct ikw_store *store, const char *who, const char *note);

/* ---- reading: what is committed --------------------------------------- */

struct ikw_store_tunnel {
	uint32_t index;
	const char *key;
	uint64_t deletions;	 /* in all */
	uint64_t last_deletion;	 /* 0: none */
	const char *last_reason; /* NULL: none */
	bool active;		 /* it is in the active list */
	uint64_t up_since;	 /* if active: it came back then; 0: it did not */
	const char *last_alarm;	 /* the alarm object of its last deletion; NULL: none kept */
};

/* What ikw_store_add_tunnel() kept under this key (struct ikw_model_ops.known). 1: it is in past;
 * 0: nothing; -1: failed. */
int ikw_store_known(struct ikw_store *store, const char *key, struct ikw_tunnel_past *past);

/* The highest number of a tunnel; 0: there is none, or it could not be read. */
uint32_t ikw_store_last_tunnel(struct ikw_store *store);

/*
 * Every tunnel in the order of its number, with what is known of its end, until fn
 * returns nonzero; index: this one only (0: all). 0, or -1.
 */
int ikw_store_tunnels_seen(struct ikw_store *store, uint32_t index,
			   int (*fn)(void *ctx, const struct ikw_store_tunnel *tunnel), void *ctx);

/* One alarm as it is listed. Texts are valid during the call only. */
struct ikw_store_row {
	uint64_t id;
	uint64_t wall;
	uint32_t tunnel_index;
	const char *reason;
	const char *confidence;
	const char *peer;
	bool tunnel_up;
	const char *json;	/* the alarm object, one line; NULL when not asked for */
	bool active;		/* stands for its tunnel in the active list */
	uint64_t counted_in;	/* id of the later alarm whose entry counts this one; 0: none */
	uint64_t count;		/* if active: alarms in the entry */
	uint64_t first;		/* if active: time of the first */
	uint64_t last;		/* if active: time of the last */
	uint64_t up_since;	/* if active: the tunnel came back then; 0: it is down */
	uint64_t cleared;	/* when; 0: not */
	const char *cleared_by; /* or NULL */
	const char *note;	/* or NULL */
};

/* Which alarms. */
struct ikw_store_list {
	bool all;	 /* history too, not only the active list */
	bool json;	 /* with the alarm objects */
	uint64_t newest; /* no more than that many, the latest ones; 0: no limit */
};

/* The alarms of a list, oldest first, until fn returns nonzero. 0, or -1. */
int ikw_store_alarms(struct ikw_store *store, const struct ikw_store_list *list,
		     int (*fn)(void *ctx, const struct ikw_store_row *row), void *ctx);

/* One alarm. 1: fn was called; 0: no such alarm; -1: failed. */
int ikw_store_find(struct ikw_store *store, uint64_t id,
		   int (*fn)(void *ctx, const struct ikw_store_row *row), void *ctx);

/*
 * At most limit alarms with greater ids, in their order; of a row only id, wall and
 * json are filled. How many, or -1.
 */
int ikw_store_after(struct ikw_store *store, uint64_t id, unsigned int limit,
		    int (*fn)(void *ctx, const struct ikw_store_row *row), void *ctx);

/* The greatest id that was ever given, kept or not; 0: none. 0, or -1. */
int ikw_store_last(struct ikw_store *store, uint64_t *id);

/* The active list rolled up: what one cause did to one peer's tunnels. */
struct ikw_store_peer {
	const char *peer;
	const char *reason;
	uint64_t tunnels;
	uint64_t up; /* of them, came back since */
	uint64_t count;
	uint64_t first;
	uint64_t last;
	uint64_t last_id;
};

int ikw_store_peers(struct ikw_store *store,
		    int (*fn)(void *ctx, const struct ikw_store_peer *peer), void *ctx);

struct ikw_store_stats {
	uint64_t alarms;
	uint64_t active;
	uint64_t tunnels;
	uint64_t clears;
	uint64_t oldest;  /* time of the oldest alarm; 0: none */
	uint64_t last_id; /* 0: none */
	uint64_t bytes;	  /* of the database, in use */
	uint64_t queued;  /* not yet durable */
	uint64_t dropped; /* given up because the queue was full */
};

/* 0, or -1. */
int ikw_store_stats(struct ikw_store *store, struct ikw_store_stats *stats);

#endif
