/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics.h"
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>
#include "control.h"
#include "reason.h"
#include "store.h"

/* Counters of one SA as they were seen last. */
struct sa_key {
	uint32_t tunnel;
	uint32_t spi;
	uint32_t out; /* 0: inbound */
};

struct sa_seen {
	struct sa_key key;
	uint64_t bytes;
	uint64_t packets;
	bool listed; /* by the scrape under way */
	UT_hash_handle hh;
};

/* Sums over all SAs a tunnel had while this process ran. */
struct total {
	uint32_t tunnel;
	uint64_t bytes[2]; /* in, out */
	uint64_t packets[2];
	UT_hash_handle hh;
};

struct ikw_metrics {
	const struct ikw_sink *sink;
	struct ikw_feed *feed;
	unsigned long max_tunnels;
	struct sa_seen *seen;
	struct total *totals;
};

struct ikw_metrics *ikw_metrics_new(const struct ikw_sink *sink, unsigned long max_tunnels)
{
	struct ikw_metrics *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->sink = sink;
	m->max_tunnels = max_tunnels;
	m->feed = ikw_feed_open(sink->state_dir);
	if (m->feed)
		return m;
	free(m);
	return NULL;
}

void ikw_metrics_free(struct ikw_metrics *m)
{
	struct sa_seen *seen, *next_seen;
	struct total *total, *next_total;

	if (!m)
		return;
	HASH_ITER (hh, m->seen, seen, next_seen) {
		HASH_DEL(m->seen, seen);
		free(seen);
	}
	HASH_ITER (hh, m->totals, total, next_total) {
		HASH_DEL(m->totals, total);
		free(total);
	}
	ikw_feed_close(m->feed);
	free(m);
}

/* ---- JSON ------------------------------------------------------------------- */

static uint64_t number(const json_t *json, const char *member)
{
	return (uint64_t)json_integer_value(json_object_get(json, member));
}

static const char *text(const json_t *json, const char *member)
{
	const char *value = json_string_value(json_object_get(json, member));

	return value ? value : "";
}

/* Unix seconds of a time in RFC 3339; 0: none. */
static double seconds(const json_t *json, const char *member)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text(json, member), "%Y-%m-%dT%H:%M:%S", &tm);

	return rest ? (double)timegm(&tm) + (*rest == '.' ? strtod(rest, NULL) : 0) : 0;
}

/* ---- sums ------------------------------------------------------------------- */

static struct total *total_of(struct ikw_metrics *m, uint32_t tunnel)
{
	struct total *total;

	HASH_FIND(hh, m->totals, &tunnel, sizeof(tunnel), total);
	if (total || HASH_COUNT(m->totals) >= m->max_tunnels)
		return total;
	total = calloc(1, sizeof(*total));
	if (!total)
		return NULL;
	total->tunnel = tunnel;
	HASH_ADD(hh, m->totals, tunnel, sizeof(total->tunnel), total);
	return total;
}

static struct sa_seen *seen_of(struct ikw_metrics *m, const struct sa_key *key)
{
	struct sa_seen *seen;

	HASH_FIND(hh, m->seen, key, sizeof(*key), seen);
	if (seen)
		return seen;
	seen = calloc(1, sizeof(*seen));
	if (!seen)
		return NULL;
	seen->key = *key;
	HASH_ADD(hh, m->seen, key, sizeof(seen->key), seen);
	return seen;
}

/* What an SA has carried since it was last looked at goes to its tunnel. */
static void count_sa(struct ikw_metrics *m, uint32_t tunnel, const json_t *sa)
{
	struct sa_key key = { .tunnel = tunnel,
			      .spi = (uint32_t)strtoul(text(sa, "spi"), NULL, 16),
			      .out = !strcmp(text(sa, "direction"), "out") };
	struct total *total = total_of(m, tunnel);
	struct sa_seen *seen = total ? seen_of(m, &key) : NULL;
	uint64_t bytes = number(sa, "bytes"), packets = number(sa, "packets");

	if (!seen)
		return;
	seen->listed = true;
	if (bytes > seen->bytes) {
		total->bytes[key.out] += bytes - seen->bytes;
		seen->bytes = bytes;
	}
	if (packets > seen->packets) {
		total->packets[key.out] += packets - seen->packets;
		seen->packets = packets;
	}
}

