# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# From the variations' results (array: name, daemon, expected, alarms) to what tests/lab/truth prints: how often each
# stated confidence was right, what was wanted and what was told by daemon, and every miss.

def wanted: .reason | split("|");
# how far an alarm is from what was expected: the tunnel first, then the cause
def distance($e): [(if $e.inside and .inside_ip != $e.inside then 4 else 0 end), (if $e.peer and .dst_ip != $e.peer then 2 else 0 end),
	(if [.offline_reason] - ($e | wanted) | length > 0 then 1 else 0 end)] | add;

# each expectation takes the nearest alarm; what has none was missed, what is left was not expected
def pairs: . as $v
	| reduce .expected[] as $e ({left: .alarms, rows: []};
		if (.left | length) == 0 then .rows += [{want: ($e | wanted), got: "(no alarm)", confidence: "none", right: false, detail: ""}]
		else (.left | to_entries | min_by(.value | distance($e))) as $near
		| .rows += [{want: ($e | wanted), got: $near.value.offline_reason, confidence: $near.value.confidence, rule: $near.value.rule,
			right: ([$near.value.offline_reason] - ($e | wanted) | length == 0), detail: $near.value.detail}]
		| .left |= del(.[$near.key]) end)
	| .rows + [.left[] | {want: ["(nothing)"], got: .offline_reason, confidence, rule, right: false, detail}]
	| map(. + {name: $v.name, daemon: $v.daemon});

def pad($n): . + (" " * ([$n - length, 1] | max));
def percent($of): if $of == 0 then "-" else "\(. * 1000 / $of | round / 10) %" end;
def title: if .right then .got else .want[0] end;

map(pairs) | add // [] | . as $rows
| "stated confidence   right  wrong  right of all",
  ("certain", "likely", "possible", "none" | . as $c
	| [$rows[] | select(.confidence == $c)] as $all | ([$all[] | select(.right)] | length) as $right
	| "\($c | pad(19)) \($right | tostring | pad(6)) \($all | length - $right | tostring | pad(6)) \($right | percent($all | length))"),
  "", "what was wanted and what was told, by daemon (alarms)",
  ($rows | group_by(.daemon)[] | "\(.[0].daemon):",
	(group_by([title, .got])[] | "  \(.[0] | title | pad(44)) \(if .[0].right then "right" else "told as \(.[0].got)" end | pad(40)) \(length)")),
  "", "variations of each cause, by daemon (* fewer than three)",
  ($rows | map(select(.want[0] != "(nothing)")) | group_by([title, .daemon])[]
	| (map(.name) | unique | length) as $n | "  \(.[0] | title | pad(44)) \(.[0].daemon | pad(16)) \($n)\(if $n < 3 then " *" else "" end)"),
  "", "misses: \([$rows[] | select(.right | not)] | length) of \($rows | length)",
  ($rows[] | select(.right | not) | "  \(.name) (\(.daemon)): wanted \(.want | join(" or ")), told \(.got) (\(.confidence), rule \(.rule // "-")). \(.detail)"),
  "wrong and certain: \([$rows[] | select((.right | not) and .confidence == "certain")] | length)"
