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
#include "clsact.h"
#include "esp_slots.h"
#include "hooks.h"
#include "links.h"
#include "packets.h"
#include "suppressed.h"

#define NOTE_LEN 96

struct hook {
	struct hook *next;
	uint32_t ifindex;
	char name[IKW_NAME_LEN];
	const char *how;
	char note[NOTE_LEN];
	int link[IKW_LINKS];	   /* -1: none */
	int link_left[IKW_LINKS];  /* those of an earlier agent; -1: none */
	struct ikw_interface left; /* how an earlier agent was attached; no name: it was not */
	bool ip;		   /* no Ethernet header on this device */
	struct ikw_clsact clsact;  /* where there is no tcx */
};

/* An IKE peer that somebody vouches for, once for each SA with it. */
struct peer {
	UT_hash_handle hh;
	struct ikw_remote remote;
	unsigned int users;
};

struct ikw_hooks {
	struct ikw_packets packets;
	struct ikw_esp_slots *esp;
	struct hook *list;
	struct peer *peers;
	enum ikw_hook_mode mode;
	int interfaces_fd;	   /* ikw_interfaces; -1: none */
	char *pin_dir;		   /* NULL: nothing is pinned */
	uint64_t suppressed;	   /* IKE messages, when last asked */
	uint64_t suppressed_known; /* those of known peers among them */
	bool inherited;		   /* the programs may know peers of an earlier agent's */
};

bool ikw_hook_mode_of(const char *text, enum ikw_hook_mode *mode)
{
	static const char *const names[] = { "auto", "xdp", "xdp-generic", "tc", "tcx" };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(text, names[i])) {
			*mode = (enum ikw_hook_mode)i;
			return true;
		}
	return false;
}

/* ---- opening ---------------------------------------------------------------- */

static int no_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

