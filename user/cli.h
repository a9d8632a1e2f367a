/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command line: one table of commands and their options, from which
 * dispatch, parsing and help are all made. Add a command: one row here.
 */
#ifndef IKEWATCH_CLI_H
#define IKEWATCH_CLI_H

#include <stdbool.h>
#include <stddef.h>

#define IKW_SINKS_CONFIG "/etc/ikewatch/sinks.conf"

enum ikw_exit { IKW_EXIT_OK = 0, IKW_EXIT_FAILED = 1, IKW_EXIT_USAGE = 2 };

/* One long option; key is its short form when it prints, else any int above 255. */
struct ikw_option {
	int key;	  /* 0 ends a table */
	const char *name; /* without the dashes */
	const char *arg;  /* what its value is called in help; NULL: takes none */
	const char *help;
};

struct ikw_command {
	const char *name;
	int (*main)(int argc, char **argv); /* argv[0] is the command's name */
	const char *usage;		    /* what may follow the name */
	const char *help;		    /* one line */
	const struct ikw_option *options;   /* NULL: none but --help */
};

/* Keys of options without a short form, in one place so that none collide. */
enum ikw_option_key {
	IKW_OPT_HOOK = 256,
	IKW_OPT_STATE_DIR,
	IKW_OPT_PIN_DIR,
	IKW_OPT_TIER,
	IKW_OPT_NO_STORE,
	IKW_OPT_SETTLE,
	IKW_OPT_RECORD,
	IKW_OPT_SOCKET,
	IKW_OPT_ACTIVE,
	IKW_OPT_ALL,
	IKW_OPT_NOTE,
	IKW_OPT_HTML,
	IKW_OPT_BY_PEER,
	IKW_OPT_DURATION,
	IKW_OPT_LIMIT,
	IKW_OPT_INTERVAL,
	IKW_OPT_CURSOR_DIR,
	IKW_OPT_USER,
	IKW_OPT_SINCE,
};

/* The command of that name, or NULL. */
const struct ikw_command *ikw_cli_find(const char *name);

/* `ikewatch --help`: every command with its line; to stdout. */
void ikw_cli_help(void);

/* `ikewatch COMMAND --help`; to stdout. */
void ikw_cli_command_help(const struct ikw_command *command);

/*
 * Next option of argv by the command's own table (getopt_long underneath, so
 * optind is the first operand after the last). Returns its key with *value
 * set, -1 when there are no more, '?' after having said on stderr what is wrong.
 */
int ikw_cli_next(const struct ikw_command *command, int argc, char **argv, const char **value);

/* What the commands that read the store or ask the agent have in common. */
struct ikw_common_options {
	const char *state_dir; /* NULL: the usual one */
	const char *socket;    /* NULL: the usual one */
	bool json;
};

/* Takes an option that ikw_cli_next() returned, if it is one of these. */
void ikw_cli_common(struct ikw_common_options *options, int key, const char *value);

/* An unsigned decimal number within [min, max] into *out; false if text is not one. */
bool ikw_cli_number(const char *text, unsigned long min, unsigned long max, unsigned long *out);

/* "ikewatch: what: why" on stderr, one line, with the line end added. */
void ikw_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As ikw_error, and where to read more; returns IKW_EXIT_USAGE. */
int ikw_usage_error(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

int ikw_run_main(int argc, char **argv);
int ikw_alarms_main(int argc, char **argv);
int ikw_clear_main(int argc, char **argv);
int ikw_explain_main(int argc, char **argv);
int ikw_tunnels_main(int argc, char **argv);
int ikw_status_main(int argc, char **argv);
int ikw_check_main(int argc, char **argv);
int ikw_record_main(int argc, char **argv);
int ikw_replay_main(int argc, char **argv);
int ikw_decode_main(int argc, char **argv);
int ikw_reasons_main(int argc, char **argv);
int ikw_detach_main(int argc, char **argv);
int ikw_send_main(int argc, char **argv);
int ikw_sinks_main(int argc, char **argv);
int ikw_fleet_main(int argc, char **argv);

#endif
