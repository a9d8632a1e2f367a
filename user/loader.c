/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netlink.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "bpf/maps.h"
#include "bpf/probes.h"
#include "host.skel.h"
#include "intake.h"
#include "pin.h"
#include "table.h"
#include "trial.h"
#include "maps.skel.h"
#include "sa.skel.h"

#define SIDES 2 /* entry, exit */

struct row {
	const struct ikw_probe *probe;
	bool refused[IKW_HOWS]; /* tried in vain, or not possible here */
	bool more;		/* the function has one argument more here */
	struct bpf_link *links[SIDES];
};

struct ikw_loader {
	struct ikw_loader_config config;
	struct bpf_object *maps;
	struct bpf_object *parts[IKW_PARTS];
	struct btf *btf; /* the kernel's; NULL: none */
	struct ring_buffer *ring;
	struct ikw_intake *intake;
	struct row *rows;
	struct ikw_probe_status *status;
	struct ikw_layout layout;
	enum ikw_found found;
	bool adopted;	/* what is attached was found so */
	bool pinned;	/* all of it */
	uint32_t epoch; /* of the programs that this loader attaches */
	uint32_t speaking;
	uint32_t kept; /* enum ikw_observable */
	char why[256];
	int cpus;
	/* while consuming */
	ikw_event_fn fn;
	void *ctx;
	int left;
};

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

static void listen_to_libbpf(void)
{
	memset(&said, 0, sizeof(said));
	libbpf_set_print(hear);
}

/* ---- which way ---------------------------------------------------------- */

static void note_why(struct ikw_loader *loader, size_t i, enum ikw_how how, const char *why)
{
	char *to = loader->status[i].why;
	size_t size = sizeof(loader->status[i].why), len = strlen(to);

	loader->rows[i].refused[how] = true;
	snprintf(to + len, size - len, "%s%s: %s", len ? "; " : "", ikw_how_text(how), why);
}

static bool offers(const struct ikw_probe *probe, enum ikw_how how)
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
		return how != IKW_HOW_KPROBE || !offers(probe, IKW_HOW_FENTRY);
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
			if (!offers(probe, how) || !tier_allows(loader, probe, how))
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

/* The required probe that is missing; NULL: the part is of use. */
static const struct ikw_probe_status *missing(const struct ikw_loader *loader, enum ikw_part part)
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

static size_t programs_of(const struct ikw_loader *loader, size_t i, const char *names[SIDES])
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

