/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Webhook: one POST of JSON per alarm; any 2xx answer is its receipt. With a
 * secret the body is signed (X-Ikewatch-Signature: sha256=HEX, HMAC-SHA256 of the
 * body); X-Ikewatch-Id is the uid by which repeats are known.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "http.h"
#include "shape.h"

static cfg_opt_t options[] = { IKW_SINK_COMMON,
			       IKW_HTTP_OPTIONS,
			       CFG_STR("secret", NULL, CFGF_NONE),
			       CFG_STR("secret-file", NULL, CFGF_NONE),
			       CFG_STR("shape", "native", CFGF_NONE),
			       CFG_END() };

struct webhook_data {
	struct ikw_http *http;
	enum ikw_shape shape;
	char secret[512]; /* empty: not signed */
};

static bool webhook_check(struct ikw_sink *sink)
{
	char secret[512];

	return ikw_http_check(sink) &&
	       ikw_sink_secret(sink, "secret", secret, sizeof(secret)) >= 0 &&
	       ikw_sink_choice(sink, "shape", ikw_shape_names, IKW_SHAPES) >= 0;
}

static bool webhook_open(struct ikw_sink *sink)
{
	struct webhook_data *data = calloc(1, sizeof(*data));

	sink->data = data;
	if (!data)
		return ikw_sink_fail(sink, "%s", strerror(ENOMEM));
	data->shape = (enum ikw_shape)ikw_sink_choice(sink, "shape", ikw_shape_names, IKW_SHAPES);
	if (ikw_sink_secret(sink, "secret", data->secret, sizeof(data->secret)) < 0)
		return false;
	data->http = ikw_http_open(sink, "");
	return data->http;
}

static void webhook_close(struct ikw_sink *sink)
{
	struct webhook_data *data = sink->data;

	if (!data)
		return;
	ikw_http_close(data->http);
	explicit_bzero(data->secret, sizeof(data->secret));
	free(data);
	sink->data = NULL;
}

static bool sign(const char *secret, const char *body, char *header, size_t size)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	int n = snprintf(header, size, "X-Ikewatch-Signature: sha256=");

	if (!HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)body,
		  strlen(body), mac, &len))
		return false;
	for (unsigned int i = 0; i < len; i++)
		n += snprintf(header + n, size - (size_t)n, "%02x", mac[i]);
	return true;
}

static bool webhook_send(struct ikw_sink *sink, const struct ikw_parcel *parcel)
{
	struct webhook_data *data = sink->data;
	char *body = ikw_shape_text(data->shape, parcel);
	const char *headers[3] = { NULL };
	char id[256], signature[256];
	bool sent = false;

	snprintf(id, sizeof(id), "X-Ikewatch-Id: %s", parcel->uid);
	headers[0] = id;
	if (data->secret[0])
		headers[1] = signature;
	if (!body || (data->secret[0] && !sign(data->secret, body, signature, sizeof(signature))))
		ikw_sink_fail(sink, "the body could not be made");
	else
		sent = ikw_http_post(data->http, body, headers);
	free(body);
	return sent;
}

static bool webhook_probe(struct ikw_sink *sink)
{
	const struct webhook_data *data = sink->data;

	return ikw_http_connect(data->http);
}

const struct ikw_sink_type ikw_sink_webhook = {
	.name = "webhook",
	.options = options,
	.check = webhook_check,
	.open = webhook_open,
	.send = webhook_send,
	.close = webhook_close,
	.probe = webhook_probe,
};
