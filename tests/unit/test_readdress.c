/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One of the two gets another address, and the SAs cannot follow (no MOBIKE): set up anew from
 * there. */
#include "tests/unit/story.h"

#define MOVED_TO 3 /* this host's other address */

static void own_address(struct story *s, uint64_t ms, uint8_t last, uint8_t op)
{
	NEW(s, addr, addr, ADDR, ms);

	addr4(addr.addr.addr, last);
	addr.addr.ifindex = 2;
	addr.addr.op = op;
	feed(s, &addr);
}

/* An IKE message between this host's address and the peer's, by their last bytes. */
static void ike_at(struct story *s, uint64_t ms, char way, struct ike_spec spec, uint8_t local)
{
	union ikw_event e = ike_made(s, ms, way, spec);

	addr4(e.ike.dir == IKW_DIR_OUT ? e.ike.saddr : e.ike.daddr, local);
	feed(s, &e);
}

static void sa_at(struct story *s, uint64_t ms, unsigned int n, uint8_t local, uint8_t peer,
		  bool in, uint8_t op)
{
	struct sa_spec spec = in ? IN(n) : OUT(n);
	NEW(s, e, sa, SA, ms);

	e.sa.op = op;
	e.sa.spi = spec.spi;
	e.sa.reqid = 1;
	e.sa.proto = 50;
	e.sa.mode = 1;
	e.sa.family = 2;
	e.sa.by.tgid = DAEMON;
	strcpy(e.sa.by.comm, "iked");
	addr4(in ? e.sa.saddr : e.sa.daddr, peer);
	addr4(in ? e.sa.daddr : e.sa.saddr, local);
	feed(s, &e);
}

static void up_at(struct story *s, uint64_t ms, unsigned int n, uint8_t local, uint8_t peer)
{
	sa_at(s, ms, n, local, peer, true, IKW_SA_LARVAL);
	sa_at(s, ms + 1, n, local, peer, true, IKW_SA_ADD);
	sa_at(s, ms + 2, n, local, peer, false, IKW_SA_ADD);
	policy_op(s, ms + 3, IKW_POLICY_INSERT, local, peer);
}

static void begun(struct story *s)
{
	begin(s, ALL_SEES);
	own_address(s, 1, MOVED_TO, IKW_ADDR_SET);
	establish(s, 10000, 0xa0, 0, AES_SHA256);
	policy_op(s, 10050, IKW_POLICY_INSERT, 1, 9);
}

/* The daemon deletes the old IKE_SA from its new address, and begins anew. */
static void we_move(struct story *s, uint64_t ms)
{
	ike_at(s, ms, '>', V2(0xa0, 37, 2, 80), MOVED_TO);
	ike_at(s, ms + 10, '<', V2(0xa0, 37, 2, 80), MOVED_TO);
	ike_at(s, ms + 20, '>', V2(0xb0, 34, 0, 300), MOVED_TO);
	down(s, ms + 25, 0, IKW_CAUSE_CALL, DAEMON);
	ike_at(s, ms + 40, '<', V2(0xb0, 34, 0, 300), MOVED_TO);
	ike_at(s, ms + 50, '>', V2(0xb0, 35, 1, 300), MOVED_TO);
	ike_at(s, ms + 70, '<', V2(0xb0, 35, 1, 208), MOVED_TO);
	up_at(s, ms + 75, 1, MOVED_TO, 9);
}

/* Whether it lost its address tells a move from a reauthentication over another way. */
static void test_we_move(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int gone = 0; gone < 2; gone++) {
		begun(&s);
		if (gone)
			own_address(&s, 19000, 1, IKW_ADDR_GONE);
		we_move(&s, 20000);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_true(s.told[0].tunnel_up);
		assert_int_equal(s.told[0].reason == IKW_REASON_PEER_ADDRESS_SWITCH, gone);
		if (gone)
			assert_string_equal(s.told[0].rule, "own_address_moved");
	}
}

static void link_is(struct story *s, uint64_t ms, uint32_t ifindex, const char *name, uint8_t op,
		    bool up)
{
	NEW(s, link, link, LINK, ms);

	link.link.ifindex = ifindex;
	link.link.ifi_flags = up;
	link.link.op = op;
	strcpy(link.link.name, name);
	feed(s, &link);
}

/*
 * A line that is dialled anew: its interface goes and comes back with another
 * address. The way over another interface is no such thing.
 */
