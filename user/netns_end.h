/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hears of the end of another network namespace without keeping it alive. The
 * kernel tells whoever has a number for a namespace (nsid) when that one is
 * torn down: RTM_DELNSID to RTNLGRP_NSID, net/core/net_namespace.c unhash_nsid().
 * A number holds no reference.
 */
#ifndef IKEWATCH_NETNS_END_H
#define IKEWATCH_NETNS_END_H

#include <stdbool.h>
#include <stdint.h>

struct ikw_netns_end {
	int fd;	    /* of the agent's own namespace, to be polled; -1: not open */
	int32_t id; /* number of the namespace awaited; -1: none */
};

/*
 * Awaits the end of the namespace at path, which must still have this inode.
 * Called in the agent's own namespace, where it leaves the number behind (as
 * `ip netns list` does). 0, or a negative errno; end->fd stays open for a
 * further call, to be closed with ikw_netns_end_close().
 */
int ikw_netns_end_await(struct ikw_netns_end *end, const char *path, uint32_t inode);

/* Reads what has come; true once, when the namespace awaited has ended. */
bool ikw_netns_end_read(struct ikw_netns_end *end);

void ikw_netns_end_close(struct ikw_netns_end *end);

#endif
