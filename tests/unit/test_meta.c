/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every story of tests/stories again, told of other gateways: the daemon has another
 * name, addresses and numbers are others, it is another time; each message is seen
 * twice, or records come late; there is another story beside it, or a crowd of tunnels
 * with which all is well. What a tunnel went by stays what it was. In company less may
 * be known of it, but never another cause be likely.
 *
 * Every 37th pair is picked. IKW_META=N takes every Nth of them, IKW_META=all all;
 * IKW_META_KEEP=DIR keeps what failed as recordings; IKW_META_ONLY=TEXT takes the stories with TEXT
 * in their names as one of the pair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/unit/meta_judge.h"

/* ---- other names and numbers ----------------------------------------------------- */

static void test_renamed(void **state)
{
	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++) {
		struct meta_story s;

		meta_copy(&s, &stories[i]);
		meta_rename(&s, "zorgd");
		compare(&s, &alone[i], &same_map, "renamed", true);
		meta_free(&s);
	}
	done();
}

static void test_renumbered(void **state)
{
	static const struct meta_map maps[] = {
		{ .net = 4 },
		{ .to_v6 = true },
		{ .spi = 0x1234, .cookie = 0x0123456789abcdef },
		{ .pid = 0x200000, .reqid = 0x1000, .ifindex = 0x200, .if_id = 0x300 },
		{ .names = true },
		{ .to_v6 = true,
		  .net = 16,
		  .spi = 0x4321,
		  .cookie = 0xfedcba9876543210,
		  .pid = 0x4000,
		  .reqid = 0x7000,
		  .ifindex = 0x2000 },
	};

	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (size_t k = 0; k < sizeof(maps) / sizeof(maps[0]); k++) {
			struct meta_story s;

			meta_copy(&s, &stories[i]);
			meta_map(&s, &maps[k]);
			compare(&s, &alone[i], &maps[k], "renumbered", true);
			meta_free(&s);
		}
	done();
}

/* ---- another time ------------------------------------------------------------------ */

static void test_shifted(void **state)
{
	static const struct meta_map maps[] = {
		{ .time = INT64_C(3) * 86400 * INT64_C(1000000000), .wall_s = 3 * 86400 },
		{ .time = INT64_C(700) * 86400 * INT64_C(1000000000) },
		{ .wall_s = -400 * 86400 },
		{ .time = INT64_C(86400123456789), .wall_s = 86400 },
	};

	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (size_t k = 0; k < sizeof(maps) / sizeof(maps[0]); k++) {
			struct meta_story s;

			meta_copy(&s, &stories[i]);
			meta_map(&s, &maps[k]);
			compare(&s, &alone[i], &maps[k], "shifted", true);
			meta_free(&s);
		}
	done();
}

/* Times as they are, but for less than a millisecond; none passes another. */
static void jitter(struct meta_story *s)
{
	uint64_t *was = malloc((s->count + 1) * sizeof(*was));

	assert_non_null(was);
	for (size_t i = 0; i < s->count; i++)
		was[i] = s->events[i].hdr.time;
	for (size_t i = 0; i < s->count; i++) {
		uint64_t off = dice(MS * 9 / 10), next = UINT64_MAX;

		for (size_t k = 0; k < s->count; k++)
			if (was[k] > was[i] && was[k] < next)
				next = was[k];
		if (next - was[i] <= off)
			off = (next - was[i]) / 2;
		if (s->events[i].hdr.type == IKW_EV_CLOCK)
			s->events[i].clock.wall += off;
		s->events[i].hdr.time += off;
	}
	free(was);
}

static void test_jittered(void **state)
{
	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (unsigned int round = 0; round < 3; round++) {
			struct meta_story s;

			meta_copy(&s, &stories[i]);
			jitter(&s);
			compare(&s, &alone[i], &same_map, "jittered", true);
			meta_free(&s);
		}
	done();
}

/* Where nothing happened for a while, nothing happens for longer. */
struct stretch {
	const struct meta_story *s;
	uint64_t least;
	unsigned int times;
};

static uint64_t stretched(const void *ctx, uint64_t time)
{
	const struct stretch *st = ctx;
	uint64_t last = 0, more = 0;

	for (size_t i = 0; i < st->s->count && last <= time; i++) {
		uint64_t t = st->s->events[i].hdr.time;

		if (last && t > last + st->least) {
			if (time >= t)
				more += (st->times - 1) * (t - last);
			else if (time > last)
				more += (st->times - 1) * (time - last);
		}
		if (t > last)
			last = t;
	}
	return time + more;
}

