/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The event contract: the only header that bpf/ and user/ share.
 *
 * Every record starts with struct ikw_hdr. Kernel programs write records into
 * the ring buffer; user space makes the records that only it can know (links,
 * addresses, clock, losses, the netlink tier's SA changes). Both kinds go
 * through the same pipeline, into recordings and out of them again.
 *
 * Conventions, everywhere below:
 *  - integers are in host byte order, converted once where the record is made
 *    (SPIs, ports, marks, IKE header fields);
 *  - an address is 16 bytes in network order, IPv4 as v4-mapped (::ffff:a.b.c.d);
 *    sixteen zero bytes mean "none";
 *  - times are CLOCK_BOOTTIME nanoseconds, unless the name ends in _s (seconds)
 *    or says wall;
 *  - padding is explicit and zero; sizes are asserted at the end.
 */
#ifndef IKEWATCH_EVENT_H
#define IKEWATCH_EVENT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define IKW_EVENT_VERSION 1

#define IKW_ADDR_LEN	16
#define IKW_COMM_LEN	16
#define IKW_NAME_LEN	16 /* IFNAMSIZ */
#define IKW_EXE_LEN	128
#define IKW_ARGS_LEN	256
#define IKW_PATH_LEN	108 /* sizeof(sockaddr_un.sun_path) */
#define IKW_REQUEST_LEN 64
#define IKW_PARENTS	8

enum ikw_event_type {
	IKW_EV_NONE = 0,
	IKW_EV_IKE = 1,	    /* struct ikw_ike: one IKE message on the wire */
	IKW_EV_SA = 2,	    /* struct ikw_sa: an SA came, changed, went, or failed to */
	IKW_EV_POLICY = 3,  /* struct ikw_policy */
	IKW_EV_FLUSH = 4,   /* struct ikw_flush: SAD or SPD flushed in one call */
	IKW_EV_PROC = 5,    /* struct ikw_proc: who a process is; exec, exit */
	IKW_EV_CONTROL = 6, /* struct ikw_control: someone talks to an IKE daemon */
	IKW_EV_SIGNAL = 7,  /* struct ikw_signal: a unix signal sent to an IKE daemon */
	IKW_EV_WIRE = 8,    /* struct ikw_wire: RADIUS, BFD, VRRP, DNS, DHCP, ICMP echo */
	IKW_EV_RAW = 9,	    /* struct ikw_raw: such a packet's bytes; user space makes WIRE of it */
	IKW_EV_QUICK = 10,  /* struct ikw_quick: a message in short; user space makes IKE of it */
	IKW_EV_HELPED = 11, /* struct ikw_helped: what an IKE daemon ran itself has ended */
	/* made by user space only */
	IKW_EV_CLOCK = 16,  /* struct ikw_clock: wall time of a boot time */
	IKW_EV_PROBES = 17, /* struct ikw_probes: what can be observed from now on */
	IKW_EV_LOST = 18,   /* struct ikw_lost: records that never arrived */
	IKW_EV_DUMP = 19,   /* struct ikw_dump: a SAD/SPD dump begins or ends */
	IKW_EV_LINK = 20,   /* struct ikw_link */
	IKW_EV_ADDR = 21,   /* struct ikw_addr */
	IKW_EV_ROUTE = 22,  /* struct ikw_route: the interface towards a peer, from any address */
	IKW_EV_ESP = 23,    /* struct ikw_esp: ESP counters of one SA */
	IKW_EV_NETNS = 24,  /* struct ikw_netns: the watched namespace's name came or went */
	IKW_EV_IKESA = 25,  /* struct ikw_ikesa: an IKE_SA that was known before */
	IKW_EV_PORTS = 26,  /* struct ikw_ports: where IKE is looked for from now on */
	IKW_EV_WAY = 27,    /* struct ikw_way: the interface towards a peer from one address */
	IKW_EV_MAX
};

/* struct ikw_hdr.flags */
enum ikw_hdr_flag {
	IKW_F_NETLINK = 1 << 0, /* made from netlink, not by a kernel probe */
	IKW_F_LATE = 1 << 1,	/* time is when user space learned of it, not when it happened */
	IKW_F_MORE = 1 << 2,	/* the next ones like it are left out, for IKW_ASK_WINDOW at most */
	IKW_F_NO_PROC = 1 << 3, /* /proc does not tell who acted: it numbers processes otherwise */
};

/* Queries of one process that are told in one such window (ns); the rest of it is left out. */
#define IKW_ASK_WINDOW 100000000ULL
#define IKW_ASK_LIMIT  128

struct ikw_hdr {
	__u16 type; /* enum ikw_event_type */
	__u16 size; /* of the whole record, header included */
	__u32 cpu;
	__u64 time; /* CLOCK_BOOTTIME ns; IKE: where many come in one jiffy, up to a jiffy early */
	__u64 seq; /* per CPU, from 1, without holes unless records were lost; 0: made by user space
		    */
	__u32 netns; /* inode of the network namespace; 0: not known */
	__u32 flags; /* enum ikw_hdr_flag */
};

enum ikw_dir {
	IKW_DIR_UNKNOWN = 0,
	IKW_DIR_IN = 1,
	IKW_DIR_OUT = 2,
	IKW_DIR_FWD = 3, /* policies only */
};

/* ---- packets ---------------------------------------------------------- */

/* struct ikw_ike.flags2 */
enum ikw_ike_flag {
	IKW_IKE_NATT = 1 << 0,	    /* after a non-ESP marker (RFC 3948 2.2) */
	IKW_IKE_FRAGMENT = 1 << 1,  /* first IP fragment: length is the header's word only */
	IKW_IKE_SHORT = 1 << 2,	    /* the datagram is shorter than the header's length */
	IKW_IKE_CHOICE = 1 << 3,    /* encr..dh below hold what the responder chose */
	IKW_IKE_NOTIFY = 1 << 4,    /* notify below was readable in clear */
	IKW_IKE_HAS_SA = 1 << 5,    /* a clear SA payload was seen (v2 INIT, v1 phase 1) */
	IKW_IKE_FORWARDED = 1 << 6, /* leaves this host, but came in before: somebody else's */
};

/* One IKE message. Parsed once, by bpf/parse.h, in the kernel and in `decode`. */
struct ikw_ike {
	struct ikw_hdr hdr;
	__u8 saddr[IKW_ADDR_LEN];
	__u8 daddr[IKW_ADDR_LEN];
	__u64 spi_i; /* RFC 7296 3.1; IKEv1 cookies (RFC 2408 3.1) */
	__u64 spi_r;
	__u32 message_id;
	__u32 length;  /* the header's length field */
	__u32 ifindex; /* where it was seen */
	__u32 digest;  /* of up to 24 bytes after the IKE header (bpf/ike.h): equal in a
			  retransmission */
	__u16 sport;
	__u16 dport;
	__u8 version;	   /* major << 4 | minor, as on the wire: 0x20, 0x10 */
	__u8 exchange;	   /* exchange type */
	__u8 ike_flags;	   /* v2: I 0x08, V 0x10, R 0x20; v1: E 0x01, C 0x02, A 0x04 */
	__u8 next_payload; /* type of the first payload */
	__u8 dir;	   /* enum ikw_dir: IN or OUT */
	__u8 flags2;	   /* enum ikw_ike_flag */
	__u16 notify;	   /* first clear notify's message type */
	__u32 notify_spi;  /* INVALID_SPI: the SPI it complains about, else 0 */
	__u16 frag_number; /* IKEv2 SKF (RFC 7383 2.5): 1.. ; 0: not an IKE fragment */
	__u16 frag_total;
	__u16 encr;	   /* chosen ENCR transform ID (v2) or encryption algorithm (v1) */
	__u16 encr_keylen; /* bits; 0: fixed-length cipher */
	__u16 integ;	   /* chosen INTEG transform ID (v2; 0 with AEAD) or hash algorithm (v1) */
	__u16 prf;
	__u16 dh;
	__u16 pad;
};

/*
 * A received sealed IKE message behind a plain IPv4 header: what cannot be told
 * later, as it lay there, in network order. ikw_quick_open() (bpf/ike.h) makes a
 * struct ikw_ike of it. Small, for the ring is larger than the nearer caches: where
 * it was measured each byte of a record cost the packet 0.13 ns. Only between the
 * packet programs and user space, never in a recording.
 */
struct ikw_quick {
	__u16 type; /* as in struct ikw_hdr, */
	__u16 size;
	__u16 cpu;
	__u8 udp_length[2];
	__u64 time;
	__u64 seq;
	__u32 netns; /* up to here, but for cpu */
	__u32 ifindex;
	__u8 saddr[4];
	__u8 daddr[4];
	__u8 sport[2];
	__u8 dport[2];
	__u32 digest; /* as in struct ikw_ike */
	__u8 spi_i[8];
	__u8 spi_r[8];
	__u8 marked; /* 1: behind a non-ESP marker; the next payload, which stood here, is known */
	__u8 version;
	__u8 exchange;
	__u8 ike_flags;
	__u8 message_id[4];
};

/* Signals from other protocols that explain a deletion (DESIGN.md "other signals"). */
enum ikw_wire_kind {
	IKW_WIRE_RADIUS = 1, /* code, id, value = Session-Timeout s; user = User-Name; addr =
				Framed-IP-Address */
	IKW_WIRE_BFD = 2,    /* code = state (0 admin down .. 3 up), id = my discriminator, value =
				diagnostic */
	IKW_WIRE_VRRP = 3,   /* code = priority, id = VRID */
	IKW_WIRE_DNS = 4,    /* one for each address: code = rcode, IKW_DNS_QUERY in a query; id =
				query ID << 16 | QTYPE, value = TTL, value2 = addresses in the
				answer; addr; user = QNAME */
	IKW_WIRE_DHCP = 5,   /* code = message type, value = lease s; addr = yiaddr, or ciaddr */
	IKW_WIRE_ECHO = 6,   /* code = ICMP type, id = identifier, value = sequence */
	/* strongSwan's ha plugin: code = message type; addr = the IKE_SA's SPIs, initiator's and
	   responder's; id, value = the CHILD_SA's SPIs in and out */
	IKW_WIRE_CLUSTER = 7,
};

/* Versions (4 since strongSwan 6.0) and types of the ha plugin's messages (ha_message.h) that are
 * read. */
enum {
	IKW_CLUSTER_VERSION = 3,
	IKW_CLUSTER_VERSION_6 = 4,
	IKW_CLUSTER_IKE_DELETE = 5,
	IKW_CLUSTER_CHILD_ADD = 6,
	IKW_CLUSTER_CHILD_DELETE = 7,
};

#define IKW_DNS_QUERY 0x8000

struct ikw_wire {
	struct ikw_hdr hdr;
	__u8 saddr[IKW_ADDR_LEN];
	__u8 daddr[IKW_ADDR_LEN];
	__u8 addr[IKW_ADDR_LEN];
	__u16 sport;
	__u16 dport;
	__u32 ifindex;
	__u8 kind; /* enum ikw_wire_kind */
	__u8 dir;  /* enum ikw_dir */
	__u16 code;
	__u32 id;
	__u32 value;
	__u32 value2;
	char user[64]; /* NUL-terminated text */
};

/*
 * The bytes of such a packet, behind its IP header (UDP's too where there is
 * one). Only between the packet programs and user space (user/wire.h), never
 * in a recording.
 */
#define IKW_RAW_LEN 432

struct ikw_raw {
	struct ikw_hdr hdr;
	__u8 saddr[IKW_ADDR_LEN];
	__u8 daddr[IKW_ADDR_LEN];
	__u16 sport;
	__u16 dport;
	__u32 ifindex;
	__u8 kind;   /* enum ikw_wire_kind */
	__u8 dir;    /* enum ikw_dir */
	__u16 len;   /* bytes in data; a longer packet is cut */
	__u8 family; /* 4 or 6 */
	__u8 pad[3];
	__u8 data[IKW_RAW_LEN];
};

/* ---- SAD, SPD --------------------------------------------------------- */

enum ikw_sa_op {
	IKW_SA_LARVAL = 1, /* ALLOCSPI or acquire: SPI reserved, no keys (km.state ACQ) */
	IKW_SA_ADD = 2,	   /* a full SA entered the SAD (by add, or by update of a larval one) */
	IKW_SA_CHANGE = 3, /* a full SA changed in place (update, migrate), same SPI */
	IKW_SA_DELETE = 4, /* a full SA left the SAD */
	IKW_SA_LARVAL_GONE = 5, /* a larval SA left without becoming full (how: cause) */
	IKW_SA_FAILED = 6,	/* install or ALLOCSPI failed: error */
	IKW_SA_SOFT = 7,	/* soft limit reached: a rekey is asked for */
	IKW_SA_DUMP = 8,	/* existing SA, read in by a dump */
	IKW_SA_ASKED = 9, /* XFRM_MSG_GETSA: a process reads its counters; only its key is told */
};

/* What took an SA: witnessed by the caller or bracket, never guessed. */
enum ikw_sa_cause {
	IKW_CAUSE_UNKNOWN = 0, /* could not be seen (netlink tier: a DELSA without more) */
	IKW_CAUSE_CALL = 1,    /* a process asked: xfrm_del_sa, pfkey_delete, migrate */
	IKW_CAUSE_FLUSH = 2,   /* xfrm_state_flush on behalf of a process */
	IKW_CAUSE_TIMER = 3,   /* kernel timer: hard limit; see limit */
	IKW_CAUSE_NETNS = 4,   /* flush without a task: the network namespace is being torn down */
	IKW_CAUSE_DEVICE = 5,  /* flush of an offloading device that goes away */
	IKW_CAUSE_UPDATE = 6,  /* xfrm_state_update replaced it (larval swap) */
};

enum ikw_sa_limit {
	IKW_LIMIT_NONE = 0,
	IKW_LIMIT_TIME = 1,   /* hard add/use lifetime */
	IKW_LIMIT_VOLUME = 2, /* hard byte or packet limit (km.state EXPIRED) */
};

/* The process in whose context it happened; meaningless in a timer (all zero then). */
struct ikw_actor {
	__u32 tgid; /* in the initial pid namespace; 0: none or unknown */
	__u32 tid;
	__u32 uid;
	__u32 portid; /* netlink tier: the requester's netlink port, else 0 */
	char comm[IKW_COMM_LEN];
};

struct ikw_selector {
	__u8 saddr[IKW_ADDR_LEN];
	__u8 daddr[IKW_ADDR_LEN];
	__u16 sport;
	__u16 sport_mask;
	__u16 dport;
	__u16 dport_mask;
	__u8 prefixlen_s; /* as in the kernel: 0..32 for IPv4 */
	__u8 prefixlen_d;
	__u8 proto;
	__u8 family; /* 2 AF_INET, 10 AF_INET6, 0: empty selector */
	__u32 ifindex;
};

struct ikw_sa {
	struct ikw_hdr hdr;
	struct ikw_actor by;
	__u8 saddr[IKW_ADDR_LEN]; /* outer source */
	__u8 daddr[IKW_ADDR_LEN]; /* outer destination */
	struct ikw_selector sel;
	__u32 spi;
	__u32 reqid;
	__u32 mark;
	__u32 mark_mask;
	__u32 if_id;
	__s32 error;	  /* FAILED: negative errno */
	__u8 op;	  /* enum ikw_sa_op */
	__u8 cause;	  /* enum ikw_sa_cause, for DELETE and LARVAL_GONE */
	__u8 limit;	  /* enum ikw_sa_limit, for TIMER */
	__u8 proto;	  /* 50 ESP, 51 AH, 108 IPComp */
	__u8 mode;	  /* XFRM_MODE_*: 0 transport, 1 tunnel, 4 BEET */
	__u8 family;	  /* outer: 2 or 10 */
	__u8 km_state;	  /* XFRM_STATE_*; 0: not known */
	__u8 dir;	  /* enum ikw_dir if the kernel says (6.10+), else UNKNOWN */
	__u16 encap_type; /* 2: UDP_ENCAP_ESPINUDP, 7: TCP_ENCAP_ESPINTCP; 0: none */
	__u16 encap_sport;
	__u16 encap_dport;
	__u16 pad;
	__u64 bytes; /* curlft */
	__u64 packets;
	__u64 hard_bytes; /* limits; ~0 or 0: none */
	__u64 hard_packets;
	__u64 hard_add_s;
	__u64 hard_use_s;
	__u64 soft_add_s;
	__u64 add_wall_s;  /* curlft.add_time, Unix seconds */
	__u64 use_wall_s;  /* first use; 0: never */
	__u64 last_wall_s; /* x->lastused; 0: not kept by this kernel (before 6.2) or never */
	__u32 offload_ifindex;
	__u32 pad2;
};

enum ikw_policy_op {
	IKW_POLICY_INSERT = 1,
	IKW_POLICY_KILL = 2,
	IKW_POLICY_DUMP = 3,
	IKW_POLICY_ASKED = 4, /* XFRM_MSG_GETPOLICY: a process reads when it was last used */
};

struct ikw_policy {
	struct ikw_hdr hdr;
	struct ikw_actor by;
	struct ikw_selector sel;
	__u8 tmpl_saddr[IKW_ADDR_LEN]; /* first template; zero in transport mode */
	__u8 tmpl_daddr[IKW_ADDR_LEN];
	__u32 tmpl_reqid; /* these and tmpl_proto: of the first that is not IPComp */
	__u32 tmpl_spi;
	__u32 index;
	__u32 priority;
	__u32 mark;
	__u32 mark_mask;
	__u32 if_id;
	__u8 op;	 /* enum ikw_policy_op */
	__u8 dir;	 /* enum ikw_dir */
	__u8 action;	 /* 0 allow, 1 block */
	__u8 tmpl_count; /* xfrm_nr */
	__u8 tmpl_mode;
	__u8 tmpl_proto;
	__u8 socket;  /* 1: a per-socket policy (dir 3, 4) */
	__u8 exiting; /* socket policy killed while its process exits (do_exit) */
	__u8 pad[4];
};

enum ikw_flush_what { IKW_FLUSH_SA = 1, IKW_FLUSH_POLICY = 2 };

struct ikw_flush {
	struct ikw_hdr hdr;
	struct ikw_actor by;
	__u8 what;	 /* enum ikw_flush_what */
	__u8 proto;	 /* 0 or 255: every protocol */
	__u8 task_valid; /* 0: the kernel tears the namespace down */
	__u8 each_told;	 /* 1: every SA it takes is also told by its own DELETE record */
	__u8 pad[4];
};

/* ---- host ------------------------------------------------------------- */

enum ikw_proc_op {
	IKW_PROC_SEEN = 1, /* description, sent once before the first record that names the tgid */
	IKW_PROC_EXEC = 2, /* exec of what looks like an IKE daemon, or asks init for something */
	IKW_PROC_EXIT = 3, /* a process that is an IKE daemon ended; see exit_code */
	IKW_PROC_DAEMON = 4, /* user space: this process owns an IKE socket or installed SAs */
	IKW_PROC_PROBER = 5, /* opened a socket for ICMP: it sends probes */
	IKW_PROC_PROBED = 6, /* such a process ended; see exit_code: ping fails without an answer */
	IKW_PROC_UNHEARD = 7, /* user space: it may speak IKE over ports where none is looked for */
};

struct ikw_parent {
	__u32 tgid;
	char comm[IKW_COMM_LEN];
};

struct ikw_proc {
	struct ikw_hdr hdr;
	__u64 start; /* task start, boot time ns: (tgid, start) names a process for good */
	__u32 tgid;
	__u32 uid;
	__u32 loginuid;	 /* ~0: none */
	__s32 exit_code; /* EXIT: wait status */
	__u8 op;	 /* enum ikw_proc_op */
	__u8 parent_count;
	__u8 pad[2];
	__u32 args_len; /* bytes used in args */
	char comm[IKW_COMM_LEN];
	char tty[IKW_NAME_LEN]; /* "pts/3"; empty: none */
	char exe[IKW_EXE_LEN];
	char args[IKW_ARGS_LEN];		/* argv, separated by NUL */
	struct ikw_parent parents[IKW_PARENTS]; /* nearest first */
};

enum ikw_control_op {
	IKW_CONTROL_CONNECT = 1,
	IKW_CONTROL_REQUEST = 2, /* first bytes of something the client sent */
};

struct ikw_control {
	struct ikw_hdr hdr;
	struct ikw_actor by; /* the client */
	__u32 daemon_tgid;   /* who listens; 0: not known */
	__u16 request_len;   /* bytes used in request */
	__u8 op;	     /* enum ikw_control_op */
	__u8 pad;
	char path[IKW_PATH_LEN]; /* the socket's path; "@name" if abstract */
	__u8 request[IKW_REQUEST_LEN];
	__u8 pad2[4];
};

struct ikw_signal {
	struct ikw_hdr hdr;
	struct ikw_actor by;
	__u32 daemon_tgid;
	__u32 signo;
};

/*
 * A process ended that a thread of an IKE daemon had begun: a script for the coming or
 * the going of a tunnel, mostly. Daemons wait for it, and do what comes next then.
 */
struct ikw_helped {
	struct ikw_hdr hdr;
	__u64 began; /* boot time ns of its start */
	__u32 daemon_tgid;
	__u32 daemon_tid;
	__u32 tgid;
	__s32 exit_code; /* wait status */
	char comm[IKW_COMM_LEN];
};

/* ---- made by user space ----------------------------------------------- */

struct ikw_clock {
	struct ikw_hdr hdr;
	__u64 wall; /* CLOCK_REALTIME ns at hdr.time */
};

/* What can be observed. A fact whose bit is off "could not be seen". */
enum ikw_observable {
	IKW_SEES_IKE_IN = 1 << 0,
	IKW_SEES_IKE_OUT = 1 << 1,
	IKW_SEES_SA = 1 << 2,	 /* SA changes at all */
	IKW_SEES_ACTOR = 1 << 3, /* the process behind an SA change */
	IKW_SEES_CAUSE = 1 << 4, /* timer, call and flush told apart by a kernel probe */
	IKW_SEES_LARVAL = 1 << 5,
	IKW_SEES_FAILED = 1 << 6, /* failed installs with their errno */
	IKW_SEES_POLICY = 1 << 7,
	IKW_SEES_CONTROL = 1 << 8, /* connects to control sockets */
	IKW_SEES_SIGNAL = 1 << 9,
	IKW_SEES_EXIT = 1 << 10,
	IKW_SEES_LINK = 1 << 11,
	IKW_SEES_ESP = 1 << 12,	    /* ESP counters by the packet programs */
	IKW_SEES_WIRE = 1 << 13,    /* RADIUS, BFD, ... */
	IKW_SEES_REQUEST = 1 << 14, /* what was sent over a control socket */
	IKW_SEES_PORTID = 1 << 15,  /* netlink: the port of who asked */
	IKW_SEES_ASKED = 1 << 16,   /* who reads the use times of SAs and policies */
};

enum ikw_tier { IKW_TIER_NONE = 0, IKW_TIER_FENTRY = 1, IKW_TIER_KPROBE = 2, IKW_TIER_NETLINK = 3 };

struct ikw_probes {
	struct ikw_hdr hdr;
	__u32 sees; /* mask of enum ikw_observable */
	__u32 tier; /* enum ikw_tier of the SAD probes */
};

#define IKW_OWN_PORTS 3

/* Told when it changes, and when the agent begins if there are any. */
struct ikw_ports {
	struct ikw_hdr hdr;
	__u16 ike[IKW_OWN_PORTS]; /* where IKE is looked for beside 500 and 4500; 0: no more */
	__u16 pad;
};

enum ikw_lost_where {
	IKW_LOST_RING = 1,	 /* ring buffer full */
	IKW_LOST_NETLINK = 2,	 /* ENOBUFS on a netlink socket */
	IKW_LOST_AGENT = 3,	 /* the agent was not running and nothing witnessed */
	IKW_LOST_SUPPRESSED = 4, /* rate limit for IKE events of one source */
	IKW_LOST_PROBE = 5,	 /* a probe did not run: the SAD lacks what nobody told of */
};

struct ikw_lost {
	struct ikw_hdr hdr;
	__u64 count; /* 0: at least one, number not known */
	__u64 since; /* boot time ns of the last record before the hole */
	__u32 where; /* enum ikw_lost_where */
	__u32 sees;  /* which observables the hole touches */
};

enum ikw_dump_op { IKW_DUMP_BEGIN = 1, IKW_DUMP_END = 2 };

struct ikw_dump {
	struct ikw_hdr hdr;
	__u8 op; /* enum ikw_dump_op */
	__u8 pad[7];
};

enum ikw_link_op { IKW_LINK_SET = 1, IKW_LINK_GONE = 2 };

struct ikw_link {
	struct ikw_hdr hdr;
	__u32 ifindex;
	__u32 if_id;	 /* xfrm interfaces, else 0 */
	__u32 ifi_flags; /* IFF_UP 1, IFF_RUNNING 0x40, IFF_LOWER_UP 0x10000 */
	__u32 lower;	 /* ifindex of the link that it stands on (a VLAN's card); 0: none */
	__u8 op;	 /* enum ikw_link_op */
	__u8 pad[3];
	__u32 master; /* ifindex of the bridge, bond or VRF that it is a port of; 0: none */
	char name[IKW_NAME_LEN];
	char kind[IKW_NAME_LEN]; /* "veth", "xfrm", ...; empty: a card */
};

enum ikw_addr_op { IKW_ADDR_SET = 1, IKW_ADDR_GONE = 2 };

struct ikw_addr {
	struct ikw_hdr hdr;
	__u8 addr[IKW_ADDR_LEN];
	__u32 ifindex;
	__u8 op; /* enum ikw_addr_op */
	__u8 pad[3];
};

struct ikw_route {
	struct ikw_hdr hdr;
	__u8 peer[IKW_ADDR_LEN];
	__u32 ifindex; /* 0: no route */
	__u32 pad;
};

struct ikw_way {
	struct ikw_hdr hdr;
	__u8 peer[IKW_ADDR_LEN];
	__u8 local[IKW_ADDR_LEN];
	__u32 ifindex; /* 0: no route */
	__u32 pad;
};

/* How traffic went: packets in spans of so many seconds. */
#define IKW_ESP_SPAN_S 10
#define IKW_ESP_SPANS  30

struct ikw_esp_span {
	__u32 packets;
};

struct ikw_esp {
	struct ikw_hdr hdr;
	__u8 daddr[IKW_ADDR_LEN];
	__u32 spi;
	__u32 lost; /* by ESP sequence numbers, in the last minute of its traffic */
	__u32 reordered;
	__u8 dir; /* enum ikw_dir: where the packets were seen */
	__u8 pad[3];
	__u64 packets; /* since the slot was opened */
	__u64 bytes;
	__u64 last;    /* boot time ns of the last packet, to 100 ms; 0: none seen */
	__u64 sampled; /* boot time ns of the newest sample; 0: none was taken */
	__u32 span_count;
	/* newest first: [0] since `sampled`, [1] the span that ended then, and so on */
	struct ikw_esp_span spans[IKW_ESP_SPANS];
	__u32 pad2;
};

enum ikw_netns_op { IKW_NETNS_NAME_GONE = 1, IKW_NETNS_NAMED = 2 };

struct ikw_netns {
	struct ikw_hdr hdr;
	__u8 op; /* enum ikw_netns_op */
	__u8 pad[7];
	char name[64];
};

/* What is known when a journal's segment or a recording begins; no probe makes it. */
enum ikw_ikesa_op {
	IKW_IKESA_KNOWN = 1,	 /* the IKE_SA, all but what OWNS and SUCCEEDED say */
	IKW_IKESA_OWNS = 2,	 /* it negotiated the CHILD_SA with this SA of ours */
	IKW_IKESA_SUCCEEDED = 3, /* it was rekeyed to the other */
};

enum ikw_ikesa_flags {
	IKW_IKESA_CHOICE = 1,	/* cipher and so on are known */
	IKW_IKESA_OURS = 2,	/* this gateway began it */
	IKW_IKESA_WHOLE = 4,	/* it was seen from its first message on */
	IKW_IKESA_SPOKEN = 8,	/* the daemon here took part */
	IKW_IKESA_UNASKED = 16, /* a check before which the daemon had not looked was answered */
	IKW_IKESA_QUIET = 32,	/* OWNS: no IKE message was seen when the CHILD_SA came */
	IKW_IKESA_ENDED = 64,	/* SAs of it went after our latest INFORMATIONAL */
};

struct ikw_ikesa {
	struct ikw_hdr hdr;
	__u8 local[IKW_ADDR_LEN];
	__u8 remote[IKW_ADDR_LEN];
	__u64 spi_i;
	__u64 spi_r;
	__u64 other;   /* spi_i: of its successor; OWNS: of another that may own it, 0: none */
	__u64 created; /* boot time ns of its first message that was seen */
	__u64 last_in; /* boot time ns, as the following */
	__u64 last_out;
	__u64 installed; /* when it last brought SAs; 0: not seen */
	__u64 live_last; /* the last liveness check of ours that was answered; 0: none */
	__u64 live_gap;	 /* ns: the least between two of them; 0: not known */
	__u64 asked_first;
	__u32 live_length;
	__u32 live_count;
	__u32 repeats;
	__u32 spi; /* OWNS: the SA's, and its daddr is local where dir is in, else remote */
	__u16 local_port;
	__u16 remote_port;
	__u16 heard_port;
	__u16 encr; /* IANA's numbers of that version */
	__u16 encr_keylen;
	__u16 integ;
	__u16 dpd_len;
	__u16 flags2; /* enum ikw_ikesa_flags */
	__u8 op;      /* enum ikw_ikesa_op */
	__u8 version;
	__u8 asked_last;
	__u8 exchange; /* OWNS: the type of the one that brought it; 0: not seen */
	__u8 dir;      /* OWNS: enum ikw_dir */
	__u8 pad[3];
};

union ikw_event {
	struct ikw_hdr hdr;
	struct ikw_ike ike;
	struct ikw_wire wire;
	struct ikw_raw raw;
	struct ikw_quick quick;
	struct ikw_sa sa;
	struct ikw_policy policy;
	struct ikw_flush flush;
	struct ikw_proc proc;
	struct ikw_control control;
	struct ikw_signal signal;
	struct ikw_helped helped;
	struct ikw_clock clock;
	struct ikw_probes probes;
	struct ikw_lost lost;
	struct ikw_dump dump;
	struct ikw_link link;
	struct ikw_addr addr;
	struct ikw_route route;
	struct ikw_esp esp;
	struct ikw_netns netns;
	struct ikw_ikesa ikesa;
	struct ikw_ports ports;
	struct ikw_way way;
};

#define IKW_ASSERT_SIZE(type, bytes)                                                               \
	_Static_assert(sizeof(struct type) == (bytes), #type " changed: raise IKW_EVENT_VERSION")

IKW_ASSERT_SIZE(ikw_hdr, 32);
IKW_ASSERT_SIZE(ikw_actor, 32);
IKW_ASSERT_SIZE(ikw_selector, 48);
IKW_ASSERT_SIZE(ikw_ike, 128);
IKW_ASSERT_SIZE(ikw_wire, 168);
IKW_ASSERT_SIZE(ikw_raw, 512);
IKW_ASSERT_SIZE(ikw_quick, 72);
_Static_assert(__builtin_offsetof(struct ikw_quick, seq) == __builtin_offsetof(struct ikw_hdr, seq),
	       "ikw_emit_end() numbers it");
IKW_ASSERT_SIZE(ikw_sa, 272);
IKW_ASSERT_SIZE(ikw_policy, 184);
IKW_ASSERT_SIZE(ikw_flush, 72);
IKW_ASSERT_SIZE(ikw_proc, 640);
IKW_ASSERT_SIZE(ikw_control, 248);
IKW_ASSERT_SIZE(ikw_signal, 72);
IKW_ASSERT_SIZE(ikw_helped, 72);
IKW_ASSERT_SIZE(ikw_clock, 40);
IKW_ASSERT_SIZE(ikw_probes, 40);
IKW_ASSERT_SIZE(ikw_lost, 56);
IKW_ASSERT_SIZE(ikw_dump, 40);
IKW_ASSERT_SIZE(ikw_link, 88);
IKW_ASSERT_SIZE(ikw_addr, 56);
IKW_ASSERT_SIZE(ikw_route, 56);
IKW_ASSERT_SIZE(ikw_esp, 224);
IKW_ASSERT_SIZE(ikw_netns, 104);
IKW_ASSERT_SIZE(ikw_ikesa, 184);
IKW_ASSERT_SIZE(ikw_ports, 40);
IKW_ASSERT_SIZE(ikw_way, 72);

#endif /* IKEWATCH_EVENT_H */
