# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
UNIT_SRC_test_commands = user/alarms.c user/replay_main.c user/explain.c user/incident.c user/page.c user/ladder.c user/plot.c \
	user/catalogue.c user/tunnels.c user/tunnels_text.c user/table_text.c user/live.c \
	user/control.c user/control_client.c user/control_request.c user/loop.c user/lock.c user/store.c user/store_sql.c user/store_write.c user/store_list.c \
	user/store_salvage.c $(UNIT_SRC_test_stories)