/* What rests on a clock: of sessions, leases, lives, of what a name resolves to, of probes. */
static bool by_the_clock(const struct meta_told *told)
{
	static const char *const rules[] = { "session", "life",	 "lease", "name",
					     "track",	"probe", "again", NULL };

	for (unsigned int i = 0; i < told->count; i++)
		for (unsigned int k = 0; rules[k]; k++)
			if (strstr(told->list[i].rule, rules[k]))
				return true;
	return false;
}

static void test_stretched(void **state)
{
	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (unsigned int times = 2; times <= 10; times += 8) {
			struct stretch st = { &stories[i], 4 * SECOND, times };
			struct meta_story s;

			if (by_the_clock(&alone[i]))
				continue;
			meta_copy(&s, &stories[i]);
			meta_warp(&s, stretched, &st);
			compare(&s, &alone[i], &same_map, times == 2 ? "twice as long" : "longer",
				false);
			meta_free(&s);
		}
	done();
}

/* ---- how records come ----------------------------------------------------------------- */

/* A copy of a story without its events. */
static void begin_like(struct meta_story *s, const struct meta_story *from)
{
	*s = *from;
	s->events = NULL;
	s->count = s->room = 0;
}

/* What waits to be told. */
struct waiting {
	union ikw_event events[64];
	uint64_t until[64];
	unsigned int count;
};

static void wait_until(struct waiting *w, const union ikw_event *e, uint64_t until)
{
	assert_true(w->count < 64);
	w->events[w->count] = *e;
	w->until[w->count++] = until;
}

/* In the order in which they came. */
static void tell_until(struct waiting *w, struct meta_story *s, uint64_t time)
{
	unsigned int told = 0;

	while (told < w->count && w->until[told] <= time)
		meta_push(s, &w->events[told++]);
	w->count -= told;
	memmove(w->events, w->events + told, w->count * sizeof(*w->events));
	memmove(w->until, w->until + told, w->count * sizeof(*w->until));
}

/* A packet passes two links: a bond's port and the bond. */
static void seen_twice(struct meta_story *s, const struct meta_story *from)
{
	static struct waiting w;

	begin_like(s, from);
	w.count = 0;
	for (size_t i = 0; i < from->count; i++) {
		union ikw_event e = from->events[i];

		tell_until(&w, s, e.hdr.time);
		meta_push(s, &e);
		if (e.hdr.type != IKW_EV_IKE && e.hdr.type != IKW_EV_WIRE)
			continue;
		e.hdr.time += 100000 + dice(MS * 8 / 10);
		if (e.hdr.type == IKW_EV_IKE)
			e.ike.ifindex += 1000;
		else
			e.wire.ifindex += 1000;
		wait_until(&w, &e, e.hdr.time);
	}
	tell_until(&w, s, UINT64_MAX);
}

static void test_twice(void **state)
{
	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++) {
		struct meta_story s;

		seen_twice(&s, &stories[i]);
		compare(&s, &alone[i], &same_map, "seen twice", true);
		meta_free(&s);
	}
	done();
}

/* What one CPU tells comes later than it says, by less than 5 ms; its own order stays. */
static void held_up(struct meta_story *s, const struct meta_story *from, uint32_t cpu,
		    uint64_t late)
{
	static struct waiting w;

	begin_like(s, from);
	w.count = 0;
	for (size_t i = 0; i < from->count; i++) {
		const union ikw_event *e = &from->events[i];

		tell_until(&w, s, e->hdr.time);
		if (i >= from->prelude && e->hdr.cpu == cpu && e->hdr.type < IKW_EV_CLOCK)
			wait_until(&w, e, e->hdr.time + late);
		else
			meta_push(s, e);
	}
	tell_until(&w, s, UINT64_MAX);
}

static void test_late(void **state)
{
	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (uint32_t cpu = 0; cpu < 2; cpu++) {
			struct meta_story s;

			held_up(&s, &stories[i], cpu, 4 * MS);
			compare(&s, &alone[i], &same_map, "late", false);
			meta_free(&s);
		}
	done();
}

/* ---- two on one gateway ------------------------------------------------------------------ */

