/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "netlink_rt.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>
#include "nlsocket.h"

#define RECEIVE_BUFFER (4 << 20)
#define READ_BATCH     256
#define PEERS_MAX      65536
#define ROUTE_FRESH_NS (30 * IKW_S)
#define TOLD_FOR       (600 * IKW_S) /* a peer that was told may have been forgotten since */
#define ATTR_IF_ID     2	     /* IFLA_XFRM_IF_ID */
#define DUMP_TRIES     8	     /* of a dump that what changes meanwhile interrupts */

static uint32_t attr_u32(const struct nlattr *a)
{
	return mnl_attr_get_payload_len(a) >= 4 ? mnl_attr_get_u32(a) : 0;
}

static void attr_text(const struct nlattr *a, char *to, size_t size)
{
	size_t len = strnlen(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));

	memcpy(to, mnl_attr_get_payload(a), len < size - 1 ? len : size - 1);
}

static void parse_link_info(const struct nlattr *nest, struct ikw_link *link)
{
	const struct nlattr *a, *data = NULL;

	mnl_attr_for_each_nested(a, nest)
	{
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			attr_text(a, link->kind, sizeof(link->kind));
		else if (mnl_attr_get_type(a) == IFLA_INFO_DATA)
			data = a;
	}
	if (!data || strcmp(link->kind, "xfrm"))
		return;
	mnl_attr_for_each_nested(a, data)
	{
		if (mnl_attr_get_type(a) == ATTR_IF_ID)
			link->if_id = attr_u32(a);
	}
}

/* One in another namespace is none of this one; of a pair IFLA_LINK is the other end. */
static uint32_t parse_lower(const struct nlmsghdr *nlh, const struct ikw_link *link)
{
	const struct nlattr *a;
	uint32_t lower = 0;

	mnl_attr_for_each(a, nlh, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(a) == IFLA_LINK_NETNSID)
			return 0;
		if (mnl_attr_get_type(a) == IFLA_LINK)
			lower = attr_u32(a);
	}
	return !strcmp(link->kind, "veth") || lower == link->ifindex ? 0 : lower;
}

static int parse_link(const struct nlmsghdr *nlh, union ikw_event *event)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct ikw_link *link = &event->link;
	const struct nlattr *a;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return -1;
	if (info->ifi_family != AF_UNSPEC)
		return 0;
	ikw_stamp(event, IKW_EV_LINK, sizeof(*link), 0);
	event->hdr.flags = IKW_F_NETLINK | IKW_F_LATE;
	link->op = nlh->nlmsg_type == RTM_DELLINK ? IKW_LINK_GONE : IKW_LINK_SET;
	link->ifindex = (uint32_t)info->ifi_index;
	link->ifi_flags = info->ifi_flags;
	mnl_attr_for_each(a, nlh, sizeof(*info))
	{
		if (mnl_attr_get_type(a) == IFLA_IFNAME)
			attr_text(a, link->name, sizeof(link->name));
		else if (mnl_attr_get_type(a) == IFLA_LINKINFO)
			parse_link_info(a, link);
		else if (mnl_attr_get_type(a) == IFLA_MASTER)
			link->master = attr_u32(a);
	}
	link->lower = parse_lower(nlh, link);
	return 1;
}

static bool is_one_of(const char *kind, const char *const *kinds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(kind, kinds[i]))
			return true;
	return false;
}

bool ikw_rt_stacked(const struct ikw_link *link)
{
	static const char *const masters[] = {
		"bridge", "bond", "team", "vrf", "hsr", "openvswitch"
	};
	static const char *const uppers[] = { "vlan", "macvlan", "macvtap", "ipvlan", "ipvtap" };

	return is_one_of(link->kind, masters, sizeof(masters) / sizeof(masters[0])) ||
	       (link->lower && is_one_of(link->kind, uppers, sizeof(uppers) / sizeof(uppers[0])));
}

/* One way in which a link has an address. */
struct holder {
	uint32_t ifindex;
	uint32_t prefixlen;
	uint8_t peer[IKW_ADDR_LEN]; /* on a point-to-point link the other end, else the address */
	unsigned int round;	    /* when it was last told of */
};

