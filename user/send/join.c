/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>
#include <utlist.h>
#include "reason.h"

#define SECOND 1000000ULL

struct waiting {
	json_t *alarm;
	uint64_t time; /* us */
	uint64_t order;
	struct waiting *prev, *next;
};

/* An SPI that one who waits has; the other end's alarm has it too. */
struct spi_ref {
	struct waiting *waiting;
	struct spi_ref *prev, *next;
};

struct spi {
	char text[16];
	struct spi_ref *refs;
	UT_hash_handle hh;
};

struct seen {
	char *uid;
	uint64_t time;
	UT_hash_handle hh;
};

struct ikw_joiner {
	void (*fn)(void *ctx, const json_t *a, const json_t *b);
	void *ctx;
	struct waiting *list; /* in order of arrival */
	struct spi *spis;     /* of those in the list */
	uint64_t order;
	struct seen *seen;
};

static const char *text(const json_t *json, const char *member)
{
	const char *value = json_string_value(json_object_get(json, member));

	return value ? value : "";
}

uint64_t ikw_time_of(const char *rfc3339)
{
	struct tm tm = { 0 };
	unsigned int us = 0;
	const char *rest = rfc3339 ? strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	if (!rest)
		return 0;
	sscanf(rest, ".%6u", &us);
	return (uint64_t)timegm(&tm) * SECOND + us;
}

uint64_t ikw_join_time(const json_t *alarm)
{
	return ikw_time_of(text(alarm, "time"));
}

/* ---- do they belong together? ------------------------------------------------ */

/* SAs that are inbound at the one and outbound with the same SPI at the other. */
static unsigned int shared_spis(const json_t *a, const json_t *b)
{
	const json_t *sa, *other;
	unsigned int count = 0;
	size_t i, j;

	json_array_foreach (json_object_get(a, "sas"), i, sa) {
		json_array_foreach (json_object_get(b, "sas"), j, other) {
			if (!strcmp(text(sa, "spi"), text(other, "spi")) && text(sa, "spi")[0] &&
			    strcmp(text(sa, "direction"), text(other, "direction"))) {
				count++;
				break;
			}
		}
	}
	return count;
}

static bool reversed(const json_t *a, const json_t *b)
{
	return !strcmp(text(a, "src_ip"), text(b, "dst_ip")) &&
	       !strcmp(text(a, "dst_ip"), text(b, "src_ip"));
}

bool ikw_join_matches(const json_t *a, const json_t *b)
{
	uint64_t at = ikw_join_time(a), bt = ikw_join_time(b);
	unsigned int shared;

	if (!strcmp(text(a, "gateway"), text(b, "gateway")) ||
	    (at > bt ? at - bt : bt - at) > IKW_JOIN_WINDOW_S * SECOND)
		return false;
	shared = shared_spis(a, b);
	return shared > 1 || (shared == 1 && reversed(a, b));
}

/* ---- what follows ------------------------------------------------------------ */

/* What a reason says about where its cause lies. */
enum lies { HERE, THERE, SILENCE, BOTH, NOWHERE };

static enum lies where(const json_t *alarm)
{
	switch (ikw_reason_find(text(alarm, "offline_reason"))) {
	case IKW_REASON_DPD_TIMEOUT:
	case IKW_REASON_EXCHANGE_TIMEOUT:
	case IKW_REASON_REAUTH_TIMEOUT:
	case IKW_REASON_HEARTBEAT_TIMEOUT:
		return SILENCE;
	case IKW_REASON_PEER_REQUEST:
	case IKW_REASON_INVALID_SPI:
	case IKW_REASON_KICK_OLD_SA:
		return THERE;
	case IKW_REASON_PHASE1_REPLACE:
	case IKW_REASON_PHASE2_REPLACE:
		return BOTH;
	case IKW_REASON_PHASE1_DEPENDENT: /* either end may have begun these two */
	case IKW_REASON_PEER_ADDRESS_SWITCH:
	case IKW_REASON_UNKNOWN:
	case -1:
		return NOWHERE;
	default:
		return HERE;
	}
}

enum ikw_join_verdict ikw_join_judge(const json_t *a, const json_t *b)
{
	enum lies in_a = where(a), in_b = where(b);

	if (in_a == BOTH && in_b == BOTH)
		return IKW_JOIN_AGREE;
	if (in_a == HERE && in_b == HERE)
		return ikw_join_time(a) <= ikw_join_time(b) ? IKW_JOIN_FIRST : IKW_JOIN_SECOND;
	if (in_a == HERE)
		return IKW_JOIN_FIRST;
	if (in_b == HERE)
		return IKW_JOIN_SECOND;
	if (in_a == SILENCE && in_b == SILENCE)
		return IKW_JOIN_PATH;
	return IKW_JOIN_UNDECIDED;
}

/* ---- joining ----------------------------------------------------------------- */

struct ikw_joiner *ikw_joiner_new(void (*fn)(void *ctx, const json_t *a, const json_t *b),
				  void *ctx)
{
	struct ikw_joiner *joiner = calloc(1, sizeof(*joiner));

	if (!joiner)
		return NULL;
	joiner->fn = fn;
	joiner->ctx = ctx;
	return joiner;
}

