/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every story of tests/stories again, with what happens on any gateway beside it and ends
 * nothing: liveness checks of either end that are answered, somebody who lists tunnels or
 * loads credentials, what anybody can send in the peer's name, a link that no tunnel uses.
 * It comes at many moments before the deletion. Less may be known then, but never another
 * cause be likely.
 *
 * IKW_META=all leaves nothing out; IKW_META_KEEP=DIR keeps what failed as recordings;
 * IKW_META_ONLY=TEXT takes the stories with TEXT in their names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/unit/meta_judge.h"
#include "user/ike.h"

#define V1	  0x10
#define V2	  0x20
#define RESPONSE  0x20
#define INITIATOR 0x08
#define ENCRYPTED 0x01 /* IKEv1 */
#define INFO	  37
#define MOMENTS	  64
#define AROUND	  12 /* messages */

static const unsigned int before_ms[] = { 1500, 900, 400, 120, 30, 6, 2 };

/* An IKE_SA of IKEv2 in a story, whose ciphers are known. */
struct place {
	const struct meta_story *s;
	uint64_t spi_i;
	uint64_t deed;
	uint64_t last; /* what may have been the last word under it was said then; or the deed */
	const struct ikw_ike *said; /* one of our daemon's messages under it */
	uint32_t length;	    /* of an empty INFORMATIONAL */
	uint64_t moments[MOMENTS];
	unsigned int count;
};

static bool skipped(const struct meta_story *s)
{
	const char *only = getenv("IKW_META_ONLY");

	return only && !strstr(s->name, only);
}

/* Of what is cheap to tell and seldom matters every fourth, unless IKW_META=all. */
static bool picked(void)
{
	static unsigned int n;
	const char *how_many = getenv("IKW_META");

	return (how_many && !strcmp(how_many, "all")) || n++ % 4 == 0;
}

/* ---- under an IKE_SA -------------------------------------------------------------- */

static bool under(const struct place *p, const union ikw_event *e)
{
	return e->hdr.type == IKW_EV_IKE && e->ike.spi_i == p->spi_i && e->ike.version == V2 &&
	       !(e->ike.flags2 & IKW_IKE_FORWARDED) &&
	       !(e->ike.exchange == INFO && (e->ike.flags2 & IKW_IKE_NOTIFY));
}

static bool request(const union ikw_event *e)
{
	return !(e->ike.ike_flags & RESPONSE);
}

/* The longest that may be empty: with the least pad. */
static uint32_t empty_length(const struct ikw_ike *chosen)
{
	struct ikw_ike_sa ike = { .version = 2,
				  .choice = true,
				  .encr = chosen->encr,
				  .keylen = chosen->encr_keylen,
				  .integ = chosen->integ };

	uint32_t empty = 0, maybe = 0;

	for (uint32_t length = 28; length < 256; length++) {
		enum ikw_content content = ikw_ike_content(&ike, length);

		if (content == IKW_CONTENT_EMPTY)
			empty = length;
		else if (content == IKW_CONTENT_MAYBE_EMPTY)
			maybe = length;
	}
	return empty ? empty : maybe;
}

static void add_moment(struct place *p, uint64_t time)
{
	if (p->count < MOMENTS)
		p->moments[p->count++] = time;
}

/* With the Delete of an IKE_SA nothing more is asked under it. */
static uint64_t last_word(const struct place *p)
{
	uint64_t begun[2] = { 0, 0 }, last = p->deed;

	for (size_t i = 0; i < p->s->count; i++) {
		const union ikw_event *e = &p->s->events[i];
		bool ours = (e->ike.dir == IKW_DIR_OUT) == request(e);

		if (!under(p, e) || e->ike.exchange != INFO)
			continue;
		if (request(e))
			begun[ours] = begun[ours] ? begun[ours] : e->hdr.time;
		else if (e->hdr.time + 6 * SECOND > p->deed && begun[ours])
			last = begun[ours] < last ? begun[ours] : last;
		if (!request(e))
			begun[ours] = 0;
	}
	return last;
}

