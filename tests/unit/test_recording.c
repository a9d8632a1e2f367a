/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Recordings: what is written is read; what is broken is named by file and line. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>
#include "user/recording.h"

#define HEADER "{\"ikewatch_recording\":1,\"event_version\":1,\"vsys\":\"Public\"}\n"
#define CLOCK  "{\"type\":\"clock\",\"time\":\"1.0\"}\n"

static char dir[] = "/tmp/ikewatch-test-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/rec", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void write_file(const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* Reads the file to its end or first error; the number of events; why is empty at the end. */
static int read_file(char *why, size_t size)
{
	struct ikw_recording *recording = ikw_recording_open(path, why, size);
	union ikw_event event;
	int count = 0;
	int got;

	if (!recording)
		return -1;
	why[0] = 0;
	while ((got = ikw_recording_next(recording, &event, why, size)) > 0)
		count++;
	assert_true((got < 0) == (why[0] != 0));
	ikw_recording_close(recording);
	return count;
}

static void test_round_trip(void **state)
{
	struct ikw_recording_header header;
	union ikw_event event = { .clock = { .hdr = { .type = IKW_EV_CLOCK,
						      .size = sizeof(struct ikw_clock) } } };
	struct ikw_recording *recording;
	struct ikw_recorder *recorder;
	char why[256];

	(void)state;
	ikw_recording_describe(&header, "blue");
	header.settle_ns = 500;
	recorder = ikw_recorder_open(path, &header, why, sizeof(why));
	assert_non_null(recorder);
	for (event.hdr.time = 1; event.hdr.time <= 3000; event.hdr.time++)
		assert_int_equal(ikw_recorder_event(recorder, &event), 0);
	assert_int_equal(ikw_recorder_events(recorder), 3000);
	assert_int_equal(ikw_recorder_close(recorder, why, sizeof(why)), 0);

	recording = ikw_recording_open(path, why, sizeof(why));
	assert_non_null(recording);
	assert_memory_equal(ikw_recording_header(recording), &header, sizeof(header));
	for (uint64_t time = 1; time <= 3000; time++) {
		assert_int_equal(ikw_recording_next(recording, &event, why, sizeof(why)), 1);
		assert_int_equal(event.hdr.time, time);
	}
	assert_int_equal(ikw_recording_next(recording, &event, why, sizeof(why)), 0);
	ikw_recording_close(recording);
}

static void test_written_by_hand(void **state)
{
	static const char text[] = "# a story\n\n" HEADER "\n# between\n" CLOCK "   \r\n" CLOCK
				   "{\"type\":\"dump\",\"op\":\"begin\"}";
	char why[256];

	(void)state;
	write_file(text, strlen(text));
	assert_int_equal(read_file(why, sizeof(why)), 3);
	assert_string_equal(why, "");
}

static void expect_error(const char *text, size_t len, int events, const char *cause)
{
	char why[256] = "", expected[300];

	write_file(text, len);
	assert_int_equal(read_file(why, sizeof(why)), events);
	snprintf(expected, sizeof(expected), "%s:%s", path, cause);
	assert_string_equal(why, expected);
}

static void test_broken_files(void **state)
{
	static const struct {
		const char *text;
		int events;
		const char *cause;
	} rows[] = {
		{ "", -1, "1: empty: not even a header" },
		{ "# only words\n", -1, "2: empty: not even a header" },
		{ "hello\n", -1, "1: not a recording of ikewatch" },
		{ "{\"type\":\"clock\"}\n", -1, "1: not a recording of ikewatch" },
		{ "[1]\n", -1, "1: not a recording of ikewatch" },
		{ "{\"ikewatch_recording\":2,\"event_version\":1}\n", -1,
		  "1: recording version 2, event version 1: this ikewatch reads 1 and 1" },
		{ "{\"ikewatch_recording\":1,\"event_version\":9}\n", -1,
		  "1: recording version 1, event version 9: this ikewatch reads 1 and 1" },
		{ HEADER CLOCK "{\"type\":\"clock\",\"ti", 1,
		  "3: column 19: premature end of input near '\"ti'" },
		{ HEADER CLOCK "{\"type\":\"cl\xff\"}\n" CLOCK, 1, NULL },
		{ HEADER "\n{\"type\":\"clock\",\"cpu\":-1}\n", 0,
		  "3: cpu: not an unsigned integer that fits" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char why[256] = "";

		if (rows[i].cause) {
			expect_error(rows[i].text, strlen(rows[i].text), rows[i].events,
				     rows[i].cause);
			continue;
		}
		write_file(rows[i].text, strlen(rows[i].text));
		assert_int_equal(read_file(why, sizeof(why)), rows[i].events);
		assert_non_null(strstr(why, ":3: column"));
	}
}

static void test_nul_and_long_lines(void **state)
{
	static char text[IKW_RECORDING_LINE_MAX + 100];
	size_t len = strlen(HEADER);

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, HEADER, len);
	expect_error(text, sizeof(text), 0, "2: line too long");
	memset(text + len, 0, 10);
	text[len + 10] = '\n';
	expect_error(text, len + 11, 0, "2: column 1: '[' or '{' expected near end of file");
}

/* Cut anywhere, a recording is either whole up to there or refused at its last line. */
static void test_every_truncation(void **state)
{
	static const char text[] = HEADER CLOCK "{\"type\":\"dump\",\"op\":\"begin\"}\n";
	size_t second = strlen(HEADER) + strlen(CLOCK);

	(void)state;
	for (size_t len = 0; len < strlen(text); len++) {
		char why[256] = "";
		int count;

		write_file(text, len);
		count = read_file(why, sizeof(why));
		if (len < strlen(HEADER) - 1)
			assert_int_equal(count, -1);
		else if (len == second || len == second - 1)
			assert_int_equal(count, 1);
		else if (len > second && len < strlen(text) - 1)
			assert_true(count == 1 && strstr(why, ":3: "));
	}
}

static void test_missing_file(void **state)
{
	char why[256], expected[128];

	(void)state;
	unlink(path);
	assert_null(ikw_recording_open(path, why, sizeof(why)));
	snprintf(expected, sizeof(expected), "%s: No such file or directory", path);
	assert_string_equal(why, expected);
	assert_null(ikw_recorder_open("/nonexistent/rec", &(struct ikw_recording_header){ 0 }, why,
				      sizeof(why)));
	assert_string_equal(why, "/nonexistent/rec: No such file or directory");
}

/* The second one into a file is refused, and what the first one has written stays. */
static void test_two_into_one(void **state)
{
	static const struct ikw_recording_header header;
	struct ikw_recorder *first, *second;
	char why[256] = "", expected[256];

	(void)state;
	first = ikw_recorder_open(path, &header, why, sizeof(why));
	assert_non_null(first);
	second = ikw_recorder_open(path, &header, why, sizeof(why));
	assert_null(second);
	snprintf(expected, sizeof(expected), "%s: another process records into it", path);
	assert_string_equal(why, expected);
	assert_int_equal(ikw_recorder_close(first, why, sizeof(why)), 0);
	first = ikw_recorder_open(path, &header, why, sizeof(why));
	assert_non_null(first);
	assert_int_equal(ikw_recorder_close(first, why, sizeof(why)), 0);
}

/* /dev/full fails every write with ENOSPC: said when it is opened. */
static void test_full_disk(void **state)
{
	char why[256];

	(void)state;
	if (access("/dev/full", W_OK))
		fail_msg("/dev/full is needed for this test");
	assert_null(ikw_recorder_open("/dev/full", &(struct ikw_recording_header){ 0 }, why,
				      sizeof(why)));
	assert_string_equal(why, "/dev/full: No space left on device");
}

/* A write that fails later (here: the file may not grow) is kept until close. */
static void test_disk_fills_up(void **state)
{
	union ikw_event event = { .clock = { .hdr = { .type = IKW_EV_CLOCK,
						      .size = sizeof(struct ikw_clock) } } };
	struct ikw_recorder *recorder;
	struct rlimit was, small;
	char why[256] = "", expected[128];

	(void)state;
	recorder = ikw_recorder_open(path, &(struct ikw_recording_header){ .vsys = "x" }, why,
				     sizeof(why));
	assert_non_null(recorder);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 1000; i++)
		ikw_recorder_event(recorder, &event);
	assert_int_equal(ikw_recorder_flush(recorder), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(ikw_recorder_event(recorder, &event), -1);
	assert_int_equal(ikw_recorder_close(recorder, why, sizeof(why)), -1);
	snprintf(expected, sizeof(expected), "%s: File too large", path);
	assert_string_equal(why, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),	 cmocka_unit_test(test_written_by_hand),
		cmocka_unit_test(test_broken_files),	 cmocka_unit_test(test_nul_and_long_lines),
		cmocka_unit_test(test_every_truncation), cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_two_into_one),	 cmocka_unit_test(test_disk_fills_up),
		cmocka_unit_test(test_missing_file),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
