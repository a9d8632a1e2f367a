/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Orders that are given over and over, after which nothing happens, and what ends by itself beside
 * them. */
#include "tests/unit/story.h"

#define LOAD	    "swanctl\0--load-all"
#define OTHER_DOWN  "swanctl\0--terminate\0--ike\0other"
#define DOWN	    "swanctl\0--terminate\0--ike\0tun"
#define ARGS(words) words, sizeof(words)

/* A command of that process, once. */
static void command(struct story *s, uint64_t ms, uint32_t tgid, const char *args, size_t len)
{
	swanctl(s, ms, tgid, "", args, len);
}

/* Every gap, so many times, the last of them at `last`. */
static void over_and_over(struct story *s, uint64_t last, uint64_t gap, unsigned int times,
			  const char *args, size_t len)
{
	for (unsigned int n = times; n-- > 0;)
		command(s, last - n * gap, 300 + n, args, len);
}

/* Our Delete of an IKE_SA, and what it takes. */
static void deleted(struct story *s, uint64_t ms)
{
	ike(s, ms, '>', V2(0xa0, 37, 2, 65));
	ike(s, ms + 20, '<', V2(0xa0, 37, 2, 57));
	down(s, ms + 30, 0, IKW_CAUSE_CALL, DAEMON);
}

static void reauthenticated(struct story *s, uint64_t ms)
{
	deleted(s, ms);
	establish(s, ms + 40, 0xb0, 1, AES_GCM);
}

static void test_reauthentication_beside(void **state)
{
	static const struct {
		const char *args;
		size_t len;
	} jobs[] = { { ARGS(LOAD) }, { ARGS(OTHER_DOWN) } };
	struct story s;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		over_and_over(&s, 40000, 2000, 6, jobs[i].args, jobs[i].len);
		/* the new IKE_SA is begun first: what follows is no order's doing */
		ike(&s, 40395, '>', V2(0xb0, 34, 0, 300));
		reauthenticated(&s, 40400);
		expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_CERTAIN);
		assert_false(s.told[0].ordered);
		assert_non_null(strstr(s.told[0].facts, " order_aside "));
	}
}

/* What is explained by nothing else is explained by it, if less surely. */
static void test_takes_effect(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	over_and_over(&s, 40000, 2000, 6, ARGS(LOAD));
	deleted(&s, 40400);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY);
	assert_true(s.told[0].ordered);
	assert_string_equal(s.told[0].rule, "reloaded");
}

/* Given once a minute, 20 ms before: that is no chance, however often it was in vain. */
static void test_at_once(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	over_and_over(&s, 400000, 60000, 6, ARGS(LOAD));
	deleted(&s, 400020);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
	assert_true(s.told[0].ordered);
}

/* Among such, an order that is not one of them is the one. */
static void test_an_order_among(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	over_and_over(&s, 40000, 2000, 6, ARGS(OTHER_DOWN));
	command(&s, 40100, 900, ARGS(DOWN));
	command(&s, 40200, 400, ARGS(OTHER_DOWN));
	deleted(&s, 40300);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
	assert_true(s.told[0].ordered);
	assert_non_null(strstr(s.told[0].detail, "--ike tun"));
}

/* One that deletions have followed each time is none of them. */
static void test_followed_each_time(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	for (unsigned int n = 0; n < 4; n++) {
		uint64_t at = 10000 + n * 10000;

		establish(&s, at, 0xa0 + n * 0x10, n, AES_GCM);
		command(&s, at + 8000, 300 + n, ARGS(DOWN));
		ike(&s, at + 8200, '>', V2(0xa0 + n * 0x10, 37, 2, 65));
		ike(&s, at + 8220, '<', V2(0xa0 + n * 0x10, 37, 2, 57));
		down(&s, at + 8230, n, IKW_CAUSE_CALL, DAEMON);
	}
	end(&s);
	assert_int_equal(s.count, 4);
	for (unsigned int n = 0; n < 4; n++) {
		assert_int_equal(s.told[n].reason, IKW_REASON_MANUAL);
		assert_int_equal(s.told[n].confidence, IKW_CONFIDENCE_CERTAIN);
	}
}

/* Loaded once, seconds before: a daemon does at once what it is to do about that. */
static void test_loaded_before(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	command(&s, 37000, 300, ARGS(LOAD));
	ike(&s, 40395, '>', V2(0xb0, 34, 0, 300));
	reauthenticated(&s, 40400);
	expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_CERTAIN);
	assert_false(s.told[0].ordered);
	assert_non_null(strstr(s.told[0].facts, " order_aside "));

	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	command(&s, 37000, 300, ARGS(LOAD));
	deleted(&s, 40400);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY);
	assert_string_equal(s.told[0].rule, "reloaded");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reauthentication_beside),
		cmocka_unit_test(test_takes_effect),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_an_order_among),
		cmocka_unit_test(test_followed_each_time),
		cmocka_unit_test(test_loaded_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
