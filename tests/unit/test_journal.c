/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The journal and the checkpoint: each story of tests/stories is told to a model
 * that "dies" after any of its events; another model, fed from the journal and
 * then with the rest, must give the same alarms, those already given aside.
 */
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "user/checkpoint.h"
#include "user/event.h"
#include "user/journal.h"
#include "user/recording.h"

#define EVENTS 1000
#define ALARMS 32

struct given {
	uint64_t time;
	uint32_t spi;
	enum ikw_reason reason;
	char rule[40];
};

struct life {
	struct ikw_model *model;
	struct ikw_journal *journal;
	struct given given[ALARMS];
	unsigned int count;
	unsigned int events; /* replayed */
};

static char dir[] = "/tmp/ikewatch-journal-XXXXXX";
static union ikw_event story[EVENTS];
static unsigned int length;

static void on_alarm(void *ctx, struct ikw_alarm *a)
{
	struct life *life = ctx;
	struct given *g = &life->given[life->count++];

	assert_true(life->count <= ALARMS);
	g->time = a->time;
	g->spi = a->spi;
	g->reason = a->reason;
	snprintf(g->rule, sizeof(g->rule), "%s", a->rule);
}

static void begin(struct life *life)
{
	const struct ikw_model_ops ops = { .alarm = on_alarm, .ctx = life };

	memset(life, 0, sizeof(*life));
	life->model = ikw_model_new(NULL, &ops);
	assert_non_null(life->model);
}

static struct ikw_journal *open_journal(size_t bytes)
{
	const struct ikw_journal_id id = { .boot = { 1, 2 }, .netns = 7 };
	struct ikw_journal *journal;
	char why[256];

	journal = ikw_journal_open(dir, &id, bytes, why, sizeof(why));
	if (!journal)
		fail_msg("%s", why);
	return journal;
}

static void wipe(void)
{
	char path[64];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/journal.%d", dir, i);
		unlink(path);
	}
}

static void keep(void *ctx, const union ikw_event *event, bool done)
{
	const char *why;

	if (!ikw_event_valid(event, event->hdr.size, &why))
		fail_msg("checkpoint: type %u: %s", event->hdr.type, why);
	ikw_journal_write(ctx, done ? IKW_JOURNAL_DONE : IKW_JOURNAL_KNOWN, event);
}

static void segment(struct life *life)
{
	ikw_journal_begin(life->journal);
	ikw_model_checkpoint(life->model, keep, life->journal);
	ikw_journal_end(life->journal);
	assert_null(ikw_journal_failing(life->journal));
}

static void tell(struct life *life, const union ikw_event *event)
{
	if (life->journal && ikw_journal_event(life->journal, event))
		segment(life);
	ikw_model_event(life->model, event);
}

static void hear(void *ctx, enum ikw_journal_kind kind, const union ikw_event *event)
{
	struct life *life = ctx;

	(void)kind;
	life->events++;
	ikw_model_event(life->model, event);
}

static bool was_given(const struct life *life, const struct given *g)
{
	for (unsigned int i = 0; i < life->count; i++)
		if (life->given[i].time == g->time && life->given[i].spi == g->spi)
			return true;
	return false;
}

static void load(const char *path)
{
	struct ikw_recording *recording;
	char why[512];
	int n;

	recording = ikw_recording_open(path, why, sizeof(why));
	if (!recording)
		fail_msg("%s", why);
	for (length = 0; (n = ikw_recording_next(recording, &story[length], why, sizeof(why))) == 1;
	     length++)
		assert_true(length + 1 < EVENTS);
	if (n < 0)
		fail_msg("%s", why);
	ikw_recording_close(recording);
}

/* Told whole: what must come of it. */
static void whole(struct life *life)
{
	begin(life);
	for (unsigned int i = 0; i < length; i++)
		tell(life, &story[i]);
	ikw_model_finish(life->model, story[length - 1].hdr.time + 60000000000ull);
	ikw_model_free(life->model);
}

