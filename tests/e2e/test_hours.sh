#!/bin/sh
# --window stops resumably after so long; --quiet-hours sends nothing meanwhile and goes on by itself; --rate slows everything down.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
gen_slack --shape one --messages 700 --users 5 --seed 4 "$T/one.zip"

sandbox window
drafted w "$T/one.zip"
expect 'one minute' 6 "$MVCHAT" apply -C "$T/w" --url "$URL" --yes --json --window 1m
took=$(number elapsed_ms "$T/out")
if [ "$took" -ge 55000 ] && [ "$took" -le 62000 ]; then ok 'takes a minute'; else not_ok "took $took ms"; fi
first=$(number posted "$T/out")
expect 'the rest' 0 "$MVCHAT" apply -C "$T/w" --url "$URL" --yes --json --window 2h
eq 'every message once' "$((first + $(number posted "$T/out")))" 700
expect 'a length of time that is none' 2 "$MVCHAT" apply -C "$T/w" --url "$URL" --yes --window soon

sandbox quiet
drafted q "$T/one.zip"
# 2024-03-12 08:59:00 UTC; the whole takes about 140 s
export MVCHAT_CLOCK_START=1710233940
expect 'quiet hours begin after a minute' 0 "$MVCHAT" apply -C "$T/q" --url "$URL" --yes --json --quiet-hours 09:00-19:00
took=$(number elapsed_ms "$T/out")
if [ "$took" -ge 36000000 ] && [ "$took" -le 36300000 ]; then ok 'and ten hours pass before it goes on'; else not_ok "took $took ms"; fi
eq 'every message once' "$(number posted "$T/out")" 700
expect 'hours that are none' 2 "$MVCHAT" apply -C "$T/q" --url "$URL" --yes --quiet-hours 9-19
has 'are explained' "$T/err" '09:00-19:00'
unset MVCHAT_CLOCK_START

sandbox half
drafted h "$T/one.zip"
expect 'half the rate' 0 "$MVCHAT" apply -C "$T/h" --url "$URL" --yes --json --rate 50
took=$(number elapsed_ms "$T/out")
# (700 - 75) / 2 a second
if [ "$took" -ge 300000 ] && [ "$took" -le 330000 ]; then ok 'takes twice as long, and the burst is half as large'; else not_ok "took $took ms"; fi
done_testing
