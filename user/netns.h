/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The network namespace watched. Entered only for as long as sockets are made
 * or programs attached; between these no descriptor of it is kept here, so that
 * it can die when its name goes.
 */
#ifndef IKEWATCH_NETNS_H
#define IKEWATCH_NETNS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define IKW_NETNS_DIR "/run/netns"

struct ikw_netns_ref {
	bool own;	     /* the agent's own: nothing to enter or to watch */
	char path[PATH_MAX]; /* empty if own */
	char name[64];	     /* what alarms call it: "Public" if it is the initial one */
	uint32_t inode;
	int home_fd;  /* the agent's own namespace, to come back; -1: not open */
	int watch_fd; /* inotify or pidfd; -1: none */
	bool watch_process;
};

/*
 * Finds the namespace: NULL or "" for the agent's own, a name under /run/netns,
 * or a path. 0, or a negative errno (-ENOENT: no such name; -EINVAL: not a
 * network namespace).
 */
int ikw_netns_find(struct ikw_netns_ref *ref, const char *name);

/* Enters it, noting its inode. 0 or a negative errno. */
int ikw_netns_enter(struct ikw_netns_ref *ref);

/*
 * Enters the namespace that a socket was made in (SIOCGSKNS): also when its
 * name is gone by now, or names another. 0 or a negative errno.
 */
int ikw_netns_enter_socket(struct ikw_netns_ref *ref, int fd);

/* Back to the agent's own namespace. */
void ikw_netns_leave(struct ikw_netns_ref *ref);

/*
 * Starts to watch the name (a path below /proc/PID: the process). 0 with
 * watch_fd to be polled, -1 there when it needs no watching; or a negative errno.
 */
int ikw_netns_watch(struct ikw_netns_ref *ref);

enum ikw_netns_news { IKW_NETNS_SAME, IKW_NETNS_WENT, IKW_NETNS_CAME };

/* What happened to the name since the last call; to be called when watch_fd is readable. */
enum ikw_netns_news ikw_netns_news(struct ikw_netns_ref *ref);

void ikw_netns_close(struct ikw_netns_ref *ref);

#endif
