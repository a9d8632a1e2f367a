// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>
#include "ike.h"

#define V2_RESPONSE	       0x20
#define V1_ENCRYPTED	       0x01
#define IKE_HEADER	       28
#define NOTIFY_INVALID_IKE_SPI 4
#define NOTIFY_INVALID_SPI     11
#define V1_DPD		       32 /* RFC 3706 5.3: N with two cookies and a number */
static unsigned int v1_hash(const struct ikw_ike_sa *ike);

#define CHECK_SLACK   (150 * IKW_MS) /* a daemon may be busy */
#define UNHEARD_AFTER (50 * IKW_MS)  /* a copy may be under way while the response arrives */
#define UNHEARD_LEAST 2

/* Between the copies of a request the gaps grow by some factor; who waits longer than this gave up.
 */
#define STALE_GROWTH 4
#define STALE_LEAST  (120 * IKW_SECOND)

#define PAIR_WINDOW                                                                                \
	(20 * IKW_SECOND) /* an R-U-THERE-ACK that is later than this answers nothing              \
			   */

bool ikw_exchange_sets_up(uint8_t type)
{
	return type == IKW_V2_INIT || type == IKW_V2_AUTH || type == IKW_V2_SESSION_RESUME ||
	       type == IKW_V2_INTERMEDIATE || type == IKW_V1_MAIN || type == IKW_V1_AGGRESSIVE ||
	       type == IKW_V1_BASE;
}

bool ikw_ike_in_clear(const struct ikw_ike *m)
{
	return (m->flags2 & IKW_IKE_NOTIFY) && !ikw_exchange_sets_up(m->exchange);
}

bool ikw_exchange_installs(uint8_t type)
{
	return type == IKW_V2_AUTH || type == IKW_V2_CHILD || type == IKW_V1_QUICK;
}

const char *ikw_exchange_name(uint8_t version, uint8_t type)
{
	switch (type) {
	case IKW_V1_MAIN:
		return "Main Mode";
	case IKW_V1_AGGRESSIVE:
		return "Aggressive Mode";
	case IKW_V1_INFO:
		return "Informational";
	case IKW_V1_TRANSACTION:
		return "Transaction";
	case IKW_V1_QUICK:
		return "Quick Mode";
	case IKW_V2_INIT:
		return "IKE_SA_INIT";
	case IKW_V2_AUTH:
		return "IKE_AUTH";
	case IKW_V2_CHILD:
		return "CREATE_CHILD_SA";
	case IKW_V2_INFORMATIONAL:
		return "INFORMATIONAL";
	case IKW_V2_SESSION_RESUME:
		return "IKE_SESSION_RESUME";
	case IKW_V2_INTERMEDIATE:
		return "IKE_INTERMEDIATE";
	case IKW_V2_FOLLOWUP_KE:
		return "IKE_FOLLOWUP_KE";
	default:
		return version == 1 ? "IKEv1 exchange" : "IKEv2 exchange";
	}
}

const struct ikw_exchange *ikw_ike_exchange(const struct ikw_ike_sa *ike, unsigned int k)
{
	if (k >= ike->count)
		return NULL;
	return &ike->ring[(ike->head + IKW_EXCHANGES - k) % IKW_EXCHANGES];
}

static struct ikw_exchange *exchange_at(struct ikw_ike_sa *ike, unsigned int k)
{
	return (struct ikw_exchange *)ikw_ike_exchange(ike, k);
}

bool ikw_exchange_pending(const struct ikw_ike_sa *ike, const struct ikw_exchange *x)
{
	if (ike->version == 2)
		return x->ours && !x->answered;
	if (x->type == IKW_V1_INFO)
		return x->ours && !x->answered;
	if (x->out <= x->in && !(x->out == x->in && !x->ours))
		return false;
	/* The initiator's last message of Quick and Aggressive Mode is not answered. */
	if ((x->type == IKW_V1_QUICK || x->type == IKW_V1_AGGRESSIVE) && x->ours && x->out >= 2)
		return false;
	/* The responder's last message of Main Mode is not answered either. */
	if (x->type == IKW_V1_MAIN && !x->ours && x->out >= 3)
		return false;
	if (x->type == IKW_V1_TRANSACTION && !x->ours)
		return false;
	return x->out > 0;
}

