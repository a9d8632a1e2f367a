/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The alarm store: active list, clears, retention, batches, and what goes wrong with files. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include "user/model.h"
#include "user/store_private.h"

#define S   UINT64_C(1000000000)
#define NOW (UINT64_C(4102444800) * S) /* in 2100: never too old, whenever this runs */

static char dir[64];
static char why[512];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/ikewatch-store-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char path[400];
	struct dirent *entry;
	DIR *d = opendir(dir);

	(void)state;
	while (d && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(path);
	}
	if (d)
		closedir(d);
	return rmdir(dir);
}

static struct ikw_store *open_store(void)
{
	struct ikw_store *store = ikw_store_open(dir, false, why, sizeof(why));

	if (!store)
		fail_msg("%s", why);
	return store;
}

static uint64_t raise_alarm(struct ikw_store *store, uint32_t tunnel, uint64_t wall, bool up,
			    enum ikw_reason reason)
{
	struct ikw_alarm alarm = {
		.tunnel_index = tunnel,
		.wall = wall,
		.tunnel_up = up,
		.reason = reason,
		.confidence = IKW_CONFIDENCE_LIKELY,
		.dst = { [10] = 0xff, 0xff, 198, 51, 100, (uint8_t)tunnel },
	};

	if (ikw_store_alarm(store, &alarm))
		fail_msg("%s", ikw_store_error(store));
	return alarm.id;
}

struct listed {
	int count;
	struct ikw_store_row rows[16];
	char texts[16][4][64];
};

static const char *keep(char *to, const char *text)
{
	snprintf(to, 64, "%s", text ? text : "");
	return text ? to : NULL;
}

static int collect(void *ctx, const struct ikw_store_row *row)
{
	struct listed *list = ctx;
	struct ikw_store_row *to = &list->rows[list->count];

	*to = *row;
	to->reason = keep(list->texts[list->count][0], row->reason);
	to->peer = keep(list->texts[list->count][1], row->peer);
	to->cleared_by = keep(list->texts[list->count][2], row->cleared_by);
	to->note = keep(list->texts[list->count][3], row->note);
	to->json = NULL;
	return ++list->count == 16;
}

#define ACTIVE false
#define ALL    true

static void list_of(struct ikw_store *store, bool all, struct listed *list)
{
	const struct ikw_store_list which = { .all = all };

	memset(list, 0, sizeof(*list));
	assert_int_equal(ikw_store_alarms(store, &which, collect, list), 0);
}

/* ---- tests ------------------------------------------------------------ */

static void test_active_list(void **state)
{
	struct ikw_store *store = open_store();
	struct listed list;

	(void)state;
	assert_int_equal(raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT), 1);
	assert_int_equal(raise_alarm(store, 2, NOW + S, true, IKW_REASON_PHASE2_REPLACE), 2);
	list_of(store, ACTIVE, &list);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.rows[0].id, 1);
	assert_int_equal(list.rows[0].count, 1);
	assert_int_equal(list.rows[0].up_since, 0);
	assert_string_equal(list.rows[0].peer, "198.51.100.1");
	assert_string_equal(list.rows[0].reason, "dpd timeout");

	/* It comes back: the entry stays and says since when, once. */
	assert_int_equal(ikw_store_tunnel_up(store, 1, NOW + 5 * S, false), 0);
	assert_int_equal(ikw_store_tunnel_up(store, 1, NOW + 9 * S, false), 0);
	assert_int_equal(ikw_store_tunnel_up(store, 2, NOW + 9 * S, false), 0);
	list_of(store, ACTIVE, &list);
	assert_int_equal(list.count, 1);
	assert_true(list.rows[0].up_since == NOW + 5 * S);

	/* It goes again: still one entry, counted, down. */
	assert_int_equal(raise_alarm(store, 1, NOW + 20 * S, false, IKW_REASON_PEER_REQUEST), 3);
	list_of(store, ACTIVE, &list);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.rows[0].id, 3);
	assert_int_equal(list.rows[0].count, 2);
	assert_true(list.rows[0].first == NOW && list.rows[0].last == NOW + 20 * S);
	assert_int_equal(list.rows[0].up_since, 0);

	/* The history has all three, and knows what counts what. */
	list_of(store, ALL, &list);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.rows[0].counted_in, 3);
	assert_false(list.rows[0].active);
	assert_true(list.rows[1].tunnel_up && !list.rows[1].active && !list.rows[1].counted_in);
	assert_true(list.rows[2].active);
	assert_int_equal(ikw_store_close(store), 0);
}

