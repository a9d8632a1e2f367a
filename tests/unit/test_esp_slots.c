/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is read from the slots of ESP: places, sums over CPUs, what was lost, and
 * how many slots there are. The map is a memory file; the programs' part is done
 * by hand (tests/host/test_packet_run.c has them).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "user/esp_slots.h"

#define CPUS   3
#define SHIFT  4
#define SPAN   (IKW_ESP_SPAN_S * 1000000000ULL)
#define EACH   (IKW_ESP_SLOTS >> SHIFT)
#define BYTES  ((size_t)EACH * CPUS * sizeof(struct ikw_esp_slot))
#define SECOND 1000000000ULL

static const uint8_t peer[IKW_ADDR_LEN] = { [10] = 0xff, 0xff, 198, 51, 100, 2 };

struct fixture {
	int fd;
	struct ikw_esp_slot *memory;
	struct ikw_esp_slots *slots;
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->fd = memfd_create("slots", MFD_CLOEXEC);
	assert_true(fx->fd >= 0);
	assert_int_equal(ftruncate(fx->fd, (off_t)BYTES), 0);
	fx->memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fx->fd, 0);
	assert_true(fx->memory != MAP_FAILED);
	fx->slots = ikw_esp_slots_open(fx->fd, -1, SHIFT, CPUS);
	assert_non_null(fx->slots);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	ikw_esp_slots_close(fx->slots);
	munmap(fx->memory, BYTES);
	close(fx->fd);
	free(fx);
	return 0;
}

static struct ikw_esp_key key_of(uint32_t spi)
{
	struct ikw_esp_key key = { .kind = IKW_ESP_KIND(IKW_DIR_IN, 4) };

	memcpy(key.daddr, peer, sizeof(peer));
	for (int i = 0; i < 4; i++)
		key.spi[i] = (uint8_t)(spi >> (24 - 8 * i));
	return key;
}

static struct ikw_esp_slot *slot_of(struct fixture *fx, uint32_t spi, int which, uint32_t cpu)
{
	struct ikw_esp_key key = key_of(spi);
	uint32_t at = ikw_esp_place(&key, which, cpu, SHIFT);

	assert_in_range(at, cpu * EACH, (cpu + 1) * EACH - 1);
	return &fx->memory[at];
}

/* As the programs count: packets numbered from `first` to `last`, but for `lost` of them. */
static void count(struct ikw_esp_slot *slot, uint32_t first, uint32_t last, uint32_t lost)
{
	if (!slot->packets)
		slot->seq_first = first;
	slot->seq_high = last;
	slot->packets += last - first + 1 - lost;
	slot->bytes += 100ULL * (last - first + 1 - lost);
}

static struct ikw_esp read_sa(struct fixture *fx, uint32_t spi)
{
	struct ikw_esp esp;

	assert_true(ikw_esp_slots_read(fx->slots, peer, spi, IKW_DIR_IN, &esp));
	return esp;
}

/* An SA that is known has its name in a slot of each CPU, ready for the first packet. */
static void test_know(void **state)
{
	struct fixture *fx = *state;
	const struct ikw_esp_key key = key_of(0xc2d37a2c);
	struct ikw_esp esp;

	assert_true(ikw_esp_slots_know(fx->slots, peer, 0xc2d37a2c, IKW_DIR_IN, 0));
	for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
		const struct ikw_esp_slot *slot = slot_of(fx, 0xc2d37a2c, 0, cpu);

		assert_memory_equal(&slot->key, &key, sizeof(key));
		assert_int_equal(slot->known, 1);
		assert_int_equal(slot->packets, 0);
		assert_int_equal(slot->seq_high, IKW_ESP_NO_SEQ);
	}
	assert_false(ikw_esp_slots_read(fx->slots, peer, 0xc2d37a2c, IKW_DIR_IN, &esp));
	ikw_esp_slots_release(fx->slots, peer, 0xc2d37a2c, IKW_DIR_IN);
	assert_true(slot_of(fx, 0xc2d37a2c, 0, 1)->key.name == 0);
}

/* What was counted long before the SA came was another's of that name; what came just before, its.
 */
