/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The event codec: every byte of every record comes back, and nothing bad comes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/event.h"

static uint32_t random_state = 1;

/* xorshift32: the same contents in every run. */
static uint8_t random_byte(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return (uint8_t)(random_state >> 11);
}

/* Every byte that carries nothing. A member that the codec's tables forgot is not listed here. */
static bool is_padding(unsigned int type, size_t at)
{
	struct {
		unsigned int type;
		size_t from;
		size_t size;
	} pads[] = {
#define PAD(t, s, m) { t, offsetof(struct s, m), sizeof(((struct s *)0)->m) }
		PAD(IKW_EV_IKE, ikw_ike, pad),	       PAD(IKW_EV_SA, ikw_sa, pad),
		PAD(IKW_EV_SA, ikw_sa, pad2),	       PAD(IKW_EV_POLICY, ikw_policy, pad),
		PAD(IKW_EV_FLUSH, ikw_flush, pad),     PAD(IKW_EV_PROC, ikw_proc, pad),
		PAD(IKW_EV_CONTROL, ikw_control, pad), PAD(IKW_EV_CONTROL, ikw_control, pad2),
		PAD(IKW_EV_DUMP, ikw_dump, pad),       PAD(IKW_EV_LINK, ikw_link, pad),
		PAD(IKW_EV_ADDR, ikw_addr, pad),       PAD(IKW_EV_ROUTE, ikw_route, pad),
		PAD(IKW_EV_ESP, ikw_esp, pad),	       PAD(IKW_EV_ESP, ikw_esp, pad2),
		PAD(IKW_EV_NETNS, ikw_netns, pad),     PAD(IKW_EV_IKESA, ikw_ikesa, pad),
		PAD(IKW_EV_PORTS, ikw_ports, pad),     PAD(IKW_EV_WAY, ikw_way, pad),
#undef PAD
	};

	for (size_t i = 0; i < sizeof(pads) / sizeof(pads[0]); i++)
		if (pads[i].type == type && at >= pads[i].from && at < pads[i].from + pads[i].size)
			return true;
	return false;
}

/* The last bytes of texts are NUL in a valid record. */
static void end_texts(union ikw_event *e)
{
	switch (e->hdr.type) {
	case IKW_EV_SA:
		e->sa.by.comm[IKW_COMM_LEN - 1] = 0;
		break;
	case IKW_EV_POLICY:
		e->policy.by.comm[IKW_COMM_LEN - 1] = 0;
		break;
	case IKW_EV_FLUSH:
		e->flush.by.comm[IKW_COMM_LEN - 1] = 0;
		break;
	case IKW_EV_PROC:
		e->proc.comm[IKW_COMM_LEN - 1] = 0;
		e->proc.tty[IKW_NAME_LEN - 1] = 0;
		e->proc.exe[IKW_EXE_LEN - 1] = 0;
		for (int i = 0; i < IKW_PARENTS; i++)
			e->proc.parents[i].comm[IKW_COMM_LEN - 1] = 0;
		break;
	case IKW_EV_CONTROL:
		e->control.by.comm[IKW_COMM_LEN - 1] = 0;
		e->control.path[IKW_PATH_LEN - 1] = 0;
		break;
	case IKW_EV_SIGNAL:
		e->signal.by.comm[IKW_COMM_LEN - 1] = 0;
		break;
	case IKW_EV_HELPED:
		e->helped.comm[IKW_COMM_LEN - 1] = 0;
		break;
	case IKW_EV_WIRE:
		e->wire.user[sizeof(e->wire.user) - 1] = 0;
		break;
	case IKW_EV_LINK:
		e->link.name[IKW_NAME_LEN - 1] = 0;
		e->link.kind[IKW_NAME_LEN - 1] = 0;
		break;
	case IKW_EV_NETNS:
		e->netns.name[sizeof(e->netns.name) - 1] = 0;
		break;
	default:
		break;
	}
}

static uint8_t in_range(uint8_t value, uint8_t first, uint8_t last)
{
	return (uint8_t)(first + value % (last - first + 1));
}

