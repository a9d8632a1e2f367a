/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "witness.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli.h"
#include "hooks.h"
#include "last_words.h"
#include "loader.h"
#include "pin.h"
#include "procfs.h"

#define DRAIN_BATCH 4096
#define RING_SHARE  64 /* of memory, rounded up to a power of two; within: */
#define RING_LEAST  (8u << 20)
#define RING_MOST   (32u << 20)
#define PACKET_SEES (IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT | IKW_SEES_ESP | IKW_SEES_WIRE)
#define STOOD_STILL (5 * IKW_S)	   /* what a second is the time for */
#define TICK	    (100 * IKW_MS) /* of the packet programs' clock */
#define LAST_WORDS  (30 * IKW_S)   /* how long a namespace may take to be torn down */

struct ikw_witness {
	struct ikw_loader *loader;	  /* NULL: none can be had here */
	struct ikw_hooks *hooks;	  /* NULL: none, or no namespace is attached */
	size_t hooked;			  /* links that have programs */
	uint64_t next_tick;		  /* boot time ns */
	uint64_t next_suppressed;	  /* boot time ns */
	uint64_t asked;			  /* boot time ns of the look before; 0: none yet */
	struct ikw_suppressed suppressed; /* as last reported */
	int pin_fd;			  /* holds the pin directory; -1: nothing is pinned */
	bool tried;			  /* the probes are attached, as far as they can be */
	uint32_t kept;			  /* what went on to be witnessed while no agent ran */
	uint64_t lost;			  /* of the ring, as last reported */
	uint64_t looked;		  /* boot time ns of that; 0: by an agent before this one */
	uint32_t old_netns;		  /* the one watched before; 0: none */
	uint64_t old_until;		  /* boot time ns; UINT64_MAX: not watched any more */
	struct ikw_last_words last_words; /* of the one that was torn down last */
	char why[256];			  /* why there is no loader */
};

/* ---- life --------------------------------------------------------------- */

static const char *tier_text(enum ikw_tier tier)
{
	static const char *const names[] = { "none", "fentry", "kprobe", "netlink" };

	return names[tier];
}

/* One line: what was to be had, what is, and why. */
static void say_fallback(const struct ikw_agent *agent, const char *why)
{
	if (agent->tier == IKW_TIER_FENTRY || agent->tier == agent->options.tier)
		return;
	ikw_error("SAD probes: %s instead of fentry: %s", tier_text(agent->tier), why);
}

/*
 * A flush of the SAD makes a record of each SA before anybody can read one: 280
 * bytes, so 32 MiB are 119,000 SAs. A gateway with as many has memory to match;
 * what does not fit is counted, and made good by a dump.
 */
static uint32_t ring_bytes(const struct ikw_agent *agent)
{
	uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
	uint64_t share = pages * (uint64_t)sysconf(_SC_PAGESIZE) / RING_SHARE;

	if (agent->options.ring_bytes)
		return agent->options.ring_bytes;
	if (share < RING_LEAST)
		return RING_LEAST;
	return share < RING_MOST ? (uint32_t)share : RING_MOST;
}

static const char *pin_dir(const struct ikw_agent *agent)
{
	return agent->options.pin_dir ? agent->options.pin_dir : IKW_PIN_DIR;
}

static bool open_loader(struct ikw_agent *agent, char *why, size_t size)
{
	struct ikw_loader_config config = { .tier = agent->options.tier,
					    .netns = agent->netns.inode,
					    .ring_bytes = ring_bytes(agent),
					    .pin_dir = agent->witness->pin_fd >= 0 ? pin_dir(agent)
										   : NULL };
	struct ikw_witness *witness = agent->witness;
	enum ikw_tier wanted = agent->options.tier;

	agent->tier = IKW_TIER_NETLINK;
	if (ikw_loader_open(&config, &witness->loader, witness->why, sizeof(witness->why))) {
		snprintf(why, size, "ring buffer: %.200s", witness->why);
		witness->loader = NULL;
	} else if (ikw_loader_attach(witness->loader)) {
		snprintf(why, size, "%s", ikw_loader_why(witness->loader));
	} else {
		agent->tier = ikw_loader_tier(witness->loader);
		snprintf(why, size, "%s", ikw_loader_why(witness->loader));
	}
	agent->other_pids = agent->tier != IKW_TIER_NETLINK && !ikw_procfs_initial();
	if (agent->other_pids)
		ikw_error("this is a PID namespace of its own: IKE daemons that are there already, "
			  "and commands that were begun before, are not known; see ikewatch check");
	return wanted == IKW_TIER_NONE || wanted == agent->tier;
}

