# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The daemon has an inner address, which this very host translates as its messages leave: the SAs are between other
# addresses than the IKE on the wire. What rests on that cannot be known, and must not be guessed.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	# shellcheck disable=SC2086  # words
	{
		variation silent how=silent dpd_a=2
		variation silent-aead how=silent dpd_a=2 $gcm
		variation peer how=peer
		variation peer-aead how=peer $gcm
		variation ordered how=order
		variation rekey how=rekey
		variation reauth how=reauth
		variation flush how=flush
	}
}
before() {
	P[local_addrs_a]=10.1.0.1
	P[remote_addrs_b]=192.0.2.1
	agent_start
	on gwa nft -f - <<-NFT || fail 'nft: refused'
		table ip own {
			chain out {
				type nat hook postrouting priority 100
				oifname "out" ip saddr 10.1.0.1 meta l4proto udp snat to 192.0.2.1
			}
		}
	NFT
	tunnels_up
	agent_ready
}
story() {
	sleep 3
	case $(opt x how) in
	silent) path_down ;;
	order) order a --terminate --ike tun || : ;;
	peer) order b --terminate --ike tun || : ;;
	rekey) order a --rekey --child c1 || : ;;
	reauth) order a --rekey --ike tun --reauth || : ;;
	flush)
		note 'ip xfrm state flush'
		ip -n gwa xfrm state flush ;;
	esac
	wait_gone
	on gwa nft delete table ip own
	on gwa conntrack -F >/dev/null 2>&1 || :
}
expect() {
	local reason up=false ordered=none by='^charon' confidence=likely
	case $(opt x how) in
	silent | peer) reason=unknown confidence=none ;;
	order) reason='config modify or manual offline' ordered='^swanctl$' ;;
	rekey) reason='phase2 sa replace' up=true ordered='^swanctl$' ;;
	reauth) reason=unknown up=true confidence=none ;;
	flush) reason='config modify or manual offline' by='^ip$' ;;
	esac
	alarm reason="$reason" peer=198.51.100.1 inside=10.2.0.0 up=$up by="$by" ordered="$ordered" confidence=$confidence version=none
}