/*
 * The window is one request (RFC 7296 2.3): a later one that was answered, or
 * that itself was sent again or grew old, says that this one is over. A Delete
 * that a daemon sends as it gives up is neither.
 */
static bool went_on(const struct ikw_ike_sa *ike, const struct ikw_exchange *x, uint64_t at)
{
	for (unsigned int k = 0; k < ike->count; k++) {
		const struct ikw_exchange *y = ikw_ike_exchange(ike, k);

		if (y == x || !y->ours || y->first <= x->last || y->first > at)
			continue;
		if ((y->answered && y->answered <= at) || y->copies > 1 ||
		    at - y->first >= IKW_GIVE_UP_AGE)
			return true;
	}
	return false;
}

bool ikw_exchange_over(const struct ikw_ike_sa *ike, const struct ikw_exchange *x, uint64_t at)
{
	if (at > x->last && at - x->last > STALE_GROWTH * (x->last - x->first) + STALE_LEAST)
		return true;
	if (x->copies < 2 && ikw_exchange_installs(x->type) && ike->installed >= x->began &&
	    ike->installed <= at)
		return true;
	/* IKEv1 has no window, but what waits is sent again */
	return (ike->version == 2 ? x->ours : x->copies < 2) && went_on(ike, x, at);
}

/* A new slot; an answered exchange just like the new one is folded into it. */
static struct ikw_exchange *exchange_push(struct ikw_ike_sa *ike, const struct ikw_ike *m,
					  bool ours)
{
	struct ikw_exchange *newest = exchange_at(ike, 0);
	struct ikw_exchange *x;
	uint16_t repeats = 0;

	if (newest && newest->answered && newest->ours == ours && newest->type == m->exchange &&
	    newest->length == m->length &&
	    (m->exchange == IKW_V2_INFORMATIONAL || m->exchange == IKW_V1_INFO)) {
		x = newest;
		repeats = x->repeats < UINT16_MAX ? x->repeats + 1 : x->repeats;
	} else {
		ike->head = (ike->head + 1) % IKW_EXCHANGES;
		x = &ike->ring[ike->head];
		if (ike->count < IKW_EXCHANGES)
			ike->count++;
	}
	memset(x, 0, sizeof(*x));
	x->repeats = repeats;
	x->message_id = m->message_id;
	x->type = m->exchange;
	x->ours = ours;
	x->began = m->hdr.time;
	return x;
}

static void exchange_sent(struct ikw_exchange *x, const struct ikw_ike *m)
{
	x->first = m->hdr.time;
	x->last = m->hdr.time;
	x->length = m->length;
	x->digest = m->digest;
	x->copies = 1;
	x->copy_ms[0] = 0;
}

/*
 * A response arrived at this host, and the daemon still sends its request
 * again, and again: the response never reached it (or was not genuine).
 */
static void not_heard(struct ikw_ike_sa *ike, struct ikw_exchange *x, uint64_t now)
{
	if (!x->ours || (!x->answered && !x->arrived) ||
	    (x->answered && now < x->answered + UNHEARD_AFTER))
		return;
	if (x->unheard < UINT8_MAX)
		x->unheard++;
	if (x->unheard != UNHEARD_LEAST)
		return;
	x->arrived = x->answered;
	x->answered = 0;
	if (ike->live_count && ike->live_length == x->length)
		ike->live_count--; /* it taught nothing */
}

/* The window is one request (RFC 7296 2.3): the next one says that the response was heard. */
static void heard_at_last(struct ikw_ike_sa *ike)
{
	for (unsigned int k = 0; k < ike->count; k++) {
		struct ikw_exchange *x = exchange_at(ike, k);

		if (x->ours && x->arrived && !x->answered)
			x->answered = x->arrived;
	}
}

