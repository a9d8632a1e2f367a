/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/unit/meta.h"
#include "user/event_fields.h"
#include "user/recording.h"

#define SECOND INT64_C(1000000000)
#define LATER  (100000 * SECOND)

/* ---- stories --------------------------------------------------------------- */

void meta_push(struct meta_story *s, const union ikw_event *e)
{
	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 256;
		s->events = realloc(s->events, s->room * sizeof(*s->events));
		assert_non_null(s->events);
	}
	s->events[s->count++] = *e;
}

void meta_insert(struct meta_story *s, const union ikw_event *e)
{
	size_t at = s->prelude;

	while (at < s->count && s->events[at].hdr.time < e->hdr.time)
		at++;
	meta_push(s, e);
	memmove(s->events + at + 1, s->events + at, (s->count - 1 - at) * sizeof(*s->events));
	s->events[at] = *e;
}

void meta_free(struct meta_story *s)
{
	free(s->events);
	s->events = NULL;
}

void meta_copy(struct meta_story *to, const struct meta_story *from)
{
	*to = *from;
	to->room = from->count;
	to->events = malloc(from->count * sizeof(*to->events));
	assert_non_null(to->events);
	memcpy(to->events, from->events, from->count * sizeof(*to->events));
}

static bool found_in_place(const union ikw_event *e)
{
	switch (e->hdr.type) {
	case IKW_EV_CLOCK:
	case IKW_EV_PROBES:
	case IKW_EV_PORTS:
	case IKW_EV_LINK:
	case IKW_EV_ADDR:
	case IKW_EV_ROUTE:
	case IKW_EV_WAY:
		return true;
	default:
		return e->hdr.type == IKW_EV_PROC && e->proc.op == IKW_PROC_DAEMON;
	}
}

static size_t prelude_of(const struct meta_story *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		if (s->events[i].hdr.type == IKW_EV_DUMP && s->events[i].dump.op == IKW_DUMP_END)
			return i + 1;
	while (n < s->count && found_in_place(&s->events[n]))
		n++;
	return n;
}

/* Who deals with SAs most. */
static void find_daemon(struct meta_story *s)
{
	unsigned int most = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct ikw_sa *sa = &s->events[i].sa;
		unsigned int n = 0;

		if (sa->hdr.type != IKW_EV_SA || !sa->by.tgid)
			continue;
		for (size_t k = 0; k < s->count; k++)
			n += s->events[k].hdr.type == IKW_EV_SA &&
			     s->events[k].sa.by.tgid == sa->by.tgid;
		if (n > most) {
			most = n;
			s->daemon = sa->by.tgid;
			memcpy(s->comm, sa->by.comm, sizeof(s->comm));
		}
	}
}

static void look_at(struct meta_story *s, const union ikw_event *e)
{
	switch (e->hdr.type) {
	case IKW_EV_PROBES:
		s->sees = e->probes.sees;
		s->netns = e->hdr.netns;
		break;
	case IKW_EV_FLUSH:
		s->flushed |= e->flush.what == IKW_FLUSH_SA;
		break;
	case IKW_EV_SA:
		s->flushed |= e->sa.cause == IKW_CAUSE_NETNS || e->sa.cause == IKW_CAUSE_DEVICE ||
			      e->sa.cause == IKW_CAUSE_FLUSH;
		if (!s->netns)
			s->netns = e->hdr.netns;
		break;
	case IKW_EV_SIGNAL:
		s->signalled |= e->signal.signo != SIGCHLD;
		break;
	case IKW_EV_PROC:
		s->signalled |= e->proc.op == IKW_PROC_EXIT && e->proc.tgid == s->daemon;
		break;
	default:
		break;
	}
}

/* Of "NAME.events", or of the laboratory's "SCENARIO/VARIATION/events". */
static void name_of(char *name, size_t size, const char *path)
{
	const char *from = path + strlen(path);
	char *dot;

	for (unsigned int parts = strrchr(path, '.') > strrchr(path, '/') ? 1 : 3; parts; from--)
		if (from == path || from[-1] == '/')
			parts--;
	snprintf(name, size, "%s", from + 1);
	dot = strrchr(name, '.');
	if (dot)
		*dot = 0;
}

