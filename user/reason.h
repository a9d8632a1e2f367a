/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why a tunnel was deleted: the reasons, and the rules that lead to them.
 * Pure: no I/O, no clock.
 */
#ifndef IKEWATCH_REASON_H
#define IKEWATCH_REASON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * X(name, offline_reason, default severity)
 *
 * The spelling of offline_reason is a contract (DESIGN.md, the vendor's MIB).
 * The first fourteen are the seed's, in its order; then the vendor's other
 * spellings; then ours.
 */
#define IKW_REASONS(X)                                                                             \
	X(DPD_TIMEOUT, "dpd timeout", "major")                                                     \
	X(MANUAL, "config modify or manual offline", "major")                                      \
	X(MODECFG_LEASE, "modecfg address soft expiry", "major")                                   \
	X(REAUTH_TIMEOUT, "re-auth timeout", "major")                                              \
	X(AAA_CUT, "aaa cut user", "major")                                                        \
	X(KICK_OLD_SA, "kick old sa with same flow", "major")                                      \
	X(SPI_CONFLICT, "spi conflict", "major")                                                   \
	X(PHASE1_REPLACE, "phase1 sa replace", "major")                                            \
	X(PHASE2_REPLACE, "phase2 sa replace", "major")                                            \
	X(TRACK, "disconnect track nqa/bfd/vrrp", "major")                                         \
	X(INVALID_SPI, "receive invalid spi notify", "major")                                      \
	X(DNS_CHANGE, "dns resolution status change", "major")                                     \
	X(PHASE1_DEPENDENT, "ikev1 phase1-phase2 sa dependent offline", "major")                   \
	X(EXCHANGE_TIMEOUT, "exchange timeout", "major")                                           \
	X(PEER_REQUEST, "peer request", "major")                                                   \
	X(PHASE1_HARD_EXPIRY, "phase1 hard expiry", "major")                                       \
	X(PHASE2_HARD_EXPIRY, "phase2 hard expiry", "major")                                       \
	X(HEARTBEAT_TIMEOUT, "heartbeat timeout", "major")                                         \
	X(PORT_MISMATCH, "hard expiry triggered by port mismatch", "major")                        \
	X(FLOW_OVERLAP, "flow overlap", "major")                                                   \
	X(PEER_ADDRESS_SWITCH, "peer address switch", "major")                                     \
	X(ADMIN_DOWN, "admin down", "major")                                                       \
	X(BACKUP_DELETE, "receive backup delete info", "major")                                    \
	X(IDLE_TIMEOUT, "idle timeout", "major")                                                   \
	X(INTERFACE_REMOVED, "interface removed", "major")                                         \
	X(UNKNOWN, "unknown", "major")

enum ikw_reason {
#define IKW_X(name, text, severity) IKW_REASON_##name,
	IKW_REASONS(IKW_X)
#undef IKW_X
		IKW_REASON_COUNT
};

/* How sure a verdict is; ordered, so that "one step lower" is minus one. */
enum ikw_confidence {
	IKW_CONFIDENCE_NONE = 0,
	IKW_CONFIDENCE_POSSIBLE = 1,
	IKW_CONFIDENCE_LIKELY = 2,
	IKW_CONFIDENCE_CERTAIN = 3,
};

/* offline_reason's text, e.g. "dpd timeout"; static storage. */
const char *ikw_reason_text(enum ikw_reason reason);
/* Default severity, "major" as in the seed unless the catalogue says otherwise. */
const char *ikw_reason_severity(enum ikw_reason reason);
/* The reason with that exact text, or -1. */
int ikw_reason_find(const char *text);
/* "certain", "likely", "possible", "none"; static storage. */
const char *ikw_confidence_text(enum ikw_confidence confidence);

/* A set of facts, one bit each; IKW_FACT() of evidence.h makes one. */
__extension__ typedef unsigned __int128 ikw_fact_set;

struct ikw_facts;

/* One row of the rule table: the first whose facts hold speaks. */
struct ikw_rule {
	const char *name;
	enum ikw_reason reason;
	enum ikw_confidence confidence;
	bool now;	     /* nothing that may still come can overturn it */
	ikw_fact_set needs;  /* facts that must be seen */
	ikw_fact_set lacks;  /* that must not be; when they could not be seen: one step less sure */
	ikw_fact_set unseen; /* that must be beyond what can be observed here */
	const char *sentence;
};

struct ikw_verdict {
	const struct ikw_rule *rule;
	enum ikw_reason reason;
	enum ikw_confidence confidence;
	ikw_fact_set blind; /* lacked facts that could not be seen, needed ones in doubt */
};

/* The rules in order of precedence, and how many. */
const struct ikw_rule *ikw_rules(size_t *count);

/* The verdict on these facts: always one, `unknown` when no row holds. */
struct ikw_verdict ikw_infer(const struct ikw_facts *facts);

#endif
