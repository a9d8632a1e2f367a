/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "confine.h"
#include <cap-ng.h>
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

/*
 * NET_ADMIN and BPF: programs onto interfaces that appear, maps; PERFMON: kernels
 * ask for it when a map is written to from here on some paths, and to load packet
 * programs again; SYS_PTRACE and DAC_READ_SEARCH: which program a process runs,
 * and whose sockets are whose.
 */
static const unsigned int kept[] = { CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE,
				     CAP_DAC_READ_SEARCH };

static bool drop_capabilities(bool netns)
{
	unsigned int keep[sizeof(kept) / sizeof(kept[0]) + 1];
	size_t count = 0;

	capng_get_caps_process();
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (capng_have_capability(CAPNG_PERMITTED, kept[i]))
			keep[count++] = kept[i];
	/* before Linux 5.8 it stood for BPF and PERFMON */
	if ((netns || count < sizeof(kept) / sizeof(kept[0])) &&
	    capng_have_capability(CAPNG_PERMITTED, CAP_SYS_ADMIN))
		keep[count++] = CAP_SYS_ADMIN;
	capng_clear(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
	for (size_t i = 0; i < count; i++)
		if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, keep[i]))
			return false;
	return !capng_apply(CAPNG_SELECT_CAPS) && !capng_apply(CAPNG_SELECT_AMBIENT);
}

/* The bounding set can be emptied only with CAP_SETPCAP: without it there is nothing to empty. */
static void drop_bounds(void)
{
	capng_get_caps_process();
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		return;
	capng_clear(CAPNG_SELECT_BOUNDS);
	capng_apply(CAPNG_SELECT_BOUNDS);
}

/* By name: a library knows which of them an architecture has. */
static const char *const allowed[] = {
	/* files: store, journal, configuration, recording */
	"access",
	"chmod",
	"close",
	"close_range",
	"creat",
	"dup",
	"dup2",
	"dup3",
	"faccessat",
	"faccessat2",
	"fadvise64",
	"fallocate",
	"fchmod",
	"fchmodat",
	"fchown",
	"fcntl",
	"fdatasync",
	"flock",
	"fstat",
	"fstatfs",
	"fsync",
	"ftruncate",
	"getcwd",
	"getdents64",
	"ioctl",
	"link",
	"lseek",
	"lstat",
	"mkdir",
	"mkdirat",
	"newfstatat",
	"open",
	"openat",
	"pread64",
	"pwrite64",
	"read",
	"readlink",
	"readlinkat",
	"readv",
	"rename",
	"renameat",
	"renameat2",
	"rmdir",
	"stat",
	"statfs",
	"statx",
	"umask",
	"unlink",
	"unlinkat",
	"utimensat",
	"write",
	"writev",
	/* memory */
	"brk",
	"madvise",
	"mmap",
	"mprotect",
	"mremap",
	"munmap",
	/* sockets */
	"accept",
	"accept4",
	"bind",
	"connect",
	"getpeername",
	"getsockname",
	"getsockopt",
	"listen",
	"recvfrom",
	"recvmmsg",
	"recvmsg",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shutdown",
	"socket",
	"socketpair",
	/* waiting */
	"clock_nanosleep",
	"epoll_create1",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"eventfd2",
	"futex",
	"inotify_add_watch",
	"inotify_init1",
	"inotify_rm_watch",
	"nanosleep",
	"pidfd_open",
	"pipe2",
	"poll",
	"ppoll",
	"pselect6",
	"restart_syscall",
	"sched_yield",
	"select",
	"signalfd4",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	/* itself, and who it looks at */
	"capget",
	"clock_getres",
	"clock_gettime",
	"exit",
	"exit_group",
	"getegid",
	"geteuid",
	"getgid",
	"getgroups",
	"getpid",
	"getppid",
	"getrandom",
	"getrlimit",
	"getrusage",
	"gettid",
	"gettimeofday",
	"getuid",
	"kill",
	"prctl",
	"prlimit64",
	"rseq",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigtimedwait",
	"sched_getaffinity",
	"set_robust_list",
	"sigaltstack",
	"sysinfo",
	"tgkill",
	"time",
	"uname",
	"wait4",
	"waitid",
	/* what it is for */
	"bpf",
	"perf_event_open",
	"setns",
};

static int allow_all(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && !err; i++) {
		int number = seccomp_syscall_resolve_name(allowed[i]);

		/* one that this architecture, or this libseccomp, does not know needs no rule */
		if (number == __NR_SCMP_ERROR || number < 0)
			continue;
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	}
	return err;
}

static int filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return -ENOMEM;
	/* logging came with Linux 4.14 and libseccomp's API level 3: refused calls are refused
	 * anyway */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	err = allow_all(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

bool ikw_confine(bool netns, char *why, size_t size)
{
	int err;

	drop_bounds();
	if (!drop_capabilities(netns)) {
		snprintf(why, size, "capabilities cannot be dropped: %s", strerror(errno));
		return false;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		snprintf(why, size, "no_new_privs: %s", strerror(errno));
		return false;
	}
	err = filter_calls();
	if (err)
		snprintf(why, size, "seccomp: %s", strerror(-err));
	return !err;
}
