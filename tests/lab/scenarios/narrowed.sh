# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W, PID and OLD are those of lib.sh
# A flow that changes in mid-life, and flows that share traffic: what replaces an SA has other selectors than it had; two
# CHILD_SAs that overlap, or have the same flow, of which one ends; the policies go without the SAs. Each end has its own
# cause, and the alarm is of the flow that went.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 pluto_ike=aes_gcm256-sha2_384-ecp_256 esp=aes256gcm16 pluto_esp=aes_gcm256'
	local less='act=change ts=10.2.0.0/16 then_ts=10.2.128.0/17' more='act=change ts=10.2.0.0/17 then_ts=10.0.0.0/14 wide_a=10.0.0.0/14'
	# shellcheck disable=SC2086  # words
	{
		# what one is configured to have changes, and then the other has the SAs replaced (strongSwan rekeys an IKEv2
		# CHILD_SA with what it had)
		variation reauth-less $less how=reauth by=a
		variation reauth-less-make $less how=reauth by=a mbb=yes $gcm
		variation reauth-less-peer $less how=reauth by=b init=b
		variation reauth-less-peer-make $less how=reauth by=b init=b mbb=yes $gcm
		variation reauth-more $more how=reauth by=a
		variation rekey-less $less how=rekey by=a
		variation rekey-less-peer $less how=rekey by=b $gcm
		variation rekey-less-v1 $less how=rekey by=a version=1 life_a=24
		# a second CHILD_SA within the first one's flow, or around it
		variation overlap-ordered act=overlap children=2 there2=10.2.128.0/17 end=a2
		variation overlap-peer act=overlap children=2 there2=10.2.128.0/17 end=b1 $gcm
		variation overlap-peer-cbc act=overlap children=2 there2=10.2.128.0/17 end=b2
		variation overlap-silent act=overlap children=2 there2=10.2.128.0/17 end=silent dpd_a=2
		variation overlap-rekey act=overlap children=2 there2=10.2.128.0/17 end=rekey2
		variation overlap-rekey-peer act=overlap children=2 there2=10.2.128.0/17 end=rekeyb1 $gcm
		variation overlap-later act=overlap children=2 there2=10.2.128.0/17 end=b1
		variation overlap-ordered-later act=overlap children=2 there2=10.2.128.0/17 end=a1 $gcm
		# one of them for some ports only
		variation ports-ordered act=overlap children=2 here2='10.1.0.0/16[tcp]' there2='10.2.0.0/16[tcp/443]' end=a2
		variation ports-peer act=overlap children=2 here2='10.1.0.0/16[tcp]' there2='10.2.0.0/16[tcp/443]' end=b1 $gcm
		# two IKE_SAs of the same flow, begun by both at once
		variation both-begin-silent act=both no_initiate=yes end=silent dpd_a=2
		variation both-begin-peer act=both no_initiate=yes end=b-ike
		variation both-begin-one-peer act=both no_initiate=yes end=b-one
		variation both-begin-one-peer-aead act=both no_initiate=yes end=b-one $gcm
		# the client's inner address is another one after its reauthentication
		variation address-anew act=vip by=b init=b
		variation address-anew-make act=vip by=b init=b mbb=yes $gcm
		# selectors that are the outer addresses, which move
		variation dynamic-moves act=moves mobike=yes remote_addrs=%any init=b 'local_addrs_b=198.51.100.1, 198.51.100.2' remote_addrs_b=192.0.2.1 \
			local_ts=dynamic remote_ts=dynamic
		variation dynamic-we-move act=moves who=a mobike=yes local_addrs_a='192.0.2.1, 192.0.2.3' remote_addrs_b=%any \
			local_ts=dynamic remote_ts=dynamic $gcm
		# one connection of Libreswan with several subnets
		variation subnets-deleted act=subnets daemon_a=pluto end=delete
		variation subnets-peer act=subnets daemon_a=pluto end=b2
		variation subnets-silent act=subnets daemon_a=pluto end=silent dpd_a=2
		# the policies are flushed, the SAs stay
		variation policies-silent act=policies end=silent dpd_a=2
		variation policies-peer act=policies end=b $gcm
		variation policies-rekey act=policies end=rekey
		variation policies-libreswan act=policies daemon_a=pluto end=silent dpd_a=2
		# traffic asks for a tunnel to a peer that is silent
		variation acquire-silent act=acquire end=silent dpd_a=2 $gcm
		variation acquire-during act=acquire end=b during=yes
		variation acquire-child act=acquire-child children=2 start_a=trap end=unanswered
	}
}
child_ts() {
	if [ "$1" = a ]; then opt x "here$2" 10.1.0.0/16; else opt x "there$2" "$([ "$2" = 1 ] && opt x ts 10.2.0.0/16 || echo "10.$(($2 + 1)).0.0/16")"; fi
}
pluto_ends() {
	cat <<-CONF
		left=192.0.2.1
		leftid=@gwa
		$([ "$(opt x act)" = subnets ] && echo 'leftsubnets=10.1.0.0/16,10.5.0.0/16' || echo 'leftsubnet=10.1.0.0/16')
		right=198.51.100.1
		rightid=@gwb
		rightsubnet=10.2.0.0/16
	CONF
}
newer_sas() { [ "$(spis gwa | grep -vcxF -- "$OLD")" -ge "${1:-2}" ]; }
no_alarm() {
	[ -n "${NO_AGENT:-}" ] || [ "$(agent_alarms | wc -l)" = 0 ] || fail "an alarm though no SA went: $(agent_alarms | jq -c .offline_reason)"
}
# child_ids SIDE: the numbers of its CHILD_SAs c1, that which came first at the top
child_ids() { swan "$1" --list-sas --raw 2>/dev/null | grep -oE 'name=c1 uniqueid=[0-9]+' | sed 's/.*=//' | sort -n; }
ike_ids() { swan "$1" --list-sas --raw 2>/dev/null | grep -oE 'tun \{uniqueid=[0-9]+' | sed 's/.*=//' | sort -n; }
gateways_up() {
	gateway_start b
	gateway_start a
	gateway_load b
	gateway_load a
}
sas_noted() {
	wait_for 60 "$1 SAs on gwa" sas_are gwa "$1"
	OLD=$(spis gwa)
	note "SAs on gwa: ${OLD//$'\n'/ }"
}
before() {
	[ -z "$(opt x wide_a)" ] || P[remote_ts_a]=$(opt x wide_a)
	agent_start
	agent_ready
	case $(opt x act) in
	twice)
		gateways_up
		initiate a c2
		sas_noted 2
		# who has one already asks for no other: both ends ask at once
		initiate b c1 &
		initiate a c1
		wait $! || :
		sas_noted 6 ;;
	overlap)
		gateways_up
		initiate a c1
		sas_noted 2
		FIRST=$OLD
		sleep 2
		initiate a c2
		sas_noted 4 ;;
	both)
		gateways_up
		initiate b c1 &
		initiate a c1
		wait $! || :
		sas_noted 4 ;;
	subnets)
		P[children_a]=1 P[children_b]=2 P[here2]=10.5.0.0/16 P[there2]=10.2.0.0/16
		gateways_up
		initiate a c1
		sas_noted 4 ;;
	vip)
		P[remote_ts_a]=dynamic P[local_ts_b]=dynamic P[conn_more_b]='vips = 0.0.0.0' P[conn_more_a]='pools = first'
		P[conf_more_a]=$'pools {\nfirst {\naddrs = 10.9.0.1/32\n}\nsecond {\naddrs = 10.9.0.2/32\n}\n}'
		P[ping_to]=10.9.0.1
		tunnels_up ;;
	moves)
		ip -n gwa addr del 2001:db8:1::1/64 dev out
		ip -n gwb addr del 2001:db8:2::1/64 dev out
		P[ping_from]=gwa P[ping_to]=198.51.100.1
		tunnels_up ;;
	acquire)
		P[conf_more_a]="connections {
			$(plain_conn a tun2 192.0.2.1 198.51.100.2 second-gwa second-gwb c9 10.1.0.0/16 10.3.0.0/16 trap)
		}"
		path_drop ip daddr 198.51.100.2
		tunnels_up ;;
	acquire-child)
		gateways_up
		initiate a c1
		sas_noted 2 ;;
	*) tunnels_up ;;
	esac
}
story() {
	sleep 2
	"story_$(opt x act)"
	sleep 1
}
story_change() {
	local side
	side=$(other "$(opt x by)")
	if [ "$side" = b ]; then P[local_ts_b]=$(opt x then_ts); else P[remote_ts_a]=$(opt x then_ts); fi
	charon_conn "$side"
	order "$side" --load-all --noprompt --file "$W/$side/swanctl.conf"
	sleep 7
	case $(opt x how) in
	reauth) order "$(opt x by)" --rekey --ike tun --reauth || : ;;
	rekey) order "$(opt x by)" --rekey --child c1 || : ;;
	esac
	wait_gone
	wait_sas 2
}
story_vip() {
	P[conn_more_a]='pools = second'
	charon_conn a
	order a --load-all --noprompt --file "$W/a/swanctl.conf"
	sleep 6
	order b --rekey --ike tun --reauth || :
	wait_gone
	wait_sas 2
}
moved() { ip -n gwa xfrm state | grep -q "$1"; }
story_moves() {
	local side net n gw
	if [ "$(opt x who b)" = b ]; then side=b net=198.51.100 n=2 gw=254; else side=a net=192.0.2 n=3 gw=254; fi
	note "gw$side loses $net.1"
	ip -n gw$side addr flush dev out to $net.0/24
	ip -n gw$side addr add $net.$n/24 dev out
	ip -n gw$side route replace default via $net.$gw
	wait_for 60 'the SAs have the new address' moved $net.$n
	wait_sas 2
}
# ends what it is about, however the story says
the_end() {
	case $(opt x end) in
	silent) path_down ;;
	a | a-ike) order a --terminate --ike tun || : ;;
	b | b-ike) order b --terminate --ike tun || : ;;
	a[12]) OLD=$1; order a --terminate --child "c$(opt x end | tr -d ab)" || : ;;
	b[12]) OLD=$1; order b --terminate --child "c$(opt x end | tr -d ab)" || : ;;
	rekey) order a --rekey --child c1 || : ;;
	rekey[12]) OLD=$1; order a --rekey --child "c$(opt x end | tr -d rekyab)" || : ;;
	rekeyb[12]) OLD=$1; order b --rekey --child "c$(opt x end | tr -d rekyab)" || : ;;
	reauth) order a --rekey --ike tun --reauth || : ;;
	flush) note 'ip xfrm state flush'; ip -n gwa xfrm state flush ;;
	stop) note 'gwa: SIGTERM'; end gwa TERM 30 ;;
	peer-stops) note 'gwb: SIGTERM'; end gwb TERM 30 ;;
	?-old) order "$(opt x end | cut -c 1)" --terminate --child-id "$(child_ids "$(opt x end | cut -c 1)" | head -n 1)" || : ;;
	?-new) order "$(opt x end | cut -c 1)" --terminate --child-id "$(child_ids "$(opt x end | cut -c 1)" | tail -n 1)" || : ;;
	b-one) order b --terminate --ike-id "$(ike_ids b | head -n 1)" || : ;;
	all) note 'whack --terminate c1'; whack a --name c1 --terminate >>"$W/a/whack.out" 2>&1 || : ;;
	esac
}
story_overlap() {
	sleep "$(opt x gap 9)"
	case $(opt x end) in
	*1) the_end "$FIRST" ;;
	*2) the_end "$(grep -vxF -- "$FIRST" <<<"$OLD")" ;;
	*) the_end ;;
	esac
	wait_gone
}
story_subnets() {
	local name
	name=$(whack a --status | grep -oE '"c1/[0-9]x[0-9]"' | sort -u | tail -n 1 | tr -d '"')
	note "the connections of c1, the last: $name"
	case $(opt x end) in
	delete) OLD=$(spis_from a 10.5.0.0/16); note "whack --delete $name"; whack a --name "$name" --delete >>"$W/a/whack.out" 2>&1 || : ;;
	terminate) OLD=$(spis_from a 10.5.0.0/16); note "whack --terminate $name"; whack a --name "$name" --terminate >>"$W/a/whack.out" 2>&1 || : ;;
	b1) the_end "$(spis_from a 10.1.0.0/16)" ;;
	b2) the_end "$(spis_from a 10.5.0.0/16)" ;;
	*) the_end ;;
	esac
	wait_gone
}
# spis_from SIDE SELECTOR: as spis_into, told by where it comes from
spis_from() {
	local reqid
	reqid=$(ip -n "gw$1" xfrm policy | awk -v ts="$2" '/^src/ {hit = $2 == ts} hit && /dir (in|fwd)/ {hit = 0}
		hit && /reqid/ {for (i = 1; i < NF; i++) if ($i == "reqid") {print $(i + 1); exit}}')
	ip -n "gw$1" xfrm state | awk -v want="$reqid" "$full_sas"' {if (reqid == want) print spi}'
}
story_twice() { story_both; }
# until all of them have gone, or one of two
story_both() {
	local all
	all=$(spis gwa)
	sleep "$(opt x gap 9)"
	no_alarm
	OLD=$all
	the_end
	case $(opt x end) in
	?-old | ?-new)
		wait_sas 4
		sleep 3 ;;
	b-one)
		wait_sas 2
		sleep 3 ;;
	rekey)
		# both of them
		OLD=$(spis_to a 1)
		wait_gone
		wait_sas 6 ;;
	*) wait_gone ;;
	esac
}
story_policies() {
	note 'ip xfrm policy flush'
	ip -n gwa xfrm policy flush
	sleep 4
	no_alarm
	the_end
	wait_gone
}
story_acquire() {
	on hosta ping -q -c 2 -W 1 10.3.0.2 >/dev/null
	wait_log a 'retransmit 1 of' 30
	if [ -z "$(opt x during)" ]; then
		wait_log a 'giving up after' 60
		sleep 4
	fi
	no_alarm
	[ "$(opt x end)" != silent ] || path_up
	the_end
	wait_gone
}
story_acquire-child() {
	path_down
	on hosta ping -q -c 2 -W 1 10.3.0.2 >/dev/null
	wait_gone
}

