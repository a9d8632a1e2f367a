/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `ikewatch check`: what this kernel can do, found out by trying it. The probes
 * themselves are loaded and attached for a moment, with nobody reading them,
 * for only that tells which tier a run would have.
 */
#include <errno.h>
#include <jansson.h>
#include <libmnl/libmnl.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include "catalogue.h"
#include "check.h"
#include "cli.h"
#include "sender.h"
#include "settings.h"
#include "loader.h"
#include "procfs.h"
#include "trial.h"

#define BPFFS	 "/sys/fs/bpf"
#define LOCKDOWN "/sys/kernel/security/lockdown"

/* ---- trials of our own -------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static struct ikw_trial result(bool can, const char *format,
								     ...)
{
	struct ikw_trial trial = { .can = can };
	va_list args;

	va_start(args, format);
	vsnprintf(trial.why, sizeof(trial.why), format, args);
	va_end(args);
	return trial;
}

/* Names by bit, <linux/capability.h>: what a run needs. */
static const struct {
	int bit;
	const char *name;
} capabilities[] = {
	{ 12, "CAP_NET_ADMIN" },
	{ 38, "CAP_PERFMON" },
	{ 39, "CAP_BPF" },
};

#define CAP_SYS_ADMIN_BIT 21

static uint64_t effective_capabilities(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	return caps;
}

/* CAP_SYS_ADMIN stands for the two that were split from it in 5.8. */
static struct ikw_trial try_capabilities(void)
{
	uint64_t caps = effective_capabilities();
	struct ikw_trial trial = { .can = true };
	size_t at = 0;

	for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++) {
		if (caps >> capabilities[i].bit & 1)
			continue;
		if (capabilities[i].bit >= 38 && caps >> CAP_SYS_ADMIN_BIT & 1)
			continue;
		trial.can = false;
		at += (size_t)snprintf(trial.why + at, sizeof(trial.why) - at, "%s%s",
				       at ? ", " : "missing: ", capabilities[i].name);
	}
	return trial;
}

/* "none [integrity] confidentiality": the bracketed one is in force. */
static struct ikw_trial try_lockdown(void)
{
	char line[128] = "", mode[32] = "none";
	FILE *f = fopen(LOCKDOWN, "re");

	if (!f)
		return result(true, "not told by this kernel (%s: %s)", LOCKDOWN, strerror(errno));
	if (fgets(line, sizeof(line), f) && strchr(line, '['))
		sscanf(strchr(line, '['), "[%31[a-z]", mode);
	fclose(f);
	return result(strcmp(mode, "confidentiality"), "%s%s", mode,
		      strcmp(mode, "integrity") ? "" : ", which takes nothing from the agent");
}

static struct ikw_trial try_processes(void)
{
	return ikw_procfs_initial()
		       ? result(true, "%s", "")
		       : result(false,
				"this is a PID namespace of its own: /proc has other numbers "
				"than the kernel");
}

static struct ikw_trial try_bpffs(void)
{
	struct statfs fs;

	if (statfs(BPFFS, &fs))
		return result(false, "%s: %s", BPFFS, strerror(errno));
	if (fs.f_type != BPF_FS_MAGIC)
		return result(false, "no bpffs is mounted on %s; run mounts it", BPFFS);
	return result(true, "%s", BPFFS);
}

static struct ikw_trial try_xfrm(void)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK,
				     .nl_groups = 1u << (XFRMNLGRP_SA - 1) };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
	struct ikw_trial trial = { .can = true };

	if (fd < 0)
		return result(false, "%s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)))
		trial = result(false, "group SA: %s", strerror(errno));
	close(fd);
	return trial;
}

