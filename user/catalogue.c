/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The reason catalogue's text, and filling in its commands. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/ikewatch_event.h"
#include "catalogue.h"

/* A step that names no daemon is for all of them. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define BIT(name) IKW_SEES_##name
#define IKE_BOTH  (BIT(IKE_IN) | BIT(IKE_OUT))
/* who asked: the process behind the deletion, behind the control socket, behind a signal */
#define WHO (BIT(ACTOR) | BIT(CONTROL) | BIT(REQUEST) | BIT(SIGNAL) | BIT(EXIT) | BIT(PORTID))

/* Steps that several procedures share. */
#define LINK                                                                                       \
	{                                                                                          \
		"See whether the interface towards the peer is up and free of errors.",            \
			"{netns}ip -s link show dev {iface}"                                       \
	}
#define ROUTE                                                                                      \
	{                                                                                          \
		"See by which route, interface and source address the peer is reached.",           \
			"{netns}ip route get {peer}"                                               \
	}
#define PING                                                                                       \
	{                                                                                          \
		"See whether the peer answers at all (some peers filter ICMP).",                   \
			"{netns}ping -c3 {peer}"                                                   \
	}
#define WATCH                                                                                      \
	{                                                                                          \
		"Watch whether IKE messages leave and answers arrive.",                            \
			"{netns}tcpdump -ni any -c20 host {peer} and "                             \
			"'(udp port 500 or udp port 4500 or esp)'"                                 \
	}
#define FIREWALL                                                                                   \
	{                                                                                          \
		"See whether this host's own firewall drops IKE, the peer's messages or its own.", \
			"{netns}nft list ruleset"                                                  \
	}
#define SAS_STRONGSWAN                                                                             \
	{                                                                                          \
		"strongSwan: see which IKE_SAs and CHILD_SAs exist now.", "swanctl --list-sas",    \
			IKW_FOR_STRONGSWAN                                                         \
	}
#define SAS_LIBRESWAN                                                                              \
	{                                                                                          \
		"Libreswan: see which IKE_SAs and CHILD_SAs exist now.", "ipsec whack --status",   \
			IKW_FOR_LIBRESWAN                                                          \
	}
#define SAS_OPENIKED                                                                               \
	{                                                                                          \
		"OpenIKED: see which IKE_SAs and CHILD_SAs exist now.", "ikectl show sa",          \
			IKW_FOR_OPENIKED                                                           \
	}
#define SAS SAS_STRONGSWAN, SAS_LIBRESWAN, SAS_OPENIKED
#define SAD                                                                                        \
	{                                                                                          \
		"See which SAs towards the peer the kernel holds.",                                \
			"{netns}ip -s xfrm state list nokeys dst {peer}"                           \
	}
#define SAD_IN                                                                                     \
	{                                                                                          \
		"See which SAs from the peer the kernel holds.",                                   \
			"{netns}ip -s xfrm state list nokeys src {peer}"                           \
	}
#define SPD                                                                                        \
	{                                                                                          \
		"See which policies the kernel holds, and whether they point at the peer.",        \
			"{netns}ip xfrm policy"                                                    \
	}
#define AT_THAT_TIME " --since={since} --until={until}"
#define JOURNAL	     "journalctl -t charon-systemd -t charon -t ipsec -t pluto -t iked" AT_THAT_TIME
#define LOG                                                                                        \
	{                                                                                          \
		"Read what the IKE daemon wrote at that time.", JOURNAL                            \
	}
#define EXPLAIN                                                                                    \
	{                                                                                          \
		"See the evidence, and which process acted on whose order.",                       \
			"ikewatch explain {id}{state}"                                             \
	}
#define BACK                                                                                       \
	{                                                                                          \
		"See whether the tunnel is up again.", "ikewatch tunnels {tunnel}{state}"          \
	}
#define CLEAR                                                                                      \
	{                                                                                          \
		"Clear the alarm when the tunnel is as it should be.",                             \
			"ikewatch clear {id}{state}"                                               \
	}
#define UP_STRONGSWAN                                                                              \
	{                                                                                          \
		"strongSwan: bring the CHILD_SA up by its name (swanctl --list-conns shows it).",  \
			"read -rp 'name of the child: ' child && swanctl --initiate --child "      \
			"\"$child\"",                                                              \
			IKW_FOR_STRONGSWAN                                                         \
	}
#define UP_LIBRESWAN                                                                               \
	{                                                                                          \
		"Libreswan: bring the connection up by its name (ipsec whack --status shows it).", \
			"read -rp 'name of the connection: ' conn && ipsec auto --up \"$conn\"",   \
			IKW_FOR_LIBRESWAN                                                          \
	}
#define NOTHING_TO_DO(why)                                                                         \
	{                                                                                          \
		"No operation is required: " why, NULL                                             \
	}

#define STEPS(name) .steps = name, .step_count = sizeof(name) / sizeof((name)[0])

#define GONE                                                                                       \
	"An IPsec tunnel has been deleted: traffic of its flow is dropped where a policy still "   \
	"demands protection, and leaves in clear where none does."
