#!/bin/sh
# Bad input and refusals: the exit code and a sentence that says what to do; nothing lost.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"
mkdir "$T/p"
sandbox errors

expect 'no command word twice wrong' 2 "$MVCHAT" aply
has 'suggests the command' "$T/err" "mvchat apply"
expect 'unknown option' 2 "$MVCHAT" plan --ofline
has 'suggests the option' "$T/err" '--offline'
expect 'no archive' 3 "$MVCHAT" inspect "$T/nothing.zip"
has 'names it' "$T/err" 'nothing.zip'
echo 'this is no archive' >"$T/x.zip"
expect 'not an archive' 3 "$MVCHAT" inspect "$T/x.zip"
expect 'plan without a project' 4 "$MVCHAT" plan -C "$T/p"
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create "$T/export.zip"

cp "$T/p/mvchat.yaml" "$T/good.yaml"
echo 'chanels: {}' >>"$T/p/mvchat.yaml"
expect 'an unknown key in the mapping' 2 "$MVCHAT" plan -C "$T/p"
has 'with its place' "$T/err" 'mvchat.yaml:'
has 'and a suggestion' "$T/err" 'channels'
cp "$T/good.yaml" "$T/p/mvchat.yaml"

run env PACHCA_BOT_TOKEN=wrong-token-1234 "$MVCHAT" apply -C "$T/p" --yes
eq 'a wrong token: exit 5' "$code" 5
hasnt 'which is not repeated' "$T/err" 'wrong-token-1234'
run env -u PACHCA_BOT_TOKEN "$MVCHAT" apply -C "$T/p" --yes
eq 'no token: exit 5' "$code" 5
has 'says which variable' "$T/err" 'PACHCA_BOT_TOKEN'
run "$MVCHAT" apply -C "$T/p" --yes --url http://127.0.0.1:9/api/shared/v1
eq 'nobody listens: exit 5' "$code" 5
run "$MVCHAT" apply -C "$T/p" --yes --url http://example.com/api
eq 'plain http beyond this machine is refused: exit 2' "$code" 2

# A token without a needed permission is named before the first write.
ctl -X POST -H 'Content-Type: application/json' -d '{"token":"few-scopes-token","name":"few","bot":true,"scopes":["profile:read","messages:read","chats:read","users:read"]}' "$PAGE/sandbox/tokens" >"$T/out"
run env PACHCA_BOT_TOKEN=few-scopes-token "$MVCHAT" apply -C "$T/p" --yes
eq 'missing scopes: exit 5' "$code" 5
has 'every one of them is named' "$T/err" 'messages:create'
eq 'before the first write' "$(ctl "$PAGE/sandbox/stats" | grep -oE '"mutating":[0-9]+')" '"mutating":0'

# A ledger in use; then one of another pair.
expect 'a part of the work' 6 "$MVCHAT" apply -C "$T/p" --yes --max-ops 20
flock -n "$T/p/.mvchat/ledger.lock" sh -c '"$0" apply -C "$1" --yes >"$2" 2>"$3"; echo $? >"$4"' "$MVCHAT" "$T/p" "$T/out" "$T/err" "$T/code"
eq 'a locked ledger: exit 8' "$(cat "$T/code")" 8
first=$URL
sandbox other
run "$MVCHAT" apply -C "$T/p" --yes --url "$URL"
eq 'a ledger of another target: exit 8' "$code" 8
expect 'and the right one goes on' 0 "$MVCHAT" apply -C "$T/p" --yes --url "$first"

# One broken day file: a counted record with its place; the run goes on.
mkdir "$T/broken" && cp -r fixtures/slack/demo/. "$T/broken/"
day=$(find "$T/broken" -name '20*.json' | sort | head -1)
head -c 150 "$day" >"$T/cut" && cp "$T/cut" "$day"
expect 'a broken day file does not end the reading' 0 "$MVCHAT" inspect "$T/broken"
has 'its place is told' "$T/out" "$(basename "$day")"
expect 'with --exit-code it is told to scripts' 7 "$MVCHAT" inspect --exit-code "$T/broken"

# The same refusals in both languages: the same code, and every sentence in the reader's own. Places, names and what
# somebody else's software said (in brackets or after the last colon) are as they were.
printf 'PK\003\004 cut off' >"$T/cut.zip"
cyrillic() { LC_ALL=C grep -q "$(printf '[\320\321]')"; }
both() {
	name=$1 want=$2
	shift 2
	run env MVCHAT_LANG=en "$@"
	en=$code
	if cyrillic <"$T/err"; then not_ok "$name: English" "$T/err"; else ok "$name: English"; fi
	run env MVCHAT_LANG=ru "$@"
	eq "$name: one code in both languages" "$en $code" "$want $want"
	if grep -E '^mvchat: (error|ошибка):' "$T/err" | cyrillic && ! sed 's/«[^»]*»//g' "$T/err" | grep -qE '\b(cannot|could|must|does not|there is|is not|is no|nothing)\b'; then
		ok "$name: Russian"
	else
		not_ok "$name: Russian" "$T/err"
	fi
}
both 'no such archive' 3 "$MVCHAT" inspect "$T/nothing.zip"
both 'no archive' 3 "$MVCHAT" inspect "$T/x.zip"
both 'a cut zip' 3 "$MVCHAT" inspect "$T/cut.zip"
both 'no project' 4 "$MVCHAT" plan -C "$T/broken"
echo 'chanels: {}' >>"$T/p/mvchat.yaml"
both 'an unknown key' 2 "$MVCHAT" plan -C "$T/p"
cp "$T/good.yaml" "$T/p/mvchat.yaml"
both 'no token' 5 env -u PACHCA_BOT_TOKEN "$MVCHAT" apply -C "$T/p" --yes
both 'nobody listens' 5 "$MVCHAT" apply -C "$T/p" --yes --url http://127.0.0.1:9/api/shared/v1
both 'plain http' 2 "$MVCHAT" apply -C "$T/p" --yes --url http://example.com/api
both 'another pair' 8 "$MVCHAT" apply -C "$T/p" --yes --url "$URL"
both 'a wrong token' 5 env PACHCA_BOT_TOKEN=wrong-token-1234 "$MVCHAT" apply -C "$T/p" --yes --url "$first"
done_testing
