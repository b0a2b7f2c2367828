#!/bin/sh
# The main job, end to end, as a person would: inspect, map, plan, apply, verify, status, apply again; against the sandbox.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"
mkdir "$T/p"

expect 'inspect reads the archive' 0 "$MVCHAT" inspect "$T/export.zip"
has 'inspect shows a Cyrillic channel' "$T/out" 'read completely'
expect 'inspect as JSON' 0 "$MVCHAT" inspect --json "$T/export.zip"
has 'with its counts' "$T/out" '"schema":1'
expect 'inspect --dump gives records' 0 "$MVCHAT" inspect --dump "$T/export.zip"
has 'users among them' "$T/out" '"type":"user"'

sandbox main
expect 'map drafts the project' 0 "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create "$T/export.zip"
for f in mvchat.yaml users.csv channels.csv; do
	if [ -s "$T/p/$f" ]; then ok "$f is there"; else not_ok "$f is there"; fi
done
cp "$T/p/users.csv" "$T/users.before"
expect 'map again changes nothing' 0 "$MVCHAT" map -C "$T/p"
same 'users.csv kept' "$T/users.before" "$T/p/users.csv"
expect 'map --check' 0 "$MVCHAT" map -C "$T/p" --check

expect 'plan' 0 "$MVCHAT" plan -C "$T/p"
cp "$T/out" "$T/plan.txt"
has 'the plan says what is lost' "$T/plan.txt" 'What the target cannot hold'
expect 'plan --exit-code tells that there is something to do' 7 "$MVCHAT" plan -C "$T/p" --exit-code
expect 'plan as JSON' 0 "$MVCHAT" plan -C "$T/p" --json
cp "$T/out" "$T/plan.json"
has 'whose account adds up' "$T/plan.json" '"adds_up":true'
eq 'map and plan made no writing request' "$(ctl "$PAGE/sandbox/stats" | grep -oE '"mutating":[0-9]+')" '"mutating":0'
run env LC_ALL=C TZ=Asia/Kolkata "$MVCHAT" plan -C "$T/p" --json
eq 'the plan is the same in another zone and locale' "$(grep -oE '"digest":"[0-9a-f]+"' "$T/out")" "$(grep -oE '"digest":"[0-9a-f]+"' "$T/plan.json")"

expect 'apply without --yes and a terminal refuses' 2 "$MVCHAT" apply -C "$T/p"
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --yes
cp "$T/out" "$T/apply.txt"
expect 'verify finds it complete' 0 "$MVCHAT" verify -C "$T/p"
has 'and says so in one sentence' "$T/out" 'The replay is complete'
expect 'status' 0 "$MVCHAT" status -C "$T/p"
expect 'apply again' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'writes nothing' "$(number writes "$T/out")" 0
# Links to messages that are sent later are put right by edits, at most so many: it depends on which chat was first.
said=$(number messages "$T/plan.json") links=$(number links "$T/plan.json") wrote=$(written "$T/p")
if [ "$wrote" -le "$said" ] && [ "$wrote" -ge $((said - links)) ]; then ok 'posts and edits as many as the plan said'; else not_ok "posts and edits as many as the plan said: $wrote of $said, $links links"; fi
expect 'plan --exit-code finds nothing to do' 0 "$MVCHAT" plan -C "$T/p" --exit-code
ctl "$PAGE/sandbox/stats" >"$T/stats"
eq 'nobody was notified' "$(number notifications "$T/stats")" 0
eq 'nobody was invited' "$(number invitations "$T/stats")" 0

# A second archive with the same content under another name: same source, nothing to send.
cp "$T/export.zip" "$T/again.zip"
sed -i "s#$T/export.zip#$T/again.zip#" "$T/p/mvchat.yaml"
expect 'a copy of the archive' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'sends nothing either' "$(number writes "$T/out")" 0

# No secret anywhere in what the run left behind.
if grep -rlE 'sandbox-(admin|bot)-token|xoxe-' "$T/p" "$T"/*.log "$T/out" "$T/err" "$T"/*.txt "$T"/*.json >"$T/leak" 2>/dev/null; then
	not_ok 'no token in logs, ledger, reports' "$T/leak"
else
	ok 'no token in logs, ledger, reports'
fi
case $(find "$T/p/.mvchat" -type f -perm /077 | head -1) in '') ok 'state files are private' ;; *) not_ok 'state files are private' ;; esac
done_testing
