/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch run`: the agent's life from options to a clean end. */
#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include "agent.h"
#include "cli.h"
#include "witness.h"

#define SETTLE_MAX_MS 600000

/* ---- options ------------------------------------------------------------- */

static bool one_of(const char *value, const char *const *names, size_t count, size_t *at)
{
	for (*at = 0; *at < count; ++*at)
		if (!strcmp(value, names[*at]))
			return true;
	return false;
}

static int set_tier(struct ikw_run_options *options, const char *value)
{
	static const char *const names[] = { "", "fentry", "kprobe", "netlink" };
	size_t at;

	if (!one_of(value, names, 4, &at) || !at)
		return ikw_usage_error("run", "--tier %s: not fentry, kprobe or netlink", value);
	options->tier = (enum ikw_tier)at;
	return 0;
}

static int set_hook(struct ikw_run_options *options, const char *value)
{
	static const char *const names[] = { "auto", "xdp", "xdp-generic", "tc" };
	size_t at;

	if (!one_of(value, names, 4, &at))
		return ikw_usage_error("run", "--hook %s: not auto, xdp, xdp-generic or tc", value);
	options->hook = value;
	return 0;
}

static int add_iface(struct ikw_run_options *options, const char *value)
{
	if (!*value || strlen(value) >= IKW_NAME_LEN)
		return ikw_usage_error("run", "--iface %s: not an interface's name", value);
	if (options->iface_count == IKW_IFACES_MAX)
		return ikw_usage_error("run", "--iface: more than %d", IKW_IFACES_MAX);
	options->ifaces[options->iface_count++] = value;
	return 0;
}

static int set_settle(struct ikw_run_options *options, const char *value)
{
	unsigned long ms;

	if (!ikw_cli_number(value, 1, SETTLE_MAX_MS, &ms))
		return ikw_usage_error("run", "--settle %s: not a number of milliseconds", value);
	options->settle_ns = ms * IKW_MS;
	return 0;
}

static int set_option(struct ikw_run_options *options, int key, const char *value)
{
	switch (key) {
	case 'i':
		return add_iface(options, value);
	case 'n':
		options->netns = value;
		return 0;
	case IKW_OPT_HOOK:
		return set_hook(options, value);
	case IKW_OPT_STATE_DIR:
		options->state_dir = value;
		return 0;
	case IKW_OPT_PIN_DIR:
		options->pin_dir = value;
		return 0;
	case IKW_OPT_NO_STORE:
		options->no_store = true;
		return 0;
	case IKW_OPT_TIER:
		return set_tier(options, value);
	case IKW_OPT_SETTLE:
		return set_settle(options, value);
	case IKW_OPT_RECORD:
		options->record = value;
		return 0;
	case IKW_OPT_SOCKET:
		options->socket = value;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	default:
		return IKW_EXIT_USAGE; /* said already */
	}
}

static int read_options(struct ikw_run_options *options, int argc, char **argv)
{
	const struct ikw_command *command = ikw_cli_find("run");
	const char *value;
	int key, err;

	*options =
		(struct ikw_run_options){ .hook = "auto", .ports = { 500, 4500 }, .port_count = 2 };
	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		err = set_option(options, key, value);
		if (err)
			return err;
	}
	if (optind < argc)
		return ikw_usage_error("run", "%s: run takes options only", argv[optind]);
	if (options->no_store && options->state_dir)
		return ikw_usage_error("run", "--no-store and --state-dir: one or the other");
	return 0;
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
	const char *missing;

	if (!ikw_witness_open(agent, why, sizeof(why)) ||
	    !ikw_agent_sources(agent, why, sizeof(why)) ||
	    !ikw_agent_attach(agent, why, sizeof(why))) {
		ikw_error("%s", why);
		return false;
	}
	missing = ikw_agent_missing(agent);
	if (missing)
		ikw_error("%s: no such interface", missing);
	return !missing && !agent->failed;
}

/* Who would refuse comes first, what leaves traces in the kernel last. */
static bool start(struct ikw_agent *agent)
{
	int err;

	agent->started = ikw_boot_now();
	if (!privileged(&agent->options) || !open_netns(agent))
		return false;
	err = ikw_loop_open(&agent->loop);
	if (err) {
		ikw_error("run: %s", strerror(-err));
		return false;
	}
	return open_control(agent) && open_store(agent) && open_model(agent) &&
	       open_recorder(agent) && attach(agent);
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
	close_recorder(agent);
	ikw_netns_close(&agent->netns);
	ikw_loop_close(&agent->loop);
}

int ikw_run_main(int argc, char **argv)
{
	static struct ikw_agent agent;
	bool started;
	int err;

	ikw_agent_init(&agent);
	err = read_options(&agent.options, argc, argv);
	if (err)
		return err;
	started = start(&agent);
	if (started) {
		ikw_agent_flush(&agent);
		fputs("ikewatch: ready\n", stderr);
		live(&agent);
	}
	stop(&agent);
	return started && !agent.failed ? IKW_EXIT_OK : IKW_EXIT_FAILED;
}
