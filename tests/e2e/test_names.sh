#!/bin/sh
# Somebody has another name in a newer export: what was sent under the old one is told, edited when asked for, and found again when the ledger
# is lost. A new colleague changes nothing.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual MVCHAT_LANG=en
tokens
points
sandbox names
rename() { sed -i "s/\"real_name\": \"$1\"/\"real_name\": \"$2\"/" "$T/archive/users.json"; }
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL"
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes
expect 'nobody has another name' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --json
eq 'nothing differs' "$(number drift "$T/out")" 0
dump >"$T/dump"
cp "$T/dump" "$T/first"
labels=$(grep -c '"label":"Иван Петров · ' "$T/dump")
before=$((labels + 1)) # one names him among the reactions

# U02IVAN and U03IVAN have one name: both become somebody else.
rename 'Иван Петров' 'Иван Сидоров'
expect 'plan' 0 "$MVCHAT" plan -C "$T/p" --url "$URL"
has 'the old name is told' "$T/out" "$before  written differently by today's mapping or names: left as they are (apply --edit-drift edits them)"
has 'and is no reason to write' "$T/out" 'nothing is left to do'
expect 'as JSON' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --json --exit-code
eq 'the same number' "$(number drift "$T/out")" "$before"
expect 'apply sends nothing' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes
dump >"$T/dump"
same 'the target is as it was' "$T/first" "$T/dump"
expect 'the plan still tells it' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --json
eq 'after a run that wrote nothing' "$(number drift "$T/out")" "$before"
expect 'edits, when asked for' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes --edit-drift
has 'as many as was said' "$T/out" "messages edited             $before"
dump >"$T/dump"
hasnt 'the old name is gone' "$T/dump" '"label":"Иван Петров · '
eq 'the new one is there' "$(grep -c '"label":"Иван Сидоров · ' "$T/dump")" "$labels"
expect 'and nothing differs any more' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --json
eq 'by the plan' "$(number drift "$T/out")" 0
expect 'verify' 0 "$MVCHAT" verify -C "$T/p" --url "$URL"

# A new colleague is no change of what was sent.
sed -i '0,/^ {/s// {"id":"U99NEW","team_id":"T0POINTS","name":"new","deleted":false,"real_name":"Новый Человек","profile":{"real_name":"Новый Человек"},"is_bot":false},\n {/' "$T/archive/users.json"
expect 'a newer export with somebody new' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --json
eq 'nothing differs' "$(number drift "$T/out")" 0
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes

# The ledger is lost, and there is a new name again: its messages are found by the names the project remembers.
rename 'Вера Ильина' 'Вера Орлова'
rename 'Иван Сидоров' 'Иван Третий'
rm -f "$T/p/.mvchat/"ledger.db*
expect 'adopt' 0 "$MVCHAT" verify -C "$T/p" --url "$URL" --adopt --settle 0
has 'tells how many' "$T/out" "under a former name"
cp "$T/dump" "$T/first"
expect 'apply sends nothing twice' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes
dump >"$T/dump"
same 'the target is as it was' "$T/first" "$T/dump"
expect 'plan' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --json
eq 'the former names are told' "$(number drift "$T/out")" "$before" # Вера's message is the one that names him
expect 'and edited' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes --edit-drift
dump >"$T/dump"
eq 'to those of today' "$(grep -c '"label":"Вера Орлова · \|"label":"Иван Третий · ' "$T/dump")" "$before"
expect 'verify' 0 "$MVCHAT" verify -C "$T/p" --url "$URL"

# What the file says is never trusted with more than names.
printf 'x\t\ty\n9999999999999999999\tU02IVAN\n\\' >"$T/p/.mvchat/names.state"
expect 'a broken file' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --exit-code
rm "$T/p/.mvchat/names.state"
expect 'no file' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --exit-code
done_testing
