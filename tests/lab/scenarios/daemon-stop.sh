# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The IKE daemon of gwa is stopped.
variations() {
	variation ikev2
	variation aead-two ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd children=2 init=b
	variation ikev1 version=1 ike=aes256-sha256-modp2048
}
story() {
	note 'gwa: SIGTERM'
	end gwa TERM 30
	wait_gone
}
expect() {
	local n
	for ((n = 1; n <= $(opt x children 1); n++)); do
		alarm reason='config modify or manual offline' peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up=false by='^charon' confidence=likely
	done
}
