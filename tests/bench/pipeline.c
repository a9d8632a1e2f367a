/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events per second through the pure pipeline on one core, and memory per
 * tunnel, with 1, 1,000, 100,000 and 1,000,000 tunnels: each round rekeys one
 * tunnel (two SAs in, two out: one deletion, one alarm). The quickest of a few
 * runs, for what else the machine does to the caches only takes away. JSON on
 * stdout.
 *
 * usage: pipeline [TUNNELS [REKEYS [RUNS [SHAPE]]]]
 *
 * SHAPE: plain (each tunnel has a peer of its own, and SAs are all that is seen),
 * one-peer (all tunnels are one peer's), interfaces (each has an xfrm interface),
 * policies (each has its policy), ike (each has its IKE_SA, and the exchange that
 * rekeys is seen: two events more), nat (the same, all behind one address),
 * children (all are one IKE_SA's), returns (each goes down, and comes back a second
 * later: its case is open meanwhile).
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "user/model.h"

#define RUNS 3

enum shape { PLAIN, ONE_PEER, INTERFACES, POLICIES, IKE_SEEN, NAT, CHILDREN, RETURNS };
static const char *const shapes[] = { "plain", "one-peer", "interfaces", "policies",
				      "ike",   "nat",	   "children",	 "returns" };

#define AWAY 1000 /* so many are down at once */

static enum shape shape;
static uint64_t alarms;

static void on_alarm(void *ctx, struct ikw_alarm *alarm)
{
	(void)ctx;
	(void)alarm;
	alarms++;
}

/* CPU time: of one core, whatever else the machine does. */
static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static bool one_peer(void)
{
	return shape == ONE_PEER || shape == NAT || shape == CHILDREN;
}

static bool ike_seen(void)
{
	return shape == RETURNS || shape == IKE_SEEN || shape == NAT || shape == CHILDREN;
}

static void ends(uint32_t tunnel, uint8_t *local, uint8_t *remote)
{
	uint32_t peer = one_peer() ? 0 : tunnel;

	local[10] = local[11] = remote[10] = remote[11] = 0xff;
	local[12] = 10;
	local[15] = 1;
	remote[12] = 11;
	remote[13] = (uint8_t)(peer >> 16);
	remote[14] = (uint8_t)(peer >> 8);
	remote[15] = (uint8_t)peer;
}

static void sa_fill(union ikw_event *e, uint32_t tunnel, uint32_t generation, bool in, uint8_t op,
		    uint64_t now)
{
	memset(e, 0, sizeof(e->sa));
	e->hdr.type = IKW_EV_SA;
	e->hdr.size = sizeof(e->sa);
	e->hdr.time = now;
	ends(tunnel, in ? e->sa.daddr : e->sa.saddr, in ? e->sa.saddr : e->sa.daddr);
	e->sa.dir = in ? IKW_DIR_IN : IKW_DIR_OUT;
	e->sa.op = op;
	e->sa.cause = IKW_CAUSE_CALL;
	e->sa.proto = 50;
	e->sa.mode = 1;
	e->sa.reqid = tunnel + 1;
	e->sa.if_id = shape == INTERFACES ? tunnel + 1 : 0;
	e->sa.spi = tunnel * 2 + generation * 0x10000000U + in;
	e->sa.by.tgid = 100;
	if (shape == NAT) {
		e->sa.encap_type = 2;
		e->sa.encap_sport = in ? (uint16_t)(1024 + tunnel % 60000) : 4500;
		e->sa.encap_dport = in ? 4500 : (uint16_t)(1024 + tunnel % 60000);
	}
}

static void pair(struct ikw_model *m, uint32_t tunnel, uint32_t generation, uint8_t op,
		 uint64_t now)
{
	union ikw_event e;

	sa_fill(&e, tunnel, generation, true, op, now);
	ikw_model_event(m, &e);
	sa_fill(&e, tunnel, generation, false, op, now + 1000);
	ikw_model_event(m, &e);
}

/* As for each new peer: the interface towards it. */
static void route(struct ikw_model *m, uint32_t tunnel, uint64_t now)
{
	union ikw_event e;

	sa_fill(&e, tunnel, 0, false, IKW_SA_ADD, now);
	memmove(e.route.peer, e.sa.daddr, IKW_ADDR_LEN);
	e.hdr.type = IKW_EV_ROUTE;
	e.hdr.size = sizeof(e.route);
	e.route.ifindex = 2;
	ikw_model_event(m, &e);
}

static void interface(struct ikw_model *m, uint32_t tunnel, uint64_t now)
{
	union ikw_event e;

	memset(&e, 0, sizeof(e));
	e.hdr.type = IKW_EV_LINK;
	e.hdr.size = sizeof(e.link);
	e.hdr.time = now;
	e.link.op = IKW_LINK_SET;
	e.link.ifi_flags = 1;
	e.link.ifindex = tunnel + 10;
	e.link.if_id = tunnel + 1;
	snprintf(e.link.name, sizeof(e.link.name), "ipsec%u", tunnel);
	memcpy(e.link.kind, "xfrm", 5);
	ikw_model_event(m, &e);
}

static void policy(struct ikw_model *m, uint32_t tunnel, uint64_t now)
{
	union ikw_event e;

	memset(&e, 0, sizeof(e));
	e.hdr.type = IKW_EV_POLICY;
	e.hdr.size = sizeof(e.policy);
	e.hdr.time = now;
	e.policy.op = IKW_POLICY_INSERT;
	e.policy.dir = IKW_DIR_OUT;
	e.policy.tmpl_count = 1;
	e.policy.tmpl_proto = 50;
	e.policy.tmpl_reqid = tunnel + 1;
	e.policy.index = tunnel * 8 + 1;
	e.policy.sel.prefixlen_s = e.policy.sel.prefixlen_d = 32;
	ends(tunnel, e.policy.tmpl_saddr, e.policy.tmpl_daddr);
	ends(tunnel, e.policy.sel.saddr, e.policy.sel.daddr);
	ikw_model_event(m, &e);
}

/* One message of the tunnel's IKE_SA, ours or the answer to it. */
static void message(struct ikw_model *m, uint32_t tunnel, uint8_t exchange, uint32_t id,
		    bool answer, uint64_t now)
{
	union ikw_event e;

	memset(&e, 0, sizeof(e.ike));
	e.hdr.type = IKW_EV_IKE;
	e.hdr.size = sizeof(e.ike);
	e.hdr.time = now;
	ends(tunnel, answer ? e.ike.daddr : e.ike.saddr, answer ? e.ike.saddr : e.ike.daddr);
	e.ike.dir = answer ? IKW_DIR_IN : IKW_DIR_OUT;
	e.ike.sport = e.ike.dport = 500;
	if (shape == NAT)
		*(answer ? &e.ike.sport : &e.ike.dport) = (uint16_t)(1024 + tunnel % 60000);
	e.ike.spi_i = shape == CHILDREN ? 1 : tunnel + 1;
	e.ike.spi_r = exchange == 34 && !answer ? 0 : e.ike.spi_i + 1;
	e.ike.version = 0x20;
	e.ike.exchange = exchange;
	e.ike.message_id = id;
	e.ike.length = 300;
	e.ike.ike_flags = answer ? 0x20 : 8;
	e.ike.digest = id * 2 + answer;
	ikw_model_event(m, &e);
}

static void exchange(struct ikw_model *m, uint32_t tunnel, uint8_t type, uint32_t id, uint64_t now)
{
	message(m, tunnel, type, id, false, now);
	message(m, tunnel, type, id, true, now + 500);
}

static void set_up(struct ikw_model *m, uint32_t tunnel, uint64_t now)
{
	if (shape == INTERFACES)
		interface(m, tunnel, now);
	if (shape == CHILDREN && tunnel) {
		exchange(m, tunnel, 36, tunnel + 1, now);
	} else if (ike_seen()) {
		exchange(m, tunnel, 34, 0, now);
		exchange(m, tunnel, 35, 1, now + 1000);
	}
	if (shape == RETURNS) /* who reserves an SPI is an IKE daemon */
		pair(m, tunnel, 0, IKW_SA_LARVAL, now + 1500);
	pair(m, tunnel, 0, IKW_SA_ADD, now + 2000);
	if (shape == POLICIES)
		policy(m, tunnel, now + 3000);
	if (!one_peer() || !tunnel)
		route(m, tunnel, now + 4000);
}

/* One goes, and the one that went a second before comes back; each goes every four seconds at most.
 */
static void returns(struct ikw_model *m, uint32_t tunnels, uint32_t i, uint64_t *now)
{
	uint32_t away = AWAY * 4 < tunnels ? AWAY : tunnels / 4;
	uint32_t gone = (uint32_t)((uint64_t)i * 7919 % tunnels);
	uint32_t back = (uint32_t)((uint64_t)(i - away) * 7919 % tunnels);

	pair(m, gone, i / tunnels % 14, IKW_SA_DELETE, *now += 20000);
	*now += away ? 1000000000ULL / away : 4000000000ULL;
	if (i >= away)
		pair(m, back, ((i - away) / tunnels + 1) % 14, IKW_SA_ADD, *now);
}

static void print(uint32_t tunnels, uint32_t rekeys, double seconds, size_t bytes)
{
	printf("{\"pipeline.%u.events_per_s\": %.0f, \"pipeline.%u.bytes_per_tunnel\": %.0f, "
	       "\"pipeline.%u.alarms\": %llu}\n",
	       tunnels, (ike_seen() ? 6 : 4) * (double)rekeys / seconds, tunnels,
	       (double)bytes / tunnels, tunnels, (unsigned long long)alarms);
	fflush(stdout);
}

/* Seconds that the rekeys took; the memory that the tunnels take. */
static double run(uint32_t tunnels, uint32_t rekeys, size_t *bytes)
{
	struct ikw_model_ops ops = { .alarm = on_alarm };
	struct ikw_model *m = ikw_model_new(NULL, &ops);
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd, after;
	uint64_t now = 1000000000ULL, start, took;

	if (!m)
		exit(1);
	for (uint32_t t = 0; t < tunnels; t++) {
		set_up(m, t, now);
		now += 5000;
	}
	after = mallinfo2().uordblks + mallinfo2().hblkhd;
	alarms = 0;
	start = clock_ns();
	for (uint32_t i = 0; i < rekeys; i++) {
		/* a stride that visits them all, out of order of memory */
		uint32_t t = (uint32_t)((uint64_t)i * 7919 % tunnels), g = i / tunnels;

		if (shape == RETURNS) {
			returns(m, tunnels, i, &now);
			continue;
		}
		if (ike_seen())
			exchange(m, t, 36, (shape == CHILDREN ? tunnels + i : g) + 2, now);
		pair(m, t, g % 14 + 1, IKW_SA_ADD, now += 20000);
		pair(m, t, g ? (g - 1) % 14 + 1 : 0, IKW_SA_DELETE, now += 20000);
	}
	ikw_model_finish(m, now + 5000000000ULL);
	took = clock_ns() - start;
	*bytes = after - before;
	ikw_model_free(m);
	return (double)took / 1e9;
}

static void best(uint32_t tunnels, uint32_t rekeys, int runs)
{
	double least = 0, took;
	size_t bytes = 0;

	for (int i = 0; i < runs; i++) {
		took = run(tunnels, rekeys, &bytes);
		if (!i || took < least)
			least = took;
	}
	print(tunnels, rekeys, least, bytes);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = { 1, 1000, 100000, 1000000 };
	uint32_t rekeys = argc > 2 ? (uint32_t)atoi(argv[2]) : 250000;
	int runs = argc > 3 ? atoi(argv[3]) : RUNS;

	while (argc > 4 && strcmp(argv[4], shapes[shape]) != 0)
		if (++shape == sizeof(shapes) / sizeof(shapes[0])) {
			fprintf(stderr, "pipeline: %s: no such shape\n", argv[4]);
			return 2;
		}
	setpriority(PRIO_PROCESS, 0, -10); /* where it is not allowed it only takes longer */
	if (argc > 1)
		best((uint32_t)atoi(argv[1]), rekeys, runs);
	for (size_t i = 0; argc < 2 && i < sizeof(sizes) / sizeof(sizes[0]); i++)
		best(sizes[i], rekeys, runs);
	return 0;
}
