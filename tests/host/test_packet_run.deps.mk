# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
HOST_SRC_test_packet_run := user/packet_skel.c user/esp_slots.c
