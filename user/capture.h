/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Capture files, pcap and pcapng. A reader of our own, for libpcap gives up on
 * a pcapng whose interfaces have different link types (what a capture on "any
 * of these" is), and hides how many digits a time really had.
 */
#ifndef IKEWATCH_CAPTURE_H
#define IKEWATCH_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

/* LINKTYPE_* of the pcap registry; the ones that `decode` knows. */
enum ikw_linktype {
	IKW_LINKTYPE_NULL = 0,
	IKW_LINKTYPE_ETHERNET = 1,
	IKW_LINKTYPE_DLT_RAW = 12, /* DLT_RAW where a file was written with the DLT */
	IKW_LINKTYPE_DLT_RAW_OPENBSD = 14,
	IKW_LINKTYPE_RAW = 101,
	IKW_LINKTYPE_LOOP = 108,
	IKW_LINKTYPE_LINUX_SLL = 113,
	IKW_LINKTYPE_IPV4 = 228,
	IKW_LINKTYPE_IPV6 = 229,
	IKW_LINKTYPE_LINUX_SLL2 = 276,
};

struct ikw_capture;

struct ikw_captured {
	uint64_t sec;  /* since the epoch */
	uint64_t frac; /* of a second, in units of 10^-digits */
	unsigned int digits;
	unsigned int linktype;
	uint8_t *bytes; /* the reader's, until the next call; may be changed */
	size_t len;	/* of what was captured */
};

enum ikw_capture_result {
	IKW_CAPTURE_PACKET = 0,
	IKW_CAPTURE_UNREADABLE, /* a packet whose record contradicts itself; the next can be found
				 */
	IKW_CAPTURE_END,
	IKW_CAPTURE_CUT,    /* the file ends inside a record */
	IKW_CAPTURE_BROKEN, /* a record that makes no sense; what follows cannot be found */
};

/* Opens a file. NULL with the cause in why: it cannot be read, or is no capture. */
struct ikw_capture *ikw_capture_open(const char *path, char *why, size_t size);

/* The next packet. After anything but PACKET and UNREADABLE there is nothing more. */
enum ikw_capture_result ikw_capture_next(struct ikw_capture *capture, struct ikw_captured *packet);

/* NULL is fine. */
void ikw_capture_close(struct ikw_capture *capture);

#endif
