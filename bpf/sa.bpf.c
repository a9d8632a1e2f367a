/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What happens to SAs and policies, witnessed in the xfrm core.
 *
 * Every function probed exists out of line, with the same leading arguments, in
 * 5.10 to 7.x. Each has a fentry and a kprobe stub, side by side, that only
 * names the hook and calls the shared handler; user space loads one of the two.
 *
 * Why an SA went is told by brackets, not by walking the stack (a kretprobe
 * hides the caller from the unwinder in 5.10): the functions that delete on
 * behalf of something else note it on entry and take the note back on exit.
 *  - xfrm_timer_handler runs in the hrtimer softirq, on top of whatever process
 *    is current, perhaps one that is itself inside an xfrm call. Its note is per
 *    CPU, names the one SA it is about, and is asked first. Two handlers never
 *    nest on a CPU, so one note is enough.
 *  - the others run in a process (or the worker that ends namespaces) and may
 *    sleep: their notes are per thread.
 * A note whose exit was missed is overwritten by the next entry, and never
 * believed for another SA or for a thread that began later.
 */
#include "vmlinux/vmlinux.h"
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "bpf/actor.h"
#include "bpf/ikewatch_event.h"
#include "bpf/maps.h"

/* BPF_PROG and BPF_KPROBE give every stub a ctx, and the hook's arguments stand there to be read */
#pragma clang diagnostic ignored "-Wunused-parameter"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define AF_INET	 2
#define AF_INET6 10

#define IPPROTO_ESP  50
#define IPPROTO_AH   51
#define IPPROTO_COMP 108

/* <net/xfrm.h>, the same in every kernel since 2.6 */
#define XFRM_STATE_ACQ	   1
#define XFRM_STATE_VALID   2
#define XFRM_STATE_EXPIRED 4
#define XFRM_STATE_DEAD	   5
#define XFRM_POLICY_MAX	   3

/* What the current thread is inside of. */
enum call_kind {
	CALL_NONE,
	CALL_UPDATE,
	CALL_FLUSH,
	CALL_DEVICE,
	CALL_POLICY,
	CALL_SPI,
	CALL_ADD,
};

struct call {
	__u64 start;  /* of the thread: a note of an earlier thread with this tid is no note */
	__u64 object; /* the xfrm_state or xfrm_policy it was called for */
	__u32 kind;   /* enum call_kind */
	__u32 detail; /* UPDATE: a full SA was inserted; FLUSH: task_valid; SPI: the SPI asked for
		       */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, IKW_CALLS);
	__type(key, __u32); /* tid */
	__type(value, struct call);
} ikw_calls SEC(".maps");

/* What the timer on this CPU is about; x 0: no timer is being handled. */
struct timer {
	__u64 x;
	__u64 on; /* whom it interrupted (pid_tgid): with x, proof that this is still it */
	__u64 dying;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct timer);
} ikw_timer SEC(".maps");

/* How much of what a process reads has been told in this window. */
struct asker {
	__u64 since;
	__u32 told;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IKW_ASKERS);
	__type(key, __u32); /* tgid */
	__type(value, struct asker);
} ikw_askers SEC(".maps");

/* ---- brackets ---------------------------------------------------------- */

static __always_inline void call_enter(__u32 kind, const void *object, __u32 detail)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call call = {
		.start = BPF_CORE_READ(current_task(), start_boottime),
		.object = (__u64)object,
		.kind = kind,
		.detail = detail,
	};

	bpf_map_update_elem(&ikw_calls, &tid, &call, BPF_ANY);
}

static __always_inline struct call *call_current(void)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&ikw_calls, &tid);

	if (!call || call->start != BPF_CORE_READ(current_task(), start_boottime))
		return (void *)0;
	return call;
}

/* Ends the bracket; false when its entry was not seen. */
static __always_inline bool call_exit(__u32 kind, struct call *was)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *call = call_current();

	if (!call || call->kind != kind)
		return false;
	*was = *call;
	bpf_map_delete_elem(&ikw_calls, &tid);
	return true;
}

static __always_inline int call_end(__u32 kind)
{
	struct call was;

	call_exit(kind, &was);
	return 0;
}

static __always_inline struct timer *timer_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ikw_timer, &zero);
}

