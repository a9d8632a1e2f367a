/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stories told to the pure pipeline, event by event: what the wire and the SAD
 * show, and what came of it. Times are milliseconds.
 */
#ifndef TESTS_UNIT_STORY_H
#define TESTS_UNIT_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/model.h"

#define ALL_SEES 0xffffffU
#define DAEMON	 100
#define OTHER	 200

#define AES_SHA256 12, 128, 12 /* CBC: an empty INFORMATIONAL is 80 bytes, a Delete too */
#define AES_GCM	   20, 128, 0  /* AEAD: empty 57, Delete(IKE) 65, Delete(CHILD) 69 */

struct told {
	enum ikw_reason reason;
	enum ikw_confidence confidence;
	bool tunnel_up;
	bool ordered;
	uint64_t latency;
	char rule[40];
	char detail[400];
	unsigned int blind;
	uint64_t spi_i;
	uint32_t spi; /* inbound */
	uint16_t port;
	uint32_t ifindex;
	char inside[64];
	char facts[400]; /* of the evidence, a space before and after each */
};

struct story {
	unsigned int daemons_lost;
	uint32_t lost_pid;
	size_t lost_tunnels;
	struct ikw_model *model;
	struct told told[64];
	unsigned int count;
	uint64_t now;
};

static inline void on_alarm(void *ctx, struct ikw_alarm *a)
{
	struct story *s = ctx;
	struct told *t = &s->told[s->count++ % 64];
	json_t *json = ikw_alarm_json(a);

	assert_non_null(json);
	json_decref(json);
	t->reason = a->reason;
	t->confidence = a->confidence;
	t->tunnel_up = a->tunnel_up;
	t->ordered = a->has_ordered_by;
	t->latency = a->closed - a->time;
	t->blind = a->blind_count;
	t->spi_i = a->spi_i;
	t->spi = a->sas[0].spi;
	t->port = a->remote_port;
	t->ifindex = a->ifindex;
	snprintf(t->inside, sizeof(t->inside), "%s", a->inside_ip);
	strcpy(t->facts, " ");
	for (size_t i = 0; i < a->evidence_count; i++)
		snprintf(t->facts + strlen(t->facts), sizeof(t->facts) - strlen(t->facts), "%s ",
			 a->evidence[i].fact);
	snprintf(t->rule, sizeof(t->rule), "%s", a->rule);
	snprintf(t->detail, sizeof(t->detail), "%s", a->detail);
}

static inline void on_daemon_lost(void *ctx, const struct ikw_daemon_lost *lost)
{
	struct story *s = ctx;

	s->daemons_lost++;
	s->lost_pid = lost->pid;
	s->lost_tunnels = lost->count;
	assert_true(lost->tunnels[0] > 0);
}

static inline void addr4(uint8_t *out, uint8_t last)
{
	memset(out, 0, IKW_ADDR_LEN);
	out[10] = out[11] = 0xff;
	out[12] = 192;
	out[14] = 2;
	out[15] = last;
}

static inline void hdr(struct story *s, union ikw_event *e, uint16_t type, size_t size, uint64_t ms)
{
	e->hdr.type = type;
	e->hdr.size = (uint16_t)size;
	e->hdr.time = (ms + 1000000) * 1000000ULL;
	s->now = e->hdr.time;
}

