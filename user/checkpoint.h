/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the model knows, as events that make another model know it. Pure. */
#ifndef IKEWATCH_CHECKPOINT_H
#define IKEWATCH_CHECKPOINT_H

#include <stdbool.h>
#include "model.h"

/* done: the event begins a deletion whose alarm was given. */
typedef void (*ikw_checkpoint_fn)(void *ctx, const union ikw_event *event, bool done);

/*
 * Clock, probes, gaps, links, addresses, processes, policies, every generation
 * of which an SA lives or whose case is open, with the deletions so far, and the
 * IKE_SAs that manage them. IKE exchanges and orders are not part of it: what is
 * older than the events that follow a checkpoint is forgotten.
 */
void ikw_model_checkpoint(const struct ikw_model *model, ikw_checkpoint_fn fn, void *ctx);

/* Of that the IKE_SAs alone, for who reads in all else by itself. */
void ikw_model_ikes(const struct ikw_model *model, ikw_checkpoint_fn fn, void *ctx);

#endif
