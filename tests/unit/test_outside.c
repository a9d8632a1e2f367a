/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is kept of other protocols: only what this host acknowledged, announced
 * or asked for. Each thing beside its forgery. Times are seconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "user/host.h"
#include "user/outside.h"

#define S 1000000000ULL

struct scene {
	struct ikw_outside outside;
	struct ikw_host host;
};

static void addr(uint8_t out[IKW_ADDR_LEN], uint8_t last)
{
	memset(out, 0, IKW_ADDR_LEN);
	out[10] = out[11] = 0xff;
	out[12] = 10;
	out[15] = last;
}

static int set_up(void **state)
{
	static struct scene scene;
	union ikw_event e = { .addr = { .op = IKW_ADDR_SET, .ifindex = 2 } };

	memset(&scene, 0, sizeof(scene));
	assert_int_equal(ikw_host_init(&scene.host), 0);
	e.hdr.type = IKW_EV_ADDR;
	e.hdr.size = sizeof(e.addr);
	e.hdr.time = 1;
	addr(e.addr.addr, 1);
	ikw_host_event(&scene.host, &e);
	*state = &scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	ikw_outside_free(&scene->outside);
	ikw_host_free(&scene->host);
	return 0;
}

static void tell(struct scene *scene, uint64_t at, struct ikw_wire wire)
{
	union ikw_event e = { .wire = wire };

	e.hdr.type = IKW_EV_WIRE;
	e.hdr.size = sizeof(e.wire);
	e.hdr.time = at;
	ikw_outside_event(&scene->outside, &scene->host, &e);
}

/* Between this host (.1) and .2, ports as given. */
static struct ikw_wire wire(uint8_t kind, uint8_t dir, uint16_t code, uint32_t id)
{
	struct ikw_wire w = { .kind = kind, .dir = dir, .code = code, .id = id, .ifindex = 2 };

	addr(dir == IKW_DIR_OUT ? w.saddr : w.daddr, 1);
	addr(dir == IKW_DIR_OUT ? w.daddr : w.saddr, 2);
	w.sport = dir == IKW_DIR_OUT ? 1000 : 2000;
	w.dport = dir == IKW_DIR_OUT ? 2000 : 1000;
	return w;
}

static void test_order_needs_ack(void **state)
{
	struct scene *s = *state;
	struct ikw_wire nak = wire(IKW_WIRE_RADIUS, IKW_DIR_OUT, 42, 7);
	struct ikw_wire other = wire(IKW_WIRE_RADIUS, IKW_DIR_OUT, 41, 7);
	const struct ikw_radius_order *o;

	tell(s, 10 * S, wire(IKW_WIRE_RADIUS, IKW_DIR_IN, 40, 7));
	assert_null(ikw_outside_order(&s->outside, NULL, 9 * S, 11 * S));
	tell(s, 10 * S + 1, nak);
	assert_null(ikw_outside_order(&s->outside, NULL, 9 * S, 11 * S));
	addr(other.daddr, 9); /* an ACK to somebody else */
	tell(s, 10 * S + 2, other);
	assert_null(ikw_outside_order(&s->outside, NULL, 9 * S, 11 * S));
	tell(s, 10 * S + 3, wire(IKW_WIRE_RADIUS, IKW_DIR_OUT, 41, 7));
	o = ikw_outside_order(&s->outside, NULL, 9 * S, 11 * S);
	assert_non_null(o);
	assert_true(o->acked == 10 * S + 3);
	assert_null(ikw_outside_order(&s->outside, NULL, 11 * S, 12 * S));
}

/* An order without an address is for the Deletes that follow it, and not for one well after them.
 */
