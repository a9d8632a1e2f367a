/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Time runs downwards, to scale, so that retransmissions and silence are seen as
 * such. A gap far longer than the others is cut and labelled. Labels stand in
 * their own column and are pushed down where they would overlap; a line leads
 * from each to its mark.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "ladder.h"

#define WIDTH	    1000
#define TOP	    56
#define TIME_X	    76
#define HOST_X	    110
#define SA_X	    150
#define LOCAL_X	    230
#define PEER_X	    470
#define LABEL_X	    520
#define LABEL_STEP  17
#define LABEL_CHARS 62 /* of a label's line; the picture is as wide as that */

enum lane { LANE_HOST, LANE_OUT, LANE_IN };

struct mark {
	const char *text;
	double at;    /* seconds from the deletion */
	double y;     /* where it is drawn */
	double label; /* where its text is drawn */
	double cut;   /* seconds left out before it; 0: none */
	enum lane lane;
	bool again; /* a retransmission */
};

struct ladder {
	struct mark *marks;
	size_t count;
	double height;
	double end; /* y of the deletion */
};

/* ---- layout ----------------------------------------------------------- */

static enum lane lane_of(const json_t *fact)
{
	if (strcmp(ikw_json_text(fact, "kind"), "message"))
		return LANE_HOST;
	return strcmp(ikw_json_text(fact, "direction"), "out") ? LANE_IN : LANE_OUT;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Evidence comes in order of time; equal times may differ by rounding. */
static double gap_before(const struct mark *m)
{
	return m->at > m[-1].at ? m->at - m[-1].at : 0;
}

/* The longest gap that is drawn: three times the third longest, so that one or two long ones are
 * cut. */
static double longest_gap(const struct ladder *l)
{
	double *gaps = calloc(l->count + 1, sizeof(*gaps));
	double longest;

	if (!gaps || !l->count) {
		free(gaps);
		return 0;
	}
	for (size_t i = 1; i < l->count; i++)
		gaps[i] = gap_before(&l->marks[i]);
	qsort(gaps, l->count, sizeof(*gaps), by_value);
	longest = l->count > 3 ? 3 * gaps[l->count - 3] : gaps[l->count - 1];
	free(gaps);
	return longest < 0.05 ? 0.05 : longest;
}

/* How much of text goes on one line: up to the last blank that fits. */
static size_t line_length(const char *text)
{
	size_t len = strlen(text);

	if (len <= LABEL_CHARS)
		return len;
	for (len = LABEL_CHARS; len && text[len] != ' '; len--)
		;
	return len ? len : LABEL_CHARS;
}

static unsigned int line_count(const char *text)
{
	unsigned int lines = 1;

	for (size_t len = line_length(text); text[len]; len = line_length(text)) {
		text += len + (text[len] == ' ');
		lines++;
	}
	return lines;
}

/* Labels keep their order and do not overlap. */
static void place_label(struct mark *m, bool first)
{
	double free = first ? m->y : m[-1].label + LABEL_STEP * line_count(m[-1].text);

	m->label = m->y > free ? m->y : free;
}

/* Drawn seconds of each mark in y first, then scaled to pixels. */
static void place(struct ladder *l)
{
	double longest = longest_gap(l);
	double scale, bottom;

	for (size_t i = 1; i < l->count; i++) {
		double gap = gap_before(&l->marks[i]);

		l->marks[i].cut = gap > longest ? gap : 0;
		l->marks[i].y = l->marks[i - 1].y + (gap > longest ? longest : gap);
	}
	bottom = l->count ? l->marks[l->count - 1].y : 0;
	l->height = (double)l->count * LABEL_STEP;
	if (l->height < 220)
		l->height = 220;
	scale = bottom > 0 ? l->height / bottom : 0;
	for (size_t i = 0; i < l->count; i++) {
		struct mark *m = &l->marks[i];

		m->y = TOP + 12 + m->y * scale;
		place_label(m, !i);
		if (m->at <= 0)
			l->end = m->y;
	}
	if (l->count) {
		const struct mark *last = &l->marks[l->count - 1];
		double end = last->label + LABEL_STEP * (line_count(last->text) - 1);

		if (end > TOP + 12 + l->height)
			l->height = end - TOP - 12;
	}
}

static int ladder_make(struct ladder *l, const struct ikw_incident *incident)
{
	const json_t *evidence = json_object_get(incident->alarm, "evidence");

	memset(l, 0, sizeof(*l));
	l->count = json_array_size(evidence);
	l->end = TOP + 12;
	l->marks = calloc(l->count + 1, sizeof(*l->marks));
	if (!l->marks)
		return -1;
	for (size_t i = 0; i < l->count; i++) {
		const json_t *fact = json_array_get(evidence, i);

		l->marks[i].text = ikw_json_text(fact, "text");
		l->marks[i].at = ikw_incident_offset(incident, ikw_json_text(fact, "time"));
		l->marks[i].lane = lane_of(fact);
		l->marks[i].again = json_integer_value(json_object_get(fact, "copy")) > 0;
	}
	place(l);
	return 0;
}

/* ---- drawing ---------------------------------------------------------- */

static void draw_text(FILE *out, double x, double y, const char *attributes, const char *text)
{
	fprintf(out, "<text x=\"%.0f\" y=\"%.1f\" %s>", x, y, attributes);
	ikw_html_text(out, text);
	fprintf(out, "</text>\n");
}

static void draw_lifeline(FILE *out, const struct ladder *l, double x, const char *name,
			  const char *address)
{
	draw_text(out, x, 18, "text-anchor=\"middle\" class=\"soft\"", name);
	draw_text(out, x, 36, "text-anchor=\"middle\"", address);
	fprintf(out, "<line class=\"life\" x1=\"%.0f\" y1=\"%d\" x2=\"%.0f\" y2=\"%.1f\"/>\n", x,
		TOP - 10, x, TOP + 24 + l->height);
}

static void draw_arrow(FILE *out, const struct mark *m)
{
	double from = m->lane == LANE_OUT ? LOCAL_X : PEER_X;
	double to = m->lane == LANE_OUT ? PEER_X : LOCAL_X;
	double back = m->lane == LANE_OUT ? -9 : 9;

	fprintf(out, "<line class=\"arrow %s%s\" x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\"/>",
		m->lane == LANE_OUT ? "out" : "in", m->again ? " lost" : "", from, m->y, to, m->y);
	fprintf(out, "<path class=\"%s\" d=\"M%.0f %.1fl%.0f -4v8z\"/>\n",
		m->lane == LANE_OUT ? "out" : "in", to, m->y, back);
}

static void draw_label(FILE *out, const struct mark *m, const char *time)
{
	const char *text = m->text;
	size_t len = line_length(text);

	fprintf(out, "<text x=\"%d\" y=\"%.1f\"><tspan class=\"soft\">%s</tspan> <tspan>", LABEL_X,
		m->label, time);
	for (;;) {
		char line[LABEL_CHARS + 1];

		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		ikw_html_text(out, line);
		text += len;
		if (!*text)
			break;
		text += *text == ' ';
		len = line_length(text);
		fprintf(out, "</tspan><tspan x=\"%d\" dy=\"%d\">", LABEL_X + 60, LABEL_STEP - 2);
	}
	fprintf(out, "</tspan></text>");
}

static void draw_mark(FILE *out, const struct mark *m)
{
	double from = m->lane == LANE_HOST ? HOST_X : PEER_X;
	char time[32];

	snprintf(time, sizeof(time), "%+.3f s", m->at);
	fprintf(out, "<g class=\"mark\" tabindex=\"0\"><title>%s: ", time);
	ikw_html_text(out, m->text);
	fprintf(out, "</title>\n");
	fprintf(out, "<path class=\"lead\" d=\"M%.0f %.1fL%d %.1fL%d %.1f\"/>\n", from, m->y,
		LABEL_X - 20, m->y, LABEL_X - 6, m->label - 4);
	if (m->lane == LANE_HOST)
		fprintf(out, "<circle class=\"host\" cx=\"%d\" cy=\"%.1f\" r=\"4\"/>\n", HOST_X,
			m->y);
	else
		draw_arrow(out, m);
	draw_label(out, m, time);
	fprintf(out, "</g>\n");
}

static void draw_cut(FILE *out, const struct mark *m)
{
	double y = (m[-1].y + m->y) / 2;
	char text[48];

	snprintf(text, sizeof(text), "%.0f s", m->cut);
	fprintf(out,
		"<path class=\"lead\" d=\"M%d %.1fl8 -4l8 8l8 -8l8 8l8 -4\"/>"
		"<path class=\"lead\" d=\"M%d %.1fl8 -4l8 8l8 -8l8 8l8 -4\"/>\n",
		LOCAL_X - 20, y, PEER_X - 20, y);
	draw_text(out, TIME_X, y + 4, "text-anchor=\"end\" class=\"soft\"", text);
}

/* y of a time: between the marks around it. */
static double y_of(const struct ladder *l, double at)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct mark *m = &l->marks[i];

