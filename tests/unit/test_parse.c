// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The parser: every header stack, cut at every length, with every bit flipped; what each message
 * says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/ike.h"
#include "tests/frames.h"

#define OWN 14500 /* a port that an operator named */

static const struct ikw_parse_cfg cfg = { .ike = { 500, 600, OWN },
					  .natt = 4500,
					  .radius = { 3799, 1812 } };

struct result {
	enum ikw_kind kind;
	struct ikw_packet pkt;
	struct ikw_ike ike;
	size_t at;
};

/* Parses the first `len` bytes from a buffer of exactly that size, so that ASan sees each byte too
 * many. */
static struct result parse_cut(const struct frame *f, size_t len, enum frame_link link,
			       enum ikw_dir dir)
{
	enum ikw_start from = link == LINK_IP ? IKW_START_IP : IKW_START_ETHERNET;
	uint8_t *exact = malloc(len ? len : 1);
	struct result r = { 0 };

	assert_non_null(exact);
	memcpy(exact, f->bytes, len);
	r.kind = ikw_parse(exact, exact + len, from, &cfg, dir, &r.pkt);
	if (r.pkt.at)
		r.at = (size_t)(r.pkt.at - exact);
	if (r.kind == IKW_KIND_IKE)
		ikw_fill_ike(&r.pkt, exact + len, dir, &r.ike);
	r.pkt.at = r.pkt.saddr = NULL;
	free(exact);
	return r;
}

static struct result parse(const struct frame *f)
{
	return parse_cut(f, f->len, LINK_ETH, IKW_DIR_IN);
}

static struct result parse_msg(const void *msg, size_t len)
{
	struct frame f;

	frame_make(&f, LINK_ETH, NET_V4, 500, 500, msg, len);
	return parse(&f);
}

/* ---- stacks -------------------------------------------------------------------- */

struct carry {
	unsigned int sport, dport;
	const uint8_t *msg;
	size_t len;
	int marked;
	enum ikw_kind kind;
	size_t header; /* bytes of the message that must be there */
	int natt;
};

static const struct carry carries[] = {
	{ 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd), 0, IKW_KIND_IKE, 28, 0 },
	{ 500, 500, msg_v2_init_response, sizeof(msg_v2_init_response), 0, IKW_KIND_IKE, 28, 0 },
	{ 500, 500, msg_v1_main2, sizeof(msg_v1_main2), 0, IKW_KIND_IKE, 28, 0 },
	{ 4500, 4500, msg_v2_dpd, sizeof(msg_v2_dpd), 1, IKW_KIND_IKE, 28, 1 },
	{ 61234, 4500, msg_v2_dpd, sizeof(msg_v2_dpd), 1, IKW_KIND_IKE, 28, 1 },
	{ 4500, 61234, msg_v2_dpd, sizeof(msg_v2_dpd), 1, IKW_KIND_IKE, 28, 1 },
	{ 0, 0, msg_esp, sizeof(msg_esp), 0, IKW_KIND_ESP, 8, 0 },
	{ 4500, 4500, msg_esp, sizeof(msg_esp), 0, IKW_KIND_ESP, 8, 1 },
	{ 61234, 4500, msg_keepalive, 1, 0, IKW_KIND_KEEPALIVE, 1, 1 },
	/* ports of the daemon's own */
	{ 600, 600, msg_v1_main2, sizeof(msg_v1_main2), 0, IKW_KIND_IKE, 28, 0 },
	{ 61234, OWN, msg_v2_dpd, sizeof(msg_v2_dpd), 0, IKW_KIND_IKE, 28, 0 },
	{ OWN, 500, msg_v2_dpd, sizeof(msg_v2_dpd), 0, IKW_KIND_IKE, 28, 0 },
	{ OWN, OWN, msg_v2_dpd, sizeof(msg_v2_dpd), 1, IKW_KIND_IKE, 28, 1 },
	{ OWN, 61234, msg_v1_main2, sizeof(msg_v1_main2), 1, IKW_KIND_IKE, 28, 1 },
	/* what may be IKE is not taken for ESP before all of a header is there */
	{ OWN, OWN, msg_esp, sizeof(msg_esp), 0, IKW_KIND_ESP, 28, 1 },
	{ OWN, OWN, msg_esp, 27, 0, IKW_KIND_ESP, 8, 1 },
	{ 61234, OWN, msg_keepalive, 1, 0, IKW_KIND_KEEPALIVE, 1, 1 },
};

#define CARRIES (sizeof(carries) / sizeof(carries[0]))

