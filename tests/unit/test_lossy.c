/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every story of tests/stories again, but not all of it reaches the agent: each
 * record in turn is lost (a LOST record stands where it was); the agent begins
 * only there; two records that lie close come the other way round. It may know
 * less then, but never a reason for certain that the whole story does not give,
 * and there is no alarm more.
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/model.h"
#include "user/recording.h"

#define MAX_ALARMS 64
#define CLOSE	   5000000ULL /* ns: two CPUs' records may change places */

struct verdicts {
	unsigned int count;
	struct {
		uint8_t dst[IKW_ADDR_LEN];
		enum ikw_reason reason;
		enum ikw_confidence confidence;
		char rule[40];
	} list[MAX_ALARMS];
};

struct recorded {
	union ikw_event *events;
	size_t count;
	struct ikw_model_config config;
	struct verdicts whole;
	const char *name;
};

static unsigned int wrong, cases;

static void on_alarm(void *ctx, struct ikw_alarm *a)
{
	struct verdicts *v = ctx;

	assert_true(v->count < MAX_ALARMS);
	memcpy(v->list[v->count].dst, a->dst, IKW_ADDR_LEN);
	v->list[v->count].reason = a->reason;
	v->list[v->count].confidence = a->confidence;
	snprintf(v->list[v->count].rule, sizeof(v->list[0].rule), "%s", a->rule);
	v->count++;
}

static struct ikw_model *model_for(const struct recorded *r, struct verdicts *v)
{
	struct ikw_model_ops ops = { .alarm = on_alarm, .ctx = v };
	struct ikw_model *m = ikw_model_new(&r->config, &ops);

	assert_non_null(m);
	memset(v, 0, sizeof(*v));
	return m;
}

static void finish(struct ikw_model *m, const struct recorded *r)
{
	ikw_model_finish(m, r->events[r->count - 1].hdr.time + 60000000000ULL);
	ikw_model_free(m);
}

static void recorded_read(struct recorded *r, const char *path)
{
	struct ikw_recording *rec;
	struct ikw_model *m;
	char why[512] = "";
	size_t room = 0;
	int got = 1;

	memset(r, 0, sizeof(*r));
	r->name = strrchr(path, '/') + 1;
	rec = ikw_recording_open(path, why, sizeof(why));
	if (!rec)
		fail_msg("%s", why);
	memcpy(r->config.vsys, ikw_recording_header(rec)->vsys, sizeof(r->config.vsys));
	r->config.settle_ns = ikw_recording_header(rec)->settle_ns;
	while (got > 0) {
		if (r->count == room) {
			room = room ? 2 * room : 256;
			r->events = realloc(r->events, room * sizeof(*r->events));
			assert_non_null(r->events);
		}
		got = ikw_recording_next(rec, &r->events[r->count], why, sizeof(why));
		r->count += got > 0;
	}
	if (got < 0)
		fail_msg("%s", why);
	ikw_recording_close(rec);
	m = model_for(r, &r->whole);
	for (size_t i = 0; i < r->count; i++)
		ikw_model_event(m, &r->events[i]);
	finish(m, r);
}

/* What an agent always has: it asks for these when it begins. */
static bool always(const union ikw_event *e)
{
	switch (e->hdr.type) {
	case IKW_EV_CLOCK:
	case IKW_EV_PROBES:
	case IKW_EV_LINK:
	case IKW_EV_ADDR:
	case IKW_EV_ROUTE:
	case IKW_EV_WAY:
	case IKW_EV_LOST:
	case IKW_EV_DUMP:
		return true;
	default:
		return false;
	}
}

/* What befell the SA itself, said without what lay behind it: true, if not the root. */
static const struct {
	const char *story;
	enum ikw_reason reason;
} literal[] = {
	{ "aaa-session-peer.events", IKW_REASON_PEER_REQUEST },
	{ "real-spi-taken.events", IKW_REASON_PHASE2_HARD_EXPIRY },
	{ "real-openiked-rekey-unanswered.events", IKW_REASON_PHASE2_HARD_EXPIRY },
	{ "real-peer-deletes-after-conflict.events", IKW_REASON_PEER_REQUEST },
};

