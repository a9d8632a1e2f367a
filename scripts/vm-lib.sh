# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034
# Shared by the scripts that make and run the laboratory's VM (sourced, not run).

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# everything made for the VM; IKEWATCH_VM puts it elsewhere, so that several checkouts can share one
vm_dir=${IKEWATCH_VM:-$top/build/vm}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }
need() {
	local c
	for c; do
		command -v "$c" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "$c" >/dev/null ||
			die "$c: not found; run scripts/deps vm"
	done
	PATH=$PATH:/usr/sbin:/sbin
}

# apt_sources SUITE: deb lines for another suite, from the machine's own sources, so that its mirror, proxy and
# keys are used and none is named here.
# shellcheck disable=SC2016  # $(REPO_URI) and the like are apt's, not the shell's
apt_sources() {
	local suite=$1 base uri release comp key='' made=0
	base=$(. /etc/os-release && echo "${VERSION_CODENAME:?}")
	if [ -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
		key='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] '
	fi
	while IFS='|' read -r uri release comp; do
		[ "$comp" = main ] || continue
		case $release in
		"$base") printf 'deb %s%s %s main\n' "$key" "$uri" "$suite"; made=1 ;;
		"$base-security")
			case $suite in
			sid | *-backports) ;;
			*) printf 'deb %s%s %s-security main\n' "$key" "$uri" "$suite" ;;
			esac ;;
		esac
	done < <(apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages')
	[ $made = 1 ] || die "apt sources: none for Debian $base main found on this machine"
}

# apt_options FILE: what the machine's apt is told about fetching (proxies, dates), for an apt that does not read
# its configuration.
apt_options() {
	apt-config dump | grep -E '^Acquire::(Check-[A-Za-z-]+|http|https|http::[A-Za-z-]+|https::[A-Za-z-]+|Retries) ' >"$1" || :
}

# one at a time: two builders of the same thing wait for each other
lock() {
	mkdir -p "$vm_dir"
	exec 9>"$vm_dir/.lock-$1"
	flock -n 9 || { say "waiting for another $1 build"; flock 9; }
}

# bootstrap ARG...: mmdebstrap without the descriptors that our own caller left open; it names one of its own to a shell
# that knows but single digits, and fails when those are taken
bootstrap() (
	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		[ "$fd" -le 2 ] || eval "exec $fd>&-"
	done
	exec mmdebstrap "$@"
)
