/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "journal.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "event.h"
#include "table.h"

#define MAGIC	     0x316c6e726a776b69ULL /* "ikwjrnl1" */
#define SEGMENTS     2
#define RECORD_ALIGN 8
#define GROWTH	     4 /* a segment is at least so many times as long as its checkpoint */
#define BOOT_ID	     "/proc/sys/kernel/random/boot_id"
#define RECORD_MAX   (sizeof(union ikw_event) + sizeof(struct record))
#define RETRY_NS     UINT64_C(10000000000) /* from one attempt after a failure to the next */

struct header {
	uint64_t magic;
	uint32_t event_version;
	uint32_t record_max; /* sizeof(union ikw_event): another build may differ */
	struct ikw_journal_id id;
	uint64_t segment;
	uint64_t begun; /* boot time ns of the first event that follows the checkpoint */
	uint64_t whole; /* 1: the checkpoint is complete */
};

struct record {
	uint32_t size; /* of the event behind this */
	uint32_t kind;
	uint64_t sum;
};

struct segment {
	int fd;
	char *path;
	struct header header;
	bool valid;
};

struct ikw_journal {
	struct ikw_journal_id id;
	struct segment segments[SEGMENTS];
	unsigned int current;
	uint64_t number; /* of the current segment; 0: none */
	off_t at;
	uint64_t chain; /* sum of the record before: what lies behind the end is no record */
	size_t bytes;	/* least length of a segment */
	size_t limit;	/* of this one */
	off_t checkpoint;
	bool checkpointing;
	uint64_t last;
	struct ikw_hdr taken; /* last record of the ring; type 0: none */
	uint64_t retry_at;    /* after a failure: no attempt before, by the events' own time */
	char failing[PATH_MAX + 64];
};

struct ikw_journal_id ikw_journal_id(uint32_t netns)
{
	struct ikw_journal_id id = { .netns = netns };
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	char text[64] = "";

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0) {
		id.boot[0] = ikw_hash(text, sizeof(text), 1);
		id.boot[1] = ikw_hash(text, sizeof(text), 2);
	}
	if (fd >= 0)
		close(fd);
	return id;
}

/* ---- writing --------------------------------------------------------------- */

/* A journal with a hole would tell the next agent what is not so: none is better. */
static void fail(struct ikw_journal *j, int error)
{
	snprintf(j->failing, sizeof(j->failing), "%s: %s", j->segments[j->current].path,
		 strerror(error));
	j->number = 0;
	for (int i = 0; i < SEGMENTS; i++) {
		j->segments[i].valid = false;
		if (ftruncate(j->segments[i].fd, 0) < 0)
			continue;
	}
}

static bool put(struct ikw_journal *j, const void *data, size_t size, off_t at)
{
	ssize_t n = pwrite(j->segments[j->current].fd, data, size, at);

	if (n == (ssize_t)size)
		return true;
	fail(j, n < 0 ? errno : ENOSPC);
	return false;
}

static uint64_t sum_of(const struct ikw_journal *j, uint32_t kind, const void *event, size_t size)
{
	return ikw_hash(event, size, j->chain ^ kind);
}

static uint64_t chain_start(const struct ikw_journal *j, uint64_t segment)
{
	return j->id.boot[0] ^ segment << 8;
}

void ikw_journal_write(struct ikw_journal *j, enum ikw_journal_kind kind,
		       const union ikw_event *event)
{
	unsigned char bytes[RECORD_MAX + RECORD_ALIGN];
	struct record record = { .size = event->hdr.size, .kind = kind };
	size_t len = (sizeof(record) + record.size + RECORD_ALIGN - 1) & ~(RECORD_ALIGN - 1ul);

	if (!j->number)
		return;
	record.sum = sum_of(j, record.kind, event, record.size);
	memset(bytes + len - RECORD_ALIGN, 0, RECORD_ALIGN);
	memcpy(bytes, &record, sizeof(record));
	memcpy(bytes + sizeof(record), event, record.size);
	if (!put(j, bytes, len, j->at))
		return;
	j->at += (off_t)len;
	j->chain = record.sum;
}