static bool is_literal(const char *story, enum ikw_reason reason)
{
	for (size_t i = 0; i < sizeof(literal) / sizeof(literal[0]); i++)
		if (!strcmp(literal[i].story, story) && literal[i].reason == reason)
			return true;
	return false;
}

static bool whole_has(const struct recorded *r, const uint8_t *dst, enum ikw_reason reason)
{
	for (unsigned int k = 0; k < r->whole.count; k++)
		if (r->whole.list[k].reason == reason &&
		    !memcmp(r->whole.list[k].dst, dst, IKW_ADDR_LEN))
			return true;
	return false;
}

static void judge(const struct recorded *r, const struct verdicts *v, size_t i, const char *how)
{
	cases++;
	if (v->count > r->whole.count) {
		wrong++;
		print_message("%s, record %zu %s: %u alarms for %u\n", r->name, i, how, v->count,
			      r->whole.count);
	}
	for (unsigned int k = 0; k < v->count; k++) {
		if (v->list[k].confidence < IKW_CONFIDENCE_CERTAIN ||
		    whole_has(r, v->list[k].dst, v->list[k].reason) ||
		    is_literal(r->name, v->list[k].reason))
			continue;
		wrong++;
		print_message("%s, record %zu %s: %s, certain, by %s\n", r->name, i, how,
			      ikw_reason_text(v->list[k].reason), v->list[k].rule);
	}
}

static void each_story(void (*fn)(const struct recorded *r))
{
	struct recorded r;
	glob_t found;

	assert_int_equal(glob("tests/stories/*.events", 0, NULL, &found), 0);
	wrong = cases = 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		recorded_read(&r, found.gl_pathv[i]);
		fn(&r);
		free(r.events);
	}
	print_message("%u cases, %u wrong\n", cases, wrong);
	assert_true(cases >= found.gl_pathc);
	globfree(&found);
	assert_int_equal(wrong, 0);
}

/* ---- a record is lost ----------------------------------------------------- */

static void feed_lost(struct ikw_model *m, const struct recorded *r, size_t i)
{
	union ikw_event lost;

	memset(&lost, 0, sizeof(lost));
	lost.hdr.type = IKW_EV_LOST;
	lost.hdr.size = sizeof(lost.lost);
	lost.hdr.time = r->events[i].hdr.time;
	lost.lost.since = i ? r->events[i - 1].hdr.time : lost.hdr.time;
	if (lost.lost.since > lost.hdr.time)
		lost.lost.since = lost.hdr.time;
	lost.lost.count = 1;
	lost.lost.where = IKW_LOST_RING;
	lost.lost.sees = ~(uint32_t)IKW_SEES_LINK;
	ikw_model_event(m, &lost);
}

/* A dump is whole or begun again. */
static bool of_a_dump(const union ikw_event *e)
{
	return (e->hdr.type == IKW_EV_SA && e->sa.op == IKW_SA_DUMP) ||
	       (e->hdr.type == IKW_EV_POLICY && e->policy.op == IKW_POLICY_DUMP);
}

static void lose_each(const struct recorded *r)
{
	for (size_t lost = 0; lost < r->count; lost++) {
		struct verdicts v;
		struct ikw_model *m;

		if (always(&r->events[lost]) || of_a_dump(&r->events[lost]))
			continue;
		m = model_for(r, &v);
		for (size_t i = 0; i < r->count; i++) {
			if (i == lost)
				feed_lost(m, r, i);
			else
				ikw_model_event(m, &r->events[i]);
		}
		finish(m, r);
		judge(r, &v, lost, "lost");
	}
}

static void test_lost(void **state)
{
	(void)state;
	each_story(lose_each);
}

/* ---- the agent begins in the middle --------------------------------------- */

static bool same_sa(const struct ikw_sa *a, const struct ikw_sa *b)
{
	return a->spi == b->spi && a->proto == b->proto &&
	       !memcmp(a->daddr, b->daddr, IKW_ADDR_LEN);
}