static void test_order_obeyed(void **state)
{
	struct scene *s = *state;

	tell(s, 10 * S, wire(IKW_WIRE_RADIUS, IKW_DIR_IN, 40, 7));
	tell(s, 10 * S + 3, wire(IKW_WIRE_RADIUS, IKW_DIR_OUT, 41, 7));
	ikw_outside_obeyed(&s->outside, 10 * S + S / 100);
	ikw_outside_obeyed(&s->outside, 10 * S + S / 4);
	ikw_outside_obeyed(&s->outside, 11 * S);
	assert_non_null(ikw_outside_order(&s->outside, NULL, 9 * S, 10 * S + S / 100));
	assert_non_null(ikw_outside_order(&s->outside, NULL, 9 * S, 10 * S + S / 4));
	assert_null(ikw_outside_order(&s->outside, NULL, 9 * S, 11 * S));

	/* nothing within its time: what came later is of something else, and nothing obeyed it */
	tell(s, 20 * S, wire(IKW_WIRE_RADIUS, IKW_DIR_IN, 40, 8));
	tell(s, 20 * S + 3, wire(IKW_WIRE_RADIUS, IKW_DIR_OUT, 41, 8));
	ikw_outside_obeyed(&s->outside, 23 * S);
	assert_non_null(ikw_outside_order(&s->outside, NULL, 19 * S, 21 * S));
}

/* Forged orders, which this host refuses: the one that it acknowledged is not forgotten for them.
 */
static void test_order_amid_a_flood(void **state)
{
	struct scene *s = *state;
	struct ikw_wire forged = wire(IKW_WIRE_RADIUS, IKW_DIR_IN, 40, 0);

	for (uint32_t i = 0; i < 10000; i++) {
		forged.sport = (uint16_t)(3000 + i);
		tell(s, 10 * S + i, forged);
		if (i == 5000)
			tell(s, 10 * S + i, wire(IKW_WIRE_RADIUS, IKW_DIR_IN, 40, 7));
		if (i == 5100)
			tell(s, 10 * S + i, wire(IKW_WIRE_RADIUS, IKW_DIR_OUT, 41, 7));
	}
	assert_non_null(ikw_outside_order(&s->outside, NULL, 9 * S, 11 * S));
}

static void test_order_for_another_address(void **state)
{
	struct scene *s = *state;
	struct ikw_wire w = wire(IKW_WIRE_RADIUS, IKW_DIR_IN, 40, 7);
	uint8_t inner[IKW_ADDR_LEN];

	addr(w.addr, 77);
	tell(s, 10 * S, w);
	tell(s, 10 * S + 3, wire(IKW_WIRE_RADIUS, IKW_DIR_OUT, 41, 7));
	addr(inner, 77);
	assert_non_null(ikw_outside_order(&s->outside, inner, 9 * S, 11 * S));
	addr(inner, 78);
	assert_null(ikw_outside_order(&s->outside, inner, 9 * S, 11 * S));
	assert_null(ikw_outside_order(&s->outside, NULL, 9 * S, 11 * S));
}

static void test_session(void **state)
{
	struct scene *s = *state;
	struct ikw_wire w = wire(IKW_WIRE_RADIUS, IKW_DIR_IN, 2, 3);

	w.value = 60;
	tell(s, 10 * S, w); /* nobody asked */
	assert_null(ikw_outside_session(&s->outside, NULL, 1, 20 * S, 90 * S));
	tell(s, 11 * S, wire(IKW_WIRE_RADIUS, IKW_DIR_OUT, 1, 3));
	tell(s, 12 * S, w);
	assert_non_null(ikw_outside_session(&s->outside, NULL, 1, 20 * S, 90 * S));
	/* what was accepted after the tunnel came is another's */
	assert_null(ikw_outside_session(&s->outside, NULL, 1, 11 * S, 90 * S));
}

