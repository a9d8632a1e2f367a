# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwa begins a reauthentication and it comes to nothing: the peer is unreachable, or refuses.
variations() {
	variation unreachable rt='0.6 1.5 2'
	variation unreachable-checked core=yes dpd_a=4 checks=yes rt='0.6 1.5 2'
	variation unreachable-aead rt='0.5 1.8 2' ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 timer=yes reauth_a=9 daemon_a=charon-systemd
	variation make-unreachable core=yes mbb=yes rt='0.5 1.5 2' timer=yes reauth_a=8 over_a=8
	variation rejected core=yes psk=first reject=yes
	variation rejected-aead psk=first reject=yes ike=aes128gcm16-prfsha256-ecp256 esp=aes128gcm16 children=2
}
before() { agent_start; agent_ready; tunnels_up; }
story() {
	if [ -n "$(opt x reject)" ]; then
		secret_differs
	else
		# liveness checks that were answered, of the same length as the Delete to come
		[ -z "$(opt x checks)" ] || wait_log a 'parsed INFORMATIONAL response' 30
		path_down
	fi
	not_yet 'reauthenticating'
	[ -n "$(opt x timer)" ] || order a --rekey --ike tun --reauth
	wait_gone 120
}
expect() {
	local n
	for ((n = 1; n <= $(opt x children 1); n++)); do
		alarm reason='re-auth timeout' peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up=false by='^charon' confidence=possible \
			detail="$([ -n "$(opt x reject)" ] && echo 'refuse')" version=2
	done
}
