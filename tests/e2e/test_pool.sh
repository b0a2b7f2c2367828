#!/bin/sh
# Several bots share the work: faster, in order, all of them "ours" for reading back; the ledger does not care how many there are.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
export PACHCA_ADMIN_TOKEN=sandbox-admin-token
one=sandbox-bot-token two=sandbox-bot-token-2 three=sandbox-bot-token-3
gen_slack --shape one --messages 1200 --users 20 --seed 3 "$T/one.zip"
# texts STORE: label and text of every message, in order
texts() { "$MVCHAT" sandbox --store "$1" --dump | grep '"type":"message"' | grep -oE '"(content|label|text|display_name)":"([^"\\]|\\.)*"' | blank_links; }

unset PACHCA_BOT_TOKEN
sandbox alone --bots 3
export PACHCA_BOT_TOKEN=$one
drafted a "$T/one.zip"
expect 'plan with one bot' 0 "$MVCHAT" plan -C "$T/a" --url "$URL" --json
estimate=$(grep -oE '"estimate":\{[^}]*' "$T/out" | grep -oE '"seconds":[0-9]+' | grep -oE '[0-9]+$')
expect 'apply with one bot' 0 "$MVCHAT" apply -C "$T/a" --url "$URL" --yes --json
slow=$(number elapsed_ms "$T/out")
if [ "$slow" -le $((estimate * 1100)) ] && [ "$slow" -ge $((estimate * 900)) ]; then ok 'the estimate is within a tenth of what it took'; else not_ok "estimate $estimate s, took $slow ms"; fi
texts "$STORE" >"$T/alone"

unset PACHCA_BOT_TOKEN
sandbox three --bots 3
export PACHCA_BOT_TOKEN="$one, $two
$three"
drafted b "$T/one.zip"
# stopped half-way, then killed, then finished with the tokens in another order
expect 'a part of it' 6 "$MVCHAT" apply -C "$T/b" --url "$URL" --yes --max-ops 300 --json
eq 'nobody was told to wait' "$(number throttled "$T/out")" 0
first=$(number elapsed_ms "$T/out")
export PACHCA_BOT_TOKEN="$three,$two,$one"
expect 'the rest, the tokens in another order' 0 "$MVCHAT" apply -C "$T/b" --url "$URL" --yes --json
eq 'nor is anybody right after a stop, with what was left of the limits' "$(number throttled "$T/out")" 0
fast=$(($(number elapsed_ms "$T/out") + first))
if [ "$fast" -le $((slow / 2)) ]; then ok 'less than half the time'; else not_ok "took $fast ms, alone $slow ms"; fi
texts "$STORE" >"$T/three"
same 'the same texts in the same order' "$T/alone" "$T/three"
authors=$("$MVCHAT" sandbox --store "$STORE" --dump | grep '"type":"message"' | grep -oE '"(user|user_id|author)":("[^"]*"|[0-9]+)' | sort | uniq -c | sort -rn | awk '{ print $1 }' | tr '\n' ' ')
eq 'written by three bots' "$(echo "$authors" | wc -w | tr -d ' ')" 3
expect 'verify' 0 "$MVCHAT" verify -C "$T/b" --url "$URL"
has 'takes all of them for ours' "$T/out" 'The replay is complete'
export PACHCA_BOT_TOKEN=$one
expect 'with the first bot alone nothing is left' 0 "$MVCHAT" apply -C "$T/b" --url "$URL" --yes --json
eq 'and nothing is written' "$(number writes "$T/out")" 0
export PACHCA_BOT_TOKEN=$two
expect 'without the bot that owns the chats' 8 "$MVCHAT" apply -C "$T/b" --url "$URL" --yes
# the ledger is gone, and two tokens are missing
messages=$("$MVCHAT" sandbox --store "$STORE" --dump | grep -c '"type":"message"')
cp -r "$T/b" "$T/lost"
rm -f "$T/lost/.mvchat/ledger.db" "$T/lost/.mvchat/ledger.db-wal" "$T/lost/.mvchat/ledger.db-shm"
export PACHCA_BOT_TOKEN=$two,$three
expect 'adopting without the bot that owns the chats is refused' 8 "$MVCHAT" verify -C "$T/lost" --url "$URL" --adopt
has 'and says whose the ledger was' "$T/err" 'belonged to pachca'
export PACHCA_BOT_TOKEN=$one
expect 'adopting with its token alone' 0 "$MVCHAT" verify -C "$T/lost" --url "$URL" --adopt
has 'finds the other two by what they wrote' "$T/out" '2, known by what they wrote'
expect 'apply after that' 0 "$MVCHAT" apply -C "$T/lost" --url "$URL" --yes --json
eq 'writes nothing' "$(number writes "$T/out")" 0
eq 'and nothing is there twice' "$("$MVCHAT" sandbox --store "$STORE" --dump | grep -c '"type":"message"')" "$messages"
expect 'verify with one token' 0 "$MVCHAT" verify -C "$T/lost" --url "$URL"
has 'takes all of them for ours, too' "$T/out" 'The replay is complete'
export PACHCA_BOT_TOKEN=$two,$one
expect 'rollback' 0 "$MVCHAT" rollback -C "$T/b" --url "$URL" --all --yes
eq 'takes back what each of them wrote' "$("$MVCHAT" sandbox --store "$STORE" --dump | grep -c '"type":"message"')" 0

