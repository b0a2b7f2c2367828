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
expect 'a run that never was as well' 2 "$MVCHAT" rollback -C "$T/p" --run 99 --yes
mutating=$(ctl "$PAGE/sandbox/stats" | grep -oE '"mutating":[0-9]+')
expect 'dry run' 0 "$MVCHAT" rollback -C "$T/p" --all --dry-run
has 'says what cannot be deleted' "$T/out" 'What the target cannot delete'
eq 'it writes nothing' "$(ctl "$PAGE/sandbox/stats" | grep -oE '"mutating":[0-9]+')" "$mutating"
expect 'dry run as JSON' 0 "$MVCHAT" rollback -C "$T/p" --all --dry-run --json
todo=$(number messages "$T/out")

expect 'plan shows it, too' 0 "$MVCHAT" plan --rollback -C "$T/p" --json --report "$T/pr.json,$T/pr.md"
eq 'the same' "$(number messages "$T/out")" "$todo"
has 'with a report that says so' "$T/pr.md" 'Would be taken back'
expect 'of one channel' 0 "$MVCHAT" plan --rollback --channel '#sales' -C "$T/p" --json
if [ "$(number messages "$T/out")" -lt "$todo" ]; then ok 'less'; else not_ok 'less' "$T/out"; fi
expect 'two scopes are refused there as well' 2 "$MVCHAT" plan --rollback --run 1 --channel x -C "$T/p"
eq 'and nothing was written' "$(ctl "$PAGE/sandbox/stats" | grep -oE '"mutating":[0-9]+')" "$mutating"

expect 'rollback of everything, with reports' 0 "$MVCHAT" rollback -C "$T/p" --all --yes --json --report "$T/r.txt,$T/r.md,$T/r.html,$T/r.xml,$T/r.json"
has 'text' "$T/r.txt" 'What the target cannot delete'
has 'Markdown' "$T/r.md" '# Report of a taking back'
has 'HTML' "$T/r.html" 'Report of a taking back</h1>'
has 'JUnit' "$T/r.xml" 'failures="0"'
has 'JUnit has a check for each kind' "$T/r.xml" 'name="taken back: messages"'
has 'JSON' "$T/r.json" '"report":"rollback"'
eq 'with the number taken back' "$(grep -oE '"taken_back":\{"messages":[0-9]+' "$T/r.json" | grep -oE '[0-9]+$')" "$todo"
has 'the target lists the chats that stay' "$T/r.json" '"cannot_delete":{"files":'
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

# ---- one run, one channel ----
sandbox runs
project r
expect 'a first run' 6 "$MVCHAT" apply -C "$T/r" --yes --max-ops 60
content "$STORE" | plain >"$T/run1"
expect 'a second run' 0 "$MVCHAT" apply -C "$T/r" --yes
content "$STORE" | plain >"$T/run2"
expect 'the second run is taken back' 0 "$MVCHAT" rollback -C "$T/r" --run 2 --yes
content "$STORE" | plain | grep -v '"suspended":true' >"$T/run1.again"
grep '"type":"message"' "$T/run1" >"$T/m1"
grep '"type":"message"' "$T/run1.again" >"$T/m2"
same 'the messages are those of the first' "$T/m1" "$T/m2"
expect 'it is written again' 0 "$MVCHAT" apply -C "$T/r" --yes
content "$STORE" | plain >"$T/run2.again"
same 'with the same content' "$T/run2" "$T/run2.again"
ch=sales
expect 'one channel is taken back' 0 "$MVCHAT" rollback -C "$T/r" --channel "#$ch" --yes
content "$STORE" | plain | grep -F "\"$ch\"" >"$T/one"
eq 'nothing of it is left' "$(cat "$T/one")" ''
grep -vF "\"$ch\"" "$T/run2" | grep '"type":"message"' >"$T/m1"
content "$STORE" | plain | grep '"type":"message"' >"$T/m2"
same 'and everything of the others' "$T/m1" "$T/m2"
expect 'it is written again, too' 0 "$MVCHAT" apply -C "$T/r" --yes
content "$STORE" | plain >"$T/run3"
same 'as it was' "$T/run2" "$T/run3"

# ---- what people have made of it stays ----
sandbox people
project h
sed -i 's/reactions: *text/reactions: native/' "$T/h/mvchat.yaml"
content "$STORE" >"$T/h.before"
expect 'apply with native reactions' 0 "$MVCHAT" apply -C "$T/h" --yes
bot() { curl -s -m 10 -H 'Authorization: Bearer sandbox-bot-token' -H 'Content-Type: application/json' "$@"; }
admin() { curl -s -m 10 -H 'Authorization: Bearer sandbox-admin-token' -H 'Content-Type: application/json' "$@"; }
# (the limits are forgotten now and then: a person is not told to wait for what the program has used up)
# a chat with a thread, and of it: the root, the thread's chat, two other messages
for chat in $(bot "$URL/chats?availability=is_member&archived=true&limit=50" | grep -oE '"id":[0-9]+,"name"' | grep -oE '[0-9]+'); do
	ctl -X POST "$PAGE/sandbox/reset" >/dev/null
	bot "$URL/messages?chat_id=$chat&sort=id&order=asc&limit=50" | sed 's/{"id":/\n{"id":/g' | grep '"content"' >"$T/list"
	root=$(grep -E '"thread":\{"id"|"thread":$' "$T/list" | head -1 | grep -oE '^\{"id":[0-9]+' | grep -oE '[0-9]+')
	[ -n "$root" ] && [ "$(wc -l <"$T/list")" -gt 5 ] && break
