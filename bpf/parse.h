/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet parser: from a frame's bytes to the IKE or ESP header in it (what
 * an IKE message says is read by bpf/ike.h). Compiled into the packet programs
 * and into user space (`decode`, tests).
 *
 * Wire headers are structs of byte arrays: they have no alignment, and a field
 * can only become a number through ikw_be16/32/64, which is where byte order
 * changes. Each header is checked once against `end`, the cursor moves forward
 * only. Results are named.
 *
 * The order of tests follows what a gateway carries: a packet that is neither
 * UDP nor ESP leaves after the ethertype and the protocol byte.
 */
#ifndef IKEWATCH_PARSE_H
#define IKEWATCH_PARSE_H

#include "bpf/ikewatch_event.h"

#ifdef __bpf__
#include <bpf/bpf_helpers.h>
#else
#include <string.h>
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif
#endif

/* What a packet is. */
enum ikw_kind {
	IKW_KIND_OTHER = 0,	/* not our business */
	IKW_KIND_IKE = 1,	/* an IKE header with a sane version and length */
	IKW_KIND_ESP = 2,	/* ESP in IP or in UDP */
	IKW_KIND_KEEPALIVE = 3, /* NAT keepalive, RFC 3948 2.3 */
	IKW_KIND_FRAGMENT = 4,	/* a later IP fragment of UDP or ESP: no ports, no SPI */
	IKW_KIND_MALFORMED = 5, /* would be one of the above, but a field contradicts */
	IKW_KIND_SHORT = 6,	/* the bytes end before the headers do */
	IKW_KIND_WIRE = 7,	/* one of enum ikw_wire_kind, see ikw_packet.wire */
	IKW_KIND_EXTENDED = 8,	/* IPv6 extension headers come first: ikw_parse_extended() */
	IKW_KIND_MAX
};

/* What the first byte belongs to. */
enum ikw_start { IKW_START_ETHERNET = 0, IKW_START_IP = 1 };

#define IKW_IKE_PORTS	 (1 + IKW_OWN_PORTS)
#define IKW_RADIUS_PORTS 2

/* What to look for. Ports are in host order; 0 means "not used". */
struct ikw_parse_cfg {
	__u16 ike[IKW_IKE_PORTS]; /* after the first, which has no marker: see ikw_use_of_bytes() */
	__u16 natt;
	__u16 radius[IKW_RADIUS_PORTS]; /* dynamic authorization (RFC 5176), authentication */
	__u16 pad;
	__u32 wire; /* mask of 1 << enum ikw_wire_kind; 0: none of them */
};

#define IKW_PARSE_CFG_DEFAULT                                                                      \
	{                                                                                          \
		.ike = { 500 }, .natt = 4500, .radius = { 3799, 1812 }                             \
	}

/* Where things are in a packet. Pointers go into the bytes that were parsed. */
struct ikw_packet {
	const __u8 *saddr; /* 4 or 16 bytes by family; the destination's follow */
	const __u8 *at;	   /* IKE or ESP header, or a wire protocol's; that header was checked */
	__u32 len;	   /* bytes of the datagram from `at` on, as IP and UDP say */
	__u32 ip_len;	   /* bytes of the IP packet, its header included */
	__u16 sport;	   /* 0 for ESP in IP */
	__u16 dport;
	__u8 family;   /* 4 or 6 */
	__u8 natt;     /* 1: in UDP encapsulation */
	__u8 fragment; /* 1: the first fragment of several */
	__u8 wire;     /* enum ikw_wire_kind */
	__u8 next;     /* EXTENDED: protocol of the header at `at` */
};

#ifdef __clang__
#define IKW_UNROLL _Pragma("clang loop unroll(full)")
#else
#define IKW_UNROLL
#endif

/* ---- bytes ------------------------------------------------------------ */

#ifdef __bpf__
/* through void: from a byte array clang would load and store byte by byte */
#define IKW_LOAD(type, p)     (*(const type *)(const void *)(p))
#define IKW_STORE(type, p, v) (*(type *)(void *)(p) = (v))
#else
#define IKW_STORE(type, p, v)                                                                      \
	do {                                                                                       \
		type ikw_store_v = (v);                                                            \
		memcpy((p), &ikw_store_v, sizeof(ikw_store_v));                                    \
	} while (0)
#define IKW_LOAD(type, p)                                                                          \
	({                                                                                         \
		type ikw_load_v;                                                                   \
		memcpy(&ikw_load_v, (p), sizeof(ikw_load_v));                                      \
		ikw_load_v;                                                                        \
	})
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define IKW_SWAP(bits, v) __builtin_bswap##bits(v)
/* The second half of a v4-mapped address, as it lies in memory. */
#define IKW_MAPPED(raw) ((__u64)(raw) << 32 | 0xffff0000U)
#else
#define IKW_SWAP(bits, v) (v)
#define IKW_MAPPED(raw)	  ((__u64)0xffff << 32 | (raw))
#endif

static __always_inline __u16 ikw_be16(const void *p)
{
	return IKW_SWAP(16, IKW_LOAD(__u16, p));
}

static __always_inline __u32 ikw_be32(const void *p)
{
	return IKW_SWAP(32, IKW_LOAD(__u32, p));
}

