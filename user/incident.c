/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "alarms.h"
#include "format.h"
#include "incident.h"

#define NSEC   UINT64_C(1000000000)
#define BEFORE (600 * NSEC) /* of the deletion: what the journal is read for */
#define AFTER  (60 * NSEC)

const char *ikw_json_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* RFC 3339 UTC text to Unix nanoseconds; 0 when it is not one. */
static uint64_t time_of(const char *text)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	uint64_t unit = NSEC / 10;
	uint64_t ns;

	if (!rest)
		return 0;
	ns = (uint64_t)timegm(&tm) * NSEC;
	if (*rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
			ns += unit * (uint64_t)(*rest - '0');
	return ns;
}

double ikw_incident_offset(const struct ikw_incident *incident, const char *time)
{
	return (double)((int64_t)time_of(time) - (int64_t)incident->wall) / 1e9;
}

/* ---- loading ---------------------------------------------------------- */

static void addr_member(const json_t *json, const char *name, uint8_t to[IKW_ADDR_LEN])
{
	const char *text = ikw_json_text(json, name);

	if (inet_pton(AF_INET, text, to + 12) == 1)
		memset(to + 10, 0xff, 2);
	else if (inet_pton(AF_INET6, text, to) != 1)
		memset(to, 0, IKW_ADDR_LEN);
}

static uint32_t u32_member(const json_t *json, const char *name)
{
	return (uint32_t)json_integer_value(json_object_get(json, name));
}

static void text_member(const json_t *json, const char *name, char *to, size_t size)
{
	snprintf(to, size, "%s", ikw_json_text(json, name));
}

/* The seed's line is formatted in one place only: from the members back to the struct. */
static void make_line(struct ikw_incident *incident)
{
	const json_t *json = incident->alarm;
	struct ikw_alarm alarm = {
		.ifindex = u32_member(json, "ifindex"),
		.reqid = u32_member(json, "seq_num"),
		.tunnel_index = u32_member(json, "tunnel_index"),
		.rule_num = u32_member(json, "rule_num"),
		.remote_port = (uint16_t)u32_member(json, "remote_port"),
		.cpu = u32_member(json, "cpu_id"),
		.slot = u32_member(json, "slot_id"),
		.reason = incident->reason,
	};

	addr_member(json, "dst_ip", alarm.dst);
	addr_member(json, "src_ip", alarm.src);
	text_member(json, "inside_ip", alarm.inside_ip, sizeof(alarm.inside_ip));
	text_member(json, "flow_info", alarm.flow_info, sizeof(alarm.flow_info));
	text_member(json, "vsys_name", alarm.vsys, sizeof(alarm.vsys));
	text_member(json, "interface_name", alarm.ifname, sizeof(alarm.ifname));
	if (ikw_alarm_line(&alarm, incident->line, sizeof(incident->line)) < 0)
		incident->line[0] = 0;
}

void ikw_json_plain(json_t *json)
{
	const char *name;
	json_t *value;
	char *text;
	size_t i;

	json_object_foreach (json, name, value)
		ikw_json_plain(value);
	json_array_foreach (json, i, value)
		ikw_json_plain(value);
	text = json_is_string(json) ? strdup(json_string_value(json)) : NULL;
	if (text) {
		ikw_plain(text);
		json_string_set(json, text);
	}
	free(text);
}

static int load_row(void *ctx, const struct ikw_store_row *row)
{
	struct ikw_incident *incident = ctx;
	json_t *state = ikw_alarms_state_json(row);
	int reason = ikw_reason_find(row->reason);

	incident->alarm = json_loads(row->json, 0, NULL);
	if (incident->alarm && state)
		json_object_update(incident->alarm, state);
	/* what an ikewatch before this one has stored may hold anything */
	ikw_json_plain(incident->alarm);
	json_decref(state);
	incident->wall = time_of(ikw_json_text(incident->alarm, "time"));
	incident->reason = reason < 0 ? IKW_REASON_UNKNOWN : (enum ikw_reason)reason;
	incident->entry = ikw_catalogue(incident->reason);
	ikw_alarms_state_text(row, incident->state, sizeof(incident->state));
	return 0;
}

int ikw_incident_load(struct ikw_store *store, uint64_t id, struct ikw_incident *incident,
		      char *why, size_t size)
{
	int found;

	memset(incident, 0, sizeof(*incident));
	found = ikw_store_find(store, id, load_row, incident);
	if (found < 0)
		snprintf(why, size, "%s", ikw_store_error(store));
	if (found <= 0)
		return found;
	if (!incident->alarm || !incident->entry) {
		snprintf(why, size, "alarm %" PRIu64 " is stored but cannot be read", id);
		ikw_incident_free(incident);
		return -1;
	}
	make_line(incident);
	return 1;
}

void ikw_incident_free(struct ikw_incident *incident)
{
	json_decref(incident->alarm);
	incident->alarm = NULL;
}

/* ---- what is said of it ----------------------------------------------- */

static void process_login(FILE *out, const json_t *process)
{
	const json_t *login = json_object_get(process, "loginuid");
	const char *tty = ikw_json_text(process, "tty");

	if (json_is_integer(login))
		fprintf(out, ", login uid %" JSON_INTEGER_FORMAT, json_integer_value(login));
	if (*tty)
		fprintf(out, ", on %s", tty);
}

