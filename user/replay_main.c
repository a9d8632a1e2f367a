/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch replay`: no privileges, no kernel, the same pipeline as the live agent. */
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"
#include "replay.h"
#include "store.h"

struct replay_options {
	struct ikw_common_options common;
	const char *file;
	struct ikw_store *store; /* NULL: none asked for */
};

static void print_alarm(void *ctx, struct ikw_alarm *alarm)
{
	const struct replay_options *o = ctx;
	char text[4096], *line = NULL;

	if (o->store)
		ikw_store_alarm(o->store, alarm); /* a failure is told when it is closed */
	if (o->common.json)
		line = ikw_alarm_json_line(alarm);
	else if (ikw_alarm_line(alarm, text, sizeof(text)) < 0)
		return;
	if (line || !o->common.json)
		puts(line ? line : text);
	free(line);
}

static void know_tunnel(void *ctx, const char *key, uint32_t index)
{
	const struct replay_options *o = ctx;

	if (o->store)
		ikw_store_add_tunnel(o->store, key, index);
}

static void tunnel_up(void *ctx, uint32_t index, uint64_t wall)
{
	const struct replay_options *o = ctx;

	if (o->store)
		ikw_store_tunnel_up(o->store, index, wall, false);
}

static int parse(int argc, char **argv, struct replay_options *o)
{
	const struct ikw_command *command = ikw_cli_find("replay");
	const char *value;
	int key;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == '?')
			return IKW_EXIT_USAGE;
		ikw_cli_common(&o->common, key, value);
	}
	if (argc - optind != 1)
		return ikw_usage_error("replay", "replay: needs one FILE");
	o->file = argv[optind];
	return IKW_EXIT_OK;
}

/* The store of a replay is a new one: numbers of another life mean other tunnels. */
static int open_store(struct replay_options *o, char *why, size_t size)
{
	struct ikw_store_stats stats;

	if (!o->common.state_dir)
		return 0;
	o->store = ikw_store_open(o->common.state_dir, false, why, size);
	if (!o->store)
		return -1;
	if (ikw_store_stats(o->store, &stats)) {
		snprintf(why, size, "%s", ikw_store_error(o->store));
		return -1;
	}
	if (!stats.last_id && !stats.tunnels) {
		signal(SIGPIPE, SIG_IGN); /* who reads no further still gets the store */
		ikw_store_begin(o->store);
		return 0;
	}
	snprintf(why, size, "%s: has alarms or tunnels already; a replay needs an empty one",
		 o->common.state_dir);
	return -1;
}

static int close_store(struct replay_options *o, char *why, size_t size)
{
	int err = o->store ? ikw_store_commit(o->store) : 0;

	if (err)
		snprintf(why, size, "%s", ikw_store_error(o->store));
	return ikw_store_close(o->store) || err ? -1 : 0;
}

int ikw_replay_main(int argc, char **argv)
{
	struct replay_options o = { 0 };
	const struct ikw_replay_ops ops = { print_alarm, know_tunnel, tunnel_up, &o };
	int status = parse(argc, argv, &o);
	char why[512] = "", closing[512] = "";
	int err;

	if (status)
		return status;
	err = open_store(&o, why, sizeof(why));
	if (!err)
		err = ikw_replay_all(o.file, &ops, why, sizeof(why));
	fflush(stdout);
	if (err)
		ikw_error("%s", why);
	if (close_store(&o, closing, sizeof(closing))) {
		ikw_error("%s", closing);
		err = -1;
	}
	return err || ferror(stdout) ? IKW_EXIT_FAILED : IKW_EXIT_OK;
}