static __always_inline __u64 ikw_be64(const void *p)
{
	return IKW_SWAP(64, IKW_LOAD(__u64, p));
}

/*
 * Both addresses of an IP header, as records carry them. 0 when the bytes end
 * before: impossible after ikw_parse(), but the kernel's verifier, which meets
 * these pointers anew in a subprogram, has to see it checked.
 */
static __always_inline int ikw_fill_addrs(const __u8 *from, const __u8 *end, __u8 family,
					  __u8 *saddr, __u8 *daddr)
{
	if (family == 4) {
		if (from + 8 > end)
			return 0;
		IKW_STORE(__u64, saddr, 0);
		IKW_STORE(__u64, saddr + 8, IKW_MAPPED(IKW_LOAD(__u32, from)));
		IKW_STORE(__u64, daddr, 0);
		IKW_STORE(__u64, daddr + 8, IKW_MAPPED(IKW_LOAD(__u32, from + 4)));
		return 1;
	}
	if (from + 2 * IKW_ADDR_LEN > end)
		return 0;
	IKW_STORE(__u64, saddr, IKW_LOAD(__u64, from));
	IKW_STORE(__u64, saddr + 8, IKW_LOAD(__u64, from + 8));
	IKW_STORE(__u64, daddr, IKW_LOAD(__u64, from + 16));
	IKW_STORE(__u64, daddr + 8, IKW_LOAD(__u64, from + 24));
	return 1;
}

/* ---- link ------------------------------------------------------------- */

enum ikw_l3 { IKW_L3_OTHER = 0, IKW_L3_SHORT = 1, IKW_L3_V4 = 4, IKW_L3_V6 = 6 };

enum { IKW_ETH_IPV4 = 0x0800, IKW_ETH_IPV6 = 0x86dd };
enum { IKW_ETH_VLAN = 0x8100, IKW_ETH_QINQ = 0x88a8, IKW_ETH_QINQ_OLD = 0x9100 };

#define IKW_VLAN_TAGS 2

struct ikw_ethernet {
	__u8 dst[6];
	__u8 src[6];
	__u8 type[2];
};

struct ikw_vlan {
	__u8 tci[2];
	__u8 type[2];
};

static __always_inline int ikw_is_vlan(__u16 type)
{
	return type == IKW_ETH_VLAN || type == IKW_ETH_QINQ || type == IKW_ETH_QINQ_OLD;
}

static __always_inline enum ikw_l3 ikw_l3_of(__u16 ethertype)
{
	if (ethertype == IKW_ETH_IPV4)
		return IKW_L3_V4;
	if (ethertype == IKW_ETH_IPV6)
		return IKW_L3_V6;
	return IKW_L3_OTHER;
}

/* Steps over Ethernet and up to two VLAN tags. */
static __always_inline enum ikw_l3 ikw_parse_ethernet(const __u8 **cursor, const __u8 *end)
{
	const struct ikw_ethernet *eth = (const void *)*cursor;
	const struct ikw_vlan *vlan;
	__u16 type;

	if ((const __u8 *)(eth + 1) > end)
		return IKW_L3_SHORT;
	type = ikw_be16(eth->type);
	*cursor = (const __u8 *)(eth + 1);
	IKW_UNROLL
	for (int i = 0; i < IKW_VLAN_TAGS; i++) {
		if (!ikw_is_vlan(type))
			break;
		vlan = (const void *)*cursor;
		if ((const __u8 *)(vlan + 1) > end)
			return IKW_L3_SHORT;
		type = ikw_be16(vlan->type);
		*cursor = (const __u8 *)(vlan + 1);
	}
	return ikw_l3_of(type);
}

/* Which IP a packet without a link header is. */
static __always_inline enum ikw_l3 ikw_parse_bare(const __u8 *cursor, const __u8 *end)
{
	if (cursor + 1 > end)
		return IKW_L3_SHORT;
	if (cursor[0] >> 4 == 4)
		return IKW_L3_V4;
	if (cursor[0] >> 4 == 6)
		return IKW_L3_V6;
	return IKW_L3_OTHER;
}

/* ---- IP --------------------------------------------------------------- */

enum ikw_ipproto {
	IKW_PROTO_HOPOPTS = 0,
	IKW_PROTO_ICMP = 1,
	IKW_PROTO_UDP = 17,
	IKW_PROTO_ROUTING = 43,
	IKW_PROTO_FRAGMENT = 44,
	IKW_PROTO_ESP = 50,
	IKW_PROTO_AH = 51,
	IKW_PROTO_ICMPV6 = 58,
	IKW_PROTO_DSTOPTS = 60,
	IKW_PROTO_VRRP = 112,
};

/* What parsing an IP header came to. */
enum ikw_ip_result {
	IKW_IP_OTHER = 0, /* nothing that is looked for */
	IKW_IP_MORE,	  /* an extension header was stepped over */
	IKW_IP_UDP,
	IKW_IP_ESP,
	IKW_IP_WIRE, /* ikw_packet.wire says which */
	IKW_IP_FRAGMENT,
	IKW_IP_MALFORMED,
	IKW_IP_SHORT,
};

struct ikw_ipv4 {
	__u8 version_ihl;
	__u8 tos;
	__u8 total[2];
	__u8 id[2];
	__u8 fragment[2];
	__u8 ttl;
	__u8 protocol;
	__u8 checksum[2];
	__u8 src[4];
	__u8 dst[4];
};

