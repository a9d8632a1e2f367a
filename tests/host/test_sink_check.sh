#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2317 # functions that until_ calls
# Mistakes in the sinks' configuration are named: by `ikewatch check` (a file, and this host's own), which gives no
# receiver an alarm, and by `ikewatch sinks test`, which says what came back.
# shellcheck source=tests/host/sinks.sh
. "$(dirname "$0")/sinks.sh"

certificate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/$1.key" -out "$dir/$1.csr" -subj "/CN=$2" 2>/dev/null
	openssl x509 -req -in "$dir/$1.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days "$3" \
		-extfile <(echo "subjectAltName=DNS:localhost") -out "$dir/$1.pem" 2>/dev/null
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/ca.key" -out "$dir/ca.pem" -days 30 \
	-subj '/CN=test authority' 2>/dev/null
certificate good localhost 30
certificate old localhost -1
for server in good:18443 old:18444; do
	openssl s_server -quiet -cert "$dir/${server%:*}.pem" -key "$dir/${server%:*}.key" -accept "127.0.0.1:${server#*:}" </dev/zero >/dev/null 2>>"$dir/server.err" &
	pids+=($!)
	until_ 20 listening "${server#*:}" || { fail sinks_check/receiver "$(cat "$dir/server.err")"; exit 1; }
done
mkdir "$dir/trapd"
printf 'authCommunity log,net public\ncreateUser informer SHA authauthauth AES privprivpriv\nauthUser log informer priv\nsnmpTrapdAddr udp:127.0.0.1:10162\n' >"$dir/trapd.conf"
SNMP_PERSISTENT_DIR=$dir/trapd MIBS='' from usr/sbin/snmptrapd -f -n -On -C -c "$dir/trapd.conf" -F 'got %v\n' -A -Lf "$dir/received" 2>>"$dir/server.err" &
pids+=($!)
until_ 20 bound 10162 || { fail sinks_check/receiver "$(cat "$dir/server.err")"; exit 1; }

v3='address = "udp:127.0.0.1:10162" version = "3" timeout = 2'
keys='auth-key = "authauthauth" priv-key = "privprivpriv"'
# as the sender's user, who need not be nobody: a file that it cannot read is a mistake too
check() { setpriv --reuid 65534 --regid 65534 --clear-groups "$O/ikewatch" check --config "$conf" "$@"; }
# names NAME PATTERN SECTION [TEST-PATTERN]: check exits with 1, its only line on stderr is of that; so does sinks test
names() {
	printf 'gateway = "gw1"\n%s\n' "$3" >"$conf"
	check >"$dir/out" 2>"$dir/said"
	[ $? -eq 1 ] && [ "$(wc -l <"$dir/said")" -eq 1 ] && grep -qE "^ikewatch: $conf: .*$2" "$dir/said"
	verdict "sinks_check/$1" $? "$(cat "$dir/out" "$dir/said")"
	ikewatch sinks test x >"$dir/out" 2>&1
	[ $? -eq 1 ] && grep -qE "${4:-$2}" "$dir/out"
	verdict "sinks_test/$1" $? "$(cat "$dir/out")"
}
names oid 'snmp "x": extras-oid = "1\.3\.six": not an object identifier' "snmp \"x\" { address = \"udp:127.0.0.1:10162\" version = \"2c\" community = \"public\" extras = true extras-oid = \"1.3.six\" }"
names host/snmp 'snmp "x": udp:no-such-host\.invalid:162: ' 'snmp "x" { address = "udp:no-such-host.invalid:162" version = "2c" community = "c" timeout = 2 }' 'udp:no-such-host\.invalid:162'
names host/snmp_closed 'snmp "x": udp:127\.0\.0\.1:10163: Connection refused' 'snmp "x" { address = "udp:127.0.0.1:10163" version = "2c" community = "c" timeout = 2 }' 'udp:127\.0\.0\.1:10163: no answer to an inform'
names host/syslog 'no-such-host\.invalid: ' 'syslog "x" { transport = "tcp" address = "no-such-host.invalid:514" }'
names host/syslog_closed '127\.0\.0\.1:514: Connection refused' 'syslog "x" { transport = "tcp" address = "127.0.0.1:514" }'
names host/webhook 'Could not resolve host: no-such-host\.invalid' 'webhook "x" { url = "https://no-such-host.invalid/" }'
names host/alertmanager 'Failed to connect to 127\.0\.0\.1 port 1 ' 'alertmanager "x" { url = "http://127.0.0.1:1" }'
names host/nats 'nats://127\.0\.0\.1:1: ' 'nats "x" { url = "nats://127.0.0.1:1" timeout = 2 }'
names expired/own 'certificate = ".*/old\.pem": the certificate of /CN=localhost has expired' "webhook \"x\" { url = \"https://localhost:18443/\" ca-file = \"$dir/ca.pem\" certificate = \"$dir/old.pem\" }"
names expired/webhook '[Cc]ertificate.* expired' "webhook \"x\" { url = \"https://localhost:18444/\" ca-file = \"$dir/ca.pem\" timeout = 2 }"
names expired/alertmanager '[Cc]ertificate.* expired' "alertmanager \"x\" { url = \"https://localhost:18444/\" ca-file = \"$dir/ca.pem\" timeout = 2 }"
names expired/syslog "the receiver's certificate: certificate has expired" "syslog \"x\" { transport = \"tls\" address = \"localhost:18444\" ca-file = \"$dir/ca.pem\" timeout = 2 }"
names key/auth 'snmp "x": .*Authentication failure' "snmp \"x\" { $v3 user = \"informer\" auth-key = \"wrongwrong\" priv-key = \"privprivpriv\" }" 'Authentication failure'
# a receiver drops what it cannot decrypt, and what comes in an unknown community, without a word
names key/priv 'snmp "x": .*refuses neither user nor auth-key: wrong priv-key' "snmp \"x\" { $v3 user = \"informer\" auth-key = \"authauthauth\" priv-key = \"wrongwrong\" }" 'wrong priv-key'
names key/community 'snmp "x": .*no answer to an inform' 'snmp "x" { address = "udp:127.0.0.1:10162" version = "2c" community = "private" timeout = 2 }' 'or another community'
names key/user 'snmp "x": .*[Uu]nknown user' "snmp \"x\" { $v3 user = \"somebody\" $keys }" '[Uu]nknown user'
echo secret >"$dir/unreadable"
chmod 600 "$dir/unreadable"
names unreadable 'unreadable": Permission denied' "webhook \"x\" { url = \"http://127.0.0.1:1\" bearer-token-file = \"$dir/unreadable\" }"

