#!/bin/sh
# fetch on the way it really goes: TLS with a certificate of our own, through a proxy that tunnels, slowed down, killed at each of its
# durable steps, stopped with ^C; and nothing that is there is fetched a second time.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
if ! command -v openssl >/dev/null 2>&1; then skip 'fetch over TLS' 'openssl is not installed'; done_testing; fi

file() { printf '{"id":"%s","name":"%s","mimetype":"%s","mode":"hosted","size":%s,"url_private":"https://%s/files-pri/T0DEMO-%s/%s?t=xoxe-good-secret-1"}' "$1" "$2" "$4" "$3" "${5:-files.slack.com}" "$1" "$2"; }
mkdir -p "$T/x/general"
printf '[{"id":"U0ANN00001","team_id":"T0DEMO","name":"ann","profile":{"real_name":"Ann"}}]' >"$T/x/users.json"
printf '[{"id":"C0GENERAL1","name":"general","members":["U0ANN00001"]}]' >"$T/x/channels.json"
printf '[{"type":"message","user":"U0ANN00001","ts":"1700000010.000100","text":"","files":[%s,%s,%s]}]' "$(file F0GOOD0001 good.png 25 image/png)" \
	"$(file F0BIG00001 big.bin 400000 application/octet-stream)" "$(file F0GOOD0002 good.png 25 image/png slack.com.example.org)" >"$T/x/general/2023-11-14.json"

# Our own authority, and a certificate in the name of Slack's file server.
(
	cd "$T" || exit 1
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout tls.key -out tls.csr -subj /CN=files.slack.com
	printf 'subjectAltName=DNS:files.slack.com\n' >ext
	openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out tls.pem
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout other.key -out other.pem -days 2 -subj /CN=another-authority
) >"$T/openssl.log" 2>&1
started() { i=0; until [ -s "$1" ]; do i=$((i + 1)); if [ $i -gt 500 ]; then echo 'Bail out! a server did not start'; cat "$T/openssl.log"; exit 1; fi; sleep 0.02; done; }
"$BUILD/tools/tlsserver" "$T/tls.port" "$T/tls.log" "$T/tls.pem" "$T/tls.key" &
sandboxes="$sandboxes $!"
started "$T/tls.port"
"$BUILD/tools/tunnel" "$T/proxy.port" "$T/proxy.log" "$T/tls.port" &
sandboxes="$sandboxes $!"
started "$T/proxy.port"
proxy=http://127.0.0.1:$(cat "$T/proxy.port")
fetch() { dir=$1; shift; "$MVCHAT" fetch --json --cacert "$T/ca.pem" --into "$T/$dir" --missing "$T/$dir.csv" "$@" "$T/x"; }

HTTPS_PROXY=$proxy
export HTTPS_PROXY
expect 'through HTTPS_PROXY, over TLS' 6 fetch env
eq 'both files' "$(number fetched "$T/out")" 2
has 'one address is another company'\''s' "$T/out" '"id":"F0GOOD0002","name":"good.png","channel":"C0GENERAL1","size":25,"reason":"foreign-address"'
eq 'the proxy tunnels to Slack and nowhere else' "$(sort -u "$T/proxy.log")" 'CONNECT files.slack.com:443 HTTP/1.1'
eq 'and does not see the token' "$(grep -c xoxe "$T/proxy.log")" 0
eq 'the server does' "$(sort -u "$T/tls.log")" "$(printf 'files.slack.com big.bin token\nfiles.slack.com good.png token')"
unset HTTPS_PROXY
expect 'through --proxy' 6 fetch option --proxy "$proxy"
eq 'the same' "$(number fetched "$T/out")" 2
expect 'a certificate of an unknown authority' 6 "$MVCHAT" fetch --json --cacert "$T/other.pem" --proxy "$proxy" --into "$T/wrong" --missing "$T/wrong.csv" "$T/x"
eq 'is not believed' "$(number fetched "$T/out")" 0
eq 'and no token goes there' "$(grep -c . "$T/tls.log")" 4
expect 'certificates that are not there' 2 "$MVCHAT" fetch --cacert "$T/none.pem" --into "$T/wrong" --missing "$T/wrong.csv" "$T/x"

# 400,025 bytes at 20 KB/s are 19.5 seconds, less what may come at once; by the virtual clock, however fast they come here.
expect 'with --bandwidth' 6 fetch slow --proxy "$proxy" --bandwidth 20 --jobs 4
ms=$(number elapsed_ms "$T/out")
if [ "$ms" -ge 18000 ] && [ "$ms" -le 22000 ]; then ok 'keeps to it'; else not_ok "keeps to it: $ms ms" "$T/out"; fi
eq 'and has all' "$(number fetched "$T/out")" 2

# Killed at each durable step in turn, then run again: whole files are not asked for twice.
MVCHAT_STEP_COUNT=$T/steps fetch count --proxy "$proxy" --jobs 1 >"$T/out" 2>&1
steps=$(grep -c . "$T/steps")
eq 'durable steps of two files' "$steps" 8
k=0
while [ $k -lt "$steps" ]; do
	k=$((k + 1))
	rm -rf "$T/kill" "$T/again.steps"
	MVCHAT_STEP_KILL=$k fetch kill --proxy "$proxy" --jobs 1 >"$T/out" 2>&1
	eq "killed at step $k" $? 137
	: >"$T/tls.log"
	begun=$(find "$T/kill/part" "$T/kill"/?? -type f -size 25c 2>/dev/null | wc -l | tr -d ' ')
	expect "and again" 6 fetch kill --proxy "$proxy" --jobs 1
	eq 'everything is there' "$(($(number fetched "$T/out") + $(number had "$T/out")))" 2
	eq 'a whole file is not asked for again' "$(grep -c good.png "$T/tls.log")" $((1 - begun))
	eq 'no part is left' "$(find "$T/kill/part" -type f | wc -l | tr -d ' ')" 0
	eq 'and the contents are right' "$(cd "$T/kill" && for f in ??/*; do [ "$(sha256sum <"$f" | cut -d' ' -f1)" = "${f#*/}" ] || echo "$f"; done)" ''
done

# ^C, in real time, held back by the bandwidth.
MVCHAT_CLOCK=real "$MVCHAT" fetch --json --cacert "$T/ca.pem" --into "$T/stop" --missing "$T/stop.csv" --proxy "$proxy" --bandwidth 50 "$T/x" >"$T/stop.out" 2>"$T/stop.err" &
pid=$!
i=0
until [ -n "$(find "$T/stop/part" -type f -size +20k 2>/dev/null)" ]; do i=$((i + 1)); [ $i -le 500 ] || break; sleep 0.02; done
kill -INT $pid
wait $pid
eq '^C ends it' $? 130
expect 'and it goes on' 6 fetch stop --proxy "$proxy"
eq 'to the end' "$(($(number fetched "$T/out") + $(number had "$T/out")))" 2
rm -rf "$T/x"
if grep -rl 'xoxe-' "$T" >"$T.leak" 2>/dev/null; then not_ok 'no token is left anywhere' "$T.leak"; else ok 'no token is left anywhere'; fi
rm -f "$T.leak"
done_testing
