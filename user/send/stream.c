/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "stream.h"
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "stamp.h"

#define PROBE_MS   500	 /* for ICMP to come back */
#define MARKS	   32768 /* messages remembered on a connection */
#define WINDOW_MIN 65536 /* a receiver may hold so much unread whatever window it shows */
#define KEEP_S	   60 /* or a firewall on the way forgets, and resets, a connection without alarms */
/* A receiver that ends may have read what it never wrote down: rsyslog gives its queue 1.5 s. */
#define RECENT (5 * IKW_S)

/* Where the message of an alarm ends in the stream. */
struct mark {
	uint64_t id;
	uint64_t end;
	uint64_t time; /* boottime, ns */
};

struct ikw_stream {
	struct ikw_sink *sink;
	int fd;
	SSL_CTX *context;
	SSL *ssl; /* NULL: plain TCP */
	uint64_t written;
	uint64_t window; /* greatest that the receiver offered */
	struct mark marks[MARKS];
	uint64_t mark_count; /* in all; the last MARKS are kept */
};

/* ---- addresses -------------------------------------------------------------- */

/* "HOST:PORT" or "[V6]:PORT" into host and the port's text. */
static bool split(struct ikw_sink *sink, char host[256], char port[16])
{
	const char *text = cfg_getstr(sink->config, "address");
	const char *colon;
	size_t len;

	if (sink->type == &ikw_sink_snmp && !strncmp(text, "udp", 3) && strchr(text, ':'))
		text = strchr(text, ':') + 1; /* its transport */
	colon = strrchr(text, ':');
	len = colon ? (size_t)(colon - text) : 0;
	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (!len || len > 255 || strlen(colon + 1) > 15 || !colon[1] ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) > 65535)
		return ikw_sink_fail(sink, "address = \"%s\": not HOST:PORT",
				     cfg_getstr(sink->config, "address"));
	snprintf(host, 256, "%.*s", (int)len, text);
	snprintf(port, 16, "%s", colon + 1);
	return true;
}

bool ikw_stream_check(struct ikw_sink *sink, bool tls)
{
	char host[256], port[16];

	return split(sink, host, port) && (!tls || (ikw_sink_certificate(sink, "ca-file") &&
						    ikw_sink_certificate(sink, "certificate")));
}

/* ---- waiting ---------------------------------------------------------------- */

static uint64_t deadline(const struct ikw_sink *sink)
{
	return ikw_boot_now() + sink->timeout_s * IKW_S;
}

/* 0: ready; -ETIMEDOUT; -EINTR when stopping. */
static int wait_fd(int fd, short events, uint64_t until)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	while (!ikw_stopping()) {
		uint64_t now = ikw_boot_now();
		int left = now < until ? (int)((until - now) / IKW_MS) + 1 : 0;
		int n = poll(&poll_fd, 1, left);

		if (n > 0)
			return 0;
		if (!n)
			return -ETIMEDOUT;
	}
	return -EINTR;
}

/* ---- connecting ------------------------------------------------------------- */

static int connect_one(const struct addrinfo *info, uint64_t until, int *fd)
{
	socklen_t len = sizeof(int);
	int err = 0;

	*fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return -errno;
	if (connect(*fd, info->ai_addr, info->ai_addrlen) < 0)
		err = errno == EINPROGRESS ? wait_fd(*fd, POLLOUT, until) : -errno;
	if (!err && !getsockopt(*fd, SOL_SOCKET, SO_ERROR, &err, &len) && err)
		err = -err;
	if (err)
		close(*fd);
	return err;
}

