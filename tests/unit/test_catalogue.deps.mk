# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
UNIT_SRC_test_catalogue := user/catalogue.c user/catalogue_out.c user/reason.c
