/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sender is another program; this is how the agent's asks it something. */
#ifndef IKEWATCH_SENDER_H
#define IKEWATCH_SENDER_H

#include <jansson.h>
#include <stdbool.h>

/*
 * Has the sinks of a configuration file checked: their settings, and whether each
 * receiver can be reached; none gets an alarm. With list, what is found is added to
 * that array, an object for each sink; else it is printed. An exit status.
 */
int ikw_sender_check(const char *config, json_t *list);

#endif
