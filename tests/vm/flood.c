// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Forged IKE messages from random sources, put onto an interface: what an
 * attacker on the path can send. Prints how many and how long it took, as JSON.
 *
 * usage: flood INTERFACE TO_MAC TO_ADDRESS COUNT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH	64
#define IKE_LEN 80
#define HEADERS (sizeof(struct ether_header) + sizeof(struct iphdr) + sizeof(struct udphdr))

struct frame {
	uint8_t bytes[HEADERS + IKE_LEN];
};

static struct frame frames[BATCH];
static uint64_t random_state = 0x9e3779b97f4a7c15ULL; /* the same flood each time */

static void die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* RFC 1071 */
static uint16_t checksum(const struct iphdr *ip)
{
	const uint8_t *p = (const void *)ip;
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof(*ip); i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return htons((uint16_t)~sum);
}

static void make(struct frame *frame, const struct ether_addr *mac, in_addr_t to)
{
	struct ether_header *eth = (void *)frame->bytes;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);

	memcpy(eth->ether_dhost, mac, ETH_ALEN);
	eth->ether_shost[0] = 2;
	eth->ether_type = htons(ETHERTYPE_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->tot_len = htons(sizeof(*ip) + sizeof(*udp) + IKE_LEN);
	ip->daddr = to;
	udp->source = udp->dest = htons(500);
	udp->len = htons(sizeof(*udp) + IKE_LEN);
}

/* Another source, other SPIs, another exchange: INIT, AUTH, CREATE_CHILD_SA, INFORMATIONAL. */
static void forge(struct frame *frame)
{
	struct iphdr *ip = (void *)(frame->bytes + sizeof(struct ether_header));
	uint8_t *ike = frame->bytes + HEADERS;
	uint64_t words[3] = { random_next(), random_next(), random_next() };

	/* 16.0.0.0/4: neither loopback nor multicast, and none of the lab's */
	ip->saddr = htonl(0x10000000u | (uint32_t)(words[2] & 0x0fffffff));
	ip->check = 0;
	ip->check = checksum(ip);
	memcpy(ike, words, 16);
	ike[16] = 46;
	ike[17] = 0x20;
	ike[18] = (uint8_t)(34 + (words[2] >> 40 & 3));
	ike[19] = words[2] >> 44 & 1 ? 0x20 : 0x08;
	ike[23] = (uint8_t)(words[2] >> 48);
	ike[27] = IKE_LEN;
	memcpy(ike + 28, &words[1], 8);
}

static int open_interface(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	at.sll_ifindex = (int)if_nametoindex(name);
	if (fd < 0 || !at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die(name);
	return fd;
}

static void send_batch(int fd, unsigned int count)
{
	struct mmsghdr batch[BATCH] = { 0 };
	struct iovec iov[BATCH];
	unsigned int done = 0;

	for (unsigned int i = 0; i < count; i++) {
		forge(&frames[i]);
		iov[i] = (struct iovec){ frames[i].bytes, sizeof(frames[i].bytes) };
		batch[i].msg_hdr.msg_iov = &iov[i];
		batch[i].msg_hdr.msg_iovlen = 1;
	}
	while (done < count) {
		int n = sendmmsg(fd, batch + done, count - done, 0);

		if (n < 0 && errno != ENOBUFS && errno != EAGAIN)
			die("send");
		if (n < 0)
			usleep(1000);
		else
			done += (unsigned int)n;
	}
}

int main(int argc, char **argv)
{
	const struct ether_addr *mac = argc == 5 ? ether_aton(argv[2]) : NULL;
	unsigned long count = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
	double start;
	int fd;

	if (!mac || !count) {
		fprintf(stderr, "usage: flood INTERFACE TO_MAC TO_ADDRESS COUNT\n");
		return 2;
	}
	for (int i = 0; i < BATCH; i++)
		make(&frames[i], mac, inet_addr(argv[3]));
	fd = open_interface(argv[1]);
	start = now_s();
	for (unsigned long left = count; left; left -= left < BATCH ? left : BATCH)
		send_batch(fd, left < BATCH ? (unsigned int)left : BATCH);
	printf("{\"sent\": %lu, \"seconds\": %.3f}\n", count, now_s() - start);
	return 0;
}
