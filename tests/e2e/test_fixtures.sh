#!/bin/sh
# Every Slack fixture as a user has it: inspect names each oddity with its count and first place; applied to a sandbox, the account
# adds up and nothing is left to explain. What the importer pushes is tests/unit/test_slack_conform.c's matter.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens

# "NAME COUNT" of each oddity; the files that describe a fixture are no part of it.
expected() { grep '"type":"hazard"' "$1" | sed 's/.*"name":"\([^"]*\)".*/\1/' | sort | uniq -c | awk '{ print $2, $1 }' | grep -v '^unknown-file'; }
told() { grep -oE '"name":"[a-z-]+","level":"[a-z]+","count":[0-9]+' "$1" | sed 's/"name":"\([^"]*\)".*:/\1 /' | sort | grep -v '^unknown-file'; }
# Oddities without a place, but for those about a person as a whole or the archive as a whole.
placeless() { grep -oE '"name":"[a-z-]+","level":"[a-z]+","count":[0-9]+,"first":""' "$1" | grep -vE 'author-(from-profile|unknown)|extra-top-folder'; }

nth=0
for dir in fixtures/slack/demo fixtures/slack/hazards/*; do
	f=${dir##*/}
	archive=$dir
	[ ! -d "$dir/archive" ] || archive=$dir/archive
	case "$f" in
	39-* | 40-*)
		expect "$f is refused" 3 "$MVCHAT" inspect "$archive"
		if grep -qE 'choose JSON|slackdump convert' "$T/err"; then ok "$f: says what to do"; else not_ok "$f: says what to do" "$T/err"; fi
		continue
		;;
	esac
	expect "$f is read" 0 "$MVCHAT" inspect --json "$archive"
	cp "$T/out" "$T/inspect.json"
	eq "$f: each oddity with its count" "$(told "$T/inspect.json")" "$(expected "$dir/expect.jsonl")"
	eq "$f: each has a place" "$(placeless "$T/inspect.json")" ''
	# The slow build proves each fixture's reading in test_slack_conform.c; here a part of them is replayed.
	nth=$((nth + 1))
	[ "${MODE:-release}" = release ] || [ $((nth % 5)) -eq 1 ] || continue
	sandbox "n$nth"
	rm -rf "$T/p"
	mkdir "$T/p"
	expect "$f: map" 0 "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create "$archive"
	run "$MVCHAT" apply -C "$T/p" --yes --json
	case "$code" in 0 | 6) ;; *) not_ok "$f: apply (exit $code)" "$T/out" "$T/err" ;; esac
	expect "$f: nothing is left to do" 0 "$MVCHAT" plan -C "$T/p" --exit-code --json
	has "$f: the account adds up" "$T/out" '"adds_up":true'
	eq "$f: nothing waits, nothing is in doubt" "$(grep -oE '"(pending|doubt)":[1-9][0-9]*' "$T/out")" ''
	eq "$f: all that was read, and what could not be, is in the account" "$(grep -oE '"messages":\{"read":[0-9]+' "$T/out" | grep -oE '[0-9]+$')" "$(($(number read "$T/inspect.json") + $(number bad "$T/inspect.json")))"
	sandbox_stop "$spid"
done

# What the program says itself inside a message is in the messages' language.
sandbox words
rm -rf "$T/p"
mkdir "$T/p"
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create fixtures/slack/demo
sed -i 's/^locale: en/locale: ru/' "$T/p/mvchat.yaml"
run "$MVCHAT" apply -C "$T/p" --yes --json
"$MVCHAT" sandbox --store "$STORE" --dump >"$T/dump"
has 'a call in Russian' "$T/dump" 'Звонок: Планёрка, 30 мин, участников: 3'
hasnt 'and not in English' "$T/dump" 'Call: '
sandbox_stop "$spid"
# Channels of one name in several workspaces of an organisation are told apart, whichever comes first.
rm -rf "$T/p"
mkdir "$T/p"
expect 'map of a Grid' 0 "$MVCHAT" map -C "$T/p" --offline fixtures/slack/hazards/23-grid
eq 'by their workspaces' "$(cut -d, -f9 "$T/p/channels.csv" | tail -n +2 | tr '\n' ' ')" 'general · north shared general · south '
done_testing
