/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config.h"
#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli.h"

#define PER_SECTION 8
#define FILE_MAX    (1u << 20)

/* Every value is text here: what it must be is checked where options are checked too. */
static const struct setting {
	const char *section; /* NULL: none; sections have a title and may come more than once */
	const char *name;
	int key;
	bool list;
} settings[] = {
	{ NULL, "interfaces", 'i', true },
	{ NULL, "netns", 'n', false },
	{ NULL, "ike-ports", IKW_CONFIG_PORT, true },
	{ NULL, "hook", IKW_OPT_HOOK, false },
	{ NULL, "tier", IKW_OPT_TIER, false },
	{ NULL, "settle", IKW_OPT_SETTLE, false },
	{ NULL, "ring-size", IKW_CONFIG_RING, false },
	{ NULL, "recheck", IKW_CONFIG_RECHECK, false },
	{ NULL, "state-dir", IKW_OPT_STATE_DIR, false },
	{ NULL, "pin-dir", IKW_OPT_PIN_DIR, false },
	{ NULL, "socket", IKW_OPT_SOCKET, false },
	{ NULL, "keep-alarms", IKW_CONFIG_KEEP_ALARMS, false },
	{ NULL, "keep-days", IKW_CONFIG_KEEP_DAYS, false },
	{ NULL, "read-group", IKW_CONFIG_READ_GROUP, false },
	{ NULL, "clear-group", IKW_CONFIG_CLEAR_GROUP, false },
	{ "reason", "severity", IKW_CONFIG_SEVERITY, false },
	{ "reason", "action", IKW_CONFIG_ACTION, false },
	{ "peer", "name", IKW_CONFIG_PEER, false },
	{ "tunnel", "name", IKW_CONFIG_TUNNEL, false },
};
static const char *const sections[] = { "reason", "peer", "tunnel" };

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

struct ikw_config {
	cfg_t *cfg;
};

/* libConfuse hands no context to its callbacks. */
static struct {
	ikw_config_take take;
	void *ctx;
	char error[512];
} reading;

__attribute__((format(printf, 2, 0))) static void keep_error(cfg_t *cfg, const char *format,
							     va_list args)
{
	int n;

	if (reading.error[0])
		return;
	n = snprintf(reading.error, sizeof(reading.error),
		     "%s:%d: ", cfg && cfg->filename ? cfg->filename : "", cfg ? cfg->line : 0);
	if (n >= 0 && (size_t)n < sizeof(reading.error))
		vsnprintf(reading.error + n, sizeof(reading.error) - (size_t)n, format, args);
}

static const struct setting *find(const char *section, const char *name)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (!strcmp(settings[i].name, name) &&
		    (settings[i].section ? section && !strcmp(settings[i].section, section)
					 : !section))
			return &settings[i];
	return NULL;
}

