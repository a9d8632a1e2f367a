# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Tests that need this host's kernel (root), and programs that tests in the VM
# run there. Each names the sources it links in NAME.deps.mk beside it:
#   HOST_SRC_<test> := user/...   HOST_LIBS_<test> := -l...   (in the VM: GUEST_SRC_, GUEST_LIBS_)

HOST_CFLAGS = $(IKW_CFLAGS) -O1 -g
host_lists := $(wildcard tests/host/*.deps.mk tests/vm/*.deps.mk)
include $(host_lists)

$(O)/host/of/%.o: %.c | $(SKELS)
	@mkdir -p $(@D)
	$(call say,HOST,$<) $(CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/host/%: tests/host/%.c $$(call objects_of,host,$$(HOST_SRC_$$(*))) $(host_lists) | $(SKELS)
	@mkdir -p $(@D)
	$(call say,HOST,$(*)) $(CC) $(HOST_CFLAGS) -MMD -MP -o $@ $(filter %.c %.o,$^) -lcmocka $(HOST_LIBS_$(*)) $(IKW_LDLIBS)

$(O)/guest/%: tests/vm/%.c $$(call objects_of,host,$$(GUEST_SRC_$$(*))) $(host_lists) | $(SKELS)
	@mkdir -p $(@D)
	$(call say,GUEST,$(*)) $(CC) $(HOST_CFLAGS) -MMD -MP -o $@ $(filter %.c %.o,$^) $(GUEST_LIBS_$(*)) -lbpf -lelf -lz -ljansson

# All of them, before lanes that would make the same objects at once begin (tests/run).
.PHONY: guests
guests: $(patsubst tests/vm/%.c,$(O)/guest/%,$(wildcard tests/vm/*.c))

-include $(wildcard $(O)/host/*.d $(O)/guest/*.d $(O)/host/of/user/*.d)

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
