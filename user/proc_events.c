/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "proc_events.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BATCH  256
#define ACK_WAIT_MS 500
#define EVENT_AT    (NLMSG_HDRLEN + sizeof(struct cn_msg))

/* proc_event.what; the header's enum moved into a struct of its own in newer kernels. */
enum { WHAT_NONE = 0, WHAT_EXEC = 2, WHAT_EXIT = (int)0x80000000 };

/* Forks, renames and the like never wake the agent. */
static int set_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, EVENT_AT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(WHAT_EXEC), 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)WHAT_EXIT), 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(WHAT_NONE), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int listen_on(int fd)
{
	struct cn_msg cn = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = sizeof(uint32_t) };
	uint32_t op = PROC_CN_MCAST_LISTEN;
	struct nlmsghdr nlh = { .nlmsg_len = EVENT_AT + sizeof(op), .nlmsg_type = NLMSG_DONE };
	char request[EVENT_AT + sizeof(op)];

	memcpy(request, &nlh, sizeof(nlh));
	memcpy(request + NLMSG_HDRLEN, &cn, sizeof(cn));
	memcpy(request + EVENT_AT, &op, sizeof(op));
	return send(fd, request, sizeof(request), 0) < 0 ? -1 : 0;
}

/* The kernel confirms a subscription; outside the initial namespaces it just says nothing. */
static int await_ack(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ACK_WAIT_MS) == 1 ? 0 : -EOPNOTSUPP;
}

int ikw_proc_events_open(void)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
	int size = 2 << 20;
	int err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (set_filter(fd) < 0 || bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0 ||
	    listen_on(fd) < 0)
		err = -errno;
	else
		err = await_ack(fd);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* False for what is not an exec or the exit of a whole process. */
static bool parse(const char *buf, size_t len, struct ikw_proc_news *news)
{
	struct proc_event event = { 0 };
	size_t have = len > EVENT_AT ? len - EVENT_AT : 0;
	uint32_t what;

	if (have < offsetof(struct proc_event, event_data) + sizeof(event.event_data.exec))
		return false;
	memcpy(&event, buf + EVENT_AT, have < sizeof(event) ? have : sizeof(event));
	memcpy(&what, &event, sizeof(what));
	news->exited = what == (uint32_t)WHAT_EXIT;
	if (what == WHAT_EXEC) {
		news->tgid = (uint32_t)event.event_data.exec.process_tgid;
		return true;
	}
	news->tgid = (uint32_t)event.event_data.exit.process_tgid;
	news->status = event.event_data.exit.exit_code;
	return news->exited &&
	       event.event_data.exit.process_pid == event.event_data.exit.process_tgid;
}

int ikw_proc_events_read(int fd, void (*fn)(void *ctx, const struct ikw_proc_news *news), void *ctx)
{
	char buf[4096] __attribute__((aligned(8)));
	int lost = 0;

	for (int i = 0; i < READ_BATCH; i++) {
		struct ikw_proc_news news = { 0 };
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from,
				     &from_len);

		if (n < 0 && errno == ENOBUFS)
			lost = -ENOBUFS;
		else if (n < 0 && errno != EINTR)
			return errno == EAGAIN ? lost : -errno;
		else if (n > 0 && !from.nl_pid && parse(buf, (size_t)n, &news))
			fn(ctx, &news);
	}
	return lost ? lost : 1;
}
