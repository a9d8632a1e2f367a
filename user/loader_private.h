/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside of the loader: user/loader.c, loader_programs.c and loader_pin.c only.
 * What is loaded and attached is the loader's until it is closed.
 */
#ifndef IKEWATCH_LOADER_PRIVATE_H
#define IKEWATCH_LOADER_PRIVATE_H

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "bpf/maps.h"
#include "bpf/probes.h"
#include "intake.h"
#include "loader.h"

#define IKW_SIDES 2 /* entry, exit */

struct ikw_loader_row {
	const struct ikw_probe *probe;
	bool refused[IKW_HOWS]; /* tried in vain, or not possible here */
	bool more;		/* the function has one argument more here */
	struct bpf_link *links[IKW_SIDES];
};

struct ikw_loader {
	struct ikw_loader_config config;
	struct bpf_object *maps;
	struct bpf_object *parts[IKW_PARTS];
	struct btf *btf; /* the kernel's; NULL: none */
	struct ring_buffer *ring;
	struct ikw_intake *intake;
	struct ikw_loader_row *rows;
	struct ikw_probe_status *status;
	struct ikw_layout layout;
	enum ikw_found found;
	bool adopted;	/* what is attached was found so */
	bool pinned;	/* all of it */
	uint32_t epoch; /* of the programs that this loader attaches */
	uint32_t speaking;
	uint32_t kept; /* enum ikw_observable */
	char why[256];
	int cpus;
	/* while consuming */
	ikw_event_fn fn;
	void *ctx;
	int left;
};

/* ---- loader_programs.c: which way each probe goes; loading and attaching ---------------- */

/*
 * From here on what libbpf says goes to where ikw_loader_said() finds it; *before is
 * what it went to, for libbpf_set_print(). One function serves the whole process.
 */
void ikw_loader_listen(libbpf_print_fn_t *before);
/* The decisive line since then; empty: it said nothing. Static. */
const char *ikw_loader_said(void);

/* Names of a probe's programs as it goes now: how many, at most IKW_SIDES. */
size_t ikw_loader_programs(const struct ikw_loader *loader, size_t i, const char *names[IKW_SIDES]);
/* Can a probe go this way at all, on whatever kernel? */
bool ikw_loader_offers(const struct ikw_probe *probe, enum ikw_how how);
/* The required probe of a part that is missing; NULL: the part is of use. */
const struct ikw_probe_status *ikw_loader_missing(const struct ikw_loader *loader,
						  enum ikw_part part);

/* Attaches what works of every part, each probe in its best way. */
void ikw_loader_attach_parts(struct ikw_loader *loader);
void ikw_loader_detach(struct ikw_loader *loader, enum ikw_part part);
/* Detaches every part; why: goes into the status of each probe that has none. */
void ikw_loader_turn_off(struct ikw_loader *loader, const char *why);

/* The object that holds the shared maps, opened; NULL: errno. */
struct bpf_object *ikw_loader_open_maps(void);
/* Names the SAD and host programs of this build, and what they were asked to be; never 0. */
uint64_t ikw_loader_digest(const struct ikw_loader *loader);

/* ---- loader_pin.c: what is pinned, and what an earlier agent left ------------------------- */

/* Looks at what is pinned, before anything is created: into loader->found. */
void ikw_loader_find(struct ikw_loader *loader);
/* Makes the maps object go on with what was found; false: it is not all there. */
bool ikw_loader_reuse(const struct ikw_loader *loader);
/* Pins the shared maps, just created. 0, or the first error as a negative errno. */
int ikw_loader_pin_shared(struct ikw_loader *loader);
/* Are the programs that this agent would attach attached already? Then nothing is loaded. */
bool ikw_loader_adopt(struct ikw_loader *loader);
/* What the programs that were pinned all along let see: an IKW_SEES_ mask. */
uint32_t ikw_loader_find_kept(const struct ikw_loader *loader);

#endif
