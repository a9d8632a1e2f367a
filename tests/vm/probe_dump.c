/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel probes against a real kernel: does things with ip(8), sockets and
 * signals, and compares every record that comes of it, field by field. Run as
 * root in the VM (tests/vm/probe_story.sh): it changes this machine's SAD.
 *
 * usage: probe_dump [fentry|kprobe]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "event.h"
#include "loader.h"
#include "pin.h"

#define EVENTS 4096

#define PIN_DIR "/sys/fs/bpf/probe_dump"

static struct ikw_loader *loader;
static union ikw_event events[EVENTS];
static size_t event_count;
static unsigned int passed, failed;
static const char *story;
static uint32_t own_netns;

static void collect(void *ctx, union ikw_event *event)
{
	(void)ctx;
	if (event_count < EVENTS)
		events[event_count++] = *event;
}

/* Takes what comes until nothing has for a while. */
static void settle(int quiet_ms)
{
	struct pollfd fd = { .fd = ikw_loader_poll_fd(loader), .events = POLLIN };

	while (poll(&fd, 1, quiet_ms) > 0)
		if (ikw_loader_consume(loader, collect, NULL, 256) <= 0)
			break;
}

static void check(bool ok, const char *what)
{
	if (ok) {
		passed++;
		return;
	}
	failed++;
	printf("FAILED: %s: %s\n", story, what);
}

