/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading the store. Without write access: SQLite then takes its locks on the
 * WAL's index through a read-only descriptor, and never makes the agent wait. The
 * supervisor rings a bell when the store changes; as the commit becomes visible a
 * moment after the write that it tells of, the waits after it begin short and grow.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "send.h"
#include "store.h"

#define WAIT_FIRST 1   /* ms */
#define WAIT_LAST  256 /* ms; after it nothing more is expected of a change */

struct ikw_feed {
	char dir[PATH_MAX];
	struct ikw_store *store;
	ino_t inode;	   /* of the database that is open */
	bool had_wal;	   /* when it was opened */
	unsigned int wait; /* ms; 0: nothing has changed lately */
};

struct ikw_feed *ikw_feed_open(const char *state_dir)
{
	struct ikw_feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return NULL;
	snprintf(feed->dir, sizeof(feed->dir), "%s", state_dir);
	return feed;
}

void ikw_feed_close(struct ikw_feed *feed)
{
	if (!feed)
		return;
	ikw_store_close(feed->store);
	free(feed);
}

static bool path_of(const struct ikw_feed *feed, char path[PATH_MAX])
{
	return (size_t)snprintf(path, PATH_MAX, "%s/alarms.db", feed->dir) < PATH_MAX;
}

bool ikw_feed_exists(const struct ikw_feed *feed)
{
	char path[PATH_MAX];

	return path_of(feed, path) && (!access(path, F_OK) || errno != ENOENT);
}

static bool has_wal(const struct ikw_feed *feed)
{
	char path[PATH_MAX];

	return (size_t)snprintf(path, sizeof(path), "%s/alarms.db-wal", feed->dir) < sizeof(path) &&
	       !access(path, F_OK);
}

/*
 * The agent moves a damaged database aside and begins another. One without a WAL was
 * opened as what never changes; it does once there is an agent, and so a WAL.
 */
static void close_if_replaced(struct ikw_feed *feed)
{
	char path[PATH_MAX];
	struct stat st;

	if (!feed->store || (path_of(feed, path) && !stat(path, &st) && st.st_ino == feed->inode &&
			     (feed->had_wal || !has_wal(feed))))
		return;
	ikw_store_close(feed->store);
	feed->store = NULL;
}

struct ikw_store *ikw_feed_store(struct ikw_feed *feed, char *why, size_t size)
{
	char path[PATH_MAX];
	struct stat st;

	close_if_replaced(feed);
	if (feed->store)
		return feed->store;
	if (!path_of(feed, path) || stat(path, &st)) {
		snprintf(why, size, "%s: %s", feed->dir, strerror(errno));
		return NULL;
	}
	feed->inode = st.st_ino;
	feed->had_wal = has_wal(feed);
	feed->store = ikw_store_open(feed->dir, true, why, size);
	return feed->store;
}

/* After a failure it is opened anew: the database may have been replaced under it. */
static int failed(struct ikw_feed *feed, char *why, size_t size)
{
	snprintf(why, size, "%s", ikw_store_error(feed->store));
	ikw_store_close(feed->store);
	feed->store = NULL;
	return -1;
}

struct after_call {
	int (*fn)(void *ctx, uint64_t id, uint64_t wall, const char *json);
	void *ctx;
};

static int after_row(void *ctx, const struct ikw_store_row *row)
{
	const struct after_call *call = ctx;

	return call->fn(call->ctx, row->id, row->wall, row->json);
}

int ikw_feed_after(struct ikw_feed *feed, uint64_t id, unsigned int limit,
		   int (*fn)(void *ctx, uint64_t id, uint64_t wall, const char *json), void *ctx,
		   char *why, size_t size)
{
	struct ikw_store *store = ikw_feed_store(feed, why, size);
	struct after_call call = { fn, ctx };
	int count;

	if (!store)
		return -1;
	count = ikw_store_after(store, id, limit, after_row, &call);
	return count < 0 ? failed(feed, why, size) : count;
}

int ikw_feed_last(struct ikw_feed *feed, uint64_t *id, char *why, size_t size)
{
	struct ikw_store *store = ikw_feed_store(feed, why, size);

	if (!store)
		return -1;
	return ikw_store_last(store, id) ? failed(feed, why, size) : 0;
}

void ikw_feed_wait(struct ikw_feed *feed, int bell, unsigned int ms)
{
	struct pollfd poll_fd = { .fd = bell, .events = POLLIN };
	unsigned int wait = feed->wait && feed->wait < ms ? feed->wait : ms;
	uint64_t rings;

	if (feed->wait)
		feed->wait = feed->wait < WAIT_LAST ? 2 * feed->wait : 0;
	if (poll(&poll_fd, 1, (int)wait) > 0 && read(bell, &rings, sizeof(rings)) > 0)
		feed->wait = WAIT_FIRST;
}
