// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "clsact.h"
#include <errno.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "links.h"
#include "tcfilter.h"

#define TC_HANDLE   0x696b77 /* "ikw": ours among the filters of a clsact */
#define TC_PRIORITY 10	     /* where there is no other filter */

/*
 * libbpf refuses options with anything but zeros behind their last member, the
 * padding included: LIBBPF_OPTS clears it, an initialiser does not.
 */
#define TC_HOOK(name, index, where)                                                                \
	LIBBPF_OPTS(bpf_tc_hook, name, .ifindex = (int)(index), .attach_point = (where))

/*
 * Before all others on that side: one of them that drops or decides would keep
 * a packet from us, while we never keep one from them. Returns 0 when the
 * others begin at 1 already; the kernel then finds us a place behind.
 */
static uint16_t tc_place(uint32_t ifindex, enum bpf_tc_attach_point point)
{
	struct ikw_tcfilters list;

	if (ikw_tcfilters_list(ifindex, point == BPF_TC_EGRESS, TC_HANDLE, &list) || !list.first)
		return TC_PRIORITY;
	return list.first > TC_PRIORITY ? TC_PRIORITY : (uint16_t)(list.first - 1);
}

static void tc_detach(uint32_t ifindex, enum bpf_tc_attach_point point, uint16_t prio)
{
	TC_HOOK(tc, ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts);

	opts.handle = TC_HANDLE;
	opts.priority = prio;
	bpf_tc_detach(&tc, &opts);
}

/* What an agent that was killed has left there. */
static void tc_sweep(uint32_t ifindex, enum bpf_tc_attach_point point)
{
	struct ikw_tcfilters list;

	for (int i = 0; i < 8; i++) {
		if (ikw_tcfilters_list(ifindex, point == BPF_TC_EGRESS, TC_HANDLE, &list) ||
		    !list.ours)
			return;
		tc_detach(ifindex, point, list.our_prio);
	}
}

/*
 * The filter that an earlier agent left goes on: as it is when its program is
 * ours, else with ours put in its place in one step. False: there is none.
 */
static bool tc_take_over(uint32_t ifindex, enum bpf_tc_attach_point point, int prog_fd,
			 uint16_t *prio)
{
	TC_HOOK(tc, ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, query);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE);
	struct ikw_tcfilters list;

	if (ikw_tcfilters_list(ifindex, point == BPF_TC_EGRESS, TC_HANDLE, &list) || list.ours != 1)
		return false;
	query.handle = opts.handle = TC_HANDLE;
	query.priority = opts.priority = list.our_prio;
	*prio = list.our_prio;
	if (!bpf_tc_query(&tc, &query) && query.prog_id == ikw_program_id(prog_fd))
		return true;
	return !bpf_tc_attach(&tc, &opts);
}

/* *prio: the filter's priority. */
static int tc_attach(struct ikw_clsact *at, enum bpf_tc_attach_point point, int prog_fd,
		     uint16_t *prio)
{
	TC_HOOK(tc, at->ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd);
	int err = bpf_tc_hook_create(&tc);

	if (!err)
		at->own_qdisc = true;
	else if (err != -EEXIST)
		return err;
	else if (tc_take_over(at->ifindex, point, prog_fd, prio))
		return 0;
	tc_sweep(at->ifindex, point);
	opts.handle = TC_HANDLE;
	opts.priority = tc_place(at->ifindex, point);
	at->behind = at->behind || !opts.priority;
	err = bpf_tc_attach(&tc, &opts);
	*prio = err ? 0 : (uint16_t)opts.priority;
	return err;
}

/* The clsact goes only if it was ours and nobody else uses it by now. */
static bool tc_unused(uint32_t ifindex)
{
	struct ikw_tcfilters in, out;

	return !ikw_tcfilters_list(ifindex, false, TC_HANDLE, &in) &&
	       !ikw_tcfilters_list(ifindex, true, TC_HANDLE, &out) && !in.count && !out.count &&
	       !in.ours && !out.ours;
}

static void qdisc_drop(uint32_t ifindex)
{
	TC_HOOK(all, ifindex, (enum bpf_tc_attach_point)(BPF_TC_INGRESS | BPF_TC_EGRESS));

	if (tc_unused(ifindex))
		bpf_tc_hook_destroy(&all);
}

int ikw_clsact_attach(struct ikw_clsact *at, bool egress, int prog_fd)
{
	return egress ? tc_attach(at, BPF_TC_EGRESS, prog_fd, &at->out)
		      : tc_attach(at, BPF_TC_INGRESS, prog_fd, &at->in);
}

static bool tc_there(uint32_t ifindex, bool egress)
{
	struct ikw_tcfilters list;

	/* nobody took what cannot be looked for */
	return ikw_tcfilters_list(ifindex, egress, TC_HANDLE, &list) || list.ours;
}

bool ikw_clsact_whole(const struct ikw_clsact *at)
{
	return (!at->in || tc_there(at->ifindex, false)) &&
	       (!at->out || tc_there(at->ifindex, true));
}

void ikw_clsact_detach(struct ikw_clsact *at)
{
	if (at->in)
		tc_detach(at->ifindex, BPF_TC_INGRESS, at->in);
	if (at->out)
		tc_detach(at->ifindex, BPF_TC_EGRESS, at->out);
	if (at->own_qdisc)
		qdisc_drop(at->ifindex);
}

void ikw_clsact_sweep(struct ikw_clsact *at)
{
	if (!at->in)
		tc_sweep(at->ifindex, BPF_TC_INGRESS);
	if (!at->out)
		tc_sweep(at->ifindex, BPF_TC_EGRESS);
	if (at->in || at->out)
		return;
	if (at->own_qdisc)
		qdisc_drop(at->ifindex);
	at->own_qdisc = at->behind = false;
}