static __always_inline bool timer_handles(const struct xfrm_state *x)
{
	struct timer *timer = timer_here();

	return timer && timer->x == (__u64)x && timer->on == bpf_get_current_pid_tgid();
}

/* ---- records ----------------------------------------------------------- */

static __always_inline void fill_addr(__u8 *to, const xfrm_address_t *from, __u16 family)
{
	if (family == AF_INET6) {
		bpf_probe_read_kernel(to, IKW_ADDR_LEN, from);
	} else if (family == AF_INET) {
		to[10] = to[11] = 0xff;
		bpf_probe_read_kernel(to + 12, 4, from);
	}
}

static __always_inline void fill_selector(struct ikw_selector *to, const struct xfrm_selector *sel)
{
	__u16 family = BPF_CORE_READ(sel, family);

	fill_addr(to->saddr, &sel->saddr, family);
	fill_addr(to->daddr, &sel->daddr, family);
	to->sport = bpf_ntohs(BPF_CORE_READ(sel, sport));
	to->sport_mask = bpf_ntohs(BPF_CORE_READ(sel, sport_mask));
	to->dport = bpf_ntohs(BPF_CORE_READ(sel, dport));
	to->dport_mask = bpf_ntohs(BPF_CORE_READ(sel, dport_mask));
	to->prefixlen_s = BPF_CORE_READ(sel, prefixlen_s);
	to->prefixlen_d = BPF_CORE_READ(sel, prefixlen_d);
	to->proto = BPF_CORE_READ(sel, proto);
	to->family = family;
	to->ifindex = BPF_CORE_READ(sel, ifindex);
}

static __always_inline void fill_lifetime(struct ikw_sa *sa, const struct xfrm_state *x)
{
	sa->bytes = BPF_CORE_READ(x, curlft.bytes);
	sa->packets = BPF_CORE_READ(x, curlft.packets);
	sa->add_wall_s = BPF_CORE_READ(x, curlft.add_time);
	sa->use_wall_s = BPF_CORE_READ(x, curlft.use_time);
	sa->last_wall_s = BPF_CORE_READ(x, lastused);
	sa->hard_bytes = BPF_CORE_READ(x, lft.hard_byte_limit);
	sa->hard_packets = BPF_CORE_READ(x, lft.hard_packet_limit);
	sa->hard_add_s = BPF_CORE_READ(x, lft.hard_add_expires_seconds);
	sa->hard_use_s = BPF_CORE_READ(x, lft.hard_use_expires_seconds);
	sa->soft_add_s = BPF_CORE_READ(x, lft.soft_add_expires_seconds);
}

static __always_inline void fill_encap(struct ikw_sa *sa, const struct xfrm_state *x)
{
	struct xfrm_encap_tmpl *encap = BPF_CORE_READ(x, encap);
	struct net_device *dev = BPF_CORE_READ(x, xso.dev);

	if (encap) {
		sa->encap_type = BPF_CORE_READ(encap, encap_type);
		sa->encap_sport = bpf_ntohs(BPF_CORE_READ(encap, encap_sport));
		sa->encap_dport = bpf_ntohs(BPF_CORE_READ(encap, encap_dport));
	}
	if (dev)
		sa->offload_ifindex = BPF_CORE_READ(dev, ifindex);
}

/* The only place where an xfrm_state becomes a record. */
static __always_inline void fill_sa(struct ikw_sa *sa, const struct xfrm_state *x)
{
	__u16 family = BPF_CORE_READ(x, props.family);

	fill_addr(sa->saddr, &x->props.saddr, family);
	fill_addr(sa->daddr, &x->id.daddr, family);
	fill_selector(&sa->sel, &x->sel);
	sa->spi = bpf_ntohl(BPF_CORE_READ(x, id.spi));
	sa->reqid = BPF_CORE_READ(x, props.reqid);
	sa->mark = BPF_CORE_READ(x, mark.v);
	sa->mark_mask = BPF_CORE_READ(x, mark.m);
	sa->if_id = BPF_CORE_READ(x, if_id);
	sa->proto = BPF_CORE_READ(x, id.proto);
	sa->mode = BPF_CORE_READ(x, props.mode);
	sa->family = family;
	sa->km_state = BPF_CORE_READ(x, km.state);
	sa->dir = ikw_core_sa_dir(x);
	fill_encap(sa, x);
	fill_lifetime(sa, x);
}

