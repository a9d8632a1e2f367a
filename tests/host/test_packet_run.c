// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The packet programs in this kernel, through BPF_PROG_TEST_RUN: they pass
 * every packet, say of it what the parser says on the host, count ESP without
 * mixing SAs, and keep a flood out of the ring.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "bpf/ike.h"
#include "bpf/maps.h"
#include "bpf/packet.h"
#include "packet.skel.h"
#include "tests/frames.h"
#include "tests/host/need_bpf.h"
#include "user/esp_slots.h"
#include "user/packet_skel.h"

#define NETNS	 4026531840u
#define ALIKE	 64    /* SAs */
#define SHIFT	 3     /* 4,096 slots */
#define OWN	 14500 /* a port that an operator named */
#define MESSAGES 512

struct fixture {
	struct packet_bpf *skel;
	struct ring_buffer *ring;
	struct ikw_esp_slot *slots;
	size_t bytes; /* of them */
	uint32_t shift;
	int cpu;
	int count;
	int quick; /* of these came in short */
	struct ikw_ike got[MESSAGES];
};

/* A program, what it returns for any packet, and how it takes one. */
struct way {
	const char *name;
	int verdict;
	enum ikw_start from;
	enum ikw_dir dir;
};

static const struct way ways[] = {
	{ "ikw_xdp", XDP_PASS, IKW_START_ETHERNET, IKW_DIR_IN },
	{ "ikw_xdp_plain", XDP_PASS, IKW_START_ETHERNET, IKW_DIR_IN },
	{ "ikw_tc_in", TC_ACT_UNSPEC, IKW_START_ETHERNET, IKW_DIR_IN },
	{ "ikw_tc_out", TC_ACT_UNSPEC, IKW_START_ETHERNET, IKW_DIR_OUT },
	{ "ikw_tc_in_ip", TC_ACT_UNSPEC, IKW_START_IP, IKW_DIR_IN },
	{ "ikw_tc_out_ip", TC_ACT_UNSPEC, IKW_START_IP, IKW_DIR_OUT },
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static const struct ikw_parse_cfg cfg = { .ike = { 500, 600, OWN },
					  .natt = 4500,
					  .radius = { 3799, 1812 } };

static struct fixture fx;

static int keep(void *ctx, void *data, size_t size)
{
	const struct ikw_hdr *hdr = data;
	struct ikw_quick quick;
	struct ikw_ike ike;

	(void)ctx;
	assert_int_equal(size, hdr->size);
	if (hdr->type == IKW_EV_QUICK) {
		assert_int_equal(size, sizeof(quick));
		memcpy(&quick, data, sizeof(quick));
		assert_true(ikw_quick_open(&quick, &ike));
		fx.quick++;
	} else {
		assert_int_equal(size, sizeof(ike));
		memcpy(&ike, data, sizeof(ike));
	}
	if (fx.count < MESSAGES)
		fx.got[fx.count] = ike;
	fx.count++;
	return 0;
}

/* Stays on one CPU, so that it is known whose slots count. */
static void pin_cpu(void)
{
	cpu_set_t set;

	fx.cpu = sched_getcpu();
	CPU_ZERO(&set);
	CPU_SET(fx.cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void open_skel(void)
{
	fx.skel = ikw_packet_skel_open((uint32_t)libbpf_num_possible_cpus(), fx.shift);
	assert_non_null(fx.skel);
	/* before 5.18 the kernel knows no frags; the other variant is tested alike */
	bpf_program__set_autoload(
		fx.skel->progs.ikw_xdp,
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_load_bytes, NULL) == 1);
	fx.skel->rodata->ikw_netns = NETNS;
	fx.skel->rodata->ikw_cfg.ike[1] = cfg.ike[1];
	fx.skel->rodata->ikw_cfg.ike[2] = cfg.ike[2];
}

static void open_fixture(uint32_t shift)
{
	memset(&fx, 0, sizeof(fx));
	fx.shift = shift;
	pin_cpu();
	open_skel();
}

static void load(void)
{
	assert_int_equal(packet_bpf__load(fx.skel), 0);
	fx.bytes = bpf_map__value_size(fx.skel->maps.ikw_esp);
	fx.slots = mmap(NULL, fx.bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_map__fd(fx.skel->maps.ikw_esp), 0);
	assert_ptr_not_equal(fx.slots, MAP_FAILED);
	fx.ring = ring_buffer__new(bpf_map__fd(fx.skel->maps.ikw_events), keep, NULL, NULL);
	assert_non_null(fx.ring);
}

static int setup(void **state)
{
	(void)state;
	open_fixture(SHIFT);
	fx.skel->rodata->ikw_window_free = UINT32_MAX; /* no rate limit */
	load();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ring_buffer__free(fx.ring);
	munmap(fx.slots, fx.bytes);
	packet_bpf__destroy(fx.skel);
	return 0;
}

static int run_often(const struct way *way, const void *bytes, size_t len, int times)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(fx.skel->obj, way->name);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = (__u32)len,
		    .repeat = times);

	assert_non_null(prog);
	if (!bpf_program__autoload(prog))
		prog = fx.skel->progs.ikw_xdp_plain;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
	return (int)opts.retval;
}

static int run(const struct way *way, const void *bytes, size_t len)
{
	return run_often(way, bytes, len, 1);
}

static void drain(void)
{
	fx.count = fx.quick = 0;
	assert_true(ring_buffer__consume(fx.ring) >= 0);
}

static struct ikw_counts counts(void)
{
	struct ikw_counts row;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fx.skel->maps.ikw_counts), &fx.cpu, &row),
			 0);
	return row;
}

