/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format.h"

/* Options that several commands share; each fills one row. */
#define JSON	  'j', "json", NULL, "machine output: JSON, JSON Lines for streams"
#define SOCKET	  IKW_OPT_SOCKET, "socket", "PATH", "control socket (/run/ikewatch/ikewatch.sock)"
#define STATE_DIR IKW_OPT_STATE_DIR, "state-dir", "DIR", "where alarms are kept (/var/lib/ikewatch)"
#define PIN_DIR                                                                                    \
	IKW_OPT_PIN_DIR, "pin-dir", "DIR", "where BPF objects are pinned (/sys/fs/bpf/ikewatch)"
#define END 0, NULL, NULL, NULL

static const struct ikw_option run_options[] = {
	{ 'i', "iface", "IF",
	  "watch this interface; may be repeated (default: all that can carry IKE)" },
	{ 'n', "netns", "NAME", "network namespace watched: a name under /run/netns, or a path" },
	{ 'c', "config", "FILE",
	  "configuration file (/etc/ikewatch/ikewatch.conf, if there is one)" },
	{ IKW_OPT_HOOK, "hook", "auto|xdp|xdp-generic|tc|tcx",
	  "ingress hook (auto: by its cost there)" },
	{ STATE_DIR },
	{ IKW_OPT_NO_STORE, "no-store", NULL, "keep no alarms on disk" },
	{ PIN_DIR },
	{ IKW_OPT_TIER, "tier", "fentry|kprobe|netlink", "SAD probes to use (default: the best)" },
	{ IKW_OPT_SETTLE, "settle", "MS",
	  "how long an undecided deletion waits for evidence (2000)" },
	{ IKW_OPT_RECORD, "record", "FILE", "write every event to FILE too" },
	{ SOCKET },
	{ JSON },
	{ END },
};

static const struct ikw_option alarms_options[] = {
	{ IKW_OPT_ACTIVE, "active", NULL, "tunnels that are down and not cleared (default)" },
	{ IKW_OPT_ALL, "all", NULL, "history too" },
	{ IKW_OPT_BY_PEER, "by-peer", NULL, "active ones rolled up by peer and reason" },
	{ IKW_OPT_LIMIT, "limit", "N", "the newest N only" },
	{ STATE_DIR },
	{ JSON },
	{ END },
};

static const struct ikw_option clear_options[] = {
	{ IKW_OPT_ALL, "all", NULL, "every active alarm" },
	{ IKW_OPT_NOTE, "note", "TEXT", "kept with the clear" },
	{ STATE_DIR },
	{ END },
};

static const struct ikw_option explain_options[] = {
	{ IKW_OPT_HTML, "html", "FILE", "the incident as one self-contained page" },
	{ STATE_DIR },
	{ JSON },
	{ END },
};

#define CURSOR_DIR                                                                                 \
	IKW_OPT_CURSOR_DIR, "cursor-dir", "DIR", "where cursors are kept (/var/lib/ikewatch-send)"
static const struct ikw_option status_options[] = {
	{ SOCKET }, { STATE_DIR }, { CURSOR_DIR }, { JSON }, { END }
};
static const struct ikw_option tunnels_options[] = {
	{ 'w', "watch", NULL, "again and again: in place on a terminal, until q or interrupted" },
	{ IKW_OPT_INTERVAL, "interval", "S", "seconds between two looks with --watch (2)" },
	{ SOCKET },
	{ STATE_DIR },
	{ JSON },
	{ END },
};
static const struct ikw_option record_options[] = {
	{ IKW_OPT_DURATION, "duration", "S", "stop after S seconds (default: when interrupted)" },
	{ SOCKET },
	{ STATE_DIR },
	{ END },
};
static const struct ikw_option decode_options[] = {
	{ 'p', "port", "N", "a further IKE port; may be repeated" },
	{ JSON },
	{ 't', "text", NULL, "aligned text instead of JSON" },
	{ END },
};
static const struct ikw_option replay_options[] = {
	{ IKW_OPT_STATE_DIR, "state-dir", "DIR",
	  "keep the alarms in a new store there (default: none)" },
	{ JSON },
	{ END },
};
static const struct ikw_option check_options[] = {
	{ 'c', "config", "FILE", "check this configuration file instead of the kernel" },
	{ JSON },
	{ END },
};
static const struct ikw_option detach_options[] = { { PIN_DIR }, { END } };
#define SINKS 'c', "config", "FILE", "the sinks (/etc/ikewatch/sinks.conf)"
#define USER  IKW_OPT_USER, "user", "NAME", "who to become when started as root (ikewatch-send)"
static const struct ikw_option send_options[] = { { SINKS },  { STATE_DIR }, { CURSOR_DIR },
						  { SOCKET }, { USER },	     { END } };
