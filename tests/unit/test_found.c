/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The agent came when the tunnel was there: its negotiation was not seen, and little else was. */
#include "tests/unit/story.h"

/* The IKE daemon and its SAs as they are read in. */
static void found(struct story *s, uint64_t ms)
{
	begin(s, ALL_SEES);
	NEW(s, p, proc, PROC, ms);
	p.proc.op = IKW_PROC_DAEMON;
	p.proc.tgid = DAEMON;
	strcpy(p.proc.comm, "iked");
	feed(s, &p);
	NEW(s, from, dump, DUMP, ms);
	from.dump.op = IKW_DUMP_BEGIN;
	feed(s, &from);
	sa_op(s, ms, IN(0), IKW_SA_DUMP, 0, 0);
	sa_op(s, ms, OUT(0), IKW_SA_DUMP, 0, 0);
	NEW(s, to, dump, DUMP, ms + 1);
	to.dump.op = IKW_DUMP_END;
	feed(s, &to);
}

static void info(struct story *s, uint64_t ms, char way, uint32_t length)
{
	static uint32_t id = 70;

	ike(s, ms, way, (struct ike_spec){ 0xa0, 1, 5, ++id, length, 9, 0, 0, 0 });
}

/* R-U-THERE and its answer; whose it is does not matter. */
static void checks(struct story *s, uint64_t ms, uint32_t length)
{
	info(s, ms, '>', length);
	info(s, ms + 5, '<', length);
	info(s, ms + 1000, 'r', length);
	info(s, ms + 1005, 'a', length);
}

/* IKEv1: the length of R-U-THERE tells what the peer's one Delete may have been. */
static void test_v1_delete_by_length(void **state)
{
	static const struct {
		uint32_t check, length;
		enum ikw_reason reason;
		enum ikw_confidence confidence;
	} deletes[] = {
		/* AES and SHA-256: an ISAKMP Delete fills its blocks, and has one more or has not
		 */
		{ 108, 108, IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_LIKELY },
		{ 108, 92, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_LIKELY },
		/* AES and SHA-384 */
		{ 124, 124, IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_LIKELY },
		/* 3DES and SHA-1, or MD5 */
		{ 84, 84, IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_LIKELY },
		{ 84, 76, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_LIKELY },
		{ 84, 68, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN },
	};
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(deletes) / sizeof(deletes[0]); i++) {
		found(&s, 20000);
		checks(&s, 30000, deletes[i].check);
		info(&s, 60000, 'r', deletes[i].length);
		down(&s, 60030, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, deletes[i].reason, deletes[i].confidence);
	}
}

/* Deletes that crossed look like a check and its answer; the check is longer. */
static void test_v1_deletes_that_crossed(void **state)
{
	struct story s;

	(void)state;
	found(&s, 20000);
	info(&s, 25000, '>', 92);
	info(&s, 25005, '<', 92);
	checks(&s, 30000, 108);
	info(&s, 55000, '>', 92);
	info(&s, 55005, '<', 92);
	info(&s, 60000, 'r', 108);
	down(&s, 60030, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_LIKELY);

	/* and it is the checks that have to go unanswered */
	found(&s, 20000);
	info(&s, 25000, '>', 92);
	info(&s, 25005, '<', 92);
	checks(&s, 30000, 108);
	checks(&s, 32000, 108);
	for (uint64_t ms = 34000; ms < 42000; ms += 2000)
		info(&s, ms, '>', 108);
	down(&s, 42500, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY);
	assert_string_equal(s.told[0].rule, "liveness_regular");
}

/* Our daemon spoke, but no check came by: nothing tells which of the two it is. */
static void test_v1_delete_of_any_length(void **state)
{
	struct story s;

	(void)state;
	found(&s, 20000);
	info(&s, 30000, '>', 92);
	info(&s, 60000, 'r', 108);
	down(&s, 60030, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_POSSIBLE);
}

/* The peer's Delete is the first message that is seen, and IKEv1 answers none. */
static void test_v1_delete_comes_first(void **state)
{
	struct story s;

	(void)state;
	found(&s, 20000);
	info(&s, 60000, 'r', 92);
	down(&s, 60030, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_POSSIBLE);

	/* of both SAs */
	found(&s, 20000);
	info(&s, 60000, 'r', 92);
	info(&s, 60010, 'r', 108);
	down(&s, 60030, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_LIKELY);
}

/* What anybody can send says nothing. */
static void test_v1_said_by_anybody(void **state)
{
	struct story s;

	(void)state;
	/* of another IKE_SA each time */
	found(&s, 20000);
	for (uint64_t n = 0; n < 3; n++)
		ike(&s, 60000 + n, 'r', (struct ike_spec){ 0xb0 + 2 * n, 1, 5, 9, 92, 9, 0, 0, 0 });
	down(&s, 60030, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);

	/* again and again */
	found(&s, 20000);
	for (uint64_t ms = 50000; ms < 60000; ms += 1000)
		info(&s, ms, 'r', 92);
	info(&s, 60000, 'r', 92);
	down(&s, 60030, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);

	/* and it was not the daemon that deleted */
	found(&s, 20000);
	info(&s, 60000, 'r', 92);
	down(&s, 60030, 0, IKW_CAUSE_CALL, OTHER);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v1_delete_by_length),
		cmocka_unit_test(test_v1_deletes_that_crossed),
		cmocka_unit_test(test_v1_delete_of_any_length),
		cmocka_unit_test(test_v1_delete_comes_first),
		cmocka_unit_test(test_v1_said_by_anybody),
	};

	return cmocka_run_group_tests_name("found", tests, NULL, NULL);
}
