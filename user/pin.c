/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "pin.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "lock.h"

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
		snprintf(why, size, "%s: another agent pins there (pid %d)", dir,
			 (int)ikw_lock_holder(dir));
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

/* ---- single pins ---------------------------------------------------------- */

/* A name that is not final yet; bpffs takes no dots. */
#define STAGED "new_"

static bool path_of(char *path, size_t size, const char *dir, const char *sub, const char *prefix,
		    const char *name)
{
	int n = snprintf(path, size, "%s%s%s/%s%s", dir, sub ? "/" : "", sub ? sub : "", prefix,
			 name);

	return n > 0 && (size_t)n < size;
}

int ikw_pin_subdirs(const char *dir)
{
	static const char *const subs[] = { IKW_PIN_PROGRAMS, IKW_PIN_LINKS };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(subs) / sizeof(subs[0]); i++) {
		if (!path_of(path, sizeof(path), dir, NULL, "", subs[i]))
			return -ENAMETOOLONG;
		if (mkdir(path, 0700) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int ikw_pin_get(const char *dir, const char *sub, const char *name)
{
	char path[PATH_MAX];
	int fd;

	if (!path_of(path, sizeof(path), dir, sub, "", name))
		return -ENAMETOOLONG;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

int ikw_pin_stage(int fd, const char *dir, const char *sub, const char *name)
{
	char path[PATH_MAX];

	if (!path_of(path, sizeof(path), dir, sub, STAGED, name))
		return -ENAMETOOLONG;
	unlink(path);
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

static int move(const char *dir, const char *sub, const char *prefix, const char *was,
		const char *name)
{
	char from[PATH_MAX], to[PATH_MAX];

	if (!path_of(from, sizeof(from), dir, sub, prefix, was) ||
	    !path_of(to, sizeof(to), dir, sub, "", name))
		return -ENAMETOOLONG;
	return rename(from, to) ? -errno : 0;
}

int ikw_pin_commit(const char *dir, const char *sub, const char *name)
{
	return move(dir, sub, STAGED, name, name);
}

int ikw_pin_rename(const char *dir, const char *sub, const char *from, const char *to)
{
	return move(dir, sub, "", from, to);
}

int ikw_pin_put(int fd, const char *dir, const char *sub, const char *name)
{
	int err = ikw_pin_stage(fd, dir, sub, name);

	return err ? err : ikw_pin_commit(dir, sub, name);
}

bool ikw_pin_fits(int fd, const struct bpf_map *map)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &size) && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.map_flags == bpf_map__map_flags(map) &&
	       (info.type == BPF_MAP_TYPE_RINGBUF || info.max_entries == bpf_map__max_entries(map));
}

void ikw_pin_del(const char *dir, const char *sub, const char *name)
{
	char path[PATH_MAX];

	if (path_of(path, sizeof(path), dir, sub, "", name))
		unlink(path);
}

/* ---- many ------------------------------------------------------------------ */

bool ikw_pin_is_hook(const char *name)
{
	static const char *const prefixes[] = { IKW_PIN_XDP, IKW_PIN_TCX_IN, IKW_PIN_TCX_OUT };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

/* Only what an agent would have named so: the directory may be anyone's. */
static bool is_ours(const char *name)
{
	if (!strncmp(name, STAGED, strlen(STAGED)))
		name += strlen(STAGED);
	return !strncmp(name, "ikw_", 4) || ikw_pin_is_hook(name);
}

unsigned int ikw_pin_sweep(const char *dir, const char *sub,
			   bool (*keep)(void *ctx, const char *name), void *ctx)
{
	char path[PATH_MAX];
	struct dirent *entry;
	unsigned int count = 0;
	DIR *list;

	if (!path_of(path, sizeof(path), dir, NULL, "", sub ? sub : "."))
		return 0;
	list = opendir(path);
	while (list && (entry = readdir(list))) {
		if (!is_ours(entry->d_name) || (keep && keep(ctx, entry->d_name)) ||
		    !path_of(path, sizeof(path), dir, sub, "", entry->d_name))
			continue;
		count += !unlink(path);
	}
	if (list)
		closedir(list);
	return count;
}

unsigned int ikw_pin_clear(const char *dir)
{
	static const char *const subs[] = { IKW_PIN_LINKS, IKW_PIN_PROGRAMS };
	unsigned int count = 0;
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(subs) / sizeof(subs[0]); i++) {
		count += ikw_pin_sweep(dir, subs[i], NULL, NULL);
		if (path_of(path, sizeof(path), dir, NULL, "", subs[i]))
			rmdir(path);
	}
	return count + ikw_pin_sweep(dir, NULL, NULL, NULL);
}
