// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "last_words.h"

#define LONGEST UINT64_C(30000000000) /* ns in which all SAs of a namespace go */

void ikw_last_words_begin(struct ikw_last_words *words, uint32_t netns, uint64_t now)
{
	if (words->netns == netns)
		*words = (struct ikw_last_words){ 0 };
	words->watched = netns;
	words->since = now;
}

/* xfrm_state_fini(): the last that IPsec does in a namespace, and once in its life. */
static bool is_end(const union ikw_event *event)
{
	return event->hdr.type == IKW_EV_FLUSH && event->flush.what == IKW_FLUSH_SA &&
	       !event->flush.task_valid;
}

/* The SAs that this flush takes; nobody can add one any more. */
static bool is_taken(const struct ikw_last_words *words, const union ikw_event *event)
{
	const struct ikw_sa *sa = &event->sa;

	return event->hdr.type == IKW_EV_SA &&
	       (sa->op == IKW_SA_DELETE || sa->op == IKW_SA_LARVAL_GONE) &&
	       sa->cause == IKW_CAUSE_NETNS && sa->hdr.time - words->time < LONGEST;
}

bool ikw_last_words_hear(struct ikw_last_words *words, const union ikw_event *event)
{
	bool again = words->netns && event->hdr.netns == words->netns;
	/* read late: of the one that had the number of the one watched before it */
	bool before = event->hdr.netns == words->watched && event->hdr.time < words->since;

	if (is_end(event) && !before) {
		words->over = again;
		words->netns = event->hdr.netns;
		words->time = again ? words->time : event->hdr.time;
		return !again;
	}
	return !again || (!words->over && is_taken(words, event));
}
