// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "bpf/packet.h"
#include "bpf/parse.h"
#include "hooks.h"
#include "packet.skel.h"

#define TC_HANDLE   0x696b77 /* "ikw": ours among the filters of a clsact */
#define TC_PRIORITY 49000    /* after whoever decides about packets */
#define NOTE_LEN    96

struct hook {
	struct hook *next;
	uint32_t ifindex;
	char name[IKW_NAME_LEN];
	const char *how;
	char note[NOTE_LEN];
	int xdp_fd; /* the XDP link; -1: none */
	bool ip;    /* no Ethernet header on this device */
	bool tc_in;
	bool tc_out;
	bool own_qdisc; /* we made the clsact */
};

struct ikw_hooks {
	struct packet_bpf *skel;
	struct hook *list;
	enum ikw_hook_mode mode;
	int cpus;
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

/* ---- loading ---------------------------------------------------------------- */

static int no_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

static int prepare(struct ikw_hooks *h, const struct ikw_hooks_config *config, bool frags)
{
	struct packet_bpf *skel = packet_bpf__open();
	int err;

	if (!skel)
		return -errno;
	h->skel = skel;
	h->cpus = libbpf_num_possible_cpus();
	skel->rodata->ikw_netns = config->netns;
	for (size_t i = 0; i < config->port_count && i + 1 < IKW_IKE_PORTS; i++)
		skel->rodata->ikw_cfg.ike[i + 1] = config->ports[i];
	bpf_program__set_autoload(skel->progs.ikw_xdp, frags);
	bpf_program__set_autoload(skel->progs.ikw_xdp_plain, !frags);
	err = bpf_map__set_max_entries(skel->maps.ikw_esp, IKW_ESP_SLOTS * (__u32)h->cpus);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.ikw_counts, (__u32)h->cpus);
	if (!err)
		err = bpf_map__reuse_fd(skel->maps.ikw_events, config->events_fd);
	if (!err)
		err = bpf_map__reuse_fd(skel->maps.ikw_state, config->state_fd);
	return err ? err : packet_bpf__load(skel);
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
	/* XDP with frags (jumbo frames) came with 5.18 */
	err = prepare(h, config, true);
	if (err) {
		packet_bpf__destroy(h->skel);
		err = prepare(h, config, false);
	}
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

static int tc_attach(struct hook *hook, enum bpf_tc_attach_point point, int prog_fd)
{
	TC_HOOK(tc, hook->ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd);
	int err = bpf_tc_hook_create(&tc);

	if (!err)
		hook->own_qdisc = true;
	else if (err != -EEXIST)
		return err;
	opts.handle = TC_HANDLE;
	opts.priority = TC_PRIORITY;
	opts.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&tc, &opts);
}

static void tc_detach(const struct hook *hook, enum bpf_tc_attach_point point)
{
	TC_HOOK(tc, hook->ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts);

	opts.handle = TC_HANDLE;
	opts.priority = TC_PRIORITY;
	bpf_tc_detach(&tc, &opts);
}

/*
 * The clsact goes only if it was ours and nobody else uses it by now. A side
 * without filters has no chain, which tc_get_tfilter() answers with EINVAL; with
 * filters of others it is ENOENT for one that is not there.
 */
static bool tc_unused(uint32_t ifindex, enum bpf_tc_attach_point point)
{
	TC_HOOK(tc, ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts);

	opts.handle = 1;
	opts.priority = 1;
	return bpf_tc_query(&tc, &opts) == -EINVAL;
}

static void hook_drop(struct hook *hook)
{
	TC_HOOK(all, hook->ifindex, (enum bpf_tc_attach_point)(BPF_TC_INGRESS | BPF_TC_EGRESS));

	if (hook->xdp_fd >= 0)
		close(hook->xdp_fd);
	if (hook->tc_in)
		tc_detach(hook, BPF_TC_INGRESS);
	if (hook->tc_out)
		tc_detach(hook, BPF_TC_EGRESS);
	if (hook->own_qdisc && tc_unused(hook->ifindex, BPF_TC_INGRESS) &&
	    tc_unused(hook->ifindex, BPF_TC_EGRESS))
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

	if (fd < 0)
		return fd;
	hook->xdp_fd = fd;
	return 0;
}

static bool other_xdp(uint32_t ifindex)
{
	__u32 id = 0;

	return !bpf_xdp_query_id((int)ifindex, 0, &id) && id;
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
	int err = tc_attach(hook, BPF_TC_INGRESS, bpf_program__fd(prog));

	hook->tc_in = !err;
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
	int err = tc_attach(hook, BPF_TC_EGRESS, bpf_program__fd(prog));

	hook->tc_out = !err;
	return err;
}

