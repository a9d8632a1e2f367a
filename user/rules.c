/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "rules.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "cli.h"
#include "reason.h"
#include "stamp.h"

#define GROUP "ikewatch"

void ikw_rules_init(struct ikw_rules *rules)
{
	memset(rules, 0, sizeof(*rules));
	snprintf(rules->read_group, sizeof(rules->read_group), GROUP);
	snprintf(rules->clear_group, sizeof(rules->clear_group), GROUP);
}

const char *ikw_rules_severity(struct ikw_rules *rules, const char *reason, const char *value)
{
	/* X.733's, and one below */
	static const char *const names[] = { "critical", "major", "minor", "warning", "info" };
	int which = ikw_reason_find(reason);

	if (which < 0)
		return "no such reason; see: ikewatch reasons";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]))
			continue;
		rules->reasons[which].severity = names[i];
		return NULL;
	}
	return "not critical, major, minor, warning or info";
}

const char *ikw_rules_action(struct ikw_rules *rules, const char *reason, const char *value)
{
	int which = ikw_reason_find(reason);

	if (which < 0)
		return "no such reason; see: ikewatch reasons";
	if (strcmp(value, "alarm") && strcmp(value, "history"))
		return "not alarm or history";
	rules->reasons[which].history = !strcmp(value, "history");
	return NULL;
}

static const char *add_name(struct ikw_rules *rules, const struct ikw_rules_name *entry,
			    const char *name)
{
	struct ikw_rules_name *to = &rules->names[rules->name_count];

	if (!*name || strlen(name) >= sizeof(to->name))
		return "not a name of 1 to 63 bytes";
	if (rules->name_count == IKW_NAMES_MAX)
		return "too many names";
	*to = *entry;
	memcpy(to->name, name, strlen(name) + 1);
	rules->name_count++;
	return NULL;
}

const char *ikw_rules_peer(struct ikw_rules *rules, const char *address, const char *name)
{
	struct ikw_rules_name entry = { .tunnel = 0 };
	uint8_t bytes[IKW_ADDR_LEN];

	if (inet_pton(AF_INET, address, bytes) == 1)
		ikw_addr_set(entry.peer, bytes, AF_INET);
	else if (inet_pton(AF_INET6, address, bytes) == 1)
		ikw_addr_set(entry.peer, bytes, AF_INET6);
	else
		return "not an address";
	return add_name(rules, &entry, name);
}

const char *ikw_rules_tunnel(struct ikw_rules *rules, const char *number, const char *name)
{
	struct ikw_rules_name entry = { .tunnel = 0 };
	unsigned long index;

	if (!ikw_cli_number(number, 1, UINT32_MAX, &index))
		return "not a tunnel's number; see: ikewatch tunnels";
	entry.tunnel = (uint32_t)index;
	return add_name(rules, &entry, name);
}

const char *ikw_rules_group(char group[IKW_GROUP_LEN], const char *value)
{
	if (strlen(value) >= IKW_GROUP_LEN)
		return "too long for a group's name";
	memcpy(group, value, strlen(value) + 1);
	return NULL;
}

void ikw_rules_apply(const struct ikw_rules *rules, struct ikw_alarm *alarm)
{
	if (rules->reasons[alarm->reason].severity)
		alarm->severity = rules->reasons[alarm->reason].severity;
	alarm->history = rules->reasons[alarm->reason].history;
	for (size_t i = 0; i < rules->name_count; i++) {
		const struct ikw_rules_name *n = &rules->names[i];

		if (n->tunnel && n->tunnel == alarm->tunnel_index)
			memcpy(alarm->tunnel_name, n->name, sizeof(n->name));
		if (!n->tunnel && !memcmp(n->peer, alarm->dst, IKW_ADDR_LEN))
			memcpy(alarm->peer_name, n->name, sizeof(n->name));
	}
}
