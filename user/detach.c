/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch detach`: takes away what agents left in the kernel to go on witnessing. */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "cli.h"
#include "hooks.h"
#include "netns.h"
#include "pin.h"

struct detaching {
	const char *dir;
	unsigned int interfaces;
};

static void remove_rows(struct detaching *d, int fd)
{
	struct ikw_interface row;
	uint32_t key;

	while (!bpf_map_get_next_key(fd, NULL, &key)) {
		if (!bpf_map_lookup_elem(fd, &key, &row))
			ikw_hooks_remove(d->dir, key, &row);
		d->interfaces++;
		if (bpf_map_delete_elem(fd, &key))
			break;
	}
}

/* Without a list of them: every interface of this namespace is looked at for filters of ours. */
static void remove_everywhere(struct detaching *d)
{
	struct if_nameindex *list = if_nameindex();

	for (struct if_nameindex *i = list; i && i->if_index; i++) {
		struct ikw_interface row = { 0 };

		snprintf(row.name, sizeof(row.name), "%.15s", i->if_name);
		ikw_hooks_remove(d->dir, i->if_index, &row);
	}
	if (list)
		if_freenameindex(list);
}

static bool same_shape(int fd, size_t value_size)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &size) && info.value_size == value_size;
}

/* The namespace the interfaces are in. When it is gone, so are they. */
static bool find_netns(int fd, struct ikw_netns_ref *netns)
{
	struct ikw_layout layout;
	uint32_t zero = 0;
	int err;

	if (!same_shape(fd, sizeof(layout)) || bpf_map_lookup_elem(fd, &zero, &layout))
		return !ikw_netns_find(netns, NULL);
	layout.netns_path[sizeof(layout.netns_path) - 1] = 0;
	err = ikw_netns_find(netns, layout.netns_path);
	if (!err && netns->inode != layout.netns)
		err = -ENOENT;
	if (err && layout.netns_path[0])
		ikw_error("detach: %s: its namespace is gone by that name; tc filters on "
			  "interfaces that still live can go only with them",
			  layout.netns_path);
	return !err;
}

static void remove_interfaces(struct detaching *d)
{
	struct ikw_netns_ref netns = { .home_fd = -1, .watch_fd = -1 };
	int rows = ikw_pin_get(d->dir, NULL, "ikw_interfaces");
	int layout = ikw_pin_get(d->dir, NULL, "ikw_layout");

	if (find_netns(layout, &netns) && !ikw_netns_enter(&netns)) {
		if (rows >= 0 && same_shape(rows, sizeof(struct ikw_interface)))
			remove_rows(d, rows);
		else
			remove_everywhere(d);
		ikw_netns_leave(&netns);
	}
	ikw_netns_close(&netns);
	if (rows >= 0)
		close(rows);
	if (layout >= 0)
		close(layout);
}

/* A bpffs that an agent mounted for its pins alone goes as well. */
static void unmount(const char *dir)
{
	struct stat here, above;
	char parent[4096];

	snprintf(parent, sizeof(parent), "%s/..", dir);
	if (stat(dir, &here) || stat(parent, &above) || here.st_dev == above.st_dev)
		return;
	if (!umount(dir))
		rmdir(dir);
}

static int detach(const char *dir)
{
	struct detaching d = { .dir = dir };
	unsigned int pins;
	char why[4200];
	struct stat st;
	int fd;

	if (stat(dir, &st)) {
		if (errno != ENOENT) {
			ikw_error("%s: %s", dir, strerror(errno));
			return IKW_EXIT_FAILED;
		}
		printf("nothing is pinned at %s\n", dir);
		return IKW_EXIT_OK;
	}
	fd = ikw_pin_take(dir, why, sizeof(why));
	if (fd < 0) {
		ikw_error("%s; stop it first", why);
		return IKW_EXIT_FAILED;
	}
	remove_interfaces(&d);
	pins = ikw_pin_clear(dir);
	ikw_pin_drop(dir, fd);
	unmount(dir);
	printf("detached from %u interfaces; %u pins of %s removed\n", d.interfaces, pins, dir);
	return IKW_EXIT_OK;
}

int ikw_detach_main(int argc, char **argv)
{
	const struct ikw_command *command = ikw_cli_find("detach");
	const char *dir = IKW_PIN_DIR, *value;
	int key;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == '?')
			return IKW_EXIT_USAGE;
		if (key == IKW_OPT_PIN_DIR)
			dir = value;
	}
	if (optind < argc)
		return ikw_usage_error("detach", "%s: detach takes options only", argv[optind]);
	if (geteuid()) {
		ikw_error("detach: no privileges: run as root");
		return IKW_EXIT_FAILED;
	}
	return detach(dir);
}
