/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An intrusive chained hash table that grows by doubling. Sixteen bytes a node
 * against uthash's fifty-six: with a million tunnels that is the difference
 * between keeping to one KiB a tunnel and not.
 */
#ifndef IKEWATCH_TABLE_H
#define IKEWATCH_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ikw_node {
	struct ikw_node *next;
	uint64_t hash;
};

/*
 * `tags` has a bit for each hash in the chain (and maybe for some that left it):
 * with a million tunnels a lookup in vain costs one miss of the cache, not two.
 */
struct ikw_bucket {
	struct ikw_node *first;
	uint64_t tags;
};

struct ikw_table {
	struct ikw_bucket *buckets;
	size_t mask; /* buckets - 1; the number of buckets is a power of two */
	size_t count;
};

#define IKW_CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Hash of bytes; the same in every run, so that replays are the same. */
uint64_t ikw_hash(const void *data, size_t size, uint64_t seed);

/* Its parts: the seed, each whole word, and what is left with the size of all. */
static inline uint64_t ikw_hash_begin(uint64_t seed)
{
	return seed ^ 0x9e3779b97f4a7c15ULL;
}

static inline uint64_t ikw_hash_word(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0xff51afd7ed558ccdULL;
	return hash ^ hash >> 32;
}

static inline uint64_t ikw_hash_end(uint64_t hash, uint64_t rest, size_t size)
{
	hash = (hash ^ rest ^ (uint64_t)size << 56) * 0xc4ceb9fe1a85ec53ULL;
	return hash ^ hash >> 29;
}

/* ikw_hash() of an address: every event has a few of them. */
static inline uint64_t ikw_hash_16(const uint8_t data[16], uint64_t seed)
{
	uint64_t words[2];

	memcpy(words, data, sizeof(words));
	return ikw_hash_end(ikw_hash_word(ikw_hash_word(ikw_hash_begin(seed), words[0]), words[1]),
			    0, 0);
}

/* 0, or -1 without memory. */
int ikw_table_init(struct ikw_table *table);
/* Frees the buckets; the nodes are their owner's. */
void ikw_table_free(struct ikw_table *table);
/* Adds a node whose hash is set. Duplicates are the caller's affair. */
void ikw_table_add(struct ikw_table *table, struct ikw_node *node);
/* Removes a node that is in the table. */
void ikw_table_del(struct ikw_table *table, struct ikw_node *node);
/* Asks for the bucket of a hash that will soon be looked for. */
void ikw_table_prefetch(const struct ikw_table *table, uint64_t hash);
/* Asks for all of an object that will soon be looked at; p may be NULL. */
static inline void ikw_prefetch(const void *p, size_t size)
{
	for (size_t at = 0; at < size; at += 64)
		__builtin_prefetch((const char *)p + at);
}
/* First node with that hash, and the next one with the same hash; NULL at the end. */
struct ikw_node *ikw_table_first(const struct ikw_table *table, uint64_t hash);
struct ikw_node *ikw_node_next(const struct ikw_node *node);

#endif
