/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the service manager is told, if there is one (sd_notify(3)). */
#ifndef IKEWATCH_NOTIFY_H
#define IKEWATCH_NOTIFY_H

#include <stdint.h>

void ikw_notify_ready(void);
void ikw_notify_reloading(void);
void ikw_notify_stopping(void);

/* Tells that the agent is alive when it is time to. Boot time ns of the next; UINT64_MAX: never. */
uint64_t ikw_notify_alive(uint64_t now);

#endif
