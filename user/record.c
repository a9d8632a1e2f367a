/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch record`: the running agent's events into a file. */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "cli.h"
#include "control.h"
#include "recording.h"

struct record_options {
	const char *file;
	const char *socket;
	const char *dir;
	unsigned long duration; /* s; 0: until interrupted */
};

static volatile sig_atomic_t stopped;
static int stream = -1;

/* Ends the stream under a blocking read: no window in which a signal is missed. */
static void stop(int signo)
{
	(void)signo;
	stopped = 1;
	shutdown(stream, SHUT_RDWR);
}

static void catch_signals(int fd, unsigned long duration)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGALRM };
	struct sigaction action = { .sa_handler = stop, .sa_flags = SA_RESTART };

	stream = fd;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	alarm((unsigned int)duration);
}

/* Copies until the stream ends, is stopped, or the file cannot be written. 0, or -1 with why. */
static int copy(struct ikw_recording *from, struct ikw_recorder *to, char *why, size_t size)
{
	union ikw_event event;
	int got;

	while ((got = ikw_recording_next(from, &event, why, size)) > 0)
		if (ikw_recorder_event(to, &event))
			return 0; /* close says why */
	if (stopped)
		return 0;
	if (!got)
		snprintf(why, size, "the agent ended the stream after %" PRIu64 " events",
			 ikw_recorder_events(to));
	return -1;
}

static int record(struct ikw_recording *from, const char *file)
{
	char why[512] = "", closing[512];
	struct ikw_recorder *to;
	uint64_t events;
	int err;

	to = ikw_recorder_open(file, ikw_recording_header(from), why, sizeof(why));
	if (!to) {
		ikw_error("%s", why);
		return IKW_EXIT_FAILED;
	}
	err = copy(from, to, why, sizeof(why));
	events = ikw_recorder_events(to);
	if (ikw_recorder_close(to, closing, sizeof(closing))) {
		ikw_error("%s", closing);
		return IKW_EXIT_FAILED;
	}
	if (err) {
		ikw_error("record: %s", why);
		return IKW_EXIT_FAILED;
	}
	fprintf(stderr, "ikewatch: %s: %" PRIu64 " events\n", file, events);
	return IKW_EXIT_OK;
}

static int parse(int argc, char **argv, struct record_options *o)
{
	const struct ikw_command *command = ikw_cli_find("record");
	const char *value;
	int key;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == '?')
			return IKW_EXIT_USAGE;
		if (key == IKW_OPT_SOCKET)
			o->socket = value;
		if (key == IKW_OPT_STATE_DIR)
			o->dir = value;
		if (key == IKW_OPT_DURATION && !ikw_cli_number(value, 1, 1U << 30, &o->duration))
			return ikw_usage_error("record", "record: --duration %s: not seconds",
					       value);
	}
	if (argc - optind != 1)
		return ikw_usage_error("record", "record: needs one FILE");
	o->file = argv[optind];
	return IKW_EXIT_OK;
}

int ikw_record_main(int argc, char **argv)
{
	struct record_options o = { 0 };
	int status = parse(argc, argv, &o);
	struct ikw_recording *from;
	char why[512], path[256];
	int fd;

	if (status)
		return status;
	if (!ikw_control_path(o.socket, o.dir, path, sizeof(path)))
		return ikw_usage_error("record", "record: the control socket's path is too long");
	fd = ikw_control_connect(path, "record", why, sizeof(why));
	if (fd < 0) {
		ikw_error("%s", why);
		return IKW_EXIT_FAILED;
	}
	catch_signals(fd, o.duration);
	from = ikw_recording_from_fd(fd, path, why, sizeof(why));
	if (!from) {
		ikw_error("%s", why);
		return IKW_EXIT_FAILED;
	}
	status = record(from, o.file);
	ikw_recording_close(from);
	return status;
}