		if (at > m->at)
			continue;
		if (!i || m->at <= m[-1].at)
			return i ? m->y : TOP;
		return m[-1].y + (m->y - m[-1].y) * (at - m[-1].at) / (m->at - m[-1].at);
	}
	return l->end;
}

/* An SA's life as a bar: broad while packets came, narrow while it was idle. */
static void draw_sa(FILE *out, const struct ladder *l, const json_t *sa, double x)
{
	const json_t *idle = json_object_get(sa, "idle_s");
	double age = json_number_value(json_object_get(sa, "age_s"));
	double top = y_of(l, -age);
	double quiet = json_is_number(idle) ? y_of(l, -json_number_value(idle)) : l->end;

	fprintf(out, "<g class=\"mark\" tabindex=\"0\"><title>SA ");
	ikw_html_text(out, ikw_json_text(sa, "direction"));
	fprintf(out, " ");
	ikw_html_text(out, ikw_json_text(sa, "spi"));
	fprintf(out,
		", age %.1f s</title>"
		"<rect class=\"sa busy\" x=\"%.0f\" y=\"%.1f\" width=\"10\" height=\"%.1f\"/>"
		"<rect class=\"sa\" x=\"%.0f\" y=\"%.1f\" width=\"4\" height=\"%.1f\"/></g>\n",
		age, x, top, quiet > top ? quiet - top : 0, x + 3, quiet > top ? quiet : top,
		l->end > quiet ? l->end - quiet : 0);
	draw_text(out, x + 5, TOP - 14, "text-anchor=\"middle\" class=\"soft\"",
		  ikw_json_text(sa, "direction"));
}

