// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the packet programs cost, in nanoseconds above a program that does
 * nothing, beside naive hashes. BPF_PROG_TEST_RUN; programs and packets take
 * turns in every round. What else the machine does can only make a run slower,
 * so that the quickest of a program's runs is the program's. They are loaded
 * anew now and then, for where the JIT puts a program is worth a nanosecond or
 * two either way: printed is the median of the loads. There are times at which a
 * core is shared and all is slower, the more so what waits for nothing: loads of then
 * are left out, as the program that does nothing tells them, where there are others.
 * JSON on stdout.
 *
 * usage: packet [LOADS [KIND...]]   KIND: those packets only, as "tcp esp_known"
 *	LOADS: of undisturbed ones; three times as many are tried
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
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
#include "user/packet_skel.h"

#define REPEAT	   100000
#define REPEAT_IKE 50000 /* fits into the ring, which is emptied after each */
#define LOADS	   15
#define LOADS_MAX  99
#define TRIES	   3   /* times LOADS: no more loads, however few are undisturbed */
#define DISTURBED  1.4 /* of the quickest load; where the JIT puts it is worth 1.2 */
#define LOAD_TURNS 7   /* rounds with the programs where they are */

enum program { EMPTY, OURS, NAIVE, NAIVE_LRU, RECORD, TIMED, PROGRAMS };

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
	uint32_t sas; /* known ones that take turns; 0: one */
	bool left_out;
	double cost[PROGRAMS][LOADS_MAX * TRIES]; /* of each load, the least */
};

#define KNOWN	0xc2d37a2cu
#define KNOWN6	0xc2d37b2du
#define UNKNOWN 0x11223344u
#define CROWDED 0x11225566u

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
	{ .name = "esp_1000", .payload = msg_esp, .spi = KNOWN, .sas = 1000, .naive = true },
	{ .name = "esp_3000", .payload = msg_esp, .spi = KNOWN, .sas = 3000, .naive = true },
	{ .name = "esp_unknown", .payload = msg_esp, .spi = UNKNOWN, .naive = true },
	{ .name = "esp_crowded", .payload = msg_esp, .spi = CROWDED, .naive = true },
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

/* As if by chance, as daemons choose them, and the same in every run (splitmix64). */
static uint32_t spi_of(const struct kind *kind, uint32_t i)
{
	uint64_t mix = i * 0x9e3779b97f4a7c15ULL;

	mix = (mix ^ mix >> 30) * 0xbf58476d1ce4e5b9ULL;
	mix = (mix ^ mix >> 27) * 0x94d049bb133111ebULL;
	return i ? 0xc0000000U | (uint32_t)(mix >> 34) : kind->spi;
}

static struct ikw_esp_key key_of(const struct kind *kind, uint32_t spi)
{
	struct ikw_esp_key key = { .kind = IKW_ESP_KIND(IKW_DIR_IN, kind->net >= NET_V6 ? 6 : 4) };
	uint8_t daddr[16] = { [10] = 0xff, [11] = 0xff };

	if (kind->net >= NET_V6)
		memcpy(daddr, frame_v6[1], 16);
	else
		memcpy(daddr + 12, frame_v4[1], 4);
	memcpy(key.daddr, daddr, 16);
	for (int i = 0; i < 4; i++)
		key.spi[i] = (uint8_t)(spi >> (24 - 8 * i));
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
	ours = ikw_packet_skel_open((uint32_t)libbpf_num_possible_cpus(), 0);
	bench = bench_bpf__open();
	if (!ours || !bench)
		die("open");
	ours->rodata->ikw_window_free = UINT32_MAX; /* as if each were the first for a while */
	if (packet_bpf__load(ours) || bench_bpf__load(bench))
		die("load");
	ring = ring_buffer__new(bpf_map__fd(ours->maps.ikw_events), forget, NULL, NULL);
	if (!ring || ring_buffer__add(ring, bpf_map__fd(bench->maps.ikw_events), forget, NULL))
		die("ring");
	fds[EMPTY] = bpf_program__fd(bench->progs.bench_empty);
	fds[OURS] = bpf_program__fd(ours->progs.ikw_xdp);
	fds[NAIVE] = bpf_program__fd(bench->progs.bench_naive);
	fds[NAIVE_LRU] = bpf_program__fd(bench->progs.bench_naive_lru);
	fds[RECORD] = bpf_program__fd(bench->progs.bench_record);
	fds[TIMED] = bpf_program__fd(bench->progs.bench_record_timed);
}

/* Makes some other known SA have a place. */
static void occupy(struct ikw_esp_slot *slots, uint32_t place)
{
	slots[place].key.kind = IKW_ESP_KIND(IKW_DIR_IN, 4);
	slots[place].known = 1;
}

