/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the netlink sockets of this agent have in common: reading from the kernel, and from nobody
 * else. */
#ifndef IKEWATCH_NLSOCKET_H
#define IKEWATCH_NLSOCKET_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define IKW_NL_BUFFER 65536 /* the longest datagram that netlink sends in one piece */

/*
 * One datagram of the kernel (port 0), whole, into buf. Its length; 0 for one
 * from elsewhere or one that did not fit; negative errno (-ENOBUFS: the kernel
 * left messages out, netlink(7)).
 */
ssize_t ikw_nl_receive(int fd, void *buf, size_t size, int flags);

/* The errno of an NLMSG_ERROR message, negative; -EPROTO where it carries none. */
int ikw_nl_error(const struct nlmsghdr *nlh);

/*
 * Reads what waits on a socket, at most `batch` datagrams, and calls fn for
 * each message; what was read is wiped afterwards (XFRM notifications carry
 * keys). 1: there may be more; 0: all read; -ENOBUFS: messages were left out,
 * counted in overruns; another negative errno: the socket is of no use.
 */
int ikw_nl_read(int fd, int batch, uint64_t *overruns,
		void (*fn)(void *ctx, const struct nlmsghdr *nlh), void *ctx);

#endif