# what is right is said to be, one line each, and no receiver got an alarm
cat >"$conf" <<C
gateway = "gw1"
snmp "v3" { $v3 user = "informer" $keys }
snmp "v2" { address = "udp:127.0.0.1:10162" version = "2c" community = "public" }
syslog "tls" { transport = "tls" address = "localhost:18443" ca-file = "$dir/ca.pem" }
webhook "hook" { url = "https://localhost:18443/" ca-file = "$dir/ca.pem" }
prometheus "metrics" { listen = "127.0.0.1:19851" }
C
check >"$dir/out" 2>&1 && [ "$(grep -c ': fine: ' "$dir/out")" -eq 5 ] && [ "$(grep -cE '(v3|v2) \(snmp\): fine: .*takes informs from us' "$dir/out")" -eq 2 ]
verdict sinks_check/fine $? "$(cat "$dir/out")"
same sinks_check/json '[["v3","snmp",true],["v2","snmp",true],["tls","syslog",true],["hook","webhook",true],["metrics","prometheus",true]]' \
	"$(check --json | jq -c 'map([.sink, .type, .good])')"
# what a receiver of SNMP got are trials, and no alarm
same sinks_check/no_alarm '.1.3.6.1.4.1.8072.9999.9999.4285.0.2' "$(sed -n 's/^got .*= OID: //p' "$dir/received" | sort -u)"
# one that is wrong does not hide the next
sed -i 's/18443/18444/; s/authauthauth/wrongwrong/' "$conf"
check >"$dir/out" 2>"$dir/said"
[ $? -eq 1 ] && [ "$(wc -l <"$dir/said")" -eq 3 ] && [ "$(grep -c ': fine: ' "$dir/out")" -eq 2 ]
verdict sinks_check/all $? "$(cat "$dir/out" "$dir/said")"

# every setting is in the manual, and the sample, with nothing commented out, is read to its end
sed 's/\\-/-/g' scripts/ikewatch.8 | sed -n '/^.SH SINKS/,/^.SH CONFIDENCE/p' >"$dir/manual"
same sinks_check/documented '' "$(grep -oh 'CFG_[A-Z]*("[a-z-]*"' user/send/*.[ch] | sed 's/.*"\(.*\)"/\1/' | sort -u |
	while read -r option; do grep -qw -- "${option%-file}" "$dir/manual" || echo "$option"; done)"
sed 's/^# \([a-z]* "\|gateway\|}\)/\1/; s/^#\t/\t/; s,-file = "[^"]*",-file = "/etc/hostname",; s/\(auth\|priv\)-key-file = "[^"]*"/\1-key = "longenough"/g; s/^\tca-file.*//' scripts/sinks.conf >"$dir/sample.conf"
"$O/ikewatch" sinks --config "$dir/sample.conf" --json >"$dir/out" 2>&1
same sinks_check/sample 'alertmanager journal nats prometheus snmp syslog webhook' "$(jq -r .type "$dir/out" 2>/dev/null | sort | paste -sd' ')"

# this host's own sinks, without naming the file
mkdir -p "$dir/etc/ikewatch"
{ cat /etc/passwd && echo 'ikewatch-send:x:65534:65534::/:/usr/sbin/nologin'; } >"$dir/etc/passwd"
cp "$conf" "$dir/etc/ikewatch/sinks.conf"
chmod 755 "$dir/etc" "$dir/etc/ikewatch"
if mount -t overlay overlay -o "lowerdir=$dir/etc:/etc" /etc; then
	"$O/ikewatch" check >"$dir/out" 2>"$dir/said"
	[ "$(wc -l <"$dir/said")" -eq 3 ] && grep -q 'The sinks of /etc/ikewatch/sinks.conf' "$dir/out" && grep -q '/etc/ikewatch/sinks.conf: syslog "tls": .*expired' "$dir/said"
	verdict sinks_check/host $? "$(tail -n 4 "$dir/out"; cat "$dir/said")"
	same sinks_check/host_json '[false,true,false,false,true]' "$("$O/ikewatch" check --json 2>/dev/null | jq -c '.sinks | map(.good)')"
else
	echo 'skip sinks_check/host: no overlay file system here'
fi
exit $failed
