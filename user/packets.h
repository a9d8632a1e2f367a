/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet programs as objects in the kernel: loaded, or found pinned and gone
 * on with. Where they are attached is the business of hooks.c.
 */
#ifndef IKEWATCH_PACKETS_H
#define IKEWATCH_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hooks.h"

enum ikw_packet_program {
	IKW_PACKET_XDP,
	IKW_PACKET_TC_IN,
	IKW_PACKET_TC_IN_IP, /* on devices without an Ethernet header */
	IKW_PACKET_TC_OUT,
	IKW_PACKET_TC_OUT_IP,
	IKW_PACKET_PROGRAMS,
};

#define IKW_PACKET_PORTS 8

struct packet_bpf;

struct ikw_packets {
	struct packet_bpf *skel; /* NULL: found pinned, the descriptors below are our own */
	int program[IKW_PACKET_PROGRAMS]; /* -1: not loaded yet */
	struct ikw_hooks_config config;	  /* for those that are loaded later */
	uint16_t ports[IKW_PACKET_PORTS];
	int esp, esp_more, counts, peers, sources; /* maps */
	volatile uint64_t *tick;		   /* the programs' clock */
	void *shared;				   /* mapped, if skel is NULL */
	size_t shared_bytes;
	uint64_t digest;
	int cpus;
	uint32_t esp_shift; /* of the slots (bpf/packet.h) */
};

/* 0, or a negative errno. */
int ikw_packets_open(struct ikw_packets *packets, const struct ikw_hooks_config *config);

/*
 * The descriptor of a program, not the caller's; a negative errno. XDP and the
 * programs for devices without Ethernet are loaded when they are first asked for:
 * verifying a packet program takes longer than all the rest of a start.
 */
int ikw_packets_program(struct ikw_packets *packets, enum ikw_packet_program which);

/* Pins maps and programs below dir; what was there before is replaced. Failure is no fault. */
void ikw_packets_pin(const struct ikw_packets *packets, const char *dir);
void ikw_packets_unpin(const struct ikw_packets *packets, const char *dir);

void ikw_packets_close(struct ikw_packets *packets);

#endif