static void test_dialled_anew(void **state)
{
	static const char *const names[] = { "eth0", "eth1" };
	struct story s;

	(void)state;
	for (unsigned int other = 0; other < 2; other++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_SHA256);
		policy_op(&s, 10050, IKW_POLICY_INSERT, 1, 9);
		link_is(&s, 19300, 2, "eth0", IKW_LINK_SET, false);
		own_address(&s, 19301, 1, IKW_ADDR_GONE);
		link_is(&s, 19302, 2, "eth0", IKW_LINK_GONE, false);
		link_is(&s, 19500, 7, names[other], IKW_LINK_SET, true);
		NEW(&s, addr, addr, ADDR, 19501);
		addr4(addr.addr.addr, MOVED_TO);
		addr.addr.ifindex = 7;
		addr.addr.op = IKW_ADDR_SET;
		feed(&s, &addr);
		we_move(&s, 20000);
		expect_one(&s,
			   other ? IKW_REASON_INTERFACE_REMOVED : IKW_REASON_PEER_ADDRESS_SWITCH,
			   other ? IKW_CONFIDENCE_CERTAIN : IKW_CONFIDENCE_LIKELY);
		assert_non_null(strstr(s.told[0].facts, " interface_gone "));
		assert_int_equal(!!strstr(s.told[0].facts, " own_address_gone "), !other);
		assert_true(s.told[0].tunnel_up);
	}
}

/*
 * It goes every so often, when the line is dialled anew: as old as the IKE_SA before
 * was, and yet it is not its life that is over.
 */
static void test_we_move_each_day(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int gone = 0; gone < 2; gone++) {
		begun(&s);
		ike(&s, 40000, '>', V2(0xa0, 37, 2, 80));
		ike(&s, 40010, '<', V2(0xa0, 37, 2, 80));
		down(&s, 40020, 0, IKW_CAUSE_CALL, DAEMON);
		establish(&s, 50000, 0xc0, 0, AES_SHA256);
		if (gone)
			own_address(&s, 79000, 1, IKW_ADDR_GONE);
		ike_at(&s, 80000, '>', V2(0xc0, 37, 2, 80), gone ? MOVED_TO : 1);
		ike_at(&s, 80010, '<', V2(0xc0, 37, 2, 80), gone ? MOVED_TO : 1);
		down(&s, 80020, 0, IKW_CAUSE_CALL, DAEMON);
		if (gone)
			up_at(&s, 80500, 1, MOVED_TO, 9);
		end(&s);
		assert_int_equal(s.count, 2);
		assert_int_equal(s.told[1].reason, gone ? IKW_REASON_PEER_ADDRESS_SWITCH
							: IKW_REASON_PHASE1_HARD_EXPIRY);
	}
}

/* Nothing follows: the tunnel is gone because the address is; back in time it is no cause. */
static void test_address_lost(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int back = 0; back < 2; back++) {
		begun(&s);
		own_address(&s, 20000, 1, IKW_ADDR_GONE);
		if (back)
			own_address(&s, 20500, 1, IKW_ADDR_SET);
		down(&s, 40000, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, back ? IKW_REASON_UNKNOWN : IKW_REASON_PEER_ADDRESS_SWITCH,
			   back ? IKW_CONFIDENCE_NONE : IKW_CONFIDENCE_POSSIBLE);
		assert_int_equal(!!strstr(s.told[0].facts, " own_address_gone "), !back);
	}
}

/* The peer was silent long before this host lost its address. */
static void test_silent_before(void **state)
{
	struct story s;

	(void)state;
	begun(&s);
	silence(&s, 20000, V2(0xa0, 37, 2, 57), 4);
	own_address(&s, 23000, 1, IKW_ADDR_GONE);
	down(&s, 26000, 0, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.told[0].reason, IKW_REASON_DPD_TIMEOUT);
}

/* A BFD session or VRRP router of this host: `code` as it announces itself. */
static void announces(struct story *s, uint64_t ms, enum ikw_wire_kind kind, uint16_t code)
{
	NEW(s, w, wire, WIRE, ms);

	w.wire.kind = (uint8_t)kind;
	w.wire.dir = IKW_DIR_OUT;
	w.wire.code = code;
	w.wire.id = 5;
	addr4(w.wire.saddr, 1);
	addr4(w.wire.daddr, 2);
	feed(s, &w);
}

/* The address goes as a VRRP router resigns, which takes it along, or as a BFD session goes down.
 */
