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

#define WIDTH	    1080
#define TOP	    62
#define TIME_X	    62 /* right end of what stands left of the lanes */
#define HOST_X	    92
#define KERNEL_X    146
#define SA_X	    186
#define SA_STEP	    18
#define LOCAL_X	    300
#define PEER_X	    520
#define LABEL_X	    560
#define TEXT_X	    640 /* of a label, after its time */
#define LABEL_STEP  17
#define LABEL_CHARS 62 /* of a label's line; the picture is as wide as that */
#define BARS	    8

enum lane { LANE_HOST, LANE_KERNEL, LANE_OUT, LANE_IN, LANE_NONE, LANE_NOTE };

struct mark {
	const json_t *fact;
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

/* An SA's life. Times are seconds from the deletion. */
struct bar {
	const char *spi;
	double from;
	double to;
	double quiet; /* since then no packet; NAN-free: equal to `to` when not known */
	bool in;
	bool open; /* it went on living */
	bool successor;
};

static double y_of(const struct ladder *l, double at);

/* ---- layout ----------------------------------------------------------- */

static bool is_fact(const json_t *fact, const char *slug)
{
	return !strcmp(ikw_json_text(fact, "fact"), slug);
}

static enum lane lane_of(const json_t *fact)
{
	const char *kind = ikw_json_text(fact, "kind");

	if (!strcmp(kind, "message"))
		return strcmp(ikw_json_text(fact, "direction"), "out") ? LANE_IN : LANE_OUT;
	if (!strcmp(kind, "sa"))
		return LANE_KERNEL;
	if (!strcmp(kind, "note"))
		return is_fact(fact, "request_unanswered") ? LANE_NONE : LANE_NOTE;
	return LANE_HOST;
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

/* The longest gap that is drawn: three times the third longest, so that one or two are cut. */
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

/* Drawn seconds of each mark in y first; how many there are in all. */
static double place_seconds(struct ladder *l)
{
	double longest = longest_gap(l);

	for (size_t i = 1; i < l->count; i++) {
		double gap = gap_before(&l->marks[i]);

		l->marks[i].cut = gap > longest ? gap : 0;
		l->marks[i].y = l->marks[i - 1].y + (gap > longest ? longest : gap);
	}
	return l->count ? l->marks[l->count - 1].y : 0;
}

static void place(struct ladder *l)
{
	double seconds = place_seconds(l), scale;

	l->height = (double)l->count * LABEL_STEP * 1.4;
	if (l->height < 260)
		l->height = 260;
	scale = seconds > 0 ? l->height / seconds : 0;
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

		l->marks[i].fact = fact;
		l->marks[i].text = ikw_json_text(fact, "text");
		l->marks[i].at = ikw_incident_offset(incident, ikw_json_text(fact, "time"));
		l->marks[i].lane = lane_of(fact);
		l->marks[i].again = json_integer_value(json_object_get(fact, "copy")) > 0;
	}
	place(l);
	return 0;
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
	return TOP + 24 + l->height;
}

/* ---- SAs -------------------------------------------------------------- */

/* The mark of that fact about that SA, or NULL. */
static const struct mark *mark_of(const struct ladder *l, const char *slug, const char *spi)
{
	for (size_t i = 0; i < l->count; i++)
		if (is_fact(l->marks[i].fact, slug) &&
		    !strcmp(ikw_json_text(l->marks[i].fact, "spi"), spi))
			return &l->marks[i];
	return NULL;
}

static struct bar bar_of(const struct ladder *l, const json_t *sa)
{
	const json_t *age = json_object_get(sa, "age_s"), *idle = json_object_get(sa, "idle_s");
	struct bar bar = {
		.spi = ikw_json_text(sa, "spi"),
		.in = !strcmp(ikw_json_text(sa, "direction"), "in"),
	};
	const struct mark *gone = mark_of(l, "sa_deleted", bar.spi);

	bar.open = !gone;
	bar.to = gone ? gone->at : 1e9;
	/* an age that is not known is longer than anything drawn */
	bar.from = json_is_number(age) ? (gone ? gone->at : 0) - json_number_value(age) : -1e9;
	bar.quiet = json_is_number(idle) ? (gone ? gone->at : 0) - json_number_value(idle) : bar.to;
	return bar;
}

/* The deleted SAs, then those that took their place. How many. */
static size_t collect_bars(const struct ladder *l, const struct ikw_incident *incident,
			   struct bar bars[BARS])
{
	const json_t *sas = json_object_get(incident->alarm, "sas");
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(sas) && count < BARS; i++)
		bars[count++] = bar_of(l, json_array_get(sas, i));
	for (size_t i = 0; i < l->count && count < BARS; i++) {
		const struct mark *m = &l->marks[i];

		if (is_fact(m->fact, "sa_installed"))
			bars[count++] = (struct bar){
				.spi = ikw_json_text(m->fact, "spi"),
				.from = m->at,
				.to = 1e9,
				.quiet = 1e9,
				.in = strcmp(ikw_json_text(m->fact, "direction"), "out") != 0,
				.open = true,
				.successor = true,
			};
	}
	return count;
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
		TOP - 16, x, TOP + 24 + l->height);
}

