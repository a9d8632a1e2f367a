// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What was asked of the IKE daemons of the host: over their control sockets, by signals, of init.
 */
#include <signal.h>
#include <string.h>
#include "host.h"

struct word_kind {
	const char *word;
	enum ikw_order_kind kind;
};

/* strongSwan: doc of swanctl(8); short options likewise. */
static const struct word_kind swanctl_words[] = {
	{ "--terminate", IKW_ORDER_END },
	{ "-t", IKW_ORDER_END },
	{ "--redirect", IKW_ORDER_END },
	{ "-d", IKW_ORDER_END },
	{ "--uninstall", IKW_ORDER_END },
	{ "-u", IKW_ORDER_END },
	{ "--rekey", IKW_ORDER_REKEY },
	{ "-R", IKW_ORDER_REKEY },
	{ "--load-all", IKW_ORDER_RELOAD },
	{ "-q", IKW_ORDER_RELOAD },
	{ "--load-conns", IKW_ORDER_RELOAD },
	{ "-c", IKW_ORDER_RELOAD },
	{ "--reload-settings", IKW_ORDER_RELOAD },
	{ "-r", IKW_ORDER_RELOAD },
	{ "--initiate", IKW_ORDER_START },
	{ "-i", IKW_ORDER_START },
	{ "--install", IKW_ORDER_START },
	{ "-p", IKW_ORDER_START },
	{ "--load-creds", IKW_ORDER_START },
	{ "-s", IKW_ORDER_START },
	{ "--load-authorities", IKW_ORDER_START },
	{ "-b", IKW_ORDER_START },
	{ "--load-pools", IKW_ORDER_START },
	{ "-a", IKW_ORDER_START },
	{ "--flush-certs", IKW_ORDER_START },
	{ "-f", IKW_ORDER_START },
	{ NULL, IKW_ORDER_READ },
};

/* strongSwan's stroke and starter's ipsec, Libreswan's ipsec: the words after the tool. */
static const struct word_kind ipsec_words[] = {
	{ "down", IKW_ORDER_END },
	{ "down-nb", IKW_ORDER_END },
	{ "down-srcip", IKW_ORDER_END },
	{ "--down", IKW_ORDER_END },
	{ "delete", IKW_ORDER_END },
	{ "--delete", IKW_ORDER_END },
	{ "unroute", IKW_ORDER_END },
	{ "--unroute", IKW_ORDER_END },
	{ "stop", IKW_ORDER_END },
	{ "restart", IKW_ORDER_END },
	{ "reload", IKW_ORDER_RELOAD },
	{ "update", IKW_ORDER_RELOAD },
	{ "--replace", IKW_ORDER_RELOAD },
	{ "replace", IKW_ORDER_RELOAD },
	{ "--terminate", IKW_ORDER_END },
	{ "--shutdown", IKW_ORDER_END },
	{ "--deletestate", IKW_ORDER_END },
	{ "--deleteuser", IKW_ORDER_END },
	{ "--deleteid", IKW_ORDER_END },
	{ "--crash", IKW_ORDER_END },
	{ "--down-child", IKW_ORDER_END },
	{ "--down-ike", IKW_ORDER_END },
	{ "--delete-ike", IKW_ORDER_END },
	{ "--delete-child", IKW_ORDER_END },
	{ "--suspend", IKW_ORDER_END },
	{ "--redirect-to", IKW_ORDER_END },
	{ "terminate", IKW_ORDER_END },
	{ "--rekey-ike", IKW_ORDER_REKEY },
	{ "--rekey-child", IKW_ORDER_REKEY },
	{ "--rekey-ipsec", IKW_ORDER_REKEY },
	{ "rekey", IKW_ORDER_REKEY },
	{ "addconn", IKW_ORDER_RELOAD },
	{ "up", IKW_ORDER_START },
	{ "up-nb", IKW_ORDER_START },
	{ "--up", IKW_ORDER_START },
	{ "route", IKW_ORDER_START },
	{ "--route", IKW_ORDER_START },
	{ "--initiate", IKW_ORDER_START },
	{ "--add", IKW_ORDER_START },
	{ "add", IKW_ORDER_START },
	{ "--listen", IKW_ORDER_START },
	{ "--rereadall", IKW_ORDER_START },
	{ "start", IKW_ORDER_START },
	{ NULL, IKW_ORDER_READ },
};

