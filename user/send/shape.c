/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "shape.h"
#include <string.h>

const char *const ikw_shape_names[IKW_SHAPES] = { "native", "ocsf", "ecs" };

/* Sum of a member over the SAs of a direction ("in", "out"). */
static json_int_t sum(const struct ikw_parcel *parcel, const char *direction, const char *member)
{
	json_int_t total = 0;
	const json_t *sa;
	size_t i;

	json_array_foreach (json_object_get(parcel->json, "sas"), i, sa) {
		const char *is = json_string_value(json_object_get(sa, "direction"));

		if (is && !strcmp(is, direction))
			total += json_integer_value(json_object_get(sa, member));
	}
	return total;
}

static json_int_t number(const struct ikw_parcel *parcel, const char *member)
{
	return (json_int_t)ikw_parcel_number(parcel, member);
}

/* ---- OCSF ------------------------------------------------------------------- */

/* The tunnel ended: Close; another generation carries the flow on: Renew. */
#define OCSF_CLASS 4014
#define OCSF_CLOSE 2
#define OCSF_RENEW 3

static json_t *ocsf_metadata(const struct ikw_parcel *p)
{
	return json_pack("{s:s, s:{s:s, s:s, s:s}, s:s, s:s, s:s}", "version", "1.1.0", "product",
			 "name", "ikewatch", "vendor_name", "ikewatch", "version", IKEWATCH_VERSION,
			 "uid", p->uid, "event_code", ikw_parcel_text(p, "alarm"), "log_name",
			 "ikewatch");
}

static int ocsf_severity(const struct ikw_parcel *p)
{
	const char *severity = ikw_parcel_text(p, "severity");

	if (!strcmp(severity, "critical"))
		return 5;
	if (!strcmp(severity, "major"))
		return 4;
	if (!strcmp(severity, "minor"))
		return 3;
	return !strcmp(severity, "warning") ? 2 : 1;
}

static json_t *ocsf(const struct ikw_parcel *p)
{
	static const char *const severities[] = { "Informational", "Low", "Medium", "High",
						  "Critical" };
	int activity =
		json_is_true(json_object_get(p->json, "tunnel_up")) ? OCSF_RENEW : OCSF_CLOSE;
	int severity = ocsf_severity(p);

	return json_pack(
		"{s:i, s:s, s:i, s:s, s:i, s:s, s:i, s:s, s:i, s:s, s:I, s:o, s:s, s:s,"
		" s:{s:s, s:s, s:i}, s:{s:s}, s:{s:s, s:I}, s:{s:s, s:I, s:s}, s:s,"
		" s:{s:I, s:I, s:I, s:I}, s:O}",
		"activity_id", activity, "activity_name",
		activity == OCSF_CLOSE ? "Close" : "Renew", "category_uid", 4, "category_name",
		"Network Activity", "class_uid", OCSF_CLASS, "class_name", "Tunnel Activity",
		"type_uid", OCSF_CLASS * 100 + activity, "type_name",
		activity == OCSF_CLOSE ? "Tunnel Activity: Close" : "Tunnel Activity: Renew",
		"severity_id", severity, "severity", severities[severity - 1], "time",
		(json_int_t)(p->wall / 1000000), "metadata", ocsf_metadata(p), "message",
		ikw_parcel_text(p, "detail"), "status_detail", ikw_parcel_text(p, "offline_reason"),
		"device", "hostname", ikw_parcel_text(p, "gateway"), "name",
		ikw_parcel_text(p, "gateway"), "type_id", 12, "src_endpoint", "ip",
		ikw_parcel_text(p, "src_ip"), "dst_endpoint", "ip", ikw_parcel_text(p, "dst_ip"),
		"port", number(p, "remote_port"), "tunnel_interface", "name",
		ikw_parcel_text(p, "interface_name"), "type_id", (json_int_t)4, "type", "Tunnel",
		"protocol_name", "ESP", "traffic", "bytes_in", sum(p, "in", "bytes"), "bytes_out",
		sum(p, "out", "bytes"), "packets_in", sum(p, "in", "packets"), "packets_out",
		sum(p, "out", "packets"), "unmapped", p->json);
}

/* ---- ECS -------------------------------------------------------------------- */

static json_t *ecs_event(const struct ikw_parcel *p)
{
	bool up = json_is_true(json_object_get(p->json, "tunnel_up"));

	return json_pack("{s:s, s:[s], s:[s], s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "kind",
			 "alert", "category", "network", "type", up ? "change" : "end", "action",
			 up ? "ipsec-tunnel-renewed" : "ipsec-tunnel-deleted", "code", "4285734913",
			 "id", p->uid, "reason", ikw_parcel_text(p, "offline_reason"), "provider",
			 "ikewatch", "dataset", "ikewatch.alarm", "original", p->line, "severity",
			 4);
}

static json_t *ecs(const struct ikw_parcel *p)
{
	const json_t *by = json_object_get(p->json, "by");
	json_t *json = json_pack(
		"{s:s, s:{s:s}, s:s, s:o, s:{s:s}, s:{s:s, s:I}, s:{s:s, s:s, s:I, s:I},"
		" s:{s:s, s:s, s:s, s:s, s:{s:{s:s, s:s}}}, s:{s:s}, s:{s:[s, s]}, s:O}",
		"@timestamp", ikw_parcel_text(p, "time"), "ecs", "version", "8.11.0", "message",
		ikw_parcel_text(p, "detail"), "event", ecs_event(p), "source", "ip",
		ikw_parcel_text(p, "src_ip"), "destination", "ip", ikw_parcel_text(p, "dst_ip"),
		"port", number(p, "remote_port"), "network", "type",
		strchr(ikw_parcel_text(p, "dst_ip"), ':') ? "ipv6" : "ipv4", "iana_number", "50",
		"bytes", sum(p, "in", "bytes") + sum(p, "out", "bytes"), "packets",
		sum(p, "in", "packets") + sum(p, "out", "packets"), "observer", "name",
		ikw_parcel_text(p, "gateway"), "product", "ikewatch", "type", "vpn", "version",
		IKEWATCH_VERSION, "egress", "interface", "name",
		ikw_parcel_text(p, "interface_name"), "id", "", "rule", "name",
		ikw_parcel_text(p, "rule"), "related", "ip", ikw_parcel_text(p, "src_ip"),
		ikw_parcel_text(p, "dst_ip"), "ikewatch", p->json);
	json_t *interface;
	char id[24];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)ikw_parcel_number(p, "ifindex"));
	interface = json_object_get(json_object_get(json_object_get(json, "observer"), "egress"),
				    "interface");
	json_object_set_new(interface, "id", json_string(id));
	if (json_is_object(by))
		json_object_set_new(json, "process",
				    json_pack("{s:O?, s:O?, s:O?}", "pid",
					      json_object_get(by, "pid"), "name",
					      json_object_get(by, "comm"), "executable",
					      json_object_get(by, "exe")));
	return json;
}

char *ikw_shape_text(enum ikw_shape shape, const struct ikw_parcel *parcel)
{
	json_t *json;
	char *text;

	if (shape == IKW_SHAPE_OCSF)
		json = ocsf(parcel);
	else if (shape == IKW_SHAPE_ECS)
		json = ecs(parcel);
	else
		json = json_incref(parcel->json);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return text;
}
