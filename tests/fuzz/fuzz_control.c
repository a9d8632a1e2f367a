/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The control socket's requests: any bytes are refused with a text or parsed, and what was parsed
 * survives a round trip. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "user/control_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ikw_control_request first, second;
	const char *wrong = ikw_control_parse((const char *)data, size, &first);
	char *line;

	if (wrong) {
		if (!*wrong)
			abort();
		return 0;
	}
	line = ikw_control_format(&first);
	if (!line || ikw_control_parse(line, strlen(line), &second) ||
	    memcmp(&first, &second, sizeof(first)))
		abort();
	free(line);
	return 0;
}
