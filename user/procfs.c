/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "procfs.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define INODES_MAX 256
#define TTY_PTS	   136 /* major of /dev/pts/N, Documentation/admin-guide/devices.txt */
#define TTY_TTY	   4

#define PID_INIT_INO 0xeffffffcU /* PROC_PID_INIT_INO */

bool ikw_procfs_initial(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) < 0 || st.st_ino == PID_INIT_INO;
}

/* ---- one process -------------------------------------------------------- */

/* Reads a file of /proc/TGID, NUL-terminated; its length, or -1. */
static ssize_t read_file(uint32_t tgid, const char *file, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/%s", tgid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n >= 0)
		buf[n] = 0;
	return n;
}

struct stat_fields {
	char comm[IKW_COMM_LEN];
	uint32_t parent;
	unsigned int tty;
};

/* proc_pid_stat(5): the comm stands in the outermost parentheses and may hold any byte. */
static bool read_stat(uint32_t tgid, struct stat_fields *fields)
{
	char buf[512];
	char *open_at, *close_at;
	int tty = 0;
	size_t len;

	if (read_file(tgid, "stat", buf, sizeof(buf)) <= 0)
		return false;
	open_at = strchr(buf, '(');
	close_at = strrchr(buf, ')');
	if (!open_at || !close_at || close_at < open_at)
		return false;
	memset(fields, 0, sizeof(*fields));
	len = (size_t)(close_at - open_at - 1);
	memcpy(fields->comm, open_at + 1, len < IKW_COMM_LEN ? len : IKW_COMM_LEN - 1);
	if (sscanf(close_at + 1, " %*c %u %*d %*d %d", &fields->parent, &tty) != 2)
		return false;
	fields->tty = (unsigned int)tty;
	return true;
}

static void tty_name(unsigned int dev, char name[IKW_NAME_LEN])
{
	/* The kernel's own encoding of tty_nr: new_encode_dev(). */
	unsigned int major_no = (dev >> 8) & 0xfff;
	unsigned int minor_no = (dev & 0xff) | ((dev >> 12) & 0xfff00);

	if (major_no >= TTY_PTS && major_no < TTY_PTS + 8)
		snprintf(name, IKW_NAME_LEN, "pts/%u", (major_no - TTY_PTS) * 256 + minor_no);
	else if (major_no == TTY_TTY && minor_no < 64)
		snprintf(name, IKW_NAME_LEN, "tty%u", minor_no);
	else if (major_no == TTY_TTY)
		snprintf(name, IKW_NAME_LEN, "ttyS%u", minor_no - 64);
}

static uint32_t read_number(uint32_t tgid, const char *file, uint32_t otherwise)
{
	char buf[32];

	if (read_file(tgid, file, buf, sizeof(buf)) <= 0 || !isdigit((unsigned char)buf[0]))
		return otherwise;
	return (uint32_t)strtoul(buf, NULL, 10);
}

static uint32_t read_uid(uint32_t tgid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u", tgid);
	return stat(path, &st) < 0 ? 0 : st.st_uid;
}

static void read_exe(uint32_t tgid, char exe[IKW_EXE_LEN])
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/exe", tgid);
	n = readlink(path, exe, IKW_EXE_LEN - 1);
	exe[n > 0 ? n : 0] = 0;
}

static void read_args(uint32_t tgid, struct ikw_proc *proc)
{
	char buf[IKW_ARGS_LEN];
	ssize_t n = read_file(tgid, "cmdline", buf, sizeof(buf));

	if (n <= 0)
		return;
	memcpy(proc->args, buf, (size_t)n);
	proc->args[n] = 0;
	/* read_file leaves room for a NUL: a cut argument still ends. */
	proc->args_len = (uint32_t)n + (buf[n - 1] != 0);
}

static void read_parents(uint32_t parent, struct ikw_proc *proc)
{
	struct stat_fields fields;

	proc->parent_count = 0;
	while (parent && proc->parent_count < IKW_PARENTS && read_stat(parent, &fields)) {
		struct ikw_parent *to = &proc->parents[proc->parent_count++];

		to->tgid = parent;
		memcpy(to->comm, fields.comm, sizeof(to->comm));
		parent = fields.parent;
	}
}

bool ikw_procfs_describe(uint32_t tgid, struct ikw_proc *proc)
{
	struct stat_fields fields;

	if (!read_stat(tgid, &fields))
		return false;
	proc->tgid = tgid;
	memcpy(proc->comm, fields.comm, sizeof(proc->comm));
	proc->uid = read_uid(tgid);
	proc->loginuid = read_number(tgid, "loginuid", ~0U);
	tty_name(fields.tty, proc->tty);
	read_exe(tgid, proc->exe);
	read_args(tgid, proc);
	read_parents(fields.parent, proc);
	return true;
}

