/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The check of an event, and its way into JSON. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "event.h"
#include "event_fields.h"

#define NSEC UINT64_C(1000000000)

size_t ikw_event_size(unsigned int type)
{
	const struct layout *layout = ikw_layout(type);

	return layout ? layout->size : 0;
}

const char *ikw_event_type_text(unsigned int type)
{
	const struct layout *layout = ikw_layout(type);

	return layout ? layout->name : NULL;
}

bool ikw_event_valid(const void *buf, size_t len, const char **why)
{
	const struct layout *layout;
	struct ikw_hdr hdr;

	*why = "shorter than a header";
	if (len < sizeof(hdr))
		return false;
	memcpy(&hdr, buf, sizeof(hdr));
	layout = ikw_layout(hdr.type);
	*why = "unknown type";
	if (!layout)
		return false;
	*why = "size does not fit the type";
	if (hdr.size != layout->size)
		return false;
	*why = "shorter than its size";
	if (len < hdr.size)
		return false;
	*why = ikw_layout_check(layout, buf);
	return !*why;
}

/* ---- to JSON ---------------------------------------------------------- */

static bool all_zero(const uint8_t *at, size_t size)
{
	while (size && !*at) {
		at++;
		size--;
	}
	return !size;
}

static json_t *layout_json(const struct layout *layout, const uint8_t *rec, json_t *into);

static json_t *format_json(const char *format, ...) __attribute__((format(printf, 1, 2)));
static json_t *format_json(const char *format, ...)
{
	char text[64];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return json_string(text);
}

/* jansson's integers are signed 64 bits. */
static json_t *uint_json(uint64_t value, size_t size)
{
	if (value <= INT64_MAX)
		return json_integer((json_int_t)value);
	if (value == ikw_field_max(size))
		return json_string("inf");
	return format_json("0x%" PRIx64, value);
}

static json_t *addr_json(const uint8_t *addr)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[INET6_ADDRSTRLEN];
	bool v4 = !memcmp(addr, mapped, sizeof(mapped));

	if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr + 12 : addr, text, sizeof(text)))
		return NULL;
	return json_string(text);
}

/* Every byte but printable ASCII as \xNN: any byte string is then a legal JSON text. */
static json_t *text_json(const uint8_t *at, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	char text[4 * IKW_ARGS_LEN + 1];
	char *to = text;

	for (size_t i = 0; i < len; i++) {
		if (at[i] == '\\') {
			*to++ = '\\';
			*to++ = '\\';
		} else if (at[i] >= 0x20 && at[i] < 0x7f) {
			*to++ = (char)at[i];
		} else {
			*to++ = '\\';
			*to++ = 'x';
			*to++ = hex[at[i] >> 4];
			*to++ = hex[at[i] & 15];
		}
	}
	return json_stringn(text, (size_t)(to - text));
}

static json_t *mask_json(const struct name *names, uint64_t value)
{
	json_t *array = json_array();

	for (; names->text; names++) {
		if (!(value & names->value))
			continue;
		json_array_append_new(array, json_string(names->text));
		value &= ~(uint64_t)names->value;
	}
	if (value)
		json_array_append_new(array, json_integer((json_int_t)value));
	return array;
}

static json_t *named_json(const struct name *names, uint64_t value)
{
	const char *text = ikw_name_text(names, value);

	return text ? json_string(text) : json_integer((json_int_t)value);
}

/*
 * "a\0b\0" is ["a", "b"]. Cut arguments lack the last NUL ("a\0b"): those are
 * told apart by a null at the end.
 */
static json_t *args_json(const uint8_t *at, size_t len)
{
	json_t *array = json_array();
	const uint8_t *end = at + len;

	while (at < end) {
		const uint8_t *nul = memchr(at, 0, (size_t)(end - at));

		json_array_append_new(array, text_json(at, (size_t)((nul ? nul : end) - at)));
		if (!nul)
			json_array_append_new(array, json_null());
		at = nul ? nul + 1 : end;
	}
	return array;
}

static json_t *list_json(const struct field *f, const uint8_t *at, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array,
				      layout_json(f->sub, at + i * f->sub->size, json_object()));
	return array;
}

static json_t *counted_json(const struct field *f, const uint8_t *rec)
{
	size_t capacity = ikw_field_capacity(f);
	uint64_t count = ikw_field_count(f, rec);
	const uint8_t *at = rec + f->offset;

	if (count > capacity)
		count = capacity;
	if (f->kind == LIST)
		return list_json(f, at, count);
	return f->kind == ARGS ? args_json(at, count) : text_json(at, count);
}

static json_t *time_json(uint64_t ns)
{
	return format_json("%" PRIu64 ".%09" PRIu64, ns / NSEC, ns % NSEC);
}

static json_t *field_json(const struct field *f, const uint8_t *rec)
{
	const uint8_t *at = rec + f->offset;
	uint64_t value = f->size <= 8 ? ikw_field_load(at, f->size) : 0;

	switch (f->kind) {
	case UINT:
		return uint_json(value, f->size);
	case SINT:
		return json_integer((int32_t)value);
	case HEX:
		return format_json("0x%" PRIx64, value);
	case SPI:
		return format_json("0x%08" PRIx64, value);
	case IKE_SPI:
		return format_json("%016" PRIx64, value);
	case ADDR:
		return addr_json(at);
	case TIME:
		return time_json(value);
	case TEXT:
		return text_json(at, strnlen((const char *)at, f->size));
	case ENUM:
	case NAMED:
		return named_json(f->names, value);
	case MASK:
		return mask_json(f->names, value);
	case OBJECT:
		return layout_json(f->sub, at, json_object());
	default:
		return counted_json(f, rec);
	}
}

static bool field_is_default(const struct field *f, const uint8_t *rec)
{
	if (f->count_size)
		return !ikw_field_count(f, rec);
	return all_zero(rec + f->offset, f->kind == TEXT ? 1 : f->size);
}

static json_t *layout_json(const struct layout *layout, const uint8_t *rec, json_t *into)
{
	for (unsigned int i = 0; i < layout->count; i++) {
		const struct field *f = &layout->fields[i];
		json_t *value;

		if (field_is_default(f, rec))
			continue;
		value = field_json(f, rec);
		/* Something behind a text's NUL is all there is. */
		if (f->kind == OBJECT && value && !json_object_size(value)) {
			json_decref(value);
			continue;
		}
		if (json_object_set_new(into, f->name, value)) {
			json_decref(into);
			return NULL;
		}
	}
	return into;
}

json_t *ikw_event_json(const union ikw_event *event)
{
	const struct layout *layout = ikw_layout(event->hdr.type);
	json_t *json;

	if (!layout)
		return NULL;
	json = json_object();
	if (!json)
		return NULL;
	if (json_object_set_new(json, "type", json_string(layout->name))) {
		json_decref(json);
		return NULL;
	}
	json = layout_json(&ikw_hdr_layout, (const uint8_t *)event, json);
	return json ? layout_json(layout, (const uint8_t *)event, json) : NULL;
}

char *ikw_event_line(const union ikw_event *event)
{
	json_t *json = ikw_event_json(event);
	char *line = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return line;
}
