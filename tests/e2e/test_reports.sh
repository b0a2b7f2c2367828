#!/bin/sh
# Reports of a plan, a part of a run, a whole run, a verification and the account: every format, both languages, files whole or not at all.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"
mkdir "$T/p" "$T/r"
sandbox reports

# well NAME FILE: an XML parser of its own reads it
xml() {
	if ! command -v xmllint >/dev/null 2>&1; then skip "$1" 'xmllint is not installed'; return; fi
	if xmllint --noout --nonet "$2" >"$T/xml" 2>&1; then ok "$1"; else not_ok "$1" "$T/xml"; fi
}
junit() {
	if ! command -v xmllint >/dev/null 2>&1; then skip "$1" 'xmllint is not installed'; return; fi
	if xmllint --noout --nonet --schema tests/lib/junit.xsd "$2" >"$T/xml" 2>&1; then ok "$1"; else not_ok "$1" "$T/xml"; fi
}
# A phrase of the archive's messages that no report may hold.
secret=$(grep -rhoE '"text": ?"[^"\\<:@]{30,60}' fixtures/slack/demo --include='20*.json' | sed 's/.*"//' | head -40)
quiet() {
	printf '%s\n' "$secret" | sort -u >"$T/phrases"
	if grep -qFf "$T/phrases" "$2"; then not_ok "$1: message text in $2"; else ok "$1"; fi
}
all() { for x in txt md html xml json; do printf '%s,' "$T/r/$1.$x"; done; }

run "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create "$T/export.zip"
eq 'a project' "$code" 0
if [ "$(printf '%s\n' "$secret" | grep -c .)" -ge 10 ]; then ok 'there is text to look for'; else not_ok 'there is text to look for'; fi

expect 'report before anything was written' 0 "$MVCHAT" report -C "$T/p"
has 'is the plan' "$T/out" 'To do: '
expect 'plan with reports' 0 "$MVCHAT" plan -C "$T/p" --report "$(all plan)"
for x in txt md html xml json; do
	if [ -s "$T/r/plan.$x" ]; then ok "plan.$x is there"; else not_ok "plan.$x is there" "$T/err"; fi
	quiet "plan.$x holds no message" "$T/r/plan.$x"
done
xml 'the HTML parses' "$T/r/plan.html"
junit 'the JUnit file fits its schema' "$T/r/plan.xml"
eq 'nothing fails in a sound plan' "$(grep -c '<failure' "$T/r/plan.xml")" 0
has 'the plan stands in the JSON report' "$T/r/plan.json" '"report":"plan"'
has 'with the archive' "$T/r/plan.json" '"name":"export.zip"'
has 'and the months' "$T/r/plan.json" '"month":"2024-01"'
months=$(grep -oE '"month":"[^"]+","messages":[0-9]+' "$T/r/plan.json" | awk -F: '{n += $NF} END {print n + 0}')
once=$(grep -oE '"messages":\{"read":[0-9]+,"sent":[0-9]+,"merged":[0-9]+' "$T/r/plan.json" | tr -c '0-9\n' ' ' | awk '{print $1 - $3}')
eq 'the months add up to what was read once' "$months" "$once"
expect 'the same as on the screen' 0 "$MVCHAT" plan -C "$T/p"
same 'the text report' "$T/out" "$T/r/plan.txt"

expect 'plan --fail-on with nothing of the kind' 0 "$MVCHAT" plan -C "$T/p" --fail-on rejected,doubt,privacy
expect 'plan --fail-on a loss' 7 "$MVCHAT" plan -C "$T/p" --fail-on loss:reactions,unresolved,privacy --report "$T/r/gate.xml"
has 'says which and how many' "$T/err" '--fail-on loss:reactions: '
hasnt 'and not the others' "$T/err" 'privacy'
if [ -s "$T/r/gate.xml" ]; then ok 'the reports are written all the same'; else not_ok 'the reports are written all the same' "$T/err"; fi
expect 'plan --fail-on something unknown' 2 "$MVCHAT" plan -C "$T/p" --fail-on loss:reaction
has 'a near word is suggested' "$T/err" 'loss:reactions'

expect 'a part of the work' 6 "$MVCHAT" apply -C "$T/p" --yes --max-ops 40 --report "$T/r/part.html,$T/r/part.xml"
xml 'the HTML parses' "$T/r/part.html"
junit 'the JUnit file fits its schema' "$T/r/part.xml"
has 'what is left to do is a failure' "$T/r/part.xml" 'nothing left to do: '
expect 'the rest' 0 "$MVCHAT" apply -C "$T/p" --yes --report "$(all run)"
has 'a run is reported' "$T/r/run.html" 'What this run wrote'
eq 'and nothing fails' "$(grep -c '<failure' "$T/r/run.xml")" 0
for x in txt md html xml json; do quiet "run.$x holds no message" "$T/r/run.$x"; done
expect 'verify with reports' 0 "$MVCHAT" verify -C "$T/p" --report "$(all verify)"
has 'it is complete' "$T/r/verify.html" 'The replay is complete'
has 'each conversation was looked at' "$T/r/verify.xml" 'name="in order"'
has 'the JSON report says so' "$T/r/verify.json" '"complete":true'