static const int64_t offsets_ms[] = { 0, 3, -3, 40, -40, 250, -250, 1000, -1000, 2500, -2500 };
#define OFFSETS (sizeof(offsets_ms) / sizeof(offsets_ms[0]))

/* Can one and the same process have done what is told of both? */
static bool one_daemon_fits(const struct meta_story *a, const struct meta_story *b)
{
	return a->daemon && b->daemon && !strcmp(a->comm, b->comm) && !a->signalled &&
	       !b->signalled;
}

/* OpenIKED's orders go to a process that is not seen to be the same daemon: they reach any. */
static bool split(const struct meta_story *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->events[i].hdr.type == IKW_EV_CONTROL &&
		    strstr(s->events[i].control.path, "iked.sock"))
			return true;
	return false;
}

static bool two_daemons_fit(const struct meta_story *a, const struct meta_story *b)
{
	return !split(a) && !split(b);
}

static void pair(size_t i, size_t k, int64_t shift, bool one_daemon)
{
	static struct meta_told now;
	const struct meta_map map = { .net = 4, .spi = 0x5a5a };
	unsigned int before = wrong;
	struct meta_story s;
	char how[64];

	meta_join(&s, &stories[i], &stories[k], shift, one_daemon);
	cases++;
	meta_infer(&s, &now);
	snprintf(how, sizeof(how), "%s the first", one_daemon ? "one daemon" : "two daemons");
	judge(&s, &alone[i], &now, &same_map, how, false);
	snprintf(how, sizeof(how), "%s the second", one_daemon ? "one daemon" : "two daemons");
	judge(&s, &alone[k], &now, &map, how, false);
	judge_rest(&s, &now, "both");
	if (wrong > before)
		keep(&s, one_daemon ? "one" : "two");
	meta_free(&s);
}

static bool wanted(size_t i, size_t k)
{
	const char *only = getenv("IKW_META_ONLY");

	return !only || strstr(stories[i].name, only) || strstr(stories[k].name, only);
}

static void pairs(bool one_daemon)
{
	const char *how_many = getenv("IKW_META");
	size_t stride = how_many ? strtoul(how_many, NULL, 10) : 37, n = 0;

	if (how_many && !strcmp(how_many, "all"))
		stride = 1;
	assert_true(stride > 0);
	begin();
	in_company = true;
	for (size_t i = 0; i < story_count; i++)
		for (size_t k = 0; k < story_count; k++) {
			if (i == k || !alone[i].count || !alone[k].count || stories[i].flushed ||
			    stories[k].flushed || !wanted(i, k) ||
			    !(one_daemon ? one_daemon_fits(&stories[i], &stories[k])
					 : two_daemons_fit(&stories[i], &stories[k])))
				continue;
			for (size_t o = 0; o < OFFSETS; o++) {
				const struct meta_alarm *x = &alone[i].list[alone[i].count - 1];
				const struct meta_alarm *y = &alone[k].list[alone[k].count - 1];

				if (n++ % stride)
					continue;
				pair(i, k,
				     (int64_t)(x->time - y->time) + offsets_ms[o] * (int64_t)MS,
				     one_daemon);
			}
		}
	done();
}

static void test_two_daemons(void **state)
{
	(void)state;
	pairs(false);
}

static void test_one_daemon(void **state)
{
	(void)state;
	pairs(true);
}

/* ---- a crowd ----------------------------------------------------------------------------------
 */

#define CROWD 50

/* One of many tunnels of an IKEv2 daemon, with which all is well. */
struct member {
	struct meta_story *out;
	const struct meta_story *of;
	uint32_t number;
	uint32_t daemon;
	bool asks;	    /* the daemon reads the use times before it checks a peer */
	uint32_t ours, its; /* the next message IDs */
	uint32_t spi;
};

static void crowd_addr(uint8_t addr[IKW_ADDR_LEN], uint32_t number)
{
	static const uint8_t net[IKW_ADDR_LEN] = { [10] = 0xff, 0xff, 100, 126, 0, 1 };

	memcpy(addr, net, IKW_ADDR_LEN);
	addr[14] = (uint8_t)number;
}

static union ikw_event crowd_event(const struct member *t, uint16_t type, size_t size,
				   uint64_t time)
{
	union ikw_event e;

	memset(&e, 0, sizeof(e));
	e.hdr.type = type;
	e.hdr.size = (uint16_t)size;
	e.hdr.time = time;
	e.hdr.netns = t->of->netns;
	return e;
}

