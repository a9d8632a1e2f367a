// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `decode` on anything that begins like a capture file: it ends, and with 0. */
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cli.h"

static char path[64];
static int fd;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fd = memfd_create("capture", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* the streams only: what the fuzzer says goes to the descriptors */
	stdout = fopen("/dev/null", "w");
	stderr = fopen("/dev/null", "w");
	return fd < 0 || !stdout || !stderr;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char magics[][4] = { { 0xd4, 0xc3, 0xb2, 0xa1 },
						   { 0xa1, 0xb2, 0x3c, 0x4d },
						   { 0x0a, 0x0d, 0x0d, 0x0a } };
	char *args[] = { (char[]){ "decode" }, path, (char[]){ "--json" }, NULL };

	if (size < 1)
		return 0;
	if (ftruncate(fd, 0) || pwrite(fd, magics[data[0] % 3], 4, 0) != 4 ||
	    pwrite(fd, data + 1, size - 1, 4) != (ssize_t)(size - 1))
		abort();
	optind = 0;
	if (ikw_decode_main(data[0] & 0x80 ? 2 : 3, args))
		abort();
	return 0;
}