/* An ESP SA with the cipher that needs no other module. */
static void put_esp_sa(struct nlmsghdr *nlh)
{
	const struct xfrm_algo cipher = { .alg_name = "ecb(cipher_null)" };
	struct xfrm_usersa_info *sa;

	nlh->nlmsg_type = XFRM_MSG_NEWSA;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
	sa = mnl_nlmsg_put_extra_header(nlh, sizeof(*sa));
	sa->family = AF_INET;
	sa->mode = XFRM_MODE_TUNNEL;
	sa->saddr.a4 = htonl(INADDR_LOOPBACK);
	sa->id.daddr.a4 = htonl(INADDR_LOOPBACK);
	sa->id.spi = htonl(0x1000);
	sa->id.proto = IPPROTO_ESP;
	sa->lft.hard_byte_limit = sa->lft.soft_byte_limit = XFRM_INF;
	sa->lft.hard_packet_limit = sa->lft.soft_packet_limit = XFRM_INF;
	mnl_attr_put(nlh, XFRMA_ALG_CRYPT, sizeof(cipher), &cipher);
}

/* The kernel's answer to that SA, as an errno; in the caller's network namespace. */
static int add_esp_sa(void)
{
	char buf[8192];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_XFRM, SOCK_CLOEXEC);
	const struct nlmsgerr *answer;
	ssize_t n;
	int err = EIO;

	if (!nl)
		return errno;
	put_esp_sa(nlh);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n > 0 && mnl_nlmsg_ok((struct nlmsghdr *)buf, (int)n) &&
		    ((struct nlmsghdr *)buf)->nlmsg_type == NLMSG_ERROR) {
			answer = mnl_nlmsg_get_payload((struct nlmsghdr *)buf);
			err = -answer->error;
		}
	}
	mnl_socket_close(nl);
	return err;
}

/* In a network namespace of its own, by a child: the SA and the namespace end with it. */
static struct ikw_trial try_esp(void)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return result(false, "fork: %s", strerror(errno));
	if (!pid)
		_exit(unshare(CLONE_NEWNET) ? errno : add_esp_sa());
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return result(false, "could not be tried");
	if (!WEXITSTATUS(status))
		return result(true, "%s", "");
	return result(false, "an ESP SA cannot be added: %s", strerror(WEXITSTATUS(status)));
}

/* memory.max of one cgroup (a path below the hierarchy); 0: no limit or none known. */
static unsigned long long limit_of(const char *cgroup)
{
	unsigned long long limit = 0;
	char path[640];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", cgroup);
	f = fopen(path, "re");
	if (f && fscanf(f, "%llu", &limit) != 1)
		limit = 0;
	if (f)
		fclose(f);
	return limit;
}

/*
 * The least of this process's cgroup and of those it is in; 0 as above. The root
 * is one of them: in a container it has the container's limit.
 */
static unsigned long long cgroup_limit(void)
{
	unsigned long long least = 0, limit;
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[512] = "", *cgroup = line + 3, *end;

	if (!f || !fgets(line, sizeof(line), f) || strncmp(line, "0::", 3))
		line[0] = 0;
	if (f)
		fclose(f);
	if (!line[0])
		return 0;
	cgroup[strcspn(cgroup, "\n")] = 0;
	do {
		limit = limit_of(cgroup);
		if (limit && (!least || limit < least))
			least = limit;
		end = strrchr(cgroup, '/');
		if (end)
			*end = 0;
	} while (end);
	return least;
}

/* The ring and the ESP slots, 32 MiB each at most, and as much for all else. */
#define MEMORY_LEAST (96ull << 20)

/* Maps count against RLIMIT_MEMLOCK before 5.11 and against the cgroup since. */
static struct ikw_trial try_memory(void)
{
	unsigned long long cgroup = cgroup_limit();
	char memlock[32] = "unlimited", group[64] = "none";
	bool enough = !cgroup || cgroup >= MEMORY_LEAST;
	struct rlimit limit;

