/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdio.h>
#include "model.h"
#include "recording.h"
#include "replay.h"

struct replay {
	const struct ikw_replay_ops *ops;
	const struct ikw_model *model;
	uint64_t last_id;
};

static void replay_alarm(void *ctx, struct ikw_alarm *alarm)
{
	struct replay *replay = ctx;

	alarm->id = ++replay->last_id;
	replay->ops->alarm(replay->ops->ctx, alarm);
}

static void replay_tunnel(void *ctx, const char *key, uint32_t index)
{
	const struct replay *replay = ctx;

	if (replay->ops->tunnel)
		replay->ops->tunnel(replay->ops->ctx, key, index);
}

static void replay_up(void *ctx, uint32_t index, uint64_t boot)
{
	const struct replay *replay = ctx;

	if (replay->ops->tunnel_up)
		replay->ops->tunnel_up(replay->ops->ctx, index,
				       ikw_model_wall(replay->model, boot));
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

int ikw_replay_all(const char *path, const struct ikw_replay_ops *to, char *why, size_t size)
{
	struct replay replay = { .ops = to };
	struct ikw_model_ops ops = { .alarm = replay_alarm,
				     .tunnel = replay_tunnel,
				     .tunnel_up = replay_up,
				     .ctx = &replay };
	struct ikw_model_config config = { .vsys = "" };
	struct ikw_recording *recording = ikw_recording_open(path, why, size);
	struct ikw_model *model;
	int err = -1;

	if (!recording)
		return -1;
	snprintf(config.vsys, sizeof(config.vsys), "%s", ikw_recording_header(recording)->vsys);
	config.settle_ns = ikw_recording_header(recording)->settle_ns;
	model = ikw_model_new(&config, &ops);
	replay.model = model;
	if (model)
		err = replay_events(recording, model, why, size);
	else
		snprintf(why, size, "%s: out of memory", path);
	ikw_model_free(model);
	ikw_recording_close(recording);
	return err;
}

int ikw_replay(const char *path, void (*alarm)(void *ctx, struct ikw_alarm *alarm), void *ctx,
	       char *why, size_t size)
{
	const struct ikw_replay_ops ops = { .alarm = alarm, .ctx = ctx };

	return ikw_replay_all(path, &ops, why, size);
}
