// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Traffic from one network namespace to another for a while, on stdout: what
 * came in per second, and per second of processor time of sender and receiver.
 * Both run on one CPU, so that a packet's whole way is one piece of work there
 * (softirqs run in the sender) that neither a wake-up on another CPU nor what
 * else runs on this machine takes part in: the second number is what would come
 * in if nothing else ran. (Where the kernel accounts for softirqs apart,
 * CONFIG_IRQ_TIME_ACCOUNTING, only the first one counts.)
 *
 * usage: traffic FROM_NS TO_NS TO_ADDRESS bulk|small MS
 *	bulk: TCP as fast as it goes, bytes/s; small: UDP of 64 bytes, packets/s
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT	   40000
#define BULK	   131072 /* also the sockets' buffers: what the caches hold, and no more with time */
#define SMALL	   64
#define BATCH	   32
#define PATIENCE_S 5
#define WARM_S	   0.01 /* until the connection is at its speed */

static void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void enter(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

static void pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) > 1, &set);
	sched_setaffinity(0, sizeof(set), &set);
	/* before whatever else runs here; where that is not allowed it only takes longer */
	setpriority(PRIO_PROCESS, 0, -20);
}

/*
 * By how TCP sends: as fast as it is taken. What paces itself by the bandwidth
 * that it measured (bbr, where that is the default) tells its own estimate. Reno
 * is in every kernel.
 */
static const char congestion[] = "reno";

static int open_socket(bool bulk)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_INET, (bulk ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0), on = 1,
	    buffer = BULK;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bulk) {
		if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, strlen(congestion)))
			die(congestion);
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return fd;
}

static void send_small(int fd)
{
	static char bytes[SMALL];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct mmsghdr batch[BATCH] = { 0 };

	for (int i = 0; i < BATCH; i++) {
		batch[i].msg_hdr.msg_iov = &iov;
		batch[i].msg_hdr.msg_iovlen = 1;
	}
	if (sendmmsg(fd, batch, BATCH, 0) < 0 && errno != ECONNREFUSED)
		die("send");
}

/* In the child: sends until it is killed. */
static void send_all(const struct sockaddr_in *to, bool bulk)
{
	static char bytes[BULK];
	int fd = open_socket(bulk);

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		die("connect");
	for (;;) {
		if (!bulk)
			send_small(fd);
		else if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0)
			exit(0);
	}
}

/* Processor time of this process and of the sender. */
static double spent_s(pid_t child)
{
	struct timespec own, others = { 0 };
	clockid_t clock;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
	if (clock_getcpuclockid(child, &clock) || clock_gettime(clock, &others))
		die("the sender's clock");
	return (double)(own.tv_sec + others.tv_sec) + (double)(own.tv_nsec + others.tv_nsec) / 1e9;
}

static double receive(int fd, bool bulk)
{
	static char bytes[BULK];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	if (n <= 0)
		die("receive");
	return bulk ? (double)n : 1;
}

static void measure(int fd, bool bulk, double seconds, pid_t child)
{
	double start, now, spent, got = 0;

	receive(fd, bulk); /* what came before the first does not count */
	for (start = now_s(); now_s() - start < WARM_S;)
		receive(fd, bulk);
	spent = spent_s(child);
	start = now_s();
	do {
		got += receive(fd, bulk);
		now = now_s();
	} while (now - start < seconds);
	spent = spent_s(child) - spent;
	printf("%.0f %.0f\n", got / (now - start), got / spent);
}

static pid_t start_sender(const char *ns, const struct sockaddr_in *to, bool bulk)
{
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child)
		return child;
	enter(ns);
	send_all(to, bulk);
	exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	bool bulk = argc == 6 && !strcmp(argv[4], "bulk");
	double seconds = argc == 6 ? strtod(argv[5], NULL) / 1e3 : 0;
	pid_t child;
	int fd, in;

	if (argc != 6 || inet_pton(AF_INET, argv[3], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: traffic FROM_NS TO_NS TO_ADDRESS bulk|small MS\n");
		return 2;
	}
	enter(argv[2]);
	pin();
	fd = open_socket(bulk);
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) || (bulk && listen(fd, 1)))
		die("bind");
	child = start_sender(argv[1], &to, bulk);
	in = bulk ? accept(fd, NULL, NULL) : fd;
	if (in < 0)
		die("accept");
	measure(in, bulk, seconds, child);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
