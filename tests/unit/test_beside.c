/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Several tunnels of one daemon that end within a second, each by something of its own. */
#include "tests/unit/story.h"

#define DOWN	    "swanctl\0--terminate\0--ike\0other"
#define LOAD	    "swanctl\0--load-all"
#define REKEY	    "swanctl\0--rekey\0--child\0third"
#define REAUTH	    "swanctl\0--rekey\0--ike\0other\0--reauth"
#define ARGS(words) words, sizeof(words)
#define PEER	    9
#define OTHER_PEER  10

static struct sa_spec sa(unsigned int n, uint8_t dir, uint8_t peer)
{
	return (struct sa_spec){ .spi = (dir == IKW_DIR_IN ? 0x1000 : 0x2000) + peer * 0x10 + n,
				 .reqid = peer,
				 .dir = dir,
				 .peer = peer };
}

static struct ike_spec v2(uint8_t peer, uint64_t spi, uint8_t exchange, uint32_t id,
			  uint32_t length)
{
	return (struct ike_spec){ spi, 2, exchange, id, length, peer, 0, 0, 0 };
}

static void set_up(struct story *s, uint64_t ms, uint8_t peer, uint64_t spi, unsigned int n)
{
	ike(s, ms, '>', v2(peer, spi, 34, 0, 300));
	ike(s, ms + 5, '<', (struct ike_spec){ spi, 2, 34, 0, 300, peer, AES_SHA256 });
	ike(s, ms + 10, '>', v2(peer, spi, 35, 1, 300));
	ike(s, ms + 30, '<', v2(peer, spi, 35, 1, 208));
	sa_op(s, ms + 35, sa(n, IKW_DIR_IN, peer), IKW_SA_LARVAL, 0, DAEMON);
	sa_op(s, ms + 36, sa(n, IKW_DIR_IN, peer), IKW_SA_ADD, 0, DAEMON);
	sa_op(s, ms + 37, sa(n, IKW_DIR_OUT, peer), IKW_SA_ADD, 0, DAEMON);
}

