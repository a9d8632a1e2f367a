/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Secrets that probes come across: none of them stays, and what is asked of a daemon is still
 * known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "user/host.h"
#include "user/scrub.h"

#define KEY "0x000102030405060708090a0b0c0d0e0f10111213"
#define SET(field, len_field, bytes)                                                               \
	do {                                                                                       \
		memcpy(field, bytes, sizeof(bytes) - 1);                                           \
		(len_field) = sizeof(bytes) - 1;                                                   \
	} while (0)

static struct ikw_control request(const char *path, const char *bytes, size_t len)
{
	struct ikw_control c = { .op = IKW_CONTROL_REQUEST, .request_len = (uint16_t)len };

	strcpy(c.path, path);
	memcpy(c.request, bytes, len);
	return c;
}

static bool holds(const void *in, size_t size, const char *text)
{
	return memmem(in, size, text, strlen(text)) != NULL;
}

#define REQUEST(path, bytes) request(path, bytes, sizeof(bytes) - 1)

static void test_requests(void **state)
{
	static const char load[] = "\0\0\0\x40\0\x0bload-shared\x03\x04"
				   "data\0\x06geheim";
	static const char payload[] = "\x03\x02id\0\x07ike-tun\x03\x04"
				      "data\0\x06geheim";
	struct ikw_control c = request("/run/charon.vici", load, sizeof(load) - 1);
	uint8_t name[IKW_REQUEST_LEN];

	(void)state;
	ikw_scrub_control(&c);
	assert_int_equal(ikw_host_request_tells(&c, name), strlen("load-shared"));
	assert_memory_equal(name, "load-shared", strlen("load-shared"));
	assert_false(holds(c.request, sizeof(c.request), "geheim"));
	ikw_scrub_control(&c); /* once more changes nothing */
	assert_int_equal(ikw_host_request_tells(&c, name), strlen("load-shared"));
	assert_memory_equal(name, "load-shared", strlen("load-shared"));

	c = request("/run/charon.vici", payload, sizeof(payload) - 1);
	ikw_scrub_control(&c);
	assert_int_equal(c.request_len, 0);
	assert_false(holds(c.request, sizeof(c.request), "ike-tun"));

	c = REQUEST("/run/charon.ctl", "\x40\0\0\0\x05\0\0\0geheim");
	ikw_scrub_control(&c);
	assert_int_equal(c.request_len, 8);
	assert_int_equal(c.request[4], 5);
	assert_false(holds(c.request, sizeof(c.request), "geheim"));

	c = REQUEST("/run/pluto/pluto.ctl", "whatever whack says");
	ikw_scrub_control(&c);
	assert_int_equal(c.request_len, 0);
	assert_int_equal(c.request[0], 0);
}

static void test_words(void **state)
{
	struct ikw_proc p = { 0 };

	(void)state;
	SET(p.args, p.args_len,
	    "ip\0xfrm\0state\0add\0spi\0x00001001\0reqid\0"
	    "7\0enc\0cbc(aes)\0sixteen bytes!!!\0");
	ikw_scrub_proc(&p);
	assert_false(holds(p.args, p.args_len, "sixteen"));
	assert_true(holds(p.args, p.args_len, "x00001001"));
	assert_true(holds(p.args, p.args_len, "cbc(aes)"));

	memset(&p, 0, sizeof(p));
	SET(p.args, p.args_len, "sh\0-c\0ip xfrm state add auth 'hmac(sha1)' " KEY " enc x y\0");
	ikw_scrub_proc(&p);
	assert_false(holds(p.args, p.args_len, "0a0b0c"));
	assert_true(holds(p.args, p.args_len, "0x***"));
	assert_true(holds(p.args, p.args_len, "* enc x y"));

	/* no end, and no words */
	memset(&p, 'e', sizeof(p));
	p.args_len = sizeof(p.args);
	ikw_scrub_proc(&p);
	assert_int_equal(p.args[sizeof(p.args) - 1], 'e');
	p.args_len = 0;
	ikw_scrub_proc(&p);
}

/* What is wanted of a daemon reads the same. */
static void test_commands_stay(void **state)
{
	static const char args[] = "swanctl\0--terminate\0--ike\0tun\0--timeout\0"
				   "20";
	struct ikw_proc p = { 0 };

	(void)state;
	memcpy(p.args, args, sizeof(args));
	p.args_len = sizeof(args);
	ikw_scrub_proc(&p);
	assert_memory_equal(p.args, args, sizeof(args));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_commands_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
