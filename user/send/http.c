/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "http.h"
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_MAX 4096

struct ikw_http {
	struct ikw_sink *sink;
	CURL *curl;
	char url[2048];
	char bearer[TOKEN_MAX + 32]; /* the header line; empty: none */
	char error[CURL_ERROR_SIZE];
	char said[160]; /* the beginning of the answer, printable */
	size_t said_len;
};

bool ikw_http_check(struct ikw_sink *sink)
{
	const char *url = ikw_sink_text(sink, "url");
	char token[TOKEN_MAX];

	if (!url)
		return ikw_sink_fail(sink, "url: is needed");
	if (strncmp(url, "https://", 8) && strncmp(url, "http://", 7))
		return ikw_sink_fail(sink, "url = \"%s\": not https:// or http://", url);
	if (ikw_sink_secret(sink, "bearer-token", token, sizeof(token)) < 0)
		return false;
	return ikw_sink_certificate(sink, "ca-file") && ikw_sink_certificate(sink, "certificate");
}

/* Keeps a little of the answer to show; the rest is thrown away. */
static size_t take(char *data, size_t size, size_t count, void *ctx)
{
	struct ikw_http *http = ctx;

	for (size_t i = 0; i < size * count && http->said_len < sizeof(http->said) - 1; i++)
		http->said[http->said_len++] = data[i] >= ' ' && data[i] <= '~' ? data[i] : ' ';
	http->said[http->said_len] = 0;
	return size * count;
}

static void set(struct ikw_http *http, CURLoption option, const char *setting)
{
	const char *value = ikw_sink_text(http->sink, setting);

	if (value)
		curl_easy_setopt(http->curl, option, value);
}

static void set_options(struct ikw_http *http)
{
	CURL *curl = http->curl;

	curl_easy_setopt(curl, CURLOPT_URL, http->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)http->sink->timeout_s);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, http);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "ikewatch/" IKEWATCH_VERSION);
	set(http, CURLOPT_CAINFO, "ca-file");
	set(http, CURLOPT_SSLCERT, "certificate");
	set(http, CURLOPT_SSLKEY, "private-key");
}

struct ikw_http *ikw_http_open(struct ikw_sink *sink, const char *path)
{
	struct ikw_http *http = calloc(1, sizeof(*http));
	char token[TOKEN_MAX];
	const char *url = cfg_getstr(sink->config, "url");
	size_t len = strlen(url);
	int got;

	if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) || !(http->curl = curl_easy_init())) {
		ikw_sink_fail(sink, "%s", strerror(ENOMEM));
		free(http);
		return NULL;
	}
	http->sink = sink;
	if (*path && len && url[len - 1] == '/')
		len--;
	snprintf(http->url, sizeof(http->url), "%.*s%s", (int)len, url, path);
	got = ikw_sink_secret(sink, "bearer-token", token, sizeof(token));
	if (got < 0) {
		ikw_http_close(http);
		return NULL;
	}
	if (got)
		snprintf(http->bearer, sizeof(http->bearer), "Authorization: Bearer %s", token);
	set_options(http);
	return http;
}

void ikw_http_close(struct ikw_http *http)
{
	if (!http)
		return;
	curl_easy_cleanup(http->curl);
	explicit_bzero(http->bearer, sizeof(http->bearer));
	free(http);
}

static bool judge(struct ikw_http *http, CURLcode code)
{
	struct ikw_sink *sink = http->sink;
	long status = 0;

	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		return ikw_sink_fail(sink, "%s: %s", http->url,
				     http->error[0] ? http->error : curl_easy_strerror(code));
	if (status < 200 || status > 299)
		return ikw_sink_fail(sink, "%s: HTTP %ld%s%s", http->url, status,
				     http->said_len ? ": " : "", http->said);
	snprintf(sink->answer, sizeof(sink->answer), "HTTP %ld%s%s", status,
		 http->said_len ? ": " : "", http->said);
	return true;
}

bool ikw_http_connect(struct ikw_http *http)
{
	struct ikw_sink *sink = http->sink;
	CURLcode code;

	http->error[0] = 0;
	curl_easy_setopt(http->curl, CURLOPT_CONNECT_ONLY, 1L);
	code = curl_easy_perform(http->curl);
	curl_easy_setopt(http->curl, CURLOPT_CONNECT_ONLY, 0L);
	if (code != CURLE_OK)
		return ikw_sink_fail(sink, "%s: %s", http->url,
				     http->error[0] ? http->error : curl_easy_strerror(code));
	snprintf(sink->answer, sizeof(sink->answer), "connected%s",
		 strncmp(http->url, "https:", 6) ? "" : ", and the receiver's certificate is good");
	return true;
}

bool ikw_http_post(struct ikw_http *http, const char *body, const char *const *headers)
{
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
	bool good;

	list = curl_slist_append(list, "Expect:");
	if (http->bearer[0])
		list = curl_slist_append(list, http->bearer);
	for (; headers && *headers; headers++)
		list = curl_slist_append(list, *headers);
	http->said_len = 0;
	http->said[0] = http->error[0] = 0;
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	good = judge(http, curl_easy_perform(http->curl));
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(list);
	return good;
}
