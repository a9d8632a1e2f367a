/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A process per sink, started again when it ends, sooner or later. The supervisor
 * also watches the store for them: who writes pays for whoever is told of it, so
 * the agent has one to tell however many sinks there are, and of a commit's many
 * writes in a millisecond of the first only.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "cli.h"
#include "send.h"
#include "stamp.h"

#define RESTART_FIRST IKW_S
#define RESTART_MAX   (60 * IKW_S)
#define STEADY	      (60 * IKW_S) /* who ran so long is no longer held to have failed */
#define END_TIME      (15 * IKW_S)

struct child {
	struct ikw_sink *sink;
	int bell;  /* rung when the store has changed */
	pid_t pid; /* 0: does not run */
	uint64_t started;
	uint64_t start_at; /* boot time ns */
	uint64_t wait;
};

static struct child children[IKW_SINKS_MAX];
static size_t child_count;

static int child_main(struct ikw_sink *sink, int bell, pid_t parent)
{
	char why[256];

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		return IKW_EXIT_FAILED;
	prctl(PR_SET_NAME, sink->name);
	if (!ikw_confine_calls(false, why, sizeof(why))) {
		ikw_error("%s: %s", sink->name, why);
		return IKW_EXIT_FAILED;
	}
	return ikw_worker(sink, bell);
}

static void start(struct child *child)
{
	pid_t parent = getpid();

	child->started = ikw_boot_now();
	child->pid = fork();
	if (!child->pid)
		_exit(child_main(child->sink, child->bell, parent));
	if (child->pid > 0)
		return;
	ikw_error("%s: %s", child->sink->name, strerror(errno));
	child->pid = 0;
	child->start_at = child->started + RESTART_FIRST;
}

static void ended(struct child *child, int status)
{
	uint64_t now = ikw_boot_now();

	child->pid = 0;
	if (ikw_stopping())
		return;
	if (WIFSIGNALED(status))
		ikw_error("%s: ended by signal %d; started again", child->sink->name,
			  WTERMSIG(status));
	if (now - child->started > STEADY || !child->wait)
		child->wait = RESTART_FIRST;
	else if (child->wait < RESTART_MAX)
		child->wait *= 2;
	child->start_at = now + child->wait;
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < child_count; i++)
			if (children[i].pid == pid)
				ended(&children[i], status);
}

static size_t running(void)
{
	size_t count = 0;

	for (size_t i = 0; i < child_count; i++)
		count += children[i].pid > 0;
	return count;
}

static void tell(int number)
{
	for (size_t i = 0; i < child_count; i++)
		if (children[i].pid > 0)
			kill(children[i].pid, number);
}

static void wait_a_little(long ms)
{
	struct timespec time = { 0, ms * 1000000 };

	nanosleep(&time, NULL); /* SIGCHLD and the others end it */
}

/* ---- the store's bell --------------------------------------------------------- */

static int watch_fd = -1;
static bool armed;

static void arm(const char *dir)
{
	if (watch_fd < 0)
		watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	armed = armed || (watch_fd >= 0 &&
			  inotify_add_watch(watch_fd, dir,
					    IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONESHOT) >= 0);
}

static void ring(void)
{
	uint64_t one = 1;

	for (size_t i = 0; i < child_count; i++)
		if (children[i].bell >= 0 && write(children[i].bell, &one, sizeof(one)) < 0)
			continue; /* full: it is awake, or will be */
}

/* Until something changes there, a signal, or half a second has passed. */
static void watch(const char *dir)
{
	struct pollfd poll_fd = { .events = POLLIN };
	char events[4096];

	arm(dir); /* the directory may be made later */
	poll_fd.fd = watch_fd;
	if (poll(&poll_fd, 1, 500) <= 0)
		return;
	while (read(watch_fd, events, sizeof(events)) > 0)
		armed = false;
	ring();
	wait_a_little(1);
	arm(dir);
	ring(); /* for what came in between */
}

/* One that hangs in a library is killed: what it has not confirmed goes out next time. */
static void stop_all(void)
{
	uint64_t until = ikw_boot_now() + END_TIME;

	tell(SIGTERM);
	while (running() && ikw_boot_now() < until) {
		wait_a_little(20);
		reap();
	}
	tell(SIGKILL);
	while (running() && waitpid(-1, NULL, 0) > 0)
		;
}

static void on_child(int number)
{
	(void)number;
}

int ikw_supervise(struct ikw_sinks *sinks)
{
	struct sigaction action = { .sa_handler = on_child };

	ikw_stop_on_signals();
	sigaction(SIGCHLD, &action, NULL);
	child_count = sinks->count;
	for (size_t i = 0; i < child_count; i++)
		children[i] = (struct child){ .sink = &sinks->sinks[i],
					      .bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
	fprintf(stderr, "ikewatch: sending to %zu sink%s\n", sinks->count,
		sinks->count == 1 ? "" : "s");
	while (!ikw_stopping()) {
		for (size_t i = 0; i < child_count; i++)
			if (!children[i].pid && children[i].start_at <= ikw_boot_now())
				start(&children[i]);
		watch(sinks->sinks[0].state_dir);
		reap();
	}
	stop_all();
	return IKW_EXIT_OK;
}
