// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packets of other protocols in this kernel's packet programs, through
 * BPF_PROG_TEST_RUN: which of them are told and which are not, that what is told
 * is what was sent, and that a flood of them has an end.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "bpf/maps.h"
#include "bpf/packet.h"
#include "bpf/parse.h"
#include "packet.skel.h"
#include "tests/frames.h"
#include "tests/host/need_bpf.h"
#include "user/packet_skel.h"

#define NETNS	    4026531840u
#define WINDOW_NS   100000000.0
#define WINDOW_TOLD 100
#define FLOOD	    5000

static struct {
	struct packet_bpf *skel;
	struct ring_buffer *ring;
	int cpu;
	unsigned int count;
	struct ikw_raw last;
} fx;

static int keep(void *ctx, void *data, size_t size)
{
	(void)ctx;
	assert_int_equal(size, sizeof(fx.last));
	memcpy(&fx.last, data, size);
	assert_int_equal(fx.last.hdr.type, IKW_EV_RAW);
	fx.count++;
	return 0;
}

static void load(uint32_t wire)
{
	cpu_set_t set;

	fx.cpu = sched_getcpu();
	CPU_ZERO(&set);
	CPU_SET(fx.cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
	fx.skel = ikw_packet_skel_open((uint32_t)libbpf_num_possible_cpus(), 0);
	assert_non_null(fx.skel);
	bpf_program__set_autoload(
		fx.skel->progs.ikw_xdp,
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_load_bytes, NULL) == 1);
	fx.skel->rodata->ikw_netns = NETNS;
	fx.skel->rodata->ikw_cfg.wire = wire;
	assert_int_equal(packet_bpf__load(fx.skel), 0);
	fx.ring = ring_buffer__new(bpf_map__fd(fx.skel->maps.ikw_events), keep, NULL, NULL);
	assert_non_null(fx.ring);
}

static int setup(void **state)
{
	(void)state;
	load(~0U);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ring_buffer__free(fx.ring);
	packet_bpf__destroy(fx.skel);
	return 0;
}

/* How many records come of so many of them. */
static unsigned int told(enum ikw_dir dir, const struct frame *f, int times)
{
	struct bpf_program *in = bpf_program__autoload(fx.skel->progs.ikw_xdp)
					 ? fx.skel->progs.ikw_xdp
					 : fx.skel->progs.ikw_xdp_plain;
	struct bpf_program *prog = dir == IKW_DIR_IN ? in : fx.skel->progs.ikw_tc_out;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = (__u32)f->len,
		    .repeat = times);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
	fx.count = 0;
	assert_true(ring_buffer__consume(fx.ring) >= 0);
	return fx.count;
}

/* sport and dport 0: not UDP but this protocol. */
struct sent {
	enum ikw_wire_kind kind;
	enum ikw_dir dir;
	uint16_t sport, dport;
	uint8_t proto;
	const uint8_t *bytes;
	size_t len;
};

static struct frame frame_of(const struct sent *s, enum frame_net net)
{
	struct frame f;

	frame_make(&f, LINK_ETH, net, s->sport, s->dport, s->bytes, s->len);
	if (s->proto)
		f.bytes[f.ip + (net == NET_V4 ? 9 : 6)] = s->proto;
	return f;
}

static void check_last(const struct sent *s, enum frame_net net)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };

	assert_int_equal(fx.last.hdr.netns, NETNS);
	assert_int_equal(fx.last.hdr.cpu, fx.cpu);
	assert_int_equal(fx.last.kind, s->kind);
	assert_int_equal(fx.last.dir, s->dir);
	assert_int_equal(fx.last.sport, s->sport);
	assert_int_equal(fx.last.dport, s->dport);
	assert_int_equal(fx.last.family, net == NET_V4 ? 4 : 6);
	assert_int_equal(fx.last.len, s->len);
	assert_memory_equal(fx.last.data, s->bytes, s->len);
	if (net == NET_V4) {
		assert_memory_equal(fx.last.saddr, mapped, 12);
		assert_memory_equal(fx.last.saddr + 12, frame_v4[0], 4);
		assert_memory_equal(fx.last.daddr + 12, frame_v4[1], 4);
	} else {
		assert_memory_equal(fx.last.saddr, frame_v6[0], 16);
		assert_memory_equal(fx.last.daddr, frame_v6[1], 16);
	}
}

