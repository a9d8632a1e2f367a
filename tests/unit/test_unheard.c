/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IKE over UDP ports where none is looked for: that none was seen says nothing. */
#include "tests/unit/story.h"

/* what netlink tells, and the packet programs */
#define NETLINK_SEES                                                                               \
	(IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT | IKW_SEES_SA | IKW_SEES_POLICY | IKW_SEES_LINK |      \
	 IKW_SEES_ESP | IKW_SEES_WIRE | IKW_SEES_PORTID)

#define OWN 14500

static void process(struct story *s, uint64_t ms, uint32_t tgid, uint8_t op)
{
	NEW(s, e, proc, PROC, ms);

	e.proc.op = op;
	e.proc.tgid = tgid;
	strcpy(e.proc.comm, tgid == DAEMON ? "iked" : "tool");
	feed(s, &e);
}

static void ports(struct story *s, uint64_t ms, uint16_t port)
{
	NEW(s, e, ports, PORTS, ms);

	e.ports.ike[0] = port;
	feed(s, &e);
}

/* One SA, encapsulated between these ports (ours, the peer's) where there are any. */
static void sa_between(struct story *s, uint64_t ms, struct sa_spec spec, uint8_t op, uint32_t by,
		       const uint16_t between[2])
{
	bool out = spec.dir == IKW_DIR_OUT;
	NEW(s, e, sa, SA, ms);

	e.sa.op = op;
	e.sa.cause = op == IKW_SA_DELETE ? IKW_CAUSE_CALL : 0;
	e.sa.spi = spec.spi;
	e.sa.reqid = spec.reqid;
	e.sa.proto = 50;
	e.sa.mode = 1;
	e.sa.family = 2;
	e.sa.by.tgid = by;
	e.sa.encap_type = between[0] ? 2 : 0;
	e.sa.encap_sport = between[!out];
	e.sa.encap_dport = between[out];
	addr4(out ? e.sa.saddr : e.sa.daddr, 1);
	addr4(out ? e.sa.daddr : e.sa.saddr, 9);
	feed(s, &e);
}

static void pair_between(struct story *s, uint64_t ms, uint8_t op, uint32_t by, uint16_t ours,
			 uint16_t theirs)
{
	const uint16_t between[2] = { ours, theirs };

	sa_between(s, ms, IN(0), op, by, between);
	sa_between(s, ms + 1, OUT(0), op, by, between);
}

/* The SAs say over which ports their IKE goes. */
static void test_encapsulated(void **state)
{
	static const struct {
		uint32_t sees, by;
		uint16_t ours, theirs;
		uint16_t named;	   /* a port that is watched, */
		uint64_t named_at; /* since then */
		enum ikw_reason reason;
	} rows[] = {
		{ NETLINK_SEES, 0, 0, 0, 0, 0, IKW_REASON_MANUAL },
		{ NETLINK_SEES, 0, 4500, OWN, 0, 0, IKW_REASON_MANUAL },
		{ NETLINK_SEES, 0, OWN, 4500, 0, 0, IKW_REASON_MANUAL },
		{ NETLINK_SEES, 0, OWN, OWN, OWN, 1, IKW_REASON_MANUAL },
		{ NETLINK_SEES, 0, OWN, OWN, 0, 0, IKW_REASON_UNKNOWN },
		{ NETLINK_SEES, 0, OWN, 61234, 600, 1, IKW_REASON_UNKNOWN },
		/* not from their beginning on */
		{ NETLINK_SEES, 0, OWN, OWN, OWN, 30000, IKW_REASON_UNKNOWN },
		{ ALL_SEES, OTHER, 4500, 4500, 0, 0, IKW_REASON_MANUAL },
		{ ALL_SEES, OTHER, OWN, OWN, 0, 0, IKW_REASON_UNKNOWN },
	};
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(&s, rows[i].sees);
		if (rows[i].named && rows[i].named_at < 10000)
			ports(&s, rows[i].named_at, rows[i].named);
		pair_between(&s, 10000, IKW_SA_ADD, rows[i].by, rows[i].ours, rows[i].theirs);
		if (rows[i].named_at > 10000)
			ports(&s, rows[i].named_at, rows[i].named);
		pair_between(&s, 60000, IKW_SA_DELETE, rows[i].by, rows[i].ours, rows[i].theirs);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason, rows[i].reason);
	}
}

