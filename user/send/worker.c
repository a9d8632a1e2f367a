/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One sink's process: reads the store after the cursor, gives each alarm to the
 * sink, moves the cursor on. After a failure it waits, twice as long each time up
 * to retry-max seconds, shortened by up to half at random so that gateways that
 * lost the same receiver do not come back to it all at once.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "cli.h"
#include "send.h"
#include "stamp.h"

#define BATCH	    64 /* alarms between two writes of the cursor, at most */
#define SAVE_EVERY  (200 * IKW_MS)
#define RETRY_FIRST 500	 /* ms */
#define IDLE_MS	    1000 /* between two looks when nothing tells of a change */

struct letter {
	uint64_t id;
	uint64_t wall;
	char *json;
};

struct worker {
	struct ikw_sink *sink;
	struct ikw_feed *feed;
	int bell;
	struct ikw_cursor cursor;
	uint64_t at;	   /* last alarm given to the sink, confirmed or not */
	uint64_t given;	   /* given and not yet confirmed */
	uint64_t saved_at; /* boot time ns */
	uint64_t ticked_at;
	struct letter letters[BATCH];
	size_t letter_count;
	unsigned int tries;
	bool open;
	bool dirty; /* the file does not have what the cursor has */
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

void ikw_stop_on_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART: waits end */

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool ikw_stopping(void)
{
	return stopping;
}

bool ikw_sink_fail(struct ikw_sink *sink, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(sink->why, sizeof(sink->why), format, args);
	va_end(args);
	return false;
}

/* ---- the cursor ----------------------------------------------------------- */

static void save(struct worker *w)
{
	char why[PATH_MAX + 128];

	w->saved_at = ikw_boot_now();
	w->dirty = !ikw_cursor_save(&w->cursor, why, sizeof(why));
	if (w->dirty)
		ikw_error("%s: %s", w->sink->name, why);
}

/* What was given is with the receiver. */
static void confirm(struct worker *w)
{
	struct ikw_cursor *cursor = &w->cursor;

	if (cursor->since)
		ikw_error("%s: delivers again", w->sink->name);
	if (!w->given && !cursor->since)
		return;
	cursor->id = w->at;
	cursor->sent += w->given;
	if (w->given)
		cursor->last_sent = ikw_wall_now();
	cursor->since = 0;
	w->given = 0;
	w->tries = 0;
	w->dirty = true;
}

/* ---- waiting --------------------------------------------------------------- */

static void sleep_ms(unsigned int ms)
{
	struct timespec left = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (!stopping && nanosleep(&left, &left) && errno == EINTR)
		;
}

static unsigned int retry_ms(const struct worker *w)
{
	unsigned long max = 1000UL * (unsigned long)cfg_getint(w->sink->config, "retry-max");
	unsigned long ms = (unsigned long)RETRY_FIRST << (w->tries < 16 ? w->tries : 16);
	uint32_t random = 0;

	if (ms > max)
		ms = max;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)ikw_boot_now();
	return (unsigned int)(ms / 2 + random % (ms / 2 + 1));
}

/* Says so once in a row, for `status` always, and waits. */
static void fail(struct worker *w)
{
	struct ikw_cursor *cursor = &w->cursor;
	struct ikw_sink *sink = w->sink;

	if (!cursor->since || strcmp(cursor->error, sink->why))
		ikw_error("%s: %s; tried again", sink->name, sink->why);
	snprintf(cursor->error, sizeof(cursor->error), "%s", sink->why);
	if (!cursor->since)
		cursor->since = ikw_wall_now();
	cursor->failed++;
	if (sink->resend_from && sink->resend_from <= cursor->id)
		cursor->id = sink->resend_from - 1;
	sink->resend_from = 0;
	w->at = cursor->id;
	w->given = 0;
	save(w);
	sleep_ms(retry_ms(w));
	w->tries++;
}

/* ---- delivering ------------------------------------------------------------ */

static bool flush(struct worker *w)
{
	struct ikw_sink *sink = w->sink;

	if (sink->type->flush && (w->given || sink->type->wants_ticks || w->cursor.since) &&
	    !sink->type->flush(sink)) {
		fail(w);
		return false;
	}
	confirm(w);
	return true;
}

/* Ids have no holes: what is missing was taken by retention. */
static void count_lost(struct worker *w, uint64_t id)
{
	if (id <= w->at + 1)
		return;
	w->cursor.lost += id - w->at - 1;
	ikw_error("%s: %llu alarms were older than the store keeps them; not delivered",
		  w->sink->name, (unsigned long long)(id - w->at - 1));
}

static bool deliver(struct worker *w, const struct letter *letter)
{
	struct ikw_parcel parcel;
	bool sent;

	count_lost(w, letter->id);
	if (!ikw_parcel_make(&parcel, w->sink->gateway, letter->id, letter->wall, letter->json)) {
		ikw_error("%s: alarm %llu is not readable; passed over", w->sink->name,
			  (unsigned long long)letter->id);
		w->cursor.lost++;
		w->at = letter->id;
		return true;
	}
	sent = w->sink->type->send(w->sink, &parcel);
	ikw_parcel_clear(&parcel);
	if (!sent)
		return false;
	w->at = letter->id;
	w->given++;
	return true;
}

