#!/bin/sh
# The picture of a person who has an account stands above the messages: counted in the plan, received by the target, and left out when told to.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual MVCHAT_LANG=en
tokens
points 'only: {channels: [general, proj-alpha]}'
sandbox faces
ctl -X POST -H 'Content-Type: application/json' -d '{"email":"anna@veter.example","first_name":"Анна","last_name":"Смирнова"}' "$PAGE/sandbox/users" >/dev/null
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL"
sed 's/^only/messages: {avatars: none}\nonly/' "$T/p/mvchat.yaml" >"$T/none.yaml"
cp "$T/p/mvchat.yaml" "$T/match.yaml"
cp "$T/none.yaml" "$T/p/mvchat.yaml"
"$MVCHAT" plan -C "$T/p" --url "$URL" --json >"$T/out"
eq 'none when none are wanted' "$(number avatars "$T/out")" 0
cp "$T/match.yaml" "$T/p/mvchat.yaml"
expect 'plan' 0 "$MVCHAT" plan -C "$T/p" --url "$URL"
has 'the plan counts them' "$T/out" 'with a picture of the author'
"$MVCHAT" plan -C "$T/p" --url "$URL" --json >"$T/out"
faces=$(number avatars "$T/out")
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes
"$MVCHAT" plan -C "$T/p" --url "$URL" --json >"$T/out"
ids=$(grep -oE '"target_id":"[0-9]+","action":"exists"' "$T/out" | grep -oE '[0-9]+')
: >"$T/messages"
for id in $ids; do ctl -g -H 'Authorization: Bearer sandbox-bot-token' "$URL/messages?chat_id=$id&limit=50" >>"$T/messages"; done
eq 'the target has as many' "$(grep -oF '"display_avatar_url":"https://cdn.veter.example/anna.png"' "$T/messages" | grep -c .)" "$faces"
eq 'above her messages only' "$(grep -oE '"display_avatar_url":"[^"]*","display_name":"[^"]*"|"display_name":"[^"]*","display_avatar_url":"[^"]*"' "$T/messages" | grep -vc 'Анна Смирнова ·')" 0
[ "$faces" -gt 0 ] && ok 'there are some' || not_ok 'there are some'
done_testing