#define REPLACED                                                                                   \
	"One generation of an IPsec tunnel's SAs has been deleted; the flow goes on in the "       \
	"generation that replaced it. No traffic is affected."
#define REPLACED_USUALLY                                                                           \
	"An IPsec tunnel has been deleted; the flow usually goes on within a "                     \
	"second in the one that took its place."

static const struct ikw_catalogue_step dpd_timeout[] = {
	LINK,
	ROUTE,
	PING,
	WATCH,
	FIREWALL,
	{ "If the path is sound, see on the peer whether its IKE daemon runs.", NULL },
	{ "strongSwan: see how long the peer may be silent (dpd_delay; the retransmission "
	  "settings under charon).",
	  "swanctl --list-conns", IKW_FOR_STRONGSWAN },
	{ "Libreswan: see how long the peer may be silent (dpddelay, dpdtimeout, "
	  "retransmit-timeout).",
	  "ipsec whack --status", IKW_FOR_LIBRESWAN },
	LOG,
	BACK,
	CLEAR,
};

static const struct ikw_catalogue_step manual[] = {
	EXPLAIN,
	{ "If a person or a deployment did it on purpose, no operation is required.", NULL },
	{ "strongSwan: see whether the connection is still loaded as intended.",
	  "swanctl --list-conns", IKW_FOR_STRONGSWAN },
	{ "Libreswan: see whether the connection is still loaded as intended.",
	  "ipsec whack --status", IKW_FOR_LIBRESWAN },
	{ "OpenIKED: see whether the configuration is still valid.", "iked -n", IKW_FOR_OPENIKED },
	{ "See whether the IKE daemon was stopped, restarted or reloaded.",
	  "systemctl status strongswan strongswan-starter ipsec openiked" },
	SAD,
	SPD,
	LOG,
	UP_STRONGSWAN,
	UP_LIBRESWAN,
	BACK,
	CLEAR,
};

static const struct ikw_catalogue_step modecfg_lease[] = {
	{ "strongSwan: see the pools and who holds which inner address.",
	  "swanctl --list-pools --leases", IKW_FOR_STRONGSWAN },
	{ "Libreswan: see the address pool and its leases.", "ipsec whack --addresspoolstatus",
	  IKW_FOR_LIBRESWAN },
	{ "If the addresses come from DHCP, see whether the server answers this gateway.",
	  "{netns}tcpdump -ni any -c4 udp port 67 or udp port 68" },
	{ "See where traffic for the inner address goes now.", "{netns}ip route get {inside}" },
	{ "If the client is still wanted, lengthen the lease or let the client reconnect.", NULL },
	LOG,
	CLEAR,
};

static const struct ikw_catalogue_step reauth_timeout[] = {
	ROUTE,
	PING,
	WATCH,
	{ "Read why the new IKE_SA did not come up: no answer, a refused proposal, or "
	  "credentials that no longer hold (certificate expired, secret changed).",
	  JOURNAL },
	{ "strongSwan: see whether the certificates are still valid.", "swanctl --list-certs",
	  IKW_FOR_STRONGSWAN },
	{ "Libreswan: see whether the certificates are still valid.", "ipsec auto --listall",
	  IKW_FOR_LIBRESWAN },
	{ "strongSwan: prefer rekeying (reauth_time = 0), or make before break "
	  "(charon.make_before_break), so that a failure does not interrupt traffic.",
	  NULL, IKW_FOR_STRONGSWAN },
	SAS,
	BACK,
	CLEAR,
};

static const struct ikw_catalogue_step aaa_cut[] = {
	EXPLAIN,
	{ "Ask the AAA server's operator why the session was ended (quota, policy, "
	  "administrator).",
	  NULL },
	{ "See what came from the AAA server (RADIUS dynamic authorization, RFC 5176).",
	  "{netns}tcpdump -ni any -c4 udp port 3799" },
	LOG,
	{ "If the user may come back, no operation is required on this gateway.", NULL },
	CLEAR,
};

static const struct ikw_catalogue_step kick_old_sa[] = {
	BACK,
	{ "If the same peer came back after losing its state, find out there why it restarted.",
	  NULL },
	{ "If another address took the flow, make sure that it is the same user and not two "
	  "peers with one identity or one selector.",
	  "ikewatch explain {id}{state}" },
	SAS,
	{ "strongSwan: decide in \"unique\" of the connection whether a new SA replaces, joins "
	  "or is refused.",
	  "swanctl --list-conns", IKW_FOR_STRONGSWAN },
	{ "Libreswan: decide by \"uniqueids\" whether a new SA replaces or joins.",
	  "ipsec whack --status", IKW_FOR_LIBRESWAN },
	CLEAR,
};

static const struct ikw_catalogue_step spi_conflict[] = {
	{ "See which SAs this host holds already: an SPI is unique with destination and protocol.",
	  "{netns}ip -s xfrm state list nokeys" },
	{ "See whether two programs install SAs on this host (two IKE daemons, scripts).",
	  "pgrep -a 'charon|pluto|iked|racoon'" },
	{ "Count failed installs: a rising XfrmOutStateInvalid or XfrmAcquireError is a hint.",
	  "{netns}cat /proc/net/xfrm_stat" },
	LOG,
	BACK,
	CLEAR,
};

