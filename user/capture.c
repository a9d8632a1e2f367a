// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_PCAP	0xa1b2c3d4U
#define MAGIC_PCAP_NANO 0xa1b23c4dU
#define MAGIC_PCAPNG	0x0a0d0d0aU /* a section header block's type */
#define MAGIC_ORDER	0x1a2b3c4dU /* pcapng's byte order mark */

/* Records longer than this are taken for damage: far above any snap length. */
#define RECORD_MAX (16u << 20)
#define INTERFACES 4096

/* Block types and options of pcapng (draft-ietf-opsawg-pcapng). */
enum { BLOCK_INTERFACE = 1, BLOCK_PACKET_OLD = 2, BLOCK_SIMPLE = 3, BLOCK_ENHANCED = 6 };
enum { OPTION_END = 0, OPTION_TSRESOL = 9, OPTION_TSOFFSET = 14 };

struct interface {
	unsigned int linktype;
	uint32_t snaplen;
	uint8_t resolution; /* as in the option: 10^-n, or 2^-n with the high bit */
	int64_t offset;	    /* seconds to add */
};

struct ikw_capture {
	FILE *file;
	bool ng;
	bool begun; /* pcapng: the type of the first block is past */
	bool swapped;
	unsigned int digits; /* pcap */
	struct interface *interfaces;
	size_t interface_count;
	uint8_t *bytes;
	size_t room;
};

/* ---- numbers ------------------------------------------------------------------ */

static uint32_t get32(const struct ikw_capture *c, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return c->swapped ? __builtin_bswap32(v) : v;
}

static uint16_t get16(const struct ikw_capture *c, const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return c->swapped ? __builtin_bswap16(v) : v;
}

static uint64_t get64(const struct ikw_capture *c, const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return c->swapped ? __builtin_bswap64(v) : v;
}

/* ---- reading -------------------------------------------------------------------- */

/* Exactly len bytes; END when there is not one, CUT when there are fewer. */
static enum ikw_capture_result take(struct ikw_capture *c, void *to, size_t len)
{
	size_t got = fread(to, 1, len, c->file);

	if (got == len)
		return IKW_CAPTURE_PACKET;
	return got ? IKW_CAPTURE_CUT : IKW_CAPTURE_END;
}

/* The same into the reader's buffer, inside a record: not one byte is CUT too. */
static enum ikw_capture_result take_body(struct ikw_capture *c, size_t len)
{
	uint8_t *bytes;

	if (len > RECORD_MAX)
		return IKW_CAPTURE_BROKEN;
	if (len > c->room || !c->bytes) {
		bytes = realloc(c->bytes, len + 1); /* an empty packet has a place too */
		if (!bytes)
			return IKW_CAPTURE_BROKEN;
		c->bytes = bytes;
		c->room = len;
	}
	if (len && take(c, c->bytes, len) != IKW_CAPTURE_PACKET)
		return IKW_CAPTURE_CUT;
	return IKW_CAPTURE_PACKET;
}

/* ---- pcap --------------------------------------------------------------------------- */

static enum ikw_capture_result pcap_begin(struct ikw_capture *c)
{
	uint8_t header[20]; /* what follows the magic */
	enum ikw_capture_result r = take(c, header, sizeof(header));

	if (r != IKW_CAPTURE_PACKET)
		return IKW_CAPTURE_CUT;
	c->interfaces = calloc(1, sizeof(*c->interfaces));
	if (!c->interfaces)
		return IKW_CAPTURE_BROKEN;
	c->interface_count = 1;
	/* the upper bits may hold the length of a frame check sequence */
	c->interfaces[0].linktype = get32(c, header + 16) & 0xffff;
	return IKW_CAPTURE_PACKET;
}

static enum ikw_capture_result pcap_next(struct ikw_capture *c, struct ikw_captured *packet)
{
	uint8_t header[16];
	enum ikw_capture_result r = take(c, header, sizeof(header));

	if (r != IKW_CAPTURE_PACKET)
		return r;
	packet->sec = get32(c, header);
	packet->frac = get32(c, header + 4);
	packet->digits = c->digits;
	packet->linktype = c->interfaces[0].linktype;
	packet->len = get32(c, header + 8);
	r = take_body(c, packet->len);
	packet->bytes = c->bytes;
	return r;
}

/* ---- pcapng -------------------------------------------------------------------------- */

