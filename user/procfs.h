/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who a process is, and which processes are IKE daemons, from /proc.
 *
 * Start times are left at zero: /proc gives them in ticks, the kernel probes in
 * nanoseconds, and the two must not be taken for two processes.
 */
#ifndef IKEWATCH_PROCFS_H
#define IKEWATCH_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/ikewatch_event.h"

/*
 * Does /proc have the numbers that kernel probes give processes? Not in a PID
 * namespace other than the initial one (its inode is PROC_PID_INIT_INO,
 * include/linux/proc_ns.h). Where that cannot be told, yes.
 */
bool ikw_procfs_initial(void);

/*
 * Fills the description of a living process: comm, uid, loginuid, tty, exe,
 * args, parents. The header, op, start and exit_code are the caller's. False
 * when there is no such process (any more).
 */
bool ikw_procfs_describe(uint32_t tgid, struct ikw_proc *proc);

/* Fills exe and args where a record from the kernel lacks them, if the process still lives. */
void ikw_procfs_complete(struct ikw_proc *proc);

/*
 * The processes that own a UDP socket bound to one of the ports in the caller's
 * current network namespace, at most max of them into tgids. Returns how many.
 */
size_t ikw_procfs_daemons(const uint16_t *ports, size_t port_count, uint32_t *tgids, size_t max);

/* Is this one such a process? Far cheaper than to look for all. */
bool ikw_procfs_is_daemon(uint32_t tgid, const uint16_t *ports, size_t port_count);

/*
 * The processes with a socket of NETLINK_XFRM in the caller's current network
 * namespace that may use it (anybody can open one), the caller's own left out;
 * likewise.
 */
size_t ikw_procfs_xfrm_holders(uint32_t *tgids, size_t max);

/*
 * Where else the process may speak IKE: its UDP sockets of the caller's current
 * network namespace that are bound and have no peer, by their ports, each once.
 * Not those of `ports`, nor of protocols that daemons speak beside IKE, nor
 * what the kernel gives to who asks for none (ip_local_port_range). At most
 * max; returns how many.
 */
size_t ikw_procfs_other_ports(uint32_t tgid, const uint16_t *ports, size_t port_count,
			      uint16_t *found, size_t max);

/*
 * The process behind a netlink port, for NETLINK_XFRM in the caller's current
 * network namespace: a port is by default its owner's pid, so the process of
 * that number counts if it holds an XFRM socket there. 0: could not be told.
 */
uint32_t ikw_procfs_xfrm_port(uint32_t portid);

/* Is it a command that controls IKE daemons or the SAD? args: argv, NUL-separated. */
bool ikw_procfs_is_control_tool(const char *args, size_t len);

#endif
