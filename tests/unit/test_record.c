/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch record` against a stand-in for the agent's control socket. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "user/cli.h"
#include "user/recording.h"

#define HEADER "{\"ikewatch_recording\":1,\"event_version\":1,\"vsys\":\"blue\",\"settle_ns\":7}\n"
#define CLOCK  "{\"type\":\"clock\",\"time\":\"1.0\"}\n"

static char dir[64], path[96], file[96];
static pid_t agent;

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/ikewatch-record-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	snprintf(file, sizeof(file), "%s/rec", dir);
	agent = 0;
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	if (agent) {
		kill(agent, SIGKILL);
		waitpid(agent, NULL, 0);
	}
	unlink(path);
	unlink(file);
	return rmdir(dir);
}

/* A child that listens before this returns, takes one client, says text, and stays or ends. */
static void start_agent(const char *text, bool stay)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(addr.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	agent = fork();
	assert_true(agent >= 0);
	if (!agent) {
		char request[128] = "";
		int client = accept(fd, NULL, NULL);

		if (read(client, request, sizeof(request) - 1) <= 0 ||
		    !strstr(request, "\"record\"") || write(client, text, strlen(text)) < 0)
			_exit(1);
		if (stay)
			pause();
		_exit(0);
	}
	close(fd);
}

/* The command in a child: its signal handlers and alarm are its own. Returns its pid. */
static pid_t start_record(char *to, char *duration)
{
	char *argv[] = { "record", to, "--socket", path, "--duration", duration, NULL };
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(99);
		optind = 0;
		_exit(ikw_record_main(6, argv));
	}
	return pid;
}

static int finish(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int events_in_file(void)
{
	char why[256] = "";
	struct ikw_recording *recording = ikw_recording_open(file, why, sizeof(why));
	union ikw_event event;
	int count = 0, got;

	if (!recording)
		fail_msg("%s", why);
	assert_string_equal(ikw_recording_header(recording)->vsys, "blue");
	assert_int_equal(ikw_recording_header(recording)->settle_ns, 7);
	while ((got = ikw_recording_next(recording, &event, why, sizeof(why))) > 0)
		count++;
	assert_int_equal(got, 0);
	ikw_recording_close(recording);
	return count;
}

static void test_duration(void **state)
{
	(void)state;
	start_agent(HEADER CLOCK CLOCK, true);
	assert_int_equal(finish(start_record(file, "1")), 0);
	assert_int_equal(events_in_file(), 2);
}

/* In mid-line too: what was whole is kept. */
static void test_interrupt(void **state)
{
	pid_t pid;

	(void)state;
	start_agent(HEADER CLOCK "{\"type\":\"clo", true);
	pid = start_record(file, "600");
	/* The file appears after the handlers are set. */
	while (access(file, F_OK))
		usleep(10000);
	usleep(200000);
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(finish(pid), 0);
	assert_int_equal(events_in_file(), 1);
}

static void test_agent_ends(void **state)
{
	(void)state;
	start_agent(HEADER CLOCK, false);
	assert_int_equal(finish(start_record(file, "600")), 1);
	assert_int_equal(events_in_file(), 1);
}

static void test_bad_event(void **state)
{
	(void)state;
	start_agent(HEADER CLOCK "{\"type\":\"tea\"}\n" CLOCK, true);
	assert_int_equal(finish(start_record(file, "600")), 1);
	assert_int_equal(events_in_file(), 1);
}

static void test_refused(void **state)
{
	(void)state;
	start_agent("{\"error\":\"not allowed\"}\n", false);
	assert_int_equal(finish(start_record(file, "600")), 1);
	assert_int_equal(access(file, F_OK), -1);
}

static void test_full_disk(void **state)
{
	(void)state;
	start_agent(HEADER CLOCK, true);
	assert_int_equal(finish(start_record("/dev/full", "600")), 1);
}

static void test_no_agent(void **state)
{
	(void)state;
	assert_int_equal(finish(start_record(file, "600")), 1);
	assert_int_equal(finish(start_record(file, "soon")), 2);
	assert_int_equal(access(file, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_duration),  TEST(test_interrupt), TEST(test_agent_ends),
		TEST(test_bad_event), TEST(test_refused),   TEST(test_full_disk),
		TEST(test_no_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