static void exchange_copy(struct ikw_ike_sa *ike, struct ikw_exchange *x, const struct ikw_ike *m)
{
	ike->repeats++;
	if (x->copies < IKW_COPIES)
		x->copy_ms[x->copies] = (uint32_t)((m->hdr.time - x->first) / IKW_MS);
	if (x->copies < UINT16_MAX)
		x->copies++;
	x->last = m->hdr.time;
}

static void there_and_back(struct ikw_ike_sa *ike, uint64_t sent, uint64_t heard)
{
	uint64_t ms = sent && heard > sent ? (heard - sent) / IKW_MS + 1 : 0;

	if (ms && ms < UINT32_MAX && (!ike->round_trip_ms || ms < ike->round_trip_ms))
		ike->round_trip_ms = (uint32_t)ms;
}

static void exchange_answer(struct ikw_exchange *x, const struct ikw_ike *m)
{
	if (x->answered)
		return;
	x->answered = m->hdr.time;
	x->answer_length = m->length;
	x->answer_digest = m->digest;
	if (m->flags2 & IKW_IKE_NOTIFY)
		x->notify = m->notify;
}

/* A liveness check that was answered teaches what one looks like here. */
static void live_learn(struct ikw_ike_sa *ike, const struct ikw_exchange *x)
{
	uint64_t gap = x->first - ike->live_last;
	bool longer = ike->live_length < x->length;

	if (ike->live_length != x->length) {
		/* In IKEv2 the longer kind carries something; an empty one is never longer. In
		 * IKEv1 Deletes that crossed look alike, and no Delete is longer than R-U-THERE. */
		if (ike->live_length && longer == (ike->version == 2))
			return;
		ike->live_count = 0;
		ike->live_gap = 0;
		ike->live_gap_ms = 0;
	}
	if (ike->live_count)
		ike->live_gap_ms = gap / IKW_MS < UINT32_MAX ? (uint32_t)(gap / IKW_MS) : 0;
	if (ike->live_count && (!ike->live_gap || gap < ike->live_gap))
		ike->live_gap = gap;
	ike->live_length = x->length;
	ike->live_last = x->first;
	ike->live_count++;
}

/*
 * What the peer asks by a clock of its own, always as long, are its liveness
 * checks, whatever they carry.
 */
static void asks_learn(struct ikw_ike_sa *ike, struct ikw_exchange *x)
{
	uint64_t gap = x->first - ike->asks_last, slack = ike->asks_gap / 20;

	if (slack < CHECK_SLACK)
		slack = CHECK_SLACK;
	if (ike->asks_length != x->length)
		gap = 0;
	x->due = gap && ike->asks_gap && gap + slack >= ike->asks_gap &&
		 gap <= ike->asks_gap + slack;
	ike->asks_gap = gap;
	ike->asks_last = x->first;
	ike->asks_length = x->length;
}

static bool due_after(const struct ikw_ike_sa *ike, const struct ikw_exchange *x, uint64_t gap)
{
	uint64_t due = ike->live_last + gap, slack = gap / 20;

	if (slack < CHECK_SLACK)
		slack = CHECK_SLACK;
	return gap && x->first + slack >= due && x->first <= due + slack;
}

bool ikw_ike_check_due(const struct ikw_ike_sa *ike, const struct ikw_exchange *x)
{
	return x->length == ike->live_length &&
	       (due_after(ike, x, ike->live_gap) || due_after(ike, x, ike->live_gap_ms * IKW_MS));
}

static struct ikw_exchange *exchange_find(struct ikw_ike_sa *ike, uint8_t type, uint32_t id,
					  int ours)
{
	for (unsigned int k = 0; k < ike->count; k++) {
		struct ikw_exchange *x = exchange_at(ike, k);

		if (x->type == type && x->message_id == id && (ours < 0 || x->ours == ours))
			return x;
	}
	return NULL;
}

/* The peer answers each copy that it gets: the first was not lost, the way is long. */
static void answered_again(struct ikw_ike_sa *ike, const struct ikw_exchange *x)
{
	if (x->copies > 1)
		there_and_back(ike, x->first, x->answered);
}