/* way: as in tests/unit/story.h */
static void says(struct member *t, uint64_t time, char way, uint8_t exchange, uint32_t id,
		 uint32_t length)
{
	union ikw_event e = crowd_event(t, IKW_EV_IKE, sizeof(e.ike), time);
	bool out = way == '>' || way == 'a', response = way == '<' || way == 'a';

	crowd_addr(out ? e.ike.saddr : e.ike.daddr, 0);
	crowd_addr(out ? e.ike.daddr : e.ike.saddr, t->number);
	e.ike.sport = e.ike.dport = 500;
	e.ike.ifindex = 900;
	e.ike.dir = out ? IKW_DIR_OUT : IKW_DIR_IN;
	e.ike.spi_i = 0xc0c0c0c000000000 + t->number;
	e.ike.spi_r = exchange == 34 && !response ? 0 : e.ike.spi_i + 0x10000;
	e.ike.version = 0x20;
	e.ike.exchange = exchange;
	e.ike.message_id = id;
	e.ike.length = length;
	e.ike.ike_flags = (uint8_t)((response ? 0x20 : 0) | (out ? 0x08 : 0));
	e.ike.digest = id * 64 + exchange + (out ? 7 : 0);
	if (exchange == 34 && response) {
		e.ike.flags2 = IKW_IKE_CHOICE;
		e.ike.encr = 20;
		e.ike.encr_keylen = 128;
	}
	meta_push(t->out, &e);
}

static void has(struct member *t, uint64_t time, uint8_t op, bool out, uint32_t spi)
{
	union ikw_event e = crowd_event(t, IKW_EV_SA, sizeof(e.sa), time);

	crowd_addr(out ? e.sa.saddr : e.sa.daddr, 0);
	crowd_addr(out ? e.sa.daddr : e.sa.saddr, t->number);
	e.sa.op = op;
	e.sa.cause = op == IKW_SA_DELETE ? IKW_CAUSE_CALL : 0;
	e.sa.spi = spi + (out ? 0x100000 : 0);
	e.sa.reqid = 0x9000 + t->number;
	e.sa.proto = 50;
	e.sa.mode = 1;
	e.sa.family = 2;
	e.sa.by.tgid = e.sa.by.tid = t->daemon;
	memcpy(e.sa.by.comm, t->of->comm, sizeof(e.sa.by.comm));
	meta_push(t->out, &e);
}

static uint64_t sets_up(struct member *t, uint64_t time)
{
	says(t, time, '>', 34, 0, 300);
	says(t, time + 5 * MS, '<', 34, 0, 300);
	has(t, time + 9 * MS, IKW_SA_LARVAL, false, t->spi);
	says(t, time + 10 * MS, '>', 35, 1, 300);
	says(t, time + 20 * MS, '<', 35, 1, 208);
	has(t, time + 22 * MS, IKW_SA_ADD, false, t->spi);
	has(t, time + 23 * MS, IKW_SA_ADD, true, t->spi);
	t->ours = 2;
	return time + 30 * MS;
}

static uint64_t checks(struct member *t, uint64_t time, bool ours)
{
	if (ours && t->asks)
		has(t, time - MS, IKW_SA_ASKED, false, t->spi);
	says(t, time, ours ? '>' : 'r', 37, ours ? t->ours : t->its, 57);
	says(t, time + 5 * MS, ours ? '<' : 'a', 37, ours ? t->ours++ : t->its++, 57);
	return time + 10 * MS;
}

static uint64_t rekeys(struct member *t, uint64_t time, bool ours)
{
	const char asks = ours ? '>' : 'r', answers = ours ? '<' : 'a';
	uint32_t *id = ours ? &t->ours : &t->its, old = t->spi++;

	if (ours)
		has(t, time, IKW_SA_LARVAL, false, t->spi);
	says(t, time + MS, asks, 36, *id, 197);
	if (!ours)
		has(t, time + 2 * MS, IKW_SA_LARVAL, false, t->spi);
	if (ours)
		says(t, time + 8 * MS, answers, 36, (*id)++, 185);
	has(t, time + 10 * MS, IKW_SA_ADD, false, t->spi);
	has(t, time + 11 * MS, IKW_SA_ADD, true, t->spi);
	if (!ours)
		says(t, time + 12 * MS, answers, 36, (*id)++, 185);
	says(t, time + 16 * MS, asks, 37, *id, 69);
	says(t, time + 20 * MS, answers, 37, (*id)++, 69);
	has(t, time + 24 * MS, IKW_SA_DELETE, false, old);
	has(t, time + 25 * MS, IKW_SA_DELETE, true, old);
	return time + 30 * MS;
}

