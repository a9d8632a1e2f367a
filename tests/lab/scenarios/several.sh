# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P, W and OLD are those of lib.sh
# Several CHILD_SAs in one IKE_SA: the IKE_SA is authenticated anew (all of them go and come, or one of them does not), or
# one ends while something else goes on with another. same=reqid: they share one, as a daemon's children do that a trap
# policy brought up; same=mark, same=if-id: they have the same selectors too, and the marks or interfaces tell them apart.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16'
	# shellcheck disable=SC2086  # words
	{
		variation break-two how=reauth by=a
		variation break-three-aead how=reauth by=a children=3 $gcm
		variation break-two-peer how=reauth by=b init=b
		variation break-three-timer how=reauth by=timer children=3 reauth_a=14
		variation break-two-reqid how=reauth by=a same=reqid
		variation break-two-reqid-peer how=reauth by=b init=b same=reqid $gcm
		variation make-three how=reauth by=a mbb=yes children=3
		variation make-two-reqid how=reauth by=a mbb=yes same=reqid $gcm
		variation make-two-peer-reqid how=reauth by=b init=b mbb=yes same=reqid
		variation break-two-mark how=reauth by=a same=mark
		variation break-two-if-id how=reauth by=a same=if-id $gcm
		variation make-two-if-id how=reauth by=b init=b mbb=yes same=if-id
		# the peer does not know the second one any more
		variation break-one-refused how=reauth-one by=a
		variation break-one-refused-aead how=reauth-one by=a $gcm
		variation make-one-refused how=reauth-one by=a mbb=yes $gcm
		# one of two
		variation one-peer-reqid how=end end=b1 same=reqid
		variation one-ordered-reqid how=end end=a2 same=reqid $gcm
		variation one-rekeyed-reqid how=end end=rekey2 same=reqid
		variation one-rekeyed-mark how=end end=rekey1 same=mark $gcm
		variation one-rekeyed-if-id how=end end=rekey2 same=if-id
		variation silent-restart-reqid how=end end=silent same=reqid dpd_a=2 dpd_action_a=start
		variation one-idle-other-rekeyed how=idle more1='inactivity = 11' more2='rekey_time = 9' traffic=2
		variation one-life-amid-checks how=life more1='life_time = 16' dpd_a=2 rt='1 1.6 4'
		variation one-peer-amid-rekey core=yes how=amid-rekey rt='1 1.5 4'
		variation one-peer-amid-rekey-aead how=amid-rekey rt='1 1.5 4' $gcm
		variation one-peer-amid-checks how=amid-checks dpd_a=2 rt='1.2 1.5 4'
		variation one-closed-one-starts how=end end=b1 close_a=start
	}
}
# that of lib.sh, which is not there where the variations are only listed
! declare -F charon_conn >/dev/null || eval "lab_$(declare -f charon_conn)"
charon_conn() {
	local side=$1 n more
	lab_charon_conn "$side"
	for ((n = 1; n <= $(opt "$side" children); n++)); do
		more=$(same "$n")
		[ "$side" = b ] || more+=$'\n'$(opt x "more$n")
		# the last words win
		MORE=$more awk -v name="c$n" '$1 == name {inside = 1} {print} inside && $1 == "life_packets" {print ENVIRON["MORE"]; inside = 0}' \
			"$W/$side/swanctl.conf" >"$W/$side/swanctl.more"
		mv "$W/$side/swanctl.more" "$W/$side/swanctl.conf"
	done
}
same() {
	case $(opt x same) in
	reqid) echo 'reqid = 77' ;;
	mark) printf 'local_ts = 0.0.0.0/0\nremote_ts = 0.0.0.0/0\nmark_in = 1%d\nmark_out = %d\nset_mark_in = 1%d' "$1" "$1" "$1" ;;
	if-id) printf 'local_ts = 0.0.0.0/0\nremote_ts = 0.0.0.0/0\nif_id_in = %d\nif_id_out = %d' "$1" "$1" ;;
	esac
}
before() {
	P[children]=$(opt x children 2)
	agent_start
	agent_ready
	case $(opt x same) in
	mark | if-id) several_up ;;
	*) tunnels_up ;;
	esac
}
# without traffic through them
several_up() {
	local n
	gateway_start b
	gateway_start a
	gateway_load b
	gateway_load a
	for ((n = 1; n <= $(opt x children); n++)); do initiate "$(opt x init a)" "c$n"; done
	wait_sas $(($(opt x children) * 2))
	OLD=$(spis gwa)
	note "SAs on gwa: ${OLD//$'\n'/ }"
}
# sas_of N: the SPIs of CHILD_SA N, as charon tells them
sas_of() { swan a --list-sas --child "c$1" --raw | tr ' ' '\n' | sed -nE 's/.*spi-(in|out)=([0-9a-f]+)$/0x\2/p'; }
story() {
	sleep 2
	case $(opt x traffic) in
	yes) traffic_start 1 ; traffic_start 2 ;;
	2) traffic_start 2 ;;
	esac
	"story_$(opt x how)"
	sleep 1
}
story_reauth() {
	local side
	side=$(opt x by)
	not_yet 'reauthenticating'
	[ "$side" = timer ] || order "$side" --rekey --ike tun --reauth || :
	wait_gone
	wait_sas $(($(opt x children) * 2))
	[ "$side" != timer ] || wait_for 20 'the alarms have come' alarms_are "$(opt x children)"
}
story_reauth-one() {
	P[children_b]=1
	charon_conn b
	order b --load-conns --file "$W/b/swanctl.conf"
	sleep 6
	order a --rekey --ike tun --reauth || :
	wait_gone
	wait_sas 2
	sleep 3
}
story_end() {
	local end n
	end=$(opt x end) n=${end//[!0-9]/}
	[ -z "$n" ] || OLD=$(sas_of "$n")
	note "what shall go: ${OLD//$'\n'/ }"
	sleep 5
	case $end in
	a?) order a --terminate --child "c$n" || : ;;
	b?) order b --terminate --child "c$n" || : ;;
	rekeyb?) order b --rekey --child "c$n" || : ;;
	rekey?) order a --rekey --child "c$n" || : ;;
	silent)
		wait_log a 'parsed INFORMATIONAL response' 30
		path_down ;;
	esac
	wait_gone
}
# one is idle, the other one is rekeyed a little before that is found
story_idle() {
	OLD=$(sas_of 1)
	wait_gone
}
# one reaches its limit while the checks of their IKE_SA go unanswered
story_life() {
	wait_log a 'parsed INFORMATIONAL response' 30
	wait_for 30 'it is old enough' log_count a 'parsed INFORMATIONAL response' 4
	path_down
	wait_gone
}
# the peer deletes one while our rekey of the other one is not answered
story_amid-rekey() {
	OLD=$(spis gwa)
	path_drop 'iifname "ra" udp dport 500 @th,208,8 36 @th,216,8 & 0x20 == 0'
	order a --rekey --child c2 || :
	wait_log a 'retransmit 1 of' 30
	order b --terminate --child c1 || :
	wait_gone
}
# or while nothing that we send arrives, be it a check or the answer to the Delete
story_amid-checks() {
	wait_log a 'parsed INFORMATIONAL response' 30
	path_down a2b
	wait_log a 'retransmit 1 of' 30
	order b --terminate --child c1 --timeout 2 || :
	wait_gone
}
child() {
	local inside="10.$(($1 + 1)).0.0"
	case $(opt x same) in mark | if-id) inside=0.0.0.0 ;; esac
	shift
	alarm inside=$inside peer=198.51.100.1 confidence=likely "$@"
}
expect() {
	local n end reason ordered=none
	end=$(opt x end) n=${end//[!0-9]/}
	case $(opt x how) in
	reauth)
		case $(opt x by) in a) ordered='^swanctl$' ;; esac
		for ((n = 1; n <= $(opt x children); n++)); do
			child "$n" reason='phase1 sa replace' up=true by='^charon' ordered="$ordered"
		done ;;
	reauth-one)
		child 1 reason='phase1 sa replace' up=true by='^charon' ordered='^swanctl$'
		child 2 reason='re-auth timeout' up=false by='^charon' ordered='^swanctl$' detail=refuse confidence=possible ;;
	end)
		case $end in
		a?) child "$n" reason='config modify or manual offline' up=false by='^charon' ordered='^swanctl$' ;;
		b?) child "$n" reason='peer request' up="$([ -n "$(opt x close_a)" ] && echo any || echo false)" by='^charon' ordered=none ;;
		rekeyb?) child "$n" reason='phase2 sa replace' up=true by='^charon' ordered=none ;;
		rekey?) child "$n" reason='phase2 sa replace' up=true by='^charon' ordered='^swanctl$' ;;
		silent) for n in 1 2; do child $n reason='dpd timeout' up=any by='^charon' ordered=none; done ;;
		esac ;;
	idle)
		child 2 reason='phase2 sa replace' up=true by='^charon' ordered=none
		child 1 reason='idle timeout' up=false by='^charon' ordered=none ;;
	life)
		child 1 reason='phase2 hard expiry' up=any by=none ordered=none
		child 2 reason='dpd timeout' up=false by='^charon' ordered=none ;;
	amid-rekey)
		child 1 reason='peer request' up=false by='^charon' ordered=none
		child 2 reason='exchange timeout' up=false by='^charon' ordered=none ;;
	amid-checks)
		child 1 reason='peer request' up=false by='^charon' ordered=none
		child 2 reason='dpd timeout' up=false by='^charon' ordered=none ;;
	esac
}
