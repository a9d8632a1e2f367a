/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The loader's programs: which way each probe goes here, loading and attaching. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>
#include "host.skel.h"
#include "loader_private.h"
#include "maps.skel.h"
#include "sa.skel.h"
#include "table.h"
#include "trial.h"

/* ---- what libbpf says --------------------------------------------------- */

/* libbpf has one print function per process: this is where it goes while an object is loaded. */
static struct {
	char line[160]; /* the decisive one */
	char program[64];
} said;

static void keep_line(const char *from, size_t len)
{
	if (len >= sizeof(said.line))
		len = sizeof(said.line) - 1;
	memcpy(said.line, from, len);
	said.line[len] = 0;
}

/* The verifier's reason is the line before its statistics. */
static void keep_verdict(const char *log)
{
	const char *end = strstr(log, "\nprocessed "), *start = end;

	if (!end)
		return;
	while (start > log && start[-1] != '\n')
		start--;
	keep_line(start, (size_t)(end - start));
}

__attribute__((format(printf, 2, 0))) static int hear(enum libbpf_print_level level,
						      const char *format, va_list args)
{
	char *text, *at;

	if (level != LIBBPF_WARN || vasprintf(&text, format, args) < 0)
		return 0;
	if (sscanf(text, "libbpf: prog '%63[^']': failed to load", said.program) == 1 &&
	    strstr(text, "failed to load")) {
		/* names the culprit; the reason was in an earlier line */
	} else if (strstr(text, "PROG LOAD LOG")) {
		keep_verdict(text);
	} else if (!said.line[0]) {
		at = strstr(text, "libbpf: ");
		at = at ? at + strlen("libbpf: ") : text;
		keep_line(at, strcspn(at, "\n"));
	}
	free(text);
	return 0;
}

void ikw_loader_listen(libbpf_print_fn_t *before)
{
	libbpf_print_fn_t was = libbpf_set_print(hear);

	memset(&said, 0, sizeof(said));
	if (before)
		*before = was;
}

const char *ikw_loader_said(void)
{
	return said.line;
}

/* ---- the objects ---------------------------------------------------------- */

struct bpf_object *ikw_loader_open_maps(void)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "ikw_maps");
	size_t size;
	const void *elf = maps_bpf__elf_bytes(&size);

	return bpf_object__open_mem(elf, size, &opts);
}

static struct bpf_object *open_part(enum ikw_part part)
{
	const char *name = part == IKW_PART_SA ? "ikw_sa" : "ikw_host";
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name);
	size_t size;
	const void *elf =
		part == IKW_PART_SA ? sa_bpf__elf_bytes(&size) : host_bpf__elf_bytes(&size);

	return bpf_object__open_mem(elf, size, &opts);
}

uint64_t ikw_loader_digest(const struct ikw_loader *loader)
{
	size_t size;
	const void *elf = maps_bpf__elf_bytes(&size);
	uint64_t sum = ikw_hash(elf, size, 1 + (uint64_t)loader->config.tier);

	elf = sa_bpf__elf_bytes(&size);
	sum = ikw_hash(elf, size, sum);
	elf = host_bpf__elf_bytes(&size);
	return ikw_hash(elf, size, sum) | 1;
}

/* ---- which way ---------------------------------------------------------- */

static void note_why(struct ikw_loader *loader, size_t i, enum ikw_how how, const char *why)
{
	char *to = loader->status[i].why;
	size_t size = sizeof(loader->status[i].why), len = strlen(to);

	loader->rows[i].refused[how] = true;
	snprintf(to + len, size - len, "%s%s: %s", len ? "; " : "", ikw_how_text(how), why);
}

bool ikw_loader_offers(const struct ikw_probe *probe, enum ikw_how how)
{
	switch (how) {
	case IKW_HOW_FENTRY:
		return probe->fentry || probe->fexit;
	case IKW_HOW_KPROBE:
		return probe->kprobe || probe->kretprobe;
	case IKW_HOW_TRACEPOINT:
		return probe->tracepoint;
	default:
		return false;
	}
}

