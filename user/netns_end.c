/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "netns_end.h"
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER 4096

static int open_socket(int type, int group)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | type, NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0 ||
	    (group && setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* The number in an RTM_NEWNSID or RTM_DELNSID; -1: none. */
static int32_t number_in(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;
	int32_t id = -1;

	mnl_attr_for_each(attr, nlh, sizeof(struct rtgenmsg))
	{
		if (mnl_attr_get_type(attr) == NETNSA_NSID &&
		    mnl_attr_get_payload_len(attr) >= sizeof(id))
			memcpy(&id, mnl_attr_get_payload(attr), sizeof(id));
	}
	return id;
}

/* One request about the namespace; its number in *id if the answer has one. 0 or -errno. */
static int ask(int fd, uint16_t type, int netns_fd, int32_t *id)
{
	char buf[BUFFER] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	const struct nlmsgerr *answer;
	ssize_t n;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | (type == RTM_NEWNSID ? NLM_F_ACK : 0);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(nlh, NETNSA_FD, (uint32_t)netns_fd);
	if (type == RTM_NEWNSID)
		mnl_attr_put_u32(nlh, NETNSA_NSID, (uint32_t)-1); /* any */
	if (send(fd, nlh, nlh->nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, buf, sizeof(buf), 0);
	if (n < 0)
		return -errno;
	if (!mnl_nlmsg_ok(nlh, (int)n))
		return -EPROTO;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		answer = mnl_nlmsg_get_payload(nlh);
		return answer->error;
	}
	*id = number_in(nlh);
	return 0;
}

/* Gives the namespace a number unless it has one, and reads it. */
static int number_of(int netns_fd, int32_t *id)
{
	int fd = open_socket(0, 0), err;

	if (fd < 0)
		return fd;
	err = ask(fd, RTM_NEWNSID, netns_fd, id);
	if (!err || err == -EEXIST)
		err = ask(fd, RTM_GETNSID, netns_fd, id);
	close(fd);
	return err || *id >= 0 ? err : -ENOENT;
}

int ikw_netns_end_await(struct ikw_netns_end *end, const char *path, uint32_t inode)
{
	struct stat st;
	int fd, err;

	end->id = -1;
	if (end->fd < 0)
		end->fd = open_socket(SOCK_NONBLOCK, RTNLGRP_NSID);
	if (end->fd < 0)
		return end->fd;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) || (uint32_t)st.st_ino != inode ? -ENOENT : number_of(fd, &end->id);
	close(fd);
	return err;
}

bool ikw_netns_end_read(struct ikw_netns_end *end)
{
	char buf[BUFFER] __attribute__((aligned(8)));
	bool ended = false;
	ssize_t n;

	while ((n = recv(end->fd, buf, sizeof(buf), 0)) > 0 || (n < 0 && errno == EINTR)) {
		int left = (int)n;

		for (const struct nlmsghdr *h = (const void *)buf; mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left))
			ended |= h->nlmsg_type == RTM_DELNSID && end->id >= 0 &&
				 number_in(h) == end->id;
	}
	if (ended)
		end->id = -1;
	return ended;
}

void ikw_netns_end_close(struct ikw_netns_end *end)
{
	if (end->fd >= 0)
		close(end->fd);
	end->fd = end->id = -1;
}
