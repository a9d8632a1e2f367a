/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "packets.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "bpf/parse.h"
#include "packet.skel.h"
#include "esp_slots.h"
#include "packet_skel.h"
#include "pin.h"
#include "table.h"

#define TICK_PIN "ikw_tick" /* the programs' .bss; its own name has a dot */

/* ---- which programs ------------------------------------------------------------ */

static uint32_t esp_shift(int cpus)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	return ikw_packet_esp_shift((uint32_t)cpus, ikw_esp_slots_shift((uint32_t)cpus, memory));
}

static uint64_t digest_of(const struct ikw_hooks_config *config, int cpus)
{
	const uint64_t numbers[] = { config->netns, config->wire, config->radius_port,
				     (uint64_t)cpus, esp_shift(cpus) };
	size_t size;
	const void *elf = packet_bpf__elf_bytes(&size);
	uint64_t sum = ikw_hash(elf, size, 11);

	sum = ikw_hash(numbers, sizeof(numbers), sum);
	return ikw_hash(config->ports, config->port_count * sizeof(*config->ports), sum) | 1;
}

/* XDP with frags (jumbo frames) came with 5.18, and so did this helper. */
static bool has_frags(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_load_bytes, NULL) == 1;
}

/* The shared maps are the loader's; libbpf's own have a dot in their name. */
static bool is_own(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map);

	return strcmp(name, "ikw_events") && strcmp(name, "ikw_state") && !strchr(name, '.');
}

/* Every device has tc egress, most have tc ingress; the others wait for one that needs them. */
static bool at_start(enum ikw_packet_program which)
{
	return which == IKW_PACKET_TC_IN || which == IKW_PACKET_TC_OUT;
}

static struct bpf_program *program_in(const struct packet_bpf *skel, enum ikw_packet_program which)
{
	switch (which) {
	case IKW_PACKET_XDP:
		return has_frags() ? skel->progs.ikw_xdp : skel->progs.ikw_xdp_plain;
	case IKW_PACKET_TC_IN:
		return skel->progs.ikw_tc_in;
	case IKW_PACKET_TC_IN_IP:
		return skel->progs.ikw_tc_in_ip;
	case IKW_PACKET_TC_OUT:
		return skel->progs.ikw_tc_out;
	default:
		return skel->progs.ikw_tc_out_ip;
	}
}

static void choose_none(struct packet_bpf *skel)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, skel->obj) bpf_program__set_autoload(program, false);
}

/* ---- found pinned ---------------------------------------------------------------- */

static int get_program(const char *dir, enum ikw_packet_program which)
{
	static const char *const names[IKW_PACKET_PROGRAMS] = { "ikw_xdp", "ikw_tc_in",
								"ikw_tc_in_ip", "ikw_tc_out",
								"ikw_tc_out_ip" };
	int fd = ikw_pin_get(dir, IKW_PIN_PROGRAMS, names[which]);

	if (fd < 0 && which == IKW_PACKET_XDP)
		fd = ikw_pin_get(dir, IKW_PIN_PROGRAMS, "ikw_xdp_plain");
	return fd;
}

static bool map_tick(struct ikw_packets *packets, const char *dir)
{
	int fd = ikw_pin_get(dir, NULL, TICK_PIN);

	if (fd < 0)
		return false;
	packets->shared_bytes = (size_t)sysconf(_SC_PAGESIZE);
	packets->shared =
		mmap(NULL, packets->shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (packets->shared == MAP_FAILED)
		packets->shared = NULL;
	else
		packets->tick =
			(volatile uint64_t *)&((struct packet_bpf__bss *)packets->shared)->ikw_tick;
	return packets->shared;
}

static bool get_maps(struct ikw_packets *packets, const char *dir)
{
	packets->esp = ikw_pin_get(dir, NULL, "ikw_esp");
	packets->esp_more = ikw_pin_get(dir, NULL, "ikw_esp_more");
	packets->counts = ikw_pin_get(dir, NULL, "ikw_counts");
	packets->peers = ikw_pin_get(dir, NULL, "ikw_peers");
	packets->sources = ikw_pin_get(dir, NULL, "ikw_sources");
	return packets->esp >= 0 && packets->esp_more >= 0 && packets->counts >= 0 &&
	       packets->peers >= 0 && packets->sources >= 0;
}

static bool adopt(struct ikw_packets *packets, const char *dir)
{
	bool fine = map_tick(packets, dir) && get_maps(packets, dir);

	for (enum ikw_packet_program i = 0; i < IKW_PACKET_PROGRAMS && fine; i++) {
		packets->program[i] = get_program(dir, i);
		fine = packets->program[i] >= 0 || !at_start(i);
	}
	return fine;
}

/* ---- loaded ------------------------------------------------------------------------ */

static void set_config(struct packet_bpf *skel, const struct ikw_hooks_config *config)
{
	skel->rodata->ikw_netns = config->netns;
	skel->rodata->ikw_cfg.wire = config->wire;
	if (config->radius_port)
		skel->rodata->ikw_cfg.radius[0] = config->radius_port;
	for (size_t i = 0; i < config->port_count && i + 1 < IKW_IKE_PORTS; i++)
		skel->rodata->ikw_cfg.ike[i + 1] = config->ports[i];
	choose_none(skel);
}

/* What an SA got is the sum of both: the hash is kept only where the slots are. */
static bool keeps_esp(const struct packet_bpf *skel, const char *dir)
{
	int fd = ikw_pin_get(dir, NULL, "ikw_esp");
	bool fits = fd >= 0 && ikw_pin_fits(fd, skel->maps.ikw_esp);

	if (fd >= 0)
		close(fd);
	return fits;
}

/* Counters go on under new programs where they look the same. */
static int keep_maps(struct packet_bpf *skel, const char *dir)
{
	bool esp = keeps_esp(skel, dir);
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, skel->obj)
	{
		int fd = is_own(map) && !err ? ikw_pin_get(dir, NULL, bpf_map__name(map)) : -1;

		if (fd < 0)
			continue;
		if (ikw_pin_fits(fd, map) && (esp || map != skel->maps.ikw_esp_more))
			err = bpf_map__reuse_fd(map, fd);
		close(fd);
	}
	return err;
}