/* ---- the same as on the host ---------------------------------------------------- */

/* What the parser makes of it here; false: no IKE message. */
static int host_says(const struct way *way, const uint8_t *bytes, size_t len, struct ikw_ike *ike)
{
	struct ikw_packet pkt = { 0 };

	memset(ike, 0, sizeof(*ike));
	if (ikw_parse(bytes, bytes + len, way->from, &cfg, way->dir, &pkt) != IKW_KIND_IKE)
		return 0;
	ikw_fill_ike(&pkt, bytes + len, way->dir, ike);
	return 1;
}

static void check_record(const struct ikw_ike *got, const struct ikw_ike *want)
{
	size_t from = sizeof(struct ikw_hdr);
	struct ikw_ike plain = *got;

	assert_int_equal(got->hdr.type, IKW_EV_IKE);
	assert_int_equal(got->hdr.size, sizeof(*got));
	assert_int_equal(got->hdr.cpu, fx.cpu);
	assert_int_equal(got->hdr.netns, NETNS);
	assert_true(got->hdr.time > 0);
	plain.ifindex = 0;
	assert_memory_equal((char *)&plain + from, (const char *)want + from, sizeof(plain) - from);
}

static void check_way(const struct way *way, const uint8_t *bytes, size_t len)
{
	struct ikw_ike want;
	int is_ike = host_says(way, bytes, len, &want);

	assert_int_equal(run(way, bytes, len), way->verdict);
	drain();
	assert_int_equal(fx.count, is_ike);
	if (is_ike)
		check_record(&fx.got[0], &want);
}

struct message {
	unsigned int sport, dport;
	int marked;
	const uint8_t *bytes;
	size_t len;
};

#define MESSAGE(sport, dport, marked, msg)                                                         \
	{                                                                                          \
		sport, dport, marked, msg, sizeof(msg)                                             \
	}

static const struct message messages[] = {
	MESSAGE(500, 500, 0, msg_v2_dpd),
	MESSAGE(500, 500, 0, msg_v2_init_response),
	MESSAGE(500, 500, 0, msg_v2_invalid_spi),
	MESSAGE(500, 500, 0, msg_v2_skf),
	MESSAGE(500, 500, 0, msg_v1_main2),
	MESSAGE(500, 500, 0, msg_v1_invalid_spi),
	MESSAGE(500, 500, 0, msg_v1_info),
	MESSAGE(4500, 61234, 1, msg_v2_init_response),
	MESSAGE(61234, 4500, 1, msg_v1_main2),
	MESSAGE(4500, 4500, 0, msg_esp),
	MESSAGE(0, 0, 0, msg_esp),
	MESSAGE(4500, 4500, 0, msg_keepalive),
	MESSAGE(40000, 443, 0, msg_esp),
	MESSAGE(600, 600, 0, msg_v1_main2),
	MESSAGE(OWN, 61234, 0, msg_v2_init_response),
	MESSAGE(OWN, OWN, 1, msg_v2_init_response),
	MESSAGE(61234, OWN, 1, msg_v1_info),
	MESSAGE(OWN, OWN, 0, msg_esp),
	MESSAGE(61234, OWN, 0, msg_keepalive),
};

#define MESSAGE_COUNT (sizeof(messages) / sizeof(messages[0]))

static void make(struct frame *f, const struct message *m, int link, int net)
{
	uint8_t marked[512];
	size_t len = m->marked ? msg_marked(marked, m->bytes, m->len) : m->len;

	frame_make(f, (enum frame_link)link, (enum frame_net)net, m->sport, m->dport,
		   m->marked ? marked : m->bytes, len);
}

/* The kernel's test run wants an Ethernet header's length at least. */
#define TEST_RUN_MIN 14

static void test_every_stack(void **state)
{
	struct frame f;

	(void)state;
	for (size_t w = 0; w < WAYS; w++)
		for (int link = 0; link < LINKS; link++)
			for (int net = 0; net < NETS; net++)
				for (size_t m = 0; m < MESSAGE_COUNT; m++) {
					if ((link == LINK_IP) != (ways[w].from == IKW_START_IP))
						continue;
					make(&f, &messages[m], link, net);
					check_way(&ways[w], f.bytes, f.len);
				}
}

static void test_every_cut(void **state)
{
	struct frame f;

	(void)state;
	for (size_t w = 0; w < WAYS; w++) {
		int ip = ways[w].from == IKW_START_IP;

		for (int net = 0; net < NETS; net++) {
			make(&f, &messages[1], ip ? LINK_IP : LINK_QINQ, net);
			for (size_t len = TEST_RUN_MIN; len < f.len; len++)
				check_way(&ways[w], f.bytes, len);
		}
	}
}

static uint32_t random_state = 1;

static uint32_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

/* Some bytes changed anywhere: still what the host says, still passed. */
static void test_damage(void **state)
{
	struct frame f;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		const struct way *way = &ways[random_next() % WAYS];
		int ip = way->from == IKW_START_IP;

		make(&f, &messages[random_next() % MESSAGE_COUNT],
		     ip ? LINK_IP : (int)(random_next() % LINK_IP), (int)(random_next() % NETS));
		for (uint32_t n = random_next() % 4 + 1; n; n--)
			f.bytes[random_next() % f.len] = (uint8_t)random_next();
		check_way(way, f.bytes, f.len);
	}
}

