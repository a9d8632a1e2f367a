/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Options of `ikewatch run`, from its command line and the configuration file alike. */
#include "settings.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli.h"

#define SETTLE_MAX_MS 600000
#define RING_MAX_MIB  1024
#define RECHECK_S     600
#define RECHECK_MAX_S 86400

/* ---- options ------------------------------------------------------------- */

static bool one_of(const char *value, const char *const *names, size_t count, size_t *at)
{
	for (*at = 0; *at < count; ++*at)
		if (!strcmp(value, names[*at]))
			return true;
	return false;
}

static const char *set_tier(struct ikw_run_options *options, const char *value)
{
	static const char *const names[] = { "", "fentry", "kprobe", "netlink" };
	size_t at;

	if (!one_of(value, names, 4, &at) || !at)
		return "not fentry, kprobe or netlink";
	options->tier = (enum ikw_tier)at;
	return NULL;
}

static const char *set_hook(struct ikw_run_options *options, const char *value)
{
	static const char *const names[] = { "auto", "xdp", "xdp-generic", "tc", "tcx" };
	size_t at;

	if (!one_of(value, names, 5, &at))
		return "not auto, xdp, xdp-generic, tc or tcx";
	options->hook = value;
	return NULL;
}

static const char *add_iface(struct ikw_run_options *options, const char *value)
{
	if (!*value || strlen(value) >= IKW_NAME_LEN)
		return "not an interface's name";
	if (options->iface_count == IKW_IFACES_MAX)
		return "too many interfaces";
	options->ifaces[options->iface_count++] = value;
	return NULL;
}

static const char *add_port(struct ikw_run_options *options, const char *value)
{
	unsigned long port;

	if (!ikw_cli_number(value, 1, 65535, &port))
		return "not a port";
	if (options->port_count == IKW_PORTS_MAX)
		return "more than three ports";
	options->ports[options->port_count++] = (uint16_t)port;
	return NULL;
}

static const char *set_settle(struct ikw_run_options *options, const char *value)
{
	unsigned long ms;

	if (!ikw_cli_number(value, 1, SETTLE_MAX_MS, &ms))
		return "not a number of milliseconds";
	options->settle_ns = ms * IKW_MS;
	return NULL;
}

static const char *set_ring(struct ikw_run_options *options, const char *value)
{
	unsigned long mib;

	if (!ikw_cli_number(value, 1, RING_MAX_MIB, &mib))
		return "not a number of MiB (1 to 1024)";
	options->ring_bytes = (uint32_t)mib << 20;
	return NULL;
}

static const char *set_recheck(struct ikw_run_options *options, const char *value)
{
	unsigned long s;

	if (!ikw_cli_number(value, 0, RECHECK_MAX_S, &s))
		return "not a number of seconds (0 to 86400)";
	options->recheck_ns = s * IKW_S;
	return NULL;
}

static const char *set_number(unsigned long *to, const char *value, unsigned long max)
{
	return ikw_cli_number(value, 1, max, to) ? NULL : "not a number above 0, or too great";
}

