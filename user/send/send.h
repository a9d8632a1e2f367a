/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ikewatch-send: delivers the alarms of the store to the sinks of a configuration
 * file. It is a program of its own so that the agent, which has privileges, loads
 * none of the network libraries.
 *
 *	store (read only) ─► worker of sink A ─► receiver A      DIR/A.json: cursor, state
 *	                 └─► worker of sink B ─► receiver B      DIR/B.json
 *
 * One process per sink: it may block, be slow, or crash in a library on what a
 * receiver answers; no other sink notices, and the supervisor starts it again. An
 * alarm counts as delivered when the receiver has confirmed it, as far as its
 * protocol can; then the cursor moves on, durably. So each alarm arrives at least
 * once, in order, and carries an id that is the same in every repeat.
 */
#ifndef IKEWATCH_SEND_H
#define IKEWATCH_SEND_H

#include <confuse.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "alarm.h"

#define IKW_CURSOR_DIR	 "/var/lib/ikewatch-send"
#define IKW_SEND_RUN_DIR "/run/ikewatch-send"
#define IKW_SEND_USER	 "ikewatch-send"
#define IKW_SEND_GROUP	 "ikewatch"
#define IKW_SINKS_MAX	 64
#define IKW_SINK_NAME	 64

/* One alarm on its way. */
struct ikw_parcel {
	uint64_t id;	 /* in the store; 0: a test */
	uint64_t wall;	 /* Unix ns of the deletion */
	char uid[192];	 /* GATEWAY:ID:MICROSECONDS, the same in every repeat and nowhere else */
	char line[4096]; /* the seed's line */
	json_t *json;	 /* the alarm object, with the members "gateway" and "uid" added */
};

struct ikw_sink_type;

/* A sink as configured, and in its worker as it runs. */
struct ikw_sink {
	const struct ikw_sink_type *type;
	char name[IKW_SINK_NAME];
	cfg_t *config;
	const char *gateway;	/* what this host is called towards receivers */
	const char *state_dir;	/* of the store */
	const char *cursor_dir; /* of the sender */
	const char *socket;	/* the agent's control socket */
	uint64_t starts;	/* how many times this sink was started, this one included */
	unsigned int timeout_s; /* for one exchange with the receiver */
	bool testing;		/* `sinks test`: exactly one alarm will be sent */
	bool more;		/* while flush runs: further alarms wait already */
	void *data;		/* the type's own */
	uint64_t resend_from; /* set by send or flush when failing: this alarm and later ones may be
			       * lost and must be sent again; 0: only those not confirmed */
	uint64_t repeated;    /* streams: up to this one they were sent again after an end */
	char why[512];	      /* set when something fails */
	char answer[512];     /* set by send and flush: what the receiver said */
};

struct ikw_sink_type {
	const char *name; /* of its section in the configuration file */
	cfg_opt_t *options;
	/* What is wrong with the settings, into why; connects nowhere. NULL: nothing to check. */
	bool (*check)(struct ikw_sink *sink);
	/* Once in its worker, confined. False: tried again later. May connect, need not. */
	bool (*open)(struct ikw_sink *sink);
	/* Gives one alarm to the receiver. False with why: send it again after a while. */
	bool (*send)(struct ikw_sink *sink, const struct ikw_parcel *parcel);
	/* Waits until what was sent is confirmed. NULL: send does. Also called every second
	 * when wants_ticks. */
	bool (*flush)(struct ikw_sink *sink);
	void (*close)(struct ikw_sink *sink); /* also after a failed open */
	/* Opened: reaches the receiver without giving it an alarm; what it found into answer.
	 * False with why. NULL: there is nobody to reach. */
	bool (*probe)(struct ikw_sink *sink);
	bool wants_ticks;
	/* About once a second, whether there are alarms or not; for what is no alarm. NULL: none.
	 * False with why: called again after a while. */
	bool (*tick)(struct ikw_sink *sink);
};

/* Every type there is; the last is NULL. Add a sink: one file and one row in config.c. */
extern const struct ikw_sink_type *const ikw_sink_types[];
extern const struct ikw_sink_type ikw_sink_snmp, ikw_sink_syslog, ikw_sink_journal,
	ikw_sink_webhook, ikw_sink_alertmanager, ikw_sink_prometheus, ikw_sink_nats;