/* Our enums and counts within their ranges. */
static void set_enums(union ikw_event *e)
{
	switch (e->hdr.type) {
	case IKW_EV_IKE:
		e->ike.dir = in_range(e->ike.dir, IKW_DIR_UNKNOWN, IKW_DIR_FWD);
		break;
	case IKW_EV_SA:
		e->sa.op = in_range(e->sa.op, IKW_SA_LARVAL, IKW_SA_DUMP);
		e->sa.cause = in_range(e->sa.cause, IKW_CAUSE_UNKNOWN, IKW_CAUSE_UPDATE);
		e->sa.limit = in_range(e->sa.limit, IKW_LIMIT_NONE, IKW_LIMIT_VOLUME);
		e->sa.dir = in_range(e->sa.dir, IKW_DIR_UNKNOWN, IKW_DIR_FWD);
		break;
	case IKW_EV_POLICY:
		e->policy.op = in_range(e->policy.op, IKW_POLICY_INSERT, IKW_POLICY_DUMP);
		break;
	case IKW_EV_FLUSH:
		e->flush.what = in_range(e->flush.what, IKW_FLUSH_SA, IKW_FLUSH_POLICY);
		break;
	case IKW_EV_PROC:
		e->proc.op = in_range(e->proc.op, IKW_PROC_SEEN, IKW_PROC_DAEMON);
		e->proc.args_len = IKW_ARGS_LEN;
		e->proc.parent_count = IKW_PARENTS;
		break;
	case IKW_EV_CONTROL:
		e->control.op = in_range(e->control.op, IKW_CONTROL_CONNECT, IKW_CONTROL_REQUEST);
		e->control.request_len = IKW_REQUEST_LEN;
		break;
	case IKW_EV_WIRE:
		e->wire.kind = in_range(e->wire.kind, IKW_WIRE_RADIUS, IKW_WIRE_CLUSTER);
		e->wire.dir = in_range(e->wire.dir, IKW_DIR_UNKNOWN, IKW_DIR_FWD);
		break;
	case IKW_EV_PROBES:
		e->probes.tier %= IKW_TIER_NETLINK + 1;
		break;
	case IKW_EV_LOST:
		e->lost.where = in_range((uint8_t)e->lost.where, IKW_LOST_RING, IKW_LOST_PROBE);
		break;
	case IKW_EV_DUMP:
		e->dump.op = in_range(e->dump.op, IKW_DUMP_BEGIN, IKW_DUMP_END);
		break;
	case IKW_EV_LINK:
		e->link.op = in_range(e->link.op, IKW_LINK_SET, IKW_LINK_GONE);
		break;
	case IKW_EV_ADDR:
		e->addr.op = in_range(e->addr.op, IKW_ADDR_SET, IKW_ADDR_GONE);
		break;
	case IKW_EV_ESP:
		e->esp.dir = in_range(e->esp.dir, IKW_DIR_UNKNOWN, IKW_DIR_FWD);
		e->esp.span_count = IKW_ESP_SPANS;
		break;
	case IKW_EV_NETNS:
		e->netns.op = in_range(e->netns.op, IKW_NETNS_NAME_GONE, IKW_NETNS_NAMED);
		break;
	case IKW_EV_IKESA:
		e->ikesa.op = in_range(e->ikesa.op, IKW_IKESA_KNOWN, IKW_IKESA_SUCCEEDED);
		e->ikesa.dir = in_range(e->ikesa.dir, IKW_DIR_UNKNOWN, IKW_DIR_FWD);
		break;
	default:
		break;
	}
}

/* A valid record of that type: random, or (low) no byte zero so that no text is short. */
static void fill(union ikw_event *e, unsigned int type, bool full)
{
	size_t size = ikw_event_size(type);
	uint8_t *at = (uint8_t *)e;

	memset(e, 0, sizeof(*e));
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = random_byte();

		at[i] = is_padding(type, i) ? 0 : full && !byte ? 1 : byte;
	}
	e->hdr.type = (uint16_t)type;
	e->hdr.size = (uint16_t)size;
	set_enums(e);
	end_texts(e);
}

static char *line_of(const union ikw_event *e)
{
	char *line = ikw_event_line(e);

	assert_non_null(line);
	return line;
}

static void read_back(const char *line, union ikw_event *e)
{
	char why[256] = "";

	if (ikw_event_from_line(line, strlen(line), e, why, sizeof(why)))
		fail_msg("%s: %s", why, line);
}

/* With no zero byte in a text, the whole record comes back. */
static void test_round_trip(void **state)
{
	(void)state;
	for (unsigned int type = 0; type < IKW_EV_MAX; type++) {
		for (int i = 0; ikw_event_size(type) && i < 50; i++) {
			union ikw_event before, after;
			const char *why;
			char *line;

			fill(&before, type, true);
			if (!ikw_event_valid(&before, before.hdr.size, &why))
				fail_msg("%s: %s", ikw_event_type_text(type), why);
			line = line_of(&before);
			read_back(line, &after);
			assert_memory_equal(&before, &after, sizeof(before));
			free(line);
		}
	}
}