static void goes(struct story *s, uint64_t ms, uint8_t peer, unsigned int n)
{
	sa_op(s, ms, sa(n, IKW_DIR_IN, peer), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(s, ms + 2, sa(n, IKW_DIR_OUT, peer), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
}

/* Our Delete, and what it takes 30 ms later. */
static void deleted(struct story *s, uint64_t ms, uint8_t peer, uint64_t spi)
{
	ike(s, ms, '>', v2(peer, spi, 37, 2, 80));
	ike(s, ms + 20, '<', v2(peer, spi, 37, 2, 80));
	goes(s, ms + 30, peer, 0);
}

/* By nobody in particular; a terminal makes it a person's. */
static void order(struct story *s, uint64_t ms, uint32_t tgid, const char *args, size_t len)
{
	swanctl(s, ms, tgid, "pts/1", args, len);
}

static void two(struct story *s)
{
	begin(s, ALL_SEES);
	set_up(s, 10000, PEER, 0xa0, 0);
	set_up(s, 11000, OTHER_PEER, 0xb0, 0);
}

/* The alarm of the peer's tunnel; the other one was ordered down. */
static const struct told *of_peer(struct story *s, unsigned int count)
{
	const struct told *found = NULL;

	end(s);
	assert_int_equal(s->count, count);
	for (unsigned int i = 0; i < count; i++) {
		if (s->told[i].spi_i != 0xb0)
			found = &s->told[i];
		else
			assert_int_equal(s->told[i].reason, IKW_REASON_MANUAL);
	}
	assert_non_null(found);
	return found;
}

static void expect(const struct told *t, enum ikw_reason reason, enum ikw_confidence confidence)
{
	if (t->reason != reason || t->confidence != confidence)
		print_message("got %s/%s by %s: %s\n", ikw_reason_text(t->reason),
			      ikw_confidence_text(t->confidence), t->rule, t->detail);
	assert_int_equal(t->reason, reason);
	assert_int_equal(t->confidence, confidence);
}

/* Its interface was set down, and the daemon drops it as another one is ordered down. */
static void test_interface_down(void **state)
{
	for (int first = 0; first < 2; first++) {
		struct story s;

		(void)state;
		two(&s);
		NEW(&s, link, link, LINK, 38000);
		link.link.ifindex = 2;
		link.link.op = IKW_LINK_SET;
		strcpy(link.link.name, "eth0");
		feed(&s, &link);
		order(&s, 40000, 300, ARGS(DOWN));
		if (first) /* before the Delete of the other is on its way */
			goes(&s, 40005, PEER, 0);
		deleted(&s, 40010, OTHER_PEER, 0xb0);
		if (!first)
			goes(&s, 40400, PEER, 0);
		end(&s);
		assert_int_equal(s.count, 2);
		expect(&s.told[first ? 0 : 1], IKW_REASON_ADMIN_DOWN,
		       first ? IKW_CONFIDENCE_LIKELY : IKW_CONFIDENCE_CERTAIN);
	}
}

/*
 * It is ordered down half a second after a rekey of something else was ordered, and another
 * tunnel's check comes in between, which may as well be what the order was for.
 */
static void test_after_a_rekey(void **state)
{
	struct story s;

	(void)state;
	two(&s);
	order(&s, 39500, 300, ARGS(REKEY));
	order(&s, 40000, 301, ARGS(DOWN));
	ike(&s, 40010, '>', v2(OTHER_PEER, 0xb0, 37, 2, 80));
	ike(&s, 40020, '<', v2(OTHER_PEER, 0xb0, 37, 2, 80));
	deleted(&s, 40080, PEER, 0xa0);
	end(&s);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.told[0].reason, IKW_REASON_MANUAL);
	assert_true(s.told[0].confidence >= IKW_CONFIDENCE_LIKELY);
	assert_non_null(strstr(s.told[0].detail, "--terminate"));
}

/*
 * The peer deletes it just as our check is on its way, and something else was ordered down,
 * or to be rekeyed, on this host half a second before.
 */
static void test_check_crosses_delete(void **state)
{
	for (int how = 0; how < 4; how++) {
		bool first = how & 1, rekey = how & 2;
		const struct told *t;
		struct story s;

		(void)state;
		two(&s);
		for (uint32_t i = 0; i < 2; i++) {
			ike(&s, 36400 + i * 2000, '>', v2(PEER, 0xa0, 37, 2 + i, 80));
			ike(&s, 36405 + i * 2000, '<', v2(PEER, 0xa0, 37, 2 + i, 80));
		}
		if (rekey) { /* of a third one */
			order(&s, 40000, 300, ARGS(REKEY));
		} else {
			order(&s, 40000, 300, ARGS(DOWN));
			deleted(&s, 40010, OTHER_PEER, 0xb0);
		}
		if (first)
			ike(&s, 40390, 'r', v2(PEER, 0xa0, 37, 0, 80));
		sa_op(&s, 40395, sa(0, IKW_DIR_IN, PEER), IKW_SA_ASKED, 0, DAEMON);
		ike(&s, 40400, '>', v2(PEER, 0xa0, 37, 4, 80));
		if (!first)
			ike(&s, 40405, 'r', v2(PEER, 0xa0, 37, 0, 80));
		ike(&s, 40410, '<', v2(PEER, 0xa0, 37, 4, 80));
		ike(&s, 40415, 'a', v2(PEER, 0xa0, 37, 0, 80));
		goes(&s, 40420, PEER, 0);
		t = of_peer(&s, rekey ? 1 : 2);
		expect(t, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_LIKELY);
	}
}

/* What goes without a word to its peer, as the other did not, is not ordered down. */
static void test_quietly(void **state)
{
	const struct told *t;
	struct story s;

	(void)state;
	two(&s);
	order(&s, 40000, 300, ARGS(DOWN));
	deleted(&s, 40010, OTHER_PEER, 0xb0);
	goes(&s, 40300, PEER, 0);
	t = of_peer(&s, 2);
	expect(t, IKW_REASON_MANUAL, IKW_CONFIDENCE_POSSIBLE);
}

/* Both say so: it was for several. */
static void test_several(void **state)
{
	struct story s;

	(void)state;
	two(&s);
	order(&s, 40000, 300, ARGS(DOWN));
	deleted(&s, 40010, OTHER_PEER, 0xb0);
	deleted(&s, 40050, PEER, 0xa0);
	end(&s);
	assert_int_equal(s.count, 2);
	expect(&s.told[0], IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
	expect(&s.told[1], IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY);
}

/* Its Delete was on its way before anything was ordered. */
static void test_begun_before(void **state)
{
	const struct told *t;
	struct story s;

	(void)state;
	two(&s);
	ike(&s, 39900, '>', v2(PEER, 0xa0, 37, 2, 80));
	order(&s, 40000, 300, ARGS(DOWN));
	ike(&s, 40010, '>', v2(OTHER_PEER, 0xb0, 37, 2, 80));
	ike(&s, 40030, '<', v2(PEER, 0xa0, 37, 2, 80));
	ike(&s, 40035, '<', v2(OTHER_PEER, 0xb0, 37, 2, 80));
	goes(&s, 40040, PEER, 0);
	goes(&s, 40045, OTHER_PEER, 0);
	t = of_peer(&s, 2);
	expect(t, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
}

/* The peer authenticates anew: that takes a while, whatever is ordered here meanwhile. */
static void test_peer_reauthenticates(void **state)
{
	struct ike_spec chosen = { 0xc0, 2, 34, 0, 300, PEER, AES_SHA256 };
	const struct told *t;
	struct story s;

	(void)state;
	two(&s);
	order(&s, 39900, 300, ARGS(DOWN));
	deleted(&s, 39910, OTHER_PEER, 0xb0);
	ike(&s, 40000, 'r', v2(PEER, 0xa0, 37, 0, 80));
	ike(&s, 40005, 'a', v2(PEER, 0xa0, 37, 0, 80));
	goes(&s, 40010, PEER, 0);
	ike(&s, 40300, 'r', v2(PEER, 0xc0, 34, 0, 300));
	ike(&s, 40305, 'a', chosen);
	ike(&s, 40900, 'r', v2(PEER, 0xc0, 35, 1, 300)); /* and an AAA server is asked */
	sa_op(&s, 42510, sa(1, IKW_DIR_IN, PEER), IKW_SA_LARVAL, 0, DAEMON);
	sa_op(&s, 42511, sa(1, IKW_DIR_IN, PEER), IKW_SA_ADD, 0, DAEMON);
	sa_op(&s, 42512, sa(1, IKW_DIR_OUT, PEER), IKW_SA_ADD, 0, DAEMON);
	ike(&s, 42520, 'a', v2(PEER, 0xc0, 35, 1, 208));
	t = of_peer(&s, 2);
	expect(t, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY);
}

/* A liveness check begins, due or the first, as another IKE_SA is told to start anew. */
static void test_check_beside_reauth(void **state)
{
	static const struct {
		uint64_t ordered;
		bool due;
		enum ikw_reason reason;
		enum ikw_confidence confidence;
	} rows[] = {
		{ 19500, true, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY },
		{ 19500, false, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY },
		/* as the Delete that begins it would */
		{ 19900, true, IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_POSSIBLE },
		{ 19900, false, IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct story s;

		two(&s);
		for (uint32_t k = 0; rows[i].due && k < 3; k++) {
			ike(&s, 14000 + k * 2000, '>', v2(PEER, 0xa0, 37, 2 + k, 80));
			ike(&s, 14010 + k * 2000, '<', v2(PEER, 0xa0, 37, 2 + k, 80));
		}
		order(&s, rows[i].ordered, 300, ARGS(REAUTH));
		silence(&s, 20000, v2(PEER, 0xa0, 37, 5, 80), 4);
		goes(&s, 28000, PEER, 0);
		expect_one(&s, rows[i].reason, rows[i].confidence);
	}
}

/* It had waited for its last answer longer than between copies: nobody hurried that. */
static void test_overdue(void **state)
{
	const struct told *t;
	struct story s;

	(void)state;
	two(&s);
	for (uint32_t k = 0; k < 3; k++) {
		ike(&s, 14000 + k * 2000, '>', v2(PEER, 0xa0, 37, 2 + k, 80));
		ike(&s, 14010 + k * 2000, '<', v2(PEER, 0xa0, 37, 2 + k, 80));
	}
	for (uint64_t k = 0; k < 4; k++)
		ike(&s, 20000 + k * 1000, '>', v2(PEER, 0xa0, 37, 5, 80));
	order(&s, 25900, 300, ARGS(DOWN));
	deleted(&s, 25920, OTHER_PEER, 0xb0);
	goes(&s, 26000, PEER, 0);
	t = of_peer(&s, 2);
	expect(t, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY);
}

/*
 * A job that loads the same every two seconds, without effect but for what the daemon
 * rekeys meanwhile: it is a job, and no cause.
 */
static void test_rekeys_beside_a_job(void **state)
{
	struct story s;

	(void)state;
	two(&s);
	for (unsigned int k = 0; k < 6; k++) {
		const uint64_t at = 30000 + k * 2000;

		order(&s, at, 300 + k, ARGS(LOAD));
		ike(&s, at + 100, '>', v2(OTHER_PEER, 0xb0, 36, 2 + 2 * k, 208));
		ike(&s, at + 110, '<', v2(OTHER_PEER, 0xb0, 36, 2 + 2 * k, 192));
		sa_op(&s, at + 112, sa(k + 1, IKW_DIR_IN, OTHER_PEER), IKW_SA_ADD, 0, DAEMON);
		sa_op(&s, at + 113, sa(k + 1, IKW_DIR_OUT, OTHER_PEER), IKW_SA_ADD, 0, DAEMON);
		ike(&s, at + 120, '>', v2(OTHER_PEER, 0xb0, 37, 3 + 2 * k, 80));
		ike(&s, at + 130, '<', v2(OTHER_PEER, 0xb0, 37, 3 + 2 * k, 80));
		goes(&s, at + 132, OTHER_PEER, k);
	}
	ike(&s, 40395, '>', v2(PEER, 0xc0, 34, 0, 300));
	deleted(&s, 40400, PEER, 0xa0);
	set_up(&s, 40440, PEER, 0xc0, 1);
	end(&s);
	assert_int_equal(s.count, 7);
	for (unsigned int i = 0; i < 7; i++)
		expect(&s.told[i],
		       s.told[i].spi_i == 0xb0 ? IKW_REASON_PHASE2_REPLACE
					       : IKW_REASON_PHASE1_REPLACE,
		       IKW_CONFIDENCE_CERTAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interface_down),
		cmocka_unit_test(test_after_a_rekey),
		cmocka_unit_test(test_check_crosses_delete),
		cmocka_unit_test(test_quietly),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_begun_before),
		cmocka_unit_test(test_peer_reauthenticates),
		cmocka_unit_test(test_check_beside_reauth),
		cmocka_unit_test(test_overdue),
		cmocka_unit_test(test_rekeys_beside_a_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
