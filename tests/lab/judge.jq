# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Compares the agent's alarms with what a story expects ($expected, $alarms: arrays); prints what is wrong, a line
# each, nothing when all is right. Every expectation takes one alarm, none may be left over. $tier: the one the agent
# was given, or empty. By netlink the deleting process is often not to be had, nor is certainty; where even the reason
# is not, the story says what else it may be (netlink=reason|reason). $late: not empty where the agent came after the
# tunnel, whose IKE_SA it may not know.

def level: {none: 0, possible: 1, likely: 2, certain: 3}[.];
def short: "\(.offline_reason // "?") (\(.confidence // "?"), dst \(.dst_ip // "?"), inside \(.inside_ip // "?"), IKE \(.ike.spi_i // "-"), up \(.tunnel_up), by \(.by.comm // "-"), ordered by \(.ordered_by.comm // "-"), rule \(.rule // "?"): \(.detail // "?"))";
def process_is($want): if $want == "none" then . == null else (.comm // "") | test($want) end;

# what of expectation $e the alarm does not fulfil
def differs($e):
	. as $a
	| ($tier == "netlink") as $netlink
	| (($late | length) > 0) as $late
	| (if $netlink and $e.netlink then $e.netlink else $e.reason end) as $reason
	| [ if $reason and ([.offline_reason] - ($reason | split("|")) | length) > 0
		and ($late and .offline_reason == "unknown" | not)
		and ((.confidence == "possible" and .offline_reason == $e.maybe) | not) then "reason" else empty end,
	    if $e.peer and .dst_ip != $e.peer then "dst_ip" else empty end,
	    if $e.inside and .inside_ip != $e.inside then "inside_ip" else empty end,
	    if $e.flow and ((.flow_info // "") | test($e.flow) | not) then "flow_info" else empty end,
	    if $e.iface and .interface_name != $e.iface then "interface_name" else empty end,
	    if $e.up and $e.up != "any" and (.tunnel_up | tostring) != $e.up then "tunnel_up" else empty end,
	    if $e.by and ($netlink and .by == null | not) and (.by | process_is($e.by) | not) then "by" else empty end,
	    if $e.ordered and (.ordered_by | process_is($e.ordered) | not) then "ordered_by" else empty end,
	    if $e.login and ((.ordered_by.loginuid // "none") | tostring) != $e.login then "ordered_by.loginuid" else empty end,
	    if $e.terminal and ((.ordered_by.tty // "") | test($e.terminal) | not) then "ordered_by.tty" else empty end,
	    if $e.command and ((.ordered_by.command // "") | test($e.command) | not) then "ordered_by.command" else empty end,
	    if $e.parents and ([.ordered_by.parents[]?.comm] | join(" ") | test($e.parents) | not) then "ordered_by.parents" else empty end,
	    if $e.confidence and ($netlink or $late | not) and (.offline_reason == $e.maybe | not) and ((.confidence // "none") | level) < ($e.confidence | level) then "confidence" else empty end,
	    if $e.version and ($late and .ike == null | not) and ((.ike.version // "none") | tostring) != $e.version then "ike.version" else empty end,
	    if $e.spi_i and ($late and .ike == null | not) and .ike.spi_i != $e.spi_i and ([.blind_spots[] | select(test("^which of several IKE_SAs"))] | length == 0) then "ike.spi_i" else empty end,
	    if $e.detail and ($late | not) and ((.detail // "") | test($e.detail; "i") | not) then "detail" else empty end ];

def members: ["id", "alarm", "alarm_id", "oid", "severity", "type", "time", "ifindex", "seq_num", "tunnel_index", "rule_num",
	"dst_ip", "inside_ip", "remote_port", "cpu_id", "src_ip", "flow_info", "offline_reason", "vsys_name", "interface_name", "slot_id",
	"confidence", "rule", "detail", "tunnel_up", "ike", "sas", "by", "ordered_by", "evidence", "blind_spots", "latency_us"];
def malformed:
	. as $a
	| (members - keys | map("lacks " + .)),
	  (if .alarm != "IPSECTUNNELSTOP" or .alarm_id != 4285734913 or .type != "communication" then ["is not the seed's alarm"] else [] end),
	  (if (.sas | type) != "array" or (.sas | length) < 1 or (.sas | length) > 2 then ["has \(.sas | length) SAs"] else [] end),
	  (if (.evidence | type) != "array" or (.evidence | length) == 0 then ["has no evidence"] else [] end),
	  (if .vsys_name != "gwa" then ["is of vsys \(.vsys_name)"] else [] end),
	  (if $tier == "netlink" and .confidence == "none" and (.blind_spots | length) == 0 then ["names no blind spot"] else [] end),
	  (if (.latency_us | type) != "number" or .latency_us < 0 then ["has latency \(.latency_us)"] else [] end)
	| .[] | "alarm \($a.id): \(.)";

# each expectation in turn takes the alarm that fulfils it; what is left is matched to the nearest one
reduce $expected[] as $e ({left: $alarms, open: [], wrong: []};
	([.left | to_entries[] | select(.value | differs($e) | length == 0) | .key] | first) as $i
	| if $i != null then .left |= del(.[$i]) else .open += [$e] end)
| reduce .open[] as $e (.;
	if (.left | length) == 0 then .wrong += ["no alarm: \($e | tojson)"]
	else (.left | to_entries | min_by(.value | differs($e) | length)) as $near
	| .wrong += ["wrong \($near.value | differs($e) | join(", ")): wanted \($e | tojson), got \($near.value | short)"]
	| .left |= del(.[$near.key]) end)
| .wrong + (.left | map("unexpected alarm: " + short)) + [$alarms[] | malformed]
| .[]