/* Thousands at once: each request has its answer, and each tunnel the one that came before it. */
static void test_many_sessions(void **state)
{
	struct scene *s = *state;
	uint8_t inner[IKW_ADDR_LEN];

	for (uint32_t n = 1; n <= 20000; n++) {
		struct ikw_wire w = wire(IKW_WIRE_RADIUS, IKW_DIR_IN, 2, n % 256);

		w.value = n;
		addr(w.addr, (uint8_t)n);
		w.addr[14] = (uint8_t)(n >> 8);
		tell(s, n * 10 * S, wire(IKW_WIRE_RADIUS, IKW_DIR_OUT, 1, n % 256));
		tell(s, n * 10 * S + 1, wire(IKW_WIRE_RADIUS, IKW_DIR_OUT, 1, (n + 1) % 256));
		tell(s, n * 10 * S + 2, w);
	}
	for (uint32_t n = 20000; n > 16000; n -= 777) {
		const struct ikw_radius_session *found;

		addr(inner, (uint8_t)n);
		inner[14] = (uint8_t)(n >> 8);
		found = ikw_outside_session(&s->outside, inner, n * 10 * S, n * 10 * S + 100,
					    900000 * S);
		assert_non_null(found);
		assert_int_equal(found->timeout_s, n);
		/* another's, or too early */
		assert_null(ikw_outside_session(&s->outside, inner, n * 10 * S + 3,
						n * 10 * S + 100, 900000 * S));
		inner[15]++;
		assert_null(ikw_outside_session(&s->outside, inner, n * 10 * S, n * 10 * S + 100,
						900000 * S));
	}
	/* forgotten by then */
	assert_null(ikw_outside_session(&s->outside, NULL, 1, 1000 * S, 900000 * S));
}

static void test_bfd(void **state)
{
	struct scene *s = *state;
	const struct ikw_track_state *t;

	tell(s, 10 * S, wire(IKW_WIRE_BFD, IKW_DIR_OUT, 3, 5));
	tell(s, 11 * S, wire(IKW_WIRE_BFD, IKW_DIR_IN, 1, 9)); /* forged, or not yet believed */
	assert_null(ikw_outside_track(&s->outside, 1, 20 * S));
	tell(s, 12 * S, wire(IKW_WIRE_BFD, IKW_DIR_OUT, 1, 5));
	t = ikw_outside_track(&s->outside, 1, 20 * S);
	assert_non_null(t);
	assert_int_equal(t->fell_to, 1);
	assert_null(ikw_outside_track(&s->outside, 1, 11 * S));
	/* coming up is no loss */
	tell(s, 30 * S, wire(IKW_WIRE_BFD, IKW_DIR_OUT, 3, 5));
	assert_null(ikw_outside_track(&s->outside, 13 * S, 40 * S));
}

/* A session for each of some hundred peers, each told again every few seconds. */
static void test_many_sessions_of_bfd(void **state)
{
	struct scene *s = *state;

	for (uint64_t round = 0; round < 3; round++)
		for (uint32_t i = 1; i <= 500; i++)
			tell(s, (10 + 3 * round) * S + i, wire(IKW_WIRE_BFD, IKW_DIR_OUT, 3, i));
	tell(s, 20 * S, wire(IKW_WIRE_BFD, IKW_DIR_OUT, 1, 7));
	assert_non_null(ikw_outside_track(&s->outside, 19 * S, 21 * S));
}

static void test_vrrp(void **state)
{
	struct scene *s = *state;

	tell(s, 9 * S, wire(IKW_WIRE_VRRP, IKW_DIR_IN, 200, 51));
	assert_null(ikw_outside_track(&s->outside, 1, 20 * S)); /* not our router */
	tell(s, 10 * S, wire(IKW_WIRE_VRRP, IKW_DIR_OUT, 100, 51));
	assert_non_null(ikw_outside_track(&s->outside, 10 * S, 20 * S)); /* master */
	tell(s, 21 * S, wire(IKW_WIRE_VRRP, IKW_DIR_IN, 90, 51));
	assert_null(ikw_outside_track(&s->outside, 20 * S, 30 * S)); /* lower: we stay */
	tell(s, 22 * S, wire(IKW_WIRE_VRRP, IKW_DIR_IN, 200, 51));
	assert_int_equal(ikw_outside_track(&s->outside, 20 * S, 30 * S)->elected, 200);
	tell(s, 40 * S, wire(IKW_WIRE_VRRP, IKW_DIR_OUT, 100, 51));
	tell(s, 50 * S, wire(IKW_WIRE_VRRP, IKW_DIR_OUT, 0, 51)); /* resigned */
	assert_int_equal(ikw_outside_track(&s->outside, 45 * S, 60 * S)->state, 0);
}

