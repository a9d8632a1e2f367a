# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
UNIT_SRC_test_record := user/record.c user/recording.c user/event.c user/event_fields.c \
	user/event_read.c user/lock.c user/control.c user/control_client.c user/control_request.c user/loop.c user/cli.c