# One message is taken out behind our back: the conversation's testcase fails, and the report names the message by its id.
chat=$(ctl -H "Authorization: Bearer $PACHCA_BOT_TOKEN" "$URL/chats" | grep -oE '\{"id":[0-9]+' | grep -oE '[0-9]+$' | head -1)
msg=$(ctl -H "Authorization: Bearer $PACHCA_BOT_TOKEN" "$URL/messages?chat_id=$chat&limit=1" | grep -oE '\{"id":[0-9]+' | grep -oE '[0-9]+$' | head -1)
ctl -X DELETE -H "Authorization: Bearer $PACHCA_BOT_TOKEN" "$URL/messages/$msg" >/dev/null
expect 'verify finds a missing message' 7 "$MVCHAT" verify -C "$T/p" --report "$(all gone)"
eq 'one testcase fails' "$(grep -c '<failure' "$T/r/gone.xml")" 1
has 'complete is its name' "$T/r/gone.xml" 'message="complete: 1"'
junit 'the JUnit file fits its schema' "$T/r/gone.xml"
xml 'the HTML parses' "$T/r/gone.html"
has 'the HTML says it first' "$T/r/gone.html" 'Needs attention'
has 'and links to the place' "$T/r/gone.html" "message=$msg"
has 'the Markdown too' "$T/r/gone.md" "message=$msg"
for x in txt md html xml json; do quiet "gone.$x holds no message" "$T/r/gone.$x"; done

# The account, without the target.
run env -u PACHCA_BOT_TOKEN -u PACHCA_ADMIN_TOKEN "$MVCHAT" report -C "$T/p" --format html
eq 'report needs no token' "$code" 0
has 'and gives HTML' "$T/out" '<!DOCTYPE html>'
has 'which says that the target was not asked' "$T/out" 'The target was not asked'
has 'with a place to sign' "$T/out" 'Signature'
hasnt 'nothing from elsewhere' "$T/out" 'src='
for f in text markdown html junit json; do
	expect "report as $f" 0 "$MVCHAT" report -C "$T/p" --format "$f"
	cp "$T/out" "$T/account.$f"
done
expect 'report into a file' 0 "$MVCHAT" report -C "$T/p" -o "$T/r/account.md"
sed '/^Written /d' "$T/account.markdown" >"$T/a" && sed '/^Written /d' "$T/r/account.md" >"$T/b"
same 'is the same' "$T/a" "$T/b"
expect 'report in Russian' 0 "$MVCHAT" report -C "$T/p" --lang ru -o "$T/r/ru.html"
has 'says so' "$T/r/ru.html" 'lang="ru"'
has 'and is' "$T/r/ru.html" 'Открытые вопросы'
xml 'the Russian one parses' "$T/r/ru.html"

# Bad wishes cost nothing.
expect 'an unknown format' 2 "$MVCHAT" report -C "$T/p" --format pdf
has 'the known ones are named' "$T/err" 'markdown'
expect 'an unknown extension' 2 "$MVCHAT" plan -C "$T/p" --report "$T/r/x.html,$T/r/x.doc"
if [ -e "$T/r/x.html" ]; then not_ok 'nothing was written'; else ok 'nothing was written'; fi
expect 'a folder that is not there' 1 "$MVCHAT" report -C "$T/p" -o "$T/none/x.html"
has 'is named' "$T/err" 'none'
echo old >"$T/r/full.html"
if [ -w /dev/full ]; then
	run sh -c '"$0" report -C "$1" --format html >/dev/full' "$MVCHAT" "$T/p"
	eq 'a full disk is told' "$code" 1
fi
if find "$T/r" -name '.*.tmp' | grep -q .; then not_ok 'no half-written file stays'; else ok 'no half-written file stays'; fi
case $(find "$T/r" -type f ! -name full.html -perm /077 | head -1) in '') ok 'reports are private' ;; *) not_ok 'reports are private' ;; esac
# Events for programs: one object a line and nothing else on stderr, each stage with its end.
mkdir "$T/ev"
sandbox events
expect 'a project for events' 0 "$MVCHAT" map -C "$T/ev" --url "$URL" --unmatched create fixtures/slack/demo
expect 'apply with events' 0 "$MVCHAT" apply -C "$T/ev" --yes --json --progress json
eq 'every line is an event or a log line' "$(grep -cvE '^\{("schema":1,"event":"progress","t":"[0-9TZ:-]+","stage":"[a-z-]+","done":[0-9]+,.*"last":(true|false)|"t":.*"lvl":.*)\}$' "$T/err")" 0
eq 'writing begins' "$(grep -c '"stage":"writing","done":0,.*"last":false' "$T/err")" 1
has 'and ends with what was written' "$T/err" "\"stage\":\"writing\",\"done\":$(number posted "$T/out"),"
eq 'once' "$(grep -c '"stage":"writing".*"last":true' "$T/err")" 1
expect 'verify with events' 0 "$MVCHAT" verify -C "$T/ev" --progress json
eq 'comparing ends, too' "$(grep -c '"stage":"comparing".*"last":true' "$T/err")" 1
done_testing
