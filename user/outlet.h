/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines out to a descriptor that may take no more: a pager that somebody left
 * open, a journal that hangs. What it does not take waits here, up to a bound;
 * whoever writes is never held up.
 */
#ifndef IKEWATCH_OUTLET_H
#define IKEWATCH_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "loop.h"

/* Text that may wait, in bytes; a million seed lines take 400 MB, 64 MiB are the last 160,000. */
#define IKW_OUTLET_BYTES (64UL << 20)

struct ikw_outlet_line;

struct ikw_outlet {
	struct ikw_loop *loop;
	struct ikw_poll poll; /* added while lines wait */
	int fd;
	int error;	  /* errno that ended it; 0: none */
	size_t bytes;	  /* that may wait; IKW_OUTLET_BYTES */
	size_t waiting;	  /* bytes that do */
	size_t done;	  /* bytes of the first line that are out */
	uint64_t dropped; /* lines that were not written */
	struct ikw_outlet_line *lines, **lines_end;
};

/* For fd, which stays the caller's; with the loop, lines that wait go out as soon as they can. */
void ikw_outlet_open(struct ikw_outlet *outlet, struct ikw_loop *loop, int fd);

/*
 * Takes over the malloc'd text of len bytes and writes what can be written at
 * once. False: it was dropped, too much waits already or the descriptor failed.
 */
bool ikw_outlet_put(struct ikw_outlet *outlet, char *text, size_t len);

/* Writes what waits for at most ms milliseconds. Lines that are still there then are dropped. */
void ikw_outlet_close(struct ikw_outlet *outlet, int ms);

#endif
