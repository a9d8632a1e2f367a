/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which tunnels carry the same flow: selectors, and the marks that tell those that routes decide
 * on. */
#include "tests/unit/story.h"

/* The outbound policy of what goes to that peer: any address to any, or a net to a net. */
static void policy_for(struct story *s, uint64_t ms, uint8_t remote, uint32_t reqid, uint8_t prefix,
		       uint32_t mark, uint32_t mask)
{
	NEW(s, e, policy, POLICY, ms);

	e.policy.op = IKW_POLICY_INSERT;
	e.policy.dir = IKW_DIR_OUT;
	e.policy.tmpl_count = 1;
	e.policy.tmpl_proto = 50;
	e.policy.tmpl_reqid = reqid;
	e.policy.index = 70 + remote + reqid;
	e.policy.mark = mark;
	e.policy.mark_mask = mask;
	e.policy.sel.family = 2;
	e.policy.sel.prefixlen_s = e.policy.sel.prefixlen_d = prefix;
	addr4(e.policy.tmpl_saddr, 1);
	addr4(e.policy.tmpl_daddr, remote);
	feed(s, &e);
}

static void policy(struct story *s, uint64_t ms, uint8_t remote, uint8_t prefix, uint32_t mark,
		   uint32_t mask)
{
	policy_for(s, ms, remote, 1, prefix, mark, mask);
}

/* A peer sets a tunnel up. */
static void comes(struct story *s, uint64_t ms, uint8_t peer, uint32_t reqid)
{
	const struct ike_spec init = { 0xb0, 2, 34, 0, 300, peer, 0, 0, 0 },
			      auth = { 0xb0, 2, 35, 1, 300, peer, 0, 0, 0 };
	struct sa_spec in = IN(1), out = OUT(1);

	in.peer = out.peer = peer;
	in.reqid = out.reqid = reqid;
	ike(s, ms, 'r', init);
	ike(s, ms + 10, 'a', init);
	ike(s, ms + 20, 'r', auth);
	sa_op(s, ms + 30, in, IKW_SA_LARVAL, 0, DAEMON);
	sa_op(s, ms + 31, in, IKW_SA_ADD, 0, DAEMON);
	sa_op(s, ms + 32, out, IKW_SA_ADD, 0, DAEMON);
	ike(s, ms + 40, 'a', auth);
}

static void from_elsewhere(struct story *s, uint64_t ms)
{
	comes(s, ms, 8, 1);
}

/* The old tunnel goes without a word as the other one comes: the same client, or another tunnel. */
static void test_marks(void **state)
{
	static const struct {
		uint32_t mark, mask;
		bool same;
	} old[] = { { 7, ~0U, true }, { 8, ~0U, false }, { 0, 0, false }, { 7, 0xff, false } };
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		policy(&s, 10050, 9, 0, old[i].mark, old[i].mask);
		from_elsewhere(&s, 20000);
		policy(&s, 20035, 8, 0, 7, ~0U);
		down(&s, 20050, 0, IKW_CAUSE_CALL, DAEMON);
		if (old[i].same)
			expect_one(&s, IKW_REASON_KICK_OLD_SA, IKW_CONFIDENCE_CERTAIN);
		else if (old[i].mark == 8) /* or drawn anew: but told to be down */
			expect_one(&s, IKW_REASON_KICK_OLD_SA, IKW_CONFIDENCE_LIKELY);
		else
			expect_one(&s, IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE);
		assert_int_equal(s.told[0].tunnel_up, old[i].same);
	}
}

/*
 * A peer that sets its tunnel up anew before it deletes the old one, where each
 * CHILD_SA has marks of its own; and two tunnels that routes tell apart.
 */