static void count_all(struct ikw_metrics *m, const json_t *tunnels)
{
	const json_t *tunnel, *sa;
	struct sa_seen *seen, *next;
	size_t i, j;

	HASH_ITER (hh, m->seen, seen, next)
		seen->listed = false;
	json_array_foreach (tunnels, i, tunnel) {
		json_array_foreach (json_object_get(tunnel, "sas"), j, sa)
			count_sa(m, (uint32_t)number(tunnel, "index"), sa);
	}
	HASH_ITER (hh, m->seen, seen, next) {
		if (seen->listed)
			continue;
		HASH_DEL(m->seen, seen);
		free(seen);
	}
}

void ikw_metrics_alarm(struct ikw_metrics *m, const struct ikw_parcel *parcel)
{
	uint32_t tunnel = (uint32_t)ikw_parcel_number(parcel, "tunnel_index");
	struct sa_seen *seen;
	const json_t *sa;
	size_t i;

	json_array_foreach (json_object_get(parcel->json, "sas"), i, sa) {
		struct sa_key key = { .tunnel = tunnel,
				      .spi = (uint32_t)strtoul(text(sa, "spi"), NULL, 16),
				      .out = !strcmp(text(sa, "direction"), "out") };

		/* one that no scrape has seen may be from long before this process */
		HASH_FIND(hh, m->seen, &key, sizeof(key), seen);
		if (seen)
			count_sa(m, tunnel, sa);
	}
}

/* ---- text ------------------------------------------------------------------- */

static void family(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP ikewatch_%s %s\n# TYPE ikewatch_%s %s\n", name, help, name, type);
}

/* A label's value: '\', '"' and line ends are escaped. */
static void label(FILE *to, const char *before, const char *name, const char *value)
{
	fprintf(to, "%s%s=\"", before, name);
	for (; *value; value++) {
		if (*value == '\n') {
			fputs("\\n", to);
			continue;
		}
		if (*value == '\\' || *value == '"')
			fputc('\\', to);
		fputc(*value, to);
	}
	fputc('"', to);
}

static void single(FILE *to, const char *name, const char *type, const char *help, uint64_t value)
{
	family(to, name, type, help);
	fprintf(to, "ikewatch_%s %" PRIu64 "\n", name, value);
}

static void put_agent(FILE *to, const json_t *status)
{
	const json_t *model = json_object_get(status, "model");
	uint64_t tunnels = number(model, "tunnels"), up = number(model, "tunnels_up");

	family(to, "tunnels", "gauge", "Tunnels known to the agent, by state.");
	fprintf(to, "ikewatch_tunnels{state=\"up\"} %" PRIu64 "\n", up);
	fprintf(to, "ikewatch_tunnels{state=\"down\"} %" PRIu64 "\n",
		tunnels > up ? tunnels - up : 0);
	single(to, "sas", "gauge", "IPsec SAs known to the agent.", number(model, "sas"));
	single(to, "ike_sas", "gauge", "IKE_SAs known to the agent.", number(model, "ike_sas"));
	single(to, "ike_retransmissions_total", "counter",
	       "IKE messages seen again, sent by either side.",
	       number(model, "ike_retransmissions"));
	single(to, "events_lost_total", "counter", "Records that never reached the agent.",
	       number(status, "lost"));
	single(to, "agent_memory_bytes", "gauge", "Memory that the agent's model takes.",
	       number(model, "bytes"));
	single(to, "agent_uptime_seconds", "gauge", "How long the agent has run.",
	       number(status, "uptime_s"));
}

/* Every reason there is, so that a rate can be asked of one before it occurs. */
static void put_reasons(FILE *to, const json_t *status)
{
	const json_t *counts = json_object_get(json_object_get(status, "model"), "by_reason");
	uint64_t rekeys = 0;

	family(to, "deletions_total", "counter", "Tunnel deletions by reason, rekeys among them.");
	for (int i = 0; i < IKW_REASON_COUNT; i++) {
		const char *reason = ikw_reason_text((enum ikw_reason)i);

		fputs("ikewatch_deletions_total", to);
		label(to, "{", "reason", reason);
		fprintf(to, "} %" PRIu64 "\n", number(counts, reason));
		if (i == IKW_REASON_PHASE1_REPLACE || i == IKW_REASON_PHASE2_REPLACE)
			rekeys += number(counts, reason);
	}
	single(to, "rekeys_total", "counter",
	       "Deletions of a generation that a newer one had replaced.", rekeys);
}

static void put_events(FILE *to, const json_t *status)
{
	const char *name;
	json_t *count;

	family(to, "events_total", "counter", "Events the agent took, by type.");
	json_object_foreach (json_object_get(status, "events"), name, count) {
		fputs("ikewatch_events_total", to);
		label(to, "{", "type", name);
		fprintf(to, "} %" JSON_INTEGER_FORMAT "\n", json_integer_value(count));
	}
}

