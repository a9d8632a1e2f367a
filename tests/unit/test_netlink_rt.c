/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* rtnetlink messages as the kernel makes them, from a socket that stands for the kernel's. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "netlink_rt.h"

struct rig {
	struct ikw_rt rt;
	int kernel; /* the other end of rt.fd */
	int dumper; /* of rt.dump_fd */
	union ikw_event got[32];
	size_t count;
	uint32_t cut; /* the link whose filters went */
};

static char buf[4096] __attribute__((aligned(8)));

static int setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	g->rt.fd = pair[0];
	g->kernel = pair[1];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	g->rt.dump_fd = pair[0];
	g->dumper = pair[1];
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	struct rig *g = *state;

	ikw_rt_close(&g->rt);
	close(g->kernel);
	close(g->dumper);
	free(g);
	return 0;
}

static void take(void *ctx, union ikw_event *event)
{
	struct rig *g = ctx;

	assert_true(g->count < sizeof(g->got) / sizeof(g->got[0]));
	memcpy(&g->got[g->count++], event, event->hdr.size);
}

static struct nlmsghdr *address(uint16_t type, const char *text, uint32_t ifindex, uint8_t prefix)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	struct in_addr addr;

	nlh->nlmsg_type = type;
	info->ifa_family = AF_INET;
	info->ifa_prefixlen = prefix;
	info->ifa_index = ifindex;
	inet_pton(AF_INET, text, &addr);
	mnl_attr_put(nlh, IFA_ADDRESS, sizeof(addr), &addr);
	mnl_attr_put(nlh, IFA_LOCAL, sizeof(addr), &addr);
	return nlh;
}

static struct nlmsghdr *link_up(uint32_t ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = RTM_NEWLINK;
	info->ifi_index = (int)ifindex;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "eth0");
	return nlh;
}

/* What becomes of one notification: the last event of it, NULL: none. */
static const struct ikw_addr *told(struct rig *g, const struct nlmsghdr *nlh)
{
	g->count = 0;
	assert_int_equal(send(g->kernel, nlh, nlh->nlmsg_len, 0), nlh->nlmsg_len);
	assert_int_equal(ikw_rt_read(&g->rt, take, g), 0);
	assert_true(g->count <= 1);
	return g->count ? &g->got[0].addr : NULL;
}

static void dumped(struct rig *g, struct nlmsghdr *nlh, uint32_t seq, uint16_t flags)
{
	nlh->nlmsg_seq = seq;
	nlh->nlmsg_flags = NLM_F_MULTI | flags;
	assert_int_equal(send(g->dumper, nlh, nlh->nlmsg_len, 0), nlh->nlmsg_len);
}

static void dump_ends(struct rig *g, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = NLMSG_DONE;
	dumped(g, nlh, seq, 0);
}

/* Networks that are drawn anew: the address is there all the time. */
static void test_other_prefix(void **state)
{
	struct rig *g = *state;
	const struct ikw_addr *ev;

	assert_int_equal(told(g, address(RTM_NEWADDR, "192.0.2.1", 2, 24))->op, IKW_ADDR_SET);
	assert_int_equal(told(g, address(RTM_NEWADDR, "192.0.2.1", 2, 25))->op, IKW_ADDR_SET);
	assert_null(told(g, address(RTM_DELADDR, "192.0.2.1", 2, 24)));
	ev = told(g, address(RTM_DELADDR, "192.0.2.1", 2, 25));
	assert_non_null(ev);
	assert_int_equal(ev->op, IKW_ADDR_GONE);
	assert_int_equal(ev->ifindex, 2);
}

static void test_other_link(void **state)
{
	struct rig *g = *state;
	const struct ikw_addr *ev;

	told(g, address(RTM_NEWADDR, "192.0.2.1", 2, 24));
	told(g, address(RTM_NEWADDR, "192.0.2.1", 3, 24));
	ev = told(g, address(RTM_DELADDR, "192.0.2.1", 3, 24));
	assert_non_null(ev);
	assert_int_equal(ev->op, IKW_ADDR_SET);
	assert_int_equal(ev->ifindex, 2);
	assert_int_equal(told(g, address(RTM_DELADDR, "192.0.2.1", 2, 24))->op, IKW_ADDR_GONE);
}

