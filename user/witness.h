/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The agent's kernel side: SAD and host probes (loader) and packet programs
 * (hooks), brought together for the one who runs them.
 */
#ifndef IKEWATCH_WITNESS_H
#define IKEWATCH_WITNESS_H

#include "agent.h"

/*
 * Loads what this kernel can. Sets agent->tier; one line on stderr for each
 * tier that had to fall back. False with the cause in why when what was asked
 * for by name (--tier, --hook) cannot be had; nothing is left attached then.
 */
bool ikw_witness_open(struct ikw_agent *agent, char *why, size_t size);

/* What is pinned goes on witnessing; everything else ends. */
void ikw_witness_close(struct ikw_agent *agent);

/* What went on to be witnessed while no agent ran: a mask of enum ikw_observable. */
uint32_t ikw_witness_kept(const struct ikw_agent *agent);

/* In the watched namespace, when its links are known: lets go of what is not wanted any more. */
void ikw_witness_sweep(struct ikw_agent *agent);

/* Readable when records wait; -1: there is no ring. */
int ikw_witness_fd(const struct ikw_agent *agent);

/* Reports what the ring lost since it was last asked. */
void ikw_witness_lost(struct ikw_agent *agent);

/* Feeds what waits in the ring, a bounded part; reports what it lost. True when more may wait. */
bool ikw_witness_drain(struct ikw_agent *agent);

/*
 * In the watched namespace (its inode is agent->netns.inode): probes look at it
 * and packet programs are loaded for it. False with the cause in why.
 */
bool ikw_witness_netns(struct ikw_agent *agent, char *why, size_t size);

/*
 * In the watched namespace: other packet programs, by the options as they are
 * now; the links are to be hooked again, which replaces the old programs. False
 * with the cause in why.
 */
bool ikw_witness_renew(struct ikw_agent *agent, char *why, size_t size);

/* In the watched namespace: lets all its links go. */
void ikw_witness_release(struct ikw_agent *agent);

/* In the watched namespace: packet programs onto a link. False with the cause in why. */
bool ikw_witness_hook(struct ikw_agent *agent, const struct ikw_agent_link *link, char *why,
		      size_t size);

/* The link has another name from now on. */
void ikw_witness_rename(struct ikw_agent *agent, uint32_t ifindex, const char *name);

/* The link is gone, and the programs with it. */
void ikw_witness_unhook(struct ikw_agent *agent, uint32_t ifindex);

/* Has somebody taken tc filters of the programs from it? Then they are on it no more. In the
 * watched namespace. */
bool ikw_witness_cut(struct ikw_agent *agent, uint32_t ifindex);

/* They are on all links again that they were to be on: what passed since that time went unseen. */
void ikw_witness_back(struct ikw_agent *agent, uint64_t since);

/* ESP counters of an SA, both directions. True with an ESP event filled if there are any. */
bool ikw_witness_esp(const struct ikw_agent *agent, const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi,
		     union ikw_event *event);

/* ops.sa of the model: the packet programs are told of it. ctx: the agent. */
void ikw_witness_sa(void *ctx, const struct ikw_model_sa *sa, bool there);

/* A dump of the SAD has ended: the model knows all SAs. */
void ikw_witness_dumped(struct ikw_agent *agent);

/* A process is an IKE daemon: connects and signals to it are witnessed. */
void ikw_witness_daemon(struct ikw_agent *agent, uint32_t tgid);

/* What the programs can observe: enum ikw_observable. */
uint32_t ikw_witness_sees(const struct ikw_agent *agent);

/* Periodic work of the packet maps; returns the boot time ns of the next. */
uint64_t ikw_witness_tick(struct ikw_agent *agent, uint64_t now);

/* Adds "probes" and "hooks" to the status object. */
void ikw_witness_status(const struct ikw_agent *agent, json_t *status);

#endif
