/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch replay`: no privileges, no kernel, the same pipeline as the live agent. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli.h"
#include "model.h"
#include "recording.h"
#include "replay.h"

struct replay {
	void (*alarm)(void *ctx, struct ikw_alarm *alarm);
	void *ctx;
	uint64_t last_id;
};

static void replay_alarm(void *ctx, struct ikw_alarm *alarm)
{
	struct replay *replay = ctx;

	alarm->id = ++replay->last_id;
	replay->alarm(replay->ctx, alarm);
}

/* The last time that was seen ends the recording: what is open then is closed with what is known.
 */
static int replay_events(struct ikw_recording *recording, struct ikw_model *model, char *why,
			 size_t size)
{
	union ikw_event event;
	uint64_t now = 0;
	int got;

	while ((got = ikw_recording_next(recording, &event, why, size)) > 0) {
		ikw_model_event(model, &event);
		if (event.hdr.time > now)
			now = event.hdr.time;
	}
	if (!got)
		ikw_model_finish(model, now);
	return got;
}

int ikw_replay(const char *path, void (*alarm)(void *ctx, struct ikw_alarm *alarm), void *ctx,
	       char *why, size_t size)
{
	struct replay replay = { .alarm = alarm, .ctx = ctx };
	struct ikw_model_ops ops = { .alarm = replay_alarm, .ctx = &replay };
	struct ikw_model_config config = { .vsys = "" };
	struct ikw_recording *recording = ikw_recording_open(path, why, size);
	struct ikw_model *model;
	int err = -1;

	if (!recording)
		return -1;
	snprintf(config.vsys, sizeof(config.vsys), "%s", ikw_recording_header(recording)->vsys);
	config.settle_ns = ikw_recording_header(recording)->settle_ns;
	model = ikw_model_new(&config, &ops);
	if (model)
		err = replay_events(recording, model, why, size);
	else
		snprintf(why, size, "%s: out of memory", path);
	ikw_model_free(model);
	ikw_recording_close(recording);
	return err;
}

static void print_line(void *ctx, struct ikw_alarm *alarm)
{
	char line[4096];

	(void)ctx;
	if (ikw_alarm_line(alarm, line, sizeof(line)) >= 0)
		puts(line);
}

static void print_json(void *ctx, struct ikw_alarm *alarm)
{
	char *line = ikw_alarm_json_line(alarm);

	(void)ctx;
	if (line)
		puts(line);
	free(line);
}

int ikw_replay_main(int argc, char **argv)
{
	const struct ikw_command *command = ikw_cli_find("replay");
	bool json = false;
	const char *value;
	char why[512];
	int key;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == '?')
			return IKW_EXIT_USAGE;
		json = true;
	}
	if (argc - optind != 1)
		return ikw_usage_error("replay", "replay: needs one FILE");
	if (ikw_replay(argv[optind], json ? print_json : print_line, NULL, why, sizeof(why))) {
		fflush(stdout);
		ikw_error("%s", why);
		return IKW_EXIT_FAILED;
	}
	return IKW_EXIT_OK;
}
