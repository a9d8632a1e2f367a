/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The catalogue is complete, its commands can be pasted, and README's table
 * says the same. With --table or --commands it prints what README and
 * test_catalogue.sh need instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/ikewatch_event.h"
#include "catalogue.h"
#include "evidence.h"
#include "catalogue_out.h"

#define TABLE_BEGIN "<!-- causes: begin -->\n"
#define TABLE_END   "<!-- causes: end -->\n"

static const struct ikw_catalogue_values example = {
	.peer = "198.51.100.1",
	.local = "192.0.2.1",
	.iface = "eth0",
	.inside = "10.2.0.0",
	.tunnel = "7",
	.id = "17",
	.since = "2026-01-02 03:04:05 UTC",
	.until = "2026-01-02 03:15:05 UTC",
	.state = "/var/lib/ikewatch-site-a",
	.netns = "site-a",
};

static void assert_sentence(const char *what, const char *text)
{
	if (!text || strlen(text) < 10 || text[strlen(text) - 1] != '.')
		fail_msg("%s: not a sentence: %s", what, text ? text : "(none)");
	if (strchr(text, '{') || strstr(text, "  "))
		fail_msg("%s: braces or two blanks: %s", what, text);
}

static void every_reason_has_every_text(void **state)
{
	(void)state;
	for (int r = 0; r < IKW_REASON_COUNT; r++) {
		const struct ikw_catalogue_entry *e = ikw_catalogue((enum ikw_reason)r);
		const char *name = ikw_reason_text((enum ikw_reason)r);

		assert_non_null(e);
		assert_sentence(name, e->impact);
		assert_sentence(name, e->cause);
		assert_sentence(name, e->evidence);
		if (e->not_emitted)
			assert_sentence(name, e->not_emitted);
		assert_true(e->step_count > 0);
		for (unsigned int i = 0; i < e->step_count; i++) {
			assert_sentence(name, e->steps[i].text);
			assert_true(!e->steps[i].command || e->steps[i].command[0]);
		}
	}
	assert_null(ikw_catalogue(IKW_REASON_COUNT));
	assert_null(ikw_catalogue((enum ikw_reason) - 1));
}

static void groups_follow_the_list_of_reasons(void **state)
{
	(void)state;
	for (int r = 0; r < IKW_REASON_COUNT; r++) {
		enum ikw_catalogue_group want = r < IKW_REASON_PEER_REQUEST ? IKW_GROUP_VENDOR
						: r < IKW_REASON_IDLE_TIMEOUT
							? IKW_GROUP_VENDOR_OTHER
							: IKW_GROUP_OURS;

		assert_int_equal(ikw_catalogue((enum ikw_reason)r)->group, want);
	}
	assert_string_equal(ikw_catalogue_group_text(IKW_GROUP_VENDOR), "vendor");
	assert_string_equal(ikw_catalogue_group_text(IKW_GROUP_VENDOR_OTHER), "vendor-other");
	assert_string_equal(ikw_catalogue_group_text(IKW_GROUP_OURS), "ikewatch");
}

static void observables_are_named_and_sorted_into_one_mask(void **state)
{
	(void)state;
	for (int r = 0; r < IKW_REASON_COUNT; r++) {
		const struct ikw_catalogue_entry *e = ikw_catalogue((enum ikw_reason)r);

		assert_true(e->needs & IKW_SEES_SA);
		assert_int_equal(e->needs & e->helps, 0);
		for (uint32_t bit = 1; bit; bit <<= 1)
			if ((e->needs | e->helps) & bit)
				assert_non_null(ikw_catalogue_observable_text(bit));
	}
	assert_string_equal(ikw_catalogue_observable_text(IKW_SEES_IKE_IN), "ike_in");
	assert_string_equal(ikw_catalogue_observable_text(IKW_SEES_LARVAL), "larval");
	assert_string_equal(ikw_catalogue_observable_text(IKW_SEES_PORTID), "portid");
	assert_string_equal(ikw_catalogue_observable_text(IKW_SEES_ASKED), "asked");
	assert_null(ikw_catalogue_observable_text(IKW_SEES_ASKED << 1));
	assert_null(ikw_catalogue_observable_text(0));
	assert_null(ikw_catalogue_observable_text(3));
}

/* What must be observable for these facts to be seen. */
static uint32_t facts_need(ikw_fact_set facts)
{
	static const uint32_t needs[] = {
#define IKW_X(name, slug, sees) sees,
		IKW_FACTS(IKW_X)
#undef IKW_X
	};
	uint32_t mask = 0;

	for (size_t i = 0; i < IKW_FACT_COUNT; i++)
		if (facts & IKW_FACT_SET(i))
			mask |= needs[i];
	return mask;
}

