# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The peer is none of Linux's daemons and speaks IKEv1 (tests/lab/peer1.py): it deletes and falls silent in the ways of other
# vendors' gateways.
variations() {
	local sha1='ike=aes128-sha1-modp2048 esp=aes128-sha1' swan=daemon_a=pluto dpd='dpd_a=2 dpd_timeout_a=8'
	# shellcheck disable=SC2086  # words
	{
		# which of its SAs it deletes, in which order
		variation delete-esp core=yes what=delete-esp $dpd
		variation delete-esp-sha1 what=delete-esp $sha1 init=b
		variation delete-ike-padded core=yes what=delete-ike peer='pad=aligned channel=dangling' $dpd
		variation delete-ike what=delete-ike peer=channel=dangling $dpd
		variation delete-both-padded what=delete-both peer=pad=aligned init=b
		# a Delete of either SA has the same length: what is said next tells which it was, if anything does
		variation delete-ike-anew what=delete-ike peer=channel=dangling close_a=start
		variation delete-esp-anew what=delete-esp close_a=start
		variation delete-esp-ike what=delete-esp-ike $dpd
		variation delete-ike-esp what=delete-ike-esp $dpd
		variation delete-esp-libreswan what=delete-esp $swan dpd_a=3
		variation delete-both-libreswan what=delete-both pluto_ike=aes128-sha1-modp2048 ike_b=aes128-sha1-modp2048 $swan
		# one of two IPsec SAs under one ISAKMP SA; both with it
		variation delete-one-of-two core=yes what=delete-esp-2 children=2 $dpd
		variation delete-ike-of-two what=delete-ike children=2 peer=pad=aligned
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
	silent) sleep 4; tell_peer silent ;;
	*) tell_peer delete "$(opt x what | sed 's/^delete-//; s/-2$/ 2/')" ;;
	esac
	case $(opt x what) in
	*-2) wait_sas 2 ;;
	*) wait_gone 120 ;;
	esac
	sleep 4
}
expect() {
	local reason='peer request' up=false n maybe='' first=1 last
	last=$(opt x children 1)
	case $(opt x what) in
	delete-esp-2) first=2 ;;
	delete-ike) reason='ikev1 phase1-phase2 sa dependent offline' ;;
	silent) reason='dpd timeout' ;;
	esac
	case $(opt x what):$(opt x peer) in
	# as long as the Delete of an IPsec SA, and nothing is said after it
	delete-ike:channel=dangling) [ -n "$(opt a close)" ] || maybe='peer request' ;;
	esac
	# pluto sets up again what the peer has deleted
	{ ! is_pluto a && [ -z "$(opt a close)" ]; } || up=any
	for ((n = first; n <= last; n++)); do
		alarm reason="$reason" peer="$(peer_of a)" inside="10.$((n + 1)).0.0" up=$up by="$(daemon_comm)" ordered=none \
			confidence=likely version=1 ${maybe:+maybe="$maybe"}
	done
}
