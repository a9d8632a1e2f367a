/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where each member of each record is and how it reads. A new member of
 * bpf/ikewatch_event.h is one row here; the order is that of the JSON.
 */
#include <stdbool.h>
#include "event_fields.h"

/* clang-format off */
/* ---- names ------------------------------------------------------------ */

#define END { 0, NULL }

static const struct name hdr_flags[] = {
	{ IKW_F_NETLINK, "netlink" },
	{ IKW_F_LATE, "late" },
	{ IKW_F_MORE, "more" },
	{ IKW_F_NO_PROC, "no_proc" },
	END
};
static const struct name dirs[] = {
	{ IKW_DIR_UNKNOWN, "unknown" },
	{ IKW_DIR_IN, "in" },
	{ IKW_DIR_OUT, "out" },
	{ IKW_DIR_FWD, "fwd" },
	END
};
static const struct name ike_flags2[] = {
	{ IKW_IKE_NATT, "natt" },
	{ IKW_IKE_FRAGMENT, "fragment" },
	{ IKW_IKE_SHORT, "short" },
	{ IKW_IKE_CHOICE, "choice" },
	{ IKW_IKE_NOTIFY, "notify" },
	{ IKW_IKE_HAS_SA, "sa" },
	{ IKW_IKE_FORWARDED, "forwarded" },
	END
};
/* RFC 7296 3.1, RFC 2408 3.1, RFC 2409; the numbers of v1 and v2 do not overlap. */
static const struct name exchanges[] = {
	{ 2, "MAIN" },
	{ 4, "AGGRESSIVE" },
	{ 5, "INFO" },
	{ 32, "QUICK" },
	{ 34, "IKE_SA_INIT" },
	{ 35, "IKE_AUTH" },
	{ 36, "CREATE_CHILD_SA" },
	{ 37, "INFORMATIONAL" },
	{ 38, "IKE_SESSION_RESUME" },
	{ 43, "IKE_INTERMEDIATE" },
	{ 44, "IKE_FOLLOWUP_KE" },
	END
};
static const struct name wire_kinds[] = {
	{ IKW_WIRE_RADIUS, "radius" },
	{ IKW_WIRE_BFD, "bfd" },
	{ IKW_WIRE_VRRP, "vrrp" },
	{ IKW_WIRE_DNS, "dns" },
	{ IKW_WIRE_DHCP, "dhcp" },
	{ IKW_WIRE_ECHO, "echo" },
	{ IKW_WIRE_CLUSTER, "cluster" },
	END
};
static const struct name protos[] = {
	{ 1, "icmp" },
	{ 6, "tcp" },
	{ 17, "udp" },
	{ 47, "gre" },
	{ 50, "esp" },
	{ 51, "ah" },
	{ 58, "icmpv6" },
	{ 108, "ipcomp" },
	END
};
static const struct name families[] = {
	{ 2, "inet" },
	{ 10, "inet6" },
	END
};
static const struct name sa_ops[] = {
	{ IKW_SA_LARVAL, "larval" },
	{ IKW_SA_ADD, "add" },
	{ IKW_SA_CHANGE, "change" },
	{ IKW_SA_DELETE, "delete" },
	{ IKW_SA_LARVAL_GONE, "larval_gone" },
	{ IKW_SA_FAILED, "failed" },
	{ IKW_SA_SOFT, "soft" },
	{ IKW_SA_DUMP, "dump" },
	{ IKW_SA_ASKED, "asked" },
	END
};
static const struct name sa_causes[] = {
	{ IKW_CAUSE_UNKNOWN, "unknown" },
	{ IKW_CAUSE_CALL, "call" },
	{ IKW_CAUSE_FLUSH, "flush" },
	{ IKW_CAUSE_TIMER, "timer" },
	{ IKW_CAUSE_NETNS, "netns" },
	{ IKW_CAUSE_DEVICE, "device" },
	{ IKW_CAUSE_UPDATE, "update" },
	END
};
static const struct name sa_limits[] = {
	{ IKW_LIMIT_NONE, "none" },
	{ IKW_LIMIT_TIME, "time" },
	{ IKW_LIMIT_VOLUME, "volume" },
	END
};
/* linux/xfrm.h XFRM_MODE_*, net/xfrm.h XFRM_STATE_* */
static const struct name modes[] = {
	{ 0, "transport" },
	{ 1, "tunnel" },
	{ 4, "beet" },
	END
};
static const struct name km_states[] = {
	{ 1, "acq" },
	{ 2, "valid" },
	{ 3, "error" },
	{ 4, "expired" },
	{ 5, "dead" },
	END
};
static const struct name actions[] = {
	{ 0, "allow" },
	{ 1, "block" },
	END
};
static const struct name policy_ops[] = {
	{ IKW_POLICY_INSERT, "insert" },
	{ IKW_POLICY_KILL, "kill" },
	{ IKW_POLICY_DUMP, "dump" },
	{ IKW_POLICY_ASKED, "asked" },
	END
};
static const struct name flush_whats[] = {
	{ IKW_FLUSH_SA, "sa" },
	{ IKW_FLUSH_POLICY, "policy" },
	END
};
static const struct name proc_ops[] = {
	{ IKW_PROC_SEEN, "seen" },
	{ IKW_PROC_EXEC, "exec" },
	{ IKW_PROC_EXIT, "exit" },
	{ IKW_PROC_DAEMON, "daemon" },
	{ IKW_PROC_PROBER, "prober" },
	{ IKW_PROC_PROBED, "probed" },
	{ IKW_PROC_UNHEARD, "unheard" },
	END
};
static const struct name control_ops[] = {
	{ IKW_CONTROL_CONNECT, "connect" },
	{ IKW_CONTROL_REQUEST, "request" },
	END
};
static const struct name observables[] = {
	{ IKW_SEES_IKE_IN, "ike_in" },
	{ IKW_SEES_IKE_OUT, "ike_out" },
	{ IKW_SEES_SA, "sa" },
	{ IKW_SEES_ACTOR, "actor" },
	{ IKW_SEES_CAUSE, "cause" },
	{ IKW_SEES_LARVAL, "larval" },
	{ IKW_SEES_FAILED, "failed" },
	{ IKW_SEES_POLICY, "policy" },
	{ IKW_SEES_CONTROL, "control" },
	{ IKW_SEES_SIGNAL, "signal" },
	{ IKW_SEES_EXIT, "exit" },
	{ IKW_SEES_LINK, "link" },
	{ IKW_SEES_ESP, "esp" },
	{ IKW_SEES_WIRE, "wire" },
	{ IKW_SEES_REQUEST, "request" },
	{ IKW_SEES_PORTID, "portid" },
	{ IKW_SEES_ASKED, "asked" },
	END
};
static const struct name tiers[] = {
	{ IKW_TIER_NONE, "none" },
	{ IKW_TIER_FENTRY, "fentry" },
	{ IKW_TIER_KPROBE, "kprobe" },
	{ IKW_TIER_NETLINK, "netlink" },
	END
};
static const struct name lost_wheres[] = {
	{ IKW_LOST_RING, "ring" },
	{ IKW_LOST_NETLINK, "netlink" },
	{ IKW_LOST_AGENT, "agent" },
	{ IKW_LOST_SUPPRESSED, "suppressed" },
	{ IKW_LOST_PROBE, "probe" },
	END
};
static const struct name dump_ops[] = {
	{ IKW_DUMP_BEGIN, "begin" },
	{ IKW_DUMP_END, "end" },
	END
};
static const struct name link_ops[] = {
	{ IKW_LINK_SET, "set" },
	{ IKW_LINK_GONE, "gone" },
	END
};
static const struct name addr_ops[] = {
	{ IKW_ADDR_SET, "set" },
	{ IKW_ADDR_GONE, "gone" },
	END
};
static const struct name netns_ops[] = {
	{ IKW_NETNS_NAME_GONE, "name_gone" },
	{ IKW_NETNS_NAMED, "named" },
	END
};
static const struct name ikesa_ops[] = {
	{ IKW_IKESA_KNOWN, "known" },
	{ IKW_IKESA_OWNS, "owns" },
	{ IKW_IKESA_SUCCEEDED, "succeeded" },
	END
};
static const struct name ikesa_flags[] = {
	{ IKW_IKESA_CHOICE, "choice" },
	{ IKW_IKESA_OURS, "ours" },
	{ IKW_IKESA_WHOLE, "whole" },
	{ IKW_IKESA_SPOKEN, "spoken" },
	{ IKW_IKESA_UNASKED, "unasked" },
	{ IKW_IKESA_ENDED, "ended" },
	{ IKW_IKESA_QUIET, "quiet" },
	END
};

