/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "suppressed.h"
#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>
#include <bpf/bpf.h>
#include "bpf/packet.h"

#define WORST 10

struct one {
	struct ikw_remote remote;
	uint64_t count;
	bool known;
};

/* The worst so far, in order; those with nothing suppressed have no place. */
static void keep(struct one *list, const struct one *one)
{
	size_t at = WORST;

	while (at > 0 && list[at - 1].count < one->count)
		at--;
	if (at == WORST)
		return;
	memmove(&list[at + 1], &list[at], (WORST - at - 1) * sizeof(*list));
	list[at] = *one;
}

/* Every remote of a map: the sum, and into list (may be NULL) the worst. */
static uint64_t collect(int fd, bool known, struct one *list)
{
	struct one one = { .known = known };
	const struct ikw_remote *before = NULL;
	struct ikw_remote_use use;
	uint64_t sum = 0;

	/* bounded: in a map that changes meanwhile the walk may begin again */
	for (int i = 0; i < 2 * IKW_PEERS; i++) {
		if (bpf_map_get_next_key(fd, before, &one.remote))
			break;
		before = &one.remote;
		if (bpf_map_lookup_elem(fd, &one.remote, &use) || !use.suppressed)
			continue;
		sum += use.suppressed;
		one.count = use.suppressed;
		if (list)
			keep(list, &one);
	}
	return sum;
}

uint64_t ikw_suppressed_sum(int map_fd)
{
	return collect(map_fd, true, NULL);
}

static json_t *one_json(const struct one *one)
{
	const uint8_t *addr = one->remote.addr;
	struct in6_addr v6;
	char text[INET6_ADDRSTRLEN];

	memcpy(&v6, addr, sizeof(v6));
	if (IN6_IS_ADDR_V4MAPPED(&v6))
		inet_ntop(AF_INET, addr + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, addr, text, sizeof(text));
	return json_pack("{s:s, s:b, s:I}", "address", text, "known", one->known, "count",
			 (json_int_t)one->count);
}

json_t *ikw_suppressed_json(int peers_fd, int sources_fd)
{
	struct one list[WORST] = { 0 };
	json_t *json = json_array();

	collect(peers_fd, true, list);
	collect(sources_fd, false, list);
	for (size_t i = 0; i < WORST && list[i].count; i++)
		json_array_append_new(json, one_json(&list[i]));
	return json;
}
