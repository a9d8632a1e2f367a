/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside of the tunnel model: user/world.c, peers.c, tunnel.c, sas.c and recall.c only.
 * Objects are the world's; a pointer is good until the next event. ikw_..._event()
 * takes in one event of that kind, with all that follows from it.
 */
#ifndef IKEWATCH_WORLD_PRIVATE_H
#define IKEWATCH_WORLD_PRIVATE_H

#include "tunnel.h"

#define IKW_INSTALL_WINDOW (30 * IKW_SECOND) /* between an installing exchange and its SA */

/* ---- peers.c: peers and IKE_SAs ------------------------------------------- */

/* A peer's place in world->peers. */
static inline uint64_t ikw_peer_hash(const uint8_t *local, const uint8_t *remote)
{
	return ikw_hash_16(remote, ikw_hash_16(local, 3));
}

/* The peer with these addresses, made if need be; NULL: no memory. */
struct ikw_peer *ikw_peer_get(struct ikw_world *world, const uint8_t *local, const uint8_t *remote);

/* The peer has no tunnel any more: it may be forgotten. */
void ikw_peer_idle(struct ikw_world *world, struct ikw_peer *peer);

/* The peer has a tunnel from now on: it is none of those that may be forgotten. */
void ikw_peer_busy(struct ikw_world *world, struct ikw_peer *peer);

/*
 * A process reads when SAs or policies of that peer were last used; NULL: not known
 * of which. port: the peer's that they go to, behind which NAT it may be one of
 * many; 0: none, or not known.
 */
void ikw_peer_asked(struct ikw_world *world, struct ikw_peer *peer, uint16_t port,
		    const struct ikw_hdr *hdr, const struct ikw_actor *by);

/* Finds the IKE_SA that negotiated a generation just made, if the wire tells. now: boot time ns. */
void ikw_generation_attribute(const struct ikw_world *world, struct ikw_generation *gen,
			      uint64_t now);

/* The generation is that IKE_SA's from now on, or with NULL nobody's. */
void ikw_generation_owned(struct ikw_generation *gen, struct ikw_ike_sa *ike);

/* A new IKE_SA of the peer; created: boot time ns. NULL: no memory. */
struct ikw_ike_sa *ikw_ike_add(struct ikw_world *world, struct ikw_peer *peer, uint64_t spi_i,
			       uint8_t version, uint64_t created);

/* Who carries its CHILD_SAs on at last, itself if nobody else does. NULL is fine. */
struct ikw_ike_sa *ikw_ike_last(struct ikw_ike_sa *ike);

void ikw_ike_event(struct ikw_world *world, const struct ikw_ike *event);
/*
 * Takes an SPI that is reserved now (time, id and pair are set) as for the
 * request that came first of those that this peer waits for an answer to.
 */
void ikw_peer_asking(struct ikw_world *world, const uint8_t *local, const uint8_t *remote,
		     struct ikw_reserved *reserved);
void ikw_route_event(struct ikw_world *world, const struct ikw_route *event);
void ikw_way_event(struct ikw_world *world, const struct ikw_way *event);

/* ---- tunnel.c: tunnels, their flows, policies ------------------------------- */

/* The tunnel of an SA, made if need be; NULL: no memory. dir: of the SA, as far as can be told. */
struct ikw_tunnel *ikw_tunnel_get(struct ikw_world *world, const struct ikw_sa *sa, uint8_t dir);
/* It got its first generation; its last one went. */
void ikw_tunnel_taken(struct ikw_world *world, struct ikw_tunnel *tunnel);
void ikw_tunnel_left(struct ikw_world *world, struct ikw_tunnel *tunnel);
/*
 * Forgets tunnels without SAs, the one that went first before the others: clients
 * come from ever new addresses, and daemons have ever new reqids for them. As
 * many stay as were ever up at once, and no fewer than GONE_LEAST (tunnel.c).
 * Only where nobody holds a tunnel or a peer.
 */
void ikw_tunnels_bound(struct ikw_world *world);
/* What it kept of the flow that it had, if anything, is forgotten. */
void ikw_flow_unkept(struct ikw_world *world, struct ikw_generation *gen);
/* The same, if it is there; NULL: it is not. */
struct ikw_tunnel *ikw_tunnel_known(const struct ikw_world *world, const struct ikw_sa *sa,
				    uint8_t dir);

/* Looks again whether the tunnel is up, and tells when that has changed. time: boot time ns. */
void ikw_tunnel_state(struct ikw_world *world, struct ikw_tunnel *tunnel, uint64_t time);

/* What the tunnel carries; a rule_num of 0 leaves the one that is known. */
void ikw_flow_set(struct ikw_world *world, struct ikw_tunnel *tunnel, const struct ikw_flow *flow);

void ikw_policy_event(struct ikw_world *world, const struct ikw_policy *event);

/* Forgets them all, where that is all that netlink told of it; the probes tell each. */
void ikw_policies_flushed(struct ikw_world *world, const struct ikw_flush *event);

/* ---- sas.c: SAs and generations ---------------------------------------------- */

/* The generation of a living SA, by its destination and SPI; NULL: there is none. */
struct ikw_generation *ikw_generation_of(const struct ikw_world *world, const uint8_t *daddr,
					 uint32_t spi);

/* Takes it out of its tunnel; its SAs are in no table any more. */
void ikw_generation_free(struct ikw_world *world, struct ikw_generation *gen);

/* The other end is ours: what was taken for inbound is outbound. Its tunnel's peer says so already.
 */
void ikw_generation_turn(struct ikw_world *world, struct ikw_generation *gen);

void ikw_sa_event(struct ikw_world *world, const struct ikw_sa *event);
void ikw_flush_event(struct ikw_world *world, const struct ikw_flush *event);
void ikw_dump_event(struct ikw_world *world, const struct ikw_dump *event);
void ikw_esp_event(struct ikw_world *world, const struct ikw_esp *event);

/* ---- recall.c: what an earlier agent knew (user/checkpoint.c) ------------------- */

void ikw_ikesa_event(struct ikw_world *world, const struct ikw_ikesa *event);

#endif
