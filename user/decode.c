// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `ikewatch decode`: a capture through the parser of the packet programs. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/ike.h"
#include "capture.h"
#include "cli.h"
#include "ike.h"

struct decode {
	struct ikw_parse_cfg cfg;
	bool json;
	unsigned long packets;
	unsigned long unknown_link;
	unsigned long cut;
	unsigned long malformed;
	unsigned long fragments;
};

/* ---- link types ----------------------------------------------------------------- */

enum { SLL_LEN = 16, SLL2_LEN = 20, FAMILY_LEN = 4, ETHERNET_LEN = 14 };

/*
 * BSD null and loopback begin with an address family, in the byte order of a
 * host that is not known; which IP it is the packet says itself.
 */
static bool is_ip_family(const uint8_t *p)
{
	uint32_t family = ikw_be32(p);

	if (family > 0xffff)
		family = __builtin_bswap32(family);
	/* IPv4; IPv6 of NetBSD and OpenBSD, FreeBSD, macOS, Linux */
	return family == 2 || family == 24 || family == 28 || family == 30 || family == 10;
}

/*
 * Where to begin, and with what. Cooked headers end with, or are made to end
 * with, an ethertype, and so are read as an Ethernet header whose last bytes
 * they are. NULL: nothing in it for us; *known false: not a link type we know.
 */
static const uint8_t *packet_start(struct ikw_captured *p, enum ikw_start *from, bool *known)
{
	*known = true;
	*from = IKW_START_IP;
	switch (p->linktype) {
	case IKW_LINKTYPE_ETHERNET:
		*from = IKW_START_ETHERNET;
		return p->bytes;
	case IKW_LINKTYPE_LINUX_SLL:
		*from = IKW_START_ETHERNET;
		return p->bytes + (p->len < SLL_LEN ? p->len : SLL_LEN - ETHERNET_LEN);
	case IKW_LINKTYPE_LINUX_SLL2:
		*from = IKW_START_ETHERNET;
		if (p->len < SLL2_LEN)
			return p->bytes + p->len;
		memcpy(p->bytes + SLL2_LEN - 2, p->bytes, 2);
		return p->bytes + SLL2_LEN - ETHERNET_LEN;
	case IKW_LINKTYPE_NULL:
	case IKW_LINKTYPE_LOOP:
		if (p->len < FAMILY_LEN)
			return p->bytes + p->len;
		return is_ip_family(p->bytes) ? p->bytes + FAMILY_LEN : NULL;
	case IKW_LINKTYPE_RAW:
	case IKW_LINKTYPE_DLT_RAW:
	case IKW_LINKTYPE_DLT_RAW_OPENBSD:
	case IKW_LINKTYPE_IPV4:
	case IKW_LINKTYPE_IPV6:
		return p->bytes;
	default:
		*known = false;
		return NULL;
	}
}

/* ---- output --------------------------------------------------------------------- */

static void address_text(const uint8_t *addr, uint8_t family, char *text, socklen_t size)
{
	inet_ntop(family == 4 ? AF_INET : AF_INET6, addr, text, size);
}

static void print_time(const struct ikw_captured *p)
{
	printf("%llu", (unsigned long long)p->sec);
	if (p->digits)
		printf(".%0*llu", (int)p->digits, (unsigned long long)p->frac);
}

static void json_ike(const struct ikw_ike *ike)
{
	printf(", \"version\": %u, \"exchange_type\": %u, \"flags\": %u, \"message_id\": %u"
	       ", \"length\": %u, \"spi_i\": \"%016llx\", \"spi_r\": \"%016llx\""
	       ", \"next_payload\": %u",
	       ike->version >> 4, ike->exchange, ike->ike_flags, ike->message_id, ike->length,
	       (unsigned long long)ike->spi_i, (unsigned long long)ike->spi_r, ike->next_payload);
	if (ike->flags2 & IKW_IKE_NOTIFY)
		printf(", \"notify\": %u", ike->notify);
	if (ike->notify_spi)
		printf(", \"notify_spi\": \"0x%08x\"", ike->notify_spi);
	if (ike->frag_number)
		printf(", \"fragment\": %u, \"fragments\": %u", ike->frag_number, ike->frag_total);
	if (ike->flags2 & IKW_IKE_CHOICE)
		printf(", \"choice\": {\"encr\": %u, \"keylen\": %u, \"integ\": %u, \"prf\": %u"
		       ", \"dh\": %u}",
		       ike->encr, ike->encr_keylen, ike->integ, ike->prf, ike->dh);
	if (ike->flags2 & IKW_IKE_FRAGMENT)
		printf(", \"ip_fragment\": true");
	if (ike->flags2 & IKW_IKE_SHORT)
		printf(", \"short\": true");
}