/* What this sink confirms one by one is confirmed as far as it came. */
static bool deliver_all(struct worker *w)
{
	bool one_by_one = !w->sink->type->flush;

	for (size_t i = 0; i < w->letter_count && !stopping; i++) {
		if (!deliver(w, &w->letters[i])) {
			if (one_by_one && w->given)
				confirm(w);
			fail(w);
			return false;
		}
		if (one_by_one && ikw_boot_now() - w->saved_at > SAVE_EVERY) {
			confirm(w);
			save(w);
		}
	}
	return true;
}

static int keep(void *ctx, uint64_t id, uint64_t wall, const char *json)
{
	struct worker *w = ctx;
	char *copy = strdup(json ? json : "");

	if (!copy)
		return 1;
	w->letters[w->letter_count++] = (struct letter){ id, wall, copy };
	return 0;
}

/* Copied out first: the store is not held open while a receiver takes its time. */
static bool collect(struct worker *w)
{
	struct ikw_sink *sink = w->sink;

	while (w->letter_count)
		free(w->letters[--w->letter_count].json);
	return ikw_feed_after(w->feed, w->at, BATCH, keep, w, sink->why, sizeof(sink->why)) >= 0;
}

/* A store that was begun anew gives ids from the start again; the uid tells them apart. */
static bool begun_anew(struct worker *w)
{
	char why[512];
	uint64_t last;

	if (ikw_feed_last(w->feed, &last, why, sizeof(why)) || last >= w->at)
		return false;
	ikw_error("%s: the store was begun anew", w->sink->name);
	w->at = w->cursor.id = 0;
	w->dirty = true;
	return true;
}

static bool tick(struct worker *w)
{
	uint64_t now = ikw_boot_now();

	if (!w->sink->type->tick || now - w->ticked_at < IDLE_MS * IKW_MS)
		return true;
	w->ticked_at = now;
	if (w->sink->type->tick(w->sink))
		return true;
	fail(w);
	return false;
}

/* One look at the store. True when there may be more. */
static bool look(struct worker *w)
{
	size_t count;

	if (!collect(w)) {
		w->tries = 0; /* it is local: no receiver to spare */
		fail(w);
		return false;
	}
	count = w->letter_count;
	w->sink->more = count == BATCH;
	if (!deliver_all(w))
		return true;
	if ((count || w->sink->type->wants_ticks || w->cursor.since) && !flush(w))
		return true;
	if (w->dirty)
		save(w);
	if (!tick(w))
		return true;
	return count || begun_anew(w);
}

/* ---- life ------------------------------------------------------------------ */

/*
 * Where a sink that was never there before begins: now, or with the oldest alarm
 * kept. A store that does not exist yet has no past.
 */
static bool begin(struct worker *w)
{
	bool all = !strcmp(cfg_getstr(w->sink->config, "start"), "all");
	uint64_t last = 0;

	if (!w->cursor.known && !all && ikw_feed_exists(w->feed) &&
	    ikw_feed_last(w->feed, &last, w->sink->why, sizeof(w->sink->why)))
		return false;
	if (!w->cursor.known)
		w->cursor.id = last;
	w->cursor.known = true;
	w->at = w->cursor.id;
	return true;
}

static bool open_sink(struct worker *w)
{
	if (w->open)
		return true;
	w->open = begin(w) && w->sink->type->open(w->sink);
	if (!w->open && w->sink->type->close)
		w->sink->type->close(w->sink);
	if (!w->open)
		fail(w);
	return w->open;
}

static void work(struct worker *w)
{
	while (!stopping) {
		if (open_sink(w) && !look(w) && !stopping)
			ikw_feed_wait(w->feed, w->bell, IDLE_MS);
	}
	if (w->dirty)
		save(w);
	if (w->open && w->sink->type->close)
		w->sink->type->close(w->sink);
}

int ikw_worker(struct ikw_sink *sink, int bell)
{
	static struct worker w;
	char why[PATH_MAX + 128];

	w.sink = sink;
	w.bell = bell;
	w.feed = ikw_feed_open(sink->state_dir);
	if (!w.feed || !ikw_cursor_open(&w.cursor, sink, why, sizeof(why))) {
		ikw_error("%s: %s", sink->name, w.feed ? why : strerror(ENOMEM));
		ikw_feed_close(w.feed);
		return IKW_EXIT_FAILED;
	}
	sink->starts = ++w.cursor.starts;
	w.cursor.since = 0;
	/* before anything is sent: a receiver must never see the same start twice */
	if (w.cursor.known)
		save(&w);
	work(&w);
	ikw_feed_close(w.feed);
	return IKW_EXIT_OK;
}
