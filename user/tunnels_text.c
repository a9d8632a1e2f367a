/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "live.h"
#include "tunnels.h"

#define NSEC UINT64_C(1000000000)

/* ---- from the store ------------------------------------------------------ */

/* A member of the last alarm; null where there is none. */
static void copy_member(json_t *to, const char *name, const json_t *alarm, const char *from)
{
	json_t *value = json_object_get(alarm, from);

	json_object_set(to, name, value ? value : json_null());
}

json_t *ikw_tunnels_stored_json(const struct ikw_store_tunnel *tunnel)
{
	json_t *alarm = tunnel->last_alarm ? json_loads(tunnel->last_alarm, 0, NULL) : NULL;
	json_t *json = json_object();
	char local[64] = "", remote[64] = "";

	sscanf(tunnel->key, "%63s %63s", local, remote); /* key_text() in tunnel.c */
	json_object_set_new(json, "index", json_integer(tunnel->index));
	json_object_set_new(json, "up", json_null());
	json_object_set_new(json, "src_ip", json_string(local));
	json_object_set_new(json, "dst_ip", json_string(remote));
	copy_member(json, "flow_info", alarm, "flow_info");
	copy_member(json, "reqid", alarm, "seq_num");
	json_object_set_new(json, "mark", json_null());
	json_object_set_new(json, "if_id", json_null());
	copy_member(json, "rule_num", alarm, "rule_num");
	json_object_set_new(json, "up_since", json_null());
	json_object_set_new(json, "ike", json_null());
	json_object_set_new(json, "sas", json_array());
	json_object_set_new(json, "deletions", json_integer((json_int_t)tunnel->deletions));
	json_object_set_new(json, "last_deletion", ikw_time_json(tunnel->last_deletion));
	json_object_set_new(json, "last_reason",
			    tunnel->last_reason ? json_string(tunnel->last_reason) : json_null());
	json_object_set_new(json, "active", json_boolean(tunnel->active));
	json_object_set_new(json, "back_since", ikw_time_json(tunnel->up_since));
	json_decref(alarm);
	return json;
}

/* ---- cells --------------------------------------------------------------- */

static const char *const heads[IKW_TABLE_COLUMNS] = { "TUNNEL", "STATE", "LOCAL", "PEER",
						      "FLOW",	"IN",	 "OUT",	  "LAST DELETION" };

static bool is_down(const json_t *tunnel)
{
	if (json_is_null(json_object_get(tunnel, "up")))
		return ikw_live_yes(tunnel, "active") &&
		       json_is_null(json_object_get(tunnel, "back_since"));
	return !ikw_live_yes(tunnel, "up");
}

/* From the store it is the state as of the last deletion. */
static const char *state_text(const json_t *tunnel)
{
	if (is_down(tunnel))
		return "down";
	if (ikw_live_yes(tunnel, "up") || ikw_live_yes(tunnel, "active"))
		return "up";
	return "not known";
}

/* "10.1.0.0/16 > 10.2.0.0/16", with protocol and ports only where they are not "any". */
static void flow_text(const json_t *tunnel, char *to, size_t size)
{
	char src[80], dst[80], proto[16], sport[24], dport[24];
	const char *flow = ikw_live_text(tunnel, "flow_info");
	int n;

	if (sscanf(flow, "src=%79s dst=%79s proto=%15s sport=%23s dport=%23s", src, dst, proto,
		   sport, dport) != 5) {
		snprintf(to, size, "%s", flow);
		return;
	}
	n = snprintf(to, size, "%s > %s", src, dst);
	if (strcmp(proto, "any") && n > 0 && (size_t)n < size)
		n += snprintf(to + n, size - (size_t)n, " proto %s", proto);
	if ((strcmp(sport, "any") || strcmp(dport, "any")) && n > 0 && (size_t)n < size)
		snprintf(to + n, size - (size_t)n, " ports %s > %s", sport, dport);
}

static uint64_t bytes_of(const json_t *tunnel, const char *direction)
{
	uint64_t bytes = 0;
	const json_t *sa;
	size_t i;

	json_array_foreach (json_object_get(tunnel, "sas"), i, sa) {
		if (!strcmp(ikw_live_text(sa, "direction"), direction))
			bytes += ikw_live_integer(sa, "bytes");
	}
	return bytes;
}

