/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which SAs of the model the SAD does not hold any more: what a probe that did
 * not run (a kprobe is missed while another runs on that CPU) leaves untold.
 * Pure: no I/O, no clock.
 */
#ifndef IKEWATCH_RECHECK_H
#define IKEWATCH_RECHECK_H

#include "model.h"

struct ikw_recheck;

/* A look at the SAD that begins now (boot time ns); NULL: no memory. */
struct ikw_recheck *ikw_recheck_new(uint64_t now);
void ikw_recheck_free(struct ikw_recheck *look);

/* One SA of a dump; an ikw_event_fn, ctx: the look. Others than SAs are not minded. */
void ikw_recheck_take(void *look, union ikw_event *event);

/*
 * How many SAs that the model had before the look began are not in the SAD, or
 * were added later than the model has it: others of the same name. 0 as well
 * where memory ran out. For when all that was witnessed meanwhile is in the model.
 */
uint64_t ikw_recheck_missing(struct ikw_recheck *look, const struct ikw_model *model);

#endif