	if (!getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		snprintf(memlock, sizeof(memlock), "%llu KiB",
			 (unsigned long long)limit.rlim_cur / 1024);
	if (cgroup && enough)
		snprintf(group, sizeof(group), "%llu MiB", cgroup >> 20);
	else if (cgroup)
		snprintf(group, sizeof(group), "%llu MiB of %llu needed", cgroup >> 20,
			 MEMORY_LEAST >> 20);
	return result(enough, "cgroup limit %s, memlock %s", group, memlock);
}

/* ---- the table ----------------------------------------------------------- */

/* Privileges come first: without them the others tell nothing of the kernel. */
static const struct {
	const char *name;
	struct ikw_trial (*try)(void);
	const char *lost; /* in words, when it cannot */
	bool vital;	  /* without it the agent cannot run at all */
} rows[] = {
	{ "capabilities", try_capabilities, "nothing can be loaded or subscribed to", false },
	{ "ring buffer", ikw_trial_ring, "no kernel program can tell anything", false },
	{ "xfrm netlink", try_xfrm, "existing SAs cannot be read in, and there is no netlink tier",
	  true },
	{ "BTF", ikw_trial_btf, "no SAD probe can be placed: netlink tier", false },
	{ "kernel reads", ikw_trial_read, "programs cannot look at SAs or processes: netlink tier",
	  false },
	{ "fentry", ikw_trial_fentry, "SAD probes fall back to kprobes", false },
	{ "kprobes", ikw_trial_kprobe, "without fentry too, SAD probes fall back to netlink",
	  false },
	{ "tracepoints", ikw_trial_tracepoint, "signals to IKE daemons and their end go unseen",
	  false },
	{ "XDP", ikw_trial_xdp, "ingress is watched by tc instead", false },
	{ "tc", ikw_trial_tc, "IKE messages that this host sends go unseen", false },
	{ "tcx", ikw_trial_tcx, "the tc hook is taken by a clsact's filters, which cost more",
	  false },
	{ "processes", try_processes,
	  "the IKE daemons that are there when the agent comes are not known, and of a process "
	  "that it did not see begin neither is the command; in a container, run it in the host's "
	  "(--pid=host, hostPID)",
	  false },
	{ "ESP", try_esp, "this kernel cannot carry a tunnel: there is nothing to watch", false },
	{ "bpffs", try_bpffs, "nothing can be pinned until it is mounted", false },
	{ "lockdown", try_lockdown, "programs cannot look at SAs or processes: netlink tier",
	  false },
	{ "memory", try_memory, "maps may not fit: records can be lost in storms", false },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* What it means for the verdicts when an observable is missing. */
static const struct {
	uint32_t sees;
	const char *lost;
} losses[] = {
	{ IKW_SEES_SA, "SA changes go unseen: no alarm at all" },
	{ IKW_SEES_ACTOR,
	  "the process that deleted an SA is not known: 'config modify or manual offline' by ip or "
	  "another program is at most likely, and `by` is empty" },
	{ IKW_SEES_CAUSE,
	  "timer, call and flush are told apart by netlink messages only: 'phase2 hard expiry' "
	  "rests "
	  "on the kernel's expiry notice, and the limit that was hit is not certain" },
	{ IKW_SEES_LARVAL,
	  "larval SAs go unseen: 'exchange timeout' and 're-auth timeout' lose an early sign" },
	{ IKW_SEES_FAILED, "failed installs go unseen: 'spi conflict' cannot be told" },
	{ IKW_SEES_POLICY,
	  "policies go unseen: rule numbers, and a reload that changed selectors, cannot be told" },
	{ IKW_SEES_CONTROL,
	  "connects to the daemons' control sockets go unseen: who ordered a deletion is not "
	  "known, "
	  "'config modify or manual offline' is at most likely" },
	{ IKW_SEES_REQUEST,
	  "what is asked over a control socket is not read: the client's command line alone "
	  "tells" },
	{ IKW_SEES_SIGNAL,
	  "signals to IKE daemons go unseen: a stopped daemon is told by its deletes only" },
	{ IKW_SEES_ASKED,
	  "when a daemon reads an SA's last use goes unseen: an unanswered liveness check and an "
	  "unanswered Delete of the same length are told apart by what surrounds them only" },
	{ IKW_SEES_EXIT, "the end of an IKE daemon goes unseen by the kernel probes" },
	{ IKW_SEES_IKE_IN,
	  "received IKE messages go unseen: 'peer request', 'dpd timeout' and all timeouts lose "
	  "their evidence" },
	{ IKW_SEES_IKE_OUT,
	  "sent IKE messages go unseen: 'dpd timeout' and 'exchange timeout' lose their evidence" },
};

#define LOSSES (sizeof(losses) / sizeof(losses[0]))

struct outcome {
	struct utsname kernel;
	struct ikw_trial trials[ROWS];
	enum ikw_tier tier; /* IKW_TIER_NONE: the agent cannot run */
	uint32_t sees;
	char why[256]; /* why the tier is not better */
};

static const struct ikw_trial *trial_of(const struct outcome *outcome, const char *name)
{
	for (size_t i = 0; i < ROWS; i++)
		if (!strcmp(rows[i].name, name))
			return &outcome->trials[i];
	return NULL;
}

static void try_loader(struct outcome *outcome)
{
	const struct ikw_loader_config config = { .tier = IKW_TIER_NONE };
	struct ikw_loader *loader;

	outcome->tier = IKW_TIER_NETLINK;
	if (ikw_loader_open(&config, &loader, outcome->why, sizeof(outcome->why)))
		return;
	if (!ikw_loader_attach(loader)) {
		outcome->tier = ikw_loader_tier(loader);
		outcome->sees = ikw_loader_sees(loader);
		snprintf(outcome->why, sizeof(outcome->why), "%s", ikw_loader_why(loader));
	}
	ikw_loader_close(loader);
}

static void find_out(struct outcome *outcome)
{
	bool tc;

	uname(&outcome->kernel);
	for (size_t i = 0; i < ROWS; i++)
		outcome->trials[i] = rows[i].try();
	try_loader(outcome);
	tc = trial_of(outcome, "tc")->can;
	if (trial_of(outcome, "ring buffer")->can) {
		if (tc)
			outcome->sees |= IKW_SEES_IKE_OUT | IKW_SEES_ESP | IKW_SEES_WIRE;
		if (tc || trial_of(outcome, "XDP")->can)
			outcome->sees |= IKW_SEES_IKE_IN;
	}
	if (outcome->tier == IKW_TIER_NETLINK)
		outcome->sees |= IKW_SEES_SA | IKW_SEES_POLICY | IKW_SEES_PORTID;
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].vital && !outcome->trials[i].can)
			outcome->tier = IKW_TIER_NONE;
	if (!trial_of(outcome, "capabilities")->can)
		outcome->tier = IKW_TIER_NONE;
}