static const struct ikw_catalogue_step phase1_replace[] = {
	NOTHING_TO_DO("a new IKE_SA between the same peers replaced the old one."),
	{ "If it happens more often than the configured lifetime says, see what starts it.",
	  "ikewatch explain {id}{state}" },
	BACK,
	{ "strongSwan: see reauth_time and rekey_time.", "swanctl --list-conns",
	  IKW_FOR_STRONGSWAN },
	{ "Libreswan: see ikelifetime and reauth.", "ipsec whack --status", IKW_FOR_LIBRESWAN },
};

static const struct ikw_catalogue_step phase2_replace[] = {
	NOTHING_TO_DO("this is an ordinary rekey."),
	{ "If it happens more often than the configured lifetime says, see what starts it.",
	  "ikewatch explain {id}{state}" },
	BACK,
	{ "See the lifetimes of the SAs in use.",
	  "{netns}ip -s xfrm state list nokeys dst {peer}" },
};

static const struct ikw_catalogue_step track[] = {
	EXPLAIN,
	{ "keepalived: see whether the VRRP instance is where it should be.",
	  "journalctl -t Keepalived -t Keepalived_vrrp" AT_THAT_TIME },
	{ "FRR: see whether the BFD sessions are up.", "vtysh -c 'show bfd peers'" },
	{ "See whether what is tracked answers; the way to the peer is the likeliest.",
	  "{netns}ping -c3 {peer}" },
	LINK,
	{ "If the switch-over was meant, no operation is required; else repair what is tracked.",
	  NULL },
	BACK,
	CLEAR,
};

static const struct ikw_catalogue_step invalid_spi[] = {
	{ "The peer no longer knew this SA. If it happens often, see on the peer whether it "
	  "restarts or its configuration is abnormal.",
	  NULL },
	PING,
	SAS,
	SAD,
	{ "Watch whether the notification comes again; it is not authenticated and can be forged.",
	  "{netns}tcpdump -ni any -c20 -v host {peer} and '(udp port 500 or udp port 4500)'" },
	LOG,
	BACK,
	CLEAR,
};

static const struct ikw_catalogue_step dns_change[] = {
	{ "See which name servers this host asks, and whether they can be reached.",
	  "resolvectl status || cat /etc/resolv.conf" },
	{ "strongSwan: see the peer's configured name (remote_addrs).", "swanctl --list-conns",
	  IKW_FOR_STRONGSWAN },
	{ "Libreswan: see the peer's configured name (right=).", "ipsec whack --status",
	  IKW_FOR_LIBRESWAN },
	{ "Resolve that name, as this host does and from its name server.",
	  "read -rp 'name of the peer: ' name && getent ahosts \"$name\"; dig \"$name\" A; "
	  "dig \"$name\" AAAA" },
	{ "See what the old address is called.", "dig -x {peer}" },
	{ "If the new address is right, no operation is required; else correct the record or the "
	  "configured name.",
	  NULL },
	BACK,
	CLEAR,
};

static const struct ikw_catalogue_step phase1_dependent[] = {
	BACK,
	{ "If both ends negotiated anew, this is normal and no operation is required.", NULL },
	{ "strongSwan: see whether both ends keep the CHILD_SA without its IKE_SA, or delete it.",
	  "swanctl --list-sas", IKW_FOR_STRONGSWAN },
	{ "Libreswan: see the connection and its lifetimes on both ends.", "ipsec whack --status",
	  IKW_FOR_LIBRESWAN },
	ROUTE,
	LOG,
	CLEAR,
};

static const struct ikw_catalogue_step exchange_timeout[] = {
	ROUTE,
	PING,
	WATCH,
	{ "Large messages are lost where fragments are: see whether the path carries full-sized "
	  "packets (the peer may filter ICMP).",
	  "{netns}ping -c3 -M do -s 1400 {peer}" },
	FIREWALL,
	{ "See on the peer whether its daemon received the request and why it did not answer.",
	  NULL },
	LOG,
	BACK,
	CLEAR,
};

static const struct ikw_catalogue_step peer_request[] = {
	{ "The peer asked for it: find out there who or what took the tunnel down.", NULL },
	BACK,
	SAS,
	LOG,
	{ "If it stays down and should not, bring it up from here, or see that the peer does.",
	  NULL },
	UP_STRONGSWAN,
	UP_LIBRESWAN,
	CLEAR,
};

static const struct ikw_catalogue_step phase1_hard_expiry[] = {
	BACK,
	{ "Read why no new IKE_SA was made in time.", JOURNAL },
	{ "strongSwan: see that rekey_time or reauth_time lies well before the end (over_time).",
	  "swanctl --list-conns", IKW_FOR_STRONGSWAN },
	{ "Libreswan: see that rekey=yes, and rekeymargin against ikelifetime.",
	  "ipsec whack --status", IKW_FOR_LIBRESWAN },
	PING,
	CLEAR,
};

