/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps that every other object is made to use, and no program: it needs no
 * kernel BTF, so they are there whatever else can be loaded.
 */
#include "bpf/maps.h"
#include "bpf/layout.h"
#include "bpf/probes.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ikw_layout);
} ikw_layout SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, IKW_PROBE_ROWS);
	__type(key, __u32);
	__type(value, struct ikw_probe_row);
} ikw_probes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, IKW_INTERFACES);
	__type(key, __u32);
	__type(value, struct ikw_interface);
} ikw_interfaces SEC(".maps");
