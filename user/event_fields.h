/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How the members of a record lie and read. Inside of the codec (user/event*.c);
 * everybody else uses user/event.h.
 */
#ifndef IKEWATCH_EVENT_FIELDS_H
#define IKEWATCH_EVENT_FIELDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "bpf/ikewatch_event.h"

enum kind {
	UINT,	 /* 1, 2, 4 or 8 bytes */
	SINT,	 /* 4 bytes, signed */
	HEX,	 /* "0x%x" */
	SPI,	 /* "0x%08x" */
	IKE_SPI, /* 16 hex digits */
	ADDR,	 /* 16 bytes */
	TIME,	 /* "seconds.nanoseconds" */
	TEXT,	 /* NUL-terminated */
	ENUM,	 /* one of names, nothing else */
	NAMED,	 /* a name where there is one, else a number */
	MASK,	 /* an array of names */
	BYTES,	 /* counted bytes, as a text */
	ARGS,	 /* counted bytes, texts separated by NUL */
	OBJECT,	 /* a nested struct */
	LIST,	 /* a counted array of nested structs */
};

struct name {
	uint32_t value;
	const char *text;
};

struct layout;

struct field {
	const char *name;
	uint16_t offset;
	uint16_t size;
	uint16_t count_offset; /* BYTES, ARGS, LIST */
	uint8_t count_size;
	uint8_t kind;
	const struct name *names;
	const struct layout *sub;
};

struct layout {
	const char *name;
	size_t size;
	unsigned int count;
	const struct field *fields;
};

/* The members of struct ikw_hdr but type and size. */
extern const struct layout ikw_hdr_layout;

/* The record of a type (enum ikw_event_type), without the header's members; NULL: none. */
const struct layout *ikw_layout(unsigned int type);

/* What is wrong with a record, or with one of its members: a static text; NULL: nothing. */
const char *ikw_layout_check(const struct layout *layout, const uint8_t *rec);
const char *ikw_field_check(const struct field *f, const uint8_t *rec);

/* An unsigned member of 1, 2, 4 or 8 bytes, host byte order, any alignment. */
uint64_t ikw_field_load(const uint8_t *at, size_t size);
void ikw_field_store(uint8_t *at, size_t size, uint64_t value);

/* The greatest value of an unsigned member of that size. */
static inline uint64_t ikw_field_max(size_t size)
{
	return size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
}

/* How many elements a BYTES, ARGS or LIST member has room for. */
static inline size_t ikw_field_capacity(const struct field *f)
{
	return f->kind == LIST ? f->size / f->sub->size : f->size;
}

/* The count that goes with a BYTES, ARGS or LIST member. */
static inline uint64_t ikw_field_count(const struct field *f, const uint8_t *rec)
{
	return ikw_field_load(rec + f->count_offset, f->count_size);
}

/* The name of a value, or NULL. */
static inline const char *ikw_name_text(const struct name *names, uint64_t value)
{
	while (names->text && names->value != value)
		names++;
	return names->text;
}

/* The entry with that text, or NULL. */
static inline const struct name *ikw_name_find(const struct name *names, const char *text)
{
	while (names->text && strcmp(names->text, text))
		names++;
	return names->text ? names : NULL;
}

#endif
