/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the ring's records to events: bytes of IKE messages become what the parser
 * says of the same packet, other records come through as they are, rubbish does
 * not, and numbers that are missing are noted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/ike.h"
#include "tests/frames.h"
#include "user/event.h"
#include "user/intake.h"

#define CPUS 2
#define KEEP 16

struct taken {
	struct ikw_intake *intake;
	int count;
	union ikw_event events[KEEP];
};

static int setup(void **state)
{
	struct taken *taken = calloc(1, sizeof(*taken));

	taken->intake = ikw_intake_new(CPUS);
	*state = taken;
	return taken->intake ? 0 : -1;
}

static int teardown(void **state)
{
	struct taken *taken = *state;

	ikw_intake_free(taken->intake);
	free(taken);
	return 0;
}

static void keep(void *ctx, union ikw_event *event)
{
	struct taken *taken = ctx;

	assert_true(taken->count < KEEP);
	memcpy(&taken->events[taken->count++], event, ikw_event_size(event->hdr.type));
}

/* Off any alignment, and in memory that ends with it, as ASan sees. */
static void take(struct taken *taken, const void *record, size_t size)
{
	uint8_t *memory = malloc(size + 1);

	assert_non_null(memory);
	memcpy(memory + 1, record, size);
	ikw_intake_take(taken->intake, memory + 1, size, keep, taken);
	free(memory);
}

static struct ikw_hdr header(uint16_t type, size_t size, uint32_t cpu, uint64_t seq, uint64_t time)
{
	return (struct ikw_hdr){ .type = type,
				 .size = (uint16_t)size,
				 .cpu = cpu,
				 .seq = seq,
				 .time = time,
				 .netns = 7 };
}

static void take_sa(struct taken *taken, uint32_t cpu, uint64_t seq, uint64_t time)
{
	struct ikw_sa sa = { .op = IKW_SA_DELETE, .proto = 50, .dir = IKW_DIR_IN };

	sa.hdr = header(IKW_EV_SA, sizeof(sa), cpu, seq, time);
	take(taken, &sa, sizeof(sa));
}

/* ---- bytes of IKE messages ------------------------------------------------ */

#define QUICK_IFINDEX 5

/* What the packet programs would have made of a message, and what the parser says of it. */
static struct ikw_quick quick_of(int marked, struct ikw_ike *want)
{
	const uint32_t at = marked ? 32 : 28;
	const struct ikw_parse_cfg cfg = IKW_PARSE_CFG_DEFAULT;
	struct ikw_quick quick = { .type = IKW_EV_QUICK,
				   .size = sizeof(quick),
				   .cpu = 1,
				   .seq = 1,
				   .time = 1000,
				   .netns = 7,
				   .ifindex = QUICK_IFINDEX };
	const enum ikw_dir dir = IKW_DIR_IN;
	unsigned int port = marked ? 4500 : 500;
	struct ikw_packet pkt = { 0 };
	const uint8_t *end;
	uint8_t bytes[256];
	struct frame f;
	size_t len;

	len = marked ? msg_marked(bytes, msg_v2_dpd, sizeof(msg_v2_dpd)) : sizeof(msg_v2_dpd);
	frame_make(&f, LINK_ETH, NET_V4, 61234, port, marked ? bytes : msg_v2_dpd, len);
	end = f.bytes + f.len;
	ikw_quick_fill(f.bytes + f.ip, at, &quick);
	quick.digest = ikw_quick_digest(f.bytes + f.ip, at);
	memset(want, 0, sizeof(*want));
	assert_int_equal(ikw_parse(f.bytes, end, IKW_START_ETHERNET, &cfg, dir, &pkt),
			 IKW_KIND_IKE);
	ikw_fill_ike(&pkt, end, dir, want);
	want->hdr = header(IKW_EV_IKE, sizeof(*want), 1, 1, 1000);
	want->ifindex = QUICK_IFINDEX;
	return quick;
}

static void test_quick(void **state)
{
	struct taken *taken = *state;

	for (int marked = 0; marked < 2; marked++) {
		struct ikw_ike want;
		struct ikw_quick quick = quick_of(marked, &want);

		taken->count = 0;
		take(taken, &quick, sizeof(quick));
		assert_int_equal(taken->count, 1);
		assert_memory_equal(&taken->events[0].ike, &want, sizeof(want));
		assert_int_equal(taken->events[0].ike.spi_i, want.spi_i);
		assert_true(want.digest != 0);
	}
}

static void test_quick_rubbish(void **state)
{
	struct taken *taken = *state;
	struct ikw_ike want;
	struct ikw_quick quick = quick_of(0, &want);

	for (size_t len = 0; len < sizeof(quick); len++)
		take(taken, &quick, len);
	quick.size--;
	take(taken, &quick, sizeof(quick));
	quick.size++;
	for (unsigned int marked = 2; marked < 256; marked++) {
		quick.marked = (uint8_t)marked;
		take(taken, &quick, sizeof(quick));
	}
	for (quick.marked = 0; quick.marked < 2; quick.marked++)
		for (size_t len = 0; len < 8 + 4 * quick.marked + IKW_QUICK_MIN; len++) {
			quick.udp_length[1] = (uint8_t)len;
			take(taken, &quick, sizeof(quick));
		}
	assert_int_equal(taken->count, 0);
}