static int parse_addr(const struct nlmsghdr *nlh, union ikw_event *event, struct holder *holder)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a, *own = NULL, *peer = NULL;
	size_t len;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return -1;
	if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
		return 0;
	len = info->ifa_family == AF_INET ? 4 : IKW_ADDR_LEN;
	mnl_attr_for_each(a, nlh, sizeof(*info))
	{
		if (mnl_attr_get_type(a) == IFA_ADDRESS && mnl_attr_get_payload_len(a) >= len)
			peer = a;
		/* On a point-to-point link IFA_ADDRESS is the other end. */
		if (mnl_attr_get_type(a) == IFA_LOCAL ||
		    (mnl_attr_get_type(a) == IFA_ADDRESS && !own))
			own = a;
	}
	if (!own || mnl_attr_get_payload_len(own) < len)
		return -1;
	ikw_stamp(event, IKW_EV_ADDR, sizeof(event->addr), 0);
	event->hdr.flags = IKW_F_NETLINK | IKW_F_LATE;
	event->addr.op = nlh->nlmsg_type == RTM_DELADDR ? IKW_ADDR_GONE : IKW_ADDR_SET;
	event->addr.ifindex = info->ifa_index;
	ikw_addr_set(event->addr.addr, mnl_attr_get_payload(own), info->ifa_family);
	memset(holder, 0, sizeof(*holder));
	holder->ifindex = info->ifa_index;
	holder->prefixlen = info->ifa_prefixlen;
	ikw_addr_set(holder->peer, mnl_attr_get_payload(peer ? peer : own), info->ifa_family);
	return 1;
}

/*
 * One message as a LINK or ADDR event, and then its holder. Returns 1, 0 if it is
 * none of ours (bridge and other families' link messages included), -1 if it is
 * malformed. hdr.netns is the caller's.
 */
static int parse(const struct nlmsghdr *nlh, union ikw_event *event, struct holder *holder)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return parse_link(nlh, event);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return parse_addr(nlh, event, holder);
	default:
		return 0;
	}
}

/* ---- who has an address ------------------------------------------------- */

/* A link may have one twice, with two prefixes, while one takes the other's place. */
struct ikw_rt_address {
	uint8_t addr[IKW_ADDR_LEN];
	size_t count;
	struct holder *holders;
	UT_hash_handle hh;
};

static void address_drop(struct ikw_rt *rt, struct ikw_rt_address *a)
{
	HASH_DEL(rt->addresses, a);
	free(a->holders);
	free(a);
}

static void addresses_forget(struct ikw_rt *rt)
{
	struct ikw_rt_address *a, *next;

	HASH_ITER (hh, rt->addresses, a, next) {
		address_drop(rt, a);
	}
}

static struct ikw_rt_address *address_find(const struct ikw_rt *rt,
					   const uint8_t addr[IKW_ADDR_LEN])
{
	struct ikw_rt_address *a;

	HASH_FIND(hh, rt->addresses, addr, IKW_ADDR_LEN, a);
	return a;
}

static struct holder *holder_find(struct ikw_rt_address *a, const struct holder *like)
{
	for (size_t i = 0; a && i < a->count; i++)
		if (a->holders[i].ifindex == like->ifindex &&
		    a->holders[i].prefixlen == like->prefixlen &&
		    !memcmp(a->holders[i].peer, like->peer, IKW_ADDR_LEN))
			return &a->holders[i];
	return NULL;
}

static void holder_add(struct ikw_rt *rt, const uint8_t addr[IKW_ADDR_LEN],
		       const struct holder *holder)
{
	struct ikw_rt_address *a = address_find(rt, addr);
	struct holder *at = holder_find(a, holder), *more;

	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a)
			return;
		memcpy(a->addr, addr, IKW_ADDR_LEN);
		HASH_ADD(hh, rt->addresses, addr, IKW_ADDR_LEN, a);
	}
	if (!at) {
		more = realloc(a->holders, (a->count + 1) * sizeof(*more));
		if (!more)
			return;
		a->holders = more;
		at = &a->holders[a->count++];
		*at = *holder;
	}
	at->round = rt->round;
}

/* What the end of one of its holders makes of the event. False: nothing that is news. */
static bool holder_gone(struct ikw_rt *rt, struct ikw_rt_address *a, struct holder *holder,
			struct ikw_addr *event)
{
	uint32_t ifindex = holder->ifindex;

