/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IKE_SAs as the wire shows them: exchanges, retransmissions, who answered.
 * Nothing is decrypted; what an encrypted message carries is judged from its
 * length only, and that judgement lives here. Pure.
 */
#ifndef IKEWATCH_IKE_H
#define IKEWATCH_IKE_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/ikewatch_event.h"
#include "table.h"

#define IKW_MS	   1000000ULL
#define IKW_SECOND 1000000000ULL

/* Exchange types: RFC 7296 3.1; IKEv1: RFC 2408 3.1, RFC 2409 5, XAUTH/ModeCfg 6. */
enum ikw_exchange_type {
	IKW_V1_BASE = 1,
	IKW_V1_MAIN = 2,
	IKW_V1_AGGRESSIVE = 4,
	IKW_V1_INFO = 5,
	IKW_V1_TRANSACTION = 6,
	IKW_V1_QUICK = 32,
	IKW_V2_INIT = 34,
	IKW_V2_AUTH = 35,
	IKW_V2_CHILD = 36,
	IKW_V2_INFORMATIONAL = 37,
	IKW_V2_SESSION_RESUME = 38,
	IKW_V2_INTERMEDIATE = 43,
	IKW_V2_FOLLOWUP_KE = 44, /* RFC 9370: behind a CREATE_CHILD_SA, before its SAs are there */
};

/* A request that was sent once and is younger than this was not given up, just sent. */
#define IKW_GIVE_UP_AGE (800 * IKW_MS)

#define IKW_COPIES    8
#define IKW_EXCHANGES 12

/* Did the daemon read when the SAs were last used, just before it sent a request of its own? */
enum ikw_asked {
	IKW_ASKED_UNKNOWN = 0, /* not seen, or it may have been for somebody else */
	IKW_ASKED_NO = 1,
	IKW_ASKED_YES = 2,
};

/*
 * One exchange. IKEv2: a request and its response. IKEv1: all messages of one
 * message ID; an INFO is an exchange of one message, and its answer is another
 * INFO that pairs with it.
 */
struct ikw_exchange {
	uint64_t first;	   /* the latest new message of the side that waits */
	uint64_t last;	   /* its latest copy */
	uint64_t answered; /* 0: not */
	uint64_t began;	   /* first message of the exchange */
	uint64_t arrived;  /* a response came to this host, yet our daemon asked on; 0: none */
	uint32_t message_id;
	uint32_t length;
	uint32_t answer_length;
	uint32_t digest;
	uint32_t answer_digest;
	uint32_t copy_ms[IKW_COPIES]; /* offsets of the copies from first; [0] is 0 */
	uint16_t copies;
	uint16_t repeats; /* earlier answered exchanges just like it, folded into this one */
	uint16_t notify;  /* clear notify in the answer (or in a one-way message) */
	uint8_t type;
	bool ours;	   /* begun by this gateway */
	uint8_t out;	   /* IKEv1: distinct messages sent */
	uint8_t in;	   /* IKEv1: distinct messages received */
	uint8_t asked;	   /* enum ikw_asked */
	uint16_t asked_ms; /* how long before the request it looked */
	uint8_t unheard;   /* copies of ours sent although a response had arrived */
	bool reserved;	   /* an SPI was reserved for it, as far as can be told */
	bool brought;	   /* a generation came of it: one each (RFC 7296 1.2, 1.3) */
	bool due;	   /* like those before it of that side, as the next of them was due */
};

/* How old something was when it ended. */
struct ikw_life {
	uint64_t ns;	/* 0: not known */
	uint64_t ended; /* boot time ns */
};

struct ikw_peer;
struct ikw_ike_sa;

/* The lists of its peer that it is in: user/ikes.c's. */
enum ikw_ike_chain { IKW_BY_AGE, IKW_BY_HEARD, IKW_BY_SPARE, IKW_BY_PORT, IKW_CHAINS };

struct ikw_ike_link {
	struct ikw_ike_sa *prev;
	struct ikw_ike_sa *next;
};

