# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
UNIT_SRC_test_netlink_rt := user/netlink_rt.c user/nlsocket.c
