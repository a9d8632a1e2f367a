# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# Remote access: one end proves itself with a password (EAP in IKEv2, XAuth in IKEv1), which takes more messages than a
# secret of both. gwa is the server, or (us-...) the client. Set up, reauthenticated, refused, lost half way.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	# shellcheck disable=SC2086  # words
	{
		variation eap-silent auth=eap client=b how=silent dpd_a=2
		variation eap-leaves auth=eap client=b how=peer $gcm
		variation eap-ordered auth=eap client=b how=order
		variation eap-reauth auth=eap client=b how=reauth by=b
		variation eap-reauth-make auth=eap client=b how=reauth by=b mbb=yes $gcm
		variation eap-refused auth=eap client=b how=refused by=b
		variation eap-refused-make auth=eap client=b how=refused by=b mbb=yes reauth_b=12 over_b=10 $gcm
		variation us-silent auth=eap client=a how=silent dpd_a=2 $gcm
		variation us-peer auth=eap client=a how=peer
		variation us-reauth auth=eap client=a how=reauth by=a
		variation us-reauth-make auth=eap client=a how=reauth by=a mbb=yes $gcm
		variation us-refused core=yes auth=eap client=a how=refused by=a
		variation us-refused-aead auth=eap client=a how=refused by=a $gcm
		variation us-lost core=yes auth=eap client=a how=lost by=a rt='0.6 1.5 2'
		variation us-lost-aead auth=eap client=a how=lost by=a rt='0.5 1.8 2' $gcm
		variation xauth-silent auth=xauth client=b version=1 how=silent dpd_a=1 dpd_timeout_a=5
		variation xauth-leaves auth=xauth client=b version=1 how=peer
		variation xauth-ordered auth=xauth client=b version=1 how=order
		variation us-xauth-silent auth=xauth client=a version=1 how=silent dpd_a=1 dpd_timeout_a=5
		variation us-xauth-refused auth=xauth client=a version=1 how=refused by=a
		variation us-xauth-peer auth=xauth client=a version=1 how=peer
	}
}
# the last words win over those of ike-tun's section, which has the secret of both
password() { printf 'secrets {\n%s-client {\nid = client\nsecret = %s\n}\n}\n' "$(opt x auth)" "$1"; }
before() {
	local c s
	c=$(opt x client) s=$(other "$(opt x client)")
	P[init]=$c
	P[plugins]='eap-identity eap-md5 md5'
	P[conf_more]=$(password first)
	case $(opt x auth) in
	eap)
		P[local_auth_$c]=$'auth = eap\neap_id = client'
		P[remote_auth_$s]=$'auth = eap-md5\neap_id = %any' ;;
	xauth)
		P[conn_more_$c]=$'local-user {\nround = 2\nauth = xauth\nxauth_id = client\n}'
		P[conn_more_$s]=$'remote-user {\nround = 2\nauth = xauth\n}' ;;
	esac
	agent_start
	agent_ready
	tunnels_up
}
# asked for a password: the answer to what the client has sent last
asked() { [ "$(grep -cE 'generating IKE_AUTH (request|response) [0-9]+ \[.*EAP' "$W/a/charon.log")" -ge "$1" ]; }
story() {
	local side seen
	sleep 3
	side=$(opt x by)
	case $(opt x how) in
	silent) path_down ;;
	order) order a --terminate --ike tun || : ;;
	peer) order b --terminate --ike tun || : ;;
	reauth) order "$side" --rekey --ike tun --reauth ;;
	refused)
		side=$(other "$(opt x client)")
		P[conf_more]=$(password another)
		charon_conn "$side"
		order "$side" --load-creds --clear --noprompt --file "$W/$side/swanctl.conf"
		order "$(opt x by)" --rekey --ike tun --reauth || : ;;
	lost)
		seen=$(grep -cE 'generating IKE_AUTH request' "$W/a/charon.log")
		# IKE_AUTH with more than the first message of it: message IDs of 2 and above (bytes 20 to 23 of the header)
		path_drop udp dport 500 @th,208,8 35 @th,224,32 '>= 2'
		path_drop udp dport 4500 @th,240,8 35 @th,256,32 '>= 2'
		order a --rekey --ike tun --reauth || : ;;
	esac
	wait_gone 120
}
expect() {
	local reason up=false ordered=none confidence=likely detail=''
	case $(opt x how) in
	silent) reason='dpd timeout' ;;
	order) reason='config modify or manual offline' ordered='^swanctl$' ;;
	peer) reason='peer request' ;;
	reauth) reason='phase1 sa replace' up=true ; [ "$(opt x by)" = b ] || ordered='^swanctl$' ;;
	refused | lost)
		reason='re-auth timeout' confidence=possible
		[ "$(opt x how)$(opt x by)" != refuseda ] || detail=refuse
		# what the client takes back before its new one is refused is a Delete like any other
		[ "$(opt x by)" != b ] || reason='re-auth timeout|peer request'
		[ "$(opt x by)" != a ] || ordered='^swanctl$' ;;
	esac
	alarm reason="$reason" peer="$(peer_of a)" inside=10.2.0.0 up=$up by='^charon' confidence=$confidence detail="$detail" \
		version="$(opt a version 2)"
}