static const char *proto_name(enum ikw_kind kind)
{
	switch (kind) {
	case IKW_KIND_IKE:
		return "ike";
	case IKW_KIND_ESP:
		return "esp";
	default:
		return "keepalive";
	}
}

static void print_json(const struct ikw_captured *p, const struct ikw_packet *pkt,
		       enum ikw_kind kind, const struct ikw_ike *ike)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	address_text(pkt->saddr, pkt->family, src, sizeof(src));
	address_text(pkt->saddr + (pkt->family == 4 ? 4 : IKW_ADDR_LEN), pkt->family, dst,
		     sizeof(dst));
	printf("{\"time\": ");
	print_time(p);
	printf(", \"src\": \"%s\", \"dst\": \"%s\", \"sport\": %u, \"dport\": %u"
	       ", \"proto\": \"%s\", \"natt\": %s",
	       src, dst, pkt->sport, pkt->dport, proto_name(kind), pkt->natt ? "true" : "false");
	if (kind == IKW_KIND_IKE)
		json_ike(ike);
	if (kind == IKW_KIND_ESP)
		printf(", \"spi\": \"0x%08x\", \"seq\": %u", ikw_be32(pkt->at),
		       ikw_be32(pkt->at + 4));
	printf("}\n");
}

/* Both ends in columns wide enough for IPv4 with ports. */
static void print_ends(const struct ikw_packet *pkt)
{
	const uint8_t *addrs[2] = { pkt->saddr,
				    pkt->saddr + (pkt->family == 4 ? 4 : IKW_ADDR_LEN) };
	unsigned int ports[2] = { pkt->sport, pkt->dport };
	char addr[INET6_ADDRSTRLEN], end[INET6_ADDRSTRLEN + 8];

	for (int i = 0; i < 2; i++) {
		address_text(addrs[i], pkt->family, addr, sizeof(addr));
		if (ports[i])
			snprintf(end, sizeof(end), pkt->family == 4 ? "%s:%u" : "[%s]:%u", addr,
				 ports[i]);
		else
			snprintf(end, sizeof(end), "%s", addr);
		printf("%s%-21s", i ? " > " : "  ", end);
	}
}

static void text_ike(const struct ikw_ike *ike)
{
	unsigned int version = ike->version >> 4;

	printf("  IKEv%u %s", version, ikw_exchange_name((uint8_t)version, ike->exchange));
	if (version == 2)
		printf(" %s", ike->ike_flags & IKW_IKE2_RESPONSE ? "response" : "request");
	printf(" id %u, %u bytes, %016llx_i %016llx_r", ike->message_id, ike->length,
	       (unsigned long long)ike->spi_i, (unsigned long long)ike->spi_r);
	if (ike->flags2 & IKW_IKE_NOTIFY)
		printf(", notify %u", ike->notify);
	if (ike->notify_spi)
		printf(" (SPI 0x%08x)", ike->notify_spi);
	if (ike->frag_number)
		printf(", part %u of %u", ike->frag_number, ike->frag_total);
	if (ike->flags2 & IKW_IKE_CHOICE)
		printf(", encr %u/%u integ %u prf %u dh %u", ike->encr, ike->encr_keylen,
		       ike->integ, ike->prf, ike->dh);
	if (ike->flags2 & IKW_IKE_SHORT)
		printf(", short");
}

static void print_text(const struct ikw_captured *p, const struct ikw_packet *pkt,
		       enum ikw_kind kind, const struct ikw_ike *ike)
{
	print_time(p);
	print_ends(pkt);
	if (kind == IKW_KIND_IKE)
		text_ike(ike);
	else if (kind == IKW_KIND_ESP)
		printf("  ESP 0x%08x seq %u, %u bytes", ikw_be32(pkt->at), ikw_be32(pkt->at + 4),
		       pkt->ip_len);
	else
		printf("  NAT keepalive");
	printf("%s\n", pkt->natt && kind != IKW_KIND_KEEPALIVE ? " (in UDP)" : "");
}

/* ---- packets --------------------------------------------------------------------- */

