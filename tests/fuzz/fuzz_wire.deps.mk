# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
FUZZ_SRC_fuzz_wire := user/wire.c user/outside.c user/host.c user/host_links.c user/host_orders.c user/table.c user/event.c user/event_fields.c user/event_read.c
