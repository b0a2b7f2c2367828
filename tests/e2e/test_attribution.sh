#!/bin/sh
# Who wrote what, and when: label, header or none; zone and language of times; mentions muted, live or as text.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual MVCHAT_LANG=en
tokens
mkdir -p "$T/export/general"
cat >"$T/export/users.json" <<'END'
[{"id":"U1","name":"ivan","real_name":"Иван Петров","profile":{"email":"ivan@x.example","real_name":"Иван Петров"}},
 {"id":"U2","name":"anna","real_name":"Анна Ким","profile":{"email":"anna@x.example","real_name":"Анна Ким"}}]
END
printf '[{"id":"C1","name":"general","created":1,"members":["U1","U2"]}]\n' >"$T/export/channels.json"
# 2024-03-12 11:05:00 UTC
printf '[{"type":"message","user":"U1","text":"<@U2> look","ts":"1710241500.000100"}]\n' >"$T/export/general/2024-03-12.json"

# shown NAME SED WANTED-LABEL WANTED-CONTENT NOTIFICATIONS
shown() {
	sandbox "$1"
	mkdir "$T/$1"
	run "$MVCHAT" map -C "$T/$1" --url "$URL" --unmatched create --zone Europe/Moscow "$T/export"
	sed -i -E "$2" "$T/$1/mvchat.yaml"
	expect "$1: apply" 0 "$MVCHAT" apply -C "$T/$1" --yes
	expect "$1: verify" 0 "$MVCHAT" verify -C "$T/$1"
	"$MVCHAT" sandbox --store "$STORE" --dump >"$T/dump"
	grep '"type":"message"' "$T/dump" >"$T/line"
	has "$1: above it" "$T/line" "\"label\":$3,"
	has "$1: in it" "$T/line" "\"content\":\"$4\""
	has "$1: who is told" "$T/dump" "\"notifications\":$5,"
}
wj=$(printf '\342\201\240')
shown label 's/^$//' '"Иван Петров · 2024-03-12 14:05"' "@${wj}Анна Ким look" 0
shown russian 's/^locale: en/locale: ru/' '"Иван Петров · 12.03.2024 14:05"' "@${wj}Анна Ким look" 0
shown zone 's,Europe/Moscow,Asia/Novosibirsk,; s/\{time\}"/{time} ({zone})"/' '"Иван Петров · 2024-03-12 18:05 (UTC+7)"' "@${wj}Анна Ким look" 0
shown header 's/attribution: label/attribution: header/' null '**Иван Петров · 2024-03-12 14:05**\n@'"${wj}Анна Ким look" 0
shown none 's/attribution: label/attribution: none/' null "@${wj}Анна Ким look" 0
shown text 's/mentions: mute/mentions: text/' '"Иван Петров · 2024-03-12 14:05"' 'Анна Ким look' 0
shown live 's/mentions: mute/mentions: live/' '"Иван Петров · 2024-03-12 14:05"' '@anna look' 0
done_testing