/* With texts of any length, the JSON comes back. */
static void test_text_is_stable(void **state)
{
	(void)state;
	for (unsigned int type = 0; type < IKW_EV_MAX; type++) {
		for (int i = 0; ikw_event_size(type) && i < 50; i++) {
			union ikw_event before, after;
			char *first, *second;

			fill(&before, type, false);
			first = line_of(&before);
			read_back(first, &after);
			second = line_of(&after);
			assert_string_equal(first, second);
			free(first);
			free(second);
		}
	}
}

/* Changing any byte that is not padding changes the text, or is refused: none was forgotten. */
static void test_every_byte_is_told(void **state)
{
	unsigned int types = 0;

	(void)state;
	for (unsigned int type = 0; type < IKW_EV_MAX; type++) {
		union ikw_event e;
		const char *why;
		char *before;

		if (!ikw_event_size(type))
			continue;
		types++;
		fill(&e, type, true);
		before = line_of(&e);
		for (size_t i = offsetof(struct ikw_hdr, cpu); i < e.hdr.size; i++) {
			uint8_t *byte = (uint8_t *)&e + i;
			uint8_t was = *byte;
			char *after;

			*byte = was ? 0 : 1; /* shortens a text, empties a count */
			after = line_of(&e);
			if (is_padding(type, i) != !strcmp(before, after) &&
			    ikw_event_valid(&e, sizeof(e), &why))
				fail_msg("%s: byte %zu is not told", ikw_event_type_text(type), i);
			free(after);
			*byte = was;
		}
		free(before);
	}
	assert_int_equal(types, 21);
}

static void test_default_members_are_left_out(void **state)
{
	union ikw_event e = { .clock = { .hdr = { .type = IKW_EV_CLOCK,
						  .size = sizeof(struct ikw_clock),
						  .time = 1500000000 } } };
	char *line = line_of(&e);

	(void)state;
	assert_string_equal(line, "{\"type\":\"clock\",\"time\":\"1.500000000\"}");
	free(line);
}

static void test_readable(void **state)
{
	static const char good[] =
		"{\"type\":\"sa\",\"time\":\"100.000000005\",\"cpu\":3,\"seq\":9,"
		"\"flags\":[\"late\"],\"op\":\"delete\",\"cause\":\"timer\",\"limit\":\"time\","
		"\"saddr\":\"192.0.2.1\",\"daddr\":\"2001:db8::1\",\"spi\":\"0x00c0ffee\","
		"\"dir\":\"out\",\"proto\":\"esp\",\"mode\":\"tunnel\",\"family\":\"inet\","
		"\"by\":{\"tgid\":7,\"comm\":\"charon\"},\"error\":-17,"
		"\"hard_bytes\":\"inf\",\"hard_packets\":\"0x8000000000000000\"}";
	union ikw_event e;
	char *line;

	(void)state;
	read_back(good, &e);
	assert_int_equal(e.hdr.time, 100000000005);
	assert_int_equal(e.hdr.flags, IKW_F_LATE);
	assert_int_equal(e.sa.op, IKW_SA_DELETE);
	assert_int_equal(e.sa.spi, 0xc0ffee);
	assert_int_equal(e.sa.saddr[15], 1);
	assert_int_equal(e.sa.saddr[10], 0xff);
	assert_int_equal(e.sa.daddr[0], 0x20);
	assert_true(e.sa.hard_bytes == UINT64_MAX);
	assert_true(e.sa.hard_packets == UINT64_C(1) << 63);
	assert_int_equal(e.sa.error, -17);
	line = line_of(&e);
	assert_string_equal(line, good);
	free(line);
}

/* What lies behind a text's NUL is not told, not even as an empty object. */
static void test_nothing_behind_nul(void **state)
{
	union ikw_event e = { .flush = { .hdr = { .type = IKW_EV_FLUSH,
						  .size = sizeof(struct ikw_flush) },
					 .what = IKW_FLUSH_SA } };
	char *line;

	(void)state;
	e.flush.by.comm[3] = 'x';
	line = line_of(&e);
	assert_string_equal(line, "{\"type\":\"flush\",\"what\":\"sa\"}");
	free(line);
}

