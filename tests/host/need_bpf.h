/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TESTS_HOST_NEED_BPF_H
#define TESTS_HOST_NEED_BPF_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>

#define SKIP 77 /* the exit status of a test that could not be made */

/* Loud, and apart from failure: a kernel that refuses BPF cannot be asked. */
static inline void need_bpf(void)
{
	struct bpf_insn insns[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
				    { .code = BPF_JMP | BPF_EXIT } };
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "probe", "GPL", insns, 2, NULL);

	if (fd < 0) {
		printf("SKIPPED: this kernel does not let us load an XDP program: %s\n",
		       strerror(errno));
		exit(SKIP);
	}
	close(fd);
}

#endif
