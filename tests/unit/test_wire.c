/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What RADIUS, BFD, VRRP, DNS, DHCP, echo and cluster packets say; each also cut at
 * every length and with every byte flipped, under ASan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/wire.h"

static struct ikw_raw raw_of(uint8_t kind, const void *data, size_t len)
{
	struct ikw_raw raw = { .kind = kind, .len = (uint16_t)len, .family = 4 };

	raw.hdr.type = IKW_EV_RAW;
	raw.hdr.size = sizeof(raw);
	raw.hdr.seq = 9;
	raw.dir = IKW_DIR_IN;
	assert_true(len <= IKW_RAW_LEN);
	memcpy(raw.data, data, len);
	return raw;
}

static void assert_v4(const uint8_t addr[IKW_ADDR_LEN], uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	const uint8_t want[IKW_ADDR_LEN] = { [10] = 0xff, 0xff, a, b, c, d };

	assert_memory_equal(addr, want, IKW_ADDR_LEN);
}

static const uint8_t radius[] = { 40,  7,   0,	 20 + 7 + 6 + 6,
				  1,   2,   3,	 4,
				  5,   6,   7,	 8,
				  9,   10,  11,	 12,
				  13,  14,  15,	 16,
				  1,   7,   'a', 'l',
				  'i', 'c', 'e', 8,
				  6,   10,  5,	 0,
				  9,   27,  6,	 0,
				  0,   1,   44 };

static const uint8_t bfd[] = { 0x21, 0x40, 3, 24, 0, 0, 0, 5, 0, 0, 0, 6,
			       0,    1,	   0, 0,  0, 1, 0, 0, 0, 0, 0, 0 };

static const uint8_t vrrp[] = { 0x21, 51, 100, 1, 0, 1, 0, 0, 10, 1, 0, 254, 0, 0, 0, 0 };

static const uint8_t echo[] = { 8, 0, 0, 0, 0x12, 0x34, 0, 7 };

/* Site-B.example: a CNAME and two addresses */
static const uint8_t dns[] = {
	0xab, 0xcd, 0x81, 0x80, 0,   1,	  0,   3,   0,	 0,   0,   0, 6,   'S', 'i',  't',
	'e',  '-',  'B',  7,	'e', 'x', 'a', 'm', 'p', 'l', 'e', 0, 0,   1,	0,    1,
	0xc0, 12,   0,	  5,	0,   1,	  0,   0,   0,	 9,   0,   4, 1,   'x', 0xc0, 19,
	0xc0, 44,   0,	  1,	0,   1,	  0,   0,   0,	 60,  0,   4, 198, 51,	100,  1,
	0xc0, 44,   0,	  1,	0,   1,	  0,   0,   0,	 60,  0,   4, 198, 51,	100,  2,
};

static size_t dhcp(uint8_t *out)
{
	static const uint8_t options[] = { 99, 130, 83, 99, 53, 1, 5, 0, 51, 4, 0, 0, 0, 120, 255 };

	memset(out, 0, 236);
	out[0] = 2;
	memcpy(out + 16, (const uint8_t[]){ 10, 1, 9, 9 }, 4);
	memcpy(out + 236, options, sizeof(options));
	return 236 + sizeof(options);
}

/* As charon's ha plugin sent them on a little endian host. */
#define CLUSTER_IKE                                                                                \
	0x01, 0x02, 0xce, 0xef, 0x6a, 0x49, 0xf6, 0x10, 0xa8, 0x28, 0x71, 0xc9, 0x6e, 0x7c, 0xf5,  \
		0xf8, 0xb7, 0xee, 0x00
static const uint8_t cluster_status[] = { 3, 10, 0x22, 0, 1 };
static const uint8_t cluster_ike_gone[] = { 3, 5, CLUSTER_IKE };
static const uint8_t cluster_child[] = { 3,    6,    CLUSTER_IKE, 0x0e, 0x00, 0x1b, 0x22,
					 0x08, 0xf9, 0xc4,	  0x1c, 0x75, 0x86, 0xe1,
					 0xca, 0x1d, 0x00,	  0x00, 0x1e, 0x00, 0x00 };
static const uint8_t cluster_child_gone[] = { 3, 7, CLUSTER_IKE, 0x1b, 0x22, 0x08, 0xf9, 0xc4 };
/* the same of strongSwan 6.0 */
static const uint8_t cluster_child_6[] = { 4,	 6,    CLUSTER_IKE, 0x0e, 0x00, 0x1d, 0x8c,
					   0x51, 0xf1, 0xc5,	    0x1e, 0x01, 0x4b, 0x1f,
					   0xc9, 0x1f, 0x00,	    0x00, 0x20, 0x00, 0x00 };