/* Arguments of a kernel function; -1: not in BTF. */
static int function_args(const struct btf *btf, const char *name)
{
	const struct btf_type *type;
	int id = btf ? btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) : -1;

	if (id < 0)
		return -1;
	type = btf__type_by_id(btf, btf__type_by_id(btf, (uint32_t)id)->type);
	return type ? btf_vlen(type) : -1;
}

/* A fexit program finds the result behind the last argument: their number must be right. */
static void check_prototype(struct ikw_loader *loader, size_t i)
{
	const struct ikw_probe *probe = loader->rows[i].probe;
	int args = function_args(loader->btf, probe->name);
	char why[96];

	loader->rows[i].more = args == probe->args + 1 && probe->fexit_more;
	if (args == probe->args || loader->rows[i].more)
		return;
	if (args < 0)
		snprintf(why, sizeof(why), "not in the kernel's BTF");
	else
		snprintf(why, sizeof(why), "has %d arguments here, %d expected", args, probe->args);
	note_why(loader, i, IKW_HOW_FENTRY, why);
}

/* A probe that has no fentry form says nothing of the tier. */
static bool tier_allows(const struct ikw_loader *loader, const struct ikw_probe *probe,
			enum ikw_how how)
{
	switch (loader->config.tier) {
	case IKW_TIER_FENTRY:
		return how != IKW_HOW_KPROBE || !ikw_loader_offers(probe, IKW_HOW_FENTRY);
	case IKW_TIER_KPROBE:
		return how != IKW_HOW_FENTRY;
	case IKW_TIER_NETLINK:
		return probe->part != IKW_PART_SA;
	default:
		return true;
	}
}

/* What is tried once for all probes, before any program is loaded. */
static void rule_out(struct ikw_loader *loader)
{
	struct ikw_trial trials[IKW_HOWS] = {
		[IKW_HOW_FENTRY] = ikw_trial_fentry_with(loader->btf),
		[IKW_HOW_KPROBE] = ikw_trial_kprobe(),
		[IKW_HOW_TRACEPOINT] = ikw_trial_tracepoint(),
	};
	struct ikw_trial read = ikw_trial_read();

	/* every probe looks into kernel memory */
	for (enum ikw_how how = IKW_HOW_FENTRY; how < IKW_HOWS && !read.can; how++)
		trials[how] = read;

	for (size_t i = 0; i < ikw_probe_count; i++) {
		const struct ikw_probe *probe = loader->rows[i].probe;

		for (enum ikw_how how = IKW_HOW_FENTRY; how < IKW_HOWS; how++) {
			if (!ikw_loader_offers(probe, how) || !tier_allows(loader, probe, how))
				loader->rows[i].refused[how] = true;
			else if (!trials[how].can)
				note_why(loader, i, how, trials[how].why);
			else if (how == IKW_HOW_FENTRY)
				check_prototype(loader, i);
		}
	}
}

static void choose(struct ikw_loader *loader)
{
	for (size_t i = 0; i < ikw_probe_count; i++) {
		enum ikw_how how = IKW_HOW_FENTRY;

		while (how < IKW_HOWS && loader->rows[i].refused[how])
			how++;
		loader->status[i].how = how < IKW_HOWS ? how : IKW_HOW_OFF;
	}
}

const struct ikw_probe_status *ikw_loader_missing(const struct ikw_loader *loader,
						  enum ikw_part part)
{
	for (size_t i = 0; i < ikw_probe_count; i++)
		if (loader->rows[i].probe->part == part && loader->rows[i].probe->required &&
		    loader->status[i].how == IKW_HOW_OFF)
			return &loader->status[i];
	return NULL;
}

