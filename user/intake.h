/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the ring's records to events: what the kernel left as bytes is read, what
 * is no record is dropped, and the numbers that are missing are noted. Pure: no
 * I/O, no clock.
 */
#ifndef IKEWATCH_INTAKE_H
#define IKEWATCH_INTAKE_H

#include <stddef.h>
#include "bpf/maps.h"
#include "stamp.h"

struct ikw_intake;

/* For records of so many CPUs. NULL: no memory. */
struct ikw_intake *ikw_intake_new(int cpus);
void ikw_intake_free(struct ikw_intake *intake);

/*
 * Gives fn what a record of the ring says: mostly one event, more of some packets
 * (user/wire.h), none of what does not pass ikw_event_valid(). `data` needs no
 * alignment and is not written.
 */
void ikw_intake_take(struct ikw_intake *intake, const void *data, size_t size, ikw_event_fn fn,
		     void *ctx);

/*
 * Boot time (ns) of the last record before the first one that was lost since the
 * last call; 0: the numbers do not tell. `state`, by CPU, is how far the kernel has
 * counted: what it says beyond the last record taken was lost too. NULL: not known.
 */
uint64_t ikw_intake_lost_since(struct ikw_intake *intake, const struct ikw_cpu_state *state);

#endif
