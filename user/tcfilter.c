// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcfilter.h"
#include <errno.h>
#include <string.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

struct listing {
	uint32_t handle;
	struct ikw_tcfilters *list;
};

/*
 * A dump also has, for each priority, an entry that stands for the classifier
 * itself, with handle 0: it is skipped but for classifiers that have no other.
 */
static int on_filter(const struct nlmsghdr *nlh, void *ctx)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);
	struct listing *listing = ctx;
	struct ikw_tcfilters *list = listing->list;
	uint16_t prio = (uint16_t)(tc->tcm_info >> 16);

	if (nlh->nlmsg_type != RTM_NEWTFILTER || !prio)
		return MNL_CB_OK;
	if (tc->tcm_handle == listing->handle) {
		list->ours++;
		list->our_prio = prio;
	} else if (tc->tcm_handle) {
		list->count++;
		if (!list->first || prio < list->first)
			list->first = prio;
	}
	return MNL_CB_OK;
}

static int receive(struct mnl_socket *nl, uint32_t seq, struct listing *listing)
{
	char buf[32768];
	ssize_t n;
	int r;

	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), on_filter, listing);
	} while (r > MNL_CB_STOP);
	return r < 0 ? -errno : 0;
}

int ikw_tcfilters_list(uint32_t ifindex, bool egress, uint32_t handle, struct ikw_tcfilters *list)
{
	char buf[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct tcmsg))] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));
	struct listing listing = { .handle = handle, .list = list };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int err;

	memset(list, 0, sizeof(*list));
	if (!nl)
		return -errno;
	nlh->nlmsg_type = RTM_GETTFILTER;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 1;
	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = (int)ifindex;
	tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		err = -errno;
	else
		err = receive(nl, 1, &listing);
	mnl_socket_close(nl);
	/* an interface without a clsact has an empty list */
	return err == -EINVAL || err == -ENOENT ? 0 : err;
}