static int open_all(struct ikw_hooks *h, const struct ikw_hooks_config *config)
{
	int err = ikw_packets_open(&h->packets, config);

	if (err)
		return err;
	h->esp = ikw_esp_slots_open(h->packets.esp, h->packets.esp_more, h->packets.esp_shift,
				    (uint32_t)h->packets.cpus);
	if (!h->esp)
		return -errno;
	if (ikw_hooks_adopted(h))
		ikw_esp_slots_resume(h->esp, *h->packets.tick, config->now);
	if (!config->pin_dir)
		return 0;
	h->pin_dir = strdup(config->pin_dir);
	if (!h->pin_dir)
		return -ENOMEM;
	ikw_packets_pin(&h->packets, h->pin_dir);
	return 0;
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
	h->inherited = true;
	h->interfaces_fd = config->interfaces_fd > 0 ? config->interfaces_fd : -1;
	log = libbpf_set_print(no_log);
	err = open_all(h, config);
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

static void hook_free(struct hook *hook)
{
	for (int kind = 0; kind < IKW_LINKS; kind++) {
		if (hook->link[kind] >= 0)
			close(hook->link[kind]);
		if (hook->link_left[kind] >= 0)
			close(hook->link_left[kind]);
	}
	free(hook);
}

static void link_drop(const struct ikw_hooks *h, const struct hook *hook, enum ikw_link_kind kind,
		      int *fd)
{
	if (*fd < 0)
		return;
	ikw_link_drop(h->pin_dir, kind, hook->name, *fd);
	*fd = -1;
}

static void hook_drop(const struct ikw_hooks *h, struct hook *hook)
{
	for (int kind = 0; kind < IKW_LINKS; kind++) {
		link_drop(h, hook, (enum ikw_link_kind)kind, &hook->link_left[kind]);
		link_drop(h, hook, (enum ikw_link_kind)kind, &hook->link[kind]);
	}
	ikw_clsact_detach(&hook->clsact);
	if (h->interfaces_fd >= 0)
		bpf_map_delete_elem(h->interfaces_fd, &hook->ifindex);
	hook_free(hook);
}

/* So that another agent, or `ikewatch detach`, knows what is ours. */
static void hook_note(const struct ikw_hooks *h, const struct hook *hook)
{
	struct ikw_interface row = { .tc_in = hook->clsact.in,
				     .tc_out = hook->clsact.out,
				     .own_qdisc = hook->clsact.own_qdisc,
				     .behind = hook->clsact.behind };

	if (h->interfaces_fd < 0)
		return;
	snprintf(row.name, sizeof(row.name), "%.15s", hook->name);
	snprintf(row.in, sizeof(row.in), "%.15s", hook->how);
	snprintf(row.why, sizeof(row.why), "%.103s", hook->note);
	bpf_map_update_elem(h->interfaces_fd, &hook->ifindex, &row, BPF_ANY);
}

static bool any_xdp(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	return !bpf_xdp_query((int)ifindex, 0, &opts) && opts.attach_mode != XDP_ATTACHED_NONE;
}

/* One that is not ours. */
static bool other_xdp(const struct hook *hook)
{
	return hook->link_left[IKW_LINK_XDP] < 0 && any_xdp(hook->ifindex);
}

/* Goes on with the link that an earlier agent left, if it is of the kind that is wanted now. */
static bool link_take_over(struct hook *hook, enum ikw_link_kind kind, int prog_fd)
{
	int left = hook->link_left[kind];

	if (left < 0 || ikw_link_run(left, prog_fd))
		return false;
	hook->link[kind] = left;
	hook->link_left[kind] = -1;
	return true;
}

static int link_attach(struct ikw_hooks *h, struct hook *hook, enum ikw_link_kind kind, int prog_fd,
		       uint32_t flags)
{
	int fd;

	if (link_take_over(hook, kind, prog_fd))
		return 0;
	link_drop(h, hook, kind, &hook->link_left[kind]);
	fd = ikw_link_make(h->pin_dir, kind, hook->name, hook->ifindex, prog_fd, flags);
	hook->link[kind] = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

/* program: a descriptor, or why there is none. */
static int xdp_attach(struct ikw_hooks *h, struct hook *hook, int program, uint32_t flags)
{
	if (program < 0)
		return program;
	/* native where it was generic, or the other way round: that a link cannot change */
	if (strcmp(hook->left.in, hook->how))
		link_drop(h, hook, IKW_LINK_XDP, &hook->link_left[IKW_LINK_XDP]);
	return link_attach(h, hook, IKW_LINK_XDP, program, flags);
}

/*
 * tcx is the same place in a packet's way without a qdisc and its classifiers to
 * run through, and what others have there decides before any clsact is asked.
 */
static int tc_attach(struct ikw_hooks *h, struct hook *hook, bool egress, int prog_fd)
{
	enum ikw_link_kind kind = egress ? IKW_LINK_TCX_OUT : IKW_LINK_TCX_IN;
	int err;

	if (h->mode != IKW_HOOK_TC) {
		err = link_attach(h, hook, kind, prog_fd, 0);
		if (!err || h->mode == IKW_HOOK_TCX)
			return err;
	}
	return ikw_clsact_attach(&hook->clsact, egress, prog_fd);
}

static const char *tc_how(const struct ikw_hooks *h, const struct hook *hook,
			  enum ikw_link_kind kind)
{
	return hook->link[kind] >= 0 || h->mode == IKW_HOOK_TCX ? "tcx" : "tc";
}

static bool without_ethernet(const char *name)
{
	struct ifreq req = { 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
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
	int program =
		ikw_packets_program(&h->packets, hook->ip ? IKW_PACKET_TC_IN_IP : IKW_PACKET_TC_IN);
	int err = program < 0 ? program : tc_attach(h, hook, false, program);

	hook->how = tc_how(h, hook, IKW_LINK_TCX_IN);
	snprintf(hook->note, sizeof(hook->note), "%s", note);
	return err;
}

/* Native XDP is free on a card and dear on a software device; a taken one is left alone. */
static int attach_auto(struct ikw_hooks *h, struct hook *hook, const char *kind)
{
	char note[NOTE_LEN];
	int program, err;

	if (kind[0]) {
		snprintf(note, sizeof(note), "%s is a software device, where native XDP is dear",
			 kind);
		return attach_tc_in(h, hook, note);
	}
	if (hook->ip)
		return attach_tc_in(h, hook, "no Ethernet header");
	if (other_xdp(hook))
		return attach_tc_in(h, hook, "another XDP program is attached");
	hook->how = "xdp";
	program = ikw_packets_program(&h->packets, IKW_PACKET_XDP);
	err = xdp_attach(h, hook, program, XDP_FLAGS_DRV_MODE);
	if (err) {
		snprintf(note, sizeof(note), "%s: %s",
			 program < 0 ? "this kernel does not load the XDP program"
				     : "the driver takes no XDP",
			 strerror(-err));
		return attach_tc_in(h, hook, note);
	}
	snprintf(hook->note, sizeof(hook->note), "a card whose driver has XDP");
	return 0;
}

static int attach_in(struct ikw_hooks *h, struct hook *hook, const char *kind)
{
	bool generic = h->mode == IKW_HOOK_XDP_GENERIC;

	if (h->mode == IKW_HOOK_AUTO)
		return attach_auto(h, hook, kind);
	if (h->mode == IKW_HOOK_TC || h->mode == IKW_HOOK_TCX)
		return attach_tc_in(h, hook, "asked for");
	if (hook->ip)
		return attach_tc_in(h, hook, "asked for XDP, which needs an Ethernet header");
	if (other_xdp(hook))
		return -EBUSY;
	hook->how = generic ? "xdp-generic" : "xdp";
	snprintf(hook->note, sizeof(hook->note), "asked for");
	return xdp_attach(h, hook, ikw_packets_program(&h->packets, IKW_PACKET_XDP),
			  generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
}

static int attach_out(struct ikw_hooks *h, struct hook *hook)
{
	int program = ikw_packets_program(&h->packets,
					  hook->ip ? IKW_PACKET_TC_OUT_IP : IKW_PACKET_TC_OUT);

	return program < 0 ? program : tc_attach(h, hook, true, program);
}

/*
 * What an earlier agent left on it under another name, which it had then: its links
 * say so, for the number alone may be another interface's by now. False: nothing.
 */
static bool take_renamed(const struct ikw_hooks *h, struct hook *hook)
{
	bool found = false;

	for (int kind = 0; kind < IKW_LINKS; kind++) {
		int fd = ikw_link_rename(h->pin_dir, (enum ikw_link_kind)kind, hook->left.name,
					 hook->name, hook->ifindex);

		if (fd < 0)
			continue;
		if (hook->link_left[kind] >= 0)
			close(hook->link_left[kind]);
		hook->link_left[kind] = fd;
		found = true;
	}
	return found;
}

static struct hook *hook_new(const struct ikw_hooks *h, uint32_t ifindex, const char *name)
{
	struct hook *hook = calloc(1, sizeof(*hook));

	if (!hook)
		return NULL;
	hook->ifindex = ifindex;
	hook->how = "none";
	hook->ip = without_ethernet(name);
	snprintf(hook->name, sizeof(hook->name), "%.15s", name);
	for (int kind = 0; kind < IKW_LINKS; kind++) {
		hook->link[kind] = -1;
		hook->link_left[kind] =
			ikw_link_find(h->pin_dir, (enum ikw_link_kind)kind, name, ifindex);
	}
	if (h->interfaces_fd < 0 || bpf_map_lookup_elem(h->interfaces_fd, &ifindex, &hook->left) ||
	    (strncmp(hook->left.name, hook->name, sizeof(hook->left.name)) &&
	     !take_renamed(h, hook)))
		memset(&hook->left, 0, sizeof(hook->left));
	hook->clsact.ifindex = ifindex;
	hook->clsact.own_qdisc = hook->left.own_qdisc;
	hook->clsact.behind = hook->left.behind;
	return hook;
}

/* What an earlier agent had there and this one has not. */
static void hook_tidy(const struct ikw_hooks *h, struct hook *hook)
{
	for (int kind = 0; kind < IKW_LINKS; kind++)
		link_drop(h, hook, (enum ikw_link_kind)kind, &hook->link_left[kind]);
	ikw_clsact_sweep(&hook->clsact);
}

/* Which side it was, and why. */
static void refused(const struct ikw_hooks *h, const struct hook *hook, int err, char *why,
		    size_t size)
{
	bool in = hook->clsact.in || hook->link[IKW_LINK_XDP] >= 0 ||
		  hook->link[IKW_LINK_TCX_IN] >= 0;
	const char *cause = strerror(-err);

	if (err == -EBUSY)
		cause = "another XDP program is attached";
	else if (err == -EOPNOTSUPP && h->mode == IKW_HOOK_TCX)
		cause = "not in this kernel (it came with Linux 6.6)";
	snprintf(why, size, "%s: %s", in ? "tc egress" : hook->how, cause);
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
	hook = hook_new(h, ifindex, name);
	if (!hook)
		return -ENOMEM;
	log = libbpf_set_print(no_log);
	err = attach_in(h, hook, kind);
	if (!err)
		err = attach_out(h, hook);
	if (err) {
		refused(h, hook, err, why, size);
		hook_drop(h, hook);
	} else {
		hook_tidy(h, hook);
		hook_note(h, hook);
		hook->next = h->list;
		h->list = hook;
	}
	libbpf_set_print(log);
	return err;
}

void ikw_hooks_rename(struct ikw_hooks *h, uint32_t ifindex, const char *name)
{
	struct hook *hook = h->list;
	char was[IKW_NAME_LEN];

	while (hook && hook->ifindex != ifindex)
		hook = hook->next;
	if (!hook)
		return;
	memcpy(was, hook->name, sizeof(was));
	snprintf(hook->name, sizeof(hook->name), "%.15s", name);
	for (int kind = 0; kind < IKW_LINKS; kind++) {
		int fd = ikw_link_rename(h->pin_dir, (enum ikw_link_kind)kind, was, hook->name,
					 ifindex);

		if (fd >= 0)
			close(fd);
	}
	hook_note(h, hook);
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

bool ikw_hooks_cut(struct ikw_hooks *h, uint32_t ifindex)
{
	struct hook *hook = h->list;

	while (hook && hook->ifindex != ifindex)
		hook = hook->next;
	if (!hook || ikw_clsact_whole(&hook->clsact))
		return false;
	hook->clsact.own_qdisc = false;
	ikw_hooks_detach(h, ifindex);
	return true;
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
		bpf_map_update_elem(h->packets.peers, &remote, &use, BPF_ANY);
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
	bpf_map_delete_elem(h->packets.peers, &remote);
	HASH_DEL(h->peers, peer);
	free(peer);
}

void ikw_hooks_know(struct ikw_hooks *h, const uint8_t saddr[IKW_ADDR_LEN],
		    const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi, enum ikw_dir dir,
		    uint64_t installed)
{
	peer_know(h, saddr);
	peer_know(h, daddr);
	if (dir != IKW_DIR_OUT)
		ikw_esp_slots_know(h->esp, daddr, spi, IKW_DIR_IN, installed);
	if (dir != IKW_DIR_IN)
		ikw_esp_slots_know(h->esp, daddr, spi, IKW_DIR_OUT, installed);
}

void ikw_hooks_forget(struct ikw_hooks *h, const uint8_t saddr[IKW_ADDR_LEN],
		      const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi, bool shared)
{
	peer_forget(h, saddr);
	peer_forget(h, daddr);
	if (shared)
		return;
	ikw_esp_slots_release(h->esp, daddr, spi, IKW_DIR_IN);
	ikw_esp_slots_release(h->esp, daddr, spi, IKW_DIR_OUT);
}

void ikw_hooks_known_all(struct ikw_hooks *h)
{
	struct ikw_remote keys[64], *from = NULL, key;
	struct peer *peer;
	size_t count;

	/* some are collected, then deleted: a walk begins again where what it stands on is gone */
	while (h->inherited) {
		for (count = 0; count < 64 && !bpf_map_get_next_key(h->packets.peers, from, &key);
		     from = &key) {
			HASH_FIND(hh, h->peers, &key, sizeof(key), peer);
			if (!peer)
				keys[count++] = key;
		}
		h->inherited = count == 64;
		for (size_t i = 0; i < count; i++)
			if (bpf_map_delete_elem(h->packets.peers, &keys[i]))
				h->inherited = false;
		from = NULL;
	}
}

/* What the rows say; of ESP that is not all. */
static void rows_sum(const struct ikw_hooks *h, struct ikw_counts *sum)
{
	int fd = h->packets.counts;
	struct ikw_counts row;

	memset(sum, 0, sizeof(*sum));
	for (int cpu = 0; cpu < h->packets.cpus; cpu++) {
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
		sum->behind += row.behind;
		sum->wire_untold += row.wire_untold;
	}
}

void ikw_hooks_counts(const struct ikw_hooks *h, struct ikw_counts *sum)
{
	rows_sum(h, sum);
	sum->esp += ikw_esp_slots_packets(h->esp);
}

void ikw_hooks_suppressed(struct ikw_hooks *h, struct ikw_suppressed *suppressed)
{
	struct ikw_counts sum;

	rows_sum(h, &sum);
	/* whose they were is asked only when there are more */
	if (sum.suppressed != h->suppressed)
		h->suppressed_known = ikw_suppressed_sum(h->packets.peers);
	h->suppressed = sum.suppressed;
	suppressed->known = h->suppressed_known;
	suppressed->behind = sum.behind;
	suppressed->wire = sum.wire_untold;
}

json_t *ikw_hooks_packets(const struct ikw_hooks *h)
{
	struct ikw_counts sum;

	ikw_hooks_counts(h, &sum);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "ike",
			 (json_int_t)sum.ike, "esp", (json_int_t)sum.esp, "keepalive",
			 (json_int_t)sum.keepalive, "fragment", (json_int_t)sum.fragment,
			 "malformed", (json_int_t)sum.malformed, "other", (json_int_t)sum.wire,
			 "unread", (json_int_t)sum.unread, "suppressed", (json_int_t)sum.suppressed,
			 "suppressed_of",
			 sum.suppressed ? ikw_suppressed_json(h->packets.peers, h->packets.sources)
					: json_array());
}

void ikw_hooks_tick(struct ikw_hooks *h, uint64_t now)
{
	*h->packets.tick = now;
	ikw_esp_slots_sample(h->esp, now);
}

json_t *ikw_hooks_status(const struct ikw_hooks *h)
{
	json_t *list = json_array();
	char why[NOTE_LEN + 40];

	for (const struct hook *hook = h->list; hook; hook = hook->next) {
		snprintf(why, sizeof(why), "%s%s", hook->note,
			 hook->clsact.behind ? "; other tc filters come first" : "");
		json_array_append_new(
			list, json_pack("{s:s, s:i, s:s, s:s, s:s}", "interface", hook->name,
					"ifindex", (int)hook->ifindex, "in", hook->how, "out",
					tc_how(h, hook, IKW_LINK_TCX_OUT), "why", why));
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

/* ---- what an earlier agent left ---------------------------------------------------- */

uint64_t ikw_hooks_digest(const struct ikw_hooks *h)
{
	return h->packets.digest;
}

bool ikw_hooks_adopted(const struct ikw_hooks *h)
{
	return !h->packets.skel;
}

void ikw_hooks_remove(const char *pin_dir, uint32_t ifindex, const struct ikw_interface *left)
{
	libbpf_print_fn_t log = libbpf_set_print(no_log);
	struct ikw_clsact clsact = { .ifindex = ifindex, .own_qdisc = left->own_qdisc };

	for (int kind = 0; pin_dir && kind < IKW_LINKS; kind++)
		ikw_link_drop(
			pin_dir, (enum ikw_link_kind)kind, left->name,
			ikw_link_find(pin_dir, (enum ikw_link_kind)kind, left->name, ifindex));
	ikw_clsact_sweep(&clsact);
	libbpf_set_print(log);
}

static bool is_hooked(const struct ikw_hooks *h, uint32_t ifindex)
{
	const struct hook *hook = h->list;

	while (hook && hook->ifindex != ifindex)
		hook = hook->next;
	return hook;
}

/* Some of them at a time: a walk begins again where what it stands on is gone. */
static bool sweep_some(struct ikw_hooks *h)
{
	uint32_t stale[64], key, *from = NULL;
	struct ikw_interface row;
	size_t count = 0;
	bool more;

	while (count < 64 && !bpf_map_get_next_key(h->interfaces_fd, from, &key)) {
		if (!is_hooked(h, key))
			stale[count++] = key;
		from = &key;
	}
	more = count == 64;
	for (size_t i = 0; i < count; i++) {
		if (!bpf_map_lookup_elem(h->interfaces_fd, &stale[i], &row))
			ikw_hooks_remove(h->pin_dir, stale[i], &row);
		more = !bpf_map_delete_elem(h->interfaces_fd, &stale[i]) && more;
	}
	return more;
}

void ikw_hooks_sweep(struct ikw_hooks *h)
{
	while (h->interfaces_fd >= 0 && sweep_some(h))
		;
}

/* ---- the end ------------------------------------------------------------------------ */

static void hooks_free(struct ikw_hooks *h)
{
	ikw_esp_slots_close(h->esp);
	peers_free(h);
	ikw_packets_close(&h->packets);
	free(h->pin_dir);
	free(h);
}

void ikw_hooks_leave(struct ikw_hooks *h)
{
	while (h && h->list) {
		struct hook *hook = h->list;

		h->list = hook->next;
		hook_free(hook);
	}
	if (h)
		hooks_free(h);
}

void ikw_hooks_close(struct ikw_hooks *h)
{
	if (!h)
		return;
	while (h->list)
		ikw_hooks_detach(h, h->list->ifindex);
	if (h->pin_dir)
		ikw_packets_unpin(&h->packets, h->pin_dir);
	hooks_free(h);
}
