/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The text of /metrics. */
#ifndef IKEWATCH_SEND_METRICS_H
#define IKEWATCH_SEND_METRICS_H

#include "send.h"

struct ikw_metrics;

/* NULL without memory. sink must outlive it. */
struct ikw_metrics *ikw_metrics_new(const struct ikw_sink *sink, unsigned long max_tunnels);
void ikw_metrics_free(struct ikw_metrics *metrics);

/* Takes the last counters of an alarm's SAs. */
void ikw_metrics_alarm(struct ikw_metrics *metrics, const struct ikw_parcel *parcel);

/* Asks the agent and puts all into text (malloc'd, of *size bytes); NULL without memory. */
char *ikw_metrics_text(struct ikw_metrics *metrics, size_t *size);

#endif
