/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The IKE_SAs of two peers, by all that is kept of them, against a list that is searched through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/ikes.h"

#define SAS 200

/* What each of them is, as told: where it is, and when it came there. */
struct told {
	struct ikw_ike_sa *ike; /* NULL: there is none */
	unsigned int peer;
	uint64_t came;
};

struct world {
	struct ikw_ikes *peers[2];
	struct told told[SAS];
	uint64_t came;
	uint64_t now;
	uint32_t random;
};

static uint32_t draw(struct world *w, uint32_t below)
{
	w->random = w->random * 1103515245U + 12345;
	return (w->random >> 8) % below;
}

static uint16_t draw_port(struct world *w)
{
	static const uint16_t few[] = { 0, 500, 4500, 4501, 20000, 20001 };

	return draw(w, 2) ? few[draw(w, 6)] : (uint16_t)(1024 + draw(w, 400));
}

static bool needed(const struct world *w, const struct ikw_ike_sa *ike)
{
	bool is = ike->generations > 0;

	for (unsigned int i = 0; i < SAS; i++)
		is |= w->told[i].ike && w->told[i].ike->successor == ike &&
		      w->told[i].ike->generations;
	return is;
}

/* The walk gives just those that may manage the port, the newest first. */
static void check_walk(const struct world *w, unsigned int peer, uint16_t port)
{
	uint64_t before = UINT64_MAX;
	unsigned int count = 0, expected = 0;
	struct ikw_ike_walk walk;
	struct ikw_ike_sa *ike = ikw_ike_walk(&walk, w->peers[peer], port);

	for (; ike; ike = ikw_ike_walk_on(&walk)) {
		const struct told *t = &w->told[ike->spi_i];

		assert_ptr_equal(t->ike, ike);
		assert_int_equal(t->peer, peer);
		assert_true(ikw_ike_manages_port(ike, port));
		assert_true(t->came < before);
		before = t->came;
		count++;
	}
	for (unsigned int i = 0; i < SAS; i++)
		expected += w->told[i].ike && w->told[i].peer == peer &&
			    ikw_ike_manages_port(w->told[i].ike, port);
	assert_int_equal(count, expected);
}

static void check(struct world *w)
{
	for (unsigned int peer = 0; peer < 2; peer++) {
		unsigned int spare = 0, all = 0, heard = 0;
		const struct ikw_ike_sa *ike;

		if (!w->peers[peer])
			continue;
		for (ike = w->peers[peer]->spare.first; ike;
		     ike = ike->chain[IKW_BY_SPARE].next, spare++)
			assert_false(needed(w, ike));
		for (ike = w->peers[peer]->heard.first; ike; ike = ike->chain[IKW_BY_HEARD].next)
			heard++;
		for (unsigned int i = 0; i < SAS; i++) {
			if (!w->told[i].ike || w->told[i].peer != peer)
				continue;
			all++;
			spare -= !needed(w, w->told[i].ike);
			assert_true(w->told[i].ike->last_in <= w->peers[peer]->spoken);
		}
		assert_int_equal(spare, 0);
		assert_int_equal(heard, all);
		assert_int_equal(w->peers[peer]->count, all);
		check_walk(w, peer, 0);
		for (unsigned int k = 0; k < 4; k++)
			check_walk(w, peer, draw_port(w));
	}
}

static void make(struct world *w, unsigned int i)
{
	struct told *t = &w->told[i];

	t->ike = calloc(1, sizeof(*t->ike));
	assert_non_null(t->ike);
	t->ike->spi_i = i;
	t->ike->remote_port = draw_port(w);
	t->peer = draw(w, 2);
	t->came = ++w->came;
	assert_true(ikw_ikes_add(&w->peers[t->peer], t->ike));
}

static void forget(struct world *w, unsigned int i)
{
	struct told *t = &w->told[i];
	struct ikw_ike_sa *next = t->ike->successor;
	bool follows[SAS] = { false };

	for (unsigned int k = 0; k < SAS; k++)
		follows[k] = w->told[k].ike && w->told[k].ike->successor == t->ike;
	ikw_ikes_del(w->peers[t->peer], t->ike);
	for (unsigned int k = 0; k < SAS; k++)
		if (follows[k])
			assert_ptr_equal(w->told[k].ike->successor, next);
	free(t->ike);
	t->ike = NULL;
}

/* As its message would: heard, from whichever port. */
static void hear(struct world *w, struct told *t)
{
	t->ike->last_in = ++w->now;
	if (draw(w, 3))
		t->ike->heard_port = draw(w, 2) ? t->ike->remote_port : draw_port(w);
	else
		t->ike->remote_port = draw_port(w);
	ikw_ikes_heard(w->peers[t->peer], t->ike);
	assert_ptr_equal(w->peers[t->peer]->heard.first, t->ike);
	assert_int_equal(w->peers[t->peer]->spoken, w->now);
}

static void follow(struct world *w, struct told *t)
{
	struct told *next = &w->told[draw(w, SAS)];

	/* none succeeds what came later, so that there is no ring */
	if (next->ike && next->peer == t->peer && next->came > t->came)
		ikw_ike_succeed(w->peers[t->peer], t->ike, next->ike);
}

static void move(struct world *w, struct told *t)
{
	for (unsigned int k = 0; k < SAS; k++)
		if (t->ike->successor || (w->told[k].ike && w->told[k].ike->successor == t->ike))
			return;
	assert_true(ikw_ikes_move(w->peers[t->peer], &w->peers[!t->peer], t->ike));
	t->peer = !t->peer;
	t->came = ++w->came;
}

static void step(struct world *w)
{
	unsigned int i = draw(w, SAS);
	struct told *t = &w->told[i];

	if (!t->ike) {
		make(w, i);
		return;
	}
	switch (draw(w, 8)) {
	case 0:
		if (!t->ike->generations)
			forget(w, i);
		break;
	case 1:
	case 2:
		ikw_ike_hold(w->peers[t->peer], t->ike);
		break;
	case 3:
		if (t->ike->generations)
			ikw_ike_drop(w->peers[t->peer], t->ike);
		break;
	case 4:
		follow(w, t);
		break;
	case 5:
		move(w, t);
		break;
	default:
		hear(w, t);
		break;
	}
}

static void test_against_list(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 3; seed++) {
		struct world w = { .random = seed };

		for (unsigned int k = 0; k < 6000; k++) {
			step(&w);
			if (k % 7 == 0)
				check(&w);
		}
		assert_non_null(w.peers[0]->ports);
		for (unsigned int i = 0; i < SAS; i++)
			if (w.told[i].ike)
				forget(&w, i);
		check(&w);
		assert_null(ikw_ike_newest(w.peers[0]));
		ikw_ikes_free(w.peers[0]);
		ikw_ikes_free(w.peers[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_against_list) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
