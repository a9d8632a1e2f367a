/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef IKEWATCH_SETTINGS_H
#define IKEWATCH_SETTINGS_H

#include "agent.h"
#include "config.h"

/*
 * Reads the command line, and the file it names (else the usual one, if there is
 * one); what the command line says goes before what the file says. Texts in
 * options are argv's and *config's (NULL: no file). 0, or an exit status after
 * having said on stderr what is wrong.
 */
int ikw_settings_read(struct ikw_run_options *options, struct ikw_config **config, int argc,
		      char **argv);

/* Could `ikewatch run` use that file? False with "FILE:LINE: cause" in why. */
bool ikw_settings_check(const char *path, char *why, size_t size);

#endif
