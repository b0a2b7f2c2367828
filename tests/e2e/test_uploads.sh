#!/bin/sh
# Files are uploaded while the messages before theirs are posted: a slow storage costs no time, each file goes once, whatever dies or fails.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
gen_slack --shape files --messages 300 --users 10 --seed 4 "$T/files.zip"
stored() { grep -cE '"path":"/direct_url","status":20' "$LOG"; }
content() { dump | grep '"type":"message"' | blank_links; }
uploads() { "$MVCHAT" status -C "$1" --json | grep -oE '"uploads":\{[^}]*' | grep -oE "\"$2\":[0-9]+" | grep -oE '[0-9]+$'; }

# ---- a second for each file: 20 chats of 15 files would take 15 s one after the other ----
sandbox slow
drafted a "$T/files.zip"
faults 'POST /direct_url * slow 1000'
expect 'plan' 0 "$MVCHAT" plan -C "$T/a" --url "$URL" --json
estimate=$(grep -oE '"estimate":\{[^}]*' "$T/out" | grep -oE '"seconds":[0-9]+' | grep -oE '[0-9]+$')
expect 'apply with a storage that takes a second for each file' 0 "$MVCHAT" apply -C "$T/a" --url "$URL" --yes --json
took=$(number elapsed_ms "$T/out")
if [ "$took" -le $((estimate * 1100 + 1500)) ]; then ok 'takes as long as without the storage'; else not_ok "estimate $estimate s, took $took ms"; fi
eq 'nobody was told to wait' "$(number throttled "$T/out")" 0
eq 'each file went once' "$(stored)" "$(uploads "$T/a" done)"
expect 'verify' 0 "$MVCHAT" verify -C "$T/a" --url "$URL"
expect 'a second run' 0 "$MVCHAT" apply -C "$T/a" --url "$URL" --yes --json
eq 'writes nothing' "$(number writes "$T/out")" 0
content >"$T/golden"
eq 'all files are there' "$(grep -oE '"files":\[\{' "$T/golden" | wc -l | tr -d ' ')" "$(uploads "$T/a" done)"

# ---- killed with files under way: what was open is forgotten, at most so many stand in the storage for nothing ----
sandbox killed
drafted k "$T/files.zip"
faults 'POST /direct_url * slow 1000'
k=0
for step in 500 700 900 1100; do
	MVCHAT_STEP_KILL=$step "$MVCHAT" apply -q -C "$T/k" --url "$URL" --yes >/dev/null 2>&1
	[ $? -eq 137 ] && k=$((k + 1))
done
eq 'killed four times' "$k" 4
[ "$(uploads "$T/k" done)" -gt 0 ] && ok 'some files were done'
[ "$(uploads "$T/k" open)" -gt 1 ] && ok 'several were under way'
expect 'then finished' 0 "$MVCHAT" apply -C "$T/k" --url "$URL" --yes --json
eq 'nothing is in doubt' "$(number in_doubt "$T/out")" 0
content >"$T/killed"
same 'the same messages with the same files in the same order' "$T/golden" "$T/killed"
more=$(($(stored) - $(uploads "$T/k" done)))
if [ "$more" -ge 0 ] && [ "$more" -le 256 ]; then ok "no more than what was under way stands there for nothing ($more)"; else not_ok "$more files too many"; fi

# ---- a storage that fails, hangs, is shut: the files come later, nothing else waits for ever ----
sandbox fails
drafted f "$T/files.zip"
faults 'POST /direct_url every:6 500-before' 'POST /direct_url every:7 drop-after' 'POST /direct_url every:11 503 20' 'POST /uploads every:13 500-after' \
	'POST /direct_url * slow 500'
run "$MVCHAT" apply -q -C "$T/f" --url "$URL" --yes
case $code in 0 | 6) ok 'a storage that fails again and again: finished, or lanes stopped and said so' ;; *) not_ok "exit $code" "$T/err" ;; esac
faults ''
expect 'finished when it is well again' 0 "$MVCHAT" apply -q -C "$T/f" --url "$URL" --yes
content >"$T/fails"
same 'the same messages and files' "$T/golden" "$T/fails"

# ---- stopped: what is half done is left, and nothing is in doubt ----
sandbox window
drafted w "$T/files.zip"
faults 'POST /direct_url * slow 3000'
expect 'a window that ends with files under way' 6 "$MVCHAT" apply -C "$T/w" --url "$URL" --yes --json --window 4s
eq 'nothing is in doubt' "$(number in_doubt "$T/out")" 0
eq 'none is open' "$(uploads "$T/w" open)" 0
faults ''
expect 'the rest' 0 "$MVCHAT" apply -C "$T/w" --url "$URL" --yes --json
eq 'each file went once' "$(stored)" "$(uploads "$T/w" done)"
content >"$T/window"
same 'the same messages and files' "$T/golden" "$T/window"
expect 'rollback' 0 "$MVCHAT" rollback -C "$T/w" --url "$URL" --all --yes
eq 'takes all messages back' "$(content | wc -l | tr -d ' ')" 0
done_testing
