/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What other protocols told that may explain a deletion: RADIUS orders and
 * sessions, BFD and VRRP states, names and their addresses, leases, echoes,
 * what the other nodes of a cluster say, and the processes that send probes.
 * Bounded; pure.
 *
 * All of this can be forged by whoever can send a packet here. So what counts
 * is what this host did: the acknowledgement it sent, the state it announces
 * itself, the answer to a question it asked.
 */
#ifndef IKEWATCH_OUTSIDE_H
#define IKEWATCH_OUTSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/ikewatch_event.h"

struct ikw_host;

/* A Disconnect- or CoA-Request (RFC 5176). */
struct ikw_radius_order {
	uint64_t time;
	uint64_t acked; /* when this host's ACK went out; 0: none did */
	uint8_t server[IKW_ADDR_LEN];
	uint8_t framed[IKW_ADDR_LEN]; /* Framed-IP-Address; zero: none given */
	uint16_t port;
	uint8_t id;
	uint8_t code; /* 40 Disconnect-Request, 43 CoA-Request */
	uint32_t timeout_s;
	uint64_t obeyed; /* begin of the last Delete of ours that may have been for it; 0: none */
	char user[64];
};

/* A session whose length the AAA server set (Session-Timeout). */
struct ikw_radius_session {
	uint64_t time; /* of the Access-Accept */
	uint8_t framed[IKW_ADDR_LEN];
	uint32_t timeout_s;
	bool changed; /* by a CoA-Request */
	char user[64];
};

/* A state this host announces: BFD (RFC 5880) or VRRP (RFC 5798). */
struct ikw_track_state {
	uint64_t changed; /* boot time ns of the last change that matters; 0: none seen */
	uint64_t heard;
	uint8_t peer[IKW_ADDR_LEN];
	uint32_t id; /* our discriminator, or the VRID */
	uint32_t ifindex;
	uint8_t kind;	 /* enum ikw_wire_kind */
	uint8_t state;	 /* BFD: as announced; VRRP: our priority while we are master */
	uint8_t fell_to; /* BFD: what it announced when it left Up */
	uint8_t elected; /* VRRP: priority of the other router that took over */
	bool ours;	 /* VRRP: we announced ourselves last */
};

/* The addresses a name had in the answers to this host's own queries. */
#define IKW_NAME_ADDRS 8
struct ikw_name {
	uint64_t hash;
	uint64_t time;	  /* of the last answer */
	uint64_t changed; /* of the answer that differed from the one before; 0: none did */
	uint8_t addrs[IKW_NAME_ADDRS][IKW_ADDR_LEN];
	uint8_t old[IKW_NAME_ADDRS][IKW_ADDR_LEN];  /* before the change */
	uint8_t next[IKW_NAME_ADDRS][IKW_ADDR_LEN]; /* of the answer that is being told */
	uint32_t next_id;
	uint8_t next_count;
	uint8_t next_due; /* addresses of it still to come */
	uint8_t count;
	uint8_t old_count;
	uint8_t rcode;
	uint16_t type; /* QTYPE: 1 A, 28 AAAA */
	char name[64];
};

struct ikw_lease {
	uint64_t time; /* of the last ACK; 0: free */
	uint8_t addr[IKW_ADDR_LEN];
	uint32_t lease_s;
	uint64_t released; /* boot time ns; 0: not */
};

struct ikw_echo {
	uint64_t request; /* the last one of this host */
	uint64_t reply;	  /* to it */
	uint64_t silent;  /* the first request since the last reply */
	uint8_t addr[IKW_ADDR_LEN];
	uint32_t asked; /* requests told since the last reply */
};

/* A process that opened a socket for ICMP. */
struct ikw_prober {
	uint64_t time;
	uint64_t ended; /* 0: it lives, as far as known */
	uint32_t tgid;
	uint32_t parents[2]; /* nearest first */
	bool failed;	     /* ended with a status of its own that is not 0 */
	char comm[IKW_COMM_LEN];
};

/* What another node of this host's cluster told of a CHILD_SA, or of an IKE_SA (spi 0). */
struct ikw_cluster_word {
	uint64_t added;	  /* boot time ns; 0: not told, as all of an IKE_SA's */
	uint64_t deleted; /* 0: not */
	uint8_t node[IKW_ADDR_LEN];
	uint8_t ike[16]; /* the IKE_SA's SPIs, initiator's and responder's */
	uint32_t spi;	 /* inbound */
	bool partner;	 /* this host speaks to that node as well */
};

struct ikw_outside_store;

struct ikw_outside {
	struct ikw_outside_store *store; /* NULL until there is something to keep */
};

void ikw_outside_free(struct ikw_outside *outside);
/* Takes WIRE events and PROC's probers; ignores the others. */
void ikw_outside_event(struct ikw_outside *outside, const struct ikw_host *host,
		       const union ikw_event *event);

/* Events of several CPUs, and of packets and SAs, may pass each other by so much. */
#define IKW_OUTSIDE_SLACK 50000000ULL

/*
 * The last Disconnect-Request of the AAA server that this host acknowledged, received
 * since that time, for what began to end at root. inner: the tunnel's inner address,
 * or NULL; an order that names another is not for it. One that names none is not for
 * what began after the last that obeyed it.
 */
const struct ikw_radius_order *ikw_outside_order(const struct ikw_outside *outside,
						 const uint8_t *inner, uint64_t since,
						 uint64_t root);

/*
 * A request of ours, sent at that time, that may be a Delete. An order that names
 * no address is obeyed by the first such one within IKW_OUTSIDE_OBEYED, and by
 * those that follow it one after the other: a user may be there several times.
 */
#define IKW_OUTSIDE_OBEYED 2000000000ULL
void ikw_outside_obeyed(struct ikw_outside *outside, uint64_t time);

/*
 * The session that was accepted within [from, born], for inner as above, or
 * given a new end until then by a CoA-Request that names inner.
 */
const struct ikw_radius_session *ikw_outside_session(const struct ikw_outside *outside,
						     const uint8_t *inner, uint64_t from,
						     uint64_t born, uint64_t until);

/* The BFD session or VRRP router of ours that changed last within [from, to]. */
const struct ikw_track_state *ikw_outside_track(const struct ikw_outside *outside, uint64_t from,
						uint64_t to);

/*
 * A name that resolved to addr until an answer within [from, to] did not hold
 * it any more (or was no answer), and has not had it since.
 */
const struct ikw_name *ikw_outside_name(const struct ikw_outside *outside, const uint8_t *addr,
					uint64_t from, uint64_t to);

/* The lease of that address, or NULL. */
const struct ikw_lease *ikw_outside_lease(const struct ikw_outside *outside, const uint8_t *addr);

/*
 * The last of the probing processes that ended within [from, to] and have one
 * of these parents (tgids; 0: none), or that still run and whose echo requests
 * stay unanswered: then *echo says which. NULL when there is none or that last
 * one was content.
 */
const struct ikw_prober *ikw_outside_probe(const struct ikw_outside *outside,
					   const uint32_t *parents, size_t count, uint64_t from,
					   uint64_t to, const struct ikw_echo **echo);

/*
 * What another node told within [from, to]: that it deleted the CHILD_SA whose inbound
 * SPI is one of these (0: none), or its IKE_SA; *named then. Of a CHILD_SA whose IKE_SA
 * is not known (nothing told before, or rekeyed since), the last IKE_SA that it said to
 * be deleted, whosever it was. NULL: neither.
 */
const struct ikw_cluster_word *ikw_outside_cluster(const struct ikw_outside *outside,
						   const uint32_t spis[2], uint64_t from,
						   uint64_t to, bool *named);

#endif