/* What leaves but came in before, as the kernel notes it in the packet, is said to be forwarded. */
static void test_forwarded(void **state)
{
	const struct way *way = &ways[2]; /* XDP sees what comes in */
	struct bpf_program *prog;
	struct frame f;
	int err;

	(void)state;
	for (; way < ways + WAYS; way++)
		for (__u32 from = 0; from < 2; from++) {
			struct __sk_buff ctx = { .ifindex = 1, .ingress_ifindex = from };
			int ip = way->from == IKW_START_IP, out = way->dir == IKW_DIR_OUT;
			LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.bytes, .ctx_in = &ctx,
				    .ctx_size_in = sizeof(ctx), .repeat = 1);

			make(&f, &messages[0], ip ? LINK_IP : 0, 0);
			opts.data_size_in = (__u32)f.len;
			prog = bpf_object__find_program_by_name(fx.skel->obj, way->name);
			assert_non_null(prog);
			err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);
			if (err == -EINVAL && from) {
				print_message("skipped: this kernel's test runs take no "
					      "ingress_ifindex in __sk_buff\n");
				skip();
			}
			assert_int_equal(err, 0);
			drain();
			assert_int_equal(fx.count, 1);
			assert_int_equal(fx.got[0].flags2 & IKW_IKE_FORWARDED,
					 from && out ? IKW_IKE_FORWARDED : 0);
		}
}

static void test_sequence(void **state)
{
	struct frame f;

	(void)state;
	make(&f, &messages[0], LINK_ETH, NET_V4);
	for (int i = 0; i < 5; i++)
		run(&ways[i % 4], f.bytes, f.len);
	drain();
	assert_int_equal(fx.count, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(fx.got[i].hdr.seq, i + 1);
}

/* Messages far apart have each their own time; of a burst a few in a jiffy, none earlier than the
 * one before. */
static void test_times(void **state)
{
	uint64_t first, last, own = 1;
	struct frame f;

	(void)state;
	make(&f, &messages[0], LINK_ETH, NET_V4);
	for (int i = 0; i < 3; i++, usleep(20000))
		run(&ways[0], f.bytes, f.len);
	for (int i = 3; i < MESSAGES; i++)
		run(&ways[i % 4], f.bytes, f.len);
	drain();
	assert_int_equal(fx.count, MESSAGES);
	for (int i = 1; i < 4; i++)
		assert_true(fx.got[i].hdr.time >= fx.got[i - 1].hdr.time + 20000000);
	first = fx.got[3].hdr.time;
	last = fx.got[MESSAGES - 1].hdr.time;
	for (int i = 4; i < MESSAGES; i++) {
		assert_true(fx.got[i].hdr.time >= fx.got[i - 1].hdr.time);
		own += fx.got[i].hdr.time > fx.got[i - 1].hdr.time;
	}
	/* a jiffy is a millisecond at least */
	assert_true(own <= IKW_JIFFY_EXACT * ((last - first) / 1000000 + 2));
}

/* Most of a burst goes another way through the program, and comes out the same. */
static void check_burst(const struct message *m, int net)
{
	const struct way *way = &ways[0];
	struct ikw_ike want;
	struct frame f;
	int shared = 0;

	make(&f, m, LINK_ETH, net);
	assert_true(host_says(way, f.bytes, f.len, &want));
	usleep(20000); /* a jiffy of its own: the first ones are told at length */
	run_often(way, f.bytes, f.len, MESSAGES);
	drain();
	assert_int_equal(fx.count, MESSAGES);
	check_record(&fx.got[0], &want);
	for (int i = 1; i < MESSAGES; i++) {
		assert_int_equal(fx.got[i].hdr.seq, fx.got[i - 1].hdr.seq + 1);
		shared += fx.got[i].hdr.time == fx.got[i - 1].hdr.time;
		check_record(&fx.got[i], &want);
	}
	assert_true(shared > 0); /* or it was no burst */
	if (net == NET_V4 && ikw_is_sealed((const void *)m->bytes))
		assert_true(fx.quick > 0 && fx.quick < MESSAGES);
	else
		assert_int_equal(fx.quick, 0);
}

static void test_burst(void **state)
{
	static const struct message kinds[] = {
		MESSAGE(500, 500, 0, msg_v2_dpd),   MESSAGE(61234, 500, 0, msg_v2_dpd),
		MESSAGE(4500, 4500, 1, msg_v2_dpd), MESSAGE(4500, 61234, 1, msg_v2_dpd),
		MESSAGE(500, 500, 0, msg_v2_skf),   MESSAGE(500, 500, 0, msg_v1_info),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		check_burst(&kinds[i], NET_V4);
		check_burst(&kinds[i], NET_V6);
	}
}

static void test_counts(void **state)
{
	struct ikw_counts row;
	struct frame f;

	(void)state;
	make(&f, &messages[0], LINK_ETH, NET_V4);
	run(&ways[0], f.bytes, f.len);
	run(&ways[2], f.bytes, 40); /* cut in the UDP header */
	frame_set16(&f, f.ip + 6, 7);
	run(&ways[2], f.bytes, f.len);
	frame_set16(&f, f.ip + 6, 0);
	f.bytes[f.payload + 17] = 0x30;
	run(&ways[0], f.bytes, f.len);
	make(&f, &messages[10], LINK_ETH, NET_V6);
	run(&ways[0], f.bytes, f.len);
	make(&f, &messages[11], LINK_ETH, NET_V4);
	run(&ways[0], f.bytes, f.len);
	make(&f, &messages[12], LINK_ETH, NET_V4); /* not ours: not counted anywhere */
	run(&ways[0], f.bytes, f.len);
	row = counts();
	assert_int_equal(row.ike, 1);
	assert_int_equal(row.unread, 1);
	assert_int_equal(row.fragment, 1);
	assert_int_equal(row.malformed, 1);
	assert_int_equal(row.esp, 0); /* it has a slot */
	assert_int_equal(row.keepalive, 1);
	assert_int_equal(row.suppressed, 0);
}

/* ---- ESP ------------------------------------------------------------------------------ */

struct esp_frame {
	uint32_t spi;
	uint32_t seq;
	uint8_t host; /* last byte of the destination */
	int v6;
};

static void send_esp(const struct way *way, struct esp_frame e, size_t len)
{
	uint8_t msg[1024] = { 0 };
	struct frame f;

	for (int i = 0; i < 4; i++) {
		msg[i] = (uint8_t)(e.spi >> (24 - 8 * i));
		msg[4 + i] = (uint8_t)(e.seq >> (24 - 8 * i));
	}
	frame_make(&f, LINK_ETH, e.v6 ? NET_V6 : NET_V4, 0, 0, msg, len);
	f.bytes[f.ip + (e.v6 ? 39 : 19)] = e.host;
	assert_int_equal(run(way, f.bytes, f.len), way->verdict);
}

static struct ikw_esp_key key_of(struct esp_frame e, enum ikw_dir dir)
{
	struct ikw_esp_key key = { .kind = IKW_ESP_KIND(dir, e.v6 ? 6 : 4) };
	uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };

	if (e.v6)
		memcpy(addr, frame_v6[1], 16);
	else
		memcpy(addr + 12, frame_v4[1], 4);
	addr[15] = e.host;
	memcpy(key.daddr, addr, 16);
	for (int i = 0; i < 4; i++)
		key.spi[i] = (uint8_t)(e.spi >> (24 - 8 * i));
	return key;
}

