# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Benchmarks (tests/bench/run says what they measure). Optimised, without sanitizers.

BENCH_CFLAGS = $(IKW_CFLAGS) -O2 -g
# the pure pipeline, as tests/unit/test_model.deps.mk lists it
BENCH_MODEL := $(IKW_PURE:user/%.c=$(O)/user/%.o)
BENCH_BIN := $(addprefix $(O)/bench/,packet pipeline inject traffic)

$(O)/bench/bench.bpf.o: tests/bench/bench.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<) $(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/bench/bench.skel.h: $(O)/bench/bench.bpf.o
	$(call say,SKEL,$@) $(BPFTOOL) gen skeleton $< name bench_bpf > $@

$(O)/bench/%.o: tests/bench/%.c $(O)/bench/bench.skel.h | $(SKELS)
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(BENCH_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/bench/pipeline: $(O)/bench/pipeline.o $(BENCH_MODEL)
$(O)/bench/packet: $(O)/bench/packet.o $(O)/user/esp_slots.o $(O)/user/packet_skel.o
$(O)/bench/inject: $(O)/bench/inject.o
$(O)/bench/traffic: $(O)/bench/traffic.o
$(BENCH_BIN):
	$(call say,LINK,$@) $(CC) $(CFLAGS) -o $@ $^ $(IKW_LDLIBS)

-include $(wildcard $(O)/bench/*.d)

# The runner installs nothing and says what it has to leave out.
.PHONY: bench
bench: $(O)/ikewatch $(O)/ikewatch-send $(BENCH_BIN)
	@O='$(O)' tests/bench/run $(BENCH)