static void carry_make(struct frame *f, const struct carry *c, enum frame_link link,
		       enum frame_net net)
{
	uint8_t marked[512];
	size_t len = c->len;

	if (c->marked)
		len = msg_marked(marked, c->msg, c->len);
	frame_make(f, link, net, c->sport, c->dport, c->marked ? marked : c->msg, len);
}

static void each_stack(void (*check)(const struct frame *, const struct carry *, enum frame_link,
				     enum frame_net))
{
	struct frame f;

	for (int link = 0; link < LINKS; link++)
		for (int net = 0; net < NETS; net++)
			for (size_t i = 0; i < CARRIES; i++) {
				carry_make(&f, &carries[i], (enum frame_link)link,
					   (enum frame_net)net);
				check(&f, &carries[i], (enum frame_link)link, (enum frame_net)net);
			}
}

static void check_addresses(const struct result *r, int v6)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (v6) {
		assert_memory_equal(r->ike.saddr, frame_v6[0], 16);
		assert_memory_equal(r->ike.daddr, frame_v6[1], 16);
		return;
	}
	assert_memory_equal(r->ike.saddr, mapped, 12);
	assert_memory_equal(r->ike.saddr + 12, frame_v4[0], 4);
	assert_memory_equal(r->ike.daddr, mapped, 12);
	assert_memory_equal(r->ike.daddr + 12, frame_v4[1], 4);
}

static void check_whole(const struct frame *f, const struct carry *c, enum frame_link link,
			enum frame_net net)
{
	struct result r = parse_cut(f, f->len, link, IKW_DIR_IN);

	assert_int_equal(r.kind, c->kind);
	assert_int_equal(r.pkt.sport, c->sport);
	assert_int_equal(r.pkt.dport, c->dport);
	assert_int_equal(r.pkt.natt, c->natt);
	assert_int_equal(r.pkt.family, net >= NET_V6 ? 6 : 4);
	if (c->kind == IKW_KIND_KEEPALIVE)
		return;
	assert_int_equal(r.at, f->len - c->len);
	assert_int_equal(r.pkt.len, c->len);
	assert_int_equal(r.pkt.ip_len, f->len - f->ip);
	if (c->kind == IKW_KIND_IKE) {
		check_addresses(&r, net >= NET_V6);
		assert_true(r.ike.spi_i == IKE_SPI_I && r.ike.spi_r == IKE_SPI_R);
		assert_int_equal(r.ike.length, c->len);
	}
}

static void test_every_stack(void **state)
{
	(void)state;
	each_stack(check_whole);
}

/* A prefix says "short" until the last header is whole, and the same as the whole packet from there
 * on. */
static void check_cuts(const struct frame *f, const struct carry *c, enum frame_link link,
		       enum frame_net net)
{
	size_t needed = f->len - c->len + c->header;

	(void)net;
	for (size_t len = 0; len < f->len; len++) {
		struct result r = parse_cut(f, len, link, IKW_DIR_IN);

		assert_int_equal(r.kind, len < needed ? IKW_KIND_SHORT : c->kind);
	}
}

static void test_every_cut(void **state)
{
	(void)state;
	each_stack(check_cuts);
}

static void check_flips(const struct frame *f, const struct carry *c, enum frame_link link,
			enum frame_net net)
{
	struct frame flipped = *f;