#define NEW(s, e, kind, TYPE, ms)                                                                  \
	union ikw_event e;                                                                         \
	memset(&e, 0, sizeof(e));                                                                  \
	hdr(s, &e, IKW_EV_##TYPE, sizeof(e.kind), ms)

static inline void feed(struct story *s, const union ikw_event *e)
{
	ikw_model_event(s->model, e);
}

static inline void begin_with(struct story *s, uint32_t sees, const struct ikw_model_ops *ops)
{
	NEW(s, clock, clock, CLOCK, 0);

	memset(s, 0, sizeof(*s));
	s->model = ikw_model_new(NULL, ops);
	assert_non_null(s->model);
	clock.clock.wall = 1700000000000000000ULL;
	feed(s, &clock);
	NEW(s, probes, probes, PROBES, 0);
	probes.probes.sees = sees;
	probes.probes.tier = IKW_TIER_FENTRY;
	feed(s, &probes);
	NEW(s, addr, addr, ADDR, 0);
	addr4(addr.addr.addr, 1);
	addr.addr.ifindex = 2;
	addr.addr.op = IKW_ADDR_SET;
	feed(s, &addr);
	NEW(s, link, link, LINK, 0);
	link.link.ifindex = 2;
	link.link.ifi_flags = 1;
	link.link.op = IKW_LINK_SET;
	strcpy(link.link.name, "eth0");
	feed(s, &link);
}

static inline void begin(struct story *s, uint32_t sees)
{
	struct ikw_model_ops ops = { .alarm = on_alarm, .daemon_lost = on_daemon_lost, .ctx = s };

	begin_with(s, sees, &ops);
}

static inline void end(struct story *s)
{
	ikw_model_tick(s->model, s->now + 60000000000ULL);
	ikw_model_finish(s->model, s->now + 60000000000ULL);
	ikw_model_free(s->model);
}

struct sa_spec {
	uint32_t spi;
	uint32_t reqid;
	uint8_t dir;
	uint8_t peer;
	uint16_t port;	/* the peer's, of the encapsulation; 0: none */
	uint32_t added; /* curlft.add_time, seconds of the story; 0: not told */
	bool tcp;	/* the encapsulation is TCP */
};

static inline void sa_op(struct story *s, uint64_t ms, struct sa_spec spec, uint8_t op,
			 uint8_t cause, uint32_t tgid)
{
	NEW(s, e, sa, SA, ms);

	e.sa.op = op;
	e.sa.cause = cause;
	e.sa.limit = cause == IKW_CAUSE_TIMER ? IKW_LIMIT_TIME : 0;
	e.sa.spi = spec.spi;
	e.sa.reqid = spec.reqid;
	e.sa.proto = 50;
	e.sa.mode = 1;
	e.sa.family = 2;
	e.sa.by.tgid = e.sa.by.tid = cause == IKW_CAUSE_TIMER ? 0 : tgid;
	strcpy(e.sa.by.comm, tgid == DAEMON ? "iked" : "tool");
	if (spec.port) {
		e.sa.encap_type = spec.tcp ? 7 : 2;
		e.sa.encap_sport = spec.dir == IKW_DIR_OUT ? 4500 : spec.port;
		e.sa.encap_dport = spec.dir == IKW_DIR_OUT ? spec.port : 4500;
	}
	if (spec.added)
		e.sa.add_wall_s = 1700000000ULL + spec.added;
	addr4(e.sa.saddr, spec.dir == IKW_DIR_OUT ? 1 : spec.peer);
	addr4(e.sa.daddr, spec.dir == IKW_DIR_OUT ? spec.peer : 1);
	feed(s, &e);
}

#define IN(n)  ((struct sa_spec){ 0x1000 + (n), 1, IKW_DIR_IN, 9, 0, 0, false })
#define OUT(n) ((struct sa_spec){ 0x2000 + (n), 1, IKW_DIR_OUT, 9, 0, 0, false })

static inline void up(struct story *s, uint64_t ms, unsigned int n, uint32_t tgid)
{
	sa_op(s, ms, IN(n), IKW_SA_LARVAL, 0, tgid);
	sa_op(s, ms + 1, IN(n), IKW_SA_ADD, 0, tgid);
	sa_op(s, ms + 2, OUT(n), IKW_SA_ADD, 0, tgid);
}

/* As by hand: no SPI is reserved first. */
static inline void up_by_hand(struct story *s, uint64_t ms, unsigned int n, uint32_t tgid)
{
	sa_op(s, ms, IN(n), IKW_SA_ADD, 0, tgid);
	sa_op(s, ms + 1, OUT(n), IKW_SA_ADD, 0, tgid);
}

static inline void down(struct story *s, uint64_t ms, unsigned int n, uint8_t cause, uint32_t tgid)
{
	sa_op(s, ms, IN(n), IKW_SA_DELETE, cause, tgid);
	sa_op(s, ms + 3, OUT(n), IKW_SA_DELETE, cause, tgid);
}

/* The outbound policy of one flow, whose SAs (reqid 1) go from .local to .remote. */
static inline void policy_op(struct story *s, uint64_t ms, uint8_t op, uint8_t local,
			     uint8_t remote)
{
	NEW(s, e, policy, POLICY, ms);

	e.policy.op = op;
	e.policy.dir = IKW_DIR_OUT;
	e.policy.tmpl_count = 1;
	e.policy.tmpl_proto = 50;
	e.policy.tmpl_reqid = 1;
	e.policy.index = 77;
	e.policy.sel.family = 2;
	e.policy.sel.prefixlen_s = e.policy.sel.prefixlen_d = 16;
	addr4(e.policy.tmpl_saddr, local);
	addr4(e.policy.tmpl_daddr, remote);
	addr4(e.policy.sel.saddr, 1);
	addr4(e.policy.sel.daddr, 2);
	feed(s, &e);
}

struct ike_spec {
	uint64_t spi;
	uint8_t version;
	uint8_t exchange;
	uint32_t id;
	uint32_t length;
	uint8_t peer;
	uint16_t encr, keylen, integ;
};

static uint32_t digests;

/* way: '>' our request, '<' their response to it; 'r' their request, 'a' our answer to that */
static inline union ikw_event ike_made(struct story *s, uint64_t ms, char way, struct ike_spec spec)
{
	bool out = way == '>' || way == 'a';
	NEW(s, e, ike, IKE, ms);

	addr4(out ? e.ike.saddr : e.ike.daddr, 1);
	addr4(out ? e.ike.daddr : e.ike.saddr, spec.peer ? spec.peer : 9);
	e.ike.dir = out ? IKW_DIR_OUT : IKW_DIR_IN;
	e.ike.sport = e.ike.dport = 500;
	e.ike.ifindex = 2;
	e.ike.spi_i = spec.spi;
	e.ike.spi_r = spec.exchange == 34 && (way == '>' || way == 'r') ? 0 : spec.spi + 1;
	e.ike.version = (uint8_t)(spec.version << 4);
	e.ike.exchange = spec.exchange;
	e.ike.message_id = spec.id;
	e.ike.length = spec.length;
	e.ike.ike_flags = way == '<' || way == 'a' ? 0x20 : 0;
	if (spec.version == 1)
		e.ike.ike_flags = 1;
	/* the original initiator's flag: ours begins, but for what the peer sets up */
	if (spec.version == 2 &&
	    (spec.exchange == 34 || spec.exchange == 35 ? way == '>' || way == 'r' : out))
		e.ike.ike_flags |= 8;
	e.ike.digest = spec.version == 2 ? (uint32_t)(spec.id * 16 + spec.exchange + (out ? 7 : 0))
					 : ++digests;
	if (spec.encr) {
		e.ike.flags2 |= IKW_IKE_CHOICE;
		e.ike.encr = spec.encr;
		e.ike.encr_keylen = spec.keylen;
		e.ike.integ = spec.integ;
	}
	return e;
}

static inline void ike(struct story *s, uint64_t ms, char way, struct ike_spec spec)
{
	union ikw_event e = ike_made(s, ms, way, spec);

	feed(s, &e);
}

#define V2(spi, exchange, id, length)                                                              \
	((struct ike_spec){ spi, 2, exchange, id, length, 9, 0, 0, 0 })

/* An IKE_SA of ours with one CHILD_SA, as the wire and the SAD show it. */
static inline void establish(struct story *s, uint64_t ms, uint64_t spi, unsigned int n,
			     uint16_t encr, uint16_t keylen, uint16_t integ)
{
	ike(s, ms, '>', V2(spi, 34, 0, 300));
	ike(s, ms + 5, '<', (struct ike_spec){ spi, 2, 34, 0, 300, 9, encr, keylen, integ });
	ike(s, ms + 10, '>', V2(spi, 35, 1, 300));
	ike(s, ms + 30, '<', V2(spi, 35, 1, 208));
	up(s, ms + 35, n, DAEMON);
}

/* The IKE_SA is rekeyed, by us: the new one begins in mid-stream with a liveness check. */
static inline void ike_rekeyed(struct story *s, uint64_t ms, uint64_t spi, uint64_t to)
{
	ike(s, ms, '>', V2(spi, 36, 2, 300));
	ike(s, ms + 10, '<', V2(spi, 36, 2, 300));
	ike(s, ms + 20, '>', V2(spi, 37, 3, 65));
	ike(s, ms + 30, '<', V2(spi, 37, 3, 57));
	ike(s, ms + 10000, '>', V2(to, 37, 0, 57));
	ike(s, ms + 10010, '<', V2(to, 37, 0, 57));
}

static inline void control(struct story *s, uint64_t ms, const char *args, size_t len,
			   const char *request)
{
	NEW(s, p, proc, PROC, ms);
	p.proc.op = IKW_PROC_SEEN;
	p.proc.tgid = 300;
	p.proc.args_len = (uint32_t)len;
	memcpy(p.proc.args, args, len);
	strcpy(p.proc.comm, "swanctl");
	feed(s, &p);
	NEW(s, c, control, CONTROL, ms);
	c.control.op = IKW_CONTROL_CONNECT;
	c.control.by.tgid = 300;
	c.control.daemon_tgid = DAEMON;
	feed(s, &c);
	if (!request)
		return;
	NEW(s, r, control, CONTROL, ms);
	r.control.op = IKW_CONTROL_REQUEST;
	r.control.by.tgid = 300;
	r.control.daemon_tgid = DAEMON;
	r.control.request[0] = 0;
	r.control.request[1] = (uint8_t)strlen(request);
	memcpy(r.control.request + 2, request, strlen(request));
	r.control.request_len = (uint16_t)(2 + strlen(request));
	feed(s, &r);
}

static inline void expect_one(struct story *s, enum ikw_reason reason,
			      enum ikw_confidence confidence)
{
	end(s);
	if (s->count != 1 || s->told[0].reason != reason || s->told[0].confidence != confidence)
		for (unsigned int i = 0; i < s->count; i++)
			print_message("got %s/%s by %s: %s\n", ikw_reason_text(s->told[i].reason),
				      ikw_confidence_text(s->told[i].confidence), s->told[i].rule,
				      s->told[i].detail);
	assert_int_equal(s->count, 1);
	assert_string_equal(ikw_reason_text(s->told[0].reason), ikw_reason_text(reason));
	assert_string_equal(ikw_confidence_text(s->told[0].confidence),
			    ikw_confidence_text(confidence));
}

static inline void silence(struct story *s, uint64_t ms, struct ike_spec spec, unsigned int copies)
{
	uint64_t gap = 700;

	for (unsigned int i = 0; i < copies; i++) {
		ike(s, ms, '>', spec);
		ms += gap;
		gap = gap * 3 / 2;
	}
}

/* That process, on that terminal ("": none), is swanctl, and comes to the daemon's control socket.
 */
static inline void swanctl(struct story *s, uint64_t ms, uint32_t tgid, const char *tty,
			   const char *args, size_t len)
{
	NEW(s, p, proc, PROC, ms);
	NEW(s, c, control, CONTROL, ms + 2);

	p.proc.op = IKW_PROC_SEEN;
	p.proc.tgid = tgid;
	p.proc.args_len = (uint32_t)len;
	memcpy(p.proc.args, args, len);
	strcpy(p.proc.comm, "swanctl");
	strcpy(p.proc.tty, tty);
	feed(s, &p);
	c.control.op = IKW_CONTROL_CONNECT;
	c.control.by.tgid = tgid;
	c.control.daemon_tgid = DAEMON;
	strcpy(c.control.by.comm, "swanctl");
	feed(s, &c);
}

#endif
