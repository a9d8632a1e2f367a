/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the commands that ask the running agent have in common: asking, and words for people. */
#ifndef IKEWATCH_LIVE_H
#define IKEWATCH_LIVE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "cli.h"

/*
 * A stream of the agent's answer, or NULL with the cause in why; *absent (may be
 * NULL) then says whether there is no agent at all.
 */
FILE *ikw_live_ask(const struct ikw_common_options *options, const char *request, bool *absent,
		   char *why, size_t size);

/*
 * Gives fn each line of the answer and closes it. An answer that does not end in
 * a whole line was cut off. 0, or -1 with the cause in why.
 */
int ikw_live_lines(FILE *from, void (*fn)(void *ctx, const char *line, const json_t *json),
		   void *ctx, char *why, size_t size);

/* A text member, "-" when it is null or missing. */
const char *ikw_live_text(const json_t *json, const char *key);
/* An integer member, 0 when missing. */
uint64_t ikw_live_integer(const json_t *json, const char *key);
/* Is this member true? */
bool ikw_live_yes(const json_t *json, const char *key);

/* A terminal's code for good (green) or bad (red), and back to plain; "" elsewhere. */
const char *ikw_live_colour(bool good);
const char *ikw_live_plain(void);

/* "1.2 MB": bytes for people, into buf. */
const char *ikw_live_size(uint64_t bytes, char *buf, size_t size);
/* "3 d 4 h", "5 min": seconds for people, into buf. */
const char *ikw_live_span(uint64_t s, char *buf, size_t size);

#endif
