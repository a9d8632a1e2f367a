/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prometheus: serves /metrics on a TCP address or a unix socket. What the agent
 * knows is asked of it at each scrape; ESP counters, which end with their SA, are
 * summed up here over the SAs of a tunnel, with their last values from the alarms.
 * Labels are bounded: no SPI, at most max-tunnels tunnels.
 */
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "metrics.h"

#define CONNECTIONS  16
#define CONNECTION_S 10

static cfg_opt_t options[] = { IKW_SINK_COMMON, CFG_STR("listen", "127.0.0.1:9851", CFGF_NONE),
			       CFG_INT("max-tunnels", 2000, CFGF_NONE), CFG_END() };

struct prometheus_data {
	struct MHD_Daemon *daemon;
	struct ikw_metrics *metrics;
	pthread_mutex_t lock; /* of metrics */
	int fd;
};

static bool is_unix(const char *listen)
{
	return !strncmp(listen, "unix:/", 6);
}

/* "HOST:PORT", "[V6]:PORT" or ":PORT" into its parts. */
static bool split(struct ikw_sink *sink, char host[256], char port[16])
{
	const char *text = cfg_getstr(sink->config, "listen");
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (!colon || len > 255 || !colon[1] || strlen(colon + 1) > 5 ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return ikw_sink_fail(sink, "listen = \"%s\": not HOST:PORT or unix:/PATH",
				     cfg_getstr(sink->config, "listen"));
	snprintf(host, 256, "%.*s", (int)len, text);
	snprintf(port, 16, "%s", colon + 1);
	return true;
}

static bool prometheus_check(struct ikw_sink *sink)
{
	const char *listen = cfg_getstr(sink->config, "listen");
	char host[256], port[16];

	if (cfg_getint(sink->config, "max-tunnels") < 0)
		return ikw_sink_fail(sink, "max-tunnels: not a number of tunnels");
	if (is_unix(listen))
		return strlen(listen + 5) < sizeof(((struct sockaddr_un *)0)->sun_path) ||
		       ikw_sink_fail(sink, "listen = \"%s\": the path is too long", listen);
	return split(sink, host, port);
}

/* ---- listening -------------------------------------------------------------- */

static int listen_unix(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || chmod(path, 0660) ||
	    listen(fd, CONNECTIONS)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static int listen_at(const struct addrinfo *info)
{
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, CONNECTIONS)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static int listen_tcp(struct ikw_sink *sink)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *list;
	char host[256], port[16];
	int fd = -EINVAL;

	if (!split(sink, host, port) || getaddrinfo(host[0] ? host : NULL, port, &hints, &list))
		return fd;
	for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
		fd = listen_at(info);
	freeaddrinfo(list);
	return fd;
}

/* ---- answering -------------------------------------------------------------- */

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned int status, char *text,
			       size_t size)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				status == MHD_HTTP_OK ? "text/plain; version=0.0.4; charset=utf-8"
						      : "text/plain; charset=utf-8");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned int status, const char *text)
{
	char *copy = strdup(text);

	return copy ? respond(connection, status, copy, strlen(copy)) : MHD_NO;
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **request)
{
	struct prometheus_data *data = ctx;
	char *text;
	size_t size;

	(void)version;
	(void)upload;
	(void)request;
	if (strcmp(method, "GET") && strcmp(method, "HEAD")) {
		*upload_size = 0;
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
	}
	if (strcmp(url, "/metrics"))
		return say(connection, MHD_HTTP_NOT_FOUND, "metrics are at /metrics\n");
	pthread_mutex_lock(&data->lock);
	text = ikw_metrics_text(data->metrics, &size);
	pthread_mutex_unlock(&data->lock);
	return text ? respond(connection, MHD_HTTP_OK, text, size)
		    : say(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
}

/* ---- life ------------------------------------------------------------------- */

static bool prometheus_open(struct ikw_sink *sink)
{
	const char *listen = cfg_getstr(sink->config, "listen");
	struct prometheus_data *data = calloc(1, sizeof(*data));

	sink->data = data;
	if (!data)
		return ikw_sink_fail(sink, "%s", strerror(ENOMEM));
	pthread_mutex_init(&data->lock, NULL);
	data->fd = is_unix(listen) ? listen_unix(listen + 5) : listen_tcp(sink);
	if (data->fd < 0)
		return ikw_sink_fail(sink, "listen = \"%s\": %s", listen, strerror(-data->fd));
	data->metrics =
		ikw_metrics_new(sink, (unsigned long)cfg_getint(sink->config, "max-tunnels"));
	if (data->metrics)
		data->daemon = MHD_start_daemon(
			MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, data,
			MHD_OPTION_LISTEN_SOCKET, data->fd, MHD_OPTION_CONNECTION_LIMIT,
			(unsigned int)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
			(unsigned int)CONNECTION_S, MHD_OPTION_END);
	snprintf(sink->answer, sizeof(sink->answer), "listens on %s", listen);
	return data->daemon || ikw_sink_fail(sink, "listen = \"%s\": no HTTP server", listen);
}

static void prometheus_close(struct ikw_sink *sink)
{
	struct prometheus_data *data = sink->data;
	const char *listen = cfg_getstr(sink->config, "listen");

	if (!data)
		return;
	if (data->daemon)
		MHD_stop_daemon(data->daemon); /* closes the socket too */
	else if (data->fd >= 0)
		close(data->fd);
	if (is_unix(listen) && data->fd >= 0)
		unlink(listen + 5);
	ikw_metrics_free(data->metrics);
	pthread_mutex_destroy(&data->lock);
	free(data);
	sink->data = NULL;
}

/* The last word on the SAs that went. */
static bool prometheus_send(struct ikw_sink *sink, const struct ikw_parcel *parcel)
{
	struct prometheus_data *data = sink->data;

	pthread_mutex_lock(&data->lock);
	ikw_metrics_alarm(data->metrics, parcel);
	pthread_mutex_unlock(&data->lock);
	return true;
}

const struct ikw_sink_type ikw_sink_prometheus = {
	.name = "prometheus",
	.options = options,
	.check = prometheus_check,
	.open = prometheus_open,
	.send = prometheus_send,
	.close = prometheus_close,
};
