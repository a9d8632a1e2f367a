# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
GUEST_SRC_probe_dump := user/loader.c user/loader_pin.c user/loader_programs.c user/intake.c user/wire.c user/probes.c user/trial.c user/links.c user/pin.c user/lock.c user/table.c user/event.c user/event_fields.c user/event_read.c
