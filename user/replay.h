/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A recording through the pure pipeline: what the live agent would have said. */
#ifndef IKEWATCH_REPLAY_H
#define IKEWATCH_REPLAY_H

#include <stddef.h>
#include "alarm.h"

/* Who is told what. All but alarm may be NULL. */
struct ikw_replay_ops {
	void (*alarm)(void *ctx, struct ikw_alarm *alarm);
	void (*tunnel)(void *ctx, const char *key, uint32_t index);  /* got its number */
	void (*tunnel_up)(void *ctx, uint32_t index, uint64_t wall); /* came back */
	void *ctx;
};

/* As ikw_replay() below, for those who keep what comes of it. */
int ikw_replay_all(const char *path, const struct ikw_replay_ops *ops, char *why, size_t size);

/*
 * Feeds every event of the recording ("-": stdin) to a new model and calls
 * alarm for each case as it closes, ids counted from 1; the alarm is freed
 * after the call. 0; -1 with the cause in why, after the alarms up to there.
 */
int ikw_replay(const char *path, void (*alarm)(void *ctx, struct ikw_alarm *alarm), void *ctx,
	       char *why, size_t size);

#endif
