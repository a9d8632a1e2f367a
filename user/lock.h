/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who holds a lock: so that a second agent can say whom it met. */
#ifndef IKEWATCH_LOCK_H
#define IKEWATCH_LOCK_H

#include <sys/types.h>

/* The pid that holds a file or directory by flock(2); 0 when nobody does or it cannot be told. */
pid_t ikw_lock_holder(const char *path);

#endif
