/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "send.h"

static uint64_t integer(const json_t *json, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(json, key));
}

static void take(struct ikw_cursor *cursor, const json_t *json)
{
	cursor->known = true;
	cursor->id = integer(json, "cursor");
	cursor->sent = integer(json, "sent");
	cursor->failed = integer(json, "failed");
	cursor->lost = integer(json, "lost");
	cursor->starts = integer(json, "starts");
	cursor->last_sent = integer(json, "last_sent_ns");
}

bool ikw_cursor_open(struct ikw_cursor *cursor, const struct ikw_sink *sink, char *why, size_t size)
{
	json_error_t error;
	json_t *json;

	memset(cursor, 0, sizeof(*cursor));
	cursor->sink = sink->name;
	cursor->type = sink->type->name;
	snprintf(cursor->path, sizeof(cursor->path), "%s/%s.json", sink->cursor_dir, sink->name);
	if (access(cursor->path, F_OK) && errno == ENOENT)
		return true;
	json = json_load_file(cursor->path, 0, &error);
	if (!json_is_integer(json_object_get(json, "cursor"))) {
		snprintf(why, size, "%s: %s", cursor->path,
			 json ? "not a sink's cursor" : error.text);
		json_decref(json);
		return false;
	}
	take(cursor, json);
	json_decref(json);
	return true;
}

static json_t *when(uint64_t wall)
{
	char text[40];

	return wall ? json_string(ikw_time_text(wall, text, sizeof(text))) : json_null();
}

static char *cursor_text(const struct ikw_cursor *cursor)
{
	json_t *json = json_object();
	char *text;

	json_object_set_new(json, "sink", json_string(cursor->sink));
	json_object_set_new(json, "type", json_string(cursor->type));
	json_object_set_new(json, "pid", json_integer(getpid()));
	json_object_set_new(json, "state", json_string(cursor->since ? "failing" : "ok"));
	json_object_set_new(json, "cursor", json_integer((json_int_t)cursor->id));
	json_object_set_new(json, "sent", json_integer((json_int_t)cursor->sent));
	json_object_set_new(json, "failed", json_integer((json_int_t)cursor->failed));
	json_object_set_new(json, "lost", json_integer((json_int_t)cursor->lost));
	json_object_set_new(json, "starts", json_integer((json_int_t)cursor->starts));
	json_object_set_new(json, "last_sent", when(cursor->last_sent));
	json_object_set_new(json, "last_sent_ns", json_integer((json_int_t)cursor->last_sent));
	json_object_set_new(json, "failing_since", when(cursor->since));
	json_object_set_new(json, "error",
			    cursor->since ? json_string(cursor->error) : json_null());
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

static bool write_all(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* A new file in its place, and the directory that names it: then no crash loses both. */
static bool replace(const struct ikw_cursor *cursor, const char *text)
{
	char temporary[PATH_MAX + 8], dir[PATH_MAX];
	bool done;
	int fd;

	snprintf(temporary, sizeof(temporary), "%s.new", cursor->path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return false;
	done = write_all(fd, text) && !fdatasync(fd);
	close(fd);
	if (!done || rename(temporary, cursor->path))
		return false;
	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(cursor->path, '/') - cursor->path),
		 cursor->path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	return true;
}

bool ikw_cursor_save(const struct ikw_cursor *cursor, char *why, size_t size)
{
	char *text = cursor_text(cursor);
	bool saved = text && replace(cursor, text);

	if (!saved)
		snprintf(why, size, "%s: %s", cursor->path, strerror(text ? errno : ENOMEM));
	free(text);
	return saved;
}