static void lives(struct member *t, uint64_t from, uint64_t until)
{
	uint64_t pause = (until - from) / 10 > 2 * SECOND ? (until - from) / 10 : 2 * SECOND;
	uint64_t time = sets_up(t, from + dice(SECOND));

	while ((time += pause / 2 + dice(pause)) < until) {
		switch (dice(4)) {
		case 0:
			time = checks(t, time, false);
			break;
		case 1:
			time = rekeys(t, time, t->number % 2);
			break;
		default:
			time = checks(t, time, true);
		}
	}
}

static int by_time(const void *a, const void *b)
{
	const union ikw_event *x = a, *y = b;

	return x->hdr.time < y->hdr.time ? -1 : x->hdr.time > y->hdr.time;
}

static void crowd_found(struct meta_story *s, const struct member *t)
{
	union ikw_event link =
		crowd_event(t, IKW_EV_LINK, sizeof(link.link), s->events[0].hdr.time);
	union ikw_event addr =
		crowd_event(t, IKW_EV_ADDR, sizeof(addr.addr), s->events[0].hdr.time);

	link.link.op = IKW_LINK_SET;
	link.link.ifindex = 900;
	link.link.ifi_flags = 0x11043;
	strcpy(link.link.name, "crowd");
	meta_push(s, &link);
	addr.addr.op = IKW_ADDR_SET;
	addr.addr.ifindex = 900;
	crowd_addr(addr.addr.addr, 0);
	meta_push(s, &addr);
}

static void crowd(struct meta_story *s, const struct meta_story *of, bool one_daemon)
{
	uint64_t from = of->events[of->prelude - 1].hdr.time;
	uint64_t until = of->events[of->count - 1].hdr.time;
	struct member t = { .out = s, .of = of };
	size_t begin, middle;

	begin_like(s, of);
	for (size_t i = 0; i < of->prelude; i++)
		meta_push(s, &of->events[i]);
	crowd_found(s, &t);
	begin = s->count;
	t.daemon = one_daemon ? of->daemon : 0x700000;
	for (size_t i = of->prelude; i < of->count; i++) {
		meta_push(s, &of->events[i]);
		t.asks |= of->events[i].hdr.type == IKW_EV_SA &&
			  of->events[i].sa.op == IKW_SA_ASKED &&
			  of->events[i].sa.by.tgid == of->daemon;
	}
	middle = s->count;
	for (t.number = 1; t.number <= CROWD; t.number++) {
		t.spi = 0xd0000000 + t.number * 0x100;
		t.ours = t.its = 0;
		lives(&t, from, until);
	}
	qsort(s->events + middle, s->count - middle, sizeof(*s->events), by_time);
	meta_merge(s, begin, middle);
}

static void test_crowd(void **state)
{
	static struct meta_told now;

	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (int one = 0; one < 2; one++) {
			unsigned int before = wrong;
			struct meta_story s;

			if (stories[i].flushed ||
			    (one && (!stories[i].daemon || stories[i].signalled)))
				continue;
			crowd(&s, &stories[i], one);
			cases++;
			meta_infer(&s, &now);
			judge(&s, &alone[i], &now, &same_map, "in a crowd", false);
			for (unsigned int k = 0; k < now.count; k++)
				now.list[k].matched |=
					now.list[k].reason == IKW_REASON_PHASE2_REPLACE ||
					now.list[k].confidence < IKW_CONFIDENCE_LIKELY;
			judge_rest(&s, &now, one ? "the crowd" : "another's crowd");
			if (wrong > before)
				keep(&s, "crowd");
			meta_free(&s);
		}
	done();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renamed),	   cmocka_unit_test(test_renumbered),
		cmocka_unit_test(test_shifted),	   cmocka_unit_test(test_jittered),
		cmocka_unit_test(test_stretched),  cmocka_unit_test(test_twice),
		cmocka_unit_test(test_late),	   cmocka_unit_test(test_two_daemons),
		cmocka_unit_test(test_one_daemon), cmocka_unit_test(test_crowd),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, read_all, free_all);
}