static void turn_off(struct ikw_loader *loader, enum ikw_part part, const char *why)
{
	for (size_t i = 0; i < ikw_probe_count; i++) {
		if (loader->rows[i].probe->part != part)
			continue;
		for (enum ikw_how how = IKW_HOW_FENTRY; how < IKW_HOWS; how++)
			loader->rows[i].refused[how] = true;
		loader->status[i].how = IKW_HOW_OFF;
		if (!loader->status[i].why[0])
			snprintf(loader->status[i].why, sizeof(loader->status[i].why), "%s", why);
	}
}

/* ---- load and attach ---------------------------------------------------- */

size_t ikw_loader_programs(const struct ikw_loader *loader, size_t i, const char *names[IKW_SIDES])
{
	const struct ikw_probe *probe = loader->rows[i].probe;
	const char *entry = NULL, *exit = NULL;
	size_t n = 0;

	switch (loader->status[i].how) {
	case IKW_HOW_FENTRY:
		entry = probe->fentry;
		exit = loader->rows[i].more ? probe->fexit_more : probe->fexit;
		break;
	case IKW_HOW_KPROBE:
		entry = probe->kprobe;
		exit = probe->kretprobe;
		break;
	case IKW_HOW_TRACEPOINT:
		entry = probe->tracepoint;
		break;
	default:
		break;
	}
	/* the exit first: an exit without its entry is ignored, an entry without its exit stays
	 * open */
	if (exit)
		names[n++] = exit;
	if (entry)
		names[n++] = entry;
	return n;
}

void ikw_loader_detach(struct ikw_loader *loader, enum ikw_part part)
{
	for (size_t i = ikw_probe_count; i-- > 0;) {
		if (loader->rows[i].probe->part != part)
			continue;
		for (size_t side = IKW_SIDES; side-- > 0;) {
			bpf_link__destroy(loader->rows[i].links[side]);
			loader->rows[i].links[side] = NULL;
		}
	}
	bpf_object__close(loader->parts[part]);
	loader->parts[part] = NULL;
}

/* Makes an object use the loader's maps. */
static int share_maps(const struct ikw_loader *loader, struct bpf_object *object)
{
	struct bpf_map *shared, *own;
	int err;

	bpf_object__for_each_map(shared, loader->maps)
	{
		own = bpf_map__is_internal(shared)
			      ? NULL
			      : bpf_object__find_map_by_name(object, bpf_map__name(shared));
		err = own ? bpf_map__reuse_fd(own, bpf_map__fd(shared)) : 0;
		if (err)
			return err;
	}
	return 0;
}

static void select_programs(const struct ikw_loader *loader, enum ikw_part part)
{
	struct bpf_object *object = loader->parts[part];
	const char *names[IKW_SIDES];
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) bpf_program__set_autoload(program, false);
	for (size_t i = 0; i < ikw_probe_count; i++) {
		if (loader->rows[i].probe->part != part)
			continue;
		for (size_t n = ikw_loader_programs(loader, i, names); n-- > 0;) {
			program = bpf_object__find_program_by_name(object, names[n]);
			bpf_program__set_autoload(program, true);
		}
	}
}

/* Alone in a section of its own. */
static int set_epoch(const struct ikw_loader *loader, struct bpf_object *object)
{
	struct bpf_map *map;
	uint32_t *value;
	size_t size;

	bpf_object__for_each_map(map, object)
	{
		if (!strstr(bpf_map__name(map), ".data.epoch"))
			continue;
		value = (uint32_t *)bpf_map__initial_value(map, &size);
		if (!value || size < sizeof(*value))
			return -EINVAL;
		*value = loader->epoch;
	}
	return 0;
}

/* This way does not work for this probe: the next best, in the next round. */
static void refuse(struct ikw_loader *loader, size_t i, int err)
{
	char why[IKW_WHY_LEN];

	snprintf(why, sizeof(why), "%s", said.line[0] ? said.line : strerror(-err));
	note_why(loader, i, loader->status[i].how, why);
}

