/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "notify.h"
#include <systemd/sd-daemon.h>
#include "stamp.h"

void ikw_notify_ready(void)
{
	sd_notify(0, "READY=1\nSTATUS=watching");
}

/* systemd wants the monotonic time at which it began. */
void ikw_notify_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)(ikw_clock_ns(CLOCK_MONOTONIC) / 1000));
}

void ikw_notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

/* Twice in the time after which it would be taken for hung. */
uint64_t ikw_notify_alive(uint64_t now)
{
	static uint64_t every = UINT64_MAX, next;
	uint64_t limit;

	if (every == UINT64_MAX)
		every = sd_watchdog_enabled(0, &limit) > 0 ? limit * 1000 / 2 : 0;
	if (!every)
		return UINT64_MAX;
	if (now >= next) {
		sd_notify(0, "WATCHDOG=1");
		next = now + every;
	}
	return next;
}
