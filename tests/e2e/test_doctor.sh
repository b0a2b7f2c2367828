#!/bin/sh
# doctor: what it finds right and wrong, with the exit codes a script can act on.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
demo_zip "$T/export.zip"
mkdir "$T/p"
expect 'no project, no token: only a warning' 0 "$MVCHAT" doctor -C "$T/p"
has 'versions are told' "$T/out" 'SQLite'
has 'and what to type for the rest' "$T/out" 'PACHCA_BOT_TOKEN'
tokens
sandbox doctor
expect 'the target answers' 0 "$MVCHAT" doctor -C "$T/p" --url "$URL"
has 'and the tokens may do what is needed' "$T/out" 'may write messages'
has 'nothing is wrong' "$T/out" 'Ready.'
expect 'as JSON' 0 "$MVCHAT" doctor -C "$T/p" --url "$URL" --json
eq 'no failure' "$(number fail "$T/out")" 0
has 'the clock was compared' "$T/out" '"check":"clock"'
ctl -X POST -H 'Content-Type: application/json' -d '{"token":"few-scopes-token","name":"few","bot":true,"scopes":["profile:read","messages:read","chats:read","users:read"]}' "$PAGE/sandbox/tokens" >"$T/out"
run env PACHCA_BOT_TOKEN=few-scopes-token "$MVCHAT" doctor -C "$T/p" --url "$URL"
eq 'a token that may too little: exit 5' "$code" 5
has 'each missing permission is named' "$T/out" 'threads:create'
hasnt 'the token is not' "$T/out" 'few-scopes-token'
expect 'nobody listens: exit 5' 5 "$MVCHAT" doctor -C "$T/p" --url http://127.0.0.1:9/api/shared/v1
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL" "$T/export.zip"
expect 'apply a part' 6 "$MVCHAT" apply -C "$T/p" --yes --max-ops 10
expect 'with a project' 0 "$MVCHAT" doctor -C "$T/p"
has 'its ledger is sound' "$T/out" 'the ledger is sound'
mv "$T/export.zip" "$T/gone.zip"
expect 'an archive that went away: exit 1' 1 "$MVCHAT" doctor -C "$T/p" --offline
has 'is named' "$T/out" 'export.zip'
printf 'this is no database, and long enough to be seen as such; really, quite long enough for that, one would think, with a header of a hundred bytes' >"$T/p/.mvchat/ledger.db"
rm -f "$T/p/.mvchat/ledger.db-wal" "$T/p/.mvchat/ledger.db-shm"
expect 'a damaged ledger: exit 1' 1 "$MVCHAT" doctor -C "$T/p" --offline
hasnt 'is not called sound' "$T/out" 'the ledger is sound'
expect 'in Russian' 0 "$MVCHAT" doctor -C "$T" --offline --lang ru
done_testing