static void draw_lane(FILE *out, const struct ladder *l, double x, const char *first,
		      const char *second)
{
	draw_text(out, x, 18, "text-anchor=\"middle\" class=\"soft\"", first);
	draw_text(out, x, 36, "text-anchor=\"middle\" class=\"soft\"", second);
	fprintf(out, "<line class=\"lane\" x1=\"%.0f\" y1=\"%d\" x2=\"%.0f\" y2=\"%.1f\"/>\n", x,
		TOP - 16, x, TOP + 24 + l->height);
}

static void draw_arrow(FILE *out, const struct mark *m)
{
	double from = m->lane == LANE_OUT ? LOCAL_X : PEER_X;
	double to = m->lane == LANE_OUT ? PEER_X : LOCAL_X;
	double back = m->lane == LANE_OUT ? -9 : 9;

	fprintf(out, "<line class=\"arrow %s%s\" x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\"/>",
		m->lane == LANE_OUT ? "out" : "in", m->again ? " again" : "", from, m->y,
		to + back / 2, m->y);
	fprintf(out, "<path class=\"%s\" d=\"M%.0f %.1fl%.0f -4v8z\"/>\n",
		m->lane == LANE_OUT ? "out" : "in", to, m->y, back);
}

/* What stands in the mark's lane. Returns the x from which its label is led. */
static double draw_sign(FILE *out, const struct mark *m)
{
	switch (m->lane) {
	case LANE_HOST:
		fprintf(out, "<circle class=\"host\" cx=\"%d\" cy=\"%.1f\" r=\"4.5\"/>\n", HOST_X,
			m->y);
		return HOST_X + 5;
	case LANE_KERNEL:
		fprintf(out,
			"<rect class=\"kernel\" x=\"%d\" y=\"%.1f\" width=\"8\" height=\"8\"/>\n",
			KERNEL_X - 4, m->y - 4);
		return KERNEL_X + 5;
	case LANE_NONE:
		fprintf(out, "<path class=\"none\" d=\"M%d %.1fl9 9m0 -9l-9 9\"/>\n", PEER_X + 8,
			m->y - 4.5);
		return PEER_X + 18;
	case LANE_NOTE:
		return LABEL_X - 24;
	default:
		draw_arrow(out, m);
		return PEER_X + (m->lane == LANE_OUT ? 1 : 0);
	}
}

static void draw_label(FILE *out, const struct mark *m, const char *time)
{
	const char *text = m->text;
	size_t len = line_length(text);

	fprintf(out,
		"<text y=\"%.1f\"><tspan class=\"soft time\" x=\"%d\" "
		"text-anchor=\"end\">%s</tspan>"
		"<tspan x=\"%d\">",
		m->label + 4, TEXT_X - 8, time, TEXT_X);
	for (;;) {
		char line[LABEL_CHARS + 1];

		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		ikw_html_text(out, line);
		text += len;
		if (!*text)
			break;
		text += *text == ' ';
		len = line_length(text);
		fprintf(out, "</tspan><tspan x=\"%d\" dy=\"%d\">", TEXT_X, LABEL_STEP - 2);
	}
	fprintf(out, "</tspan></text>");
}

static void draw_mark(FILE *out, const struct mark *m)
{
	char time[32];
	double from;

	snprintf(time, sizeof(time), "%+.3f s", m->at);
	fprintf(out, "<g class=\"mark\" tabindex=\"0\" data-kind=\"%s\"><title>%s: ",
		ikw_json_text(m->fact, "kind"), time);
	ikw_html_text(out, m->text);
	fprintf(out, "</title>\n");
	from = draw_sign(out, m);
	fprintf(out, "<path class=\"lead\" d=\"M%.0f %.1fL%d %.1fL%d %.1f\"/>\n", from, m->y,
		LABEL_X - 18, m->y, LABEL_X - 4, m->label);
	draw_label(out, m, time);
	fprintf(out, "</g>\n");
}

static void draw_cut(FILE *out, const struct mark *m)
{
	double y = (m[-1].y + m->y) / 2;
	char text[48];

	snprintf(text, sizeof(text), "%.*f s", m->cut < 10 ? 1 : 0, m->cut);
	fprintf(out,
		"<path class=\"cut\" d=\"M%d %.1fl8 -4l8 8l8 -8l8 8l8 -4\"/>"
		"<path class=\"cut\" d=\"M%d %.1fl8 -4l8 8l8 -8l8 8l8 -4\"/>\n",
		LOCAL_X - 20, y, PEER_X - 20, y);
	draw_text(out, TIME_X, y + 4, "text-anchor=\"end\" class=\"soft\"", text);
}