/* A rekey while the tunnel's entry is active neither counts nor clears anything. */
static void test_rekey_leaves_entry_alone(void **state)
{
	struct ikw_store *store = open_store();
	struct listed list;

	(void)state;
	raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT);
	ikw_store_tunnel_up(store, 1, NOW + S, false);
	raise_alarm(store, 1, NOW + 2 * S, true, IKW_REASON_PHASE2_REPLACE);
	list_of(store, ACTIVE, &list);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.rows[0].id, 1);
	assert_int_equal(list.rows[0].count, 1);
	assert_true(list.rows[0].up_since == NOW + S);
	ikw_store_close(store);
}

static void test_clear(void **state)
{
	struct ikw_store *store = open_store();
	struct ikw_store_cleared cleared;
	struct listed list;

	(void)state;
	raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT);
	raise_alarm(store, 2, NOW, true, IKW_REASON_PHASE2_REPLACE);
	raise_alarm(store, 1, NOW + S, false, IKW_REASON_DPD_TIMEOUT);
	raise_alarm(store, 3, NOW + S, false, IKW_REASON_MANUAL);
	/* An earlier alarm of the entry names it as well as the last. */
	assert_int_equal(ikw_store_clear(store, 1, "ada", "line mended", &cleared), 1);
	assert_int_equal(cleared.last_id, 3);
	assert_int_equal(cleared.count, 2);
	assert_int_equal(cleared.tunnel_index, 1);
	assert_int_equal(ikw_store_clear(store, 3, "ada", NULL, NULL), 0);
	assert_int_equal(ikw_store_clear(store, 2, "ada", NULL, NULL), 0);
	assert_int_equal(ikw_store_clear(store, 99, "ada", NULL, NULL), -2);
	list_of(store, ACTIVE, &list);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.rows[0].id, 4);

	/* The same tunnel again is a new entry, and the old clear does not cover it. */
	raise_alarm(store, 1, NOW + 9 * S, false, IKW_REASON_DPD_TIMEOUT);
	list_of(store, ALL, &list);
	assert_int_equal(list.count, 5);
	assert_true(list.rows[0].cleared && list.rows[2].cleared);
	assert_string_equal(list.rows[2].cleared_by, "ada");
	assert_string_equal(list.rows[2].note, "line mended");
	assert_true(!list.rows[1].cleared && !list.rows[3].cleared && !list.rows[4].cleared);
	assert_int_equal(list.rows[4].count, 1);
	assert_int_equal(ikw_store_clear_all(store, "bob", NULL), 2);
	assert_int_equal(ikw_store_clear_all(store, "bob", NULL), 0);
	list_of(store, ALL, &list);
	assert_string_equal(list.rows[4].cleared_by, "bob");
	assert_null(list.rows[4].note);
	ikw_store_close(store);
}

static int find_json(void *ctx, const struct ikw_store_row *row)
{
	*(json_t **)ctx = json_loads(row->json, 0, NULL);
	return 0;
}

static int count_tunnel(void *ctx, const struct ikw_store_tunnel *tunnel)
{
	int *count = ctx;

	assert_int_equal(tunnel->index, ++*count);
	assert_string_equal(tunnel->key, *count == 1 ? "key one" : "key two");
	return 0;
}

static int deletions_of(void *ctx, const struct ikw_store_tunnel *tunnel)
{
	*(uint64_t *)ctx = tunnel->deletions;
	return 0;
}

