/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What happens to IKE daemons from outside: who connects to their control
 * sockets and what is asked there, which signals they get, their start and end.
 *
 * A daemon is a process in ikw_daemons (it installed SAs, or user space said
 * so). These probes work without the SAD probes too, beside netlink.
 */
#include "vmlinux/vmlinux.h"
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "bpf/actor.h"
#include "bpf/ikewatch_event.h"
#include "bpf/maps.h"

/* BPF_PROG and BPF_KPROBE give every stub a ctx, and the hook's arguments stand there to be read */
#pragma clang diagnostic ignored "-Wunused-parameter"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The same on every architecture but alpha, mips, parisc and sparc. */
#define SIGHUP	1
#define SIGINT	2
#define SIGQUIT 3
#define SIGKILL 9
#define SIGUSR1 10
#define SIGUSR2 12
#define SIGTERM 15

#define PIDTYPE_TGID 1 /* enum pid_type: 4.19 and later */

/* A client's sends that are told, per second: a whole `swanctl --load-all` of some connections. */
#define REQUESTS_PER_S 128
/* vici sends a length (4 bytes), then type and length of the name (1 byte each) by themselves. */
#define REQUEST_MIN 5

/* A process that connected to an IKE daemon. */
struct client {
	__u32 daemon; /* tgid; 0: known by the socket's name only */
	__u32 sent;   /* told in this second */
	__u64 second; /* when it began, boot time ns */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IKW_CLIENTS);
	__type(key, __u32); /* tgid */
	__type(value, struct client);
} ikw_clients SEC(".maps");

/* A connect() under way in a thread. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IKW_CLIENTS);
	__type(key, __u32);   /* tid */
	__type(value, __u64); /* struct socket * */
} ikw_connects SEC(".maps");

/* Processes that opened a socket for ICMP, and when. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IKW_CLIENTS);
	__type(key, __u32); /* tgid */
	__type(value, __u64);
} ikw_probers SEC(".maps");

/* ---- control sockets --------------------------------------------------- */

static __always_inline bool is_daemon(__u32 tgid)
{
	return tgid && bpf_map_lookup_elem(&ikw_daemons, &tgid);
}

static __always_inline bool has_prefix(const char *text, const char *prefix, int len)
{
	for (int i = 0; i < len; i++)
		if (text[i] != prefix[i])
			return false;
	return true;
}

#define STARTS(text, prefix) has_prefix(text, prefix, sizeof(prefix) - 1)
#define EQUALS(text, whole)  has_prefix(text, whole, sizeof(whole))

/* The names under which IKE daemons listen: strongSwan's vici and stroke, Libreswan's whack,
 * iked's. */
static __always_inline bool is_control_name(const char *name)
{
	return EQUALS(name, "charon.vici") || EQUALS(name, "charon.ctl") ||
	       EQUALS(name, "pluto.ctl") || EQUALS(name, "iked.sock");
}

/*
 * The listener's tgid: a connected socket has its credentials (copy_peercred),
 * which are those of whoever called listen(). 0 when that process has ended (it
 * forked into the background since) or is init (socket activation).
 */
static __always_inline __u32 peer_tgid(const struct sock *sk)
{
	struct pid *pid = BPF_CORE_READ(sk, sk_peer_pid);
	__u32 tgid = pid ? BPF_CORE_READ(pid, numbers[0].nr) : 0;

	if (tgid <= 1 || !BPF_CORE_READ(pid, tasks[PIDTYPE_TGID].first))
		return 0;
	return tgid;
}

#define OTHERS_WRITE	 00002	    /* S_IWOTH */
#define FUSE_SUPER_MAGIC 0x65735546 /* <linux/magic.h> */

/*
 * Anybody may name a socket as a daemon's is named. Where a daemon listens, in a
 * directory of root's that not everybody can write to, only the host's own can. (A
 * file system of a user's says of its files what it likes.)
 */
static __always_inline bool in_roots_place(const struct dentry *dentry)
{
	const struct inode *dir = BPF_CORE_READ(dentry, d_parent, d_inode);

	return dir && !BPF_CORE_READ(dir, i_uid.val) &&
	       !(BPF_CORE_READ(dir, i_mode) & OTHERS_WRITE) &&
	       BPF_CORE_READ(dir, i_sb, s_magic) != FUSE_SUPER_MAGIC;
}

