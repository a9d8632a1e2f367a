# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# Many peers, an IKE_SA and a tunnel each, and their ends fall into the same seconds: each has its own cause. Peer n is
# 198.51.100.(10 + n), or they are all behind one address (address=one), as seen where they share a NAT: begun at once,
# whose IKE_SA is whose is in part a guess then, which has to be said, and what rests on it no more than possible.
variations() {
	variation uplink-dies how=silence dpd_a=2
	variation uplink-dies-ordered how=silence-order dpd_a=2 ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation peers-stop how=peer-stops
	variation we-stop how=we-stop ike=chacha20poly1305-prfsha256-curve25519 esp=chacha20poly1305
	variation removed how=removed
	variation mixed core=yes how=mixed dpd_a=2
	# so far away that what one end says crosses what the other does
	variation mixed-far how=mixed dpd_a=2 delay=150
	variation mixed-further how=mixed dpd_a=2 delay=400
	variation mixed-far-aead how=mixed dpd_a=2 delay=200 ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation mixed-far-ikev1 version=1 how=mixed dpd_a=2 delay=200
	variation mixed-far-libreswan daemon_a=pluto how=mixed dpd_a=2 delay=200
	variation mixed-far-one-address how=mixed address=one delay=150
	variation mixed-aead how=mixed dpd_a=2 ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation mixed-one-address how=mixed address=one
	variation mixed-one-address-aead how=mixed address=one ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16
	variation uplink-dies-one-address how=silence address=one dpd_a=2
	variation uplink-dies-ikev1 version=1 how=silence dpd_a=2
	variation peers-stop-ikev1 version=1 how=peer-stops
	variation mixed-ikev1 version=1 how=mixed dpd_a=2
	variation mixed-one-address-ikev1 version=1 how=mixed address=one
	variation uplink-dies-libreswan daemon_a=pluto how=silence dpd_a=2
	variation peers-stop-libreswan daemon_a=pluto how=peer-stops
	variation mixed-libreswan daemon_a=pluto how=mixed dpd_a=2 ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256
}
N=24
peer_addr() { if [ "$(opt x address)" = one ]; then echo 198.51.100.1; else echo "198.51.100.$((10 + $1))"; fi; }
crowd_conns() {
	local side=$1 n=$2 to=$3 here there me them
	for ((; n <= to; n++)); do
		if [ "$side" = a ]; then
			here=192.0.2.1 there=$(peer_addr "$n") me=10.1.0.0/16 them=10.2.$n.0/24
		else
			here=$(peer_addr "$n") there=192.0.2.1 me=10.2.$n.0/24 them=10.1.0.0/16
		fi
		plain_conn "$side" "p$n" "$here" "$there" "gw$side-$n" "gw$(other "$side")-$n" "c$n" "$me" "$them" \
			"$([ "$side" = a ] && echo start || echo none)"
	done
}
charon_conn() {
	{
		echo 'connections {'
		crowd_conns "$1" 1 $N
		echo '}'
		cat <<-CONF
			secrets {
				ike-tun {
					secret = the-secret-of-the-lab
				}
			}
		CONF
	} >"$W/$1/swanctl.conf"
}
pluto_ends() {
	local n=$2
	cat <<-CONF
		left=192.0.2.1
		leftid=@gwa-$n
		leftsubnet=10.1.0.0/16
		right=$(peer_addr "$n")
		rightid=@gwb-$n
		rightsubnet=10.2.$n.0/24
	CONF
}
before() {
	local n
	P[log_names]=yes
	! is_pluto a || P[children_a]=$N
	P[rt]='1 1.5 3' # so many at once take a while,
	P[charon_more_b]='dos_protection = no' # and are from one address
	if [ "$(opt x address)" != one ]; then
		for ((n = 1; n <= N; n++)); do echo "addr add $(peer_addr "$n")/24 dev out"; done | ip -n gwb -batch -
	fi
	# all of it has to have been seen, or whose IKE_SA is whose is not known
	agent_start
	agent_ready
	gateway_start b
	gateway_start a
	gateway_load b
	gateway_load a
	for ((n = 1; n <= N; n++)); do ! is_pluto a || initiate a "c$n"; done
	wait_for 120 'SAs on gwa' sas_are gwa $((N * 2))
	wait_for 60 'SAs on gwb' sas_are gwb $((N * 2))
	OLD=$(spis gwa)
	is_pluto a || swan a --list-sas >"$W/a/sas"
	nap 3 # who lists them makes the daemon look at their use, too
}
# of $N: the first quarter falls silent, the second is ended by the peers, the third ordered down here, the last rekeyed
# (IKEv1 leaves the old inbound SA to its lifetime: not rekeyed)
quarter() { echo $((($1 - 1) * 4 / N)); }
rekeyed() { [ "$(opt x version 2)" = 2 ]; }
checked() {
	if is_pluto a; then wait_log b 'parsed INFORMATIONAL request' 30; else wait_log a 'parsed INFORMATIONAL(_V1 request| response)' 30; fi
}
far_away() {
	local dev
	modprobe -q sch_netem || skip 'this kernel has no netem'
	for dev in ra rb; do
		on router tc qdisc replace dev $dev root netem delay "$(opt x delay)ms" limit 10000 || fail 'tc: netem refused'
	done
	note "the peers are $(opt x delay) ms away"
	sleep 4
}
# ordered down, and rekeyed, by somebody on gwa
ordered() { if is_pluto a; then told --name "c$1" --terminate; else order a --terminate --ike "p$1"; fi; }
rekey() { if is_pluto a; then whack_rekey a "c$1"; else order a --rekey --child "c$1"; fi; }
told() { note "whack $*"; whack a "$@" >>"$W/a/whack.out" 2>&1 || :; }
story() {
	local n
	case $(opt x how) in
	silence | silence-order)
		checked
		path_down
		if [ "$(opt x how)" = silence-order ]; then
			# not waited for: swanctl was seen to hang though its IKE_SA had gone (it ends with charon)
			for n in 3 7 11; do order a --terminate --ike "p$n" --timeout 1 & done
		fi
		;;
	peer-stops) end gwb TERM 60 ;;
	we-stop) end gwa TERM 60 ;;
	removed)
		{
			echo 'connections {'
			crowd_conns a 1 $((N / 2))
			echo '}'
		} >"$W/a/swanctl.conf"
		OLD=$(for ((n = N / 2 + 1; n <= N; n++)); do spis_into a "10.2.$n.0/24"; done)
		order a --load-conns --file "$W/a/swanctl.conf"
		;;
	mixed)
		[ -z "$(opt x delay)" ] || far_away
		[ "$(opt x address)" = one ] || {
			checked
			path_drop "ip daddr $(peer_addr 1)-$(peer_addr $((N / 4)))"
			path_drop "ip saddr $(peer_addr 1)-$(peer_addr $((N / 4)))"
		}
		OLD=$(for ((n = 1; n <= N; n++)); do
			case $(opt x address)$(quarter "$n") in
			one0) ;;
			*3) ! rekeyed || spis_into a "10.2.$n.0/24" ;;
			*) spis_into a "10.2.$n.0/24" ;;
			esac
		done)
		for ((n = 1; n <= N / 4; n++)); do
			order b --terminate --ike "p$((N / 4 + n))"
			ordered $((N / 2 + n))
			! rekeyed || rekey $((3 * N / 4 + n))
		done
		;;
	esac
	wait_gone 120
}
ends() {
	local n=$1 reason=$2 spi_i=
	shift 2
	is_pluto a || spi_i=spi_i=$(sed -nE "s/^p$n: .* ([0-9a-f]{16})_i.*/\1/p" "$W/a/sas")
	alarm ${spi_i:+"$spi_i"} reason="$reason" peer="$(peer_addr "$n")" inside="10.2.$n.0" by='^(charon|pluto)' version="$(opt x version 2)" \
		confidence="$([ "$(opt x address)" = one ] && echo possible || echo likely)" "$@"
}
expect() {
	local n
	for ((n = 1; n <= N; n++)); do
		case $(opt x how):$(quarter "$n") in
		silence-order:*)
			case $n in
			3 | 7 | 11)
				# one whose liveness check was under way is not deleted any sooner for the order
				if log_has a "deleting IKE_SA p$n\\["; then
					ends "$n" 'config modify or manual offline' up=false ordered='^swanctl'
				else
					ends "$n" 'dpd timeout' up=false ordered=none
				fi ;;
			*) ends "$n" 'dpd timeout' up=false ordered=none ;;
			esac ;;
		silence:* | mixed:0) [ "$(opt x how)$(opt x address)" = mixedone ] || ends "$n" 'dpd timeout' up=false ordered=none ;;
		# (behind one address, where our own Delete comes after the deed as in IKEv1, it may stay a guess)
		mixed:1)
			if rekeyed || [ "$(opt x address)" != one ]; then
				# Libreswan sets up anew what it had begun
				ends "$n" 'peer request' up="$(is_pluto a && echo any || echo false)" ordered=none
			else
				ends "$n" 'peer request' maybe='config modify or manual offline' up=false
			fi ;;
		peer-stops:*) ends "$n" 'peer request' up=false ordered=none ;;
		we-stop:*) ends "$n" 'config modify or manual offline' up=false ;;
		removed:[23] | mixed:2) ends "$n" 'config modify or manual offline' up=false ordered='^(swanctl|whack)' ;;
		mixed:3) ! rekeyed || ends "$n" 'phase2 sa replace' up=true ;;
		esac
	done
}
