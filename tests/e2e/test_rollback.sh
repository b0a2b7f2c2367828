#!/bin/sh
# Rollback: what mvchat wrote goes, what people made of it stays; killed anywhere it goes on; a later apply writes it again.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"

# content STORE: the dump without what the target cannot delete and without counters
content() { "$MVCHAT" sandbox --store "$1" --dump | grep -vE '"type":"stats"|"name":"\[(taken back|отменено)\] '; }
# people who were made and suspended do not count either
living() { content "$1" | grep -v '"suspended":true'; }
# words of a dump that hold the target's ids or this run's address
plain() { sed -E 's#http://127\.0\.0\.1:[0-9]+/[^ )"\\]*#@#g; s#https://severny-veter\.slack\.com/archives/[^ )"\\]*#@#g; s#"thread":[0-9]+#"thread":\##g'; }
project() { mkdir "$T/$1" && expect "map ($1)" 0 "$MVCHAT" map -C "$T/$1" --url "$URL" --unmatched create "$T/export.zip"; }
writes() { number writes "$T/out"; }

sandbox main
project p
content "$STORE" >"$T/before"
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --yes
content "$STORE" | plain >"$T/applied"

expect 'rollback without a scope is refused' 2 "$MVCHAT" rollback -C "$T/p" --yes
expect 'two scopes as well' 2 "$MVCHAT" rollback -C "$T/p" --all --run 1 --yes
expect 'an unknown channel as well' 2 "$MVCHAT" rollback -C "$T/p" --channel nosuch --yes
expect 'not asked and not told' 2 "$MVCHAT" rollback -C "$T/p" --all
mutating=$(ctl "$PAGE/sandbox/stats" | grep -oE '"mutating":[0-9]+')
expect 'dry run' 0 "$MVCHAT" rollback -C "$T/p" --all --dry-run
has 'says what cannot be deleted' "$T/out" 'What the target cannot delete'
eq 'it writes nothing' "$(ctl "$PAGE/sandbox/stats" | grep -oE '"mutating":[0-9]+')" "$mutating"
expect 'dry run as JSON' 0 "$MVCHAT" rollback -C "$T/p" --all --dry-run --json
todo=$(number messages "$T/out")

expect 'rollback of everything' 0 "$MVCHAT" rollback -C "$T/p" --all --yes --json
cp "$T/out" "$T/rollback.json"
eq 'took back what was shown' "$(number messages "$T/out")" "$todo"
living "$STORE" >"$T/after"
same 'the content is that before apply, but for what cannot be deleted' "$T/before" "$T/after"
"$MVCHAT" sandbox --store "$STORE" --dump >"$T/dump"
eq 'every chat given up is archived' "$(grep '"type":"chat"' "$T/dump" | grep -E '"name":"\[(taken back|отменено)\]' | grep -vc '"archived":true')" 0
eq 'and listed' "$(grep -oE '"name":"[^"]*","target"' "$T/rollback.json" | wc -l | tr -d ' ')" "$(grep '"type":"chat"' "$T/dump" | grep -cE '"name":"\[(taken back|отменено)\]')"
eq 'nobody was notified' "$(number notifications "$T/dump")" 0
expect 'rollback again' 0 "$MVCHAT" rollback -C "$T/p" --all --yes --json
eq 'writes nothing' "$(writes)" 0
expect 'verify finds no difference, only work to do' 6 "$MVCHAT" verify -C "$T/p"

expect 'apply after the rollback' 0 "$MVCHAT" apply -C "$T/p" --yes
content "$STORE" | plain >"$T/again"
same 'writes the same again' "$T/applied" "$T/again"
expect 'verify after that' 0 "$MVCHAT" verify -C "$T/p"
has 'finds it complete' "$T/out" 'The replay is complete'
expect 'apply once more' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'writes nothing either' "$(writes)" 0
expect 'rollback of the second time, accounts deleted' 0 "$MVCHAT" rollback -C "$T/p" --all --users delete --yes
living "$STORE" >"$T/after2"
same 'the content is that before apply once more' "$T/before" "$T/after2"
content "$STORE" | grep -c '"suspended":true' >"$T/suspended"
eq 'no account is left' "$(cat "$T/suspended")" "$(grep -c '"suspended":true' "$T/before")"
expect 'and apply makes them anew' 0 "$MVCHAT" apply -C "$T/p" --yes
content "$STORE" | plain >"$T/third"
same 'with the same content' "$T/applied" "$T/third"
done_testing
