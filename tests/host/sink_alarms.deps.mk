# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
HOST_SRC_sink_alarms := user/lock.c user/store.c user/store_sql.c user/store_write.c user/store_list.c \
	user/store_salvage.c user/alarm.c user/format.c user/reason.c