static const uint8_t radius[20] = { 40, 7, 0, 20 };
static const uint8_t bfd_up[24] = { 0x20, 0xc0, 3, 24, 0, 0, 0, 5 };
static const uint8_t bfd_down[24] = { 0x21, 0x40, 3, 24, 0, 0, 0, 5 };
static const uint8_t vrrp[16] = { 0x21, 51, 100, 1 };
static const uint8_t vrrp_resigns[16] = { 0x21, 51, 0, 1 };
static const uint8_t dns[30] = { 0xab, 0xcd, 1, 0, 0, 1 };
static const uint8_t dhcp[300] = { 2, 1, 6 };
static const uint8_t echo[8] = { 8, 0, 0, 0, 0x12, 0x34, 0, 7 };
static const uint8_t echo6[8] = { 128, 0, 0, 0, 0x12, 0x34, 0, 7 };
static const uint8_t node_status[5] = { 3, 10, 0x22, 0, 1 };
static const uint8_t node_deletes[21] = { 3, 5, 1, 2 };
static const uint8_t node_deletes_6[21] = { 4, 5, 1, 2 };
static const uint8_t node_other_version[21] = { 5, 5, 1, 2 };

#define IN  IKW_DIR_IN
#define OUT IKW_DIR_OUT
#define UDP(kind, dir, sport, dport, bytes)                                                        \
	{                                                                                          \
		IKW_WIRE_##kind, dir, sport, dport, 0, bytes, sizeof(bytes)                        \
	}
#define IP(kind, dir, proto, bytes)                                                                \
	{                                                                                          \
		IKW_WIRE_##kind, dir, 0, 0, proto, bytes, sizeof(bytes)                            \
	}

/* One after the other; of two copies each, so many are told. */
static const struct {
	struct sent sent;
	unsigned int told;
} rows[] = {
	{ UDP(RADIUS, IN, 40000, 3799, radius), 2 },
	{ UDP(RADIUS, OUT, 3799, 40000, radius), 2 },
	{ UDP(RADIUS, IN, 1812, 40000, radius), 2 },
	/* as before, and what differs */
	{ UDP(BFD, OUT, 49152, 3784, bfd_up), 1 },
	{ UDP(BFD, OUT, 49152, 3784, bfd_up), 0 },
	{ UDP(BFD, OUT, 49152, 3784, bfd_down), 1 },
	{ UDP(BFD, IN, 49152, 4784, bfd_up), 1 },
	{ IP(VRRP, OUT, 112, vrrp), 1 },
	{ IP(VRRP, OUT, 112, vrrp_resigns), 1 },
	{ IP(VRRP, OUT, 112, vrrp_resigns), 0 },
	/* what this host asks and is told, not what it is asked and tells */
	{ UDP(DNS, OUT, 40000, 53, dns), 2 },
	{ UDP(DNS, IN, 53, 40000, dns), 2 },
	{ UDP(DNS, IN, 40000, 53, dns), 0 },
	{ UDP(DNS, OUT, 53, 40000, dns), 0 },
	{ UDP(DHCP, OUT, 67, 68, dhcp), 2 },
	{ IP(ECHO, OUT, 1, echo), 1 },
	/* the other nodes' deletions; of this host's own words that there are some */
	{ UDP(CLUSTER, IN, 4510, 4510, node_status), 0 },
	{ UDP(CLUSTER, IN, 4510, 4510, node_deletes), 2 },
	{ UDP(CLUSTER, IN, 4510, 4510, node_deletes_6), 2 },
	{ UDP(CLUSTER, IN, 4510, 4510, node_other_version), 0 },
	{ UDP(CLUSTER, IN, 40000, 4510, node_deletes), 0 },
	{ UDP(CLUSTER, OUT, 4510, 4510, node_status), 1 },
	{ UDP(CLUSTER, OUT, 4510, 4510, node_deletes), 0 },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void check_rows(enum frame_net net)
{
	for (size_t i = 0; i < ROWS; i++) {
		struct sent sent = rows[i].sent;
		struct frame f;

		if (sent.kind == IKW_WIRE_ECHO && net == NET_V6) {
			sent.proto = 58;
			sent.bytes = echo6;
		}
		f = frame_of(&sent, net);
		if (told(sent.dir, &f, 2) != rows[i].told)
			fail_msg("row %zu: %u told, not %u", i, fx.count, rows[i].told);
		if (rows[i].told)
			check_last(&sent, net);
	}
}

static void test_told(void **state)
{
	(void)state;
	check_rows(NET_V4);
	check_rows(NET_V6);
}

/* Cut anywhere: nothing told that is not in the packet. */
static void test_cut(void **state)
{
	unsigned int some = 0;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct frame f = frame_of(&rows[i].sent, NET_V4);

		for (f.len--; f.len > f.payload; f.len -= f.len > f.payload + 40 ? 40 : 1) {
			if (!told(rows[i].sent.dir, &f, 1))
				continue;
			assert_in_range(fx.last.len, 0, f.len - f.payload);
			some++;
		}
	}
	assert_in_range(some, 1, ROWS * sizeof(dhcp));
}

