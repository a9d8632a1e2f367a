/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a gateway that runs for months keeps of the tunnels and IKE_SAs that were. */
#include "tests/unit/story.h"

#define KEPT	16384 /* tunnels without SAs, where fewer were ever up at once */
#define CLIENTS (4 * KEPT)

/* What the store would remember: of the first client alone. */
struct memory {
	struct story s;
	char first_key[160];
	uint32_t first;
	unsigned int asked; /* how often it was found */
	unsigned int alarms;
	enum ikw_reason reason; /* of the last one */
	uint32_t up;		/* the tunnel that was last told to be back; 0: none */
};

static void count_alarm(void *ctx, struct ikw_alarm *alarm)
{
	struct memory *m = ctx;

	m->alarms++;
	m->reason = alarm->reason;
}

static void remember(void *ctx, const char *key, uint32_t index)
{
	struct memory *m = ctx;

	if (m->first)
		return;
	m->first = index;
	assert_true(strlen(key) < sizeof(m->first_key));
	strcpy(m->first_key, key);
}

static bool recall(void *ctx, const char *key, struct ikw_tunnel_past *past)
{
	struct memory *m = ctx;

	if (!m->first || strcmp(key, m->first_key) != 0)
		return false;
	m->asked++;
	*past = (struct ikw_tunnel_past){ .index = m->first, .last_deletion = 1 };
	return true;
}

static void is_up(void *ctx, uint32_t index, uint64_t boot)
{
	struct memory *m = ctx;

	(void)boot;
	m->up = index;
}

static void start(struct memory *m)
{
	const struct ikw_model_ops ops = { .alarm = count_alarm,
					   .tunnel = remember,
					   .known = recall,
					   .tunnel_up = is_up,
					   .ctx = m };

	memset(m, 0, sizeof(*m));
	begin_with(&m->s, ALL_SEES, &ops);
}

/* Both SAs of the client with that number, at an address of its own. */
static void client(struct memory *m, uint64_t ms, uint32_t n, uint8_t op)
{
	for (unsigned int in = 0; in < 2; in++) {
		NEW(&m->s, e, sa, SA, ms);
		uint8_t *far = in ? e.sa.saddr : e.sa.daddr;

		addr4(in ? e.sa.daddr : e.sa.saddr, 1);
		addr4(far, (uint8_t)n);
		far[12] = 10;
		far[13] = (uint8_t)(n >> 16);
		far[14] = (uint8_t)(n >> 8);
		e.sa.op = op;
		e.sa.cause = op == IKW_SA_DELETE ? IKW_CAUSE_CALL : 0;
		e.sa.spi = 0x1000 + 2 * n + in;
		e.sa.reqid = n + 1;
		e.sa.proto = 50;
		e.sa.mode = 1;
		e.sa.by.tgid = DAEMON;
		feed(&m->s, &e);
	}
}

static struct ikw_model_stats stats(const struct memory *m)
{
	struct ikw_model_stats s;

	ikw_model_stats(m->s.model, &s);
	return s;
}

/* Clients that come once, each from an address and with a reqid of its own. */
static void test_clients_come_and_go(void **state)
{
	uint64_t ms = 1000, half = 0;
	struct memory m;

	(void)state;
	start(&m);
	for (uint32_t n = 0; n < CLIENTS; n++, ms += 3000) {
		client(&m, ms, n, IKW_SA_ADD);
		if (n != 1) /* which stays */
			client(&m, ms + 10, n, IKW_SA_DELETE);
		if (n ==
		    CLIENTS / 2 + 100) /* some that have no tunnel any more are remembered, too */
			half = stats(&m).bytes;
	}
	assert_int_equal(stats(&m).tunnels_up, 1);
	assert_true(stats(&m).tunnels >= KEPT);
	assert_true(stats(&m).tunnels <= KEPT + 3);
	assert_true(half > 0);
	assert_true(stats(&m).bytes < half + half / 10);
	assert_true(m.alarms >= CLIENTS - 3);
	assert_int_equal(m.asked, 0);

	/* the latest is still known, the first by what was remembered: both are back */
	client(&m, ms, CLIENTS - 1, IKW_SA_ADD);
	assert_int_equal(m.up, CLIENTS);
	client(&m, ms + 10, 0, IKW_SA_ADD);
	assert_int_equal(m.asked, 1);
	assert_int_equal(m.up, m.first);
	/* and the one that stayed is the same as ever */
	client(&m, ms + 20, 1, IKW_SA_DELETE);
	client(&m, ms + 30, 1, IKW_SA_ADD);
	assert_int_equal(m.up, 2);
	end(&m.s);
}

/* Where more were up at once, as many are remembered when they are down. */
static void test_all_down_at_once(void **state)
{
	struct memory m;

	(void)state;
	start(&m);
	for (uint32_t n = 0; n < KEPT + 1000; n++)
		client(&m, 1000 + n, n, IKW_SA_ADD);
	for (uint32_t n = 0; n < KEPT + 1000; n++)
		client(&m, 90000, n, IKW_SA_DELETE);
	ikw_model_tick(m.s.model, m.s.now + 60000000000ULL);
	client(&m, 200000, 0, IKW_SA_ADD);
	assert_int_equal(m.alarms, KEPT + 1000);
	assert_int_equal(stats(&m).tunnels, KEPT + 1000);
	assert_int_equal(stats(&m).tunnels_up, 1);
	assert_int_equal(m.asked, 0);
	end(&m.s);
}

