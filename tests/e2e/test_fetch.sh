#!/bin/sh
# Files that an export only links to: fetched from a loopback server that behaves well and badly, then replayed as if they had
# been in the archive; and no token in anything that is left behind.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens

# file ID NAME SIZE MIME [TOKEN-PARAMETER [HOST]]
file() {
	printf '{"id":"%s","name":"%s","mimetype":"%s","mode":"hosted","size":%s,"permalink":"https://demo.slack.com/files/U1/%s/%s","url_private":"https://%s/files-pri/T0DEMO-%s/%s%s"}' \
		"$1" "$2" "$4" "$3" "$1" "$2" "${6:-files.slack.com}" "$1" "$2" "$5"
}
# message N FILES
message() { printf '{"type":"message","user":"U0ANN00001","ts":"17000000%s.000100","text":"number %s","files":[%s]}' "$1" "$1" "$2"; }
export_of() { # FOLDER TOKEN
	mkdir -p "$1/general"
	printf '[{"id":"U0ANN00001","team_id":"T0DEMO","name":"ann","real_name":"Ann","profile":{"real_name":"Ann","email":"ann@example.org"}}]' >"$1/users.json"
	printf '[{"id":"C0GENERAL1","name":"general","created":1600000000,"creator":"U0ANN00001","members":["U0ANN00001"]}]' >"$1/channels.json"
	{
		printf '['
		message 10 "$(file F0GOOD0001 good.png 25 image/png "?t=$2")"; printf ','
		message 11 "$(file F0PAGE0001 page.png 25 image/png "?t=$2"),$(file F0AWAY0001 away.png 25 image/png "?t=$2")"; printf ','
		message 12 "$(file F0OTHER001 other.png 25 image/png "?t=$2"),$(file F0SAME0001 same.png 25 image/png "?pub=1&token=$2")"; printf ','
		message 13 "$(file F0SHORT001 short.bin 100 application/octet-stream "?t=$2"),$(file F0DRIP0001 drip.bin 100000 application/octet-stream "?t=$2")"; printf ','
		message 14 "$(file F0FLAKY001 flaky.bin 100000 application/octet-stream "?t=$2"),$(file F0GONE0001 gone.bin 10 application/octet-stream "?t=$2")"; printf ','
		message 15 "$(file F0GOOD0001 good.png 25 image/png "?t=$2")"; printf ','
		message 16 "$(file F0HOST0001 good.png 25 image/png "?t=$2" files.slack.com.example.org),$(file F0BARE0001 good.png 25 image/png '')"; printf ','
		message 17 '{"id":"F0TOMB0001","mode":"tombstone"}'
		printf ']'
	} >"$1/general/2023-11-14.json"
}
export_of "$T/live" xoxe-good-secret-1
export_of "$T/dead" xoxe-dead-secret-2

"$BUILD/tools/fileserver" "$T/files.port" "$T/files.log" 2>"$T/files.err" &
sandboxes="$sandboxes $!"
i=0
while [ ! -s "$T/files.port" ]; do
	i=$((i + 1))
	if [ $i -gt 500 ]; then echo 'Bail out! the file server did not start'; exit 1; fi
	sleep 0.02
done
MVCHAT_FETCH_BASE=http://127.0.0.1:$(cat "$T/files.port")
export MVCHAT_FETCH_BASE
reason() { grep -oE "\"id\":\"$1\"[^}]*" "$2" | grep -oE '"reason":"[a-z-]+"'; }
is() { eq "$1: $3" "$(reason "$1" "$2")" "\"reason\":\"$3\""; }

