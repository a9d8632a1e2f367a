/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Somebody deletes SAs past the daemon: a person, or a script that something made do so. */
#include "tests/unit/story.h"

#define TOOL 700 /* `ip xfrm state ...` */

/* The host's own BFD session: 3 is up, 1 down. */
static void bfd(struct story *s, uint64_t ms, uint16_t state)
{
	NEW(s, w, wire, WIRE, ms);

	w.wire.kind = IKW_WIRE_BFD;
	w.wire.dir = IKW_DIR_OUT;
	w.wire.code = state;
	w.wire.id = 5;
	addr4(w.wire.saddr, 1);
	addr4(w.wire.daddr, 2);
	feed(s, &w);
}

static void tool(struct story *s, uint64_t ms, const char *parent, const char *grandparent,
		 uint32_t loginuid)
{
	NEW(s, p, proc, PROC, ms);

	p.proc.op = IKW_PROC_SEEN;
	p.proc.tgid = TOOL;
	p.proc.loginuid = loginuid;
	p.proc.parent_count = 2;
	p.proc.parents[0].tgid = TOOL - 1;
	p.proc.parents[1].tgid = TOOL - 2;
	strcpy(p.proc.comm, "ip");
	strcpy(p.proc.parents[0].comm, parent);
	strcpy(p.proc.parents[1].comm, grandparent);
	feed(s, &p);
}

static void test_who_deletes(void **state)
{
	static const struct {
		const char *parent, *grandparent;
		uint32_t loginuid;
		bool changed;
		enum ikw_reason reason;
		enum ikw_confidence confidence;
		const char *rule;
	} rows[] = {
		{ "down.sh", "keepalived", ~0U, true, IKW_REASON_TRACK, IKW_CONFIDENCE_CERTAIN,
		  "tracker_deleted" },
		{ "down.sh", "keepalived", ~0U, false, IKW_REASON_TRACK, IKW_CONFIDENCE_LIKELY,
		  "tracker_deleted_alone" },
		{ "watch.sh", "systemd", ~0U, true, IKW_REASON_TRACK, IKW_CONFIDENCE_LIKELY,
		  "track_deleted" },
		{ "watch.sh", "systemd", ~0U, false, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN,
		  NULL },
		{ "bash", "sshd", 1000, true, IKW_REASON_MANUAL, IKW_CONFIDENCE_CERTAIN, NULL },
	};
	struct story s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned int flush = 0; flush < 2; flush++) {
			begin(&s, ALL_SEES);
			bfd(&s, 5000, 3);
			establish(&s, 10000, 0xa0, 0, AES_GCM);
			bfd(&s, 15000, 3);
			if (rows[i].changed)
				bfd(&s, 20000, 1);
			tool(&s, 20900, rows[i].parent, rows[i].grandparent, rows[i].loginuid);
			down(&s, 21000, 0, flush ? IKW_CAUSE_FLUSH : IKW_CAUSE_CALL, TOOL);
			expect_one(&s, rows[i].reason, rows[i].confidence);
			if (rows[i].rule)
				assert_string_equal(s.told[0].rule, rows[i].rule);
		}
}

/* What the daemon deletes itself nobody did past it, whoever its parents are. */
static void test_daemon_of_a_tracker(void **state)
{
	struct story s;
	NEW(&s, p, proc, PROC, 1);

	(void)state;
	begin(&s, ALL_SEES);
	p.proc.op = IKW_PROC_SEEN;
	p.proc.tgid = DAEMON;
	p.proc.parent_count = 1;
	p.proc.parents[0].tgid = 50;
	strcpy(p.proc.comm, "iked");
	strcpy(p.proc.parents[0].comm, "keepalived");
	feed(&s, &p);
	establish(&s, 10000, 0xa0, 0, AES_GCM);
	silence(&s, 20000, V2(0xa0, 37, 2, 57), 4);
	down(&s, 26000, 0, IKW_CAUSE_CALL, DAEMON);
	expect_one(&s, IKW_REASON_DPD_TIMEOUT, IKW_CONFIDENCE_CERTAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_deletes),
		cmocka_unit_test(test_daemon_of_a_tracker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