static const uint8_t cluster_child_gone_6[] = { 4, 7, CLUSTER_IKE, 0x1d, 0xc6, 0x90, 0x1b, 0xce };

static void test_cluster(void **state)
{
	static const uint8_t spis[16] = { 0xce, 0xef, 0x6a, 0x49, 0xf6, 0x10, 0xa8, 0x28,
					  0x71, 0xc9, 0x6e, 0x7c, 0xf5, 0xf8, 0xb7, 0xee };
	struct ikw_raw raw = raw_of(IKW_WIRE_CLUSTER, cluster_child, sizeof(cluster_child));
	struct ikw_wire out[IKW_WIRE_RECORDS];

	(void)state;
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].code, IKW_CLUSTER_CHILD_ADD);
	assert_memory_equal(out[0].addr, spis, sizeof(spis));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	assert_int_equal(out[0].id, 0xc4f90822);
	assert_int_equal(out[0].value, 0xcae18675);
#endif
	raw = raw_of(IKW_WIRE_CLUSTER, cluster_ike_gone, sizeof(cluster_ike_gone));
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].code, IKW_CLUSTER_IKE_DELETE);
	assert_memory_equal(out[0].addr, spis, sizeof(spis));
	assert_int_equal(out[0].id, 0);
	raw = raw_of(IKW_WIRE_CLUSTER, cluster_child_gone, sizeof(cluster_child_gone));
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].code, IKW_CLUSTER_CHILD_DELETE);
	assert_int_not_equal(out[0].id, 0);
	raw.len -= 5; /* no SPI: of which CHILD_SA? */
	assert_int_equal(ikw_wire_read(&raw, out), 0);
	raw = raw_of(IKW_WIRE_CLUSTER, cluster_status, sizeof(cluster_status));
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].code, 10);
	raw.data[0] = 5; /* another version */
	assert_int_equal(ikw_wire_read(&raw, out), 0);
}

static void test_cluster_6(void **state)
{
	struct ikw_raw raw = raw_of(IKW_WIRE_CLUSTER, cluster_child_6, sizeof(cluster_child_6));
	struct ikw_wire out[IKW_WIRE_RECORDS];

	(void)state;
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].code, IKW_CLUSTER_CHILD_ADD);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	assert_int_equal(out[0].id, 0xc5f1518c);
	assert_int_equal(out[0].value, 0xc91f4b01);
#endif
	raw = raw_of(IKW_WIRE_CLUSTER, cluster_child_gone_6, sizeof(cluster_child_gone_6));
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].code, IKW_CLUSTER_CHILD_DELETE);
	assert_int_not_equal(out[0].id, 0);
	raw.data[0] = 3; /* there that number is another attribute's */
	assert_int_equal(ikw_wire_read(&raw, out), 0);
}

static void test_radius(void **state)
{
	struct ikw_raw raw = raw_of(IKW_WIRE_RADIUS, radius, sizeof(radius));
	struct ikw_wire out[IKW_WIRE_RECORDS];

	(void)state;
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].hdr.type, IKW_EV_WIRE);
	assert_int_equal(out[0].hdr.size, sizeof(out[0]));
	assert_int_equal(out[0].hdr.seq, 9);
	assert_int_equal(out[0].code, 40);
	assert_int_equal(out[0].id, 7);
	assert_int_equal(out[0].value, 300);
	assert_string_equal(out[0].user, "alice");
	assert_v4(out[0].addr, 10, 5, 0, 9);
}

static void test_bfd_vrrp_echo(void **state)
{
	struct ikw_raw raw = raw_of(IKW_WIRE_BFD, bfd, sizeof(bfd));
	struct ikw_wire out[IKW_WIRE_RECORDS];

	(void)state;
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].code, 1);
	assert_int_equal(out[0].id, 5);
	assert_int_equal(out[0].value, 1);
	raw.data[0] = 0x41; /* another version */
	assert_int_equal(ikw_wire_read(&raw, out), 0);
	raw = raw_of(IKW_WIRE_VRRP, vrrp, sizeof(vrrp));
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].id, 51);
	assert_int_equal(out[0].code, 100);
	raw.data[0] = 0x22; /* no advertisement */
	assert_int_equal(ikw_wire_read(&raw, out), 0);
	raw = raw_of(IKW_WIRE_ECHO, echo, sizeof(echo));
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].code, 8);
	assert_int_equal(out[0].id, 0x1234);
	assert_int_equal(out[0].value, 7);
}