/* A section header: its type has been read; sets the byte order, forgets the interfaces. */
static enum ikw_capture_result section_begin(struct ikw_capture *c)
{
	uint8_t head[8]; /* total length, byte order mark */
	uint32_t mark, total;

	if (take(c, head, sizeof(head)) != IKW_CAPTURE_PACKET)
		return IKW_CAPTURE_CUT;
	memcpy(&mark, head + 4, sizeof(mark));
	if (mark != MAGIC_ORDER && mark != __builtin_bswap32(MAGIC_ORDER))
		return IKW_CAPTURE_BROKEN;
	c->swapped = mark != MAGIC_ORDER;
	c->interface_count = 0;
	total = get32(c, head);
	if (total < 28 || total % 4)
		return IKW_CAPTURE_BROKEN;
	return take_body(c, total - 12);
}

static void interface_option(const struct ikw_capture *c, struct interface *i, uint16_t code,
			     const uint8_t *value, size_t len)
{
	if (code == OPTION_TSRESOL && len >= 1)
		i->resolution = value[0];
	if (code == OPTION_TSOFFSET && len >= 8)
		i->offset = (int64_t)get64(c, value);
}

static enum ikw_capture_result interface_add(struct ikw_capture *c, size_t len)
{
	struct interface *more, *i;
	size_t at = 8;

	if (len < 8 || c->interface_count == INTERFACES)
		return IKW_CAPTURE_BROKEN;
	more = realloc(c->interfaces, (c->interface_count + 1) * sizeof(*more));
	if (!more)
		return IKW_CAPTURE_BROKEN;
	c->interfaces = more;
	i = &more[c->interface_count++];
	*i = (struct interface){ .linktype = get16(c, c->bytes),
				 .resolution = 6,
				 .snaplen = get32(c, c->bytes + 4) };
	while (at + 4 <= len) {
		uint16_t code = get16(c, c->bytes + at);
		size_t size = get16(c, c->bytes + at + 2);

		at += 4;
		if (code == OPTION_END || size > len - at)
			break;
		interface_option(c, i, code, c->bytes + at, size);
		at += (size + 3) & ~(size_t)3;
	}
	return IKW_CAPTURE_PACKET;
}

/* Units of the interface into seconds and a decimal fraction with all its digits. */
static void set_time(const struct interface *i, uint64_t units, struct ikw_captured *packet)
{
	unsigned int n = i->resolution & 0x7f;
	uint64_t second = 1;

	if (i->resolution & 0x80) {
		if (n > 63)
			n = 63;
		packet->digits = 9;
		packet->sec = units >> n;
		packet->frac =
			(uint64_t)((unsigned __int128)(units & ((1ULL << n) - 1)) * 1000000000 >>
				   n);
	} else {
		if (n > 19)
			n = 19;
		for (unsigned int d = 0; d < n; d++)
			second *= 10;
		packet->digits = n;
		packet->sec = units / second;
		packet->frac = units % second;
	}
	packet->sec += (uint64_t)i->offset;
}

/* A packet whose data begin at `at` of the block; `wanted` bytes of them. */
static enum ikw_capture_result set_data(struct ikw_capture *c, size_t len, size_t at, size_t wanted,
					struct ikw_captured *packet)
{
	if (wanted > len - at)
		return IKW_CAPTURE_UNREADABLE;
	packet->bytes = c->bytes + at;
	packet->len = wanted;
	return IKW_CAPTURE_PACKET;
}

static enum ikw_capture_result enhanced(struct ikw_capture *c, size_t len, bool old,
					struct ikw_captured *packet)
{
	const struct interface *i;
	uint32_t id;

	if (len < 20)
		return IKW_CAPTURE_UNREADABLE;
	id = old ? get16(c, c->bytes) : get32(c, c->bytes);
	if (id >= c->interface_count)
		return IKW_CAPTURE_UNREADABLE;
	i = &c->interfaces[id];
	packet->linktype = i->linktype;
	set_time(i, (uint64_t)get32(c, c->bytes + 4) << 32 | get32(c, c->bytes + 8), packet);
	return set_data(c, len, 20, get32(c, c->bytes + 12), packet);
}

/* A simple packet block has no time and no captured length: the snap length cuts it. */
static enum ikw_capture_result simple(struct ikw_capture *c, size_t len,
				      struct ikw_captured *packet)
{
	size_t wanted;

