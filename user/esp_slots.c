// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "esp_slots.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <uthash.h>

#define MEMORY_SHARE 512
#define MEMORY_MOST  (32ULL << 20)
#define TICK_SLACK                                                                                 \
	2000000000ULL /* ns, chosen: their clock is 100 ms behind, more beside a busy agent */
#define SAMPLES	     6
#define SAMPLE_EVERY (IKW_ESP_SPAN_S * 1000000000ULL) /* ns; six of them are the minute */

/* What all places of an SA add up to. */
struct sum {
	uint64_t packets;
	uint64_t bytes;
	uint64_t last;
	uint32_t seq_first;
	uint32_t seq_high;
	uint32_t reordered;
};

struct track {
	UT_hash_handle hh;
	struct ikw_esp_key key;
	uint64_t round;		  /* of the last sampling in which it was there */
	struct sum now;		  /* being added up */
	struct sum past[SAMPLES]; /* of the spans that had traffic, at kept % their number */
	unsigned int kept;
	unsigned int taken; /* samples ever */
	uint32_t
		spans[IKW_ESP_SPANS - 1]; /* packets between two samples; at taken % their number */
};

struct ikw_esp_slots {
	struct ikw_esp_slot *slots;
	size_t bytes; /* mapped */
	uint32_t shift;
	uint32_t per_cpu;
	uint32_t cpus;
	int more_fd;
	struct track *tracks;
	uint64_t round;
	uint64_t next;
	uint64_t gone; /* packets in slots that claim() emptied */
};

uint32_t ikw_esp_slots_all(uint32_t cpus, uint32_t shift)
{
	uint32_t room = 1;

	while (room < cpus)
		room *= 2;
	return room * (IKW_ESP_SLOTS >> shift);
}

uint32_t ikw_esp_slots_shift(uint32_t cpus, uint64_t memory)
{
	uint64_t bytes = (uint64_t)ikw_esp_slots_all(cpus, 0) * sizeof(struct ikw_esp_slot);
	uint64_t most = memory / MEMORY_SHARE;
	uint32_t shift = 0;

	if (most > MEMORY_MOST)
		most = MEMORY_MOST;
	while (bytes >> shift > most && shift < IKW_ESP_SHIFT_MOST)
		shift++;
	return shift;
}

/*
 * Slots of an earlier agent: nobody vouches for them until this one does. (Of an earlier
 * version there may be some that have a name and no packet yet.)
 */
static void make_ready(struct ikw_esp_slots *s)
{
	for (size_t i = 0; i < (size_t)s->per_cpu * s->cpus; i++) {
		if (s->slots[i].key.name && !s->slots[i].packets)
			s->slots[i].seq_high = IKW_ESP_NO_SEQ;
		s->slots[i].known = 0;
	}
}

struct ikw_esp_slots *ikw_esp_slots_open(int slots_fd, int more_fd, uint32_t shift, uint32_t cpus)
{
	struct ikw_esp_slots *s = calloc(1, sizeof(*s));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory;

	if (!s)
		return NULL;
	s->shift = shift;
	s->per_cpu = IKW_ESP_SLOTS >> shift;
	s->cpus = cpus;
	s->bytes = ((size_t)s->per_cpu * cpus * sizeof(*s->slots) + page - 1) & ~(page - 1);
	memory = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, slots_fd, 0);
	if (memory == MAP_FAILED) {
		free(s);
		return NULL;
	}
	s->slots = memory;
	make_ready(s);
	s->more_fd = more_fd;
	return s;
}

static struct ikw_esp_key key_of(const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi, enum ikw_dir dir)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct ikw_esp_key key = { .kind = IKW_ESP_KIND(
					   dir, memcmp(daddr, mapped, sizeof(mapped)) ? 6 : 4) };

	memcpy(key.daddr, daddr, IKW_ADDR_LEN);
	for (int i = 0; i < 4; i++)
		key.spi[i] = (uint8_t)(spi >> (24 - 8 * i));
	return key;
}

