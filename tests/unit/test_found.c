/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The agent came when the tunnel was there: its negotiation was not seen, and little else was. */
#include "tests/unit/story.h"
#include "user/checkpoint.h"
#include "user/tunnel.h"

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
		/* AES and SHA-256: an ISAKMP Delete fills its blocks, and has one more or has
		 * not; with one more it is as long as both */
		{ 108, 108, IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_POSSIBLE },
		{ 108, 92, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_POSSIBLE },
		/* AES and SHA-384 */
		{ 124, 124, IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_POSSIBLE },
		/* 3DES and SHA-1, or MD5 */
		{ 84, 84, IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_LIKELY },
		{ 84, 76, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_POSSIBLE },
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

/*
 * Who deletes what was found, and whether it speaks IKE, was not seen either: where
 * /proc cannot be asked, as from a container, that is nobody's order.
 */
static void test_process_not_known(void **state)
{
	struct story s;

	(void)state;
	for (int known = 0; known < 2; known++)
		for (int in = 1; in >= 0; in--) {
			if (in) {
				begin(&s, ALL_SEES);
				sa_op(&s, 20000, IN(0), IKW_SA_DUMP, 0, 0);
				sa_op(&s, 20000, OUT(0), IKW_SA_DUMP, 0, 0);
			}
			NEW(&s, e, sa, SA, 60001 - (unsigned int)in);
			e.hdr.flags = known ? 0 : IKW_F_NO_PROC;
			e.sa.op = IKW_SA_DELETE;
			e.sa.cause = IKW_CAUSE_CALL;
			e.sa.spi = in ? IN(0).spi : OUT(0).spi;
			e.sa.reqid = 1;
			e.sa.proto = 50;
			e.sa.by.tgid = DAEMON;
			addr4(in ? e.sa.daddr : e.sa.saddr, 1);
			addr4(in ? e.sa.saddr : e.sa.daddr, 9);
			feed(&s, &e);
			if (in)
				continue;
			info(&s, 60030, '>', 92);
			expect_one(&s, known ? IKW_REASON_MANUAL : IKW_REASON_UNKNOWN,
				   known ? IKW_CONFIDENCE_CERTAIN : IKW_CONFIDENCE_NONE);
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
	expect_one(&s, IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_POSSIBLE);

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

/* Two IKE_SAs with the peer, and an order to end something: of which of them is not known. */
static void test_ordered_one_of_two(void **state)
{
	static const char terminate[] = "swanctl\0--terminate\0--ike\0gw";
	struct story s;

	(void)state;
	for (uint64_t ikes = 1; ikes < 3; ikes++) {
		found(&s, 20000);
		for (uint64_t k = 0; k < ikes; k++) {
			ike(&s, 30000 + k, '>', V2(0xa0 + 16 * k, 37, 4, 57));
			ike(&s, 30005 + k, '<', V2(0xa0 + 16 * k, 37, 4, 57));
		}
		control(&s, 600000, terminate, sizeof(terminate), "terminate");
		down(&s, 600010, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_MANUAL,
			   ikes == 1 ? IKW_CONFIDENCE_CERTAIN : IKW_CONFIDENCE_LIKELY);
	}
}

static void sa_of_probe(struct story *s, uint64_t ms, uint8_t op, bool mapped, bool nowhere)
{
	NEW(s, e, sa, SA, ms);

	e.sa.op = op;
	e.sa.cause = IKW_CAUSE_CALL;
	e.sa.spi = 0x01000000;
	e.sa.proto = 50;
	e.sa.mode = 1;
	e.sa.dir = IKW_DIR_OUT;
	e.sa.by.tgid = DAEMON;
	if (mapped)
		e.sa.saddr[10] = e.sa.saddr[11] = e.sa.daddr[10] = e.sa.daddr[11] = 0xff;
	if (!nowhere)
		addr4(e.sa.daddr, 9);
	feed(s, &e);
}

/* A daemon that tries out what the kernel takes has no tunnel: nothing could ever use that SA. */
static void test_sa_to_nowhere(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		begin(&s, ALL_SEES);
		sa_of_probe(&s, 1000, i < 2 ? IKW_SA_ADD : IKW_SA_DUMP, i & 1, true);
		sa_of_probe(&s, 1002, IKW_SA_DELETE, i & 1, true);
		end(&s);
		assert_int_equal(s.count, 0);
	}
	/* from anywhere, but to somewhere: it can be used */
	begin(&s, ALL_SEES);
	sa_of_probe(&s, 1000, IKW_SA_ADD, true, false);
	sa_of_probe(&s, 1002, IKW_SA_DELETE, true, false);
	end(&s);
	assert_int_equal(s.count, 1);
}

/* ---- what the packet programs are told -------------------------------------------------- */

/* Of each SA once that it is there, and once that it is gone. */
struct sas_told {
	int there;
	unsigned int told;
	unsigned int shared;
};

static void on_sa(void *ctx, const struct ikw_model_sa *sa, bool there)
{
	struct sas_told *sas = ctx;

	assert_true(sa->dir == IKW_DIR_IN || sa->dir == IKW_DIR_OUT);
	assert_true((sa->daddr[15] == 1) == (sa->dir == IKW_DIR_IN));
	sas->there += there ? 1 : -1;
	sas->told++;
	sas->shared += sa->shared;
}

static void test_sas_told(void **state)
{
	struct sas_told sas = { 0 }, now = { 0 };
	struct ikw_model_ops ops = { .sa = on_sa, .ctx = &sas };
	struct sa_spec moved = IN(0);
	struct story s;

	(void)state;
	begin_with(&s, ALL_SEES, &ops);
	moved.peer = 8;
	sa_op(&s, 10000, IN(0), IKW_SA_ADD, 0, DAEMON);
	sa_op(&s, 10001, OUT(0), IKW_SA_ADD, 0, DAEMON);
	/* a dump shows them again */
	sa_op(&s, 11000, IN(0), IKW_SA_DUMP, 0, 0);
	sa_op(&s, 11001, OUT(0), IKW_SA_DUMP, 0, 0);
	assert_int_equal(sas.told, 2);
	assert_int_equal(sas.there, 2);
	/* a clone: as long as both are there, and when the first goes, the name is still one's */
	sa_op(&s, 20000, moved, IKW_SA_ADD, 0, DAEMON);
	assert_int_equal(sas.shared, 1);
	sa_op(&s, 20001, IN(0), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	assert_int_equal(sas.shared, 2);
	assert_int_equal(sas.there, 2);
	ikw_model_sas(s.model, on_sa, &now);
	assert_int_equal(now.there, 2);
	assert_int_equal(now.shared, 0);
	sa_op(&s, 30000, moved, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(&s, 30001, OUT(0), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	assert_int_equal(sas.there, 0);
	assert_int_equal(sas.told, 6);
	assert_int_equal(sas.shared, 2);
	/* one that nobody told of until it went comes and goes */
	sa_op(&s, 40000, IN(1), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	assert_int_equal(sas.there, 0);
	assert_int_equal(sas.told, 8);
	end(&s);
}

/* ---- another agent was there before ------------------------------------------------ */

static void keep(void *ctx, const union ikw_event *event, bool done)
{
	struct ikw_model *to = ctx;

	(void)done;
	ikw_model_event(to, event);
}

/* The next agent knows what the checkpoint says, and nothing else of what was. */
static void another_agent(struct story *s)
{
	struct ikw_model_ops ops = { .alarm = on_alarm, .daemon_lost = on_daemon_lost, .ctx = s };
	struct ikw_model *next = ikw_model_new(NULL, &ops);

	assert_non_null(next);
	ikw_model_checkpoint(s->model, keep, next);
	ikw_model_free(s->model);
	s->model = next;
}

/* With AEAD the length tells a Delete from a check, where the cipher is known. */
static void test_next_knows_cipher(void **state)
{
	static const struct {
		uint32_t length;
		enum ikw_reason reason;
	} ends[] = { { 57, IKW_REASON_DPD_TIMEOUT }, { 65, IKW_REASON_EXCHANGE_TIMEOUT } };
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		char rules[2][40];

		for (unsigned int next = 0; next < 2; next++) {
			begin(&s, ALL_SEES);
			establish(&s, 10000, 0xa0, 0, AES_GCM);
			if (next)
				another_agent(&s);
			silence(&s, 600000, V2(0xa0, 37, 2, ends[i].length), 5);
			down(&s, 610000, 0, IKW_CAUSE_CALL, DAEMON);
			end(&s);
			assert_int_equal(s.count, 1);
			assert_int_equal(s.told[0].reason, ends[i].reason);
			memcpy(rules[next], s.told[0].rule, sizeof(rules[next]));
		}
		assert_string_equal(rules[0], rules[1]);
	}
}

/* Where IKE is looked for, and who may speak it elsewhere. */
static void test_next_knows_ports(void **state)
{
	struct story s;

	(void)state;
	for (int what = 0; what < 4; what++) {
		begin(&s, ALL_SEES);
		NEW(&s, p, ports, PORTS, 1);
		p.ports.ike[0] = 600;
		p.ports.ike[1] = 14500;
		if (what & 1)
			feed(&s, &p);
		NEW(&s, e, proc, PROC, 1);
		e.proc.op = IKW_PROC_UNHEARD;
		e.proc.tgid = OTHER;
		if (what & 2)
			feed(&s, &e);
		another_agent(&s);
		assert_int_equal(ikw_host_watches(&ikw_model_world(s.model)->host, 14500, s.now),
				 what & 1);
		assert_int_equal(ikw_host_unheard(&ikw_model_world(s.model)->host, OTHER),
				 what >> 1);
		end(&s);
	}
}

static struct sa_spec other_tunnel(uint8_t dir)
{
	struct sa_spec spec = dir == IKW_DIR_IN ? IN(1) : OUT(1);

	spec.reqid = 2;
	return spec;
}

/* Of two IKE_SAs between the same peers, the one that negotiated it. */
static void test_next_knows_owner(void **state)
{
	struct story s;

	(void)state;
	for (int second = 0; second < 2; second++) {
		begin(&s, ALL_SEES);
		ike(&s, 9000, '>', V2(0xb0, 34, 0, 300));
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		ike(&s, 30005, '<', (struct ike_spec){ 0xb0, 2, 34, 0, 300, 9, AES_GCM });
		ike(&s, 30010, '>', V2(0xb0, 35, 1, 300));
		ike(&s, 30030, '<', V2(0xb0, 35, 1, 208));
		sa_op(&s, 30035, other_tunnel(IKW_DIR_IN), IKW_SA_ADD, 0, DAEMON);
		sa_op(&s, 30036, other_tunnel(IKW_DIR_OUT), IKW_SA_ADD, 0, DAEMON);
		ike(&s, 40000, '>', V2(0xa0, 37, 2, 57));
		ike(&s, 40010, '<', V2(0xa0, 37, 2, 57));
		another_agent(&s);
		ike(&s, 600000, 'r', V2(second ? 0xb0 : 0xa0, 37, 0, 65));
		ike(&s, 600005, 'a', V2(second ? 0xb0 : 0xa0, 37, 0, 57));
		sa_op(&s, 600010, second ? other_tunnel(IKW_DIR_IN) : IN(0), IKW_SA_DELETE,
		      IKW_CAUSE_CALL, DAEMON);
		sa_op(&s, 600011, second ? other_tunnel(IKW_DIR_OUT) : OUT(0), IKW_SA_DELETE,
		      IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
		assert_int_equal(s.told[0].spi_i, second ? 0xb0 : 0xa0);
		assert_int_equal(s.told[0].blind, 1); /* no policy was seen */
	}
}

/* And what carries it on after a rekey of the IKE_SA. */
static void test_next_knows_successor(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	ike_rekeyed(&s, 20000, 0xa0, 0xb0);
	another_agent(&s);
	down(&s, 600010, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
	assert_int_equal(s.told[0].spi_i, 0xb0);
}

static struct ikw_peer *peer_known(const struct story *s, uint8_t last)
{
	uint8_t local[IKW_ADDR_LEN], remote[IKW_ADDR_LEN];
	struct ikw_peer *p;

	addr4(local, 1);
	addr4(remote, last);
	p = ikw_world_peer(ikw_model_world(s->model), local, remote);
	assert_non_null(p);
	return p;
}

/* How sure it is who negotiated it, and by what. */
static void test_next_knows_how(void **state)
{
	struct ikw_generation *gen;
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	gen = peer_known(&s, 9)->tunnels->generations;
	assert_int_equal(gen->exchange, 35);
	assert_false(gen->quiet);
	gen->rival = 0xb0;
	gen->quiet = true;
	ike(&s, 20000, '>', V2(0xc0, 37, 0, 57));
	another_agent(&s);
	/* newest first, as before */
	assert_int_equal(ikw_ike_newest(peer_known(&s, 9)->ikes)->spi_i, 0xc0);
	assert_int_equal(ikw_ike_older(ikw_ike_newest(peer_known(&s, 9)->ikes))->spi_i, 0xa0);
	gen = peer_known(&s, 9)->tunnels->generations;
	assert_int_equal(gen->exchange, 35);
	assert_int_equal(gen->rival, 0xb0);
	assert_true(gen->quiet);
	end(&s);
}

/* A journal or a recording that was tampered with: rekeyed to itself. */
static void test_rekeyed_to_itself(void **state)
{
	static const uint64_t rekeys[][2] = { { 0xb0, 0xa0 }, { 0xa0, 0xa0 } };
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	ike(&s, 10000, '>', V2(0xa0, 37, 0, 57));
	ike(&s, 20000, '>', V2(0xb0, 37, 0, 57));
	for (size_t i = 0; i < sizeof(rekeys) / sizeof(rekeys[0]); i++) {
		NEW(&s, e, ikesa, IKESA, 30000);

		e.ikesa.op = IKW_IKESA_SUCCEEDED;
		e.ikesa.spi_i = rekeys[i][0];
		e.ikesa.spi_r = rekeys[i][0] + 1;
		e.ikesa.other = rekeys[i][1];
		feed(&s, &e);
	}
	/* so many that the first is forgotten, and the other goes elsewhere */
	for (uint32_t i = 0; i < 64; i++)
		ike(&s, 50000 + i * 10, '>', V2(0x1000 + i, 37, 4, 57));
	ike(&s, 60000, '>', (struct ike_spec){ 0xb0, 2, 37, 1, 57, 8, 0, 0, 0 });
	assert_int_equal(peer_known(&s, 9)->ikes->count, 64);
	assert_int_equal(ikw_ike_newest(peer_known(&s, 8)->ikes)->spi_i, 0xb0);
	assert_null(ikw_ike_newest(peer_known(&s, 8)->ikes)->successor);
	end(&s);
}

/*
 * The Delete before which the daemon read counters was no check to the one that saw
 * it: the next must not take it for one, and the first check for something else.
 */
static void test_next_knows_what_ended(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	up(&s, 12015, 1, DAEMON);
	sa_op(&s, 12020, IN(0), IKW_SA_ASKED, 0, DAEMON);
	ike(&s, 12022, '>', V2(0xa0, 37, 3, 80));
	ike(&s, 12030, '<', V2(0xa0, 37, 3, 80));
	down(&s, 12032, 0, IKW_CAUSE_CALL, DAEMON);
	ikw_model_tick(s.model, 20000 * IKW_MS);
	another_agent(&s);
	silence(&s, 32000, V2(0xa0, 37, 4, 80), 4);
	ike(&s, 36000, '>', V2(0xb0, 34, 0, 300));
	down(&s, 36060, 1, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 36900, '>', V2(0xb0, 34, 0, 300));
	end(&s);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.told[1].reason, IKW_REASON_REAUTH_TIMEOUT);
	assert_int_equal(s.told[1].confidence, IKW_CONFIDENCE_POSSIBLE);
	assert_non_null(strstr(s.told[1].detail, "check with a restart"));
}

static void dump_mark(struct story *s, uint64_t ms, uint8_t op)
{
	NEW(s, e, dump, DUMP, ms);
	e.dump.op = op;
	feed(s, &e);
}

/* Read in before the records of its addition are: the exchange that brought it is known all the
 * same. */
static void test_added_while_dumped(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_SHA256);
	ike(&s, 20000, '>', V2(0xa0, 36, 2, 208));
	ike(&s, 20010, '<', V2(0xa0, 36, 2, 208));
	dump_mark(&s, 20012, IKW_DUMP_BEGIN);
	for (unsigned int n = 0; n < 2; n++) {
		sa_op(&s, 20020, IN(n), IKW_SA_DUMP, 0, 0);
		sa_op(&s, 20020, OUT(n), IKW_SA_DUMP, 0, 0);
	}
	up(&s, 20015, 1, DAEMON);
	dump_mark(&s, 20022, IKW_DUMP_END);
	ike(&s, 20030, '>', V2(0xa0, 37, 3, 80));
	sa_op(&s, 20035, OUT(0), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	ike(&s, 20040, '<', V2(0xa0, 37, 3, 80));
	sa_op(&s, 25030, IN(0), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_PHASE2_REPLACE, IKW_CONFIDENCE_CERTAIN);
	assert_true(s.told[0].tunnel_up);
}

static void pair_added(struct story *s, uint64_t ms, uint32_t added, uint8_t op)
{
	struct sa_spec in = IN(0), out = OUT(0);

	in.added = out.added = added;
	sa_op(s, ms, in, op, 0, OTHER);
	sa_op(s, ms + 1, out, op, 0, OTHER);
}

/* The records of a deletion were lost, and the same SPIs are there anew: it is told of. */
static void test_replaced_unseen(void **state)
{
	struct story s;

	(void)state;
	for (int dumped = 0; dumped < 2; dumped++) {
		begin(&s, ALL_SEES);
		pair_added(&s, 10000, 10, IKW_SA_ADD);
		if (dumped) {
			dump_mark(&s, 60000, IKW_DUMP_BEGIN);
			pair_added(&s, 60000, 50, IKW_SA_DUMP);
			dump_mark(&s, 60002, IKW_DUMP_END);
		} else {
			pair_added(&s, 60000, 60, IKW_SA_ADD);
		}
		ikw_model_tick(s.model, s.now + 60000000000ULL);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason, IKW_REASON_UNKNOWN);
		assert_true(s.told[0].blind > 0);
		assert_true(s.told[0].tunnel_up);
		down(&s, 200000, 0, IKW_CAUSE_CALL, OTHER);
		end(&s);
		assert_int_equal(s.count, 2);
		assert_int_equal(s.told[1].reason, IKW_REASON_MANUAL);
		assert_false(s.told[1].tunnel_up);
	}
}

static void flush_unsaid(struct story *s, uint64_t ms)
{
	NEW(s, e, flush, FLUSH, ms);
	e.hdr.flags = IKW_F_NETLINK;
	e.flush.what = IKW_FLUSH_SA;
	e.flush.task_valid = 1;
	e.flush.by.tgid = OTHER;
	feed(s, &e);
}

static void pair_shown(struct story *s, uint64_t ms, unsigned int n, uint32_t added, uint8_t op)
{
	struct sa_spec in = IN(n), out = OUT(n);

	in.added = out.added = added;
	sa_op(s, ms, in, op, 0, op == IKW_SA_ADD ? OTHER : 0);
	sa_op(s, ms, out, op, 0, op == IKW_SA_ADD ? OTHER : 0);
}

/*
 * Netlink: a flush is read behind the dump that was under way, which shows what was
 * added after it. That was not flushed.
 */
static void test_flush_while_dumped(void **state)
{
	struct story s;

	(void)state;
	for (int there = 0; there < 2; there++) {
		begin(&s, ALL_SEES);
		pair_added(&s, 10000, 10, IKW_SA_ADD);
		dump_mark(&s, 60000, IKW_DUMP_BEGIN);
		/* one older than the agent that the dump came to before the flush did */
		if (there)
			pair_shown(&s, 60100, 2, 5, IKW_SA_DUMP);
		pair_shown(&s, 60100, 1, 60, IKW_SA_DUMP);
		flush_unsaid(&s, 60200);
		pair_shown(&s, 60201, 1, 60, IKW_SA_ADD);
		dump_mark(&s, 60202, IKW_DUMP_END);
		ikw_model_tick(s.model, s.now + 10000000000ULL);
		assert_int_equal(s.count, 1 + there);
		for (unsigned int i = 0; i < s.count; i++)
			assert_string_equal(s.told[i].rule, "flush");
		down(&s, 200000, 1, IKW_CAUSE_CALL, OTHER);
		end(&s);
		assert_int_equal(s.count, 2 + there);
		assert_int_equal(s.told[1 + there].reason, IKW_REASON_MANUAL);
		assert_false(s.told[1 + there].tunnel_up);
	}
}

/* The same SAs told of again, by a dump or otherwise, are the same SAs. */
static void test_told_again(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	pair_added(&s, 10000, 10, IKW_SA_ADD);
	pair_added(&s, 20000, 10, IKW_SA_ADD);
	dump_mark(&s, 60000, IKW_DUMP_BEGIN);
	pair_added(&s, 60000, 10, IKW_SA_DUMP);
	dump_mark(&s, 60002, IKW_DUMP_END);
	ikw_model_tick(s.model, s.now + 60000000000ULL);
	assert_int_equal(s.count, 0);
	down(&s, 200000, 0, IKW_CAUSE_CALL, OTHER);
	expect_one(&s, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flush_while_dumped),
		cmocka_unit_test(test_added_while_dumped),
		cmocka_unit_test(test_replaced_unseen),
		cmocka_unit_test(test_told_again),
		cmocka_unit_test(test_v1_delete_by_length),
		cmocka_unit_test(test_process_not_known),
		cmocka_unit_test(test_v1_deletes_that_crossed),
		cmocka_unit_test(test_v1_delete_of_any_length),
		cmocka_unit_test(test_v1_delete_comes_first),
		cmocka_unit_test(test_v1_said_by_anybody),
		cmocka_unit_test(test_ordered_one_of_two),
		cmocka_unit_test(test_sa_to_nowhere),
		cmocka_unit_test(test_sas_told),
		cmocka_unit_test(test_next_knows_cipher),
		cmocka_unit_test(test_next_knows_ports),
		cmocka_unit_test(test_next_knows_owner),
		cmocka_unit_test(test_next_knows_successor),
		cmocka_unit_test(test_next_knows_how),
		cmocka_unit_test(test_next_knows_what_ended),
		cmocka_unit_test(test_rekeyed_to_itself),
	};

	return cmocka_run_group_tests_name("found", tests, NULL, NULL);
}