static void test_marks_drawn_anew(void **state)
{
	static const struct {
		uint32_t mark;	/* of the new one; 0: any packet */
		uint8_t prefix; /* of its selectors; the old one's are 16 bits */
		uint64_t ago;	/* ms, before the Delete */
		bool again;	/* it had been up before */
		bool replaced;
	} ways[] = { { 8, 16, 100, false, true },   { 8, 16, 2000, false, true },
		     { 8, 24, 100, false, false },  { 0, 16, 100, false, false },
		     { 8, 16, 6000, false, false }, { 8, 16, 100, true, true } };
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		uint64_t at = 100000 - ways[i].ago;
		struct sa_spec in = IN(3), out = OUT(3);

		in.reqid = out.reqid = 2;
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		policy_for(&s, 10050, 9, 1, 16, 7, ~0U);
		if (ways[i].again) {
			sa_op(&s, 20000, in, IKW_SA_ADD, 0, DAEMON);
			sa_op(&s, 20000, out, IKW_SA_ADD, 0, DAEMON);
			sa_op(&s, 21000, in, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
			sa_op(&s, 21000, out, IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
			ikw_model_tick(s.model, s.now + 5000000000ULL);
			s.count = 0;
		}
		comes(&s, at - 50, 9, 2);
		policy_for(&s, at - 5, 9, 2, ways[i].prefix, ways[i].mark, ways[i].mark ? ~0U : 0);
		ike(&s, 100000, 'r', V2(0xa0, 37, 2, 65));
		ike(&s, 100005, 'a', V2(0xa0, 37, 2, 57));
		down(&s, 100010, 0, IKW_CAUSE_CALL, DAEMON);
		if (ways[i].replaced)
			expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY);
		else
			expect_one(&s, IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN);
		assert_int_equal(s.told[0].tunnel_up, ways[i].replaced);
		assert_int_equal(s.told[0].blind, ways[i].replaced);
	}
}

/* Bits of a mark that its mask leaves out say nothing. */
static void test_masked(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	policy(&s, 10050, 9, 16, 0x107, 0xff);
	from_elsewhere(&s, 20000);
	policy(&s, 20035, 8, 16, 0x207, 0xff);
	down(&s, 30000, 0, IKW_CAUSE_CALL, DAEMON);
	end(&s);
	assert_int_equal(s.count, 1);
	assert_true(s.told[0].tunnel_up);
}

static void from_port(struct story *s, uint64_t ms, char way, struct ike_spec spec, uint16_t port)
{
	union ikw_event e = ike_made(s, ms, way, spec);
	bool out = way == '>' || way == 'a';

	e.ike.sport = out ? 4500 : port;
	e.ike.dport = out ? port : 4500;
	feed(s, &e);
}

static struct sa_spec sa_of(unsigned int n, uint16_t port, uint32_t reqid, bool in)
{
	struct sa_spec spec = in ? IN(n) : OUT(n);

	spec.port = port;
	spec.reqid = reqid;
	return spec;
}

/* A client behind a NAT sets its tunnel up; those with one flow have one reqid for that. */
static void client(struct story *s, uint64_t ms, uint64_t spi, unsigned int n, uint16_t port,
		   uint32_t reqid)
{
	from_port(s, ms, 'r', V2(spi, 34, 0, 300), port);
	from_port(s, ms + 5, 'a', (struct ike_spec){ spi, 2, 34, 0, 300, 9, AES_GCM }, port);
	from_port(s, ms + 10, 'r', V2(spi, 35, 1, 300), port);
	sa_op(s, ms + 15, sa_of(n, port, reqid, true), IKW_SA_LARVAL, 0, DAEMON);
	sa_op(s, ms + 16, sa_of(n, port, reqid, true), IKW_SA_ADD, 0, DAEMON);
	sa_op(s, ms + 17, sa_of(n, port, reqid, false), IKW_SA_ADD, 0, DAEMON);
	from_port(s, ms + 30, 'a', V2(spi, 35, 1, 208), port);
}

static void client_gone(struct story *s, uint64_t ms, unsigned int n, uint16_t port)
{
	sa_op(s, ms, sa_of(n, port, 1, true), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
	sa_op(s, ms + 3, sa_of(n, port, 1, false), IKW_SA_DELETE, IKW_CAUSE_CALL, DAEMON);
}

/* The first leaves while the second is there: that did not take its place. */
static void test_clients_behind_nat(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int same_port = 0; same_port < 2; same_port++) {
		begin(&s, ALL_SEES);
		client(&s, 10000, 0xa0, 0, 1001, 1);
		client(&s, 20000, 0xb0, 1, same_port ? 1001 : 2002, 1);
		from_port(&s, 40000, 'r', V2(0xa0, 37, 2, 65), 1001);
		client_gone(&s, 40010, 0, 1001);
		from_port(&s, 40020, 'a', V2(0xa0, 37, 2, 57), 1001);
		/* (or the two stood side by side all the while) */
		expect_one(&s, same_port ? IKW_REASON_PHASE1_REPLACE : IKW_REASON_PEER_REQUEST,
			   same_port ? IKW_CONFIDENCE_LIKELY : IKW_CONFIDENCE_CERTAIN);
	}
	/* with nothing told: what goes as the other comes was displaced, and later nobody knows */
	for (unsigned int late = 0; late < 2; late++) {
		begin(&s, ALL_SEES);
		client(&s, 10000, 0xa0, 0, 1001, 1);
		client(&s, 20000, 0xb0, 1, 2002, 1);
		client_gone(&s, late ? 40000 : 20100, 0, 1001);
		expect_one(&s, late ? IKW_REASON_UNKNOWN : IKW_REASON_KICK_OLD_SA,
			   late ? IKW_CONFIDENCE_NONE : IKW_CONFIDENCE_CERTAIN);
	}
}

