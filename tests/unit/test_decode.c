// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `decode`: every capture format, byte order and link type; damage is counted, never fatal. */
#include <getopt.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/frames.h"
#include "user/capture.h"
#include "user/cli.h"

/* ---- capture files in memory ------------------------------------------------------- */

struct file {
	uint8_t bytes[65536];
	size_t len;
	bool swapped;
};

static void put(struct file *f, const void *bytes, size_t len)
{
	memcpy(f->bytes + f->len, bytes, len);
	f->len += len;
}

static void put32(struct file *f, uint32_t v)
{
	if (f->swapped)
		v = __builtin_bswap32(v);
	put(f, &v, 4);
}

static void put16(struct file *f, uint16_t v)
{
	if (f->swapped)
		v = __builtin_bswap16(v);
	put(f, &v, 2);
}

static void pcap_begin(struct file *f, uint32_t magic, uint32_t linktype)
{
	f->len = 0;
	put32(f, magic);
	put16(f, 2);
	put16(f, 4);
	put32(f, 0);
	put32(f, 0);
	put32(f, 65535);
	put32(f, linktype);
}

static void pcap_packet(struct file *f, uint32_t frac, const void *bytes, size_t len)
{
	put32(f, 1700000000);
	put32(f, frac);
	put32(f, (uint32_t)len);
	put32(f, (uint32_t)len);
	put(f, bytes, len);
}

static void ng_block(struct file *f, uint32_t type, const struct file *body)
{
	uint32_t total = 12 + (uint32_t)((body->len + 3) & ~3UL);

	put32(f, type);
	put32(f, total);
	put(f, body->bytes, body->len);
	while (f->len % 4)
		put(f, "", 1);
	put32(f, total);
}

