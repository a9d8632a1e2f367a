/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which UDP ports a process listens on, beside those that are known. */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "user/procfs.h"

/* A UDP socket on a port that nobody has, below those that the kernel gives. */
static int listener(int family, uint16_t *port)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6 };
	struct sockaddr_in addr4 = { .sin_family = AF_INET };
	bool v6 = family == AF_INET6;

	if (fd < 0)
		return fd;
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	for (uint16_t from = *port ? *port : 14500; from < 15000; from++) {
		addr.sin6_port = addr4.sin_port = htons(from);
		*port = from;
		if (!bind(fd, v6 ? (struct sockaddr *)&addr : (struct sockaddr *)&addr4,
			  v6 ? sizeof(addr) : sizeof(addr4)))
			return fd;
	}
	close(fd);
	return -1;
}

static size_t others(const uint16_t *known, size_t count, uint16_t found[8])
{
	return ikw_procfs_other_ports((uint32_t)getpid(), known, count, found, 8);
}

static void test_other_ports(void **state)
{
	struct sockaddr_in peer = { .sin_family = AF_INET,
				    .sin_port = htons(9),
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	uint16_t found[8], port = 0, again;
	int fd = listener(AF_INET, &port), fd6, given;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(others(NULL, 0, found), 1);
	assert_int_equal(found[0], port);
	again = port;
	fd6 = listener(AF_INET6, &again); /* the same port, once */
	if (fd6 >= 0)
		assert_int_equal(others(NULL, 0, found), again == port ? 1 : 2);
	close(fd6);
	given = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* whatever the kernel gives */
	peer.sin_port = 0;
	assert_int_equal(bind(given, (struct sockaddr *)&peer, sizeof(peer)), 0);
	assert_int_equal(others(NULL, 0, found), 1);
	close(given);
	assert_int_equal(others(&port, 1, found), 0); /* a known one */
	assert_int_equal(ikw_procfs_other_ports(INT32_MAX, NULL, 0, found, 8), 0);
	peer.sin_port = htons(9);
	assert_int_equal(connect(fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
	assert_int_equal(others(NULL, 0, found), 0); /* with a peer: it listens to nobody else */
	close(fd);
}

/* A process with an XFRM socket, as that user if uid is not 0; its pid. */
static pid_t holder(uid_t uid, bool own_namespace)
{
	int ready[2], fd;
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		struct sockaddr_nl local = { .nl_family = AF_NETLINK };

		alarm(60); /* it outlives no test that fails */
		fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM);
		if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof(local)) ||
		    (uid && setuid(uid)) || (own_namespace && unshare(CLONE_NEWUSER)))
			byte = 1;
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	if (!byte)
		return pid;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -1;
}

static bool is_found(pid_t pid)
{
	uint32_t tgids[64];
	size_t count = ikw_procfs_xfrm_holders(tgids, 64);

	while (count && tgids[count - 1] != (uint32_t)pid)
		count--;
	return count;
}

static void gone(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Anybody can open an XFRM socket: that makes nobody an IKE daemon. */
static void test_holders(void **state)
{
	pid_t daemon, user, own;
	bool found[3];
	uint32_t port;

	(void)state;
	if (geteuid()) {
		print_message("skipped: needs root\n");
		skip();
	}
	daemon = holder(0, false);
	if (daemon < 0) {
		print_message("skipped: no XFRM sockets here\n");
		skip();
	}
	user = holder(65534, false);
	own = holder(65534, true); /* users may make none here */
	found[0] = is_found(daemon);
	found[1] = is_found(user);
	found[2] = own > 0 && is_found(own);
	port = ikw_procfs_xfrm_port((uint32_t)daemon);
	gone(daemon);
	gone(user);
	if (own > 0)
		gone(own);
	assert_true(found[0]);
	assert_false(found[1] || found[2]);
	assert_int_equal(port, daemon);
}

static void test_control_tools(void **state)
{
	static const struct {
		const char *args;
		size_t len;
		bool is;
	} rows[] = {
#define ARGS(text) text, sizeof(text)
		{ ARGS("swanctl\0--terminate"), true },
		{ ARGS("/usr/sbin/ip\0xfrm\0state\0flush"), true },
		{ ARGS("ip\0-n\0gw\0xf\0s\0d"), true },
		{ ARGS("ip\0x\0s\0f"), true },
		{ ARGS("ip\0link\0add\0type\0xfrm_"), false },
		{ ARGS("ip\0"), false },
		{ ARGS("/bin/sh\0/usr/sbin/ipsec\0down\0a"), true },
		{ ARGS("vi\0xfrm"), false },
		{ "ip\0xfrm", 6, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ikw_procfs_is_control_tool(rows[i].args, rows[i].len) != rows[i].is)
			fail_msg("row %zu: %s", i, rows[i].args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control_tools),
		cmocka_unit_test(test_other_ports),
		cmocka_unit_test(test_holders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
