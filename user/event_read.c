/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An event out of JSON. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include "event.h"
#include "event_fields.h"

#define NSEC UINT64_C(1000000000)

/* Where a decoding stands; `path` is "by." inside a nested object. */
struct reader {
	char *why;
	size_t size;
	char path[64];
};

static int fail(struct reader *r, const char *name, const char *what)
{
	if (r->size)
		snprintf(r->why, r->size, "%s%s: %s", r->path, name, what);
	return -1;
}

static int layout_read(struct reader *r, const struct layout *layout, const json_t *json,
		       uint8_t *rec);

static bool hex_parse(const char *text, uint64_t *value)
{
	char *end;

	if (!*text || strspn(text, "0123456789abcdefABCDEF") != strlen(text) || strlen(text) > 16)
		return false;
	*value = strtoull(text, &end, 16);
	return !*end;
}

static bool uint_parse(const json_t *json, size_t size, uint64_t *value)
{
	const char *text = json_string_value(json);

	if (json_is_integer(json)) {
		*value = (uint64_t)json_integer_value(json);
		return json_integer_value(json) >= 0 && *value <= ikw_field_max(size);
	}
	if (!text)
		return false;
	if (!strcmp(text, "inf")) {
		*value = ikw_field_max(size);
		return true;
	}
	return !strncmp(text, "0x", 2) && hex_parse(text + 2, value) &&
	       *value <= ikw_field_max(size);
}

static int uint_read(struct reader *r, const struct field *f, const json_t *json, uint8_t *at)
{
	const char *text = json_string_value(json);
	uint64_t value;

	if (f->kind == IKE_SPI) {
		if (!text || strlen(text) != 16 || !hex_parse(text, &value))
			return fail(r, f->name, "must be 16 hex digits");
	} else if (!uint_parse(json, f->size, &value)) {
		return fail(r, f->name, "not an unsigned integer that fits");
	}
	ikw_field_store(at, f->size, value);
	return 0;
}

static int sint_read(struct reader *r, const struct field *f, const json_t *json, uint8_t *at)
{
	json_int_t value = json_integer_value(json);
	int32_t number = (int32_t)value;

	if (!json_is_integer(json) || value != number)
		return fail(r, f->name, "not a 32-bit integer");
	memcpy(at, &number, sizeof(number));
	return 0;
}

/* "12.5" -> 12500000000 */
static bool time_parse(const char *text, uint64_t *ns)
{
	size_t whole = strspn(text, "0123456789");
	uint64_t fraction = 0;

	if (!whole || whole > 11)
		return false;
	if (__builtin_mul_overflow(strtoull(text, NULL, 10), NSEC, ns))
		return false;
	text += whole;
	if (*text == '.') {
		text++;
		for (uint64_t unit = NSEC / 10; *text >= '0' && *text <= '9' && unit; unit /= 10)
			fraction += unit * (uint64_t)(*text++ - '0');
	}
	return !*text && !__builtin_add_overflow(*ns, fraction, ns);
}

static int time_read(struct reader *r, const struct field *f, const json_t *json, uint8_t *at)
{
	const char *text = json_string_value(json);
	uint64_t value;

	if (text && strncmp(text, "0x", 2) ? !time_parse(text, &value)
					   : !uint_parse(json, f->size, &value))
		return fail(r, f->name, "not a time (\"seconds.nanoseconds\")");
	ikw_field_store(at, f->size, value);
	return 0;
}

