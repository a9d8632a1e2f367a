/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `ikewatch tunnels`: what the running agent says of them; without an agent,
 * what the store knows. `--watch` looks again and again: on a terminal in place.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "alarms.h"
#include "cli.h"
#include "live.h"
#include "table_text.h"
#include "tunnels.h"

#define INTERVAL 2 /* s between two looks */

struct tunnels_options {
	struct ikw_common_options common;
	unsigned long interval;
	bool watch;
	char **wanted; /* numbers; none: all */
	int wanted_count;
};

/* ---- looking ------------------------------------------------------------- */

static bool is_wanted(const struct tunnels_options *o, uint64_t index)
{
	for (int i = 0; i < o->wanted_count; i++)
		if (strtoul(o->wanted[i], NULL, 10) == index)
			return true;
	return !o->wanted_count;
}

struct look_call {
	const struct tunnels_options *o;
	struct ikw_tunnel_list *list;
};

static void take(void *ctx, const char *line, const json_t *json)
{
	struct look_call *call = ctx;

	(void)line;
	if (is_wanted(call->o, ikw_live_integer(json, "index")))
		json_array_append(call->list->tunnels, (json_t *)json);
}

static int take_stored(void *ctx, const struct ikw_store_tunnel *tunnel)
{
	json_t *json = ikw_tunnels_stored_json(tunnel);

	if (json)
		take(ctx, NULL, json);
	json_decref(json);
	return 0;
}

static bool is_there(const struct ikw_tunnel_list *list, uint32_t index)
{
	const json_t *tunnel;
	size_t i;

	json_array_foreach (list->tunnels, i, tunnel)
		if (ikw_live_integer(tunnel, "index") == (json_int_t)index)
			return true;
	return false;
}

/* All, or those asked for that are not in the list yet. */
static int each_wanted(struct ikw_store *store, struct look_call *call)
{
	int err = 0;

	if (!call->o->wanted_count)
		return ikw_store_tunnels_seen(store, 0, take_stored, call);
	for (int i = 0; i < call->o->wanted_count && !err; i++) {
		uint32_t index = (uint32_t)strtoul(call->o->wanted[i], NULL, 10);

		if (!is_there(call->list, index))
			err = ikw_store_tunnels_seen(store, index, take_stored, call);
	}
	return err;
}

/* The store's view. 0, or -1 with why. */
static int look_at_store(struct look_call *call, char *why, size_t size)
{
	const char *dir = call->o->common.state_dir;
	struct ikw_store *store = ikw_store_open(dir ? dir : IKW_STATE_DIR, true, why, size);
	int err;

	if (!store)
		return -1;
	err = each_wanted(store, call);
	if (err)
		snprintf(why, size, "%s", ikw_store_error(store));
	ikw_store_close(store);
	return err;
}

/* Fills *list (zeroed). 0, or -1 with why. */
static int look(const struct tunnels_options *o, struct ikw_tunnel_list *list, char *why,
		size_t size)
{
	struct look_call call = { o, list };
	char stored[512];
	bool absent;
	FILE *answer;

	list->tunnels = json_array();
	list->live = true;
	clock_gettime(CLOCK_REALTIME, &list->at);
	answer = ikw_live_ask(&o->common, "tunnels", &absent, why, size);
	if (answer && ikw_live_lines(answer, take, &call, why, size))
		return -1;
	if (answer) { /* of those down it forgets the ones that went long ago */
		if (json_array_size(list->tunnels) < (size_t)o->wanted_count)
			look_at_store(&call, stored, sizeof(stored));
		return 0;
	}
	if (!absent || o->common.socket)
		return -1;
	list->live = false;
	if (!look_at_store(&call, stored, sizeof(stored)))
		return 0;
	snprintf(why + strlen(why), size - strlen(why), "; %s", stored);
	return -1;
}

/* ---- once ---------------------------------------------------------------- */

static void print_json(const struct ikw_tunnel_list *list)
{
	const json_t *tunnel;
	size_t i;

	json_array_foreach (list->tunnels, i, tunnel) {
		json_dumpf(tunnel, stdout, IKW_JSON_FLAGS);
		putchar('\n');
	}
}

static int once(const struct tunnels_options *o)
{
	struct ikw_tunnel_list list = { 0 };
	char why[1024];
	int status = IKW_EXIT_OK;

	if (look(o, &list, why, sizeof(why))) {
		ikw_error("%s", why);
		status = IKW_EXIT_FAILED;
	} else {
		if (!list.live)
			ikw_error("no agent runs: this is what the store knows");
		if (o->common.json)
			print_json(&list);
		else
			ikw_tunnels_table(stdout, &list, NULL, NULL);
		if (o->wanted_count && !json_array_size(list.tunnels)) {
			ikw_error("tunnels: %s: no such tunnel", o->wanted[0]);
			status = IKW_EXIT_FAILED;
		}
	}
	json_decref(list.tunnels);
	return fflush(stdout) || ferror(stdout) ? IKW_EXIT_FAILED : status;
}

/* ---- again and again ----------------------------------------------------- */

static volatile sig_atomic_t stopped;

static void stop(int signo)
{
	(void)signo;
	stopped = 1;
}

static void on_resize(int signo)
{
	(void)signo; /* ends the wait: the next frame has the new size */
}

/* A terminal whose keys come one by one and unseen; restored by end_screen(). */
struct screen {
	bool keys;
	struct termios before;
};