static int in_slot(const struct ikw_esp_key *key, int which, struct ikw_esp_slot *slot)
{
	*slot = fx.slots[ikw_esp_place(key, which, (uint32_t)fx.cpu, fx.shift)];
	return !memcmp(&slot->key, key, sizeof(*key));
}

static int in_hash(const struct ikw_esp_key *key, struct ikw_esp_slot *slot)
{
	struct ikw_esp_slot *rows = calloc((size_t)libbpf_num_possible_cpus(), sizeof(*rows));
	int found;

	assert_non_null(rows);
	found = !bpf_map_lookup_elem(bpf_map__fd(fx.skel->maps.ikw_esp_more), key, rows);
	*slot = rows[fx.cpu];
	free(rows);
	return found;
}

/* Where the SA is: 0 first place, 1 second, 2 hash; -1: nowhere. */
static int find(struct esp_frame e, enum ikw_dir dir, struct ikw_esp_slot *slot)
{
	struct ikw_esp_key key = key_of(e, dir);

	for (int which = 0; which < 2; which++)
		if (in_slot(&key, which, slot))
			return which;
	return in_hash(&key, slot) ? 2 : -1;
}

/* Kernel and user space agree on the places, however many slots there are. */
static void test_esp_shifts(void **state)
{
	static const uint32_t spis[] = { 0xc0000001, 0xc0000002, 0xc0a5a5a5, 0xffffffff };
	struct ikw_esp_slot slot;

	for (uint32_t shift = 0; shift <= IKW_ESP_SHIFT_MOST; shift++) {
		open_fixture(shift);
		load();
		for (uint32_t i = 0; i < sizeof(spis) / sizeof(spis[0]); i++) {
			struct esp_frame e = { .spi = spis[i], .seq = 1, .host = 2 };

			for (size_t way = 0; way < WAYS; way++)
				if (ways[way].from == IKW_START_ETHERNET)
					send_esp(&ways[way], e, 100);
			assert_int_equal(find(e, IKW_DIR_IN, &slot), 0);
			assert_int_equal(slot.packets, 3);
			/* the same word, so the same first place, which is taken */
			assert_int_equal(find(e, IKW_DIR_OUT, &slot), 1);
			assert_int_equal(slot.packets, 1);
		}
		teardown(state);
	}
}

/* The map is as large as the CPUs need, and says so: bpftool shows slot by slot. */
static void test_esp_map(void **state)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	struct bpf_program *program;

	static const struct {
		uint32_t cpus, shift, all;
	} maps[] = { { 1, 5, 1024 }, { 48, 5, 65536 }, { 4, 0, 131072 }, { 256, 5, 262144 } };

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		/* more than 4 MiB not every kernel takes: fewer slots then */
		uint32_t shift = ikw_packet_esp_shift(maps[i].cpus, maps[i].shift);

		memset(&fx, 0, sizeof(fx));
		fx.skel = ikw_packet_skel_open(maps[i].cpus, shift);
		assert_non_null(fx.skel);
		bpf_object__for_each_program(program, fx.skel->obj)
			bpf_program__set_autoload(program, program == fx.skel->progs.ikw_tc_in);
		load();
		assert_int_equal(
			bpf_obj_get_info_by_fd(bpf_map__fd(fx.skel->maps.ikw_esp), &info, &size),
			0);
		assert_int_equal(info.value_size, (maps[i].all >> (shift - maps[i].shift)) *
							  sizeof(struct ikw_esp_slot));
		assert_true(shift == maps[i].shift || info.value_size == 4 << 20);
		assert_int_not_equal(info.btf_value_type_id, 0);
		teardown(state);
	}
}

