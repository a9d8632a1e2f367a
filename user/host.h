/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is known of the host: processes, who ordered what of an IKE daemon,
 * links, addresses, clock, and what can be observed at all. Pure.
 */
#ifndef IKEWATCH_HOST_H
#define IKEWATCH_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/ikewatch_event.h"
#include "table.h"

struct ikw_process {
	struct ikw_node node;	   /* by tgid */
	struct ikw_process *older; /* chain of all, newest first */
	struct ikw_process *newer;
	struct ikw_proc seen; /* the latest description; seen.tgid is always set */
	uint64_t exited;      /* boot time ns; 0: lives as far as known */
	bool described;
	uint64_t asks_gap; /* longest time from reading use times to the check, ns */
	bool asks;	   /* it reads use times before it checks a peer ... */
	bool unasked;	   /* ... or has done without: nothing follows from it then */
	bool daemon;	   /* owns an IKE socket, or reserved SPIs: an IKE daemon */
	bool negotiates;   /* it reserved an SPI, or installed what an IKE exchange had agreed on */
	bool unheard;	   /* may speak IKE over ports where none is looked for */
};

/* What was asked of a daemon, as far as its end goes. */
enum ikw_order_kind {
	IKW_ORDER_READ = 0,    /* looks only */
	IKW_ORDER_START = 1,   /* sets up, adds */
	IKW_ORDER_REKEY = 2,   /* rekeys or reauthenticates */
	IKW_ORDER_UNKNOWN = 3, /* something, not known what */
	IKW_ORDER_RELOAD = 4,  /* loads or unloads configuration */
	IKW_ORDER_END = 5,     /* takes tunnels down, stops the daemon */
};

struct ikw_order {
	uint64_t time; /* boot time ns of the latest that raised its kind */
	struct ikw_actor by;
	uint32_t daemon_tgid; /* 0: not known */
	uint8_t kind;	      /* enum ikw_order_kind */
	uint8_t signo;	      /* 0: not a signal */
	bool read_request;    /* the kind comes from what was sent, not from the argv */
	bool split;	      /* to the listener of a daemon that negotiates in another process */
	bool through_init;    /* a signal that init sent because `by` asked it to */
	char request[40];     /* name of the request, or "" */
	uint64_t served;      /* END: spi_i of the IKE_SA that went by it first; 0: none yet */
	bool among;	      /* END: others came with it, and which was served first is a guess */
	bool unsure;	      /* END: what its IKE_SA did may have been a check of its own */
	bool shared;	      /* END: another IKE_SA did so too, at once */
	bool away;	      /* END: sends the peers to another gateway (RFC 5685) */
	uint64_t followed; /* END: the last deletion that went by it, boot time ns; 0: none yet */
	uint64_t acted;	   /* when its daemon deleted SAs at once after it; 0: it did not */
};
#define IKW_ORDERS 128

/* A process that a thread of a daemon had begun, and which has ended. */
struct ikw_helper {
	uint64_t began; /* boot time ns */
	uint64_t ended; /* 0: none */
	uint32_t daemon_tgid;
	uint32_t daemon_tid;
};
#define IKW_HELPERS 256

struct ikw_link_state {
	uint32_t ifindex;
	uint32_t if_id;
	uint64_t changed; /* boot time ns of the last change of up/gone */
	uint64_t off;	  /* of the last change from up to down or gone; 0: none */
	uint64_t stopped; /* when, up as it is, it last lost what it sends over (IFF_RUNNING) ... */
	uint64_t resumed; /* ... and had it again; 0: never */
	uint32_t lower;	  /* the link it stands on; 0: none */
	uint32_t master;  /* what it is a port of, or was last; 0: nothing */
	uint64_t left;	  /* when it ceased to be one; 0: it is */
	bool up;
	bool running;
	bool gone;
	char name[IKW_NAME_LEN];
	char kind[IKW_NAME_LEN];
	struct ikw_node node;	  /* by ifindex */
	struct ikw_node by_if_id; /* if it has one */
	struct ikw_link_state *next_port;
};

#define IKW_LINKS_GONE 256 /* so many of those that are gone are remembered */

