/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From an IKE message that bpf/parse.h found to struct ikw_ike: header fields,
 * a digest that makes retransmissions equal, and what is readable in clear: the
 * first notify, what the responder chose, the number of an IKE fragment.
 * Compiled into the packet programs and into user space.
 */
#ifndef IKEWATCH_BPF_IKE_H
#define IKEWATCH_BPF_IKE_H

#include "bpf/parse.h"

/* RFC 7296 3.2, RFC 2408 3.2 */
struct ikw_payload {
	__u8 next;
	__u8 flags;
	__u8 length[2];
};

enum {
	/* exchange types */
	IKW_IKE1_BASE = 1,
	IKW_IKE1_MAIN = 2,
	IKW_IKE1_AGGRESSIVE = 4,
	IKW_IKE2_SA_INIT = 34,
	/* payload types */
	IKW_IKE1_SA = 1,
	IKW_IKE1_N = 11,
	IKW_IKE2_SA = 33,
	IKW_IKE2_N = 41,
	IKW_IKE2_SK = 46,
	IKW_IKE2_SKF = 53, /* RFC 7383 */
	/* header flags */
	IKW_IKE1_ENCRYPTED = 0x01,
	IKW_IKE2_RESPONSE = 0x20,
	/* notify message types, the same in both versions */
	IKW_N_INVALID_SPI = 11,
	/* IKEv2 transform types, RFC 7296 3.3.2 */
	IKW_T_ENCR = 1,
	IKW_T_PRF = 2,
	IKW_T_INTEG = 3,
	IKW_T_DH = 4,
	/* IKEv1 phase 1 attributes, RFC 2409 appendix A */
	IKW_A_ENCR = 1,
	IKW_A_HASH = 2,
	IKW_A_GROUP = 4,
	IKW_A_PRF = 13,
	IKW_A_KEYLEN = 14,	 /* also the only attribute of an IKEv2 transform */
	IKW_ATTR_SHORT = 0x8000, /* the value is the next two bytes */
};

#define IKW_DIGEST_LEN 24
#define IKW_PAYLOADS   12
#define IKW_TRANSFORMS 10
#define IKW_ATTRIBUTES 12
/* No walk goes further than this into a message; an SA payload is its first. */
#define IKW_WALK_MAX 4000

/* The clear part of an IKE message: what a walk over its payloads needs. */
struct ikw_walk {
	const __u8 *at; /* IKE header */
	const __u8 *end;
	__u32 limit;  /* bytes of the message that were sent, from `at` */
	__u32 sa;     /* offset of the first SA payload, 0: none */
	__u32 notify; /* offset of the first notify payload, 0: none */
};

/*
 * `size` bytes at an offset that the packet itself gave, or NULL. The constant
 * bound is for the verifier (packet offsets must be known to be small), the
 * barrier keeps the compiler from proving it away or testing a copy.
 */
static __always_inline const __u8 *ikw_peek(const struct ikw_walk *walk, __u32 offset, __u32 size)
{
	const __u8 *p;

	if (offset + size > walk->limit)
		return (void *)0;
#ifdef __bpf__
	asm volatile("" : "+r"(offset));
#endif
	if (offset > IKW_WALK_MAX)
		return (void *)0;
	p = walk->at + offset;
	if (p + size > walk->end)
		return (void *)0;
	return p;
}

/*
 * The same number, through memory that the kernel's verifier does not track.
 * It would otherwise tell apart all the offsets a message may lead to, and
 * check what follows for each of them. Offsets are within `limit`, so 16 bits do.
 */
static __always_inline __u32 ikw_forget(struct ikw_ike *out, __u32 offset)
{
	volatile __u16 *memory = &out->pad;

	*memory = offset;
	offset = *memory;
	*memory = 0;
	return offset;
}

