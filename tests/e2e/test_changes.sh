#!/bin/sh
# What changes while a write is in doubt: the mapping no longer has its conversation; the token is refused midway; the bill is not
# paid. Nothing is written twice, nothing in doubt is forgotten, and putting things right goes on.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"
base() { rm -rf "$T/p"; mkdir "$T/p"; "$MVCHAT" map -q -C "$T/p" --url "$URL" --unmatched create "$T/export.zip" >"$T/out" 2>&1 || not_ok 'map' "$T/out"; }
dump() { ctl "$PAGE/sandbox/dump" | grep -v '"type":"stats"' | blank_links >"$1"; }
# killed_in PATTERN: kills apply again and again, a few steps on each time, until the ledger's open op is in a lane like that
killed_in() {
	i=0
	while [ $i -lt 200 ]; do
		i=$((i + 1))
		MVCHAT_STEP_KILL=$((11 + i % 7)) "$MVCHAT" apply -C "$T/p" --yes -q >/dev/null 2>&1
		"$MVCHAT" status -C "$T/p" --json >"$T/status"
		lane=$(grep -oE '"state":"open","lane":"[^"]*"' "$T/status" | cut -d'"' -f8 | grep -E "$1" | head -1)
		[ -n "$lane" ] && return 0
	done
	not_ok "a kill that leaves an op open in $1" "$T/status"
	return 1
}

sandbox calm
base
expect 'an undisturbed run' 0 "$MVCHAT" apply -C "$T/p" --yes
dump "$T/calm"

# The conversation in doubt is left out of the mapping: no lane is left to settle it, and that is said.
sandbox skipped
base
killed_in '^c:'
id=${lane#c:}
cp "$T/p/channels.csv" "$T/channels.csv"
sed -i "s/^\($id,.*\),,,\$/\1,skip,,/" "$T/p/channels.csv"
if cmp -s "$T/p/channels.csv" "$T/channels.csv"; then not_ok 'the row is changed' "$T/p/channels.csv"; else ok 'the conversation in doubt is left out'; fi
expect 'the rest is done, and this is not complete' 6 "$MVCHAT" apply -C "$T/p" --yes
has 'it is said' "$T/err" 'in doubt'
expect 'also the next time' 6 "$MVCHAT" apply -C "$T/p" --yes
cp "$T/channels.csv" "$T/p/channels.csv"
expect 'put back, it completes' 0 "$MVCHAT" apply -C "$T/p" --yes
dump "$T/skipped"
same 'the content is that of an undisturbed run' "$T/calm" "$T/skipped"

# The token is refused midway, as after it was revoked, while a write is in doubt.
sandbox revoked
base
ctl --data-binary "POST /messages 9 hang-after
GET /messages 1 401
POST /messages 25 401" "$PAGE/sandbox/faults" >/dev/null
expect 'refused while reading back: exit 5' 5 "$MVCHAT" apply -C "$T/p" --yes
has 'and says what to check' "$T/err" 'token'
run "$MVCHAT" apply -C "$T/p" --yes
ctl -X POST -H 'Content-Type: application/json' -d '{"unpaid":true}' "$PAGE/sandbox/settings" >/dev/null
expect 'not paid: exit 5' 5 "$MVCHAT" apply -C "$T/p" --yes
ctl -X POST -H 'Content-Type: application/json' -d '{"unpaid":false}' "$PAGE/sandbox/settings" >/dev/null
expect 'put right, it completes' 0 "$MVCHAT" apply -C "$T/p" --yes
dump "$T/revoked"
same 'the content is that of an undisturbed run' "$T/calm" "$T/revoked"
done_testing
