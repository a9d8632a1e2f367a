/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rule table, mirrored row by row: same order, same verdicts. Every row is
 * reached by just the facts it needs, missed when one of them is missing or one
 * it lacks is seen, and a step less sure when that one could not be seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "user/evidence.h"
#include "user/reason.h"

static const struct {
	const char *name;
	enum ikw_reason reason;
	enum ikw_confidence confidence;
	bool now;
} mirror[] = {
	{ "netns_exit", IKW_REASON_INTERFACE_REMOVED, IKW_CONFIDENCE_CERTAIN, true },
	{ "device_exit", IKW_REASON_INTERFACE_REMOVED, IKW_CONFIDENCE_CERTAIN, true },
	{ "same_spi_back", IKW_REASON_PEER_ADDRESS_SWITCH, IKW_CONFIDENCE_CERTAIN, false },
	{ "same_spi_port", IKW_REASON_PORT_MISMATCH, IKW_CONFIDENCE_CERTAIN, false },
	{ "limit_after_rekey", IKW_REASON_PHASE2_REPLACE, IKW_CONFIDENCE_CERTAIN, true },
	{ "limit_after_conflict", IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY, true },
	{ "limit_after_silence", IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "hard_limit", IKW_REASON_PHASE2_HARD_EXPIRY, IKW_CONFIDENCE_CERTAIN, true },
	{ "spi_disputed", IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY, true },
	{ "conflict_of_a_half", IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY, true },
	{ "tracker_deleted", IKW_REASON_TRACK, IKW_CONFIDENCE_CERTAIN, true },
	{ "tracker_deleted_alone", IKW_REASON_TRACK, IKW_CONFIDENCE_LIKELY, true },
	{ "lease_deleted", IKW_REASON_MODECFG_LEASE, IKW_CONFIDENCE_LIKELY, true },
	{ "name_or_track_deleted", IKW_REASON_DNS_CHANGE, IKW_CONFIDENCE_POSSIBLE, true },
	{ "track_deleted", IKW_REASON_TRACK, IKW_CONFIDENCE_LIKELY, true },
	{ "probe_deleted", IKW_REASON_TRACK, IKW_CONFIDENCE_LIKELY, true },
	{ "name_deleted", IKW_REASON_DNS_CHANGE, IKW_CONFIDENCE_LIKELY, true },
	{ "flush", IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN, true },
	{ "foreign_deleter", IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN, true },
	{ "foreign_port", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, true },
	{ "no_daemon", IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN, true },
	{ "notified", IKW_REASON_INVALID_SPI, IKW_CONFIDENCE_LIKELY, true },
	{ "notified_vaguely", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, true },
	{ "ended_beside_new", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "ended_beside_new_ike", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "rekeyed", IKW_REASON_PHASE2_REPLACE, IKW_CONFIDENCE_CERTAIN, true },
	{ "remade", IKW_REASON_PHASE2_REPLACE, IKW_CONFIDENCE_LIKELY, false },
	{ "reauthenticated", IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_CERTAIN, true },
	{ "reauthenticated_quietly", IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY, false },
	{ "cluster_reauthenticated", IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY, false },
	{ "cluster_rekeyed", IKW_REASON_PHASE2_REPLACE, IKW_CONFIDENCE_LIKELY, true },
	{ "cluster_returned", IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY, false },
	{ "cluster_deleted", IKW_REASON_BACKUP_DELETE, IKW_CONFIDENCE_CERTAIN, false },
	{ "cluster_deleted_alone", IKW_REASON_BACKUP_DELETE, IKW_CONFIDENCE_LIKELY, false },
	{ "cluster_deleted_some", IKW_REASON_BACKUP_DELETE, IKW_CONFIDENCE_LIKELY, false },
	{ "cluster_reauthenticated_some", IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_POSSIBLE,
	  false },
	{ "came_back", IKW_REASON_KICK_OLD_SA, IKW_CONFIDENCE_CERTAIN, false },
	{ "came_from_elsewhere", IKW_REASON_KICK_OLD_SA, IKW_CONFIDENCE_CERTAIN, true },
	{ "initial_contact", IKW_REASON_KICK_OLD_SA, IKW_CONFIDENCE_CERTAIN, true },
	{ "initial_contact_open", IKW_REASON_KICK_OLD_SA, IKW_CONFIDENCE_LIKELY, false },
	{ "displaced", IKW_REASON_KICK_OLD_SA, IKW_CONFIDENCE_LIKELY, true },
	{ "aaa_user_cut", IKW_REASON_AAA_CUT, IKW_CONFIDENCE_CERTAIN, false },
	{ "aaa_user_cut_beside_order", IKW_REASON_AAA_CUT, IKW_CONFIDENCE_LIKELY, false },
	{ "aaa_cut", IKW_REASON_AAA_CUT, IKW_CONFIDENCE_LIKELY, false },
	{ "aaa_cut_unanswered", IKW_REASON_AAA_CUT, IKW_CONFIDENCE_LIKELY, false },
	{ "aaa_session_over", IKW_REASON_AAA_CUT, IKW_CONFIDENCE_LIKELY, false },
	{ "aaa_session_over_silence", IKW_REASON_AAA_CUT, IKW_CONFIDENCE_LIKELY, false },
	{ "aaa_session_over_unanswered", IKW_REASON_AAA_CUT, IKW_CONFIDENCE_LIKELY, false },
	{ "aaa_session_over_peer", IKW_REASON_AAA_CUT, IKW_CONFIDENCE_LIKELY, false },
	{ "tracker", IKW_REASON_TRACK, IKW_CONFIDENCE_CERTAIN, false },
	{ "tracker_alone", IKW_REASON_TRACK, IKW_CONFIDENCE_LIKELY, false },
	{ "lease_over", IKW_REASON_MODECFG_LEASE, IKW_CONFIDENCE_LIKELY, false },
	{ "name_moved", IKW_REASON_DNS_CHANGE, IKW_CONFIDENCE_LIKELY, false },
	{ "name_or_track", IKW_REASON_DNS_CHANGE, IKW_CONFIDENCE_POSSIBLE, false },
	{ "lease_or_track", IKW_REASON_MODECFG_LEASE, IKW_CONFIDENCE_POSSIBLE, false },
	{ "track_followed", IKW_REASON_TRACK, IKW_CONFIDENCE_LIKELY, false },
	{ "lease_or_probe", IKW_REASON_MODECFG_LEASE, IKW_CONFIDENCE_POSSIBLE, false },
	{ "name_or_probe", IKW_REASON_DNS_CHANGE, IKW_CONFIDENCE_POSSIBLE, false },
	{ "probe_followed", IKW_REASON_TRACK, IKW_CONFIDENCE_LIKELY, false },
	{ "name_moved_alone", IKW_REASON_DNS_CHANGE, IKW_CONFIDENCE_LIKELY, false },
	{ "name_lost", IKW_REASON_DNS_CHANGE, IKW_CONFIDENCE_LIKELY, false },
	{ "lease_over_alone", IKW_REASON_MODECFG_LEASE, IKW_CONFIDENCE_LIKELY, false },
	{ "sent_away", IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_LIKELY, false },
	{ "ordered_dead_path", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "ordered_dead_path_info", IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN, false },
	{ "ordered_before_silence", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "ordered_amid_exchange", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "reloaded_dead_path", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "link_gone", IKW_REASON_INTERFACE_REMOVED, IKW_CONFIDENCE_CERTAIN, false },
	{ "link_down", IKW_REASON_ADMIN_DOWN, IKW_CONFIDENCE_CERTAIN, false },
	{ "address_tracked", IKW_REASON_TRACK, IKW_CONFIDENCE_LIKELY, false },
	{ "own_address_moved", IKW_REASON_PEER_ADDRESS_SWITCH, IKW_CONFIDENCE_LIKELY, false },
	{ "peer_address_moved", IKW_REASON_PEER_ADDRESS_SWITCH, IKW_CONFIDENCE_LIKELY, false },
	{ "own_address_lost", IKW_REASON_PEER_ADDRESS_SWITCH, IKW_CONFIDENCE_POSSIBLE, false },
	{ "exchange_unanswered", IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_CERTAIN, false },
	{ "reauth_unanswered", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth_then_silence", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth_delete_unanswered", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "informational_unanswered", IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth_ordered_unanswered", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "liveness_empty", IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN, false },
	{ "reauth_not_a_check", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "delete_not_a_check", IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_POSSIBLE, false },
	{ "liveness_regular", IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "liveness_restart", IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "liveness_looked_restart", IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth_or_liveness", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_POSSIBLE, false },
	{ "reauth_or_first_check", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_POSSIBLE, false },
	{ "liveness_or_reauth", IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_POSSIBLE, false },
	{ "liveness_looked", IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "liveness_or_order", IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_POSSIBLE, false },
	{ "liveness_unanswered", IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "invalid_spi", IKW_REASON_INVALID_SPI, IKW_CONFIDENCE_LIKELY, false },
	{ "invalid_spi_vaguely", IKW_REASON_INVALID_SPI, IKW_CONFIDENCE_POSSIBLE, false },
	{ "left_as_ordered", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "peer_reauth", IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY, false },
	{ "peer_reauth_conflict", IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY, false },
	{ "peer_reauth_failed", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "peer_delete_after_conflict", IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY, false },
	{ "isakmp_delete_or_both", IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_POSSIBLE, false },
	{ "isakmp_delete_only", IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_CERTAIN, false },
	{ "isakmp_delete_beside_order", IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_LIKELY, false },
	{ "peer_delete", IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_CERTAIN, false },
	{ "peer_delete_of_either", IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_POSSIBLE, false },
	{ "peer_delete_padded", IKW_REASON_PEER_REQUEST, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth_beside_order", IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY, false },
	{ "ordered_by_service", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, true },
	{ "ordered", IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN, true },
	{ "ordered_earlier", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "reloaded", IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN, false },
	{ "ordered_reauth", IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_CERTAIN, true },
	{ "ordered_somehow", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth", IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_CERTAIN, true },
	{ "idle_then_anew", IKW_REASON_IDLE_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth_after", IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth_conflict", IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth_failed", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_CERTAIN, false },
	{ "reauth_failed_for_it", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth_failed_before", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "conflict_then_delete", IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY, false },
	{ "child_after_conflict", IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY, false },
	{ "idle_looked", IKW_REASON_IDLE_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "child_refused", IKW_REASON_PHASE2_HARD_EXPIRY, IKW_CONFIDENCE_LIKELY, false },
	{ "child_life_over", IKW_REASON_PHASE2_HARD_EXPIRY, IKW_CONFIDENCE_LIKELY, false },
	{ "life_over", IKW_REASON_PHASE1_HARD_EXPIRY, IKW_CONFIDENCE_LIKELY, false },
	{ "idle", IKW_REASON_IDLE_TIMEOUT, IKW_CONFIDENCE_POSSIBLE, false },
	{ "local_delete_blind", IKW_REASON_MANUAL, IKW_CONFIDENCE_POSSIBLE, false },
	{ "conflict_told_after", IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth_told_after", IKW_REASON_PHASE1_REPLACE, IKW_CONFIDENCE_POSSIBLE, false },
	{ "life_over_first", IKW_REASON_PHASE1_HARD_EXPIRY, IKW_CONFIDENCE_LIKELY, false },
	{ "ordered_quietly", IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN, false },
	{ "ordered_earlier_quietly", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "reloaded_quietly", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "ordered_somehow_quietly", IKW_REASON_MANUAL, IKW_CONFIDENCE_POSSIBLE, false },
	{ "other_daemon", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth_failed_quietly", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "reauth_given_up_quietly", IKW_REASON_REAUTH_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "spi_conflict", IKW_REASON_SPI_CONFLICT, IKW_CONFIDENCE_LIKELY, false },
	{ "replaced_plain", IKW_REASON_PHASE2_REPLACE, IKW_CONFIDENCE_LIKELY, false },
	{ "by_hand_unseen", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "by_hand_quiet", IKW_REASON_MANUAL, IKW_CONFIDENCE_LIKELY, false },
	{ "checks_unheard", IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_LIKELY, false },
	{ "isakmp_delete_crossed", IKW_REASON_PHASE1_DEPENDENT, IKW_CONFIDENCE_LIKELY, false },
	{ "exchange_not_sent", IKW_REASON_EXCHANGE_TIMEOUT, IKW_CONFIDENCE_POSSIBLE, false },
	{ "check_not_sent", IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_POSSIBLE, false },
	{ "unknown", IKW_REASON_UNKNOWN, IKW_CONFIDENCE_NONE, false },
};
#define ROWS (sizeof(mirror) / sizeof(mirror[0]))

static struct ikw_verdict judge(ikw_fact_set seen, ikw_fact_set blind)
{
	struct ikw_facts facts = { .seen = seen, .blind = blind & ~seen };

	return ikw_infer(&facts);
}

static void test_mirror(void **state)
{
	size_t count;
	const struct ikw_rule *rules = ikw_rules(&count);

	(void)state;
	assert_int_equal(count, ROWS);
	for (size_t i = 0; i < ROWS; i++) {
		assert_string_equal(rules[i].name, mirror[i].name);
		assert_int_equal(rules[i].reason, mirror[i].reason);
		assert_int_equal(rules[i].confidence, mirror[i].confidence);
		assert_int_equal(rules[i].now, mirror[i].now);
		assert_true(!(rules[i].needs & rules[i].lacks));
		assert_true(strlen(rules[i].sentence) > 10);
	}
}

static void test_every_row_is_reached(void **state)
{
	size_t count;
	const struct ikw_rule *rules = ikw_rules(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct ikw_verdict v = judge(rules[i].needs, rules[i].unseen);

		if (v.rule != &rules[i])
			print_message("%s is taken by %s\n", rules[i].name, v.rule->name);
		assert_ptr_equal(v.rule, &rules[i]);
		assert_int_equal(v.reason, mirror[i].reason);
		assert_int_equal(v.confidence, mirror[i].confidence);
	}
}

static void test_near_misses(void **state)
{
	size_t count;
	const struct ikw_rule *rules = ikw_rules(&count);

	(void)state;
	for (size_t i = 0; i < count; i++)
		for (unsigned int bit = 0; bit < IKW_FACT_COUNT; bit++) {
			ikw_fact_set fact = IKW_FACT_SET(bit);

			if (rules[i].needs & fact)
				assert_ptr_not_equal(
					judge(rules[i].needs & ~fact, rules[i].unseen).rule,
					&rules[i]);
			if (rules[i].lacks & fact)
				assert_ptr_not_equal(
					judge(rules[i].needs | fact, rules[i].unseen).rule,
					&rules[i]);
			if (rules[i].unseen & fact)
				assert_ptr_not_equal(
					judge(rules[i].needs, rules[i].unseen & ~fact).rule,
					&rules[i]);
		}
}

static void test_blind_is_less_sure(void **state)
{
	size_t count;
	const struct ikw_rule *rules = ikw_rules(&count);
	unsigned int rows = 0;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct ikw_verdict v;

		if (!rules[i].lacks)
			continue;
		v = judge(rules[i].needs, rules[i].unseen | rules[i].lacks);
		if (v.rule != &rules[i])
			continue;
		rows++;
		assert_true(v.blind != 0);
		if (rules[i].confidence > IKW_CONFIDENCE_POSSIBLE)
			assert_int_equal(v.confidence, rules[i].confidence - 1);
	}
	assert_true(rows > 10);
}

static void test_more_facts_never_crash(void **state)
{
	uint64_t x = 88172645463325252ULL;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct ikw_verdict v;
		ikw_fact_set seen;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		seen = ((ikw_fact_set)x << 64 | x * 2862933555777941757ULL) &
		       (IKW_FACT_SET(IKW_FACT_COUNT) - 1);
		v = judge(seen & (seen >> 7), ~seen);
		assert_non_null(v.rule);
		assert_true(!(v.rule->needs & ~seen));
	}
}

static void test_texts(void **state)
{
	(void)state;
	for (int i = 0; i < IKW_REASON_COUNT; i++)
		assert_int_equal(ikw_reason_find(ikw_reason_text(i)), i);
	assert_int_equal(ikw_reason_find("no such reason"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mirror),
		cmocka_unit_test(test_every_row_is_reached),
		cmocka_unit_test(test_near_misses),
		cmocka_unit_test(test_blind_is_less_sure),
		cmocka_unit_test(test_more_facts_never_crash),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