static bool try_again(struct ikw_journal *j, uint64_t now)
{
	if (now < j->retry_at)
		return false;
	j->retry_at = now + RETRY_NS;
	return true;
}

bool ikw_journal_event(struct ikw_journal *j, const union ikw_event *event)
{
	if (!j->number)
		return try_again(j, event->hdr.time);
	ikw_journal_write(j, IKW_JOURNAL_EVENT, event);
	if (event->hdr.seq)
		j->taken = event->hdr;
	return (size_t)j->at >= j->limit;
}

/* The blocks are taken now: a disk that fills up later does not matter until the next segment. */
static bool reserve(struct ikw_journal *j, size_t bytes)
{
	int fd = j->segments[j->current].fd;
	int err;

	if (ftruncate(fd, 0) < 0) {
		fail(j, errno);
		return false;
	}
	err = posix_fallocate(fd, 0, (off_t)bytes);
	if (err)
		fail(j, err);
	return !err;
}

void ikw_journal_begin(struct ikw_journal *j)
{
	uint64_t number = j->number + 1;
	struct segment *s;

	j->current = number % SEGMENTS;
	s = &j->segments[j->current];
	s->valid = false;
	s->header = (struct header){ .magic = MAGIC,
				     .event_version = IKW_EVENT_VERSION,
				     .record_max = sizeof(union ikw_event),
				     .id = j->id,
				     .segment = number };
	if (!reserve(j, j->bytes) || !put(j, &s->header, sizeof(s->header), 0))
		return;
	j->number = number;
	j->at = sizeof(s->header);
	j->chain = chain_start(j, number);
	j->checkpointing = true;
	j->failing[0] = 0;
}

void ikw_journal_end(struct ikw_journal *j)
{
	struct segment *s = &j->segments[j->current];
	size_t least = (size_t)j->at * GROWTH;
	struct timespec now;

	j->checkpointing = false;
	if (!j->number)
		return;
	j->limit = least > j->bytes ? least : j->bytes;
	if (j->limit > j->bytes &&
	    posix_fallocate(s->fd, 0, (off_t)j->limit)) /* then it ends sooner */
		j->limit = (size_t)j->at + j->bytes;
	j->limit -= RECORD_MAX + RECORD_ALIGN;
	clock_gettime(CLOCK_BOOTTIME, &now);
	s->header.begun = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
	s->header.whole = 1;
	s->valid = put(j, &s->header, sizeof(s->header), 0);
}

uint64_t ikw_journal_oldest(const struct ikw_journal *j)
{
	uint64_t oldest = UINT64_MAX;

	for (int i = 0; i < SEGMENTS; i++)
		if (j->segments[i].valid && j->segments[i].header.begun < oldest)
			oldest = j->segments[i].header.begun;
	return oldest == UINT64_MAX ? 0 : oldest;
}

const char *ikw_journal_failing(const struct ikw_journal *j)
{
	return j->failing[0] ? j->failing : NULL;
}

/* ---- reading ---------------------------------------------------------------- */

static void read_header(const struct ikw_journal *j, struct segment *s)
{
	const struct header *h = &s->header;

	s->valid = pread(s->fd, &s->header, sizeof(s->header), 0) == sizeof(s->header) &&
		   h->magic == MAGIC && h->event_version == IKW_EVENT_VERSION &&
		   h->record_max == sizeof(union ikw_event) && h->whole == 1 && h->segment &&
		   !memcmp(&h->id, &j->id, sizeof(j->id));
}

/* Reads one record into event. False at the end, be it cut or never written. */
static bool next_record(struct ikw_journal *j, const struct segment *s, struct record *record,
			union ikw_event *event)
{
	const char *why;

	if (pread(s->fd, record, sizeof(*record), j->at) != sizeof(*record) ||
	    record->size < sizeof(struct ikw_hdr) || record->size > sizeof(*event) ||
	    pread(s->fd, event, record->size, j->at + (off_t)sizeof(*record)) != record->size ||
	    record->sum != sum_of(j, record->kind, event, record->size) ||
	    event->hdr.size != record->size || !ikw_event_valid(event, record->size, &why))
		return false;
	j->at += (off_t)((sizeof(*record) + record->size + RECORD_ALIGN - 1) &
			 ~(RECORD_ALIGN - 1ul));
	j->chain = record->sum;
	return true;
}

