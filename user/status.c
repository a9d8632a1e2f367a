/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch status` and `ikewatch tunnels`: what the running agent says. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "cli.h"
#include "control.h"

#define ANSWER_TIME 30 /* s without a byte from the agent */
#define COLUMNS	    8

static int read_options(struct ikw_common_options *options, int argc, char **argv)
{
	const struct ikw_command *command = ikw_cli_find(argv[0]);
	const char *value;
	int key;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == '?')
			return IKW_EXIT_USAGE;
		ikw_cli_common(options, key, value);
	}
	if (optind < argc)
		return ikw_usage_error(argv[0], "%s: %s takes options only", argv[optind], argv[0]);
	return 0;
}

/* A stream of the agent's answer, or NULL after having said why not. */
static FILE *ask(const struct ikw_common_options *options, const char *request)
{
	struct timeval limit = { .tv_sec = ANSWER_TIME };
	char path[PATH_MAX], why[PATH_MAX + 128];
	int fd;

	if (!ikw_control_path(options->socket, options->state_dir, path, sizeof(path))) {
		ikw_error("%s: the control socket's path is too long", request);
		return NULL;
	}
	fd = ikw_control_connect(path, request, why, sizeof(why));
	if (fd < 0) {
		ikw_error("%s", why);
		return NULL;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fdopen(fd, "r");
}

/*
 * Gives fn each line of the answer. An answer that does not end in a whole line
 * was cut off.
 */
static int each_line(FILE *from, void (*fn)(void *ctx, const char *line, const json_t *json),
		     void *ctx)
{
	const char *error;
	char *line = NULL;
	size_t room = 0;
	json_t *json;
	ssize_t len;
	int err = 0;

	while (!err && (len = getline(&line, &room, from)) > 0) {
		json = line[len - 1] == '\n' ? json_loads(line, 0, NULL) : NULL;
		error = json_string_value(json_object_get(json, "error"));
		if (!json || error) {
			ikw_error("agent: %s", error ? error : "the answer was cut off");
			err = -1;
		} else {
			fn(ctx, line, json);
		}
		json_decref(json);
	}
	if (!err && ferror(from)) {
		ikw_error("agent: no answer for %d s", ANSWER_TIME);
		err = -1;
	}
	free(line);
	return err;
}

/* ---- text ---------------------------------------------------------------- */

static const char *text(const json_t *json, const char *key)
{
	const char *value = json_string_value(json_object_get(json, key));

	return value ? value : "-";
}

static uint64_t integer(const json_t *json, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(json, key));
}

static bool yes(const json_t *json, const char *key)
{
	return json_is_true(json_object_get(json, key));
}

/* The words between which a terminal shows a state in colour; elsewhere none. */
static const char *colour(const char *code)
{
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") ? code : "";
}

static const char *good(bool is)
{
	return colour(is ? "\033[32m" : "\033[31m");
}

static const char *plain(void)
{
	return colour("\033[0m");
}

/* "1.2 MB": bytes for people, into buf. */
static const char *size_text(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1000 && unit < 4) {
		value /= 1000;
		unit++;
	}
	snprintf(buf, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buf;
}

/* "3 d 4 h", "5 min": seconds for people, into buf. */
static const char *span_text(uint64_t s, char *buf, size_t size)
{
	if (s >= 86400)
		snprintf(buf, size, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(buf, size, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(buf, size, "%" PRIu64 " min", s / 60);
	else
		snprintf(buf, size, "%" PRIu64 " s", s);
	return buf;
}

/* ---- tables -------------------------------------------------------------- */

/* Rows are kept until all are known, so that columns fit what is in them. */
struct table {
	const char *const *heads; /* COLUMNS of them; NULL: no such column */
	char *(*rows)[COLUMNS];
	size_t count;
	size_t room;
};

static void table_add(struct table *table, char *const cells[COLUMNS])
{
	if (table->count == table->room) {
		size_t room = table->room ? 2 * table->room : 64;
		void *rows = realloc(table->rows, room * sizeof(*table->rows));

		if (!rows)
			return;
		table->rows = rows;
		table->room = room;
	}
	for (int i = 0; i < COLUMNS; i++)
		table->rows[table->count][i] = table->heads[i] ? strdup(cells[i]) : NULL;
	table->count++;
}

static void table_row(char *const cells[COLUMNS], const size_t widths[COLUMNS], int last)
{
	for (int i = 0; i <= last; i++)
		printf("%s%-*s", i ? "  " : "", i == last ? 0 : (int)widths[i],
		       cells[i] ? cells[i] : "");
	printf("\n");
}

static void table_print(struct table *table)
{
	size_t widths[COLUMNS] = { 0 };
	int last = 0;

	for (int c = 0; c < COLUMNS && table->heads[c]; c++) {
		last = c;
		widths[c] = strlen(table->heads[c]);
		for (size_t r = 0; r < table->count; r++) {
			size_t len = table->rows[r][c] ? strlen(table->rows[r][c]) : 0;

			if (len > widths[c])
				widths[c] = len;
		}
	}
	table_row((char *const *)table->heads, widths, last);
	for (size_t r = 0; r < table->count; r++) {
		table_row(table->rows[r], widths, last);
		for (int c = 0; c < COLUMNS; c++)
			free(table->rows[r][c]);
	}
	free(table->rows);
}

/* ---- status -------------------------------------------------------------- */

static void print_sees(const json_t *status)
{
	const json_t *sees = json_object_get(status, "sees");
	const json_t *name;
	size_t i;

	printf("sees       ");
	json_array_foreach (sees, i, name) {
		printf("%s%s", i ? " " : "", json_string_value(name));
	}
	printf("\n");
}

static void print_probes(const json_t *status)
{
	const json_t *probe;
	size_t i;

	printf("\nprobes\n");
	json_array_foreach (json_object_get(status, "probes"), i, probe) {
		bool on = strcmp(text(probe, "how"), "off");

		printf("  %-22s %s%-10s%s %s\n", text(probe, "name"), good(on), text(probe, "how"),
		       plain(), text(probe, "why"));
	}
}

static void print_hooks(const json_t *status)
{
	const json_t *hooks = json_object_get(status, "hooks"), *hook;
	size_t i;

	printf("\nhooks\n");
	if (!json_array_size(hooks))
		printf("  none\n");
	json_array_foreach (hooks, i, hook) {
		bool on = strcmp(text(hook, "in"), "none");

		printf("  %-16s in %s%-12s%s out %-5s %s\n", text(hook, "interface"), good(on),
		       text(hook, "in"), plain(), text(hook, "out"), text(hook, "why"));
	}
}

static void print_counts(const char *title, const json_t *counts)
{
	const char *name;
	json_t *count;

	printf("\n%s\n", title);
	json_object_foreach ((json_t *)counts, name, count) {
		printf("  %-40s %10" PRIu64 "\n", name, (uint64_t)json_integer_value(count));
	}
}

static void print_store(const json_t *status)
{
	const json_t *store = json_object_get(status, "store");
	char size[32];

	if (!json_is_object(store)) {
		printf("store      none\n");
		return;
	}
	printf("store      %s: %" PRIu64 " alarms, %" PRIu64 " active, %s%s\n", text(store, "dir"),
	       integer(store, "alarms"), integer(store, "active"),
	       size_text(integer(store, "bytes"), size, sizeof(size)),
	       yes(store, "failing") ? "; cannot be written" : "");
}

static void print_status(void *ctx, const char *line, const json_t *status)
{
	const json_t *model = json_object_get(status, "model");
	uint64_t lost = integer(status, "lost");
	char span[32], size[32];

	(void)ctx;
	(void)line;
	printf("ikewatch   %s, pid %" PRIu64 ", up %s\n", text(status, "version"),
	       integer(status, "pid"), span_text(integer(status, "uptime_s"), span, sizeof(span)));
	printf("namespace  %s%s\n", text(status, "netns"),
	       yes(status, "attached") ? "" : " (its name is gone)");
	printf("tier       %s\n", text(status, "tier"));
	print_sees(status);
	printf("tunnels    %" PRIu64 ", %" PRIu64 " up; %" PRIu64 " SAs, %" PRIu64
	       " IKE_SAs, %" PRIu64 " open cases, %s\n",
	       integer(model, "tunnels"), integer(model, "tunnels_up"), integer(model, "sas"),
	       integer(model, "ike_sas"), integer(model, "open_cases"),
	       size_text(integer(model, "bytes"), size, sizeof(size)));
	printf("lost       %s%" PRIu64 " records%s\n", good(!lost), lost, plain());
	print_store(status);
	print_probes(status);
	print_hooks(status);
	print_counts("events", json_object_get(status, "events"));
	print_counts("alarms by reason", json_object_get(model, "by_reason"));
}

/* ---- tunnels ------------------------------------------------------------- */

static const char *const tunnel_heads[COLUMNS] = { "TUNNEL", "STATE", "LOCAL", "PEER",
						   "FLOW",   "IN",    "OUT",   "LAST DELETION" };

static void traffic(const json_t *tunnel, const char *direction, char *buf, size_t size)
{
	const json_t *sa;
	uint64_t bytes = 0;
	size_t i;

	json_array_foreach (json_object_get(tunnel, "sas"), i, sa) {
		if (!strcmp(text(sa, "direction"), direction))
			bytes += integer(sa, "bytes");
	}
	size_text(bytes, buf, size);
}

static void add_tunnel(void *ctx, const char *line, const json_t *tunnel)
{
	char index[24], in[32], out[32], last[256] = "never";

	(void)line;
	snprintf(index, sizeof(index), "%" PRIu64, integer(tunnel, "index"));
	traffic(tunnel, "in", in, sizeof(in));
	traffic(tunnel, "out", out, sizeof(out));
	if (json_is_string(json_object_get(tunnel, "last_deletion")))
		snprintf(last, sizeof(last), "%.19s %s", text(tunnel, "last_deletion"),
			 text(tunnel, "last_reason"));
	table_add(ctx, (char *const[COLUMNS]){ index, yes(tunnel, "up") ? "up" : "down",
					       (char *)text(tunnel, "src_ip"),
					       (char *)text(tunnel, "dst_ip"),
					       (char *)text(tunnel, "flow_info"), in, out, last });
}

/* ---- commands ------------------------------------------------------------ */

static void print_line(void *ctx, const char *line, const json_t *json)
{
	(void)ctx;
	(void)json;
	fputs(line, stdout);
}

int ikw_status_main(int argc, char **argv)
{
	struct ikw_common_options options = { 0 };
	int err = read_options(&options, argc, argv);
	FILE *answer;

	if (err)
		return err;
	answer = ask(&options, "status");
	if (!answer)
		return IKW_EXIT_FAILED;
	err = each_line(answer, options.json ? print_line : print_status, NULL);
	fclose(answer);
	return err ? IKW_EXIT_FAILED : IKW_EXIT_OK;
}

int ikw_tunnels_main(int argc, char **argv)
{
	struct table table = { .heads = tunnel_heads };
	struct ikw_common_options options = { 0 };
	int err = read_options(&options, argc, argv);
	FILE *answer;

	if (err)
		return err;
	answer = ask(&options, "tunnels");
	if (!answer)
		return IKW_EXIT_FAILED;
	err = each_line(answer, options.json ? print_line : add_tunnel, &table);
	fclose(answer);
	if (!options.json)
		table_print(&table);
	return err ? IKW_EXIT_FAILED : IKW_EXIT_OK;
}