static struct ikw_wire answer(uint32_t id, const char *name, uint8_t last, uint8_t of)
{
	struct ikw_wire w = wire(IKW_WIRE_DNS, IKW_DIR_IN, 0, id << 16 | 1);

	strcpy(w.user, name);
	addr(w.addr, last);
	w.value2 = of;
	return w;
}

static void ask(struct scene *s, uint64_t at, uint32_t id, const char *name)
{
	struct ikw_wire w = wire(IKW_WIRE_DNS, IKW_DIR_OUT, IKW_DNS_QUERY, id << 16 | 1);

	strcpy(w.user, name);
	tell(s, at, w);
}

static void test_name(void **state)
{
	struct scene *s = *state;
	uint8_t peer[IKW_ADDR_LEN];
	struct ikw_wire w;

	addr(peer, 50);
	ask(s, 10 * S, 1, "peer.lab");
	tell(s, 10 * S, answer(1, "peer.lab", 50, 2));
	tell(s, 10 * S, answer(1, "peer.lab", 51, 2));
	ask(s, 11 * S, 2, "peer.lab");
	tell(s, 11 * S, answer(2, "peer.lab", 51, 2)); /* the other way round: the same */
	tell(s, 11 * S, answer(2, "peer.lab", 50, 2));
	assert_null(ikw_outside_name(&s->outside, peer, 1, 20 * S));
	tell(s, 12 * S, answer(3, "peer.lab", 60, 1)); /* nobody asked for this one */
	assert_null(ikw_outside_name(&s->outside, peer, 1, 20 * S));
	ask(s, 13 * S, 4, "other.lab");
	tell(s, 13 * S, answer(4, "other.lab", 60, 1));
	assert_null(ikw_outside_name(&s->outside, peer, 1, 20 * S));
	ask(s, 14 * S, 5, "peer.lab");
	tell(s, 14 * S, answer(5, "peer.lab", 60, 1));
	assert_string_equal(ikw_outside_name(&s->outside, peer, 1, 20 * S)->name, "peer.lab");
	assert_null(ikw_outside_name(&s->outside, peer, 15 * S, 20 * S));
	addr(peer, 60);
	ask(s, 30 * S, 6, "peer.lab");
	w = answer(6, "peer.lab", 0, 0);
	memset(w.addr, 0, sizeof(w.addr));
	w.code = 3; /* NXDOMAIN */
	tell(s, 30 * S, w);
	assert_int_equal(ikw_outside_name(&s->outside, peer, 25 * S, 31 * S)->rcode, 3);
}

static void prober(struct scene *s, uint64_t at, uint8_t op, uint32_t tgid, int32_t exit_code)
{
	union ikw_event e = {
		.proc = { .op = op, .tgid = tgid, .parent_count = 2, .exit_code = exit_code }
	};

	e.hdr.type = IKW_EV_PROC;
	e.hdr.size = sizeof(e.proc);
	e.hdr.time = at;
	e.proc.parents[0].tgid = 300;
	e.proc.parents[1].tgid = 1;
	ikw_outside_event(&s->outside, &s->host, &e);
}

/* As many peers as names: each moves once, and who moved last is known. */
/* A resolver of this host's asks for others at the same time. */
static void test_name_among_many(void **state)
{
	struct scene *s = *state;
	uint8_t peer[IKW_ADDR_LEN];
	char name[32];

	addr(peer, 50);
	ask(s, 10 * S, 1, "peer.lab");
	tell(s, 10 * S, answer(1, "peer.lab", 50, 1));
	ask(s, 11 * S, 2, "peer.lab");
	for (uint32_t i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%u.lab", i);
		ask(s, 11 * S, 100 + i, name);
	}
	tell(s, 11 * S, answer(2, "peer.lab", 60, 1));
	assert_non_null(ikw_outside_name(&s->outside, peer, 1, 20 * S));
}

