#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317 # functions that until_ calls
# SNMP: what Debian's snmptrapd receives, variable by variable, for v2c and v3, traps and informs; a sender that was
# started again; wrong keys and addresses; the MIB.
# shellcheck source=tests/host/sinks.sh
. "$(dirname "$0")/sinks.sh"

engine=0x80001f8804696b772d74657374
mkdir "$dir/trapd"
cat >"$dir/trapd.conf" <<C
disableAuthorization no
authCommunity log,net public
createUser -e $engine trapper SHA authauthauth AES privprivpriv
createUser informer SHA-256 authauthauth AES privprivpriv
authUser log trapper priv
authUser log informer priv
snmpTrapdAddr udp:127.0.0.1:10162
C
# every variable on a line of its own: OID, type, value; %w is 0 for v2 and v3, %s the version, %P how it was secured
format='begin %w %s %P\n%v\nend\n'
trapd() {
	SNMP_PERSISTENT_DIR=$dir/trapd MIBS='' from usr/sbin/snmptrapd -f -n -On -C -c "$dir/trapd.conf" -F "$format" -A \
		-Lf "$dir/received" 2>>"$dir/trapd.err" &
	trapd_pid=$!
	pids+=($!)
	until_ 20 bound 10162
}
trapd || { fail snmp/receiver "$(cat "$dir/trapd.err")"; exit 1; }

v2='version = "2c" community = "public" start = "all" retry-max = 1 timeout = 4'
v3='version = "3" auth-key = "authauthauth" priv-key = "privprivpriv" start = "all" retry-max = 1 timeout = 4'
address='address = "udp:127.0.0.1:10162"'
cat >"$conf" <<C
gateway = "gw1"
snmp "v2inform" { $address $v2 }
snmp "v2trap" { $address $v2 inform = false }
snmp "v3trap" { $address $v3 inform = false user = "trapper" engine-id = "$engine" extras = true }
snmp "v3inform" { $address $v3 user = "informer" auth = "SHA-256" }
C
alarms 1
send
for sink in v2inform v2trap v3trap v3inform; do
	until_ 60 at $sink 1
	verdict snmp/delivered/$sink $? "$(cat "$dir/send.err")"
done
received() { [ "$(grep -c '^begin' "$dir/received")" -ge "$1" ]; }
until_ 20 received 5
verdict snmp/received $? "$(cat "$dir/received")"

# part N: one notification without the uptime, which is the time of sending
part() { tr '\t' '\n' <"$dir/received" | awk -v n="$1" '/^begin/ { i++ } i == n && !/^.1.3.6.1.2.1.1.3.0 = Timeticks/'; }
base=.1.3.6.1.4.1.2011.6.122.26
want=".1.3.6.1.6.3.1.1.4.1.0 = OID: $base.6.2
$base.2.1.1.2.11.1 = Gauge32: 2
$base.2.1.2.2.11.1 = Gauge32: 11
$base.2.1.3.2.11.1 = Gauge32: 1
$base.2.1.4.2.11.1 = Gauge32: 81
$base.2.1.5.2.11.1 = STRING: \"198.51.100.1\"
$base.2.1.6.2.11.1 = STRING: \"10.2.0.0\"
$base.2.1.7.2.11.1 = Gauge32: 4500
$base.2.1.8.2.11.1 = Gauge32: 1
$base.2.1.21.2.11.1 = STRING: \"192.0.2.1\"
$base.2.1.30.2.11.1 = STRING: \"src=10.1.0.0/16 dst=10.2.0.0/16 proto=any sport=any dport=any dscp=any\"
$base.5.12.0 = STRING: \"dpd timeout\"
$base.5.13.0 = STRING: \"Public\"
$base.5.14.0 = STRING: \"eth0\"
$base.2.1.29.2.11.1 = Gauge32: 0
end"
count=0
for n in 1 2 3 4 5; do
	part $n | grep -q 'OID: .1.3.6.1.4.1.2011' || continue
	count=$((count + 1))
	same snmp/fields/$count "$want" "$(part $n | sed 1d)"
done
same snmp/fields/number 4 $count
mine=.1.3.6.1.4.1.8072.9999.9999.4285
for n in 1 2 3 4 5; do
	part $n | grep -q "OID: $mine" || continue
	same snmp/extras ".1.3.6.1.6.3.1.1.4.1.0 = OID: $mine.0.1
$mine.1.1.0 = STRING: \"$(stored 1 | jq -r '"gw1:1:" + (.time | sub("\\..*"; "Z") | fromdate | tostring)')$(stored 1 | jq -r '.time[20:26]')\"
$mine.1.2.0 = Gauge32: 1
$mine.1.3.0 = STRING: \"dpd timeout\"
$mine.1.4.0 = STRING: \"certain\"
$mine.1.5.0 = STRING: \"The peer did not answer the liveness check \\\"]\\\\=.\"
$mine.1.6.0 = STRING: \"$(stored 1 | jq -r .time)\"
end" "$(part $n | sed 1d)"
done
same snmp/versions "$(printf '%s\n' 'TRAP2, SNMP v2c, community public' 'TRAP2, SNMP v3, user trapper, context' 'TRAP2, SNMP v3, user trapper, context' \
	'INFORM, SNMP v2c, community public' 'INFORM, SNMP v3, user informer, context' | sort)" \
	"$(sed -n 's/^begin 0 [0-9]* //p' "$dir/received" | sed 's/ *$//' | sort)"

