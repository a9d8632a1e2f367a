#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The pages of `explain --html` in headless Chromium, light and dark: every fact of the evidence is drawn where it can
# be seen, text can be read, marks take the keyboard's focus, nothing is fetched. Screenshots are kept in build/test/.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
stories='dpd-with-traffic rekey-with-traffic terminate-vici peer-request-v1 flush-netlink exchange-timeout-v2'
failed=0
ok() { printf 'ok page/%s\n' "$1"; }
bad() { printf 'FAIL page/%s: %s\n' "$1" "$2"; failed=1; }
command -v jq >/dev/null || { echo 'skip page: jq not found'; exit 0; }
[ -x "$O/ikewatch" ] || { echo "FAIL page: $O/ikewatch is not built"; exit 1; }
if ! why=$(scripts/browser 2>&1); then
	echo "skip page: no Chromium: $(tail -n 1 <<<"$why")"
	exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$O/test"

# browse SCHEME(0 dark, 1 light) ARGUMENT...
browse() {
	local scheme=$1
	shift
	timeout 120 scripts/browser --dir "$work" --window-size=1200,1000 \
		"--blink-settings=preferredColorScheme=$scheme" "$@" 2>"$work/log"
}

# look STORY SCHEME NAME: one page in one colour scheme
look() {
	local story=$1 scheme=$2 name=$1/$3 result
	result=$(browse "$scheme" --dump-dom "file:///page/$story.checked.html" |
		sed -n 's/.*<pre id="result">\(.*\)<\/pre>.*/\1/p' | sed 's/&gt;/>/g;s/&lt;/</g;s/&amp;/\&/g')
	if [ -z "$result" ]; then
		bad "$name" "the browser gave no result: $(tail -n 1 "$work/log")"
		return
	fi
	why=$(jq -rn --argjson got "$result" --slurpfile want "$work/$story.json" --argjson dark "$((1 - scheme))" '
		($want[0].evidence | group_by(.kind) | map({(.[0].kind): length}) | add) as $facts |
		[ $got.problems[],
		  (if $got.drawn == $facts then empty else "drawn \($got.drawn), evidence \($facts)" end),
		  (if $got.dark == ($dark == 1) then empty else "not the colour scheme asked for" end),
		  (if $got.bars >= ($want[0].sas | length) then empty else "an SA has no bar" end)
		] | .[:5] | join("; ")')
	if [ -n "$why" ]; then bad "$name" "$why"; else ok "$name"; fi
	browse "$scheme" "--screenshot=/page/shot.png" "file:///page/$story.html" >/dev/null
	if [ -s "$work/shot.png" ]; then
		mv "$work/shot.png" "$O/test/page-$story-$3.png"
	else
		bad "$name/screenshot" "$(tail -n 1 "$work/log")"
	fi
}

for story in $stories; do
	if ! "$O/ikewatch" replay "tests/stories/$story.events" --state-dir "$work/$story" >/dev/null ||
		! "$O/ikewatch" explain 1 --state-dir "$work/$story" --json >"$work/$story.json" ||
		! "$O/ikewatch" explain 1 --state-dir "$work/$story" --html "$work/$story.html"; then
		bad "$story" 'no page'
		continue
	fi
	{
		sed 's,</body></html>,,' "$work/$story.html"
		printf '<script>\n%s\n</script></body></html>\n' "$(cat tests/host/page_check.js)"
	} >"$work/$story.checked.html"
	look "$story" 1 light
	look "$story" 0 dark
done

# on paper: the page prints, and not one picture a page
if browse 1 --no-pdf-header-footer --print-to-pdf=/page/page.pdf file:///page/dpd-with-traffic.html >/dev/null &&
	pages=$(grep -ac '/Type */Page\b' "$work/page.pdf") && [ "$pages" -ge 1 ] && [ "$pages" -le 4 ]; then
	ok print
else
	bad print "${pages:-0} pages; $(tail -n 1 "$work/log")"
fi
exit $failed