/* A value was read: it is the last of its option. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *title = cfg_title(cfg);
	const struct setting *setting = find(title ? cfg_name(cfg) : NULL, cfg_opt_name(opt));
	unsigned int count = cfg_opt_size(opt);
	const char *value = count ? cfg_opt_getnstr(opt, count - 1) : NULL;
	const char *wrong;

	if (!setting || !value)
		return 0;
	wrong = reading.take(reading.ctx, setting->key, title, value);
	if (!wrong)
		return 0;
	if (title)
		cfg_error(cfg, "%s \"%s\": %s = \"%s\": %s", cfg_name(cfg), title, setting->name,
			  value, wrong);
	else
		cfg_error(cfg, "%s = \"%s\": %s", setting->name, value, wrong);
	return -1;
}

static size_t fill(cfg_opt_t *to, const char *section)
{
	size_t n = 0;

	for (size_t i = 0; i < SETTINGS; i++) {
		if (settings[i].section != section &&
		    (!section || !settings[i].section || strcmp(settings[i].section, section)))
			continue;
		if (settings[i].list)
			to[n++] = (cfg_opt_t)CFG_STR_LIST(settings[i].name, NULL, CFGF_NONE);
		else
			to[n++] = (cfg_opt_t)CFG_STR(settings[i].name, NULL, CFGF_NONE);
	}
	to[n] = (cfg_opt_t)CFG_END();
	return n;
}

static cfg_t *make(void)
{
	cfg_opt_t top[SETTINGS + SECTIONS + 1], sub[SECTIONS][PER_SECTION];
	size_t n = fill(top, NULL);
	char path[64];
	cfg_t *cfg;

	for (size_t i = 0; i < SECTIONS; i++) {
		fill(sub[i], sections[i]);
		top[n++] = (cfg_opt_t)CFG_SEC(sections[i], sub[i],
					      CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	}
	top[n] = (cfg_opt_t)CFG_END();
	cfg = cfg_init(top, CFGF_NONE);
	for (size_t i = 0; cfg && i < SETTINGS; i++) {
		snprintf(path, sizeof(path), "%s%s%s",
			 settings[i].section ? settings[i].section : "",
			 settings[i].section ? "|" : "", settings[i].name);
		cfg_set_validate_func(cfg, path, on_value);
	}
	return cfg;
}

/*
 * Blanks out what follows a # outside of quotes: libConfuse 3.3 counts the line
 * of such a comment twice, and every mistake behind it would be told wrongly.
 */
static void blank_comments(char *text)
{
	char quote = 0;

	for (; *text; text++) {
		if (quote && *text == '\\' && text[1]) {
			text++;
		} else if (quote) {
			quote = *text == quote ? 0 : quote;
		} else if (*text == '"' || *text == '\'') {
			quote = *text;
		} else if (*text == '#') {
			while (text[1] && text[1] != '\n')
				*text++ = ' ';
			*text = ' ';
		}
	}
}

/* The whole file, NUL-terminated; NULL with errno set. */
static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = file ? calloc(1, FILE_MAX + 1) : NULL;
	size_t n = text ? fread(text, 1, FILE_MAX + 1, file) : 0;
	int error = errno;

	if (file && ferror(file)) {
		free(text);
		text = NULL;
	} else if (n > FILE_MAX) {
		free(text);
		text = NULL;
		error = EFBIG;
	} else if (text) {
		text[n] = 0;
	}
	if (file)
		fclose(file);
	errno = error;
	return text;
}

static bool parse(cfg_t *cfg, const char *path, char *why, size_t size)
{
	char *text = read_file(path);
	FILE *file = NULL;
	int err = CFG_FILE_ERROR;

	if (text) {
		blank_comments(text);
		/* an empty file is one newline: fmemopen(3) takes no nothing */
		file = fmemopen(*text ? text : (char[]){ "\n" }, *text ? strlen(text) : 1, "r");
	}
	if (file) {
		cfg->filename = strdup(path);
		err = cfg_parse_fp(cfg, file);
		fclose(file);
	}
	if (err == CFG_FILE_ERROR)
		snprintf(why, size, "%s: %s", path, strerror(errno));
	else if (err)
		snprintf(why, size, "%s", reading.error[0] ? reading.error : path);
	free(text);
	return !err;
}

struct ikw_config *ikw_config_read(const char *path, ikw_config_take take, void *ctx, char *why,
				   size_t size)
{
	struct ikw_config *config = calloc(1, sizeof(*config));

	if (config)
		config->cfg = make();
	if (!config || !config->cfg) {
		snprintf(why, size, "%s: %s", path, strerror(ENOMEM));
		free(config);
		return NULL;
	}
	reading.take = take;
	reading.ctx = ctx;
	reading.error[0] = 0;
	cfg_set_error_function(config->cfg, keep_error);
	if (parse(config->cfg, path, why, size))
		return config;
	ikw_config_free(config);
	return NULL;
}

void ikw_config_free(struct ikw_config *config)
{
	if (!config)
		return;
	cfg_free(config->cfg);
	free(config);
}
