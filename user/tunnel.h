/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tunnel model: peers, tunnels, generations, SAs, policies, IKE_SAs, and
 * what is known of the host. Pure; knows nothing of reasons.
 */
#ifndef IKEWATCH_TUNNEL_H
#define IKEWATCH_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/ikewatch_event.h"
#include "host.h"
#include "ike.h"
#include "ikes.h"
#include "outside.h"
#include "table.h"

struct ikw_tunnel;
struct ikw_generation;
struct ikw_flow;
struct ikw_case;

/* A pair of outer addresses. */
/* There are as many peers as tunnels mostly: 32 bits of such, which wrap, will do. */
#define IKW_WAY_TICK 10000000ULL /* ns */

struct ikw_peer {
	struct ikw_node node;
	struct ikw_node by_remote;
	uint8_t local[IKW_ADDR_LEN];
	uint8_t remote[IKW_ADDR_LEN];
	struct ikw_ikes *ikes;	    /* NULL: none was ever seen */
	struct ikw_tunnel *tunnels; /* newest first */
	struct ikw_peer *idle_next; /* peers without tunnels, oldest first */
	struct ikw_peer *idle_prev;
	uint64_t asked;	      /* a daemon last read when SAs or policies of this peer were used */
	uint64_t asked_any;   /* likewise of those that no port tells whose they are */
	uint64_t asked_since; /* likewise for the first time since any IKE was spoken with it */
	uint64_t notify_time; /* last clear INVALID_SPI / INVALID_IKE_SPI from it */
	struct ikw_life life; /* of its last IKE_SA that the daemon here ended by itself */
	struct ikw_life child_life; /* likewise of a CHILD_SA alone */
	uint32_t asked_by;	    /* its tgid */
	uint32_t notify_spi;
	uint32_t ifindex;     /* towards the peer; 0: not known */
	uint32_t was_ifindex; /* before that one; 0: none */
	uint32_t way_changed; /* when it ceased to be that, IKW_WAY_TICKs of boot time */
	uint16_t notify;
	bool way_seen : 1; /* IKE was seen to leave over it */
	bool idle : 1;
	bool guessed : 1; /* which of the two is ours: nothing told when its SAs came */
};

/* How an SA's traffic went until it was deleted: struct ikw_esp. */
struct ikw_traffic {
	uint64_t sampled;
	uint32_t count;
	uint32_t packets[IKW_ESP_SPANS];
};

struct ikw_sa_node {
	struct ikw_node node; /* by daddr, spi, proto, mark */
	struct ikw_generation *generation;
	struct ikw_traffic *traffic; /* NULL: not known, or not asked for yet */
	uint64_t installed;	     /* boot time ns; 0: before the agent began */
	uint64_t gone;		     /* boot time ns; 0: in the SAD */
	uint64_t bytes;
	uint64_t packets;
	uint64_t last; /* last packet seen by the packet programs, boot time ns */
	uint64_t add_wall_s;
	uint64_t last_wall_s;
	uint32_t spi;
	uint32_t mark;
	uint32_t lost; /* on the path, in its last minute of traffic */
	uint32_t reordered;
	uint32_t dumped; /* number of the last dump that showed it */
	uint32_t life_s; /* hard limits; 0: none */
	uint32_t life_kib;
	uint16_t encap_dport;
	uint16_t encap_sport;
	uint8_t proto;
	uint8_t dir;
	bool esp_seen; /* counters came from the packet programs */
	uint8_t pad;
};

/* An inbound and an outbound SA that came together. */
struct ikw_generation {
	struct ikw_tunnel *tunnel;
	struct ikw_generation *next; /* of the tunnel, newest first */
	struct ikw_sa_node *in;	     /* of sas[]; NULL: none yet */
	struct ikw_sa_node *out;
	struct ikw_ike_sa *ike;	    /* that negotiated it; NULL: not known */
	struct ikw_case *deletion;  /* its open case, NULL: none or closed */
	struct ikw_kept_flow *kept; /* its flow; NULL: the tunnel's */
	uint64_t born;
	uint64_t rival; /* spi_i of another IKE_SA that may as well have negotiated it; 0: none */
	uint32_t installer_tgid;
	uint32_t installer_portid;
	uint8_t exchange; /* type of the exchange that brought it; 0: not seen */
	bool ending;	  /* its deletion has begun */
	bool dumped;	  /* was there before the agent began */
	bool quiet;	  /* came while the peers, known to speak IKE, spoke none */
	bool refused;	  /* the kernel did not take its other SA */
	bool flowed;	  /* a policy came while it was the newest */
	bool ours;	  /* that exchange was begun here */
	uint8_t pad;
	struct ikw_sa_node sas[2];
};