sandbox files
mkdir "$T/p"
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create "$T/live"
expect 'plan without the files' 0 "$MVCHAT" plan -C "$T/p" --json
cp "$T/out" "$T/plan0.json"
expect 'fetch says that some could not be had' 6 "$MVCHAT" fetch -C "$T/p" --json --jobs 3
cp "$T/out" "$T/fetch.json"
cp "$T/err" "$T/fetch.err"
eq 'linked file ids' "$(number linked "$T/fetch.json")" 11
eq 'fetched: good, same, flaky' "$(number fetched "$T/fetch.json")" 3
is F0PAGE0001 "$T/fetch.json" sign-in-page
is F0AWAY0001 "$T/fetch.json" sign-in-page
is F0OTHER001 "$T/fetch.json" redirected-elsewhere
is F0SHORT001 "$T/fetch.json" size-differs
is F0DRIP0001 "$T/fetch.json" network
is F0GONE0001 "$T/fetch.json" not-found
is F0HOST0001 "$T/fetch.json" foreign-address
is F0BARE0001 "$T/fetch.json" no-token
is F0TOMB0001 "$T/fetch.json" deleted
eq 'the file in two messages is asked for once' "$(grep -c '^good.png' "$T/files.log")" 1
eq 'what was cut is gone on with' "$(grep -c '^drip.bin [0-9]*-.* if-range' "$T/files.log")" 5
eq 'the redirected request has no token' "$(grep '^again.png' "$T/files.log")" 'again.png - none'
has 'the list as CSV' "$T/p/files-missing.csv" '"F0PAGE0001","page.png","C0GENERAL1",25,"sign-in-page"'
eq 'two contents for three files' "$(find "$T/p/.mvchat/files" -type f -path '*/files/??/*' | wc -l | tr -d ' ')" 2
eq 'each has the digest it is named by' "$(cd "$T/p/.mvchat/files" && for f in ??/*; do [ "$(sha256sum <"$f" | cut -d' ' -f1)" = "${f#*/}" ] || echo "$f"; done)" ''

: >"$T/files.log"
expect 'fetch again: the rest of what was cut' 6 "$MVCHAT" fetch -C "$T/p" --json
cp "$T/out" "$T/fetch2.json"
eq 'has the earlier ones' "$(number had "$T/fetch2.json")" 3
eq 'and now the large one' "$(number fetched "$T/fetch2.json")" 1
has 'from where it stopped' "$T/files.log" 'drip.bin 60000- token if-range'
eq 'nothing had is asked for' "$(grep -cE '^(good|same|flaky)' "$T/files.log")" 0

expect 'plan sees the files' 0 "$MVCHAT" plan -C "$T/p" --json
cp "$T/out" "$T/plan.json"
digest() { grep -oE '"digest":"[0-9a-f]+"' "$1" | head -1; }
if [ "$(digest "$T/plan0.json")" != "$(digest "$T/plan.json")" ]; then ok 'and is another plan'; else not_ok 'and is another plan'; fi
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'uploads them: good twice, same, drip, flaky' "$(number uploaded "$T/out")" 5
cp "$T/out" "$T/apply.json"
expect 'verify' 0 "$MVCHAT" verify -C "$T/p"
expect 'apply again' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'writes nothing' "$(number writes "$T/out")" 0

expect 'the readable archive has them' 0 "$MVCHAT" archive -C "$T/p" -o "$T/pages" --json
eq 'two contents, copied once each' "$(number files "$T/out")" 2
eq 'none unreadable' "$(number unreadable_files "$T/out")" 0

# Sent without its files, fetched later: what is written stays as it is.
sandbox late
mkdir "$T/q"
expect 'another project' 0 "$MVCHAT" map -C "$T/q" --url "$URL" --unmatched create "$T/live"
expect 'applied before fetching' 0 "$MVCHAT" apply -C "$T/q" --yes
run "$MVCHAT" fetch -C "$T/q" -q
expect 'apply after fetching' 0 "$MVCHAT" apply -C "$T/q" --yes --json
eq 'writes nothing either' "$(number writes "$T/out")" 0
expect 'and nothing is called drift' 0 "$MVCHAT" plan -C "$T/q" --exit-code

# A dead token: nothing is stored; a torn index and a stray part do no harm.
expect 'a dead token' 6 "$MVCHAT" fetch --json --into "$T/store" --missing "$T/dead.csv" "$T/dead"
cp "$T/out" "$T/dead.json"
eq 'gets nothing' "$(number fetched "$T/dead.json")" 0
is F0GOOD0001 "$T/dead.json" sign-in-page
eq 'and stores nothing' "$(find "$T/store" -type f ! -name index.tsv | wc -l | tr -d ' ')" 0
printf 'F0GOOD0001\tdead' >>"$T/store/index.tsv"
run "$MVCHAT" fetch --json --into "$T/store" --missing "$T/live.csv" "$T/live"
eq 'a torn line of the index is cut off' "$(grep -c '^F0GOOD0001	[0-9a-f]\{64\}	25	' "$T/store/index.tsv")" 1
f=$(find "$T/store" -type f -size 25c -path '*/store/??/*')
: >"$f"
expect 'a file that was emptied is fetched again' 6 "$MVCHAT" fetch --into "$T/store" --missing "$T/live.csv" "$T/live"
eq 'whole' "$(find "$T/store" -type f -size 25c -path '*/store/??/*' | wc -l | tr -d ' ')" 1
expect 'a base that is not loopback is refused' 2 env MVCHAT_FETCH_BASE=https://example.org "$MVCHAT" fetch --into "$T/store" --missing "$T/x.csv" "$T/live"

rm -rf "$T/live" "$T/dead"
if grep -rl 'xoxe-' "$T" >"$T.leak" 2>/dev/null; then not_ok 'no token in store, ledger, logs, reports' "$T.leak"; else ok 'no token in store, ledger, logs, reports'; fi
rm -f "$T.leak"
done_testing
