/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stories told to the pure pipeline, event by event: what the wire and the SAD
 * show, and the one alarm that must come of it. Times are milliseconds.
 */
#include <signal.h>
#include "tests/unit/story.h"
#include "user/tunnel.h"

static void test_liveness_aead(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	silence(&s, 20000, V2(0xa0, 37, 2, 57), 4);
	down(&s, 29000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
	assert_false(s.told[0].tunnel_up);
}

/* iked pads what needs no pad: less than any payload of an INFORMATIONAL has is pad. */
static void test_liveness_aead_padded(void **state)
{
	static const uint32_t empty[] = { 61, 64 };
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		silence(&s, 20000, V2(0xa0, 37, 2, empty[i]), 4);
		down(&s, 29000, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
	}
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	silence(&s, 20000, V2(0xa0, 37, 2, 65), 4);
	down(&s, 29000, 0, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 1);
	assert_int_not_equal(s.told[0].reason, IKW_REASON_DPD_TIMEOUT);
}

static void test_liveness_cbc_regular(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	for (uint32_t i = 2; i < 6; i++) {
		ike(&s, 12000 + i * 2000, '>', V2(0xa0, 37, i, 80));
		ike(&s, 12010 + i * 2000, '<', V2(0xa0, 37, i, 80));
	}
	silence(&s, 24000, V2(0xa0, 37, 6, 80), 5);
	down(&s, 39000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY);
}

/* The daemon reads when the inbound SA was last used. */
static void look(struct story *s, uint64_t ms, unsigned int n)
{
	sa_op(s, ms, IN(n), IKW_SA_ASKED, 0, DAEMON);
}

/* CBC, never a check before, and a new IKE_SA before the deletes: a check or a Delete? */
static void begin_anew(struct story *s, uint64_t ms)
{
	ike(s, ms, '>', V2(0xb0, 34, 0, 300));
	down(s, ms + 60, 0, IKW_CAUSE_CALL, DAEMON);
	ike(s, ms + 900, '>', V2(0xb0, 34, 0, 300));
}

static void test_liveness_cbc_restart(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	look(&s, 19995, 0);
	silence(&s, 20000, V2(0xa0, 37, 2, 80), 4);
	begin_anew(&s, 24000);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY);
	assert_string_equal(s.told[0].rule, "liveness_looked_restart");
}

static void test_reauth_cbc_not_looked(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	for (uint32_t i = 2; i < 5; i++) {
		look(&s, 11990 + i * 3000, 0);
		ike(&s, 12000 + i * 3000, '>', V2(0xa0, 37, i, 80));
		ike(&s, 12010 + i * 3000, '<', V2(0xa0, 37, i, 80));
	}
	silence(&s, 21800, V2(0xa0, 37, 5, 80), 4);
	begin_anew(&s, 26000);
	expect_one(&s, IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY);
	assert_string_equal(s.told[0].rule, "reauth_not_a_check");
}

/* A daemon that was seen to check without looking: that it did not look says nothing. */
static void test_looks_not_always(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	look(&s, 12990, 0);
	for (uint32_t i = 2; i < 5; i++) {
		ike(&s, 7000 + i * 3000, '>', V2(0xa0, 37, i, 80));
		ike(&s, 7010 + i * 3000, '<', V2(0xa0, 37, i, 80));
	}
	silence(&s, 24000, V2(0xa0, 37, 5, 80), 4);
	down(&s, 34000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY);
}

/* A look 400 ms before is none where the daemon took 10 ms so far; where it took 55 it may be one.
 */
static void test_looks_slowly(void **state)
{
	static const struct {
		uint64_t took;
		enum ikw_reason reason;
		enum ikw_confidence confidence;
	} daemons[] = { { 10, IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_POSSIBLE },
			{ 55, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY } };

	(void)state;
	for (size_t d = 0; d < sizeof(daemons) / sizeof(daemons[0]); d++) {
		struct story s;

		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_SHA256);
		look(&s, 16000 - daemons[d].took, 0);
		ike(&s, 16000, '>', V2(0xa0, 37, 2, 80));
		ike(&s, 16010, '<', V2(0xa0, 37, 2, 80));
		look(&s, 19600, 0);
		silence(&s, 20000, V2(0xa0, 37, 3, 80), 4);
		down(&s, 34000, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, daemons[d].reason, daemons[d].confidence);
	}
}

/* The daemon sets a tunnel to another peer up and checks that one, without a look. */
static void checks_another(struct story *s, uint64_t ms)
{
	struct sa_spec in = IN(9), out = OUT(9);

	in.peer = out.peer = 8;
	ike(s, ms, '>', (struct ike_spec){ 0xc0, 2, 34, 0, 300, 8, 0, 0, 0 });
	ike(s, ms + 5, '<', (struct ike_spec){ 0xc0, 2, 34, 0, 300, 8, AES_SHA256 });
	ike(s, ms + 10, '>', (struct ike_spec){ 0xc0, 2, 35, 1, 300, 8, 0, 0, 0 });
	sa_op(s, ms + 12, in, IKW_SA_LARVAL, 0, DAEMON);
	ike(s, ms + 20, '<', (struct ike_spec){ 0xc0, 2, 35, 1, 208, 8, 0, 0, 0 });
	sa_op(s, ms + 25, in, IKW_SA_ADD, 0, DAEMON);
	sa_op(s, ms + 26, out, IKW_SA_ADD, 0, DAEMON);
	for (uint32_t i = 2; i < 6; i++) {
		const struct ike_spec check = { 0xc0, 2, 37, i, 80, 8, 0, 0, 0 };

		ike(s, ms + i * 1500, '>', check);
		ike(s, ms + i * 1500 + 10, '<', check);
	}
}

/*
 * Nobody could tell: both readings, and no more than possible. A check is by far
 * what comes oftener, but not within a second of hearing the peer; and what comes
 * without a look is hardly one, but of a daemon that is known for it.
 */
static void test_liveness_or_reauth(void **state)
{
	static const char args[] = "swanctl\0--list-sas";
	enum { NOTHING, BLIND, LISTED, HEARD, WITHOUT };
	static const bool reauth[] = { [NOTHING] = true, [HEARD] = true, [WITHOUT] = false };
	struct story s;

	(void)state;
	for (int before = NOTHING; before <= WITHOUT; before++) {
		begin(&s, before == BLIND ? ALL_SEES & ~(uint32_t)IKW_SEES_ASKED : ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_SHA256);
		if (before == LISTED) { /* it looked, but for somebody who listed the tunnels */
			control(&s, 19990, args, sizeof(args), "list-sas");
			look(&s, 19995, 0);
		}
		if (before == HEARD) {
			ike(&s, 19500, 'r', V2(0xa0, 37, 0, 80));
			ike(&s, 19505, 'a', V2(0xa0, 37, 0, 80));
		}
		if (before == WITHOUT)
			checks_another(&s, 11000);
		silence(&s, 20000, V2(0xa0, 37, 2, 80), 4);
		begin_anew(&s, 24000);
		expect_one(&s, reauth[before] ? IKW_REASON_REAUTH_TIMEOUT : IKW_REASON_DPD_TIMEOUT,
			   IKW_CONFIDENCE_POSSIBLE);
		assert_non_null(strstr(s.told[0].detail, "check with a restart"));
		assert_non_null(strstr(s.told[0].detail, "the Delete of a reauthentication"));
	}
}

