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
#include "pin.h"
#include "table.h"

#define TICK_PIN "ikw_tick" /* the programs' .bss; its own name has a dot */

/* ---- which programs ------------------------------------------------------------ */

static uint64_t digest_of(const struct ikw_hooks_config *config, int cpus)
{
	const uint64_t numbers[] = { config->netns, config->wire, config->radius_port,
				     (uint64_t)cpus, IKW_ESP_SLOTS };
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
	return packets->esp >= 0 && packets->esp_more >= 0 && packets->counts >= 0 &&
	       packets->peers >= 0;
}

static bool adopt(struct ikw_packets *packets, const char *dir)
{
	bool fine = map_tick(packets, dir) && get_maps(packets, dir);

	for (int i = 0; i < IKW_PACKET_PROGRAMS && fine; i++) {
		packets->program[i] = get_program(dir, (enum ikw_packet_program)i);
		fine = packets->program[i] >= 0;
	}
	return fine;
}

/* ---- loaded ------------------------------------------------------------------------ */

static void set_config(struct packet_bpf *skel, const struct ikw_hooks_config *config)
{
	bool frags = has_frags();

	skel->rodata->ikw_netns = config->netns;
	skel->rodata->ikw_cfg.wire = config->wire;
	if (config->radius_port)
		skel->rodata->ikw_cfg.radius[0] = config->radius_port;
	for (size_t i = 0; i < config->port_count && i + 1 < IKW_IKE_PORTS; i++)
		skel->rodata->ikw_cfg.ike[i + 1] = config->ports[i];
	bpf_program__set_autoload(skel->progs.ikw_xdp, frags);
	bpf_program__set_autoload(skel->progs.ikw_xdp_plain, !frags);
}

/* Counters go on under new programs where they look the same. */
static int keep_maps(struct packet_bpf *skel, const char *dir)
{
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, skel->obj)
	{
		int fd = is_own(map) && !err ? ikw_pin_get(dir, NULL, bpf_map__name(map)) : -1;

		if (fd < 0)
			continue;
		if (ikw_pin_fits(fd, map))
			err = bpf_map__reuse_fd(map, fd);
		close(fd);
	}
	return err;
}

static void take_handles(struct ikw_packets *packets)
{
	const struct packet_bpf *skel = packets->skel;
	const struct bpf_program *xdp = bpf_program__autoload(skel->progs.ikw_xdp)
						? skel->progs.ikw_xdp
						: skel->progs.ikw_xdp_plain;

	packets->program[IKW_PACKET_XDP] = bpf_program__fd(xdp);
	packets->program[IKW_PACKET_TC_IN] = bpf_program__fd(skel->progs.ikw_tc_in);
	packets->program[IKW_PACKET_TC_IN_IP] = bpf_program__fd(skel->progs.ikw_tc_in_ip);
	packets->program[IKW_PACKET_TC_OUT] = bpf_program__fd(skel->progs.ikw_tc_out);
	packets->program[IKW_PACKET_TC_OUT_IP] = bpf_program__fd(skel->progs.ikw_tc_out_ip);
	packets->esp = bpf_map__fd(skel->maps.ikw_esp);
	packets->esp_more = bpf_map__fd(skel->maps.ikw_esp_more);
	packets->counts = bpf_map__fd(skel->maps.ikw_counts);
	packets->peers = bpf_map__fd(skel->maps.ikw_peers);
	packets->tick = (volatile uint64_t *)&packets->skel->bss->ikw_tick;
}

static int load(struct ikw_packets *packets, const struct ikw_hooks_config *config)
{
	struct packet_bpf *skel = packet_bpf__open();
	uint32_t cpus = (uint32_t)packets->cpus;
	int err;

	if (!skel)
		return -errno;
	packets->skel = skel;
	set_config(skel, config);
	err = bpf_map__set_max_entries(skel->maps.ikw_esp, IKW_ESP_SLOTS * cpus);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.ikw_counts, cpus);
	if (!err && config->pin_dir && config->found)
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

/* ---- both --------------------------------------------------------------------------- */

static void forget(struct ikw_packets *packets)
{
	memset(packets, 0, sizeof(*packets));
	for (int i = 0; i < IKW_PACKET_PROGRAMS; i++)
		packets->program[i] = -1;
	packets->esp = packets->esp_more = packets->counts = packets->peers = -1;
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
	packets->digest = digest;
	return packets->shared ? 0 : load(packets, config);
}

void ikw_packets_pin(const struct ikw_packets *packets, const char *dir)
{
	struct bpf_program *program;
	struct bpf_map *map;

	if (!packets->skel)
		return;
	ikw_pin_subdirs(dir);
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
	static const char *const maps[] = { TICK_PIN,	  "ikw_esp",   "ikw_esp_more",
					    "ikw_counts", "ikw_peers", "ikw_sources" };
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
	const int maps[] = { packets->esp, packets->esp_more, packets->counts, packets->peers };

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
	if (packets->skel)
		packet_bpf__destroy(packets->skel);
	else
		close_own(packets);
	forget(packets);
}