struct ikw_ipv6 {
	__u8 version_class_flow[4];
	__u8 payload[2];
	__u8 next;
	__u8 hops;
	__u8 src[16];
	__u8 dst[16];
};

/* Every extension header is at least 8 bytes long and starts like this. */
struct ikw_ipv6_ext {
	__u8 next;
	__u8 len; /* 8-byte words after the first; AH: 4-byte words less 2; fragment: reserved */
	__u8 fragment[2];
	__u8 rest[4];
};

#define IKW_IPV4_OFFSET 0x1fff
#define IKW_IPV4_MORE	0x2000
#define IKW_IPV6_OFFSET 0xfff8
#define IKW_IPV6_MORE	0x0001
#define IKW_IPV6_EXTS	8
/* No extension header starts further from the packet's start than this. */
#define IKW_IPV6_EXTS_MAX 0x4fff

/* The rarely wanted protocols beside UDP and ESP. */
static __always_inline enum ikw_ip_result
ikw_wire_of_proto(const volatile struct ikw_parse_cfg *cfg, __u8 proto, struct ikw_packet *pkt)
{
	__u32 wire = cfg->wire;

	if (!wire)
		return IKW_IP_OTHER;
	if (proto == IKW_PROTO_VRRP && wire & 1 << IKW_WIRE_VRRP)
		pkt->wire = IKW_WIRE_VRRP;
	else if ((proto == IKW_PROTO_ICMP || proto == IKW_PROTO_ICMPV6) &&
		 wire & 1 << IKW_WIRE_ECHO)
		pkt->wire = IKW_WIRE_ECHO;
	else
		return IKW_IP_OTHER;
	return IKW_IP_WIRE;
}

static __always_inline enum ikw_ip_result ikw_ip_of_proto(const volatile struct ikw_parse_cfg *cfg,
							  __u8 proto, struct ikw_packet *pkt)
{
	if (proto == IKW_PROTO_UDP)
		return IKW_IP_UDP;
	if (proto == IKW_PROTO_ESP)
		return IKW_IP_ESP;
	return ikw_wire_of_proto(cfg, proto, pkt);
}

static __always_inline enum ikw_ip_result ikw_parse_ipv4(const __u8 **cursor, const __u8 *end,
							 const volatile struct ikw_parse_cfg *cfg,
							 struct ikw_packet *pkt)
{
	const struct ikw_ipv4 *ip = (const void *)*cursor;
	enum ikw_ip_result result;
	__u32 header, total;
	__u16 fragment;

	if ((const __u8 *)(ip + 1) > end)
		return IKW_IP_SHORT;
	result = ikw_ip_of_proto(cfg, ip->protocol, pkt);
	if (result == IKW_IP_OTHER)
		return result;
	fragment = ikw_be16(ip->fragment);
	if (fragment & IKW_IPV4_OFFSET)
		return result == IKW_IP_WIRE ? IKW_IP_OTHER : IKW_IP_FRAGMENT;
	header = (ip->version_ihl & 0xf) * 4;
	total = ikw_be16(ip->total);
	if (ip->version_ihl >> 4 != 4 || header < sizeof(*ip) || total < header)
		return IKW_IP_MALFORMED;
	pkt->family = 4;
	pkt->fragment = !!(fragment & IKW_IPV4_MORE);
	pkt->saddr = ip->src;
	pkt->ip_len = total;
	pkt->len = total - header;
	*cursor += header;
	return result;
}

static __always_inline int ikw_is_ipv6_ext(__u8 proto)
{
	return proto == IKW_PROTO_HOPOPTS || proto == IKW_PROTO_ROUTING ||
	       proto == IKW_PROTO_FRAGMENT || proto == IKW_PROTO_DSTOPTS || proto == IKW_PROTO_AH;
}

static __always_inline __u32 ikw_ipv6_ext_size(__u8 proto, __u8 len)
{
	if (proto == IKW_PROTO_FRAGMENT)
		return sizeof(struct ikw_ipv6_ext);
	if (proto == IKW_PROTO_AH)
		return (len + 2) * 4;
	return (len + 1) * 8;
}

/* A later fragment: only the protocol of what was cut is known. */
static __always_inline enum ikw_ip_result ikw_ipv6_later(__u8 next)
{
	if (next == IKW_PROTO_UDP || next == IKW_PROTO_ESP || ikw_is_ipv6_ext(next))
		return IKW_IP_FRAGMENT;
	return IKW_IP_OTHER;
}

static __always_inline enum ikw_ip_result ikw_parse_ipv6(const __u8 **cursor, const __u8 *end,
							 const volatile struct ikw_parse_cfg *cfg,
							 struct ikw_packet *pkt)
{
	const struct ikw_ipv6 *ip = (const void *)*cursor;
	enum ikw_ip_result result;

	if ((const __u8 *)(ip + 1) > end)
		return IKW_IP_SHORT;
	result = ikw_ip_of_proto(cfg, ip->next, pkt);
	if (result == IKW_IP_OTHER) {
		if (!ikw_is_ipv6_ext(ip->next))
			return IKW_IP_OTHER;
		result = IKW_IP_MORE;
	}
	if (ip->version_class_flow[0] >> 4 != 6)
		return IKW_IP_MALFORMED;
	pkt->family = 6;
	pkt->next = ip->next;
	pkt->saddr = ip->src;
	pkt->len = ikw_be16(ip->payload);
	pkt->ip_len = pkt->len + sizeof(*ip);
	*cursor = (const __u8 *)(ip + 1);
	return result;
}