void meta_read(struct meta_story *s, const char *path)
{
	struct ikw_recording *rec;
	union ikw_event e;
	char why[512] = "";
	int got;

	memset(s, 0, sizeof(*s));
	name_of(s->name, sizeof(s->name), path);
	rec = ikw_recording_open(path, why, sizeof(why));
	if (!rec)
		fail_msg("%s", why);
	memcpy(s->config.vsys, ikw_recording_header(rec)->vsys, sizeof(s->config.vsys));
	s->config.settle_ns = ikw_recording_header(rec)->settle_ns;
	while ((got = ikw_recording_next(rec, &e, why, sizeof(why))) > 0)
		meta_push(s, &e);
	if (got < 0)
		fail_msg("%s", why);
	ikw_recording_close(rec);
	s->prelude = prelude_of(s);
	find_daemon(s);
	for (size_t i = 0; i < s->count; i++)
		look_at(s, &s->events[i]);
}

void meta_save(const struct meta_story *s, const char *path)
{
	struct ikw_recording_header header;
	struct ikw_recorder *r;
	char why[512] = "";

	ikw_recording_describe(&header, s->config.vsys);
	header.settle_ns = s->config.settle_ns;
	r = ikw_recorder_open(path, &header, why, sizeof(why));
	if (!r)
		fail_msg("%s", why);
	for (size_t i = 0; i < s->count; i++)
		ikw_recorder_event(r, &s->events[i]);
	if (ikw_recorder_close(r, why, sizeof(why)))
		fail_msg("%s", why);
}

static void on_alarm(void *ctx, struct ikw_alarm *a)
{
	struct meta_told *told = ctx;
	struct meta_alarm *t = &told->list[told->count];

	assert_true(told->count < META_ALARMS);
	told->count++;
	t->time = a->time;
	t->spi_i = a->spi_i;
	memcpy(t->dst, a->dst, IKW_ADDR_LEN);
	t->spi[0] = t->spi[1] = a->spi;
	for (unsigned int i = 0; i < a->sa_count && i < 2; i++)
		t->spi[i] = a->sas[i].spi;
	t->reason = a->reason;
	t->confidence = a->confidence;
	snprintf(t->rule, sizeof(t->rule), "%s", a->rule);
	t->ordered_by = a->has_ordered_by ? a->ordered_by.pid : 0;
	t->among = false;
	for (unsigned int i = 0; i < a->blind_count; i++)
		t->among |= !!strstr(a->blind[i], "several orders to end");
	t->matched = false;
}

void meta_infer(const struct meta_story *s, struct meta_told *told)
{
	struct ikw_model_ops ops = { .alarm = on_alarm, .ctx = told };
	struct ikw_model *m = ikw_model_new(&s->config, &ops);

	assert_non_null(m);
	told->count = 0;
	for (size_t i = 0; i < s->count; i++)
		ikw_model_event(m, &s->events[i]);
	ikw_model_finish(m, s->events[s->count - 1].hdr.time + 60 * (uint64_t)SECOND);
	ikw_model_free(m);
}

/* ---- members of records ------------------------------------------------------ */

typedef void (*member_fn)(void *ctx, union ikw_event *e, const struct field *f, uint8_t *at);

static void each_member(union ikw_event *e, const struct layout *l, uint8_t *rec, member_fn fn,
			void *ctx)
{
	for (unsigned int i = 0; i < l->count; i++) {
		const struct field *f = &l->fields[i];
		uint8_t *at = rec + f->offset;
		size_t n = f->kind == OBJECT ? 1 : f->kind == LIST ? ikw_field_count(f, rec) : 0;

		fn(ctx, e, f, at);
		for (size_t k = 0; k < n; k++)
			each_member(e, f->sub, at + k * f->sub->size, fn, ctx);
	}
}

static void each_of(struct meta_story *s, member_fn fn, void *ctx)
{
	for (size_t i = 0; i < s->count; i++) {
		union ikw_event *e = &s->events[i];

		each_member(e, &ikw_hdr_layout, (uint8_t *)e, fn, ctx);
		each_member(e, ikw_layout(e->hdr.type), (uint8_t *)e, fn, ctx);
	}
}

static bool is(const struct field *f, const char *name)
{
	return !strcmp(f->name, name);
}

static bool one_of(const struct field *f, const char *const *names)
{
	for (; *names; names++)
		if (is(f, *names))
			return true;
	return false;
}

/* ---- other addresses and numbers ---------------------------------------------- */

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool is_v4(const uint8_t *addr)
{
	return !memcmp(addr, mapped, sizeof(mapped));
}

/* 2001:db8:a.b.c.d:: */
static void v6_of(uint8_t *addr)
{
	uint8_t v4[4];

	memcpy(v4, addr + 12, 4);
	memset(addr, 0, IKW_ADDR_LEN);
	addr[0] = 0x20;
	addr[1] = 0x01;
	addr[2] = 0x0d;
	addr[3] = 0xb8;
	memcpy(addr + 4, v4, 4);
}

