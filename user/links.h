/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * BPF links that hold a program on an interface: XDP, and tcx, the tc hook
 * without a qdisc (Linux 6.6). A pinned one goes on without its owner.
 */
#ifndef IKEWATCH_LINKS_H
#define IKEWATCH_LINKS_H

#include <stdint.h>

enum ikw_link_kind {
	IKW_LINK_XDP = 0,
	IKW_LINK_TCX_IN,
	IKW_LINK_TCX_OUT,
	IKW_LINKS, /* how many */
};

/* The kernel's number of a program; 0: it does not tell. */
uint32_t ikw_program_id(int prog_fd);

/*
 * Has this kernel tcx? Asked for an interface of this network namespace. 0: yes;
 * -EOPNOTSUPP: no; another negative errno: it does not tell.
 */
int ikw_link_tcx(uint32_t ifindex);

/*
 * Attaches a program and pins the link below the directory (NULL: it ends with
 * its descriptor). On a tcx hook it comes before all other programs that are
 * there. flags: XDP_FLAGS_*, for XDP. In the interface's network namespace. A
 * descriptor that is the caller's, or a negative errno: -EOPNOTSUPP when the
 * kernel has no tcx.
 */
int ikw_link_make(const char *pin_dir, enum ikw_link_kind kind, const char *ifname,
		  uint32_t ifindex, int prog_fd, uint32_t flags);

/*
 * The link that an earlier agent pinned for that interface: a descriptor, which
 * is the caller's, or -1. A pin of that name that is no such link is taken away.
 */
int ikw_link_find(const char *pin_dir, enum ikw_link_kind kind, const char *ifname,
		  uint32_t ifindex);

/*
 * Likewise, of an interface that had another name when it was pinned; the pin has the
 * new one then. A pin of the old name that is another interface's stays as it is.
 */
int ikw_link_rename(const char *pin_dir, enum ikw_link_kind kind, const char *was,
		    const char *ifname, uint32_t ifindex);

/* Has a link run that program from now on, in one step. 0 or a negative errno. */
int ikw_link_run(int fd, int prog_fd);

/* Detaches, unpins and closes. fd -1: takes away the pin alone, with which the link goes. */
void ikw_link_drop(const char *pin_dir, enum ikw_link_kind kind, const char *ifname, int fd);

#endif