struct ikw_address {
	struct ikw_node node;
	uint8_t addr[IKW_ADDR_LEN];
	uint32_t ifindex;
	uint32_t was_ifindex; /* the link that had it before; 0: none */
	uint64_t moved;	      /* when it came from that one, boot time ns */
	uint64_t gone;	      /* 0: still there */
	uint64_t was_gone;    /* when it went the last time, ... */
	uint64_t back;	      /* ... and when it came back; 0: never */
};

struct ikw_gap {
	uint64_t since;
	uint64_t until;
	uint32_t where;
	uint32_t sees;
	uint64_t count;
};
#define IKW_GAPS 16

struct ikw_host {
	struct ikw_table processes;
	struct ikw_process *newest;
	struct ikw_process *oldest;
	struct ikw_table addresses;
	unsigned int addresses_gone; /* since those long gone were last dropped */
	struct ikw_table links;
	struct ikw_table xfrm_links;	     /* those with an if_id */
	struct ikw_link_state *ports;	     /* those that have or had a master */
	uint32_t links_gone[IKW_LINKS_GONE]; /* ifindex of those that went last, a ring; 0: none yet
					      */
	unsigned int links_gone_head;
	struct ikw_order orders[IKW_ORDERS];
	unsigned int order_head; /* next slot */
	struct ikw_helper helpers[IKW_HELPERS];
	unsigned int helper_head; /* next slot */
	struct ikw_gap gaps[IKW_GAPS];
	unsigned int gap_head;
	uint64_t lost;
	uint64_t clock_boot;
	uint64_t clock_wall;
	uint64_t started; /* time of the first event */
	uint32_t sees;	  /* enum ikw_observable */
	uint32_t tier;
	uint32_t netns;			   /* the watched one's inode */
	uint16_t ike_ports[IKW_OWN_PORTS]; /* where IKE is looked for beside 500 and 4500 */
	uint64_t ports_since;		   /* boot time ns of the last change; 0: there was none */
};

int ikw_host_init(struct ikw_host *host);
void ikw_host_free(struct ikw_host *host);

/* Takes the host's events; ignores the others. */
void ikw_host_event(struct ikw_host *host, const union ikw_event *event);

/* The process with that tgid (described or not), or NULL. */
struct ikw_process *ikw_host_process(const struct ikw_host *host, uint32_t tgid);
/* Notes that this process is an IKE daemon. */
void ikw_host_daemon(struct ikw_host *host, const struct ikw_actor *actor, uint64_t time);
/* Is any living IKE daemon known? */
bool ikw_host_has_daemon(const struct ikw_host *host);
bool ikw_host_is_daemon(const struct ikw_host *host, uint32_t tgid);
/* May that process speak IKE where none is looked for? 0: may any that lives? */
bool ikw_host_unheard(const struct ikw_host *host, uint32_t tgid);
/* Was IKE looked for on that UDP port all the time since (boot ns)? */
bool ikw_host_watches(const struct ikw_host *host, uint16_t port, uint64_t since);

/* Is it (or was it, if gone is not NULL and says when it went) an address of this host? */
const struct ikw_address *ikw_host_address(const struct ikw_host *host, const uint8_t *addr);
const struct ikw_link_state *ikw_host_link(const struct ikw_host *host, uint32_t ifindex);
/* The xfrm interface with that if_id: the one that is there, else the one that went last; NULL:
 * none. */
const struct ikw_link_state *ikw_host_xfrm_link(const struct ikw_host *host, uint32_t if_id);
/* Do upper's packets pass lower: a VLAN's its card, a bond's its ports? By ifindex. */
bool ikw_host_link_stands_on(const struct ikw_host *host, uint32_t upper, uint32_t lower);
/*
 * What was off (set down, or gone) at a time (boot ns) so that nothing went over
 * the link: the link, or where it had lost its carrier then, what it stood on
 * that went last, just before. NULL: nothing was, as far as known.
 */
const struct ikw_link_state *ikw_host_link_off(const struct ikw_host *host,
					       const struct ikw_link_state *link, uint64_t at);
/* Had it, up as it was, nothing to send over at that time (boot ns): no carrier? */
bool ikw_link_was_stopped(const struct ikw_link_state *link, uint64_t at);
/* Takes a LINK event. */
void ikw_host_link_event(struct ikw_host *host, const struct ikw_link *event);
void ikw_host_links_free(struct ikw_host *host);

