/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "control_request.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *read_ids(const json_t *ids, struct ikw_control_request *request)
{
	if (!ids)
		return NULL;
	if (!json_is_array(ids))
		return "ids: not an array";
	if (json_array_size(ids) > IKW_CONTROL_IDS)
		return "ids: too many";
	for (size_t i = 0; i < json_array_size(ids); i++) {
		json_int_t id = json_integer_value(json_array_get(ids, i));

		if (id <= 0)
			return "ids: not numbers of alarms";
		request->ids[request->id_count++] = (uint64_t)id;
	}
	return NULL;
}

static const char *read_note(const json_t *note, struct ikw_control_request *request)
{
	if (!note)
		return NULL;
	if (!json_is_string(note))
		return "note: not a text";
	if (json_string_length(note) >= sizeof(request->note))
		return "note: too long";
	request->has_note = true;
	memcpy(request->note, json_string_value(note), json_string_length(note) + 1);
	return NULL;
}

static const char *read_clear(const json_t *json, struct ikw_control_request *request)
{
	const char *wrong = read_ids(json_object_get(json, "ids"), request);

	if (!wrong)
		wrong = read_note(json_object_get(json, "note"), request);
	request->all = json_is_true(json_object_get(json, "all"));
	if (!wrong && request->all == (request->id_count > 0))
		wrong = "ids or all: one of the two";
	return wrong;
}

static const char *read_request(const json_t *json, struct ikw_control_request *request)
{
	const char *name = json_string_value(json_object_get(json, "request"));

	if (!name)
		return "not a request";
	if (strlen(name) >= sizeof(request->name))
		return "unknown request";
	memcpy(request->name, name, strlen(name) + 1);
	return strcmp(name, "clear") ? NULL : read_clear(json, request);
}

const char *ikw_control_parse(const char *text, size_t len, struct ikw_control_request *request)
{
	json_t *json = json_loadb(text, len, 0, NULL);
	const char *wrong;

	memset(request, 0, sizeof(*request));
	wrong = read_request(json, request);
	json_decref(json);
	return wrong;
}

char *ikw_control_format(const struct ikw_control_request *request)
{
	json_t *json = json_pack("{s:s}", "request", request->name), *ids = json_array();
	char *text, *line = NULL;

	for (size_t i = 0; i < request->id_count; i++)
		json_array_append_new(ids, json_integer((json_int_t)request->ids[i]));
	if (request->id_count)
		json_object_set(json, "ids", ids);
	if (request->all)
		json_object_set_new(json, "all", json_true());
	if (request->has_note)
		json_object_set_new(json, "note", json_string(request->note));
	json_decref(ids);
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}
