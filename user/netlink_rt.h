/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Links, addresses and the way towards a peer, over rtnetlink. */
#ifndef IKEWATCH_NETLINK_RT_H
#define IKEWATCH_NETLINK_RT_H

#include <stdbool.h>
#include <linux/netlink.h>
#include "stamp.h"

/*
 * Does that link sit on others in the same namespace, which its packets pass too?
 * Masters (bridge, bond, ...) do, and Open vSwitch's own ports; VLANs and the like unless their
 * lower link is in another namespace (IFLA_LINK_NETNSID).
 */
bool ikw_rt_stacked(const struct ikw_link *link);

struct ikw_rt_peer;
struct ikw_rt_address;

struct ikw_rt {
	int fd;	     /* notifications */
	int dump_fd; /* requests */
	uint32_t netns;
	uint32_t seq;
	uint64_t changes; /* links and addresses told so far; a new one makes routes stale */
	uint64_t overruns;
	struct ikw_rt_peer *peers;	  /* routes told so far, a hash table */
	struct ikw_rt_address *addresses; /* this host's, a hash table */
	unsigned int round;		  /* of dumps of these */
	/* tc filters of a clsact (or it) were taken from that link; the reader's ctx; NULL: not
	 * told */
	void (*filters_gone)(void *ctx, uint32_t ifindex);
};

/*
 * Opens and subscribes in the caller's current network namespace, which the
 * sockets keep alive until closed. 0, or a negative errno with nothing left open.
 */
int ikw_rt_open(struct ikw_rt *rt, uint32_t netns);
void ikw_rt_close(struct ikw_rt *rt);

/*
 * As ikw_xfrm_read(): 1 more may wait, 0 none does, -ENOBUFS loss, other negative errno.
 * An address is GONE when no link has it any more, with whatever prefix; while another
 * link has it still, it is SET there.
 */
int ikw_rt_read(struct ikw_rt *rt, ikw_event_fn fn, void *ctx);

/*
 * A SET event for every link, then for every address, and GONE for each address told
 * before that is not there any more. 0; 1 where links came and went meanwhile, again and
 * again, so that not all need have been shown; or a negative errno.
 */
int ikw_rt_dump(struct ikw_rt *rt, ikw_event_fn fn, void *ctx);

/*
 * The interface towards the SA's peer (the end that is not this host's) from the
 * other end's address, which routing rules may look at (ip-rule(8)).
 * Fills a WAY event, or ROUTE where the kernel takes neither end for this host's,
 * and returns true when that is news: a new peer, one told
 * ten minutes ago (the model may have forgotten it), or another interface than
 * last told. Asks the kernel at most once per peer and change of links or
 * addresses, and again after half a minute.
 */
bool ikw_rt_route(struct ikw_rt *rt, const struct ikw_sa *sa, union ikw_event *event);

/* Every route is news again. */
void ikw_rt_forget(struct ikw_rt *rt);

#endif