static void test_many_names(void **state)
{
	struct scene *s = *state;
	const struct ikw_name *found;
	uint8_t old[IKW_ADDR_LEN];
	char name[32];

	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t n = 0; n < 2000; n++) {
			uint64_t at = (10 + round * 5000 + n) * S;

			snprintf(name, sizeof(name), "peer%u.lab", n);
			ask(s, at, n & 0xffff, name);
			tell(s, at, answer(n & 0xffff, name, (uint8_t)(round ? 200 : n % 100), 1));
		}
	addr(old, 1999 % 100);
	found = ikw_outside_name(&s->outside, old, 7009 * S, 7010 * S);
	assert_non_null(found);
	assert_string_equal(found->name, "peer1999.lab");
	addr(old, 1998 % 100);
	assert_null(ikw_outside_name(&s->outside, old, 7009 * S, 7010 * S));
}

static void test_probe(void **state)
{
	struct scene *s = *state;
	const uint32_t script[] = { 555, 300, 1 }, stranger[] = { 556, 301, 1 };
	const struct ikw_echo *echo;

	prober(s, 10 * S, IKW_PROC_PROBER, 400, 0);
	prober(s, 11 * S, IKW_PROC_PROBED, 400, 0x100);
	assert_non_null(ikw_outside_probe(&s->outside, script, 3, 1, 20 * S, &echo));
	assert_null(echo);
	/* pid 1 is everybody's parent */
	assert_null(ikw_outside_probe(&s->outside, stranger, 3, 1, 20 * S, &echo));
	assert_null(ikw_outside_probe(&s->outside, script, 3, 12 * S, 20 * S, &echo));
	/* the last one counts, and a killed one says nothing */
	prober(s, 12 * S, IKW_PROC_PROBER, 401, 0);
	prober(s, 13 * S, IKW_PROC_PROBED, 401, 0);
	assert_null(ikw_outside_probe(&s->outside, script, 3, 1, 20 * S, &echo));
	prober(s, 14 * S, IKW_PROC_PROBER, 402, 0);
	prober(s, 15 * S, IKW_PROC_PROBED, 402, 9);
	assert_null(ikw_outside_probe(&s->outside, script, 3, 1, 20 * S, &echo));
	/* one that runs on: its echoes tell */
	prober(s, 16 * S, IKW_PROC_PROBER, 403, 0);
	tell(s, 17 * S, wire(IKW_WIRE_ECHO, IKW_DIR_OUT, 8, 1));
	tell(s, 17 * S + 1, wire(IKW_WIRE_ECHO, IKW_DIR_IN, 0, 1));
	assert_null(ikw_outside_probe(&s->outside, script, 3, 1, 20 * S, &echo));
	tell(s, 18 * S, wire(IKW_WIRE_ECHO, IKW_DIR_OUT, 8, 1));
	tell(s, 19 * S, wire(IKW_WIRE_ECHO, IKW_DIR_OUT, 8, 1));
	assert_non_null(ikw_outside_probe(&s->outside, script, 3, 1, 20 * S, &echo));
	assert_non_null(echo);
}

static enum ikw_who who(struct scene *s, const char *tty, uint32_t loginuid, uint32_t first,
			const char *parent, const char *grandparent)
{
	union ikw_event e = { .proc = { .op = IKW_PROC_SEEN,
					.tgid = 700,
					.loginuid = loginuid,
					.parent_count = parent ? 2 : 0 } };

	e.hdr.type = IKW_EV_PROC;
	e.hdr.size = sizeof(e.proc);
	e.hdr.time = 5 * S;
	strcpy(e.proc.comm, "swanctl");
	strcpy(e.proc.tty, tty);
	if (parent) {
		e.proc.parents[0].tgid = first;
		strcpy(e.proc.parents[0].comm, parent);
		e.proc.parents[1].tgid = 1;
		strcpy(e.proc.parents[1].comm, grandparent);
	}
	ikw_host_event(&s->host, &e);
	return ikw_host_who(&s->host, 700);
}