static void emitted_is_what_has_a_rule(void **state)
{
	size_t count;
	const struct ikw_rule *rules = ikw_rules(&count);

	(void)state;
	for (int r = 0; r < IKW_REASON_COUNT; r++) {
		bool has_rule = false;

		for (size_t i = 0; i < count; i++)
			has_rule |= rules[i].reason == (enum ikw_reason)r;
		if (has_rule == !!ikw_catalogue((enum ikw_reason)r)->not_emitted)
			fail_msg("%s: the rules and the catalogue disagree whether it is emitted",
				 ikw_reason_text((enum ikw_reason)r));
	}
}

static void masks_agree_with_the_rules(void **state)
{
	size_t count;
	const struct ikw_rule *rule = ikw_rules(&count);

	(void)state;
	for (const struct ikw_rule *end = rule + count; rule < end; rule++) {
		const struct ikw_catalogue_entry *e = ikw_catalogue(rule->reason);
		uint32_t used = facts_need(rule->needs | rule->lacks | rule->unseen);

		if (e->needs & ~(IKW_SEES_SA | facts_need(rule->needs)))
			fail_msg("%s: rule %s does without some of \"needs\"",
				 ikw_reason_text(rule->reason), rule->name);
		if (used & ~(e->needs | e->helps))
			fail_msg("%s: rule %s rests on more than \"needs\" and \"helps\": %x",
				 ikw_reason_text(rule->reason), rule->name,
				 used & ~(e->needs | e->helps));
	}
}

/* Every {word} is a placeholder, and none stands within quotes, where a quoted value would not fit.
 */
static void assert_placeholders(const char *command)
{
	static const char *const known[] = {
		"{peer}", "{local}", "{iface}", "{inside}", "{tunnel}",
		"{id}",	  "{netns}", "{since}", "{until}",  "{state}"
	};
	const size_t count = sizeof(known) / sizeof(known[0]);
	char quote = 0;
	for (const char *p = command; *p; p++) {
		if (*p == quote)
			quote = 0;
		else if (!quote && (*p == '\'' || *p == '"'))
			quote = *p;
		if (*p != '{')
			continue;
		size_t i = 0;
		while (i < count && strncmp(p, known[i], strlen(known[i])) != 0)
			i++;
		if (i == count)
			fail_msg("unknown placeholder: %s", command);
		if (quote)
			fail_msg("placeholder within quotes: %s", command);
	}
	if (quote)
		fail_msg("quote left open: %s", command);
}

static void placeholders_are_known_and_unquoted(void **state)
{
	unsigned int commands = 0;

	(void)state;
	for (int r = 0; r < IKW_REASON_COUNT; r++) {
		const struct ikw_catalogue_entry *e = ikw_catalogue((enum ikw_reason)r);
		for (unsigned int i = 0; i < e->step_count; i++) {
			if (!e->steps[i].command)
				continue;
			assert_placeholders(e->steps[i].command);
			char *filled = ikw_catalogue_fill(e->steps[i].command, &example);
			assert_non_null(filled);
			assert_null(strchr(filled, '{'));
			free(filled);
			commands++;
		}
	}
	assert_true(commands > IKW_REASON_COUNT);
}

/* The daemon's name at the beginning is for people, the member for explain: they agree. */
static void steps_name_their_daemon(void **state)
{
	static const char *const names[] = { [IKW_FOR_STRONGSWAN] = "strongSwan: ",
					     [IKW_FOR_LIBRESWAN] = "Libreswan: ",
					     [IKW_FOR_OPENIKED] = "OpenIKED: " };
	unsigned int named = 0;

	(void)state;
	for (int r = 0; r < IKW_REASON_COUNT; r++) {
		const struct ikw_catalogue_entry *e = ikw_catalogue((enum ikw_reason)r);

		for (unsigned int i = 0; i < e->step_count; i++) {
			for (int d = IKW_FOR_STRONGSWAN; d <= IKW_FOR_OPENIKED; d++) {
				bool begins =
					!strncmp(e->steps[i].text, names[d], strlen(names[d]));

				assert_int_equal(begins, (int)e->steps[i].daemon == d);
				named += begins;
			}
		}
	}
	assert_true(named > 20);
}

static void assert_fill(const char *template, const struct ikw_catalogue_values *values,
			const char *want)
{
	char *got = ikw_catalogue_fill(template, values);

	assert_non_null(got);
	assert_string_equal(got, want);
	free(got);
}