/* The peer answers every copy, and the daemon never hears it: lost on this host. */
static void test_answer_lost_here(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	for (uint64_t t = 20000; t < 24000; t += 1000) {
		ike(&s, t, '>', V2(0xa0, 37, 2, 57));
		ike(&s, t + 8, '<', V2(0xa0, 37, 2, 57));
	}
	down(&s, 25000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
	assert_non_null(strstr(s.told[0].detail, "arrived at this host but never reached"));
}

/* A copy that crossed the response on its way is no sign of that. */
static void test_answer_crossed(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 20000, '>', V2(0xa0, 37, 2, 57));
	ike(&s, 20990, '<', V2(0xa0, 37, 2, 57));
	ike(&s, 21000, '>', V2(0xa0, 37, 2, 57));
	ike(&s, 21010, '<', V2(0xa0, 37, 2, 57));
	ike(&s, 22000, 'r', V2(0xa0, 37, 0, 65));
	ike(&s, 22005, 'a', V2(0xa0, 37, 0, 57));
	down(&s, 22010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

static void test_monitoring_is_no_order(void **state)
{
	static const char args[] = "swanctl\0--list-sas";
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	for (uint64_t t = 19000; t < 28000; t += 500)
		control(&s, t, args, sizeof(args), "list-sas");
	silence(&s, 28000, V2(0xa0, 37, 2, 57), 3);
	control(&s, 31990, args, sizeof(args), "list-sas");
	down(&s, 32000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
	assert_false(s.told[0].ordered);
}

static void test_exchange_timeout(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	silence(&s, 20000, V2(0xa0, 36, 2, 208), 4);
	sa_op(&s, 28900, IN(7), IKW_SA_LARVAL_GONE, IKW_CAUSE_TIMER, 0);
	down(&s, 29000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
}

static void test_ordered_down(void **state)
{
	static const char args[] = "swanctl\0--terminate\0--ike\0gw";
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	control(&s, 20000, args, sizeof(args), "terminate");
	ike(&s, 20010, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 20020, '<', V2(0xa0, 37, 2, 80));
	down(&s, 20030, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
	assert_true(s.told[0].ordered);
}

static void test_ordered_down_dead_path(void **state)
{
	static const char args[] = "swanctl\0--terminate\0--ike\0gw";
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	control(&s, 20000, args, sizeof(args), "terminate");
	silence(&s, 20010, V2(0xa0, 37, 2, 80), 5);
	down(&s, 33000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY);
}

static void test_peer_delete(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	ike(&s, 20000, 'r', V2(0xa0, 37, 0, 80));
	ike(&s, 20002, 'a', V2(0xa0, 37, 0, 80));
	down(&s, 20019, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

static void test_rekey(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	ike(&s, 20000, '>', V2(0xa0, 36, 2, 208));
	ike(&s, 20010, '<', V2(0xa0, 36, 2, 208));
	up(&s, 20015, 1, DAEMON);
	ike(&s, 20020, '>', V2(0xa0, 37, 3, 80));
	sa_op(&s, 20025, OUT(0), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	assert_int_equal(s.count, 1); /* decisive: not held back */
	ike(&s, 20030, '<', V2(0xa0, 37, 3, 80));
	sa_op(&s, 25030, IN(0), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PHASE2_REPLACE, IKW_CONFIDENCE_CERTAIN);
	assert_true(s.told[0].tunnel_up);
	assert_int_equal(s.told[0].latency, 0);
}

/* The old one goes long after the new one came: a rekey most likely, or one of two side by side. */
static void test_rekey_delete_late(void **state)
{
	struct story s;

	(void)state;
	for (int late = 0; late < 2; late++) {
		uint64_t gone = late ? 32000 : 25100;

		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_SHA256);
		ike(&s, 20000, '>', V2(0xa0, 36, 2, 208));
		ike(&s, 20010, '<', V2(0xa0, 36, 2, 208));
		up(&s, 20015, 1, DAEMON);
		ike(&s, gone, '>', V2(0xa0, 37, 3, 80));
		ike(&s, gone + 10, '<', V2(0xa0, 37, 3, 80));
		down(&s, gone + 20, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_PHASE2_REPLACE,
			   late ? IKW_CONFIDENCE_LIKELY : IKW_CONFIDENCE_CERTAIN);
	}
}

static void test_reauth_break_before_make(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	ike(&s, 20000, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 20010, '<', V2(0xa0, 37, 2, 80));
	ike(&s, 20030, '>', V2(0xb0, 34, 0, 300));
	down(&s, 20045, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 20060, '<', V2(0xb0, 34, 0, 300));
	ike(&s, 20070, '>', V2(0xb0, 35, 1, 300));
	ike(&s, 20090, '<', V2(0xb0, 35, 1, 208));
	up(&s, 20095, 1, DAEMON);
	expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_CERTAIN);
	assert_true(s.told[0].tunnel_up);
}

static void test_reauth_refused(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	ike(&s, 20000, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 20010, '<', V2(0xa0, 37, 2, 80));
	ike(&s, 20030, '>', V2(0xb0, 34, 0, 300));
	down(&s, 20045, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 20060, '<', V2(0xb0, 34, 0, 300));
	ike(&s, 20070, '>', V2(0xb0, 35, 1, 300));
	ike(&s, 20090, '<', V2(0xb0, 35, 1, 80));
	expect_one(&s, IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
	assert_non_null(strstr(s.told[0].detail, "refused"));
}

static void test_reauth_make_before_break(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	establish(&s, 20000, 0xb0, 1, AES_SHA256);
	ike(&s, 20040, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 20050, '<', V2(0xa0, 37, 2, 80));
	down(&s, 20060, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_CERTAIN);
}

static void test_reauth_unreachable(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	silence(&s, 20000, V2(0xb0, 34, 0, 300), 4);
	silence(&s, 48000, V2(0xa0, 37, 2, 65), 4);
	down(&s, 57000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY);
}

static void test_initial_contact(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	ike(&s, 20000, 'r', V2(0xb0, 34, 0, 300));
	ike(&s, 20010, 'a', V2(0xb0, 34, 0, 300));
	ike(&s, 20020, 'r', V2(0xb0, 35, 1, 300));
	down(&s, 20030, 0, IKW_CAUSE_CALL, DAEMON);
	up(&s, 20038, 1, DAEMON);
	ike(&s, 20045, 'a', V2(0xb0, 35, 1, 208));
	expect_one(&s, IKW_REASON_KICK_OLD_SA, IKW_CONFIDENCE_CERTAIN);
}

/* Its message is answered as the copies of it are read: twice, the second with a new SPI. */
static void answered_anew(struct story *s, uint64_t ms, char way, uint8_t exchange, uint32_t length)
{
	union ikw_event e = ike_made(s, ms, way, V2(0xb0, exchange, exchange == 35, length));

	e.ike.spi_r = 0xbb;
	feed(s, &e);
}

static void test_initial_contact_answered_twice(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	for (uint64_t ms = 20000; ms < 32000; ms += 3000)
		ike(&s, ms, 'r', V2(0xb0, 34, 0, 272));
	ike(&s, 32000, 'a', V2(0xb0, 34, 0, 280));
	answered_anew(&s, 32030, 'a', 34, 280);
	answered_anew(&s, 32070, 'r', 35, 256);
	down(&s, 32090, 0, IKW_CAUSE_CALL, DAEMON);
	up(&s, 32115, 1, DAEMON);
	answered_anew(&s, 32120, 'a', 35, 208);
	expect_one(&s, IKW_REASON_KICK_OLD_SA, IKW_CONFIDENCE_CERTAIN);
	/* no beginning of it was seen */
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	answered_anew(&s, 32070, 'r', 35, 256);
	down(&s, 32090, 0, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 1);
	assert_int_not_equal(s.told[0].reason, IKW_REASON_KICK_OLD_SA);
}

static void test_by_hand(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	sa_op(&s, 20000, IN(0), IKW_SA_DELETE, IKW_CAUSE_CALL, OTHER);
	assert_int_equal(s.count, 1);
	sa_op(&s, 20500, OUT(0), IKW_SA_DELETE, IKW_CAUSE_CALL, OTHER + 1);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
}

static void test_by_hand_netlink_tier(void **state)
{
	struct story s;

	(void)state;
	begin(&s,
	      IKW_SEES_SA | IKW_SEES_POLICY | IKW_SEES_LINK | IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT);
	up_by_hand(&s, 10000, 0, 0);
	down(&s, 20000, 0, IKW_CAUSE_UNKNOWN, 0);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY);
	assert_true(s.told[0].blind > 0);
}

static void test_hard_limit(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	sa_op(&s, 20000, IN(0), IKW_SA_DELETE, IKW_CAUSE_TIMER, 0);
	sa_op(&s, 20010, OUT(0), IKW_SA_DELETE, IKW_CAUSE_TIMER, 0);
	expect_one(&s, IKW_REASON_PHASE2_HARD_EXPIRY, IKW_CONFIDENCE_CERTAIN);
}

/* The rekey is never answered, and the limit comes first; near miss: the answer was only late. */
static void limit_in_silence(bool answered, enum ikw_reason reason, enum ikw_confidence confidence)
{
	struct story s;

	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	for (unsigned int i = 0; i < 2; i++)
		ike(&s, 30000 + 2000 * i, '>', V2(0xa0, 36, 2, 200));
	down(&s, 34000, 0, IKW_CAUSE_TIMER, 0);
	if (answered)
		ike(&s, 34500, '<', V2(0xa0, 36, 2, 200));
	expect_one(&s, reason, confidence);
}

static void test_limit_in_silence(void **state)
{
	(void)state;
	limit_in_silence(false, IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_LIKELY);
	limit_in_silence(true, IKW_REASON_PHASE2_HARD_EXPIRY, IKW_CONFIDENCE_CERTAIN);
}

static void test_netns_exit(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	up_by_hand(&s, 10000, 0, OTHER);
	down(&s, 20000, 0, IKW_CAUSE_NETNS, 0);
	expect_one(&s, IKW_REASON_INTERFACE_REMOVED, IKW_CONFIDENCE_CERTAIN);
}

static void test_larval_is_no_tunnel(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	sa_op(&s, 10000, IN(0), IKW_SA_LARVAL, 0, DAEMON);
	sa_op(&s, 18000, IN(0), IKW_SA_LARVAL_GONE, IKW_CAUSE_TIMER, 0);
	end(&s);
	assert_int_equal(s.count, 0);
}

static void test_two_tunnels_one_ike(void **state)
{
	struct sa_spec in2 = { 0x1100, 2, IKW_DIR_IN, 9, 0, 0, false },
		       out2 = { 0x2100, 2, IKW_DIR_OUT, 9, 0, 0, false };
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	ike(&s, 12000, '>', V2(0xa0, 36, 2, 208));
	ike(&s, 12010, '<', V2(0xa0, 36, 2, 208));
	sa_op(&s, 12020, in2, IKW_SA_ADD, 0, DAEMON);
	sa_op(&s, 12021, out2, IKW_SA_ADD, 0, DAEMON);
	ike(&s, 20000, 'r', V2(0xa0, 37, 0, 80));
	ike(&s, 20002, 'a', V2(0xa0, 37, 0, 80));
	down(&s, 20019, 0, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 21800, in2, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 21801, out2, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.told[0].reason, IKW_REASON_PEER_REQUEST);
	assert_int_equal(s.told[1].reason, IKW_REASON_PEER_REQUEST);
}

static void test_mobike(void **state)
{
	struct sa_spec in = IN(0), out = OUT(0);
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	in.peer = out.peer = 8;
	ike(&s, 19990, 'r', V2(0xa0, 37, 0, 120));
	sa_op(&s, 20000, IN(0), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 20003, in, IKW_SA_ADD, 0, DAEMON);
	sa_op(&s, 20006, OUT(0), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 20009, out, IKW_SA_ADD, 0, DAEMON);
	expect_one(&s, IKW_REASON_PEER_ADDRESS_SWITCH, IKW_CONFIDENCE_CERTAIN);
}

/* XFRM_MSG_MIGRATE, which is what Libreswan uses: the new SA is there before the old one goes. */
static void migrated_by(struct story *s, bool in_first, uint32_t added, uint64_t at, uint32_t adder)
{
	struct sa_spec in = IN(0), out = OUT(0), old_in = IN(0), old_out = OUT(0);

	begin(s, ALL_SEES);
	establish(s, 10000, 0xa0, 0, AES_SHA256);
	in.peer = out.peer = 8;
	in.added = out.added = added;
	old_in.added = old_out.added = 10;
	ike(s, at - 10, 'r', V2(0xa0, 37, 0, 120));
	if (in_first) {
		sa_op(s, at, in, IKW_SA_ADD, 0, adder);
		sa_op(s, at + 1, old_in, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	}
	sa_op(s, at + 2, out, IKW_SA_ADD, 0, adder);
	sa_op(s, at + 3, old_out, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	if (!in_first) {
		sa_op(s, at + 4, in, IKW_SA_ADD, 0, adder);
		sa_op(s, at + 5, old_in, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	}
}

static void migrated(struct story *s, bool in_first, uint32_t added)
{
	migrated_by(s, in_first, added, 20000, DAEMON);
}

/* The peer moves as soon as the SAs are there: the clones are as young, and as unused, as any new
 * SA. */
static void migrate_at_once(void)
{
	struct story s;

	for (unsigned int in_first = 0; in_first < 2; in_first++) {
		migrated_by(&s, in_first, 10, 10300, DAEMON);
		expect_one(&s, IKW_REASON_PEER_ADDRESS_SWITCH, IKW_CONFIDENCE_CERTAIN);
		/* somebody else's SA is no clone of the daemon's */
		migrated_by(&s, in_first, 10, 10300, OTHER);
		end(&s);
		assert_true(s.count >= 1);
		assert_int_not_equal(s.told[0].reason, IKW_REASON_PEER_ADDRESS_SWITCH);
	}
}

static void test_migrate(void **state)
{
	struct story s;

	(void)state;
	migrate_at_once();
	for (unsigned int in_first = 0; in_first < 2; in_first++) {
		struct sa_spec in = IN(0), out = OUT(0);

		migrated(&s, in_first, 10);
		expect_one(&s, IKW_REASON_PEER_ADDRESS_SWITCH, IKW_CONFIDENCE_CERTAIN);
		/* what came of it is a tunnel as good as another: its own end gives its own alarm
		 */
		migrated(&s, in_first, 10);
		in.peer = out.peer = 8;
		sa_op(&s, 40000, in, IKW_SA_DELETE, IKW_CAUSE_TIMER, 0);
		sa_op(&s, 40001, out, IKW_SA_DELETE, IKW_CAUSE_TIMER, 0);
		end(&s);
		assert_int_equal(s.count, 2);
		assert_int_equal(s.told[1].reason, IKW_REASON_PHASE2_HARD_EXPIRY);
		assert_false(s.told[1].tunnel_up);
	}
}

/* The same, but what is added is no clone: an SA that merely has the same SPI. */
static void test_same_spi_elsewhere(void **state)
{
	struct sa_spec in = IN(0), out = OUT(0);
	struct story s;

	(void)state;
	for (unsigned int in_first = 0; in_first < 2; in_first++) {
		migrated(&s, in_first, 20);
		end(&s);
		assert_true(s.count >= 1);
		assert_int_not_equal(s.told[0].reason, IKW_REASON_PEER_ADDRESS_SWITCH);
	}
	/* by hand, one SPI for both directions, added and deleted within a second */
	begin(&s, ALL_SEES);
	out.spi = in.spi;
	in.added = out.added = 10;
	sa_op(&s, 10000, in, IKW_SA_ADD, 0, OTHER);
	sa_op(&s, 10001, out, IKW_SA_ADD, 0, OTHER);
	sa_op(&s, 10040, in, IKW_SA_DELETE, IKW_CAUSE_CALL, OTHER);
	sa_op(&s, 10041, out, IKW_SA_DELETE, IKW_CAUSE_CALL, OTHER);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
}

/* A NAT that forgot its mapping; a NAT that did not, and an SA that comes back as it was */
static void test_nat_port(void **state)
{
	struct sa_spec in = IN(0), out = OUT(0);
	struct story s;

	(void)state;
	for (unsigned int moved = 0; moved < 2; moved++) {
		begin(&s, ALL_SEES);
		in.port = out.port = 6001;
		ike(&s, 9960, 'r', V2(0xa0, 34, 0, 300));
		ike(&s, 9965, 'a', (struct ike_spec){ 0xa0, 2, 34, 0, 300, 9, AES_GCM });
		ike(&s, 9970, 'r', V2(0xa0, 35, 1, 300));
		sa_op(&s, 10000, in, IKW_SA_ADD, 0, DAEMON);
		sa_op(&s, 10001, out, IKW_SA_ADD, 0, DAEMON);
		ike(&s, 10010, 'a', V2(0xa0, 35, 1, 208));
		sa_op(&s, 20000, in, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
		in.port = moved ? 6002 : 6001;
		sa_op(&s, 20003, in, IKW_SA_ADD, 0, DAEMON);
		sa_op(&s, 20006, out, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
		out.port = in.port;
		sa_op(&s, 20009, out, IKW_SA_ADD, 0, DAEMON);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_true(s.told[0].tunnel_up);
		assert_int_equal(s.told[0].reason == IKW_REASON_PORT_MISMATCH, moved);
	}
}

/*
 * One pair of gateways, one tunnel after the other: the IKE_SA that died in
 * silence explains its own tunnel's end, never that of the next one.
 */
static void dead_ike_then(struct story *s, bool known)
{
	begin(s, ALL_SEES);
	establish(s, 10000, 0xa0, 0, AES_GCM);
	silence(s, 20000, V2(0xa0, 37, 2, 57), 4);
	down(s, 29000, 0, IKW_CAUSE_CALL, DAEMON);
	if (known)
		establish(s, 240000, 0xb0, 1, AES_GCM);
	else
		up(s, 240035, 1, DAEMON);
}

/* A whole IKE_SA that our daemon ends by itself, answered; used until then. */
static void by_itself(struct story *s, uint64_t ms, uint64_t spi, unsigned int n)
{
	ike(s, ms, '>', V2(spi, 37, 2, 65));
	ike(s, ms + 10, '<', V2(spi, 37, 2, 57));
	down(s, ms + 20, n, IKW_CAUSE_CALL, DAEMON);
}

/* The first that ends by itself tells nothing; the second, as old as it, does. */
static void test_life_over(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES & ~(uint32_t)IKW_SEES_ESP);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	by_itself(&s, 70000, 0xa0, 0);
	establish(&s, 100000, 0xb0, 1, AES_GCM);
	by_itself(&s, 160200, 0xb0, 1);
	end(&s);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.told[0].reason, IKW_REASON_UNKNOWN);
	assert_int_equal(s.told[1].reason, IKW_REASON_PHASE1_HARD_EXPIRY);
	assert_int_equal(s.told[1].confidence, IKW_CONFIDENCE_LIKELY);
}

/* Near misses: another age; an operator's word at just that age. */
static void test_life_not_over(void **state)
{
	static const char args[] = "swanctl\0--terminate\0--ike\0x";
	struct story s;

	(void)state;
	begin(&s, ALL_SEES & ~(uint32_t)IKW_SEES_ESP);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	by_itself(&s, 70000, 0xa0, 0);
	establish(&s, 100000, 0xb0, 1, AES_GCM);
	by_itself(&s, 150000, 0xb0, 1);
	establish(&s, 200000, 0xc0, 2, AES_GCM);
	control(&s, 249900, args, sizeof(args), "terminate");
	by_itself(&s, 250000, 0xc0, 2);
	end(&s);
	assert_int_equal(s.count, 3);
	assert_int_equal(s.told[0].reason, IKW_REASON_UNKNOWN);
	assert_int_equal(s.told[1].reason, IKW_REASON_UNKNOWN);
	assert_int_equal(s.told[2].reason, IKW_REASON_MANUAL);
}

/*
 * With CBC a Delete of a CHILD_SA has the length of an IKE_SA's. What follows on
 * the IKE_SA tells the first, soon or late, its age the second; near misses:
 * another age; an IKE_SA of its own, which would tell nothing of the first.
 */
static void test_child_life_cbc(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int other = 0; other < 4; other++) {
		uint64_t came = other < 2 ? 26500 : 32500,
			 second = came + (other == 1 ? 23500 : 16200);
		uint64_t spi = other == 3 ? 0xb0 : 0xa0;

		begin(&s, ALL_SEES & ~(uint32_t)IKW_SEES_ESP);
		establish(&s, 10000, 0xa0, 0, AES_SHA256);
		ike(&s, 26000, '>', V2(0xa0, 37, 2, 80));
		ike(&s, 26010, '<', V2(0xa0, 37, 2, 80));
		down(&s, 26020, 0, IKW_CAUSE_CALL, DAEMON);
		if (other == 3) {
			establish(&s, came - 15, spi, 1, AES_SHA256);
		} else {
			ike(&s, came, '>', V2(spi, 36, 3, 208));
			ike(&s, came + 10, '<', V2(spi, 36, 3, 208));
			up(&s, came + 20, 1, DAEMON);
		}
		ike(&s, second, '>', V2(spi, 37, 4, 80));
		ike(&s, second + 10, '<', V2(spi, 37, 4, 80));
		down(&s, second + 20, 1, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 2);
		assert_int_equal(s.told[0].reason, IKW_REASON_UNKNOWN);
		assert_int_equal(s.told[1].reason, other == 1	? IKW_REASON_UNKNOWN
						   : other == 3 ? IKW_REASON_PHASE1_HARD_EXPIRY
								: IKW_REASON_PHASE2_HARD_EXPIRY);
	}
}

/* With CBC the Delete looks like a check: the daemon looked, and what it sent ended the tunnel. */
static void test_idle_cbc(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	look(&s, 39990, 0);
	ike(&s, 40000, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 40010, '<', V2(0xa0, 37, 2, 80));
	down(&s, 40020, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_IDLE_TIMEOUT, IKW_CONFIDENCE_LIKELY);
}

/*
 * Traffic comes as it has gone, and a policy that waits for some begins anew: no
 * reauthentication, which begins (near miss) before the SAs go, and looks at nothing.
 */
static void test_idle_then_anew(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int miss = 0; miss < 3; miss++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_SHA256);
		if (miss != 1)
			look(&s, 39990, 0);
		ike(&s, 40000, '>', V2(0xa0, 37, 2, 80));
		ike(&s, 40010, '<', V2(0xa0, 37, 2, 80));
		if (miss == 2)
			ike(&s, 40015, '>', V2(0xb0, 34, 0, 300));
		down(&s, miss == 2 ? 40020 : 40400, 0, IKW_CAUSE_CALL, DAEMON);
		establish(&s, 40600, 0xb0, 1, AES_SHA256);
		expect_one(&s, miss ? IKW_REASON_PHASE1_REPLACE : IKW_REASON_IDLE_TIMEOUT,
			   miss == 2 ? IKW_CONFIDENCE_CERTAIN : IKW_CONFIDENCE_LIKELY);
		assert_true(s.told[0].tunnel_up);
	}
}

/* The kernel's counters tell of traffic that the packet programs did not see: nothing was idle. */
static void test_traffic_unseen(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	look(&s, 39990, 0);
	ike(&s, 40000, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 40010, '<', V2(0xa0, 37, 2, 80));
	NEW(&s, e, sa, SA, 40020);
	e.sa.op = IKW_SA_DELETE;
	e.sa.cause = IKW_CAUSE_CALL;
	e.sa.spi = 0x1000;
	e.sa.proto = 50;
	e.sa.by.tgid = DAEMON;
	e.sa.packets = 1000;
	addr4(e.sa.saddr, 9);
	addr4(e.sa.daddr, 1);
	feed(&s, &e);
	end(&s);
	assert_int_equal(s.count, 1);
	assert_int_not_equal(s.told[0].reason, IKW_REASON_IDLE_TIMEOUT);
}

/* Near miss: it looked long before, at a check that was answered. */
static void test_not_idle_cbc(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	look(&s, 39990, 0);
	ike(&s, 40000, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 40010, '<', V2(0xa0, 37, 2, 80));
	ike(&s, 45000, '>', V2(0xa0, 37, 3, 80));
	ike(&s, 45010, '<', V2(0xa0, 37, 3, 80));
	down(&s, 45020, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
}

static void refused(struct story *s, uint64_t ms, struct sa_spec spec, uint32_t tgid)
{
	NEW(s, e, sa, SA, ms);

	e.sa.op = IKW_SA_FAILED;
	e.sa.error = -17;
	e.sa.spi = spec.spi;
	e.sa.proto = 50;
	e.sa.by.tgid = tgid;
	addr4(e.sa.saddr, 1);
	addr4(e.sa.daddr, 9);
	feed(s, &e);
}

/* The rekey's new SA is refused, so the old one lives to its limit; near miss: a tool's attempt. */
static void rekey_refused(uint32_t by, enum ikw_reason reason, enum ikw_confidence confidence)
{
	struct story s;

	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 30000, '>', V2(0xa0, 36, 2, 200));
	ike(&s, 30020, '<', V2(0xa0, 36, 2, 200));
	refused(&s, 30030, OUT(1), by);
	ike(&s, 30040, '>', V2(0xa0, 37, 3, 69));
	ike(&s, 30050, '<', V2(0xa0, 37, 3, 69));
	down(&s, 60000, 0, IKW_CAUSE_TIMER, DAEMON);
	expect_one(&s, reason, confidence);
}

static void test_rekey_refused(void **state)
{
	(void)state;
	rekey_refused(DAEMON, IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY);
	rekey_refused(OTHER, IKW_REASON_PHASE2_HARD_EXPIRY, IKW_CONFIDENCE_CERTAIN);
}

/* The peer's rekey is refused here, and it lets the tunnel end; near misses: a tool's attempt, long
 * ago. */
static void test_peer_gives_up_after_conflict(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		uint64_t gone = i == 2 ? 190000 : 60000;
		struct story s;

		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		ike(&s, 44000, 'r', V2(0xa0, 36, 0, 200));
		refused(&s, 44010, OUT(1), i == 1 ? OTHER : DAEMON);
		ike(&s, 44020, 'a', V2(0xa0, 36, 0, 69));
		ike(&s, gone, 'r', V2(0xa0, 37, 1, 69));
		down(&s, gone + 10, 0, IKW_CAUSE_CALL, DAEMON);
		ike(&s, gone + 20, 'a', V2(0xa0, 37, 1, 57));
		if (i)
			expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
		else
			expect_one(&s, IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY);
	}
}

/* OpenIKED listens in another process than negotiates; near misses: it negotiates itself, or
 * elsewhere. */
static void ordered_by_listener(bool daemon, uint32_t netns, const char *path,
				enum ikw_reason reason, enum ikw_confidence confidence)
{
	static const char args[] = "ikectl\0reset\0sa";
	struct story s;

	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	if (daemon) {
		NEW(&s, d, proc, PROC, 20000);
		d.proc.op = IKW_PROC_DAEMON;
		d.proc.tgid = 4061;
		strcpy(d.proc.comm, "iked");
		feed(&s, &d);
	}
	NEW(&s, p, proc, PROC, 30000);
	p.proc.op = IKW_PROC_SEEN;
	p.proc.tgid = 300;
	p.proc.args_len = sizeof(args);
	memcpy(p.proc.args, args, sizeof(args));
	strcpy(p.proc.comm, "ikectl");
	feed(&s, &p);
	NEW(&s, c, control, CONTROL, 30001);
	c.control.op = IKW_CONTROL_CONNECT;
	c.control.by.tgid = 300;
	c.control.daemon_tgid = 4061;
	c.control.hdr.netns = netns;
	strcpy(c.control.path, path);
	feed(&s, &c);
	ike(&s, 30010, '>', V2(0xa0, 37, 2, 65));
	ike(&s, 30020, '<', V2(0xa0, 37, 2, 57));
	down(&s, 30030, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, reason, confidence);
}

/* SIGTERM to the process that began the one that negotiates; near misses: another's, none. */
static void test_signal_to_parent(void **state)
{
	const uint32_t targets[] = { 4000, 4001, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct story s;

		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		NEW(&s, d, proc, PROC, 20000);
		d.proc.op = IKW_PROC_DAEMON;
		d.proc.tgid = DAEMON;
		d.proc.parent_count = 1;
		d.proc.parents[0].tgid = 4000;
		strcpy(d.proc.comm, "iked");
		feed(&s, &d);
		NEW(&s, k, signal, SIGNAL, 30000);
		k.signal.by.tgid = 300;
		strcpy(k.signal.by.comm, "kill");
		k.signal.daemon_tgid = targets[i];
		k.signal.signo = SIGTERM;
		if (targets[i])
			feed(&s, &k);
		down(&s, 30030, 0, IKW_CAUSE_CALL, DAEMON);
		if (i)
			expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
		else
			expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
	}
}

static void test_order_to_listener(void **state)
{
	(void)state;
	ordered_by_listener(false, 0, "/var/run/iked.sock", IKW_REASON_MANUAL,
			    IKW_CONFIDENCE_CERTAIN);
	ordered_by_listener(true, 0, "/var/run/iked.sock", IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	ordered_by_listener(false, 77, "/var/run/iked.sock", IKW_REASON_UNKNOWN,
			    IKW_CONFIDENCE_NONE);
	ordered_by_listener(false, 0, "/var/run/charon.vici", IKW_REASON_UNKNOWN,
			    IKW_CONFIDENCE_NONE);
}

/* A daemon that was refused an SPI deletes the stranger's SA that has it; near miss: another SPI.
 */
static void taken_from(struct sa_spec wanted, enum ikw_reason reason)
{
	struct story s;

	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	up_by_hand(&s, 20000, 1, OTHER);
	refused(&s, 30000, wanted, DAEMON);
	sa_op(&s, 30100, OUT(1), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, reason, IKW_CONFIDENCE_LIKELY);
}

static void test_stranger_deleted(void **state)
{
	(void)state;
	taken_from(OUT(1), IKW_REASON_SPI_CONFLICT);
	taken_from(OUT(2), IKW_REASON_MANUAL);
}

/* Delete, a new IKE_SA, and its CHILD_SA's SPI is taken. */
static void test_reauth_refused_by_kernel(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 30000, '>', V2(0xa0, 37, 2, 65));
	ike(&s, 30010, '<', V2(0xa0, 37, 2, 57));
	ike(&s, 30030, '>', V2(0xb0, 34, 0, 300));
	down(&s, 30040, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 30060, '<', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_GCM });
	ike(&s, 30070, '>', V2(0xb0, 35, 1, 300));
	ike(&s, 30090, '<', V2(0xb0, 35, 1, 208));
	refused(&s, 30095, OUT(1), DAEMON);
	expect_one(&s, IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY);
}

static void notify(struct story *s, uint64_t ms, uint32_t spi)
{
	NEW(s, e, ike, IKE, ms);

	addr4(e.ike.saddr, 9);
	addr4(e.ike.daddr, 1);
	e.ike.dir = IKW_DIR_IN;
	e.ike.sport = e.ike.dport = 500;
	e.ike.spi_i = 0x77;
	e.ike.version = 0x20;
	e.ike.exchange = 37;
	e.ike.ike_flags = 0x20;
	e.ike.flags2 = IKW_IKE_NOTIFY;
	e.ike.notify = 11;
	e.ike.notify_spi = spi;
	feed(s, &e);
}

/* What manages the SAs without a name we know obeys a notification that names its SPI. */
static void test_notify_obeyed(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	up_by_hand(&s, 10000, 0, OTHER);
	notify(&s, 40000, 0x2000);
	down(&s, 40200, 0, IKW_CAUSE_CALL, OTHER);
	expect_one(&s, IKW_REASON_INVALID_SPI, IKW_CONFIDENCE_LIKELY);
}

/* Near misses: of an SPI of nobody's; long before; before a silence. */
static void test_notify_forged(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	up_by_hand(&s, 10000, 0, OTHER);
	notify(&s, 40000, 0x12345678);
	down(&s, 40200, 0, IKW_CAUSE_CALL, OTHER);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY);
	begin(&s, ALL_SEES);
	up_by_hand(&s, 10000, 0, OTHER);
	notify(&s, 30000, 0x2000);
	down(&s, 40200, 0, IKW_CAUSE_CALL, OTHER);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	silence(&s, 20000, V2(0xa0, 37, 2, 57), 4);
	notify(&s, 28000, 0x2000);
	down(&s, 29000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
}

static void test_dead_ike_is_not_the_next_tunnels(void **state)
{
	struct story s;

	(void)state;
	dead_ike_then(&s, true);
	ike(&s, 246000, 'r', V2(0xb0, 37, 0, 65));
	ike(&s, 246008, 'a', V2(0xb0, 37, 0, 65));
	down(&s, 246020, 1, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.told[0].reason, IKW_REASON_DPD_TIMEOUT);
	assert_string_equal(s.told[1].rule, "peer_delete");
}

static void test_dead_ike_explains_nothing_later(void **state)
{
	struct story s;

	(void)state;
	dead_ike_then(&s, false); /* its own negotiation went unseen */
	down(&s, 246020, 1, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.told[1].reason, IKW_REASON_UNKNOWN);
}

/* Libreswan answers an ESP Delete with one of its own, of the same length: no R-U-THERE-ACK. */
static void test_v1_delete_for_delete(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	ike(&s, 10000, 'r', (struct ike_spec){ 0xa0, 1, 2, 0, 200, 9, 0, 0, 0 });
	/* AES-CBC 128 with SHA2-256: an ESP Delete is 92 bytes, R-U-THERE and ISAKMP Delete 108 */
	ike(&s, 10010, 'a', (struct ike_spec){ 0xa0, 1, 2, 0, 140, 9, 7, 128, 4 });
	ike(&s, 10100, 'r', (struct ike_spec){ 0xa0, 1, 32, 5, 188, 9, 0, 0, 0 });
	ike(&s, 10110, 'a', (struct ike_spec){ 0xa0, 1, 32, 5, 188, 9, 0, 0, 0 });
	up(&s, 10120, 0, DAEMON);
	ike(&s, 20000, 'r', (struct ike_spec){ 0xa0, 1, 5, 77, 92, 9, 0, 0, 0 });
	ike(&s, 20004, 'a', (struct ike_spec){ 0xa0, 1, 5, 78, 92, 9, 0, 0, 0 });
	down(&s, 20010, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 20016, 'r', (struct ike_spec){ 0xa0, 1, 5, 79, 108, 9, 0, 0, 0 });
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

/* Checks in silence, then a Delete that goes out well before the kernel's delete. */
static void test_v1_liveness_then_delete(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	ike(&s, 10000, 'r', (struct ike_spec){ 0xa0, 1, 2, 0, 180, 9, 0, 0, 0 });
	ike(&s, 10010, 'a', (struct ike_spec){ 0xa0, 1, 2, 0, 144, 9, 7, 128, 4 });
	ike(&s, 10100, 'r', (struct ike_spec){ 0xa0, 1, 32, 5, 188, 9, 0, 0, 0 });
	ike(&s, 10110, 'a', (struct ike_spec){ 0xa0, 1, 32, 5, 188, 9, 0, 0, 0 });
	up(&s, 10120, 0, DAEMON);
	ike(&s, 12000, '>', (struct ike_spec){ 0xa0, 1, 5, 70, 108, 9, 0, 0, 0 });
	ike(&s, 12005, '<', (struct ike_spec){ 0xa0, 1, 5, 71, 108, 9, 0, 0, 0 });
	for (uint32_t i = 0; i < 4; i++)
		ike(&s, 14000 + i * 1000, '>',
		    (struct ike_spec){ 0xa0, 1, 5, 72 + i, 108, 9, 0, 0, 0 });
	ike(&s, 18000, '>', (struct ike_spec){ 0xa0, 1, 5, 80, 92, 9, 0, 0, 0 });
	down(&s, 18060, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 18070, '>', (struct ike_spec){ 0xa0, 1, 5, 81, 92, 9, 0, 0, 0 });
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY);
}

/* An operator ends another tunnel while this one is reauthenticated, or while the peer checks us.
 */
static void test_order_for_another(void **state)
{
	static const char args[] = "swanctl\0--terminate\0--ike\0other";
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	control(&s, 29700, args, sizeof(args), "terminate");
	ike(&s, 30000, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 30010, '<', V2(0xa0, 37, 2, 80));
	ike(&s, 30040, '>', V2(0xb0, 34, 0, 300));
	ike(&s, 30045, '<', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_SHA256 });
	down(&s, 30060, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 30100, '>', V2(0xb0, 35, 1, 300));
	ike(&s, 30120, '<', V2(0xb0, 35, 1, 208));
	up(&s, 30130, 1, DAEMON);
	expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY);

	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	control(&s, 26500, args, sizeof(args), "terminate");
	ike(&s, 30000, 'r', V2(0xa0, 37, 0, 80));
	ike(&s, 30003, 'a', V2(0xa0, 37, 0, 80));
	down(&s, 30700, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_LIKELY);
}

/* What was ordered before there was a tunnel did not end it. */
static void test_order_before_birth(void **state)
{
	static const char args[] = "swanctl\0--load-all";
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	control(&s, 18000, args, sizeof(args), "load-conn");
	establish(&s, 18500, 0xa0, 0, AES_SHA256);
	ike(&s, 20010, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 20020, '<', V2(0xa0, 37, 2, 80));
	down(&s, 20030, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	assert_false(s.told[0].ordered);
}

static void daemon_exit(struct story *s, uint64_t ms, uint32_t tgid)
{
	NEW(s, p, proc, PROC, ms);

	p.proc.op = IKW_PROC_EXIT;
	p.proc.tgid = tgid;
	p.proc.exit_code = SIGKILL;
	strcpy(p.proc.comm, "charon");
	feed(s, &p);
}

/* Killed, it leaves its SAs behind: no deletion, but told; what becomes of them is another matter.
 */
static void test_daemon_lost(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	daemon_exit(&s, 20000, OTHER);
	daemon_exit(&s, 21000, DAEMON);
	assert_true(ikw_model_deadline(s.model) <= s.now + 2000000000ULL);
	ikw_model_tick(s.model, s.now + 1000000000ULL);
	assert_int_equal(s.daemons_lost, 0);
	ikw_model_tick(s.model, s.now + 2500000000ULL);
	assert_int_equal(s.daemons_lost, 1);
	assert_int_equal(s.lost_pid, DAEMON);
	assert_int_equal(s.lost_tunnels, 1);
	assert_int_equal(s.count, 0);
	down(&s, 30000, 0, IKW_CAUSE_FLUSH, OTHER);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
	assert_int_equal(s.daemons_lost, 1);
}

/* Who wrote SAs by hand and ends leaves nothing unmanaged, even where it was held for a daemon. */
static void test_no_daemon_lost(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	NEW(&s, p, proc, PROC, 9000);
	p.proc.op = IKW_PROC_DAEMON;
	p.proc.tgid = OTHER;
	strcpy(p.proc.comm, "tool");
	feed(&s, &p);
	up_by_hand(&s, 10000, 0, OTHER);
	daemon_exit(&s, 20000, OTHER);
	end(&s);
	assert_int_equal(s.daemons_lost, 0);
}

/* One that takes its SAs down as it ends is not lost. */
static void test_daemon_stops(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	down(&s, 21000, 0, IKW_CAUSE_CALL, DAEMON);
	daemon_exit(&s, 21050, DAEMON);
	end(&s);
	assert_int_equal(s.daemons_lost, 0);
	assert_int_equal(s.count, 1);
}

static void test_nothing_explains(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	down(&s, 40000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
}

/* ---- addresses of nobody here ------------------------------------------------ */

enum { CLUSTER = 50, FAR = 9 };

static void stood_by(struct story *s, uint64_t ms, uint32_t spi, bool out, uint8_t op)
{
	NEW(s, e, sa, SA, ms);

	e.sa.op = op;
	e.sa.cause = op == IKW_SA_DELETE ? IKW_CAUSE_CALL : 0;
	e.sa.spi = spi;
	e.sa.reqid = 1;
	e.sa.proto = 50;
	e.sa.mode = 1;
	e.sa.family = 2;
	e.sa.by.tgid = DAEMON;
	addr4(e.sa.saddr, out ? CLUSTER : FAR);
	addr4(e.sa.daddr, out ? FAR : CLUSTER);
	feed(s, &e);
}

static void stood_by_pair(struct story *s, uint64_t ms, unsigned int n, uint8_t op)
{
	stood_by(s, ms, 0x1000 + n, false, op);
	stood_by(s, ms + 1, 0x2000 + n, true, op);
}

/* A node of a cluster that stands by has the SAs, and neither of their addresses. */
static void test_neither_end_is_ours(void **state)
{
	uint8_t cluster[IKW_ADDR_LEN], far[IKW_ADDR_LEN];
	const struct ikw_tunnel *t;
	struct story s;

	(void)state;
	addr4(cluster, CLUSTER);
	addr4(far, FAR);
	for (int late = 0; late < 2; late++) {
		const struct ikw_world *w;

		begin(&s, ALL_SEES);
		w = ikw_model_world(s.model);
		if (!late)
			policy_op(&s, 9000, IKW_POLICY_INSERT, CLUSTER, FAR);
		stood_by_pair(&s, 10000, 0, IKW_SA_ADD);
		if (late)
			policy_op(&s, 10010, IKW_POLICY_INSERT, CLUSTER, FAR);
		assert_non_null(ikw_world_peer(w, cluster, far));
		t = ikw_world_peer(w, cluster, far)->tunnels;
		assert_non_null(t);
		assert_true(t->flow.known);
		assert_int_equal(t->flow.rule_num, 77);
		assert_null(t->generations->next);
		assert_int_equal(t->generations->in->spi, 0x1000);
		assert_int_equal(t->generations->in->dir, IKW_DIR_IN);
		assert_int_equal(t->generations->out->spi, 0x2000);
		if (ikw_world_peer(w, far, cluster))
			assert_null(ikw_world_peer(w, far, cluster)->tunnels);
		/* what comes next is the same tunnel's, and both SAs are found by their SPIs */
		stood_by_pair(&s, 20000, 1, IKW_SA_ADD);
		assert_non_null(t->generations->next);
		stood_by_pair(&s, 21000, 0, IKW_SA_DELETE);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_true(s.told[0].tunnel_up);
	}
}

/* Netlink tells of a flush of the SPD once, not of each policy: none explains what comes later. */
static void test_policies_flushed(void **state)
{
	uint8_t cluster[IKW_ADDR_LEN], far[IKW_ADDR_LEN];
	struct story s;

	(void)state;
	addr4(cluster, CLUSTER);
	addr4(far, FAR);
	for (int netlink = 0; netlink < 2; netlink++) {
		const struct ikw_world *w;

		begin(&s, ALL_SEES);
		w = ikw_model_world(s.model);
		policy_op(&s, 9000, IKW_POLICY_INSERT, CLUSTER, FAR);
		NEW(&s, e, flush, FLUSH, 9500);
		e.flush.what = IKW_FLUSH_POLICY;
		e.hdr.flags = netlink ? IKW_F_NETLINK : 0;
		feed(&s, &e);
		assert_int_equal(w->policies.count, !netlink);
		stood_by_pair(&s, 10000, 0, IKW_SA_ADD);
		assert_int_equal(ikw_world_peer(w, netlink ? far : cluster, netlink ? cluster : far)
					 ->tunnels->flow.known,
				 !netlink);
		end(&s);
	}
}

/* spi 0: the IKE_SA. dir out: that this host speaks to the other node */
static void node_tells(struct story *s, uint64_t ms, uint8_t dir, uint16_t code, uint8_t ike,
		       uint32_t spi)
{
	NEW(s, e, wire, WIRE, ms);

	e.wire.kind = IKW_WIRE_CLUSTER;
	e.wire.dir = dir;
	e.wire.code = code;
	e.wire.id = spi;
	e.wire.addr[0] = ike;
	addr4(dir == IKW_DIR_OUT ? e.wire.saddr : e.wire.daddr, 1);
	addr4(dir == IKW_DIR_OUT ? e.wire.daddr : e.wire.saddr, 30);
	feed(s, &e);
}

static void stand_by(struct story *s, bool told)
{
	begin(s, ALL_SEES);
	sa_op(s, 4000, IN(7), IKW_SA_LARVAL, 0, DAEMON); /* it is an IKE daemon */
	node_tells(s, 5000, IKW_DIR_OUT, 10, 0, 0);
	if (told)
		node_tells(s, 9990, IKW_DIR_IN, IKW_CLUSTER_CHILD_ADD, 1, 0x1000);
	stood_by_pair(s, 10000, 0, IKW_SA_ADD);
	policy_op(s, 10010, IKW_POLICY_INSERT, CLUSTER, FAR);
}

/* This node deletes what the one that speaks IKE says to be deleted. */
static void test_cluster_deletes(void **state)
{
	static const struct {
		bool told, child;
		const char *rule;
		enum ikw_confidence confidence;
	} rows[] = {
		{ true, false, "cluster_deleted", IKW_CONFIDENCE_CERTAIN },
		{ true, true, "cluster_deleted", IKW_CONFIDENCE_CERTAIN },
		{ false, true, "cluster_deleted", IKW_CONFIDENCE_CERTAIN },
		{ false, false, "cluster_deleted_some", IKW_CONFIDENCE_LIKELY },
	};
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		stand_by(&s, rows[i].told);
		if (rows[i].child)
			node_tells(&s, 20000, IKW_DIR_IN, IKW_CLUSTER_CHILD_DELETE, 1, 0x1000);
		else
			node_tells(&s, 20000, IKW_DIR_IN, IKW_CLUSTER_IKE_DELETE, 1, 0);
		stood_by_pair(&s, 20008, 0, IKW_SA_DELETE);
		expect_one(&s, IKW_REASON_BACKUP_DELETE, rows[i].confidence);
		assert_string_equal(s.told[0].rule, rows[i].rule);
	}
}

/* Of another IKE_SA, of long ago, of a node that this one does not speak to: a word that explains
 * nothing, or not for certain. */
static void test_cluster_deletes_other(void **state)
{
	struct story s;

	(void)state;
	stand_by(&s, true);
	node_tells(&s, 20000, IKW_DIR_IN, IKW_CLUSTER_IKE_DELETE, 2, 0);
	stood_by_pair(&s, 20008, 0, IKW_SA_DELETE);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	stand_by(&s, true);
	node_tells(&s, 20000, IKW_DIR_IN, IKW_CLUSTER_IKE_DELETE, 1, 0);
	stood_by_pair(&s, 30000, 0, IKW_SA_DELETE);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	begin(&s, ALL_SEES);
	sa_op(&s, 4000, IN(7), IKW_SA_LARVAL, 0, DAEMON);
	node_tells(&s, 9990, IKW_DIR_IN, IKW_CLUSTER_CHILD_ADD, 1, 0x1000);
	stood_by_pair(&s, 10000, 0, IKW_SA_ADD); /* without a policy */
	node_tells(&s, 20000, IKW_DIR_IN, IKW_CLUSTER_IKE_DELETE, 1, 0);
	stood_by_pair(&s, 20008, 0, IKW_SA_DELETE);
	expect_one(&s, IKW_REASON_BACKUP_DELETE, IKW_CONFIDENCE_LIKELY);
}

/* Forged or not, it explains no deletion that this host's own IKE explains. */
static void test_cluster_word_beside_ike(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	node_tells(&s, 5000, IKW_DIR_OUT, 10, 0, 0);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	node_tells(&s, 29990, IKW_DIR_IN, IKW_CLUSTER_CHILD_DELETE, 1, 0x1000);
	ike(&s, 30000, 'r', V2(0xa0, 37, 0, 65));
	ike(&s, 30005, 'a', V2(0xa0, 37, 0, 57));
	down(&s, 30010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

/* Deleted and at once set up anew by the other node: a reauthentication of its. */
static void test_cluster_returns(void **state)
{
	struct story s;

	(void)state;
	stand_by(&s, true);
	node_tells(&s, 20000, IKW_DIR_IN, IKW_CLUSTER_IKE_DELETE, 1, 0);
	stood_by_pair(&s, 20008, 0, IKW_SA_DELETE);
	node_tells(&s, 20500, IKW_DIR_IN, IKW_CLUSTER_CHILD_ADD, 2, 0x1001);
	stood_by_pair(&s, 20505, 1, IKW_SA_ADD);
	expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY);
	assert_true(s.told[0].tunnel_up);
}

/*
 * SAs for the same flow came first. Which IKE_SA was the old SAs' is known where the
 * node told when it installed them; a rekey of the CHILD_SA names it in any case.
 */
static void test_cluster_rekeys(void **state)
{
	static const struct {
		bool told, child;
		uint64_t word; /* ms */
		const char *rule;
		enum ikw_reason reason;
		enum ikw_confidence confidence;
	} rows[] = {
		{ true, true, 21000, "cluster_rekeyed", IKW_REASON_PHASE2_REPLACE,
		  IKW_CONFIDENCE_LIKELY },
		{ false, true, 21000, "cluster_rekeyed", IKW_REASON_PHASE2_REPLACE,
		  IKW_CONFIDENCE_LIKELY },
		{ true, false, 21000, "cluster_reauthenticated", IKW_REASON_PHASE1_REPLACE,
		  IKW_CONFIDENCE_LIKELY },
		{ false, false, 21000, "cluster_reauthenticated_some", IKW_REASON_PHASE1_REPLACE,
		  IKW_CONFIDENCE_POSSIBLE },
		/* more than a second before: of another one */
		{ false, false, 20002, "replaced_plain", IKW_REASON_PHASE2_REPLACE,
		  IKW_CONFIDENCE_LIKELY },
	};
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool child = rows[i].child;

		stand_by(&s, rows[i].told);
		node_tells(&s, 19990, IKW_DIR_IN, IKW_CLUSTER_CHILD_ADD, child ? 1 : 2, 0x1001);
		stood_by_pair(&s, 20000, 1, IKW_SA_ADD);
		node_tells(&s, rows[i].word, IKW_DIR_IN,
			   child ? IKW_CLUSTER_CHILD_DELETE : IKW_CLUSTER_IKE_DELETE, 1,
			   child ? 0x1000 : 0);
		stood_by_pair(&s, 21008, 0, IKW_SA_DELETE);
		expect_one(&s, rows[i].reason, rows[i].confidence);
		assert_string_equal(s.told[0].rule, rows[i].rule);
		assert_true(s.told[0].tunnel_up);
	}
	/* what took its place ends before the case of the old one would have settled */
	stand_by(&s, true);
	node_tells(&s, 19990, IKW_DIR_IN, IKW_CLUSTER_CHILD_ADD, 1, 0x1001);
	stood_by_pair(&s, 20000, 1, IKW_SA_ADD);
	node_tells(&s, 21000, IKW_DIR_IN, IKW_CLUSTER_CHILD_DELETE, 1, 0x1000);
	stood_by_pair(&s, 21008, 0, IKW_SA_DELETE);
	node_tells(&s, 21400, IKW_DIR_IN, IKW_CLUSTER_CHILD_DELETE, 1, 0x1001);
	stood_by_pair(&s, 21408, 1, IKW_SA_DELETE);
	end(&s);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.told[0].rule, "cluster_rekeyed");
	assert_string_equal(s.told[1].rule, "cluster_deleted");
}

/* ---- SAs older than the agent ------------------------------------------------ */

struct found {
	struct sa_spec sa;
	uint64_t added; /* Unix seconds */
	uint32_t mark;
};

static void found_op(struct story *s, uint64_t ms, struct found f, uint8_t op, uint8_t cause)
{
	NEW(s, e, sa, SA, ms);

	e.sa.op = op;
	e.sa.cause = cause;
	e.sa.spi = f.sa.spi;
	e.sa.reqid = f.sa.reqid;
	e.sa.mark = f.mark;
	e.sa.mark_mask = f.mark ? ~0U : 0;
	e.sa.add_wall_s = f.added;
	e.sa.proto = 50;
	e.sa.mode = 1;
	e.sa.family = 2;
	if (op == IKW_SA_DELETE) {
		e.sa.by.tgid = OTHER;
		strcpy(e.sa.by.comm, "tool");
	}
	addr4(e.sa.saddr, f.sa.dir == IKW_DIR_OUT ? 1 : f.sa.peer);
	addr4(e.sa.daddr, f.sa.dir == IKW_DIR_OUT ? f.sa.peer : 1);
	feed(s, &e);
}

static void dump_op(struct story *s, uint64_t ms, uint8_t op)
{
	NEW(s, e, dump, DUMP, ms);

	e.dump.op = op;
	feed(s, &e);
}

static void found_dump(struct story *s, uint64_t ms, const struct found *list, size_t count)
{
	dump_op(s, ms, IKW_DUMP_BEGIN);
	for (size_t i = 0; i < count; i++)
		found_op(s, ms, list[i], IKW_SA_DUMP, 0);
	dump_op(s, ms + 1, IKW_DUMP_END);
}

static void found_flushed(struct story *s, uint64_t ms, const struct found *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		found_op(s, ms + i, list[i], IKW_SA_DELETE, IKW_CAUSE_FLUSH);
}

#define FOUND(sa, added) ((struct found){ sa, added, 0 })
#define COUNT(list)	 (sizeof(list) / sizeof((list)[0]))

/* As the agent feeds it: what the probes saw before the dump comes after its beginning. */
static void test_found_flushed_before_dump(void **state)
{
	const struct found pair[] = { FOUND(IN(0), 1000), FOUND(OUT(0), 1000) };
	struct story s;

	(void)state;
	for (int told = 0; told < 2; told++) {
		begin(&s, ALL_SEES);
		if (told)
			dump_op(&s, 60000, IKW_DUMP_BEGIN);
		found_flushed(&s, 20000, pair, 2);
		if (told)
			dump_op(&s, 60010, IKW_DUMP_END);
		expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
		assert_string_equal(s.told[0].rule, "flush");
		assert_false(s.told[0].tunnel_up);
	}
}

static void test_found_flushed_during_dump(void **state)
{
	const struct found pair[] = { FOUND(IN(0), 1000), FOUND(OUT(0), 1000) };
	struct story s;

	(void)state;
	for (size_t shown = 0; shown < 2; shown++) {
		begin(&s, ALL_SEES);
		dump_op(&s, 20000, IKW_DUMP_BEGIN);
		found_op(&s, 20001, pair[shown], IKW_SA_DUMP, 0);
		found_flushed(&s, 20000, pair, 2);
		dump_op(&s, 20010, IKW_DUMP_END);
		expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
	}
}

/* One SA goes before the dump, the other stands in it and goes much later: one deletion. */
static void test_found_half_gone(void **state)
{
	const struct found pair[] = { FOUND(IN(0), 1000), FOUND(OUT(0), 1003) };
	struct story s;

	(void)state;
	for (size_t first = 0; first < 2; first++) {
		begin(&s, ALL_SEES);
		dump_op(&s, 60000, IKW_DUMP_BEGIN);
		found_op(&s, 20000, pair[first], IKW_SA_DELETE, IKW_CAUSE_CALL);
		found_op(&s, 60001, pair[!first], IKW_SA_DUMP, 0);
		dump_op(&s, 60002, IKW_DUMP_END);
		found_op(&s, 90000, pair[!first], IKW_SA_DELETE, IKW_CAUSE_CALL);
		expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
		assert_false(s.told[0].tunnel_up);
	}
}

/* By hand, with a pause between the two: still a pair, whichever way it goes. */
static void test_found_added_apart(void **state)
{
	const struct found pair[] = { FOUND(IN(0), 1000), FOUND(OUT(0), 1040) };
	const uint64_t gaps[] = { 1, 30000 };
	struct story s;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		begin(&s, ALL_SEES);
		found_dump(&s, 20000, pair, 2);
		found_op(&s, 40000, pair[i & 1], IKW_SA_DELETE, IKW_CAUSE_CALL);
		found_op(&s, 40000 + gaps[i / 2], pair[!(i & 1)], IKW_SA_DELETE, IKW_CAUSE_CALL);
		expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
		assert_false(s.told[0].tunnel_up);
	}
}

/* Several pairs between the same peers: as many alarms as pairs, reqid or none. */
static void test_found_pairs(void **state)
{
	struct found list[] = { FOUND(IN(0), 1000), FOUND(IN(1), 2000), FOUND(OUT(1), 2020),
				FOUND(OUT(0), 1002) };
	struct story s;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		begin(&s, ALL_SEES);
		for (size_t k = 0; k < COUNT(list); k++)
			list[k].sa.reqid = i & 1;
		if (i & 2)
			found_dump(&s, 20000, list, COUNT(list));
		found_flushed(&s, 40000, list, COUNT(list));
		end(&s);
		assert_int_equal(s.count, 2);
		assert_int_equal(s.told[0].reason, IKW_REASON_MANUAL);
		assert_int_equal(s.told[1].reason, IKW_REASON_MANUAL);
		assert_false(s.told[0].tunnel_up || s.told[1].tunnel_up);
	}
}

