#!/bin/sh
# What people can do to what was written, one thing after the other: verify finds each, says where, and nothing else.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"
reset() { ctl -X POST "$PAGE/sandbox/reset" >/dev/null; }
bot() { reset; curl -s -m 10 -H 'Authorization: Bearer sandbox-bot-token' -H 'Content-Type: application/json' "$@"; }
ids() { bot "$URL/messages?chat_id=$1&sort=id&order=asc&limit=50" | sed 's/{"id":/\n{"id":/g' | grep '"content"' | grep -oE '^\{"id":[0-9]+' | grep -oE '[0-9]+'; }
# finds NAME KEY NUMBER SENTENCE: one difference, counted under KEY, said in words with an address
finds() {
	expect "$1: verify" 7 "$MVCHAT" verify -C "$T/p" --json
	eq "$1: counted" "$(number "$2" "$T/out")" "$3"
	eq "$1: and nothing else" "$(grep -oE '"finding":"[a-z]+"' "$T/out" | wc -l | tr -d ' ')" "$3"
	expect "$1: in words" 7 "$MVCHAT" verify -C "$T/p"
	has "$1: says what" "$T/out" "$4"
	if grep -F "$4" "$T/out" | grep -q "http://127.0.0.1:$PORT/chats/"; then ok "$1: and where"; else not_ok "$1: and where" "$T/out"; fi
}
fine() { expect "$1" 0 "$MVCHAT" verify -C "$T/p"; }

sandbox one
mkdir "$T/p"
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create "$T/export.zip"
sed -i 's/reactions: *text/reactions: native/' "$T/p/mvchat.yaml"
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --yes
expect 'verify' 0 "$MVCHAT" verify -C "$T/p" --json
eq 'every file is the one that was sent' "$(number files_ok "$T/out") $(number files_other "$T/out")" '9 0'
chat=$(bot "$URL/chats?availability=is_member&limit=50" | grep -oE '"id":[0-9]+,"name":"sales"' | grep -oE '[0-9]+')
put() { bot -X PUT -d "$1" "$URL/chats/$chat" >"$T/answer"; }

put '{"chat":{"name":"renamed"}}'
finds 'a chat renamed' names_wrong 1 'the chat has another name than it was given'
put '{"chat":{"name":"sales"}}'
fine 'renamed back'
put '{"chat":{"public":false}}'
finds 'a chat made private' privacy_wrong 1 'the chat is private and should be public'
put '{"chat":{"public":true}}'
bot -X PUT "$URL/chats/$chat/archive" >"$T/answer"
finds 'a chat archived' archived_wrong 1 'the chat is archived and should not be'
bot -X PUT "$URL/chats/$chat/unarchive" >"$T/answer"
fine 'opened again'
gone=$(bot "$URL/chats?availability=is_member&archived=true&limit=50" | grep -oE '"id":[0-9]+,"name":"проект-иней"' | grep -oE '[0-9]+')
bot -X PUT "$URL/chats/$gone/unarchive" >"$T/answer"
finds 'an archived chat opened' archived_wrong 1 'the chat should be archived'
bot -X PUT "$URL/chats/$gone/archive" >"$T/answer"
member=$(bot "$URL/chats/$chat/members?limit=50" | grep -oE '"id":[0-9]+' | grep -oE '[0-9]+' | sort -n | tail -1)
bot -X DELETE "$URL/chats/$chat/members/$member" >"$T/answer"
finds 'a member removed' members_missing 1 "$member  this person is not a member of the chat"
bot -X POST -d "{\"member_ids\":[$member],\"silent\":true}" "$URL/chats/$chat/members" >"$T/answer"
fine 'let in again'

# Another file under the same name: two messages have files of one name, and one is given the other's.
for c in $(bot "$URL/chats?availability=is_member&limit=50" | grep -oE '"id":[0-9]+,"name"' | grep -oE '[0-9]+'); do
	bot "$URL/messages?chat_id=$c&sort=id&order=asc&limit=50" | sed 's/{"id":/\n{"id":/g' | sed -nE 's/^\{"id":([0-9]+),"key":"([^"]*)","name":"(Акт подписанный\.png)".*/\1 \2/p' >"$T/acts"
	[ "$(wc -l <"$T/acts")" -ge 2 ] && break
done
key1=$(head -1 "$T/acts" | cut -d' ' -f2) key2=$(tail -1 "$T/acts" | cut -d' ' -f2)
m=$(bot "$URL/messages?chat_id=$c&sort=id&order=asc&limit=50" | sed 's/{"id":\([0-9]*\),"entity_type"/\n\1 /g' | grep -F "$key1" | cut -d' ' -f1)
give() { bot -X PUT -d "{\"message\":{\"files\":[{\"key\":\"$1\",\"name\":\"Акт подписанный.png\",\"file_type\":\"image\",\"size\":75}]}}" "$URL/messages/$m" >"$T/answer"; }
give "$key2"
has 'the message has another file' "$T/answer" "$key2"
finds 'a file replaced' files_other 1 'a file is not the one that was sent'
give "$key1"
fine 'the file put back'

# The first message of a thread is deleted: it is missing, its replies are not; it cannot be repaired, and repairing changes nothing.
for c in $(bot "$URL/chats?availability=is_member&limit=50" | grep -oE '"id":[0-9]+,"name"' | grep -oE '[0-9]+'); do
	root=$(bot "$URL/messages?chat_id=$c&sort=id&order=asc&limit=50" | sed 's/{"id":/\n{"id":/g' | grep -E '"thread":(\{"id"|$)' | head -1 | grep -oE '^\{"id":[0-9]+' | grep -oE '[0-9]+')
	[ -n "$root" ] && break
done
bot -X DELETE "$URL/messages/$root" >"$T/answer"
finds 'the first message of a thread deleted' missing 1 'it is not in the chat'
expect 'repair' 7 "$MVCHAT" verify -C "$T/p" --repair --json
eq 'cannot put it back before its replies' "$(number repaired "$T/out")" 0
expect 'apply sends nothing' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'indeed' "$(number writes "$T/out")" 0
finds 'the same after that' missing 1 'it is not in the chat'
done_testing
