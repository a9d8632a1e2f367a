/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live.h"
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include "control.h"
#include "incident.h"

#define ANSWER_TIME 30 /* s without a byte from the agent */

FILE *ikw_live_ask(const struct ikw_common_options *options, const char *request, bool *absent,
		   char *why, size_t size)
{
	struct timeval limit = { .tv_sec = ANSWER_TIME };
	char path[PATH_MAX];
	int fd;

	if (absent)
		*absent = false;
	if (!ikw_control_path(options->socket, options->state_dir, path, sizeof(path))) {
		snprintf(why, size, "%s: the control socket's path is too long", request);
		return NULL;
	}
	fd = ikw_control_connect(path, request, why, size);
	if (fd < 0) {
		if (absent)
			*absent = fd == -ENOENT || fd == -ECONNREFUSED;
		return NULL;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fdopen(fd, "r");
}

/* One line of the answer. 0, or -1 with why. */
static int take_line(const char *line, size_t len,
		     void (*fn)(void *ctx, const char *line, const json_t *json), void *ctx,
		     char *why, size_t size)
{
	json_t *json = line[len - 1] == '\n' ? json_loads(line, 0, NULL) : NULL;
	const char *error = json_string_value(json_object_get(json, "error"));
	int err = !json || error ? -1 : 0;

	if (err)
		snprintf(why, size, "agent: %s", error ? error : "the answer was cut off");
	else
		ikw_json_plain(json); /* links and namespaces are named by others */
	if (!err)
		fn(ctx, line, json);
	json_decref(json);
	return err;
}

int ikw_live_lines(FILE *from, void (*fn)(void *ctx, const char *line, const json_t *json),
		   void *ctx, char *why, size_t size)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int err = 0;

	while (!err && (len = getline(&line, &room, from)) > 0)
		err = take_line(line, (size_t)len, fn, ctx, why, size);
	if (!err && ferror(from)) {
		snprintf(why, size, "agent: no answer for %d s", ANSWER_TIME);
		err = -1;
	}
	free(line);
	fclose(from);
	return err;
}

/* ---- text ---------------------------------------------------------------- */

const char *ikw_live_text(const json_t *json, const char *key)
{
	const char *value = json_string_value(json_object_get(json, key));

	return value ? value : "-";
}

uint64_t ikw_live_integer(const json_t *json, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(json, key));
}

bool ikw_live_yes(const json_t *json, const char *key)
{
	return json_is_true(json_object_get(json, key));
}

static const char *colour(const char *code)
{
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") ? code : "";
}

const char *ikw_live_colour(bool is)
{
	return colour(is ? "\033[32m" : "\033[31m");
}

const char *ikw_live_plain(void)
{
	return colour("\033[0m");
}

const char *ikw_live_size(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1000 && unit < 4) {
		value /= 1000;
		unit++;
	}
	snprintf(buf, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buf;
}

const char *ikw_live_span(uint64_t s, char *buf, size_t size)
{
	if (s >= 86400)
		snprintf(buf, size, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(buf, size, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(buf, size, "%" PRIu64 " min", s / 60);
	else
		snprintf(buf, size, "%" PRIu64 " s", s);
	return buf;
}
