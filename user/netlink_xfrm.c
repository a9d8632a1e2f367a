/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "netlink_xfrm.h"
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>
#include "nlsocket.h"

#define PROTO_ANY      255	  /* IPSEC_PROTO_ANY, not in the UAPI */
#define ATTR_SA_DIR    33	  /* XFRMA_SA_DIR, Linux 6.10 */
#define RECEIVE_BUFFER (32 << 20) /* some 60,000 notifications */
#define READ_BATCH     512	  /* datagrams per call, so that no source starves the others */

/* ---- attributes --------------------------------------------------------- */

struct attrs {
	const struct nlattr *at[ATTR_SA_DIR + 1];
};

/* Every attribute of the message after fixed bytes of payload; false if any is malformed. */
static bool attrs_read(const struct nlmsghdr *nlh, size_t fixed, struct attrs *attrs)
{
	const char *at = (const char *)nlh + NLMSG_HDRLEN + NLMSG_ALIGN(fixed);
	const char *end = (const char *)nlh + nlh->nlmsg_len;

	memset(attrs, 0, sizeof(*attrs));
	while (end - at >= (ptrdiff_t)sizeof(struct nlattr)) {
		const struct nlattr *a = (const void *)at;

		if (!mnl_attr_ok(a, (int)(end - at)))
			return false;
		if (mnl_attr_get_type(a) <= ATTR_SA_DIR)
			attrs->at[mnl_attr_get_type(a)] = a;
		at += NLMSG_ALIGN(a->nla_len);
	}
	return at >= end;
}

/*
 * Netlink aligns to 4 bytes, these structs hold 64-bit members: everything is
 * copied out. False, with *to zeroed, when there is no such attribute or it is
 * shorter than size.
 */
static bool attr_copy(const struct attrs *attrs, int type, void *to, size_t size)
{
	const struct nlattr *a = attrs->at[type];

	memset(to, 0, size);
	if (!a || mnl_attr_get_payload_len(a) < size)
		return false;
	memcpy(to, mnl_attr_get_payload(a), size);
	return true;
}

/* The fixed part of a message and all attributes behind it; false if it is malformed. */
static bool open_message(const struct nlmsghdr *nlh, void *to, size_t size, struct attrs *attrs)
{
	if (mnl_nlmsg_get_payload_len(nlh) < size)
		return false;
	memcpy(to, mnl_nlmsg_get_payload(nlh), size);
	return attrs_read(nlh, size, attrs);
}

/* ---- SAs ---------------------------------------------------------------- */

static void fill_selector(struct ikw_selector *to, const struct xfrm_selector *from)
{
	/* Empty selectors (transport mode by hand) have no family: zero addresses then. */
	if (from->family == AF_INET || from->family == AF_INET6) {
		ikw_addr_set(to->saddr, &from->saddr, from->family);
		ikw_addr_set(to->daddr, &from->daddr, from->family);
	}
	to->sport = ntohs(from->sport);
	to->sport_mask = ntohs(from->sport_mask);
	to->dport = ntohs(from->dport);
	to->dport_mask = ntohs(from->dport_mask);
	to->prefixlen_s = from->prefixlen_s;
	to->prefixlen_d = from->prefixlen_d;
	to->proto = from->proto;
	to->family = (uint8_t)from->family;
	to->ifindex = (uint32_t)from->ifindex;
}

static void fill_info(struct ikw_sa *sa, const struct xfrm_usersa_info *info)
{
	ikw_addr_set(sa->saddr, &info->saddr, info->family);
	ikw_addr_set(sa->daddr, &info->id.daddr, info->family);
	fill_selector(&sa->sel, &info->sel);
	sa->spi = ntohl(info->id.spi);
	sa->proto = info->id.proto;
	sa->reqid = info->reqid;
	sa->mode = info->mode;
	sa->family = (uint8_t)info->family;
	sa->bytes = info->curlft.bytes;
	sa->packets = info->curlft.packets;
	sa->hard_bytes = info->lft.hard_byte_limit;
	sa->hard_packets = info->lft.hard_packet_limit;
	sa->hard_add_s = info->lft.hard_add_expires_seconds;
	sa->hard_use_s = info->lft.hard_use_expires_seconds;
	sa->soft_add_s = info->lft.soft_add_expires_seconds;
	sa->add_wall_s = info->curlft.add_time;
	sa->use_wall_s = info->curlft.use_time;
}

