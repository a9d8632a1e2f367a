/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The slice of the kernel's own types that the probes read, and nothing else.
 *
 * Members are found by name at load time (CO-RE), so their order, offsets and
 * neighbours here mean nothing. `make vmlinux-check` compares every member with
 * a kernel's BTF. What only some kernels have is in bpf/core_fixes.h.
 *
 * UAPI types come from <linux/...>; those that would drag in half of libc's
 * headers (xfrm, un) are repeated here.
 */
#ifndef IKEWATCH_VMLINUX_H
#define IKEWATCH_VMLINUX_H

#include <linux/types.h>

typedef _Bool bool;
enum { false = 0, true = 1 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* ---- network namespaces ---- */

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	int ifindex;
};

/* ---- xfrm: <net/xfrm.h>, <linux/xfrm.h> ---- */

typedef union {
	__be32 a4;
	__be32 a6[4];
} xfrm_address_t;

struct xfrm_id {
	xfrm_address_t daddr;
	__be32 spi;
	__u8 proto;
};

struct xfrm_mark {
	__u32 v;
	__u32 m;
};

struct xfrm_selector {
	xfrm_address_t daddr;
	xfrm_address_t saddr;
	__be16 dport;
	__be16 dport_mask;
	__be16 sport;
	__be16 sport_mask;
	__u16 family;
	__u8 prefixlen_d;
	__u8 prefixlen_s;
	__u8 proto;
	int ifindex;
};

struct xfrm_lifetime_cfg {
	__u64 hard_byte_limit;
	__u64 hard_packet_limit;
	__u64 soft_add_expires_seconds;
	__u64 hard_add_expires_seconds;
	__u64 hard_use_expires_seconds;
};

struct xfrm_lifetime_cur {
	__u64 bytes;
	__u64 packets;
	__u64 add_time;
	__u64 use_time;
};

struct xfrm_encap_tmpl {
	__u16 encap_type;
	__be16 encap_sport;
	__be16 encap_dport;
};

struct xfrm_dev_offload {
	struct net_device *dev;
};

struct xfrm_state_walk {
	__u8 state;
	__u8 dying;
};

struct hrtimer {
	void *base; /* not read: only where the timer lies in its SA matters */
};

struct xfrm_state {
	possible_net_t xs_net;
	struct xfrm_id id;
	struct xfrm_selector sel;
	struct xfrm_mark mark;
	__u32 if_id;
	struct xfrm_state_walk km;
	struct {
		__u32 reqid;
		__u8 mode;
		__u16 family;
		xfrm_address_t saddr;
	} props;
	struct xfrm_lifetime_cfg lft;
	struct xfrm_encap_tmpl *encap;
	struct xfrm_lifetime_cur curlft;
	struct hrtimer mtimer;
	struct xfrm_dev_offload xso;
	long long lastused;
};

struct xfrm_tmpl {
	struct xfrm_id id;
	xfrm_address_t saddr;
	unsigned short encap_family;
	__u32 reqid;
	__u8 mode;
};

struct xfrm_policy_walk_entry {
	__u8 dead;
};

struct xfrm_policy {
	possible_net_t xp_net;
	struct xfrm_policy_walk_entry walk;
	__u32 priority;
	__u32 index;
	__u32 if_id;
	struct xfrm_mark mark;
	struct xfrm_selector selector;
	__u8 action;
	__u8 xfrm_nr;
	__u16 family;
	struct xfrm_tmpl xfrm_vec[6];
};

/* ---- files ---- */

struct qstr {
	const unsigned char *name;
};

typedef struct {
	__u32 val;
} kuid_t;

struct super_block {
	unsigned long s_magic;
};

struct inode {
	unsigned short i_mode;
	kuid_t i_uid;
	struct super_block *i_sb;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
};

/* ---- processes ---- */

typedef struct {
	int counter;
} atomic_t;

struct upid {
	int nr;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct pid {
	struct hlist_head tasks[4];
	struct upid numbers[1];
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	struct file *exe_file;
};

struct tty_struct {
	char name[64];
};

struct signal_struct {
	atomic_t live;
	struct tty_struct *tty;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	unsigned int flags;
	int exit_code;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	__u64 start_boottime;
	char comm[16];
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	__u64 self_exec_id;
	struct mm_struct *mm;
};

/* ---- unix sockets ---- */

struct sock_common {
	possible_net_t skc_net;
};

struct sock {
	struct sock_common __sk_common;
	struct pid *sk_peer_pid;
};

struct socket {
	struct sock *sk;
};

struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[108];
};

struct unix_address {
	int len;
	struct sockaddr_un name[1];
};

struct unix_sock {
	struct sock sk;
	struct unix_address *addr;
	struct path path;
	struct sock *peer;
};

struct iovec {
	void *iov_base;
	unsigned long iov_len;
};

struct iov_iter {
	unsigned long iov_offset;
};

struct msghdr {
	struct iov_iter msg_iter;
};

#pragma clang attribute pop

#endif /* IKEWATCH_VMLINUX_H */
