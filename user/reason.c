// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>
#include "evidence.h"
#include "reason.h"

static const char *const texts[] = {
#define IKW_X(name, text, severity) text,
	IKW_REASONS(IKW_X)
#undef IKW_X
};

static const char *const severities[] = {
#define IKW_X(name, text, severity) severity,
	IKW_REASONS(IKW_X)
#undef IKW_X
};

const char *ikw_reason_text(enum ikw_reason reason)
{
	return texts[reason];
}

const char *ikw_reason_severity(enum ikw_reason reason)
{
	return severities[reason];
}

int ikw_reason_find(const char *text)
{
	for (int i = 0; i < IKW_REASON_COUNT; i++)
		if (!strcmp(texts[i], text))
			return i;
	return -1;
}

const char *ikw_confidence_text(enum ikw_confidence confidence)
{
	static const char *const names[] = { "none", "possible", "likely", "certain" };

	return names[confidence];
}

#define F(name)	     IKW_FACT(name)
#define ORDERS	     (F(ORDER_END) | F(ORDER_RELOAD) | F(ORDER_OTHER))
#define GAVE_UP	     (F(GAVE_UP_LIVENESS) | F(GAVE_UP_INFO) | F(GAVE_UP_EXCHANGE))
#define NOTHING_ELSE (GAVE_UP | F(LOCAL_DELETE) | F(PEER_DELETE) | F(DELETE_EXCHANGE))

#define CERTAIN	 IKW_CONFIDENCE_CERTAIN
#define LIKELY	 IKW_CONFIDENCE_LIKELY
#define POSSIBLE IKW_CONFIDENCE_POSSIBLE
#define R(name)	 IKW_REASON_##name

/*
 * Precedence: first what the kernel alone decides, then what replaced the SAs,
 * then silence (the oldest unanswered request is the root), then who deleted,
 * then who ordered. Within a subject the stronger evidence comes first.
 */
