// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the packet programs cost, in nanoseconds above a program that does
 * nothing, beside a naive hash. BPF_PROG_TEST_RUN; programs and packets take
 * turns in every round, so that whatever the machine does besides hits them
 * all; printed is the median of the rounds' differences. They are loaded anew
 * now and then, for where the JIT puts a program is worth a nanosecond or two
 * either way. JSON on stdout.
 *
 * usage: packet [LOADS]
 */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "bench/bench.skel.h"
#include "bpf/packet.h"
#include "bpf/parse.h"
#include "packet.skel.h"
#include "tests/frames.h"
#include "user/esp_slots.h"

#define REPEAT	   100000
#define REPEAT_IKE 20000 /* fits into the ring, which is emptied after each */
#define LOADS	   9
#define LOADS_MAX  99
#define LOAD_TURNS 7 /* rounds with the programs where they are */
#define ROUNDS_MAX (LOADS_MAX * LOAD_TURNS)

enum program { EMPTY, OURS, NAIVE, RECORD, TIMED, PROGRAMS };

/* A packet that is measured. */
struct kind {
	const char *name;
	enum frame_link link;
	enum frame_net net;
	unsigned int sport, dport; /* 0: ESP in IP */
	const uint8_t *payload;
	size_t len;
	uint32_t spi; /* written into the payload; 0: left */
	bool tcp;
	bool naive; /* the naive program counts it too */
	struct frame frame;
	double cost[PROGRAMS][ROUNDS_MAX];
};

#define KNOWN	0xc2d37a2cu
#define KNOWN6	0xc2d37b2du
#define UNKNOWN 0x11223344u

