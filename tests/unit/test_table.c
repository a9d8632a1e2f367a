/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The hash table against a list: whatever was added and not deleted is found, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/table.h"

#define THINGS 3000
#define STEPS  60000

struct thing {
	struct ikw_node node;
	bool in;
	unsigned int met;
};

static struct thing things[THINGS];
static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % below;
}

static size_t count_in(void)
{
	size_t count = 0;

	for (size_t i = 0; i < THINGS; i++)
		count += things[i].in;
	return count;
}

/* Every thing with that hash, each once. */
static void assert_found(const struct ikw_table *table, uint64_t hash)
{
	struct ikw_find find;
	struct ikw_node *node = ikw_find_first(&find, table, hash);
	size_t found = 0, want = 0;

	for (; node; node = ikw_find_next(&find)) {
		struct thing *t = IKW_CONTAINER(node, struct thing, node);

		assert_true(t->in);
		assert_true(t->node.hash == hash);
		assert_int_equal(t->met++, 0);
		found++;
	}
	for (size_t i = 0; i < THINGS; i++) {
		want += things[i].in && things[i].node.hash == hash;
		things[i].met = 0;
	}
	assert_int_equal(found, want);
}

static void assert_walk(const struct ikw_table *table)
{
	struct ikw_node *node;
	size_t at = 0, met = 0;

	while ((node = ikw_table_each(table, &at))) {
		struct thing *t = IKW_CONTAINER(node, struct thing, node);

		assert_true(t->in);
		assert_int_equal(t->met++, 0);
		met++;
	}
	assert_int_equal(met, count_in());
	assert_int_equal(met, table->count);
	for (size_t i = 0; i < THINGS; i++)
		things[i].met = 0;
}

/* Adds and deletes by chance; more is added than deleted at first, and less in the end. */
static void churn(struct ikw_table *table)
{
	for (unsigned int step = 0; step < STEPS; step++) {
		struct thing *t = &things[draw(THINGS)];
		bool add = draw(STEPS) > step;

		if (add && !t->in)
			ikw_table_add(table, &t->node);
		if (!add) /* also what is not in it */
			ikw_table_del(table, &t->node);
		t->in = add;
		if (step % 100 == 0)
			assert_found(table, t->node.hash);
		if (step % 5000 == 0)
			assert_walk(table);
	}
	for (size_t i = 0; i < THINGS; i += 7)
		assert_found(table, things[i].node.hash);
	assert_walk(table);
}

static void run(uint64_t (*hash)(size_t i))
{
	struct ikw_table table;

	assert_int_equal(ikw_table_init(&table), 0);
	seed = 1;
	memset(things, 0, sizeof(things));
	for (size_t i = 0; i < THINGS; i++)
		things[i].node.hash = hash(i);
	churn(&table);
	ikw_table_free(&table);
}

static uint64_t any_hash(size_t i)
{
	return ikw_hash(&i, sizeof(i), 9);
}

/* Runs of full slots, over the end of the table too. */
static uint64_t crowded_hash(size_t i)
{
	return (uint64_t)i << 32 | ((UINT64_MAX - i % 40) & 0xffffffff);
}

static uint64_t same_hash(size_t i)
{
	return 5 + i % 3;
}

static void test_any(void **state)
{
	(void)state;
	run(any_hash);
}

static void test_crowded(void **state)
{
	(void)state;
	run(crowded_hash);
}

static void test_same(void **state)
{
	(void)state;
	run(same_hash);
}

/* Deleting while walking: all that should go goes, the others stay. */
static void test_delete_while_walking(void **state)
{
	struct ikw_table table;
	struct ikw_node *node;
	size_t at = 0;

	(void)state;
	assert_int_equal(ikw_table_init(&table), 0);
	memset(things, 0, sizeof(things));
	for (size_t i = 0; i < THINGS; i++) {
		things[i].node.hash = crowded_hash(i);
		things[i].in = true;
		ikw_table_add(&table, &things[i].node);
	}
	while ((node = ikw_table_each(&table, &at))) {
		struct thing *t = IKW_CONTAINER(node, struct thing, node);

		if ((t - things) % 3 == 0)
			continue;
		ikw_table_del(&table, node);
		t->in = false;
		at--;
	}
	assert_int_equal(table.count, THINGS / 3);
	assert_walk(&table);
	for (size_t i = 0; i < THINGS; i += 5)
		assert_found(&table, things[i].node.hash);
	ikw_table_free(&table);
	at = 0;
	assert_null(ikw_table_each(&table, &at));
}

/* The parts that addresses are hashed by in line make the same as the whole. */
static void test_hash_of_address(void **state)
{
	uint8_t addr[16];

	(void)state;
	seed = 3;
	for (unsigned int round = 0; round < 1000; round++) {
		for (size_t i = 0; i < sizeof(addr); i++)
			addr[i] = (uint8_t)draw(256);
		assert_true(ikw_hash_16(addr, round) == ikw_hash(addr, sizeof(addr), round));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_crowded),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_delete_while_walking),
		cmocka_unit_test(test_hash_of_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
