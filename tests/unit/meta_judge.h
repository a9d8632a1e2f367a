/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kept stories, what was told of each, and what is told of what was made of them. */
#ifndef TESTS_UNIT_META_JUDGE_H
#define TESTS_UNIT_META_JUDGE_H

#include "tests/unit/meta.h"

#define META_STORIES 256

#define MS     UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

extern struct meta_story stories[META_STORIES];
extern struct meta_told alone[META_STORIES];
extern size_t story_count;
extern unsigned int cases, wrong;
extern bool in_company; /* other tunnels have causes of their own there */
extern const struct meta_map same_map;

/* Of tests/stories, or of IKW_META_FROM, a pattern of paths; for cmocka_run_group_tests. */
int read_all(void **state);
int free_all(void **state);

/* Before the first case, and after the last: none may have gone wrong. */
void begin(void);
void done(void);
/* The same ones after each begin(). */
uint64_t dice(uint64_t sides);

/* The alarms that were told of a story, in this one: as they were? */
void judge(const struct meta_story *s, const struct meta_told *was, struct meta_told *now,
	   const struct meta_map *map, const char *how, bool strict);
/* None beside these. */
void judge_rest(const struct meta_story *s, const struct meta_told *now, const char *how);
/* One case: infers and judges. */
void compare(const struct meta_story *s, const struct meta_told *was, const struct meta_map *map,
	     const char *how, bool strict);
/* As a recording, where IKW_META_KEEP says. */
void keep(const struct meta_story *s, const char *how);

#endif
