// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "intake.h"
#include "event.h"
#include "wire.h"
#include "bpf/ike.h"
#include <stdlib.h>
#include <string.h>

/* The last record that a CPU made. */
struct last_record {
	uint64_t seq;
	uint64_t time;
};

struct ikw_intake {
	uint64_t latest; /* time of a record */
	uint64_t hole;	 /* the record before the first that is missing: its time; 0: none is */
	int cpus;
	struct last_record seen[]; /* by CPU */
};

struct ikw_intake *ikw_intake_new(int cpus)
{
	struct ikw_intake *intake =
		calloc(1, sizeof(*intake) + (size_t)cpus * sizeof(intake->seen[0]));

	if (intake)
		intake->cpus = cpus;
	return intake;
}

void ikw_intake_free(struct ikw_intake *intake)
{
	free(intake);
}

static void earlier(uint64_t *time, uint64_t other)
{
	if (!*time || other < *time)
		*time = other;
}

/* Numbers that a CPU's records skip are those of records that were lost. */
static void note_number(struct ikw_intake *intake, const struct ikw_hdr *hdr)
{
	struct last_record *seen;

	if (hdr->cpu >= (unsigned int)intake->cpus)
		return;
	seen = &intake->seen[hdr->cpu];
	if (hdr->seq <= seen->seq)
		return;
	if (seen->seq && hdr->seq != seen->seq + 1)
		earlier(&intake->hole, seen->time);
	*seen = (struct last_record){ hdr->seq, hdr->time };
}

/*
 * In a flood IKE messages share the time of an earlier one of their jiffy
 * (bpf/packet.bpf.c), but none came before what stands before it in the ring.
 */
static void keep_order(struct ikw_intake *intake, struct ikw_hdr *hdr)
{
	if (hdr->type == IKW_EV_IKE && hdr->time < intake->latest)
		hdr->time = intake->latest;
	else if (hdr->time > intake->latest)
		intake->latest = hdr->time;
}

/* Packets of other protocols become records of what they say. */
static void take_raw(const void *data, ikw_event_fn fn, void *ctx)
{
	struct ikw_wire wires[IKW_WIRE_RECORDS];
	union ikw_event event;
	struct ikw_raw raw;
	size_t n;

	memcpy(&raw, data, sizeof(raw));
	n = ikw_wire_read(&raw, wires);
	for (size_t i = 0; i < n; i++) {
		event.wire = wires[i];
		fn(ctx, &event);
	}
}

/* Its header is not one like the others'. */
static void take_quick(struct ikw_intake *intake, const void *data, ikw_event_fn fn, void *ctx)
{
	union ikw_event event;
	struct ikw_quick quick;

	memcpy(&quick, data, sizeof(quick));
	if (!ikw_quick_open(&quick, &event.ike))
		return;
	note_number(intake, &event.hdr);
	keep_order(intake, &event.hdr);
	fn(ctx, &event);
}

void ikw_intake_take(struct ikw_intake *intake, const void *data, size_t size, ikw_event_fn fn,
		     void *ctx)
{
	union ikw_event event;
	struct ikw_hdr hdr;
	const char *why;

	if (size < sizeof(hdr))
		return;
	memcpy(&hdr, data, sizeof(hdr));
	if (hdr.type == IKW_EV_QUICK) {
		if (hdr.size == sizeof(struct ikw_quick) && size >= hdr.size)
			take_quick(intake, data, fn, ctx);
		return;
	}
	note_number(intake, &hdr);
	if (hdr.type == IKW_EV_RAW && hdr.size == sizeof(struct ikw_raw) && size >= hdr.size) {
		take_raw(data, fn, ctx);
	} else if (ikw_event_valid(data, size, &why)) {
		memcpy(&event, data, hdr.size);
		keep_order(intake, &event.hdr);
		fn(ctx, &event);
	}
}

uint64_t ikw_intake_lost_since(struct ikw_intake *intake, const struct ikw_cpu_state *state)
{
	uint64_t since = intake->hole;

	/* behind the last record that there was room for */
	for (int i = 0; state && i < intake->cpus; i++)
		if (intake->seen[i].seq && state[i].seq > intake->seen[i].seq)
			earlier(&since, intake->seen[i].time);
	intake->hole = 0;
	return since;
}