/* Of an alarm: a while before the deletion, and around what was last said. */
static bool find_place(struct place *p, const struct meta_story *s, const struct meta_alarm *a)
{
	uint64_t last[AROUND];
	unsigned int said = 0;

	memset(p, 0, sizeof(*p));
	p->s = s;
	p->spi_i = a->spi_i;
	p->deed = a->time;
	for (size_t i = 0; a->spi_i && i < s->count; i++) {
		const union ikw_event *e = &s->events[i];

		if (!under(p, e))
			continue;
		if (e->ike.flags2 & IKW_IKE_CHOICE)
			p->length = empty_length(&e->ike);
		if (e->ike.dir == IKW_DIR_OUT && e->ike.exchange != 34 && e->hdr.time <= a->time)
			p->said = &e->ike;
		if (e->hdr.time <= a->time + SECOND)
			last[said++ % AROUND] = e->hdr.time;
	}
	for (unsigned int i = 0; i < said && i < AROUND; i++) {
		add_moment(p, last[i] - 12 * MS);
		add_moment(p, last[i] + MS / 2);
	}
	for (size_t k = 0; k < sizeof(before_ms) / sizeof(before_ms[0]); k++)
		add_moment(p, a->time - before_ms[k] * MS);
	p->last = last_word(p);
	return p->said && p->length;
}

/* The peer begins an IKE_SA. */
static bool anew(const struct place *p, const union ikw_event *e)
{
	return e->hdr.type == IKW_EV_IKE && e->ike.exchange == 34 && e->ike.dir == IKW_DIR_IN &&
	       e->ike.spi_i != p->spi_i && request(e) &&
	       !memcmp(e->ike.saddr, p->said->daddr, IKW_ADDR_LEN);
}

/* Can that end begin an exchange then, and be answered at once? It waits for nothing else. */
static bool may_ask(const struct place *p, bool ours, uint64_t from, uint64_t until)
{
	bool waits = false, set_up = false;
	uint8_t asks = ours ? IKW_DIR_OUT : IKW_DIR_IN;

	for (size_t i = 0; i < p->s->count; i++) {
		const union ikw_event *e = &p->s->events[i];

		if (!under(p, e)) {
			/* whoever comes anew may have lost what was before */
			if (set_up && !ours && anew(p, e) && e->hdr.time < until)
				return false;
			continue;
		}
		if (e->hdr.time > until)
			continue;
		if ((e->ike.dir == asks) == request(e))
			waits = request(e);
		if (e->hdr.time >= from && (e->ike.dir == asks) == request(e))
			return false;
		set_up |= e->ike.exchange == 35 && !request(e);
	}
	return set_up && from < p->last && !waits;
}

/* The least that was seen between what our end said and what it heard next. */
static uint64_t round_trip(const struct place *p)
{
	uint64_t said = 0, least = 20 * MS;
	bool seen = false;

	for (size_t i = 0; i < p->s->count; i++) {
		const union ikw_event *e = &p->s->events[i];

		if (!under(p, e))
			continue;
		if (e->ike.dir == IKW_DIR_OUT) {
			said = e->hdr.time;
		} else if (said && (!seen || e->hdr.time - said < least)) {
			least = e->hdr.time - said;
			seen = true;
		}
	}
	return least;
}

/* Has any link gone off by then? What gets through afterwards says that it does not matter. */
static bool cut_off(const struct place *p, uint64_t time)
{
	for (size_t i = 0; i < p->s->count; i++) {
		const struct ikw_link *link = &p->s->events[i].link;

		if (link->hdr.type == IKW_EV_LINK && link->hdr.time <= time &&
		    link->hdr.time + 60 * SECOND > time &&
		    (link->op != IKW_LINK_SET || !(link->ifi_flags & 0x40)))
			return true;
	}
	return false;
}