/* From the peer's last message to the deletion, when what was asked then stayed unanswered. */
static void draw_silence(FILE *out, const struct ladder *l)
{
	const struct mark *heard = NULL;
	bool unanswered = false;
	char text[64];
	double top, y;

	for (size_t i = 0; i < l->count && l->marks[i].at <= 0; i++) {
		if (l->marks[i].lane == LANE_IN)
			heard = &l->marks[i];
		unanswered |= l->marks[i].lane == LANE_NONE;
	}
	if (!unanswered || (heard && heard->at > -0.5))
		return;
	top = heard ? heard->y : TOP - 10;
	y = (top + l->end) / 2;
	fprintf(out, "<rect class=\"silence\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>\n",
		LOCAL_X + 2, top, PEER_X - LOCAL_X - 4, l->end - top);
	if (heard)
		snprintf(text, sizeof(text), "the peer is silent for %.1f s", -heard->at);
	else
		snprintf(text, sizeof(text), "the peer is silent");
	fprintf(out,
		"<text class=\"soft\" text-anchor=\"middle\" transform=\"translate(%d %.1f) "
		"rotate(-90)\">%s</text>\n",
		LOCAL_X - 26, y, text);
}

/* An SA's life as a bar: broad while packets came, narrow while it was idle. */
static void draw_bar(FILE *out, const struct ladder *l, const struct bar *bar, double x)
{
	double top = y_of(l, bar->from), end = y_of(l, bar->to), quiet = y_of(l, bar->quiet);
	const char *way = bar->in ? "in" : "out";

	if (quiet < top)
		quiet = top;
	if (quiet > end)
		quiet = end;
	fprintf(out, "<g class=\"mark\" tabindex=\"0\" data-spi=\"%s\"><title>%s SA %s, %s</title>",
		bar->spi, bar->in ? "inbound" : "outbound", bar->spi,
		bar->successor ? "which carries the flow on"
		: bar->open    ? "not yet deleted when this was written"
			       : "deleted");
	fprintf(out,
		"<rect class=\"sa %s%s\" x=\"%.0f\" y=\"%.1f\" width=\"10\" height=\"%.1f\"/>"
		"<rect class=\"sa\" x=\"%.0f\" y=\"%.1f\" width=\"4\" height=\"%.1f\"/>",
		way, bar->successor ? " next" : "", x, top, quiet - top, x + 3, quiet, end - quiet);
	if (bar->open)
		fprintf(out, "<path class=\"sa %s%s\" d=\"M%.0f %.1fh10l-5 7z\"/>", way,
			bar->successor ? " next" : "", x, end);
	fprintf(out, "</g>\n");
	draw_text(out, x + 5, TOP - 10, "text-anchor=\"middle\" class=\"soft small\"", way);
}

static void draw_bars(FILE *out, const struct ladder *l, const struct ikw_incident *incident)
{
	struct bar bars[BARS];
	size_t count = collect_bars(l, incident, bars);

	for (size_t i = 0; i < count && i < 5; i++)
		draw_bar(out, l, &bars[i], SA_X + SA_STEP * (double)i);
	if (count)
		draw_text(out, SA_X + SA_STEP * (double)(count < 5 ? count : 5) / 2, 18,
			  "text-anchor=\"middle\" class=\"soft\"", "SAs");
}

static void draw_all(FILE *out, const struct ladder *l, const struct ikw_incident *incident)
{
	draw_lane(out, l, HOST_X, "this", "host");
	draw_lane(out, l, KERNEL_X, "kernel's", "SAD");
	draw_bars(out, l, incident);
	draw_lifeline(out, l, LOCAL_X, "here", ikw_json_text(incident->alarm, "src_ip"));
	draw_lifeline(out, l, PEER_X, "peer", ikw_json_text(incident->alarm, "dst_ip"));
	draw_silence(out, l);
	for (size_t i = 0; i < l->count; i++)
		if (l->marks[i].cut > 0)
			draw_cut(out, &l->marks[i]);
	for (size_t i = 0; i < l->count; i++)
		draw_mark(out, &l->marks[i]);
	fprintf(out, "<line class=\"end\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n",
		TIME_X + 6, l->end, PEER_X + 4, l->end);
	draw_text(out, TIME_X, l->end + 4, "text-anchor=\"end\" class=\"bad\"", "deleted");
}

void ikw_ladder_write(FILE *out, const struct ikw_incident *incident)
{
	struct ladder l;

	if (ladder_make(&l, incident))
		return;
	fprintf(out,
		"<section id=\"ladder\"><h2>What happened</h2>\n<figure><svg viewBox=\"0 0 %d "
		"%.0f\" role=\"group\" aria-label=\"Messages and "
		"events, from top to bottom in time\">\n",
		WIDTH, l.height + TOP + 36);
	draw_all(out, &l, incident);
	fprintf(out,
		"</svg>\n<figcaption class=\"soft\">Drawn to time, seconds from the deletion; a "
		"zigzag cuts a long gap. A dashed arrow is a retransmission. An SA's bar is broad "
		"while packets came, narrow while none did, and ends in a point when the SA "
		"lived on. Tab goes from mark to mark.</figcaption></figure></section>\n");
	free(l.marks);
}
