#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317 # functions that until_ calls
# Syslog: what Debian's rsyslog receives over its local socket, UDP, TCP and TLS, field by field, and the bare line; a
# receiver that goes and comes back; certificates that must not be taken.
# shellcheck source=tests/host/sinks.sh
. "$(dirname "$0")/sinks.sh"

# certificate NAME SUBJECT DAYS: by our authority
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/ca.key" -out "$dir/ca.pem" -days 30 \
	-subj '/CN=test authority' 2>/dev/null
certificate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/$1.key" -out "$dir/$1.csr" -subj "/CN=$2" 2>/dev/null
	openssl x509 -req -in "$dir/$1.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days "$3" \
		-extfile <(echo "subjectAltName=DNS:$2") -out "$dir/$1.pem" 2>/dev/null
}
certificate server logs.example 30
certificate old logs.example -1

cat >"$dir/rsyslog.conf" <<C
global(workDirectory="$dir" defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="$dir/ca.pem"
	defaultNetstreamDriverCertFile="$dir/server.pem" defaultNetstreamDriverKeyFile="$dir/server.key" maxMessageSize="16k")
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
module(load="imptcp")
module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
module(load="mmpstrucdata")
template(name="parts" type="list") {
	property(name="inputname") constant(value="|") property(name="pri") constant(value="|") property(name="protocol-version")
	constant(value="|") property(name="timereported" dateformat="rfc3339") constant(value="|") property(name="hostname")
	constant(value="|") property(name="app-name") constant(value="|") property(name="procid") constant(value="|")
	property(name="msgid") constant(value="|") property(name="\$!rfc5424-sd!ikewatch@8072.9999.9999!uid")
	constant(value="|") property(name="\$!rfc5424-sd!ikewatch@8072.9999.9999!offline_reason")
	constant(value="|") property(name="\$!rfc5424-sd!ikewatch@8072.9999.9999!detail")
	constant(value="|") property(name="\$!rfc5424-sd!origin!software")
	constant(value="|") property(name="msg") constant(value="\n")
}
template(name="raw" type="list") { property(name="rawmsg") constant(value="\n") }
template(name="uid" type="list") { property(name="\$!rfc5424-sd!ikewatch@8072.9999.9999!uid") constant(value="\n") }
ruleset(name="parts") { action(type="mmpstrucdata") action(type="omfile" file="$dir/parts" template="parts") action(type="omfile" file="$dir/uids" template="uid") }
ruleset(name="raw") { action(type="omfile" file="$dir/raw" template="raw") }
input(type="imuxsock" socket="$dir/log" name="local" ruleset="parts" useSpecialParser="off" usePIDFromSystem="off" useSysTimeStamp="off" ignoreTimestamp="off" annotate="off" rateLimit.interval="0")
input(type="imudp" port="10514" address="127.0.0.1" name="udp" ruleset="parts")
input(type="imptcp" port="10514" address="127.0.0.1" name="tcp" ruleset="parts")
input(type="imptcp" port="10515" address="127.0.0.1" name="raw" ruleset="raw")
input(type="imtcp" port="16514" address="127.0.0.1" name="tls" ruleset="parts")
C
rsyslog() {
	RSYSLOG_MODDIR=$root/usr/lib/$(uname -m)-linux-gnu/rsyslog from usr/sbin/rsyslogd -n -f "$dir/rsyslog.conf" -i "$dir/rsyslog.pid" \
		-M "$root/usr/lib/$(uname -m)-linux-gnu/rsyslog" >>"$dir/rsyslog.out" 2>&1 &
	rsyslog_pid=$!
	pids+=($!)
	until_ 20 listening 16514 && until_ 20 listening 10515
}
touch "$dir/parts" "$dir/raw" "$dir/uids"
rsyslog || { fail syslog/receiver "$(cat "$dir/rsyslog.out")"; exit 1; }
chmod 777 "$dir/log"
common='start = "all" retry-max = 1 timeout = 5'
cat >"$conf" <<C
gateway = "gw1"
syslog "local" { transport = "local" address = "$dir/log" $common }
syslog "udp" { transport = "udp" address = "127.0.0.1:10514" $common }
syslog "tcp" { transport = "tcp" address = "127.0.0.1:10514" facility = "local3" $common }
syslog "tls" { transport = "tls" address = "127.0.0.1:16514" server-name = "logs.example" ca-file = "$dir/ca.pem" $common }
syslog "bare" { transport = "tcp" address = "127.0.0.1:10515" format = "line" $common }
C
alarms 1
send
uid=gw1:1:$(sqlite3_ 'SELECT wall / 1000 FROM alarms WHERE id = 1')
time=$(stored 1 | jq -r .time)
line='IPSEC/4/IPSECTUNNELSTOP: OID 1.3.6.1.4.1.2011.6.122.26.6.2 The IPSec tunnel is deleted. (Ifindex=2, SeqNum=11, TunnelIndex=1, RuleNum=81, DstIP=198.51.100.1, InsideIP=10.2.0.0, RemotePort=4500, CpuID=1, SrcIP=192.0.2.1, FlowInfo=src=10.1.0.0/16 dst=10.2.0.0/16 proto=any sport=any dport=any dscp=any, OfflineReason=dpd timeout, VsysName=Public, InterfaceName=eth0, SlotID=0)'
for sink in local:28 udp:28 tcp:156 tls:28; do
	name=${sink%:*} input=${sink%:*}
	[ "$name" != local ] || input=imuxsock # which has no name of its own
	until_ 30 at "$name" 1 && until_ 10 grep -q "^$input|" "$dir/parts"
	same "syslog/fields/$name" "$input|${sink#*:}|1|$time|gw1|ikewatch|-|IPSECTUNNELSTOP|$uid|dpd timeout|The peer did not answer the liveness check \"]\\=.|ikewatch|$line" \
		"$(grep "^$input|" "$dir/parts")"