/* Ids, tunnel numbers, counts and the whole alarm are there after a restart. */
static void test_restart(void **state)
{
	uint64_t deletions = 0;
	struct ikw_store *store = open_store();
	json_t *json = NULL;
	struct ikw_tunnel_past past;
	int tunnels = 0;

	(void)state;
	assert_int_equal(ikw_store_add_tunnel(store, "key one", 1), 0);
	assert_int_equal(ikw_store_add_tunnel(store, "key two", 2), 0);
	assert_int_equal(ikw_store_add_tunnel(store, "key two", 2), 0);
	raise_alarm(store, 1, NOW - 2 * 86400 * S, false, IKW_REASON_DPD_TIMEOUT);
	raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT);
	assert_int_equal(ikw_store_close(store), 0);

	store = open_store();
	assert_null(ikw_store_notice(store));
	assert_int_equal(ikw_store_tunnels_seen(store, 0, count_tunnel, &tunnels), 0);
	assert_int_equal(tunnels, 2);
	assert_int_equal(ikw_store_last_tunnel(store), 2);
	assert_int_equal(ikw_store_known(store, "key three", &past), 0);
	assert_int_equal(ikw_store_known(store, "key two", &past), 1);
	assert_int_equal(past.index, 2);
	assert_int_equal(past.last_deletion, 0);
	assert_int_equal(ikw_store_known(store, "key one", &past), 1);
	assert_int_equal(past.index, 1);
	assert_int_equal(past.last_deletion, NOW);
	assert_int_equal(past.last_reason, IKW_REASON_DPD_TIMEOUT);
	assert_int_equal(ikw_store_tunnels_seen(store, 1, deletions_of, &deletions), 0);
	assert_int_equal(deletions, 2);
	assert_int_equal(raise_alarm(store, 1, NOW, false, IKW_REASON_MANUAL), 3);
	assert_int_equal(ikw_store_find(store, 3, find_json, &json), 1);
	assert_int_equal(json_integer_value(json_object_get(json, "id")), 3);
	assert_string_equal(json_string_value(json_object_get(json, "offline_reason")),
			    "config modify or manual offline");
	json_decref(json);
	assert_int_equal(ikw_store_find(store, 4, find_json, &json), 0);
	ikw_store_close(store);
}

static void test_batch(void **state)
{
	struct ikw_store *store = open_store();
	struct ikw_store_stats stats;
	struct ikw_store *reader;

	(void)state;
	reader = ikw_store_open(dir, true, why, sizeof(why));
	assert_non_null(reader);
	ikw_store_begin(store);
	for (uint32_t i = 1; i <= 500; i++)
		assert_int_equal(raise_alarm(store, i, NOW + i, false, IKW_REASON_UNKNOWN), i);
	assert_int_equal(ikw_store_stats(reader, &stats), 0);
	assert_int_equal(stats.alarms, 0);
	assert_int_equal(ikw_store_stats(store, &stats), 0);
	assert_int_equal(stats.queued, 500);
	assert_int_equal(ikw_store_commit(store), 0);
	assert_int_equal(ikw_store_stats(reader, &stats), 0);
	assert_int_equal(stats.alarms, 500);
	assert_int_equal(stats.active, 500);
	assert_int_equal(stats.last_id, 500);
	assert_true(stats.bytes > 100000);
	ikw_store_close(reader);
	ikw_store_close(store);
}

/* A hundred thousand cases may close in one turn of the loop: none is dropped for that. */
static void test_large_batch(void **state)
{
	const uint32_t count = IKW_STORE_QUEUE_MAX * 2 + 1;
	struct ikw_store *store = open_store();
	struct ikw_store_stats stats;

	(void)state;
	ikw_store_begin(store);
	for (uint32_t i = 1; i <= count; i++)
		assert_int_equal(raise_alarm(store, i, NOW + i, false, IKW_REASON_UNKNOWN), i);
	assert_int_equal(ikw_store_commit(store), 0);
	assert_int_equal(ikw_store_stats(store, &stats), 0);
	assert_int_equal(stats.dropped, 0);
	assert_int_equal(stats.alarms, count);
	ikw_store_close(store);
}

static void test_retention(void **state)
{
	struct ikw_store *store = open_store();
	struct ikw_store_stats stats;
	struct listed list;

	(void)state;
	ikw_store_retain(store, 100, IKW_STORE_AGE_DAYS);
	/* The first stays active: kept whatever its age. */
	raise_alarm(store, 7, NOW, false, IKW_REASON_DPD_TIMEOUT);
	for (int round = 0; round < 3; round++) {
		ikw_store_begin(store);
		for (uint32_t i = 0; i < 1000; i++)
			raise_alarm(store, 1, NOW + i, true, IKW_REASON_PHASE2_REPLACE);
		assert_int_equal(ikw_store_commit(store), 0);
	}
	assert_int_equal(ikw_store_stats(store, &stats), 0);
	assert_int_equal(stats.last_id, 3001);
	assert_int_equal(stats.alarms, 101);
	list_of(store, ACTIVE, &list);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.rows[0].id, 1);

	/* By age: those of 1970 go, though they are the youngest by id. */
	ikw_store_retain(store, 1000000, 1);
	ikw_store_begin(store);
	for (uint32_t i = 0; i < 1000; i++)
		raise_alarm(store, 1, S, true, IKW_REASON_PHASE2_REPLACE);
	assert_int_equal(ikw_store_commit(store), 0);
	assert_int_equal(ikw_store_stats(store, &stats), 0);
	assert_int_equal(stats.alarms, 101);
	assert_int_equal(stats.last_id, 3001);
	assert_true(stats.oldest == NOW);
	assert_int_equal(raise_alarm(store, 1, NOW, true, IKW_REASON_PHASE2_REPLACE), 4002);
	ikw_store_close(store);
}

