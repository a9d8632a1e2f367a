/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The forms in which an alarm is given to those who take JSON. */
#ifndef IKEWATCH_SEND_SHAPE_H
#define IKEWATCH_SEND_SHAPE_H

#include "send.h"

/* native: the alarm object. ocsf: class 4014, Tunnel Activity. ecs: Elastic Common Schema. */
enum ikw_shape { IKW_SHAPE_NATIVE, IKW_SHAPE_OCSF, IKW_SHAPE_ECS, IKW_SHAPES };
extern const char *const ikw_shape_names[IKW_SHAPES];

/* One line, malloc'd; NULL without memory. */
char *ikw_shape_text(enum ikw_shape shape, const struct ikw_parcel *parcel);

#endif
