/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration file, in libConfuse's syntax; ikewatch.conf(5) has every
 * setting. Add one: a row in the table of config.c, and a case where its key is
 * taken (settings.c).
 */
#ifndef IKEWATCH_CONFIG_H
#define IKEWATCH_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#define IKW_CONFIG_FILE "/etc/ikewatch/ikewatch.conf"

/* Keys of settings that are no options of `ikewatch run`. */
enum ikw_config_key {
	IKW_CONFIG_PORT = 512, /* a further IKE port */
	IKW_CONFIG_RING,       /* size of the ring, MiB */
	IKW_CONFIG_RECHECK,    /* how often the SAD is compared, s */
	IKW_CONFIG_KEEP_ALARMS,
	IKW_CONFIG_KEEP_DAYS,
	IKW_CONFIG_READ_GROUP,
	IKW_CONFIG_CLEAR_GROUP,
	IKW_CONFIG_SEVERITY, /* title: the reason */
	IKW_CONFIG_ACTION,   /* title: the reason */
	IKW_CONFIG_PEER,     /* title: the address */
	IKW_CONFIG_TUNNEL,   /* title: the number */
};

/*
 * Takes one setting; a list comes one by one. title: of the section it is in, or
 * NULL. NULL, or what is wrong with the value (static text).
 */
typedef const char *(*ikw_config_take)(void *ctx, int key, const char *title, const char *value);

struct ikw_config;

/*
 * Reads the file and gives each setting to take, in the file's order. Values are
 * valid until the configuration is freed. NULL with "FILE:LINE: cause" in why.
 */
struct ikw_config *ikw_config_read(const char *path, ikw_config_take take, void *ctx, char *why,
				   size_t size);

/* NULL is fine. */
void ikw_config_free(struct ikw_config *config);

#endif