/* An exchange of that end's at that time; those after it have the next numbers. */
static void ask(struct meta_story *s, const struct place *p, bool ours, uint64_t time,
		uint64_t answered)
{
	union ikw_event e = { .ike = *p->said };
	uint32_t id = 0;

	for (size_t i = 0; i < s->count; i++) {
		union ikw_event *other = &s->events[i];
		bool of_ours = (other->ike.dir == IKW_DIR_OUT) == request(other);

		if (!under(p, other) || of_ours != ours)
			continue;
		if (other->hdr.time >= time)
			other->ike.message_id++;
		else if (other->ike.message_id >= id)
			id = other->ike.message_id + 1;
	}
	e.ike.exchange = INFO;
	e.ike.message_id = id;
	e.ike.length = p->length;
	e.ike.ike_flags &= INITIATOR;
	e.ike.digest = 0x70000000 + id * 4;
	e.ike.next_payload = 46;
	e.ike.frag_number = e.ike.frag_total = 0;
	for (int answer = 0; answer < 2; answer++) {
		union ikw_event m = e;

		m.hdr.time = answer ? answered : time;
		m.ike.digest += (uint32_t)answer;
		if (answer)
			m.ike.ike_flags |= RESPONSE;
		if (ours == !!answer) { /* it comes in */
			m.ike.dir = IKW_DIR_IN;
			m.ike.ike_flags ^= INITIATOR;
			memcpy(m.ike.saddr, e.ike.daddr, IKW_ADDR_LEN);
			memcpy(m.ike.daddr, e.ike.saddr, IKW_ADDR_LEN);
			m.ike.sport = e.ike.dport;
			m.ike.dport = e.ike.sport;
		}
		meta_insert(s, &m);
	}
}

/* The daemon reads when the SAs were last used. */
static bool look(struct meta_story *s, uint64_t time, const struct meta_alarm *a)
{
	for (size_t i = 0; i < s->count; i++) {
		union ikw_event e = s->events[i];

		if (e.hdr.type != IKW_EV_SA || e.sa.op != IKW_SA_ADD ||
		    (e.sa.spi != a->spi[0] && e.sa.spi != a->spi[1]) || e.sa.by.tgid != s->daemon)
			continue;
		e.hdr.time = time;
		e.sa.op = IKW_SA_ASKED;
		meta_insert(s, &e);
		return true;
	}
	return false;
}

/*
 * Of what was hardly known anything may become likely. And what goes for something that
 * the daemon keeps to itself, right behind a message as long as a Delete, goes like one
 * that was deleted by that.
 */
static bool undecidable(const struct meta_told *told, uint64_t time)
{
	for (unsigned int i = 0; i < told->count; i++) {
		const struct meta_alarm *a = &told->list[i];

		if (time > a->time || time + SECOND < a->time)
			continue;
		if (a->confidence < IKW_CONFIDENCE_LIKELY || !strcmp(a->rule, "remade") ||
		    !strcmp(a->rule, "life_over_first"))
			return true;
	}
	return false;
}

static void checked(bool ours, bool looks)
{
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (unsigned int k = 0; k < alone[i].count && !skipped(&stories[i]); k++) {
			struct place p;

			if (!find_place(&p, &stories[i], &alone[i].list[k]))
				continue;
			for (unsigned int n = 0; n < p.count; n++) {
				uint64_t time = p.moments[n], takes;
				struct meta_story s;

				takes = ours ? round_trip(&p) : 5 * MS;
				if (undecidable(&alone[i], time) || cut_off(&p, time) ||
				    !may_ask(&p, ours, time, time + takes + MS))
					continue;
				meta_copy(&s, &stories[i]);
				if (looks && !look(&s, time - MS, &alone[i].list[k])) {
					meta_free(&s);
					continue;
				}
				ask(&s, &p, ours, time, time + takes);
				compare(&s, &alone[i], &same_map, ours ? "checked" : "asked",
					false);
				meta_free(&s);
			}
		}
	done();
}

static void test_our_checks(void **state)
{
	(void)state;
	checked(true, false);
}

static void test_our_checks_looked(void **state)
{
	(void)state;
	checked(true, true);
}

static void test_their_checks(void **state)
{
	(void)state;
	checked(false, false);
}

/* ---- under an ISAKMP SA ------------------------------------------------------------ */

static bool under_v1(const struct place *p, const union ikw_event *e)
{
	return e->hdr.type == IKW_EV_IKE && e->ike.spi_i == p->spi_i && e->ike.version == V1 &&
	       !(e->ike.flags2 & (IKW_IKE_FORWARDED | IKW_IKE_NOTIFY));
}

static bool info_v1(const union ikw_event *e)
{
	return e->ike.exchange == IKW_V1_INFO && (e->ike.ike_flags & ENCRYPTED);
}

