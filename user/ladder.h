/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ladder diagram of an incident, as inline SVG. */
#ifndef IKEWATCH_LADDER_H
#define IKEWATCH_LADDER_H

#include <stdio.h>
#include "incident.h"

/* Writes a <figure>: one mark for every fact of the evidence, drawn to time. */
void ikw_ladder_write(FILE *out, const struct ikw_incident *incident);

/* Text with what HTML gives a meaning to escaped. */
void ikw_html_text(FILE *out, const char *text);

#endif
