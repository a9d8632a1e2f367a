#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What a reader notices without running anything: format, shell scripts, licence lines, and that no file names the
# machine it was written on. Prints ok/FAIL/skip lines; exits 1 when one failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
failed=0
ok() { printf 'ok lint/%s\n' "$1"; }
bad() { printf 'FAIL lint/%s: %s\n' "$1" "$2"; failed=1; }
skip() { printf 'skip lint/%s: %s\n' "$1" "$2"; }
# verdict NAME LIST: FAIL with the list when there is one
verdict() {
	if [ -z "$2" ]; then ok "$1"; else bad "$1" "$(tr '\n' ' ' <<<"$2")"; fi
}

# tracked files and new ones, not what .gitignore names; in an unpacked archive, everything but build/
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	mapfile -t files < <(git ls-files --cached --others --exclude-standard)
else
	mapfile -t files < <(find . -path ./build -prune -o -type f -print | sed 's,^\./,,')
fi
text=() c=() scripts=() sources=()
for f in "${files[@]}"; do
	[ -f "$f" ] || continue
	grep -qI . "$f" || continue # binary or empty
	text+=("$f")
	case $f in
	*.c | *.h) c+=("$f") ;;
	esac
	case $f in
	*.sh | *.bash-completion) scripts+=("$f") ;;
	*) read -r first <"$f" || first=
		[[ $first =~ ^'#!'.*(/|env\ )(ba|da)?sh ]] && scripts+=("$f") ;;
	esac
	case $f in
	# data that a program reads to the byte, formats without comments
	VERSION | *.json | tests/*/*.expect | tests/*/*.events | tests/*/golden/* | tests/fuzz/corpus/*) ;;
	*) sources+=("$f") ;;
	esac
done
if [ ${#c[@]} -eq 0 ] || [ ${#scripts[@]} -eq 0 ]; then bad files 'no sources found'; exit 1; fi

format() {
	command -v clang-format >/dev/null || { skip format 'clang-format: not found'; return; }
	local f list=
	for f in "${c[@]}"; do
		clang-format --dry-run -Werror "$f" 2>/dev/null || list+="$f"$'\n'
	done
	verdict format "$list"
}

shell() {
	command -v shellcheck >/dev/null || { skip shellcheck 'shellcheck: not found'; return; }
	local f list=
	for f in "${scripts[@]}"; do
		shellcheck -x -S style "$f" >/dev/null 2>&1 || list+="$f"$'\n'
	done
	verdict shellcheck "$list"
}

spdx() {
	local f list=
	for f in "${sources[@]}"; do
		head -n 8 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause' || list+="$f"$'\n'
	done
	verdict spdx "$list"
}

# absent NAME STRING WHY: no file contains the string
absent() {
	local list
	list=$(grep -lIF -e "$2" -- "${text[@]}" || :)
	if [ -z "$list" ]; then ok "$1"; else bad "$1" "$3 in $(tr '\n' ' ' <<<"$list")"; fi
}

# hosts that this machine fetches packages from; the distribution's own are everybody's
mirrors() {
	command -v apt-get >/dev/null || { skip mirrors 'no apt here'; return; }
	local host list='' hosts
	# shellcheck disable=SC2016  # $(REPO_URI) is apt's, not the shell's
	hosts=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null |
		sed -nE 's#^[a-z+]*://([^/:@]*@)?([^/:]*).*#\2#p' | sort -u)
	for host in $hosts; do
		case $host in *.debian.org | *.ubuntu.com | localhost | '') continue ;; esac
		list+=$(grep -lIF -e "$host" -- "${text[@]}" | sed 's/$/ /')
	done
	verdict mirrors "$list"
}

# no function longer than 80 lines (a brace alone in the first column begins one)
functions() {
	local list
	list=$(awk 'FNR == 1 { start = 0 }
		/^\{$/ { start = FNR }
		/^\}$/ && start { if (FNR - start > 80) print FILENAME ":" start; start = 0 }' "${c[@]}")
	verdict functions "$list"
}

unfinished() {
	local list
	list=$(grep -nIE '\b(TODO|FIXME|XXX)\b' -- "${c[@]}" "${scripts[@]}" | grep -v '^tests/lint.sh:' | cut -d: -f1,2)
	verdict unfinished "$list"
}

format
shell
spdx
absent paths "/""work/" 'a path of one machine'
mirrors
functions
unfinished
exit $failed
