/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The store's life: opening, schema, a damaged database, closing. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "lock.h"
#include "store_private.h"

#define NSEC	UINT64_C(1000000000)
#define DAY_NS	(86400 * NSEC)
#define BUSY_MS 2000
/* Checking reads the whole file: for greater ones damage shows when it is met. */
#define CHECK_BYTES_MAX (64 << 20)

uint64_t ikw_store_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NSEC + (uint64_t)now.tv_nsec;
}

const char *ikw_store_error(const struct ikw_store *store)
{
	return store->error;
}

const char *ikw_store_notice(struct ikw_store *store)
{
	return store->notice[0] ? store->notice : NULL;
}

unsigned int ikw_store_replaced(const struct ikw_store *store)
{
	return store->replaced;
}

void ikw_store_retain(struct ikw_store *store, uint64_t alarms, unsigned int days)
{
	store->max_alarms = alarms;
	store->max_age = days * DAY_NS;
}

/* ---- statements ------------------------------------------------------- */

int ikw_store_fail(struct ikw_store *store)
{
	int error = sqlite3_system_errno(store->db);
	bool os = sqlite3_errcode(store->db) == SQLITE_CANTOPEN ||
		  sqlite3_errcode(store->db) == SQLITE_IOERR;

	snprintf(store->error, sizeof(store->error), "%s: %s%s%s", store->path,
		 sqlite3_errmsg(store->db), os && error ? ": " : "",
		 os && error ? strerror(error) : "");
	return -1;
}

static int fail_errno(struct ikw_store *store, const char *path)
{
	snprintf(store->error, sizeof(store->error), "%s: %s", path, strerror(errno));
	return -1;
}

bool ikw_store_is_corrupt(const struct ikw_store *store)
{
	int code = sqlite3_errcode(store->db);

	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

sqlite3_stmt *ikw_store_stmt(struct ikw_store *store, enum ikw_store_sql which)
{
	sqlite3_stmt **stmt = &store->stmt[which];

	if (!store->db)
		return NULL;
	if (!*stmt && sqlite3_prepare_v3(store->db, ikw_store_sql[which], -1,
					 SQLITE_PREPARE_PERSISTENT, stmt, NULL)) {
		ikw_store_fail(store);
		return NULL;
	}
	sqlite3_reset(*stmt);
	sqlite3_clear_bindings(*stmt);
	return *stmt;
}

int ikw_store_step(struct ikw_store *store, sqlite3_stmt *stmt)
{
	int code = sqlite3_step(stmt);
	int err = code == SQLITE_DONE || code == SQLITE_ROW ? 0 : ikw_store_fail(store);

	sqlite3_reset(stmt);
	return err;
}

int ikw_store_exec(struct ikw_store *store, enum ikw_store_sql which)
{
	sqlite3_stmt *stmt = ikw_store_stmt(store, which);

	return stmt ? ikw_store_step(store, stmt) : -1;
}

static int exec_text(struct ikw_store *store, const char *sql)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL) ? ikw_store_fail(store) : 0;
}

/* The first column of a one-row query as an integer. */
static int query_int(struct ikw_store *store, const char *sql, int64_t *value)
{
	sqlite3_stmt *stmt;
	int err = 0;

	if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL))
		return ikw_store_fail(store);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		*value = sqlite3_column_int64(stmt, 0);
	else
		err = ikw_store_fail(store);
	sqlite3_finalize(stmt);
	return err;
}

/* ---- connecting ------------------------------------------------------- */

/*
 * A reader that may not write to the directory cannot make the WAL's index.
 * Without a WAL file there is nothing but the main file, which can then be read as it is.
 */
static int connect_immutable(struct ikw_store *store)
{
	char *uri = sqlite3_mprintf("%s-wal", store->path);
	int code = SQLITE_NOMEM;

	if (uri && !access(uri, F_OK)) {
		sqlite3_free(uri);
		return ikw_store_fail(store);
	}
	sqlite3_free(uri);
	if (strpbrk(store->path, "?#%"))
		return ikw_store_fail(store);
	uri = sqlite3_mprintf("file:%s?immutable=1", store->path);
	if (uri) {
		sqlite3_close(store->db);
		code = sqlite3_open_v2(uri, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
				       NULL);
	}
	sqlite3_free(uri);
	return code ? ikw_store_fail(store) : exec_text(store, "PRAGMA temp_store=MEMORY");
}