done
until_ 30 at bare 1 && until_ 10 grep -q . "$dir/raw"
same syslog/bare "$line" "$(cat "$dir/raw")"

# the receiver is away while alarms come
end "$rsyslog_pid"
alarms 200
failing() { jq -e '.state == "failing"' "$cursors/$1.json"; }
for sink in tcp tls udp local; do
	until_ 30 failing $sink
	verdict syslog/failing/$sink $? "$(cat "$cursors/$sink.json")"
done
rsyslog
chmod 777 "$dir/log"
# uids N: different alarms in the file, from all four sinks at least N times each
have() { [ "$(sort "$dir/uids" | uniq -c | awk '$1 >= 4' | wc -l)" -ge "$1" ]; }
until_ 60 have 201
verdict syslog/again $? "$(sort "$dir/uids" | uniq -c | awk '$1 < 4' | head -n 5)"
for sink in tcp tls udp local bare; do
	until_ 30 at $sink 201
	verdict syslog/cursor/$sink $? "$(cat "$cursors/$sink.json")"
done

# alone SINK PORT MANNER: one more alarm for a sink that is alone, and for its receiver that misbehaves; its pid in $receiver
alone() {
	end "$sender"
	sender=
	cursors=$dir/$1
	printf 'gateway = "gw1"\nsyslog "%s" { transport = "tcp" address = "127.0.0.1:%s" retry-max = 1 timeout = 5 }\n' "$1" "$2" >"$conf"
	python3 tests/host/bad_receiver.py tcp "$2" "$3" &
	receiver=$!
	pids+=("$receiver")
	until_ 20 listening "$2"
	send
	until_ 20 test -s "$cursors/$1.json"
	alarms 1
}
# a receiver that ends with an alarm unread, which its kernel had taken: no further alarm has to come for it to be sent again
alone held 10516 slow
until_ 30 at held 202
verdict syslog/held/taken $? "$(cat "$cursors/held.json")"
end "$receiver"
until_ 30 failing held
verdict syslog/held/noticed $? "$(cat "$cursors/held.json")"
python3 tests/host/bad_receiver.py tcp 10516 garbage "$dir/held.uids" &
pids+=("$!")
until_ 30 grep -q '^gw1:202:' "$dir/held.uids"
verdict syslog/held/again $? "$(cat "$cursors/held.json" "$dir/held.uids" 2>&1)"

# one that closes in order, with an alarm that it read and did not write down
alone forgot 10517 forgetful
until_ 30 failing forgot
verdict syslog/forgot/noticed $? "$(cat "$cursors/forgot.json")"
wait "$receiver"
same syslog/forgot/read 0 $?
python3 tests/host/bad_receiver.py tcp 10517 garbage "$dir/forgot.uids" &
pids+=("$!")
until_ 30 grep -q '^gw1:203:' "$dir/forgot.uids"
verdict syslog/forgot/again $? "$(cat "$cursors/forgot.json" "$dir/forgot.uids" 2>&1)"

# errors have names
cat >"$conf" <<C
gateway = "gw1"
syslog "good" { transport = "tls" address = "127.0.0.1:16514" server-name = "logs.example" ca-file = "$dir/ca.pem" $common }
syslog "name" { transport = "tls" address = "127.0.0.1:16514" server-name = "other.example" ca-file = "$dir/ca.pem" $common }
syslog "authority" { transport = "tls" address = "127.0.0.1:16514" server-name = "logs.example" $common }
syslog "nobody" { transport = "udp" address = "127.0.0.1:10599" $common }
syslog "closed" { transport = "tcp" address = "127.0.0.1:10599" $common }
syslog "path" { address = "$dir/none" $common }
C
tells() {
	ikewatch sinks test "$2" >"$dir/out" 2>&1
	[ $? -eq "${4:-1}" ] && grep -qE "$3" "$dir/out"
	verdict "$1" $? "$(cat "$dir/out")"
}
tells syslog/test/good good 'delivered: received by' 0
tells syslog/test/name name "certificate: .*(hostname|host name) mismatch"
tells syslog/test/authority authority 'certificate: .*(self-signed|unable to get)'
tells syslog/test/nobody nobody '127.0.0.1:10599: Connection refused'
tells syslog/test/closed closed '127.0.0.1:10599: Connection refused'
tells syslog/test/path path "$dir/none: No such file"
printf 'syslog "x" { transport = "tls" address = "a:1" certificate = "%s" }\n' "$dir/old.pem" >"$conf"
! ikewatch sinks >"$dir/out" 2>&1 && grep -q 'certificate of /CN=logs.example has expired' "$dir/out"
verdict syslog/refused/expired $? "$(cat "$dir/out")"
printf 'syslog "x" { transport = "tcp" address = "a" }\n' >"$conf"
! ikewatch sinks >"$dir/out" 2>&1 && grep -q 'address = "a": not HOST:PORT' "$dir/out"
verdict syslog/refused/address $? "$(cat "$dir/out")"
exit $failed