/* OpenBSD iked: ikectl(8). */
static const struct word_kind ikectl_words[] = {
	{ "reset", IKW_ORDER_END },	 { "decouple", IKW_ORDER_END },
	{ "passive", IKW_ORDER_RELOAD }, { "load", IKW_ORDER_RELOAD },
	{ "reload", IKW_ORDER_RELOAD },	 { "couple", IKW_ORDER_START },
	{ "active", IKW_ORDER_START },	 { NULL, IKW_ORDER_READ },
};

static const struct {
	const char *tool;
	const struct word_kind *words;
} tools[] = {
	{ "swanctl", swanctl_words }, { "ipsec", ipsec_words },	     { "stroke", ipsec_words },
	{ "whack", ipsec_words },     { "strongswan", ipsec_words }, { "ikectl", ikectl_words },
};

/* strongSwan's vici: names of CMD_REQUEST (README of the vici plugin). */
static const struct word_kind vici_requests[] = {
	{ "terminate", IKW_ORDER_END },
	{ "unload-conn", IKW_ORDER_END },
	{ "redirect", IKW_ORDER_END },
	{ "uninstall", IKW_ORDER_END },
	{ "rekey", IKW_ORDER_REKEY },
	{ "load-conn", IKW_ORDER_RELOAD },
	{ "reload-settings", IKW_ORDER_RELOAD },
	{ "initiate", IKW_ORDER_START },
	{ "install", IKW_ORDER_START },
	{ "load-cert", IKW_ORDER_START },
	{ "load-key", IKW_ORDER_START },
	{ "load-shared", IKW_ORDER_START },
	{ "load-token", IKW_ORDER_START },
	{ "load-authority", IKW_ORDER_START },
	{ "load-pool", IKW_ORDER_START },
	{ "unload-pool", IKW_ORDER_START },
	{ "unload-authority", IKW_ORDER_START },
	{ "unload-shared", IKW_ORDER_START },
	{ "unload-key", IKW_ORDER_START },
	{ "clear-creds", IKW_ORDER_START },
	{ "flush-certs", IKW_ORDER_START },
	{ "reset-counters", IKW_ORDER_START },
	{ "version", IKW_ORDER_READ },
	{ "stats", IKW_ORDER_READ },
	{ "list-sas", IKW_ORDER_READ },
	{ "list-policies", IKW_ORDER_READ },
	{ "list-conns", IKW_ORDER_READ },
	{ "list-certs", IKW_ORDER_READ },
	{ "list-authorities", IKW_ORDER_READ },
	{ "get-conns", IKW_ORDER_READ },
	{ "get-algorithms", IKW_ORDER_READ },
	{ "get-authorities", IKW_ORDER_READ },
	{ "get-counters", IKW_ORDER_READ },
	{ "get-keys", IKW_ORDER_READ },
	{ "get-pools", IKW_ORDER_READ },
	{ "get-shared", IKW_ORDER_READ },
	{ NULL, IKW_ORDER_READ },
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const char *next_arg(const char *arg, const char *end)
{
	const char *nul = memchr(arg, 0, (size_t)(end - arg));

	return nul && nul + 1 < end ? nul + 1 : NULL;
}

static const struct word_kind *tool_words(const char *arg)
{
	const char *name = base_name(arg);

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		if (!strcmp(name, tools[i].tool))
			return tools[i].words;
	return NULL;
}

static enum ikw_order_kind word_kind(const struct word_kind *words, const char *arg)
{
	size_t len = strcspn(arg, "=");

	for (; words->word; words++)
		if (strlen(words->word) == len && !strncmp(arg, words->word, len))
			return words->kind;
	return IKW_ORDER_READ;
}

static enum ikw_order_kind order_of_args(const char *args, uint32_t len)
{
	const char *end, *arg;
	const struct word_kind *words = NULL;
	enum ikw_order_kind kind = IKW_ORDER_READ, k;

	if (!len || !args[0])
		return IKW_ORDER_UNKNOWN;
	end = args + (len < IKW_ARGS_LEN ? len : IKW_ARGS_LEN);
	for (arg = args; arg; arg = next_arg(arg, end)) {
		if (!memchr(arg, 0, (size_t)(end - arg)))
			break; /* cut off */
		if (!words) {
			words = tool_words(arg);
			if (!strcmp(base_name(arg), "addconn"))
				return IKW_ORDER_RELOAD;
			continue;
		}
		k = word_kind(words, arg);
		if (k > kind)
			kind = k;
	}
	return words ? kind : IKW_ORDER_UNKNOWN;
}

/*
 * A vici request is length, type 0, name length, name (vici plugin README), and
 * clients may send the parts apart: any part of it that shows the counted name
 * counts. The length byte before the name keeps a value from passing for one.
 * -1: not recognised; name gets the request's name.
 */
static int order_of_request(const uint8_t *request, uint32_t len, char *name, size_t size)
{
	for (const struct word_kind *w = vici_requests; w->word; w++) {
		size_t n = strlen(w->word);
		const uint8_t *at = memmem(request, len, w->word, n);

		if (!at)
			continue;
		if (at == request ? len != n : at[-1] != n)
			continue;
		if (at - request >= 2 && at[-2] != 0)
			continue; /* an event registration, not a command */
		if (size) {
			strncpy(name, w->word, size - 1);
			name[size - 1] = 0;
		}
		return w->kind;
	}
	return -1;
}

static struct ikw_order *order_push(struct ikw_host *host, const struct ikw_actor *by,
				    uint32_t daemon, uint64_t time)
{
	struct ikw_order *order = &host->orders[host->order_head];

	host->order_head = (host->order_head + 1) % IKW_ORDERS;
	memset(order, 0, sizeof(*order));
	order->by = *by;
	order->daemon_tgid = daemon;
	order->time = time;
	return order;
}

/* The connection whose requests come now: the client's latest order to that daemon. */
static struct ikw_order *order_of_client(struct ikw_host *host, uint32_t tgid)
{
	for (unsigned int k = 1; k <= IKW_ORDERS; k++) {
		struct ikw_order *o =
			&host->orders[(host->order_head + IKW_ORDERS - k) % IKW_ORDERS];

		if (o->time && o->by.tgid == tgid && !o->signo)
			return o;
	}
	return NULL;
}

#define STROKE_HEAD 8 /* length and type */

/*
 * stroke_msg_t (strongSwan src/stroke/stroke_msg.h): length (16 bits), then at
 * offset 4 the type: 2 unroute, 4 del_conn, 5 terminate, 6 terminate_srcip, 7 rekey.
 */
static int stroke_kind(const struct ikw_control *ev)
{
	uint32_t type;

	if (!strstr(ev->path, "charon.ctl") || ev->request_len < STROKE_HEAD)
		return -1;
	memcpy(&type, ev->request + 4, sizeof(type));
	switch (type) {
	case 2:
	case 4:
	case 5:
	case 6:
		return IKW_ORDER_END;
	case 7:
		return IKW_ORDER_REKEY;
	case 0:
	case 1:
	case 3:
		return IKW_ORDER_START;
	default:
		return type < 64 ? IKW_ORDER_READ : -1;
	}
}

size_t ikw_host_request_tells(const struct ikw_control *ev, uint8_t kept[IKW_REQUEST_LEN])
{
	size_t len = ev->request_len < IKW_REQUEST_LEN ? ev->request_len : IKW_REQUEST_LEN;
	char name[IKW_REQUEST_LEN];

	if (order_of_request(ev->request, (uint32_t)len, name, sizeof(name)) >= 0) {
		len = strlen(name);
		memcpy(kept, name, len);
		return len;
	}
	if (stroke_kind(ev) < 0)
		return 0;
	memcpy(kept, ev->request, STROKE_HEAD);
	return STROKE_HEAD;
}

/* OpenIKED listens in another process than negotiates. Its peers' daemons may run on this host,
 * too. */
static bool is_split(const struct ikw_host *host, const struct ikw_control *ev)
{
	return !strcmp(base_name(ev->path), "iked.sock") && ev->hdr.netns == host->netns &&
	       !ikw_host_is_daemon(host, ev->daemon_tgid);
}

/* Of the requests that only look, those that have the daemon look at its SAs (or may). */
static bool lists(const char *request)
{
	return !strncmp(request, "list-", 5);
}

static void control_request(struct ikw_host *host, const struct ikw_control *ev)
{
	struct ikw_order *o = order_of_client(host, ev->by.tgid);
	char name[sizeof(o->request)] = "";
	int kind = order_of_request(ev->request, ev->request_len, name, sizeof(name));
	uint32_t daemon = ev->daemon_tgid ? ev->daemon_tgid : o ? o->daemon_tgid : 0;

	if (kind < 0)
		kind = stroke_kind(ev);
	if (kind < 0)
		return;
	if (o && !o->read_request) {
		o->kind = (uint8_t)kind;
	} else if (kind == IKW_ORDER_READ && !lists(name)) {
		return;
	} else if (kind == IKW_ORDER_READ && o && o->kind == IKW_ORDER_READ) {
		; /* looks again: one order will do for all its looks */
	} else if (!o || kind > o->kind || ev->hdr.time - o->time > 1000000000ULL) {
		o = order_push(host, &ev->by, daemon, ev->hdr.time);
		o->split = is_split(host, ev);
		o->kind = (uint8_t)kind;
	} else {
		return;
	}
	o->read_request = true;
	o->away = !strcmp(name, "redirect");
	o->time = ev->hdr.time;
	memcpy(o->request, name, sizeof(name));
}

/* swanctl's and whack's option; the latter's message has no words. */
static bool sends_away(const char *args, uint32_t len)
{
	static const char *const options[] = { "--redirect", "--redirect-to" };

	for (unsigned int i = 0; i < 2; i++)
		if (memmem(args, len, options[i], strlen(options[i]) + 1))
			return true;
	return false;
}

void ikw_host_control_event(struct ikw_host *host, const struct ikw_control *ev)
{
	const struct ikw_process *p = ikw_host_process(host, ev->by.tgid);
	struct ikw_order *o;

	if (ev->op == IKW_CONTROL_REQUEST) {
		control_request(host, ev);
		return;
	}
	o = order_push(host, &ev->by, ev->daemon_tgid, ev->hdr.time);
	o->split = is_split(host, ev);
	o->kind = IKW_ORDER_UNKNOWN;
	if (p && p->described)
		o->kind = (uint8_t)order_of_args(p->seen.args, p->seen.args_len);
	if (o->kind == IKW_ORDER_END)
		o->away = sends_away(p->seen.args, p->seen.args_len);
}

/* ---- what init does for somebody ------------------------------------------- */

/* From the command to the signal; systemd runs a unit's ExecStop= before it: chosen. */
#define INIT_ASKED UINT64_C(30000000000)
#define INIT_LOOKS 256 /* processes looked at, from the newest on */

/* What has systemd(1) end a unit, perhaps with --now only, or all (also a command), or reload it.
 */
enum { ENDS_UNIT = 1, ENDS_ALL = 2, RELOADS_UNIT = 4, ENDS_NOW = 8 };

static const struct {
	const char *word;
	unsigned int does;
} init_words[] = {
	{ "stop", ENDS_UNIT },
	{ "restart", ENDS_UNIT },
	{ "try-restart", ENDS_UNIT },
	{ "condrestart", ENDS_UNIT },
	{ "disable", ENDS_NOW },
	{ "mask", ENDS_NOW },
	{ "force-reload", ENDS_UNIT | RELOADS_UNIT },
	{ "reload-or-restart", ENDS_UNIT | RELOADS_UNIT },
	{ "try-reload-or-restart", ENDS_UNIT | RELOADS_UNIT },
	{ "kill", ENDS_UNIT | RELOADS_UNIT },
	{ "reload", RELOADS_UNIT },
	{ "isolate", ENDS_ALL },
	{ "rescue", ENDS_ALL },
	{ "emergency", ENDS_ALL },
	{ "default", ENDS_ALL },
	{ "poweroff", ENDS_ALL },
	{ "reboot", ENDS_ALL },
	{ "halt", ENDS_ALL },
	{ "kexec", ENDS_ALL },
	{ "soft-reboot", ENDS_ALL },
	{ "shutdown", ENDS_ALL },
};

/* The units in which IKE daemons come, and the daemons' own names. */
static bool is_ike_unit(const char *word)
{
	static const char *const units[] = { "strongswan", "ipsec", "libreswan", "openiked",
					     "charon",	   "pluto", "iked" };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strncmp(word, units[i], strlen(units[i])))
			return true;
	return false;
}