/* Steps over the extension header at `offset`. Scratch: see ikw_parse_extended(). */
static __always_inline enum ikw_ip_result ikw_ipv6_step(const __u8 *start, const __u8 *end,
							__u32 *offset, struct ikw_packet *pkt,
							volatile __u32 *scratch)
{
	const struct ikw_ipv6_ext *ext;
	__u16 fragment;
	__u32 size;

	if (*offset > IKW_IPV6_EXTS_MAX)
		return IKW_IP_MALFORMED;
	ext = (const void *)(start + *offset);
	if ((const __u8 *)(ext + 1) > end)
		return IKW_IP_SHORT;
	size = ikw_ipv6_ext_size(pkt->next, ext->len);
	if (size > pkt->len)
		return IKW_IP_MALFORMED;
	if (pkt->next == IKW_PROTO_FRAGMENT) {
		fragment = ikw_be16(ext->fragment);
		if (fragment & IKW_IPV6_OFFSET)
			return ikw_ipv6_later(ext->next);
		pkt->fragment = fragment & IKW_IPV6_MORE;
	}
	pkt->next = ext->next;
	*scratch = pkt->len - size;
	pkt->len = *scratch;
	*scratch = *offset + size;
	*offset = *scratch;
	return IKW_IP_MORE;
}

static __always_inline enum ikw_ip_result ikw_parse_exts(const __u8 *start, const __u8 *end,
							 const volatile struct ikw_parse_cfg *cfg,
							 __u32 *offset, struct ikw_packet *pkt,
							 volatile __u32 *scratch)
{
	enum ikw_ip_result result;

	for (int i = 0; i < IKW_IPV6_EXTS; i++) {
		result = ikw_ipv6_step(start, end, offset, pkt, scratch);
		if (result != IKW_IP_MORE)
			return result;
		if (!ikw_is_ipv6_ext(pkt->next))
			return ikw_ip_of_proto(cfg, pkt->next, pkt);
	}
	return IKW_IP_MALFORMED;
}

/* ---- UDP, ESP, IKE header --------------------------------------------- */

/* What a UDP port pair says about the payload. */
enum ikw_udp_use {
	IKW_UDP_OTHER = 0,
	IKW_UDP_IKE = 1,
	IKW_UDP_NATT = 2,
	IKW_UDP_WIRE = 3,
	IKW_UDP_EITHER = 4, /* IKE or NATT, as the bytes say */
};

struct ikw_udp {
	__u8 sport[2];
	__u8 dport[2];
	__u8 length[2];
	__u8 checksum[2];
};

struct ikw_esp_header {
	__u8 spi[4];
	__u8 seq[4];
};

/* RFC 7296 3.1; RFC 2408 3.1 has the same layout. */
struct ikw_ike_header {
	__u8 spi_i[8];
	__u8 spi_r[8];
	__u8 next;
	__u8 version;
	__u8 exchange;
	__u8 flags;
	__u8 message_id[4];
	__u8 length[4];
};

enum {
	IKW_PORT_DNS = 53,
	IKW_PORT_DHCP_SERVER = 67,
	IKW_PORT_DHCP_CLIENT = 68,
	IKW_PORT_BFD = 3784,
	IKW_PORT_CLUSTER = 4510, /* strongSwan's ha plugin, at both ends */
	IKW_PORT_BFD_MULTIHOP = 4784,
};

static __always_inline enum ikw_udp_use ikw_use_of_port(const volatile struct ikw_parse_cfg *cfg,
							__u16 port)
{
	if (port == 0)
		return IKW_UDP_OTHER;
	if (port == cfg->natt)
		return IKW_UDP_NATT;
	if (port == cfg->ike[0])
		return IKW_UDP_IKE;
	IKW_UNROLL
	for (int i = 1; i < IKW_IKE_PORTS; i++)
		if (port == cfg->ike[i])
			return IKW_UDP_EITHER;
	return IKW_UDP_OTHER;
}

static __always_inline int ikw_is_radius(const volatile struct ikw_parse_cfg *cfg, __u16 port)
{
	return port && (port == cfg->radius[0] || port == cfg->radius[1]);
}

/* One row per protocol: which ports it is told by. */
static __always_inline enum ikw_wire_kind
ikw_wire_of_ports(const volatile struct ikw_parse_cfg *cfg, __u16 sport, __u16 dport)
{
	__u32 wire = cfg->wire;

	if (wire & 1 << IKW_WIRE_DNS && (sport == IKW_PORT_DNS || dport == IKW_PORT_DNS))
		return IKW_WIRE_DNS;
	if (wire & 1 << IKW_WIRE_BFD && (dport == IKW_PORT_BFD || dport == IKW_PORT_BFD_MULTIHOP))
		return IKW_WIRE_BFD;
	if (wire & 1 << IKW_WIRE_RADIUS && (ikw_is_radius(cfg, dport) || ikw_is_radius(cfg, sport)))
		return IKW_WIRE_RADIUS;
	if (wire & 1 << IKW_WIRE_DHCP &&
	    (sport == IKW_PORT_DHCP_SERVER || sport == IKW_PORT_DHCP_CLIENT))
		return IKW_WIRE_DHCP;
	if (wire & 1 << IKW_WIRE_CLUSTER && sport == IKW_PORT_CLUSTER && dport == IKW_PORT_CLUSTER)
		return IKW_WIRE_CLUSTER;
	return 0;
}