/* Finds the first SA and the first notify among the clear payloads. */
static __always_inline void ikw_walk_payloads(struct ikw_walk *walk, struct ikw_ike *out, __u8 sa,
					      __u8 notify)
{
	__u32 offset = sizeof(struct ikw_ike_header);
	const struct ikw_payload *payload;
	__u8 next = out->next_payload;
	__u32 length;

	for (int i = 0; i < IKW_PAYLOADS; i++) {
		if (next == 0 || next == IKW_IKE2_SK || next == IKW_IKE2_SKF)
			return;
		payload = (const void *)ikw_peek(walk, offset, sizeof(*payload));
		if (!payload)
			return;
		length = ikw_be16(payload->length);
		if (length < sizeof(*payload) || offset + length > walk->limit)
			return;
		if (next == sa && !walk->sa)
			walk->sa = ikw_forget(out, offset);
		if (next == notify && !walk->notify)
			walk->notify = ikw_forget(out, offset);
		next = payload->next;
		offset = ikw_forget(out, offset + length);
	}
}

/* RFC 7296 3.10; the SPI complained about is notification data (1.5), some put it in the SPI field
 */
struct ikw_v2_notify {
	struct ikw_payload head;
	__u8 protocol;
	__u8 spi_size;
	__u8 type[2];
};

/* RFC 2408 3.14 */
struct ikw_v1_notify {
	struct ikw_payload head;
	__u8 doi[4];
	__u8 protocol;
	__u8 spi_size;
	__u8 type[2];
};

static __always_inline void ikw_notify_spi(const struct ikw_walk *walk, __u32 offset, __u32 left,
					   struct ikw_ike *out)
{
	const __u8 *spi;

	if (out->notify != IKW_N_INVALID_SPI || left < 4)
		return;
	spi = ikw_peek(walk, offset, 4);
	if (spi)
		out->notify_spi = ikw_be32(spi);
}

static __always_inline void ikw_notify_v2(const struct ikw_walk *walk, struct ikw_ike *out)
{
	const struct ikw_v2_notify *n = (const void *)ikw_peek(walk, walk->notify, sizeof(*n));
	__u32 length;

	if (!n)
		return;
	length = ikw_be16(n->head.length);
	if (length < sizeof(*n))
		return;
	out->notify = ikw_be16(n->type);
	out->flags2 |= IKW_IKE_NOTIFY;
	ikw_notify_spi(walk, walk->notify + sizeof(*n), length - sizeof(*n), out);
}

static __always_inline void ikw_notify_v1(const struct ikw_walk *walk, struct ikw_ike *out)
{
	const struct ikw_v1_notify *n = (const void *)ikw_peek(walk, walk->notify, sizeof(*n));
	__u32 length, skip;

	if (!n)
		return;
	length = ikw_be16(n->head.length);
	if (length < sizeof(*n))
		return;
	out->notify = ikw_be16(n->type);
	out->flags2 |= IKW_IKE_NOTIFY;
	/* a 4-byte SPI field is the SPI itself; else cookies stand there and it is data */
	skip = sizeof(*n) + (n->spi_size == 4 ? 0 : n->spi_size);
	if (length >= skip)
		ikw_notify_spi(walk, walk->notify + skip, length - skip, out);
}

/* RFC 7296 3.3.1 */
struct ikw_proposal {
	__u8 last;
	__u8 reserved;
	__u8 length[2];
	__u8 number;
	__u8 protocol;
	__u8 spi_size;
	__u8 transforms;
};

/* RFC 7296 3.3.2, and its only attribute's place (3.3.5) */
struct ikw_v2_transform {
	__u8 last;
	__u8 reserved;
	__u8 length[2];
	__u8 type;
	__u8 reserved2;
	__u8 id[2];
};

struct ikw_attribute {
	__u8 type[2];
	__u8 value[2]; /* or the length of a value that follows */
};