/* Dies after event `cut`, checkpoint (if any) before event `at`. */
static void cut_short(const char *name, const struct life *all, unsigned int cut, unsigned int at)
{
	struct life first, second;

	wipe();
	begin(&first);
	first.journal = open_journal(0);
	segment(&first);
	for (unsigned int i = 0; i < cut; i++) {
		if (i == at)
			segment(&first);
		tell(&first, &story[i]);
	}
	ikw_journal_close(first.journal);

	begin(&second);
	second.journal = open_journal(0);
	ikw_journal_replay(second.journal, hear, &second);
	for (unsigned int i = cut; i < length; i++)
		tell(&second, &story[i]);
	ikw_model_finish(second.model, story[length - 1].hdr.time + 60000000000ull);
	ikw_journal_close(second.journal);

	if (second.count != all->count)
		fail_msg("%s, cut at %u: %u alarms instead of %u", name, cut, second.count,
			 all->count);
	for (unsigned int i = 0; i < all->count; i++) {
		if (!was_given(&second, &all->given[i]))
			fail_msg("%s, cut at %u: deletion %u has another name", name, cut, i);
		if (strcmp(all->given[i].rule, second.given[i].rule))
			fail_msg("%s, cut at %u: rule %s instead of %s", name, cut,
				 second.given[i].rule, all->given[i].rule);
	}
	/* what the first had given, the second knows by its name */
	for (unsigned int i = 0; i < first.count; i++)
		assert_true(was_given(&second, &first.given[i]));
	ikw_model_free(first.model);
	ikw_model_free(second.model);
}

static void each_story(void (*fn)(const char *name, const struct life *all))
{
	struct life all;
	glob_t list;

	assert_int_equal(glob("tests/stories/*.events", 0, NULL, &list), 0);
	assert_true(list.gl_pathc > 10);
	for (size_t i = 0; i < list.gl_pathc; i++) {
		load(list.gl_pathv[i]);
		whole(&all);
		fn(list.gl_pathv[i], &all);
	}
	globfree(&list);
}

static void cut_everywhere(const char *name, const struct life *all)
{
	for (unsigned int cut = 0; cut <= length; cut++)
		cut_short(name, all, cut, EVENTS);
}

static void test_any_moment(void **state)
{
	(void)state;
	each_story(cut_everywhere);
}

/* With a segment begun somewhere: the one before it still has what led there. */
static void cut_after_segment(const char *name, const struct life *all)
{
	for (unsigned int at = 0; at < length; at++)
		cut_short(name, all, length, at);
}

static void test_second_segment(void **state)
{
	(void)state;
	each_story(cut_after_segment);
}

/* ---- checkpoints alone: evidence of the wire is gone, deletions are not ------------- */

struct copy {
	struct life *life;
	struct given done[ALARMS];
	unsigned int count;
};

static void copy_one(void *ctx, const union ikw_event *event, bool done)
{
	struct copy *copy = ctx;

	if (done && event->hdr.type == IKW_EV_SA) {
		copy->done[copy->count].time = event->sa.hdr.time;
		copy->done[copy->count++].spi = event->sa.spi;
	}
	ikw_model_event(copy->life->model, event);
}

struct tunnels {
	struct {
		uint32_t index;
		bool up;
		unsigned int sas;
		char flow[128];
	} list[ALARMS];
	unsigned int count;
};

static int count_tunnel(void *ctx, const struct ikw_tunnel_info *info)
{
	struct tunnels *t = ctx;

	assert_true(t->count < ALARMS);
	t->list[t->count].up = info->up;
	t->list[t->count].sas = info->sa_count;
	snprintf(t->list[t->count++].flow, sizeof(t->list[0].flow), "%.100s %u", info->flow_info,
		 info->reqid);
	return 0;
}

static bool up_in(const struct tunnels *t, const char *flow, unsigned int sas)
{
	for (unsigned int i = 0; i < t->count; i++)
		if (t->list[i].up && t->list[i].sas == sas && !strcmp(t->list[i].flow, flow))
			return true;
	return false;
}

