/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps that every other object is made to use, and no program: it needs no
 * kernel BTF, so they are there whatever else can be loaded.
 */
#include "bpf/maps.h"
#include "bpf/probes.h"