struct ikw_ike_sa {
	struct ikw_node node; /* by spi_i */
	struct ikw_peer *peer;
	struct ikw_ike_sa *successor; /* IKE_SA rekey: who carries its CHILD_SAs on */
	/* user/ikes.c's own: */
	struct ikw_ike_link chain[IKW_CHAINS];
	struct ikw_ike_sa *predecessor; /* one that it succeeds; NULL: none, or not known which */
	uint64_t order;			/* the newer one has the larger */
	uint32_t succeeds;		/* so many */
	uint32_t needed;		/* so many of these have generations */
	uint16_t filed_port;
	bool spare; /* nothing needs it */
	uint64_t spi_i;
	uint64_t spi_r;
	uint64_t created; /* first message seen */
	uint64_t last_in;
	uint64_t last_out;
	uint64_t installed;    /* last time SAs were installed under it */
	uint64_t burst_anchor; /* T0 of the first deletion of a burst under it */
	uint64_t burst_last;
	uint64_t notify_time; /* last clear INVALID_SPI / INVALID_IKE_SPI about it */
	uint64_t refused;     /* IKEv1: the peer said in clear that it will not have it; 0: not */
	uint64_t live_last;   /* start of the last answered liveness check */
	uint64_t live_gap;    /* shortest gap between two of them */
	uint64_t asks_last;   /* the peer's latest INFORMATIONAL, ... */
	uint64_t asks_gap;    /* ... after the one before, if that was as long; 0: not */
	uint64_t ended;	      /* when SAs of it last began to go; 0: none has */
	uint64_t away; /* of the order to send the peer elsewhere that we followed; 0: none */
	/* of a CHILD_SA that ended alone, or with this IKE_SA: not told yet */
	struct ikw_life child_maybe;
	uint64_t looked;      /* a daemon last read when the SAs of its port were used */
	uint64_t asked_first; /* our latest INFORMATIONAL, and ... */
	uint32_t live_length; /* their length; 0: none seen */
	uint32_t live_gap_ms; /* between the latest two of them; 0: not known */
	uint32_t live_count;
	uint32_t asks_length; /* of asks_last; likewise */
	uint32_t repeats;     /* messages that were seen before, either way */
	/* The shortest time from what we sent to what the peer made of it: to the peer and back
	   takes no longer. 0: none was seen */
	uint32_t round_trip_ms;
	uint32_t generations; /* generations that refer to it */
	uint16_t notify;
	uint16_t local_port;
	uint16_t remote_port;
	uint16_t heard_port; /* the peer's, of its last message */
	uint16_t encr;
	uint16_t keylen;
	uint16_t integ;
	uint16_t dpd_len;   /* IKEv1: of R-U-THERE and its answer; 0: none was seen */
	uint8_t version;    /* 1 or 2 */
	bool choice;	    /* encr, keylen, integ are known */
	bool ours;	    /* this gateway began it */
	bool whole;	    /* seen from its first message on */
	bool spoken;	    /* our daemon sent something under it, and not in clear */
	uint8_t asked_last; /* ... whether the daemon looked before it (enum ikw_asked) */
	bool unasked;	    /* an earlier check was answered before which it had not looked */
	uint8_t count;	    /* exchanges in the ring */
	uint8_t head;	    /* slot of the newest */
	struct ikw_exchange ring[IKW_EXCHANGES];
};

/* Takes one message into its IKE_SA. */
void ikw_ike_message(struct ikw_ike_sa *ike, const struct ikw_ike *message);

/*
 * True when this request of ours looks like a liveness check whose time had
 * come: as long as those that were answered, and when the next was due (their
 * clock runs from what was last heard: it slows when the way gets longer).
 */
bool ikw_ike_check_due(const struct ikw_ike_sa *ike, const struct ikw_exchange *exchange);

/* The k-th newest exchange (0: the newest), or NULL. */
const struct ikw_exchange *ikw_ike_exchange(const struct ikw_ike_sa *ike, unsigned int k);

/* True when this exchange waits for the peer: we spoke last and the exchange is not over. */
bool ikw_exchange_pending(const struct ikw_ike_sa *ike, const struct ikw_exchange *exchange);

/*
 * True when an exchange that seems to wait was over by then, its answer missed:
 * the daemon went on to something else, or what it asked for was installed.
 */
bool ikw_exchange_over(const struct ikw_ike_sa *ike, const struct ikw_exchange *exchange,
		       uint64_t at);

/* True for exchanges that set up an IKE_SA (IKE_SA_INIT, IKE_AUTH, Main, Aggressive ...). */
bool ikw_exchange_sets_up(uint8_t type);
/* True for exchanges that can install CHILD_SAs (IKE_AUTH, CREATE_CHILD_SA, Quick). */
bool ikw_exchange_installs(uint8_t type);
/* A notification in clear outside the setting up of an IKE_SA: anybody can have sent it. */
bool ikw_ike_in_clear(const struct ikw_ike *m);
/* "CREATE_CHILD_SA", "Quick Mode" ...; static. */
const char *ikw_exchange_name(uint8_t version, uint8_t type);

/*
 * What the length of an encrypted INFORMATIONAL says. RFC 7296 3.14: pad length
 * is the sender's choice, but implementations pad to the block only, so the
 * length is exact to the block size; an AEAD has none and tells all.
 */
enum ikw_content {
	IKW_CONTENT_UNKNOWN = 0,  /* cipher not known */
	IKW_CONTENT_EMPTY,	  /* cannot be more than an empty message */
	IKW_CONTENT_MAYBE_EMPTY,  /* empty, or something that the pad hides */
	IKW_CONTENT_DELETE_IKE,	  /* AEAD: exactly a Delete without SPI (8 bytes) */
	IKW_CONTENT_DELETE_CHILD, /* AEAD: exactly a Delete with one SPI (12 bytes) */
	IKW_CONTENT_SOMETHING,	  /* more than an empty message */
};
enum ikw_content ikw_ike_content(const struct ikw_ike_sa *ike, uint32_t length);

/*
 * IKEv1: can an INFO of that length be R-U-THERE, an ESP Delete of one SPI, an ISAKMP Delete?
 * By cipher and hash; where these were not seen chosen, by the length that R-U-THERE has; false
 * where neither is known.
 */
bool ikw_ike_fits_dpd(const struct ikw_ike_sa *ike, uint32_t length);
bool ikw_ike_fits_esp_delete(const struct ikw_ike_sa *ike, uint32_t length);
bool ikw_ike_fits_isakmp_delete(const struct ikw_ike_sa *ike, uint32_t length);
bool ikw_ike_fits_both_deletes(const struct ikw_ike_sa *ike, uint32_t length);

#endif
