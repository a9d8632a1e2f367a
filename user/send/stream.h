/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A TCP or TLS connection on which messages are sent that nobody acknowledges. */
#ifndef IKEWATCH_SEND_STREAM_H
#define IKEWATCH_SEND_STREAM_H

#include "send.h"

struct ikw_stream;

/* The settings address (HOST:PORT) and, for TLS, ca-file, certificate, private-key. */
bool ikw_stream_check(struct ikw_sink *sink, bool tls);

/* Connects within the sink's timeout; with TLS the receiver's certificate and name must be
 * good. NULL after ikw_sink_fail(). */
struct ikw_stream *ikw_stream_connect(struct ikw_sink *sink, bool tls);
void ikw_stream_close(struct ikw_stream *stream);

/*
 * Writes the message of alarm id whole. False after ikw_sink_fail(); sink->resend_from
 * then is the first alarm that the receiver may not have read.
 */
bool ikw_stream_write(struct ikw_stream *stream, const char *text, size_t len, uint64_t id);

/* Waits until the other side's kernel has everything. False as above. */
bool ikw_stream_flush(struct ikw_stream *stream);

/* A connected UDP socket to the same kind of address. False after ikw_sink_fail(). */
bool ikw_stream_udp(struct ikw_sink *sink, int *fd);

/* Sends an empty datagram there. False after ikw_sink_fail() when the host is unknown or ICMP
 * says that nobody is there; silence is no proof of either. */
bool ikw_stream_udp_probe(struct ikw_sink *sink);

#endif
