/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `explain --html`: one page, nothing from elsewhere, no script. The ladder is
 * inline SVG: messages between the two gateways and what happened on this host,
 * from top to bottom to time; the tables under it say the same in words.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ladder.h"
#include "page.h"
#include "plot.h"

static const char style[] =
	":root{color-scheme:light dark;--ink:#1a1c20;--soft:#5b6270;--paper:#fff;--line:#cdd2da;"
	"--in:#0b6e4f;--out:#1f5fa8;--host:#9a4f00;--bad:#b3261e;--code:#f1f3f6}"
	"@media(prefers-color-scheme:dark){:root{--ink:#e6e8ec;--soft:#a0a8b6;--paper:#15171b;"
	"--line:#3a404a;--in:#5fd0a5;--out:#7db4f5;--host:#f0a860;--bad:#ff8a80;--code:#20242b}}"
	"@media print{:root{--ink:#000;--soft:#333;--paper:#fff;--line:#999;--in:#0b6e4f;"
	"--out:#1f5fa8;--host:#9a4f00;--bad:#b3261e;--code:#f4f4f4}figure,tr,li{break-inside:avoid}"
	"h2,h2+p{break-after:avoid}nav{display:none}}"
	"body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
	"max-width:70rem;margin:2rem auto;padding:0 1rem}"
	"h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem}h2{font-size:1.1rem;margin:2rem 0 "
	".5rem}"
	"pre,code{font:13px/1.5 ui-monospace,monospace;background:var(--code)}"
	"pre{padding:.6rem .8rem;white-space:pre-wrap;overflow-wrap:anywhere;border-radius:4px}"
	"table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;"
	"padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line)}"
	"td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
	".sure{border:1px solid;border-radius:1rem;padding:0 "
	".6rem;font-size:.9rem;color:var(--soft)}"
	".soft{color:var(--soft)}figure{margin:1rem 0;overflow-x:auto}"
	"svg{display:block;width:100%;min-width:46rem;height:auto}svg text{font:12px system-ui,"
	"sans-serif;fill:var(--ink)}svg .soft{fill:var(--soft)}"
	".life{stroke:var(--line);stroke-width:2}.lane{stroke:var(--line);stroke-width:1;"
	"stroke-dasharray:1 4}.in{stroke:var(--in);fill:var(--in)}"
	".out{stroke:var(--out);fill:var(--out)}svg text.in,svg text.out{stroke:none}"
	"svg text.in{fill:var(--in)}svg text.out{fill:var(--out)}"
	".host,.kernel{stroke:var(--host);fill:var(--host)}.kernel{fill:var(--paper);"
	"stroke-width:2}.again{stroke-dasharray:5 4}.end{stroke:var(--bad);stroke-width:2}"
	".none{stroke:var(--bad);stroke-width:2;fill:none}svg .bad{fill:var(--bad)}"
	".lead{stroke:var(--line);fill:none;stroke-width:.8}.cut{stroke:var(--soft);fill:none}"
	".silence{fill:var(--bad);opacity:.09}.sa{fill:var(--soft);stroke:none}"
	".sa.in{fill:var(--in)}.sa.out{fill:var(--out)}.sa.next{opacity:.55}"
	".area{stroke-width:1;fill-opacity:.3}svg .small{font-size:10px}"
	".mark{outline:none}.mark:focus text,.mark:hover text{font-weight:600}"
	".mark:focus-visible{outline:2px solid var(--host);outline-offset:2px}"
	".mark:focus .arrow{stroke-width:4}.arrow{stroke-width:2}"
	"nav a{margin-right:1.2rem}a{color:var(--out)}@media "
	"print{svg{min-width:0}body{font-size:12px;margin:0}}"
	"li pre{user-select:all}pre:focus-visible{outline:2px solid var(--host)}";

void ikw_html_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			putc((unsigned char)*text < ' ' ? ' ' : *text, out);
		}
	}
}