/* What is pinned outlives the agent, and is there for bpftool; the agent works without. */
static bool take_pins(struct ikw_agent *agent, char *why, size_t size)
{
	char cause[PATH_MAX + 64];

	agent->witness->pin_fd = ikw_pin_take(pin_dir(agent), cause, sizeof(cause));
	if (agent->witness->pin_fd >= 0)
		return true;
	if (agent->options.pin_dir) {
		snprintf(why, size, "%s", cause);
		return false;
	}
	ikw_error("%s; nothing is pinned: while no agent runs, nothing is seen", cause);
	return true;
}

static void say_found(const struct ikw_agent *agent)
{
	const struct ikw_loader *loader = agent->witness->loader;

	if (ikw_loader_found(loader) == IKW_FOUND_OTHER)
		ikw_error("%s: pinned by an ikewatch that laid it out differently: replaced",
			  pin_dir(agent));
	else if (ikw_loader_adopted(loader))
		ikw_error("probes: taken over as they are pinned");
	else if (ikw_loader_found(loader))
		ikw_error("probes: those pinned are replaced, their ring is gone on with");
}

static void pin(struct ikw_agent *agent)
{
	struct ikw_witness *witness = agent->witness;
	int err;

	if (!witness->loader)
		return;
	witness->tried = true;
	witness->lost = ikw_loader_layout(witness->loader)->lost;
	witness->kept = ikw_loader_kept(witness->loader);
	if (witness->pin_fd < 0)
		return;
	say_found(agent);
	/* Kernels that cannot pin a kprobe's link pin the rest. */
	err = ikw_loader_pin(witness->loader);
	if (err)
		ikw_error("%s: not everything can be pinned: %s; while no agent runs, less is seen",
			  pin_dir(agent), strerror(-err));
}

bool ikw_witness_open(struct ikw_agent *agent, char *why, size_t size)
{
	char cause[256];

	agent->witness = calloc(1, sizeof(*agent->witness));
	if (!agent->witness) {
		snprintf(why, size, "run: %s", strerror(ENOMEM));
		return false;
	}
	agent->witness->old_until = UINT64_MAX;
	agent->witness->pin_fd = -1;
	if (!take_pins(agent, why, size)) {
		ikw_witness_close(agent);
		return false;
	}
	if (!open_loader(agent, cause, sizeof(cause))) {
		snprintf(why, size, "tier %s: %s", tier_text(agent->options.tier), cause);
		ikw_witness_close(agent);
		return false;
	}
	say_fallback(agent, cause);
	pin(agent);
	return true;
}

/* A start that failed leaves nothing behind but what it found. */
static bool keeps(const struct ikw_agent *agent)
{
	const struct ikw_witness *witness = agent->witness;

	return witness->pin_fd >= 0 && witness->tried &&
	       (agent->stopping || ikw_loader_found(witness->loader) >= IKW_FOUND_MAPS);
}

void ikw_witness_close(struct ikw_agent *agent)
{
	struct ikw_witness *witness = agent->witness;
	bool kept;

	if (!witness)
		return;
	kept = keeps(agent);
	if (kept) {
		ikw_hooks_leave(witness->hooks);
		ikw_loader_leave(witness->loader);
	} else {
		ikw_hooks_close(witness->hooks);
		ikw_loader_close(witness->loader);
	}
	if (witness->pin_fd >= 0 && !kept)
		ikw_pin_clear(pin_dir(agent));
	ikw_pin_drop(pin_dir(agent), witness->pin_fd);
	free(witness);
	agent->witness = NULL;
}

uint32_t ikw_witness_kept(const struct ikw_agent *agent)
{
	return agent->witness->kept;
}

void ikw_witness_sweep(struct ikw_agent *agent)
{
	if (agent->witness->hooks)
		ikw_hooks_sweep(agent->witness->hooks);
}

/* ---- the ring ----------------------------------------------------------- */

int ikw_witness_fd(const struct ikw_agent *agent)
{
	return agent->witness->loader ? ikw_loader_poll_fd(agent->witness->loader) : -1;
}

/*
 * While the probes also listen to a namespace that is being torn down, they
 * hear all others: what concerns neither is dropped here.
 */
static bool concerns(const struct ikw_agent *agent, const struct ikw_hdr *hdr)
{
	if (agent->witness->old_until == UINT64_MAX)
		return true;
	if (hdr->type != IKW_EV_SA && hdr->type != IKW_EV_POLICY && hdr->type != IKW_EV_FLUSH)
		return true;
	return hdr->netns == agent->netns.inode || hdr->netns == agent->witness->old_netns;
}

