/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "send.h"

/* ---- user and capabilities ------------------------------------------------ */

static bool become(const char *user, const char *group, char *why, size_t size)
{
	const struct passwd *pw = getpwnam(user);
	const struct group *gr = getgrnam(group);
	gid_t groups[64];
	int count = 63;

	if (!pw) {
		snprintf(why, size, "%s: no such user", user);
		return false;
	}
	if (!pw->pw_uid) {
		snprintf(why, size, "%s: the sender does not run as root", user);
		return false;
	}
	if (getgrouplist(user, pw->pw_gid, groups, &count) < 0)
		count = 63;
	if (gr)
		groups[count++] = gr->gr_gid;
	if (setgroups((size_t)count, groups) || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid)) {
		snprintf(why, size, "%s: %s", user, strerror(errno));
		return false;
	}
	return true;
}

bool ikw_confine_user(const char *user, const char *group, char *why, size_t size)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		snprintf(why, size, "no_new_privs: %s", strerror(errno));
		return false;
	}
	if (!geteuid()) {
		capng_get_caps_process();
		capng_clear(CAPNG_SELECT_BOUNDS);
		capng_apply(CAPNG_SELECT_BOUNDS); /* best effort: no_new_privs holds anyway */
		if (!become(user, group, why, size))
			return false;
	}
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_apply(CAPNG_SELECT_CAPS) || capng_apply(CAPNG_SELECT_AMBIENT)) {
		snprintf(why, size, "capabilities: could not be given up");
		return false;
	}
	prctl(PR_SET_DUMPABLE, 0); /* its memory has keys */
	return true;
}

bool ikw_confine_dir(const char *dir, const char *user, char *why, size_t size)
{
	const struct passwd *pw;

	if (mkdir(dir, 0750) && errno != EEXIST) {
		snprintf(why, size, "%s: %s", dir, strerror(errno));
		return false;
	}
	if (geteuid())
		return true;
	pw = getpwnam(user);
	if (pw && !chown(dir, pw->pw_uid, (gid_t)-1))
		return true;
	snprintf(why, size, "%s: %s", pw ? dir : user, pw ? strerror(errno) : "no such user");
	return false;
}

/* ---- files ----------------------------------------------------------------- */

#define WRITES                                                                                     \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                           \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                               \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                             \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static void allow_below(int ruleset, const char *dir, uint64_t access)
{
	struct landlock_path_beneath_attr beneath = { .allowed_access = access };

	beneath.parent_fd = open(dir, O_PATH | O_CLOEXEC);
	if (beneath.parent_fd < 0)
		return;
	syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	close(beneath.parent_fd);
}

void ikw_confine_files(const char *dir)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = WRITES };
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (ruleset < 0)
		return;
	allow_below(ruleset, dir,
		    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
			    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_SOCK);
	/* where the metrics may be a socket */
	allow_below(ruleset, IKW_SEND_RUN_DIR,
		    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE);
	allow_below(ruleset, "/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE);
	syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
}

/* ---- system calls ---------------------------------------------------------- */

static const char *const calls[] = {
	/* files */
	"read",
	"write",
	"readv",
	"writev",
	"pread64",
	"pwrite64",
	"open",
	"openat",
	"close",
	"lseek",
	"stat",
	"fstat",
	"lstat",
	"newfstatat",
	"statx",
	"access",
	"faccessat",
	"faccessat2",
	"readlink",
	"readlinkat",
	"getdents64",
	"fcntl",
	"flock",
	"fsync",
	"fdatasync",
	"ftruncate",
	"rename",
	"renameat",
	"renameat2",
	"unlink",
	"unlinkat",
	"getcwd",
	"umask",
	"statfs",
	"fstatfs",
	"fadvise64",
	"memfd_create",
	"dup",
	"dup2",
	"dup3",
	"pipe",
	"pipe2",
	"fchmod",
	"chmod",
	"fchmodat",
	/* memory */
	"mmap",
	"munmap",
	"mremap",
	"mprotect",
	"madvise",
	"brk",
	"membarrier",
	/* sockets */
	"connect",
	"bind",
	"listen",
	"accept",
	"accept4",
	"sendto",
	"recvfrom",
	"sendmsg",
	"recvmsg",
	"sendmmsg",
	"recvmmsg",
	"shutdown",
	"getsockname",
	"getpeername",
	"getsockopt",
	"setsockopt",
	"socketpair",
	/* waiting */
	"poll",
	"ppoll",
	"select",
	"pselect6",
	"epoll_create",
	"epoll_create1",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"eventfd2",
	"inotify_init1",
	"inotify_add_watch",
	"inotify_rm_watch",
	"timerfd_create",
	"timerfd_settime",
	"nanosleep",
	"clock_nanosleep",
	"futex",
	"futex_time64",
	"pause",
	"restart_syscall",
	/* time, signals, self */
	"clock_gettime",
	"clock_getres",
	"gettimeofday",
	"time",
	"getrandom",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigtimedwait",
	"rt_sigsuspend",
	"sigaltstack",
	"kill",
	"tgkill",
	"getpid",
	"gettid",
	"getppid",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getgroups",
	"getresuid",
	"getresgid",
	"getpgrp",
	"uname",
	"sysinfo",
	"getrusage",
	"times",
	"prlimit64",
	"getrlimit",
	"sched_yield",
	"sched_getaffinity",
	"getcpu",
	"set_robust_list",
	"get_robust_list",
	"rseq",
	"set_tid_address",
	"arch_prctl",
	"exit",
	"exit_group",
	"wait4",
	"waitid",
};

static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };

static int add_rules(scmp_filter_ctx filter, bool workers)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !err; i++) {
		int number = seccomp_syscall_resolve_name(calls[i]);

		if (number >= 0) /* the others do not exist on this architecture */
			err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	}
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	if (!err) /* FIONREAD, SIOCOUTQ and the like; the terminal's TIOCSTI is not among them */
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_NE, 0x5412));
	/* PR_SET_NAME and friends; no_new_privs cannot be undone */
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 0);
	/* glibc then uses clone, whose flags can be looked at */
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!err && workers) /* and for the filters of the workers themselves */
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 0) ||
		      seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(seccomp), 0);
	else if (!err) /* threads only */
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	return err;
}

bool ikw_confine_calls(bool workers, char *why, size_t size)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = filter ? add_rules(filter, workers) : -ENOMEM;

	if (!err)
		err = seccomp_load(filter);
	if (err)
		snprintf(why, size, "seccomp: %s", strerror(-err));
	seccomp_release(filter);
	return !err;
}
