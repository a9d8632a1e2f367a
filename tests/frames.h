/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames for tests: every header stack that the packet programs must see
 * through, around a payload, and the IKE messages that go into them. Addresses
 * are 192.0.2.1 > 198.51.100.2 and 2001:db8::1 > 2001:db8:2::2.
 */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum frame_link { LINK_ETH, LINK_VLAN, LINK_QINQ, LINK_QINQ_OLD, LINK_IP, LINKS };
enum frame_net {
	NET_V4,
	NET_V4_OPTIONS,
	NET_V6,
	NET_V6_HOPOPTS,
	NET_V6_CHAIN, /* hop-by-hop, routing, destination options */
	NET_V6_AH,
	NET_V6_ATOMIC, /* a fragment header without fragmentation, RFC 6946 */
	NETS
};

struct frame {
	uint8_t bytes[4096];
	size_t len;
	size_t ip;	/* offset of the IP header */
	size_t payload; /* offset of what was put in */
};

static const uint8_t frame_v4[2][4] = { { 192, 0, 2, 1 }, { 198, 51, 100, 2 } };
static const uint8_t frame_v6[2][16] = { { 0x20, 1, 0xd, 0xb8, [15] = 1 },
					 { 0x20, 1, 0xd, 0xb8, 0, 2, [15] = 2 } };

static inline void frame_put(struct frame *f, const void *bytes, size_t len)
{
	memcpy(f->bytes + f->len, bytes, len);
	f->len += len;
}

static inline void frame_put16(struct frame *f, unsigned int v)
{
	frame_put(f, (uint8_t[]){ (uint8_t)(v >> 8), (uint8_t)v }, 2);
}

static inline void frame_set16(struct frame *f, size_t at, size_t v)
{
	f->bytes[at] = (uint8_t)(v >> 8);
	f->bytes[at + 1] = (uint8_t)v;
}