struct sa_note {
	__u8 op;
	__u8 cause;
	__u8 limit;
	__u8 in_timer; /* current is only whom the timer interrupted */
	__s32 error;
	__u32 spi; /* FAILED: the SPI asked for, when the SA has none */
};

/* mip6 and IPIP states are not IPsec. */
static __always_inline bool is_ipsec(const struct xfrm_state *x)
{
	__u8 proto = BPF_CORE_READ(x, id.proto);

	return proto == IPPROTO_ESP || proto == IPPROTO_AH || proto == IPPROTO_COMP;
}

/*
 * Whoever reserves an SPI or installs an SA is the one that manages it: the
 * daemon, whose signals, end and control socket matter from now on.
 */
static __always_inline void daemon_note(__u8 op)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct ikw_daemon daemon = { .how = IKW_DAEMON_INSTALLED };

	if (op != IKW_SA_ADD && op != IKW_SA_LARVAL && op != IKW_SA_CHANGE)
		return;
	if (task_is_kthread(current_task()) || bpf_map_lookup_elem(&ikw_daemons, &tgid))
		return;
	daemon.since = bpf_ktime_get_boot_ns();
	bpf_map_update_elem(&ikw_daemons, &tgid, &daemon, BPF_NOEXIST);
}

static __noinline int sa_emit(const struct xfrm_state *x, const struct sa_note *note)
{
	__u32 netns = net_inode(BPF_CORE_READ(x, xs_net.net));
	struct ikw_sa *sa;

	if (!netns_watched(netns) || !is_ipsec(x))
		return 0;
	if (!note->in_timer) {
		actor_describe();
		daemon_note(note->op);
	}
	sa = ikw_emit_begin(IKW_EV_SA, sizeof(*sa), netns);
	if (!sa)
		return 0;
	fill_sa(sa, x);
	if (!note->in_timer)
		fill_actor(&sa->by);
	sa->op = note->op;
	sa->cause = note->cause;
	sa->limit = note->limit;
	sa->error = note->error;
	if (!sa->spi)
		sa->spi = note->spi;
	ikw_emit_end(&sa->hdr);
	return 0;
}

static __always_inline void fill_template(struct ikw_policy *policy, const struct xfrm_policy *xp)
{
	const struct xfrm_tmpl *tmpl = &xp->xfrm_vec[0];
	__u16 family;

	policy->tmpl_count = BPF_CORE_READ(xp, xfrm_nr);
	if (!policy->tmpl_count)
		return;
	family = BPF_CORE_READ(tmpl, encap_family);
	fill_addr(policy->tmpl_saddr, &tmpl->saddr, family);
	fill_addr(policy->tmpl_daddr, &tmpl->id.daddr, family);
	policy->tmpl_mode = BPF_CORE_READ(tmpl, mode);
	policy->tmpl_proto = BPF_CORE_READ(tmpl, id.proto);
	if (policy->tmpl_proto == IPPROTO_COMP && policy->tmpl_count > 1) {
		/* a constant index: CO-RE has to know the size of what it skips */
		policy->tmpl_proto = BPF_CORE_READ(xp, xfrm_vec[1].id.proto);
		policy->tmpl_reqid = BPF_CORE_READ(xp, xfrm_vec[1].reqid);
		policy->tmpl_spi = bpf_ntohl(BPF_CORE_READ(xp, xfrm_vec[1].id.spi));
		return;
	}
	policy->tmpl_reqid = BPF_CORE_READ(tmpl, reqid);
	policy->tmpl_spi = bpf_ntohl(BPF_CORE_READ(tmpl, id.spi));
}

/* The index carries the direction in its low bits (xfrm_policy_id2dir); 3 and 4: of a socket. */
static __always_inline void fill_direction(struct ikw_policy *policy)
{
	__u8 dir = policy->index & 7;

	policy->socket = dir >= XFRM_POLICY_MAX;
	policy->dir = (policy->socket ? dir - XFRM_POLICY_MAX : dir) + 1;
}

