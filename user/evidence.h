/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Evidence: the facts of one deletion, taken from the world as it stands.
 * Each fact is seen, not seen, or could not be seen. Pure; decides nothing.
 */
#ifndef IKEWATCH_EVIDENCE_H
#define IKEWATCH_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>
#include "reason.h"
#include "tunnel.h"

/*
 * X(name, slug, sentence part for "could not be seen", observables it needs)
 * The needs are an IKW_SEES_ mask; while any of it is missing the fact's
 * absence proves nothing.
 */
#define IKW_FACTS(X)                                                                               \
	/* the SAD */                                                                              \
	X(NETNS_EXIT, "netns_exit", IKW_SEES_CAUSE)                                                \
	X(DEVICE_EXIT, "device_exit", IKW_SEES_CAUSE)                                              \
	X(HARD_LIMIT, "hard_limit", IKW_SEES_SA)                                                   \
	X(FLUSHED, "flushed", IKW_SEES_SA)                                                         \
	X(FOREIGN_DELETER, "foreign_deleter", IKW_SEES_ACTOR)                                      \
	X(FOREIGN_PORT, "foreign_netlink_port", IKW_SEES_PORTID)                                   \
	X(OTHER_DAEMON, "other_daemon", IKW_SEES_ACTOR)                                            \
	X(NO_DAEMON, "no_ike_daemon", IKW_SEES_ACTOR)                                              \
	X(HAND_MADE, "not_negotiated", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)                         \
	X(VANISHED, "vanished", IKW_SEES_SA)                                                       \
	X(SAME_SPI_BACK, "same_spi_back", IKW_SEES_SA)                                             \
	X(SAME_SPI_PORT, "same_spi_port", IKW_SEES_SA)                                             \
	X(REPLACED_CHILD, "replaced_under_same_ike", IKW_SEES_SA)                                  \
	X(REPLACED_IKE, "replaced_under_new_ike", IKW_SEES_SA)                                     \
	X(REPLACED_PLAIN, "replaced", IKW_SEES_SA)                                                 \
	X(NEXT_OURS, "new_ike_sa_is_ours", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)                     \
	X(RETURNED, "flow_returned", IKW_SEES_SA)                                                  \
	X(MOVED, "flow_to_other_peer", IKW_SEES_SA)                                                \
	X(SENT_AWAY, "flow_to_other_peer_at_its_request", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)      \
	/* the wire */                                                                             \
	X(IKE_SEEN, "ike_seen", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)                                \
	X(NO_IKE, "no_ike_spoken", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)                             \
	X(GAVE_UP_LIVENESS, "liveness_unanswered", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)             \
	X(LIVENESS_EMPTY, "liveness_empty", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)                    \
	X(LIVENESS_CLEAR, "liveness_recognised", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)               \
	X(ASKED, "use_time_read_before", IKW_SEES_ASKED)                                           \
	X(NOT_ASKED, "use_time_not_read_before", IKW_SEES_ASKED)                                   \
	X(UNREAD, "nothing_read_and_no_check_seen", IKW_SEES_ASKED)                                \
	X(HEARD_BEFORE, "heard_within_the_second_before", IKW_SEES_IKE_IN)                         \
	X(GAVE_UP_INFO, "informational_unanswered", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)            \
	X(GAVE_UP_EXCHANGE, "exchange_unanswered", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)             \
	X(LOCAL_DELETE, "local_delete", IKW_SEES_IKE_OUT)                                          \
	X(PEER_DELETE, "peer_delete", IKW_SEES_IKE_IN)                                             \
	X(PEER_CLEAR, "peer_delete_recognised", IKW_SEES_IKE_IN)                                   \
	X(PEER_ISAKMP_DELETE, "peer_isakmp_delete_only", IKW_SEES_IKE_IN)                          \
	X(PEER_EITHER, "peer_delete_of_either_sa", IKW_SEES_IKE_IN)                                \
	X(PEER_CROSSED, "peer_delete_like_an_answer", IKW_SEES_IKE_IN)                             \
	X(CHECK_UNHEARD, "answered_check_of_no_avail",                                             \
	  IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT | IKW_SEES_ESP)                                       \
	X(DELETE_AFTER, "own_delete_right_after", IKW_SEES_IKE_OUT)                                \
	X(DELETE_EXCHANGE, "delete_exchange", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)                  \
	X(NEW_IKE_OUT, "new_ike_sa_begun", IKW_SEES_IKE_OUT)                                       \
	X(NEW_IKE_FIRST, "new_ike_sa_begun_before_deletion", IKW_SEES_IKE_OUT)                     \
	X(NEW_IKE_IN, "peer_began_new_ike_sa", IKW_SEES_IKE_IN)                                    \
	X(NEW_IKE_OPEN, "new_ike_sa_open", IKW_SEES_IKE_IN)                                        \
	X(NEW_IKE_FAILED, "new_ike_sa_failed", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)                 \
	X(NEW_IKE_WITHOUT, "new_ike_sa_without_it", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)            \
	X(REAUTH_FAILED_BEFORE, "reauth_failed_before", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)        \
	X(REAUTH_GIVEN_UP, "reauth_given_up", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT)                  \
	X(INVALID_SPI, "invalid_spi_notify", IKW_SEES_IKE_IN)                                      \
	X(INVALID_SPI_OURS, "invalid_spi_names_ours", IKW_SEES_IKE_IN)                             \
	X(UNSENT_CHECK, "check_begun_nothing_sent",                                                \
	  IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT | IKW_SEES_ASKED)                                     \
	X(UNSENT_EXCHANGE, "exchange_begun_nothing_sent",                                          \
	  IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT | IKW_SEES_LARVAL)                                    \
	/* the host */                                                                             \
	X(ORDER_END, "ordered_down", IKW_SEES_CONTROL | IKW_SEES_SIGNAL)                           \
	X(ORDER_NEAR, "ordered_just_before", IKW_SEES_CONTROL | IKW_SEES_SIGNAL)                   \
	X(ORDER_RELOAD, "ordered_reload", IKW_SEES_CONTROL | IKW_SEES_SIGNAL)                      \
	X(ORDER_OTHER, "ordered", IKW_SEES_CONTROL)                                                \
	X(ORDER_REKEY, "ordered_rekey", IKW_SEES_CONTROL)                                          \
	X(ORDER_AWAY, "ordered_to_another_gateway", 0) /* see_away_blind() */                      \
	X(LINK_GONE, "interface_gone", IKW_SEES_LINK)                                              \
	X(LINK_DOWN, "interface_down", IKW_SEES_LINK)                                              \
	X(ADDRESS_GONE, "own_address_gone", IKW_SEES_LINK)                                         \
	X(ADDRESS_TRACKED, "own_address_gone_with_tracked_state", IKW_SEES_LINK | IKW_SEES_WIRE)   \
	X(BACK_FROM_OTHER, "flow_back_from_other_own_address", IKW_SEES_SA | IKW_SEES_LINK)        \
	X(PEER_ELSEWHERE, "flow_back_where_peer_spoke_last", IKW_SEES_SA | IKW_SEES_IKE_IN)        \
	X(SPI_TAKEN, "spi_taken", IKW_SEES_FAILED)                                                 \
	X(SPI_TAKEN_LIFE, "spi_taken_in_its_life", IKW_SEES_FAILED)                                \
	X(SPI_TAKEN_LATELY, "spi_taken_lately", IKW_SEES_FAILED)                                   \
	X(SPI_TAKEN_AFTER, "spi_taken_afterwards", IKW_SEES_FAILED)                                \
	X(SPI_DISPUTED, "spi_wanted_by_deleter", IKW_SEES_FAILED)                                  \
	X(SPI_TAKEN_HALF, "spi_taken_of_the_other_half", IKW_SEES_FAILED)                          \
	X(IDLE, "idle", IKW_SEES_ESP)                                                              \
	X(CHILD_ONLY, "delete_of_child_only", IKW_SEES_IKE_OUT)                                    \
	X(DELETE_ASKED, "use_time_read_before_delete", IKW_SEES_ASKED)                             \
	X(LIFE_AGAIN, "as_old_as_the_one_before", IKW_SEES_IKE_OUT)                                \
	X(REKEY_REFUSED, "rekey_refused", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT | IKW_SEES_LARVAL)    \
	X(REMADE, "made_anew_once_refused", IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT | IKW_SEES_LARVAL)  \
	/* other protocols, and who is behind an order */                                          \
	X(AAA_ORDER, "aaa_order_acknowledged", IKW_SEES_WIRE)                                      \
	X(AAA_USER, "aaa_order_names_inner_address", IKW_SEES_WIRE)                                \
	X(AAA_SESSION, "aaa_session_time_over", IKW_SEES_WIRE)                                     \
	X(BY_TRACKER, "ordered_by_tracker", IKW_SEES_CONTROL)                                      \
	X(BY_SERVICE, "ordered_without_session", IKW_SEES_CONTROL)                                 \
	X(BY_LEASES, "ordered_by_dhcp_server", IKW_SEES_CONTROL)                                   \
	X(HAND_TRACKER, "deleted_by_tracker", 0) /* see_hand() says when it cannot be seen */      \
	X(HAND_SERVICE, "deleted_without_session", 0)                                              \
	X(HAND_LEASES, "deleted_by_dhcp_server", 0)                                                \
	X(TRACK_CHANGED, "tracked_state_changed", IKW_SEES_WIRE)                                   \
	X(PROBE_SILENT, "probe_unanswered", IKW_SEES_WIRE)                                         \
	X(DNS_CHANGED, "dns_changed", IKW_SEES_WIRE)                                               \
	X(DNS_FOLLOWED, "new_ike_sa_to_new_address", IKW_SEES_WIRE | IKW_SEES_IKE_OUT)             \
	X(LEASE_OVER, "lease_over", IKW_SEES_WIRE)                                                 \
	X(CLUSTER_DELETE, "cluster_node_deleted", IKW_SEES_WIRE)                                   \
	X(CLUSTER_NAMED, "cluster_node_names_this", IKW_SEES_WIRE)                                 \
	X(CLUSTER_IKE, "cluster_node_deleted_ike_sa", IKW_SEES_WIRE)                               \
	X(CLUSTER_PARTNER, "cluster_node_is_spoken_to", IKW_SEES_WIRE)

