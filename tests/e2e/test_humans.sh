#!/bin/sh
# People at work in the target while apply, verify, repair and rollback run: nothing is guessed, everything is told.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
human() { ctl -X POST -d "{\"deed\":\"$1\"}" "$PAGE/sandbox/human" >"$T/deed"; has "a person does: $1" "$T/deed" '"ok":true'; }
project() { mkdir "$T/$1" && expect "map ($1)" 0 "$MVCHAT" map -C "$T/$1" --url "$URL" --unmatched create tests/chaos/archive; }
writes() { number writes "$T/out"; }
content() { dump; }

# ---- while apply runs ----
sandbox during
project d
faults 'POST /messages 4 foreign a colleague writes' 'POST /messages 6 human edit' 'POST /messages 9 human react' 'POST /messages 12 human delete'
expect 'apply while people edit, react, delete and write' 0 "$MVCHAT" apply -C "$T/d" --yes
faults ''
expect 'verify finds it' 7 "$MVCHAT" verify -C "$T/d" --json
cp "$T/out" "$T/v.json"
eq 'one message altered' "$(number altered "$T/v.json")" 1
eq 'one missing' "$(number missing "$T/v.json")" 1
eq 'one by others' "$(number foreign "$T/v.json")" 1
eq 'the rest matches' "$(number match "$T/v.json")" 19
if grep -oE '"url":"http[^"]*"' "$T/v.json" | grep -q .; then ok 'with links to look at'; else not_ok 'with links to look at' "$T/v.json"; fi
expect 'apply again' 0 "$MVCHAT" apply -C "$T/d" --yes --json
eq 'writes nothing over what people did' "$(writes)" 0

# ---- the answer lost, and at that moment a person edits what had just arrived: nobody can tell, so it stops ----
sandbox doubt
project e
faults '* * #20 human-drop edit'
run "$MVCHAT" apply -C "$T/e" --yes --json
eq 'an edit of what is in doubt: incomplete' "$code" 6
eq 'one op is in doubt' "$(number in_doubt "$T/out")" 1
cp "$STORE" "$T/copy.db" 2>/dev/null
faults ''
before=$(content | grep -c '"content":".*M0')
run "$MVCHAT" apply -C "$T/e" --yes
eq 'and stays so: nothing is guessed' "$code" 6
content >"$T/dump"
eq 'no message is there twice' "$(grep -oE 'M0[0-9]{2}' "$T/dump" | sort | uniq -d | wc -l | tr -d ' ')" 0
run "$MVCHAT" status -C "$T/e"
has 'status tells which' "$T/out" 'open'
[ "$before" -gt 0 ] && ok 'the other lanes went on'

# ---- a chat archived by a person: its lane stops, and goes on when it is opened again ----
sandbox closed
project a
faults '* * #14 human archive'
run "$MVCHAT" apply -C "$T/a" --yes
eq 'a chat archived meanwhile: incomplete' "$code" 6
faults ''
ctl -X POST "$PAGE/sandbox/unarchive" >/dev/null
expect 'opened again: finished' 0 "$MVCHAT" apply -C "$T/a" --yes
expect 'verify' 7 "$MVCHAT" verify -C "$T/a" --json
eq 'all messages are there' "$(number match "$T/out")" 21
has 'and what the person opened that was to be closed is told' "$T/out" 'the chat should be archived'

# ---- between verify and repair ----
human delete
expect 'verify finds the last message missing' 7 "$MVCHAT" verify -C "$T/a" --json
eq 'one' "$(number missing "$T/out")" 1

# ---- the ledger is an old copy, and a person has edited since: closed until somebody says so ----
sandbox old
project o
run "$MVCHAT" apply -C "$T/o" --yes --max-ops 14
expect 'a backup' 0 "$MVCHAT" status -C "$T/o" --backup "$T/backup.db"
eq 'is private' "$(stat -c %a "$T/backup.db")" 600
eq 'and sound' "$(sqlite3 "$T/backup.db" 'PRAGMA integrity_check' 2>/dev/null || echo ok)" ok
expect 'apply goes on' 0 "$MVCHAT" apply -C "$T/o" --yes
expect 'status' 0 "$MVCHAT" status -C "$T/o"
has 'lists the runs' "$T/out" 'Runs'
has 'with their numbers and ends' "$T/out" 'exit 6'
expect 'status as JSON' 0 "$MVCHAT" status -C "$T/o" --json
has 'lists them too' "$T/out" '"run_list":[{"run":1,"command":"apply"'
faults ''
content >"$T/before"
human edit
cp "$T/backup.db" "$T/o/.mvchat/ledger.db"
rm -f "$T/o/.mvchat/ledger.db-wal" "$T/o/.mvchat/ledger.db-shm"
run "$MVCHAT" apply -C "$T/o" --yes
eq 'an old copy put back is refused' "$code" 8
has 'says what to do' "$T/err" 'verify --adopt'
run "$MVCHAT" rollback -C "$T/o" --all --yes
eq 'by rollback too' "$code" 8
run "$MVCHAT" plan -C "$T/o"
has 'and plan warns' "$T/err" 'verify --adopt'
run "$MVCHAT" verify --adopt -C "$T/o"
eq 'one message is not what was written: told' "$code" 7
has 'and the ledger stays closed' "$T/out" 'stays closed'
run "$MVCHAT" apply -C "$T/o" --yes
eq 'indeed' "$code" 8
content | grep -c '"type":"message"' >"$T/n1"
eq 'nothing was sent meanwhile' "$(cat "$T/n1")" "$(grep -c '"type":"message"' "$T/before")"
run "$MVCHAT" verify --adopt --accept -C "$T/o"
eq 'taken as it is' "$code" 7
expect 'apply sends the one again that nobody recognised' 0 "$MVCHAT" apply -C "$T/o" --yes --json
eq 'and only that' "$(number posted "$T/out")" 1

# ---- no text, no token in the ledger, whatever happened ----
for p in d e a o; do
	if LC_ALL=C grep -qaE 'said by|edited by a person|sandbox-bot-token|sandbox-admin-token|Person 1' "$T/$p/.mvchat"/ledger.db*; then not_ok "$p: a text or a token is in the ledger"; else ok "$p: neither text nor token is in the ledger"; fi
done
done_testing