static __noinline int policy_emit(const struct xfrm_policy *xp, __u8 op, __u32 flags)
{
	__u32 netns = net_inode(BPF_CORE_READ(xp, xp_net.net));
	struct ikw_policy *policy;

	if (!netns_watched(netns))
		return 0;
	actor_describe();
	policy = ikw_emit_begin(IKW_EV_POLICY, sizeof(*policy), netns);
	if (!policy)
		return 0;
	fill_actor(&policy->by);
	fill_selector(&policy->sel, &xp->selector);
	fill_template(policy, xp);
	policy->index = BPF_CORE_READ(xp, index);
	policy->priority = BPF_CORE_READ(xp, priority);
	policy->mark = BPF_CORE_READ(xp, mark.v);
	policy->mark_mask = BPF_CORE_READ(xp, mark.m);
	policy->if_id = BPF_CORE_READ(xp, if_id);
	policy->action = BPF_CORE_READ(xp, action);
	policy->op = op;
	policy->hdr.flags |= flags;
	fill_direction(policy);
	policy->exiting = policy->socket && (BPF_CORE_READ(current_task(), flags) & PF_EXITING);
	ikw_emit_end(&policy->hdr);
	return 0;
}

/*
 * A daemon reads when an SA was last used before it decides that its peer must
 * be checked (RFC 7296 2.4, RFC 3706 5.1); whoever lists thousands of tunnels
 * reads them too, and must not fill the ring. 0: leave this one out; 1: tell
 * it; 2: tell it, it is the last of this window.
 */
static __noinline int ask_told(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct asker *asker = bpf_map_lookup_elem(&ikw_askers, &tgid);
	struct asker fresh = { .since = bpf_ktime_get_boot_ns(), .told = 1 };

	if (!asker || fresh.since - asker->since > IKW_ASK_WINDOW) {
		bpf_map_update_elem(&ikw_askers, &tgid, &fresh, BPF_ANY);
		return 1;
	}
	if (asker->told >= IKW_ASK_LIMIT)
		return 0;
	return ++asker->told == IKW_ASK_LIMIT ? 2 : 1;
}

/* <linux/netlink.h>, <linux/xfrm.h>: what a GETSA message says, behind its header. */
struct get_sa {
	__u32 len;
	__u16 type;
	__u16 flags;
	__u32 seq;
	__u32 portid;
	xfrm_address_t daddr;
	__u32 spi;
	__u16 family;
	__u8 proto;
};

#define XFRM_MSG_GETSA 18
#define XFRMA_MARK     21

static __always_inline __u32 get_sa_mark(void *const *attrs)
{
	const void *attr;
	__u32 mark = 0;

	if (!bpf_probe_read_kernel(&attr, sizeof(attr), &attrs[XFRMA_MARK]) && attr)
		bpf_probe_read_kernel(&mark, sizeof(mark), attr + 4 /* struct nlattr */);
	return mark;
}

static __noinline int sa_asked(const struct get_sa *message, void *const *attrs)
{
	__u32 netns = net_inode(BPF_CORE_READ(current_task(), nsproxy, net_ns));
	struct get_sa get;
	struct ikw_sa *sa;
	int told;

	if (!netns_watched(netns) || bpf_probe_read_kernel(&get, sizeof(get), message) ||
	    get.type != XFRM_MSG_GETSA)
		return 0;
	told = ask_told();
	if (!told)
		return 0;
	actor_describe();
	sa = ikw_emit_begin(IKW_EV_SA, sizeof(*sa), netns);
	if (!sa)
		return 0;
	fill_actor(&sa->by);
	fill_addr(sa->daddr, &message->daddr, get.family);
	sa->spi = bpf_ntohl(get.spi);
	sa->proto = get.proto;
	sa->family = get.family;
	sa->mark = get_sa_mark(attrs);
	sa->op = IKW_SA_ASKED;
	if (told == 2)
		sa->hdr.flags |= IKW_F_MORE;
	ikw_emit_end(&sa->hdr);
	return 0;
}

/* Deleted by the same call, it is dead by now; its end has been told. */
static __always_inline int policy_asked(const struct xfrm_policy *policy)
{
	int told;

	/* an error pointer, or nothing found */
	if ((long)policy <= 0 && (long)policy > -4096)
		return 0;
	if (BPF_CORE_READ(policy, walk.dead) ||
	    !netns_watched(net_inode(BPF_CORE_READ(policy, xp_net.net))))
		return 0;
	told = ask_told();
	return told ? policy_emit(policy, IKW_POLICY_ASKED, told == 2 ? IKW_F_MORE : 0) : 0;
}

