/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The loader on the kernel that runs this, whatever it allows: comes up in some
 * tier, says why not in a better one, tells what its probes see, and leaves
 * nothing behind. The probes' records are tested in the VM (tests/vm).
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include "loader.h"
#include "trial.h"

#define NEEDS_ROOT()                                                                               \
	do {                                                                                       \
		if (geteuid()) {                                                                   \
			print_message("needs root\n");                                             \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

static struct ikw_loader *open_loader(enum ikw_tier tier)
{
	const struct ikw_loader_config config = { .tier = tier, .ring_bytes = 100000 };
	struct ikw_loader *loader = NULL;
	char why[256] = "";
	int err = ikw_loader_open(&config, &loader, why, sizeof(why));

	if (err)
		fail_msg("open: %d, %s", err, why);
	return loader;
}

static uint32_t ring_id(const struct ikw_loader *loader)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	assert_int_equal(
		bpf_obj_get_info_by_fd(ikw_loader_map_fd(loader, "ikw_events"), &info, &size), 0);
	return info.id;
}

static bool uses_map(int program, uint32_t map)
{
	uint32_t maps[16] = { 0 }, size;
	struct bpf_prog_info info = { .nr_map_ids = 16, .map_ids = (uintptr_t)maps };

	size = sizeof(info);
	if (bpf_obj_get_info_by_fd(program, &info, &size))
		return false;
	for (uint32_t i = 0; i < info.nr_map_ids && i < 16; i++)
		if (maps[i] == map)
			return true;
	return false;
}

/* Loaded programs that write to that ring: other agents on this host have rings of their own. */
static unsigned int programs_on(uint32_t ring)
{
	unsigned int n = 0;
	uint32_t id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0)
			continue;
		n += uses_map(fd, ring);
		close(fd);
	}
	return n;
}

static void test_comes_up(void **state)
{
	struct ikw_loader *loader;
	const struct ikw_probe_status *probes;
	bool fentry, kprobe;
	size_t count, off = 0;

	(void)state;
	NEEDS_ROOT();
	fentry = ikw_trial_fentry().can;
	kprobe = ikw_trial_kprobe().can;
	loader = open_loader(IKW_TIER_NONE);
	assert_int_equal(ikw_loader_attach(loader), 0);
	probes = ikw_loader_probes(loader, &count);
	assert_int_equal(count, ikw_probe_count);
	for (size_t i = 0; i < count; i++) {
		print_message("%-22s %-10s %s\n", probes[i].name, ikw_how_text(probes[i].how),
			      probes[i].why);
		/* what is not attached says why */
		if (probes[i].how == IKW_HOW_OFF)
			assert_true(probes[i].why[0]);
		off += probes[i].how == IKW_HOW_OFF;
	}
	print_message("tier %u, sees 0x%x, %s\n", ikw_loader_tier(loader), ikw_loader_sees(loader),
		      ikw_loader_why(loader));
	if (fentry)
		assert_int_equal(ikw_loader_tier(loader), IKW_TIER_FENTRY);
	else if (kprobe)
		assert_int_equal(ikw_loader_tier(loader), IKW_TIER_KPROBE);
	else
		assert_int_equal(ikw_loader_tier(loader), IKW_TIER_NETLINK);
	if (!fentry && !kprobe) {
		assert_true(off >= 11);
		assert_false(ikw_loader_sees(loader) &
			     (IKW_SEES_SA | IKW_SEES_ACTOR | IKW_SEES_CAUSE | IKW_SEES_CONTROL));
		assert_non_null(strstr(ikw_loader_why(loader), "fentry: "));
		assert_non_null(strstr(ikw_loader_why(loader), "kprobe: "));
	}
	assert_int_equal(ikw_loader_lost(loader), 0);
	ikw_loader_close(loader);
}

static void test_leaves_nothing(void **state)
{
	struct ikw_loader *loader;
	uint32_t ring;
	int fd;

	(void)state;
	NEEDS_ROOT();
	loader = open_loader(IKW_TIER_NONE);
	ring = ring_id(loader);
	assert_int_equal(programs_on(ring), 0);
	assert_int_equal(ikw_loader_attach(loader), 0);
	if (ikw_trial_tracepoint().can)
		assert_true(programs_on(ring) > 0);
	ikw_loader_close(loader);
	/* freed after a grace period */
	for (int i = 0; i < 100 && programs_on(ring); i++)
		usleep(100000);
	assert_int_equal(programs_on(ring), 0);
	for (int i = 0; i < 100 && (fd = bpf_map_get_fd_by_id(ring)) >= 0; i++) {
		close(fd);
		usleep(100000);
	}
	assert_true(bpf_map_get_fd_by_id(ring) < 0);
}