static int check_schema(struct ikw_store *store)
{
	int64_t version = 0, tables = 0;

	if (query_int(store, "PRAGMA user_version", &version))
		return -1;
	if (version == IKW_STORE_SCHEMA)
		return 0;
	if (version > IKW_STORE_SCHEMA) {
		snprintf(store->error, sizeof(store->error),
			 "%s: made by a newer ikewatch (schema %lld, this one knows %d)",
			 store->path, (long long)version, IKW_STORE_SCHEMA);
		return -1;
	}
	if (query_int(store, "SELECT count(*) FROM sqlite_schema", &tables))
		return -1;
	if (store->readonly || tables) {
		snprintf(store->error, sizeof(store->error), "%s: not an alarm store", store->path);
		return -1;
	}
	if (exec_text(store, "BEGIN IMMEDIATE"))
		return -1;
	if (!exec_text(store, ikw_store_schema) && !exec_text(store, "COMMIT"))
		return 0;
	sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

/* quick_check gives "ok" or what is wrong; damage it finds is not an error code by itself. */
static int check_pages(struct ikw_store *store)
{
	sqlite3_stmt *stmt;
	struct stat st;
	int err = 0;

	if (store->lock < 0 || stat(store->path, &st) || st.st_size > CHECK_BYTES_MAX)
		return 0;
	if (sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &stmt, NULL))
		return ikw_store_fail(store);
	if (sqlite3_step(stmt) != SQLITE_ROW) {
		err = ikw_store_fail(store);
	} else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok")) {
		snprintf(store->error, sizeof(store->error), "%s: %s", store->path,
			 sqlite3_column_text(stmt, 0));
		for (char *c = store->error; *c; c++)
			if (*c == '\n')
				*c = ' ';
		err = 1;
	}
	sqlite3_finalize(stmt);
	return err;
}

void ikw_store_patience(struct ikw_store *store, bool usual)
{
	sqlite3_busy_timeout(store->db, usual ? BUSY_MS : 0);
}

/*
 * The WAL is kept when the last writer goes, so that readers without write access
 * find it. A long list is sorted in memory: such a reader may make no file for it.
 */
static int set_pragmas(struct ikw_store *store)
{
	int persist = 1;

	ikw_store_patience(store, true);
	if (exec_text(store, "PRAGMA temp_store=MEMORY"))
		return -1;
	if (store->readonly)
		return 0;
	sqlite3_file_control(store->db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	return exec_text(store, "PRAGMA journal_mode=WAL;"
				"PRAGMA synchronous=FULL;"
				"PRAGMA journal_size_limit=16777216;");
}

/* Connects, sets the pragmas, makes the schema. 0; -1; 1 when the check of the pages found damage.
 */
static int store_connect(struct ikw_store *store)
{
	int flags = store->readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	int64_t ignored;
	int err, code;

	if (sqlite3_open_v2(store->path, &store->db, flags, NULL))
		return ikw_store_fail(store);
	sqlite3_extended_result_codes(store->db, 0);
	if (set_pragmas(store))
		return -1;
	if (store->readonly && query_int(store, "PRAGMA schema_version", &ignored)) {
		code = sqlite3_errcode(store->db);
		if ((code == SQLITE_CANTOPEN || code == SQLITE_READONLY) &&
		    connect_immutable(store))
			return -1;
	}
	err = check_pages(store);
	if (!err)
		err = check_schema(store);
	return err || store->readonly ? err : exec_text(store, ikw_store_additions);
}

static void store_disconnect(struct ikw_store *store)
{
	for (int i = 0; i < SQL_COUNT; i++) {
		sqlite3_finalize(store->stmt[i]);
		store->stmt[i] = NULL;
	}
	sqlite3_close(store->db);
	store->db = NULL;
}

/* ---- a damaged database ----------------------------------------------- */

static int create_file(struct ikw_store *store)
{
	int fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	struct stat st;

	if (fd < 0)
		return fail_errno(store, store->path);
	/* the group reads, whatever the umask; SQLite gives its other files the same mode */
	if (!fstat(fd, &st) && !st.st_size)
		fchmod(fd, 0640);
	close(fd);
	return 0;
}

/* FILE and FILE-wal to ASIDE and ASIDE-wal: together they are what was stored. */
static int move_aside(struct ikw_store *store, const char *aside)
{
	static const char *const suffix[] = { "-wal", "" };
	char *index = sqlite3_mprintf("%s-shm", store->path);
	int err = 0;

	if (index)
		unlink(index);
	sqlite3_free(index);
	for (int i = 0; i < 2 && !err; i++) {
		char *from = sqlite3_mprintf("%s%s", store->path, suffix[i]);
		char *to = sqlite3_mprintf("%s%s", aside, suffix[i]);

		if (!from || !to || (rename(from, to) && errno != ENOENT))
			err = fail_errno(store, store->path);
		sqlite3_free(from);
		sqlite3_free(to);
	}
	return err;
}

/* What could not be replaced is there as before: nothing of it is lost to those that come later. */
static void put_back(const struct ikw_store *store, const char *aside)
{
	static const char *const suffix[] = { "-wal", "-shm", "" };

	for (int i = 0; i < 3; i++) {
		char *from = sqlite3_mprintf("%s%s", aside, suffix[i]);
		char *to = sqlite3_mprintf("%s%s", store->path, suffix[i]);

		if (from && to && *suffix[i] && !access(aside, F_OK))
			unlink(to); /* the new one's */
		if (from && to)
			rename(from, to);
		sqlite3_free(from);
		sqlite3_free(to);
	}
}

static void time_suffix(char *to, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	if (!gmtime_r(&now, &tm) || !strftime(to, size, "%Y%m%dT%H%M%SZ", &tm))
		snprintf(to, size, "%lld", (long long)now);
}

int ikw_store_replace(struct ikw_store *store)
{
	unsigned int tunnels = 0, alarms = 0;
	char cause[sizeof(store->error)];
	char stamp[32];
	char *aside;
	int err;

	memcpy(cause, store->error, sizeof(cause));
	time_suffix(stamp, sizeof(stamp));
	aside = sqlite3_mprintf("%s.corrupt-%s", store->path, stamp);
	store_disconnect(store);
	err = !aside || move_aside(store, aside) || create_file(store) || store_connect(store);
	if (err) {
		store_disconnect(store);
		if (aside)
			put_back(store, aside);
	} else {
		store->replaced++;
		ikw_store_salvage(store, aside, &tunnels, &alarms);
		snprintf(store->notice, sizeof(store->notice),
			 "%s: moved to %s, a new one begun with %u tunnels and %u alarms of it",
			 cause, aside, tunnels, alarms);
	}
	sqlite3_free(aside);
	return err ? -1 : 0;
}

int ikw_store_reconnect(struct ikw_store *store)
{
	int err = store_connect(store);

	if (err > 0 || (err < 0 && ikw_store_is_corrupt(store)))
		return ikw_store_replace(store);
	if (err)
		store_disconnect(store);
	return err;
}

/* ---- opening ---------------------------------------------------------- */

static struct ikw_store *store_new(const char *dir)
{
	struct ikw_store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	store->lock = -1;
	store->last = &store->first;
	ikw_store_retain(store, IKW_STORE_ALARMS_MAX, IKW_STORE_AGE_DAYS);
	store->dir = strdup(dir);
	if (!store->dir || asprintf(&store->path, "%s/alarms.db", dir) < 0) {
		free(store->dir);
		free(store);
		return NULL;
	}
	return store;
}

static void say_used(struct ikw_store *store)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/lock", store->dir);
	snprintf(store->error, sizeof(store->error), "%.400s: another ikewatch uses it (pid %d)",
		 store->dir, (int)ikw_lock_holder(path));
}