/* Who sets an IKE_SA up goes on as soon as it has our response. */
static void sets_up_further(struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	const struct ikw_exchange *newest = exchange_at(ike, 0);

	if (newest && !newest->ours && ikw_exchange_sets_up(newest->type) &&
	    ikw_exchange_sets_up(m->exchange))
		there_and_back(ike, newest->answered, m->hdr.time);
}

static void v2_message(struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	bool out = m->dir == IKW_DIR_OUT;
	bool response = m->ike_flags & V2_RESPONSE;
	bool ours = out != response;
	struct ikw_exchange *x = exchange_find(ike, m->exchange, m->message_id, ours);

	if (response) {
		if (x && x->answered && ours)
			answered_again(ike, x);
		if (!x || x->answered || x->arrived || ikw_ike_in_clear(m))
			return;
		exchange_answer(x, m);
		if (ours && x->copies == 1)
			there_and_back(ike, x->first, x->answered);
		if (ours && x->type == IKW_V2_INFORMATIONAL)
			live_learn(ike, x);
		return;
	}
	if (m->frag_number > 1)
		return;
	/* RFC 7296 2.1: a request sent again is the same to the bit, but for how it is fragmented
	 */
	if (x && (x->digest == m->digest || (!x->answered && x->type != IKW_V2_INIT))) {
		not_heard(ike, x, m->hdr.time);
		exchange_copy(ike, x, m);
		return;
	}
	if (ours)
		heard_at_last(ike);
	else
		sets_up_further(ike, m);
	/* the same ID with other bytes: IKE_SA_INIT again with a cookie or another group */
	if (!x || x->answered || x->type == IKW_V2_INIT)
		x = exchange_push(ike, m, ours);
	exchange_sent(x, m);
	if (!ours && x->type == IKW_V2_INFORMATIONAL)
		asks_learn(ike, x);
}

/*
 * R-U-THERE-ACK is the only answer there is to an INFO (RFC 3706 5.4): the same
 * length, soon after, and where the cipher is known that of a liveness check.
 * A Delete that crosses another of its length answers nothing.
 */
static bool info_pairs(struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	bool out = m->dir == IKW_DIR_OUT;

	if (ike->choice && v1_hash(ike) && !ikw_ike_fits_dpd(ike, m->length))
		return false;

	for (unsigned int k = 0; k < ike->count; k++) {
		struct ikw_exchange *x = exchange_at(ike, k);

		if (x->type != IKW_V1_INFO || x->ours == out || x->answered ||
		    x->length != m->length || m->hdr.time - x->first > PAIR_WINDOW)
			continue;
		exchange_answer(x, m);
		if (ike->dpd_len < m->length)
			ike->dpd_len = (uint16_t)m->length;
		if (x->ours)
			live_learn(ike, x);
		return true;
	}
	return false;
}

static void v1_info(struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	struct ikw_exchange *x;

	x = exchange_find(ike, IKW_V1_INFO, m->message_id, -1);
	if (x && x->digest == m->digest) {
		exchange_copy(ike, x, m);
		return;
	}
	if (!(m->ike_flags & V1_ENCRYPTED) || info_pairs(ike, m))
		return;
	x = exchange_push(ike, m, m->dir == IKW_DIR_OUT);
	exchange_sent(x, m);
}

static void v1_message(struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	bool out = m->dir == IKW_DIR_OUT;
	struct ikw_exchange *x;

	if (m->exchange == IKW_V1_INFO) {
		v1_info(ike, m);
		return;
	}
	x = exchange_find(ike, m->exchange, m->message_id, -1);
	if (!x) {
		x = exchange_push(ike, m, out);
	} else if (x->digest == m->digest && x->out + x->in > 0 &&
		   (out ? x->out > 0 : !x->ours && x->in > 0)) {
		exchange_copy(ike, x, m);
		return;
	} else if (!out && x->answer_digest == m->digest) {
		return; /* the peer repeats itself */
	}
	if (out) {
		x->out++;
		exchange_sent(x, m);
		x->answered = 0;
		return;
	}
	x->in++;
	x->answer_digest = m->digest;
	if (!x->ours && x->in == 1 && !x->out) {
		exchange_sent(x, m);
	} else {
		x->answered = m->hdr.time;
		there_and_back(ike, x->out && x->copies == 1 ? x->first : 0, m->hdr.time);
	}
	x->answer_length = m->length;
}

