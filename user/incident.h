/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One stored alarm with everything that can be said of it: what `explain` shows in each form. */
#ifndef IKEWATCH_INCIDENT_H
#define IKEWATCH_INCIDENT_H

#include <jansson.h>
#include "catalogue.h"
#include "store.h"

struct ikw_incident {
	json_t *alarm; /* the alarm object with its state (user/alarms.h) */
	uint64_t wall; /* when the SA was deleted */
	enum ikw_reason reason;
	const struct ikw_catalogue_entry *entry; /* what the catalogue says of the reason */
	char line[4096];			 /* the seed's line */
	char state[256];			 /* "down", "cleared … by …" */
	const char *state_dir; /* the store's, where it is not the usual one; set by the caller */
};

/* Loads an alarm. 1; 0: no such alarm; -1 with the cause in why. Free with ikw_incident_free(). */
int ikw_incident_load(struct ikw_store *store, uint64_t id, struct ikw_incident *incident,
		      char *why, size_t size);
void ikw_incident_free(struct ikw_incident *incident);

/* A text member of an object, "" when it is null or missing. */
const char *ikw_json_text(const json_t *object, const char *name);

/* All texts of a value as a terminal may be given them (ikw_plain()). */
void ikw_json_plain(json_t *json);

/* Seconds from the deletion to a time of the alarm object; negative: before. */
double ikw_incident_offset(const struct ikw_incident *incident, const char *time);

/* "charon (pid 812, uid 0, /usr/lib/ipsec/charon) <- systemd"; malloc'd; NULL for null. */
char *ikw_incident_process(const json_t *process);

/*
 * The n-th step that concerns this alarm, NULL after the last: steps for another
 * IKE daemon than the one that deleted the SA are passed over, and what only says
 * to read what is being read.
 */
const struct ikw_catalogue_step *ikw_incident_step(const struct ikw_incident *incident,
						   unsigned int n);

/* A step's command with this tunnel's addresses; malloc'd; NULL when it has none, or one of them is
 * not known. */
char *ikw_incident_command(const struct ikw_incident *incident,
			   const struct ikw_catalogue_step *step);

/* The explanation as one JSON object: the alarm and what follows from it; a new reference. */
json_t *ikw_incident_json(const struct ikw_incident *incident);

#endif