/* ---- records ---------------------------------------------------------- */

#define SIZE_OF(s, m) sizeof(((struct s *)0)->m)
#define AT(s, m)      .offset = offsetof(struct s, m), .size = SIZE_OF(s, m)
#define COUNT(s, m)   .count_offset = offsetof(struct s, m), .count_size = SIZE_OF(s, m)
#define F(s, m, k)                                                                                 \
	{                                                                                          \
		.name = #m, AT(s, m), .kind = k                                                    \
	}
#define E(s, m, k, n)                                                                              \
	{                                                                                          \
		.name = #m, AT(s, m), .kind = k, .names = n                                        \
	}
#define SUB(s, m, l)                                                                               \
	{                                                                                          \
		.name = #m, AT(s, m), .kind = OBJECT, .sub = &l                                    \
	}
#define COUNTED(s, m, c, k)                                                                        \
	{                                                                                          \
		.name = #m, AT(s, m), COUNT(s, c), .kind = k                                       \
	}
#define LAYOUT(n, s, f)                                                                            \
	{                                                                                          \
		.name = n, .size = sizeof(struct s), .count = sizeof(f) / sizeof((f)[0]),          \
		.fields = f                                                                        \
	}

static const struct field hdr_fields[] = {
	F(ikw_hdr, time, TIME),
	F(ikw_hdr, cpu, UINT),
	F(ikw_hdr, seq, UINT),
	F(ikw_hdr, netns, UINT),
	E(ikw_hdr, flags, MASK, hdr_flags),
};
const struct layout ikw_hdr_layout = LAYOUT("header", ikw_hdr, hdr_fields);

