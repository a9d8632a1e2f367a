/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `replay`, `alarms`, `clear`, `explain` and `tunnels` as they are called, on alarms in a
 * store of their own, against golden text (tests/golden). With GOLDEN=write in
 * the environment the golden files are written instead: look at the difference.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>
#include <sqlite3.h>
#include "user/cli.h"
#include "user/live.h"
#include "user/store.h"

static char dir[64];
static char *out; /* what the last command printed */
static char *err;

/* ---- a store with alarms in it ---------------------------------------- */

#define S   UINT64_C(1000000000)
#define NOW (UINT64_C(1767323100) * S) /* 2026-01-02T03:05:00Z */

#define MESSAGE(way, name, id, size)                                                               \
	.kind = IKW_EVIDENCE_MESSAGE, .dir = IKW_DIR_##way, .exchange = (name),                    \
	.message_id = (id), .length = (size)

static const struct {
	int64_t ms; /* from the deletion */
	struct ikw_evidence fact;
} facts[] = {
	{ -3600123,
	  { .fact = "last_heard",
	    .text = "last IKE message of the peer",
	    .kind = IKW_EVIDENCE_MESSAGE,
	    .dir = IKW_DIR_IN } },
	{ -8127,
	  { .fact = "request_sent",
	    .text = "we sent INFORMATIONAL request, message ID 6, 80 bytes",
	    MESSAGE(OUT, "INFORMATIONAL", 6, 80) } },
	{ -7127,
	  { .fact = "request_retransmitted",
	    .text = "we sent INFORMATIONAL request, message ID 6, 80 bytes (again)",
	    MESSAGE(OUT, "INFORMATIONAL", 6, 80),
	    .copy = 1 } },
	{ -5627,
	  { .fact = "request_retransmitted",
	    .text = "we sent INFORMATIONAL request, message ID 6, 80 bytes (again)",
	    MESSAGE(OUT, "INFORMATIONAL", 6, 80),
	    .copy = 2 } },
	{ -3377,
	  { .fact = "request_unanswered",
	    .text = "INFORMATIONAL message ID 6 was never answered",
	    .kind = IKW_EVIDENCE_NOTE } },
	{ -40,
	  { .fact = "request_received",
	    .text = "the peer sent IKE_SA_INIT request, message ID 0, 240 bytes",
	    MESSAGE(IN, "IKE_SA_INIT", 0, 240) } },
	{ -36,
	  { .fact = "response",
	    .text = "IKE_SA_INIT response, message ID 0, 248 bytes",
	    MESSAGE(OUT, "IKE_SA_INIT", 0, 248),
	    .response = true } },
	{ 0,
	  { .fact = "sa_deleted",
	    .text = "inbound SA 0xc1000001 deleted by a process: charon",
	    .kind = IKW_EVIDENCE_SA,
	    .dir = IKW_DIR_IN,
	    .spi = 0xc1000001 } },
	{ 2,
	  { .fact = "sa_deleted",
	    .text = "outbound SA 0xce000001 deleted",
	    .kind = IKW_EVIDENCE_SA,
	    .dir = IKW_DIR_OUT,
	    .spi = 0xce000001 } },
};
#define FACTS (sizeof(facts) / sizeof(facts[0]))