static unsigned int init_word(const char *word)
{
	for (size_t i = 0; i < sizeof(init_words) / sizeof(init_words[0]); i++)
		if (!strcmp(word, init_words[i].word))
			return init_words[i].does;
	return 0;
}

/* May this command have had init send that signal to an IKE daemon? */
static bool asks_init(const struct ikw_proc *proc, bool ends)
{
	unsigned int does = init_word(proc->comm) & ENDS_ALL;
	const char *end = proc->args + proc->args_len, *word = proc->args;
	bool unit = false, now = false;

	if (!does && strcmp(proc->comm, "systemctl"))
		return false;
	for (; word < end; word += strnlen(word, (size_t)(end - word)) + 1) {
		does = does ? does : init_word(word);
		unit = unit || is_ike_unit(word);
		now = now || !strcmp(word, "--now");
	}
	if (ends && (does & ENDS_ALL))
		return true;
	if (now && (does & ENDS_NOW))
		does |= ENDS_UNIT;
	return unit && (does & (ends ? ENDS_UNIT : RELOADS_UNIT));
}

/* Then it was an earlier process that was to end, or to load something. */
static bool begun_since(const struct ikw_host *host, uint32_t tgid, uint64_t time)
{
	const struct ikw_process *p = ikw_host_process(host, tgid);

	return p && p->seen.start > time;
}

