/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet programs on the interfaces of the watched network namespace: which
 * hook each gets, and the ESP counters they keep. The caller has entered the
 * namespace (setns) before ikw_hooks_attach().
 */
#ifndef IKEWATCH_HOOKS_H
#define IKEWATCH_HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "bpf/ikewatch_event.h"
#include "bpf/layout.h"
#include "bpf/packet.h"

enum ikw_hook_mode {
	IKW_HOOK_AUTO = 0,
	IKW_HOOK_XDP,
	IKW_HOOK_XDP_GENERIC,
	IKW_HOOK_TC,  /* filters of a clsact */
	IKW_HOOK_TCX, /* links on the tc hook (Linux 6.6); the others fall back to a clsact */
};

struct ikw_hooks_config {
	enum ikw_hook_mode mode;
	uint32_t netns;	   /* inode, stamped into the records */
	int events_fd;	   /* the ring buffer ikw_events ... */
	int state_fd;	   /* ... and ikw_state, of the loader */
	int interfaces_fd; /* its ikw_interfaces; 0: none, nothing is taken over */
	uint64_t found; /* digest of the packet programs that are pinned; 0: none to go on with */
	const uint16_t *ports; /* further IKE ports */
	size_t port_count;
	uint32_t wire;	      /* mask of 1 << enum ikw_wire_kind: these protocols too */
	uint16_t radius_port; /* of dynamic authorization; 0: 3799 */
	const char *pin_dir;  /* on a bpffs; NULL: nothing is pinned */
	uint64_t now;	      /* boot time ns */
};

/* Every other protocol that explains deletions. */
#define IKW_WIRE_ALL                                                                               \
	(1U << IKW_WIRE_RADIUS | 1U << IKW_WIRE_BFD | 1U << IKW_WIRE_VRRP | 1U << IKW_WIRE_DNS |   \
	 1U << IKW_WIRE_DHCP | 1U << IKW_WIRE_ECHO | 1U << IKW_WIRE_CLUSTER)

struct ikw_hooks;

/* "auto", "xdp", "xdp-generic", "tc", "tcx" into *mode. False: none of these. */
bool ikw_hook_mode_of(const char *text, enum ikw_hook_mode *mode);

/* Loads the packet programs. 0 with *out, or a negative errno with the cause in why. */
int ikw_hooks_open(const struct ikw_hooks_config *config, struct ikw_hooks **out, char *why,
		   size_t size);

/*
 * Attaches to one interface. kind: rtnetlink's IFLA_INFO_KIND, "" for a card.
 * Another XDP program is never disturbed, nor anything on another's qdisc.
 * 0, or a negative errno with the cause in why; nothing is left attached then.
 */
int ikw_hooks_attach(struct ikw_hooks *hooks, uint32_t ifindex, const char *name, const char *kind,
		     char *why, size_t size);

/* It has another name from now on: what is pinned has that, too. */
void ikw_hooks_rename(struct ikw_hooks *hooks, uint32_t ifindex, const char *name);

/* Lets an interface go; fine when it is gone already. */
void ikw_hooks_detach(struct ikw_hooks *hooks, uint32_t ifindex);

/*
 * Has somebody taken tc filters of ours from that interface (with its clsact, say)? Then
 * the interface is let go, with whatever is left of ours; a clsact that is there stays.
 * In the watched namespace.
 */
bool ikw_hooks_cut(struct ikw_hooks *hooks, uint32_t ifindex);

/*
 * Tells the programs of an SA: its peer is heard through any flood, its ESP
 * slot is not given to others. dir UNKNOWN: either. installed: boot time ns; what was
 * counted before is another's that had the name; 0: not known. Once for each SA;
 * forget undoes it and drops the SA's counters, so read them before; shared: another
 * SA has the same destination and SPI, and keeps them.
 */
void ikw_hooks_know(struct ikw_hooks *hooks, const uint8_t saddr[IKW_ADDR_LEN],
		    const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi, enum ikw_dir dir,
		    uint64_t installed);
void ikw_hooks_forget(struct ikw_hooks *hooks, const uint8_t saddr[IKW_ADDR_LEN],
		      const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi, bool shared);

/* All SAs are told: of the peers that an earlier agent knew only those are known on. */
void ikw_hooks_known_all(struct ikw_hooks *hooks);

/* Packets seen, by kind, on all CPUs since the programs were loaded. */
void ikw_hooks_counts(const struct ikw_hooks *hooks, struct ikw_counts *sum);

/*
 * ESP counters of the SA with that destination and SPI: packets, bytes and time of
 * the last since it was first seen, lost and reordered in its last minute of traffic. False:
 * no packet was seen.
 */
bool ikw_hooks_esp(const struct ikw_hooks *hooks, const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi,
		   struct ikw_esp *out);

/* What the rate limits kept from the ring, so that facts are missing. */
struct ikw_suppressed {
	uint64_t known;	 /* IKE messages of known peers */
	uint64_t behind; /* those of others while the ring was half full, be it for a flood */
	uint64_t wire;	 /* packets of other protocols */
};
void ikw_hooks_suppressed(struct ikw_hooks *hooks, struct ikw_suppressed *suppressed);

/* A new object: what was seen, by kind, and whose IKE messages were suppressed. */
json_t *ikw_hooks_packets(const struct ikw_hooks *hooks);

/* Advances the coarse clock the programs count by; every 100 ms. now: boot time ns. */
void ikw_hooks_tick(struct ikw_hooks *hooks, uint64_t now);

/* A new array: interface, hook and why it was chosen. */
json_t *ikw_hooks_status(const struct ikw_hooks *hooks);

/* Names the programs that are attached, and their settings: config.found of the next agent. */
uint64_t ikw_hooks_digest(const struct ikw_hooks *hooks);

/* Were they found pinned, so that nothing was loaded? */
bool ikw_hooks_adopted(const struct ikw_hooks *hooks);

/*
 * Lets go of the interfaces that an earlier agent was attached to and this one
 * is not. In the watched namespace.
 */
void ikw_hooks_sweep(struct ikw_hooks *hooks);

/* Detaches everything and frees. NULL is fine. */
void ikw_hooks_close(struct ikw_hooks *hooks);

/* Frees everything in the process; what is attached and pinned goes on. NULL is fine. */
void ikw_hooks_leave(struct ikw_hooks *hooks);

/*
 * What an agent that is gone left on one interface (of the namespace the caller
 * is in): its links, its filters, its clsact if nobody else uses that.
 */
void ikw_hooks_remove(const char *pin_dir, uint32_t ifindex, const struct ikw_interface *left);

#endif