	if (len < 4 || !c->interface_count)
		return IKW_CAPTURE_UNREADABLE;
	wanted = get32(c, c->bytes);
	if (c->interfaces[0].snaplen && wanted > c->interfaces[0].snaplen)
		wanted = c->interfaces[0].snaplen;
	if (wanted > len - 4)
		wanted = len - 4;
	packet->linktype = c->interfaces[0].linktype;
	set_time(&c->interfaces[0], 0, packet);
	return set_data(c, len, 4, wanted, packet);
}

/* One block whose body of `len` bytes is in the buffer. END: it was none with a packet. */
static enum ikw_capture_result block(struct ikw_capture *c, uint32_t type, size_t len,
				     struct ikw_captured *packet)
{
	enum ikw_capture_result r;

	switch (type) {
	case BLOCK_INTERFACE:
		r = interface_add(c, len);
		return r == IKW_CAPTURE_PACKET ? IKW_CAPTURE_END : r;
	case BLOCK_ENHANCED:
		return enhanced(c, len, false, packet);
	case BLOCK_PACKET_OLD:
		return enhanced(c, len, true, packet);
	case BLOCK_SIMPLE:
		return simple(c, len, packet);
	default:
		return IKW_CAPTURE_END;
	}
}

/* Reads one block's body: its type has been read. */
static enum ikw_capture_result block_body(struct ikw_capture *c, size_t *len)
{
	uint8_t word[4];
	uint32_t total;

	if (take(c, word, sizeof(word)) != IKW_CAPTURE_PACKET)
		return IKW_CAPTURE_CUT;
	total = get32(c, word);
	if (total < 12 || total % 4)
		return IKW_CAPTURE_BROKEN;
	*len = total - 12;
	/* the body and the length once more */
	return take_body(c, *len + 4);
}

static enum ikw_capture_result ng_next(struct ikw_capture *c, struct ikw_captured *packet)
{
	enum ikw_capture_result r;
	uint8_t word[4];
	size_t len;

	for (;;) {
		r = c->begun ? take(c, word, sizeof(word)) : IKW_CAPTURE_PACKET;
		if (r != IKW_CAPTURE_PACKET)
			return r;
		/* its type reads the same in both orders */
		if (!c->begun || get32(c, word) == MAGIC_PCAPNG) {
			c->begun = true;
			r = section_begin(c);
			if (r != IKW_CAPTURE_PACKET)
				return r;
			continue;
		}
		r = block_body(c, &len);
		if (r != IKW_CAPTURE_PACKET)
			return r;
		r = block(c, get32(c, word), len, packet);
		if (r != IKW_CAPTURE_END)
			return r;
	}
}

/* ---- the file --------------------------------------------------------------------------- */

static bool set_magic(struct ikw_capture *c, uint32_t magic)
{
	if (magic == MAGIC_PCAPNG) {
		c->ng = true;
		return true;
	}
	c->swapped = magic == __builtin_bswap32(MAGIC_PCAP) ||
		     magic == __builtin_bswap32(MAGIC_PCAP_NANO);
	if (c->swapped)
		magic = __builtin_bswap32(magic);
	c->digits = magic == MAGIC_PCAP_NANO ? 9 : 6;
	return magic == MAGIC_PCAP || magic == MAGIC_PCAP_NANO;
}

struct ikw_capture *ikw_capture_open(const char *path, char *why, size_t size)
{
	struct ikw_capture *c = calloc(1, sizeof(*c));
	uint32_t magic = 0;

	if (!c) {
		snprintf(why, size, "%s: out of memory", path);
		return NULL;
	}
	c->file = fopen(path, "rbe");
	if (!c->file) {
		snprintf(why, size, "%s: %s", path, strerror(errno));
	} else if (fread(&magic, sizeof(magic), 1, c->file) != 1 || !set_magic(c, magic)) {
		snprintf(why, size, "%s: %s", path,
			 ferror(c->file) ? strerror(errno) : "not a pcap or pcapng file");
	} else {
		return c;
	}
	ikw_capture_close(c);
	return NULL;
}

enum ikw_capture_result ikw_capture_next(struct ikw_capture *c, struct ikw_captured *packet)
{
	enum ikw_capture_result r = IKW_CAPTURE_PACKET;

	if (c->ng)
		return ng_next(c, packet);
	if (!c->interfaces)
		r = pcap_begin(c);
	return r == IKW_CAPTURE_PACKET ? pcap_next(c, packet) : r;
}

void ikw_capture_close(struct ikw_capture *c)
{
	if (!c)
		return;
	if (c->file)
		fclose(c->file);
	free(c->interfaces);
	free(c->bytes);
	free(c);
}
