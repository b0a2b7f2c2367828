#!/bin/sh
# inspect: apps, bots and webhooks in every form; oddities in the reader's language; exports of one workspace that overlap.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
F=fixtures/slack/hazards

# ---- integrations ----
expect 'apps as text and CSV' 0 "$MVCHAT" inspect --integrations "$T/apps.csv" $F/46-integrations
has 'the busiest first, with its place in the log' "$T/out" '  Travis CI               webhook           2  2023-11-16 … 2023-11-16  on'
has 'who installed it' "$T/out" 'installed by: Ольга Ильина, 2023-11-15'
has 'one that was switched off' "$T/out" 'switched off'
hasnt 'the messenger itself is no app' "$T/out" 'Slackbot  '
eq 'eight of them' "$(sed 1d "$T/apps.csv" | grep -c .)" 8
has 'the log and the bot are one' "$T/apps.csv" '"29682277639","Travis CI","webhook","on",2,"2023-11-16","2023-11-16","ушёл","2023-11-16","2023-11-16","ops (2)","incoming-webhook"'
has 'rights that were added later' "$T/apps.csv" '"files:write, chat:write"'
has 'no formula gets into a spreadsheet' "$T/apps.csv" "\"'=cmd\""
expect 'as JSON' 0 "$MVCHAT" inspect --json $F/46-integrations
has 'with every conversation' "$T/out" '"conversations":[{"id":"C0IN000001","name":"general","messages":1,'
has 'removed' "$T/out" '"name":"Опросы","kind":"app","state":"removed","messages":0'
expect 'both archives given twice' 0 "$MVCHAT" inspect --json $F/46-integrations $F/46-integrations
has 'count nothing twice' "$T/out" '"id":"A0IN000002","name":"Сборщик","kind":"app","state":"on","messages":2,'
expect 'a folder that is not there' 1 "$MVCHAT" inspect --integrations "$T/none/apps.csv" $F/46-integrations
sandbox apps
mkdir "$T/p"
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create $F/46-integrations
expect 'plan with reports' 0 "$MVCHAT" plan -C "$T/p" --report "$T/r.md,$T/r.html,$T/r.json"
has 'in Markdown' "$T/r.md" '| Travis CI | webhook | on | 2 | 2023-11-16 | ops (2) | ушёл, 2023-11-16 |'
has 'in HTML' "$T/r.html" 'Travis CI'
has 'in JSON' "$T/r.json" '"integrations":[{"id":"29682277639"'

# ---- exports that overlap ----
for x in a b; do
	mkdir -p "$T/$x/general"
	cp $F/46-integrations/users.json $F/46-integrations/channels.json "$T/$x"
done
m() { printf '{"type":"message","user":"U0IN000001","ts":"%s","text":"%s"%s}' "$1" "$2" "${3:-}"; }
edited() { printf ',"edited":{"user":"U0IN000001","ts":"%s"}' "$1"; }
{ printf '['; m 1700100001.000100 first; printf ,; m 1700100002.000100 same; printf ,; m 1700100003.000100 'edited once' "$(edited 1700100010.000000)"; printf ,
	m 1700100004.000100 'one form'; printf ,; m 1700100005.000100 'deleted later'; printf ']'; } >"$T/a/general/2023-11-15.json"
{ printf '['; m 1700100001.000100 'first, edited' "$(edited 1700100020.000000)"; printf ,; m 1700100002.000100 same; printf ,; m 1700100003.000100 'before the edit'; printf ,
	m 1700100004.000100 'another form'; printf ,; m 1700100006.000100 new; printf ']'; } >"$T/b/general/2023-11-15.json"
expect 'two exports of one workspace' 0 "$MVCHAT" inspect "$T/a" "$T/b"
has 'what both hold is merged, and what differs counted' "$T/out" '4  (3 of them with another content)'
has 'edits between them' "$T/out" '2 × edited-between'
has 'the first of them' "$T/out" 'first at C0IN000001/1700100001.000100'
has 'what differs without an edit is worth a warning' "$T/out" '!        1 × content-differs'
expect 'as JSON' 0 "$MVCHAT" inspect --json "$T/a" "$T/b"
eq 'ten read, six messages' "$(number read "$T/out")/$(number messages "$T/out")/$(number conflicts "$T/out")" 10/6/3
for order in "a b" "b a"; do
	# shellcheck disable=SC2086
	set -- $order
	sandbox "merged-$1"
	rm -rf "$T/q"
	mkdir "$T/q"
	expect "map, archives in the order $order" 0 "$MVCHAT" map -C "$T/q" --url "$URL" --unmatched create "$T/$1" "$T/$2"
	expect 'apply' 0 "$MVCHAT" apply -C "$T/q" --yes
	ctl "$PAGE/sandbox/dump" | grep -oE '"content":"[^"]*"' | sort >"$T/texts.$1"
	has 'the newest edit wins' "$T/texts.$1" 'first, edited'
	has 'in both directions' "$T/texts.$1" 'edited once'
	hasnt 'the older text is gone' "$T/texts.$1" 'before the edit'
done
same 'in whatever order they are given' "$T/texts.a" "$T/texts.b"
expect 'two archives' 0 "$MVCHAT" inspect fixtures/slack/hazards/02-null-fields fixtures/slack/hazards/05-no-ts-no-text
has 'an oddity names its archive' "$T/out" 'first at fixtures/slack/hazards/05-no-ts-no-text: general/2023-11-14.json:2'
has 'a record that could not be read, too' "$T/out" '  fixtures/slack/hazards/05-no-ts-no-text: general/2023-11-14.json:7: '
expect 'one archive' 0 "$MVCHAT" inspect fixtures/slack/hazards/05-no-ts-no-text
has 'needs no name' "$T/out" 'first at general/2023-11-14.json:2'
done_testing
