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

/* The evidence of other protocols in f, told piece by piece; text lives for the call only. */
void ikw_compose_outside(const struct ikw_facts *facts,
			 void (*tell)(void *ctx, uint64_t time, const char *fact, const char *text),
			 void *ctx);

/* InsideIP of a tunnel's flow; into buf, returned. */
const char *ikw_inside_text(const struct ikw_tunnel *tunnel, const struct ikw_flow *flow, char *buf,
			    size_t size);

/* The xfrm interface of a tunnel, else the one towards its peer; NULL: not known. */
const struct ikw_link_state *ikw_tunnel_link(const struct ikw_host *host,
					     const struct ikw_tunnel *tunnel);

/* The peer's IKE port (behind NAT that of the encapsulation); ike may be NULL. 0: not known. */
uint16_t ikw_generation_port(const struct ikw_generation *gen, const struct ikw_ike_sa *ike);

/* FlowInfo: source, destination, protocol, ports, DSCP; into buf, returned. */
const char *ikw_flow_text(const struct ikw_tunnel *tunnel, const struct ikw_flow *flow, char *buf,
			  size_t size);

#endif
