// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The packet parser on anything. Besides what the sanitizers see: a packet's
 * parts lie inside it, a record's counts and flags agree, and a message that the
 * programs would tell in short is the parser's too, with the same record.
 *
 * First byte of the input: bit 0 raw IP, bits 1-2 direction, bit 3 all wire protocols, bit 4 a
 * further port of IKE, 14500.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/ike.h"

static void check(int holds)
{
	if (!holds)
		abort();
}

static void check_parts(enum ikw_kind kind, const struct ikw_packet *pkt, const uint8_t *start,
			const uint8_t *end)
{
	if (kind != IKW_KIND_IKE && kind != IKW_KIND_ESP)
		return;
	check(pkt->family == 4 || pkt->family == 6);
	check(pkt->saddr >= start && pkt->saddr + (pkt->family == 4 ? 8 : 32) <= end);
	check(pkt->at > pkt->saddr && pkt->at + (kind == IKW_KIND_IKE ? 28 : 8) <= end);
	check(pkt->len <= pkt->ip_len);
}

/* What the port did not say the bytes did. */
static void check_marker(enum ikw_kind kind, const struct ikw_packet *pkt)
{
	if (kind == IKW_KIND_ESP)
		check(memcmp(pkt->at, "\0\0\0", 4) != 0);
	else if (kind == IKW_KIND_IKE && pkt->natt)
		check(!memcmp(pkt->at - 4, "\0\0\0", 4));
	else if (kind == IKW_KIND_IKE && pkt->sport != 500 && pkt->dport != 500)
		check(ikw_be32(pkt->at + 24) == pkt->len || pkt->fragment);
}

static void check_ike(const struct ikw_packet *pkt, const uint8_t *end, enum ikw_dir dir)
{
	struct ikw_ike ike = { 0 };

	ikw_fill_ike(pkt, end, dir, &ike);
	check(ike.length >= 28 && (ike.version >> 4 == 1 || ike.version >> 4 == 2));
	check(ike.pad == 0 && ike.dir == dir);
	if (!(ike.flags2 & IKW_IKE_CHOICE))
		check(!ike.encr && !ike.encr_keylen && !ike.integ && !ike.prf && !ike.dh);
	else
		check(ike.flags2 & IKW_IKE_HAS_SA);
	if (!(ike.flags2 & IKW_IKE_NOTIFY))
		check(!ike.notify && !ike.notify_spi);
	check(!(ike.flags2 & IKW_IKE_FRAGMENT) || !(ike.flags2 & IKW_IKE_SHORT));
}

/* As ike_quick() in bpf/packet.bpf.c decides, of an untagged Ethernet frame. */
static bool is_quick(const uint8_t *start, const uint8_t *end, const struct ikw_parse_cfg *cfg,
		     const uint8_t **ip, uint32_t *at)
{
	enum ikw_glance glance = ikw_glance(start, end, cfg, IKW_DIR_IN, 0, ip);
	const struct ikw_udp *udp;

	if (glance != IKW_GLANCE_IKE && glance != IKW_GLANCE_IKE_NATT)
		return false;
	*at = ikw_glance_offset(glance);
	udp = (const void *)(*ip + sizeof(struct ikw_ipv4));
	return *ip + *at + IKW_QUICK_MIN <= end &&
	       ikw_is_quick(*ip + *at,
			    ikw_be16(udp->length) - (*at - (uint32_t)sizeof(struct ikw_ipv4)));
}

static void check_copy(const uint8_t *start, const uint8_t *end, const struct ikw_parse_cfg *cfg)
{
	struct ikw_quick quick = { .seq = 1, .ifindex = 2 };
	struct ikw_ike want = { 0 }, got;
	struct ikw_packet pkt = { 0 };
	const uint8_t *ip = start;
	uint32_t at;

	if (!is_quick(start, end, cfg, &ip, &at))
		return;
	check(ikw_parse(start, end, IKW_START_ETHERNET, cfg, IKW_DIR_IN, &pkt) == IKW_KIND_IKE);
	ikw_fill_ike(&pkt, end, IKW_DIR_IN, &want);
	want.hdr = (struct ikw_hdr){ .type = IKW_EV_IKE, .size = sizeof(want), .seq = 1 };
	want.ifindex = 2;
	ikw_quick_fill(ip, at, &quick);
	quick.digest = ikw_quick_digest(ip, at);
	check(ikw_quick_open(&quick, &got));
	check(!memcmp(&got, &want, sizeof(got)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ikw_parse_cfg cfg = IKW_PARSE_CFG_DEFAULT;
	struct ikw_packet pkt = { 0 };
	const uint8_t *start, *end;
	enum ikw_start from;
	enum ikw_kind kind;
	enum ikw_dir dir;

	if (!size)
		return 0;
	from = data[0] & 1 ? IKW_START_IP : IKW_START_ETHERNET;
	dir = (enum ikw_dir)(data[0] >> 1 & 3);
	cfg.wire = data[0] & 8 ? ~0u : 0;
	cfg.ike[1] = data[0] & 16 ? 14500 : 0;
	start = data + 1;
	end = data + size;
	kind = ikw_parse(start, end, from, &cfg, dir, &pkt);
	check((int)kind >= 0 && kind < IKW_KIND_EXTENDED);
	check_parts(kind, &pkt, start, end);
	check_marker(kind, &pkt);
	if (kind == IKW_KIND_IKE)
		check_ike(&pkt, end, dir);
	if (from == IKW_START_ETHERNET)
		check_copy(start, end, &cfg);
	return 0;
}