/* The probe whose program could not be loaded; ikw_probe_count: cannot be told. */
static size_t culprit(const struct ikw_loader *loader, enum ikw_part part)
{
	const char *names[IKW_SIDES];

	for (size_t i = 0; i < ikw_probe_count; i++) {
		if (loader->rows[i].probe->part != part)
			continue;
		for (size_t n = ikw_loader_programs(loader, i, names); n-- > 0;)
			if (!strcmp(names[n], said.program))
				return i;
	}
	return ikw_probe_count;
}

/* 0: loaded; 1: try again without what was refused; negative: no use. */
static int load_part(struct ikw_loader *loader, enum ikw_part part)
{
	size_t i;
	int err;

	loader->parts[part] = open_part(part);
	if (!loader->parts[part])
		return -errno;
	err = share_maps(loader, loader->parts[part]);
	if (err)
		return err;
	select_programs(loader, part);
	err = set_epoch(loader, loader->parts[part]);
	if (err)
		return err;
	err = bpf_object__load(loader->parts[part]);
	if (!err)
		return 0;
	i = culprit(loader, part);
	if (i == ikw_probe_count)
		return err;
	refuse(loader, i, err);
	return 1;
}

static int attach_row(struct ikw_loader *loader, size_t i)
{
	struct bpf_object *object = loader->parts[loader->rows[i].probe->part];
	const char *names[IKW_SIDES];
	size_t count = ikw_loader_programs(loader, i, names);

	for (size_t n = 0; n < count; n++) {
		struct bpf_program *program = bpf_object__find_program_by_name(object, names[n]);

		loader->rows[i].links[n] = bpf_program__attach(program);
		if (!loader->rows[i].links[n])
			return -errno;
	}
	return 0;
}

static int attach_rows(struct ikw_loader *loader, enum ikw_part part)
{
	for (size_t i = 0; i < ikw_probe_count; i++) {
		int err = loader->rows[i].probe->part == part ? attach_row(loader, i) : 0;

		if (err) {
			refuse(loader, i, err);
			return 1;
		}
	}
	return 0;
}

/* Attaches what works of a part; each round that fails rules one way of one probe out. */
static void attach_part(struct ikw_loader *loader, enum ikw_part part)
{
	int again = 1;

	while (again > 0) {
		const struct ikw_probe_status *needed;
		char why[192];

		choose(loader);
		needed = ikw_loader_missing(loader, part);
		if (needed) {
			snprintf(why, sizeof(why), "%s: %.128s", needed->name,
				 needed->why[0] ? needed->why : "not asked for");
			turn_off(loader, part, why);
			return;
		}
		ikw_loader_listen(NULL);
		again = load_part(loader, part);
		if (!again)
			again = attach_rows(loader, part);
		if (again)
			ikw_loader_detach(loader, part);
		if (again < 0)
			turn_off(loader, part, said.line[0] ? said.line : strerror(-again));
	}
}

/* The kernel loads xfrm_user for the first socket of its kind, and with it the functions probed
 * there. */
static void load_xfrm_user(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);

	if (fd >= 0)
		close(fd);
}

void ikw_loader_attach_parts(struct ikw_loader *loader)
{
	libbpf_print_fn_t before;

	load_xfrm_user();
	ikw_loader_listen(&before);
	loader->btf = btf__load_vmlinux_btf();
	rule_out(loader);
	for (enum ikw_part part = 0; part < IKW_PARTS; part++)
		attach_part(loader, part);
	btf__free(loader->btf);
	loader->btf = NULL;
	libbpf_set_print(before);
}

void ikw_loader_turn_off(struct ikw_loader *loader, const char *why)
{
	for (enum ikw_part part = 0; part < IKW_PARTS; part++) {
		ikw_loader_detach(loader, part);
		turn_off(loader, part, why);
	}
}