static void take_handles(struct ikw_packets *packets)
{
	const struct packet_bpf *skel = packets->skel;

	packets->program[IKW_PACKET_TC_IN] = bpf_program__fd(skel->progs.ikw_tc_in);
	packets->program[IKW_PACKET_TC_OUT] = bpf_program__fd(skel->progs.ikw_tc_out);
	packets->esp = bpf_map__fd(skel->maps.ikw_esp);
	packets->esp_more = bpf_map__fd(skel->maps.ikw_esp_more);
	packets->counts = bpf_map__fd(skel->maps.ikw_counts);
	packets->peers = bpf_map__fd(skel->maps.ikw_peers);
	packets->sources = bpf_map__fd(skel->maps.ikw_sources);
	packets->tick = (volatile uint64_t *)&packets->skel->bss->ikw_tick;
}

static int load(struct ikw_packets *packets, const struct ikw_hooks_config *config)
{
	struct packet_bpf *skel = ikw_packet_skel_open((uint32_t)packets->cpus, packets->esp_shift);
	int err = 0;

	if (!skel)
		return -errno;
	packets->skel = skel;
	set_config(skel, config);
	bpf_program__set_autoload(skel->progs.ikw_tc_in, true);
	bpf_program__set_autoload(skel->progs.ikw_tc_out, true);
	if (config->pin_dir && config->found)
		err = keep_maps(skel, config->pin_dir);
	if (!err)
		err = bpf_map__reuse_fd(skel->maps.ikw_events, config->events_fd);
	if (!err)
		err = bpf_map__reuse_fd(skel->maps.ikw_state, config->state_fd);
	if (!err)
		err = packet_bpf__load(skel);
	if (!err)
		take_handles(packets);
	return err;
}

/* ---- loaded later -------------------------------------------------------------------- */

/* The map that programs loaded before use as this one; the caller closes it. Negative: none. */
static int map_in_use(const struct ikw_packets *packets, const struct bpf_map *map,
		      const struct bpf_map *twin)
{
	const char *name = bpf_map__name(map);

	if (twin)
		return dup(bpf_map__fd(twin));
	if (!strcmp(name, "ikw_events"))
		return dup(packets->config.events_fd);
	if (!strcmp(name, "ikw_state"))
		return dup(packets->config.state_fd);
	if (strstr(name, ".bss"))
		return ikw_pin_get(packets->config.pin_dir, NULL, TICK_PIN);
	return is_own(map) ? ikw_pin_get(packets->config.pin_dir, NULL, name) : -ENOENT;
}

/* All maps but the constants must be shared, or the program would count elsewhere. */
static int share_maps(const struct ikw_packets *packets, struct packet_bpf *skel)
{
	struct bpf_map *map = NULL, *twin = NULL;
	int err = 0;

	while (!err && (map = bpf_object__next_map(skel->obj, map))) {
		int fd;

		if (packets->skel)
			twin = bpf_object__next_map(packets->skel->obj, twin);
		fd = map_in_use(packets, map, twin);
		if (fd >= 0)
			err = bpf_map__reuse_fd(map, fd);
		else if (!strstr(bpf_map__name(map), ".rodata"))
			err = fd;
		if (fd >= 0)
			close(fd);
	}
	return err;
}

static int load_later(struct ikw_packets *packets, enum ikw_packet_program which)
{
	struct packet_bpf *skel = ikw_packet_skel_open((uint32_t)packets->cpus, packets->esp_shift);
	struct bpf_program *program;
	int fd;

	if (!skel)
		return -errno;
	set_config(skel, &packets->config);
	program = program_in(skel, which);
	bpf_program__set_autoload(program, true);
	fd = share_maps(packets, skel);
	if (!fd)
		fd = bpf_object__load(skel->obj);
	if (!fd)
		fd = dup(bpf_program__fd(program));
	if (fd >= 0 && packets->config.pin_dir)
		ikw_pin_put(fd, packets->config.pin_dir, IKW_PIN_PROGRAMS,
			    bpf_program__name(program));
	packet_bpf__destroy(skel);
	return fd;
}