static void fill_replaces_what_is_known(void **state)
{
	struct ikw_catalogue_values none = { 0 };

	(void)state;
	assert_fill("ping {peer} {local} {iface} {inside} {tunnel} {id}", &example,
		    "ping 198.51.100.1 192.0.2.1 eth0 10.2.0.0 7 17");
	assert_fill("ping {peer} {local}", &none, "ping {peer} {local}");
	assert_fill("awk '{print}' {other} {peer", &example, "awk '{print}' {other} {peer");
	assert_fill("{{peer}}", &example, "{198.51.100.1}");
	assert_fill("", &example, "");
	assert_fill("{}", &example, "{}");
}

static void fill_quotes_what_a_shell_would_read(void **state)
{
	struct ikw_catalogue_values v = { .peer = "2001:db8::1%eth0", .iface = "a;rm -rf $HOME" };

	(void)state;
	assert_fill("ping {peer}", &v, "ping 2001:db8::1%eth0");
	assert_fill("ip link show {iface}", &v, "ip link show 'a;rm -rf $HOME'");
	v.iface = "it's";
	assert_fill("{iface}", &v, "'it'\\''s'");
	v.iface = "{peer}";
	assert_fill("{iface}", &v, "'{peer}'");
	v.iface = "caf\xc3\xa9";
	assert_fill("{iface}", &v, "'caf\xc3\xa9'");
}

static void fill_enters_the_network_namespace(void **state)
{
	struct ikw_catalogue_values v = { .netns = "gwa" };

	(void)state;
	assert_fill("{netns}ip route", &v, "ip netns exec gwa ip route");
	v.netns = "Public";
	assert_fill("{netns}ip route", &v, "ip route");
	v.netns = NULL;
	assert_fill("{netns}ip route", &v, "ip route");
	v.netns = "";
	assert_fill("{netns}ip route", &v, "ip route");
	v.netns = "/proc/42/ns/net";
	assert_fill("{netns}ip route", &v, "nsenter --net=/proc/42/ns/net ip route");
	v.netns = "my ns";
	assert_fill("{netns}ip route", &v, "ip netns exec 'my ns' ip route");
}

static void fill_names_the_store(void **state)
{
	struct ikw_catalogue_values v = { .id = "3", .since = "2026-01-02 03:04:05 UTC" };

	(void)state;
	assert_fill("ikewatch clear {id}{state}", &v, "ikewatch clear 3");
	v.state = "/srv/a b";
	assert_fill("ikewatch clear {id}{state}", &v, "ikewatch clear 3 --state-dir '/srv/a b'");
	assert_fill("journalctl --since={since}", &v,
		    "journalctl --since='2026-01-02 03:04:05 UTC'");
}

static void json_is_complete(void **state)
{
	static const char *const texts[] = { "offline_reason", "severity", "impact",
					     "possible_cause", "evidence", "group" };
	json_t *all = ikw_catalogue_json(NULL);

	(void)state;
	assert_int_equal(json_array_size(all), IKW_REASON_COUNT);
	for (int r = 0; r < IKW_REASON_COUNT; r++) {
		const struct ikw_catalogue_entry *e = ikw_catalogue((enum ikw_reason)r);
		json_t *o = json_array_get(all, (size_t)r);

		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			assert_true(json_is_string(json_object_get(o, texts[i])));
		assert_int_equal(json_is_true(json_object_get(o, "emitted")), !e->not_emitted);
		assert_int_equal(json_is_string(json_object_get(o, "not_emitted_why")),
				 !!e->not_emitted);
		assert_true(json_is_null(json_object_get(o, "observable")));
		json_t *steps = json_object_get(o, "procedure");
		assert_int_equal(json_array_size(steps), e->step_count);
		for (size_t i = 0; i < json_array_size(steps); i++) {
			json_t *step = json_array_get(steps, i);

			assert_true(json_is_string(json_object_get(step, "text")));
			assert_non_null(json_object_get(step, "command"));
		}
	}
	json_decref(all);
}

static bool says_observable(enum ikw_reason reason, uint32_t sees)
{
	json_t *all = ikw_catalogue_json(&sees);
	json_t *o = json_array_get(all, reason);
	json_t *observable = json_object_get(o, "observable");

	assert_true(json_is_boolean(observable));
	bool yes = json_is_true(observable);
	/* what is missing is named if and only if something is */
	assert_true(yes || json_array_size(json_object_get(o, "not_seen_here")) > 0 ||
		    json_is_string(json_object_get(o, "not_emitted_why")));
	json_decref(all);
	return yes;
}