void meta_map_addr(const struct meta_map *map, uint8_t addr[IKW_ADDR_LEN])
{
	static const uint8_t none[IKW_ADDR_LEN];

	if (!memcmp(addr, none, IKW_ADDR_LEN))
		return;
	if (!is_v4(addr)) {
		if ((addr[0] & 0xe0) == 0x20) /* not what is local to a link, or to nobody */
			addr[5] ^= map->net;
		return;
	}
	if (addr[12] == 0 || addr[12] == 127 || addr[12] >= 224)
		return;
	addr[12] ^= map->net;
	if (map->to_v6)
		v6_of(addr);
}

uint32_t meta_map_spi(const struct meta_map *map, uint32_t spi)
{
	return spi ? spi ^ map->spi : 0;
}

static void map_selector(const struct meta_map *map, struct ikw_selector *sel)
{
	bool v4 = sel->family == 2;

	if (sel->prefixlen_s)
		meta_map_addr(map, sel->saddr);
	if (sel->prefixlen_d)
		meta_map_addr(map, sel->daddr);
	if (!map->to_v6 || !v4)
		return;
	sel->family = 10;
	if (!sel->prefixlen_s)
		memset(sel->saddr, 0, IKW_ADDR_LEN);
	if (!sel->prefixlen_d)
		memset(sel->daddr, 0, IKW_ADDR_LEN);
	sel->prefixlen_s = sel->prefixlen_s == 32 ? 128
			   : sel->prefixlen_s	  ? sel->prefixlen_s + 32
						  : 0;
	sel->prefixlen_d = sel->prefixlen_d == 32 ? 128
			   : sel->prefixlen_d	  ? sel->prefixlen_d + 32
						  : 0;
}

static uint32_t map_pid(const struct meta_map *map, uint32_t pid)
{
	if (pid && pid == map->pid_from)
		return map->pid_to;
	return pid > 1 ? pid ^ map->pid : pid;
}

static void map_number(const struct meta_map *map, const struct field *f, uint8_t *at)
{
	static const char *const pids[] = { "tgid",	   "tid",	 "portid",
					    "daemon_tgid", "daemon_tid", NULL };
	static const char *const links[] = { "ifindex", "lower", "master", "offload_ifindex",
					     NULL };
	static const char *const walls[] = { "add_wall_s", "use_wall_s", "last_wall_s", NULL };
	uint64_t value = ikw_field_load(at, f->size);

	if (!value)
		return;
	if (one_of(f, pids))
		value = map_pid(map, (uint32_t)value);
	else if (one_of(f, links))
		value = value > 1 ? value ^ map->ifindex : value;
	else if (is(f, "reqid") || is(f, "tmpl_reqid"))
		value ^= map->reqid;
	else if (is(f, "if_id"))
		value ^= map->if_id;
	else if (is(f, "netns") && value == map->netns_from)
		value = map->netns_to;
	else if (one_of(f, walls))
		value += (uint64_t)map->wall_s;
	ikw_field_store(at, f->size, value);
}

static void map_time(const struct meta_map *map, const struct field *f, uint8_t *at)
{
	uint64_t value = ikw_field_load(at, f->size);

	if (value)
		value += is(f, "wall") ? (uint64_t)(map->wall_s * SECOND) : (uint64_t)map->time;
	ikw_field_store(at, f->size, value);
}

static void map_text(uint8_t *at, size_t size)
{
	if (!at[0])
		return;
	memmove(at + 1, at, size - 2);
	at[size - 1] = 0;
	at[0] = 'x';
}

static void map_member(void *ctx, union ikw_event *e, const struct field *f, uint8_t *at)
{
	const struct meta_map *map = ctx;
	bool cluster = e->hdr.type == IKW_EV_WIRE && e->wire.kind == IKW_WIRE_CLUSTER;
	bool spi = cluster && (is(f, "id") || is(f, "value"));

	switch (f->kind) {
	case OBJECT:
		if (is(f, "sel"))
			map_selector(map, (struct ikw_selector *)at);
		break;
	case ADDR:
		/* a selector's are done, and a cluster's word has SPIs there */
		if (at >= (uint8_t *)e && !(cluster && is(f, "addr")) &&
		    !(e->hdr.type == IKW_EV_SA && at >= (uint8_t *)&e->sa.sel &&
		      at < (uint8_t *)(&e->sa.sel + 1)) &&
		    !(e->hdr.type == IKW_EV_POLICY && at >= (uint8_t *)&e->policy.sel &&
		      at < (uint8_t *)(&e->policy.sel + 1)))
			meta_map_addr(map, at);
		break;
	case SPI:
		ikw_field_store(at, f->size,
				meta_map_spi(map, (uint32_t)ikw_field_load(at, f->size)));
		break;
	case IKE_SPI:
		if (ikw_field_load(at, f->size))
			ikw_field_store(at, f->size, ikw_field_load(at, f->size) ^ map->cookie);
		break;
	case TIME:
		map_time(map, f, at);
		break;
	case TEXT:
		if (map->names && ((e->hdr.type == IKW_EV_LINK && is(f, "name")) || is(f, "user")))
			map_text(at, f->size);
		break;
	default:
		if (spi)
			ikw_field_store(at, f->size,
					meta_map_spi(map, (uint32_t)ikw_field_load(at, f->size)));
		else if (f->kind == UINT)
			map_number(map, f, at);
	}
}

