/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * snprintf() for the texts of alarms, which are put together from words and small
 * numbers. In a storm every deletion has a dozen of them, and the C library's took
 * two fifths of the whole pipeline's time.
 */
#ifndef IKEWATCH_FORMAT_H
#define IKEWATCH_FORMAT_H

#include <stddef.h>

/*
 * As snprintf(), with the same result. Quick where fmt has no other
 * directives than %s, %.<digits>s, %u, %x, %0<digit>x and %%.
 */
__attribute__((format(printf, 3, 4))) int ikw_format(char *buf, size_t size, const char *fmt, ...);

/* Likewise into memory of its own; to be freed. NULL without memory. */
__attribute__((format(printf, 1, 2))) char *ikw_format_new(const char *fmt, ...);
__attribute__((format(printf, 1, 0))) char *ikw_format_new_args(const char *fmt, va_list args);

/*
 * Text that is another's (a process's name and arguments, an operator's note), in
 * place: what a terminal would obey (ECMA-48: C0 and C1 controls) becomes '?', white
 * space a blank.
 */
static inline void ikw_plain(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c >= '\t' && *c <= '\r') {
			*c = ' ';
		} else if (*c < ' ' || *c == 0x7f) {
			*c = '?';
		} else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) { /* U+0080 to U+009F */
			*c++ = '?';
			*c = '?';
		}
	}
}

#endif
