/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer target for the event decoder: a record as it comes from the ring
 * buffer, and a line as it comes from a recording. Whatever passes the check
 * must survive the way through JSON and back unchanged.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "user/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What goes out must come in again and read the same. */
static void round_trip(const union ikw_event *event)
{
	union ikw_event back;
	char *first = ikw_event_line(event);
	char *second;
	char why[256];

	if (!first || ikw_event_from_line(first, strlen(first), &back, why, sizeof(why)))
		abort();
	second = ikw_event_line(&back);
	if (!second || strcmp(first, second))
		abort();
	free(first);
	free(second);
}

static void as_record(const uint8_t *data, size_t size)
{
	union ikw_event event;
	const char *why;

	if (!ikw_event_valid(data, size, &why)) {
		if (!why || !*why)
			abort();
		return;
	}
	memset(&event, 0, sizeof(event));
	memcpy(&event, data, size < sizeof(event) ? size : sizeof(event));
	round_trip(&event);
}

static void as_line(const uint8_t *data, size_t size)
{
	union ikw_event event;
	char why[256];

	if (!ikw_event_from_line((const char *)data, size, &event, why, sizeof(why)))
		round_trip(&event);
}

/*
 * The first byte chooses: most mutations stay within one of the two. A comment
 * line before a text is passed over (the seeds have one).
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size && data[0] == '#' ? memchr(data, '\n', size) : NULL;

	if (end) {
		size -= (size_t)(end + 1 - data);
		data = end + 1;
	}
	if (!size)
		return 0;
	if (data[0] == '{')
		as_line(data, size);
	else
		as_record(data + 1, size - 1);
	return 0;
}