static void take_choice(struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	if (!(m->flags2 & IKW_IKE_CHOICE) || ike->choice)
		return;
	ike->choice = true;
	ike->encr = m->encr;
	ike->keylen = m->encr_keylen;
	ike->integ = m->integ;
}

/* RFC 2408 3.14.1: up to there are errors. Who knows the cookies sees our packets. */
#define NOTIFY_STATUS 16384

static void take_notify(struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	if (m->dir != IKW_DIR_IN || !(m->flags2 & IKW_IKE_NOTIFY))
		return;
	if (ike->version == 1 && ike->ours && !ike->installed && m->exchange == IKW_V1_INFO &&
	    m->notify && m->notify < NOTIFY_STATUS)
		ike->refused = m->hdr.time;
	if (m->notify != NOTIFY_INVALID_IKE_SPI && m->notify != NOTIFY_INVALID_SPI)
		return;
	ike->notify = m->notify;
	ike->notify_time = m->hdr.time;
}

void ikw_ike_message(struct ikw_ike_sa *ike, const struct ikw_ike *m)
{
	take_choice(ike, m);
	take_notify(ike, m);
	if (m->dir == IKW_DIR_OUT)
		ike->last_out = m->hdr.time;
	else
		ike->last_in = m->hdr.time;
	if (ike->version == 2)
		v2_message(ike, m);
	else
		v1_message(ike, m);
}

/* ---- lengths ----------------------------------------------------------- */

struct cipher {
	uint16_t id;
	uint8_t iv;
	uint8_t block;
	uint8_t icv; /* AEAD only */
};

/* IANA IKEv2 Transform Type 1; IV and ICV: RFC 7296, 5282, 7634, 3686, 4309, 4106. */
static const struct cipher v2_ciphers[] = {
	{ 2, 8, 8, 0 },	   { 3, 8, 8, 0 },   { 12, 16, 16, 0 }, { 13, 8, 1, 0 },  { 14, 8, 1, 8 },
	{ 15, 8, 1, 12 },  { 16, 8, 1, 16 }, { 18, 8, 1, 8 },	{ 19, 8, 1, 12 }, { 20, 8, 1, 16 },
	{ 23, 16, 16, 0 }, { 24, 8, 1, 0 },  { 28, 8, 1, 16 },
};

/* IANA IKEv2 Transform Type 3: octets of ICV. */
static unsigned int v2_icv(uint16_t integ)
{
	switch (integ) {
	case 12: /* HMAC-SHA2-256-128 */
		return 16;
	case 13: /* HMAC-SHA2-384-192 */
		return 24;
	case 14: /* HMAC-SHA2-512-256 */
		return 32;
	default: /* the 96-bit ones: MD5, SHA1, XCBC, CMAC */
		return 12;
	}
}

static const struct cipher *v2_cipher(const struct ikw_ike_sa *ike)
{
	for (size_t i = 0; i < sizeof(v2_ciphers) / sizeof(v2_ciphers[0]); i++)
		if (v2_ciphers[i].id == ike->encr)
			return &v2_ciphers[i];
	return NULL;
}

/* Length of a message whose one outer payload is SK with that much inside. */
static uint32_t sk_length(const struct ikw_ike_sa *ike, const struct cipher *c, uint32_t inner)
{
	uint32_t padded = (inner + 1 + c->block - 1) / c->block * c->block;

	return IKE_HEADER + 4 + c->iv + padded + (c->icv ? c->icv : v2_icv(ike->integ));
}

enum ikw_content ikw_ike_content(const struct ikw_ike_sa *ike, uint32_t length)
{
	const struct cipher *c = ike->choice ? v2_cipher(ike) : NULL;
	uint32_t empty;