static void draw_all(FILE *out, const struct ladder *l, const struct ikw_incident *incident)
{
	const json_t *sas = json_object_get(incident->alarm, "sas");

	draw_text(out, HOST_X, 18, "text-anchor=\"middle\" class=\"soft\"", "this host");
	draw_text(out, SA_X + 20, 18, "text-anchor=\"middle\" class=\"soft\"", "SAs");
	draw_lifeline(out, l, LOCAL_X, "here", ikw_json_text(incident->alarm, "src_ip"));
	draw_lifeline(out, l, PEER_X, "peer", ikw_json_text(incident->alarm, "dst_ip"));
	for (size_t i = 0; i < json_array_size(sas) && i < 4; i++)
		draw_sa(out, l, json_array_get(sas, i), SA_X + 20 * (double)i);
	for (size_t i = 0; i < l->count; i++) {
		if (l->marks[i].cut > 0)
			draw_cut(out, &l->marks[i]);
		draw_mark(out, &l->marks[i]);
	}
	fprintf(out, "<line class=\"end\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n",
		HOST_X - 20, l->end, PEER_X + 10, l->end);
	draw_text(out, HOST_X - 26, l->end + 4, "text-anchor=\"end\"", "deleted");
}

void ikw_ladder_write(FILE *out, const struct ikw_incident *incident)
{
	struct ladder l;

	if (ladder_make(&l, incident))
		return;
	fprintf(out,
		"<figure><svg viewBox=\"0 0 %d %.0f\" role=\"group\" aria-label=\"Messages and "
		"events, from top to bottom in time\">\n",
		WIDTH, l.height + TOP + 36);
	draw_all(out, &l, incident);
	fprintf(out, "</svg>\n<figcaption class=\"soft\">Drawn to time; a zigzag cuts a long "
		     "silence. A dashed arrow is a retransmission. SA bars are broad while "
		     "packets came, narrow while idle."
		     "</figcaption></figure>\n");
	free(l.marks);
}