/* Init signals a daemon mostly because somebody asked it to: that is who ordered it. */
static void see_through_init(const struct ikw_host *host, struct ikw_order *o)
{
	const struct ikw_process *p = host->newest;
	bool ends = o->kind == IKW_ORDER_END;

	if (o->by.tgid != 1 || (!ends && o->kind != IKW_ORDER_RELOAD))
		return;
	for (unsigned int k = 0; p && k < INIT_LOOKS; k++, p = p->older) {
		uint64_t asked = p->seen.hdr.time;

		if (!p->described || asked > o->time || asked + INIT_ASKED < o->time ||
		    begun_since(host, o->daemon_tgid, asked) || !asks_init(&p->seen, ends))
			continue;
		o->by.tgid = o->by.tid = p->seen.tgid;
		o->by.uid = p->seen.uid;
		memcpy(o->by.comm, p->seen.comm, sizeof(o->by.comm));
		o->through_init = true;
		return;
	}
}

void ikw_host_signal_event(struct ikw_host *host, const struct ikw_signal *ev)
{
	struct ikw_order *o;

	/* a daemon's own threads and children signalling it order nothing */
	if (ev->by.tgid == ev->daemon_tgid)
		return;
	o = order_push(host, &ev->by, ev->daemon_tgid, ev->hdr.time);
	o->signo = (uint8_t)ev->signo;
	switch (ev->signo) {
	case SIGTERM:
	case SIGINT:
	case SIGQUIT:
	case SIGKILL:
		o->kind = IKW_ORDER_END;
		break;
	case SIGHUP:
	case SIGUSR1:
		o->kind = IKW_ORDER_RELOAD;
		break;
	default:
		o->kind = IKW_ORDER_START;
	}
	see_through_init(host, o);
}