static void fill_attrs(struct ikw_sa *sa, const struct attrs *attrs)
{
	struct xfrm_mark mark;
	struct xfrm_encap_tmpl encap;
	struct xfrm_user_offload offload;
	uint8_t dir;

	attr_copy(attrs, XFRMA_MARK, &mark, sizeof(mark));
	sa->mark = mark.v;
	sa->mark_mask = mark.m;
	attr_copy(attrs, XFRMA_ENCAP, &encap, sizeof(encap));
	sa->encap_type = encap.encap_type;
	sa->encap_sport = ntohs(encap.encap_sport);
	sa->encap_dport = ntohs(encap.encap_dport);
	attr_copy(attrs, XFRMA_OFFLOAD_DEV, &offload, sizeof(offload));
	sa->offload_ifindex = (uint32_t)offload.ifindex;
	attr_copy(attrs, XFRMA_LASTUSED, &sa->last_wall_s, sizeof(sa->last_wall_s));
	attr_copy(attrs, XFRMA_IF_ID, &sa->if_id, sizeof(sa->if_id));
	attr_copy(attrs, ATTR_SA_DIR, &dir, sizeof(dir));
	if (dir <= IKW_DIR_OUT)
		sa->dir = dir;
}

static bool has_keys(uint8_t proto, const struct attrs *attrs)
{
	if (proto != IPPROTO_ESP && proto != IPPROTO_AH && proto != IPPROTO_COMP)
		return true;
	return attrs->at[XFRMA_ALG_AEAD] || attrs->at[XFRMA_ALG_CRYPT] ||
	       attrs->at[XFRMA_ALG_AUTH] || attrs->at[XFRMA_ALG_AUTH_TRUNC] ||
	       attrs->at[XFRMA_ALG_COMP];
}

static bool family_ok(unsigned int family)
{
	return family == AF_INET || family == AF_INET6;
}

static struct ikw_sa *start_sa(const struct nlmsghdr *nlh, union ikw_event *event)
{
	ikw_stamp(event, IKW_EV_SA, sizeof(event->sa), 0);
	event->hdr.flags = IKW_F_NETLINK;
	event->sa.by.portid = nlh->nlmsg_pid;
	return &event->sa;
}

static int parse_newsa(const struct nlmsghdr *nlh, union ikw_event *event)
{
	struct xfrm_usersa_info info;
	struct ikw_sa *sa;
	struct attrs attrs;

	if (!open_message(nlh, &info, sizeof(info), &attrs) || !family_ok(info.family))
		return -1;
	sa = start_sa(nlh, event);
	fill_info(sa, &info);
	fill_attrs(sa, &attrs);
	sa->op = nlh->nlmsg_type == XFRM_MSG_UPDSA ? IKW_SA_CHANGE : IKW_SA_ADD;
	if (!has_keys(sa->proto, &attrs))
		sa->op = IKW_SA_LARVAL;
	return 1;
}

/* xfrm_notify_sa(): a DELSA has only the id in front and the whole SA in XFRMA_SA. */
static int parse_delsa(const struct nlmsghdr *nlh, union ikw_event *event)
{
	struct xfrm_usersa_id id;
	struct xfrm_usersa_info info;
	struct ikw_sa *sa;
	struct attrs attrs;
	bool whole;

	if (!open_message(nlh, &id, sizeof(id), &attrs) || !family_ok(id.family))
		return -1;
	sa = start_sa(nlh, event);
	whole = attr_copy(&attrs, XFRMA_SA, &info, sizeof(info)) && family_ok(info.family);
	if (whole)
		fill_info(sa, &info);
	ikw_addr_set(sa->daddr, &id.daddr, id.family);
	sa->family = (uint8_t)id.family;
	sa->spi = ntohl(id.spi);
	sa->proto = id.proto;
	fill_attrs(sa, &attrs);
	sa->op = !whole || has_keys(sa->proto, &attrs) ? IKW_SA_DELETE : IKW_SA_LARVAL_GONE;
	return 1;
}

static enum ikw_sa_limit limit_hit(const struct ikw_sa *sa)
{
	if ((sa->hard_bytes && sa->bytes >= sa->hard_bytes) ||
	    (sa->hard_packets && sa->packets >= sa->hard_packets))
		return IKW_LIMIT_VOLUME;
	return IKW_LIMIT_TIME;
}

