/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Alertmanager, API v2: one alert per entry of the active list. Its labels name
 * the tunnel and never the cause, which may differ from one deletion to the next;
 * that is an annotation. An alert is sent again while its entry is active, so that
 * an Alertmanager that lost its state learns of it, and resolved when the entry is
 * cleared. One that was cleared while no sender ran ends by itself, for every
 * alert says until when it holds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>
#include "http.h"
#include "stamp.h"
#include "store.h"

#define POST_MAX   200	 /* alerts in one request */
#define LOOK_EVERY IKW_S /* at the active list */
#define AGAIN_FOR  IKW_S /* at most, until it is looked whether there is something new */

static cfg_opt_t options[] = { IKW_SINK_COMMON, IKW_HTTP_OPTIONS, CFG_INT("resend", 60, CFGF_NONE),
			       CFG_END() };

struct alert {
	uint32_t tunnel; /* key */
	uint64_t last_id;
	uint64_t count;
	uint64_t up_since;
	json_t *json;
	uint64_t sent; /* boot time ns; 0: must be sent */
	bool active;
	bool ended;	     /* cleared, and not yet told */
	struct alert **list; /* that it is in; NULL: none */
	struct alert *prev, *next;
	UT_hash_handle hh;
};

struct alertmanager_data {
	struct ikw_http *http;
	struct ikw_feed *feed;
	struct alert *alerts;
	struct alert *fresh; /* must be sent */
	struct alert *told;  /* as it is; the one sent longest ago first */
	uint64_t resend;     /* ns */
	uint64_t looked;     /* boot time ns */
	uint64_t untold;     /* the first alarm since that look; 0: none */
	bool changed;	     /* an alarm came since */
	struct ikw_sink *sink;
};

static bool alertmanager_check(struct ikw_sink *sink)
{
	long resend = cfg_getint(sink->config, "resend");

	if (resend < 1 || resend > 86400)
		return ikw_sink_fail(sink, "resend = %ld: not 1 to 86400 seconds", resend);
	return ikw_http_check(sink);
}

static bool alertmanager_open(struct ikw_sink *sink)
{
	struct alertmanager_data *data = calloc(1, sizeof(*data));

	sink->data = data;
	if (!data)
		return ikw_sink_fail(sink, "%s", strerror(ENOMEM));
	data->sink = sink;
	data->resend = (uint64_t)cfg_getint(sink->config, "resend") * IKW_S;
	data->feed = ikw_feed_open(sink->state_dir);
	data->http = ikw_http_open(sink, "/api/v2/alerts");
	data->changed = true;
	return data->feed && data->http;
}

/* Puts it last in list, and takes it out of the one it was in. */
static void move(struct alert *alert, struct alert **list)
{
	if (alert->list)
		DL_DELETE(*alert->list, alert);
	alert->list = list;
	if (list)
		DL_APPEND(*list, alert);
}

static void must_be_sent(struct alertmanager_data *data, struct alert *alert)
{
	alert->sent = 0;
	if (alert->list != &data->fresh)
		move(alert, &data->fresh);
}

static void forget(struct alertmanager_data *data, struct alert *alert)
{
	move(alert, NULL);
	HASH_DEL(data->alerts, alert);
	json_decref(alert->json);
	free(alert);
}

static void alertmanager_close(struct ikw_sink *sink)
{
	struct alertmanager_data *data = sink->data;
	struct alert *alert, *next;

	if (!data)
		return;
	HASH_ITER (hh, data->alerts, alert, next)
		forget(data, alert);
	ikw_http_close(data->http);
	ikw_feed_close(data->feed);
	free(data);
	sink->data = NULL;
}

/* ---- one alert --------------------------------------------------------------- */

static json_t *labels_of(const struct ikw_parcel *p)
{
	char tunnel[24];

	snprintf(tunnel, sizeof(tunnel), "%llu",
		 (unsigned long long)ikw_parcel_number(p, "tunnel_index"));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "alertname",
			 "IPsecTunnelDeleted", "severity", "major", "gateway",
			 ikw_parcel_text(p, "gateway"), "netns", ikw_parcel_text(p, "vsys_name"),
			 "tunnel", tunnel, "local", ikw_parcel_text(p, "src_ip"), "peer",
			 ikw_parcel_text(p, "dst_ip"), "flow", ikw_parcel_text(p, "flow_info"));
}