static const char *tier_text(enum ikw_tier tier)
{
	static const char *const text[] = { "none", "fentry", "kprobe", "netlink" };

	return text[tier];
}

/* ---- output --------------------------------------------------------------- */

/* What the row's failure means; NULL: nothing, or without privileges nothing can be said of the
 * kernel. */
static const char *lost_of(const struct outcome *outcome, size_t i)
{
	if (outcome->trials[i].can || (i && !outcome->trials[0].can))
		return NULL;
	return rows[i].lost;
}

/* Those of this host, when it has any. */
static int check_sinks(json_t *list)
{
	if (access(IKW_SINKS_CONFIG, R_OK))
		return IKW_EXIT_OK;
	if (!list)
		printf("\nThe sinks of " IKW_SINKS_CONFIG ":\n");
	return ikw_sender_check(IKW_SINKS_CONFIG, list);
}

static int print_text(const struct outcome *outcome)
{
	printf("kernel        %s %s\n", outcome->kernel.release, outcome->kernel.machine);
	for (size_t i = 0; i < ROWS; i++) {
		const struct ikw_trial *trial = &outcome->trials[i];
		const char *lost = lost_of(outcome, i);

		printf("%-13s %-3s  %s%s%s\n", rows[i].name, trial->can ? "yes" : "no", trial->why,
		       lost && trial->why[0] ? " - " : "", lost ? lost : "");
	}
	if (outcome->tier == IKW_TIER_NONE) {
		printf("\nThe agent cannot run here.\n");
		return check_sinks(NULL);
	}
	printf("\nThe agent runs here, SAD probes by %s%s%s\n", tier_text(outcome->tier),
	       outcome->why[0] ? "; not better: " : ".", outcome->why);
	for (size_t i = 0; i < LOSSES; i++)
		if (!(outcome->sees & losses[i].sees))
			printf("  lost: %s\n", losses[i].lost);
	return check_sinks(NULL);
}

