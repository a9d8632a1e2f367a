/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Recordings: an event stream in a file, as JSON Lines. The first line is a
 * header, every other one an event (user/event.h). Empty lines and lines that
 * begin with # are passed over, so that a recording can be written by hand.
 */
#ifndef IKEWATCH_RECORDING_H
#define IKEWATCH_RECORDING_H

#include <stddef.h>
#include <stdint.h>
#include "bpf/ikewatch_event.h"

#define IKW_RECORDING_VERSION  1
#define IKW_RECORDING_LINE_MAX 65536 /* the longest record takes some 4 KiB */

struct ikw_recording_header {
	char vsys[64];	    /* struct ikw_model_config.vsys */
	uint64_t settle_ns; /* struct ikw_model_config.settle_ns; 0: the default */
	char host[65];	    /* where it was recorded; for people */
	char version[32];   /* of the ikewatch that recorded it; for people */
	char started[32];   /* RFC 3339, UTC; for people */
};

/* Fills host, version and started of this machine, now. vsys as given. */
void ikw_recording_describe(struct ikw_recording_header *header, const char *vsys);

/* The header as the first line of a recording, without a line end; malloc'd; NULL without memory.
 */
char *ikw_recording_header_line(const struct ikw_recording_header *header);

/* ---- writing ---------------------------------------------------------- */

struct ikw_recorder;

/*
 * Creates (or empties) the file and writes the header; "-" is stdout. NULL with
 * the cause in why ("FILE: No space left on device").
 */
struct ikw_recorder *ikw_recorder_open(const char *path, const struct ikw_recording_header *header,
				       char *why, size_t size);

/*
 * Writes one event, or a line that is one already (no line end). Buffered.
 * 0, or -1 after any failure, which stays: close says what it was.
 */
int ikw_recorder_event(struct ikw_recorder *recorder, const union ikw_event *event);
int ikw_recorder_line(struct ikw_recorder *recorder, const char *line, size_t len);

/* Gives what is buffered to the kernel. 0 or -1 as above. */
int ikw_recorder_flush(struct ikw_recorder *recorder);

/* Events written so far. */
uint64_t ikw_recorder_events(const struct ikw_recorder *recorder);

/* Flushes and frees. 0; -1 with the cause in why when anything was not written. NULL is fine. */
int ikw_recorder_close(struct ikw_recorder *recorder, char *why, size_t size);

/* ---- reading ---------------------------------------------------------- */

struct ikw_recording;

/* Opens a recording and reads its header; "-" is stdin. NULL with the cause in why. */
struct ikw_recording *ikw_recording_open(const char *path, char *why, size_t size);

/* The same from a descriptor, which is closed with it, also on failure; name is for messages. */
struct ikw_recording *ikw_recording_from_fd(int fd, const char *name, char *why, size_t size);

const struct ikw_recording_header *ikw_recording_header(const struct ikw_recording *recording);

/*
 * Reads the next event. 1; 0 at the end; -1 with "FILE:LINE: cause" in why when
 * a line is cut, corrupt or no event.
 */
int ikw_recording_next(struct ikw_recording *recording, union ikw_event *event, char *why,
		       size_t size);

void ikw_recording_close(struct ikw_recording *recording);

#endif
