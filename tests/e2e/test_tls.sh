#!/bin/sh
# https as it must be: whom to trust, whom not, and through a proxy. The certificates are made here and live for this test.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
BUILD=${BUILD:-$ROOT/build/release}
if ! command -v openssl >/dev/null; then skip 'https' 'openssl is not installed'; done_testing; fi

# authority NAME; cert NAME AUTHORITY SUBJECTALT [openssl x509 options]
authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$T/$1.key" -out "$T/$1.pem" -subj "/CN=$1" -days 2 2>/dev/null; }
cert() {
	name=$1 ca=$2 alt=$3
	shift 3
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$T/$name.key" -out "$T/$name.csr" -subj "/CN=$name" 2>/dev/null
	printf 'subjectAltName=%s\n' "$alt" >"$T/$name.ext"
	openssl x509 -req -in "$T/$name.csr" -CA "$T/$ca.pem" -CAkey "$T/$ca.key" -CAcreateserial -extfile "$T/$name.ext" -out "$T/$name.pem" "$@" 2>/dev/null
}
authority ours
authority theirs
cert good ours 'IP:127.0.0.1,DNS:target.mvchat.test' -days 2
cert elsewhere ours 'IP:127.0.0.2,DNS:other.mvchat.test' -days 2
cert foreign theirs 'IP:127.0.0.1' -days 2
cert expired ours 'IP:127.0.0.1' -days -1 # ends before it begins: over since yesterday
openssl x509 -in "$T/expired.pem" -noout -checkend 0 >/dev/null 2>&1
eq 'the certificate that is to be expired is' $? 1

