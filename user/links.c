// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "links.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "pin.h"

/* include/uapi/linux/bpf.h of Linux 6.6; older headers do not have them */
enum {
	TCX_LINK_TYPE = 11,
	TCX_INGRESS = 46,
	TCX_EGRESS = 47,
	TCX_BEFORE = 1 << 3, /* nothing named: before all others */
};

static const struct {
	const char *prefix; /* of the pin's name */
	uint32_t type;	    /* enum bpf_link_type */
	int attach;	    /* enum bpf_attach_type */
} kinds[] = {
	[IKW_LINK_XDP] = { IKW_PIN_XDP, BPF_LINK_TYPE_XDP, BPF_XDP },
	[IKW_LINK_TCX_IN] = { IKW_PIN_TCX_IN, TCX_LINK_TYPE, TCX_INGRESS },
	[IKW_LINK_TCX_OUT] = { IKW_PIN_TCX_OUT, TCX_LINK_TYPE, TCX_EGRESS },
};

#define PIN_NAME 32

/* bpffs takes no dots, which a VLAN's name has; an interface's has no colons. */
static void pin_name(char name[PIN_NAME], enum ikw_link_kind kind, const char *ifname)
{
	snprintf(name, PIN_NAME, "%s%.15s", kinds[kind].prefix, ifname);
	for (char *at = strchr(name, '.'); at; at = strchr(at, '.'))
		*at = ':';
}

uint32_t ikw_program_id(int prog_fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(prog_fd, &info, &size) ? 0 : info.id;
}

/* What the kernel says to a kind of link that it does not know is EINVAL. */
static int tcx_error(int err)
{
	return err == -EINVAL ? -EOPNOTSUPP : err;
}

int ikw_link_tcx(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_prog_query_opts, opts);
	int err = bpf_prog_query_opts((int)ifindex, (enum bpf_attach_type)TCX_INGRESS, &opts);

	return err == -ENOENT ? 0 : tcx_error(err); /* no program there is no entry */
}

int ikw_link_make(const char *pin_dir, enum ikw_link_kind kind, const char *ifname,
		  uint32_t ifindex, int prog_fd, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = kind == IKW_LINK_XDP ? flags : (uint32_t)TCX_BEFORE);
	enum bpf_attach_type side = (enum bpf_attach_type)kinds[kind].attach;
	char name[PIN_NAME];
	int fd;

	/* the same program is there already: by a link that the kernel has not yet ended */
	for (int i = 0; i < 100; i++) {
		fd = bpf_link_create(prog_fd, (int)ifindex, side, &opts);
		if (fd != -EEXIST)
			break;
		usleep(5000);
	}
	if (fd < 0)
		return kind == IKW_LINK_XDP ? fd : tcx_error(fd);
	if (pin_dir) {
		pin_name(name, kind, ifname);
		ikw_pin_put(fd, pin_dir, IKW_PIN_LINKS, name);
	}
	return fd;
}

/* tcx begins with the interface as XDP does; which side it is on, only we name so */
static bool is_on(int fd, enum ikw_link_kind kind, uint32_t ifindex)
{
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &size) && info.type == kinds[kind].type &&
	       info.xdp.ifindex == ifindex;
}

int ikw_link_find(const char *pin_dir, enum ikw_link_kind kind, const char *ifname,
		  uint32_t ifindex)
{
	char name[PIN_NAME];
	int fd;

	if (!pin_dir)
		return -1;
	pin_name(name, kind, ifname);
	fd = ikw_pin_get(pin_dir, IKW_PIN_LINKS, name);
	if (fd < 0)
		return -1;
	if (is_on(fd, kind, ifindex))
		return fd;
	close(fd);
	ikw_pin_del(pin_dir, IKW_PIN_LINKS, name);
	return -1;
}

int ikw_link_rename(const char *pin_dir, enum ikw_link_kind kind, const char *was,
		    const char *ifname, uint32_t ifindex)
{
	char from[PIN_NAME], to[PIN_NAME];
	int fd;

	if (!pin_dir)
		return -1;
	pin_name(from, kind, was);
	pin_name(to, kind, ifname);
	fd = ikw_pin_get(pin_dir, IKW_PIN_LINKS, from);
	if (fd < 0)
		return -1;
	if (is_on(fd, kind, ifindex)) {
		ikw_pin_rename(pin_dir, IKW_PIN_LINKS, from, to);
		return fd;
	}
	close(fd);
	return -1;
}

int ikw_link_run(int fd, int prog_fd)
{
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	if (info.prog_id == ikw_program_id(prog_fd))
		return 0;
	return bpf_link_update(fd, prog_fd, NULL) ? -errno : 0;
}

void ikw_link_drop(const char *pin_dir, enum ikw_link_kind kind, const char *ifname, int fd)
{
	char name[PIN_NAME];

	/* at once: the kernel may take its time with the last reference */
	if (fd >= 0)
		bpf_link_detach(fd);
	if (pin_dir) {
		pin_name(name, kind, ifname);
		ikw_pin_del(pin_dir, IKW_PIN_LINKS, name);
	}
	if (fd >= 0)
		close(fd);
}
