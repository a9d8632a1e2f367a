/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A hint of what comes next changes nothing, true or not. */
#include "tests/unit/story.h"

#define HINTS 200

static uint32_t drawn;

static uint32_t draw(uint32_t below)
{
	drawn = drawn * 1664525 + 1013904223;
	return (drawn >> 8) % below;
}

/* Of SAs that are there, of such as are not, of none at all, and bytes of anything. */
static void hint(union ikw_event *e)
{
	static const uint8_t types[] = { IKW_EV_SA, IKW_EV_SA, IKW_EV_SA, IKW_EV_IKE, 0, 255 };

	memset(e, draw(8) ? 0 : 0xff, sizeof(*e));
	e->hdr.type = types[draw(sizeof(types))];
	e->sa.op = (uint8_t)draw(10);
	e->sa.dir = (uint8_t)draw(4);
	e->sa.spi = (e->sa.dir == IKW_DIR_IN ? 0x1000 : 0x2000) + draw(6);
	e->sa.reqid = draw(5);
	e->sa.proto = 50;
	addr4(e->sa.dir == IKW_DIR_IN ? e->sa.daddr : e->sa.saddr, 1);
	addr4(e->sa.dir == IKW_DIR_IN ? e->sa.saddr : e->sa.daddr, (uint8_t)(6 + draw(5)));
}

static void hints(struct story *s)
{
	union ikw_event *events = calloc(HINTS, sizeof(*events));
	const union ikw_event *list[HINTS];

	assert_non_null(events);
	for (size_t i = 0; i < HINTS; i++) {
		hint(&events[i]);
		list[i] = &events[i];
	}
	for (size_t n = 0; n <= HINTS; n += 1 + n / 2)
		ikw_model_expect(s->model, list + (HINTS - n), n);
	ikw_model_expect(s->model, list, HINTS);
	free(events);
}

/* Peers with one tunnel and with several, SAs without their other half, a tunnel without SAs. */
static void crowd(struct story *s)
{
	for (unsigned int n = 0; n < 5; n++) {
		struct sa_spec in = IN(n), out = OUT(n);

		in.peer = out.peer = (uint8_t)(n < 3 ? 9 : 5 + n);
		in.reqid = out.reqid = n;
		sa_op(s, 2000 + n * 10, in, IKW_SA_ADD, 0, DAEMON);
		if (n != 2)
			sa_op(s, 2001 + n * 10, out, IKW_SA_ADD, 0, DAEMON);
		if (n != 4)
			continue;
		sa_op(s, 3000, in, IKW_SA_DELETE, 0, OTHER);
		sa_op(s, 3001, out, IKW_SA_DELETE, 0, OTHER);
	}
}

static void test_nothing_changes(void **state)
{
	struct ikw_model_stats before, after;
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	hints(&s); /* of an empty world */
	crowd(&s);
	ikw_model_tick(s.model, UINT64_C(1000000000000));
	assert_int_equal(s.count, 1);
	ikw_model_stats(s.model, &before);
	assert_int_equal(before.sas, 7);
	for (unsigned int i = 0; i < 50; i++)
		hints(&s);
	ikw_model_stats(s.model, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	ikw_model_free(s.model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
