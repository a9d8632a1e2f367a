/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A program as a filter of an interface's clsact, where it disturbs no other. */
#ifndef IKEWATCH_CLSACT_H
#define IKEWATCH_CLSACT_H

#include <stdbool.h>
#include <stdint.h>

/* How one interface has them. The caller's, who begins with zeros or with what an earlier agent
 * left. */
struct ikw_clsact {
	uint32_t ifindex;
	uint16_t in;	/* priority of our filter on ingress; 0: none */
	uint16_t out;	/* on egress */
	bool own_qdisc; /* we made the clsact */
	bool behind;	/* other filters come before ours */
};

/*
 * Attaches a tc program to one side of the interface, before all other filters
 * there; takes the place of the one that an earlier agent left in one step. In
 * the interface's network namespace. 0 or a negative errno.
 */
int ikw_clsact_attach(struct ikw_clsact *at, bool egress, int prog_fd);

/* Are our filters there still? */
bool ikw_clsact_whole(const struct ikw_clsact *at);

/* Takes away our filters, and the clsact if we made it and nobody else uses it by now. */
void ikw_clsact_detach(struct ikw_clsact *at);

/* The same with what an earlier agent left on the sides where there is none of ours now. */
void ikw_clsact_sweep(struct ikw_clsact *at);

#endif