/* As the agent does: an SA it knows has its slot; "crowded" finds both its places taken. */
static void know(void)
{
	uint32_t cpus = (uint32_t)libbpf_num_possible_cpus();
	int fd = bpf_map__fd(ours->maps.ikw_esp);
	struct ikw_esp_slots *slots =
		ikw_esp_slots_open(fd, bpf_map__fd(ours->maps.ikw_esp_more), 0, cpus);
	struct ikw_esp_slot *memory;
	size_t size = (size_t)IKW_ESP_SLOTS * cpus * sizeof(*memory);

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!slots || memory == MAP_FAILED)
		die("slots");
	for (size_t i = 0; i < KINDS; i++) {
		struct ikw_esp_key key = key_of(&kinds[i], kinds[i].spi);

		for (uint32_t n = 0; kinds[i].spi == KNOWN && n <= kinds[i].sas; n++)
			ikw_esp_slots_know(slots, (uint8_t *)key.daddr, spi_of(&kinds[i], n),
					   IKW_DIR_IN, 0);
		if (strcmp(kinds[i].name, "esp_crowded"))
			continue;
		for (int which = 0; which < 2; which++)
			occupy(memory, ikw_esp_place(&key, which, (uint32_t)sched_getcpu(), 0));
	}
	munmap(memory, size);
	ikw_esp_slots_close(slots);
}

/* ---- measuring ---------------------------------------------------------------- */

/* The program to run: for ESP the one that numbers the packets, before the one that is meant. */
static int prepare(struct kind *kind, enum program program)
{
	__u32 zero = 0;

	if (!kind->spi)
		return fds[program];
	if (bpf_map_update_elem(bpf_map__fd(bench->maps.bench_next), &zero, &fds[program], BPF_ANY))
		die("bench_next");
	bench->bss->bench_at = (uint32_t)kind->frame.payload - 4;
	bench->data->bench_sas = kind->sas ? kind->sas : 1;
	for (uint32_t i = 0; i < bench->data->bench_sas; i++)
		bench->bss->bench_spis[i] = htonl(spi_of(kind, i));
	return bpf_program__fd(bench->progs.bench_numbered);
}

static double run(struct kind *kind, enum program program)
{
	uint32_t repeat = kind->len ? REPEAT_IKE : REPEAT;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = kind->frame.bytes,
		    .data_size_in = (__u32)kind->frame.len, .repeat = (int)repeat);
	int fd = prepare(kind, program);
	uint64_t start = clock_ns(), took;

	if (bpf_prog_test_run_opts(fd, &opts))
		die("test run");
	took = clock_ns() - start;
	if (opts.retval != XDP_PASS) {
		fprintf(stderr, "packet: %s: the program did not pass it\n", kind->name);
		exit(1);
	}
	if (kind->len && program != EMPTY && ring_buffer__consume(ring) < 0)
		die("ring");
	return (double)took / repeat;
}

/* The naive programs count ESP only; bare records are compared with IKE's. */
static bool measured(const struct kind *kind, enum program p)
{
	if (kind->left_out)
		return false;
	if (p == NAIVE_LRU)
		return kind->naive && kind->spi;
	return p < NAIVE || (p == NAIVE ? kind->naive : kind->len > 0);
}

static void measure_turn(unsigned int load, bool first)
{
	for (size_t i = 0; i < KINDS; i++)
		for (enum program p = 0; p < PROGRAMS; p++) {
			double *least = &kinds[i].cost[p][load], took;

			if (!measured(&kinds[i], p))
				continue;
			took = run(&kinds[i], p);
			if (first || took < *least)
				*least = took;
		}
}

static void measure(unsigned int load)
{
	for (unsigned int turn = 0; turn < LOAD_TURNS; turn++) {
		ours->bss->ikw_tick += 1000000;
		measure_turn(load, turn == 0);
	}
}