static void leaves(struct story *s, uint64_t ms, uint64_t spi, unsigned int n, uint16_t port)
{
	from_port(s, ms, 'r', V2(spi, 37, 2, 65), port);
	client_gone(s, ms + 10, n, port);
	from_port(s, ms + 20, 'a', V2(spi, 37, 2, 57), port);
}

/* One leaves as the other comes, or a moment before that: from its own port, so it is another. */
static void test_client_leaves_as_another_comes(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int before = 0; before < 2; before++)
		for (unsigned int same_port = 0; same_port < 2; same_port++) {
			begin(&s, ALL_SEES);
			client(&s, 10000, 0xa0, 0, 1001, 1);
			if (before)
				leaves(&s, 20000, 0xa0, 0, 1001);
			client(&s, 20100, 0xb0, 1, same_port ? 1001 : 2002, 1);
			if (!before)
				leaves(&s, 20300, 0xa0, 0, 1001);
			expect_one(&s,
				   same_port ? IKW_REASON_PHASE1_REPLACE : IKW_REASON_PEER_REQUEST,
				   same_port && before ? IKW_CONFIDENCE_LIKELY
						       : IKW_CONFIDENCE_CERTAIN);
		}
}

/*
 * It comes back at another port, and the Delete of its old IKE_SA is not answered; what
 * begins later was another client's, and may have carried anything.
 */
static void test_client_back(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int later = 0; later < 2; later++) {
		uint64_t told = later ? 21000 : 20010;

		begin(&s, ALL_SEES);
		client(&s, 10000, 0xa0, 0, 1001, 1);
		client(&s, 20000, 0xb0, 1, 2002, 1);
		for (unsigned int k = 0; k < 3; k++)
			from_port(&s, told + 1000 * k, '>', V2(0xa0, 37, 0, 65), 1001);
		client_gone(&s, told + 5000, 0, 1001);
		expect_one(&s, later ? IKW_REASON_EXCHANGE_TIMEOUT : IKW_REASON_KICK_OLD_SA,
			   IKW_CONFIDENCE_LIKELY);
	}
}

/* It moved to another port, and the old IKE_SA with it: the new one is its own. */
static void test_client_moved(void **state)
{
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	client(&s, 10000, 0xa0, 0, 1001, 1);
	from_port(&s, 19000, 'r', V2(0xa0, 37, 2, 57), 2002);
	from_port(&s, 19010, 'a', V2(0xa0, 37, 2, 57), 2002);
	client(&s, 20000, 0xb0, 1, 2002, 1);
	from_port(&s, 40000, 'r', V2(0xa0, 37, 3, 65), 2002);
	client_gone(&s, 40010, 0, 1001);
	from_port(&s, 40020, 'a', V2(0xa0, 37, 3, 57), 2002);
	expect_one(&s, IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY);
}

static void look_at(struct story *s, uint64_t ms, unsigned int n, uint16_t port, uint32_t reqid)
{
	sa_op(s, ms, sa_of(n, port, reqid, true), IKW_SA_ASKED, 0, DAEMON);
}

/*
 * The daemon reads when a client's SAs were last used and then deletes those of
 * one that has been idle: that was for it, or it was for another behind the NAT.
 */
static void test_look_at_another(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int own = 0; own < 2; own++) {
		begin(&s, ALL_SEES);
		client(&s, 10000, 0xa0, 0, 1001, 1);
		client(&s, 20000, 0xb0, 1, 2002, 2);
		if (own)
			look_at(&s, 99900, 0, 1001, 1);
		else
			look_at(&s, 99900, 1, 2002, 2);
		from_port(&s, 100000, '>', V2(0xa0, 37, 0, 65), 1001);
		from_port(&s, 100010, '<', V2(0xa0, 37, 0, 57), 1001);
		client_gone(&s, 100015, 0, 1001);
		expect_one(&s, own ? IKW_REASON_IDLE_TIMEOUT : IKW_REASON_UNKNOWN,
			   own ? IKW_CONFIDENCE_LIKELY : IKW_CONFIDENCE_NONE);
	}
}