static void same_tunnels(const char *name, unsigned int cut, const struct ikw_model *a,
			 const struct ikw_model *b)
{
	struct tunnels before = { 0 }, after = { 0 };

	ikw_model_tunnels(a, count_tunnel, &before);
	ikw_model_tunnels(b, count_tunnel, &after);
	for (unsigned int i = 0; i < before.count; i++)
		if (before.list[i].up && !up_in(&after, before.list[i].flow, before.list[i].sas))
			fail_msg("%s, cut at %u: tunnel %s is not up", name, cut,
				 before.list[i].flow);
}

static void checkpoint_at(const char *name, const struct life *all, unsigned int cut)
{
	struct life first, second;
	struct copy copy = { .life = &second };
	unsigned int known = 0;

	begin(&first);
	begin(&second);
	for (unsigned int i = 0; i < cut; i++)
		tell(&first, &story[i]);
	ikw_model_checkpoint(first.model, copy_one, &copy);
	same_tunnels(name, cut, first.model, second.model);
	for (unsigned int i = cut; i < length; i++)
		tell(&second, &story[i]);
	ikw_model_finish(second.model, story[length - 1].hdr.time + 60000000000ull);
	/* every deletion in one of the two, and none that is neither done nor new in both */
	for (unsigned int i = 0; i < all->count; i++)
		if (!was_given(&first, &all->given[i]) && !was_given(&second, &all->given[i]))
			fail_msg("%s, cut at %u: deletion %u lost", name, cut, i);
	for (unsigned int i = 0; i < second.count; i++)
		for (unsigned int k = 0; k < copy.count; k++)
			known += copy.done[k].time == second.given[i].time &&
				 copy.done[k].spi == second.given[i].spi;
	for (unsigned int i = 0; i < second.count; i++)
		if (was_given(&first, &second.given[i]))
			known--;
	if (known)
		fail_msg("%s, cut at %u: a deletion is taken for done, or given twice", name, cut);
	ikw_model_free(first.model);
	ikw_model_free(second.model);
}

static void checkpoint_everywhere(const char *name, const struct life *all)
{
	for (unsigned int cut = 1; cut <= length; cut++)
		checkpoint_at(name, all, cut);
}

static void test_checkpoint(void **state)
{
	(void)state;
	each_story(checkpoint_everywhere);
}

/* ---- files ------------------------------------------------------------------------------- */

static void tell_some(struct life *life, unsigned int count)
{
	union ikw_event event = { .clock = { .hdr = { .type = IKW_EV_CLOCK,
						      .size = sizeof(event.clock) } } };

	for (unsigned int i = 1; i <= count; i++) {
		event.hdr.time = i;
		event.hdr.seq = i;
		event.clock.wall = 1000 + i;
		tell(life, &event);
	}
}

static unsigned int replayed(const struct ikw_journal_id *id)
{
	char why[256];
	struct life life;
	struct ikw_journal *journal = ikw_journal_open(dir, id, 0, why, sizeof(why));

	assert_non_null(journal);
	begin(&life);
	ikw_journal_replay(journal, hear, &life);
	ikw_journal_close(journal);
	ikw_model_free(life.model);
	return life.events;
}

static void write_some(unsigned int count)
{
	struct life life;

	wipe();
	begin(&life);
	life.journal = open_journal(0);
	segment(&life);
	tell_some(&life, count);
	ikw_journal_close(life.journal);
	ikw_model_free(life.model);
}

static void test_other_boot(void **state)
{
	const struct ikw_journal_id same = { .boot = { 1, 2 }, .netns = 7 };
	const struct ikw_journal_id boot = { .boot = { 1, 3 }, .netns = 7 };
	const struct ikw_journal_id netns = { .boot = { 1, 2 }, .netns = 8 };

	(void)state;
	write_some(100);
	assert_int_equal(replayed(&same), 101); /* one of the empty model's checkpoint */
	assert_int_equal(replayed(&boot), 0);
	assert_int_equal(replayed(&netns), 0);
}

