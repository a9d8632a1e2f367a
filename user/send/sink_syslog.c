/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Syslog: RFC 5424 with structured data, or the bare line of the seed, over the
 * local socket, UDP (RFC 5426), TCP with octet counting (RFC 6587) or TLS (RFC
 * 5425).
 *
 * Syslog has no acknowledgement. Over TCP an alarm counts as delivered once the
 * receiver's kernel has acknowledged it and the connection still stands; when the
 * connection is reset, all that may have been unread over there (as much as fits
 * the greatest window it ever offered) is sent again. A connection that the
 * receiver closes in order has been read to its end: a kernel resets it otherwise.
 * Either way, what it read in its last seconds it may not have written down, and
 * gets again, once.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>
#include "control.h"
#include "send.h"
#include "stamp.h"
#include "stream.h"

/* An enterprise number of our own there is none; this is NET-SNMP's playground, as in IKEWATCH-MIB.
 */
#define SD_ID "ikewatch@8072.9999.9999"

static cfg_opt_t options[] = { IKW_SINK_COMMON,
			       CFG_STR("transport", "local", CFGF_NONE),
			       CFG_STR("address", NULL, CFGF_NONE),
			       CFG_STR("format", "rfc5424", CFGF_NONE),
			       CFG_STR("facility", "daemon", CFGF_NONE),
			       CFG_STR("ca-file", NULL, CFGF_NONE),
			       CFG_STR("certificate", NULL, CFGF_NONE),
			       CFG_STR("private-key", NULL, CFGF_NONE),
			       CFG_STR("server-name", NULL, CFGF_NONE),
			       CFG_END() };

enum transport { LOCAL, UDP, TCP, TLS };
static const char *const transports[] = { "local", "udp", "tcp", "tls" };
static const char *const formats[] = { "rfc5424", "line" };
static const char *const facilities[] = { "user",   "daemon", "syslog", "local0",
					  "local1", "local2", "local3", "local4",
					  "local5", "local6", "local7" };
static const int facility_numbers[] = { LOG_USER,   LOG_DAEMON, LOG_SYSLOG, LOG_LOCAL0,
					LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3, LOG_LOCAL4,
					LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7 };
#define FACILITIES (sizeof(facilities) / sizeof(facilities[0]))

struct syslog_data {
	enum transport transport;
	bool bare;
	int priority;
	int fd;	     /* local, UDP; -1: not open */
	ino_t inode; /* of the local socket it is connected to */
	struct ikw_stream *stream;
	uint64_t unsure; /* datagrams: the first alarm that the receiver may not have */
};

static bool syslog_check(struct ikw_sink *sink)
{
	int transport = ikw_sink_choice(sink, "transport", transports, 4);

	if (transport < 0 || ikw_sink_choice(sink, "format", formats, 2) < 0 ||
	    ikw_sink_choice(sink, "facility", facilities, FACILITIES) < 0)
		return false;
	if (transport != LOCAL && !ikw_sink_text(sink, "address"))
		return ikw_sink_fail(sink, "address: is needed (HOST:PORT)");
	if (transport == LOCAL)
		return true;
	return ikw_stream_check(sink, transport == TLS);
}

static bool syslog_open(struct ikw_sink *sink)
{
	struct syslog_data *data = calloc(1, sizeof(*data));

	if (!data)
		return ikw_sink_fail(sink, "%s", strerror(ENOMEM));
	sink->data = data;
	data->fd = -1;
	data->transport = (enum transport)ikw_sink_choice(sink, "transport", transports, 4);
	data->bare = ikw_sink_choice(sink, "format", formats, 2) == 1;
	data->priority =
		facility_numbers[ikw_sink_choice(sink, "facility", facilities, FACILITIES)] |
		LOG_WARNING; /* the 4 of IPSEC/4/IPSECTUNNELSTOP */
	return true;
}

static void drop(struct syslog_data *data)
{
	if (data->fd >= 0)
		close(data->fd);
	data->fd = -1;
	ikw_stream_close(data->stream);
	data->stream = NULL;
}

static void syslog_close(struct ikw_sink *sink)
{
	if (sink->data)
		drop(sink->data);
	free(sink->data);
	sink->data = NULL;
}

