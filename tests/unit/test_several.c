/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Several CHILD_SAs of one IKE_SA, or IKE_SAs of one flow, and what becomes of each. */
#include "tests/unit/story.h"

#define SA_IN(n, reqid)	 ((struct sa_spec){ 0x1000 + (n), reqid, IKW_DIR_IN, 9, 0, 0, false })
#define SA_OUT(n, reqid) ((struct sa_spec){ 0x2000 + (n), reqid, IKW_DIR_OUT, 9, 0, 0, false })

static void policy(struct story *s, uint64_t ms, uint8_t op, uint32_t reqid, uint8_t net)
{
	NEW(s, e, policy, POLICY, ms);

	e.policy.op = op;
	e.policy.dir = IKW_DIR_OUT;
	e.policy.tmpl_count = 1;
	e.policy.tmpl_proto = 50;
	e.policy.tmpl_reqid = reqid;
	e.policy.index = 70U + net;
	e.policy.sel.family = 2;
	e.policy.sel.prefixlen_s = e.policy.sel.prefixlen_d = 16;
	addr4(e.policy.tmpl_saddr, 1);
	addr4(e.policy.tmpl_daddr, 9);
	addr4(e.policy.sel.saddr, 0);
	addr4(e.policy.sel.daddr, 0);
	e.policy.sel.daddr[12] = 10;
	e.policy.sel.daddr[13] = net;
	e.policy.sel.daddr[14] = 0;
	feed(s, &e);
}

/* The CHILD_SA of the flow to 10.NET.0.0, as the SAD and the SPD show it. */
static void installed(struct story *s, uint64_t ms, unsigned int n, uint32_t reqid, uint8_t net)
{
	sa_op(s, ms, SA_IN(n, reqid), IKW_SA_ADD, 0, DAEMON);
	sa_op(s, ms + 5, SA_OUT(n, reqid), IKW_SA_ADD, 0, DAEMON);
	policy(s, ms + 10, IKW_POLICY_INSERT, reqid, net);
}

static void removed(struct story *s, uint64_t ms, unsigned int n, uint32_t reqid, uint8_t net)
{
	policy(s, ms, IKW_POLICY_KILL, reqid, net);
	sa_op(s, ms + 5, SA_IN(n, reqid), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(s, ms + 10, SA_OUT(n, reqid), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
}

static void ike_sa(struct story *s, uint64_t ms, uint64_t spi, unsigned int n, uint32_t reqid,
		   uint8_t net)
{
	ike(s, ms + 5, '<', (struct ike_spec){ spi, 2, 34, 0, 300, 9, AES_GCM });
	sa_op(s, ms + 8, SA_IN(n, 0), IKW_SA_LARVAL, 0, DAEMON);
	ike(s, ms + 10, '>', V2(spi, 35, 1, 300));
	ike(s, ms + 30, '<', V2(spi, 35, 1, 208));
	installed(s, ms + 35, n, reqid, net);
}

/* Two flows under one IKE_SA, which is deleted to be authenticated anew; the first is back. */
static void reauthenticated(struct story *s, uint32_t first_reqid)
{
	begin(s, ALL_SEES);
	ike(s, 10000, '>', V2(0xa0, 34, 0, 300));
	ike_sa(s, 10000, 0xa0, 0, 1, 2);
	ike(s, 11000, '>', V2(0xa0, 36, 2, 200));
	sa_op(s, 10995, SA_IN(1, 0), IKW_SA_LARVAL, 0, DAEMON);
	ike(s, 11010, '<', V2(0xa0, 36, 2, 200));
	installed(s, 11015, 1, 2, 3);
	ike(s, 60000, '>', V2(0xa0, 37, 3, 65));
	ike(s, 60010, '<', V2(0xa0, 37, 3, 57));
	ike(s, 60020, '>', V2(0xb0, 34, 0, 300));
	removed(s, 60030, 1, 2, 3);
	removed(s, 60050, 0, 1, 2);
	ike_sa(s, 60100, 0xb0, 2, first_reqid, 2);
	sa_op(s, 60195, SA_IN(3, 0), IKW_SA_LARVAL, 0, DAEMON);
	ike(s, 60200, '>', V2(0xb0, 36, 2, 200));
}

/* charon 5.9.8 gives both the reqid that one of them had. */
static void test_reqids_mixed_up(void **state)
{
	struct story s;

	(void)state;
	for (uint32_t reqid = 1; reqid <= 2; reqid++) {
		reauthenticated(&s, reqid);
		ike(&s, 60250, '<', V2(0xb0, 36, 2, 200));
		installed(&s, 60255, 3, 2, 3);
		end(&s);
		assert_int_equal(s.count, 2);
		for (unsigned int i = 0; i < 2; i++) {
			assert_int_equal(s.told[i].reason, IKW_REASON_PHASE1_REPLACE);
			assert_int_equal(s.told[i].confidence, IKW_CONFIDENCE_CERTAIN);
			assert_true(s.told[i].tunnel_up);
		}
		assert_string_not_equal(s.told[0].inside, s.told[1].inside);
	}
}

/* The peer refuses one of the two, whose reqid the other one may have by now. */
static void test_one_refused(void **state)
{
	struct story s;

	(void)state;
	for (uint32_t reqid = 1; reqid <= 2; reqid++) {
		reauthenticated(&s, reqid);
		ike(&s, 60250, '<', V2(0xb0, 36, 2, 65));
		sa_op(&s, 60255, SA_IN(3, 0), IKW_SA_LARVAL_GONE, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 2);
		for (unsigned int i = 0; i < 2; i++) {
			bool first = !strcmp(s.told[i].inside, "10.2.0.0");

			assert_int_equal(s.told[i].reason, first ? IKW_REASON_PHASE1_REPLACE
								 : IKW_REASON_REAUTH_TIMEOUT);
			assert_int_equal(s.told[i].tunnel_up, first);
		}
		assert_string_not_equal(s.told[0].inside, s.told[1].inside);
	}
}

/*
 * A peer that restarted sets the flow up anew without INITIAL_CONTACT: the old IKE_SA is kept
 * for a while (strongSwan: 10 s), for the peer may delete it, and its Delete is not answered.
 */
static void test_kept_for_a_while(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int aead = 0; aead < 2; aead++) {
		uint32_t length = aead ? 65 : 80;

		begin(&s, ALL_SEES);
		if (aead)
			establish(&s, 10000, 0xa0, 0, AES_GCM);
		else
			establish(&s, 10000, 0xa0, 0, AES_SHA256);
		ike(&s, 50000, 'r', V2(0xb0, 34, 0, 300));
		ike(&s, 50010, 'a', V2(0xb0, 34, 0, 300));
		ike(&s, 50020, 'r', V2(0xb0, 35, 1, 300));
		up(&s, 50030, 1, DAEMON);
		ike(&s, 50040, 'a', V2(0xb0, 35, 1, 208));
		silence(&s, 60050, V2(0xa0, 37, 2, length), 4);
		down(&s, 66000, 0, IKW_CAUSE_CALL, DAEMON);
		/* a daemon that was never seen to check anything may have begun to */
		if (aead)
			expect_one(&s, IKW_REASON_KICK_OLD_SA, IKW_CONFIDENCE_LIKELY);
		else
			expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_POSSIBLE);
		assert_true(s.told[0].tunnel_up);
	}
}