static void put_tunnel_labels(FILE *to, const char *name, const json_t *tunnel)
{
	char index[24];

	snprintf(index, sizeof(index), "%" PRIu64, number(tunnel, "index"));
	fprintf(to, "ikewatch_%s", name);
	label(to, "{", "tunnel", index);
	label(to, ",", "local", text(tunnel, "src_ip"));
	label(to, ",", "peer", text(tunnel, "dst_ip"));
	label(to, ",", "flow", text(tunnel, "flow_info"));
}

static void put_up(FILE *to, const json_t *tunnel)
{
	put_tunnel_labels(to, "tunnel_up", tunnel);
	fprintf(to, "} %d\n", json_is_true(json_object_get(tunnel, "up")) ? 1 : 0);
}

static void put_deletions(FILE *to, const json_t *tunnel)
{
	put_tunnel_labels(to, "tunnel_deletions_total", tunnel);
	fprintf(to, "} %" PRIu64 "\n", number(tunnel, "deletions"));
}

static void put_last(FILE *to, const json_t *tunnel)
{
	double when = seconds(tunnel, "last_deletion");

	if (when <= 0)
		return;
	put_tunnel_labels(to, "tunnel_last_deletion_timestamp_seconds", tunnel);
	fprintf(to, "} %.3f\n", when);
}

/* Missing ESP packets of the tunnel's SAs, by their sequence numbers. */
static void put_lost(FILE *to, const json_t *tunnel)
{
	const json_t *sa;
	uint64_t lost[2] = { 0 };
	bool known[2] = { false };
	size_t i;

	json_array_foreach (json_object_get(tunnel, "sas"), i, sa) {
		int out = !strcmp(text(sa, "direction"), "out");

		known[out] = known[out] || json_is_integer(json_object_get(sa, "lost"));
		lost[out] += number(sa, "lost");
	}
	for (int out = 0; out < 2; out++) {
		if (!known[out])
			continue;
		put_tunnel_labels(to, "esp_lost_packets", tunnel);
		fprintf(to, ",direction=\"%s\"} %" PRIu64 "\n", out ? "out" : "in", lost[out]);
	}
}

static const struct {
	const char *name;
	const char *type;
	const char *help;
	void (*put)(FILE *to, const json_t *tunnel);
} per_tunnel[] = {
	{ "tunnel_up", "gauge", "Whether the tunnel has a usable pair of SAs.", put_up },
	{ "tunnel_deletions_total", "counter", "Deletions of the tunnel.", put_deletions },
	{ "tunnel_last_deletion_timestamp_seconds", "gauge", "When it was last deleted.",
	  put_last },
	{ "esp_lost_packets", "gauge",
	  "ESP packets missing in the last minute of traffic, by their sequence numbers.",
	  put_lost },
};

static void put_sums(struct ikw_metrics *m, FILE *to, const json_t *tunnels, const char *name,
		     const char *help, bool bytes)
{
	const json_t *tunnel;
	struct total *total;
	size_t i;

	family(to, name, "counter", help);
	json_array_foreach (tunnels, i, tunnel) {
		uint32_t index = (uint32_t)number(tunnel, "index");

		HASH_FIND(hh, m->totals, &index, sizeof(index), total);
		if (!total || i >= m->max_tunnels)
			continue;
		for (int out = 0; out < 2; out++) {
			put_tunnel_labels(to, name, tunnel);
			fprintf(to, ",direction=\"%s\"} %" PRIu64 "\n", out ? "out" : "in",
				bytes ? total->bytes[out] : total->packets[out]);
		}
	}
}

static void put_tunnels(struct ikw_metrics *m, FILE *to, const json_t *tunnels)
{
	size_t count = json_array_size(tunnels);
	const json_t *tunnel;
	double latest = 0;
	size_t i;

	for (size_t k = 0; k < sizeof(per_tunnel) / sizeof(per_tunnel[0]); k++) {
		family(to, per_tunnel[k].name, per_tunnel[k].type, per_tunnel[k].help);
		json_array_foreach (tunnels, i, tunnel)
			if (i < m->max_tunnels)
				per_tunnel[k].put(to, tunnel);
	}
	put_sums(m, to, tunnels, "esp_bytes_total", "Bytes of ESP packets.", true);
	put_sums(m, to, tunnels, "esp_packets_total", "ESP packets.", false);
	json_array_foreach (tunnels, i, tunnel)
		if (seconds(tunnel, "last_deletion") > latest)
			latest = seconds(tunnel, "last_deletion");
	family(to, "last_deletion_timestamp_seconds", "gauge", "When any tunnel was last deleted.");
	fprintf(to, "ikewatch_last_deletion_timestamp_seconds %.3f\n", latest);
	single(to, "tunnels_not_shown", "gauge", "Tunnels beyond max-tunnels, without series.",
	       count > m->max_tunnels ? count - m->max_tunnels : 0);
}

