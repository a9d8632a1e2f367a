/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* POST requests for the sinks that speak HTTP; TLS is always verified. */
#ifndef IKEWATCH_SEND_HTTP_H
#define IKEWATCH_SEND_HTTP_H

#include "send.h"

/* Settings that go with it. */
#define IKW_HTTP_OPTIONS                                                                           \
	CFG_STR("url", NULL, CFGF_NONE), CFG_STR("ca-file", NULL, CFGF_NONE),                      \
		CFG_STR("certificate", NULL, CFGF_NONE), CFG_STR("private-key", NULL, CFGF_NONE),  \
		CFG_STR("bearer-token", NULL, CFGF_NONE),                                          \
		CFG_STR("bearer-token-file", NULL, CFGF_NONE)

struct ikw_http;

bool ikw_http_check(struct ikw_sink *sink);

/* path is put behind the url of the settings. NULL after ikw_sink_fail(). */
struct ikw_http *ikw_http_open(struct ikw_sink *sink, const char *path);
void ikw_http_close(struct ikw_http *http);

/*
 * Sends a JSON body with more header lines (NULL ends them). True on a 2xx
 * status; sink->answer or sink->why says what came back.
 */
bool ikw_http_post(struct ikw_http *http, const char *body, const char *const *headers);

/* Connects, with TLS as far as a good certificate, and sends nothing. False after
 * ikw_sink_fail(); else what was found in sink->answer. */
bool ikw_http_connect(struct ikw_http *http);

#endif