static __noinline int flush_emit(struct net *net, __u8 what, __u8 proto, __u8 task_valid)
{
	__u32 netns = net_inode(net);
	struct ikw_flush *flush;

	if (!netns_watched(netns))
		return 0;
	actor_describe();
	flush = ikw_emit_begin(IKW_EV_FLUSH, sizeof(*flush), netns);
	if (!flush)
		return 0;
	fill_actor(&flush->by);
	flush->what = what;
	flush->proto = proto;
	flush->task_valid = task_valid;
	flush->each_told = 1; /* every SA and policy it takes passes a probe of its own */
	ikw_emit_end(&flush->hdr);
	return 0;
}

/* ---- handlers ---------------------------------------------------------- */

static __always_inline void timer_note(const struct xfrm_state *x, struct sa_note *note)
{
	note->in_timer = 1;
	note->cause = IKW_CAUSE_TIMER;
	/* xfrm_state_check_expire() sets EXPIRED on a byte or packet limit; a time limit leaves
	 * VALID */
	note->limit = BPF_CORE_READ(x, km.state) == XFRM_STATE_EXPIRED && BPF_CORE_READ(x, id.spi)
			      ? IKW_LIMIT_VOLUME
			      : IKW_LIMIT_TIME;
}

static __always_inline __u8 call_cause(const struct call *call)
{
	if (!call)
		/* the worker that is outside every bracket: nobody asked, and why is not known */
		return task_is_kthread(current_task()) ? IKW_CAUSE_UNKNOWN : IKW_CAUSE_CALL;
	switch (call->kind) {
	case CALL_FLUSH:
		return call->detail ? IKW_CAUSE_FLUSH : IKW_CAUSE_NETNS;
	case CALL_DEVICE:
		return IKW_CAUSE_DEVICE;
	case CALL_UPDATE:
		return IKW_CAUSE_UPDATE;
	}
	return IKW_CAUSE_CALL;
}

/*
 * An SA with no SPI was acquired, never installed; the timer calls such a one
 * EXPIRED before it deletes it. Any other larval SA is ACQ.
 */
static __always_inline int state_deleted(const struct xfrm_state *x)
{
	__u8 state = BPF_CORE_READ(x, km.state);
	bool larval = state == XFRM_STATE_ACQ || !BPF_CORE_READ(x, id.spi);
	struct sa_note note = {};

	if (state == XFRM_STATE_DEAD)
		return 0; /* neither does __xfrm_state_delete() itself do anything with it */
	if (timer_handles(x))
		timer_note(x, &note);
	else
		note.cause = call_cause(call_current());
	/* it became full: the ADD of the same SPI has said so already */
	if (larval && note.cause == IKW_CAUSE_UPDATE)
		return 0;
	note.op = larval ? IKW_SA_LARVAL_GONE : IKW_SA_DELETE;
	return sa_emit(x, &note);
}

static __always_inline int state_inserted(const struct xfrm_state *x)
{
	struct call *call = call_current();
	struct sa_note note = { .op = IKW_SA_ADD };

	if (call && call->kind == CALL_UPDATE)
		call->detail = 1;
	return sa_emit(x, &note);
}

static __always_inline int install_failed(const struct xfrm_state *x, int error)
{
	struct sa_note note = { .op = IKW_SA_FAILED, .error = error };

	return sa_emit(x, &note);
}

static __always_inline int add_done(const struct xfrm_state *x, int error)
{
	return error < 0 ? install_failed(x, error) : 0;
}

/*
 * Success without an insertion: a full SA took over what the caller gave. The
 * object at hand is the caller's, which was never alive: no counters, no state.
 */
static __always_inline int update_done(const struct call *was, int error)
{
	const struct xfrm_state *x = (const void *)was->object;
	struct sa_note note = { .op = IKW_SA_CHANGE };

	if (error < 0)
		return install_failed(x, error);
	return was->detail ? 0 : sa_emit(x, &note);
}