void ikw_procfs_complete(struct ikw_proc *proc)
{
	struct stat_fields fields;

	/* Another process may have got the number since: same name, or hands off. */
	if (!read_stat(proc->tgid, &fields) || memcmp(fields.comm, proc->comm, sizeof(proc->comm)))
		return;
	if (!proc->exe[0])
		read_exe(proc->tgid, proc->exe);
	if (!proc->args_len)
		read_args(proc->tgid, proc);
}

/* ---- sockets ------------------------------------------------------------ */

struct inodes {
	unsigned long at[INODES_MAX];
	size_t count;
};

static void inodes_add(struct inodes *inodes, unsigned long inode)
{
	if (inode && inodes->count < INODES_MAX)
		inodes->at[inodes->count++] = inode;
}

static bool inodes_have(const struct inodes *inodes, unsigned long inode)
{
	for (size_t i = 0; i < inodes->count; i++)
		if (inodes->at[i] == inode)
			return true;
	return false;
}

/* Each line of a file after its heading. */
static void each_line(const char *path, void (*fn)(void *ctx, const char *line), void *ctx)
{
	FILE *file = fopen(path, "re");
	char line[512];
	bool heading = true;

	while (file && fgets(line, sizeof(line), file)) {
		if (!heading)
			fn(ctx, line);
		heading = false;
	}
	if (file)
		fclose(file);
}

struct udp_search {
	const uint16_t *ports;
	size_t port_count;
	struct inodes inodes;
};

/* "  12: 00000000:01F4 00000000:0000 07 tx:rx tr:tm retrnsmt uid timeout inode ..." */
static void udp_line(void *ctx, const char *line)
{
	struct udp_search *search = ctx;
	unsigned int port;
	unsigned long inode;

	if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %*u %*u %lu", &port, &inode) !=
	    2)
		return;
	for (size_t i = 0; i < search->port_count; i++)
		if (search->ports[i] == port)
			inodes_add(&search->inodes, inode);
}

struct netlink_search {
	uint32_t portid; /* 0: any */
	struct inodes inodes;
};

/* "sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode" */
static void netlink_line(void *ctx, const char *line)
{
	struct netlink_search *search = ctx;
	unsigned int protocol, portid;
	unsigned long inode;

	if (sscanf(line, "%*s %u %u %*s %*s %*s %*s %*s %*s %lu", &protocol, &portid, &inode) ==
		    3 &&
	    protocol == NETLINK_XFRM && (!search->portid || search->portid == portid))
		inodes_add(&search->inodes, inode);
}

/* The inode of each socket of a process, until fn says that it is enough. */
static void each_socket(uint32_t tgid, bool (*fn)(void *ctx, unsigned long inode), void *ctx)
{
	char path[64], link[64];
	struct dirent *entry;
	unsigned long inode;
	bool enough = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/fd", tgid);
	dir = opendir(path);
	while (dir && !enough && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = 0;
		enough = sscanf(link, "socket:[%lu]", &inode) == 1 && fn(ctx, inode);
	}
	if (dir)
		closedir(dir);
}

struct held {
	const struct inodes *inodes;
	bool found;
};

static bool is_held(void *ctx, unsigned long inode)
{
	struct held *held = ctx;

	held->found = inodes_have(held->inodes, inode);
	return held->found;
}

static bool holds_socket(uint32_t tgid, const struct inodes *inodes)
{
	struct held held = { .inodes = inodes };

	each_socket(tgid, is_held, &held);
	return held.found;
}

/*
 * May it manage SAs here? CAP_NET_ADMIN, and not only in a user namespace that it
 * has made itself.
 */
static bool may_manage(uint32_t tgid)
{
	char path[64], text[4096];
	const char *at = read_file(tgid, "status", text, sizeof(text)) > 0
				 ? strstr(text, "\nCapEff:")
				 : NULL;
	struct stat its, own;
	uint64_t effective;

	snprintf(path, sizeof(path), "/proc/%u/ns/user", tgid);
	return at && sscanf(at, "\nCapEff: %" SCNx64, &effective) == 1 &&
	       (effective & UINT64_C(1) << CAP_NET_ADMIN) && !stat(path, &its) &&
	       !stat("/proc/self/ns/user", &own) && its.st_ino == own.st_ino;
}

static bool anybody(uint32_t tgid)
{
	(void)tgid;
	return true;
}

static size_t find_holders(const struct inodes *inodes, bool (*fits)(uint32_t tgid),
			   uint32_t *tgids, size_t max)
{
	DIR *dir = inodes->count ? opendir("/proc") : NULL;
	struct dirent *entry;
	size_t count = 0;

	while (dir && count < max && (entry = readdir(dir))) {
		uint32_t tgid = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (tgid && tgid != (uint32_t)getpid() && holds_socket(tgid, inodes) && fits(tgid))
			tgids[count++] = tgid;
	}
	if (dir)
		closedir(dir);
	return count;
}

static void find_udp(struct udp_search *search)
{
	each_line("/proc/thread-self/net/udp", udp_line, search);
	each_line("/proc/thread-self/net/udp6", udp_line, search);
}

