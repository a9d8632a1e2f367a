/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch alarms` and `ikewatch clear`: from the store, whether the agent runs or not. */
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "alarms.h"
#include "cli.h"
#include "control.h"
#include "format.h"

/* ---- one row ---------------------------------------------------------- */

static json_t *cleared_json(const struct ikw_store_row *row)
{
	if (!row->cleared)
		return json_null();
	return json_pack("{s:o, s:s?, s:s?}", "time", ikw_time_json(row->cleared), "by",
			 row->cleared_by, "note", row->note);
}

json_t *ikw_alarms_state_json(const struct ikw_store_row *row)
{
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "active", row->active, "count",
			 row->active ? json_integer((json_int_t)row->count) : json_null(),
			 "first_time", ikw_time_json(row->first), "last_time",
			 ikw_time_json(row->last), "up_since", ikw_time_json(row->up_since),
			 "counted_in",
			 row->counted_in ? json_integer((json_int_t)row->counted_in) : json_null(),
			 "cleared", cleared_json(row));
}

/* "2026-01-02 03:04:05Z": what the eye needs of a time. */
static const char *short_time(uint64_t wall, char *to, size_t size)
{
	char text[40];

	ikw_time_text(wall, text, sizeof(text));
	snprintf(to, size, "%.10s %.8sZ", text, text + 11);
	return to;
}

/* "; down 3 times since …": what an entry with one alarm says by its own time. */
static const char *times_text(const struct ikw_store_row *row, const char *lead, char *to,
			      size_t size)
{
	char at[40];

	to[0] = 0;
	if (row->count > 1)
		snprintf(to, size, "%s%" PRIu64 " times since %s", lead, row->count,
			 short_time(row->first, at, sizeof(at)));
	return to;
}

const char *ikw_alarms_state_text(const struct ikw_store_row *row, char *to, size_t size)
{
	char at[40], times[100];

	if (row->cleared)
		snprintf(to, size, "cleared %s by %s%s%s", short_time(row->cleared, at, sizeof(at)),
			 row->cleared_by, row->note ? ": " : "", row->note ? row->note : "");
	else if (row->counted_in)
		snprintf(to, size, "down again: %" PRIu64, row->counted_in);
	else if (row->tunnel_up)
		snprintf(to, size, "tunnel stayed up");
	else if (row->up_since)
		snprintf(to, size, "up since %s%s", short_time(row->up_since, at, sizeof(at)),
			 times_text(row, "; down ", times, sizeof(times)));
	else if (row->active)
		snprintf(to, size, "down%s", times_text(row, ", ", times, sizeof(times)));
	else
		snprintf(to, size, "closed");
	ikw_plain(to);
	return to;
}

static const char *state_colour(const struct ikw_store_row *row)
{
	if (!row->active || !isatty(STDOUT_FILENO))
		return "";
	return row->up_since ? "\033[33m" : "\033[31m";
}

struct ikw_store *ikw_alarms_open(const char *dir)
{
	char why[512];
	struct ikw_store *store = ikw_store_open(dir ? dir : IKW_STATE_DIR, true, why, sizeof(why));

	if (!store)
		ikw_error("%s", why);
	return store;
}

/* ---- alarms ----------------------------------------------------------- */

struct listing {
	uint64_t rows;
};

/* The stored line with the state's members put in before its end: a million are printed fast. */
static int print_json(void *ctx, const struct ikw_store_row *row)
{
	struct listing *listing = ctx;
	json_t *state = ikw_alarms_state_json(row);
	char *more = state ? json_dumps(state, IKW_JSON_FLAGS) : NULL;
	size_t len = strlen(row->json);

	listing->rows++;
	if (more && len > 2)
		printf("%.*s,%s\n", (int)len - 1, row->json, more + 1);
	free(more);
	json_decref(state);
	return ferror(stdout);
}

static int print_text(void *ctx, const struct ikw_store_row *row)
{
	struct listing *listing = ctx;
	const char *colour = state_colour(row);
	char state[256], at[40], count[24] = "";

	if (!listing->rows++)
		printf("%8s  %-20s %6s  %-15s %-10s %5s  %-31s  %s\n", "ID", "TIME", "TUNNEL",
		       "PEER", "CONFIDENCE", "COUNT", "REASON", "STATE");
	if (row->active)
		snprintf(count, sizeof(count), "%" PRIu64, row->count);
	printf("%8" PRIu64 "  %-20s %6u  %-15s %-10s %5s  %-31s  %s%s%s\n", row->id,
	       short_time(row->wall, at, sizeof(at)), row->tunnel_index, row->peer, row->confidence,
	       count, row->reason, colour, ikw_alarms_state_text(row, state, sizeof(state)),
	       *colour ? "\033[0m" : "");
	return ferror(stdout);
}

static int print_peer_json(void *ctx, const struct ikw_store_peer *peer)
{
	struct listing *listing = ctx;
	json_t *json = json_pack(
		"{s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:I}", "peer", peer->peer, "offline_reason",
		peer->reason, "tunnels", (json_int_t)peer->tunnels, "up", (json_int_t)peer->up,
		"count", (json_int_t)peer->count, "first_time", ikw_time_json(peer->first),
		"last_time", ikw_time_json(peer->last), "last_id", (json_int_t)peer->last_id);

	listing->rows++;
	if (json) {
		json_dumpf(json, stdout, IKW_JSON_FLAGS);
		putchar('\n');
	}
	json_decref(json);
	return ferror(stdout);
}

static int print_peer_text(void *ctx, const struct ikw_store_peer *peer)
{
	struct listing *listing = ctx;
	char at[40];

	if (!listing->rows++)
		printf("%-15s  %7s %8s %7s  %-20s  %s\n", "PEER", "TUNNELS", "UP AGAIN", "ALARMS",
		       "LAST", "REASON");
	printf("%-15s  %7" PRIu64 " %8" PRIu64 " %7" PRIu64 "  %-20s  %s\n", peer->peer,
	       peer->tunnels, peer->up, peer->count, short_time(peer->last, at, sizeof(at)),
	       peer->reason);
	return ferror(stdout);
}

struct alarms_options {
	struct ikw_common_options common;
	unsigned long limit; /* 0: none */
	bool all;
	bool by_peer;
};

static int alarms_parse(int argc, char **argv, struct alarms_options *o)
{
	const struct ikw_command *command = ikw_cli_find("alarms");
	bool active = false;
	const char *value;
	int key;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == '?')
			return IKW_EXIT_USAGE;
		ikw_cli_common(&o->common, key, value);
		active |= key == IKW_OPT_ACTIVE;
		o->by_peer |= key == IKW_OPT_BY_PEER;
		if (key == IKW_OPT_ALL)
			o->all = true;
		if (key == IKW_OPT_LIMIT && !ikw_cli_number(value, 1, INT64_MAX, &o->limit))
			return ikw_usage_error("alarms", "alarms: --limit %s: not a number above 0",
					       value);
	}
	if (optind < argc)
		return ikw_usage_error("alarms", "alarms: %s: takes no operand", argv[optind]);
	if (o->all && (active || o->by_peer))
		return ikw_usage_error("alarms", "alarms: --all with --%s: one of them",
				       active ? "active" : "by-peer");
	if (o->by_peer && o->limit)
		return ikw_usage_error("alarms", "alarms: --by-peer with --limit: one of them");
	return IKW_EXIT_OK;
}

static int alarms_print(struct ikw_store *store, const struct alarms_options *o)
{
	const struct ikw_store_list list = { o->all, o->common.json, o->limit };
	struct listing listing = { 0 };
	int err;

	if (o->by_peer)
		err = ikw_store_peers(store, o->common.json ? print_peer_json : print_peer_text,
				      &listing);
	else
		err = ikw_store_alarms(store, &list, o->common.json ? print_json : print_text,
				       &listing);
	if (err) {
		ikw_error("%s", ikw_store_error(store));
		return IKW_EXIT_FAILED;
	}
	if (!listing.rows && !o->common.json)
		puts(o->all ? "no alarms" : "no active alarms");
	return IKW_EXIT_OK;
}

int ikw_alarms_main(int argc, char **argv)
{
	struct alarms_options o = { 0 };
	int status = alarms_parse(argc, argv, &o);
	struct ikw_store *store;

	if (status)
		return status;
	store = ikw_alarms_open(o.common.state_dir);
	if (!store)
		return IKW_EXIT_FAILED;
	status = alarms_print(store, &o);
	ikw_store_close(store);
	return status;
}

/* ---- clear ------------------------------------------------------------ */

static const char *user_name(uid_t uid, char *to, size_t size)
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		snprintf(to, size, "%s", user->pw_name);
	else
		snprintf(to, size, "uid %u", uid);
	return to;
}

/* Who sits there: the login's user stays the same through su and sudo (the audit login uid). */
static void caller_name(char *to, size_t size)
{
	unsigned int login = ~0U;
	char user[64], person[64];
	FILE *file = fopen("/proc/self/loginuid", "re");

	if (file) {
		if (fscanf(file, "%u", &login) != 1)
			login = ~0U;
		fclose(file);
	}
	user_name(getuid(), user, sizeof(user));
	if (login == ~0U || login == getuid())
		snprintf(to, size, "%s", user);
	else
		snprintf(to, size, "%s as %s", user_name(login, person, sizeof(person)), user);
}

static int clear_one(struct ikw_store *store, const char *text, const char *who, const char *note)
{
	struct ikw_store_cleared cleared;
	unsigned long id = strtoul(text, NULL, 10);

	switch (ikw_store_clear(store, id, who, note, &cleared)) {
	case 1:
		printf("cleared %" PRIu64 ": tunnel %u, %" PRIu64 " alarm%s\n", cleared.last_id,
		       cleared.tunnel_index, cleared.count, cleared.count == 1 ? "" : "s");
		return IKW_EXIT_OK;
	case 0:
		ikw_error("clear: %s: not active: cleared before, or its tunnel stayed up", text);
		return IKW_EXIT_FAILED;
	case -2:
		ikw_error("clear: %s: no such alarm", text);
		return IKW_EXIT_FAILED;
	default:
		ikw_error("%s", ikw_store_error(store));
		return IKW_EXIT_FAILED;
	}
}

static int clear_every(struct ikw_store *store, const char *who, const char *note)
{
	int count = ikw_store_clear_all(store, who, note);

	if (count < 0) {
		ikw_error("%s", ikw_store_error(store));
		return IKW_EXIT_FAILED;
	}
	if (count)
		printf("cleared %d alarm%s\n", count, count == 1 ? "" : "s");
	else
		puts("no active alarms");
	return IKW_EXIT_OK;
}

struct clear_options {
	struct ikw_common_options common;
	const char *note;
	bool all;
};

static int clear_parse(int argc, char **argv, struct clear_options *o)
{
	const struct ikw_command *command = ikw_cli_find("clear");
	unsigned long id;
	const char *value;
	int key;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == '?')
			return IKW_EXIT_USAGE;
		ikw_cli_common(&o->common, key, value);
		if (key == IKW_OPT_NOTE)
			o->note = value;
		o->all |= key == IKW_OPT_ALL;
	}
	if (o->all == (optind < argc))
		return ikw_usage_error("clear", "clear: needs ids, or --all");
	for (int i = optind; i < argc; i++)
		if (!ikw_cli_number(argv[i], 1, INT64_MAX, &id))
			return ikw_usage_error("clear", "clear: %s: not an alarm's id", argv[i]);
	return IKW_EXIT_OK;
}

/* Prints what the agent says to a clear; exit status. */
static int clear_answer(int fd)
{
	char text[1024];
	ssize_t n, len = 0;
	json_t *json;
	int status = IKW_EXIT_FAILED;

	while ((n = read(fd, text + len, sizeof(text) - (size_t)len)) > 0)
		len += n;
	close(fd);
	json = json_loadb(text, (size_t)len, 0, NULL);
	if (json_is_integer(json_object_get(json, "cleared"))) {
		printf("cleared %d alarms\n",
		       (int)json_integer_value(json_object_get(json, "cleared")));
		status = IKW_EXIT_OK;
	} else if (json_is_string(json_object_get(json, "error"))) {
		ikw_error("clear: %s", json_string_value(json_object_get(json, "error")));
	} else {
		ikw_error("clear: the agent gave no answer");
	}
	json_decref(json);
	return status;
}

/*
 * Who may not write to the store may still be one whom the agent lets clear.
 * -1: there is no agent to ask.
 */
static int clear_by_agent(const struct clear_options *o, int count, char **ids)
{
	struct ikw_control_request request = { .name = "clear", .all = o->all };
	char path[PATH_MAX], why[PATH_MAX + 128];
	int fd;

	if (count > IKW_CONTROL_IDS)
		return -1;
	while (request.id_count < (size_t)count) {
		request.ids[request.id_count] = strtoul(ids[request.id_count], NULL, 10);
		request.id_count++;
	}
	request.has_note = o->note && strlen(o->note) < sizeof(request.note);
	if (o->note && !request.has_note)
		return -1;
	snprintf(request.note, sizeof(request.note), "%s", o->note ? o->note : "");
	if (!ikw_control_path(NULL, o->common.state_dir, path, sizeof(path)))
		return -1;
	fd = ikw_control_send(path, &request, why, sizeof(why));
	return fd < 0 ? -1 : clear_answer(fd);
}

int ikw_clear_main(int argc, char **argv)
{
	struct clear_options o = { 0 };
	int status = clear_parse(argc, argv, &o);
	char why[512], who[160];
	struct ikw_store *store;

	if (status)
		return status;
	if (geteuid()) {
		status = clear_by_agent(&o, argc - optind, argv + optind);
		if (status >= 0)
			return status;
	}
	status = IKW_EXIT_OK;
	store = ikw_store_open_shared(o.common.state_dir ? o.common.state_dir : IKW_STATE_DIR, why,
				      sizeof(why));
	if (!store) {
		ikw_error("%s", why);
		return IKW_EXIT_FAILED;
	}
	caller_name(who, sizeof(who));
	if (o.all)
		status = clear_every(store, who, o.note);
	for (int i = optind; i < argc; i++) {
		int one = clear_one(store, argv[i], who, o.note);

		status = one > status ? one : status;
	}
	ikw_store_close(store);
	return status;
}