static __always_inline __u16 ikw_keylen_v2(const struct ikw_walk *walk, __u32 offset, __u32 length)
{
	const struct ikw_attribute *attr;

	if (length < sizeof(struct ikw_v2_transform) + sizeof(*attr))
		return 0;
	offset += sizeof(struct ikw_v2_transform);
	attr = (const void *)ikw_peek(walk, offset, sizeof(*attr));
	if (!attr || ikw_be16(attr->type) != (IKW_ATTR_SHORT | IKW_A_KEYLEN))
		return 0;
	return ikw_be16(attr->value);
}

static __always_inline void ikw_take_transform(const struct ikw_walk *walk, __u32 offset,
					       __u32 length, __u8 type, __u16 id,
					       struct ikw_ike *out)
{
	switch (type) {
	case IKW_T_ENCR:
		out->encr = id;
		out->encr_keylen = ikw_keylen_v2(walk, offset, length);
		break;
	case IKW_T_PRF:
		out->prf = id;
		break;
	case IKW_T_INTEG:
		out->integ = id;
		break;
	case IKW_T_DH:
		out->dh = id;
		break;
	}
}

/* A response's SA payload has one proposal with one transform of each type. */
static __always_inline void ikw_choice_v2(const struct ikw_walk *walk, struct ikw_ike *out)
{
	__u32 offset = walk->sa + sizeof(struct ikw_payload), length;
	const struct ikw_v2_transform *t;
	const struct ikw_proposal *p;
	__u32 count;

	p = (const void *)ikw_peek(walk, offset, sizeof(*p));
	if (!p)
		return;
	count = p->transforms;
	offset += sizeof(*p) + p->spi_size;
	for (__u32 i = 0; i < IKW_TRANSFORMS && i < count; i++) {
		t = (const void *)ikw_peek(walk, offset, sizeof(*t));
		if (!t)
			return;
		length = ikw_be16(t->length);
		if (length < sizeof(*t) || offset + length > walk->limit)
			return;
		ikw_take_transform(walk, offset, length, t->type, ikw_be16(t->id), out);
		out->flags2 |= IKW_IKE_CHOICE;
		offset = ikw_forget(out, offset + length);
	}
}

/* RFC 2408 3.6; attributes follow */
struct ikw_v1_transform {
	__u8 next;
	__u8 reserved;
	__u8 length[2];
	__u8 number;
	__u8 id;
	__u8 reserved2[2];
};

#define IKW_IKE1_DOI_SITUATION 8 /* RFC 2407 4.6.1 */

static __always_inline void ikw_take_attribute(__u16 type, __u16 value, struct ikw_ike *out)
{
	switch (type) {
	case IKW_ATTR_SHORT | IKW_A_ENCR:
		out->encr = value;
		break;
	case IKW_ATTR_SHORT | IKW_A_KEYLEN:
		out->encr_keylen = value;
		break;
	case IKW_ATTR_SHORT | IKW_A_HASH:
		out->integ = value;
		break;
	case IKW_ATTR_SHORT | IKW_A_PRF:
		out->prf = value;
		break;
	case IKW_ATTR_SHORT | IKW_A_GROUP:
		out->dh = value;
		break;
	}
}

/* The responder's SA payload has one proposal with one transform, all in attributes. */
static __always_inline void ikw_choice_v1(const struct ikw_walk *walk, struct ikw_ike *out)
{
	__u32 offset = walk->sa + sizeof(struct ikw_payload) + IKW_IKE1_DOI_SITUATION, stop;
	const struct ikw_attribute *attr;
	const struct ikw_v1_transform *t;
	const struct ikw_proposal *p;
	__u16 type, value;

	p = (const void *)ikw_peek(walk, offset, sizeof(*p));
	if (!p)
		return;
	offset += sizeof(*p) + p->spi_size;
	t = (const void *)ikw_peek(walk, offset, sizeof(*t));
	if (!t)
		return;
	stop = offset + ikw_be16(t->length);
	offset += sizeof(*t);
	for (int i = 0; i < IKW_ATTRIBUTES && offset < stop; i++) {
		attr = (const void *)ikw_peek(walk, offset, sizeof(*attr));
		if (!attr)
			return;
		type = ikw_be16(attr->type);
		value = ikw_be16(attr->value);
		ikw_take_attribute(type, value, out);
		out->flags2 |= IKW_IKE_CHOICE;
		offset += sizeof(*attr) + (type & IKW_ATTR_SHORT ? 0 : value);
		if (offset > walk->limit)
			return;
		offset = ikw_forget(out, offset);
	}
}