/* "<tag>text</tag>" */
static void element(FILE *out, const char *tag, const char *text)
{
	fprintf(out, "<%s>", tag);
	ikw_html_text(out, text);
	fprintf(out, "</%s>\n", tag);
}

static void write_head(FILE *out, const struct ikw_incident *incident)
{
	const json_t *a = incident->alarm;
	json_int_t index = json_integer_value(json_object_get(a, "tunnel_index"));

	fprintf(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		     "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
	fprintf(out, "Tunnel %" JSON_INTEGER_FORMAT ": ", index);
	ikw_html_text(out, ikw_json_text(a, "offline_reason"));
	fprintf(out, "</title>\n<style>%s</style></head>\n<body>\n<header>\n<h1>", style);
	fprintf(out, "%s %" JSON_INTEGER_FORMAT " to ",
		json_is_true(json_object_get(a, "tunnel_up")) ? "A generation of tunnel" : "Tunnel",
		index);
	ikw_html_text(out, ikw_json_text(a, "dst_ip"));
	fprintf(out, " was deleted: ");
	ikw_html_text(out, ikw_json_text(a, "offline_reason"));
	fprintf(out, "</h1>\n<p><span class=\"sure\">");
	ikw_html_text(out, ikw_json_text(a, "confidence"));
	fprintf(out, "</span> <time>");
	ikw_html_text(out, ikw_json_text(a, "time"));
	fprintf(out, "</time> <span class=\"soft\">alarm %" JSON_INTEGER_FORMAT ", ",
		json_integer_value(json_object_get(a, "id")));
	ikw_html_text(out, incident->state);
	fprintf(out, "</span></p>\n");
	element(out, "p", ikw_json_text(a, "detail"));
	element(out, "pre", incident->line);
	fprintf(out, "<nav><a href=\"#ladder\">What happened</a> <a href=\"#traffic\">Traffic</a> "
		     "<a href=\"#evidence\">Evidence</a> <a href=\"#went\">What went</a> "
		     "<a href=\"#todo\">What to do</a></nav>\n</header>\n<main>\n");
}

static void table_row(FILE *out, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	fprintf(out, "<tr><th scope=\"row\">%s</th><td>", name);
	ikw_html_text(out, value);
	fprintf(out, "</td></tr>\n");
}

static void sa_row(FILE *out, const json_t *sa)
{
	const json_t *idle = json_object_get(sa, "idle_s");
	json_int_t packets = json_integer_value(json_object_get(sa, "packets"));
	char text[200], idle_text[40] = "last packet not known";

	if (!packets)
		snprintf(idle_text, sizeof(idle_text), "no packet ever");
	else if (json_is_number(idle))
		snprintf(idle_text, sizeof(idle_text), "last packet %.1f s before",
			 json_number_value(idle));
	snprintf(text, sizeof(text),
		 "%s: %" JSON_INTEGER_FORMAT " packets, %" JSON_INTEGER_FORMAT
		 " bytes, age %.1f s, %s",
		 ikw_json_text(sa, "spi"), packets,
		 json_integer_value(json_object_get(sa, "bytes")),
		 json_number_value(json_object_get(sa, "age_s")), idle_text);
	table_row(out, strcmp(ikw_json_text(sa, "direction"), "in") ? "SA out" : "SA in", text);
}

static void process_row(FILE *out, const char *name, const json_t *process)
{
	char *text = ikw_incident_process(process);

	table_row(out, name, text);
	table_row(out, "Command", ikw_json_text(process, "command"));
	free(text);
}

static void write_facts(FILE *out, const struct ikw_incident *incident)
{
	const json_t *a = incident->alarm;
	const json_t *sas = json_object_get(a, "sas");

	fprintf(out, "<section id=\"went\"><h2>What went</h2>\n<table>\n");
	table_row(out, "Here", ikw_json_text(a, "src_ip"));
	table_row(out, "Peer", ikw_json_text(a, "dst_ip"));
	table_row(out, "Inside", ikw_json_text(a, "inside_ip"));
	table_row(out, "Flow", ikw_json_text(a, "flow_info"));
	table_row(out, "Interface", ikw_json_text(a, "interface_name"));
	table_row(out, "IKE SPI i", ikw_json_text(json_object_get(a, "ike"), "spi_i"));
	table_row(out, "IKE SPI r", ikw_json_text(json_object_get(a, "ike"), "spi_r"));
	for (size_t i = 0; i < json_array_size(sas); i++)
		sa_row(out, json_array_get(sas, i));
	process_row(out, "Deleted by", json_object_get(a, "by"));
	process_row(out, "Ordered by", json_object_get(a, "ordered_by"));
	fprintf(out, "</table></section>\n");
}

static void write_evidence(FILE *out, const struct ikw_incident *incident)
{
	const json_t *evidence = json_object_get(incident->alarm, "evidence");
	const json_t *blind = json_object_get(incident->alarm, "blind_spots");

	fprintf(out, "<section id=\"evidence\"><h2>Evidence</h2>\n<p class=\"soft\">Seconds from "
		     "the deletion. "
		     "Rule: ");
	ikw_html_text(out, ikw_json_text(incident->alarm, "rule"));
	fprintf(out, "</p>\n<table>\n");
	for (size_t i = 0; i < json_array_size(evidence); i++) {
		const json_t *fact = json_array_get(evidence, i);

		fprintf(out, "<tr><td class=\"n\">%+.6f</td><td>",
			ikw_incident_offset(incident, ikw_json_text(fact, "time")));
		ikw_html_text(out, ikw_json_text(fact, "text"));
		fprintf(out, "</td></tr>\n");
	}
	fprintf(out, "</table></section>\n");
	if (!json_array_size(blind))
		return;
	fprintf(out, "<section><h2>What could not be seen</h2>\n<ul>\n");
	for (size_t i = 0; i < json_array_size(blind); i++)
		element(out, "li", json_string_value(json_array_get(blind, i)));
	fprintf(out, "</ul></section>\n");
}

static void write_advice(FILE *out, const struct ikw_incident *incident)
{
	const struct ikw_catalogue_entry *entry = incident->entry;
	const struct ikw_catalogue_step *step;

	fprintf(out, "<section><h2>Impact</h2>\n");
	element(out, "p", entry->impact);
	fprintf(out, "</section>\n<section><h2>Possible cause</h2>\n");
	element(out, "p", entry->cause);
	fprintf(out, "</section>\n<section id=\"todo\"><h2>What to do</h2>\n<ol>\n");
	for (unsigned int n = 0; (step = ikw_incident_step(incident, n)); n++) {
		char *command = ikw_incident_command(incident, step);

		fprintf(out, "<li>");
		ikw_html_text(out, step->text);
		if (command)
			element(out, "pre", command);
		fprintf(out, "</li>\n");
		free(command);
	}
	fprintf(out, "</ol></section>\n");
}

static void write_page(FILE *out, const struct ikw_incident *incident)
{
	write_head(out, incident);
	ikw_ladder_write(out, incident);
	ikw_plot_write(out, incident);
	write_evidence(out, incident);
	write_facts(out, incident);
	write_advice(out, incident);
	fprintf(out, "</main>\n</body></html>\n");
}

int ikw_page_write(const struct ikw_incident *incident, const char *path, char *why, size_t size)
{
	FILE *out = strcmp(path, "-") ? fopen(path, "we") : stdout;
	int failed;

	errno = 0;
	if (out)
		write_page(out, incident);
	failed = !out || fflush(out) || ferror(out);
	if (failed)
		snprintf(why, size, "%s: %s", path, strerror(errno ? errno : EIO));
	if (out && out != stdout && fclose(out) && !failed) {
		snprintf(why, size, "%s: %s", path, strerror(errno ? errno : EIO));
		failed = 1;
	}
	return failed ? -1 : 0;
}
