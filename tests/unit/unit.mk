# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Host-only unit tests (cmocka), under ASan and UBSan. Each test names the
# sources it links: a long line is a module that knows too much.
#   UNIT_SRC_<test> := sources beside tests/unit/<test>.c

UNIT_CFLAGS = $(IKW_CFLAGS) -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
include $(wildcard tests/unit/*.deps.mk)

$(O)/unit/of/%.o: %.c | $(SKELS)
	@mkdir -p $(@D)
	$(call say,UNIT,$<) $(CC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/unit/%: tests/unit/%.c $$(call objects_of,unit,$$(UNIT_SRC_$$(*))) $(wildcard tests/unit/*.deps.mk) | $(SKELS)
	@mkdir -p $(@D)
	$(call say,UNIT,$(*)) $(CC) $(UNIT_CFLAGS) -MMD -MP -o $@ $(filter %.c %.o,$^) -lcmocka $(UNIT_LIBS_$(*)) $(IKW_LDLIBS)

-include $(wildcard $(O)/unit/*.d $(O)/unit/of/user/*.d)

.PHONY: unit
unit: $(UNIT_TESTS:%=$(O)/unit/%)
	@for t in $^; do echo "== $$t"; $$t || exit 1; done
