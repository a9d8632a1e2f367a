/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What this kernel can do, found by trying: a program is loaded, attached and,
 * where that proves more, made to fire; nothing is left behind.
 */
#ifndef IKEWATCH_KERNEL_H
#define IKEWATCH_KERNEL_H

#include <stdbool.h>

#define IKW_WHY_LEN 160

struct ikw_trial {
	bool can;
	char why[IKW_WHY_LEN]; /* why not; empty if it can */
};

/* BTF of vmlinux can be read. */
struct ikw_trial ikw_kernel_btf(void);

/* A fentry program attaches and fires (on bpf_fentry_test1, by a test run). */
struct ikw_trial ikw_kernel_fentry(void);

/* A kprobe program attaches and fires. */
struct ikw_trial ikw_kernel_kprobe(void);

/* A raw tracepoint program attaches. */
struct ikw_trial ikw_kernel_tracepoint(void);

/* BPF ring buffers exist. */
struct ikw_trial ikw_kernel_ring(void);

/* Programs may read kernel memory (lockdown "confidentiality" forbids it). */
struct ikw_trial ikw_kernel_read(void);

/* XDP and tc programs load. */
struct ikw_trial ikw_kernel_xdp(void);
struct ikw_trial ikw_kernel_tc(void);

#endif