static const struct field actor_fields[] = {
	F(ikw_actor, tgid, UINT),
	F(ikw_actor, tid, UINT),
	F(ikw_actor, uid, UINT),
	F(ikw_actor, portid, UINT),
	F(ikw_actor, comm, TEXT),
};
static const struct layout actor_layout = LAYOUT("actor", ikw_actor, actor_fields);

static const struct field selector_fields[] = {
	F(ikw_selector, saddr, ADDR),
	F(ikw_selector, prefixlen_s, UINT),
	F(ikw_selector, sport, UINT),
	F(ikw_selector, sport_mask, HEX),
	F(ikw_selector, daddr, ADDR),
	F(ikw_selector, prefixlen_d, UINT),
	F(ikw_selector, dport, UINT),
	F(ikw_selector, dport_mask, HEX),
	E(ikw_selector, proto, NAMED, protos),
	E(ikw_selector, family, NAMED, families),
	F(ikw_selector, ifindex, UINT),
};
static const struct layout selector_layout = LAYOUT("selector", ikw_selector, selector_fields);

static const struct field parent_fields[] = {
	F(ikw_parent, tgid, UINT),
	F(ikw_parent, comm, TEXT),
};
static const struct layout parent_layout = LAYOUT("parent", ikw_parent, parent_fields);

