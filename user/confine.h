/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the agent gives up once everything is attached. */
#ifndef IKEWATCH_CONFINE_H
#define IKEWATCH_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Keeps the capabilities that running on needs, drops the others from every set
 * for good, forbids new privileges, and allows no system call but those of the
 * list in confine.c; others fail with EPERM, and the kernel logs them (audit, or
 * its own log). netns: other network namespaces must be entered later. False
 * with the cause in why when a part of it cannot be had here.
 */
bool ikw_confine(bool netns, char *why, size_t size);

#endif