static __always_inline int ikw_is_phase1(__u8 exchange)
{
	return exchange == IKW_IKE1_MAIN || exchange == IKW_IKE1_AGGRESSIVE ||
	       exchange == IKW_IKE1_BASE;
}

static __always_inline void ikw_read_v1(struct ikw_walk *walk, struct ikw_ike *out)
{
	if (out->ike_flags & IKW_IKE1_ENCRYPTED)
		return;
	ikw_walk_payloads(walk, out, IKW_IKE1_SA, IKW_IKE1_N);
	if (walk->notify)
		ikw_notify_v1(walk, out);
	if (walk->sa && ikw_is_phase1(out->exchange)) {
		out->flags2 |= IKW_IKE_HAS_SA;
		if (out->spi_r)
			ikw_choice_v1(walk, out);
	}
}

static __always_inline void ikw_read_v2(struct ikw_walk *walk, struct ikw_ike *out)
{
	ikw_walk_payloads(walk, out, IKW_IKE2_SA, IKW_IKE2_N);
	if (walk->notify)
		ikw_notify_v2(walk, out);
	if (walk->sa && out->exchange == IKW_IKE2_SA_INIT) {
		out->flags2 |= IKW_IKE_HAS_SA;
		if (out->ike_flags & IKW_IKE2_RESPONSE)
			ikw_choice_v2(walk, out);
	}
}

/* RFC 7383 2.5: fragment number and total follow the generic payload header. */
static __always_inline void ikw_read_skf(const struct ikw_walk *walk, struct ikw_ike *out)
{
	const __u8 *skf = ikw_peek(walk, sizeof(struct ikw_ike_header), 8);

	if (!skf)
		return;
	out->frag_number = ikw_be16(skf + 4);
	out->frag_total = ikw_be16(skf + 6);
}

/*
 * FNV-1a (64 bits folded to 32) over the whole 8-byte words among the 24 bytes
 * after the header, then over the bytes that are left: 3 dependent
 * multiplications in nearly every message. An Encrypted payload begins with
 * its length and the IV, which no two messages have in common.
 */
#define IKW_FNV_PRIME 0x100000001b3ULL
#define IKW_FNV_BASIS 0xcbf29ce484222325ULL

/*
 * What is read lies before a pointer that was compared as it is: of two pointers a
 * few bytes apart, the verifier of 7.2 may know the bounds of one better.
 */
static __always_inline __u32 ikw_digest(const __u8 *p, const __u8 *end, __u32 left)
{
	__u64 hash = IKW_FNV_BASIS;

	if (left > IKW_DIGEST_LEN)
		left = IKW_DIGEST_LEN;
	for (int i = 0; i < IKW_DIGEST_LEN / 8; i++) {
		if (left < 8)
			break;
		p += 8;
		asm volatile("" : "+r"(p));
		if (p > end) {
			p -= 8;
			break;
		}
		hash = (hash ^ IKW_LOAD(__u64, p - 8)) * IKW_FNV_PRIME;
		left -= 8;
	}
	for (int i = 0; i < 7; i++) {
		if (!left)
			break;
		p++;
		asm volatile("" : "+r"(p));
		if (p > end)
			break;
		hash = (hash ^ p[-1]) * IKW_FNV_PRIME;
		left--;
	}
	return (__u32)(hash ^ hash >> 32);
}