static const struct field ike_fields[] = {
	E(ikw_ike, dir, ENUM, dirs),
	F(ikw_ike, saddr, ADDR),
	F(ikw_ike, daddr, ADDR),
	F(ikw_ike, sport, UINT),
	F(ikw_ike, dport, UINT),
	F(ikw_ike, ifindex, UINT),
	F(ikw_ike, version, HEX),
	E(ikw_ike, exchange, NAMED, exchanges),
	F(ikw_ike, ike_flags, HEX),
	F(ikw_ike, message_id, UINT),
	F(ikw_ike, length, UINT),
	F(ikw_ike, spi_i, IKE_SPI),
	F(ikw_ike, spi_r, IKE_SPI),
	F(ikw_ike, next_payload, UINT),
	F(ikw_ike, digest, HEX),
	E(ikw_ike, flags2, MASK, ike_flags2),
	F(ikw_ike, notify, UINT),
	F(ikw_ike, notify_spi, SPI),
	F(ikw_ike, frag_number, UINT),
	F(ikw_ike, frag_total, UINT),
	F(ikw_ike, encr, UINT),
	F(ikw_ike, encr_keylen, UINT),
	F(ikw_ike, integ, UINT),
	F(ikw_ike, prf, UINT),
	F(ikw_ike, dh, UINT),
};

static const struct field wire_fields[] = {
	E(ikw_wire, kind, ENUM, wire_kinds),
	E(ikw_wire, dir, ENUM, dirs),
	F(ikw_wire, saddr, ADDR),
	F(ikw_wire, daddr, ADDR),
	F(ikw_wire, sport, UINT),
	F(ikw_wire, dport, UINT),
	F(ikw_wire, ifindex, UINT),
	F(ikw_wire, code, UINT),
	F(ikw_wire, id, UINT),
	F(ikw_wire, value, UINT),
	F(ikw_wire, value2, UINT),
	F(ikw_wire, addr, ADDR),
	F(ikw_wire, user, TEXT),
};

static const struct field sa_fields[] = {
	E(ikw_sa, op, ENUM, sa_ops),
	E(ikw_sa, cause, ENUM, sa_causes),
	E(ikw_sa, limit, ENUM, sa_limits),
	F(ikw_sa, saddr, ADDR),
	F(ikw_sa, daddr, ADDR),
	F(ikw_sa, spi, SPI),
	E(ikw_sa, dir, ENUM, dirs),
	E(ikw_sa, proto, NAMED, protos),
	E(ikw_sa, mode, NAMED, modes),
	E(ikw_sa, family, NAMED, families),
	F(ikw_sa, reqid, UINT),
	F(ikw_sa, mark, HEX),
	F(ikw_sa, mark_mask, HEX),
	F(ikw_sa, if_id, UINT),
	SUB(ikw_sa, sel, selector_layout),
	SUB(ikw_sa, by, actor_layout),
	F(ikw_sa, error, SINT),
	E(ikw_sa, km_state, NAMED, km_states),
	F(ikw_sa, encap_type, UINT),
	F(ikw_sa, encap_sport, UINT),
	F(ikw_sa, encap_dport, UINT),
	F(ikw_sa, bytes, UINT),
	F(ikw_sa, packets, UINT),
	F(ikw_sa, hard_bytes, UINT),
	F(ikw_sa, hard_packets, UINT),
	F(ikw_sa, hard_add_s, UINT),
	F(ikw_sa, hard_use_s, UINT),
	F(ikw_sa, soft_add_s, UINT),
	F(ikw_sa, add_wall_s, UINT),
	F(ikw_sa, use_wall_s, UINT),
	F(ikw_sa, last_wall_s, UINT),
	F(ikw_sa, offload_ifindex, UINT),
};