	*holder = a->holders[--a->count];
	if (!a->count) {
		address_drop(rt, a);
		return true;
	}
	for (size_t i = 0; i < a->count; i++)
		if (a->holders[i].ifindex == ifindex)
			return false;
	event->op = IKW_ADDR_SET;
	event->ifindex = a->holders[0].ifindex;
	return true;
}

static bool address_event(struct ikw_rt *rt, struct ikw_addr *event, const struct holder *holder)
{
	struct ikw_rt_address *a;
	struct holder *at;

	if (event->op == IKW_ADDR_SET) {
		holder_add(rt, event->addr, holder);
		return true;
	}
	a = address_find(rt, event->addr);
	at = holder_find(a, holder);
	return at ? holder_gone(rt, a, at, event) : !a;
}

/* ---- sockets ------------------------------------------------------------ */

static int open_socket(unsigned int groups)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int size = RECEIVE_BUFFER;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	if (groups && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int ikw_rt_open(struct ikw_rt *rt, uint32_t netns)
{
	struct timeval limit = { .tv_sec = 10 };
	int err;

	*rt = (struct ikw_rt){ .fd = -1, .dump_fd = -1, .netns = netns };
	rt->fd = open_socket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_TC);
	rt->dump_fd = open_socket(0);
	if (rt->fd >= 0 && rt->dump_fd >= 0) {
		setsockopt(rt->dump_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		return 0;
	}
	err = rt->fd < 0 ? rt->fd : rt->dump_fd;
	ikw_rt_close(rt);
	return err;
}

void ikw_rt_close(struct ikw_rt *rt)
{
	if (rt->fd >= 0)
		close(rt->fd);
	if (rt->dump_fd >= 0)
		close(rt->dump_fd);
	rt->fd = rt->dump_fd = -1;
	ikw_rt_forget(rt);
	addresses_forget(rt);
}

/* Who reads, and where the events go. */
struct reading {
	struct ikw_rt *rt;
	ikw_event_fn fn;
	void *ctx;
};

/* linux/pkt_sched.h: a clsact, and what hangs on one, has that major number as its parent's. */
static bool of_clsact(const struct tcmsg *tc)
{
	return tc->tcm_parent >> 16 == TC_H_CLSACT >> 16;
}

static void filters_gone(const struct reading *r, const struct nlmsghdr *nlh)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);

	if (r->rt->filters_gone && mnl_nlmsg_get_payload_len(nlh) >= sizeof(*tc) && of_clsact(tc))
		r->rt->filters_gone(r->ctx, (uint32_t)tc->tcm_ifindex);
}

static void deliver(void *ctx, const struct nlmsghdr *nlh)
{
	const struct reading *r = ctx;
	struct ikw_rt *rt = r->rt;
	struct holder holder;
	union ikw_event event;

	if (nlh->nlmsg_type == RTM_DELQDISC || nlh->nlmsg_type == RTM_DELTFILTER)
		filters_gone(r, nlh);
	if (parse(nlh, &event, &holder) <= 0)
		return;
	event.hdr.netns = rt->netns;
	rt->changes++;
	if (event.hdr.type != IKW_EV_ADDR || address_event(rt, &event.addr, &holder))
		r->fn(r->ctx, &event);
}

int ikw_rt_read(struct ikw_rt *rt, ikw_event_fn fn, void *ctx)
{
	struct reading r = { rt, fn, ctx };

	return ikw_nl_read(rt->fd, READ_BATCH, &rt->overruns, deliver, &r);
}

/* ---- requests ----------------------------------------------------------- */

/* 0; 1: not all need have been shown, for something changed meanwhile; negative errno. */
static int dump(struct ikw_rt *rt, uint16_t type, ikw_event_fn fn, void *ctx)
{
	struct reading r = { rt, fn, ctx };
	bool interrupted = false;
	static char buf[IKW_NL_BUFFER] __attribute__((aligned(8)));
	struct {
		struct nlmsghdr nlh;
		struct ifinfomsg any;
	} request = { .nlh = { .nlmsg_len = sizeof(request),
			       .nlmsg_type = type,
			       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			       .nlmsg_seq = ++rt->seq } };

	if (send(rt->dump_fd, &request, sizeof(request), 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = ikw_nl_receive(rt->dump_fd, buf, sizeof(buf), 0);
		int left = (int)n;

		if (n < 0 && n != -EINTR)
			return (int)n;
		for (const struct nlmsghdr *h = (void *)buf; mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left)) {
			if (h->nlmsg_seq != rt->seq)
				continue;
			interrupted = interrupted || (h->nlmsg_flags & NLM_F_DUMP_INTR);
			if (h->nlmsg_type == NLMSG_DONE)
				return interrupted;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ikw_nl_error(h);
			deliver(&r, h);
		}
	}
}