static void test_esp_counts(void **state)
{
	struct esp_frame e = { .spi = 0xc2d37a2c, .host = 2 };
	struct ikw_esp_slot slot;

	(void)state;
	fx.skel->bss->ikw_tick = 1000;
	for (uint32_t seq = 1; seq <= 10; seq++) {
		e.seq = seq;
		send_esp(&ways[0], e, 100);
	}
	fx.skel->bss->ikw_tick = 2000;
	e.seq = 5;
	send_esp(&ways[2], e, 200); /* late, by another hook */
	e.seq = 0;
	assert_int_equal(find(e, IKW_DIR_IN, &slot), 0);
	assert_int_equal(slot.packets, 11);
	assert_int_equal(slot.bytes, 10 * 120 + 220);
	assert_int_equal(slot.last, 2000);
	assert_int_equal(slot.seq_first, 1);
	assert_int_equal(slot.seq_high, 10);
	assert_int_equal(slot.reordered, 1);
	assert_int_equal(find(e, IKW_DIR_OUT, &slot), -1);
	drain();
	assert_int_equal(fx.count, 0);
}

/* A packet that has the name of a counted SA where the usual one would have it, and is not usual.
 */
static const struct {
	const char *what;
	unsigned int at; /* of the IP header */
	uint8_t bytes[2];
	unsigned int packets;
	unsigned int malformed;
	unsigned int fragments;
} unusual[] = {
	{ "nothing", 8, { 64, 50 }, 1, 0, 0 },
	{ "TTL and DF", 6, { 0x40, 0 }, 1, 0, 0 },
	{ "shorter than the ESP header", 2, { 0, 27 }, 0, 1, 0 },
	{ "shorter than the IP header", 2, { 0, 3 }, 0, 1, 0 },
	{ "just the ESP header", 2, { 0, 28 }, 1, 0, 0 },
	{ "first fragment", 6, { 0x20, 0 }, 1, 0, 0 },
	{ "later fragment", 6, { 0x20, 1 }, 0, 0, 1 },
	{ "last fragment", 6, { 0, 0xb9 }, 0, 0, 1 },
	{ "IP version 6", 0, { 0x65, 0 }, 0, 1, 0 },
	{ "AH", 8, { 64, 51 }, 0, 0, 0 },
	{ "no SPI", 20, { 0, 0 }, 0, 0, 0 }, /* another SPI, in fact: the upper half is zero */
};

static void test_esp_unusual(void **state)
{
	struct esp_frame e = { .spi = 0xc2d37a2c, .host = 2 };
	struct ikw_esp_slot before, after;
	struct ikw_counts old, new;
	struct frame f;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 0, 0, msg_esp, sizeof(msg_esp));
	run(&ways[2], f.bytes, f.len);
	for (size_t i = 0; i < sizeof(unusual) / sizeof(unusual[0]); i++)
		for (size_t way = 0; way < 3; way++) {
			struct frame g = f;

			memcpy(g.bytes + g.ip + unusual[i].at, unusual[i].bytes, 2);
			old = counts();
			assert_int_equal(find(e, IKW_DIR_IN, &before), 0);
			assert_int_equal(run(&ways[way], g.bytes, g.len), ways[way].verdict);
			new = counts();
			assert_int_equal(find(e, IKW_DIR_IN, &after), 0);
			if (after.packets - before.packets != unusual[i].packets ||
			    new.malformed - old.malformed != unusual[i].malformed ||
			    new.fragment - old.fragment != unusual[i].fragments)
				fail_msg("%s by %s: %llu packets, %llu malformed, %llu fragments",
					 unusual[i].what, ways[way].name,
					 (unsigned long long)(after.packets - before.packets),
					 (unsigned long long)(new.malformed - old.malformed),
					 (unsigned long long)(new.fragment - old.fragment));
		}
	drain();
	assert_int_equal(fx.count, 0);
}

/* An SA that is known before its first packet, whose number may be any. */
static void test_esp_first_number(void **state)
{
	static const uint32_t numbers[] = { 1, 7, 0x7fffffff, 0x80000001, 0xfffffffd };
	struct ikw_esp_slot slot;

	(void)state;
	for (uint32_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct esp_frame e = { .spi = 0xc2d30000 + i * 64, .seq = numbers[i], .host = 2 };
		struct ikw_esp_key key = key_of(e, IKW_DIR_IN);

		fx.slots[ikw_esp_place(&key, 0, (uint32_t)fx.cpu, fx.shift)] =
			(struct ikw_esp_slot){ .key = key, .seq_high = IKW_ESP_NO_SEQ, .known = 1 };
		send_esp(&ways[0], e, 100);
		e.seq += 2;
		send_esp(&ways[0], e, 100);
		e.seq -= 1;
		send_esp(&ways[0], e, 100);
		assert_int_equal(find(e, IKW_DIR_IN, &slot), 0);
		assert_int_equal(slot.packets, 3);
		assert_int_equal(slot.seq_first, numbers[i]);
		assert_int_equal(slot.seq_high, numbers[i] + 2);
		assert_int_equal(slot.reordered, 1);
		assert_int_equal(slot.known, 1);
	}
}

/* In UDP it is the same SA. */
static void test_esp_in_udp(void **state)
{
	struct esp_frame e = { .spi = 0xc2d37a2c, .host = 2 };
	struct ikw_esp_slot slot;
	struct frame f;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 4500, 4500, msg_esp, sizeof(msg_esp));
	run(&ways[3], f.bytes, f.len);
	assert_int_equal(find(e, IKW_DIR_OUT, &slot), 0);
	assert_int_equal(slot.packets, 1);
	assert_int_equal(slot.bytes, 20 + 8 + sizeof(msg_esp));
	assert_int_equal(slot.seq_high, 7);
}

static void send_own(const struct way *way, int net, int marked, const uint8_t *msg, size_t len)
{
	struct message m = { OWN, OWN, marked, msg, len };
	struct frame f;

	make(&f, &m, way->from == IKW_START_IP ? LINK_IP : LINK_ETH, net);
	assert_int_equal(run(way, f.bytes, f.len), way->verdict);
}