# a sender that is started again has a greater number of starts: its v3 traps are still taken
end "$sender"
send
alarms 1
until_ 30 received 10
verdict snmp/started_again $? "$(grep -c '^begin' "$dir/received") of 10 notifications"
# a receiver that is started again: informs find its new engine state
end "$trapd_pid"
alarms 1
trapd
for sink in v2inform v3inform; do
	until_ 60 at $sink 3
	verdict snmp/receiver_again/$sink $? "$(cat "$dir/send.err")"
done
end "$sender"
sender=

# the vendor's sizes hold, and no character is cut in two
python3 - "$state" <<'P'
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1] + "/alarms.db")
ident, text = db.execute("SELECT id, json FROM alarms ORDER BY id DESC LIMIT 1").fetchone()
alarm = json.loads(text)
for name in ("dst_ip", "inside_ip", "src_ip", "flow_info", "offline_reason", "vsys_name", "interface_name"):
    alarm[name] = ("x" if name == "vsys_name" else "") + "\u00e9" * 200
alarm["remote_port"], alarm["cpu_id"], alarm["slot_id"] = 4294967295, 0, 0
db.execute("UPDATE alarms SET json = ? WHERE id = ?", (json.dumps(alarm), ident))
db.commit()
P
sed -i '/v2trap\|v3trap\|v3inform/d' "$conf"
rewind() { jq -c '.cursor = 2' "$cursors/v2inform.json" >"$dir/cursor" && cat "$dir/cursor" >"$cursors/v2inform.json"; }
rewind
: >"$dir/received"
send
until_ 60 at v2inform 3 && until_ 20 received 1
verdict snmp/long $? "$(cat "$dir/send.err")"
# a text of other than ASCII is shown in hex: octets of each, in order
same snmp/sizes '128 128 128 254 128 31 62' "$(python3 - "$dir/received" <<'P'
import re, sys
print(*(len(hexes.split()) for hexes in re.findall(r"Hex-STRING: ((?:[0-9A-F]{2}\s+)+)", open(sys.argv[1]).read().replace("\t", " "))))
P
)"
same snmp/gauge 4294967295 "$(sed -n 's/.*2\.1\.7\.2\.11\.[0-9]* = Gauge32: \([0-9]*\).*/\1/p' <<<"$(tr '\t' '\n' <"$dir/received")")"
# that writer took the WAL with it; the sender read on without, and notices when there is an agent again
same snmp/no_wal no "$([ -e "$state/alarms.db-wal" ] && echo yes || echo no)"
alarms 1
until_ 60 at v2inform 4
verdict snmp/wal_again $? "$(cat "$cursors/v2inform.json"; tail -n 2 "$dir/send.err")"
end "$sender"

# a tunnel that comes up is told of when asked for, once, and not before a deletion that went before it has settled
tunnel() {
	printf '{"index":%s,"up":%s,"src_ip":"192.0.2.1","dst_ip":"198.51.100.1","flow_info":"any","reqid":11,"rule_num":81,"up_since":%s,"ifindex":2,"interface_name":"eth0","inside_ip":"10.2.0.0","remote_port":4500,"vsys_name":"Public","life_s":%s,"life_kib":%s,"sas":[]}\n' "$@"
}
now() { date -u +'"%Y-%m-%dT%H:%M:%S.%6NZ"'; }
cat >"$conf" <<C
gateway = "gw1"
snmp "v2inform" { $address $v2 }
snmp "start" { $address $v2 tunnel-start = true }
C
tunnel 7 true '"2026-01-02T03:04:05.000000Z"' 3600 null >"$dir/answer.tunnels"
stand_in
: >"$dir/received"
"$O/ikewatch" send --config "$conf" --state-dir "$state" --cursor-dir "$cursors" --user nobody --socket "$dir/agent.sock" 2>>"$dir/send.err" &
sender=$!
until_ 60 at start 4
{ tunnel 7 true '"2026-01-02T03:04:05.000000Z"' 3600 null; tunnel 8 true "$(now)" 3600 1024; tunnel 9 false null null null; } >"$dir/answer.new"
mv "$dir/answer.new" "$dir/answer.tunnels"
starts() { [ "$(grep -c "$base.6.1" "$dir/received")" -ge "$1" ]; }
until_ 60 starts 1
verdict snmp/start $? "$(cat "$dir/send.err")"
{ tunnel 8 true "$(now)" null null; } >"$dir/answer.new"
mv "$dir/answer.new" "$dir/answer.tunnels"
until_ 60 starts 2
verdict snmp/start_again $? "$(cat "$dir/send.err")"
sleep 2
same snmp/starts 2 "$(grep -c "$base.6.1" "$dir/received")"
# start_fields LIFE-SIZE LIFE-TIME
start_fields() {
	cat <<W
.1.3.6.1.6.3.1.1.4.1.0 = OID: $base.6.1
$base.2.1.1.2.11.8 = Gauge32: 2
$base.2.1.2.2.11.8 = Gauge32: 11
$base.2.1.3.2.11.8 = Gauge32: 8
$base.2.1.4.2.11.8 = Gauge32: 81
$base.2.1.5.2.11.8 = STRING: "198.51.100.1"
$base.2.1.6.2.11.8 = STRING: "10.2.0.0"
$base.2.1.7.2.11.8 = Gauge32: 4500
$base.2.1.8.2.11.8 = Gauge32: 0
$base.2.1.21.2.11.8 = STRING: "192.0.2.1"
$base.2.1.30.2.11.8 = STRING: "any"
$base.2.1.25.2.11.8 = Gauge32: $1
$base.2.1.26.2.11.8 = Gauge32: $2
$base.5.13.0 = STRING: "Public"
$base.5.14.0 = STRING: "eth0"
$base.2.1.29.2.11.8 = Gauge32: 0
$base.5.15.0 = STRING: "-"
end
W
}
same snmp/start_fields "$(start_fields 1024 3600; start_fields 0 604800)" "$(tr '\t' '\n' <"$dir/received" | awk '/^begin/ { if (keep) printf "%s", text; text = ""; keep = 0; next }
	/Timeticks/ { next } /26\.6\.1$/ { keep = 1 } { text = text $0 "\n" } END { if (keep) printf "%s", text }')"
