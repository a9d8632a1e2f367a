/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The alarm line and the alarm object against golden text: every member, its
 * spelling and its form are a contract with whoever reads them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/alarm.h"

#define WALL UINT64_C(1767323100123456789) /* 2026-01-02T03:05:00.123456789Z */

static struct ikw_evidence evidence[] = {
	{ .wall = WALL - 8 * UINT64_C(1000000000),
	  .fact = "request_retransmitted",
	  .text = "we sent INFORMATIONAL request, message ID 6, 80 bytes (again)",
	  .kind = IKW_EVIDENCE_MESSAGE,
	  .dir = IKW_DIR_OUT,
	  .exchange = "INFORMATIONAL",
	  .message_id = 6,
	  .length = 80,
	  .copy = 1 },
	{ .wall = WALL - 1000000,
	  .fact = "order",
	  .text = "an \"order\" with \xff in it",
	  .kind = IKW_EVIDENCE_HOST },
	{ .wall = WALL,
	  .fact = "sa_deleted",
	  .text = "inbound SA 0x00c10001 deleted",
	  .kind = IKW_EVIDENCE_SA,
	  .dir = IKW_DIR_IN,
	  .spi = 0xc10001 },
	{ .wall = WALL + 1000,
	  .fact = "request_unanswered",
	  .text = "INFORMATIONAL message ID 6 was never answered",
	  .kind = IKW_EVIDENCE_NOTE },
};

static const struct ikw_alarm full = {
	.id = 7,
	.time = 5000000000,
	.wall = WALL,
	.closed = 5000999000,
	.emitted = 5001234000,
	.ifindex = 2,
	.reqid = 1,
	.tunnel_index = 3,
	.rule_num = 9,
	.dst = { [10] = 0xff, 0xff, 198, 51, 100, 1 },
	.src = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 },
	.inside_ip = "10.2.0.0",
	.remote_port = 4500,
	.cpu = 1,
	.flow_info = "src=10.1.0.0/16 dst=10.2.0.0/16",
	.vsys = "Public",
	.ifname = "eth0",
	.reason = IKW_REASON_DPD_TIMEOUT,
	.confidence = IKW_CONFIDENCE_CERTAIN,
	.rule = "a_rule",
	.severity = "major",
	.detail = "The tunnel went.",
	.tunnel_up = true,
	.ike_version = 2,
	.spi_i = 0x1111,
	.spi_r = UINT64_C(0xffffffffffffffff),
	.sa_count = 2,
	.sas = { { 0xc10001, IKW_DIR_IN, UINT64_C(1) << 40, 100, 58.17, 0.1,
		   .sampled = WALL - 1000000, .span_count = 3, .spans = { 1, 20, 0 } },
		 { 0xce000001, IKW_DIR_OUT, 0, 0, 1e6 + 0.001, .idle_s = -1 } },
	.has_by = true,
	.has_ordered_by = true,
	.by = { .pid = 812,
		.loginuid = ~0U,
		.comm = "charon",
		.exe = "/usr/lib/ipsec/charon",
		.parent_count = 1,
		.parents = { { 1, "systemd" } } },
	.ordered_by = { .pid = 9,
			.uid = 1000,
			.loginuid = 1000,
			.comm = "swan\xe9",
			.tty = "pts/3",
			.command = "swanctl --terminate" },
	.evidence_count = sizeof(evidence) / sizeof(evidence[0]),
	.evidence = evidence,
	.blind_count = 1,
	.blind = { "which process deleted the SA could not be seen" },
};

static void test_line(void **state)
{
	char line[4096];

	(void)state;
	assert_true(ikw_alarm_line(&full, line, sizeof(line)) > 0);
	assert_string_equal(
		line,
		"IPSEC/4/IPSECTUNNELSTOP: OID 1.3.6.1.4.1.2011.6.122.26.6.2 The IPSec tunnel is "
		"deleted. (Ifindex=2, SeqNum=1, TunnelIndex=3, RuleNum=9, DstIP=198.51.100.1, "
		"InsideIP=10.2.0.0, RemotePort=4500, CpuID=1, SrcIP=2001:db8::1, "
		"FlowInfo=src=10.1.0.0/16 dst=10.2.0.0/16, OfflineReason=dpd timeout, "
		"VsysName=Public, InterfaceName=eth0, SlotID=0)");
	assert_int_equal(ikw_alarm_line(&full, line, 64), -1);
}

/* A namespace may be called anything, and a recording may say anything: one line all the same. */
static void test_line_of_any_name(void **state)
{
	struct ikw_alarm alarm = full;
	char line[4096];

	(void)state;
	strcpy(alarm.vsys, "a\nIPSEC/4/\033[31m");
	strcpy(alarm.ifname, "e\rth0");
	assert_true(ikw_alarm_line(&alarm, line, sizeof(line)) > 0);
	assert_null(strpbrk(line, "\n\r\033"));
	assert_non_null(strstr(line, "VsysName=a IPSEC/4/?[31m, InterfaceName=e th0, SlotID=0)"));
}

