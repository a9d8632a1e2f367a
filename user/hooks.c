// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <uthash.h>
#include "bpf/packet.h"
#include "bpf/parse.h"
#include "esp_slots.h"
#include "hooks.h"
#include "packet.skel.h"
#include "tcfilter.h"

#define TC_HANDLE   0x696b77 /* "ikw": ours among the filters of a clsact */
#define TC_PRIORITY 10	     /* where there is no other filter */
#define NOTE_LEN    96

struct hook {
	struct hook *next;
	uint32_t ifindex;
	char name[IKW_NAME_LEN];
	const char *how;
	char note[NOTE_LEN];
	int xdp_fd;	/* the XDP link; -1: none */
	bool ip;	/* no Ethernet header on this device */
	uint16_t tc_in; /* priority of our filter; 0: none */
	uint16_t tc_out;
	bool own_qdisc; /* we made the clsact */
	bool behind;	/* other filters come before ours */
};

/* An IKE peer that somebody vouches for, once for each SA with it. */
struct peer {
	UT_hash_handle hh;
	struct ikw_remote remote;
	unsigned int users;
};

struct ikw_hooks {
	struct packet_bpf *skel;
	struct ikw_esp_slots *esp;
	struct hook *list;
	struct peer *peers;
	enum ikw_hook_mode mode;
	int cpus;
	char *pin_dir; /* NULL: nothing is pinned */
};

bool ikw_hook_mode_of(const char *text, enum ikw_hook_mode *mode)
{
	static const char *const names[] = { "auto", "xdp", "xdp-generic", "tc" };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(text, names[i])) {
			*mode = (enum ikw_hook_mode)i;
			return true;
		}
	return false;
}

/* ---- pins ---------------------------------------------------------------------- */

/* Pins are for who looks with bpftool, and for links to outlive us: their failure is no fault. */
static void pin_path(const struct ikw_hooks *h, const char *folder, const char *name, char *path,
		     size_t size)
{
	snprintf(path, size, "%s%s/%s", h->pin_dir, folder, name);
}

static bool is_ours(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map);

	/* the shared ones are the loader's; libbpf's own have a dot in their name */
	return strcmp(name, "ikw_events") && strcmp(name, "ikw_state") && !strchr(name, '.');
}

static void pin_all(struct ikw_hooks *h, const char *dir)
{
	struct bpf_program *prog;
	char path[PATH_MAX];
	struct bpf_map *map;

	h->pin_dir = strdup(dir);
	if (!h->pin_dir)
		return;
	pin_path(h, "/programs", "", path, sizeof(path));
	mkdir(path, 0700);
	pin_path(h, "/links", "", path, sizeof(path));
	mkdir(path, 0700);
	bpf_object__for_each_map(map, h->skel->obj)
	{
		if (!is_ours(map))
			continue;
		pin_path(h, "", bpf_map__name(map), path, sizeof(path));
		unlink(path);
		bpf_obj_pin(bpf_map__fd(map), path);
	}
	bpf_object__for_each_program(prog, h->skel->obj)
	{
		pin_path(h, "/programs", bpf_program__name(prog), path, sizeof(path));
		unlink(path);
		if (bpf_program__fd(prog) >= 0)
			bpf_obj_pin(bpf_program__fd(prog), path);
	}
}

static void unpin_all(struct ikw_hooks *h)
{
	struct bpf_program *prog;
	char path[PATH_MAX];
	struct bpf_map *map;

	if (!h->pin_dir)
		return;
	bpf_object__for_each_map(map, h->skel->obj)
	{
		pin_path(h, "", bpf_map__name(map), path, sizeof(path));
		if (is_ours(map))
			unlink(path);
	}
	bpf_object__for_each_program(prog, h->skel->obj)
	{
		pin_path(h, "/programs", bpf_program__name(prog), path, sizeof(path));
		unlink(path);
	}
	/* not empty while the loader's are there: fine */
	pin_path(h, "/programs", "", path, sizeof(path));
	rmdir(path);
	pin_path(h, "/links", "", path, sizeof(path));
	rmdir(path);
	free(h->pin_dir);
	h->pin_dir = NULL;
}