static bool undisturbed(const struct kind *kind, unsigned int load, unsigned int loads)
{
	double least = kind->cost[EMPTY][load];

	for (unsigned int i = 0; i < loads; i++)
		if (kind->cost[EMPTY][i] < least)
			least = kind->cost[EMPTY][i];
	return kind->cost[EMPTY][load] <= least * DISTURBED;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(const double *values, unsigned int count)
{
	double sorted[LOADS_MAX * TRIES];

	memcpy(sorted, values, count * sizeof(*values));
	qsort(sorted, count, sizeof(*sorted), by_value);
	return sorted[count / 2];
}

/* Of what the program cost above an empty one (above nothing: that one's own cost), in ns. */
static double middle(const struct kind *kind, enum program p, unsigned int loads)
{
	double costs[LOADS_MAX * TRIES];
	unsigned int count = 0;

	for (unsigned int i = 0; i < loads; i++)
		if (undisturbed(kind, i, loads))
			costs[count++] = kind->cost[p][i] - (p == EMPTY ? 0 : kind->cost[EMPTY][i]);
	return median(costs, count);
}

/* How many loads each kind has at least that count. */
static unsigned int usable(unsigned int loads)
{
	unsigned int least = loads;

	for (size_t k = 0; k < KINDS; k++) {
		unsigned int count = 0;

		for (unsigned int i = 0; i < loads; i++)
			count += undisturbed(&kinds[k], i, loads);
		if (!kinds[k].left_out && count < least)
			least = count;
	}
	return least;
}

static uint64_t counted_in_slots(void)
{
	struct ikw_esp_slots *slots = ikw_esp_slots_open(bpf_map__fd(ours->maps.ikw_esp),
							 bpf_map__fd(ours->maps.ikw_esp_more), 0,
							 (uint32_t)libbpf_num_possible_cpus());
	uint64_t packets;

	if (!slots)
		die("slots");
	packets = ikw_esp_slots_packets(slots);
	ikw_esp_slots_close(slots);
	return packets;
}

/* Every packet was what it was meant to be: the programs counted them. */
static void check(void)
{
	uint64_t esp = counted_in_slots(), ike = 0, esps = 0, ikes = 0;

	for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
		struct ikw_counts row;

		bpf_map_lookup_elem(bpf_map__fd(ours->maps.ikw_counts), &i, &row);
		esp += row.esp;
		ike += row.ike;
	}
	for (size_t i = 0; i < KINDS; i++) {
		if (kinds[i].left_out)
			continue;
		esps += strncmp(kinds[i].name, "esp", 3) ? 0 : LOAD_TURNS * REPEAT;
		ikes += kinds[i].len ? LOAD_TURNS * REPEAT_IKE : 0;
	}
	if (esp != esps || ike != ikes) {
		fprintf(stderr, "packet: counted %llu ESP, %llu IKE: not what was sent\n",
			(unsigned long long)esp, (unsigned long long)ike);
		exit(1);
	}
}

static void print_kind(const struct kind *kind, unsigned int loads)
{
	printf(",\n \"packet.%s.empty_ns\": %.2f, \"packet.%s.extra_ns\": %.2f", kind->name,
	       middle(kind, EMPTY, loads), kind->name, middle(kind, OURS, loads));
	if (kind->naive)
		printf(", \"packet.%s.naive_extra_ns\": %.2f", kind->name,
		       middle(kind, NAIVE, loads));
	if (measured(kind, NAIVE_LRU))
		printf(", \"packet.%s.naive_lru_extra_ns\": %.2f", kind->name,
		       middle(kind, NAIVE_LRU, loads));
	if (kind->len)
		printf(", \"packet.%s.bare_record_ns\": %.2f, \"packet.%s.timed_record_ns\": %.2f",
		       kind->name, middle(kind, RECORD, loads), kind->name,
		       middle(kind, TIMED, loads));
}

static void print(unsigned int loads)
{
	printf("{\"packet.repeats\": %u, \"packet.loads\": %u, \"packet.disturbed_loads\": %u",
	       loads * LOAD_TURNS * REPEAT, loads, loads - usable(loads));
	for (size_t i = 0; i < KINDS; i++)
		if (!kinds[i].left_out)
			print_kind(&kinds[i], loads);
	printf("}\n");
}

/* False: one of the names is no packet's. */
static bool choose(char **names, int count)
{
	int found = 0;

	if (count <= 0)
		return true;
	for (size_t i = 0; i < KINDS; i++) {
		kinds[i].left_out = true;
		for (int n = 0; n < count; n++)
			if (!strcmp(names[n], kinds[i].name))
				kinds[i].left_out = false;
		found += !kinds[i].left_out;
	}
	return found == count;
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
	unsigned int taken = 0;

	if (loads < 1 || loads > LOADS_MAX || !choose(argv + 2, argc - 2)) {
		fprintf(stderr, "usage: packet [LOADS [KIND...]]\n");
		return 2;
	}
	setpriority(PRIO_PROCESS, 0, -10); /* where it is not allowed it only takes longer */
	pin_cpu();
	for (size_t i = 0; i < KINDS; i++)
		make(&kinds[i]);
	while (usable(taken) < (unsigned int)loads && taken < (unsigned int)loads * TRIES) {
		load();
		know();
		measure(taken++);
		check();
		unload();
	}
	print(taken);
	return 0;
}
