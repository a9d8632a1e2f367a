# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# Two tunnels to two addresses, both from any to any: the marks of their packets tell which goes where (as a VTI does).
# They are not the same flow: one that ends is not displaced by the other, nor carried on by it.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	local both='init=b local_ts=0.0.0.0/0 remote_ts=0.0.0.0/0 dpd_a=2'
	# shellcheck disable=SC2086  # words
	{
		variation silent $both end=silence
		variation silent-aead core=yes $both end=silence $gcm
		variation peer core=yes $both end=b
		variation ordered $both end=a
	}
}
# child_marks N: what comes out of it has another mark, or it would go in again
child_marks() { printf 'mark_in = 1%s\nmark_out = %s\nset_mark_in = 1%s\n' "$1" "$1" "$1"; }
# second SIDE: the connection of the other tunnel
second() {
	local side=$1 here there
	here=$(addr "$side") there=$(addr "$(other "$side")")
	if [ "$side" = b ]; then here=198.51.100.2; else there=198.51.100.2; fi
	echo 'connections {'
	plain_conn "$side" tun2 "$here" "$there" "second-gw$side" "second-gw$(other "$side")" c2 0.0.0.0/0 0.0.0.0/0 none |
		sed "s/start_action = none/&\\n$(child_marks 8 | sed -z 's/\n/\\n/g')/"
	echo '}'
}
# what_goes GW: which packets get which mark
what_goes() {
	local to2='ip daddr 10.2.0.0/16' to3='ip daddr 10.3.0.0/16'
	[ "$1" = gwa ] || to2='ip saddr 10.2.0.0/16' to3='ip saddr 10.3.0.0/16'
	on "$1" nft -f - <<-NFT
		table inet fw {
			chain marks {
				type filter hook prerouting priority mangle
				iifname "in" $to2 meta mark set 7
				iifname "in" $to3 meta mark set 8
			}
		}
	NFT
}
before() {
	P[conf_more_a]=$(second a)
	P[conf_more_b]=$(second b)
	P[child_more]=$(child_marks 7)
	what_goes gwa
	what_goes gwb
	agent_start
	tunnels_up
	agent_ready
}
story() {
	case $(opt x end) in
	silence)
		wait_log a 'parsed INFORMATIONAL response' 30
		path_drop 'ip saddr 198.51.100.1'
		path_drop 'ip daddr 198.51.100.1'
		sleep 1 ;;
	esac
	initiate b c2
	wait_for 60 'the second tunnel' on hosta ping -q -c 1 -W 1 10.3.0.2 >/dev/null
	case $(opt x end) in
	a | b) order "$(opt x end)" --terminate --ike tun || : ;;
	esac
	wait_gone
	on gwb nft delete table inet fw
}
expect() {
	local reason ordered=none
	case $(opt x end) in
	silence) reason='dpd timeout' ;;
	b) reason='peer request' ;;
	a) reason='config modify or manual offline' ordered='^swanctl$' ;;
	esac
	alarm reason="$reason" peer="$(peer_of a)" inside=0.0.0.0 up=false by='^charon' ordered="$ordered" confidence=likely version=2
}