size_t ikw_procfs_daemons(const uint16_t *ports, size_t port_count, uint32_t *tgids, size_t max)
{
	struct udp_search search = { .ports = ports, .port_count = port_count };

	find_udp(&search);
	return find_holders(&search.inodes, anybody, tgids, max);
}

bool ikw_procfs_is_daemon(uint32_t tgid, const uint16_t *ports, size_t port_count)
{
	struct udp_search search = { .ports = ports, .port_count = port_count };

	find_udp(&search);
	return search.inodes.count && holds_socket(tgid, &search.inodes);
}

size_t ikw_procfs_xfrm_holders(uint32_t *tgids, size_t max)
{
	struct netlink_search search = { .portid = 0 };

	each_line("/proc/thread-self/net/netlink", netlink_line, &search);
	return find_holders(&search.inodes, may_manage, tgids, max);
}

struct other_ports {
	const uint16_t *known;
	size_t known_count;
	unsigned int given_from, given_to; /* by the kernel */
	struct inodes inodes;
	uint16_t port_of[INODES_MAX]; /* of inodes.at */
	uint16_t *found;
	size_t max, count;
};

/* DNS, DHCP, RADIUS (dynamic authorization as well), strongSwan's ha plugin. */
static bool is_beside_ike(unsigned int port)
{
	static const uint16_t ports[] = { 53, 67, 68, 546, 547, 1812, 1813, 3799, 4510 };

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (ports[i] == port)
			return true;
	return false;
}

static void other_line(void *ctx, const char *line)
{
	struct other_ports *other = ctx;
	unsigned int port, peer;
	unsigned long inode;

	if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*u %*u %lu",
		   &port, &peer, &inode) != 3 ||
	    !port || peer || is_beside_ike(port) ||
	    (port >= other->given_from && port <= other->given_to))
		return;
	for (size_t i = 0; i < other->known_count; i++)
		if (other->known[i] == port)
			return;
	inodes_add(&other->inodes, inode);
	if (other->inodes.count && other->inodes.at[other->inodes.count - 1] == inode)
		other->port_of[other->inodes.count - 1] = (uint16_t)port;
}

static bool other_socket(void *ctx, unsigned long inode)
{
	struct other_ports *other = ctx;
	size_t i = 0, k = 0;

	while (i < other->inodes.count && other->inodes.at[i] != inode)
		i++;
	if (i == other->inodes.count)
		return false;
	while (k < other->count && other->found[k] != other->port_of[i])
		k++;
	if (k == other->count)
		other->found[other->count++] = other->port_of[i];
	return other->count == other->max;
}

size_t ikw_procfs_other_ports(uint32_t tgid, const uint16_t *ports, size_t port_count,
			      uint16_t *found, size_t max)
{
	struct other_ports other = {
		.known = ports, .known_count = port_count, .found = found, .max = max
	};
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	if (file && fscanf(file, "%u %u", &other.given_from, &other.given_to) != 2)
		other.given_from = other.given_to = 0;
	if (file)
		fclose(file);
	each_line("/proc/thread-self/net/udp", other_line, &other);
	each_line("/proc/thread-self/net/udp6", other_line, &other);
	if (max)
		each_socket(tgid, other_socket, &other);
	return other.count;
}

uint32_t ikw_procfs_xfrm_port(uint32_t portid)
{
	struct netlink_search search = { .portid = portid };

	if (!portid || portid == (uint32_t)getpid())
		return 0;
	each_line("/proc/thread-self/net/netlink", netlink_line, &search);
	return holds_socket(portid, &search.inodes) ? portid : 0;
}

/* ---- control tools ------------------------------------------------------ */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool has_arg(const char *args, size_t len, const char *wanted)
{
	for (const char *at = args; at < args + len; at += strlen(at) + 1)
		if (!strcmp(at, wanted))
			return true;
	return false;
}

/* ip(8) takes any beginning of a word for the word. */
static bool has_begun(const char *args, size_t len, const char *wanted)
{
	for (const char *at = args; at < args + len; at += strlen(at) + 1)
		if (*at && !strncmp(at, wanted, strlen(at)))
			return true;
	return false;
}

bool ikw_procfs_is_control_tool(const char *args, size_t len)
{
	static const char *const tools[] = { "swanctl", "ipsec",    "strongswan", "stroke",
					     "whack",	"ikectl",   "setkey",	  "racoonctl",
					     "addconn", "systemctl" };
	const char *name;

	if (!len || args[len - 1])
		return false;
	name = base_name(args);
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		if (!strcmp(name, tools[i]))
			return true;
	if (!strcmp(name, "ip"))
		return has_begun(args, len, "xfrm");
	/* Scripts: the interpreter comes first. */
	return has_arg(args, len, "/usr/sbin/ipsec") || has_arg(args, len, "/sbin/ipsec");
}
