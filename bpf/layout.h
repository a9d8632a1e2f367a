/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an agent leaves in the kernel for the next one: what the pinned maps look
 * like, which programs are attached and how. Programs do not use these maps; they
 * are BPF maps so that they live exactly as long as what they describe, and so
 * that bpftool shows them.
 */
#ifndef IKEWATCH_LAYOUT_H
#define IKEWATCH_LAYOUT_H

#include "bpf/ikewatch_event.h"

/* One more whenever a pinned map changes in meaning without changing in size. */
#define IKW_LAYOUT_VERSION 4

#define IKW_PROBE_ROWS 64
#define IKW_INTERFACES 4096
#define IKW_NETNS_PATH 128

/* Entry 0 of ikw_layout. */
struct ikw_layout {
	__u32 version;	     /* IKW_LAYOUT_VERSION; 0: not filled in yet */
	__u32 event_version; /* IKW_EVENT_VERSION of the records in the ring */
	__u64 ring;	     /* random: names this ring, and what was written of it elsewhere */
	__u64 probes;	     /* digest of the SAD and host programs; 0: not all are pinned */
	__u64 packets;	     /* digest of the packet programs and their settings; 0: likewise */
	__u64 lost;	     /* records lost in the ring, as last reported */
	__u64 since;	     /* boot time ns at which the ring was made */
	__u32 netns;	     /* inode of the watched network namespace */
	__u32 pad;
	char netns_path[IKW_NETNS_PATH]; /* empty: the one the agent itself ran in */
	char agent[32];			 /* version of the ikewatch that attached last */
};

/* One per probe in ikw_probes, in the order of user/probes.c. */
struct ikw_probe_row {
	char name[32]; /* kernel function or tracepoint */
	char how[16];  /* "fentry", "kprobe", "tracepoint", "off" */
	char why[204]; /* why not better; empty: it is the best */
	__u32 pinned;  /* 1: it goes on without an agent */
};

/* Value of ikw_interfaces; the key is the interface's index. */
struct ikw_interface {
	char name[IKW_NAME_LEN];
	char in[IKW_NAME_LEN]; /* "xdp", "xdp-generic", "tc", "tcx" */
	char why[104];	       /* why that hook */
	__u16 tc_in;	       /* priority of the filter in a clsact; 0: none */
	__u16 tc_out;
	__u8 own_qdisc; /* the clsact is the agent's */
	__u8 behind;	/* other filters come first */
	__u8 pad[2];
};

#endif /* IKEWATCH_LAYOUT_H */
