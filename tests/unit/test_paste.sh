#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every command of the catalogue, filled in, is a line that a shell understands, and begins with a program that the
# text may name.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
failed=0
mapfile -t commands < <("$O/unit/test_catalogue" --commands | sort -u)
if [ ${#commands[@]} -lt 20 ]; then
	echo "FAIL paste/commands: only ${#commands[@]} commands; is $O/unit/test_catalogue built?"
	exit 1
fi
bad=()
for command in "${commands[@]}"; do bash -n -c "$command" 2>/dev/null || bad+=("$command"); done
if [ ${#bad[@]} -eq 0 ]; then
	echo 'ok paste/parse'
else
	echo "FAIL paste/parse: ${bad[*]}"
	failed=1
fi

# what a pasted line would run: harmless, or asked for by name
known='^(ip|nsenter|ping|tcpdump|nft|swanctl|ipsec|ikectl|iked|journalctl|systemctl|ikewatch|dig|getent|resolvectl|cat|pgrep|vtysh|read|jq)$'
bad=()
for command in "${commands[@]}"; do
	word=${command%% *}
	# the program behind "ip netns exec NAME"
	[[ $command =~ ^ip\ netns\ exec\ [^\ ]+\ ([^\ ]+) ]] && word=${BASH_REMATCH[1]}
	[[ $word =~ $known ]] || bad+=("$command")
done
if [ ${#bad[@]} -eq 0 ]; then
	echo 'ok paste/programs'
else
	echo "FAIL paste/programs: ${bad[*]}"
	failed=1
fi

# our own commands exist, with those options
if [ -x "$O/ikewatch" ]; then
	bad=()
	while read -r _ command rest; do
		help=$("$O/ikewatch" "$command" --help) || bad+=("ikewatch $command")
		for word in $rest; do
			[[ $word != --* ]] || grep -q -- "$word" <<<"$help" || bad+=("ikewatch $command $word")
		done
	done < <(printf '%s\n' "${commands[@]}" | grep -o '^ikewatch [^|]*')
	if [ ${#bad[@]} -eq 0 ]; then
		echo 'ok paste/own-commands'
	else
		echo "FAIL paste/own-commands: ${bad[*]}"
		failed=1
	fi
else
	echo "FAIL paste/own-commands: $O/ikewatch is not built"
	failed=1
fi
exit $failed