/* A connected client's peer carries the address and file of the socket it was accepted from. */
static __always_inline struct unix_sock *peer_of(const struct sock *sk)
{
	return (struct unix_sock *)BPF_CORE_READ((const struct unix_sock *)sk, peer);
}

static __always_inline void fill_path(struct ikw_control *control, const struct unix_sock *peer)
{
	struct unix_address *address = BPF_CORE_READ(peer, addr);
	__u64 len;

	if (!address)
		return;
	len = BPF_CORE_READ(address, len) - sizeof(address->name[0].sun_family);
	barrier_var(len); /* one register for the comparison and the call */
	if (!len || len > IKW_PATH_LEN)
		return;
	bpf_probe_read_kernel(control->path, len, &address->name[0].sun_path);
	if (!control->path[0])
		control->path[0] = '@';
	control->path[IKW_PATH_LEN - 1] = 0;
}

static __always_inline void control_begin(struct ikw_control *control, const struct sock *sk,
					  __u8 op)
{
	fill_actor(&control->by);
	control->op = op;
	control->daemon_tgid = peer_tgid(sk);
	fill_path(control, peer_of(sk));
}

static __always_inline __u32 sock_netns(const struct sock *sk)
{
	return net_inode(BPF_CORE_READ(sk, __sk_common.skc_net.net));
}

static __noinline int connected(struct socket *sock)
{
	struct sock *sk = BPF_CORE_READ(sock, sk);
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct dentry *dentry = BPF_CORE_READ(peer_of(sk), path.dentry);
	struct client client = { .daemon = peer_tgid(sk) };
	struct ikw_control *control;
	char name[16] = {};

	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name));
	if (!is_daemon(client.daemon) && !(is_control_name(name) && in_roots_place(dentry)))
		return 0;
	if (!speaks())
		return 0;
	bpf_map_update_elem(&ikw_clients, &tgid, &client, BPF_ANY);
	actor_describe();
	control = ikw_emit_begin(IKW_EV_CONTROL, sizeof(*control), sock_netns(sk));
	if (!control)
		return 0;
	control_begin(control, sk, IKW_CONTROL_CONNECT);
	ikw_emit_end(&control->hdr);
	return 0;
}

/* Is this client still within what is told per second? */
static __always_inline bool client_may_tell(struct client *client)
{
	__u64 now = bpf_ktime_get_boot_ns();

	if (now - client->second >= 1000000000ull) {
		client->second = now;
		client->sent = 0;
	}
	return client->sent++ < REQUESTS_PER_S;
}

static __noinline int request_emit(struct sock *sk, const void *from, __u64 len)
{
	struct ikw_control *control;

	actor_describe();
	control = ikw_emit_begin(IKW_EV_CONTROL, sizeof(*control), sock_netns(sk));
	if (!control)
		return 0;
	control_begin(control, sk, IKW_CONTROL_REQUEST);
	if (len > IKW_REQUEST_LEN)
		len = IKW_REQUEST_LEN;
	barrier_var(len);
	/* what is not in memory cannot be read here; the send itself is still told */
	if (!bpf_probe_read_user(control->request, len, from))
		control->request_len = len;
	ikw_emit_end(&control->hdr);
	return 0;
}

/* Any other unix socket traffic costs one lookup that misses. */
static __always_inline int sent(struct socket *sock, struct msghdr *msg, __u64 len)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct client *client = bpf_map_lookup_elem(&ikw_clients, &tgid);
	struct sock *sk;
	const void *from;

	if (!client || len < REQUEST_MIN || !speaks())
		return 0;
	sk = BPF_CORE_READ(sock, sk);
	if (peer_tgid(sk) != client->daemon)
		return 0;
	from = ikw_core_iter_user(&msg->msg_iter, &len);
	if (!from || len < REQUEST_MIN || !client_may_tell(client))
		return 0;
	return request_emit(sk, from, len);
}

/*
 * unix_stream_connect(sock, addr, len, flags): at its end a successful client's
 * socket knows who listens. In the client's process.
 */
SEC("fexit/unix_stream_connect")
int BPF_PROG(ikw_connect_fx, struct socket *sock, void *addr, int len, int flags, int ret)
{
	return ret ? 0 : connected(sock);
}

