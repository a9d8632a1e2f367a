/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * NATS JetStream, for fleets: each alarm goes to SUBJECT.GATEWAY and counts as
 * delivered when the stream has stored it. The uid is its message id, by which
 * JetStream drops repeats within the stream's window of duplicates.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "nats_link.h"
#include "shape.h"

static cfg_opt_t options[] = { IKW_SINK_COMMON,
			       CFG_STR("url", "nats://127.0.0.1:4222", CFGF_NONE),
			       CFG_STR("subject", "ikewatch.alarms", CFGF_NONE),
			       CFG_STR("stream", "IKEWATCH", CFGF_NONE),
			       CFG_BOOL("create-stream", cfg_false, CFGF_NONE),
			       CFG_INT("replicas", 1, CFGF_NONE),
			       CFG_INT("duplicates", 3600, CFGF_NONE),
			       CFG_STR("ca-file", NULL, CFGF_NONE),
			       CFG_STR("certificate", NULL, CFGF_NONE),
			       CFG_STR("private-key", NULL, CFGF_NONE),
			       CFG_STR("server-name", NULL, CFGF_NONE),
			       CFG_STR("credentials", NULL, CFGF_NONE),
			       CFG_STR("user", NULL, CFGF_NONE),
			       CFG_STR("password", NULL, CFGF_NONE),
			       CFG_STR("password-file", NULL, CFGF_NONE),
			       CFG_STR("token", NULL, CFGF_NONE),
			       CFG_STR("token-file", NULL, CFGF_NONE),
			       CFG_STR("shape", "native", CFGF_NONE),
			       CFG_END() };

struct nats_data {
	struct ikw_nats nats;
	enum ikw_shape shape;
	char subject[512]; /* with the gateway */
	bool open;
	bool stream_there;
};

static bool check_subject(struct ikw_sink *sink)
{
	const char *subject = ikw_sink_text(sink, "subject");

	if (subject && !strpbrk(subject, " \t*>") && strlen(subject) < 256 && *subject != '.' &&
	    subject[strlen(subject) - 1] != '.')
		return true;
	return ikw_sink_fail(sink, "subject = \"%s\": not a subject without wildcards",
			     subject ? subject : "");
}

static bool nats_check(struct ikw_sink *sink)
{
	long replicas = cfg_getint(sink->config, "replicas");
	char secret[512];

	if (!ikw_sink_text(sink, "url"))
		return ikw_sink_fail(sink, "url: is needed");
	if (!ikw_sink_text(sink, "stream"))
		return ikw_sink_fail(sink, "stream: is needed");
	if (replicas < 1 || replicas > 5)
		return ikw_sink_fail(sink, "replicas = %ld: not 1 to 5", replicas);
	if (cfg_getint(sink->config, "duplicates") < 1)
		return ikw_sink_fail(sink, "duplicates: not a number of seconds");
	return check_subject(sink) &&
	       ikw_sink_secret(sink, "password", secret, sizeof(secret)) >= 0 &&
	       ikw_sink_secret(sink, "token", secret, sizeof(secret)) >= 0 &&
	       ikw_sink_choice(sink, "shape", ikw_shape_names, IKW_SHAPES) >= 0 &&
	       ikw_sink_certificate(sink, "ca-file") && ikw_sink_certificate(sink, "certificate");
}

static bool nats_open(struct ikw_sink *sink)
{
	struct nats_data *data = calloc(1, sizeof(*data));
	size_t len;

	sink->data = data;
	if (!data)
		return ikw_sink_fail(sink, "%s", strerror(ENOMEM));
	data->shape = (enum ikw_shape)ikw_sink_choice(sink, "shape", ikw_shape_names, IKW_SHAPES);
	len = (size_t)snprintf(data->subject, sizeof(data->subject), "%s.",
			       cfg_getstr(sink->config, "subject"));
	/* a dot would begin another token of the subject */
	for (const char *c = sink->gateway; *c && len < sizeof(data->subject) - 1; c++)
		data->subject[len++] = *c == '.' ? '_' : *c;
	return true;
}

static void disconnect(struct nats_data *data)
{
	if (data->open)
		ikw_nats_close(&data->nats);
	data->open = false;
	data->stream_there = false;
}

static void nats_sink_close(struct ikw_sink *sink)
{
	if (sink->data)
		disconnect(sink->data);
	free(sink->data);
	sink->data = NULL;
}

/* ---- the stream ------------------------------------------------------------- */

