/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the sender says of its sinks, from its cursor files. */
#ifndef IKEWATCH_SINKS_STATUS_H
#define IKEWATCH_SINKS_STATUS_H

#include <jansson.h>
#include <stdint.h>

#define IKW_SEND_DIR "/var/lib/ikewatch-send"

/*
 * An array with an object per sink: sink, type, state, cursor, sent, failed, lost,
 * last_sent, failing_since, error, and waiting, which is how many alarms up to
 * last_id it has not delivered. Empty when there is no sender. The files are
 * another user's: nothing in them is trusted. A new reference.
 */
json_t *ikw_sinks_status(const char *dir, uint64_t last_id);

/* The same as lines on stdout; nothing without sinks. */
void ikw_sinks_print(const json_t *sinks);

#endif