struct ikw_flow {
	struct ikw_selector sel; /* as the outbound policy has it: source is ours */
	uint32_t mark;		 /* and which packets it takes: by their mark, */
	uint32_t mark_mask;	 /* 0: whatever that is */
	uint32_t rule_num;	 /* the policy's index; 0: no policy seen */
	bool known;
};

/* That of a generation whose tunnel has another one by now. */
struct ikw_kept_flow {
	struct ikw_flow flow;
	struct ikw_node node; /* by the same as ikw_tunnel.flow_node */
	struct ikw_generation *generation;
};

struct ikw_tunnel {
	struct ikw_node node;	   /* by peer, reqid, mark, if_id, SA selector */
	struct ikw_node flow_node; /* by selectors, mark and if_id; hash 0: not in it */
	struct ikw_tunnel *peer_next;
	struct ikw_tunnel *peer_prev;
	struct ikw_tunnel *gone_next; /* of those without SAs; the one that went first is first */
	struct ikw_tunnel *gone_prev;
	struct ikw_peer *peer;
	struct ikw_generation *generations; /* newest first */
	struct ikw_flow flow;
	struct ikw_selector own_sel; /* of its SAs themselves, source is ours */
	uint64_t up_since;
	uint64_t last_deletion; /* Unix ns, be it in an earlier life; 0: none, or no clock yet */
	uint32_t index;
	uint32_t reqid;
	uint32_t mark;
	uint32_t mark_mask;
	uint32_t if_id;
	uint32_t deletions;
	uint32_t sa_sel; /* hash of the SAs' own selector */
	uint8_t last_reason;
	uint8_t proto;
	bool up : 1;
	bool gone : 1;	  /* it has no generation, and may be forgotten */
	bool several : 1; /* a generation of it has several policies: its flow is one of them */
	uint8_t mode;
};

struct ikw_policy_node {
	struct ikw_node node; /* by template addresses and reqid */
	struct ikw_selector sel;
	uint8_t saddr[IKW_ADDR_LEN];
	uint8_t daddr[IKW_ADDR_LEN];
	uint32_t reqid;
	uint32_t index;
	uint32_t if_id;
	uint32_t mark;
	uint32_t mark_mask;
};

#define IKW_CAME_UP 32

/* What the world tells the judge (model.c). */
struct ikw_world_ops {
	/* The first SA of a generation went. */
	void (*deletion)(void *ctx, struct ikw_generation *gen, const struct ikw_sa *event);
	/* A further SA of a generation whose deletion has begun went. */
	void (*further)(void *ctx, struct ikw_generation *gen, const struct ikw_sa *event);
	/* A generation got an SA. */
	void (*installed)(void *ctx, struct ikw_generation *gen, const struct ikw_sa *event);
	/* The policy that leads into its SAs came: the flow of a generation is known. */
	void (*flowed)(void *ctx, struct ikw_generation *gen, uint64_t time);
	/* An SA is there from now on, or is not any more: once each. May be NULL. */
	void (*sa)(void *ctx, const struct ikw_sa_node *sa, bool there);
	/* A tunnel needs a number; and what of an earlier life under that key goes on. */
	uint32_t (*number)(void *ctx, struct ikw_tunnel *tunnel, const char *key);
	/* A tunnel came up or went down. */
	void (*state)(void *ctx, struct ikw_tunnel *tunnel, uint64_t time);
	void *ctx;
};

/* An install that failed because its SPI was taken: kept for the cases near it. */
struct ikw_mishap {
	uint64_t time;
	uint64_t
		ike; /* SPI of the initiator of the IKE_SA that the tunnel had then; 0: not known */
	uint8_t saddr[IKW_ADDR_LEN];
	uint8_t daddr[IKW_ADDR_LEN];
	uint32_t spi;
	uint32_t tgid;	 /* who tried; 0: not known */
	uint32_t tunnel; /* its index; 0: none that is known */
	uint16_t encap_dport;
	uint16_t encap_sport;
};
#define IKW_MISHAPS 64
#define IKW_SIGHTED 1024

/* An SA that was added, as far as the one it may be a clone of is known by. */
struct ikw_clone {
	uint64_t time;	     /* 0: empty */
	uint64_t add_wall_s; /* curlft.add_time, Unix seconds */
	uint32_t spi;
	uint32_t reqid;
	uint32_t tgid; /* who added it; 0: not known */
	uint8_t proto;
	uint8_t saddr[IKW_ADDR_LEN];
	uint8_t daddr[IKW_ADDR_LEN];
};

