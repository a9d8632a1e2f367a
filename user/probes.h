/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel probes, one row each: where it sits, its programs, what it lets us see. */
#ifndef IKEWATCH_PROBES_TABLE_H
#define IKEWATCH_PROBES_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which object has the programs. */
enum ikw_part {
	IKW_PART_SA,   /* sa.bpf.c: gives way to netlink as a whole */
	IKW_PART_HOST, /* host.bpf.c: there in every tier */
	IKW_PARTS,
};

/* How a probe is attached. */
enum ikw_how {
	IKW_HOW_OFF = 0,
	IKW_HOW_FENTRY = 1,
	IKW_HOW_KPROBE = 2,
	IKW_HOW_TRACEPOINT = 3,
	IKW_HOWS,
};

struct ikw_probe {
	const char *name;   /* of the kernel function or tracepoint */
	const char *fentry; /* programs; NULL: that side is not needed */
	const char *fexit;
	const char *fexit_more; /* fexit where the function has one argument more */
	const char *kprobe;
	const char *kretprobe;
	const char *tracepoint;
	uint32_t sees; /* enum ikw_observable: lost when this probe is missing */
	int args;      /* of the function */
	enum ikw_part part;
	bool required; /* without it the part is of no use */
};

/* Brackets come before what they explain, so that no deletion is told without its cause. */
extern const struct ikw_probe ikw_probe_table[];
extern const size_t ikw_probe_count;

/* "fentry", "kprobe", "tracepoint", "off". */
const char *ikw_how_text(enum ikw_how how);

#endif
