# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The peer is none of Linux's daemons and speaks IKEv1 (tests/lab/peer1.py): it deletes, answers and falls silent in the ways
# of other vendors' gateways.
variations() {
	local sha1='ike=aes128-sha1-modp2048 esp=aes128-sha1' swan=daemon_a=pluto dpd='dpd_a=2 dpd_timeout_a=8'
	# shellcheck disable=SC2086  # words
	{
		# which of its SAs it deletes, in which order
		variation delete-esp core=yes what=delete-esp $dpd
		variation delete-esp-padded what=delete-esp peer=pad=aligned init=b
		variation delete-esp-sha1 what=delete-esp $sha1 init=b
		variation delete-ike-padded core=yes what=delete-ike peer='pad=aligned channel=dangling' $dpd
		variation delete-ike-sha1 what=delete-ike $sha1 $dpd peer=channel=dangling
		variation delete-ike what=delete-ike peer=channel=dangling $dpd
		variation delete-both what=delete-both $sha1 $dpd
		# from who adds no pad: as long as a padded Delete of the ISAKMP SA alone
		variation delete-both-bare what=delete-both $dpd
		variation delete-both-bare-b what=delete-both init=b
		variation delete-both-bare-libreswan what=delete-both $swan dpd_a=2
		variation delete-ike-padded-b what=delete-ike peer=pad=aligned init=b
		variation delete-both-padded what=delete-both peer=pad=aligned init=b
		# a Delete of either SA has the same length: what is said next tells which it was, if anything does
		variation delete-ike-anew what=delete-ike peer=channel=dangling close_a=start
		variation delete-esp-anew what=delete-esp close_a=start
		variation delete-esp-ike what=delete-esp-ike $dpd
		variation delete-ike-esp what=delete-ike-esp $dpd
		variation delete-ike-esp-sha1 what=delete-ike-esp $sha1 init=b
		variation delete-esp-libreswan what=delete-esp $swan dpd_a=3
		variation delete-both-libreswan what=delete-both pluto_ike=aes128-sha1-modp2048 ike_b=aes128-sha1-modp2048 $swan
		variation delete-esp-ike-libreswan what=delete-esp-ike $swan init=b
		# one of two IPsec SAs under one ISAKMP SA; both with it
		variation delete-one-of-two core=yes what=delete-esp-2 children=2 $dpd
		variation delete-ike-of-two what=delete-ike children=2 peer=pad=aligned
		# repeated; crossing our check; right behind its own; once it has answered ours
		variation copies-esp what=delete-esp peer=copies=3 $dpd
		variation copies-ike what=delete-ike peer='copies=3 pad=aligned' $dpd
		variation copies-esp-libreswan what=delete-esp-ike peer=copies=2 $swan
		variation crossing-esp what=crossing-esp $dpd
		variation crossing-ike what=crossing-ike peer=pad=aligned $dpd
		variation check-delete what=check-delete peer=pad=aligned $dpd
		variation after-check what=after-check peer=pad=aligned $dpd
		# it answers everything but our checks; everything but our Main Modes
		variation checks-unanswered what=checks $dpd
		variation checks-unanswered-libreswan what=checks dpd_a=3 $swan
		variation main-unanswered what=main ike_rekey_a=12 over_a=12
		variation main-unanswered-checked what=main ike_rekey_a=12 over_a=12 dpd_a=2 dpd_timeout_a=40
		variation main-refused what=main-refused ike_rekey_a=12 over_a=12
		# the path dies amid a Main Mode, a Quick Mode of ours
		variation path-amid-main what=path-main ike_rekey_a=14 over_a=12
		variation path-amid-quick what=path-quick rekey_a=12
		# Aggressive Mode
		variation aggressive-silent what=silent conn_more_a='aggressive = yes' $dpd
	}
}
before() {
	P[daemon_b]=peer P[version]=1
	agent_start
	agent_ready
	tunnels_up
}
story() {
	# how often the daemon checks is known by two checks
	sleep 7
	case $(opt x what) in
	delete-*) tell_peer delete "$(opt x what | sed 's/^delete-//; s/-2$/ 2/')" ;;
	crossing-*)
		tell_peer set answer_check never
		wait_for 60 'a check of ours is not answered' peer_says 'does not answer'
		tell_peer delete "$(opt x what | cut -d- -f2)"
		tell_peer set answer_check yes ;;
	check-delete) tell_peer check-delete ;;
	after-check) tell_peer set after_check delete ;;
	checks) tell_peer set answer_check never ;;
	main) tell_peer set answer_main never ;;
	main-refused) tell_peer set answer_main AUTHENTICATION_FAILED ;;
	path-main)
		tell_peer set answer_main never
		wait_for 60 'our Main Mode is not answered' peer_says 'does not answer'
		tell_peer silent ;;
	path-quick)
		tell_peer set answer_quick never
		wait_for 60 'our Quick Mode is not answered' peer_says 'does not answer'
		tell_peer silent ;;
	silent) sleep 4; tell_peer silent ;;
	esac
	case $(opt x what) in
	*-2) wait_sas 2 ;;
	*) wait_gone 120 ;;
	esac
	sleep 4
}
expect() {
	local reason='peer request' up=false n maybe='' first=1 last confidence=likely
	last=$(opt x children 1)
	case $(opt x what) in
	delete-esp-2) first=2 ;;
	delete-ike | crossing-ike | check-delete | after-check) reason='ikev1 phase1-phase2 sa dependent offline' ;;
	checks | silent) reason='dpd timeout' ;;
	main | main-refused | path-main) reason='re-auth timeout' ;;
	path-quick) reason='exchange timeout' ;;
	esac
	case $(opt x what):$(opt x peer):$(opt x ike) in
	# as long as the Delete of an IPsec SA, and nothing is said after it
	delete-ike:channel=dangling:) [ -n "$(opt a close)" ] || maybe='peer request' ;;
	delete-esp:pad=aligned:) confidence=possible ;;
	# as long as the Delete of the ISAKMP SA alone, padded; that this lives on a check after it shows
	delete-both::) [ -n "$(opt a dpd)" ] && ! is_pluto a || maybe='ikev1 phase1-phase2 sa dependent offline' ;;
	esac
	# pluto sets up again what the peer has deleted
	{ ! is_pluto a && [ -z "$(opt a close)" ]; } || up=any
	for ((n = first; n <= last; n++)); do
		alarm reason="$reason" peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up=$up by="$(daemon_comm)" ordered=none \
			confidence=$confidence version=1 ${maybe:+maybe="$maybe"}
	done
}
