#!/bin/sh
# Who is more than a member: administrators of chats, and a department's tag as a member.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual MVCHAT_LANG=en
tokens
demo_zip "$T/export.zip"
sandbox company
api() { # METHOD PATH [BODY]
	ctl -g -X "$1" -H 'Authorization: Bearer sandbox-admin-token' -H 'Content-Type: application/json' ${3:+-d "$3"} "$URL$2"
}
bot() { ctl -g -H 'Authorization: Bearer sandbox-bot-token' "$URL$1"; }
api POST /group_tags '{"group_tag":{"name":"Бухгалтерия"}}' >"$T/tag"
tag=$(grep -oE '"id":[0-9]+' "$T/tag" | head -1 | grep -oE '[0-9]+')
api POST /users '{"user":{"email":"auditor@x.example","first_name":"Аудитор","list_tags":["Бухгалтерия"]}}' >"$T/u"
mkdir "$T/p"
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create "$T/export.zip"
cp "$T/p/mvchat.yaml" "$T/drafted.yaml"

# A pattern lets no department into a private channel; a name does.
members() { sed "s/^channels:\$/channels:\\n  members:\\n    - {channel: '*', admin: [ivan.petrov, nobody]}\\n    - {channel: $1, tag: $2}/" "$T/drafted.yaml" >"$T/p/mvchat.yaml"; }
members "'*buh*'" 'Бухгалтерия'
expect 'plan' 0 "$MVCHAT" plan -C "$T/p"
hasnt 'a pattern opens nothing' "$T/out" 'everybody with the tag'
members '[buhgalteriya, general]' 'Бухгалтерия'
expect 'plan' 0 "$MVCHAT" plan -C "$T/p"
has 'a name does, and it is told' "$T/out" "buhgalteriya is private; everybody with the tag 'Бухгалтерия' will read it"
has 'that its people are told is said, too' "$T/out" "the tag 'Бухгалтерия' joins general: the target tells its people so"
"$MVCHAT" plan -C "$T/p" --json >"$T/plan.json"
requests=$(number requests "$T/plan.json")
expect 'explain' 0 "$MVCHAT" map -C "$T/p" --explain buhgalteriya
has 'tells of the tag' "$T/out" "everybody with the tag 'Бухгалтерия' is in the chat"
# A token that may not look a tag up is told before anything is written.
ctl -X POST -d '{"token":"admin-without-tags","user_id":1,"scopes":["profile:read","users:read","users:create"]}' "$PAGE/sandbox/tokens" >"$T/token"
expect 'no permission for tags' 5 env PACHCA_ADMIN_TOKEN=admin-without-tags "$MVCHAT" apply -C "$T/p" --yes
has 'is named' "$T/err" "the administrator's token lacks group_tags:read"
ctl "$PAGE/sandbox/stats" >"$T/before"
eq 'and nothing was written' "$(number messages "$T/before")" 0
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --yes --json
# links to other messages may need less than was foreseen
done=$(number requests "$T/out") links=$(number links "$T/plan.json")
if [ "$done" -le "$((requests + 2))" ] && [ "$done" -ge "$((requests + 2 - links))" ]; then ok 'as many writes as planned, and a look for each name of a tag'
else not_ok "writes: $done, planned $requests, links $links" "$T/out"; fi
"$MVCHAT" sandbox --store "$STORE" --dump >"$T/dump"
chat() { grep -F "\"type\":\"chat\",\"name\":\"$1\"" "$T/dump" >"$T/chat"; }
chat buhgalteriya
has 'the tag is in the private chat' "$T/chat" '"tags":["Бухгалтерия"]'
has 'and whoever has it' "$T/chat" 'auditor@x.example'
chat sales
has 'others have none' "$T/chat" '"tags":[]'
bot '/chats?limit=50&availability=is_member' >"$T/chats"
id=$(grep -oE '"id":[0-9]+,"name":"sales"' "$T/chats" | grep -oE '[0-9]+' | head -1)
ivan=$(api GET '/users?limit=50' | grep -oE '"id":[0-9]+,[^{}]*"email":"ivan\.petrov[^"]*"' | grep -oE '"id":[0-9]+' | tail -1 | grep -oE '[0-9]+')
bot "/chats/$id/members?role=admin&limit=50" >"$T/admins"
has 'the administrator is one' "$T/admins" "\"id\":$ivan,"
bot "/chats/$id/members?role=member&limit=50" >"$T/plain"
hasnt 'and no mere member' "$T/plain" "\"id\":$ivan,"
expect 'verify' 0 "$MVCHAT" verify -C "$T/p"
expect 'nothing is left' 0 "$MVCHAT" plan -C "$T/p" --exit-code
has 'one was told, once for each chat' "$T/dump" '"notifications":2,'