/* Without a reqid each direction may have a mark of its own. */
static void test_found_marks_differ(void **state)
{
	struct found pair[] = { FOUND(IN(0), 1000), FOUND(OUT(0), 1000) };
	struct story s;

	(void)state;
	pair[0].sa.reqid = pair[1].sa.reqid = 0;
	pair[0].mark = 1;
	pair[1].mark = 2;
	begin(&s, ALL_SEES);
	found_dump(&s, 20000, pair, 2);
	found_flushed(&s, 40000, pair, 2);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
}

/* A rekey of which the agent saw the end only: the new pair is a pair, the old inbound SA is not of
 * it. */
static void test_found_in_a_rekey(void **state)
{
	const struct found list[] = { FOUND(OUT(1), 1004), FOUND(IN(1), 1004), FOUND(IN(0), 1000) };
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	dump_op(&s, 22000, IKW_DUMP_BEGIN);
	found_op(&s, 20000, FOUND(OUT(0), 1000), IKW_SA_DELETE, IKW_CAUSE_CALL);
	for (size_t k = 0; k < COUNT(list); k++)
		found_op(&s, 22001, list[k], IKW_SA_DUMP, 0);
	dump_op(&s, 22002, IKW_DUMP_END);
	found_op(&s, 25000, list[2], IKW_SA_DELETE, IKW_CAUSE_CALL);
	ikw_model_tick(s.model, s.now + 60000000000ULL);
	assert_int_equal(s.count, 1);
	assert_true(s.told[0].tunnel_up);
	found_flushed(&s, 90000, list, 2);
	end(&s);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.told[1].rule, "flush");
	assert_false(s.told[1].tunnel_up);
}