static void test_tier_asked_for(void **state)
{
	struct ikw_loader *loader;
	const struct ikw_probe_status *probes;
	size_t count;

	(void)state;
	NEEDS_ROOT();
	loader = open_loader(IKW_TIER_NETLINK);
	assert_int_equal(ikw_loader_attach(loader), 0);
	assert_int_equal(ikw_loader_tier(loader), IKW_TIER_NETLINK);
	ikw_loader_close(loader);

	loader = open_loader(IKW_TIER_KPROBE);
	if (ikw_trial_kprobe().can) {
		assert_int_equal(ikw_loader_attach(loader), 0);
		assert_int_equal(ikw_loader_tier(loader), IKW_TIER_KPROBE);
	} else {
		assert_int_equal(ikw_loader_attach(loader), -EOPNOTSUPP);
		assert_true(ikw_loader_why(loader)[0]);
		probes = ikw_loader_probes(loader, &count);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(probes[i].how, IKW_HOW_OFF);
		assert_int_equal(ikw_loader_sees(loader), 0);
	}
	ikw_loader_close(loader);
}

struct found {
	pid_t pid;
	unsigned int signals;
	unsigned int exits;
	int exit_code;
};

static void look(void *ctx, union ikw_event *event)
{
	struct found *found = ctx;

	if (event->hdr.type == IKW_EV_SIGNAL && event->signal.daemon_tgid == (uint32_t)found->pid) {
		found->signals++;
		assert_int_equal(event->signal.signo, SIGTERM);
		assert_int_equal(event->signal.by.tgid, getpid());
	}
	if (event->hdr.type == IKW_EV_PROC && event->proc.op == IKW_PROC_EXIT &&
	    event->proc.tgid == (uint32_t)found->pid) {
		found->exits++;
		found->exit_code = event->proc.exit_code;
	}
}

/* Tracepoints work where fentry and kprobes do not: a daemon's end is told in every tier. */
static void test_daemon_ends(void **state)
{
	struct found found = { 0 };
	struct ikw_loader *loader;

	(void)state;
	NEEDS_ROOT();
	if (!ikw_trial_tracepoint().can || !ikw_trial_read().can) {
		print_message("no raw tracepoints that read memory here\n");
		skip();
	}
	loader = open_loader(IKW_TIER_NONE);
	assert_int_equal(ikw_loader_attach(loader), 0);
	assert_true(ikw_loader_sees(loader) & IKW_SEES_SIGNAL);
	found.pid = fork();
	if (!found.pid)
		for (;;)
			pause();
	assert_int_equal(ikw_loader_add_daemon(loader, (uint32_t)found.pid), 0);
	kill(found.pid, SIGTERM);
	waitpid(found.pid, NULL, 0);
	assert_true(ikw_loader_consume(loader, look, &found, 1000) >= 2);
	assert_int_equal(found.signals, 1);
	assert_int_equal(found.exits, 1);
	assert_int_equal(found.exit_code, SIGTERM);
	ikw_loader_close(loader);
}

static void test_no_privileges(void **state)
{
	const struct ikw_loader_config config = { .tier = IKW_TIER_NONE };
	struct ikw_loader *loader = NULL;
	char why[256] = "";
	int status;
	pid_t pid;

	(void)state;
	NEEDS_ROOT();
	pid = fork();
	if (!pid) {
		if (setuid(65534))
			_exit(2);
		_exit(ikw_loader_open(&config, &loader, why, sizeof(why)) < 0 && why[0] && !loader
			      ? 0
			      : 1);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_maps(void **state)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	struct ikw_loader *loader;

	(void)state;
	NEEDS_ROOT();
	loader = open_loader(IKW_TIER_NONE);
	assert_true(ikw_loader_map_fd(loader, "ikw_state") >= 0);
	assert_int_equal(ikw_loader_map_fd(loader, "no_such"), -ENOENT);
	assert_int_equal(
		bpf_obj_get_info_by_fd(ikw_loader_map_fd(loader, "ikw_events"), &info, &size), 0);
	/* 100,000 rounded up to a power of two */
	assert_int_equal(info.max_entries, 131072);
	assert_true(ikw_loader_poll_fd(loader) >= 0);
	ikw_loader_close(loader);
	ikw_loader_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_up),       cmocka_unit_test(test_leaves_nothing),
		cmocka_unit_test(test_tier_asked_for), cmocka_unit_test(test_daemon_ends),
		cmocka_unit_test(test_no_privileges),  cmocka_unit_test(test_maps),
	};

	return cmocka_run_group_tests_name("loader", tests, NULL, NULL);
}