static bool is_kept(struct ikw_store *store, const char *key)
{
	struct ikw_tunnel_past past;

	return ikw_store_known(store, key, &past) == 1;
}

/* Of tunnels that are down for good the number goes when their last alarm has gone. */
static void test_retention_of_tunnels(void **state)
{
	struct ikw_store *store = open_store();
	struct ikw_alarm rekeyed = { .tunnel_index = 4,
				     .wall = NOW,
				     .tunnel_up = true,
				     .own_up = true,
				     .reason = IKW_REASON_PHASE2_REPLACE };
	char key[16];

	(void)state;
	ikw_store_retain(store, 100, IKW_STORE_AGE_DAYS);
	for (uint32_t i = 1; i <= 6; i++) {
		snprintf(key, sizeof(key), "key %u", i);
		assert_int_equal(ikw_store_add_tunnel(store, key, i), 0);
	}
	raise_alarm(store, 1, NOW, true, IKW_REASON_PEER_ADDRESS_SWITCH); /* went elsewhere */
	raise_alarm(store, 2, NOW, false, IKW_REASON_DPD_TIMEOUT);	  /* is active */
	raise_alarm(store, 3, NOW, true, IKW_REASON_DPD_TIMEOUT);	  /* and came back */
	ikw_store_tunnel_up(store, 3, NOW + S, false);
	assert_int_equal(ikw_store_alarm(store, &rekeyed), 0);
	for (int round = 0; round < 3; round++) {
		ikw_store_begin(store);
		for (uint32_t i = 0; i < 1000; i++)
			raise_alarm(store, 5, NOW + i, true, IKW_REASON_PHASE2_REPLACE);
		assert_int_equal(ikw_store_commit(store), 0);
		assert_true(is_kept(store, "key 5"));
	}
	assert_false(is_kept(store, "key 1"));
	assert_true(is_kept(store, "key 2"));
	assert_true(is_kept(store, "key 3"));
	assert_true(is_kept(store, "key 4"));
	assert_true(is_kept(store, "key 6")); /* never went down */
	ikw_store_close(store);
}

static int peer_check(void *ctx, const struct ikw_store_peer *peer)
{
	int *n = ctx;

	if (!(*n)++) {
		assert_string_equal(peer->reason, "peer request");
		assert_int_equal(peer->tunnels, 1);
	} else {
		assert_string_equal(peer->peer, "198.51.100.1");
		assert_string_equal(peer->reason, "dpd timeout");
		assert_int_equal(peer->tunnels, 2);
		assert_int_equal(peer->up, 1);
		assert_int_equal(peer->count, 3);
	}
	return 0;
}

static void test_by_peer(void **state)
{
	struct ikw_store *store = open_store();
	int peers = 0;

	(void)state;
	raise_alarm(store, 2, NOW, false, IKW_REASON_PEER_REQUEST);
	raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT);
	raise_alarm(store, 257, NOW, false, IKW_REASON_DPD_TIMEOUT); /* the same peer */
	raise_alarm(store, 257, NOW, false, IKW_REASON_DPD_TIMEOUT);
	ikw_store_tunnel_up(store, 1, NOW, false);
	assert_int_equal(ikw_store_peers(store, peer_check, &peers), 0);
	assert_int_equal(peers, 2);
	ikw_store_close(store);
}

static void test_second_owner(void **state)
{
	struct ikw_store *store = open_store();
	struct ikw_store *shared;
	char expected[128];

	(void)state;
	raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT);
	assert_null(ikw_store_open(dir, false, why, sizeof(why)));
	snprintf(expected, sizeof(expected), "%s: another ikewatch uses it (pid %d)", dir,
		 (int)getpid());
	assert_string_equal(why, expected);
	/* Clearing beside the agent is fine. */
	shared = ikw_store_open_shared(dir, why, sizeof(why));
	assert_non_null(shared);
	assert_int_equal(ikw_store_clear(shared, 1, "ada", NULL, NULL), 1);
	ikw_store_close(shared);
	assert_int_equal(raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT), 2);
	ikw_store_close(store);
}

