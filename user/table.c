// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>
#include "table.h"

#define FIRST_BUCKETS 64

uint64_t ikw_hash(const void *data, size_t size, uint64_t seed)
{
	const unsigned char *p = data;
	uint64_t h = seed ^ 0x9e3779b97f4a7c15ULL;
	uint64_t word;

	for (; size >= 8; size -= 8, p += 8) {
		memcpy(&word, p, 8);
		h = (h ^ word) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, p, size);
	h = (h ^ word ^ (size << 56)) * 0xc4ceb9fe1a85ec53ULL;
	return h ^ (h >> 29);
}

int ikw_table_init(struct ikw_table *table)
{
	table->buckets = calloc(FIRST_BUCKETS, sizeof(*table->buckets));
	table->mask = FIRST_BUCKETS - 1;
	table->count = 0;
	return table->buckets ? 0 : -1;
}

void ikw_table_free(struct ikw_table *table)
{
	free(table->buckets);
	memset(table, 0, sizeof(*table));
}

/* A table that cannot grow gets slower, not wrong. */
static void table_grow(struct ikw_table *table)
{
	size_t mask = table->mask * 2 + 1;
	struct ikw_node **buckets = calloc(mask + 1, sizeof(*buckets));

	if (!buckets)
		return;
	for (size_t i = 0; i <= table->mask; i++) {
		struct ikw_node *node = table->buckets[i];

		while (node) {
			struct ikw_node *next = node->next;

			node->next = buckets[node->hash & mask];
			buckets[node->hash & mask] = node;
			node = next;
		}
	}
	free(table->buckets);
	table->buckets = buckets;
	table->mask = mask;
}

void ikw_table_add(struct ikw_table *table, struct ikw_node *node)
{
	if (table->count > table->mask)
		table_grow(table);
	node->next = table->buckets[node->hash & table->mask];
	table->buckets[node->hash & table->mask] = node;
	table->count++;
}

void ikw_table_del(struct ikw_table *table, struct ikw_node *node)
{
	struct ikw_node **at = &table->buckets[node->hash & table->mask];

	while (*at && *at != node)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = node->next;
	table->count--;
}

static struct ikw_node *node_with(struct ikw_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct ikw_node *ikw_table_first(const struct ikw_table *table, uint64_t hash)
{
	return node_with(table->buckets[hash & table->mask], hash);
}

struct ikw_node *ikw_node_next(const struct ikw_node *node)
{
	return node_with(node->next, node->hash);
}
