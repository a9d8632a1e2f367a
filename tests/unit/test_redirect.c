/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A gateway sends its client to another one (RFC 5685): the client's side, and the gateway's. */
#include "tests/unit/story.h"

static const char redirect[] = "swanctl\0--redirect\0--peer-ip\0gw";
static const char whack[] = "/usr/libexec/ipsec/whack\0--name\0gw\0--redirect-to\0"
			    "198.51.100.2";

#define ELSEWHERE(exchange, id, length)                                                            \
	((struct ike_spec){ 0xb0, 2, exchange, id, length, 8, 0, 0, 0 })

/* An IKE_SA of ours with the peer .8, begun at ms; its SAs are there 80 ms later. */
static void elsewhere(struct story *s, uint64_t ms)
{
	struct sa_spec in = IN(1), out = OUT(1);

	in.peer = out.peer = 8;
	ike(s, ms + 40, '<', ELSEWHERE(34, 0, 300));
	ike(s, ms + 45, '>', ELSEWHERE(35, 1, 300));
	ike(s, ms + 70, '<', ELSEWHERE(35, 1, 208));
	policy_op(s, ms + 75, IKW_POLICY_INSERT, 1, 8);
	sa_op(s, ms + 77, in, IKW_SA_LARVAL, 0, DAEMON);
	sa_op(s, ms + 78, in, IKW_SA_ADD, 0, DAEMON);
	sa_op(s, ms + 79, out, IKW_SA_ADD, 0, DAEMON);
}

static void begun(struct story *s)
{
	begin(s, ALL_SEES);
	establish(s, 10000, 0xa0, 0, AES_SHA256);
	policy_op(s, 10050, IKW_POLICY_INSERT, 1, 9);
}

/* The client begins elsewhere while it answers, and leaves when that is there. */
static void test_sent_away(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int answered = 0; answered < 2; answered++) {
		begun(&s);
		ike(&s, 20000, 'r', V2(0xa0, 37, 0, 80));
		ike(&s, 20002, '>', ELSEWHERE(34, 0, 300));
		ike(&s, 20020, 'a', V2(0xa0, 37, 0, 80));
		elsewhere(&s, 20002);
		if (answered) {
			ike(&s, 20085, '>', V2(0xa0, 37, 2, 80));
			ike(&s, 20090, '<', V2(0xa0, 37, 2, 80));
			down(&s, 20092, 0, IKW_CAUSE_CALL, DAEMON);
		} else { /* the old gateway is gone by then */
			silence(&s, 20085, V2(0xa0, 37, 2, 80), 4);
			down(&s, 26000, 0, IKW_CAUSE_CALL, DAEMON);
		}
		expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_LIKELY);
		assert_string_equal(s.told[0].rule, "sent_away");
		assert_true(s.told[0].tunnel_up);
	}
}

/* Or it leaves first. */
static void test_sent_away_after(void **state)
{
	struct story s;

	(void)state;
	begun(&s);
	ike(&s, 20000, 'r', V2(0xa0, 37, 0, 80));
	ike(&s, 20004, 'a', V2(0xa0, 37, 0, 80));
	ike(&s, 20010, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 20014, '<', V2(0xa0, 37, 2, 80));
	down(&s, 20050, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 20080, '>', ELSEWHERE(34, 0, 300));
	elsewhere(&s, 20080);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_LIKELY);
	assert_string_equal(s.told[0].rule, "sent_away");
}

/* It goes elsewhere by itself: nothing of the peer's came at that time, or nothing was in it. */
static void test_went_by_itself(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int checked = 0; checked < 2; checked++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		policy_op(&s, 10050, IKW_POLICY_INSERT, 1, 9);
		ike(&s, checked ? 20000 : 15000, 'r', V2(0xa0, 37, 0, checked ? 57 : 71));
		ike(&s, 20002, '>', ELSEWHERE(34, 0, 300));
		if (checked)
			ike(&s, 20020, 'a', V2(0xa0, 37, 0, 57));
		elsewhere(&s, 20002);
		ike(&s, 20085, '>', V2(0xa0, 37, 2, 65));
		ike(&s, 20090, '<', V2(0xa0, 37, 2, 57));
		down(&s, 20092, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	}
}

static void ordered_away(struct story *s, uint64_t ms)
{
	control(s, ms, redirect, sizeof(redirect), "redirect");
}

/* What the client leaves behind is deleted when the daemon has waited for it. */
static void test_ordered_away(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int answered = 0; answered < 2; answered++) {
		begun(&s);
		ordered_away(&s, 20000);
		ike(&s, 20010, '>', V2(0xa0, 37, 2, 80));
		ike(&s, 20020, '<', V2(0xa0, 37, 2, 80));
		if (answered) {
			ike(&s, 50040, '>', V2(0xa0, 37, 3, 80));
			ike(&s, 50050, '<', V2(0xa0, 37, 3, 80));
			down(&s, 50052, 0, IKW_CAUSE_CALL, DAEMON);
		} else {
			silence(&s, 50040, V2(0xa0, 37, 3, 80), 4);
			down(&s, 56000, 0, IKW_CAUSE_CALL, DAEMON);
		}
		expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY);
		assert_true(s.told[0].ordered);
	}
}

/* Or it leaves by itself, at once or some time later. */
static void test_leaves_as_ordered(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int late = 0; late < 2; late++) {
		uint64_t ms = late ? 29000 : 20100;

		begun(&s);
		if (late)
			control(&s, 20000, whack, sizeof(whack), NULL);
		else
			ordered_away(&s, 20000);
		ike(&s, 20010, '>', V2(0xa0, 37, 2, 80));
		ike(&s, 20020, '<', V2(0xa0, 37, 2, 80));
		ike(&s, ms, 'r', V2(0xa0, 37, 0, 80));
		ike(&s, ms + 4, 'a', V2(0xa0, 37, 0, 80));
		down(&s, ms + 8, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY);
		assert_string_equal(s.told[0].rule, "left_as_ordered");
		assert_true(s.told[0].ordered);
	}
}

/* Another one was sent away: this one was told nothing, and leaves for reasons of its own. */
static void test_leaves_beside_ordered(void **state)
{
	struct story s;

	(void)state;
	begun(&s);
	ordered_away(&s, 20000);
	ike(&s, 29000, 'r', V2(0xa0, 37, 0, 80));
	ike(&s, 29004, 'a', V2(0xa0, 37, 0, 80));
	down(&s, 29008, 0, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.told[0].reason, IKW_REASON_PEER_REQUEST);
	assert_false(s.told[0].ordered);
}

/* It stays, and falls silent: that is what ends it. */
static void test_stays_and_dies(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ordered_away(&s, 20000);
	ike(&s, 20010, '>', V2(0xa0, 37, 2, 71));
	ike(&s, 20020, '<', V2(0xa0, 37, 2, 57));
	silence(&s, 60000, V2(0xa0, 37, 3, 57), 5);
	down(&s, 70000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
	assert_false(s.told[0].ordered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sent_away),
		cmocka_unit_test(test_sent_away_after),
		cmocka_unit_test(test_went_by_itself),
		cmocka_unit_test(test_ordered_away),
		cmocka_unit_test(test_leaves_as_ordered),
		cmocka_unit_test(test_leaves_beside_ordered),
		cmocka_unit_test(test_stays_and_dies),
	};

	return cmocka_run_group_tests_name("redirect", tests, NULL, NULL);
}
