/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch explain`: why a tunnel went, what shows it, and what to do. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "alarms.h"
#include "cli.h"
#include "incident.h"
#include "page.h"

#define WIDTH 96 /* columns of running text */

/* ---- layout ----------------------------------------------------------- */

/* Words of text, broken before WIDTH; the first line goes on at column `at`, others at `indent`. */
static void print_wrapped(const char *text, int at, int indent)
{
	int column = at;

	while (*text) {
		int len = (int)strcspn(text, " \n");

		if (column > indent && column + 1 + len > WIDTH) {
			printf("\n%*s", indent, "");
			column = indent;
		} else if (column > indent && column != at) {
			putchar(' ');
			column++;
		}
		printf("%.*s", len, text);
		column += len;
		text += len;
		text += strspn(text, " \n");
	}
	putchar('\n');
}

static void print_heading(const char *text)
{
	bool bold = isatty(STDOUT_FILENO);

	printf("\n%s%s%s\n", bold ? "\033[1m" : "", text, bold ? "\033[0m" : "");
}

/* "  Label       text" */
static void print_row(const char *label, const char *text)
{
	printf("  %-12s", label);
	print_wrapped(text, 14, 14);
}

/* ---- parts ------------------------------------------------------------ */

static void print_head(const struct ikw_incident *incident)
{
	const json_t *a = incident->alarm;

	printf("Alarm %" JSON_INTEGER_FORMAT ": %s (%s), %s\n",
	       json_integer_value(json_object_get(a, "id")), ikw_json_text(a, "offline_reason"),
	       ikw_json_text(a, "confidence"), ikw_json_text(a, "time"));
	print_wrapped(ikw_json_text(a, "detail"), 0, 0);
	printf("\n%s\n", incident->line);
}

static void print_ike(const json_t *ike)
{
	char text[128];

	if (!json_is_object(ike))
		return;
	snprintf(text, sizeof(text), "IKEv%" JSON_INTEGER_FORMAT ", SPIs %s (initiator), %s",
		 json_integer_value(json_object_get(ike, "version")), ikw_json_text(ike, "spi_i"),
		 ikw_json_text(ike, "spi_r"));
	print_row("IKE_SA", text);
}

static void print_sa(const json_t *sa)
{
	const json_t *idle = json_object_get(sa, "idle_s");
	json_int_t packets = json_integer_value(json_object_get(sa, "packets"));
	char text[200], idle_text[40] = "not known for how long idle";

	if (!packets)
		snprintf(idle_text, sizeof(idle_text), "never used");
	else if (json_is_number(idle))
		snprintf(idle_text, sizeof(idle_text), "idle %.1f s", json_number_value(idle));
	snprintf(text, sizeof(text),
		 "%s, %" JSON_INTEGER_FORMAT " packets, %" JSON_INTEGER_FORMAT
		 " bytes, age %.1f s, %s",
		 ikw_json_text(sa, "spi"), packets,
		 json_integer_value(json_object_get(sa, "bytes")),
		 json_number_value(json_object_get(sa, "age_s")), idle_text);
	print_row(strcmp(ikw_json_text(sa, "direction"), "in") ? "SA out" : "SA in", text);
}

static void print_process(const char *label, const json_t *process)
{
	const char *command = ikw_json_text(process, "command");
	char *text = ikw_incident_process(process);

	if (!text)
		return;
	print_row(label, text);
	if (*command && strcmp(command, ikw_json_text(process, "exe")))
		print_row("", command);
	free(text);
}

static void print_facts(const struct ikw_incident *incident)
{
	const json_t *a = incident->alarm;
	const json_t *sas = json_object_get(a, "sas");
	char tunnel[400];

	print_heading("What went");
	snprintf(tunnel, sizeof(tunnel), "%" JSON_INTEGER_FORMAT ", %s to %s, inside %s, over %s%s",
		 json_integer_value(json_object_get(a, "tunnel_index")), ikw_json_text(a, "src_ip"),
		 ikw_json_text(a, "dst_ip"), ikw_json_text(a, "inside_ip"),
		 ikw_json_text(a, "interface_name"),
		 json_is_true(json_object_get(a, "tunnel_up")) ? "; another generation carries it"
							       : "");
	print_row("Tunnel", tunnel);
	print_ike(json_object_get(a, "ike"));
	for (size_t i = 0; i < json_array_size(sas); i++)
		print_sa(json_array_get(sas, i));
	print_process("Deleted by", json_object_get(a, "by"));
	print_process("Ordered by", json_object_get(a, "ordered_by"));
	print_row("Now", incident->state);
}

static void print_evidence(const struct ikw_incident *incident)
{
	const json_t *evidence = json_object_get(incident->alarm, "evidence");
	const json_t *blind = json_object_get(incident->alarm, "blind_spots");
	char rule[160];

	snprintf(rule, sizeof(rule), "Evidence (seconds from the deletion; rule \"%s\")",
		 ikw_json_text(incident->alarm, "rule"));
	print_heading(rule);
	for (size_t i = 0; i < json_array_size(evidence); i++) {
		const json_t *fact = json_array_get(evidence, i);

		printf("%+12.6f  ", ikw_incident_offset(incident, ikw_json_text(fact, "time")));
		print_wrapped(ikw_json_text(fact, "text"), 14, 14);
	}
	if (!json_array_size(evidence))
		puts("  none");
	if (!json_array_size(blind))
		return;
	print_heading("What could not be seen");
	for (size_t i = 0; i < json_array_size(blind); i++) {
		printf("  - ");
		print_wrapped(json_string_value(json_array_get(blind, i)), 4, 4);
	}
}

static void print_advice(const struct ikw_incident *incident)
{
	const struct ikw_catalogue_entry *entry = incident->entry;
	const struct ikw_catalogue_step *step;

	print_heading("Impact");
	printf("  ");
	print_wrapped(entry->impact, 2, 2);
	print_heading("Possible cause");
	printf("  ");
	print_wrapped(entry->cause, 2, 2);
	print_heading("What to do");
	for (unsigned int n = 0; (step = ikw_incident_step(incident, n)); n++) {
		char *command = ikw_incident_command(incident, step);

		printf("%3u. ", n + 1);
		print_wrapped(step->text, 5, 5);
		if (command)
			printf("       %s\n", command);
		free(command);
	}
}

static void print_text(const struct ikw_incident *incident)
{
	print_head(incident);
	print_facts(incident);
	print_evidence(incident);
	print_advice(incident);
}

static int print_json(const struct ikw_incident *incident)
{
	json_t *json = ikw_incident_json(incident);
	int err = !json || json_dumpf(json, stdout, IKW_JSON_FLAGS);

	json_decref(json);
	putchar('\n');
	return err;
}

/* ---- the command ------------------------------------------------------ */

struct options {
	struct ikw_common_options common;
	const char *html;
	unsigned long id;
};

static int parse(int argc, char **argv, struct options *o)
{
	const struct ikw_command *command = ikw_cli_find("explain");
	const char *value;
	int key;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == '?')
			return IKW_EXIT_USAGE;
		ikw_cli_common(&o->common, key, value);
		if (key == IKW_OPT_HTML)
			o->html = value;
	}
	if (argc - optind != 1)
		return ikw_usage_error("explain", "explain: needs one ID");
	if (!ikw_cli_number(argv[optind], 1, INT64_MAX, &o->id))
		return ikw_usage_error("explain", "explain: %s: not an alarm's id", argv[optind]);
	return IKW_EXIT_OK;
}

static int show(const struct ikw_incident *incident, const struct options *o)
{
	char why[512];

	if (o->html) {
		if (!ikw_page_write(incident, o->html, why, sizeof(why)))
			return IKW_EXIT_OK;
		ikw_error("%s", why);
		return IKW_EXIT_FAILED;
	}
	if (o->common.json)
		return print_json(incident) ? IKW_EXIT_FAILED : IKW_EXIT_OK;
	print_text(incident);
	return IKW_EXIT_OK;
}

int ikw_explain_main(int argc, char **argv)
{
	struct options o = { 0 };
	int status = parse(argc, argv, &o);
	struct ikw_incident incident;
	struct ikw_store *store;
	char why[512];
	int found;

	if (status)
		return status;
	store = ikw_alarms_open(o.common.state_dir);
	if (!store)
		return IKW_EXIT_FAILED;
	found = ikw_incident_load(store, o.id, &incident, why, sizeof(why));
	ikw_store_close(store);
	if (found == 1) {
		incident.state_dir = o.common.state_dir;
		status = show(&incident, &o);
		ikw_incident_free(&incident);
		return status;
	}
	if (found)
		ikw_error("%s", why);
	else
		ikw_error("explain: %lu: no such alarm", o.id);
	return IKW_EXIT_FAILED;
}