/* Killed within a write: what was whole counts, and is gone on from. */
static void test_torn(void **state)
{
	const struct ikw_journal_id id = { .boot = { 1, 2 }, .netns = 7 };
	struct life life;
	char path[64];
	int fd;

	(void)state;
	write_some(100);
	snprintf(path, sizeof(path), "%s/journal.1", dir);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	/* header 64, checkpoint 16 + 40, records of 56 bytes: into the 90th */
	assert_int_equal(pwrite(fd, "\xff\xff\xff", 3, 64 + 56 + 89 * 56 + 30), 3);
	close(fd);
	begin(&life);
	life.journal = open_journal(0);
	assert_int_equal(ikw_journal_replay(life.journal, hear, &life), 90);
	assert_int_equal(ikw_journal_last(life.journal), 89);
	tell_some(&life, 5);
	ikw_journal_close(life.journal);
	ikw_model_free(life.model);
	assert_int_equal(replayed(&id), 95);
}

static void test_last_taken(void **state)
{
	const struct ikw_hdr last = {
		.type = IKW_EV_CLOCK, .size = sizeof(struct ikw_clock), .time = 100, .seq = 100
	};
	struct ikw_hdr other = last;
	struct life life;

	(void)state;
	write_some(100);
	begin(&life);
	life.journal = open_journal(0);
	assert_false(ikw_journal_has(life.journal, &last));
	ikw_journal_replay(life.journal, hear, &life);
	assert_true(ikw_journal_has(life.journal, &last));
	other.cpu = 1;
	assert_false(ikw_journal_has(life.journal, &other));
	ikw_journal_close(life.journal);
	ikw_model_free(life.model);
}

/* Small segments: the older one is overwritten again and again, one's worth is always there. */
static void test_many_segments(void **state)
{
	struct life life;

	(void)state;
	wipe();
	begin(&life);
	life.journal = open_journal(16384);
	segment(&life);
	tell_some(&life, 5000);
	ikw_journal_close(life.journal);
	ikw_model_free(life.model);
	begin(&life);
	life.journal = open_journal(16384);
	ikw_journal_replay(life.journal, hear, &life);
	assert_int_equal(ikw_journal_last(life.journal), 5000);
	assert_true(life.events > 200 && life.events < 700);
	ikw_journal_close(life.journal);
	ikw_model_free(life.model);
}

/* No room: nothing is kept, nothing stale is left, and it is tried again. */
static void test_no_room(void **state)
{
	const struct ikw_journal_id id = { .boot = { 1, 2 }, .netns = 7 };
	struct rlimit before, limit;
	struct life life;

	(void)state;
	write_some(10);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 4096;
	begin(&life);
	life.journal = open_journal(0);
	ikw_journal_replay(life.journal, hear, &life);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ikw_journal_begin(life.journal);
	ikw_journal_end(life.journal);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_non_null(strstr(ikw_journal_failing(life.journal), "journal."));
	assert_int_equal(replayed(&id), 0);
	tell_some(&life, 5000);
	assert_null(ikw_journal_failing(life.journal));
	ikw_journal_close(life.journal);
	ikw_model_free(life.model);
	assert_true(replayed(&id) > 500);
}

static void test_cannot_open(void **state)
{
	const struct ikw_journal_id id = { .netns = 7 };
	char why[256] = "";

	(void)state;
	assert_null(ikw_journal_open("/proc/none", &id, 0, why, sizeof(why)));
	assert_non_null(strstr(why, "/proc/none/journal.0: "));
	ikw_journal_close(NULL);
	assert_int_not_equal(ikw_journal_id(1).boot[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_moment),    cmocka_unit_test(test_second_segment),
		cmocka_unit_test(test_checkpoint),    cmocka_unit_test(test_other_boot),
		cmocka_unit_test(test_torn),	      cmocka_unit_test(test_last_taken),
		cmocka_unit_test(test_many_segments), cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_cannot_open),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests_name("journal", tests, NULL, NULL);
	wipe();
	rmdir(dir);
	return failed;
}
