# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
UNIT_SRC_test_stories := user/replay.c user/cli.c user/recording.c user/event.c user/event_fields.c \
	user/event_read.c user/model.c user/compose.c user/compose_outside.c user/evidence.c user/evidence_order.c user/evidence_outside.c user/evidence_v1.c user/evidence_wire.c user/outside.c user/reason.c user/alarm.c user/format.c \
	user/world.c user/peers.c user/tunnel.c user/sas.c user/recall.c user/host.c user/host_links.c user/host_orders.c user/ike.c user/ikes.c user/table.c
UNIT_SRC_test_lossy := $(UNIT_SRC_test_stories)
UNIT_SRC_test_meta := tests/unit/meta.c tests/unit/meta_judge.c $(UNIT_SRC_test_stories)
UNIT_SRC_test_noise := $(UNIT_SRC_test_meta)
