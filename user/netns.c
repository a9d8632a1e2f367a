/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "netns.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "format.h"

#define OWN	"/proc/thread-self/ns/net"
#define INITIAL "/proc/1/ns/net" /* init lives in the initial namespace, or in its container's */

static uint32_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : (uint32_t)st.st_ino;
}

/* A descriptor of the namespace, or a negative errno; -EINVAL if the file is something else. */
static int open_netns(const char *path, uint32_t *inode)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET || fstat(fd, &st) < 0) {
		close(fd);
		return -EINVAL;
	}
	*inode = (uint32_t)st.st_ino;
	return fd;
}

/* The name under /run/netns that has this inode. */
static bool name_by_inode(uint32_t inode, char *name, size_t size)
{
	DIR *dir = opendir(IKW_NETNS_DIR);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), IKW_NETNS_DIR "/%s", entry->d_name);
		found = entry->d_name[0] != '.' && inode_of(path) == inode;
		if (found)
			snprintf(name, size, "%.63s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* A file may be called anything, and long names are cut: made a text that JSON takes. */
static void make_text(char *name)
{
	json_t *json;

	ikw_plain(name);
	json = json_string(name);
	for (char *c = name; !json && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	json_decref(json);
}

static void set_name(struct ikw_netns_ref *ref)
{
	const char *base = strrchr(ref->path, '/');

	if (ref->inode == inode_of(INITIAL))
		snprintf(ref->name, sizeof(ref->name), "Public");
	else if (base && !strncmp(ref->path, IKW_NETNS_DIR "/", sizeof(IKW_NETNS_DIR)))
		snprintf(ref->name, sizeof(ref->name), "%.63s", base + 1);
	else if (!name_by_inode(ref->inode, ref->name, sizeof(ref->name)))
		snprintf(ref->name, sizeof(ref->name), "netns-%u", ref->inode);
	make_text(ref->name);
}

int ikw_netns_find(struct ikw_netns_ref *ref, const char *name)
{
	int fd;

	*ref = (struct ikw_netns_ref){ .home_fd = -1, .watch_fd = -1 };
	ref->home_fd = open(OWN, O_RDONLY | O_CLOEXEC);
	if (ref->home_fd < 0)
		return -errno;
	ref->own = !name || !*name;
	if (ref->own) {
		ref->inode = inode_of(OWN);
		set_name(ref);
		return 0;
	}
	if ((size_t)snprintf(ref->path, sizeof(ref->path), "%s%s",
			     strchr(name, '/') ? "" : IKW_NETNS_DIR "/", name) >= sizeof(ref->path))
		return -ENAMETOOLONG;
	fd = open_netns(ref->path, &ref->inode);
	if (fd < 0)
		return fd;
	close(fd);
	set_name(ref);
	return 0;
}

int ikw_netns_enter(struct ikw_netns_ref *ref)
{
	int fd, err = 0;

	if (ref->own)
		return 0;
	fd = open_netns(ref->path, &ref->inode);
	if (fd < 0)
		return fd;
	if (setns(fd, CLONE_NEWNET) < 0)
		err = -errno;
	close(fd);
	return err;
}

int ikw_netns_enter_socket(struct ikw_netns_ref *ref, int fd)
{
	int netns, err = 0;

	if (ref->own)
		return 0;
	netns = ioctl(fd, SIOCGSKNS);
	if (netns < 0)
		return -errno;
	if (setns(netns, CLONE_NEWNET) < 0)
		err = -errno;
	close(netns);
	return err;
}

void ikw_netns_leave(struct ikw_netns_ref *ref)
{
	/* Staying inside would act on the wrong network from here on. */
	if (!ref->own && setns(ref->home_fd, CLONE_NEWNET) < 0)
		abort();
}

/* ---- watching ----------------------------------------------------------- */

static int watch_process(struct ikw_netns_ref *ref, int pid)
{
	ref->watch_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (ref->watch_fd < 0)
		return -errno;
	ref->watch_process = true;
	return 0;
}

int ikw_netns_watch(struct ikw_netns_ref *ref)
{
	char copy[PATH_MAX];
	int pid;

	if (ref->own)
		return 0;
	if (sscanf(ref->path, "/proc/%d/", &pid) == 1)
		return watch_process(ref, pid);
	ref->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (ref->watch_fd < 0)
		return -errno;
	memcpy(copy, ref->path, sizeof(copy));
	if (inotify_add_watch(ref->watch_fd, dirname(copy),
			      IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR) < 0)
		return -errno;
	return 0;
}

static enum ikw_netns_news news_of(const struct ikw_netns_ref *ref,
				   const struct inotify_event *event)
{
	const char *base = strrchr(ref->path, '/');

	if (!event->len || strcmp(event->name, base ? base + 1 : ref->path))
		return IKW_NETNS_SAME;
	return event->mask & (IN_DELETE | IN_MOVED_FROM) ? IKW_NETNS_WENT : IKW_NETNS_CAME;
}

enum ikw_netns_news ikw_netns_news(struct ikw_netns_ref *ref)
{
	char buf[4096] __attribute__((aligned(8)));
	enum ikw_netns_news news = IKW_NETNS_SAME, one;
	ssize_t n;

	if (ref->watch_process) {
		close(ref->watch_fd);
		ref->watch_fd = -1;
		return IKW_NETNS_WENT;
	}
	while ((n = read(ref->watch_fd, buf, sizeof(buf))) > 0) {
		for (char *at = buf; at < buf + n;) {
			const struct inotify_event *event = (const void *)at;

			one = news_of(ref, event);
			if (one != IKW_NETNS_SAME)
				news = one;
			at += sizeof(*event) + event->len;
		}
	}
	return news;
}

void ikw_netns_close(struct ikw_netns_ref *ref)
{
	if (ref->watch_fd >= 0)
		close(ref->watch_fd);
	if (ref->home_fd >= 0)
		close(ref->home_fd);
	ref->watch_fd = ref->home_fd = -1;
}