static void take_record(void *ctx, union ikw_event *event)
{
	struct ikw_agent *agent = ctx;

	if (agent->as_of)
		agent->as_of = event->hdr.time;
	/* killed between the journal and the ring, an agent before this one took it */
	if (agent->journal && ikw_journal_has(agent->journal, &event->hdr))
		return;
	if (concerns(agent, &event->hdr) && ikw_last_words_hear(&agent->witness->last_words, event))
		ikw_agent_feed(agent, event);
}

/* A CPU that had nothing to tell for long knows less than the last look at the count. */
static uint64_t lost_since(struct ikw_agent *agent)
{
	uint64_t looked = agent->witness->looked ? agent->witness->looked : agent->known_till;
	uint64_t since = ikw_loader_lost_since(agent->witness->loader);

	return since > looked ? since : looked;
}

void ikw_witness_lost(struct ikw_agent *agent)
{
	struct ikw_witness *witness = agent->witness;
	uint64_t lost = witness->loader ? ikw_loader_lost(witness->loader) : 0;
	uint64_t now = ikw_boot_now();
	struct ikw_layout layout;

	if (lost > witness->lost)
		ikw_agent_lost(agent, IKW_LOST_RING, lost - witness->lost, lost_since(agent),
			       ikw_witness_sees(agent));
	witness->looked = now;
	if (lost == witness->lost)
		return;
	witness->lost = lost;
	layout = *ikw_loader_layout(witness->loader);
	layout.lost = lost;
	ikw_loader_note(witness->loader, &layout);
}

bool ikw_witness_drain(struct ikw_agent *agent)
{
	struct ikw_loader *loader = agent->witness->loader;
	int n = loader ? ikw_loader_consume(loader, take_record, agent, DRAIN_BATCH) : 0;

	return n == DRAIN_BATCH;
}

/* ---- what the probes look at --------------------------------------------- */

/* Settings of the packet programs; what an earlier agent pinned is for the same namespace only. */
static struct ikw_hooks_config hooks_config(const struct ikw_agent *agent)
{
	const struct ikw_witness *witness = agent->witness;
	const struct ikw_layout *layout = ikw_loader_layout(witness->loader);
	struct ikw_hooks_config config = {
		.netns = agent->netns.inode,
		.events_fd = ikw_loader_map_fd(witness->loader, "ikw_events"),
		.state_fd = ikw_loader_map_fd(witness->loader, "ikw_state"),
		.interfaces_fd = ikw_loader_map_fd(witness->loader, "ikw_interfaces"),
		.ports = agent->options.ports + IKW_PORTS_USUAL,
		.port_count = agent->options.port_count - IKW_PORTS_USUAL,
		.wire = IKW_WIRE_ALL,
		.pin_dir = witness->pin_fd >= 0 ? pin_dir(agent) : NULL,
		.now = ikw_boot_now(),
	};

	ikw_hook_mode_of(agent->options.hook, &config.mode);
	if (layout->netns == agent->netns.inode)
		config.found = layout->packets;
	return config;
}

static void note_hooks(struct ikw_agent *agent)
{
	struct ikw_witness *witness = agent->witness;
	struct ikw_layout layout = *ikw_loader_layout(witness->loader);

	if (layout.packets && layout.netns == agent->netns.inode)
		witness->kept |= PACKET_SEES;
	layout.netns = agent->netns.inode;
	layout.packets = ikw_hooks_digest(witness->hooks);
	snprintf(layout.netns_path, sizeof(layout.netns_path), "%.127s", agent->netns.path);
	ikw_loader_note(witness->loader, &layout);
}

void ikw_witness_sa(void *ctx, const struct ikw_model_sa *sa, bool there)
{
	const struct ikw_agent *agent = ctx;
	struct ikw_hooks *hooks = agent->witness ? agent->witness->hooks : NULL;

	if (!hooks)
		return;
	if (there)
		ikw_hooks_know(hooks, sa->saddr, sa->daddr, sa->spi, sa->dir,
			       sa->shared ? 0 : sa->installed);
	else
		ikw_hooks_forget(hooks, sa->saddr, sa->daddr, sa->spi, sa->shared);
}

void ikw_witness_dumped(struct ikw_agent *agent)
{
	if (agent->witness && agent->witness->hooks)
		ikw_hooks_known_all(agent->witness->hooks);
}

