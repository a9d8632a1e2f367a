/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <jansson.h>
#include "event.h"
#include "recording.h"

struct ikw_recorder {
	FILE *file;
	char *path;
	uint64_t events;
	int error; /* errno of the first failure */
};

struct ikw_recording {
	FILE *file;
	char *path;
	unsigned long line;
	struct ikw_recording_header header;
	char text[IKW_RECORDING_LINE_MAX];
};

void ikw_recording_describe(struct ikw_recording_header *header, const char *vsys)
{
	time_t now = time(NULL);
	struct tm tm;

	memset(header, 0, sizeof(*header));
	snprintf(header->vsys, sizeof(header->vsys), "%s", vsys);
	snprintf(header->version, sizeof(header->version), "%s", IKEWATCH_VERSION);
	gethostname(header->host, sizeof(header->host) - 1);
	if (gmtime_r(&now, &tm))
		strftime(header->started, sizeof(header->started), "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* ---- writing ---------------------------------------------------------- */

static int recorder_fail(struct ikw_recorder *recorder, int error)
{
	if (!recorder->error)
		recorder->error = error ? error : EIO;
	return -1;
}

static int recorder_write(struct ikw_recorder *recorder, const char *line, size_t len)
{
	if (recorder->error)
		return -1;
	errno = 0;
	if (fwrite(line, 1, len, recorder->file) != len || putc('\n', recorder->file) == EOF)
		return recorder_fail(recorder, errno);
	return 0;
}

char *ikw_recording_header_line(const struct ikw_recording_header *h)
{
	json_t *json = json_pack("{s:i, s:i, s:s, s:I, s:s, s:s, s:s}", "ikewatch_recording",
				 IKW_RECORDING_VERSION, "event_version", IKW_EVENT_VERSION, "vsys",
				 h->vsys, "settle_ns", (json_int_t)h->settle_ns, "host", h->host,
				 "version", h->version, "started", h->started);
	char *line = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return line;
}

static int recorder_header(struct ikw_recorder *recorder, const struct ikw_recording_header *h)
{
	char *line = ikw_recording_header_line(h);
	int err;

	if (!line)
		return recorder_fail(recorder, ENOMEM);
	err = recorder_write(recorder, line, strlen(line));
	free(line);
	/* Said at once when the disk is full already, not minutes later. */
	return err ? err : ikw_recorder_flush(recorder);
}

/*
 * What is there is given up only once nobody else records into it: two of them would
 * leave a file that neither wrote.
 */
static FILE *recording_begin(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	FILE *file = NULL;
	struct stat st;
	int error;

	if (fd < 0)
		return NULL;
	/* a file system without locks is no reason to record nothing */
	if ((!flock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK) && !fstat(fd, &st) &&
	    (!S_ISREG(st.st_mode) || !ftruncate(fd, 0)))
		file = fdopen(fd, "w");
	error = errno;
	if (!file)
		close(fd);
	errno = error;
	return file;
}

struct ikw_recorder *ikw_recorder_open(const char *path, const struct ikw_recording_header *header,
				       char *why, size_t size)
{
	struct ikw_recorder *recorder = calloc(1, sizeof(*recorder));

	if (recorder)
		recorder->path = strdup(path);
	if (!recorder || !recorder->path) {
		snprintf(why, size, "%s: out of memory", path);
		free(recorder);
		return NULL;
	}
	recorder->file = strcmp(path, "-") ? recording_begin(path) : stdout;
	if (!recorder->file)
		recorder_fail(recorder, errno);
	else
		recorder_header(recorder, header);
	if (!recorder->error)
		return recorder;
	ikw_recorder_close(recorder, why, size);
	return NULL;
}

int ikw_recorder_line(struct ikw_recorder *recorder, const char *line, size_t len)
{
	int err = recorder_write(recorder, line, len);

	if (!err)
		recorder->events++;
	return err;
}

int ikw_recorder_event(struct ikw_recorder *recorder, const union ikw_event *event)
{
	char *line = ikw_event_line(event);
	int err;

	if (!line)
		return recorder_fail(recorder, ENOMEM);
	err = ikw_recorder_line(recorder, line, strlen(line));
	free(line);
	return err;
}

int ikw_recorder_flush(struct ikw_recorder *recorder)
{
	if (recorder->error)
		return -1;
	errno = 0;
	return fflush(recorder->file) ? recorder_fail(recorder, errno) : 0;
}

uint64_t ikw_recorder_events(const struct ikw_recorder *recorder)
{
	return recorder->events;
}

int ikw_recorder_close(struct ikw_recorder *recorder, char *why, size_t size)
{
	int error;

	if (!recorder)
		return 0;
	if (recorder->file) {
		ikw_recorder_flush(recorder);
		errno = 0;
		if (recorder->file != stdout && fclose(recorder->file))
			recorder_fail(recorder, errno);
	}
	error = recorder->error;
	if (error)
		snprintf(why, size, "%s: %s", recorder->path,
			 error == EWOULDBLOCK ? "another process records into it"
					      : strerror(error));
	free(recorder->path);
	free(recorder);
	return error ? -1 : 0;
}

/* ---- reading ---------------------------------------------------------- */

static int reading_fail(const struct ikw_recording *r, char *why, size_t size, const char *cause)
{
	snprintf(why, size, "%s:%lu: %s", r->path, r->line, cause);
	return -1;
}

/* One line into r->text; its length; -1 at the end, -2 with why. */
static ssize_t line_read(struct ikw_recording *r, char *why, size_t size)
{
	size_t len = 0;
	int c;

	r->line++;
	errno = 0;
	while ((c = getc_unlocked(r->file)) != EOF && c != '\n') {
		if (len == sizeof(r->text)) {
			reading_fail(r, why, size, "line too long");
			return -2;
		}
		r->text[len++] = (char)c;
	}
	if (c == EOF && ferror(r->file)) {
		reading_fail(r, why, size, strerror(errno ? errno : EIO));
		return -2;
	}
	return c == EOF && !len ? -1 : (ssize_t)len;
}

/* The next line that says something. */
static ssize_t content_read(struct ikw_recording *r, char *why, size_t size)
{
	ssize_t len;

	do {
		len = line_read(r, why, size);
		while (len > 0 && strchr(" \t\r", r->text[len - 1]) && r->text[len - 1])
			len--;
	} while (len == 0 || (len > 0 && r->text[0] == '#'));
	return len;
}

static void header_text(const json_t *json, const char *name, char *to, size_t size)
{
	const char *text = json_string_value(json_object_get(json, name));

	snprintf(to, size, "%s", text ? text : "");
}

static int header_parse(struct ikw_recording *r, const json_t *json, char *why, size_t size)
{
	struct ikw_recording_header *h = &r->header;
	json_int_t version = json_integer_value(json_object_get(json, "ikewatch_recording"));
	json_int_t event = json_integer_value(json_object_get(json, "event_version"));
	json_int_t settle = json_integer_value(json_object_get(json, "settle_ns"));
	const char *error = json_string_value(json_object_get(json, "error"));
	char cause[96];

	/* The control socket's way of saying no. */
	if (error)
		return reading_fail(r, why, size, error);
	if (version < 1)
		return reading_fail(r, why, size, "not a recording of ikewatch");
	if (version > IKW_RECORDING_VERSION || event != IKW_EVENT_VERSION) {
		snprintf(cause, sizeof(cause),
			 "recording version %" PRIdMAX ", event version %" PRIdMAX
			 ": this ikewatch reads %d and %d",
			 (intmax_t)version, (intmax_t)event, IKW_RECORDING_VERSION,
			 IKW_EVENT_VERSION);
		return reading_fail(r, why, size, cause);
	}
	header_text(json, "vsys", h->vsys, sizeof(h->vsys));
	header_text(json, "host", h->host, sizeof(h->host));
	header_text(json, "version", h->version, sizeof(h->version));
	header_text(json, "started", h->started, sizeof(h->started));
	h->settle_ns = settle > 0 ? (uint64_t)settle : 0;
	return 0;
}

static int header_read(struct ikw_recording *r, char *why, size_t size)
{
	ssize_t len = content_read(r, why, size);
	json_error_t error;
	json_t *json;
	int err;

	if (len == -1)
		return reading_fail(r, why, size, "empty: not even a header");
	if (len < 0)
		return -1;
	json = json_loadb(r->text, (size_t)len, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		return reading_fail(r, why, size, "not a recording of ikewatch");
	err = header_parse(r, json, why, size);
	json_decref(json);
	return err;
}

/* Takes the file over; NULL: errno says why it could not be opened. */
static struct ikw_recording *recording_from(FILE *file, const char *name, char *why, size_t size)
{
	struct ikw_recording *r;

	if (!file) {
		snprintf(why, size, "%s: %s", name, strerror(errno));
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (r)
		r->path = strdup(name);
	if (!r || !r->path) {
		snprintf(why, size, "%s: out of memory", name);
		fclose(file);
		free(r);
		return NULL;
	}
	r->file = file;
	if (!header_read(r, why, size))
		return r;
	ikw_recording_close(r);
	return NULL;
}

struct ikw_recording *ikw_recording_open(const char *path, char *why, size_t size)
{
	if (!strcmp(path, "-"))
		return recording_from(stdin, "stdin", why, size);
	return recording_from(fopen(path, "re"), path, why, size);
}

struct ikw_recording *ikw_recording_from_fd(int fd, const char *name, char *why, size_t size)
{
	FILE *file = fdopen(fd, "r");

	if (!file)
		close(fd);
	return recording_from(file, name, why, size);
}

const struct ikw_recording_header *ikw_recording_header(const struct ikw_recording *recording)
{
	return &recording->header;
}

int ikw_recording_next(struct ikw_recording *recording, union ikw_event *event, char *why,
		       size_t size)
{
	ssize_t len = content_read(recording, why, size);
	char cause[256];

	if (len < 0)
		return len == -1 ? 0 : -1;
	if (ikw_event_from_line(recording->text, (size_t)len, event, cause, sizeof(cause)))
		return reading_fail(recording, why, size, cause);
	return 1;
}

void ikw_recording_close(struct ikw_recording *recording)
{
	if (!recording)
		return;
	if (recording->file && recording->file != stdin)
		fclose(recording->file);
	free(recording->path);
	free(recording);
}
