/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IKE messages that the packet programs' rate limit kept from the ring, by
 * remote address (bpf/packet.h: ikw_peers, ikw_sources).
 */
#ifndef IKEWATCH_SUPPRESSED_H
#define IKEWATCH_SUPPRESSED_H

#include <jansson.h>
#include <stdint.h>

/* Sum over all remotes of one map. */
uint64_t ikw_suppressed_sum(int map_fd);

/*
 * A new array of {"address", "known" (a peer with SAs), "count"}, the worst
 * first, the ten worst at most.
 */
json_t *ikw_suppressed_json(int peers_fd, int sources_fd);

#endif
