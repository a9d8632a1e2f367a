/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A peer far away: what it begins when it has our answer comes a round trip later. */
#include "tests/unit/story.h"

/* An IKE_SA that this host (way '>') or the peer ('r') sets up; far: to the other and back. */
static uint64_t set_up(struct story *s, uint64_t ms, char way, uint64_t spi, unsigned int n,
		       uint64_t far)
{
	const char answer = way == '>' ? '<' : 'a';
	const uint64_t there = way == '>' ? far : 5, next = way == '>' ? 5 : far;

	ike(s, ms, way, V2(spi, 34, 0, 300));
	if (there > 1000) /* sent again, and each copy is answered */
		ike(s, ms + 800, way, V2(spi, 34, 0, 300));
	ike(s, ms += there, answer, (struct ike_spec){ spi, 2, 34, 0, 300, 9, AES_SHA256 });
	if (there > 1000)
		ike(s, ms + 800, answer, (struct ike_spec){ spi, 2, 34, 0, 300, 9, AES_SHA256 });
	ike(s, ms += next, way, V2(spi, 35, 1, 300));
	if (way == 'r')
		up(s, ms + 1, n, DAEMON);
	ike(s, ms += there, answer, V2(spi, 35, 1, 208));
	if (way == '>')
		up(s, ms + 1, n, DAEMON);
	return ms + 5;
}

/* The peer deletes the IKE_SA, and what it then sends comes `after` our answer. */
static void peer_comes_again(struct story *s, uint64_t far, uint64_t after)
{
	begin(s, ALL_SEES);
	set_up(s, 10000, 'r', 0xa0, 0, far);
	ike(s, 40000, 'r', V2(0xa0, 37, 2, 80));
	ike(s, 40003, 'a', V2(0xa0, 37, 2, 80));
	down(s, 40020, 0, IKW_CAUSE_CALL, DAEMON);
	set_up(s, 40003 + after, 'r', 0xb0, 1, far);
}

static void test_peer_reauthenticates(void **state)
{
	static const uint64_t far[] = { 20, 700, 1400, 5000 };
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		peer_comes_again(&s, far[i], far[i] + 100);
		expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY);
		assert_true(s.told[0].tunnel_up);
	}
}

/* It comes later than it would if it had begun at once. */
static void test_peer_comes_back_later(void **state)
{
	struct story s;

	(void)state;
	peer_comes_again(&s, 20, 1400);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
	peer_comes_again(&s, 1400, 4000);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

/* Nothing comes: of a peer that is near that is told no later than ever. */
static void test_peer_deletes(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		begin(&s, ALL_SEES);
		set_up(&s, 10000, 'r', 0xa0, 0, i ? 3000 : 200);
		ike(&s, 40000, 'r', V2(0xa0, 37, 2, 80));
		ike(&s, 40003, 'a', V2(0xa0, 37, 2, 80));
		down(&s, 40020, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
		if (i)
			assert_in_range(s.told[0].latency, 4000000000, 4600000000);
		else
			assert_int_equal(s.told[0].latency, 2000000000);
	}
}

/* A request that was lost and sent again is no long way: only one copy of it was answered. */
static void test_lost_on_the_way(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	ike(&s, 10000, '>', V2(0xa0, 34, 0, 300));
	ike(&s, 14000, '>', V2(0xa0, 34, 0, 300));
	ike(&s, 14020, '<', (struct ike_spec){ 0xa0, 2, 34, 0, 300, 9, AES_SHA256 });
	ike(&s, 14030, '>', V2(0xa0, 35, 1, 300));
	ike(&s, 18030, '>', V2(0xa0, 35, 1, 300));
	ike(&s, 18060, '<', V2(0xa0, 35, 1, 208));
	up(&s, 18070, 0, DAEMON);
	ike(&s, 40000, 'r', V2(0xa0, 37, 2, 80));
	ike(&s, 40003, 'a', V2(0xa0, 37, 2, 80));
	down(&s, 40020, 0, IKW_CAUSE_CALL, DAEMON);
	set_up(&s, 43000, 'r', 0xb0, 1, 20);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

/* Each of the two exchanges takes so long that they are not over when ten seconds are. */
static void test_our_reauthentication(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int answered = 0; answered < 2; answered++) {
		begin(&s, ALL_SEES);
		set_up(&s, 10000, '>', 0xa0, 0, 5000);
		ike(&s, 40000, '>', V2(0xa0, 37, 2, 80));
		ike(&s, 45000, '<', V2(0xa0, 37, 2, 80));
		ike(&s, 45010, '>', V2(0xb0, 34, 0, 300));
		down(&s, 45020, 0, IKW_CAUSE_CALL, DAEMON);
		/* copies that are under way, as the answer is */
		for (unsigned int k = 1; k < 4; k++)
			ike(&s, 45010 + k * 1200, '>', V2(0xb0, 34, 0, 300));
		ike(&s, 50010, '<', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_SHA256 });
		for (unsigned int k = 0; k < 4; k++)
			ike(&s, 50020 + k * 1200, '>', V2(0xb0, 35, 1, 300));
		if (answered) {
			ike(&s, 55100, '<', V2(0xb0, 35, 1, 208));
			up(&s, 55110, 1, DAEMON);
		}
		expect_one(&s, answered ? IKW_REASON_PHASE1_REPLACE : IKW_REASON_REAUTH_TIMEOUT,
			   IKW_CONFIDENCE_CERTAIN);
		assert_int_equal(s.told[0].tunnel_up, answered);
	}
}

