/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch run`: the agent's life from options to a clean end. */
#include <cap-ng.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include "agent.h"
#include "cli.h"
#include "confine.h"
#include "notify.h"
#include "settings.h"
#include "witness.h"

/* So long a reader of stdout may take for what waits when the agent ends. */
#define LAST_LINES_MS 2000

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

static struct ikw_config **old_configs;
static size_t old_count;

static void apply_rules(struct ikw_agent *agent)
{
	const struct ikw_rules *rules = &agent->options.rules;

	if (agent->store)
		ikw_store_retain(agent->store, rules->alarms ? rules->alarms : IKW_STORE_ALARMS_MAX,
				 rules->days ? (unsigned int)rules->days : IKW_STORE_AGE_DAYS);
	ikw_control_groups(agent->control, rules->read_group, rules->clear_group);
}

/* The default directory may be unusable (a read-only root, a container): then go on without. */
static bool open_store(struct ikw_agent *agent)
{
	const char *dir = agent->options.state_dir;
	char why[512];

	if (agent->options.no_store)
		return true;
	agent->store = ikw_store_open(dir ? dir : IKW_STATE_DIR, false, why, sizeof(why));
	if (agent->store) {
		ikw_agent_store_news(agent);
		ikw_store_begin(agent->store);
		return true;
	}
	ikw_error("store: %s%s", why, dir ? "" : "; alarms are printed, not kept");
	return !dir;
}

static bool open_model(struct ikw_agent *agent)
{
	struct ikw_model_config config = { .settle_ns = agent->options.settle_ns };
	const struct ikw_model_ops ops = { .alarm = ikw_agent_alarm,
					   .tunnel = ikw_agent_tunnel,
					   .known = ikw_agent_known,
					   .tunnel_up = ikw_agent_tunnel_up,
					   .daemon_lost = ikw_agent_daemon_lost,
					   .sa = ikw_witness_sa,
					   .ctx = agent };

	memcpy(config.vsys, agent->netns.name, sizeof(config.vsys));
	if (agent->store)
		config.last_index = ikw_store_last_tunnel(agent->store);
	agent->model = ikw_model_new(&config, &ops);
	if (!agent->model)
		ikw_error("run: %s", strerror(ENOMEM));
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

/* Each link that is watched takes two descriptors: what is allowed is taken. */
static void take_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Who would refuse comes first, what leaves traces in the kernel last. */
static bool start(struct ikw_agent *agent)
{
	int err;

	agent->started = ikw_boot_now();
	take_files();
	if (!privileged(&agent->options) || !open_netns(agent) || !find_ifaces(agent))
		return false;
	err = ikw_loop_open(&agent->loop);
	if (err) {
		ikw_error("run: %s", strerror(-err));
		return false;
	}
	ikw_outlet_open(&agent->outlet, &agent->loop, STDOUT_FILENO);
	if (!open_control(agent) || !open_store(agent))
		return false;
	apply_rules(agent);
	return open_model(agent) && open_recorder(agent) && attach(agent) && confine(agent);
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
	ikw_outlet_close(&agent->outlet, LAST_LINES_MS);
	if (agent->outlet.dropped)
		ikw_error("stdout: %llu alarms were not printed%s",
			  (unsigned long long)agent->outlet.dropped,
			  agent->store ? "; the store has them" : "");
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
	ikw_config_free(agent->config);
	while (old_count)
		ikw_config_free(old_configs[--old_count]);
}

/* ---- SIGHUP ---------------------------------------------------------------- */

static struct {
	int argc;
	char **argv;
} line;

static bool differ(const char *a, const char *b)
{
	return a != b && (!a || !b || strcmp(a, b));
}

/* Of what cannot be changed while it runs, the old stays. */
static bool keep_fixed(struct ikw_run_options *new, const struct ikw_run_options *old)
{
	struct {
		const char *name;
		const char **new;
		const char *old;
	} texts[] = {
		{ "netns", &new->netns, old->netns },
		{ "state-dir", &new->state_dir, old->state_dir },
		{ "pin-dir", &new->pin_dir, old->pin_dir },
		{ "socket", &new->socket, old->socket },
	};
	char list[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!differ(*texts[i].new, texts[i].old))
			continue;
		*texts[i].new = texts[i].old;
		len += (size_t)snprintf(list + len, sizeof(list) - len, ", %s", texts[i].name);
	}
	if (new->tier != old->tier)
		len += (size_t)snprintf(list + len, sizeof(list) - len, ", tier");
	if (new->settle_ns != old->settle_ns)
		len += (size_t)snprintf(list + len, sizeof(list) - len, ", settle");
	if (new->ring_bytes != old->ring_bytes)
		len += (size_t)snprintf(list + len, sizeof(list) - len, ", ring-size");
	new->tier = old->tier;
	new->settle_ns = old->settle_ns;
	new->ring_bytes = old->ring_bytes;
	if (len)
		ikw_error("reload: %s: as before until the next start", list + 2);
	return len;
}

static bool other_packets(const struct ikw_run_options *a, const struct ikw_run_options *b)
{
	return strcmp(a->hook, b->hook) || a->port_count != b->port_count ||
	       memcmp(a->ports, b->ports, a->port_count * sizeof(a->ports[0]));
}

/* Texts of the one before may be in use still: it is freed at the end. */
static void put_away(struct ikw_config *config, bool used)
{
	struct ikw_config **more;

	if (!used || !config) {
		ikw_config_free(config);
		return;
	}
	more = realloc(old_configs, (old_count + 1) * sizeof(*more));
	if (!more)
		return;
	old_configs = more;
	old_configs[old_count++] = config;
}

static void apply(struct ikw_agent *agent, const struct ikw_run_options *new)
{
	bool anew = other_packets(new, &agent->options);

	agent->options = *new;
	apply_rules(agent);
	ikw_agent_rehook(agent, anew);
}

static bool reload(struct ikw_agent *agent)
{
	struct ikw_run_options *new = malloc(sizeof(*new));
	struct ikw_config *config = NULL;
	bool fine = new && !ikw_settings_read(new, &config, line.argc, line.argv);

	if (fine) {
		put_away(agent->config, keep_fixed(new, &agent->options));
		agent->config = config;
		apply(agent, new);
		ikw_error("reload: done");
	} else {
		ikw_config_free(config);
		ikw_error("reload: the configuration before it is kept");
	}
	free(new);
	return fine;
}

int ikw_run_main(int argc, char **argv)
{
	static struct ikw_agent agent;
	bool started;
	int err;

	ikw_agent_init(&agent);
	err = ikw_settings_read(&agent.options, &agent.config, argc, argv);
	if (err) {
		ikw_config_free(agent.config);
		return err;
	}
	line.argc = argc;
	line.argv = argv;
	agent.reload = reload;
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
