// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "alarm.h"
#include "format.h"

static const uint8_t v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* inet_ntop() goes through sprintf, and every alarm has a dozen addresses. */
static void v4_text(const uint8_t *addr, char *buf)
{
	for (int i = 0; i < 4; i++) {
		uint8_t v = addr[i];

		if (v >= 100)
			*buf++ = (char)('0' + v / 100);
		if (v >= 10)
			*buf++ = (char)('0' + v / 10 % 10);
		*buf++ = (char)('0' + v % 10);
		*buf++ = i < 3 ? '.' : 0;
	}
}

const char *ikw_addr_text(const uint8_t addr[IKW_ADDR_LEN], char *buf, size_t size)
{
	if (!memcmp(addr, v4_mapped, sizeof(v4_mapped)) && size >= INET_ADDRSTRLEN)
		v4_text(addr + 12, buf);
	else if (!memcmp(addr, v4_mapped, sizeof(v4_mapped)))
		inet_ntop(AF_INET, addr + 12, buf, (socklen_t)size);
	else
		inet_ntop(AF_INET6, addr, buf, (socklen_t)size);
	return buf;
}

const char *ikw_time_text(uint64_t wall_ns, char *buf, size_t size)
{
	time_t s = (time_t)(wall_ns / 1000000000ULL);
	struct tm tm;
	char day[32];

	gmtime_r(&s, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf, size, "%s.%06uZ", day, (unsigned int)(wall_ns % 1000000000ULL / 1000));
	return buf;
}

json_t *ikw_time_json(uint64_t wall_ns)
{
	char text[40];

	return wall_ns ? json_string(ikw_time_text(wall_ns, text, sizeof(text))) : json_null();
}

void ikw_alarm_clear(struct ikw_alarm *alarm)
{
	for (unsigned int i = 0; i < alarm->evidence_count; i++)
		free(alarm->evidence[i].text);
	free(alarm->evidence);
	free(alarm->detail);
	memset(alarm, 0, sizeof(*alarm));
}

int ikw_alarm_line(const struct ikw_alarm *a, char *buf, size_t size)
{
	char dst[64], src[64];
	int n = ikw_format(
		buf, size,
		"IPSEC/4/IPSECTUNNELSTOP: OID " IKW_ALARM_OID
		" The IPSec tunnel is deleted. (Ifindex=%u, SeqNum=%u, TunnelIndex=%u, "
		"RuleNum=%u, DstIP=%s, InsideIP=%s, RemotePort=%u, CpuID=%u, SrcIP=%s, "
		"FlowInfo=%s, OfflineReason=%s, VsysName=%s, InterfaceName=%s, SlotID=%u)",
		a->ifindex, a->reqid, a->tunnel_index, a->rule_num,
		ikw_addr_text(a->dst, dst, sizeof(dst)), a->inside_ip, a->remote_port, a->cpu,
		ikw_addr_text(a->src, src, sizeof(src)), a->flow_info, ikw_reason_text(a->reason),
		a->vsys, a->ifname, a->slot);

	if (n < 0 || (size_t)n >= size)
		return -1;
	ikw_plain(buf); /* a namespace may be called anything: one line it is */
	return n;
}

/* Nothing but what is printed as it is. */
static bool is_printable(const char *text)
{
	while (*text >= ' ' && *text < 0x7f)
		text++;
	return !*text;
}