done
ctl -X POST "$PAGE/sandbox/reset" >/dev/null
tchat=$(bot "$URL/messages/$root" | grep -oE '"thread":\{"id":[0-9]+,"chat_id":[0-9]+' | grep -oE '[0-9]+$')
others=$(grep -v '"thread":' "$T/list" | cat - "$T/list" | grep -oE '^\{"id":[0-9]+' | grep -oE '[0-9]+' | grep -vx "$root" | head -2)
changed=$(echo "$others" | head -1) liked=$(echo "$others" | tail -1)
me=$(admin "$URL/profile" | grep -oE '"id":[0-9]+' | head -1 | grep -oE '[0-9]+')
bot -X POST -d "{\"member_ids\":[$me],\"silent\":true}" "$URL/chats/$chat/members" >/dev/null
bot -X PUT -d '{"message":{"content":"rewritten by somebody"}}' "$URL/messages/$changed" >"$T/changed"
has 'somebody changes a message' "$T/changed" 'rewritten by somebody'
admin -X POST -d '{"code":"👍"}' "$URL/messages/$liked/reactions" >"$T/liked"
has 'somebody likes one' "$T/liked" '"code"'
ctl -X POST -H 'Content-Type: application/json' -d "{\"chat_id\":$tchat,\"text\":\"an answer\",\"user_id\":$me}" "$PAGE/sandbox/messages" >"$T/answer"
has 'somebody answers in a thread' "$T/answer" '"id"'
expect 'a careful rollback leaves these' 6 "$MVCHAT" rollback -C "$T/h" --all --yes --json
eq 'one was changed' "$(number changed "$T/out")" 1
eq 'one has a reaction' "$(number reacted "$T/out")" 1
if [ "$(number answered "$T/out")" -ge 2 ]; then ok 'a thread has an answer: all of it stays'; else not_ok 'a thread has an answer: all of it stays' "$T/out"; fi
for m in "$root" "$changed" "$liked"; do
	bot "$URL/messages/$m" >"$T/m"
	has "message $m is there" "$T/m" '"deleted_at":null'
done
bot "$URL/chats/$chat" >"$T/m"
has 'their chat is open, under its name' "$T/m" '"archived":false'
hasnt 'and not marked' "$T/m" 'taken back'
expect 'again: nothing more to do' 6 "$MVCHAT" rollback -C "$T/h" --all --yes --json
eq 'nothing is written' "$(writes)" 0
expect 'verify says what is left' 7 "$MVCHAT" verify -C "$T/h"
run "$MVCHAT" plan --rollback -C "$T/h" --report "$T/h.xml,$T/h.html"
has 'what stays is in the report' "$T/h.html" 'messages changed since they were written'
has 'and fails a check' "$T/h.xml" 'name="messages changed since they were written"'
expect 'forced, they go as well' 0 "$MVCHAT" rollback -C "$T/h" --all --force --yes
living "$STORE" | grep -vE '"content":"an answer"|"deleted":true' >"$T/h.after"
eq 'nothing of ours is left' "$(grep -c '"type":"message"' "$T/h.after")" "$(grep -c '"type":"message"' "$T/h.before")"

# Cut short, then an apply by mistake, then finished.
sandbox cut
project c
content "$STORE" >"$T/c.before"
expect 'apply, to be taken back' 0 "$MVCHAT" apply -C "$T/c" --yes
MVCHAT_STEP_KILL=301 "$MVCHAT" rollback -C "$T/c" --all --yes >"$T/out" 2>"$T/err" </dev/null
run "$MVCHAT" apply -C "$T/c" --yes --max-ops 30
eq 'an apply in between stops where a deletion is open' "$code" 6
expect 'the rollback is finished' 0 "$MVCHAT" rollback -C "$T/c" --all --yes
living "$STORE" >"$T/c.after"
same 'nothing is left' "$T/c.before" "$T/c.after"

# A token that may not delete is refused before the first request that writes.
ctl -X POST -H 'Content-Type: application/json' -d '{"token":"no-delete","name":"bot","user_id":2,"scopes":["profile:read","messages:read","chats:read","users:read"]}' "$PAGE/sandbox/tokens" >/dev/null
expect 'apply again' 0 "$MVCHAT" apply -C "$T/c" --yes
run env PACHCA_BOT_TOKEN=no-delete "$MVCHAT" rollback -C "$T/c" --all --yes
eq 'a missing permission: exit 5' "$code" 5
has 'is named' "$T/err" 'messages:delete'
done_testing
