/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lock.h"
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* One line of /proc/locks: "4: FLOCK  ADVISORY  WRITE 812 00:1f:1023 0 EOF". */
static pid_t holder_in(FILE *locks, const struct stat *st)
{
	unsigned int major, minor;
	unsigned long inode;
	char line[256];
	int pid;

	while (fgets(line, sizeof(line), locks))
		if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid, &major, &minor, &inode) ==
			    4 &&
		    inode == st->st_ino && major == major(st->st_dev) && minor == minor(st->st_dev))
			return pid;
	return 0;
}

pid_t ikw_lock_holder(const char *path)
{
	FILE *locks = fopen("/proc/locks", "re");
	struct stat st;
	pid_t pid = 0;

	if (locks && !stat(path, &st))
		pid = holder_in(locks, &st);
	if (locks)
		fclose(locks);
	return pid;
}
