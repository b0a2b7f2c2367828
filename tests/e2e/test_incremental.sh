#!/bin/sh
# A newer export of the same workspace, applied to the same project: only what is new is sent, what was edited is edited, what was
# deleted is told (and deleted on request), nothing else is touched; links lead to the target in both directions; nobody hears of it.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
T0=1704067200
# say N USER TEXT [more JSON]: one message, N seconds in
say() { printf '%s{"type":"message","user":"%s","ts":"%d.000100","text":"%s"%s}' "${sep:-}" "$2" $((T0 + $1)) "$3" "${4:-}"; sep=,; }
thread() { printf ',"thread_ts":"%d.000100"' $((T0 + $1)); }
link() { printf '<https://team.slack.com/archives/%s/p%d000100>' "$1" $((T0 + $2)); }
people() { printf '[{"id":"U1","team_id":"T1","name":"ann","real_name":"Ann","profile":{"email":"ann@x.example"}},{"id":"U2","team_id":"T1","name":"bob","real_name":"%s","profile":{"email":"bob@x.example"}}]' "$1"; }
channel() { printf '%s{"id":"%s","name":"%s","members":["U1","U2"],"is_archived":%s}' "${4:-}" "$1" "$2" "$3"; }
# older FOLDER, newer FOLDER: the two exports
older() {
	mkdir -p "$1/general" "$1/dev" "$1/quiet"
	people Bob >"$1/users.json"
	{ printf '['; channel C1 general false; channel C2 dev true ,; channel C3 quiet false ,; printf ']'; } >"$1/channels.json"
	{
		printf '['; sep=
		say 1 U1 "see $(link C2 2)"
		say 2 U2 'a thread' "$(thread 2)"
		say 3 U1 'first words'
		say 4 U1 'to be deleted'
		say 5 U2 'stays'
		say 6 U1 'reply one' "$(thread 2)"
		printf ']'
	} >"$1/general/2024-01-01.json"
	{ printf '['; sep=; say 1 U1 "see $(link C1 6)"; say 2 U2 'in dev'; say 3 U1 "see $(link C9 1)"; printf ']'; } >"$1/dev/2024-01-01.json"
	{ printf '['; sep=; say 1 U1 'one'; say 2 U2 'two'; printf ']'; } >"$1/quiet/2024-01-01.json"
}
newer() {
	older "$1"
	people 'Robert' >"$1/users.json"
	mkdir -p "$1/new"
	{ printf '['; channel C1 general false; channel C2 dev true ,; channel C3 quiet false ,; channel C4 new false ,; printf ']'; } >"$1/channels.json"
	{
		printf '['; sep=
		say 1 U1 "see $(link C2 2)"
		say 2 U2 'a thread' "$(thread 2)"
		say 3 U1 'other words' ',"edited":{"user":"U1","ts":"1704070000.000100"}'
		say 5 U2 'stays'
		say 6 U1 'reply one' "$(thread 2)"
		say 7 U1 'reply two, new' "$(thread 2)"
		say 8 U1 "new in general, see $(link C4 2)"
		printf ']'
	} >"$1/general/2024-01-01.json"
	{ printf '['; sep=; say 1 U1 "see $(link C1 6)"; say 2 U2 'in dev'; say 3 U1 "see $(link C9 1)"; say 4 U2 'new in dev'; printf ']'; } >"$1/dev/2024-01-01.json"
	{ printf '['; sep=; say 1 U1 'hello'; say 2 U2 "see $(link C1 1)"; printf ']'; } >"$1/new/2024-01-01.json"
}
use() { rm -rf "$T/src"; "$1" "$T/src"; sh "$ROOT/tests/tools/zip_fixture.sh" "$T/src" "$T/export.zip"; }
# did: what the last command wrote, by method and kind of address
did() { tail -n +"$((seen + 1))" "$LOG" | grep -oE '"(POST|PUT|DELETE) [^"?]*|"method":"(POST|PUT|DELETE)","path":"[^"?]*' |
	sed -E 's/"method":"([A-Z]*)","path":"/\1 /; s/^"//; s#/api/shared/v1##; s/[0-9]+/N/g' | sort | uniq -c | sed -E 's/^ *//' | paste -sd';' -; }
