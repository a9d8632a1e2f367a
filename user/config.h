/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration file: libConfuse's syntax, one setting per option of
 * `ikewatch run`, and the further IKE ports:
 *
 *	interfaces = { "eth0", "eth1" }
 *	netns = "gw"
 *	ike-ports = { 4501 }
 *	hook = "auto"           tier = "fentry"
 *	state-dir = "..."       pin-dir = "..."
 *	socket = "..."          settle = 2000
 *	ring-size = 64          # MiB for records that wait; default: by the machine's memory
 */
#ifndef IKEWATCH_CONFIG_H
#define IKEWATCH_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

/* Takes one setting; NULL, or what is wrong with the value (static text). */
typedef const char *(*ikw_config_take)(void *ctx, int key, const char *value);

/* Key under which further IKE ports are taken; the others are those of the options. */
#define IKW_CONFIG_PORT 512
/* Key of the ring's size in MiB. */
#define IKW_CONFIG_RING 513

/*
 * Reads the file and gives each setting to take, a list one by one. Values are
 * valid until ikw_config_free(). False with "FILE:LINE: cause" in why.
 */
bool ikw_config_read(const char *path, ikw_config_take take, void *ctx, char *why, size_t size);

void ikw_config_free(void);

#endif
