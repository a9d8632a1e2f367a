/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A daemon that is held up between a cause and its deed, mostly by a script of its own. */
#include "tests/unit/story.h"

static const char terminate[] = "swanctl\0--terminate\0--ike\0tun";

/* The daemon's thread ran a script from then on, for so long. */
static void script(struct story *s, uint64_t ms, uint64_t for_ms, uint32_t thread)
{
	NEW(s, e, helped, HELPED, ms + for_ms);

	e.helped.began = (ms + 1000000) * 1000000ULL;
	e.helped.daemon_tgid = DAEMON;
	e.helped.daemon_tid = thread;
	e.helped.tgid = 900;
	strcpy(e.helped.comm, "sh");
	feed(s, &e);
}

static void up_with(struct story *s, uint16_t encr, uint16_t keylen, uint16_t integ)
{
	begin(s, ALL_SEES);
	establish(s, 10000, 0xa0, 0, encr, keylen, integ);
}

/* Ours: ordered, and answered at once. */
static void ordered(struct story *s, uint64_t ms, uint32_t length)
{
	control(s, ms, terminate, sizeof(terminate), "terminate");
	ike(s, ms + 10, '>', V2(0xa0, 37, 2, length));
	ike(s, ms + 20, '<', V2(0xa0, 37, 2, length == 65 ? 57 : 80));
}

static void asked_by_peer(struct story *s, uint64_t ms, uint32_t length)
{
	ike(s, ms, 'r', V2(0xa0, 37, 0, length));
	ike(s, ms + 4, 'a', V2(0xa0, 37, 0, length == 65 ? 57 : 80));
}

static void test_ordered(void **state)
{
	struct story s;

	(void)state;
	/* with a script, or held up by something that is not seen */
	for (unsigned int i = 0; i < 4; i++) {
		if (i & 1)
			up_with(&s, AES_GCM);
		else
			up_with(&s, AES_SHA256);
		ordered(&s, 30000, i & 1 ? 65 : 80);
		if (i & 2)
			script(&s, 30030, 8000, DAEMON);
		down(&s, 38060, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
		assert_true(s.told[0].ordered);
		assert_int_equal(!!strstr(s.told[0].facts, " script_first "), !!(i & 2));
	}
}

static void test_asked_by_peer(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		if (i)
			up_with(&s, AES_GCM);
		else
			up_with(&s, AES_SHA256);
		asked_by_peer(&s, 30000, i ? 65 : 80);
		/* one for each tunnel */
		script(&s, 30010, 3000, DAEMON);
		script(&s, 33020, 3000, DAEMON);
		script(&s, 36030, 3000, DAEMON);
		down(&s, 39060, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
		assert_false(s.told[0].ordered);
	}
}

/* What seems a Delete of the peer's, but is long ago: only what the daemon did meanwhile tells. */
static void test_long_ago(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int other = 0; other < 2; other++) {
		up_with(&s, AES_SHA256);
		asked_by_peer(&s, 30000, 80);
		if (other) /* another thread's */
			script(&s, 30010, 8000, DAEMON + 5);
		down(&s, 38060, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	}
	/* what is named by its length is one, if nothing was said since */
	for (unsigned int went_on = 0; went_on < 2; went_on++) {
		up_with(&s, AES_GCM);
		asked_by_peer(&s, 30000, 65);
		if (went_on) {
			ike(&s, 32000, '>', V2(0xa0, 37, 2, 57));
			ike(&s, 32010, '<', V2(0xa0, 37, 2, 57));
		}
		down(&s, 38060, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, went_on ? IKW_REASON_UNKNOWN : IKW_REASON_PEER_REQUEST,
			   went_on ? IKW_CONFIDENCE_NONE : IKW_CONFIDENCE_CERTAIN);
	}
}

/* The peer authenticates anew while the script for the old SAs still runs. */
static void test_peer_reauthenticates(void **state)
{
	struct story s;

	(void)state;
	up_with(&s, AES_SHA256);
	asked_by_peer(&s, 30000, 80);
	ike(&s, 30050, 'r', V2(0xb0, 34, 0, 300));
	ike(&s, 30055, 'a', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_SHA256 });
	ike(&s, 30060, 'r', V2(0xb0, 35, 1, 300));
	up(&s, 30070, 1, DAEMON);
	ike(&s, 30080, 'a', V2(0xb0, 35, 1, 208));
	script(&s, 30010, 4000, DAEMON);
	down(&s, 34030, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY);
	assert_true(s.told[0].tunnel_up);
}