static json_t *annotations_of(const struct ikw_parcel *p, const struct ikw_store_row *row)
{
	char summary[256], count[24], id[24], up[40] = "";
	json_t *json;

	snprintf(summary, sizeof(summary), "IPsec tunnel to %s deleted: %s",
		 ikw_parcel_text(p, "dst_ip"), ikw_parcel_text(p, "offline_reason"));
	snprintf(count, sizeof(count), "%llu", (unsigned long long)(row ? row->count : 1));
	snprintf(id, sizeof(id), "%llu", (unsigned long long)p->id);
	if (row && row->up_since)
		ikw_time_text(row->up_since, up, sizeof(up));
	json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "summary", summary,
			 "description", ikw_parcel_text(p, "detail"), "reason",
			 ikw_parcel_text(p, "offline_reason"), "confidence",
			 ikw_parcel_text(p, "confidence"), "interface",
			 ikw_parcel_text(p, "interface_name"), "uid", p->uid, "alarm", id, "count",
			 count, "last_deletion", ikw_parcel_text(p, "time"));
	if (up[0])
		json_object_set_new(json, "up_since", json_string(up));
	return json;
}

static json_t *alert_json(const struct ikw_parcel *p, const struct ikw_store_row *row)
{
	char starts[40];

	ikw_time_text(row ? row->first : p->wall, starts, sizeof(starts));
	return json_pack("{s:o, s:o, s:s}", "labels", labels_of(p), "annotations",
			 annotations_of(p, row), "startsAt", starts);
}

/* ---- the active list ---------------------------------------------------------- */

/* The entry's alert as it is now; made anew when the entry changed. */
static void update(struct alertmanager_data *data, struct alert *alert,
		   const struct ikw_store_row *row)
{
	struct ikw_parcel parcel;

	alert->active = true;
	if (alert->json && !alert->ended && alert->last_id == row->id &&
	    alert->count == row->count && alert->up_since == row->up_since)
		return;
	if (!ikw_parcel_make(&parcel, data->sink->gateway, row->id, row->wall, row->json))
		return;
	json_decref(alert->json);
	alert->json = alert_json(&parcel, row);
	alert->last_id = row->id;
	alert->count = row->count;
	alert->up_since = row->up_since;
	alert->ended = false;
	must_be_sent(data, alert);
	ikw_parcel_clear(&parcel);
}

static int active_row(void *ctx, const struct ikw_store_row *row)
{
	struct alertmanager_data *data = ctx;
	struct alert *alert;

	HASH_FIND(hh, data->alerts, &row->tunnel_index, sizeof(row->tunnel_index), alert);
	if (!alert) {
		alert = calloc(1, sizeof(*alert));
		if (!alert)
			return 1;
		alert->tunnel = row->tunnel_index;
		HASH_ADD(hh, data->alerts, tunnel, sizeof(alert->tunnel), alert);
	}
	update(data, alert, row);
	return 0;
}

static bool look(struct alertmanager_data *data)
{
	struct ikw_sink *sink = data->sink;
	struct ikw_store *store = ikw_feed_store(data->feed, sink->why, sizeof(sink->why));
	const struct ikw_store_list list = { .json = true };
	struct alert *alert, *next;

	if (!store)
		return !ikw_feed_exists(data->feed); /* no store yet: nothing is active */
	HASH_ITER (hh, data->alerts, alert, next)
		alert->active = false;
	if (ikw_store_alarms(store, &list, active_row, data))
		return ikw_sink_fail(sink, "%s", ikw_store_error(store));
	HASH_ITER (hh, data->alerts, alert, next) {
		if (alert->active || alert->ended)
			continue;
		alert->ended = true;
		must_be_sent(data, alert);
	}
	data->looked = ikw_boot_now();
	data->changed = false;
	return true;
}

