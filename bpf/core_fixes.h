/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernel differences between 5.10 and 7.x, each in one helper with its reason.
 * A type named x___y is the kernel's x as some kernels have it (the part after
 * the underscores is ignored when members are looked up).
 */
#ifndef IKEWATCH_CORE_FIXES_H
#define IKEWATCH_CORE_FIXES_H

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* a4a87fa4e96c ("xfrm: Add Direction to the SA in or out"), 6.10 */
struct xfrm_state___dir {
	__u8 dir;
};

/* CONFIG_AUDIT only */
struct task_struct___audit {
	kuid_t loginuid;
};

/* Before 8cd54c1c8480 ("iov_iter: separate direction from flavour"), 5.14: kind and direction in
 * one */
struct iov_iter___type {
	unsigned int type;
};

/* 8cd54c1c8480, 5.14 */
struct iov_iter___iter_type {
	__u8 iter_type;
};

/* Before de4f5fed3f23 ("iov_iter: add iter_iovec() helper"), 6.4 */
struct iov_iter___iov {
	const struct iovec *iov;
};

/* de4f5fed3f23, 6.4: the same under another name */
struct iov_iter___named {
	const struct iovec *__iov;
};

/* fcb14cb1bdac ("new iov_iter flavour - ITER_UBUF"), 6.0: one range, without an iovec */
struct iov_iter___ubuf {
	void *ubuf;
};

#pragma clang attribute pop

/* Their numbers were shuffled in 5.14, 6.0 and 6.4: never compare with these, only through CO-RE.
 */
enum iter_type___any {
	ITER_IOVEC___any = 1,
	ITER_UBUF___any = 2,
};

/* enum ikw_dir if the kernel keeps it (XFRM_SA_DIR_IN 1, _OUT 2), else 0. */
static __always_inline __u8 ikw_core_sa_dir(const struct xfrm_state *x)
{
	const struct xfrm_state___dir *with = (const void *)x;

	if (!bpf_core_field_exists(with->dir))
		return 0;
	return BPF_CORE_READ(with, dir);
}

/* ~0 (AUDIT_UID_UNSET) where no login is recorded or the kernel does not record logins. */
static __always_inline __u32 ikw_core_loginuid(const struct task_struct *task)
{
	const struct task_struct___audit *with = (const void *)task;

	if (!bpf_core_field_exists(with->loginuid))
		return ~0u;
	return BPF_CORE_READ(with, loginuid.val);
}

static __always_inline const struct iovec *ikw_core_iovec(const struct iov_iter *iter)
{
	const struct iov_iter___named *named = (const void *)iter;
	const struct iov_iter___iov *old = (const void *)iter;

	if (bpf_core_field_exists(named->__iov))
		return BPF_CORE_READ(named, __iov);
	return BPF_CORE_READ(old, iov);
}

static __always_inline bool ikw_core_iter_is_ubuf(const struct iov_iter *iter)
{
	const struct iov_iter___iter_type *with = (const void *)iter;

	if (!bpf_core_enum_value_exists(enum iter_type___any, ITER_UBUF___any))
		return false;
	return BPF_CORE_READ(with, iter_type) ==
	       bpf_core_enum_value(enum iter_type___any, ITER_UBUF___any);
}

static __always_inline bool ikw_core_iter_is_iovec(const struct iov_iter *iter)
{
	const struct iov_iter___iter_type *with = (const void *)iter;
	const struct iov_iter___type *old = (const void *)iter;
	__u32 iovec = bpf_core_enum_value(enum iter_type___any, ITER_IOVEC___any);

	if (bpf_core_field_exists(with->iter_type))
		return BPF_CORE_READ(with, iter_type) == iovec;
	return BPF_CORE_READ(old, type) & iovec;
}

/* First range of user memory that an iterator goes over; NULL: not user memory. */
static __always_inline const void *ikw_core_iter_user(const struct iov_iter *iter, __u64 *len)
{
	const struct iov_iter___ubuf *with = (const void *)iter;
	__u64 skip = BPF_CORE_READ(iter, iov_offset);
	const struct iovec *iovec;
	const char *base;

	if (ikw_core_iter_is_ubuf(iter))
		return (const char *)BPF_CORE_READ(with, ubuf) + skip;
	if (!ikw_core_iter_is_iovec(iter))
		return (void *)0;
	iovec = ikw_core_iovec(iter);
	base = BPF_CORE_READ(iovec, iov_base);
	if (*len > BPF_CORE_READ(iovec, iov_len) - skip)
		*len = BPF_CORE_READ(iovec, iov_len) - skip;
	return base + skip;
}

#endif /* IKEWATCH_CORE_FIXES_H */
