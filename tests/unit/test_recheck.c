/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the SAD lacks of the model: deletions that no probe told of. */
#include "tests/unit/story.h"
#include "user/recheck.h"

static void shown(struct ikw_recheck *look, struct sa_spec spec, uint8_t proto, uint32_t mark)
{
	union ikw_event e = { 0 };

	e.hdr.type = IKW_EV_SA;
	e.sa.op = IKW_SA_DUMP;
	e.sa.spi = spec.spi;
	e.sa.proto = proto;
	e.sa.mark = mark;
	e.sa.add_wall_s = 1700000000ULL + spec.added;
	addr4(e.sa.saddr, spec.dir == IKW_DIR_OUT ? 1 : spec.peer);
	addr4(e.sa.daddr, spec.dir == IKW_DIR_OUT ? spec.peer : 1);
	ikw_recheck_take(look, &e);
}

static struct sa_spec later(struct sa_spec spec, uint32_t added)
{
	spec.added = added;
	return spec;
}

/* A story of one tunnel with a pair of SAs, added at second 10. */
static void story(struct story *s)
{
	begin(s, ALL_SEES);
	sa_op(s, 10000, later(IN(0), 10), IKW_SA_ADD, 0, OTHER);
	sa_op(s, 10001, later(OUT(0), 10), IKW_SA_ADD, 0, OTHER);
}

static uint64_t missing(const struct story *s, struct ikw_recheck *look)
{
	uint64_t count = ikw_recheck_missing(look, s->model);

	ikw_recheck_free(look);
	return count;
}

static void test_all_there(void **state)
{
	struct ikw_recheck *look;
	struct story s;

	(void)state;
	story(&s);
	look = ikw_recheck_new(s.now + 1000);
	shown(look, later(OUT(0), 10), 50, 0);
	shown(look, later(IN(0), 10), 50, 0);
	shown(look, later(IN(7), 20), 50, 0); /* not known: nothing is missing */
	assert_int_equal(missing(&s, look), 0);
	end(&s);
}

static void test_missing(void **state)
{
	struct ikw_recheck *look;
	struct story s;

	(void)state;
	story(&s);
	look = ikw_recheck_new(s.now + 1000);
	assert_int_equal(missing(&s, look), 2);
	look = ikw_recheck_new(s.now + 1000);
	shown(look, later(IN(0), 10), 50, 0);
	shown(look, later(OUT(0), 10), 51, 0); /* AH has SPIs of its own */
	assert_int_equal(missing(&s, look), 1);
	look = ikw_recheck_new(s.now + 1000);
	shown(look, later(IN(0), 10), 50, 7); /* so has each mark */
	shown(look, later(OUT(0), 10), 50, 0);
	assert_int_equal(missing(&s, look), 1);
	end(&s);
}

/* The same SPIs, added anew. */
static void test_others(void **state)
{
	struct ikw_recheck *look;
	struct story s;

	(void)state;
	story(&s);
	look = ikw_recheck_new(s.now + 1000);
	shown(look, later(IN(0), 11), 50, 0);
	shown(look, later(OUT(0), 11), 50, 0);
	assert_int_equal(missing(&s, look), 2);
	end(&s);
}

/* What came while the look was under way is not missing. */
static void test_came_meanwhile(void **state)
{
	struct ikw_recheck *look;
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	look = ikw_recheck_new(s.now);
	up(&s, 10000, 0, DAEMON);
	assert_int_equal(missing(&s, look), 0);
	look = ikw_recheck_new(s.now + 1);
	down(&s, 20000, 0, IKW_CAUSE_CALL, DAEMON);
	assert_int_equal(missing(&s, look), 0);
	end(&s);
}

static void test_many(void **state)
{
	struct ikw_recheck *look;
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	for (uint32_t n = 0; n < 3000; n++)
		sa_op(&s, 10000, IN(n), IKW_SA_ADD, 0, OTHER);
	look = ikw_recheck_new(s.now + 1);
	for (uint32_t n = 0; n < 3000; n += 2)
		shown(look, IN(n), 50, 0);
	assert_int_equal(missing(&s, look), 1500);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_there), cmocka_unit_test(test_missing),
		cmocka_unit_test(test_others),	  cmocka_unit_test(test_came_meanwhile),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