	if (ike->version != 2 || !c) {
		if (ike->live_count < 2)
			return IKW_CONTENT_UNKNOWN;
		return length > ike->live_length ? IKW_CONTENT_SOMETHING : IKW_CONTENT_MAYBE_EMPTY;
	}
	empty = sk_length(ike, c, 0);
	if (c->block > 1)
		return length > empty ? IKW_CONTENT_SOMETHING : IKW_CONTENT_MAYBE_EMPTY;
	/*
	 * Delete, Notify and Configuration, which an INFORMATIONAL is made of, have eight
	 * octets and more (RFC 7296 1.4, 3.10, 3.11, 3.15): what is less is pad, as iked adds it.
	 */
	if (length < sk_length(ike, c, 8))
		return IKW_CONTENT_EMPTY;
	/* a daemon that aligns where it need not: its own checks say how long empty is */
	if (ike->live_count >= 2 && ike->live_length > empty)
		return length > ike->live_length ? IKW_CONTENT_SOMETHING : IKW_CONTENT_MAYBE_EMPTY;
	if (length == sk_length(ike, c, 8))
		return IKW_CONTENT_DELETE_IKE;
	if (length == sk_length(ike, c, 12))
		return IKW_CONTENT_DELETE_CHILD;
	return IKW_CONTENT_SOMETHING;
}

/* IKEv1 (RFC 2409 app. A, IANA): block of the cipher, octets of the hash; 0: not known. */
static unsigned int v1_block(const struct ikw_ike_sa *ike)
{
	return ike->encr == 7 || ike->encr == 8 ? 16 : 8;
}

static unsigned int v1_hash(const struct ikw_ike_sa *ike)
{
	switch (ike->integ) {
	case 1:
		return 16;
	case 2:
		return 20;
	case 4:
		return 32;
	case 5:
		return 48;
	case 6:
		return 64;
	default:
		return 0;
	}
}

/*
 * Encrypted IKEv1 payloads are padded to the block; some daemons add a whole
 * block to what is aligned already, some add none, and both are legal.
 */
static bool v1_padded(uint32_t block, uint32_t hash, uint32_t length, uint32_t payload)
{
	uint32_t body = 4 + hash + payload, up = (body + block - 1) / block * block;

	return length == IKE_HEADER + up || (body == up && length == IKE_HEADER + up + block);
}

/* Where the phase 1 was not seen: with some cipher and hash that make R-U-THERE as long as it is.
 */
static bool v1_fits(const struct ikw_ike_sa *ike, uint32_t length, uint32_t payload)
{
	static const uint8_t blocks[] = { 8, 16 }, hashes[] = { 16, 20, 32, 48, 64 };

	if (ike->version != 1)
		return false;
	if (ike->choice)
		return v1_hash(ike) && v1_padded(v1_block(ike), v1_hash(ike), length, payload);
	for (size_t i = 0; ike->dpd_len && i < sizeof(blocks); i++)
		for (size_t k = 0; k < sizeof(hashes); k++)
			if (v1_padded(blocks[i], hashes[k], ike->dpd_len, V1_DPD) &&
			    v1_padded(blocks[i], hashes[k], length, payload))
				return true;
	return false;
}

bool ikw_ike_fits_dpd(const struct ikw_ike_sa *ike, uint32_t length)
{
	return v1_fits(ike, length, V1_DPD);
}

bool ikw_ike_fits_esp_delete(const struct ikw_ike_sa *ike, uint32_t length)
{
	return v1_fits(ike, length, 16); /* RFC 2408 3.15: D with one 4-byte SPI */
}

bool ikw_ike_fits_both_deletes(const struct ikw_ike_sa *ike, uint32_t length)
{
	return v1_fits(ike, length, 16 + 28);
}

bool ikw_ike_fits_isakmp_delete(const struct ikw_ike_sa *ike, uint32_t length)
{
	return v1_fits(ike, length, 28); /* RFC 2408 3.15: D with two cookies */
}
