/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A network namespace that is torn down, and another one that is given its number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "user/last_words.h"

#define S UINT64_C(1000000000)

static struct ikw_last_words words;

static int set_up(void **state)
{
	(void)state;
	memset(&words, 0, sizeof(words));
	return 0;
}

static bool sa(uint32_t netns, uint64_t time, uint8_t op, uint8_t cause)
{
	union ikw_event e = { .hdr = { .type = IKW_EV_SA, .netns = netns, .time = time } };

	e.sa.op = op;
	e.sa.cause = cause;
	return ikw_last_words_hear(&words, &e);
}

static bool flush(uint32_t netns, uint64_t time, uint8_t what, uint8_t task_valid)
{
	union ikw_event e = { .hdr = { .type = IKW_EV_FLUSH, .netns = netns, .time = time } };

	e.flush.what = what;
	e.flush.task_valid = task_valid;
	return ikw_last_words_hear(&words, &e);
}

/* Whoever flushes, it goes on. */
static void test_lives(void **state)
{
	(void)state;
	assert_true(sa(7, S, IKW_SA_ADD, 0));
	assert_true(flush(7, 2 * S, IKW_FLUSH_SA, 1));
	assert_true(flush(7, 2 * S, IKW_FLUSH_POLICY, 0));
	assert_true(sa(7, 3 * S, IKW_SA_ADD, 0));
}

/* Its SAs go with it; what comes then is another's, which may end as well. */
static void test_number_anew(void **state)
{
	(void)state;
	assert_true(sa(7, S, IKW_SA_ADD, 0));
	assert_true(flush(7, 2 * S, IKW_FLUSH_SA, 0));
	assert_true(sa(7, 2 * S + 1, IKW_SA_DELETE, IKW_CAUSE_NETNS));
	assert_true(sa(7, 2 * S + 2, IKW_SA_LARVAL_GONE, IKW_CAUSE_NETNS));
	assert_false(sa(7, 3 * S, IKW_SA_ADD, 0));
	assert_false(sa(7, 3 * S, IKW_SA_DELETE, IKW_CAUSE_CALL));
	assert_false(flush(7, 3 * S, IKW_FLUSH_SA, 1));
	assert_false(flush(7, 4 * S, IKW_FLUSH_SA, 0));
	assert_false(sa(7, 4 * S + 1, IKW_SA_DELETE, IKW_CAUSE_NETNS));
	assert_true(sa(8, 5 * S, IKW_SA_ADD, 0));
}

static void test_late(void **state)
{
	(void)state;
	assert_true(flush(7, 2 * S, IKW_FLUSH_SA, 0));
	assert_false(sa(7, 40 * S, IKW_SA_DELETE, IKW_CAUSE_NETNS));
}

/* One that is watched by that name has the number of the one before it. */
static void test_watched_anew(void **state)
{
	(void)state;
	assert_true(flush(7, 2 * S, IKW_FLUSH_SA, 0));
	ikw_last_words_begin(&words, 8, 2 * S);
	assert_false(sa(7, 3 * S, IKW_SA_ADD, 0));
	ikw_last_words_begin(&words, 7, 4 * S);
	assert_true(sa(7, 4 * S, IKW_SA_ADD, 0));
	assert_true(flush(7, 5 * S, IKW_FLUSH_SA, 0));
	assert_true(sa(7, 5 * S + 1, IKW_SA_DELETE, IKW_CAUSE_NETNS));
}

/* It was made, with the number of the one before, while nobody read the ring. */
static void test_read_late(void **state)
{
	(void)state;
	ikw_last_words_begin(&words, 7, 3 * S);
	assert_true(flush(7, S, IKW_FLUSH_SA, 0));
	assert_true(sa(7, S + 1, IKW_SA_DELETE, IKW_CAUSE_NETNS));
	assert_true(sa(7, 2 * S, IKW_SA_ADD, 0));
	assert_true(sa(7, 4 * S, IKW_SA_ADD, 0));
	assert_true(flush(7, 5 * S, IKW_FLUSH_SA, 0));
	assert_false(sa(7, 6 * S, IKW_SA_ADD, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_lives, set_up),
		cmocka_unit_test_setup(test_number_anew, set_up),
		cmocka_unit_test_setup(test_late, set_up),
		cmocka_unit_test_setup(test_watched_anew, set_up),
		cmocka_unit_test_setup(test_read_late, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