static uint64_t replay_segment(struct ikw_journal *j, const struct segment *s, bool first,
			       ikw_journal_fn fn, void *ctx)
{
	struct record record;
	union ikw_event event;
	uint64_t count = 0;

	j->at = sizeof(s->header);
	j->chain = chain_start(j, s->header.segment);
	while (next_record(j, s, &record, &event)) {
		if (record.kind != IKW_JOURNAL_EVENT && !first)
			continue;
		if (record.kind == IKW_JOURNAL_EVENT && event.hdr.time > j->last)
			j->last = event.hdr.time;
		if (record.kind == IKW_JOURNAL_EVENT && event.hdr.seq)
			j->taken = event.hdr;
		fn(ctx, (enum ikw_journal_kind)record.kind, &event);
		count++;
	}
	return count;
}

/* Where the last segment ends, its writer's successor goes on. */
static void go_on(struct ikw_journal *j, const struct segment *s)
{
	struct stat st;

	j->number = s->header.segment;
	j->current = j->number % SEGMENTS;
	j->limit = (size_t)j->at;
	if (!fstat(s->fd, &st) && (size_t)st.st_size > j->limit + RECORD_MAX + RECORD_ALIGN)
		j->limit = (size_t)st.st_size - RECORD_MAX - RECORD_ALIGN;
}

uint64_t ikw_journal_replay(struct ikw_journal *j, ikw_journal_fn fn, void *ctx)
{
	struct segment *a = &j->segments[0], *b = &j->segments[1], *older, *younger;
	uint64_t count = 0;

	if (!a->valid && !b->valid)
		return 0;
	younger = !a->valid || (b->valid && b->header.segment > a->header.segment) ? b : a;
	older = younger == a ? b : a;
	if (!older->valid || older->header.segment + 1 != younger->header.segment)
		older->valid = false;
	else
		count = replay_segment(j, older, true, fn, ctx);
	count += replay_segment(j, younger, !older->valid, fn, ctx);
	go_on(j, younger);
	return count;
}

uint64_t ikw_journal_last(const struct ikw_journal *j)
{
	return j->last;
}

bool ikw_journal_has(const struct ikw_journal *j, const struct ikw_hdr *hdr)
{
	return j->taken.type && !memcmp(&j->taken, hdr, sizeof(*hdr));
}

/* ---- life -------------------------------------------------------------------- */

static bool open_segment(struct ikw_journal *j, const char *dir, int i, char *why, size_t size)
{
	struct segment *s = &j->segments[i];

	if (asprintf(&s->path, "%s/journal.%d", dir, i) < 0) {
		s->path = NULL;
		snprintf(why, size, "%s: %s", dir, strerror(ENOMEM));
		return false;
	}
	s->fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0) {
		snprintf(why, size, "%s: %s", s->path, strerror(errno));
		return false;
	}
	read_header(j, s);
	return true;
}

struct ikw_journal *ikw_journal_open(const char *dir, const struct ikw_journal_id *id, size_t bytes,
				     char *why, size_t size)
{
	struct ikw_journal *j = calloc(1, sizeof(*j));

	if (!j) {
		snprintf(why, size, "%s: %s", dir, strerror(ENOMEM));
		return NULL;
	}
	j->id = *id;
	j->bytes = bytes ? bytes : IKW_JOURNAL_BYTES;
	for (int i = 0; i < SEGMENTS; i++)
		j->segments[i].fd = -1;
	for (int i = 0; i < SEGMENTS; i++)
		if (!open_segment(j, dir, i, why, size)) {
			ikw_journal_close(j);
			return NULL;
		}
	return j;
}

void ikw_journal_close(struct ikw_journal *j)
{
	if (!j)
		return;
	for (int i = 0; i < SEGMENTS; i++) {
		if (j->segments[i].fd >= 0)
			close(j->segments[i].fd);
		free(j->segments[i].path);
	}
	free(j);
}
