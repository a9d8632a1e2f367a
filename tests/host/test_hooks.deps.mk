# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
HOST_SRC_test_hooks := user/hooks.c user/links.c user/clsact.c user/packets.c user/packet_skel.c user/pin.c user/lock.c user/esp_slots.c user/suppressed.c user/tcfilter.c user/table.c
