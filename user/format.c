// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format.h"
#include <stdarg.h>

#define BRIEF	   256 /* most texts are shorter */
#define DIGITS_MAX 10  /* of 32 bits, in decimal */

struct out {
	char *buf;
	size_t size;
	size_t length; /* as long as it would be */
};

static void put(struct out *o, const char *text, size_t length)
{
	size_t room = o->length < o->size ? o->size - o->length : 0;

	memcpy(o->buf + o->length, text, length < room ? length : room);
	o->length += length;
}

static void put_number(struct out *o, uint32_t value, uint32_t base, unsigned int least)
{
	char digits[DIGITS_MAX];
	unsigned int at = DIGITS_MAX;

	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value || DIGITS_MAX - at < least);
	put(o, digits + at, DIGITS_MAX - at);
}

/* What follows a "%", up to its letter. */
struct directive {
	size_t most;	    /* bytes of a string */
	unsigned int least; /* digits of a number */
	char letter;
};

static const char *read_directive(const char *p, struct directive *d)
{
	d->most = SIZE_MAX;
	d->least = 1;
	if (*p == '.') {
		d->most = 0;
		while (*++p >= '0' && *p <= '9')
			d->most = d->most * 10 + (size_t)(*p - '0');
	} else if (*p == '0' && p[1] >= '1' && p[1] <= '9') {
		d->least = (unsigned int)(p[1] - '0');
		p += 2;
	}
	d->letter = *p;
	return p + 1;
}

/* False: there is a directive that is none of ours. */
static bool format_quick(struct out *o, const char *fmt, va_list args)
{
	for (;;) {
		const char *p = strchrnul(fmt, '%');
		struct directive d;
		const char *text;

		put(o, fmt, (size_t)(p - fmt));
		if (!*p)
			return true;
		fmt = read_directive(p + 1, &d);
		if (d.letter == 's' && d.least == 1) {
			text = va_arg(args, const char *);
			put(o, text, strnlen(text, d.most));
		} else if (d.most != SIZE_MAX) {
			return false;
		} else if (d.letter == 'x') {
			put_number(o, va_arg(args, unsigned int), 16, d.least);
		} else if (d.letter == 'u' && d.least == 1) {
			put_number(o, va_arg(args, unsigned int), 10, 1);
		} else if (d.letter == '%' && p[1] == '%') {
			put(o, "%", 1);
		} else {
			return false;
		}
	}
}

__attribute__((format(printf, 3, 0))) static int format_args(char *buf, size_t size,
							     const char *fmt, va_list args)
{
	struct out o = { .buf = buf, .size = size };
	va_list again;
	int n;

	va_copy(again, args);
	if (format_quick(&o, fmt, args)) {
		if (size)
			buf[o.length < size ? o.length : size - 1] = 0;
		n = (int)o.length;
	} else {
		n = vsnprintf(buf, size, fmt, again);
	}
	va_end(again);
	return n;
}

int ikw_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = format_args(buf, size, fmt, args);
	va_end(args);
	return n;
}

char *ikw_format_new_args(const char *fmt, va_list args)
{
	char brief[BRIEF], *text = NULL;
	va_list again;
	int n;

	va_copy(again, args);
	n = format_args(brief, sizeof(brief), fmt, args);
	if (n >= 0)
		text = malloc((size_t)n + 1);
	if (text && (size_t)n < sizeof(brief))
		memcpy(text, brief, (size_t)n + 1);
	else if (text)
		format_args(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return text;
}

char *ikw_format_new(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = ikw_format_new_args(fmt, args);
	va_end(args);
	return text;
}
