# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
FUZZ_SRC_fuzz_control := user/control_request.c
