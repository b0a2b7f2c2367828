#!/bin/sh
# inspect: apps, bots and webhooks in every form; oddities in the reader's language; exports of one workspace that overlap.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
F=fixtures/slack/hazards

# ---- integrations ----
expect 'apps as text and CSV' 0 "$MVCHAT" inspect --integrations "$T/apps.csv" $F/46-integrations
has 'the busiest first, with its place in the log' "$T/out" '  Travis CI                         webhook             2  2023-11-16 … 2023-11-16  on'
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
done_testing
