/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A table for people: columns as wide as what is in them, cut where the terminal ends. */
#ifndef IKEWATCH_TABLE_TEXT_H
#define IKEWATCH_TABLE_TEXT_H

#include <stddef.h>
#include <stdio.h>

#define IKW_TABLE_COLUMNS 8

/* How much there is room for. */
struct ikw_table_size {
	unsigned int columns;
	unsigned int rows;
};

/* Rows are kept until all are known. Zeroed but for heads. */
struct ikw_table_text {
	const char *const *heads; /* IKW_TABLE_COLUMNS of them, NULL after the last */
	int coloured;		  /* number of the column that has a colour */
	struct {
		char *cells[IKW_TABLE_COLUMNS];
		const char *colour; /* static */
	} * rows;
	size_t count;
	size_t room;
};

/* cells are copied; colour: a terminal's code, or "". */
void ikw_table_text_add(struct ikw_table_text *table, char *const cells[IKW_TABLE_COLUMNS],
			const char *colour);

/* Prints no more than size allows (NULL: all), says how many rows are left out, frees. */
void ikw_table_text_print(struct ikw_table_text *table, FILE *out,
			  const struct ikw_table_size *size);

#endif