/* R-U-THERE, with the least pad. */
static uint32_t check_length_v1(const struct ikw_ike *chosen)
{
	struct ikw_ike_sa ike = {
		.version = 1, .choice = true, .encr = chosen->encr, .integ = chosen->integ
	};
	uint32_t length = 28;

	while (length < 256 && !ikw_ike_fits_dpd(&ike, length))
		length++;
	return length < 256 ? length : 0;
}

/*
 * Until when there may be checks that are answered and say nothing: before what may have
 * been a Delete, and before those that nobody answered.
 */
static bool find_place_v1(struct place *p, const struct meta_story *s, const struct meta_alarm *a)
{
	uint64_t asked = 0;

	memset(p, 0, sizeof(*p));
	p->s = s;
	p->spi_i = a->spi_i;
	p->last = p->deed = a->time;
	for (size_t i = 0; a->spi_i && i < s->count; i++) {
		const union ikw_event *e = &s->events[i];

		if (!under_v1(p, e) || e->hdr.time > a->time)
			continue;
		if (e->ike.flags2 & IKW_IKE_CHOICE)
			p->length = check_length_v1(&e->ike);
		if (e->ike.ike_flags & ENCRYPTED)
			p->said = e->ike.dir == IKW_DIR_OUT ? &e->ike : p->said;
		if (e->ike.dir == IKW_DIR_IN)
			asked = 0;
		else if (info_v1(e) && !asked)
			asked = e->hdr.time;
		if (info_v1(e) && e->hdr.time + 6 * SECOND > a->time && e->hdr.time < p->last)
			p->last = e->hdr.time;
		if (e->ike.exchange == IKW_V1_QUICK)
			add_moment(p, e->hdr.time + 200 * MS);
	}
	if (asked && asked < p->last)
		p->last = asked;
	for (size_t k = 0; k < sizeof(before_ms) / sizeof(before_ms[0]); k++) {
		add_moment(p, p->last - before_ms[k] * MS);
		add_moment(p, a->time - before_ms[k] * MS);
	}
	return p->said && p->length;
}

static void ask_v1(struct meta_story *s, const struct place *p, bool ours, uint64_t time,
		   uint64_t answered)
{
	for (int answer = 0; answer < 2; answer++) {
		union ikw_event e = { .ike = *p->said };

		e.hdr.time = answer ? answered : time;
		e.ike.exchange = IKW_V1_INFO;
		e.ike.message_id = 0x70000000 + (uint32_t)dice(1 << 20);
		e.ike.length = p->length;
		e.ike.digest = e.ike.message_id;
		e.ike.next_payload = 8;
		if (ours == !!answer) {
			e.ike.dir = IKW_DIR_IN;
			memcpy(e.ike.saddr, p->said->daddr, IKW_ADDR_LEN);
			memcpy(e.ike.daddr, p->said->saddr, IKW_ADDR_LEN);
			e.ike.sport = p->said->dport;
			e.ike.dport = p->said->sport;
		}
		meta_insert(s, &e);
	}
}

static void checked_v1(bool ours)
{
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (unsigned int k = 0; k < alone[i].count && !skipped(&stories[i]); k++) {
			struct place p;

			if (!find_place_v1(&p, &stories[i], &alone[i].list[k]))
				continue;
			for (unsigned int n = 0; n < p.count; n++) {
				uint64_t time = p.moments[n];
				struct meta_story s;

				if (time + 12 * MS > p.last || undecidable(&alone[i], time) ||
				    cut_off(&p, time))
					continue;
				meta_copy(&s, &stories[i]);
				ask_v1(&s, &p, ours, time, time + 10 * MS);
				compare(&s, &alone[i], &same_map,
					ours ? "checked, IKEv1" : "asked, IKEv1", false);
				meta_free(&s);
			}
		}
	done();
}

static void test_our_checks_v1(void **state)
{
	(void)state;
	checked_v1(true);
}

static void test_their_checks_v1(void **state)
{
	(void)state;
	checked_v1(false);
}

/* ---- whoever comes by ---------------------------------------------------------------- */

static union ikw_event made(const struct meta_story *s, uint16_t type, size_t size, uint64_t time)
{
	union ikw_event e;

	memset(&e, 0, sizeof(e));
	e.hdr.type = type;
	e.hdr.size = (uint16_t)size;
	e.hdr.time = time;
	e.hdr.netns = s->netns;
	return e;
}

