/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events as text, and the check that every event passes before it is used.
 * Pure: no I/O, no clock.
 *
 * In JSON an event is one object. Its members are the header's (`type`, `time`,
 * `cpu`, `seq`, `netns`, `flags`) and the record's, named as in
 * bpf/ikewatch_event.h; a member that is zero is left out. Forms:
 *  - addresses are text ("192.0.2.1", "2001:db8::1");
 *  - SPIs are "0x%08x", IKE SPIs 16 hex digits, marks and flag bytes "0x%x";
 *  - times are text, seconds with nine decimals ("12.000000345"); an integer is
 *    read as nanoseconds;
 *  - enums are names ("delete"), masks are arrays of names (["ike_in", "sa"]);
 *    numbers that have no name stay numbers where the enum is not ours
 *    (exchange types, protocols);
 *  - a limit of all ones is "inf", other integers above 2^63-1 are "0x…";
 *  - texts are ASCII; every other byte is \xNN and a backslash \\ (inside the
 *    JSON string); `args` is an array of such texts.
 * Padding, what follows a text's NUL and what lies beyond a counted member's
 * count carry nothing and come back as zero; all else comes back bit for bit.
 */
#ifndef IKEWATCH_EVENT_CODEC_H
#define IKEWATCH_EVENT_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "bpf/ikewatch_event.h"

/*
 * May buf be used as a union ikw_event? Checks the type, the size, that texts
 * end, that counts fit and that our enums are in range; needs no alignment.
 * len may be greater than the record's own size. On false, *why is a static text.
 */
bool ikw_event_valid(const void *buf, size_t len, const char **why);

/* Size in bytes of a type's record; 0: no such type. */
size_t ikw_event_size(unsigned int type);

/* "ike", "sa", ...; static storage; NULL: no such type. */
const char *ikw_event_type_text(unsigned int type);

/* The event as a JSON object (a new reference); NULL: no such type, or no memory. */
json_t *ikw_event_json(const union ikw_event *event);

/* The same as one compact line without a line end; malloc'd; NULL as above. */
char *ikw_event_line(const union ikw_event *event);

/*
 * The other way round. 0, or -1 with the cause in why ("by.tgid: not an
 * unsigned integer"); a member that the type does not have is an error. The
 * result has passed ikw_event_valid().
 */
int ikw_event_from_json(const json_t *json, union ikw_event *event, char *why, size_t size);

/* Parses one line of JSON text (len bytes) into an event. 0, or -1 with the cause in why. */
int ikw_event_from_line(const char *line, size_t len, union ikw_event *event, char *why,
			size_t size);

#endif
