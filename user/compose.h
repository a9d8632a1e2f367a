/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a closed case to the alarm: fields, sentence, evidence, blind spots. Pure. */
#ifndef IKEWATCH_COMPOSE_H
#define IKEWATCH_COMPOSE_H

#include "alarm.h"
#include "evidence.h"
#include "reason.h"

/*
 * Fills *alarm (zeroed here) from the case, its facts and the verdict. vsys:
 * the watched namespace's name. What the alarm owns is freed by ikw_alarm_clear().
 */
void ikw_compose(struct ikw_alarm *alarm, const struct ikw_case *c, const struct ikw_facts *facts,
		 const struct ikw_verdict *verdict, const struct ikw_world *world, const char *vsys,
		 uint64_t now);

/* FlowInfo: source, destination, protocol, ports, DSCP; into buf, returned. */
const char *ikw_flow_text(const struct ikw_tunnel *tunnel, char *buf, size_t size);

#endif