/* Where the daemon has its NAT-T: IKE with a marker and without, ESP, and what keeps the NAT. */
static void test_own_port(void **state)
{
	struct esp_frame e = { .spi = 0xc2d37a2c, .host = 2 };
	struct ikw_esp_slot slot;
	uint64_t done = 0;

	(void)state;
	for (const struct way *way = ways; way < ways + WAYS; way++)
		for (e.v6 = 0; e.v6 < 2; e.v6++) {
			int net = e.v6 ? NET_V6 : NET_V4;
			uint64_t before = find(e, way->dir, &slot) < 0 ? 0 : slot.packets;

			send_own(way, net, 1, msg_v2_dpd, sizeof(msg_v2_dpd));
			send_own(way, net, 0, msg_v1_info, sizeof(msg_v1_info));
			send_own(way, net, 0, msg_esp, sizeof(msg_esp));
			send_own(way, net, 0, msg_keepalive, sizeof(msg_keepalive));
			drain();
			assert_int_equal(fx.count, 2);
			for (int i = 0; i < 2; i++) {
				assert_int_equal(fx.got[i].flags2, i ? 0 : IKW_IKE_NATT);
				assert_int_equal(fx.got[i].version, i ? 0x10 : 0x20);
				assert_int_equal(fx.got[i].dir, way->dir);
				assert_int_equal(fx.got[i].sport, OWN);
				assert_int_equal(fx.got[i].dport, OWN);
			}
			assert_true(find(e, way->dir, &slot) >= 0);
			assert_int_equal(slot.packets, before + 1);
			assert_int_equal(slot.bytes,
					 slot.packets * ((e.v6 ? 40 : 20) + 8 + sizeof(msg_esp)));
			assert_int_equal(counts().keepalive, ++done);
		}
	assert_int_equal(counts().ike, 2 * done);
	assert_int_equal(counts().malformed, 0);
}

/* ESP behind extension headers is counted like any other. */
static void test_esp_extended(void **state)
{
	struct esp_frame e = { .spi = 0xc2d37a2c, .host = 2, .v6 = 1 };
	struct ikw_esp_slot slot;
	struct frame f;

	(void)state;
	for (int net = NET_V6; net < NETS; net++) {
		frame_make(&f, LINK_VLAN, (enum frame_net)net, 0, 0, msg_esp, sizeof(msg_esp));
		run(&ways[net % 3], f.bytes, f.len);
	}
	assert_int_equal(find(e, IKW_DIR_IN, &slot), 0);
	assert_int_equal(slot.packets, NETS - NET_V6);
	/* IP headers, and extension headers of 8, 48, 24 and 8 bytes */
	assert_int_equal(slot.bytes, (NETS - NET_V6) * (40 + sizeof(msg_esp)) + 8 + 48 + 24 + 8);
}

/* Sequence numbers that wrap (with ESN only the lower half is sent). */
static void test_esp_wrap(void **state)
{
	struct esp_frame e = { .spi = 77, .host = 2 };
	struct ikw_esp_slot slot;

	(void)state;
	for (uint32_t seq = 0xfffffffe; seq != 3; seq++) {
		e.seq = seq;
		send_esp(&ways[0], e, 100);
	}
	find(e, IKW_DIR_IN, &slot);
	assert_int_equal(slot.packets, 5);
	assert_int_equal(slot.seq_high, 2);
	assert_int_equal(slot.reordered, 0);
}

/* Gives an entry to an SA that is known and never seen. */
static void occupy(uint32_t at)
{
	fx.slots[at] =
		(struct ikw_esp_slot){ .key = { .kind = IKW_ESP_KIND(IKW_DIR_IN, 4) }, .known = 1 };
}

/* Of SAs that share their first place, one in four finds the second taken as well. */
static struct esp_frame alike(uint32_t i)
{
	return (struct esp_frame){ .spi = 0xc2000a2c + i / 4 * 0x10000,
				   .seq = i + 1,
				   .host = (uint8_t)(i % 4),
				   .v6 = i & 1 };
}

/*
 * SAs that are all alike but for one thing: each is counted by itself, wherever
 * it is.
 */
static void test_esp_never_mixed(void **state)
{
	struct ikw_esp_slot slot;
	int places[3] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < ALIKE; i += 4) {
		struct ikw_esp_key key = key_of(alike(i), IKW_DIR_OUT);

		occupy(ikw_esp_place(&key, 1, (uint32_t)fx.cpu, fx.shift));
	}
	for (int round = 0; round < 3; round++)
		for (uint32_t i = 0; i < ALIKE; i++)
			send_esp(&ways[i & 2 ? 0 : 3], alike(i), 64 + i);
	for (uint32_t i = 0; i < ALIKE; i++) {
		struct esp_frame e = alike(i);
		int place = find(e, i & 2 ? IKW_DIR_IN : IKW_DIR_OUT, &slot);

		assert_in_range(place, 0, 2);
		places[place]++;
		assert_int_equal(slot.packets, 3);
		assert_int_equal(slot.bytes, 3 * (64 + i + (e.v6 ? 40 : 20)));
		assert_int_equal(slot.seq_high, i + 1);
	}
	assert_true(places[0] && places[1] && places[2]);
}