enum ikw_fact_bit {
#define IKW_X(name, slug, needs) IKW_FACT_BIT_##name,
	IKW_FACTS(IKW_X)
#undef IKW_X
		IKW_FACT_COUNT
};
#define IKW_FACT_SET(bit) ((ikw_fact_set)1 << (bit))
#define IKW_FACT(name)	  IKW_FACT_SET(IKW_FACT_BIT_##name)
_Static_assert(IKW_FACT_COUNT <= 8 * sizeof(ikw_fact_set), "the next fact needs a wider set");

/* One deletion while it is looked into. */
struct ikw_case {
	struct ikw_case *next; /* open cases, by close_at */
	struct ikw_case *prev;
	struct ikw_node by_spi; /* of the SA that went first */
	struct ikw_generation *gen;
	struct ikw_sa first;	   /* the record of the SA that went first */
	struct ikw_exchange *kept; /* what seemed a Delete then, for it is soon forgotten */
	uint64_t opened;	   /* its time */
	uint64_t anchor;	   /* where the cause is looked for: first deletion of the burst */
	uint64_t close_at;
	uint64_t give_up;   /* waits no longer than this, whatever a rule wants */
	bool same_spi_back; /* with another address */
	bool same_spi_port; /* with another port of UDP encapsulation */
	bool closed;
	bool held; /* to be looked at when the dump has ended */
};

