/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An alarm's place in the lists, as the commands show it. */
#ifndef IKEWATCH_ALARMS_H
#define IKEWATCH_ALARMS_H

#include <jansson.h>
#include "store.h"

/*
 * The members by which a listed alarm extends the alarm object: `active`,
 * `count`, `first_time`, `last_time`, `up_since`, `counted_in`, `cleared`
 * (`time`, `by`, `note`). Those that do not apply are null. A new reference.
 */
json_t *ikw_alarms_state_json(const struct ikw_store_row *row);

/* The same for people: "down", "up since …", "cleared … by …"; into to, which it returns. */
const char *ikw_alarms_state_text(const struct ikw_store_row *row, char *to, size_t size);

/* The store of DIR (NULL: the usual one) for reading; NULL after having said why not on stderr. */
struct ikw_store *ikw_alarms_open(const char *dir);

#endif
