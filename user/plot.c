/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets per second, inbound upwards and outbound downwards from one axis, in
 * steps as wide as the samples lay apart. Time runs to the right up to the
 * deletion.
 */
#include <stdbool.h>
#include <string.h>
#include "plot.h"

#define WIDTH  1080
#define LEFT   80
#define RIGHT  1050
#define MIDDLE 74 /* y of the axis */
#define REACH  56 /* height of the highest step */
#define HEIGHT 168
#define SPANS  64

/* Packets per second between two times, seconds from the deletion. */
struct step {
	double from;
	double to;
	double rate;
};

struct series {
	struct step steps[SPANS];
	size_t count;
	json_int_t packets;
};

static void add_step(struct series *s, double from, double to, json_int_t packets)
{
	if (s->count == SPANS || to - from < 0.001)
		return;
	s->steps[s->count++] = (struct step){ from, to, (double)packets / (to - from) };
	s->packets += packets;
}

/* Of one SA: spans of the same length up to the newest sample, and what came after it. */
static void series_make(struct series *s, const struct ikw_incident *incident, const json_t *sa)
{
	const json_t *traffic = json_object_get(sa, "traffic");
	const json_t *packets = json_object_get(traffic, "packets");
	double sampled = ikw_incident_offset(incident, ikw_json_text(traffic, "sampled"));
	double span = json_number_value(json_object_get(traffic, "span_s"));
	size_t count = json_array_size(packets);

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < count; i++) {
		double back = (double)(count - 1 - i) * span;
		json_int_t n = json_integer_value(json_array_get(packets, i));

		if (i + 1 < count)
			add_step(s, sampled - back, sampled - back + span, n);
		else
			add_step(s, sampled, 0, n);
	}
}

static double highest(const struct series *s)
{
	double rate = 0;

	for (size_t i = 0; i < s->count; i++)
		if (s->steps[i].rate > rate)
			rate = s->steps[i].rate;
	return rate;
}

struct scale {
	double begin; /* the time at LEFT */
	double rate;  /* at REACH */
};

static double x_of(const struct scale *scale, double at)
{
	return RIGHT + (RIGHT - LEFT) * at / -scale->begin;
}

static void draw_series(FILE *out, const struct series *s, const struct scale *scale, bool in)
{
	double up = in ? -REACH : REACH;

	if (!s->count)
		return;
	fprintf(out, "<path class=\"area %s\" d=\"M%.1f %d", in ? "in" : "out",
		x_of(scale, s->steps[0].from), MIDDLE);
	for (size_t i = 0; i < s->count; i++)
		fprintf(out, "V%.1fH%.1f", MIDDLE + up * s->steps[i].rate / scale->rate,
			x_of(scale, s->steps[i].to));
	fprintf(out, "V%dz\"/>\n", MIDDLE);
}

static void draw_axis(FILE *out, const struct scale *scale)
{
	/* four to eight ticks, at round times */
	static const double steps[] = { 5, 10, 15, 30, 60, 120, 300, 600 };
	size_t n = 0;

	while (n + 1 < sizeof(steps) / sizeof(steps[0]) && -scale->begin / steps[n] > 8)
		n++;
	for (double at = 0; at >= scale->begin; at -= steps[n])
		fprintf(out,
			"<line class=\"lane\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>"
			"<text class=\"soft\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">%.0f "
			"s</text>"
			"\n",
			x_of(scale, at), MIDDLE - REACH, x_of(scale, at), MIDDLE + REACH,
			x_of(scale, at), MIDDLE + REACH + 18, at);
	fprintf(out, "<line class=\"life\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n", LEFT,
		MIDDLE, RIGHT, MIDDLE);
	fprintf(out,
		"<text class=\"in\" text-anchor=\"end\" x=\"%d\" y=\"%d\">in</text>"
		"<text class=\"out\" text-anchor=\"end\" x=\"%d\" y=\"%d\">out</text>\n",
		LEFT - 10, MIDDLE - REACH / 2, LEFT - 10, MIDDLE + REACH / 2 + 8);
	fprintf(out,
		"<line class=\"end\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>"
		"<text class=\"bad\" text-anchor=\"end\" x=\"%d\" y=\"%d\">deleted</text>\n",
		RIGHT, MIDDLE - REACH - 6, RIGHT, MIDDLE + REACH + 4, RIGHT - 6,
		MIDDLE - REACH + 4);
}

static void draw_plot(FILE *out, const struct series *in, const struct series *outward,
		      double begin)
{
	struct scale scale = { .begin = begin, .rate = highest(in) };

	if (highest(outward) > scale.rate)
		scale.rate = highest(outward);
	fprintf(out,
		"<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"ESP packets per "
		"second "
		"before the deletion\">\n",
		WIDTH, HEIGHT);
	draw_axis(out, &scale);
	if (scale.rate > 0) {
		draw_series(out, in, &scale, true);
		draw_series(out, outward, &scale, false);
	}
	fprintf(out,
		"</svg>\n<figcaption class=\"soft\">In the last %.0f s before the deletion: "
		"%" JSON_INTEGER_FORMAT " packets in, %" JSON_INTEGER_FORMAT
		" packets out; at most %.1f packets/s.</figcaption></figure>\n",
		-begin, in->packets, outward->packets, scale.rate);
}

void ikw_plot_write(FILE *out, const struct ikw_incident *incident)
{
	const json_t *sas = json_object_get(incident->alarm, "sas"), *sa;
	struct series in = { 0 }, outward = { 0 };
	double begin = 0;
	size_t i;

	json_array_foreach (sas, i, sa) {
		if (!strcmp(ikw_json_text(sa, "direction"), "in"))
			series_make(&in, incident, sa);
		else
			series_make(&outward, incident, sa);
	}
	if (in.count)
		begin = in.steps[0].from;
	if (outward.count && outward.steps[0].from < begin)
		begin = outward.steps[0].from;
	fprintf(out, "<section id=\"traffic\"><h2>ESP traffic</h2>\n");
	if (begin < 0)
		draw_plot(out, &in, &outward, begin);
	else
		fprintf(out,
			"<p class=\"soft\">How it went over time was not sampled: no ESP packet "
			"of these SAs was seen, or the agent began too short a time "
			"before.</p>\n");
	fprintf(out, "</section>\n");
}