/* Both lists are in the order of the numbers. */
static const json_t *same_tunnel(const struct ikw_tunnel_list *list, uint64_t index)
{
	size_t low = 0, high = list ? json_array_size(list->tunnels) : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const json_t *tunnel = json_array_get(list->tunnels, middle);
		uint64_t at = ikw_live_integer(tunnel, "index");

		if (at == index)
			return tunnel;
		if (at < index)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static double seconds_between(const struct ikw_tunnel_list *list,
			      const struct ikw_tunnel_list *before)
{
	return (double)(list->at.tv_sec - before->at.tv_sec) +
	       (double)(list->at.tv_nsec - before->at.tv_nsec) / 1e9;
}

/* In all; or per second, where there was an earlier look. A rekey takes its SAs' counts along. */
static void traffic_text(const struct ikw_tunnel_list *list, const struct ikw_tunnel_list *before,
			 const json_t *tunnel, const char *direction, char *to, size_t size)
{
	const json_t *then = same_tunnel(before, ikw_live_integer(tunnel, "index"));
	uint64_t now = bytes_of(tunnel, direction), past = then ? bytes_of(then, direction) : 0;
	double seconds = then ? seconds_between(list, before) : 0;

	if (!list->live)
		snprintf(to, size, "-");
	else if (seconds <= 0)
		ikw_live_size(now, to, size);
	else {
		ikw_live_size(now > past ? (uint64_t)((double)(now - past) / seconds) : 0, to,
			      size - 2);
		strcat(to, "/s");
	}
}

static void deletion_text(const json_t *tunnel, char *to, size_t size)
{
	if (json_is_string(json_object_get(tunnel, "last_deletion")))
		snprintf(to, size, "%.10s %.8sZ %s", ikw_live_text(tunnel, "last_deletion"),
			 ikw_live_text(tunnel, "last_deletion") + 11,
			 ikw_live_text(tunnel, "last_reason"));
	else
		snprintf(to, size, "never");
}

static void add_row(struct ikw_table_text *table, const struct ikw_tunnel_list *list,
		    const struct ikw_tunnel_list *before, const json_t *tunnel)
{
	char index[24], flow[256], in[40], out[40], last[256];
	const char *state = state_text(tunnel);

	snprintf(index, sizeof(index), "%" PRIu64, ikw_live_integer(tunnel, "index"));
	flow_text(tunnel, flow, sizeof(flow));
	traffic_text(list, before, tunnel, "in", in, sizeof(in));
	traffic_text(list, before, tunnel, "out", out, sizeof(out));
	deletion_text(tunnel, last, sizeof(last));
	ikw_table_text_add(table,
			   (char *const[IKW_TABLE_COLUMNS]){
				   index, (char *)state, (char *)ikw_live_text(tunnel, "src_ip"),
				   (char *)ikw_live_text(tunnel, "dst_ip"), flow, in, out, last },
			   strcmp(state, "not known") ? ikw_live_colour(!is_down(tunnel)) : "");
}

void ikw_tunnels_table(FILE *out, const struct ikw_tunnel_list *list,
		       const struct ikw_tunnel_list *before, const struct ikw_table_size *size)
{
	struct ikw_table_text table = { .heads = heads, .coloured = 1 };
	const json_t *tunnel;
	size_t i;

	json_array_foreach (list->tunnels, i, tunnel) {
		add_row(&table, list, before, tunnel);
	}
	ikw_table_text_print(&table, out, size);
}

/* ---- looking again and again --------------------------------------------- */

static const char *last_of(const json_t *tunnel)
{
	const char *text = json_string_value(json_object_get(tunnel, "last_deletion"));

	return text ? text : "";
}

/* Down before up, lately deleted before others, then by number. */
static int by_urgency(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int order = (int)is_down(y) - (int)is_down(x);

	if (!order)
		order = strcmp(last_of(y), last_of(x));
	if (!order)
		order = ikw_live_integer(x, "index") < ikw_live_integer(y, "index") ? -1 : 1;
	return order;
}

static json_t *by_urgency_of(const json_t *tunnels)
{
	size_t count = json_array_size(tunnels);
	json_t **sorted = calloc(count + 1, sizeof(json_t *));
	json_t *list = json_array();

	if (!sorted)
		return list;
	for (size_t i = 0; i < count; i++)
		sorted[i] = json_array_get(tunnels, i);
	qsort(sorted, count, sizeof(json_t *), by_urgency);
	for (size_t i = 0; i < count; i++)
		json_array_append(list, sorted[i]);
	free(sorted);
	return list;
}

static void heading(FILE *out, const struct ikw_tunnel_list *list, const char *trouble,
		    unsigned int columns)
{
	size_t down = 0, i, count = json_array_size(list->tunnels);
	char at[40], text[1200];
	const json_t *tunnel;

	json_array_foreach (list->tunnels, i, tunnel) {
		down += is_down(tunnel);
	}
	ikw_time_text((uint64_t)list->at.tv_sec * NSEC, at, sizeof(at));
	snprintf(text, sizeof(text), "%.10s %.8sZ  %zu tunnels, %zu down%s%s", at, at + 11, count,
		 down, trouble || list->live ? "" : "; no agent runs: this is what the store knows",
		 trouble ? "; " : "");
	if (trouble)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", trouble);
	fprintf(out, "%.*s\n\n", columns ? (int)columns : (int)strlen(text), text);
}

void ikw_tunnels_frame(FILE *out, const struct ikw_tunnel_list *list,
		       const struct ikw_tunnel_list *before, const char *trouble,
		       const struct ikw_table_size *size)
{
	struct ikw_tunnel_list sorted = *list;
	struct ikw_table_size rest;

	heading(out, list, trouble, size ? size->columns : 0);
	sorted.tunnels = by_urgency_of(list->tunnels);
	if (size) {
		rest = *size;
		rest.rows = size->rows > 2 ? size->rows - 2 : 1;
	}
	ikw_tunnels_table(out, &sorted, before, size ? &rest : NULL);
	if (!size)
		fputc('\n', out);
	json_decref(sorted.tunnels);
}

void ikw_tunnels_changes(FILE *out, const struct ikw_tunnel_list *list,
			 const struct ikw_tunnel_list *before)
{
	const json_t *tunnel;
	size_t i;

	json_array_foreach (list->tunnels, i, tunnel) {
		const json_t *then = same_tunnel(before, ikw_live_integer(tunnel, "index"));

		if (then && json_equal((json_t *)tunnel, (json_t *)then))
			continue;
		json_dumpf(tunnel, out, IKW_JSON_FLAGS);
		fputc('\n', out);
	}
}
