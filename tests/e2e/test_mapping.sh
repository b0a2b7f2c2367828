#!/bin/sh
# What the mapping leaves out, hides and renames, as the target then has it; a pilot that grows; asking why.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"
mkdir "$T/p"
sandbox mapping
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL" "$T/export.zip"
cp "$T/p/mvchat.yaml" "$T/drafted.yaml"
cp "$T/p/channels.csv" "$T/channels.csv"

expect 'the default mapping' 0 "$MVCHAT" plan -C "$T/p" --json
has 'shows nobody anything new' "$T/out" '"permissions":[]'

# A table as a spreadsheet leaves it ("Unicode text"), with decisions: shown before they are taken.
cp "$T/p/users.csv" "$T/users.csv"
sed -E 's/,/	/g; s/^(U05SEV0002	.*)	([^	]*)$/\1skip	\2/; s/$/\r/' "$T/users.csv" | iconv -f UTF-8 -t UTF-16 >"$T/p/users.csv"
sed -i 's/unmatched: label/unmatched: skip/' "$T/p/mvchat.yaml"
expect 'a table in UTF-16 is read' 0 "$MVCHAT" map -C "$T/p" --check
has 'what changed is shown' "$T/out" 'users.csv  Иван Петров (U05SEV0002)  decision  – → skip'
has 'in the page, too' "$T/out" 'mvchat.yaml  people.unmatched  label → skip'
expect 'the same as JSON' 0 "$MVCHAT" map -C "$T/p" --check --json
has 'has the same' "$T/out" '{"where":"mvchat.yaml","id":"people.unmatched","was":"label","is":"skip"}'
expect 'plan' 0 "$MVCHAT" plan -C "$T/p"
has 'mentions it' "$T/out" 'mvchat.yaml 1, users.csv 1, channels.csv 0'
cp "$T/users.csv" "$T/p/users.csv"
cp "$T/drafted.yaml" "$T/p/mvchat.yaml"
expect 'taken back' 0 "$MVCHAT" map -C "$T/p" --check
hasnt 'nothing has changed' "$T/out" '→'
printf 'source_id;name\n7,9E+10;x\n' >"$T/p/users.csv"
expect 'a number that a spreadsheet shortened' 2 "$MVCHAT" map -C "$T/p" --check
has 'has its place' "$T/err" 'users.csv:2:1'
cp "$T/users.csv" "$T/p/users.csv"

# Private into a public chat that nobody named: nothing is written.
sed -i 's/^\(G05BUHGALT,.*\),,,$/\1,adopt:900,,/' "$T/p/channels.csv"
has 'the decision is in the table' "$T/p/channels.csv" 'adopt:900'
general=$(ctl -X POST -H 'Authorization: Bearer sandbox-bot-token' -H 'Content-Type: application/json' -d '{"chat":{"name":"open","public":true}}' "$URL/chats" | grep -oE '"id":[0-9]+' | head -1 | grep -oE '[0-9]+')
sed -i "s/adopt:900/adopt:$general/" "$T/p/channels.csv"
expect 'a private channel into a public chat' 4 "$MVCHAT" apply -C "$T/p" --yes
has 'is refused by name' "$T/err" 'buhgalteriya (G05BUHGALT) is private and must not go into the public chat'
sed -i "s/^channels:\$/channels:\n  allow_public: [buhgalteriya]/" "$T/p/mvchat.yaml"
expect 'named in the page' 0 "$MVCHAT" plan -C "$T/p"
has 'it is told who will read it' "$T/out" "buhgalteriya is private; whoever is in the chat $general (public) will read it"
cp "$T/channels.csv" "$T/p/channels.csv"
cp "$T/drafted.yaml" "$T/p/mvchat.yaml"

# Names are made anew where none is written yet.
cat >>"$T/p/mvchat.yaml" <<'END'
text:
  - match: 'severny-veter\.example'
    replace: 'north.example'
redact: [passwords, card-numbers, secrets]
rules:
  - name: pay
    where: {text: 'зарплата', ignore_case: true}
    do: drop
  - name: no such channel
    where: {channel: 'nothing-*'}
    do: drop
  - name: pay again
    where: {text: 'зарплат', channel: [buhgalteriya], ignore_case: true}
    do: drop