static void detach(struct ikw_loader *loader, enum ikw_part part)
{
	for (size_t i = ikw_probe_count; i-- > 0;) {
		if (loader->rows[i].probe->part != part)
			continue;
		for (size_t side = SIDES; side-- > 0;) {
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
	const char *names[SIDES];
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) bpf_program__set_autoload(program, false);
	for (size_t i = 0; i < ikw_probe_count; i++) {
		if (loader->rows[i].probe->part != part)
			continue;
		for (size_t n = programs_of(loader, i, names); n-- > 0;) {
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

static struct bpf_object *open_part(enum ikw_part part)
{
	const char *name = part == IKW_PART_SA ? "ikw_sa" : "ikw_host";
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name);
	size_t size;
	const void *elf =
		part == IKW_PART_SA ? sa_bpf__elf_bytes(&size) : host_bpf__elf_bytes(&size);

	return bpf_object__open_mem(elf, size, &opts);
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
	const char *names[SIDES];

	for (size_t i = 0; i < ikw_probe_count; i++) {
		if (loader->rows[i].probe->part != part)
			continue;
		for (size_t n = programs_of(loader, i, names); n-- > 0;)
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
	const char *names[SIDES];
	size_t count = programs_of(loader, i, names);

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
		needed = missing(loader, part);
		if (needed) {
			snprintf(why, sizeof(why), "%s: %.128s", needed->name,
				 needed->why[0] ? needed->why : "not asked for");
			turn_off(loader, part, why);
			return;
		}
		listen_to_libbpf();
		again = load_part(loader, part);
		if (!again)
			again = attach_rows(loader, part);
		if (again)
			detach(loader, part);
		if (again < 0)
			turn_off(loader, part, said.line[0] ? said.line : strerror(-again));
	}
}

/* ---- results ------------------------------------------------------------ */

enum ikw_tier ikw_loader_tier(const struct ikw_loader *loader)
{
	enum ikw_tier tier = IKW_TIER_FENTRY;

	if (missing(loader, IKW_PART_SA))
		return IKW_TIER_NETLINK;
	for (size_t i = 0; i < ikw_probe_count; i++)
		if (loader->rows[i].probe->part == IKW_PART_SA &&
		    offers(loader->rows[i].probe, IKW_HOW_FENTRY) &&
		    loader->status[i].how == IKW_HOW_KPROBE)
			tier = IKW_TIER_KPROBE;
	return tier;
}

/* An observable is seen when none of the probes it needs is missing. */
uint32_t ikw_loader_sees(const struct ikw_loader *loader)
{
	uint32_t seen = 0, lacking = 0;

	for (size_t i = 0; i < ikw_probe_count; i++)
		*(loader->status[i].how ? &seen : &lacking) |= loader->status[i].sees;
	return seen & ~lacking;
}

const char *ikw_loader_why(const struct ikw_loader *loader)
{
	return loader->why;
}

const struct ikw_probe_status *ikw_loader_probes(const struct ikw_loader *loader, size_t *count)
{
	*count = ikw_probe_count;
	return loader->status;
}

/* The first SAD probe that is not attached in the best way tells why the tier is not better. */
static void keep_why(struct ikw_loader *loader)
{
	loader->why[0] = 0;
	for (size_t i = 0; i < ikw_probe_count; i++) {
		const struct ikw_probe_status *status = &loader->status[i];
		const struct ikw_probe *probe = loader->rows[i].probe;

		if (probe->part != IKW_PART_SA || !status->why[0] ||
		    (ikw_loader_tier(loader) == IKW_TIER_NETLINK && !probe->required))
			continue;
		/* a function that this kernel lacks and that nothing depends on */
		if (status->how == IKW_HOW_OFF && !status->sees)
			continue;
		snprintf(loader->why, sizeof(loader->why), "%s: %.200s", status->name, status->why);
		return;
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

/* ---- what an earlier agent left ------------------------------------------- */

/* Names the SAD and host programs of this build, and what they were asked to be. */
static uint64_t digest(const struct ikw_loader *loader)
{
	size_t size;
	const void *elf = maps_bpf__elf_bytes(&size);
	uint64_t sum = ikw_hash(elf, size, 1 + (uint64_t)loader->config.tier);

	elf = sa_bpf__elf_bytes(&size);
	sum = ikw_hash(elf, size, sum);
	elf = host_bpf__elf_bytes(&size);
	return ikw_hash(elf, size, sum) | 1;
}

static bool link_is_there(const struct ikw_loader *loader, const char *name)
{
	int fd = ikw_pin_get(loader->config.pin_dir, IKW_PIN_LINKS, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool links_are_there(const struct ikw_loader *loader, size_t i)
{
	const char *names[SIDES];
	size_t n = programs_of(loader, i, names);

	while (n > 0 && link_is_there(loader, names[n - 1]))
		n--;
	return !n;
}

static bool adopt_row(struct ikw_loader *loader, size_t i)
{
	struct ikw_probe_status *status = &loader->status[i];
	struct ikw_probe_row row;
	uint32_t key = (uint32_t)i;
	enum ikw_how how = IKW_HOW_OFF;

	if (bpf_map_lookup_elem(ikw_loader_map_fd(loader, "ikw_probes"), &key, &row) ||
	    strcmp(row.name, status->name))
		return false;
	while (how < IKW_HOWS && strcmp(row.how, ikw_how_text(how)))
		how++;
	if (how == IKW_HOWS)
		return false;
	status->how = how;
	snprintf(status->why, sizeof(status->why), "%.*s", (int)sizeof(row.why) - 1, row.why);
	if (links_are_there(loader, i))
		return true;
	loader->rows[i].more = true;
	return links_are_there(loader, i);
}

/* Are the programs that this agent would attach attached already? Then nothing is loaded. */
static bool adopt_programs(struct ikw_loader *loader)
{
	size_t i = 0;

	if (loader->found != IKW_FOUND_ATTACHED || loader->layout.probes != digest(loader))
		return false;
	while (i < ikw_probe_count && adopt_row(loader, i))
		i++;
	loader->adopted = loader->pinned = i == ikw_probe_count;
	for (i = 0; i < ikw_probe_count && !loader->adopted; i++) {
		loader->status[i].how = IKW_HOW_OFF;
		loader->status[i].why[0] = 0;
		loader->rows[i].more = false;
	}
	return loader->adopted;
}

/* What the programs that were pinned all along let see: what no unpinned one is needed for. */
static uint32_t find_kept(const struct ikw_loader *loader)
{
	int fd = ikw_loader_map_fd(loader, "ikw_probes");
	uint32_t seen = 0, lacking = 0;
	struct ikw_probe_row row;

	for (uint32_t i = 0; i < ikw_probe_count; i++) {
		bool pinned = !bpf_map_lookup_elem(fd, &i, &row) &&
			      !strcmp(row.name, ikw_probe_table[i].name) && row.pinned;

		*(pinned ? &seen : &lacking) |= ikw_probe_table[i].sees;
	}
	return seen & ~lacking;
}

uint32_t ikw_loader_kept(const struct ikw_loader *loader)
{
	return loader->kept;
}

enum ikw_found ikw_loader_found(const struct ikw_loader *loader)
{
	return loader->found;
}

bool ikw_loader_adopted(const struct ikw_loader *loader)
{
	return loader->adopted;
}

const struct ikw_layout *ikw_loader_layout(const struct ikw_loader *loader)
{
	return &loader->layout;
}

void ikw_loader_note(struct ikw_loader *loader, const struct ikw_layout *layout)
{
	uint32_t zero = 0;

	loader->layout = *layout;
	bpf_map_update_elem(ikw_loader_map_fd(loader, "ikw_layout"), &zero, layout, BPF_ANY);
}

int ikw_loader_attach(struct ikw_loader *loader)
{
	libbpf_print_fn_t before;
	enum ikw_tier tier;

	if (adopt_programs(loader)) {
		keep_why(loader);
		return 0;
	}
	load_xfrm_user();
	before = libbpf_set_print(hear);
	loader->btf = btf__load_vmlinux_btf();
	rule_out(loader);
	for (enum ikw_part part = 0; part < IKW_PARTS; part++)
		attach_part(loader, part);
	btf__free(loader->btf);
	loader->btf = NULL;
	libbpf_set_print(before);
	tier = ikw_loader_tier(loader);
	keep_why(loader);
	if (loader->config.tier == IKW_TIER_NONE || loader->config.tier == tier)
		return 0;
	for (enum ikw_part part = 0; part < IKW_PARTS; part++) {
		detach(loader, part);
		turn_off(loader, part, "the tier asked for cannot be had");
	}
	return -EOPNOTSUPP;
}

/* ---- maps and ring ------------------------------------------------------ */

int ikw_loader_map_fd(const struct ikw_loader *loader, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(loader->maps, name);

	return map ? bpf_map__fd(map) : -ENOENT;
}

int ikw_loader_poll_fd(const struct ikw_loader *loader)
{
	return ring_buffer__epoll_fd(loader->ring);
}

/* Records lie in read-only memory that the kernel writes. */
static int take(void *ctx, void *data, size_t size)
{
	struct ikw_loader *loader = ctx;

	ikw_intake_take(loader->intake, data, size, loader->fn, loader->ctx);
	return --loader->left > 0 ? 0 : -ECANCELED;
}

int ikw_loader_consume(struct ikw_loader *loader, ikw_event_fn fn, void *ctx, int max)
{
	int n;

	loader->fn = fn;
	loader->ctx = ctx;
	loader->left = max;
	n = ring_buffer__consume(loader->ring);
	return n < 0 && n != -ECANCELED ? n : max - loader->left;
}

/* By CPU, to be freed. NULL: not to be had. */
static struct ikw_cpu_state *read_state(const struct ikw_loader *loader)
{
	struct ikw_cpu_state *state = calloc((size_t)loader->cpus, sizeof(*state));
	uint32_t zero = 0;

	if (state && !bpf_map_lookup_elem(ikw_loader_map_fd(loader, "ikw_state"), &zero, state))
		return state;
	free(state);
	return NULL;
}

uint64_t ikw_loader_lost(const struct ikw_loader *loader)
{
	struct ikw_cpu_state *state = read_state(loader);
	uint64_t lost = 0;

	for (int i = 0; state && i < loader->cpus; i++)
		lost += state[i].lost;
	free(state);
	return lost;
}

uint64_t ikw_loader_lost_since(struct ikw_loader *loader)
{
	struct ikw_cpu_state *state = read_state(loader);
	uint64_t since = ikw_intake_lost_since(loader->intake, state);

	free(state);
	return since;
}

static int update(const struct ikw_loader *loader, const char *map, uint32_t key, const void *value)
{
	return bpf_map_update_elem(ikw_loader_map_fd(loader, map), &key, value, BPF_ANY) ? -errno
											 : 0;
}

int ikw_loader_watch(struct ikw_loader *loader, uint32_t netns)
{
	const struct ikw_watched watched = { .netns = netns, .epoch = loader->speaking };

	loader->config.netns = netns;
	return update(loader, "ikw_watched", 0, &watched);
}

int ikw_loader_add_daemon(struct ikw_loader *loader, uint32_t tgid)
{
	const struct ikw_daemon daemon = { .since = ikw_boot_now(), .how = IKW_DAEMON_TOLD };

	return update(loader, "ikw_daemons", tgid, &daemon);
}

/* ---- pinning ------------------------------------------------------------ */

struct pinning {
	struct ikw_loader *loader;
	int err; /* the first */
	int (*step)(struct pinning *pinning, int fd, const char *sub, const char *name);
};

static int stage(struct pinning *pinning, int fd, const char *sub, const char *name)
{
	return ikw_pin_stage(fd, pinning->loader->config.pin_dir, sub, name);
}

static int commit(struct pinning *pinning, int fd, const char *sub, const char *name)
{
	int err = ikw_pin_commit(pinning->loader->config.pin_dir, sub, name);

	(void)fd;
	return err == -ENOENT ? 0 : err; /* it could not be staged: known already */
}

static void pin_step(struct pinning *pinning, int fd, const char *sub, const char *name)
{
	int err = pinning->step(pinning, fd, sub, name);

	if (!pinning->err)
		pinning->err = err;
}

static bool is_shared(const struct ikw_loader *loader, const char *name)
{
	return bpf_object__find_map_by_name(loader->maps, name);
}

/* .rodata and the like have no name to read; what all share is pinned once. */
static void pin_maps(struct pinning *pinning, struct bpf_object *object)
{
	const struct ikw_loader *loader = pinning->loader;
	struct bpf_map *map;

	if (!object)
		return;
	bpf_object__for_each_map(map, object)
	{
		if (!bpf_map__is_internal(map) &&
		    (object == loader->maps || !is_shared(loader, bpf_map__name(map))))
			pin_step(pinning, bpf_map__fd(map), NULL, bpf_map__name(map));
	}
}

static void pin_row(struct pinning *pinning, size_t i)
{
	struct row *row = &pinning->loader->rows[i];
	struct bpf_object *object = pinning->loader->parts[row->probe->part];
	const char *names[SIDES];
	size_t count = object ? programs_of(pinning->loader, i, names) : 0;

	for (size_t n = 0; n < count; n++) {
		struct bpf_program *program = bpf_object__find_program_by_name(object, names[n]);

		pin_step(pinning, bpf_program__fd(program), IKW_PIN_PROGRAMS, names[n]);
		pin_step(pinning, bpf_link__fd(row->links[n]), IKW_PIN_LINKS, names[n]);
	}
}

static void pin_each(struct pinning *pinning)
{
	for (enum ikw_part part = 0; part < IKW_PARTS; part++)
		pin_maps(pinning, pinning->loader->parts[part]);
	for (size_t i = 0; i < ikw_probe_count; i++)
		pin_row(pinning, i);
}

/* What another set of programs had attached. Those of the packet side are not the loader's. */
static bool is_current(void *ctx, const char *name)
{
	struct ikw_loader *loader = ctx;
	const char *names[SIDES];

	if (!strncmp(name, "ikw_xdp", 7) || !strncmp(name, "ikw_tc_", 7) ||
	    !strncmp(name, "xdp_", 4))
		return true;
	for (size_t i = 0; i < ikw_probe_count; i++)
		for (size_t n = programs_of(loader, i, names); n-- > 0;)
			if (!strcmp(names[n], name))
				return true;
	return false;
}

static void note_rows(struct ikw_loader *loader)
{
	int fd = ikw_loader_map_fd(loader, "ikw_probes");

	for (uint32_t i = 0; i < ikw_probe_count && i < IKW_PROBE_ROWS; i++) {
		struct ikw_probe_row row = { 0 };

		snprintf(row.name, sizeof(row.name), "%s", loader->status[i].name);
		snprintf(row.how, sizeof(row.how), "%s", ikw_how_text(loader->status[i].how));
		snprintf(row.why, sizeof(row.why), "%.200s", loader->status[i].why);
		row.pinned = loader->status[i].how && links_are_there(loader, i);
		bpf_map_update_elem(fd, &i, &row, BPF_ANY);
	}
}

/* The new programs are attached and silent: from this write on they speak, and the old do not. */
static int take_word(struct ikw_loader *loader)
{
	loader->speaking = loader->epoch;
	return ikw_loader_watch(loader, loader->config.netns);
}

int ikw_loader_pin(struct ikw_loader *loader)
{
	struct pinning pinning = { .loader = loader, .step = stage };
	struct ikw_layout layout = loader->layout;
	int err;

	if (loader->adopted)
		return 0;
	layout.probes = 0; /* until all of it is done */
	ikw_loader_note(loader, &layout);
	pinning.err = ikw_pin_subdirs(loader->config.pin_dir);
	pin_each(&pinning);
	err = take_word(loader);
	if (!pinning.err)
		pinning.err = err;
	pinning.step = commit;
	pin_each(&pinning);
	ikw_pin_sweep(loader->config.pin_dir, IKW_PIN_LINKS, is_current, loader);
	ikw_pin_sweep(loader->config.pin_dir, IKW_PIN_PROGRAMS, is_current, loader);
	note_rows(loader);
	loader->pinned = !pinning.err;
	layout.probes = digest(loader);
	snprintf(layout.agent, sizeof(layout.agent), "%s", IKEWATCH_VERSION);
	ikw_loader_note(loader, &layout);
	return pinning.err;
}

/* ---- maps ---------------------------------------------------------------- */

/* fn for each pinned map of the object; false when one is missing or is refused. */
static bool each_pinned(const struct ikw_loader *loader, bool (*fn)(int fd, struct bpf_map *map))
{
	struct bpf_map *map;
	bool fine = true;

	bpf_object__for_each_map(map, loader->maps)
	{
		int fd;

		if (bpf_map__is_internal(map))
			continue;
		fd = ikw_pin_get(loader->config.pin_dir, NULL, bpf_map__name(map));
		fine = fine && fd >= 0 && fn(fd, map);
		if (fd >= 0)
			close(fd);
	}
	return fine;
}

static bool check_fits(int fd, struct bpf_map *map)
{
	return ikw_pin_fits(fd, map);
}

static bool reuse(int fd, struct bpf_map *map)
{
	return !bpf_map__reuse_fd(map, fd);
}

static bool read_layout(struct ikw_loader *loader, int fd)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(loader->maps, "ikw_layout");
	struct ikw_layout *layout = &loader->layout;
	uint32_t zero = 0;

	if (!ikw_pin_fits(fd, map) || bpf_map_lookup_elem(fd, &zero, layout))
		return false;
	return layout->version == IKW_LAYOUT_VERSION && layout->event_version == IKW_EVENT_VERSION;
}

/* Looks at what is pinned, before anything is created. */
static void find_pinned(struct ikw_loader *loader)
{
	const char *dir = loader->config.pin_dir;
	int fd = dir ? ikw_pin_get(dir, NULL, "ikw_events") : -1;

	if (fd < 0)
		return;
	close(fd);
	loader->found = IKW_FOUND_OTHER;
	fd = ikw_pin_get(dir, NULL, "ikw_layout");
	if (fd >= 0 && read_layout(loader, fd) && each_pinned(loader, check_fits))
		loader->found = loader->layout.probes ? IKW_FOUND_ATTACHED : IKW_FOUND_MAPS;
	if (fd >= 0)
		close(fd);
}

/* A ring of our own, to be named by what others keep of it. */
static void begin_layout(struct ikw_loader *loader)
{
	struct ikw_layout layout = { .version = IKW_LAYOUT_VERSION,
				     .event_version = IKW_EVENT_VERSION,
				     .since = ikw_boot_now() };

	if (getrandom(&layout.ring, sizeof(layout.ring), 0) < 0)
		layout.ring = layout.since;
	ikw_loader_note(loader, &layout);
}

static int pin_shared(struct ikw_loader *loader)
{
	struct pinning pinning = { .loader = loader, .step = stage };

	pin_maps(&pinning, loader->maps);
	pinning.step = commit;
	pin_maps(&pinning, loader->maps);
	return pinning.err;
}

/* ---- life --------------------------------------------------------------- */

static uint32_t ring_size(uint32_t wanted)
{
	uint32_t size = (uint32_t)sysconf(_SC_PAGESIZE);

	while (size < wanted && size < 1u << 31)
		size <<= 1;
	return size;
}

/* Who was described to an earlier agent is described again. */
static void forget_seen(const struct ikw_loader *loader)
{
	int fd = ikw_loader_map_fd(loader, "ikw_seen");
	struct ikw_seen key;

	for (int i = 0; i < 2 * IKW_SEEN && !bpf_map_get_next_key(fd, NULL, &key); i++)
		bpf_map_delete_elem(fd, &key);
}

/* New maps are named and pinned; for old ones, programs to come get an epoch of their own. */
static int begin(struct ikw_loader *loader)
{
	struct ikw_watched watched;
	uint32_t zero = 0;

	if (loader->found < IKW_FOUND_MAPS) {
		begin_layout(loader);
		if (loader->config.pin_dir)
			pin_shared(loader);
		return ikw_loader_watch(loader, loader->config.netns);
	}
	if (bpf_map_lookup_elem(ikw_loader_map_fd(loader, "ikw_watched"), &zero, &watched))
		return -errno;
	loader->speaking = watched.epoch;
	loader->epoch = watched.epoch + 1;
	forget_seen(loader);
	if (loader->found == IKW_FOUND_ATTACHED)
		loader->kept = find_kept(loader);
	return ikw_loader_watch(loader, loader->config.netns);
}

static int create_maps(struct ikw_loader *loader)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "ikw_maps");
	uint32_t bytes = loader->config.ring_bytes;
	struct bpf_map *events;
	size_t size;
	const void *elf = maps_bpf__elf_bytes(&size);
	int err;

	loader->maps = bpf_object__open_mem(elf, size, &opts);
	if (!loader->maps)
		return -errno;
	events = bpf_object__find_map_by_name(loader->maps, "ikw_events");
	if (bytes)
		bpf_map__set_max_entries(events, ring_size(bytes));
	find_pinned(loader);
	if (loader->found == IKW_FOUND_OTHER)
		ikw_pin_clear(loader->config.pin_dir);
	else if (loader->found && !each_pinned(loader, reuse))
		return -EINVAL;
	err = bpf_object__load(loader->maps);
	if (err)
		return err;
	loader->ring = ring_buffer__new(bpf_map__fd(events), take, loader, NULL);
	return loader->ring ? begin(loader) : -errno;
}

static int init(struct ikw_loader *loader)
{
	loader->rows = calloc(ikw_probe_count, sizeof(*loader->rows));
	loader->status = calloc(ikw_probe_count, sizeof(*loader->status));
	if (!loader->rows || !loader->status)
		return -ENOMEM;
	loader->cpus = libbpf_num_possible_cpus();
	if (loader->cpus < 0)
		return loader->cpus;
	loader->intake = ikw_intake_new(loader->cpus);
	if (!loader->intake)
		return -ENOMEM;
	for (size_t i = 0; i < ikw_probe_count; i++) {
		loader->rows[i].probe = &ikw_probe_table[i];
		loader->status[i].name = ikw_probe_table[i].name;
		loader->status[i].required = ikw_probe_table[i].required;
		loader->status[i].sees = ikw_probe_table[i].sees;
	}
	return create_maps(loader);
}

int ikw_loader_open(const struct ikw_loader_config *config, struct ikw_loader **out, char *why,
		    size_t size)
{
	struct ikw_loader *loader = calloc(1, sizeof(*loader));
	libbpf_print_fn_t before = libbpf_set_print(hear);
	int err = -ENOMEM;

	listen_to_libbpf();
	if (loader) {
		loader->config = *config;
		err = init(loader);
	}
	libbpf_set_print(before);
	if (err) {
		snprintf(why, size, "%s", said.line[0] ? said.line : strerror(-err));
		ikw_loader_close(loader);
		return err;
	}
	*out = loader;
	return 0;
}

/* A link that is destroyed may be switched off first, its pin notwithstanding. */
void ikw_loader_leave(struct ikw_loader *loader)
{
	for (size_t i = 0; loader && loader->pinned && i < ikw_probe_count; i++)
		for (size_t side = 0; side < SIDES; side++)
			if (loader->rows[i].links[side])
				bpf_link__disconnect(loader->rows[i].links[side]);
	ikw_loader_close(loader);
}

void ikw_loader_close(struct ikw_loader *loader)
{
	if (!loader)
		return;
	for (enum ikw_part part = 0; loader->rows && part < IKW_PARTS; part++)
		detach(loader, part);
	ring_buffer__free(loader->ring);
	bpf_object__close(loader->maps);
	free(loader->rows);
	free(loader->status);
	ikw_intake_free(loader->intake);
	free(loader);
}
