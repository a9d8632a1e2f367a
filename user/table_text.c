/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "table_text.h"
#include <stdlib.h>
#include <string.h>

void ikw_table_text_add(struct ikw_table_text *table, char *const cells[IKW_TABLE_COLUMNS],
			const char *colour)
{
	if (table->count == table->room) {
		size_t room = table->room ? 2 * table->room : 64;
		void *rows = realloc(table->rows, room * sizeof(*table->rows));

		if (!rows)
			return;
		table->rows = rows;
		table->room = room;
	}
	for (int i = 0; i < IKW_TABLE_COLUMNS; i++)
		table->rows[table->count].cells[i] = table->heads[i] ? strdup(cells[i]) : NULL;
	table->rows[table->count++].colour = colour;
}

/* Columns that are used, and their widths. */
static int measure(const struct ikw_table_text *table, size_t widths[IKW_TABLE_COLUMNS])
{
	int count = 0;

	while (count < IKW_TABLE_COLUMNS && table->heads[count]) {
		int c = count++;

		widths[c] = strlen(table->heads[c]);
		for (size_t r = 0; r < table->count; r++) {
			const char *cell = table->rows[r].cells[c];

			if (cell && strlen(cell) > widths[c])
				widths[c] = strlen(cell);
		}
	}
	return count;
}

struct line {
	FILE *out;
	size_t left; /* columns of the terminal that are free */
};

static void put(struct line *line, const char *text, size_t width)
{
	size_t len = strlen(text);

	if (width < len)
		width = len;
	if (width > line->left)
		width = line->left;
	if (len > width)
		len = width;
	fprintf(line->out, "%.*s%*s", (int)len, text, (int)(width - len), "");
	line->left -= width;
}

static void print_row(FILE *out, const struct ikw_table_text *table, char *const *cells,
		      const char *colour, const size_t *widths, int count, size_t columns)
{
	struct line line = { out, columns };

	for (int c = 0; c < count; c++) {
		if (c)
			put(&line, "", 2);
		if (c == table->coloured)
			fputs(colour, out);
		put(&line, cells[c] ? cells[c] : "", c == count - 1 ? 0 : widths[c]);
		if (c == table->coloured && *colour)
			fputs("\033[0m", out);
	}
	fputc('\n', out);
}

void ikw_table_text_print(struct ikw_table_text *table, FILE *out,
			  const struct ikw_table_size *size)
{
	size_t widths[IKW_TABLE_COLUMNS] = { 0 };
	size_t columns = size ? size->columns : (size_t)-1;
	size_t shown = table->count;
	int count = measure(table, widths);

	if (size && table->count + 1 > size->rows)
		shown = size->rows > 2 ? size->rows - 2 : 0;
	print_row(out, table, (char *const *)table->heads, "", widths, count, columns);
	for (size_t r = 0; r < table->count; r++) {
		if (r < shown)
			print_row(out, table, table->rows[r].cells, table->rows[r].colour, widths,
				  count, columns);
		for (int c = 0; c < count; c++)
			free(table->rows[r].cells[c]);
	}
	if (shown < table->count)
		fprintf(out, "and %zu more\n", table->count - shown);
	free(table->rows);
}