/*
 * What of a CONTROL event's request says which one it is, as this model reads it: the
 * name of a vici request, length and type of stroke's. Into kept; bytes of it, 0: none.
 */
size_t ikw_host_request_tells(const struct ikw_control *event, uint8_t kept[IKW_REQUEST_LEN]);

/* Take a CONTROL and a SIGNAL event. */
void ikw_host_control_event(struct ikw_host *host, const struct ikw_control *event);
void ikw_host_signal_event(struct ikw_host *host, const struct ikw_signal *event);

/*
 * The weightiest order to that daemon between two times (boot ns), newest
 * first among equals; NULL: none. daemon 0 takes an order to any daemon.
 * Orders that only look are not orders.
 */
const struct ikw_order *ikw_host_order(const struct ikw_host *host, uint32_t daemon_tgid,
				       uint64_t from, uint64_t to);
/* Likewise, of those that fit. */
const struct ikw_order *
ikw_host_order_that(const struct ikw_host *host, uint32_t daemon_tgid, uint64_t from, uint64_t to,
		    bool (*fits)(const void *ctx, const struct ikw_order *order), const void *ctx);

/*
 * What that thread of the daemon (0: any of its threads) began and had waited for
 * when, at that time (boot ns), it went on: it had ended just before. NULL: nothing.
 */
const struct ikw_helper *ikw_host_waited_for(const struct ikw_host *host, uint32_t daemon_tgid,
					     uint32_t daemon_tid, uint64_t at);

/* That daemon deleted SAs at that time (boot ns), which orders just before may have made it do. */
void ikw_host_acted(struct ikw_host *host, uint32_t daemon_tgid, uint64_t at);

/*
 * How long (ns) after the same command before it an order was given that has been
 * given again and again and that no deletion has followed: by cron, by a
 * configuration system, by a watchdog. 0: it is no such order. in_vain: how often
 * none followed; may be NULL.
 */
uint64_t ikw_host_order_routine(const struct ikw_host *host, const struct ikw_order *order,
				unsigned int *in_vain);

/* The same command as this one, given just before it; NULL: none was. */
const struct ikw_order *ikw_host_order_repeated(const struct ikw_host *host,
						const struct ikw_order *order);

/* Time of the latest order between those times to send peers to another gateway; 0: none. */
uint64_t ikw_host_order_away(const struct ikw_host *host, uint64_t from, uint64_t to);

/* From an order to what the daemon does about it: chosen; an emulated charon took 5 to 20 ms. */
#define IKW_ORDER_FOLLOWS 300000000ULL /* ns */

/*
 * The IKE_SA with this initiator's SPI did, at the time `to` (boot ns), what the
 * latest order to end something since `from` asks for, if none had done so yet.
 * sure: it was no liveness check; then it also takes an order that it follows at
 * once from an IKE_SA of which that could not be told.
 */
void ikw_host_order_served(struct ikw_host *host, uint64_t spi_i, uint64_t from, uint64_t to,
			   bool sure);

/* Did anybody read a daemon's state through its control socket between these times (boot ns)? */
bool ikw_host_looked(const struct ikw_host *host, uint32_t daemon_tgid, uint64_t from, uint64_t to);

/* Who is behind what a process does. */
enum ikw_who {
	IKW_WHO_UNKNOWN = 0, /* the process was not described */
	IKW_WHO_PERSON,	     /* a session: a terminal, a login */
	IKW_WHO_TRACKER,     /* what tracks links is among its parents (keepalived, bfdd ...) */
	IKW_WHO_LEASES,	     /* a DHCP server is */
	IKW_WHO_SERVICE,     /* none of these: no terminal and nobody logged in */
};
enum ikw_who ikw_host_who(const struct ikw_host *host, uint32_t tgid);

/* Mask of enum ikw_observable that could not be observed during all of [from, to]. */
uint32_t ikw_host_missed(const struct ikw_host *host, uint64_t from, uint64_t to);

/* Wall time of a boot time; 0 before the first CLOCK event. */
uint64_t ikw_host_wall(const struct ikw_host *host, uint64_t boot);

#endif
