/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A rekey that the peer refuses, and what becomes of the CHILD_SA. */
#include "tests/unit/story.h"

/* A rekey that the peer answers with an error, and at the end of its life the daemon deletes the
 * CHILD_SA. */
static void test_child_refused(void **state)
{
	enum { REFUSED, OF_SEVERAL, IKE_SAS_OWN };
	struct story s;

	(void)state;
	for (unsigned int kind = REFUSED; kind <= IKE_SAS_OWN; kind++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		if (kind == OF_SEVERAL) { /* perhaps it was the other's rekey */
			ike(&s, 12000, '>', V2(0xa0, 36, 2, 300));
			ike(&s, 12020, '<', V2(0xa0, 36, 2, 300));
			sa_op(&s, 12025, (struct sa_spec){ 0x1009, 2, IKW_DIR_IN, 9, 0, 0, false },
			      IKW_SA_ADD, 0, DAEMON);
		}
		if (kind != IKE_SAS_OWN)
			sa_op(&s, 30000, IN(1), IKW_SA_LARVAL, 0, DAEMON);
		ike(&s, 30002, '>', V2(0xa0, 36, 3, 300));
		ike(&s, 30020, '<', V2(0xa0, 36, 3, 65));
		ike(&s, 60000, '>', V2(0xa0, 37, 4, 69));
		ike(&s, 60010, '<', V2(0xa0, 37, 4, 69));
		down(&s, 60015, 0, IKW_CAUSE_CALL, DAEMON);
		if (kind == IKE_SAS_OWN)
			expect_one(&s, IKW_REASON_IDLE_TIMEOUT, IKW_CONFIDENCE_POSSIBLE);
		else
			expect_one(&s, IKW_REASON_PHASE2_HARD_EXPIRY,
				   kind == REFUSED ? IKW_CONFIDENCE_LIKELY
						   : IKW_CONFIDENCE_POSSIBLE);
	}
}

/*
 * A peer that does not know the CHILD_SA any more: the daemon drops it at that
 * answer and makes another one. Near misses: by another IKE_SA, long after the
 * answer, or what the peer deletes itself.
 */
static void test_not_found(void **state)
{
	enum { FOUND_NOT, ANEW, LATE, DELETED };
	struct story s;

	(void)state;
	for (unsigned int kind = FOUND_NOT; kind <= DELETED; kind++) {
		uint64_t gone = kind == LATE ? 32000 : 30040;

		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		sa_op(&s, 30000, IN(1), IKW_SA_LARVAL, 0, DAEMON);
		ike(&s, 30002, '>', V2(0xa0, 36, 2, 300));
		ike(&s, 30020, '<', V2(0xa0, 36, 2, 65));
		if (kind == DELETED)
			ike(&s, 30030, 'r', V2(0xa0, 37, 0, 69));
		down(&s, gone, 0, IKW_CAUSE_CALL, DAEMON);
		if (kind == DELETED)
			ike(&s, gone + 5, 'a', V2(0xa0, 37, 0, 69));
		sa_op(&s, gone + 10, IN(1), IKW_SA_LARVAL_GONE, IKW_CAUSE_CALL, DAEMON);
		if (kind == ANEW) {
			establish(&s, gone + 60, 0xb0, 2, AES_GCM);
		} else {
			sa_op(&s, gone + 20, IN(2), IKW_SA_LARVAL, 0, DAEMON);
			ike(&s, gone + 30, '>', V2(0xa0, 36, 3, 300));
			ike(&s, gone + 50, '<', V2(0xa0, 36, 3, 300));
			up(&s, gone + 60, 2, DAEMON);
		}
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(!strcmp(s.told[0].rule, "remade"), kind == FOUND_NOT);
		if (kind == FOUND_NOT)
			assert_int_equal(s.told[0].confidence, IKW_CONFIDENCE_LIKELY);
		if (kind == DELETED)
			assert_int_equal(s.told[0].reason, IKW_REASON_PEER_REQUEST);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child_refused),
		cmocka_unit_test(test_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
