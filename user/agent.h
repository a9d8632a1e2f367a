/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The running agent: every source feeds events into one function, which
 * records, streams and gives them to the model; alarms come out.
 */
#ifndef IKEWATCH_AGENT_H
#define IKEWATCH_AGENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "control.h"
#include "journal.h"
#include "loop.h"
#include "model.h"
#include "netlink_rt.h"
#include "netlink_xfrm.h"
#include "netns.h"
#include "netns_end.h"
#include "outlet.h"
#include "recording.h"
#include "rules.h"
#include "store.h"
#include <uthash.h>

#define IKW_IFACES_MAX	64
#define IKW_PORTS_USUAL 2 /* 500 and 4500, the first of ports[] */
#define IKW_PORTS_MAX	(IKW_PORTS_USUAL + IKW_OWN_PORTS)
#define IKW_DAEMONS_MAX 64
#define IKW_MISSED_MAX	16

struct ikw_run_options {
	const char *ifaces[IKW_IFACES_MAX];
	size_t iface_count; /* 0: every interface that can carry IKE */
	const char *netns;
	const char *config;
	const char *hook;      /* "auto", "xdp", "xdp-generic", "tc" */
	const char *state_dir; /* NULL: the default, and no error if it cannot be used */
	const char *pin_dir;   /* NULL: the default */
	const char *record;
	const char *socket;  /* NULL: by state_dir */
	enum ikw_tier tier;  /* IKW_TIER_NONE: the best */
	uint64_t settle_ns;  /* 0: the model's default */
	uint32_t ring_bytes; /* 0: by the machine's memory */
	uint16_t ports[IKW_PORTS_MAX];
	size_t port_count;
	bool no_store;
	bool json;
	struct ikw_rules rules;
};

/* A link of the watched namespace. */
struct ikw_agent_link {
	uint32_t ifindex;
	char name[IKW_NAME_LEN];
	char kind[IKW_NAME_LEN];
	bool stacked; /* what it carries is seen on the links below it */
	bool hooked;
	bool seen;     /* by the dump that is under way */
	char why[192]; /* why it could not be hooked; empty: it was, or was not to be */
	uint64_t cut;  /* somebody took our filters from it after that time; 0: nobody did */
	UT_hash_handle hh;
};

/* A process named in an SA event by its netlink port. */
struct ikw_agent_port {
	struct ikw_actor actor; /* tgid 0: it could not be told */
	uint64_t until;		/* boot time ns; the answer is good till then */
	UT_hash_handle hh;
};

/* A line that waits until the alarms of its batch are durable. */
struct ikw_agent_line {
	char *text;	  /* with line end; NULL: json */
	json_t *json;	  /* an alarm object; its latency is filled in when it is written */
	uint64_t deleted; /* boot time ns */
	struct ikw_agent_line *next;
};

/* An IKE daemon that ended and left tunnels behind. */
#define IKW_DAEMONS_LOST 8
struct ikw_agent_lost_daemon {
	uint64_t wall; /* Unix ns */
	uint32_t pid;
	int32_t exit_code;
	char comm[IKW_COMM_LEN];
	uint32_t *tunnels; /* their numbers */
	size_t count;
};

/* A UDP port where a process that manages SAs listens, and IKE is not looked for. */
#define IKW_UNHEARD_MAX 8
struct ikw_agent_unheard {
	uint16_t port;
	uint32_t tgid;
	char comm[IKW_COMM_LEN];
};

/* A deletion of a checkpoint whose alarm was given. */
struct ikw_agent_done {
	struct {
		uint64_t time; /* boot time ns */
		uint64_t spi;
	} key;
	UT_hash_handle hh;
};

struct ikw_witness;
struct ikw_config;