expect() {
	local reason up=any ordered=none n many=1 inside=10.2.0.0 flow='' by confidence=likely peer=198.51.100.1
	by=$(daemon_comm)
	case $(opt x end) in
	silent) reason='dpd timeout' ;;
	unanswered) reason='exchange timeout' up=false ;;
	a | a-* | a[12]) reason='config modify or manual offline' ordered='^swanctl$' ;;
	delete | terminate | all) reason='config modify or manual offline' ordered='^whack$' ;;
	stop) reason='config modify or manual offline' ordered= ;;
	b | b-* | b[12] | peer-stops) reason='peer request' ;;
	rekey | rekey[12]) reason='phase2 sa replace' up=true ordered= ;;
	rekeyb[12]) reason='phase2 sa replace' up=true ;;
	reauth) reason='phase1 sa replace' up=true ordered= ;;
	flush) reason='config modify or manual offline' by='^ip$' up=false ;;
	esac
	case $(opt x act):$(opt x end) in
	change:*)
		ordered=
		flow="dst=$(opt x ts) "
		reason='phase1 sa replace'
		[ "$(opt x how)" != rekey ] || reason='phase2 sa replace'
		by='^charon|none' ;;
	vip:*) reason='phase1 sa replace' inside=10.9.0.1 flow='dst=10.9.0.1/32' ;;
	moves:*)
		reason='peer address switch' up=true
		if [ "$(opt x who b)" = b ]; then inside=198.51.100.1; else inside=198.51.100.1 flow='src=192.0.2.1/32'; fi ;;
	overlap:*1) flow='src=10.1.0.0/16 dst=10.2.0.0/16 proto=any' ; [ "$up" = true ] || up=false ;;
	overlap:*2)
		[ "$up" = true ] || up=false
		case $(opt x there2) in *tcp*) flow='proto=6 .*dport=443' ;; *) flow='dst=10.2.128.0/17' inside=10.2.128.0 ;; esac ;;
	overlap:silent)
		up=false
		case $(opt x there2) in
		*tcp*) alarm reason="$reason" peer=$peer inside=10.2.0.0 flow='proto=6 .*dport=443' up=false by="$by" ordered=none confidence=likely ;;
		*) alarm reason="$reason" peer=$peer inside=10.2.128.0 flow='dst=10.2.128.0/17' up=false by="$by" ordered=none confidence=likely ;;
		esac
		flow='dst=10.2.0.0/16 proto=any' ;;
	subnets:silent | subnets:all)
		alarm reason="$reason" peer=$peer inside=10.2.0.0 flow='src=10.5.0.0/16' up=any by="$by" ordered="$ordered" confidence=likely
		flow='src=10.1.0.0/16' ;;
	subnets:b1) flow='src=10.1.0.0/16' ;;
	subnets:*) flow='src=10.5.0.0/16' ;;
	twice:?-old | twice:?-new | both:b-one) up=true ;;
	twice:rekey | both:*) many=2 ;;
	twice:*)
		many=2 up=false
		alarm reason="$reason" peer=$peer inside=10.3.0.0 up=false by="$by" ${ordered:+ordered="$ordered"} confidence=likely ;;
	policies:* | acquire:*) [ "$up" = true ] || is_pluto a || up=false ;;
	esac
	for ((n = 0; n < many; n++)); do
		alarm reason="$reason" peer=$peer inside=$inside ${flow:+flow="$flow"} up=$up by="$by" ${ordered:+ordered="$ordered"} confidence=$confidence
	done
}