struct caller {
	const char *daemon; /* how its name begins */
	const char *path;
	const char *tool;
	const char *word;
	const char *request; /* of vici; NULL: none that shows */
};

static const struct caller callers[] = {
	{ "charon", "/var/run/charon.vici", "swanctl", "--list-sas", "list-sas" },
	{ "charon", "/var/run/charon.vici", "swanctl", "--stats", "stats" },
	{ "charon", "/var/run/charon.vici", "swanctl", "--load-creds", "load-shared" },
	{ "charon", "/var/run/charon.vici", "exporter", "--listen", "list-conns" },
	{ "charon", "/var/run/charon.vici", "swanctl", "--initiate", "initiate" },
	{ "pluto", "/run/pluto/pluto.ctl", "whack", "--status", NULL },
	{ "pluto", "/run/pluto/pluto.ctl", "whack", "--trafficstatus", NULL },
	{ "pluto", "/run/pluto/pluto.ctl", "whack", "--rereadsecrets", NULL },
	{ "pluto", "/run/pluto/pluto.ctl", "whack", "--initiate", NULL },
};

static void call(struct meta_story *s, const struct caller *c, uint64_t time)
{
	union ikw_event proc = made(s, IKW_EV_PROC, sizeof(proc.proc), time);
	union ikw_event come = made(s, IKW_EV_CONTROL, sizeof(come.control), time + MS);
	union ikw_event says;

	proc.proc.op = IKW_PROC_SEEN;
	proc.proc.tgid = 0x300000;
	proc.proc.start = time - 5 * MS;
	proc.proc.args_len = (uint32_t)snprintf(proc.proc.args, sizeof(proc.proc.args), "%s%c%s",
						c->tool, 0, c->word) +
			     1;
	strcpy(proc.proc.comm, c->tool);
	meta_insert(s, &proc);
	come.control.op = IKW_CONTROL_CONNECT;
	come.control.by.tgid = come.control.by.tid = 0x300000;
	strcpy(come.control.by.comm, c->tool);
	come.control.daemon_tgid = s->daemon;
	strcpy(come.control.path, c->path);
	meta_insert(s, &come);
	if (!c->request)
		return;
	says = come;
	says.hdr.time += MS / 2;
	says.control.op = IKW_CONTROL_REQUEST;
	says.control.request_len = (uint16_t)(2 + strlen(c->request));
	says.control.request[1] = (uint8_t)strlen(c->request);
	memcpy(says.control.request + 2, c->request, strlen(c->request));
	meta_insert(s, &says);
}

static void test_callers(void **state)
{
	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (size_t c = 0; c < sizeof(callers) / sizeof(callers[0]); c++)
			for (unsigned int k = 0; k < alone[i].count && !skipped(&stories[i]); k++) {
				if (strncmp(stories[i].comm, callers[c].daemon,
					    strlen(callers[c].daemon)))
					continue;
				for (size_t n = 0; n < sizeof(before_ms) / sizeof(before_ms[0]);
				     n++) {
					struct meta_story s;

					meta_copy(&s, &stories[i]);
					call(&s, &callers[c],
					     alone[i].list[k].time - before_ms[n] * MS);
					compare(&s, &alone[i], &same_map, callers[c].word, false);
					meta_free(&s);
				}
			}
	done();
}

/* Commands that have nothing to do with the IKE daemon, or that only ask for it. */
static void run(struct meta_story *s, uint64_t time, const char *comm, const char *words)
{
	union ikw_event proc = made(s, IKW_EV_PROC, sizeof(proc.proc), time);

	proc.proc.op = IKW_PROC_EXEC;
	proc.proc.tgid = 0x300001;
	proc.proc.start = time - MS;
	proc.proc.loginuid = 1000;
	strcpy(proc.proc.tty, "pts/1");
	strcpy(proc.proc.comm, comm);
	proc.proc.args_len =
		(uint32_t)snprintf(proc.proc.args, sizeof(proc.proc.args), "%s %s", comm, words) +
		1;
	for (char *c = proc.proc.args; *c; c++)
		if (*c == ' ')
			*c = 0;
	meta_insert(s, &proc);
}

