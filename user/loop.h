/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Waiting for many descriptors at once. One is served per wait, in turn. */
#ifndef IKEWATCH_LOOP_H
#define IKEWATCH_LOOP_H

#include <stdint.h>

/* Belongs to its user, who keeps it in place while it is added. */
struct ikw_poll {
	int fd; /* -1: not added */
	void (*ready)(void *ctx);
	void *ctx;
};

struct ikw_loop {
	int epoll_fd;
};

/* 0 or a negative errno. */
int ikw_loop_open(struct ikw_loop *loop);
void ikw_loop_close(struct ikw_loop *loop);

/* events: EPOLLIN, EPOLLOUT. 0 or a negative errno, and the watch is then not added. */
int ikw_loop_add(struct ikw_loop *loop, struct ikw_poll *watch, int fd, uint32_t events);
void ikw_loop_change(struct ikw_loop *loop, struct ikw_poll *watch, uint32_t events);

/* Forgets the watch, which may then be freed, also from within its ready(). Closes nothing. */
void ikw_loop_del(struct ikw_loop *loop, struct ikw_poll *watch);

/*
 * Waits at most timeout_ms (-1: for ever) and serves one ready watch. 0, or a
 * negative errno.
 */
int ikw_loop_wait(struct ikw_loop *loop, int timeout_ms);

#endif