/* build_expire() gives no algorithms: a larval SA's end looks like a full one's here. */
static int parse_expire(const struct nlmsghdr *nlh, union ikw_event *event)
{
	struct xfrm_user_expire expire;
	struct ikw_sa *sa;
	struct attrs attrs;

	if (!open_message(nlh, &expire, sizeof(expire), &attrs) || !family_ok(expire.state.family))
		return -1;
	sa = start_sa(nlh, event);
	fill_info(sa, &expire.state);
	fill_attrs(sa, &attrs);
	sa->by.portid = 0;
	sa->op = IKW_SA_SOFT;
	if (expire.hard) {
		sa->op = IKW_SA_DELETE;
		sa->cause = IKW_CAUSE_TIMER;
		sa->limit = limit_hit(sa);
	}
	return 1;
}

static int start_flush(const struct nlmsghdr *nlh, union ikw_event *event, uint8_t what)
{
	ikw_stamp(event, IKW_EV_FLUSH, sizeof(event->flush), 0);
	event->hdr.flags = IKW_F_NETLINK;
	event->flush.what = what;
	event->flush.by.portid = nlh->nlmsg_pid;
	event->flush.task_valid = 1; /* a namespace's teardown sends no message */
	return 1;
}

static int parse_flushsa(const struct nlmsghdr *nlh, union ikw_event *event)
{
	struct xfrm_usersa_flush flush;
	struct attrs attrs;

	if (!open_message(nlh, &flush, sizeof(flush), &attrs))
		return -1;
	start_flush(nlh, event, IKW_FLUSH_SA);
	event->flush.proto = flush.proto;
	return 1;
}

/* ---- policies ----------------------------------------------------------- */

static uint8_t policy_dir(uint8_t dir)
{
	static const uint8_t dirs[] = {
		[XFRM_POLICY_IN] = IKW_DIR_IN,
		[XFRM_POLICY_OUT] = IKW_DIR_OUT,
		[XFRM_POLICY_FWD] = IKW_DIR_FWD,
	};

	/* Above: per-socket policies, whose low bits say in or out (XFRM_POLICY_MAX + dir). */
	return dir < sizeof(dirs) ? dirs[dir] : dirs[(dir - sizeof(dirs)) % 2];
}

static void fill_tmpl(struct ikw_policy *policy, const struct attrs *attrs)
{
	struct xfrm_user_tmpl tmpl;

	if (!attr_copy(attrs, XFRMA_TMPL, &tmpl, sizeof(tmpl)))
		return;
	policy->tmpl_count =
		(uint8_t)(mnl_attr_get_payload_len(attrs->at[XFRMA_TMPL]) / sizeof(tmpl));
	policy->tmpl_mode = tmpl.mode;
	if (family_ok(tmpl.family) && tmpl.mode != XFRM_MODE_TRANSPORT) {
		ikw_addr_set(policy->tmpl_saddr, &tmpl.saddr, tmpl.family);
		ikw_addr_set(policy->tmpl_daddr, &tmpl.id.daddr, tmpl.family);
	}
	if (tmpl.id.proto == IPPROTO_COMP && policy->tmpl_count > 1)
		memcpy(&tmpl,
		       (const char *)mnl_attr_get_payload(attrs->at[XFRMA_TMPL]) + sizeof(tmpl),
		       sizeof(tmpl));
	policy->tmpl_reqid = tmpl.reqid;
	policy->tmpl_spi = ntohl(tmpl.id.spi);
	policy->tmpl_proto = tmpl.id.proto;
}

static int fill_policy(const struct nlmsghdr *nlh, union ikw_event *event, uint8_t op,
		       const struct xfrm_userpolicy_info *info, const struct attrs *attrs)
{
	struct ikw_policy *policy = &event->policy;
	struct xfrm_mark mark;

	ikw_stamp(event, IKW_EV_POLICY, sizeof(*policy), 0);
	event->hdr.flags = IKW_F_NETLINK;
	policy->by.portid = nlh->nlmsg_pid;
	policy->op = op;
	fill_selector(&policy->sel, &info->sel);
	policy->index = info->index;
	policy->priority = info->priority;
	policy->action = info->action;
	policy->dir = policy_dir(info->dir);
	policy->socket = info->dir >= XFRM_POLICY_MAX;
	attr_copy(attrs, XFRMA_IF_ID, &policy->if_id, sizeof(policy->if_id));
	attr_copy(attrs, XFRMA_MARK, &mark, sizeof(mark));
	policy->mark = mark.v;
	policy->mark_mask = mark.m;
	fill_tmpl(policy, attrs);
	return 1;
}