# The ledger is lost: roles and tags are found again, too, and nothing is sent.
cp -R "$T/p" "$T/lost"
rm -f "$T/lost/.mvchat/"ledger.db*
expect 'adopt' 0 "$MVCHAT" verify -C "$T/lost" --adopt --settle 0
expect 'nothing is left to send' 0 "$MVCHAT" plan -C "$T/lost" --exit-code
expect 'apply after it' 0 "$MVCHAT" apply -C "$T/lost" --yes --json
eq 'sends no write' "$(number requests "$T/out")" 0
expect 'and verify finds everybody in' 0 "$MVCHAT" verify -C "$T/lost"

# A role and a tag taken away in the target are told.
gen=$(bot '/chats?limit=50&availability=is_member' | grep -oE '"id":[0-9]+,"name":"general"' | grep -oE '[0-9]+' | head -1)
ctl -g -X PUT -H 'Authorization: Bearer sandbox-bot-token' -H 'Content-Type: application/json' -d '{"role":"member"}' "$URL/chats/$id/members/$ivan" >/dev/null
ctl -g -X DELETE -H 'Authorization: Bearer sandbox-bot-token' "$URL/chats/$gen/group_tags/$tag" >/dev/null
expect 'verify sees it' 7 "$MVCHAT" verify -C "$T/p"
has 'the role' "$T/out" 'is not an administrator of the chat'
has 'the tag' "$T/out" 'this tag is not a member of the chat'
ctl -g -X PUT -H 'Authorization: Bearer sandbox-bot-token' -H 'Content-Type: application/json' -d '{"role":"admin"}' "$URL/chats/$id/members/$ivan" >/dev/null
ctl -g -X POST -H 'Authorization: Bearer sandbox-bot-token' -H 'Content-Type: application/json' -d "{\"group_tag_ids\":[$tag]}" "$URL/chats/$gen/group_tags" >/dev/null
expect 'and that it is as it was' 0 "$MVCHAT" verify -C "$T/p"

# By its number; and one that is not there.
members general "$tag"
expect 'a number instead of the name: the same again, once' 0 "$MVCHAT" apply -C "$T/p" --yes
members general '"Отдел, которого нет"'
run "$MVCHAT" apply -C "$T/p" --yes
"$MVCHAT" status -C "$T/p" >"$T/status" 2>&1
grep -q 'no_tag' "$T/err" "$T/out" "$T/status" && ok 'a tag that is not there is told' || not_ok 'a tag that is not there is told' "$T/err" "$T/out" "$T/status"

# Taken back, nobody is left in who came with the tag.
cp "$T/drafted.yaml" "$T/p/mvchat.yaml"
expect 'rollback' 0 "$MVCHAT" rollback -C "$T/p" --all --yes
"$MVCHAT" sandbox --store "$STORE" --dump >"$T/dump"
grep -F '"tags":["Бухгалтерия"]' "$T/dump" >"$T/left"
eq 'no chat has the tag' "$(wc -l <"$T/left")" 0

# What cannot hold is told: a direct message has no roles, a chat that is made here no editors.
sed "s/^channels:\$/channels:\\n  members:\\n    - {channel: [D05DM00001, general], admin: creator, editor: ivan.petrov}/" "$T/drafted.yaml" >"$T/p/mvchat.yaml"
expect 'plan' 0 "$MVCHAT" plan -C "$T/p"
has 'the direct message is named' "$T/out" 'channels.members names D05DM00001, a direct message'
has 'and the editor who does not become one' "$T/out" 'nobody becomes an editor of general'
done_testing