# in one go
unset PACHCA_BOT_TOKEN
sandbox again --bots 3
export PACHCA_BOT_TOKEN=$one,$two,$three
drafted d "$T/one.zip"
expect 'plan with three' 0 "$MVCHAT" plan -C "$T/d" --url "$URL" --json
estimate=$(grep -oE '"estimate":\{[^}]*' "$T/out" | grep -oE '"seconds":[0-9]+' | grep -oE '[0-9]+$')
expect 'apply with three' 0 "$MVCHAT" apply -C "$T/d" --url "$URL" --yes --json
took=$(number elapsed_ms "$T/out")
eq 'nobody was told to wait here either' "$(number throttled "$T/out")" 0
if [ "$took" -le $((estimate * 1100)) ] && [ "$took" -ge $((estimate * 900)) ]; then ok 'the estimate holds for three, too'; else not_ok "estimate $estimate s, took $took ms"; fi

# a project begun with one bot
unset PACHCA_BOT_TOKEN
sandbox late --bots 3
export PACHCA_BOT_TOKEN=$one
drafted c "$T/one.zip"
expect 'begun with one' 6 "$MVCHAT" apply -C "$T/c" --url "$URL" --yes --max-ops 300
export PACHCA_BOT_TOKEN=$two,$one,$three
expect 'finished with three' 0 "$MVCHAT" apply -C "$T/c" --url "$URL" --yes --json
if [ "$(number elapsed_ms "$T/out")" -le $((slow / 2)) ]; then ok 'they are let into the chat that was there'; else not_ok 'as slow as before' "$T/out"; fi
texts "$STORE" >"$T/late"
same 'the same texts once more' "$T/alone" "$T/late"

# tokens that are of no use
export PACHCA_BOT_TOKEN=$one,$one
expect 'the same token twice' 2 "$MVCHAT" plan -C "$T/c" --url "$URL"
ctl -d '{"token":"second-of-bot","user_id":2,"bot":true}' "$PAGE/sandbox/tokens" >/dev/null
export PACHCA_BOT_TOKEN=$one,second-of-bot
expect 'two tokens of one bot' 5 "$MVCHAT" plan -C "$T/c" --url "$URL"
has 'are named' "$T/err" 'another of the tokens belongs to'
ctl -d '{"token":"persons","user_id":1}' "$PAGE/sandbox/tokens" >/dev/null
export PACHCA_BOT_TOKEN=$one,persons
expect "a person's among the bots'" 5 "$MVCHAT" plan -C "$T/c" --url "$URL"
has 'is named' "$T/err" 'belongs to a person'
export PACHCA_BOT_TOKEN=$one,nobodys
expect 'one that is not accepted' 5 "$MVCHAT" plan -C "$T/c" --url "$URL"
has 'is named by its number' "$T/err" 'number 2'

# a file with one token a line, and several variables
unset PACHCA_BOT_TOKEN
printf '%s\n%s\n' "$one" "$two" >"$T/c/bots"
chmod 600 "$T/c/bots"
sed 's/^  bot_token_env: .*/  bot_token_file: bots/' "$T/c/mvchat.yaml" >"$T/y" && mv "$T/y" "$T/c/mvchat.yaml"
expect 'tokens from a file' 0 "$MVCHAT" plan -C "$T/c" --url "$URL"
sed 's/^  bot_token_file: .*/  bot_token_env: BOT_A, BOT_B/' "$T/c/mvchat.yaml" >"$T/y" && mv "$T/y" "$T/c/mvchat.yaml"
expect 'tokens from two variables' 0 env BOT_A=$one BOT_B=$two "$MVCHAT" plan -C "$T/c" --url "$URL"

# killed again and again, and begun anew at once: what a second holds is not asked for anew by each process
unset PACHCA_BOT_TOKEN
sandbox again_and_again --bots 3
export PACHCA_BOT_TOKEN=$one,$two
gen_slack --shape files --messages 600 --users 10 --seed 5 "$T/files.zip"
drafted e "$T/files.zip"
k=0
while [ "$k" -lt 25 ] && { MVCHAT_STEP_KILL=100 "$MVCHAT" apply -q -C "$T/e" --url "$URL" --yes >/dev/null 2>&1; [ $? -eq 137 ]; }; do k=$((k + 1)); done
eq 'killed 25 times' "$k" 25
asked=$(wc -l <"$LOG") refused=$(grep -c '"status":429' "$LOG")
if [ "$asked" -gt 500 ] && [ $((refused * 100)) -lt "$asked" ]; then ok "of $asked requests $refused were told to wait"; else not_ok "$refused of $asked requests were told to wait"; fi
done_testing
