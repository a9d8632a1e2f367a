/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the operator decides about alarms: how severe, whether to raise them, what things are
 * called. */
#ifndef IKEWATCH_RULES_H
#define IKEWATCH_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "alarm.h"

#define IKW_NAMES_MAX 512
#define IKW_GROUP_LEN 33

struct ikw_rules {
	struct {
		const char *severity; /* static; NULL: the catalogue's */
		bool history;	      /* kept, but not raised */
	} reasons[IKW_REASON_COUNT];
	struct ikw_rules_name {
		uint8_t peer[IKW_ADDR_LEN]; /* zero: a tunnel's name */
		uint32_t tunnel;	    /* its number */
		char name[IKW_ALARM_NAME_LEN];
	} names[IKW_NAMES_MAX];
	size_t name_count;
	unsigned long alarms;		 /* how many are kept; 0: the store's default */
	unsigned long days;		 /* how long; 0: likewise */
	char read_group[IKW_GROUP_LEN];	 /* may ask the agent */
	char clear_group[IKW_GROUP_LEN]; /* may clear alarms through it */
};

void ikw_rules_init(struct ikw_rules *rules);

/* Each takes one setting. NULL, or what is wrong with it (static text). */
const char *ikw_rules_severity(struct ikw_rules *rules, const char *reason, const char *value);
const char *ikw_rules_action(struct ikw_rules *rules, const char *reason, const char *value);
const char *ikw_rules_peer(struct ikw_rules *rules, const char *address, const char *name);
const char *ikw_rules_tunnel(struct ikw_rules *rules, const char *number, const char *name);
const char *ikw_rules_group(char group[IKW_GROUP_LEN], const char *value);

/* Writes into an alarm what the rules say of it. */
void ikw_rules_apply(const struct ikw_rules *rules, struct ikw_alarm *alarm);

#endif