char *ikw_incident_process(const json_t *process)
{
	const json_t *parents = json_object_get(process, "parents");
	const char *exe = ikw_json_text(process, "exe");
	char *text = NULL;
	size_t size;
	FILE *out;

	if (!json_is_object(process))
		return NULL;
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	fprintf(out, "%s (pid %" JSON_INTEGER_FORMAT ", uid %" JSON_INTEGER_FORMAT,
		ikw_json_text(process, "comm"), json_integer_value(json_object_get(process, "pid")),
		json_integer_value(json_object_get(process, "uid")));
	if (*exe)
		fprintf(out, ", %s", exe);
	process_login(out, process);
	fputc(')', out);
	for (size_t i = 0; i < json_array_size(parents); i++)
		fprintf(out, " <- %s", ikw_json_text(json_array_get(parents, i), "comm"));
	return fclose(out) ? NULL : text;
}

/* "2026-01-02 03:04:05 UTC", as journalctl and date take it. */
static void journal_time(uint64_t wall, char *to, size_t size)
{
	time_t seconds = (time_t)(wall / NSEC);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(to, size, "%Y-%m-%d %H:%M:%S UTC", &tm);
}

/* Is a {word} left? None of our commands has braces of its own. */
static bool is_filled(const char *command)
{
	return !strchr(command, '{');
}

char *ikw_incident_command(const struct ikw_incident *incident,
			   const struct ikw_catalogue_step *step)
{
	char tunnel[16], id[24], since[32], until[32];
	struct ikw_catalogue_values values = {
		.peer = ikw_json_text(incident->alarm, "dst_ip"),
		.local = ikw_json_text(incident->alarm, "src_ip"),
		.iface = ikw_json_text(incident->alarm, "interface_name"),
		.inside = ikw_json_text(incident->alarm, "inside_ip"),
		.netns = ikw_json_text(incident->alarm, "vsys_name"),
		.tunnel = tunnel,
		.id = id,
		.since = since,
		.until = until,
		.state = incident->state_dir,
	};
	char *command;

	if (!step->command)
		return NULL;
	journal_time(incident->wall > BEFORE ? incident->wall - BEFORE : 0, since, sizeof(since));
	journal_time(incident->wall + AFTER, until, sizeof(until));
	snprintf(tunnel, sizeof(tunnel), "%u", u32_member(incident->alarm, "tunnel_index"));
	snprintf(id, sizeof(id), "%" JSON_INTEGER_FORMAT,
		 json_integer_value(json_object_get(incident->alarm, "id")));
	command = ikw_catalogue_fill(step->command, &values);
	if (command && is_filled(command))
		return command;
	free(command);
	return NULL;
}

/* Whose process deleted the SA; a thread's name says less than the program's. */
static enum ikw_catalogue_daemon daemon_of(const json_t *by)
{
	const char *exe = ikw_json_text(by, "exe");
	const char *name = *exe ? exe : ikw_json_text(by, "comm");
	const char *slash = strrchr(name, '/');

	name = slash ? slash + 1 : name;
	if (!strncmp(name, "charon", 6))
		return IKW_FOR_STRONGSWAN;
	if (!strcmp(name, "pluto"))
		return IKW_FOR_LIBRESWAN;
	return strcmp(name, "iked") ? IKW_FOR_ALL : IKW_FOR_OPENIKED;
}

static bool concerns(const struct ikw_incident *incident, const struct ikw_catalogue_step *step)
{
	enum ikw_catalogue_daemon daemon = daemon_of(json_object_get(incident->alarm, "by"));

	if (step->command && !strncmp(step->command, "ikewatch explain", 16))
		return false;
	return !step->daemon || !daemon || step->daemon == daemon;
}

const struct ikw_catalogue_step *ikw_incident_step(const struct ikw_incident *incident,
						   unsigned int n)
{
	for (unsigned int i = 0; i < incident->entry->step_count; i++) {
		const struct ikw_catalogue_step *step = &incident->entry->steps[i];

		if (concerns(incident, step) && !n--)
			return step;
	}
	return NULL;
}

static json_t *procedure_json(const struct ikw_incident *incident)
{
	const struct ikw_catalogue_step *step;
	json_t *steps = json_array();

	for (unsigned int n = 0; (step = ikw_incident_step(incident, n)); n++) {
		char *command = ikw_incident_command(incident, step);

		json_array_append_new(
			steps, json_pack("{s:s, s:s?}", "text", step->text, "command", command));
		free(command);
	}
	return steps;
}

/* Each fact of the evidence with its distance from the deletion. */
static void add_offsets(const struct ikw_incident *incident, json_t *json)
{
	json_t *evidence = json_object_get(json, "evidence");
	json_t *fact;
	size_t i;

	json_array_foreach (evidence, i, fact) {
		double offset = ikw_incident_offset(incident, ikw_json_text(fact, "time"));

		json_object_set_new(fact, "offset_s", json_real(offset));
	}
}

json_t *ikw_incident_json(const struct ikw_incident *incident)
{
	json_t *json = json_deep_copy(incident->alarm);

	if (!json)
		return NULL;
	add_offsets(incident, json);
	json_object_set_new(json, "line", json_string(incident->line));
	json_object_set_new(json, "impact", json_string(incident->entry->impact));
	json_object_set_new(json, "possible_cause", json_string(incident->entry->cause));
	json_object_set_new(json, "procedure", procedure_json(incident));
	return json;
}