struct ikw_agent {
	struct ikw_run_options options;
	struct ikw_netns_ref netns;
	struct ikw_config *config;		 /* whose texts the options are; NULL: none */
	bool (*reload)(struct ikw_agent *agent); /* on SIGHUP */
	bool reloading;				 /* wanted */
	struct ikw_netns_end netns_end; /* netlink tier: the kernel's word on the namespace's end */
	bool attached;			/* to the namespace's links and SAD */
	bool stopping;
	bool failed;   /* the reason has been said */
	bool snapshot; /* wanted by a recording client */
	struct ikw_loop loop;
	struct ikw_poll rt_poll, xfrm_poll, proc_poll, netns_poll, signal_poll, clock_poll,
		ring_poll, end_poll;
	struct ikw_rt rt;
	struct ikw_xfrm xfrm;
	struct ikw_witness *witness; /* probes and packet programs */
	struct ikw_model *model;
	struct ikw_store *store;       /* NULL: none */
	struct ikw_recorder *recorder; /* NULL: none */
	struct ikw_journal *journal;   /* NULL: none */
	struct ikw_agent_done *done;   /* while a journal is replayed: deletions it has as done */
	bool replaying;
	bool caught_up;
	bool journal_full; /* begin a segment before the next event */
	bool journal_failing;
	uint64_t as_of; /* catching up: boot time ns of the record; what is fed with it is not later
			 */
	uint64_t lost_said;   /* boot time ns of the last line about losses; 0: none */
	uint64_t lost_unsaid; /* records lost since */
	uint64_t gap_since;   /* what no agent saw: boot time ns, enum ikw_observable */
	uint64_t gap_until;
	uint32_t gap_sees;
	uint64_t replayed;   /* events of the agent before this one */
	uint64_t known_till; /* boot time ns of the last of them; 0: none */
	struct ikw_control_server *control;
	struct ikw_agent_link *links;
	char missed[IKW_MISSED_MAX][IKW_NAME_LEN]; /* links whose end was said; empty: none */
	struct ikw_agent_port *ports;
	struct ikw_agent_line *lines, **lines_end;
	unsigned int line_count;
	enum ikw_tier tier;
	bool other_pids; /* /proc has other numbers of processes than the kernel probes give */
	uint32_t sees;	 /* enum ikw_observable, as last told the model */
	uint16_t told_ports[IKW_OWN_PORTS]; /* likewise */
	uint32_t daemons[IKW_DAEMONS_MAX];
	size_t daemon_count;
	struct ikw_agent_unheard unheard[IKW_UNHEARD_MAX];
	size_t unheard_count;
	struct ikw_agent_lost_daemon lost_daemons[IKW_DAEMONS_LOST]; /* the latest */
	uint64_t lost_daemon_count;				     /* of all */
	uint64_t started;					     /* boot time ns */
	uint64_t last_event;					     /* boot time ns */
	uint64_t next_clock;	  /* boot time ns of the next CLOCK event */
	struct ikw_clocks clocks; /* as the last CLOCK event had them */
	uint64_t next_scan;	  /* not before then may daemons be looked for again */
	uint32_t no_daemon;	  /* the last process that was asked for alone, and was none */
	uint64_t no_daemon_until; /* boot time ns; 0: none was */
	uint64_t next_ask;	  /* not before then may one process be asked for */
	uint64_t resync_at;	  /* UINT64_MAX: none wanted */
	uint64_t hook_again_at;	  /* likewise */
	uint64_t netns_retry;	  /* UINT64_MAX: none wanted */
	uint64_t netns_until;	  /* when to give up on the new name */
	uint64_t next_id;	  /* alarm ids without a store */
	uint64_t seen[IKW_EV_MAX];
	uint64_t lost;
	bool store_failing;
	unsigned int store_replaced; /* databases moved aside, as far as it was said */
	struct ikw_outlet outlet;    /* stdout */
	uint64_t unprinted_said; /* lines it had not taken when that was said; 0: it takes them */
};

/* ---- agent.c: events in, alarms out ------------------------------------- */