/* Netlink tier: what the requester writes into its header is all that is told of it. */
static void netlink_sa(struct story *s, uint64_t ms, struct sa_spec spec, uint8_t op,
		       uint32_t portid)
{
	NEW(s, e, sa, SA, ms);

	e.hdr.flags = IKW_F_NETLINK;
	e.sa.op = op;
	e.sa.spi = spec.spi;
	e.sa.reqid = spec.reqid;
	e.sa.proto = 50;
	e.sa.mode = 1;
	e.sa.family = 2;
	e.sa.by.portid = portid;
	addr4(e.sa.saddr, spec.dir == IKW_DIR_OUT ? 1 : spec.peer);
	addr4(e.sa.daddr, spec.dir == IKW_DIR_OUT ? spec.peer : 1);
	feed(s, &e);
}

#define NETLINK_SEES                                                                               \
	(IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT | IKW_SEES_SA | IKW_SEES_POLICY | IKW_SEES_LINK |      \
	 IKW_SEES_ESP | IKW_SEES_PORTID)

static void netlink_pair(struct story *s, uint64_t ms, uint8_t op, uint32_t portid)
{
	netlink_sa(s, ms, IN(0), op, portid);
	netlink_sa(s, ms + 3, OUT(0), op, portid);
}

static void test_netlink_other_header(void **state)
{
	/* who installed, who deleted: as their headers have it */
	static const struct {
		uint32_t installer, deleter;
		enum ikw_reason reason;
		enum ikw_confidence confidence;
	} rows[] = {
		{ 77, 0, IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY },
		{ 77, 78, IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY },
		{ 77, 77, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE },
		{ 0, 0, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE },
	};
	struct story s;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin(&s, NETLINK_SEES);
		ike(&s, 10000, '>', V2(0xa0, 34, 0, 300));
		ike(&s, 10005, '<', V2(0xa0, 34, 0, 300));
		ike(&s, 10010, '>', V2(0xa0, 35, 1, 300));
		ike(&s, 10030, '<', V2(0xa0, 35, 1, 208));
		netlink_pair(&s, 10035, IKW_SA_ADD, rows[i].installer);
		netlink_pair(&s, 60000, IKW_SA_DELETE, rows[i].deleter);
		expect_one(&s, rows[i].reason, rows[i].confidence);
	}
}

