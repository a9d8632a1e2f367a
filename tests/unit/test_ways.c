/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Two uplinks, and rules of routing that say which of them leads to the peer from which address. */
#include "tests/unit/story.h"

#define FIRST  2 /* of the default route */
#define SECOND 3 /* of the tunnel's own address */

static void link_is(struct story *s, uint64_t ms, uint32_t ifindex, const char *name, bool up)
{
	NEW(s, l, link, LINK, ms);

	l.link.ifindex = ifindex;
	l.link.ifi_flags = up;
	l.link.op = IKW_LINK_SET;
	strcpy(l.link.name, name);
	feed(s, &l);
}

/* The tunnel's address is the second uplink's. */
static void two_uplinks(struct story *s)
{
	NEW(s, a, addr, ADDR, 10);

	begin(s, ALL_SEES);
	link_is(s, 5, SECOND, "eth1", true);
	addr4(a.addr.addr, 1);
	a.addr.ifindex = SECOND;
	a.addr.op = IKW_ADDR_SET;
	feed(s, &a);
}

static void ike_on(struct story *s, uint64_t ms, char way, struct ike_spec spec, uint32_t ifindex)
{
	union ikw_event e = ike_made(s, ms, way, spec);

	e.ike.ifindex = ifindex;
	feed(s, &e);
}

static void established_on(struct story *s, uint64_t ms, uint32_t ifindex)
{
	ike_on(s, ms, '>', V2(0xa0, 34, 0, 300), ifindex);
	ike_on(s, ms + 5, '<', (struct ike_spec){ 0xa0, 2, 34, 0, 300, 9, AES_GCM }, ifindex);
	ike_on(s, ms + 10, '>', V2(0xa0, 35, 1, 300), ifindex);
	ike_on(s, ms + 30, '<', V2(0xa0, 35, 1, 208), ifindex);
	up(s, ms + 35, 0, DAEMON);
}

static void silent_on(struct story *s, uint64_t ms, uint32_t ifindex)
{
	uint64_t gap = 700;

	for (unsigned int i = 0; i < 4; i++, ms += gap, gap = gap * 3 / 2)
		ike_on(s, ms, '>', V2(0xa0, 37, 2, 57), ifindex);
}

static void route(struct story *s, uint64_t ms, uint32_t ifindex)
{
	NEW(s, r, route, ROUTE, ms);

	addr4(r.route.peer, 9);
	r.route.ifindex = ifindex;
	feed(s, &r);
}

static void way(struct story *s, uint64_t ms, unsigned char local, uint32_t ifindex)
{
	NEW(s, w, way, WAY, ms);

	addr4(w.way.peer, 9);
	addr4(w.way.local, local);
	w.way.ifindex = ifindex;
	feed(s, &w);
}

/* What is asked of the kernel without the mark that a rule looks at says the first. */
static void test_other_link_down(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int when = 0; when < 3; when++) {
		two_uplinks(&s);
		if (when == 0)
			route(&s, 9000, FIRST);
		established_on(&s, 10000, SECOND);
		if (when)
			route(&s, 10100, FIRST);
		if (when == 2) /* another address's way is none of this one's */
			way(&s, 10200, 7, FIRST);
		link_is(&s, 30000, FIRST, "eth0", false);
		silent_on(&s, 33000, SECOND);
		down(&s, 39000, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
		assert_int_equal(s.told[0].ifindex, SECOND);
	}
}

/* Nor is it told of when it loses its carrier. */
static void test_other_without_carrier(void **state)
{
	struct story s;
	NEW(&s, l, link, LINK, 30000);

	(void)state;
	two_uplinks(&s);
	established_on(&s, 10000, SECOND);
	l.link.ifindex = FIRST;
	l.link.ifi_flags = 1;
	l.link.op = IKW_LINK_SET;
	strcpy(l.link.name, "eth0");
	for (unsigned int running = 2; running-- > 0;) { /* 0x40: IFF_RUNNING */
		l.link.ifi_flags = running ? 0x41 : 1;
		feed(&s, &l);
		l.hdr.time += 1000000;
	}
	silent_on(&s, 33000, SECOND);
	down(&s, 39000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
	assert_null(strstr(s.told[0].facts, " no_carrier "));
}

/* Where the second is gone the first has to do: it is not what led there. */
static void test_own_link_down(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int other = 0; other < 2; other++) {
		two_uplinks(&s);
		established_on(&s, 10000, SECOND);
		link_is(&s, 30000, SECOND, "eth1", false);
		silent_on(&s, 33000, other ? FIRST : SECOND);
		down(&s, 39000, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_ADMIN_DOWN, IKW_CONFIDENCE_CERTAIN);
		assert_int_equal(s.told[0].ifindex, SECOND);
	}
}

/* The address is on no uplink: the kernel's answer, from that address, is all there is. */
static void test_way_from_address(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int first = 0; first < 2; first++) {
		begin(&s, ALL_SEES);
		link_is(&s, 5, SECOND, "eth1", true);
		link_is(&s, 6, 9, "dummy0", true);
		NEW(&s, a, addr, ADDR, 10);
		addr4(a.addr.addr, 1);
		a.addr.ifindex = 9;
		a.addr.op = IKW_ADDR_SET;
		feed(&s, &a);
		up(&s, 10000, 0, DAEMON);
		way(&s, 10010, 1, first ? FIRST : SECOND);
		link_is(&s, 30000, SECOND, "eth1", false);
		down(&s, 39000, 0, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason == IKW_REASON_ADMIN_DOWN, !first);
		assert_int_equal(s.told[0].ifindex, first ? FIRST : SECOND);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_link_down),
		cmocka_unit_test(test_other_without_carrier),
		cmocka_unit_test(test_own_link_down),
		cmocka_unit_test(test_way_from_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