/* An agent with nothing open. */
void ikw_agent_init(struct ikw_agent *agent);

/* Frees what the agent remembers by itself. */
void ikw_agent_forget(struct ikw_agent *agent);

/* The one way in for every event of every source. */
void ikw_agent_feed(struct ikw_agent *agent, union ikw_event *event);

/* ikw_agent_feed() as an ikw_event_fn. */
void ikw_agent_take(void *agent, union ikw_event *event);

/* For struct ikw_model_ops. */
void ikw_agent_alarm(void *agent, struct ikw_alarm *alarm);
void ikw_agent_tunnel(void *agent, const char *key, uint32_t index);
bool ikw_agent_known(void *agent, const char *key, struct ikw_tunnel_past *past);
void ikw_agent_tunnel_up(void *agent, uint32_t index, uint64_t boot);
void ikw_agent_daemon_lost(void *agent, const struct ikw_daemon_lost *lost);

/* Makes what happened since the last call durable, then writes the alarms out. */
void ikw_agent_flush(struct ikw_agent *agent);

/* Says that a damaged store was moved aside, once for each time. */
void ikw_agent_store_news(struct ikw_agent *agent);

/* Tells the model the wall time. */
void ikw_agent_clock(struct ikw_agent *agent);

/* Tells the model what can be observed from now on, if that changed. */
void ikw_agent_probes(struct ikw_agent *agent);

/* Records were lost, since then at the earliest: the model hears of it, and a dump makes good what
 * it can. */
void ikw_agent_lost(struct ikw_agent *agent, enum ikw_lost_where where, uint64_t count,
		    uint64_t since, uint32_t sees);

/* Is it a process that ikw_agent_daemons() found, and still there? */
bool ikw_agent_is_daemon(const struct ikw_agent *agent, uint32_t tgid);

/* Finds the IKE daemons of the namespace and tells of the new ones. */
void ikw_agent_daemons(struct ikw_agent *agent);

/* ---- resume.c: going on where an agent before this one ended -------------- */

/* Tells the model what the journal has. A store without one is fine. */
void ikw_agent_resume(struct ikw_agent *agent);

/*
 * Drains what was witnessed while no agent ran, and tells the model of what was
 * not. Before anything is read that is as it is now: an event of now closes the
 * cases whose evidence still waits in the ring.
 */
void ikw_agent_catch_up(struct ikw_agent *agent);

/* Into the journal, before the model. */
void ikw_agent_journal(struct ikw_agent *agent, const union ikw_event *event);

/* Has an agent before this one given the alarm of this deletion? */
bool ikw_agent_was_given(struct ikw_agent *agent, const struct ikw_alarm *alarm);

/* ---- sources.c: where events come from ---------------------------------- */

/*
 * Opens the namespace's sockets, attaches, and reads in what exists: links,
 * addresses, daemons, SAD, SPD. False with the cause in why. To be called again
 * when the namespace's name comes back.
 */
bool ikw_agent_attach(struct ikw_agent *agent, char *why, size_t size);

/* Lets go of everything that keeps the namespace alive. */
void ikw_agent_detach(struct ikw_agent *agent);

/* Feeds all that waits in the kernel. */
void ikw_agent_drain(struct ikw_agent *agent);

/* Attaches to the links that are wanted now, and to no others; anew: with other packet programs. */
void ikw_agent_rehook(struct ikw_agent *agent, bool anew);

/* Descriptors that outlive a namespace: signals, clock, process connector, the name itself. */
bool ikw_agent_sources(struct ikw_agent *agent, char *why, size_t size);

/* Does what is due, and returns the boot time ns of what comes next. */
uint64_t ikw_agent_due(struct ikw_agent *agent, uint64_t now);

/* ---- agent_status.c ------------------------------------------------------------ */

/* Answers a request on the control socket; an ikw_control_answer. */
char *ikw_agent_answer(void *agent, const struct ikw_control_request *request);

#endif
