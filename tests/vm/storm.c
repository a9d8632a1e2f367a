// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Many SAs: adds tunnels (an outbound and an inbound ESP SA each), deletes them
 * one by one, at a rate, or flushes the SAD. Prints what it did, as JSON.
 *
 * usage: storm add FIRST TUNNELS [LIFE_S]     LIFE_S: the kernel's hard limit
 *        storm delete FIRST TUNNELS [SAS_PER_S]
 *        storm flush
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/xfrm.h>

#define LOCAL	   0x0a000001u /* 10.0.0.1 */
#define REMOTE	   0x0b000000u /* 11.0.0.0 and 24 bits by the tunnel's number */
#define SPI	   0x20000000u
#define BATCH	   64 /* messages in one send; the last asks for an answer */
#define BATCH_SIZE (BATCH * 512)

struct storm {
	struct mnl_socket *socket;
	char buffer[BATCH_SIZE];
	struct nlmsghdr *last;
	size_t used;
	unsigned int count, sequence;
	uint64_t sent;
	uint32_t life_s;
};

static void die(const char *what)
{
	fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* An error says which message it is about; the answer to the last ends the batch. */
static void await(struct storm *s)
{
	char answer[8192];
	ssize_t n;

	for (;;) {
		const struct nlmsghdr *nlh = (const void *)answer;
		int left;

		n = mnl_socket_recvfrom(s->socket, answer, sizeof(answer));
		if (n < 0)
			die("recv");
		for (left = (int)n; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type != NLMSG_ERROR)
				continue;
			errno = -err->error;
			if (err->error)
				die("the kernel's answer");
			if (err->msg.nlmsg_seq == s->sequence)
				return;
		}
	}
}

static void flush_batch(struct storm *s)
{
	if (!s->count)
		return;
	s->last->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(s->socket, s->buffer, s->used) < 0)
		die("send");
	await(s);
	s->sent += s->count;
	s->used = s->count = 0;
}

static struct nlmsghdr *message(struct storm *s, uint16_t type, uint16_t flags)
{
	if (s->count == BATCH)
		flush_batch(s);
	s->last = mnl_nlmsg_put_header(s->buffer + s->used);
	s->last->nlmsg_type = type;
	s->last->nlmsg_flags = NLM_F_REQUEST | flags;
	s->last->nlmsg_seq = ++s->sequence;
	return s->last;
}

static void message_done(struct storm *s)
{
	s->used += MNL_ALIGN(s->last->nlmsg_len);
	s->count++;
}

/*
 * Not the number itself: the kernel's hash of an SA is the sum of its addresses
 * xor the reqid. Counted up together they cancel out, all SAs are in a few
 * chains, and each addition walks one of them.
 */
static uint32_t remote_of(uint32_t tunnel)
{
	return REMOTE + (tunnel * 0x9e3779b1u & 0xffffff);
}

static void add(struct storm *s, uint32_t tunnel, bool in)
{
	struct nlmsghdr *nlh = message(s, XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL);
	struct xfrm_usersa_info *sa = mnl_nlmsg_put_extra_header(nlh, sizeof(*sa));
	struct {
		struct xfrm_algo algo;
		char key[16];
	} null = { .algo.alg_name = "ecb(cipher_null)" },
	  digest = { .algo.alg_name = "digest_null" };
	uint32_t remote = htonl(remote_of(tunnel)), local = htonl(LOCAL);

	sa->family = AF_INET;
	sa->saddr.a4 = in ? remote : local;
	sa->id.daddr.a4 = in ? local : remote;
	sa->id.spi = htonl(SPI + 2 * tunnel + in);
	sa->id.proto = IPPROTO_ESP;
	sa->mode = XFRM_MODE_TUNNEL;
	sa->reqid = tunnel + 1;
	sa->lft.soft_byte_limit = sa->lft.hard_byte_limit = XFRM_INF;
	sa->lft.soft_packet_limit = sa->lft.hard_packet_limit = XFRM_INF;
	sa->lft.hard_add_expires_seconds = s->life_s;
	mnl_attr_put(nlh, XFRMA_ALG_CRYPT, sizeof(null.algo), &null);
	mnl_attr_put(nlh, XFRMA_ALG_AUTH, sizeof(digest.algo), &digest);
	message_done(s);
}

static void delete (struct storm *s, uint32_t tunnel, bool in)
{
	struct nlmsghdr *nlh = message(s, XFRM_MSG_DELSA, 0);
	struct xfrm_usersa_id *id = mnl_nlmsg_put_extra_header(nlh, sizeof(*id));

	id->daddr.a4 = htonl(in ? LOCAL : remote_of(tunnel));
	id->spi = htonl(SPI + 2 * tunnel + in);
	id->family = AF_INET;
	id->proto = IPPROTO_ESP;
	message_done(s);
}

static void flush(struct storm *s)
{
	struct nlmsghdr *nlh = message(s, XFRM_MSG_FLUSHSA, 0);
	struct xfrm_usersa_flush *what = mnl_nlmsg_put_extra_header(nlh, sizeof(*what));

	what->proto = IPPROTO_ESP;
	message_done(s);
}

/* Waits until as many SAs as were sent may have been, at that rate. */
static void pace(const struct storm *s, double start, unsigned long rate)
{
	double ahead = rate ? start + (double)s->sent / (double)rate - now_s() : 0;

	if (ahead > 0)
		usleep((useconds_t)(ahead * 1e6));
}

static unsigned long number(int argc, char **argv, int at)
{
	return at < argc ? strtoul(argv[at], NULL, 10) : 0;
}

int main(int argc, char **argv)
{
	static struct storm s;
	uint32_t first = (uint32_t)number(argc, argv, 2), count = (uint32_t)number(argc, argv, 3);
	double start = now_s();

	if (argc < 2 || (argc < 4 && strcmp(argv[1], "flush"))) {
		fprintf(stderr, "usage: storm add|delete FIRST TUNNELS [N] | storm flush\n");
		return 2;
	}
	s.socket = mnl_socket_open(NETLINK_XFRM);
	if (!s.socket || mnl_socket_bind(s.socket, 0, MNL_SOCKET_AUTOPID) < 0)
		die("netlink");
	if (!strcmp(argv[1], "flush"))
		flush(&s);
	if (!strcmp(argv[1], "add"))
		s.life_s = (uint32_t)number(argc, argv, 4);
	for (uint32_t t = first; t < first + count; t++) {
		for (int in = 1; in >= 0; in--)
			(strcmp(argv[1], "add") ? delete : add)(&s, t, in);
		if (strcmp(argv[1], "add"))
			pace(&s, start, number(argc, argv, 4));
	}
	flush_batch(&s);
	printf("{\"sent\": %llu, \"seconds\": %.3f}\n", (unsigned long long)s.sent,
	       now_s() - start);
	return 0;
}
