#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What `make install` and `make deb` put where; manual page, completion and help say the same; the unit is sound.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
failed=0
ok() { printf 'ok install/%s\n' "$1"; }
bad() { printf 'FAIL install/%s: %s\n' "$1" "$(tr '\n' ' ' <<<"$2")"; failed=1; }
skip() { printf 'skip install/%s: %s\n' "$1" "$2"; }
# same NAME WANTED GOT
same() {
	if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "$(diff <(echo "$2") <(echo "$3") | grep '^[<>]')"; fi
}
[ -x "$O/ikewatch" ] || { echo "FAIL install: $O/ikewatch is not built"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mk() { make -s --no-print-directory O="$O" "$@"; }

files() {
	cat <<FILES
755 $1/sbin/ikewatch
755 $1/libexec/ikewatch/ikewatch-send
644 $1/lib/systemd/system/ikewatch-send.service
644 $1/share/doc/ikewatch/sinks.conf
644 $1/share/doc/ikewatch/ikewatch.rules.yml
644 $1/share/doc/ikewatch/ikewatch.dashboard.json
644 $1/share/snmp/mibs/IKEWATCH-MIB.txt
644 $1/lib/systemd/system/ikewatch.service
644 $1/lib/sysusers.d/ikewatch.conf
644 $1/share/bash-completion/completions/ikewatch
644 $1/share/doc/ikewatch/README.md
644 $1/share/man/man5/ikewatch.conf.5
644 $1/share/man/man8/ikewatch.8
644 /etc/ikewatch/ikewatch.conf
FILES
}
list() { (cd "$1" && find . -type f -printf '%m %P\n' | sed 's, , /,'); }

installed() {
	local prefix=$1 dest=$work/dest$1
	if ! mk DESTDIR="$dest" prefix="$prefix" install >"$work/log" 2>&1; then
		bad "files$prefix" "$(tail -n 3 "$work/log")"
		return
	fi
	same "files$prefix" "$(files "$prefix" | sort)" "$(list "$dest" | sort)"
	if grep -q "^ExecStart=$prefix/sbin/ikewatch run" "$dest$prefix/lib/systemd/system/ikewatch.service" &&
		! grep -rqI '@[a-z]*@' "$dest$prefix/lib" "$dest$prefix/share/man"; then
		ok "filled-in$prefix"
	else
		bad "filled-in$prefix" 'a path or version was not put in'
	fi
	mk DESTDIR="$dest" prefix="$prefix" uninstall >/dev/null 2>&1
	same "uninstall$prefix" '' "$(list "$dest")"
}

manual() {
	local page warnings
	for page in ikewatch.8 ikewatch.conf.5; do
		if command -v man >/dev/null; then
			warnings=$(LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -l scripts/$page 2>&1 >/dev/null)
		elif command -v groff >/dev/null; then
			warnings=$(groff -man -ww -z -Tutf8 scripts/$page 2>&1)
		else
			skip manual 'neither man nor groff here'
			return
		fi
		same "manual/$page" '' "$warnings"
	done
}

commands() { "$O/ikewatch" --help | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p' | grep -v '^ikewatch$'; }
options() { "$O/ikewatch" "$1" --help | sed -n 's/^ *\(-[a-z], \)\{0,1\} *\(--[a-z-]*\).*/\2/p' | sort; }

# complete WORD...: what bash would offer for the last word
complete_words() {
	bash -c '. scripts/ikewatch.bash-completion
		compopt() { :; }
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_ikewatch
		printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

completion() {
	local command
	same completion/commands "$({ commands; echo --help; echo --version; } | sort)" "$(complete_words ikewatch '' | sort)"
	for command in $(commands); do
		same "completion/$command" "$(options "$command")" "$(complete_words ikewatch "$command" -- | sort)"
	done
	same completion/hooks "$(printf '%s\n' xdp xdp-generic)" "$(complete_words ikewatch run --hook x | sort)"
	# numbers of alarms, from the store that --state-dir names
	if "$O/ikewatch" replay tests/stories/rekey-v2.events --state-dir "$work/store" >/dev/null &&
		"$O/ikewatch" replay tests/stories/dpd-v2-cbc.events --state-dir "$work/store2" >/dev/null; then
		PATH=$(realpath "$O"):$PATH
		same completion/ids "1" "$(complete_words ikewatch explain --state-dir "$work/store2" '')"
		same completion/ids_all "1" "$(complete_words ikewatch explain --state-dir "$work/store" '')"
	else
		bad completion/ids 'no store could be made'
	fi
	if complete_words ikewatch run --iface l | grep -qx lo; then
		ok completion/interfaces
	else
		bad completion/interfaces 'lo is not offered'
	fi
}

manual_is_complete() {
	local command option missing='' text
	text=$(sed 's/\\-/-/g' scripts/ikewatch.8)
	for command in $(commands); do
		grep -q "^\.BR $command " <<<"$text" || missing+="$command "
		for option in $(options "$command"); do
			grep -qE -- "^\.BR? .*$option( |$)" <<<"$text" || missing+="$command:$option "
		done
	done
	same manual/complete '' "$missing"
	# section NAME: the bold words that begin its entries
	section() { sed -n "/^\.SH $1\$/,/^\.SH/p" <<<"$text" | grep -E '^\.BR? [A-Z]' | grep -oE '[A-Z_]{4,}' | sort -u; }
	same manual/environment "$(grep -ohE 'getenv\("[A-Z_]+"' user/*.c | grep -oE '[A-Z_]{4,}' | sort -u)" "$(section ENVIRONMENT)"
	# files that set up signals; what others send to IKE daemons is not ours
	same manual/signals "$(grep -lE '\b(sigaction|sigaddset|signal)\(' user/*.c | xargs grep -ohE '\bSIG[A-Z]+\b' | sort -u)" \
		"$(section SIGNALS)"
	same manual/exit '0 1 2' "$(sed -n '/^\.SH EXIT/,/^\.SH SIG/p' <<<"$text" | sed -n 's/^\.B \([0-9]\)$/\1/p' | paste -sd' ')"
	for option in $(grep -ohE '"/(var|run|etc|sys/fs)/[a-z/.]*ikewatch[a-z/.]*"' user/*.h user/*.c | tr -d '"' | sort -u); do
		grep -q "^\.I $option" <<<"$text" || missing+="$option "
	done
	same manual/files '' "$missing"
	# every member of an alarm object and of a fact is explained
	missing=''
	for option in $("$O/ikewatch" replay --json tests/stories/rekey-with-traffic.events | jq -r '
		(keys_unsorted - ["ifindex","seq_num","tunnel_index","rule_num","dst_ip","inside_ip","remote_port","cpu_id","src_ip",
		"flow_info","offline_reason","vsys_name","interface_name"])[], (.sas[], .evidence[], .by, .ike | keys[])' | sort -u); do
		sed -n '/^\.SH ALARM OBJECT/,/^\.SH EXIT/p' <<<"$text" | grep -qw -- "$option" || missing+="$option "
	done
	same manual/object '' "$missing"
}

unit() {
	local type log
	type=$(sed -n 's/^Type=//p' scripts/ikewatch.service)
	if grep -rqE 'sd_notify|NOTIFY_SOCKET' user/*.c; then
		same unit/type notify "$type"
	else
		same unit/type exec "$type"
	fi
	if ! command -v systemd-analyze >/dev/null; then
		skip unit/verify 'systemd-analyze: not found'
		return
	fi
	mkdir -p "$work/unit"
	sed "s,@sbindir@/ikewatch,$(realpath "$O/ikewatch")," scripts/ikewatch.service >"$work/unit/ikewatch.service"
	log=$(systemd-analyze verify --man=no "$work/unit/ikewatch.service" 2>&1 | grep ikewatch)
	sed "s,@sbindir@/ikewatch,$(realpath "$O/ikewatch")," scripts/ikewatch-send.service >"$work/unit/ikewatch-send.service"
	log+=$(systemd-analyze verify --man=no "$work/unit/ikewatch-send.service" 2>&1 | grep ikewatch)
	# the users are made by the package
	same unit/verify '' "$(grep -v 'user.*ikewatch' <<<"$log")"
	for type in ikewatch ikewatch-send; do
		log=$(systemd-analyze security --offline=true --no-pager --threshold=20 "$work/unit/$type.service" 2>&1)
		same "unit/security/$type" 0 "$?"
		sed -n 's/^.*Overall exposure level/exposure/p' <<<"$log"
	done
}

package() {
	local deb script
	if ! command -v dpkg-deb >/dev/null; then
		skip deb 'dpkg-deb: not found'
		return
	fi
	if ! mk deb >"$work/log" 2>&1; then
		bad deb "$(tail -n 3 "$work/log")"
		return
	fi
	deb=$O/ikewatch_$(cat VERSION)_$(dpkg --print-architecture).deb
	same deb/files "$({ files /usr | sed 's,man8/ikewatch.8,&.gz,; s,man5/ikewatch.conf.5,&.gz,'; echo '644 /usr/share/doc/ikewatch/copyright'; } | cut -d' ' -f2 | sort)" \
		"$(dpkg-deb -c "$deb" | awk '!/^d/ { sub(/^\./, "", $6); print $6 }' | sort)"
	same deb/owner root/root "$(dpkg-deb -c "$deb" | awk '{ print $2 }' | sort -u)"
	# shellcheck disable=SC2016  # dpkg-deb's fields
	same deb/fields "ikewatch $(cat VERSION) $(dpkg --print-architecture)" \
		"$(dpkg-deb -W --showformat='${Package} ${Version} ${Architecture}' "$deb")"
	if dpkg-deb -f "$deb" Depends | grep -q 'libbpf.*libjansson'; then
		ok deb/depends
	else
		bad deb/depends "$(dpkg-deb -f "$deb" Depends)"
	fi
	dpkg-deb -e "$deb" "$work/control"
	for script in postinst prerm postrm; do
		[ -x "$work/control/$script" ] && sh -n "$work/control/$script" && continue
		bad "deb/$script" 'not a program that sh understands'
	done
	dpkg-deb -x "$deb" "$work/tree"
	same deb/sums '' "$(cd "$work/tree" && md5sum --quiet -c "$work/control/md5sums" 2>&1)"
	same deb/runs "ikewatch $(cat VERSION)" "$("$work/tree/usr/sbin/ikewatch" --version)"
}

installed /usr
installed /usr/local
manual
manual_is_complete
completion
unit
package
exit $failed