/*
 * Only one side's port has to be known: behind NAT the other is anything. Our
 * own side is asked first, for it is the one whose socket gets the packet.
 */
static __always_inline enum ikw_udp_use ikw_use_of_ports(const volatile struct ikw_parse_cfg *cfg,
							 enum ikw_dir dir, struct ikw_packet *pkt)
{
	__u16 ours = dir == IKW_DIR_OUT ? pkt->sport : pkt->dport;
	__u16 theirs = dir == IKW_DIR_OUT ? pkt->dport : pkt->sport;
	enum ikw_udp_use use = ikw_use_of_port(cfg, ours);

	if (use == IKW_UDP_OTHER)
		use = ikw_use_of_port(cfg, theirs);
	if (use == IKW_UDP_OTHER && cfg->wire) {
		pkt->wire = ikw_wire_of_ports(cfg, pkt->sport, pkt->dport);
		if (pkt->wire)
			use = IKW_UDP_WIRE;
	}
	return use;
}

static __always_inline int ikw_is_ike_version(__u8 version)
{
	return version >> 4 == 1 || version >> 4 == 2;
}

static __always_inline enum ikw_kind ikw_parse_ike(const __u8 *cursor, const __u8 *end,
						   struct ikw_packet *pkt)
{
	const struct ikw_ike_header *ike = (const void *)cursor;

	if (pkt->len < sizeof(*ike))
		return IKW_KIND_MALFORMED;
	if ((const __u8 *)(ike + 1) > end)
		return IKW_KIND_SHORT;
	if (!ikw_is_ike_version(ike->version))
		return IKW_KIND_MALFORMED;
	if (ikw_be32(ike->length) < sizeof(*ike))
		return IKW_KIND_MALFORMED;
	pkt->at = cursor;
	return IKW_KIND_IKE;
}

static __always_inline enum ikw_kind ikw_parse_esp(const __u8 *cursor, const __u8 *end,
						   struct ikw_packet *pkt)
{
	const struct ikw_esp_header *esp = (const void *)cursor;

	if (pkt->len < sizeof(*esp))
		return IKW_KIND_MALFORMED;
	if ((const __u8 *)(esp + 1) > end)
		return IKW_KIND_SHORT;
	if (IKW_LOAD(__u32, esp->spi) == 0) /* RFC 4303 2.1: never on the wire */
		return IKW_KIND_MALFORMED;
	pkt->at = cursor;
	return IKW_KIND_ESP;
}

/* What follows a UDP header on the NAT-T port (RFC 3948 2). */
static __always_inline enum ikw_kind ikw_parse_natt(const __u8 *cursor, const __u8 *end,
						    struct ikw_packet *pkt)
{
	pkt->natt = 1;
	if (pkt->len < 4) {
		if (pkt->len != 1)
			return IKW_KIND_MALFORMED;
		if (cursor + 1 > end)
			return IKW_KIND_SHORT;
		return cursor[0] == 0xff ? IKW_KIND_KEEPALIVE : IKW_KIND_MALFORMED;
	}
	if (cursor + 4 > end)
		return IKW_KIND_SHORT;
	if (IKW_LOAD(__u32, cursor) != 0)
		return ikw_parse_esp(cursor, end, pkt);
	pkt->len -= 4;
	return ikw_parse_ike(cursor + 4, end, pkt);
}

/*
 * On a port of a daemon's own: NAT-T, unless it is IKE without a marker, whose
 * header has the datagram's length. That it is in ESP as well is by chance, once in
 * 2^32. `whole` is that length, with what other fragments have of it.
 */
static __always_inline enum ikw_udp_use ikw_use_of_bytes(const __u8 *cursor, const __u8 *end,
							 __u32 whole, const struct ikw_packet *pkt)
{
	const struct ikw_ike_header *ike = (const void *)cursor;

	if (pkt->len < sizeof(*ike))
		return IKW_UDP_NATT;
	if ((const __u8 *)(ike + 1) > end) /* not to be told: SHORT, as ikw_parse_ike() says */
		return IKW_UDP_IKE;
	if (IKW_LOAD(__u32, ike->spi_i) == 0 || !ikw_is_ike_version(ike->version) ||
	    ikw_be32(ike->length) != whole)
		return IKW_UDP_NATT;
	return IKW_UDP_IKE;
}

static __always_inline enum ikw_kind ikw_parse_udp(const __u8 *cursor, const __u8 *end,
						   const volatile struct ikw_parse_cfg *cfg,
						   enum ikw_dir dir, struct ikw_packet *pkt)
{
	const struct ikw_udp *udp = (const void *)cursor;
	enum ikw_udp_use use;
	__u32 length;

