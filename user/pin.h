/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The directory on a bpffs under which an agent pins what it has in the kernel. */
#ifndef IKEWATCH_PIN_H
#define IKEWATCH_PIN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define IKW_PIN_DIR "/sys/fs/bpf/ikewatch"

/*
 * Makes the directory, on a bpffs that is mounted if there is none, and takes
 * it for this agent: two must not pull each other's pins away. A descriptor
 * that holds it until it is closed, or -1 with the cause in why.
 */
int ikw_pin_take(const char *dir, char *why, size_t size);

/* Removes the directory if it is empty, and gives it back. fd -1 is fine. */
void ikw_pin_drop(const char *dir, int fd);

/* Sub-directories. */
#define IKW_PIN_PROGRAMS "programs"
#define IKW_PIN_LINKS	 "links"

/* Makes them. 0 or a negative errno. */
int ikw_pin_subdirs(const char *dir);

/* A descriptor of DIR/SUB/NAME (sub NULL: DIR/NAME), or a negative errno. */
int ikw_pin_get(const char *dir, const char *sub, const char *name);

/*
 * Pins an object there. What had the name before goes with the same step, so
 * that the name is never without one. 0 or a negative errno.
 */
int ikw_pin_put(int fd, const char *dir, const char *sub, const char *name);

/* Has a pin another name; what may have that one already goes. 0 or a negative errno. */
int ikw_pin_rename(const char *dir, const char *sub, const char *from, const char *to);

/* The same in two steps, for names that must change hands together. */
int ikw_pin_stage(int fd, const char *dir, const char *sub, const char *name);
int ikw_pin_commit(const char *dir, const char *sub, const char *name);

struct bpf_map;

/* Could that map of the kernel be used for this one? A ring buffer may have another size. */
bool ikw_pin_fits(int fd, const struct bpf_map *map);

/* Takes one pin away; fine when there is none. */
void ikw_pin_del(const char *dir, const char *sub, const char *name);

/*
 * Prefixes of the links on interfaces, which their hook lets go, and nobody else
 * while it may go on: is that such a name?
 */
#define IKW_PIN_XDP	"xdp_"
#define IKW_PIN_TCX_IN	"tcx_in_"
#define IKW_PIN_TCX_OUT "tcx_out_"
bool ikw_pin_is_hook(const char *name);

/* Takes away every pin of a directory that keep (NULL: none) does not want. Returns how many. */
unsigned int ikw_pin_sweep(const char *dir, const char *sub,
			   bool (*keep)(void *ctx, const char *name), void *ctx);

/* Everything that an agent pins: programs, links, maps, and the two directories. How many. */
unsigned int ikw_pin_clear(const char *dir);

#endif
