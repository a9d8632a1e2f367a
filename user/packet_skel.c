// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "packet_skel.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "bpf/packet.h"
#include "bpf/parse.h"
#include "esp_slots.h"
#include "packet.skel.h"

#define VALUE_SURE (4U << 20) /* bytes: every kernel makes a value so large */
#define SHIFT_LAST 10

/* What the programs that are loaded next are completed with. */
static struct {
	const struct bpf_map *esp;
	uint32_t slots; /* in all */
	uint32_t shift;
} loading;

static uint32_t bytes_of(uint32_t cpus, uint32_t shift)
{
	return ikw_esp_slots_all(cpus, shift) * (uint32_t)sizeof(struct ikw_esp_slot);
}

uint32_t ikw_packet_esp_shift(uint32_t cpus, uint32_t shift)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd;

	if (bytes_of(cpus, shift) <= VALUE_SURE)
		return shift;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ikw_try", sizeof(uint32_t), VALUE_SURE * 2, 1,
			    &opts);
	if (fd >= 0)
		close(fd);
	if (fd != -E2BIG)
		return shift;
	while (bytes_of(cpus, shift) > VALUE_SURE && shift < SHIFT_LAST)
		shift++;
	return shift;
}

/* ---- instructions ------------------------------------------------------------------ */

static bool is_alu(const struct bpf_insn *insn, uint8_t op)
{
	return insn->code == (BPF_ALU64 | op | BPF_K);
}

/* The map's descriptor behind the four of slot_of() that say where in it. */
static int complete_one(struct bpf_insn *at, uint32_t before)
{
	if (before < 4 || !is_alu(&at[-4], BPF_RSH) || !is_alu(&at[-3], BPF_LSH) ||
	    !is_alu(&at[-1], BPF_AND))
		return -EINVAL;
	at[-4].imm = IKW_ESP_DOWN((int)loading.shift);
	at[-3].imm = IKW_ESP_UP((int)loading.shift);
	at[-1].imm = (int)IKW_ESP_MASK(loading.slots);
	at[0].src_reg = BPF_PSEUDO_MAP_VALUE;
	at[1].imm = 0; /* from its beginning */
	return 0;
}

static int complete_all(struct bpf_insn *insns, uint32_t count)
{
	const int fd = bpf_map__fd(loading.esp);
	int err = 0;

	for (uint32_t i = 0; i + 1 < count && !err; i++) {
		if (insns[i].code != (BPF_LD | BPF_IMM | BPF_DW))
			continue;
		if (insns[i].src_reg == BPF_PSEUDO_MAP_FD && insns[i].imm == fd)
			err = complete_one(&insns[i], i);
		i++; /* its second half */
	}
	return err;
}

/* Called by libbpf when a program is complete but for this, and its maps are made. */
static int complete(struct bpf_program *program, struct bpf_prog_load_opts *opts, long flags)
{
	const size_t count = bpf_program__insn_cnt(program);
	struct bpf_insn *insns = calloc(count, sizeof(*insns));
	int err;

	if (!insns)
		return -ENOMEM;
	opts->prog_flags |= (uint32_t)flags;
	memcpy(insns, bpf_program__insns(program), count * sizeof(*insns));
	err = complete_all(insns, (uint32_t)count);
	if (!err)
		err = bpf_program__set_insns(program, insns, count);
	free(insns);
	return err;
}

/* libbpf's own ways of these sections, and complete(). 0 or a negative errno. */
static int register_sections(void)
{
	static const struct {
		const char *section;
		enum bpf_prog_type type;
		enum bpf_attach_type attach;
		long flags;
	} ways[] = { { "xdp.frags", BPF_PROG_TYPE_XDP, BPF_XDP, BPF_F_XDP_HAS_FRAGS },
		     { "xdp", BPF_PROG_TYPE_XDP, BPF_XDP, 0 },
		     { "tc", BPF_PROG_TYPE_SCHED_CLS, 0, 0 } };
	static bool done;
	int id = 0;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && !done; i++) {
		LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = ways[i].flags,
			    .prog_prepare_load_fn = complete);

		id = libbpf_register_prog_handler(ways[i].section, ways[i].type, ways[i].attach,
						  &opts);
		if (id < 0)
			return id;
	}
	done = true;
	return 0;
}

/* ---- the map --------------------------------------------------------------------------- */

/* Its type says how many slots there are: bpftool shows them all, and the kernel compares sizes. */
static void set_type(const struct packet_bpf *skel, uint32_t slots)
{
	const struct btf *btf = bpf_object__btf(skel->obj);
	int id = btf__find_by_name_kind(btf, "ikw_esp_table", BTF_KIND_STRUCT);
	struct btf_type *table, *array;

	if (id <= 0)
		return;
	/* the object's own copy, of which libbpf makes what the kernel gets */
	table = (struct btf_type *)(uintptr_t)btf__type_by_id(btf, (uint32_t)id);
	array = (struct btf_type *)(uintptr_t)btf__type_by_id(btf, btf_members(table)[0].type);
	table->size = slots * (uint32_t)sizeof(struct ikw_esp_slot);
	btf_array(array)->nelems = slots;
}

struct packet_bpf *ikw_packet_skel_open(uint32_t cpus, uint32_t shift)
{
	struct packet_bpf *skel;
	int err = register_sections();

	if (err) {
		errno = -err;
		return NULL;
	}
	skel = packet_bpf__open();
	if (!skel)
		return NULL;
	loading.esp = skel->maps.ikw_esp;
	loading.shift = shift;
	loading.slots = ikw_esp_slots_all(cpus, shift);
	set_type(skel, loading.slots);
	skel->rodata->ikw_esp_shift = shift;
	err = bpf_map__set_value_size(skel->maps.ikw_esp, bytes_of(cpus, shift));
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.ikw_counts, cpus);
	if (err) {
		packet_bpf__destroy(skel);
		errno = -err;
		return NULL;
	}
	return skel;
}