/* Text that may hold any byte (comm, argv) as JSON: what is not UTF-8 or a control becomes '?'. */
static json_t *text_json(const char *text)
{
	json_t *json;
	char *copy;

	if (is_printable(text))
		return json_string(text);
	copy = strdup(text);
	if (!copy)
		return NULL;
	ikw_plain(copy);
	json = json_string(copy);
	for (char *c = copy; !json && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	if (!json)
		json = json_string(copy);
	free(copy);
	return json;
}

static json_t *process_json(bool known, const struct ikw_alarm_process *p, bool command)
{
	json_t *json, *parents;

	if (!known)
		return json_null();
	json = json_object();
	parents = json_array();
	for (unsigned int i = 0; i < p->parent_count; i++) {
		json_t *parent = json_object();

		json_object_set_new(parent, "pid", json_integer(p->parents[i].tgid));
		json_object_set_new(parent, "comm", text_json(p->parents[i].comm));
		json_array_append_new(parents, parent);
	}
	json_object_set_new(json, "pid", json_integer(p->pid));
	json_object_set_new(json, "comm", text_json(p->comm));
	json_object_set_new(json, "exe", p->exe[0] ? text_json(p->exe) : json_null());
	json_object_set_new(json, "uid", json_integer(p->uid));
	json_object_set_new(json, "loginuid",
			    p->loginuid == ~0U ? json_null() : json_integer(p->loginuid));
	json_object_set_new(json, "tty", p->tty[0] ? text_json(p->tty) : json_null());
	json_object_set_new(json, "parents", parents);
	if (command || p->command[0])
		json_object_set_new(json, "command", text_json(p->command));
	return json;
}

static json_t *ike_json(const struct ikw_alarm *a)
{
	char spi_i[24], spi_r[24];
	json_t *json;

	if (!a->ike_version)
		return json_null();
	snprintf(spi_i, sizeof(spi_i), "%016" PRIx64, a->spi_i);
	snprintf(spi_r, sizeof(spi_r), "%016" PRIx64, a->spi_r);
	json = json_object();
	json_object_set_new(json, "version", json_integer(a->ike_version));
	json_object_set_new(json, "spi_i", json_string(spi_i));
	json_object_set_new(json, "spi_r", json_string(spi_r));
	return json;
}

static json_t *seconds_json(double seconds)
{
	return seconds < 0 ? json_null()
			   : json_real((double)(int64_t)(seconds * 1000 + 0.5) / 1000);
}

/* Packets in spans of so many seconds, oldest first; the last is what came since `sampled`. */
static json_t *traffic_json(const struct ikw_alarm_sa *sa)
{
	json_t *json, *packets;
	char time[40];

	if (!sa->span_count)
		return json_null();
	json = json_object();
	packets = json_array();
	for (uint32_t i = sa->span_count; i--;)
		json_array_append_new(packets, json_integer(sa->spans[i]));
	json_object_set_new(json, "sampled",
			    json_string(ikw_time_text(sa->sampled, time, sizeof(time))));
	json_object_set_new(json, "span_s", json_integer(IKW_ESP_SPAN_S));
	json_object_set_new(json, "packets", packets);
	return json;
}

static json_t *sas_json(const struct ikw_alarm *a)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < a->sa_count; i++) {
		const struct ikw_alarm_sa *sa = &a->sas[i];
		json_t *json = json_object();
		char spi[16];

		snprintf(spi, sizeof(spi), "0x%08x", sa->spi);
		json_object_set_new(json, "spi", json_string(spi));
		json_object_set_new(json, "direction",
				    json_string(sa->dir == IKW_DIR_IN ? "in" : "out"));
		json_object_set_new(json, "bytes", json_integer((json_int_t)sa->bytes));
		json_object_set_new(json, "packets", json_integer((json_int_t)sa->packets));
		json_object_set_new(json, "age_s", seconds_json(sa->age_s));
		json_object_set_new(json, "idle_s", seconds_json(sa->idle_s));
		json_object_set_new(json, "traffic", traffic_json(sa));
		json_array_append_new(list, json);
	}
	return list;
}

static const char *const evidence_kinds[] = {
#define IKW_X(constant, text) text,
	IKW_EVIDENCE_KINDS(IKW_X)
#undef IKW_X
};

static void put_message(json_t *json, const struct ikw_evidence *e)
{
	if (!e->exchange)
		return;
	json_object_set_new(json, "exchange", json_string(e->exchange));
	json_object_set_new(json, "message_id", json_integer(e->message_id));
	json_object_set_new(json, "length", json_integer(e->length));
	json_object_set_new(json, "response", json_boolean(e->response));
	json_object_set_new(json, "copy", json_integer(e->copy));
}

static json_t *fact_json(const struct ikw_evidence *e)
{
	json_t *json = json_object();
	char text[40];

	json_object_set_new(json, "time", json_string(ikw_time_text(e->wall, text, sizeof(text))));
	json_object_set_new(json, "fact", json_string(e->fact));
	json_object_set_new(json, "kind", json_string(evidence_kinds[e->kind]));
	if (e->dir == IKW_DIR_IN || e->dir == IKW_DIR_OUT)
		json_object_set_new(json, "direction",
				    json_string(e->dir == IKW_DIR_IN ? "in" : "out"));
	put_message(json, e);
	if (e->spi) {
		snprintf(text, sizeof(text), "0x%08x", e->spi);
		json_object_set_new(json, "spi", json_string(text));
	}
	json_object_set_new(json, "text", text_json(e->text));
	return json;
}