static void test_commands(void **state)
{
	static const char *const commands[][2] = {
		{ "systemctl", "restart nginx" },	 { "systemctl", "daemon-reload" },
		{ "systemctl", "stop cron.service" },	 { "systemctl", "status strongswan" },
		{ "systemctl", "is-active ipsec" },	 { "systemctl", "status openiked" },
		{ "systemctl", "reload nginx.service" },
	};

	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (size_t c = 0; c < sizeof(commands) / sizeof(commands[0]); c++)
			for (unsigned int k = 0; k < alone[i].count && !skipped(&stories[i]); k++)
				for (size_t n = 0; n < sizeof(before_ms) / sizeof(before_ms[0]);
				     n++) {
					struct meta_story s;

					if (!picked())
						continue;
					meta_copy(&s, &stories[i]);
					run(&s, alone[i].list[k].time - before_ms[n] * MS,
					    commands[c][0], commands[c][1]);
					compare(&s, &alone[i], &same_map, commands[c][1], false);
					meta_free(&s);
				}
	done();
}

/* `ip xfrm state get`, of the very SA, by whoever. */
static void test_lookers(void **state)
{
	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (unsigned int k = 0; k < alone[i].count && !skipped(&stories[i]); k++)
			for (size_t n = 0; n < sizeof(before_ms) / sizeof(before_ms[0]); n++) {
				uint64_t time = alone[i].list[k].time - before_ms[n] * MS;
				struct meta_story s;

				meta_copy(&s, &stories[i]);
				if (!look(&s, time, &alone[i].list[k])) {
					meta_free(&s);
					continue;
				}
				for (size_t e = 0; e < s.count; e++)
					if (s.events[e].hdr.type == IKW_EV_SA &&
					    s.events[e].sa.op == IKW_SA_ASKED &&
					    s.events[e].hdr.time == time) {
						s.events[e].sa.by.tgid = 0x300002;
						s.events[e].sa.by.tid = 0x300002;
						strcpy(s.events[e].sa.by.comm, "ip");
					}
				compare(&s, &alone[i], &same_map, "looked at", false);
				meta_free(&s);
			}
	done();
}

/* ---- in the peer's name ----------------------------------------------------------------- */

enum forgery { FORGED_INIT, FORGED_INVALID_SPI, FORGED_INVALID_IKE_SPI, FORGED_DELETE, FORGERIES };

static void forge(struct meta_story *s, const struct place *p, enum forgery kind, uint64_t time)
{
	union ikw_event e = made(s, IKW_EV_IKE, sizeof(e.ike), time);

	memcpy(e.ike.saddr, p->said->daddr, IKW_ADDR_LEN);
	memcpy(e.ike.daddr, p->said->saddr, IKW_ADDR_LEN);
	e.ike.sport = p->said->dport;
	e.ike.dport = p->said->sport;
	e.ike.ifindex = p->said->ifindex;
	e.ike.dir = IKW_DIR_IN;
	e.ike.version = V2;
	e.ike.spi_i = 0xf0f0f0f000000000 + kind;
	e.ike.exchange = kind == FORGED_INIT ? 34 : INFO;
	e.ike.ike_flags = INITIATOR;
	e.ike.length = kind == FORGED_INIT ? 300 : 80;
	e.ike.digest = 0xf0f00000 + kind;
	switch (kind) {
	case FORGED_INIT:
		e.ike.flags2 = IKW_IKE_HAS_SA;
		break;
	case FORGED_INVALID_SPI:
		e.ike.spi_i = e.ike.spi_r = 0;
		e.ike.flags2 = IKW_IKE_NOTIFY;
		e.ike.notify = 11;
		e.ike.notify_spi = 0xdeadbeef;
		break;
	case FORGED_INVALID_IKE_SPI:
		e.ike.spi_r = 0xe0e0e0e000000000;
		e.ike.ike_flags = RESPONSE;
		e.ike.flags2 = IKW_IKE_NOTIFY;
		e.ike.notify = 4;
		break;
	default:
		e.ike.spi_r = 0xe0e0e0e000000000;
	}
	meta_insert(s, &e);
}

static void test_forged(void **state)
{
	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (unsigned int k = 0; k < alone[i].count && !skipped(&stories[i]); k++) {
			struct place p;

			find_place(&p, &stories[i], &alone[i].list[k]);
			for (unsigned int n = 0; p.said && n < p.count * FORGERIES; n++) {
				struct meta_story s;

				if (!picked())
					continue;
				meta_copy(&s, &stories[i]);
				forge(&s, &p, n % FORGERIES, p.moments[n / FORGERIES]);
				compare(&s, &alone[i], &same_map, "forged", false);
				meta_free(&s);
			}
		}
	done();
}

