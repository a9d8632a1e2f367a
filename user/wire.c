// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "wire.h"
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Bytes with an end; a read beyond it marks them short and gives zero. */
struct bytes {
	const uint8_t *data;
	size_t len;
	size_t at;
	bool is_short;
};

static uint32_t take(struct bytes *b, size_t n)
{
	uint32_t value = 0;

	if (n > b->len - b->at) {
		b->is_short = true;
		b->at = b->len;
		return 0;
	}
	while (n--)
		value = value << 8 | b->data[b->at++];
	return value;
}

static const uint8_t *skip(struct bytes *b, size_t n)
{
	const uint8_t *from = b->data + b->at;

	if (n > b->len - b->at) {
		b->is_short = true;
		b->at = b->len;
		return NULL;
	}
	b->at += n;
	return from;
}

static void set_v4(uint8_t addr[IKW_ADDR_LEN], const uint8_t *v4)
{
	memset(addr, 0, IKW_ADDR_LEN);
	addr[10] = addr[11] = 0xff;
	memcpy(addr + 12, v4, 4);
}

/* Text from the network: what is not printable ASCII becomes '?'. */
static void set_user(struct ikw_wire *w, const uint8_t *text, size_t len)
{
	if (len > sizeof(w->user) - 1)
		len = sizeof(w->user) - 1;
	for (size_t i = 0; i < len; i++)
		w->user[i] = (char)(text[i] > 0x20 && text[i] < 0x7f ? text[i] : '?');
	w->user[len] = 0;
}