/* Held for life: the kernel lets go of it however the agent ends. */
static int own_directory(struct ikw_store *store)
{
	char *path;

	if (mkdir(store->dir, 0750) && errno != EEXIST)
		return fail_errno(store, store->dir);
	if (asprintf(&path, "%s/lock", store->dir) < 0)
		return fail_errno(store, store->dir);
	store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (store->lock < 0) {
		fail_errno(store, path);
		free(path);
		return -1;
	}
	free(path);
	if (!flock(store->lock, LOCK_EX | LOCK_NB))
		return create_file(store);
	if (errno == EWOULDBLOCK)
		say_used(store);
	else
		fail_errno(store, store->dir);
	return -1;
}

/* The next id is found now: damage met later must not make it one that was given. */
static int connect_owned(struct ikw_store *store)
{
	int err = store_connect(store);

	return err ? err : ikw_store_find_id(store);
}

static int open_owned(struct ikw_store *store)
{
	int err;

	if (own_directory(store))
		return -1;
	err = connect_owned(store);
	/* 1: the check found damage; else it was met on the way. */
	if (err > 0 || (err < 0 && store->db && ikw_store_is_corrupt(store)))
		err = ikw_store_replace(store) ? -1 : ikw_store_find_id(store);
	return err;
}

static int open_existing(struct ikw_store *store)
{
	if (access(store->path, R_OK))
		return fail_errno(store, store->path);
	return store_connect(store);
}

static void store_free(struct ikw_store *store)
{
	ikw_store_queue_free(store);
	store_disconnect(store);
	if (store->lock >= 0)
		close(store->lock);
	free(store->path);
	free(store->dir);
	free(store);
}

static struct ikw_store *open_with(const char *dir, int (*how)(struct ikw_store *), bool readonly,
				   char *why, size_t size)
{
	struct ikw_store *store = store_new(dir);

	if (!store) {
		snprintf(why, size, "%s: out of memory", dir);
		return NULL;
	}
	store->readonly = readonly;
	if (!how(store))
		return store;
	snprintf(why, size, "%s", store->error);
	store_free(store);
	return NULL;
}

struct ikw_store *ikw_store_open(const char *dir, bool readonly, char *why, size_t size)
{
	return open_with(dir, readonly ? open_existing : open_owned, readonly, why, size);
}

struct ikw_store *ikw_store_open_shared(const char *dir, char *why, size_t size)
{
	return open_with(dir, open_existing, false, why, size);
}

int ikw_store_close(struct ikw_store *store)
{
	int err;

	if (!store)
		return 0;
	store->retry_at = 0;
	err = ikw_store_commit(store);
	store_free(store);
	return err;
}