/* What somebody behind us says to the same peer, as it leaves with our address. */
static void outside(struct story *s, uint64_t ms, struct ike_spec spec, bool told)
{
	union ikw_event e = ike_made(s, ms, '>', spec);

	if (told)
		e.ike.flags2 |= IKW_IKE_FORWARDED;
	feed(s, &e);
}

/*
 * It begins an IKE_SA with our tunnel's peer, and then the peer falls silent: no
 * reauthentication of ours failed. Where nobody tells that it is forwarded, it looks so.
 */
static void test_forwarded(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int told = 0; told < 2; told++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_SHA256);
		outside(&s, 30000, V2(0xc0, 34, 0, 300), told);
		ike(&s, 30010, '<', V2(0xc0, 34, 0, 300));
		outside(&s, 30020, V2(0xc0, 35, 1, 300), told);
		ike(&s, 30030, '<', V2(0xc0, 35, 1, 80));
		silence(&s, 40000, V2(0xa0, 37, 2, 80), 3);
		down(&s, 44000, 0, IKW_CAUSE_CALL, DAEMON);
		expect_one(&s, told ? IKW_REASON_DPD_TIMEOUT : IKW_REASON_REAUTH_TIMEOUT,
			   IKW_CONFIDENCE_LIKELY);
	}
}

/* Its IKEv1 Delete, which nobody answers and which came in first, is none of the peer's. */
static void test_forwarded_delete(void **state)
{
	struct ike_spec info = { 0xc0, 1, 5, 77, 92, 9, 0, 0, 0 };
	union ikw_event inside, out;
	struct story s;

	(void)state;
	for (unsigned int told = 0; told < 2; told++) {
		begin(&s, ALL_SEES);
		establish(&s, 10000, 0xa0, 0, AES_GCM);
		ike(&s, 20000, '>', V2(0xa0, 37, 2, 57));
		ike(&s, 20010, '<', V2(0xa0, 37, 2, 57));
		inside = out = ike_made(&s, 39990, '>', info);
		addr4(inside.ike.saddr, 77);
		inside.ike.dir = IKW_DIR_IN;
		out.ike.flags2 |= told ? IKW_IKE_FORWARDED : 0;
		feed(&s, &inside);
		feed(&s, &out);
		down(&s, 40000, 0, IKW_CAUSE_CALL, DAEMON);
		end(&s);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.told[0].reason,
				 told ? IKW_REASON_UNKNOWN : IKW_REASON_PEER_REQUEST);
	}
}

/* Who knows our SPIs and sends through us what seems to be ours takes no IKE_SA from us. */
static void test_forwarded_ours(void **state)
{
	union ikw_event e;
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	e = ike_made(&s, 20000, '>', V2(0xa0, 37, 9, 65));
	e.ike.flags2 |= IKW_IKE_FORWARDED;
	feed(&s, &e);
	silence(&s, 40000, V2(0xa0, 37, 2, 57), 3);
	down(&s, 44000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
}

/* One packet, on a card and on what it is a part of. */
static void twice(struct story *s, uint64_t ms, char way, struct ike_spec spec)
{
	union ikw_event e = ike_made(s, ms, way, spec);

	feed(s, &e);
	e.ike.ifindex = 3;
	e.hdr.time += 100000;
	feed(s, &e);
}

/* Seen twice on its way, a Delete was not sent again: nobody had given it up. */
static void test_seen_twice(void **state)
{
	static const char args[] = "swanctl\0--terminate";
	struct story s;

	(void)state;
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	control(&s, 59990, args, sizeof(args), "terminate");
	twice(&s, 60000, '>', V2(0xa0, 37, 2, 65));
	down(&s, 60010, 0, IKW_CAUSE_CALL, DAEMON); /* it waits for no answer */
	twice(&s, 60050, '<', V2(0xa0, 37, 2, 57));
	end(&s);
	assert_int_equal(s.count, 1);
	assert_string_equal(s.told[0].rule, "ordered");

	/* sent again, each seen twice: it was */
	begin(&s, ALL_SEES);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	twice(&s, 60000, '>', V2(0xa0, 36, 2, 300));
	twice(&s, 60500, '>', V2(0xa0, 36, 2, 300));
	down(&s, 60700, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clients_behind_nat),
		cmocka_unit_test(test_client_moved),
		cmocka_unit_test(test_client_leaves_as_another_comes),
		cmocka_unit_test(test_client_back),
		cmocka_unit_test(test_look_at_another),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_marks_drawn_anew),
		cmocka_unit_test(test_masked),
		cmocka_unit_test(test_forwarded),
		cmocka_unit_test(test_seen_twice),
		cmocka_unit_test(test_forwarded_delete),
		cmocka_unit_test(test_forwarded_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