static __always_inline int spi_done(const struct call *was, int error)
{
	const struct xfrm_state *x = (const void *)was->object;
	struct sa_note note = { .op = IKW_SA_LARVAL, .error = error, .spi = was->detail };

	if (error < 0)
		note.op = IKW_SA_FAILED;
	else if (BPF_CORE_READ(x, km.state) != XFRM_STATE_ACQ)
		return 0;
	return sa_emit(x, &note);
}

static __always_inline int timer_enter(const struct hrtimer *mtimer)
{
	const struct xfrm_state *x =
		(const void *)mtimer - bpf_core_field_offset(struct xfrm_state, mtimer);
	struct timer *timer = timer_here();

	if (!timer)
		return 0;
	timer->x = (__u64)x;
	timer->on = bpf_get_current_pid_tgid();
	timer->dying = BPF_CORE_READ(x, km.dying);
	return 0;
}

/*
 * The handler sets km.dying when it asks for a rekey because of a soft time
 * limit. (A soft byte or packet limit is noticed while a packet is handled, in
 * xfrm_state_check_expire(), where a probe would cost every packet.) The SA
 * cannot be freed yet: that waits for its timer's handler to have returned.
 */
static __always_inline int timer_exit(void)
{
	struct sa_note note = {
		.op = IKW_SA_SOFT, .cause = IKW_CAUSE_TIMER, .limit = IKW_LIMIT_TIME, .in_timer = 1
	};
	struct timer *timer = timer_here();
	const struct xfrm_state *x;

	if (!timer || !timer->x)
		return 0;
	x = (const void *)timer->x;
	timer->x = 0;
	if (timer->dying || !BPF_CORE_READ(x, km.dying) ||
	    BPF_CORE_READ(x, km.state) != XFRM_STATE_VALID)
		return 0;
	return sa_emit(x, &note);
}

static __always_inline int state_flush_enter(struct net *net, __u8 proto, bool task_valid)
{
	call_enter(CALL_FLUSH, net, task_valid);
	return flush_emit(net, IKW_FLUSH_SA, proto, task_valid);
}

/* ---- stubs ------------------------------------------------------------- */

/*
 * __xfrm_state_delete(x): the one place where an SA leaves the SAD. In a
 * process, a worker, or the hrtimer softirq, with x->lock held; x is still whole
 * and km.state tells what it was. Fires for larval SAs too.
 */
SEC("fentry/__xfrm_state_delete")
int BPF_PROG(ikw_sa_delete_f, struct xfrm_state *x)
{
	return state_deleted(x);
}

SEC("kprobe/__xfrm_state_delete")
int BPF_KPROBE(ikw_sa_delete_k, struct xfrm_state *x)
{
	return state_deleted(x);
}

/*
 * __xfrm_state_insert(x): where a full SA enters, from add, update and migrate.
 * (xfrm_state_insert attaches and never fires for add and update.) Larval SAs
 * are linked without it.
 */
SEC("fentry/__xfrm_state_insert")
int BPF_PROG(ikw_sa_insert_f, struct xfrm_state *x)
{
	return state_inserted(x);
}

SEC("kprobe/__xfrm_state_insert")
int BPF_KPROBE(ikw_sa_insert_k, struct xfrm_state *x)
{
	return state_inserted(x);
}

/*
 * xfrm_state_add(x): a new SA by netlink or PF_KEY, in the caller's process. Its
 * result is the errno of an install that failed; x lives until the caller is done.
 */
SEC("fexit/xfrm_state_add")
int BPF_PROG(ikw_sa_add_fx, struct xfrm_state *x, int ret)
{
	return add_done(x, ret);
}

SEC("kprobe/xfrm_state_add")
int BPF_KPROBE(ikw_sa_add_k, struct xfrm_state *x)
{
	call_enter(CALL_ADD, x, 0);
	return 0;
}

SEC("kretprobe/xfrm_state_add")
int BPF_KRETPROBE(ikw_sa_add_kx, int ret)
{
	struct call was;

	return call_exit(CALL_ADD, &was) ? add_done((const void *)was.object, ret) : 0;
}

/*
 * xfrm_state_update(x): makes a larval SA full (insert, then delete of the
 * larval one) or changes a full one in place. In the caller's process.
 */