static void test_no_store(void **state)
{
	char expected[128];

	(void)state;
	assert_null(ikw_store_open(dir, true, why, sizeof(why)));
	snprintf(expected, sizeof(expected), "%s/alarms.db: No such file or directory", dir);
	assert_string_equal(why, expected);
	assert_null(ikw_store_open_shared(dir, why, sizeof(why)));
	assert_string_equal(why, expected);
	assert_null(ikw_store_open("/proc/nowhere", false, why, sizeof(why)));
	assert_string_equal(why, "/proc/nowhere: No such file or directory");
}

static void test_newer_schema(void **state)
{
	char command[256];

	(void)state;
	ikw_store_close(open_store());
	snprintf(command, sizeof(command), "%s/alarms.db", dir);
	{
		/* user_version is at offset 60 of the header, big endian. */
		FILE *file = fopen(command, "r+");

		assert_non_null(file);
		fseek(file, 63, SEEK_SET);
		putc(99, file);
		fclose(file);
		strcat(command, "-wal");
		unlink(command);
	}
	assert_null(ikw_store_open(dir, false, why, sizeof(why)));
	assert_non_null(strstr(why, "made by a newer ikewatch (schema 99, this one knows 1)"));
}

/* Overwrites part of the database with bytes that are no SQLite. */
static void damage(long from, size_t size)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/alarms.db", dir);
	file = fopen(path, "r+");
	assert_non_null(file);
	fseek(file, from, SEEK_SET);
	while (size--)
		putc(0xa5, file);
	assert_int_equal(fclose(file), 0);
}

static int corrupt_files(void)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int count = 0;

	assert_non_null(d);
	while ((entry = readdir(d)))
		count += strstr(entry->d_name, "alarms.db.corrupt-") &&
			 !strstr(entry->d_name, "-wal");
	closedir(d);
	return count;
}

static void fill_for_damage(void)
{
	struct ikw_store *store = open_store();

	ikw_store_begin(store);
	ikw_store_add_tunnel(store, "key one", 1);
	ikw_store_add_tunnel(store, "key two", 2);
	for (uint32_t i = 0; i < 2000; i++)
		raise_alarm(store, 1 + i % 2, NOW + i, false, IKW_REASON_DPD_TIMEOUT);
	assert_int_equal(ikw_store_commit(store), 0);
	assert_int_equal(ikw_store_close(store), 0);
}

static void test_not_a_database(void **state)
{
	struct ikw_store *store;
	struct listed list;

	(void)state;
	fill_for_damage();
	damage(0, 4096);
	assert_null(ikw_store_open(dir, true, why, sizeof(why)));
	assert_non_null(strstr(why, "/alarms.db: file is not a database"));
	store = open_store();
	assert_non_null(ikw_store_notice(store));
	assert_non_null(strstr(ikw_store_notice(store), "file is not a database: moved to "));
	assert_null(strchr(ikw_store_notice(store), '\n'));
	assert_int_equal(corrupt_files(), 1);
	assert_int_equal(raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT), 1);
	list_of(store, ALL, &list);
	assert_int_equal(list.count, 1);
	ikw_store_close(store);
}

/* Damage in the middle costs what lies there; numbers and ids go on. */
static void test_damaged_pages(void **state)
{
	struct ikw_store_stats stats;
	struct ikw_store *store;
	int tunnels = 0;

	(void)state;
	fill_for_damage();
	damage(400 * 1024, 20000);
	store = open_store();
	assert_non_null(ikw_store_notice(store));
	assert_non_null(strstr(ikw_store_notice(store), "with 2 tunnels and "));
	assert_int_equal(ikw_store_stats(store, &stats), 0);
	assert_true(stats.alarms > 1500 && stats.alarms < 2000);
	assert_int_equal(stats.active, 2);
	assert_int_equal(ikw_store_tunnels_seen(store, 0, count_tunnel, &tunnels), 0);
	assert_int_equal(raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT), 2001);
	ikw_store_close(store);
	store = open_store();
	assert_null(ikw_store_notice(store));
	ikw_store_close(store);
}

/* What named the alarms that were given lay in the damage: they are known by themselves. */
static void test_damaged_names(void **state)
{
	struct ikw_alarm alarm = { .tunnel_index = 1, .wall = NOW, .time = 77 * S, .spi = 0xc1 };
	struct ikw_store *store;
	struct ikw_alarm other;

	(void)state;
	alarm.sa_count = 1;
	alarm.sas[0].spi = alarm.spi;
	store = open_store();
	ikw_store_begin(store);
	assert_int_equal(ikw_store_alarm(store, &alarm), 0);
	assert_int_equal(ikw_store_commit(store), 0);
	assert_int_equal(sqlite3_exec(store->db, "DELETE FROM given", NULL, NULL, NULL), SQLITE_OK);
	assert_false(ikw_store_given(store, &alarm));
	assert_int_equal(ikw_store_close(store), 0);
	fill_for_damage();
	damage(400 * 1024, 20000);
	store = open_store();
	assert_int_equal(ikw_store_replaced(store), 1);
	assert_true(ikw_store_given(store, &alarm));
	other = alarm;
	other.spi++;
	assert_false(ikw_store_given(store, &other));
	other = alarm;
	other.wall++;
	assert_false(ikw_store_given(store, &other));
	other = alarm;
	other.dst[15] = 9;
	assert_false(ikw_store_given(store, &other));
	ikw_store_close(store);
}