static void raise_alarm(struct ikw_store *store, uint32_t tunnel, enum ikw_reason reason, bool up,
			uint64_t wall)
{
	struct ikw_evidence evidence[FACTS];
	struct ikw_alarm alarm = {
		.time = 100 * S,
		.wall = wall,
		.closed = 101 * S,
		.ifindex = 2,
		.reqid = 1,
		.tunnel_index = tunnel,
		.rule_num = 9,
		.dst = { [10] = 0xff, 0xff, 198, 51, 100, 1 },
		.src = { [10] = 0xff, 0xff, 192, 0, 2, 1 },
		.inside_ip = "10.2.0.0",
		.remote_port = 500,
		.flow_info = "src=10.1.0.0/16 dst=10.2.0.0/16",
		.vsys = "blue",
		.ifname = "eth0",
		.reason = reason,
		.confidence = IKW_CONFIDENCE_LIKELY,
		.rule = "a_rule",
		.detail = "The tunnel was deleted: in this test that is a sentence which is so "
			  "long that it must be broken into two lines.",
		.tunnel_up = up,
		.ike_version = 2,
		.spi_i = 1,
		.spi_r = 2,
		.sa_count = 2,
		.sas = { { 0xc1000001, IKW_DIR_IN, 8400, 100, 60.5, 12.25 },
			 { 0xce000001, IKW_DIR_OUT, 0, 0, 60.5, -1 } },
		.has_by = true,
		.by = { .pid = 812,
			.loginuid = ~0U,
			.comm = "charon",
			.exe = "/usr/lib/ipsec/charon",
			.command = "/usr/lib/ipsec/charon",
			.parent_count = 1,
			.parents = { { 1, "systemd" } } },
		.has_ordered_by = reason == IKW_REASON_MANUAL,
		.ordered_by = { .pid = 2001,
				.loginuid = 1000,
				.comm = "swanctl",
				.tty = "pts/3",
				.exe = "/usr/sbin/swanctl",
				.command = "swanctl --terminate --ike b",
				.parent_count = 2,
				.parents = { { 9, "bash" }, { 8, "sshd" } } },
		.evidence_count = FACTS,
		.evidence = evidence,
		.blind_count = 1,
		.blind = { "the CPU the deletion ran on could not be seen" },
	};

	for (size_t i = 0; i < FACTS; i++) {
		evidence[i] = facts[i].fact;
		evidence[i].wall = wall + (uint64_t)(facts[i].ms * 1000000);
	}
	assert_int_equal(ikw_store_alarm(store, &alarm), 0);
}

static int make_store(void **state)
{
	struct ikw_store *store;
	char why[256];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/ikewatch-cmd-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	store = ikw_store_open(dir, false, why, sizeof(why));
	assert_non_null(store);
	for (uint32_t i = 1; i <= 4; i++) {
		char key[128];

		snprintf(key, sizeof(key),
			 "192.0.2.1 198.51.100.%u reqid=%u mark=0/0 if_id=0 proto=50 sel=0000000%u",
			 i, i, i);
		assert_int_equal(ikw_store_add_tunnel(store, key, i), 0);
	}
	raise_alarm(store, 1, IKW_REASON_DPD_TIMEOUT, false, NOW);
	raise_alarm(store, 2, IKW_REASON_PHASE2_REPLACE, true, NOW + S);
	raise_alarm(store, 3, IKW_REASON_MANUAL, false, NOW + 2 * S);
	raise_alarm(store, 1, IKW_REASON_DPD_TIMEOUT, false, NOW + 60 * S);
	assert_int_equal(ikw_store_tunnel_up(store, 3, NOW + 9 * S, false), 0);
	return ikw_store_close(store);
}

/* A folder and the files in it. */
static int remove_files(const char *name)
{
	char path[400];
	struct dirent *entry;
	DIR *d = opendir(name);

	while (d && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(path);
	}
	if (d)
		closedir(d);
	return rmdir(name);
}

static int remove_store(void **state)
{
	(void)state;
	free(out);
	free(err);
	out = err = NULL;
	return remove_files(dir);
}

/* ---- running a command ------------------------------------------------ */

static char *slurp(FILE *file)
{
	char *text = NULL;
	size_t size = 0;

	rewind(file);
	if (getdelim(&text, &size, 0, file) < 0)
		text[0] = 0;
	fclose(file);
	return text;
}