#define IKW_CLONES 64
#define IKW_ADDED  4

/* When an SPI was reserved for an inbound SA to come (xfrm_alloc_spi). */
struct ikw_reserved {
	uint64_t id; /* hash of destination and SPI */
	uint64_t time;
	uint64_t pair;	/* hash of the two addresses */
	uint64_t spi_i; /* of the IKE_SA that it was reserved for; 0: not told yet */
	uint64_t rival; /* of another whose request waited for an SPI as well; 0: none */
	uint64_t asked; /* when the request that it is for was seen; 0: not told yet */
};
#define IKW_RESERVED	  256 /* by their hash, as many times ... */
#define IKW_RESERVED_WAYS 4   /* ... this: the oldest of those alike goes */
#define IKW_RESERVED_LAST 64  /* in the order of their time */

/* An IKE message, and where it was seen. */
struct ikw_sighting {
	uint64_t time;
	uint64_t message; /* a hash of what tells it from others */
	uint32_t ifindex;
};

struct ikw_world {
	struct ikw_world_ops ops;
	struct ikw_host host;
	struct ikw_outside outside;
	struct ikw_table peers;
	struct ikw_table remotes; /* the same by their remote address alone */
	struct ikw_table ikes;
	struct ikw_table tunnels;
	struct ikw_table flows;
	struct ikw_table kept_flows;
	struct ikw_table sas;
	struct ikw_table policies;
	struct ikw_mishap mishaps[IKW_MISHAPS];
	unsigned int mishap_head;
	struct ikw_sighting sighted[IKW_SIGHTED]; /* by message */
	struct ikw_clone clones[IKW_CLONES];	  /* the last clones, a ring */
	unsigned int clone_head;
	uint64_t clone_last;		   /* time of the last one; 0: none yet */
	struct ikw_clone added[IKW_ADDED]; /* the last that are not clones by themselves, a ring */
	unsigned int added_head;
	struct ikw_reserved reserved[IKW_RESERVED][IKW_RESERVED_WAYS];
	struct ikw_reserved *reserved_last[IKW_RESERVED_LAST]; /* a ring */
	unsigned int reserved_head;
	uint64_t tunnels_up;
	uint64_t up_most;			 /* ever at once */
	struct ikw_tunnel *came_up[IKW_CAME_UP]; /* the last that did, a ring */
	unsigned int came_up_head;
	struct ikw_tunnel *gone_first;
	struct ikw_tunnel *gone_last;
	size_t gone_count;
	uint64_t ike_repeats; /* IKE messages sent again, by either side */
	uint64_t generations;
	uint64_t now;
	bool guessed;	       /* a peer is, or was */
	uint64_t asked_unseen; /* until then reads of use times were left out */
	uint32_t dump;	       /* number of the dump under way or last ended */
	bool dumping;
	uint64_t dump_began;
	struct ikw_peer *idle_first; /* bounded: forged sources must not fill memory */
	struct ikw_peer *idle_last;
	size_t idle_count;
};

int ikw_world_init(struct ikw_world *world, const struct ikw_world_ops *ops);
void ikw_world_free(struct ikw_world *world);

/* Takes any event into the world; calls ops as it goes. */
void ikw_world_event(struct ikw_world *world, const union ikw_event *event);

/* The peer with these addresses, or NULL. */
struct ikw_peer *ikw_world_peer(const struct ikw_world *world, const uint8_t *local,
				const uint8_t *remote);

/* The IKE_SA with that initiator's SPI, or NULL; of several any. */
struct ikw_ike_sa *ikw_world_ike(const struct ikw_world *world, uint64_t spi_i);

/*
 * True when an SA that is going now was added elsewhere a moment ago with the
 * same SPI, as a clone of it: XFRM_MSG_MIGRATE adds first and deletes then
 * (xfrm_migrate). SAs made by hand may share an SPI without being clones. What
 * is known of the flow of the tunnel it went from is then known of the other's.
 */
bool ikw_world_migrated(struct ikw_world *world, const struct ikw_tunnel *from,
			const struct ikw_sa *gone);

/* True while one SA of the generation is not known: never seen, or not yet. */
bool ikw_generation_half(const struct ikw_generation *generation);

/*
 * True while the generation can carry traffic: nothing of it has gone, and the
 * kernel did not refuse one of its SAs (Libreswan 5, answering, leaves the other).
 */