SEC("fentry/xfrm_state_update")
int BPF_PROG(ikw_sa_update_f, struct xfrm_state *x)
{
	call_enter(CALL_UPDATE, x, 0);
	return 0;
}

SEC("fexit/xfrm_state_update")
int BPF_PROG(ikw_sa_update_fx, struct xfrm_state *x, int ret)
{
	struct call was;

	return call_exit(CALL_UPDATE, &was) ? update_done(&was, ret) : 0;
}

SEC("kprobe/xfrm_state_update")
int BPF_KPROBE(ikw_sa_update_k, struct xfrm_state *x)
{
	call_enter(CALL_UPDATE, x, 0);
	return 0;
}

SEC("kretprobe/xfrm_state_update")
int BPF_KRETPROBE(ikw_sa_update_kx, int ret)
{
	struct call was;

	return call_exit(CALL_UPDATE, &was) ? update_done(&was, ret) : 0;
}

/*
 * xfrm_state_flush(net, proto, task_valid): one call, then a delete per SA. In
 * the process that asked; task_valid is false when the namespace is torn down
 * by a worker.
 */
SEC("fentry/xfrm_state_flush")
int BPF_PROG(ikw_sa_flush_f, struct net *net, __u64 proto, __u64 task_valid)
{
	return state_flush_enter(net, proto, task_valid & 1);
}

SEC("fexit/xfrm_state_flush")
int BPF_PROG(ikw_sa_flush_fx)
{
	return call_end(CALL_FLUSH);
}

SEC("kprobe/xfrm_state_flush")
int BPF_KPROBE(ikw_sa_flush_k, struct net *net, __u64 proto, __u64 task_valid)
{
	return state_flush_enter(net, proto, task_valid & 1);
}

SEC("kretprobe/xfrm_state_flush")
int BPF_KRETPROBE(ikw_sa_flush_kx)
{
	return call_end(CALL_FLUSH);
}

/*
 * xfrm_dev_state_flush(net, dev, task_valid): an offloading device goes down or
 * away and takes its SAs along. CONFIG_XFRM_OFFLOAD only.
 */
SEC("fentry/xfrm_dev_state_flush")
int BPF_PROG(ikw_sa_device_f, struct net *net)
{
	call_enter(CALL_DEVICE, net, 0);
	return 0;
}

SEC("fexit/xfrm_dev_state_flush")
int BPF_PROG(ikw_sa_device_fx)
{
	return call_end(CALL_DEVICE);
}

SEC("kprobe/xfrm_dev_state_flush")
int BPF_KPROBE(ikw_sa_device_k, struct net *net)
{
	call_enter(CALL_DEVICE, net, 0);
	return 0;
}

SEC("kretprobe/xfrm_dev_state_flush")
int BPF_KRETPROBE(ikw_sa_device_kx)
{
	return call_end(CALL_DEVICE);
}

/*
 * xfrm_timer_handler(mtimer): the hrtimer softirq of one SA; soft and hard
 * limits, larval SAs whose time is over. (km_state_expired is inlined into it.)
 */
SEC("fentry/xfrm_timer_handler")
int BPF_PROG(ikw_sa_timer_f, struct hrtimer *mtimer)
{
	return timer_enter(mtimer);
}

SEC("fexit/xfrm_timer_handler")
int BPF_PROG(ikw_sa_timer_fx)
{
	return timer_exit();
}

SEC("kprobe/xfrm_timer_handler")
int BPF_KPROBE(ikw_sa_timer_k, struct hrtimer *mtimer)
{
	return timer_enter(mtimer);
}

SEC("kretprobe/xfrm_timer_handler")
int BPF_KRETPROBE(ikw_sa_timer_kx)
{
	return timer_exit();
}

/*
 * xfrm_alloc_spi(x, low, high): ALLOCSPI; the larval SA exists already and gets
 * its SPI here. In the caller's process. low is what was asked for when it
 * equals high. A fexit program finds the result behind the last argument, and
 * newer kernels pass an extack: user space loads the one that fits.
 */
SEC("fentry/xfrm_alloc_spi")
int BPF_PROG(ikw_sa_spi_f, struct xfrm_state *x, __u32 low, __u32 high)
{
	call_enter(CALL_SPI, x, low == high ? low : 0);
	return 0;
}