	if ((const __u8 *)(udp + 1) > end)
		return IKW_KIND_SHORT;
	pkt->sport = ikw_be16(udp->sport);
	pkt->dport = ikw_be16(udp->dport);
	use = ikw_use_of_ports(cfg, dir, pkt);
	if (use == IKW_UDP_OTHER)
		return IKW_KIND_OTHER;
	length = ikw_be16(udp->length);
	if (length < sizeof(*udp) || pkt->len < sizeof(*udp))
		return IKW_KIND_MALFORMED;
	if (length > pkt->len && !pkt->fragment)
		return IKW_KIND_MALFORMED;
	if (length < pkt->len)
		pkt->len = length;
	pkt->len -= sizeof(*udp);
	cursor = (const __u8 *)(udp + 1);
	if (use == IKW_UDP_EITHER)
		use = ikw_use_of_bytes(cursor, end, length - sizeof(*udp), pkt);
	if (use == IKW_UDP_NATT)
		return ikw_parse_natt(cursor, end, pkt);
	if (use == IKW_UDP_IKE)
		return ikw_parse_ike(cursor, end, pkt);
	pkt->at = cursor;
	return IKW_KIND_WIRE;
}

/* What follows the last IP header. */
static __always_inline enum ikw_kind ikw_parse_rest(const __u8 *cursor, const __u8 *end,
						    enum ikw_ip_result ip,
						    const volatile struct ikw_parse_cfg *cfg,
						    enum ikw_dir dir, struct ikw_packet *pkt)
{
	switch (ip) {
	case IKW_IP_UDP:
		return ikw_parse_udp(cursor, end, cfg, dir, pkt);
	case IKW_IP_ESP:
		return ikw_parse_esp(cursor, end, pkt);
	case IKW_IP_MORE:
		pkt->at = cursor;
		return IKW_KIND_EXTENDED;
	case IKW_IP_WIRE:
		pkt->at = cursor;
		return IKW_KIND_WIRE;
	case IKW_IP_FRAGMENT:
		return IKW_KIND_FRAGMENT;
	case IKW_IP_MALFORMED:
		return IKW_KIND_MALFORMED;
	case IKW_IP_SHORT:
		return IKW_KIND_SHORT;
	default:
		return IKW_KIND_OTHER;
	}
}

/*
 * What the packet at `start` is, and where its parts are, but for IPv6
 * extension headers, which are EXTENDED: so rare, and so dear to verify, that
 * the packet programs keep them apart. `pkt` must be zeroed; it is only
 * meaningful for IKE, ESP, KEEPALIVE, WIRE and EXTENDED. `dir` may be UNKNOWN.
 */
static __always_inline enum ikw_kind ikw_parse_plain(const __u8 *start, const __u8 *end,
						     enum ikw_start from,
						     const volatile struct ikw_parse_cfg *cfg,
						     enum ikw_dir dir, struct ikw_packet *pkt)
{
	const __u8 *cursor = start;
	enum ikw_ip_result ip = IKW_IP_OTHER;
	enum ikw_l3 l3;

	l3 = from == IKW_START_IP ? ikw_parse_bare(cursor, end) : ikw_parse_ethernet(&cursor, end);
	if (l3 == IKW_L3_V4)
		ip = ikw_parse_ipv4(&cursor, end, cfg, pkt);
	else if (l3 == IKW_L3_V6)
		ip = ikw_parse_ipv6(&cursor, end, cfg, pkt);
	else if (l3 == IKW_L3_SHORT)
		ip = IKW_IP_SHORT;
	return ikw_parse_rest(cursor, end, ip, cfg, dir, pkt);
}

/*
 * Goes on where ikw_parse_plain() said EXTENDED; `offset` is that of pkt->at.
 * `scratch` is memory that the verifier does not track: numbers are passed
 * through it so that it forgets their history and does not check what follows
 * once for every chain of headers that may have led there.
 */
static __always_inline enum ikw_kind
ikw_parse_extended(const __u8 *start, const __u8 *end, const volatile struct ikw_parse_cfg *cfg,
		   enum ikw_dir dir, __u32 offset, struct ikw_packet *pkt, volatile __u32 *scratch)
{
	enum ikw_ip_result ip = ikw_parse_exts(start, end, cfg, &offset, pkt, scratch);

	if (offset > IKW_IPV6_EXTS_MAX)
		return IKW_KIND_MALFORMED;
	return ikw_parse_rest(start + offset, end, ip, cfg, dir, pkt);
}

/* Both in one. */
static __always_inline enum ikw_kind ikw_parse(const __u8 *start, const __u8 *end,
					       enum ikw_start from,
					       const volatile struct ikw_parse_cfg *cfg,
					       enum ikw_dir dir, struct ikw_packet *pkt)
{
	enum ikw_kind kind = ikw_parse_plain(start, end, from, cfg, dir, pkt);
	volatile __u32 scratch;

	if (kind != IKW_KIND_EXTENDED)
		return kind;
	return ikw_parse_extended(start, end, cfg, dir, pkt->at - start, pkt, &scratch);
}

/* ---- first glance --------------------------------------------------------- */

/*
 * What ikw_glance() says. All that ikw_parse() would find of ESP and IKE follows
 * from it and from where the IP header is, so that the packet programs carry
 * nothing else along.
 */
