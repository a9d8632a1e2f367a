/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * exec and exit of processes from the kernel's process connector, for the
 * netlink tier, where no probe sees them (drivers/connector/cn_proc.c;
 * CONFIG_PROC_EVENTS). Only where the agent runs in the initial network, user
 * and pid namespaces. A short-lived process may be gone before /proc is read.
 */
#ifndef IKEWATCH_PROC_EVENTS_H
#define IKEWATCH_PROC_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

struct ikw_proc_news {
	bool exited; /* else: exec */
	uint32_t tgid;
	uint32_t status; /* wait status, if exited */
};

/* Subscribes; to be called in the agent's own namespace. A descriptor, or a negative errno. */
int ikw_proc_events_open(void);

/*
 * Gives fn what waits, a bounded part of it. 1 more may wait, 0 none does,
 * -ENOBUFS when news were lost, another negative errno when it is of no use.
 */
int ikw_proc_events_read(int fd, void (*fn)(void *ctx, const struct ikw_proc_news *news),
			 void *ctx);

#endif