mark() { seen=$(wc -l <"$LOG"); }
dump() { ctl "$PAGE/sandbox/dump" >"$1"; }

sandbox one
use older
mkdir "$T/p"
expect 'a project' 0 "$MVCHAT" map -q -C "$T/p" --url "$URL" --unmatched create "$T/export.zip"
mark
expect 'the older export' 0 "$MVCHAT" apply -C "$T/p" --yes
did >"$T/did1"
dump "$T/dump1"
has 'links into another chat and into a thread lead to the target' "$T/dump1" '"content":"see http://127.0.0.1:'
eq 'both of them' "$(grep -c '"content":"see http://127.0.0.1:' "$T/dump1")" 2
# Order of the requests: whoever is to be in is in before the first link is put right.
first_of() { tail -n +"$((seen + 1))" "$LOG" | grep -nE "$1" | cut -d: -f1 | "$2" -n1; }
last_in=$(first_of '"method":"POST","path":"/chats/[0-9]*/members' tail) first_link=$(first_of '"method":"PUT","path":"/messages/' head)
if [ "${last_in:-0}" -gt 0 ] && [ "$last_in" -lt "${first_link:-0}" ]; then ok 'people are in before links are put right'; else not_ok "people are in ($last_in) before links are put right ($first_link)" "$LOG"; fi
eq 'one to no archive stays' "$(grep -c '"content":"see https://team.slack.com/archives/C9' "$T/dump1")" 1
has 'nobody was notified' "$T/dump1" '"notifications":0,"invitations":0'
mark
expect 'once more' 0 "$MVCHAT" apply -C "$T/p" --yes
eq 'writes nothing' "$(did)" ''

# A ledger that was lost is found again, with texts as the second pass has left them.
rm "$T"/p/.mvchat/ledger.db*
expect 'a ledger from the target' 0 "$MVCHAT" verify -C "$T/p" --adopt
mark
expect 'apply after that' 0 "$MVCHAT" apply -C "$T/p" --yes
eq 'writes nothing' "$(did)" ''

use newer
expect 'plan' 0 "$MVCHAT" plan -C "$T/p" --json
cp "$T/out" "$T/plan"
eq 'new messages' "$(grep -oE '"messages":\{[^}]*' "$T/plan" | grep -oE '"pending":[0-9]+')" '"pending":5'
eq 'one edit of the source' "$(number edits "$T/plan")" 1
eq 'one deleted' "$(number removed "$T/plan")" 1
eq 'which is left' "$(number deletes "$T/plan")" 0
eq 'how many will be heard of' "$(number into_joined_chats "$T/plan")" 3
expect 'plan in words' 0 "$MVCHAT" plan -C "$T/p"
has 'tells of the deletion' "$T/out" 'deleted in the source: left in the target'
has 'tells who will be notified' "$T/out" '3 messages go into chats whose people are in already'
has 'tells of the archived chat' "$T/out" 'it is opened for what is new, and archived again'
planned=$(number requests "$T/plan")
mark
expect 'the newer export' 0 "$MVCHAT" apply -C "$T/p" --yes
eq 'what was written: 5 messages, an edit, a link, a chat and its people; one chat opened and shut' "$(did)" \
	'1 POST /chats;1 POST /chats/N/members;5 POST /messages;1 PUT /chats/N/archive;1 PUT /chats/N/unarchive;2 PUT /messages/N'