/* Heavier first: what ends tunnels explains their end better than what starts some. */
static int order_weight(const struct ikw_order *o)
{
	static const int weight[] = { 0, 1, 3, 2, 4, 5 };

	return weight[o->kind];
}

/* A daemon of several processes (OpenIKED) ends with the one that began the others. */
static bool signalled_parent(const struct ikw_host *host, const struct ikw_order *o,
			     uint32_t daemon)
{
	const struct ikw_process *p = o->signo ? ikw_host_process(host, daemon) : NULL;

	return p && p->seen.parent_count && p->seen.parents[0].tgid == o->daemon_tgid;
}

/* Whether an order was given to this daemon. */
static bool order_reaches(const struct ikw_host *host, const struct ikw_order *o, uint32_t daemon)
{
	return !daemon || !o->daemon_tgid || o->daemon_tgid == daemon || o->split ||
	       signalled_parent(host, o, daemon);
}

/* What sets up or loads something does not have the daemon read when its SAs were used. */
static bool may_look(const struct ikw_order *o)
{
	if (o->kind == IKW_ORDER_START || o->kind == IKW_ORDER_RELOAD)
		return false;
	return o->kind != IKW_ORDER_READ || !o->request[0] || lists(o->request);
}

bool ikw_host_looked(const struct ikw_host *host, uint32_t daemon_tgid, uint64_t from, uint64_t to)
{
	for (unsigned int k = 0; k < IKW_ORDERS; k++) {
		const struct ikw_order *o = &host->orders[k];

		if (o->time >= from && o->time <= to && o->time && may_look(o) &&
		    order_reaches(host, o, daemon_tgid))
			return true;
	}
	return false;
}

