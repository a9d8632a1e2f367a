/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "send.h"
#include "stamp.h"

const char *ikw_parcel_text(const struct ikw_parcel *parcel, const char *member)
{
	const char *text = json_string_value(json_object_get(parcel->json, member));

	return text ? text : "";
}

uint64_t ikw_parcel_number(const struct ikw_parcel *parcel, const char *member)
{
	return (uint64_t)json_integer_value(json_object_get(parcel->json, member));
}

static void address(uint8_t to[IKW_ADDR_LEN], const char *text)
{
	uint8_t raw[IKW_ADDR_LEN];

	if (inet_pton(AF_INET, text, raw) == 1)
		ikw_addr_set(to, raw, AF_INET);
	else if (inet_pton(AF_INET6, text, raw) == 1)
		ikw_addr_set(to, raw, AF_INET6);
}

/* The line is made where the agent's is: from what it shows of the alarm. */
static bool make_line(struct ikw_parcel *p)
{
	int reason = ikw_reason_find(ikw_parcel_text(p, "offline_reason"));
	struct ikw_alarm alarm = {
		.ifindex = (uint32_t)ikw_parcel_number(p, "ifindex"),
		.reqid = (uint32_t)ikw_parcel_number(p, "seq_num"),
		.tunnel_index = (uint32_t)ikw_parcel_number(p, "tunnel_index"),
		.rule_num = (uint32_t)ikw_parcel_number(p, "rule_num"),
		.remote_port = (uint16_t)ikw_parcel_number(p, "remote_port"),
		.cpu = (uint32_t)ikw_parcel_number(p, "cpu_id"),
		.slot = (uint32_t)ikw_parcel_number(p, "slot_id"),
		.reason = reason < 0 ? IKW_REASON_UNKNOWN : (enum ikw_reason)reason,
	};

	address(alarm.dst, ikw_parcel_text(p, "dst_ip"));
	address(alarm.src, ikw_parcel_text(p, "src_ip"));
	snprintf(alarm.inside_ip, sizeof(alarm.inside_ip), "%s", ikw_parcel_text(p, "inside_ip"));
	snprintf(alarm.flow_info, sizeof(alarm.flow_info), "%s", ikw_parcel_text(p, "flow_info"));
	snprintf(alarm.vsys, sizeof(alarm.vsys), "%s", ikw_parcel_text(p, "vsys_name"));
	snprintf(alarm.ifname, sizeof(alarm.ifname), "%s", ikw_parcel_text(p, "interface_name"));
	return ikw_alarm_line(&alarm, p->line, sizeof(p->line)) >= 0;
}

static bool complete(struct ikw_parcel *parcel, const char *gateway)
{
	int n = snprintf(parcel->uid, sizeof(parcel->uid), "%s:%" PRIu64 ":%" PRIu64, gateway,
			 parcel->id, parcel->wall / 1000);

	if (n < 0 || (size_t)n >= sizeof(parcel->uid) ||
	    json_object_set_new(parcel->json, "gateway", json_string(gateway)) ||
	    json_object_set_new(parcel->json, "uid", json_string(parcel->uid)))
		return false;
	return make_line(parcel);
}

bool ikw_parcel_make(struct ikw_parcel *parcel, const char *gateway, uint64_t id, uint64_t wall,
		     const char *json)
{
	parcel->id = id;
	parcel->wall = wall;
	parcel->json = json_loads(json, 0, NULL);
	if (json_is_object(parcel->json) && complete(parcel, gateway))
		return true;
	ikw_parcel_clear(parcel);
	return false;
}

bool ikw_parcel_test(struct ikw_parcel *parcel, const char *gateway)
{
	uint64_t now = ikw_wall_now();
	struct ikw_alarm alarm = {
		.wall = now,
		.ifindex = 1,
		.dst = { [10] = 0xff, 0xff, 198, 51, 100, 1 },
		.src = { [10] = 0xff, 0xff, 192, 0, 2, 1 },
		.inside_ip = "203.0.113.0",
		.remote_port = 500,
		.flow_info = "src=192.0.2.0/24 dst=203.0.113.0/24 proto=any sport=any dport=any "
			     "dscp=any",
		.vsys = "Public",
		.ifname = "test",
		.reason = IKW_REASON_UNKNOWN,
		.rule = "test",
		.detail = (char *)"This is a test of the sink; no tunnel was deleted.",
		.tunnel_up = true,
	};

	parcel->id = 0;
	parcel->wall = now;
	parcel->json = ikw_alarm_json(&alarm);
	if (parcel->json && !json_object_set_new(parcel->json, "test", json_true()) &&
	    complete(parcel, gateway))
		return true;
	ikw_parcel_clear(parcel);
	return false;
}

void ikw_parcel_clear(struct ikw_parcel *parcel)
{
	json_decref(parcel->json);
	parcel->json = NULL;
}
