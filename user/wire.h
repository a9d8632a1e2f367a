/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What RADIUS, BFD, VRRP, DNS, DHCP, ICMP echo and cluster packets say: from the bytes
 * that the packet programs copied to records. Pure; trusts no byte.
 */
#ifndef IKEWATCH_WIRE_PARSE_H
#define IKEWATCH_WIRE_PARSE_H

#include <stddef.h>
#include "bpf/ikewatch_event.h"

/* A DNS answer gives a record for each address. */
#define IKW_WIRE_RECORDS 8

/*
 * Reads raw into out, at most IKW_WIRE_RECORDS records; the first keeps its
 * sequence number. Returns how many: 0 when the bytes say nothing of use (not
 * an answer, cut off, malformed).
 */
size_t ikw_wire_read(const struct ikw_raw *raw, struct ikw_wire out[IKW_WIRE_RECORDS]);

#endif