/* ---- telling ------------------------------------------------------------------ */

/* What holds now, and until when unless it is said again. */
static void set_end(const struct alertmanager_data *data, const struct alert *alert)
{
	uint64_t hold = 4 * data->resend > 300 * IKW_S ? 4 * data->resend : 300 * IKW_S;
	uint64_t now = ikw_wall_now();
	char ends[40];

	ikw_time_text(alert->ended ? now : now + hold, ends, sizeof(ends));
	json_object_set_new(alert->json, "endsAt", json_string(ends));
}

static bool post(struct alertmanager_data *data, json_t *list)
{
	char *body = json_dumps(list, JSON_COMPACT);
	bool good = body && ikw_http_post(data->http, body, NULL);

	free(body);
	return good;
}

/* One request with at most POST_MAX, from the list's start, that were sent by then. How many, or
 * -1. */
static int tell_some(struct alertmanager_data *data, struct alert *list, uint64_t by)
{
	uint64_t now = ikw_boot_now();
	json_t *json = json_array();
	struct alert *batch[POST_MAX];
	bool good = true;
	int count = 0;

	for (; list && list->sent <= by && count < POST_MAX; list = list->next) {
		set_end(data, list);
		json_array_append(json, list->json);
		batch[count++] = list;
	}
	if (count)
		good = post(data, json);
	json_decref(json);
	for (int i = 0; i < count && good; i++) {
		batch[i]->sent = now;
		if (batch[i]->ended)
			forget(data, batch[i]);
		else
			move(batch[i], &data->told);
	}
	return good ? count : -1;
}

/*
 * What is new first, and all of it. To say all again may take longer than the
 * interval that it is due in, with a slow receiver and thousands of alerts: what is
 * new then does not wait for that.
 */
static bool tell(struct alertmanager_data *data)
{
	uint64_t began;
	int count;

	do {
		count = tell_some(data, data->fresh, 0);
	} while (count > 0 && !ikw_stopping());
	began = ikw_boot_now();
	while (count >= 0 && began > data->resend && !ikw_stopping()) {
		count = tell_some(data, data->told, began - data->resend);
		if (!count || ikw_boot_now() - began > AGAIN_FOR)
			break;
	}
	return count >= 0;
}

/* With thousands of alarms on their way the list, which is long then, is not read for each few. */
static bool alertmanager_flush(struct ikw_sink *sink)
{
	struct alertmanager_data *data = sink->data;
	bool due = ikw_boot_now() - data->looked >= LOOK_EVERY;

	if (sink->testing || (sink->more && !due))
		return true;
	if (((!data->changed && !due) || look(data)) && tell(data)) {
		data->untold = 0;
		return true;
	}
	sink->resend_from = data->untold;
	data->untold = 0;
	return false;
}

/* The active list is what counts; an alarm only tells that it has changed. */
static bool alertmanager_send(struct ikw_sink *sink, const struct ikw_parcel *parcel)
{
	struct alertmanager_data *data = sink->data;
	json_t *list;
	char now[40];
	bool good;

	data->changed = true;
	if (!data->untold)
		data->untold = parcel->id;
	if (!sink->testing)
		return true;
	list = json_pack("[o]", alert_json(parcel, NULL));
	ikw_time_text(ikw_wall_now() + 60 * IKW_S, now, sizeof(now));
	json_object_set_new(json_array_get(list, 0), "endsAt", json_string(now));
	good = post(data, list);
	json_decref(list);
	return good;
}

static bool alertmanager_probe(struct ikw_sink *sink)
{
	const struct alertmanager_data *data = sink->data;

	return ikw_http_connect(data->http);
}

const struct ikw_sink_type ikw_sink_alertmanager = {
	.name = "alertmanager",
	.options = options,
	.check = alertmanager_check,
	.open = alertmanager_open,
	.send = alertmanager_send,
	.flush = alertmanager_flush,
	.close = alertmanager_close,
	.probe = alertmanager_probe,
	.wants_ticks = true,
};
