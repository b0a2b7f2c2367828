#!/bin/sh
# Where history goes: threads by order number with their photos, threads by month beside live talk, a chat of its own.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens

# The factory: photos go with the order number before them, or with the one that follows.
cp -R "$ROOT/fixtures/mapping/factory" "$T/factory"
sandbox factory
sed -i "s#^  name: pachca#&\n  url: $URL#" "$T/factory/mvchat.yaml"
expect 'factory: map' 0 "$MVCHAT" map -C "$T/factory"
expect 'factory: plan' 0 "$MVCHAT" plan -C "$T/factory"
has 'factory: what the rule places is told' "$T/out" 'rules: orders: 10 messages go into threads'
expect 'factory: apply' 0 "$MVCHAT" apply -C "$T/factory" --yes
dump >"$T/factory.dump"
contents() { grep '"type":"message"' "$1" | grep -oE '"(content|thread)":("[^"]*"|[0-9]+|null)' | cut -d: -f2- | paste - -; }
contents "$T/factory.dump" >"$T/factory.now"
cat >"$T/factory.want" <<'END'
null	"Заказ 12345"
1	"Заказ №12345, дверь на Лесной"
1	"IMG-20240304-WA0001.jpg"
1	"IMG-20240304-WA0002.jpg"
1	"заказ 12345 акт подписан?"
1	"IMG-20240305-WA0004.jpg"
1	"12345 да, вот"
null	"Заказ 12346"
2	"Кто едет на 12346?"
2	"IMG-20240304-WA0003.jpg"
2	"это заказ 12346, проём 860х2050"
2	"откосы нужны"
null	"_Сообщения и звонки защищены сквозным шифрованием. Третьи лица не могут прочитать ваши сообщения или прослушать звонки._"
null	"Всем доброе утро"
null	"Обед"
END
same 'factory: every photo stands with its order' "$T/factory.want" "$T/factory.now"
expect 'factory: verify' 0 "$MVCHAT" verify -C "$T/factory"
eq 'factory: nobody was notified' "$(counted notifications)" 0
expect 'factory: nothing is left' 0 "$MVCHAT" plan -C "$T/factory" --exit-code

# A company that talks in its new channels already.
demo_zip "$T/export.zip"
sandbox live
mkdir "$T/live"
expect 'live: map' 0 "$MVCHAT" map -C "$T/live" --url "$URL" "$T/export.zip"
user=$(ctl -X POST -d '{"email":"talks@x.ru","first_name":"Talks","last_name":"Much"}' "$PAGE/sandbox/users" | grep -oE '[0-9]+' | head -1)
bot=$(ctl -H 'Authorization: Bearer sandbox-bot-token' "$URL/profile" | grep -oE '"id":[0-9]+' | head -1 | cut -d: -f2)
chat=$(ctl -X POST -d "{\"name\":\"live\",\"public\":true,\"member_ids\":[$user,$bot]}" "$PAGE/sandbox/chats" | grep -oE '[0-9]+' | head -1)
ctl -X POST -d "{\"chat_id\":$chat,\"user_id\":$user,\"text\":\"we talk here\"}" "$PAGE/sandbox/messages" >/dev/null
sed -i "s/^\(C05GENERAL,.*\),,,\$/\1,adopt:$chat,,/" "$T/live/channels.csv"
has 'live: the decision' "$T/live/channels.csv" "adopt:$chat"
cat >>"$T/live/mvchat.yaml" <<'END'
END
sed -i 's/^  placement: auto.*/&\n  channels:\n    - {channel: dev, placement: archive-chat}/' "$T/live/mvchat.yaml"
expect 'live: plan' 0 "$MVCHAT" plan -C "$T/live"
ctl -X POST -d '{"notifications":true}' "$PAGE/sandbox/reset" >/dev/null
expect 'live: apply' 0 "$MVCHAT" apply -C "$T/live" --yes
dump >"$T/live.dump"
roots=$(grep '"chat":"live","thread":null' "$T/live.dump" | grep -c '"content":"\(History\|История\): ')
[ "$roots" -ge 2 ] && ok 'live: a thread for each month' || not_ok "live: $roots threads"
eq 'live: nothing else stands in the chat itself' "$(grep -c '"chat":"live","thread":null' "$T/live.dump")" "$((roots + 1))"
eq 'live: they are pinned' "$(grep '"chat":"live","thread":null' "$T/live.dump" | grep -c '"pinned":true')" "$roots"
has 'live: a reply says what it answers' "$T/live.dump" '↪ '
# Two people are in it: the one who talks, and its owner.
eq 'live: who talks there sees the first message of each thread, and nothing of the history' "$(counted notifications)" "$((roots * 2))"
eq 'archive: the chat people go on in is open and empty' "$(grep -c '"chat":"dev"' "$T/live.dump")" 0
grep '"type":"chat"' "$T/live.dump" | grep '"name":"dev' >"$T/chats"
has 'archive: the live one' "$T/chats" '"name":"dev","kind":"chat","public":true,"archived":false'
has 'archive: and the one with its history, read-only' "$T/chats" ' · archive","kind":"chat","public":true,"archived":true'
expect 'live: verify' 0 "$MVCHAT" verify -C "$T/live"
expect 'live: nothing is left' 0 "$MVCHAT" plan -C "$T/live" --exit-code