static struct kind kinds[] = {
	{ .name = "tcp",
	  .sport = 443,
	  .dport = 50000,
	  .payload = msg_esp,
	  .tcp = true,
	  .naive = true },
	{ .name = "tcp6",
	  .net = NET_V6,
	  .sport = 443,
	  .dport = 50000,
	  .payload = msg_esp,
	  .tcp = true,
	  .naive = true },
	{ .name = "udp_other", .sport = 443, .dport = 50000, .payload = msg_esp, .naive = true },
	{ .name = "esp_known", .payload = msg_esp, .spi = KNOWN, .naive = true },
	{ .name = "esp_unknown", .payload = msg_esp, .spi = UNKNOWN, .naive = true },
	{ .name = "esp_crowded", .payload = msg_esp, .spi = UNKNOWN + 0x100000, .naive = true },
	{ .name = "esp_udp",
	  .sport = 4500,
	  .dport = 4500,
	  .payload = msg_esp,
	  .spi = KNOWN,
	  .naive = true },
	{ .name = "esp_vlan", .link = LINK_VLAN, .payload = msg_esp, .spi = KNOWN, .naive = true },
	{ .name = "esp_ipv6", .net = NET_V6, .payload = msg_esp, .spi = KNOWN6, .naive = true },
	{ .name = "ike",
	  .sport = 500,
	  .dport = 500,
	  .payload = msg_v2_dpd,
	  .len = sizeof(msg_v2_dpd) },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct packet_bpf *ours;
static struct bench_bpf *bench;
static struct ring_buffer *ring;
static int fds[PROGRAMS];

static void die(const char *what)
{
	fprintf(stderr, "packet: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* CPU time: what other processes take away is not the program's. */
static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static void pin_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

/* ---- packets ---------------------------------------------------------------- */

static void make(struct kind *kind)
{
	uint8_t bytes[256] = { 0 };
	size_t len = kind->len ? kind->len : sizeof(msg_esp);
	struct frame *f = &kind->frame;

	memcpy(bytes, kind->payload, len);
	for (int i = 0; kind->spi && i < 4; i++)
		bytes[i] = (uint8_t)(kind->spi >> (24 - 8 * i));
	frame_make(f, kind->link, kind->net, kind->sport, kind->dport, bytes, len);
	if (kind->tcp)
		f->bytes[f->ip + (kind->net == NET_V6 ? 6 : 9)] = 6;
}

static struct ikw_esp_key key_of(const struct kind *kind, uint32_t spi)
{
	struct ikw_esp_key key = { .name = (uint64_t)IKW_DIR_IN << 32 | spi };
	uint8_t daddr[16] = { [10] = 0xff, [11] = 0xff };

	if (kind->net >= NET_V6)
		memcpy(daddr, frame_v6[1], 16);
	else
		memcpy(daddr + 12, frame_v4[1], 4);
	memcpy(key.daddr, daddr, 16);
	return key;
}

/* ---- programs ---------------------------------------------------------------- */

static int forget(void *ctx, void *data, size_t size)
{
	(void)ctx;
	(void)data;
	(void)size;
	return 0;
}

static void load(void)
{
	unsigned int cpus = (unsigned int)libbpf_num_possible_cpus();

	ours = packet_bpf__open();
	bench = bench_bpf__open();
	if (!ours || !bench)
		die("open");
	bpf_map__set_max_entries(ours->maps.ikw_esp, IKW_ESP_SLOTS * cpus);
	bpf_map__set_max_entries(ours->maps.ikw_counts, cpus);
	ours->rodata->ikw_window_free = UINT32_MAX; /* as if each were the first for a while */
	if (packet_bpf__load(ours) || bench_bpf__load(bench))
		die("load");
	ring = ring_buffer__new(bpf_map__fd(ours->maps.ikw_events), forget, NULL, NULL);
	if (!ring || ring_buffer__add(ring, bpf_map__fd(bench->maps.ikw_events), forget, NULL))
		die("ring");
	fds[EMPTY] = bpf_program__fd(bench->progs.bench_empty);
	fds[OURS] = bpf_program__fd(ours->progs.ikw_xdp);
	fds[NAIVE] = bpf_program__fd(bench->progs.bench_naive);
	fds[RECORD] = bpf_program__fd(bench->progs.bench_record);
	fds[TIMED] = bpf_program__fd(bench->progs.bench_record_timed);
}

/* Makes some other known SA have a place. */
static void occupy(struct ikw_esp_slot *slots, uint32_t place)
{
	uint32_t cpu = (uint32_t)sched_getcpu();
	struct ikw_esp_slot *slot = &slots[(size_t)cpu * IKW_ESP_SLOTS + place];

	slot->key.name = (uint64_t)IKW_DIR_IN << 32 | 0xdead;
	slot->known = 1;
}

/* As the agent does: an SA it knows has its slot; "crowded" finds both its places taken. */
static void know(void)
{
	uint32_t cpus = (uint32_t)libbpf_num_possible_cpus();
	int fd = bpf_map__fd(ours->maps.ikw_esp);
	struct ikw_esp_slots *slots =
		ikw_esp_slots_open(fd, bpf_map__fd(ours->maps.ikw_esp_more), IKW_ESP_SLOTS, cpus);
	struct ikw_esp_slot *memory;
	size_t size = (size_t)IKW_ESP_SLOTS * cpus * sizeof(*memory);

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!slots || memory == MAP_FAILED)
		die("slots");
	for (size_t i = 0; i < KINDS; i++) {
		struct ikw_esp_key key = key_of(&kinds[i], kinds[i].spi);

		if (kinds[i].spi == KNOWN)
			ikw_esp_slots_know(slots, (uint8_t *)key.daddr, KNOWN, IKW_DIR_IN);
		if (strcmp(kinds[i].name, "esp_crowded"))
			continue;
		occupy(memory, ikw_esp_place(&key, 0, IKW_ESP_SLOTS));
		occupy(memory, ikw_esp_place(&key, 1, IKW_ESP_SLOTS));
	}
	munmap(memory, size);
	ikw_esp_slots_close(slots);
}

/* ---- measuring ---------------------------------------------------------------- */

static double run(const struct kind *kind, enum program program)
{
	uint32_t repeat = kind->len ? REPEAT_IKE : REPEAT;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = kind->frame.bytes,
		    .data_size_in = (__u32)kind->frame.len, .repeat = (int)repeat);
	uint64_t start = clock_ns(), took;

	if (bpf_prog_test_run_opts(fds[program], &opts))
		die("test run");
	took = clock_ns() - start;
	if (kind->len && program != EMPTY && ring_buffer__consume(ring) < 0)
		die("ring");
	return (double)took / repeat;
}

/* The naive program counts ESP only; bare records are compared with IKE's. */
static bool measured(const struct kind *kind, enum program p)
{
	return p < NAIVE || (p == NAIVE ? kind->naive : kind->len > 0);
}

static void measure(unsigned int from)
{
	for (unsigned int round = from; round < from + LOAD_TURNS; round++) {
		ours->bss->ikw_tick += 1000000;
		for (size_t i = 0; i < KINDS; i++)
			for (enum program p = 0; p < PROGRAMS; p++)
				if (measured(&kinds[i], p))
					kinds[i].cost[p][round] = run(&kinds[i], p);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(const double *values, unsigned int count)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, count * sizeof(*values));
	qsort(sorted, count, sizeof(*sorted), by_value);
	return sorted[count / 2];
}

static double extra(const struct kind *kind, enum program p, unsigned int rounds)
{
	double differences[ROUNDS_MAX];

	for (unsigned int i = 0; i < rounds; i++)
		differences[i] = kind->cost[p][i] - kind->cost[EMPTY][i];
	return median(differences, rounds);
}

/* Every packet was what it was meant to be: the programs counted them. */
static void check(void)
{
	struct ikw_counts *rows;
	uint64_t esp = 0, ike = 0, esps = 0, calls;
	int cpus = libbpf_num_possible_cpus();

	rows = calloc((size_t)cpus, sizeof(*rows));
	for (int i = 0; rows && i < cpus; i++) {
		bpf_map_lookup_elem(bpf_map__fd(ours->maps.ikw_counts), &i, &rows[i]);
		esp += rows[i].esp;
		ike += rows[i].ike;
	}
	free(rows);
	for (size_t i = 0; i < KINDS; i++)
		esps += !strncmp(kinds[i].name, "esp", 3);
	calls = (uint64_t)LOAD_TURNS * REPEAT;
	if (esp != esps * calls || ike != (uint64_t)LOAD_TURNS * REPEAT_IKE) {
		fprintf(stderr, "packet: counted %llu ESP, %llu IKE: not what was sent\n",
			(unsigned long long)esp, (unsigned long long)ike);
		exit(1);
	}
}

static void print(unsigned int rounds)
{
	printf("{\"packet.repeats\": %u", rounds * REPEAT);
	for (size_t i = 0; i < KINDS; i++) {
		printf(",\n \"packet.%s.empty_ns\": %.2f, \"packet.%s.extra_ns\": %.2f",
		       kinds[i].name, median(kinds[i].cost[EMPTY], rounds), kinds[i].name,
		       extra(&kinds[i], OURS, rounds));
		if (kinds[i].naive)
			printf(", \"packet.%s.naive_extra_ns\": %.2f", kinds[i].name,
			       extra(&kinds[i], NAIVE, rounds));
		if (kinds[i].len)
			printf(", \"packet.%s.bare_record_ns\": %.2f, "
			       "\"packet.%s.timed_record_ns\": %.2f",
			       kinds[i].name, extra(&kinds[i], RECORD, rounds), kinds[i].name,
			       extra(&kinds[i], TIMED, rounds));
	}
	printf("}\n");
}

static void unload(void)
{
	packet_bpf__destroy(ours);
	bench_bpf__destroy(bench);
	ring_buffer__free(ring);
}

int main(int argc, char **argv)
{
	int loads = argc > 1 ? atoi(argv[1]) : LOADS;

	if (loads < 1 || loads > LOADS_MAX) {
		fprintf(stderr, "usage: packet [LOADS]\n");
		return 2;
	}
	pin_cpu();
	for (size_t i = 0; i < KINDS; i++)
		make(&kinds[i]);
	for (unsigned int i = 0; i < (unsigned int)loads; i++) {
		load();
		know();
		measure(i * LOAD_TURNS);
		check();
		unload();
	}
	print((unsigned int)loads * LOAD_TURNS);
	return 0;
}