/* A per-socket policy's direction is the kernel's 3 or 4: NAMED, not ENUM. */
static const struct field policy_fields[] = {
	E(ikw_policy, op, ENUM, policy_ops),
	E(ikw_policy, dir, NAMED, dirs),
	F(ikw_policy, index, UINT),
	F(ikw_policy, priority, UINT),
	E(ikw_policy, action, NAMED, actions),
	SUB(ikw_policy, sel, selector_layout),
	F(ikw_policy, mark, HEX),
	F(ikw_policy, mark_mask, HEX),
	F(ikw_policy, if_id, UINT),
	F(ikw_policy, tmpl_count, UINT),
	F(ikw_policy, tmpl_saddr, ADDR),
	F(ikw_policy, tmpl_daddr, ADDR),
	F(ikw_policy, tmpl_reqid, UINT),
	F(ikw_policy, tmpl_spi, SPI),
	E(ikw_policy, tmpl_mode, NAMED, modes),
	E(ikw_policy, tmpl_proto, NAMED, protos),
	F(ikw_policy, socket, UINT),
	F(ikw_policy, exiting, UINT),
	SUB(ikw_policy, by, actor_layout),
};

static const struct field flush_fields[] = {
	E(ikw_flush, what, ENUM, flush_whats),
	F(ikw_flush, proto, UINT),
	F(ikw_flush, task_valid, UINT),
	F(ikw_flush, each_told, UINT),
	SUB(ikw_flush, by, actor_layout),
};

static const struct field proc_fields[] = {
	E(ikw_proc, op, ENUM, proc_ops),
	F(ikw_proc, tgid, UINT),
	F(ikw_proc, start, TIME),
	F(ikw_proc, uid, UINT),
	F(ikw_proc, loginuid, UINT),
	F(ikw_proc, exit_code, SINT),
	F(ikw_proc, comm, TEXT),
	F(ikw_proc, tty, TEXT),
	F(ikw_proc, exe, TEXT),
	COUNTED(ikw_proc, args, args_len, ARGS),
	{ .name = "parents", AT(ikw_proc, parents), COUNT(ikw_proc, parent_count),
	  .kind = LIST, .sub = &parent_layout },
};

static const struct field control_fields[] = {
	E(ikw_control, op, ENUM, control_ops),
	SUB(ikw_control, by, actor_layout),
	F(ikw_control, daemon_tgid, UINT),
	F(ikw_control, path, TEXT),
	COUNTED(ikw_control, request, request_len, BYTES),
};

static const struct field signal_fields[] = {
	SUB(ikw_signal, by, actor_layout),
	F(ikw_signal, daemon_tgid, UINT),
	F(ikw_signal, signo, UINT),
};

static const struct field helped_fields[] = {
	F(ikw_helped, began, TIME),
	F(ikw_helped, daemon_tgid, UINT),
	F(ikw_helped, daemon_tid, UINT),
	F(ikw_helped, tgid, UINT),
	F(ikw_helped, exit_code, SINT),
	F(ikw_helped, comm, TEXT),
};

static const struct field clock_fields[] = {
	F(ikw_clock, wall, TIME),
};

static const struct field probes_fields[] = {
	E(ikw_probes, tier, ENUM, tiers),
	E(ikw_probes, sees, MASK, observables),
};

static const struct field ports_fields[] = {
	{ .name = "ike_1", AT(ikw_ports, ike[0]), .kind = UINT },
	{ .name = "ike_2", AT(ikw_ports, ike[1]), .kind = UINT },
	{ .name = "ike_3", AT(ikw_ports, ike[2]), .kind = UINT },
};

static const struct field lost_fields[] = {
	E(ikw_lost, where, ENUM, lost_wheres),
	F(ikw_lost, count, UINT),
	F(ikw_lost, since, TIME),
	E(ikw_lost, sees, MASK, observables),
};

static const struct field dump_fields[] = {
	E(ikw_dump, op, ENUM, dump_ops),
};

