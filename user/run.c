/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch run`: the agent's life from options to a clean end. */
#include <cap-ng.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include "agent.h"
#include "cli.h"
#include "config.h"
#include "confine.h"
#include "notify.h"
#include "witness.h"

#define SETTLE_MAX_MS 600000
#define RING_MAX_MIB  1024

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
	static const char *const names[] = { "auto", "xdp", "xdp-generic", "tc" };
	size_t at;

	if (!one_of(value, names, 4, &at))
		return "not auto, xdp, xdp-generic or tc";
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
		return "too many ports";
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

/* One option, or one setting of the configuration file; NULL, or what is wrong with it. */
static const char *set_option(void *ctx, int key, const char *value)
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
		wrong = set_option(options, key, value);
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
	*options = (struct ikw_run_options){ .hook = "auto",
					     .ports = { 500, 4500 },
					     .port_count = IKW_PORTS_USUAL };
}

/* What the command line says goes before what the file says. */
static int read_options(struct ikw_run_options *options, int argc, char **argv)
{
	char why[PATH_MAX + 256];
	const char *config;
	int err;

	default_options(options);
	err = read_line(options, argc, argv);
	config = options->config;
	if (!err && config) {
		default_options(options);
		if (!ikw_config_read(config, set_option, options, why, sizeof(why))) {
			ikw_error("%s", why);
			return IKW_EXIT_FAILED;
		}
		err = read_line(options, argc, argv);
	}
	if (!err && options->no_store && options->state_dir && !config)
		err = ikw_usage_error("run", "--no-store and --state-dir: one or the other");
	return err;
}

/* ---- what is needed ------------------------------------------------------ */

static bool may(unsigned int capability)
{
	return capng_have_capability(CAPNG_EFFECTIVE, capability);
}

/* CAP_BPF and CAP_PERFMON came with Linux 5.8; CAP_SYS_ADMIN stands for both. */
static bool privileged(const struct ikw_run_options *options)
{
	const char *lacks = NULL;

	capng_get_caps_process();
	if (!may(CAP_NET_ADMIN))
		lacks = "CAP_NET_ADMIN";
	else if (!may(CAP_SYS_ADMIN) && !may(CAP_BPF))
		lacks = "CAP_BPF";
	else if (!may(CAP_SYS_ADMIN) && !may(CAP_PERFMON))
		lacks = "CAP_PERFMON";
	else if (!may(CAP_SYS_ADMIN) && options->netns)
		lacks = "CAP_SYS_ADMIN";
	if (lacks)
		ikw_error("run: no privileges: %s is needed (run as root)", lacks);
	return !lacks;
}

/* ---- the parts ----------------------------------------------------------- */

static bool open_netns(struct ikw_agent *agent)
{
	const char *name = agent->options.netns;
	int err = ikw_netns_find(&agent->netns, name);

	if (err)
		ikw_error("netns %s: %s", name ? name : "of the agent",
			  err == -EINVAL ? "not a network namespace" : strerror(-err));
	return !err;
}

/* Interfaces asked for by name are looked for before anything is loaded. */
static bool find_ifaces(struct ikw_agent *agent)
{
	int err = ikw_netns_enter(&agent->netns);
	size_t i = 0;

	if (err) {
		ikw_error("netns %s: %s", agent->netns.name, strerror(-err));
		return false;
	}
	while (i < agent->options.iface_count && if_nametoindex(agent->options.ifaces[i]))
		i++;
	ikw_netns_leave(&agent->netns);
	if (i < agent->options.iface_count)
		ikw_error("%s: no such interface", agent->options.ifaces[i]);
	return i == agent->options.iface_count;
}

/* The default directory may be unusable (a read-only root, a container): then go on without. */
static bool open_store(struct ikw_agent *agent)
{
	const char *dir = agent->options.state_dir;
	const char *notice;
	char why[512];

	if (agent->options.no_store)
		return true;
	agent->store = ikw_store_open(dir ? dir : IKW_STATE_DIR, false, why, sizeof(why));
	if (agent->store) {
		notice = ikw_store_notice(agent->store);
		if (notice)
			ikw_error("store: %s", notice);
		ikw_store_begin(agent->store);
		return true;
	}
	ikw_error("store: %s%s", why, dir ? "" : "; alarms are printed, not kept");
	return !dir;
}

static int know_tunnel(void *ctx, const struct ikw_store_tunnel *tunnel)
{
	return ikw_model_know_tunnel(ctx, tunnel->key, tunnel->index);
}

static bool open_model(struct ikw_agent *agent)
{
	struct ikw_model_config config = { .settle_ns = agent->options.settle_ns };
	const struct ikw_model_ops ops = { .alarm = ikw_agent_alarm,
					   .tunnel = ikw_agent_tunnel,
					   .tunnel_up = ikw_agent_tunnel_up,
					   .daemon_lost = ikw_agent_daemon_lost,
					   .ctx = agent };

	memcpy(config.vsys, agent->netns.name, sizeof(config.vsys));
	agent->model = ikw_model_new(&config, &ops);
	if (!agent->model)
		ikw_error("run: %s", strerror(ENOMEM));
	else if (agent->store)
		ikw_store_tunnels(agent->store, know_tunnel, agent->model);
	return agent->model;
}

static bool open_recorder(struct ikw_agent *agent)
{
	struct ikw_recording_header header = { .settle_ns = agent->options.settle_ns };
	char why[512];

	if (!agent->options.record)
		return true;
	ikw_recording_describe(&header, agent->netns.name);
	agent->recorder = ikw_recorder_open(agent->options.record, &header, why, sizeof(why));
	if (!agent->recorder)
		ikw_error("%s", why);
	return agent->recorder;
}

/* An agent with a state directory of its own also serves the usual path, if no other does. */
static bool open_control(struct ikw_agent *agent)
{
	const struct ikw_run_options *options = &agent->options;
	const char *spare = !options->socket && options->state_dir ? IKW_CONTROL_SOCKET : NULL;
	char path[PATH_MAX], why[PATH_MAX + 128];

	if (!ikw_control_path(options->socket, options->state_dir, path, sizeof(path))) {
		ikw_error("run: the control socket's path is too long");
		return false;
	}
	agent->control = ikw_control_listen(&agent->loop, path, spare, ikw_agent_answer, agent, why,
					    sizeof(why));
	if (!agent->control)
		ikw_error("%s", why);
	return agent->control;
}

static bool attach(struct ikw_agent *agent)
{
	char why[PATH_MAX + 256];

	if (!ikw_witness_open(agent, why, sizeof(why))) {
		ikw_error("%s", why);
		return false;
	}
	ikw_agent_resume(agent);
	if (!ikw_agent_sources(agent, why, sizeof(why)) ||
	    !ikw_agent_attach(agent, why, sizeof(why))) {
		ikw_error("%s", why);
		return false;
	}
	return !agent->failed;
}

/* Less than all of it is no reason not to watch, but one to say so. */
static bool confine(const struct ikw_agent *agent)
{
	char why[256];

	if (!ikw_confine(!agent->netns.own, why, sizeof(why)))
		ikw_error("privileges: %s; the agent runs on with more than it needs", why);
	return true;
}

/* Who would refuse comes first, what leaves traces in the kernel last. */
static bool start(struct ikw_agent *agent)
{
	int err;

	agent->started = ikw_boot_now();
	if (!privileged(&agent->options) || !open_netns(agent) || !find_ifaces(agent))
		return false;
	err = ikw_loop_open(&agent->loop);
	if (err) {
		ikw_error("run: %s", strerror(-err));
		return false;
	}
	return open_control(agent) && open_store(agent) && open_model(agent) &&
	       open_recorder(agent) && attach(agent) && confine(agent);
}

/* ---- life ---------------------------------------------------------------- */

/* Whole milliseconds, upwards: never too early. */
static int wait_ms(uint64_t next, uint64_t now)
{
	uint64_t ms;

	if (next <= now)
		return 0;
	ms = (next - now + IKW_MS - 1) / IKW_MS;
	return ms > 60000 ? 60000 : (int)ms;
}

static void live(struct ikw_agent *agent)
{
	uint64_t now, next;
	int err = 0;

	while (!agent->stopping && !err) {
		now = ikw_boot_now();
		next = ikw_agent_due(agent, now);
		ikw_agent_flush(agent);
		err = ikw_loop_wait(&agent->loop, wait_ms(next, now));
		ikw_agent_flush(agent);
	}
	if (err) {
		ikw_error("run: %s", strerror(-err));
		agent->failed = true;
	}
	ikw_notify_stopping();
	ikw_agent_drain(agent);
	ikw_model_finish(agent->model, ikw_boot_now());
	ikw_agent_flush(agent);
}

static void close_recorder(struct ikw_agent *agent)
{
	char why[512];

	if (!ikw_recorder_close(agent->recorder, why, sizeof(why)))
		return;
	ikw_error("%s", why);
	agent->failed = true;
}

static void close_poll(struct ikw_agent *agent, struct ikw_poll *poll)
{
	int fd = poll->fd;

	ikw_loop_del(&agent->loop, poll);
	if (fd >= 0)
		close(fd);
}

static void stop(struct ikw_agent *agent)
{
	ikw_control_close(agent->control);
	ikw_agent_detach(agent);
	ikw_loop_del(&agent->loop, &agent->ring_poll);
	ikw_loop_del(&agent->loop, &agent->netns_poll);
	ikw_loop_del(&agent->loop, &agent->end_poll);
	ikw_netns_end_close(&agent->netns_end);
	close_poll(agent, &agent->signal_poll);
	close_poll(agent, &agent->clock_poll);
	close_poll(agent, &agent->proc_poll);
	ikw_witness_close(agent);
	ikw_agent_forget(agent);
	ikw_model_free(agent->model);
	if (ikw_store_close(agent->store)) {
		ikw_error("store: not everything could be written");
		agent->failed = true;
	}
	ikw_journal_close(agent->journal);
	close_recorder(agent);
	ikw_netns_close(&agent->netns);
	ikw_loop_close(&agent->loop);
	ikw_config_free();
}

int ikw_run_main(int argc, char **argv)
{
	static struct ikw_agent agent;
	bool started;
	int err;

	ikw_agent_init(&agent);
	err = read_options(&agent.options, argc, argv);
	if (err) {
		ikw_config_free();
		return err;
	}
	started = start(&agent);
	if (started) {
		ikw_agent_flush(&agent);
		fputs("ikewatch: ready\n", stderr);
		ikw_notify_ready();
		live(&agent);
	}
	stop(&agent);
	return started && !agent.failed ? IKW_EXIT_OK : IKW_EXIT_FAILED;
}