/* The command's main with stdout and stderr kept; argv ends with NULL. */
static int run(char **argv)
{
	FILE *files[2] = { tmpfile(), tmpfile() };
	int saved[2] = { dup(1), dup(2) };
	int argc = 0, status;

	while (argv[argc])
		argc++;
	fflush(stdout);
	assert_true(dup2(fileno(files[0]), 1) == 1 && dup2(fileno(files[1]), 2) == 2);
	optind = 0;
	status = ikw_cli_find(argv[0])->main(argc, argv);
	fflush(stdout);
	fflush(stderr);
	assert_true(dup2(saved[0], 1) == 1 && dup2(saved[1], 2) == 2);
	close(saved[0]);
	close(saved[1]);
	free(out);
	free(err);
	out = slurp(files[0]);
	err = slurp(files[1]);
	return status;
}

#define RUN(...) run((char *[]){ __VA_ARGS__, "--state-dir", dir, NULL })

#define SPDX "# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n"

/* The file has the licence line before what is compared. */
static void golden(const char *name)
{
	char path[128];
	char *expected;
	FILE *file;

	snprintf(path, sizeof(path), "tests/golden/%s", name);
	if (getenv("GOLDEN")) {
		file = fopen(path, "w");
		assert_non_null(file);
		fprintf(file, SPDX "%s", out);
		fclose(file);
		return;
	}
	file = fopen(path, "r");
	if (!file)
		fail_msg("%s: missing", path);
	expected = slurp(file);
	assert_memory_equal(expected, SPDX, strlen(SPDX));
	assert_string_equal(out, expected + strlen(SPDX));
	free(expected);
}

/* ---- tests ------------------------------------------------------------ */

#define LINE                                                                                       \
	"IPSEC/4/IPSECTUNNELSTOP: OID 1.3.6.1.4.1.2011.6.122.26.6.2 The IPSec tunnel is deleted. " \
	"("

/* What the model concludes is test_stories' affair; here: one line each, nothing else. */
static void test_replay(void **state)
{
	json_t *json;

	(void)state;
	assert_int_equal(run((char *[]){ "replay", "tests/stories/dpd-v2-cbc.events", NULL }), 0);
	assert_memory_equal(out, LINE, strlen(LINE));
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	assert_string_equal(out + strlen(out) - 10, "SlotID=0)\n");
	assert_string_equal(err, "");
	assert_int_equal(
		run((char *[]){ "replay", "--json", "tests/stories/dpd-v2-cbc.events", NULL }), 0);
	json = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	assert_int_equal(json_integer_value(json_object_get(json, "id")), 1);
	json_decref(json);
}

/* What a recording gives can be looked at like what an agent kept. */
static void test_replay_into_store(void **state)
{
	char sub[96];

	(void)state;
	snprintf(sub, sizeof(sub), "%s/replayed", dir);
	assert_int_equal(run((char *[]){ "replay", "tests/stories/rekey-v2.events", "--state-dir",
					 sub, NULL }),
			 0);
	assert_int_equal(run((char *[]){ "explain", "1", "--state-dir", sub, NULL }), 0);
	assert_non_null(strstr(out, "phase2 sa replace"));
	assert_int_equal(run((char *[]){ "tunnels", "--state-dir", sub, NULL }), 0);
	assert_non_null(strstr(out, "198.51.100.1"));
	assert_int_equal(run((char *[]){ "replay", "tests/stories/rekey-v2.events", "--state-dir",
					 sub, NULL }),
			 1);
	assert_non_null(
		strstr(err, ": has alarms or tunnels already; a replay needs an empty one"));
	assert_string_equal(out, "");
	remove_files(sub);
}

static void test_replay_errors(void **state)
{
	(void)state;
	assert_int_equal(run((char *[]){ "replay", NULL }), 2);
	assert_int_equal(run((char *[]){ "replay", "--tea", "x", NULL }), 2);
	assert_int_equal(run((char *[]){ "replay", "/nonexistent", NULL }), 1);
	assert_string_equal(err, "ikewatch: /nonexistent: No such file or directory\n");
	assert_int_equal(run((char *[]){ "replay", "VERSION", NULL }), 1);
	assert_string_equal(err, "ikewatch: VERSION:1: not a recording of ikewatch\n");
	assert_string_equal(out, "");
}