static const struct field link_fields[] = {
	E(ikw_link, op, ENUM, link_ops),
	F(ikw_link, ifindex, UINT),
	F(ikw_link, name, TEXT),
	F(ikw_link, kind, TEXT),
	F(ikw_link, ifi_flags, HEX),
	F(ikw_link, if_id, UINT),
	F(ikw_link, lower, UINT),
	F(ikw_link, master, UINT),
};

static const struct field addr_fields[] = {
	E(ikw_addr, op, ENUM, addr_ops),
	F(ikw_addr, addr, ADDR),
	F(ikw_addr, ifindex, UINT),
};

static const struct field route_fields[] = {
	F(ikw_route, peer, ADDR),
	F(ikw_route, ifindex, UINT),
};

static const struct field way_fields[] = {
	F(ikw_way, peer, ADDR),
	F(ikw_way, local, ADDR),
	F(ikw_way, ifindex, UINT),
};

static const struct field span_fields[] = {
	F(ikw_esp_span, packets, UINT),
};
static const struct layout span_layout = LAYOUT("span", ikw_esp_span, span_fields);

static const struct field esp_fields[] = {
	E(ikw_esp, dir, ENUM, dirs),
	F(ikw_esp, daddr, ADDR),
	F(ikw_esp, spi, SPI),
	F(ikw_esp, packets, UINT),
	F(ikw_esp, bytes, UINT),
	F(ikw_esp, last, TIME),
	F(ikw_esp, lost, UINT),
	F(ikw_esp, reordered, UINT),
	F(ikw_esp, sampled, TIME),
	{ .name = "spans", AT(ikw_esp, spans), COUNT(ikw_esp, span_count),
	  .kind = LIST, .sub = &span_layout },
};

static const struct field netns_fields[] = {
	E(ikw_netns, op, ENUM, netns_ops),
	F(ikw_netns, name, TEXT),
};

static const struct field ikesa_fields[] = {
	E(ikw_ikesa, op, ENUM, ikesa_ops),
	F(ikw_ikesa, local, ADDR),
	F(ikw_ikesa, remote, ADDR),
	F(ikw_ikesa, spi_i, IKE_SPI),
	F(ikw_ikesa, spi_r, IKE_SPI),
	F(ikw_ikesa, other, IKE_SPI),
	F(ikw_ikesa, version, UINT),
	E(ikw_ikesa, flags2, MASK, ikesa_flags),
	F(ikw_ikesa, created, TIME),
	F(ikw_ikesa, last_in, TIME),
	F(ikw_ikesa, last_out, TIME),
	F(ikw_ikesa, installed, TIME),
	F(ikw_ikesa, live_last, TIME),
	F(ikw_ikesa, live_gap, UINT),
	F(ikw_ikesa, live_length, UINT),
	F(ikw_ikesa, live_count, UINT),
	F(ikw_ikesa, asked_first, TIME),
	F(ikw_ikesa, asked_last, UINT),
	F(ikw_ikesa, repeats, UINT),
	F(ikw_ikesa, local_port, UINT),
	F(ikw_ikesa, remote_port, UINT),
	F(ikw_ikesa, heard_port, UINT),
	F(ikw_ikesa, encr, UINT),
	F(ikw_ikesa, encr_keylen, UINT),
	F(ikw_ikesa, integ, UINT),
	F(ikw_ikesa, dpd_len, UINT),
	F(ikw_ikesa, spi, SPI),
	E(ikw_ikesa, dir, ENUM, dirs),
	E(ikw_ikesa, exchange, NAMED, exchanges),
};