/* It waits for our answer, which comes behind the script, or behind the deed. */
static void test_answered_late(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		up_with(&s, AES_SHA256);
		ike(&s, 30000, 'r', V2(0xa0, 37, 0, 80));
		script(&s, 30010, 3000, DAEMON);
		ike(&s, i ? 33045 : 33020, 'a', V2(0xa0, 37, 0, 80));
		down(&s, 33030, 0, IKW_CAUSE_CALL, DAEMON);
		ike(&s, 33060, 'r', V2(0xb0, 34, 0, 300));
		ike(&s, 33070, 'a', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_SHA256 });
		ike(&s, 33080, 'r', V2(0xb0, 35, 1, 300));
		up(&s, 33085, 1, DAEMON);
		ike(&s, 33090, 'a', V2(0xb0, 35, 1, 208));
		expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY);
	}
}

/* Or it gives up waiting for our answer, which the script holds up too, and goes on. */
static void test_peer_goes_on(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int repeated = 0; repeated < 2; repeated++) {
		up_with(&s, AES_GCM);
		ike(&s, 30000, 'r', V2(0xa0, 37, 0, 65));
		for (unsigned int i = 1; repeated && i < 3; i++)
			ike(&s, 30000 + i * 1000, 'r', V2(0xa0, 37, 0, 65));
		ike(&s, 34500, 'r', V2(0xb0, 34, 0, 300));
		script(&s, 30010, 8000, DAEMON);
		ike(&s, 38020, 'a', V2(0xa0, 37, 0, 57));
		down(&s, 38030, 0, IKW_CAUSE_CALL, DAEMON);
		ike(&s, 38050, 'a', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_SHA256 });
		ike(&s, 38060, 'r', V2(0xb0, 35, 1, 300));
		up(&s, 38070, 1, DAEMON);
		ike(&s, 38080, 'a', V2(0xb0, 35, 1, 208));
		/* who does not send its Delete again has ended, and come back */
		expect_one(&s, repeated ? IKW_REASON_PHASE1_REPLACE : IKW_REASON_PEER_REQUEST,
			   repeated ? IKW_CONFIDENCE_LIKELY : IKW_CONFIDENCE_CERTAIN);
		assert_true(s.told[0].tunnel_up);
	}
}

/* We do, when the script has ended. */
static void test_we_reauthenticate(void **state)
{
	struct story s;

	(void)state;
	up_with(&s, AES_SHA256);
	ike(&s, 30000, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 30010, '<', V2(0xa0, 37, 2, 80));
	script(&s, 30020, 8000, DAEMON);
	ike(&s, 38030, '>', V2(0xb0, 34, 0, 300));
	down(&s, 38040, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 38050, '<', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_SHA256 });
	ike(&s, 38060, '>', V2(0xb0, 35, 1, 300));
	ike(&s, 38070, '<', V2(0xb0, 35, 1, 208));
	up(&s, 38080, 1, DAEMON);
	expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_CERTAIN);
	assert_true(s.told[0].tunnel_up);
}

/* It obeys one after the other: what it did for another tunnel before is no part of this one's. */
static void test_one_after_the_other(void **state)
{
	struct story s;

	(void)state;
	up_with(&s, AES_SHA256);
	script(&s, 26000, 4000, DAEMON); /* another's */
	/* came at 28000, and was not read before */
	ike(&s, 28000, 'r', V2(0xa0, 37, 0, 80));
	ike(&s, 30030, 'a', V2(0xa0, 37, 0, 80));
	script(&s, 30040, 4000, DAEMON);
	down(&s, 34060, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

/* What was ordered while the daemon waited for a script is done when that has ended. */
static void test_ordered_meanwhile(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int busy = 0; busy < 2; busy++) {
		up_with(&s, AES_SHA256);
		control(&s, 30000, terminate, sizeof(terminate), "terminate");
		if (busy) {
			script(&s, 26000, 8000, DAEMON + 5);
			script(&s, 34010, 8000, DAEMON + 5);
		}
		ike(&s, 42100, '>', V2(0xa0, 37, 2, 80));
		ike(&s, 42110, '<', V2(0xa0, 37, 2, 80));
		down(&s, 42120, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, busy ? IKW_REASON_MANUAL : IKW_REASON_UNKNOWN,
			   busy ? IKW_CONFIDENCE_LIKELY : IKW_CONFIDENCE_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordered),
		cmocka_unit_test(test_asked_by_peer),
		cmocka_unit_test(test_long_ago),
		cmocka_unit_test(test_peer_reauthenticates),
		cmocka_unit_test(test_answered_late),
		cmocka_unit_test(test_peer_goes_on),
		cmocka_unit_test(test_we_reauthenticate),
		cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_ordered_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