static void test_object(void **state)
{
	char *line = ikw_alarm_json_line(&full);

	(void)state;
	assert_string_equal(
		line,
		"{\"id\":7,\"alarm\":\"IPSECTUNNELSTOP\",\"alarm_id\":4285734913,"
		"\"oid\":\"1.3.6.1.4.1.2011.6.122.26.6.2\",\"severity\":\"major\","
		"\"type\":\"communication\",\"time\":\"2026-01-02T03:05:00.123456Z\","
		"\"ifindex\":2,\"seq_num\":1,\"tunnel_index\":3,\"rule_num\":9,"
		"\"dst_ip\":\"198.51.100.1\",\"inside_ip\":\"10.2.0.0\",\"remote_port\":4500,"
		"\"cpu_id\":1,\"src_ip\":\"2001:db8::1\","
		"\"flow_info\":\"src=10.1.0.0/16 dst=10.2.0.0/16\","
		"\"offline_reason\":\"dpd timeout\",\"vsys_name\":\"Public\","
		"\"interface_name\":\"eth0\",\"slot_id\":0,\"confidence\":\"certain\","
		"\"rule\":\"a_rule\",\"detail\":\"The tunnel went.\",\"tunnel_up\":true,"
		"\"ike\":{\"version\":2,\"spi_i\":\"0000000000001111\","
		"\"spi_r\":\"ffffffffffffffff\"},"
		"\"sas\":[{\"spi\":\"0x00c10001\",\"direction\":\"in\",\"bytes\":1099511627776,"
		"\"packets\":100,\"age_s\":58.17,\"idle_s\":0.1,"
		"\"traffic\":{\"sampled\":\"2026-01-02T03:05:00.122456Z\",\"span_s\":10,"
		"\"packets\":[0,20,1]}},"
		"{\"spi\":\"0xce000001\",\"direction\":\"out\",\"bytes\":0,\"packets\":0,"
		"\"age_s\":1000000.001,\"idle_s\":null,\"traffic\":null}],"
		"\"by\":{\"pid\":812,\"comm\":\"charon\",\"exe\":\"/usr/lib/ipsec/charon\","
		"\"uid\":0,\"loginuid\":null,\"tty\":null,"
		"\"parents\":[{\"pid\":1,\"comm\":\"systemd\"}]},"
		"\"ordered_by\":{\"pid\":9,\"comm\":\"swan?\",\"exe\":null,\"uid\":1000,"
		"\"loginuid\":1000,\"tty\":\"pts/3\",\"parents\":[],"
		"\"command\":\"swanctl --terminate\"},"
		"\"evidence\":[{\"time\":\"2026-01-02T03:04:52.123456Z\","
		"\"fact\":\"request_retransmitted\",\"kind\":\"message\",\"direction\":\"out\","
		"\"exchange\":\"INFORMATIONAL\",\"message_id\":6,\"length\":80,"
		"\"response\":false,\"copy\":1,"
		"\"text\":\"we sent INFORMATIONAL request, message ID 6, 80 bytes (again)\"},"
		"{\"time\":\"2026-01-02T03:05:00.122456Z\",\"fact\":\"order\","
		"\"kind\":\"host\",\"text\":\"an \\\"order\\\" with ? in it\"},"
		"{\"time\":\"2026-01-02T03:05:00.123456Z\",\"fact\":\"sa_deleted\","
		"\"kind\":\"sa\",\"direction\":\"in\",\"spi\":\"0x00c10001\","
		"\"text\":\"inbound SA 0x00c10001 deleted\"},"
		"{\"time\":\"2026-01-02T03:05:00.123457Z\",\"fact\":\"request_unanswered\","
		"\"kind\":\"note\",\"text\":\"INFORMATIONAL message ID 6 was never answered\"}],"
		"\"blind_spots\":[\"which process deleted the SA could not be seen\"],"
		"\"latency_us\":1234}");
	free(line);
}

/* What is not known is null or empty, never left out and never invented. */
static void test_empty_object(void **state)
{
	const struct ikw_alarm none = { .reason = IKW_REASON_UNKNOWN };
	json_t *json = ikw_alarm_json(&none);

	(void)state;
	assert_true(json_is_null(json_object_get(json, "ike")));
	assert_true(json_is_null(json_object_get(json, "by")));
	assert_true(json_is_null(json_object_get(json, "ordered_by")));
	assert_int_equal(json_array_size(json_object_get(json, "sas")), 0);
	assert_int_equal(json_array_size(json_object_get(json, "evidence")), 0);
	assert_int_equal(json_array_size(json_object_get(json, "blind_spots")), 0);
	assert_string_equal(json_string_value(json_object_get(json, "offline_reason")), "unknown");
	assert_string_equal(json_string_value(json_object_get(json, "detail")), "");
	assert_int_equal(json_integer_value(json_object_get(json, "latency_us")), 0);
	json_decref(json);
}

/* Whoever names a process so has it print nothing but text on anybody's terminal. */
static void test_controls(void **state)
{
	const struct ikw_alarm alarm = {
		.reason = IKW_REASON_MANUAL,
		.detail = (char *)"\033[2J\xc2\x9b"
				  "31m by caf\xc3\xa9",
		.has_by = true,
		.by = { .comm = "\033]0;x\a", .exe = "/tmp/\x7f\xff" },
		.has_ordered_by = true,
		.ordered_by = { .command = "sh -c a\n\tb" },
	};
	json_t *json = ikw_alarm_json(&alarm), *by = json_object_get(json, "by");
	const json_t *ordered = json_object_get(json, "ordered_by");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(json, "detail")),
			    "?[2J??31m by caf\xc3\xa9");
	assert_string_equal(json_string_value(json_object_get(by, "comm")), "?]0;x?");
	assert_string_equal(json_string_value(json_object_get(by, "exe")), "/tmp/??");
	assert_string_equal(json_string_value(json_object_get(ordered, "command")), "sh -c a  b");
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_of_any_name), cmocka_unit_test(test_line),
		cmocka_unit_test(test_object),		 cmocka_unit_test(test_empty_object),
		cmocka_unit_test(test_controls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
