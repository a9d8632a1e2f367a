# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# A request of gwa other than a liveness check is never answered: the rekey's CREATE_CHILD_SA, IKEv1's Quick Mode.
variations() {
	variation child-rekey rekey_a=12 rt='0.7 1.5 2'
	variation child-rekey-aead core=yes rekey_a=12 rt='0.5 2 2' ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 init=b daemon_a=charon-systemd traffic=yes
	variation answer-lost core=yes rekey_a=12 rt='0.7 1.5 3' lost=yes ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation held-here rekey_a=12 rt='0.7 1.5 2' lost=out
	variation held-here-aead rekey_a=12 rt='0.7 1.5 2' lost=out ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 init=b
	variation held-here-quick version=1 rekey_a=12 rt='0.6 1.5 2' lost=out
	variation ike-rekey ike_rekey_a=12 rt='0.8 1.8 2' ike=aes256-sha512-modp2048
	variation child-rekey-two children=2 rekey_a=12 rt='0.8 1.5 2'
	variation ikev1-quick core=yes version=1 rekey_a=12 rt='0.6 1.5 2'
	variation ikev1-quick-3des version=1 rekey_a=12 rt='0.5 1.8 2' ike=3des-sha1-modp1024 esp=3des-sha1 init=b
}
before() { agent_start; agent_ready; tunnels_up; }
story() {
	[ -z "$(opt x traffic)" ] || traffic_start 1
	peer_lost
	not_yet 'creating rekey job|IKE_SA tun\[2\]'
	wait_gone
}
expect() {
	local n
	for ((n = 1; n <= $(opt x children 1); n++)); do
		alarm reason='exchange timeout' peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up=false by='^charon' ordered=none \
			confidence="$([ "$(opt x lost)" = out ] && echo possible || echo likely)" detail="$(lost_detail)" version="$(opt a version 2)"
	done
}
