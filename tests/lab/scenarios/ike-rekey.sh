# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The IKE_SA is replaced and keeps its CHILD_SAs: nothing is deleted, no alarm.
variations() {
	variation local by=a
	variation peer by=b ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 init=b
	variation ikev1-reauth core=yes version=1 by=a
	variation ikev1-reauth-peer version=1 by=b ike=aes256-sha384-modp2048 init=b
}
established() { swan "$1" --list-sas 2>/dev/null | grep -E '_i\*? |ESTABLISHED'; }
story() {
	local side before
	side=$(opt x by)
	before=$(ike_spis a)
	if [ "$(opt x version 2)" = 1 ]; then order "$side" --rekey --ike tun --reauth; else order "$side" --rekey --ike tun; fi
	wait_for 30 'another IKE_SA' ike_changed "$before"
	# the old one goes, at once or after its time
	wait_for 30 'traffic as before' on hosta ping -q -c 2 -i 0.5 -W 1 10.2.0.2 >/dev/null
	[ "$(spis gwa)" = "$OLD" ] || fail 'the SAs are not the same any more'
}
expect() { :; }