static const struct ikw_catalogue_step phase2_hard_expiry[] = {
	{ "See which limit was hit (time, bytes or packets).", "ikewatch explain {id}{state}" },
	BACK,
	SAD,
	{ "strongSwan: see that rekey_time, rekey_bytes and rekey_packets lie well before the "
	  "life_ ones.",
	  "swanctl --list-conns", IKW_FOR_STRONGSWAN },
	{ "Libreswan: see salifetime, rekey and rekeymargin.", "ipsec whack --status",
	  IKW_FOR_LIBRESWAN },
	{ "SAs set by hand: give them no limit, or replace them before it.",
	  "{netns}ip -s xfrm state list nokeys dst {peer}" },
	LOG,
	CLEAR,
};

static const struct ikw_catalogue_step heartbeat_timeout[] = {
	NOTHING_TO_DO("Linux daemons have no heartbeat; a dead peer is \"dpd timeout\" here."),
	SAS,
};

static const struct ikw_catalogue_step port_mismatch[] = {
	{ "See through which ports the SAs are encapsulated now.",
	  "{netns}ip -s xfrm state list nokeys dst {peer}" },
	{ "Watch from which port the peer's messages come.",
	  "{netns}tcpdump -ni any -c20 host {peer} and udp" },
	{ "Lengthen the UDP timeout of the NAT between the gateways, or shorten the NAT "
	  "keepalive interval.",
	  NULL },
	SAS,
	LOG,
	BACK,
	CLEAR,
};

static const struct ikw_catalogue_step flow_overlap[] = {
	{ "See which policies overlap; the lower priority value is matched first.",
	  "{netns}ip xfrm policy" },
	{ "strongSwan: see the traffic selectors of every connection.", "swanctl --list-conns",
	  IKW_FOR_STRONGSWAN },
	{ "Libreswan: see the subnets of every connection.", "ipsec whack --status",
	  IKW_FOR_LIBRESWAN },
	CLEAR,
};

static const struct ikw_catalogue_step peer_address_switch[] = {
	BACK,
	NOTHING_TO_DO("the tunnel moved to another address and goes on there."),
	{ "If it was our own address that moved or went, see whether it is back.",
	  "{netns}ip -br address show to {local}" },
	{ "See what took it from its interface.",
	  "journalctl -u NetworkManager -u systemd-networkd -u networking" AT_THAT_TIME },
	ROUTE,
	SAS,
};

static const struct ikw_catalogue_step admin_down[] = {
	LINK,
	{ "See who set it down.",
	  "journalctl -u NetworkManager -u systemd-networkd -u networking" AT_THAT_TIME },
	{ "If it was not meant, set it up again.", "{netns}ip link set dev {iface} up" },
	BACK,
	CLEAR,
};

static const struct ikw_catalogue_step backup_delete[] = {
	EXPLAIN,
	{ "This node only followed: read on the other node of the cluster why it deleted the "
	  "tunnel (ikewatch alarms --all).",
	  NULL },
	{ "Watch whether the nodes still speak to each other.",
	  "{netns}tcpdump -ni any -c20 udp port 4510" },
	SAS_STRONGSWAN,
	SAD,
	BACK,
	CLEAR,
};

static const struct ikw_catalogue_step idle_timeout[] = {
	NOTHING_TO_DO("there was no traffic; a tunnel with a trap policy comes back with the first "
		      "packet."),
	{ "See whether a policy catches the flow and starts the tunnel again.",
	  "{netns}ip xfrm policy" },
	{ "strongSwan: see inactivity of the child.", "swanctl --list-conns", IKW_FOR_STRONGSWAN },
	CLEAR,
};

static const struct ikw_catalogue_step interface_removed[] = {
	{ "See whether the interface exists again.", "{netns}ip -d link show dev {iface}" },
	{ "See whether the local address is on an interface.",
	  "{netns}ip -br address show to {local}" },
	{ "Read who removed it: a network manager, a container runtime.",
	  "journalctl -u NetworkManager -u systemd-networkd -u docker -u containerd" AT_THAT_TIME },
	{ "Read whether the kernel removed it: a driver, the hardware.",
	  "journalctl -k" AT_THAT_TIME },
	ROUTE,
	SAS,
	BACK,
	CLEAR,
};

static const struct ikw_catalogue_step unknown[] = {
	{ "See what was observed, and what could not be (blind spots).",
	  "ikewatch explain {id}{state}" },
	{ "See whether the agent lost records or lacks probes.", "ikewatch status{state}" },
	BACK,
	SAS,
	SAD,
	SAD_IN,
	LOG,
	{ "Keep a recording of the next one: with it the case can be replayed and the rule that "
	  "is missing can be written.",
	  "ikewatch record ikewatch.rec{state}" },
	CLEAR,
};