static int dump_whole(struct ikw_rt *rt, uint16_t type, ikw_event_fn fn, void *ctx)
{
	int err = 1;

	for (int i = 0; err == 1 && i < DUMP_TRIES; i++)
		err = dump(rt, type, fn, ctx);
	return err;
}

/* The notification of their end was lost. */
static void addresses_sweep(struct ikw_rt *rt, ikw_event_fn fn, void *ctx)
{
	struct ikw_rt_address *a, *next;
	union ikw_event event;

	HASH_ITER (hh, rt->addresses, a, next) {
		for (size_t i = a->count; i--;) {
			bool last = a->count == 1;

			if (a->holders[i].round == rt->round)
				continue;
			ikw_stamp(&event, IKW_EV_ADDR, sizeof(event.addr), rt->netns);
			event.hdr.flags = IKW_F_NETLINK | IKW_F_LATE;
			event.addr.op = IKW_ADDR_GONE;
			event.addr.ifindex = a->holders[i].ifindex;
			memcpy(event.addr.addr, a->addr, IKW_ADDR_LEN);
			if (holder_gone(rt, a, &a->holders[i], &event.addr))
				fn(ctx, &event);
			if (last)
				break;
		}
	}
}

int ikw_rt_dump(struct ikw_rt *rt, ikw_event_fn fn, void *ctx)
{
	int links = dump_whole(rt, RTM_GETLINK, fn, ctx), addresses;

	if (links < 0)
		return links;
	rt->round++;
	addresses = dump_whole(rt, RTM_GETADDR, fn, ctx);
	if (addresses < 0)
		return addresses;
	if (!addresses)
		addresses_sweep(rt, fn, ctx);
	return links || addresses;
}

/* ---- routes ------------------------------------------------------------- */

struct ikw_rt_peer {
	struct ends {
		uint8_t peer[IKW_ADDR_LEN];
		uint8_t local[IKW_ADDR_LEN]; /* zero: any */
	} ends;
	uint32_t ifindex; /* 0: no route */
	bool local;	  /* the peer is an address of this host */
	bool nowhere;	  /* no route, or ends.local is none of this host's */
	uint64_t told_at; /* boot time ns; 0: not yet */
	uint32_t told_ifindex;
	uint64_t asked; /* boot time ns */
	uint64_t changes;
	UT_hash_handle hh;
};

void ikw_rt_forget(struct ikw_rt *rt)
{
	struct ikw_rt_peer *peer, *next;

	HASH_ITER (hh, rt->peers, peer, next) {
		HASH_DEL(rt->peers, peer);
		free(peer);
	}
}

static const uint8_t any[IKW_ADDR_LEN];

static bool is_v4(const uint8_t addr[IKW_ADDR_LEN])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(addr, mapped, sizeof(mapped));
}

static void take_route(const struct nlmsghdr *nlh, struct ikw_rt_peer *peer)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a;

	peer->ifindex = 0;
	peer->local = peer->nowhere = false;
	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*route)) {
		/* unreachable, or from there nothing is sent: the kernel's word is the same for
		 * both */
		peer->nowhere = true;
		return;
	}
	peer->local = route->rtm_type == RTN_LOCAL;
	mnl_attr_for_each(a, nlh, sizeof(*route))
	{
		if (mnl_attr_get_type(a) == RTA_OIF)
			peer->ifindex = attr_u32(a);
	}
}

static void put_addr(struct nlmsghdr *nlh, uint16_t type, const uint8_t addr[IKW_ADDR_LEN])
{
	if (is_v4(addr))
		mnl_attr_put(nlh, type, 4, addr + 12);
	else
		mnl_attr_put(nlh, type, IKW_ADDR_LEN, addr);
}