static void ng_section(struct file *f)
{
	static struct file body;

	body = (struct file){ .swapped = f->swapped };
	put32(&body, 0x1a2b3c4d);
	put16(&body, 1);
	put16(&body, 0);
	put(&body, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	ng_block(f, 0x0a0d0d0a, &body);
}

/* resolution 0: no such option */
static void ng_interface(struct file *f, uint16_t linktype, uint8_t resolution)
{
	static struct file body;

	body = (struct file){ .swapped = f->swapped };
	put16(&body, linktype);
	put16(&body, 0);
	put32(&body, 0);
	if (resolution) {
		put16(&body, 2); /* a name, to be stepped over */
		put16(&body, 3);
		put(&body, "any", 4);
		put16(&body, 9);
		put16(&body, 1);
		put(&body, (uint8_t[4]){ resolution }, 4);
		put32(&body, 0);
	}
	ng_block(f, 1, &body);
}

static void ng_packet(struct file *f, uint32_t interface, uint64_t units, const void *bytes,
		      size_t len)
{
	static struct file body;

	body = (struct file){ .swapped = f->swapped };
	put32(&body, interface);
	put32(&body, (uint32_t)(units >> 32));
	put32(&body, (uint32_t)units);
	put32(&body, (uint32_t)len);
	put32(&body, (uint32_t)len);
	put(&body, bytes, len);
	ng_block(f, 6, &body);
}

/* ---- running decode ------------------------------------------------------------------ */

struct output {
	int status;
	char out[65536];
	char err[4096];
};

static void read_back(FILE *file, char *text, size_t size)
{
	size_t got;

	rewind(file);
	got = fread(text, 1, size - 1, file);
	text[got] = 0;
	fclose(file);
}

static void decode_args(struct output *o, int argc, char **argv)
{
	FILE *out = tmpfile(), *err = tmpfile();
	int saved_out, saved_err;

	assert_non_null(out);
	assert_non_null(err);
	fflush(stdout);
	fflush(stderr);
	saved_out = dup(1);
	saved_err = dup(2);
	dup2(fileno(out), 1);
	dup2(fileno(err), 2);
	optind = 0; /* glibc: start over */
	o->status = ikw_decode_main(argc, argv);
	fflush(stdout);
	fflush(stderr);
	dup2(saved_out, 1);
	dup2(saved_err, 2);
	close(saved_out);
	close(saved_err);
	read_back(out, o->out, sizeof(o->out));
	read_back(err, o->err, sizeof(o->err));
}

/* JSON is what comes unasked. option: another one, or NULL. */
static void decode_with(struct output *o, const void *bytes, size_t len, const char *option)
{
	char path[] = "/tmp/ikewatch-decode-XXXXXX", word[32];
	char *argv[] = { (char[]){ "decode" }, path, word, NULL };
	int fd = mkstemp(path);

	snprintf(word, sizeof(word), "%s", option ? option : "");

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	close(fd);
	decode_args(o, option ? 3 : 2, argv);
	unlink(path);
}

static void decode(struct output *o, const void *bytes, size_t len, bool json)
{
	decode_with(o, bytes, len, json ? NULL : "--text");
}

/* The n-th line of output as JSON; the caller's. */
static json_t *line_json(const struct output *o, int n)
{
	const char *line = o->out;
	json_t *object;

	while (n-- && line)
		line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
	assert_non_null(line);
	object = json_loadb(line, strcspn(line, "\n"), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(object);
	return object;
}

static int lines(const struct output *o)
{
	int n = 0;

	for (const char *p = o->out; *p; p++)
		n += *p == '\n';
	return n;
}

static const char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	assert_non_null(text);
	return text;
}

static json_int_t number_of(const json_t *o, const char *name)
{
	assert_true(json_is_integer(json_object_get(o, name)));
	return json_integer_value(json_object_get(o, name));
}

static void check_dpd(const json_t *o, bool natt)
{
	assert_string_equal(text_of(o, "src"), "192.0.2.1");
	assert_string_equal(text_of(o, "dst"), "198.51.100.2");
	assert_string_equal(text_of(o, "proto"), "ike");
	assert_int_equal(json_is_true(json_object_get(o, "natt")), natt);
	assert_int_equal(number_of(o, "version"), 2);
	assert_int_equal(number_of(o, "exchange_type"), 37);
	assert_int_equal(number_of(o, "flags"), 8);
	assert_int_equal(number_of(o, "message_id"), 5);
	assert_int_equal(number_of(o, "length"), 80);
	assert_int_equal(number_of(o, "next_payload"), 46);
	assert_string_equal(text_of(o, "spi_i"), "1112131415161718");
	assert_string_equal(text_of(o, "spi_r"), "2122232425262728");
}

/* ---- tests ---------------------------------------------------------------------------- */

static struct file file;
static struct output output;

static void test_members(void **state)
{
	uint8_t marked[128];
	struct frame f;
	json_t *o;

	(void)state;
	file.swapped = false;
	pcap_begin(&file, 0xa1b2c3d4, 1);
	frame_make(&f, LINK_ETH, NET_V4, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	pcap_packet(&file, 123456, f.bytes, f.len);
	frame_make(&f, LINK_VLAN, NET_V4, 61234, 4500, marked,
		   msg_marked(marked, msg_v2_dpd, sizeof(msg_v2_dpd)));
	pcap_packet(&file, 123457, f.bytes, f.len);
	frame_make(&f, LINK_QINQ, NET_V6_CHAIN, 0, 0, msg_esp, sizeof(msg_esp));
	pcap_packet(&file, 123458, f.bytes, f.len);
	frame_make(&f, LINK_ETH, NET_V4, 4500, 4500, msg_keepalive, 1);
	pcap_packet(&file, 123459, f.bytes, f.len);
	decode(&output, file.bytes, file.len, true);
	assert_int_equal(output.status, 0);
	assert_string_equal(output.err, "");
	assert_int_equal(lines(&output), 4);
	assert_non_null(strstr(output.out, "{\"time\": 1700000000.123456, "));

	o = line_json(&output, 0);
	check_dpd(o, false);
	assert_int_equal(number_of(o, "sport"), 500);
	json_decref(o);
	o = line_json(&output, 1);
	check_dpd(o, true);
	assert_int_equal(number_of(o, "sport"), 61234);
	assert_int_equal(number_of(o, "dport"), 4500);
	json_decref(o);
	o = line_json(&output, 2);
	assert_string_equal(text_of(o, "proto"), "esp");
	assert_string_equal(text_of(o, "src"), "2001:db8::1");
	assert_string_equal(text_of(o, "dst"), "2001:db8:2::2");
	assert_string_equal(text_of(o, "spi"), "0xc2d37a2c");
	assert_int_equal(number_of(o, "seq"), 7);
	assert_true(json_is_false(json_object_get(o, "natt")));
	json_decref(o);
	o = line_json(&output, 3);
	assert_string_equal(text_of(o, "proto"), "keepalive");
	assert_true(json_is_true(json_object_get(o, "natt")));
	json_decref(o);
}

/* On a port that was named: IKE without a marker and with it, ESP, a keepalive. */
static void test_port(void **state)
{
	static const char *const protos[] = { "ike", "ike", "esp", "keepalive" };
	uint8_t marked[128];
	struct frame f;

	(void)state;
	file.swapped = false;
	pcap_begin(&file, 0xa1b2c3d4, 1);
	frame_make(&f, LINK_ETH, NET_V4, 14500, 61234, msg_v2_dpd, sizeof(msg_v2_dpd));
	pcap_packet(&file, 1, f.bytes, f.len);
	frame_make(&f, LINK_ETH, NET_V4, 61234, 14500, marked,
		   msg_marked(marked, msg_v2_dpd, sizeof(msg_v2_dpd)));
	pcap_packet(&file, 2, f.bytes, f.len);
	frame_make(&f, LINK_ETH, NET_V6, 14500, 14500, msg_esp, sizeof(msg_esp));
	pcap_packet(&file, 3, f.bytes, f.len);
	frame_make(&f, LINK_ETH, NET_V4, 14500, 14500, msg_keepalive, 1);
	pcap_packet(&file, 4, f.bytes, f.len);
	decode_with(&output, file.bytes, file.len, "--port=14500");
	assert_int_equal(output.status, 0);
	assert_string_equal(output.err, "");
	assert_int_equal(lines(&output), 4);
	for (int i = 0; i < 4; i++) {
		json_t *o = line_json(&output, i);

		assert_string_equal(text_of(o, "proto"), protos[i]);
		assert_int_equal(json_is_true(json_object_get(o, "natt")), i != 0);
		if (i < 2)
			check_dpd(o, i);
		json_decref(o);
	}
	decode(&output, file.bytes, file.len, true); /* not named: other UDP */
	assert_string_equal(output.out, "");
	assert_string_equal(output.err, "");
}

/* What is put before an IP packet for each link type. */
static const struct {
	uint16_t linktype;
	uint8_t v6;
	uint8_t len;
	uint8_t bytes[24];
} links[] = {
	{ 113, 0, 16, { 0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0 } },
	{ 113, 1, 16, { 0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x86, 0xdd } },
	{ 113, 0, 20, { 0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x81, 0, 0, 7, 8, 0 } },
	{ 276, 0, 20, { 8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0 } },
	{ 276, 1, 20, { 0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0 } },
	{ 276,
	  0,
	  24,
	  { 0x81, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0, 7, 8, 0 } },
	{ 101, 0, 0, { 0 } },
	{ 101, 1, 0, { 0 } },
	{ 12, 0, 0, { 0 } },
	{ 14, 1, 0, { 0 } },
	{ 228, 0, 0, { 0 } },
	{ 229, 1, 0, { 0 } },
	{ 0, 0, 4, { 2, 0, 0, 0 } },
	{ 0, 0, 4, { 0, 0, 0, 2 } },
	{ 0, 1, 4, { 30, 0, 0, 0 } },
	{ 0, 1, 4, { 0, 0, 0, 24 } },
	{ 108, 0, 4, { 0, 0, 0, 2 } },
	{ 108, 1, 4, { 0, 0, 0, 28 } },
};

#define LINK_COUNT (sizeof(links) / sizeof(links[0]))

static size_t link_frame(size_t i, uint8_t *to)
{
	struct frame f;

	frame_make(&f, LINK_IP, links[i].v6 ? NET_V6 : NET_V4, 500, 500, msg_v2_dpd,
		   sizeof(msg_v2_dpd));
	memcpy(to, links[i].bytes, links[i].len);
	memcpy(to + links[i].len, f.bytes, f.len);
	return links[i].len + f.len;
}

static void test_link_types(void **state)
{
	uint8_t bytes[512];

	(void)state;
	for (size_t i = 0; i < LINK_COUNT; i++)
		for (int swapped = 0; swapped < 2; swapped++) {
			size_t len = link_frame(i, bytes);
			json_t *o;

			file.swapped = swapped;
			pcap_begin(&file, 0xa1b2c3d4, links[i].linktype);
			pcap_packet(&file, 5, bytes, len);
			decode(&output, file.bytes, file.len, true);
			assert_string_equal(output.err, "");
			assert_int_equal(lines(&output), 1);
			o = line_json(&output, 0);
			assert_int_equal(number_of(o, "message_id"), 5);
			json_decref(o);
			assert_non_null(strstr(output.out, "{\"time\": 1700000000.000005, "));
		}
}

static void test_nanoseconds(void **state)
{
	struct frame f;

	(void)state;
	file.swapped = true;
	pcap_begin(&file, 0xa1b23c4d, 1);
	frame_make(&f, LINK_ETH, NET_V4, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	pcap_packet(&file, 123456789, f.bytes, f.len);
	decode(&output, file.bytes, file.len, true);
	assert_non_null(strstr(output.out, "{\"time\": 1700000000.123456789, "));
}

/* One pcapng with interfaces of several link types and clocks, in either byte order. */
static void test_pcapng(void **state)
{
	static const char *const times[] = { "{\"time\": 1700000000.123456, ",
					     "{\"time\": 1700000000.123456789, ",
					     "{\"time\": 1700000000.500000000, " };
	uint8_t sll2[512];
	struct frame f;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	for (int swapped = 0; swapped < 2; swapped++) {
		size_t len = link_frame(3, sll2);

		file = (struct file){ .swapped = swapped };
		ng_section(&file);
		ng_interface(&file, 1, 0);
		ng_interface(&file, 276, 9);
		ng_interface(&file, 1, 0x80 | 10);
		ng_packet(&file, 0, 1700000000123456, f.bytes, f.len);
		ng_packet(&file, 1, 1700000000123456789, sll2, len);
		ng_packet(&file, 2, 1700000000ULL * 1024 + 512, f.bytes, f.len);
		ng_section(&file); /* a second section starts over */
		ng_interface(&file, 1, 0);
		ng_packet(&file, 0, 1700000000123456, f.bytes, f.len);
		decode(&output, file.bytes, file.len, true);
		assert_string_equal(output.err, "");
		assert_int_equal(lines(&output), 4);
		for (int i = 0; i < 3; i++)
			assert_non_null(strstr(output.out, times[i]));
	}
}

static void test_text(void **state)
{
	struct frame f;

	(void)state;
	file.swapped = false;
	pcap_begin(&file, 0xa1b2c3d4, 1);
	frame_make(&f, LINK_ETH, NET_V4, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	pcap_packet(&file, 123456, f.bytes, f.len);
	frame_make(&f, LINK_ETH, NET_V6, 4500, 4500, msg_esp, sizeof(msg_esp));
	pcap_packet(&file, 123457, f.bytes, f.len);
	decode(&output, file.bytes, file.len, false);
	assert_string_equal(
		output.out,
		"1700000000.123456  192.0.2.1:500         > 198.51.100.2:500       IKEv2 "
		"INFORMATIONAL request id 5, 80 bytes, 1112131415161718_i 2122232425262728_r\n"
		"1700000000.123457  [2001:db8::1]:4500    > [2001:db8:2::2]:4500   ESP 0xc2d37a2c "
		"seq 7, 112 bytes (in UDP)\n");
}

/* Cut at every length: exit 0, whole packets only, and the rest counted. */
static void test_every_cut(void **state)
{
	struct frame f;
	size_t first;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	file.swapped = false;
	pcap_begin(&file, 0xa1b2c3d4, 1);
	pcap_packet(&file, 1, f.bytes, f.len);
	first = file.len;
	pcap_packet(&file, 2, f.bytes, f.len);
	for (size_t len = 4; len < file.len; len++) {
		decode(&output, file.bytes, len, true);
		assert_int_equal(output.status, 0);
		assert_int_equal(lines(&output), len >= first);
		assert_int_equal(!output.err[0], len == 24 || len == first);
		if (output.err[0])
			assert_non_null(strstr(output.err, "1 could not be read"));
	}
}

static void test_every_cut_pcapng(void **state)
{
	struct frame f;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	file = (struct file){ 0 };
	ng_section(&file);
	ng_interface(&file, 1, 9);
	ng_packet(&file, 0, 1, f.bytes, f.len);
	for (size_t len = 4; len < file.len; len++) {
		decode(&output, file.bytes, len, true);
		assert_int_equal(output.status, 0);
		assert_string_equal(output.out, "");
	}
}

/* Snap length: a packet cut in its headers is counted, one cut behind them is read. */
static void test_snapped(void **state)
{
	struct frame f;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	file.swapped = false;
	pcap_begin(&file, 0xa1b2c3d4, 1);
	pcap_packet(&file, 0, "", 0);
	pcap_packet(&file, 1, f.bytes, f.payload + 27);
	pcap_packet(&file, 2, f.bytes, f.payload + 28);
	decode(&output, file.bytes, file.len, true);
	assert_int_equal(output.status, 0);
	assert_int_equal(lines(&output), 1);
	assert_non_null(strstr(output.err, "2 could not be read of 3 packets (2 cut short"));
}

static void test_every_flip(void **state)
{
	static struct file flipped;
	struct frame f;

	(void)state;
	frame_make(&f, LINK_ETH, NET_V4, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	file = (struct file){ 0 };
	ng_section(&file);
	ng_interface(&file, 1, 9);
	ng_packet(&file, 0, 1, f.bytes, f.len);
	ng_packet(&file, 0, 2, f.bytes, f.len);
	for (size_t bit = 32; bit < file.len * 8; bit++) {
		flipped = file;
		flipped.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		decode(&output, flipped.bytes, flipped.len, true);
		assert_int_equal(output.status, 0);
	}
}

static void test_unknown_link(void **state)
{
	(void)state;
	file.swapped = false;
	pcap_begin(&file, 0xa1b2c3d4, 127);
	pcap_packet(&file, 1, msg_esp, sizeof(msg_esp));
	decode(&output, file.bytes, file.len, true);
	assert_int_equal(output.status, 0);
	assert_string_equal(output.out, "");
	assert_non_null(strstr(output.err, "1 of an unknown link type"));
}

static void test_refused(void **state)
{
	char *missing[] = { (char[]){ "decode" }, (char[]){ "/nonexistent/x.pcap" }, NULL };
	char *none[] = { (char[]){ "decode" }, NULL };
	char *port[] = { (char[]){ "decode" }, (char[]){ "--port" }, (char[]){ "70000" }, NULL };

	(void)state;
	decode_args(&output, 2, missing);
	assert_int_equal(output.status, 1);
	assert_string_equal(output.err,
			    "ikewatch: /nonexistent/x.pcap: No such file or directory\n");
	decode(&output, "no capture at all", 17, true);
	assert_int_equal(output.status, 1);
	assert_non_null(strstr(output.err, "not a pcap or pcapng file"));
	decode_args(&output, 1, none);
	assert_int_equal(output.status, 2);
	decode_args(&output, 3, port);
	assert_int_equal(output.status, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),	     cmocka_unit_test(test_port),
		cmocka_unit_test(test_link_types),   cmocka_unit_test(test_nanoseconds),
		cmocka_unit_test(test_pcapng),	     cmocka_unit_test(test_text),
		cmocka_unit_test(test_every_cut),    cmocka_unit_test(test_every_cut_pcapng),
		cmocka_unit_test(test_snapped),	     cmocka_unit_test(test_every_flip),
		cmocka_unit_test(test_unknown_link), cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
