/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "recheck.h"
#include <stdlib.h>
#include <string.h>
#include "table.h"

struct there {
	struct ikw_node node;
	uint8_t daddr[IKW_ADDR_LEN];
	uint64_t added; /* curlft.add_time */
	uint32_t spi;
	uint32_t mark;
	uint8_t proto;
};

struct ikw_recheck {
	struct ikw_table sas;
	uint64_t began;
	uint64_t missing;
	bool failed;
};

static uint64_t hash_of(const uint8_t *daddr, uint32_t spi)
{
	return ikw_hash_end(ikw_hash_begin(ikw_hash_16(daddr, 1)), spi, sizeof(spi));
}

struct ikw_recheck *ikw_recheck_new(uint64_t now)
{
	struct ikw_recheck *look = calloc(1, sizeof(*look));

	if (look && ikw_table_init(&look->sas)) {
		free(look);
		return NULL;
	}
	if (look)
		look->began = now;
	return look;
}

void ikw_recheck_free(struct ikw_recheck *look)
{
	struct ikw_node *node;
	size_t at = 0;

	if (!look)
		return;
	while ((node = ikw_table_each(&look->sas, &at)))
		free(IKW_CONTAINER(node, struct there, node));
	ikw_table_free(&look->sas);
	free(look);
}

void ikw_recheck_take(void *ctx, union ikw_event *event)
{
	const struct ikw_sa *sa = &event->sa;
	struct ikw_recheck *look = ctx;
	size_t count = look->sas.count;
	struct there *there;

	if (event->hdr.type != IKW_EV_SA || look->failed)
		return;
	there = calloc(1, sizeof(*there));
	if (there) {
		memcpy(there->daddr, sa->daddr, sizeof(there->daddr));
		there->spi = sa->spi;
		there->mark = sa->mark;
		there->proto = sa->proto;
		there->added = sa->add_wall_s;
		there->node.hash = hash_of(sa->daddr, sa->spi);
		ikw_table_add(&look->sas, &there->node);
	}
	if (look->sas.count != count)
		return;
	free(there);
	look->failed = true;
}

static bool is_it(const struct there *there, const struct ikw_model_sa *sa)
{
	return there->spi == sa->spi && there->proto == sa->proto && there->mark == sa->mark &&
	       !memcmp(there->daddr, sa->daddr, IKW_ADDR_LEN) &&
	       (!sa->added || there->added <= sa->added);
}

static void look_for(void *ctx, const struct ikw_model_sa *sa, bool there)
{
	struct ikw_recheck *look = ctx;
	struct ikw_find find;
	struct ikw_node *node;

	if (!there || sa->installed >= look->began)
		return;
	node = ikw_find_first(&find, &look->sas, hash_of(sa->daddr, sa->spi));
	while (node && !is_it(IKW_CONTAINER(node, struct there, node), sa))
		node = ikw_find_next(&find);
	look->missing += !node;
}

uint64_t ikw_recheck_missing(struct ikw_recheck *look, const struct ikw_model *model)
{
	look->missing = 0;
	if (!look->failed)
		ikw_model_sas(model, look_for, look);
	return look->missing;
}