int ikw_hooks_attach(struct ikw_hooks *h, uint32_t ifindex, const char *name, const char *kind,
		     char *why, size_t size)
{
	struct hook *hook = calloc(1, sizeof(*hook));
	libbpf_print_fn_t log;
	int err;

	if (!hook)
		return -ENOMEM;
	hook->ifindex = ifindex;
	hook->xdp_fd = -1;
	hook->how = "none";
	hook->ip = without_ethernet(name);
	snprintf(hook->name, sizeof(hook->name), "%.15s", name);
	log = libbpf_set_print(no_log);
	err = attach_in(h, hook, kind);
	if (!err)
		err = attach_out(h, hook);
	if (err) {
		snprintf(why, size, "%s: %s",
			 hook->tc_in || hook->xdp_fd >= 0 ? "tc egress" : hook->how,
			 err == -EBUSY ? "another XDP program is attached" : strerror(-err));
		hook_drop(hook);
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
		hook_drop(hook);
	}
	libbpf_set_print(log);
}

/* ---- counters -------------------------------------------------------------------- */

static void slot_add(struct ikw_esp *out, const struct ikw_esp_slot *slot, uint64_t *span)
{
	out->packets += slot->packets;
	out->bytes += slot->bytes;
	out->reordered += slot->reordered;
	if (slot->last > out->last)
		out->last = slot->last;
	if (slot->seq_high >= slot->seq_first)
		*span += (uint64_t)slot->seq_high - slot->seq_first + 1;
}

static void slots_read(const struct ikw_hooks *h, const struct ikw_esp_key *key,
		       struct ikw_esp *out, uint64_t *span)
{
	int fd = bpf_map__fd(h->skel->maps.ikw_esp);
	struct ikw_esp_slot slot;

	for (int cpu = 0; cpu < h->cpus; cpu++)
		for (int which = 0; which < 2; which++) {
			__u32 place = ikw_esp_place(key, which, IKW_ESP_SLOTS);
			__u32 i = (__u32)cpu * IKW_ESP_SLOTS + place;

			if (!bpf_map_lookup_elem(fd, &i, &slot) &&
			    !memcmp(&slot.key, key, sizeof(*key)))
				slot_add(out, &slot, span);
		}
}

static void more_read(const struct ikw_hooks *h, const struct ikw_esp_key *key, struct ikw_esp *out,
		      uint64_t *span)
{
	struct ikw_esp_slot *slots = calloc((size_t)h->cpus, sizeof(*slots));

	if (slots && !bpf_map_lookup_elem(bpf_map__fd(h->skel->maps.ikw_esp_more), key, slots))
		for (int cpu = 0; cpu < h->cpus; cpu++)
			slot_add(out, &slots[cpu], span);
	free(slots);
}

bool ikw_hooks_esp(const struct ikw_hooks *h, const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi,
		   struct ikw_esp *out)
{
	for (uint8_t dir = IKW_DIR_IN; dir <= IKW_DIR_OUT; dir++) {
		struct ikw_esp_key key = { .name = spi | (__u64)dir << 32 };
		uint64_t span = 0;

		memcpy(key.daddr, daddr, IKW_ADDR_LEN);
		memset(out, 0, sizeof(*out));
		slots_read(h, &key, out, &span);
		more_read(h, &key, out, &span);
		if (!out->packets)
			continue;
		memcpy(out->daddr, daddr, IKW_ADDR_LEN);
		out->spi = spi;
		out->dir = dir;
		out->lost = span > out->packets ? (uint32_t)(span - out->packets) : 0;
		return true;
	}
	return false;
}

void ikw_hooks_tick(struct ikw_hooks *h, uint64_t now)
{
	h->skel->bss->ikw_tick = now;
}

json_t *ikw_hooks_status(const struct ikw_hooks *h)
{
	json_t *list = json_array();

	for (const struct hook *hook = h->list; hook; hook = hook->next)
		json_array_append_new(list,
				      json_pack("{s:s, s:i, s:s, s:s, s:s}", "interface",
						hook->name, "ifindex", (int)hook->ifindex, "in",
						hook->how, "out", "tc", "why", hook->note));
	return list;
}

void ikw_hooks_close(struct ikw_hooks *h)
{
	if (!h)
		return;
	while (h->list)
		ikw_hooks_detach(h, h->list->ifindex);
	packet_bpf__destroy(h->skel);
	free(h);
}
