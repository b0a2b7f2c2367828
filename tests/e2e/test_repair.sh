#!/bin/sh
# verify: a sample of it; what is missing at the end of a lane is sent again, what is missing in between is only told.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"
bot() { curl -s -m 10 -H 'Authorization: Bearer sandbox-bot-token' -H 'Content-Type: application/json' "$@"; }
content() { "$MVCHAT" sandbox --store "$STORE" --dump | grep -v '"type":"stats"' | sed -E 's#"thread":[0-9]+#"thread":\##g; s#message=[0-9]+#message=@#g'; }
# the program's clock runs ahead of ours: what it has used up is forgotten, and a person is not told to wait
reset() { ctl -X POST "$PAGE/sandbox/reset" >/dev/null; }
# ids of a chat's messages, oldest first
ids() { reset; bot "$URL/messages?chat_id=$1&sort=id&order=asc&limit=50" | sed 's/{"id":/\n{"id":/g' | grep '"content"' | grep -oE '^\{"id":[0-9]+' | grep -oE '[0-9]+'; }

sandbox repair
mkdir "$T/p"
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create "$T/export.zip"
sed -i 's/reactions: *text/reactions: native/' "$T/p/mvchat.yaml"
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --yes
content >"$T/before"
expect 'verify' 0 "$MVCHAT" verify -C "$T/p" --json
has 'compares reactions' "$T/out" '"reactions_missing":0'
all=$(number requests "$T/out") messages=$(number match "$T/out")

expect 'a sample' 0 "$MVCHAT" verify -C "$T/p" --sample 20 --seed 5 --json
cp "$T/out" "$T/sample"
has 'is called one' "$T/sample" '"sampled":true'
has 'and never complete' "$T/sample" '"complete":false'
seen=$(number match "$T/sample")
if [ "$seen" -ge 10 ] && [ "$seen" -lt "$messages" ] && [ "$(number requests "$T/sample")" -lt "$all" ]; then ok 'looks at a part only'; else not_ok "looks at a part only: $seen" "$T/sample"; fi
expect 'the same seed' 0 "$MVCHAT" verify -C "$T/p" --sample 20 --seed 5 --json
same 'looks at the same' "$T/sample" "$T/out"

# a chat with ten messages or more; somebody deletes its last two and one in the middle
for chat in $(bot "$URL/chats?availability=is_member&archived=false&limit=50" | grep -oE '"id":[0-9]+,"name"' | grep -oE '[0-9]+'); do
	ids "$chat" >"$T/ids"
	[ "$(wc -l <"$T/ids")" -ge 10 ] && break
done
reset
for m in $(tail -2 "$T/ids"); do bot -X DELETE "$URL/messages/$m" >>"$T/deleted"; done
hasnt 'somebody deletes two messages' "$T/deleted" 'error'
expect 'verify finds two missing' 7 "$MVCHAT" verify -C "$T/p" --json
eq 'exactly two' "$(number missing "$T/out")" 2
expect 'apply alone does not know' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'and sends nothing' "$(number writes "$T/out")" 0
expect 'verify --repair' 7 "$MVCHAT" verify -C "$T/p" --repair --json
eq 'both can be sent again' "$(number repaired "$T/out")" 2
expect 'apply sends them' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'these two' "$(number posted "$T/out")" 2
expect 'verify is content' 0 "$MVCHAT" verify -C "$T/p"
content >"$T/after"
same 'everything stands where it stood' "$T/before" "$T/after"

ids "$chat" >"$T/ids"
reset
middle=$(sed -n '4p' "$T/ids")
bot -X DELETE "$URL/messages/$middle" >/dev/null
expect 'one in the middle' 7 "$MVCHAT" verify -C "$T/p" --repair --json
eq 'is missing' "$(number missing "$T/out")" 1
eq 'and not repaired: it would stand at the end' "$(number repaired "$T/out")" 0
expect 'so apply sends nothing' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'indeed nothing' "$(number writes "$T/out")" 0

# somebody removes a reaction of ours
reset
liked=$("$MVCHAT" sandbox --store "$STORE" --dump | grep -cE '"reactions":\[\{"code"')
for m in $(ids "$chat"); do
	reset
	code_of=$(bot "$URL/messages/$m/reactions" | grep -oE '"code":"[^"]+"' | head -1 | cut -d'"' -f4)
	[ -n "$code_of" ] && break
done
if [ "$liked" -gt 0 ] && [ -n "$code_of" ]; then
	curl -s -m 10 -G -X DELETE -H 'Authorization: Bearer sandbox-bot-token' --data-urlencode "code=$code_of" "$URL/messages/$m/reactions" >/dev/null
	expect 'a reaction is missing' 7 "$MVCHAT" verify -C "$T/p" --json
	eq 'one' "$(number reactions_missing "$T/out")" 1
fi
done_testing