bool ikw_generation_usable(const struct ikw_generation *gen);

/*
 * The selectors that this generation's packets had when the tunnel had others
 * since: what came after it may have been narrowed or widened.
 */
const struct ikw_flow *ikw_generation_flow(const struct ikw_generation *gen);

/* Is there traffic that both select? */
bool ikw_selectors_meet(const struct ikw_selector *a, const struct ikw_selector *b);

/*
 * Do the two generations of one tunnel carry different traffic? CHILD_SAs may share a
 * reqid though the peer granted each other selectors.
 */
bool ikw_generations_apart(const struct ikw_generation *a, const struct ikw_generation *b);

/* The newest usable generation of the tunnel but `but` and what is apart from it, or NULL. */
struct ikw_generation *ikw_tunnel_usable(const struct ikw_tunnel *tunnel,
					 const struct ikw_generation *but);

/*
 * The newest usable generation other than `but` that carries the same flow, of
 * this tunnel or of one to another peer address; NULL when there is none.
 */
struct ikw_generation *ikw_flow_usable(const struct ikw_world *world,
				       const struct ikw_tunnel *tunnel,
				       const struct ikw_generation *but);

/* The same selectors, and marks or interface IDs of their own. */
bool ikw_flow_drawn_anew(const struct ikw_tunnel *a, const struct ikw_tunnel *b);

/*
 * The generation with which a tunnel came up between the two boot times (ns) that
 * differs from that of gen in marks or interface ID alone: a daemon that draws
 * these anew for each CHILD_SA (strongSwan's %unique) makes one of what carries the
 * same flow on. It may as well be another tunnel that routes tell apart. Usable, of
 * another IKE_SA; NULL: there is none.
 */
struct ikw_generation *ikw_flow_heir(const struct ikw_world *world,
				     const struct ikw_generation *gen, uint64_t from,
				     uint64_t until);

/* The IKE_SA that answers for a generation now: its own, or what succeeded it; NULL: not known. */
struct ikw_ike_sa *ikw_generation_ike(const struct ikw_generation *gen);

/* Its addresses: the world's, good until the next event. */
const uint8_t *ikw_sa_saddr(const struct ikw_sa_node *sa);
const uint8_t *ikw_sa_daddr(const struct ikw_sa_node *sa);

/* Is there another one with its destination and SPI (a clone, while a migration is under way)? */
bool ikw_sa_shared(const struct ikw_world *world, const struct ikw_sa_node *sa);

/* The SA of the same generation that goes the other way, if it is in the SAD; with its destination.
 */
const struct ikw_sa_node *ikw_world_partner(const struct ikw_world *world, const uint8_t *daddr,
					    uint32_t spi, const uint8_t **partner_daddr);

/*
 * The daemon, which reads when SAs were last used before each liveness check (NULL:
 * not known), had not done so before this exchange. That it read nothing tells
 * something of a daemon only that does so.
 */
bool ikw_ike_not_asked(const struct ikw_ike_sa *ike, const struct ikw_exchange *exchange,
		       const struct ikw_process *daemon);

/*
 * Does the daemon read use times before its checks? By those that were answered, this
 * IKE_SA's last too, if nothing had ended since then at `at` (boot time ns).
 */
bool ikw_ike_asks(const struct ikw_ike_sa *ike, const struct ikw_process *daemon, uint64_t at);

/*
 * Was IKE with this peer's remote address seen at another address of this host?
 * It may be the tunnel's: a host that translates its own daemon's address.
 */
bool ikw_peer_speaks_elsewhere(const struct ikw_world *world, const struct ikw_peer *peer);
/*
 * When a message of any IKE_SA of that peer was last seen, either way; boot time ns,
 * 0: none was.
 */
uint64_t ikw_peer_spoken(const struct ikw_peer *peer);

/* When an SPI was last reserved for that peer for which no request was seen to leave; 0: never. */
uint64_t ikw_peer_reserved(const struct ikw_world *world, const struct ikw_peer *peer);

/* The peer's port that its SAs go to or come from in UDP; 0: no encapsulation. */
uint16_t ikw_generation_encap(const struct ikw_generation *gen);
/* The case of a generation is closed: forget what nobody needs any more. */
void ikw_generation_release(struct ikw_world *world, struct ikw_generation *gen);

/* The outbound policy with that template, or NULL. */
const struct ikw_policy_node *ikw_world_policy(const struct ikw_world *world, const uint8_t *saddr,
					       const uint8_t *daddr, uint32_t reqid);

#endif
