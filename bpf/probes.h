/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maps that the SAD/SPD probes (sa.bpf.c) and the host probes (host.bpf.c)
 * share with each other and with user space, which creates them once.
 */
#ifndef IKEWATCH_PROBES_H
#define IKEWATCH_PROBES_H

#include "bpf/ikewatch_event.h"

#define IKW_DAEMONS 4096
#define IKW_SEEN    8192
#define IKW_CLIENTS 1024
#define IKW_CALLS   1024
#define IKW_ASKERS  256

/* Entry 0 of ikw_watched: what user space may change while the probes run. */
struct ikw_watched {
	__u32 netns; /* inode of the one network namespace whose SAs are told; 0: all */
	__u32 epoch; /* the programs that speak; others attached beside them keep silent */
};

enum ikw_daemon_how {
	IKW_DAEMON_INSTALLED = 1, /* it reserved an SPI or installed an SA */
	IKW_DAEMON_TOLD = 2,	  /* user space said so */
};

/* Value of ikw_daemons; the key is a tgid. Removed when that process exits. */
struct ikw_daemon {
	__u64 since; /* boot time ns */
	__u32 how;   /* enum ikw_daemon_how */
	__u32 pad;
};

/* Key of ikw_seen: a process between two execs. */
struct ikw_seen {
	__u64 start; /* of the process, boot time ns */
	__u64 execs; /* task_struct.self_exec_id: one more with each exec */
	__u32 tgid;
	__u32 pad;
};

#ifdef __bpf__

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, IKW_DAEMONS);
	__type(key, __u32);
	__type(value, struct ikw_daemon);
} ikw_daemons SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IKW_SEEN);
	__type(key, struct ikw_seen);
	__type(value, __u64);
} ikw_seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ikw_watched);
} ikw_watched SEC(".maps");

/*
 * Set by user space before load. When an upgrade attaches new programs beside
 * the old ones, one write to ikw_watched hands the word over: nothing is told
 * twice, nothing by nobody.
 */
__u32 ikw_epoch SEC(".data.epoch") = 0;

static __always_inline int ikw_speaks(const struct ikw_watched *watch)
{
	return watch && watch->epoch == *(volatile __u32 *)&ikw_epoch;
}

#endif /* __bpf__ */
#endif /* IKEWATCH_PROBES_H */