static bool in_sad(const struct recorded *r, size_t at, size_t begin)
{
	const struct ikw_sa *sa = &r->events[at].sa;

	if (sa->op != IKW_SA_ADD && sa->op != IKW_SA_DUMP)
		return false;
	for (size_t i = at + 1; i < begin; i++) {
		const union ikw_event *e = &r->events[i];

		if (e->hdr.type == IKW_EV_FLUSH && e->flush.what == IKW_FLUSH_SA)
			return false;
		if (e->hdr.type == IKW_EV_SA && same_sa(&e->sa, sa) &&
		    (e->sa.op == IKW_SA_DELETE || e->sa.op == IKW_SA_ADD ||
		     e->sa.op == IKW_SA_DUMP))
			return false;
	}
	return true;
}

static void feed_dump(struct ikw_model *m, uint64_t time, uint8_t op)
{
	union ikw_event dump;

	memset(&dump, 0, sizeof(dump));
	dump.hdr.type = IKW_EV_DUMP;
	dump.hdr.size = sizeof(dump.dump);
	dump.hdr.time = time;
	dump.hdr.flags = IKW_F_NETLINK;
	dump.dump.op = op;
	ikw_model_event(m, &dump);
}

/* The IKE daemon that a record shows at work; 0: none. */
static uint32_t daemon_of(const union ikw_event *e)
{
	if (e->hdr.type == IKW_EV_CONTROL)
		return e->control.daemon_tgid;
	if (e->hdr.type == IKW_EV_SA && e->sa.op == IKW_SA_LARVAL)
		return e->sa.by.tgid;
	return e->hdr.type == IKW_EV_PROC && e->proc.op == IKW_PROC_DAEMON ? e->proc.tgid : 0;
}

/* An agent that begins looks for who owns an IKE socket. */
static void feed_daemons(struct ikw_model *m, const struct recorded *r, uint64_t now)
{
	for (size_t i = 0; i < r->count; i++) {
		union ikw_event daemon;

		memset(&daemon, 0, sizeof(daemon));
		daemon.hdr.type = IKW_EV_PROC;
		daemon.hdr.size = sizeof(daemon.proc);
		daemon.hdr.time = now;
		daemon.proc.op = IKW_PROC_DAEMON;
		daemon.proc.tgid = daemon_of(&r->events[i]);
		if (daemon.proc.tgid)
			ikw_model_event(m, &daemon);
	}
}

/* What an agent finds in place that begins before the record. */
static void feed_found(struct ikw_model *m, const struct recorded *r, size_t begin)
{
	uint64_t now = r->events[begin].hdr.time;

	for (size_t i = 0; i < begin; i++) {
		union ikw_event e = r->events[i];

		if (!always(&e) || e.hdr.type == IKW_EV_DUMP || e.hdr.type == IKW_EV_LOST)
			continue;
		e.hdr.time = now;
		e.hdr.flags |= IKW_F_LATE;
		if (e.hdr.type == IKW_EV_CLOCK)
			e.clock.wall += now - r->events[i].hdr.time;
		ikw_model_event(m, &e);
	}
	feed_daemons(m, r, now);
	feed_dump(m, now, IKW_DUMP_BEGIN);
	for (size_t i = 0; i < begin; i++) {
		union ikw_event e = r->events[i];

		if (e.hdr.type != IKW_EV_SA || !in_sad(r, i, begin))
			continue;
		e.hdr.time = now;
		e.hdr.flags |= IKW_F_LATE | IKW_F_NETLINK;
		e.sa.op = IKW_SA_DUMP;
		memset(&e.sa.by, 0, sizeof(e.sa.by));
		ikw_model_event(m, &e);
	}
	feed_dump(m, now, IKW_DUMP_END);
}

static void begin_at_each(const struct recorded *r)
{
	for (size_t begin = 1; begin < r->count; begin++) {
		struct verdicts v;
		struct ikw_model *m;

		if (always(&r->events[begin]))
			continue;
		m = model_for(r, &v);
		feed_found(m, r, begin);
		for (size_t i = begin; i < r->count; i++)
			ikw_model_event(m, &r->events[i]);
		finish(m, r);
		judge(r, &v, begin, "the first");
	}
}

static void test_begun_late(void **state)
{
	(void)state;
	each_story(begin_at_each);
}

/* ---- two records change places -------------------------------------------- */

