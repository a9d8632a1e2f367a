/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel probes read of others' memory may hold secrets, which nothing
 * here needs: they are taken out before a record is looked at, kept or passed on.
 * Pure.
 */
#ifndef IKEWATCH_SCRUB_H
#define IKEWATCH_SCRUB_H

#include "bpf/ikewatch_event.h"

/*
 * Of a request to a control socket what says which request it is: the name of
 * strongSwan's vici requests, the type of stroke's. Nothing of the others is
 * left: load-shared and what follows it hold pre-shared keys.
 */
void ikw_scrub_control(struct ikw_control *control);

/*
 * Keys among the words of a command, as ip-xfrm(8) takes them: the word behind an
 * algorithm's name, and numbers of 16 bytes and more. Stars stand in their place.
 */
void ikw_scrub_proc(struct ikw_proc *proc);

#endif