# The same without a mapping of places before: what stands in the channel stays there, nothing is sent twice.
sandbox drift
mkdir "$T/drift"
expect 'drift: map' 0 "$MVCHAT" map -C "$T/drift" --url "$URL" "$T/export.zip"
run "$MVCHAT" apply -C "$T/drift" --yes --max-ops 60
eq 'drift: stopped on the way' "$code" 6
sed -i 's/^  placement: auto.*/  placement: threads/' "$T/drift/mvchat.yaml"
expect 'drift: plan' 0 "$MVCHAT" plan -C "$T/drift"
has 'drift: the plan tells what stays' "$T/out" 'messages were sent before under other rules: they stay where they are'
run "$MVCHAT" apply -C "$T/drift" --yes
eq 'drift: apply' "$code" 0
expect 'drift: verify' 0 "$MVCHAT" verify -C "$T/drift"
expect 'drift: nothing is left' 0 "$MVCHAT" plan -C "$T/drift" --exit-code
dump >"$T/drift.dump"
texts() { grep '"type":"message"' "$1" | grep -v 'History: \|История: \|"label":"System' | grep -oE '"label":"[^"]*"' | sort; }
texts "$T/drift.dump" >"$T/drift.texts"
texts "$T/live.dump" | grep -v 'Talks' >"$T/live.texts"
same 'drift: every message once' "$T/live.texts" "$T/drift.texts"

# Killed anywhere.
for at in 50 300 700; do
	sandbox "kill$at"
	mkdir "$T/kill$at"
	run "$MVCHAT" map -C "$T/kill$at" --url "$URL" --unmatched create "$T/export.zip"
	sed -i 's/^  placement: auto.*/  placement: threads/' "$T/kill$at/mvchat.yaml"
	MVCHAT_STEP_KILL=$at "$MVCHAT" apply -C "$T/kill$at" --yes >"$T/out" 2>"$T/err" </dev/null
	expect "killed at step $at: apply goes on" 0 "$MVCHAT" apply -C "$T/kill$at" --yes
	expect "killed at step $at: verify" 0 "$MVCHAT" verify -C "$T/kill$at"
	dump >"$T/kill.dump"
	texts "$T/kill.dump" >"$T/kill.texts"
	same "killed at step $at: every message once" "$T/live.texts" "$T/kill.texts"
	eq "killed at step $at: nobody was notified" "$(counted notifications)" 0
done

# The ledger is lost and found again; then everything is taken back.
rm -f "$T/kill700/.mvchat/"ledger.db*
run "$MVCHAT" verify --adopt -C "$T/kill700"
expect 'and finished' 0 "$MVCHAT" apply -C "$T/kill700" --yes
dump >"$T/again.dump"
same 'nothing is written again' "$T/kill.dump" "$T/again.dump"
expect 'rollback' 0 "$MVCHAT" rollback -C "$T/kill700" --all --yes
dump >"$T/back.dump"
eq 'takes all messages back' "$(grep -c '"type":"message"' "$T/back.dump")" 0
done_testing
