/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The catalogue (catalogue.h) for people and for machines. */
#ifndef IKEWATCH_CATALOGUE_OUT_H
#define IKEWATCH_CATALOGUE_OUT_H

#include <stdint.h>
#include <stdio.h>
#include <jansson.h>

/*
 * The catalogue as a JSON array, one object per reason in the order of
 * IKW_REASONS. sees: mask of enum ikw_observable that this host can see; NULL:
 * not determined ("observable" is then null). A new reference, or NULL without
 * memory.
 */
json_t *ikw_catalogue_json(const uint32_t *sees);

/* The same as text, for terminals of 80 columns; sees as above. */
void ikw_catalogue_print(FILE *out, const uint32_t *sees);

#endif
