# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# make install [DESTDIR=] [prefix=/usr]   binary, manual, completion, systemd unit
# make uninstall                          takes the same files away again, but for a configuration that was changed
# make deb                                $(O)/ikewatch_VERSION_ARCH.deb
# make run [ARGS=...]                     the agent on this host (root)

INSTALL ?= install
sbindir ?= $(prefix)/sbin
mandir ?= $(prefix)/share/man
docdir ?= $(prefix)/share/doc/ikewatch
completiondir ?= $(prefix)/share/bash-completion/completions
# systemd reads units below /usr and /usr/local alike
unitdir ?= $(prefix)/lib/systemd/system
sysusersdir ?= $(prefix)/lib/sysusers.d

mibdir ?= $(prefix)/share/snmp/mibs

INSTALLED = $(sbindir)/ikewatch $(libexecdir)/ikewatch-send $(mibdir)/IKEWATCH-MIB.txt $(docdir)/sinks.conf \
	$(docdir)/ikewatch.rules.yml $(docdir)/ikewatch.dashboard.json \
	$(unitdir)/ikewatch-send.service $(sysusersdir)/ikewatch.conf $(mandir)/man8/ikewatch.8 $(mandir)/man5/ikewatch.conf.5 $(completiondir)/ikewatch \
	$(unitdir)/ikewatch.service $(docdir)/README.md

.PHONY: install uninstall deb run
install: $(O)/ikewatch $(O)/ikewatch-send
	$(call say,INSTALL,$(DESTDIR)$(prefix)) $(INSTALL) -d $(addprefix $(DESTDIR),$(dir $(INSTALLED)))
	$(Q)$(INSTALL) -m 755 $(O)/ikewatch $(DESTDIR)$(sbindir)/ikewatch
	$(Q)$(INSTALL) -m 755 $(O)/ikewatch-send $(DESTDIR)$(libexecdir)/ikewatch-send
	$(Q)$(INSTALL) -m 644 scripts/IKEWATCH-MIB $(DESTDIR)$(mibdir)/IKEWATCH-MIB.txt
	$(Q)$(INSTALL) -m 644 scripts/sinks.conf scripts/ikewatch.rules.yml scripts/ikewatch.dashboard.json $(DESTDIR)$(docdir)
	$(Q)sed -e 's|@sbindir@|$(sbindir)|' scripts/ikewatch-send.service >$(DESTDIR)$(unitdir)/ikewatch-send.service
	$(Q)chmod 644 $(DESTDIR)$(unitdir)/ikewatch-send.service
	$(Q)sed -e 's|@version@|$(VERSION)|' scripts/ikewatch.8 >$(DESTDIR)$(mandir)/man8/ikewatch.8
	$(Q)sed -e 's|@version@|$(VERSION)|' scripts/ikewatch.conf.5 >$(DESTDIR)$(mandir)/man5/ikewatch.conf.5
	$(Q)chmod 644 $(DESTDIR)$(mandir)/man8/ikewatch.8 $(DESTDIR)$(mandir)/man5/ikewatch.conf.5
	$(Q)$(INSTALL) -d $(DESTDIR)/etc/ikewatch
	$(Q)[ -e $(DESTDIR)/etc/ikewatch/ikewatch.conf ] || $(INSTALL) -m 644 scripts/ikewatch.conf $(DESTDIR)/etc/ikewatch/ikewatch.conf
	$(Q)$(INSTALL) -m 644 scripts/ikewatch.bash-completion $(DESTDIR)$(completiondir)/ikewatch
	$(Q)sed -e 's|@sbindir@|$(sbindir)|' scripts/ikewatch.service >$(DESTDIR)$(unitdir)/ikewatch.service
	$(Q)chmod 644 $(DESTDIR)$(unitdir)/ikewatch.service
	$(Q)$(INSTALL) -m 644 scripts/ikewatch.sysusers $(DESTDIR)$(sysusersdir)/ikewatch.conf
	$(Q)$(INSTALL) -m 644 README.md $(DESTDIR)$(docdir)/README.md
	@[ -n '$(DESTDIR)' ] || [ ! -d /run/systemd/system ] || \
		echo 'the service: systemd-sysusers && systemctl daemon-reload && systemctl enable --now ikewatch'

uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	cmp -s scripts/ikewatch.conf $(DESTDIR)/etc/ikewatch/ikewatch.conf && rm -f $(DESTDIR)/etc/ikewatch/ikewatch.conf || :
	-rmdir $(DESTDIR)$(docdir) $(DESTDIR)$(libexecdir)

deb: $(O)/ikewatch $(O)/ikewatch-send
	$(call say,DEB,$(O)) MAKE='$(MAKE)' scripts/deb $(O)

run: $(O)/ikewatch
	@[ "$$(id -u)" = 0 ] || { echo 'make run: the agent needs root here: sudo make run' >&2; exit 1; }
	$(O)/ikewatch run $(ARGS)