/* Where both places are taken, each CPU has a row in the hash, and a first number of its own. */
static void test_esp_hash_on_each_cpu(void **state)
{
	struct esp_frame e = { .spi = 0xc2d37a2c, .seq = 500, .host = 2 };
	struct ikw_esp_key key = key_of(e, IKW_DIR_IN);
	struct ikw_esp_slot slot;
	cpu_set_t set;

	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		print_message("skipped: there is one CPU here\n");
		skip();
	}
	for (int cpu = 0; cpu < 2; cpu++)
		for (int which = 0; which < 2; which++)
			occupy(ikw_esp_place(&key, which, (uint32_t)cpu, fx.shift));
	for (fx.cpu = 0; fx.cpu < 2; fx.cpu++, e.seq++) {
		CPU_ZERO(&set);
		CPU_SET(fx.cpu, &set);
		assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
		send_esp(&ways[0], e, 100);
	}
	for (fx.cpu = 0; fx.cpu < 2; fx.cpu++) {
		assert_int_equal(find(e, IKW_DIR_IN, &slot), 2);
		assert_int_equal(slot.packets, 1);
		assert_int_equal(slot.seq_first, 500 + fx.cpu);
		assert_int_equal(slot.seq_high, 500 + fx.cpu);
		assert_int_equal(slot.reordered, 0);
	}
	for (int cpu = 0; cpu < 2; cpu++)
		CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* A slot nobody vouched for is taken when it has been silent long enough, a known one never. */
static void test_esp_stale(void **state)
{
	struct esp_frame old = { .spi = 1, .seq = 1, .host = 2 };
	struct esp_frame fresh = { .spi = 1 + 0x10000, .seq = 1, .host = 2 };
	struct ikw_esp_key key = key_of(old, IKW_DIR_IN);
	struct ikw_esp_slot *first = &fx.slots[ikw_esp_place(&key, 0, (uint32_t)fx.cpu, fx.shift)];
	struct ikw_esp_slot slot;

	(void)state;
	fx.skel->bss->ikw_tick = 1;
	send_esp(&ways[0], old, 100);
	send_esp(&ways[0], fresh, 100);
	assert_int_not_equal(find(fresh, IKW_DIR_IN, &slot), 0);
	fx.skel->bss->ikw_tick = fx.skel->rodata->ikw_esp_stale_ns + 2;
	first->known = 1;
	fresh.spi += 0x50000;
	send_esp(&ways[0], fresh, 100);
	assert_int_equal(find(old, IKW_DIR_IN, &slot), 0);
	first->known = 0;
	fresh.spi += 0x50000;
	send_esp(&ways[0], fresh, 100);
	assert_int_equal(find(fresh, IKW_DIR_IN, &slot), 0);
	assert_int_equal(slot.packets, 1);
	/* what the other had is not forgotten in the sum */
	assert_int_equal(counts().esp, 1);
}

/* ---- floods ----------------------------------------------------------------------------- */

static void send_from(const struct way *way, uint8_t host)
{
	struct frame f;

	make(&f, &messages[0], LINK_ETH, NET_V4);
	f.bytes[f.ip + (way->dir == IKW_DIR_IN ? 15 : 19)] = host;
	run(way, f.bytes, f.len);
}

/* A window that never ends, rates that never recover: what passes does not depend on the clock. */
static int setup_flood(void **state)
{
	(void)state;
	open_fixture(SHIFT);
	fx.skel->rodata->ikw_window_ns = UINT64_MAX;
	fx.skel->rodata->ikw_window_free = 10;
	fx.skel->rodata->ikw_window_events = 40;
	fx.skel->rodata->ikw_source_ns = 1000000000000000;
	fx.skel->rodata->ikw_source_burst_ns = 2500000000000000; /* three at once */
	fx.skel->rodata->ikw_peer_ns = 0;
	load();
	return 0;
}

static void test_flood_of_one(void **state)
{
	(void)state;
	for (int i = 0; i < 30; i++)
		send_from(&ways[0], 7);
	drain();
	assert_int_equal(fx.count, 10 + 3);
	assert_int_equal(counts().suppressed, 17);
	send_from(&ways[2], 8); /* another one still gets through */
	drain();
	assert_int_equal(fx.count, 1);
}

static uint64_t suppressed_of(int fd, uint8_t host)
{
	struct ikw_remote remote = { .addr = { [10] = 0xff, [11] = 0xff } };
	struct ikw_remote_use use = { 0 };

	memcpy(remote.addr + 12, frame_v4[0], 4);
	remote.addr[15] = host;
	assert_int_equal(bpf_map_lookup_elem(fd, &remote, &use), 0);
	return use.suppressed;
}

static void test_suppressed_is_told_by_source(void **state)
{
	(void)state;
	for (int i = 0; i < 30; i++)
		send_from(&ways[0], 7);
	assert_int_equal(suppressed_of(bpf_map__fd(fx.skel->maps.ikw_sources), 7), 17);
}

static void vouch_for(uint8_t host)
{
	struct ikw_remote peer = { .addr = { [10] = 0xff, [11] = 0xff } };
	struct ikw_remote_use use = { 0 };

	memcpy(peer.addr + 12, frame_v4[0], 4);
	peer.addr[15] = host;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(fx.skel->maps.ikw_peers), &peer, &use, 0),
			 0);
}

/* From everywhere at once: the ring stays free, and a peer that user space knows is heard. */
static void test_flood_from_everywhere(void **state)
{
	struct ikw_remote peer = { .addr = { [10] = 0xff, [11] = 0xff } };
	struct ikw_remote_use use = { 0 };

	(void)state;
	vouch_for(9);
	for (int i = 0; i < 1000; i++)
		send_from(&ways[0], (uint8_t)(i % 200 + 20));
	drain();
	assert_int_equal(fx.count, 40);
	for (int i = 0; i < 50; i++)
		send_from(&ways[0], 9);
	drain();
	assert_int_equal(fx.count, 50);
	memcpy(peer.addr + 12, frame_v4[1], 4); /* and what we say to one */
	peer.addr[15] = 9;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(fx.skel->maps.ikw_peers), &peer, &use, 0),
			 0);
	send_from(&ways[3], 9);
	drain();
	assert_int_equal(fx.count, 1);
}