enum ikw_glance {
	IKW_GLANCE_LOOK = 0, /* not so plain: ask ikw_parse() */
	IKW_GLANCE_PASS = 1, /* nothing of ours */
	IKW_GLANCE_ESP = 2,  /* ESP */
	IKW_GLANCE_ESP_UDP = 3,
	IKW_GLANCE_IKE = 4, /* where IKE should be: ask ikw_parse_ike() whether it is */
	IKW_GLANCE_IKE_NATT = 5,
	/* the same in IPv6 */
	IKW_GLANCE_V6 = 8,
	IKW_GLANCE_ESP6 = IKW_GLANCE_V6 | IKW_GLANCE_ESP,
	IKW_GLANCE_ESP6_UDP = IKW_GLANCE_V6 | IKW_GLANCE_ESP_UDP,
	IKW_GLANCE_IKE6 = IKW_GLANCE_V6 | IKW_GLANCE_IKE,
	IKW_GLANCE_IKE6_NATT = IKW_GLANCE_V6 | IKW_GLANCE_IKE_NATT,
};

enum {
	IKW_GLANCE_TCP = 6,
	IKW_GLANCE_NEED = 8 + 8, /* UDP and ESP header */
	IKW_MARKER_LEN = 4,	 /* the non-ESP marker, RFC 3948 2.2 */
};

/*
 * A number read where it is used, and again where it is used again: kept in a
 * register it would be one more that the program has to save for every packet.
 */
#ifdef __bpf__
#define IKW_AGAIN(type, p) IKW_LOAD(volatile type, p)
#else
#define IKW_AGAIN(type, p) IKW_LOAD(type, p)
#endif

static __always_inline __u32 ikw_again16(const void *p)
{
	return IKW_SWAP(16, IKW_AGAIN(__u16, p));
}

static __always_inline enum ikw_glance ikw_glance_esp(const __u8 *p, __u32 len,
						      enum ikw_glance then)
{
	if (__builtin_expect(len < sizeof(struct ikw_esp_header) || len > 0xffff ||
				     IKW_LOAD(__u32, p) == 0,
			     0))
		return IKW_GLANCE_LOOK;
	return then;
}

/* The UDP header at `p` and what follows it, on a port of ours. */
static __always_inline enum ikw_glance ikw_glance_ours(const __u8 *p, enum ikw_udp_use use,
						       const __u8 *total, __u32 header,
						       enum ikw_glance family)
{
	const __u8 *length = ((const struct ikw_udp *)p)->length;

	if (use == IKW_UDP_EITHER)
		return IKW_GLANCE_LOOK;
	/* read twice, or both questions would be asked at once, in more registers */
	if (ikw_again16(length) != ikw_again16(total) - header ||
	    ikw_again16(length) < IKW_GLANCE_NEED)
		return IKW_GLANCE_LOOK;
	if (use == IKW_UDP_IKE)
		return IKW_GLANCE_IKE | family;
	return IKW_LOAD(__u32, p + sizeof(struct ikw_udp)) ? IKW_GLANCE_ESP_UDP | family
							   : IKW_GLANCE_IKE_NATT | family;
}

/*
 * A plain UDP header. `total` is where the IP header has a length, of `header`
 * bytes before UDP and all that follows. What a port means is followed at once
 * instead of being carried to the end, for the registers' sake.
 */
static __always_inline enum ikw_glance ikw_glance_udp(const __u8 *p,
						      const volatile struct ikw_parse_cfg *cfg,
						      enum ikw_dir dir, const __u8 *total,
						      __u32 header, enum ikw_glance family)
{
	const struct ikw_udp *udp = (const void *)p;
	const __u8 *ours = dir == IKW_DIR_OUT ? udp->sport : udp->dport;
	const __u8 *theirs = dir == IKW_DIR_OUT ? udp->dport : udp->sport;
	enum ikw_udp_use use = ikw_use_of_port(cfg, ikw_again16(ours));

	if (use != IKW_UDP_OTHER)
		return ikw_glance_ours(p, use, total, header, family);
	use = ikw_use_of_port(cfg, ikw_again16(theirs));
	if (use != IKW_UDP_OTHER)
		return ikw_glance_ours(p, use, total, header, family);
	if (cfg->wire && ikw_wire_of_ports(cfg, ikw_again16(udp->sport), ikw_again16(udp->dport)))
		return IKW_GLANCE_LOOK;
	return IKW_GLANCE_PASS;
}

/* No options, no fragment: asked of the header's first eight bytes at once. */
static __always_inline int ikw_is_plain_v4(const struct ikw_ipv4 *ip)
{
	const __u64 asked = 0xffULL << 56 | IKW_IPV4_OFFSET | IKW_IPV4_MORE;

	return (IKW_LOAD(__u64, ip) & IKW_SWAP(64, asked)) == IKW_SWAP(64, 0x45ULL << 56);
}

/* An IPv4 header of which only the protocol is known: ESP. */
static __always_inline enum ikw_glance ikw_glance_esp_v4(const struct ikw_ipv4 *ip)
{
	const __u32 header = sizeof(*ip);

	if (__builtin_expect(!ikw_is_plain_v4(ip), 0))
		return IKW_GLANCE_LOOK;
	return ikw_glance_esp((const __u8 *)(ip + 1), ikw_again16(ip->total) - header,
			      IKW_GLANCE_ESP);
}