/* The policy to the inner address 10.9.0.HOST of the client at .PEER. */
static void policy_host(struct story *s, uint64_t ms, uint8_t peer, uint32_t reqid, uint8_t host)
{
	NEW(s, e, policy, POLICY, ms);

	e.policy.op = IKW_POLICY_INSERT;
	e.policy.dir = IKW_DIR_OUT;
	e.policy.tmpl_count = 1;
	e.policy.tmpl_proto = 50;
	e.policy.tmpl_reqid = reqid;
	e.policy.index = 70U + host;
	e.policy.sel.family = 2;
	e.policy.sel.prefixlen_s = 16;
	e.policy.sel.prefixlen_d = 32;
	addr4(e.policy.tmpl_saddr, 1);
	addr4(e.policy.tmpl_daddr, peer);
	addr4(e.policy.sel.saddr, 0);
	addr4(e.policy.sel.daddr, host);
	feed(s, &e);
}

/*
 * A client comes from another address, without INITIAL_CONTACT, and is given another inner
 * one: its old IKE_SA is told to go while its IKE_AUTH is answered. Near miss: a check that
 * begins a moment later is none of that.
 */
static void test_from_elsewhere(void **state)
{
	const struct ike_spec init = { 0xb0, 2, 34, 0, 300, 8, AES_SHA256 };
	const struct ike_spec auth = { 0xb0, 2, 35, 1, 300, 8, 0, 0, 0 };
	struct sa_spec in = SA_IN(1, 2), out = SA_OUT(1, 2);
	struct story s;

	(void)state;
	in.peer = out.peer = 8;
	for (unsigned int miss = 0; miss < 2; miss++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_SHA256);
		policy_host(&s, 10050, 9, 1, 2);
		ike(&s, 50000, 'r', init);
		ike(&s, 50010, 'a', init);
		ike(&s, 50020, 'r', auth);
		if (!miss)
			ike(&s, 50030, '>', V2(0xa0, 37, 2, 80));
		sa_op(&s, 50040, in, IKW_SA_LARVAL, 0, DAEMON);
		sa_op(&s, 50041, in, IKW_SA_ADD, 0, DAEMON);
		sa_op(&s, 50042, out, IKW_SA_ADD, 0, DAEMON);
		policy_host(&s, 50045, 8, 2, 3);
		ike(&s, 50050, 'a', auth);
		if (miss)
			ike(&s, 50300, '>', V2(0xa0, 37, 2, 80));
		silence(&s, 51000, V2(0xa0, 37, 2, 80), 2);
		down(&s, 54000, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, miss ? IKW_REASON_DPD_TIMEOUT : IKW_REASON_KICK_OLD_SA,
			   IKW_CONFIDENCE_LIKELY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reqids_mixed_up),
		cmocka_unit_test(test_one_refused),
		cmocka_unit_test(test_kept_for_a_while),
		cmocka_unit_test(test_from_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