/* Facts, and what they were seen in. Times are boot time ns, 0: none. */
struct ikw_facts {
	ikw_fact_set seen;
	ikw_fact_set blind;		      /* could not be seen */
	ikw_fact_set doubt;		      /* seen, but not all that it rests on */
	ikw_fact_set vague;		      /* seen, but it may have been something else */
	const struct ikw_ike_sa *ike;	      /* whose wire explains most */
	const struct ikw_exchange *gave_up;   /* unanswered at the anchor */
	const struct ikw_exchange *local;     /* our Delete, as far as can be told */
	const struct ikw_exchange *peer;      /* the peer's Delete */
	const struct ikw_exchange *sent_away; /* its request that sent us to another peer */
	const struct ikw_exchange *crossed;  /* our check; its answer may be a Delete, or unheard */
	const struct ikw_exchange *late;     /* our Delete, told after the deed */
	const struct ikw_exchange *refused;  /* our rekey of the CHILD_SA that came to nothing */
	uint64_t unsent;		     /* when that began of which nothing left this host */
	const struct ikw_ike_sa *new_ike;    /* negotiation that was to follow */
	const struct ikw_ike_sa *failed_ike; /* reauthentication that had failed before */
	const struct ikw_generation *next_gen; /* that carries the flow on */
	const struct ikw_order *order;
	const struct ikw_order *aside; /* one that was given just before, hardly for this */
	bool of_another;	       /* another IKE_SA followed the order, first or as well */
	bool at_once;		       /* this one followed it at once */
	bool contested; /* explained without it as well: whether others follow it tells more */
	const struct ikw_link_state *link; /* that was off, which took ... */
	const struct ikw_link_state *dark; /* towards the peer, and without a carrier */
	const struct ikw_link_state *way;  /* ... the interface towards the peer with it */
	uint64_t address_gone;		   /* when this host lost the tunnel's own address */
	const struct ikw_mishap *mishap;
	const struct ikw_radius_order *aaa_order;
	const struct ikw_radius_session *aaa_session;
	const struct ikw_track_state *track;
	const struct ikw_prober *prober;
	const struct ikw_echo *echo;
	const struct ikw_name *name;
	const struct ikw_lease *lease;
	const struct ikw_cluster_word *cluster;
	const struct ikw_peer *moved_to; /* the peer at its new address */
	enum ikw_content content;	 /* what the decisive INFORMATIONAL may carry */
	unsigned int silent_checks; /* IKEv1: unanswered R-U-THERE since the last sign of life */
	uint64_t silent_since;
	uint64_t idle_ns;
	uint64_t set_about; /* when the daemon set about the deletion; later, it ran a script first
			     */
	struct ikw_life life;	     /* of the IKE_SA, when our own Delete ended it */
	bool child_life;	     /* it is the CHILD_SA's */
	struct ikw_life child_maybe; /* else the CHILD_SA's, where it may have ended alone; 0: no */
	bool owner_guessed;	     /* ike is one of several that may have managed the SAs */
	bool owner_vague;	     /* and its wire may not be that of these SAs */
	bool pending_outcome;	     /* a negotiation under way may still turn the verdict */
};

