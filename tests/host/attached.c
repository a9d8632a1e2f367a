// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs on an interface's tc hook by tcx, in their order, a line each: what
 * Debian 12's bpftool and tc are too old to tell.
 *
 * usage: attached INTERFACE, in its network namespace
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <bpf/bpf.h>

#define MANY 64

static int side(unsigned int ifindex, const char *name, int attach)
{
	uint32_t ids[MANY] = { 0 };
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = MANY);

	if (bpf_prog_query_opts((int)ifindex, (enum bpf_attach_type)attach, &opts)) {
		/* nothing there; a kernel that has no tcx */
		if (errno == ENOENT || errno == EINVAL)
			return 0;
		fprintf(stderr, "attached: %s: %s\n", name, strerror(errno));
		return 1;
	}
	for (uint32_t i = 0; i < opts.prog_cnt; i++)
		printf("tcx/%s id %u\n", name, ids[i]);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int ifindex = argc == 2 ? if_nametoindex(argv[1]) : 0;

	if (!ifindex) {
		fprintf(stderr, "usage: attached INTERFACE\n");
		return 2;
	}
	/* enum bpf_attach_type of Linux 6.6 */
	return side(ifindex, "ingress", 46) || side(ifindex, "egress", 47);
}