/* The second CHILD_SA comes by an exchange of its own, a round trip after the first. */
static void test_two_children(void **state)
{
	const struct sa_spec in = { 0x3001, 2, IKW_DIR_IN, 9, 0, 0, false };
	const struct sa_spec out = { 0x4001, 2, IKW_DIR_OUT, 9, 0, 0, false };
	struct sa_spec next_in = in, next_out = out;
	struct story s;

	(void)state;
	next_in.spi++;
	next_out.spi++;
	begin(&s, ALL_SEES);
	set_up(&s, 10000, '>', 0xa0, 0, 1400);
	ike(&s, 14000, '>', V2(0xa0, 36, 2, 208));
	ike(&s, 15400, '<', V2(0xa0, 36, 2, 208));
	sa_op(&s, 15401, in, IKW_SA_LARVAL, 0, DAEMON);
	sa_op(&s, 15402, in, IKW_SA_ADD, 0, DAEMON);
	sa_op(&s, 15403, out, IKW_SA_ADD, 0, DAEMON);
	ike(&s, 40000, '>', V2(0xa0, 37, 3, 80));
	ike(&s, 41400, '<', V2(0xa0, 37, 3, 80));
	ike(&s, 41405, '>', V2(0xb0, 34, 0, 300));
	down(&s, 41410, 0, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 41415, in, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 41416, out, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 42805, '<', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_SHA256 });
	ike(&s, 42810, '>', V2(0xb0, 35, 1, 300));
	ike(&s, 44210, '<', V2(0xb0, 35, 1, 208));
	up(&s, 44215, 1, DAEMON);
	ike(&s, 44240, '>', V2(0xb0, 36, 2, 208));
	ike(&s, 45660, '<', V2(0xb0, 36, 2, 208));
	sa_op(&s, 45661, next_in, IKW_SA_LARVAL, 0, DAEMON);
	sa_op(&s, 45662, next_in, IKW_SA_ADD, 0, DAEMON);
	sa_op(&s, 45663, next_out, IKW_SA_ADD, 0, DAEMON);
	end(&s);
	assert_int_equal(s.count, 2);
	for (unsigned int i = 0; i < 2; i++) {
		assert_string_equal(s.told[i].rule, "reauth");
		assert_true(s.told[i].tunnel_up);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peer_reauthenticates),
		cmocka_unit_test(test_peer_comes_back_later),
		cmocka_unit_test(test_peer_deletes),
		cmocka_unit_test(test_lost_on_the_way),
		cmocka_unit_test(test_two_children),
		cmocka_unit_test(test_our_reauthentication),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