static void observable_depends_on_the_host(void **state)
{
	uint32_t ike = IKW_SEES_IKE_IN | IKW_SEES_IKE_OUT;

	(void)state;
	assert_true(says_observable(IKW_REASON_DPD_TIMEOUT, IKW_SEES_SA | ike));
	assert_false(says_observable(IKW_REASON_DPD_TIMEOUT, IKW_SEES_SA | IKW_SEES_IKE_IN));
	assert_false(says_observable(IKW_REASON_UNKNOWN, 0));
	assert_true(says_observable(IKW_REASON_UNKNOWN, ~0U));
	/* nothing on Linux brings it about: no host can see it */
	assert_false(says_observable(IKW_REASON_HEARTBEAT_TIMEOUT, ~0U));
}

static void text_is_within_its_columns(void **state)
{
	char *text = NULL, *line, *rest;
	size_t size;
	uint32_t sees = IKW_SEES_SA;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	ikw_catalogue_print(out, &sees);
	fclose(out);
	for (int r = 0; r < IKW_REASON_COUNT; r++)
		assert_non_null(strstr(text, ikw_reason_text((enum ikw_reason)r)));
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		if (strlen(line) > 80 && !strstr(line, "  $ "))
			fail_msg("longer than 80 columns: %s", line);
		assert_true(!*line || line[strlen(line) - 1] != ' ');
	}
	free(text);
}

static void print_table(FILE *out)
{
	fputs("| offline_reason | said by this version | the evidence it rests on |\n", out);
	fputs("|---|---|---|\n", out);
	for (int r = 0; r < IKW_REASON_COUNT; r++) {
		const struct ikw_catalogue_entry *e = ikw_catalogue((enum ikw_reason)r);

		fprintf(out, "| `%s` | %s | %s%s%s |\n", ikw_reason_text((enum ikw_reason)r),
			e->not_emitted ? "no" : "yes", e->evidence, e->not_emitted ? " " : "",
			e->not_emitted ? e->not_emitted : "");
	}
}

static char *read_file(const char *name)
{
	static char buf[1 << 20];
	FILE *in = fopen(name, "r");
	if (!in)
		fail_msg("%s: cannot be read from here", name);
	size_t n = fread(buf, 1, sizeof(buf) - 1, in);
	buf[n] = 0;
	fclose(in);
	return buf;
}

static void readme_has_the_same_table(void **state)
{
	char *want = NULL;
	size_t size;
	FILE *out = open_memstream(&want, &size);

	(void)state;
	print_table(out);
	fclose(out);
	char *readme = read_file("README.md");
	char *begin = strstr(readme, TABLE_BEGIN);
	char *end = strstr(readme, TABLE_END);
	if (!begin || !end)
		fail_msg("README.md: the marks around the table of causes are gone");
	*end = 0;
	if (strcmp(begin + strlen(TABLE_BEGIN), want) != 0)
		fail_msg("README.md: the table of causes differs from the catalogue; "
			 "build/unit/test_catalogue --table prints it");
	free(want);
}

static int print_commands(void)
{
	for (int r = 0; r < IKW_REASON_COUNT; r++) {
		const struct ikw_catalogue_entry *e = ikw_catalogue((enum ikw_reason)r);
		for (unsigned int i = 0; i < e->step_count; i++) {
			if (!e->steps[i].command)
				continue;
			char *filled = ikw_catalogue_fill(e->steps[i].command, &example);
			printf("%s\n", filled);
			free(filled);
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_every_text),
		cmocka_unit_test(groups_follow_the_list_of_reasons),
		cmocka_unit_test(observables_are_named_and_sorted_into_one_mask),
		cmocka_unit_test(emitted_is_what_has_a_rule),
		cmocka_unit_test(masks_agree_with_the_rules),
		cmocka_unit_test(placeholders_are_known_and_unquoted),
		cmocka_unit_test(fill_replaces_what_is_known),
		cmocka_unit_test(fill_quotes_what_a_shell_would_read),
		cmocka_unit_test(fill_enters_the_network_namespace),
		cmocka_unit_test(steps_name_their_daemon),
		cmocka_unit_test(fill_names_the_store),
		cmocka_unit_test(json_is_complete),
		cmocka_unit_test(observable_depends_on_the_host),
		cmocka_unit_test(text_is_within_its_columns),
		cmocka_unit_test(readme_has_the_same_table),
	};

	if (argc > 1 && strcmp(argv[1], "--commands") == 0)
		return print_commands();
	if (argc > 1 && strcmp(argv[1], "--table") == 0) {
		print_table(stdout);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