static const struct ikw_catalogue_entry entries[] = {
	[IKW_REASON_DPD_TIMEOUT] = {
		.group = IKW_GROUP_VENDOR,
		.impact = GONE,
		.cause = "Dead peer detection timed out: the peer answered no liveness check, "
			 "retransmissions included, and the IKE daemon gave it up.",
		.evidence = "Our liveness requests on the wire (IKEv2: INFORMATIONAL, repeated with "
			    "one message ID; IKEv1: R-U-THERE on the same clock as the answered "
			    "ones before), no answer to them, then the daemon deletes the SAs. What "
			    "tells such a check from a Delete of the same length: the daemon read "
			    "when the SAs were last used just before it. \"Possible\": it had read "
			    "so, and nothing was then seen to leave this host. Or, IKEv1, the "
			    "answers arrived here, and the daemon dropped the tunnel all the "
			    "same between two checks.",
		.needs = BIT(SA) | IKE_BOTH,
		.helps = BIT(ASKED) | BIT(CONTROL) | BIT(SIGNAL) | BIT(ESP) | BIT(ACTOR),
		STEPS(dpd_timeout),
	},
	[IKW_REASON_MANUAL] = {
		.group = IKW_GROUP_VENDOR,
		.impact = GONE,
		.cause = "Someone or something on this host took it down: an operator's command, a "
			 "configuration change, the IKE daemon stopped or restarted, or an SA "
			 "deleted by hand (ip xfrm).",
		.evidence = "A command on the daemon's control socket or a signal to it just before, "
			    "another process than the one that installed the SA, a flush, the "
			    "daemon's exit, or our own Delete that nothing on the wire provoked.",
		.needs = BIT(SA),
		.helps = WHO | IKE_BOTH | BIT(POLICY) | BIT(CAUSE),
		STEPS(manual),
	},
	[IKW_REASON_MODECFG_LEASE] = {
		.group = IKW_GROUP_VENDOR,
		.impact = GONE,
		.cause = "The lease of the inner address that the remote end had been given (mode "
			 "config, DHCP, pool) expired.",
		.evidence = "The DHCP lease seen on the wire for the tunnel's inner address ended, and "
			    "the gateway's own delete or a command from the DHCP server's script "
			    "followed. Pools of the IKE daemons do not expire leases on Linux.",
		.needs = BIT(SA) | BIT(WIRE),
		.helps = IKE_BOTH | BIT(ACTOR) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(modecfg_lease),
	},
	[IKW_REASON_REAUTH_TIMEOUT] = {
		.group = IKW_GROUP_VENDOR,
		.impact = GONE,
		.cause = "A reauthentication (a new IKE_SA to replace a live one) was begun and did not "
			 "complete in time, or was refused.",
		.evidence = "An IKE_SA_INIT, IKE_AUTH or Main Mode of ours to a peer with live SAs that "
			    "stayed unanswered or was refused (a short IKE_AUTH response, IKEv1: a "
			    "notification in clear under its cookies, no SA installed, or those of "
			    "some flows only), and the SAs' end.",
		.needs = BIT(SA) | IKE_BOTH,
		.helps = BIT(ACTOR) | BIT(ASKED) | BIT(LARVAL) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(reauth_timeout),
	},
	[IKW_REASON_AAA_CUT] = {
		.group = IKW_GROUP_VENDOR,
		.impact = GONE,
		.cause = "The AAA server ordered the gateway to disconnect the user.",
		.evidence = "A RADIUS Disconnect-Request that came in, its acknowledgement that went "
			    "out, and our own Delete right after, without a command on this host; or "
			    "the end of the Session-Timeout that the server had set.",
		.needs = BIT(SA) | BIT(WIRE),
		.helps = IKE_BOTH | BIT(ACTOR) | BIT(CONTROL) | BIT(SIGNAL) | BIT(LINK),
		STEPS(aaa_cut),
	},
	[IKW_REASON_KICK_OLD_SA] = {
		.group = IKW_GROUP_VENDOR,
		.impact = REPLACED_USUALLY,
		.cause = "A new SA for the same flow or the same identity displaced the old one: from "
			 "another peer address, or from the same peer that had lost its state.",
		.evidence = "The old SAs go while an inbound IKE_AUTH (IKEv1: phase 1) is being "
			    "answered, without any Delete exchange on the old IKE_SA, and new SAs with "
			    "the same selectors come at once.",
		.needs = BIT(SA),
		.helps = IKE_BOTH | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(kick_old_sa),
	},
	[IKW_REASON_SPI_CONFLICT] = {
		.group = IKW_GROUP_VENDOR,
		.impact = GONE,
		.cause = "An SPI collided: installing an SA failed because its SPI was taken, or two "
			 "IKE_SAs had the same SPI.",
		.evidence = "An install for this peer that the daemon tried and that failed because its SPI "
			    "was taken (EEXIST), then the tunnel's end: by the daemon's own Delete, by a "
			    "reauthentication that came to nothing, or by the hard limit of the SA that was "
			    "to be replaced.",
		.needs = BIT(SA) | BIT(FAILED),
		.helps = IKE_BOTH | BIT(ACTOR) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(spi_conflict),
	},
	[IKW_REASON_PHASE1_REPLACE] = {
		.group = IKW_GROUP_VENDOR,
		.impact = REPLACED,
		.cause = "A new IKE_SA between the same peers replaced the old one (IKEv2 "
			 "reauthentication, IKEv1 new phase 1) and carries the flow in a new CHILD_SA.",
		.evidence = "A new IKE_SA between the same peers (IKE_SA_INIT and IKE_AUTH, or a phase "
			    "1), and new SAs of the same flow installed around the old ones' end.",
		.needs = BIT(SA),
		.helps = IKE_BOTH | BIT(CONTROL) | BIT(SIGNAL) | BIT(WIRE),
		STEPS(phase1_replace),
	},
	[IKW_REASON_PHASE2_REPLACE] = {
		.group = IKW_GROUP_VENDOR,
		.impact = REPLACED,
		.cause = "A rekey: a new CHILD_SA with the same flow under the same IKE_SA replaced "
			 "the old one.",
		.evidence = "New SAs with the same addresses, selectors and reqid installed before the "
			    "old ones were deleted, with a CREATE_CHILD_SA or Quick Mode of the same "
			    "IKE_SA; or right after, where the peer's answer to the first "
			    "CREATE_CHILD_SA brought none.",
		.needs = BIT(SA),
		.helps = IKE_BOTH | BIT(ACTOR) | BIT(LARVAL) | BIT(FAILED) | BIT(CONTROL) | BIT(SIGNAL) |
			 BIT(WIRE),
		STEPS(phase2_replace),
	},
	[IKW_REASON_TRACK] = {
		.group = IKW_GROUP_VENDOR,
		.impact = GONE,
		.cause = "A tracking mechanism took it down: a BFD session, a VRRP state or a probe (NQA; "
			 "on Linux a script that pings) changed, and its action followed.",
		.evidence = "A command to the daemon whose parents are keepalived, bfdd or their like; or "
			    "one that nobody at a terminal or in a session gave, shortly after this "
			    "host's own BFD or VRRP announcements changed, or from a script whose echo "
			    "probes stay unanswered. Likewise who deletes the SAs past the daemon. Or the "
			    "tunnel's own address goes from this host as those change.",
		.needs = BIT(SA),
		.helps = BIT(CONTROL) | BIT(SIGNAL) | BIT(WIRE) | BIT(REQUEST) | BIT(ACTOR) |
			 BIT(LINK) | IKE_BOTH,
		STEPS(track),
	},
	[IKW_REASON_INVALID_SPI] = {
		.group = IKW_GROUP_VENDOR,
		.impact = GONE,
		.cause = "The peer answered that it does not know the SA (INVALID_SPI or "
			 "INVALID_IKE_SPI), and the gateway deleted it.",
		.evidence = "The notification in clear from the peer, a delete soon after it, and nothing else "
			    "that explains it. It is not authenticated: one that names none of the tunnel's "
			    "SPIs counts for little.",
		.needs = BIT(SA) | BIT(IKE_IN),
		.helps = BIT(ACTOR) | BIT(IKE_OUT) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(invalid_spi),
	},
	[IKW_REASON_DNS_CHANGE] = {
		.group = IKW_GROUP_VENDOR,
		.impact = GONE,
		.cause = "The peer is configured by name, the name's resolution changed or failed, and "
			 "the gateway dropped the tunnel to the old address.",
		.evidence = "An answer to this host's own query, for a name that had resolved to the "
			    "peer, that no longer holds its address; then a command that no person gave "
			    "or the daemon's own delete, and mostly a negotiation with the new address.",
		.needs = BIT(SA) | BIT(WIRE),
		.helps = IKE_BOTH | BIT(ACTOR) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(dns_change),
	},
	[IKW_REASON_PHASE1_DEPENDENT] = {
		.group = IKW_GROUP_VENDOR,
		.impact = REPLACED_USUALLY,
		.cause = "IKEv1: the ISAKMP SA alone was deleted and took its IPsec SAs with it.",
		.evidence = "One IKEv1 INFORMATIONAL of an ISAKMP Delete's length and none of an IPsec "
			    "SA's, then the daemon deletes the SAs without a command on this host. "
			    "Where both have one length: a new ISAKMP SA that it begins instead.",
		.needs = BIT(SA) | BIT(IKE_IN),
		.helps = BIT(IKE_OUT) | BIT(ACTOR) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(phase1_dependent),
	},
	[IKW_REASON_EXCHANGE_TIMEOUT] = {
		.group = IKW_GROUP_VENDOR,
		.impact = GONE,
		.cause = "A packet exchange other than a liveness check (CREATE_CHILD_SA, Quick Mode, "
			 "an INFORMATIONAL that carries something) was never answered.",
		.evidence = "Our request repeated with one message ID, never answered, the larval SA "
			    "that waited for it gone, then the daemon deletes the SAs. \"Possible\": "
			    "an SPI was reserved, and nothing was then seen to leave this host.",
		.needs = BIT(SA) | IKE_BOTH,
		.helps = BIT(ASKED) | BIT(LARVAL) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(exchange_timeout),
	},
	[IKW_REASON_PEER_REQUEST] = {
		.group = IKW_GROUP_VENDOR_OTHER,
		.impact = GONE,
		.cause = "The peer asked for it with a Delete payload, or sent this host to another "
			 "gateway (REDIRECT, RFC 5685).",
		.evidence = "An INFORMATIONAL request from the peer and the daemon's delete within the "
			    "exchange, without a command on this host; or a request of the peer at "
			    "which the daemon began an IKE_SA with another peer that carries the "
			    "flow on.",
		.needs = BIT(SA) | BIT(IKE_IN),
		.helps = BIT(IKE_OUT) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(peer_request),
	},
	[IKW_REASON_PHASE1_HARD_EXPIRY] = {
		.group = IKW_GROUP_VENDOR_OTHER,
		.impact = GONE,
		.cause = "The IKE_SA reached the end of its life without a replacement.",
		.evidence = "Our own Delete of the IKE_SA at the same age at which the one before with that "
			    "peer ended, without a command, and no exchange under way. The first one is "
			    "\"unknown\": the life of an IKE_SA is known to the daemon only.",
		.needs = BIT(SA) | BIT(IKE_OUT),
		.helps = BIT(IKE_IN) | BIT(ACTOR) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(phase1_hard_expiry),
	},
	[IKW_REASON_PHASE2_HARD_EXPIRY] = {
		.group = IKW_GROUP_VENDOR_OTHER,
		.impact = GONE,
		.cause = "The kernel's hard limit (time, bytes or packets) removed the SA before it was "
			 "replaced, or the daemon did at the end of its life.",
		.evidence = "The SA deleted by the kernel's timer, with the limit that was hit, while no "
			    "younger SA carries the flow; or our own Delete of the CHILD_SA alone at the age at "
			    "which the one before ended, or after the peer had refused to rekey it.",
		.needs = BIT(SA),
		.helps = BIT(CAUSE) | IKE_BOTH | BIT(LARVAL) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(phase2_hard_expiry),
	},
	[IKW_REASON_HEARTBEAT_TIMEOUT] = {
		.group = IKW_GROUP_VENDOR_OTHER,
		.impact = GONE,
		.cause = "The keepalive of an IKEv1 heartbeat (a vendor's own, before dead peer "
			 "detection) stayed away.",
		.evidence = "None exists on Linux.",
		.not_emitted = "No IKE daemon on Linux has such a heartbeat; its dead peers are \"dpd "
			       "timeout\".",
		.needs = BIT(SA) | IKE_BOTH,
		STEPS(heartbeat_timeout),
	},
	[IKW_REASON_PORT_MISMATCH] = {
		.group = IKW_GROUP_VENDOR_OTHER,
		.impact = REPLACED,
		.cause = "A NAT between the gateways gave the peer another port, and the SAs with the old "
			 "one went. Daemons on Linux put them back with the new one.",
		.evidence = "The same SPIs deleted and added within moments between the same addresses, "
			    "with another port of their UDP encapsulation.",
		.needs = BIT(SA),
		STEPS(port_mismatch),
	},
	[IKW_REASON_FLOW_OVERLAP] = {
		.group = IKW_GROUP_VENDOR_OTHER,
		.impact = GONE,
		.cause = "The flow overlapped with another tunnel's, and one of the two had to go.",
		.evidence = "None exists on Linux.",
		.not_emitted = "Linux lets selectors overlap (the policy with the lower priority value "
			       "is matched first) and no daemon deletes a tunnel for it; equal "
			       "selectors are \"kick old sa with same flow\".",
		.needs = BIT(SA) | BIT(POLICY),
		STEPS(flow_overlap),
	},
	[IKW_REASON_PEER_ADDRESS_SWITCH] = {
		.group = IKW_GROUP_VENDOR_OTHER,
		.impact = REPLACED_USUALLY,
		.cause = "The peer's or our own address moved, and the SAs went on with the new one "
			 "(MOBIKE) or were set up anew from there; or our own address went.",
		.evidence = "The same SPIs deleted and added within moments with another outer address. "
			    "Or this host lost the address, and the flow is back from another one, or not "
			    "at all; or the peer deleted it from another address and came back from there.",
		.needs = BIT(SA),
		.helps = IKE_BOTH | BIT(LINK) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(peer_address_switch),
	},
	[IKW_REASON_ADMIN_DOWN] = {
		.group = IKW_GROUP_VENDOR_OTHER,
		.impact = GONE,
		.cause = "The interface that carries the tunnel was set down.",
		.evidence = "The interface, or what it stands on (a VLAN's card, a bond's last port), goes from "
			    "up to down by configuration, not by losing its carrier, and the deletion "
			    "follows.",
		.needs = BIT(SA) | BIT(LINK),
		.helps = BIT(IKE_IN) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(admin_down),
	},
	[IKW_REASON_BACKUP_DELETE] = {
		.group = IKW_GROUP_VENDOR_OTHER,
		.impact = GONE,
		.cause = "Another node of this host's cluster deleted the tunnel, for a cause of its own, "
			 "and this one followed.",
		.evidence = "A message of strongSwan's ha plugin (UDP port 4510) that comes in and tells of "
			    "the deletion of this CHILD_SA or its IKE_SA, and the SAs deleted right after, "
			    "without IKE or a command here. Where the plugin has a secret its messages are "
			    "encrypted, and the reason is \"unknown\".",
		.needs = BIT(SA) | BIT(WIRE),
		.helps = IKE_BOTH | BIT(ACTOR) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(backup_delete),
	},
	[IKW_REASON_IDLE_TIMEOUT] = {
		.group = IKW_GROUP_OURS,
		.impact = GONE,
		.cause = "There was no traffic for the configured time, and the daemon closed the "
			 "tunnel.",
		.evidence = "The SAs idle for a long while, then our own Delete that nothing on the wire and no "
			    "command provoked, the daemon having read when the SAs were last used just before it.",
		.needs = BIT(SA) | BIT(IKE_OUT) | BIT(ESP),
		.helps = BIT(ASKED) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(idle_timeout),
	},
	[IKW_REASON_INTERFACE_REMOVED] = {
		.group = IKW_GROUP_OURS,
		.impact = GONE,
		.cause = "The device or the network namespace that the SA belonged to went away.",
		.evidence = "The kernel deletes the SAs while it tears down the device or the namespace, "
			    "on behalf of no process; or the way to the peer, or what it stands on, is removed, and the "
			    "deletion follows.",
		.needs = BIT(SA),
		.helps = BIT(CAUSE) | BIT(LINK) | BIT(IKE_IN) | BIT(CONTROL) | BIT(SIGNAL),
		STEPS(interface_removed),
	},
	[IKW_REASON_UNKNOWN] = {
		.group = IKW_GROUP_OURS,
		.impact = GONE,
		.cause = "No rule explains what was observed.",
		.evidence = "The deletion itself; what else was seen is listed, and what could not be "
			    "seen is named.",
		.needs = BIT(SA),
		STEPS(unknown),
	},
};