static void link_path(const struct ikw_hooks *h, const char *ifname, char *path, size_t size)
{
	char name[IKW_NAME_LEN + 8];

	snprintf(name, sizeof(name), "xdp_%s", ifname);
	pin_path(h, "/links", name, path, size);
}

/* ---- loading ---------------------------------------------------------------- */

static int no_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

/* XDP with frags (jumbo frames) came with 5.18, and so did this helper. */
static bool has_frags(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_load_bytes, NULL) == 1;
}

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

static int load(struct ikw_hooks *h, const struct ikw_hooks_config *config)
{
	struct packet_bpf *skel = packet_bpf__open();
	int err;

	if (!skel)
		return -errno;
	h->skel = skel;
	h->cpus = libbpf_num_possible_cpus();
	if (h->cpus < 0)
		return h->cpus;
	set_config(skel, config);
	err = bpf_map__set_max_entries(skel->maps.ikw_esp, IKW_ESP_SLOTS * (__u32)h->cpus);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.ikw_counts, (__u32)h->cpus);
	if (!err)
		err = bpf_map__reuse_fd(skel->maps.ikw_events, config->events_fd);
	if (!err)
		err = bpf_map__reuse_fd(skel->maps.ikw_state, config->state_fd);
	if (!err)
		err = packet_bpf__load(skel);
	if (err)
		return err;
	h->esp = ikw_esp_slots_open(bpf_map__fd(skel->maps.ikw_esp),
				    bpf_map__fd(skel->maps.ikw_esp_more), IKW_ESP_SLOTS,
				    (uint32_t)h->cpus);
	return h->esp ? 0 : -errno;
}

int ikw_hooks_open(const struct ikw_hooks_config *config, struct ikw_hooks **out, char *why,
		   size_t size)
{
	struct ikw_hooks *h = calloc(1, sizeof(*h));
	libbpf_print_fn_t log;
	int err;

	if (!h)
		return -ENOMEM;
	h->mode = config->mode;
	log = libbpf_set_print(no_log);
	err = load(h, config);
	if (!err && config->pin_dir)
		pin_all(h, config->pin_dir);
	libbpf_set_print(log);
	if (err) {
		snprintf(why, size, "packet programs: %s", strerror(-err));
		ikw_hooks_close(h);
		return err;
	}
	*out = h;
	return 0;
}

/* ---- attaching ----------------------------------------------------------------- */

/*
 * libbpf refuses options with anything but zeros behind their last member, the
 * padding included: LIBBPF_OPTS clears it, an initialiser does not.
 */
#define TC_HOOK(name, index, where)                                                                \
	LIBBPF_OPTS(bpf_tc_hook, name, .ifindex = (int)(index), .attach_point = (where))

/*
 * Before all others on that side: one of them that drops or decides would keep
 * a packet from us, while we never keep one from them. Returns 0 when the
 * others begin at 1 already; the kernel then finds us a place behind.
 */
static uint16_t tc_place(uint32_t ifindex, enum bpf_tc_attach_point point)
{
	struct ikw_tcfilters list;

	if (ikw_tcfilters_list(ifindex, point == BPF_TC_EGRESS, TC_HANDLE, &list) || !list.first)
		return TC_PRIORITY;
	return list.first > TC_PRIORITY ? TC_PRIORITY : (uint16_t)(list.first - 1);
}

static void tc_detach(uint32_t ifindex, enum bpf_tc_attach_point point, uint16_t prio)
{
	TC_HOOK(tc, ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts);

	opts.handle = TC_HANDLE;
	opts.priority = prio;
	bpf_tc_detach(&tc, &opts);
}

/* What an agent that was killed has left there. */
static void tc_sweep(uint32_t ifindex, enum bpf_tc_attach_point point)
{
	struct ikw_tcfilters list;

	for (int i = 0; i < 8; i++) {
		if (ikw_tcfilters_list(ifindex, point == BPF_TC_EGRESS, TC_HANDLE, &list) ||
		    !list.ours)
			return;
		tc_detach(ifindex, point, list.our_prio);
	}
}