static void test_name_again(void **state)
{
	struct fixture *fx = *state;

	assert_true(ikw_esp_slots_know(fx->slots, peer, 77, IKW_DIR_IN, 0));
	count(slot_of(fx, 77, 0, 0), 1, 50, 0);
	slot_of(fx, 77, 0, 0)->last = 5 * SECOND;
	ikw_esp_slots_close(fx->slots);
	fx->slots = ikw_esp_slots_open(fx->fd, -1, SHIFT, CPUS);
	assert_non_null(fx->slots);
	assert_int_equal(slot_of(fx, 77, 0, 0)->known, 0);
	assert_true(ikw_esp_slots_know(fx->slots, peer, 77, IKW_DIR_IN, 6 * SECOND));
	assert_int_equal(read_sa(fx, 77).packets, 50);
	assert_int_equal(slot_of(fx, 77, 0, 0)->known, 1);
	assert_true(ikw_esp_slots_know(fx->slots, peer, 77, IKW_DIR_IN, 8 * SECOND));
	assert_int_equal(slot_of(fx, 77, 0, 0)->packets, 0);
	assert_int_equal(slot_of(fx, 77, 0, 0)->known, 1);
	assert_int_equal(slot_of(fx, 77, 0, 0)->seq_high, IKW_ESP_NO_SEQ);
	assert_int_equal(ikw_esp_slots_packets(fx->slots), 50);
}

/* Of three with one first place the second has its second, and the third is told apart by the hash.
 */
static void test_taken(void **state)
{
	struct fixture *fx = *state;
	struct ikw_esp_key third = key_of(0x00037a2c);

	assert_true(ikw_esp_slots_know(fx->slots, peer, 0x00017a2c, IKW_DIR_IN, 0));
	assert_true(ikw_esp_slots_know(fx->slots, peer, 0x00027a2c, IKW_DIR_IN, 0));
	assert_ptr_equal(slot_of(fx, 0x00017a2c, 0, 0), slot_of(fx, 0x00027a2c, 0, 0));
	assert_true(slot_of(fx, 0x00027a2c, 1, 0)->key.name == key_of(0x00027a2c).name);
	slot_of(fx, 0x00037a2c, 1, 2)->known = 1;
	slot_of(fx, 0x00037a2c, 1, 2)->key = key_of(1);
	assert_false(ikw_esp_slots_know(fx->slots, peer, 0x00037a2c, IKW_DIR_IN, 0));
	/* on the CPUs where there is room it has a place, a stranger's too */
	assert_true(slot_of(fx, 0x00037a2c, 1, 1)->key.name == third.name);
}

/* Packets add up over CPUs, numbers span them: what another CPU saw was not lost. */
static void test_sum(void **state)
{
	struct fixture *fx = *state;
	struct ikw_esp esp;

	assert_true(ikw_esp_slots_know(fx->slots, peer, 77, IKW_DIR_IN, 0));
	count(slot_of(fx, 77, 0, 0), 1, 50, 0);
	count(slot_of(fx, 77, 0, 2), 51, 100, 3);
	slot_of(fx, 77, 0, 0)->last = 5 * SECOND;
	slot_of(fx, 77, 0, 2)->last = 9 * SECOND;
	slot_of(fx, 77, 0, 2)->reordered = 2;
	esp = read_sa(fx, 77);
	assert_int_equal(esp.packets, 97);
	assert_int_equal(esp.bytes, 9700);
	assert_int_equal(esp.last, 9 * SECOND);
	assert_int_equal(esp.lost, 3);
	assert_int_equal(esp.reordered, 2);
	assert_int_equal(ikw_esp_slots_packets(fx->slots), 97);
}

