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
#include "suppressed.h"
#include "packets.h"
#include "pin.h"
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
	int xdp_fd;		   /* the XDP link; -1: none */
	int xdp_left;		   /* that of an earlier agent; -1: none */
	struct ikw_interface left; /* how an earlier agent was attached; no name: it was not */
	bool ip;		   /* no Ethernet header on this device */
	uint16_t tc_in;		   /* priority of our filter; 0: none */
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
	struct ikw_packets packets;
	struct ikw_esp_slots *esp;
	struct hook *list;
	struct peer *peers;
	enum ikw_hook_mode mode;
	int interfaces_fd;	   /* ikw_interfaces; -1: none */
	char *pin_dir;		   /* NULL: nothing is pinned */
	uint64_t suppressed;	   /* IKE messages, when last asked */
	uint64_t suppressed_known; /* those of known peers among them */
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

/* ---- opening ---------------------------------------------------------------- */

static void link_path(const struct ikw_hooks *h, const char *ifname, char *path, size_t size)
{
	snprintf(path, size, "%s/" IKW_PIN_LINKS "/xdp_%s", h->pin_dir, ifname);
}

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

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.id;
}

/*
 * The filter that an earlier agent left goes on: as it is when its program is
 * ours, else with ours put in its place in one step. False: there is none.
 */
static bool tc_take_over(const struct hook *hook, enum bpf_tc_attach_point point, int prog_fd,
			 uint16_t *prio)
{
	TC_HOOK(tc, hook->ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, query);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE);
	struct ikw_tcfilters list;

	if (ikw_tcfilters_list(hook->ifindex, point == BPF_TC_EGRESS, TC_HANDLE, &list) ||
	    list.ours != 1)
		return false;
	query.handle = opts.handle = TC_HANDLE;
	query.priority = opts.priority = list.our_prio;
	*prio = list.our_prio;
	if (!bpf_tc_query(&tc, &query) && query.prog_id == program_id(prog_fd))
		return true;
	return !bpf_tc_attach(&tc, &opts);
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
	else if (tc_take_over(hook, point, prog_fd, prio))
		return 0;
	tc_sweep(hook->ifindex, point);
	opts.handle = TC_HANDLE;
	opts.priority = tc_place(hook->ifindex, point);
	hook->behind = hook->behind || !opts.priority;
	err = bpf_tc_attach(&tc, &opts);
	*prio = err ? 0 : (uint16_t)opts.priority;
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

static void qdisc_drop(uint32_t ifindex)
{
	TC_HOOK(all, ifindex, (enum bpf_tc_attach_point)(BPF_TC_INGRESS | BPF_TC_EGRESS));

	if (tc_unused(ifindex))
		bpf_tc_hook_destroy(&all);
}

static void hook_free(struct hook *hook)
{
	if (hook->xdp_fd >= 0)
		close(hook->xdp_fd);
	if (hook->xdp_left >= 0)
		close(hook->xdp_left);
	free(hook);
}

static void hook_drop(const struct ikw_hooks *h, struct hook *hook)
{
	char path[PATH_MAX];

	if (h->pin_dir && (hook->xdp_fd >= 0 || hook->xdp_left >= 0)) {
		link_path(h, hook->name, path, sizeof(path));
		unlink(path);
	}
	if (hook->tc_in)
		tc_detach(hook->ifindex, BPF_TC_INGRESS, hook->tc_in);
	if (hook->tc_out)
		tc_detach(hook->ifindex, BPF_TC_EGRESS, hook->tc_out);
	if (hook->own_qdisc)
		qdisc_drop(hook->ifindex);
	if (h->interfaces_fd >= 0)
		bpf_map_delete_elem(h->interfaces_fd, &hook->ifindex);
	hook_free(hook);
}

/* So that another agent, or `ikewatch detach`, knows what is ours. */
static void hook_note(const struct ikw_hooks *h, const struct hook *hook)
{
	struct ikw_interface row = { .tc_in = hook->tc_in,
				     .tc_out = hook->tc_out,
				     .own_qdisc = hook->own_qdisc,
				     .behind = hook->behind };

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
	return hook->xdp_left < 0 && any_xdp(hook->ifindex);
}

/* The XDP link of an earlier agent hangs by its pin. The kernel detaches it a moment after. */
static void xdp_sweep(const struct ikw_hooks *h, struct hook *hook)
{
	char path[PATH_MAX];

	if (hook->xdp_left < 0)
		return;
	link_path(h, hook->name, path, sizeof(path));
	unlink(path);
	close(hook->xdp_left);
	hook->xdp_left = -1;
	for (int i = 0; i < 100 && any_xdp(hook->ifindex); i++)
		usleep(5000);
}

/* The link that an earlier agent left, if it is one on this interface; -1: none. */
static int xdp_find(const struct ikw_hooks *h, const struct hook *hook)
{
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);
	char path[PATH_MAX];
	int fd;

	if (!h->pin_dir)
		return -1;
	link_path(h, hook->name, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -1;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.type == BPF_LINK_TYPE_XDP &&
	    info.xdp.ifindex == hook->ifindex)
		return fd;
	close(fd);
	unlink(path);
	return -1;
}