SEC("fexit/xfrm_alloc_spi")
int BPF_PROG(ikw_sa_spi_fx, struct xfrm_state *x, __u32 low, __u32 high, int ret)
{
	struct call was;

	return call_exit(CALL_SPI, &was) ? spi_done(&was, ret) : 0;
}

SEC("fexit/xfrm_alloc_spi")
int BPF_PROG(ikw_sa_spi4_fx, struct xfrm_state *x, __u32 low, __u32 high, void *extack, int ret)
{
	struct call was;

	return call_exit(CALL_SPI, &was) ? spi_done(&was, ret) : 0;
}

SEC("kprobe/xfrm_alloc_spi")
int BPF_KPROBE(ikw_sa_spi_k, struct xfrm_state *x, __u32 low, __u32 high)
{
	call_enter(CALL_SPI, x, low == high ? low : 0);
	return 0;
}

SEC("kretprobe/xfrm_alloc_spi")
int BPF_KRETPROBE(ikw_sa_spi_kx, int ret)
{
	struct call was;

	return call_exit(CALL_SPI, &was) ? spi_done(&was, ret) : 0;
}

/*
 * xfrm_policy_insert(dir, policy, excl): a policy comes, perhaps in the place of
 * another, which is killed first. The index is given in here, hence the exit.
 */
SEC("fexit/xfrm_policy_insert")
int BPF_PROG(ikw_policy_insert_fx, int dir, struct xfrm_policy *policy, int excl, int ret)
{
	return ret ? 0 : policy_emit(policy, IKW_POLICY_INSERT, 0);
}

SEC("kprobe/xfrm_policy_insert")
int BPF_KPROBE(ikw_policy_insert_k, int dir, struct xfrm_policy *policy)
{
	call_enter(CALL_POLICY, policy, 0);
	return 0;
}

SEC("kretprobe/xfrm_policy_insert")
int BPF_KRETPROBE(ikw_policy_insert_kx, int ret)
{
	struct call was;

	if (!call_exit(CALL_POLICY, &was) || ret)
		return 0;
	return policy_emit((const void *)was.object, IKW_POLICY_INSERT, 0);
}

/*
 * xfrm_policy_kill(policy): every end of a policy passes here: deleted, flushed,
 * replaced, its socket closed. (xfrm_policy_delete is not called for netlink.)
 */
SEC("fentry/xfrm_policy_kill")
int BPF_PROG(ikw_policy_kill_f, struct xfrm_policy *policy)
{
	return policy_emit(policy, IKW_POLICY_KILL, 0);
}

SEC("kprobe/xfrm_policy_kill")
int BPF_KPROBE(ikw_policy_kill_k, struct xfrm_policy *policy)
{
	return policy_emit(policy, IKW_POLICY_KILL, 0);
}

/* xfrm_policy_flush(net, type, task_valid): one call, then a kill per policy. */
SEC("fentry/xfrm_policy_flush")
int BPF_PROG(ikw_policy_flush_f, struct net *net, __u64 type, __u64 task_valid)
{
	return flush_emit(net, IKW_FLUSH_POLICY, 0, task_valid & 1);
}

SEC("kprobe/xfrm_policy_flush")
int BPF_KPROBE(ikw_policy_flush_k, struct net *net, __u64 type, __u64 task_valid)
{
	return flush_emit(net, IKW_FLUSH_POLICY, 0, task_valid & 1);
}

/*
 * xfrm_get_sa(skb, nlh, attrs), of xfrm_user: XFRM_MSG_GETSA, in the process
 * that asks. A module has no BTF of its own in 5.10, hence no fentry; a message
 * now and then costs nothing either way.
 */
SEC("kprobe/xfrm_get_sa")
int BPF_KPROBE(ikw_sa_asked_k, void *skb, const void *nlh, void *const *attrs)
{
	return sa_asked(nlh, attrs);
}

/*
 * xfrm_policy_bysel_ctx(..., delete, err): GETPOLICY and DELPOLICY both find
 * their policy here. Too many arguments for fentry before 6.12.
 */
SEC("kretprobe/xfrm_policy_bysel_ctx")
int BPF_KRETPROBE(ikw_policy_asked_kx, struct xfrm_policy *policy)
{
	return policy_asked(policy);
}
