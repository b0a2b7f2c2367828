#!/bin/sh
# Rules that send messages into other channels, tag them, split a channel by year; threads of a bounded size; two rows that adopt one
# chat. What is written is compared word for word; a lost ledger, a changed rule, a pilot and its extension, a death and a rollback
# leave it as it has to be.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual MVCHAT_LANG=en
tokens
F=$ROOT/fixtures/mapping/routes
plain() { sed -E 's/^(To do: .* in about ).*/\1…/; s/^(  (requests|least time) +).*/\1…/' "$1"; }
# project NAME: a copy of the fixture with a sandbox of its own
project() {
	p=$T/$1
	cp -R "$F" "$p"
	rm -f "$p"/*.golden
	sandbox "$1"
	sed -i "s#^  name: pachca#&\n  url: $URL#" "$p/mvchat.yaml"
}
# content FILE: chats with their members, messages with what stands above them, in order
content() {
	dump | grep -E '"type":"(chat|message|stats)"' | blank_links |
		sed -E 's/,"(kind|author|files|reactions|archived|channel|owner|tags)":("[^"]*"|\[\]|false|true)//g' >"$1"
}
golden() {
	if [ -n "${GOLDEN:-}" ]; then cp "$2" "$F/$1.golden"; fi
	same "$3" "$F/$1.golden" "$2"
}

# One chat for the orders of three channels, with a thread for each; claims in the service channel; a tag.
project main
expect 'plan' 0 "$MVCHAT" plan -C "$p"
plain "$T/out" >"$T/main.plan"
golden plan "$T/main.plan" 'as written down'
expect 'plan as JSON' 0 "$MVCHAT" plan -C "$p" --json
has 'a rule that others are before says which' "$T/out" 'rules: late orders: catches nothing, because others take its messages before it: rules: orders (3)'
expect 'apply' 0 "$MVCHAT" apply -C "$p" --yes
content "$T/main.content"
golden content "$T/main.content" 'every message stands where its rule says, in the order of time'
eq 'nobody was notified' "$(counted notifications)" 0
expect 'verify' 0 "$MVCHAT" verify -C "$p"
before=$(written "$p")
expect 'once more' 0 "$MVCHAT" apply -C "$p" --yes
eq 'nothing was written' "$(written "$p")" "$before"
expect 'nothing is left' 0 "$MVCHAT" plan -C "$p" --exit-code
for x in 'general/1709546700.000100|it goes along with a message that the rule caught before it (carry)' "general/1709546700.000100|= in the chat 'Заказы', thread 'Заказ 12345'" \
	"general/1709555400.000100|= in the chat 'service', under the message it answers" 'general/1709555400.000100|rules: claims: it goes with the message it answers' \
	"boss/1709539200.000100|= in the chat 'boss'" 'general/1709553600.000100|at its end stands: #брак'; do
	expect "explain ${x%%|*}" 0 "$MVCHAT" map -C "$p" --explain "${x%%|*}"
	has "explain: ${x#*|}" "$T/out" "${x#*|}"
done

# A lost ledger is found again, whichever chat a message stands in.
cp -R "$p" "$T/lost"
rm "$T/lost"/.mvchat/ledger.db*
expect 'the ledger is lost' 0 "$MVCHAT" verify -C "$T/lost" --adopt
expect 'and whole again' 0 "$MVCHAT" plan -C "$T/lost" --exit-code

# Other rules: what was sent stays, and is told.
cp -R "$p" "$T/changed"
sed -i '/^rules:/,$d' "$T/changed/mvchat.yaml"
expect 'without rules' 0 "$MVCHAT" plan -C "$T/changed"
has 'what stands elsewhere is told' "$T/out" '11 messages were sent before under other rules: they stay where they are'
expect 'apply without rules' 0 "$MVCHAT" apply -C "$T/changed" --yes
content "$T/changed.content"
same 'nothing moves' "$T/main.content" "$T/changed.content"
expect 'verify without rules' 0 "$MVCHAT" verify -C "$T/changed"

# One channel taken back, wherever its messages stand; and written again.
expect 'a channel is taken back' 0 "$MVCHAT" rollback -C "$p" --channel general --yes
content "$T/less"
hasnt 'it is gone from every chat' "$T/less" '#general'
has 'the others are there' "$T/less" 'Вера Жук · #service'
expect 'it is written again' 0 "$MVCHAT" apply -C "$p" --yes
expect 'verify again' 0 "$MVCHAT" verify -C "$p"
content "$T/again"
grep '"content":"[^_]' "$T/again" | sed 's/"thread":[0-9]*,//' | sort >"$T/a"
grep '"content":"[^_]' "$T/main.content" | sed 's/"thread":[0-9]*,//' | sort >"$T/b"
same 'all of it is back' "$T/b" "$T/a"
expect 'everything is taken back' 0 "$MVCHAT" rollback -C "$p" --all --yes
content "$T/none"
hasnt 'nothing is left of it' "$T/none" '"type":"message"'

# Nothing becomes visible to more people without a line that says so.
project wider
sed -i '/allow_wider/d' "$p/mvchat.yaml"
expect 'a private channel, a public one: plan' 0 "$MVCHAT" plan -C "$p"
has 'the plan asks' "$T/out" "office (G0OFFICE) is not public and rules send 1 of its messages into 'service', which everybody can read"
expect 'apply refuses' 4 "$MVCHAT" apply -C "$p" --yes
has 'by name' "$T/err" "name it under 'allow_wider' of the rule"
eq 'nothing was written' "$(counted messages)" 0

# A pilot of the public channels lets everybody into the new chat; the private one must not follow silently.
project pilot
printf 'only:\n  channels: [general, service]\n' >>"$p/mvchat.yaml"
expect 'pilot: apply' 0 "$MVCHAT" apply -C "$p" --yes
content "$T/pilot.content"
has 'pilot: the chat is there' "$T/pilot.content" '"name":"Заказы"'
sed -i '/^only:/,$d' "$p/mvchat.yaml"
expect 'extension: apply refuses' 4 "$MVCHAT" apply -C "$p" --yes
has 'extension: because people are in' "$T/err" "into 'Заказы', where people are already who may not have been in it"
sed -i "s/^    into: 'Заказы'/&\n    allow_wider: [office]/" "$p/mvchat.yaml"
expect 'extension: plan' 0 "$MVCHAT" plan -C "$p"
has 'extension: the plan says who will read it' "$T/out" "office is not public; rules send 2 of its messages into 'Заказы': 2 people who were not in it will read them"
expect 'extension: apply' 0 "$MVCHAT" apply -C "$p" --yes
expect 'extension: verify' 0 "$MVCHAT" verify -C "$p"
expect 'extension: nothing is left' 0 "$MVCHAT" plan -C "$p" --exit-code
content "$T/pilot.content"
grep '"type":"message"' "$T/pilot.content" | sed 's/"thread":[0-9]*,//' | sort >"$T/a"
grep '"type":"message"' "$T/main.content" | sed 's/"thread":[0-9]*,//' | sort >"$T/b"
same 'extension: the same messages as in one run' "$T/b" "$T/a"

# Death at any step, and the same in the end.
project death
k=3 deaths=0
while [ $k -lt 400 ]; do
	MVCHAT_STEP_KILL=$k "$MVCHAT" apply -C "$p" --yes >/dev/null 2>&1 && break
	deaths=$((deaths + 1)) k=$((k + 7))
done
expect 'after many deaths' 0 "$MVCHAT" apply -C "$p" --yes
expect 'verify' 0 "$MVCHAT" verify -C "$p"
content "$T/death.content"
same 'the same as without' "$T/main.content" "$T/death.content"
if [ "$deaths" -ge 5 ]; then ok 'it died often'; else not_ok "it died $deaths times only"; fi

# A chat for each year; threads of two messages; a tag made of what was caught.
project split
sed -i '/^rules:/,$d' "$p/mvchat.yaml"
cat >>"$p/mvchat.yaml" <<'END'
history:
  channels:
    - {channel: office, placement: threads}
  thread_by: year
  thread_size: 2
rules:
  - {name: years, do: route, into: '{channel} · {year}', where: {channel: general, until: 2024-03-04}}
  - {name: numbers, do: tag, tag: 'заказ_{1}', where: {text: 'заказ\w*\s*№?\s*(\d{4,6})', ignore_case: true}}
END
expect 'split: plan' 0 "$MVCHAT" plan -C "$p"
has 'split: what the rule catches' "$T/out" "rules: years: 8 messages go into '{channel} · {year}'"
has 'split: what is tagged' "$T/out" 'rules: numbers: 7 messages get a tag'
expect 'split: apply' 0 "$MVCHAT" apply -C "$p" --yes
expect 'split: verify' 0 "$MVCHAT" verify -C "$p"
expect 'split: nothing is left' 0 "$MVCHAT" plan -C "$p" --exit-code
content "$T/split.content"
golden split "$T/split.content" 'split: a chat for the year, threads in pieces, tags'

# Two rows adopt one chat: their messages stand in the order of time.
project twins
chat=$(ctl -X POST -d '{"name":"common","public":true,"member_ids":[]}' "$PAGE/sandbox/chats" | grep -oE '[0-9]+' | head -1)
bot=$(ctl -H 'Authorization: Bearer sandbox-bot-token' "$URL/profile" | grep -oE '"id":[0-9]+' | head -1 | cut -d: -f2)
ctl -X POST -H 'Authorization: Bearer sandbox-admin-token' -H 'Content-Type: application/json' -d "{\"member_ids\":[$bot]}" "$URL/chats/$chat/members" >/dev/null
sed -i '/^rules:/,$d' "$p/mvchat.yaml"
printf 'history:\n  placement: inline\n' >>"$p/mvchat.yaml"
sed -i "s/^\(C0GENERAL,.*\),,,\$/\1,adopt:$chat,,/; s/^\(C0SERVICE,.*\),,,\$/\1,adopt:$chat,,/" "$p/channels.csv"
expect 'twins: plan' 0 "$MVCHAT" plan -C "$p"
expect 'twins: apply' 0 "$MVCHAT" apply -C "$p" --yes
expect 'twins: verify' 0 "$MVCHAT" verify -C "$p"
expect 'twins: nothing is left' 0 "$MVCHAT" plan -C "$p" --exit-code
content "$T/twins.content"
grep '"chat":"common","thread":null' "$T/twins.content" | grep -oE '[0-9]{2}\.03\.2024 [0-9:]{5}' >"$T/a"
sort "$T/a" >"$T/b"
same 'twins: in the order of time' "$T/b" "$T/a"
has 'twins: who said it where' "$T/twins.content" 'Вера Жук · #service'

done_testing
