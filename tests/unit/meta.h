/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kept stories made into others that have the same causes: other names, addresses
 * and numbers, another time, company. What became of them is compared with what
 * came of the story itself.
 */
#ifndef TESTS_UNIT_META_H
#define TESTS_UNIT_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/model.h"

#define META_ALARMS 512

struct meta_story {
	char name[64];
	union ikw_event *events;
	size_t count;
	size_t room;
	size_t prelude; /* events of what the agent finds as it begins: so many */
	struct ikw_model_config config;
	uint32_t netns;	 /* the watched one */
	uint32_t daemon; /* who installs its SAs; 0: nobody who is known */
	char comm[IKW_COMM_LEN];
	uint32_t sees;
	bool flushed;	/* something takes all SAs */
	bool signalled; /* something ends the daemon, or has it load its configuration */
};

struct meta_alarm {
	uint64_t time;
	uint64_t spi_i; /* of its IKE_SA; 0: not known */
	uint8_t dst[IKW_ADDR_LEN];
	uint32_t spi[2]; /* a flush tells of no order */
	enum ikw_reason reason;
	enum ikw_confidence confidence;
	char rule[40];
	uint32_t ordered_by; /* pid; 0: nobody */
	bool among;	     /* the alarm itself says that it cannot tell which order it went by */
	bool matched;
};

struct meta_told {
	unsigned int count;
	struct meta_alarm list[META_ALARMS];
};

/* Reads tests/stories/NAME.events, or the `events` of a story of the laboratory. */
void meta_read(struct meta_story *s, const char *path);
void meta_copy(struct meta_story *to, const struct meta_story *from);
void meta_free(struct meta_story *s);
void meta_push(struct meta_story *s, const union ikw_event *e);
/* Before the first event behind the prelude that is not older. */
void meta_insert(struct meta_story *s, const union ikw_event *e);
/* What the agent says of it. */
void meta_infer(const struct meta_story *s, struct meta_told *told);
/* Writes it as a recording. */
void meta_save(const struct meta_story *s, const char *path);

/* One-to-one; what is 0 stays as it is. */
struct meta_map {
	bool to_v6;	 /* each IPv4 address becomes an IPv6 one */
	uint8_t net;	 /* else: other networks, this bit pattern away */
	uint32_t spi;	 /* 16 bits, for IPComp's */
	uint64_t cookie; /* IKE SPIs */
	uint32_t pid;
	uint32_t reqid;
	uint32_t ifindex;
	uint32_t if_id;
	uint32_t netns_from, netns_to;
	uint32_t pid_from, pid_to;
	bool names;   /* of links, users, in DNS */
	int64_t time; /* ns */
	int64_t wall_s;
};
void meta_map(struct meta_story *s, const struct meta_map *map);
void meta_map_addr(const struct meta_map *map, uint8_t addr[IKW_ADDR_LEN]);
uint32_t meta_map_spi(const struct meta_map *map, uint32_t spi);

/* The IKE daemon has another name, and so has its program. */
void meta_rename(struct meta_story *s, const char *comm);

/* Every boot time through fn, and the seconds of the wall clock with them. */
void meta_warp(struct meta_story *s, uint64_t (*fn)(const void *ctx, uint64_t time),
	       const void *ctx);

/* The records of s behind the first `from` come in two runs, the second from `middle` on. */
void meta_merge(struct meta_story *s, size_t from, size_t middle);

/*
 * Both on one gateway, b's time moved by shift ns. one_daemon: the same process
 * manages all of it.
 */
void meta_join(struct meta_story *out, const struct meta_story *a, const struct meta_story *b,
	       int64_t shift, bool one_daemon);

#endif
