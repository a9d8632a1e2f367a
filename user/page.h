/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An incident as one self-contained HTML page. */
#ifndef IKEWATCH_PAGE_H
#define IKEWATCH_PAGE_H

#include "incident.h"

/* Writes the page; "-" is stdout. 0, or -1 with "FILE: cause" in why. */
int ikw_page_write(const struct ikw_incident *incident, const char *path, char *why, size_t size);

#endif