static const struct ikw_option sinks_options[] = { { SINKS },  { STATE_DIR }, { CURSOR_DIR },
						   { SOCKET }, { USER },      { JSON },
						   { END } };
static const struct ikw_option fleet_options[] = {
	{ SINKS },
	{ IKW_OPT_SINCE, "since", "S",
	  "the last S seconds only (default: all that the stream has)" },
	{ 'f', "follow", NULL, "go on with what comes" },
	{ USER },
	{ JSON },
	{ END },
};
static const struct ikw_option json_options[] = { { JSON }, { END } };

/* Weak, so that a test links this table with just the command that it is about. */
#pragma weak ikw_run_main
#pragma weak ikw_alarms_main
#pragma weak ikw_clear_main
#pragma weak ikw_explain_main
#pragma weak ikw_tunnels_main
#pragma weak ikw_status_main
#pragma weak ikw_check_main
#pragma weak ikw_record_main
#pragma weak ikw_replay_main
#pragma weak ikw_decode_main
#pragma weak ikw_reasons_main
#pragma weak ikw_detach_main
#pragma weak ikw_send_main
#pragma weak ikw_sinks_main
#pragma weak ikw_fleet_main

static const struct ikw_command commands[] = {
	{ "run", ikw_run_main, "[OPTION]...", "the agent, in the foreground; alarms on stdout",
	  run_options },
	{ "alarms", ikw_alarms_main, "[--active|--all|--by-peer] [--limit N] [--json]",
	  "the alarm list", alarms_options },
	{ "clear", ikw_clear_main, "ID...|--all [--note TEXT]", "clear alarms by hand",
	  clear_options },
	{ "explain", ikw_explain_main, "ID [--json] [--html FILE]",
	  "why: verdict, evidence, blind spots, procedure", explain_options },
	{ "tunnels", ikw_tunnels_main, "[NUMBER]... [--watch] [--json]",
	  "tunnels now; without an agent, as the store knows them", tunnels_options },
	{ "status", ikw_status_main, "[--json]", "probes, hooks, events seen and lost, store",
	  status_options },
	{ "check", ikw_check_main, "[--config FILE] [--json]",
	  "what this kernel can do, or whether a configuration file is sound", check_options },
	{ "record", ikw_record_main, "FILE [--duration S]",
	  "write the running agent's events to a file", record_options },
	{ "replay", ikw_replay_main, "FILE [--state-dir DIR] [--json]", "infer from a recording",
	  replay_options },
	{ "decode", ikw_decode_main, "FILE [--json|--text]",
	  "what the packet programs see in a capture", decode_options },
	{ "detach", ikw_detach_main, "[--pin-dir DIR]",
	  "take away what a stopped agent left in the kernel", detach_options },
	{ "reasons", ikw_reasons_main, "[--json]", "the reason catalogue", json_options },
	{ "send", ikw_send_main, "[OPTION]...", "deliver the alarms to the sinks", send_options },
	{ "sinks", ikw_sinks_main, "[check|test NAME] [--json]",
	  "list the sinks, reach them all, or send one a test alarm", sinks_options },
	{ "fleet", ikw_fleet_main, "[NAME] [--since S] [--follow] [--json]",
	  "the alarms of many gateways, both ends joined", fleet_options },
};

