// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "nlsocket.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>
#include <sys/socket.h>

ssize_t ikw_nl_receive(int fd, void *buf, size_t size, int flags)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { buf, size };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n = recvmsg(fd, &msg, flags);

	if (n < 0)
		return -errno;
	return from.nl_pid || msg.msg_flags & MSG_TRUNC ? 0 : n;
}

int ikw_nl_error(const struct nlmsghdr *nlh)
{
	struct nlmsgerr e = { 0 };

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(e))
		memcpy(&e, mnl_nlmsg_get_payload(nlh), sizeof(e));
	return e.error < 0 ? e.error : -EPROTO;
}

int ikw_nl_read(int fd, int batch, uint64_t *overruns,
		void (*fn)(void *ctx, const struct nlmsghdr *nlh), void *ctx)
{
	static char buf[IKW_NL_BUFFER] __attribute__((aligned(8)));
	int lost = 0;

	for (int i = 0; i < batch; i++) {
		ssize_t n = ikw_nl_receive(fd, buf, sizeof(buf), MSG_DONTWAIT);
		int left = (int)n;

		if (n == -ENOBUFS) {
			++*overruns;
			lost = -ENOBUFS;
			continue;
		}
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n == -EAGAIN ? lost : (int)n;
		for (const struct nlmsghdr *h = (void *)buf; mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left))
			fn(ctx, h);
		explicit_bzero(buf, (size_t)n);
	}
	return lost ? lost : 1;
}