/* Peers that speak IKE, and did not when this SA came: no daemon's. */
static void test_netlink_hand_made(void **state)
{
	static const struct {
		uint64_t installed;
		uint32_t sees;
		enum ikw_reason reason;
	} rows[] = {
		{ 100000, NETLINK_SEES, IKW_REASON_MANUAL },
		{ 20000, NETLINK_SEES, IKW_REASON_UNKNOWN },
		{ 100000, NETLINK_SEES & ~IKW_SEES_IKE_IN, IKW_REASON_UNKNOWN },
	};
	struct story s;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin(&s, rows[i].sees);
		ike(&s, 10000, '>', V2(0xa0, 34, 0, 300));
		ike(&s, 10005, '<', V2(0xa0, 34, 0, 300));
		netlink_pair(&s, rows[i].installed, IKW_SA_ADD, 0);
		netlink_pair(&s, 200000, IKW_SA_DELETE, 0);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason, rows[i].reason);
	}
}

/* IKE in TCP is not read: that none was seen says nothing of who deleted the SAs. */
static void test_in_tcp(void **state)
{
	static const struct {
		uint32_t sees, by;
		bool tcp;
		enum ikw_reason reason;
	} rows[] = {
		{ NETLINK_SEES, 0, false, IKW_REASON_MANUAL },
		{ NETLINK_SEES, 0, true, IKW_REASON_UNKNOWN },
		{ ALL_SEES, DAEMON, false, IKW_REASON_MANUAL },
		{ ALL_SEES, DAEMON, true, IKW_REASON_UNKNOWN },
	};
	struct story s;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sa_spec in = IN(0), out = OUT(0);

		in.port = out.port = 4500;
		in.tcp = out.tcp = rows[i].tcp;
		begin(&s, rows[i].sees);
		sa_op(&s, 10000, in, IKW_SA_ADD, 0, rows[i].by);
		sa_op(&s, 10001, out, IKW_SA_ADD, 0, rows[i].by);
		sa_op(&s, 60000, in, IKW_SA_DELETE, IKW_CAUSE_CALL, rows[i].by);
		sa_op(&s, 60003, out, IKW_SA_DELETE, IKW_CAUSE_CALL, rows[i].by);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason, rows[i].reason);
		assert_true(!rows[i].tcp || s.told[0].blind > 0);
	}
}

