# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
UNIT_SRC_test_catalogue := user/catalogue.c user/reasons.c user/reason.c user/cli.c