/* The programs carry the namespace's inode in their records: each namespace gets its own. */
static bool open_hooks(struct ikw_agent *agent, char *why, size_t size)
{
	struct ikw_hooks_config config = hooks_config(agent);
	struct ikw_witness *witness = agent->witness;
	char cause[200] = "";

	if (!ikw_hooks_open(&config, &witness->hooks, cause, sizeof(cause))) {
		ikw_hooks_tick(witness->hooks, ikw_boot_now());
		note_hooks(agent);
		/* those that came to be known before the hooks did */
		if (agent->model)
			ikw_model_sas(agent->model, ikw_witness_sa, agent);
		return true;
	}
	witness->hooks = NULL;
	if (config.mode != IKW_HOOK_AUTO || agent->options.iface_count) {
		snprintf(why, size, "%s", cause);
		return false;
	}
	ikw_error("%s; IKE and ESP packets are not seen", cause);
	return true;
}

/* The programs go with their namespace: nothing is left there for the next agent. */
static void forget_hooks(struct ikw_agent *agent)
{
	struct ikw_layout layout = *ikw_loader_layout(agent->witness->loader);

	layout.packets = 0;
	ikw_loader_note(agent->witness->loader, &layout);
}

void ikw_witness_release(struct ikw_agent *agent)
{
	if (!agent->witness)
		return;
	/* a namespace whose name went takes its programs along */
	if (keeps(agent) && (agent->stopping || !agent->attached)) {
		ikw_hooks_leave(agent->witness->hooks);
	} else if (agent->witness->hooks) {
		ikw_hooks_close(agent->witness->hooks);
		forget_hooks(agent);
	}
	agent->witness->hooks = NULL;
	agent->witness->hooked = 0;
}

bool ikw_witness_renew(struct ikw_agent *agent, char *why, size_t size)
{
	struct ikw_witness *witness = agent->witness;

	if (!witness->loader)
		return true;
	if (witness->pin_fd >= 0)
		ikw_hooks_leave(witness->hooks);
	else
		ikw_hooks_close(witness->hooks);
	witness->hooks = NULL;
	witness->hooked = 0;
	return open_hooks(agent, why, size);
}

bool ikw_witness_hook(struct ikw_agent *agent, const struct ikw_agent_link *link, char *why,
		      size_t size)
{
	struct ikw_witness *witness = agent->witness;

	if (!witness->hooks)
		return false;
	if (ikw_hooks_attach(witness->hooks, link->ifindex, link->name, link->kind, why, size))
		return false;
	witness->hooked++;
	return true;
}

void ikw_witness_rename(struct ikw_agent *agent, uint32_t ifindex, const char *name)
{
	ikw_hooks_rename(agent->witness->hooks, ifindex, name);
}

void ikw_witness_unhook(struct ikw_agent *agent, uint32_t ifindex)
{
	ikw_hooks_detach(agent->witness->hooks, ifindex);
	agent->witness->hooked--;
}

bool ikw_witness_cut(struct ikw_agent *agent, uint32_t ifindex)
{
	if (!agent->witness->hooks || !ikw_hooks_cut(agent->witness->hooks, ifindex))
		return false;
	agent->witness->hooked--;
	return true;
}

void ikw_witness_back(struct ikw_agent *agent, uint64_t since)
{
	ikw_agent_lost(agent, IKW_LOST_SUPPRESSED, 0, since, PACKET_SEES);
}

bool ikw_witness_esp(const struct ikw_agent *agent, const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi,
		     union ikw_event *event)
{
	struct ikw_esp esp;

	if (!agent->witness->hooks || !ikw_hooks_esp(agent->witness->hooks, daddr, spi, &esp))
		return false;
	ikw_stamp(event, IKW_EV_ESP, sizeof(event->esp), agent->netns.inode);
	esp.hdr = event->hdr;
	event->esp = esp;
	return true;
}

bool ikw_witness_netns(struct ikw_agent *agent, char *why, size_t size)
{
	struct ikw_witness *witness = agent->witness;
	bool moved = witness->old_netns && witness->old_netns != agent->netns.inode;
	int err;

	if (!witness->loader)
		return true;
	ikw_last_words_begin(&witness->last_words, agent->netns.inode, ikw_boot_now());
	/* The one before may still be going down: both are heard, through no filter at all. */
	err = ikw_loader_watch(witness->loader, moved ? 0 : agent->netns.inode);
	if (err) {
		snprintf(why, size, "probes: %s", strerror(-err));
		return false;
	}
	if (moved)
		witness->old_until = ikw_boot_now() + LAST_WORDS;
	else
		witness->old_netns = agent->netns.inode;
	return open_hooks(agent, why, size);
}

