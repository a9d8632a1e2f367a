/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What must not be concluded: stories in which something looks like a cause and
 * is none, or in which too little was seen to be as sure as usual.
 */
#include "tests/unit/story.h"
#include "user/tunnel.h"

#define BLIND_IN (ALL_SEES & ~(uint32_t)IKW_SEES_IKE_IN)
#define V1(spi, exchange, id, length)                                                              \
	((struct ike_spec){ spi, 1, exchange, id, length, 9, 0, 0, 0 })

static const char terminate[] = "swanctl\0--terminate\0--ike\0gw";

/* All alarms of the story have this reason and confidence, and there are so many. */
static void expect_all(struct story *s, unsigned int count, enum ikw_reason reason,
		       enum ikw_confidence confidence)
{
	end(s);
	for (unsigned int i = 0; i < s->count; i++)
		if (s->told[i].reason != reason || s->told[i].confidence != confidence ||
		    s->count != count)
			print_message("got %s/%s by %s: %s\n", ikw_reason_text(s->told[i].reason),
				      ikw_confidence_text(s->told[i].confidence), s->told[i].rule,
				      s->told[i].detail);
	assert_int_equal(s->count, count);
	for (unsigned int i = 0; i < count; i++) {
		assert_string_equal(ikw_reason_text(s->told[i].reason), ikw_reason_text(reason));
		assert_string_equal(ikw_confidence_text(s->told[i].confidence),
				    ikw_confidence_text(confidence));
	}
}

/* One alarm, of this reason, and less than certain. */
static void expect_unsure(struct story *s, enum ikw_reason reason)
{
	end(s);
	for (unsigned int i = 0; i < s->count; i++)
		if (s->told[i].reason != reason ||
		    s->told[i].confidence == IKW_CONFIDENCE_CERTAIN || s->count != 1)
			print_message("got %s/%s by %s: %s\n", ikw_reason_text(s->told[i].reason),
				      ikw_confidence_text(s->told[i].confidence), s->told[i].rule,
				      s->told[i].detail);
	assert_int_equal(s->count, 1);
	assert_string_equal(ikw_reason_text(s->told[0].reason), ikw_reason_text(reason));
	assert_int_not_equal(s->told[0].confidence, IKW_CONFIDENCE_CERTAIN);
}

/* The peer's first message of a phase 1: no responder's cookie yet. */
static void v1_begins(struct story *s, uint64_t ms, uint64_t spi, uint8_t exchange)
{
	union ikw_event e = ike_made(s, ms, 'r', V1(spi, exchange, 0, 180));

	e.ike.spi_r = 0;
	feed(s, &e);
}

static void v1_our_first(struct story *s, uint64_t ms, uint64_t spi)
{
	union ikw_event e = ike_made(s, ms, '>', V1(spi, 2, 0, 180));

	e.ike.spi_r = 0;
	e.ike.digest = (uint32_t)spi; /* sent again */
	feed(s, &e);
}

static void v1_up(struct story *s, uint64_t ms, uint64_t spi, unsigned int n)
{
	v1_begins(s, ms, spi, 2);
	ike(s, ms + 10, 'a', (struct ike_spec){ spi, 1, 2, 0, 144, 9, 7, 128, 4 });
	ike(s, ms + 20, 'r', V1(spi, 2, 0, 200));
	ike(s, ms + 30, 'a', V1(spi, 2, 0, 200));
	ike(s, ms + 40, 'r', V1(spi, 2, 0, 108));
	ike(s, ms + 50, 'a', V1(spi, 2, 0, 108));
	ike(s, ms + 100, 'r', V1(spi, 32, 5, 188));
	ike(s, ms + 110, 'a', V1(spi, 32, 5, 188));
	ike(s, ms + 120, 'r', V1(spi, 32, 5, 76));
	up(s, ms + 125, n, DAEMON);
}

/* ---- our request was under way when something else ended the tunnel ------------ */

static void test_peer_deletes_amid_exchange(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	silence(&s, 20000, V2(0xa0, 36, 2, 197), 2);
	ike(&s, 21000, 'r', V2(0xa0, 37, 0, 65));
	ike(&s, 21005, 'a', V2(0xa0, 37, 0, 57));
	down(&s, 21010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);

	/* by its length it may have been a check, and giving up have come just then */
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	silence(&s, 20000, V2(0xa0, 36, 2, 208), 2);
	ike(&s, 21000, 'r', V2(0xa0, 37, 0, 80));
	ike(&s, 21005, 'a', V2(0xa0, 37, 0, 80));
	down(&s, 21010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_LIKELY);
}

/* It checked us while we waited for it, and seconds later we gave up. */
static void test_peer_checks_amid_exchange(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	silence(&s, 20000, V2(0xa0, 36, 2, 197), 5);
	ike(&s, 25000, 'r', V2(0xa0, 37, 0, 57));
	ike(&s, 25005, 'a', V2(0xa0, 37, 0, 57));
	down(&s, 29000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
}

/* IKEv1: the peer is back a second after we gave it up. */
static void test_v1_back_after_silence(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	v1_up(&s, 10000, 0xa0, 0);
	ike(&s, 12000, '>', V1(0xa0, 5, 70, 108));
	ike(&s, 12005, '<', V1(0xa0, 5, 71, 108));
	for (uint32_t i = 0; i < 4; i++)
		ike(&s, 20000 + i * 10000, '>', V1(0xa0, 5, 72 + i, 108));
	down(&s, 60000, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 61000, 'r', V1(0xa0, 5, 99, 108));
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY);
}

