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

# ---- as fast as places are handed out, however long the storage takes for each: as many at once as that asks for, and no more ----
BIG=$T/big.zip
gen_slack --shape files --messages 1960 --channels 7 --users 10 --seed 4 "$BIG"
# most_at_once LOG MS: of the files that reached the storage, the most within so many milliseconds
most_at_once() {
	grep '"path":"/direct_url"' "$1" | sed -E 's/.*T([0-9]+):([0-9]+):([0-9.]+)Z.*/\1 \2 \3/' |
		awk -v ms="$2" '{ t = ($1 * 60 + $2) * 60 + $3; if (n && t < at[n]) t += 86400; at[++n] = t; while (at[n] - at[low + 1] >= ms / 1000 - 0.0005) low++; if (n - low > most) most = n - low } END { print most + 0 }'
}
for tokens in 1 3; do
	sandbox "wide$tokens" --bots 3
	faults 'POST /direct_url * slow 1000'
	export PACHCA_BOT_TOKEN=sandbox-bot-token
	[ "$tokens" -eq 1 ] || export PACHCA_BOT_TOKEN=sandbox-bot-token,sandbox-bot-token-2,sandbox-bot-token-3
	drafted "wide$tokens" "$BIG"
	"$MVCHAT" plan -C "$T/wide$tokens" --url "$URL" --json >"$T/out" 2>/dev/null
	least=$(number least_ms "$T/out")
	expect "1,960 files with $tokens token(s)" 0 "$MVCHAT" apply -C "$T/wide$tokens" --url "$URL" --yes --json
	took=$(number elapsed_ms "$T/out")
	if [ "$took" -ge "$least" ] && [ "$took" -le $((least + least / 33 + 1000)) ]; then ok 'take the least time, and the second that the last one takes'; else not_ok "at least $least ms, took $took ms"; fi
	eq 'nobody was told to wait' "$(number throttled "$T/out")" 0
done
first=$(grep -m1 -n '"path":"/direct_url"' "$LOG" | cut -d: -f1)
at=$(sed -n "${first}s/.*T\([0-9:]*\)\..*/\1/p" "$LOG")
few=$(grep '"path":"/direct_url"' "$LOG" | grep -c "T$at\.")
if [ "$few" -le 64 ]; then ok "at first no more than 64 are on their way at once ($few)"; else not_ok "$few in the first second"; fi
most=$(most_at_once "$LOG" 1000)
if [ "$most" -gt 128 ] && [ "$most" -le 256 ]; then ok "later as many as are needed ($most)"; else not_ok "$most at once"; fi

# ---- a process that may open few files has few connections open, and goes on ----
sandbox narrow
export PACHCA_BOT_TOKEN=sandbox-bot-token
drafted n "$T/files.zip"
faults 'POST /direct_url * slow 1000'
expect 'with 100 files open at most' 0 sh -c 'ulimit -n 100; exec "$@"' sh "$MVCHAT" apply -C "$T/n" --url "$URL" --yes --json
most=$(most_at_once "$LOG" 1000)
if [ "$most" -gt 4 ] && [ "$most" -le 26 ]; then ok "few are on their way at once ($most)"; else not_ok "$most at once"; fi

# ---- of several tokens a message's is the one its file came with, also when the run was cut and they are given in another order ----
sandbox whose --bots 3
one=sandbox-bot-token two=sandbox-bot-token-2 three=sandbox-bot-token-3
export PACHCA_BOT_TOKEN=$one,$two,$three
drafted v "$T/files.zip"
expect 'a part' 6 "$MVCHAT" apply -q -C "$T/v" --url "$URL" --yes --max-ops 260
export PACHCA_BOT_TOKEN=$three,$one,$two
expect 'the rest' 0 "$MVCHAT" apply -q -C "$T/v" --url "$URL" --yes
if command -v sqlite3 >/dev/null 2>&1; then
	id_of() { ctl -H "Authorization: Bearer $1" "$URL/profile" | grep -oE '"id":[0-9]+' | head -1 | cut -d: -f2; }
	owner=$(id_of "$one")
	sqlite3 "$T/v/.mvchat/ledger.db" 'SELECT p.target, u.target2 FROM op u JOIN op p USING(conv, ts, id) WHERE u.kind = 3 AND p.kind = 4 AND p.part = 0 ORDER BY u.run = p.run' |
		tr '|' ' ' >"$T/pairs"
	eq 'every file says whose token brought it' "$(awk 'NF == 2' "$T/pairs" | wc -l | tr -d ' ')" 300
	eq 'three of them' "$(awk '{ print $2 }' "$T/pairs" | sort -u | wc -l | tr -d ' ')" 3
	head -9 "$T/pairs" >"$T/some" # those that one run has uploaded and the other posted; no more than may be read at once
	wrong=0
	while read -r id by; do
		[ "$by" = first ] && by=$owner
		author=$(ctl -H "Authorization: Bearer $one" "$URL/messages/$id" | grep -oE '"user_id":[0-9]+' | head -1 | cut -d: -f2)
		[ "$author" = "$by" ] || wrong=$((wrong + 1))
	done <"$T/some"
	eq 'and its message has the same author' "$wrong" 0
else
	skip 'whose token brought a file' 'no sqlite3'
fi
done_testing
