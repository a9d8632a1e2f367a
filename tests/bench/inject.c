// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Puts SA records into the ring of a running agent, through its pinned maps, as
 * a probe would: stamped by the kernel's clock, in the ring's order. So the
 * agent's own path is measured where there is no IPsec, from that stamp to the
 * written alarm. Each tunnel's SAs are added, then the outbound one is deleted by
 * the kernel's hard limit: a cause that is decided at once.
 *
 * usage: inject PIN_DIR TUNNELS DELETIONS PER_S
 *	adds so many tunnels, then deletes and adds again one after the other, at that
 *	rate of deleted SAs (two a tunnel); prints what it did, as JSON
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include "bench/bench.skel.h"
#include "bpf/ikewatch_event.h"

#define RING_TRIES 100000

static struct bench_bpf *bench;
static uint64_t full; /* times the ring had no room */

static void die(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void share(struct bpf_map *map, const char *dir, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_map__reuse_fd(map, fd))
		die(path);
	close(fd);
}

static void load(const char *dir)
{
	bench = bench_bpf__open();
	if (!bench)
		die("open");
	share(bench->maps.ikw_events, dir, "ikw_events");
	share(bench->maps.ikw_state, dir, "ikw_state");
	if (bench_bpf__load(bench))
		die("load");
}

/* Only as many as fit: how a full ring is made good is another test's affair. */
static void emit(struct ikw_sa *sa)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = sa, .data_size_in = sizeof(*sa),
		    .repeat = 1);

	for (int i = 0; i < RING_TRIES; i++) {
		if (bpf_prog_test_run_opts(bpf_program__fd(bench->progs.bench_inject), &opts))
			die("test run");
		if (opts.retval == XDP_PASS)
			return;
		full++;
		usleep(1000);
	}
	fprintf(stderr, "inject: the ring stays full\n");
	exit(1);
}

static void fill(struct ikw_sa *sa, uint32_t tunnel, uint32_t generation, bool in)
{
	uint8_t *remote = in ? sa->saddr : sa->daddr, *local = in ? sa->daddr : sa->saddr;

	memset(sa, 0, sizeof(*sa));
	local[10] = local[11] = remote[10] = remote[11] = 0xff;
	local[12] = 10;
	local[15] = 1;
	remote[12] = 11;
	remote[13] = (uint8_t)(tunnel >> 16);
	remote[14] = (uint8_t)(tunnel >> 8);
	remote[15] = (uint8_t)tunnel;
	sa->dir = in ? IKW_DIR_IN : IKW_DIR_OUT;
	sa->proto = 50;
	sa->mode = 1;
	sa->family = 2;
	sa->reqid = tunnel + 1;
	sa->spi = 0x10000000u + generation * 0x400000u + tunnel * 2 + in;
}

static void add(uint32_t tunnel, uint32_t generation)
{
	struct ikw_sa sa;

	for (int in = 1; in >= 0; in--) {
		fill(&sa, tunnel, generation, in);
		sa.op = IKW_SA_ADD;
		emit(&sa);
	}
}

static void delete (uint32_t tunnel, uint32_t generation)
{
	struct ikw_sa sa;

	for (int in = 0; in <= 1; in++) {
		fill(&sa, tunnel, generation, in);
		sa.op = IKW_SA_DELETE;
		sa.cause = IKW_CAUSE_TIMER;
		sa.limit = IKW_LIMIT_TIME;
		sa.hard_add_s = 3600;
		emit(&sa);
	}
}

/* The start from now on: a stop of a tenth of a second and more is not made up for. */
static double pace(double start, uint32_t done, double per_s)
{
	double ahead = start + 2 * done / per_s - now_s();

	if (ahead > 0)
		usleep((useconds_t)(ahead * 1e6));
	return ahead < -0.1 ? start - ahead : start;
}

int main(int argc, char **argv)
{
	uint32_t tunnels, deletions;
	double per_s, begun, start, took;

	if (argc != 5) {
		fprintf(stderr, "usage: inject PIN_DIR TUNNELS DELETIONS PER_S\n");
		return 2;
	}
	tunnels = (uint32_t)strtoul(argv[2], NULL, 10);
	deletions = (uint32_t)strtoul(argv[3], NULL, 10);
	per_s = strtod(argv[4], NULL);
	if (!tunnels || per_s <= 0)
		return 2;
	load(argv[1]);
	for (uint32_t t = 0; t < tunnels; t++)
		add(t, 0);
	sleep(1);
	start = begun = now_s();
	for (uint32_t i = 0; i < deletions; i++) {
		delete (i % tunnels, i / tunnels);
		add(i % tunnels, i / tunnels + 1);
		start = pace(start, i + 1, per_s);
	}
	took = now_s() - begun;
	printf("{\"deleted\": %u, \"seconds\": %.3f, \"per_s\": %.0f, \"ring_full\": %llu}\n",
	       2 * deletions, took, 2 * deletions / took, (unsigned long long)full);
	bench_bpf__destroy(bench);
	return 0;
}