/* The same of a message that has as many bytes. */
static __always_inline __u32 ikw_digest_full(const __u8 *p)
{
	__u64 hash = IKW_FNV_BASIS;

	hash = (hash ^ IKW_LOAD(__u64, p)) * IKW_FNV_PRIME;
	hash = (hash ^ IKW_LOAD(__u64, p + 8)) * IKW_FNV_PRIME;
	hash = (hash ^ IKW_LOAD(__u64, p + 16)) * IKW_FNV_PRIME;
	return (__u32)(hash ^ hash >> 32);
}

static __always_inline void ikw_fill_header(const struct ikw_ike_header *ike, struct ikw_ike *out)
{
	out->spi_i = ikw_be64(ike->spi_i);
	out->spi_r = ikw_be64(ike->spi_r);
#if defined(__bpf__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	/* the four bytes from next on, turned by one */
	IKW_STORE(__u32, &out->version,
		  IKW_LOAD(__u32, &ike->next) >> 8 | IKW_LOAD(__u32, &ike->next) << 24);
#else
	out->next_payload = ike->next;
	out->version = ike->version;
	out->exchange = ike->exchange;
	out->ike_flags = ike->flags;
#endif
	out->message_id = ikw_be32(ike->message_id);
	out->length = ikw_be32(ike->length);
}

/* What every message has. Returns the bytes of it that were sent. */
static __always_inline __u32 ikw_fill_outside(const struct ikw_packet *pkt, const __u8 *end,
					      enum ikw_dir dir, struct ikw_ike *out)
{
	ikw_fill_addrs(pkt->saddr, end, pkt->family, out->saddr, out->daddr);
	out->sport = pkt->sport;
	out->dport = pkt->dport;
	out->dir = dir;
	ikw_fill_header((const void *)pkt->at, out);
	if (pkt->natt)
		out->flags2 |= IKW_IKE_NATT;
	if (pkt->fragment)
		out->flags2 |= IKW_IKE_FRAGMENT;
	else if (out->length > pkt->len)
		out->flags2 |= IKW_IKE_SHORT;
	return out->length < pkt->len ? out->length : pkt->len;
}

_Static_assert(sizeof(struct ikw_ike) - __builtin_offsetof(struct ikw_ike, sport) == 32,
	       "ikw_fill_sealed() zeroes it");

/* Nothing behind the header is in clear: an IKEv2 message that is an Encrypted payload. */
static __always_inline int ikw_is_sealed(const struct ikw_ike_header *ike)
{
	return ike->version >> 4 != 1 && ike->next == IKW_IKE2_SK;
}

/*
 * As ikw_fill_ike(), of a message of which that is known: nearly all of them.
 * The record need not be zeroed: what is not filled here is.
 */
static __always_inline void ikw_fill_sealed(const struct ikw_packet *pkt, const __u8 *end,
					    enum ikw_dir dir, struct ikw_ike *out)
{
	const __u32 header = sizeof(struct ikw_ike_header);
	__u64 *words = (void *)&out->sport;
	__u32 sent;

	words[0] = words[1] = words[2] = words[3] = 0;
	sent = ikw_fill_outside(pkt, end, dir, out);
	out->digest = ikw_digest(pkt->at + header, end, sent - header);
}

#define IKW_QUICK_MIN (sizeof(struct ikw_ike_header) + IKW_DIGEST_LEN)

/*
 * Whether the datagram at `p` (`len` bytes) is one sealed IKEv2 message, no more
 * and no less, and long enough for ikw_digest_full(). IKW_QUICK_MIN bytes are there.
 */
static __always_inline int ikw_is_quick(const __u8 *p, __u32 len)
{
	const struct ikw_ike_header *ike = (const void *)p;

	return len >= IKW_QUICK_MIN && ikw_be32(ike->length) == len && ike->next == IKW_IKE2_SK &&
	       ike->version >> 4 == 2;
}

/*
 * What a struct ikw_quick has of such a message, `at` bytes (28 or 32, a constant)
 * behind the start of a plain IPv4 header; `digest` and what comes before the
 * addresses, but for `udp_length`, are the caller's.
 */