/* ---- what no tunnel uses ------------------------------------------------------------------ */

static void link_is(struct meta_story *s, uint64_t time, uint8_t op, uint32_t flags)
{
	union ikw_event e = made(s, IKW_EV_LINK, sizeof(e.link), time);

	e.link.op = op;
	e.link.ifindex = 0x700;
	e.link.ifi_flags = flags;
	strcpy(e.link.name, "eth7");
	meta_insert(s, &e);
}

static void test_other_link(void **state)
{
	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (unsigned int k = 0; k < alone[i].count && !skipped(&stories[i]); k++)
			for (size_t n = 0; n < sizeof(before_ms) / sizeof(before_ms[0]); n++) {
				uint64_t time = alone[i].list[k].time - before_ms[n] * MS;
				struct meta_story s;

				meta_copy(&s, &stories[i]);
				link_is(&s, stories[i].events[stories[i].prelude].hdr.time,
					IKW_LINK_SET, 0x11043);
				link_is(&s, time, IKW_LINK_SET, 0x1003);
				link_is(&s, time + MS, IKW_LINK_SET, 0x1002);
				link_is(&s, time + 2 * MS, IKW_LINK_GONE, 0x1002);
				compare(&s, &alone[i], &same_map, "another link", false);
				meta_free(&s);
			}
	done();
}

/* ---- a slow host --------------------------------------------------------------------------- */

static bool deletes(const union ikw_event *e)
{
	return e->hdr.type == IKW_EV_SA && e->sa.op == IKW_SA_DELETE;
}

/* Does anything follow so soon that came of it, and would come before it then? */
static bool goes_on(const struct meta_story *s, size_t i, uint64_t by)
{
	const union ikw_event *e = &s->events[i];

	for (size_t k = i + 1; k < s->count && s->events[k].hdr.time <= e->hdr.time + by; k++) {
		const union ikw_event *next = &s->events[k];

		if ((next->hdr.type == IKW_EV_SA && !deletes(next)) ||
		    next->hdr.type == IKW_EV_FLUSH || next->hdr.type == IKW_EV_PROC ||
		    next->hdr.type == IKW_EV_LINK || next->hdr.type == IKW_EV_ADDR ||
		    (next->hdr.type == IKW_EV_IKE && next->ike.dir == IKW_DIR_OUT))
			return true;
	}
	return false;
}

/* The daemon takes that much longer for every SA that it deletes. */
static bool slow(struct meta_story *s, const struct meta_story *from, uint64_t by)
{
	for (size_t i = from->prelude; i < from->count; i++)
		if (deletes(&from->events[i]) &&
		    (goes_on(from, i, by) || from->events[i].sa.by.tgid != from->daemon))
			return false;
	meta_copy(s, from);
	s->count = from->prelude;
	for (size_t i = from->prelude; i < from->count; i++)
		if (!deletes(&from->events[i]))
			meta_push(s, &from->events[i]);
	for (size_t i = from->prelude; i < from->count; i++) {
		union ikw_event e = from->events[i];

		e.hdr.time += by;
		if (deletes(&e))
			meta_insert(s, &e);
	}
	return true;
}

static void test_slow(void **state)
{
	static const unsigned int by_ms[] = { 50, 200, 280, 600, 900 };

	(void)state;
	begin();
	for (size_t i = 0; i < story_count; i++)
		for (size_t n = 0; n < sizeof(by_ms) / sizeof(by_ms[0]); n++) {
			struct meta_story s;

			if (skipped(&stories[i]) || !stories[i].daemon ||
			    !slow(&s, &stories[i], by_ms[n] * MS))
				continue;
			compare(&s, &alone[i], &same_map, "slow", false);
			meta_free(&s);
		}
	done();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_our_checks),
		cmocka_unit_test(test_our_checks_looked),
		cmocka_unit_test(test_their_checks),
		cmocka_unit_test(test_our_checks_v1),
		cmocka_unit_test(test_their_checks_v1),
		cmocka_unit_test(test_callers),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_other_link),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_lookers),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, read_all, free_all);
}