static void test_who(void **state)
{
	struct scene *s = *state;

	assert_int_equal(ikw_host_who(&s->host, 9999), IKW_WHO_UNKNOWN);
	assert_int_equal(who(s, "pts3", ~0U, 50, "bash", "bash"), IKW_WHO_PERSON);
	assert_int_equal(who(s, "", 1000, 50, "bash", "bash"), IKW_WHO_PERSON);
	assert_int_equal(who(s, "", ~0U, 50, "bash", "sshd"), IKW_WHO_PERSON);
	/* the nearest decides: a person started keepalived, keepalived ran the script */
	assert_int_equal(who(s, "", 1000, 50, "keepalived", "sshd"), IKW_WHO_TRACKER);
	assert_int_equal(who(s, "", 0, 50, "sh", "cron"), IKW_WHO_SERVICE);
	assert_int_equal(who(s, "", ~0U, 50, "sh", "dhcpd"), IKW_WHO_LEASES);
	assert_int_equal(who(s, "", ~0U, 50, "watch.sh", "systemd"), IKW_WHO_SERVICE);
	/* systemctl stop: systemd does it for somebody */
	assert_int_equal(who(s, "", ~0U, 1, "systemd", ""), IKW_WHO_UNKNOWN);
	assert_int_equal(who(s, "", ~0U, 0, NULL, ""), IKW_WHO_UNKNOWN);
}

/* The kernel gives the number of a daemon that ended to another process: its habits are not that's.
 */
static void test_number_reused(void **state)
{
	struct scene *s = *state;
	union ikw_event e = { .proc = { .op = IKW_PROC_DAEMON, .tgid = 300, .start = 1 } };
	struct ikw_process *p;

	e.hdr.type = IKW_EV_PROC;
	e.hdr.size = sizeof(e.proc);
	e.hdr.time = 10 * S;
	ikw_host_event(&s->host, &e);
	p = ikw_host_process(&s->host, 300);
	assert_non_null(p);
	p->asks = p->unasked = true;
	p->asks_gap = S;
	e.proc.op = IKW_PROC_EXIT;
	ikw_host_event(&s->host, &e);
	e.proc.op = IKW_PROC_SEEN;
	e.proc.start = 2;
	ikw_host_event(&s->host, &e);
	p = ikw_host_process(&s->host, 300);
	assert_non_null(p);
	assert_false(p->daemon || p->asks || p->unasked || p->asks_gap);
}

static void lose(struct scene *s, uint64_t since, uint64_t until, uint32_t sees)
{
	union ikw_event e = { .lost = { .since = since, .sees = sees, .count = 1 } };

	e.hdr.type = IKW_EV_LOST;
	e.hdr.size = sizeof(e.lost);
	e.hdr.time = until;
	e.lost.where = IKW_LOST_SUPPRESSED;
	ikw_host_event(&s->host, &e);
}

/* A flood of minutes is told second by second: where it began is not forgotten for that. */
static void test_losses_go_on(void **state)
{
	struct scene *s = *state;

	s->host.sees = ~0U;
	for (uint64_t n = 100; n < 200; n++) {
		lose(s, n * S, (n + 1) * S + 1, IKW_SEES_IKE_IN);
		lose(s, n * S, (n + 1) * S + 2, IKW_SEES_WIRE);
	}
	lose(s, 300 * S, 301 * S, IKW_SEES_IKE_IN);
	assert_int_equal(ikw_host_missed(&s->host, 90 * S, 99 * S), 0);
	assert_int_equal(ikw_host_missed(&s->host, 101 * S, 102 * S),
			 IKW_SEES_IKE_IN | IKW_SEES_WIRE);
	assert_int_equal(ikw_host_missed(&s->host, 210 * S, 299 * S), 0);
	assert_int_equal(ikw_host_missed(&s->host, 300 * S, 300 * S), IKW_SEES_IKE_IN);
}