/* A window ends when a test says so; what is above its messages is no one's. */
static int setup_window(void **state)
{
	(void)state;
	open_fixture(SHIFT);
	fx.skel->rodata->ikw_window_ns = UINT64_MAX / 2;
	fx.skel->rodata->ikw_window_free = 100;
	fx.skel->rodata->ikw_window_events = 100;
	load();
	return 0;
}

/* A beginning far ahead is one long ago: what is between it and now wraps around. A jiffy is over,
 * too. */
static void end_window(void)
{
	struct ikw_counts row = counts();

	row.window = UINT64_MAX / 4;
	row.jiffy_quick = 0;
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(fx.skel->maps.ikw_counts), &fx.cpu, &row, 0), 0);
}

/* Each window has its messages, however many were told in short, and no more. */
static void test_windows(void **state)
{
	struct frame f;

	(void)state;
	make(&f, &messages[0], LINK_ETH, NET_V4);
	for (uint64_t n = 1; n <= 3; n++) {
		run_often(&ways[0], f.bytes, f.len, 300);
		drain();
		assert_int_equal(fx.count, 100);
		assert_true(fx.quick > 0);
		assert_int_equal(counts().ike, 300 * n);
		assert_int_equal(counts().suppressed, 200 * n);
		end_window();
	}
}

static int setup_half(void **state)
{
	(void)state;
	open_fixture(SHIFT);
	fx.skel->rodata->ikw_window_ns = UINT64_MAX / 2;
	bpf_map__set_max_entries(fx.skel->maps.ikw_events, 4 * (unsigned int)getpagesize());
	load();
	return 0;
}

/* User space is behind: from the next window on what is left is kept for known peers. */
static void test_half_full(void **state)
{
	int half = 2 * getpagesize() / (int)(sizeof(struct ikw_quick) + 8), first;

	(void)state;
	vouch_for(9);
	for (int i = 0; i < half + 20; i++)
		send_from(&ways[0], 7);
	assert_int_equal(counts().suppressed, 0);
	end_window();
	for (int i = 0; i < 50; i++)
		send_from(&ways[0], 7);
	assert_int_equal(counts().suppressed, 50);
	assert_int_equal(counts().behind, 50);
	for (int i = 0; i < 3; i++)
		send_from(&ways[0], 9);
	assert_int_equal(counts().suppressed, 50);
	drain();
	assert_int_equal(fx.count, half + 20 + 3);
	/* what it read makes room, from the next window on again */
	first = (int)counts().ike;
	end_window();
	for (int i = 0; i < 10; i++)
		send_from(&ways[0], 7);
	drain();
	assert_int_equal(fx.count, 10);
	assert_int_equal(counts().ike, first + 10);
	assert_int_equal(counts().suppressed, 50);
}

static int setup_small_ring(void **state)
{
	(void)state;
	open_fixture(SHIFT);
	bpf_map__set_max_entries(fx.skel->maps.ikw_events, (unsigned int)getpagesize());
	load();
	return 0;
}

/* A full ring: what is lost is counted, and leaves a hole in the numbers. */
static void test_full_ring(void **state)
{
	int fd = bpf_map__fd(fx.skel->maps.ikw_state), cpus = libbpf_num_possible_cpus();
	struct ikw_cpu_state *rows = calloc((size_t)cpus, sizeof(*rows));
	int fits = getpagesize() / (int)(sizeof(struct ikw_quick) + 8);
	uint32_t zero = 0;

	(void)state;
	assert_non_null(rows);
	for (int i = 0; i < 100; i++)
		send_from(&ways[0], 7);
	drain();
	assert_in_range(fx.count, 1, fits);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, rows), 0);
	assert_int_equal(rows[fx.cpu].lost, 100 - fx.count);
	send_from(&ways[0], 7);
	drain();
	assert_int_equal(fx.count, 1);
	assert_int_equal(fx.got[0].hdr.seq, 101);
	free(rows);
}

/* The argument: only tests of that name, with * and ? (tests/vm/packets.sh). */
int main(int argc, char **argv)
{
#define ON(f)	 cmocka_unit_test_setup_teardown(f, setup, teardown)
#define FLOOD(f) cmocka_unit_test_setup_teardown(f, setup_flood, teardown)
	const struct CMUnitTest tests[] = {
		ON(test_every_stack),
		ON(test_every_cut),
		ON(test_damage),
		ON(test_forwarded),
		ON(test_sequence),
		ON(test_times),
		ON(test_burst),
		ON(test_counts),
		cmocka_unit_test(test_esp_shifts),
		cmocka_unit_test(test_esp_map),
		ON(test_esp_counts),
		ON(test_esp_unusual),
		ON(test_esp_first_number),
		ON(test_esp_in_udp),
		ON(test_own_port),
		ON(test_esp_extended),
		ON(test_esp_wrap),
		ON(test_esp_never_mixed),
		ON(test_esp_hash_on_each_cpu),
		ON(test_esp_stale),
		FLOOD(test_flood_of_one),
		FLOOD(test_suppressed_is_told_by_source),
		FLOOD(test_flood_from_everywhere),
		cmocka_unit_test_setup_teardown(test_windows, setup_window, teardown),
		cmocka_unit_test_setup_teardown(test_half_full, setup_half, teardown),
		cmocka_unit_test_setup_teardown(test_full_ring, setup_small_ring, teardown),
	};

	need_bpf();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