static void end_last_words(struct ikw_agent *agent)
{
	struct ikw_witness *witness = agent->witness;

	witness->old_until = UINT64_MAX;
	witness->old_netns = agent->netns.inode;
	ikw_loader_watch(witness->loader, agent->netns.inode);
}

void ikw_witness_daemon(struct ikw_agent *agent, uint32_t tgid)
{
	if (agent->witness->loader)
		ikw_loader_add_daemon(agent->witness->loader, tgid);
}

/* A link that was to be hooked and could not: IKE there goes unseen. */
static bool one_failed(const struct ikw_agent *agent)
{
	for (const struct ikw_agent_link *link = agent->links; link; link = link->hh.next)
		if (link->why[0])
			return true;
	return false;
}

/*
 * What is claimed here makes an absence count as evidence, whichever interface
 * the peer is behind: packets are claimed only if every link that was to be
 * watched is.
 */
uint32_t ikw_witness_sees(const struct ikw_agent *agent)
{
	const struct ikw_witness *witness = agent->witness;
	uint32_t sees = witness->loader ? ikw_loader_sees(witness->loader) : 0;

	if (witness->hooked && !one_failed(agent))
		sees |= PACKET_SEES;
	return sees;
}

/* What came since; a map that is new begins with nothing. */
static uint64_t more_than(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

/*
 * A known peer's messages that were kept from the ring are as good as not seen. So
 * are anybody's that came while this agent stood still, or did not run; while it
 * works they are a flood's, which must not blind it. They came at any time since the
 * look before.
 */
static void report_suppressed(struct ikw_agent *agent, uint64_t now)
{
	struct ikw_witness *witness = agent->witness;
	uint64_t since = witness->asked ? witness->asked : agent->last_event, missing;
	bool stood = now > witness->next_suppressed + STOOD_STILL;
	struct ikw_suppressed is, was = witness->suppressed;

	if (!witness->hooks || witness->next_suppressed > now)
		return;
	witness->next_suppressed = now + IKW_S;
	witness->asked = now;
	ikw_hooks_suppressed(witness->hooks, &is);
	witness->suppressed = is;
	missing = more_than(was.known, is.known);
	if (stood)
		missing += more_than(was.behind, is.behind);
	if (missing)
		ikw_agent_lost(agent, IKW_LOST_SUPPRESSED, missing, since,
			       IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT);
	if (is.wire > was.wire)
		ikw_agent_lost(agent, IKW_LOST_SUPPRESSED, is.wire - was.wire, since,
			       IKW_SEES_WIRE);
}

uint64_t ikw_witness_tick(struct ikw_agent *agent, uint64_t now)
{
	struct ikw_witness *witness = agent->witness;

	if (!witness->loader)
		return UINT64_MAX;
	if (witness->old_until <= now)
		end_last_words(agent);
	if (witness->next_tick > now)
		return witness->next_tick;
	ikw_witness_lost(agent);
	report_suppressed(agent, now);
	if (witness->hooks)
		ikw_hooks_tick(witness->hooks, now);
	witness->next_tick = now + TICK;
	return witness->next_tick;
}

/* ---- status ------------------------------------------------------------- */

static json_t *probes_json(const struct ikw_loader *loader)
{
	const struct ikw_probe_status *probes;
	json_t *list = json_array();
	size_t count;

	probes = ikw_loader_probes(loader, &count);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:b, s:s}", "name", probes[i].name,
						"how", ikw_how_text(probes[i].how), "required",
						probes[i].required, "why", probes[i].why));
	return list;
}

/* Links that were to be hooked and could not. */
static void add_failed(const struct ikw_agent *agent, json_t *hooks)
{
	for (const struct ikw_agent_link *link = agent->links; link; link = link->hh.next)
		if (link->why[0])
			json_array_append_new(hooks, json_pack("{s:s, s:i, s:s, s:s, s:s}",
							       "interface", link->name, "ifindex",
							       (int)link->ifindex, "in", "none",
							       "out", "none", "why", link->why));
}

void ikw_witness_status(const struct ikw_agent *agent, json_t *status)
{
	const struct ikw_witness *witness = agent->witness;
	json_t *hooks = witness->hooks ? ikw_hooks_status(witness->hooks) : json_array();

	add_failed(agent, hooks);
	json_object_set_new(status, "probes",
			    witness->loader ? probes_json(witness->loader) : json_array());
	json_object_set_new(status, "hooks", hooks);
	json_object_set_new(status, "packets",
			    witness->hooks ? ikw_hooks_packets(witness->hooks) : json_null());
}
