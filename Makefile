# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# make            build/ikewatch            make demo   the main job on real tunnels, in a VM
# make test       every test                make bench  speed and memory, as ratios
# make matrix     the core of the stories on every kernel with every tier, in VMs
# make run        the agent on this host    make install DESTDIR= prefix=
# make truth      how true the verdicts of the laboratory runs so far were
# O=DIR puts objects elsewhere, V=1 shows commands.

O ?= build
prefix ?= /usr
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= bpftool
PKG_CONFIG ?= pkg-config
VERSION := $(shell cat VERSION)

ifeq ($(V),1)
Q :=
say :=
else
Q := @
say = @printf '  %-8s %s\n' "$(1)" "$(2)";
endif

LIBS := libbpf libelf zlib libmnl jansson sqlite3 libcap-ng libseccomp libsystemd libpcap libconfuse
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
	-Wpointer-arith -Wundef
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
CFLAGS ?= -O2 -g
IKW_CFLAGS = -std=gnu11 $(WARN) -D_GNU_SOURCE -DIKEWATCH_VERSION='"$(VERSION)"' -I. -Iuser -I$(O) \
	$(shell $(PKG_CONFIG) --cflags $(LIBS) 2>/dev/null)
IKW_LDLIBS = $(shell $(PKG_CONFIG) --libs $(LIBS) 2>/dev/null)

# MACHINE and SYSROOT: another machine's, for a cross build (scripts/arm64)
MACHINE ?= $(shell uname -m)
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(MACHINE)))
BPF_CFLAGS := -target bpf -g -O2 -mcpu=v3 -Wall -Wextra -Werror -Wshadow -Wundef \
	-D__TARGET_ARCH_$(BPF_ARCH) -I. -I$(SYSROOT)/usr/include/$(MACHINE)-linux-gnu

BPF_SRC := $(wildcard bpf/*.bpf.c)
SKELS := $(patsubst bpf/%.bpf.c,$(O)/%.skel.h,$(BPF_SRC))
USER_SRC := $(wildcard user/*.c)
USER_OBJ := $(patsubst user/%.c,$(O)/user/%.o,$(USER_SRC))

# What speaks to the network: a second program, so that the agent loads none of these libraries.
SEND_LIBS := netsnmp libssl libcrypto libcurl libsystemd libnats libmicrohttpd jansson sqlite3 libconfuse libcap-ng libseccomp
SEND_SRC := $(wildcard user/send/*.c) user/main.c user/cli.c user/control_client.c user/control_request.c user/alarm.c user/format.c user/reason.c \
	user/lock.c user/store.c user/store_sql.c user/store_write.c user/store_list.c user/store_salvage.c
SEND_OBJ := $(patsubst user/%.c,$(O)/user/%.o,$(SEND_SRC))
libexecdir ?= $(prefix)/libexec/ikewatch

.PHONY: all
all: $(O)/ikewatch $(O)/ikewatch-send

.DELETE_ON_ERROR:
.SECONDARY:

# pkg-config says nothing at all about any library when one is missing: say which, before the linker's thousand lines
.PHONY: libraries send-libraries
libraries: NEEDED = $(LIBS)
send-libraries: NEEDED = $(SEND_LIBS)
libraries send-libraries:
	@$(PKG_CONFIG) --print-errors --exists $(NEEDED) || \
		{ echo 'make: a library to build with is missing; scripts/deps build installs it' >&2; exit 1; }

$(USER_OBJ): | libraries
$(filter-out $(USER_OBJ),$(SEND_OBJ)): | send-libraries
$(O)/ikewatch: $(USER_OBJ)
	$(call say,LINK,$@) $(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now -o $@ $^ $(LDFLAGS) $(IKW_LDLIBS)

$(O)/ikewatch-send: $(SEND_OBJ)
	$(call say,LINK,$@) $(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now -Wl,--as-needed -o $@ $^ $(LDFLAGS) \
		$(shell $(PKG_CONFIG) --libs $(SEND_LIBS) 2>/dev/null)

$(O)/user/sender.o: IKW_CFLAGS += -DIKW_LIBEXEC_DIR='"$(libexecdir)"'
$(O)/user/%.o: user/%.c | $(SKELS)
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(IKW_CFLAGS) $(CFLAGS) $(HARDEN) -MMD -MP -c -o $@ $<

$(O)/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<) $(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/%.skel.h: $(O)/%.bpf.o
	$(call say,SKEL,$@) $(BPFTOOL) gen skeleton $< name $(*)_bpf > $@

-include $(USER_OBJ:.o=.d) $(SEND_OBJ:.o=.d) $(BPF_SRC:bpf/%.bpf.c=$(O)/%.bpf.d)

# objects_of FOLDER,SOURCES: what tests link is compiled once for all tests of a folder, with its flags
objects_of = $(patsubst %.c,$(O)/$(1)/of/%.o,$(2))
.SECONDEXPANSION:

include tests/unit/unit.mk
include scripts/install.mk
-include tests/host/host.mk tests/fuzz/fuzz.mk tests/bench/bench.mk

# Both first install what is missing; what make has evaluated by then (pkg-config) would be stale,
# so the work is done by a make or a runner of its own.
.PHONY: test demo
test:
	@scripts/deps
	@O='$(O)' tests/run $(LEVELS)

demo:
	@scripts/deps build vm
	@$(MAKE) --no-print-directory O=build all
	@scripts/demo

# How true the verdicts of the laboratory runs under build/lab were.
.PHONY: truth
truth:
	@tests/lab/truth

# Every kernel of scripts/kernel with every tier, about five minutes each; see tests/matrix for parts of it.
.PHONY: matrix
matrix: all
	@scripts/deps vm
	@tests/matrix $(CELLS)

.PHONY: clean
clean:
	rm -rf --one-file-system $(O)
