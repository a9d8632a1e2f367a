/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "probes.h"
#include "bpf/ikewatch_event.h"

/* The programs of one function are named alike: NAME_f, _fx, _k, _kx. */
#define ENTRY(n) .fentry = n "_f", .kprobe = n "_k"
#define EXIT(n)	 .fexit = n "_fx", .kprobe = n "_k", .kretprobe = n "_kx"
#define BOTH(n)	 .fentry = n "_f", .fexit = n "_fx", .kprobe = n "_k", .kretprobe = n "_kx"

const struct ikw_probe ikw_probe_table[] = {
	{ .name = "xfrm_timer_handler", .args = 1, BOTH("ikw_sa_timer"), .sees = IKW_SEES_CAUSE },
	{ .name = "xfrm_state_flush", .args = 3, BOTH("ikw_sa_flush"), .sees = IKW_SEES_CAUSE },
	/* only in kernels that offload IPsec; there is nothing to see in the others */
	{ .name = "xfrm_dev_state_flush", .args = 3, BOTH("ikw_sa_device"), .sees = 0 },
	/* without it the larval SA that an update replaces seems to be given up */
	{ .name = "xfrm_state_update",
	  .args = 1,
	  BOTH("ikw_sa_update"),
	  .sees = IKW_SEES_LARVAL | IKW_SEES_FAILED },
	{ .name = "xfrm_state_add", .args = 1, EXIT("ikw_sa_add"), .sees = IKW_SEES_FAILED },
	{ .name = "xfrm_alloc_spi",
	  .args = 3,
	  BOTH("ikw_sa_spi"),
	  .fexit_more = "ikw_sa_spi4_fx",
	  .sees = IKW_SEES_LARVAL | IKW_SEES_FAILED },
	{ .name = "__xfrm_state_insert",
	  .args = 1,
	  ENTRY("ikw_sa_insert"),
	  .required = true,
	  .sees = IKW_SEES_SA | IKW_SEES_ACTOR },
	{ .name = "__xfrm_state_delete",
	  .args = 1,
	  ENTRY("ikw_sa_delete"),
	  .required = true,
	  .sees = IKW_SEES_SA | IKW_SEES_ACTOR | IKW_SEES_CAUSE | IKW_SEES_LARVAL },
	{ .name = "xfrm_policy_insert",
	  .args = 3,
	  EXIT("ikw_policy_insert"),
	  .sees = IKW_SEES_POLICY },
	{ .name = "xfrm_policy_flush",
	  .args = 3,
	  ENTRY("ikw_policy_flush"),
	  .sees = IKW_SEES_POLICY },
	{ .name = "xfrm_policy_kill",
	  .args = 1,
	  ENTRY("ikw_policy_kill"),
	  .sees = IKW_SEES_POLICY },
	/* these two are no part of the tier: they have one form only */
	{ .name = "xfrm_get_sa", .kprobe = "ikw_sa_asked_k", .sees = IKW_SEES_ASKED },
	{ .name = "xfrm_policy_bysel_ctx",
	  .kretprobe = "ikw_policy_asked_kx",
	  .sees = IKW_SEES_ASKED },
	{ .name = "unix_stream_connect",
	  .args = 4,
	  EXIT("ikw_connect"),
	  .part = IKW_PART_HOST,
	  .sees = IKW_SEES_CONTROL },
	{ .name = "unix_stream_sendmsg",
	  .args = 3,
	  ENTRY("ikw_send"),
	  .part = IKW_PART_HOST,
	  .sees = IKW_SEES_REQUEST },
	/* without them a script's failing probes are not told from a script that has none */
	{ .name = "inet_create", .args = 4, ENTRY("ikw_prober4"), .part = IKW_PART_HOST },
	{ .name = "inet6_create", .args = 4, ENTRY("ikw_prober6"), .part = IKW_PART_HOST },
	{ .name = "signal_generate",
	  .tracepoint = "ikw_signal_tp",
	  .part = IKW_PART_HOST,
	  .sees = IKW_SEES_SIGNAL },
	{ .name = "sched_process_exec", .tracepoint = "ikw_exec_tp", .part = IKW_PART_HOST },
	{ .name = "sched_process_exit",
	  .tracepoint = "ikw_exit_tp",
	  .part = IKW_PART_HOST,
	  .sees = IKW_SEES_EXIT },
};

const size_t ikw_probe_count = sizeof(ikw_probe_table) / sizeof(ikw_probe_table[0]);

const char *ikw_how_text(enum ikw_how how)
{
	static const char *const text[IKW_HOWS] = { "off", "fentry", "kprobe", "tracepoint" };

	return how < IKW_HOWS ? text[how] : text[0];
}
