/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/unit/meta_judge.h"

struct meta_story stories[META_STORIES];
struct meta_told alone[META_STORIES];
size_t story_count;
unsigned int cases, wrong;
bool in_company;
const struct meta_map same_map;

static unsigned int weaker;
static uint64_t seed;

uint64_t dice(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % sides;
}

void keep(const struct meta_story *s, const char *how)
{
	const char *dir = getenv("IKW_META_KEEP");
	char path[512];

	if (!dir)
		return;
	snprintf(path, sizeof(path), "%s/%s-%s-%u.events", dir, s->name, how, cases);
	for (char *c = path + strlen(dir) + 1; *c; c++)
		*c = *c == ' ' || *c == '/' ? '_' : *c;
	meta_save(s, path);
}

static void complain(const struct meta_story *s, const char *how, const struct meta_alarm *was,
		     const struct meta_alarm *now)
{
	print_message("%s, %s, case %u: %s/%s by %s became %s/%s by %s\n", s->name, how, cases,
		      was ? ikw_reason_text(was->reason) : "nothing",
		      was ? ikw_confidence_text(was->confidence) : "-", was ? was->rule : "-",
		      now ? ikw_reason_text(now->reason) : "nothing",
		      now ? ikw_confidence_text(now->confidence) : "-", now ? now->rule : "-");
	wrong++;
}

static struct meta_alarm *find(struct meta_told *told, const uint8_t *dst, uint32_t spi)
{
	for (unsigned int i = 0; i < told->count; i++) {
		struct meta_alarm *a = &told->list[i];

		if (!a->matched && (a->spi[0] == spi || a->spi[1] == spi) &&
		    !memcmp(a->dst, dst, IKW_ADDR_LEN))
			return a;
	}
	return NULL;
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* Does no other tunnel go by the order that this one went by? */
static bool alone_ordered(const struct meta_told *all, const struct meta_alarm *a)
{
	for (unsigned int i = 0; i < all->count; i++)
		if (&all->list[i] != a && all->list[i].ordered_by == a->ordered_by)
			return false;
	return a->ordered_by;
}

/*
 * What nothing that can be seen tells apart, in company: a script that acts after a
 * tracked state has changed, and one that would have done so anyhow, or an address that
 * goes then; what a daemon does that has loaded another configuration, and what it does
 * by itself; what goes at once as something is ordered down that nothing else follows,
 * or where several orders came together; a Delete of its own that goes out as that of
 * another does, or as the AAA server cuts a user of whom it tells no address; a check
 * that is as long as the Delete which a reauthentication, ordered at once before, begins
 * with.
 */
static bool undecided(const struct meta_told *all, const struct meta_alarm *was,
		      const struct meta_alarm *now)
{
	bool ordered = begins(now->rule, "ordered") || begins(now->rule, "tracker");

	if (!all)
		return false;
	if (was->reason == IKW_REASON_MANUAL &&
	    (begins(now->rule, "track_") || begins(now->rule, "probe_")))
		return true;
	if (begins(now->rule, "address_tracked"))
		return true;
	if (begins(now->rule, "reloaded") || begins(now->rule, "reauth_ordered"))
		return true;
	if (was->reason == IKW_REASON_IDLE_TIMEOUT &&
	    (now->ordered_by || !strcmp(now->rule, "aaa_cut")))
		return true;
	return ordered && (now->among || alone_ordered(all, now));
}

static bool as_it_was(const struct meta_told *all, const struct meta_alarm *was,
		      const struct meta_alarm *now, bool strict)
{
	if (strict)
		return was->reason == now->reason && was->confidence == now->confidence &&
		       !strcmp(was->rule, now->rule);
	if (was->reason == now->reason) {
		weaker += now->confidence < was->confidence;
		return true;
	}
	weaker++;
	return now->confidence < IKW_CONFIDENCE_LIKELY || undecided(all, was, now);
}

/* The alarms that were told of a story, in this one: as they were? */
void judge(const struct meta_story *s, const struct meta_told *was, struct meta_told *now,
	   const struct meta_map *map, const char *how, bool strict)
{
	for (unsigned int i = 0; i < was->count; i++) {
		uint8_t dst[IKW_ADDR_LEN];
		struct meta_alarm *a;

		memcpy(dst, was->list[i].dst, IKW_ADDR_LEN);
		meta_map_addr(map, dst);
		a = find(now, dst, meta_map_spi(map, was->list[i].spi[0]));
		if (a)
			a->matched = true;
		if (!a || !as_it_was(in_company ? now : NULL, &was->list[i], a, strict))
			complain(s, how, &was->list[i], a);
	}
}

void judge_rest(const struct meta_story *s, const struct meta_told *now, const char *how)
{
	for (unsigned int i = 0; i < now->count; i++)
		if (!now->list[i].matched)
			complain(s, how, NULL, &now->list[i]);
}

void compare(const struct meta_story *s, const struct meta_told *was, const struct meta_map *map,
	     const char *how, bool strict)
{
	static struct meta_told now;
	unsigned int before = wrong;

	cases++;
	meta_infer(s, &now);
	judge(s, was, &now, map, how, strict);
	judge_rest(s, &now, how);
	if (wrong > before)
		keep(s, how);
}

void done(void)
{
	print_message("%u cases, %u of them less sure, %u wrong\n", cases, weaker, wrong);
	assert_true(cases > 0);
	assert_int_equal(wrong, 0);
}

void begin(void)
{
	in_company = false;
	cases = wrong = weaker = 0;
	seed = 88172645463325252ULL;
}

int read_all(void **state)
{
	const char *from = getenv("IKW_META_FROM");
	glob_t found;

	(void)state;
	if (glob(from ? from : "tests/stories/*.events", 0, NULL, &found))
		return -1;
	for (size_t i = 0; i < found.gl_pathc && story_count < META_STORIES; i++) {
		meta_read(&stories[story_count], found.gl_pathv[i]);
		meta_infer(&stories[story_count], &alone[story_count]);
		story_count++;
	}
	globfree(&found);
	return 0;
}

int free_all(void **state)
{
	(void)state;
	while (story_count)
		meta_free(&stories[--story_count]);
	return 0;
}
