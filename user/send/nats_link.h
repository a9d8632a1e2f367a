/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A connection to NATS by the settings of a section `nats`, for the sink and for `fleet`. */
#ifndef IKEWATCH_SEND_NATS_LINK_H
#define IKEWATCH_SEND_NATS_LINK_H

#include <nats/nats.h>
#include "send.h"

struct ikw_nats {
	natsConnection *connection;
	jsCtx *js;
};

/* Both connect; false after ikw_sink_fail(), with nothing left open. */
bool ikw_nats_open(struct ikw_sink *sink, struct ikw_nats *nats);
void ikw_nats_close(struct ikw_nats *nats);

/* Puts what the library says last into sink->why, behind what; always false. */
bool ikw_nats_fail(struct ikw_sink *sink, const char *what, natsStatus status);

#endif
