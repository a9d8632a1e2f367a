/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What leads to the peer stands on something else, and that is set down, removed, or stays. */
#include <net/if.h>
#include "tests/unit/story.h"
#include "user/tunnel.h"

#define WAY	   2 /* as in begin() */
#define PORT	   20
#define OTHER_PORT 21
#define RUNS	   (IFF_UP | IFF_RUNNING)

/* One link as netlink tells it: 0 as flags and no kind, it is gone. */
static void link_is(struct story *s, uint64_t ms, uint32_t ifindex, uint32_t flags,
		    const char *kind, uint32_t lower, uint32_t master)
{
	NEW(s, e, link, LINK, ms);

	e.link.op = kind ? IKW_LINK_SET : IKW_LINK_GONE;
	e.link.ifindex = ifindex;
	e.link.ifi_flags = flags;
	e.link.lower = lower;
	e.link.master = master;
	snprintf(e.link.name, sizeof(e.link.name), "l%u", ifindex);
	snprintf(e.link.kind, sizeof(e.link.kind), "%s", kind ? kind : "");
	feed(s, &e);
}

/* A bond (or bridge) with two ports, and a tunnel over it. */
static void over_ports(struct story *s, const char *kind)
{
	begin(s, ALL_SEES & ~(uint32_t)IKW_SEES_ESP);
	link_is(s, 10, WAY, RUNS, kind, 0, 0);
	link_is(s, 11, PORT, RUNS, "", 0, WAY);
	link_is(s, 12, OTHER_PORT, RUNS, "", 0, WAY);
	establish(s, 10000, 0xa0, 0, AES_GCM);
}

static void gone_at(struct story *s, uint64_t ms)
{
	down(s, ms, 0, IKW_CAUSE_CALL, DAEMON);
}

static void test_last_port(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int removed = 0; removed < 2; removed++) {
		over_ports(&s, "bond");
		link_is(&s, 20000, OTHER_PORT, IFF_UP, "", 0, WAY); /* its cable */
		link_is(&s, 50000, PORT, 0, "", 0, removed ? 0 : WAY);
		if (removed)
			link_is(&s, 50005, PORT, 0, NULL, 0, 0);
		link_is(&s, 50150, WAY, IFF_UP, "bond", 0, 0);
		gone_at(&s, 58000);
		link_is(&s, 59000, WAY, RUNS, "bond", 0, 0); /* too late to matter */
		expect_one(&s, removed ? IKW_REASON_INTERFACE_REMOVED : IKW_REASON_ADMIN_DOWN,
			   IKW_CONFIDENCE_CERTAIN);
		assert_non_null(strstr(s.told[0].detail, "l20, on which l2 stands"));
	}
}

/* The port that was set down is not what the bond lacked in the end, or it lacks nothing. */
static void test_other_port(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int how = 0; how < 4; how++) {
		over_ports(&s, how == 1 ? "bridge" : "bond");
		link_is(&s, 49500, OTHER_PORT, 0, "", 0, WAY);
		if (how == 2) /* its cable, a moment later */
			link_is(&s, 50000, PORT, IFF_UP, "", 0, WAY);
		if (how >= 2)
			link_is(&s, how == 2 ? 50100 : 55000, WAY, IFF_UP, "bond", 0, 0);
		gone_at(&s, 58000);
		expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	}
}

/* The cable is pulled: no cause for an alarm, but whoever reads it wants to know. */
static void test_no_carrier(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int how = 0; how < 3; how++) { /* there again in time; or up in the end */
		begin(&s, ALL_SEES & ~(uint32_t)IKW_SEES_ESP);
		link_is(&s, 10, WAY, RUNS, "", 0, 0);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		link_is(&s, 50000, WAY, IFF_UP, "", 0, 0);
		if (how)
			link_is(&s, how == 1 ? 51000 : 58500, WAY, RUNS, "", 0, 0);
		gone_at(&s, 58000);
		expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
		assert_int_equal(strstr(s.told[0].facts, " no_carrier ") != NULL, how != 1);
	}
}

/* A VLAN on a bond on a port: it goes through both. */
static void test_deep(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES & ~(uint32_t)IKW_SEES_ESP);
	link_is(&s, 10, 19, RUNS, "bond", 0, 0);
	link_is(&s, 11, PORT, RUNS, "", 0, 19);
	link_is(&s, 12, WAY, RUNS, "vlan", 19, 0);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	link_is(&s, 50000, PORT, 0, "", 0, 19);
	link_is(&s, 50100, 19, IFF_UP, "bond", 0, 0);
	link_is(&s, 50100, WAY, IFF_UP, "vlan", 19, 0);
	gone_at(&s, 58000);
	expect_one(&s, IKW_REASON_ADMIN_DOWN, IKW_CONFIDENCE_CERTAIN);
	assert_non_null(strstr(s.told[0].detail, "l20, on which l2 stands"));
}

