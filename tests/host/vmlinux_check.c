/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Compares every member of the slice of kernel types (vmlinux/vmlinux.h,
 * bpf/core_fixes.h) with a kernel's BTF: it must exist under its name, be of
 * the same kind and, if a number, of the same size. Structs with a ___flavour
 * are of some kernels only: their absence is told, not held against the kernel.
 *
 * usage: vmlinux_check SLICE.o KERNEL_BTF
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>

static struct btf *slice, *kernel;
static unsigned int structs, members, absent, wrong;

static const struct btf_type *plain(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	while (btf_is_mod(type) || btf_is_typedef(type))
		type = btf__type_by_id(btf, type->type);
	return type;
}

/* The kernel's member of that name, also within its anonymous structs and unions. */
static const struct btf_type *find_member(const struct btf_type *in, const char *name)
{
	const struct btf_member *m = btf_members(in);

	for (int i = 0; i < btf_vlen(in); i++, m++) {
		const struct btf_type *type = plain(kernel, m->type);
		const char *its = btf__name_by_offset(kernel, m->name_off);

		if (!strcmp(its, name))
			return type;
		if (its[0] || !btf_is_composite(type))
			continue;
		type = find_member(type, name);
		if (type)
			return type;
	}
	return NULL;
}

static bool same_kind(const struct btf_type *ours, const struct btf_type *theirs)
{
	if (btf_is_composite(ours))
		return btf_is_composite(theirs);
	if (btf_is_int(ours))
		return (btf_is_int(theirs) || btf_is_any_enum(theirs)) &&
		       ours->size == theirs->size;
	return btf_kind(ours) == btf_kind(theirs);
}

static void check_members(const char *name, const struct btf_type *ours,
			  const struct btf_type *theirs, bool flavour);

static void check_member(const char *name, const struct btf_member *m,
			 const struct btf_type *theirs, bool flavour)
{
	const char *member = btf__name_by_offset(slice, m->name_off);
	const struct btf_type *type = plain(slice, m->type);
	const struct btf_type *found = find_member(theirs, member);
	char path[256];

	members++;
	snprintf(path, sizeof(path), "%s.%s", name, member);
	if (!found && flavour) {
		absent++;
		printf("absent %s\n", path);
	} else if (!found) {
		wrong++;
		printf("FAIL vmlinux/%s: not in this kernel\n", path);
	} else if (!same_kind(type, found)) {
		wrong++;
		printf("FAIL vmlinux/%s: of another kind or size\n", path);
	} else if (btf_is_composite(type) && !type->name_off) {
		check_members(path, type, found, flavour);
	}
}

static void check_members(const char *name, const struct btf_type *ours,
			  const struct btf_type *theirs, bool flavour)
{
	const struct btf_member *m = btf_members(ours);

	for (int i = 0; i < btf_vlen(ours); i++)
		check_member(name, &m[i], theirs, flavour);
}

static void check_struct(const struct btf_type *ours)
{
	const char *name = btf__name_by_offset(slice, ours->name_off);
	const char *flavour = strstr(name, "___");
	char real[128];
	int id;

	snprintf(real, sizeof(real), "%.*s", flavour ? (int)(flavour - name) : (int)strlen(name),
		 name);
	structs++;
	id = btf__find_by_name_kind(kernel, real, BTF_KIND_STRUCT);
	if (id < 0) {
		wrong++;
		printf("FAIL vmlinux/%s: no such struct in this kernel\n", real);
		return;
	}
	check_members(name, ours, btf__type_by_id(kernel, (uint32_t)id), flavour);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: vmlinux_check SLICE.o KERNEL_BTF\n");
		return 2;
	}
	slice = btf__parse(argv[1], NULL);
	kernel = slice ? btf__parse(argv[2], NULL) : NULL;
	if (!slice || !kernel) {
		fprintf(stderr, "vmlinux_check: %s: %s\n", argv[slice ? 2 : 1], strerror(errno));
		return 1;
	}
	for (uint32_t id = 1; id < btf__type_cnt(slice); id++) {
		const struct btf_type *type = btf__type_by_id(slice, id);

		if (btf_is_struct(type) && type->name_off)
			check_struct(type);
	}
	btf__free(slice);
	btf__free(kernel);
	printf("%u members of %u structs compared, %u absent, %u wrong\n", members, structs, absent,
	       wrong);
	/* a slice that was not found would compare well */
	return wrong || structs < 30;
}
