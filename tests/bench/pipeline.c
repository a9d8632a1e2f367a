/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events per second through the pure pipeline on one core, and memory per
 * tunnel, with 1, 1,000, 100,000 and 1,000,000 tunnels: each round rekeys one
 * tunnel (two SAs in, two out: one deletion, one alarm). The quickest of a few
 * runs, for what else the machine does to the caches only takes away. JSON on
 * stdout.
 *
 * usage: pipeline [TUNNELS [REKEYS [RUNS]]]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "user/model.h"

#define RUNS 3

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

static void sa_fill(union ikw_event *e, uint32_t tunnel, uint32_t generation, bool in, uint8_t op,
		    uint64_t now)
{
	uint8_t *remote = in ? e->sa.saddr : e->sa.daddr, *local = in ? e->sa.daddr : e->sa.saddr;

	memset(e, 0, sizeof(e->sa));
	e->hdr.type = IKW_EV_SA;
	e->hdr.size = sizeof(e->sa);
	e->hdr.time = now;
	local[10] = local[11] = remote[10] = remote[11] = 0xff;
	local[12] = remote[12] = 10;
	local[15] = 1;
	remote[12] = 11;
	remote[13] = (uint8_t)(tunnel >> 16);
	remote[14] = (uint8_t)(tunnel >> 8);
	remote[15] = (uint8_t)tunnel;
	e->sa.dir = in ? IKW_DIR_IN : IKW_DIR_OUT;
	e->sa.op = op;
	e->sa.cause = IKW_CAUSE_CALL;
	e->sa.proto = 50;
	e->sa.mode = 1;
	e->sa.reqid = tunnel + 1;
	e->sa.spi = tunnel * 2 + generation * 0x10000000U + in;
	e->sa.by.tgid = 100;
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

static void print(uint32_t tunnels, uint32_t rekeys, double seconds, size_t bytes)
{
	printf("{\"pipeline.%u.events_per_s\": %.0f, \"pipeline.%u.bytes_per_tunnel\": %.0f, "
	       "\"pipeline.%u.alarms\": %llu}\n",
	       tunnels, 4 * (double)rekeys / seconds, tunnels, (double)bytes / tunnels, tunnels,
	       (unsigned long long)alarms);
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
		pair(m, t, 0, IKW_SA_ADD, now += 2000);
		route(m, t, now);
	}
	after = mallinfo2().uordblks + mallinfo2().hblkhd;
	alarms = 0;
	start = clock_ns();
	for (uint32_t i = 0; i < rekeys; i++) {
		/* a stride that visits them all, out of order of memory */
		uint32_t t = (uint32_t)((uint64_t)i * 7919 % tunnels), g = i / tunnels;

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

	setpriority(PRIO_PROCESS, 0, -10); /* where it is not allowed it only takes longer */
	if (argc > 1)
		best((uint32_t)atoi(argv[1]), rekeys, runs);
	for (size_t i = 0; argc < 2 && i < sizeof(sizes) / sizeof(sizes[0]); i++)
		best(sizes[i], rekeys, runs);
	return 0;
}