/* Down first and removed later, as ifdown does: it was set down, though it is gone by now. */
static void test_removed_later(void **state)
{
	static const uint64_t removed[] = { 50005, 53000, 58500 };
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++) {
		begin(&s, ALL_SEES & ~(uint32_t)IKW_SEES_ESP);
		link_is(&s, 10, WAY, RUNS, "vlan", 0, 0);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		link_is(&s, 50000, WAY, 0, "vlan", 0, 0);
		if (removed[i] < 58000)
			link_is(&s, removed[i], WAY, 0, NULL, 0, 0);
		gone_at(&s, 58000);
		if (removed[i] > 58000)
			link_is(&s, removed[i], WAY, 0, NULL, 0, 0);
		expect_one(&s, i ? IKW_REASON_ADMIN_DOWN : IKW_REASON_INTERFACE_REMOVED,
			   IKW_CONFIDENCE_CERTAIN);
	}
}

/* Messages pass the port; what leads to the peer is what stands on it, but for a VRF. */
static void test_interface_told(void **state)
{
	static const char *const kinds[] = { "bond", "vlan", "vrf", "" };
	static const uint32_t told[] = { WAY, WAY, PORT, PORT };
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool vlan = !strcmp(kinds[i], "vlan"), port = *kinds[i] && !vlan;

		begin(&s, ALL_SEES);
		link_is(&s, 10, WAY, RUNS, kinds[i], vlan ? PORT : 0, 0);
		link_is(&s, 11, PORT, RUNS, "", 0, port ? WAY : 0);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		for (unsigned int k = 0; k < 2; k++) {
			union ikw_event e =
				ike_made(&s, 20000 + k, k ? '<' : '>', V2(0xa0, 37, 2, 57));

			e.ike.ifindex = PORT;
			feed(&s, &e);
		}
		gone_at(&s, 58000);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].ifindex, told[i]);
	}
}

/* One interface for each tunnel is found by its number, the one that is there before those gone. */
static void test_by_if_id(void **state)
{
	const struct ikw_host *host;
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	host = &ikw_model_world(s.model)->host;
	for (uint32_t k = 0; k < 3; k++) {
		NEW(&s, e, link, LINK, 10 + k);
		e.link.op = IKW_LINK_SET;
		e.link.ifindex = 30 + k;
		e.link.if_id = 7;
		feed(&s, &e);
	}
	link_is(&s, 20, 30, 0, NULL, 0, 0);
	link_is(&s, 21, 32, 0, NULL, 0, 0);
	assert_int_equal(ikw_host_xfrm_link(host, 7)->ifindex, 31);
	link_is(&s, 19, 31, 0, NULL, 0, 0);
	assert_int_equal(ikw_host_xfrm_link(host, 7)->ifindex, 32);
	assert_null(ikw_host_xfrm_link(host, 8));
	assert_null(ikw_host_xfrm_link(host, 0));
	end(&s);
}

/* Set up again before the daemon gave up: what it had begun meanwhile never left. */
static void test_up_again(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int how = 0; how < 4; how++) {
		begin(&s, ALL_SEES);
		link_is(&s, 10, WAY, RUNS, "", 0, 0);
		establish(&s, 10000, 0xa0, 0, AES_SHA256);
		for (uint32_t k = 2; k < 4; k++) {
			sa_op(&s, 10990 + k * 2000, IN(0), IKW_SA_ASKED, 0, DAEMON);
			ike(&s, 11000 + k * 2000, '>', V2(0xa0, 37, k, 80));
			ike(&s, 11010 + k * 2000, '<', V2(0xa0, 37, k, 80));
		}
		link_is(&s, 18000, WAY, 0, "", 0, 0);
		if (how == 1) /* again before it began anything */
			link_is(&s, 18500, WAY, RUNS, "", 0, 0);
		sa_op(&s, 18990, IN(0), IKW_SA_ASKED, 0, DAEMON);
		link_is(&s, 24000, WAY, RUNS, "", 0, 0);
		if (how == 2) { /* the peer is there */
			ike(&s, 24100, '<', V2(0xa0, 37, 0, 80));
			ike(&s, 24110, '>', V2(0xa0, 37, 0, 80));
		}
		if (how == 3) /* it leaves at last, and it is the peer that is silent */
			for (uint32_t k = 0; k < 3; k++)
				ike(&s, 24100 + k * 1000, '>', V2(0xa0, 37, 4, 80));
		down(&s, 28000, 0, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason == IKW_REASON_ADMIN_DOWN, how == 0);
		if (!how)
			assert_int_equal(s.told[0].confidence, IKW_CONFIDENCE_LIKELY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_port),     cmocka_unit_test(test_other_port),
		cmocka_unit_test(test_no_carrier),    cmocka_unit_test(test_deep),
		cmocka_unit_test(test_removed_later), cmocka_unit_test(test_interface_told),
		cmocka_unit_test(test_by_if_id),      cmocka_unit_test(test_up_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
