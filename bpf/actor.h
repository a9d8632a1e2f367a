/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is acting: the current process, described once before it is first named.
 * For BPF programs that run in the context of the process they speak of.
 */
#ifndef IKEWATCH_ACTOR_H
#define IKEWATCH_ACTOR_H

#include "bpf/core_fixes.h"
#include "bpf/maps.h"
#include "bpf/probes.h"

#define PF_EXITING 0x00000004 /* <linux/sched.h> */
#define PF_KTHREAD 0x00200000

/* Components of a path and mount points crossed, from the file upwards; a longer one loses its
 * head. */
#define EXE_STEPS 16

static __always_inline __u32 net_inode(struct net *net)
{
	return net ? BPF_CORE_READ(net, ns.inum) : 0;
}

static __always_inline bool netns_watched(__u32 netns)
{
	__u32 zero = 0;
	struct ikw_watched *watch = bpf_map_lookup_elem(&ikw_watched, &zero);

	return ikw_speaks(watch) && (!watch->netns || watch->netns == netns);
}

/* Do these programs speak? (The netns does not matter to those of the host.) */
static __always_inline bool speaks(void)
{
	__u32 zero = 0;

	return ikw_speaks(bpf_map_lookup_elem(&ikw_watched, &zero));
}

static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

/* A kernel thread asks for nothing by itself: it is nobody. */
static __always_inline bool task_is_kthread(const struct task_struct *task)
{
	return BPF_CORE_READ(task, flags) & PF_KTHREAD;
}

/* value, kept below a power of two where the compiler would know better than the verifier. */
static __always_inline __u64 below(__u64 value, __u64 power)
{
	barrier_var(value);
	return value & (power - 1);
}

/*
 * Copies a number in a way that the verifier forgets what it knew of it. States
 * that differ only in such numbers are one to it; without this, the walk below
 * costs every program that contains it 60,000 verified instructions instead of
 * a few thousand.
 */
static __always_inline void forget(__u64 *to, __u64 value)
{
	bpf_probe_read_kernel(to, sizeof(*to), &value);
}

/* The dentries from the executable up to the root; 0 where a mount point was crossed, and above it.
 */
static __always_inline void exe_walk(const struct file *file, __u64 *part)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct vfsmount *vfs = BPF_CORE_READ(file, f_path.mnt);
	struct mount *mnt = (void *)vfs - bpf_core_field_offset(struct mount, mnt);

	for (int i = 0; i < EXE_STEPS; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		struct mount *up = BPF_CORE_READ(mnt, mnt_parent);
		__u64 value = 0;

		if (dentry != BPF_CORE_READ(mnt, mnt.mnt_root) && dentry != parent) {
			value = (__u64)dentry;
			dentry = parent;
		} else if (up && up != mnt) {
			dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
			mnt = up;
		}
		forget(&part[i], value);
	}
}

/*
 * The executable's path as its mount namespace's root sees it. Each name may
 * run over into args, which is filled afterwards.
 */
static __always_inline void fill_exe(struct ikw_proc *proc, const struct file *file)
{
	__u64 part[EXE_STEPS], at;

	exe_walk(file, part);
	forget(&at, 0);
	for (int i = EXE_STEPS - 1; i >= 0; i--) {
		const struct dentry *dentry = (const void *)part[i];
		long len;

		if (!dentry)
			continue;
		if (at > IKW_EXE_LEN - 2)
			break;
		proc->exe[below(at++, IKW_EXE_LEN)] = '/';
		len = bpf_probe_read_kernel_str(&proc->exe[below(at, IKW_EXE_LEN)], IKW_EXE_LEN,
						BPF_CORE_READ(dentry, d_name.name));
		if (len < 1 || len > IKW_EXE_LEN)
			break;
		forget(&at, at + len - 1);
	}
	proc->exe[IKW_EXE_LEN - 1] = 0;
	__builtin_memset(proc->args, 0, sizeof(proc->args));
}

