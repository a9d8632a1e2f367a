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
/* First node with that hash, and the next one with the same hash; NULL at the end. */
struct ikw_node *ikw_table_first(const struct ikw_table *table, uint64_t hash);
struct ikw_node *ikw_node_next(const struct ikw_node *node);

#endif