#define COMMANDS    (sizeof(commands) / sizeof(commands[0]))
#define OPTIONS_MAX 24

const struct ikw_command *ikw_cli_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

void ikw_cli_help(void)
{
	printf("ikewatch " IKEWATCH_VERSION ": tells that an IPsec tunnel was deleted, and why\n\n"
	       "usage: ikewatch COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].help);
	printf("\n  ikewatch COMMAND --help   the options of a command\n"
	       "  ikewatch --version\n\n"
	       "exit status: 0 fine, 1 failed, 2 usage\n");
}

void ikw_cli_command_help(const struct ikw_command *command)
{
	printf("usage: ikewatch %s %s\n%s\n", command->name, command->usage, command->help);
	if (command->options)
		printf("\n");
	for (const struct ikw_option *o = command->options; o && o->key; o++) {
		char left[64];

		snprintf(left, sizeof(left), "%c%c%c --%s%s%s", o->key < 256 ? '-' : ' ',
			 o->key < 256 ? o->key : ' ', o->key < 256 ? ',' : ' ', o->name,
			 o->arg ? " " : "", o->arg ? o->arg : "");
		printf("  %-36s %s\n", left, o->help);
	}
	printf("  %-36s %s\n", "-h, --help", "this text");
}

static bool has_key(const struct ikw_command *command, int key)
{
	const struct ikw_option *o = command->options;

	while (o && o->key && o->key != key)
		o++;
	return o && o->key;
}

int ikw_cli_next(const struct ikw_command *command, int argc, char **argv, const char **value)
{
	struct option table[OPTIONS_MAX] = { 0 };
	char shorts[2 * OPTIONS_MAX + 2];
	size_t n = 0, s = 0;
	int key;

	shorts[s++] = ':';
	for (const struct ikw_option *o = command->options; o && o->key && n < OPTIONS_MAX - 1;
	     o++) {
		table[n++] = (struct option){ o->name, o->arg ? required_argument : no_argument,
					      NULL, o->key };
		if (o->key < 256) {
			shorts[s++] = (char)o->key;
			if (o->arg)
				shorts[s++] = ':';
		}
	}
	shorts[s] = 0;
	opterr = 0;
	key = getopt_long(argc, argv, shorts, table, NULL);
	*value = optarg;
	if (key == ':') {
		ikw_usage_error(command->name, "%s: needs a value", argv[optind - 1]);
		return '?';
	}
	/* of several in one word, those behind it are not read yet */
	if (key == '?' && optopt && !has_key(command, optopt))
		ikw_usage_error(command->name, "-%c: unknown option", optopt);
	else if (key == '?')
		ikw_usage_error(command->name, "%s: unknown option", argv[optind - 1]);
	return key;
}

void ikw_cli_common(struct ikw_common_options *options, int key, const char *value)
{
	if (key == IKW_OPT_STATE_DIR)
		options->state_dir = value;
	if (key == IKW_OPT_SOCKET)
		options->socket = value;
	options->json |= key == 'j';
}

bool ikw_cli_number(const char *text, unsigned long min, unsigned long max, unsigned long *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoul(text, &end, 10);
	return !errno && !*end && *out >= min && *out <= max;
}

/* One write, so that lines of two processes on one terminal stay whole. */
__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list args)
{
	char line[1024];
	int n = snprintf(line, sizeof(line), "ikewatch: ");

	vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
	ikw_plain(line);
	strcat(line, "\n");
	fputs(line, stderr);
}

void ikw_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

int ikw_usage_error(const char *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	fprintf(stderr, "try: ikewatch %s%s--help\n", command ? command : "", command ? " " : "");
	return IKW_EXIT_USAGE;
}
