/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch fleet`: the alarms of many gateways from the stream, both ends of a tunnel in one line.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "fleet.h"
#include "join.h"
#include "nats_link.h"
#include "stamp.h"

#define WAIT_MS 500
#define TRIES	5

struct fleet {
	struct ikw_sink *sink;
	struct ikw_nats nats;
	natsSubscription *subscription;
	struct ikw_joiner *joiner;
	bool json;
	bool follow;
};

static const char *text(const json_t *json, const char *member)
{
	const char *value = json_string_value(json_object_get(json, member));

	return value ? value : "";
}

/* ---- a line ----------------------------------------------------------------- */

static void conclude(const json_t *a, const json_t *b, char *buf, size_t size)
{
	switch (ikw_join_judge(a, b)) {
	case IKW_JOIN_AGREE:
		snprintf(buf, size, "a replacement that both ends took part in");
		break;
	case IKW_JOIN_FIRST:
		snprintf(buf, size, "the root cause is at %s: %s", text(a, "gateway"),
			 text(a, "offline_reason"));
		break;
	case IKW_JOIN_SECOND:
		snprintf(buf, size, "the root cause is at %s: %s", text(b, "gateway"),
			 text(b, "offline_reason"));
		break;
	case IKW_JOIN_PATH:
		snprintf(buf, size, "both ends lost each other: the path between them");
		break;
	default:
		snprintf(buf, size, "where the root cause is cannot be told from this");
	}
}

static void print_json(const json_t *a, const json_t *b)
{
	static const char *const verdicts[] = { "agree", "first", "second", "path", "undecided" };
	json_t *json = json_pack("{s:O, s:O?}", "first", a, "second", b);
	char follows[256];

	if (b) {
		conclude(a, b, follows, sizeof(follows));
		json_object_set_new(json, "verdict", json_string(verdicts[ikw_join_judge(a, b)]));
		json_object_set_new(json, "follows", json_string(follows));
	}
	json_dumpf(json, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(json);
}

static void print_pair(void *ctx, const json_t *a, const json_t *b)
{
	const struct fleet *fleet = ctx;
	char follows[256];

	if (fleet->json) {
		print_json(a, b);
	} else if (b) {
		conclude(a, b, follows, sizeof(follows));
		printf("%s %s (%s) - %s (%s): %s saw \"%s\" (%s), %s saw \"%s\" (%s): %s\n",
		       text(a, "time"), text(a, "gateway"), text(a, "src_ip"), text(b, "gateway"),
		       text(b, "src_ip"), text(a, "gateway"), text(a, "offline_reason"),
		       text(a, "confidence"), text(b, "gateway"), text(b, "offline_reason"),
		       text(b, "confidence"), follows);
	} else {
		printf("%s %s (%s) - %s: %s saw \"%s\" (%s); the other end said nothing\n",
		       text(a, "time"), text(a, "gateway"), text(a, "src_ip"), text(a, "dst_ip"),
		       text(a, "gateway"), text(a, "offline_reason"), text(a, "confidence"));
	}
	fflush(stdout);
}

/* ---- the stream ------------------------------------------------------------- */

static bool subscribe(struct fleet *fleet, uint64_t since_ns)
{
	char subject[300];
	jsSubOptions how;
	jsErrCode code = 0;
	natsStatus s = jsSubOptions_Init(&how);

	snprintf(subject, sizeof(subject), "%s.>", cfg_getstr(fleet->sink->config, "subject"));
	how.Stream = cfg_getstr(fleet->sink->config, "stream");
	how.Ordered = true;
	how.Config.DeliverPolicy = since_ns ? js_DeliverByStartTime : js_DeliverAll;
	how.Config.OptStartTime = (int64_t)since_ns;
	/* a cluster that has just lost a server may give the consumer to that one */
	for (int i = 0; i < TRIES && !ikw_stopping(); i++) {
		if (s == NATS_OK || s == NATS_TIMEOUT)
			s = js_SubscribeSync(&fleet->subscription, fleet->nats.js, subject, NULL,
					     &how, &code);
		if (s != NATS_TIMEOUT)
			break;
	}
	return s == NATS_OK || ikw_nats_fail(fleet->sink, how.Stream, s);
}

static uint64_t pending(natsMsg *msg)
{
	jsMsgMetaData *meta = NULL;
	uint64_t count = 0;

	if (natsMsg_GetMetaData(&meta, msg) == NATS_OK)
		count = meta->NumPending;
	jsMsgMetaData_Destroy(meta);
	return count;
}

/* Asked after a while without a message: of a consumer just made the server may not know yet. */
static bool is_empty(struct fleet *fleet)
{
	jsConsumerInfo *info = NULL;
	bool empty = false;

	if (natsSubscription_GetConsumerInfo(&info, fleet->subscription, NULL, NULL) == NATS_OK)
		empty = !info->NumPending && !info->Delivered.Consumer;
	jsConsumerInfo_Destroy(info);
	return empty;
}

static void take(struct fleet *fleet, natsMsg *msg)
{
	json_t *alarm =
		json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);

	if (json_is_object(alarm) && *text(alarm, "gateway") &&
	    !json_is_true(json_object_get(alarm, "test")))
		ikw_joiner_add(fleet->joiner, alarm);
	json_decref(alarm);
}

/* Until the stream's end, or for as long as it goes on. */
static bool read_stream(struct fleet *fleet)
{
	uint64_t now, looked = 0;
	bool last = false;

	while (!last && !ikw_stopping()) {
		natsMsg *msg = NULL;
		natsStatus s = natsSubscription_NextMsg(&msg, fleet->subscription, WAIT_MS);

		if (s == NATS_OK) {
			last = !fleet->follow && !pending(msg);
			take(fleet, msg);
			natsMsg_Destroy(msg);
		} else if (s == NATS_TIMEOUT) {
			last = !fleet->follow && is_empty(fleet);
		} else {
			return ikw_nats_fail(fleet->sink, cfg_getstr(fleet->sink->config, "stream"),
					     s);
		}
		now = ikw_boot_now();
		if (fleet->follow && now - looked >= IKW_S) {
			ikw_joiner_expire(fleet->joiner, ikw_wall_now() / 1000, false);
			looked = now;
		}
	}
	ikw_joiner_expire(fleet->joiner, 0, true);
	return true;
}

bool ikw_fleet(struct ikw_sink *sink, uint64_t since_ns, bool follow, bool json)
{
	struct fleet fleet = { .sink = sink, .json = json, .follow = follow };
	bool good;

	fleet.joiner = ikw_joiner_new(print_pair, &fleet);
	good = fleet.joiner ? ikw_nats_open(sink, &fleet.nats)
			    : ikw_sink_fail(sink, "%s", strerror(ENOMEM));
	if (good) {
		good = subscribe(&fleet, since_ns) && read_stream(&fleet);
		natsSubscription_Destroy(fleet.subscription);
		ikw_nats_close(&fleet.nats);
	}
	ikw_joiner_free(fleet.joiner);
	return good;
}