static int addr_read(struct reader *r, const struct field *f, const json_t *json, uint8_t *at)
{
	const char *text = json_string_value(json);

	if (text && inet_pton(AF_INET, text, at + 12) == 1) {
		memset(at, 0, 10);
		memset(at + 10, 0xff, 2);
		return 0;
	}
	if (text && inet_pton(AF_INET6, text, at) == 1)
		return 0;
	return fail(r, f->name, "not an address");
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Undoes text_json() into at most size bytes; the length, or -1. */
static ssize_t text_parse(const json_t *json, uint8_t *at, size_t size)
{
	const char *text = json_string_value(json);
	size_t len = 0;

	for (; text && *text && len < size; len++) {
		if (text[0] == '\\' && text[1] == '\\') {
			at[len] = '\\';
			text += 2;
		} else if (text[0] == '\\') {
			int high = text[1] == 'x' ? nibble(text[2]) : -1;
			int low = high < 0 ? -1 : nibble(text[3]);

			if (low < 0)
				return -1;
			at[len] = (uint8_t)(high << 4 | low);
			text += 4;
		} else {
			at[len] = (uint8_t)*text++;
		}
	}
	return text && !*text ? (ssize_t)len : -1;
}

static int text_read(struct reader *r, const struct field *f, const json_t *json, uint8_t *at)
{
	ssize_t len = text_parse(json, at, f->size - 1u);

	if (len < 0 || memchr(at, 0, (size_t)len))
		return fail(r, f->name, "not a text that fits");
	return 0;
}

static int named_read(struct reader *r, const struct field *f, const json_t *json, uint8_t *at)
{
	const struct name *name =
		json_is_string(json) ? ikw_name_find(f->names, json_string_value(json)) : NULL;
	uint64_t value;

	if (name)
		value = name->value;
	else if (f->kind != NAMED || !json_is_integer(json) || !uint_parse(json, f->size, &value))
		return fail(r, f->name, "not one of its names");
	ikw_field_store(at, f->size, value);
	return 0;
}

static int mask_read(struct reader *r, const struct field *f, const json_t *json, uint8_t *at)
{
	uint64_t mask = 0;

	if (!json_is_array(json))
		return fail(r, f->name, "not an array of names");
	for (size_t i = 0; i < json_array_size(json); i++) {
		const json_t *item = json_array_get(json, i);
		const struct name *name = json_is_string(item)
						  ? ikw_name_find(f->names, json_string_value(item))
						  : NULL;
		uint64_t value = 0;

		if (!name && (!json_is_integer(item) || !uint_parse(item, f->size, &value)))
			return fail(r, f->name, "has something that is not one of its names");
		mask |= name ? name->value : value;
	}
	ikw_field_store(at, f->size, mask);
	return 0;
}

static ssize_t args_parse(const json_t *json, uint8_t *at, size_t size)
{
	size_t items = json_array_size(json);
	size_t len = 0;

	if (!json_is_array(json))
		return -1;
	for (size_t i = 0; i < items; i++) {
		const json_t *next = json_array_get(json, i + 1);
		bool cut = json_is_null(next) && i + 2 == items;
		ssize_t got = text_parse(json_array_get(json, i), at + len, size - len);

		if (got < 0 || memchr(at + len, 0, (size_t)got))
			return -1;
		len += (size_t)got;
		if (cut)
			return got ? (ssize_t)len : -1;
		if (len == size)
			return -1;
		at[len++] = 0;
	}
	return (ssize_t)len;
}

static ssize_t list_read(struct reader *r, const struct field *f, const json_t *json, uint8_t *at)
{
	size_t count = json_array_size(json);

	if (!json_is_array(json) || count > ikw_field_capacity(f))
		return fail(r, f->name, "not an array that fits");
	for (size_t i = 0; i < count; i++)
		if (layout_read(r, f->sub, json_array_get(json, i), at + i * f->sub->size))
			return -1;
	return (ssize_t)count;
}

static int counted_read(struct reader *r, const struct field *f, const json_t *json, uint8_t *rec)
{
	uint8_t *at = rec + f->offset;
	ssize_t count;

	if (f->kind == LIST)
		count = list_read(r, f, json, at);
	else if (f->kind == ARGS)
		count = args_parse(json, at, f->size);
	else
		count = text_parse(json, at, f->size);
	if (count < 0)
		return f->kind == LIST ? -1 : fail(r, f->name, "not a text that fits");
	ikw_field_store(rec + f->count_offset, f->count_size, (uint64_t)count);
	return 0;
}

static int object_read(struct reader *r, const struct field *f, const json_t *json, uint8_t *at)
{
	size_t len = strlen(r->path);
	int err;

	snprintf(r->path + len, sizeof(r->path) - len, "%s.", f->name);
	err = layout_read(r, f->sub, json, at);
	if (!err)
		r->path[len] = 0;
	return err;
}

static int field_read(struct reader *r, const struct field *f, const json_t *json, uint8_t *rec)
{
	uint8_t *at = rec + f->offset;

	switch (f->kind) {
	case UINT:
	case HEX:
	case SPI:
	case IKE_SPI:
		return uint_read(r, f, json, at);
	case SINT:
		return sint_read(r, f, json, at);
	case ADDR:
		return addr_read(r, f, json, at);
	case TIME:
		return time_read(r, f, json, at);
	case TEXT:
		return text_read(r, f, json, at);
	case ENUM:
	case NAMED:
		return named_read(r, f, json, at);
	case MASK:
		return mask_read(r, f, json, at);
	case OBJECT:
		return object_read(r, f, json, at);
	default:
		return counted_read(r, f, json, rec);
	}
}

static const struct field *field_find(const struct layout *layout, const char *name)
{
	for (unsigned int i = 0; i < layout->count; i++)
		if (!strcmp(layout->fields[i].name, name))
			return &layout->fields[i];
	return NULL;
}

/* The names come from the file: a long one must not hide what is said about it. */
static int fail_unknown(struct reader *r, const char *name)
{
	char shown[40];

	snprintf(shown, sizeof(shown), "%s", name);
	return fail(r, shown, "no such member");
}

static int layout_read(struct reader *r, const struct layout *layout, const json_t *json,
		       uint8_t *rec)
{
	const char *name;
	json_t *value;

	if (!json_is_object(json))
		return fail(r, layout->name, "not an object");
	json_object_foreach ((json_t *)json, name, value) {
		const struct field *f = field_find(layout, name);

		if (!f)
			return fail_unknown(r, name);
		if (field_read(r, f, value, rec))
			return -1;
	}
	return 0;
}

static int member_read(struct reader *r, const struct layout *layout, const char *name,
		       const json_t *value, uint8_t *rec)
{
	const struct field *f = field_find(&ikw_hdr_layout, name);

	if (!f)
		f = field_find(layout, name);
	if (!f)
		return fail_unknown(r, name);
	return field_read(r, f, value, rec);
}

static unsigned int type_find(const json_t *json)
{
	const char *text = json_string_value(json);

	for (unsigned int type = 0; text && type < IKW_EV_MAX; type++)
		if (ikw_layout(type) && !strcmp(ikw_layout(type)->name, text))
			return type;
	return IKW_EV_NONE;
}

/* An op that was left out is the commonest slip of a hand-written story: name it. */
static int fail_invalid(struct reader *r, const struct layout *layout, const uint8_t *rec,
			const char *what)
{
	for (unsigned int i = 0; i < layout->count; i++)
		if (ikw_field_check(&layout->fields[i], rec))
			return fail(r, layout->fields[i].name, "missing or out of range");
	return fail(r, layout->name, what);
}

int ikw_event_from_json(const json_t *json, union ikw_event *event, char *why, size_t size)
{
	struct reader r = { .why = why, .size = size };
	unsigned int type = type_find(json_object_get(json, "type"));
	const struct layout *layout = ikw_layout(type);
	const char *what;
	const char *name;
	json_t *value;

	if (!json_is_object(json))
		return fail(&r, "event", "not an object");
	if (!layout)
		return fail(&r, "type", "missing or unknown");
	memset(event, 0, sizeof(*event));
	event->hdr.type = (uint16_t)type;
	event->hdr.size = (uint16_t)layout->size;
	json_object_foreach ((json_t *)json, name, value) {
		if (strcmp(name, "type") && member_read(&r, layout, name, value, (uint8_t *)event))
			return -1;
	}
	if (!ikw_event_valid(event, layout->size, &what))
		return fail_invalid(&r, layout, (const uint8_t *)event, what);
	return 0;
}

int ikw_event_from_line(const char *line, size_t len, union ikw_event *event, char *why,
			size_t size)
{
	json_error_t error;
	json_t *json = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	int err;

	if (!json) {
		snprintf(why, size, "column %d: %s", error.column, error.text);
		return -1;
	}
	err = ikw_event_from_json(json, event, why, size);
	json_decref(json);
	return err;
}
