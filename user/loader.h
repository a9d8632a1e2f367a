/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loads and attaches the SAD/SPD and host probes in the best way this kernel
 * allows, probe by probe, and reads the ring buffer.
 *
 * The ring is one queue for all CPUs, in the order in which room was reserved
 * under one lock: a record is never read before one that was begun earlier, so
 * nothing is sorted here. (hdr.time may differ from that order by the moment
 * between reading the clock and reserving.)
 */
#ifndef IKEWATCH_LOADER_H
#define IKEWATCH_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/ikewatch_event.h"
#include "bpf/layout.h"
#include "probes.h"
#include "stamp.h"

struct ikw_loader;

struct ikw_loader_config {
	enum ikw_tier tier;  /* of the SAD probes: this and no other; IKW_TIER_NONE: the best */
	uint32_t netns;	     /* inode of the watched network namespace; 0: all */
	uint32_t ring_bytes; /* rounded up to a power of two; 0: as compiled */
	/*
	 * Where an earlier agent may have pinned its maps and programs, to be gone on
	 * with; held by the caller. NULL: everything begins anew.
	 */
	const char *pin_dir;
};

/* What was found pinned. */
enum ikw_found {
	IKW_FOUND_NOTHING,  /* nothing: everything is new */
	IKW_FOUND_OTHER,    /* of an ikewatch that laid it out differently: replaced */
	IKW_FOUND_MAPS,	    /* the ring is gone on with, but nothing has written to it meanwhile */
	IKW_FOUND_ATTACHED, /* programs too: they have witnessed all along */
};

struct ikw_probe_status {
	const char *name;
	enum ikw_how how;
	bool required;
	uint32_t sees;
	char why[256]; /* why it is not attached, or not in a better way; empty: it is the best */
};

/*
 * Creates the ring buffer and the shared maps; attaches nothing yet. 0 with
 * *out, to be closed by the caller; a negative errno with the cause in why.
 */
int ikw_loader_open(const struct ikw_loader_config *config, struct ikw_loader **out, char *why,
		    size_t size);

/*
 * Loads and attaches. 0 when the agent can work with what is attached, be it
 * nothing (then ikw_loader_tier() is NETLINK, and the caller subscribes there);
 * -EOPNOTSUPP when the tier that config.tier demands cannot be had, with the
 * cause in ikw_loader_why(), and nothing attached.
 */
int ikw_loader_attach(struct ikw_loader *loader);

/* IKW_TIER_FENTRY, _KPROBE (if any SAD probe is one) or _NETLINK. */
enum ikw_tier ikw_loader_tier(const struct ikw_loader *loader);

/* Mask of enum ikw_observable that the attached probes give (in the NETLINK tier: the host's). */
uint32_t ikw_loader_sees(const struct ikw_loader *loader);

/* Why a better tier could not be had, one line; empty when it was. */
const char *ikw_loader_why(const struct ikw_loader *loader);

/* How each probe is attached, one entry a probe; the loader's. */
const struct ikw_probe_status *ikw_loader_probes(const struct ikw_loader *loader, size_t *count);

/* What was found in config.pin_dir. */
enum ikw_found ikw_loader_found(const struct ikw_loader *loader);

/* What was witnessed all along by programs that were found: a mask of enum ikw_observable. */
uint32_t ikw_loader_kept(const struct ikw_loader *loader);

/* Are the programs that were found the ones that go on (nothing was loaded)? */
bool ikw_loader_adopted(const struct ikw_loader *loader);

/* What the maps say of the ring and who uses it. The caller changes it with ikw_loader_note(). */
const struct ikw_layout *ikw_loader_layout(const struct ikw_loader *loader);
void ikw_loader_note(struct ikw_loader *loader, const struct ikw_layout *layout);

/* fd of a shared map ("ikw_events", "ikw_state", ...), the loader's; -ENOENT. */
int ikw_loader_map_fd(const struct ikw_loader *loader, const char *name);

/* Readable when records wait. */
int ikw_loader_poll_fd(const struct ikw_loader *loader);

/*
 * Gives fn a copy of each waiting record, at most max of them. Returns how
 * many; as many as max means that more may wait. Records whose size is not
 * their type's are dropped. A negative errno when the ring is of no use.
 */
int ikw_loader_consume(struct ikw_loader *loader, ikw_event_fn fn, void *ctx, int max);

/* Records for which the ring had no room, on all CPUs, ever. */
uint64_t ikw_loader_lost(const struct ikw_loader *loader);

/*
 * Boot time of the last record before the first one that was lost since the
 * last call, as the numbers of those taken tell; 0: they do not.
 */
uint64_t ikw_loader_lost_since(struct ikw_loader *loader);

/* Watches another network namespace from now on (inode; 0: all). */
int ikw_loader_watch(struct ikw_loader *loader, uint32_t netns);

/* Tells the probes that this process is an IKE daemon; forgotten when it exits. */
int ikw_loader_add_daemon(struct ikw_loader *loader, uint32_t tgid);

/*
 * Pins maps, programs and links below config.pin_dir: DIR/NAME,
 * DIR/programs/NAME, DIR/links/NAME; the attachment then outlives the process.
 * From here on the programs just attached speak, and those that were there
 * before are gone. 0, or the first negative errno (5.10 cannot pin a kprobe's
 * link: -EINVAL), with everything else pinned.
 */
int ikw_loader_pin(struct ikw_loader *loader);

/* Detaches what is not pinned, frees everything. NULL is fine. */
void ikw_loader_close(struct ikw_loader *loader);

/* Frees everything in the process; what is pinned goes on as it is. NULL is fine. */
void ikw_loader_leave(struct ikw_loader *loader);

#endif