/* *prio: the filter's priority. */
static int tc_attach(struct hook *hook, enum bpf_tc_attach_point point, int prog_fd, uint16_t *prio)
{
	TC_HOOK(tc, hook->ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd);
	int err = bpf_tc_hook_create(&tc);

	if (!err)
		hook->own_qdisc = true;
	else if (err != -EEXIST)
		return err;
	tc_sweep(hook->ifindex, point);
	opts.handle = TC_HANDLE;
	opts.priority = tc_place(hook->ifindex, point);
	hook->behind = hook->behind || !opts.priority;
	err = bpf_tc_attach(&tc, &opts);
	if (!err)
		*prio = (uint16_t)opts.priority;
	return err;
}

/* The clsact goes only if it was ours and nobody else uses it by now. */
static bool tc_unused(uint32_t ifindex)
{
	struct ikw_tcfilters in, out;

	return !ikw_tcfilters_list(ifindex, false, TC_HANDLE, &in) &&
	       !ikw_tcfilters_list(ifindex, true, TC_HANDLE, &out) && !in.count && !out.count &&
	       !in.ours && !out.ours;
}

static void hook_drop(const struct ikw_hooks *h, struct hook *hook)
{
	TC_HOOK(all, hook->ifindex, (enum bpf_tc_attach_point)(BPF_TC_INGRESS | BPF_TC_EGRESS));
	char path[PATH_MAX];

	if (hook->xdp_fd >= 0) {
		if (h->pin_dir) {
			link_path(h, hook->name, path, sizeof(path));
			unlink(path);
		}
		close(hook->xdp_fd);
	}
	if (hook->tc_in)
		tc_detach(hook->ifindex, BPF_TC_INGRESS, hook->tc_in);
	if (hook->tc_out)
		tc_detach(hook->ifindex, BPF_TC_EGRESS, hook->tc_out);
	if (hook->own_qdisc && tc_unused(hook->ifindex))
		bpf_tc_hook_destroy(&all);
	free(hook);
}

static int xdp_attach(struct ikw_hooks *h, struct hook *hook, uint32_t flags)
{
	struct bpf_program *prog = bpf_program__autoload(h->skel->progs.ikw_xdp)
					   ? h->skel->progs.ikw_xdp
					   : h->skel->progs.ikw_xdp_plain;
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int fd = bpf_link_create(bpf_program__fd(prog), (int)hook->ifindex, BPF_XDP, &opts);
	char path[PATH_MAX];

	if (fd < 0)
		return fd;
	hook->xdp_fd = fd;
	if (h->pin_dir) {
		link_path(h, hook->name, path, sizeof(path));
		bpf_obj_pin(fd, path);
	}
	return 0;
}

static bool other_xdp(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	return !bpf_xdp_query((int)ifindex, 0, &opts) && opts.attach_mode != XDP_ATTACHED_NONE;
}

/*
 * The XDP link of an agent that was killed hangs by its pin alone. The kernel
 * detaches it a moment after that is gone.
 */
static void xdp_sweep(const struct ikw_hooks *h, const struct hook *hook)
{
	char path[PATH_MAX];

	if (!h->pin_dir)
		return;
	link_path(h, hook->name, path, sizeof(path));
	if (unlink(path))
		return;
	for (int i = 0; i < 100 && other_xdp(hook->ifindex); i++)
		usleep(5000);
}

static bool without_ethernet(const char *name)
{
	struct ifreq req = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ip;

	if (fd < 0)
		return false;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	ip = !ioctl(fd, SIOCGIFHWADDR, &req) && req.ifr_hwaddr.sa_family != ARPHRD_ETHER &&
	     req.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK;
	close(fd);
	return ip;
}

static int attach_tc_in(struct ikw_hooks *h, struct hook *hook, const char *note)
{
	struct bpf_program *prog =
		hook->ip ? h->skel->progs.ikw_tc_in_ip : h->skel->progs.ikw_tc_in;
	int err = tc_attach(hook, BPF_TC_INGRESS, bpf_program__fd(prog), &hook->tc_in);

	hook->how = "tc";
	snprintf(hook->note, sizeof(hook->note), "%s", note);
	return err;
}

