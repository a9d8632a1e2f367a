/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which tc filters an interface has, so that ours finds a place that disturbs none. */
#ifndef IKEWATCH_TCFILTER_H
#define IKEWATCH_TCFILTER_H

#include <stdbool.h>
#include <stdint.h>

struct ikw_tcfilters {
	unsigned int count; /* of others' */
	uint16_t first;	    /* the lowest priority among others'; 0: none */
	unsigned int ours;  /* of ours, by handle */
	uint16_t our_prio;  /* of one of ours */
};

/*
 * Lists one side of an interface's clsact in this network namespace; filters
 * with `handle` are counted as ours. 0 (also when there is no clsact), or a
 * negative errno.
 */
int ikw_tcfilters_list(uint32_t ifindex, bool egress, uint32_t handle, struct ikw_tcfilters *list);

#endif
