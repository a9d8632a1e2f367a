/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SAs whose selectors are not those of the SAs they replace, or share a reqid with. */
#include "tests/unit/story.h"

/* The outbound policy of the flow from 192.0.0.0/16 to 10.NET.0.0 of that many bits. */
static void policy_to(struct story *s, uint64_t ms, uint8_t net, uint8_t host, uint8_t bits)
{
	NEW(s, e, policy, POLICY, ms);

	e.policy.op = IKW_POLICY_INSERT;
	e.policy.dir = IKW_DIR_OUT;
	e.policy.tmpl_count = 1;
	e.policy.tmpl_proto = 50;
	e.policy.tmpl_reqid = 1;
	e.policy.index = 70U + net;
	e.policy.sel.family = 2;
	e.policy.sel.prefixlen_s = 16;
	e.policy.sel.prefixlen_d = bits;
	addr4(e.policy.tmpl_saddr, 1);
	addr4(e.policy.tmpl_daddr, 9);
	addr4(e.policy.sel.saddr, 0);
	addr4(e.policy.sel.daddr, 0);
	e.policy.sel.daddr[12] = 10;
	e.policy.sel.daddr[13] = net;
	e.policy.sel.daddr[14] = host;
	feed(s, &e);
}

/* A further CHILD_SA under the IKE_SA, that we ask for. */
static void child(struct story *s, uint64_t ms, uint32_t id, unsigned int n)
{
	ike(s, ms, '>', V2(0xa0, 36, id, 200));
	sa_op(s, ms + 5, IN(n), IKW_SA_LARVAL, 0, DAEMON);
	ike(s, ms + 10, '<', V2(0xa0, 36, id, 200));
	sa_op(s, ms + 15, IN(n), IKW_SA_ADD, 0, DAEMON);
	sa_op(s, ms + 16, OUT(n), IKW_SA_ADD, 0, DAEMON);
}

static void peer_deletes(struct story *s, uint64_t ms, unsigned int n)
{
	ike(s, ms, 'r', V2(0xa0, 37, 0, 69));
	down(s, ms + 10, n, IKW_CAUSE_CALL, DAEMON);
	ike(s, ms + 20, 'a', V2(0xa0, 37, 0, 69));
}

/* What replaces it is narrower: the alarm is of what it was. */
static void test_narrowed(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	policy_to(&s, 10050, 2, 0, 16);
	child(&s, 50000, 2, 1);
	policy_to(&s, 50020, 2, 128, 17);
	ike(&s, 50030, '>', V2(0xa0, 37, 3, 69));
	ike(&s, 50040, '<', V2(0xa0, 37, 3, 69));
	down(&s, 50050, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PHASE2_REPLACE, IKW_CONFIDENCE_CERTAIN);
	assert_string_equal(s.told[0].inside, "10.2.0.0");
	assert_true(s.told[0].tunnel_up);
}

/*
 * A policy that waits for traffic, of which the peer grants a slice at a time: all
 * with its reqid. One that ends is not replaced by another, nor carried on by it.
 */
static void test_slices(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int first = 0; first < 2; first++) {
		begin(&s, ALL_SEES);
		policy_to(&s, 9000, 2, 0, 15);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		policy_to(&s, 10050, 2, 0, 16);
		child(&s, 50000, 2, 1);
		policy_to(&s, 50020, 3, 0, 16);
		peer_deletes(&s, 55000, !first);
		expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
		assert_string_equal(s.told[0].inside, first ? "10.2.0.0" : "10.3.0.0");
		assert_false(s.told[0].tunnel_up);
	}
}

/* Where one CHILD_SA has several selectors its flow is one of them: it tells nothing of another's.
 */
static void test_several(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	policy_to(&s, 10050, 2, 0, 16);
	policy_to(&s, 10051, 3, 0, 16);
	child(&s, 50000, 2, 1);
	policy_to(&s, 50020, 2, 0, 16);
	ike(&s, 50030, '>', V2(0xa0, 37, 3, 69));
	ike(&s, 50040, '<', V2(0xa0, 37, 3, 69));
	down(&s, 50050, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PHASE2_REPLACE, IKW_CONFIDENCE_CERTAIN);
	assert_true(s.told[0].tunnel_up);
}

/* Two CHILD_SAs of one flow, both asked for by us: the older is deleted by the peer. */
static void test_side_by_side(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int late = 0; late < 2; late++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		policy_to(&s, 10050, 2, 0, 16);
		child(&s, 50000, 2, 1);
		policy_to(&s, 50020, 2, 0, 16);
		peer_deletes(&s, late ? 70000 : 51000, 0);
		expect_one(&s, late ? IKW_REASON_PEER_REQUEST : IKW_REASON_PHASE2_REPLACE,
			   IKW_CONFIDENCE_CERTAIN);
		assert_true(s.told[0].tunnel_up);
	}
}

