#!/bin/sh
# People go on while a rollback runs, or between its death and its end: what they change, answer or react to stays, and is told.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"
# (the limits are forgotten now and then: a person is not told to wait for what the program has used up)
bot() { ctl -X POST "$PAGE/sandbox/reset" >/dev/null; curl -s -m 10 -H 'Authorization: Bearer sandbox-bot-token' -H 'Content-Type: application/json' "$@"; }
project() { mkdir "$T/$1" && "$MVCHAT" map -q -C "$T/$1" --url "$URL" --unmatched create "$T/export.zip" >/dev/null && "$MVCHAT" apply -q -C "$T/$1" --yes >/dev/null 2>&1; }
there() { bot "$URL/messages/$1" | grep -c '"deleted_at":null'; }
dump() { "$MVCHAT" sandbox --store "$STORE" --dump; }

# A long rollback: at 1 % of the limits a message goes every 25 seconds. While the first ones go, somebody changes, or likes, the oldest.
for deed in edit react; do
	sandbox "long-$deed"
	project "long-$deed"
	sales=$(bot "$URL/chats?availability=is_member&limit=50" | grep -oE '"id":[0-9]+,"name":"sales"' | grep -oE '[0-9]+')
	oldest=$(bot "$URL/messages?chat_id=$sales&sort=id&order=asc&limit=1" | grep -oE '^\{"data":\[\{"id":[0-9]+' | grep -oE '[0-9]+$')
	newest=$(bot "$URL/messages?chat_id=$sales&sort=id&order=desc&limit=1" | grep -oE '^\{"data":\[\{"id":[0-9]+' | grep -oE '[0-9]+$')
	ctl --data-binary "DELETE /messages/$newest 1 human $deed-oldest" "$PAGE/sandbox/faults" >/dev/null
	expect "$deed: a rollback in which something stays" 6 "$MVCHAT" rollback -C "$T/long-$deed" --all --yes --rate 1 --json --report "$T/$deed.xml"
	eq "$deed: nothing stayed by the plan, one thing by now" "$(number changed "$T/out")$(number reacted "$T/out")" 1
	has "$deed: it is listed" "$T/out" "\"target\":\"$oldest\""
	has "$deed: and fails a check of the report" "$T/$deed.xml" '<failure'
	eq "$deed: the message is there" "$(there "$oldest")" 1
	eq "$deed: the one before which it happened is not" "$(there "$newest")" 0
	dump >"$T/dump"
	eq "$deed: nothing else is left" "$(grep '"type":"message"' "$T/dump" | grep -v '"deleted":true' | grep -c .)" 1
	has "$deed: its chat keeps its name and is open" "$T/dump" '"name":"sales","kind":"chat","public":true,"archived":false'
	expect "$deed: again" 6 "$MVCHAT" rollback -C "$T/long-$deed" --all --yes --json
	eq "$deed: writes nothing" "$(number writes "$T/out")" 0
	expect "$deed: in words" 6 "$MVCHAT" rollback -C "$T/long-$deed" --all --yes
	expect "$deed: forced, it goes" 0 "$MVCHAT" rollback -C "$T/long-$deed" --all --yes --force
	eq "$deed: indeed" "$(there "$oldest")" 0
done

# Somebody writes into a chat while it is emptied: it is not given up, and its name stays.
sandbox writes
project writes
sales=$(bot "$URL/chats?availability=is_member&limit=50" | grep -oE '"id":[0-9]+,"name":"sales"' | grep -oE '[0-9]+')
newest=$(bot "$URL/messages?chat_id=$sales&sort=id&order=desc&limit=1" | grep -oE '^\{"data":\[\{"id":[0-9]+' | grep -oE '[0-9]+$')
ctl --data-binary "DELETE /messages/$newest 1 human write" "$PAGE/sandbox/faults" >/dev/null
expect 'words: a chat is in use by now' 6 "$MVCHAT" rollback -C "$T/writes" --all --yes --rate 1
has 'words: and why' "$T/out" 'Stays, because of what people have done meanwhile'
dump >"$T/dump"
has 'words: its name stays, and it is open' "$T/dump" '"name":"sales","kind":"chat","public":true,"archived":false'
eq 'words: what was said is there' "$(grep '"type":"message"' "$T/dump" | grep -c '"content":"a word in between"')" 1

# Killed between the note that a message is to go and its request; before the rollback goes on, somebody changes that very message, and
# another one likewise: neither is asked for. The one whose lane had no such note goes.
if command -v sqlite3 >/dev/null; then
	sandbox open
	project open
	p=$T/open open='' at=4 # little is done by each, so many of them come to it
	while [ -z "$open" ] && [ $at -lt 120 ]; do
		at=$((at + 1))
		MVCHAT_STEP_KILL=$at "$MVCHAT" rollback -C "$p" --all --yes >/dev/null 2>&1 </dev/null
		open=$(sqlite3 -readonly "$p/.mvchat/ledger.db" "SELECT p.target FROM op d JOIN op p ON p.conv = d.conv AND p.ts = d.ts AND p.id = d.id AND p.kind = 4 AND p.part = d.part
			JOIN lane ON lane.num = p.lane AND lane.name LIKE 'c:%' WHERE d.kind = 11 AND d.state IN (1, 2) AND d.part < 1048576 AND p.state = 3" | while read -r m; do [ "$(there "$m")" = 1 ] && echo "$m" && break; done)
	done
	if [ -n "$open" ]; then ok "killed at step $at with the deletion of message $open open"; else not_ok 'killed with a deletion open'; fi
	bot -X PUT -d '{"message":{"content":"rewritten meanwhile"}}' "$URL/messages/$open" >"$T/m"
	has 'somebody changes it' "$T/m" 'rewritten meanwhile'
	expect 'the rollback goes on' 6 "$MVCHAT" rollback -C "$p" --all --yes --json
	eq 'one message stays' "$(number changed "$T/out")" 1
	has 'this one' "$T/out" "\"target\":\"$open\""
	eq 'it is there' "$(there "$open")" 1
	dump >"$T/dump"
	eq 'nothing else is' "$(grep '"type":"message"' "$T/dump" | grep -v '"deleted":true' | grep -c .)" 1
	expect 'again' 6 "$MVCHAT" rollback -C "$p" --all --yes --json
	eq 'writes nothing' "$(number writes "$T/out")" 0
	expect 'verify: a message of ours says something else' 7 "$MVCHAT" verify -C "$p"
	expect 'apply writes the others again' 0 "$MVCHAT" apply -C "$p" --yes
	expect 'forced, everything goes' 0 "$MVCHAT" rollback -C "$p" --all --yes --force
	eq 'this one as well' "$(there "$open")" 0
else
	skip 'killed with a deletion open' 'sqlite3 is not installed'
fi
done_testing
