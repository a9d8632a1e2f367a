# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# An operator of gwa changes the configuration and loads it: the tunnel is not in it any more, or another.
variations() {
	variation removed start_a=start no_initiate=yes
	variation removed-aead start_a=start no_initiate=yes ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd children=2
	variation changed core=yes start_a=start no_initiate=yes change=yes
}
story() {
	conns_reload
	wait_gone
}
expect() {
	local n
	for ((n = 1; n <= $(opt x children 1); n++)); do
		alarm reason='config modify or manual offline' peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up="$([ -n "$(opt x change)" ] && echo any || echo false)" \
			by='^charon' ordered='^swanctl$' confidence=likely
	done
}
