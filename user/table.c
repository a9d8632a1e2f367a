// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "table.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_SLOTS 64
#define HUGE_PAGE   (2UL << 20)

uint64_t ikw_hash(const void *data, size_t size, uint64_t seed)
{
	const unsigned char *p = data;
	uint64_t hash = ikw_hash_begin(seed);
	uint64_t word;

	for (; size >= 8; size -= 8, p += 8) {
		memcpy(&word, p, 8);
		hash = ikw_hash_word(hash, word);
	}
	word = 0;
	memcpy(&word, p, size);
	return ikw_hash_end(hash, word, size);
}

/*
 * Zeroed. Of large ones any slot may be the next, which with small pages is a
 * miss of the TLB each time: they are asked for in huge pages.
 */
static struct ikw_slot *slots_new(size_t count)
{
	size_t size = count * sizeof(struct ikw_slot);
	void *slots;

	if (size < HUGE_PAGE)
		return calloc(count, sizeof(struct ikw_slot));
	slots = aligned_alloc(HUGE_PAGE, size);
	if (!slots)
		return NULL;
	madvise(slots, size, MADV_HUGEPAGE);
	memset(slots, 0, size);
	return slots;
}

int ikw_table_init(struct ikw_table *table)
{
	table->slots = slots_new(FIRST_SLOTS);
	table->mask = FIRST_SLOTS - 1;
	table->count = 0;
	return table->slots ? 0 : -1;
}

void ikw_table_free(struct ikw_table *table)
{
	free(table->slots);
	memset(table, 0, sizeof(*table));
}

static void put(struct ikw_table *table, const struct ikw_slot *slot)
{
	size_t at = slot->hash & table->mask;

	while (table->slots[at].node)
		at = (at + 1) & table->mask;
	table->slots[at] = *slot;
}

static void table_grow(struct ikw_table *table)
{
	struct ikw_table grown = { .mask = table->mask * 2 + 1, .count = table->count };

	grown.slots = slots_new(grown.mask + 1);
	if (!grown.slots)
		return;
	for (size_t i = 0; i <= table->mask; i++)
		if (table->slots[i].node)
			put(&grown, &table->slots[i]);
	free(table->slots);
	*table = grown;
}

void ikw_table_add(struct ikw_table *table, struct ikw_node *node)
{
	const struct ikw_slot slot = { .hash = node->hash, .node = node };

	/* above five eighths the runs of full slots get long */
	if (table->count * 8 >= (table->mask + 1) * 5)
		table_grow(table);
	if (table->count == table->mask)
		return;
	put(table, &slot);
	table->count++;
}

/* Moves what follows back, as far as it may go, so that no search ends at the hole. */
static void close_hole(struct ikw_table *table, size_t hole)
{
	for (size_t at = (hole + 1) & table->mask; table->slots[at].node;
	     at = (at + 1) & table->mask) {
		size_t home = table->slots[at].hash & table->mask;

		if (((at - home) & table->mask) < ((at - hole) & table->mask))
			continue;
		table->slots[hole] = table->slots[at];
		hole = at;
	}
	table->slots[hole].node = NULL;
}

void ikw_table_del(struct ikw_table *table, const struct ikw_node *node)
{
	size_t at = node->hash & table->mask;

	while (table->slots[at].node && table->slots[at].node != node)
		at = (at + 1) & table->mask;
	if (!table->slots[at].node)
		return;
	close_hole(table, at);
	table->count--;
}

void ikw_table_prefetch(const struct ikw_table *table, uint64_t hash)
{
	__builtin_prefetch(&table->slots[hash & table->mask]);
}

struct ikw_node *ikw_find_next(struct ikw_find *find)
{
	const struct ikw_table *table = find->table;

	for (;;) {
		const struct ikw_slot *slot = &table->slots[find->at & table->mask];

		if (!slot->node)
			return NULL;
		find->at++;
		if (slot->hash == find->hash)
			return slot->node;
	}
}

struct ikw_node *ikw_find_first(struct ikw_find *find, const struct ikw_table *table, uint64_t hash)
{
	find->table = table;
	find->hash = hash;
	find->at = hash & table->mask;
	return ikw_find_next(find);
}

struct ikw_node *ikw_table_each(const struct ikw_table *table, size_t *at)
{
	while (table->slots && *at <= table->mask) {
		struct ikw_node *node = table->slots[(*at)++].node;

		if (node)
			return node;
	}
	return NULL;
}