	(void)c;
	(void)net;
	for (size_t bit = 0; bit < f->len * 8; bit++) {
		struct result r;

		flipped.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		r = parse_cut(&flipped, f->len, link, IKW_DIR_OUT);
		assert_true((int)r.kind >= 0 && r.kind < IKW_KIND_EXTENDED);
		flipped.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void test_every_flip(void **state)
{
	(void)state;
	each_stack(check_flips);
}

static int is_esp(enum ikw_glance glance)
{
	glance &= ~IKW_GLANCE_V6;
	return glance == IKW_GLANCE_ESP || glance == IKW_GLANCE_ESP_UDP;
}

/* The first glance says no more than the parser does, of whole, cut and damaged frames. */
static void check_glance_of(const struct frame *f, size_t len, int closer)
{
	struct ikw_packet quick = { 0 }, full = { 0 };
	uint8_t *exact = malloc(len ? len : 1);
	const uint8_t *ip = NULL;
	enum ikw_glance glance;
	enum ikw_kind kind;

	assert_non_null(exact);
	memcpy(exact, f->bytes, len);
	glance = ikw_glance(exact, exact + len, &cfg, IKW_DIR_IN, closer, &ip);
	kind = ikw_parse(exact, exact + len, IKW_START_ETHERNET, &cfg, IKW_DIR_IN, &full);
	if (glance == IKW_GLANCE_PASS) {
		/* TCP in IPv6 that is cut in its IP header is let go sooner */
		assert_true(kind == IKW_KIND_OTHER || kind == IKW_KIND_SHORT);
	} else if (glance != IKW_GLANCE_LOOK) {
		ikw_glance_fill(glance, ip, &quick);
		assert_int_equal(kind, is_esp(glance)
					       ? IKW_KIND_ESP
					       : ikw_parse_ike(quick.at, exact + len, &quick));
		if (kind == IKW_KIND_ESP || kind == IKW_KIND_IKE)
			assert_memory_equal(&quick, &full, offsetof(struct ikw_packet, next));
	}
	free(exact);
}

static void check_glance(const struct frame *f, const struct carry *c, enum frame_link link,
			 enum frame_net net)
{
	struct frame flipped = *f;

	(void)c;
	(void)net;
	if (link == LINK_IP)
		return;
	for (size_t len = 0; len <= f->len; len++)
		for (int closer = 0; closer < 2; closer++)
			check_glance_of(f, len, closer);
	for (size_t bit = 0; bit < f->len * 8; bit++) {
		flipped.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		for (int closer = 0; closer < 2; closer++)
			check_glance_of(&flipped, f->len, closer);
		flipped.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static enum ikw_glance glance_of(const struct frame *f, int closer)
{
	const uint8_t *ip;

	return ikw_glance(f->bytes, f->bytes + f->len, &cfg, IKW_DIR_IN, closer, &ip);
}

static void test_glance(void **state)
{
	struct frame f;

	(void)state;
	each_stack(check_glance);
	for (int i = 0; i < 8;
	     i++) { /* and it does see the plain ones, tagged if it looks closer */
		enum frame_link link = i & 4 ? LINK_VLAN : LINK_ETH;
		enum frame_net net = i & 2 ? NET_V6 : NET_V4;
		int closer = i & 1, seen = closer || link == LINK_ETH;
		enum ikw_glance v6 = i & 2 ? IKW_GLANCE_V6 : 0;

		frame_make(&f, link, net, 0, 0, msg_esp, sizeof(msg_esp));
		assert_int_equal(glance_of(&f, closer),
				 seen ? IKW_GLANCE_ESP | v6 : IKW_GLANCE_LOOK);
		frame_make(&f, link, net, 4500, 7, msg_esp, sizeof(msg_esp));
		assert_int_equal(glance_of(&f, closer),
				 seen ? IKW_GLANCE_ESP_UDP | v6 : IKW_GLANCE_LOOK);
		frame_make(&f, link, net, 40000, 443, msg_esp, sizeof(msg_esp));
		assert_int_equal(glance_of(&f, closer), seen ? IKW_GLANCE_PASS : IKW_GLANCE_LOOK);
		frame_make(&f, link, net, 7, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
		assert_int_equal(glance_of(&f, closer),
				 seen ? IKW_GLANCE_IKE | v6 : IKW_GLANCE_LOOK);
	}
}

static void test_not_ours(void **state)
{
	struct frame f;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 40000, 443, msg_esp, sizeof(msg_esp));
	assert_int_equal(parse(&f).kind, IKW_KIND_OTHER);
	f.bytes[f.ip + 9] = 6; /* TCP, whatever its ports are */
	assert_int_equal(parse(&f).kind, IKW_KIND_OTHER);
	frame_make(&f, LINK_ETH, NET_V6_CHAIN, 40000, 443, msg_esp, sizeof(msg_esp));
	assert_int_equal(parse(&f).kind, IKW_KIND_OTHER);
	f.bytes[12] = 0x08;
	f.bytes[13] = 0x06; /* ARP */
	assert_int_equal(parse(&f).kind, IKW_KIND_OTHER);
	frame_make(&f, LINK_ETH, NET_V4, 53, 40000, msg_esp, sizeof(msg_esp));
	assert_int_equal(parse(&f).kind, IKW_KIND_OTHER); /* wire protocols are off */
}

static void test_three_tags(void **state)
{
	struct frame f, g = { 0 };

	(void)state;
	frame_make(&f, LINK_QINQ, NET_V4, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	frame_put(&g, f.bytes, 12);
	frame_put(&g, "\x88\xa8\0\x07", 4);
	frame_put(&g, f.bytes + 12, f.len - 12);
	assert_int_equal(parse(&g).kind, IKW_KIND_OTHER);
}

/* ---- fragments ------------------------------------------------------------------- */

static void test_fragments_v4(void **state)
{
	struct frame f;
	struct result r;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 500, 500, msg_v2_dpd, 60);
	frame_set16(&f, f.payload - 4, 8 + 80); /* UDP knows the whole length */
	frame_set16(&f, f.ip + 6, 0x2000);
	r = parse(&f);
	assert_int_equal(r.kind, IKW_KIND_IKE);
	assert_int_equal(r.ike.flags2, IKW_IKE_FRAGMENT);
	assert_int_equal(r.ike.length, 80);
	frame_set16(&f, f.ip + 6, 0x2007);
	assert_int_equal(parse(&f).kind, IKW_KIND_FRAGMENT);
	frame_set16(&f, f.ip + 6, 7); /* the last one */
	assert_int_equal(parse(&f).kind, IKW_KIND_FRAGMENT);
	f.bytes[f.ip + 9] = 6;
	assert_int_equal(parse(&f).kind, IKW_KIND_OTHER);
}

static void test_fragments_v6(void **state)
{
	struct frame f;
	struct result r;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V6_ATOMIC, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	r = parse(&f);
	assert_int_equal(r.ike.flags2, 0);
	frame_set16(&f, f.ip + 40 + 2, 1); /* more fragments */
	r = parse(&f);
	assert_int_equal(r.kind, IKW_KIND_IKE);
	assert_int_equal(r.ike.flags2, IKW_IKE_FRAGMENT);
	frame_set16(&f, f.ip + 40 + 2, 8 << 3 | 1);
	assert_int_equal(parse(&f).kind, IKW_KIND_FRAGMENT);
	f.bytes[f.ip + 40] = 6;
	assert_int_equal(parse(&f).kind, IKW_KIND_OTHER);
}

/* ---- malformed --------------------------------------------------------------------- */

static void expect_kind(enum ikw_kind kind, enum frame_net net, unsigned int port, size_t at,
			size_t value)
{
	static const uint8_t *const msgs[] = { msg_v2_dpd, msg_esp };
	struct frame f;

	frame_make(&f, LINK_ETH, net, port, port, msgs[port == 0], 64);
	frame_set16(&f, at, value);
	assert_int_equal(parse(&f).kind, kind);
}

static void test_malformed(void **state)
{
	(void)state;
	expect_kind(IKW_KIND_MALFORMED, NET_V4, 500, 14, 0x4400);     /* header of 16 bytes */
	expect_kind(IKW_KIND_MALFORMED, NET_V4, 500, 14, 0x5500);     /* version 5 */
	expect_kind(IKW_KIND_MALFORMED, NET_V4, 500, 14 + 2, 19);     /* total below header */
	expect_kind(IKW_KIND_MALFORMED, NET_V4, 500, 14 + 2, 27);     /* no room for UDP */
	expect_kind(IKW_KIND_MALFORMED, NET_V4, 500, 14 + 20 + 4, 7); /* UDP length */
	expect_kind(IKW_KIND_MALFORMED, NET_V4, 500, 14 + 20 + 4, 8 + 65);
	expect_kind(IKW_KIND_MALFORMED, NET_V4, 500, 14 + 20 + 4, 8 + 27); /* below an IKE header */
	expect_kind(IKW_KIND_MALFORMED, NET_V4, 500, 42 + 16, 0x2e30);	   /* IKE version 3 */
	expect_kind(IKW_KIND_MALFORMED, NET_V4, 500, 42 + 26, 27);	   /* IKE length */
	expect_kind(IKW_KIND_MALFORMED, NET_V4, 0, 14 + 2, 20 + 7);	   /* ESP of 7 bytes */
	expect_kind(IKW_KIND_MALFORMED, NET_V6, 0, 14 + 4, 7);
	expect_kind(IKW_KIND_MALFORMED, NET_V6_HOPOPTS, 500, 14 + 40, 0x1100 | 200); /* too long */
}

static void test_malformed_natt(void **state)
{
	static const uint8_t zero[64] = { 0 };
	struct frame f;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 0, 0, zero, sizeof(zero)); /* SPI 0 */
	assert_int_equal(parse(&f).kind, IKW_KIND_MALFORMED);
	frame_make(&f, LINK_ETH, NET_V4, 4500, 4500, "\xfe", 1);
	assert_int_equal(parse(&f).kind, IKW_KIND_MALFORMED);
	frame_make(&f, LINK_ETH, NET_V4, 4500, 4500, "\xff\xff", 2);
	assert_int_equal(parse(&f).kind, IKW_KIND_MALFORMED);
	frame_make(&f, LINK_ETH, NET_V4, 4500, 4500, "", 0);
	assert_int_equal(parse(&f).kind, IKW_KIND_MALFORMED);
	frame_make(&f, LINK_ETH, NET_V4, 4500, 4500, zero, 31); /* a marker and too little */
	assert_int_equal(parse(&f).kind, IKW_KIND_MALFORMED);
	frame_make(&f, LINK_ETH, NET_V4, 500, 500, "\xff", 1); /* no keepalives there */
	assert_int_equal(parse(&f).kind, IKW_KIND_MALFORMED);
}

/* ---- ports ------------------------------------------------------------------------- */

static void test_ports(void **state)
{
	struct ikw_parse_cfg own = { .ike = { 500, 1500 }, .natt = 5500 };
	struct ikw_packet pkt = { 0 };
	struct frame f;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 40000, 1500, msg_v2_dpd, sizeof(msg_v2_dpd));
	assert_int_equal(parse(&f).kind, IKW_KIND_OTHER);
	assert_int_equal(
		ikw_parse(f.bytes, f.bytes + f.len, IKW_START_ETHERNET, &own, IKW_DIR_IN, &pkt),
		IKW_KIND_IKE);
	frame_make(&f, LINK_ETH, NET_V4, 4500, 5500, msg_esp, sizeof(msg_esp));
	assert_int_equal(
		ikw_parse(f.bytes, f.bytes + f.len, IKW_START_ETHERNET, &own, IKW_DIR_IN, &pkt),
		IKW_KIND_ESP);
	frame_make(&f, LINK_ETH, NET_V4, 0, 40000, msg_esp, sizeof(msg_esp)); /* 0 is no port */
	assert_int_equal(parse(&f).kind, IKW_KIND_OTHER);
}

/* ---- ports of a daemon's own ---------------------------------------------------------- */

static enum ikw_kind own_kind(const void *msg, size_t len)
{
	struct frame f;

	frame_make(&f, LINK_ETH, NET_V4, OWN, OWN, msg, len);
	return parse(&f).kind;
}

/* What is neither IKE with a marker nor, by all its header says, IKE without, is ESP. */
static void test_own_port(void **state)
{
	static const uint8_t zero[64] = { 0 };
	uint8_t msg[sizeof(msg_v2_dpd) + 4];

	(void)state;
	memcpy(msg, msg_v2_dpd, sizeof(msg_v2_dpd));
	msg[27]++; /* its length is another one */
	assert_int_equal(own_kind(msg, sizeof(msg_v2_dpd)), IKW_KIND_ESP);
	assert_int_equal(own_kind(msg, sizeof(msg_v2_dpd) + 1), IKW_KIND_IKE);
	msg[17] = 0x30; /* and its version */
	assert_int_equal(own_kind(msg, sizeof(msg_v2_dpd) + 1), IKW_KIND_ESP);
	msg_marked(msg, msg_v2_dpd, sizeof(msg_v2_dpd));
	msg[4 + 17] = 0x30;
	assert_int_equal(own_kind(msg, sizeof(msg)), IKW_KIND_MALFORMED);
	/* a marker, whatever the rest would be without */
	memset(msg, 0, 4);
	memcpy(msg + 4, msg_v2_dpd + 4, sizeof(msg_v2_dpd) - 4);
	assert_int_equal(own_kind(msg, sizeof(msg_v2_dpd)), IKW_KIND_MALFORMED);
	assert_int_equal(own_kind(zero, 31), IKW_KIND_MALFORMED); /* a marker and too little */
	assert_int_equal(own_kind(msg_esp, 8), IKW_KIND_ESP);
	assert_int_equal(own_kind(msg_esp, 7), IKW_KIND_MALFORMED);
	assert_int_equal(own_kind("\xfe", 1), IKW_KIND_MALFORMED);
	assert_int_equal(own_kind("", 0), IKW_KIND_MALFORMED);
}

/* The first fragment of a message: UDP knows the whole length, and so does IKE. */
static void test_own_port_fragments(void **state)
{
	uint8_t marked[64];
	struct result r;
	struct frame f;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, OWN, OWN, msg_v2_dpd, 56);
	frame_set16(&f, f.payload - 4, 8 + 80);
	frame_set16(&f, f.ip + 6, 0x2000);
	r = parse(&f);
	assert_int_equal(r.kind, IKW_KIND_IKE);
	assert_int_equal(r.ike.flags2, IKW_IKE_FRAGMENT);
	assert_int_equal(r.ike.length, 80);
	frame_set16(&f, f.payload - 4, 8 + 88);
	assert_int_equal(parse(&f).kind, IKW_KIND_ESP);
	msg_marked(marked, msg_v2_dpd, 52);
	frame_make(&f, LINK_ETH, NET_V4, OWN, OWN, marked, 56);
	frame_set16(&f, f.payload - 4, 8 + 84);
	frame_set16(&f, f.ip + 6, 0x2000);
	r = parse(&f);
	assert_int_equal(r.kind, IKW_KIND_IKE);
	assert_int_equal(r.ike.flags2, IKW_IKE_FRAGMENT | IKW_IKE_NATT);
}

/* No glance decides there. */
static void test_own_port_glance(void **state)
{
	struct frame f;

	(void)state;
	for (int net = NET_V4; net <= NET_V6; net += NET_V6 - NET_V4)
		for (int theirs = 0; theirs < 2; theirs++) {
			frame_make(&f, LINK_ETH, (enum frame_net)net, theirs ? OWN : 7,
				   theirs ? 7 : OWN, msg_esp, sizeof(msg_esp));
			assert_int_equal(glance_of(&f, 0), IKW_GLANCE_LOOK);
			/* a port of the usual ones at our end says it all */
			frame_make(&f, LINK_ETH, (enum frame_net)net, OWN, theirs ? 500 : 4500,
				   msg_esp, sizeof(msg_esp));
			assert_int_not_equal(glance_of(&f, 0), IKW_GLANCE_LOOK);
		}
}

/* 4500 to 500 without a marker: what it is depends on which side is ours. */
static void test_ports_own_side(void **state)
{
	struct frame f;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 4500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	assert_int_equal(parse_cut(&f, f.len, LINK_ETH, IKW_DIR_IN).kind, IKW_KIND_IKE);
	assert_int_equal(parse_cut(&f, f.len, LINK_ETH, IKW_DIR_OUT).kind, IKW_KIND_ESP);
}

/* ---- messages ---------------------------------------------------------------------- */

static void test_v2_header(void **state)
{
	struct result r = parse_msg(msg_v2_dpd, sizeof(msg_v2_dpd));

	(void)state;
	assert_int_equal(r.ike.version, 0x20);
	assert_int_equal(r.ike.exchange, 37);
	assert_int_equal(r.ike.ike_flags, 0x08);
	assert_int_equal(r.ike.message_id, 5);
	assert_int_equal(r.ike.next_payload, 46);
	assert_int_equal(r.ike.dir, IKW_DIR_IN);
	assert_int_equal(r.ike.flags2, 0);
	assert_int_equal(r.ike.pad, 0);
}

static void test_v2_choice(void **state)
{
	struct result r = parse_msg(msg_v2_init_response, sizeof(msg_v2_init_response));

	(void)state;
	assert_int_equal(r.ike.flags2, IKW_IKE_CHOICE | IKW_IKE_HAS_SA | IKW_IKE_NOTIFY);
	assert_int_equal(r.ike.encr, 12);
	assert_int_equal(r.ike.encr_keylen, 256);
	assert_int_equal(r.ike.integ, 12);
	assert_int_equal(r.ike.prf, 5);
	assert_int_equal(r.ike.dh, 19);
	assert_int_equal(r.ike.notify, 16388);
	assert_int_equal(r.ike.notify_spi, 0);
}

static void test_v2_request_chooses_nothing(void **state)
{
	uint8_t msg[sizeof(msg_v2_init_response)];
	struct result r;

	(void)state;
	memcpy(msg, msg_v2_init_response, sizeof(msg));
	msg[19] = 0x08;
	r = parse_msg(msg, sizeof(msg));
	assert_int_equal(r.ike.flags2, IKW_IKE_HAS_SA | IKW_IKE_NOTIFY);
	assert_int_equal(r.ike.encr, 0);
	msg[18] = 36; /* not an INIT */
	assert_int_equal(parse_msg(msg, sizeof(msg)).ike.flags2, IKW_IKE_NOTIFY);
}

/* An AEAD cipher: no INTEG. Proposals of other sizes: an SPI of 8 (IKE rekey's form) before the
 * transforms. */
static void test_v2_choice_aead(void **state)
{
	static const uint8_t msg[28 + 48] = {
		IKE_SPIS, 33, 0x20, 34, 0x20, 0, 0, 0, 0,  0,	 0,  0, 76,  0, 0, 0,
		48,	  0,  0,    0,	44,   1, 1, 8, 3,  1,	 2,  3, 4,   5, 6, 7,
		8,	  3,  0,    0,	12,   1, 0, 0, 20, 0x80, 14, 0, 128, 3, 0, 0,
		8,	  2,  0,    0,	7,    0, 0, 0, 8,  4,	 0,  0, 31,
	};
	struct result r = parse_msg(msg, sizeof(msg));

	(void)state;
	assert_true(r.ike.flags2 & IKW_IKE_CHOICE);
	assert_int_equal(r.ike.encr, 20);
	assert_int_equal(r.ike.encr_keylen, 128);
	assert_int_equal(r.ike.integ, 0);
	assert_int_equal(r.ike.prf, 7);
	assert_int_equal(r.ike.dh, 31);
}

/* 3DES has a fixed length: its transform has no attribute, what follows is the next transform. */
static void test_v2_choice_fixed_length(void **state)
{
	static const uint8_t msg[28 + 28] = {
		IKE_SPIS, 33, 0x20, 34, 0x20, 0, 0, 0, 0, 0, 0, 0, 56, 0, 0, 0, 28, 0, 0, 0, 24,
		1,	  1,  0,    2,	3,    0, 0, 8, 1, 0, 0, 3, 0,  0, 0, 8, 3,  0, 0, 2,
	};
	struct result r = parse_msg(msg, sizeof(msg));

	(void)state;
	assert_int_equal(r.ike.encr, 3);
	assert_int_equal(r.ike.encr_keylen, 0);
	assert_int_equal(r.ike.integ, 2);
}

static void test_v2_notify(void **state)
{
	struct result r = parse_msg(msg_v2_invalid_spi, sizeof(msg_v2_invalid_spi));
	uint8_t msg[sizeof(msg_v2_invalid_spi)];

	(void)state;
	assert_int_equal(r.ike.flags2, IKW_IKE_NOTIFY);
	assert_int_equal(r.ike.notify, 11);
	assert_int_equal(r.ike.notify_spi, 0xc2d37a2c);
	memcpy(msg, msg_v2_invalid_spi, sizeof(msg));
	msg[35] = 4; /* INVALID_IKE_SPI: what follows is no SPI */
	r = parse_msg(msg, sizeof(msg));
	assert_int_equal(r.ike.notify, 4);
	assert_int_equal(r.ike.notify_spi, 0);
	msg[35] = 11;
	msg[31] = 8; /* INVALID_SPI without its data */
	r = parse_msg(msg, sizeof(msg));
	assert_int_equal(r.ike.notify, 11);
	assert_int_equal(r.ike.notify_spi, 0);
}

static void test_v2_skf(void **state)
{
	struct result r = parse_msg(msg_v2_skf, sizeof(msg_v2_skf));

	(void)state;
	assert_int_equal(r.ike.frag_number, 2);
	assert_int_equal(r.ike.frag_total, 3);
	assert_int_equal(r.ike.flags2, 0);
}

static void test_v1_choice(void **state)
{
	struct result r = parse_msg(msg_v1_main2, sizeof(msg_v1_main2));
	uint8_t msg[sizeof(msg_v1_main2)];

	(void)state;
	assert_int_equal(r.ike.version, 0x10);
	assert_int_equal(r.ike.flags2, IKW_IKE_CHOICE | IKW_IKE_HAS_SA);
	assert_int_equal(r.ike.encr, 7);
	assert_int_equal(r.ike.encr_keylen, 128);
	assert_int_equal(r.ike.integ, 4);
	assert_int_equal(r.ike.dh, 14);
	memcpy(msg, msg_v1_main2, sizeof(msg));
	memset(msg + 8, 0, 8); /* no responder cookie: the initiator's offer */
	assert_int_equal(parse_msg(msg, sizeof(msg)).ike.flags2, IKW_IKE_HAS_SA);
	memcpy(msg, msg_v1_main2, sizeof(msg));
	msg[18] = 32; /* Quick Mode */
	assert_int_equal(parse_msg(msg, sizeof(msg)).ike.flags2, 0);
}

static void test_v1_notify(void **state)
{
	struct result r = parse_msg(msg_v1_invalid_spi, sizeof(msg_v1_invalid_spi));
	static const uint8_t data[28 + 32] = { IKE_SPIS, 11,	   0x10, 5,    0,    1,	  2,  3,
					       4,	 0,	   0,	 0,    60,   0,	  0,  0,
					       32,	 0,	   0,	 0,    1,    3,	  16, 0,
					       11,	 IKE_SPIS, 0xc2, 0xd3, 0x7a, 0x2d };

	(void)state;
	assert_int_equal(r.ike.flags2, IKW_IKE_NOTIFY);
	assert_int_equal(r.ike.notify, 11);
	assert_int_equal(r.ike.notify_spi, 0xc2d37a2c);
	r = parse_msg(data, sizeof(data)); /* cookies in the SPI field, the SPI as data */
	assert_int_equal(r.ike.notify_spi, 0xc2d37a2d);
	r = parse_msg(msg_v1_info, sizeof(msg_v1_info));
	assert_int_equal(r.ike.flags2, 0);
	assert_int_equal(r.ike.notify, 0);
}

static void test_short_datagram(void **state)
{
	struct result r = parse_msg(msg_v2_init_response, 60);

	(void)state;
	assert_int_equal(r.kind, IKW_KIND_IKE);
	assert_true(r.ike.flags2 & IKW_IKE_SHORT);
	assert_false(r.ike.flags2 & (IKW_IKE_CHOICE | IKW_IKE_HAS_SA)); /* the SA payload is cut */
}

/* Payloads beyond the header's length are not the message's. */
static void test_length_bounds_the_walk(void **state)
{
	uint8_t msg[sizeof(msg_v2_init_response)];
	struct result r;

	(void)state;
	memcpy(msg, msg_v2_init_response, sizeof(msg));
	msg[27] = 28 + 48;
	r = parse_msg(msg, sizeof(msg));
	assert_int_equal(r.ike.flags2, IKW_IKE_CHOICE | IKW_IKE_HAS_SA);
}

static void test_payload_loops(void **state)
{
	uint8_t msg[200] = { IKE_SPIS, 43, 0x20, 34, 0x20, 0, 0, 0, 0, 0, 0, 0, 200 };
	struct result r;

	(void)state;
	r = parse_msg(msg, sizeof(msg)); /* payload length 0 */
	assert_int_equal(r.ike.flags2, 0);
	for (size_t at = 28; at < 200;
	     at += 4) /* 43 empty payloads, then a notify: not followed for ever */
		memcpy(msg + at, (uint8_t[]){ at < 180 ? 43 : 41, 0, 0, 4 }, 4);
	assert_int_equal(parse_msg(msg, sizeof(msg)).ike.flags2, 0);
}

static void test_digest(void **state)
{
	struct frame f;
	struct result a, b;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	a = parse(&f);
	f.len += 6; /* Ethernet's trailer is not part of it */
	memset(f.bytes + f.len - 6, 0xaa, 6);
	b = parse(&f);
	assert_int_equal(a.ike.digest, b.ike.digest);
	for (size_t i = 0; i < IKW_DIGEST_LEN; i++) {
		f.bytes[f.payload + 28 + i] ^= 1;
		assert_int_not_equal(parse(&f).ike.digest, a.ike.digest);
		f.bytes[f.payload + 28 + i] ^= 1;
	}
	f.bytes[f.payload + 28 + IKW_DIGEST_LEN] ^= 1;
	assert_int_equal(parse(&f).ike.digest, a.ike.digest);
}

/* Messages with less than that after the header: the last bytes count too. */
static void test_digest_short(void **state)
{
	uint8_t msg[28 + 21];
	uint32_t before;

	(void)state;
	memcpy(msg, msg_v2_dpd, sizeof(msg));
	msg[27] = sizeof(msg);
	before = parse_msg(msg, sizeof(msg)).ike.digest;
	msg[48] ^= 1;
	assert_int_not_equal(parse_msg(msg, sizeof(msg)).ike.digest, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_stack),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_every_flip),
		cmocka_unit_test(test_glance),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_three_tags),
		cmocka_unit_test(test_fragments_v4),
		cmocka_unit_test(test_fragments_v6),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_malformed_natt),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_own_port),
		cmocka_unit_test(test_own_port_fragments),
		cmocka_unit_test(test_own_port_glance),
		cmocka_unit_test(test_ports_own_side),
		cmocka_unit_test(test_v2_header),
		cmocka_unit_test(test_v2_choice),
		cmocka_unit_test(test_v2_request_chooses_nothing),
		cmocka_unit_test(test_v2_choice_aead),
		cmocka_unit_test(test_v2_choice_fixed_length),
		cmocka_unit_test(test_v2_notify),
		cmocka_unit_test(test_v2_skf),
		cmocka_unit_test(test_v1_choice),
		cmocka_unit_test(test_v1_notify),
		cmocka_unit_test(test_short_datagram),
		cmocka_unit_test(test_length_bounds_the_walk),
		cmocka_unit_test(test_payload_loops),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_digest_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