static void test_tracked(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int bfd = 0; bfd < 2; bfd++) {
		enum ikw_wire_kind kind = bfd ? IKW_WIRE_BFD : IKW_WIRE_VRRP;

		begun(&s);
		announces(&s, 15000, kind, bfd ? 3 : 100);
		announces(&s, 16000, kind, bfd ? 3 : 100);
		announces(&s, 17900, kind, bfd ? 1 : 0);
		own_address(&s, 18000, 1, IKW_ADDR_GONE);
		down(&s, 26000, 0, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_string_equal(s.told[0].rule, "address_tracked");
		assert_int_equal(s.told[0].confidence,
				 bfd ? IKW_CONFIDENCE_POSSIBLE : IKW_CONFIDENCE_LIKELY);
	}
}

#define ELSEWHERE(exchange, id, length)                                                            \
	((struct ike_spec){ 0xb0, 2, exchange, id, length, 8, 0, 0, 0 })

/* It is there again as the daemon gives up, but was not when the daemon began what never left. */
static void test_address_back(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int how = 0; how < 3; how++) {
		begun(&s);
		for (uint32_t k = 2; k < 4; k++) {
			sa_op(&s, 10990 + k * 2000, IN(0), IKW_SA_ASKED, 0, DAEMON);
			ike(&s, 11000 + k * 2000, '>', V2(0xa0, 37, k, 80));
			ike(&s, 11010 + k * 2000, '<', V2(0xa0, 37, k, 80));
		}
		own_address(&s, 18000, 1, IKW_ADDR_GONE);
		if (how == 1)
			own_address(&s, 18500, 1, IKW_ADDR_SET);
		sa_op(&s, 18990, IN(0), IKW_SA_ASKED, 0, DAEMON);
		own_address(&s, 24000, 1, IKW_ADDR_SET);
		if (how == 2) { /* the peer is there */
			ike(&s, 24100, '<', V2(0xa0, 37, 0, 80));
			ike(&s, 24110, '>', V2(0xa0, 37, 0, 80));
		}
		down(&s, 28000, 0, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(!strcmp(s.told[0].rule, "own_address_lost"), how == 0);
	}
}

/* The peer deletes it from its new address and comes back from there; or stays where it was. */
static void test_peer_moves(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int back = 0; back < 2; back++) {
		const struct ike_spec gone = { 0xa0, 2, 37, 0, 80, back ? 8 : 9, 0, 0, 0 };

		begun(&s);
		ike(&s, 20000, 'r', gone);
		ike(&s, 20010, 'a', gone);
		down(&s, 20020, 0, IKW_CAUSE_CALL, DAEMON);
		ike(&s, 20100, 'r', ELSEWHERE(34, 0, 300));
		ike(&s, 20110, 'a', ELSEWHERE(34, 0, 300));
		ike(&s, 20120, 'r', ELSEWHERE(35, 1, 300));
		up_at(&s, 20130, 1, 1, 8);
		ike(&s, 20140, 'a', ELSEWHERE(35, 1, 208));
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason,
				 back ? IKW_REASON_PEER_ADDRESS_SWITCH : IKW_REASON_PEER_REQUEST);
	}
}

static void sa_moves(struct story *s, uint64_t ms, uint32_t tgid, uint8_t op, uint8_t peer,
		     uint32_t reqid)
{
	for (unsigned int in = 0; in < 2; in++) {
		struct sa_spec spec = in ? IN(0) : OUT(0);

		spec.peer = peer;
		spec.reqid = reqid;
		sa_op(s, ms + in, spec, op, IKW_CAUSE_CALL, tgid);
	}
}

/* MOBIKE where the selectors are the outer addresses: with them the reqid is another. */
static void test_moves_with_selectors(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int own = 0; own < 2; own++) {
		begun(&s);
		ike(&s, 20000, 'r', V2(0xa0, 37, 2, 208));
		sa_moves(&s, 20100, DAEMON, IKW_SA_DELETE, 9, 1);
		sa_moves(&s, 20110, own ? DAEMON : OTHER, IKW_SA_ADD, 8, 2);
		ike(&s, 20120, 'a', V2(0xa0, 37, 2, 160));
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason == IKW_REASON_PEER_ADDRESS_SWITCH, own);
		assert_int_equal(s.told[0].tunnel_up, own);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_we_move),	     cmocka_unit_test(test_we_move_each_day),
		cmocka_unit_test(test_dialled_anew), cmocka_unit_test(test_moves_with_selectors),
		cmocka_unit_test(test_address_lost), cmocka_unit_test(test_silent_before),
		cmocka_unit_test(test_tracked),	     cmocka_unit_test(test_address_back),
		cmocka_unit_test(test_peer_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