/* ---- store and sinks --------------------------------------------------------- */

static void put_store(struct ikw_metrics *m, FILE *to, uint64_t *last)
{
	struct ikw_store_stats stats;
	char why[512];
	struct ikw_store *store = ikw_feed_store(m->feed, why, sizeof(why));

	*last = 0;
	if (!store || ikw_store_stats(store, &stats) || ikw_store_last(store, last))
		return;
	single(to, "alarms_active", "gauge", "Tunnels whose alarm is not cleared.", stats.active);
	single(to, "store_alarms", "gauge", "Alarms in the store.", stats.alarms);
	single(to, "store_bytes", "gauge", "Size of the store.", stats.bytes);
}

static json_t *read_cursors(const struct ikw_metrics *m)
{
	json_t *list = json_array();
	DIR *dir = opendir(m->sink->cursor_dir);
	const struct dirent *entry;
	char path[PATH_MAX];

	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);
		json_t *json;

		if (len < 6 || strcmp(entry->d_name + len - 5, ".json"))
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", m->sink->cursor_dir,
				     entry->d_name) >= sizeof(path))
			continue;
		json = json_load_file(path, 0, NULL);
		if (json_is_integer(json_object_get(json, "cursor")))
			json_array_append(list, json);
		json_decref(json);
	}
	if (dir)
		closedir(dir);
	return list;
}

static uint64_t waiting_of(const json_t *sink, uint64_t last)
{
	uint64_t cursor = number(sink, "cursor");

	return last > cursor ? last - cursor : 0;
}

static void put_sinks(const struct ikw_metrics *m, FILE *to, uint64_t last)
{
	static const struct {
		const char *name, *type, *help, *member;
	} rows[] = {
		{ "sink_waiting_alarms", "gauge", "Alarms the sink's receiver has not got yet.",
		  NULL },
		{ "sink_sent_alarms_total", "counter", "Alarms delivered.", "sent" },
		{ "sink_failures_total", "counter", "Attempts to deliver that failed.", "failed" },
		{ "sink_lost_alarms_total", "counter",
		  "Alarms that left the store before they could be delivered.", "lost" },
		{ "sink_failing", "gauge", "Whether the last attempt failed.", "state" },
	};
	json_t *cursors = read_cursors(m);
	const json_t *sink;
	size_t i;

	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		family(to, rows[k].name, rows[k].type, rows[k].help);
		json_array_foreach (cursors, i, sink) {
			uint64_t value = !rows[k].member ? waiting_of(sink, last)
							 : number(sink, rows[k].member);

			if (rows[k].member && !strcmp(rows[k].member, "state"))
				value = !strcmp(text(sink, "state"), "failing");
			fprintf(to, "ikewatch_%s", rows[k].name);
			label(to, "{", "sink", text(sink, "sink"));
			label(to, ",", "type", text(sink, "type"));
			fprintf(to, "} %" PRIu64 "\n", value);
		}
	}
	json_decref(cursors);
}

char *ikw_metrics_text(struct ikw_metrics *m, size_t *size)
{
	json_t *status = ikw_agent_ask(m->sink->socket, "status");
	json_t *tunnels = status ? ikw_agent_ask(m->sink->socket, "tunnels") : NULL;
	char *result = NULL;
	FILE *to = open_memstream(&result, size);
	uint64_t last;

	if (to) {
		family(to, "build_info", "gauge", "Which ikewatch this is.");
		fprintf(to, "ikewatch_build_info{version=\"" IKEWATCH_VERSION "\"} 1\n");
		single(to, "agent_up", "gauge", "Whether the agent answered.",
		       json_array_size(status) > 0);
		if (json_array_size(status)) {
			put_agent(to, json_array_get(status, 0));
			put_reasons(to, json_array_get(status, 0));
			put_events(to, json_array_get(status, 0));
			count_all(m, tunnels);
			put_tunnels(m, to, tunnels);
		}
		put_store(m, to, &last);
		put_sinks(m, to, last);
		if (fclose(to)) {
			free(result);
			result = NULL;
		}
	}
	json_decref(status);
	json_decref(tunnels);
	return result;
}