/* RFC 2865 3 and 5, RFC 5176 2.3: code, identifier, length, authenticator, attributes. */
static size_t read_radius(struct bytes b, struct ikw_wire *w)
{
	uint32_t length;

	w->code = (uint16_t)take(&b, 1);
	w->id = take(&b, 1);
	length = take(&b, 2);
	if (!skip(&b, 16) || length < 20)
		return 0;
	if (length < b.len)
		b.len = length;
	while (b.at + 2 <= b.len) {
		uint32_t type = take(&b, 1), size = take(&b, 1);
		const uint8_t *value = size < 2 ? NULL : skip(&b, size - 2);

		if (!value)
			break;
		if (type == 1) /* User-Name */
			set_user(w, value, size - 2);
		else if (type == 8 && size == 6) /* Framed-IP-Address */
			set_v4(w->addr, value);
		else if (type == 27 && size == 6) /* Session-Timeout */
			w->value = (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 |
				   (uint32_t)value[2] << 8 | value[3];
	}
	return 1;
}

/* RFC 5880 4.1: version and diagnostic, state and flags, multiplier, length, discriminators. */
static size_t read_bfd(struct bytes b, struct ikw_wire *w)
{
	uint32_t first = take(&b, 1), second = take(&b, 1), length;

	take(&b, 1);
	length = take(&b, 1);
	w->id = take(&b, 4);
	if (b.is_short || first >> 5 != 1 || length < 24 || !w->id)
		return 0;
	w->code = (uint16_t)(second >> 6);
	w->value = first & 0x1f;
	return 1;
}

/* RFC 5798 5.1, RFC 3768 5.1: version and type, VRID, priority. */
static size_t read_vrrp(struct bytes b, struct ikw_wire *w)
{
	uint32_t first = take(&b, 1);

	w->id = take(&b, 1);
	w->code = (uint16_t)take(&b, 1);
	return !b.is_short && (first == 0x21 || first == 0x31);
}

/* RFC 792, RFC 4443 4.1 */
static size_t read_echo(struct bytes b, struct ikw_wire *w)
{
	w->code = (uint16_t)take(&b, 1);
	skip(&b, 3);
	w->id = take(&b, 2);
	w->value = take(&b, 2);
	return !b.is_short;
}

/* ---- DNS: RFC 1035 4.1 ------------------------------------------------------ */

enum { DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28 };

/* The question's name, lower case, without its last dot. A pointer has no place there. */
static bool dns_name(struct bytes *b, char *out, size_t size)
{
	size_t n = 0;

	for (;;) {
		uint32_t len = take(b, 1);

		if (b->is_short || len > 63)
			return false;
		if (!len)
			break;
		if (n && n + 1 < size)
			out[n++] = '.';
		while (len--) {
			uint32_t c = take(b, 1);

			if (c >= 'A' && c <= 'Z')
				c += 'a' - 'A';
			if (n + 1 < size)
				out[n++] = (char)(c > 0x20 && c < 0x7f ? c : '?');
		}
	}
	out[n] = 0;
	return n && !b->is_short;
}

/* An owner's name, with its pointer (RFC 1035 4.1.4) left unfollowed. */
static bool dns_skip_name(struct bytes *b)
{
	for (;;) {
		uint32_t len = take(b, 1);

		if (b->is_short)
			return false;
		if (!len)
			return true;
		if (len >> 6 == 3) {
			skip(b, 1);
			return !b->is_short;
		}
		if (len > 63 || !skip(b, len))
			return false;
	}
}

static bool dns_address(struct bytes *b, uint32_t want, struct ikw_wire *w, bool *hit)
{
	uint32_t type, size;
	const uint8_t *data;

	*hit = false;
	if (!dns_skip_name(b))
		return false;
	type = take(b, 2);
	skip(b, 2);
	w->value = take(b, 4);
	size = take(b, 2);
	data = skip(b, size);
	if (!data || b->is_short)
		return false;
	if (type != want)
		return true;
	if (type == DNS_A && size == 4)
		set_v4(w->addr, data);
	else if (type == DNS_AAAA && size == IKW_ADDR_LEN)
		memcpy(w->addr, data, IKW_ADDR_LEN);
	else
		return false;
	*hit = true;
	return true;
}

/* An answer: a record for each address of the type that was asked for, or one without any. */
static size_t read_dns(struct bytes b, struct ikw_wire *out)
{
	uint32_t id = take(&b, 2), flags = take(&b, 2), questions = take(&b, 2),
		 answers = take(&b, 2), type;
	const struct ikw_wire blank = out[0];
	size_t n = 0;

	skip(&b, 4);
	if ((flags >> 11 & 0xf) || questions != 1)
		return 0;
	if (!dns_name(&b, out[0].user, sizeof(out[0].user)))
		return 0;
	type = take(&b, 2);
	skip(&b, 2);
	if (b.is_short || (type != DNS_A && type != DNS_AAAA))
		return 0;
	out[0].code = (uint16_t)(flags & 0xf);
	out[0].id = id << 16 | type;
	if (!(flags >> 15)) {
		out[0].code = IKW_DNS_QUERY;
		return 1;
	}
	while (answers-- && n < IKW_WIRE_RECORDS) {
		struct ikw_wire *w = &out[n];
		bool hit;

		if (n) {
			*w = blank;
			w->hdr.seq = 0;
			w->code = out[0].code;
			w->id = out[0].id;
			memcpy(w->user, out[0].user, sizeof(w->user));
		}
		if (!dns_address(&b, type, w, &hit))
			break;
		n += hit;
	}
	/* cut off (TC, or beyond what was copied): the list would not be whole */
	if (b.is_short || flags & 0x200)
		return 0;
	for (size_t i = 0; i < n; i++)
		out[i].value2 = (uint32_t)n;
	if (!n)
		out[0].value = 0;
	return n ? n : 1;
}

/* ---- DHCP: RFC 2131 2, RFC 2132 9 --------------------------------------------- */

static size_t read_dhcp(struct bytes b, struct ikw_wire *w)
{
	static const uint8_t cookie[4] = { 99, 130, 83, 99 }, none[4];
	const uint8_t *ciaddr, *yiaddr, *magic;

	skip(&b, 12);
	ciaddr = skip(&b, 4);
	yiaddr = skip(&b, 4);
	skip(&b, 236 - 20);
	magic = skip(&b, 4);
	if (b.is_short || memcmp(magic, cookie, sizeof(cookie)))
		return 0;
	if (memcmp(yiaddr, none, sizeof(none)))
		set_v4(w->addr, yiaddr);
	else if (memcmp(ciaddr, none, sizeof(none)))
		set_v4(w->addr, ciaddr);
	while (b.at < b.len) {
		uint32_t option = take(&b, 1), size;
		const uint8_t *value;

		if (option == 255)
			break;
		if (!option)
			continue;
		size = take(&b, 1);
		value = skip(&b, size);
		if (!value || b.is_short)
			break;
		if (option == 53 && size == 1)
			w->code = value[0];
		else if (option == 51 && size == 4)
			w->value = (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 |
				   (uint32_t)value[2] << 8 | value[3];
	}
	return w->code != 0;
}

/* ---- strongSwan's ha plugin ------------------------------------------------------ */

enum { CLUSTER_IKE_ID = 1, CLUSTER_INITIATOR = 14, CLUSTER_SPI_IN = 27, CLUSTER_SPI_OUT = 28 };

/* What version 4 has before the SPIs, for further key exchanges (RFC 9370), moves their numbers. */
static uint32_t cluster_moved(uint32_t version)
{
	return version == IKW_CLUSTER_VERSION_6 ? 2 : 0;
}

/*
 * ha_message.c adds an SPI, which charon has as on the wire, with htonl(): a little
 * endian node sends its bytes turned round. The nodes of a cluster share one order.
 */
static uint32_t take_spi(struct bytes *b)
{
	return htonl(take(b, 4));
}

/*
 * Version, type, attributes without lengths: what is read comes first. An IKE_SA is
 * named by its version, its SPIs and whether the node began it (ike_sa_id_t).
 */
static size_t read_cluster(struct bytes b, struct ikw_wire *w)
{
	uint32_t version = take(&b, 1);
	const uint8_t *spis;

	w->code = (uint16_t)take(&b, 1);
	if (b.is_short || version < IKW_CLUSTER_VERSION || version > IKW_CLUSTER_VERSION_6)
		return 0;
	if (w->code < IKW_CLUSTER_IKE_DELETE || w->code > IKW_CLUSTER_CHILD_DELETE)
		return 1;
	if (take(&b, 1) != CLUSTER_IKE_ID)
		return 0;
	take(&b, 1);
	spis = skip(&b, 16);
	take(&b, 1);
	if (!spis || b.is_short)
		return 0;
	memcpy(w->addr, spis, 16);
	while (w->code != IKW_CLUSTER_IKE_DELETE && b.at < b.len && !w->value) {
		uint32_t attribute = take(&b, 1);

		if (attribute == CLUSTER_INITIATOR)
			take(&b, 1);
		else if (attribute == CLUSTER_SPI_IN + cluster_moved(version))
			w->id = take_spi(&b);
		else if (attribute == CLUSTER_SPI_OUT + cluster_moved(version))
			w->value = take_spi(&b);
		else
			break;
	}
	return !b.is_short && (w->id || w->code == IKW_CLUSTER_IKE_DELETE);
}

static void begin(const struct ikw_raw *raw, struct ikw_wire *w)
{
	memset(w, 0, sizeof(*w));
	w->hdr = raw->hdr;
	w->hdr.type = IKW_EV_WIRE;
	w->hdr.size = sizeof(*w);
	memcpy(w->saddr, raw->saddr, IKW_ADDR_LEN);
	memcpy(w->daddr, raw->daddr, IKW_ADDR_LEN);
	w->sport = raw->sport;
	w->dport = raw->dport;
	w->ifindex = raw->ifindex;
	w->kind = raw->kind;
	w->dir = raw->dir;
}

size_t ikw_wire_read(const struct ikw_raw *raw, struct ikw_wire out[IKW_WIRE_RECORDS])
{
	struct bytes b = { .data = raw->data, .len = raw->len };

	if (b.len > IKW_RAW_LEN)
		b.len = IKW_RAW_LEN;
	begin(raw, out);
	switch (raw->kind) {
	case IKW_WIRE_RADIUS:
		return read_radius(b, out);
	case IKW_WIRE_BFD:
		return read_bfd(b, out);
	case IKW_WIRE_VRRP:
		return read_vrrp(b, out);
	case IKW_WIRE_DNS:
		return read_dns(b, out);
	case IKW_WIRE_DHCP:
		return read_dhcp(b, out);
	case IKW_WIRE_ECHO:
		return read_echo(b, out);
	case IKW_WIRE_CLUSTER:
		return read_cluster(b, out);
	default:
		return 0;
	}
}