static json_t *evidence_json(const struct ikw_alarm *a)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < a->evidence_count; i++)
		json_array_append_new(list, fact_json(&a->evidence[i]));
	return list;
}

static void put_fields(json_t *json, const struct ikw_alarm *a)
{
	char dst[64], src[64];

	json_object_set_new(json, "ifindex", json_integer(a->ifindex));
	json_object_set_new(json, "seq_num", json_integer(a->reqid));
	json_object_set_new(json, "tunnel_index", json_integer(a->tunnel_index));
	if (a->history)
		json_object_set_new(json, "action", json_string("history"));
	if (a->tunnel_name[0])
		json_object_set_new(json, "tunnel_name", json_string(a->tunnel_name));
	if (a->peer_name[0])
		json_object_set_new(json, "peer_name", json_string(a->peer_name));
	json_object_set_new(json, "rule_num", json_integer(a->rule_num));
	json_object_set_new(json, "dst_ip", json_string(ikw_addr_text(a->dst, dst, sizeof(dst))));
	json_object_set_new(json, "inside_ip", json_string(a->inside_ip));
	json_object_set_new(json, "remote_port", json_integer(a->remote_port));
	json_object_set_new(json, "cpu_id", json_integer(a->cpu));
	json_object_set_new(json, "src_ip", json_string(ikw_addr_text(a->src, src, sizeof(src))));
	json_object_set_new(json, "flow_info", json_string(a->flow_info));
	json_object_set_new(json, "offline_reason", json_string(ikw_reason_text(a->reason)));
	json_object_set_new(json, "vsys_name", text_json(a->vsys));
	json_object_set_new(json, "interface_name", text_json(a->ifname));
	json_object_set_new(json, "slot_id", json_integer(a->slot));
}

json_t *ikw_alarm_json(const struct ikw_alarm *a)
{
	uint64_t emitted = a->emitted ? a->emitted : a->closed;
	json_t *json = json_object(), *blind = json_array();
	char time[40];

	if (!json || !blind)
		return NULL;
	for (unsigned int i = 0; i < a->blind_count; i++)
		json_array_append_new(blind, text_json(a->blind[i]));
	json_object_set_new(json, "id", json_integer((json_int_t)a->id));
	json_object_set_new(json, "alarm", json_string(IKW_ALARM_NAME));
	json_object_set_new(json, "alarm_id", json_integer((json_int_t)IKW_ALARM_ID));
	json_object_set_new(json, "oid", json_string(IKW_ALARM_OID));
	json_object_set_new(json, "severity", json_string(a->severity ? a->severity : "major"));
	json_object_set_new(json, "type", json_string("communication"));
	json_object_set_new(json, "time", json_string(ikw_time_text(a->wall, time, sizeof(time))));
	put_fields(json, a);
	json_object_set_new(json, "confidence", json_string(ikw_confidence_text(a->confidence)));
	json_object_set_new(json, "rule", json_string(a->rule ? a->rule : ""));
	json_object_set_new(json, "detail", text_json(a->detail ? a->detail : ""));
	json_object_set_new(json, "tunnel_up", json_boolean(a->tunnel_up));
	json_object_set_new(json, "ike", ike_json(a));
	json_object_set_new(json, "sas", sas_json(a));
	json_object_set_new(json, "by", process_json(a->has_by, &a->by, false));
	json_object_set_new(json, "ordered_by",
			    process_json(a->has_ordered_by, &a->ordered_by, true));
	json_object_set_new(json, "evidence", evidence_json(a));
	json_object_set_new(json, "blind_spots", blind);
	json_object_set_new(
		json, "latency_us",
		json_integer(emitted > a->time ? (json_int_t)((emitted - a->time) / 1000) : 0));
	return json;
}

char *ikw_alarm_json_line(const struct ikw_alarm *alarm)
{
	json_t *json = ikw_alarm_json(alarm);
	char *line = json ? json_dumps(json, IKW_JSON_FLAGS) : NULL;

	json_decref(json);
	return line;
}