static void print_packet(const struct decode *d, const struct ikw_captured *p,
			 const struct ikw_packet *pkt, enum ikw_kind kind, const uint8_t *end)
{
	struct ikw_ike ike = { 0 };

	if (kind == IKW_KIND_IKE)
		ikw_fill_ike(pkt, end, IKW_DIR_UNKNOWN, &ike);
	if (d->json)
		print_json(p, pkt, kind, &ike);
	else
		print_text(p, pkt, kind, &ike);
}

static void decode_packet(struct decode *d, struct ikw_captured *p)
{
	const uint8_t *end = p->bytes + p->len, *start;
	struct ikw_packet pkt = { 0 };
	enum ikw_start from;
	enum ikw_kind kind;
	bool known;

	d->packets++;
	start = packet_start(p, &from, &known);
	if (!known)
		d->unknown_link++;
	if (!start)
		return;
	kind = ikw_parse(start, end, from, &d->cfg, IKW_DIR_UNKNOWN, &pkt);
	switch (kind) {
	case IKW_KIND_IKE:
	case IKW_KIND_ESP:
	case IKW_KIND_KEEPALIVE:
		print_packet(d, p, &pkt, kind, end);
		break;
	case IKW_KIND_SHORT:
		d->cut++;
		break;
	case IKW_KIND_MALFORMED:
		d->malformed++;
		break;
	case IKW_KIND_FRAGMENT:
		d->fragments++;
		break;
	default:
		break;
	}
}

/* One line on stderr, and only when something could not be read. */
static void say_unread(const struct decode *d, const char *path, enum ikw_capture_result last)
{
	unsigned long unread = d->unknown_link + d->cut + d->malformed;
	const char *tail = "";

	if (last == IKW_CAPTURE_CUT)
		tail = "; the file ends inside a packet";
	else if (last == IKW_CAPTURE_BROKEN)
		tail = "; the file is damaged after that";
	if (last != IKW_CAPTURE_END)
		unread++;
	if (unread)
		ikw_error("%s: %lu could not be read of %lu packets (%lu cut short, %lu malformed, "
			  "%lu of an unknown link type)%s",
			  path, unread, d->packets + (last != IKW_CAPTURE_END), d->cut,
			  d->malformed, d->unknown_link, tail);
	if (d->fragments)
		ikw_error("%s: %lu later IP fragments were not put together", path, d->fragments);
}

static int decode_file(struct decode *d, const char *path)
{
	char why[512];
	struct ikw_capture *capture = ikw_capture_open(path, why, sizeof(why));
	enum ikw_capture_result r;
	struct ikw_captured packet = { 0 };

	if (!capture) {
		ikw_error("%s", why);
		return IKW_EXIT_FAILED;
	}
	while ((r = ikw_capture_next(capture, &packet)) <= IKW_CAPTURE_UNREADABLE) {
		if (r == IKW_CAPTURE_PACKET) {
			decode_packet(d, &packet);
			continue;
		}
		d->packets++;
		d->malformed++;
	}
	ikw_capture_close(capture);
	say_unread(d, path, r);
	if (fflush(stdout) || ferror(stdout)) {
		ikw_error("stdout: %s", strerror(errno));
		return IKW_EXIT_FAILED;
	}
	return IKW_EXIT_OK;
}

/* ---- command line ------------------------------------------------------------------ */

static bool add_port(struct ikw_parse_cfg *cfg, const char *text)
{
	unsigned long port;

	if (!ikw_cli_number(text, 1, 65535, &port))
		return false;
	for (int i = 0; i < IKW_IKE_PORTS; i++)
		if (!cfg->ike[i]) {
			cfg->ike[i] = (__u16)port;
			return true;
		}
	return false;
}

int ikw_decode_main(int argc, char **argv)
{
	const struct ikw_command *command = ikw_cli_find("decode");
	struct decode d = { .cfg = IKW_PARSE_CFG_DEFAULT, .json = true };
	const char *value;
	int key;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		switch (key) {
		case 'j':
			d.json = true;
			break;
		case 't':
			d.json = false;
			break;
		case 'p':
			if (!add_port(&d.cfg, value))
				return ikw_usage_error("decode",
						       "--port %s: not a port, or more than %d",
						       value, IKW_IKE_PORTS - 1);
			break;
		default:
			return IKW_EXIT_USAGE;
		}
	}
	if (optind + 1 != argc)
		return ikw_usage_error("decode", "%s",
				       optind == argc ? "no capture file given"
						      : "one capture file at a time");
	return decode_file(&d, argv[optind]);
}
