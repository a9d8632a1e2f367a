/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which UDP ports a process listens on, beside those that are known. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
