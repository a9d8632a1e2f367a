/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sinks' configuration file: a section per sink, its type and its name first. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "send.h"

const struct ikw_sink_type *const ikw_sink_types[] = {
	&ikw_sink_snmp,		&ikw_sink_syslog, &ikw_sink_journal,	&ikw_sink_webhook,
	&ikw_sink_alertmanager, &ikw_sink_nats,	  &ikw_sink_prometheus, NULL,
};

#define TYPES_MAX 16

static char parse_error[512]; /* libConfuse hands no context to its error function */

__attribute__((format(printf, 2, 0))) static void keep_error(cfg_t *cfg, const char *format,
							     va_list args)
{
	int n = snprintf(parse_error, sizeof(parse_error),
			 "%s:%d: ", cfg && cfg->filename ? cfg->filename : "", cfg ? cfg->line : 0);

	if (n >= 0 && (size_t)n < sizeof(parse_error))
		vsnprintf(parse_error + n, sizeof(parse_error) - (size_t)n, format, args);
}

static cfg_t *parse(const char *path, char *why, size_t size)
{
	static cfg_opt_t options[TYPES_MAX + 2];
	size_t n = 0;
	cfg_t *config;
	int err;

	options[n++] = (cfg_opt_t)CFG_STR("gateway", NULL, CFGF_NONE);
	for (size_t i = 0; ikw_sink_types[i]; i++)
		options[n++] =
			(cfg_opt_t)CFG_SEC(ikw_sink_types[i]->name, ikw_sink_types[i]->options,
					   CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	options[n] = (cfg_opt_t)CFG_END();
	config = cfg_init(options, CFGF_NONE);
	if (!config) {
		snprintf(why, size, "%s: %s", path, strerror(ENOMEM));
		return NULL;
	}
	parse_error[0] = 0;
	cfg_set_error_function(config, keep_error);
	err = cfg_parse(config, path);
	if (err == CFG_SUCCESS)
		return config;
	if (err == CFG_FILE_ERROR)
		snprintf(why, size, "%s: %s", path, strerror(errno));
	else
		snprintf(why, size, "%s", parse_error[0] ? parse_error : path);
	cfg_free(config);
	return NULL;
}

/* ---- one sink --------------------------------------------------------------- */

/* The name becomes a file's: no path, nothing hidden. */
static bool good_name(const char *name)
{
	size_t len = strlen(name);

	return len && len < IKW_SINK_NAME && *name != '.' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
		       len;
}

static bool check_common(struct ikw_sink *sink)
{
	static const char *const starts[] = { "now", "all" };
	long timeout = cfg_getint(sink->config, "timeout");
	long retry = cfg_getint(sink->config, "retry-max");

	if (ikw_sink_choice(sink, "start", starts, 2) < 0)
		return false;
	if (timeout < 1 || timeout > 3600)
		return ikw_sink_fail(sink, "timeout = %ld: not 1 to 3600 seconds", timeout);
	if (retry < 1 || retry > 86400)
		return ikw_sink_fail(sink, "retry-max = %ld: not 1 to 86400 seconds", retry);
	sink->timeout_s = (unsigned int)timeout;
	return !sink->type->check || sink->type->check(sink);
}

static bool add(struct ikw_sinks *sinks, const struct ikw_sink_type *type, cfg_t *section,
		char *why, size_t size)
{
	const char *name = cfg_title(section);
	struct ikw_sink *sink;

	if (sinks->count == IKW_SINKS_MAX || !good_name(name) || ikw_sinks_find(sinks, name)) {
		snprintf(why, size, "%s: sink \"%s\": %s", section->filename, name,
			 sinks->count == IKW_SINKS_MAX ? "too many sinks"
			 : good_name(name)	       ? "the name is taken"
						       : "letters, digits and ._- only");
		return false;
	}
	sink = &sinks->sinks[sinks->count++];
	*sink = (struct ikw_sink){ .type = type, .config = section, .gateway = sinks->gateway };
	snprintf(sink->name, sizeof(sink->name), "%s", name);
	if (check_common(sink))
		return true;
	snprintf(why, size, "%s: %s \"%s\": %s", section->filename, type->name, name, sink->why);
	return false;
}

struct ikw_sink *ikw_sinks_find(struct ikw_sinks *sinks, const char *name)
{
	for (size_t i = 0; i < sinks->count; i++)
		if (!strcmp(sinks->sinks[i].name, name))
			return &sinks->sinks[i];
	return NULL;
}

/* ---- the file --------------------------------------------------------------- */

static bool name_gateway(struct ikw_sinks *sinks, char *why, size_t size)
{
	const char *name = cfg_getstr(sinks->config, "gateway");
	size_t len;

	if (name)
		snprintf(sinks->gateway, sizeof(sinks->gateway), "%s", name);
	else
		gethostname(sinks->gateway, sizeof(sinks->gateway) - 1);
	len = strlen(sinks->gateway);
	if (len && (!name || len == strlen(name)) &&
	    strspn(sinks->gateway,
		   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len)
		return true;
	snprintf(why, size, "gateway = \"%s\": letters, digits and ._- only, at most 127",
		 sinks->gateway);
	return false;
}

bool ikw_sinks_read(struct ikw_sinks *sinks, const char *path, char *why, size_t size)
{
	memset(sinks, 0, sizeof(*sinks));
	sinks->config = parse(path, why, size);
	if (!sinks->config || !name_gateway(sinks, why, size))
		return false;
	for (size_t i = 0; ikw_sink_types[i]; i++) {
		const struct ikw_sink_type *type = ikw_sink_types[i];

		for (unsigned int n = 0; n < cfg_size(sinks->config, type->name); n++)
			if (!add(sinks, type, cfg_getnsec(sinks->config, type->name, n), why, size))
				return false;
	}
	return true;
}

void ikw_sinks_free(struct ikw_sinks *sinks)
{
	if (sinks->config)
		cfg_free(sinks->config);
	sinks->config = NULL;
}

/* ---- settings --------------------------------------------------------------- */

const char *ikw_sink_text(const struct ikw_sink *sink, const char *option)
{
	const char *text = cfg_getstr(sink->config, option);

	return text && *text ? text : NULL;
}

int ikw_sink_choice(struct ikw_sink *sink, const char *option, const char *const *names,
		    size_t count)
{
	const char *value = cfg_getstr(sink->config, option);
	char all[256] = "";

	for (size_t i = 0; i < count; i++) {
		if (value && !strcmp(value, names[i]))
			return (int)i;
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? ", " : "",
			 names[i]);
	}
	ikw_sink_fail(sink, "%s = \"%s\": not one of %s", option, value ? value : "", all);
	return -1;
}

int ikw_sink_secret(struct ikw_sink *sink, const char *option, char *buf, size_t size)
{
	char file_option[64];
	const char *path;
	FILE *file;
	bool read;

	snprintf(file_option, sizeof(file_option), "%s-file", option);
	path = ikw_sink_text(sink, file_option);
	if (!path) {
		if (!ikw_sink_text(sink, option))
			return 0;
		if ((size_t)snprintf(buf, size, "%s", ikw_sink_text(sink, option)) < size)
			return 1;
		ikw_sink_fail(sink, "%s: too long", option);
		return -1;
	}
	file = fopen(path, "re");
	read = file && fgets(buf, (int)size, file);
	if (!read)
		ikw_sink_fail(sink, "%s = \"%s\": %s", file_option, path,
			      file ? "empty" : strerror(errno));
	else
		buf[strcspn(buf, "\r\n")] = 0;
	if (file)
		fclose(file);
	return read ? 1 : -1;
}

static bool valid_now(struct ikw_sink *sink, const char *option, const char *path, X509 *x)
{
	char subject[256];

	X509_NAME_oneline(X509_get_subject_name(x), subject, sizeof(subject));
	if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
		return ikw_sink_fail(sink, "%s = \"%s\": the certificate of %s has expired", option,
				     path, subject);
	if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
		return ikw_sink_fail(sink, "%s = \"%s\": the certificate of %s is not valid yet",
				     option, path, subject);
	return true;
}

bool ikw_sink_certificate(struct ikw_sink *sink, const char *option)
{
	const char *path = ikw_sink_text(sink, option);
	FILE *file = path ? fopen(path, "re") : NULL;
	bool good = true;
	int count = 0;
	X509 *x;

	if (!path)
		return true;
	if (!file)
		return ikw_sink_fail(sink, "%s = \"%s\": %s", option, path, strerror(errno));
	while (good && (x = PEM_read_X509(file, NULL, NULL, NULL))) {
		/* of a bundle of authorities one may be old */
		if (!count++)
			good = valid_now(sink, option, path, x);
		X509_free(x);
	}
	ERR_clear_error();
	fclose(file);
	if (!count)
		return ikw_sink_fail(sink, "%s = \"%s\": no certificate in it", option, path);
	return good;
}