secure() { sandbox "$1" --tls-cert "$T/$2.pem" --tls-key "$T/$2.key"; URL=https://127.0.0.1:$PORT/api/shared/v1; }
asked() { grep -c . "$LOG" 2>/dev/null || :; }
secure good good
expect 'map over https' 0 "$MVCHAT" map -C "$T" --url "$URL" --cacert "$T/ours.pem" --unmatched create tests/chaos/archive
expect 'apply, with its certificate trusted by --cacert' 0 "$MVCHAT" apply -C "$T" --yes --cacert "$T/ours.pem" --json
if [ "$(number posted "$T/out")" = 21 ]; then ok 'everything is written, files too'; else not_ok 'everything is written, files too' "$T/out"; fi
expect 'verify' 0 "$MVCHAT" verify -C "$T" --cacert "$T/ours.pem"

# refused NAME WORD COMMAND…: exit 5, the word in the sentence, and no request was answered
refused() {
	what=$1 says=$2 before=$(asked)
	shift 2
	run "$@"
	eq "$what: exit 5" "$code" 5
	if grep -qiE "$says" "$T/err"; then ok "$what: says why"; else not_ok "$what: says why ($says)" "$T/err"; fi
	eq "$what: nothing was asked" "$(asked)" "$before"
	hasnt "$what: no token in what is said" "$T/err" sandbox-bot-token
}
refused 'an authority nobody knows' 'certificate' "$MVCHAT" apply -C "$T" --yes
refused 'the wrong authority' 'certificate' "$MVCHAT" apply -C "$T" --yes --cacert "$T/theirs.pem"
expect 'no such file of certificates' 2 "$MVCHAT" apply -C "$T" --yes --cacert "$T/nosuch.pem"
good_url=$URL
secure elsewhere elsewhere
refused 'a certificate of another host' 'certificate|match' "$MVCHAT" apply -C "$T" --yes --cacert "$T/ours.pem" --url "$URL"
secure foreign foreign
refused 'a certificate of another authority' 'certificate' "$MVCHAT" apply -C "$T" --yes --cacert "$T/ours.pem" --url "$URL"
secure expired expired
refused 'an expired certificate' 'expired' "$MVCHAT" apply -C "$T" --yes --cacert "$T/ours.pem" --url "$URL"

# TLS 1.1: a server that knows nothing newer. It is openssl's own, because ours would not either.
: >"$T/old.out"
openssl s_server -accept 127.0.0.1:0 -tls1_1 -cipher 'ALL:@SECLEVEL=0' -cert "$T/good.pem" -key "$T/good.key" -www >"$T/old.out" 2>&1 &
old=$!
sandboxes="$sandboxes $old"
i=0
until grep -q '^ACCEPT' "$T/old.out" || [ $i -gt 200 ] || ! kill -0 $old 2>/dev/null; do i=$((i + 1)); sleep 0.02; done
old_port=$(sed -nE 's/^ACCEPT .*:([0-9]+).*/\1/p' "$T/old.out" | head -1)
if [ -n "$old_port" ]; then
	run "$MVCHAT" apply -C "$T" --yes --cacert "$T/ours.pem" --url "https://127.0.0.1:$old_port/api/shared/v1"
	eq 'TLS 1.1: exit 5' "$code" 5
	if grep -qiE 'protocol|version|cannot connect' "$T/err"; then ok 'TLS 1.1: says why'; else not_ok 'TLS 1.1: says why' "$T/err"; fi
	hasnt 'TLS 1.1: nothing was asked' "$T/old.out" 'GET /'
else
	skip 'TLS 1.1' 'openssl cannot serve it'
fi

# http is for this machine only
run "$MVCHAT" apply -C "$T" --yes --url http://target.mvchat.test/api/shared/v1
eq 'plain http to elsewhere is a wrong use' "$code" 2
has 'and says what to use' "$T/err" https
run "$MVCHAT" apply -C "$T" --yes --url ftp://127.0.0.1/api
eq 'another scheme as well' "$code" 2

# through a proxy: CONNECT, the token inside the tunnel only
start_proxy() { rm -f "$T/proxy.port"; "$BUILD/tools/proxy" "$T/proxy.port" "$T/proxy.log" "$@" & sandboxes="$sandboxes $!"; i=0; until [ -s "$T/proxy.port" ] || [ $i -gt 500 ]; do i=$((i + 1)); sleep 0.01; done; }
start_proxy
LOG=$T/good.log
before=$(asked)
expect 'verify through a proxy' 0 "$MVCHAT" verify -C "$T" --cacert "$T/ours.pem" --proxy "http://127.0.0.1:$(cat "$T/proxy.port")" --url "$good_url"
has 'it was asked to connect' "$T/proxy.log" 'CONNECT 127.0.0.1:'
hasnt 'and saw no token' "$T/proxy.log" 'token in the clear'
hasnt 'nor a path' "$T/proxy.log" '/api/'
if [ "$(asked)" -gt "$before" ]; then ok 'and the target was asked through it'; else not_ok 'and the target was asked through it'; fi
start_proxy refuse
refused 'a proxy that refuses' 'proxy|407' "$MVCHAT" verify -C "$T" --cacert "$T/ours.pem" --proxy "http://127.0.0.1:$(cat "$T/proxy.port")" --url "$good_url"
run "$MVCHAT" verify -C "$T" --cacert "$T/ours.pem" --proxy http://127.0.0.1:9 --url "$good_url"
eq 'a proxy that is not there: exit 5' "$code" 5

# with a name and a password, which nobody gets to read
start_proxy bWU6czNjcmV0LXBhc3M= # me:s3cret-pass
P=127.0.0.1:$(cat "$T/proxy.port")
expect 'a proxy that wants a password' 0 "$MVCHAT" verify -C "$T" --cacert "$T/ours.pem" --proxy "http://me:s3cret-pass@$P" --url "$good_url" -v -v
hasnt 'which is not said' "$T/err" s3cret
hasnt 'anywhere' "$T/out" s3cret
eq 'nor kept' "$(grep -rlaF s3cret "$T/.mvchat" "$T"/*.yaml "$T"/*.csv | wc -l | tr -d ' ')" 0
refused 'a wrong password' 'proxy' "$MVCHAT" verify -C "$T" --cacert "$T/ours.pem" --proxy "http://me:s3cret-wrong@$P" --url "$good_url"
hasnt 'which is not said either' "$T/err" s3cret

# that of the environment, unless the target is named among those that need none
start_proxy
: >"$T/proxy.log"
P=http://127.0.0.1:$(cat "$T/proxy.port")
expect 'HTTPS_PROXY' 0 env HTTPS_PROXY="$P" "$MVCHAT" verify -C "$T" --cacert "$T/ours.pem" --url "$good_url"
has 'is used' "$T/proxy.log" 'CONNECT 127.0.0.1:'
: >"$T/proxy.log"
expect 'NO_PROXY' 0 env HTTPS_PROXY="$P" NO_PROXY=10.0.0.1,127.0.0.1 "$MVCHAT" verify -C "$T" --cacert "$T/ours.pem" --url "$good_url"
eq 'leads past it' "$(grep -c . "$T/proxy.log")" 0
expect 'NO_PROXY of others' 0 env HTTPS_PROXY="$P" NO_PROXY=10.0.0.1,example.com "$MVCHAT" verify -C "$T" --cacert "$T/ours.pem" --url "$good_url"
has 'does not' "$T/proxy.log" 'CONNECT 127.0.0.1:'
: >"$T/proxy.log"
expect '--proxy goes before the environment' 0 env HTTPS_PROXY=http://127.0.0.1:9 "$MVCHAT" verify -C "$T" --cacert "$T/ours.pem" --proxy "$P" --url "$good_url"
has 'and is asked' "$T/proxy.log" 'CONNECT 127.0.0.1:'

# a name that cannot be looked up, and comes back; a handshake that is refused in the middle of a run
if [ -f "$BUILD/tools/netfail.so" ] && [ "${MODE:-release}" = release ]; then
	fail() { spec=$1; shift; run env LD_PRELOAD="$BUILD/tools/netfail.so" MVCHAT_NETFAIL="$spec" "$@"; }
	mkdir "$T/n"
	secure named good
	URL=https://target.mvchat.test:$PORT/api/shared/v1
	fail dns:0-0 "$MVCHAT" map -C "$T/n" --url "$URL" --cacert "$T/ours.pem" --unmatched create tests/chaos/archive
	eq 'a target with a name' "$code" 0
	fail dns:1-1000 "$MVCHAT" apply -C "$T/n" --yes --cacert "$T/ours.pem"
	eq 'no name server: exit 5' "$code" 5
	has 'says so' "$T/err" 'resolve'
	fail port=9:9-4000 "$MVCHAT" apply -C "$T/n" --yes --cacert "$T/ours.pem"
	if [ "$code" -eq 5 ] || [ "$code" -eq 6 ]; then ok 'no handshake in the middle of a run: it stops'; else not_ok "no handshake in the middle of a run: it stops ($code)" "$T/err"; fi
	fail dns:0-0 "$MVCHAT" apply -C "$T/n" --yes --cacert "$T/ours.pem" --json
	eq 'and goes on when there is one' "$code" 0
	fail dns:0-0 "$MVCHAT" verify -C "$T/n" --cacert "$T/ours.pem"
	eq 'complete' "$code" 0
fi
done_testing
