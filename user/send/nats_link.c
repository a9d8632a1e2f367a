/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "nats_link.h"
#include <stdio.h>
#include <string.h>

#define SERVERS_MAX 16
#define LIST_MAX    2048

bool ikw_nats_fail(struct ikw_sink *sink, const char *what, natsStatus status)
{
	natsStatus last = NATS_OK;
	const char *text = nats_GetLastError(&last);

	if (status == NATS_TIMEOUT)
		return ikw_sink_fail(sink, "%s: no answer within %u s (timeout)", what,
				     sink->timeout_s);
	if (!text || last != status || !*text)
		return ikw_sink_fail(sink, "%s: %s", what, natsStatus_GetText(status));
	return ikw_sink_fail(sink, "%s: %s: %s", what, natsStatus_GetText(status), text);
}

/* "a, b" into its parts; how many. list is cut up. */
static int split(char *list, const char *servers[SERVERS_MAX])
{
	char *rest = NULL;
	int count = 0;

	for (char *word = strtok_r(list, ", ", &rest); word && count < SERVERS_MAX;
	     word = strtok_r(NULL, ", ", &rest))
		servers[count++] = word;
	return count;
}

static natsStatus set_login(struct ikw_sink *sink, natsOptions *options)
{
	const char *credentials = ikw_sink_text(sink, "credentials");
	const char *user = ikw_sink_text(sink, "user");
	char secret[512];
	natsStatus s = NATS_OK;

	if (credentials)
		s = natsOptions_SetUserCredentialsFromFiles(options, credentials, NULL);
	if (s == NATS_OK && user && ikw_sink_secret(sink, "password", secret, sizeof(secret)) == 1)
		s = natsOptions_SetUserInfo(options, user, secret);
	if (s == NATS_OK && ikw_sink_secret(sink, "token", secret, sizeof(secret)) == 1)
		s = natsOptions_SetToken(options, secret);
	explicit_bzero(secret, sizeof(secret));
	return s;
}

static natsStatus set_tls(struct ikw_sink *sink, natsOptions *options)
{
	const char *ca = ikw_sink_text(sink, "ca-file");
	const char *certificate = ikw_sink_text(sink, "certificate");
	const char *key = ikw_sink_text(sink, "private-key");
	const char *name = ikw_sink_text(sink, "server-name");
	natsStatus s = NATS_OK;

	if (!ca && !certificate && !strstr(cfg_getstr(sink->config, "url"), "tls://"))
		return NATS_OK;
	s = natsOptions_SetSecure(options, true);
	if (s == NATS_OK && ca)
		s = natsOptions_LoadCATrustedCertificates(options, ca);
	if (s == NATS_OK && certificate)
		s = natsOptions_LoadCertificatesChain(options, certificate,
						      key ? key : certificate);
	if (s == NATS_OK && name)
		s = natsOptions_SetExpectedHostname(options, name);
	return s;
}

static void quiet(natsConnection *connection, natsSubscription *subscription, natsStatus status,
		  void *ctx)
{
	(void)connection;
	(void)subscription;
	(void)status;
	(void)ctx;
}

static natsStatus set_options(struct ikw_sink *sink, natsOptions *options)
{
	const char *servers[SERVERS_MAX];
	char list[LIST_MAX];
	natsStatus s;
	int count;

	snprintf(list, sizeof(list), "%s", cfg_getstr(sink->config, "url"));
	count = split(list, servers);
	s = natsOptions_SetServers(options, servers, count);
	if (s == NATS_OK)
		s = natsOptions_SetTimeout(options, sink->timeout_s * 1000L);
	if (s == NATS_OK) /* a broken connection is reported, and opened anew by the worker */
		s = natsOptions_SetAllowReconnect(options, false);
	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(options, quiet, NULL);
	if (s == NATS_OK)
		s = natsOptions_SetName(options, "ikewatch");
	if (s == NATS_OK)
		s = set_tls(sink, options);
	return s == NATS_OK ? set_login(sink, options) : s;
}

bool ikw_nats_open(struct ikw_sink *sink, struct ikw_nats *nats)
{
	const char *url = cfg_getstr(sink->config, "url");
	natsOptions *options = NULL;
	jsOptions js;
	natsStatus s;

	*nats = (struct ikw_nats){ .connection = NULL };
	s = natsOptions_Create(&options);
	if (s == NATS_OK)
		s = set_options(sink, options);
	if (s == NATS_OK)
		s = natsConnection_Connect(&nats->connection, options);
	natsOptions_Destroy(options);
	if (s == NATS_OK)
		s = jsOptions_Init(&js);
	if (s == NATS_OK) {
		js.Wait = sink->timeout_s * 1000L;
		s = natsConnection_JetStream(&nats->js, nats->connection, &js);
	}
	if (s == NATS_OK)
		return true;
	ikw_nats_fail(sink, url, s);
	ikw_nats_close(nats);
	return false;
}

void ikw_nats_close(struct ikw_nats *nats)
{
	jsCtx_Destroy(nats->js);
	natsConnection_Destroy(nats->connection);
	*nats = (struct ikw_nats){ .connection = NULL };
}
