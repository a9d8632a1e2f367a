/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "pin.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPFFS "/sys/fs/bpf"

static bool on_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* mkdir -p, for root only. */
static int make_dirs(const char *dir)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	for (char *at = path + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = 0;
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		*at = '/';
	}
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

/* The usual place gets its usual mount; any other directory becomes one itself. */
static int mount_bpffs(const char *dir)
{
	bool usual = !strncmp(dir, BPFFS "/", sizeof(BPFFS));
	int err;

	if (usual && !on_bpffs(BPFFS) && mount("bpf", BPFFS, "bpf", 0, "mode=0700"))
		return -errno;
	err = make_dirs(dir);
	if (err || on_bpffs(dir))
		return err;
	return mount("bpf", dir, "bpf", 0, "mode=0700") ? -errno : 0;
}

int ikw_pin_take(const char *dir, char *why, size_t size)
{
	int err = mount_bpffs(dir);
	int fd = err ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		snprintf(why, size, "%s: %s", dir, strerror(err ? -err : errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		snprintf(why, size, "%s: another agent pins there", dir);
		close(fd);
		return -1;
	}
	return fd;
}

void ikw_pin_drop(const char *dir, int fd)
{
	if (fd < 0)
		return;
	rmdir(dir); /* fails while something else is in it, or it is a mount: fine */
	close(fd);
}