/* A tunnel for half a year: its IKE_SA is set up anew each hour, its CHILD_SA with it. */
static void test_reauthenticated_for_months(void **state)
{
	struct memory m;

	(void)state;
	start(&m);
	for (unsigned int n = 0; n < 4000; n++) {
		uint64_t ms = 10000 + 3600000ULL * n;

		establish(&m.s, ms, 0x1000 + 0x10 * n, n, AES_GCM);
		if (n)
			down(&m.s, ms + 500, n - 1, IKW_CAUSE_CALL, DAEMON);
	}
	assert_true(stats(&m).ike_sas <= 4);
	assert_int_equal(stats(&m).tunnels, 1);
	ikw_model_tick(m.s.model, m.s.now + 60000000000ULL);
	assert_int_equal(m.alarms, 3999);
	end(&m.s);
}

/* The same with a rekey of the IKE_SA each hour, of which only SPIs tell. */
static void test_ike_rekeyed_for_months(void **state)
{
	struct memory m;

	(void)state;
	start(&m);
	establish(&m.s, 10000, 0x1000, 0, AES_GCM);
	for (unsigned int n = 0; n < 4000; n++)
		ike_rekeyed(&m.s, 3600000ULL * (n + 1), 0x1000 + 0x10 * n, 0x1000 + 0x10 * (n + 1));
	assert_true(stats(&m).ike_sas <= 5);
	end(&m.s);
}

/* Who has no tunnel here can begin as many IKE_SAs as it likes. */
static void test_begins_without_end(void **state)
{
	struct memory m;

	(void)state;
	start(&m);
	for (unsigned int n = 0; n < 1000; n++)
		ike(&m.s, 10000 + n, 'r', V2(0x1000 + 0x10 * n, 34, 0, 300));
	assert_true(stats(&m).ike_sas <= 64);
	ike(&m.s, 22000, 'r', V2(0x10, 34, 0, 300));
	assert_true(stats(&m).ike_sas <= 5);
	/* with a tunnel, what may come of each is waited for */
	establish(&m.s, 40000, 0xa0, 0, AES_GCM);
	for (unsigned int n = 0; n < 1000; n++)
		ike(&m.s, 50000 + n, 'r', V2(0x9000 + 0x10 * n, 34, 0, 300));
	assert_true(stats(&m).ike_sas > 32);
	assert_true(stats(&m).ike_sas <= 66);
	end(&m.s);
}

/* From any number of sources, a few each; that of a tunnel stays. */
static void test_many_begin_without_end(void **state)
{
	struct memory m;

	(void)state;
	start(&m);
	establish(&m.s, 10000, 0xa0, 0, AES_GCM);
	for (uint32_t n = 0; n < 3 * KEPT; n++)
		for (uint32_t k = 0; k < 4; k++) {
			union ikw_event e = ike_made(&m.s, 20000 + n, 'r',
						     V2(0x100000 + 0x100 * n + k, 34, 0, 300));

			e.ike.saddr[12] = 10;
			e.ike.saddr[13] = (uint8_t)(n >> 16);
			e.ike.saddr[14] = (uint8_t)(n >> 8);
			e.ike.saddr[15] = (uint8_t)n;
			feed(&m.s, &e);
		}
	assert_true(stats(&m).ike_sas > 16384);
	assert_true(stats(&m).ike_sas <= 2 * KEPT + 8);
	ike(&m.s, 90000, 'r', V2(0xa0, 37, 2, 65));
	down(&m.s, 90010, 0, IKW_CAUSE_CALL, DAEMON);
	ikw_model_tick(m.s.model, m.s.now + 60000000000ULL);
	assert_int_equal(m.reason, IKW_REASON_PEER_REQUEST);
	end(&m.s);
}

/* From the addresses of thousands that have a tunnel each; what is theirs stays. */
static void test_many_with_tunnels_begin(void **state)
{
	const uint32_t peers = 2000, each = 60;
	struct memory m;

	(void)state;
	start(&m);
	establish(&m.s, 10000, 0xa0, 0, AES_GCM);
	for (uint32_t n = 0; n < peers; n++)
		client(&m, 20000 + n, n, IKW_SA_ADD);
	for (uint32_t k = 0; k < each; k++)
		for (uint32_t n = 0; n < peers; n++) {
			union ikw_event e = ike_made(&m.s, 30000 + k * 1000, 'r',
						     V2(0x100000 + 0x100 * n + k, 34, 0, 300));

			e.ike.saddr[12] = 10;
			e.ike.saddr[13] = 0;
			e.ike.saddr[14] = (uint8_t)(n >> 8);
			e.ike.saddr[15] = (uint8_t)n;
			feed(&m.s, &e);
		}
	assert_true(stats(&m).ike_sas <= 2 * KEPT + 4 * peers + 100);
	ike(&m.s, 95000, 'r', V2(0xa0, 37, 2, 65));
	down(&m.s, 95010, 0, IKW_CAUSE_CALL, DAEMON);
	ikw_model_tick(m.s.model, m.s.now + 60000000000ULL);
	assert_int_equal(m.reason, IKW_REASON_PEER_REQUEST);
	end(&m.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clients_come_and_go),
		cmocka_unit_test(test_all_down_at_once),
		cmocka_unit_test(test_reauthenticated_for_months),
		cmocka_unit_test(test_ike_rekeyed_for_months),
		cmocka_unit_test(test_begins_without_end),
		cmocka_unit_test(test_many_begin_without_end),
		cmocka_unit_test(test_many_with_tunnels_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
