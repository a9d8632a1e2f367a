/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet programs opened: with what has to be put into their instructions
 * before the kernel gets them (bpf/packet.bpf.c, slot_of()).
 */
#ifndef IKEWATCH_PACKET_SKEL_H
#define IKEWATCH_PACKET_SKEL_H

#include <stdint.h>

struct packet_bpf;

/*
 * `shift`, or the least above it with which this kernel makes the slots one value
 * of a map: before Linux 5.16 a value has KMALLOC_MAX_SIZE bytes at most, 4 MiB
 * (array_map_alloc_check).
 */
uint32_t ikw_packet_esp_shift(uint32_t cpus, uint32_t shift);

/*
 * packet_bpf__open() for so many possible CPUs, each with IKW_ESP_SLOTS >> shift
 * slots; to be destroyed by the caller. Between this and its load no other is to
 * be opened: libbpf does not say for whom it calls back. NULL with errno.
 */
struct packet_bpf *ikw_packet_skel_open(uint32_t cpus, uint32_t shift);

#endif