static void ask_route(struct ikw_rt *rt, struct ikw_rt_peer *peer)
{
	char buf[8192] __attribute__((aligned(8)));
	bool v4 = is_v4(peer->ends.peer);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));
	ssize_t n;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nlh->nlmsg_seq = ++rt->seq;
	route->rtm_family = v4 ? AF_INET : AF_INET6;
	route->rtm_dst_len = v4 ? 32 : 128;
	put_addr(nlh, RTA_DST, peer->ends.peer);
	if (memcmp(peer->ends.local, any, IKW_ADDR_LEN)) {
		route->rtm_src_len = route->rtm_dst_len;
		put_addr(nlh, RTA_SRC, peer->ends.local);
	}
	if (send(rt->dump_fd, nlh, nlh->nlmsg_len, 0) < 0)
		return;
	do {
		n = ikw_nl_receive(rt->dump_fd, buf, sizeof(buf), 0);
	} while (n == -EINTR || (n >= 0 && (!mnl_nlmsg_ok((void *)buf, (int)n) ||
					    ((struct nlmsghdr *)buf)->nlmsg_seq != rt->seq)));
	if (n > 0)
		take_route((struct nlmsghdr *)buf, peer);
}

static struct ikw_rt_peer *peer_get(struct ikw_rt *rt, const uint8_t addr[IKW_ADDR_LEN],
				    const uint8_t local[IKW_ADDR_LEN])
{
	struct ikw_rt_peer *peer;
	uint64_t now = ikw_boot_now();
	struct ends ends;

	memcpy(ends.peer, addr, IKW_ADDR_LEN);
	memcpy(ends.local, local, IKW_ADDR_LEN);
	HASH_FIND(hh, rt->peers, &ends, sizeof(ends), peer);
	if (peer && peer->changes == rt->changes && now - peer->asked < ROUTE_FRESH_NS)
		return peer;
	if (!peer) {
		if (HASH_COUNT(rt->peers) >= PEERS_MAX)
			ikw_rt_forget(rt);
		peer = calloc(1, sizeof(*peer));
		if (!peer)
			return NULL;
		peer->ends = ends;
		HASH_ADD(hh, rt->peers, ends, sizeof(ends), peer);
	}
	peer->asked = now;
	peer->changes = rt->changes;
	ask_route(rt, peer);
	return peer;
}

/* The peer, as the kernel takes the two ends; NULL: both are this host's, or memory is short. */
static struct ikw_rt_peer *peer_of(struct ikw_rt *rt, const struct ikw_sa *sa)
{
	bool in = sa->dir == IKW_DIR_IN;
	const uint8_t *const ends[] = { in ? sa->saddr : sa->daddr, in ? sa->daddr : sa->saddr };
	struct ikw_rt_peer *peer;

	for (unsigned int i = 0; i < 2; i++) { /* rules may look at the source */
		peer = peer_get(rt, ends[i], ends[!i]);
		if (!peer || (!peer->local && !peer->nowhere))
			return peer;
	}
	for (unsigned int i = 0; i < 2; i++) {
		peer = peer_get(rt, ends[i], any);
		if (!peer || !peer->local)
			return peer;
	}
	return NULL;
}

bool ikw_rt_route(struct ikw_rt *rt, const struct ikw_sa *sa, union ikw_event *event)
{
	struct ikw_rt_peer *peer;

	if (rt->dump_fd < 0)
		return false;
	peer = peer_of(rt, sa);
	if (!peer)
		return false;
	/* A route that goes while the tunnel dies does not change where the tunnel was. */
	if (peer->told_at && (!peer->ifindex || (peer->told_ifindex == peer->ifindex &&
						 peer->asked - peer->told_at < TOLD_FOR)))
		return false;
	peer->told_at = peer->asked;
	peer->told_ifindex = peer->ifindex;
	if (!memcmp(peer->ends.local, any, IKW_ADDR_LEN)) {
		ikw_stamp(event, IKW_EV_ROUTE, sizeof(event->route), rt->netns);
		memcpy(event->route.peer, peer->ends.peer, IKW_ADDR_LEN);
		event->route.ifindex = peer->ifindex;
	} else {
		ikw_stamp(event, IKW_EV_WAY, sizeof(event->way), rt->netns);
		memcpy(event->way.peer, peer->ends.peer, IKW_ADDR_LEN);
		memcpy(event->way.local, peer->ends.local, IKW_ADDR_LEN);
		event->way.ifindex = peer->ifindex;
	}
	event->hdr.flags = IKW_F_NETLINK | IKW_F_LATE;
	return true;
}