/* One option, or one setting of the configuration file; NULL, or what is wrong with it. */
static const char *set_option(void *ctx, int key, const char *title, const char *value)
{
	struct ikw_run_options *options = ctx;

	switch (key) {
	case 'i':
		return add_iface(options, value);
	case 'n':
		options->netns = value;
		return NULL;
	case 'c':
		options->config = value;
		return NULL;
	case IKW_OPT_HOOK:
		return set_hook(options, value);
	case IKW_OPT_STATE_DIR:
		options->state_dir = value;
		return NULL;
	case IKW_OPT_PIN_DIR:
		options->pin_dir = value;
		return NULL;
	case IKW_OPT_NO_STORE:
		options->no_store = true;
		return NULL;
	case IKW_OPT_TIER:
		return set_tier(options, value);
	case IKW_OPT_SETTLE:
		return set_settle(options, value);
	case IKW_OPT_RECORD:
		options->record = value;
		return NULL;
	case IKW_OPT_SOCKET:
		options->socket = value;
		return NULL;
	case IKW_CONFIG_PORT:
		return add_port(options, value);
	case IKW_CONFIG_RING:
		return set_ring(options, value);
	case IKW_CONFIG_RECHECK:
		return set_recheck(options, value);
	case IKW_CONFIG_KEEP_ALARMS:
		return set_number(&options->rules.alarms, value, 100000000);
	case IKW_CONFIG_KEEP_DAYS:
		return set_number(&options->rules.days, value, 36500);
	case IKW_CONFIG_READ_GROUP:
		return ikw_rules_group(options->rules.read_group, value);
	case IKW_CONFIG_CLEAR_GROUP:
		return ikw_rules_group(options->rules.clear_group, value);
	case IKW_CONFIG_SEVERITY:
		return ikw_rules_severity(&options->rules, title, value);
	case IKW_CONFIG_ACTION:
		return ikw_rules_action(&options->rules, title, value);
	case IKW_CONFIG_PEER:
		return ikw_rules_peer(&options->rules, title, value);
	case IKW_CONFIG_TUNNEL:
		return ikw_rules_tunnel(&options->rules, title, value);
	default:
		options->json = true;
		return NULL;
	}
}

static const char *name_of(const struct ikw_command *command, int key)
{
	const struct ikw_option *option = command->options;

	while (option->key != key)
		option++;
	return option->name;
}

/* The command line onto options; 0 or an exit status. */
static int read_line(struct ikw_run_options *options, int argc, char **argv)
{
	const struct ikw_command *command = ikw_cli_find("run");
	const char *value, *wrong;
	bool ifaces = false;
	int key;

	optind = 0; /* from the start, also the second time */
	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == '?')
			return IKW_EXIT_USAGE;
		if (key == 'i' && !ifaces)
			options->iface_count = 0; /* instead of the file's */
		ifaces = ifaces || key == 'i';
		wrong = set_option(options, key, NULL, value);
		if (wrong)
			return ikw_usage_error("run", "--%s %s: %s", name_of(command, key), value,
					       wrong);
	}
	if (optind < argc)
		return ikw_usage_error("run", "%s: run takes options only", argv[optind]);
	return 0;
}

static void default_options(struct ikw_run_options *options)
{
	memset(options, 0, sizeof(*options));
	options->hook = "auto";
	options->ports[0] = 500;
	options->ports[1] = 4500;
	options->port_count = IKW_PORTS_USUAL;
	options->recheck_ns = RECHECK_S * IKW_S;
	ikw_rules_init(&options->rules);
}

int ikw_settings_read(struct ikw_run_options *options, struct ikw_config **config, int argc,
		      char **argv)
{
	char why[PATH_MAX + 512];
	const char *path;
	int err;

	*config = NULL;
	default_options(options);
	err = read_line(options, argc, argv);
	path = options->config;
	if (!path && !access(IKW_CONFIG_FILE, F_OK))
		path = IKW_CONFIG_FILE;
	if (!err && options->no_store && options->state_dir)
		err = ikw_usage_error("run", "--no-store and --state-dir: one or the other");
	if (err || !path)
		return err;
	default_options(options);
	*config = ikw_config_read(path, set_option, options, why, sizeof(why));
	if (!*config) {
		ikw_error("%s", why);
		return IKW_EXIT_FAILED;
	}
	return read_line(options, argc, argv);
}

bool ikw_settings_check(const char *path, char *why, size_t size)
{
	struct ikw_run_options *options = malloc(sizeof(*options));
	struct ikw_config *config = NULL;

	if (options) {
		default_options(options);
		config = ikw_config_read(path, set_option, options, why, size);
	} else {
		snprintf(why, size, "%s: %s", path, strerror(ENOMEM));
	}
	ikw_config_free(config);
	free(options);
	return config;
}