/* A flood of strangers' packets costs no memory and takes nothing away. */
static void test_flood(void **state)
{
	struct scene *s = *state;

	tell(s, 10 * S, wire(IKW_WIRE_BFD, IKW_DIR_OUT, 3, 5));
	for (uint32_t i = 0; i < 100000; i++) {
		tell(s, 11 * S, wire(IKW_WIRE_BFD, IKW_DIR_IN, 3, i));
		tell(s, 11 * S, wire(IKW_WIRE_VRRP, IKW_DIR_IN, 3, i & 0xff));
		tell(s, 11 * S, wire(IKW_WIRE_ECHO, IKW_DIR_IN, 0, i));
		tell(s, 11 * S, answer(i & 0xffff, "flood.example", 1, 1));
	}
	tell(s, 12 * S, wire(IKW_WIRE_BFD, IKW_DIR_OUT, 1, 5));
	assert_non_null(ikw_outside_track(&s->outside, 1, 20 * S));
}

static struct ikw_wire lease(uint16_t code, uint32_t n, uint32_t seconds)
{
	struct ikw_wire w = wire(IKW_WIRE_DHCP, IKW_DIR_OUT, code, 1);

	addr(w.addr, (uint8_t)n);
	w.addr[14] = (uint8_t)(n >> 8);
	w.value = seconds;
	return w;
}

/* A pool of thousands: who renewed longest ago is who is about to run out, and not forgotten. */
static void test_many_leases(void **state)
{
	struct scene *s = *state;

	for (uint32_t n = 1; n <= 4000; n++)
		tell(s, (10 + n) * S, lease(5, n, 3600 + n));
	tell(s, 5000 * S, lease(7, 77, 0));
	tell(s, 5000 * S, lease(7, 9999, 0)); /* of nobody */
	for (uint32_t n = 1; n <= 4000; n++) {
		const struct ikw_wire w = lease(5, n, 0);
		const struct ikw_lease *l = ikw_outside_lease(&s->outside, w.addr);

		assert_non_null(l);
		assert_int_equal(l->time, (10 + n) * S);
		assert_int_equal(l->lease_s, 3600 + n);
		assert_int_equal(l->released, n == 77 ? 5000 * S : 0);
	}
	assert_null(ikw_outside_lease(&s->outside, lease(5, 9999, 0).addr));
}

/* SPIs of an IKE_SA: told by their first byte */
static struct ikw_wire cluster(uint16_t code, uint8_t ike, uint32_t spi)
{
	struct ikw_wire w = wire(IKW_WIRE_CLUSTER, IKW_DIR_IN, code, spi);

	w.addr[0] = ike;
	return w;
}

static const struct ikw_cluster_word *cluster_word(struct scene *s, uint32_t spi, uint64_t from,
						   uint64_t to, bool *named)
{
	const uint32_t first[] = { spi, 0x77777777 }, second[] = { 0, spi };

	assert_ptr_equal(ikw_outside_cluster(&s->outside, first, from, to, named),
			 ikw_outside_cluster(&s->outside, second, from, to, named));
	return ikw_outside_cluster(&s->outside, first, from, to, named);
}