/* Without encapsulation, who installed them: it listens where none is looked for. */
static void test_listens(void **state)
{
	static const struct {
		uint32_t sees;
		uint32_t listener; /* 0: nobody */
		uint32_t by;	   /* who installs and deletes; 0: not seen */
		bool by_hand;	   /* no SPI is reserved */
		enum ikw_reason reason;
	} rows[] = {
		{ NETLINK_SEES, 0, DAEMON, false, IKW_REASON_MANUAL },
		{ NETLINK_SEES, DAEMON, DAEMON, false, IKW_REASON_UNKNOWN },
		{ NETLINK_SEES, OTHER, DAEMON, false, IKW_REASON_MANUAL },
		/* it may be the one that did it */
		{ NETLINK_SEES, OTHER, 0, false, IKW_REASON_UNKNOWN },
		{ NETLINK_SEES, 0, 0, false, IKW_REASON_MANUAL },
		/* who makes SAs by hand may listen for something else, where that can be told */
		{ ALL_SEES, OTHER, OTHER, true, IKW_REASON_MANUAL },
		{ ALL_SEES & ~IKW_SEES_LARVAL, OTHER, OTHER, true, IKW_REASON_UNKNOWN },
		{ ALL_SEES, DAEMON, DAEMON, false, IKW_REASON_UNKNOWN },
	};
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(&s, rows[i].sees);
		if (rows[i].listener)
			process(&s, 1, rows[i].listener, IKW_PROC_UNHEARD);
		if (rows[i].sees & IKW_SEES_LARVAL && !rows[i].by_hand)
			sa_op(&s, 9990, IN(0), IKW_SA_LARVAL, 0, rows[i].by);
		pair_between(&s, 10000, IKW_SA_ADD, rows[i].by, 0, 0);
		pair_between(&s, 60000, IKW_SA_DELETE, rows[i].by, 0, 0);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason, rows[i].reason);
		assert_true(s.told[0].reason != IKW_REASON_UNKNOWN || !rows[i].listener ||
			    s.told[0].blind > 1); /* and says so */
	}
}

static void found(struct story *s, uint64_t ms, const struct sa_spec *sas, size_t count)
{
	NEW(s, dump, dump, DUMP, ms);

	dump.dump.op = IKW_DUMP_BEGIN;
	feed(s, &dump);
	for (size_t i = 0; i < count; i++)
		sa_op(s, ms, sas[i], IKW_SA_DUMP, 0, 0);
	dump.dump.op = IKW_DUMP_END;
	feed(s, &dump);
}

/* The agent came when the tunnel was there: who deletes it may be its daemon, or is none. */
static void test_found(void **state)
{
	static const struct {
		bool listens;
		enum ikw_reason reason;
	} rows[] = { { true, IKW_REASON_UNKNOWN }, { false, IKW_REASON_MANUAL } };
	const struct sa_spec sas[] = { IN(0), OUT(0) };
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(&s, ALL_SEES);
		found(&s, 10, sas, 2);
		if (rows[i].listens)
			process(&s, 20, OTHER, IKW_PROC_UNHEARD);
		down(&s, 60000, 0, IKW_CAUSE_CALL, OTHER);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason, rows[i].reason);
	}
}

/* IKE began on 500, and went on where it is not seen: nothing that was not seen was held back here.
 */
static void test_moved_on(void **state)
{
	struct story s;

	(void)state;
	for (int named = 0; named < 2; named++) {
		begin(&s, ALL_SEES);
		if (named)
			ports(&s, 1, OWN);
		ike(&s, 9000, '>', V2(0xa0, 34, 0, 300));
		ike(&s, 9005, '<', (struct ike_spec){ 0xa0, 2, 34, 0, 300, 9, AES_SHA256 });
		ike(&s, 9010, '>', V2(0xa0, 35, 1, 300));
		ike(&s, 9030, '<', V2(0xa0, 35, 1, 208));
		sa_op(&s, 9990, IN(0), IKW_SA_LARVAL, 0, DAEMON);
		pair_between(&s, 10000, IKW_SA_ADD, DAEMON, OWN, OWN);
		/* a rekey that is not answered */
		sa_op(&s, 50000, IN(1), IKW_SA_LARVAL, 0, DAEMON);
		pair_between(&s, 60000, IKW_SA_DELETE, DAEMON, OWN, OWN);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason,
				 named ? IKW_REASON_EXCHANGE_TIMEOUT : IKW_REASON_UNKNOWN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encapsulated),
		cmocka_unit_test(test_listens),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_moved_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
