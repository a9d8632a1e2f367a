/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every story of tests/stories: NAME.events (a recording) is replayed and must
 * give the alarms of NAME.expect, no more and no fewer, in that order.
 *
 * A line of .expect is an object whose members the alarm must have: objects are
 * compared member by member, arrays as a subsequence (so that evidence can be
 * asked for fact by fact; [] means empty), {"$contains": "text"} a part of a
 * text. Empty lines and lines that begin with # are passed over; a file without
 * lines expects no alarm. Arguments are stories (paths of .events) to run alone.
 * Output is TAP.
 */
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>
#include "user/replay.h"

static FILE *notes; /* why a story failed */
static unsigned int told;

static bool subset(const json_t *expected, const json_t *got);

static bool subset_object(const json_t *expected, const json_t *got)
{
	const char *part = json_string_value(json_object_get(expected, "$contains"));
	const char *name;
	json_t *value;

	if (part)
		return json_is_string(got) && strstr(json_string_value(got), part);
	if (!json_is_object(got))
		return false;
	json_object_foreach ((json_t *)expected, name, value) {
		if (!json_object_get(got, name) || !subset(value, json_object_get(got, name)))
			return false;
	}
	return true;
}

static bool subset_array(const json_t *expected, const json_t *got)
{
	size_t next = 0;

	if (!json_is_array(got) || (!json_array_size(expected) && json_array_size(got)))
		return false;
	for (size_t i = 0; i < json_array_size(expected); i++) {
		while (next < json_array_size(got) &&
		       !subset(json_array_get(expected, i), json_array_get(got, next)))
			next++;
		if (next++ >= json_array_size(got))
			return false;
	}
	return true;
}

static bool subset(const json_t *expected, const json_t *got)
{
	if (json_is_object(expected))
		return subset_object(expected, got);
	if (json_is_array(expected))
		return subset_array(expected, got);
	return json_equal((json_t *)expected, (json_t *)got);
}

/* ---- one story -------------------------------------------------------- */

static void collect(void *ctx, struct ikw_alarm *alarm)
{
	json_array_append_new(ctx, ikw_alarm_json(alarm));
}

/* The expected alarms; NULL after having said what is wrong with the file. */
static json_t *expectations(const char *events)
{
	json_t *list = json_array();
	char path[512], line[16384];
	int number = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%.*s.expect", (int)(strlen(events) - strlen(".events")),
		 events);
	file = fopen(path, "r");
	if (!file) {
		fprintf(notes, "# %s: missing\n", path);
		json_decref(list);
		return NULL;
	}
	while (list && fgets(line, sizeof(line), file)) {
		json_t *json;

		number++;
		if (line[0] == '#' || line[strspn(line, " \n")] == 0)
			continue;
		json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		if (json_is_object(json)) {
			json_array_append_new(list, json);
			continue;
		}
		fprintf(notes, "# %s:%d: not a JSON object\n", path, number);
		json_decref(json);
		json_decref(list);
		list = NULL;
	}
	fclose(file);
	return list;
}

/* One result, with what was noted about it. */
static void tell(bool right, const char *name)
{
	const char *base = strrchr(name, '/');

	printf("%sok %u - %s\n", right ? "" : "not ", ++told, base ? base + 1 : name);
	rewind(notes);
	for (int c = getc(notes); c != EOF && !right; c = getc(notes))
		putchar(c);
	rewind(notes);
	if (ftruncate(fileno(notes), 0))
		perror("ftruncate");
}

/* Says which members differ, so that nobody has to read two long lines side by side. */
static void show_difference(const json_t *expected, const json_t *got)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)expected, name, value) {
		const json_t *other = json_object_get(got, name);
		char *is, *should;

		if (other && subset(value, other))
			continue;
		should = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		is = other ? json_dumps(other, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
		fprintf(notes, "#   %s: expected %s, got %s\n", name, should, is ? is : "nothing");
		free(should);
		free(is);
	}
	fprintf(notes, "#   detail: %s\n", json_string_value(json_object_get(got, "detail")));
}

static bool compare(const json_t *expected, const json_t *got)
{
	size_t count = json_array_size(expected);
	bool right = count == json_array_size(got);

	if (!right)
		fprintf(notes, "# %zu alarms expected, %zu came\n", count, json_array_size(got));
	for (size_t i = 0; i < json_array_size(got); i++) {
		const json_t *want = json_array_get(expected, i);

		if (want && subset(want, json_array_get(got, i)))
			continue;
		fprintf(notes, "# alarm %zu:\n", i + 1);
		show_difference(want, json_array_get(got, i));
		right = false;
	}
	return right;
}

static bool run_story(const char *events)
{
	json_t *expected = expectations(events);
	json_t *got = json_array();
	char why[512];
	bool right = false;

	if (expected && ikw_replay(events, collect, got, why, sizeof(why)))
		fprintf(notes, "# %s\n", why);
	else if (expected)
		right = compare(expected, got);
	tell(right, events);
	json_decref(expected);
	json_decref(got);
	return right;
}

/* The comparison itself must be able to fail. */
static bool self_check(void)
{
	static const struct {
		const char *expected;
		const char *got;
		bool match;
	} rows[] = {
		{ "{}", "{\"a\":1}", true },
		{ "{\"a\":1}", "{\"a\":1,\"b\":2}", true },
		{ "{\"a\":1}", "{\"a\":2}", false },
		{ "{\"a\":null}", "{\"b\":2}", false },
		{ "{\"a\":null}", "{\"a\":null}", true },
		{ "{\"a\":{\"b\":1}}", "{\"a\":null}", false },
		{ "{\"a\":[]}", "{\"a\":[1]}", false },
		{ "{\"a\":[1,3]}", "{\"a\":[1,2,3]}", true },
		{ "{\"a\":[3,1]}", "{\"a\":[1,2,3]}", false },
		{ "{\"a\":{\"$contains\":\"b\"}}", "{\"a\":\"abc\"}", true },
		{ "{\"a\":{\"$contains\":\"d\"}}", "{\"a\":\"abc\"}", false },
	};
	bool right = true;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *expected = json_loads(rows[i].expected, 0, NULL);
		json_t *got = json_loads(rows[i].got, 0, NULL);

		if (subset(expected, got) != rows[i].match) {
			fprintf(notes, "# %s against %s\n", rows[i].expected, rows[i].got);
			right = false;
		}
		json_decref(expected);
		json_decref(got);
	}
	tell(right, "the comparison");
	return right;
}

static int run_all(void)
{
	unsigned int failed = !self_check();
	glob_t found;

	if (glob("tests/stories/*.events", 0, NULL, &found)) {
		printf("not ok 1 - stories\n# none in tests/stories: run from the top folder\n");
		return 1;
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		failed += !run_story(found.gl_pathv[i]);
	printf("1..%u\n# %zu stories, %u failed\n", told, found.gl_pathc, failed);
	globfree(&found);
	return failed != 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	notes = tmpfile();
	if (!notes) {
		perror("tmpfile");
		return 1;
	}
	if (argc == 1)
		return run_all();
	for (int i = 1; i < argc; i++)
		failed |= !run_story(argv[i]);
	return failed;
}