const struct ikw_order *
ikw_host_order_that(const struct ikw_host *host, uint32_t daemon_tgid, uint64_t from, uint64_t to,
		    bool (*fits)(const void *ctx, const struct ikw_order *order), const void *ctx)
{
	const struct ikw_order *best = NULL;

	for (unsigned int k = 1; k <= IKW_ORDERS; k++) {
		const struct ikw_order *o =
			&host->orders[(host->order_head + IKW_ORDERS - k) % IKW_ORDERS];

		/* newest first; requests on a standing connection may make one a little younger */
		if (!o->time || o->time + 60000000000ULL < from)
			break;
		if (o->time < from || o->time > to || o->kind < IKW_ORDER_REKEY)
			continue;
		if (!order_reaches(host, o, daemon_tgid) || (fits && !fits(ctx, o)))
			continue;
		if (!best || order_weight(o) > order_weight(best))
			best = o;
	}
	return best;
}

const struct ikw_order *ikw_host_order(const struct ikw_host *host, uint32_t daemon_tgid,
				       uint64_t from, uint64_t to)
{
	return ikw_host_order_that(host, daemon_tgid, from, to, NULL, NULL);
}

/* ---- what is ordered over and over ------------------------------------------ */

/* From an order to what it ends, where no peer is waited for: chosen. */
#define ACTS	UINT64_C(500000000)
#define ROUTINE 2 /* so often in vain before: chosen */
/* Who has something done twice means the same: keepalived's notify, called by two of it. Chosen. */
#define REPEATED UINT64_C(1000000000)

void ikw_host_acted(struct ikw_host *host, uint32_t daemon_tgid, uint64_t at)
{
	for (unsigned int k = 1; k <= IKW_ORDERS; k++) {
		struct ikw_order *o =
			&host->orders[(host->order_head + IKW_ORDERS - k) % IKW_ORDERS];

		if (!o->time || o->time + 2 * ACTS < at)
			break;
		if (o->time <= at && o->time + ACTS >= at && order_reaches(host, o, daemon_tgid))
			o->acted = at;
	}
}

/*
 * The same words by another process. A client that keeps its connection may mean
 * other tunnels each time: its words are not seen.
 */