static void test_alarms(void **state)
{
	(void)state;
	assert_int_equal(RUN("alarms"), 0);
	golden("alarms-active.txt");
	assert_int_equal(RUN("alarms", "--all"), 0);
	golden("alarms-all.txt");
	assert_int_equal(RUN("alarms", "--by-peer"), 0);
	golden("alarms-by-peer.txt");
	assert_int_equal(RUN("alarms", "--by-peer", "--json"), 0);
	golden("alarms-by-peer-json.txt");
	assert_int_equal(RUN("alarms", "--all", "--active"), 2);
	assert_int_equal(RUN("alarms", "now"), 2);
	assert_int_equal(run((char *[]){ "alarms", "--state-dir", "/nonexistent", NULL }), 1);
	assert_string_equal(err, "ikewatch: /nonexistent/alarms.db: No such file or directory\n");
}

/* Each line is an object: the stored alarm and its state, every member there in every line. */
static void test_alarms_json(void **state)
{
	static const char *const states[] = {
		"{\"active\":false,\"count\":null,\"first_time\":null,\"last_time\":null,"
		"\"up_since\":null,\"counted_in\":4,\"cleared\":null}",
		"{\"active\":false,\"count\":null,\"first_time\":null,\"last_time\":null,"
		"\"up_since\":null,\"counted_in\":null,\"cleared\":null}",
		"{\"active\":true,\"count\":1,\"first_time\":\"2026-01-02T03:05:02.000000Z\","
		"\"last_time\":\"2026-01-02T03:05:02.000000Z\","
		"\"up_since\":\"2026-01-02T03:05:09.000000Z\",\"counted_in\":null,"
		"\"cleared\":null}",
		"{\"active\":true,\"count\":2,\"first_time\":\"2026-01-02T03:05:00.000000Z\","
		"\"last_time\":\"2026-01-02T03:06:00.000000Z\",\"up_since\":null,"
		"\"counted_in\":null,\"cleared\":null}",
	};
	char *save = NULL;
	size_t lines = 0;

	(void)state;
	assert_int_equal(RUN("alarms", "--all", "--json"), 0);
	for (char *line = strtok_r(out, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		json_t *expected = json_loads(states[lines], 0, NULL);
		const char *name;
		json_t *value;

		assert_non_null(json);
		assert_int_equal(json_integer_value(json_object_get(json, "id")), ++lines);
		json_object_foreach (expected, name, value) {
			assert_true(json_equal(json_object_get(json, name), value));
		}
		json_decref(expected);
		json_decref(json);
	}
	assert_int_equal(lines, 4);
}

static void test_alarms_limit(void **state)
{
	(void)state;
	assert_int_equal(RUN("alarms", "--all", "--limit", "2", "--json"), 0);
	assert_memory_equal(out, "{\"id\":3,", 8);
	assert_non_null(strstr(out, "\n{\"id\":4,"));
	assert_int_equal(RUN("alarms", "--limit", "1", "--json"), 0);
	assert_memory_equal(out, "{\"id\":4,", 8);
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	assert_int_equal(RUN("alarms", "--limit", "9", "--json"), 0);
	assert_memory_equal(out, "{\"id\":3,", 8);
	assert_int_equal(RUN("alarms", "--limit", "0"), 2);
	assert_int_equal(RUN("alarms", "--limit", "x"), 2);
	assert_int_equal(RUN("alarms", "--limit", "1", "--by-peer"), 2);
}

/* ---- tunnels, while no agent runs ------------------------------------- */

#define NO_AGENT "ikewatch: no agent runs: this is what the store knows\n"

static void test_tunnels(void **state)
{
	(void)state;
	assert_int_equal(RUN("tunnels"), 0);
	golden("tunnels-store.txt");
	assert_string_equal(err, NO_AGENT);
	assert_int_equal(RUN("tunnels", "--json"), 0);
	golden("tunnels-store-json.txt");
	assert_int_equal(RUN("tunnels", "3", "--json"), 0);
	assert_memory_equal(out, "{\"index\":3,\"up\":null,", 21);
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	assert_int_equal(RUN("tunnels", "77"), 1);
	assert_string_equal(err, NO_AGENT "ikewatch: tunnels: 77: no such tunnel\n");
	assert_int_equal(RUN("tunnels", "x"), 2);
	assert_int_equal(RUN("tunnels", "--interval", "0"), 2);
	/* who names a socket means the agent there */
	assert_int_equal(RUN("tunnels", "--socket", "/nonexistent"), 1);
	assert_string_equal(err,
			    "ikewatch: /nonexistent: no agent runs (No such file or directory)\n");
}

/* Reads what the terminal got until it holds text, or 20 s have passed. */
static bool terminal_until(int fd, char *got, size_t size, const char *text)
{
	size_t len = strlen(got);
	struct pollfd in = { .fd = fd, .events = POLLIN };

	while (!strstr(got, text) && len + 1 < size && poll(&in, 1, 20000) == 1) {
		ssize_t n = read(fd, got + len, size - len - 1);

		if (n <= 0)
			break;
		len += (size_t)n;
		got[len] = 0;
	}
	return strstr(got, text) != NULL;
}

/* Characters of a frame that a terminal shows, line by line; codes are passed over. */
static void assert_fits(char *frame, size_t columns, unsigned int rows)
{
	unsigned int lines = 1;
	size_t width = 0;

	for (char *c = frame; *c; c++) {
		if (*c == '\033') {
			c += strcspn(c, "HKJmhl");
		} else if (*c == '\n') {
			lines++;
			width = 0;
		} else if (*c != '\r') {
			assert_true(++width <= columns);
		}
	}
	assert_true(lines <= rows);
}

/* In place, within the terminal's size, until q; the terminal is given back as it was. */
static void test_tunnels_watch(void **state)
{
	static char got[65536];
	struct winsize size = { .ws_col = 50, .ws_row = 6 };
	char *second, *end;
	int fd, status;
	pid_t pid = forkpty(&fd, NULL, NULL, &size);

	(void)state;
	assert_true(pid >= 0);
	if (!pid) {
		char *argv[] = {
			"tunnels", "--watch", "--interval", "1", "--state-dir", dir, NULL
		};

		optind = 0;
		_exit(ikw_tunnels_main(6, argv));
	}
	got[0] = 0;
	assert_true(terminal_until(fd, got, sizeof(got), "\033[J"));
	assert_memory_equal(got, "\033[?1049h\033[?25l\033[H", 17);
	end = strstr(got, "\033[J");
	memmove(got, end + 3, strlen(end + 3) + 1);
	assert_true(terminal_until(fd, got, sizeof(got), "\033[J"));
	second = strstr(got, "\033[H");
	assert_non_null(second);
	*strstr(second, "\033[J") = 0;
	assert_fits(second, 50, 6);
	assert_non_null(strstr(second, "4 tunnels, 1 down; no "));
	assert_non_null(strstr(second, "and 2 more"));
	assert_int_equal(write(fd, "q", 1), 1);
	got[0] = 0;
	assert_true(terminal_until(fd, got, sizeof(got), "\033[?1049l"));
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Over a pipe: whole looks one under the other, no codes. */
static void test_tunnels_watch_pipe(void **state)
{
	static char got[65536];
	int pipes[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		char *argv[] = { "tunnels", "-w", "--interval", "1", "--state-dir", dir, NULL };

		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		optind = 0;
		_exit(ikw_tunnels_main(6, argv));
	}
	close(pipes[1]);
	got[0] = 0;
	assert_true(terminal_until(pipes[0], got, sizeof(got), "\n\n2"));
	assert_null(strchr(got, '\033'));
	assert_non_null(strstr(got, "\nTUNNEL  STATE"));
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(pipes[0]);
}

static void test_clear(void **state)
{
	(void)state;
	assert_int_equal(RUN("clear"), 2);
	assert_int_equal(RUN("clear", "1", "--all"), 2);
	assert_int_equal(RUN("clear", "x"), 2);
	/* wrong usage: nothing was done */
	assert_int_equal(RUN("clear", "4", "x"), 2);
	assert_string_equal(err,
			    "ikewatch: clear: x: not an alarm's id\ntry: ikewatch clear --help\n");
	assert_string_equal(out, "");
	assert_int_equal(RUN("clear", "99"), 1);
	assert_string_equal(err, "ikewatch: clear: 99: no such alarm\n");
	assert_int_equal(RUN("clear", "2"), 1);
	assert_string_equal(err, "ikewatch: clear: 2: not active: cleared before, or its tunnel "
				 "stayed up\n");
	assert_int_equal(RUN("clear", "4", "99", "--note", "line mended"), 1);
	assert_string_equal(out, "cleared 4: tunnel 1, 2 alarms\n");
	assert_string_equal(err, "ikewatch: clear: 99: no such alarm\n");
	assert_int_equal(RUN("alarms", "--all"), 0);
	assert_non_null(strstr(out, ": line mended\n"));
	assert_int_equal(RUN("clear", "--all"), 0);
	assert_string_equal(out, "cleared 1 alarm\n");
	assert_int_equal(RUN("alarms"), 0);
	assert_string_equal(out, "no active alarms\n");
	assert_int_equal(RUN("alarms", "--json"), 0);
	assert_string_equal(out, "");
	assert_int_equal(RUN("clear", "--all"), 0);
	assert_string_equal(out, "no active alarms\n");
}

/* The option that is wrong is the one that is named, also where several stand together. */
static void test_options(void **state)
{
	(void)state;
	assert_int_equal(RUN("alarms", "-qj"), 2);
	assert_string_equal(err, "ikewatch: -q: unknown option\ntry: ikewatch alarms --help\n");
	assert_int_equal(RUN("alarms", "--all", "-jq"), 2);
	assert_string_equal(err, "ikewatch: -q: unknown option\ntry: ikewatch alarms --help\n");
	assert_int_equal(RUN("alarms", "--json=1"), 2);
	assert_string_equal(err, "ikewatch: --json=1: unknown option\n"
				 "try: ikewatch alarms --help\n");
	assert_int_equal(RUN("alarms", "--nothing"), 2);
	assert_string_equal(err, "ikewatch: --nothing: unknown option\n"
				 "try: ikewatch alarms --help\n");
}

/* Golden up to the catalogue's part, which has tests of its own. */
static void explain_golden(char *id, const char *name)
{
	char *advice;

	assert_int_equal(RUN("explain", id), 0);
	advice = strstr(out, "\nImpact\n");
	assert_non_null(advice);
	assert_non_null(strstr(advice, "\nPossible cause\n"));
	assert_non_null(strstr(advice, "\nWhat to do\n  1. "));
	*advice = 0;
	golden(name);
}

static void test_explain(void **state)
{
	(void)state;
	explain_golden("1", "explain-dpd.txt");
	explain_golden("3", "explain-manual.txt");
	assert_int_equal(RUN("explain"), 2);
	assert_int_equal(RUN("explain", "1", "2"), 2);
	assert_int_equal(RUN("explain", "0"), 2);
	assert_int_equal(RUN("explain", "99"), 1);
	assert_string_equal(err, "ikewatch: explain: 99: no such alarm\n");
	assert_int_equal(RUN("explain", "1", "--html", "/dev/full"), 1);
	assert_string_equal(err, "ikewatch: /dev/full: No space left on device\n");
}

/* The commands are ready to paste: this tunnel's addresses, its namespace, no placeholder left. */
static void test_explain_json(void **state)
{
	json_t *json, *steps, *step;
	bool peer = false, netns = false;
	size_t i;

	(void)state;
	assert_int_equal(RUN("explain", "1", "--json"), 0);
	json = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_memory_equal(json_string_value(json_object_get(json, "line")), LINE, strlen(LINE));
	assert_true(json_is_string(json_object_get(json, "impact")));
	assert_true(json_is_string(json_object_get(json, "possible_cause")));
	assert_true(json_real_value(json_object_get(
			    json_array_get(json_object_get(json, "evidence"), 1), "offset_s")) ==
		    -8.127);
	steps = json_object_get(json, "procedure");
	json_array_foreach (steps, i, step) {
		const char *command = json_string_value(json_object_get(step, "command"));

		assert_true(json_is_string(json_object_get(step, "text")));
		peer |= command && strstr(command, "198.51.100.1");
		netns |= command && strstr(command, "ip netns exec blue ");
		assert_false(command && (strstr(command, "{peer}") || strstr(command, "{netns}")));
	}
	assert_true(peer && netns);
	json_decref(json);
}

/* For every reason: all parts are there, and each command is filled in with this tunnel's values.
 */
static void test_explain_every_reason(void **state)
{
	struct ikw_store *store;
	char why[256], id[24];
	size_t commands = 0;

	(void)state;
	store = ikw_store_open(dir, false, why, sizeof(why));
	assert_non_null(store);
	for (int r = 0; r < IKW_REASON_COUNT; r++)
		raise_alarm(store, 10 + (uint32_t)r, (enum ikw_reason)r, false, NOW);
	ikw_store_close(store);
	for (int r = 0; r < IKW_REASON_COUNT; r++) {
		json_t *json, *steps, *step;
		size_t i;

		snprintf(id, sizeof(id), "%d", 5 + r);
		assert_int_equal(RUN("explain", id, "--json"), 0);
		json = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
		assert_string_equal(json_string_value(json_object_get(json, "offline_reason")),
				    ikw_reason_text((enum ikw_reason)r));
		assert_true(json_string_length(json_object_get(json, "impact")) > 20);
		assert_true(json_string_length(json_object_get(json, "possible_cause")) > 20);
		steps = json_object_get(json, "procedure");
		assert_true(json_array_size(steps) >= 1);
		json_array_foreach (steps, i, step) {
			const char *text = json_string_value(json_object_get(step, "text"));
			const char *command = json_string_value(json_object_get(step, "command"));

			/* the alarm was charon's: nothing for others, nothing that is read already
			 */
			assert_null(strstr(text, "Libreswan: "));
			assert_null(strstr(text, "OpenIKED: "));
			if (!command)
				continue;
			commands++;
			assert_null(strpbrk(command, "{}"));
			assert_null(strstr(command, "ikewatch explain"));
			if (!strncmp(command, "ikewatch ", 9))
				assert_non_null(strstr(command, dir));
			if (strstr(command, "journalctl"))
				assert_non_null(
					strstr(command, "--since='2026-01-02 02:55:00 UTC'"));
		}
		json_decref(json);
		assert_int_equal(RUN("explain", id), 0);
		assert_non_null(strstr(out, "\nWhat to do\n  1. "));
	}
	assert_true(commands > 2 * IKW_REASON_COUNT);
}

static size_t occurrences(const char *text)
{
	size_t count = 0;

	for (const char *at = out; (at = strstr(at, text)); at++)
		count++;
	return count;
}

/* Every fact is a mark in the ladder and a row of the table; messages are arrows, each its way. */
static void test_page_is_complete(void **state)
{
	(void)state;
	assert_int_equal(RUN("explain", "4", "--html", "-"), 0);
	for (size_t i = 0; i < FACTS; i++)
		assert_true(occurrences(facts[i].fact.text) >= 3); /* title, label, row */
	assert_int_equal(occurrences("class=\"arrow out\""), 2);   /* request, response */
	assert_int_equal(occurrences("class=\"arrow out again\""), 2);
	assert_int_equal(occurrences("class=\"arrow in\""), 2); /* last heard, request */
	assert_int_equal(occurrences("<rect class=\"kernel\""), 2);
	assert_int_equal(occurrences("<path class=\"none\""), 1);
	assert_int_equal(occurrences("3592 s</text>"),
			 1); /* the long silence is cut, and says so */
	assert_int_equal(occurrences("<g class=\"mark\" tabindex=\"0\" data-spi="), 2);
	assert_null(strstr(out, "<script"));
	assert_null(strstr(out, "http"));
	assert_null(strstr(out, "@import"));
	assert_null(strstr(out, "nan"));
}

/* An alarm without any evidence still makes a page. */
static void test_page_without_evidence(void **state)
{
	struct ikw_alarm alarm = { .tunnel_index = 9, .wall = NOW, .reason = IKW_REASON_UNKNOWN };
	struct ikw_store *store;
	char why[256];

	(void)state;
	store = ikw_store_open(dir, false, why, sizeof(why));
	assert_int_equal(ikw_store_alarm(store, &alarm), 0);
	ikw_store_close(store);
	assert_int_equal(RUN("explain", "5", "--html", "-"), 0);
	assert_null(strstr(out, "nan"));
	assert_int_equal(RUN("explain", "5"), 0);
	assert_non_null(strstr(out, "\n  none\n"));
}

/* What comes from the wire or from a command line cannot become markup. */
static void test_page_escapes(void **state)
{
	struct ikw_store *store;
	char why[256];
	struct ikw_alarm alarm = {
		.tunnel_index = 9,
		.wall = 1,
		.reason = IKW_REASON_MANUAL,
		.detail = "<script>alert(1)</script>",
		.has_ordered_by = true,
		.ordered_by = { .comm = "<b>\"&'", .command = "</td><img src=x>" },
	};

	(void)state;
	store = ikw_store_open(dir, false, why, sizeof(why));
	assert_int_equal(ikw_store_alarm(store, &alarm), 0);
	ikw_store_close(store);
	assert_int_equal(RUN("explain", "5", "--html", "-"), 0);
	assert_null(strstr(out, "<script"));
	assert_null(strstr(out, "<img"));
	assert_null(strstr(out, "<b>"));
	assert_non_null(strstr(out, "&lt;script&gt;"));
}

/* Stored by an ikewatch that kept names and notes as they are. */
static void test_explain_plain(void **state)
{
	char path[128];
	sqlite3 *db;

	(void)state;
	assert_int_equal(RUN("clear", "3", "--note", "\033[2Jmended"), 0);
	snprintf(path, sizeof(path), "%s/alarms.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "UPDATE alarms SET json = replace(json, 'swanctl', "
				      "'\\u001b[2J\\u009b1m')",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(RUN("explain", "3"), 0);
	assert_non_null(strstr(out, "?[2J??1m"));
	assert_non_null(strstr(out, "?[2Jmended"));
	assert_null(strpbrk(out, "\033\302"));
	assert_int_equal(RUN("alarms", "--all"), 0);
	assert_non_null(strstr(out, "?[2Jmended"));
	assert_null(strpbrk(out, "\033"));
}

static void take_netns(void *ctx, const char *line, const json_t *json)
{
	(void)line;
	snprintf(ctx, 64, "%s", ikw_live_text(json, "netns"));
}

/* Who watches a container's namespace reads names that others gave. */
static void answer_is_plain(void **state)
{
	static char answer[] = "{\"netns\":\"a\\u001b[2Jb\\nc\"}\n";
	char why[64] = "", got[64] = "";

	(void)state;
	assert_int_equal(ikw_live_lines(fmemopen(answer, sizeof(answer) - 1, "r"), take_netns, got,
					why, sizeof(why)),
			 0);
	assert_string_equal(got, "a?[2Jb c");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_store, remove_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_options),
		TEST(answer_is_plain),
		TEST(test_replay),
		TEST(test_replay_into_store),
		TEST(test_replay_errors),
		TEST(test_alarms),
		TEST(test_alarms_json),
		TEST(test_alarms_limit),
		TEST(test_tunnels),
		TEST(test_tunnels_watch),
		TEST(test_tunnels_watch_pipe),
		TEST(test_clear),
		TEST(test_explain),
		TEST(test_explain_json),
		TEST(test_explain_every_reason),
		TEST(test_explain_plain),
		TEST(test_page_is_complete),
		TEST(test_page_without_evidence),
		TEST(test_page_escapes),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