static inline void frame_put_link(struct frame *f, enum frame_link link, int v6)
{
	static const uint16_t tags[LINKS][2] = { [LINK_VLAN] = { 0x8100 },
						 [LINK_QINQ] = { 0x88a8, 0x8100 },
						 [LINK_QINQ_OLD] = { 0x9100, 0x8100 } };

	if (link == LINK_IP)
		return;
	frame_put(f, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01", 12);
	for (int i = 0; i < 2 && tags[link][i]; i++) {
		frame_put16(f, tags[link][i]);
		frame_put16(f, 100u + (unsigned int)i);
	}
	frame_put16(f, v6 ? 0x86dd : 0x0800);
}

static inline void frame_put_v4(struct frame *f, int options, uint8_t proto)
{
	f->ip = f->len;
	frame_put(f, (uint8_t[]){ options ? 0x47 : 0x45, 0, 0, 0, 0, 1, 0, 0, 64, proto, 0, 0 },
		  12);
	frame_put(f, frame_v4, 8);
	if (options)
		frame_put(f, "\x01\x01\x01\x01\x01\x01\x01\x00", 8);
}

static inline void frame_put_v6(struct frame *f, enum frame_net net, uint8_t proto)
{
	static const uint8_t first[NETS] = {
		[NET_V6_HOPOPTS] = 0, [NET_V6_CHAIN] = 0, [NET_V6_AH] = 51, [NET_V6_ATOMIC] = 44
	};

	f->ip = f->len;
	frame_put(f, (uint8_t[]){ 0x60, 0, 0, 0, 0, 0, net == NET_V6 ? proto : first[net], 64 }, 8);
	frame_put(f, frame_v6, 32);
	if (net == NET_V6_HOPOPTS)
		frame_put(f, (uint8_t[8]){ proto, 0, 1, 4 }, 8);
	if (net == NET_V6_CHAIN) {
		frame_put(f, (uint8_t[8]){ 43, 0, 1, 4 }, 8);
		frame_put(f, (uint8_t[24]){ 60, 2, 4, 0 }, 24);
		frame_put(f, (uint8_t[16]){ proto, 1, 1, 12 }, 16);
	}
	if (net == NET_V6_AH)
		frame_put(f, (uint8_t[24]){ proto, 4, 0, 0, 0, 0, 0, 9 }, 24);
	if (net == NET_V6_ATOMIC)
		frame_put(f, (uint8_t[8]){ proto, 0, 0, 0, 0, 0, 0, 7 }, 8);
}

/* sport and dport 0: the payload is ESP in IP. */
static inline void frame_make(struct frame *f, enum frame_link link, enum frame_net net,
			      unsigned int sport, unsigned int dport, const void *payload,
			      size_t len)
{
	uint8_t proto = sport || dport ? 17 : 50;
	int v6 = net >= NET_V6;

	memset(f, 0, sizeof(*f));
	frame_put_link(f, link, v6);
	if (v6)
		frame_put_v6(f, net, proto);
	else
		frame_put_v4(f, net == NET_V4_OPTIONS, proto);
	if (proto == 17) {
		frame_put16(f, sport);
		frame_put16(f, dport);
		frame_put16(f, (unsigned int)len + 8);
		frame_put16(f, 0);
	}
	f->payload = f->len;
	frame_put(f, payload, len);
	if (v6)
		frame_set16(f, f->ip + 4, f->len - f->ip - 40);
	else
		frame_set16(f, f->ip + 2, f->len - f->ip);
}

/* clang-format off */

/* ---- messages ------------------------------------------------------------------ */

#define IKE_SPIS 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28
#define IKE_SPI_I 0x1112131415161718ULL
#define IKE_SPI_R 0x2122232425262728ULL

/* INFORMATIONAL { SK{} }: a liveness check of 80 bytes, message ID 5 */
static const uint8_t msg_v2_dpd[80] = { IKE_SPIS, 46, 0x20, 37, 0x08, 0, 0, 0, 5, 0, 0, 0, 80,
					0, 0, 0, 52, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6 };

/*
 * IKE_SA_INIT response { SA(AES-CBC-256, HMAC-SHA2-256-128, PRF-HMAC-SHA2-256, ECP-256), Nr,
 * N(NAT_DETECTION_SOURCE_IP) }
 */
static const uint8_t msg_v2_init_response[28 + 48 + 20 + 28] = {
	IKE_SPIS, 33, 0x20, 34, 0x20, 0, 0, 0, 0, 0, 0, 0, 124,
	40, 0, 0, 48, 0, 0, 0, 44, 1, 1, 0, 4,
	3, 0, 0, 12, 1, 0, 0, 12, 0x80, 14, 1, 0,
	3, 0, 0, 8, 3, 0, 0, 12,
	3, 0, 0, 8, 2, 0, 0, 5,
	0, 0, 0, 8, 4, 0, 0, 19,
	41, 0, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
	0, 0, 0, 28, 0, 0, 0x40, 0x04,
};

/* INFORMATIONAL { N(INVALID_SPI, 0xc2d37a2c) } in clear */
static const uint8_t msg_v2_invalid_spi[40] = { IKE_SPIS, 41, 0x20, 37, 0x00, 0, 0, 0, 0, 0, 0, 0, 40,
						0, 0, 0, 12, 0, 0, 0, 11, 0xc2, 0xd3, 0x7a, 0x2c };

/* IKE_AUTH { SKF(2 of 3) } */
static const uint8_t msg_v2_skf[60] = { IKE_SPIS, 53, 0x20, 35, 0x08, 0, 0, 0, 1, 0, 0, 0, 60,
					35, 0, 0, 32, 0, 2, 0, 3 };

/* Main Mode 2 { SA(AES-CBC-128, SHA2-256, PSK, group 14, 28800 s as a long attribute) } */
static const uint8_t msg_v1_main2[28 + 60] = {
	IKE_SPIS, 1, 0x10, 2, 0, 0, 0, 0, 0, 0, 0, 0, 88,
	0, 0, 0, 60, 0, 0, 0, 1, 0, 0, 0, 1,
	0, 0, 0, 48, 1, 1, 0, 1,
	0, 0, 0, 40, 1, 1, 0, 0,
	0x80, 1, 0, 7, 0x80, 14, 0, 128, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 14,
	0x80, 11, 0, 1, 0, 12, 0, 4, 0, 0, 0x70, 0x80,
};

/* Informational { N(INVALID-SPI) }, in clear, the SPI in the SPI field */
static const uint8_t msg_v1_invalid_spi[44] = { IKE_SPIS, 11, 0x10, 5, 0, 0x9a, 0x9b, 0x9c, 0x9d, 0, 0, 0, 44,
						0, 0, 0, 16, 0, 0, 0, 1, 3, 4, 0, 11,
						0xc2, 0xd3, 0x7a, 0x2c };

/* Informational, encrypted */
static const uint8_t msg_v1_info[92] = { IKE_SPIS, 8, 0x10, 5, 0x01, 1, 2, 3, 4, 0, 0, 0, 92, 0x55 };

/* SPI 0xc2d37a2c, sequence number 7 */
static const uint8_t msg_esp[64] = { 0xc2, 0xd3, 0x7a, 0x2c, 0, 0, 0, 7, 0xee };
static const uint8_t msg_keepalive[1] = { 0xff };

/* clang-format on */

/* `msg` behind a non-ESP marker into `to` (room for 4 more bytes). */
static inline size_t msg_marked(uint8_t *to, const uint8_t *msg, size_t len)
{
	memset(to, 0, 4);
	memcpy(to + 4, msg, len);
	return len + 4;
}

#endif
