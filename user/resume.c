/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Going on where an agent before this one ended: journal, ring, and what neither saw. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "checkpoint.h"
#include "cli.h"
#include "witness.h"

#define GIVEN_KEPT                                                                                 \
	(600 * IKW_S) /* alarms of deletions so much older than the journal are named on */

/* ---- keeping ------------------------------------------------------------------ */

static void keep(void *ctx, const union ikw_event *event, bool done)
{
	ikw_journal_write(ctx, done ? IKW_JOURNAL_DONE : IKW_JOURNAL_KNOWN, event);
}

static void say_failing(struct ikw_agent *agent)
{
	const char *why = ikw_journal_failing(agent->journal);

	if (why && !agent->journal_failing)
		ikw_error("journal: %s; an agent that is killed now leaves less to the next one",
			  why);
	if (!why && agent->journal_failing)
		ikw_error("journal: is kept again");
	agent->journal_failing = why;
}

static void begin_segment(struct ikw_agent *agent)
{
	uint64_t oldest;

	ikw_journal_begin(agent->journal);
	ikw_model_checkpoint(agent->model, keep, agent->journal);
	ikw_journal_end(agent->journal);
	say_failing(agent);
	oldest = ikw_journal_oldest(agent->journal);
	if (agent->store && oldest > GIVEN_KEPT)
		ikw_store_forget_given(agent->store, oldest - GIVEN_KEPT);
}

void ikw_agent_journal(struct ikw_agent *agent, const union ikw_event *event)
{
	if (!agent->journal || agent->replaying || event->hdr.type == IKW_EV_NONE)
		return;
	/* the checkpoint then lacks this event, which comes behind it */
	if (agent->journal_full)
		begin_segment(agent);
	agent->journal_full = ikw_journal_event(agent->journal, event);
}

/* ---- replaying ---------------------------------------------------------------- */

static void add_done(struct ikw_agent *agent, const struct ikw_sa *sa)
{
	struct ikw_agent_done *done = calloc(1, sizeof(*done));

	if (!done)
		return;
	done->key.time = sa->hdr.time;
	done->key.spi = sa->spi;
	HASH_ADD(hh, agent->done, key, sizeof(done->key), done);
}

static void forget_done(struct ikw_agent *agent)
{
	struct ikw_agent_done *done, *next;

	HASH_ITER (hh, agent->done, done, next) {
		HASH_DEL(agent->done, done);
		free(done);
	}
}

static void tell(void *ctx, enum ikw_journal_kind kind, const union ikw_event *event)
{
	struct ikw_agent *agent = ctx;

	if (kind == IKW_JOURNAL_DONE && event->hdr.type == IKW_EV_SA)
		add_done(agent, &event->sa);
	if (event->hdr.time > agent->last_event)
		agent->last_event = event->hdr.time;
	ikw_model_event(agent->model, event);
}

bool ikw_agent_was_given(struct ikw_agent *agent, const struct ikw_alarm *alarm)
{
	struct ikw_agent_done key = { .key = { alarm->time, alarm->spi } }, *done;

	HASH_FIND(hh, agent->done, &key.key, sizeof(key.key), done);
	if (done)
		return true;
	return agent->store && alarm->time <= agent->known_till &&
	       ikw_store_given(agent->store, alarm);
}

void ikw_agent_resume(struct ikw_agent *agent)
{
	struct ikw_journal_id id = ikw_journal_id(agent->netns.inode);
	const char *dir = agent->options.state_dir ? agent->options.state_dir : IKW_STATE_DIR;
	char why[512];

	if (!agent->store)
		return;
	agent->journal = ikw_journal_open(dir, &id, 0, why, sizeof(why));
	if (!agent->journal) {
		ikw_error("journal: %s; an agent that is killed leaves less to the next one", why);
		return;
	}
	agent->replaying = true;
	agent->known_till = UINT64_MAX;
	agent->replayed = ikw_journal_replay(agent->journal, tell, agent);
	agent->known_till = ikw_journal_last(agent->journal);
	agent->replaying = false;
	if (!agent->replayed)
		ikw_store_forget_given(agent->store, UINT64_MAX >> 1);
	ikw_agent_flush(agent);
	agent->journal_full = !agent->replayed; /* else its last segment is gone on with */
}

/* ---- catching up --------------------------------------------------------------- */

/* Not witnessed between the last event of the agent before and now. */
static void tell_gap(struct ikw_agent *agent)
{
	const uint32_t all = IKW_SEES_SA | IKW_SEES_LINK | ikw_witness_sees(agent);
	uint64_t now = ikw_boot_now(), wall = ikw_wall_now();
	char since[40], until[40];
	union ikw_event event;

	ikw_stamp(&event, IKW_EV_LOST, sizeof(event.lost), agent->netns.inode);
	event.lost.where = IKW_LOST_AGENT;
	event.lost.since = agent->known_till;
	event.lost.sees = all & ~ikw_witness_kept(agent);
	agent->gap_since = agent->known_till;
	agent->gap_until = now;
	agent->gap_sees = event.lost.sees;
	ikw_agent_feed(agent, &event);
	if (!(event.lost.sees & IKW_SEES_SA))
		return;
	ikw_error("gap: SAs were not witnessed from %s to %s, while no agent ran; what is missing "
		  "now is alarmed with that blind spot",
		  ikw_time_text(wall - (now - agent->known_till), since, sizeof(since)),
		  ikw_time_text(wall, until, sizeof(until)));
}

void ikw_agent_catch_up(struct ikw_agent *agent)
{
	if (agent->caught_up)
		return;
	agent->caught_up = true;
	agent->next_scan = UINT64_MAX;
	agent->as_of = 1; /* until the first record says */
	while (ikw_witness_drain(agent))
		;
	agent->as_of = 0;
	agent->next_scan = 0;
	if (agent->known_till)
		tell_gap(agent);
	ikw_witness_lost(agent);
	ikw_agent_flush(agent);
	forget_done(agent);
}