/* Damage that is met while the store is in use: the same, and what was being written is kept. */
static void test_damaged_in_use(void **state)
{
	struct ikw_store_stats stats;
	struct ikw_store *store;

	(void)state;
	fill_for_damage();
	store = open_store();
	assert_int_equal(ikw_store_replaced(store), 0);
	assert_int_equal(
		sqlite3_exec(store->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_exec(store->db, "PRAGMA shrink_memory", NULL, NULL, NULL);
	damage(8192, 300 * 1024);
	assert_int_equal(raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT), 2001);
	assert_int_equal(ikw_store_replaced(store), 1);
	assert_non_null(strstr(ikw_store_notice(store), ": moved to "));
	assert_int_equal(corrupt_files(), 1);
	assert_int_equal(ikw_store_stats(store, &stats), 0);
	assert_int_equal(stats.last_id, 2001);
	assert_int_equal(stats.queued, 0);
	ikw_store_close(store);
}

/* The file may not grow for a while: nothing is lost, ids are not given twice. */
static void test_disk_full(void **state)
{
	struct ikw_store *store = open_store();
	struct ikw_store_stats stats;
	struct rlimit was, small;

	(void)state;
	raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (uint32_t i = 0; i < 3; i++) {
		struct ikw_alarm alarm = { .tunnel_index = 2, .wall = NOW + i };

		assert_int_equal(ikw_store_alarm(store, &alarm), -1);
		assert_int_equal(alarm.id, 2 + i);
		assert_non_null(strstr(ikw_store_error(store), "/alarms.db: "));
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(ikw_store_stats(store, &stats), 0);
	assert_int_equal(stats.queued, 3);
	assert_int_equal(stats.alarms, 1);
	assert_int_equal(raise_alarm(store, 3, NOW, false, IKW_REASON_DPD_TIMEOUT), 5);
	assert_int_equal(ikw_store_stats(store, &stats), 0);
	assert_int_equal(stats.queued, 0);
	assert_int_equal(stats.alarms, 5);
	assert_int_equal(stats.active, 3);
	assert_int_equal(stats.dropped, 0);
	ikw_store_close(store);
}

/* Alarms that stand for a tunnel in the active list are looked for by their ids, wherever they lie.
 */
static void test_damaged_twice(void **state)
{
	struct ikw_store *store = open_store();
	struct listed list;

	(void)state;
	ikw_store_begin(store);
	for (uint32_t i = 1; i <= 2000; i++)
		raise_alarm(store, i == 1000 ? 2 : 1, NOW + i, false, IKW_REASON_DPD_TIMEOUT);
	assert_int_equal(ikw_store_close(store), 0);
	damage(300 * 1024, 20000);
	damage(900 * 1024, 20000);
	store = open_store();
	assert_int_equal(ikw_store_replaced(store), 1);
	list_of(store, ACTIVE, &list);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.rows[0].id, 1000);
	assert_int_equal(list.rows[1].id, 2000);
	ikw_store_close(store);
}

static void limit_files(struct rlimit *was)
{
	struct rlimit small;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, was), 0);
	small = *was;
	small.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
}

/* No room for a new database: the damaged one stays until there is, and what is in it goes on. */
static void test_damaged_disk_full(void **state)
{
	struct ikw_store_stats stats;
	struct ikw_store *store;
	struct rlimit was;

	(void)state;
	fill_for_damage();
	damage(400 * 1024, 20000);
	limit_files(&was);
	for (int i = 0; i < 2; i++)
		assert_null(ikw_store_open(dir, false, why, sizeof(why)));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	store = open_store();
	assert_int_equal(ikw_store_replaced(store), 1);
	assert_int_equal(corrupt_files(), 1);
	assert_non_null(strstr(ikw_store_notice(store), "with 2 tunnels and "));
	assert_int_equal(raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT), 2001);
	assert_int_equal(ikw_store_stats(store, &stats), 0);
	assert_true(stats.alarms > 1500);
	ikw_store_close(store);
}