static natsStatus create_stream(struct ikw_sink *sink, struct nats_data *data)
{
	char subjects[300];
	const char *list[] = { subjects };
	jsStreamConfig config;
	jsErrCode code = 0;
	natsStatus s = jsStreamConfig_Init(&config);

	snprintf(subjects, sizeof(subjects), "%s.>", cfg_getstr(sink->config, "subject"));
	config.Name = cfg_getstr(sink->config, "stream");
	config.Subjects = list;
	config.SubjectsLen = 1;
	config.Storage = js_FileStorage;
	config.Replicas = cfg_getint(sink->config, "replicas");
	config.Duplicates = cfg_getint(sink->config, "duplicates") * 1000000000L;
	if (s == NATS_OK)
		s = js_AddStream(NULL, data->nats.js, &config, NULL, &code);
	return s;
}

static bool no_stream(struct ikw_sink *sink, const char *name)
{
	return ikw_sink_fail(sink, "%s: no such stream (create-stream = true makes it)", name);
}

static bool find_stream(struct ikw_sink *sink, struct nats_data *data)
{
	const char *name = cfg_getstr(sink->config, "stream");
	jsStreamInfo *info = NULL;
	jsErrCode code = 0;
	natsStatus s;

	if (data->stream_there)
		return true;
	s = js_GetStreamInfo(&info, data->nats.js, name, NULL, &code);
	jsStreamInfo_Destroy(info);
	if (s == NATS_NOT_FOUND && cfg_getbool(sink->config, "create-stream"))
		s = create_stream(sink, data);
	if (s == NATS_NOT_FOUND)
		return no_stream(sink, name);
	data->stream_there = s == NATS_OK;
	return data->stream_there || ikw_nats_fail(sink, name, s);
}

/* ---- publishing ------------------------------------------------------------- */

static bool publish(struct ikw_sink *sink, struct nats_data *data, const struct ikw_parcel *parcel,
		    const char *body)
{
	jsPubAck *ack = NULL;
	jsPubOptions how;
	jsErrCode code = 0;
	natsStatus s = jsPubOptions_Init(&how);

	how.MsgId = parcel->uid;
	how.ExpectStream = cfg_getstr(sink->config, "stream");
	if (s == NATS_OK)
		s = js_Publish(&ack, data->nats.js, data->subject, body, (int)strlen(body), &how,
			       &code);
	if (s != NATS_OK)
		return ikw_nats_fail(sink, data->subject, s);
	snprintf(sink->answer, sizeof(sink->answer), "stored in stream %s as message %llu%s",
		 ack->Stream, (unsigned long long)ack->Sequence,
		 ack->Duplicate ? " (a repeat)" : "");
	jsPubAck_Destroy(ack);
	return true;
}

static bool nats_send(struct ikw_sink *sink, const struct ikw_parcel *parcel)
{
	struct nats_data *data = sink->data;
	char *body = ikw_shape_text(data->shape, parcel);
	bool sent = false;

	if (!data->open)
		data->open = ikw_nats_open(sink, &data->nats);
	if (!body)
		ikw_sink_fail(sink, "%s", strerror(ENOMEM));
	else if (data->open)
		sent = find_stream(sink, data) && publish(sink, data, parcel, body);
	free(body);
	if (!sent)
		disconnect(data);
	return sent;
}

static bool nats_probe(struct ikw_sink *sink)
{
	struct nats_data *data = sink->data;
	const char *name = cfg_getstr(sink->config, "stream");
	jsStreamInfo *info = NULL;
	jsErrCode code = 0;
	natsStatus s;

	data->open = ikw_nats_open(sink, &data->nats);
	if (!data->open)
		return false;
	s = js_GetStreamInfo(&info, data->nats.js, name, NULL, &code);
	if (s == NATS_OK)
		snprintf(sink->answer, sizeof(sink->answer), "stream %s has %llu messages", name,
			 (unsigned long long)info->State.Msgs);
	else if (s == NATS_NOT_FOUND && cfg_getbool(sink->config, "create-stream"))
		snprintf(sink->answer, sizeof(sink->answer),
			 "connected; stream %s will be made with the first alarm", name);
	else if (s == NATS_NOT_FOUND)
		return no_stream(sink, name);
	else
		return ikw_nats_fail(sink, name, s);
	jsStreamInfo_Destroy(info);
	return true;
}

const struct ikw_sink_type ikw_sink_nats = {
	.name = "nats",
	.options = options,
	.check = nats_check,
	.open = nats_open,
	.send = nats_send,
	.close = nats_sink_close,
	.probe = nats_probe,
};