static void swap_each(const struct recorded *r)
{
	for (size_t at = 1; at < r->count; at++) {
		struct verdicts v;
		struct ikw_model *m;

		if (always(&r->events[at]) || always(&r->events[at - 1]) ||
		    r->events[at].hdr.time > r->events[at - 1].hdr.time + CLOSE)
			continue;
		m = model_for(r, &v);
		for (size_t i = 0; i < r->count; i++)
			ikw_model_event(m, &r->events[i == at ? at - 1 : i == at - 1 ? at : i]);
		finish(m, r);
		judge(r, &v, at, "early");
	}
}

static void test_out_of_order(void **state)
{
	(void)state;
	each_story(swap_each);
}

/* ---- only netlink tells ---------------------------------------------------- */

/* The record as a kernel without probes would have it told; false: not at all. */
static bool by_netlink(union ikw_event *e)
{
	switch (e->hdr.type) {
	case IKW_EV_PROBES:
		e->probes.sees &= IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT | IKW_SEES_SA |
				  IKW_SEES_POLICY | IKW_SEES_LINK | IKW_SEES_ESP | IKW_SEES_WIRE;
		e->probes.tier = IKW_TIER_NETLINK;
		return true;
	case IKW_EV_SA:
		e->hdr.flags |= IKW_F_NETLINK;
		memset(&e->sa.by, 0, sizeof(e->sa.by));
		if (e->sa.cause != IKW_CAUSE_TIMER && e->sa.cause != IKW_CAUSE_FLUSH)
			e->sa.cause = IKW_CAUSE_UNKNOWN;
		return e->sa.op == IKW_SA_ADD || e->sa.op == IKW_SA_DELETE ||
		       e->sa.op == IKW_SA_DUMP;
	case IKW_EV_FLUSH:
		e->hdr.flags |= IKW_F_NETLINK;
		memset(&e->flush.by, 0, sizeof(e->flush.by));
		return e->flush.task_valid;
	case IKW_EV_CONTROL:
	case IKW_EV_SIGNAL:
	case IKW_EV_HELPED:
		return false;
	case IKW_EV_PROC:
		return e->proc.op == IKW_PROC_DAEMON;
	default:
		return true;
	}
}

static void tell_by_netlink(const struct recorded *r)
{
	struct verdicts v;
	struct ikw_model *m = model_for(r, &v);

	for (size_t i = 0; i < r->count; i++) {
		union ikw_event e = r->events[i];

		if (by_netlink(&e))
			ikw_model_event(m, &e);
	}
	finish(m, r);
	judge(r, &v, 0, "by netlink");
}

static void test_netlink_tier(void **state)
{
	(void)state;
	each_story(tell_by_netlink);
}

/* ---- anything at all ----------------------------------------------------------- */

static uint64_t seed = 88172645463325252ULL;

static uint64_t dice(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % sides;
}

static unsigned int given;

static void on_any(void *ctx, struct ikw_alarm *a)
{
	json_t *json = ikw_alarm_json(a);

	(void)ctx;
	given++;
	assert_non_null(json);
	json_decref(json);
}

/* Records lost, repeated, told late and in other order: whatever is made of it, it ends well. */
static void jumble(const struct recorded *r)
{
	struct ikw_model_ops ops = { .alarm = on_any };

	for (unsigned int round = 0; round < 20; round++) {
		struct ikw_model *m = ikw_model_new(&r->config, &ops);

		assert_non_null(m);
		for (size_t i = 0; i < r->count; i++) {
			size_t pick = dice(4) ? i : dice(r->count);
			union ikw_event e = r->events[pick];

			if (!dice(8))
				continue;
			e.hdr.time = r->events[i].hdr.time - dice(4) * 1000000;
			if (e.hdr.type == IKW_EV_IKE && !dice(8))
				e.ike.spi_r = 0;
			if (e.hdr.type == IKW_EV_IKE && !dice(8))
				e.ike.ike_flags ^= 0x28;
			ikw_model_event(m, &e);
		}
		finish(m, r);
		cases++;
	}
}

static void test_jumbled(void **state)
{
	(void)state;
	given = 0;
	each_story(jumble);
	assert_true(given > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost),	     cmocka_unit_test(test_begun_late),
		cmocka_unit_test(test_out_of_order), cmocka_unit_test(test_netlink_tier),
		cmocka_unit_test(test_jumbled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