static void begin_screen(struct screen *screen)
{
	struct termios raw;

	screen->keys = isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &screen->before);
	if (screen->keys) {
		raw = screen->before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs("\033[?1049h\033[?25l", stdout); /* another page, no cursor */
}

static void end_screen(const struct screen *screen)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	if (screen->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
}

static void catch_signals(void)
{
	struct sigaction stopping = { .sa_handler = stop }, resize = { .sa_handler = on_resize };

	sigaction(SIGINT, &stopping, NULL);
	sigaction(SIGTERM, &stopping, NULL);
	sigaction(SIGHUP, &stopping, NULL);
	sigaction(SIGWINCH, &resize, NULL);
}

/* Until the next look, a key, or a signal. */
static void wait_a_while(const struct tunnels_options *o, bool keys)
{
	struct pollfd key = { .fd = keys ? STDIN_FILENO : -1, .events = POLLIN };
	char c;

	if (poll(&key, 1, (int)o->interval * 1000) == 1 &&
	    (read(STDIN_FILENO, &c, 1) != 1 || c == 'q' || c == 'Q'))
		stopped = 1;
}

static void terminal_size(struct ikw_table_size *size)
{
	struct winsize window = { 0 };

	size->columns = 80;
	size->rows = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window))
		return;
	if (window.ws_col)
		size->columns = window.ws_col;
	if (window.ws_row)
		size->rows = window.ws_row;
}

/* One frame in one write, each line cleared to its end: nothing flickers. */
static int draw(const struct ikw_tunnel_list *list, const struct ikw_tunnel_list *before,
		const char *why)
{
	struct ikw_table_size size;
	char *text = NULL, *line, *rest;
	size_t len;
	FILE *frame = open_memstream(&text, &len);

	if (!frame)
		return -1;
	terminal_size(&size);
	ikw_tunnels_frame(frame, list, before, why, &size);
	fclose(frame);
	fputs("\033[H", stdout);
	rest = text;
	for (unsigned int row = 0; row < size.rows && (line = strsep(&rest, "\n")) && rest; row++)
		printf("%s%s\033[K", row ? "\r\n" : "", line);
	fputs("\033[J", stdout);
	free(text);
	return fflush(stdout) || ferror(stdout) ? -1 : 0;
}

/* For a pipe: every look whole, under its time; JSON: the tunnels that changed. */
static int append(const struct tunnels_options *o, const struct ikw_tunnel_list *list,
		  const struct ikw_tunnel_list *before)
{
	if (o->common.json)
		ikw_tunnels_changes(stdout, list, before);
	else
		ikw_tunnels_frame(stdout, list, before, NULL, NULL);
	return fflush(stdout) || ferror(stdout) ? -1 : 0;
}

/* Looks and shows. 0, or -1 when there is no sense in going on. */
static int round_trip(const struct tunnels_options *o, struct ikw_tunnel_list *before, bool tty)
{
	struct ikw_tunnel_list list = { 0 };
	char why[1024] = "";
	int err = look(o, &list, why, sizeof(why));

	if (err && !tty) {
		ikw_error("%s", why);
		json_decref(list.tunnels);
		return -1;
	}
	err = tty ? draw(&list, before, err ? why : NULL) : append(o, &list, before);
	json_decref(before->tunnels);
	*before = list;
	return err;
}

static int watch(const struct tunnels_options *o)
{
	bool tty = isatty(STDOUT_FILENO) && !o->common.json;
	struct ikw_tunnel_list before = { 0 };
	struct screen screen = { 0 };
	int err;

	catch_signals();
	if (tty)
		begin_screen(&screen);
	do {
		err = round_trip(o, &before, tty);
		if (!err && !stopped)
			wait_a_while(o, screen.keys);
	} while (!err && !stopped);
	if (tty)
		end_screen(&screen);
	json_decref(before.tunnels);
	return err ? IKW_EXIT_FAILED : IKW_EXIT_OK;
}

/* ---- the command --------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	unsigned long x = strtoul(*(char *const *)a, NULL, 10);
	unsigned long y = strtoul(*(char *const *)b, NULL, 10);

	return (x > y) - (x < y);
}

static int parse(int argc, char **argv, struct tunnels_options *o)
{
	const struct ikw_command *command = ikw_cli_find("tunnels");
	unsigned long number;
	const char *value;
	int key;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == '?')
			return IKW_EXIT_USAGE;
		ikw_cli_common(&o->common, key, value);
		o->watch |= key == 'w';
		if (key == IKW_OPT_INTERVAL && !ikw_cli_number(value, 1, 86400, &o->interval))
			return ikw_usage_error("tunnels", "tunnels: --interval %s: not seconds",
					       value);
	}
	o->wanted = argv + optind;
	o->wanted_count = argc - optind;
	for (int i = optind; i < argc; i++)
		if (!ikw_cli_number(argv[i], 1, UINT32_MAX, &number))
			return ikw_usage_error("tunnels", "tunnels: %s: not a tunnel's number",
					       argv[i]);
	qsort(o->wanted, (size_t)o->wanted_count, sizeof(char *), by_number);
	return IKW_EXIT_OK;
}

int ikw_tunnels_main(int argc, char **argv)
{
	struct tunnels_options o = { .interval = INTERVAL };
	int err = parse(argc, argv, &o);

	if (err)
		return err;
	return o.watch ? watch(&o) : once(&o);
}
