// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Lines to a pipe that is read late, slowly, or by nobody. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "outlet.h"

struct fixture {
	struct ikw_loop loop;
	struct ikw_outlet outlet;
	int reader, writer;
	char *got;
	size_t got_len;
};

static int set_up(void **state)
{
	static struct fixture f;
	int fds[2];

	f = (struct fixture){ 0 };
	assert_int_equal(ikw_loop_open(&f.loop), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	f.reader = fds[0];
	f.writer = fds[1]; /* blocking, as stdout is */
	assert_int_not_equal(fcntl(f.reader, F_SETFL, O_NONBLOCK), -1);
	ikw_outlet_open(&f.outlet, &f.loop, f.writer);
	signal(SIGPIPE, SIG_IGN);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	ikw_outlet_close(&f->outlet, 0);
	assert_null(f->outlet.lines);
	assert_int_equal(f->outlet.waiting, 0);
	if (f->reader >= 0)
		close(f->reader);
	close(f->writer);
	ikw_loop_close(&f->loop);
	free(f->got);
	return 0;
}

/* A line that says its number, padded to len bytes with its end. */
static bool put(struct fixture *f, unsigned int number, size_t len)
{
	char *text = malloc(len + 1);

	assert_non_null(text);
	snprintf(text, len + 1, "%-*u", (int)len, number);
	text[len - 1] = '\n';
	return ikw_outlet_put(&f->outlet, text, len);
}

static void read_some(struct fixture *f)
{
	ssize_t n;

	f->got = realloc(f->got, f->got_len + 65536);
	assert_non_null(f->got);
	n = read(f->reader, f->got + f->got_len, 65536);
	if (n > 0)
		f->got_len += (size_t)n;
}

/* All lines from 0 on, in order and whole. */
static void assert_lines(const struct fixture *f, unsigned int count, size_t len)
{
	assert_int_equal(f->got_len, count * len);
	for (unsigned int i = 0; i < count; i++) {
		assert_int_equal(strtoul(f->got + i * len, NULL, 10), i);
		assert_int_equal(f->got[(i + 1) * len - 1], '\n');
	}
}

static void at_once(void **state)
{
	struct fixture *f = *state;

	assert_true(put(f, 0, 20));
	assert_true(put(f, 1, 20));
	read_some(f);
	assert_lines(f, 2, 20);
	assert_int_equal(f->outlet.poll.fd, -1); /* nothing is waited for */
}

/* Each of 400 lines is longer than what a pipe takes at once, all of them than the pipe. */
static void read_late(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 400; i++)
		assert_true(put(f, i, 5000));
	assert_true(f->outlet.waiting > 1000000);
	assert_int_equal(f->outlet.dropped, 0);
	while (f->outlet.lines) {
		read_some(f);
		assert_int_equal(ikw_loop_wait(&f->loop, 5000), 0);
	}
	read_some(f);
	assert_lines(f, 400, 5000);
	assert_int_equal(f->outlet.poll.fd, -1);
}

static void bounded(void **state)
{
	struct fixture *f = *state;
	unsigned int taken = 0;

	f->outlet.bytes = 200000;
	while (put(f, taken, 5000))
		taken++;
	assert_true(f->outlet.waiting <= 200000);
	assert_int_equal(f->outlet.dropped, 1);
	assert_false(put(f, taken, 5000));
	assert_int_equal(f->outlet.dropped, 2);
	while (f->outlet.lines) {
		read_some(f);
		assert_int_equal(ikw_loop_wait(&f->loop, 5000), 0);
	}
	read_some(f);
	assert_true(put(f, taken, 5000)); /* there is room again, and no line was cut */
	read_some(f);
	assert_lines(f, taken + 1, 5000);
}

static void reader_gone(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 30; i++)
		assert_true(put(f, i, 5000));
	close(f->reader);
	f->reader = -1;
	assert_int_equal(ikw_loop_wait(&f->loop, 5000), 0);
	assert_int_equal(f->outlet.error, EPIPE);
	assert_null(f->outlet.lines);
	assert_true(f->outlet.dropped > 10);
	assert_false(put(f, 30, 5000));
}

/* At the end what waits gets its time, and no more than that. */
static void closed(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 30; i++)
		assert_true(put(f, i, 5000));
	ikw_outlet_close(&f->outlet, 20);
	assert_int_equal(f->outlet.error, 0);
	assert_true(f->outlet.dropped > 10);
	read_some(f);
	assert_true(f->got_len > 30000); /* what a pipe holds, and some of its pages in part only */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(read_late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reader_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(closed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
