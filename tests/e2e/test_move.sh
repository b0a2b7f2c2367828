#!/bin/sh
# The emergency: one command. Rehearsed, killed in the middle at many places, started again; against a target of its own too.
. tests/lib/tap.sh
demo_zip "$T/export.zip"
cd "$T" || exit 1

expect 'no archive and no project: says so' 2 "$MVCHAT" move
has 'with the command to type' "$T/err" 'mvchat move export.zip --to pachca'
expect 'no target: says so' 2 "$MVCHAT" move export.zip
expect 'an archive that is not there' 3 "$MVCHAT" move nothing.zip --to sandbox
if [ -e mvchat-rehearsal ]; then not_ok 'nothing was made'; else ok 'nothing was made'; fi
expect 'not asked and not told: writes nothing' 2 "$MVCHAT" move export.zip --to sandbox
has 'names the command' "$T/err" '--yes'

expect 'a rehearsal, whole, in the default folder' 0 "$MVCHAT" move export.zip --to sandbox --yes
has 'as far as that project went before: policies stay' "$T/out" 'used as they are'
has 'reads everything back' "$T/out" 'The replay is complete'
has 'tells where to look' "$T/out" 'mvchat sandbox -C'
if [ -s mvchat-rehearsal/report.html ] && [ -s mvchat-rehearsal/report.json ]; then ok 'the report is there'; else not_ok 'the report is there'; fi
expect 'once more, without naming anything' 0 "$MVCHAT" move -C mvchat-rehearsal
has 'nothing is left to do' "$T/out" 'nothing is left to do'
expect 'accounts for people are a decision of the start' 2 "$MVCHAT" move --to sandbox --create-people
has 'later it is the mapping that decides' "$T/err" 'unmatched: create'

expect 'the folder was forgotten' 4 "$MVCHAT" plan
has 'it is named' "$T/err" '-C mvchat-rehearsal'
expect 'the rehearsal sleeps' 5 "$MVCHAT" plan -C mvchat-rehearsal
has 'the command that wakes it' "$T/err" 'mvchat sandbox -C mvchat-rehearsal --store mvchat-rehearsal/.mvchat/sandbox.db --port'
port=$(sed -n 's#^ *url: "http://127.0.0.1:\([0-9]*\)/.*#\1#p' mvchat-rehearsal/mvchat.yaml)
"$MVCHAT" sandbox -q --store mvchat-rehearsal/.mvchat/sandbox.db --port "$port" --port-file "$T/awake" &
awake=$! i=0
until [ -s "$T/awake" ] || [ $i -gt 500 ]; do i=$((i + 1)); sleep 0.02; done
expect 'awake, it needs no token, and sees no real one' 0 env PACHCA_BOT_TOKEN=real-bot-token "$MVCHAT" plan -C mvchat-rehearsal --exit-code
sandbox_stop "$awake"
expect '--lang may stand before the command' 0 "$MVCHAT" --lang ru help
has 'and is heeded' "$T/out" 'Вызов'

# Killed at many steps, each time the same command.
kills=0
for k in 1 2 5 11 23 40 60 90 130 170 210 250; do
	run env MVCHAT_STEP_KILL=$k "$MVCHAT" move export.zip --to sandbox --yes --create-people -C killed
	[ "$code" -eq 137 ] && kills=$((kills + 1))
	[ "$code" -eq 137 ] || [ "$code" -eq 0 ] || not_ok "kill at step $k (exit $code)" "$T/err"
done
if [ $kills -ge 8 ]; then ok "was killed $kills times"; else not_ok "was killed only $kills times"; fi
expect 'the same command goes on and ends well' 0 "$MVCHAT" move export.zip --to sandbox --yes --create-people -C killed
has 'complete, nothing twice' "$T/out" 'The replay is complete'
expect 'a run that nobody disturbed' 0 "$MVCHAT" move export.zip --to sandbox --yes --create-people -C calm
dumped() { "$MVCHAT" sandbox --dump --store "$1/.mvchat/sandbox.db" | blank_links; }
dumped killed >killed.dump
dumped calm >calm.dump
same 'both targets hold the same' killed.dump calm.dump
left=
for p in /proc/[0-9]*; do
	[ "$(readlink "$p/cwd" 2>/dev/null)" = "$T" ] && grep -qz '^move$' "$p/cmdline" 2>/dev/null && left="$left $p"
done
eq 'no sandbox stays behind' "$left" ''

# What a folder holds stays what it is.
expect 'a rehearsal does not become the real thing' 2 "$MVCHAT" move --to pachca -C calm --yes
cp export.zip other.zip
expect 'other archives than the project has' 2 "$MVCHAT" move other.zip --to sandbox -C calm --yes
run env LC_ALL=ru_RU.UTF-8 LANGUAGE=ru "$MVCHAT" move -C calm
eq 'in Russian' "$code" 0

# The real thing, with a server in its place.
cd "$ROOT" || exit 1
export MVCHAT_CLOCK=virtual
tokens
sandbox target
cd "$T" || exit 1
run env -u PACHCA_BOT_TOKEN "$MVCHAT" move export.zip --to pachca --url "$URL" --yes -C real
eq 'no token: exit 5' "$code" 5
has 'says which' "$T/err" 'PACHCA_BOT_TOKEN'
expect 'move --to pachca' 0 "$MVCHAT" move export.zip --to pachca --url "$URL" --yes --create-people -C real --json
eq 'its result is one document' "$(head -c 1 "$T/out")" '{'
has 'the stages are told in the log' "$T/err" '1/7'
has 'and when people can begin' "$T/err" 'the accounts are there'
ctl "$PAGE/sandbox/stats" >"$T/stats"
eq 'nobody was notified' "$(number notifications "$T/stats")" 0
eq 'nobody was invited' "$(number invitations "$T/stats")" 0
expect 'the single commands go on with the same project' 0 "$MVCHAT" verify -C real
expect 'and find nothing to do' 0 "$MVCHAT" plan -C real --exit-code
expect 'it is no rehearsal' 2 "$MVCHAT" move --to sandbox -C real --yes
cd "$ROOT" || exit 1
done_testing
