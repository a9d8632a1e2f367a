/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch send`, `ikewatch sinks` and `ikewatch fleet`. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "cli.h"
#include "control.h"
#include "fleet.h"
#include "send.h"
#include "stamp.h"
#include "store.h"

#define NICE 10

struct send_options {
	const char *config;
	const char *state_dir;
	const char *cursor_dir;
	const char *socket;
	const char *user;
	uint64_t since_s; /* 0: all */
	bool follow;
	bool json;
};

static int read_options(struct send_options *options, int argc, char **argv)
{
	const struct ikw_command *command = ikw_cli_find(argv[0]);
	unsigned long number;
	const char *value;
	int key;

	*options = (struct send_options){ .config = IKW_SINKS_CONFIG,
					  .state_dir = IKW_STATE_DIR,
					  .cursor_dir = IKW_CURSOR_DIR,
					  .user = IKW_SEND_USER };
	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == 'c')
			options->config = value;
		else if (key == IKW_OPT_STATE_DIR)
			options->state_dir = value;
		else if (key == IKW_OPT_CURSOR_DIR)
			options->cursor_dir = value;
		else if (key == IKW_OPT_SOCKET)
			options->socket = value;
		else if (key == IKW_OPT_USER)
			options->user = value;
		else if (key == 'f')
			options->follow = true;
		else if (key == IKW_OPT_SINCE && ikw_cli_number(value, 1, 1000000000, &number))
			options->since_s = number;
		else if (key == IKW_OPT_SINCE)
			return ikw_usage_error(argv[0], "--since %s: not a number of seconds",
					       value);
		else if (key == 'j')
			options->json = true;
		else
			return IKW_EXIT_USAGE;
	}
	return 0;
}

/* The agent's socket as --socket and --state-dir mean it, for as long as this process lives. */
static const char *socket_path(const struct send_options *options)
{
	static char path[PATH_MAX];
	const char *dir = strcmp(options->state_dir, IKW_STATE_DIR) ? options->state_dir : NULL;

	return ikw_control_path(options->socket, dir, path, sizeof(path)) ? path : "";
}

static bool read_sinks(struct ikw_sinks *sinks, const struct send_options *options)
{
	char why[1024];

	if (!ikw_sinks_read(sinks, options->config, why, sizeof(why))) {
		ikw_error("%s", why);
		return false;
	}
	for (size_t i = 0; i < sinks->count; i++) {
		sinks->sinks[i].state_dir = options->state_dir;
		sinks->sinks[i].cursor_dir = options->cursor_dir;
		sinks->sinks[i].socket = socket_path(options);
	}
	return true;
}

/* keep: has cursors; workers: may fork */
static bool confine(const struct send_options *options, bool keep, bool workers)
{
	char why[512];

	if ((!keep || ikw_confine_dir(options->cursor_dir, options->user, why, sizeof(why))) &&
	    ikw_confine_user(options->user, IKW_SEND_GROUP, why, sizeof(why))) {
		ikw_confine_files(options->cursor_dir);
		if (ikw_confine_calls(workers, why, sizeof(why)))
			return true;
	}
	ikw_error("send: %s", why);
	return false;
}

int ikw_send_main(int argc, char **argv)
{
	static struct ikw_sinks sinks;
	struct send_options options;
	int status = read_options(&options, argc, argv);

	if (status)
		return status;
	if (optind < argc)
		return ikw_usage_error("send", "%s: send takes options only", argv[optind]);
	status = IKW_EXIT_FAILED;
	if (nice(NICE) < 0) /* the agent's work comes first; best effort */
		errno = 0;
	if (read_sinks(&sinks, &options)) {
		if (!sinks.count)
			ikw_error("%s: no sinks in it", options.config);
		else if (confine(&options, true, true))
			status = ikw_supervise(&sinks);
	}
	ikw_sinks_free(&sinks);
	return status;
}

/* ---- sinks ------------------------------------------------------------------ */

static void report(const struct ikw_sink *sink, bool good, bool json)
{
	const char *text = good ? sink->answer : sink->why;

	if (json) {
		json_t *line = json_pack("{s:s, s:s, s:b, s:s}", "sink", sink->name, "type",
					 sink->type->name, "delivered", good, "answer", text);

		json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(line);
	} else if (good) {
		printf("%s: delivered: %s\n", sink->name, text[0] ? text : "no answer expected");
	} else {
		ikw_error("%s: %s", sink->name, text);
	}
}

static bool send_test(struct ikw_sink *sink)
{
	struct ikw_parcel parcel;
	bool good;

	sink->testing = true;
	sink->starts = (uint64_t)time(NULL); /* ahead of the worker's own */
	if (!ikw_parcel_test(&parcel, sink->gateway))
		return ikw_sink_fail(sink, "%s", strerror(ENOMEM));
	good = sink->type->open(sink) && sink->type->send(sink, &parcel) &&
	       (!sink->type->flush || sink->type->flush(sink));
	if (sink->type->close)
		sink->type->close(sink);
	ikw_parcel_clear(&parcel);
	return good;
}

static int test_sink(struct ikw_sinks *sinks, const struct send_options *options, const char *name)
{
	struct ikw_sink *sink = ikw_sinks_find(sinks, name);
	bool good;

	if (!sink) {
		ikw_error("%s: no such sink in %s", name, options->config);
		return IKW_EXIT_FAILED;
	}
	if (!confine(options, false, false))
		return IKW_EXIT_FAILED;
	ikw_stop_on_signals();
	good = send_test(sink);
	report(sink, good, options->json);
	return good ? IKW_EXIT_OK : IKW_EXIT_FAILED;
}

/* ---- check ------------------------------------------------------------------ */

static bool probe(struct ikw_sink *sink)
{
	const struct ikw_sink_type *type = sink->type;
	bool good;

	if (!type->probe) {
		snprintf(sink->answer, sizeof(sink->answer), "nobody to reach: it is asked");
		return true;
	}
	/* what only the sender's user has to be able to read */
	good = (!type->check || type->check(sink)) && type->open(sink) && type->probe(sink);
	if (type->close)
		type->close(sink);
	return good;
}

static void report_check(const char *config, const struct ikw_sink *sink, bool good, bool json)
{
	if (json) {
		json_t *line = json_pack("{s:s, s:s, s:b, s:s}", "sink", sink->name, "type",
					 sink->type->name, "good", good, "why",
					 good ? sink->answer : sink->why);

		json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(line);
	} else if (good) {
		printf("%s (%s): fine: %s\n", sink->name, sink->type->name, sink->answer);
	} else {
		ikw_error("%s: %s \"%s\": %s", config, sink->type->name, sink->name, sink->why);
	}
	fflush(stdout);
}

/* In a process of its own: what one library has set up, or broken, is not the next one's affair. */
static bool check_sink(struct ikw_sink *sink, const struct send_options *options)
{
	int status = 0;
	pid_t pid = fork();
	bool good;

	if (!pid) {
		sink->starts = (uint64_t)time(NULL);
		good = probe(sink);
		report_check(options->config, sink, good, options->json);
		_exit(good ? IKW_EXIT_OK : IKW_EXIT_FAILED);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0)
		ikw_sink_fail(sink, "%s", strerror(errno));
	else if (WIFSIGNALED(status))
		ikw_sink_fail(sink, "the check was ended by signal %d", WTERMSIG(status));
	if (pid < 0 || WIFSIGNALED(status))
		report_check(options->config, sink, false, options->json);
	return pid > 0 && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Reaches every receiver and gives none an alarm. */
static int check_sinks(struct ikw_sinks *sinks, const struct send_options *options)
{
	bool good = true;

	if (!sinks->count && !options->json)
		printf("%s: no sinks in it\n", options->config);
	fflush(stdout);
	if (sinks->count && !confine(options, false, true))
		return IKW_EXIT_FAILED;
	ikw_stop_on_signals();
	for (size_t i = 0; i < sinks->count; i++)
		good = check_sink(&sinks->sinks[i], options) && good;
	return good ? IKW_EXIT_OK : IKW_EXIT_FAILED;
}

static int list_sinks(const struct ikw_sinks *sinks, bool json)
{
	for (size_t i = 0; i < sinks->count; i++) {
		const struct ikw_sink *sink = &sinks->sinks[i];

		printf(json ? "{\"sink\":\"%s\",\"type\":\"%s\"}\n" : "%-24s %s\n", sink->name,
		       sink->type->name);
	}
	return IKW_EXIT_OK;
}

int ikw_sinks_main(int argc, char **argv)
{
	static struct ikw_sinks sinks;
	struct send_options options;
	int status = read_options(&options, argc, argv);
	bool test = optind + 2 == argc && !strcmp(argv[optind], "test");
	bool check = optind + 1 == argc && !strcmp(argv[optind], "check");

	if (status)
		return status;
	if (optind < argc && !test && !check)
		return ikw_usage_error("sinks", "%s: not \"check\" or \"test NAME\"", argv[optind]);
	status = IKW_EXIT_FAILED;
	if (read_sinks(&sinks, &options)) {
		if (check)
			status = check_sinks(&sinks, &options);
		else
			status = test ? test_sink(&sinks, &options, argv[optind + 1])
				      : list_sinks(&sinks, options.json);
	}
	ikw_sinks_free(&sinks);
	return status;
}

/* ---- fleet ------------------------------------------------------------------ */

/* The section named, or the first of its type. */
static struct ikw_sink *find_stream(struct ikw_sinks *sinks, const char *name)
{
	for (size_t i = 0; i < sinks->count; i++)
		if (sinks->sinks[i].type == &ikw_sink_nats &&
		    (!name || !strcmp(name, sinks->sinks[i].name)))
			return &sinks->sinks[i];
	return NULL;
}

static int show_fleet(struct ikw_sinks *sinks, const struct send_options *options, const char *name)
{
	struct ikw_sink *sink = find_stream(sinks, name);
	uint64_t since = options->since_s ? ikw_wall_now() - options->since_s * IKW_S : 0;

	if (!sink) {
		ikw_error("%s: no section nats%s%s in it", options->config, name ? " " : "",
			  name ? name : "");
		return IKW_EXIT_FAILED;
	}
	if (!confine(options, false, false))
		return IKW_EXIT_FAILED;
	ikw_stop_on_signals();
	if (ikw_fleet(sink, since, options->follow, options->json))
		return IKW_EXIT_OK;
	ikw_error("%s: %s", sink->name, sink->why);
	return IKW_EXIT_FAILED;
}

int ikw_fleet_main(int argc, char **argv)
{
	static struct ikw_sinks sinks;
	struct send_options options;
	int status = read_options(&options, argc, argv);

	if (status)
		return status;
	if (optind + 1 < argc)
		return ikw_usage_error("fleet", "%s: one name at most", argv[optind + 1]);
	status = IKW_EXIT_FAILED;
	if (read_sinks(&sinks, &options))
		status = show_fleet(&sinks, &options, optind < argc ? argv[optind] : NULL);
	ikw_sinks_free(&sinks);
	return status;
}