static __always_inline enum ikw_glance
ikw_glance_v4(const struct ikw_ipv4 *ip, const volatile struct ikw_parse_cfg *cfg, enum ikw_dir dir)
{
	if (ip->protocol == IKW_GLANCE_TCP)
		return IKW_GLANCE_PASS;
	if (ip->protocol == IKW_PROTO_ESP)
		return ikw_glance_esp_v4(ip);
	if (ip->protocol != IKW_PROTO_UDP || !ikw_is_plain_v4(ip))
		return IKW_GLANCE_LOOK;
	return ikw_glance_udp((const __u8 *)(ip + 1), cfg, dir, ip->total, sizeof(*ip), 0);
}

static __always_inline enum ikw_glance ikw_glance_v6(const struct ikw_ipv6 *ip, const __u8 *end,
						     const volatile struct ikw_parse_cfg *cfg,
						     enum ikw_dir dir)
{
	const __u8 *rest = (const __u8 *)(ip + 1);

	if (ip->next == IKW_GLANCE_TCP)
		return IKW_GLANCE_PASS;
	if ((ip->next != IKW_PROTO_UDP && ip->next != IKW_PROTO_ESP) ||
	    ip->version_class_flow[0] >> 4 != 6 || rest + IKW_GLANCE_NEED > end)
		return IKW_GLANCE_LOOK;
	if (ip->next == IKW_PROTO_ESP)
		return ikw_glance_esp(rest, ikw_be16(ip->payload), IKW_GLANCE_ESP6);
	return ikw_glance_udp(rest, cfg, dir, ip->payload, 0, IKW_GLANCE_V6);
}

/* Where the IP header of an untagged Ethernet frame is. */
static __always_inline const __u8 *ikw_glance_ip(const __u8 *start)
{
	return start + sizeof(struct ikw_ethernet);
}

/*
 * The packets that a gateway has most of, told from an untagged Ethernet frame
 * in a few loads: TCP, other UDP, ESP in IP and in UDP, IKE behind plain headers.
 * Looking closer (a constant), also those behind one VLAN tag: *ip is where the
 * IP header is then. It never contradicts ikw_parse().
 */
static __always_inline enum ikw_glance ikw_glance(const __u8 *start, const __u8 *end,
						  const volatile struct ikw_parse_cfg *cfg,
						  enum ikw_dir dir, int closer, const __u8 **at)
{
	const struct ikw_ethernet *eth = (const void *)start;
	const __u8 *ip = ikw_glance_ip(start);
	__u16 type;

	if (ip + sizeof(struct ikw_ipv4) + IKW_GLANCE_NEED > end)
		return IKW_GLANCE_LOOK;
	type = IKW_LOAD(__u16, eth->type);
	if (closer && type == IKW_SWAP(16, (__u16)IKW_ETH_VLAN)) {
		type = IKW_LOAD(__u16, ((const struct ikw_vlan *)ip)->type);
		ip += sizeof(struct ikw_vlan);
		if (ip + sizeof(struct ikw_ipv4) + IKW_GLANCE_NEED > end)
			return IKW_GLANCE_LOOK;
	}
	*at = ip;
	if (__builtin_expect(type == IKW_SWAP(16, (__u16)IKW_ETH_IPV4), 1))
		return ikw_glance_v4((const void *)ip, cfg, dir);
	if (type == IKW_SWAP(16, (__u16)IKW_ETH_IPV6))
		return ikw_glance_v6((const void *)ip, end, cfg, dir);
	return IKW_GLANCE_LOOK;
}

/* Bytes from the IP header to the ESP or IKE header. */
static __always_inline __u32 ikw_glance_offset(enum ikw_glance glance)
{
	__u32 at = glance & IKW_GLANCE_V6 ? sizeof(struct ikw_ipv6) : sizeof(struct ikw_ipv4);

	glance &= ~IKW_GLANCE_V6;
	if (glance != IKW_GLANCE_ESP)
		at += sizeof(struct ikw_udp);
	return glance == IKW_GLANCE_IKE_NATT ? at + IKW_MARKER_LEN : at;
}

/* What ikw_parse() would have found in a packet of which that was said. */
static __always_inline void ikw_glance_fill(enum ikw_glance glance, const __u8 *ip,
					    struct ikw_packet *pkt)
{
	const struct ikw_ipv4 *v4 = (const void *)ip;
	const struct ikw_ipv6 *v6 = (const void *)ip;
	const struct ikw_udp *udp;

	pkt->at = ip + ikw_glance_offset(glance);
	pkt->family = glance & IKW_GLANCE_V6 ? 6 : 4;
	pkt->saddr = pkt->family == 6 ? v6->src : v4->src;
	pkt->ip_len =
		pkt->family == 6 ? ikw_be16(v6->payload) + (__u32)sizeof(*v6) : ikw_be16(v4->total);
	pkt->len = pkt->ip_len - ikw_glance_offset(glance);
	glance &= ~IKW_GLANCE_V6;
	if (glance == IKW_GLANCE_ESP)
		return;
	pkt->natt = glance != IKW_GLANCE_IKE;
	udp = (const void *)(ip + (pkt->family == 6 ? sizeof(*v6) : sizeof(*v4)));
	pkt->sport = ikw_be16(udp->sport);
	pkt->dport = ikw_be16(udp->dport);
}

#endif /* IKEWATCH_PARSE_H */