static const struct ikw_rule rules[] = {
	/* xfrm_state_flush(net, 0, task_valid = false) from the namespace's exit */
	{ "netns_exit", R(INTERFACE_REMOVED), CERTAIN, true, F(NETNS_EXIT), 0, 0,
	  "the network namespace that the SAs belonged to was torn down" },
	{ "device_exit", R(INTERFACE_REMOVED), CERTAIN, true, F(DEVICE_EXIT), 0, 0,
	  "the device that carried the SAs went away" },
	/* RFC 4555 3.5: the same SPIs with another address; settles, for the policies come last */
	{ "same_spi_back", R(PEER_ADDRESS_SWITCH), CERTAIN, false, F(SAME_SPI_BACK), 0, 0,
	  "the same SA came back at once with another address" },
	/* RFC 7296 2.23: a NAT gave the peer another port, and the daemon moved the SA to it */
	{ "same_spi_port", R(PORT_MISMATCH), CERTAIN, false, F(SAME_SPI_PORT), 0, 0,
	  "the same SA came back at once with another port of the peer's NAT" },
	/* xfrm_timer_handler; IKEv1 rekeying leaves the old inbound SA to its limit */
	{ "limit_after_rekey", R(PHASE2_REPLACE), CERTAIN, true, F(HARD_LIMIT) | F(REPLACED_CHILD),
	  0, 0, "a rekey had replaced the SA before the kernel's hard limit took it" },
	{ "limit_after_conflict", R(SPI_CONFLICT), LIKELY, true, F(HARD_LIMIT) | F(SPI_TAKEN_LIFE),
	  0, 0,
	  "the SA that was to replace it could not be installed, its SPI being taken, and the "
	  "kernel's hard limit then removed this one" },
	/* iked's retransmissions outlast the margin before the limit: what was never answered is
	   the root */
	{ "limit_after_silence", R(EXCHANGE_TIMEOUT), LIKELY, false,
	  F(HARD_LIMIT) | F(GAVE_UP_EXCHANGE), 0, 0,
	  "the peer never answered an exchange of ours, and the kernel's hard limit removed the SA "
	  "while the daemon still waited" },
	{ "hard_limit", R(PHASE2_HARD_EXPIRY), CERTAIN, true, F(HARD_LIMIT), 0, 0,
	  "the kernel's hard limit removed the SA" },
	/* charon and pluto delete by SPI what they failed to install: the other's SA goes */
	{ "spi_disputed", R(SPI_CONFLICT), LIKELY, true, F(SPI_DISPUTED), 0, 0,
	  "an IKE daemon was refused this SA's SPI for a tunnel of its own, and then deleted the "
	  "SA that had it" },
	/* RFC 7296 2.8 knows no half of a CHILD_SA: without the other this one is taken back */
	{ "conflict_of_a_half", R(SPI_CONFLICT), LIKELY, true, F(SPI_TAKEN_HALF),
	  F(FLUSHED) | F(FOREIGN_DELETER), 0,
	  "the SA of the other direction could not be installed, its SPI being taken, and the "
	  "daemon took this one away again" },
	/* past the daemon, which is not asked: what made that process do so is the root */
	{ "tracker_deleted", R(TRACK), CERTAIN, true, F(HAND_TRACKER) | F(TRACK_CHANGED), 0, 0,
	  "a BFD session or VRRP router of this host changed, and what tracks it deleted the SAs" },
	{ "tracker_deleted_alone", R(TRACK), LIKELY, true, F(HAND_TRACKER), 0, 0,
	  "a process that tracks links or routers deleted the SAs" },
	/* what names this tunnel's own peer or lease tells more than what changed on the host */
	{ "lease_deleted", R(MODECFG_LEASE), LIKELY, true, F(LEASE_OVER) | F(HAND_LEASES), 0, 0,
	  "the lease of the inner address ran out, and the DHCP server's script deleted the SAs" },
	{ "name_or_track_deleted", R(DNS_CHANGE), POSSIBLE, true,
	  F(DNS_CHANGED) | F(HAND_SERVICE) | F(TRACK_CHANGED), 0, 0,
	  "the peer's name no longer resolved to its address, and a script then deleted the SAs; "
	  "or "
	  "it did for a BFD session or VRRP router of this host that had changed as well" },
	{ "track_deleted", R(TRACK), LIKELY, true, F(HAND_SERVICE) | F(TRACK_CHANGED), 0, 0,
	  "a BFD session or VRRP router of this host changed, and a script then deleted the SAs" },
	{ "probe_deleted", R(TRACK), LIKELY, true, F(HAND_SERVICE) | F(PROBE_SILENT), 0, 0,
	  "a script's probes failed, and it then deleted the SAs" },
	{ "name_deleted", R(DNS_CHANGE), LIKELY, true, F(DNS_CHANGED) | F(HAND_SERVICE), 0, 0,
	  "the peer's name no longer resolved to its address, and a script then deleted the SAs" },
	{ "flush", R(MANUAL), CERTAIN, true, F(FLUSHED), F(HAND_TRACKER), 0,
	  "the whole SAD was flushed" },
	{ "foreign_deleter", R(MANUAL), CERTAIN, true, F(FOREIGN_DELETER), F(HAND_TRACKER), 0,
	  "a process that neither installed the SA nor speaks IKE deleted it" },
	{ "foreign_port", R(MANUAL), LIKELY, true, F(FOREIGN_PORT), 0, 0,
	  "the SA was deleted over another netlink socket than the one that installed it" },
	{ "no_daemon", R(MANUAL), CERTAIN, true, F(NO_DAEMON), F(INVALID_SPI) | F(IKE_SEEN), 0,
	  "the process that installed the SA by hand deleted it, and no IKE was spoken" },
	/* the peer speaks IKE, if nobody else: what manages these SAs may obey it */
	{ "notified", R(INVALID_SPI), LIKELY, true,
	  F(NO_DAEMON) | F(INVALID_SPI) | F(INVALID_SPI_OURS), 0, 0,
	  "the peer said it does not know our SPI, and the process that manages the SAs then "
	  "deleted them" },
	{ "notified_vaguely", R(MANUAL), LIKELY, true, F(NO_DAEMON) | F(INVALID_SPI), 0, 0,
	  "the process that installed the SA deleted it; a notification in clear before it names "
	  "none of its SPIs and may be forged" },

	/* RFC 7296 2.8: the new CHILD_SA is there before the old one goes */
	{ "ended_beside_new", R(MANUAL), LIKELY, false, F(REPLACED_CHILD) | F(ORDER_END), 0, 0,
	  "an operator took this SA down while a newer one carried the flow" },
	{ "ended_beside_new_ike", R(MANUAL), LIKELY, false, F(REPLACED_IKE) | F(ORDER_END), 0, 0,
	  "an operator took this SA down while one of another IKE_SA carried the flow" },
	{ "rekeyed", R(PHASE2_REPLACE), CERTAIN, true, F(REPLACED_CHILD), 0, 0,
	  "a rekey had put a new CHILD_SA with the same flow in its place" },
	/* RFC 7296 2.25: or dropped first, where the peer does not know it */
	{ "remade", R(PHASE2_REPLACE), LIKELY, false, F(REMADE),
	  GAVE_UP | F(LOCAL_DELETE) | F(PEER_CLEAR) | ORDERS | F(SPI_TAKEN), 0,
	  "the peer's answer to a rekey brought no SA, at which the daemon dropped the old "
	  "CHILD_SA "
	  "and made another one under the same IKE_SA: most likely the peer did not know the old "
	  "one" },
	{ "reauthenticated", R(PHASE1_REPLACE), CERTAIN, true, F(REPLACED_IKE) | F(DELETE_EXCHANGE),
	  0, 0, "a new IKE_SA between the same peers had taken the flow over" },
	{ "reauthenticated_quietly", R(PHASE1_REPLACE), LIKELY, false,
	  F(REPLACED_IKE) | F(NEXT_OURS), F(DELETE_EXCHANGE), 0,
	  "an IKE_SA that this host began with the same peer had taken the flow over" },
	/* a node that stands by hears of no IKE: the one that speaks it tells what went */
	{ "cluster_reauthenticated", R(PHASE1_REPLACE), LIKELY, false,
	  F(REPLACED_PLAIN) | F(CLUSTER_NAMED) | F(CLUSTER_IKE), NOTHING_ELSE | ORDERS, 0,
	  "another node of the cluster deleted the IKE_SA, and SAs for the same flow had come "
	  "before" },
	/* at once, as any rekey: what took its place may not last long either */
	{ "cluster_rekeyed", R(PHASE2_REPLACE), LIKELY, true, F(REPLACED_PLAIN) | F(CLUSTER_NAMED),
	  NOTHING_ELSE | ORDERS | F(CLUSTER_IKE), 0,
	  "another node of the cluster deleted the CHILD_SA, and SAs for the same flow had come "
	  "before" },
	{ "cluster_returned", R(PHASE1_REPLACE), LIKELY, false,
	  F(CLUSTER_DELETE) | F(CLUSTER_IKE) | F(CLUSTER_PARTNER) | F(RETURNED),
	  NOTHING_ELSE | ORDERS, 0,
	  "another node of the cluster deleted the IKE_SA and set the flow up anew at once: a "
	  "reauthentication" },
	{ "cluster_deleted", R(BACKUP_DELETE), CERTAIN, false,
	  F(CLUSTER_DELETE) | F(CLUSTER_NAMED) | F(CLUSTER_PARTNER), NOTHING_ELSE | ORDERS, 0,
	  "another node of the cluster had deleted it and told this one" },
	{ "cluster_deleted_alone", R(BACKUP_DELETE), LIKELY, false,
	  F(CLUSTER_DELETE) | F(CLUSTER_NAMED), NOTHING_ELSE | ORDERS, 0,
	  "a message that seems to be of another node of the cluster told that it had been "
	  "deleted there" },
	{ "cluster_deleted_some", R(BACKUP_DELETE), LIKELY, false,
	  F(CLUSTER_DELETE) | F(CLUSTER_PARTNER),
	  NOTHING_ELSE | ORDERS | F(REPLACED_PLAIN) | F(IKE_SEEN), 0,
	  "another node of the cluster had just told of an IKE_SA that was deleted there" },
	/* a rekey of it alone would have been told by its SPIs */
	{ "cluster_reauthenticated_some", R(PHASE1_REPLACE), POSSIBLE, false,
	  F(REPLACED_PLAIN) | F(CLUSTER_DELETE) | F(CLUSTER_IKE) | F(CLUSTER_PARTNER),
	  NOTHING_ELSE | ORDERS | F(CLUSTER_NAMED) | F(IKE_SEEN), 0,
	  "another node of the cluster had just told of an IKE_SA that was deleted there, and SAs "
	  "for the same flow had come before" },
	{ "came_back", R(KICK_OLD_SA), CERTAIN, false, F(REPLACED_IKE), F(DELETE_EXCHANGE), 0,
	  "the peer came back with a new IKE_SA for the same flow and the old one was dropped" },
	{ "came_from_elsewhere", R(KICK_OLD_SA), CERTAIN, true, F(MOVED), F(PEER_DELETE) | ORDERS,
	  0,
	  "another peer address set up the flow, with the same inner address or another one, and "
	  "displaced this tunnel" },
	/* RFC 7296 2.4: INITIAL_CONTACT; no Delete is sent for what it displaces */
	{ "initial_contact", R(KICK_OLD_SA), CERTAIN, true, F(NEW_IKE_OPEN) | F(RETURNED),
	  NOTHING_ELSE | ORDERS, 0,
	  "the peer began anew for the same flow, and its old SAs were dropped without a Delete" },
	{ "initial_contact_open", R(KICK_OLD_SA), LIKELY, false, F(NEW_IKE_OPEN),
	  NOTHING_ELSE | ORDERS, 0,
	  "the peer was setting up a new IKE_SA when its old SAs were dropped without a Delete" },

	/* IKEv1 tells of it a peer that may not know it any more, and waits for nothing */
	{ "displaced", R(KICK_OLD_SA), LIKELY, true,
	  F(NEW_IKE_OPEN) | F(RETURNED) | F(LOCAL_DELETE), GAVE_UP | F(PEER_DELETE) | ORDERS, 0,
	  "the peer began anew for the same flow, and the daemon deleted its old SAs meanwhile" },

	/* RFC 5176 3.5: only what this host acknowledged (41) was believed */
	{ "aaa_user_cut", R(AAA_CUT), CERTAIN, false, F(AAA_ORDER) | F(AAA_USER),
	  ORDERS | F(PEER_DELETE) | F(GAVE_UP_EXCHANGE) | F(LIVENESS_EMPTY) | F(LIVENESS_CLEAR), 0,
	  "the AAA server ordered this user to be disconnected, and the gateway acknowledged it" },
	/* it names this one, and what was ordered here besides names nobody */
	{ "aaa_user_cut_beside_order", R(AAA_CUT), LIKELY, false,
	  F(AAA_ORDER) | F(AAA_USER) | F(ORDER_END),
	  F(PEER_DELETE) | F(GAVE_UP_EXCHANGE) | F(LIVENESS_EMPTY) | F(LIVENESS_CLEAR), 0,
	  "the AAA server ordered this user to be disconnected, and the gateway acknowledged it; "
	  "what was ordered on this host then was most likely for another tunnel" },
	/* the order may have been of another user: our Delete alone, and not one that begins anew
	 */
	{ "aaa_cut", R(AAA_CUT), LIKELY, false, F(AAA_ORDER) | F(LOCAL_DELETE),
	  ORDERS | GAVE_UP | F(PEER_DELETE) | F(NEW_IKE_OUT) | F(NEW_IKE_FIRST) | F(CHILD_ONLY) |
		  F(SENT_AWAY) | F(BACK_FROM_OTHER),
	  0, "the AAA server ordered a user to be disconnected, and the gateway acknowledged it" },
	{ "aaa_cut_unanswered", R(AAA_CUT), LIKELY, false, F(AAA_ORDER) | F(GAVE_UP_INFO),
	  ORDERS | F(PEER_DELETE) | F(NEW_IKE_OUT) | F(NEW_IKE_FIRST), 0,
	  "the AAA server ordered a user to be disconnected, and the peer did not answer" },
	/* RFC 2865 5.27: Session-Timeout of the Access-Accept, or of a CoA-Request */
	{ "aaa_session_over", R(AAA_CUT), LIKELY, false, F(AAA_SESSION) | F(LOCAL_DELETE),
	  ORDERS | F(PEER_DELETE), 0, "the session time that the AAA server had set was over" },
	{ "aaa_session_over_silence", R(AAA_CUT), LIKELY, false, F(AAA_SESSION) | F(GAVE_UP_INFO),
	  ORDERS | F(PEER_DELETE), 0,
	  "the session time that the AAA server had set was over, and the peer did not answer" },
	/* with CBC a Delete is as long as a liveness check; one that fits the clock of the session
	 */
	{ "aaa_session_over_unanswered", R(AAA_CUT), LIKELY, false,
	  F(AAA_SESSION) | F(GAVE_UP_LIVENESS),
	  ORDERS | F(PEER_DELETE) | F(LIVENESS_EMPTY) | F(LIVENESS_CLEAR), 0,
	  "the session time that the AAA server had set was over, and the peer did not answer" },
	/* RFC 4478: the gateway tells the peer when the session ends, and the peer obeys */
	{ "aaa_session_over_peer", R(AAA_CUT), LIKELY, false, F(AAA_SESSION) | F(PEER_DELETE),
	  F(ORDER_AWAY) | F(RETURNED), 0,
	  "the session time that the AAA server had set was over, and the peer deleted it" },
	/* an order that no person gave: what made that process give it is the root */
	{ "tracker", R(TRACK), CERTAIN, false, F(BY_TRACKER) | F(TRACK_CHANGED), F(PEER_DELETE), 0,
	  "a BFD session or VRRP router of this host changed, and what tracks it took the tunnel "
	  "down" },
	{ "tracker_alone", R(TRACK), LIKELY, false, F(BY_TRACKER), F(PEER_DELETE), 0,
	  "a process that tracks links or routers took it down" },
	{ "lease_over", R(MODECFG_LEASE), LIKELY, false, F(LEASE_OVER) | F(BY_LEASES),
	  F(PEER_DELETE), 0,
	  "the lease of the inner address ran out, and the DHCP server's script took the tunnel "
	  "down" },
	{ "name_moved", R(DNS_CHANGE), LIKELY, false,
	  F(DNS_CHANGED) | F(DNS_FOLLOWED) | F(BY_SERVICE), F(PEER_DELETE), 0,
	  "the peer's name resolved to another address, and the gateway went there" },
	{ "name_or_track", R(DNS_CHANGE), POSSIBLE, false,
	  F(DNS_CHANGED) | F(BY_SERVICE) | F(TRACK_CHANGED), F(PEER_DELETE), 0,
	  "the peer's name no longer resolved to its address, and a script took the tunnel down; "
	  "or "
	  "it did for a BFD session or VRRP router of this host that had changed as well" },
	{ "lease_or_track", R(MODECFG_LEASE), POSSIBLE, false,
	  F(LEASE_OVER) | F(BY_SERVICE) | F(TRACK_CHANGED), F(PEER_DELETE), 0,
	  "the lease of the inner address ran out, and a script took the tunnel down; or it did "
	  "for a BFD session or VRRP router of this host that had changed as well" },
	{ "track_followed", R(TRACK), LIKELY, false, F(BY_SERVICE) | F(TRACK_CHANGED),
	  F(PEER_DELETE), 0,
	  "a BFD session or VRRP router of this host changed, and a script then took the tunnel "
	  "down" },
	/* both name this tunnel's own: one of the two came by chance */
	{ "lease_or_probe", R(MODECFG_LEASE), POSSIBLE, false,
	  F(LEASE_OVER) | F(BY_SERVICE) | F(PROBE_SILENT), F(PEER_DELETE), 0,
	  "the lease of the inner address ran out, and a script took the tunnel down; or it did "
	  "for its probes that had failed" },
	{ "name_or_probe", R(DNS_CHANGE), POSSIBLE, false,
	  F(DNS_CHANGED) | F(BY_SERVICE) | F(PROBE_SILENT), F(PEER_DELETE), 0,
	  "the peer's name no longer resolved to its address, and a script took the tunnel down; "
	  "or it did for its probes that had failed" },
	{ "probe_followed", R(TRACK), LIKELY, false, F(BY_SERVICE) | F(PROBE_SILENT),
	  F(PEER_DELETE), 0, "a script's probes failed, and it then took the tunnel down" },
	{ "name_moved_alone", R(DNS_CHANGE), LIKELY, false,
	  F(DNS_CHANGED) | F(DNS_FOLLOWED) | F(LOCAL_DELETE), F(PEER_DELETE) | ORDERS | GAVE_UP, 0,
	  "the peer's name resolved to another address, and the daemon went there" },
	{ "name_lost", R(DNS_CHANGE), LIKELY, false, F(DNS_CHANGED) | F(BY_SERVICE), F(PEER_DELETE),
	  0, "the peer's name no longer resolved to its address, and the tunnel was taken down" },
	{ "lease_over_alone", R(MODECFG_LEASE), LIKELY, false, F(LEASE_OVER) | F(LOCAL_DELETE),
	  F(PEER_DELETE) | ORDERS | GAVE_UP, 0,
	  "the lease of the inner address ran out, and the daemon deleted the tunnel" },

	/* RFC 5685 5: a gateway sends its clients to another one, and may be gone when they leave
	 */
	{ "sent_away", R(PEER_REQUEST), LIKELY, false, F(SENT_AWAY), ORDERS | F(PEER_DELETE), 0,
	  "the peer sent something, at which the daemon left it for another peer, where the flow "
	  "goes on (a redirect)" },

	/* an order given while the path was dead: the order is the root */
	{ "ordered_dead_path", R(MANUAL), LIKELY, false, F(GAVE_UP_LIVENESS) | F(ORDER_END), 0, 0,
	  "it was ordered down, and the peer did not answer" },
	{ "ordered_dead_path_info", R(MANUAL), CERTAIN, false,
	  F(GAVE_UP_INFO) | F(ORDER_END) | F(ORDER_NEAR), 0, 0,
	  "it was ordered down, and the peer did not answer the Delete" },
	{ "ordered_before_silence", R(MANUAL), LIKELY, false, F(GAVE_UP_INFO) | F(ORDER_END), 0, 0,
	  "something was ordered down on this host, then the peer did not answer the Delete" },
	{ "ordered_amid_exchange", R(MANUAL), LIKELY, false, F(GAVE_UP_EXCHANGE) | F(ORDER_END), 0,
	  0, "it was ordered down while the peer did not answer an exchange of ours" },
	{ "reloaded_dead_path", R(MANUAL), LIKELY, false, F(GAVE_UP_INFO) | F(ORDER_RELOAD), 0, 0,
	  "a reload of the configuration took it down, and the peer did not answer the Delete" },
	{ "link_gone", R(INTERFACE_REMOVED), CERTAIN, false, F(LINK_GONE),
	  F(PEER_DELETE) | F(ORDER_END), 0, "the interface towards the peer was removed" },
	{ "link_down", R(ADMIN_DOWN), CERTAIN, false, F(LINK_DOWN), F(PEER_DELETE) | F(ORDER_END),
	  0, "the interface towards the peer was set down" },
	{ "address_tracked", R(TRACK), LIKELY, false, F(ADDRESS_TRACKED),
	  F(PEER_DELETE) | F(ORDER_END) | F(BACK_FROM_OTHER), 0,
	  "a BFD session or VRRP router of this host changed, and the address that the tunnel "
	  "stood "
	  "on was taken from this host with that" },
	/* without MOBIKE whose SAs could follow; a daemon authenticates anew from where it is now
	 */
	{ "own_address_moved", R(PEER_ADDRESS_SWITCH), LIKELY, false,
	  F(ADDRESS_GONE) | F(BACK_FROM_OTHER), F(PEER_DELETE) | F(ORDER_END), 0,
	  "this host lost the address that the tunnel stood on, and the daemon set the flow up "
	  "anew "
	  "from another one" },
	{ "peer_address_moved", R(PEER_ADDRESS_SWITCH), LIKELY, false,
	  F(PEER_ELSEWHERE) | F(PEER_DELETE), 0, 0,
	  "the peer spoke from another address at last, deleted it, and set the flow up anew from "
	  "there" },
	{ "own_address_lost", R(PEER_ADDRESS_SWITCH), POSSIBLE, false, F(ADDRESS_GONE),
	  F(PEER_DELETE) | ORDERS, 0,
	  "this host had lost the address that the tunnel stood on, so that nothing of the peer "
	  "arrived any more, and the daemon then dropped it" },

	/* RFC 7296 2.1, 2.4: give up after retransmissions; RFC 3706 5.5 for IKEv1 */
	{ "exchange_unanswered", R(EXCHANGE_TIMEOUT), CERTAIN, false, F(GAVE_UP_EXCHANGE), 0, 0,
	  "the peer never answered an exchange of ours" },
	{ "reauth_unanswered", R(REAUTH_TIMEOUT), LIKELY, false,
	  F(REAUTH_FAILED_BEFORE) | F(GAVE_UP_INFO), 0, 0,
	  "a reauthentication begun before had failed, and the Delete was not answered either" },
	{ "reauth_then_silence", R(REAUTH_TIMEOUT), LIKELY, false,
	  F(REAUTH_FAILED_BEFORE) | F(GAVE_UP_LIVENESS), F(LIVENESS_EMPTY), 0,
	  "a reauthentication begun before had failed, and the peer stayed silent" },
	{ "reauth_delete_unanswered", R(REAUTH_TIMEOUT), LIKELY, false,
	  F(NEW_IKE_FIRST) | F(GAVE_UP_INFO), ORDERS, 0,
	  "the Delete that begins a reauthentication was never answered" },
	{ "informational_unanswered", R(EXCHANGE_TIMEOUT), LIKELY, false, F(GAVE_UP_INFO), ORDERS,
	  0, "the peer never answered an INFORMATIONAL that carried something" },
	{ "reauth_ordered_unanswered", R(REAUTH_TIMEOUT), LIKELY, false,
	  F(GAVE_UP_LIVENESS) | F(ORDER_REKEY), F(LIVENESS_EMPTY), 0,
	  "a reauthentication was ordered, and the Delete that begins it was never answered" },
	{ "liveness_empty", R(DPD_TIMEOUT), CERTAIN, false, F(LIVENESS_EMPTY), 0, 0,
	  "the peer never answered our liveness check" },
	/* RFC 7296 2.4: the daemon looks when it last heard the peer, then checks it */
	{ "reauth_not_a_check", R(REAUTH_TIMEOUT), LIKELY, false,
	  F(GAVE_UP_LIVENESS) | F(NEW_IKE_OUT) | F(NOT_ASKED), 0, 0,
	  "the Delete that begins a reauthentication was never answered (no liveness check: the "
	  "daemon had not looked when it last heard the peer, as it does before one)" },
	{ "delete_not_a_check", R(EXCHANGE_TIMEOUT), POSSIBLE, false,
	  F(GAVE_UP_LIVENESS) | F(NOT_ASKED), ORDERS, 0,
	  "the peer never answered an INFORMATIONAL; it was a Delete (the daemon had not looked "
	  "when it last heard the peer, as it does before a liveness check), or a liveness check "
	  "that it did not look before" },
	{ "liveness_regular", R(DPD_TIMEOUT), LIKELY, false,
	  F(GAVE_UP_LIVENESS) | F(LIVENESS_CLEAR), F(NEW_IKE_FIRST) | ORDERS, 0,
	  "the peer stopped answering our regular liveness checks" },
	{ "liveness_restart", R(DPD_TIMEOUT), LIKELY, false,
	  F(GAVE_UP_LIVENESS) | F(LIVENESS_CLEAR) | F(NEW_IKE_FIRST), 0, 0,
	  "the peer stopped answering our liveness checks, and the daemon begins anew" },
	{ "liveness_looked_restart", R(DPD_TIMEOUT), LIKELY, false,
	  F(GAVE_UP_LIVENESS) | F(NEW_IKE_FIRST) | F(ASKED), 0, 0,
	  "the peer never answered a liveness check (the daemon had just looked when it last heard "
	  "the peer), and the daemon begins anew" },
	{ "reauth_or_liveness", R(REAUTH_TIMEOUT), POSSIBLE, false,
	  F(GAVE_UP_LIVENESS) | F(NEW_IKE_FIRST) | F(HEARD_BEFORE), 0, 0,
	  "the peer never answered an INFORMATIONAL, and the daemon began anew before the SAs "
	  "went: "
	  "the Delete of a reauthentication (a liveness check is hardly due within a second of "
	  "hearing "
	  "the peer), if it was no check with a restart after all (their lengths are the same)" },
	/* a daemon that checks without a look (as strongSwan 6 does) is known for it by the first
	   check that is answered; until then this is the likelier of the two */
	{ "reauth_or_first_check", R(REAUTH_TIMEOUT), POSSIBLE, false,
	  F(GAVE_UP_LIVENESS) | F(NEW_IKE_FIRST) | F(UNREAD), 0, 0,
	  "the peer never answered an INFORMATIONAL, and the daemon began anew before the SAs "
	  "went: the Delete of a reauthentication (the daemon had not looked when it last heard "
	  "the peer), if it was no check with a restart after all (their lengths are the same, and "
	  "no check of this daemon was seen before)" },
	/* nothing seen tells the two: a check is usually due far oftener, hence possible */
	{ "liveness_or_reauth", R(DPD_TIMEOUT), POSSIBLE, false,
	  F(GAVE_UP_LIVENESS) | F(NEW_IKE_FIRST), 0, 0,
	  "the peer never answered an INFORMATIONAL, and the daemon began anew before the SAs "
	  "went: a liveness check with a restart, or the Delete of a reauthentication (their "
	  "lengths are the same)" },
	{ "liveness_looked", R(DPD_TIMEOUT), LIKELY, false, F(GAVE_UP_LIVENESS) | F(ASKED), 0, 0,
	  "the peer never answered our liveness check (the daemon had just looked when it last "
	  "heard "
	  "the peer)" },
	/* an agent that came in the middle, or sees no orders at all */
	{ "liveness_or_order", R(DPD_TIMEOUT), POSSIBLE, false, F(GAVE_UP_LIVENESS), 0,
	  F(ORDER_END),
	  "the peer never answered what looks like a liveness check; or a Delete, whose order "
	  "could not be seen" },
	{ "liveness_unanswered", R(DPD_TIMEOUT), LIKELY, false, F(GAVE_UP_LIVENESS), 0, 0,
	  "the peer never answered what looks like a liveness check" },

	/* a clear notify is unauthenticated (RFC 7296 2.21.4): only when nothing else explains it
	 */
	{ "invalid_spi", R(INVALID_SPI), LIKELY, false, F(INVALID_SPI) | F(INVALID_SPI_OURS),
	  F(PEER_DELETE) | ORDERS, 0,
	  "the peer said it does not know our SPI, and the tunnel was deleted" },
	{ "invalid_spi_vaguely", R(INVALID_SPI), POSSIBLE, false, F(INVALID_SPI),
	  F(PEER_DELETE) | F(LOCAL_DELETE) | ORDERS, 0,
	  "a notification in clear that seems the peer's said that an SPI is not known, and the "
	  "tunnel was deleted; it names none of this tunnel's SPIs, so it may be forged and the "
	  "cause another, unseen one" },

	/* RFC 5685 5: it leaves as it was told to */
	{ "left_as_ordered", R(MANUAL), LIKELY, false, F(PEER_DELETE) | F(ORDER_AWAY), 0, 0,
	  "it was ordered on this host to send the peer to another gateway, and the peer then "
	  "deleted the tunnel" },
	/* the peer's Delete (RFC 7296 1.4.1) and what it begins */
	{ "peer_reauth", R(PHASE1_REPLACE), LIKELY, false,
	  F(PEER_DELETE) | F(NEW_IKE_IN) | F(RETURNED), 0, 0,
	  "the peer deleted it and set the flow up anew at once: a reauthentication" },
	{ "peer_reauth_conflict", R(SPI_CONFLICT), LIKELY, false,
	  F(PEER_DELETE) | F(NEW_IKE_IN) | F(SPI_TAKEN_AFTER), F(RETURNED), 0,
	  "the peer deleted it to reauthenticate, and the new SA could not be installed, its SPI "
	  "being taken" },
	{ "peer_reauth_failed", R(REAUTH_TIMEOUT), LIKELY, false,
	  F(PEER_DELETE) | F(NEW_IKE_IN) | F(NEW_IKE_FAILED), 0, 0,
	  "the peer deleted it to reauthenticate, and that failed" },
	/* RFC 7296 2.8: a peer whose rekey or reauthentication failed lets the old one end */
	{ "peer_delete_after_conflict", R(SPI_CONFLICT), LIKELY, false,
	  F(PEER_DELETE) | F(SPI_TAKEN_LATELY), F(RETURNED), 0,
	  "an install for this peer failed because its SPI was taken, and the peer then deleted "
	  "the tunnel" },
	/* RFC 2408 3.15: an SPI and its Delete are as long as the pad that two cookies may take */
	{ "isakmp_delete_or_both", R(PHASE1_DEPENDENT), POSSIBLE, false,
	  F(PEER_ISAKMP_DELETE) | F(PEER_EITHER), F(ORDER_END), 0,
	  "the peer deleted the ISAKMP SA alone, and the IPsec SAs went with it; or it deleted "
	  "both "
	  "in one message (both readings have this length)" },
	{ "isakmp_delete_only", R(PHASE1_DEPENDENT), CERTAIN, false, F(PEER_ISAKMP_DELETE),
	  F(ORDER_END), 0, "the peer deleted the ISAKMP SA alone, and the IPsec SAs went with it" },
	{ "isakmp_delete_beside_order", R(PHASE1_DEPENDENT), LIKELY, false,
	  F(PEER_ISAKMP_DELETE) | F(PEER_DELETE) | F(ORDER_END), F(LOCAL_DELETE), 0,
	  "the peer deleted the ISAKMP SA alone, and the IPsec SAs went with it; what was ordered "
	  "down just before was another one" },
	{ "peer_delete", R(PEER_REQUEST), CERTAIN, false, F(PEER_DELETE) | F(PEER_CLEAR),
	  F(ORDER_AWAY), 0, "the peer asked for it" },
	/* RFC 2408 3.15: two cookies are as long as an SPI and the pad that it takes */
	{ "peer_delete_of_either", R(PEER_REQUEST), POSSIBLE, false,
	  F(PEER_DELETE) | F(PEER_EITHER), 0, 0,
	  "the peer deleted it; or it deleted the ISAKMP SA alone, which took the IPsec SAs with "
	  "it "
	  "(a Delete of either has this length)" },
	{ "peer_delete_padded", R(PEER_REQUEST), LIKELY, false, F(PEER_DELETE), 0, 0,
	  "the peer sent what may be a Delete of it (by its length it may be something else too)" },

	/* our own Delete: who made the daemon send it */
	{ "reauth_beside_order", R(PHASE1_REPLACE), LIKELY, false,
	  F(LOCAL_DELETE) | F(ORDER_END) | F(NEW_IKE_FIRST) | F(RETURNED), 0, 0,
	  "a reauthentication replaced it; what was ordered down just before was another one" },
	/* nobody at a terminal or in a session: a script may have had a reason that is not seen */
	{ "ordered_by_service", R(MANUAL), LIKELY, true,
	  F(LOCAL_DELETE) | F(ORDER_END) | F(BY_SERVICE), 0, 0,
	  "something on this host, nobody at a terminal, ordered it down" },
	{ "ordered", R(MANUAL), CERTAIN, true, F(LOCAL_DELETE) | F(ORDER_END) | F(ORDER_NEAR),
	  F(NEW_IKE_FIRST) | F(PEER_DELETE), 0, "it was ordered down on this host" },
	{ "ordered_earlier", R(MANUAL), LIKELY, false, F(LOCAL_DELETE) | F(ORDER_END), 0, 0,
	  "something was ordered down on this host, and the daemon then deleted it" },
	{ "reloaded", R(MANUAL), CERTAIN, false, F(LOCAL_DELETE) | F(ORDER_RELOAD), 0, 0,
	  "a reload of the configuration took it down" },
	{ "ordered_reauth", R(PHASE1_REPLACE), CERTAIN, true,
	  F(LOCAL_DELETE) | F(ORDER_REKEY) | F(RETURNED), 0, 0,
	  "a reauthentication that was ordered replaced it" },
	{ "ordered_somehow", R(MANUAL), LIKELY, false, F(LOCAL_DELETE) | F(ORDER_OTHER), 0, 0,
	  "something on this host spoke to the IKE daemon just before it deleted the tunnel" },
	{ "reauth", R(PHASE1_REPLACE), CERTAIN, true,
	  F(LOCAL_DELETE) | F(NEW_IKE_FIRST) | F(RETURNED), ORDERS, 0,
	  "a reauthentication replaced it (deleted first, then set up anew)" },
	/* what is closed for no traffic is not set up anew but by traffic, once it has gone */
	{ "idle_then_anew", R(IDLE_TIMEOUT), LIKELY, false,
	  F(LOCAL_DELETE) | F(IDLE) | F(DELETE_ASKED) | F(NEW_IKE_OUT) | F(RETURNED),
	  ORDERS | F(ORDER_REKEY) | F(NEW_IKE_FIRST), 0,
	  "no traffic, and the daemon closed it by itself (it had just looked when the SAs were "
	  "last used); the flow was then set up anew" },
	{ "reauth_after", R(PHASE1_REPLACE), LIKELY, false,
	  F(LOCAL_DELETE) | F(NEW_IKE_OUT) | F(RETURNED), ORDERS, 0,
	  "the daemon deleted it and set the flow up anew at once" },
	{ "reauth_conflict", R(SPI_CONFLICT), LIKELY, false,
	  F(LOCAL_DELETE) | F(NEW_IKE_OUT) | F(SPI_TAKEN_AFTER), F(RETURNED) | F(ORDER_END), 0,
	  "a reauthentication deleted it first, and the new SA could not be installed, its SPI "
	  "being taken" },
	{ "reauth_failed", R(REAUTH_TIMEOUT), CERTAIN, false,
	  F(LOCAL_DELETE) | F(NEW_IKE_FIRST) | F(NEW_IKE_FAILED), ORDERS, 0,
	  "a reauthentication deleted it first, and the new IKE_SA did not come about" },
	/* RFC 7296 1.2, 1.3: of several CHILD_SAs each is negotiated by itself */
	{ "reauth_failed_for_it", R(REAUTH_TIMEOUT), LIKELY, false,
	  F(LOCAL_DELETE) | F(NEW_IKE_FIRST) | F(NEW_IKE_WITHOUT), ORDERS | F(RETURNED), 0,
	  "a reauthentication replaced the IKE_SA, and this flow was refused under the new one" },
	{ "reauth_failed_before", R(REAUTH_TIMEOUT), LIKELY, false,
	  F(LOCAL_DELETE) | F(REAUTH_FAILED_BEFORE), ORDERS, 0,
	  "a reauthentication had failed, and the daemon then deleted the tunnel" },
	/* an install was refused and the daemon gave the whole IKE_SA up */
	{ "conflict_then_delete", R(SPI_CONFLICT), LIKELY, false, F(LOCAL_DELETE) | F(SPI_TAKEN),
	  ORDERS, 0,
	  "an install for this peer failed because its SPI was taken, and the daemon then deleted "
	  "the tunnel" },
	/* it comes to its end, for what was to replace it did not come about */
	{ "child_after_conflict", R(SPI_CONFLICT), LIKELY, false,
	  F(LOCAL_DELETE) | F(CHILD_ONLY) | F(SPI_TAKEN_LATELY), ORDERS, 0,
	  "the SA that was to replace it could not be installed, its SPI being taken, and the "
	  "daemon then deleted this one by itself" },
	/* a daemon reads the use times before it judges an SA to be idle */
	{ "idle_looked", R(IDLE_TIMEOUT), LIKELY, false,
	  F(LOCAL_DELETE) | F(IDLE) | F(DELETE_ASKED), ORDERS, 0,
	  "no traffic, and the daemon closed it by itself (it had just looked when the SAs were "
	  "last used)" },
	/* who was asked for nothing and begins nothing: what has come to its end */
	{ "child_refused", R(PHASE2_HARD_EXPIRY), LIKELY, false,
	  F(LOCAL_DELETE) | F(CHILD_ONLY) | F(REKEY_REFUSED), ORDERS, 0,
	  "a rekey of the CHILD_SA that the peer answered had brought no SA, and the daemon then "
	  "deleted it by itself: most likely refused, and its life over" },
	{ "child_life_over", R(PHASE2_HARD_EXPIRY), LIKELY, false,
	  F(LOCAL_DELETE) | F(CHILD_ONLY) | F(LIFE_AGAIN), ORDERS, 0,
	  "the daemon deleted the CHILD_SA by itself at the age at which the one before had "
	  "ended" },
	{ "life_over", R(PHASE1_HARD_EXPIRY), LIKELY, false, F(LOCAL_DELETE) | F(LIFE_AGAIN),
	  ORDERS | F(CHILD_ONLY), 0,
	  "the daemon deleted the IKE_SA by itself at the age at which the one before had ended" },
	{ "idle", R(IDLE_TIMEOUT), POSSIBLE, false, F(LOCAL_DELETE) | F(CHILD_ONLY) | F(IDLE),
	  ORDERS, 0,
	  "no traffic, and the daemon closed the CHILD_SA by itself: it was idle for too long, or "
	  "its life was over" },
	/* of what makes a daemon delete by itself, an operator is the commonest, no more */
	{ "local_delete_blind", R(MANUAL), POSSIBLE, false, F(LOCAL_DELETE), 0, F(ORDER_END),
	  "the daemon here deleted it; whether anybody ordered it, and what else made it do so, "
	  "could not be seen" },

	/* taken away first, told to the peer then */
	{ "conflict_told_after", R(SPI_CONFLICT), LIKELY, false, F(DELETE_AFTER) | F(SPI_TAKEN),
	  ORDERS | GAVE_UP | F(PEER_DELETE) | F(NEW_IKE_OPEN), 0,
	  "an install for this peer failed because its SPI was taken, and the daemon then deleted "
	  "the tunnel" },
	{ "reauth_told_after", R(PHASE1_REPLACE), POSSIBLE, false,
	  F(DELETE_AFTER) | F(NEW_IKE_OUT) | F(RETURNED),
	  ORDERS | GAVE_UP | F(PEER_DELETE) | F(NEW_IKE_OPEN), 0,
	  "the daemon deleted it by itself and set the flow up anew at once: a reauthentication, "
	  "or "
	  "the end of its life after which it began again" },
	{ "life_over_first", R(PHASE1_HARD_EXPIRY), LIKELY, false, F(DELETE_AFTER) | F(LIFE_AGAIN),
	  ORDERS | GAVE_UP | F(PEER_DELETE) | F(NEW_IKE_OPEN), 0,
	  "the daemon deleted the IKE_SA by itself at the age at which the one before had ended" },
	/* no Delete on the wire */
	{ "ordered_quietly", R(MANUAL), CERTAIN, false, F(ORDER_END) | F(ORDER_NEAR),
	  F(PEER_DELETE), 0, "it was ordered down on this host" },
	{ "ordered_earlier_quietly", R(MANUAL), LIKELY, false, F(ORDER_END), 0, 0,
	  "something was ordered down on this host, and the daemon then deleted it" },
	{ "reloaded_quietly", R(MANUAL), LIKELY, false, F(ORDER_RELOAD), 0, 0,
	  "a reload of the configuration took it down" },
	{ "ordered_somehow_quietly", R(MANUAL), POSSIBLE, false, F(ORDER_OTHER), F(LOCAL_DELETE), 0,
	  "something on this host spoke to the IKE daemon just before the tunnel was deleted" },
	{ "other_daemon", R(MANUAL), LIKELY, false, F(OTHER_DAEMON), F(LOCAL_DELETE), 0,
	  "another IKE daemon process than the one that installed it deleted it" },
	/* IKEv1: the new IKE_SA that was refused had taken the old one's SAs over */
	{ "reauth_failed_quietly", R(REAUTH_TIMEOUT), LIKELY, false,
	  F(NEW_IKE_FIRST) | F(NEW_IKE_FAILED),
	  NOTHING_ELSE | ORDERS | F(NEW_IKE_OPEN) | F(FOREIGN_DELETER) | F(RETURNED), 0,
	  "a reauthentication did not come about, and the daemon dropped the tunnel without a "
	  "Delete" },
	/* or was never answered, for as long as the daemon asks */
	{ "reauth_given_up_quietly", R(REAUTH_TIMEOUT), LIKELY, false, F(REAUTH_GIVEN_UP),
	  NOTHING_ELSE | ORDERS | F(NEW_IKE_OPEN) | F(FOREIGN_DELETER), 0,
	  "the peer never answered a reauthentication, and as the daemon gave that up it dropped "
	  "the tunnel without a Delete" },
	{ "spi_conflict", R(SPI_CONFLICT), LIKELY, false, F(SPI_TAKEN), NOTHING_ELSE, 0,
	  "an install for this peer failed because its SPI was taken, then the tunnel went" },
	{ "replaced_plain", R(PHASE2_REPLACE), LIKELY, false, F(REPLACED_PLAIN),
	  F(FOREIGN_DELETER) | F(NEW_IKE_OUT) | F(NEW_IKE_IN), 0,
	  "newer SAs for the same flow had been installed" },
	{ "by_hand_unseen", R(MANUAL), LIKELY, false, F(NO_IKE), F(IKE_SEEN) | F(VANISHED),
	  F(FOREIGN_DELETER),
	  "the SA was deleted on this host and no IKE was ever spoken with the peer" },
	{ "by_hand_quiet", R(MANUAL), LIKELY, false, F(HAND_MADE) | F(IKE_SEEN), F(VANISHED),
	  F(FOREIGN_DELETER),
	  "the SA was deleted on this host, and no IKE had been spoken when it was installed" },
	/* netfilter comes after where messages are seen */
	{ "checks_unheard", R(DPD_TIMEOUT), LIKELY, false, F(CHECK_UNHEARD),
	  NOTHING_ELSE | ORDERS | F(NEW_IKE_OPEN) | F(FOREIGN_DELETER), 0,
	  "the answers to our liveness checks arrived at this host, and the daemon dropped the "
	  "tunnel without a word, between two checks: most likely they never reached it, dropped "
	  "by this host's firewall for instance" },
	/* RFC 2408 3.15: who is told so says nothing, and it seems to answer our check */
	{ "isakmp_delete_crossed", R(PHASE1_DEPENDENT), LIKELY, false, F(PEER_CROSSED),
	  NOTHING_ELSE | ORDERS | F(NEW_IKE_OPEN) | F(FOREIGN_DELETER), 0,
	  "a message of the peer came as we waited for the answer to a check, as long as that and "
	  "as a Delete of the ISAKMP SA, and the daemon then dropped the tunnel without a word: "
	  "most likely the Delete, which took the IPsec SAs with it" },
	/* netfilter and routing come before where messages are seen */
	{ "exchange_not_sent", R(EXCHANGE_TIMEOUT), POSSIBLE, false, F(UNSENT_EXCHANGE),
	  NOTHING_ELSE | ORDERS, 0,
	  "the daemon had reserved an SPI for an exchange with the peer, nothing was seen to "
	  "leave this host, and it then dropped the tunnel: a firewall of this host or a missing "
	  "route may have held the request back" },
	{ "check_not_sent", R(DPD_TIMEOUT), POSSIBLE, false, F(UNSENT_CHECK), NOTHING_ELSE | ORDERS,
	  0,
	  "the daemon had looked when it last heard the peer, as it does before a liveness check, "
	  "nothing was seen to leave this host, and it then dropped the tunnel: a firewall of this "
	  "host or a missing route may have held the check back" },
	{ "unknown", R(UNKNOWN), IKW_CONFIDENCE_NONE, false, 0, 0, 0,
	  "nothing that was seen explains the deletion" },
};

const struct ikw_rule *ikw_rules(size_t *count)
{
	*count = sizeof(rules) / sizeof(rules[0]);
	return rules;
}

static bool holds(const struct ikw_rule *rule, const struct ikw_facts *f)
{
	return (f->seen & rule->needs) == rule->needs && !(f->seen & rule->lacks) &&
	       (f->blind & rule->unseen) == rule->unseen;
}

struct ikw_verdict ikw_infer(const struct ikw_facts *f)
{
	const struct ikw_rule *rule = rules;
	struct ikw_verdict verdict;

	while (!holds(rule, f))
		rule++;
	verdict.rule = rule;
	verdict.reason = rule->reason;
	verdict.confidence = rule->confidence;
	verdict.blind = (f->blind & (rule->lacks | rule->unseen)) | (f->doubt & rule->needs);
	if (((f->blind & rule->lacks) || ((f->doubt | f->vague) & rule->needs)) &&
	    verdict.confidence > POSSIBLE)
		verdict.confidence--;
	return verdict;
}
