# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
UNIT_SRC_test_intake := user/intake.c user/wire.c user/event.c user/event_fields.c user/event_read.c
