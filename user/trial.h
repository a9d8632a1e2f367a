/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What this kernel lets a program do, found out by doing it on a small scale.
 * "It attaches" is no proof: a hook on trial must also be seen to fire. Nothing
 * stays loaded or attached.
 */
#ifndef IKEWATCH_TRIAL_H
#define IKEWATCH_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

#define IKW_WHY_LEN 160

/* The outcome of a trial: possible or not, and why not, in libc's and the kernel's words. */
struct ikw_trial {
	bool can;
	char why[IKW_WHY_LEN];
};

/* The kernel's own BTF, without which no probe can be placed. */
struct ikw_trial ikw_trial_btf(void);
/* A fentry program on a function that the kernel keeps for this, run once. */
struct ikw_trial ikw_trial_fentry(void);
struct btf;
/* The same, by a caller that has the kernel's BTF; NULL: none. */
struct ikw_trial ikw_trial_fentry_with(const struct btf *btf);
/* A kprobe on the function behind nanosleep(2), and a nanosleep. */
struct ikw_trial ikw_trial_kprobe(void);
/* A raw tracepoint program on sched_process_exit, attached. */
struct ikw_trial ikw_trial_tracepoint(void);
/* A ring buffer. */
struct ikw_trial ikw_trial_ring(void);
/* A BPF program that reads kernel memory; lockdown "confidentiality" forbids it. */
struct ikw_trial ikw_trial_read(void);
/* An XDP program, and a tc classifier, past the verifier. */
struct ikw_trial ikw_trial_xdp(void);
struct ikw_trial ikw_trial_tc(void);
/* The tc hook's links; asked of the kernel, nothing is attached. */
struct ikw_trial ikw_trial_tcx(void);

#endif