static void test_peer_deletes_amid_check(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	silence(&s, 20000, V2(0xa0, 37, 2, 57), 3);
	ike(&s, 22000, 'r', V2(0xa0, 37, 0, 65));
	ike(&s, 22005, 'a', V2(0xa0, 37, 0, 57));
	down(&s, 22010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

/* Both ends delete at once: what this host began, an operator here ordered. */
static void test_deletes_cross(void **state)
{
	struct story s;

	(void)state;
	for (int aead = 0; aead < 2; aead++) {
		uint32_t length = aead ? 65 : 80;

		begin(&s, ALL_SEES);
		if (aead)
			establish(&s, 10000, 0xa0, 0, AES_GCM);
		else
			establish(&s, 10000, 0xa0, 0, AES_SHA256);
		control(&s, 20000, terminate, sizeof(terminate), "terminate");
		ike(&s, 20010, '>', V2(0xa0, 37, 2, length));
		ike(&s, 20020, 'r', V2(0xa0, 37, 0, length));
		ike(&s, 20025, 'a', V2(0xa0, 37, 0, aead ? 57 : 80));
		down(&s, 20030, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
	}
}

/* A check of ours has just gone out when the peer's Delete arrives: no crossing. */
static void test_check_crosses_delete(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	ike(&s, 20000, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 20010, 'r', V2(0xa0, 37, 0, 80));
	ike(&s, 20015, 'a', V2(0xa0, 37, 0, 80));
	down(&s, 20020, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_LIKELY);
}

/* Our daemon checks the peer while it still has the peer's Delete to read, and is answered first.
 */
static void test_check_amid_delete(void **state)
{
	struct story s;

	(void)state;
	for (int aead = 0; aead < 2; aead++) {
		begin(&s, ALL_SEES);
		if (aead)
			establish(&s, 10000, 0xa0, 0, AES_GCM);
		else
			establish(&s, 10000, 0xa0, 0, AES_SHA256);
		ike(&s, 20000, 'r', V2(0xa0, 37, 0, aead ? 65 : 80));
		sa_op(&s, 20005, IN(0), IKW_SA_ASKED, 0, DAEMON);
		ike(&s, 20010, '>', V2(0xa0, 37, 2, aead ? 57 : 80));
		ike(&s, 20015, '<', V2(0xa0, 37, 2, aead ? 57 : 80));
		ike(&s, 20020, 'a', V2(0xa0, 37, 0, aead ? 57 : 80));
		down(&s, 20030, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_PEER_REQUEST,
			   aead ? IKW_CONFIDENCE_CERTAIN : IKW_CONFIDENCE_LIKELY);
	}
}

/* Ours is a Delete by its length, and was sent and answered while the peer waited for us. */
static void test_delete_amid_check(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	control(&s, 20000, terminate, sizeof(terminate), "terminate");
	ike(&s, 20005, 'r', V2(0xa0, 37, 0, 80));
	ike(&s, 20010, '>', V2(0xa0, 37, 2, 80));
	ike(&s, 20015, '<', V2(0xa0, 37, 2, 80));
	ike(&s, 20020, 'a', V2(0xa0, 37, 0, 80));
	down(&s, 20030, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
}

/* The peer rekeyed, and the path died before its Delete: what takes the new SAs takes the old. */
static void test_gave_up_after_rekey(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 20000, 'r', V2(0xa0, 36, 0, 197));
	ike(&s, 20005, 'a', V2(0xa0, 36, 0, 185));
	up(&s, 20006, 1, DAEMON);
	silence(&s, 30000, V2(0xa0, 37, 2, 57), 4);
	down(&s, 39000, 0, IKW_CAUSE_CALL, DAEMON);
	down(&s, 39010, 1, IKW_CAUSE_CALL, DAEMON);
	expect_all(&s, 2, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
}

/* ---- answers that were there and not seen -------------------------------------- */

/* The response to a rekey was lost on its way to the agent; what it brought was installed. */
static void test_response_not_seen(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 20000, '>', V2(0xa0, 36, 2, 197));
	up(&s, 20015, 1, DAEMON);
	ike(&s, 20020, '>', V2(0xa0, 37, 3, 69));
	ike(&s, 20030, '<', V2(0xa0, 37, 3, 69));
	down(&s, 20035, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 7200000, 'r', V2(0xa0, 37, 0, 65));
	ike(&s, 7200005, 'a', V2(0xa0, 37, 0, 57));
	down(&s, 7200010, 1, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.told[0].reason, IKW_REASON_PHASE2_REPLACE);
	assert_int_equal(s.told[1].reason, IKW_REASON_PEER_REQUEST);
	assert_int_equal(s.told[1].confidence, IKW_CONFIDENCE_CERTAIN);
}

/* The answer to one check was not seen, those to the next ones were. */
static void test_answer_not_seen(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 20000, '>', V2(0xa0, 37, 2, 57));
	ike(&s, 30000, '>', V2(0xa0, 37, 3, 57));
	ike(&s, 30010, '<', V2(0xa0, 37, 3, 57));
	down(&s, 40000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
}

/* The answer to an exchange was not seen; then the peer fell silent for good. */
static void test_answer_not_seen_then_silence(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 20000, '>', V2(0xa0, 36, 2, 197));
	silence(&s, 60000, V2(0xa0, 37, 3, 57), 4);
	down(&s, 69000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
}

/* What the peer sends is not seen at all: that no answer was seen says nothing. */
static void test_nothing_comes_in(void **state)
{
	struct story s;

	(void)state;
	begin(&s, BLIND_IN);
	ike(&s, 10000, '>', V2(0xa0, 34, 0, 300));
	ike(&s, 10010, '>', V2(0xa0, 35, 1, 300));
	up(&s, 10040, 0, DAEMON);
	for (uint32_t i = 2; i < 10; i++)
		ike(&s, i * 10000, '>', V2(0xa0, 37, i, 57));
	ike(&s, 95005, 'a', V2(0xa0, 37, 0, 57));
	down(&s, 95010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
}

static void test_nothing_comes_in_v1(void **state)
{
	struct story s;

	(void)state;
	begin(&s, BLIND_IN);
	ike(&s, 10000, '>', V1(0xa0, 2, 0, 180));
	ike(&s, 10020, '>', V1(0xa0, 2, 0, 200));
	ike(&s, 10040, '>', V1(0xa0, 2, 0, 108));
	ike(&s, 10100, '>', V1(0xa0, 32, 5, 188));
	ike(&s, 10120, '>', V1(0xa0, 32, 5, 76));
	up(&s, 10125, 0, DAEMON);
	for (uint32_t i = 2; i < 10; i++)
		ike(&s, i * 10000, '>', V1(0xa0, 5, 100 + i, 108));
	down(&s, 95010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
}

/* ... but a daemon that sends the same request again has heard nothing. */
static void test_nothing_comes_in_and_copies(void **state)
{
	struct story s;

	(void)state;
	begin(&s, BLIND_IN);
	ike(&s, 10000, '>', V2(0xa0, 34, 0, 300));
	ike(&s, 10010, '>', V2(0xa0, 35, 1, 300));
	up(&s, 10040, 0, DAEMON);
	silence(&s, 20000, V2(0xa0, 36, 2, 197), 4);
	down(&s, 29000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_LIKELY);
	assert_true(s.told[0].blind > 0);
}

/* Records were lost in the silence: the answer may have been among them. */
static void test_lost_in_silence(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	silence(&s, 20000, V2(0xa0, 37, 2, 57), 4);
	NEW(&s, lost, lost, LOST, 28000);
	lost.lost.since = s.now - 3000000000ULL;
	lost.lost.sees = IKW_SEES_IKE_IN;
	lost.lost.count = 3;
	feed(&s, &lost);
	down(&s, 29000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY);
	assert_true(s.told[0].blind > 0);
}

/* ---- what anybody can send ------------------------------------------------------- */

/* An IKE_SA_INIT response nobody asked for, with no SPI of a responder (as one with a cookie). */
static void test_forged_init_response(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int flag = 0; flag < 2; flag++) {
		union ikw_event e;

		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		ike(&s, 20000, '>', V2(0xa0, 37, 2, 65));
		ike(&s, 20010, '<', V2(0xa0, 37, 2, 57));
		e = ike_made(&s, 20012, '<', V2(0xfee1, 34, 0, 56));
		e.ike.spi_r = 0;
		if (flag) /* or a request of an "original responder" */
			e.ike.ike_flags = 0;
		feed(&s, &e);
		down(&s, 20020, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	}
}

/* An IKE_SA_INIT request under the peer's address, which our daemon even answers. */
static void test_forged_init_request(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 19000, 'r', V2(0xfee1, 34, 0, 300));
	ike(&s, 19005, 'a', V2(0xfee1, 34, 0, 300));
	ike(&s, 20000, 'r', V2(0xa0, 37, 0, 65));
	ike(&s, 20005, 'a', V2(0xa0, 37, 0, 57));
	down(&s, 20010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

static void test_forged_main_mode(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	v1_up(&s, 10000, 0xa0, 0);
	v1_begins(&s, 59900, 0xfee1, 4);
	v1_begins(&s, 59910, 0xfee2, 2);
	ike(&s, 59915, 'a', V1(0xfee2, 2, 0, 144));
	down(&s, 60000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
}

/* An INFORMATIONAL under SPIs of no IKE_SA, just before a deletion that nothing explains. */
static void test_forged_informational(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 19990, 'r', V2(0xfee1, 37, 0, 65));
	down(&s, 20000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
}

/* ... and after an IKE_SA rekey, before its successor says its first word. */
static void test_forged_successor(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 20000, '>', V2(0xa0, 36, 2, 213));
	ike(&s, 20010, '<', V2(0xa0, 36, 2, 213));
	ike(&s, 20020, '>', V2(0xa0, 37, 3, 65));
	ike(&s, 20030, '<', V2(0xa0, 37, 3, 57));
	ike(&s, 25000, 'r', V2(0xfee1, 37, 0, 57));
	silence(&s, 40000, V2(0xc0, 37, 0, 57), 4);
	down(&s, 49000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
	assert_true(s.told[0].spi_i == 0xc0);
}

/* ---- who it was about -------------------------------------------------------------- */

static void ike_port(struct story *s, uint64_t ms, char way, struct ike_spec spec, uint16_t port)
{
	union ikw_event e = ike_made(s, ms, way, spec);

	e.ike.sport = e.ike.dir == IKW_DIR_IN ? port : 4500;
	e.ike.dport = e.ike.dir == IKW_DIR_IN ? 4500 : port;
	feed(s, &e);
}

static struct sa_spec behind_nat(unsigned int n, uint8_t dir, uint16_t port)
{
	return (struct sa_spec){
		(dir == IKW_DIR_IN ? 0x1000 : 0x2000) + n, n, dir, 9, port, 0, false
	};
}

/* Two clients behind one address: what the one does ends nothing of the other. */
static void two_clients(struct story *s)
{
	begin(s, ALL_SEES);
	ike_port(s, 10000, 'r', V2(0xa0, 34, 0, 300), 1500);
	ike_port(s, 10005, 'a', (struct ike_spec){ 0xa0, 2, 34, 0, 300, 9, AES_GCM }, 1500);
	ike_port(s, 10010, 'r', V2(0xa0, 35, 1, 300), 1001);
	ike_port(s, 10020, 'r', V2(0xb0, 34, 0, 300), 1600);
	ike_port(s, 10025, 'a', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_GCM }, 1600);
	ike_port(s, 10030, 'r', V2(0xb0, 35, 1, 300), 1002);
	sa_op(s, 10031, behind_nat(1, IKW_DIR_IN, 1001), IKW_SA_ADD, 0, DAEMON);
	sa_op(s, 10032, behind_nat(1, IKW_DIR_OUT, 1001), IKW_SA_ADD, 0, DAEMON);
	ike_port(s, 10035, 'a', V2(0xa0, 35, 1, 208), 1001);
	sa_op(s, 10041, behind_nat(2, IKW_DIR_IN, 1002), IKW_SA_ADD, 0, DAEMON);
	sa_op(s, 10042, behind_nat(2, IKW_DIR_OUT, 1002), IKW_SA_ADD, 0, DAEMON);
	ike_port(s, 10045, 'a', V2(0xb0, 35, 1, 208), 1002);
}

static void test_two_clients_one_address(void **state)
{
	struct story s;

	(void)state;
	two_clients(&s);
	for (uint32_t i = 0; i < 4; i++)
		ike_port(&s, 20000 + i * 1000, '>', V2(0xb0, 37, 0, 57), 1002);
	ike_port(&s, 24000, 'r', V2(0xa0, 37, 2, 65), 1001);
	ike_port(&s, 24005, 'a', V2(0xa0, 37, 2, 57), 1001);
	sa_op(&s, 24010, behind_nat(1, IKW_DIR_IN, 1001), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 24011, behind_nat(1, IKW_DIR_OUT, 1001), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 27010, behind_nat(2, IKW_DIR_IN, 1002), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 27011, behind_nat(2, IKW_DIR_OUT, 1002), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.told[0].reason, IKW_REASON_PEER_REQUEST);
	assert_true(s.told[0].spi_i == 0xa0);
	assert_int_equal(s.told[0].port, 1001);
	assert_int_equal(s.told[1].reason, IKW_REASON_DPD_TIMEOUT);
	assert_true(s.told[1].spi_i == 0xb0);
	assert_int_equal(s.told[1].port, 1002);
}

/* One client leaves while another behind the same address fails to come. */
static void test_other_client_fails(void **state)
{
	struct story s;

	(void)state;
	two_clients(&s);
	ike_port(&s, 23000, 'r', V2(0xc0, 34, 0, 300), 1700);
	ike_port(&s, 23005, 'a', V2(0xc0, 34, 0, 300), 1700);
	ike_port(&s, 23010, 'r', V2(0xc0, 35, 1, 300), 1003);
	ike_port(&s, 23015, 'a', V2(0xc0, 35, 1, 65), 1003);
	ike_port(&s, 24000, 'r', V2(0xa0, 37, 2, 65), 1001);
	ike_port(&s, 24005, 'a', V2(0xa0, 37, 2, 57), 1001);
	sa_op(&s, 24010, behind_nat(1, IKW_DIR_IN, 1001), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 24011, behind_nat(1, IKW_DIR_OUT, 1001), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

/* Found in place, and two IKE_SAs of the same peers: which one manages it nobody saw. */
static void test_owner_not_known(void **state)
{
	const uint32_t wall = 5;
	struct sa_spec in = IN(0), out = OUT(0);
	struct story s;

	(void)state;
	in.added = out.added = wall;
	begin(&s, ALL_SEES);
	sa_op(&s, 100, in, IKW_SA_DUMP, 0, 0);
	sa_op(&s, 101, out, IKW_SA_DUMP, 0, 0);
	ike(&s, 10000, '>', V2(0xb0, 37, 7, 80));
	ike(&s, 10010, '<', V2(0xb0, 37, 7, 80));
	ike(&s, 11000, '>', V2(0xa0, 37, 3, 80));
	ike(&s, 11010, '<', V2(0xa0, 37, 3, 80));
	silence(&s, 20000, V2(0xb0, 36, 8, 197), 4);
	ike(&s, 24000, 'r', V2(0xa0, 37, 0, 80));
	ike(&s, 24005, 'a', V2(0xa0, 37, 0, 80));
	down(&s, 24010, 0, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 1);
	assert_int_not_equal(s.told[0].confidence, IKW_CONFIDENCE_CERTAIN);
	assert_true(s.told[0].blind > 0);
}

/* A refused rekey makes no successor of an IKE_SA that was there all the time. */
static void test_refused_is_no_succession(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 20000, '>', V2(0xa0, 36, 2, 197));
	ike(&s, 20010, '<', V2(0xa0, 36, 2, 65));
	ike(&s, 21000, '>', V2(0xd0, 37, 7, 57)); /* older than the agent */
	ike(&s, 21010, '<', V2(0xd0, 37, 7, 57));
	ike(&s, 30000, 'r', V2(0xa0, 37, 0, 65));
	ike(&s, 30005, 'a', V2(0xa0, 37, 0, 57));
	down(&s, 30010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
	assert_true(s.told[0].spi_i == 0xa0);
}

/* ---- orders that were for something else ------------------------------------------- */

/* An order to end things makes no daemon rekey: the exchange that follows it is another matter. */
static void test_order_then_exchange(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	control(&s, 19000, terminate, sizeof(terminate), "terminate");
	silence(&s, 20000, V2(0xa0, 36, 2, 197), 5);
	down(&s, 31000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
}

/* ... nor makes it a daemon check the peer. */
static void test_order_then_check(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	control(&s, 19000, terminate, sizeof(terminate), "terminate");
	silence(&s, 20000, V2(0xa0, 37, 2, 57), 5);
	down(&s, 31000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
}

/* IKEv1 acknowledges no Delete: who is told to end a tunnel ends it then, not a minute later. */
static void test_order_then_silence_v1(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	v1_up(&s, 10000, 0xa0, 0);
	ike(&s, 12000, '>', V1(0xa0, 5, 70, 108));
	ike(&s, 12005, '<', V1(0xa0, 5, 71, 108));
	control(&s, 19000, terminate, sizeof(terminate), "terminate");
	for (uint32_t i = 0; i < 4; i++)
		ike(&s, 20000 + i * 10000, '>', V1(0xa0, 5, 72 + i, 108));
	down(&s, 60000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY);
}

/* The peer deletes one CHILD_SA, and a second later an operator here another. */
static void test_two_causes_in_a_burst(void **state)
{
	struct sa_spec in2 = { 0x1100, 2, IKW_DIR_IN, 9, 0, 0, false },
		       out2 = { 0x2100, 2, IKW_DIR_OUT, 9, 0, 0, false };
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 12000, '>', V2(0xa0, 36, 2, 208));
	ike(&s, 12010, '<', V2(0xa0, 36, 2, 208));
	sa_op(&s, 12020, in2, IKW_SA_ADD, 0, DAEMON);
	sa_op(&s, 12021, out2, IKW_SA_ADD, 0, DAEMON);
	ike(&s, 20000, 'r', V2(0xa0, 37, 0, 69));
	ike(&s, 20009, 'a', V2(0xa0, 37, 0, 69));
	down(&s, 20005, 0, IKW_CAUSE_CALL, DAEMON);
	control(&s, 21000, terminate, sizeof(terminate), "terminate");
	ike(&s, 21010, '>', V2(0xa0, 37, 3, 69));
	ike(&s, 21020, '<', V2(0xa0, 37, 3, 69));
	sa_op(&s, 21030, in2, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 21031, out2, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 2);
	for (unsigned int i = 0; i < 2; i++) {
		bool first = s.told[i].ordered == false;

		assert_int_equal(s.told[i].reason,
				 first ? IKW_REASON_PEER_REQUEST : IKW_REASON_MANUAL);
	}
	assert_true(s.told[0].ordered != s.told[1].ordered);
}

/*
 * An operator ends one of two IKE_SAs, and the daemon ends the other by itself
 * within the second; or an operator ends both, over a path on which that takes
 * a second each.
 */
static void test_order_for_another(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int both = 0; both < 2; both++) {
		uint64_t trip = both ? 890 : 10, second = both ? 20950 : 20800;

		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		establish(&s, 11000, 0xb0, 1, AES_GCM);
		control(&s, 20000, terminate, sizeof(terminate), "terminate");
		ike(&s, 20010, '>', V2(0xa0, 37, 2, 65));
		ike(&s, 20010 + trip, '<', V2(0xa0, 37, 2, 57));
		down(&s, 20015 + trip, 0, IKW_CAUSE_CALL, DAEMON);
		ike(&s, second, '>', V2(0xb0, 37, 2, 65));
		ike(&s, second + trip, '<', V2(0xb0, 37, 2, 57));
		down(&s, second + trip + 5, 1, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 2);
		for (unsigned int i = 0; i < 2; i++) {
			bool named = s.told[i].spi_i == 0xa0;

			assert_int_equal(s.told[i].reason,
					 named || both ? IKW_REASON_MANUAL : IKW_REASON_UNKNOWN);
			assert_int_equal(s.told[i].confidence, named  ? IKW_CONFIDENCE_CERTAIN
							       : both ? IKW_CONFIDENCE_LIKELY
								      : IKW_CONFIDENCE_NONE);
		}
		assert_true(s.told[0].spi_i != s.told[1].spi_i);
	}
}

/*
 * The peers of three tunnels fall silent, and an operator ends one of them: the
 * checks of the others begin within the second, and their time runs out soon
 * after further orders. Each has its own cause.
 */
static void test_order_amid_many_silent(void **state)
{
	static const uint64_t began[] = { 60010, 60150, 60700 };
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	for (uint32_t i = 0; i < 3; i++)
		establish(&s, 10000 + i * 1000, 0xa0 + i, i, AES_SHA256);
	for (uint32_t i = 0; i < 3; i++)
		for (uint32_t k = 0; k < 4; k++) {
			uint64_t at = began[i] - 40000 + k * 10000 + (i ? 0 : 3000);

			ike(&s, at, '>', V2(0xa0 + i, 37, 2 + k, 80));
			ike(&s, at + 5, '<', V2(0xa0 + i, 37, 2 + k, 80));
		}
	control(&s, 60000, terminate, sizeof(terminate), "terminate");
	for (uint32_t i = 0; i < 3; i++)
		for (uint32_t k = 0; k < 3; k++)
			ike(&s, began[i] + (k == 2 ? 2500 : k * 1000), '>',
			    V2(0xa0 + i, 37, 6, 80));
	control(&s, began[0] + 4700, terminate, sizeof(terminate), "terminate");
	for (uint32_t i = 0; i < 3; i++)
		down(&s, began[i] + 4750, i, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 3);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(s.told[i].reason, s.told[i].spi_i == 0xa0
							   ? IKW_REASON_MANUAL
							   : IKW_REASON_DPD_TIMEOUT);
		assert_int_equal(s.told[i].confidence, IKW_CONFIDENCE_LIKELY);
	}
}

/* A tunnel to the peer .8, negotiated as 0xb0 from ms on; chosen: the answer with the cipher. */
static void establish_second(struct story *s, uint64_t ms, struct ike_spec chosen)
{
	struct sa_spec in = IN(1), out = OUT(1);

	in.peer = out.peer = chosen.peer = 8;
	ike(s, ms, '>', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 8, 0, 0, 0 });
	ike(s, ms + 5, '<', chosen);
	ike(s, ms + 10, '>', (struct ike_spec){ 0xb0, 2, 35, 1, 300, 8, 0, 0, 0 });
	ike(s, ms + 30, '<', (struct ike_spec){ 0xb0, 2, 35, 1, 208, 8, 0, 0, 0 });
	sa_op(s, ms + 33, in, IKW_SA_LARVAL, 0, DAEMON);
	sa_op(s, ms + 35, in, IKW_SA_ADD, 0, DAEMON);
	sa_op(s, ms + 36, out, IKW_SA_ADD, 0, DAEMON);
}

/*
 * Two peers, an answered check of 0xa0's; an order, right behind it an INFORMATIONAL
 * of 0xb0's with another peer, and then one of 0xa0's: neither is answered.
 */
static void order_between(struct story *s, bool looks, struct ike_spec made, uint32_t check,
			  uint32_t length)
{
	struct sa_spec in = IN(1), out = OUT(1);
	uint64_t gap = 700, ms = 20004;

	in.peer = out.peer = 8;
	begin(s, ALL_SEES);
	establish(s, 10000, 0xa0, 0, made.encr, made.keylen, made.integ);
	establish_second(s, 12000, made);
	if (looks)
		sa_op(s, 13990, IN(0), IKW_SA_ASKED, 0, DAEMON);
	ike(s, 14000, '>', V2(0xa0, 37, 2, check));
	ike(s, 14005, '<', V2(0xa0, 37, 2, check));
	if (looks)
		sa_op(s, 19990, in, IKW_SA_ASKED, 0, DAEMON);
	control(s, 20000, terminate, sizeof(terminate), "terminate");
	for (unsigned int i = 0; i < 4; i++, ms += gap, gap = gap * 3 / 2) {
		ike(s, ms, '>', (struct ike_spec){ 0xb0, 2, 37, 2, length, 8, 0, 0, 0 });
		ike(s, ms + 13, '>', V2(0xa0, 37, 3, length));
	}
	down(s, 28500, 0, IKW_CAUSE_CALL, DAEMON);
	sa_op(s, 28510, in, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(s, 28511, out, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	end(s);
	assert_int_equal(s->count, 2);
}

/*
 * An order, and right behind it the first liveness check of another tunnel: the
 * daemon had looked for it just before, but somebody may have made it look. The
 * one that it had not looked for is the one that was ordered down. Where it was
 * never seen to look, the first one to follow remains.
 */
static void test_order_beside_first_check(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int looks = 0; looks < 2; looks++) {
		order_between(&s, looks, (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_SHA256 },
			      80, 80);
		for (unsigned int i = 0; i < 2; i++) {
			bool ordered = s.told[i].spi_i == (looks ? 0xa0 : 0xb0);

			assert_int_equal(s.told[i].reason,
					 ordered ? IKW_REASON_MANUAL : IKW_REASON_DPD_TIMEOUT);
			assert_int_equal(s.told[i].confidence,
					 ordered ? IKW_CONFIDENCE_LIKELY : IKW_CONFIDENCE_POSSIBLE);
		}
	}
}

/* Of two Deletes that follow an order, no check as long, the first remains the one it was for. */
static void test_order_beside_delete(void **state)
{
	struct story s;

	(void)state;
	order_between(&s, true, (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_GCM }, 57, 65);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(s.told[i].reason, IKW_REASON_MANUAL);
		assert_int_equal(s.told[i].confidence, s.told[i].spi_i == 0xb0
							       ? IKW_CONFIDENCE_CERTAIN
							       : IKW_CONFIDENCE_LIKELY);
	}
}

/*
 * A daemon that reads how much went through SAs before it deletes them, and reads
 * nothing before its checks. That it read nothing before the first one of an
 * IKE_SA, which nobody answers, does not make a Delete of it for sure.
 */
static void test_reads_before_deletes_only(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	/* a rekey; the Delete is as long as a check */
	ike(&s, 12000, '>', V2(0xa0, 36, 2, 300));
	ike(&s, 12010, '<', V2(0xa0, 36, 2, 300));
	up(&s, 12015, 1, DAEMON);
	sa_op(&s, 12020, IN(0), IKW_SA_ASKED, 0, DAEMON);
	ike(&s, 12022, '>', V2(0xa0, 37, 3, 80));
	ike(&s, 12030, '<', V2(0xa0, 37, 3, 80));
	down(&s, 12032, 0, IKW_CAUSE_CALL, DAEMON);
	silence(&s, 32000, V2(0xa0, 37, 4, 80), 4);
	ike(&s, 36000, '>', V2(0xb0, 34, 0, 300));
	down(&s, 36060, 1, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 36900, '>', V2(0xb0, 34, 0, 300));
	end(&s);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.told[0].reason, IKW_REASON_PHASE2_REPLACE);
	assert_int_equal(s.told[1].reason, IKW_REASON_REAUTH_TIMEOUT);
	assert_int_equal(s.told[1].confidence, IKW_CONFIDENCE_POSSIBLE);
	assert_non_null(strstr(s.told[1].detail, "check with a restart"));
}

/* One that was seen to check another peer without looking: no habit of it tells anything. */
static void test_looked_for_one_only(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int other = 0; other < 2; other++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_SHA256);
		for (uint32_t k = 2; k < 4; k++) { /* looked before each, for a reason of its own */
			sa_op(&s, 11990 + k * 2000, IN(0), IKW_SA_ASKED, 0, DAEMON);
			ike(&s, 12000 + k * 2000, '>', V2(0xa0, 37, k, 80));
			ike(&s, 12005 + k * 2000, '<', V2(0xa0, 37, k, 80));
		}
		establish_second(&s, 22000,
				 (struct ike_spec){ 0xb0, 2, 34, 0, 300, 8, AES_SHA256 });
		for (uint32_t k = 2; other && k < 4; k++) {
			ike(&s, 26000 + k * 2000, '>',
			    (struct ike_spec){ 0xb0, 2, 37, k, 80, 8, 0, 0, 0 });
			ike(&s, 26005 + k * 2000, '<',
			    (struct ike_spec){ 0xb0, 2, 37, k, 80, 8, 0, 0, 0 });
		}
		silence(&s, 42000, V2(0xa0, 37, 4, 80), 4);
		ike(&s, 46000, '>', V2(0xc0, 34, 0, 300));
		down(&s, 46060, 0, IKW_CAUSE_CALL, DAEMON);
		ike(&s, 46900, '>', V2(0xc0, 34, 0, 300));
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason,
				 other ? IKW_REASON_DPD_TIMEOUT : IKW_REASON_REAUTH_TIMEOUT);
	}
}

/* Two tunnels of one IKE_SA, ended with it, nothing tells why: neither is as old as one before. */
static void test_ended_together(void **state)
{
	struct sa_spec in = IN(1), out = OUT(1);
	struct story s;

	(void)state;
	in.reqid = out.reqid = 2;
	for (unsigned int child = 0; child < 2; child++) { /* or the two CHILD_SAs alone */
		begin(&s, ALL_SEES & ~(uint32_t)IKW_SEES_ESP);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		ike(&s, 10100, '>', V2(0xa0, 36, 2, 208));
		ike(&s, 10110, '<', V2(0xa0, 36, 2, 208));
		sa_op(&s, 10112, in, IKW_SA_ADD, 0, DAEMON);
		sa_op(&s, 10113, out, IKW_SA_ADD, 0, DAEMON);
		ike(&s, 70000, '>', V2(0xa0, 37, 3, child ? 69 : 65));
		ike(&s, 70010, '<', V2(0xa0, 37, 3, child ? 69 : 57));
		down(&s, 70020, 0, IKW_CAUSE_CALL, DAEMON);
		if (child) {
			ike(&s, 70030, '>', V2(0xa0, 37, 4, 69));
			ike(&s, 70040, '<', V2(0xa0, 37, 4, 69));
		}
		sa_op(&s, 70050, in, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
		sa_op(&s, 70051, out, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 2);
		for (unsigned int i = 0; i < 2; i++)
			assert_int_equal(s.told[i].reason, IKW_REASON_UNKNOWN);
	}
}

/* The outbound SA finds its SPI taken. */
static void refused(struct story *s, uint64_t ms, unsigned int n, uint32_t reqid, uint16_t port)
{
	NEW(s, e, sa, SA, ms);
	e.sa.op = IKW_SA_FAILED;
	e.sa.error = -17;
	e.sa.spi = 0x1000 + n;
	e.sa.proto = 50;
	e.sa.reqid = reqid;
	e.sa.by.tgid = DAEMON;
	e.sa.encap_type = port ? 2 : 0;
	e.sa.encap_sport = port ? 4500 : 0;
	e.sa.encap_dport = port;
	addr4(e.sa.saddr, 1);
	addr4(e.sa.daddr, 9);
	feed(s, &e);
}

static void out_refused(struct story *s, uint64_t ms, unsigned int n)
{
	refused(s, ms, n, 1, 0);
}

/* The inbound SA of a rekey is put in, the outbound one finds its SPI taken, the inbound one goes.
 */
static void half_refused(struct story *s, uint64_t ms, uint32_t id, unsigned int n)
{
	ike(s, ms, '>', V2(0xa0, 36, id, 208));
	ike(s, ms + 10, '<', V2(0xa0, 36, id, 208));
	sa_op(s, ms + 12, IN(n), IKW_SA_LARVAL, 0, DAEMON);
	sa_op(s, ms + 13, IN(n), IKW_SA_ADD, 0, DAEMON);
	out_refused(s, ms + 14, n);
	sa_op(s, ms + 15, IN(n), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
}

static void expect_conflicts(struct story *s, unsigned int count)
{
	end(s);
	assert_int_equal(s->count, count);
	for (unsigned int i = 0; i < count; i++) {
		assert_int_equal(s->told[i].reason, IKW_REASON_SPI_CONFLICT);
		assert_int_equal(s->told[i].confidence, IKW_CONFIDENCE_LIKELY);
	}
}

/* As strongSwan 6 does it: then the old CHILD_SA goes as well, and the peer is told of both. */
static void test_conflict_told_after(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	half_refused(&s, 60000, 2, 1);
	down(&s, 60020, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 60030, '>', V2(0xa0, 37, 3, 96));
	ike(&s, 60040, '<', V2(0xa0, 37, 3, 96));
	expect_conflicts(&s, 2);
}

/* As Libreswan 5 does it: the old CHILD_SA comes to its end, nothing being there to replace it. */
static void test_conflict_then_end(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	half_refused(&s, 60000, 2, 1);
	ike(&s, 60016, '>', V2(0xa0, 37, 3, 69));
	ike(&s, 60020, '<', V2(0xa0, 37, 3, 69));
	ike(&s, 68000, '>', V2(0xa0, 37, 4, 69));
	ike(&s, 68010, '<', V2(0xa0, 37, 4, 69));
	down(&s, 68020, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 68030, '>', V2(0xa0, 36, 5, 208));
	ike(&s, 68040, '<', V2(0xa0, 36, 5, 208));
	up(&s, 68045, 2, DAEMON);
	expect_conflicts(&s, 2);
}

/* As Libreswan 5 does it when it answers: the half stays, and replaces nothing. */
static void test_conflict_half_stays(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	ike(&s, 60000, 'r', V2(0xa0, 36, 0, 208));
	sa_op(&s, 60012, IN(1), IKW_SA_LARVAL, 0, DAEMON);
	sa_op(&s, 60013, IN(1), IKW_SA_ADD, 0, DAEMON);
	out_refused(&s, 60014, 1);
	ike(&s, 60016, 'a', V2(0xa0, 36, 0, 80));
	ike(&s, 63000, 'r', V2(0xa0, 37, 1, 80));
	down(&s, 63010, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 63015, 'a', V2(0xa0, 37, 1, 80));
	expect_conflicts(&s, 1);
	assert_false(s.told[0].tunnel_up);
}

/* A half that came to nothing is not what a rekey just before replaced. */
static void test_conflict_beside_rekeyed(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	ike(&s, 50000, '>', V2(0xa0, 36, 2, 208));
	ike(&s, 50010, '<', V2(0xa0, 36, 2, 208));
	up(&s, 50015, 1, DAEMON);
	half_refused(&s, 60000, 3, 2);
	expect_conflicts(&s, 1);
}

/* A tunnel of an IKE_SA, with SAs and a reqid of its own. */
static void beside(struct story *s, uint64_t ms, uint64_t spi, unsigned int n, uint32_t reqid)
{
	struct sa_spec in = IN(n), out = OUT(n);

	in.reqid = out.reqid = reqid;
	if (spi != 0xa0) {
		ike(s, ms, '>', V2(spi, 34, 0, 300));
		ike(s, ms + 10, '<', (struct ike_spec){ spi, 2, 34, 0, 300, 9, AES_GCM });
	}
	ike(s, ms + 20, '>', V2(spi, spi == 0xa0 ? 36 : 35, spi == 0xa0 ? 2 : 1, 300));
	sa_op(s, ms + 21, in, IKW_SA_LARVAL, 0, DAEMON);
	ike(s, ms + 30, '<', V2(spi, spi == 0xa0 ? 36 : 35, spi == 0xa0 ? 2 : 1, 300));
	sa_op(s, ms + 31, in, IKW_SA_ADD, 0, DAEMON);
	sa_op(s, ms + 32, out, IKW_SA_ADD, 0, DAEMON);
}

/* Another tunnel of the same pair finds its SPI taken, and then this one's IKE_SA is deleted. */
static void test_conflict_of_another(void **state)
{
	static const struct {
		uint64_t spi;	/* the other tunnel's IKE_SA; 0: there is no other tunnel */
		uint32_t reqid; /* of what is refused */
		bool told;
	} ways[] = { { 0, 1, true }, { 0, 2, true }, { 0xa0, 2, true }, { 0xb0, 2, false } };
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		if (ways[i].spi)
			beside(&s, 11000, ways[i].spi, 5, 2);
		refused(&s, 40000, 7, ways[i].reqid, 0);
		ike(&s, 40500, '>', V2(0xa0, 37, 3, 65));
		ike(&s, 40510, '<', V2(0xa0, 37, 3, 57));
		down(&s, 40520, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, ways[i].told ? IKW_REASON_SPI_CONFLICT : IKW_REASON_UNKNOWN,
			   ways[i].told ? IKW_CONFIDENCE_LIKELY : IKW_CONFIDENCE_NONE);
	}
}

/* The same behind a NAT, where the port tells whose it is. */
static void test_conflict_of_another_client(void **state)
{
	struct story s;

	(void)state;
	for (uint16_t port = 1001; port <= 1002; port++) {
		struct sa_spec in = IN(0), out = OUT(0);
		struct ike_spec request = V2(0xa0, 37, 3, 65);

		in.port = out.port = 1001;
		begin(&s, ALL_SEES);
		sa_op(&s, 10000, in, IKW_SA_LARVAL, 0, DAEMON);
		sa_op(&s, 10001, in, IKW_SA_ADD, 0, DAEMON);
		sa_op(&s, 10002, out, IKW_SA_ADD, 0, DAEMON);
		refused(&s, 40000, 7, 1, port);
		for (int answer = 0; answer < 2; answer++) {
			union ikw_event e =
				ike_made(&s, 40500 + 10 * answer, answer ? '<' : '>', request);

			*(answer ? &e.ike.sport : &e.ike.dport) = 1001;
			*(answer ? &e.ike.dport : &e.ike.sport) = 4500;
			feed(&s, &e);
		}
		sa_op(&s, 40520, in, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
		sa_op(&s, 40523, out, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
		if (port == 1001)
			expect_one(&s, IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY);
		else
			expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	}
}

/* Two orders in the same moment, each for one of two tunnels: whose is whose is not known, and
 * said. */
static void test_orders_at_once(void **state)
{
	unsigned int blind = 0;
	struct story s;

	(void)state;
	for (uint32_t orders = 1; orders <= 2; orders++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		establish(&s, 11000, 0xb0, 1, AES_GCM);
		for (uint32_t i = 0; i < orders; i++)
			control(&s, 20000 + i, terminate, sizeof(terminate), "terminate");
		for (uint32_t i = 0; i < orders; i++)
			ike(&s, 20010 + i, '>', V2(0xa0 + i * 0x10, 37, 2, 65));
		for (uint32_t i = 0; i < orders; i++)
			ike(&s, 20020 + i, '<', V2(0xa0 + i * 0x10, 37, 2, 57));
		for (uint32_t i = 0; i < orders; i++)
			down(&s, 20030 + i, i, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, orders);
		for (uint32_t i = 0; i < orders; i++) {
			assert_int_equal(s.told[i].reason, IKW_REASON_MANUAL);
			assert_true(s.told[i].ordered);
			if (orders == 1)
				blind = s.told[i].blind;
			else
				assert_int_equal(s.told[i].blind, blind + 1);
		}
	}
}

/* Ended by force while a check still waits: before its time has run out, at once after the order.
 */
static void test_order_cuts_short(void **state)
{
	struct story s;

	(void)state;
	for (int forced = 0; forced < 2; forced++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		for (uint32_t k = 0; k < 3; k++)
			ike(&s, 60000 + (k == 2 ? 2500 : k * 1000), '>', V2(0xa0, 37, 2, 57));
		control(&s, forced ? 63500 : 64700, terminate, sizeof(terminate), "terminate");
		down(&s, forced ? 63550 : 64750, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, forced ? IKW_REASON_MANUAL : IKW_REASON_DPD_TIMEOUT,
			   forced ? IKW_CONFIDENCE_LIKELY : IKW_CONFIDENCE_CERTAIN);
	}
}

/* ---- what a host had long before ----------------------------------------------------- */

/* The interface with our address is down, but the peer was heard long after that. */
static void test_link_down_long_ago(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES & ~(uint32_t)IKW_SEES_ESP);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	NEW(&s, link, link, LINK, 20000);
	link.link.ifindex = 2;
	link.link.op = IKW_LINK_SET;
	strcpy(link.link.name, "eth0");
	feed(&s, &link);
	for (uint32_t i = 2; i < 6; i++) {
		ike(&s, 30000 + i * 10000, '>', V2(0xa0, 37, i, 57));
		ike(&s, 30010 + i * 10000, '<', V2(0xa0, 37, i, 57));
	}
	ike(&s, 200000, '>', V2(0xa0, 37, 6, 65));
	ike(&s, 200010, '<', V2(0xa0, 37, 6, 57));
	down(&s, 200020, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
}

/*
 * Many IKE_SAs begin at once between the same two addresses: the SAs come when
 * all have been answered. When each inbound SPI was reserved tells whose is whose.
 */
static struct sa_spec many(uint32_t i, uint8_t dir)
{
	struct sa_spec spec = dir == IKW_DIR_IN ? IN(i) : OUT(i);

	spec.reqid = i + 1;
	return spec;
}

static void test_many_at_once(void **state)
{
	enum { MANY = 6, LATER = 3 };
	struct story s;

	(void)state;
	/* the peer's, ours, and ours with an IKE_INTERMEDIATE before IKE_AUTH */
	for (int ours = 0; ours < 3; ours++) {
		const uint32_t auth = ours == 2 ? 2 : 1;

		begin(&s, ALL_SEES);
		for (uint32_t i = 0; i < MANY; i++) {
			ike(&s, 10000 + i * 10, ours ? '>' : 'r', V2(0xa0 + i, 34, 0, 300));
			ike(&s, 10002 + i * 10, ours ? '<' : 'a', V2(0xa0 + i, 34, 0, 300));
			if (auth == 1)
				continue;
			ike(&s, 10004 + i * 10, '>', V2(0xa0 + i, 43, 1, 1200));
			ike(&s, 10006 + i * 10, '<', V2(0xa0 + i, 43, 1, 1100));
		}
		/* what comes of each takes longer than it is to the next */
		for (uint32_t i = 0; i < MANY + LATER; i++) {
			uint32_t last = i - LATER;

			if (i < MANY && ours)
				sa_op(&s, 10100 + i * 10, many(i, IKW_DIR_IN), IKW_SA_LARVAL, 0,
				      DAEMON);
			if (i < MANY && !ours)
				ike(&s, 10100 + i * 10, 'r', V2(0xa0 + i, 35, auth, 250));
			if (i >= LATER && ours)
				ike(&s, 10108 + i * 10, '>', V2(0xa0 + last, 35, auth, 250));
			if (i >= LATER && !ours)
				sa_op(&s, 10108 + i * 10, many(last, IKW_DIR_IN), IKW_SA_LARVAL, 0,
				      DAEMON);
		}
		for (uint32_t i = 0; i < MANY && ours; i++)
			ike(&s, 10300 + i, '<', V2(0xa0 + i, 35, auth, 200));
		for (uint32_t k = 0; k < MANY; k++) { /* by several threads: in any order */
			uint32_t i = (k * 5 + 3) % MANY;

			sa_op(&s, 10400 + k, many(i, IKW_DIR_IN), IKW_SA_ADD, 0, DAEMON);
			sa_op(&s, 10400 + k, many(i, IKW_DIR_OUT), IKW_SA_ADD, 0, DAEMON);
		}
		for (uint32_t i = 0; i < MANY && !ours; i++)
			ike(&s, 10500 + i, 'a', V2(0xa0 + i, 35, auth, 200));
		for (uint32_t i = 0; i < MANY; i++) {
			ike(&s, 60000 + i * 50, 'r', V2(0xa0 + i, 37, 0, 80));
			ike(&s, 60005 + i * 50, 'a', V2(0xa0 + i, 37, 0, 80));
			sa_op(&s, 60010 + i * 50, many(i, IKW_DIR_IN), IKW_SA_DELETE,
			      IKW_CAUSE_CALL, DAEMON);
			sa_op(&s, 60011 + i * 50, many(i, IKW_DIR_OUT), IKW_SA_DELETE,
			      IKW_CAUSE_CALL, DAEMON);
		}
		end(&s);
		assert_int_equal(s.count, MANY);
		for (unsigned int i = 0; i < MANY; i++) {
			assert_int_equal(s.told[i].reason, IKW_REASON_PEER_REQUEST);
			assert_int_equal(s.told[i].spi_i, 0xa0 + s.told[i].spi - 0x1000);
		}
	}
}

/* Another IKE_SA with the peer, whose IKE_AUTH went unseen: its SAs are not the old one's. */
static void test_auth_unseen(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 20000, '>', V2(0xb0, 34, 0, 300));
	ike(&s, 20005, '<', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_GCM });
	sa_op(&s, 20100, many(1, IKW_DIR_OUT), IKW_SA_ADD, 0, DAEMON);
	sa_op(&s, 20101, many(1, IKW_DIR_IN), IKW_SA_ADD, 0, DAEMON);
	ike(&s, 60000, 'r', V2(0xb0, 37, 0, 65));
	ike(&s, 60005, 'a', V2(0xb0, 37, 0, 57));
	sa_op(&s, 60010, many(1, IKW_DIR_IN), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 60011, many(1, IKW_DIR_OUT), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
	assert_int_equal(s.told[0].spi_i, 0xb0);
}

/* A rekey takes the old one away a second later; meanwhile somebody ends another tunnel. */
static void test_rekeyed_beside_order(void **state)
{
	/* the order: before the Delete, and another IKE_SA follows it; after it began */
	static const struct {
		uint64_t ordered, other;
	} orders[] = { { 21000, 21010 }, { 21107, 21300 } };
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		ike(&s, 11000, '>', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 8, 0, 0, 0 });
		ike(&s, 11005, '<', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 8, AES_GCM });
		ike(&s, 20000, '>', V2(0xa0, 36, 2, 300));
		ike(&s, 20010, '<', V2(0xa0, 36, 2, 300));
		up(&s, 20015, 1, DAEMON);
		control(&s, orders[i].ordered, terminate, sizeof(terminate), "terminate");
		if (!i)
			ike(&s, orders[i].other, '>',
			    (struct ike_spec){ 0xb0, 2, 37, 2, 65, 8, 0, 0, 0 });
		ike(&s, 21100, '>', V2(0xa0, 37, 3, 69));
		ike(&s, 21120, '<', V2(0xa0, 37, 3, 69));
		down(&s, 21130, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_PHASE2_REPLACE, IKW_CONFIDENCE_CERTAIN);
	}
}

static const struct ikw_ike_sa *ike_known(const struct story *s, uint64_t spi_i)
{
	uint8_t local[IKW_ADDR_LEN], remote[IKW_ADDR_LEN];
	const struct ikw_peer *p;
	const struct ikw_ike_sa *ike;

	addr4(local, 1);
	addr4(remote, 9);
	p = ikw_world_peer(ikw_model_world(s->model), local, remote);
	assert_non_null(p);
	ike = ikw_world_ike(ikw_model_world(s->model), spi_i);
	assert_non_null(ike);
	assert_ptr_equal(ike->peer, p);
	return ike;
}

/* More IKE_SAs with one peer than are remembered without a tunnel: each new one is remembered, too.
 */
static void test_more_than_remembered(void **state)
{
	enum { MANY = 100, NEW = 3 };
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	for (uint32_t i = 0; i < MANY; i++) {
		ike(&s, 10000 + i * 100, 'r', V2(0x1000 + i, 34, 0, 300));
		ike(&s, 10002 + i * 100, 'a', V2(0x1000 + i, 34, 0, 300));
		ike(&s, 10010 + i * 100, 'r', V2(0x1000 + i, 35, 1, 250));
		sa_op(&s, 10012 + i * 100, many(i + NEW, IKW_DIR_IN), IKW_SA_LARVAL, 0, DAEMON);
		sa_op(&s, 10013 + i * 100, many(i + NEW, IKW_DIR_IN), IKW_SA_ADD, 0, DAEMON);
		sa_op(&s, 10014 + i * 100, many(i + NEW, IKW_DIR_OUT), IKW_SA_ADD, 0, DAEMON);
		ike(&s, 10016 + i * 100, 'a', V2(0x1000 + i, 35, 1, 200));
	}
	for (uint32_t i = 0; i < NEW; i++) {
		ike(&s, 60000 + i * 10, 'r', V2(0xa0 + i, 34, 0, 300));
		ike(&s, 60002 + i * 10, 'a', V2(0xa0 + i, 34, 0, 300));
	}
	for (uint32_t i = 0; i < NEW; i++) {
		ike(&s, 60100 + i * 10, 'r', V2(0xa0 + i, 35, 1, 250));
		sa_op(&s, 60102 + i * 10, many(i, IKW_DIR_IN), IKW_SA_LARVAL, 0, DAEMON);
		sa_op(&s, 60103 + i * 10, many(i, IKW_DIR_IN), IKW_SA_ADD, 0, DAEMON);
		sa_op(&s, 60104 + i * 10, many(i, IKW_DIR_OUT), IKW_SA_ADD, 0, DAEMON);
		ike(&s, 60106 + i * 10, 'a', V2(0xa0 + i, 35, 1, 200));
		assert_true(ike_known(&s, 0xa0 + i)->whole);
	}
	end(&s);
	assert_int_equal(s.count, 0);
}

/* Rekeyed, then the peer moves to where many others are: what carries the tunnel on stays known. */
static void test_moved_after_rekey(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike_rekeyed(&s, 20000, 0xa0, 0xb0);
	ike(&s, 40000, '>', (struct ike_spec){ 0xb0, 2, 37, 1, 57, 8, 0, 0, 0 });
	ike(&s, 40010, '<', (struct ike_spec){ 0xb0, 2, 37, 1, 57, 8, 0, 0, 0 });
	for (uint32_t i = 0; i < 100; i++) {
		ike(&s, 50000 + i * 10, '>',
		    (struct ike_spec){ 0x1000 + i, 2, 37, 4, 57, 8, 0, 0, 0 });
		ike(&s, 50005 + i * 10, '<',
		    (struct ike_spec){ 0x1000 + i, 2, 37, 4, 57, 8, 0, 0, 0 });
	}
	ike(&s, 600000, 'r', (struct ike_spec){ 0xb0, 2, 37, 0, 65, 8, 0, 0, 0 });
	ike(&s, 600005, 'a', (struct ike_spec){ 0xb0, 2, 37, 0, 57, 8, 0, 0, 0 });
	down(&s, 600010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
	assert_int_equal(s.told[0].spi_i, 0xb0);
}

/* Where our address is, and what leads to the peer. */
static void link_anew(struct story *s, uint64_t ms, uint32_t ifindex, uint8_t op)
{
	NEW(s, link, link, LINK, ms);
	link.link.ifindex = ifindex;
	link.link.op = op;
	link.link.ifi_flags = op == IKW_LINK_SET;
	strcpy(link.link.name, "eth0");
	feed(s, &link);
	NEW(s, addr, addr, ADDR, ms + 1);
	addr4(addr.addr.addr, 1);
	addr.addr.ifindex = ifindex;
	addr.addr.op = op == IKW_LINK_SET ? IKW_ADDR_SET : IKW_ADDR_GONE;
	feed(s, &addr);
	if (op != IKW_LINK_SET)
		return;
	NEW(s, route, route, ROUTE, ms + 2);
	addr4(route.route.peer, 9);
	route.route.ifindex = ifindex;
	feed(s, &route);
}

/* The interface is removed, and made anew before the alarm is due, or before the daemon gives up.
 */
static void test_link_made_anew(void **state)
{
	static const uint64_t again[] = { 58300, 55000 };
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++) {
		begin(&s, ALL_SEES & ~(uint32_t)IKW_SEES_ESP);
		link_anew(&s, 5000, 7, IKW_LINK_SET);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		link_anew(&s, 50000, 7, IKW_LINK_GONE);
		if (again[i] < 58000)
			link_anew(&s, again[i], 8, IKW_LINK_SET);
		down(&s, 58000, 0, IKW_CAUSE_CALL, DAEMON);
		if (again[i] > 58000)
			link_anew(&s, again[i], 8, IKW_LINK_SET);
		expect_one(&s, IKW_REASON_INTERFACE_REMOVED, IKW_CONFIDENCE_CERTAIN);
	}
}

/* Another connection between the same gateways fails every minute: no reauthentication of this. */
static void failing_beside(struct story *s)
{
	begin(s, ALL_SEES & ~(uint32_t)IKW_SEES_ESP);
	establish(s, 10000, 0xa0, 0, AES_SHA256);
	for (uint32_t i = 0; i < 10; i++) {
		uint64_t at = 20000 + i * 60000;

		ike(s, at, '>', V2(0xf00 + i, 34, 0, 300));
		ike(s, at + 10, '<', V2(0xf00 + i, 34, 0, 36));
	}
}

static void test_failing_beside(void **state)
{
	struct story s;

	(void)state;
	failing_beside(&s);
	for (uint32_t i = 2; i < 6; i++) {
		ike(&s, 900000 + i * 10000, '>', V2(0xa0, 37, i, 80));
		ike(&s, 900010 + i * 10000, '<', V2(0xa0, 37, i, 80));
	}
	silence(&s, 960000, V2(0xa0, 37, 6, 80), 5);
	down(&s, 975000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY);

	failing_beside(&s);
	ike(&s, 960000, '>', V2(0xa0, 37, 2, 96));
	ike(&s, 960010, '<', V2(0xa0, 37, 2, 80));
	down(&s, 960020, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
}

/* ---- lengths that say less than they seem to ---------------------------------------- */

/* An INFORMATIONAL of the peer that is no Delete by its length, seconds before. */
static void test_something_is_no_delete(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 20000, 'r', V2(0xa0, 37, 0, 113));
	ike(&s, 20005, 'a', V2(0xa0, 37, 0, 57));
	down(&s, 22500, 0, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 1);
	assert_int_not_equal(s.told[0].confidence, IKW_CONFIDENCE_CERTAIN);
}

/*
 * IKEv1, several clients behind one address: one is ordered down, and its own Delete,
 * which comes after the deed, is not there yet when another's is.
 */
static void ordered_beside_another(unsigned int apart)
{
	struct story s;

	begin(&s, ALL_SEES);
	for (uint32_t i = 0; i < 2; i++) {
		v1_begins(&s, 10000 + i * 1000, 0xa0 + 16 * i, 2);
		ike(&s, 10010 + i * 1000, 'a',
		    (struct ike_spec){ 0xa0 + 16 * i, 1, 2, 0, 144, 9, 7, 128, 4 });
		ike(&s, 10020 + i * 1000, 'r', V1(0xa0 + 16 * i, 32, 5, 188));
		sa_op(&s, 10022 + i * 1000, many(i, IKW_DIR_IN), IKW_SA_LARVAL, 0, DAEMON);
		ike(&s, 10030 + i * 1000, 'a', V1(0xa0 + 16 * i, 32, 5, 188));
		ike(&s, 10040 + i * 1000, 'r', V1(0xa0 + 16 * i, 32, 5, 76));
		sa_op(&s, 10042 + i * 1000, many(i, IKW_DIR_IN), IKW_SA_ADD, 0, DAEMON);
		sa_op(&s, 10043 + i * 1000, many(i, IKW_DIR_OUT), IKW_SA_ADD, 0, DAEMON);
	}
	for (uint32_t i = 0; i < 2; i++) {
		control(&s, 600000 + i * apart, terminate, sizeof(terminate), "terminate");
		sa_op(&s, 600010 + i * apart, many(i, IKW_DIR_IN), IKW_SA_DELETE, IKW_CAUSE_CALL,
		      DAEMON);
		sa_op(&s, 600011 + i * apart, many(i, IKW_DIR_OUT), IKW_SA_DELETE, IKW_CAUSE_CALL,
		      DAEMON);
		ike(&s, 600020 + i * apart, '>', V1(0xa0 + 16 * i, 5, 90 + i, 92));
		ike(&s, 600021 + i * apart, '>', V1(0xa0 + 16 * i, 5, 95 + i, 108));
	}
	end(&s);
	assert_int_equal(s.count, 2);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(s.told[i].spi_i, 0xa0 + 16 * (s.told[i].spi - 0x1000));
}

static void test_v1_ordered_beside_another(void **state)
{
	(void)state;
	ordered_beside_another(12);
	ordered_beside_another(970); /* the other's is over */
}

/* IKEv1: one Delete, of a length that both kinds can have (a daemon that pads only what it must).
 */
static void test_v1_delete_of_either_kind(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	v1_up(&s, 10000, 0xa0, 0);
	ike(&s, 60000, 'r', V1(0xa0, 5, 90, 92));
	down(&s, 60010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_POSSIBLE);

	/* both of them: it asked for the IPsec SA too */
	begin(&s, ALL_SEES);
	v1_up(&s, 10000, 0xa0, 0);
	ike(&s, 60000, 'r', V1(0xa0, 5, 90, 92));
	ike(&s, 60014, 'r', V1(0xa0, 5, 91, 92));
	down(&s, 60020, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

/* The same, and what follows tells whether the ISAKMP SA lives: a check under it, a new one
 * instead. */
static void test_v1_delete_told_by_what_follows(void **state)
{
	struct story s;

	(void)state;
	for (int then = 0; then < 4; then++) {
		begin(&s, ALL_SEES);
		v1_up(&s, 10000, 0xa0, 0);
		for (uint32_t i = 0; i < 2; i++) {
			ike(&s, 20000 + i * 5000, '>', V1(0xa0, 5, 70 + i, 108));
			ike(&s, 20005 + i * 5000, '<', V1(0xa0, 5, 75 + i, 108));
		}
		ike(&s, 26000, 'r', V1(0xa0, 5, 90, 92));
		down(&s, 26010, 0, IKW_CAUSE_CALL, DAEMON);
		switch (then) {
		case 0: /* nothing, when the next check had been due */
			v1_our_first(&s, 60000, 0xc0);
			expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_POSSIBLE);
			break;
		case 1:
			ike(&s, 31000, '>', V1(0xa0, 5, 80, 108));
			ike(&s, 31005, '<', V1(0xa0, 5, 81, 108));
			expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
			break;
		case 2:
			ike(&s, 27000, '>', V1(0xa0, 32, 6, 188));
			expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
			break;
		default:
			v1_our_first(&s, 27000, 0xc0);
			expect_one(&s, IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_LIKELY);
		}
	}
}

/* Another tunnel of the ISAKMP SA stays, as it would not without that. */
static void test_v1_delete_of_one_of_two(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	v1_up(&s, 10000, 0xa0, 0);
	ike(&s, 11000, 'r', V1(0xa0, 32, 6, 188));
	ike(&s, 11010, 'a', V1(0xa0, 32, 6, 188));
	ike(&s, 11020, 'r', V1(0xa0, 32, 6, 76));
	for (unsigned int dir = 0; dir < 2; dir++) {
		struct sa_spec other = dir ? OUT(1) : IN(1);

		other.reqid = 2;
		if (!dir)
			sa_op(&s, 11024, other, IKW_SA_LARVAL, 0, DAEMON);
		sa_op(&s, 11025, other, IKW_SA_ADD, 0, DAEMON);
	}
	ike(&s, 60000, 'r', V1(0xa0, 5, 90, 92));
	down(&s, 60010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

/* IKEv1: its ISAKMP Delete comes as we wait for an R-U-THERE-ACK, and has the length of one. */
static void test_v1_delete_crosses_check(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	v1_up(&s, 10000, 0xa0, 0);
	ike(&s, 20000, '>', V1(0xa0, 5, 70, 108));
	ike(&s, 20037, '<', V1(0xa0, 5, 90, 108));
	down(&s, 20080, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_LIKELY);

	/* and the IPsec SA's own after it */
	begin(&s, ALL_SEES);
	v1_up(&s, 10000, 0xa0, 0);
	ike(&s, 20000, '>', V1(0xa0, 5, 70, 108));
	ike(&s, 20037, '<', V1(0xa0, 5, 90, 108));
	down(&s, 20080, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 20090, '<', V1(0xa0, 5, 91, 92));
	expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);

	/* an answer it was: our own Delete, an order, a while until the deletion */
	begin(&s, ALL_SEES);
	v1_up(&s, 10000, 0xa0, 0);
	ike(&s, 20000, '>', V1(0xa0, 5, 70, 108));
	ike(&s, 20037, '<', V1(0xa0, 5, 90, 108));
	control(&s, 20060, terminate, sizeof(terminate), "terminate");
	down(&s, 20080, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 20090, '>', V1(0xa0, 5, 91, 108));
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
	begin(&s, ALL_SEES);
	v1_up(&s, 10000, 0xa0, 0);
	ike(&s, 20000, '>', V1(0xa0, 5, 70, 108));
	ike(&s, 20037, '<', V1(0xa0, 5, 90, 108));
	down(&s, 25000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
}

/* A pair of R-U-THERE and its answer. */
static void v1_check(struct story *s, uint64_t ms, unsigned int id)
{
	ike(s, ms, '>', V1(0xa0, 5, 70 + id, 108));
	ike(s, ms + 8, '<', V1(0xa0, 5, 170 + id, 108));
}

static void v1_checks(struct story *s, unsigned int count)
{
	begin(s, ALL_SEES);
	v1_up(s, 10000, 0xa0, 0);
	for (unsigned int i = 0; i < count; i++)
		v1_check(s, 20000 + 10000 * i, i);
}

/* IKEv1: the answers arrive at this host, whose firewall drops them. */
static void test_v1_checks_unheard(void **state)
{
	struct story s;

	(void)state;
	v1_checks(&s, 3);
	down(&s, 45000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY);
	/* an answer is as long as the ISAKMP SA's Delete, and that may be read late */
	v1_checks(&s, 3);
	down(&s, 40800, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_POSSIBLE);
	v1_checks(&s, 3);
	down(&s, 40050, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_LIKELY);
	/* it was checked once, or the next check is overdue: whether it hears is not known */
	v1_checks(&s, 1);
	down(&s, 25000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	v1_checks(&s, 3);
	down(&s, 59000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	/* who gives the tunnel up by itself tells the peer */
	v1_checks(&s, 3);
	down(&s, 45000, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 45010, '>', V1(0xa0, 5, 99, 92));
	end(&s);
	assert_int_equal(s.count, 1);
	assert_int_not_equal(s.told[0].reason, IKW_REASON_DPD_TIMEOUT);
	/* ordered down */
	v1_checks(&s, 3);
	control(&s, 44990, terminate, sizeof(terminate), "terminate");
	down(&s, 45000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY);
}

/* IKEv1: as long as the ISAKMP SA's with a pad, or as both SAs' in one message without. */
static void test_v1_delete_of_one_or_both(void **state)
{
	struct story s;

	(void)state;
	for (int how = 0; how < 3; how++) {
		begin(&s, ALL_SEES);
		v1_up(&s, 10000, 0xa0, 0);
		for (uint32_t i = 0; i < 2; i++) {
			ike(&s, 20000 + i * 5000, '>', V1(0xa0, 5, 70 + i, 108));
			ike(&s, 20005 + i * 5000, '<', V1(0xa0, 5, 75 + i, 108));
		}
		ike(&s, 26000, 'r', V1(0xa0, 5, 90, 108));
		if (how == 1) /* as before it deletes an IPsec SA by itself */
			sa_op(&s, 26005, IN(0), IKW_SA_ASKED, 0, DAEMON);
		down(&s, 26010, 0, IKW_CAUSE_CALL, DAEMON);
		if (how == 2) { /* our daemon still has the ISAKMP SA */
			ike(&s, 30000, '>', V1(0xa0, 5, 80, 108));
			expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
		} else {
			expect_one(&s, IKW_REASON_PHASE1_DEPENDENT,
				   how ? IKW_CONFIDENCE_POSSIBLE : IKW_CONFIDENCE_LIKELY);
		}
	}
}

/* IKEv1: the IPsec SA's Delete comes as a check of ours waits for its answer, which is no Delete.
 */
static void test_v1_delete_overtakes_answer(void **state)
{
	struct story s;

	(void)state;
	for (int checked = 0; checked < 2; checked++) {
		begin(&s, ALL_SEES);
		v1_up(&s, 10000, 0xa0, 0);
		for (uint32_t i = 0; i < 2; i++) {
			ike(&s, 20000 + i * 5000, '>', V1(0xa0, 5, 70 + i, 108));
			ike(&s, 20005 + i * 5000, '<', V1(0xa0, 5, 75 + i, 108));
		}
		ike(&s, 30000, '>', V1(0xa0, 5, 80, 108));
		ike(&s, 30200, 'r', V1(0xa0, 5, 90, 92));
		down(&s, 30220, 0, IKW_CAUSE_CALL, DAEMON);
		if (checked) { /* the ISAKMP SA lives on */
			ike(&s, 35000, '>', V1(0xa0, 5, 81, 108));
			ike(&s, 35005, '<', V1(0xa0, 5, 82, 108));
		}
		expect_one(&s, IKW_REASON_PEER_REQUEST,
			   checked ? IKW_CONFIDENCE_CERTAIN : IKW_CONFIDENCE_POSSIBLE);
	}
}

/*
 * IKEv1: a new phase 1 is to replace the old one and has taken its tunnels over; nobody
 * answers it for as long as the daemon asks, and they go with it.
 */
static void test_v1_reauth_unanswered(void **state)
{
	static const uint32_t by_default[] = { 0, 4000, 11200, 24160, 47488, 89478 };
	struct story s;

	(void)state;
	for (int late = 0; late < 2; late++) {
		begin(&s, ALL_SEES);
		v1_up(&s, 10000, 0xa0, 0);
		for (size_t i = 0; i < sizeof(by_default) / sizeof(by_default[0]); i++)
			v1_our_first(&s, 1800000 + by_default[i], 0xc0);
		/* near miss: long after that */
		down(&s, late ? 2200000 : 1965060, 0, IKW_CAUSE_CALL, DAEMON);
		if (late)
			expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
		else
			expect_one(&s, IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY);
	}
}

/* IKEv1: the phase 1 that was to replace the old one is refused in clear, and its tunnels go with
 * it.
 */
static void test_v1_reauth_refused(void **state)
{
	struct story s;

	(void)state;
	for (int forged = 0; forged < 2; forged++) {
		union ikw_event e;

		begin(&s, ALL_SEES);
		v1_up(&s, 10000, 0xa0, 0);
		v1_our_first(&s, 40000, 0xc0);
		e = ike_made(&s, 40020, '<', V1(forged ? 0xe0 : 0xc0, 5, 77, 40));
		e.ike.flags2 |= IKW_IKE_NOTIFY;
		e.ike.ike_flags = 0;
		e.ike.notify = 24; /* AUTHENTICATION_FAILED */
		feed(&s, &e);
		down(&s, 40060, 0, IKW_CAUSE_CALL, DAEMON);
		if (forged) /* by who does not know the cookies */
			expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
		else
			expect_one(&s, IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY);
	}
}

/* The same bytes in other fragments, or in one: the same request (RFC 7383 2.5.1). */
static void test_fragmented_anew(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	for (uint32_t i = 0; i < 4; i++)
		for (uint16_t n = 1; n < 3; n++) {
			union ikw_event e = ike_made(&s, 20000 + i * 1500 + n, '>',
						     V2(0xa0, 36, 2, i < 2 ? 1200 : 500));

			e.ike.frag_number = n;
			e.ike.frag_total = 2;
			e.ike.digest = (i < 2) + n * 100;
			feed(&s, &e);
		}
	down(&s, 29000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
	assert_non_null(strstr(s.told[0].detail, "sent 4 times from 9.0 s before"));
}

/* What a peer that lost its state says in clear to each check is no answer to it. */
static void test_refused_in_clear(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	for (uint64_t t = 20000; t < 24000; t += 1000) {
		union ikw_event e;

		ike(&s, t, '>', V2(0xa0, 37, 2, 57));
		e = ike_made(&s, t + 8, '<', V2(0xa0, 37, 2, 36));
		e.ike.flags2 |= IKW_IKE_NOTIFY;
		e.ike.notify = 4;
		feed(&s, &e);
	}
	down(&s, 26500, 0, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.told[0].reason, IKW_REASON_DPD_TIMEOUT);
	assert_null(strstr(s.told[0].detail, "firewall"));
	assert_non_null(strstr(s.told[0].detail, "no answer but a notification in clear"));
}

/*
 * What the peer asks just before our daemon gives up is no Delete where it asks
 * so by a clock, or has been answered long before.
 */
static void test_peer_asks_amid_silence(void **state)
{
	enum { CLOCK, REPEATED, OFF_CLOCK };
	struct story s;

	(void)state;
	for (unsigned int kind = CLOCK; kind <= OFF_CLOCK; kind++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_SHA256);
		for (uint32_t i = 0; i < 12; i++) {
			uint64_t t = 15000 + i * 1083;
			uint32_t id = kind == REPEATED && i > 4 ? 4 : i;

			if (i == 5 || i == 6 || i == 8)
				ike(&s, t - 10, '>', V2(0xa0, 36, 2, 208));
			if (kind == OFF_CLOCK && i == 10)
				continue;
			ike(&s, t, 'r', V2(0xa0, 37, id, 112));
			if (id == i)
				ike(&s, t + 5, 'a', V2(0xa0, 37, id, 80));
		}
		down(&s, 27000, 0, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason, kind == OFF_CLOCK ? IKW_REASON_PEER_REQUEST
								     : IKW_REASON_EXCHANGE_TIMEOUT);
	}
}

/*
 * The peer comes back while our check of the old IKE_SA waits, and the daemon
 * answers, installs and then drops the old SAs: at once, or later but asking on,
 * as it would not had it given up. It does give up, if neither.
 */
static void test_comes_back_amid_check(void **state)
{
	enum { AT_ONCE, ASKED_ON, GIVEN_UP };
	struct story s;

	(void)state;
	for (unsigned int kind = AT_ONCE; kind <= GIVEN_UP; kind++) {
		uint64_t gone = kind == AT_ONCE ? 20160 : kind == ASKED_ON ? 21000 : 24000;

		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		ike(&s, 19000, '>', V2(0xa0, 37, 2, 57));
		ike(&s, 19900, '>', V2(0xa0, 37, 2, 57));
		ike(&s, 20000, 'r', V2(0xb0, 34, 0, 300));
		ike(&s, 20010, 'a', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_GCM });
		ike(&s, 20040, 'r', V2(0xb0, 35, 1, 300));
		up(&s, 20080, 1, DAEMON);
		ike(&s, 20120, 'a', V2(0xb0, 35, 1, 208));
		down(&s, gone, 0, IKW_CAUSE_CALL, DAEMON);
		if (kind == ASKED_ON)
			ike(&s, 22000, '>', V2(0xa0, 37, 2, 57));
		expect_one(&s, kind == GIVEN_UP ? IKW_REASON_DPD_TIMEOUT : IKW_REASON_KICK_OLD_SA,
			   kind == AT_ONCE ? IKW_CONFIDENCE_LIKELY : IKW_CONFIDENCE_CERTAIN);
	}
}

/* MOBIKE by delete and add: whichever SA goes first, it comes back second. */
static void test_moved_out_first(void **state)
{
	struct sa_spec in = IN(0), out = OUT(0);
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	in.peer = out.peer = 8;
	ike(&s, 19990, 'r', V2(0xa0, 37, 0, 120));
	ike(&s, 19995, 'a', V2(0xa0, 37, 0, 57));
	sa_op(&s, 20000, OUT(0), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 20003, IN(0), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 20006, in, IKW_SA_ADD, 0, DAEMON);
	sa_op(&s, 20009, out, IKW_SA_ADD, 0, DAEMON);
	expect_one(&s, IKW_REASON_PEER_ADDRESS_SWITCH, IKW_CONFIDENCE_CERTAIN);
}

/* ---- SAs that nobody seems to manage ------------------------------------------------- */

/* Where no IKE can be seen, that none was says nothing. */
static void test_no_ike_to_be_seen(void **state)
{
	const uint32_t wire = IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT;
	struct story s;

	(void)state;
	begin(&s, ALL_SEES & ~wire);
	up_by_hand(&s, 10000, 0, OTHER);
	down(&s, 20000, 0, IKW_CAUSE_CALL, OTHER);
	expect_unsure(&s, IKW_REASON_MANUAL);

	begin(&s, IKW_SEES_SA | IKW_SEES_POLICY | IKW_SEES_LINK);
	up_by_hand(&s, 10000, 0, 0);
	down(&s, 20000, 0, IKW_CAUSE_UNKNOWN, 0);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	assert_true(s.told[0].blind > 0);
}

/* A half that stayed alone is not completed by the outbound SA of a rekey an hour later. */
static void test_half_stays_alone(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	ike(&s, 10000, '>', V2(0xa0, 34, 0, 300));
	ike(&s, 10005, '<', (struct ike_spec){ 0xa0, 2, 34, 0, 300, 9, AES_GCM });
	ike(&s, 10010, '>', V2(0xa0, 35, 1, 300));
	ike(&s, 10030, '<', V2(0xa0, 35, 1, 208));
	sa_op(&s, 10035, IN(0), IKW_SA_ADD, 0, DAEMON); /* the record of its partner was lost */
	ike(&s, 3610000, '>', V2(0xa0, 36, 2, 197));
	ike(&s, 3610010, '<', V2(0xa0, 36, 2, 185));
	sa_op(&s, 3610020, OUT(1), IKW_SA_ADD, 0, DAEMON);
	sa_op(&s, 3610022, IN(1), IKW_SA_ADD, 0, DAEMON);
	ike(&s, 3611000, '>', V2(0xa0, 37, 3, 69));
	ike(&s, 3611010, '<', V2(0xa0, 37, 3, 69));
	down(&s, 3611020, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 3700000, 'r', V2(0xa0, 37, 0, 65));
	ike(&s, 3700005, 'a', V2(0xa0, 37, 0, 57));
	down(&s, 3700010, 1, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.told[0].reason, IKW_REASON_PHASE2_REPLACE);
	assert_int_equal(s.told[1].reason, IKW_REASON_PEER_REQUEST);
	assert_false(s.told[1].tunnel_up);
}

/* ---- Deletes that were not alone ------------------------------------------------------ */

static struct sa_spec child(unsigned int n, uint8_t dir)
{
	return (struct sa_spec){
		(dir == IKW_DIR_IN ? 0x1000 : 0x2000) + n, n, dir, 9, 0, 0, false
	};
}

static void children_up(struct story *s, unsigned int count)
{
	ike(s, 10000, '>', V2(0xa0, 34, 0, 300));
	ike(s, 10005, '<', (struct ike_spec){ 0xa0, 2, 34, 0, 300, 9, AES_GCM });
	ike(s, 10010, '>', V2(0xa0, 35, 1, 300));
	ike(s, 10030, '<', V2(0xa0, 35, 1, 208));
	for (unsigned int n = 0; n < count; n++) {
		if (n) {
			ike(s, 10000 + n * 100, '>', V2(0xa0, 36, 1 + n, 208));
			ike(s, 10020 + n * 100, '<', V2(0xa0, 36, 1 + n, 208));
		}
		sa_op(s, 10040 + n * 100, child(n, IKW_DIR_IN), IKW_SA_ADD, 0, DAEMON);
		sa_op(s, 10041 + n * 100, child(n, IKW_DIR_OUT), IKW_SA_ADD, 0, DAEMON);
	}
}

/* The peer deletes its CHILD_SAs one after the other. */
static void test_children_one_by_one(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	children_up(&s, 30);
	for (unsigned int n = 0; n < 30; n++) {
		uint64_t at = 20000 + n * 40;

		ike(&s, at, 'r', V2(0xa0, 37, n, 69));
		sa_op(&s, at + 5, child(n, IKW_DIR_IN), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
		sa_op(&s, at + 6, child(n, IKW_DIR_OUT), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
		ike(&s, at + 9, 'a', V2(0xa0, 37, n, 69));
	}
	expect_all(&s, 30, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
}

/* Our response was lost: the peer says it again, after the deed. */
static void test_delete_sent_again(void **state)
{
	struct story s;

	(void)state;
	for (int aead = 0; aead < 2; aead++) {
		uint32_t length = aead ? 65 : 80;

		begin(&s, ALL_SEES);
		if (aead)
			establish(&s, 10000, 0xa0, 0, AES_GCM);
		else
			establish(&s, 10000, 0xa0, 0, AES_SHA256);
		ike(&s, 20000, 'r', V2(0xa0, 37, 0, length));
		ike(&s, 20005, 'a', V2(0xa0, 37, 0, length - 8));
		down(&s, 20010, 0, IKW_CAUSE_CALL, DAEMON);
		ike(&s, 21000, 'r', V2(0xa0, 37, 0, length));
		expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
	}
}

/* A daemon that does not wait for the answer to its Delete. */
static void test_delete_not_waited_for(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	control(&s, 20000, terminate, sizeof(terminate), "terminate");
	ike(&s, 20010, '>', V2(0xa0, 37, 2, 65));
	down(&s, 20012, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 20020, '<', V2(0xa0, 37, 2, 57));
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
	assert_string_equal(s.told[0].rule, "ordered");

	begin(&s, ALL_SEES & ~(uint32_t)IKW_SEES_CONTROL);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 20010, '>', V2(0xa0, 37, 2, 65));
	down(&s, 20012, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 20020, '<', V2(0xa0, 37, 2, 57));
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_POSSIBLE);
	assert_string_equal(s.told[0].rule, "local_delete_blind");
}

/* Two rekeys that crossed: the redundant CHILD_SA goes, then the old one. */
static void test_rekeys_cross(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 20000, '>', V2(0xa0, 36, 2, 197));
	ike(&s, 20002, 'r', V2(0xa0, 36, 0, 197));
	up(&s, 20004, 1, DAEMON);
	ike(&s, 20008, 'a', V2(0xa0, 36, 0, 185));
	ike(&s, 20010, '<', V2(0xa0, 36, 2, 185));
	up(&s, 20012, 2, DAEMON);
	ike(&s, 20020, 'r', V2(0xa0, 37, 1, 69));
	down(&s, 20022, 1, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 20027, 'a', V2(0xa0, 37, 1, 69));
	ike(&s, 20030, '>', V2(0xa0, 37, 3, 69));
	ike(&s, 20040, '<', V2(0xa0, 37, 3, 69));
	down(&s, 20042, 0, IKW_CAUSE_CALL, DAEMON);
	expect_all(&s, 2, IKW_REASON_PHASE2_REPLACE, IKW_CONFIDENCE_CERTAIN);
	assert_true(s.told[0].tunnel_up && s.told[1].tunnel_up);
}

/* ---- the peer comes back ------------------------------------------------------------- */

/* It restarted; we were checking it, and would have given it up a minute later. */
static void test_initial_contact_amid_check(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	silence(&s, 20000, V2(0xa0, 37, 2, 57), 5);
	ike(&s, 30000, 'r', V2(0xb0, 34, 0, 300));
	ike(&s, 30010, 'a', V2(0xb0, 34, 0, 300));
	ike(&s, 30020, 'r', V2(0xb0, 35, 1, 300));
	down(&s, 30030, 0, IKW_CAUSE_CALL, DAEMON);
	up(&s, 30038, 1, DAEMON);
	ike(&s, 30045, 'a', V2(0xb0, 35, 1, 208));
	expect_one(&s, IKW_REASON_KICK_OLD_SA, IKW_CONFIDENCE_CERTAIN);
}

static void test_initial_contact_amid_check_v1(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	v1_up(&s, 10000, 0xa0, 0);
	ike(&s, 12000, '>', V1(0xa0, 5, 70, 108));
	ike(&s, 12005, '<', V1(0xa0, 5, 71, 108));
	for (uint32_t i = 0; i < 4; i++)
		ike(&s, 20000 + i * 2000, '>', V1(0xa0, 5, 72 + i, 108));
	v1_begins(&s, 29000, 0xb0, 2);
	ike(&s, 29010, 'a', (struct ike_spec){ 0xb0, 1, 2, 0, 144, 9, 7, 128, 4 });
	ike(&s, 29020, 'r', V1(0xb0, 2, 0, 200));
	ike(&s, 29030, 'a', V1(0xb0, 2, 0, 200));
	ike(&s, 29040, 'r', V1(0xb0, 2, 0, 108));
	down(&s, 29045, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 29050, 'a', V1(0xb0, 2, 0, 108));
	ike(&s, 29100, 'r', V1(0xb0, 32, 5, 188));
	ike(&s, 29110, 'a', V1(0xb0, 32, 5, 188));
	ike(&s, 29120, 'r', V1(0xb0, 32, 5, 76));
	up(&s, 29125, 1, DAEMON);
	expect_one(&s, IKW_REASON_KICK_OLD_SA, IKW_CONFIDENCE_CERTAIN);
}

/* It restarted, and both IKE_SAs were kept: the old one dies of our check, at its own time. */
static void test_old_ike_beside_new(void **state)
{
	struct story s;

	(void)state;
	for (int aead = 0; aead < 2; aead++) {
		begin(&s, ALL_SEES);
		if (aead)
			establish(&s, 10000, 0xa0, 0, AES_GCM);
		else
			establish(&s, 10000, 0xa0, 0, AES_SHA256);
		ike(&s, 30000, 'r', V2(0xb0, 34, 0, 300));
		ike(&s, 30010, 'a', V2(0xb0, 34, 0, 300));
		ike(&s, 30020, 'r', V2(0xb0, 35, 1, 300));
		up(&s, 30038, 1, DAEMON);
		ike(&s, 30045, 'a', V2(0xb0, 35, 1, 208));
		silence(&s, 36000, V2(0xa0, 37, 2, aead ? 57 : 80), 5);
		down(&s, 60000, 0, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_string_equal(ikw_reason_text(s.told[0].reason), "dpd timeout");
		assert_true(s.told[0].tunnel_up);
	}
}

/* Two IKE_SAs with the same flow side by side for long: an operator ends the old one. */
static void test_one_of_two_ended(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	establish(&s, 30000, 0xb0, 1, AES_GCM);
	control(&s, 600000, terminate, sizeof(terminate), "terminate");
	ike(&s, 600010, '>', V2(0xa0, 37, 2, 65));
	ike(&s, 600020, '<', V2(0xa0, 37, 2, 57));
	down(&s, 600030, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY);
}

/* The peer reauthenticates, and whoever answers for its password takes seconds. */
static void test_reauth_is_slow(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike(&s, 20000, 'r', V2(0xa0, 37, 0, 65));
	ike(&s, 20005, 'a', V2(0xa0, 37, 0, 57));
	down(&s, 20010, 0, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 20030, 'r', V2(0xb0, 34, 0, 300));
	ike(&s, 20035, 'a', V2(0xb0, 34, 0, 300));
	ike(&s, 20040, 'r', V2(0xb0, 35, 1, 300));
	ike(&s, 24040, 'r', V2(0xb0, 35, 1, 300));
	up(&s, 26000, 1, DAEMON);
	ike(&s, 26010, 'a', V2(0xb0, 35, 1, 208));
	expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY);
}

/* What travels with an ESP SA (IPComp and its tunnel) makes no alarm of its own. */
static void test_compressed(void **state)
{
	static const uint8_t protos[] = { 108, 4 };
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	for (size_t i = 0; i < 4; i++) {
		NEW(&s, e, sa, SA, 10040 + i * 10000);
		e.sa.op = i < 2 ? IKW_SA_ADD : IKW_SA_DELETE;
		e.sa.cause = i < 2 ? 0 : IKW_CAUSE_CALL;
		e.sa.spi = 0x4444;
		e.sa.proto = protos[i % 2];
		e.sa.by.tgid = DAEMON;
		addr4(e.sa.saddr, 1);
		addr4(e.sa.daddr, 9);
		feed(&s, &e);
	}
	end(&s);
	assert_int_equal(s.count, 0);
}

/* ---- timers as daemons have them by default -------------------------------------------- */

static void test_default_timers(void **state)
{
	static const uint32_t strongswan[] = { 0, 4000, 11200, 24160, 47488, 89478 },
			      libreswan[] = { 0, 500, 1500, 3500, 7500, 15500, 31500 };
	struct story s;

	(void)state;
	for (int swan = 0; swan < 2; swan++) {
		const uint32_t *at = swan ? strongswan : libreswan;

		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		for (unsigned int i = 0; i < (swan ? 6 : 7); i++)
			ike(&s, 50000 + at[i], '>', V2(0xa0, 37, 2, 57));
		down(&s, 50000 + (swan ? 165060 : 60000), 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
	}
}

/* RFC 5176: the AAA server orders a user off, who is not told by an address, and is obeyed. */
static void user_cut(struct story *s, uint64_t ms)
{
	for (unsigned int k = 0; k < 2; k++) {
		NEW(s, e, wire, WIRE, ms + k * 20);

		e.wire.kind = IKW_WIRE_RADIUS;
		e.wire.dir = k ? IKW_DIR_OUT : IKW_DIR_IN;
		e.wire.code = (uint16_t)(40 + k);
		e.wire.id = 7;
		e.wire.ifindex = 2;
		addr4(k ? e.wire.saddr : e.wire.daddr, 1);
		addr4(k ? e.wire.daddr : e.wire.saddr, 7);
		e.wire.sport = k ? 3799 : 4000;
		e.wire.dport = k ? 4000 : 3799;
		feed(s, &e);
	}
}

#define USER(n, exchange, id, length)                                                              \
	((struct ike_spec){ 0xa0 + 16 * (n), 2, exchange, id, length, 9 + (n), 0, 0, 0 })

static void user_sas(struct story *s, uint64_t ms, uint8_t n, uint8_t op)
{
	const struct sa_spec in = { 0x1000U + n, n + 1U, IKW_DIR_IN, 9 + n, 0, 0, false };
	const struct sa_spec out = { 0x2000U + n, n + 1U, IKW_DIR_OUT, 9 + n, 0, 0, false };

	sa_op(s, ms, in, op, IKW_CAUSE_CALL, DAEMON);
	sa_op(s, ms + 1, out, op, IKW_CAUSE_CALL, DAEMON);
}

static void users_up(struct story *s)
{
	begin(s, ALL_SEES);
	for (uint8_t n = 0; n < 2; n++) {
		ike(s, 10000, '>', USER(n, 34, 0, 300));
		ike(s, 10005, '<',
		    (struct ike_spec){ 0xa0 + 16 * n, 2, 34, 0, 300, 9 + n, AES_GCM });
		ike(s, 10010, '>', USER(n, 35, 1, 300));
		ike(s, 10030, '<', USER(n, 35, 1, 208));
		user_sas(s, 10035, n, IKW_SA_ADD);
	}
}

static void user_ends(struct story *s, uint64_t ms, uint8_t n)
{
	ike(s, ms, '>', USER(n, 37, 2, 65));
	ike(s, ms + 40, '<', USER(n, 37, 2, 57));
	user_sas(s, ms + 45, n, IKW_SA_DELETE);
}

/* One user is cut; a second later another tunnel ends by itself, as one that was idle does. */
static void test_user_cut_another_ends(void **state)
{
	struct story s;

	(void)state;
	users_up(&s);
	user_cut(&s, 60000);
	user_ends(&s, 60010, 0);
	user_ends(&s, 61000, 1);
	end(&s);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.told[0].reason, IKW_REASON_AAA_CUT);
	assert_int_not_equal(s.told[1].reason, IKW_REASON_AAA_CUT);

	/* of a user who is there twice both end, one after the other */
	users_up(&s);
	user_cut(&s, 60000);
	user_ends(&s, 60010, 0);
	user_ends(&s, 60300, 1);
	expect_all(&s, 2, IKW_REASON_AAA_CUT, IKW_CONFIDENCE_LIKELY);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_peer_deletes_amid_exchange),
	cmocka_unit_test(test_peer_checks_amid_exchange),
	cmocka_unit_test(test_v1_back_after_silence),
	cmocka_unit_test(test_peer_deletes_amid_check),
	cmocka_unit_test(test_deletes_cross),
	cmocka_unit_test(test_check_crosses_delete),
	cmocka_unit_test(test_check_amid_delete),
	cmocka_unit_test(test_delete_amid_check),
	cmocka_unit_test(test_gave_up_after_rekey),
	cmocka_unit_test(test_response_not_seen),
	cmocka_unit_test(test_answer_not_seen),
	cmocka_unit_test(test_answer_not_seen_then_silence),
	cmocka_unit_test(test_nothing_comes_in),
	cmocka_unit_test(test_nothing_comes_in_v1),
	cmocka_unit_test(test_nothing_comes_in_and_copies),
	cmocka_unit_test(test_lost_in_silence),
	cmocka_unit_test(test_forged_init_response),
	cmocka_unit_test(test_forged_init_request),
	cmocka_unit_test(test_forged_main_mode),
	cmocka_unit_test(test_forged_informational),
	cmocka_unit_test(test_forged_successor),
	cmocka_unit_test(test_two_clients_one_address),
	cmocka_unit_test(test_other_client_fails),
	cmocka_unit_test(test_owner_not_known),
	cmocka_unit_test(test_refused_is_no_succession),
	cmocka_unit_test(test_order_then_exchange),
	cmocka_unit_test(test_order_for_another),
	cmocka_unit_test(test_order_then_check),
	cmocka_unit_test(test_order_then_silence_v1),
	cmocka_unit_test(test_two_causes_in_a_burst),
	cmocka_unit_test(test_order_amid_many_silent),
	cmocka_unit_test(test_order_beside_first_check),
	cmocka_unit_test(test_order_beside_delete),
	cmocka_unit_test(test_reads_before_deletes_only),
	cmocka_unit_test(test_looked_for_one_only),
	cmocka_unit_test(test_ended_together),
	cmocka_unit_test(test_conflict_told_after),
	cmocka_unit_test(test_conflict_then_end),
	cmocka_unit_test(test_conflict_half_stays),
	cmocka_unit_test(test_conflict_beside_rekeyed),
	cmocka_unit_test(test_conflict_of_another),
	cmocka_unit_test(test_conflict_of_another_client),
	cmocka_unit_test(test_orders_at_once),
	cmocka_unit_test(test_order_cuts_short),
	cmocka_unit_test(test_many_at_once),
	cmocka_unit_test(test_moved_after_rekey),
	cmocka_unit_test(test_auth_unseen),
	cmocka_unit_test(test_rekeyed_beside_order),
	cmocka_unit_test(test_more_than_remembered),
	cmocka_unit_test(test_link_down_long_ago),
	cmocka_unit_test(test_link_made_anew),
	cmocka_unit_test(test_failing_beside),
	cmocka_unit_test(test_something_is_no_delete),
	cmocka_unit_test(test_v1_delete_of_either_kind),
	cmocka_unit_test(test_v1_delete_told_by_what_follows),
	cmocka_unit_test(test_v1_delete_of_one_of_two),
	cmocka_unit_test(test_v1_delete_crosses_check),
	cmocka_unit_test(test_v1_checks_unheard),
	cmocka_unit_test(test_v1_delete_of_one_or_both),
	cmocka_unit_test(test_v1_delete_overtakes_answer),
	cmocka_unit_test(test_v1_reauth_unanswered),
	cmocka_unit_test(test_v1_reauth_refused),
	cmocka_unit_test(test_v1_ordered_beside_another),
	cmocka_unit_test(test_fragmented_anew),
	cmocka_unit_test(test_refused_in_clear),
	cmocka_unit_test(test_comes_back_amid_check),
	cmocka_unit_test(test_peer_asks_amid_silence),
	cmocka_unit_test(test_moved_out_first),
	cmocka_unit_test(test_no_ike_to_be_seen),
	cmocka_unit_test(test_half_stays_alone),
	cmocka_unit_test(test_children_one_by_one),
	cmocka_unit_test(test_delete_sent_again),
	cmocka_unit_test(test_delete_not_waited_for),
	cmocka_unit_test(test_rekeys_cross),
	cmocka_unit_test(test_initial_contact_amid_check),
	cmocka_unit_test(test_initial_contact_amid_check_v1),
	cmocka_unit_test(test_old_ike_beside_new),
	cmocka_unit_test(test_one_of_two_ended),
	cmocka_unit_test(test_reauth_is_slow),
	cmocka_unit_test(test_compressed),
	cmocka_unit_test(test_default_timers),
	cmocka_unit_test(test_user_cut_another_ends),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
