/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Commands that speak to the network are another program's, ikewatch-send: it
 * loads the libraries for that, this one, which has privileges, does not.
 */
#include "sender.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli.h"

#define PROGRAM	  "ikewatch-send"
#define WORDS_MAX 64

/* Beside this one (a build folder), else where it is installed. */
static void find_program(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	path[n > 0 ? n : 0] = 0;
	slash = strrchr(path, '/');
	if (slash && (size_t)(slash - path) + sizeof(PROGRAM) + 1 < PATH_MAX) {
		memcpy(slash + 1, PROGRAM, sizeof(PROGRAM));
		if (!access(path, X_OK))
			return;
	}
	snprintf(path, PATH_MAX, "%s/" PROGRAM, IKW_LIBEXEC_DIR);
}

static int run_program(int argc, char **argv)
{
	char *words[WORDS_MAX + 2] = { (char *)"ikewatch" };
	char path[PATH_MAX];

	if (argc > WORDS_MAX)
		return ikw_usage_error(argv[0], "too many arguments");
	memcpy(words + 1, argv, (size_t)argc * sizeof(*argv));
	find_program(path);
	execv(path, words);
	ikw_error("%s: %s: %s", argv[0], path, strerror(errno));
	return IKW_EXIT_FAILED;
}

/* ---- checks ------------------------------------------------------------------ */

static void take_lines(FILE *from, json_t *list)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, from) > 0)
		json_array_append_new(list, json_loads(line, 0, NULL));
	free(line);
}

static pid_t start(const char *config, int fd)
{
	char *words[] = { (char *)"sinks", (char *)"check", (char *)"--config", (char *)config,
			  (char *)"--json" };
	pid_t pid = fork();

	if (pid)
		return pid;
	if (fd >= 0)
		dup2(fd, STDOUT_FILENO);
	_exit(run_program(fd >= 0 ? 5 : 4, words));
}

int ikw_sender_check(const char *config, json_t *list)
{
	int fds[2] = { -1, -1 }, status = -1;
	FILE *from;
	pid_t pid;

	fflush(stdout);
	if (list && pipe2(fds, O_CLOEXEC))
		return IKW_EXIT_FAILED;
	pid = start(config, fds[1]);
	if (list) {
		close(fds[1]);
		from = fdopen(fds[0], "r");
		if (from) {
			take_lines(from, list);
			fclose(from);
		}
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : IKW_EXIT_FAILED;
}

/* ---- commands ---------------------------------------------------------------- */

int ikw_send_main(int argc, char **argv)
{
	return run_program(argc, argv);
}

int ikw_sinks_main(int argc, char **argv)
{
	return run_program(argc, argv);
}

int ikw_fleet_main(int argc, char **argv)
{
	return run_program(argc, argv);
}
