/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sinks_status.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

#define FILE_MAX  16384
#define SINKS_MAX 256

/* A small regular file and nothing else: no link, no pipe to hang on. */
static json_t *read_one(int dir_fd, const char *name)
{
	char text[FILE_MAX];
	struct stat st;
	ssize_t n = -1;
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		n = read(fd, text, sizeof(text));
	close(fd);
	return n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
}

static void add(json_t *list, json_t *sink, uint64_t last_id)
{
	json_int_t cursor = json_integer_value(json_object_get(sink, "cursor"));
	json_int_t last = (json_int_t)last_id;

	json_object_del(sink, "last_sent_ns");
	json_object_set_new(sink, "waiting", json_integer(last > cursor ? last - cursor : 0));
	json_array_append(list, sink);
}

json_t *ikw_sinks_status(const char *dir, uint64_t last_id)
{
	DIR *handle = opendir(dir ? dir : IKW_SEND_DIR);
	json_t *list = json_array(), *sink;
	const struct dirent *entry;

	while (handle && (entry = readdir(handle)) && json_array_size(list) < SINKS_MAX) {
		size_t len = strlen(entry->d_name);

		if (len < 6 || strcmp(entry->d_name + len - 5, ".json"))
			continue;
		sink = read_one(dirfd(handle), entry->d_name);
		if (json_is_integer(json_object_get(sink, "cursor")))
			add(list, sink, last_id);
		json_decref(sink);
	}
	if (handle)
		closedir(handle);
	return list;
}

/* Without what could move a terminal's cursor. */
static void print_plain(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < ' ' || *text == 127 ? '?' : *text);
}

void ikw_sinks_print(const json_t *sinks)
{
	const json_t *sink;
	size_t i;

	if (!json_array_size(sinks))
		return;
	printf("\nsinks\n");
	json_array_foreach (sinks, i, sink) {
		bool good = strcmp(ikw_live_text(sink, "state"), "failing");

		printf("  ");
		print_plain(ikw_live_text(sink, "sink"));
		printf(" (");
		print_plain(ikw_live_text(sink, "type"));
		printf("): %s%s%s, %" PRIu64 " waiting, %" PRIu64 " sent", ikw_live_colour(good),
		       good ? "ok" : "failing", ikw_live_plain(), ikw_live_integer(sink, "waiting"),
		       ikw_live_integer(sink, "sent"));
		if (ikw_live_integer(sink, "lost"))
			printf(", %" PRIu64 " lost", ikw_live_integer(sink, "lost"));
		if (!good) {
			printf(": ");
			print_plain(ikw_live_text(sink, "error"));
		}
		printf("\n");
	}
}
