# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
HOST_SRC_test_loader := user/loader.c user/loader_pin.c user/loader_programs.c user/intake.c user/wire.c user/probes.c user/trial.c user/links.c user/event.c user/event_fields.c user/event_read.c user/pin.c user/lock.c user/table.c