#define CHECK(x) check(x, #x)
#define CHECK_EQ(a, b)                                                                             \
	do {                                                                                       \
		long long a_ = (long long)(a), b_ = (long long)(b);                                \
		check(a_ == b_, #a " == " #b);                                                     \
		if (a_ != b_)                                                                      \
			printf("        %lld, not %lld\n", a_, b_);                                \
	} while (0)

/* Begins a story: what came before is forgotten. */
static void begin(const char *name)
{
	settle(50);
	event_count = 0;
	if (story != name)
		printf("%6.1f s  %s\n", (double)ikw_boot_now() / 1e9, name);
	story = name;
}

__attribute__((format(printf, 1, 2))) static int run(const char *format, ...)
{
	char command[1024];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	status = system(command);
	settle(100);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void dump(void)
{
	for (size_t i = 0; i < event_count; i++) {
		char *line = ikw_event_line(&events[i]);

		printf("        %s\n", line ? line : "?");
		free(line);
	}
}

/* The n-th event of a type whose op is that (-1: any), or an empty one after a complaint. */
static const union ikw_event *find(unsigned int type, int op, unsigned int nth)
{
	static const union ikw_event none;

	for (size_t i = 0; i < event_count; i++) {
		const union ikw_event *e = &events[i];
		int is = type == IKW_EV_SA	  ? e->sa.op
			 : type == IKW_EV_POLICY  ? e->policy.op
			 : type == IKW_EV_PROC	  ? e->proc.op
			 : type == IKW_EV_CONTROL ? e->control.op
						  : -1;

		if (e->hdr.type == type && (op < 0 || is == op) && !nth--)
			return e;
	}
	failed++;
	printf("FAILED: %s: no event %s, op %d\n", story, ikw_event_type_text(type), op);
	dump();
	return &none;
}

static unsigned int count(unsigned int type, int op)
{
	unsigned int n = 0;

	for (size_t i = 0; i < event_count; i++)
		n += events[i].hdr.type == type &&
		     (op < 0 || type != IKW_EV_SA || events[i].sa.op == op);
	return n;
}

static bool is_addr(const uint8_t *addr, const char *text)
{
	uint8_t want[16] = { [10] = 0xff, 0xff };

	if (strchr(text, ':'))
		inet_pton(AF_INET6, text, want);
	else
		inet_pton(AF_INET, text, want + 12);
	return !memcmp(addr, want, sizeof(want));
}

static void check_hdr(const struct ikw_hdr *hdr)
{
	const char *why;

	CHECK(ikw_event_valid(hdr, hdr->size, &why));
	CHECK(hdr->seq > 0);
	CHECK(hdr->time > 0 && hdr->time <= ikw_boot_now());
	CHECK_EQ(hdr->netns, own_netns);
	CHECK_EQ(hdr->flags, 0);
}

static void check_actor(const struct ikw_actor *by, const char *comm)
{
	CHECK(by->tgid > 1);
	CHECK(by->tid >= by->tgid);
	CHECK_EQ(by->uid, 0);
	CHECK_EQ(by->portid, 0);
	CHECK(!strcmp(by->comm, comm));
}

static void check_nobody(const struct ikw_actor *by)
{
	static const struct ikw_actor nobody;

	CHECK(!memcmp(by, &nobody, sizeof(nobody)));
}

#define ESP "src 192.0.2.1 dst 198.51.100.1 proto esp"
#define KEYS                                                                                       \
	"auth 'hmac(sha256)' 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f "  \
	"enc 'cbc(aes)' 0x000102030405060708090a0b0c0d0e0f"

static void check_process(const char *comm, uint32_t tgid)
{
	const struct ikw_proc *proc = &find(IKW_EV_PROC, IKW_PROC_SEEN, 0)->proc;

	CHECK_EQ(proc->tgid, tgid);
	CHECK(proc->start > 0 && proc->start < ikw_boot_now());
	CHECK(!strcmp(proc->comm, comm));
	CHECK(proc->exe[0] == '/' && strstr(proc->exe, "/ip"));
	CHECK(!strcmp(proc->args, "ip") && !strcmp(proc->args + 3, "xfrm"));
	CHECK(proc->args_len > 20 && proc->args_len <= IKW_ARGS_LEN);
	CHECK_EQ(proc->uid, 0);
	CHECK_EQ(proc->loginuid, (uint32_t)-1);
	CHECK(proc->parent_count >= 2);
	/* sh, which system() started, and this program; or this one at once if sh execs */
	CHECK(proc->parents[0].tgid == (uint32_t)getpid() ||
	      proc->parents[1].tgid == (uint32_t)getpid());
	CHECK_EQ(proc->parents[proc->parent_count - 1].tgid, 1);
}

static void test_add(void)
{
	const struct ikw_sa *sa;

	begin("add");
	CHECK_EQ(run("ip xfrm state add " ESP " spi 0x1001 reqid 7 mode tunnel mark 5 mask 0xff "
		     "if_id 9 encap espinudp 4500 4501 0.0.0.0 " KEYS
		     " sel src 10.1.0.0/16 dst 10.2.0.0/24 proto udp sport 53 "
		     "limit byte-hard 1000000 limit packet-hard 5000 limit time-hard 3600 "
		     "limit time-soft 3000 limit time-use-hard 1800"),
		 0);
	CHECK_EQ(count(IKW_EV_SA, -1), 1);
	sa = &find(IKW_EV_SA, IKW_SA_ADD, 0)->sa;
	check_hdr(&sa->hdr);
	check_actor(&sa->by, "ip");
	check_process("ip", sa->by.tgid);
	CHECK(is_addr(sa->saddr, "192.0.2.1") && is_addr(sa->daddr, "198.51.100.1"));
	CHECK(is_addr(sa->sel.saddr, "10.1.0.0") && is_addr(sa->sel.daddr, "10.2.0.0"));
	CHECK_EQ(sa->sel.prefixlen_s, 16);
	CHECK_EQ(sa->sel.prefixlen_d, 24);
	CHECK_EQ(sa->sel.proto, 17);
	CHECK_EQ(sa->sel.sport, 53);
	CHECK_EQ(sa->sel.sport_mask, 0xffff);
	CHECK_EQ(sa->sel.family, AF_INET);
	CHECK_EQ(sa->spi, 0x1001);
	CHECK_EQ(sa->reqid, 7);
	CHECK_EQ(sa->mark, 5);
	CHECK_EQ(sa->mark_mask, 0xff);
	CHECK_EQ(sa->if_id, 9);
	CHECK_EQ(sa->proto, 50);
	CHECK_EQ(sa->mode, 1);
	CHECK_EQ(sa->family, AF_INET);
	CHECK_EQ(sa->km_state, 0); /* VOID: xfrm_add_sa() calls it VALID afterwards */
	CHECK_EQ(sa->encap_type, 2);
	CHECK_EQ(sa->encap_sport, 4500);
	CHECK_EQ(sa->encap_dport, 4501);
	CHECK_EQ(sa->hard_bytes, 1000000);
	CHECK_EQ(sa->hard_packets, 5000);
	CHECK_EQ(sa->hard_add_s, 3600);
	CHECK_EQ(sa->soft_add_s, 3000);
	CHECK_EQ(sa->hard_use_s, 1800);
	CHECK(sa->add_wall_s > 1600000000);
	CHECK_EQ(sa->use_wall_s + sa->last_wall_s + sa->bytes + sa->packets, 0);
	CHECK_EQ(sa->cause + sa->limit + sa->error, 0);
	/* ip ended: it had installed an SA, so its end is told */
	CHECK_EQ(find(IKW_EV_PROC, IKW_PROC_EXIT, 0)->proc.tgid, sa->by.tgid);
	CHECK_EQ(find(IKW_EV_PROC, IKW_PROC_EXIT, 0)->proc.exit_code, 0);
}

static void test_again(void)
{
	const struct ikw_sa *sa;

	begin("add twice");
	CHECK(run("ip xfrm state add " ESP " spi 0x1001 mark 5 mask 0xff mode tunnel " KEYS
		  " 2>/dev/null"));
	CHECK_EQ(count(IKW_EV_SA, -1), 1);
	sa = &find(IKW_EV_SA, IKW_SA_FAILED, 0)->sa;
	check_hdr(&sa->hdr);
	check_actor(&sa->by, "ip");
	CHECK_EQ(sa->error, -EEXIST);
	CHECK_EQ(sa->spi, 0x1001);
	CHECK(is_addr(sa->daddr, "198.51.100.1"));

	begin("update of none");
	CHECK(run("ip xfrm state update " ESP " spi 0x1999 mode tunnel " KEYS " 2>/dev/null"));
	CHECK_EQ(find(IKW_EV_SA, IKW_SA_FAILED, 0)->sa.error, -ESRCH);
}

static void test_change(void)
{
	const struct ikw_sa *sa;

	begin("change in place");
	CHECK_EQ(run("ip xfrm state update " ESP " spi 0x1001 reqid 7 mode tunnel mark 5 mask 0xff "
		     "if_id 9 encap espinudp 4500 4502 0.0.0.0 " KEYS),
		 0);
	CHECK_EQ(count(IKW_EV_SA, -1), 1);
	sa = &find(IKW_EV_SA, IKW_SA_CHANGE, 0)->sa;
	check_hdr(&sa->hdr);
	check_actor(&sa->by, "ip");
	CHECK_EQ(sa->spi, 0x1001);
	CHECK_EQ(sa->encap_dport, 4502);
	CHECK_EQ(sa->error + sa->cause, 0);
}

static void test_delete(void)
{
	const struct ikw_sa *sa;

	begin("delete");
	CHECK_EQ(run("ip xfrm state delete " ESP " spi 0x1001 mark 5 mask 0xff"), 0);
	CHECK_EQ(count(IKW_EV_SA, -1), 1);
	sa = &find(IKW_EV_SA, IKW_SA_DELETE, 0)->sa;
	check_hdr(&sa->hdr);
	check_actor(&sa->by, "ip");
	check_process("ip", sa->by.tgid);
	CHECK_EQ(sa->cause, IKW_CAUSE_CALL);
	CHECK_EQ(sa->limit, IKW_LIMIT_NONE);
	CHECK_EQ(sa->spi, 0x1001);
	CHECK_EQ(sa->reqid, 7);
	CHECK_EQ(sa->km_state, 2);
	CHECK_EQ(sa->if_id, 9);
}

static void test_ipv6(void)
{
	const struct ikw_sa *sa;

	begin("IPv6 transport");
	CHECK_EQ(run("ip xfrm state add src 2001:db8::1 dst 2001:db8::2 proto ah spi 0x66 "
		     "mode transport auth 'hmac(sha256)' 0x0001020304050607 "
		     "sel src 2001:db8::1 dst 2001:db8::2"),
		 0);
	sa = &find(IKW_EV_SA, IKW_SA_ADD, 0)->sa;
	CHECK(is_addr(sa->saddr, "2001:db8::1") && is_addr(sa->daddr, "2001:db8::2"));
	CHECK(is_addr(sa->sel.daddr, "2001:db8::2"));
	CHECK_EQ(sa->proto, 51);
	CHECK_EQ(sa->mode, 0);
	CHECK_EQ(sa->family, AF_INET6);
	CHECK_EQ(sa->hard_add_s, 0);
}

static void test_flush(void)
{
	const struct ikw_flush *flush;

	begin("flush");
	run("ip xfrm state add " ESP " spi 0x2001 mode tunnel " KEYS);
	begin("flush");
	CHECK_EQ(run("ip xfrm state flush"), 0);
	flush = &find(IKW_EV_FLUSH, -1, 0)->flush;
	check_hdr(&flush->hdr);
	check_actor(&flush->by, "ip");
	CHECK_EQ(flush->what, IKW_FLUSH_SA);
	CHECK_EQ(flush->task_valid, 1);
	CHECK_EQ(flush->each_told, 1);
	CHECK_EQ(count(IKW_EV_SA, IKW_SA_DELETE), 2);
	CHECK_EQ(find(IKW_EV_SA, IKW_SA_DELETE, 0)->sa.cause, IKW_CAUSE_FLUSH);
	CHECK_EQ(find(IKW_EV_SA, IKW_SA_DELETE, 1)->sa.cause, IKW_CAUSE_FLUSH);
	check_actor(&find(IKW_EV_SA, IKW_SA_DELETE, 1)->sa.by, "ip");
}

static void test_time_limit(void)
{
	const struct ikw_sa *sa;

	begin("time limit");
	CHECK_EQ(run("ip xfrm state add " ESP " spi 0x3001 mode tunnel " KEYS
		     " limit time-soft 1 limit time-hard 3"),
		 0);
	settle(4500);
	sa = &find(IKW_EV_SA, IKW_SA_SOFT, 0)->sa;
	check_hdr(&sa->hdr);
	check_nobody(&sa->by);
	CHECK_EQ(sa->spi, 0x3001);
	sa = &find(IKW_EV_SA, IKW_SA_DELETE, 0)->sa;
	check_hdr(&sa->hdr);
	check_nobody(&sa->by);
	CHECK_EQ(sa->spi, 0x3001);
	CHECK_EQ(sa->cause, IKW_CAUSE_TIMER);
	CHECK_EQ(sa->limit, IKW_LIMIT_TIME);
	CHECK_EQ(sa->km_state, 2);
	CHECK_EQ(count(IKW_EV_SA, IKW_SA_SOFT), 1);
	CHECK_EQ(count(IKW_EV_SA, IKW_SA_DELETE), 1);
}

static void test_volume_limit(void)
{
	const struct ikw_sa *sa;

	run("ip link add probe0 type dummy && ip addr add 10.9.0.1/24 dev probe0 && "
	    "ip link set probe0 up && "
	    "ip xfrm policy add src 10.9.0.1 dst 10.9.0.2 dir out "
	    "tmpl src 10.9.0.1 dst 10.9.0.2 proto esp mode transport && "
	    "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:01 dev probe0");
	begin("packet limit");
	CHECK_EQ(run("ip xfrm state add src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x4001 mode "
		     "transport " KEYS " limit packet-hard 2"),
		 0);
	run("ping -q -c 3 -i 0.1 -W 1 10.9.0.2 >/dev/null");
	settle(1500);
	sa = &find(IKW_EV_SA, IKW_SA_DELETE, 0)->sa;
	check_nobody(&sa->by);
	CHECK_EQ(sa->spi, 0x4001);
	CHECK_EQ(sa->cause, IKW_CAUSE_TIMER);
	CHECK_EQ(sa->limit, IKW_LIMIT_VOLUME);
	CHECK_EQ(sa->km_state, 4);
	CHECK_EQ(sa->packets, 2);
	CHECK(sa->bytes > 0 && sa->use_wall_s > 0);
	run("ip xfrm policy flush; ip link del probe0; ip xfrm state flush");
}

#define ALLOC "ip xfrm state allocspi " ESP " mode tunnel reqid 3 "

static void test_larval(void)
{
	const struct ikw_sa *sa;

	begin("larval");
	CHECK_EQ(run(ALLOC "min 0x5001 max 0x5001 >/dev/null"), 0);
	CHECK_EQ(count(IKW_EV_SA, -1), 1);
	sa = &find(IKW_EV_SA, IKW_SA_LARVAL, 0)->sa;
	check_hdr(&sa->hdr);
	check_actor(&sa->by, "ip");
	CHECK_EQ(sa->spi, 0x5001);
	CHECK_EQ(sa->km_state, 1);
	CHECK_EQ(sa->reqid, 3);

	begin("larval becomes full");
	CHECK_EQ(run("ip xfrm state update " ESP " spi 0x5001 reqid 3 mode tunnel " KEYS), 0);
	CHECK_EQ(count(IKW_EV_SA, -1), 1);
	CHECK_EQ(find(IKW_EV_SA, IKW_SA_ADD, 0)->sa.spi, 0x5001);

	begin("SPI taken");
	CHECK(run(ALLOC "min 0x5001 max 0x5001 >/dev/null 2>&1"));
	sa = &find(IKW_EV_SA, IKW_SA_FAILED, 0)->sa;
	CHECK(sa->error < 0);
	CHECK_EQ(sa->spi, 0x5001);
	run("ip xfrm state flush");

	begin("larval deleted by a call");
	run(ALLOC "min 0x5002 max 0x5002 >/dev/null; ip xfrm state delete " ESP " spi 0x5002");
	sa = &find(IKW_EV_SA, IKW_SA_LARVAL_GONE, 0)->sa;
	CHECK_EQ(sa->cause, IKW_CAUSE_CALL);
	CHECK_EQ(sa->spi, 0x5002);
	check_actor(&sa->by, "ip");

	begin("larval times out");
	run("sysctl -q net.core.xfrm_acq_expires=1; " ALLOC "min 0x5003 max 0x5003 >/dev/null");
	settle(3000);
	sa = &find(IKW_EV_SA, IKW_SA_LARVAL_GONE, 0)->sa;
	CHECK_EQ(sa->cause, IKW_CAUSE_TIMER);
	check_nobody(&sa->by);
	CHECK_EQ(sa->spi, 0x5003);
	CHECK_EQ(count(IKW_EV_SA, IKW_SA_DELETE), 0);
}

static uint32_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (uint32_t)st.st_ino;
}

static void test_netns(void)
{
	const struct ikw_sa *sa;
	uint32_t other;

	begin("netns");
	run("ip netns add probe && ip -n probe xfrm state add " ESP
	    " spi 0x6001 mode tunnel " KEYS);
	CHECK_EQ(count(IKW_EV_SA, -1), 0);
	CHECK_EQ(count(IKW_EV_PROC, -1), 0);
	other = inode_of("/run/netns/probe");
	CHECK_EQ(ikw_loader_watch(loader, 0), 0);
	run("ip -n probe xfrm state add " ESP " spi 0x6002 mode tunnel " KEYS);
	CHECK_EQ(find(IKW_EV_SA, IKW_SA_ADD, 0)->sa.hdr.netns, other);
	run("ip netns del probe");
	settle(2000);
	sa = &find(IKW_EV_SA, IKW_SA_DELETE, 0)->sa;
	CHECK_EQ(sa->hdr.netns, other);
	CHECK_EQ(sa->cause, IKW_CAUSE_NETNS);
	check_nobody(&sa->by);
	CHECK_EQ(count(IKW_EV_SA, IKW_SA_DELETE), 2);
	CHECK_EQ(find(IKW_EV_FLUSH, -1, 0)->flush.task_valid, 0);
	CHECK_EQ(ikw_loader_watch(loader, own_netns), 0);
}

static void test_policy(void)
{
	const struct ikw_policy *policy;
	uint32_t index;

	begin("policy");
	CHECK_EQ(run("ip xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir out priority 77 "
		     "mark 6 mask 0xff if_id 8 tmpl src 192.0.2.1 dst 198.51.100.1 proto esp "
		     "spi 0x71 reqid 9 mode tunnel"),
		 0);
	policy = &find(IKW_EV_POLICY, IKW_POLICY_INSERT, 0)->policy;
	check_hdr(&policy->hdr);
	check_actor(&policy->by, "ip");
	CHECK(is_addr(policy->sel.saddr, "10.1.0.0") && is_addr(policy->sel.daddr, "10.2.0.0"));
	CHECK_EQ(policy->sel.prefixlen_d, 16);
	CHECK(is_addr(policy->tmpl_saddr, "192.0.2.1"));
	CHECK(is_addr(policy->tmpl_daddr, "198.51.100.1"));
	CHECK_EQ(policy->tmpl_reqid, 9);
	CHECK_EQ(policy->tmpl_spi, 0x71);
	CHECK_EQ(policy->tmpl_count, 1);
	CHECK_EQ(policy->tmpl_mode, 1);
	CHECK_EQ(policy->tmpl_proto, 50);
	CHECK_EQ(policy->priority, 77);
	CHECK_EQ(policy->mark, 6);
	CHECK_EQ(policy->mark_mask, 0xff);
	CHECK_EQ(policy->if_id, 8);
	CHECK_EQ(policy->dir, IKW_DIR_OUT);
	CHECK_EQ(policy->action + policy->socket + policy->exiting, 0);
	CHECK((policy->index & 7) == 1 && policy->index > 7);
	index = policy->index;

	begin("policy replaced");
	run("ip xfrm policy update src 10.1.0.0/16 dst 10.2.0.0/16 dir out priority 77 "
	    "mark 6 mask 0xff if_id 8 action block");
	CHECK_EQ(find(IKW_EV_POLICY, IKW_POLICY_KILL, 0)->policy.index, index);
	policy = &find(IKW_EV_POLICY, IKW_POLICY_INSERT, 0)->policy;
	CHECK_EQ(policy->action, 1);
	CHECK_EQ(policy->tmpl_count, 0);
	begin("policy deleted");
	run("ip xfrm policy delete src 10.1.0.0/16 dst 10.2.0.0/16 dir out mark 6 mask 0xff "
	    "if_id 8");
	CHECK_EQ(find(IKW_EV_POLICY, IKW_POLICY_KILL, 0)->policy.dir, IKW_DIR_OUT);
	CHECK_EQ(count(IKW_EV_POLICY, -1), 1);

	begin("policies flushed");
	run("ip xfrm policy add src 10.3.0.0/16 dst 10.4.0.0/16 dir fwd; ip xfrm policy flush");
	CHECK_EQ(find(IKW_EV_FLUSH, -1, 0)->flush.what, IKW_FLUSH_POLICY);
	CHECK_EQ(find(IKW_EV_POLICY, IKW_POLICY_KILL, 0)->policy.dir, IKW_DIR_FWD);
}

/* A bypass policy on a socket of a process that is killed. */
static void test_socket_policy(void)
{
	const struct ikw_policy *policy;

	begin("socket policy");
	run("python3 -c 'import os,signal,socket,struct\n"
	    "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
	    /* struct xfrm_userpolicy_info: selector 56, lifetimes 64+32, priority, index, dir.. */
	    "p=bytearray(168); struct.pack_into(\"=H\",p,40,2); p[160]=1\n"
	    "s.setsockopt(0,17,bytes(p)); os.kill(os.getpid(),signal.SIGKILL)'");
	policy = &find(IKW_EV_POLICY, IKW_POLICY_KILL, 0)->policy;
	CHECK_EQ(policy->socket, 1);
	CHECK_EQ(policy->exiting, 1);
	CHECK_EQ(policy->dir, IKW_DIR_OUT);
	check_actor(&policy->by, "python3");
}

/* Listens where strongSwan does, and waits for its end. */
static pid_t start_daemon(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), ready[2];
	char byte;
	pid_t pid;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	unlink(path);
	if (pipe(ready) || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		return -1;
	pid = fork();
	if (!pid) {
		listen(fd, 4);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(ready[0], &byte, 1) != 1)
		return -1;
	close(ready[0]);
	close(ready[1]);
	close(fd);
	return pid;
}

static void speak(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct iovec parts = { .iov_base = (char *)"\1\2ike\0\6site-b", .iov_len = 13 };
	struct msghdr msg = { .msg_iov = &parts, .msg_iovlen = 1 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	CHECK_EQ(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	CHECK_EQ(write(fd, "\0\0\0\13", 4), 4);
	CHECK_EQ(write(fd, "terminate", 9), 9);
	CHECK_EQ(sendmsg(fd, &msg, 0), 13);
	close(fd);
	settle(100);
}

static void test_control(void)
{
	const char *path = "/run/charon.vici";
	pid_t pid = start_daemon(path);
	const struct ikw_control *control;
	const struct ikw_proc *proc;

	begin("control socket");
	CHECK(pid > 0);
	speak(path);
	control = &find(IKW_EV_CONTROL, IKW_CONTROL_CONNECT, 0)->control;
	check_hdr(&control->hdr);
	CHECK_EQ(control->by.tgid, getpid());
	CHECK_EQ(control->daemon_tgid, pid); /* who called listen() */
	CHECK(!strcmp(control->path, path));
	control = &find(IKW_EV_CONTROL, IKW_CONTROL_REQUEST, 0)->control;
	check_hdr(&control->hdr);
	CHECK_EQ(control->request_len, 9);
	CHECK(!memcmp(control->request, "terminate", 9));
	CHECK(!strcmp(control->path, path));
	control = &find(IKW_EV_CONTROL, IKW_CONTROL_REQUEST, 1)->control;
	CHECK_EQ(control->request_len, 13);
	CHECK(!memcmp(control->request + 7, "site-b", 6));
	CHECK_EQ(count(IKW_EV_CONTROL, -1), 3);

	begin("signal");
	CHECK_EQ(ikw_loader_add_daemon(loader, (uint32_t)pid), 0);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	settle(200);
	CHECK_EQ(find(IKW_EV_SIGNAL, -1, 0)->signal.signo, SIGTERM);
	CHECK_EQ(find(IKW_EV_SIGNAL, -1, 0)->signal.daemon_tgid, pid);
	CHECK_EQ(find(IKW_EV_SIGNAL, -1, 0)->signal.by.tgid, getpid());
	proc = &find(IKW_EV_PROC, IKW_PROC_EXIT, 0)->proc;
	CHECK_EQ(proc->tgid, pid);
	CHECK_EQ(proc->exit_code, SIGTERM);
	CHECK(!strcmp(proc->comm, "probe_dump"));
	unlink(path);
}

/* A user's own, named as a daemon's is, and who began to listen is gone: it is nobody's. */
static void test_control_forged(void)
{
	begin("forged control socket");
	run("python3 -c 'import os,socket\n"
	    "os.setuid(65534); d=\"/tmp/forged\"; os.mkdir(d); p=d+\"/charon.vici\"\n"
	    "s=socket.socket(socket.AF_UNIX); s.bind(p)\n"
	    "q=\"/tmp/pluto.ctl\"; t=socket.socket(socket.AF_UNIX); t.bind(q)\n"
	    "os.fork() or (s.listen(4), t.listen(4), os._exit(0)); os.wait()\n"
	    "for x in (p,q):\n"
	    " c=socket.socket(socket.AF_UNIX); c.connect(x); c.send(b\"\\0\\11terminate\")'");
	CHECK_EQ(count(IKW_EV_CONTROL, -1), 0);
	run("rm -r /tmp/forged /tmp/pluto.ctl");
}

static void test_exec(void)
{
	const struct ikw_proc *proc;

	begin("exec");
	run("mkdir -p /tmp/a/b && cp /bin/true /tmp/a/b/charon && /tmp/a/b/charon --use-syslog x");
	proc = &find(IKW_EV_PROC, IKW_PROC_EXEC, 0)->proc;
	check_hdr(&proc->hdr);
	CHECK(!strcmp(proc->comm, "charon"));
	CHECK(!strcmp(proc->exe, "/tmp/a/b/charon"));
	CHECK(!strcmp(proc->args, "/tmp/a/b/charon"));
	CHECK(!strcmp(proc->args + sizeof("/tmp/a/b/charon"), "--use-syslog"));
	CHECK_EQ(proc->args_len, sizeof("/tmp/a/b/charon") + sizeof("--use-syslog") + sizeof("x"));
}

/* Many at once, with a timer that interrupts: every SA is told once, none is lost. */
static void test_storm(void)
{
	begin("storm");
	run("for i in $(seq 1 500); do echo xfrm state add " ESP " spi $((0x10000 + i)) "
	    "mode tunnel " KEYS " limit time-hard $((i %% 2 ? 2 : 3600)); done | tr -d \"'\" | "
	    "ip -batch -");
	settle(4000);
	run("ip xfrm state flush");
	CHECK_EQ(count(IKW_EV_SA, IKW_SA_ADD), 500);
	CHECK_EQ(count(IKW_EV_SA, IKW_SA_DELETE), 500);
	for (size_t i = 0, odd = 0; i < event_count; i++) {
		const struct ikw_sa *sa = &events[i].sa;

		if (sa->hdr.type != IKW_EV_SA || sa->op != IKW_SA_DELETE)
			continue;
		odd += sa->spi & 1;
		if (sa->cause != (sa->spi & 1 ? IKW_CAUSE_TIMER : IKW_CAUSE_FLUSH) ||
		    (sa->by.tgid != 0) == (sa->spi & 1))
			check(false, "cause of each deletion");
	}
	CHECK_EQ(ikw_loader_lost(loader), 0);
}

/* What a daemon runs itself is told as it ends, with the thread that waits for it. */
static void test_helper(void)
{
	const struct ikw_helped *helped;

	begin("helper");
	CHECK_EQ(ikw_loader_add_daemon(loader, (uint32_t)getpid()), 0);
	run("sleep 0.3; (exit 3)");
	settle(200);
	helped = &find(IKW_EV_HELPED, -1, 0)->helped;
	check_hdr(&helped->hdr);
	CHECK_EQ(helped->daemon_tgid, getpid());
	CHECK_EQ(helped->daemon_tid, getpid());
	CHECK(helped->tgid != 0 && helped->tgid != helped->daemon_tgid);
	CHECK_EQ(helped->exit_code, 3 << 8);
	CHECK(!strcmp(helped->comm, "sh"));
	CHECK(helped->began + 250000000 < helped->hdr.time);
	/* but not what that ran in turn */
	CHECK_EQ(count(IKW_EV_HELPED, -1), 1);
}

/* err: what ikw_loader_pin() said, from which on the programs speak */
static void test_pin(int err)
{
	size_t n;
	const struct ikw_probe_status *probes = ikw_loader_probes(loader, &n);
	bool kprobe = false;

	begin("pin");
	/* 5.10 has no link for a perf event: in the fentry tier, too, some probes are kprobes */
	for (size_t i = 0; i < n; i++)
		kprobe |= probes[i].how == IKW_HOW_KPROBE;
	CHECK(!err || (kprobe && err == -EINVAL));
	printf("pin: %s\n", strerror(-err));
	CHECK(!access(PIN_DIR "/ikw_events", F_OK));
	CHECK(!access(PIN_DIR "/programs/ikw_exit_tp", F_OK));
	CHECK(ikw_pin_clear(PIN_DIR) > 0);
	CHECK(access(PIN_DIR "/ikw_events", F_OK));
}

static void show_probes(void)
{
	size_t n;
	const struct ikw_probe_status *probes = ikw_loader_probes(loader, &n);

	for (size_t i = 0; i < n; i++)
		printf("  %-22s %-10s %s\n", probes[i].name, ikw_how_text(probes[i].how),
		       probes[i].why);
	printf("tier %u, sees 0x%x%s%s\n", ikw_loader_tier(loader), ikw_loader_sees(loader),
	       ikw_loader_why(loader)[0] ? ", because of " : "", ikw_loader_why(loader));
}

int main(int argc, char **argv)
{
	struct ikw_loader_config config = { .tier = IKW_TIER_FENTRY, .pin_dir = PIN_DIR };
	char why[256];
	int pins, pinned;

	setvbuf(stdout, NULL, _IOLBF, 0);
	story = "start";
	if (argc > 1 && !strcmp(argv[1], "kprobe"))
		config.tier = IKW_TIER_KPROBE;
	config.netns = own_netns = inode_of("/proc/self/ns/net");
	pins = ikw_pin_take(PIN_DIR, why, sizeof(why));
	if (pins < 0 || ikw_loader_open(&config, &loader, why, sizeof(why))) {
		fprintf(stderr, "probe_dump: open: %s\n", why);
		return 1;
	}
	if (ikw_loader_attach(loader)) {
		show_probes();
		fprintf(stderr, "probe_dump: attach: %s\n", ikw_loader_why(loader));
		return 1;
	}
	pinned = ikw_loader_pin(loader);
	show_probes();
	CHECK_EQ(ikw_loader_tier(loader), config.tier);
	CHECK_EQ(ikw_loader_sees(loader) &
			 (IKW_SEES_SA | IKW_SEES_ACTOR | IKW_SEES_CAUSE | IKW_SEES_LARVAL |
			  IKW_SEES_FAILED | IKW_SEES_POLICY | IKW_SEES_CONTROL | IKW_SEES_SIGNAL |
			  IKW_SEES_EXIT | IKW_SEES_REQUEST),
		 IKW_SEES_SA | IKW_SEES_ACTOR | IKW_SEES_CAUSE | IKW_SEES_LARVAL | IKW_SEES_FAILED |
			 IKW_SEES_POLICY | IKW_SEES_CONTROL | IKW_SEES_SIGNAL | IKW_SEES_EXIT |
			 IKW_SEES_REQUEST);
	test_add();
	test_again();
	test_change();
	test_delete();
	test_ipv6();
	test_flush();
	test_time_limit();
	test_volume_limit();
	test_larval();
	test_netns();
	test_policy();
	test_socket_policy();
	test_control();
	test_control_forged();
	test_exec();
	test_storm();
	test_helper();
	test_pin(pinned);
	ikw_loader_close(loader);
	ikw_pin_drop(PIN_DIR, pins);
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}