static int parse_newpolicy(const struct nlmsghdr *nlh, union ikw_event *event)
{
	struct xfrm_userpolicy_info info;
	struct attrs attrs;

	if (!open_message(nlh, &info, sizeof(info), &attrs))
		return -1;
	return fill_policy(nlh, event, IKW_POLICY_INSERT, &info, &attrs);
}

/* xfrm_notify_policy(): a DELPOLICY has only the id in front, the policy in XFRMA_POLICY. */
static int parse_delpolicy(const struct nlmsghdr *nlh, union ikw_event *event)
{
	struct xfrm_userpolicy_id id;
	struct xfrm_userpolicy_info info;
	struct attrs attrs;

	if (!open_message(nlh, &id, sizeof(id), &attrs))
		return -1;
	if (!attr_copy(&attrs, XFRMA_POLICY, &info, sizeof(info))) {
		info.sel = id.sel;
		info.index = id.index;
		info.dir = id.dir;
	}
	return fill_policy(nlh, event, IKW_POLICY_KILL, &info, &attrs);
}

static int parse_polexpire(const struct nlmsghdr *nlh, union ikw_event *event)
{
	struct xfrm_user_polexpire expire;
	struct attrs attrs;

	if (!open_message(nlh, &expire, sizeof(expire), &attrs))
		return -1;
	return expire.hard ? fill_policy(nlh, event, IKW_POLICY_KILL, &expire.pol, &attrs) : 0;
}

int ikw_xfrm_parse(const struct nlmsghdr *nlh, union ikw_event *event)
{
	switch (nlh->nlmsg_type) {
	case XFRM_MSG_NEWSA:
	case XFRM_MSG_UPDSA:
		return parse_newsa(nlh, event);
	case XFRM_MSG_DELSA:
		return parse_delsa(nlh, event);
	case XFRM_MSG_EXPIRE:
		return parse_expire(nlh, event);
	case XFRM_MSG_FLUSHSA:
		return parse_flushsa(nlh, event);
	case XFRM_MSG_NEWPOLICY:
	case XFRM_MSG_UPDPOLICY:
		return parse_newpolicy(nlh, event);
	case XFRM_MSG_DELPOLICY:
		return parse_delpolicy(nlh, event);
	case XFRM_MSG_POLEXPIRE:
		return parse_polexpire(nlh, event);
	case XFRM_MSG_FLUSHPOLICY:
		return start_flush(nlh, event, IKW_FLUSH_POLICY);
	default:
		return 0;
	}
}

/* ---- which SAs are full ------------------------------------------------- */

/* The kernel's own key of an SA: __xfrm_state_lookup(mark, daddr, spi, proto, family). */
struct known_key {
	uint8_t daddr[IKW_ADDR_LEN];
	uint32_t spi;
	uint32_t mark;
	uint32_t mark_mask;
	uint32_t proto;
};

struct ikw_xfrm_sa {
	struct known_key key;
	unsigned int round; /* when it was last told of */
	UT_hash_handle hh;
};

static struct known_key known_key(const struct ikw_sa *sa)
{
	struct known_key key = {
		.spi = sa->spi, .mark = sa->mark, .mark_mask = sa->mark_mask, .proto = sa->proto
	};

	memcpy(key.daddr, sa->daddr, sizeof(key.daddr));
	return key;
}

static struct ikw_xfrm_sa *known_find(const struct ikw_xfrm_known *known, const struct ikw_sa *sa)
{
	struct known_key key = known_key(sa);
	struct ikw_xfrm_sa *entry;

	HASH_FIND(hh, known->sas, &key, sizeof(key), entry);
	return entry;
}