/* One whose coming was not seen. */
static void test_unknown(void **state)
{
	struct rig *g = *state;

	assert_int_equal(told(g, address(RTM_DELADDR, "192.0.2.1", 2, 24))->op, IKW_ADDR_GONE);
	told(g, address(RTM_NEWADDR, "192.0.2.2", 2, 24));
	assert_null(told(g, address(RTM_DELADDR, "192.0.2.2", 2, 32)));
}

static void note_filters(void *ctx, uint32_t ifindex)
{
	struct rig *g = ctx;

	g->cut = ifindex;
}

/* A clsact or ingress qdisc that is removed, or a filter of one; what hangs elsewhere is nobody's.
 */
static void test_filters_gone(void **state)
{
	static const struct {
		uint16_t type;
		uint32_t parent;
		bool told;
	} cases[] = {
		{ RTM_DELQDISC, TC_H_CLSACT, true },
		{ RTM_DELTFILTER, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS), true },
		{ RTM_DELTFILTER, TC_H_MAKE(1U << 16, 0), false },
		{ RTM_NEWQDISC, TC_H_CLSACT, false },
	};
	struct rig *g = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int asked = 0; asked < 2; asked++) {
			struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
			struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));

			nlh->nlmsg_type = cases[i].type;
			tc->tcm_ifindex = 7;
			tc->tcm_parent = cases[i].parent;
			g->cut = 0;
			g->rt.filters_gone = asked ? note_filters : NULL;
			assert_null(told(g, nlh));
			assert_int_equal(g->cut, asked && cases[i].told ? 7 : 0);
		}
	}
}

/* The end of one was never told: a dump shows it. */
static void test_swept(void **state)
{
	struct rig *g = *state;

	told(g, address(RTM_NEWADDR, "192.0.2.1", 2, 24));
	told(g, address(RTM_NEWADDR, "192.0.2.2", 2, 24));
	g->count = 0;
	dump_ends(g, 1);
	dumped(g, address(RTM_NEWADDR, "192.0.2.1", 2, 24), 2, 0);
	dump_ends(g, 2);
	assert_int_equal(ikw_rt_dump(&g->rt, take, g), 0);
	assert_int_equal(g->count, 2);
	assert_int_equal(g->got[0].addr.op, IKW_ADDR_SET);
	assert_int_equal(g->got[1].addr.op, IKW_ADDR_GONE);
	assert_int_equal(g->got[1].addr.addr[15], 2);
}

/* Links that come and go while they are dumped: one that stays may not be shown. */
static void test_interrupted(void **state)
{
	struct rig *g = *state;
	uint32_t seq = 1;

	dumped(g, link_up(2), seq, NLM_F_DUMP_INTR);
	dump_ends(g, seq++);
	dumped(g, link_up(2), seq, 0);
	dumped(g, link_up(3), seq, 0);
	dump_ends(g, seq++);
	dump_ends(g, seq++);
	assert_int_equal(ikw_rt_dump(&g->rt, take, g), 0);
	assert_int_equal(g->count, 3);
	g->count = 0;
	for (int i = 0; i < 8; i++, seq++) {
		dumped(g, link_up(2), seq, NLM_F_DUMP_INTR);
		dump_ends(g, seq);
	}
	dump_ends(g, seq);
	assert_int_equal(ikw_rt_dump(&g->rt, take, g), 1);
}

/* What passes these passes what they stand on, or their ports, as well. */
static void test_stacked(void **state)
{
	static const char *const upper[] = { "bridge", "bond", "openvswitch", "vrf" };
	struct ikw_link link = { .kind = "vlan", .lower = 2 };

	(void)state;
	assert_true(ikw_rt_stacked(&link));
	link.lower = 0; /* it is in another namespace */
	assert_false(ikw_rt_stacked(&link));
	for (size_t i = 0; i < sizeof(upper) / sizeof(upper[0]); i++) {
		snprintf(link.kind, sizeof(link.kind), "%s", upper[i]);
		assert_true(ikw_rt_stacked(&link));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_other_prefix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_swept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_filters_gone, setup, teardown),
		cmocka_unit_test(test_stacked),
	};

	return cmocka_run_group_tests_name("netlink_rt", tests, NULL, NULL);
}
