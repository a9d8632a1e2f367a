/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Puts alarms into a store as the agent does, one commit each: for the tests of
 * the sinks. Alarm N is about tunnel N, so that each can be told from the others.
 *
 * usage: sink_alarms DIR COUNT [PAUSE-MS] [--clear|--other]
 *	--clear: clears them all; --other: what the gateway at the other end sees
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "user/store.h"

static void fill(struct ikw_alarm *alarm, uint32_t n)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*alarm = (struct ikw_alarm){
		.wall = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec,
		.ifindex = 2,
		.reqid = 11,
		.tunnel_index = n,
		.rule_num = 81,
		.dst = { [10] = 0xff, 0xff, 198, 51, 100, (uint8_t)n },
		.src = { [10] = 0xff, 0xff, 192, 0, 2, 1 },
		.inside_ip = "10.2.0.0",
		.remote_port = 4500,
		.cpu = 1,
		.flow_info =
			"src=10.1.0.0/16 dst=10.2.0.0/16 proto=any sport=any dport=any dscp=any",
		.vsys = "Public",
		.ifname = "eth0",
		.reason = IKW_REASON_DPD_TIMEOUT,
		.confidence = IKW_CONFIDENCE_CERTAIN,
		.rule = "dpd",
		.detail = (char *)"The peer did not answer the liveness check \"]\\=.",
		.ike_version = 2,
		.spi_i = 1,
		.spi_r = 2,
		.sa_count = 2,
		.sas = { { 0xc1000000 + n, IKW_DIR_IN, 8400, 100, 60.5, 12.25 },
			 { 0xce000000 + n, IKW_DIR_OUT, 9000, 120, 60.5, 11 } },
	};
}

/* The same deletion as the other gateway sees it: there someone ordered it. */
static void turn(struct ikw_alarm *alarm)
{
	uint8_t src[IKW_ADDR_LEN];

	memcpy(src, alarm->src, sizeof(src));
	memcpy(alarm->src, alarm->dst, sizeof(src));
	memcpy(alarm->dst, src, sizeof(src));
	alarm->sas[0].dir = IKW_DIR_OUT;
	alarm->sas[1].dir = IKW_DIR_IN;
	alarm->reason = IKW_REASON_INTERFACE_REMOVED;
}

static int add(struct ikw_store *store, unsigned long count, unsigned long pause, bool other)
{
	struct ikw_alarm alarm;
	struct ikw_store_stats stats;
	char key[32];

	if (ikw_store_stats(store, &stats))
		return -1;
	for (unsigned long i = 0; i < count; i++) {
		uint32_t n = (uint32_t)(stats.last_id + i + 1);

		snprintf(key, sizeof(key), "tunnel %" PRIu32, n);
		ikw_store_begin(store);
		ikw_store_add_tunnel(store, key, n);
		fill(&alarm, n);
		if (other)
			turn(&alarm);
		if (ikw_store_alarm(store, &alarm) || ikw_store_commit(store))
			return -1;
		if (pause)
			usleep((useconds_t)pause * 1000);
	}
	return 0;
}

int main(int argc, char **argv)
{
	bool other = argc > 3 && !strcmp(argv[argc - 1], "--other");
	bool clear = argc > 3 && !strcmp(argv[argc - 1], "--clear");
	struct ikw_store *store;
	char why[512];
	int err;

	if (argc < 3) {
		fprintf(stderr, "usage: sink_alarms DIR COUNT [PAUSE-MS] [--clear|--other]\n");
		return 2;
	}
	store = ikw_store_open(argv[1], false, why, sizeof(why));
	if (!store) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	err = add(store, strtoul(argv[2], NULL, 10), argc > 3 ? strtoul(argv[3], NULL, 10) : 0,
		  other);
	if (!err && clear)
		err = ikw_store_clear_all(store, "test", NULL) < 0;
	if (err)
		fprintf(stderr, "%s\n", ikw_store_error(store));
	return ikw_store_close(store) || err;
}