void meta_map(struct meta_story *s, const struct meta_map *map)
{
	each_of(s, map_member, (void *)map);
	for (size_t i = 0; map->to_v6 && i < s->count; i++)
		if (s->events[i].hdr.type == IKW_EV_SA && s->events[i].sa.family == 2)
			s->events[i].sa.family = 10;
	s->daemon = map_pid(map, s->daemon);
	if (s->netns == map->netns_from)
		s->netns = map->netns_to;
}

/* ---- another daemon ------------------------------------------------------------- */

struct renaming {
	uint32_t tgid;
	const char *was, *comm;
};

static void rename_member(void *ctx, union ikw_event *e, const struct field *f, uint8_t *at)
{
	const struct renaming *r = ctx;
	bool own = e->hdr.type == IKW_EV_PROC && e->proc.tgid == r->tgid;

	if (is(f, "comm") && r->was[0] && !strcmp((char *)at, r->was))
		snprintf((char *)at, f->size, "%s", r->comm);
	if (own && is(f, "exe") && at[0])
		snprintf((char *)at, f->size, "/opt/%s/%s", r->comm, r->comm);
	if (own && is(f, "args")) {
		memset(at, 0, f->size);
		e->proc.args_len =
			(uint32_t)snprintf((char *)at, f->size, "/opt/%s/%s", r->comm, r->comm) + 1;
	}
}

void meta_rename(struct meta_story *s, const char *comm)
{
	struct renaming r = { s->daemon, s->comm, comm };
	char was[IKW_COMM_LEN];

	memcpy(was, s->comm, sizeof(was));
	r.was = was;
	each_of(s, rename_member, &r);
}

/* ---- another time ----------------------------------------------------------------- */

struct warping {
	uint64_t (*fn)(const void *ctx, uint64_t time);
	const void *ctx;
	int64_t off; /* wall minus boot time, of the first clock record */
};

static void warp_member(void *ctx, union ikw_event *e, const struct field *f, uint8_t *at)
{
	static const char *const walls[] = { "add_wall_s", "use_wall_s", "last_wall_s", NULL };
	const struct warping *w = ctx;
	uint64_t value = ikw_field_load(at, f->size < 8 ? f->size : 8), boot;

	(void)e;
	if (!value || (f->kind != TIME && !one_of(f, walls)))
		return;
	if (f->kind == TIME && !is(f, "wall")) {
		ikw_field_store(at, f->size, w->fn(w->ctx, value));
		return;
	}
	/* in the middle of the second, so that what it was rounded by does not matter */
	boot = is(f, "wall") ? value - (uint64_t)w->off
			     : value * (uint64_t)SECOND + (uint64_t)(SECOND / 2 - w->off);
	if ((int64_t)boot < 0)
		return;
	boot = w->fn(w->ctx, boot) + (uint64_t)w->off;
	ikw_field_store(at, f->size, is(f, "wall") ? boot : boot / (uint64_t)SECOND);
}

static int64_t wall_off(const struct meta_story *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->events[i].hdr.type == IKW_EV_CLOCK)
			return (int64_t)(s->events[i].clock.wall - s->events[i].hdr.time);
	return 0;
}

void meta_warp(struct meta_story *s, uint64_t (*fn)(const void *ctx, uint64_t time),
	       const void *ctx)
{
	struct warping w = { fn, ctx, wall_off(s) };

	each_of(s, warp_member, &w);
}

/* ---- two on one gateway -------------------------------------------------------------- */

/* Another's numbers, none of which is the first one's. */
static struct meta_map strange(const struct meta_story *a, const struct meta_story *b,
			       int64_t shift, bool one_daemon)
{
	struct meta_map map = { .net = 4,
				.spi = 0x5a5a,
				.cookie = 0x5a5a5a5a00000000,
				.pid = 0x100000,
				.reqid = 0x4000,
				.ifindex = 0x400,
				.if_id = 0x4000,
				.netns_from = b->netns,
				.netns_to = a->netns,
				.names = true,
				.time = shift };
	int64_t apart = wall_off(a) - wall_off(b) + shift;

	/* to the nearest second, for all alike */
	map.wall_s = (apart + (apart < 0 ? -1 : 1) * SECOND / 2) / SECOND;
	if (one_daemon) {
		map.pid_from = b->daemon;
		map.pid_to = a->daemon;
	}
	return map;
}

