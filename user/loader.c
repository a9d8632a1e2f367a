/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader.h"
#include "wire.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "bpf/maps.h"
#include "bpf/probes.h"
#include "event.h"
#include "host.skel.h"
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
	struct row *rows;
	struct ikw_probe_status *status;
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
		[IKW_HOW_FENTRY] = ikw_trial_fentry(),
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
		own = bpf_object__find_map_by_name(object, bpf_map__name(shared));
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

	if (!loader->parts[IKW_PART_SA])
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

int ikw_loader_attach(struct ikw_loader *loader)
{
	libbpf_print_fn_t before = libbpf_set_print(hear);
	enum ikw_tier tier;

	load_xfrm_user();
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

static bool is_raw(const void *data, size_t size)
{
	const struct ikw_hdr *hdr = data;

	return size >= sizeof(struct ikw_raw) && hdr->type == IKW_EV_RAW &&
	       hdr->size == sizeof(struct ikw_raw);
}

/* Packets of other protocols become records of what they say. */
static void take_raw(struct ikw_loader *loader, const void *data)
{
	struct ikw_wire wires[IKW_WIRE_RECORDS];
	struct ikw_raw raw;
	union ikw_event event;
	size_t n;

	memcpy(&raw, data, sizeof(raw));
	n = ikw_wire_read(&raw, wires);
	for (size_t i = 0; i < n; i++) {
		event.wire = wires[i];
		loader->fn(loader->ctx, &event);
	}
}

/* Records are copied: they lie in read-only memory that the kernel writes. */
static int take(void *ctx, void *data, size_t size)
{
	struct ikw_loader *loader = ctx;
	union ikw_event event;
	const char *why;

	if (is_raw(data, size)) {
		take_raw(loader, data);
	} else if (ikw_event_valid(data, size, &why)) {
		memcpy(&event, data, ((const struct ikw_hdr *)data)->size);
		loader->fn(loader->ctx, &event);
	}
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

uint64_t ikw_loader_lost(const struct ikw_loader *loader)
{
	struct ikw_cpu_state *state = calloc((size_t)loader->cpus, sizeof(*state));
	uint32_t zero = 0;
	uint64_t lost = 0;

	if (state && !bpf_map_lookup_elem(ikw_loader_map_fd(loader, "ikw_state"), &zero, state))
		for (int i = 0; i < loader->cpus; i++)
			lost += state[i].lost;
	free(state);
	return lost;
}

static int update(const struct ikw_loader *loader, const char *map, uint32_t key, const void *value)
{
	return bpf_map_update_elem(ikw_loader_map_fd(loader, map), &key, value, BPF_ANY) ? -errno
											 : 0;
}

int ikw_loader_watch(struct ikw_loader *loader, uint32_t netns)
{
	const struct ikw_watched watched = { .netns = netns };

	return update(loader, "ikw_watched", 0, &watched);
}

int ikw_loader_add_daemon(struct ikw_loader *loader, uint32_t tgid)
{
	const struct ikw_daemon daemon = { .since = ikw_boot_now(), .how = IKW_DAEMON_TOLD };

	return update(loader, "ikw_daemons", tgid, &daemon);
}

/* ---- pinning ------------------------------------------------------------ */

static int pin_one(int (*pin)(void *what, const char *path), void *what, const char *dir,
		   const char *name, int before)
{
	char path[512];
	int err;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path); /* an earlier agent's; its attachment ends with its last pin */
	err = pin(what, path);
	return before ? before : err;
}

static int pin_map(void *map, const char *path)
{
	return bpf_map__pin(map, path);
}

static int pin_program(void *program, const char *path)
{
	return bpf_program__pin(program, path);
}

static int pin_link(void *link, const char *path)
{
	return bpf_link__pin(link, path);
}

/* Maps of the part that are its own; .rodata and the like have no name to read. */
static int pin_maps(struct bpf_object *object, const char *dir, int err)
{
	struct bpf_map *map;

	if (!object)
		return err;
	bpf_object__for_each_map(map,
				 object) if (!bpf_map__is_internal(map) && !bpf_map__is_pinned(map))
		err = pin_one(pin_map, map, dir, bpf_map__name(map), err);
	return err;
}

static int pin_row(const struct ikw_loader *loader, size_t i, const char *dir, int err)
{
	struct bpf_object *object = loader->parts[loader->rows[i].probe->part];
	const char *names[SIDES];
	char sub[480];
	size_t count = object ? programs_of(loader, i, names) : 0;

	for (size_t n = 0; n < count; n++) {
		snprintf(sub, sizeof(sub), "%s/programs", dir);
		err = pin_one(pin_program, bpf_object__find_program_by_name(object, names[n]), sub,
			      names[n], err);
		snprintf(sub, sizeof(sub), "%s/links", dir);
		err = pin_one(pin_link, loader->rows[i].links[n], sub, names[n], err);
	}
	return err;
}

static int make_dirs(const char *dir)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/programs", dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%s/links", dir);
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

int ikw_loader_pin(struct ikw_loader *loader, const char *dir)
{
	int err = make_dirs(dir);

	if (err)
		return err;
	err = pin_maps(loader->maps, dir, 0);
	for (enum ikw_part part = 0; part < IKW_PARTS; part++)
		err = pin_maps(loader->parts[part], dir, err);
	for (size_t i = 0; i < ikw_probe_count; i++)
		err = pin_row(loader, i, dir, err);
	return err;
}

static void unpin_name(const char *dir, const char *sub, const char *name)
{
	char path[512];

	if (!name)
		return;
	snprintf(path, sizeof(path), "%s%s/%s", dir, sub, name);
	unlink(path);
}

static const char *const pinned_maps[] = { "ikw_events",  "ikw_state",	 "ikw_daemons",
					   "ikw_seen",	  "ikw_watched", "ikw_calls",
					   "ikw_timer",	  "ikw_askers",	 "ikw_clients",
					   "ikw_connects" };

void ikw_loader_unpin(const char *dir)
{
	char path[512];

	for (size_t i = 0; i < ikw_probe_count; i++) {
		const struct ikw_probe *p = &ikw_probe_table[i];
		const char *const names[] = { p->fentry, p->fexit,     p->fexit_more,
					      p->kprobe, p->kretprobe, p->tracepoint };

		for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
			unpin_name(dir, "/links", names[n]);
			unpin_name(dir, "/programs", names[n]);
		}
	}
	for (size_t i = 0; i < sizeof(pinned_maps) / sizeof(pinned_maps[0]); i++)
		unpin_name(dir, "", pinned_maps[i]);
	snprintf(path, sizeof(path), "%s/links", dir);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/programs", dir);
	rmdir(path);
}

/* ---- life --------------------------------------------------------------- */

static uint32_t ring_size(uint32_t wanted)
{
	uint32_t size = (uint32_t)sysconf(_SC_PAGESIZE);

	while (size < wanted && size < 1u << 31)
		size <<= 1;
	return size;
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
	err = bpf_object__load(loader->maps);
	if (err)
		return err;
	loader->ring = ring_buffer__new(bpf_map__fd(events), take, loader, NULL);
	return loader->ring ? ikw_loader_watch(loader, loader->config.netns) : -errno;
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
	free(loader);
}