static __always_inline void ikw_quick_fill(const __u8 *ip, __u32 at, struct ikw_quick *out)
{
	const struct ikw_udp *udp = (const void *)(ip + sizeof(struct ikw_ipv4));

	IKW_STORE(__u16, out->udp_length, IKW_LOAD(__u16, udp->length));
	IKW_STORE(__u64, out->saddr, IKW_LOAD(__u64, ((const struct ikw_ipv4 *)ip)->src));
	IKW_STORE(__u32, out->sport, IKW_LOAD(__u32, udp->sport));
	IKW_STORE(__u64, out->spi_i, IKW_LOAD(__u64, ip + at));
	IKW_STORE(__u64, out->spi_r, IKW_LOAD(__u64, ip + at + 8));
	IKW_STORE(__u64, &out->marked, IKW_LOAD(__u64, ip + at + 16));
	out->marked = at != sizeof(struct ikw_ipv4) + sizeof(*udp);
}

/* The digest of such a message. */
static __always_inline __u32 ikw_quick_digest(const __u8 *ip, __u32 at)
{
	return ikw_digest_full(ip + at + sizeof(struct ikw_ike_header));
}

/*
 * The record that ikw_fill_ike() would have made of the same packet, its header and
 * `ifindex` included. 0: no program of ours made this.
 */
static __always_inline int ikw_quick_open(const struct ikw_quick *quick, struct ikw_ike *out)
{
	__u32 outside = sizeof(struct ikw_udp), length = ikw_be16(quick->udp_length);

	if (quick->marked)
		outside += IKW_MARKER_LEN;
	if (quick->marked > 1 || length < outside + IKW_QUICK_MIN)
		return 0;
	*out = (struct ikw_ike){ .hdr = { .type = IKW_EV_IKE, .size = sizeof(*out) } };
	out->hdr.cpu = quick->cpu;
	out->hdr.time = quick->time;
	out->hdr.seq = quick->seq;
	out->hdr.netns = quick->netns;
	out->ifindex = quick->ifindex;
	ikw_fill_addrs(quick->saddr, quick->sport, 4, out->saddr, out->daddr);
	out->spi_i = ikw_be64(quick->spi_i);
	out->spi_r = ikw_be64(quick->spi_r);
	out->message_id = ikw_be32(quick->message_id);
	out->length = length - outside;
	out->digest = quick->digest;
	out->sport = ikw_be16(quick->sport);
	out->dport = ikw_be16(quick->dport);
	out->version = quick->version;
	out->exchange = quick->exchange;
	out->ike_flags = quick->ike_flags;
	out->next_payload = IKW_IKE2_SK;
	out->dir = IKW_DIR_IN;
	out->flags2 = quick->marked ? IKW_IKE_NATT : 0;
	return 1;
}

/*
 * Fills a zeroed record from a packet of kind IKE; `hdr` and `ifindex` are the
 * caller's. `end` is that of ikw_parse().
 */
static __always_inline void ikw_fill_ike(const struct ikw_packet *pkt, const __u8 *end,
					 enum ikw_dir dir, struct ikw_ike *out)
{
	struct ikw_walk walk = { .at = pkt->at, .end = end };
	const __u32 header = sizeof(struct ikw_ike_header);

	walk.limit = ikw_fill_outside(pkt, end, dir, out);
	/* a pointer of its own, so that what is checked there is not remembered of walk.at */
	out->digest =
		ikw_digest(walk.at + (ikw_forget(out, header) & 0x3f), end, walk.limit - header);
	walk.limit = ikw_forget(out, walk.limit);
	if (out->version >> 4 == 1)
		ikw_read_v1(&walk, out);
	else if (out->next_payload == IKW_IKE2_SKF)
		ikw_read_skf(&walk, out);
	else if (out->next_payload != IKW_IKE2_SK)
		ikw_read_v2(&walk, out);
}

#endif /* IKEWATCH_BPF_IKE_H */
