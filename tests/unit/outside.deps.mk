# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
UNIT_SRC_test_outside := user/outside.c user/host.c user/host_links.c user/host_orders.c user/table.c