_Static_assert(sizeof(entries) / sizeof(entries[0]) == IKW_REASON_COUNT,
	       "every reason has an entry");

const struct ikw_catalogue_entry *ikw_catalogue(enum ikw_reason reason)
{
	if ((unsigned int)reason >= IKW_REASON_COUNT)
		return NULL;
	return &entries[reason];
}

const char *ikw_catalogue_group_text(enum ikw_catalogue_group group)
{
	switch (group) {
	case IKW_GROUP_VENDOR:
		return "vendor";
	case IKW_GROUP_VENDOR_OTHER:
		return "vendor-other";
	case IKW_GROUP_OURS:
		return "ikewatch";
	}
	return "";
}

const char *ikw_catalogue_observable_text(uint32_t bit)
{
	static const char *const names[] = {
		"ike_in", "ike_out", "sa",	"actor",  "cause", "larval",
		"failed", "policy",  "control", "signal", "exit",  "link",
		"esp",	  "wire",    "request", "portid", "asked",
	};

	if (bit == 0 || (bit & (bit - 1)) != 0)
		return NULL;
	unsigned int n = (unsigned int)__builtin_ctz(bit);
	return n < sizeof(names) / sizeof(names[0]) ? names[n] : NULL;
}

/* A word that no shell reads anything into. */
static bool is_plain(const char *s)
{
	for (; *s; s++)
		if (!isascii(*s) || (!isalnum(*s) && !strchr("_./:@%+,-", *s)))
			return false;
	return true;
}