/* The greatest time is a time; one more is not. */
static void test_time_limits(void **state)
{
	union ikw_event e = { .clock = { .hdr = { .type = IKW_EV_CLOCK,
						  .size = sizeof(struct ikw_clock),
						  .time = UINT64_MAX } } };
	static const char over[] = "{\"type\":\"clock\",\"time\":\"18446744073.709551616\"}";
	union ikw_event after;
	char *line = line_of(&e);
	char why[64];

	(void)state;
	assert_non_null(strstr(line, "\"18446744073.709551615\""));
	read_back(line, &after);
	assert_memory_equal(&e, &after, sizeof(e));
	free(line);
	assert_int_equal(ikw_event_from_line(over, strlen(over), &e, why, sizeof(why)), -1);
}

static void test_args(void **state)
{
	static const struct {
		const char *args;
		size_t len;
		const char *json;
	} rows[] = {
		{ "a\0bc\0", 5, "\"args\":[\"a\",\"bc\"]" },
		{ "a\0bc", 4, "\"args\":[\"a\",\"bc\",null]" },
		{ "\0", 1, "\"args\":[\"\"]" },
		{ "a\\\"\n\xff\0", 6, "\"args\":[\"a\\\\\\\\\\\"\\\\x0a\\\\xff\"]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		union ikw_event e = { .proc = { .hdr = { .type = IKW_EV_PROC,
							 .size = sizeof(struct ikw_proc) },
						.op = IKW_PROC_SEEN } };
		union ikw_event after;
		char *line;

		memcpy(e.proc.args, rows[i].args, rows[i].len);
		e.proc.args_len = (uint32_t)rows[i].len;
		line = line_of(&e);
		if (!strstr(line, rows[i].json))
			fail_msg("%s not in %s", rows[i].json, line);
		read_back(line, &after);
		assert_memory_equal(&e, &after, sizeof(e));
		free(line);
	}
}

