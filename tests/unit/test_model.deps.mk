# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
IKW_PURE := user/model.c user/compose.c user/compose_outside.c user/evidence.c user/evidence_order.c user/evidence_outside.c user/evidence_v1.c user/evidence_wire.c user/outside.c user/reason.c user/world.c user/peers.c user/tunnel.c user/sas.c user/recall.c user/host.c user/host_links.c user/host_orders.c \
	user/ike.c user/ikes.c user/table.c user/alarm.c user/format.c
UNIT_SRC_test_model := $(IKW_PURE)
UNIT_SRC_test_doubt := $(IKW_PURE)
UNIT_SRC_test_found := $(IKW_PURE) user/checkpoint.c
UNIT_SRC_test_last_words := user/last_words.c
UNIT_SRC_test_recheck := $(IKW_PURE) user/recheck.c
UNIT_SRC_test_readdress := $(IKW_PURE)
UNIT_SRC_test_hand := $(IKW_PURE)
UNIT_SRC_test_scrub := user/scrub.c $(IKW_PURE)
UNIT_SRC_test_refused := $(IKW_PURE)
UNIT_SRC_test_ways := $(IKW_PURE)
UNIT_SRC_test_routine := $(IKW_PURE)
UNIT_SRC_test_init := $(IKW_PURE)
UNIT_SRC_test_redirect := $(IKW_PURE)
UNIT_SRC_test_far := $(IKW_PURE)
UNIT_SRC_test_held := $(IKW_PURE)
UNIT_SRC_test_unsent := $(IKW_PURE)
UNIT_SRC_test_unheard := $(IKW_PURE)

UNIT_SRC_test_reason := $(IKW_PURE)
UNIT_SRC_test_links := $(IKW_PURE)
UNIT_SRC_test_flows := $(IKW_PURE)
UNIT_SRC_test_narrowed := $(IKW_PURE)
UNIT_SRC_test_several := $(IKW_PURE)
UNIT_SRC_test_bounded := $(IKW_PURE)
UNIT_SRC_test_beside := $(IKW_PURE)
