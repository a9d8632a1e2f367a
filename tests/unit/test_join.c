/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `fleet`: which alarms are the two ends of one deletion, and what follows from both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "user/send/join.h"

/* An alarm object: gateway, its two addresses, SPIs in and out, reason, second. */
static json_t *alarm_of(const char *gateway, const char *src, const char *dst, const char *in,
			const char *out, const char *reason, int second)
{
	char time[40], uid[64];

	snprintf(time, sizeof(time), "2026-01-02T03:%02d:%02d.000000Z", second / 60, second % 60);
	snprintf(uid, sizeof(uid), "%s:%s:%d", gateway, in, second);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:s}, {s:s, s:s}]}", "gateway",
			 gateway, "uid", uid, "src_ip", src, "dst_ip", dst, "offline_reason",
			 reason, "time", time, "sas", "spi", in, "direction", "in", "spi", out,
			 "direction", "out");
}

#define A(in, out, reason, s) alarm_of("a", "192.0.2.1", "198.51.100.1", in, out, reason, s)
#define B(in, out, reason, s) alarm_of("b", "198.51.100.1", "192.0.2.1", in, out, reason, s)
/* behind NAT: it knows itself by another address */
#define N(in, out, reason, s) alarm_of("n", "10.0.0.9", "192.0.2.1", in, out, reason, s)

static void check_match(json_t *a, json_t *b, bool wanted)
{
	assert_int_equal(ikw_join_matches(a, b), wanted);
	assert_int_equal(ikw_join_matches(b, a), wanted);
	json_decref(a);
	json_decref(b);
}

static void matches(void **state)
{
	(void)state;
	check_match(A("0x1", "0x2", "unknown", 0), B("0x2", "0x1", "unknown", 1), true);
	check_match(A("0x1", "0x2", "unknown", 0), N("0x2", "0x1", "unknown", 1), true);
	/* one SPI: enough between the same addresses only */
	check_match(A("0x1", "0x2", "unknown", 0), B("0x2", "0x9", "unknown", 1), true);
	check_match(A("0x1", "0x2", "unknown", 0), N("0x2", "0x9", "unknown", 1), false);
	/* the same direction is not the other end */
	check_match(A("0x1", "0x2", "unknown", 0), B("0x1", "0x2", "unknown", 1), false);
	/* another generation; the same gateway; too late */
	check_match(A("0x1", "0x2", "unknown", 0), B("0x4", "0x3", "unknown", 1), false);
	check_match(A("0x1", "0x2", "unknown", 0), A("0x2", "0x1", "unknown", 1), false);
	check_match(A("0x1", "0x2", "unknown", 0), B("0x2", "0x1", "unknown", 900), true);
	check_match(A("0x1", "0x2", "unknown", 0), B("0x2", "0x1", "unknown", 901), false);
}

static const struct {
	const char *a;
	int at;
	const char *b;
	int bt;
	enum ikw_join_verdict verdict;
} verdicts[] = {
	{ "dpd timeout", 200, "interface removed", 10, IKW_JOIN_SECOND },
	{ "interface removed", 10, "dpd timeout", 200, IKW_JOIN_FIRST },
	{ "peer request", 1, "config modify or manual offline", 1, IKW_JOIN_SECOND },
	{ "dpd timeout", 1, "dpd timeout", 5, IKW_JOIN_PATH },
	{ "dpd timeout", 1, "exchange timeout", 5, IKW_JOIN_PATH },
	{ "phase2 sa replace", 1, "phase2 sa replace", 1, IKW_JOIN_AGREE },
	{ "admin down", 1, "config modify or manual offline", 5, IKW_JOIN_FIRST },
	{ "admin down", 6, "config modify or manual offline", 5, IKW_JOIN_SECOND },
	/* each blames the other, or nobody knows: no cause is invented */
	{ "peer request", 1, "dpd timeout", 5, IKW_JOIN_UNDECIDED },
	{ "peer request", 1, "peer request", 5, IKW_JOIN_UNDECIDED },
	{ "unknown", 1, "dpd timeout", 5, IKW_JOIN_UNDECIDED },
	{ "unknown", 1, "phase2 sa replace", 5, IKW_JOIN_UNDECIDED },
	{ "no such reason", 1, "unknown", 5, IKW_JOIN_UNDECIDED },
};

static void judges(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		json_t *a = A("0x1", "0x2", verdicts[i].a, verdicts[i].at);
		json_t *b = B("0x2", "0x1", verdicts[i].b, verdicts[i].bt);

		if (ikw_join_judge(a, b) != verdicts[i].verdict)
			fail_msg("%s, %s: %d", verdicts[i].a, verdicts[i].b, ikw_join_judge(a, b));
		json_decref(a);
		json_decref(b);
	}
}

static char said[256];

static void say(void *ctx, const json_t *a, const json_t *b)
{
	(void)ctx;
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s%s ",
		 json_string_value(json_object_get(a, "gateway")),
		 b ? json_string_value(json_object_get(b, "gateway")) : "-");
}

static void give(struct ikw_joiner *joiner, json_t *alarm)
{
	ikw_joiner_add(joiner, alarm);
	json_decref(alarm);
}

static void joins(void **state)
{
	struct ikw_joiner *joiner = ikw_joiner_new(say, NULL);
	json_t *last = A("0x7", "0x8", "dpd timeout", 1000);
	uint64_t now = ikw_join_time(last);

	(void)state;
	assert_non_null(joiner);
	give(joiner, B("0x2", "0x1", "interface removed", 5));
	give(joiner, A("0x3", "0x4", "dpd timeout", 6));
	give(joiner, A("0x3", "0x4", "dpd timeout", 6)); /* a repeat */
	give(joiner, A("0x1", "0x2", "dpd timeout", 7));
	give(joiner, last);
	assert_string_equal(said, "ba ");
	ikw_joiner_expire(joiner, now, false); /* the one of second 6 is older than the window */
	assert_string_equal(said, "ba a- ");
	ikw_joiner_expire(joiner, now, true);
	assert_string_equal(said, "ba a- a- ");
	ikw_joiner_free(joiner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches),
		cmocka_unit_test(judges),
		cmocka_unit_test(joins),
	};

	return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
