/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the loader pins, and what an earlier agent left pinned. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "loader_private.h"
#include "pin.h"

/* ---- what an earlier agent left ------------------------------------------- */

static bool link_is_there(const struct ikw_loader *loader, const char *name)
{
	int fd = ikw_pin_get(loader->config.pin_dir, IKW_PIN_LINKS, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool links_are_there(const struct ikw_loader *loader, size_t i)
{
	const char *names[IKW_SIDES];
	size_t n = ikw_loader_programs(loader, i, names);

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

bool ikw_loader_adopt(struct ikw_loader *loader)
{
	size_t i = 0;

	if (loader->found != IKW_FOUND_ATTACHED ||
	    loader->layout.probes != ikw_loader_digest(loader))
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

/* What no unpinned one is needed for. */
uint32_t ikw_loader_find_kept(const struct ikw_loader *loader)
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
	struct ikw_loader_row *row = &pinning->loader->rows[i];
	struct bpf_object *object = pinning->loader->parts[row->probe->part];
	const char *names[IKW_SIDES];
	size_t count = object ? ikw_loader_programs(pinning->loader, i, names) : 0;

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
	const char *names[IKW_SIDES];

	if (!strncmp(name, "ikw_xdp", 7) || !strncmp(name, "ikw_tc_", 7) || ikw_pin_is_hook(name))
		return true;
	for (size_t i = 0; i < ikw_probe_count; i++)
		for (size_t n = ikw_loader_programs(loader, i, names); n-- > 0;)
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
	layout.probes = ikw_loader_digest(loader);
	snprintf(layout.agent, sizeof(layout.agent), "%s", IKEWATCH_VERSION);
	ikw_loader_note(loader, &layout);
	return pinning.err;
}

/* ---- shared maps ---------------------------------------------------------------- */

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

void ikw_loader_find(struct ikw_loader *loader)
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

int ikw_loader_pin_shared(struct ikw_loader *loader)
{
	struct pinning pinning = { .loader = loader, .step = stage };

	pin_maps(&pinning, loader->maps);
	pinning.step = commit;
	pin_maps(&pinning, loader->maps);
	return pinning.err;
}

bool ikw_loader_reuse(const struct ikw_loader *loader)
{
	return each_pinned(loader, reuse);
}
