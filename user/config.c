/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config.h"
#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "cli.h"

static const struct {
	const char *name;
	int key;
} settings[] = {
	{ "interfaces", 'i' },
	{ "netns", 'n' },
	{ "hook", IKW_OPT_HOOK },
	{ "state-dir", IKW_OPT_STATE_DIR },
	{ "pin-dir", IKW_OPT_PIN_DIR },
	{ "tier", IKW_OPT_TIER },
	{ "settle", IKW_OPT_SETTLE },
	{ "socket", IKW_OPT_SOCKET },
	{ "ike-ports", IKW_CONFIG_PORT },
	{ "ring-size", IKW_CONFIG_RING },
};

static cfg_t *config;
static char parse_error[256]; /* libConfuse hands no context to its error function */

__attribute__((format(printf, 2, 0))) static void keep_error(cfg_t *cfg, const char *format,
							     va_list args)
{
	int n;

	if (parse_error[0])
		return;
	n = snprintf(parse_error, sizeof(parse_error),
		     "%s:%d: ", cfg && cfg->filename ? cfg->filename : "", cfg ? cfg->line : 0);
	if (n >= 0 && (size_t)n < sizeof(parse_error))
		vsnprintf(parse_error + n, sizeof(parse_error) - (size_t)n, format, args);
}

/* Every value is text here: what it must be is checked where options are checked too. */
static bool parse(const char *path, char *why, size_t size)
{
	cfg_opt_t options[] = { CFG_STR_LIST("interfaces", NULL, CFGF_NONE),
				CFG_STR("netns", NULL, CFGF_NONE),
				CFG_STR("hook", NULL, CFGF_NONE),
				CFG_STR("state-dir", NULL, CFGF_NONE),
				CFG_STR("pin-dir", NULL, CFGF_NONE),
				CFG_STR("tier", NULL, CFGF_NONE),
				CFG_STR("settle", NULL, CFGF_NONE),
				CFG_STR("socket", NULL, CFGF_NONE),
				CFG_STR_LIST("ike-ports", NULL, CFGF_NONE),
				CFG_STR("ring-size", NULL, CFGF_NONE),
				CFG_END() };
	int err;

	config = cfg_init(options, CFGF_NONE);
	if (!config) {
		snprintf(why, size, "%s: %s", path, strerror(ENOMEM));
		return false;
	}
	parse_error[0] = 0;
	cfg_set_error_function(config, keep_error);
	err = cfg_parse(config, path);
	if (err == CFG_SUCCESS)
		return true;
	if (err == CFG_FILE_ERROR)
		snprintf(why, size, "%s: %s", path, strerror(errno));
	else
		snprintf(why, size, "%s", parse_error[0] ? parse_error : path);
	return false;
}

bool ikw_config_read(const char *path, ikw_config_take take, void *ctx, char *why, size_t size)
{
	if (!parse(path, why, size))
		return false;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		for (unsigned int n = 0; n < cfg_size(config, settings[i].name); n++) {
			const char *value = cfg_getnstr(config, settings[i].name, n);
			const char *wrong = value ? take(ctx, settings[i].key, value) : NULL;

			if (!wrong)
				continue;
			snprintf(why, size, "%s: %s = \"%s\": %s", path, settings[i].name, value,
				 wrong);
			return false;
		}
	}
	return true;
}

void ikw_config_free(void)
{
	if (config)
		cfg_free(config);
	config = NULL;
}
