/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Init signals the IKE daemon: who asked it to gave the order. */
#include <signal.h>
#include "tests/unit/story.h"

#define ASKER 700

static void asks(struct story *s, uint64_t ms, const char *comm, const char *args, size_t len,
		 const char *parent, const char *tty)
{
	NEW(s, p, proc, PROC, ms);

	p.proc.op = IKW_PROC_EXEC;
	p.proc.tgid = ASKER;
	p.proc.loginuid = ~0U;
	p.proc.parent_count = 2;
	p.proc.parents[0].tgid = ASKER - 1;
	p.proc.parents[1].tgid = ASKER - 2;
	strcpy(p.proc.comm, comm);
	strcpy(p.proc.tty, tty);
	strcpy(p.proc.parents[0].comm, "sh");
	strcpy(p.proc.parents[1].comm, parent);
	p.proc.args_len = (uint32_t)len;
	memcpy(p.proc.args, args, len);
	feed(s, &p);
}

#define ASKS(s, ms, comm, args, parent, tty) asks(s, ms, comm, args, sizeof(args), parent, tty)

static void signalled(struct story *s, uint64_t ms, int signo, uint32_t by)
{
	NEW(s, e, signal, SIGNAL, ms);

	e.signal.by.tgid = by;
	strcpy(e.signal.by.comm, by == 1 ? "systemd" : "kill");
	e.signal.daemon_tgid = DAEMON;
	e.signal.signo = (uint32_t)signo;
	feed(s, &e);
}

/* The daemon deletes what it has, as it is told to stop. */
static void stops(struct story *s, uint64_t ms, uint32_t by)
{
	signalled(s, ms, SIGTERM, by);
	ike(s, ms + 10, '>', V2(0xa0, 37, 2, 65));
	ike(s, ms + 20, '<', V2(0xa0, 37, 2, 57));
	down(s, ms + 25, 0, IKW_CAUSE_CALL, DAEMON);
}

static void begun(struct story *s)
{
	begin(s, ALL_SEES);
	establish(s, 10000, 0xa0, 0, AES_GCM);
}

static void expect_by(struct story *s, enum ikw_reason reason, const char *command)
{
	end(s);
	assert_int_equal(s->count, 1);
	assert_string_equal(ikw_reason_text(s->told[0].reason), ikw_reason_text(reason));
	if (command) {
		assert_non_null(strstr(s->told[0].detail, command));
	} else {
		assert_null(strstr(s->told[0].detail, "systemctl"));
		assert_null(strstr(s->told[0].detail, "kill charon"));
	}
}

static void test_asked(void **state)
{
	struct story s;

	(void)state;
	begun(&s);
	ASKS(&s, 19900, "systemctl", "systemctl\0restart\0strongswan", "bash", "pts/1");
	stops(&s, 20000, 1);
	expect_by(&s, IKW_REASON_MANUAL, "systemctl restart strongswan");

	begun(&s);
	ASKS(&s, 19900, "systemctl", "systemctl\0disable\0--now\0ipsec", "bash", "pts/1");
	stops(&s, 20000, 1);
	expect_by(&s, IKW_REASON_MANUAL, "systemctl disable --now ipsec");

	begun(&s);
	ASKS(&s, 19900, "reboot", "reboot", "bash", "pts/1");
	stops(&s, 20000, 1);
	expect_by(&s, IKW_REASON_MANUAL, "reboot");

	/* what keepalived asks for is keepalived's */
	begun(&s);
	ASKS(&s, 19900, "systemctl", "systemctl\0stop\0strongswan.service", "keepalived", "");
	stops(&s, 20000, 1);
	expect_by(&s, IKW_REASON_TRACK, "that tracks");
}

/* Another unit, another verb, long ago, afterwards, or another who signals: init it was. */
static void test_not_asked(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int way = 0; way < 7; way++) {
		begun(&s);
		if (way == 0)
			ASKS(&s, 19900, "systemctl", "systemctl\0restart\0nginx", "bash", "pts/1");
		if (way == 1)
			ASKS(&s, 19900, "systemctl", "systemctl\0status\0strongswan", "bash", "");
		if (way == 2)
			ASKS(&s, 10100, "systemctl", "systemctl\0stop\0ipsec", "bash", "pts/1");
		if (way == 4)
			ASKS(&s, 49900, "systemctl", "systemctl\0stop\0ipsec", "bash", "pts/1");
		if (way == 5) /* the next time only */
			ASKS(&s, 49900, "systemctl", "systemctl\0disable\0ipsec", "bash", "pts/1");
		if (way == 6) /* not of init's */
			ASKS(&s, 49900, "kill", "kill\0charon", "bash", "pts/1");
		stops(&s, 50000, way == 4 ? 300 : 1);
		if (way == 3)
			ASKS(&s, 50100, "systemctl", "systemctl\0stop\0ipsec", "bash", "pts/1");
		expect_by(&s, IKW_REASON_MANUAL, NULL);
	}
}

/* As the kernel's probes tell it, then as the agent does that found its sockets. */
static void daemon_begins(struct story *s, uint64_t ms)
{
	NEW(s, p, proc, PROC, ms);

	p.proc.op = IKW_PROC_EXEC;
	p.proc.tgid = DAEMON;
	p.proc.start = p.hdr.time;
	strcpy(p.proc.comm, "charon");
	feed(s, &p);
	p.hdr.time += 5000000;
	p.proc.op = IKW_PROC_DAEMON;
	p.proc.start = 0; /* not known from /proc */
	strcpy(p.proc.exe, "/usr/lib/ipsec/charon");
	feed(s, &p);
}

/* What stopped the daemon before this one is not what stops this one. */
static void test_asked_of_the_last(void **state)
{
	struct story s;

	(void)state;
	for (unsigned int later = 0; later < 2; later++) {
		begin(&s, ALL_SEES);
		daemon_begins(&s, later ? 32000 : 28000);
		ASKS(&s, 30000, "systemctl", "systemctl\0stop\0ipsec", "bash", "pts/1");
		establish(&s, 35000, 0xa0, 0, AES_GCM);
		stops(&s, 50000, 1);
		expect_by(&s, IKW_REASON_MANUAL, later ? NULL : "systemctl stop ipsec");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_not_asked),
		cmocka_unit_test(test_asked_of_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
