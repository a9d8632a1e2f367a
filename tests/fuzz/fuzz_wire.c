/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer target for what other protocols' packets say: any bytes as any of
 * the kinds. What comes of them must be valid records, and the memory of them
 * must take any order of such records.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "user/event.h"
#include "user/host.h"
#include "user/outside.h"
#include "user/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one(struct ikw_outside *outside, const struct ikw_host *host, const struct ikw_raw *raw)
{
	struct ikw_wire wires[IKW_WIRE_RECORDS];
	size_t n = ikw_wire_read(raw, wires);
	union ikw_event event;
	const char *why;

	if (n > IKW_WIRE_RECORDS)
		abort();
	for (size_t i = 0; i < n; i++) {
		memset(&event, 0, sizeof(event));
		event.wire = wires[i];
		if (!ikw_event_valid(&event, sizeof(event.wire), &why))
			abort();
		ikw_outside_event(outside, host, &event);
	}
}

/* Packets one after the other: kind, direction, length, bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ikw_outside outside = { 0 };
	struct ikw_host host;
	uint64_t time = 1000000000;

	if (ikw_host_init(&host))
		return 0;
	while (size > 3) {
		struct ikw_raw raw = { .kind = (uint8_t)(1 + data[0] % IKW_WIRE_CLUSTER),
				       .dir = (uint8_t)(1 + (data[1] & 1)),
				       .family = 4 };

		raw.hdr.type = IKW_EV_RAW;
		raw.hdr.size = sizeof(raw);
		raw.hdr.time = time += 1000000;
		raw.len = data[2];
		if (raw.len > size - 3)
			raw.len = (uint16_t)(size - 3);
		memcpy(raw.data, data + 3, raw.len);
		one(&outside, &host, &raw);
		data += 3 + raw.len;
		size -= 3 + raw.len;
	}
	ikw_outside_free(&outside);
	ikw_host_free(&host);
	return 0;
}
