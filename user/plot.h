/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ESP traffic of an incident's SAs before their end, as inline SVG. */
#ifndef IKEWATCH_PLOT_H
#define IKEWATCH_PLOT_H

#include <stdio.h>
#include "incident.h"

/* Writes a <section> with the plot; or, where nothing was sampled, with a sentence that says so. */
void ikw_plot_write(FILE *out, const struct ikw_incident *incident);

#endif
