/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A request on the control socket, parsed. Pure. */
#ifndef IKEWATCH_CONTROL_REQUEST_H
#define IKEWATCH_CONTROL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IKW_CONTROL_IDS	 256 /* ids in one request */
#define IKW_CONTROL_NOTE 512 /* bytes of a note */

struct ikw_control_request {
	char name[16]; /* "status", "tunnels", "record", "clear" */
	/* clear: */
	uint64_t ids[IKW_CONTROL_IDS];
	size_t id_count;
	bool all;
	bool has_note;
	char note[IKW_CONTROL_NOTE];
	/* filled in by who knows the client */
	bool may_clear;
	char who[80];
};

/*
 * Reads one request, a JSON object of `len` bytes: {"request": "status"},
 * {"request": "clear", "ids": [7], "note": "..."}, {"request": "clear", "all":
 * true}. NULL, or what is wrong with it (static text).
 */
const char *ikw_control_parse(const char *text, size_t len, struct ikw_control_request *request);

/* A request as one line with its line end; malloc'd; NULL without memory. */
char *ikw_control_format(const struct ikw_control_request *request);

#endif