end "$agent"
end "$sender"
sender=

# errors have names
cat >"$conf" <<C
gateway = "gw1"
snmp "good" { $address $v3 user = "informer" auth = "SHA-256" }
snmp "key" { $address version = "3" auth = "SHA-256" user = "informer" auth-key = "wrongwrong" priv-key = "privprivpriv" timeout = 2 }
snmp "user" { $address $v3 user = "nobody" timeout = 2 }
snmp "nobody" { address = "udp:127.0.0.1:10163" version = "2c" community = "public" timeout = 2 }
snmp "host" { address = "udp:no-such-host.invalid:162" version = "2c" community = "public" timeout = 2 }
C
# tells NAME SINK PATTERN
tells() {
	ikewatch sinks test "$2" >"$dir/out" 2>&1
	[ $? -eq "${4:-1}" ] && grep -qE "$3" "$dir/out"
	verdict "$1" $? "$(cat "$dir/out")"
}
tells snmp/test/good good 'good: delivered: inform acknowledged by udp:127.0.0.1:10162' 0
tells snmp/test/wrong_key key 'key: .*Authentication failure'
tells snmp/test/wrong_user user 'user: .*[Uu]nknown user'
tells snmp/test/no_receiver nobody 'nobody: udp:127.0.0.1:10163: no answer to an inform'
tells snmp/test/no_host host 'host: udp:no-such-host.invalid:162: .*(reached|[Hh]ost)'
# refused NAME SECTION PATTERN
refused() {
	printf 'gateway = "gw1"\nsnmp "x" { %s }\n' "$2" >"$conf"
	! ikewatch sinks >"$dir/out" 2>&1 && grep -qE "$3" "$dir/out"
	verdict "$1" $? "$(cat "$dir/out")"
}
refused snmp/refused/oid "$address $v2 extras-oid = \"1.3.six\"" 'extras-oid = "1.3.six": not an object identifier'
refused snmp/refused/engine "$address $v3 user = \"u\" engine-id = \"0x80\"" 'engine-id = "0x80"'
refused snmp/refused/short_key "$address version = \"3\" user = \"u\" auth-key = \"short\" priv-key = \"privprivpriv\"" 'auth-key: shorter'
refused snmp/refused/no_community "$address" 'community: is needed'
refused snmp/refused/option "$address $v2 colour = \"red\"" "sinks.conf:2: no such option 'colour'"

# at the strictest level; one planted error shows that it looks
mkdir "$dir/mibs"
ln -s "$root/usr/share/snmp/mibs/NET-SNMP-MIB.txt" "$dir/mibs/NET-SNMP-MIB"
lint() { SMIPATH=$PWD/tests/host/mibs:$dir/mibs from usr/bin/smilint -c /dev/null -s -l 6 "$1"; }
same snmp/mib '' "$(lint scripts/IKEWATCH-MIB 2>&1)"
sed 's/{ ikewatchObjects 6 }/{ ikewatchObjectz 6 }/' scripts/IKEWATCH-MIB >"$dir/IKEWATCH-MIB"
lint "$dir/IKEWATCH-MIB" 2>&1 | grep -q ikewatchObjectz
verdict snmp/mib_linted $? 'smilint does not see a planted error'
exit $failed