SEC("kprobe/unix_stream_connect")
int BPF_KPROBE(ikw_connect_k, struct socket *sock)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 value = (__u64)sock;

	bpf_map_update_elem(&ikw_connects, &tid, &value, BPF_ANY);
	return 0;
}

SEC("kretprobe/unix_stream_connect")
int BPF_KRETPROBE(ikw_connect_kx, int ret)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 *value = bpf_map_lookup_elem(&ikw_connects, &tid);
	struct socket *sock;

	if (!value)
		return 0;
	sock = (struct socket *)*value;
	bpf_map_delete_elem(&ikw_connects, &tid);
	return ret ? 0 : connected(sock);
}

/*
 * unix_stream_sendmsg(sock, msg, len): what a client sends, in its process,
 * before it is copied. One record per send, and vici's name and arguments come
 * in sends of their own.
 */
SEC("fentry/unix_stream_sendmsg")
int BPF_PROG(ikw_send_f, struct socket *sock, struct msghdr *msg, __u64 len)
{
	return sent(sock, msg, len);
}

SEC("kprobe/unix_stream_sendmsg")
int BPF_KPROBE(ikw_send_k, struct socket *sock, struct msghdr *msg, __u64 len)
{
	return sent(sock, msg, len);
}

/* ---- signals, exec, exit ----------------------------------------------- */

static __always_inline bool signal_matters(int signo)
{
	switch (signo) {
	case SIGHUP:
	case SIGINT:
	case SIGQUIT:
	case SIGKILL:
	case SIGUSR1:
	case SIGUSR2:
	case SIGTERM:
		return true;
	}
	return false;
}

/*
 * signal_generate(sig, info, task, group, result): in the sender's process, or
 * in an interrupt's (then the sender is whoever was current). The old stable
 * tracepoint, raw, so that nothing but its arguments matters.
 */
SEC("raw_tp/signal_generate")
int ikw_signal_tp(struct bpf_raw_tracepoint_args *ctx)
{
	int signo = ctx->args[0];
	const struct task_struct *task = (const void *)ctx->args[2];
	__u32 tgid = BPF_CORE_READ(task, tgid);
	struct ikw_signal *record;

	if (!signal_matters(signo) || !is_daemon(tgid) || !speaks())
		return 0;
	actor_describe();
	record = ikw_emit_begin(IKW_EV_SIGNAL, sizeof(*record),
				net_inode(BPF_CORE_READ(task, nsproxy, net_ns)));
	if (!record)
		return 0;
	fill_actor(&record->by);
	record->daemon_tgid = tgid;
	record->signo = signo;
	ikw_emit_end(&record->hdr);
	return 0;
}

/* comm is cut at 15 characters: "charon-systemd" still fits. */
static __always_inline bool is_daemon_comm(const char *comm)
{
	return STARTS(comm, "charon") || EQUALS(comm, "pluto") || EQUALS(comm, "iked") ||
	       EQUALS(comm, "racoon") || EQUALS(comm, "starter");
}

/* What asks init for something, which then signals the daemon (systemd's, under all their names).
 */
static __always_inline bool is_init_comm(const char *comm)
{
	return EQUALS(comm, "systemctl") || EQUALS(comm, "shutdown") || EQUALS(comm, "reboot") ||
	       EQUALS(comm, "poweroff") || EQUALS(comm, "halt");
}

/* sched_process_exec(task, old_pid, bprm): comm is the new one, memory too. */
SEC("raw_tp/sched_process_exec")
int ikw_exec_tp(struct bpf_raw_tracepoint_args *ctx)
{
	char comm[IKW_COMM_LEN];

	bpf_get_current_comm(comm, sizeof(comm));
	if ((is_daemon_comm(comm) || is_init_comm(comm)) && speaks())
		proc_emit(IKW_PROC_EXEC);
	return 0;
}

static __always_inline int exit_emit(const struct task_struct *task, __u8 op)
{
	struct ikw_proc *proc = ikw_emit_begin(IKW_EV_PROC, sizeof(*proc),
					       net_inode(BPF_CORE_READ(task, nsproxy, net_ns)));

	if (!proc)
		return 0;
	fill_proc(proc, op);
	proc->exit_code = BPF_CORE_READ(task, exit_code);
	ikw_emit_end(&proc->hdr);
	return 0;
}