static void known_add(struct ikw_xfrm_known *known, struct ikw_xfrm_sa *entry,
		      const struct ikw_sa *sa)
{
	if (!entry) {
		entry = calloc(1, sizeof(*entry));
		if (!entry)
			return;
		entry->key = known_key(sa);
		HASH_ADD(hh, known->sas, key, sizeof(entry->key), entry);
	}
	entry->round = known->round;
}

static void known_remove(struct ikw_xfrm_known *known, struct ikw_xfrm_sa *entry)
{
	HASH_DEL(known->sas, entry);
	free(entry);
}

/* xfrm_id_proto_match() */
static bool flush_takes(uint8_t flushed, uint32_t proto)
{
	return !flushed || flushed == proto ||
	       (flushed == PROTO_ANY &&
		(proto == IPPROTO_AH || proto == IPPROTO_ESP || proto == IPPROTO_COMP));
}

static void known_flush(struct ikw_xfrm_known *known, uint8_t proto)
{
	struct ikw_xfrm_sa *entry, *next;

	HASH_ITER (hh, known->sas, entry, next) {
		if (flush_takes(proto, entry->key.proto))
			known_remove(known, entry);
	}
}

void ikw_xfrm_known_round(struct ikw_xfrm_known *known)
{
	struct ikw_xfrm_sa *entry, *next;

	HASH_ITER (hh, known->sas, entry, next) {
		if (entry->round != known->round)
			known_remove(known, entry);
	}
	known->round++;
}

void ikw_xfrm_known_clear(struct ikw_xfrm_known *known)
{
	known_flush(known, 0);
}

static bool known_apply_sa(struct ikw_xfrm_known *known, struct ikw_sa *sa)
{
	struct ikw_xfrm_sa *entry = known_find(known, sa);

	switch (sa->op) {
	case IKW_SA_CHANGE:
		if (!entry)
			sa->op = IKW_SA_ADD;
		/* fall through */
	case IKW_SA_ADD:
	case IKW_SA_DUMP:
		known_add(known, entry, sa);
		return true;
	case IKW_SA_DELETE:
		if (entry)
			known_remove(known, entry);
		else if (sa->cause == IKW_CAUSE_TIMER)
			sa->op = IKW_SA_LARVAL_GONE;
		return true;
	case IKW_SA_SOFT:
		return entry != NULL;
	default:
		return true;
	}
}

bool ikw_xfrm_known_apply(struct ikw_xfrm_known *known, union ikw_event *event)
{
	if (event->hdr.type == IKW_EV_FLUSH && event->flush.what == IKW_FLUSH_SA)
		known_flush(known, event->flush.proto);
	if (event->hdr.type == IKW_EV_SA)
		return known_apply_sa(known, &event->sa);
	return true;
}

/* ---- sockets ------------------------------------------------------------ */

static int open_socket(void)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* Loss stays visible: NETLINK_NO_ENOBUFS is left off, so that an overrun is an error to read. */
static int subscribe_groups(int fd)
{
	static const int groups[] = { XFRMNLGRP_SA, XFRMNLGRP_EXPIRE, XFRMNLGRP_POLICY };
	int size = RECEIVE_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return -errno;
	return 0;
}

