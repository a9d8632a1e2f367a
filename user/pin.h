/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The directory on a bpffs under which an agent pins what it has in the kernel. */
#ifndef IKEWATCH_PIN_H
#define IKEWATCH_PIN_H

#include <stddef.h>

#define IKW_PIN_DIR "/sys/fs/bpf/ikewatch"

/*
 * Makes the directory, on a bpffs that is mounted if there is none, and takes
 * it for this agent: two must not pull each other's pins away. A descriptor
 * that holds it until it is closed, or -1 with the cause in why.
 */
int ikw_pin_take(const char *dir, char *why, size_t size);

/* Removes the directory if it is empty, and gives it back. fd -1 is fine. */
void ikw_pin_drop(const char *dir, int fd);

#endif
