// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "outlet.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "stamp.h"

struct ikw_outlet_line {
	struct ikw_outlet_line *next;
	char *text;
	size_t len;
};

/* Takes the first line away. */
static void pop(struct ikw_outlet *outlet)
{
	struct ikw_outlet_line *line = outlet->lines;

	outlet->lines = line->next;
	if (!outlet->lines)
		outlet->lines_end = &outlet->lines;
	outlet->waiting -= line->len;
	outlet->done = 0;
	free(line->text);
	free(line);
}

static void drop_all(struct ikw_outlet *outlet)
{
	for (; outlet->lines; outlet->dropped++)
		pop(outlet);
}

/* Waits until a write of PIPE_BUF bytes cannot block; false: not in that time. */
static bool writable(const struct ikw_outlet *outlet, int ms)
{
	struct pollfd fd = { .fd = outlet->fd, .events = POLLOUT };

	return poll(&fd, 1, ms) > 0;
}

/*
 * Never more at once than POLLOUT promises (pipe(7)): the descriptor may be
 * shared, so it cannot be made non-blocking. False: it takes no more.
 */
static bool write_some(struct ikw_outlet *outlet, int ms)
{
	const struct ikw_outlet_line *line = outlet->lines;
	size_t left = line->len - outlet->done;
	ssize_t n;

	if (!writable(outlet, ms))
		return false;
	n = write(outlet->fd, line->text + outlet->done, left < PIPE_BUF ? left : PIPE_BUF);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0 && errno != EINTR) {
		outlet->error = errno;
		drop_all(outlet);
		return false;
	}
	if (n > 0)
		outlet->done += (size_t)n;
	if (outlet->done == line->len)
		pop(outlet);
	return true;
}

static void write_waiting(void *ctx)
{
	struct ikw_outlet *outlet = ctx;

	while (outlet->lines && write_some(outlet, 0))
		;
	if (!outlet->lines)
		ikw_loop_del(outlet->loop, &outlet->poll);
	else if (outlet->poll.fd < 0)
		ikw_loop_add(outlet->loop, &outlet->poll, outlet->fd, EPOLLOUT);
}

void ikw_outlet_open(struct ikw_outlet *outlet, struct ikw_loop *loop, int fd)
{
	*outlet = (struct ikw_outlet){
		.loop = loop,
		.fd = fd,
		.bytes = IKW_OUTLET_BYTES,
		.lines_end = &outlet->lines,
		.poll = { .fd = -1, .ready = write_waiting, .ctx = outlet },
	};
}

bool ikw_outlet_put(struct ikw_outlet *outlet, char *text, size_t len)
{
	struct ikw_outlet_line *line = malloc(sizeof(*line));

	if (!line || outlet->error || outlet->waiting + len > outlet->bytes) {
		free(line);
		free(text);
		outlet->dropped++;
		return false;
	}
	*line = (struct ikw_outlet_line){ .text = text, .len = len };
	*outlet->lines_end = line;
	outlet->lines_end = &line->next;
	outlet->waiting += len;
	if (outlet->poll.fd < 0)
		write_waiting(outlet);
	return true;
}

void ikw_outlet_close(struct ikw_outlet *outlet, int ms)
{
	uint64_t now = ikw_boot_now(), until = now + (uint64_t)ms * IKW_MS;

	for (; outlet->lines && now < until; now = ikw_boot_now())
		write_some(outlet, (int)((until - now) / IKW_MS) + 1);
	drop_all(outlet);
	ikw_loop_del(outlet->loop, &outlet->poll);
}