static bool same(const struct ikw_esp_key *a, const struct ikw_esp_key *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool later(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

/*
 * Sequence numbers belong to the SA, packets to the CPU that saw them: first
 * and highest are taken over all CPUs, or a flow that moves between CPUs would
 * look as if what the other one saw was lost.
 */
static void add(struct sum *sum, const struct ikw_esp_slot *slot)
{
	if (!slot->packets)
		return;
	if (!sum->packets || later(sum->seq_first, slot->seq_first))
		sum->seq_first = slot->seq_first;
	if (!sum->packets || later(slot->seq_high, sum->seq_high))
		sum->seq_high = slot->seq_high;
	if (slot->last > sum->last)
		sum->last = slot->last;
	sum->packets += slot->packets;
	sum->bytes += slot->bytes;
	sum->reordered += slot->reordered;
}

static struct ikw_esp_slot *place(const struct ikw_esp_slots *s, const struct ikw_esp_key *key,
				  uint32_t cpu, int which)
{
	return &s->slots[ikw_esp_place(key, which, cpu, s->shift)];
}

static void add_slots(const struct ikw_esp_slots *s, const struct ikw_esp_key *key, struct sum *sum)
{
	for (uint32_t cpu = 0; cpu < s->cpus; cpu++)
		for (int which = 0; which < 2; which++) {
			struct ikw_esp_slot slot = *place(s, key, cpu, which);

			if (same(&slot.key, key))
				add(sum, &slot);
		}
}

static void add_more(const struct ikw_esp_slots *s, const struct ikw_esp_key *key, struct sum *sum)
{
	struct ikw_esp_slot *rows = calloc(s->cpus, sizeof(*rows));

	if (rows && !bpf_map_lookup_elem(s->more_fd, key, rows))
		for (uint32_t cpu = 0; cpu < s->cpus; cpu++)
			add(sum, &rows[cpu]);
	free(rows);
}

uint64_t ikw_esp_slots_packets(const struct ikw_esp_slots *s)
{
	uint64_t packets = s->gone;

	for (size_t i = 0; i < (size_t)s->per_cpu * s->cpus; i++)
		packets += s->slots[i].packets;
	return packets;
}

/* ---- samples ----------------------------------------------------------------- */

/*
 * What an SA was before its last minute of traffic, or at its first packet. Not
 * a minute ago: a peer that went silent is given up minutes later, and what the
 * path did to its last packets is what one wants to know.
 */
static struct sum minute_ago(const struct ikw_esp_slots *s, const struct ikw_esp_key *key,
			     const struct sum *now)
{
	struct sum start = { .seq_high = now->seq_first - 1 };
	const struct track *track;
	struct sum past;

	HASH_FIND(hh, s->tracks, key, sizeof(*key), track);
	if (!track || track->kept < SAMPLES)
		return start;
	past = track->past[track->kept % SAMPLES]; /* the oldest */
	/* its slot was another's in between */
	return past.packets > now->packets ? start : past;
}

static void set_losses(const struct sum *now, const struct sum *past, struct ikw_esp *out)
{
	uint64_t span = now->seq_high - past->seq_high; /* modulo 2^32, as they count */
	uint64_t came = now->packets - past->packets;

	out->lost = span > came ? (uint32_t)(span - came) : 0;
	out->reordered = now->reordered - past->reordered;
}

#define SPANS_KEPT (IKW_ESP_SPANS - 1)

/* The packets since the newest sample, then between the samples before it. */
static void set_spans(const struct ikw_esp_slots *s, const struct ikw_esp_key *key,
		      const struct sum *now, struct ikw_esp *out)
{
	const struct track *track;
	uint64_t before;

	HASH_FIND(hh, s->tracks, key, sizeof(*key), track);
	if (!track || !track->taken)
		return;
	before = track->past[(track->kept - 1) % SAMPLES].packets;
	out->sampled = s->next - SAMPLE_EVERY;
	out->spans[0].packets = now->packets > before ? (uint32_t)(now->packets - before) : 0;
	out->span_count = 1;
	for (unsigned int i = 1; i <= SPANS_KEPT && i <= track->taken; i++)
		out->spans[out->span_count++].packets =
			track->spans[(track->taken - i) % SPANS_KEPT];
}

bool ikw_esp_slots_read(const struct ikw_esp_slots *s, const uint8_t daddr[IKW_ADDR_LEN],
			uint32_t spi, enum ikw_dir dir, struct ikw_esp *out)
{
	struct ikw_esp_key key = key_of(daddr, spi, dir);
	struct sum now = { 0 }, past;

	add_slots(s, &key, &now);
	add_more(s, &key, &now);
	if (!now.packets)
		return false;
	memset(out, 0, sizeof(*out));
	memcpy(out->daddr, daddr, IKW_ADDR_LEN);
	out->spi = spi;
	out->dir = (uint8_t)dir;
	out->packets = now.packets;
	out->bytes = now.bytes;
	out->last = now.last;
	past = minute_ago(s, &key, &now);
	set_losses(&now, &past, out);
	set_spans(s, &key, &now, out);
	return true;
}

/* Of an SA that nobody vouches for, none is made: anybody can send ESP to any SPI. */
static struct track *track_of(struct ikw_esp_slots *s, const struct ikw_esp_key *key, bool known)
{
	struct track *track;

	HASH_FIND(hh, s->tracks, key, sizeof(*key), track);
	if (track || !known)
		return track;
	track = calloc(1, sizeof(*track));
	if (!track)
		return NULL;
	track->key = *key;
	HASH_ADD(hh, s->tracks, key, sizeof(track->key), track);
	return track;
}

static void sample_slot(struct ikw_esp_slots *s, const struct ikw_esp_slot *shared)
{
	struct ikw_esp_slot slot = *shared;
	struct track *track = slot.key.name ? track_of(s, &slot.key, slot.known) : NULL;

	if (!track)
		return;
	if (track->round != s->round)
		track->now = (struct sum){ 0 };
	track->round = s->round;
	add(&track->now, &slot);
}

static void keep_sample(struct track *track)
{
	uint64_t before = track->kept ? track->past[(track->kept - 1) % SAMPLES].packets : 0;
	uint64_t now = track->now.packets;

	/* fewer than before: the slot was another's in between */
	track->spans[track->taken % SPANS_KEPT] = (uint32_t)(now > before ? now - before : 0);
	track->taken++;
	if (!track->kept || now != before)
		track->past[track->kept++ % SAMPLES] = track->now;
}

void ikw_esp_slots_sample(struct ikw_esp_slots *s, uint64_t now)
{
	struct track *track, *next;

	if (now < s->next)
		return;
	s->next = now + SAMPLE_EVERY;
	s->round++;
	for (size_t i = 0; i < (size_t)s->per_cpu * s->cpus; i++)
		sample_slot(s, &s->slots[i]);
	HASH_ITER (hh, s->tracks, track, next) {
		if (track->round == s->round) {
			keep_sample(track);
			continue;
		}
		HASH_DEL(s->tracks, track);
		free(track);
	}
}

/* ---- names ------------------------------------------------------------------------ */

/*
 * Takes over one slot. The program may be counting into it just now: the name
 * goes first, so that it finds no match while the rest changes, and comes last.
 */
static void claim(struct ikw_esp_slots *s, struct ikw_esp_slot *slot, const struct ikw_esp_key *key)
{
	__atomic_store_n(&slot->key.name, 0, __ATOMIC_SEQ_CST);
	s->gone += slot->packets;
	slot->packets = 0;
	slot->bytes = 0;
	slot->last = 0;
	slot->seq_high = IKW_ESP_NO_SEQ;
	slot->reordered = 0;
	slot->known = 1;
	memcpy(slot->key.daddr, key->daddr, sizeof(key->daddr));
	__atomic_store_n(&slot->key.name, key->name, __ATOMIC_SEQ_CST);
}

static bool know_on(struct ikw_esp_slots *s, const struct ikw_esp_key *key, uint32_t cpu,
		    uint64_t installed)
{
	struct ikw_esp_slot *slot;

	for (int which = 0; which < 2; which++) {
		slot = place(s, key, cpu, which);
		if (!same(&slot->key, key))
			continue;
		if (slot->packets && slot->last + TICK_SLACK < installed)
			claim(s, slot, key);
		slot->known = 1;
		return true;
	}
	for (int which = 0; which < 2; which++) {
		slot = place(s, key, cpu, which);
		if (!slot->key.name || !slot->known) {
			claim(s, slot, key);
			return true;
		}
	}
	return false;
}

bool ikw_esp_slots_know(struct ikw_esp_slots *s, const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi,
			enum ikw_dir dir, uint64_t installed)
{
	struct ikw_esp_key key = key_of(daddr, spi, dir);
	bool all = true;

	for (uint32_t cpu = 0; cpu < s->cpus; cpu++)
		all = know_on(s, &key, cpu, installed) && all;
	return all;
}

void ikw_esp_slots_release(struct ikw_esp_slots *s, const uint8_t daddr[IKW_ADDR_LEN], uint32_t spi,
			   enum ikw_dir dir)
{
	struct ikw_esp_key key = key_of(daddr, spi, dir);

	for (uint32_t cpu = 0; cpu < s->cpus; cpu++)
		for (int which = 0; which < 2; which++) {
			struct ikw_esp_slot *slot = place(s, &key, cpu, which);

			if (same(&slot->key, &key)) {
				slot->known = 0;
				__atomic_store_n(&slot->key.name, 0, __ATOMIC_SEQ_CST);
			}
		}
	bpf_map_delete_elem(s->more_fd, &key);
}

void ikw_esp_slots_resume(struct ikw_esp_slots *s, uint64_t stood, uint64_t now)
{
	for (size_t i = 0; i < (size_t)s->per_cpu * s->cpus; i++)
		if (s->slots[i].key.name && s->slots[i].packets && s->slots[i].last >= stood)
			s->slots[i].last = now;
}

void ikw_esp_slots_close(struct ikw_esp_slots *s)
{
	struct track *track, *next;

	if (!s)
		return;
	HASH_ITER (hh, s->tracks, track, next) {
		HASH_DEL(s->tracks, track);
		free(track);
	}
	munmap(s->slots, s->bytes);
	free(s);
}
