# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # P and OLD are those of lib.sh
# The peer is none of Linux's daemons (tests/lab/peer.py): it deletes, rekeys, answers, falls silent and comes back in the ways
# of other vendors' gateways.
variations() {
	local gcm='ike=aes256gcm16-prfsha384-ecp256 esp=aes256gcm16' swan=daemon_a=pluto
	# shellcheck disable=SC2086  # words
	{
		# a whole new IKE_SA, the old one deleted after it, before it, or never
		variation anew-after core=yes what=anew-after init=b
		variation anew-after-aead what=anew-after dpd_a=2 $gcm
		variation anew-after-libreswan what=anew-after init=b $swan
		variation anew-before what=anew-before init=b
		variation anew-before-aead what=anew-before dpd_a=2 $gcm
		variation anew-before-libreswan what=anew-before $swan
		variation anew-contact what=anew-contact peer=initial_contact=yes unique_a=replace
		variation anew-contact-aead what=anew-contact peer=initial_contact=yes init=b $gcm
		# how it answers our Delete
		variation ordered-empty what=ordered peer=answer_delete=empty dpd_a=2
		variation ordered-with-delete core=yes what=ordered peer=answer_delete=delete init=b
		variation ordered-with-delete-aead what=ordered peer=answer_delete=delete dpd_a=2 $gcm
		variation ordered-unanswered what=ordered peer=answer_delete=never dpd_a=2
		variation ordered-unanswered-aead what=ordered peer=answer_delete=never dpd_a=2 $gcm
		variation ordered-child what=ordered-child
		variation ordered-child-unanswered what=ordered-child peer=answer_delete=never dpd_a=2
		variation ordered-unanswered-libreswan what=ordered peer=answer_delete=never $swan
		# its Delete repeated though it was answered, crossing our check, right behind its own check
		variation deaf what=delete-ike peer=deaf=3 dpd_a=2
		variation deaf-aead what=delete-ike peer=deaf=3 init=b $gcm
		variation deaf-child what=delete-child peer=deaf=3 dpd_a=3
		variation crossing core=yes what=crossing dpd_a=2
		variation crossing-aead what=crossing dpd_a=2 $gcm
		variation crossing-child what=crossing-child dpd_a=2 rt='1 1.5 2'
		variation check-delete what=check-delete dpd_a=2
		variation check-delete-aead what=check-delete init=b $gcm
		variation check-delete-libreswan what=check-delete dpd_a=2 $swan
		# the Deletes of both SAs in one message, or in two
		variation delete-both core=yes what=delete-both dpd_a=2
		variation delete-both-aead what=delete-both init=b $gcm
		variation delete-both-libreswan what=delete-both $swan
		variation delete-each what=delete-each init=b
		variation delete-each-aead what=delete-each dpd_a=2 $gcm
		variation delete-each-libreswan what=delete-each $swan
		# it answers everything but our checks; everything but our rekeys
		variation checks-unanswered what=checks dpd_a=3
		variation checks-unanswered-aead what=checks dpd_a=3 $gcm
		variation checks-amid-rekey what=checks-rekey dpd_a=3 rt='1 1.5 2'
		variation checks-unanswered-libreswan what=checks dpd_a=3 $swan
		variation rekey-unanswered core=yes what=nothing dpd_a=2 rekey_a=12 peer=answer_rekey=never
		variation rekey-unanswered-aead what=nothing dpd_a=2 rekey_a=12 peer=answer_rekey=never $gcm
		variation rekey-unanswered-ordered what=rekey-ordered dpd_a=2 peer=answer_rekey=never
		variation rekey-unanswered-libreswan what=nothing dpd_a=3 peer=answer_rekey=never pluto_life=24s pluto_margin=12s $swan
		# its own checks carry something
		variation chatty-silent what=silent dpd_a=3 peer='check=1 check_with=notify'
		variation chatty-silent-aead what=silent dpd_a=3 peer='check=1 check_with=vendor' $gcm
		variation chatty-silent-padded what=silent dpd_a=3 peer='check=2 pad=3'
		variation chatty-silent-libreswan what=silent dpd_a=3 peer='check=1 check_with=notify' $swan
		variation chatty-delete what=delete-ike peer='check=1 check_with=notify'
		variation chatty-delete-aead what=delete-ike peer='check=1 check_with=vendor' $gcm
		variation chatty-delete-padded-aead what=delete-ike peer='check=1 pad=8' dpd_a=2 $gcm
		variation chatty-delete-child what=delete-child peer='check=1 check_with=vendor'
		variation chatty-ordered what=ordered peer='check=1 check_with=notify answer_delete=delete'
		# its rekey, and the old CHILD_SA deleted at once, later, never
		variation rekey-now what=rekey
		variation rekey-now-aead what=rekey dpd_a=2 $gcm
		variation rekey-later core=yes what=rekey peer=old=5 dpd_a=2
		variation rekey-later-aead what=rekey peer=old=5 init=b $gcm
		variation rekey-never what=rekey peer=old=never life_a=30 later=12
		variation rekey-never-aead what=rekey peer=old=never life_a=30 later=12 dpd_a=2 $gcm
		variation rekey-unsaid what=rekey peer='rekey_says=nothing old=1'
		variation rekey-unsaid-aead what=rekey peer='rekey_says=nothing old=1' $gcm
		variation rekey-later-libreswan what=rekey peer=old=5 $swan
		# how it refuses our rekeys, and what ends the SA then
		variation refused-proposal what=refused rekey_a=8 life_a=24 peer=answer_rekey=NO_PROPOSAL_CHOSEN
		variation refused-for-now core=yes what=refused rekey_a=8 life_a=24 peer=answer_rekey=TEMPORARY_FAILURE
		variation refused-for-now-aead what=refused rekey_a=8 life_a=24 peer=answer_rekey=TEMPORARY_FAILURE $gcm
		variation refused-for-now-deleted what=refused-delete rekey_a=8 peer=answer_rekey=TEMPORARY_FAILURE
		variation refused-for-now-silent what=refused-silent rekey_a=8 dpd_a=2 peer=answer_rekey=TEMPORARY_FAILURE
		variation refused-any what=refused-reauth rekey_a=8 peer=answer_rekey=NO_ADDITIONAL_SAS
		variation refused-any-aead what=refused-reauth rekey_a=8 peer=answer_rekey=NO_ADDITIONAL_SAS $gcm
		variation not-found what=not-found rekey_a=8 peer=answer_rekey=CHILD_SA_NOT_FOUND
		variation not-found-aead what=not-found rekey_a=8 peer=answer_rekey=CHILD_SA_NOT_FOUND $gcm
		# it lost its state, says so in clear, and comes back or not
		variation reboot-contact core=yes what=reboot dpd_a=2 rt='1 1.5 4' peer=initial_contact=yes unique_a=replace
		variation reboot-contact-aead what=reboot dpd_a=2 rt='1 1.5 4' peer=initial_contact=yes unique_a=replace $gcm
		variation reboot-anew what=reboot dpd_a=2 rt='1 1.5 3'
		variation reboot-anew-aead what=reboot dpd_a=2 rt='1 1.5 3' $gcm
		variation reboot-gone what=reboot-gone dpd_a=2
		variation reboot-gone-aead what=reboot-gone dpd_a=2 $gcm
		variation reboot-gone-libreswan what=reboot-gone dpd_a=3 $swan
		variation reboot-contact-libreswan what=reboot dpd_a=3 peer=initial_contact=yes pluto_timeout=20s $swan
		# it deletes when idle, or once it has answered our check
		variation idle what=idle
		variation idle-child-aead what=idle-child dpd_a=2 $gcm
		variation after-check what=after-check dpd_a=2
		variation after-check-aead what=after-check dpd_a=2 $gcm
		variation after-check-libreswan what=after-check dpd_a=3 $swan
	}
}
before() {
	P[daemon_b]=peer
	agent_start
	agent_ready
	tunnels_up
}
story() {
	sleep 3
	case $(opt x what) in
	anew-after)
		tell_peer initiate
		wait_for 60 'the peer has a new one' peer_count established 2
		sleep 2
		tell_peer delete old ike ;;
	anew-before)
		tell_peer delete ike
		tell_peer initiate ;;
	anew-contact) tell_peer initiate ;;
	ordered | ordered-child)
		if is_pluto a; then
			note 'whack --terminate'
			whack a --name c1 --terminate >>"$W/a/whack.out" 2>&1 || :
		elif [ "$(opt x what)" = ordered ]; then
			order a --terminate --ike tun --timeout 30 || :
		else
			order a --terminate --child c1 --timeout 30 || :
		fi ;;
	delete-*) tell_peer delete "$(opt x what | cut -d- -f2)" ;;
	crossing*)
		tell_peer set answer_check never
		wait_log a 'retransmit 1 of'
		tell_peer delete "$([ "$(opt x what)" = crossing ] && echo ike || echo child)"
		# only a check that nobody answers takes the IKE_SA itself
		[ "$(opt x what)" = crossing ] || { wait_gone; tell_peer set answer_check yes; } ;;
	check-delete) tell_peer check-delete ;;
	checks)
		tell_peer set answer_check never
		if is_pluto a; then whack_rekey a c1; else order a --rekey --child c1; fi
		wait_gone
		OLD=$(spis gwa)
		wait_gone
		# or pluto, which begins anew, loses the next one too
		tell_peer set answer_check yes ;;
	checks-rekey)
		tell_peer set answer_check never
		wait_log a 'retransmit 1 of'
		order a --rekey --child c1 & ;;
	rekey-ordered) order a --rekey --child c1 || : ;;
	silent) sleep 4; tell_peer silent ;;
	rekey) sleep "$(opt x later 0)"; tell_peer rekey ;;
	refused-delete) peer_refuses; sleep 2; tell_peer delete ike ;;
	refused-silent) peer_refuses; sleep 2; tell_peer silent ;;
	reboot | reboot-gone)
		tell_peer forget
		tell_peer set unknown notify
		wait_for 60 'the peer has said that it does not know' peer_says 'does not know'
		[ "$(opt x what)" != reboot ] || tell_peer initiate ;;
	idle*)
		sleep 12
		tell_peer delete "$([ "$(opt x what)" = idle ] && echo ike || echo child)" ;;
	after-check) tell_peer set after_check delete ;;
	esac
	wait_gone 120
	sleep 4
}
peer_count() { [ "$(grep -c -- "$1" "$W/gwb.out")" -ge "$2" ]; }
peer_refuses() { wait_for 60 'a rekey is refused' peer_says 'response 36 .*: \[41\]'; }
expect() {
	local reason='peer request' by up=false ordered=none confidence=likely detail=''
	by=$(daemon_comm)
	case $(opt x what) in
	anew-after | anew-before) reason='phase1 sa replace' up=true ;;
	anew-contact) reason='kick old sa with same flow' up=true ;;
	ordered*) reason='config modify or manual offline' ordered=$(end_comm) ;;
	checks)
		alarm reason='phase2 sa replace' peer="$(peer_of a)" inside=10.2.0.0 by="$(daemon_comm)" confidence=likely
		reason='dpd timeout' ;;
	checks-rekey) reason='dpd timeout' ordered='' ;;
	silent | refused-silent) reason='dpd timeout' ;;
	nothing) reason='exchange timeout' ;;
	rekey-ordered) reason='exchange timeout' ordered='' ;;
	# the old one, where nobody deletes it, lives to its hard limit
	rekey) reason='phase2 sa replace' up=true by='' ordered='' ;;
	refused) reason='phase2 hard expiry' up=any by=none ;;
	refused-reauth) reason='phase1 sa replace' up=true ;;
	not-found) reason='phase2 sa replace' up=true ;;
	reboot)
		up=true
		# without INITIAL_CONTACT the old one stays until nobody has answered its check
		reason='dpd timeout' detail='notification in clear'
		[[ $(opt x peer) != *initial_contact=yes* ]] || reason='kick old sa with same flow' detail='' ;;
	reboot-gone) reason='dpd timeout' detail='notification in clear' ;;
	esac
	# pluto sets up again what the peer has deleted
	! is_pluto a || [ "$up" = true ] || up=any
	alarm reason="$reason" peer="$(peer_of a)" inside=10.2.0.0 up=$up by="$by" \
		ordered="$ordered" confidence=$confidence detail="$detail"
}