static json_t *sees_json(const struct outcome *outcome)
{
	json_t *all = json_array();

	for (uint32_t bit = 1; bit; bit <<= 1)
		if (outcome->sees & bit)
			json_array_append_new(all, json_string(ikw_catalogue_observable_text(bit)));
	return all;
}

static json_t *losses_json(const struct outcome *outcome)
{
	json_t *all = json_array();

	for (size_t i = 0; i < LOSSES; i++)
		if (!(outcome->sees & losses[i].sees))
			json_array_append_new(
				all, json_pack("{s:s, s:s}", "what",
					       ikw_catalogue_observable_text(losses[i].sees),
					       "means", losses[i].lost));
	return all;
}

static json_t *rows_json(const struct outcome *outcome)
{
	json_t *all = json_array();

	for (size_t i = 0; i < ROWS; i++) {
		const struct ikw_trial *trial = &outcome->trials[i];
		json_t *row = json_pack("{s:s, s:b, s:s}", "name", rows[i].name, "can", trial->can,
					"why", trial->why);

		if (lost_of(outcome, i))
			json_object_set_new(row, "lost", json_string(lost_of(outcome, i)));
		json_array_append_new(all, row);
	}
	return all;
}

static int print_json(const struct outcome *outcome)
{
	bool runs = outcome->tier != IKW_TIER_NONE;
	json_t *sinks = json_array();
	int status = check_sinks(sinks);
	json_t *all = json_pack("{s:s, s:s, s:b, s:s, s:s, s:o, s:o, s:o, s:o}", "kernel",
				outcome->kernel.release, "machine", outcome->kernel.machine,
				"can_run", runs, "tier", tier_text(outcome->tier), "why",
				outcome->why, "checks", rows_json(outcome), "sees",
				sees_json(outcome), "lost", losses_json(outcome), "sinks", sinks);

	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
	return status;
}

bool ikw_check_sees(uint32_t *sees)
{
	struct outcome outcome = { .tier = IKW_TIER_NONE };

	if (!try_capabilities().can)
		return false;
	find_out(&outcome);
	*sees = outcome.sees | IKW_SEES_LINK; /* rtnetlink, in every tier */
	return outcome.tier != IKW_TIER_NONE;
}

/* A section (TYPE "NAME" {) that is none of the agent's makes it the sinks' file. */
static bool is_sinks_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[1024], word[32], name[128];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, " %31[a-z] \"%127[^\"]\" {", word, name) == 2 &&
			strcmp(word, "reason") && strcmp(word, "peer") && strcmp(word, "tunnel");
	if (file)
		fclose(file);
	return found;
}

/* Without looking at this host: the file may be another one's. */
static int check_config(const char *path, bool json)
{
	char why[PATH_MAX + 512];
	json_t *list;
	int status;

	if (is_sinks_file(path)) {
		list = json ? json_array() : NULL;
		status = ikw_sender_check(path, list);
		if (list) {
			json_dumpf(list, stdout, JSON_INDENT(2));
			putchar('\n');
		}
		json_decref(list);
		return status;
	}
	if (!ikw_settings_check(path, why, sizeof(why))) {
		ikw_error("%s", why);
		return IKW_EXIT_FAILED;
	}
	printf("%s: fine\n", path);
	return IKW_EXIT_OK;
}

int ikw_check_main(int argc, char **argv)
{
	const struct ikw_command *command = ikw_cli_find("check");
	struct outcome outcome = { .tier = IKW_TIER_NONE };
	const char *value;
	const char *config = NULL;
	bool json = false;
	int key, status;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key == '?')
			return IKW_EXIT_USAGE;
		if (key == 'c')
			config = value;
		json = json || key == 'j';
	}
	if (optind < argc)
		return ikw_usage_error("check", "%s: unexpected operand", argv[optind]);
	if (config)
		return check_config(config, json);
	find_out(&outcome);
	if (json)
		status = print_json(&outcome);
	else
		status = print_text(&outcome);
	return outcome.tier == IKW_TIER_NONE ? IKW_EXIT_FAILED : status;
}
