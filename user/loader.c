/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "loader_private.h"
#include "pin.h"

/* ---- results ------------------------------------------------------------ */

enum ikw_tier ikw_loader_tier(const struct ikw_loader *loader)
{
	enum ikw_tier tier = IKW_TIER_FENTRY;

	if (ikw_loader_missing(loader, IKW_PART_SA))
		return IKW_TIER_NETLINK;
	for (size_t i = 0; i < ikw_probe_count; i++)
		if (loader->rows[i].probe->part == IKW_PART_SA &&
		    ikw_loader_offers(loader->rows[i].probe, IKW_HOW_FENTRY) &&
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
	enum ikw_tier tier;

	if (ikw_loader_adopt(loader)) {
		keep_why(loader);
		return 0;
	}
	ikw_loader_attach_parts(loader);
	tier = ikw_loader_tier(loader);
	keep_why(loader);
	if (loader->config.tier == IKW_TIER_NONE || loader->config.tier == tier)
		return 0;
	ikw_loader_turn_off(loader, "the tier asked for cannot be had");
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

/* ---- life --------------------------------------------------------------- */

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
			ikw_loader_pin_shared(loader);
		return ikw_loader_watch(loader, loader->config.netns);
	}
	if (bpf_map_lookup_elem(ikw_loader_map_fd(loader, "ikw_watched"), &zero, &watched))
		return -errno;
	loader->speaking = watched.epoch;
	loader->epoch = watched.epoch + 1;
	forget_seen(loader);
	if (loader->found == IKW_FOUND_ATTACHED)
		loader->kept = ikw_loader_find_kept(loader);
	return ikw_loader_watch(loader, loader->config.netns);
}

static int create_maps(struct ikw_loader *loader)
{
	uint32_t bytes = loader->config.ring_bytes;
	struct bpf_map *events;
	int err;

	loader->maps = ikw_loader_open_maps();
	if (!loader->maps)
		return -errno;
	events = bpf_object__find_map_by_name(loader->maps, "ikw_events");
	if (bytes)
		bpf_map__set_max_entries(events, ring_size(bytes));
	ikw_loader_find(loader);
	if (loader->found == IKW_FOUND_OTHER)
		ikw_pin_clear(loader->config.pin_dir);
	else if (loader->found && !ikw_loader_reuse(loader))
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
	libbpf_print_fn_t before;
	int err = -ENOMEM;

	ikw_loader_listen(&before);
	if (loader) {
		loader->config = *config;
		err = init(loader);
	}
	libbpf_set_print(before);
	if (err) {
		snprintf(why, size, "%s",
			 ikw_loader_said()[0] ? ikw_loader_said() : strerror(-err));
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
		for (size_t side = 0; side < IKW_SIDES; side++)
			if (loader->rows[i].links[side])
				bpf_link__disconnect(loader->rows[i].links[side]);
	ikw_loader_close(loader);
}

void ikw_loader_close(struct ikw_loader *loader)
{
	if (!loader)
		return;
	for (enum ikw_part part = 0; loader->rows && part < IKW_PARTS; part++)
		ikw_loader_detach(loader, part);
	ring_buffer__free(loader->ring);
	bpf_object__close(loader->maps);
	free(loader->rows);
	free(loader->status);
	ikw_intake_free(loader->intake);
	free(loader);
}