int ikw_xfrm_open(struct ikw_xfrm *xfrm, uint32_t netns, bool subscribe)
{
	struct timeval limit = { .tv_sec = 10 };
	int err = 0;

	*xfrm = (struct ikw_xfrm){ .fd = -1, .dump_fd = -1, .netns = netns };
	xfrm->dump_fd = open_socket();
	if (xfrm->dump_fd < 0) {
		err = xfrm->dump_fd;
		xfrm->dump_fd = -1;
		return err;
	}
	setsockopt(xfrm->dump_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (!subscribe)
		return 0;
	xfrm->fd = open_socket();
	err = xfrm->fd < 0 ? xfrm->fd : subscribe_groups(xfrm->fd);
	if (err)
		ikw_xfrm_close(xfrm);
	return err;
}

void ikw_xfrm_close(struct ikw_xfrm *xfrm)
{
	if (xfrm->fd >= 0)
		close(xfrm->fd);
	if (xfrm->dump_fd >= 0)
		close(xfrm->dump_fd);
	xfrm->fd = xfrm->dump_fd = -1;
	ikw_xfrm_known_clear(&xfrm->known);
}

/* Who reads, and where the events go. */
struct reading {
	struct ikw_xfrm *xfrm;
	ikw_event_fn fn;
	void *ctx;
	bool look; /* what is known stays as it is */
};

static void deliver(void *ctx, const struct nlmsghdr *nlh)
{
	const struct reading *r = ctx;
	struct ikw_xfrm *xfrm = r->xfrm;
	union ikw_event event;
	int got = ikw_xfrm_parse(nlh, &event);

	xfrm->messages++;
	if (got < 0)
		xfrm->malformed++;
	if (got <= 0)
		return;
	event.hdr.netns = xfrm->netns;
	if (ikw_xfrm_known_apply(&xfrm->known, &event))
		r->fn(r->ctx, &event);
}

int ikw_xfrm_read(struct ikw_xfrm *xfrm, ikw_event_fn fn, void *ctx)
{
	struct reading r = { xfrm, fn, ctx, false };

	return ikw_nl_read(xfrm->fd, READ_BATCH, &xfrm->overruns, deliver, &r);
}

/* ---- dumps -------------------------------------------------------------- */

static int request_dump(struct ikw_xfrm *xfrm, uint16_t type)
{
	struct {
		struct nlmsghdr nlh;
		char pad[sizeof(struct xfrm_usersa_id)];
	} request = { 0 };

	request.nlh.nlmsg_len = type == XFRM_MSG_GETSA ? NLMSG_LENGTH(sizeof(struct xfrm_usersa_id))
						       : NLMSG_LENGTH(0);
	request.nlh.nlmsg_type = type;
	request.nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request.nlh.nlmsg_seq = ++xfrm->seq;
	if (send(xfrm->dump_fd, &request, request.nlh.nlmsg_len, 0) < 0)
		return -errno;
	return 0;
}

/* A message of a dump as its event; larval SAs are nobody's tunnel and left out. */
static bool dumped(const struct nlmsghdr *nlh, union ikw_event *event)
{
	if (ikw_xfrm_parse(nlh, event) <= 0)
		return false;
	event->hdr.flags |= IKW_F_LATE;
	if (event->hdr.type == IKW_EV_POLICY) {
		event->policy.op = IKW_POLICY_DUMP;
		event->policy.by.portid = 0;
		return true;
	}
	event->sa.by.portid = 0; /* here it is our own port */
	if (event->sa.op != IKW_SA_ADD)
		return false;
	event->sa.op = IKW_SA_DUMP;
	return true;
}

/* 1: the dump is complete, 0: goes on, negative errno: failed. */
static int read_dump(const struct reading *r, const char *buf, int left)
{
	struct ikw_xfrm *xfrm = r->xfrm;
	union ikw_event event;

	for (const struct nlmsghdr *h = (const void *)buf; mnl_nlmsg_ok(h, left);
	     h = mnl_nlmsg_next(h, &left)) {
		if (h->nlmsg_seq != xfrm->seq)
			continue;
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			return -EAGAIN;
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ikw_nl_error(h);
		if (!dumped(h, &event))
			continue;
		event.hdr.netns = xfrm->netns;
		if (r->look || ikw_xfrm_known_apply(&xfrm->known, &event))
			r->fn(r->ctx, &event);
	}
	return 0;
}

static int dump(const struct reading *r, uint16_t type)
{
	static char buf[IKW_NL_BUFFER] __attribute__((aligned(8)));
	struct ikw_xfrm *xfrm = r->xfrm;
	int done = request_dump(xfrm, type);

	while (!done) {
		ssize_t n = ikw_nl_receive(xfrm->dump_fd, buf, sizeof(buf), 0);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		done = read_dump(r, buf, (int)n);
		explicit_bzero(buf, (size_t)n);
	}
	return done < 0 ? done : 0;
}

int ikw_xfrm_dump(struct ikw_xfrm *xfrm, ikw_event_fn fn, void *ctx)
{
	const struct reading r = { xfrm, fn, ctx, false };
	int err;

	ikw_xfrm_known_round(&xfrm->known);
	err = dump(&r, XFRM_MSG_GETSA);
	return err ? err : dump(&r, XFRM_MSG_GETPOLICY);
}

int ikw_xfrm_look(struct ikw_xfrm *xfrm, ikw_event_fn fn, void *ctx)
{
	const struct reading r = { xfrm, fn, ctx, true };

	return dump(&r, XFRM_MSG_GETSA);
}