static void test_bad_json(void **state)
{
	static const struct {
		const char *line;
		const char *why;
	} rows[] = {
		{ "", "column 0: '[' or '{' expected near end of file" },
		{ "[]", "event: not an object" },
		{ "{\"type\":\"sa\"", "column 12: '}' expected near end of file" },
		{ "{\"type\":\"clock\"} x", "column 18: end of file expected near 'x'" },
		{ "{\"type\":\"clock\",\"cpu\":1,\"cpu\":2}",
		  "column 29: duplicate object key near '\"cpu\"'" },
		{ "{}", "type: missing or unknown" },
		{ "{\"type\":\"tea\"}", "type: missing or unknown" },
		{ "{\"type\":1}", "type: missing or unknown" },
		{ "{\"type\":\"clock\",\"wal\":1}", "wal: no such member" },
		{ "{\"type\":\"clock\",\"size\":40}", "size: no such member" },
		{ "{\"type\":\"clock\",\"cpu\":-1}", "cpu: not an unsigned integer that fits" },
		{ "{\"type\":\"clock\",\"cpu\":4294967296}",
		  "cpu: not an unsigned integer that fits" },
		{ "{\"type\":\"clock\",\"cpu\":1.5}", "cpu: not an unsigned integer that fits" },
		{ "{\"type\":\"clock\",\"cpu\":\"0x\"}", "cpu: not an unsigned integer that fits" },
		{ "{\"type\":\"clock\",\"time\":\"1.0000000001\"}",
		  "time: not a time (\"seconds.nanoseconds\")" },
		{ "{\"type\":\"clock\",\"time\":\"-1\"}",
		  "time: not a time (\"seconds.nanoseconds\")" },
		{ "{\"type\":\"clock\",\"flags\":\"late\"}", "flags: not an array of names" },
		{ "{\"type\":\"clock\",\"flags\":[\"soon\"]}",
		  "flags: has something that is not one of its names" },
		{ "{\"type\":\"dump\"}", "op: missing or out of range" },
		{ "{\"type\":\"dump\",\"op\":1}", "op: not one of its names" },
		{ "{\"type\":\"dump\",\"op\":\"middle\"}", "op: not one of its names" },
		{ "{\"type\":\"ike\",\"exchange\":\"TEA\"}", "exchange: not one of its names" },
		{ "{\"type\":\"ike\",\"exchange\":256}", "exchange: not one of its names" },
		{ "{\"type\":\"ike\",\"spi_i\":\"123\"}", "spi_i: must be 16 hex digits" },
		{ "{\"type\":\"ike\",\"saddr\":\"192.0.2.256\"}", "saddr: not an address" },
		{ "{\"type\":\"sa\",\"op\":\"add\",\"by\":{\"tgid\":\"x\"}}",
		  "by.tgid: not an unsigned integer that fits" },
		{ "{\"type\":\"sa\",\"op\":\"add\",\"by\":{\"comm\":\"sixteen-bytes-xx\"}}",
		  "by.comm: not a text that fits" },
		{ "{\"type\":\"sa\",\"op\":\"add\",\"by\":{\"tea\":1}}", "by.tea: no such member" },
		{ "{\"type\":\"sa\",\"op\":\"add\",\"by\":7}", "by.actor: not an object" },
		{ "{\"type\":\"link\",\"op\":\"set\",\"name\":\"a\\\\x00b\"}",
		  "name: not a text that fits" },
		{ "{\"type\":\"link\",\"op\":\"set\",\"name\":\"a\\\\x0\"}",
		  "name: not a text that fits" },
		{ "{\"type\":\"link\",\"op\":\"set\",\"name\":\"a\\\\n\"}",
		  "name: not a text that fits" },
		{ "{\"type\":\"proc\",\"op\":\"seen\",\"args\":[1]}",
		  "args: not a text that fits" },
		{ "{\"type\":\"proc\",\"op\":\"seen\",\"args\":[null]}",
		  "args: not a text that fits" },
		{ "{\"type\":\"proc\",\"op\":\"seen\",\"args\":[null,\"a\"]}",
		  "args: not a text that fits" },
		{ "{\"type\":\"proc\",\"op\":\"seen\",\"parents\":[{},{},{},{},{},{},{},{},{}]}",
		  "parents: not an array that fits" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		union ikw_event e;
		char why[256] = "accepted";

		if (ikw_event_from_line(rows[i].line, strlen(rows[i].line), &e, why, sizeof(why)) !=
		    -1)
			fail_msg("accepted: %s", rows[i].line);
		assert_string_equal(why, rows[i].why);
	}
}

static void refuse(const union ikw_event *e, size_t len, const char *expected)
{
	const char *why = NULL;

	assert_false(ikw_event_valid(e, len, &why));
	assert_string_equal(why, expected);
}

static void test_validator(void **state)
{
	union ikw_event e, good;
	const char *why;

	(void)state;
	fill(&good, IKW_EV_PROC, false);
	assert_true(ikw_event_valid(&good, sizeof(struct ikw_proc), &why));
	assert_null(why);
	assert_true(ikw_event_valid(&good, sizeof(struct ikw_proc) + 8, &why));
	refuse(&good, sizeof(struct ikw_hdr) - 1, "shorter than a header");
	refuse(&good, sizeof(struct ikw_proc) - 1, "shorter than its size");
	e = good;
	e.hdr.type = IKW_EV_MAX;
	refuse(&e, sizeof(e), "unknown type");
	e.hdr.type = 9;
	refuse(&e, sizeof(e), "unknown type");
	e = good;
	e.hdr.size--;
	refuse(&e, sizeof(e), "size does not fit the type");
	e = good;
	e.proc.op = 0;
	refuse(&e, sizeof(e), "an enum is out of range");
	e = good;
	memset(e.proc.exe, 'x', sizeof(e.proc.exe));
	refuse(&e, sizeof(e), "a text does not end");
	e = good;
	e.proc.args_len = IKW_ARGS_LEN + 1;
	refuse(&e, sizeof(e), "a count is greater than its array");
	e = good;
	memset(e.proc.parents[IKW_PARENTS - 1].comm, 'x', IKW_COMM_LEN);
	refuse(&e, sizeof(e), "a text does not end");
	e.proc.parent_count = IKW_PARENTS - 1;
	assert_true(ikw_event_valid(&e, sizeof(e), &why));
}

/* A record at an odd address, as in a buffer read from a socket. */
static void test_needs_no_alignment(void **state)
{
	char buf[sizeof(union ikw_event) + 1];
	union ikw_event e;
	const char *why;

	(void)state;
	fill(&e, IKW_EV_SA, true);
	memcpy(buf + 1, &e, sizeof(e));
	assert_true(ikw_event_valid(buf + 1, sizeof(e), &why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_text_is_stable),
		cmocka_unit_test(test_every_byte_is_told),
		cmocka_unit_test(test_default_members_are_left_out),
		cmocka_unit_test(test_readable),
		cmocka_unit_test(test_nothing_behind_nul),
		cmocka_unit_test(test_time_limits),
		cmocka_unit_test(test_args),
		cmocka_unit_test(test_bad_json),
		cmocka_unit_test(test_validator),
		cmocka_unit_test(test_needs_no_alignment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
