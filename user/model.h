/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pure pipeline: event -> tunnel model -> evidence -> reason -> alarm.
 *
 * No I/O and no clock: time comes with the events and as `now`. The live agent
 * and `ikewatch replay` make the same calls in the same order, so a recording
 * is a test.
 */
#ifndef IKEWATCH_MODEL_H
#define IKEWATCH_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include "alarm.h"
#include "bpf/ikewatch_event.h"

struct ikw_model;

/* Settings that change what the model concludes; a recording carries them. */
struct ikw_model_config {
	char vsys[64];	     /* name of the watched network namespace; "Public": the initial one */
	uint64_t settle_ns;  /* how long an undecided case stays open; 0: 2 s */
	uint32_t last_index; /* the highest number that a tunnel has; 0: none has one */
};

/* What is kept of a tunnel that the model does not know, or not any more. */
struct ikw_tunnel_past {
	uint32_t index;
	uint64_t last_deletion; /* Unix ns; 0: none */
	enum ikw_reason last_reason;
};

/* An IKE daemon ended and left SAs behind: tunnels that nobody manages any more. */
struct ikw_daemon_lost {
	uint64_t time; /* of its end, boot time ns */
	uint32_t pid;
	int32_t exit_code; /* wait status */
	char comm[IKW_COMM_LEN];
	const uint32_t *tunnels; /* their numbers, rising; valid during the call */
	size_t count;
};

/* An SA in the SAD; valid during the call. */
struct ikw_model_sa {
	const uint8_t *saddr;
	const uint8_t *daddr;
	uint32_t spi;
	uint32_t mark;
	uint8_t proto;
	uint64_t added;	    /* curlft.add_time, Unix s; 0: not told */
	enum ikw_dir dir;   /* UNKNOWN: nothing told yet which end is ours */
	uint64_t installed; /* boot time ns; 0: before the agent began */
	bool shared; /* another SA has its destination and SPI: a clone (xfrm_state_migrate) */
};

/* What the model asks of its surroundings. Any may be NULL. */
struct ikw_model_ops {
	/* A case closed. The alarm is the model's; it is freed after the call. id may be set. */
	void (*alarm)(void *ctx, struct ikw_alarm *alarm);
	/* A new tunnel got a number: remember (key, index) to keep it over restarts. */
	void (*tunnel)(void *ctx, const char *key, uint32_t index);
	/* What was remembered under that key, into past; false: nothing. */
	bool (*known)(void *ctx, const char *key, struct ikw_tunnel_past *past);
	/* A tunnel that was down carries traffic again; boot: when. */
	void (*tunnel_up)(void *ctx, uint32_t index, uint64_t boot);
	/* A daemon ended and what it had installed is still there after the settle time. */
	void (*daemon_lost)(void *ctx, const struct ikw_daemon_lost *lost);
	/* An SA is there from now on, or is not any more: once each. */
	void (*sa)(void *ctx, const struct ikw_model_sa *sa, bool there);
	void *ctx;
};

/* A new model; NULL without memory. ops and config are copied. */
struct ikw_model *ikw_model_new(const struct ikw_model_config *config,
				const struct ikw_model_ops *ops);
void ikw_model_free(struct ikw_model *model);

/*
 * Feeds one event. Its time also advances the model: cases whose settle time
 * ended before it are closed first. Events up to a few ms out of order are fine.
 */
void ikw_model_event(struct ikw_model *model, const union ikw_event *event);

/* Closes the cases whose time has come. now: boot time ns. */
void ikw_model_tick(struct ikw_model *model, uint64_t now);

/* Boot time ns of the next needed tick; UINT64_MAX: none. */
uint64_t ikw_model_deadline(const struct ikw_model *model);

/* Closes every open case with what is known (shutdown, end of a recording). */
void ikw_model_finish(struct ikw_model *model, uint64_t now);

/* Wall time (Unix ns) of a boot time, by the last CLOCK event; 0 before the first. */
uint64_t ikw_model_wall(const struct ikw_model *model, uint64_t boot);

/* Calls fn for every SA that is there, as ops.sa() was. */
void ikw_model_sas(const struct ikw_model *model,
		   void (*fn)(void *ctx, const struct ikw_model_sa *sa, bool there), void *ctx);

/*
 * The other SA of that SA's generation, while it is still there: its destination
 * and SPI. False: there is none, or the SA is not known.
 */
bool ikw_model_partner(const struct ikw_model *model, const uint8_t daddr[IKW_ADDR_LEN],
		       uint32_t spi, uint8_t partner_daddr[IKW_ADDR_LEN], uint32_t *partner_spi);

/* What is known of one SA, for `tunnels` and for reading ESP counters at its death. */
struct ikw_tunnel_sa {
	uint32_t spi;
	uint8_t dir;
	uint64_t installed; /* boot time ns; 0: before the agent began */
	uint64_t bytes;
	uint64_t packets;
	uint64_t last; /* boot time ns of the last packet; 0: none seen */
	uint32_t lost; /* ESP packets missing in the last minute; ~0: not known */
};

struct ikw_tunnel_info {
	uint32_t index;
	bool up;
	uint8_t src[IKW_ADDR_LEN];
	uint8_t dst[IKW_ADDR_LEN];
	uint32_t reqid;
	uint32_t mark;
	uint32_t if_id;
	uint32_t rule_num;
	char flow_info[256];
	uint64_t up_since;	/* boot time ns; 0: not known */
	uint64_t deletions;	/* since the agent began */
	uint64_t last_deletion; /* Unix ns; 0: none */
	enum ikw_reason last_reason;
	uint8_t ike_version;
	uint64_t spi_i;
	uint64_t spi_r;
	uint32_t ifindex;	   /* towards the peer, or the xfrm interface; 0: not known */
	char ifname[IKW_NAME_LEN]; /* "": not known */
	char inside_ip[64];	   /* the peer's inner address */
	uint16_t remote_port;	   /* the peer's IKE port; 0: not known */
	const char *vsys;	   /* the network namespace's name; lives as long as the model */
	uint32_t life_s;	   /* hard limits of the newest SA; 0: none */
	uint32_t life_kib;
	unsigned int sa_count;
	struct ikw_tunnel_sa sas[8];
};

/* Calls fn for every tunnel, in the order of their index; stops when fn returns nonzero. */
void ikw_model_tunnels(const struct ikw_model *model,
		       int (*fn)(void *ctx, const struct ikw_tunnel_info *info), void *ctx);

/* How many tunnels that are up go to their peer over the interface. */
uint64_t ikw_model_tunnels_over(const struct ikw_model *model, uint32_t ifindex);

struct ikw_model_stats {
	uint64_t events;
	uint64_t alarms;
	uint64_t by_reason[IKW_REASON_COUNT];
	uint64_t tunnels;
	uint64_t tunnels_up;
	uint64_t ike_repeats; /* IKE messages sent again, by either side */
	uint64_t sas;
	uint64_t ike_sas;
	uint64_t open_cases;
	uint64_t lost;	/* sum of LOST events */
	uint64_t bytes; /* estimate of the model's own memory */
};
void ikw_model_stats(const struct ikw_model *model, struct ikw_model_stats *stats);

struct ikw_world;

/* What the model knows, for those that walk it (checkpoint.c); not to be changed. */
const struct ikw_world *ikw_model_world(const struct ikw_model *model);

#endif
