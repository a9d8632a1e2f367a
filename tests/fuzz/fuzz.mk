# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# libFuzzer targets: tests/fuzz/fuzz_NAME.c, with the sources it links in
# fuzz_NAME.deps.mk (FUZZ_SRC_<target> := user/...) and seeds in corpus/fuzz_NAME/.
# `make test` runs each for some seconds, `make fuzz` for FUZZ_TIME, keeping what it
# found to be new in $(O)/fuzz/corpus.

FUZZ_TIME ?= 600
FUZZ_CFLAGS = $(IKW_CFLAGS) -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
include $(wildcard tests/fuzz/*.deps.mk)

$(O)/fuzz/of/%.o: %.c
	@mkdir -p $(@D)
	$(call say,FUZZ,$<) $(CLANG) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/fuzz/%: tests/fuzz/%.c $$(call objects_of,fuzz,$$(FUZZ_SRC_$$(*))) $(wildcard tests/fuzz/*.deps.mk)
	@mkdir -p $(@D)
	$(call say,FUZZ,$(*)) $(CLANG) $(FUZZ_CFLAGS) -MMD -MP -MF $@.d -o $@ $(filter %.c %.o,$^) $(FUZZ_LIBS_$(*)) $(IKW_LDLIBS)

-include $(wildcard $(O)/fuzz/*.d $(O)/fuzz/of/user/*.d)

.PHONY: fuzz
fuzz: $(FUZZERS:%=$(O)/fuzz/%)
	@for f in $(FUZZERS); do \
		mkdir -p $(O)/fuzz/corpus/$$f && \
		$(O)/fuzz/$$f -max_total_time=$(FUZZ_TIME) -artifact_prefix=$(O)/fuzz/ -print_final_stats=1 \
			$(O)/fuzz/corpus/$$f $$(ls -d tests/fuzz/corpus/$$f 2>/dev/null) || exit 1; \
	done