/* Both ends ask for the same at once, and the peer ends one of the two later. */
static void test_both_ask(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int late = 0; late < 2; late++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 7, AES_GCM);
		policy_to(&s, 10050, 2, 0, 16);
		child(&s, 50000, 2, 0);
		ike(&s, 50002, 'r', V2(0xa0, 36, 0, 200));
		sa_op(&s, 50105, IN(1), IKW_SA_LARVAL, 0, DAEMON);
		sa_op(&s, 50115, IN(1), IKW_SA_ADD, 0, DAEMON);
		sa_op(&s, 50116, OUT(1), IKW_SA_ADD, 0, DAEMON);
		ike(&s, 50120, 'a', V2(0xa0, 36, 0, 200));
		ike(&s, late ? 70000 : 50200, 'r', V2(0xa0, 37, 1, 69));
		down(&s, late ? 70010 : 50210, 0, IKW_CAUSE_CALL, DAEMON);
		ike(&s, late ? 70020 : 50220, 'a', V2(0xa0, 37, 1, 69));
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason,
				 late ? IKW_REASON_PEER_REQUEST : IKW_REASON_PHASE2_REPLACE);
	}
}

/* Of two that the peer asked for it may have replaced one with the other; unless both go. */
static void test_both_go(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int both = 0; both < 2; both++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		policy_to(&s, 10050, 2, 0, 16);
		ike(&s, 50000, 'r', V2(0xa0, 36, 0, 200));
		sa_op(&s, 50005, IN(1), IKW_SA_LARVAL, 0, DAEMON);
		sa_op(&s, 50015, IN(1), IKW_SA_ADD, 0, DAEMON);
		sa_op(&s, 50016, OUT(1), IKW_SA_ADD, 0, DAEMON);
		ike(&s, 50020, 'a', V2(0xa0, 36, 0, 200));
		ike(&s, 70000, 'r', V2(0xa0, 37, 1, both ? 65 : 69));
		ike(&s, 70005, 'a', V2(0xa0, 37, 1, both ? 57 : 69));
		down(&s, 70010, 0, IKW_CAUSE_CALL, DAEMON);
		if (both)
			down(&s, 70020, 1, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 1 + both);
		for (unsigned int k = 0; k < s.count; k++) {
			assert_int_equal(s.told[k].reason, both ? IKW_REASON_PEER_REQUEST
								: IKW_REASON_PHASE2_REPLACE);
			assert_int_equal(s.told[k].tunnel_up, !both);
		}
	}
}

/* The outbound policy to what the peer was given. */
static void policy_given(struct story *s, uint64_t ms, uint32_t reqid, uint8_t host, uint8_t bits)
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
	e.policy.sel.prefixlen_d = bits;
	addr4(e.policy.tmpl_saddr, 1);
	addr4(e.policy.tmpl_daddr, 9);
	addr4(e.policy.sel.daddr, host);
	feed(s, &e);
}

/* The peer sets its tunnel up, under an IKE_SA of its own. */
static void comes(struct story *s, uint64_t ms, uint64_t spi, unsigned int n, uint32_t reqid,
		  uint8_t host, uint8_t bits)
{
	struct sa_spec in = IN(n), out = OUT(n);

	in.reqid = out.reqid = reqid;
	ike(s, ms, 'r', V2(spi, 34, 0, 300));
	ike(s, ms + 5, 'a', (struct ike_spec){ spi, 2, 34, 0, 300, 9, AES_GCM });
	ike(s, ms + 10, 'r', V2(spi, 35, 1, 300));
	sa_op(s, ms + 15, in, IKW_SA_LARVAL, 0, DAEMON);
	sa_op(s, ms + 16, in, IKW_SA_ADD, 0, DAEMON);
	sa_op(s, ms + 17, out, IKW_SA_ADD, 0, DAEMON);
	policy_given(s, ms + 18, reqid, host, bits);
	ike(s, ms + 30, 'a', V2(spi, 35, 1, 208));
}

static void leaves(struct story *s, uint64_t ms)
{
	ike(s, ms, 'r', V2(0xa0, 37, 2, 65));
	down(s, ms + 10, 0, IKW_CAUSE_CALL, DAEMON);
	ike(s, ms + 20, 'a', V2(0xa0, 37, 2, 57));
}

/* A client authenticates anew and is given another address, or less, or more; or comes back much
 * later. */
static void test_addressed_anew(void **state)
{
	static const struct {
		uint64_t comes;
		uint8_t bits; /* of what it had, and has then */
		uint8_t to;
		uint8_t reqid; /* of the new one */
		bool reauth;
	} ways[] = { { 49900, 32, 32, 2, true },  { 50050, 32, 32, 2, true },
		     { 50050, 32, 32, 1, true },  { 40000, 32, 32, 2, false },
		     { 58000, 32, 32, 2, false }, { 58000, 32, 32, 1, false },
		     { 49900, 16, 17, 2, true },  { 50050, 16, 8, 2, true },
		     { 50050, 31, 31, 2, false } };
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		begin(&s, ALL_SEES);
		comes(&s, 10000, 0xa0, 0, 1, 101, ways[i].bits);
		if (ways[i].comes < 50000)
			comes(&s, ways[i].comes, 0xb0, 1, ways[i].reqid, 102, ways[i].to);
		leaves(&s, 50000);
		if (ways[i].comes > 50000)
			comes(&s, ways[i].comes, 0xb0, 1, ways[i].reqid, 102, ways[i].to);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason, ways[i].reauth ? IKW_REASON_PHASE1_REPLACE
								  : IKW_REASON_PEER_REQUEST);
		assert_string_equal(s.told[0].inside, "192.0.2.101");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_narrowed),       cmocka_unit_test(test_slices),
		cmocka_unit_test(test_several),	       cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_both_go),	       cmocka_unit_test(test_both_ask),
		cmocka_unit_test(test_addressed_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