static void put_quoted(FILE *out, const char *s)
{
	if (is_plain(s)) {
		fputs(s, out);
		return;
	}
	fputc('\'', out);
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", out);
		else
			fputc(*s, out);
	}
	fputc('\'', out);
}

static void put_netns(FILE *out, const char *netns)
{
	if (!netns || !*netns || strcmp(netns, "Public") == 0)
		return;
	fputs(strchr(netns, '/') ? "nsenter --net=" : "ip netns exec ", out);
	put_quoted(out, netns);
	fputc(' ', out);
}

static void put_state(FILE *out, const char *dir)
{
	if (!dir || !*dir)
		return;
	fputs(" --state-dir ", out);
	put_quoted(out, dir);
}

/* Writes what a placeholder (the text between the braces) stands for; false: no such value. */
static bool put_value(FILE *out, const char *name, size_t len,
		      const struct ikw_catalogue_values *values)
{
	const struct {
		const char *name;
		const char *value;
	} known[] = {
		{ "peer", values->peer },     { "local", values->local },
		{ "iface", values->iface },   { "inside", values->inside },
		{ "tunnel", values->tunnel }, { "id", values->id },
		{ "since", values->since },   { "until", values->until },
	};
	if (len == 5 && strncmp(name, "state", len) == 0) {
		put_state(out, values->state);
		return true;
	}
	if (len == 5 && strncmp(name, "netns", len) == 0) {
		put_netns(out, values->netns);
		return true;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) != len || strncmp(known[i].name, name, len) != 0)
			continue;
		if (!known[i].value || !*known[i].value)
			return false;
		put_quoted(out, known[i].value);
		return true;
	}
	return false;
}

char *ikw_catalogue_fill(const char *template, const struct ikw_catalogue_values *values)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (const char *p = template; *p;) {
		const char *end = *p == '{' ? strchr(p, '}') : NULL;
		if (end && put_value(out, p + 1, (size_t)(end - p - 1), values)) {
			p = end + 1;
			continue;
		}
		fputc(*p++, out);
	}
	if (ferror(out)) {
		fclose(out);
		free(text);
		return NULL;
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