/* Keeps a reason in sink->why; always false. */
bool ikw_sink_fail(struct ikw_sink *sink, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- config.c ------------------------------------------------------------ */

/* Settings that every sink has. */
#define IKW_SINK_COMMON                                                                            \
	CFG_STR("start", "now", CFGF_NONE), CFG_INT("timeout", 10, CFGF_NONE),                     \
		CFG_INT("retry-max", 60, CFGF_NONE)

struct ikw_sinks {
	cfg_t *config;
	char gateway[128];
	struct ikw_sink sinks[IKW_SINKS_MAX];
	size_t count;
};

/*
 * Reads and checks the file. False with the cause in why. What it says stays
 * valid until ikw_sinks_free().
 */
bool ikw_sinks_read(struct ikw_sinks *sinks, const char *path, char *why, size_t size);
void ikw_sinks_free(struct ikw_sinks *sinks);
struct ikw_sink *ikw_sinks_find(struct ikw_sinks *sinks, const char *name);

/* A setting, or NULL when it is absent or empty. */
const char *ikw_sink_text(const struct ikw_sink *sink, const char *option);

/* A setting that must be one of the names; its index, or -1 after ikw_sink_fail(). */
int ikw_sink_choice(struct ikw_sink *sink, const char *option, const char *const *names,
		    size_t count);

/*
 * A secret: the setting OPTION, or the first line of the file that OPTION-file
 * names. 1: in buf; 0: neither is set; -1 after ikw_sink_fail().
 */
int ikw_sink_secret(struct ikw_sink *sink, const char *option, char *buf, size_t size);

/* Can the certificates in the file be read, and are they valid now? NULL path is fine. */
bool ikw_sink_certificate(struct ikw_sink *sink, const char *option);

/* ---- parcel.c ------------------------------------------------------------ */

/* A parcel of a stored alarm object. False when it is not one; else ikw_parcel_clear() it. */
bool ikw_parcel_make(struct ikw_parcel *parcel, const char *gateway, uint64_t id, uint64_t wall,
		     const char *json);

/* The alarm of `sinks test`: every member filled, "test": true, detail says what it is. */
bool ikw_parcel_test(struct ikw_parcel *parcel, const char *gateway);
void ikw_parcel_clear(struct ikw_parcel *parcel);

/* A member of the alarm object as text ("" when absent) or number. */
const char *ikw_parcel_text(const struct ikw_parcel *parcel, const char *member);
uint64_t ikw_parcel_number(const struct ikw_parcel *parcel, const char *member);

/* ---- cursor.c ------------------------------------------------------------ */

/* What is kept of a sink in DIR/NAME.json: for the next start, and for `status`. */
struct ikw_cursor {
	char path[PATH_MAX];
	const char *sink;
	const char *type;
	bool known;	 /* the file was there */
	uint64_t id;	 /* the last alarm that the receiver has */
	uint64_t sent;	 /* alarms delivered, in all */
	uint64_t failed; /* attempts that failed, in all */
	uint64_t lost;	 /* alarms that retention took from the store before they were delivered */
	uint64_t starts;
	uint64_t last_sent; /* Unix ns; 0: never */
	uint64_t since;	    /* Unix ns of the first failure in a row; 0: not failing */
	char error[512];    /* of the last failure while failing */
};

/* Reads the file, if there is one. False with the cause in why: unreadable or not ours. */
bool ikw_cursor_open(struct ikw_cursor *cursor, const struct ikw_sink *sink, char *why,
		     size_t size);

/* Replaces the file; on the disk when it returns true. */
bool ikw_cursor_save(const struct ikw_cursor *cursor, char *why, size_t size);

/* ---- feed.c -------------------------------------------------------------- */

struct ikw_feed;

/* Reads the store in state_dir. NULL without memory; the store itself may come later. */
struct ikw_feed *ikw_feed_open(const char *state_dir);
void ikw_feed_close(struct ikw_feed *feed);

/*
 * Gives fn at most limit alarms after the id, in order, until it returns nonzero.
 * How many there were, or -1 with the cause in why.
 */
int ikw_feed_after(struct ikw_feed *feed, uint64_t id, unsigned int limit,
		   int (*fn)(void *ctx, uint64_t id, uint64_t wall, const char *json), void *ctx,
		   char *why, size_t size);

/* Is there a store at all yet? */
bool ikw_feed_exists(const struct ikw_feed *feed);

/* The last id that was ever given, 0 in an empty store; -1 as above. */
int ikw_feed_last(struct ikw_feed *feed, uint64_t *id, char *why, size_t size);

/* The store as such, for lists; NULL when it cannot be opened now. Not to be kept. */
struct ikw_store *ikw_feed_store(struct ikw_feed *feed, char *why, size_t size);

/* Waits until the bell (a nonblocking eventfd) tells that the store may have changed, at most
 * ms, or until a signal. */
void ikw_feed_wait(struct ikw_feed *feed, int bell, unsigned int ms);

/* ---- ask.c --------------------------------------------------------------- */

/* The agent's answer to "status" or "tunnels", a list of its lines; NULL: there is no agent. */
json_t *ikw_agent_ask(const char *socket, const char *request);

/* ---- worker.c, supervise.c ------------------------------------------------ */

/* The life of a sink's process; its exit status. Ends on SIGTERM. bell: ikw_feed_wait(). */
int ikw_worker(struct ikw_sink *sink, int bell);

/* Starts a worker per sink and keeps them running until SIGTERM or SIGINT. Exit status. */
int ikw_supervise(struct ikw_sinks *sinks);

/* True once SIGTERM or SIGINT came; ikw_stop_on_signals() makes them do that. */
bool ikw_stopping(void);
void ikw_stop_on_signals(void);

/* ---- confine.c ------------------------------------------------------------ */

/*
 * Becomes user (with its groups and group) when started as root, gives up every
 * capability and the way to new ones. False with the cause in why.
 */
bool ikw_confine_user(const char *user, const char *group, char *why, size_t size);

/* Makes dir and gives it to user, when started as root; else it must exist or be makeable. */
bool ikw_confine_dir(const char *dir, const char *user, char *why, size_t size);

/* From now on files can be written below dir only, where the kernel has Landlock. */
void ikw_confine_files(const char *dir);

/* From now on only system calls that a sender needs; no new programs. workers: may fork. */
bool ikw_confine_calls(bool workers, char *why, size_t size);

#endif