/* of: which part of what is found as an agent begins, before the dump or in it */
static void push_found(struct meta_story *out, const struct meta_story *s, bool in_dump,
		       uint64_t time, bool first, uint32_t sees, uint32_t but)
{
	bool dumping = false;

	for (size_t i = 0; i < s->prelude; i++) {
		union ikw_event e = s->events[i];

		if (e.hdr.type == IKW_EV_DUMP) {
			dumping = e.dump.op == IKW_DUMP_BEGIN;
			continue;
		}
		if (dumping != in_dump)
			continue;
		if (!first && (e.hdr.type == IKW_EV_CLOCK || e.hdr.type == IKW_EV_PROBES))
			continue;
		if (but && e.hdr.type == IKW_EV_PROC && e.proc.tgid == but)
			continue;
		if (e.hdr.type == IKW_EV_CLOCK)
			e.clock.wall -= e.hdr.time - time;
		if (e.hdr.type == IKW_EV_PROBES)
			e.probes.sees &= sees;
		e.hdr.time = time;
		meta_push(out, &e);
	}
}

static void push_dump(struct meta_story *out, uint64_t time, uint8_t op)
{
	union ikw_event e;

	memset(&e, 0, sizeof(e));
	e.hdr.type = IKW_EV_DUMP;
	e.hdr.size = sizeof(e.dump);
	e.hdr.time = time;
	e.hdr.netns = out->netns;
	e.hdr.flags = IKW_F_NETLINK;
	e.dump.op = op;
	meta_push(out, &e);
}

static void push_rest(struct meta_story *out, const struct meta_story *s, bool first, uint32_t but)
{
	for (size_t i = s->prelude; i < s->count; i++) {
		const union ikw_event *e = &s->events[i];

		if (!first && e->hdr.type == IKW_EV_CLOCK)
			continue;
		if (but && e->hdr.type == IKW_EV_PROC && e->proc.tgid == but &&
		    e->proc.op != IKW_PROC_EXIT)
			continue;
		meta_push(out, e);
	}
}

/* Each run keeps its order, whatever its times say. */
void meta_merge(struct meta_story *out, size_t from, size_t middle)
{
	size_t i = from, k = middle;
	union ikw_event *events = malloc((out->count + 1) * sizeof(*events));
	size_t n = from;

	assert_non_null(events);
	memcpy(events, out->events, from * sizeof(*events));
	while (i < middle || k < out->count)
		events[n++] = k == out->count || (i < middle && out->events[i].hdr.time <=
									out->events[k].hdr.time)
				      ? out->events[i++]
				      : out->events[k++];
	free(out->events);
	out->events = events;
	out->room = out->count;
}

void meta_join(struct meta_story *out, const struct meta_story *a, const struct meta_story *b,
	       int64_t shift, bool one_daemon)
{
	/* late enough for the second to begin before the first */
	const struct meta_map later = { .time = LATER };
	struct meta_story first, other;
	struct meta_map map;
	uint32_t but = one_daemon ? a->daemon : 0;
	uint64_t begin;
	size_t from, middle;

	meta_copy(&first, a);
	meta_map(&first, &later);
	map = strange(&first, b, shift + LATER, one_daemon);
	meta_copy(&other, b);
	meta_map(&other, &map);
	memset(out, 0, sizeof(*out));
	snprintf(out->name, sizeof(out->name), "%.30s+%.30s", a->name, b->name);
	out->config = a->config;
	out->netns = a->netns;
	out->daemon = a->daemon;
	begin = first.events[0].hdr.time;
	if (other.events[0].hdr.time < begin)
		begin = other.events[0].hdr.time;
	push_found(out, &first, false, begin, true, b->sees, 0);
	push_found(out, &other, false, begin, false, a->sees, but);
	push_dump(out, begin, IKW_DUMP_BEGIN);
	push_found(out, &first, true, begin, true, b->sees, 0);
	push_found(out, &other, true, begin, false, a->sees, but);
	push_dump(out, begin, IKW_DUMP_END);
	from = out->prelude = out->count;
	push_rest(out, &first, true, 0);
	middle = out->count;
	push_rest(out, &other, false, but);
	meta_merge(out, from, middle);
	meta_free(&first);
	meta_free(&other);
}