/* ---- the message ------------------------------------------------------------ */

/* RFC 5424, 6.3.3: '"', '\' and ']' are escaped. */
static void put_param(FILE *to, const char *name, const char *value)
{
	fprintf(to, " %s=\"", name);
	for (; *value; value++) {
		if (strchr("\"\\]", *value))
			fputc('\\', to);
		fputc(*value, to);
	}
	fputc('"', to);
}

/* The scalar members of the alarm object, by their names. */
static void put_data(FILE *to, const struct ikw_parcel *parcel)
{
	char number[32];
	const char *name;
	json_t *value;

	fputs("[" SD_ID, to);
	json_object_foreach (parcel->json, name, value) {
		if (json_is_string(value)) {
			put_param(to, name, json_string_value(value));
		} else if (json_is_integer(value)) {
			snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
				 json_integer_value(value));
			put_param(to, name, number);
		} else if (json_is_boolean(value)) {
			put_param(to, name, json_is_true(value) ? "true" : "false");
		}
	}
	fputs("][origin software=\"ikewatch\" swVersion=\"" IKEWATCH_VERSION "\"]", to);
}

/* The whole message; malloc'd, NULL without memory. */
static char *make_message(const struct syslog_data *data, const struct ikw_parcel *parcel,
			  size_t *len)
{
	char *text = NULL;
	FILE *to;

	if (data->bare) {
		text = strdup(parcel->line);
		*len = text ? strlen(text) : 0;
		return text;
	}
	to = open_memstream(&text, len);
	if (!to)
		return NULL;
	fprintf(to, "<%d>1 %s %s ikewatch - IPSECTUNNELSTOP ", data->priority,
		ikw_parcel_text(parcel, "time"), ikw_parcel_text(parcel, "gateway"));
	put_data(to, parcel);
	fprintf(to, " %s", parcel->line);
	if (!fclose(to))
		return text;
	free(text);
	return NULL;
}

/* ---- datagrams -------------------------------------------------------------- */

static const char *local_path(const struct ikw_sink *sink)
{
	const char *path = ikw_sink_text(sink, "address");

	return path ? path : "/dev/log";
}

static ino_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

static bool open_local(struct ikw_sink *sink, struct syslog_data *data)
{
	struct timeval limit = { .tv_sec = sink->timeout_s };
	const char *path = local_path(sink);
	int err;

	data->inode = inode_of(path);
	data->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	err = data->fd < 0 ? -errno : ikw_control_at_path(data->fd, path, connect);
	if (err)
		return ikw_sink_fail(sink, "%s: %s", path, strerror(-err));
	setsockopt(data->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return true;
}

static bool send_datagram(struct ikw_sink *sink, struct syslog_data *data, const char *text,
			  size_t len)
{
	if (data->fd < 0 &&
	    !(data->transport == LOCAL ? open_local(sink, data) : ikw_stream_udp(sink, &data->fd)))
		return false;
	if (send(data->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len)
		return true;
	if (data->unsure) /* the error is of an earlier one */
		sink->resend_from = data->unsure;
	return ikw_sink_fail(sink, "%s: %s", local_path(sink),
			     errno == EAGAIN ? "takes no more" : strerror(errno));
}

/* Is it still the socket it is connected to, and does somebody have it? */
static bool same_local(const struct syslog_data *data, const char *path)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool same =
		fd >= 0 && !ikw_control_at_path(fd, path, connect) && inode_of(path) == data->inode;

	if (fd >= 0)
		close(fd);
	return same;
}

/* Unread datagrams are counted as ours; they go, unread, with a receiver that ends. */
static bool flush_local(struct ikw_sink *sink, struct syslog_data *data)
{
	uint64_t until = ikw_boot_now() + sink->timeout_s * IKW_S;
	const char *why = NULL;
	int unread = 0;

	while (data->fd >= 0 && !why && !ioctl(data->fd, SIOCOUTQ, &unread) && unread) {
		if (ikw_stopping() || ikw_boot_now() > until)
			why = "takes no more";
		usleep(1000);
	}
	if (!why && data->fd >= 0 && !same_local(data, local_path(sink)))
		why = "the receiver has gone";
	if (why)
		sink->resend_from = data->unsure;
	data->unsure = 0;
	return !why || ikw_sink_fail(sink, "%s: %s", local_path(sink), why);
}

/* That nobody listens on a UDP port is told by ICMP, after the fact. */
static bool flush_datagrams(struct ikw_sink *sink, struct syslog_data *data)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (sink->testing && data->fd >= 0)
		usleep(200000);
	if (data->fd >= 0 && !getsockopt(data->fd, SOL_SOCKET, SO_ERROR, &err, &len) && err) {
		sink->resend_from = data->unsure;
		data->unsure = 0;
		drop(data);
		return ikw_sink_fail(sink, "%s: %s", cfg_getstr(sink->config, "address"),
				     strerror(err));
	}
	data->unsure = 0;
	return true;
}

