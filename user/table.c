// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "table.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_BUCKETS 64
#define TAGS_MANY     16
#define HUGE_PAGE     (2UL << 20)

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
 * Zeroed. Of large ones any bucket may be the next, which with small pages is a
 * miss of the TLB each time: they are asked for in huge pages.
 */
static struct ikw_bucket *buckets_new(size_t count)
{
	size_t size = count * sizeof(struct ikw_bucket);
	void *buckets;

	if (size < HUGE_PAGE)
		return calloc(count, sizeof(struct ikw_bucket));
	buckets = aligned_alloc(HUGE_PAGE, size);
	if (!buckets)
		return NULL;
	madvise(buckets, size, MADV_HUGEPAGE);
	memset(buckets, 0, size);
	return buckets;
}

int ikw_table_init(struct ikw_table *table)
{
	table->buckets = buckets_new(FIRST_BUCKETS);
	table->mask = FIRST_BUCKETS - 1;
	table->count = 0;
	return table->buckets ? 0 : -1;
}

void ikw_table_free(struct ikw_table *table)
{
	free(table->buckets);
	memset(table, 0, sizeof(*table));
}

/* The hash's lower bits choose the bucket, its highest the tag. */
static uint64_t tag_of(uint64_t hash)
{
	return 1ULL << (hash >> 58);
}

static void bucket_add(struct ikw_bucket *bucket, struct ikw_node *node)
{
	node->next = bucket->first;
	bucket->first = node;
	bucket->tags |= tag_of(node->hash);
}

/* A table that cannot grow gets slower, not wrong. */
static void table_grow(struct ikw_table *table)
{
	size_t mask = table->mask * 2 + 1;
	struct ikw_bucket *buckets = buckets_new(mask + 1);

	if (!buckets)
		return;
	for (size_t i = 0; i <= table->mask; i++) {
		struct ikw_node *node = table->buckets[i].first;

		while (node) {
			struct ikw_node *next = node->next;

			bucket_add(&buckets[node->hash & mask], node);
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
	bucket_add(&table->buckets[node->hash & table->mask], node);
	table->count++;
}

/* Tags of what left stay, until there are so many that they say little. */
static void forget_tags(struct ikw_bucket *bucket)
{
	if (bucket->first && __builtin_popcountll(bucket->tags) < TAGS_MANY)
		return;
	bucket->tags = 0;
	for (const struct ikw_node *node = bucket->first; node; node = node->next)
		bucket->tags |= tag_of(node->hash);
}

void ikw_table_del(struct ikw_table *table, struct ikw_node *node)
{
	struct ikw_bucket *bucket = &table->buckets[node->hash & table->mask];
	struct ikw_node **at = &bucket->first;

	while (*at && *at != node)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = node->next;
	table->count--;
	forget_tags(bucket);
}

void ikw_table_prefetch(const struct ikw_table *table, uint64_t hash)
{
	__builtin_prefetch(&table->buckets[hash & table->mask]);
}

static struct ikw_node *node_with(struct ikw_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct ikw_node *ikw_table_first(const struct ikw_table *table, uint64_t hash)
{
	const struct ikw_bucket *bucket = &table->buckets[hash & table->mask];

	return bucket->tags & tag_of(hash) ? node_with(bucket->first, hash) : NULL;
}

struct ikw_node *ikw_node_next(const struct ikw_node *node)
{
	return node_with(node->next, node->hash);
}
