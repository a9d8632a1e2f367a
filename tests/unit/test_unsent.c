/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* This host holds back what its own daemon sends: nothing of it is seen, and the tunnel goes. */
#include "tests/unit/story.h"

/* A tunnel whose daemon has looked at the use times before so many checks that were answered. */
static void checked(struct story *s, uint32_t checks)
{
	begin(s, ALL_SEES);
	establish(s, 10000, 0xa0, 0, AES_SHA256);
	for (uint32_t k = 2; k < 2 + checks; k++) {
		sa_op(s, 10990 + k * 2000, IN(0), IKW_SA_ASKED, 0, DAEMON);
		ike(s, 11000 + k * 2000, '>', V2(0xa0, 37, k, 80));
		ike(s, 11010 + k * 2000, '<', V2(0xa0, 37, k, 80));
	}
}

static void test_check_held(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int again = 0; again < 2; again++) {
		checked(&s, 2 - again);
		sa_op(&s, 18990, IN(0), IKW_SA_ASKED, 0, DAEMON);
		if (again) /* as it takes them away: how much went through them */
			sa_op(&s, 24990, IN(0), IKW_SA_ASKED, 0, DAEMON);
		down(&s, 25000, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_POSSIBLE);
		assert_string_equal(s.told[0].rule, "check_not_sent");
	}
}

/* It looked for somebody else, or heard the peer and had no need of a check, or sent one. */
static void test_no_check_due(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int why = 0; why < 3; why++) {
		checked(&s, 2);
		if (why == 0)
			control(&s, 18980, "swanctl\0--list-sas", 19, "list-sas");
		sa_op(&s, 18990, IN(0), IKW_SA_ASKED, 0, DAEMON);
		if (why == 1) {
			NEW(&s, e, esp, ESP, 19000);
			e.esp.spi = 0x1000;
			e.esp.packets = 5;
			e.esp.last = e.hdr.time - 200000000;
			addr4(e.esp.daddr, 1);
			feed(&s, &e);
		}
		if (why == 2) {
			ike(&s, 19000, '>', V2(0xa0, 37, 4, 80));
			ike(&s, 19010, '<', V2(0xa0, 37, 4, 80));
		}
		down(&s, 25000, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	}
}

/* One that was never seen to look before a check looks for reasons of its own. */
static void test_no_habit(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	sa_op(&s, 18990, IN(0), IKW_SA_ASKED, 0, DAEMON);
	down(&s, 25000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
}

/* A rekey: the SPI is reserved, the request does not leave. */
static void test_rekey_held(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int sent = 0; sent < 2; sent++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_SHA256);
		sa_op(&s, 18990, IN(1), IKW_SA_LARVAL, 0, DAEMON);
		if (sent) {
			ike(&s, 19000, '>', V2(0xa0, 36, 2, 300));
			ike(&s, 19010, '<', V2(0xa0, 36, 2, 80));
		}
		down(&s, 25000, 0, IKW_CAUSE_CALL, DAEMON);
		sa_op(&s, 25010, IN(1), IKW_SA_LARVAL_GONE, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason,
				 sent ? IKW_REASON_UNKNOWN : IKW_REASON_EXCHANGE_TIMEOUT);
		assert_int_equal(s.told[0].confidence,
				 sent ? IKW_CONFIDENCE_NONE : IKW_CONFIDENCE_POSSIBLE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_held),
		cmocka_unit_test(test_no_check_due),
		cmocka_unit_test(test_no_habit),
		cmocka_unit_test(test_rekey_held),
	};

	return cmocka_run_group_tests_name("unsent", tests, NULL, NULL);
}