/* Native XDP is free on a card and dear on a software device; a taken one is left alone. */
static int attach_auto(struct ikw_hooks *h, struct hook *hook, const char *kind)
{
	char note[NOTE_LEN];
	int err;

	if (kind[0]) {
		snprintf(note, sizeof(note), "%s is a software device, where native XDP is dear",
			 kind);
		return attach_tc_in(h, hook, note);
	}
	if (hook->ip)
		return attach_tc_in(h, hook, "no Ethernet header");
	if (other_xdp(hook->ifindex))
		return attach_tc_in(h, hook, "another XDP program is attached");
	err = xdp_attach(h, hook, XDP_FLAGS_DRV_MODE);
	if (err) {
		snprintf(note, sizeof(note), "the driver takes no XDP: %s", strerror(-err));
		return attach_tc_in(h, hook, note);
	}
	hook->how = "xdp";
	snprintf(hook->note, sizeof(hook->note), "a card whose driver has XDP");
	return 0;
}

static int attach_in(struct ikw_hooks *h, struct hook *hook, const char *kind)
{
	bool generic = h->mode == IKW_HOOK_XDP_GENERIC;

	if (h->mode == IKW_HOOK_AUTO)
		return attach_auto(h, hook, kind);
	if (h->mode == IKW_HOOK_TC)
		return attach_tc_in(h, hook, "asked for");
	if (hook->ip)
		return attach_tc_in(h, hook, "asked for XDP, which needs an Ethernet header");
	if (other_xdp(hook->ifindex))
		return -EBUSY;
	hook->how = generic ? "xdp-generic" : "xdp";
	snprintf(hook->note, sizeof(hook->note), "asked for");
	return xdp_attach(h, hook, generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
}

static int attach_out(struct ikw_hooks *h, struct hook *hook)
{
	struct bpf_program *prog =
		hook->ip ? h->skel->progs.ikw_tc_out_ip : h->skel->progs.ikw_tc_out;

	return tc_attach(hook, BPF_TC_EGRESS, bpf_program__fd(prog), &hook->tc_out);
}

int ikw_hooks_attach(struct ikw_hooks *h, uint32_t ifindex, const char *name, const char *kind,
		     char *why, size_t size)
{
	struct hook *hook = h->list;
	libbpf_print_fn_t log;
	int err;

	while (hook && hook->ifindex != ifindex)
		hook = hook->next;
	if (hook)
		return 0;
	hook = calloc(1, sizeof(*hook));
	if (!hook)
		return -ENOMEM;
	hook->ifindex = ifindex;
	hook->xdp_fd = -1;
	hook->how = "none";
	hook->ip = without_ethernet(name);
	snprintf(hook->name, sizeof(hook->name), "%.15s", name);
	log = libbpf_set_print(no_log);
	xdp_sweep(h, hook);
	tc_sweep(ifindex, BPF_TC_INGRESS);
	err = attach_in(h, hook, kind);
	if (!err)
		err = attach_out(h, hook);
	if (err) {
		snprintf(why, size, "%s: %s",
			 hook->tc_in || hook->xdp_fd >= 0 ? "tc egress" : hook->how,
			 err == -EBUSY ? "another XDP program is attached" : strerror(-err));
		hook_drop(h, hook);
	} else {
		hook->next = h->list;
		h->list = hook;
	}
	libbpf_set_print(log);
	return err;
}

void ikw_hooks_detach(struct ikw_hooks *h, uint32_t ifindex)
{
	struct hook **at = &h->list, *hook;
	libbpf_print_fn_t log = libbpf_set_print(no_log);

	while (*at && (*at)->ifindex != ifindex)
		at = &(*at)->next;
	hook = *at;
	if (hook) {
		*at = hook->next;
		hook_drop(h, hook);
	}
	libbpf_set_print(log);
}

/* ---- counters -------------------------------------------------------------------- */

bool ikw_hooks_esp(const struct ikw_hooks *h, const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi,
		   struct ikw_esp *out)
{
	return ikw_esp_slots_read(h->esp, daddr, spi, IKW_DIR_IN, out) ||
	       ikw_esp_slots_read(h->esp, daddr, spi, IKW_DIR_OUT, out);
}

static void peer_know(struct ikw_hooks *h, const uint8_t addr[IKW_ADDR_LEN])
{
	struct ikw_remote_use use = { 0 };
	struct ikw_remote remote;
	struct peer *peer;

	memcpy(remote.addr, addr, IKW_ADDR_LEN);
	HASH_FIND(hh, h->peers, &remote, sizeof(remote), peer);
	if (!peer) {
		peer = calloc(1, sizeof(*peer));
		if (!peer)
			return;
		peer->remote = remote;
		HASH_ADD(hh, h->peers, remote, sizeof(remote), peer);
		bpf_map_update_elem(bpf_map__fd(h->skel->maps.ikw_peers), &remote, &use, BPF_ANY);
	}
	peer->users++;
}

static void peer_forget(struct ikw_hooks *h, const uint8_t addr[IKW_ADDR_LEN])
{
	struct ikw_remote remote;
	struct peer *peer;

	memcpy(remote.addr, addr, IKW_ADDR_LEN);
	HASH_FIND(hh, h->peers, &remote, sizeof(remote), peer);
	if (!peer || --peer->users)
		return;
	bpf_map_delete_elem(bpf_map__fd(h->skel->maps.ikw_peers), &remote);
	HASH_DEL(h->peers, peer);
	free(peer);
}

void ikw_hooks_know(struct ikw_hooks *h, const uint8_t saddr[IKW_ADDR_LEN],
		    const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi, enum ikw_dir dir)
{
	peer_know(h, saddr);
	peer_know(h, daddr);
	if (dir != IKW_DIR_OUT)
		ikw_esp_slots_know(h->esp, daddr, spi, IKW_DIR_IN);
	if (dir != IKW_DIR_IN)
		ikw_esp_slots_know(h->esp, daddr, spi, IKW_DIR_OUT);
}

void ikw_hooks_forget(struct ikw_hooks *h, const uint8_t saddr[IKW_ADDR_LEN],
		      const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi)
{
	peer_forget(h, saddr);
	peer_forget(h, daddr);
	ikw_esp_slots_release(h->esp, daddr, spi, IKW_DIR_IN);
	ikw_esp_slots_release(h->esp, daddr, spi, IKW_DIR_OUT);
}

void ikw_hooks_counts(const struct ikw_hooks *h, struct ikw_counts *sum)
{
	int fd = bpf_map__fd(h->skel->maps.ikw_counts);
	struct ikw_counts row;

	memset(sum, 0, sizeof(*sum));
	for (int cpu = 0; cpu < h->cpus; cpu++) {
		if (bpf_map_lookup_elem(fd, &cpu, &row))
			continue;
		sum->ike += row.ike;
		sum->esp += row.esp;
		sum->keepalive += row.keepalive;
		sum->fragment += row.fragment;
		sum->malformed += row.malformed;
		sum->wire += row.wire;
		sum->suppressed += row.suppressed;
		sum->unread += row.unread;
	}
}

void ikw_hooks_tick(struct ikw_hooks *h, uint64_t now)
{
	h->skel->bss->ikw_tick = now;
	ikw_esp_slots_sample(h->esp, now);
}

json_t *ikw_hooks_status(const struct ikw_hooks *h)
{
	json_t *list = json_array();
	char why[NOTE_LEN + 40];

	for (const struct hook *hook = h->list; hook; hook = hook->next) {
		snprintf(why, sizeof(why), "%s%s", hook->note,
			 hook->behind ? "; other tc filters come first" : "");
		json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:s, s:s}", "interface",
						      hook->name, "ifindex", (int)hook->ifindex,
						      "in", hook->how, "out", "tc", "why", why));
	}
	return list;
}

static void peers_free(struct ikw_hooks *h)
{
	struct peer *peer, *next;

	HASH_ITER (hh, h->peers, peer, next) {
		HASH_DEL(h->peers, peer);
		free(peer);
	}
}

void ikw_hooks_close(struct ikw_hooks *h)
{
	if (!h)
		return;
	while (h->list)
		ikw_hooks_detach(h, h->list->ifindex);
	unpin_all(h);
	ikw_esp_slots_close(h->esp);
	peers_free(h);
	packet_bpf__destroy(h->skel);
	free(h);
}
