/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a network namespace says as it is torn down, and what is another's: probes
 * know a namespace by its number, and the kernel gives that of one that is gone to
 * the next that is made. Pure: no I/O, no clock.
 */
#ifndef IKEWATCH_LAST_WORDS_H
#define IKEWATCH_LAST_WORDS_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/ikewatch_event.h"

struct ikw_last_words {
	uint32_t netns; /* torn down; 0: none yet */
	bool over;	/* another one of that number has come, and is torn down too */
	uint64_t time;	/* boot time ns */
	uint32_t watched;
	uint64_t since; /* boot time ns */
};

/* A namespace with that number is watched from now (boot time ns) on. */
void ikw_last_words_begin(struct ikw_last_words *words, uint32_t netns, uint64_t now);

/* Is a record of the probes that a watched namespace's number stands in that namespace's? */
bool ikw_last_words_hear(struct ikw_last_words *words, const union ikw_event *event);

#endif
