/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SAD and SPD over netlink: dumps for every tier, change notifications for the
 * netlink tier.
 *
 * What these notifications cannot tell (net/xfrm/xfrm_user.c):
 *  - who asked: a notification's nlmsg_pid is a copy of the request's own
 *    nlmsg_pid (c.portid = nlh->nlmsg_pid), that is whatever the requester
 *    wrote there: strongSwan its pid, iproute2 zero. A hint, not a proof;
 *  - ALLOCSPI, failed installs, and each SA of a flush (one FLUSHSA stands for
 *    all of them).
 *
 * The ACQUIRE group is left alone on purpose: xfrm_send_acquire() takes any
 * listener for a key manager, so that merely watching would make the kernel
 * hold packets that it refuses without one.
 */
#ifndef IKEWATCH_NETLINK_XFRM_H
#define IKEWATCH_NETLINK_XFRM_H

#include <stdbool.h>
#include <linux/netlink.h>
#include "stamp.h"

/*
 * Translates one message into an event, by itself: NEWSA is ADD, UPDSA is
 * CHANGE, a hard EXPIRE is DELETE by TIMER. An SA without keys is larval
 * (copy_to_user_state_extra() gives every full ESP, AH or IPComp SA its
 * algorithm). Returns 1 with *event filled, 0 if the message is none of ours,
 * -1 if it is cut short or malformed. hdr.time and hdr.netns are the caller's.
 */
int ikw_xfrm_parse(const struct nlmsghdr *nlh, union ikw_event *event);

struct ikw_xfrm_sa;

/*
 * Which full SAs there are, so that an UPDSA that fills a larval SA is told
 * from a change, and a larval SA's expiry from a full one's.
 */
struct ikw_xfrm_known {
	struct ikw_xfrm_sa *sas; /* a hash table */
	unsigned int round;	 /* of dumps */
};

/* Rewrites event->sa.op by what is known. Returns false when the event says nothing. */
bool ikw_xfrm_known_apply(struct ikw_xfrm_known *known, union ikw_event *event);

/*
 * A dump begins. What it will not show is forgotten only when the next one
 * begins: its expiry may still wait on the notification socket.
 */
void ikw_xfrm_known_round(struct ikw_xfrm_known *known);
void ikw_xfrm_known_clear(struct ikw_xfrm_known *known);

struct ikw_xfrm {
	int fd;		/* notifications; -1: not subscribed */
	int dump_fd;	/* requests; -1: closed */
	uint32_t netns; /* inode, goes into every event */
	uint32_t seq;
	uint64_t messages;
	uint64_t malformed;
	uint64_t overruns;
	struct ikw_xfrm_known known;
};

/*
 * Opens the sockets in the caller's current network namespace, which they keep
 * alive until closed. 0, or a negative errno with nothing left open.
 */
int ikw_xfrm_open(struct ikw_xfrm *xfrm, uint32_t netns, bool subscribe);
void ikw_xfrm_close(struct ikw_xfrm *xfrm);

/*
 * Gives fn what waits on the notification socket, a bounded part of it.
 * Returns 1 when more may wait, 0 when none does, -ENOBUFS when messages were
 * lost since the last call (what came after them is still delivered; the
 * caller then dumps), another negative errno when the socket is of no use.
 */
int ikw_xfrm_read(struct ikw_xfrm *xfrm, ikw_event_fn fn, void *ctx);

/*
 * Reads the SAD, then the SPD, and gives fn a DUMP event for each full SA and
 * each policy. 0 or a negative errno (the dump is then incomplete).
 */
int ikw_xfrm_dump(struct ikw_xfrm *xfrm, ikw_event_fn fn, void *ctx);

/* The SAs of such a dump, for a look that changes nothing of what is known. */
int ikw_xfrm_look(struct ikw_xfrm *xfrm, ikw_event_fn fn, void *ctx);

#endif
