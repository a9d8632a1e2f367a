# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W and OLD are those of lib.sh
# Tunnels of other shapes: certificates with IKE fragments, transport mode, an xfrm interface, addresses given to the
# peer, aggressive mode, policies that wait for traffic. What ends them is as plain as elsewhere.
variations() {
	local cert='plugins=pem pkcs1 pkcs8 x509 pubkey constraints'
	variation certificates-silent "$cert" cert=yes how=silent dpd_a=2 ike=aes256-sha256-ecp256
	variation certificates-reauth "$cert" cert=yes how=reauth init=b
	variation certificates-ordered core=yes "$cert" cert=yes how=order ike=aes256gcm16-prfsha384-ecp384
	variation transport-silent mode=transport local_ts=dynamic remote_ts=dynamic ping_from=gwa ping_to=198.51.100.1 how=silent dpd_a=2 inside=198.51.100.1
	variation transport-peer mode=transport local_ts=dynamic remote_ts=dynamic ping_from=gwa ping_to=198.51.100.1 how=peer inside=198.51.100.1 esp=aes256gcm16
	variation interface-silent xfrmi=yes how=silent dpd_a=2 iface=ipsec7 child_more_a='if_id_in = 7
		if_id_out = 7'
	variation interface-ordered core=yes xfrmi=yes how=order iface=ipsec7 init=b child_more_a='if_id_in = 7
		if_id_out = 7'
	variation address-given-peer vip=yes init=b ping_to=10.9.0.1 how=peer inside=10.9.0.1 conn_more_b='vips = 0.0.0.0' \
		conn_more_a='pools = inner' conf_more_a='pools { inner { addrs = 10.9.0.1/32 } }' remote_ts_a=dynamic local_ts_b=dynamic
	variation address-given-silent vip=yes init=b ping_to=10.9.0.1 how=silent inside=10.9.0.1 dpd_a=2 conn_more_b='vips = 0.0.0.0' \
		conn_more_a='pools = inner' conf_more_a='pools { inner { addrs = 10.9.0.1/32 } }' remote_ts_a=dynamic local_ts_b=dynamic esp=aes128gcm16
	variation aggressive-silent version=1 conn_more='aggressive = yes' dpd_a=1 dpd_timeout_a=4 how=silent \
		charon_more='i_dont_care_about_security_and_use_aggressive_mode_psk = yes'
	variation aggressive-ordered version=1 conn_more='aggressive = yes' how=order \
		charon_more='i_dont_care_about_security_and_use_aggressive_mode_psk = yes'
	variation trap-silent core=yes start_a=trap dpd_a=2 dpd_action_a=trap how=silent traffic=yes
	variation trap-peer start_a=trap close_a=trap how=peer ike=aes128gcm16-prfsha256-ecp256
	variation close-restarts close_a=start how=peer up=any
	variation proposals-differ how=rekey esp_a=aes128-sha256-ecp256 esp_b=aes128-sha256-ecp256 rekey_a=6 ike=aes128-sha256-ecp256
}

# certificates of one authority, so large that IKE_AUTH goes out in fragments (RFC 7383)
certificates() {
	local side pad
	pad=$(printf 'x%.0s' {1..1500})
	(
		cd "$W" || exit
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=lab -days 3
		for side in a b; do
			mkdir -p $side/{x509,x509ca,private}
			cp ca.pem $side/x509ca/
			openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $side/private/key.pem -out $side.csr -subj /CN=gw$side
			openssl x509 -req -in $side.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out $side/x509/own.pem \
				-extfile <(printf 'subjectAltName=DNS:gw%s\nnsComment=%s\n' $side "$pad")
		done
	) >"$W/openssl.out" 2>&1
	[ -s "$W/b/x509/own.pem" ] || fail "certificates: $(tail -n 1 "$W/openssl.out")"
	P[local_auth]='auth = pubkey
		certs = own.pem'
	P[remote_auth]='auth = pubkey'
}
before() {
	agent_start
	[ -z "$(opt x cert)" ] || certificates
	if [ -n "$(opt x xfrmi)" ]; then
		ip -n gwa link add ipsec7 type xfrm dev out if_id 7 2>/dev/null || skip 'no xfrm interfaces in this kernel'
		ip -n gwa link set ipsec7 up
		ip -n gwa route add 10.2.0.0/16 dev ipsec7
	fi
	[ -z "$(opt x vip)" ] || ip -n gwb addr add 10.9.0.1/32 dev lo
	tunnels_up
	agent_ready
}
story() {
	[ -z "$(opt x traffic)" ] || traffic_start 1
	case $(opt x how) in
	silent) path_down ;;
	order) order a --terminate --ike tun || : ;;
	peer) order b --terminate --ike tun || : ;;
	reauth) order a --rekey --ike tun --reauth || : ;;
	rekey) ;;
	esac
	wait_gone
	# what the variation made and the next one must not find
	ip -n gwa link del ipsec7 2>/dev/null || :
	ip -n gwb addr del 10.9.0.1/32 dev lo 2>/dev/null || :
}
expect() {
	local reason up=false ordered=none
	case $(opt x how) in
	silent) reason='dpd timeout' ;;
	order) reason='config modify or manual offline' ordered='^swanctl$' ;;
	peer) reason='peer request' ;;
	reauth) reason='phase1 sa replace' up=true ordered='^swanctl$' ;;
	rekey) reason='phase2 sa replace' up=true ;;
	esac
	alarm reason="$reason" peer="$(peer_of a)" inside="$(opt x inside 10.2.0.0)" iface="$(opt x iface out)" up="$(opt x up $up)" by='^charon' \
		ordered="$ordered" confidence=likely version="$(opt a version 2)"
}
