/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The systemd journal, in its native fields: journalctl IKEWATCH_REASON="dpd timeout". */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>
#include "send.h"

#define SOCKET	   "/run/systemd/journal/socket"
#define MESSAGE_ID "c01ffa1c3a5f4b52a3a1e2a6f41e9d0b"
#define FIELDS_MAX 64

static cfg_opt_t options[] = { IKW_SINK_COMMON, CFG_END() };

struct fields {
	struct iovec list[FIELDS_MAX];
	int count;
};

__attribute__((format(printf, 2, 3))) static void add(struct fields *fields, const char *format,
						      ...)
{
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = fields->count < FIELDS_MAX ? vasprintf(&text, format, args) : -1;
	va_end(args);
	if (len >= 0)
		fields->list[fields->count++] = (struct iovec){ text, (size_t)len };
}

/* IKEWATCH_ and the member's name in capitals. */
static void add_member(struct fields *fields, const char *name, const json_t *value)
{
	char field[64];
	size_t i;

	for (i = 0; name[i] && i < sizeof(field) - 1; i++)
		field[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]);
	field[i] = 0;
	if (json_is_string(value))
		add(fields, "IKEWATCH_%s=%s", field, json_string_value(value));
	else if (json_is_integer(value))
		add(fields, "IKEWATCH_%s=%" JSON_INTEGER_FORMAT, field, json_integer_value(value));
	else if (json_is_boolean(value))
		add(fields, "IKEWATCH_%s=%s", field, json_is_true(value) ? "true" : "false");
}

static void fill(struct fields *fields, const struct ikw_parcel *parcel)
{
	char *object = json_dumps(parcel->json, JSON_COMPACT);
	const char *name;
	json_t *value;

	add(fields, "MESSAGE=%s (%s, %s)", ikw_parcel_text(parcel, "detail"),
	    ikw_parcel_text(parcel, "offline_reason"), ikw_parcel_text(parcel, "confidence"));
	add(fields, "MESSAGE_ID=" MESSAGE_ID);
	add(fields, "PRIORITY=%d", LOG_WARNING);
	add(fields, "SYSLOG_IDENTIFIER=ikewatch");
	add(fields, "IKEWATCH_REASON=%s", ikw_parcel_text(parcel, "offline_reason"));
	add(fields, "IKEWATCH_PEER=%s", ikw_parcel_text(parcel, "dst_ip"));
	add(fields, "IKEWATCH_LINE=%s", parcel->line);
	add(fields, "IKEWATCH_JSON=%s", object ? object : "");
	free(object);
	json_object_foreach (parcel->json, name, value)
		add_member(fields, name, value);
}

/* sd_journal_sendv() says nothing when there is no journal. */
static bool is_there(struct ikw_sink *sink)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = SOCKET };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool there = fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr));

	if (!there)
		ikw_sink_fail(sink, SOCKET ": %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return there;
}

static bool journal_open(struct ikw_sink *sink)
{
	return is_there(sink);
}

static bool journal_send(struct ikw_sink *sink, const struct ikw_parcel *parcel)
{
	struct fields fields = { .count = 0 };
	int err;

	if (!is_there(sink))
		return false;
	fill(&fields, parcel);
	err = sd_journal_sendv(fields.list, fields.count);
	for (int i = 0; i < fields.count; i++)
		free(fields.list[i].iov_base);
	snprintf(sink->answer, sizeof(sink->answer), "taken by the journal");
	return !err || ikw_sink_fail(sink, SOCKET ": %s", strerror(-err));
}

static bool journal_probe(struct ikw_sink *sink)
{
	snprintf(sink->answer, sizeof(sink->answer), "the journal listens");
	return is_there(sink);
}

const struct ikw_sink_type ikw_sink_journal = {
	.name = "journal",
	.options = options,
	.open = journal_open,
	.send = journal_send,
	.probe = journal_probe,
};