/* Goes on with it, if it is attached the way that is wanted now. */
static bool xdp_take_over(struct ikw_hooks *h, struct hook *hook)
{
	int prog_fd = ikw_packets_program(&h->packets, IKW_PACKET_XDP);
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);

	if (prog_fd < 0 || hook->xdp_left < 0 || strcmp(hook->left.in, hook->how) ||
	    bpf_obj_get_info_by_fd(hook->xdp_left, &info, &size))
		return false;
	if (info.prog_id != program_id(prog_fd) && bpf_link_update(hook->xdp_left, prog_fd, NULL))
		return false;
	hook->xdp_fd = hook->xdp_left;
	hook->xdp_left = -1;
	return true;
}

static int xdp_attach(struct ikw_hooks *h, struct hook *hook, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	char path[PATH_MAX];
	int fd;

	if (xdp_take_over(h, hook))
		return 0;
	xdp_sweep(h, hook);
	fd = ikw_packets_program(&h->packets, IKW_PACKET_XDP);
	if (fd >= 0)
		fd = bpf_link_create(fd, (int)hook->ifindex, BPF_XDP, &opts);
	if (fd < 0)
		return fd;
	hook->xdp_fd = fd;
	if (h->pin_dir) {
		link_path(h, hook->name, path, sizeof(path));
		bpf_obj_pin(fd, path);
	}
	return 0;
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
	int err = program < 0 ? program : tc_attach(hook, BPF_TC_INGRESS, program, &hook->tc_in);

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
	if (other_xdp(hook))
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
	if (other_xdp(hook))
		return -EBUSY;
	hook->how = generic ? "xdp-generic" : "xdp";
	snprintf(hook->note, sizeof(hook->note), "asked for");
	return xdp_attach(h, hook, generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
}

static int attach_out(struct ikw_hooks *h, struct hook *hook)
{
	int program = ikw_packets_program(&h->packets,
					  hook->ip ? IKW_PACKET_TC_OUT_IP : IKW_PACKET_TC_OUT);

	return program < 0 ? program : tc_attach(hook, BPF_TC_EGRESS, program, &hook->tc_out);
}

static struct hook *hook_new(const struct ikw_hooks *h, uint32_t ifindex, const char *name)
{
	struct hook *hook = calloc(1, sizeof(*hook));

	if (!hook)
		return NULL;
	hook->ifindex = ifindex;
	hook->xdp_fd = -1;
	hook->how = "none";
	hook->ip = without_ethernet(name);
	snprintf(hook->name, sizeof(hook->name), "%.15s", name);
	if (h->interfaces_fd < 0 || bpf_map_lookup_elem(h->interfaces_fd, &ifindex, &hook->left) ||
	    strncmp(hook->left.name, hook->name, sizeof(hook->left.name)))
		memset(&hook->left, 0, sizeof(hook->left));
	hook->own_qdisc = hook->left.own_qdisc;
	hook->behind = hook->left.behind;
	hook->xdp_left = xdp_find(h, hook);
	return hook;
}

/* What an earlier agent had there and this one has not. */
static void hook_tidy(const struct ikw_hooks *h, struct hook *hook)
{
	xdp_sweep(h, hook);
	if (!hook->tc_in)
		tc_sweep(hook->ifindex, BPF_TC_INGRESS);
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
		snprintf(why, size, "%s: %s",
			 hook->tc_in || hook->xdp_fd >= 0 ? "tc egress" : hook->how,
			 err == -EBUSY ? "another XDP program is attached" : strerror(-err));
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
	}
}

void ikw_hooks_counts(const struct ikw_hooks *h, struct ikw_counts *sum)
{
	rows_sum(h, sum);
	sum->esp += ikw_esp_slots_packets(h->esp);
}

uint64_t ikw_hooks_suppressed(struct ikw_hooks *h)
{
	struct ikw_counts sum;

	rows_sum(h, &sum);
	/* whose they were is asked only when there are more */
	if (sum.suppressed != h->suppressed)
		h->suppressed_known = ikw_suppressed_sum(h->packets.peers);
	h->suppressed = sum.suppressed;
	return h->suppressed_known;
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
	char name[IKW_NAME_LEN + 8];

	if (pin_dir) {
		snprintf(name, sizeof(name), "xdp_%.15s", left->name);
		ikw_pin_del(pin_dir, IKW_PIN_LINKS, name);
	}
	tc_sweep(ifindex, BPF_TC_INGRESS);
	tc_sweep(ifindex, BPF_TC_EGRESS);
	if (left->own_qdisc)
		qdisc_drop(ifindex);
	libbpf_set_print(log);
}

static bool is_hooked(const struct ikw_hooks *h, uint32_t ifindex)
{
	const struct hook *hook = h->list;

	while (hook && hook->ifindex != ifindex)
		hook = hook->next;
	return hook;
}

void ikw_hooks_sweep(struct ikw_hooks *h)
{
	uint32_t stale[64], key, *from = NULL;
	struct ikw_interface row;
	size_t count = 0;

	if (h->interfaces_fd < 0)
		return;
	while (count < 64 && !bpf_map_get_next_key(h->interfaces_fd, from, &key)) {
		if (!is_hooked(h, key))
			stale[count++] = key;
		from = &key;
	}
	for (size_t i = 0; i < count; i++) {
		if (!bpf_map_lookup_elem(h->interfaces_fd, &stale[i], &row))
			ikw_hooks_remove(h->pin_dir, stale[i], &row);
		bpf_map_delete_elem(h->interfaces_fd, &stale[i]);
	}
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