/* The same while it is in use: alarms wait in memory, and go into the new one. */
static void test_damaged_in_use_disk_full(void **state)
{
	struct ikw_alarm alarm = { .tunnel_index = 2, .wall = NOW };
	struct ikw_store_stats stats;
	struct ikw_store *store;
	struct rlimit was;

	(void)state;
	fill_for_damage();
	store = open_store();
	assert_int_equal(
		sqlite3_exec(store->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_exec(store->db, "PRAGMA shrink_memory", NULL, NULL, NULL);
	damage(8192, 300 * 1024);
	limit_files(&was);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(ikw_store_alarm(store, &alarm), -1);
	assert_int_equal(corrupt_files(), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	usleep(1100000); /* a damaged one is tried again once a second */
	assert_int_equal(raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT), 2004);
	assert_int_equal(ikw_store_replaced(store), 1);
	assert_int_equal(corrupt_files(), 1);
	assert_int_equal(ikw_store_stats(store, &stats), 0);
	assert_int_equal(stats.queued, 0);
	assert_int_equal(stats.last_id, 2004);
	ikw_store_close(store);
}

/* Somebody else writes for long (a VACUUM): the agent waits once, not at every alarm. */
static void test_locked(void **state)
{
	struct ikw_store *store = open_store();
	struct ikw_store_stats stats;
	struct timespec from, to;
	sqlite3 *other;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/alarms.db", dir);
	raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (uint32_t i = 0; i < 20; i++) {
		struct ikw_alarm alarm = { .tunnel_index = 2, .wall = NOW + i };

		assert_int_equal(ikw_store_alarm(store, &alarm), -1);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_in_range(to.tv_sec - from.tv_sec, 0, 4);
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	assert_int_equal(ikw_store_commit(store), 0);
	assert_int_equal(ikw_store_stats(store, &stats), 0);
	assert_int_equal(stats.alarms, 21);
	assert_int_equal(ikw_store_close(store), 0);
}

/* A child is killed while it writes batches: what it said was durable is there, whole. */
static void test_killed_writer(void **state)
{
	struct ikw_store_stats stats;
	struct ikw_store *store;
	uint64_t last = 0, id;
	int pipes[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		store = ikw_store_open(dir, false, why, sizeof(why));
		while (store) {
			ikw_store_begin(store);
			for (int i = 0; i < 7; i++)
				id = raise_alarm(store, 1, NOW, false, IKW_REASON_UNKNOWN);
			if (ikw_store_commit(store) || write(pipes[1], &id, sizeof(id)) < 0)
				_exit(1);
		}
		_exit(1);
	}
	close(pipes[1]);
	for (int i = 0; i < 20; i++)
		assert_int_equal(read(pipes[0], &last, sizeof(last)), sizeof(last));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	while (read(pipes[0], &id, sizeof(id)) == sizeof(id))
		last = id;
	close(pipes[0]);
	store = open_store();
	assert_null(ikw_store_notice(store));
	assert_int_equal(ikw_store_stats(store, &stats), 0);
	assert_true(stats.last_id >= last && stats.last_id <= last + 7);
	assert_int_equal(stats.alarms, stats.last_id);
	assert_int_equal(stats.alarms % 7, 0);
	ikw_store_close(store);
}

/* Somebody who may read but not write, agent stopped. */
static void test_unprivileged_reader(void **state)
{
	struct ikw_store *store = open_store();
	static const char *const suffix[] = { "", "-wal", "-shm" };
	char path[128];
	int status;
	pid_t pid;

	(void)state;
	raise_alarm(store, 1, NOW, false, IKW_REASON_DPD_TIMEOUT);
	ikw_store_close(store);
	if (geteuid()) {
		print_message("needs root to become nobody\n");
		skip();
	}
	chmod(dir, 0755);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/alarms.db%s", dir, suffix[i]);
		chmod(path, 0644);
	}
	pid = fork();
	if (!pid) {
		struct ikw_store_stats stats;

		if (setgid(65534) || setuid(65534))
			_exit(2);
		store = ikw_store_open(dir, true, why, sizeof(why));
		if (!store || ikw_store_stats(store, &stats) || stats.alarms != 1) {
			fprintf(stderr, "%s\n", store ? ikw_store_error(store) : why);
			_exit(1);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

/*
 * What is listed of a million alarms is found, not searched for: no plan reads
 * all alarms but the list of all, and that one in the order in which they lie.
 */
static void test_plans(void **state)
{
	static const struct {
		enum ikw_store_sql sql;
		bool scan; /* passes over alarms: no more than the limit, or their index only */
	} lists[] = {
		{ SQL_LIST_ACTIVE, false }, { SQL_LIST_ALL, true },  { SQL_FIND, false },
		{ SQL_PEERS, false },	    { SQL_ENTRY_OF, false }, { SQL_TUNNELS_SEEN, false },
		{ SQL_STATS, true },
	};
	struct ikw_store *store = open_store();

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", ikw_store_sql[lists[i].sql]);
		sqlite3_stmt *stmt;

		assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL), SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			const char *step = (const char *)sqlite3_column_text(stmt, 3);
			bool scan = !strncmp(step, "SCAN alarms", 11);

			if (!strcmp(step, "SCAN a") || (scan && !lists[i].scan))
				fail_msg("%s: %s", step, ikw_store_sql[lists[i].sql]);
			if (lists[i].sql == SQL_LIST_ALL && strstr(step, "TEMP B-TREE"))
				fail_msg("all alarms would be sorted: %s", step);
		}
		sqlite3_finalize(stmt);
		sqlite3_free(sql);
	}
	ikw_store_close(store);
}

/* A deletion is named by its time, SPI and peers, and known once its alarm is committed. */
static void test_given(void **state)
{
	struct ikw_alarm alarm = { .tunnel_index = 1, .wall = NOW, .time = 77 * S, .spi = 0xc1 };
	struct ikw_store *store = open_store();
	struct ikw_alarm other = alarm;

	(void)state;
	ikw_store_begin(store);
	assert_int_equal(ikw_store_alarm(store, &alarm), 0);
	assert_false(ikw_store_given(store, &alarm));
	assert_int_equal(ikw_store_commit(store), 0);
	assert_true(ikw_store_given(store, &alarm));
	other.spi++;
	assert_false(ikw_store_given(store, &other));
	other = alarm;
	other.time++;
	assert_false(ikw_store_given(store, &other));
	other = alarm;
	other.dst[15] = 9;
	assert_false(ikw_store_given(store, &other));
	assert_int_equal(ikw_store_close(store), 0);
	store = open_store();
	assert_true(ikw_store_given(store, &alarm));
	assert_int_equal(ikw_store_forget_given(store, 77 * S), 0);
	assert_true(ikw_store_given(store, &alarm));
	assert_int_equal(ikw_store_forget_given(store, 78 * S), 0);
	assert_false(ikw_store_given(store, &alarm));
	ikw_store_close(store);
}

/* What an earlier life saw come back does not hide what went down since. */
static void test_up_before_down(void **state)
{
	struct ikw_store *store = open_store();
	struct listed list;

	(void)state;
	raise_alarm(store, 1, NOW + 10 * S, false, IKW_REASON_MANUAL);
	assert_int_equal(ikw_store_tunnel_up(store, 1, NOW + 5 * S, true), 0);
	list_of(store, ACTIVE, &list);
	assert_int_equal(list.rows[0].up_since, 0);
	assert_int_equal(ikw_store_tunnel_up(store, 1, NOW + 15 * S, true), 0);
	list_of(store, ACTIVE, &list);
	assert_int_equal(list.rows[0].up_since, NOW + 15 * S);
	/* nor does a clock that was set back hide that it came back */
	raise_alarm(store, 1, NOW + 20 * S, false, IKW_REASON_MANUAL);
	assert_int_equal(ikw_store_tunnel_up(store, 1, NOW, false), 0);
	list_of(store, ACTIVE, &list);
	assert_int_equal(list.rows[0].up_since, NOW);
	ikw_store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_active_list),
		TEST(test_rekey_leaves_entry_alone),
		TEST(test_clear),
		TEST(test_restart),
		TEST(test_batch),
		TEST(test_retention),
		TEST(test_retention_of_tunnels),
		TEST(test_large_batch),
		TEST(test_by_peer),
		TEST(test_second_owner),
		TEST(test_no_store),
		TEST(test_newer_schema),
		TEST(test_not_a_database),
		TEST(test_damaged_pages),
		TEST(test_damaged_names),
		TEST(test_damaged_in_use),
		TEST(test_disk_full),
		TEST(test_damaged_twice),
		TEST(test_damaged_disk_full),
		TEST(test_damaged_in_use_disk_full),
		TEST(test_locked),
		TEST(test_killed_writer),
		TEST(test_unprivileged_reader),
		TEST(test_plans),
		TEST(test_given),
		TEST(test_up_before_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
