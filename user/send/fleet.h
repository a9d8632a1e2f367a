/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef IKEWATCH_SEND_FLEET_H
#define IKEWATCH_SEND_FLEET_H

#include "send.h"

/*
 * Reads the stream of a `nats` section from a time on (Unix ns; 0: all of it) and
 * prints a line for each deletion, both ends joined. follow: until SIGTERM. False
 * after ikw_sink_fail().
 */
bool ikw_fleet(struct ikw_sink *sink, uint64_t since_ns, bool follow, bool json);

#endif