static void test_dns(void **state)
{
	struct ikw_raw raw = raw_of(IKW_WIRE_DNS, dns, sizeof(dns));
	struct ikw_wire out[IKW_WIRE_RECORDS];

	(void)state;
	assert_int_equal(ikw_wire_read(&raw, out), 2);
	assert_string_equal(out[0].user, "site-b.example");
	assert_string_equal(out[1].user, "site-b.example");
	assert_v4(out[0].addr, 198, 51, 100, 1);
	assert_v4(out[1].addr, 198, 51, 100, 2);
	assert_int_equal(out[1].value2, 2);
	assert_int_equal(out[1].id, 0xabcd0001);
	assert_int_equal(out[1].hdr.seq, 0);
	raw.data[3] = 0x83; /* NXDOMAIN */
	raw.data[7] = 0;
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].code, 3);
	assert_int_equal(out[0].value2, 0);
	raw.data[2] = 0x01; /* the query */
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].code, IKW_DNS_QUERY);
	raw = raw_of(IKW_WIRE_DNS, dns, sizeof(dns));
	raw.data[2] |= 2; /* truncated: not the whole list */
	assert_int_equal(ikw_wire_read(&raw, out), 0);
	raw = raw_of(IKW_WIRE_DNS, dns, sizeof(dns));
	raw.data[12] = 0xc0; /* a question's name that is a pointer */
	assert_int_equal(ikw_wire_read(&raw, out), 0);
}

static void test_dhcp(void **state)
{
	uint8_t bytes[IKW_RAW_LEN];
	struct ikw_raw raw = raw_of(IKW_WIRE_DHCP, bytes, dhcp(bytes));
	struct ikw_wire out[IKW_WIRE_RECORDS];

	(void)state;
	assert_int_equal(ikw_wire_read(&raw, out), 1);
	assert_int_equal(out[0].code, 5);
	assert_int_equal(out[0].value, 120);
	assert_v4(out[0].addr, 10, 1, 9, 9);
	raw.data[236] = 0;
	assert_int_equal(ikw_wire_read(&raw, out), 0);
}

/* Nothing is read beyond the copied bytes, whatever they are; texts end. */
static void hurt(uint8_t kind, const uint8_t *data, size_t len)
{
	struct ikw_raw raw;
	struct ikw_wire out[IKW_WIRE_RECORDS];

	for (size_t cut = 0; cut <= len; cut++) {
		raw = raw_of(kind, data, cut);
		assert_true(ikw_wire_read(&raw, out) <= IKW_WIRE_RECORDS);
	}
	for (size_t at = 0; at < len; at++)
		for (unsigned int value = 0; value < 256; value++) {
			size_t n;

			raw = raw_of(kind, data, len);
			raw.data[at] = (uint8_t)value;
			n = ikw_wire_read(&raw, out);
			assert_true(n <= IKW_WIRE_RECORDS);
			for (size_t i = 0; i < n; i++)
				assert_non_null(memchr(out[i].user, 0, sizeof(out[i].user)));
		}
}

static void test_hurt(void **state)
{
	uint8_t bytes[IKW_RAW_LEN];

	(void)state;
	hurt(IKW_WIRE_RADIUS, radius, sizeof(radius));
	hurt(IKW_WIRE_BFD, bfd, sizeof(bfd));
	hurt(IKW_WIRE_VRRP, vrrp, sizeof(vrrp));
	hurt(IKW_WIRE_ECHO, echo, sizeof(echo));
	hurt(IKW_WIRE_CLUSTER, cluster_child, sizeof(cluster_child));
	hurt(IKW_WIRE_CLUSTER, cluster_child_gone, sizeof(cluster_child_gone));
	hurt(IKW_WIRE_DNS, dns, sizeof(dns));
	hurt(IKW_WIRE_DHCP, bytes, dhcp(bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_radius),	cmocka_unit_test(test_bfd_vrrp_echo),
		cmocka_unit_test(test_dns),	cmocka_unit_test(test_dhcp),
		cmocka_unit_test(test_cluster), cmocka_unit_test(test_cluster_6),
		cmocka_unit_test(test_hurt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
