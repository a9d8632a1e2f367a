/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What boot time is in wall time: one look after the other moves it only where a clock was set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "user/stamp.h"

#define START 1700000000000000000LL

static void first_look(void **state)
{
	struct ikw_clocks known = { 0 };

	(void)state;
	known = ikw_clocks_know(known, (struct ikw_clocks){ START, 800 });
	assert_int_equal(known.ahead, START);
	assert_int_equal(known.doubt, 800);
}

static void doubt_is_no_step(void **state)
{
	struct ikw_clocks known = { START, 800 };

	(void)state;
	/* what came in between the readings of the two clocks, to either side */
	known = ikw_clocks_know(known, (struct ikw_clocks){ START - 300, 700 });
	known = ikw_clocks_know(known, (struct ikw_clocks){ START + 300, 700 });
	known = ikw_clocks_know(known, (struct ikw_clocks){ START - 2000000, 4000000 });
	assert_int_equal(known.ahead, START);
	assert_int_equal(known.doubt, 800);
}

static void steps(void **state)
{
	struct ikw_clocks known = { START, 800 };

	(void)state;
	known = ikw_clocks_know(known, (struct ikw_clocks){ START + 1000000000, 900 });
	assert_int_equal(known.ahead, START + 1000000000);
	known = ikw_clocks_know(known, (struct ikw_clocks){ START - 5000, 600 });
	assert_int_equal(known.ahead, START - 5000);
	assert_int_equal(known.doubt, 600);
	/* a host that was powered on before its clock was right */
	known = ikw_clocks_know(known, (struct ikw_clocks){ -7, 600 });
	assert_int_equal(known.ahead, -7);
}

/* The clocks of this machine, which nobody sets meanwhile: as far apart at each look. */
static void this_machine(void **state)
{
	struct ikw_clocks known = ikw_clocks_know((struct ikw_clocks){ 0 }, ikw_clocks_look());
	const struct ikw_clocks first = known;
	int64_t plain = (int64_t)(ikw_wall_now() - ikw_boot_now());

	(void)state;
	assert_true(known.doubt < UINT64_MAX);
	assert_true(plain - known.ahead < (int64_t)(60 * IKW_S) &&
		    known.ahead - plain < (int64_t)(60 * IKW_S));
	for (int i = 0; i < 10000; i++)
		known = ikw_clocks_know(known, ikw_clocks_look());
	assert_int_equal(known.ahead, first.ahead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_look),
		cmocka_unit_test(doubt_is_no_step),
		cmocka_unit_test(steps),
		cmocka_unit_test(this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
