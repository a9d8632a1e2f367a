/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The reason catalogue: for every reason of reason.h what it means to the
 * operator and what to do about it. Impact, possible cause and procedure are
 * the vendor's alarm reference put right for Linux; where that has no text the
 * words are ours. Pure: no I/O, no clock.
 */
#ifndef IKEWATCH_CATALOGUE_H
#define IKEWATCH_CATALOGUE_H

#include <stdint.h>
#include "reason.h"

/* Whose spelling it is (the three groups of IKW_REASONS). */
enum ikw_catalogue_group {
	IKW_GROUP_VENDOR,	/* the alarm reference's own list */
	IKW_GROUP_VENDOR_OTHER, /* the same vendor's other products */
	IKW_GROUP_OURS,		/* what a Linux gateway adds */
};

/* Whom a step is for; its text then begins with the daemon's name. */
enum ikw_catalogue_daemon {
	IKW_FOR_ALL,
	IKW_FOR_STRONGSWAN,
	IKW_FOR_LIBRESWAN,
	IKW_FOR_OPENIKED,
};

/* One step of a procedure. */
struct ikw_catalogue_step {
	const char *text;    /* a sentence, without placeholders */
	const char *command; /* shell command with placeholders (see ikw_catalogue_fill), or NULL */
	enum ikw_catalogue_daemon daemon;
};

struct ikw_catalogue_entry {
	enum ikw_catalogue_group group;
	const char *impact;	 /* what it does to the traffic */
	const char *cause;	 /* possible cause: what happened, in one or two sentences */
	const char *evidence;	 /* what the verdict rests on, one sentence */
	const char *not_emitted; /* why this agent never says so; NULL: it does */
	uint32_t needs; /* enum ikw_observable: without all of these it is never inferred */
	uint32_t helps; /* enum ikw_observable: without these with less confidence */
	unsigned int step_count;		/* at least one */
	const struct ikw_catalogue_step *steps; /* in the order they are done */
};

/* What a command's placeholders stand for. NULL or "": not known, the placeholder stays. */
struct ikw_catalogue_values {
	const char *peer;   /* {peer}: the tunnel's remote outer address */
	const char *local;  /* {local}: the tunnel's local outer address */
	const char *iface;  /* {iface}: interface towards the peer */
	const char *inside; /* {inside}: the peer's inner address */
	const char *tunnel; /* {tunnel}: the agent's number for the tunnel */
	const char *id;	    /* {id}: the alarm's id */
	const char *since;  /* {since}, {until}: around the deletion, as journalctl takes it */
	const char *until;
	/* {state}: " --state-dir DIR" after a command of our own; nothing for NULL */
	const char *state;
	/*
	 * {netns}: not a value but a prefix that makes the command run in the
	 * tunnel's network namespace: "ip netns exec NAME ", for a path
	 * "nsenter --net=PATH ", nothing for NULL, "" and "Public".
	 */
	const char *netns;
};

/* The entry of a reason; static storage; NULL when reason is out of range. */
const struct ikw_catalogue_entry *ikw_catalogue(enum ikw_reason reason);

/* "vendor", "vendor-other", "ikewatch"; static storage. */
const char *ikw_catalogue_group_text(enum ikw_catalogue_group group);

/*
 * The name of one bit of enum ikw_observable ("ike_in", as in recordings), or
 * NULL for a bit that has none; static storage.
 */
const char *ikw_catalogue_observable_text(uint32_t bit);

/*
 * A command ready to paste: template with its placeholders replaced. A value
 * with characters that mean something to a shell is put in single quotes, so
 * placeholders stand outside of quotes in templates. Unknown {words} stay as
 * they are. malloc'd, the caller frees; NULL without memory.
 */
char *ikw_catalogue_fill(const char *template, const struct ikw_catalogue_values *values);

#endif
