/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loop.h"
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

int ikw_loop_open(struct ikw_loop *loop)
{
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll_fd < 0 ? -errno : 0;
}

void ikw_loop_close(struct ikw_loop *loop)
{
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

int ikw_loop_add(struct ikw_loop *loop, struct ikw_poll *watch, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	watch->fd = -1;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	watch->fd = fd;
	return 0;
}

void ikw_loop_change(struct ikw_loop *loop, struct ikw_poll *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (watch->fd >= 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

void ikw_loop_del(struct ikw_loop *loop, struct ikw_poll *watch)
{
	if (watch->fd >= 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fd = -1;
}

/* One event a wait: no stale pointer can follow a deletion, and epoll itself takes turns. */
int ikw_loop_wait(struct ikw_loop *loop, int timeout_ms)
{
	struct epoll_event event;
	int n = epoll_wait(loop->epoll_fd, &event, 1, timeout_ms);
	struct ikw_poll *watch;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 1) {
		watch = event.data.ptr;
		watch->ready(watch->ctx);
	}
	return 0;
}