/* A dump that never ends holds nothing up for good. */
static void test_dump_without_end(void **state)
{
	const struct found pair[] = { FOUND(IN(0), 1000), FOUND(OUT(0), 1000) };
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	found_dump(&s, 20000, pair, 2);
	for (uint64_t ms = 30000; ms < 45000; ms += 1000)
		dump_op(&s, ms, IKW_DUMP_BEGIN);
	found_flushed(&s, 45000, pair, 2);
	ikw_model_tick(s.model, s.now + 5000000000ULL);
	assert_int_equal(s.count, 1);
	end(&s);
	assert_int_equal(s.count, 1);
}

/* Containers come and go: their links and addresses are forgotten, ours and what just went are not.
 */
static void test_links_come_and_go(void **state)
{
	const struct ikw_host *host;
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	host = &ikw_model_world(s.model)->host;
	for (uint32_t i = 0; i < 20000; i++) {
		NEW(&s, link, link, LINK, 1000 + i * 1000ULL);
		link.link.ifindex = 10 + i;
		link.link.op = IKW_LINK_SET;
		feed(&s, &link);
		NEW(&s, addr, addr, ADDR, 1000 + i * 1000ULL);
		memcpy(addr.addr.addr + 12, &i, sizeof(i));
		addr.addr.ifindex = 10 + i;
		addr.addr.op = IKW_ADDR_SET;
		feed(&s, &addr);
		addr.addr.op = IKW_ADDR_GONE;
		feed(&s, &addr);
		link.link.op = IKW_LINK_GONE;
		feed(&s, &link);
	}
	assert_in_range(host->links.count, 100, 300);
	assert_in_range(host->addresses.count, 600, 2000);
	assert_non_null(ikw_host_link(host, 2));
	assert_non_null(ikw_host_link(host, 10 + 19999));
	end(&s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_links_come_and_go),
	cmocka_unit_test(test_liveness_aead),
	cmocka_unit_test(test_liveness_aead_padded),
	cmocka_unit_test(test_liveness_cbc_regular),
	cmocka_unit_test(test_liveness_cbc_restart),
	cmocka_unit_test(test_reauth_cbc_not_looked),
	cmocka_unit_test(test_looks_not_always),
	cmocka_unit_test(test_looks_slowly),
	cmocka_unit_test(test_liveness_or_reauth),
	cmocka_unit_test(test_answer_lost_here),
	cmocka_unit_test(test_answer_crossed),
	cmocka_unit_test(test_monitoring_is_no_order),
	cmocka_unit_test(test_exchange_timeout),
	cmocka_unit_test(test_ordered_down),
	cmocka_unit_test(test_ordered_down_dead_path),
	cmocka_unit_test(test_peer_delete),
	cmocka_unit_test(test_rekey),
	cmocka_unit_test(test_reauth_break_before_make),
	cmocka_unit_test(test_reauth_refused),
	cmocka_unit_test(test_reauth_make_before_break),
	cmocka_unit_test(test_reauth_unreachable),
	cmocka_unit_test(test_initial_contact),
	cmocka_unit_test(test_initial_contact_answered_twice),
	cmocka_unit_test(test_by_hand),
	cmocka_unit_test(test_by_hand_netlink_tier),
	cmocka_unit_test(test_hard_limit),
	cmocka_unit_test(test_limit_in_silence),
	cmocka_unit_test(test_netns_exit),
	cmocka_unit_test(test_larval_is_no_tunnel),
	cmocka_unit_test(test_two_tunnels_one_ike),
	cmocka_unit_test(test_mobike),
	cmocka_unit_test(test_life_over),
	cmocka_unit_test(test_life_not_over),
	cmocka_unit_test(test_child_life_cbc),
	cmocka_unit_test(test_rekey_delete_late),
	cmocka_unit_test(test_idle_cbc),
	cmocka_unit_test(test_idle_then_anew),
	cmocka_unit_test(test_traffic_unseen),
	cmocka_unit_test(test_not_idle_cbc),
	cmocka_unit_test(test_rekey_refused),
	cmocka_unit_test(test_signal_to_parent),
	cmocka_unit_test(test_peer_gives_up_after_conflict),
	cmocka_unit_test(test_order_to_listener),
	cmocka_unit_test(test_stranger_deleted),
	cmocka_unit_test(test_reauth_refused_by_kernel),
	cmocka_unit_test(test_notify_obeyed),
	cmocka_unit_test(test_notify_forged),
	cmocka_unit_test(test_nat_port),
	cmocka_unit_test(test_migrate),
	cmocka_unit_test(test_same_spi_elsewhere),
	cmocka_unit_test(test_dead_ike_is_not_the_next_tunnels),
	cmocka_unit_test(test_dead_ike_explains_nothing_later),
	cmocka_unit_test(test_v1_delete_for_delete),
	cmocka_unit_test(test_v1_liveness_then_delete),
	cmocka_unit_test(test_order_for_another),
	cmocka_unit_test(test_order_before_birth),
	cmocka_unit_test(test_daemon_lost),
	cmocka_unit_test(test_no_daemon_lost),
	cmocka_unit_test(test_daemon_stops),
	cmocka_unit_test(test_nothing_explains),
	cmocka_unit_test(test_neither_end_is_ours),
	cmocka_unit_test(test_policies_flushed),
	cmocka_unit_test(test_cluster_deletes),
	cmocka_unit_test(test_cluster_deletes_other),
	cmocka_unit_test(test_cluster_word_beside_ike),
	cmocka_unit_test(test_cluster_returns),
	cmocka_unit_test(test_cluster_rekeys),
	cmocka_unit_test(test_found_flushed_before_dump),
	cmocka_unit_test(test_found_flushed_during_dump),
	cmocka_unit_test(test_found_half_gone),
	cmocka_unit_test(test_found_added_apart),
	cmocka_unit_test(test_found_pairs),
	cmocka_unit_test(test_found_marks_differ),
	cmocka_unit_test(test_found_in_a_rekey),
	cmocka_unit_test(test_dump_without_end),
	cmocka_unit_test(test_netlink_other_header),
	cmocka_unit_test(test_netlink_hand_made),
	cmocka_unit_test(test_in_tcp),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
