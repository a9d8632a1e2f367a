/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the agent says of itself over the control socket. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent.h"
#include "event.h"
#include "procfs.h"
#include "witness.h"

static json_t *number(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

/* RFC 3339, or null for a time that is not known. */
static json_t *when(const struct ikw_agent *agent, uint64_t boot)
{
	return ikw_time_json(boot ? ikw_model_wall(agent->model, boot) : 0);
}

/* ---- status -------------------------------------------------------------- */

/* The names of a mask, as recordings spell them. */
static void add_sees(const struct ikw_agent *agent, json_t *status)
{
	union ikw_event event;
	json_t *json;

	ikw_stamp(&event, IKW_EV_PROBES, sizeof(event.probes), 0);
	event.probes.sees = agent->sees;
	event.probes.tier = agent->tier;
	json = ikw_event_json(&event);
	json_object_set(status, "tier", json_object_get(json, "tier"));
	json_object_set(status, "sees", json_object_get(json, "sees"));
	json_decref(json);
}

static json_t *events_json(const struct ikw_agent *agent)
{
	json_t *json = json_object();

	for (unsigned int type = 0; type < IKW_EV_MAX; type++)
		if (agent->seen[type])
			json_object_set_new(json, ikw_event_type_text(type),
					    number(agent->seen[type]));
	return json;
}

static json_t *store_json(const struct ikw_agent *agent)
{
	struct ikw_store_stats stats;
	json_t *json;

	if (!agent->store || ikw_store_stats(agent->store, &stats))
		return json_null();
	json = json_object();
	json_object_set_new(
		json, "dir",
		json_string(agent->options.state_dir ? agent->options.state_dir : IKW_STATE_DIR));
	json_object_set_new(json, "alarms", number(stats.alarms));
	json_object_set_new(json, "active", number(stats.active));
	json_object_set_new(json, "tunnels", number(stats.tunnels));
	json_object_set_new(json, "bytes", number(stats.bytes));
	json_object_set_new(json, "last_id", number(stats.last_id));
	json_object_set_new(json, "queued", number(stats.queued));
	json_object_set_new(json, "dropped", number(stats.dropped));
	json_object_set_new(json, "failing", json_boolean(agent->store_failing));
	return json;
}

static json_t *model_json(const struct ikw_agent *agent)
{
	struct ikw_model_stats stats;
	json_t *json = json_object(), *reasons = json_object();

	ikw_model_stats(agent->model, &stats);
	json_object_set_new(json, "tunnels", number(stats.tunnels));
	json_object_set_new(json, "tunnels_up", number(stats.tunnels_up));
	json_object_set_new(json, "sas", number(stats.sas));
	json_object_set_new(json, "ike_sas", number(stats.ike_sas));
	json_object_set_new(json, "ike_retransmissions", number(stats.ike_repeats));
	json_object_set_new(json, "open_cases", number(stats.open_cases));
	json_object_set_new(json, "alarms", number(stats.alarms));
	json_object_set_new(json, "bytes", number(stats.bytes));
	for (int i = 0; i < IKW_REASON_COUNT; i++)
		if (stats.by_reason[i])
			json_object_set_new(reasons, ikw_reason_text((enum ikw_reason)i),
					    number(stats.by_reason[i]));
	json_object_set_new(json, "by_reason", reasons);
	return json;
}

/* The latest of them, oldest first. */
static json_t *lost_daemons_json(const struct ikw_agent *agent)
{
	uint64_t first = agent->lost_daemon_count > IKW_DAEMONS_LOST
				 ? agent->lost_daemon_count - IKW_DAEMONS_LOST
				 : 0;
	json_t *json = json_array();

	for (uint64_t i = first; i < agent->lost_daemon_count; i++) {
		const struct ikw_agent_lost_daemon *d = &agent->lost_daemons[i % IKW_DAEMONS_LOST];
		json_t *one = json_object(), *tunnels = json_array();

		for (size_t k = 0; k < d->count; k++)
			json_array_append_new(tunnels, number(d->tunnels[k]));
		json_object_set_new(one, "time", ikw_time_json(d->wall));
		json_object_set_new(one, "pid", number(d->pid));
		json_object_set_new(one, "comm", json_string(d->comm));
		json_object_set_new(one, "signal", number((uint64_t)(d->exit_code & 0x7f)));
		json_object_set_new(one, "status", number((uint64_t)(d->exit_code >> 8 & 0xff)));
		json_object_set_new(one, "tunnels", tunnels);
		json_array_append_new(json, one);
	}
	return json;
}

static json_t *daemons_json(const struct ikw_agent *agent)
{
	json_t *json = json_array(), *one;
	struct ikw_proc proc;

	for (size_t i = 0; i < agent->daemon_count; i++) {
		memset(&proc, 0, sizeof(proc));
		if (!ikw_procfs_describe(agent->daemons[i], &proc))
			continue;
		one = json_object();
		json_object_set_new(one, "pid", number(proc.tgid));
		json_object_set_new(one, "comm", json_string(proc.comm));
		json_object_set_new(one, "exe", json_string(proc.exe));
		json_array_append_new(json, one);
	}
	return json;
}

static bool is_watched(const struct ikw_agent *agent, uint16_t port)
{
	for (size_t i = 0; i < agent->options.port_count; i++)
		if (agent->options.ports[i] == port)
			return true;
	return false;
}

/* Where IKE may be spoken and none is looked for. */
static json_t *unheard_json(const struct ikw_agent *agent)
{
	json_t *json = json_array(), *one;

	for (size_t i = 0; i < agent->unheard_count; i++) {
		if (is_watched(agent, agent->unheard[i].port)) /* since a reload */
			continue;
		one = json_object();
		json_object_set_new(one, "port", number(agent->unheard[i].port));
		json_object_set_new(one, "comm", json_string(agent->unheard[i].comm));
		json_object_set_new(one, "pid", number(agent->unheard[i].tgid));
		json_array_append_new(json, one);
	}
	return json;
}

/* What was gone on with, and what nobody saw meanwhile; null: nothing was there. */
static json_t *takeover_json(const struct ikw_agent *agent)
{
	json_t *json, *gap, *sees;
	union ikw_event event;

	if (!agent->known_till)
		return json_null();
	ikw_stamp(&event, IKW_EV_PROBES, sizeof(event.probes), 0);
	event.probes.sees = agent->gap_sees;
	sees = ikw_event_json(&event);
	gap = json_object();
	json_object_set_new(gap, "since", when(agent, agent->gap_since));
	json_object_set_new(gap, "until", when(agent, agent->gap_until));
	json_object_set(gap, "sees", json_object_get(sees, "sees"));
	json_decref(sees);
	json = json_object();
	json_object_set_new(json, "replayed", number(agent->replayed));
	json_object_set_new(json, "gap", gap);
	return json;
}

static json_t *status_json(const struct ikw_agent *agent)
{
	json_t *json = json_object();

	json_object_set_new(json, "version", json_string(IKEWATCH_VERSION));
	json_object_set_new(json, "pid", number((uint64_t)getpid()));
	json_object_set_new(json, "started", when(agent, agent->started));
	json_object_set_new(json, "uptime_s", number((ikw_boot_now() - agent->started) / IKW_S));
	json_object_set_new(json, "netns", json_string(agent->netns.name));
	json_object_set_new(json, "netns_inode", number(agent->netns.inode));
	json_object_set_new(json, "attached", json_boolean(agent->attached));
	add_sees(agent, json);
	ikw_witness_status(agent, json);
	json_object_set_new(json, "daemons", daemons_json(agent));
	json_object_set_new(json, "daemons_lost", lost_daemons_json(agent));
	json_object_set_new(json, "unwatched_ports", unheard_json(agent));
	json_object_set_new(json, "events", events_json(agent));
	json_object_set_new(json, "lost", number(agent->lost));
	json_object_set_new(json, "model", model_json(agent));
	json_object_set_new(json, "store", store_json(agent));
	json_object_set_new(json, "takeover", takeover_json(agent));
	json_object_set_new(json, "recording", json_boolean(agent->recorder));
	json_object_set_new(json, "stdout",
			    json_pack("{s:I, s:I}", "waiting_bytes",
				      (json_int_t)agent->outlet.waiting, "dropped",
				      (json_int_t)agent->outlet.dropped));
	return json;
}

/* ---- tunnels ------------------------------------------------------------- */

struct tunnel_lines {
	const struct ikw_agent *agent;
	FILE *to;
};

static json_t *sa_json(const struct ikw_agent *agent, const struct ikw_tunnel_sa *sa)
{
	json_t *json = json_object();
	char spi[16];

	snprintf(spi, sizeof(spi), "0x%08" PRIx32, sa->spi);
	json_object_set_new(json, "spi", json_string(spi));
	json_object_set_new(json, "direction", json_string(sa->dir == IKW_DIR_IN ? "in" : "out"));
	json_object_set_new(json, "installed", when(agent, sa->installed));
	json_object_set_new(json, "bytes", number(sa->bytes));
	json_object_set_new(json, "packets", number(sa->packets));
	json_object_set_new(json, "lost", sa->lost == ~0U ? json_null() : number(sa->lost));
	json_object_set_new(json, "last", when(agent, sa->last));
	return json;
}

static json_t *ike_json(const struct ikw_tunnel_info *info)
{
	json_t *json;
	char spi[24];

	if (!info->ike_version)
		return json_null();
	json = json_object();
	json_object_set_new(json, "version", number(info->ike_version));
	snprintf(spi, sizeof(spi), "%016" PRIx64, info->spi_i);
	json_object_set_new(json, "spi_i", json_string(spi));
	snprintf(spi, sizeof(spi), "%016" PRIx64, info->spi_r);
	json_object_set_new(json, "spi_r", json_string(spi));
	return json;
}

/* The packet programs are ahead of the model between deletions: their word counts. */
static void refresh(const struct ikw_agent *agent, const struct ikw_tunnel_info *info,
		    struct ikw_tunnel_sa *sa)
{
	union ikw_event event;

	sa->lost = ~0U;
	if (!ikw_witness_esp(agent, sa->dir == IKW_DIR_IN ? info->src : info->dst, sa->spi, &event))
		return;
	sa->lost = event.esp.lost;
	if (event.esp.packets >= sa->packets) {
		sa->packets = event.esp.packets;
		sa->bytes = event.esp.bytes;
	}
	if (event.esp.last > sa->last)
		sa->last = event.esp.last;
}

static json_t *tunnel_json(const struct ikw_agent *agent, const struct ikw_tunnel_info *info)
{
	json_t *json = json_object(), *sas = json_array();
	char addr[64];

	json_object_set_new(json, "index", number(info->index));
	json_object_set_new(json, "up", json_boolean(info->up));
	json_object_set_new(json, "src_ip",
			    json_string(ikw_addr_text(info->src, addr, sizeof(addr))));
	json_object_set_new(json, "dst_ip",
			    json_string(ikw_addr_text(info->dst, addr, sizeof(addr))));
	json_object_set_new(json, "flow_info", json_string(info->flow_info));
	json_object_set_new(json, "reqid", number(info->reqid));
	json_object_set_new(json, "mark", number(info->mark));
	json_object_set_new(json, "if_id", number(info->if_id));
	json_object_set_new(json, "rule_num", number(info->rule_num));
	json_object_set_new(json, "ifindex", number(info->ifindex));
	json_object_set_new(json, "interface_name",
			    info->ifname[0] ? json_string(info->ifname) : json_null());
	json_object_set_new(json, "inside_ip", json_string(info->inside_ip));
	json_object_set_new(json, "remote_port",
			    info->remote_port ? number(info->remote_port) : json_null());
	json_object_set_new(json, "vsys_name", json_string(info->vsys));
	json_object_set_new(json, "life_s", info->life_s ? number(info->life_s) : json_null());
	json_object_set_new(json, "life_kib",
			    info->life_kib ? number(info->life_kib) : json_null());
	json_object_set_new(json, "up_since", info->up ? when(agent, info->up_since) : json_null());
	json_object_set_new(json, "ike", ike_json(info));
	for (unsigned int i = 0; i < info->sa_count; i++) {
		struct ikw_tunnel_sa sa = info->sas[i];

		refresh(agent, info, &sa);
		json_array_append_new(sas, sa_json(agent, &sa));
	}
	json_object_set_new(json, "sas", sas);
	json_object_set_new(json, "deletions", number(info->deletions));
	json_object_set_new(json, "last_deletion", ikw_time_json(info->last_deletion));
	json_object_set_new(json, "last_reason",
			    info->last_deletion ? json_string(ikw_reason_text(info->last_reason))
						: json_null());
	return json;
}

static int write_tunnel(void *ctx, const struct ikw_tunnel_info *info)
{
	struct tunnel_lines *lines = ctx;
	json_t *json = tunnel_json(lines->agent, info);
	int err = json_dumpf(json, lines->to, IKW_JSON_FLAGS);

	json_decref(json);
	return err || fputc('\n', lines->to) == EOF;
}

static char *tunnels_text(const struct ikw_agent *agent)
{
	struct tunnel_lines lines = { .agent = agent };
	char *text = NULL;
	size_t size;

	lines.to = open_memstream(&text, &size);
	if (!lines.to)
		return NULL;
	ikw_model_tunnels(agent->model, write_tunnel, &lines);
	if (fclose(lines.to)) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- answers ------------------------------------------------------------- */

static char *as_line(json_t *json)
{
	char *text = json_dumps(json, IKW_JSON_FLAGS), *line = NULL;

	json_decref(json);
	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}

/* The header; how things stand follows as events, as at the start of an agent. */
static char *record_text(struct ikw_agent *agent)
{
	struct ikw_recording_header header = { .settle_ns = agent->options.settle_ns };
	char *line, *text = NULL;

	ikw_recording_describe(&header, agent->netns.name);
	line = ikw_recording_header_line(&header);
	if (line && asprintf(&text, "%s\n", line) < 0)
		text = NULL;
	free(line);
	agent->snapshot = text != NULL;
	return text;
}

/* ---- clear --------------------------------------------------------------- */

static char *error_text(const char *why)
{
	return as_line(json_pack("{s:s}", "error", why));
}

static char *clear_text(struct ikw_agent *agent, const struct ikw_control_request *request)
{
	const char *note = request->has_note ? request->note : NULL;
	int cleared = 0, one;

	if (!request->may_clear)
		return error_text("not permitted to clear");
	if (!agent->store)
		return error_text("no store");
	if (request->all)
		cleared = ikw_store_clear_all(agent->store, request->who, note);
	for (size_t i = 0; i < request->id_count && cleared >= 0; i++) {
		one = ikw_store_clear(agent->store, request->ids[i], request->who, note, NULL);
		cleared = one == -1 ? -1 : cleared + (one == 1);
	}
	ikw_store_begin(agent->store);
	if (cleared < 0)
		return error_text(ikw_store_error(agent->store));
	return as_line(json_pack("{s:i}", "cleared", cleared));
}

char *ikw_agent_answer(void *ctx, const struct ikw_control_request *request)
{
	struct ikw_agent *agent = ctx;

	if (!strcmp(request->name, "status"))
		return as_line(status_json(agent));
	if (!strcmp(request->name, "tunnels"))
		return tunnels_text(agent);
	if (!strcmp(request->name, "record"))
		return record_text(agent);
	if (!strcmp(request->name, "clear"))
		return clear_text(agent, request);
	return NULL;
}