static const struct layout layouts[IKW_EV_MAX] = {
	[IKW_EV_IKE] = LAYOUT("ike", ikw_ike, ike_fields),
	[IKW_EV_SA] = LAYOUT("sa", ikw_sa, sa_fields),
	[IKW_EV_POLICY] = LAYOUT("policy", ikw_policy, policy_fields),
	[IKW_EV_FLUSH] = LAYOUT("flush", ikw_flush, flush_fields),
	[IKW_EV_PROC] = LAYOUT("proc", ikw_proc, proc_fields),
	[IKW_EV_CONTROL] = LAYOUT("control", ikw_control, control_fields),
	[IKW_EV_SIGNAL] = LAYOUT("signal", ikw_signal, signal_fields),
	[IKW_EV_HELPED] = LAYOUT("helped", ikw_helped, helped_fields),
	[IKW_EV_WIRE] = LAYOUT("wire", ikw_wire, wire_fields),
	[IKW_EV_CLOCK] = LAYOUT("clock", ikw_clock, clock_fields),
	[IKW_EV_PROBES] = LAYOUT("probes", ikw_probes, probes_fields),
	[IKW_EV_LOST] = LAYOUT("lost", ikw_lost, lost_fields),
	[IKW_EV_DUMP] = LAYOUT("dump", ikw_dump, dump_fields),
	[IKW_EV_LINK] = LAYOUT("link", ikw_link, link_fields),
	[IKW_EV_ADDR] = LAYOUT("addr", ikw_addr, addr_fields),
	[IKW_EV_ROUTE] = LAYOUT("route", ikw_route, route_fields),
	[IKW_EV_ESP] = LAYOUT("esp", ikw_esp, esp_fields),
	[IKW_EV_NETNS] = LAYOUT("netns", ikw_netns, netns_fields),
	[IKW_EV_IKESA] = LAYOUT("ikesa", ikw_ikesa, ikesa_fields),
	[IKW_EV_PORTS] = LAYOUT("ports", ikw_ports, ports_fields),
	[IKW_EV_WAY] = LAYOUT("way", ikw_way, way_fields),
};
/* clang-format on */

const struct layout *ikw_layout(unsigned int type)
{
	return type < IKW_EV_MAX && layouts[type].name ? &layouts[type] : NULL;
}

uint64_t ikw_field_load(const uint8_t *at, size_t size)
{
	union {
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
	} v;

	memcpy(&v, at, size);
	switch (size) {
	case 1:
		return v.u8;
	case 2:
		return v.u16;
	case 4:
		return v.u32;
	default:
		return v.u64;
	}
}

void ikw_field_store(uint8_t *at, size_t size, uint64_t value)
{
	uint8_t u8 = value;
	uint16_t u16 = value;
	uint32_t u32 = value;
	const void *from = size == 1   ? (void *)&u8
			   : size == 2 ? (void *)&u16
			   : size == 4 ? (void *)&u32
				       : (void *)&value;

	memcpy(at, from, size);
}

static const char *check_list(const struct field *f, const uint8_t *rec)
{
	uint64_t count = ikw_field_count(f, rec);
	const char *why = NULL;

	if (count > ikw_field_capacity(f))
		return "a count is greater than its array";
	if (f->kind != LIST)
		return NULL;
	for (size_t i = 0; i < count && !why; i++)
		why = ikw_layout_check(f->sub, rec + f->offset + i * f->sub->size);
	return why;
}

const char *ikw_field_check(const struct field *f, const uint8_t *rec)
{
	switch (f->kind) {
	case TEXT:
		return memchr(rec + f->offset, 0, f->size) ? NULL : "a text does not end";
	case ENUM:
		return ikw_name_text(f->names, ikw_field_load(rec + f->offset, f->size))
			       ? NULL
			       : "an enum is out of range";
	case BYTES:
	case ARGS:
	case LIST:
		return check_list(f, rec);
	case OBJECT:
		return ikw_layout_check(f->sub, rec + f->offset);
	default:
		return NULL;
	}
}

const char *ikw_layout_check(const struct layout *layout, const uint8_t *rec)
{
	for (unsigned int i = 0; i < layout->count; i++) {
		const char *why = ikw_field_check(&layout->fields[i], rec);

		if (why)
			return why;
	}
	return NULL;
}