/* Only between the kernel and here: a recording that has one is refused. */
static void test_quick_is_no_event(void **state)
{
	struct ikw_ike want;
	struct ikw_quick quick = quick_of(0, &want);
	const char *why = NULL;

	(void)state;
	assert_false(ikw_event_valid(&quick, sizeof(quick), &why));
	assert_non_null(why);
	assert_true(ikw_event_valid(&want, sizeof(want), &why));
}

/* ---- what comes through ---------------------------------------------------- */

static void test_order(void **state)
{
	struct taken *taken = *state;
	struct ikw_ike want;
	struct ikw_quick quick = quick_of(0, &want);

	take_sa(taken, 0, 1, 2000);
	take(taken, &quick, sizeof(quick)); /* of a time before */
	take_sa(taken, 0, 2, 1500);	    /* read on another CPU: as it is */
	quick.time = 3000;
	take(taken, &quick, sizeof(quick));
	assert_int_equal(taken->count, 4);
	assert_int_equal(taken->events[0].hdr.time, 2000);
	assert_int_equal(taken->events[1].hdr.time, 2000);
	assert_int_equal(taken->events[2].hdr.time, 1500);
	assert_int_equal(taken->events[3].hdr.time, 3000);
	assert_int_equal(taken->events[2].sa.op, IKW_SA_DELETE);
}

static void test_raw(void **state)
{
	/* RFC 5880 4.1: version 1, diagnostic 1, state Down; discriminators 2 and 3 */
	static const uint8_t bfd[24] = { 0x21, 0x40, 3, 24, [7] = 2, [11] = 3 };
	struct ikw_raw raw = { .kind = IKW_WIRE_BFD, .len = sizeof(bfd), .family = 4 };
	struct taken *taken = *state;

	raw.hdr = header(IKW_EV_RAW, sizeof(raw), 0, 1, 1000);
	memcpy(raw.data, bfd, sizeof(bfd));
	take(taken, &raw, sizeof(raw));
	take(taken, &raw, sizeof(raw) - 1); /* cut off */
	assert_int_equal(taken->count, 1);
	assert_int_equal(taken->events[0].hdr.type, IKW_EV_WIRE);
	assert_int_equal(taken->events[0].wire.kind, IKW_WIRE_BFD);
	assert_int_equal(taken->events[0].wire.id, 2);
}

static void test_rubbish(void **state)
{
	struct taken *taken = *state;
	struct ikw_sa sa = { .op = IKW_SA_DELETE, .proto = 50 };

	for (size_t len = 0; len < sizeof(sa); len++) {
		sa.hdr = header(IKW_EV_SA, sizeof(sa), 0, 0, 1000);
		take(taken, &sa, len);
		sa.hdr.size = (uint16_t)len;
		take(taken, &sa, len);
	}
	sa.hdr = header(IKW_EV_MAX, sizeof(sa), 0, 0, 1000);
	take(taken, &sa, sizeof(sa));
	assert_int_equal(taken->count, 0);
}

/* ---- numbers ---------------------------------------------------------------- */

static void test_holes(void **state)
{
	struct taken *taken = *state;
	struct ikw_ike want;
	struct ikw_quick quick = quick_of(0, &want);

	take_sa(taken, 0, 5, 100); /* the first one seen is no hole */
	take_sa(taken, 1, 1, 150);
	take_sa(taken, 0, 6, 200);
	take_sa(taken, 0, 6, 210); /* a number that comes twice is none */
	assert_int_equal(ikw_intake_lost_since(taken->intake, NULL), 0);
	take_sa(taken, 1, 4, 300);
	take_sa(taken, 0, 8, 400);
	take_sa(taken, 0, 7, 410); /* nor one that comes late, but here it was missing */
	assert_int_equal(ikw_intake_lost_since(taken->intake, NULL), 150);
	assert_int_equal(ikw_intake_lost_since(taken->intake, NULL), 0);
	quick.seq = 6;
	take(taken, &quick, sizeof(quick)); /* CPU 1's number 5 is missing */
	assert_int_equal(ikw_intake_lost_since(taken->intake, NULL), 300);
	take_sa(taken, 99, 1, 500); /* no such CPU */
	take_sa(taken, 99, 5, 600);
	assert_int_equal(ikw_intake_lost_since(taken->intake, NULL), 0);
	assert_int_equal(taken->count, 10);
}

/* The last ones were lost: no later number tells, the kernel's count does. */
static void test_behind(void **state)
{
	struct ikw_cpu_state kernel[CPUS] = { { .seq = 6 }, { .seq = 3 } };
	struct taken *taken = *state;

	take_sa(taken, 0, 6, 200);
	assert_int_equal(ikw_intake_lost_since(taken->intake, kernel), 0); /* of CPU 1 none came */
	take_sa(taken, 1, 2, 100);
	assert_int_equal(ikw_intake_lost_since(taken->intake, kernel), 100);
	kernel[0].seq = 9;
	take_sa(taken, 1, 3, 300);
	assert_int_equal(ikw_intake_lost_since(taken->intake, kernel), 200);
}

int main(void)
{
#define ON(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		ON(test_quick), ON(test_quick_rubbish), ON(test_quick_is_no_event),
		ON(test_order), ON(test_raw),		ON(test_rubbish),
		ON(test_holes), ON(test_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