only:
  last_messages: 12
END
sed -i 's/^channels:$/channels:\n  rename:\n    - {match: "^(buh).*$", to: "отдел {1}"}/; s/^  archived: archive/  archived: open/' "$T/p/mvchat.yaml"
rm "$T/p/channels.csv"
printf 'source_id\n' >"$T/p/channels.csv"
expect 'map takes the new page' 0 "$MVCHAT" map -C "$T/p"
has 'a channel is renamed by pattern' "$T/p/channels.csv" 'отдел buh'
expect 'plan' 0 "$MVCHAT" plan -C "$T/p"
has 'a rule is in the account' "$T/out" 'rules: pay'
has 'a rule that catches nothing is told' "$T/out" 'rules: no such channel: catches nothing'
has 'a rule that comes too late is told' "$T/out" 'rules: pay again: catches nothing, because others take its messages before it: rules: pay ('
has 'the pilot says what it leaves' "$T/out" 'messages for later (only.last_messages)'
"$MVCHAT" plan -C "$T/p" --json >"$T/plan.json"
has 'the notes are in the JSON' "$T/plan.json" '"notes":["rules: no such channel'
expect 'apply the pilot' 0 "$MVCHAT" apply -C "$T/p" --yes
expect 'verify' 0 "$MVCHAT" verify -C "$T/p"

expect 'explain a message by its channel and id' 0 "$MVCHAT" map -C "$T/p" --explain buhgalteriya/1706709600.066984
has 'the rule that takes it' "$T/out" 'rules: pay: catches it'
has 'and the end' "$T/out" '= left out: rules: pay'
hasnt 'without its text' "$T/out" 'ведомость'
expect 'explain a message that is sent' 0 "$MVCHAT" map -C "$T/p" --explain '#buhgalteriya/1706710200.201990'
has 'says so' "$T/out" '= sent'
expect 'a message that is not there' 2 "$MVCHAT" map -C "$T/p" --explain general/1.1
has 'is named' "$T/err" "1.1"
expect 'a channel that is not there' 2 "$MVCHAT" map -C "$T/p" --explain nowhere/1.1

# The whole: the pilot's messages are not sent twice.
pilot=$("$MVCHAT" status -C "$T/p" --json | grep -oE '"posts":\{"done":[0-9]+' | grep -oE '[0-9]+$')
sed -i '/^only:/,$d' "$T/p/mvchat.yaml"
"$MVCHAT" plan -C "$T/p" --json >"$T/plan.json"
# of the requests for messages some are edits: place-holders that become their message, links that lead somewhere now
rest=$(($(number messages "$T/plan.json") - $(number edits "$T/plan.json") - $(number links "$T/plan.json")))
expect 'apply the whole' 0 "$MVCHAT" apply -C "$T/p" --yes
all=$("$MVCHAT" status -C "$T/p" --json | grep -oE '"posts":\{"done":[0-9]+' | grep -oE '[0-9]+$')
eq 'sends the rest and nothing twice' "$all" "$((pilot + rest))"
has 'and edits the others' "$T/out" "messages edited             $(($(number edits "$T/plan.json") + $(number links "$T/plan.json")))"
expect 'verify the whole' 0 "$MVCHAT" verify -C "$T/p"
cat "$STORE"* | tr -cd '[:print:]\n' >"$T/store"
hasnt 'what was replaced is nowhere in the target' "$T/store" 'severny-veter.example'
has 'what stands for it is' "$T/store" 'north.example'
expect 'nothing is left' 0 "$MVCHAT" plan -C "$T/p" --exit-code

# Errors have their place.
sed -i "s/severny-veter.*\$/(severny'/" "$T/p/mvchat.yaml"
expect 'a broken pattern' 2 "$MVCHAT" map -C "$T/p" --check
has 'is shown with its place' "$T/err" 'mvchat.yaml:'
has 'and its fault' "$T/err" 'missing closing parenthesis'
done_testing