/* A process that a daemon's thread began and waits for; its child as long as that lives. */
static __always_inline int helper_ended(const struct task_struct *task, __u32 tgid)
{
	const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	const struct task_struct *thread = BPF_CORE_READ(leader, real_parent);
	__u32 daemon = BPF_CORE_READ(thread, tgid);
	struct ikw_helped *helped;

	if (!is_daemon(daemon) || BPF_CORE_READ(task, signal, live.counter) > 0 || !speaks())
		return 0;
	helped = ikw_emit_begin(IKW_EV_HELPED, sizeof(*helped),
				net_inode(BPF_CORE_READ(task, nsproxy, net_ns)));
	if (!helped)
		return 0;
	helped->began = BPF_CORE_READ(leader, start_boottime);
	helped->daemon_tgid = daemon;
	helped->daemon_tid = BPF_CORE_READ(thread, pid);
	helped->tgid = tgid;
	helped->exit_code = BPF_CORE_READ(task, exit_code);
	BPF_CORE_READ_STR_INTO(&helped->comm, leader, comm);
	ikw_emit_end(&helped->hdr);
	return 0;
}

/*
 * sched_process_exit(task): once per thread, in that thread, after it was taken
 * off signal->live. The last one ends the process; two that end together both
 * see zero, so taking the process out of the map decides.
 */
SEC("raw_tp/sched_process_exit")
int ikw_exit_tp(struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *task = (const void *)ctx->args[0];
	__u32 tgid = BPF_CORE_READ(task, tgid);
	bool daemon = is_daemon(tgid);
	__u8 op = IKW_PROC_EXIT;

	if (!daemon)
		helper_ended(task, tgid);
	if ((!daemon && !bpf_map_lookup_elem(&ikw_probers, &tgid)) || !speaks())
		return 0;
	if (BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	if (!bpf_map_delete_elem(&ikw_probers, &tgid) && !daemon)
		op = IKW_PROC_PROBED;
	else if (bpf_map_delete_elem(&ikw_daemons, &tgid))
		return 0;
	return exit_emit(task, op);
}

/* ---- who sends probes ---------------------------------------------------- */

#define IPPROTO_ICMP   1
#define IPPROTO_ICMPV6 58

#define PROBERS_PER_S 32

static __u64 prober_second; /* boot time ns at which it began */
static __u32 prober_count;  /* told in it; racing CPUs may tell a few more */

/* A process opened a socket for ICMP: what it sends are probes. Its parents tell whose. */
static __always_inline int prober(struct net *net, int protocol, int wanted)
{
	__u64 now;
	__u32 tgid;

	if (protocol != wanted || !netns_watched(net_inode(net)) || task_is_kthread(current_task()))
		return 0;
	now = bpf_ktime_get_boot_ns();
	if (now - prober_second >= 1000000000ull) {
		prober_second = now;
		prober_count = 0;
	}
	if (prober_count >= PROBERS_PER_S)
		return 0;
	prober_count++;
	tgid = bpf_get_current_pid_tgid() >> 32;
	bpf_map_update_elem(&ikw_probers, &tgid, &now, BPF_ANY);
	proc_emit(IKW_PROC_PROBER);
	return 0;
}

/* inet_create(net, sock, protocol, kern), in the process that calls socket(). */
SEC("fentry/inet_create")
int BPF_PROG(ikw_prober4_f, struct net *net, struct socket *sock, int protocol)
{
	return prober(net, protocol, IPPROTO_ICMP);
}

SEC("kprobe/inet_create")
int BPF_KPROBE(ikw_prober4_k, struct net *net, struct socket *sock, int protocol)
{
	return prober(net, protocol, IPPROTO_ICMP);
}

SEC("fentry/inet6_create")
int BPF_PROG(ikw_prober6_f, struct net *net, struct socket *sock, int protocol)
{
	return prober(net, protocol, IPPROTO_ICMPV6);
}

SEC("kprobe/inet6_create")
int BPF_KPROBE(ikw_prober6_k, struct net *net, struct socket *sock, int protocol)
{
	return prober(net, protocol, IPPROTO_ICMPV6);
}
