/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The alarm: what the operator is told. Made by the model when a case closes,
 * formatted here. Pure: no I/O, no clock.
 */
#ifndef IKEWATCH_ALARM_H
#define IKEWATCH_ALARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "bpf/ikewatch_event.h"
#include "reason.h"

#define IKW_ALARM_NAME_LEN 64
#define IKW_ALARM_BLIND	   24 /* more than user/compose.c has */
#define IKW_ALARM_NAME	   "IPSECTUNNELSTOP"
#define IKW_ALARM_ID	   4285734913ULL
#define IKW_ALARM_OID	   "1.3.6.1.4.1.2011.6.122.26.6.2"

/* JSON for others: reals as short as they were rounded to, not with every binary digit. */
#define IKW_JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

/* X(constant, text): what a fact of the evidence is of. */
#define IKW_EVIDENCE_KINDS(X)                                                                      \
	X(HOST, "host") /* a process, an interface, another protocol, as seen on this host */      \
	X(SA, "sa")	/* the SAD */                                                              \
	X(MESSAGE, "message") /* one IKE message on the wire between the two gateways */           \
	X(NOTE, "note")	      /* what follows from others: no answer, a negotiation's outcome */

enum ikw_evidence_kind {
#define IKW_X(constant, text) IKW_EVIDENCE_##constant,
	IKW_EVIDENCE_KINDS(IKW_X)
#undef IKW_X
		IKW_EVIDENCE_KIND_COUNT
};

/* One fact of the evidence. What is zero does not apply; the object leaves it out. */
struct ikw_evidence {
	uint64_t time;	  /* boot time ns */
	uint64_t wall;	  /* Unix ns */
	const char *fact; /* static slug, e.g. "request_unanswered" */
	char *text;	  /* owned by the alarm */
	enum ikw_evidence_kind kind;
	uint8_t dir;	      /* MESSAGE, SA: enum ikw_dir */
	bool response;	      /* MESSAGE: answers a request */
	uint16_t copy;	      /* MESSAGE: 1 for the first retransmission of a request, and so on */
	const char *exchange; /* MESSAGE: static name; with it message_id and length count */
	uint32_t message_id;
	uint32_t length;
	uint32_t spi; /* SA */
};

/* One SA of the generation that was deleted. */
struct ikw_alarm_sa {
	uint32_t spi;
	uint8_t dir; /* enum ikw_dir */
	uint64_t bytes;
	uint64_t packets;
	double age_s;
	double idle_s;	  /* negative: not known (printed as null) */
	uint64_t sampled; /* Unix ns of the newest sample of its traffic; 0: none */
	uint32_t span_count;
	uint32_t spans[IKW_ESP_SPANS]; /* packets, as struct ikw_esp has them */
};

/* A process, as far as it was seen. */
struct ikw_alarm_process {
	uint32_t pid;
	uint32_t uid;
	uint32_t loginuid; /* ~0: none */
	char comm[IKW_COMM_LEN];
	char tty[IKW_NAME_LEN];
	char exe[IKW_EXE_LEN];	    /* empty: not known */
	char command[IKW_ARGS_LEN]; /* argv joined by blanks, or the request; empty: not known */
	unsigned int parent_count;
	struct ikw_parent parents[IKW_PARENTS];
};

struct ikw_alarm {
	uint64_t id;	  /* given by whoever stores it; 0 until then */
	uint64_t time;	  /* boot time ns of the deletion */
	uint32_t spi;	  /* of the SA that went first: with time, it names the deletion */
	uint64_t wall;	  /* Unix ns of the deletion */
	uint64_t closed;  /* boot time ns when the case closed */
	uint64_t emitted; /* boot time ns when it was written out; 0: use closed */
	uint32_t ifindex;
	uint32_t reqid;	       /* seq_num */
	uint32_t tunnel_index; /* the agent's stable number for the tunnel */
	uint32_t rule_num;     /* index of the outbound policy; 0: not known */
	uint8_t dst[IKW_ADDR_LEN];
	uint8_t src[IKW_ADDR_LEN];
	char inside_ip[64];
	uint16_t remote_port;
	uint32_t cpu;
	char flow_info[256];
	char vsys[64];
	char ifname[IKW_NAME_LEN];
	uint32_t slot;
	enum ikw_reason reason;
	enum ikw_confidence confidence;
	const char *rule; /* static name of the row that spoke */
	const char *severity;
	bool history;			      /* kept, but not raised: the operator said so */
	char peer_name[IKW_ALARM_NAME_LEN];   /* the operator's; empty: none */
	char tunnel_name[IKW_ALARM_NAME_LEN]; /* likewise */
	char *detail;			      /* one English sentence; owned */
	bool tunnel_up;			      /* the flow is carried, be it by another tunnel */
	bool own_up;			      /* by this one itself */
	uint8_t ike_version;		      /* 0: no IKE_SA known */
	uint64_t spi_i;
	uint64_t spi_r;
	unsigned int sa_count;
	struct ikw_alarm_sa sas[4];
	bool has_by;
	bool has_ordered_by;
	struct ikw_alarm_process by;
	struct ikw_alarm_process ordered_by;
	unsigned int evidence_count;
	struct ikw_evidence *evidence; /* owned, in order of time */
	unsigned int blind_count;
	const char *blind[IKW_ALARM_BLIND]; /* static texts */
};

/* Frees what an alarm owns, not the struct itself. */
void ikw_alarm_clear(struct ikw_alarm *alarm);

/*
 * The seed's line (ALM-4285734913), without a line end, into buf. Returns the
 * length, or -1 when size is too small (4096 is always enough).
 */
int ikw_alarm_line(const struct ikw_alarm *alarm, char *buf, size_t size);

/* The alarm object of DESIGN.md; a new reference, or NULL without memory. */
json_t *ikw_alarm_json(const struct ikw_alarm *alarm);

/* The alarm object as one compact line without a line end; malloc'd; NULL without memory. */
char *ikw_alarm_json_line(const struct ikw_alarm *alarm);

/* "198.51.100.1" or "2001:db8::1" into buf (at least 46 bytes); returns buf. */
const char *ikw_addr_text(const uint8_t addr[IKW_ADDR_LEN], char *buf, size_t size);

/* RFC 3339, UTC, microseconds, into buf (at least 32 bytes); returns buf. */
const char *ikw_time_text(uint64_t wall_ns, char *buf, size_t size);

/* The same as JSON, the caller's; null for 0, a time that is not known. */
json_t *ikw_time_json(uint64_t wall_ns);

#endif