/* ---- sending ---------------------------------------------------------------- */

static bool send_stream(struct ikw_sink *sink, struct syslog_data *data, const char *text,
			size_t len, uint64_t id)
{
	char head[32];
	size_t head_len = (size_t)snprintf(head, sizeof(head), "%zu ", len);
	char *frame;
	bool sent;

	if (!data->stream)
		data->stream = ikw_stream_connect(sink, data->transport == TLS);
	frame = data->stream ? malloc(head_len + len) : NULL;
	if (!frame)
		return false;
	memcpy(frame, head, head_len);
	memcpy(frame + head_len, text, len);
	sent = ikw_stream_write(data->stream, frame, head_len + len, id);
	free(frame);
	return sent;
}

static bool syslog_send(struct ikw_sink *sink, const struct ikw_parcel *parcel)
{
	struct syslog_data *data = sink->data;
	size_t len;
	char *text = make_message(data, parcel, &len);
	bool sent;

	if (!text)
		return ikw_sink_fail(sink, "%s", strerror(ENOMEM));
	if (data->transport == TCP || data->transport == TLS)
		sent = send_stream(sink, data, text, len, parcel->id);
	else
		sent = send_datagram(sink, data, text, len);
	free(text);
	if (!sent)
		drop(data);
	else if (!data->unsure)
		data->unsure = parcel->id;
	return sent;
}

static bool syslog_flush(struct ikw_sink *sink)
{
	struct syslog_data *data = sink->data;
	bool good = true;

	if (data->transport == LOCAL)
		good = flush_local(sink, data);
	else if (data->transport == UDP)
		good = flush_datagrams(sink, data);
	else if (data->stream)
		good = ikw_stream_flush(data->stream);
	if (!good)
		drop(data);
	else
		snprintf(sink->answer, sizeof(sink->answer), "%s; syslog has no acknowledgement",
			 data->transport == LOCAL ? "taken by the local socket"
			 : data->transport == UDP ? "sent by UDP"
						  : "received by the other side's kernel");
	return good;
}

/*
 * A receiver may end with what it had not read, long after the last alarm was
 * confirmed: that is noticed here, or the next alarm would have to come first.
 */
static bool syslog_tick(struct ikw_sink *sink)
{
	struct syslog_data *data = sink->data;

	if (!data->stream || ikw_stream_flush(data->stream))
		return true;
	drop(data);
	return !sink->resend_from;
}

static bool syslog_probe(struct ikw_sink *sink)
{
	struct syslog_data *data = sink->data;
	bool good;

	if (data->transport == LOCAL)
		good = open_local(sink, data);
	else if (data->transport == UDP)
		good = ikw_stream_udp(sink, &data->fd);
	else
		good = (data->stream = ikw_stream_connect(sink, data->transport == TLS));
	snprintf(sink->answer, sizeof(sink->answer), "%s",
		 data->transport == UDP
			 ? "the address is known; nothing was sent, UDP tells no more"
		 : data->transport == TLS ? "connected, and the receiver's certificate is good"
					  : "connected");
	return good;
}

const struct ikw_sink_type ikw_sink_syslog = {
	.name = "syslog",
	.options = options,
	.check = syslog_check,
	.open = syslog_open,
	.send = syslog_send,
	.flush = syslog_flush,
	.close = syslog_close,
	.probe = syslog_probe,
	.tick = syslog_tick,
};
