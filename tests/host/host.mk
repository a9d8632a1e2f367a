# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Tests that need this host's kernel (root), and programs that tests in the VM
# run there. Each names the sources it links in NAME.deps.mk beside it:
#   HOST_SRC_<test> := user/...   HOST_LIBS_<test> := -l...

HOST_CFLAGS = $(IKW_CFLAGS) -O1 -g
include $(wildcard tests/host/*.deps.mk tests/vm/*.deps.mk)

$(O)/host/%: tests/host/%.c $(SKELS) FORCE_HOST
	@mkdir -p $(@D)
	$(call say,HOST,$(*)) $(CC) $(HOST_CFLAGS) -o $@ $< $(HOST_SRC_$(*)) -lcmocka $(HOST_LIBS_$(*)) $(IKW_LDLIBS)

$(O)/guest/%: tests/vm/%.c $(SKELS) FORCE_HOST
	@mkdir -p $(@D)
	$(call say,GUEST,$(*)) $(CC) $(HOST_CFLAGS) -o $@ $< $(GUEST_SRC_$(*)) -lbpf -lelf -lz -ljansson

.PHONY: FORCE_HOST
FORCE_HOST:

# Every member of vmlinux/vmlinux.h against a kernel: BTF=FILE, else the one that runs.
BTF ?= /sys/kernel/btf/vmlinux
.PHONY: vmlinux-check
vmlinux-check: $(O)/host/vmlinux_check $(O)/host/slice.o
	$(Q)$< $(O)/host/slice.o $(BTF)

# One variable of each struct, so that all of them are in the object's BTF.
$(O)/host/slice.o: vmlinux/vmlinux.h bpf/core_fixes.h
	@mkdir -p $(@D)
	@{ echo '#include "bpf/core_fixes.h"'; \
	   sed -n 's/^struct \([a-z0-9_]*\) {$$/struct \1 slice_\1;/p' $^; } >$(O)/host/slice.c
	$(call say,BPF,$@) $(CLANG) $(BPF_CFLAGS) -c -o $@ $(O)/host/slice.c