static bool connect_any(struct ikw_sink *sink, int type, int *fd)
{
	struct addrinfo hints = { .ai_socktype = type, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list;
	char host[256], port[16];
	int err;

	if (!split(sink, host, port))
		return false;
	if (!strcmp(host, "localhost") || host[0] == ':' || (host[0] >= '0' && host[0] <= '9'))
		hints.ai_flags = 0; /* a loopback address is not what AI_ADDRCONFIG looks for */
	err = getaddrinfo(host, port, &hints, &list);
	if (err)
		return ikw_sink_fail(sink, "%s: %s", host, gai_strerror(err));
	err = -EADDRNOTAVAIL;
	for (const struct addrinfo *info = list; info && err; info = info->ai_next)
		err = connect_one(info, deadline(sink), fd);
	freeaddrinfo(list);
	return !err ||
	       ikw_sink_fail(sink, "%s: %s", cfg_getstr(sink->config, "address"), strerror(-err));
}

bool ikw_stream_udp(struct ikw_sink *sink, int *fd)
{
	return connect_any(sink, SOCK_DGRAM, fd);
}

bool ikw_stream_udp_probe(struct ikw_sink *sink)
{
	struct pollfd poll_fd = { .events = POLLIN };
	socklen_t len = sizeof(int);
	int err = 0;

	if (!connect_any(sink, SOCK_DGRAM, &poll_fd.fd))
		return false;
	if (send(poll_fd.fd, "", 0, MSG_NOSIGNAL) < 0)
		err = errno;
	else if (poll(&poll_fd, 1, PROBE_MS) > 0)
		getsockopt(poll_fd.fd, SOL_SOCKET, SO_ERROR, &err, &len);
	close(poll_fd.fd);
	return !err ||
	       ikw_sink_fail(sink, "%s: %s", cfg_getstr(sink->config, "address"), strerror(err));
}

/* ---- TLS -------------------------------------------------------------------- */

static bool fail_tls(struct ikw_stream *stream, const char *what)
{
	unsigned long code = ERR_get_error();
	long verify = stream->ssl ? SSL_get_verify_result(stream->ssl) : X509_V_OK;
	char text[256] = "the connection was closed";

	if (verify != X509_V_OK)
		snprintf(text, sizeof(text), "the receiver's certificate: %s",
			 X509_verify_cert_error_string(verify));
	else if (code)
		ERR_error_string_n(code, text, sizeof(text));
	ERR_clear_error();
	return ikw_sink_fail(stream->sink, "%s: %s: %s",
			     cfg_getstr(stream->sink->config, "address"), what, text);
}

static bool load_files(struct ikw_stream *stream)
{
	const char *ca = ikw_sink_text(stream->sink, "ca-file");
	const char *certificate = ikw_sink_text(stream->sink, "certificate");
	const char *key = ikw_sink_text(stream->sink, "private-key");

	if (ca ? !SSL_CTX_load_verify_locations(stream->context, ca, NULL)
	       : !SSL_CTX_set_default_verify_paths(stream->context))
		return fail_tls(stream, "ca-file");
	if (!certificate)
		return true;
	if (SSL_CTX_use_certificate_chain_file(stream->context, certificate) != 1)
		return fail_tls(stream, "certificate");
	if (SSL_CTX_use_PrivateKey_file(stream->context, key ? key : certificate,
					SSL_FILETYPE_PEM) != 1)
		return fail_tls(stream, "private-key");
	return true;
}

static bool name_receiver(struct ikw_stream *stream)
{
	const char *name = ikw_sink_text(stream->sink, "server-name");
	char host[256], port[16];
	X509_VERIFY_PARAM *param = SSL_get0_param(stream->ssl);

	if (!name && split(stream->sink, host, port))
		name = host;
	if (!name)
		return false;
	if (X509_VERIFY_PARAM_set1_ip_asc(param, name))
		return true;
	return SSL_set_tlsext_host_name(stream->ssl, name) == 1 && SSL_set1_host(stream->ssl, name);
}

/* What an unfinished OpenSSL call waits for; 0: go on, else it failed. */
static int wait_ssl(struct ikw_stream *stream, int result, uint64_t until)
{
	switch (SSL_get_error(stream->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return wait_fd(stream->fd, POLLIN, until);
	case SSL_ERROR_WANT_WRITE:
		return wait_fd(stream->fd, POLLOUT, until);
	case SSL_ERROR_SYSCALL:
		return errno ? -errno : -ECONNRESET;
	default:
		return -EPROTO;
	}
}

static bool begin_tls(struct ikw_stream *stream)
{
	uint64_t until = deadline(stream->sink);
	int result, err;

	stream->context = SSL_CTX_new(TLS_client_method());
	if (!stream->context || !SSL_CTX_set_min_proto_version(stream->context, TLS1_2_VERSION) ||
	    !load_files(stream))
		return stream->context ? false : fail_tls(stream, "TLS");
	SSL_CTX_set_verify(stream->context, SSL_VERIFY_PEER, NULL);
	stream->ssl = SSL_new(stream->context);
	if (!stream->ssl || !SSL_set_fd(stream->ssl, stream->fd) || !name_receiver(stream))
		return fail_tls(stream, "TLS");
	while ((result = SSL_connect(stream->ssl)) != 1) {
		err = wait_ssl(stream, result, until);
		if (err == -ETIMEDOUT)
			return ikw_sink_fail(stream->sink, "%s: TLS: no answer in time",
					     cfg_getstr(stream->sink->config, "address"));
		if (err)
			return fail_tls(stream, "TLS");
	}
	return true;
}

/* ---- what may be lost ------------------------------------------------------- */

static void look_at_window(struct ikw_stream *stream)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (!getsockopt(stream->fd, IPPROTO_TCP, TCP_INFO, &info, &len) &&
	    info.tcpi_snd_wnd > stream->window)
		stream->window = info.tcpi_snd_wnd;
}

/*
 * The first alarm whose message ends within what the receiver may hold unread, or
 * that it may have read and not written down: of these each once, or one that
 * closes after each would get it for ever.
 */
static void set_resend(struct ikw_stream *stream, uint64_t unread)
{
	uint64_t now = ikw_boot_now(), since = now > RECENT ? now - RECENT : 0;
	uint64_t repeated = stream->sink->repeated;
	uint64_t kept = stream->mark_count < MARKS ? stream->mark_count : MARKS;
	uint64_t safe = stream->written > unread ? stream->written - unread : 0;

	if (stream->mark_count)
		stream->sink->repeated = stream->marks[(stream->mark_count - 1) % MARKS].id;
	for (uint64_t i = stream->mark_count - kept; i < stream->mark_count; i++) {
		const struct mark *mark = &stream->marks[i % MARKS];

		if (mark->end > safe || (mark->time > since && mark->id > repeated)) {
			stream->sink->resend_from = mark->id;
			return;
		}
	}
}

/* Broken: what is not acknowledged is lost, and what the receiver held before that unread. */
static bool lost(struct ikw_stream *stream, const char *why)
{
	int unsent = 0;

	look_at_window(stream);
	ioctl(stream->fd, SIOCOUTQ, &unsent);
	set_resend(stream, (uint64_t)unsent + stream->window + WINDOW_MIN);
	return ikw_sink_fail(stream->sink, "%s: %s", cfg_getstr(stream->sink->config, "address"),
			     why);
}

/* Closed in order, so read to the end of what had arrived, if not written down. */
static bool closed(struct ikw_stream *stream)
{
	int unsent = 0;

	ioctl(stream->fd, SIOCOUTQ, &unsent);
	set_resend(stream, (uint64_t)unsent);
	return ikw_sink_fail(stream->sink, "%s: the receiver closed the connection",
			     cfg_getstr(stream->sink->config, "address"));
}

/* TLS was ended in order; whether all had been read by then the kernel over there tells. */
static bool ended(struct ikw_stream *stream)
{
	char rest;

	if (!wait_fd(stream->fd, POLLIN, deadline(stream->sink)) &&
	    !recv(stream->fd, &rest, sizeof(rest), MSG_DONTWAIT | MSG_PEEK))
		return closed(stream);
	return lost(stream, "the receiver closed the connection");
}

/* Throws away what the receiver says, and notices its end. */
static bool still_there(struct ikw_stream *stream)
{
	char garbage[4096];
	ssize_t n;

	for (int i = 0; i < 16; i++) {
		if (stream->ssl) {
			n = SSL_read(stream->ssl, garbage, sizeof(garbage));
			if (n <= 0) {
				switch (SSL_get_error(stream->ssl, (int)n)) {
				case SSL_ERROR_WANT_READ:
				case SSL_ERROR_WANT_WRITE:
					return true;
				case SSL_ERROR_ZERO_RETURN:
					return ended(stream);
				default:
					ERR_clear_error();
					return lost(stream, "the connection was lost");
				}
			}
			continue;
		}
		n = recv(stream->fd, garbage, sizeof(garbage), MSG_DONTWAIT);
		if (!n)
			return closed(stream);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR || lost(stream, strerror(errno));
	}
	return true;
}

/* ---- life ------------------------------------------------------------------- */

struct ikw_stream *ikw_stream_connect(struct ikw_sink *sink, bool tls)
{
	struct ikw_stream *stream = calloc(1, sizeof(*stream));
	int on = 1, idle_s = KEEP_S;

	if (!stream) {
		ikw_sink_fail(sink, "%s", strerror(ENOMEM));
		return NULL;
	}
	stream->sink = sink;
	if (!connect_any(sink, SOCK_STREAM, &stream->fd)) {
		free(stream);
		return NULL;
	}
	setsockopt(stream->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(stream->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	if (!tls || begin_tls(stream))
		return stream;
	ikw_stream_close(stream);
	return NULL;
}

void ikw_stream_close(struct ikw_stream *stream)
{
	if (!stream)
		return;
	if (stream->ssl)
		SSL_shutdown(stream->ssl);
	SSL_free(stream->ssl);
	SSL_CTX_free(stream->context);
	ERR_clear_error();
	close(stream->fd);
	free(stream);
}

static int write_some(struct ikw_stream *stream, const char *text, size_t len, uint64_t until,
		      size_t *done)
{
	ssize_t n;

	if (stream->ssl) {
		n = SSL_write(stream->ssl, text, (int)len);
		if (n <= 0)
			return wait_ssl(stream, (int)n, until);
	} else {
		n = send(stream->fd, text, len, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? wait_fd(stream->fd, POLLOUT, until) : -errno;
	}
	*done += (size_t)n;
	return 0;
}

bool ikw_stream_write(struct ikw_stream *stream, const char *text, size_t len, uint64_t id)
{
	uint64_t until = deadline(stream->sink);
	size_t done = 0;
	int err = 0;

	if (!still_there(stream))
		return false;
	/* noted first: of a message that is half out the receiver has nothing */
	stream->marks[stream->mark_count++ % MARKS] =
		(struct mark){ .id = id, .end = stream->written + len, .time = ikw_boot_now() };
	while (done < len && !err)
		err = write_some(stream, text + done, len - done, until, &done);
	stream->written += len;
	look_at_window(stream); /* it shrinks with what is unread */
	if (!err)
		return true;
	ERR_clear_error();
	return lost(stream, err == -ETIMEDOUT ? "takes no more" : strerror(-err));
}

bool ikw_stream_flush(struct ikw_stream *stream)
{
	uint64_t until = deadline(stream->sink);
	int unsent = 0;

	look_at_window(stream);
	while (still_there(stream)) {
		if (ioctl(stream->fd, SIOCOUTQ, &unsent) || !unsent)
			return true;
		if (ikw_stopping() || ikw_boot_now() > until)
			return lost(stream, "takes no more");
		usleep(1000);
	}
	return false;
}