eq 'as many as planned' "$(tail -n +"$((seen + 1))" "$LOG" | grep -cE '"(POST|PUT|DELETE)[ "]')" "$planned"
dump "$T/dump2"
has 'the edit is there' "$T/dump2" '"content":"other words"'
hasnt 'and replaced what was' "$T/dump2" '"content":"first words"'
has 'what was deleted stays' "$T/dump2" '"content":"to be deleted"'
has 'the archived chat has the new message' "$T/dump2" '"content":"new in dev"'
has 'and is archived' "$T/dump2" '"name":"dev","kind":"chat","public":true,"archived":true'
eq 'all links lead there' "$(grep -cE '"content":"(new in general, )?see http://127.0.0.1:' "$T/dump2")" 4
grep -E '"chat":"quiet"' "$T/dump1" >"$T/quiet1"
grep -E '"chat":"quiet"' "$T/dump2" >"$T/quiet2"
same 'what did not change was not touched, a new name of a person included' "$T/quiet1" "$T/quiet2"
mark
expect 'a third apply' 0 "$MVCHAT" apply -C "$T/p" --yes
eq 'writes nothing either' "$(did)" ''
has 'and still tells of the deletion' "$T/out" 'deleted in the source'
expect 'the target is as the ledger says' 0 "$MVCHAT" verify -C "$T/p"

expect 'a plan with deletion' 0 "$MVCHAT" plan -C "$T/p" --delete-removed
has 'says so' "$T/out" 'TO BE DELETED'
expect 'not asked and not told: nothing is deleted' 2 "$MVCHAT" apply -C "$T/p" --delete-removed
mark
expect 'deleting on request' 0 "$MVCHAT" apply -C "$T/p" --delete-removed --yes
eq 'one message' "$(did)" '1 DELETE /messages/N'
dump "$T/dump3"
hasnt 'it is gone' "$T/dump3" '"content":"to be deleted"'
grep -v 'to be deleted' "$T/dump2" | grep -v '"type":"stats"' >"$T/kept2"
grep -v '"type":"stats"' "$T/dump3" >"$T/kept3"
same 'and nothing else is' "$T/kept2" "$T/kept3"
mark
expect 'again' 0 "$MVCHAT" apply -C "$T/p" --delete-removed --yes
eq 'writes nothing' "$(did)" ''
expect 'and is in order' 0 "$MVCHAT" verify -C "$T/p"

# Another way of writing labels is a drift: left, or edited when asked for.
sed -i 's/^\( *\)label:.*/\1label: "{name}"/' "$T/p/mvchat.yaml"
grep -q 'label: "{name}"' "$T/p/mvchat.yaml" || printf 'label: "{name}"\n' >>"$T/p/mvchat.yaml"
mark
expect 'drift is left' 0 "$MVCHAT" apply -C "$T/p" --yes --json
drift=$(number drift "$T/out")
eq 'and written nowhere' "$(did)" ''
if [ "${drift:-0}" -gt 5 ]; then ok 'it is counted'; else not_ok "it is counted ($drift)" "$T/out"; fi
expect 'edited on request' 0 "$MVCHAT" apply -C "$T/p" --yes --edit-drift --json
eq 'none is left' "$(number drift "$T/out")" 0
eq 'all of them, the archived chat opened for them' "$(did)" "1 PUT /chats/N/archive;1 PUT /chats/N/unarchive;$drift PUT /messages/N"
expect 'and is in order' 0 "$MVCHAT" verify -C "$T/p"

# Texts that need more messages than they stand in, or fewer again.
many() { awk -v n="$1" 'BEGIN { for (i = 1; i <= n; i++) printf "word%05d ", i; printf "the end" }'; }
longer() { newer "$1"; { printf '['; sep=; say 1 U1 "$(many 8500)"; say 2 U2 "$(many 8500)"; printf ']'; } >"$1/quiet/2024-01-01.json"; }
shorter() { newer "$1"; { printf '['; sep=; say 1 U1 "$(many 10)"; say 2 U2 "$(many 5000)"; printf ']'; } >"$1/quiet/2024-01-01.json"; }
use longer
expect 'a plan with longer texts' 0 "$MVCHAT" plan -C "$T/p" --json
planned=$(number requests "$T/out")
eq 'a text will be cut' "$(number text-cut "$T/out")" 1
mark
expect 'applied' 0 "$MVCHAT" apply -C "$T/p" --yes
eq 'the last one goes on, the one before it is edited only' "$(did)" '2 POST /messages;2 PUT /messages/N'
eq 'as planned' "$planned" 4
dump "$T/dump4"
eq 'with a note of how much is missing' "$(grep -c 'word.*continues: [0-9][0-9]* characters more' "$T/dump4")" 1
eq 'both ends' "$(grep -c 'word00001' "$T/dump4") $(grep -c 'the end' "$T/dump4")" '2 1'
expect 'in order' 0 "$MVCHAT" verify -C "$T/p"
mark
expect 'again' 0 "$MVCHAT" apply -C "$T/p" --yes
eq 'nothing' "$(did)" ''
rm "$T"/p/.mvchat/ledger.db*
run "$MVCHAT" verify -C "$T/p" --adopt
mark
run "$MVCHAT" apply -C "$T/p" --yes
if did | grep -q 'POST /messages'; then not_ok 'a ledger from the target finds them' "$T/out"; else ok 'a ledger from the target finds them'; fi
use shorter
mark
expect 'shorter again' 0 "$MVCHAT" apply -C "$T/p" --yes
eq 'edited, and what is no longer needed deleted' "$(did)" '1 DELETE /messages/N;2 PUT /messages/N'
expect 'in order, too' 0 "$MVCHAT" verify -C "$T/p"
# A third export, in which a channel has another name and a message a third text; the table is refreshed after a run that made a chat for a
# channel without a row. The ledger of three runs and their edits is found again from the target, twice, and nothing is sent.
third() {
	newer "$1"
	sed -i 's/"name":"general"/"name":"allgemein"/' "$1/channels.json"
	mv "$1/general" "$1/allgemein"
	sed -i 's/other words/third words/; s/1704070000/1704080000/' "$1/allgemein/2024-01-01.json"
}
sandbox third
mkdir "$T/t"
use older
expect 'third: a project' 0 "$MVCHAT" map -q -C "$T/t" --url "$URL" --unmatched create "$T/export.zip"
expect 'third: the older export' 0 "$MVCHAT" apply -C "$T/t" --yes
use newer
expect 'third: the newer one, with a channel that has no row' 0 "$MVCHAT" apply -C "$T/t" --yes
use third
expect 'third: the table is refreshed' 0 "$MVCHAT" map -q -C "$T/t"
has 'third: the chat made without a row is its own' "$T/t/channels.csv" ',create,new,'
has 'third: a row that is there keeps its chat' "$T/t/channels.csv" 'C1,allgemein,public,,7,2024-01-01,2024-01-01,create,general,'
expect 'third: the third one' 0 "$MVCHAT" apply -C "$T/t" --yes --json
eq 'third: is an edit' "$(number posted "$T/out") $(number edited "$T/out")" '0 1'
expect 'third: verify' 0 "$MVCHAT" verify -C "$T/t"
dump "$T/third1"
rm "$T"/t/.mvchat/ledger.db*
for x in once twice; do
	expect "third: adopted $x; one message is in no export any more" 7 "$MVCHAT" verify -C "$T/t" --adopt --json
	eq "third: adopted $x: it is the only one" "$(number strangers "$T/out")" 1
	eq "third: adopted $x: no message is missing" "$(grep -oE '"missing":\{[^}]*' "$T/out" | grep -oE '"messages":[0-9]+')" '"messages":0'
done
expect 'third: apply after that' 0 "$MVCHAT" apply -C "$T/t" --yes --json
eq 'third: writes nothing' "$(number writes "$T/out")" 0
dump "$T/third2"
grep -v '"type":"stats"' "$T/third1" >"$T/a"
grep -v '"type":"stats"' "$T/third2" >"$T/b"
same 'third: the target is what it was' "$T/a" "$T/b"
done_testing