static void test_cluster(void **state)
{
	struct scene *s = *state;
	const struct ikw_cluster_word *word;
	bool named;

	assert_null(cluster_word(s, 0x10, 1, 99 * S, &named));
	tell(s, 10 * S, cluster(IKW_CLUSTER_CHILD_ADD, 1, 0x10));
	tell(s, 10 * S, cluster(IKW_CLUSTER_CHILD_ADD, 1, 0x11));
	tell(s, 10 * S, cluster(IKW_CLUSTER_CHILD_ADD, 2, 0x20));
	assert_null(cluster_word(s, 0x10, 1, 99 * S, &named));
	/* of one CHILD_SA */
	tell(s, 20 * S, cluster(IKW_CLUSTER_CHILD_DELETE, 1, 0x10));
	word = cluster_word(s, 0x10, 19 * S, 21 * S, &named);
	assert_non_null(word);
	assert_true(named);
	assert_int_equal(word->spi, 0x10);
	assert_false(word->partner); /* this host never spoke to it */
	assert_null(cluster_word(s, 0x10, 21 * S, 30 * S, &named));
	assert_null(cluster_word(s, 0x11, 19 * S, 21 * S, &named));
	/* of an IKE_SA: its other CHILD_SA goes, that of another IKE_SA does not */
	tell(s, 29 * S, wire(IKW_WIRE_CLUSTER, IKW_DIR_OUT, 10, 0));
	tell(s, 30 * S, cluster(IKW_CLUSTER_IKE_DELETE, 1, 0));
	word = cluster_word(s, 0x11, 29 * S, 31 * S, &named);
	assert_non_null(word);
	assert_true(named);
	assert_int_equal(word->spi, 0);
	assert_true(word->partner);
	assert_null(cluster_word(s, 0x20, 29 * S, 31 * S, &named));
	/* of a CHILD_SA that is older than the agent nothing was told */
	word = cluster_word(s, 0x99, 29 * S, 31 * S, &named);
	assert_non_null(word);
	assert_false(named);
	assert_null(cluster_word(s, 0x99, 31 * S, 40 * S, &named));
}

/* An IKE_SA rekey deletes the old IKE_SA, and its CHILD_SAs live on under another. */
static void test_cluster_ike_rekey(void **state)
{
	struct scene *s = *state;
	const struct ikw_cluster_word *word;
	bool named;

	tell(s, 10 * S, cluster(IKW_CLUSTER_CHILD_ADD, 1, 0x10));
	tell(s, 20 * S, cluster(IKW_CLUSTER_IKE_DELETE, 1, 0));
	assert_null(cluster_word(s, 0x10, 29 * S, 31 * S, &named));
	tell(s, 30 * S, cluster(IKW_CLUSTER_IKE_DELETE, 2, 0));
	word = cluster_word(s, 0x10, 29 * S, 31 * S, &named);
	assert_non_null(word);
	assert_false(named);
	assert_int_equal(word->ike[0], 2);
	tell(s, 40 * S, cluster(IKW_CLUSTER_CHILD_DELETE, 2, 0x10));
	assert_non_null(cluster_word(s, 0x10, 39 * S, 41 * S, &named));
	assert_true(named);
}

/* Only where a flood of them fills a word's set is the oldest forgotten; memory stays as it is. */
static void test_cluster_many(void **state)
{
	struct scene *s = *state;
	unsigned int known = 0;
	bool named;

	for (uint32_t i = 1; i <= 4000; i++)
		tell(s, 10 * S + i, cluster(IKW_CLUSTER_CHILD_ADD, 1, i));
	tell(s, 20 * S, cluster(IKW_CLUSTER_IKE_DELETE, 1, 0));
	for (uint32_t i = 1; i <= 4000; i++) {
		assert_non_null(cluster_word(s, i, 19 * S, 21 * S, &named));
		known += named;
	}
	assert_in_range(known, 3800, 4000);
	for (uint32_t i = 1; i <= 1000000; i++)
		tell(s, 30 * S + i, cluster(IKW_CLUSTER_CHILD_DELETE, 2, i));
	assert_non_null(cluster_word(s, 1000000, 29 * S, 31 * S, &named));
	assert_true(named);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order_needs_ack),
		TEST(test_order_obeyed),
		TEST(test_order_amid_a_flood),
		TEST(test_order_for_another_address),
		TEST(test_session),
		TEST(test_many_sessions),
		TEST(test_bfd),
		TEST(test_many_sessions_of_bfd),
		TEST(test_vrrp),
		TEST(test_name),
		TEST(test_name_among_many),
		TEST(test_many_names),
		TEST(test_probe),
		TEST(test_who),
		TEST(test_flood),
		TEST(test_number_reused),
		TEST(test_losses_go_on),
		TEST(test_many_leases),
		TEST(test_cluster),
		TEST(test_cluster_ike_rekey),
		TEST(test_cluster_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
