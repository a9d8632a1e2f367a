/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A hash table of nodes inside the objects: open addressing, linear probing, grown
 * by doubling. The slots have the hash beside the node: with a million tunnels a
 * lookup costs one miss of the cache in the slots and none but the right object's.
 */
#ifndef IKEWATCH_TABLE_H
#define IKEWATCH_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ikw_node {
	uint64_t hash;
};

struct ikw_slot {
	uint64_t hash;
	struct ikw_node *node; /* NULL: free */
};

struct ikw_table {
	struct ikw_slot *slots;
	size_t mask; /* slots - 1; the number of slots is a power of two */
	size_t count;
};

/* A search for one hash. */
struct ikw_find {
	const struct ikw_table *table;
	uint64_t hash;
	size_t at;
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
/* Frees the slots; the nodes are their owner's. */
void ikw_table_free(struct ikw_table *table);
/*
 * Adds a node whose hash is set. Duplicates are the caller's affair. Without
 * memory to grow a table gets slower, and full to its last slot takes none.
 */
void ikw_table_add(struct ikw_table *table, struct ikw_node *node);
/* Removes a node; one that is not in the table is left. */
void ikw_table_del(struct ikw_table *table, const struct ikw_node *node);
/* Asks for the slot of a hash that will soon be looked for. */
void ikw_table_prefetch(const struct ikw_table *table, uint64_t hash);

/*
 * The nodes with that hash, one after the other; NULL: no more. The table must
 * not change meanwhile.
 */
struct ikw_node *ikw_find_first(struct ikw_find *find, const struct ikw_table *table,
				uint64_t hash);
struct ikw_node *ikw_find_next(struct ikw_find *find);

/*
 * All nodes, one after the other, in no order but the same in every run; *at is 0
 * at first. NULL: no more. Whoever deletes the last one returned sets *at one
 * back, and may then meet a node again that was left. A table that was freed, or
 * never made, has none.
 */
struct ikw_node *ikw_table_each(const struct ikw_table *table, size_t *at);

/* Asks for all of an object that will soon be looked at; p may be NULL. */
static inline void ikw_prefetch(const void *p, size_t size)
{
	for (size_t at = 0; p && at < size; at += 64)
		__builtin_prefetch((const char *)p + at);
}

#endif