static bool same_words(const struct ikw_host *host, const struct ikw_order *a,
		       const struct ikw_order *b)
{
	const struct ikw_process *p, *q;

	if (a->kind != b->kind || a->signo != b->signo || a->daemon_tgid != b->daemon_tgid ||
	    a->by.tgid == b->by.tgid)
		return false;
	if (a->read_request && b->read_request && strcmp(a->request, b->request) != 0)
		return false;
	p = ikw_host_process(host, a->by.tgid);
	q = ikw_host_process(host, b->by.tgid);
	/* what fills its place may go on */
	return p && q && p->described && q->described && p->seen.args_len &&
	       p->seen.args_len < IKW_ARGS_LEN && p->seen.args_len == q->seen.args_len &&
	       !memcmp(p->seen.args, q->seen.args, p->seen.args_len);
}

uint64_t ikw_host_order_routine(const struct ikw_host *host, const struct ikw_order *order,
				unsigned int *in_vain)
{
	unsigned int count = 0;
	uint64_t last = 0;

	for (unsigned int k = 0; k < IKW_ORDERS; k++) {
		const struct ikw_order *o = &host->orders[k];

		if (!o->time || o->time >= order->time || !same_words(host, o, order))
			continue;
		count += !o->acted;
		last = o->time > last ? o->time : last;
	}
	if (in_vain)
		*in_vain = count;
	return count >= ROUTINE ? order->time - last : 0;
}

const struct ikw_order *ikw_host_order_repeated(const struct ikw_host *host,
						const struct ikw_order *order)
{
	for (unsigned int k = 0; k < IKW_ORDERS; k++) {
		const struct ikw_order *o = &host->orders[k];

		if (o->time && o->time < order->time && o->time + REPEATED >= order->time &&
		    same_words(host, o, order))
			return o;
	}
	return NULL;
}

uint64_t ikw_host_order_away(const struct ikw_host *host, uint64_t from, uint64_t to)
{
	uint64_t latest = 0;

	for (unsigned int k = 0; k < IKW_ORDERS; k++) {
		const struct ikw_order *o = &host->orders[k];

		if (o->away && o->time >= from && o->time <= to && o->time > latest)
			latest = o->time;
	}
	return latest;
}

static bool ends_between(const struct ikw_order *o, uint64_t from, uint64_t to)
{
	return o->time && o->time >= from && o->time <= to && o->kind == IKW_ORDER_END && !o->signo;
}

/* May it still be what an IKE_SA is about to follow? */
static bool unserved(const struct ikw_order *o, uint64_t from, uint64_t to)
{
	return ends_between(o, from, to) && !o->served;
}

/* The latest such order that an IKE_SA followed, or only seemed to; NULL: none. */
static struct ikw_order *unsurely_served(struct ikw_host *host, uint64_t from, uint64_t to)
{
	struct ikw_order *best = NULL;

	for (unsigned int k = 0; k < IKW_ORDERS; k++) {
		struct ikw_order *o = &host->orders[k];

		if (ends_between(o, from, to) && o->served && o->unsure &&
		    (!best || o->time > best->time))
			best = o;
	}
	return best;
}

void ikw_host_order_served(struct ikw_host *host, uint64_t spi_i, uint64_t from, uint64_t to,
			   bool sure)
{
	struct ikw_order *best = NULL;

	for (unsigned int k = 0; k < IKW_ORDERS; k++) {
		struct ikw_order *o = &host->orders[k];

		if (!unserved(o, from, to))
			continue;
		/* one that has only connected has ordered nothing yet */
		if (!best || o->read_request > best->read_request ||
		    (o->read_request == best->read_request && o->time > best->time))
			best = o;
	}
	for (unsigned int k = 0; best && k < IKW_ORDERS; k++) {
		struct ikw_order *o = &host->orders[k];

		if (o != best && unserved(o, from, to) && o->read_request == best->read_request)
			o->among = best->among = true;
	}
	for (unsigned int k = 0; k < IKW_ORDERS; k++) {
		struct ikw_order *o = &host->orders[k];

		if (ends_between(o, from, to) && o->served && o->served != spi_i &&
		    o->time + IKW_ORDER_FOLLOWS >= to)
			o->shared = true;
	}
	if (!best && sure)
		best = unsurely_served(host, to > IKW_ORDER_FOLLOWS ? to - IKW_ORDER_FOLLOWS : 0,
				       to);
	if (!best)
		return;
	best->served = spi_i;
	best->unsure = !sure;
}
