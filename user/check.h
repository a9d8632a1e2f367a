/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef IKEWATCH_CHECK_H
#define IKEWATCH_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What an agent on this host could observe (mask of enum ikw_observable), found
 * out by trials that leave nothing behind. False: not determined, because this
 * process may not load programs or the agent cannot run here.
 */
bool ikw_check_sees(uint32_t *sees);

#endif