int ikw_packets_program(struct ikw_packets *packets, enum ikw_packet_program which)
{
	int fd = packets->program[which];

	if (fd < 0)
		fd = packets->program[which] = load_later(packets, which);
	return fd;
}

/* ---- both --------------------------------------------------------------------------- */

static void keep_config(struct ikw_packets *packets, const struct ikw_hooks_config *config)
{
	size_t count =
		config->port_count < IKW_PACKET_PORTS ? config->port_count : IKW_PACKET_PORTS;

	packets->config = *config;
	packets->config.ports = packets->ports;
	packets->config.port_count = count;
	for (size_t i = 0; i < count; i++)
		packets->ports[i] = config->ports[i];
}

static void forget(struct ikw_packets *packets)
{
	memset(packets, 0, sizeof(*packets));
	for (int i = 0; i < IKW_PACKET_PROGRAMS; i++)
		packets->program[i] = -1;
	packets->esp = packets->esp_more = packets->counts = packets->peers = packets->sources = -1;
}

int ikw_packets_open(struct ikw_packets *packets, const struct ikw_hooks_config *config)
{
	uint64_t digest;
	int cpus = libbpf_num_possible_cpus();

	forget(packets);
	if (cpus < 0)
		return cpus;
	digest = digest_of(config, cpus);
	if (config->pin_dir && config->found == digest && !adopt(packets, config->pin_dir))
		ikw_packets_close(packets);
	packets->cpus = cpus;
	packets->esp_shift = esp_shift(cpus);
	packets->digest = digest;
	keep_config(packets, config);
	return packets->shared ? 0 : load(packets, config);
}

/* Programs that are loaded later: those pinned by an earlier run may count into other maps. */
static void unpin_older(const struct ikw_packets *packets, const char *dir)
{
	static const struct {
		enum ikw_packet_program which;
		const char *name;
	} later[] = { { IKW_PACKET_XDP, "ikw_xdp" },
		      { IKW_PACKET_XDP, "ikw_xdp_plain" },
		      { IKW_PACKET_TC_IN_IP, "ikw_tc_in_ip" },
		      { IKW_PACKET_TC_OUT_IP, "ikw_tc_out_ip" } };

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (packets->program[later[i].which] < 0)
			ikw_pin_del(dir, IKW_PIN_PROGRAMS, later[i].name);
}

void ikw_packets_pin(const struct ikw_packets *packets, const char *dir)
{
	struct bpf_program *program;
	struct bpf_map *map;

	if (!packets->skel)
		return;
	ikw_pin_subdirs(dir);
	unpin_older(packets, dir);
	bpf_object__for_each_map(map, packets->skel->obj)
	{
		if (is_own(map))
			ikw_pin_put(bpf_map__fd(map), dir, NULL, bpf_map__name(map));
	}
	ikw_pin_put(bpf_map__fd(packets->skel->maps.bss), dir, NULL, TICK_PIN);
	bpf_object__for_each_program(program, packets->skel->obj)
	{
		if (bpf_program__fd(program) >= 0)
			ikw_pin_put(bpf_program__fd(program), dir, IKW_PIN_PROGRAMS,
				    bpf_program__name(program));
	}
}

void ikw_packets_unpin(const struct ikw_packets *packets, const char *dir)
{
	static const char *const maps[] = { TICK_PIN,	    "ikw_esp",	 "ikw_esp_more",
					    "ikw_counts",   "ikw_peers", "ikw_sources",
					    "ikw_wire_said" };
	static const char *const programs[] = { "ikw_xdp",	"ikw_xdp_plain", "ikw_tc_in",
						"ikw_tc_in_ip", "ikw_tc_out",	 "ikw_tc_out_ip" };
	char path[4096];

	(void)packets;
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		ikw_pin_del(dir, NULL, maps[i]);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		ikw_pin_del(dir, IKW_PIN_PROGRAMS, programs[i]);
	/* not empty while the loader's are there: fine */
	snprintf(path, sizeof(path), "%s/" IKW_PIN_PROGRAMS, dir);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/" IKW_PIN_LINKS, dir);
	rmdir(path);
}

static void close_own(struct ikw_packets *packets)
{
	const int maps[] = { packets->esp, packets->esp_more, packets->counts, packets->peers,
			     packets->sources };

	for (int i = 0; i < IKW_PACKET_PROGRAMS; i++)
		if (packets->program[i] >= 0)
			close(packets->program[i]);
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (maps[i] >= 0)
			close(maps[i]);
	if (packets->shared)
		munmap(packets->shared, packets->shared_bytes);
}

void ikw_packets_close(struct ikw_packets *packets)
{
	for (enum ikw_packet_program i = 0; packets->skel && i < IKW_PACKET_PROGRAMS; i++)
		if (!at_start(i) && packets->program[i] >= 0)
			close(packets->program[i]);
	if (packets->skel)
		packet_bpf__destroy(packets->skel);
	else
		close_own(packets);
	forget(packets);
}