/* What was lost before the last minute of traffic is forgotten; silence is no traffic. */
static void test_minute(void **state)
{
	struct fixture *fx = *state;
	struct ikw_esp_slot *slot;
	uint64_t now = SECOND;

	assert_true(ikw_esp_slots_know(fx->slots, peer, 77, IKW_DIR_IN, 0));
	slot = slot_of(fx, 77, 0, 1);
	count(slot, 1, 100, 40);
	assert_int_equal(read_sa(fx, 77).lost, 40);
	for (uint32_t i = 1; i <= 7; i++) {
		ikw_esp_slots_sample(fx->slots, now += SPAN);
		count(slot, i * 100 + 1, i * 100 + 100, i == 7 ? 5 : 0);
	}
	assert_int_equal(read_sa(fx, 77).lost, 5);
	for (uint32_t i = 0; i < 20; i++)
		ikw_esp_slots_sample(fx->slots, now += SPAN);
	assert_int_equal(read_sa(fx, 77).lost, 5);
	assert_int_equal(read_sa(fx, 77).packets, 800 - 45);
}

/* Slots of an earlier version, named and never counted in, are made ready for a first packet. */
static void test_kept(void **state)
{
	struct fixture *fx = *state;

	slot_of(fx, 77, 0, 0)->key = key_of(77);
	slot_of(fx, 77, 0, 0)->seq_high = 9;
	slot_of(fx, 77, 0, 1)->key = key_of(77);
	count(slot_of(fx, 77, 0, 1), 5, 9, 0);
	ikw_esp_slots_close(fx->slots);
	fx->slots = ikw_esp_slots_open(fx->fd, -1, SHIFT, CPUS);
	assert_non_null(fx->slots);
	assert_int_equal(slot_of(fx, 77, 0, 0)->seq_high, IKW_ESP_NO_SEQ);
	assert_int_equal(slot_of(fx, 77, 0, 1)->seq_high, 9);
	assert_int_equal(read_sa(fx, 77).packets, 5);
}

/* ESP to SPIs that nobody has: counted, and nothing is remembered for it. */
static void test_strangers(void **state)
{
	struct fixture *fx = *state;

	assert_true(ikw_esp_slots_know(fx->slots, peer, 77, IKW_DIR_IN, 0));
	count(slot_of(fx, 77, 0, 1), 1, 10, 0);
	for (uint32_t spi = 0x1080; spi < 0x10f0; spi++) {
		slot_of(fx, spi, 0, 0)->key = key_of(spi);
		count(slot_of(fx, spi, 0, 0), 1, 1, 0);
	}
	ikw_esp_slots_sample(fx->slots, SECOND);
	assert_int_equal(read_sa(fx, 77).span_count, 2);
	for (uint32_t spi = 0x1080; spi < 0x10f0; spi++) {
		assert_int_equal(read_sa(fx, spi).packets, 1);
		assert_int_equal(read_sa(fx, spi).span_count, 0);
	}
}

static void test_shift(void **state)
{
	const uint64_t gib = 1ULL << 30;

	(void)state;
	assert_int_equal(sizeof(struct ikw_esp_slot) * IKW_ESP_SLOTS, 2 << 20);
	assert_int_equal(ikw_esp_slots_shift(2, 24 * gib), 0);
	assert_int_equal(ikw_esp_slots_shift(2, 2 * gib), 0);
	assert_int_equal(ikw_esp_slots_shift(2, 2 * gib - 1), 1);
	assert_int_equal(ikw_esp_slots_shift(16, 16 * gib), 0);
	/* many that may be, few that are: never more than a 512th, never fewer than 1,024 slots */
	assert_int_equal(ikw_esp_slots_shift(128, 512 * gib), 3);
	assert_int_equal(ikw_esp_slots_shift(128, 4 * gib), 5);
	assert_int_equal(ikw_esp_slots_shift(1024, gib / 4), 5);
	assert_int_equal(IKW_ESP_SLOTS >> 5, 1024);
	/* room for a power of two of CPUs */
	assert_int_equal(ikw_esp_slots_all(1, 0), 32768);
	assert_int_equal(ikw_esp_slots_all(3, 1), 4 * 16384);
	assert_int_equal(ikw_esp_slots_all(64, 5), 64 * 1024);
	assert_int_equal(ikw_esp_slots_all(65, 5), 128 * 1024);
	assert_int_equal(ikw_esp_slots_shift(96, 512 * gib), 3);
}

int main(void)
{
#define ON(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		ON(test_name_again), ON(test_know),
		ON(test_taken),	     ON(test_sum),
		ON(test_minute),     ON(test_kept),
		ON(test_strangers),  cmocka_unit_test(test_shift),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