static bool is_repeat(struct ikw_joiner *joiner, const json_t *alarm, uint64_t time)
{
	const char *uid = text(alarm, "uid");
	struct seen *seen;

	HASH_FIND_STR(joiner->seen, uid, seen);
	if (seen)
		return true;
	seen = calloc(1, sizeof(*seen));
	if (!seen)
		return false;
	seen->uid = strdup(uid);
	seen->time = time;
	if (seen->uid)
		HASH_ADD_KEYPTR(hh, joiner->seen, seen->uid, strlen(seen->uid), seen);
	else
		free(seen);
	return false;
}

static void add_spi(struct ikw_joiner *joiner, struct waiting *waiting, const char *text)
{
	struct spi_ref *ref = calloc(1, sizeof(*ref));
	struct spi *spi;

	HASH_FIND_STR(joiner->spis, text, spi);
	if (!spi && ref && strlen(text) < sizeof(spi->text)) {
		spi = calloc(1, sizeof(*spi));
		if (spi) {
			snprintf(spi->text, sizeof(spi->text), "%s", text);
			HASH_ADD_STR(joiner->spis, text, spi);
		}
	}
	if (!spi || !ref) {
		free(ref);
		return;
	}
	ref->waiting = waiting;
	DL_APPEND(spi->refs, ref);
}

static void drop_spi(struct ikw_joiner *joiner, const struct waiting *waiting, const char *text)
{
	struct spi_ref *ref, *next;
	struct spi *spi;

	HASH_FIND_STR(joiner->spis, text, spi);
	if (!spi)
		return;
	DL_FOREACH_SAFE (spi->refs, ref, next) {
		if (ref->waiting != waiting)
			continue;
		DL_DELETE(spi->refs, ref);
		free(ref);
	}
	if (spi->refs)
		return;
	HASH_DEL(joiner->spis, spi);
	free(spi);
}

/* Who has waited longest of those that the alarm is the other end of; NULL: none. */
static struct waiting *find(const struct ikw_joiner *joiner, const json_t *alarm)
{
	struct waiting *found = NULL;
	const struct spi_ref *ref;
	const json_t *sa;
	struct spi *spi;
	size_t i;

	json_array_foreach (json_object_get(alarm, "sas"), i, sa) {
		HASH_FIND_STR(joiner->spis, text(sa, "spi"), spi);
		if (!spi)
			continue;
		DL_FOREACH (spi->refs, ref)
			if ((!found || ref->waiting->order < found->order) &&
			    ikw_join_matches(ref->waiting->alarm, alarm))
				found = ref->waiting;
	}
	return found;
}

static void await(struct ikw_joiner *joiner, json_t *alarm, uint64_t time)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));
	const json_t *sa;
	size_t i;

	if (!waiting)
		return;
	waiting->alarm = json_incref(alarm);
	waiting->time = time;
	waiting->order = joiner->order++;
	DL_APPEND(joiner->list, waiting);
	json_array_foreach (json_object_get(alarm, "sas"), i, sa)
		add_spi(joiner, waiting, text(sa, "spi"));
}

static void drop(struct ikw_joiner *joiner, struct waiting *waiting)
{
	const json_t *sa;
	size_t i;

	json_array_foreach (json_object_get(waiting->alarm, "sas"), i, sa)
		drop_spi(joiner, waiting, text(sa, "spi"));
	DL_DELETE(joiner->list, waiting);
	json_decref(waiting->alarm);
	free(waiting);
}

void ikw_joiner_add(struct ikw_joiner *joiner, json_t *alarm)
{
	uint64_t time = ikw_join_time(alarm);
	struct waiting *waiting;

	if (!time || is_repeat(joiner, alarm, time))
		return;
	waiting = find(joiner, alarm);
	if (!waiting) {
		await(joiner, alarm, time);
		return;
	}
	if (waiting->time <= time)
		joiner->fn(joiner->ctx, waiting->alarm, alarm);
	else
		joiner->fn(joiner->ctx, alarm, waiting->alarm);
	drop(joiner, waiting);
}

static void forget_seen(struct ikw_joiner *joiner, uint64_t before)
{
	struct seen *seen, *next;

	HASH_ITER (hh, joiner->seen, seen, next) {
		if (seen->time >= before)
			continue;
		HASH_DEL(joiner->seen, seen);
		free(seen->uid);
		free(seen);
	}
}

void ikw_joiner_expire(struct ikw_joiner *joiner, uint64_t now_us, bool everything)
{
	uint64_t window = IKW_JOIN_WINDOW_S * SECOND;
	uint64_t before = now_us > window ? now_us - window : 0;
	struct waiting *waiting, *next;

	DL_FOREACH_SAFE (joiner->list, waiting, next) {
		if (!everything && waiting->time >= before)
			continue;
		joiner->fn(joiner->ctx, waiting->alarm, NULL);
		drop(joiner, waiting);
	}
	forget_seen(joiner, everything ? UINT64_MAX : before);
}

void ikw_joiner_free(struct ikw_joiner *joiner)
{
	if (!joiner)
		return;
	while (joiner->list)
		drop(joiner, joiner->list);
	forget_seen(joiner, UINT64_MAX);
	free(joiner);
}