static __always_inline void fill_args(struct ikw_proc *proc, const struct mm_struct *mm)
{
	unsigned long start = BPF_CORE_READ(mm, arg_start);
	__u64 len = BPF_CORE_READ(mm, arg_end) - start;

	if (len > IKW_ARGS_LEN)
		len = IKW_ARGS_LEN;
	/* not a fault handler's place: pages that are not in memory stay unread */
	if (len && !bpf_probe_read_user(proc->args, len, (const void *)start))
		proc->args_len = len;
}

static __always_inline void fill_parents(struct ikw_proc *proc, const struct task_struct *task)
{
	for (int i = 0; i < IKW_PARENTS; i++) {
		struct ikw_parent *parent = &proc->parents[i];

		task = BPF_CORE_READ(task, real_parent, group_leader);
		parent->tgid = BPF_CORE_READ(task, tgid);
		if (!parent->tgid)
			return;
		BPF_CORE_READ_STR_INTO(&parent->comm, task, comm);
		proc->parent_count = i + 1;
	}
}

static __always_inline void fill_identity(struct ikw_proc *proc, const struct task_struct *leader)
{
	proc->start = BPF_CORE_READ(leader, start_boottime);
	proc->tgid = BPF_CORE_READ(leader, tgid);
	BPF_CORE_READ_STR_INTO(&proc->comm, leader, comm);
}

/*
 * Everything about the current process. exe and args stay empty while it has
 * no memory of its own any more (in exit).
 */
static __always_inline void fill_proc(struct ikw_proc *proc, __u8 op)
{
	struct task_struct *leader = BPF_CORE_READ(current_task(), group_leader);
	struct tty_struct *tty = BPF_CORE_READ(leader, signal, tty);
	struct mm_struct *mm = BPF_CORE_READ(current_task(), mm);

	fill_identity(proc, leader);
	proc->op = op;
	proc->uid = bpf_get_current_uid_gid();
	proc->loginuid = ikw_core_loginuid(leader);
	if (tty)
		bpf_probe_read_kernel_str(proc->tty, sizeof(proc->tty), tty->name);
	if (mm) {
		fill_exe(proc, BPF_CORE_READ(mm, exe_file));
		fill_args(proc, mm);
	}
	fill_parents(proc, leader);
}

static __noinline int proc_emit(__u8 op)
{
	struct ikw_proc *proc = ikw_emit_begin(IKW_EV_PROC, sizeof(*proc), 0);

	if (!proc)
		return 0;
	fill_proc(proc, op);
	proc->hdr.netns = net_inode(BPF_CORE_READ(current_task(), nsproxy, net_ns));
	ikw_emit_end(&proc->hdr);
	return 1;
}

/* Before a record that names the current process: its description, once. */
static __noinline int actor_describe(void)
{
	struct task_struct *task = current_task();
	struct ikw_seen key = {};
	__u64 now;

	if (task_is_kthread(task))
		return 0;
	task = BPF_CORE_READ(task, group_leader);
	key.tgid = BPF_CORE_READ(task, tgid);
	key.start = BPF_CORE_READ(task, start_boottime);
	key.execs = BPF_CORE_READ(task, self_exec_id);
	if (bpf_map_lookup_elem(&ikw_seen, &key))
		return 0;
	/* when the ring is full it is not remembered, and told the next time */
	if (!proc_emit(IKW_PROC_SEEN))
		return 0;
	now = bpf_ktime_get_boot_ns();
	bpf_map_update_elem(&ikw_seen, &key, &now, BPF_ANY);
	return 1;
}

static __always_inline void fill_actor(struct ikw_actor *by)
{
	__u64 id = bpf_get_current_pid_tgid();

	if (task_is_kthread(current_task()))
		return;
	by->tgid = id >> 32;
	by->tid = id;
	by->uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(by->comm, sizeof(by->comm));
}

#endif /* IKEWATCH_ACTOR_H */
