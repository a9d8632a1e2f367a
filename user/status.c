/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch status`: what the running agent says of itself. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "cli.h"
#include "live.h"
#include "sinks_status.h"

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
		bool on = strcmp(ikw_live_text(probe, "how"), "off");

		printf("  %-22s %s%-10s%s %s\n", ikw_live_text(probe, "name"), ikw_live_colour(on),
		       ikw_live_text(probe, "how"), ikw_live_plain(), ikw_live_text(probe, "why"));
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
		bool on = strcmp(ikw_live_text(hook, "in"), "none");

		printf("  %-16s in %s%-12s%s out %-5s %s\n", ikw_live_text(hook, "interface"),
		       ikw_live_colour(on), ikw_live_text(hook, "in"), ikw_live_plain(),
		       ikw_live_text(hook, "out"), ikw_live_text(hook, "why"));
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
	printf("store      %s: %" PRIu64 " alarms, %" PRIu64 " active, %s%s\n",
	       ikw_live_text(store, "dir"), ikw_live_integer(store, "alarms"),
	       ikw_live_integer(store, "active"),
	       ikw_live_size(ikw_live_integer(store, "bytes"), size, sizeof(size)),
	       ikw_live_yes(store, "failing") ? "; cannot be written" : "");
}

/* Those whose tunnels nobody manages since. */
static void print_lost_daemons(const json_t *status)
{
	const json_t *list = json_object_get(status, "daemons_lost"), *one;
	size_t i;

	json_array_foreach (list, i, one)
		printf("daemon     %slost: %s, pid %" PRIu64 ", at %s; %zu tunnels left%s\n",
		       ikw_live_colour(false), ikw_live_text(one, "comm"),
		       ikw_live_integer(one, "pid"), ikw_live_text(one, "time"),
		       json_array_size(json_object_get(one, "tunnels")), ikw_live_plain());
}

/* Where IKE may be spoken and is not looked for. */
static void print_unwatched(const json_t *status)
{
	const json_t *list = json_object_get(status, "unwatched_ports"), *one;
	size_t i;

	json_array_foreach (list, i, one)
		printf("unwatched  %sUDP port %" PRIu64 ", where %s (pid %" PRIu64
		       ") listens: see ike-ports in ikewatch.conf%s\n",
		       ikw_live_colour(false), ikw_live_integer(one, "port"),
		       ikw_live_text(one, "comm"), ikw_live_integer(one, "pid"), ikw_live_plain());
}

/* What the packet programs saw, and whose IKE messages came too thick. */
static void print_packets(const json_t *packets)
{
	const json_t *of = json_object_get(packets, "suppressed_of"), *one;
	const char *kind;
	json_t *value;
	size_t i;

	if (!json_is_object(packets))
		return;
	printf("\npackets\n");
	json_object_foreach ((json_t *)packets, kind, value)
		if (json_integer_value(value))
			printf("  %-44s %" JSON_INTEGER_FORMAT "\n", kind,
			       json_integer_value(value));
	json_array_foreach (of, i, one)
		printf("  suppressed of %-30s %" PRIu64 "%s\n", ikw_live_text(one, "address"),
		       ikw_live_integer(one, "count"),
		       ikw_live_yes(one, "known") ? ", a known peer" : "");
}

/* Only when there is something amiss: it is read slowly, or by nobody. */
static void print_stdout(const json_t *out)
{
	uint64_t waiting = ikw_live_integer(out, "waiting_bytes");
	uint64_t dropped = ikw_live_integer(out, "dropped");
	char size[32];

	if (waiting || dropped)
		printf("stdout     %s%" PRIu64 " alarms not printed, %s wait for its reader%s\n",
		       ikw_live_colour(false), dropped, ikw_live_size(waiting, size, sizeof(size)),
		       ikw_live_plain());
}

static void print_status(void *ctx, const char *line, const json_t *status)
{
	const json_t *model = json_object_get(status, "model");
	uint64_t lost = ikw_live_integer(status, "lost");
	char span[32], size[32];

	(void)ctx;
	(void)line;
	printf("ikewatch   %s, pid %" PRIu64 ", up %s\n", ikw_live_text(status, "version"),
	       ikw_live_integer(status, "pid"),
	       ikw_live_span(ikw_live_integer(status, "uptime_s"), span, sizeof(span)));
	printf("namespace  %s%s\n", ikw_live_text(status, "netns"),
	       ikw_live_yes(status, "attached") ? "" : " (its name is gone)");
	printf("tier       %s\n", ikw_live_text(status, "tier"));
	print_sees(status);
	printf("tunnels    %" PRIu64 ", %" PRIu64 " up; %" PRIu64 " SAs, %" PRIu64
	       " IKE_SAs, %" PRIu64 " open cases, %s\n",
	       ikw_live_integer(model, "tunnels"), ikw_live_integer(model, "tunnels_up"),
	       ikw_live_integer(model, "sas"), ikw_live_integer(model, "ike_sas"),
	       ikw_live_integer(model, "open_cases"),
	       ikw_live_size(ikw_live_integer(model, "bytes"), size, sizeof(size)));
	printf("lost       %s%" PRIu64 " records%s\n", ikw_live_colour(!lost), lost,
	       ikw_live_plain());
	print_lost_daemons(status);
	print_unwatched(status);
	print_stdout(json_object_get(status, "stdout"));
	print_store(status);
	print_probes(status);
	print_hooks(status);
	print_packets(json_object_get(status, "packets"));
	print_counts("events", json_object_get(status, "events"));
	print_counts("alarms by reason", json_object_get(model, "by_reason"));
}

/* ---- the command --------------------------------------------------------- */

struct status_options {
	struct ikw_common_options common;
	const char *cursor_dir;
};

/* The agent knows nothing of the sender, whose files are read here. */
static void show(void *ctx, const char *line, const json_t *status)
{
	const struct status_options *options = ctx;
	json_t *sinks = ikw_sinks_status(
		options->cursor_dir, ikw_live_integer(json_object_get(status, "store"), "last_id"));

	if (options->common.json) {
		json_object_set((json_t *)status, "sinks", sinks);
		json_dumpf(status, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print_status(NULL, line, status);
		ikw_sinks_print(sinks);
	}
	json_decref(sinks);
}

static int read_options(struct status_options *options, int argc, char **argv)
{
	const struct ikw_command *command = ikw_cli_find("status");
	const char *value;
	int key;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == '?')
			return IKW_EXIT_USAGE;
		if (key == IKW_OPT_CURSOR_DIR)
			options->cursor_dir = value;
		ikw_cli_common(&options->common, key, value);
	}
	if (optind < argc)
		return ikw_usage_error("status", "%s: status takes options only", argv[optind]);
	return 0;
}

int ikw_status_main(int argc, char **argv)
{
	struct status_options options = { 0 };
	int err = read_options(&options, argc, argv);
	char why[512];
	FILE *answer;

	if (err)
		return err;
	answer = ikw_live_ask(&options.common, "status", NULL, why, sizeof(why));
	if (answer && !ikw_live_lines(answer, show, &options, why, sizeof(why)))
		return IKW_EXIT_OK;
	ikw_error("%s", why);
	return IKW_EXIT_FAILED;
}
