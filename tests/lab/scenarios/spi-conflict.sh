# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# gwb has four SPIs to choose from, and on gwa somebody else's SAs hold the three that the tunnel does not have: the next
# negotiation of gwa's daemon fails in the kernel (EEXIST), and the tunnel goes because of it. (strongSwan and Libreswan
# clean up by SPI, and so delete the other's SA as well: seen with 5.9.8 and 4.10.)
variations() {
	variation rekey what=rekey life_a=24
	variation rekey-aead what=rekey life_a=24 ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16 daemon_a=charon-systemd init=b
	variation reauth what=reauth mbb=yes
	variation reauth-by-peer what=reauth-peer init=b mbb=yes
	variation libreswan-rekey daemon_a=pluto what=rekey pluto_life=30s pluto_margin=16s
	variation libreswan-rekey-by-peer daemon_a=pluto what=rekey-peer init=b rekey_b=9 life_b=25
	variation libreswan-rekey-aead daemon_a=pluto what=rekey pluto_life=30s pluto_margin=16s init=b ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256
}
before() {
	P[charon_more_b]='spi_min = 4096
			spi_max = 4099'
	agent_start
	agent_ready
	tunnels_up
}
take_the_rest() {
	local n
	for n in 4096 4097 4098 4099; do
		ip -n gwa xfrm state add src 192.0.2.3 dst 198.51.100.1 proto esp spi "$n" mode tunnel \
			aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128 2>/dev/null || :
	done
	note "SAs of gwa: $(ip -n gwa xfrm state | awk '/spi 0x/ {printf "%s ", $4}')"
	[ "$(ip -n gwa xfrm state | grep -c 'spi 0x0000100[0-3] ')" = 4 ] || fail 'the SPIs are not taken'
}
story() {
	take_the_rest
	case $(opt x what) in
	rekey) is_pluto a || order a --rekey --child c1 || : ;;
	reauth) order a --rekey --ike tun --reauth || : ;;
	reauth-peer) order b --rekey --ike tun --reauth || : ;;
	esac
	wait_gone
	# what the daemon tries again, and what it deletes of the other's, is of the story
	sleep 6
}
# The daemon deletes the SA that it could install (inbound), and the other's by the SPI that it could not: as many alarms
# as it tries, and each of them has this one cause. So an SPI may be free when it tries again, and gwb choose just that one:
# then the daemon's log tells of a rekey, and the pair that it replaced (not the half that came to nothing) went by that.
expect() {
	local inside sas reason rekeys
	sleep 3 # the last one's alarm may still be due
	rekeys=$(grep -cE 'inbound CHILD_SA c1[{][0-9]+[}] established' "$W/a/charon.log" 2>/dev/null)
	# one that came after the old one's end was no rekey
	is_pluto a && rekeys=$(awk '/to delete established Child SA/ { exit } /established Child SA/ { n++ } END { print n - 1 }' "$W/a/pluto.log")
	while read -r inside sas; do
		reason='spi conflict'
		if [ "$sas" = 2 ] && [ "${rekeys:-0}" -gt 0 ]; then
			reason='phase2 sa replace'
			rekeys=$((rekeys - 1))
		fi
		alarm reason="$reason" peer="$(peer_of a)" inside="$inside" up=any confidence=likely netlink="$reason|unknown"
	done < <(agent_alarms | jq -rs 'map([.inside_ip, (.sas | length)]) | if any(.[0] == "10.2.0.0") then . else . + [["10.2.0.0", 2]] end | .[] | @tsv')
}