/*
 * Its SAs travel in TCP, and so does their IKE (RFC 9329), which the packet programs
 * do not read. From the first SA's record.
 */
bool ikw_case_in_tcp(const struct ikw_case *c);

/*
 * Its IKE may be over UDP ports where nothing is looked for: its SAs are
 * encapsulated between such, or else, for all that was seen of IKE with the
 * peer, who installed them has such a port.
 */
bool ikw_case_unheard(const struct ikw_case *c, const struct ikw_world *world);

/* Which orders are looked at. */
enum ikw_orders {
	IKW_ORDERS_ALL,
	IKW_ORDERS_PLAIN, /* none given hardly for this (facts->aside), none that loads something */
	IKW_ORDERS_NO_END, /* likewise, but none to end something, unless by a signal */
};

/* Collects the facts of a case as known now. */
void ikw_facts_collect(struct ikw_facts *facts, const struct ikw_case *c,
		       const struct ikw_world *world, uint64_t now, enum ikw_orders orders);

/*
 * Those of other protocols, once the rest is known (evidence_outside.c); at:
 * where the cause is looked for.
 */
void ikw_facts_outside(struct ikw_facts *facts, const struct ikw_case *c,
		       const struct ikw_world *world, uint64_t at);

/* Observables a fact needs. */
uint32_t ikw_fact_needs(enum ikw_fact_bit bit);

#endif