static void test_asked_for_only(void **state)
{
	(void)state;
	teardown(NULL);
	load(1U << IKW_WIRE_BFD);
	for (size_t i = 0; i < ROWS; i++) {
		struct frame f = frame_of(&rows[i].sent, NET_V4);

		if (told(rows[i].sent.dir, &f, 1))
			assert_int_equal(rows[i].sent.kind, IKW_WIRE_BFD);
	}
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Of a flood so many are told in each window; the others are counted. */
static void test_flood(void **state)
{
	const struct frame f = frame_of(&rows[0].sent, NET_V4);
	double from = now_ns(), windows;
	struct ikw_counts row;
	unsigned int some = told(IKW_DIR_IN, &f, FLOOD);

	(void)state;
	windows = (now_ns() - from) / WINDOW_NS + 1;
	assert_in_range(some, WINDOW_TOLD, (unsigned int)(WINDOW_TOLD * (windows + 1)));
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fx.skel->maps.ikw_counts), &fx.cpu, &row),
			 0);
	assert_int_equal(row.wire, FLOOD);
	assert_int_equal(row.suppressed, FLOOD - some);
}

/* A flood of one kind leaves the others what is theirs; but for DNS it is told that some is
 * missing. */
static void test_flood_of_one(void **state)
{
	struct ikw_counts row;
	unsigned int missing = 0;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		const struct frame f = frame_of(&rows[i].sent, NET_V4);
		bool first = !i || rows[i].sent.kind != rows[i - 1].sent.kind;

		if (!rows[i].told || !first)
			continue;
		assert_true(told(rows[i].sent.dir, &f, 1) == 1);
		if (rows[i].sent.kind == IKW_WIRE_DNS)
			told(rows[i].sent.dir, &f, FLOOD);
		if (rows[i].sent.kind == IKW_WIRE_RADIUS)
			missing += FLOOD - told(rows[i].sent.dir, &f, FLOOD);
	}
	assert_true(missing > 0);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fx.skel->maps.ikw_counts), &fx.cpu, &row),
			 0);
	assert_int_equal(row.wire_untold, missing);
}

/* A router's DNS, BFD and RADIUS that pass this host are none of its own words. */
static void test_forwarded(void **state)
{
	struct __sk_buff ctx = { .ifindex = 1, .ingress_ifindex = 1 };

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct frame f = frame_of(&rows[i].sent, NET_V4);
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.bytes,
			    .data_size_in = (__u32)f.len, .ctx_in = &ctx,
			    .ctx_size_in = sizeof(ctx), .repeat = 1);
		int err;

		if (rows[i].sent.dir != IKW_DIR_OUT)
			continue;
		err = bpf_prog_test_run_opts(bpf_program__fd(fx.skel->progs.ikw_tc_out), &opts);
		if (err == -EINVAL) {
			print_message("skipped: this kernel's test runs take no "
				      "ingress_ifindex in __sk_buff\n");
			skip();
		}
		assert_int_equal(err, 0);
		fx.count = 0;
		assert_true(ring_buffer__consume(fx.ring) >= 0);
		assert_int_equal(fx.count, 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* The argument: only tests of that name, with * and ? (tests/vm/packets.sh). */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_told),  TEST(test_cut),	   TEST(test_asked_for_only),
		TEST(test_flood), TEST(test_flood_of_one), TEST(test_forwarded),
	};

	need_bpf();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
