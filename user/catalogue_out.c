/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The catalogue as JSON and as text. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/ikewatch_event.h"
#include "catalogue.h"
#include "catalogue_out.h"

#define WIDTH  80
#define INDENT 13

/* The names of the bits in mask as a JSON array; NULL without memory. */
static json_t *observables(uint32_t mask)
{
	json_t *names = json_array();

	for (uint32_t bit = 1; names && bit; bit <<= 1) {
		const char *name = mask & bit ? ikw_catalogue_observable_text(bit) : NULL;

		if (name)
			json_array_append_new(names, json_string(name));
	}
	return names;
}

static json_t *procedure(const struct ikw_catalogue_entry *e)
{
	json_t *steps = json_array();

	for (unsigned int i = 0; steps && i < e->step_count; i++)
		json_array_append_new(steps, json_pack("{s:s, s:s?}", "text", e->steps[i].text,
						       "command", e->steps[i].command));
	return steps;
}

/* A cause that nothing on Linux brings about leaves no evidence on any host. */
static bool can_be_seen(const struct ikw_catalogue_entry *e, uint32_t sees)
{
	return !e->not_emitted && (e->needs & ~sees) == 0;
}

static json_t *observable(const struct ikw_catalogue_entry *e, const uint32_t *sees)
{
	return sees ? json_boolean(can_be_seen(e, *sees)) : json_null();
}

static json_t *entry_json(enum ikw_reason reason, const uint32_t *sees)
{
	const struct ikw_catalogue_entry *e = ikw_catalogue(reason);
	uint32_t lacks = sees ? (e->needs | e->helps) & ~*sees : 0;

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:s?, s:o, s:o, s:o, s:o}",
			 "offline_reason", ikw_reason_text(reason), "group",
			 ikw_catalogue_group_text(e->group), "severity",
			 ikw_reason_severity(reason), "impact", e->impact, "possible_cause",
			 e->cause, "evidence", e->evidence, "procedure", procedure(e), "emitted",
			 !e->not_emitted, "not_emitted_why", e->not_emitted, "observable",
			 observable(e, sees), "needs", observables(e->needs), "helps",
			 observables(e->helps), "not_seen_here",
			 sees ? observables(lacks) : json_null());
}

json_t *ikw_catalogue_json(const uint32_t *sees)
{
	json_t *all = json_array();
	for (int r = 0; all && r < IKW_REASON_COUNT; r++) {
		if (json_array_append_new(all, entry_json((enum ikw_reason)r, sees)) == 0)
			continue;
		json_decref(all);
		return NULL;
	}
	return all;
}

/* One labelled paragraph, its lines broken at blanks. */
static void paragraph(FILE *out, const char *label, const char *text)
{
	size_t column = INDENT;

	fprintf(out, "  %-*s", INDENT - 2, label);
	while (*text) {
		size_t len = strcspn(text, " ");
		if (column > INDENT && column + 1 + len > WIDTH) {
			fprintf(out, "\n%*s", INDENT, "");
			column = INDENT;
		} else if (column > INDENT) {
			fputc(' ', out);
			column++;
		}
		fwrite(text, 1, len, out);
		column += len;
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void observables_line(FILE *out, const char *label, uint32_t mask)
{
	char line[256] = "";

	for (uint32_t bit = 1; bit; bit <<= 1) {
		const char *name = mask & bit ? ikw_catalogue_observable_text(bit) : NULL;

		if (!name)
			continue;
		if (line[0])
			strcat(line, ", ");
		strcat(line, name);
	}
	if (line[0])
		paragraph(out, label, line);
}

static const char *observable_text(const struct ikw_catalogue_entry *e, const uint32_t *sees)
{
	if (!sees)
		return "not determined";
	return can_be_seen(e, *sees) ? "yes" : "no";
}

static void print_entry(FILE *out, enum ikw_reason reason, const uint32_t *sees)
{
	const struct ikw_catalogue_entry *e = ikw_catalogue(reason);
	struct ikw_catalogue_values nothing = { 0 };
	char label[16], *command;

	fprintf(out, "%-46s %-7s %s\n", ikw_reason_text(reason), ikw_reason_severity(reason),
		ikw_catalogue_group_text(e->group));
	paragraph(out, "impact", e->impact);
	paragraph(out, "cause", e->cause);
	paragraph(out, "evidence", e->evidence);
	observables_line(out, "needs", e->needs);
	observables_line(out, "helped by", e->helps);
	paragraph(out, "observable", observable_text(e, sees));
	if (sees)
		observables_line(out, "not seen", (e->needs | e->helps) & ~*sees);
	if (e->not_emitted)
		paragraph(out, "not emitted", e->not_emitted);
	for (unsigned int i = 0; i < e->step_count; i++) {
		snprintf(label, sizeof(label), "step %u", i + 1);
		paragraph(out, label, e->steps[i].text);
		if (!e->steps[i].command)
			continue;
		command = ikw_catalogue_fill(e->steps[i].command, &nothing);
		fprintf(out, "%*s$ %s\n", INDENT, "", command ? command : e->steps[i].command);
		free(command);
	}
}

void ikw_catalogue_print(FILE *out, const uint32_t *sees)
{
	for (int r = 0; r < IKW_REASON_COUNT; r++) {
		if (r)
			fputc('\n', out);
		print_entry(out, (enum ikw_reason)r, sees);
	}
}
